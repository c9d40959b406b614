
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "portal_b64.h"
#include "portal_captcha.h"
#include "portal_fold.h"
#include "portal_subkey.h"


/*
 * A challenge is base64url(payload) "." base64url(MAC of the payload under
 * the town's subkey).  The payload: version, seconds (8 bytes), question (2),
 * salt (16), SHA-256 of the salt in hex and the number in decimal (32), name
 * of the form.
 */

#define PORTAL_CAPTCHA_VERSION   1
#define PORTAL_CAPTCHA_SALT      16
#define PORTAL_CAPTCHA_SALT_HEX  32
#define PORTAL_CAPTCHA_TIME      1
#define PORTAL_CAPTCHA_QUESTION  9
#define PORTAL_CAPTCHA_SALT_AT   11
#define PORTAL_CAPTCHA_TARGET    27
#define PORTAL_CAPTCHA_FORM      59
#define PORTAL_CAPTCHA_FORM_MAX  64
#define PORTAL_CAPTCHA_MAC       43     /* chars */

#define PORTAL_CAPTCHA_FOLDED    128


typedef struct {
    size_t   len;
    uint8_t  data[PORTAL_CAPTCHA_LEN];
    uint8_t  mac[PORTAL_MAC_LEN];
} portal_payload_t;


static int portal_captcha_read(const portal_keys_t *keys,
    portal_text_t tenant, portal_text_t challenge, portal_payload_t *pl);
static void portal_captcha_sign(const portal_keys_t *keys,
    portal_text_t tenant, portal_payload_t *pl);
static void portal_captcha_hash(const uint8_t *salt, const char *number,
    size_t len, uint8_t out[32]);


int
portal_captcha_make(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t form, int64_t now, unsigned questions,
    portal_captcha_t *out)
{
    char              digits[8], *p;
    uint8_t          *salt;
    unsigned          i, n;
    portal_payload_t  pl;

    if (form.len > PORTAL_CAPTCHA_FORM_MAX || now < 0) {
        return -1;
    }

    if (questions > 65536) {
        questions = 65536;
    }

    out->question = questions ? randombytes_uniform(questions) : 0;

    pl.data[0] = PORTAL_CAPTCHA_VERSION;

    for (i = 0; i < 8; i++) {
        pl.data[PORTAL_CAPTCHA_TIME + i] =
                                    (uint8_t) ((uint64_t) now >> (56 - 8 * i));
    }

    pl.data[PORTAL_CAPTCHA_QUESTION] = (uint8_t) (out->question >> 8);
    pl.data[PORTAL_CAPTCHA_QUESTION + 1] = (uint8_t) (out->question & 0xff);

    salt = pl.data + PORTAL_CAPTCHA_SALT_AT;
    randombytes_buf(salt, PORTAL_CAPTCHA_SALT);

    p = digits + sizeof(digits);

    for (n = 1 + randombytes_uniform(PORTAL_CAPTCHA_POW_MAX); n; n /= 10) {
        *--p = (char) ('0' + n % 10);
    }

    portal_captcha_hash(salt, p, (size_t) (digits + sizeof(digits) - p),
                        pl.data + PORTAL_CAPTCHA_TARGET);

    if (form.len) {
        memcpy(pl.data + PORTAL_CAPTCHA_FORM, form.data, form.len);
    }

    pl.len = PORTAL_CAPTCHA_FORM + form.len;

    portal_captcha_sign(keys, tenant, &pl);

    out->len = portal_b64_encode(pl.data, pl.len, out->challenge);
    out->challenge[out->len++] = '.';
    out->len += portal_b64_encode(pl.mac, PORTAL_MAC_LEN,
                                  out->challenge + out->len);

    portal_hex(salt, PORTAL_CAPTCHA_SALT, out->salt);
    out->salt_len = PORTAL_CAPTCHA_SALT_HEX;

    portal_hex(pl.data + PORTAL_CAPTCHA_TARGET, 32, out->target);

    sodium_memzero(digits, sizeof(digits));

    return 0;
}


