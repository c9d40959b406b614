
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A form with files.  Its body is read as it comes, before nginx puts it away:
 * where the token is not good, or the body none, not a byte of a file is kept.
 * What is kept is in memory, or in nginx's temporary file, which has no name
 * any more; a file stays there until somebody asks for its bytes.
 *
 * A telephone's photo may be larger than its field takes.  So that this is said
 * beside the field, with all else that was typed, more is read than may be
 * kept: what is over is let go as it comes.
 */


/* bytes of a body that are read and not kept */
#define NGX_HTTP_PORTAL_SURPLUS  ((off_t) 22 * 1024 * 1024)


struct ngx_http_portal_upload_s {
    ngx_http_request_t     *request;
    ngx_http_portal_ctx_t  *ctx;
    off_t                   max;
    portal_body_e           e;
    char                    err[128];           /* where it was */
    portal_upload_t         upload;
};


static ngx_int_t ngx_http_portal_upload_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static size_t ngx_http_portal_upload_over(ngx_http_portal_upload_t *u);
static void ngx_http_portal_upload_cleanup(void *data);
static portal_body_e ngx_http_portal_upload_token(void *data,
    const char *token);
static ngx_int_t ngx_http_portal_upload_body(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static void ngx_http_portal_upload_wipe(void *data);
static ngx_int_t ngx_http_portal_upload_files(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_upload_t *upload);
static ngx_int_t ngx_http_portal_body_read(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, off_t from, ngx_str_t *piece);


static ngx_http_request_body_filter_pt  ngx_http_portal_upload_next;


void
ngx_http_portal_upload_init(void)
{
    ngx_http_portal_upload_next = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_portal_upload_filter;
}


/*
 * Bytes of a form's body that are read: what its files may have, texts, the
 * boundaries and headers, and what is let go.
 */

off_t
ngx_http_portal_upload_max(portal_form_t *form)
{
    off_t   max;
    size_t  i;

    max = PORTAL_BODY_MAX + (off_t) form->nfields * 1024
          + NGX_HTTP_PORTAL_SURPLUS;

    for (i = 0; i < form->nfields; i++) {

        if (form->fields[i].type == PORTAL_FIELD_FILE) {
            max += (off_t) form->fields[i].max;
        }
    }

    return max;
}


/* before the body is read: NGX_OK, or a status */

ngx_int_t
ngx_http_portal_upload_begin(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    char                       boundary[PORTAL_MULTIPART_BOUNDARY];
    size_t                     len;
    ngx_str_t                 *type;
    ngx_pool_cleanup_t        *cln;
    ngx_http_portal_upload_t  *u;

    type = &r->headers_in.content_type->value;
    len = portal_multipart_boundary((const char *) type->data, type->len,
                                    boundary);
    if (len == 0) {
        return NGX_HTTP_BAD_REQUEST;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_portal_upload_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    u = cln->data;
    u->request = r;
    u->ctx = ctx;
    u->max = ngx_http_portal_upload_max(ctx->verdict->form);
    u->e = PORTAL_BODY_OK;

    if (portal_upload_init(&u->upload, boundary, len,
                           ngx_http_portal_upload_token, u, u->err,
                           sizeof(u->err))
        != 0)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_portal_upload_cleanup;
    ctx->upload = u;

    return NGX_OK;
}


static void
ngx_http_portal_upload_cleanup(void *data)
{
    ngx_http_portal_upload_t *u = data;

    portal_upload_done(&u->upload);
    json_decref(u->upload.raw);
}


/*
 * Once it is refused, what still comes is emptied on its way.  A body whose
 * length was not said ends where it is too long for its form: of a location
 * whose form has files nginx's own limit lets more through.
 */

static ngx_int_t
ngx_http_portal_upload_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    off_t                      max;
    size_t                     len, over;
    ngx_chain_t               *cl;
    ngx_http_portal_ctx_t     *ctx;
    ngx_http_portal_upload_t  *u;

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    if (ctx == NULL || ctx->verdict == NULL || ctx->verdict->form == NULL) {
        return ngx_http_portal_upload_next(r, in);
    }

    u = ctx->upload;
    max = u ? u->max : ngx_http_portal_body_max(ctx->verdict->form);

    for (cl = in; cl; cl = cl->next) {
        ctx->read += cl->buf->last - cl->buf->pos;
    }

    if (ctx->read > max) {
        ctx->oversize = u != NULL;
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    if (u == NULL) {
        return ngx_http_portal_upload_next(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        len = (size_t) (cl->buf->last - cl->buf->pos);
        over = ngx_http_portal_upload_over(u);

        if (u->e == PORTAL_BODY_OK) {
            u->e = portal_upload_feed(&u->upload, (const char *) cl->buf->pos,
                                      len);
        }

        /* all of it is of a file that was too large before */

        if (over && ngx_http_portal_upload_over(u) == over) {
            u->upload.dropped += len;

        } else {
            over = 0;
        }

        if (over || u->e != PORTAL_BODY_OK) {
            portal_wipe(cl->buf->pos, len);
            cl->buf->pos = cl->buf->last;
        }
    }

    return ngx_http_portal_upload_next(r, in);
}


/* the part that is read, when it is a file larger than may be; else 0 */

static size_t
ngx_http_portal_upload_over(ngx_http_portal_upload_t *u)
{
    off_t                  max;
    portal_upload_t       *upload;
    const portal_field_t  *field;
    portal_upload_file_t  *file;

    upload = &u->upload;

    if (upload->mp.state != PORTAL_MULTIPART_DATA || !upload->file
        || u->e != PORTAL_BODY_OK)
    {
        return 0;
    }

    file = &upload->files[upload->nfiles];
    field = portal_form_field(u->ctx->verdict->form, file->name);

    /* of no field, or the second of one, it is refused in any case */

    max = field != NULL && field->type == PORTAL_FIELD_FILE
          && json_object_get(upload->raw, file->name) == NULL
          ? (off_t) field->max : 0;

    return (off_t) (upload->mp.offset - file->at) > max ? upload->mp.parts : 0;
}


/* once it has come; *raw is set when *e is OK */

ngx_int_t
ngx_http_portal_upload(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t **raw, portal_body_e *e)
{
    ngx_int_t                  rc;
    ngx_http_portal_upload_t  *u;

    u = ctx->upload;
    ctx->upload = NULL;

    if (u->e == PORTAL_BODY_OK) {
        u->e = portal_upload_finish(&u->upload);
    }

    *e = u->e;

    if (u->e != PORTAL_BODY_OK) {
        return NGX_OK;
    }

    rc = ngx_http_portal_upload_body(r, ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_portal_upload_files(r, ctx, &u->upload);
    }

    if (rc == NGX_OK) {
        *raw = u->upload.raw;
        u->upload.raw = NULL;
    }

    return rc;
}


static portal_body_e
ngx_http_portal_upload_token(void *data, const char *token)
{
    ngx_http_portal_upload_t *u = data;

    return ngx_http_portal_check_token(u->request, u->ctx, token) == NGX_OK
           ? PORTAL_BODY_OK : PORTAL_BODY_TOKEN;
}


/* what is in memory becomes one piece, wiped when the request ends */

static ngx_int_t
ngx_http_portal_upload_body(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    u_char              *p;
    size_t               len;
    ngx_chain_t         *cl;
    ngx_pool_cleanup_t  *cln;

    ngx_str_set(&ctx->body, "");

    if (r->request_body == NULL || r->request_body->bufs == NULL
        || r->request_body->temp_file != NULL)
    {
        return NGX_OK;
    }

    len = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        len += (size_t) ngx_buf_size(cl->buf);
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    p = ngx_pnalloc(r->pool, len);

    if (cln == NULL || p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->body.data = p;
    ctx->body.len = len;

    cln->handler = ngx_http_portal_upload_wipe;
    cln->data = &ctx->body;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        p = ngx_cpymem(p, cl->buf->pos, (size_t) ngx_buf_size(cl->buf));
        portal_wipe(cl->buf->pos, (size_t) ngx_buf_size(cl->buf));
    }

    return NGX_OK;
}


static void
ngx_http_portal_upload_wipe(void *data)
{
    ngx_str_t *body = data;

    portal_wipe(body->data, body->len);
}


/* those of the form's fields: what else came is refused by its check */

static ngx_int_t
ngx_http_portal_upload_files(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_upload_t *upload)
{
    size_t                    i;
    portal_upload_file_t     *from;
    const portal_field_t     *field;
    ngx_http_portal_file_t   *file;

    ctx->nfiles = 0;
    ctx->files = ngx_palloc(r->pool, PORTAL_UPLOAD_FILES
                                     * sizeof(ngx_http_portal_file_t));
    if (ctx->files == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0; i < upload->nfiles; i++) {
        from = &upload->files[i];
        field = portal_form_field(ctx->verdict->form, from->name);

        if (field == NULL || field->type != PORTAL_FIELD_FILE) {
            continue;
        }

        file = &ctx->files[ctx->nfiles++];
        file->field = field;
        file->type = from->type;
        file->start = (off_t) from->start;
        file->size = (size_t) from->size;
        file->stored = 0;
    }

    return NGX_OK;
}


/* the call is told of a file by its digest: the bytes go another way */

ngx_int_t
ngx_http_portal_upload_values(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    char              hex[PORTAL_MAC_HEX];
    u_char           *buf;
    json_t           *value;
    ngx_int_t         rc;
    ngx_str_t         piece;
    ngx_uint_t        i, n;
    portal_digest_t   digest;

    buf = ngx_palloc(r->pool, NGX_HTTP_PORTAL_FILE_PIECE);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_DONE;

    for (i = 0; i < ctx->nfiles && rc == NGX_DONE; i++) {
        value = json_object_get(ctx->values, ctx->files[i].field->name);

        /* one that was refused */

        if (!json_is_object(value)) {
            continue;
        }

        portal_digest_init(&digest);

        for (n = 0; /* void */ ; n++) {
            piece.data = buf;

            rc = ngx_http_portal_file_piece(r, ctx, &ctx->files[i], n,
                                            &piece);
            if (rc != NGX_OK) {
                break;
            }

            portal_digest_add(&digest, piece.data, piece.len);
        }

        portal_digest_hex(&digest, hex);

        if (json_object_set_new(value, "digest",
                                json_stringn(hex, PORTAL_MAC_HEX))
            != 0)
        {
            rc = NGX_ERROR;
        }
    }

    portal_wipe(buf, NGX_HTTP_PORTAL_FILE_PIECE);
    (void) ngx_pfree(r->pool, buf);

    return rc == NGX_DONE ? NGX_OK : NGX_ERROR;
}


ngx_http_portal_file_t *
ngx_http_portal_file(ngx_http_portal_ctx_t *ctx, const char *field)
{
    ngx_uint_t  i;

    for (i = 0; i < ctx->nfiles; i++) {

        if (ngx_strcmp(ctx->files[i].field->name, field) == 0) {
            return &ctx->files[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_portal_file_piece(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_file_t *file, ngx_uint_t n, ngx_str_t *piece)
{
    size_t  from;

    from = (size_t) n * NGX_HTTP_PORTAL_FILE_PIECE;

    if (from >= file->size) {
        return NGX_DONE;
    }

    piece->len = ngx_min(file->size - from, NGX_HTTP_PORTAL_FILE_PIECE);

    return ngx_http_portal_body_read(r, ctx, file->start + (off_t) from,
                                     piece);
}


ngx_int_t
ngx_http_portal_file_text(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_file_t *file, ngx_str_t *text)
{
    text->len = file->size;
    text->data = ctx->body.len ? NULL : ngx_pnalloc(r->pool, file->size);

    if (ctx->body.len == 0 && text->data == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_portal_body_read(r, ctx, file->start, text);
}


/* in memory it stays where it is; from a file it is read into piece->data */

static ngx_int_t
ngx_http_portal_body_read(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    off_t from, ngx_str_t *piece)
{
    u_char   *p;
    size_t    left;
    ssize_t   n;

    if (ctx->body.len) {
        piece->data = ctx->body.data + from;
        return NGX_OK;
    }

    left = piece->len;

    for (p = piece->data; left > 0; p += n) {
        n = ngx_read_file(&r->request_body->temp_file->file, p, left, from);

        if (n <= 0) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "portal: a body's file ends before its end");
            return NGX_ERROR;
        }

        left -= (size_t) n;
        from += n;
    }

    return NGX_OK;
}
