
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "portal_b64.h"
#include "portal_subkey.h"


#define PORTAL_SEAL_FORMAT  1
#define PORTAL_SEAL_HEAD    2           /* format, key id */
#define PORTAL_SEAL_NONCE   crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define PORTAL_SEAL_TAG     crypto_aead_xchacha20poly1305_ietf_ABYTES
#define PORTAL_SEAL_MAX     67108864
#define PORTAL_SEAL_PIECE   255         /* of the AAD */
#define PORTAL_SEAL_AAD     (PORTAL_SEAL_HEAD + 4 * (2 + PORTAL_SEAL_PIECE))


static size_t portal_aad(uint8_t aad[PORTAL_SEAL_AAD], uint8_t id,
    const portal_text_t *pieces, size_t n);
static int portal_seal_aad(const portal_keys_t *keys, portal_use_e use,
    const char *purpose, portal_text_t tenant, const portal_text_t *pieces,
    size_t n, const uint8_t *plain, size_t len, uint8_t *out);
static int portal_open_aad(const portal_keys_t *keys, portal_use_e use,
    const char *purpose, portal_text_t tenant, const portal_text_t *pieces,
    size_t n, const uint8_t *in, size_t len, uint8_t *out);


size_t
portal_sealed_len(size_t len)
{
    return portal_b64_len(len + PORTAL_SEAL_OVERHEAD);
}


int
portal_seal(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t kind, portal_text_t id, portal_text_t field,
    portal_text_t plain, char *out, size_t outlen)
{
    int            n;
    size_t         len;
    uint8_t       *p;
    portal_text_t  pieces[4];

    if (plain.len > PORTAL_SEAL_MAX || outlen < portal_sealed_len(plain.len)) {
        return -1;
    }

    pieces[0] = tenant;
    pieces[1] = kind;
    pieces[2] = id;
    pieces[3] = field;

    /* sealed at the end of the place that its own base64 then fills */

    len = portal_sealed_len(plain.len);
    p = (uint8_t *) out + len - (plain.len + PORTAL_SEAL_OVERHEAD);

    n = portal_seal_aad(keys, PORTAL_USE_SEAL, "seal", tenant, pieces, 4,
                        (const uint8_t *) plain.data, plain.len, p);
    if (n == -1) {
        return -1;
    }

    return (int) portal_b64_encode(p, (size_t) n, out);
}


int
portal_open(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t kind, portal_text_t id, portal_text_t field,
    portal_text_t text, char *out, size_t outlen)
{
    int            n;
    size_t         len;
    uint8_t       *p;
    portal_text_t  pieces[4];

    if (text.len < portal_sealed_len(0)
        || text.len > portal_sealed_len(PORTAL_SEAL_MAX)
        || outlen < text.len)
    {
        return -1;
    }

    pieces[0] = tenant;
    pieces[1] = kind;
    pieces[2] = id;
    pieces[3] = field;

    p = (uint8_t *) out;

    if (portal_b64_decode(text.data, text.len, p, &len) == -1) {
        return -1;
    }

    n = portal_open_aad(keys, PORTAL_USE_SEAL, "seal", tenant, pieces, 4,
                        p, len, p + PORTAL_SEAL_HEAD + PORTAL_SEAL_NONCE);
    if (n == -1) {
        return -1;
    }

    memmove(p, p + PORTAL_SEAL_HEAD + PORTAL_SEAL_NONCE, (size_t) n);
    sodium_memzero(p + n, len - (size_t) n);

    return n;
}


int
portal_seal_bytes(const portal_keys_t *keys, const char *purpose,
    portal_text_t tenant, portal_text_t id, const void *plain, size_t len,
    uint8_t *out, size_t outlen)
{
    portal_text_t  pieces[3];

    if (len > PORTAL_SEAL_MAX || outlen < len + PORTAL_SEAL_OVERHEAD) {
        return -1;
    }

    pieces[0] = tenant;
    pieces[1].data = purpose;
    pieces[1].len = strlen(purpose);
    pieces[2] = id;

    return portal_seal_aad(keys, PORTAL_USE_BYTES, purpose, tenant, pieces, 3,
                           plain, len, out);
}


