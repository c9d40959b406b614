
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
    PORTAL_PG_SERVER_ERROR,     /* rolled back or only read, on a server that
                                   goes away or has become read only */
    PORTAL_PG_BROKEN            /* nothing is known */
} portal_pg_error_e;


typedef struct {
    portal_pg_op_t            op;       /* first: casts both ways */

    portal_pg_t              *pg;
    portal_pg_conn_t         *conn;     /* while it is in its pipe */

    PGresult                 *results[PORTAL_PG_STATEMENTS];
    int                       nparams[PORTAL_PG_STATEMENTS];

    struct {
        portal_pg_step_e      what;
        ngx_uint_t            query;
    } steps[PORTAL_PG_STEPS];

    ngx_uint_t                nsteps;
    ngx_uint_t                step;

    uint64_t                  posted;
    uint64_t                  sent;     /* its turn came; 0: not yet */

    unsigned                  retried:1;
    unsigned                  replanned:1;
    unsigned                  alone:1;      /* shares no pipe any more */
    unsigned                  stand_in:1;   /* of one that is asked again */
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

    ngx_queue_t               pipe;     /* of operations, as they were sent:
                                           the first one is being answered */
    ngx_uint_t                npipe;
    uint64_t                  turn;     /* when the first one's came */
    uint64_t                  handlers; /* the pool's, then */
    ngx_event_t               stuck;    /* the others wait for it for long */

    portal_pg_error_e         error;    /* of the first one */

    uint64_t                  prepared[PORTAL_PG_STATEMENTS_MAX / 64];

    unsigned                  shared:1; /* others may follow */
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

    /* microseconds that each function takes, on average; 0: not known */
    uint64_t                  service[PORTAL_PG_STATEMENTS_MAX];
    uint64_t                  handlers; /* what they took, in all */

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

#define portal_pg_task_of(q)                                                  \
    ((portal_pg_task_t *) ngx_queue_data(q, portal_op_t, queue))

/* whose answer comes next; of a connection that is busy */
#define portal_pg_head(conn)  portal_pg_task_of(ngx_queue_head(&(conn)->pipe))

#define portal_pg_bit(i)  ((uint64_t) 1 << ((i) % 64))


/* portal_pg.c, called by a connection */

/* work may have become possible: posts the pool's event */
void portal_pg_wake(portal_pg_t *pg);

/* the end of a task: its handler is called from the pool's event */
void portal_pg_done(portal_pg_task_t *task, portal_op_status_e status);

/* logs why a task fails, once, where the one it concerns looks for it */
void portal_pg_failed(portal_pg_task_t *task, const char *why);

/* what befell the task will befall the next one on this server */
void portal_pg_suspect(portal_pg_conn_t *conn, portal_pg_task_t *task);

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

/* of any state; what is in its pipe is asked again elsewhere */
void portal_pg_conn_close(portal_pg_conn_t *conn);

/* logs the failure of the attempt in libpq's words, or the given ones */
void portal_pg_conn_failed(portal_pg_conn_t *conn, const char *reason);

/* reads what an idle connection has to say: NGX_DECLINED: it was good-bye */
ngx_int_t portal_pg_conn_check(portal_pg_conn_t *conn);

/* writes what libpq holds back; an error ends the connection */
void portal_pg_conn_flush(portal_pg_conn_t *conn);


/* portal_pg_pipe.c: what is on its way on a connection */

void portal_pg_pipe_init(portal_pg_conn_t *conn);

/* the one that is busy and may take this task too, or NULL */
portal_pg_conn_t *portal_pg_pipe_behind(portal_pg_t *pg,
    portal_pg_task_t *task);

/* NGX_DECLINED: the connection turned out to be lost, nothing was done */
ngx_int_t portal_pg_pipe_send(portal_pg_conn_t *conn, portal_pg_task_t *task);

/* takes a task out, mostly the one whose turn it was */
void portal_pg_pipe_remove(portal_pg_task_t *task);

/* the first one's turn begins */
void portal_pg_pipe_turn(portal_pg_conn_t *conn);

/* the first one's turn ends: how long its function takes */
void portal_pg_pipe_learn(portal_pg_conn_t *conn, ngx_uint_t answered);

/* puts a task whose work may be done anew back in line, once; then DOWN */
void portal_pg_again(portal_pg_task_t *task);

/* the same however often: to its place, before all that were posted later */
void portal_pg_first(portal_pg_task_t *task);


#endif /* _PORTAL_PG_INT_H_INCLUDED_ */
