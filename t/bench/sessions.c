
/*
 * Copyright (C) the portal's authors
 */


#include "../../src/ngx_http_portal.h"

#include <stdio.h>


/*
 * sessions KEYS TENANT < LIST > COMMANDS
 *
 * The records of live sessions as a log-in leaves them in Redis, for
 * redis-cli --pipe.  LIST, from sql/generate: cookie, account, family.
 */


#define BENCH_SEALED  (sizeof(ngx_http_portal_session_t)                      \
                       + PORTAL_SEAL_OVERHEAD)
#define BENCH_NAME    "Parent Généré"
#define BENCH_TTL     43200


static void
bench_set(const char *prefix, const char *hex, const void *value, size_t len)
{
    printf("*5\r\n$3\r\nSET\r\n$%d\r\n%s%.*s\r\n$%zu\r\n",
           5 + PORTAL_MAC_HEX, prefix, PORTAL_MAC_HEX, hex, len);
    fwrite(value, 1, len, stdout);
    printf("\r\n$2\r\nEX\r\n$5\r\n%d\r\n", BENCH_TTL);
}


static int
bench_session(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t cookie, long long account, long long family)
{
    char                       hex[PORTAL_MAC_HEX];
    uint8_t                    mac[PORTAL_MAC_LEN], sealed[BENCH_SEALED];
    portal_text_t              id;
    ngx_http_portal_session_t  s;

    portal_mac(keys, "session", tenant, cookie, mac);
    portal_hex(mac, sizeof(mac), hex);

    memset(&s, 0, sizeof(s));

    s.version = NGX_HTTP_PORTAL_SESSION_VERSION;
    s.roles = NGX_HTTP_PORTAL_ROLE_CITIZEN|NGX_HTTP_PORTAL_ROLE_FAMILY;
    s.families = 1;
    s.epoch = 1;
    s.idle = 1800;
    s.absolute = BENCH_TTL;
    s.opened = time(NULL);
    s.account = account;
    s.family = family;
    s.name_len = sizeof(BENCH_NAME) - 1;
    memcpy(s.name, BENCH_NAME, sizeof(BENCH_NAME) - 1);

    id.data = hex;
    id.len = PORTAL_MAC_HEX;

    if (portal_seal_bytes(keys, "session-record", tenant, id, &s, sizeof(s),
                          sealed, sizeof(sealed))
        != (int) sizeof(sealed))
    {
        return -1;
    }

    bench_set("seen:", hex, "1", 1);
    bench_set("sess:", hex, sealed, sizeof(sealed));

    return 0;
}


int
main(int argc, char **argv)
{
    char            err[256], cookie[PORTAL_SECRET_B64 + 1];
    long long       account, family;
    portal_text_t   tenant, text;
    portal_keys_t  *keys;

    if (argc != 3) {
        fprintf(stderr, "usage: sessions KEYS TENANT < LIST\n");
        return 2;
    }

    if (portal_crypto_init() != 0) {
        return 1;
    }

    keys = portal_keys_read(argv[1], err, sizeof(err));
    if (keys == NULL) {
        fprintf(stderr, "%s\n", err);
        return 1;
    }

    tenant.data = argv[2];
    tenant.len = strlen(argv[2]);

    while (scanf("%43s %lld %lld", cookie, &account, &family) == 3) {
        text.data = cookie;
        text.len = strlen(cookie);

        if (bench_session(keys, tenant, text, account, family) != 0) {
            return 1;
        }
    }

    portal_keys_free(keys);

    return fflush(stdout) == 0 ? 0 : 1;
}
