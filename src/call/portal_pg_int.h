
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_PG_INT_H_INCLUDED_
#define _PORTAL_PG_INT_H_INCLUDED_


#include "portal_pg.h"
#include "../core/portal_count.h"

#include <libpq-fe.h>


/* a statement is prepared and executed, all statements may be reset before */
#define PORTAL_PG_STEPS  (1 + 2 * PORTAL_PG_STATEMENTS)


typedef struct portal_pg_conn_s  portal_pg_conn_t;


typedef enum {
    PORTAL_PG_CLOSED = 0,
    PORTAL_PG_CONNECTING,
    PORTAL_PG_IDLE,
    PORTAL_PG_BUSY
} portal_pg_state_e;


typedef enum {
    PORTAL_PG_RESET = 0,
    PORTAL_PG_PREPARE,
    PORTAL_PG_EXECUTE
} portal_pg_step_e;


/* what a pipeline's end says about the connection and its task */

typedef enum {
    PORTAL_PG_NO_ERROR = 0,
    PORTAL_PG_STATEMENT_ERROR,  /* the connection remains usable */
    PORTAL_PG_STALE_PLAN,       /* prepare again */
    PORTAL_PG_SERVER_ERROR,     /* rolled back, on a server that goes away
                                   or has become read only */
    PORTAL_PG_BROKEN            /* nothing is known */
} portal_pg_error_e;


typedef struct {
    portal_pg_op_t            op;       /* first: casts both ways */

    portal_pg_t              *pg;
    portal_pg_conn_t         *conn;     /* while it executes */

    PGresult                 *results[PORTAL_PG_STATEMENTS];
    int                       nparams[PORTAL_PG_STATEMENTS];

    uint64_t                  posted;
    uint64_t                  sent;     /* 0: not yet */

    unsigned                  retried:1;
    unsigned                  replanned:1;
} portal_pg_task_t;


struct portal_pg_conn_s {
    ngx_queue_t               queue;    /* of the pool's idle or closed */

    portal_pg_t              *pg;
    PGconn                   *pq;
    ngx_connection_t         *c;

    portal_pg_state_e         state;
    ngx_uint_t                host;
    ngx_msec_t                used;
    ngx_msec_t                expires;

    portal_pg_task_t         *task;

    struct {
        portal_pg_step_e      what;
        ngx_uint_t            query;
    } steps[PORTAL_PG_STEPS];

    ngx_uint_t                nsteps;
    ngx_uint_t                step;

    portal_pg_error_e         error;

    uint64_t                  prepared[PORTAL_PG_STATEMENTS_MAX / 64];

    unsigned                  reset:1;  /* forget all statements first */
    unsigned                  dying:1;  /* the server has said good-bye */
};


struct portal_pg_s {
    portal_pg_conf_t         *conf;
    ngx_log_t                *log;

    portal_pg_conn_t         *conns;
    ngx_queue_t               idle;     /* last used first */
    ngx_queue_t               closed;

    ngx_queue_t               waiting;  /* of operations */
    ngx_queue_t               done;
    ngx_uint_t                nwaiting;
    portal_pg_task_t         *barrier;  /* sent, and not told yet */

    portal_pg_conn_t         *connecting;
    ngx_uint_t                open;
    ngx_uint_t                busy;

    ngx_uint_t                host;     /* the next to be tried */
    ngx_uint_t                tried;    /* of them, in this round */
    ngx_uint_t                rounds;   /* that failed */

    ngx_event_t               event;    /* posted: queue and handlers */
    ngx_event_t               connect;  /* deadline of the attempt */
    ngx_event_t               retry;    /* after a pause */
    ngx_event_t               keep;     /* one warm, none too old */

    ngx_msec_t                complained;

    unsigned                  down:1;
    unsigned                  reached:1;
};


/* of whom the task is, else the pool's */
#define portal_pg_log(task)                                                   \
    ((task)->op.op.log ? (task)->op.op.log : (task)->pg->log)


/* portal_pg.c, called by a connection */

/* work may have become possible: posts the pool's event */
void portal_pg_wake(portal_pg_t *pg);

/* the end of a task: its handler is called from the pool's event */
void portal_pg_done(portal_pg_task_t *task, portal_op_status_e status);

/* logs why a task fails, once, where the one it concerns looks for it */
void portal_pg_failed(portal_pg_task_t *task, const char *why);

/* what befell the task will befall the next one on this server */
void portal_pg_suspect(portal_pg_conn_t *conn, portal_pg_task_t *task);

/* puts a task whose work was rolled back first in line, once; then DOWN */
void portal_pg_again(portal_pg_task_t *task);

/* forgets what an attempt of this task has brought */
void portal_pg_clear(portal_pg_task_t *task);

/* the attempt to connect has ended */
void portal_pg_connected(portal_pg_conn_t *conn);
void portal_pg_unconnected(portal_pg_t *pg);

/* the connection's slot is free */
void portal_pg_closed(portal_pg_conn_t *conn);


/* portal_pg_conn.c, called by the pool */

/* begins an attempt; its end, also an immediate one, is told as above */
void portal_pg_conn_open(portal_pg_conn_t *conn, char *conninfo);

/* NGX_DECLINED: the connection turned out to be lost, nothing was sent */
ngx_int_t portal_pg_conn_send(portal_pg_conn_t *conn, portal_pg_task_t *task);

/* of any state; a task on it is the caller's affair */
void portal_pg_conn_close(portal_pg_conn_t *conn);

/* logs the failure of the attempt in libpq's words, or the given ones */
void portal_pg_conn_failed(portal_pg_conn_t *conn, const char *reason);


#endif /* _PORTAL_PG_INT_H_INCLUDED_ */
