
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"
#include "../ngx_http_portal_conf.h"
#include "../view/portal_qr.h"


/*
 * "portal_qr LIST NAME": on a page, an act's answer too, each object of the
 * document's array LIST gets a QR code of the document's "link" followed by the
 * object's NAME.  Both may be sealed until here.  A lot of letters is some
 * hundred codes, 0.1 ms each: a few at a time, so that the other requests have
 * their turns between.
 */

#define NGX_HTTP_PORTAL_QR_SLICE  16
#define NGX_HTTP_PORTAL_QR_PAUSE  1     /* ms */


struct ngx_http_portal_qr_s {
    ngx_event_t              event;      /* a timer: for a posted event no
                                            worker that quits would wait */
    ngx_http_portal_ctx_t   *ctx;
    size_t                   next;       /* of the array */
};


static ngx_int_t ngx_http_portal_qr_draw(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_qr_one(ngx_http_request_t *r,
    json_t *object, const char *name, const char *link);
static void ngx_http_portal_qr_event(ngx_event_t *ev);
static void ngx_http_portal_qr_cleanup(void *data);


char *
ngx_http_portal_conf_qr(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    ngx_str_t  *value;

    if (plcf->qr_list.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    plcf->qr_list = value[1];
    plcf->qr_name = value[2];

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_portal_qr(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_portal_qr_t  *qr;

    if (ngx_http_portal_open_sealed(r, &ctx->answer) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    json_decref(ctx->document);
    ctx->document = NULL;

    if (ngx_http_portal_document(r, ctx) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* from here on it is the document that is shown, not its text */

    ngx_str_null(&ctx->answer);

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_portal_qr_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    qr = cln->data;
    ngx_memzero(qr, sizeof(ngx_http_portal_qr_t));

    qr->ctx = ctx;
    portal_op_event(&qr->event, ngx_http_portal_qr_event, r->connection->log);

    cln->handler = ngx_http_portal_qr_cleanup;

    ctx->qr = qr;
    ctx->step = ngx_http_portal_qr_draw;

    return ngx_http_portal_qr_draw(r, ctx);
}


static ngx_int_t
ngx_http_portal_qr_draw(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    size_t                 n;
    json_t                *list;
    const char            *name, *link;
    ngx_http_portal_qr_t  *qr;

    qr = ctx->qr;
    name = (const char *) ctx->verdict->qr_name.data;

    list = json_object_get(ctx->document,
                           (const char *) ctx->verdict->qr_list.data);
    link = json_string_value(json_object_get(ctx->document, "link"));

    for (n = 0; qr->next < json_array_size(list); n++, qr->next++) {

        if (n == NGX_HTTP_PORTAL_QR_SLICE) {
            ngx_add_timer(&qr->event, NGX_HTTP_PORTAL_QR_PAUSE);
            return NGX_DONE;
        }

        if (ngx_http_portal_qr_one(r, json_array_get(list, qr->next), name,
                                   link ? link : "")
            != NGX_OK)
        {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "portal: a QR code could not be drawn");
            return ngx_http_portal_problem(r, ctx,
                                           NGX_HTTP_INTERNAL_SERVER_ERROR,
                                           NULL);
        }
    }

    return ngx_http_portal_present(r, ctx, NGX_HTTP_OK, ctx->verdict->view);
}


static ngx_int_t
ngx_http_portal_qr_one(ngx_http_request_t *r, json_t *object,
    const char *name, const char *link)
{
    char        *path;
    u_char      *p, text[PORTAL_QR_TEXT + 1];
    json_t      *drawn;
    unsigned     size;
    const char  *said;

    said = json_string_value(json_object_get(object, name));

    if (said == NULL) {
        return NGX_ERROR;
    }

    p = ngx_snprintf(text, sizeof(text), "%s%s", link, said);

    path = portal_qr_path((char *) text, (size_t) (p - text), &size);
    portal_wipe(text, sizeof(text));

    if (path == NULL) {
        return NGX_ERROR;
    }

    drawn = json_pack("{s:i, s:s}", "size", (int) size, "path", path);

    portal_wipe(path, ngx_strlen(path));
    free(path);

    return json_object_set_new(object, "qr", drawn) == 0 ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_portal_qr_event(ngx_event_t *ev)
{
    ngx_http_portal_qr_t  *qr;

    qr = (ngx_http_portal_qr_t *)
             ((u_char *) ev - offsetof(ngx_http_portal_qr_t, event));

    ngx_http_portal_resume(qr->ctx);
}


/* the client may go meanwhile */

static void
ngx_http_portal_qr_cleanup(void *data)
{
    ngx_http_portal_qr_t *qr = data;

    if (qr->event.timer_set) {
        ngx_del_timer(&qr->event);
    }
}
