
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>
#include <string.h>

#include "portal_mustache.h"


typedef struct portal_frame_s  portal_frame_t;

/* the indentation that the callers of a subroutine add to its lines */

struct portal_frame_s {
    const portal_frame_t  *parent;
    portal_text_t          indent;
};

typedef struct {
    const portal_view_t   *view;
    portal_sink_t         *sink;
    size_t                 limit;
    unsigned               top;
    unsigned               calls;
    json_t                *stack[PORTAL_MUSTACHE_STACK];
} portal_render_t;


static int portal_render_ops(portal_render_t *r, uint32_t i, uint32_t end,
    const portal_frame_t *frame);


/* what fits into the last chunk, which is nearly always, is one copy */

static inline int
portal_render_write(portal_render_t *r, const char *data, size_t len)
{
    portal_sink_t  *sink;

    sink = r->sink;

    if (len < sink->room && len <= r->limit - sink->total) {
        memcpy(sink->last->data + sink->last->len, data, len);

        sink->last->len += len;
        sink->room -= len;
        sink->total += len;

        return 0;
    }

    return portal_sink_write(sink, data, len);
}


static json_t *
portal_render_find(const portal_render_t *r, const portal_name_t *name)
{
    unsigned              i;
    json_t               *value;
    const portal_text_t  *part;

    if (name->n == 0) {
        return r->stack[r->top - 1];
    }

    part = name->part;
    value = NULL;

    for (i = r->top; i > 0; i--) {

        if (json_is_object(r->stack[i - 1])) {
            value = json_object_getn(r->stack[i - 1], part->data, part->len);

            if (value) {
                break;
            }
        }
    }

    for (i = 1; i < name->n && value; i++) {
        value = json_object_getn(value, name->part[i].data, name->part[i].len);
    }

    return value;
}


/* as JavaScript's !!value, but an empty list is false and so is "" */

static int
portal_render_truth(const json_t *value)
{
    if (value == NULL) {
        return 0;
    }

    switch (json_typeof(value)) {

    case JSON_NULL:
    case JSON_FALSE:
        return 0;

    case JSON_STRING:
        return json_string_length(value) != 0;

    case JSON_INTEGER:
        return json_integer_value(value) != 0;

    case JSON_ARRAY:
        return json_array_size(value) != 0;

    default:
        return 1;
    }
}


static int
portal_render_integer(portal_render_t *r, json_int_t n)
{
    char                buf[24], *p;
    unsigned long long  u;

    p = buf + sizeof(buf);
    u = n < 0 ? 0 - (unsigned long long) n : (unsigned long long) n;

    do {
        *--p = (char) ('0' + u % 10);
        u /= 10;
    } while (u);

    if (n < 0) {
        *--p = '-';
    }

    return portal_render_write(r, p, (size_t) (buf + sizeof(buf) - p));
}


static int
portal_render_variable(portal_render_t *r, const portal_mop_t *op)
{
    int            n;
    char           buf[40];
    const json_t  *value;

    value = portal_render_find(r, op->u.name);

    if (value == NULL) {
        return 0;
    }

    switch (json_typeof(value)) {

    case JSON_STRING:
        if (op->escape == PORTAL_ESCAPE_HTML) {
            return portal_sink_escape(r->sink, json_string_value(value),
                                      json_string_length(value));
        }

        if (op->escape == PORTAL_ESCAPE_CSV) {
            return portal_sink_cell(r->sink, json_string_value(value),
                                    json_string_length(value));
        }

        return portal_render_write(r, json_string_value(value),
                                   json_string_length(value));

    case JSON_INTEGER:
        return portal_render_integer(r, json_integer_value(value));

    case JSON_REAL:
        n = snprintf(buf, sizeof(buf), "%.15g", json_real_value(value));
        return portal_render_write(r, buf, (size_t) n);

    case JSON_TRUE:
        return portal_render_write(r, "true", 4);

    case JSON_FALSE:
        return portal_render_write(r, "false", 5);

    default:
        return 0;
    }
}


/*
 * What a town has added to a list itself is called as the town says, in the
 * language of the page: "names" of the town, which is below all else.
 */

static json_t *
portal_render_own(const portal_render_t *r, const json_t *value)
{
    unsigned     i;
    json_t      *name;
    const char  *p;

    p = json_string_value(value);

    if (p == NULL || strncmp(p, "own_", 4) != 0) {
        return NULL;
    }

    for (i = 0; i < r->top; i++) {
        name = json_object_get(json_object_get(json_object_get(r->stack[i],
                                                               "town"),
                                               "names"), p);
        if (json_is_string(name)) {
            return name;
        }
    }

    return NULL;
}


