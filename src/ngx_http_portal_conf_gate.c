
/*
 * Copyright (C) the portal's authors
 */


#include "ngx_http_portal_conf.h"


/*
 * Whose a location is, and for whom: "portal_tenant" and "portal_allow".
 */


static char *ngx_http_portal_conf_tenant_of(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *plcf, ngx_str_t *value);
static char *ngx_http_portal_conf_town(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *plcf, ngx_str_t *slug);


char *
ngx_http_portal_conf_tenant(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    ngx_str_t                    *value;
    ngx_http_portal_main_conf_t  *pmcf;

    if (plcf->town != NULL || plcf->tenant != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_portal_module);
    pmcf->used = 1;

    ngx_http_portal_conf_place(cf, plcf);

    if (cf->args->nelts == 3) {

        if (ngx_strcmp(value[2].data, "agents") != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"; write \"agents\" "
                               "for the town's own people, or nothing",
                               &value[2]);
            return NGX_CONF_ERROR;
        }

        plcf->agents = 1;
    }

    return ngx_http_script_variables_count(&value[1])
               ? ngx_http_portal_conf_tenant_of(cf, plcf, &value[1])
               : ngx_http_portal_conf_town(cf, plcf, &value[1]);
}


/* each request says which */

static char *
ngx_http_portal_conf_tenant_of(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *plcf, ngx_str_t *value)
{
    ngx_http_compile_complex_value_t  ccv;

    plcf->tenant = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (plcf->tenant == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = plcf->tenant;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


static char *
ngx_http_portal_conf_town(ngx_conf_t *cf, ngx_http_portal_loc_conf_t *plcf,
    ngx_str_t *slug)
{
    ngx_uint_t                    i;
    ngx_http_portal_town_t      **town, *t;
    ngx_http_portal_main_conf_t  *pmcf;

    if (!ngx_http_portal_is_slug(slug)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid town \"%V\"; write its short name in "
                           "a-z, 0-9 and \"-\", or a variable that has it",
                           slug);
        return NGX_CONF_ERROR;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_portal_module);
    town = pmcf->towns.elts;

    for (i = 0; i < pmcf->towns.nelts; i++) {

        if (town[i]->slug.len == slug->len
            && ngx_strncmp(town[i]->slug.data, slug->data, slug->len) == 0)
        {
            plcf->town = town[i];
            return NGX_CONF_OK;
        }
    }

    t = ngx_pcalloc(cf->pool, sizeof(ngx_http_portal_town_t));
    town = ngx_array_push(&pmcf->towns);

    if (t == NULL || town == NULL) {
        return NGX_CONF_ERROR;
    }

    t->slug = *slug;
    *town = t;
    plcf->town = t;

    return NGX_CONF_OK;
}


/* with what a location lacks known at the end only, the place is kept */

void
ngx_http_portal_conf_place(ngx_conf_t *cf, ngx_http_portal_loc_conf_t *plcf)
{
    if (plcf->line == 0) {
        plcf->file = cf->conf_file->file.name;
        plcf->line = cf->conf_file->line;
    }
}


char *
ngx_http_portal_conf_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    ngx_str_t        *value;
    ngx_conf_enum_t  *e;

    if (plcf->audience != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    ngx_http_portal_conf_place(cf, plcf);

    value = cf->args->elts;

    for (e = cmd->post; e->name.len; e++) {

        if (e->name.len == value[1].len
            && ngx_strncmp(e->name.data, value[1].data, e->name.len) == 0)
        {
            plcf->audience = e->value;
            break;
        }
    }

    if (e->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "nobody is \"%V\"; write \"portal_allow public\", "
                           "\"citizen\", \"family\", \"agent\" or \"machine "
                           "RIGHT\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if ((cf->args->nelts == 3) != (e->value == NGX_HTTP_PORTAL_MACHINE)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a machine needs a right, and nobody else has one; "
                           "write \"portal_allow machine import\"");
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 3) {
        plcf->right = value[2];
    }

    return NGX_CONF_OK;
}
