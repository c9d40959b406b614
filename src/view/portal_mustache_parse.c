
/*
 * Copyright (C) the portal's authors
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE                     /* memmem() */
#endif

#include <string.h>

#include "portal_mustache.h"


#define PORTAL_PARSE_DELIMITER  16


typedef struct {
    char                 type;          /* the sigil, or 0 */
    portal_text_t        name;
    const char          *start;
    const char          *end;           /* after the closing delimiter */
    const char          *line;          /* where its blank-led line starts */
    const char          *rest;          /* after its blank-ended line */
} portal_tag_t;

typedef struct {
    portal_node_t       *node;          /* the open section */
    portal_node_t      **tail;
    portal_node_t       *lead;          /* parent: the blanks before it */
} portal_level_t;

typedef struct {
    portal_views_t      *views;
    portal_template_t   *template;
    const char          *start;
    const char          *pos;
    const char          *end;
    const char          *counted;
    uint32_t             line;
    char                 open[PORTAL_PARSE_DELIMITER];
    char                 close[PORTAL_PARSE_DELIMITER + 1];
    size_t               open_len;
    size_t               close_len;
    unsigned             depth;
    portal_level_t       level[PORTAL_MUSTACHE_NESTING];
    char                *err;
    size_t               errlen;
} portal_parse_t;


#define portal_parse_error(ps, at, ...)                                       \
    (portal_parse_count(ps, at),                                              \
     portal_mustache_error((ps)->err, (ps)->errlen, (ps)->template,           \
                           (ps)->line, __VA_ARGS__))


/* lines are counted once, in the order of the text */

static void
portal_parse_count(portal_parse_t *ps, const char *to)
{
    while (ps->counted < to) {
        if (*ps->counted++ == '\n') {
            ps->line++;
        }
    }
}


static portal_node_t *
portal_parse_node(portal_parse_t *ps, portal_node_type_e type,
    const char *text, size_t len)
{
    portal_node_t   *node;
    portal_level_t  *level;

    node = portal_views_alloc(ps->views, sizeof(portal_node_t));

    if (node == NULL) {
        portal_parse_error(ps, text, "no memory");
        return NULL;
    }

    portal_parse_count(ps, text);

    node->type = type;
    node->line = ps->line;
    node->text.data = text;
    node->text.len = len;

    level = &ps->level[ps->depth];

    *level->tail = node;
    level->tail = &node->next;

    return node;
}


/* one node per line, so that each line can be indented */

static int
portal_parse_text(portal_parse_t *ps, const char *from, const char *to)
{
    const char     *eol;
    portal_node_t  *node;

    while (from < to) {

        eol = memchr(from, '\n', (size_t) (to - from));
        eol = eol ? eol + 1 : to;

        node = portal_parse_node(ps, PORTAL_NODE_TEXT, from,
                                 (size_t) (eol - from));
        if (node == NULL) {
            return -1;
        }

        node->bol = (from == ps->start || from[-1] == '\n');

        from = eol;
    }

    return 0;
}


/* the blanks of a line that a tag begins: a node even when there are none */

static portal_node_t *
portal_parse_lead(portal_parse_t *ps, portal_tag_t *tag)
{
    portal_node_t  *node;

    if (portal_parse_text(ps, ps->pos, tag->line) != 0) {
        return NULL;
    }

    node = portal_parse_node(ps, PORTAL_NODE_TEXT, tag->line,
                             (size_t) (tag->start - tag->line));
    if (node) {
        node->bol = 1;
    }

    return node;
}


static void
portal_parse_edges(portal_parse_t *ps, portal_tag_t *tag)
{
    const char  *p;

    p = tag->start;

    while (p > ps->pos && portal_mustache_blank(p[-1])) {
        p--;
    }

    tag->line = (p == ps->start || p[-1] == '\n') ? p : NULL;

    p = tag->end;

    while (p < ps->end && portal_mustache_blank(*p)) {
        p++;
    }

    if (p == ps->end) {
        tag->rest = p;

    } else if (*p == '\n') {
        tag->rest = p + 1;

    } else if (*p == '\r' && ps->end - p > 1 && p[1] == '\n') {
        tag->rest = p + 2;

    } else {
        tag->rest = NULL;
    }
}


static int
portal_parse_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}


/* 1: a tag, 0: none is left, -1: error */

static int
portal_parse_tag(portal_parse_t *ps, portal_tag_t *tag)
{
    size_t       len;
    const char  *p, *q;

    p = memmem(ps->pos, (size_t) (ps->end - ps->pos), ps->open, ps->open_len);
    if (p == NULL) {
        return 0;
    }

    tag->start = p;
    tag->type = 0;
    p += ps->open_len;

    if (p < ps->end && strchr("#^/>!=<$&{", *p) && *p) {
        tag->type = *p++;
    }

    ps->close[0] = (tag->type == '{') ? '}' : '=';
    len = (tag->type == '{' || tag->type == '=') ? 1 : 0;

    q = memmem(p, (size_t) (ps->end - p), ps->close + 1 - len,
               ps->close_len + len);

    if (q == NULL) {
        portal_parse_error(ps, tag->start, "the tag is never closed: "
                           "write %s after its name", ps->close + 1);
        return -1;
    }

    tag->end = q + ps->close_len + len;

    while (p < q && portal_parse_space(*p)) {
        p++;
    }

    while (q > p && portal_parse_space(q[-1])) {
        q--;
    }

    tag->name.data = p;
    tag->name.len = (size_t) (q - p);

    portal_parse_edges(ps, tag);

    return 1;
}