static int
portal_render_display(portal_render_t *r, const portal_mop_t *op)
{
    json_t                  *value, *list, *field, *own;
    unsigned                 unit;
    const portal_display_t  *display;

    display = op->u.display;
    value = portal_render_find(r, display->name);
    list = display->list;
    unit = display->unit;

    /* written as the field itself is */

    if (display->field) {
        field = portal_render_find(r, display->field);

        if (json_is_string(field)) {
            list = portal_views_list(r->view->views,
                                     json_string_value(field),
                                     json_string_length(field));
            unit = portal_display_unit(json_string_value(field),
                                       json_string_length(field));
        }
    }

    own = list ? portal_render_own(r, value) : NULL;

    if (own) {
        value = own;
        list = NULL;
    }

    return portal_display_value(r->view->views, list, unit,
                                op->escape, value, r->sink);
}


static int
portal_render_section(portal_render_t *r, const portal_mop_t *op,
    uint32_t i, const portal_frame_t *frame)
{
    int      rc;
    size_t   k, n;
    json_t  *value;

    value = portal_render_find(r, op->u.name);

    if (!portal_render_truth(value)) {
        return 0;
    }

    if (r->top == PORTAL_MUSTACHE_STACK) {
        return -1;
    }

    rc = 0;
    r->top++;

    if (json_is_array(value)) {
        n = json_array_size(value);

        for (k = 0; k < n && rc == 0; k++) {
            r->stack[r->top - 1] = json_array_get(value, k);
            rc = portal_render_ops(r, i + 1, op->end, frame);
        }

    } else {
        r->stack[r->top - 1] = value;
        rc = portal_render_ops(r, i + 1, op->end, frame);
    }

    r->top--;

    return rc;
}


/* French: 0 and 1 are singular; English: 1 is */

static int
portal_render_plural(portal_render_t *r, const portal_mop_t *op,
    const portal_frame_t *frame)
{
    json_int_t              n;
    const json_t           *value;
    const portal_plural_t  *plural;

    plural = op->u.plural;
    value = portal_render_find(r, plural->count);

    n = json_is_array(value) ? (json_int_t) json_array_size(value)
        : json_is_integer(value) ? json_integer_value(value) : -1;

    if (n == 0 && plural->zero < plural->one) {
        return portal_render_ops(r, plural->zero, plural->one, frame);
    }

    if ((n == 1 || (n == 0 && !r->view->views->english))
        && plural->one < plural->other)
    {
        return portal_render_ops(r, plural->one, plural->other, frame);
    }

    return portal_render_ops(r, plural->other, op->end, frame);
}


static int
portal_render_call(portal_render_t *r, const portal_mop_t *op,
    const portal_frame_t *frame)
{
    int                   rc;
    portal_frame_t        inner;
    const portal_sub_t   *sub;
    const portal_call_t  *call;

    if (r->calls == PORTAL_MUSTACHE_CALLS) {
        return -1;
    }

    call = op->u.call;
    sub = &r->view->subs[call->sub];

    inner.parent = call->inherit ? frame : NULL;
    inner.indent = call->indent;

    r->calls++;
    rc = portal_render_ops(r, sub->start, sub->end, &inner);
    r->calls--;

    return rc;
}


static int
portal_render_indent(portal_render_t *r, const portal_frame_t *frame)
{
    if (frame == NULL) {
        return 0;
    }

    if (portal_render_indent(r, frame->parent) != 0) {
        return -1;
    }

    if (frame->indent.len == 0) {
        return 0;
    }

    return portal_render_write(r, frame->indent.data, frame->indent.len);
}


static int
portal_render_ops(portal_render_t *r, uint32_t i, uint32_t end,
    const portal_frame_t *frame)
{
    int                  rc;
    const portal_mop_t  *op;

    while (i < end) {
        op = &r->view->ops[i];

        switch (op->type) {

        case PORTAL_OP_TEXT:
            rc = portal_render_write(r, op->u.text, op->end);
            i++;
            break;

        case PORTAL_OP_VARIABLE:
            rc = portal_render_variable(r, op);
            i++;
            break;

        case PORTAL_OP_SECTION:
            rc = portal_render_section(r, op, i, frame);
            i = op->end;
            break;

        case PORTAL_OP_INVERTED:
            rc = 0;
            i = portal_render_truth(portal_render_find(r, op->u.name))
                ? op->end : i + 1;
            break;

        case PORTAL_OP_DISPLAY:
            rc = portal_render_display(r, op);
            i++;
            break;

        case PORTAL_OP_PLURAL:
            rc = portal_render_plural(r, op, frame);
            i = op->end;
            break;

        case PORTAL_OP_CALL:
            rc = portal_render_call(r, op, frame);
            i++;
            break;

        default:
            rc = portal_render_indent(r, frame);
            i++;
            break;
        }

        if (rc != 0) {
            return -1;
        }
    }

    return 0;
}


int
portal_view_render(const portal_view_t *view, json_t *const *stack, size_t n,
    portal_sink_t *sink)
{
    portal_render_t  r;

    if (n == 0 || n > PORTAL_MUSTACHE_STACK / 2) {
        return -1;
    }

    r.view = view;
    r.sink = sink;
    r.limit = portal_sink_limit(sink);
    r.calls = 0;
    r.top = (unsigned) n;

    memcpy(r.stack, stack, n * sizeof(json_t *));

    return portal_render_ops(&r, 0, view->end, NULL);
}
