
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>
#include <sodium.h>

#include "portal_crypto.h"


/*
 * A call of the system draws for some twenty answers.  Each byte is given
 * once and wiped; what is left is forgotten where a process begins, so that
 * no two of them have the same ahead.  The event loop's alone.
 */

static uint8_t  portal_random_buf[1024];
static size_t   portal_random_left;


void
portal_random(void *out, size_t len)
{
    uint8_t  *p;

    if (len > sizeof(portal_random_buf)) {
        randombytes_buf(out, len);
        return;
    }

    if (portal_random_left < len) {
        randombytes_buf(portal_random_buf, sizeof(portal_random_buf));
        portal_random_left = sizeof(portal_random_buf);
    }

    portal_random_left -= len;
    p = portal_random_buf + portal_random_left;

    memcpy(out, p, len);
    sodium_memzero(p, len);
}


void
portal_random_forget(void)
{
    sodium_memzero(portal_random_buf, sizeof(portal_random_buf));
    portal_random_left = 0;
}
