
/*
 * Copyright (C) the portal's authors
 */


#include <stdlib.h>
#include <string.h>

#include <liboath/oath.h>
#include <sodium.h>

#include "portal_crypto.h"


#define PORTAL_TOTP_BYTES   20

/* one step before and after, for clocks that differ and slow typing */
#define PORTAL_TOTP_WINDOW  1


int
portal_totp_init(void)
{
    return oath_init() == OATH_OK ? 0 : -1;
}


int
portal_totp_make(char out[PORTAL_TOTP_SECRET])
{
    int     rc;
    char    bytes[PORTAL_TOTP_BYTES], *text;
    size_t  len;

    randombytes_buf(bytes, sizeof(bytes));

    rc = oath_base32_encode(bytes, sizeof(bytes), &text, &len);
    sodium_memzero(bytes, sizeof(bytes));

    if (rc != OATH_OK) {
        return -1;
    }

    if (len == PORTAL_TOTP_SECRET) {
        memcpy(out, text, len);
        rc = 0;

    } else {
        rc = -1;
    }

    sodium_memzero(text, len);
    free(text);

    return rc;
}


int64_t
portal_totp_check(portal_text_t secret, portal_text_t code, int64_t now)
{
    int      i, ok;
    char    *bytes, wanted[PORTAL_TOTP_DIGITS + 1];
    size_t   len;
    int64_t  at, step;

    if (code.len != PORTAL_TOTP_DIGITS
        || now / PORTAL_TOTP_STEP < PORTAL_TOTP_WINDOW
        || oath_base32_decode(secret.data, secret.len, &bytes, &len)
           != OATH_OK)
    {
        return -1;
    }

    ok = len != 0;
    step = -1;

    /* each is made and compared, whichever it is */

    for (i = -PORTAL_TOTP_WINDOW; ok && i <= PORTAL_TOTP_WINDOW; i++) {
        at = now + (int64_t) i * PORTAL_TOTP_STEP;

        if (oath_totp_generate(bytes, len, (time_t) at, PORTAL_TOTP_STEP, 0,
                               PORTAL_TOTP_DIGITS, wanted)
            != OATH_OK)
        {
            ok = 0;
            break;
        }

        if (portal_equal(wanted, code.data, PORTAL_TOTP_DIGITS)) {
            step = at / PORTAL_TOTP_STEP;
        }
    }

    sodium_memzero(wanted, sizeof(wanted));
    sodium_memzero(bytes, len);
    free(bytes);

    return ok ? step : -1;
}
