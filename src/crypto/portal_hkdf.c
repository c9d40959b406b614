
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>
#include <sodium.h>

#include "portal_hkdf.h"


void
portal_hkdf_extract(const void *salt, size_t salt_len, const void *ikm,
    size_t ikm_len, uint8_t prk[PORTAL_HKDF_LEN])
{
    crypto_auth_hmacsha256_state  st;

    crypto_auth_hmacsha256_init(&st, salt, salt_len);
    crypto_auth_hmacsha256_update(&st, ikm, ikm_len);
    crypto_auth_hmacsha256_final(&st, prk);

    sodium_memzero(&st, sizeof(st));
}


int
portal_hkdf_expand(const uint8_t prk[PORTAL_HKDF_LEN], const void *info,
    size_t info_len, uint8_t *out, size_t outlen)
{
    size_t                        n;
    uint8_t                       block[PORTAL_HKDF_LEN], count;
    crypto_auth_hmacsha256_state  st;

    if (outlen > PORTAL_HKDF_MAX) {
        return -1;
    }

    for (count = 1; outlen; count++) {
        crypto_auth_hmacsha256_init(&st, prk, PORTAL_HKDF_LEN);

        if (count > 1) {
            crypto_auth_hmacsha256_update(&st, block, sizeof(block));
        }

        crypto_auth_hmacsha256_update(&st, info, info_len);
        crypto_auth_hmacsha256_update(&st, &count, 1);
        crypto_auth_hmacsha256_final(&st, block);

        n = outlen < sizeof(block) ? outlen : sizeof(block);
        memcpy(out, block, n);
        out += n;
        outlen -= n;
    }

    sodium_memzero(&st, sizeof(st));
    sodium_memzero(block, sizeof(block));

    return 0;
}
