
/*
 * Copyright (C) the portal's authors
 */


/*
 * view_render TEMPLATES_DIR LANG.json NAME DATA.json
 *
 * Prints the template NAME over DATA: one object, or an array of objects from
 * the outermost to the innermost.  "-" for LANG.json: no labels.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/view/portal_view.h"


static void *
view_alloc(void *ctx, size_t size)
{
    (void) ctx;

    return malloc(size);
}


static json_t *
view_load(const char *file)
{
    json_t        *json;
    json_error_t   error;

    json = json_load_file(file, JSON_REJECT_DUPLICATES, &error);

    if (json == NULL) {
        fprintf(stderr, "%s:%d: %s\n", file, error.line, error.text);
    }

    return json;
}


static int
view_print(const portal_view_t *view, json_t *data)
{
    size_t           i, n;
    json_t          *stack[16];
    portal_sink_t    sink;
    portal_chunk_t  *chunk, *next;

    n = 1;
    stack[0] = data;

    if (json_is_array(data)) {
        n = json_array_size(data);

        if (n == 0 || n > sizeof(stack) / sizeof(stack[0])) {
            fprintf(stderr, "between 1 and 16 objects, please\n");
            return 1;
        }

        for (i = 0; i < n; i++) {
            stack[i] = json_array_get(data, i);
        }
    }

    memset(&sink, 0, sizeof(portal_sink_t));
    sink.alloc = view_alloc;

    if (portal_view_render(view, stack, n, &sink) != 0) {
        fprintf(stderr, "rendering failed: too long or too deep\n");
        return 1;
    }

    for (chunk = sink.first; chunk; chunk = next) {
        next = chunk->next;
        fwrite(chunk->data, 1, chunk->len, stdout);
        free(chunk);
    }

    return 0;
}


int
main(int argc, char **argv)
{
    int              rc;
    char             err[512], lang[64];
    json_t          *labels, *data;
    const char      *p;
    portal_view_t   *view;
    portal_views_t  *views;

    if (argc != 5) {
        fprintf(stderr, "usage: view_render TEMPLATES_DIR LANG.json NAME "
                "DATA.json\n");
        return 2;
    }

    p = strrchr(argv[2], '/');
    snprintf(lang, sizeof(lang), "%s", p ? p + 1 : argv[2]);
    lang[strcspn(lang, ".")] = '\0';

    labels = NULL;

    if (strcmp(argv[2], "-") != 0) {
        labels = view_load(argv[2]);

        if (labels == NULL) {
            return 1;
        }
    }

    data = view_load(argv[4]);
    if (data == NULL) {
        return 1;
    }

    rc = 1;

    views = portal_views_create(argv[1], lang, labels);
    view = views ? portal_views_get(views, argv[3], err, sizeof(err)) : NULL;

    if (view) {
        rc = view_print(view, data);

    } else {
        fprintf(stderr, "%s\n", views ? err : "no memory");
    }

    portal_views_free(views);
    json_decref(labels);
    json_decref(data);

    return rc;
}
