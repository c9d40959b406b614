
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_ARGON2_H_INCLUDED_
#define _PORTAL_ARGON2_H_INCLUDED_


#include <stddef.h>


/*
 * Argon2id at OWASP's 19 MiB, two passes, one lane: some 25 ms and 19 MiB of
 * memory at each call, so never in an event loop.  These three may run in any
 * thread.
 */

#define PORTAL_ARGON2_LEN  128          /* with the terminating zero */

/*
 * 0 when an Argon2id string's parameters are worth verifying (id, v=19,
 * m <= 64 MiB, t <= 10, p = 1), -1 otherwise; *weak is set when they are
 * below today's 19 MiB, t=2.
 */
int portal_argon2_bounds(const char *hash, int *weak);

/* terminated and padded with zeros; -1 only when memory is short */
int portal_argon2_make(const char *password, size_t len,
    char out[PORTAL_ARGON2_LEN]);

/*
 * 1 when it matches, 0 when not, -1 when memory is short; bounds first, or a
 * forged string costs gigabytes
 */
int portal_argon2_verify(const char *hash, const char *password, size_t len);


#endif /* _PORTAL_ARGON2_H_INCLUDED_ */
