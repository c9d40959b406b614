
/*
 * Copyright (C) the portal's authors
 */


#include "portal_redis_conn.h"


/*
 * One connection follows itself: RESP2 has no other way to hear of changes
 * and of the connection's own end in the same place.  Nothing may be sent on
 * it once subscribed, so its life is proven by messages that the command
 * link publishes to a channel of its own.  Redis delivers in order: who has
 * heard a message has heard all changes made before it was published.
 */

#define PORTAL_REDIS_BEAT     1000
#define PORTAL_REDIS_SILENCE  3000


static ngx_int_t portal_redis_watch_setup(portal_redis_conn_t *conn);
static void portal_redis_watch_down(portal_redis_conn_t *conn,
    ngx_uint_t was_ready);
static void portal_redis_watch_id(redisAsyncContext *ac, void *r, void *data);
static ngx_int_t portal_redis_watch_track(portal_redis_watch_t *watch,
    long long id);
static void portal_redis_watch_tracked(redisAsyncContext *ac, void *r,
    void *data);
static void portal_redis_watch_push(redisAsyncContext *ac, void *r,
    void *data);
static ngx_int_t portal_redis_watch_message(portal_redis_watch_t *watch,
    redisReply *reply);
static ngx_int_t portal_redis_watch_changes(portal_redis_watch_t *watch,
    redisReply *keys);
static ngx_int_t portal_redis_watch_heard(portal_redis_watch_t *watch,
    redisReply *text);
static ngx_uint_t portal_redis_watch_equal(redisReply *e, const void *text,
    size_t len);
static void portal_redis_watch_beat(ngx_event_t *ev);
static void portal_redis_watch_probe(portal_redis_t *redis);


static ngx_str_t  portal_redis_invalidate =
    ngx_string("__redis__:invalidate");


void
portal_redis_watch_start(portal_redis_t *redis)
{
    portal_redis_watch_t  *watch;

    watch = &redis->watch;

    watch->conn.redis = redis;
    watch->conn.conf = redis->conf;
    watch->conn.address = redis->command.address;
    watch->conn.name = "portal:watch";
    watch->conn.setup = portal_redis_watch_setup;
    watch->conn.down = portal_redis_watch_down;

    watch->beat.handler = portal_redis_watch_beat;
    watch->beat.data = watch;
    watch->beat.log = ngx_cycle->log;
    watch->beat.cancelable = 1;

    ngx_add_timer(&watch->beat, PORTAL_REDIS_BEAT);

    portal_redis_conn_open(&watch->conn);
}


void
portal_redis_watch_stop(portal_redis_t *redis)
{
    portal_redis_watch_t  *watch;

    watch = &redis->watch;

    if (watch->beat.timer_set) {
        ngx_del_timer(&watch->beat);
    }

    portal_redis_conn_close(&watch->conn);
}


ngx_uint_t
portal_redis_tracking(portal_redis_t *redis)
{
    return redis->watch.conn.state == PORTAL_REDIS_READY
           && ngx_current_msec - redis->watch.heard < PORTAL_REDIS_SILENCE;
}


static ngx_int_t
portal_redis_watch_setup(portal_redis_conn_t *conn)
{
    ngx_str_t  args[2];

    if (portal_redis_conn_hello(conn) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&args[0], "CLIENT");
    ngx_str_set(&args[1], "ID");

    return portal_redis_conn_send(conn, portal_redis_watch_id, NULL, 2, args);
}


static void
portal_redis_watch_down(portal_redis_conn_t *conn, ngx_uint_t was_ready)
{
    portal_redis_watch_t  *watch;

    watch = &conn->redis->watch;

    if (was_ready && watch->changed) {
        watch->changed(watch->data, NULL, 0);
    }
}


static void
portal_redis_watch_id(redisAsyncContext *ac, void *r, void *data)
{
    redisReply           *reply = r;
    portal_redis_conn_t  *conn;

    conn = ac->data;

    if (reply == NULL || conn->dropped) {
        return;
    }

    if (reply->type != REDIS_REPLY_INTEGER) {
        portal_redis_conn_drop(conn, reply->type == REDIS_REPLY_ERROR
                                     ? reply->str : "no client id");
        return;
    }

    if (portal_redis_watch_track(&conn->redis->watch, reply->integer)
        != NGX_OK)
    {
        portal_redis_conn_drop(conn, "cannot ask to be told of changes");
    }
}


