
/*
 * Copyright (C) the portal's authors
 */


#include <stdlib.h>
#include <string.h>

#include "portal_compile.h"


portal_mop_t *
portal_compile_op(portal_compile_t *cc, portal_op_type_e type)
{
    void          *p;
    unsigned       size;
    portal_mop_t  *op;

    if (cc->nops == cc->ops_size) {
        size = cc->ops_size ? cc->ops_size * 2 : 64;

        p = size > PORTAL_COMPILE_NODES
            ? NULL : realloc(cc->ops, size * sizeof(portal_mop_t));

        if (p == NULL) {
            portal_compile_error(cc, "the page is too large");
            return NULL;
        }

        cc->ops = p;
        cc->ops_size = size;
    }

    op = &cc->ops[cc->nops++];

    memset(op, 0, sizeof(portal_mop_t));
    op->type = (uint8_t) type;

    return op;
}


int
portal_compile_write(portal_compile_t *cc, const char *data, size_t len)
{
    void          *p;
    size_t         size;
    portal_mop_t  *op;

    if (len == 0) {
        return 0;
    }

    if (len > cc->pool_size - cc->pool_len) {
        size = (cc->pool_len + len) * 2;

        p = size > PORTAL_COMPILE_POOL ? NULL : realloc(cc->pool, size);

        if (p == NULL) {
            return portal_compile_error(cc, "the page is too large");
        }

        cc->pool = p;
        cc->pool_size = size;
    }

    if (cc->nops > cc->barrier
        && cc->ops[cc->nops - 1].type == PORTAL_OP_TEXT)
    {
        op = &cc->ops[cc->nops - 1];

    } else {
        op = portal_compile_op(cc, PORTAL_OP_TEXT);
        if (op == NULL) {
            return -1;
        }

        op->u.offset = cc->pool_len;
    }

    memcpy(cc->pool + cc->pool_len, data, len);
    cc->pool_len += len;
    op->end += (uint32_t) len;

    return 0;
}


static void *
portal_compile_chunk(void *ctx, size_t size)
{
    (void) ctx;

    return malloc(size);
}


/* labels are escaped once, here, with the renderer's code */

static int
portal_compile_escape(portal_compile_t *cc, const char *data, size_t len)
{
    int              rc;
    portal_sink_t    sink;
    portal_chunk_t  *chunk, *next;

    memset(&sink, 0, sizeof(portal_sink_t));

    sink.alloc = portal_compile_chunk;

    rc = cc->csv ? portal_sink_cell(&sink, data, len)
                 : portal_sink_escape(&sink, data, len);

    if (rc != 0) {
        portal_compile_error(cc, "no memory");
    }

    for (chunk = sink.first; chunk; chunk = next) {

        if (rc == 0) {
            rc = portal_compile_write(cc, chunk->data, chunk->len);
        }

        next = chunk->next;
        free(chunk);
    }

    return rc;
}


/* RFC 4180: a line ends in CRLF */

static int
portal_compile_lines(portal_compile_t *cc, const char *data, size_t len)
{
    const char  *end, *p;

    for (end = data + len; data < end; data = p + 1) {

        p = memchr(data, '\n', (size_t) (end - data));

        if (p == NULL) {
            return portal_compile_write(cc, data, (size_t) (end - data));
        }

        if (portal_compile_write(cc, data, (size_t) (p - data)) != 0
            || portal_compile_write(cc, "\r\n", 2) != 0)
        {
            return -1;
        }
    }

    return 0;
}


int
portal_compile_literal(portal_compile_t *cc, const char *data, size_t len)
{
    const char  *wrong;

    if (cc->label && (cc->html || cc->csv)) {
        return portal_compile_escape(cc, data, len);
    }

    if (cc->csv) {
        return portal_compile_lines(cc, data, len);
    }

    if (cc->views->strict && cc->html) {
        wrong = portal_lint_text(&cc->lint, data, len);

        if (wrong) {
            return portal_compile_error(cc, "%s", wrong);
        }
    }

    return portal_compile_write(cc, data, len);
}


portal_name_t *
portal_compile_name(portal_compile_t *cc, portal_text_t text)
{
    size_t          i, start;
    unsigned        n;
    portal_text_t   part[PORTAL_COMPILE_PARTS];
    portal_name_t  *name;

    n = 0;
    start = 0;

    for (i = 0; i <= text.len && !(text.len == 1 && *text.data == '.'); i++) {

        if (i < text.len && text.data[i] != '.') {
            continue;
        }

        if (i == start || n == PORTAL_COMPILE_PARTS) {
            portal_compile_error(cc, "bad name \"%.*s\": write a.b.c, up to "
                                 "%d names", (int) text.len, text.data,
                                 PORTAL_COMPILE_PARTS);
            return NULL;
        }

        part[n].data = text.data + start;
        part[n].len = i - start;
        n++;

        start = i + 1;
    }

    name = portal_views_alloc(cc->views, sizeof(portal_name_t)
                                         + n * sizeof(portal_text_t));
    if (name == NULL) {
        portal_compile_error(cc, "no memory");
        return NULL;
    }

    name->n = n;

    if (n) {
        memcpy(name->part, part, n * sizeof(portal_text_t));
    }

    if (portal_names_add(cc->views, &cc->view->names, name) != 0) {
        portal_compile_error(cc, "no memory");
        return NULL;
    }

    return name;
}
