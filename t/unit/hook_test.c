
/*
 * Copyright (C) the portal's authors
 */


/* which addresses are the public internet's */

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../src/hook/portal_address.h"
#include "tap.h"


static int
is_public(const char *text)
{
    uint8_t  ip[16];

    if (inet_pton(AF_INET, text, ip) == 1) {
        return portal_address_public4(ip);
    }

    if (inet_pton(AF_INET6, text, ip) == 1) {
        return portal_address_public6(ip);
    }

    return -1;
}


/* first and last of what is not, and who stands on either side */

static void
range(const char *before, const char *first, const char *last,
    const char *after)
{
    ok(is_public(first) == 0 && is_public(last) == 0, "%s to %s is not",
       first, last);
    ok((before == NULL || is_public(before) == 1)
       && (after == NULL || is_public(after) == 1), "what is beside it is");
}


/* what an address of the web says of its host */

static const struct {
    const char     *url;
    portal_host_e   host;
    const char     *v4;
} hosts[] = {
    { "https://logiciel.example/x", PORTAL_HOST_NAME, "" },
    { "https://10.example", PORTAL_HOST_NAME, "" },
    { "https://local.example:8443/?a", PORTAL_HOST_NAME, "" },
    { "https://localhost.example/", PORTAL_HOST_NAME, "" },
    { "https://", PORTAL_HOST_NAME, "" },
    { "no address", PORTAL_HOST_NAME, "" },
    { "https://a:b@10.0.0.1/", PORTAL_HOST_NAME, "" },
    { "https://[::1]/", PORTAL_HOST_NAME, "" },
    { "https://logiciel/", PORTAL_HOST_LOCAL, "" },
    { "https://logiciel:8443", PORTAL_HOST_LOCAL, "" },
    { "https://logiciel.local/", PORTAL_HOST_LOCAL, "" },
    { "https://metadata.google.INTERNAL/", PORTAL_HOST_LOCAL, "" },
    { "https://localhost/", PORTAL_HOST_V4, "127.0.0.1" },
    { "HTTPS://LocalHost:8443/x", PORTAL_HOST_V4, "127.0.0.1" },
    { "https://a.localhost?x", PORTAL_HOST_V4, "127.0.0.1" },
    { "https://10.0.0.1", PORTAL_HOST_V4, "10.0.0.1" },
    { "https://8.8.8.8:443/", PORTAL_HOST_V4, "8.8.8.8" },
    { "https://255.255.255.255#x", PORTAL_HOST_V4, "255.255.255.255" },
    { "https://256.1.1.1/", PORTAL_HOST_NUMBER, "" },
    { "https://8.8.8.08/", PORTAL_HOST_NUMBER, "" },
    { "https://1.2.3.4.5/", PORTAL_HOST_NUMBER, "" },
    { "https://127.2/", PORTAL_HOST_NUMBER, "" },
    { "https://2130706433/", PORTAL_HOST_NUMBER, "" },
    { "https://0x7f000001/", PORTAL_HOST_NUMBER, "" },
    { "https://127.0.0.0x1/", PORTAL_HOST_NUMBER, "" },
    { "https://017700000002/", PORTAL_HOST_NUMBER, "" },
    { "https://99999999999999999999/", PORTAL_HOST_NUMBER, "" },
};


static void
host(size_t i)
{
    char           text[INET_ADDRSTRLEN];
    uint8_t        v4[4];
    portal_host_e  is;

    is = portal_address_host(hosts[i].url, v4);
    text[0] = '\0';

    if (is == PORTAL_HOST_V4) {
        inet_ntop(AF_INET, v4, text, sizeof(text));
    }

    ok(is == hosts[i].host && strcmp(text, hosts[i].v4) == 0, "host of %s",
       hosts[i].url);
}


int
main(void)
{
    size_t   i;
    uint8_t  ip[16], v4[4];

    for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        host(i);
    }

    range(NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0");
    range("9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0");
    range("100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0");
    range("126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0");
    range("168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17");
    range("169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0");
    range("172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0");
    range("191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0");
    range("192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0");
    range("192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0");
    range("192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0");
    range("198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0");
    range("198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0");
    range("203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0");
    range("223.255.255.255", "224.0.0.0", "255.255.255.255", NULL);

    range(NULL, "::", "1fff:ffff::", "2000::");
    range("2000:ffff:ffff::", "2001::", "2001:1ff:ffff::", "2001:200::");
    range("2001:db7:ffff::", "2001:db8::", "2001:db8:ffff::", "2001:db9::");
    range("2001:ffff:ffff::", "2002::", "2002:ffff:ffff::", "2003::");
    range("3ffe:ffff::", "3fff::", "3fff:fff:ffff::", "3fff:1000::");
    range("3fff:ffff:ffff::", "4000::", "ffff:ffff::", NULL);

    ok(is_public("::1") == 0, "the loopback is not");
    ok(is_public("fe80::1") == 0 && is_public("fd00:ec2::254") == 0,
       "nor a link's or a site's");
    ok(is_public("64:ff9b::7f00:1") == 0, "nor a translated one");
    ok(is_public("::ffff:127.0.0.1") == 0 && is_public("::ffff:10.0.0.1") == 0
       && is_public("::127.0.0.1") == 0, "nor one that carries another");
    ok(is_public("::ffff:193.252.19.3") == 1, "but a public one carried");
    ok(is_public("193.252.19.3") == 1 && is_public("2a01:e0a::1") == 1,
       "a provider's is");

    (void) inet_pton(AF_INET6, "::ffff:1.2.3.4", ip);
    ok(portal_address_v4(ip, v4) == 1 && memcmp(v4, "\1\2\3\4", 4) == 0,
       "what is carried");
    (void) inet_pton(AF_INET6, "::1.2.3.4", ip);
    ok(portal_address_v4(ip, v4) == 0, "and what only looks so");

    printf("1..%u\n", tests);

    return failed ? 1 : 0;
}
