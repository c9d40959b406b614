
/*
 * Copyright (C) the portal's authors
 */


#include <stdlib.h>
#include <string.h>

#include "portal_compile.h"


static portal_text_t
portal_compile_strip(const portal_margin_t *margin, portal_text_t text)
{
    size_t  i;

    for (i = 0; i < margin->strip.len && i < text.len; i++) {
        if (margin->strip.data[i] != text.data[i]) {
            break;
        }
    }

    if (i) {
        text.data += i;
        text.len -= i;
    }

    return text;
}


static int
portal_compile_indent(portal_compile_t *cc, const portal_margin_t *margin)
{
    if (margin->calls && portal_compile_op(cc, PORTAL_OP_INDENT) == NULL) {
        return -1;
    }

    return portal_compile_write(cc, margin->indent.data, margin->indent.len);
}


static int
portal_compile_text(portal_compile_t *cc, portal_node_t *node,
    const portal_margin_t *margin)
{
    portal_text_t  text;

    text = node->text;

    if (node->bol && !(text.len && (text.data[0] == '\n'
                                    || text.data[0] == '\r')))
    {
        text = portal_compile_strip(margin, text);

        if (!cc->joined && portal_compile_indent(cc, margin) != 0) {
            return -1;
        }
    }

    cc->joined = 0;

    return portal_compile_literal(cc, text.data, text.len);
}


/* the margin of a block's content that is moved or included elsewhere */

static int
portal_compile_margin(portal_compile_t *cc, portal_margin_t *new,
    const portal_margin_t *margin, portal_text_t indent)
{
    char  *p;

    new->indent = margin->indent;
    new->strip.data = NULL;
    new->strip.len = 0;
    new->calls = margin->calls;

    if (indent.len == 0) {
        return 0;
    }

    p = portal_views_alloc(cc->views, margin->indent.len + indent.len);
    if (p == NULL) {
        return portal_compile_error(cc, "no memory");
    }

    if (margin->indent.len) {
        memcpy(p, margin->indent.data, margin->indent.len);
    }

    memcpy(p + margin->indent.len, indent.data, indent.len);

    new->indent.data = p;
    new->indent.len += indent.len;

    return 0;
}


/* the indentation of a block's first line that is not empty */

static portal_text_t
portal_compile_intrinsic(portal_node_t *node)
{
    size_t         n;
    portal_text_t  text;

    for ( /* void */ ; node; node = node->next) {

        if (node->type != PORTAL_NODE_TEXT) {
            return node->lead;
        }

        text = node->text;

        for (n = 0; n < text.len; n++) {
            if (!portal_mustache_blank(text.data[n])) {
                break;
            }
        }

        if (node->bol && (n == text.len
                          || (text.data[n] != '\n' && text.data[n] != '\r')))
        {
            text.len = n;
            return text;
        }
    }

    memset(&text, 0, sizeof(portal_text_t));

    return text;
}


static int
portal_compile_section(portal_compile_t *cc, portal_node_t *node,
    portal_env_t *env, const portal_margin_t *margin)
{
    unsigned        i;
    portal_mop_t   *op;
    portal_text_t   text;
    portal_name_t  *name;

    text = node->text;

    if (portal_compile_prefix(cc, &text, "t.")
        || portal_compile_prefix(cc, &text, "display."))
    {
        return portal_compile_error(cc, "\"%.*s\" is a text, not a section: "
                                    "write {{#%.*s}}", (int) node->text.len,
                                    node->text.data, (int) text.len,
                                    text.data);
    }

    name = portal_compile_name(cc, text);
    if (name == NULL) {
        return -1;
    }

    op = portal_compile_op(cc, node->type == PORTAL_NODE_SECTION
                               ? PORTAL_OP_SECTION : PORTAL_OP_INVERTED);
    if (op == NULL) {
        return -1;
    }

    op->u.name = name;

    i = cc->nops - 1;
    cc->barrier = cc->nops;

    if (portal_compile_nodes(cc, node->child, env, margin) != 0) {
        return -1;
    }

    cc->ops[i].end = cc->nops;
    cc->barrier = cc->nops;

    return 0;
}


static int
portal_compile_call(portal_compile_t *cc, portal_template_t *template,
    portal_env_t *env, const portal_margin_t *margin, unsigned standalone)
{
    void           *p;
    unsigned        i, size;
    portal_mop_t   *op;
    portal_call_t  *call;

    for (i = 0; i < cc->nsubs; i++) {
        if (cc->keys[i].template == template && cc->keys[i].env == env) {
            break;
        }
    }

    if (i == cc->nsubs) {

        if (cc->nsubs == cc->subs_size) {
            size = cc->subs_size + 8;

            p = realloc(cc->keys, size * sizeof(portal_active_t));
            if (p == NULL) {
                return portal_compile_error(cc, "no memory");
            }

            cc->keys = p;
            cc->subs_size = size;
        }

        cc->keys[i].template = template;
        cc->keys[i].env = env;
        cc->nsubs++;
    }

    call = portal_views_alloc(cc->views, sizeof(portal_call_t));
    op = portal_compile_op(cc, PORTAL_OP_CALL);

    if (call == NULL || op == NULL) {
        return portal_compile_error(cc, "no memory");
    }

    call->sub = i;
    call->indent = margin->indent;
    call->inherit = standalone && margin->calls;
    op->u.call = call;

    return 0;
}


