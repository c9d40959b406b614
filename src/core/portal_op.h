
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_OP_H_INCLUDED_
#define _PORTAL_OP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/*
 * One asynchronous operation: an SQL pipeline, a Redis command, a password
 * hash.  It is owned by its service, never by the request's pool, because the
 * request may be gone before the answer comes.  The caller keeps a pointer
 * until its handler has run or until it detaches; after either it must not
 * touch the operation again.
 *
 * The handler runs exactly once, in the worker's event loop and never from
 * within the call that posted the operation.
 */

typedef struct portal_op_s  portal_op_t;

typedef void (*portal_op_handler_pt)(portal_op_t *op);


typedef enum {
    PORTAL_OP_OK = 0,
    PORTAL_OP_REFUSED,      /* the backend answered with an error */
    PORTAL_OP_BUSY,         /* queue full, or no turn before the deadline */
    PORTAL_OP_DOWN,         /* no connection to the backend; nothing sent */
    PORTAL_OP_LOST,         /* sent, and the answer never came: unknown */
} portal_op_status_e;


struct portal_op_s {
    portal_op_handler_pt      handler;
    void                     *data;

    ngx_log_t                *log;      /* of whom a failure concerns, so that
                                           its one line names the request */

    portal_op_status_e        status;

    ngx_event_t               timer;    /* the deadline; keeps a quitting
                                           worker alive until it is met */
    ngx_queue_t               queue;

    unsigned                  detached:1;
    unsigned                  posted:1;
};


/* forgets the caller: the operation ends by itself, its result is dropped */
#define portal_op_detach(op)                                                  \
    do {                                                                      \
        (op)->detached = 1;                                                   \
        (op)->handler = NULL;                                                 \
        (op)->data = NULL;                                                    \
        (op)->log = NULL;                                                     \
    } while (0)


/* the operation whose deadline this event is */
#define portal_op_of_timer(ev)                                                \
    ((portal_op_t *) ((u_char *) (ev) - offsetof(portal_op_t, timer)))


/*
 * Prepares a timer or posted event that belongs to no connection: nginx
 * logs the descriptor of ev->data when it debugs, so that it has to be
 * something like one.  Not cancelable; housekeeping sets ev->cancelable.
 */
void portal_op_event(ngx_event_t *ev, ngx_event_handler_pt handler,
    ngx_log_t *log);

/* microseconds of a clock that no one sets */
uint64_t portal_op_clock(void);


#endif /* _PORTAL_OP_H_INCLUDED_ */
