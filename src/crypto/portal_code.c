
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


/* what people cannot mistake for one another: no 0 O, no 1 I L */

static const char  portal_code_symbols[] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";


/*
 * The check symbol: weights 1 to 12 modulo a prime, differing and never 0, so
 * that one wrong symbol and two exchanged ones, adjacent or not, always show.
 */

void
portal_code_make(char out[PORTAL_CODE_LEN])
{
    size_t    i;
    unsigned  sum, c;

    sum = 0;

    for (i = 0; i < PORTAL_CODE_LEN - 1; i++) {
        c = randombytes_uniform(PORTAL_CODE_BASE);
        sum += (unsigned) (i + 1) * c;
        out[i] = portal_code_symbols[c];
    }

    for (c = 0; (sum + c * PORTAL_CODE_LEN) % PORTAL_CODE_BASE != 1; c++) {
        /* void */
    }

    out[PORTAL_CODE_LEN - 1] = portal_code_symbols[c];
}


int
portal_code_clean(portal_text_t in, char out[PORTAL_CODE_LEN])
{
    char    ch;
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

        ch = in.data[i++];

        if (ch >= 'a' && ch <= 'z') {
            ch = (char) (ch - 'a' + 'A');
        }

        if (n == PORTAL_CODE_LEN
            || !((ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9')))
        {
            return -1;
        }

        out[n++] = ch;
    }

    return n == PORTAL_CODE_LEN ? 0 : -1;
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
