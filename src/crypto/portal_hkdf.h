
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_HKDF_H_INCLUDED_
#define _PORTAL_HKDF_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


#define PORTAL_HKDF_LEN  32
#define PORTAL_HKDF_MAX  8160           /* 255 blocks */


/* HKDF-SHA-256 (RFC 5869), which libsodium 1.0.18 does not have */

void portal_hkdf_extract(const void *salt, size_t salt_len, const void *ikm,
    size_t ikm_len, uint8_t prk[PORTAL_HKDF_LEN]);
/* -1 when more than 255 blocks are asked */
int portal_hkdf_expand(const uint8_t prk[PORTAL_HKDF_LEN], const void *info,
    size_t info_len, uint8_t *out, size_t outlen);


#endif /* _PORTAL_HKDF_H_INCLUDED_ */
