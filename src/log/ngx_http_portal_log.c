
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What the error log says of a town's requests.  nginx would write the whole
 * request line and the Referer, and with them the tokens of mails' links; here
 * it is the path, and the id that the error page shows.
 */

#define NGX_HTTP_PORTAL_LOG_PATH  ((size_t) 768)    /* the id needs room, too */


static u_char *ngx_http_portal_log_words(ngx_http_request_t *r,
    ngx_http_request_t *sr, u_char *p, u_char *last, ngx_uint_t grave);
static u_char *ngx_http_portal_log_path(ngx_http_request_t *r, u_char *p,
    u_char *last);
static ngx_str_t *ngx_http_portal_log_id(ngx_http_request_t *r);


ngx_int_t
ngx_http_portal_log_start(ngx_http_request_t *r)
{
    ngx_http_portal_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    if (plcf->town != NULL || plcf->tenant != NULL) {
        ngx_http_portal_log_mine(r);
    }

    return NGX_DECLINED;
}


/*
 * As it was asked for, without what follows the question mark.  It may have any
 * bytes but spaces and ASCII's control characters: a log has it with
 * NGX_ESCAPE_REFRESH, which leaves a "%" as it is.
 */

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


/* the lines about this request are written here */

void
ngx_http_portal_log_mine(ngx_http_request_t *r)
{
    portal_compat_log_handler(r, ngx_http_portal_log_error,
                              ngx_http_portal_log_error_ext);
}


ngx_uint_t
ngx_http_portal_log_is_mine(ngx_http_request_t *r)
{
    return portal_compat_logs(r, ngx_http_portal_log_error,
                              ngx_http_portal_log_error_ext);
}


u_char *
ngx_http_portal_log_error(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    u_char  *last;

    last = buf + len;

    return ngx_http_portal_log_words(r, sr, buf, last,
                                     portal_compat_log_grave(last));
}


/*
 * Angie's.  How grave a line of JSON is cannot be seen: not enough to be
 * silent later, so that a failure may have two lines, and never none.
 */

u_char *
ngx_http_portal_log_error_ext(ngx_log_t *log, u_char *buf, u_char *last,
    void *data)
{
    ngx_http_log_ctx_t *log_ctx = data;

    return ngx_http_portal_log_words(log_ctx->request,
                                     log_ctx->current_request, buf, last,
                                     !portal_compat_log_json(log)
                                     && portal_compat_log_grave(last));
}


static u_char *
ngx_http_portal_log_words(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *p, u_char *last, ngx_uint_t grave)
{
    ngx_str_t                   *id;
    ngx_http_portal_ctx_t       *ctx;
    ngx_http_portal_town_t      *town;
    ngx_http_portal_loc_conf_t  *plcf;

    p = ngx_http_portal_log_path(r, p, last);

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

    if (ctx != NULL && grave) {
        ctx->told = 1;
    }

    id = ngx_http_portal_log_id(r);

    if (id != NULL) {
        p = ngx_slprintf(p, last, ", id: %V", id);
    }

    return p;
}


static u_char *
ngx_http_portal_log_path(ngx_http_request_t *r, u_char *p, u_char *last)
{
    size_t     len, room, more;
    ngx_str_t  path;

    path = ngx_http_portal_path(r);

    if (path.len == 0) {
        return p;
    }

    p = ngx_slprintf(p, last, ", request: \"%V ", &r->method_name);

    room = ngx_min((size_t) (last - p), NGX_HTTP_PORTAL_LOG_PATH);
    len = ngx_min(room, path.len);

    more = 2 * ngx_escape_uri(NULL, path.data, len, NGX_ESCAPE_REFRESH);

    if (len + more > room) {
        len = room / 3;
        more = 2 * ngx_escape_uri(NULL, path.data, len, NGX_ESCAPE_REFRESH);
    }

    (void) ngx_escape_uri(p, path.data, len, NGX_ESCAPE_REFRESH);
    p += len + more;

    return ngx_slprintf(p, last, "%s\"", len < path.len ? "..." : "");
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

    ms = portal_compat_request_time(r);

    portal_count_time(PORTAL_COUNT_REQUEST_TIME,
                      (uint64_t) ngx_max(ms, 0) * 1000);

    return NGX_OK;
}
