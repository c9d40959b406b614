
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_COMPILE_H_INCLUDED_
#define _PORTAL_COMPILE_H_INCLUDED_


#include "portal_lint.h"
#include "portal_mustache.h"


/*
 * Partials and parents are expanded where they are named, so that a page is
 * one run of operations.  Only a template that includes itself becomes a
 * subroutine, called and indented while rendering.
 *
 * All return 0 or a pointer; -1 or NULL with the error written.
 */

#define PORTAL_COMPILE_DEPTH   400
#define PORTAL_COMPILE_NODES   (256 * 1024)
#define PORTAL_COMPILE_POOL    ((size_t) 8 * 1024 * 1024)
#define PORTAL_COMPILE_PARTS   8


typedef struct portal_env_s  portal_env_t;

/*
 * What the blocks of a template are replaced by.  Equal lists are the same
 * pointer, hence a template met again with its own list is a recursion.
 */

struct portal_env_s {
    portal_template_t   *template;
    portal_node_t       *block;
    portal_env_t        *closure;       /* of the blocks inside the block */
    portal_env_t        *next;
    portal_env_t        *all;
};

typedef struct {
    portal_text_t        indent;        /* before each line */
    portal_text_t        strip;         /* what the line's own gives up */
    unsigned             calls:1;       /* the callers' indentation first */
} portal_margin_t;

typedef struct {
    portal_template_t   *template;
    portal_env_t        *env;
} portal_active_t;

typedef struct {
    portal_views_t      *views;
    portal_view_t       *view;
    portal_mop_t        *ops;           /* the view's in the end, as is pool */
    unsigned             nops;
    unsigned             ops_size;
    unsigned             barrier;       /* a jump leads here: do not merge */
    char                *pool;
    size_t               pool_len;
    size_t               pool_size;
    unsigned             nsubs;
    unsigned             subs_size;
    portal_active_t     *keys;          /* of the subs */
    portal_active_t      active[PORTAL_MUSTACHE_INCLUDES];
    unsigned             nactive;
    portal_env_t        *envs;
    unsigned             depth;
    unsigned             nodes;
    unsigned             html:1;
    unsigned             csv:1;
    unsigned             mail:1;
    unsigned             label:1;       /* the text is a label's */
    unsigned             joined:1;      /* the line began elsewhere */
    portal_lint_t        lint;
    portal_template_t   *template;
    uint32_t             line;
    char                *err;
    size_t               errlen;
} portal_compile_t;


#define portal_compile_error(cc, ...)                                         \
    portal_mustache_error((cc)->err, (cc)->errlen, (cc)->template,            \
                          (cc)->line, __VA_ARGS__)


/* a zeroed operation at the end; valid until the next one */
portal_mop_t *portal_compile_op(portal_compile_t *cc, portal_op_type_e type);

/* literal text as it is, merged with what is before it */
int portal_compile_write(portal_compile_t *cc, const char *data, size_t len);

/* literal text of a template (checked) or of a label (escaped) */
int portal_compile_literal(portal_compile_t *cc, const char *data,
    size_t len);

/* "a.b.c" split; "." has no parts */
portal_name_t *portal_compile_name(portal_compile_t *cc, portal_text_t text);

/* "t.x" or "display.x" of a language with labels: 1, text after the dot */
int portal_compile_prefix(portal_compile_t *cc, portal_text_t *text,
    const char *prefix);

/* a tag that writes text: variable, label, display */
int portal_compile_variable(portal_compile_t *cc, portal_node_t *node);

/* nodes with their margin, blocks replaced as env says */
int portal_compile_nodes(portal_compile_t *cc, portal_node_t *node,
    portal_env_t *env, const portal_margin_t *margin);


#endif /* _PORTAL_COMPILE_H_INCLUDED_ */
