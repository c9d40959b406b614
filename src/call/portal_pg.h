
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_PG_H_INCLUDED_
#define _PORTAL_PG_H_INCLUDED_


#include "../core/portal_op.h"

#include <jansson.h>


/*
 * PostgreSQL without blocking: one pool per worker, a FIFO queue in front of
 * it, one pipeline (hence one round trip and one transaction) per operation.
 * When every connection is busy, reads that are known to be quick are sent
 * one behind the other.
 */

#define PORTAL_PG_STATEMENTS      3     /* of one operation */
#define PORTAL_PG_PARAMS          8
#define PORTAL_PG_STATEMENTS_MAX  256   /* declared, of one list */

typedef struct portal_pg_s  portal_pg_t;


/* what nginx -t has checked; lives as long as the cycle */

typedef struct {
    ngx_array_t               hosts;        /* of char *: a complete conninfo
                                               per host, tried one by one */
    ngx_uint_t                connections;  /* of this worker */
    ngx_uint_t                queue;        /* waiting operations at most */
    ngx_uint_t                pool;         /* of portal_count.h */
    ngx_msec_t                connect_timeout;
    ngx_msec_t                timeout;      /* queue + execution */
} portal_pg_conf_t;


/* prepared on a connection at its first use there; index is set by declare */

typedef struct {
    char                     *name;
    char                     *sql;
    int                       nparams;      /* all of them text */
    ngx_uint_t                index;
} portal_pg_statement_t;


typedef struct {
    portal_pg_statement_t    *statement;
    ngx_str_t                 params[PORTAL_PG_PARAMS]; /* data NULL: null */
    ngx_str_t                 value;    /* result: first column of the first
                                           row, data NULL when null; lives
                                           until the handler returns */
} portal_pg_query_t;


typedef struct {
    portal_op_t               op;           /* first: casts both ways */

    unsigned                  barrier:1;    /* what is posted after it waits
                                               for its handler's end */
    unsigned                  shares:1;     /* only reads: may be asked again,
                                               and share a connection */
    ngx_uint_t                n;
    portal_pg_query_t         queries[PORTAL_PG_STATEMENTS];

    /* of the first statement that failed, when status is REFUSED */
    u_char                    sqlstate[6];
    u_char                    constraint[64];
    ngx_uint_t                failed;

    /* microseconds: of the whole, and before its turn */
    uint64_t                  took;
    uint64_t                  waited;
} portal_pg_op_t;


/* what is now; what has been is counted in portal_count.h */

typedef struct {
    ngx_uint_t                open, busy, connecting, waiting;
} portal_pg_stats_t;


/*
 * What a conninfo must not hold because libpq would block on it: NGX_OK, or
 * NGX_ERROR and what to write instead, without any of the values.
 */
ngx_int_t portal_pg_check_conninfo(const char *conninfo, char *err,
    size_t errlen);

/*
 * At configuration time; the same name gives the same statement.  The list
 * is one of portal_pg_statement_t *, one per pool.  NULL is logged.
 */
portal_pg_statement_t *portal_pg_declare(ngx_conf_t *cf, ngx_array_t *list,
    ngx_str_t *name, ngx_str_t *sql, int nparams);

/* init_process; memory from cycle->pool; never waits for the server */
portal_pg_t *portal_pg_create(ngx_cycle_t *cycle, portal_pg_conf_t *conf);

/* exit_process: closes what is left, calls no handler; NULL is nothing */
void portal_pg_destroy(portal_pg_t *pg);

/* a zeroed operation, or NULL when memory is short */
portal_pg_op_t *portal_pg_op(portal_pg_t *pg);

/*
 * Sets the next query and its next parameter; the text is copied, and wiped
 * with the operation.  A text with a zero byte is NGX_ERROR: PostgreSQL has
 * none.
 */
ngx_int_t portal_pg_query(portal_pg_op_t *op, portal_pg_statement_t *st);
ngx_int_t portal_pg_param(portal_pg_op_t *op, ngx_str_t *value);

/* for a handler: what the first query gave; NULL: nothing that is JSON */
json_t *portal_pg_json(portal_op_t *op);

/*
 * Takes the operation over, always: the handler is called later with the
 * status, also when the queue is full or the servers are down.  The service
 * frees the operation after the handler returns.  Whatever the status, the
 * failure has been logged, on op.log where the caller has set it; only of
 * SQLSTATE PT..., which functions raise on purpose, and of missing functions
 * the caller knows better what to say.
 */
void portal_pg_post(portal_pg_t *pg, portal_pg_op_t *op);

/* an operation that was made and will not be posted */
void portal_pg_drop(portal_pg_op_t *op);

/* ends what waits as if the servers were down */
void portal_pg_fail(portal_pg_t *pg);

/* the server was reached, and not found gone since */
ngx_uint_t portal_pg_healthy(portal_pg_t *pg);
void portal_pg_stats(portal_pg_t *pg, portal_pg_stats_t *stats);


#endif /* _PORTAL_PG_H_INCLUDED_ */
