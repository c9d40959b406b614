
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * "portal_put": a body that is a file, from a machine.  It is read as it comes
 * and stored by pieces; while one is on its way to PostgreSQL nothing is read,
 * so that a worker holds one piece of each body, and no disk holds any.  What a
 * connection that is cut leaves is forgotten, at once or, when that cannot be
 * told, with what nobody finishes (see store_import()).
 */


static ngx_uint_t ngx_http_portal_put_type(ngx_http_request_t *r);
static void ngx_http_portal_put_handler(ngx_http_request_t *r);
static void ngx_http_portal_put_read(ngx_http_request_t *r);
static ngx_int_t ngx_http_portal_put_next(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_uint_t ngx_http_portal_put_take(ngx_http_request_t *r,
    ngx_http_portal_import_t *import);
static ngx_int_t ngx_http_portal_put_send(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t last);
static ngx_int_t ngx_http_portal_put_whole(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_put_done(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_put_cut(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_int_t rc);


static ngx_str_t  ngx_http_portal_put_types[] = {
    ngx_string("text/csv"),
    ngx_string("application/zip"),
    ngx_string("application/x-zip-compressed"),
    ngx_string("application/x-ndjson"),
    ngx_string("application/octet-stream"),
    ngx_null_string
};


ngx_int_t
ngx_http_portal_put(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (!ngx_http_portal_put_type(r)) {
        (void) ngx_http_portal_unwanted(r);
        return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
    }

    if (ngx_http_portal_import_begin(r, ctx) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->import->next = ngx_http_portal_put_next;

    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_portal_put_handler);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


/* what is in it the reader finds out; a form is sent to another address */

static ngx_uint_t
ngx_http_portal_put_type(ngx_http_request_t *r)
{
    size_t      len;
    ngx_str_t  *value, *type;

    if (ngx_http_portal_find_header(r, "content-encoding", 16) != NULL) {
        return 0;
    }

    if (r->headers_in.content_type == NULL) {
        return 1;
    }

    value = &r->headers_in.content_type->value;

    for (len = 0; len < value->len; len++) {
        if (value->data[len] == ';' || value->data[len] == ' ') {
            break;
        }
    }

    for (type = ngx_http_portal_put_types; type->len; type++) {

        if (type->len == len
            && ngx_strncasecmp(type->data, value->data, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_portal_put_handler(ngx_http_request_t *r)
{
    ngx_http_portal_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    ngx_http_portal_finish(r, ctx, ngx_http_portal_put_next(r, ctx));
}


static void
ngx_http_portal_put_read(ngx_http_request_t *r)
{
    ngx_http_portal_put_handler(r);
}


static ngx_int_t
ngx_http_portal_put_next(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_http_portal_import_t  *import;

    import = ctx->import;

    if (import->whole) {
        return ngx_http_portal_put_whole(r, ctx);
    }

    for ( ;; ) {

        if (ngx_http_portal_put_take(r, import)) {
            return ngx_http_portal_put_send(r, ctx, 0);
        }

        if (!r->reading_body) {
            break;
        }

        r->connection->log->action = "reading a file of a machine";

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return ngx_http_portal_put_cut(r, ctx, rc);
        }

        if (rc == NGX_AGAIN && r->request_body->bufs == NULL) {
            r->read_event_handler = ngx_http_portal_put_read;
            return NGX_DONE;
        }
    }

    if (import->have == 0) {

        return ngx_http_portal_add_error(ctx, "", "import_empty") == NGX_OK
               ? ngx_http_portal_refuse(r, ctx, 422)
               : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    import->whole = 1;

    return ngx_http_portal_put_send(r, ctx, 1);
}


/* 1: the piece is full, and more has come than goes into it */

static ngx_uint_t
ngx_http_portal_put_take(ngx_http_request_t *r,
    ngx_http_portal_import_t *import)
{
    size_t        len;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (r->request_body == NULL) {
        return 0;
    }

    while ((cl = r->request_body->bufs) != NULL) {
        b = cl->buf;
        len = ngx_min((size_t) (b->last - b->pos),
                      NGX_HTTP_PORTAL_FILE_PIECE - import->have);

        if (len == 0 && b->pos < b->last) {
            return 1;
        }

        ngx_memcpy(import->plain + import->have, b->pos, len);
        portal_wipe(b->pos, len);
        import->have += len;
        b->pos += len;

        if (b->pos == b->last) {
            r->request_body->bufs = cl->next;
            ngx_free_chain(r->pool, cl);
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_portal_put_send(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t last)
{
    ngx_event_t  *rev;

    rev = r->connection->read;

    /* the client is not late while it is not read */

    r->read_event_handler = ngx_http_block_reading;

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    return ngx_http_portal_import_send(r, ctx, last);
}


static ngx_int_t
ngx_http_portal_put_whole(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_portal_prepare_args(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    if (json_object_set_new(ctx->input, "upload",
                            json_stringn((char *) ctx->import->id,
                                         sizeof(ctx->import->id)))
        != 0)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_call(r, ctx, ctx->verdict->put,
                                ngx_http_portal_put_done);
}


static ngx_int_t
ngx_http_portal_put_done(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t      *location;
    ngx_int_t    rc;
    ngx_str_t    value;
    ngx_uint_t   status;

    rc = ngx_http_portal_import_answer(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    status = ngx_http_portal_answer_status(r, ctx);
    location = json_object_get(ctx->document, "location");

    if (json_is_string(location)) {
        value.data = (u_char *) json_string_value(location);
        value.len = json_string_length(location);

        if (ngx_http_portal_location(r, &value) != NGX_HTTP_SEE_OTHER) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_portal_present(r, ctx, status, NULL);
}


/* the client went, was too slow or sent too much: nothing of it stays */

static ngx_int_t
ngx_http_portal_put_cut(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_int_t rc)
{
    u_char                        text[64];
    ngx_str_t                     input;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    if (ctx->import->piece) {
        input.data = text;
        input.len = (size_t) (ngx_sprintf(text, "{\"upload\":\"%*s\"}",
                                          sizeof(ctx->import->id),
                                          ctx->import->id)
                              - text);

        ngx_http_portal_tell(r, ctx, pmcf->forget_import, &input);
    }

    return rc;
}
