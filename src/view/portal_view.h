
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_VIEW_H_INCLUDED_
#define _PORTAL_VIEW_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include <jansson.h>


/*
 * Mustache (core and inheritance) compiled once, rendered over jansson values
 * into chunks that the caller allocates.  Escapes & < > " ' by default.
 */

/* where the text goes: fills chunks, never frees or moves one */

typedef struct portal_chunk_s  portal_chunk_t;

struct portal_chunk_s {
    portal_chunk_t   *next;
    size_t            len;
    char             *data;
};

typedef struct {
    void           *(*alloc)(void *ctx, size_t size);
    void             *ctx;
    portal_chunk_t   *first;
    portal_chunk_t   *last;
    size_t            room;         /* free bytes of the last chunk */
    size_t            chunk;        /* size of a chunk; 0: 8192 */
    size_t            total;
    size_t            limit;        /* bytes at most; 0: 4 MiB */
} portal_sink_t;

int portal_sink_write(portal_sink_t *sink, const char *data, size_t len);


typedef struct portal_views_s  portal_views_t;      /* one language */
typedef struct portal_view_s   portal_view_t;       /* one template */

/*
 * dir: templates as NAME.mustache; labels: the language's json (borrowed for
 * ever); both may be NULL when templates come by portal_views_add().
 */
portal_views_t *portal_views_create(const char *dir, const char *lang,
    json_t *labels);
void portal_views_free(portal_views_t *views);

/* a template by text instead of file: the specification's tests */
int portal_views_add(portal_views_t *views, const char *name,
    const char *text, size_t len);

/*
 * Compiles NAME with its partials and parents, once; later calls return the
 * same.  NULL: err holds "file:line: what is wrong".
 */
portal_view_t *portal_views_get(portal_views_t *views, const char *name,
    char *err, size_t errlen);

/*
 * stack: objects searched from the last to the first.  0, or -1 when memory
 * or the limit ran out (depth of recursion is bounded too).
 */
int portal_view_render(const portal_view_t *view, json_t *const *stack,
    size_t n, portal_sink_t *sink);

/*
 * Takes out of a document, in place, what the view's tags do not name: lists
 * and objects of the document itself, and any member of the objects in it.
 * What is left renders as the whole would.  text: one JSON object, without a
 * zero byte.  Returns the length that remains; 0 when it is no JSON.
 */
size_t portal_view_reduce(const portal_view_t *view, char *text, size_t len);

/*
 * A label by dotted name as plain text (messages, JSON's problem documents);
 * NULL when the language lacks it.  A label with tags is returned as written.
 */
const char *portal_views_label(const portal_views_t *views, const char *name);

/*
 * How {{display.x}} shows a value: name is the variable's dotted name.
 * Writes UTF-8, not escaped.  0, or -1.
 */
int portal_display(const portal_views_t *views, const char *name,
    const json_t *value, portal_sink_t *sink);

/*
 * The day in the town, as "2026-11-24", at a moment of Unix time: in French
 * time whatever zone the process has, as portal.today() in the database.
 */
#define PORTAL_DAY  sizeof("2026-11-24")
void portal_day(int64_t at, char day[PORTAL_DAY]);


#endif /* _PORTAL_VIEW_H_INCLUDED_ */
