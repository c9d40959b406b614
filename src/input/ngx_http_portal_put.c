
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * "portal_put": a body that is a file, from a machine.  It is read as it comes
 * and stored by pieces, sealed; while one is on its way to PostgreSQL nothing
 * is read, so that a worker holds one piece of each body, and no disk holds
 * any.  What a connection that is cut leaves is given up at once or, when that
 * cannot be told, goes with what nobody has finished (see store_import()).
 */


struct ngx_http_portal_put_s {
    u_char                    id[36];       /* that it is stored under */
    ngx_uint_t                piece;
    ngx_uint_t                whole;        /* the body has come */
    size_t                    size;         /* of what was sent on */
    ngx_str_t                 plain;        /* the piece, as far as it came */
    char                     *sealed;       /* and room for what it becomes */
    portal_digest_t           digest;
};


static ngx_uint_t ngx_http_portal_put_type(ngx_http_request_t *r);
static ngx_int_t ngx_http_portal_put_begin(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static void ngx_http_portal_put_wipe(void *data);
static void ngx_http_portal_put_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_portal_put_next(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_uint_t ngx_http_portal_put_take(ngx_http_request_t *r,
    ngx_http_portal_put_t *put);
static ngx_int_t ngx_http_portal_put_piece(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_put_stored(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_put_end(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_put_done(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_put_answer(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static void ngx_http_portal_put_cut(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);


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

    if (ngx_http_portal_put_begin(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_portal_put_handler);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


/* what is in it the reader finds out; a form goes to another address */

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


static ngx_int_t
ngx_http_portal_put_begin(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_portal_put_t  *put;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_portal_put_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    put = cln->data;
    ngx_memzero(put, sizeof(ngx_http_portal_put_t));

    put->plain.data = ngx_palloc(r->pool, NGX_HTTP_PORTAL_FILE_PIECE);
    put->sealed = ngx_palloc(r->pool,
                             portal_sealed_len(NGX_HTTP_PORTAL_FILE_PIECE));

    if (put->plain.data == NULL || put->sealed == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_portal_put_wipe;
    ctx->put = put;

    portal_uuid((char *) put->id);
    portal_digest_init(&put->digest);

    return NGX_OK;
}


static void
ngx_http_portal_put_wipe(void *data)
{
    ngx_http_portal_put_t *put = data;

    portal_wipe(put->plain.data, NGX_HTTP_PORTAL_FILE_PIECE);
}


/* what has come is there, and whenever there is more */

static void
ngx_http_portal_put_handler(ngx_http_request_t *r)
{
    ngx_http_portal_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    ngx_http_portal_finish(r, ctx, ngx_http_portal_put_next(r, ctx));
}


static ngx_int_t
ngx_http_portal_put_next(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t               rc;
    ngx_http_portal_put_t  *put;

    put = ctx->put;

    for ( ;; ) {

        if (ngx_http_portal_put_take(r, put)) {
            return ngx_http_portal_put_piece(r, ctx);
        }

        if (!r->reading_body) {
            break;
        }

        r->connection->log->action = "reading a file of a machine";

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            ngx_http_portal_put_cut(r, ctx);
            return rc;
        }

        if (rc == NGX_AGAIN && r->request_body->bufs == NULL) {
            r->read_event_handler = ngx_http_portal_put_handler;
            return NGX_DONE;
        }
    }

    if (put->plain.len == 0) {

        return ngx_http_portal_add_error(ctx, "", "import_empty") == NGX_OK
               ? ngx_http_portal_refuse(r, ctx, 422)
               : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    put->whole = 1;

    return ngx_http_portal_put_piece(r, ctx);
}


/* 1: the piece is full, and more has come than goes into it */

static ngx_uint_t
ngx_http_portal_put_take(ngx_http_request_t *r, ngx_http_portal_put_t *put)
{
    size_t        len;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (r->request_body == NULL) {
        return 0;
    }

    while ((cl = r->request_body->bufs) != NULL) {
        b = cl->buf;
        len = (size_t) (b->last - b->pos);

        if (len && put->plain.len == NGX_HTTP_PORTAL_FILE_PIECE) {
            return 1;
        }

        len = ngx_min(len, NGX_HTTP_PORTAL_FILE_PIECE - put->plain.len);

        ngx_memcpy(put->plain.data + put->plain.len, b->pos, len);
        portal_wipe(b->pos, len);

        put->plain.len += len;
        b->pos += len;

        if (b->pos == b->last) {
            r->request_body->bufs = cl->next;
            ngx_free_chain(r->pool, cl);
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_portal_put_piece(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t                       *upload;
    ngx_int_t                     rc;
    ngx_event_t                  *rev;
    ngx_http_portal_put_t        *put;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    put = ctx->put;

    /* a client that is not read is not late */

    rev = r->connection->read;
    r->read_event_handler = ngx_http_block_reading;

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    portal_digest_add(&put->digest, put->plain.data, put->plain.len);
    put->size += put->plain.len;

    rc = ngx_http_portal_prepare_args(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    upload = json_pack("{s:s%, s:i, s:O?, s:o}",
                       "id", put->id, sizeof(put->id),
                       "piece", (int) put->piece,
                       "name", json_object_get(ctx->input, "name"),
                       "sealed", ngx_http_portal_seal_piece(r, ctx, "import",
                                     put->id, put->piece, &put->plain,
                                     put->sealed));

    if (json_object_set_new(ctx->input, "upload", upload) != 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_call(r, ctx, pmcf->store_import,
                                ngx_http_portal_put_stored);
}


static ngx_int_t
ngx_http_portal_put_stored(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t               rc;
    ngx_http_portal_put_t  *put;

    rc = ngx_http_portal_put_answer(r, ctx);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    put = ctx->put;
    put->piece++;
    put->plain.len = 0;

    return put->whole ? ngx_http_portal_put_end(r, ctx)
                      : ngx_http_portal_put_next(r, ctx);
}


/* it is all there: the location's function says what becomes of it */

static ngx_int_t
ngx_http_portal_put_end(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    char                    hex[PORTAL_MAC_HEX];
    json_t                 *upload;
    ngx_int_t               rc;
    portal_text_t           text;
    ngx_http_portal_put_t  *put;

    put = ctx->put;

    rc = ngx_http_portal_prepare_args(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    portal_digest_hex(&put->digest, hex);
    text = (portal_text_t) { hex, sizeof(hex) };

    upload = json_pack("{s:s%, s:I, s:o}", "id", put->id, sizeof(put->id),
                       "size", (json_int_t) put->size,
                       "mac", ngx_http_portal_file_mac(r, ctx, text));

    if (json_object_set_new(ctx->input, "upload", upload) != 0) {
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

    rc = ngx_http_portal_put_answer(r, ctx);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    location = json_object_get(ngx_http_portal_document(r, ctx), "location");

    if (json_is_string(location)) {
        value.data = (u_char *) json_string_value(location);
        value.len = json_string_length(location);

        if (ngx_http_portal_location(r, &value) != NGX_HTTP_SEE_OTHER) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    status = ngx_http_portal_answer_status(r, ctx);

    /* that there is no session is nothing to tell */

    json_object_del(ctx->document, "session");

    return ngx_http_portal_answer(r, ctx) == NGX_OK
           ? ngx_http_portal_present(r, ctx, status, NULL)
           : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* NGX_DECLINED to go on, else what the request ends with: it was answered */

static ngx_int_t
ngx_http_portal_put_answer(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t      *document;
    ngx_int_t    rc;
    ngx_uint_t   status;

    rc = ngx_http_portal_call_failed(r, ctx);
    if (rc != NGX_OK) {
        return ngx_http_portal_failed(r, ctx, (ngx_uint_t) rc);
    }

    document = ngx_http_portal_document(r, ctx);
    if (document == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    status = ngx_http_portal_answer_status(r, ctx);

    if (status < 400) {
        return NGX_DECLINED;
    }

    if (ngx_http_portal_told_errors(ctx, json_object_get(document, "errors"))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->retry = (ngx_msec_t)
                 json_integer_value(json_object_get(document, "wait"));

    return ngx_http_portal_problem(r, ctx, status, NULL);
}


/* the client has gone, was too slow or sends too much */

static void
ngx_http_portal_put_cut(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    u_char                        text[64];
    ngx_str_t                     input;
    ngx_http_portal_main_conf_t  *pmcf;

    if (ctx->put->piece == 0) {
        return;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    input.data = text;
    input.len = (size_t) (ngx_sprintf(text, "{\"upload\":\"%*s\"}",
                                      sizeof(ctx->put->id), ctx->put->id)
                          - text);

    ngx_http_portal_tell(r, ctx, pmcf->forget_import, &input);
}
