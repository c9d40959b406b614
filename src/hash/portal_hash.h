
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_HASH_H_INCLUDED_
#define _PORTAL_HASH_H_INCLUDED_


#include <ngx_thread_pool.h>

#include "../core/portal_op.h"
#include "../input/portal_breached.h"


/*
 * Argon2id off the event loop.  A shared counter lets at most as many hashes
 * run on the node as the machine has cores; the queue is bounded, and beyond
 * it the operation ends BUSY at once.
 */

#define PORTAL_HASH_LEN       128       /* crypto_pwhash_STRBYTES */
#define PORTAL_HASH_PASSWORD  1024      /* bytes */
#define PORTAL_HASH_SHARED    64        /* words: see portal_hash_turn() */

typedef struct portal_hash_s  portal_hash_t;


typedef struct {
    portal_op_t               op;           /* first */

    unsigned                  look:1;       /* in the list of breached
                                               passwords, and nothing else */
    unsigned                  verify:1;     /* else make a new hash */
    unsigned                  breached:1;   /* result of look */
    unsigned                  unread:1;     /* or nobody knows: the list could
                                               not be read */
    ngx_err_t                 err;          /* of unread; 0: it is no more what
                                               it was when opened */
    unsigned                  match:1;      /* result of verify */
    unsigned                  weak:1;       /* verified, and should be
                                               hashed again */
    uint64_t                  took;         /* microseconds, with the wait */
    size_t                    len;
    u_char                    password[PORTAL_HASH_PASSWORD];
    char                      hash[PORTAL_HASH_LEN];  /* in, or out */
} portal_hash_op_t;


/*
 * shared: PORTAL_HASH_SHARED zeroed ngx_atomic_t of the node in shared memory;
 * limit: how many hashes may run on the node, queue: how many may wait in
 * this worker; breached: for "look", or NULL.  For a worker's start: it makes
 * the dummy hash, some 25 ms.  NULL without memory.
 */
portal_hash_t *portal_hash_create(ngx_cycle_t *cycle,
    ngx_thread_pool_t *pool, ngx_atomic_t *shared, ngx_uint_t limit,
    ngx_uint_t queue, const portal_breached_t *breached);

/*
 * For a worker's end, after its thread pools': a thread may still be at a hash
 * that was overtaken, and it needs what goes next.
 */
void portal_hash_destroy(portal_hash_t *hash);

/* NULL without memory */
portal_hash_op_t *portal_hash_op(portal_hash_t *hash);

/*
 * As portal_pg_post(): the operation is the service's from then on.  It ends
 * OK; or BUSY when the queue is full, or no turn or memory came in 10 s.
 * verify with an empty hash compares with a dummy of the current parameters:
 * the same work, never a match.  The stored hash's parameters are parsed and
 * bounded first; out of bounds never matches and costs what the dummy costs.
 * The password is wiped after the work, everything before the memory goes.
 */
void portal_hash_post(portal_hash_t *hash, portal_hash_op_t *op);

/* how many run on the node; pending: of this worker, waiting or running */
ngx_uint_t portal_hash_stats(portal_hash_t *hash, ngx_uint_t *pending);

/* wipes and frees an operation that was made and not posted */
void portal_hash_drop(portal_hash_op_t *op);


#endif /* _PORTAL_HASH_H_INCLUDED_ */
