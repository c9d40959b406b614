
/*
 * Copyright (C) the portal's authors
 */


#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portal_hkdf.h"
#include "portal_subkey.h"


#define PORTAL_KEYS_MAX    255
#define PORTAL_KEYS_FILE   65536
#define PORTAL_KEY_LEN     32
#define PORTAL_KEY_HEX     64

/* 64 sets of 4 subkeys, and one entry for names too long to be kept */
#define PORTAL_CACHE_SETS  64
#define PORTAL_CACHE_WAYS  4


typedef struct {
    uint8_t          turn[PORTAL_CACHE_SETS];   /* next way to go */
    portal_subkey_t  entry[PORTAL_CACHE_SETS][PORTAL_CACHE_WAYS];
    portal_subkey_t  spare;
} portal_cache_t;


struct portal_keys_s {
    portal_cache_t  *cache;
    portal_known_t  *known;
    unsigned         n;
    unsigned         active;                    /* n: none yet */
    uint8_t          id[PORTAL_KEYS_MAX];
    int16_t          slot[256];                 /* by id, -1: no such key */
    uint8_t          prk[PORTAL_KEYS_MAX][PORTAL_HKDF_LEN];
};


typedef struct {
    const char      *file;
    unsigned         line;
    char            *err;
    size_t           errlen;
} portal_keys_ctx_t;


static ssize_t portal_keys_load(const char *path, char *buf, char *err,
    size_t errlen);
static int portal_keys_line(portal_keys_t *keys, portal_keys_ctx_t *ctx,
    const char *p, const char *last);
static int portal_keys_add(portal_keys_t *keys, portal_keys_ctx_t *ctx,
    unsigned id, const uint8_t key[PORTAL_KEY_LEN], int opens);
static int portal_keys_error(portal_keys_ctx_t *ctx, const char *text);
static void portal_subkey_derive(const portal_keys_t *keys,
    portal_subkey_t *sk, const char *purpose, size_t len,
    portal_text_t tenant);
static uint32_t portal_subkey_hash(uint32_t hash, const char *p, size_t len);


int
portal_crypto_init(void)
{
    return sodium_init() < 0 || portal_totp_init() == -1 ? -1 : 0;
}


portal_keys_t *
portal_keys_read(const char *path, char *err, size_t errlen)
{
    char           *buf;
    ssize_t         n;
    portal_keys_t  *keys;

    buf = sodium_malloc(PORTAL_KEYS_FILE);
    if (buf == NULL) {
        (void) snprintf(err, errlen, "no memory for \"%s\"", path);
        return NULL;
    }

    keys = NULL;

    n = portal_keys_load(path, buf, err, errlen);
    if (n >= 0) {
        keys = portal_keys_parse(path, buf, (size_t) n, err, errlen);
    }

    sodium_free(buf);

    return keys;
}


static ssize_t
portal_keys_load(const char *path, char *buf, char *err, size_t errlen)
{
    int          fd;
    size_t       len;
    ssize_t      n;
    struct stat  st;

    /* a FIFO must not hang the start */
    fd = open(path, O_RDONLY|O_CLOEXEC|O_NOCTTY|O_NONBLOCK);
    if (fd == -1) {
        (void) snprintf(err, errlen, "cannot open \"%s\": %m%s%s", path,
                        errno == ENOENT ? "; to make one: portal-tool keys "
                                        : "", errno == ENOENT ? path : "");
        return -1;
    }

    n = -1;
    len = 0;

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        (void) snprintf(err, errlen, "\"%s\" is not a regular file", path);
        goto done;
    }

    if (st.st_mode & (S_IRWXG|S_IRWXO)) {
        (void) snprintf(err, errlen, "\"%s\" can be used by others than its "
                        "owner (mode %04o): chmod 0400 %s", path,
                        (unsigned) (st.st_mode & 07777), path);
        goto done;
    }

    do {
        n = read(fd, buf + len, PORTAL_KEYS_FILE - len);

        if (n > 0) {
            len += (size_t) n;
        }

    } while (len < PORTAL_KEYS_FILE && (n > 0 || (n == -1 && errno == EINTR)));

    if (n == -1) {
        (void) snprintf(err, errlen, "cannot read \"%s\": %m", path);

    } else if (len == PORTAL_KEYS_FILE) {
        (void) snprintf(err, errlen, "\"%s\" is too long for a key file",
                        path);
        n = -1;

    } else {
        n = (ssize_t) len;
    }

