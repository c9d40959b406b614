
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_ARGON2_H_INCLUDED_
#define _PORTAL_ARGON2_H_INCLUDED_


#include <stddef.h>


/*
 * Argon2id at OWASP's 19 MiB, two passes, one lane: some 15 ms and 19 MiB of
 * memory at each call, so never in an event loop.  These may run in any
 * thread.
 */

#define PORTAL_ARGON2_LEN  128          /* with the terminating zero */

/*
 * Memory that a caller keeps from one call to the next, so that the kernel
 * need not give out, and clear, 4864 pages each time: half of what a call
 * costs.  Begins as zeros; one call at a time.  From the blocks that a call
 * leaves a password is guessed without its cost, since the last pass can be
 * undone from them: the caller wipes them, unless another call follows, which
 * writes over them, or gives the memory back.
 */
typedef struct {
    void    *start;                     /* NULL: none yet */
    size_t   used;                      /* bytes, by the call that runs */
    size_t   left;                      /* bytes, with a call's blocks */
} portal_argon2_memory_t;

/*
 * 0 when an Argon2id string's parameters are worth verifying (id, v=19,
 * m <= 64 MiB, t <= 10, p = 1), -1 otherwise; *weak is set when they are
 * below today's 19 MiB, t=2.
 */
int portal_argon2_bounds(const char *hash, int *weak);

/*
 * terminated and padded with zeros; -1 only when memory is short; kept: NULL,
 * or what is taken instead of new memory
 */
int portal_argon2_make(const char *password, size_t len,
    char out[PORTAL_ARGON2_LEN], portal_argon2_memory_t *kept);

/*
 * 1 when it matches, 0 when not, -1 when memory is short; bounds first, or a
 * forged string costs gigabytes; kept as above
 */
int portal_argon2_verify(const char *hash, const char *password, size_t len,
    portal_argon2_memory_t *kept);

/*
 * For the two functions above: until it is called with NULL, what libsodium
 * maps in this thread is this memory.  Only where the program is linked with
 * libsodium's archive and --wrap, see portal_argon2_memory.c; elsewhere all
 * works as without.
 */
void portal_argon2_lend(portal_argon2_memory_t *kept);

/*
 * Maps and fills it, unless it is, so that a hash needs no more of the kernel;
 * -1 without memory, or where none can be lent.
 */
int portal_argon2_ready(portal_argon2_memory_t *kept);

/* some 1 ms where a hash has been */
void portal_argon2_wipe(portal_argon2_memory_t *kept);

/* back to the kernel, to begin anew */
void portal_argon2_free(portal_argon2_memory_t *kept);


#endif /* _PORTAL_ARGON2_H_INCLUDED_ */
