
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A file of a form is stored before the form's function is called, and also
 * when another field is wrong, so that nobody has to send it again: sealed, in
 * pieces, one call each, under an id that is made here.  A photo is made small
 * first.  The function gets the id; what no function makes use of goes after a
 * day.  A town's logo, which everybody is to see, is not sealed.
 */

/* how long a photo waits for its turn, ms */
#define NGX_HTTP_PORTAL_PHOTO_PATIENCE  10000


struct ngx_http_portal_store_s {
    ngx_http_portal_step_pt   then;
    ngx_uint_t                file;         /* of ctx->files */
    ngx_uint_t                piece;
    ngx_uint_t                stored;       /* files that are, now */
    ngx_uint_t                refused;      /* status, 0: none was */
    ngx_str_t                 photo;        /* what it was made */
    ngx_str_t                 plain;        /* room for a piece */
    char                     *sealed;       /* and for what it becomes */
};


static ngx_int_t ngx_http_portal_store_next(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_uint_t ngx_http_portal_store_waits_one(ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_file_t *file);
static ngx_int_t ngx_http_portal_store_photo(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_file_t *file);
static void ngx_http_portal_store_made(portal_op_t *op);
static ngx_int_t ngx_http_portal_store_small(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_store_logo(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_store_refuse(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *code, ngx_uint_t status);
static ngx_int_t ngx_http_portal_store_piece(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_store_bytes(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_str_t *piece);
static json_t *ngx_http_portal_store_name(ngx_http_portal_file_t *file);
static ngx_int_t ngx_http_portal_store_stored(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static void ngx_http_portal_store_wipe(void *data);


ngx_uint_t
ngx_http_portal_store_waits(ngx_http_portal_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; i < ctx->nfiles; i++) {

        if (ngx_http_portal_store_waits_one(ctx, &ctx->files[i])) {
            return 1;
        }
    }

    return 0;
}


/* one that was refused has no value */

static ngx_uint_t
ngx_http_portal_store_waits_one(ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_file_t *file)
{
    return file->field->store && !file->stored
           && json_is_object(json_object_get(ctx->values, file->field->name));
}


ngx_int_t
ngx_http_portal_store(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_step_pt then)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_portal_store_t  *store;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_portal_store_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    store = cln->data;
    ngx_memzero(store, sizeof(ngx_http_portal_store_t));

    store->then = then;
    store->plain.len = NGX_HTTP_PORTAL_FILE_PIECE;
    store->plain.data = ngx_palloc(r->pool, store->plain.len);
    store->sealed = ngx_palloc(r->pool,
                               portal_sealed_len(NGX_HTTP_PORTAL_FILE_PIECE));

    if (store->plain.data == NULL || store->sealed == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_portal_store_wipe;
    ctx->store = store;

    return ngx_http_portal_store_next(r, ctx);
}


static void
ngx_http_portal_store_wipe(void *data)
{
    ngx_http_portal_store_t *store = data;

    portal_wipe(store->plain.data, store->plain.len);

    if (store->photo.len) {
        portal_wipe(store->photo.data, store->photo.len);
    }
}


static ngx_int_t
ngx_http_portal_store_next(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_http_portal_file_t   *file;
    ngx_http_portal_store_t  *store;

    store = ctx->store;

    for ( /* void */ ; store->file < ctx->nfiles; store->file++) {
        file = &ctx->files[store->file];

        if (!ngx_http_portal_store_waits_one(ctx, file)) {
            continue;
        }

        portal_uuid((char *) file->id);
        store->piece = 0;

        return file->field->store == PORTAL_STORE_PHOTO
               || file->field->store == PORTAL_STORE_LOGO
               ? ngx_http_portal_store_photo(r, ctx, file)
               : ngx_http_portal_store_piece(r, ctx);
    }

    (void) ngx_pfree(r->pool, store->sealed);

    return store->refused ? ngx_http_portal_refuse(r, ctx, store->refused)
                          : store->then(r, ctx);
}


static ngx_int_t
ngx_http_portal_store_photo(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_file_t *file)
{
    portal_photo_op_t  *op;

    if (ngx_http_portal.photo == NULL) {
        return ngx_http_portal_unavailable(r, ctx, "no photo can be taken "
                                           "without \"portal_photo\"");
    }

    op = portal_photo_op(ngx_http_portal.photo);
    if (op == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_portal_file_text(r, ctx, file, &op->image) != NGX_OK) {
        portal_photo_drop(op);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    op->logo = file->field->store == PORTAL_STORE_LOGO;
    op->op.handler = ngx_http_portal_store_made;
    op->op.data = ctx;
    op->op.log = r->connection->log;

    ctx->photo_op = op;
    ctx->step = ngx_http_portal_store_small;

    r->connection->log->action = "making a photo small";

    portal_photo_post(ngx_http_portal.photo, op,
                      NGX_HTTP_PORTAL_PHOTO_PATIENCE);

    return NGX_DONE;
}


/* the step reads the result from ctx->photo_op, which lives until it returns */

static void
ngx_http_portal_store_made(portal_op_t *op)
{
    ngx_http_portal_resume(op->data);
}


/*
 * A program that dies or hangs over a picture has met one that is not as it
 * should be: the same again would be no better.
 */

static ngx_int_t
ngx_http_portal_store_small(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    portal_photo_op_t        *op;
    ngx_http_portal_store_t  *store;

    store = ctx->store;
    op = ctx->photo_op;
    ctx->photo_op = NULL;

    /* as large as a form may be, and of no more use */

    if (ctx->body.len == 0) {
        portal_wipe(op->image.data, op->image.len);
        (void) ngx_pfree(r->pool, op->image.data);
    }

    switch (op->op.status) {

    case PORTAL_OP_OK:
        break;

    case PORTAL_OP_REFUSED:
        return ngx_http_portal_store_refuse(r, ctx,
                   op->reason == PORTAL_PHOTO_TYPE ? "photo_type"
                   : op->reason == PORTAL_PHOTO_SIZE ? "photo_size"
                   : "photo_damaged", 422);

    case PORTAL_OP_LOST:
        return ngx_http_portal_store_refuse(r, ctx, "photo_damaged", 422);

    default:
        return ngx_http_portal_store_refuse(r, ctx, "photo_busy",
                                            NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    store->photo.data = ngx_pnalloc(r->pool, op->made.len);
    if (store->photo.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    store->photo.len = op->made.len;
    ngx_memcpy(store->photo.data, op->made.data, op->made.len);

    return op->logo ? ngx_http_portal_store_logo(r, ctx)
                    : ngx_http_portal_store_piece(r, ctx);
}


/*
 * Whoever opens the portal will have it, so that what the program has made is
 * looked at again: a picture might have taken the program over.
 */

static ngx_int_t
ngx_http_portal_store_logo(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    size_t                        len;
    json_t                       *upload, *bytes;
    ngx_int_t                     rc;
    portal_photo_head_t           head;
    ngx_http_portal_file_t       *file;
    ngx_http_portal_store_t      *store;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    store = ctx->store;
    file = &ctx->files[store->file];

    if (portal_photo_head(store->photo.data, store->photo.len, &head)
        != PORTAL_PHOTO_FINE
        || head.format == PORTAL_PHOTO_WEBP)
    {
        return ngx_http_portal_store_refuse(r, ctx, "photo_damaged", 422);
    }

    rc = ngx_http_portal_prepare_args(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    /* there is room: a picture is smaller than a piece */

    len = portal_b64_encode(store->photo.data, store->photo.len,
                            store->sealed);
    bytes = json_stringn(store->sealed, len);

    upload = json_pack("{s:s%, s:s, s:s, s:i, s:i, s:o}",
                       "id", file->id, sizeof(file->id),
                       "field", file->field->name,
                       "kind", head.format == PORTAL_PHOTO_PNG ? "png"
                                                               : "jpeg",
                       "width", (int) head.width,
                       "height", (int) head.height,
                       "bytes", bytes);

    if (json_object_set_new(ctx->input, "upload", upload) != 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_call(r, ctx, pmcf->store_logo,
                                ngx_http_portal_store_stored);
}


/* the other files are kept all the same */

static ngx_int_t
ngx_http_portal_store_refuse(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *code, ngx_uint_t status)
{
    ngx_http_portal_file_t   *file;
    ngx_http_portal_store_t  *store;

    store = ctx->store;
    file = &ctx->files[store->file];

    if (ngx_http_portal_add_error(ctx, file->field->name, code) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the next file is not that picture */

    if (store->photo.len) {
        portal_wipe(store->photo.data, store->photo.len);
        store->photo.len = 0;
    }

    store->refused = status;
    store->file++;

    return ngx_http_portal_store_next(r, ctx);
}


static ngx_int_t
ngx_http_portal_store_piece(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t                       *upload, *digest;
    size_t                        size;
    ngx_int_t                     rc;
    ngx_str_t                     piece;
    ngx_uint_t                    import;
    portal_text_t                 text;
    ngx_http_portal_file_t       *file;
    ngx_http_portal_store_t      *store;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    store = ctx->store;
    file = &ctx->files[store->file];
    size = store->photo.len ? store->photo.len : file->size;
    import = file->field->store == PORTAL_STORE_IMPORT;

    if (ngx_http_portal_store_bytes(r, ctx, &piece) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_portal_prepare_args(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    digest = json_object_get(json_object_get(ctx->values, file->field->name),
                             "digest");
    text.data = json_string_value(digest);
    text.len = json_string_length(digest);

    upload = json_pack("{s:s%, s:s, s:s?, s:s, s:I, s:i, s:i, s:o, "
                       "s:o}",
                       "id", file->id, sizeof(file->id),
                       "field", file->field->name,
                       "kind", store->photo.len ? "jpeg" : file->type,
                       "store", import ? "import"
                                : file->field->store == PORTAL_STORE_PHOTO
                                ? "photo" : "document",
                       "size", (json_int_t) size,
                       "pieces", (int) ((size + NGX_HTTP_PORTAL_FILE_PIECE - 1)
                                        / NGX_HTTP_PORTAL_FILE_PIECE),
                       "piece", (int) store->piece,
                       "sealed", ngx_http_portal_seal_piece(r, ctx,
                                     import ? "import" : "upload", file->id,
                                     store->piece, &piece, store->sealed),
                       "mac", ngx_http_portal_file_mac(r, ctx, text));

    if (import
        && (json_object_set_new(upload, "name",
                                ngx_http_portal_store_name(file))
            != 0
            || json_object_set_new(upload, "first",
                                   json_boolean(store->stored == 0)) != 0))
    {
        json_decref(upload);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (json_object_set_new(ctx->input, "upload", upload) != 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_call(r, ctx, import ? pmcf->store_import
                                               : pmcf->store_upload,
                                ngx_http_portal_store_stored);
}


/*
 * Of the files of an import the name says what they hold, and the field says
 * which is which, written as the business software does: enfantFamille.csv.
 */

static json_t *
ngx_http_portal_store_name(ngx_http_portal_file_t *file)
{
    u_char      *p, text[PORTAL_BODY_NAME + sizeof(".csv")];
    const char  *from;

    p = text;

    for (from = file->field->name; *from; from++) {

        if (*from == '_' && from[1] != '\0') {
            from++;
            *p++ = ngx_toupper((u_char) *from);

        } else {
            *p++ = (u_char) *from;
        }
    }

    p = ngx_sprintf(p, ".%s", file->type ? file->type : "csv");

    return json_stringn((char *) text, (size_t) (p - text));
}


static ngx_int_t
ngx_http_portal_store_bytes(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_str_t *piece)
{
    size_t                    from;
    ngx_http_portal_store_t  *store;

    store = ctx->store;

    if (store->photo.len == 0) {
        piece->data = store->plain.data;

        return ngx_http_portal_file_piece(r, ctx, &ctx->files[store->file],
                                          store->piece, piece);
    }

    from = (size_t) store->piece * NGX_HTTP_PORTAL_FILE_PIECE;

    if (from >= store->photo.len) {
        return NGX_ERROR;
    }

    piece->data = store->photo.data + from;
    piece->len = ngx_min(store->photo.len - from, NGX_HTTP_PORTAL_FILE_PIECE);

    return NGX_OK;
}


/* its place: the file and which piece of it */

json_t *
ngx_http_portal_seal_piece(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const char *kind, u_char *id, ngx_uint_t number, ngx_str_t *piece,
    char *room)
{
    int                           n;
    char                          text[NGX_INT_T_LEN];
    portal_text_t                 of, uuid, field;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    of = (portal_text_t) { kind, ngx_strlen(kind) };
    uuid = (portal_text_t) { (char *) id, 36 };
    field.data = text;
    field.len = (size_t) (ngx_sprintf((u_char *) text, "%ui", number)
                          - (u_char *) text);

    n = portal_seal(pmcf->keys, ngx_http_portal_text(ctx->town->slug),
                    of, uuid, field, ngx_http_portal_text(*piece), room,
                    portal_sealed_len(NGX_HTTP_PORTAL_FILE_PIECE));

    return n < 0 ? NULL : json_stringn(room, (size_t) n);
}


json_t *
ngx_http_portal_file_mac(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    portal_text_t digest)
{
    char                          hex[PORTAL_MAC_HEX];
    uint8_t                       mac[PORTAL_MAC_LEN];
    ngx_http_portal_main_conf_t  *pmcf;

    if (digest.data == NULL) {
        return NULL;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    portal_mac(pmcf->keys, "file",
               ngx_http_portal_text(ctx->town->slug), digest, mac);
    portal_hex(mac, sizeof(mac), hex);

    return json_stringn(hex, sizeof(hex));
}


static ngx_int_t
ngx_http_portal_store_stored(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    json_t                   *document, *error;
    ngx_int_t                 rc;
    ngx_uint_t                status;
    ngx_http_portal_file_t   *file;
    ngx_http_portal_store_t  *store;

    rc = ngx_http_portal_call_failed(r, ctx);
    if (rc != NGX_OK) {
        return ngx_http_portal_failed(r, ctx, (ngx_uint_t) rc);
    }

    document = ngx_http_portal_document(r, ctx);
    if (document == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    status = ngx_http_portal_answer_status(r, ctx);
    error = json_array_get(json_object_get(document, "errors"), 0);

    if (error != NULL) {
        return ngx_http_portal_store_refuse(r, ctx,
                   json_string_value(json_object_get(error, "code")), status);
    }

    if (status != NGX_HTTP_OK) {
        return ngx_http_portal_problem(r, ctx, status, NULL);
    }

    store = ctx->store;
    file = &ctx->files[store->file];
    store->piece++;

    /* the same document is there already: the rest is not needed */

    if (!json_is_true(json_object_get(document, "kept"))
        && (size_t) store->piece * NGX_HTTP_PORTAL_FILE_PIECE
           < (store->photo.len ? store->photo.len : file->size))
    {
        return ngx_http_portal_store_piece(r, ctx);
    }

    file->stored = 1;
    store->file++;
    store->stored++;

    if (store->photo.len) {
        portal_wipe(store->photo.data, store->photo.len);
        store->photo.len = 0;
    }

    return ngx_http_portal_store_next(r, ctx);
}


/* what the form's function gets: the file's value, and under which id it is */

ngx_int_t
ngx_http_portal_store_value(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field)
{
    json_t                  *value;
    ngx_http_portal_file_t  *file;

    file = ngx_http_portal_file(ctx, field->name);
    value = json_object_get(ctx->values, field->name);

    if (file == NULL || !file->stored || !json_is_object(value)) {
        return json_object_set_new(ctx->input, field->name, json_null()) == 0
               ? NGX_OK : NGX_ERROR;
    }

    /* not into ctx->values, of which a form's fingerprint is made */

    value = json_copy(value);

    if (json_object_set_new(value, "upload",
                            json_stringn((char *) file->id, sizeof(file->id)))
        != 0
        || json_object_set_new(ctx->input, field->name, value) != 0)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