done:

    (void) close(fd);

    return n;
}


portal_keys_t *
portal_keys_parse(const char *name, const char *text, size_t len, char *err,
    size_t errlen)
{
    size_t              i;
    const char         *p, *last, *nl;
    portal_keys_t      *keys;
    portal_keys_ctx_t   ctx;

    ctx.file = name;
    ctx.line = 0;
    ctx.err = err;
    ctx.errlen = errlen;

    keys = sodium_malloc(sizeof(portal_keys_t));
    if (keys == NULL) {
        (void) portal_keys_error(&ctx, "no memory for the keys");
        return NULL;
    }

    memset(keys, 0, sizeof(portal_keys_t));

    for (i = 0; i < 256; i++) {
        keys->slot[i] = -1;
    }

    p = text;
    last = text + len;

    while (p < last) {
        nl = memchr(p, '\n', (size_t) (last - p));
        ctx.line++;

        if (portal_keys_line(keys, &ctx, p, nl ? nl : last) == -1) {
            goto failed;
        }

        p = nl ? nl + 1 : last;
    }

    ctx.line = 0;

    if (keys->n == 0) {
        (void) portal_keys_error(&ctx, "no key in this file");
        goto failed;
    }

    if (keys->active == keys->n) {
        (void) portal_keys_error(&ctx, "no key seals: all are \"open\"");
        goto failed;
    }

    keys->cache = sodium_malloc(sizeof(portal_cache_t));
    keys->known = sodium_malloc(sizeof(portal_known_t));

    if (keys->cache == NULL || keys->known == NULL) {
        (void) portal_keys_error(&ctx, "no memory for the keys");
        goto failed;
    }

    memset(keys->cache, 0, sizeof(portal_cache_t));
    memset(keys->known, 0, sizeof(portal_known_t));

    randombytes_buf(keys->known->key, sizeof(keys->known->key));

    (void) sodium_mprotect_readonly(keys);

    return keys;

failed:

    portal_keys_free(keys);

    return NULL;
}


static int
portal_keys_line(portal_keys_t *keys, portal_keys_ctx_t *ctx, const char *p,
    const char *last)
{
    int          rc, opens;
    size_t       len;
    uint8_t      key[PORTAL_KEY_LEN];
    unsigned     id, digits;

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (p < last
           && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '\r'))
    {
        last--;
    }

    if (p == last || *p == '#') {
        return 0;
    }

    id = 0;

    for (digits = 0; p < last && *p >= '0' && *p <= '9'; p++, digits++) {
        if (digits == 3) {
            return portal_keys_error(ctx, "a key's id is 1 to 255");
        }

        id = id * 10 + (unsigned) (*p - '0');
    }

    if (digits == 0 || p == last || (*p != ' ' && *p != '\t')) {
        return portal_keys_error(ctx, "a line is \"ID HEX\": an id of 1 to "
                                 "255 and 64 hexadecimal digits");
    }

    if (id < 1 || id > 255) {
        return portal_keys_error(ctx, "a key's id is 1 to 255");
    }

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    opens = 0;

    if (last - p > PORTAL_KEY_HEX
        && (p[PORTAL_KEY_HEX] == ' ' || p[PORTAL_KEY_HEX] == '\t')
        && memcmp(last - 4, "open", 4) == 0)
    {
        opens = 1;
        last -= 4;

        while (last[-1] == ' ' || last[-1] == '\t') {
            last--;
        }
    }

    if (last - p != PORTAL_KEY_HEX
        || sodium_hex2bin(key, sizeof(key), p, (size_t) (last - p), NULL,
                          &len, NULL)
           != 0
        || len != sizeof(key))
    {
        rc = portal_keys_error(ctx, "a key is 64 hexadecimal digits");

    } else {
        rc = portal_keys_add(keys, ctx, id, key, opens);
    }

    sodium_memzero(key, sizeof(key));

    return rc;
}