portal_captcha_e
portal_captcha_open(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t form, int64_t now, portal_text_t challenge,
    unsigned *question, char id[PORTAL_MAC_HEX], int64_t *expires)
{
    int64_t           issued;
    unsigned          i;
    portal_payload_t  pl;

    if (portal_captcha_read(keys, tenant, challenge, &pl) == -1
        || pl.len - PORTAL_CAPTCHA_FORM != form.len
        || (form.len
            && memcmp(pl.data + PORTAL_CAPTCHA_FORM, form.data, form.len)
               != 0))
    {
        return PORTAL_CAPTCHA_INVALID;
    }

    issued = 0;

    for (i = 0; i < 8; i++) {
        issued = issued << 8 | pl.data[PORTAL_CAPTCHA_TIME + i];
    }

    *question = (unsigned) pl.data[PORTAL_CAPTCHA_QUESTION] << 8
                | pl.data[PORTAL_CAPTCHA_QUESTION + 1];
    *expires = issued + PORTAL_CAPTCHA_MAX_AGE;
    portal_hex(pl.mac, PORTAL_MAC_LEN, id);

    /* another node's clock may be ahead: too fast as well */

    if (now < issued + PORTAL_CAPTCHA_MIN_AGE) {
        return PORTAL_CAPTCHA_FAST;
    }

    return now > *expires ? PORTAL_CAPTCHA_LATE : PORTAL_CAPTCHA_OK;
}


int
portal_captcha_work(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t challenge, portal_text_t pow)
{
    size_t            i;
    uint8_t           hash[32];
    unsigned          n;
    portal_payload_t  pl;

    if (pow.len < 1 || pow.len > 5 || pow.data[0] == '0') {
        return 0;
    }

    for (i = 0, n = 0; i < pow.len; i++) {
        if (pow.data[i] < '0' || pow.data[i] > '9') {
            return 0;
        }

        n = n * 10 + (unsigned) (pow.data[i] - '0');
    }

    if (n > PORTAL_CAPTCHA_POW_MAX
        || portal_captcha_read(keys, tenant, challenge, &pl) == -1)
    {
        return 0;
    }

    portal_captcha_hash(pl.data + PORTAL_CAPTCHA_SALT_AT, pow.data, pow.len,
                        hash);

    return portal_equal(hash, pl.data + PORTAL_CAPTCHA_TARGET, sizeof(hash));
}


int
portal_captcha_answer(portal_text_t given, const portal_text_t *accepted,
    size_t n)
{
    char    one[PORTAL_CAPTCHA_FOLDED], two[PORTAL_CAPTCHA_FOLDED];
    size_t  i, len;

    len = portal_fold(given.data, given.len, one, sizeof(one));

    if (len == 0) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        if (portal_fold(accepted[i].data, accepted[i].len, two, sizeof(two))
            == len
            && memcmp(one, two, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static int
portal_captcha_read(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t challenge, portal_payload_t *pl)
{
    size_t       len, maclen;
    uint8_t      mac[PORTAL_MAC_LEN];
    const char  *dot;

    if (challenge.len <= PORTAL_CAPTCHA_MAC
        || challenge.len > PORTAL_CAPTCHA_LEN)
    {
        return -1;
    }

    len = challenge.len - PORTAL_CAPTCHA_MAC - 1;
    dot = challenge.data + len;

    if (*dot != '.'
        || portal_b64_decode(dot + 1, PORTAL_CAPTCHA_MAC, mac, &maclen) == -1
        || portal_b64_decode(challenge.data, len, pl->data, &pl->len) == -1)
    {
        return -1;
    }

    portal_captcha_sign(keys, tenant, pl);

    if (!portal_equal(mac, pl->mac, PORTAL_MAC_LEN)
        || pl->len < PORTAL_CAPTCHA_FORM
        || pl->data[0] != PORTAL_CAPTCHA_VERSION)
    {
        return -1;
    }

    return 0;
}


static void
portal_captcha_sign(const portal_keys_t *keys, portal_text_t tenant,
    portal_payload_t *pl)
{
    portal_text_t  text;

    text.data = (const char *) pl->data;
    text.len = pl->len;

    portal_subkey_mac(keys, PORTAL_USE_FORM, "captcha", tenant, text, pl->mac);
}


static void
portal_captcha_hash(const uint8_t *salt, const char *number, size_t len,
    uint8_t out[32])
{
    char                      hex[PORTAL_CAPTCHA_SALT_HEX];
    crypto_hash_sha256_state  st;

    portal_hex(salt, PORTAL_CAPTCHA_SALT, hex);

    crypto_hash_sha256_init(&st);
    crypto_hash_sha256_update(&st, (const uint8_t *) hex, sizeof(hex));
    crypto_hash_sha256_update(&st, (const uint8_t *) number, len);
    crypto_hash_sha256_final(&st, out);
}
