
/*
 * Copyright (C) the portal's authors
 */


#include "portal_redis_conn.h"


/*
 * One link to one sentinel after the other, asked again and again which server
 * is the master: a question each second costs nothing and needs no state,
 * where a subscription could miss the only message.
 */

#define PORTAL_REDIS_ASK       1000
#define PORTAL_REDIS_ASK_SOON  200      /* while a link is down */


static void portal_redis_sentinel_turn(portal_redis_sentinel_t *sentinel);
static ngx_int_t portal_redis_sentinel_setup(portal_redis_conn_t *conn);
static void portal_redis_sentinel_down(portal_redis_conn_t *conn,
    ngx_uint_t was_ready);
static void portal_redis_sentinel_authed(redisAsyncContext *ac, void *r,
    void *data);
static void portal_redis_sentinel_timer(ngx_event_t *ev);
static ngx_int_t portal_redis_sentinel_ask(portal_redis_sentinel_t *sentinel);
static void portal_redis_sentinel_told(redisAsyncContext *ac, void *r,
    void *data);
static const char *portal_redis_sentinel_master(portal_redis_t *redis,
    redisReply *reply);


void
portal_redis_sentinel_start(portal_redis_t *redis)
{
    portal_redis_sentinel_t  *sentinel;

    sentinel = &redis->sentinel;

    sentinel->conn.redis = redis;
    sentinel->conn.conf = redis->conf;
    sentinel->conn.name = "portal:sentinel";
    sentinel->conn.setup = portal_redis_sentinel_setup;
    sentinel->conn.down = portal_redis_sentinel_down;

    sentinel->ask.handler = portal_redis_sentinel_timer;
    sentinel->ask.data = sentinel;
    sentinel->ask.log = ngx_cycle->log;
    sentinel->ask.cancelable = 1;

    /* nodes and workers are spread over the sentinels */

    sentinel->next = (ngx_uint_t) ngx_random()
                     % redis->conf->sentinels.nelts;

    portal_redis_sentinel_turn(sentinel);
    portal_redis_conn_open(&sentinel->conn);

    ngx_add_timer(&sentinel->ask, PORTAL_REDIS_ASK);
}


void
portal_redis_sentinel_stop(portal_redis_t *redis)
{
    portal_redis_sentinel_t  *sentinel;

    sentinel = &redis->sentinel;

    if (sentinel->ask.timer_set) {
        ngx_del_timer(&sentinel->ask);
    }

    portal_redis_conn_close(&sentinel->conn);
}


void
portal_redis_sentinel_hurry(portal_redis_t *redis)
{
    portal_redis_sentinel_t  *sentinel;

    sentinel = &redis->sentinel;

    if (sentinel->ask.timer_set
        && sentinel->conn.state == PORTAL_REDIS_READY)
    {
        ngx_add_timer(&sentinel->ask, 1);
    }
}


static void
portal_redis_sentinel_turn(portal_redis_sentinel_t *sentinel)
{
    portal_redis_address_t  *addresses;
    portal_redis_conf_t     *conf;

    conf = sentinel->conn.conf;
    addresses = conf->sentinels.elts;

    sentinel->conn.address = &addresses[sentinel->next];
    sentinel->next = (sentinel->next + 1) % conf->sentinels.nelts;
}