static int
portal_keys_add(portal_keys_t *keys, portal_keys_ctx_t *ctx, unsigned id,
    const uint8_t key[PORTAL_KEY_LEN], int opens)
{
    unsigned                    i;
    uint8_t                    *prk;
    static const unsigned char  salt[] = "portal key file 1";

    if (sodium_is_zero(key, PORTAL_KEY_LEN)) {
        return portal_keys_error(ctx, "a key of zeros is no key");
    }

    if (keys->slot[id] != -1) {
        return portal_keys_error(ctx, "this id is already used above");
    }

    /* ids are unique, and so at most 255 */

    prk = keys->prk[keys->n];

    portal_hkdf_extract(salt, sizeof(salt) - 1, key, PORTAL_KEY_LEN, prk);

    for (i = 0; i < keys->n; i++) {
        if (sodium_memcmp(prk, keys->prk[i], PORTAL_HKDF_LEN) == 0) {
            return portal_keys_error(ctx, "this key is already given above");
        }
    }

    keys->id[keys->n] = (uint8_t) id;
    keys->slot[id] = (int16_t) keys->n;

    /* as long as there is none, it moves along with n */

    if (keys->active == keys->n && opens) {
        keys->active++;
    }

    keys->n++;

    return 0;
}


static int
portal_keys_error(portal_keys_ctx_t *ctx, const char *text)
{
    if (ctx->line) {
        (void) snprintf(ctx->err, ctx->errlen, "%s:%u: %s", ctx->file,
                        ctx->line, text);

    } else {
        (void) snprintf(ctx->err, ctx->errlen, "%s: %s", ctx->file, text);
    }

    return -1;
}


void
portal_keys_free(portal_keys_t *keys)
{
    if (keys == NULL) {
        return;
    }

    sodium_free(keys->cache);
    sodium_free(keys->known);
    sodium_free(keys);
}


int
portal_keys_make(const char *path)
{
    int      fd, rc, len;
    char     hex[PORTAL_MAC_HEX], text[512];
    uint8_t  key[PORTAL_KEY_LEN];

    fd = open(path, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0400);
    if (fd == -1) {
        return -1;
    }

    randombytes_buf(key, sizeof(key));
    portal_hex(key, sizeof(key), hex);

    len = snprintf(text, sizeof(text),
                   "# The portal's keys: \"ID HEX\".  The first line seals; "
                   "the others open older values.\n"
                   "# A new key goes above the others, as \"ID HEX open\" "
                   "until all nodes have it.\n"
                   "# The last line also makes the indexes: keep it.\n"
                   "1 %.*s\n", (int) sizeof(hex), hex);

    rc = write(fd, text, (size_t) len) == len
         && fchmod(fd, 0400) == 0
         && fsync(fd) == 0
         ? 0 : -1;

    if (close(fd) == -1) {
        rc = -1;
    }

    if (rc == -1) {
        (void) unlink(path);
    }

    sodium_memzero(key, sizeof(key));
    sodium_memzero(hex, sizeof(hex));
    sodium_memzero(text, sizeof(text));

    return rc;
}


void
portal_keys_check(const portal_keys_t *keys, char hex[PORTAL_MAC_HEX])
{
    uint8_t        mac[PORTAL_MAC_LEN];
    portal_text_t  none, text;

    none.data = "";
    none.len = 0;
    text.data = "portal";
    text.len = sizeof("portal") - 1;

    portal_subkey_mac(keys, PORTAL_USE_CHECK, "check", none, text, mac);
    portal_hex(mac, sizeof(mac), hex);
}


int
portal_key_slot(const portal_keys_t *keys, unsigned id)
{
    return id < 256 ? keys->slot[id] : -1;
}


unsigned
portal_key_active(const portal_keys_t *keys)
{
    return keys->active;
}


uint8_t
portal_key_id(const portal_keys_t *keys, unsigned slot)
{
    return keys->id[slot];
}


portal_known_t *
portal_keys_known(const portal_keys_t *keys)
{
    return keys->known;
}


