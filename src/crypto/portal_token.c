
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "portal_b64.h"
#include "portal_subkey.h"


#define PORTAL_EMAIL_MAX   320
#define PORTAL_CAF_DIGITS  7


void
portal_mac(const portal_keys_t *keys, const char *purpose,
    portal_text_t tenant, portal_text_t text, uint8_t out[PORTAL_MAC_LEN])
{
    portal_subkey_mac(keys, PORTAL_USE_MAC, purpose, tenant, text, out);
}


int
portal_mac_email(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t email, uint8_t out[PORTAL_MAC_LEN])
{
    char           buf[PORTAL_EMAIL_MAX], ch;
    size_t         i;
    portal_text_t  text;

    if (email.len == 0 || email.len > sizeof(buf)) {
        return -1;
    }

    for (i = 0; i < email.len; i++) {
        ch = email.data[i];
        buf[i] = (char) (ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch);
    }

    text.data = buf;
    text.len = email.len;

    portal_mac(keys, "email", tenant, text, out);

    return 0;
}


int
portal_mac_code(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t code, uint8_t out[PORTAL_MAC_LEN])
{
    char           buf[PORTAL_CODE_LEN];
    portal_text_t  text;

    if (portal_code_clean(code, buf) == -1) {
        return -1;
    }

    text.data = buf;
    text.len = sizeof(buf);

    portal_mac(keys, "code", tenant, text, out);

    sodium_memzero(buf, sizeof(buf));

    return 0;
}


void
portal_mac_value(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t kind, portal_text_t id, portal_text_t field,
    portal_text_t plain, uint8_t out[PORTAL_MAC_LEN])
{
    size_t                        i;
    const portal_text_t           part[] = { kind, id, field, plain };
    crypto_auth_hmacsha256_state  state;

    portal_subkey_mac_begin(keys, PORTAL_USE_MAC, "value", tenant, &state);

    for (i = 0; i < sizeof(part) / sizeof(part[0]); i++) {

        if (i > 0) {
            (void) crypto_auth_hmacsha256_update(&state,
                                                 (const uint8_t *) "/", 1);
        }

        (void) crypto_auth_hmacsha256_update(&state,
                                             (const uint8_t *) part[i].data,
                                             part[i].len);
    }

    (void) crypto_auth_hmacsha256_final(&state, out);
    portal_wipe(&state, sizeof(state));
}


int
portal_mac_caf(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t number, uint8_t out[PORTAL_MAC_LEN])
{
    char           digits[PORTAL_CAF_DIGITS];
    portal_text_t  text;

    if (number.len > sizeof(digits)) {
        return -1;
    }

    memset(digits, '0', sizeof(digits));
    memcpy(digits + sizeof(digits) - number.len, number.data, number.len);

    text.data = digits;
    text.len = sizeof(digits);

    portal_mac(keys, "caf", tenant, text, out);
    portal_wipe(digits, sizeof(digits));

    return 0;
}


void
portal_hex(const uint8_t *in, size_t len, char *out)
{
    size_t    i, k;
    unsigned  x[2];

    for (i = 0; i < len; i++) {
        x[0] = in[i] >> 4;
        x[1] = in[i] & 15;

        /* 39 more from '9' to 'a', without a branch */

        for (k = 0; k < 2; k++) {
            *out++ = (char) ('0' + x[k] + (((9U - x[k]) >> 8) & 39U));
        }
    }
}


void
portal_secret(char out[PORTAL_SECRET_B64])
{
    uint8_t  buf[PORTAL_SECRET_LEN];

    randombytes_buf(buf, sizeof(buf));
    (void) portal_b64_encode(buf, sizeof(buf), out);
    sodium_memzero(buf, sizeof(buf));
}


int
portal_is_secret(portal_text_t text)
{
    int      rc;
    size_t   len;
    uint8_t  buf[PORTAL_SECRET_LEN];

    if (text.len != PORTAL_SECRET_B64) {
        return 0;
    }

    rc = portal_b64_decode(text.data, text.len, buf, &len);
    sodium_memzero(buf, sizeof(buf));

    return rc == 0;
}


void
portal_uuid(char out[36])
{
    char      hex[32];
    size_t    i;
    uint8_t   buf[16];

    randombytes_buf(buf, sizeof(buf));

    buf[6] = (uint8_t) ((buf[6] & 0x0f) | 0x40);
    buf[8] = (uint8_t) ((buf[8] & 0x3f) | 0x80);

    portal_hex(buf, sizeof(buf), hex);

    for (i = 0; i < sizeof(hex); i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            *out++ = '-';
        }

        *out++ = hex[i];
    }
}


void
portal_csrf_make(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t binding, char out[PORTAL_CSRF_B64])
{
    size_t   i;
    uint8_t  buf[2 * PORTAL_MAC_LEN];

    portal_random(buf, PORTAL_MAC_LEN);
    portal_subkey_mac(keys, PORTAL_USE_FORM, "csrf", tenant, binding,
                      buf + PORTAL_MAC_LEN);

    for (i = 0; i < PORTAL_MAC_LEN; i++) {
        buf[PORTAL_MAC_LEN + i] ^= buf[i];
    }

    (void) portal_b64_encode(buf, sizeof(buf), out);
}


int
portal_csrf_check(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t binding, portal_text_t token)
{
    int      rc;
    size_t   i, len;
    uint8_t  buf[2 * PORTAL_MAC_LEN], mac[PORTAL_MAC_LEN];

    if (token.len != PORTAL_CSRF_B64
        || portal_b64_decode(token.data, token.len, buf, &len) == -1)
    {
        return 0;
    }

    for (i = 0; i < PORTAL_MAC_LEN; i++) {
        buf[PORTAL_MAC_LEN + i] ^= buf[i];
    }

    portal_subkey_mac(keys, PORTAL_USE_FORM, "csrf", tenant, binding, mac);

    rc = portal_equal(mac, buf + PORTAL_MAC_LEN, PORTAL_MAC_LEN);

    sodium_memzero(buf, sizeof(buf));
    sodium_memzero(mac, sizeof(mac));

    return rc;
}


int
portal_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}


void
portal_wipe(void *p, size_t len)
{
    sodium_memzero(p, len);
}