static int
portal_compile_expand(portal_compile_t *cc, portal_template_t *template,
    portal_env_t *env, const portal_margin_t *margin)
{
    int                 rc;
    uint32_t            line;
    portal_active_t    *active;
    portal_template_t  *parent;

    if (cc->nactive == PORTAL_MUSTACHE_INCLUDES) {
        return portal_compile_error(cc, "more than %d partials in one another",
                                    PORTAL_MUSTACHE_INCLUDES);
    }

    if (portal_mustache_parse(cc->views, template, cc->err, cc->errlen) != 0) {
        return -1;
    }

    active = &cc->active[cc->nactive++];
    active->template = template;
    active->env = env;

    parent = cc->template;
    line = cc->line;
    cc->template = template;

    rc = portal_compile_nodes(cc, template->root, env, margin);

    cc->template = parent;
    cc->line = line;
    cc->nactive--;

    return rc;
}


static int
portal_compile_include(portal_compile_t *cc, portal_node_t *node,
    portal_env_t *env, const portal_margin_t *margin)
{
    int                 rc;
    unsigned            i;
    portal_margin_t     inner;
    portal_template_t  *template;

    if (cc->label) {
        return portal_compile_error(cc, "a label holds text, variables and "
                                    "sections only");
    }

    rc = portal_views_template(cc->views, node->text.data, node->text.len,
                               &template, cc->err, cc->errlen);
    if (rc < 0) {
        return -1;
    }

    if (rc == 0) {

        if (!cc->views->strict) {
            return 0;
        }

        return portal_compile_error(cc, "there is no template \"%.*s\": write "
                                    "%s/%.*s.mustache", (int) node->text.len,
                                    node->text.data, cc->views->dir,
                                    (int) node->text.len, node->text.data);
    }

    memset(&inner, 0, sizeof(portal_margin_t));

    if (node->standalone
        && portal_compile_margin(cc, &inner, margin,
                                 portal_compile_strip(margin, node->lead))
           != 0)
    {
        return -1;
    }

    for (i = 0; i < cc->nactive; i++) {
        if (cc->active[i].template == template && cc->active[i].env == env) {
            return portal_compile_call(cc, template, env, &inner,
                                       node->standalone);
        }
    }

    return portal_compile_expand(cc, template, env, &inner);
}


static portal_env_t *
portal_compile_find(portal_env_t *env, portal_text_t name)
{
    for ( /* void */ ; env; env = env->next) {
        if (env->block->text.len == name.len
            && memcmp(env->block->text.data, name.data, name.len) == 0)
        {
            break;
        }
    }

    return env;
}


/* what includes a template wins over what the template's parents say */

static int
portal_compile_parent(portal_compile_t *cc, portal_node_t *node,
    portal_env_t *env, const portal_margin_t *margin)
{
    portal_env_t   *inner, *e;
    portal_node_t  *block;

    inner = env;

    for (block = node->child; block; block = block->next) {

        if (block->type != PORTAL_NODE_BLOCK
            || portal_compile_find(inner, block->text))
        {
            continue;
        }

        for (e = cc->envs; e; e = e->all) {
            if (e->block == block && e->closure == env && e->next == inner) {
                break;
            }
        }

        if (e == NULL) {
            e = portal_views_alloc(cc->views, sizeof(portal_env_t));
            if (e == NULL) {
                return portal_compile_error(cc, "no memory");
            }

            e->template = cc->template;
            e->block = block;
            e->closure = env;
            e->next = inner;
            e->all = cc->envs;
            cc->envs = e;
        }

        inner = e;
    }

    return portal_compile_include(cc, node, inner, margin);
}


static int
portal_compile_block(portal_compile_t *cc, portal_node_t *node,
    portal_env_t *env, const portal_margin_t *margin)
{
    int                 rc;
    uint32_t            line;
    portal_env_t       *e;
    portal_node_t      *block;
    portal_text_t       indent;
    portal_margin_t     inner;
    portal_template_t  *parent;

    e = portal_compile_find(env, node->text);

    if (e == NULL) {
        return portal_compile_nodes(cc, node->child, env, margin);
    }

    block = e->block;

    if (block->child == NULL) {
        return 0;
    }

    indent = (node->own_lines && node->child)
             ? portal_compile_intrinsic(node->child) : node->lead;

    if (portal_compile_margin(cc, &inner, margin,
                              portal_compile_strip(margin, indent))
        != 0)
    {
        return -1;
    }

    if (block->own_lines) {
        inner.strip = portal_compile_intrinsic(block->child);
        cc->joined = !node->own_lines;

    } else if (node->own_lines && portal_compile_indent(cc, &inner) != 0) {
        return -1;
    }

    parent = cc->template;
    line = cc->line;
    cc->template = e->template;

    rc = portal_compile_nodes(cc, block->child, e->closure, &inner);

    cc->template = parent;
    cc->line = line;
    cc->joined = 0;

    return rc;
}