static ngx_int_t
portal_redis_watch_track(portal_redis_watch_t *watch, long long id)
{
    u_char     buf[NGX_INT64_LEN], *p;
    ngx_str_t  args[8];

    p = ngx_snprintf(watch->channel, sizeof(watch->channel),
                     "portal:beat:%L:%P:%08xD", (int64_t) id, ngx_pid,
                     (uint32_t) ngx_random());

    watch->channel_len = p - watch->channel;
    watch->subscribed = 0;

    ngx_str_set(&args[0], "CLIENT");
    ngx_str_set(&args[1], "TRACKING");
    ngx_str_set(&args[2], "ON");
    ngx_str_set(&args[3], "REDIRECT");
    args[4].data = buf;
    args[4].len = ngx_sprintf(buf, "%L", (int64_t) id) - buf;
    ngx_str_set(&args[5], "BCAST");
    ngx_str_set(&args[6], "PREFIX");
    args[7] = watch->conn.conf->prefix;

    return portal_redis_conn_send(&watch->conn, portal_redis_watch_tracked,
                                  NULL, 8, args);
}


static void
portal_redis_watch_tracked(redisAsyncContext *ac, void *r, void *data)
{
    ngx_str_t              args[3];
    redisReply            *reply = r;
    portal_redis_conn_t   *conn;
    portal_redis_watch_t  *watch;

    conn = ac->data;

    if (reply == NULL || conn->dropped) {
        return;
    }

    if (reply->type != REDIS_REPLY_STATUS) {
        portal_redis_conn_drop(conn, reply->type == REDIS_REPLY_ERROR
                                     ? reply->str : "no tracking");
        return;
    }

    watch = &conn->redis->watch;

    /* once for all: hiredis 0.14 does not bear a second subscription */

    ngx_str_set(&args[0], "SUBSCRIBE");
    args[1] = portal_redis_invalidate;
    args[2].data = watch->channel;
    args[2].len = watch->channel_len;

    if (portal_redis_conn_send(conn, portal_redis_watch_push, NULL, 3, args)
        != NGX_OK)
    {
        portal_redis_conn_drop(conn, "cannot subscribe");
    }
}


/*
 * hiredis 0.14 may bring here what belongs to no callback at all, so each
 * message is checked as a whole; after one that is not understood nothing on
 * this link can be relied on.
 */

static void
portal_redis_watch_push(redisAsyncContext *ac, void *r, void *data)
{
    redisReply           *reply = r;
    portal_redis_conn_t  *conn;

    conn = ac->data;

    if (reply == NULL || conn->dropped) {
        return;
    }

    if (portal_redis_watch_message(&conn->redis->watch, reply) != NGX_OK) {
        portal_redis_conn_drop(conn, "unexpected message");
    }
}


static ngx_int_t
portal_redis_watch_message(portal_redis_watch_t *watch, redisReply *reply)
{
    ngx_uint_t    invalidate;
    redisReply  **e;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
        return NGX_ERROR;
    }

    e = reply->element;

    invalidate = portal_redis_watch_equal(e[1], portal_redis_invalidate.data,
                                          portal_redis_invalidate.len);

    if (!invalidate
        && !portal_redis_watch_equal(e[1], watch->channel, watch->channel_len))
    {
        return NGX_ERROR;
    }

    if (portal_redis_watch_equal(e[0], "message", 7)) {

        if (watch->conn.state != PORTAL_REDIS_READY) {
            return NGX_OK;
        }

        return invalidate ? portal_redis_watch_changes(watch, e[2])
                          : portal_redis_watch_heard(watch, e[2]);
    }

    if (!portal_redis_watch_equal(e[0], "subscribe", 9)
        || watch->conn.state != PORTAL_REDIS_SETUP)
    {
        return NGX_ERROR;
    }

    watch->subscribed |= invalidate ? 1 : 2;

    if (watch->subscribed == 3) {
        portal_redis_conn_ready(&watch->conn);

        watch->heard = ngx_current_msec;

        if (watch->changed) {
            watch->changed(watch->data, NULL, 1);
        }
    }

    return NGX_OK;
}


