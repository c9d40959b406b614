
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_HASH_TURN_H_INCLUDED_
#define _PORTAL_HASH_TURN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * At most limit hashes run on the node, each in its turn; for threads.  shared
 * is as portal_hash_create() has it.
 */

/*
 * Waits for a turn, which is given back by compare and set of its stamp to 0.
 * NULL when the deadline passes or the worker is told to stop.
 */
ngx_atomic_t *portal_hash_turn(ngx_atomic_t *shared, ngx_uint_t limit,
    ngx_atomic_uint_t deadline, ngx_atomic_uint_t *stamp);

/* how many run on the node */
ngx_uint_t portal_hash_running(ngx_atomic_t *shared, ngx_uint_t limit);

/* ms; the same clock for all processes, ngx_current_msec is the event loop's */
ngx_atomic_uint_t portal_hash_now(void);


#endif /* _PORTAL_HASH_TURN_H_INCLUDED_ */
