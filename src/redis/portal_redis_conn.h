
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_REDIS_CONN_H_INCLUDED_
#define _PORTAL_REDIS_CONN_H_INCLUDED_


/* nginx's headers first: they set what the system's are to show */

#include "portal_redis.h"
#include "../core/portal_count.h"

#include <hiredis/hiredis.h>
#include <hiredis/async.h>


/*
 * Private to this directory.  A link is a connection that is kept: it is
 * made, prepared by its owner's first commands, declared ready, and made
 * again after a loss.  hiredis frees its context when it likes, always
 * through ev.cleanup: there, and nowhere else, a link learns of its end.
 */

typedef struct portal_redis_conn_s  portal_redis_conn_t;

typedef ngx_int_t (*portal_redis_setup_pt)(portal_redis_conn_t *conn);
typedef void (*portal_redis_down_pt)(portal_redis_conn_t *conn,
    ngx_uint_t was_ready);


typedef enum {
    PORTAL_REDIS_DOWN = 0,
    PORTAL_REDIS_SETUP,
    PORTAL_REDIS_READY
} portal_redis_state_e;


struct portal_redis_conn_s {
    portal_redis_t           *redis;
    portal_redis_conf_t      *conf;
    portal_redis_address_t   *address;      /* no port: not known yet; NULL:
                                               a unix socket */
    char                     *name;

    portal_redis_state_e      state;

    redisAsyncContext        *ac;           /* NULL when down */
    ngx_connection_t         *connection;

    portal_redis_setup_pt     setup;        /* queues the first commands */
    portal_redis_down_pt      down;         /* must not call hiredis */

    ngx_event_t               timer;        /* set-up's end or next attempt */
    ngx_event_t               broken;
    ngx_msec_t                delay;
    ngx_msec_t                ready;        /* since */

    u_char                    why[128];

    unsigned                  dropped:1;    /* hiredis may still hold it */
    unsigned                  writing:1;
    unsigned                  moved:1;      /* to go on elsewhere at once */
    unsigned                  failed:1;     /* and not ready since: the
                                               breaker, and logged */
    unsigned                  closed:1;     /* for good */
};


typedef struct {
    portal_redis_conn_t       conn;

    portal_redis_changed_pt   changed;
    void                     *data;

    u_char                    channel[64];
    size_t                    channel_len;
    ngx_uint_t                subscribed;

    ngx_event_t               beat;
    ngx_msec_t                heard;        /* when the last one was sent */
} portal_redis_watch_t;


typedef struct {
    portal_redis_conn_t       conn;

    ngx_uint_t                next;         /* of them to be asked */
    ngx_event_t               ask;
    u_char                    host[NGX_SOCKADDR_STRLEN];

    ngx_msec_t                since;        /* when asked */
    unsigned                  asked:1;      /* and has not answered yet */
} portal_redis_sentinel_t;


struct portal_redis_s {
    portal_redis_conf_t      *conf;
    portal_redis_address_t    master;

    portal_redis_conn_t       command;
    portal_redis_watch_t      watch;
    portal_redis_sentinel_t   sentinel;

    ngx_queue_t               waiting;
    ngx_queue_t               done;
    ngx_event_t               finish;

    ngx_uint_t                pending;

    unsigned                  readonly:1;   /* writes are refused */
};


ngx_uint_t portal_redis_numeric(ngx_str_t *host);

/* the owner has set redis, conf, address, name, setup and down */
void portal_redis_conn_open(portal_redis_conn_t *conn);

/* the set-up is over */
void portal_redis_conn_ready(portal_redis_conn_t *conn);

/*
 * Ends the connection; a new one follows.  All pending replies are NULL.
 * From inside a reply it happens after that reply.
 */
void portal_redis_conn_drop(portal_redis_conn_t *conn, const char *why);

/* the address has changed: goes on there */
void portal_redis_conn_move(portal_redis_conn_t *conn);

/* ends it for good, without a word to the owner */
void portal_redis_conn_close(portal_redis_conn_t *conn);

/* NGX_ERROR: nothing was queued, fn will not be called; fn may be NULL */
ngx_int_t portal_redis_conn_send(portal_redis_conn_t *conn,
    redisCallbackFn *fn, void *data, ngx_uint_t nargs, ngx_str_t *args);

/* queues AUTH, SELECT, ROLE and CLIENT SETNAME as configured */
ngx_int_t portal_redis_conn_hello(portal_redis_conn_t *conn);

/* an answer waits in the socket */
ngx_uint_t portal_redis_conn_readable(portal_redis_conn_t *conn);

/* the link that hears what changed */
void portal_redis_watch_start(portal_redis_t *redis);
void portal_redis_watch_stop(portal_redis_t *redis);

/* the link that learns which server is the master */
void portal_redis_sentinel_start(portal_redis_t *redis);
void portal_redis_sentinel_stop(portal_redis_t *redis);

/* a link was lost: asks soon, if there are sentinels */
void portal_redis_sentinel_hurry(portal_redis_t *redis);


#endif /* _PORTAL_REDIS_CONN_H_INCLUDED_ */
