
/*
 * Copyright (C) the portal's authors
 */


#include <stddef.h>
#include <string.h>

#include "portal_address.h"


typedef struct {
    uint8_t   ip[16];
    unsigned  bits;
} portal_network_t;


/* IANA's registry of special addresses; multicast and what is reserved */

static const portal_network_t  portal_address_special4[] = {
    { { 0, 0, 0, 0 }, 8 },              /* this host */
    { { 10, 0, 0, 0 }, 8 },
    { { 100, 64, 0, 0 }, 10 },          /* behind a provider */
    { { 127, 0, 0, 0 }, 8 },
    { { 168, 63, 129, 16 }, 32 },       /* a cloud's own, as public as it is */
    { { 169, 254, 0, 0 }, 16 },         /* of the link: clouds' metadata */
    { { 172, 16, 0, 0 }, 12 },
    { { 192, 0, 0, 0 }, 24 },
    { { 192, 0, 2, 0 }, 24 },           /* for books */
    { { 192, 88, 99, 0 }, 24 },         /* relays of 6to4 */
    { { 192, 168, 0, 0 }, 16 },
    { { 198, 18, 0, 0 }, 15 },          /* for measurements */
    { { 198, 51, 100, 0 }, 24 },
    { { 203, 0, 113, 0 }, 24 },
    { { 224, 0, 0, 0 }, 3 }             /* multicast, reserved, broadcast */
};

/* within 2000::/3, which is all that is given to anybody */

static const portal_network_t  portal_address_special6[] = {
    { { 0x20, 0x01, 0x00 }, 23 },       /* tunnels, identifiers: 2001::/23 */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* for books */
    { { 0x20, 0x02 }, 16 },             /* 6to4: any IPv4 address */
    { { 0x3f, 0xff, 0x00 }, 20 }        /* for books */
};


static int
portal_address_in(const uint8_t *ip, const portal_network_t *network)
{
    unsigned  bytes, bits;

    bytes = network->bits / 8;
    bits = network->bits % 8;

    return memcmp(ip, network->ip, bytes) == 0
           && (bits == 0
               || ((ip[bytes] ^ network->ip[bytes]) >> (8 - bits)) == 0);
}


int
portal_address_public4(const uint8_t ip[4])
{
    size_t  i, n;

    n = sizeof(portal_address_special4) / sizeof(portal_address_special4[0]);

    for (i = 0; i < n; i++) {
        if (portal_address_in(ip, &portal_address_special4[i])) {
            return 0;
        }
    }

    return 1;
}


int
portal_address_public6(const uint8_t ip[16])
{
    size_t   i, n;
    uint8_t  v4[4];

    if (portal_address_v4(ip, v4)) {
        return portal_address_public4(v4);
    }

    if (ip[0] >> 5 != 1) {
        return 0;
    }

    n = sizeof(portal_address_special6) / sizeof(portal_address_special6[0]);

    for (i = 0; i < n; i++) {
        if (portal_address_in(ip, &portal_address_special6[i])) {
            return 0;
        }
    }

    return 1;
}


int
portal_address_v4(const uint8_t ip[16], uint8_t v4[4])
{
    static const uint8_t  mapped[12] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
    };

    if (memcmp(ip, mapped, sizeof(mapped)) != 0) {
        return 0;
    }

    memcpy(v4, ip + 12, 4);

    return 1;
}
