
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "portal_mustache.h"


/*
 * A family's file holds everything, and its first page shows a third of it.
 * What no tag names cannot be seen, so it need not be parsed, nor opened where
 * it is sealed.  Names count wherever they stand: a tag finds them in any
 * object around it.
 */

#define PORTAL_REDUCE_DEPTH   32        /* below that all is kept */
#define PORTAL_REDUCE_NAMES   64        /* places at first, a power of two */


typedef struct {
    const portal_names_t  *names;
    char                  *in;
    char                  *end;
    char                  *out;         /* never ahead of in */
    unsigned               depth;
} portal_reduce_t;


static int portal_reduce_value(portal_reduce_t *r);


/* the place of a name, or the free one where it would be */

static portal_text_t *
portal_names_place(const portal_names_t *names, const char *data, size_t len)
{
    size_t          i;
    uint32_t        hash;
    portal_text_t  *place;

    /* FNV-1a: names are short, and the product's own */

    hash = 2166136261u;

    for (i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char) data[i]) * 16777619u;
    }

    for ( ;; ) {
        place = &names->places[hash & (names->size - 1)];

        if (place->data == NULL
            || (place->len == len && memcmp(place->data, data, len) == 0))
        {
            return place;
        }

        hash++;
    }
}


static int
portal_names_grow(portal_views_t *views, portal_names_t *names)
{
    uint32_t         i;
    portal_names_t   grown;

    grown.n = names->n;
    grown.size = names->size ? 2 * names->size : PORTAL_REDUCE_NAMES;

    grown.places = portal_views_alloc(views,
                                      grown.size * sizeof(portal_text_t));
    if (grown.places == NULL) {
        return -1;
    }

    for (i = 0; i < names->size; i++) {
        if (names->places[i].data) {
            *portal_names_place(&grown, names->places[i].data,
                                names->places[i].len) = names->places[i];
        }
    }

    *names = grown;

    return 0;
}


int
portal_names_add(portal_views_t *views, portal_names_t *names,
    const portal_name_t *name)
{
    unsigned        i;
    portal_text_t  *place;

    for (i = 0; i < name->n; i++) {

        if (4 * names->n >= 3 * names->size
            && portal_names_grow(views, names) != 0)
        {
            return -1;
        }

        place = portal_names_place(names, name->part[i].data,
                                   name->part[i].len);

        if (place->data == NULL) {
            *place = name->part[i];
            names->n++;
        }
    }

    return 0;
}


static void
portal_reduce_blanks(portal_reduce_t *r)
{
    while (r->in < r->end
           && (*r->in == ' ' || *r->in == '\n' || *r->in == '\t'
               || *r->in == '\r'))
    {
        r->in++;
    }
}


/* goes behind the string that begins here; -1: it has no end */

static int
portal_reduce_string(portal_reduce_t *r)
{
    char  *p, *quote;

    p = r->in + 1;

    for ( ;; ) {
        quote = p < r->end ? memchr(p, '"', (size_t) (r->end - p)) : NULL;

        if (quote == NULL) {
            return -1;
        }

        /* escaped where an odd number of backslashes is before it */

        for (p = quote; p[-1] == '\\' && p - 1 > r->in; p--) { /* void */ }

        if ((quote - p) % 2 == 0) {
            r->in = quote + 1;
            return 0;
        }

        p = quote + 1;
    }
}


/* goes behind the value that begins here */

static int
portal_reduce_skip(portal_reduce_t *r)
{
    size_t  depth;

    depth = 0;

    while (r->in < r->end) {

        switch (*r->in) {

        case '"':
            if (portal_reduce_string(r) != 0) {
                return -1;
            }

            break;

        case '{':
        case '[':
            depth++;
            r->in++;
            continue;

        case '}':
        case ']':
            if (depth == 0) {
                return 0;           /* of what the value stands in */
            }

            depth--;
            r->in++;
            break;

        case ',':
            if (depth == 0) {
                return 0;
            }

            /* fall through */

        default:
            r->in++;
            continue;
        }

        if (depth == 0) {
            return 0;
        }
    }

    return -1;
}


