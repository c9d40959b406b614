
/*
 * Copyright (C) the portal's authors
 */


#ifndef _CRYPTO_TAP_H_INCLUDED_
#define _CRYPTO_TAP_H_INCLUDED_


#include "tap.h"

#include "../../src/crypto/portal_subkey.h"


/* what the tests of src/crypto share */

#define TOWN   "saint-aubin"
#define CHILD  "6f1c0a52-3f8e-4e06-9d0b-1f6f0d6a2b11"
#define KEY1   "1 000102030405060708090a0b0c0d0e0f"                          \
               "101112131415161718191a1b1c1d1e1f\n"
#define KEY2   "2 ff0102030405060708090a0b0c0d0e0f"                          \
               "101112131415161718191a1b1c1d1eff\n"


static portal_text_t
text(const char *s)
{
    portal_text_t  t;

    t.data = s;
    t.len = strlen(s);

    return t;
}


static portal_keys_t *
keys_of(const char *s)
{
    char            err[256];
    portal_keys_t  *keys;

    keys = portal_keys_parse("mem", s, strlen(s), err, sizeof(err));
    if (keys == NULL) {
        printf("# %s\n", err);
        exit(1);
    }

    return keys;
}


static int
done(void)
{
    printf("1..%u\n", tests);

    return failed ? 1 : 0;
}


#endif /* _CRYPTO_TAP_H_INCLUDED_ */
