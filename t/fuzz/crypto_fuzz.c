
/*
 * Copyright (C) the portal's authors
 */


#include <stdlib.h>
#include <string.h>

#include "../../src/crypto/portal_captcha.h"
#include "../../src/crypto/portal_subkey.h"


/*
 * libFuzzer: the first byte chooses what reads the rest.  Besides memory,
 * what is accepted must be what we ourselves could have made.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEYS  "1 000102030405060708090a0b0c0d0e0f"                           \
              "101112131415161718191a1b1c1d1e1f\n"

static portal_keys_t  *keys;


static void
fuzz_code(portal_text_t in)
{
    char           out[PORTAL_CODE_LEN], again[PORTAL_CODE_LEN];
    portal_text_t  t;

    if (portal_code_clean(in, out) == 0) {
        t.data = out;
        t.len = sizeof(out);

        if (portal_code_clean(t, again) != 0
            || memcmp(out, again, sizeof(out)) != 0)
        {
            abort();
        }
    }
}


static void
fuzz_open(portal_text_t in)
{
    char           *out;
    portal_text_t   t;

    t.data = "t";
    t.len = 1;

    out = malloc(in.len + 1);
    if (out == NULL) {
        return;
    }

    (void) portal_open(keys, t, t, t, t, in, out, in.len);
    (void) portal_open_bytes(keys, "p", t, t, (const uint8_t *) in.data,
                             in.len, out, in.len);
    free(out);
}


static void
fuzz_captcha(portal_text_t in)
{
    char           id[PORTAL_MAC_HEX];
    int64_t        expires;
    unsigned       question;
    portal_text_t  t, half;

    t.data = "t";
    t.len = 1;
    half.data = in.data;
    half.len = in.len / 2;

    (void) portal_captcha_open(keys, t, t, 1800000000, in, &question, id,
                               &expires);
    (void) portal_captcha_work(keys, t, in, half);
    (void) portal_captcha_work(keys, t, half, in);

    if (portal_captcha_answer(in, &in, 1) > 1) {
        abort();
    }

    (void) portal_captcha_answer(half, &in, 1);
}


static void
fuzz_text(portal_text_t in)
{
    int             weak;
    char           *s, err[64];
    portal_text_t   t;
    portal_keys_t  *k;

    t.data = "t";
    t.len = 1;

    if (portal_csrf_check(keys, t, t, in)) {
        abort();
    }

    (void) portal_is_secret(in);

    s = malloc(in.len + 1);
    if (s == NULL) {
        return;
    }

    if (in.len) {
        memcpy(s, in.data, in.len);
    }

    s[in.len] = '\0';
    (void) portal_argon2_bounds(s, &weak);

    k = portal_keys_parse("fuzz", in.data, in.len, err, sizeof(err));
    if (k) {
        portal_mac(k, "email", t, in, (uint8_t *) err);
    }

    portal_keys_free(k);
    free(s);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           err[64];
    portal_text_t  in;

    if (keys == NULL) {
        if (portal_crypto_init() == -1) {
            abort();
        }

        keys = portal_keys_parse("fuzz", KEYS, sizeof(KEYS) - 1, err,
                                 sizeof(err));
    }

    if (size == 0) {
        return 0;
    }

    in.data = (const char *) data + 1;
    in.len = size - 1;

    switch (data[0] % 4) {

    case 0:
        fuzz_code(in);
        break;

    case 1:
        fuzz_open(in);
        break;

    case 2:
        fuzz_captcha(in);
        break;

    default:
        fuzz_text(in);
    }

    return 0;
}
