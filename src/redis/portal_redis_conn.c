
/*
 * Copyright (C) the portal's authors
 */


#include "portal_redis_conn.h"

#include <sys/ioctl.h>


#define PORTAL_REDIS_DELAY_MIN  100
#define PORTAL_REDIS_DELAY_MAX  5000

/* a link that lived shorter does not shorten the next delay */
#define PORTAL_REDIS_STABLE     1000


static ngx_int_t portal_redis_conn_attach(portal_redis_conn_t *conn,
    redisAsyncContext *ac);
static void portal_redis_conn_lost(portal_redis_conn_t *conn,
    const char *why);
static void portal_redis_conn_retry(portal_redis_conn_t *conn);
static void portal_redis_conn_checked(redisAsyncContext *ac, void *r,
    void *data);
static void portal_redis_conn_role(redisAsyncContext *ac, void *r,
    void *data);

static void portal_redis_conn_read_handler(ngx_event_t *rev);
static void portal_redis_conn_write_handler(ngx_event_t *wev);
static void portal_redis_conn_timer_handler(ngx_event_t *ev);
static void portal_redis_conn_broken_handler(ngx_event_t *ev);

static void portal_redis_conn_add_read(void *data);
static void portal_redis_conn_del_read(void *data);
static void portal_redis_conn_add_write(void *data);
static void portal_redis_conn_del_write(void *data);
static void portal_redis_conn_cleanup(void *data);


void
portal_redis_conn_open(portal_redis_conn_t *conn)
{
    char                  why[128];
    redisAsyncContext    *ac;
    portal_redis_conf_t  *conf;

    conf = conn->conf;

    conn->timer.handler = portal_redis_conn_timer_handler;
    conn->timer.data = conn;
    conn->timer.log = ngx_cycle->log;
    conn->timer.cancelable = 1;

    conn->broken.handler = portal_redis_conn_broken_handler;
    conn->broken.data = conn;
    conn->broken.log = ngx_cycle->log;

    conn->moved = 0;

    if (conn->address != NULL && conn->address->port == 0) {

        /* portal_redis_conn_move() tells, or the timer ends it */

        conn->state = PORTAL_REDIS_SETUP;
        ngx_add_timer(&conn->timer, conf->timeout);
        return;
    }

    /* the texts end with a zero: portal_redis_create() */

    if (conn->address == NULL) {
        ac = redisAsyncConnectUnix((char *) conf->path.data);

    } else {
        ac = redisAsyncConnect((char *) conn->address->host.data,
                               conn->address->port);
    }

    if (ac == NULL) {
        portal_redis_conn_lost(conn, "no memory");
        return;
    }

    if (ac->err) {
        ngx_cpystrn((u_char *) why, (u_char *) ac->errstr, sizeof(why));
        redisAsyncFree(ac);
        portal_redis_conn_lost(conn, why);
        return;
    }

    if (portal_redis_conn_attach(conn, ac) != NGX_OK) {
        redisAsyncFree(ac);
        portal_redis_conn_lost(conn, "no free connection");
        return;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                   "redis %s connecting fd:%d", conn->name, ac->c.fd);

    conn->state = PORTAL_REDIS_SETUP;

    ngx_add_timer(&conn->timer, conf->timeout);

    if (conn->setup(conn) != NGX_OK) {
        portal_redis_conn_drop(conn, "cannot queue the first commands");
    }
}


void
portal_redis_conn_ready(portal_redis_conn_t *conn)
{
    ngx_uint_t  level;

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    conn->state = PORTAL_REDIS_READY;
    conn->ready = ngx_current_msec;

    level = conn->failed ? NGX_LOG_NOTICE : NGX_LOG_INFO;

    ngx_log_error(level, ngx_cycle->log, 0, "redis %s ready", conn->name);

    conn->failed = 0;
}


void
portal_redis_conn_drop(portal_redis_conn_t *conn, const char *why)
{
    if (conn->ac == NULL || conn->dropped) {
        return;
    }

    (void) ngx_slprintf(conn->why, conn->why + sizeof(conn->why), "%s%Z", why);
    conn->why[sizeof(conn->why) - 1] = '\0';
    conn->dropped = 1;

    /* ends in portal_redis_conn_cleanup(), perhaps not at once */

    redisAsyncFree(conn->ac);
}


void
portal_redis_conn_move(portal_redis_conn_t *conn)
{
    if (conn->closed || conn->moved) {
        return;
    }

    conn->delay = 0;
    conn->moved = 1;

    if (conn->ac != NULL) {
        portal_redis_conn_drop(conn, "another server is the master");
        return;
    }

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    portal_redis_conn_open(conn);
}


void
portal_redis_conn_close(portal_redis_conn_t *conn)
{
    conn->closed = 1;

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    portal_redis_conn_drop(conn, "closed");
}


