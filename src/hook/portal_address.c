
/*
 * Copyright (C) the portal's authors
 */


#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "portal_address.h"


typedef struct {
    uint8_t   ip[16];
    unsigned  bits;
} portal_network_t;


static int portal_address_is(const char *label, const char *end,
    const char *name);
static int portal_address_numeric(const char *label, size_t len);
static int portal_address_dotted(const char *host, size_t len,
    uint8_t v4[4]);


static const uint8_t  portal_address_loopback[4] = { 127, 0, 0, 1 };


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


portal_host_e
portal_address_host(const char *url, uint8_t v4[4])
{
    size_t       len;
    const char  *host, *last;

    host = strstr(url, "://");
    if (host == NULL) {
        return PORTAL_HOST_NAME;
    }

    host += 3;
    len = strcspn(host, "/?#");

    /* a name and password, or an IPv6 address: no form of ours takes them */

    if (memchr(host, '@', len) || host[0] == '[') {
        return PORTAL_HOST_NAME;
    }

    len = strcspn(host, ":/?#");

    if (len == 0) {
        return PORTAL_HOST_NAME;
    }

    for (last = host + len; last > host && last[-1] != '.'; last--) {
        /* void */
    }

    if (portal_address_numeric(last, (size_t) (host + len - last))) {
        return portal_address_dotted(host, len, v4) ? PORTAL_HOST_V4
                                                    : PORTAL_HOST_NUMBER;
    }

    if (portal_address_is(last, host + len, "localhost")) {
        memcpy(v4, portal_address_loopback, 4);
        return PORTAL_HOST_V4;
    }

    if (last == host
        || portal_address_is(last, host + len, "local")
        || portal_address_is(last, host + len, "internal"))
    {
        return PORTAL_HOST_LOCAL;
    }

    return PORTAL_HOST_NAME;
}


static int
portal_address_is(const char *label, const char *end, const char *name)
{
    size_t  len;

    len = (size_t) (end - label);

    return len == strlen(name) && strncasecmp(label, name, len) == 0;
}


/* "10", "0x7f": no domain of the internet is called so */

static int
portal_address_numeric(const char *label, size_t len)
{
    if (len > 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X')) {
        return strspn(label + 2, "0123456789abcdefABCDEF") >= len - 2;
    }

    return len > 0 && strspn(label, "0123456789") >= len;
}


/* a.b.c.d, decimal and without a zero in front, which some read as octal */

static int
portal_address_dotted(const char *host, size_t len, uint8_t v4[4])
{
    size_t    i, digits;
    unsigned  n, part;

    i = 0;

    for (part = 0; part < 4; part++) {
        n = 0;

        for (digits = 0; i < len && host[i] >= '0' && host[i] <= '9'; i++) {
            n = n * 10 + (unsigned) (host[i] - '0');

            if (++digits > 3) {
                return 0;
            }
        }

        if (digits == 0 || n > 255 || (digits > 1 && host[i - digits] == '0')
            || (part < 3 && (i == len || host[i++] != '.')))
        {
            return 0;
        }

        v4[part] = (uint8_t) n;
    }

    return i == len;
}
