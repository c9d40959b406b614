
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_SUBKEY_H_INCLUDED_
#define _PORTAL_SUBKEY_H_INCLUDED_


#include <sodium.h>

#include "portal_crypto.h"


/*
 * Subkeys: inside this folder only.  The use keeps the callers' purposes
 * apart from those of the folder itself.
 */

typedef enum {
    PORTAL_USE_MAC = 'm',       /* portal_mac() */
    PORTAL_USE_SEAL = 's',      /* portal_seal() */
    PORTAL_USE_BYTES = 'b',     /* portal_seal_bytes() */
    PORTAL_USE_FORM = 'f',      /* CSRF tokens and captcha challenges */
    PORTAL_USE_CHECK = 'c',     /* portal_keys_check() */
} portal_use_e;

typedef struct {
    uint8_t                       key[32];
    crypto_auth_hmacsha256_state  mac;      /* keyed with key */

    uint32_t                      hash;
    uint8_t                       slot;
    uint8_t                       use;      /* 0 in a free entry */
    uint8_t                       purpose_len;
    uint8_t                       tenant_len;
    char                          name[96];
} portal_subkey_t;

/* secrets that were brought lately: sets whose hashes share a cache line */

#define PORTAL_KNOWN_SIP   crypto_shorthash_siphashx24_BYTES
#define PORTAL_KNOWN_SETS  1024
#define PORTAL_KNOWN_WAYS  4

typedef struct {
    uint8_t  sip[PORTAL_KNOWN_WAYS][PORTAL_KNOWN_SIP];
    uint8_t  mac[PORTAL_KNOWN_WAYS][PORTAL_MAC_LEN];
} portal_known_set_t;

typedef struct {
    uint8_t             key[crypto_shorthash_siphashx24_KEYBYTES];
    uint8_t             turn[PORTAL_KNOWN_SETS];    /* next way to go */
    portal_known_set_t  sets[PORTAL_KNOWN_SETS];
} portal_known_t;

portal_known_t *portal_keys_known(const portal_keys_t *keys);

/* the place in the file of the key that seals, and of an id's; or -1 */
unsigned portal_key_active(const portal_keys_t *keys);
int portal_key_slot(const portal_keys_t *keys, unsigned id);
uint8_t portal_key_id(const portal_keys_t *keys, unsigned slot);

/* good until the next call; never NULL */
const portal_subkey_t *portal_subkey(const portal_keys_t *keys, unsigned slot,
    portal_use_e use, const char *purpose, portal_text_t tenant);

/* HMAC-SHA-256 with the oldest key's subkey */
void portal_subkey_mac(const portal_keys_t *keys, portal_use_e use,
    const char *purpose, portal_text_t tenant, portal_text_t text,
    uint8_t out[PORTAL_MAC_LEN]);
/* the same for what is not in one piece: to be wiped by its end */
void portal_subkey_mac_begin(const portal_keys_t *keys, portal_use_e use,
    const char *purpose, portal_text_t tenant,
    crypto_auth_hmacsha256_state *st);

/*
 * The key file's text, which this call does not keep; name is for messages.
 * portal_keys_read() is this and the reading.
 */
portal_keys_t *portal_keys_parse(const char *name, const char *text,
    size_t len, char *err, size_t errlen);


#endif /* _PORTAL_SUBKEY_H_INCLUDED_ */
