
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include <sodium.h>

#include "portal_crypto.h"


/*
 * What the town's software knows our messages by, as Standard Webhooks has it:
 * HMAC-SHA-256 of "ID.TIMESTAMP.BODY" under the bytes of a secret that it and
 * the portal share, both as ordinary base64.
 */

#define PORTAL_SIGNING_PREFIX   "whsec_"
#define PORTAL_SIGNING_VERSION  "v1,"
#define PORTAL_SIGNING_BYTES    32
#define PORTAL_SIGNING_B64                                                    \
    sodium_base64_ENCODED_LEN(PORTAL_SIGNING_BYTES,                           \
                              sodium_base64_VARIANT_ORIGINAL)


void
portal_signing_make(char out[PORTAL_SIGNING_SECRET])
{
    char     text[PORTAL_SIGNING_B64];
    uint8_t  bytes[PORTAL_SIGNING_BYTES];

    randombytes_buf(bytes, sizeof(bytes));

    (void) sodium_bin2base64(text, sizeof(text), bytes, sizeof(bytes),
                             sodium_base64_VARIANT_ORIGINAL);

    memcpy(out, PORTAL_SIGNING_PREFIX, sizeof(PORTAL_SIGNING_PREFIX) - 1);
    memcpy(out + sizeof(PORTAL_SIGNING_PREFIX) - 1, text, sizeof(text) - 1);

    sodium_memzero(text, sizeof(text));
    sodium_memzero(bytes, sizeof(bytes));
}


int
portal_signing_sign(portal_text_t secret, portal_text_t id,
    portal_text_t timestamp, portal_text_t body, char out[PORTAL_SIGNATURE])
{
    char                          text[PORTAL_SIGNING_B64];
    size_t                        len, prefix;
    uint8_t                       key[64], mac[PORTAL_MAC_LEN];
    crypto_auth_hmacsha256_state  st;

    prefix = sizeof(PORTAL_SIGNING_PREFIX) - 1;

    if (secret.len <= prefix
        || memcmp(secret.data, PORTAL_SIGNING_PREFIX, prefix) != 0
        || sodium_base642bin(key, sizeof(key), secret.data + prefix,
                             secret.len - prefix, NULL, &len, NULL,
                             sodium_base64_VARIANT_ORIGINAL)
           != 0)
    {
        sodium_memzero(key, sizeof(key));
        return -1;
    }

    crypto_auth_hmacsha256_init(&st, key, len);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *) id.data, id.len);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *) ".", 1);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *) timestamp.data,
                                  timestamp.len);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *) ".", 1);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *) body.data, body.len);
    crypto_auth_hmacsha256_final(&st, mac);

    (void) sodium_bin2base64(text, sizeof(text), mac, sizeof(mac),
                             sodium_base64_VARIANT_ORIGINAL);

    memcpy(out, PORTAL_SIGNING_VERSION, sizeof(PORTAL_SIGNING_VERSION) - 1);
    memcpy(out + sizeof(PORTAL_SIGNING_VERSION) - 1, text, sizeof(text) - 1);

    sodium_memzero(key, sizeof(key));
    sodium_memzero(&st, sizeof(st));

    return 0;
}
