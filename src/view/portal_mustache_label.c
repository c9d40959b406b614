
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>
#include <string.h>

#include "portal_compile.h"


/* one form of a label, its text being a template */

static int
portal_compile_form(portal_compile_t *cc, portal_text_t name, json_t *value)
{
    int                 rc;
    uint32_t            line;
    unsigned            label;
    char                file[512];
    portal_margin_t     flat;
    portal_template_t  *parent, *template;

    (void) snprintf(file, sizeof(file), "%s:%u: label \"t.%.*s\"",
                    cc->template->file, (unsigned) cc->line, (int) name.len,
                    name.data);

    template = portal_views_alloc(cc->views, sizeof(portal_template_t));
    if (template == NULL) {
        return portal_compile_error(cc, "no memory");
    }

    template->name = "";
    template->file = portal_views_copy(cc->views, file, strlen(file));
    template->text.data = json_string_value(value);
    template->text.len = json_string_length(value);

    if (template->file == NULL) {
        return portal_compile_error(cc, "no memory");
    }

    if (portal_mustache_parse(cc->views, template, cc->err, cc->errlen) != 0) {
        return -1;
    }

    parent = cc->template;
    line = cc->line;
    label = cc->label;

    memset(&flat, 0, sizeof(portal_margin_t));

    cc->template = template;
    cc->label = 1;

    rc = portal_compile_nodes(cc, template->root, NULL, &flat);

    cc->template = parent;
    cc->line = line;
    cc->label = label & 1;

    return rc;
}


static int
portal_compile_plural(portal_compile_t *cc, portal_text_t name, json_t *label)
{
    unsigned          op, i;
    json_t           *count, *text;
    uint32_t         *start;
    portal_mop_t     *p;
    portal_text_t     variable;
    portal_plural_t  *plural;

    static const char *const  forms[] = { "zero", "one", "other" };

    count = json_object_get(label, "count");

    if (!json_is_string(count)
        || !json_is_string(json_object_get(label, "other")))
    {
        return portal_compile_error(cc, "label \"t.%.*s\" is no text: write "
                                    "{\"count\": \"name\", \"one\": ..., "
                                    "\"other\": ...} for a plural",
                                    (int) name.len, name.data);
    }

    variable.data = json_string_value(count);
    variable.len = json_string_length(count);

    plural = portal_views_alloc(cc->views, sizeof(portal_plural_t));
    p = portal_compile_op(cc, PORTAL_OP_PLURAL);

    if (plural == NULL || p == NULL) {
        return portal_compile_error(cc, "no memory");
    }

    p->u.plural = plural;
    op = cc->nops - 1;

    plural->count = portal_compile_name(cc, variable);
    if (plural->count == NULL) {
        return -1;
    }

    /* a form that is absent is empty: the next one stands for it */

    start = &plural->zero;

    for (i = 0; i < 3; i++) {
        cc->barrier = cc->nops;
        start[i] = cc->nops;

        text = json_object_get(label, forms[i]);

        if (json_is_string(text) && portal_compile_form(cc, name, text) != 0) {
            return -1;
        }
    }

    cc->ops[op].end = cc->nops;
    cc->barrier = cc->nops;

    return 0;
}


static int
portal_compile_label(portal_compile_t *cc, portal_text_t name)
{
    json_t  *label;

    label = portal_views_find(cc->views, name.data, name.len);

    if (label == NULL) {
        return portal_compile_error(cc, "label \"t.%.*s\" is missing in "
                                    "%s.json", (int) name.len, name.data,
                                    cc->views->lang);
    }

    if (cc->depth > PORTAL_COMPILE_DEPTH / 2) {
        return portal_compile_error(cc, "label \"t.%.*s\" is within itself",
                                    (int) name.len, name.data);
    }

    if (json_is_string(label)) {
        return portal_compile_form(cc, name, label);
    }

    return portal_compile_plural(cc, name, label);
}


/* a value beside the name of its field, as requests have them */

static int
portal_compile_other_value(portal_text_t name)
{
    size_t                    i;
    static const char *const  names[] = { "before", "now", "asked", "was",
                                          "imported" };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        if (name.len == strlen(names[i])
            && memcmp(name.data, names[i], name.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static int
portal_compile_display(portal_compile_t *cc, portal_text_t name)
{
    portal_mop_t        *op;
    portal_text_t        last;
    portal_display_t    *display;
    const portal_text_t  field = { "field", 5 };

    if (!cc->views->yes || !cc->views->no || !cc->views->none) {
        return portal_compile_error(cc, "{{display.%.*s}} needs the labels "
                                    "display.yes, display.no and display.none "
                                    "in %s.json", (int) name.len, name.data,
                                    cc->views->lang);
    }

    display = portal_views_alloc(cc->views, sizeof(portal_display_t));
    if (display == NULL) {
        return portal_compile_error(cc, "no memory");
    }

    display->name = portal_compile_name(cc, name);
    if (display->name == NULL) {
        return -1;
    }

    if (display->name->n) {
        last = display->name->part[display->name->n - 1];

        display->list = portal_views_list(cc->views, last.data, last.len);
        display->unit = portal_display_unit(last.data, last.len) & 3;

        if (portal_compile_other_value(last)) {
            display->field = portal_compile_name(cc, field);

            if (display->field == NULL) {
                return -1;
            }
        }
    }

    op = portal_compile_op(cc, PORTAL_OP_DISPLAY);
    if (op == NULL) {
        return -1;
    }

    op->escape = cc->html ? PORTAL_ESCAPE_HTML
                          : cc->csv ? PORTAL_ESCAPE_CSV : PORTAL_ESCAPE_NONE;
    op->u.display = display;

    return 0;
}


int
portal_compile_prefix(portal_compile_t *cc, portal_text_t *text,
    const char *prefix)
{
    size_t  len;

    len = strlen(prefix);

    if (cc->views->labels == NULL || text->len <= len
        || memcmp(text->data, prefix, len) != 0)
    {
        return 0;
    }

    text->data += len;
    text->len -= len;

    return 1;
}


int
portal_compile_variable(portal_compile_t *cc, portal_node_t *node)
{
    const char     *wrong;
    portal_mop_t   *op;
    portal_text_t   text;
    portal_name_t  *name;

    if (cc->views->strict && cc->html) {
        wrong = portal_lint_tag(&cc->lint);

        if (wrong) {
            return portal_compile_error(cc, "{{%.*s}}: %s",
                                        (int) node->text.len, node->text.data,
                                        wrong);
        }
    }

    if (cc->csv && cc->label) {
        return portal_compile_error(cc, "{{%.*s}}: a label is a cell of its "
                                    "own and holds no variable",
                                    (int) node->text.len, node->text.data);
    }

    text = node->text;

    if (portal_compile_prefix(cc, &text, "t.")) {
        return portal_compile_label(cc, text);
    }

    if (portal_compile_prefix(cc, &text, "display.")) {
        return portal_compile_display(cc, text);
    }

    name = portal_compile_name(cc, text);
    if (name == NULL) {
        return -1;
    }

    op = portal_compile_op(cc, PORTAL_OP_VARIABLE);
    if (op == NULL) {
        return -1;
    }

    op->escape = node->type != PORTAL_NODE_VARIABLE ? PORTAL_ESCAPE_NONE
                 : cc->html ? PORTAL_ESCAPE_HTML
                 : cc->csv ? PORTAL_ESCAPE_CSV : PORTAL_ESCAPE_NONE;
    op->u.name = name;

    return 0;
}