static ngx_int_t
portal_redis_watch_changes(portal_redis_watch_t *watch, redisReply *keys)
{
    ngx_str_t    key, *prefix;
    ngx_uint_t   i;
    redisReply  *e;

    if (keys->type == REDIS_REPLY_NIL) {
        if (watch->changed) {
            watch->changed(watch->data, NULL, 1);
        }

        return NGX_OK;
    }

    if (keys->type != REDIS_REPLY_ARRAY) {
        return NGX_ERROR;
    }

    prefix = &watch->conn.conf->prefix;

    for (i = 0; i < keys->elements; i++) {
        e = keys->element[i];

        if (e->type != REDIS_REPLY_STRING
            || e->len < prefix->len
            || ngx_memcmp(e->str, prefix->data, prefix->len) != 0)
        {
            return NGX_ERROR;
        }

        portal_count(PORTAL_COUNT_REDIS_CHANGE);

        if (watch->changed) {
            key.data = (u_char *) e->str;
            key.len = e->len;

            watch->changed(watch->data, &key, 1);
        }
    }

    return NGX_OK;
}


/* the message is the time when it was sent, of this worker's own clock */

static ngx_int_t
portal_redis_watch_heard(portal_redis_watch_t *watch, redisReply *text)
{
    size_t          i;
    ngx_msec_t      sent;
    ngx_msec_int_t  age;

    if (text->type != REDIS_REPLY_STRING || text->len == 0
        || text->len > NGX_INT64_LEN)
    {
        return NGX_ERROR;
    }

    sent = 0;

    for (i = 0; i < text->len; i++) {
        if (text->str[i] < '0' || text->str[i] > '9') {
            return NGX_ERROR;
        }

        sent = sent * 10 + (ngx_msec_t) (text->str[i] - '0');
    }

    age = (ngx_msec_int_t) (ngx_current_msec - sent);

    if (age >= 0 && (ngx_msec_int_t) (sent - watch->heard) > 0) {
        watch->heard = sent;
    }

    return NGX_OK;
}


static ngx_uint_t
portal_redis_watch_equal(redisReply *e, const void *text, size_t len)
{
    return e->type == REDIS_REPLY_STRING
           && e->len == len
           && ngx_memcmp(e->str, text, len) == 0;
}


/*
 * Goes on while the worker shuts down: the requests it still has may use the
 * copies.
 */

static void
portal_redis_watch_beat(ngx_event_t *ev)
{
    u_char                 buf[NGX_INT64_LEN];
    portal_redis_t        *redis;
    portal_redis_op_t     *op;
    portal_redis_watch_t  *watch;

    watch = ev->data;
    redis = watch->conn.redis;

    ngx_add_timer(ev, PORTAL_REDIS_BEAT);

    if (watch->conn.state != PORTAL_REDIS_READY) {
        return;
    }

    if (!portal_redis_tracking(redis)) {
        portal_redis_conn_drop(&watch->conn, "no message in time");
        return;
    }

    if (!portal_redis_healthy(redis)) {
        return;
    }

    if (redis->readonly) {
        portal_redis_watch_probe(redis);
    }

    op = portal_redis_op(redis);
    if (op == NULL) {
        return;
    }

    (void) portal_redis_arg(op, "PUBLISH", 7);
    (void) portal_redis_arg(op, watch->channel, watch->channel_len);
    (void) portal_redis_arg(op, buf,
                            ngx_sprintf(buf, "%M", ngx_current_msec) - buf);

    portal_redis_post(redis, op);
}


/* does it take writes again?  A key like those of sessions' last uses. */

static void
portal_redis_watch_probe(portal_redis_t *redis)
{
    portal_redis_op_t  *op;

    op = portal_redis_op(redis);
    if (op == NULL) {
        return;
    }

    (void) portal_redis_arg(op, "SET", 3);
    (void) portal_redis_arg(op, "seen:probe", 10);
    (void) portal_redis_arg(op, "1", 1);
    (void) portal_redis_arg(op, "EX", 2);
    (void) portal_redis_arg(op, "1", 1);

    portal_redis_post(redis, op);
}
