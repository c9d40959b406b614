
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "portal_subkey.h"


/*
 * A browser or a machine brings the same secret with each request.  Its MAC is
 * remembered under SipHash-2-4 of 128 bits, which is a MAC itself and costs a
 * tenth: its key is drawn at each start and known to nobody, so that who has
 * not the secret finds no entry but by a luck of 1 in 2^128, and learns nothing
 * from how long a search takes.  The secret itself is kept nowhere.
 */

#define PORTAL_KNOWN_NAMES  96          /* purpose and tenant; others are not
                                           remembered */


/* the table's place of what was brought; -1: its names are too long */

static int
portal_known_sip(const portal_known_t *known, const char *purpose,
    portal_text_t tenant, portal_text_t secret,
    uint8_t sip[PORTAL_KNOWN_SIP])
{
    size_t   len;
    uint8_t  text[2 + PORTAL_KNOWN_NAMES + PORTAL_SECRET_B64], *p;

    len = strlen(purpose);

    if (len + tenant.len > PORTAL_KNOWN_NAMES) {
        return -1;
    }

    text[0] = (uint8_t) len;
    text[1] = (uint8_t) tenant.len;
    p = text + 2;

    memcpy(p, purpose, len);
    p += len;

    if (tenant.len) {
        memcpy(p, tenant.data, tenant.len);
        p += tenant.len;
    }

    memcpy(p, secret.data, secret.len);
    p += secret.len;

    (void) crypto_shorthash_siphashx24(sip, text,
                                       (unsigned long long) (p - text),
                                       known->key);

    sodium_memzero(p - secret.len, secret.len);

    return 0;
}


int
portal_mac_secret(const portal_keys_t *keys, const char *purpose,
    portal_text_t tenant, portal_text_t secret, uint8_t out[PORTAL_MAC_LEN])
{
    uint8_t              sip[PORTAL_KNOWN_SIP];
    unsigned             i;
    portal_known_t      *known;
    portal_known_set_t  *set;

    if (secret.len != PORTAL_SECRET_B64) {
        return -1;
    }

    known = portal_keys_known(keys);
    set = NULL;

    if (portal_known_sip(known, purpose, tenant, secret, sip) == 0) {
        set = &known->sets[(unsigned) (sip[0] | sip[1] << 8)
                           % PORTAL_KNOWN_SETS];

        for (i = 0; i < PORTAL_KNOWN_WAYS; i++) {
            if (portal_equal(set->sip[i], sip, sizeof(sip))) {
                memcpy(out, set->mac[i], PORTAL_MAC_LEN);
                return 0;
            }
        }
    }

    if (!portal_is_secret(secret)) {
        return -1;
    }

    portal_mac(keys, purpose, tenant, secret, out);

    if (set) {
        i = known->turn[set - known->sets]++ % PORTAL_KNOWN_WAYS;

        memcpy(set->sip[i], sip, sizeof(sip));
        memcpy(set->mac[i], out, PORTAL_MAC_LEN);
    }

    return 0;
}
