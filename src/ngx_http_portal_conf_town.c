
/*
 * Copyright (C) the portal's authors
 */


#include "ngx_http_portal_conf.h"


/*
 * Which town a server is for.
 */


static char *ngx_http_portal_conf_tenant_of(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *plcf, ngx_str_t *value);
static char *ngx_http_portal_conf_town(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *plcf, ngx_str_t *slug);


char *
ngx_http_portal_conf_tenant(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    ngx_str_t  *value;

    if (plcf->town != NULL || plcf->tenant != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

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
