
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "portal_fold.h"


static size_t portal_fold_letter(const char *p, size_t len, char to[2],
    size_t *n);


/* U+00E0 to U+00FF without accent; '2': two letters, '-': no letter */

static const char  portal_fold_latin[] = "aaaaaa2ceeeeiiiidnooooo-ouuuuy2y";


size_t
portal_fold_space(const char *p, size_t len)
{
    unsigned char  ch;

    if (*p == ' ' || *p == '-' || *p == '\t') {
        return 1;
    }

    if (len >= 2 && memcmp(p, "\xc2\xa0", 2) == 0) {
        return 2;
    }

    if (len < 3 || (unsigned char) p[0] != 0xe2) {
        return 0;
    }

    ch = (unsigned char) p[2];

    /* U+2000 to U+200B, U+2010 to U+2015, U+202F; U+2212 */

    if ((unsigned char) p[1] == 0x80
        && ((ch >= 0x80 && ch <= 0x8b) || (ch >= 0x90 && ch <= 0x95)
            || ch == 0xaf))
    {
        return 3;
    }

    return (unsigned char) p[1] == 0x88 && ch == 0x92 ? 3 : 0;
}


size_t
portal_fold(const char *p, size_t len, char *out, size_t outlen)
{
    char         to[2];
    size_t       n, k, skip;
    const char  *last;

    n = 0;
    last = p + len;

    while (p < last) {
        skip = portal_fold_space(p, (size_t) (last - p));

        if (skip == 0) {
            skip = portal_fold_letter(p, (size_t) (last - p), to, &k);

            if (n + k > outlen) {
                return 0;
            }

            memcpy(out + n, to, k);
            n += k;
        }

        p += skip;
    }

    while (n && out[n - 1] == '.') {
        n--;
    }

    return n;
}


static size_t
portal_fold_letter(const char *p, size_t len, char to[2], size_t *n)
{
    unsigned char  c, d;

    c = (unsigned char) p[0];
    d = (unsigned char) (len >= 2 ? p[1] : 0);

    *n = 1;
    to[0] = p[0];

    if (c >= 'A' && c <= 'Z') {
        to[0] = (char) (c | 0x20);
        return 1;
    }

    if (c == '\'') {
        *n = 0;
        return 1;
    }

    if (c == 0xe2 && len >= 3 && d == 0x80
        && ((unsigned char) p[2] == 0x98 || (unsigned char) p[2] == 0x99))
    {
        *n = 0;
        return 3;
    }

    /* combining accents, U+0300 to U+036F */

    if ((c == 0xcc && d >= 0x80 && d <= 0xbf)
        || (c == 0xcd && d >= 0x80 && d <= 0xaf))
    {
        *n = 0;
        return 2;
    }

    if (c == 0xc5 && (d == 0x92 || d == 0x93)) {
        to[0] = 'o';
        to[1] = 'e';
        *n = 2;
        return 2;
    }

    if (c == 0xc5 && d == 0xb8) {
        to[0] = 'y';
        return 2;
    }

    if (c != 0xc3 || d < 0x80 || d > 0xbf) {
        return 1;
    }

    if (d == 0x9f) {
        to[0] = 's';
        to[1] = 's';
        *n = 2;
        return 2;
    }

    to[0] = portal_fold_latin[d & 0x1f];

    if (to[0] == '2') {
        to[0] = (d & 0x1f) == 6 ? 'a' : 't';
        to[1] = (d & 0x1f) == 6 ? 'e' : 'h';
        *n = 2;

    } else if (to[0] == '-') {
        to[0] = '\xc3';
        to[1] = '\xb7';
        *n = 2;
    }

    return 2;
}
