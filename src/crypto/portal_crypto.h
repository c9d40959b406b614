
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_CRYPTO_H_INCLUDED_
#define _PORTAL_CRYPTO_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include "portal_argon2.h"


/*
 * Keys, MACs and sealed values over libsodium: plain C, no allocation after
 * the keys are read.  Every failure is one and the same -1: a caller can tell
 * a person nothing of the cause, nor should it.  Keys hold a table of subkeys
 * that each call may change: one thread of a process only.
 */

#define PORTAL_MAC_LEN     32
#define PORTAL_MAC_HEX     64
#define PORTAL_SECRET_LEN  32      /* cookies, mail tokens */
#define PORTAL_SECRET_B64  43
#define PORTAL_CSRF_B64    86      /* mask + masked token, base64url */

typedef struct portal_keys_s  portal_keys_t;

typedef struct {
    const char  *data;
    size_t       len;
} portal_text_t;

/* sodium_init(), once per process before anything else; -1 on failure */
int portal_crypto_init(void);

/*
 * Reads the key file: owner-only (no group or other permission bits), one
 * "id hex64" per line, id 1 to 255, first line active, last line oldest,
 * '#' comments.  NULL with a message for nginx -t in err on failure.
 */
portal_keys_t *portal_keys_read(const char *path, char *err, size_t errlen);
void portal_keys_free(portal_keys_t *keys);
/* a new key file, mode 0400, never over an existing one */
int portal_keys_make(const char *path);
/* proves that this key file is the database's: a MAC of a constant */
void portal_keys_check(const portal_keys_t *keys, char hex[PORTAL_MAC_HEX]);

/*
 * HMAC-SHA-256 under the subkey (HKDF-SHA-256) of purpose and tenant, made
 * with the *oldest* key of the file so that indexes survive a rotation of
 * the active key.
 */
void portal_mac(const portal_keys_t *keys, const char *purpose,
    portal_text_t tenant, portal_text_t text, uint8_t out[PORTAL_MAC_LEN]);
/*
 * portal_mac() of a secret that comes with each request, quicker where it came
 * lately; -1 when it has not the form of one, see portal_is_secret().
 */
int portal_mac_secret(const portal_keys_t *keys, const char *purpose,
    portal_text_t tenant, portal_text_t secret, uint8_t out[PORTAL_MAC_LEN]);
/* purpose "email": ASCII letters in lower case; -1 when empty or too long */
int portal_mac_email(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t email, uint8_t out[PORTAL_MAC_LEN]);
/* purpose "code", of what portal_code_clean() makes; -1 when it refuses */
int portal_mac_code(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t code, uint8_t out[PORTAL_MAC_LEN]);
/*
 * Purpose "value", of kind/id/field/plain: the same only for the same value in
 * the same place.  Purpose "caf", of an allocataire's number with all its
 * digits: it is searched for; -1 when it is too long.
 */
void portal_mac_value(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t kind, portal_text_t id, portal_text_t field,
    portal_text_t plain, uint8_t out[PORTAL_MAC_LEN]);
int portal_mac_caf(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t number, uint8_t out[PORTAL_MAC_LEN]);
/* lower case, 2 * len chars, not terminated */
void portal_hex(const uint8_t *in, size_t len, char *out);

/* what a file is told apart by: BLAKE2b-256, added to piece by piece */
typedef struct {
    uint8_t  state[384] __attribute__((aligned(64)));
} portal_digest_t;

void portal_digest_init(portal_digest_t *digest);
void portal_digest_add(portal_digest_t *digest, const void *data, size_t len);
void portal_digest_hex(portal_digest_t *digest, char hex[PORTAL_MAC_HEX]);

/* bytes needed for the base64url text of a sealed value of len bytes */
size_t portal_sealed_len(size_t len);
/* out: portal_sealed_len() chars, not terminated; returns the length, -1 */
int portal_seal(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t kind, portal_text_t id, portal_text_t field,
    portal_text_t plain, char *out, size_t outlen);
/* out: at least text.len bytes; returns the plain length, or -1 */
int portal_open(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t kind, portal_text_t id, portal_text_t field,
    portal_text_t text, char *out, size_t outlen);
