
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_B64_H_INCLUDED_
#define _PORTAL_B64_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/*
 * base64url without padding (RFC 4648, 5), with no branch or table index that
 * depends on the bytes: secrets pass through here.
 */

/* chars for len bytes */
size_t portal_b64_len(size_t len);

/*
 * Not terminated; returns the chars written.  in may lie within out provided
 * that it ends where out's portal_b64_len(len) chars end.
 */
size_t portal_b64_encode(const uint8_t *in, size_t len, char *out);

/*
 * Only the canonical text decodes: no padding, no stray bits.  out needs
 * len * 3 / 4 bytes.  Returns 0 and the bytes in *outlen, or -1.
 */
int portal_b64_decode(const char *in, size_t len, uint8_t *out,
    size_t *outlen);


#endif /* _PORTAL_B64_H_INCLUDED_ */
