
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A file of families is stored before anything looks into it: sealed, by
 * pieces, one call each, under an id that is made here.  Its bytes come from a
 * machine's body (input/ngx_http_portal_put.c) or from the files of a form.
 * Several of those are one import, since one refers to another: they become a
 * zip archive, without compression, that is never anywhere in one piece.
 */

/* of the archive's headers: of a file, in its end's list, the end itself */
#define NGX_HTTP_PORTAL_ZIP_FILE  30
#define NGX_HTTP_PORTAL_ZIP_LIST  46
#define NGX_HTTP_PORTAL_ZIP_END   22


static ngx_uint_t ngx_http_portal_import_file(ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_file_t *file);
static ngx_int_t ngx_http_portal_import_parts(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_import_zip(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static u_char *ngx_http_portal_import_header(u_char *p,
    ngx_http_portal_file_t *file, ngx_str_t *name);
static u_char *ngx_http_portal_import_number(u_char *p, uint32_t n,
    ngx_uint_t bytes);
static ngx_int_t ngx_http_portal_import_part(ngx_http_portal_import_t *import,
    ngx_http_portal_file_t *file, u_char *data, size_t len);
static ngx_int_t ngx_http_portal_import_name(ngx_http_request_t *r,
    ngx_http_portal_file_t *file, ngx_str_t *name);
static ngx_int_t ngx_http_portal_import_fill(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_import_filled(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static json_t *ngx_http_portal_import_seal(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static json_t *ngx_http_portal_import_mac(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_import_stored(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static void ngx_http_portal_import_wipe(void *data);


ngx_http_portal_import_t *
ngx_http_portal_import_begin(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_portal_import_t  *import;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_portal_import_t));
    if (cln == NULL) {
        return NULL;
    }

    import = cln->data;
    ngx_memzero(import, sizeof(ngx_http_portal_import_t));

    import->plain = ngx_palloc(r->pool, NGX_HTTP_PORTAL_FILE_PIECE);
    import->sealed = ngx_palloc(r->pool,
                                portal_sealed_len(NGX_HTTP_PORTAL_FILE_PIECE));

    if (import->plain == NULL || import->sealed == NULL) {
        return NULL;
    }

    portal_uuid((char *) import->id);
    portal_digest_init(&import->digest);

    cln->handler = ngx_http_portal_import_wipe;
    ctx->import = import;

    return import;
}


static void
ngx_http_portal_import_wipe(void *data)
{
    ngx_http_portal_import_t *import = data;

    if (import->plain != NULL) {
        portal_wipe(import->plain, NGX_HTTP_PORTAL_FILE_PIECE);
    }
}


ngx_uint_t
ngx_http_portal_import_waits(ngx_http_portal_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; i < ctx->nfiles; i++) {

        if (ngx_http_portal_import_file(ctx, &ctx->files[i])) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_portal_import_file(ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_file_t *file)
{
    return file->field->store == PORTAL_STORE_IMPORT && !file->stored
           && json_is_object(json_object_get(ctx->values, file->field->name));
}


ngx_int_t
ngx_http_portal_import_store(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_step_pt then)
{
    ngx_int_t                  rc;
    ngx_http_portal_import_t  *import;

    import = ngx_http_portal_import_begin(r, ctx);
    if (import == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_array_init(&import->parts, r->pool, 2 * PORTAL_FORM_FILES + 1,
                       sizeof(ngx_http_portal_part_t))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_portal_import_parts(r, ctx);

    if (rc == NGX_DECLINED) {
        return ngx_http_portal_refuse(r, ctx, 422);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    import->then = then;
    import->next = ngx_http_portal_import_filled;

    return ngx_http_portal_import_filled(r, ctx);
}


/* NGX_DECLINED: an archive beside other files, which would be within another */

static ngx_int_t
ngx_http_portal_import_parts(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_uint_t                 i, n;
    ngx_http_portal_file_t    *file, *archive, *one;
    ngx_http_portal_import_t  *import;

    import = ctx->import;
    archive = NULL;
    one = NULL;
    n = 0;

    for (i = 0; i < ctx->nfiles; i++) {
        file = &ctx->files[i];

        if (ngx_http_portal_import_file(ctx, file)) {
            one = file;
            n++;

            if (file->type != NULL && ngx_strcmp(file->type, "zip") == 0) {
                archive = file;
            }
        }
    }

    if (n > 1 && archive != NULL) {
        return ngx_http_portal_add_error(ctx, archive->field->name,
                                         "import_both") == NGX_OK
               ? NGX_DECLINED : NGX_ERROR;
    }

    if (n > 1) {
        return ngx_http_portal_import_zip(r, ctx);
    }

    if (one == NULL
        || ngx_http_portal_import_name(r, one, &import->name) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_portal_import_part(import, one, NULL, one->size);
}


static ngx_int_t
ngx_http_portal_import_zip(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    u_char                    *p, *end, *list;
    size_t                     len;
    uint32_t                   at;
    ngx_str_t                  name;
    ngx_uint_t                 i, n;
    ngx_http_portal_file_t    *file;
    ngx_http_portal_import_t  *import;

    static const u_char  head[] = { 'P', 'K', 3, 4, 20, 0, 0, 8, 0, 0, 0, 0,
                                    33, 0 };
    static const u_char  line[] = { 'P', 'K', 1, 2, 20, 0, 20, 0, 0, 8, 0, 0,
                                    0, 0, 33, 0 };

    import = ctx->import;

    len = PORTAL_FORM_FILES * (NGX_HTTP_PORTAL_ZIP_LIST + NGX_HTTP_PORTAL_NAME)
          + NGX_HTTP_PORTAL_ZIP_END;

    list = ngx_pcalloc(r->pool, len);
    import->name.data = ngx_pnalloc(r->pool,
                                    PORTAL_FORM_FILES * NGX_HTTP_PORTAL_NAME);
    if (list == NULL || import->name.data == NULL) {
        return NGX_ERROR;
    }

    end = list;
    at = 0;
    n = 0;

    for (i = 0; i < ctx->nfiles; i++) {
        file = &ctx->files[i];

        if (!ngx_http_portal_import_file(ctx, file)) {
            continue;
        }

        p = ngx_pcalloc(r->pool, NGX_HTTP_PORTAL_ZIP_FILE
                                 + NGX_HTTP_PORTAL_NAME);

        if (p == NULL
            || ngx_http_portal_import_name(r, file, &name) != NGX_OK)
        {
            return NGX_ERROR;
        }

        len = NGX_HTTP_PORTAL_ZIP_FILE + name.len;
        (void) ngx_cpymem(ngx_http_portal_import_header(
                              ngx_cpymem(p, head, sizeof(head)), file,
                              &name),
                          name.data, name.len);

        if (ngx_http_portal_import_part(import, NULL, p, len) != NGX_OK
            || ngx_http_portal_import_part(import, file, NULL, file->size)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        /* comment, disk and attributes are none: zeroes */

        p = ngx_http_portal_import_header(ngx_cpymem(end, line, sizeof(line)),
                                          file, &name);
        p = ngx_http_portal_import_number(p + 10, at, 4);
        end = ngx_cpymem(p, name.data, name.len);

        at += (uint32_t) (len + file->size);

        p = import->name.data + import->name.len;
        p = ngx_sprintf(p, "%s%V", n++ ? ", " : "", &name);
        import->name.len = (size_t) (p - import->name.data);
    }

    len = (size_t) (end - list);

    p = ngx_cpymem(end, "PK\5\6\0\0\0\0", 8);
    p = ngx_http_portal_import_number(p, (uint32_t) n, 2);
    p = ngx_http_portal_import_number(p, (uint32_t) n, 2);
    p = ngx_http_portal_import_number(p, (uint32_t) len, 4);
    p = ngx_http_portal_import_number(p, at, 4);
    p = ngx_http_portal_import_number(p, 0, 2);

    return ngx_http_portal_import_part(import, NULL, list,
                                       (size_t) (p - list));
}


/* sum, both sizes, the name's length and no more: alike in both headers */

static u_char *
ngx_http_portal_import_header(u_char *p, ngx_http_portal_file_t *file,
    ngx_str_t *name)
{
    p = ngx_http_portal_import_number(p, file->crc, 4);
    p = ngx_http_portal_import_number(p, (uint32_t) file->size, 4);
    p = ngx_http_portal_import_number(p, (uint32_t) file->size, 4);
    p = ngx_http_portal_import_number(p, (uint32_t) name->len, 2);

    return ngx_http_portal_import_number(p, 0, 2);
}


static u_char *
ngx_http_portal_import_number(u_char *p, uint32_t n, ngx_uint_t bytes)
{
    while (bytes--) {
        *p++ = (u_char) (n & 0xff);
        n >>= 8;
    }

    return p;
}


static ngx_int_t
ngx_http_portal_import_part(ngx_http_portal_import_t *import,
    ngx_http_portal_file_t *file, u_char *data, size_t len)
{
    ngx_http_portal_part_t  *part;

    part = ngx_array_push(&import->parts);
    if (part == NULL) {
        return NGX_ERROR;
    }

    part->file = file;
    part->data = data;
    part->len = len;

    return NGX_OK;
}


/* the field's: what a person called it stays with them */

static ngx_int_t
ngx_http_portal_import_name(ngx_http_request_t *r,
    ngx_http_portal_file_t *file, ngx_str_t *name)
{
    u_char      *p;
    const char  *from;

    name->data = ngx_pnalloc(r->pool, NGX_HTTP_PORTAL_NAME);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    p = name->data;

    for (from = file->field->name; *from; from++) {

        /* as the business software writes it: enfantFamille.csv */

        if (*from == '_' && from[1] != '\0') {
            *p++ = ngx_toupper((u_char) from[1]);
            from++;

        } else {
            *p++ = (u_char) *from;
        }
    }

    p = ngx_sprintf(p, ".%s", file->type ? file->type : "csv");
    name->len = (size_t) (p - name->data);

    return NGX_OK;
}


/* the next piece, or as much as there is */

static ngx_int_t
ngx_http_portal_import_fill(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    size_t                     len;
    ngx_str_t                  bytes;
    ngx_http_portal_part_t    *part;
    ngx_http_portal_import_t  *import;

    import = ctx->import;
    part = import->parts.elts;

    while (import->part < import->parts.nelts
           && import->have < NGX_HTTP_PORTAL_FILE_PIECE)
    {
        len = ngx_min(part[import->part].len - import->at,
                      NGX_HTTP_PORTAL_FILE_PIECE - import->have);

        if (part[import->part].file == NULL) {
            bytes.data = part[import->part].data + import->at;

        } else {
            bytes.data = import->plain + import->have;
            bytes.len = len;

            if (ngx_http_portal_file_bytes(r, ctx, part[import->part].file,
                                           import->at, &bytes)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        if (bytes.data != import->plain + import->have) {
            ngx_memcpy(import->plain + import->have, bytes.data, len);
        }

        import->have += len;
        import->at += len;

        if (import->at == part[import->part].len) {
            import->part++;
            import->at = 0;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_import_filled(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_uint_t                 i;
    ngx_http_portal_import_t  *import;

    import = ctx->import;

    if (import->part < import->parts.nelts) {

        if (ngx_http_portal_import_fill(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_portal_import_send(r, ctx,
                                  import->part == import->parts.nelts);
    }

    for (i = 0; i < ctx->nfiles; i++) {

        if (ngx_http_portal_import_file(ctx, &ctx->files[i])) {
            ngx_memcpy(ctx->files[i].id, import->id, sizeof(import->id));
            ctx->files[i].stored = 1;
        }
    }

    return import->then(r, ctx);
}


ngx_int_t
ngx_http_portal_import_send(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t last)
{
    json_t                       *upload;
    ngx_int_t                     rc;
    ngx_http_portal_import_t     *import;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    import = ctx->import;

    portal_digest_add(&import->digest, import->plain, import->have);
    import->size += import->have;

    rc = ngx_http_portal_prepare_args(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    upload = json_pack("{s:s%, s:i, s:b, s:o}",
                       "id", import->id, sizeof(import->id),
                       "piece", (int) import->piece, "last", (int) last,
                       "sealed", ngx_http_portal_import_seal(r, ctx));

    if (import->name.len) {
        json_object_set_new(upload, "name",
                            json_stringn((char *) import->name.data,
                                         import->name.len));
    }

    if (last
        && (json_object_set_new(upload, "size",
                                json_integer((json_int_t) import->size))
            != 0
            || json_object_set_new(upload, "mac",
                                   ngx_http_portal_import_mac(r, ctx))
               != 0))
    {
        json_decref(upload);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (json_object_set_new(ctx->input, "upload", upload) != 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_call(r, ctx, pmcf->store_import,
                                ngx_http_portal_import_stored);
}


/* its place: the import and which piece of it; NULL: no memory */

static json_t *
ngx_http_portal_import_seal(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    int                           n;
    char                          number[NGX_INT_T_LEN];
    portal_text_t                 kind, id, field, plain;
    ngx_http_portal_import_t     *import;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    import = ctx->import;

    kind = (portal_text_t) { "import", 6 };
    id = (portal_text_t) { (char *) import->id, sizeof(import->id) };
    plain = (portal_text_t) { (char *) import->plain, import->have };
    field.data = number;
    field.len = (size_t) (ngx_sprintf((u_char *) number, "%ui", import->piece)
                          - (u_char *) number);

    n = portal_seal(pmcf->keys, ngx_http_portal_text(ctx->verdict->town->slug),
                    kind, id, field, plain, import->sealed,
                    portal_sealed_len(NGX_HTTP_PORTAL_FILE_PIECE));

    return n < 0 ? NULL : json_stringn(import->sealed, (size_t) n);
}


/* tells a file that comes twice; NULL: no memory */

static json_t *
ngx_http_portal_import_mac(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    char                          hex[PORTAL_MAC_HEX];
    uint8_t                       mac[PORTAL_MAC_LEN];
    portal_text_t                 text;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    portal_digest_hex(&ctx->import->digest, hex);
    text = (portal_text_t) { hex, sizeof(hex) };

    portal_mac(pmcf->keys, "file",
               ngx_http_portal_text(ctx->verdict->town->slug), text, mac);
    portal_hex(mac, sizeof(mac), hex);

    return json_stringn(hex, sizeof(hex));
}


static ngx_int_t
ngx_http_portal_import_stored(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_http_portal_import_t  *import;

    rc = ngx_http_portal_import_answer(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    import = ctx->import;
    import->piece++;
    import->have = 0;

    return import->next(r, ctx);
}


/* NGX_OK, or what was answered instead: why it cannot be */

ngx_int_t
ngx_http_portal_import_answer(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    json_t      *document, *errors, *error;
    size_t       i;
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
    errors = json_object_get(document, "errors");

    json_array_foreach(errors, i, error) {
        if (ngx_http_portal_add_error(ctx,
                           json_string_value(json_object_get(error, "field")),
                           json_string_value(json_object_get(error, "code")))
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (status < 400) {
        return NGX_OK;
    }

    ctx->retry = (ngx_msec_t)
                 json_integer_value(json_object_get(document, "wait"));

    return json_array_size(errors) ? ngx_http_portal_refuse(r, ctx, status)
                                   : ngx_http_portal_problem(r, ctx, status,
                                                             NULL);
}