/* the length of what comes before a space */

static size_t
portal_parse_word(const char *p, const char *end)
{
    size_t  n;

    n = 0;

    while (p + n < end && !portal_parse_space(p[n])) {
        n++;
    }

    return n;
}


static int
portal_parse_delimiters(portal_parse_t *ps, portal_tag_t *tag)
{
    size_t       open, close;
    const char  *p, *q, *end;

    p = tag->name.data;
    end = p + tag->name.len;

    open = portal_parse_word(p, end);

    for (q = p + open; q < end && portal_parse_space(*q); q++) { /* void */ }

    close = portal_parse_word(q, end);

    if (open == 0 || close == 0 || q + close != end
        || open >= PORTAL_PARSE_DELIMITER || close >= PORTAL_PARSE_DELIMITER
        || memchr(p, '=', open) || memchr(q, '=', close)
        || memchr(p, '\0', tag->name.len))
    {
        return portal_parse_error(ps, tag->start, "bad delimiters: write "
                                  "{{=<%% %%>=}}");
    }

    memcpy(ps->open, p, open);
    ps->open_len = open;

    memcpy(ps->close + 1, q, close);
    ps->close[close + 1] = '\0';
    ps->close_len = close;

    return 0;
}


static int
portal_parse_check(portal_parse_t *ps, portal_tag_t *tag)
{
    size_t  i;

    if (tag->type == '!' || tag->type == '=') {
        return 0;
    }

    if ((tag->type == '{' || tag->type == '&') && ps->views->strict) {
        return portal_parse_error(ps, tag->start, "unescaped tag; not "
                                  "allowed: write {{%.*s}}",
                                  (int) tag->name.len, tag->name.data);
    }

    if (tag->name.len == 0) {
        return portal_parse_error(ps, tag->start, "a tag without a name: "
                                  "write {{name}}");
    }

    for (i = 0; i < tag->name.len; i++) {
        if (strchr(" \t\r\n{}", tag->name.data[i])) {
            return portal_parse_error(ps, tag->start, "bad name \"%.*s\": "
                                      "a tag holds one name, without spaces "
                                      "or braces",
                                      (int) tag->name.len, tag->name.data);
        }
    }

    return 0;
}


static int
portal_parse_open(portal_parse_t *ps, portal_tag_t *tag,
    portal_node_type_e type)
{
    unsigned         argument;
    portal_node_t   *node, *lead;
    portal_level_t  *level;

    if (ps->depth + 1 == PORTAL_MUSTACHE_NESTING) {
        return portal_parse_error(ps, tag->start, "more than %d sections in "
                                  "one another", PORTAL_MUSTACHE_NESTING - 1);
    }

    level = &ps->level[ps->depth];

    argument = (type == PORTAL_NODE_BLOCK && level->node
                && level->node->type == PORTAL_NODE_PARENT);

    lead = NULL;

    if (tag->line && tag->rest && type != PORTAL_NODE_PARENT) {

        if (portal_parse_text(ps, ps->pos, tag->line) != 0) {
            return -1;
        }

    } else if (tag->line) {

        lead = portal_parse_lead(ps, tag);
        if (lead == NULL) {
            return -1;
        }

    } else if (portal_parse_text(ps, ps->pos, tag->start) != 0) {
        return -1;
    }

    node = portal_parse_node(ps, type, tag->name.data, tag->name.len);
    if (node == NULL) {
        return -1;
    }

    if (tag->line) {
        node->lead.data = tag->line;
        node->lead.len = (size_t) (tag->start - tag->line);
    }

    ps->pos = tag->end;

    if (type != PORTAL_NODE_PARENT && tag->rest && (tag->line || argument)) {
        node->standalone = 1;
        node->own_lines = (tag->rest[-1] == '\n');
        ps->pos = tag->rest;
    }

    level = &ps->level[++ps->depth];
    level->node = node;
    level->tail = &node->child;
    level->lead = lead;

    return 0;
}


