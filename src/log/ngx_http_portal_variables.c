
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What headers to an upstream and the access log may say of the person: ids,
 * never names.  Empty when nobody is known.
 */

typedef enum {
    NGX_HTTP_PORTAL_VAR_ACCOUNT = 0,
    NGX_HTTP_PORTAL_VAR_AGENT,
    NGX_HTTP_PORTAL_VAR_FAMILY,
    NGX_HTTP_PORTAL_VAR_ROLES,
    NGX_HTTP_PORTAL_VAR_LANG,
    NGX_HTTP_PORTAL_VAR_TENANT,
    NGX_HTTP_PORTAL_VAR_GATE,
    NGX_HTTP_PORTAL_VAR_PATH,
    NGX_HTTP_PORTAL_VAR_REQUEST_ID,
    NGX_HTTP_PORTAL_VAR_CALL_TIME,
    NGX_HTTP_PORTAL_VAR_QUEUE_TIME,
    NGX_HTTP_PORTAL_VAR_HASH_TIME,
    NGX_HTTP_PORTAL_VAR_RENDER_TIME,
} ngx_http_portal_var_e;


static ngx_int_t ngx_http_portal_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_portal_variable_log(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_portal_variable_path(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_int_t ngx_http_portal_variable_time(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, uintptr_t data, ngx_str_t *value);
static ngx_int_t ngx_http_portal_variable_client(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_portal_variable_webhooks(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_portal_variable_id(ngx_http_request_t *r,
    int64_t id, ngx_str_t *value);
static void ngx_http_portal_variable_roles(ngx_uint_t roles,
    ngx_str_t *value);
static void ngx_http_portal_variable_gate(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_str_t *value);


static ngx_http_variable_t  ngx_http_portal_vars[] = {

    { ngx_string("portal_account"), NULL, ngx_http_portal_variable,
      NGX_HTTP_PORTAL_VAR_ACCOUNT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_agent"), NULL, ngx_http_portal_variable,
      NGX_HTTP_PORTAL_VAR_AGENT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_family"), NULL, ngx_http_portal_variable,
      NGX_HTTP_PORTAL_VAR_FAMILY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_roles"), NULL, ngx_http_portal_variable,
      NGX_HTTP_PORTAL_VAR_ROLES, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_lang"), NULL, ngx_http_portal_variable,
      NGX_HTTP_PORTAL_VAR_LANG, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_tenant"), NULL, ngx_http_portal_variable,
      NGX_HTTP_PORTAL_VAR_TENANT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_gate"), NULL, ngx_http_portal_variable,
      NGX_HTTP_PORTAL_VAR_GATE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_path"), NULL, ngx_http_portal_variable_log,
      NGX_HTTP_PORTAL_VAR_PATH, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_request_id"), NULL, ngx_http_portal_variable_log,
      NGX_HTTP_PORTAL_VAR_REQUEST_ID, 0, 0 },

    { ngx_string("portal_call_time"), NULL, ngx_http_portal_variable_log,
      NGX_HTTP_PORTAL_VAR_CALL_TIME, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_queue_time"), NULL, ngx_http_portal_variable_log,
      NGX_HTTP_PORTAL_VAR_QUEUE_TIME, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_hash_time"), NULL, ngx_http_portal_variable_log,
      NGX_HTTP_PORTAL_VAR_HASH_TIME, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_render_time"), NULL, ngx_http_portal_variable_log,
      NGX_HTTP_PORTAL_VAR_RENDER_TIME, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("portal_client"), NULL, ngx_http_portal_variable_client,
      0, 0, 0 },

    { ngx_string("portal_webhooks"), NULL, ngx_http_portal_variable_webhooks,
      0, 0, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_portal_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_portal_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_int_t                     rc;
    ngx_str_t                     value;
    ngx_uint_t                    live;
    ngx_http_portal_ctx_t        *ctx;
    ngx_http_portal_town_t       *town;
    ngx_http_portal_loc_conf_t   *plcf;
    ngx_http_portal_main_conf_t  *pmcf;

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_portal_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);
    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    /* only what the gate has let through */

    live = ctx != NULL && ctx->live && ctx->verdict != NULL;

    rc = NGX_OK;
    ngx_str_set(&value, "");

    switch (data) {

    case NGX_HTTP_PORTAL_VAR_ACCOUNT:
    case NGX_HTTP_PORTAL_VAR_AGENT:
        if (live && plcf->agents == (data == NGX_HTTP_PORTAL_VAR_AGENT)) {
            rc = ngx_http_portal_variable_id(r, ctx->session.account, &value);
        }

        break;

    case NGX_HTTP_PORTAL_VAR_FAMILY:
        if (live) {
            rc = ngx_http_portal_variable_id(r, ctx->session.family, &value);
        }

        break;

    case NGX_HTTP_PORTAL_VAR_ROLES:
        if (live) {
            ngx_http_portal_variable_roles(ctx->session.roles, &value);
        }

        break;

    case NGX_HTTP_PORTAL_VAR_LANG:
        if (pmcf->nlanguages) {
            value = pmcf->languages[ctx ? ctx->language : 0];
        }
        break;

    case NGX_HTTP_PORTAL_VAR_TENANT:
        town = ngx_http_portal_town_known(r);

        if (town != NULL) {
            value = town->slug;
        }
        break;

    default:
        if (ctx != NULL) {
            ngx_http_portal_variable_gate(r, ctx, &value);
        }
    }

    v->len = (unsigned) value.len & 0xfffffff;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = value.data;

    return rc;
}


/* before the gate, for limit_req_zone */

static ngx_int_t
ngx_http_portal_variable_client(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    v->data = ngx_pnalloc(r->pool, NGX_SOCKADDR_STRLEN);
    if (v->data == NULL) {
        return NGX_ERROR;
    }

    v->len = (unsigned) ngx_http_portal_client(r, v->data, 64) & 0xfffffff;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* whether what this server is told of goes on, for the page of addresses */

static ngx_int_t
ngx_http_portal_variable_webhooks(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    v->data = (u_char *) "1";
    v->len = pmcf->hook.on ? 1 : 0;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_variable_id(ngx_http_request_t *r, int64_t id,
    ngx_str_t *value)
{
    u_char  *p;

    if (id == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;
    value->len = (size_t) (ngx_sprintf(p, "%L", id) - p);

    return NGX_OK;
}


static void
ngx_http_portal_variable_roles(ngx_uint_t roles, ngx_str_t *value)
{
    if (roles & NGX_HTTP_PORTAL_ROLE_FAMILY) {
        ngx_str_set(value, "citizen,family");

    } else if (roles & NGX_HTTP_PORTAL_ROLE_CITIZEN) {
        ngx_str_set(value, "citizen");

    } else if (roles & NGX_HTTP_PORTAL_ROLE_ADMINISTRATOR) {
        ngx_str_set(value, "agent,administrator");

    } else if (roles & NGX_HTTP_PORTAL_ROLE_VALIDATOR) {
        ngx_str_set(value, "agent,validator");

    } else {
        ngx_str_set(value, "agent,reader");
    }
}


/* an error page has a verdict of its own: what counts is what led to it */

static void
ngx_http_portal_variable_gate(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_str_t *value)
{
    ngx_http_portal_ctx_t  *first;

    first = ngx_http_portal_first_ctx(r->main);

    if (ctx->verdict == NULL
        || (first != NULL && first->audience && first->verdict == NULL))
    {
        ngx_str_set(value, "refused");

    } else if (ctx->live) {
        ngx_str_set(value, "session");

    } else {
        ngx_str_set(value, "anonymous");
    }
}


/*
 * For the access log.  What led to an error page was measured before: its
 * times are those of the first location.
 */

static ngx_int_t
ngx_http_portal_variable_log(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                        id[16];
    ngx_int_t                     rc;
    ngx_str_t                     value;
    ngx_http_portal_main_conf_t  *pmcf;

    rc = NGX_OK;
    ngx_str_set(&value, "");

    switch (data) {

    case NGX_HTTP_PORTAL_VAR_PATH:
        rc = ngx_http_portal_variable_path(r->main, &value);
        break;

    case NGX_HTTP_PORTAL_VAR_REQUEST_ID:
        pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

        /* loaded and not used */

        if (!pmcf->used) {
            break;
        }

        /* made once: later it is found by its index */

        value.data = ngx_pnalloc(r->pool, 2 * sizeof(id));
        if (value.data == NULL) {
            return NGX_ERROR;
        }

        portal_random(id, sizeof(id));
        portal_hex(id, sizeof(id), (char *) value.data);
        value.len = 2 * sizeof(id);
        break;

    default:
        rc = ngx_http_portal_variable_time(r,
                                           ngx_http_portal_first_ctx(r->main),
                                           data, &value);
    }

    v->len = (unsigned) value.len & 0xfffffff;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = (value.len == 0);
    v->data = value.data;

    return rc;
}


/* nginx's "escape=json" lets bytes pass that are no UTF-8, and so no JSON */

static ngx_int_t
ngx_http_portal_variable_path(ngx_http_request_t *r, ngx_str_t *value)
{
    size_t     more;
    u_char    *p;
    ngx_str_t  path;

    path = ngx_http_portal_path(r);
    *value = path;

    more = 2 * ngx_escape_uri(NULL, path.data, path.len, NGX_ESCAPE_REFRESH);

    if (more == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, path.len + more);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_escape_uri(p, path.data, path.len, NGX_ESCAPE_REFRESH);

    value->data = p;
    value->len = path.len + more;

    return NGX_OK;
}


/* seconds, as nginx's own times, but to the microsecond; empty: never */

static ngx_int_t
ngx_http_portal_variable_time(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, uintptr_t data, ngx_str_t *value)
{
    u_char    *p;
    uint64_t   us;

    if (ctx == NULL) {
        return NGX_OK;
    }

    switch (data) {

    case NGX_HTTP_PORTAL_VAR_CALL_TIME:
        if (ctx->calls == 0) {
            return NGX_OK;
        }

        us = ctx->call_time;
        break;

    case NGX_HTTP_PORTAL_VAR_QUEUE_TIME:
        if (ctx->calls == 0) {
            return NGX_OK;
        }

        us = ctx->queue_time;
        break;

    case NGX_HTTP_PORTAL_VAR_HASH_TIME:
        if (!ctx->hashed) {
            return NGX_OK;
        }

        us = ctx->hash_time;
        break;

    default:
        if (!ctx->rendered) {
            return NGX_OK;
        }

        us = ctx->render_time;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN + sizeof(".000000"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;
    value->len = (size_t) (ngx_sprintf(p, "%uL.%06uL", us / 1000000,
                                       us % 1000000)
                           - p);

    return NGX_OK;
}
