
/*
 * Copyright (C) the portal's authors
 */


#include <sodium.h>

#include "portal_crypto.h"


_Static_assert(sizeof(crypto_generichash_state) <= sizeof(portal_digest_t),
               "a digest's state has room");


void
portal_digest_init(portal_digest_t *digest)
{
    (void) crypto_generichash_init((crypto_generichash_state *) digest, NULL,
                                   0, PORTAL_MAC_LEN);
}


void
portal_digest_add(portal_digest_t *digest, const void *data, size_t len)
{
    (void) crypto_generichash_update((crypto_generichash_state *) digest,
                                     data, len);
}


void
portal_digest_hex(portal_digest_t *digest, char hex[PORTAL_MAC_HEX])
{
    uint8_t  out[PORTAL_MAC_LEN];

    (void) crypto_generichash_final((crypto_generichash_state *) digest, out,
                                    sizeof(out));
    portal_hex(out, sizeof(out), hex);
}
