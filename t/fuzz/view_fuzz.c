
/*
 * Copyright (C) the portal's authors
 */


/*
 * libFuzzer: the first byte chooses the kind of views; the rest, cut at bytes
 * 0xff, is a template, two partials, a label and a value to display.  A
 * document without what the template does not name must look the same.
 */


#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/view/portal_view.h"


#define FUZZ_PIECES  5


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const char  fuzz_data[] =
    "{\"a\": {\"b\": {\"c\": \"<&>\"}, \"x\": [1, 2, {\"x\": null}]},"
    " \"n\": 2, \"s\": \"text\", \"e\": [], \"t\": true, \"f\": false,"
    " \"k\": [{\"v\": 1, \"k\": [{\"v\": 2, \"k\": null}]}, [[\"z\"]]],"
    " \"due_cents\": 123456, \"date\": \"2026-03-29T01:00:00Z\"}";


static void *
fuzz_alloc(void *ctx, size_t size)
{
    (void) ctx;

    return malloc(size);
}


static void
fuzz_free(portal_sink_t *sink)
{
    portal_chunk_t  *chunk, *next;

    for (chunk = sink->first; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
}


static void
fuzz_sink(portal_sink_t *sink)
{
    memset(sink, 0, sizeof(portal_sink_t));

    sink->alloc = fuzz_alloc;
    sink->chunk = 61;
    sink->limit = 20000;
}


static char *
fuzz_text(const portal_sink_t *sink)
{
    char                  *text, *p;
    const portal_chunk_t  *chunk;

    text = malloc(sink->total + 1);
    if (text == NULL) {
        return NULL;
    }

    for (p = text, chunk = sink->first; chunk; chunk = chunk->next) {
        memcpy(p, chunk->data, chunk->len);
        p += chunk->len;
    }

    *p = '\0';

    return text;
}


static void
fuzz_render(const portal_view_t *view, json_t *const *stack, size_t n)
{
    int             rc, rc2;
    char           *text, *whole, *part;
    size_t          len;
    json_t         *reduced;
    portal_sink_t   sink, sink2;

    fuzz_sink(&sink);
    rc = portal_view_render(view, stack, n, &sink);

    if (n == 1) {
        text = json_dumps(stack[0], 0);
        len = portal_view_reduce(view, text, strlen(text));
        reduced = json_loadb(text, len, 0, NULL);

        if (reduced == NULL) {
            abort();
        }

        fuzz_sink(&sink2);
        rc2 = portal_view_render(view, &reduced, 1, &sink2);

        whole = fuzz_text(&sink);
        part = fuzz_text(&sink2);

        if (rc != rc2 || strcmp(whole, part) != 0) {
            abort();
        }

        free(whole);
        free(part);
        free(text);
        fuzz_free(&sink2);
        json_decref(reduced);
    }

    fuzz_free(&sink);
}


/* any text: within its bounds, never longer, and JSON stays JSON */

static void
fuzz_reduce(const portal_view_t *view, const uint8_t *data, size_t size)
{
    char    *text;
    size_t   len;
    json_t  *whole, *part;

    /* no byte more than it has */

    text = malloc(size ? size : 1);

    if (text == NULL) {
        return;
    }

    memcpy(text, data, size);

    whole = json_loadb(text, size, 0, NULL);
    len = portal_view_reduce(view, text, size);
    part = json_loadb(text, len, 0, NULL);

    if (len > size || (whole != NULL && part == NULL)) {
        abort();
    }

    json_decref(whole);
    json_decref(part);
    free(text);
}


static void
fuzz_display(const portal_views_t *views, const uint8_t *data, size_t size)
{
    json_t         *value;
    portal_sink_t   sink;

    value = json_stringn((const char *) data, size);

    if (value) {
        fuzz_sink(&sink);
        portal_display(views, "a.level", value, &sink);
        fuzz_free(&sink);
        json_decref(value);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char             err[200];
    size_t           i, len[FUZZ_PIECES];
    json_t          *labels, *stack[2];
    const char      *name;
    const uint8_t   *piece[FUZZ_PIECES], *p, *end;
    portal_view_t   *view;
    portal_views_t  *views;

    if (size == 0) {
        return 0;
    }

    end = data + size;
    p = data + 1;

    for (i = 0; i < FUZZ_PIECES; i++) {
        piece[i] = p;

        while (p < end && *p != 0xff) {
            p++;
        }

        len[i] = (size_t) (p - piece[i]);

        if (p < end) {
            p++;
        }
    }

    stack[0] = json_loads(fuzz_data, 0, NULL);
    stack[1] = json_object_get(stack[0], "a");

    labels = json_pack("{s:{s:s, s:s, s:s}, s:{s:{s:s}}, s:o,"
                       " s:{s:s, s:s, s:o}}",
                       "display", "yes", "Y", "no", "N", "none", "-",
                       "list", "level", "ce1", "CE1",
                       "l", json_stringn((const char *) piece[3], len[3]),
                       "p", "count", "n", "one", "1",
                       "other", json_stringn((const char *) piece[3], len[3]));

    views = portal_views_create(data[0] & 1 ? "/nonexistent" : NULL,
                                data[0] & 2 ? "fr" : "en",
                                data[0] & 4 ? labels : NULL);

    name = data[0] & 8 ? "m.txt" : data[0] & 32 ? "m.csv" : "m";

    portal_views_add(views, name, (const char *) piece[0], len[0]);
    portal_views_add(views, "p", (const char *) piece[1], len[1]);
    portal_views_add(views, "q", (const char *) piece[2], len[2]);

    view = portal_views_get(views, name, err, sizeof(err));

    if (view) {
        fuzz_render(view, stack, data[0] & 16 ? 2 : 1);
        fuzz_reduce(view, piece[4], len[4]);

    } else if (strlen(err) == 0) {
        abort();
    }

    fuzz_display(views, piece[4], len[4]);

    portal_views_free(views);
    json_decref(labels);
    json_decref(stack[0]);

    return 0;
}
