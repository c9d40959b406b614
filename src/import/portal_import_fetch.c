
/*
 * Copyright (C) the portal's authors
 */


#include "portal_import_int.h"


/*
 * The pieces of an import's files, one call each, opened into its memory.
 */


static void portal_import_fetched(portal_import_t *import, json_t *answer);
static ngx_int_t portal_import_piece(portal_import_t *import,
    json_t *answer);
static json_t *portal_import_whose(portal_import_t *import);
static ngx_int_t portal_import_opened(portal_import_t *import, json_t *file,
    json_t *text, size_t *len);
static ngx_int_t portal_import_base64(const char *text, size_t len,
    u_char *out, size_t *outlen);


void
portal_import_fetch(portal_import_t *import)
{
    json_t  *input;

    if (import->piece
        >= (ngx_uint_t) json_integer_value(json_object_get(import->claim,
                                                           "pieces")))
    {
        portal_import_files(import);
        return;
    }

    input = portal_import_input(import);

    if (json_object_set_new(input, "piece",
                            json_integer((json_int_t) import->piece))
        != 0)
    {
        json_decref(input);
        portal_import_drop(import);
        return;
    }

    portal_import_call(import, import->conf->piece, input,
                       portal_import_fetched);
}


static void
portal_import_fetched(portal_import_t *import, json_t *answer)
{
    if (portal_import_piece(import, answer) != NGX_OK) {
        portal_import_fail(import, "cut");
        return;
    }

    import->piece++;

    portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_fetch);
}


static ngx_int_t
portal_import_piece(portal_import_t *import, json_t *answer)
{
    json_t     *file, *text;
    size_t      len;
    ngx_int_t   rc;

    file = portal_import_whose(import);
    text = json_object_get(answer, "plain");
    len = portal_sealed_len(PORTAL_IMPORT_PIECE);

    if (file == NULL) {
        return NGX_ERROR;
    }

    if (!json_is_string(text)) {
        rc = portal_import_opened(import, file,
                                  json_object_get(answer, "sealed"), &len);

    } else if (json_string_length(text) > len) {
        rc = NGX_ERROR;

    } else {
        rc = portal_import_base64(json_string_value(text),
                                  json_string_length(text), import->scratch,
                                  &len);
    }

    if (rc != NGX_OK || len > import->size - import->used) {
        return NGX_ERROR;
    }

    ngx_memcpy(import->data + import->used, import->scratch, len);
    import->used += len;

    return NGX_OK;
}


/* the file that the piece is of: each file's are counted from 0 */

static json_t *
portal_import_whose(portal_import_t *import)
{
    json_t  *file;
    size_t   from, n;

    for ( ;; ) {
        file = json_array_get(json_object_get(import->claim, "files"),
                              import->file);
        if (file == NULL) {
            return NULL;
        }

        from = (size_t) json_integer_value(json_object_get(file, "from"));
        n = (size_t) json_integer_value(json_object_get(file, "pieces"));

        if (import->piece < from + n) {
            return file;
        }

        import->file++;
    }
}


static ngx_int_t
portal_import_opened(portal_import_t *import, json_t *file, json_t *text,
    size_t *len)
{
    int              n;
    char             number[NGX_INT_T_LEN];
    portal_text_t    kind, id, field, sealed;

    kind = (portal_text_t) { "import", 6 };
    id.data = json_string_value(json_object_get(file, "seal_id"));
    id.len = json_string_length(json_object_get(file, "seal_id"));
    field.data = number;
    field.len = (size_t) (ngx_sprintf((u_char *) number, "%uL",
                              (uint64_t) import->piece
                              - (uint64_t) json_integer_value(
                                               json_object_get(file, "from")))
                          - (u_char *) number);
    sealed.data = json_string_value(text);
    sealed.len = json_string_length(text);

    if (sealed.data == NULL || id.data == NULL || sealed.len > *len) {
        return NGX_ERROR;
    }

    n = portal_open(import->conf->keys, import->slug, kind, id, field, sealed,
                    (char *) import->scratch, *len);
    if (n < 0) {
        ngx_log_error(NGX_LOG_ERR, import->log, 0,
                      "a piece of import %L of \"%s\" does not open",
                      (int64_t) json_integer_value(
                                    json_object_get(import->claim, "id")),
                      import->slug.data);
        return NGX_ERROR;
    }

    *len = (size_t) n;

    return NGX_OK;
}


/* as PostgreSQL writes it */

static ngx_int_t
portal_import_base64(const char *text, size_t len, u_char *out,
    size_t *outlen)
{
    ngx_str_t  src, dst;

    src.data = (u_char *) text;
    src.len = len;
    dst.data = out;

    if (ngx_decode_base64(&dst, &src) != NGX_OK) {
        return NGX_ERROR;
    }

    *outlen = dst.len;

    return NGX_OK;
}
