
/*
 * Copyright (C) the portal's authors
 */


#include "portal_import_int.h"


/*
 * Lines that were read go to the database: places are asked for, what is
 * sealed is, and the text of the call is written, line by line.
 */


static void portal_import_placed(portal_import_t *import, json_t *answer);
static void portal_import_write(portal_import_t *import);
static ngx_int_t portal_import_add(portal_import_t *import, json_t *json);
static void portal_import_stage(portal_import_t *import);
static void portal_import_staged(portal_import_t *import, json_t *answer);


/* where what is sealed goes */

void
portal_import_batch(portal_import_t *import)
{
    void        *iter;
    json_t      *keys, *list, *input;
    ngx_uint_t   i;

    import->sealed = 0;
    import->text_len = 0;

    keys = json_object();
    list = json_array();
    input = NULL;

    for (i = 0; i < import->n; i++) {

        if (keys == NULL
            || portal_import_sealing(&import->rules, &import->lines[i], keys)
               != 0)
        {
            goto failed;
        }
    }

    if (json_object_size(keys) == 0) {
        json_decref(import->places);
        import->places = keys;
        json_decref(list);

        portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_write);
        return;
    }

    for (iter = json_object_iter(keys);
         iter != NULL;
         iter = json_object_iter_next(keys, iter))
    {
        if (json_array_append_new(list,
                                  json_string(json_object_iter_key(iter)))
            != 0)
        {
            goto failed;
        }
    }

    input = portal_import_input(import);

    if (json_object_set(input, "keys", list) != 0) {
        goto failed;
    }

    json_decref(keys);
    json_decref(list);

    portal_import_call(import, import->conf->places, input,
                       portal_import_placed);
    return;

failed:

    json_decref(keys);
    json_decref(list);
    json_decref(input);

    portal_import_drop(import);
}


static void
portal_import_placed(portal_import_t *import, json_t *answer)
{
    json_decref(import->places);
    import->places = json_incref(json_object_get(answer, "places"));

    if (!json_is_object(import->places)) {
        portal_import_drop(import);
        return;
    }

    portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_write);
}


/* {"tenant", "import", "lease", "file", "lines": [...]}, line by line */

static void
portal_import_write(portal_import_t *import)
{
    json_t                *json;
    uint64_t               start;
    ngx_int_t              rc;
    portal_import_line_t  *line;

    start = portal_op_clock();
    rc = NGX_OK;

    if (import->sealed == 0) {
        import->text_len = 0;

        json = portal_import_input(import);

        if (json_object_set_new(json, "file", json_string(import->name)) != 0
            || json_object_set_new(json, "lines", json_array()) != 0)
        {
            json_decref(json);
            portal_import_drop(import);
            return;
        }

        rc = portal_import_add(import, json);

        /* what comes goes in front of "]}" */

        import->text_len -= 2;
    }

    while (rc == NGX_OK && import->sealed < import->n
           && portal_op_clock() - start < PORTAL_IMPORT_SLICE)
    {
        line = &import->lines[import->sealed];

        if (portal_import_seal(&import->rules, import->conf->keys,
                               import->slug, line, import->places)
            != 0)
        {
            rc = NGX_ERROR;
            break;
        }

        if (import->sealed++) {
            import->text[import->text_len++] = ',';
        }

        rc = portal_import_add(import, json_pack("{s:I, s:O, s:O}", "line",
                                                 (json_int_t) line->line,
                                                 "records", line->records,
                                                 "errors", line->errors));
    }

    if (rc != NGX_OK) {
        portal_import_drop(import);
        return;
    }

    if (import->sealed < import->n) {
        portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_write);
        return;
    }

    import->text[import->text_len++] = ']';
    import->text[import->text_len++] = '}';

    portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_stage);
}


/* takes the reference; leaves room for three signs */

static ngx_int_t
portal_import_add(portal_import_t *import, json_t *json)
{
    u_char  *text;
    size_t   len, size;

    len = json ? json_dumpb(json, NULL, 0, JSON_COMPACT) : 0;
    size = import->text_len + len + 3;

    if (len && size > import->text_size) {
        size = ngx_max(2 * import->text_size,
                       ngx_max(size, PORTAL_IMPORT_TEXT));

        text = ngx_alloc(size, import->log);

        if (text == NULL) {
            len = 0;

        } else {

            if (import->text) {
                ngx_memcpy(text, import->text, import->text_len);
                ngx_free(import->text);
            }

            import->text = text;
            import->text_size = size;
        }
    }

    if (len) {
        (void) json_dumpb(json, (char *) import->text + import->text_len, len,
                          JSON_COMPACT);
        import->text_len += len;
    }

    json_decref(json);

    return len ? NGX_OK : NGX_ERROR;
}


static void
portal_import_stage(portal_import_t *import)
{
    ngx_str_t  text;

    text.data = import->text;
    text.len = import->text_len;

    portal_import_post(import, import->conf->lines, &text,
                       portal_import_staged);
}


static void
portal_import_staged(portal_import_t *import, json_t *answer)
{
    while (import->n) {
        portal_import_line_free(&import->lines[--import->n]);
    }

    import->bytes = 0;

    portal_import_in(import, PORTAL_IMPORT_PAUSE,
                     import->ended && !import->holds ? portal_import_end
                                                     : portal_import_read);
}
