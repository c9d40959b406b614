
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_PHOTO_H_INCLUDED_
#define _PORTAL_PHOTO_H_INCLUDED_


#include "../core/portal_op.h"
#include "portal_photo_head.h"


/*
 * A picture that came from outside becomes a small upright JPEG without
 * metadata, a town's logo a PNG where that is small, in a process of its own
 * (portal_photo_helper.c): no worker looks into it.  A bounded number of them
 * runs on the node, a bounded number of pictures waits in each worker.
 */

#define PORTAL_PHOTO_SHARED  32         /* words: the node's turns */

typedef struct portal_photo_s  portal_photo_t;


/* what nginx -t has checked; lives as long as the cycle */

typedef struct {
    ngx_str_t                 path;         /* of the program, terminated */
    ngx_uint_t                processes;    /* of the node; 0: half the cores */
    ngx_uint_t                queue;        /* waiting in this worker */
} portal_photo_conf_t;


typedef struct {
    portal_op_t               op;           /* first: casts both ways */

    ngx_str_t                 image;    /* in; the caller's, until the handler
                                           has run or the op is detached */
    ngx_uint_t                logo;     /* in; it is one, not a photo */
    ngx_str_t                 made;     /* out, of OK; lives until the handler
                                           returns */
    portal_photo_reason_e     reason;   /* of REFUSED */
    uint64_t                  took;     /* microseconds, with the wait */
} portal_photo_op_t;


/*
 * shared: PORTAL_PHOTO_SHARED zeroed ngx_atomic_t of the node in shared
 * memory.  For a worker's start.  From then on children of this process are
 * waited for here, and nginx's own handler of SIGCHLD rests: it would take
 * their exit status, and call an end by a signal an alert.  NULL without
 * memory.
 */
portal_photo_t *portal_photo_create(ngx_cycle_t *cycle,
    portal_photo_conf_t *conf, ngx_atomic_t *shared);

/* kills what runs */
void portal_photo_destroy(portal_photo_t *photo);

/* NULL without memory */
portal_photo_op_t *portal_photo_op(portal_photo_t *photo);

/*
 * As portal_pg_post(): the operation is the service's from then on.  patience:
 * how long it may wait for its turn, in milliseconds; then it has five
 * seconds.  It ends
 *
 *     OK       with what it was made;
 *     REFUSED  with the reason, which is the picture's fault;
 *     BUSY     when the queue is full, or no turn came in time;
 *     DOWN     when no process could be made, or none with a sandbox;
 *     LOST     when the process crashed or hung: most likely the picture's
 *              fault, too, so that trying again is of no use.
 */
void portal_photo_post(portal_photo_t *photo, portal_photo_op_t *op,
    ngx_msec_t patience);

/* frees an operation that was made and not posted */
void portal_photo_drop(portal_photo_op_t *op);

/* of this worker */
void portal_photo_stats(portal_photo_t *photo, ngx_uint_t *running,
    ngx_uint_t *waiting);


#endif /* _PORTAL_PHOTO_H_INCLUDED_ */