static int
portal_parse_close(portal_parse_t *ps, portal_tag_t *tag)
{
    unsigned         alone, argument;
    portal_node_t   *node;
    portal_level_t  *level;

    level = &ps->level[ps->depth];
    node = level->node;

    if (node == NULL) {
        return portal_parse_error(ps, tag->start,
                                  "{{/%.*s}} closes nothing",
                                  (int) tag->name.len, tag->name.data);
    }

    if (node->text.len != tag->name.len
        || memcmp(node->text.data, tag->name.data, tag->name.len) != 0)
    {
        return portal_parse_error(ps, tag->start, "{{/%.*s}} closes \"%.*s\" "
                                  "of line %u: write {{/%.*s}}",
                                  (int) tag->name.len, tag->name.data,
                                  (int) node->text.len, node->text.data,
                                  (unsigned) node->line,
                                  (int) node->text.len, node->text.data);
    }

    argument = (node->type == PORTAL_NODE_BLOCK && level[-1].node
                && level[-1].node->type == PORTAL_NODE_PARENT);

    alone = (tag->line && tag->rest);

    /* an argument's last line may go on with the end of its parent */

    if (tag->line && (alone || argument)) {

        if (portal_parse_text(ps, ps->pos, tag->line) != 0) {
            return -1;
        }

    } else if (tag->line) {

        if (portal_parse_lead(ps, tag) == NULL) {
            return -1;
        }

    } else if (portal_parse_text(ps, ps->pos, tag->start) != 0) {
        return -1;
    }

    ps->pos = tag->end;

    if (node->type == PORTAL_NODE_PARENT) {

        alone = (level->lead && tag->rest);

        if (alone) {
            node->standalone = 1;
            level->lead->text.len = 0;
            level->lead->bol = 0;
        }
    }

    if (alone) {
        ps->pos = tag->rest;
    }

    ps->depth--;

    return 0;
}


/* tags that hold nothing: variables, partials, comments, delimiters */

static int
portal_parse_leaf(portal_parse_t *ps, portal_tag_t *tag)
{
    unsigned             alone;
    portal_node_t       *node;
    portal_node_type_e   type;

    alone = (tag->type && strchr(">!=", tag->type) && tag->line && tag->rest);

    if (alone) {

        if (portal_parse_text(ps, ps->pos, tag->line) != 0) {
            return -1;
        }

    } else if (tag->line) {

        if (portal_parse_lead(ps, tag) == NULL) {
            return -1;
        }

    } else if (portal_parse_text(ps, ps->pos, tag->start) != 0) {
        return -1;
    }

    ps->pos = alone ? tag->rest : tag->end;

    if (tag->type == '!') {
        return 0;
    }

    if (tag->type == '=') {
        return portal_parse_delimiters(ps, tag);
    }

    type = PORTAL_NODE_VARIABLE;

    if (tag->type == '>') {
        type = PORTAL_NODE_PARTIAL;

    } else if (tag->type) {
        type = PORTAL_NODE_RAW;
    }

    node = portal_parse_node(ps, type, tag->name.data, tag->name.len);
    if (node == NULL) {
        return -1;
    }

    if (alone) {
        node->standalone = 1;
        node->lead.data = tag->line;
        node->lead.len = (size_t) (tag->start - tag->line);
    }

    return 0;
}


static int
portal_parse_next(portal_parse_t *ps, portal_tag_t *tag)
{
    if (portal_parse_check(ps, tag) != 0) {
        return -1;
    }

    switch (tag->type) {

    case '#':
        return portal_parse_open(ps, tag, PORTAL_NODE_SECTION);

    case '^':
        return portal_parse_open(ps, tag, PORTAL_NODE_INVERTED);

    case '<':
        return portal_parse_open(ps, tag, PORTAL_NODE_PARENT);

    case '$':
        return portal_parse_open(ps, tag, PORTAL_NODE_BLOCK);

    case '/':
        return portal_parse_close(ps, tag);

    default:
        return portal_parse_leaf(ps, tag);
    }
}


int
portal_mustache_parse(portal_views_t *views, portal_template_t *template,
    char *err, size_t errlen)
{
    int              rc;
    portal_tag_t     tag;
    portal_node_t   *node;
    portal_parse_t   ps;

    if (template->parsed) {
        return 0;
    }

    memset(&ps, 0, sizeof(portal_parse_t));

    ps.views = views;
    ps.template = template;
    ps.err = err;
    ps.errlen = errlen;
    ps.start = template->text.data;
    ps.pos = ps.start;
    ps.end = ps.start + template->text.len;
    ps.counted = ps.start;
    ps.line = 1;

    memcpy(ps.open, "{{", 3);
    ps.open_len = 2;
    memcpy(ps.close + 1, "}}", 3);
    ps.close_len = 2;

    template->root = NULL;
    ps.level[0].tail = &template->root;

    for ( ;; ) {

        rc = portal_parse_tag(&ps, &tag);

        if (rc == 0) {
            break;
        }

        if (rc < 0 || portal_parse_next(&ps, &tag) != 0) {
            return -1;
        }
    }

    if (ps.depth) {
        node = ps.level[ps.depth].node;
        ps.line = node->line;

        return portal_parse_error(&ps, ps.start, "\"%.*s\" is never closed: "
                                  "write {{/%.*s}}",
                                  (int) node->text.len, node->text.data,
                                  (int) node->text.len, node->text.data);
    }

    if (portal_parse_text(&ps, ps.pos, ps.end) != 0) {
        return -1;
    }

    template->parsed = 1;

    return 0;
}