static int
portal_reduce_copy(portal_reduce_t *r)
{
    char   *start;
    size_t  len;

    start = r->in;

    if (portal_reduce_skip(r) != 0 || r->in == start) {
        return -1;
    }

    len = (size_t) (r->in - start);
    memmove(r->out, start, len);
    r->out += len;

    return 0;
}


static int
portal_reduce_begins(const portal_reduce_t *r, const char *with)
{
    size_t  len;

    len = strlen(with);

    return (size_t) (r->end - r->in) >= len && memcmp(r->in, with, len) == 0;
}


/* codes that a town has made are names there, see portal_render_own() */

static int
portal_reduce_own(const char *key, size_t len)
{
    return len == sizeof("names") - 1 && memcmp(key, "names", len) == 0;
}


/*
 * Whether a member stays.  Of the document itself whatever is no list and no
 * object does as well: nginx reads some of that.  A mark of what could not be
 * opened works by being there, and a name with escapes in it might be any.
 */

static int
portal_reduce_stays(const portal_reduce_t *r, const char *key, size_t len)
{
    if (portal_names_place(r->names, key, len)->data != NULL) {
        return 1;
    }

    return portal_reduce_own(key, len) || memchr(key, '\\', len) != NULL
           || portal_reduce_begins(r, "{\"$unreadable")
           || (r->depth == 1 && *r->in != '{' && *r->in != '[');
}


static int
portal_reduce_member(portal_reduce_t *r, unsigned *first)
{
    char   *key;
    size_t  len;

    key = r->in;

    if (*key != '"' || portal_reduce_string(r) != 0) {
        return -1;
    }

    len = (size_t) (r->in - key);

    portal_reduce_blanks(r);

    if (r->in == r->end || *r->in++ != ':') {
        return -1;
    }

    portal_reduce_blanks(r);

    if (r->in == r->end) {
        return -1;
    }

    if (!portal_reduce_stays(r, key + 1, len - 2)) {
        return portal_reduce_skip(r);
    }

    if (!*first) {
        *r->out++ = ',';
    }

    *first = 0;

    memmove(r->out, key, len);
    key = r->out;
    r->out += len;
    *r->out++ = ':';

    return portal_reduce_own(key + 1, len - 2) ? portal_reduce_copy(r)
                                               : portal_reduce_value(r);
}


static int
portal_reduce_list(portal_reduce_t *r, char close)
{
    int       rc;
    unsigned  first, apart;

    *r->out++ = *r->in++;
    first = 1;
    apart = 1;

    for ( ;; ) {
        portal_reduce_blanks(r);

        if (r->in == r->end) {
            return -1;
        }

        if (*r->in == close) {
            *r->out++ = *r->in++;
            return 0;
        }

        if (*r->in == ',') {
            r->in++;
            apart = 1;
            continue;
        }

        /* what is written between two must have been there */

        if (!apart) {
            return -1;
        }

        apart = 0;

        if (close == '}') {
            rc = portal_reduce_member(r, &first);

        } else {

            if (!first) {
                *r->out++ = ',';
            }

            first = 0;
            rc = portal_reduce_value(r);
        }

        if (rc != 0) {
            return -1;
        }
    }
}


static int
portal_reduce_value(portal_reduce_t *r)
{
    int  rc;

    /* a sealed value is its whole text */

    if ((*r->in != '{' && *r->in != '[') || r->depth == PORTAL_REDUCE_DEPTH
        || portal_reduce_begins(r, "{\"$"))
    {
        return portal_reduce_copy(r);
    }

    r->depth++;
    rc = portal_reduce_list(r, *r->in == '{' ? '}' : ']');
    r->depth--;

    return rc;
}


size_t
portal_view_reduce(const portal_view_t *view, char *text, size_t len)
{
    portal_reduce_t  r;

    if (view->names.n == 0 || len == 0 || *text != '{') {
        return len;
    }

    r.names = &view->names;
    r.in = text;
    r.end = text + len;
    r.out = text;
    r.depth = 0;

    if (portal_reduce_value(&r) != 0) {
        return 0;
    }

    portal_reduce_blanks(&r);

    return r.in == r.end ? (size_t) (r.out - text) : 0;
}