const portal_subkey_t *
portal_subkey(const portal_keys_t *keys, unsigned slot, portal_use_e use,
    const char *purpose, portal_text_t tenant)
{
    size_t            len;
    uint32_t          hash;
    unsigned          i, set;
    portal_cache_t   *cache;
    portal_subkey_t  *sk;

    cache = keys->cache;
    len = strlen(purpose);

    if (len + tenant.len > sizeof(sk->name)) {
        sk = &cache->spare;
        sk->slot = (uint8_t) slot;
        sk->use = (uint8_t) use;
        portal_subkey_derive(keys, sk, purpose, len, tenant);
        return sk;
    }

    hash = (uint32_t) (slot << 8 | (unsigned) use);
    hash = portal_subkey_hash(hash, purpose, len);
    hash = portal_subkey_hash(hash, tenant.data, tenant.len);

    set = hash % PORTAL_CACHE_SETS;
    sk = cache->entry[set];

    for (i = 0; i < PORTAL_CACHE_WAYS; i++, sk++) {
        if (sk->hash == hash
            && sk->use == (uint8_t) use
            && sk->slot == slot
            && sk->purpose_len == len
            && sk->tenant_len == tenant.len
            && memcmp(sk->name, purpose, len) == 0
            && (tenant.len == 0
                || memcmp(sk->name + len, tenant.data, tenant.len) == 0))
        {
            return sk;
        }
    }

    i = cache->turn[set]++ % PORTAL_CACHE_WAYS;
    sk = &cache->entry[set][i];

    sk->hash = hash;
    sk->slot = (uint8_t) slot;
    sk->use = (uint8_t) use;
    sk->purpose_len = (uint8_t) len;
    sk->tenant_len = (uint8_t) tenant.len;

    memcpy(sk->name, purpose, len);

    if (tenant.len) {
        memcpy(sk->name + len, tenant.data, tenant.len);
    }

    portal_subkey_derive(keys, sk, purpose, len, tenant);

    return sk;
}


/*
 * One block of HKDF-Expand, hashed piece by piece because a tenant may have
 * any length here: info is "portal1", the use, the lengths of the two names in
 * four bytes each, and the names.
 */

static void
portal_subkey_derive(const portal_keys_t *keys, portal_subkey_t *sk,
    const char *purpose, size_t len, portal_text_t tenant)
{
    uint8_t                       head[16], count;
    unsigned                      i, n;
    crypto_auth_hmacsha256_state  st;

    static const uint8_t  label[] = { 'p', 'o', 'r', 't', 'a', 'l', '1' };

    memcpy(head, label, sizeof(label));
    head[7] = sk->use;

    for (i = 0; i < 4; i++) {
        n = 24 - 8 * i;
        head[8 + i] = (uint8_t) (len >> n & 0xff);
        head[12 + i] = (uint8_t) (tenant.len >> n & 0xff);
    }

    count = 1;

    crypto_auth_hmacsha256_init(&st, keys->prk[sk->slot], PORTAL_HKDF_LEN);
    crypto_auth_hmacsha256_update(&st, head, sizeof(head));
    crypto_auth_hmacsha256_update(&st, (const uint8_t *) purpose, len);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *) tenant.data,
                                  tenant.len);
    crypto_auth_hmacsha256_update(&st, &count, 1);
    crypto_auth_hmacsha256_final(&st, sk->key);

    crypto_auth_hmacsha256_init(&sk->mac, sk->key, sizeof(sk->key));

    sodium_memzero(&st, sizeof(st));
}


static uint32_t
portal_subkey_hash(uint32_t hash, const char *p, size_t len)
{
    size_t  i;

    /* FNV-1a; the names are no secret and no stranger chooses them */

    for (i = 0; i < len; i++) {
        hash = (hash ^ (uint8_t) p[i]) * 16777619U;
    }

    return (hash ^ 0xff) * 16777619U;
}


void
portal_subkey_mac_begin(const portal_keys_t *keys, portal_use_e use,
    const char *purpose, portal_text_t tenant,
    crypto_auth_hmacsha256_state *st)
{
    *st = portal_subkey(keys, keys->n - 1, use, purpose, tenant)->mac;
}


void
portal_subkey_mac(const portal_keys_t *keys, portal_use_e use,
    const char *purpose, portal_text_t tenant, portal_text_t text,
    uint8_t out[PORTAL_MAC_LEN])
{
    crypto_auth_hmacsha256_state  st;

    portal_subkey_mac_begin(keys, use, purpose, tenant, &st);

    crypto_auth_hmacsha256_update(&st, (const uint8_t *) text.data, text.len);
    crypto_auth_hmacsha256_final(&st, out);

    sodium_memzero(&st, sizeof(st));
}