static ngx_int_t
portal_redis_sentinel_setup(portal_redis_conn_t *conn)
{
    ngx_str_t  args[2];

    if (conn->conf->sentinel_password.len) {
        ngx_str_set(&args[0], "AUTH");
        args[1] = conn->conf->sentinel_password;

        if (portal_redis_conn_send(conn, portal_redis_sentinel_authed, NULL,
                                   2, args)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return portal_redis_sentinel_ask(&conn->redis->sentinel);
}


static void
portal_redis_sentinel_down(portal_redis_conn_t *conn, ngx_uint_t was_ready)
{
    portal_redis_sentinel_t  *sentinel;

    sentinel = &conn->redis->sentinel;

    sentinel->asked = 0;

    portal_redis_sentinel_turn(sentinel);
}


static void
portal_redis_sentinel_authed(redisAsyncContext *ac, void *r, void *data)
{
    redisReply  *reply = r;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        portal_redis_conn_drop(ac->data, reply->str);
    }
}


static void
portal_redis_sentinel_timer(ngx_event_t *ev)
{
    ngx_uint_t                down;
    portal_redis_t           *redis;
    portal_redis_sentinel_t  *sentinel;

    sentinel = ev->data;
    redis = sentinel->conn.redis;

    down = redis->command.state != PORTAL_REDIS_READY
           || (redis->conf->prefix.len
               && redis->watch.conn.state != PORTAL_REDIS_READY);

    ngx_add_timer(ev, down ? PORTAL_REDIS_ASK_SOON : PORTAL_REDIS_ASK);

    if (sentinel->conn.state != PORTAL_REDIS_READY) {
        return;
    }

    if (!sentinel->asked) {
        (void) portal_redis_sentinel_ask(sentinel);
        return;
    }

    if (ngx_current_msec - sentinel->since >= redis->conf->timeout) {
        portal_redis_conn_drop(&sentinel->conn, "no answer in time");
    }
}


static ngx_int_t
portal_redis_sentinel_ask(portal_redis_sentinel_t *sentinel)
{
    ngx_str_t  args[3];

    ngx_str_set(&args[0], "SENTINEL");
    ngx_str_set(&args[1], "GET-MASTER-ADDR-BY-NAME");
    args[2] = sentinel->conn.conf->sentinel;

    sentinel->asked = 1;
    sentinel->since = ngx_current_msec;

    return portal_redis_conn_send(&sentinel->conn, portal_redis_sentinel_told,
                                  NULL, 3, args);
}


static void
portal_redis_sentinel_told(redisAsyncContext *ac, void *r, void *data)
{
    const char               *error;
    redisReply               *reply = r;
    portal_redis_conn_t      *conn;
    portal_redis_sentinel_t  *sentinel;

    conn = ac->data;

    if (reply == NULL || conn->dropped) {
        return;
    }

    sentinel = &conn->redis->sentinel;
    sentinel->asked = 0;

    error = portal_redis_sentinel_master(conn->redis, reply);

    if (error != NULL) {
        portal_redis_conn_drop(conn, error);
        return;
    }

    if (conn->state == PORTAL_REDIS_SETUP) {
        portal_redis_conn_ready(conn);
    }
}


/* NULL, or what is wrong with the answer */

static const char *
portal_redis_sentinel_master(portal_redis_t *redis, redisReply *reply)
{
    ngx_int_t                port;
    ngx_str_t                host;
    redisReply             **e;
    portal_redis_address_t  *master;

    if (reply->type == REDIS_REPLY_ERROR) {
        return reply->str;
    }

    if (reply->type == REDIS_REPLY_NIL) {
        return "does not know the master";
    }

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return "unexpected answer";
    }

    e = reply->element;
    host.data = (u_char *) e[0]->str;
    host.len = e[0]->len;
    port = ngx_atoi((u_char *) e[1]->str, e[1]->len);

    if (host.len >= sizeof(redis->sentinel.host)
        || !portal_redis_numeric(&host)
        || port < 1 || port > 65535)
    {
        return "the master's address is not numeric";
    }

    master = &redis->master;

    if (master->port == (in_port_t) port
        && master->host.len == host.len
        && ngx_strncmp(master->host.data, host.data, host.len) == 0)
    {
        return NULL;
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "redis master is %V:%i", &host, port);

    ngx_cpystrn(redis->sentinel.host, host.data, host.len + 1);
    master->host.data = redis->sentinel.host;
    master->host.len = host.len;
    master->port = (in_port_t) port;

    portal_redis_conn_move(&redis->command);

    if (redis->conf->prefix.len) {
        portal_redis_conn_move(&redis->watch.conn);
    }

    return NULL;
}
