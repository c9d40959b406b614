
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_REDIS_H_INCLUDED_
#define _PORTAL_REDIS_H_INCLUDED_


#include "../core/portal_op.h"


/*
 * Redis without blocking: per worker one connection for commands, pipelined
 * by the event loop, and one that hears which keys under a prefix changed
 * (CLIENT TRACKING ... BCAST, redirected to itself).
 */

#define PORTAL_REDIS_ARGS  8

typedef struct portal_redis_s  portal_redis_t;

/*
 * A key of the prefix changed on some node; key NULL: forget everything
 * (FLUSHALL, or the link was lost or made anew).  healthy tells whether
 * copies may be trusted from now on.
 */
typedef void (*portal_redis_changed_pt)(void *data, ngx_str_t *key,
    ngx_uint_t healthy);


typedef struct {
    ngx_str_t                 host;         /* numeric */
    in_port_t                 port;
} portal_redis_address_t;


typedef struct {
    ngx_str_t                 path;         /* unix socket, or empty */
    portal_redis_address_t    address;      /* or this */
    ngx_str_t                 sentinel;     /* or its name of the master */
    ngx_array_t               sentinels;    /* of portal_redis_address_t */
    ngx_str_t                 sentinel_password;
    ngx_str_t                 user;
    ngx_str_t                 password;
    ngx_int_t                 database;
    ngx_str_t                 prefix;       /* tracked: "sess:" */
    ngx_msec_t                timeout;      /* connect, and each command */
} portal_redis_conf_t;


typedef enum {
    PORTAL_REDIS_NIL = 0,
    PORTAL_REDIS_STRING,
    PORTAL_REDIS_INTEGER,
    PORTAL_REDIS_STATUS,
    PORTAL_REDIS_ARRAY,     /* of strings and nils: what MGET answers */
} portal_redis_type_e;


typedef struct {
    portal_op_t               op;           /* first */

    ngx_uint_t                nargs;
    ngx_str_t                 args[PORTAL_REDIS_ARGS];

    /* the answer; lives until the handler returns */
    portal_redis_type_e       type;
    int64_t                   integer;
    ngx_uint_t                n;
    ngx_str_t                 values[PORTAL_REDIS_ARGS];  /* data NULL: nil */

    /* when REFUSED: the first word of the error, "OOM", else empty */
    u_char                    error[24];
} portal_redis_op_t;


/* for nginx -t: NULL, or what is wrong with the address */
char *portal_redis_check(portal_redis_conf_t *conf);

/*
 * init_process; memory from cycle->pool, conf must live as long; connects at
 * once and never waits.  changed is called from the event loop only, for the
 * prefix "" never.  The server's ACL must allow, besides the commands posted:
 * auth, select, client, ping, publish, subscribe, role where sentinels tell
 * the master, and the channels __redis__:invalidate and portal:beat:*.
 */
portal_redis_t *portal_redis_create(ngx_cycle_t *cycle,
    portal_redis_conf_t *conf, portal_redis_changed_pt changed, void *data);

/* exit_process: closes the links; handlers not yet called never are */
void portal_redis_destroy(portal_redis_t *redis);

/* a zeroed operation; arguments are copied by portal_redis_arg() */
portal_redis_op_t *portal_redis_op(portal_redis_t *redis);
ngx_int_t portal_redis_arg(portal_redis_op_t *op, const void *data,
    size_t len);

/* as portal_pg_post(); a NULL handler sends and forgets */
void portal_redis_post(portal_redis_t *redis, portal_redis_op_t *op);

/* an operation that was made and will not be posted */
void portal_redis_drop(portal_redis_op_t *op);

/* the command link works, or is being made for the first time: what is posted
   then waits for it */
ngx_uint_t portal_redis_healthy(portal_redis_t *redis);
/* it does, and the last write was not refused for lack of replicas, of room or
   of a disk: what cannot be kept need not be begun */
ngx_uint_t portal_redis_writable(portal_redis_t *redis);
/* the invalidation link works: copies may be trusted */
ngx_uint_t portal_redis_tracking(portal_redis_t *redis);

/* how many operations are not ended; what has been: portal_count.h */
ngx_uint_t portal_redis_pending(portal_redis_t *redis);


#endif /* _PORTAL_REDIS_H_INCLUDED_ */
