
/*
 * Copyright (C) the portal's authors
 */


#include <strings.h>

#include "portal_language.h"


#define portal_language_blank(c)  ((c) == ' ' || (c) == '\t')
#define portal_language_digit(c)  ((c) >= '0' && (c) <= '9')
#define portal_language_alpha(c)                                              \
    (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'z')


/* what the header says of one language: in thousandths, -1 not named */

typedef struct {
    int       quality;
    unsigned  place;
} portal_language_wish_t;


static const char *
portal_language_skip(const char *p, const char *end)
{
    while (p < end && portal_language_blank(*p)) {
        p++;
    }

    return p;
}


/*
 * weight = OWS ";" OWS "q=" qvalue, or nothing; the whole of it, else -1.
 */

static int
portal_language_weight(const char *p, const char *end)
{
    int  quality, unit;

    p = portal_language_skip(p, end);

    if (p == end) {
        return 1000;
    }

    if (*p++ != ';') {
        return -1;
    }

    p = portal_language_skip(p, end);

    if (end - p < 3 || (p[0] | 0x20) != 'q' || p[1] != '='
        || (p[2] != '0' && p[2] != '1'))
    {
        return -1;
    }

    quality = (p[2] - '0') * 1000;
    p += 3;

    if (p < end && *p == '.') {
        p++;

        for (unit = 100; unit && p < end && portal_language_digit(*p);
             unit /= 10)
        {
            quality += (*p++ - '0') * unit;
        }
    }

    p = portal_language_skip(p, end);

    return (p == end && quality <= 1000) ? quality : -1;
}


/*
 * language-range = (1*8ALPHA *("-" 1*8alphanum)) / "*".  The length of its
 * first part, 0 when it is no range; *end is set behind it.
 */

static size_t
portal_language_range(const char *p, const char *last, const char **end)
{
    size_t       n, first;
    const char  *start;

    if (p < last && *p == '*') {
        *end = p + 1;
        return 1;
    }

    first = 0;

    for ( ;; ) {
        start = p;

        while (p < last && (portal_language_alpha(*p)
                            || (first && portal_language_digit(*p))))
        {
            p++;
        }

        n = (size_t) (p - start);

        if (n == 0 || n > 8) {
            return 0;
        }

        if (first == 0) {
            first = n;
        }

        if (p == last || *p != '-') {
            *end = p;
            return first;
        }

        p++;
    }
}


/* one element of the list */

static void
portal_language_element(const char *p, const char *last, unsigned place,
    const portal_text_t *offered, portal_language_wish_t *wish, size_t n)
{
    int          quality;
    size_t       len, i;
    const char  *end;

    len = portal_language_range(p, last, &end);

    if (len == 0) {
        return;
    }

    quality = portal_language_weight(end, last);

    if (quality < 0) {
        return;
    }

    /* the wish behind the last language is what "*" says */

    if (*p == '*') {
        i = n;

    } else {
        for (i = 0; i < n; i++) {
            if (offered[i].len == len
                && strncasecmp(offered[i].data, p, len) == 0)
            {
                break;
            }
        }

        if (i == n) {
            return;
        }
    }

    if (quality > wish[i].quality) {
        wish[i].quality = quality;
        wish[i].place = place;
    }
}


int
portal_language_accept(portal_text_t accept, const portal_text_t *offered,
    size_t n)
{
    int                            best;
    size_t                         i;
    unsigned                       place;
    const char                    *p, *end, *start;
    portal_language_wish_t         wish[PORTAL_LANGUAGE_OFFERED + 1];
    const portal_language_wish_t  *w, *chosen;

    if (n > PORTAL_LANGUAGE_OFFERED) {
        return -1;
    }

    for (i = 0; i <= n; i++) {
        wish[i].quality = -1;
        wish[i].place = 0;
    }

    p = accept.data;
    end = p + accept.len;

    for (place = 0; p < end && place < PORTAL_LANGUAGE_RANGES; place++) {

        p = portal_language_skip(p, end);
        start = p;

        while (p < end && *p != ',') {
            p++;
        }

        portal_language_element(start, p, place, offered, wish, n);

        if (p < end) {
            p++;
        }
    }

    best = -1;
    chosen = NULL;

    for (i = 0; i < n; i++) {

        if (offered[i].len == 0) {
            continue;
        }

        w = wish[i].quality < 0 ? &wish[n] : &wish[i];

        if (w->quality > 0
            && (chosen == NULL || w->quality > chosen->quality
                || (w->quality == chosen->quality
                    && w->place < chosen->place)))
        {
            best = (int) i;
            chosen = w;
        }
    }

    return best;
}