static int
portal_compile_node(portal_compile_t *cc, portal_node_t *node,
    portal_env_t *env, const portal_margin_t *margin)
{
    cc->line = node->line;

    switch (node->type) {

    case PORTAL_NODE_TEXT:
        return portal_compile_text(cc, node, margin);

    case PORTAL_NODE_VARIABLE:
    case PORTAL_NODE_RAW:
        return portal_compile_variable(cc, node);

    case PORTAL_NODE_SECTION:
    case PORTAL_NODE_INVERTED:
        return portal_compile_section(cc, node, env, margin);

    case PORTAL_NODE_PARTIAL:
        return portal_compile_include(cc, node, env, margin);

    case PORTAL_NODE_PARENT:
        return portal_compile_parent(cc, node, env, margin);

    default:
        return portal_compile_block(cc, node, env, margin);
    }
}


int
portal_compile_nodes(portal_compile_t *cc, portal_node_t *node,
    portal_env_t *env, const portal_margin_t *margin)
{
    if (cc->depth == PORTAL_COMPILE_DEPTH) {
        return portal_compile_error(cc, "sections and partials are too deep");
    }

    cc->depth++;

    for ( /* void */ ; node; node = node->next) {

        if (++cc->nodes > PORTAL_COMPILE_NODES) {
            return portal_compile_error(cc, "the page is too large");
        }

        if (portal_compile_node(cc, node, env, margin) != 0) {
            return -1;
        }
    }

    cc->depth--;

    return 0;
}


/* offsets become pointers once the pool has stopped moving */

static void
portal_compile_finish(portal_compile_t *cc)
{
    void           *p;
    unsigned        i;
    portal_view_t  *view;

    view = cc->view;
    view->ops = cc->ops;
    view->pool = cc->pool;

    if (cc->pool_len) {
        p = realloc(cc->pool, cc->pool_len);
        view->pool = p ? p : cc->pool;
    }

    if (cc->nops) {
        p = realloc(cc->ops, cc->nops * sizeof(portal_mop_t));
        view->ops = p ? p : cc->ops;
    }

    for (i = 0; i < cc->nops; i++) {
        if (view->ops[i].type == PORTAL_OP_TEXT) {
            view->ops[i].u.text = view->pool + view->ops[i].u.offset;
        }
    }
}


/* the templates that include themselves; each may name more of them */

static int
portal_compile_subs(portal_compile_t *cc)
{
    void             *p;
    unsigned          i;
    portal_margin_t   margin;

    memset(&margin, 0, sizeof(portal_margin_t));
    margin.calls = 1;

    for (i = 0; i < cc->nsubs; i++) {

        p = realloc(cc->view->subs, (i + 1) * sizeof(portal_sub_t));
        if (p == NULL) {
            return portal_compile_error(cc, "no memory");
        }

        cc->view->subs = p;
        cc->barrier = cc->nops;
        cc->view->subs[i].start = cc->nops;

        memset(&cc->lint, 0, sizeof(portal_lint_t));
        cc->lint.mail = cc->mail;

        if (portal_compile_expand(cc, cc->keys[i].template, cc->keys[i].env,
                                  &margin)
            != 0)
        {
            return -1;
        }

        cc->view->subs[i].end = cc->nops;
    }

    return 0;
}


portal_view_t *
portal_mustache_compile(portal_views_t *views, portal_template_t *template,
    char *err, size_t errlen)
{
    size_t             len;
    portal_view_t     *view;
    portal_margin_t    margin;
    portal_compile_t   cc;

    memset(&cc, 0, sizeof(portal_compile_t));
    memset(&margin, 0, sizeof(portal_margin_t));

    cc.views = views;
    cc.template = template;
    cc.line = 1;
    cc.err = err;
    cc.errlen = errlen;

    len = strlen(template->name);
    cc.csv = (len > 4 && strcmp(template->name + len - 4, ".csv") == 0);
    cc.html = !cc.csv
              && !(len > 4 && (strcmp(template->name + len - 4, ".txt") == 0
                               || strcmp(template->name + len - 4, ".css")
                                  == 0));

    cc.mail = (strncmp(template->name, "mail/", 5) == 0);
    cc.lint.mail = cc.mail;

    view = portal_views_alloc(views, sizeof(portal_view_t));
    if (view == NULL) {
        portal_compile_error(&cc, "no memory");
        return NULL;
    }

    view->name = template->name;
    view->views = views;
    cc.view = view;

    if (portal_compile_expand(&cc, template, NULL, &margin) != 0) {
        goto failed;
    }

    view->end = cc.nops;

    if (portal_compile_subs(&cc) != 0) {
        goto failed;
    }

    free(cc.keys);

    portal_compile_finish(&cc);

    return view;

failed:

    free(cc.keys);
    free(cc.ops);
    free(cc.pool);
    free(view->subs);

    return NULL;
}
