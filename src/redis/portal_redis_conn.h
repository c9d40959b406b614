
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


struct portal_redis_s {
    portal_redis_conf_t      *conf;

    portal_redis_conn_t       command;
    portal_redis_watch_t      watch;

    ngx_queue_t               waiting;
    ngx_queue_t               done;
    ngx_event_t               finish;

    ngx_uint_t                pending;
};


/* the owner has set redis, conf, name, setup and down */
void portal_redis_conn_open(portal_redis_conn_t *conn);

/* the set-up is over */
void portal_redis_conn_ready(portal_redis_conn_t *conn);

/*
 * Ends the connection; a new one follows.  All pending replies are NULL.
 * From inside a reply it happens after that reply.
 */
void portal_redis_conn_drop(portal_redis_conn_t *conn, const char *why);

/* ends it for good, without a word to the owner */
void portal_redis_conn_close(portal_redis_conn_t *conn);

/* NGX_ERROR: nothing was queued, fn will not be called; fn may be NULL */
ngx_int_t portal_redis_conn_send(portal_redis_conn_t *conn,
    redisCallbackFn *fn, void *data, ngx_uint_t nargs, ngx_str_t *args);

/* queues AUTH, SELECT and CLIENT SETNAME as configured */
ngx_int_t portal_redis_conn_hello(portal_redis_conn_t *conn);

/* an answer waits in the socket */
ngx_uint_t portal_redis_conn_readable(portal_redis_conn_t *conn);

/* the link that hears what changed */
void portal_redis_watch_start(portal_redis_t *redis);
void portal_redis_watch_stop(portal_redis_t *redis);


#endif /* _PORTAL_REDIS_CONN_H_INCLUDED_ */
