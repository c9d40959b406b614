
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * "portal_file": a file that is stored sealed, sent as it was.  Each piece is
 * asked for by a call of its own, so that each is looked at again, and the
 * worker holds one file at the most, never two copies of it.  What is for
 * everybody is small, and in the document as it is.
 */


static ngx_int_t ngx_http_portal_file_read(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *document);
static ngx_int_t ngx_http_portal_file_plain(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *document);
static ngx_int_t ngx_http_portal_file_next(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_uint_t ngx_http_portal_file_same(ngx_http_portal_sent_t *sent,
    json_t *document);
static ngx_int_t ngx_http_portal_file_open(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *document);
static ngx_int_t ngx_http_portal_file_answer(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_file_headers(ngx_http_request_t *r,
    ngx_http_portal_sent_t *sent);
static ngx_int_t ngx_http_portal_file_etag(ngx_http_request_t *r,
    ngx_http_portal_sent_t *sent);
static void ngx_http_portal_file_wipe(void *data);


static struct {
    const char  *kind;
    ngx_str_t    type;
} ngx_http_portal_file_types[] = {
    { "jpeg", ngx_string("image/jpeg") },
    { "png", ngx_string("image/png") },
    { "pdf", ngx_string("application/pdf") },
    { NULL, ngx_null_string }
};


/* the document of a piece is there */

ngx_int_t
ngx_http_portal_file_send(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t      *document;
    ngx_int_t    rc;

    if (ctx->sent != NULL) {
        return ngx_http_portal_file_next(r, ctx);
    }

    document = ngx_http_portal_document(r, ctx);
    if (document == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_portal_file_read(r, ctx, document);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: a function's document says no file");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (json_object_get(document, "bytes") != NULL) {
        return ngx_http_portal_file_plain(r, ctx, document);
    }

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_http_portal_file_answer(r, ctx);
    }

    return ngx_http_portal_file_next(r, ctx);
}


/* size is that of the bytes; an etag says that they are never any others */

static ngx_int_t
ngx_http_portal_file_plain(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *document)
{
    size_t                   len;
    json_t                  *bytes, *etag;
    ngx_http_portal_sent_t  *sent;

    sent = ctx->sent;
    bytes = json_object_get(document, "bytes");
    etag = json_object_get(document, "etag");
    len = json_string_length(bytes);

    if (r->method != NGX_HTTP_HEAD) {

        if (len > portal_b64_len(sent->size)
            || portal_b64_decode(json_string_value(bytes), len, sent->bytes,
                                 &sent->have)
               != 0
            || sent->have != sent->size)
        {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "portal: a function's file is not as large as it "
                          "says");
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (json_is_string(etag)) {
        sent->etag.len = json_string_length(etag) + 2;
        sent->etag.data = ngx_pnalloc(r->pool, sent->etag.len);

        if (sent->etag.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        (void) ngx_snprintf(sent->etag.data, sent->etag.len, "\"%s\"",
                            json_string_value(etag));
    }

    return ngx_http_portal_file_answer(r, ctx);
}


static ngx_int_t
ngx_http_portal_file_read(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *document)
{
    size_t                   i;
    json_int_t               size;
    const char              *kind, *id, *name;
    ngx_pool_cleanup_t      *cln;
    ngx_http_portal_sent_t  *sent;

    kind = json_string_value(json_object_get(document, "kind"));
    id = json_string_value(json_object_get(document,
                         json_object_get(document, "bytes") ? "bytes"
                                                            : "upload"));
    name = json_string_value(json_object_get(document, "name"));
    size = json_integer_value(json_object_get(document, "size"));

    if (kind == NULL || id == NULL || name == NULL || size <= 0
        || size > PORTAL_FILE_MOST)
    {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_portal_sent_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    sent = cln->data;
    ngx_memzero(sent, sizeof(ngx_http_portal_sent_t));

    for (i = 0; ngx_http_portal_file_types[i].kind; i++) {

        if (ngx_strcmp(ngx_http_portal_file_types[i].kind, kind) == 0) {
            sent->type = ngx_http_portal_file_types[i].type;
        }
    }

    sent->attachment = json_is_true(json_object_get(document, "attachment"));
    sent->size = (size_t) size;
    sent->name.len = ngx_strlen(name);
    sent->name.data = ngx_pnalloc(r->pool, sent->name.len);
    sent->upload.len = json_object_get(document, "bytes") ? 0 : ngx_strlen(id);
    sent->upload.data = ngx_pnalloc(r->pool, sent->upload.len);

    /* a piece is opened behind what is there, and is shorter once it is open */

    sent->bytes = r->method == NGX_HTTP_HEAD ? NULL
                  : ngx_palloc(r->pool, sent->size
                       + portal_sealed_len(NGX_HTTP_PORTAL_FILE_PIECE));

    if (sent->type.len == 0 || sent->name.data == NULL
        || sent->upload.data == NULL
        || (sent->bytes == NULL && r->method != NGX_HTTP_HEAD))
    {
        return NGX_ERROR;
    }

    ngx_memcpy(sent->name.data, name, sent->name.len);
    ngx_memcpy(sent->upload.data, id, sent->upload.len);

    cln->handler = ngx_http_portal_file_wipe;
    ctx->sent = sent;

    return NGX_OK;
}


static void
ngx_http_portal_file_wipe(void *data)
{
    ngx_http_portal_sent_t *sent = data;

    if (sent->bytes != NULL) {
        portal_wipe(sent->bytes, sent->have);
    }
}


/* the piece that is there is opened, the next one asked for */

static ngx_int_t
ngx_http_portal_file_next(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t                  *document;
    ngx_http_portal_sent_t  *sent;

    sent = ctx->sent;
    document = ngx_http_portal_document(r, ctx);

    if (document != NULL && !ngx_http_portal_file_same(sent, document)) {
        return ngx_http_portal_unavailable(r, ctx, "another file has taken "
                                  "the place of one that was being read");
    }

    if (ngx_http_portal_file_open(r, ctx, document) != NGX_OK) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "portal: a piece of a file does not open, its place or "
                      "its key is not the one it was sealed for");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (sent->have == sent->size) {
        return ngx_http_portal_file_answer(r, ctx);
    }

    return ngx_http_portal_content_more(r, ctx,
                               json_integer((json_int_t) sent->piece));
}


/*
 * An address is of the file that is there now: each piece says whose it is, or
 * the beginning of one would be sent with the end of another.
 */

static ngx_uint_t
ngx_http_portal_file_same(ngx_http_portal_sent_t *sent, json_t *document)
{
    json_t  *id;

    id = json_object_get(document, "upload");

    return json_string_length(id) == sent->upload.len
           && ngx_memcmp(json_string_value(id), sent->upload.data,
                         sent->upload.len) == 0;
}


static ngx_int_t
ngx_http_portal_file_open(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *document)
{
    int                           n;
    char                          number[NGX_INT_T_LEN];
    json_t                       *sealed;
    portal_text_t                 kind, id, field, text;
    ngx_http_portal_sent_t       *sent;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    sent = ctx->sent;
    sealed = json_object_get(document, "sealed");

    kind = (portal_text_t) { "upload", 6 };
    id.data = json_string_value(json_object_get(document, "upload"));
    id.len = json_string_length(json_object_get(document, "upload"));
    field.data = number;
    field.len = (size_t) (ngx_sprintf((u_char *) number, "%ui", sent->piece)
                          - (u_char *) number);
    text.data = json_string_value(sealed);
    text.len = json_string_length(sealed);

    if (id.len == 0 || text.len == 0
        || text.len > portal_sealed_len(NGX_HTTP_PORTAL_FILE_PIECE))
    {
        return NGX_ERROR;
    }

    n = portal_open(pmcf->keys, ngx_http_portal_text(ctx->town->slug),
                    kind, id, field, text, (char *) sent->bytes + sent->have,
                    text.len);

    if (n <= 0 || (size_t) n > sent->size - sent->have) {
        return NGX_ERROR;
    }

    sent->have += (size_t) n;
    sent->piece++;

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_file_answer(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_buf_t               *b;
    ngx_chain_t              out;
    ngx_http_portal_sent_t  *sent;

    sent = ctx->sent;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_portal_file_headers(r, sent) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = sent->bytes;
    b->last = sent->bytes + sent->have;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_portal_send(r, NGX_HTTP_OK, &sent->type, &out,
                                (off_t) sent->size);
}


/* what another person has sent is nothing that may run or frame anything */

static ngx_int_t
ngx_http_portal_file_headers(ngx_http_request_t *r,
    ngx_http_portal_sent_t *sent)
{
    u_char      *p;
    size_t       len;
    const char  *how;

    static const char  policy[] = "default-src 'none'; sandbox; "
                                  "frame-ancestors 'none'";

    how = sent->attachment ? "attachment" : "inline";
    len = ngx_strlen(how) + sizeof("; filename=\"\"") + sent->name.len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    len = (size_t) (ngx_snprintf(p, len, "%s; filename=\"%V\"", how,
                                 &sent->name)
                    - p);

    ngx_http_portal_set_header(r, "Content-Security-Policy", policy,
                               sizeof(policy) - 1);

    /* what can fail goes first: an error is not to be kept as the file is */

    if (ngx_http_portal_add_header(r, "Content-Disposition", (char *) p, len)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* nor is a session's end, which is told to this one alone */

    if (sent->etag.len && !ngx_http_portal_sent_header(r, "Set-Cookie", 10)) {
        return ngx_http_portal_file_etag(r, sent);
    }

    ngx_http_portal_set_header(r, "Cache-Control", "private, no-store", 17);

    return NGX_OK;
}


/* one that nginx's filters know, which answer 304 to who has the file */

static ngx_int_t
ngx_http_portal_file_etag(ngx_http_request_t *r, ngx_http_portal_sent_t *sent)
{
    ngx_table_elt_t  *h;

    static const char  cache[] = "public, max-age=31536000, immutable";
    static const char  vary[] = "Accept, Accept-Encoding";

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "ETag");
    h->value = sent->etag;
    portal_compat_header(h);

    r->headers_out.etag = h;

    ngx_http_portal_set_header(r, "Cache-Control", cache, sizeof(cache) - 1);
    ngx_http_portal_set_header(r, "Vary", vary, sizeof(vary) - 1);

    /* it has no other version: nobody can have the wrong one */
    r->headers_in.if_match = NULL;
    r->headers_in.if_unmodified_since = NULL;

    return NGX_OK;
}
