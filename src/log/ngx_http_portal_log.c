
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What the error log says of a town's requests.  nginx would write the whole
 * request line and the Referer, and with them the tokens of mails' links; here
 * it is the path, and the id that the error page shows.
 */


static ngx_str_t *ngx_http_portal_log_id(ngx_http_request_t *r);


ngx_int_t
ngx_http_portal_log_start(ngx_http_request_t *r)
{
    ngx_http_portal_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    if (plcf->town != NULL || plcf->tenant != NULL) {
        portal_compat_log_handler(r, ngx_http_portal_log_error);
    }

    return NGX_DECLINED;
}


/* as it was asked for, without what follows the question mark */

ngx_str_t
ngx_http_portal_path(ngx_http_request_t *r)
{
    u_char     *p;
    ngx_str_t   path;

    path = r->unparsed_uri;

    if (path.len) {
        p = ngx_strlchr(path.data, path.data + path.len, '?');
        path.len = p ? (size_t) (p - path.data) : path.len;
    }

    return path;
}


u_char *
ngx_http_portal_log_error(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    u_char                      *p, *last;
    ngx_str_t                   *id, path;
    ngx_http_portal_ctx_t       *ctx;
    ngx_http_portal_town_t      *town;
    ngx_http_portal_loc_conf_t  *plcf;

    p = buf;
    last = buf + len;

    path = ngx_http_portal_path(r);

    if (path.len) {
        p = ngx_slprintf(p, last, ", request: \"%V %V\"", &r->method_name,
                         &path);
    }

    if (r != sr) {
        p = ngx_slprintf(p, last, ", subrequest: \"%V\"", &sr->uri);
    }

    /* a variable is not evaluated here: that may itself have to be logged */

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);
    town = (ctx != NULL && ctx->town != NULL) ? ctx->town : plcf->town;

    if (town != NULL && !town->nowhere) {
        p = ngx_slprintf(p, last, ", town: %V", &town->slug);
    }

    if (r->upstream && r->upstream->peer.name) {
        p = ngx_slprintf(p, last, ", upstream: \"%V\"",
                         r->upstream->peer.name);
    }

    if (ctx != NULL && portal_compat_log_grave(buf, len)) {
        ctx->told = 1;
    }

    id = ngx_http_portal_log_id(r);

    if (id != NULL) {
        p = ngx_slprintf(p, last, ", id: %V", id);
    }

    return p;
}


/* NULL while it is being made, which may itself have to be logged */

static ngx_str_t *
ngx_http_portal_log_id(ngx_http_request_t *r)
{
    static ngx_str_t   id;
    static ngx_uint_t  making;

    ngx_http_variable_value_t    *vv;
    ngx_http_portal_main_conf_t  *pmcf;

    if (making) {
        return NULL;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    making = 1;
    vv = ngx_http_get_indexed_variable(r, (ngx_uint_t) pmcf->request_id);
    making = 0;

    if (vv == NULL || vv->not_found) {
        return NULL;
    }

    id.data = vv->data;
    id.len = vv->len;

    return &id;
}


/*
 * What led to an error page counts for the audience of the location that was
 * asked for.
 */

ngx_int_t
ngx_http_portal_log_count(ngx_http_request_t *r)
{
    ngx_uint_t                   audience, status, class;
    ngx_time_t                  *tp;
    ngx_msec_int_t               ms;
    ngx_http_portal_ctx_t       *first;
    ngx_http_portal_town_t      *town;
    ngx_http_portal_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    if (plcf->audience == NGX_HTTP_PORTAL_UNSET) {
        return NGX_OK;
    }

    town = ngx_http_portal_town_known(r);
    audience = plcf->audience;

    if (plcf->error) {
        first = ngx_http_portal_first_ctx(r);

        if (first != NULL && first->audience) {
            audience = first->audience;
        }
    }

    status = r->err_status ? r->err_status : r->headers_out.status;
    class = (status >= 200 && status < 600) ? status / 100 - 2
                                            : PORTAL_COUNT_CLASSES - 1;

    portal_count(PORTAL_COUNT_REQUEST
                 + ((town ? town->place : PORTAL_COUNT_TOWNS - 1)
                    * PORTAL_COUNT_AUDIENCES + audience)
                   * PORTAL_COUNT_CLASSES + class);

    tp = ngx_timeofday();

    ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                           + ((ngx_msec_int_t) tp->msec
                              - (ngx_msec_int_t) r->start_msec));

    portal_count_time(PORTAL_COUNT_REQUEST_TIME,
                      (uint64_t) ngx_max(ms, 0) * 1000);

    return NGX_OK;
}