ngx_int_t
portal_redis_conn_send(portal_redis_conn_t *conn, redisCallbackFn *fn,
    void *data, ngx_uint_t nargs, ngx_str_t *args)
{
    size_t       lens[PORTAL_REDIS_ARGS];
    ngx_uint_t   i;
    const char  *argv[PORTAL_REDIS_ARGS];

    if (conn->ac == NULL || conn->dropped || nargs > PORTAL_REDIS_ARGS) {
        return NGX_ERROR;
    }

    for (i = 0; i < nargs; i++) {
        argv[i] = (const char *) args[i].data;
        lens[i] = args[i].len;
    }

    if (redisAsyncCommandArgv(conn->ac, fn, data, (int) nargs, argv, lens)
        != REDIS_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
portal_redis_conn_hello(portal_redis_conn_t *conn)
{
    u_char                buf[NGX_INT_T_LEN];
    ngx_str_t             args[3];
    ngx_uint_t            n;
    portal_redis_conf_t  *conf;

    conf = conn->conf;

    if (conf->password.len) {
        n = 0;
        ngx_str_set(&args[n], "AUTH");
        n++;

        if (conf->user.len) {
            args[n++] = conf->user;
        }

        args[n++] = conf->password;

        if (portal_redis_conn_send(conn, portal_redis_conn_checked, NULL,
                                   n, args)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (conf->database > 0) {
        ngx_str_set(&args[0], "SELECT");
        args[1].data = buf;
        args[1].len = ngx_sprintf(buf, "%i", conf->database) - buf;

        if (portal_redis_conn_send(conn, portal_redis_conn_checked, NULL,
                                   2, args)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    /* a sentinel's word may be old */

    if (conf->sentinel.len) {
        ngx_str_set(&args[0], "ROLE");

        if (portal_redis_conn_send(conn, portal_redis_conn_role, NULL, 1, args)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    /* a name for CLIENT LIST: its answer does not matter */

    ngx_str_set(&args[0], "CLIENT");
    ngx_str_set(&args[1], "SETNAME");
    args[2].data = (u_char *) conn->name;
    args[2].len = ngx_strlen(conn->name);

    return portal_redis_conn_send(conn, NULL, NULL, 3, args);
}


ngx_uint_t
portal_redis_conn_readable(portal_redis_conn_t *conn)
{
    int  n;

    n = 0;

    return conn->ac && ioctl(conn->ac->c.fd, FIONREAD, &n) == 0 && n > 0;
}


static ngx_int_t
portal_redis_conn_attach(portal_redis_conn_t *conn, redisAsyncContext *ac)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(ac->c.fd, ngx_cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = conn;
    c->shared = 1;          /* the descriptor is hiredis's to close */
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);

    c->read->handler = portal_redis_conn_read_handler;
    c->write->handler = portal_redis_conn_write_handler;
    c->read->log = c->log;
    c->write->log = c->log;

    ac->data = conn;
    ac->ev.data = conn;
    ac->ev.addRead = portal_redis_conn_add_read;
    ac->ev.delRead = portal_redis_conn_del_read;
    ac->ev.addWrite = portal_redis_conn_add_write;
    ac->ev.delWrite = portal_redis_conn_del_write;
    ac->ev.cleanup = portal_redis_conn_cleanup;

    conn->connection = c;
    conn->ac = ac;
    conn->dropped = 0;
    conn->why[0] = '\0';

    return NGX_OK;
}


static void
portal_redis_conn_lost(portal_redis_conn_t *conn, const char *why)
{
    ngx_uint_t  level, was_ready;

    was_ready = (conn->state == PORTAL_REDIS_READY);

    conn->state = PORTAL_REDIS_DOWN;

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    if (conn->closed) {
        return;
    }

    level = (conn->failed || ngx_exiting) ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, ngx_cycle->log, 0, "redis %s %s: %s", conn->name,
                  was_ready ? "lost" : "not connected", why);

    conn->failed = 1;

    if (was_ready) {
        if (conn != &conn->redis->sentinel.conn) {
            portal_count(PORTAL_COUNT_REDIS_LOST
                         + (conn == &conn->redis->command ? 0 : 1));
        }

        if (ngx_current_msec - conn->ready >= PORTAL_REDIS_STABLE) {
            conn->delay = 0;
        }
    }

    conn->down(conn, was_ready);

    portal_redis_sentinel_hurry(conn->redis);
    portal_redis_conn_retry(conn);
}


static void
portal_redis_conn_retry(portal_redis_conn_t *conn)
{
    ngx_msec_t  jitter;

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    if (conn->moved) {
        ngx_add_timer(&conn->timer, 1);
        return;
    }

    if (conn->delay == 0) {
        conn->delay = PORTAL_REDIS_DELAY_MIN;

    } else {
        conn->delay = ngx_min(conn->delay * 2, PORTAL_REDIS_DELAY_MAX);
    }

    /* a quarter less at most: workers and nodes do not return together */

    jitter = (ngx_msec_t) ngx_random() % (conn->delay / 4 + 1);

    ngx_add_timer(&conn->timer, conn->delay - jitter);
}


static void
portal_redis_conn_checked(redisAsyncContext *ac, void *r, void *data)
{
    redisReply  *reply = r;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        portal_redis_conn_drop(ac->data, reply->str);
    }
}


static void
portal_redis_conn_role(redisAsyncContext *ac, void *r, void *data)
{
    redisReply  *reply = r;

    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        portal_redis_conn_drop(ac->data, reply->str);
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements == 0
        || reply->element[0]->type != REDIS_REPLY_STRING
        || ngx_strcmp(reply->element[0]->str, "master") != 0)
    {
        portal_redis_conn_drop(ac->data, "not the master");
    }
}


static void
portal_redis_conn_read_handler(ngx_event_t *rev)
{
    ngx_connection_t     *c;
    portal_redis_conn_t  *conn;

    c = rev->data;
    conn = c->data;

    if (c->close) {
        portal_redis_conn_drop(conn, "shutting down");
        return;
    }

    redisAsyncHandleRead(conn->ac);
}


static void
portal_redis_conn_write_handler(ngx_event_t *wev)
{
    ngx_connection_t     *c;
    portal_redis_conn_t  *conn;

    c = wev->data;
    conn = c->data;

    conn->writing = 1;

    redisAsyncHandleWrite(conn->ac);

    conn->writing = 0;
}


static void
portal_redis_conn_timer_handler(ngx_event_t *ev)
{
    portal_redis_conn_t  *conn;

    conn = ev->data;

    if (conn->state == PORTAL_REDIS_SETUP && conn->ac == NULL) {
        portal_redis_conn_lost(conn, "no sentinel has told the master");
        return;
    }

    if (conn->state == PORTAL_REDIS_SETUP) {
        portal_redis_conn_drop(conn, "timed out");
        return;
    }

    if (!ngx_exiting && !ngx_terminate) {
        portal_redis_conn_open(conn);
    }
}


static void
portal_redis_conn_broken_handler(ngx_event_t *ev)
{
    portal_redis_conn_drop(ev->data, "event cannot be added");
}


static void
portal_redis_conn_add_read(void *data)
{
    ngx_connection_t     *c;
    portal_redis_conn_t  *conn;

    conn = data;
    c = conn->connection;

    /* level-triggered: hiredis reads one buffer at a time */

    if (!c->read->active
        && ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK)
    {
        ngx_post_event(&conn->broken, &ngx_posted_events);
    }
}


static void
portal_redis_conn_del_read(void *data)
{
    portal_redis_conn_t  *conn;

    conn = data;

    if (conn->connection->read->active) {
        ngx_del_event(conn->connection->read, NGX_READ_EVENT, 0);
    }
}


static void
portal_redis_conn_add_write(void *data)
{
    ngx_connection_t     *c;
    portal_redis_conn_t  *conn;

    conn = data;
    c = conn->connection;

    /*
     * Once connected, what this turn of the loop has to say is written at its
     * end; only what the socket does not take waits for the event.
     */

    if ((conn->ac->c.flags & REDIS_CONNECTED) && !conn->writing) {
        ngx_post_event(c->write, &ngx_posted_events);
        return;
    }

    if (!c->write->active
        && ngx_add_event(c->write, NGX_WRITE_EVENT, NGX_LEVEL_EVENT) != NGX_OK)
    {
        ngx_post_event(&conn->broken, &ngx_posted_events);
    }
}


static void
portal_redis_conn_del_write(void *data)
{
    portal_redis_conn_t  *conn;

    conn = data;

    if (conn->connection->write->active) {
        ngx_del_event(conn->connection->write, NGX_WRITE_EVENT, 0);
    }
}


static void
portal_redis_conn_cleanup(void *data)
{
    char                  why[128];
    ngx_connection_t     *c;
    portal_redis_conn_t  *conn;

    conn = data;
    c = conn->connection;

    ngx_cpystrn((u_char *) why,
                conn->dropped ? conn->why : (u_char *) conn->ac->errstr,
                sizeof(why));

    /* the descriptor is still open here, and hiredis closes it afterwards */

    portal_redis_conn_del_read(conn);
    portal_redis_conn_del_write(conn);

    ngx_close_connection(c);

    if (conn->broken.posted) {
        ngx_delete_posted_event(&conn->broken);
    }

    conn->connection = NULL;
    conn->ac = NULL;

    portal_redis_conn_lost(conn, why);
}
