
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>
#include <sodium.h>

#include "portal_crypto.h"
#include "portal_fold.h"


#define PORTAL_CODE_BASE  31            /* a prime */
#define PORTAL_CODE_TEXT  64            /* bytes looked at, at most */


static size_t portal_code_between(const char *p, size_t len);
static unsigned portal_code_sum(const char *symbols, size_t n);
static int portal_code_symbol(char ch);


/* what people cannot mistake for one another: no 0 O, no 1 I L */

static const char  portal_code_symbols[] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";


void
portal_code_make(char out[PORTAL_CODE_LEN])
{
    size_t    i;
    unsigned  sum, c;

    for (i = 0; i < PORTAL_CODE_LEN - 1; i++) {
        out[i] = portal_code_symbols[randombytes_uniform(PORTAL_CODE_BASE)];
    }

    sum = portal_code_sum(out, PORTAL_CODE_LEN - 1);

    for (c = 0; (sum + c * PORTAL_CODE_LEN) % PORTAL_CODE_BASE != 1; c++) {
        /* void */
    }

    out[PORTAL_CODE_LEN - 1] = portal_code_symbols[c];
}


int
portal_code_clean(portal_text_t in, char out[PORTAL_CODE_LEN])
{
    int     value;
    size_t  i, n, skip;

    if (in.len > PORTAL_CODE_TEXT) {
        return -1;
    }

    n = 0;

    for (i = 0; i < in.len; /* void */ ) {
        skip = portal_code_between(in.data + i, in.len - i);

        if (skip) {
            i += skip;
            continue;
        }

        value = portal_code_symbol(in.data[i++]);

        if (value == -1 || n == PORTAL_CODE_LEN) {
            return -1;
        }

        out[n++] = portal_code_symbols[value];
    }

    if (n != PORTAL_CODE_LEN
        || portal_code_sum(out, PORTAL_CODE_LEN) % PORTAL_CODE_BASE != 1)
    {
        return -1;
    }

    return 0;
}


/*
 * What people write between the groups of a code, or bring along when they
 * paste it: spaces and dashes, also those that a name does not have, dots,
 * underscores, slashes.  The length of the one at p, or 0.
 */

static size_t
portal_code_between(const char *p, size_t len)
{
    if (*p == '.' || *p == '_' || *p == '/') {
        return 1;
    }

    /* U+00AD; U+2043, U+FE58, U+FE63, U+FF0D */

    if (len >= 2 && memcmp(p, "\xc2\xad", 2) == 0) {
        return 2;
    }

    if (len >= 3
        && (memcmp(p, "\xe2\x81\x83", 3) == 0
            || memcmp(p, "\xef\xb9\x98", 3) == 0
            || memcmp(p, "\xef\xb9\xa3", 3) == 0
            || memcmp(p, "\xef\xbc\x8d", 3) == 0))
    {
        return 3;
    }

    return portal_fold_space(p, len);
}


/*
 * Weights 1 to 12 modulo a prime: differing and never 0, so that one wrong
 * symbol and two exchanged ones, adjacent or not, always show.
 */

static unsigned
portal_code_sum(const char *symbols, size_t n)
{
    size_t    i;
    unsigned  sum;

    sum = 0;

    for (i = 0; i < n; i++) {
        sum += (unsigned) (i + 1) * (unsigned) portal_code_symbol(symbols[i]);
    }

    return sum;
}


static int
portal_code_symbol(char ch)
{
    const char  *p;

    if (ch >= 'a' && ch <= 'z') {
        ch = (char) (ch - 'a' + 'A');
    }

    p = ch ? strchr(portal_code_symbols, ch) : NULL;

    return p ? (int) (p - portal_code_symbols) : -1;
}
