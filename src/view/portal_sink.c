
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "portal_mustache.h"


#define PORTAL_SINK_CHUNK  8192
#define PORTAL_SINK_LIMIT  ((size_t) 4 * 1024 * 1024)


/* entity of a character that HTML text and quoted attributes escape, or 0 */

static const unsigned char  portal_sink_special[256] = {
    ['&'] = 1, ['<'] = 2, ['>'] = 3, ['"'] = 4, ['\''] = 5
};

static const portal_text_t  portal_sink_entities[] = {
    { "", 0 },
    { "&amp;", 5 },
    { "&lt;", 4 },
    { "&gt;", 4 },
    { "&quot;", 6 },
    { "&#39;", 5 }
};


static int
portal_sink_grow(portal_sink_t *sink)
{
    size_t           size;
    portal_chunk_t  *chunk;

    size = sink->chunk ? sink->chunk : PORTAL_SINK_CHUNK;

    chunk = sink->alloc(sink->ctx, sizeof(portal_chunk_t) + size);
    if (chunk == NULL) {
        return -1;
    }

    chunk->next = NULL;
    chunk->len = 0;
    chunk->data = (char *) chunk + sizeof(portal_chunk_t);

    if (sink->last) {
        sink->last->next = chunk;

    } else {
        sink->first = chunk;
    }

    sink->last = chunk;
    sink->room = size;

    return 0;
}


size_t
portal_sink_limit(const portal_sink_t *sink)
{
    return sink->limit ? sink->limit : PORTAL_SINK_LIMIT;
}


int
portal_sink_write(portal_sink_t *sink, const char *data, size_t len)
{
    size_t  n, limit;

    limit = portal_sink_limit(sink);

    if (len > limit || sink->total > limit - len) {
        return -1;
    }

    sink->total += len;

    while (len) {

        if (sink->room == 0 && portal_sink_grow(sink) != 0) {
            return -1;
        }

        n = len < sink->room ? len : sink->room;

        memcpy(sink->last->data + sink->last->len, data, n);

        sink->last->len += n;
        sink->room -= n;
        data += n;
        len -= n;
    }

    return 0;
}


int
portal_sink_escape(portal_sink_t *sink, const char *data, size_t len)
{
    const char           *p, *end, *run;
    const portal_text_t  *entity;

    run = data;
    end = data + len;

    for (p = data; p < end; p++) {

        if (portal_sink_special[(unsigned char) *p] == 0) {
            continue;
        }

        if (p > run && portal_sink_write(sink, run, (size_t) (p - run)) != 0) {
            return -1;
        }

        entity = &portal_sink_entities[portal_sink_special[(unsigned char) *p]];

        if (portal_sink_write(sink, entity->data, entity->len) != 0) {
            return -1;
        }

        run = p + 1;
    }

    if (end > run) {
        return portal_sink_write(sink, run, (size_t) (end - run));
    }

    return 0;
}


/* of more digits a spreadsheet shows a power of ten */
#define PORTAL_SINK_DIGITS  11


/* a number that is a name (of a tax file, a postal code): 0034 is not 34 */

static int
portal_sink_digits(const char *p, const char *end)
{
    const char  *digit;

    for (digit = p; digit < end; digit++) {
        if (*digit < '0' || *digit > '9') {
            return 0;
        }
    }

    return end - p > PORTAL_SINK_DIGITS || (end - p > 1 && *p == '0');
}


/*
 * What makes a spreadsheet compute a cell, also when it is the full-width
 * form, and also behind spaces.
 */

static int
portal_sink_formula(const char *p, const char *end)
{
    static const char *const  wide[] = {
        "\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"
    };

    unsigned  i;

    while (p < end && *p == ' ') {
        p++;
    }

    if (p == end) {
        return 0;
    }

    if (strchr("=+-@\t\r\n", *p) != NULL) {
        return 1;
    }

    for (i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        if (end - p >= 3 && memcmp(p, wide[i], 3) == 0) {
            return 1;
        }
    }

    return 0;
}


int
portal_sink_cell(portal_sink_t *sink, const char *data, size_t len)
{
    int          text;
    const char  *end, *run, *quote;

    end = data + len;
    text = portal_sink_formula(data, end) || portal_sink_digits(data, end);

    if (portal_sink_write(sink, "\"'", text ? 2 : 1) != 0) {
        return -1;
    }

    for (run = data; run < end; run = quote + 1) {

        quote = memchr(run, '"', (size_t) (end - run));

        if (quote == NULL) {
            break;
        }

        if (portal_sink_write(sink, run, (size_t) (quote - run) + 1) != 0
            || portal_sink_write(sink, "\"", 1) != 0)
        {
            return -1;
        }
    }

    if (run < end
        && portal_sink_write(sink, run, (size_t) (end - run)) != 0)
    {
        return -1;
    }

    return portal_sink_write(sink, "\"", 1);
}