int
portal_open_bytes(const portal_keys_t *keys, const char *purpose,
    portal_text_t tenant, portal_text_t id, const uint8_t *in, size_t len,
    void *out, size_t outlen)
{
    portal_text_t  pieces[3];

    if (len < PORTAL_SEAL_OVERHEAD
        || len > PORTAL_SEAL_MAX + PORTAL_SEAL_OVERHEAD
        || outlen < len - PORTAL_SEAL_OVERHEAD)
    {
        return -1;
    }

    pieces[0] = tenant;
    pieces[1].data = purpose;
    pieces[1].len = strlen(purpose);
    pieces[2] = id;

    return portal_open_aad(keys, PORTAL_USE_BYTES, purpose, tenant, pieces, 3,
                           in, len, out);
}


/*
 * Format, key id, then the pieces, each after its length in two bytes; there
 * are four at most.  Returns the length, 0 when a piece is too long.
 */

static size_t
portal_aad(uint8_t aad[PORTAL_SEAL_AAD], uint8_t id,
    const portal_text_t *pieces, size_t n)
{
    size_t    i;
    uint8_t  *p;

    p = aad;

    *p++ = PORTAL_SEAL_FORMAT;
    *p++ = id;

    for (i = 0; i < n; i++) {
        if (pieces[i].len > PORTAL_SEAL_PIECE) {
            return 0;
        }

        *p++ = 0;
        *p++ = (uint8_t) pieces[i].len;

        if (pieces[i].len) {
            memcpy(p, pieces[i].data, pieces[i].len);
            p += pieces[i].len;
        }
    }

    return (size_t) (p - aad);
}


static int
portal_seal_aad(const portal_keys_t *keys, portal_use_e use,
    const char *purpose, portal_text_t tenant, const portal_text_t *pieces,
    size_t n, const uint8_t *plain, size_t len, uint8_t *out)
{
    size_t                  aadlen;
    uint8_t                 id, *nonce, aad[PORTAL_SEAL_AAD];
    unsigned long long      clen;
    const portal_subkey_t  *sk;

    id = portal_key_id(keys, portal_key_active(keys));

    aadlen = portal_aad(aad, id, pieces, n);
    if (aadlen == 0) {
        return -1;
    }

    sk = portal_subkey(keys, portal_key_active(keys), use, purpose, tenant);

    out[0] = PORTAL_SEAL_FORMAT;
    out[1] = id;

    nonce = out + PORTAL_SEAL_HEAD;
    randombytes_buf(nonce, PORTAL_SEAL_NONCE);

    if (crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + PORTAL_SEAL_NONCE,
            &clen, plain, len, aad, aadlen, NULL, nonce, sk->key)
        != 0)
    {
        return -1;
    }

    return (int) (PORTAL_SEAL_HEAD + PORTAL_SEAL_NONCE + clen);
}


/* out may be the place of the ciphertext itself */

static int
portal_open_aad(const portal_keys_t *keys, portal_use_e use,
    const char *purpose, portal_text_t tenant, const portal_text_t *pieces,
    size_t n, const uint8_t *in, size_t len, uint8_t *out)
{
    int                     slot;
    size_t                  aadlen;
    uint8_t                 aad[PORTAL_SEAL_AAD];
    const uint8_t          *nonce;
    unsigned long long      mlen;
    const portal_subkey_t  *sk;

    if (len < PORTAL_SEAL_OVERHEAD || in[0] != PORTAL_SEAL_FORMAT) {
        return -1;
    }

    slot = portal_key_slot(keys, in[1]);

    aadlen = portal_aad(aad, in[1], pieces, n);

    if (slot == -1 || aadlen == 0) {
        return -1;
    }

    sk = portal_subkey(keys, (unsigned) slot, use, purpose, tenant);

    nonce = in + PORTAL_SEAL_HEAD;

    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, &mlen, NULL,
            nonce + PORTAL_SEAL_NONCE,
            len - PORTAL_SEAL_HEAD - PORTAL_SEAL_NONCE, aad, aadlen,
            nonce, sk->key)
        != 0)
    {
        return -1;
    }

    return (int) mlen;
}
