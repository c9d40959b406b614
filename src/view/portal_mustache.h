
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_MUSTACHE_H_INCLUDED_
#define _PORTAL_MUSTACHE_H_INCLUDED_


#include <stdarg.h>
#include <stdint.h>

#include "portal_view.h"


/*
 * Private to src/view: text -> tree of nodes (parse) -> flat array of
 * operations (compile) -> text (render).  Trees belong to templates, are
 * shared by the views that include them, and live as long as the views.
 */

#define PORTAL_MUSTACHE_NESTING   64       /* sections within sections */
#define PORTAL_MUSTACHE_INCLUDES  32       /* partials within partials */
#define PORTAL_MUSTACHE_CALLS     64       /* recursion while rendering */
#define PORTAL_MUSTACHE_STACK     256      /* contexts while rendering */

#define portal_mustache_blank(c)  ((c) == ' ' || (c) == '\t')


typedef struct {
    const char  *data;
    size_t       len;
} portal_text_t;


typedef enum {
    PORTAL_NODE_TEXT = 0,
    PORTAL_NODE_VARIABLE,
    PORTAL_NODE_RAW,
    PORTAL_NODE_SECTION,
    PORTAL_NODE_INVERTED,
    PORTAL_NODE_PARTIAL,
    PORTAL_NODE_PARENT,
    PORTAL_NODE_BLOCK
} portal_node_type_e;

typedef struct portal_node_s      portal_node_t;
typedef struct portal_template_s  portal_template_t;

struct portal_node_s {
    portal_node_type_e   type;
    unsigned             bol:1;         /* text that begins a line */
    unsigned             standalone:1;  /* the tag was alone on its line */
    unsigned             own_lines:1;   /* block: content starts a line */
    uint32_t             line;
    portal_text_t        text;          /* text, or the tag's name */
    portal_text_t        lead;          /* blanks before the tag */
    portal_node_t       *child;
    portal_node_t       *next;
};

struct portal_template_s {
    const char          *name;
    const char          *file;          /* as errors call it */
    portal_text_t        text;
    portal_node_t       *root;
    unsigned             parsed:1;
    portal_template_t   *next;
};


typedef struct {
    unsigned             n;
    portal_text_t        part[];
} portal_name_t;

/* all parts of all names of a view, by their hash */

typedef struct {
    portal_text_t       *places;        /* data NULL: free */
    uint32_t             size;          /* a power of two, or 0 */
    uint32_t             n;
} portal_names_t;

#define PORTAL_UNIT_NONE   0
#define PORTAL_UNIT_CENTS  1
#define PORTAL_UNIT_EUROS  2

typedef struct {
    portal_name_t       *name;
    portal_name_t       *field;         /* whose value it is, or NULL */
    json_t              *list;          /* code -> word, or NULL */
    unsigned             unit:2;
} portal_display_t;

typedef struct {
    portal_name_t       *count;
    uint32_t             zero;          /* first operation of each form */
    uint32_t             one;
    uint32_t             other;
} portal_plural_t;

typedef struct {
    uint32_t             sub;
    unsigned             inherit:1;     /* the caller's indentation too */
    portal_text_t        indent;
} portal_call_t;


/* what a tag's text becomes, by the end of the template's name */

typedef enum {
    PORTAL_ESCAPE_NONE = 0,             /* .txt, .css */
    PORTAL_ESCAPE_HTML,
    PORTAL_ESCAPE_CSV                   /* .csv: a tag is a whole cell */
} portal_escape_e;

typedef enum {
    PORTAL_OP_TEXT = 0,
    PORTAL_OP_VARIABLE,
    PORTAL_OP_SECTION,
    PORTAL_OP_INVERTED,
    PORTAL_OP_DISPLAY,
    PORTAL_OP_PLURAL,
    PORTAL_OP_CALL,
    PORTAL_OP_INDENT
} portal_op_type_e;

typedef struct {
    uint8_t              type;
    uint8_t              escape;
    uint32_t             end;           /* text: length; else: what follows */
    union {
        size_t            offset;       /* while compiling */
        const char       *text;
        portal_name_t    *name;
        portal_display_t *display;
        portal_plural_t  *plural;
        portal_call_t    *call;
    } u;
} portal_mop_t;

typedef struct {
    uint32_t             start;
    uint32_t             end;
} portal_sub_t;

struct portal_view_s {
    const char          *name;
    const portal_views_t *views;
    portal_mop_t        *ops;
    uint32_t             end;           /* of the view itself: subs follow */
    portal_sub_t        *subs;
    char                *pool;          /* all literal text */
    portal_names_t       names;         /* what rendering looks up */
    portal_view_t       *next;
};


typedef struct portal_block_s  portal_block_t;

struct portal_views_s {
    char                *dir;
    char                *lang;
    json_t              *labels;
    json_t              *lists;         /* labels' "list" */
    const char          *yes;
    const char          *no;
    const char          *none;
    unsigned             english:1;
    unsigned             strict:1;      /* the product's own templates */
    portal_template_t   *templates;
    portal_view_t       *views;
    portal_block_t      *blocks;
    char                *free;
    size_t               room;
};


/* memory that lives as long as the views; NULL when there is none */
void *portal_views_alloc(portal_views_t *views, size_t size);

/* a zero-terminated copy, in the views' memory */
char *portal_views_copy(portal_views_t *views, const char *data, size_t len);

/*
 * The template NAME, from memory or its file: 1 found, 0 not there, -1 error.
 */
int portal_views_template(portal_views_t *views, const char *name, size_t len,
    portal_template_t **found, char *err, size_t errlen);

/* the label's value: text, plural object, list; NULL when missing */
json_t *portal_views_find(const portal_views_t *views, const char *name,
    size_t len);

/* the list of words of a variable by its last name; NULL: none */
json_t *portal_views_list(const portal_views_t *views, const char *name,
    size_t len);

/* adds the parts of a name; 0, or -1 without memory */
int portal_names_add(portal_views_t *views, portal_names_t *names,
    const portal_name_t *name);

/* "file:line: ..." into err; returns -1 */
int portal_mustache_error(char *err, size_t errlen,
    const portal_template_t *template, uint32_t line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* text -> tree, once per template; 0, or -1 with err written */
int portal_mustache_parse(portal_views_t *views, portal_template_t *template,
    char *err, size_t errlen);

/* tree -> operations; NULL with err written */
portal_view_t *portal_mustache_compile(portal_views_t *views,
    portal_template_t *template, char *err, size_t errlen);

/* the unit of numbers, by the last part of their name */
unsigned portal_display_unit(const char *name, size_t len);

/* as portal_display(), with what the compiler has looked up already */
int portal_display_value(const portal_views_t *views, json_t *list,
    unsigned unit, unsigned escape, const json_t *value,
    portal_sink_t *sink);

/* bytes that the sink takes in all */
size_t portal_sink_limit(const portal_sink_t *sink);

/* text with & < > " ' escaped */
int portal_sink_escape(portal_sink_t *sink, const char *data, size_t len);

/* text as a cell of CSV: quoted, never a formula, and no digit of it lost */
int portal_sink_cell(portal_sink_t *sink, const char *data, size_t len);


#endif /* _PORTAL_MUSTACHE_H_INCLUDED_ */