/* the same for bytes that are no text: session records; AAD = purpose|id */
int portal_seal_bytes(const portal_keys_t *keys, const char *purpose,
    portal_text_t tenant, portal_text_t id, const void *plain, size_t len,
    uint8_t *out, size_t outlen);
int portal_open_bytes(const portal_keys_t *keys, const char *purpose,
    portal_text_t tenant, portal_text_t id, const uint8_t *in, size_t len,
    void *out, size_t outlen);
#define PORTAL_SEAL_OVERHEAD  (2 + 24 + 16)

/*
 * The system's random bytes, drawn ahead: for what is shown and only has to be
 * another one each time (masks, ids of requests), never for a secret.
 * forget: where a process begins, before its first ones.
 */
void portal_random(void *out, size_t len);
void portal_random_forget(void);

/* 32 random bytes as base64url (43 chars, not terminated) */
void portal_secret(char out[PORTAL_SECRET_B64]);
/* 1 when the text has the form of portal_secret()'s */
int portal_is_secret(portal_text_t text);
/* a random version-4 UUID, lower case, 36 chars, not terminated */
void portal_uuid(char out[36]);

/*
 * CSRF token of a session or visitor cookie's MAC, masked with fresh random
 * bytes at each call so that compression never leaks it (BREACH).
 */
void portal_csrf_make(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t binding, char out[PORTAL_CSRF_B64]);
int portal_csrf_check(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t binding, portal_text_t token);

/*
 * Code abonne: 11 random symbols of 31 and a check symbol, XXXX-XXXX-XXXX.
 * clean: forgives spaces, dashes, case; returns 0 and 12 letters and digits,
 * or -1 when there is anything else.  Whether these are symbols, and the last
 * one is right, is nothing to tell before a try is counted: what no letter
 * has is to look as what is used or over.  The browser says so (more.js).
 */
#define PORTAL_CODE_LEN  12
void portal_code_make(char out[PORTAL_CODE_LEN]);
int portal_code_clean(portal_text_t in, char out[PORTAL_CODE_LEN]);

/*
 * A code as the database keeps it: what it is found by, and what its letter is
 * printed from, sealed for the row of that id.  shown: with its dashes,
 * terminated, for who has to tell it; wipe it.  -1: it cannot be sealed.
 */
#define PORTAL_ISSUE_SEALED  96
typedef struct {
    char    shown[PORTAL_CODE_LEN + 3];
    char    mac[PORTAL_MAC_HEX];
    char    sealed[PORTAL_ISSUE_SEALED];
    size_t  sealed_len;
} portal_issued_t;

int portal_code_issue(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t id, portal_issued_t *out);

/*
 * One-time codes of an authenticator (RFC 6238: 6 digits, a step of 30 s).
 * make: a fresh secret of 160 bits in base32, not terminated; -1: no memory.
 * check: the time step that the code is of, among that of now, the one before
 * and the one after, or -1; as much work whatever the code.
 */
#define PORTAL_TOTP_SECRET  32
#define PORTAL_TOTP_DIGITS  6
#define PORTAL_TOTP_STEP    30
int portal_totp_init(void);     /* by portal_crypto_init() */
int portal_totp_make(char out[PORTAL_TOTP_SECRET]);
int64_t portal_totp_check(portal_text_t secret, portal_text_t code,
    int64_t now);

/*
 * Standard Webhooks: a secret, not terminated, and a signature of a message
 * under it, not terminated; -1: it is no such secret.
 */
#define PORTAL_SIGNING_SECRET  50
#define PORTAL_SIGNATURE       47
void portal_signing_make(char out[PORTAL_SIGNING_SECRET]);
int portal_signing_sign(portal_text_t secret, portal_text_t id,
    portal_text_t timestamp, portal_text_t body, char out[PORTAL_SIGNATURE]);

/* constant time; 1 when equal */
int portal_equal(const void *a, const void *b, size_t len);
void portal_wipe(void *p, size_t len);


#endif /* _PORTAL_CRYPTO_H_INCLUDED_ */
