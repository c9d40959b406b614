
/*
 * Copyright (C) the portal's authors
 */


/*
 * A module for tests alone: "photo_desk PATIENCE;" in a location gives the
 * body of a POST to the portal's photo service and answers with what became
 * of it.  nginx loads it after the portal, whose functions it calls.
 */


#include "ngx_http_portal.h"


typedef struct {
    ngx_msec_t          patience;
} photo_desk_conf_t;


typedef struct {
    portal_photo_op_t  *op;
} photo_desk_ctx_t;


static char *photo_desk(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static void *photo_desk_create_conf(ngx_conf_t *cf);
static ngx_int_t photo_desk_handler(ngx_http_request_t *r);
static void photo_desk_body(ngx_http_request_t *r);
static void photo_desk_gone(void *data);
static void photo_desk_done(portal_op_t *op);


static ngx_command_t  photo_desk_commands[] = {

    { ngx_string("photo_desk"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      photo_desk,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(photo_desk_conf_t, patience),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  photo_desk_module_ctx = {
    NULL, NULL, NULL, NULL, NULL, NULL, photo_desk_create_conf, NULL
};


ngx_module_t  photo_desk_module = {
    NGX_MODULE_V1,
    &photo_desk_module_ctx,
    photo_desk_commands,
    NGX_HTTP_MODULE,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NGX_MODULE_V1_PADDING
};


/* what nginx looks for in a module's file */

extern ngx_module_t  *ngx_modules[];
extern char          *ngx_module_names[];
extern char          *ngx_module_order[];

ngx_module_t  *ngx_modules[] = { &photo_desk_module, NULL };
char          *ngx_module_names[] = { "photo_desk_module", NULL };
char          *ngx_module_order[] = { NULL };


static void *
photo_desk_create_conf(ngx_conf_t *cf)
{
    photo_desk_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(photo_desk_conf_t));

    if (conf != NULL) {
        conf->patience = NGX_CONF_UNSET_MSEC;
    }

    return conf;
}


static char *
photo_desk(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = photo_desk_handler;

    return ngx_conf_set_msec_slot(cf, cmd, conf);
}


static ngx_int_t
photo_desk_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, photo_desk_body);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static void
photo_desk_body(ngx_http_request_t *r)
{
    u_char              *p;
    ngx_chain_t         *cl;
    photo_desk_ctx_t    *ctx;
    portal_photo_op_t   *op;
    photo_desk_conf_t   *conf;
    ngx_pool_cleanup_t  *cln;

    conf = ngx_http_get_module_loc_conf(r, photo_desk_module);
    cln = ngx_pool_cleanup_add(r->pool, sizeof(photo_desk_ctx_t));
    op = portal_photo_op(ngx_http_portal.photo);

    if (cln == NULL || op == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    op->image.data = ngx_pnalloc(r->pool, r->headers_in.content_length_n + 1);
    p = op->image.data;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        if (cl->buf->in_file) {
            ngx_http_finalize_request(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE);
            return;
        }
        p = ngx_cpymem(p, cl->buf->pos, cl->buf->last - cl->buf->pos);
    }

    op->image.len = p - op->image.data;
    op->op.handler = photo_desk_done;
    op->op.data = r;
    op->op.log = r->connection->log;

    ctx = cln->data;
    ctx->op = op;
    cln->handler = photo_desk_gone;

    ngx_http_set_ctx(r, ctx, photo_desk_module);

    /* hears of a client that goes away */

    r->read_event_handler = ngx_http_test_reading;

    portal_photo_post(ngx_http_portal.photo, op, conf->patience);
}


static void
photo_desk_gone(void *data)
{
    photo_desk_ctx_t  *ctx = data;

    if (ctx->op) {
        portal_op_detach(&ctx->op->op);
    }
}


static void
photo_desk_done(portal_op_t *op)
{
    ngx_int_t                 rc;
    ngx_str_t                 type = ngx_string("image/jpeg");
    ngx_uint_t                status;
    ngx_connection_t         *c;
    photo_desk_ctx_t         *ctx;
    portal_photo_op_t        *photo;
    ngx_http_request_t       *r;
    ngx_http_complex_value_t  cv;

    static ngx_uint_t  statuses[] = { 200, 422, 503, 502, 500 };
    static ngx_str_t   reasons[] = {
        ngx_string("fine"), ngx_string("type"), ngx_string("size"),
        ngx_string("damaged")
    };

    r = op->data;
    c = r->connection;
    photo = (portal_photo_op_t *) op;
    ctx = ngx_http_get_module_ctx(r, photo_desk_module);
    ctx->op = NULL;

    status = statuses[op->status];

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    if (op->status == PORTAL_OP_OK) {
        cv.value.len = photo->made.len;
        cv.value.data = ngx_pstrdup(r->pool, &photo->made);

    } else {
        cv.value = reasons[photo->reason];
        ngx_str_set(&type, "text/plain");
    }

    rc = ngx_http_send_response(r, status, &type, &cv);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}
