
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "crypto_tap.h"


/*
 * What was brought lately is remembered: whatever came before, the answer is
 * portal_mac()'s.
 */

#define SECRETS  20000              /* several times as many as are kept */


static int
known_same(const portal_keys_t *keys, const char *purpose, const char *tenant,
    const char *secret)
{
    uint8_t        quick[PORTAL_MAC_LEN], mac[PORTAL_MAC_LEN];
    portal_text_t  brought;

    brought.data = secret;
    brought.len = PORTAL_SECRET_B64;

    portal_mac(keys, purpose, text(tenant), brought, mac);

    return portal_mac_secret(keys, purpose, text(tenant), brought, quick) == 0
           && memcmp(quick, mac, sizeof(mac)) == 0;
}


static int
known_none(const portal_keys_t *keys, const char *secret, size_t len)
{
    uint8_t        mac[PORTAL_MAC_LEN];
    portal_text_t  brought;

    brought.data = secret;
    brought.len = len;

    return portal_mac_secret(keys, "session", text(TOWN), brought, mac) == -1;
}


int
main(void)
{
    int             i, k, good;
    char            secret[PORTAL_SECRET_B64 + 1], wrong[64], town[200];
    static char     all[SECRETS][PORTAL_SECRET_B64];
    portal_keys_t  *keys;

    portal_crypto_init();

    keys = keys_of(KEY1);

    memset(secret, 0, sizeof(secret));
    portal_secret(secret);

    good = 1;

    for (i = 0; i < 3; i++) {
        good &= known_same(keys, "session", TOWN, secret);
    }

    ok(good, "new and known: portal_mac()");

    ok(known_same(keys, "agent", TOWN, secret)
       && known_same(keys, "session", "saint-aubix", secret)
       && known_same(keys, "sessionsaint-aubi", "n", secret)
       && known_same(keys, "", "", secret),
       "another purpose, another town, the letter between them");

    memset(town, 'a', sizeof(town));
    town[sizeof(town) - 1] = '\0';

    ok(known_same(keys, "session", town, secret)
       && known_same(keys, "session", town, secret),
       "a name too long to be remembered");

    memcpy(wrong, secret, PORTAL_SECRET_B64);
    wrong[PORTAL_SECRET_B64] = 'A';

    ok(known_none(keys, wrong, PORTAL_SECRET_B64 - 1)
       && known_none(keys, wrong, PORTAL_SECRET_B64 + 1)
       && known_none(keys, wrong, 0),
       "another length is none");

    wrong[7] = '!';

    ok(known_none(keys, wrong, PORTAL_SECRET_B64)
       && known_none(keys, wrong, PORTAL_SECRET_B64),
       "another letter is none, each time");

    for (i = 0; i < SECRETS; i++) {
        portal_secret(all[i]);
    }

    good = 1;

    for (k = 0; k < 2; k++) {
        for (i = 0; i < SECRETS; i++) {
            good &= known_same(keys, i & 1 ? "session" : "agent", TOWN, all[i]);

            /* one that was just brought */
            good &= known_same(keys, "session", TOWN, all[i / 2]);
        }
    }

    ok(good, "more than are kept, over and over");

    portal_keys_free(keys);

    return done();
}
