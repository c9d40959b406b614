
/*
 * Copyright (C) the portal's authors
 */


#include "portal_redis_conn.h"


/* operations made and not ended, waiting and in flight */
#define PORTAL_REDIS_PENDING  8192

/* one more try for an answer that is in the socket when its time is over */
#define PORTAL_REDIS_GRACE    50

#define PORTAL_REDIS_TIMEOUT  300

#define PORTAL_REDIS_INLINE   512


typedef enum {
    PORTAL_REDIS_MADE = 0,
    PORTAL_REDIS_WAITING,
    PORTAL_REDIS_SENT,
    PORTAL_REDIS_DONE
} portal_redis_task_state_e;


typedef struct {
    portal_redis_op_t          op;          /* first: casts both ways */
    portal_redis_t            *redis;
    portal_redis_task_state_e  state;

    u_char                    *reply;       /* what op.values point to */
    size_t                     reply_len;

    unsigned                   late:1;
    unsigned                   failed:1;    /* an argument is missing */

    size_t                     used;
    u_char                     args[PORTAL_REDIS_INLINE];
} portal_redis_task_t;


static char *portal_redis_check_address(portal_redis_address_t *address);
static ngx_int_t portal_redis_copies(ngx_pool_t *pool,
    portal_redis_conf_t *conf);
static ngx_int_t portal_redis_copy(ngx_pool_t *pool, ngx_str_t *s);

static ngx_int_t portal_redis_command_setup(portal_redis_conn_t *conn);
static void portal_redis_command_pong(redisAsyncContext *ac, void *r,
    void *data);
static void portal_redis_command_down(portal_redis_conn_t *conn,
    ngx_uint_t was_ready);

static void portal_redis_send(portal_redis_task_t *task);
static void portal_redis_release(portal_redis_t *redis, ngx_uint_t ready);
static void portal_redis_reply(redisAsyncContext *ac, void *r, void *data);
static void portal_redis_refused(portal_redis_task_t *task,
    redisReply *reply);
static ngx_uint_t portal_redis_is(ngx_str_t *arg, const char *word);
static ngx_int_t portal_redis_answer(portal_redis_task_t *task,
    redisReply *reply);
static ngx_int_t portal_redis_values(portal_redis_task_t *task,
    redisReply **elements, ngx_uint_t n);
static void portal_redis_deadline(ngx_event_t *ev);
static void portal_redis_end(portal_redis_task_t *task,
    portal_op_status_e status);
static void portal_redis_finish(ngx_event_t *ev);
static void portal_redis_free(portal_redis_task_t *task);


char *
portal_redis_check(portal_redis_conf_t *conf)
{
    char                    *error;
    ngx_uint_t               i;
    portal_redis_address_t  *sentinel;

    if (conf->path.len) {

        /* sun_path, which hiredis cuts silently */

        return conf->path.len < 108 ? NULL
                                     : "the path is longer than 107 bytes";
    }

    if (conf->sentinel.len == 0) {
        return portal_redis_check_address(&conf->address);
    }

    if (conf->sentinels.nelts == 0) {
        return "no sentinel's address";
    }

    sentinel = conf->sentinels.elts;

    for (i = 0; i < conf->sentinels.nelts; i++) {
        error = portal_redis_check_address(&sentinel[i]);
        if (error) {
            return error;
        }
    }

    return NULL;
}


static char *
portal_redis_check_address(portal_redis_address_t *address)
{
    if (address->port == 0) {
        return "no port";
    }

    return portal_redis_numeric(&address->host) ? NULL
                                                : "not a numeric address";
}


ngx_uint_t
portal_redis_numeric(ngx_str_t *host)
{
#if (NGX_HAVE_INET6)
    u_char  addr[16];

    if (ngx_inet6_addr(host->data, host->len, addr) == NGX_OK) {
        return 1;
    }
#endif

    return ngx_inet_addr(host->data, host->len) != INADDR_NONE;
}


portal_redis_t *
portal_redis_create(ngx_cycle_t *cycle, portal_redis_conf_t *conf,
    portal_redis_changed_pt changed, void *data)
{
    char            *error;
    portal_redis_t  *redis;

    error = portal_redis_check(conf);
    if (error) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0, "redis address: %s", error);
        return NULL;
    }

    redis = ngx_pcalloc(cycle->pool, sizeof(portal_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    redis->conf = ngx_palloc(cycle->pool, sizeof(portal_redis_conf_t));
    if (redis->conf == NULL) {
        return NULL;
    }

    *redis->conf = *conf;

    if (portal_redis_copies(cycle->pool, redis->conf) != NGX_OK) {
        return NULL;
    }

    if (redis->conf->timeout == 0) {
        redis->conf->timeout = PORTAL_REDIS_TIMEOUT;
    }

    ngx_queue_init(&redis->waiting);
    ngx_queue_init(&redis->done);

    redis->finish.handler = portal_redis_finish;
    redis->finish.data = redis;
    redis->finish.log = cycle->log;

    redis->command.redis = redis;
    redis->command.conf = redis->conf;
    redis->command.name = "portal:command";
    redis->command.setup = portal_redis_command_setup;
    redis->command.down = portal_redis_command_down;

    if (conf->path.len == 0) {
        redis->command.address = &redis->master;
    }

    if (conf->sentinel.len) {
        portal_redis_sentinel_start(redis);

    } else {
        redis->master = redis->conf->address;
    }

    portal_redis_conn_open(&redis->command);

    if (conf->prefix.len) {
        redis->watch.changed = changed;
        redis->watch.data = data;

        portal_redis_watch_start(redis);
    }

    return redis;
}


/* hiredis wants texts that end with a zero */

static ngx_int_t
portal_redis_copies(ngx_pool_t *pool, portal_redis_conf_t *conf)
{
    ngx_uint_t               i;
    portal_redis_address_t  *from, *to;

    if (portal_redis_copy(pool, &conf->path) != NGX_OK
        || portal_redis_copy(pool, &conf->address.host) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->sentinel.len == 0) {
        return NGX_OK;
    }

    from = conf->sentinels.elts;

    to = ngx_palloc(pool, conf->sentinels.nelts
                          * sizeof(portal_redis_address_t));
    if (to == NULL) {
        return NGX_ERROR;
    }

    conf->sentinels.elts = to;

    for (i = 0; i < conf->sentinels.nelts; i++) {
        to[i] = from[i];

        if (portal_redis_copy(pool, &to[i].host) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
portal_redis_destroy(portal_redis_t *redis)
{
    ngx_queue_t  *q;

    portal_redis_sentinel_stop(redis);
    portal_redis_watch_stop(redis);

    /* ends what is in flight, in the queue of what is done */

    portal_redis_conn_close(&redis->command);
    portal_redis_release(redis, 0);

    if (redis->finish.posted) {
        ngx_delete_posted_event(&redis->finish);
    }

    while (!ngx_queue_empty(&redis->done)) {
        q = ngx_queue_head(&redis->done);
        ngx_queue_remove(q);

        portal_redis_free((portal_redis_task_t *)
                          ngx_queue_data(q, portal_op_t, queue));
    }
}


portal_redis_op_t *
portal_redis_op(portal_redis_t *redis)
{
    portal_redis_task_t  *task;

    task = ngx_calloc(sizeof(portal_redis_task_t), ngx_cycle->log);
    if (task == NULL) {
        return NULL;
    }

    task->redis = redis;

    return &task->op;
}


ngx_int_t
portal_redis_arg(portal_redis_op_t *op, const void *data, size_t len)
{
    u_char               *p;
    portal_redis_task_t  *task;

    task = (portal_redis_task_t *) op;

    if (op->nargs == PORTAL_REDIS_ARGS) {
        task->failed = 1;
        return NGX_ERROR;
    }

    if (len <= PORTAL_REDIS_INLINE - task->used) {
        p = task->args + task->used;
        task->used += len;

    } else {
        p = ngx_alloc(len, ngx_cycle->log);
        if (p == NULL) {
            task->failed = 1;
            return NGX_ERROR;
        }
    }

    if (len) {
        ngx_memcpy(p, data, len);
    }

    op->args[op->nargs].data = p;
    op->args[op->nargs].len = len;
    op->nargs++;

    return NGX_OK;
}


void
portal_redis_post(portal_redis_t *redis, portal_redis_op_t *op)
{
    portal_redis_conn_t  *conn;
    portal_redis_task_t  *task;

    task = (portal_redis_task_t *) op;
    conn = &redis->command;

    op->op.posted = 1;

    op->op.timer.handler = portal_redis_deadline;
    op->op.timer.data = task;
    op->op.timer.log = ngx_cycle->log;

    redis->pending++;

    if (op->nargs == 0 || task->failed) {
        portal_redis_end(task, PORTAL_OP_REFUSED);
        return;
    }

    if (redis->pending > PORTAL_REDIS_PENDING) {
        portal_redis_end(task, PORTAL_OP_BUSY);
        return;
    }

    if (conn->state == PORTAL_REDIS_READY) {
        ngx_add_timer(&op->op.timer, redis->conf->timeout);
        portal_redis_send(task);
        return;
    }

    /*
     * Only the first connection is waited for: after a failure there is no
     * telling how long it takes.
     */

    if (conn->state == PORTAL_REDIS_DOWN || conn->failed) {
        portal_redis_end(task, PORTAL_OP_DOWN);
        return;
    }

    ngx_add_timer(&op->op.timer, redis->conf->timeout);

    task->state = PORTAL_REDIS_WAITING;
    ngx_queue_insert_tail(&redis->waiting, &op->op.queue);
}


void
portal_redis_drop(portal_redis_op_t *op)
{
    portal_redis_free((portal_redis_task_t *) op);
}


ngx_uint_t
portal_redis_healthy(portal_redis_t *redis)
{
    return redis->command.state == PORTAL_REDIS_READY
           || (redis->command.state == PORTAL_REDIS_SETUP
               && !redis->command.failed);
}


ngx_uint_t
portal_redis_writable(portal_redis_t *redis)
{
    return portal_redis_healthy(redis) && !redis->readonly;
}


ngx_uint_t
portal_redis_pending(portal_redis_t *redis)
{
    return redis->pending;
}


static ngx_int_t
portal_redis_copy(ngx_pool_t *pool, ngx_str_t *s)
{
    u_char  *p;

    p = ngx_pnalloc(pool, s->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_cpystrn(p, s->len ? s->data : (u_char *) "", s->len + 1);
    s->data = p;

    return NGX_OK;
}


static ngx_int_t
portal_redis_command_setup(portal_redis_conn_t *conn)
{
    ngx_str_t  ping = ngx_string("PING");

    if (portal_redis_conn_hello(conn) != NGX_OK) {
        return NGX_ERROR;
    }

    /* refused when not authenticated, loading, or without its master */

    return portal_redis_conn_send(conn, portal_redis_command_pong, NULL, 1,
                                  &ping);
}


static void
portal_redis_command_pong(redisAsyncContext *ac, void *r, void *data)
{
    redisReply           *reply = r;
    portal_redis_conn_t  *conn;

    conn = ac->data;

    if (reply == NULL || conn->dropped) {
        return;
    }

    if (reply->type != REDIS_REPLY_STATUS) {
        portal_redis_conn_drop(conn, reply->type == REDIS_REPLY_ERROR
                                     ? reply->str : "unexpected answer");
        return;
    }

    conn->redis->readonly = 0;

    portal_redis_conn_ready(conn);
    portal_redis_release(conn->redis, 1);
}


static void
portal_redis_command_down(portal_redis_conn_t *conn, ngx_uint_t was_ready)
{
    portal_redis_release(conn->redis, 0);
}


static void
portal_redis_send(portal_redis_task_t *task)
{
    portal_redis_t  *redis;

    redis = task->redis;

    if (portal_redis_conn_send(&redis->command, portal_redis_reply, task,
                               task->op.nargs, task->op.args)
        != NGX_OK)
    {
        portal_redis_end(task, PORTAL_OP_DOWN);
        return;
    }

    task->state = PORTAL_REDIS_SENT;
}


/* sends what waited for the connection, or ends it */

static void
portal_redis_release(portal_redis_t *redis, ngx_uint_t ready)
{
    ngx_queue_t          *q;
    portal_redis_task_t  *task;

    while (!ngx_queue_empty(&redis->waiting)) {
        q = ngx_queue_head(&redis->waiting);
        ngx_queue_remove(q);

        task = (portal_redis_task_t *) ngx_queue_data(q, portal_op_t, queue);

        if (ready) {
            portal_redis_send(task);

        } else {
            portal_redis_end(task, PORTAL_OP_DOWN);
        }
    }
}


static void
portal_redis_reply(redisAsyncContext *ac, void *r, void *data)
{
    redisReply           *reply = r;
    portal_redis_task_t  *task = data;

    if (reply == NULL) {
        portal_redis_end(task, PORTAL_OP_LOST);
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        portal_redis_refused(task, reply);
        portal_redis_end(task, PORTAL_OP_REFUSED);
        return;
    }

    if (portal_redis_answer(task, reply) != NGX_OK) {
        portal_redis_end(task, PORTAL_OP_LOST);
        return;
    }

    /* DEL may be taken where there is no room for more */

    if (task->redis->readonly && portal_redis_is(&task->op.args[0], "SET")) {
        task->redis->readonly = 0;

        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "redis takes writes again");
    }

    portal_redis_end(task, PORTAL_OP_OK);
}


static void
portal_redis_refused(portal_redis_task_t *task, redisReply *reply)
{
    size_t           len;
    u_char          *error;
    ngx_uint_t       level;
    portal_redis_t  *redis;

    error = task->op.error;
    redis = task->redis;

    for (len = 0; len < reply->len; len++) {
        if (reply->str[len] == ' ' || len == sizeof(task->op.error) - 1) {
            break;
        }

        error[len] = (u_char) reply->str[len];
    }

    error[len] = '\0';

    level = NGX_LOG_WARN;

    /* a master cut off from its replicas, no memory, no disk */

    if (ngx_strcmp(error, "NOREPLICAS") == 0
        || ngx_strcmp(error, "OOM") == 0
        || ngx_strcmp(error, "MISCONF") == 0)
    {
        if (redis->readonly) {
            level = NGX_LOG_INFO;
        }

        redis->readonly = 1;
    }

    ngx_log_error(level, ngx_cycle->log, 0,
                  "redis refused %V: %s", &task->op.args[0], error);

    /* another server may be the master by now */

    if (ngx_strcmp(error, "READONLY") == 0
        || ngx_strcmp(error, "LOADING") == 0
        || ngx_strcmp(error, "MASTERDOWN") == 0)
    {
        portal_redis_conn_drop(&redis->command, reply->str);
    }
}


static ngx_uint_t
portal_redis_is(ngx_str_t *arg, const char *word)
{
    return arg->len == ngx_strlen(word)
           && ngx_memcmp(arg->data, word, arg->len) == 0;
}


/* copies the answer, which hiredis frees before the handler is called */

static ngx_int_t
portal_redis_answer(portal_redis_task_t *task, redisReply *reply)
{
    portal_redis_op_t  *op;

    op = &task->op;

    switch (reply->type) {

    case REDIS_REPLY_NIL:
        op->type = PORTAL_REDIS_NIL;
        return NGX_OK;

    case REDIS_REPLY_INTEGER:
        op->type = PORTAL_REDIS_INTEGER;
        op->integer = reply->integer;
        return NGX_OK;

    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        op->type = (reply->type == REDIS_REPLY_STRING) ? PORTAL_REDIS_STRING
                                                       : PORTAL_REDIS_STATUS;
        return portal_redis_values(task, &reply, 1);

    case REDIS_REPLY_ARRAY:
        op->type = PORTAL_REDIS_ARRAY;
        return portal_redis_values(task, reply->element, reply->elements);

    default:
        return NGX_ERROR;
    }
}


static ngx_int_t
portal_redis_values(portal_redis_task_t *task, redisReply **elements,
    ngx_uint_t n)
{
    size_t              len;
    u_char             *p;
    redisReply         *e;
    ngx_uint_t          i;
    portal_redis_op_t  *op;

    op = &task->op;

    if (n > PORTAL_REDIS_ARGS) {
        return NGX_ERROR;
    }

    len = 0;

    for (i = 0; i < n; i++) {
        e = elements[i];

        if (e->type == REDIS_REPLY_STRING || e->type == REDIS_REPLY_STATUS) {
            len += e->len;

        } else if (e->type != REDIS_REPLY_NIL) {
            return NGX_ERROR;
        }
    }

    /* an empty string is not nil: it needs an address */

    p = ngx_alloc(len + 1, ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    task->reply = p;
    task->reply_len = len;

    for (i = 0; i < n; i++) {
        e = elements[i];

        if (e->type != REDIS_REPLY_NIL) {
            op->values[i].data = p;
            op->values[i].len = e->len;
            p = ngx_cpymem(p, e->str, e->len);
        }
    }

    op->n = n;

    return NGX_OK;
}


static void
portal_redis_deadline(ngx_event_t *ev)
{
    portal_redis_conn_t  *conn;
    portal_redis_task_t  *task;

    task = ev->data;
    conn = &task->redis->command;

    if (task->state == PORTAL_REDIS_WAITING) {
        ngx_queue_remove(&task->op.op.queue);
        portal_redis_end(task, PORTAL_OP_BUSY);
        return;
    }

    /* this worker, not Redis, may have been slow */

    if (!task->late && portal_redis_conn_readable(conn)) {
        task->late = 1;
        ngx_add_timer(ev, PORTAL_REDIS_GRACE);
        return;
    }

    /* answers come in order: the next ones would be late, too */

    portal_redis_conn_drop(conn, "no answer in time");
}


static void
portal_redis_end(portal_redis_task_t *task, portal_op_status_e status)
{
    portal_op_t     *op;
    portal_redis_t  *redis;

    op = &task->op.op;
    redis = task->redis;

    if (op->timer.timer_set) {
        ngx_del_timer(&op->timer);
    }

    portal_count(PORTAL_COUNT_REDIS + status);

    op->status = status;
    task->state = PORTAL_REDIS_DONE;

    ngx_queue_insert_tail(&redis->done, &op->queue);
    ngx_post_event(&redis->finish, &ngx_posted_events);
}


static void
portal_redis_finish(ngx_event_t *ev)
{
    ngx_queue_t          *q, batch;
    portal_op_t          *op;
    portal_redis_t       *redis;

    redis = ev->data;

    if (ngx_queue_empty(&redis->done)) {
        return;
    }

    /* what ends meanwhile has its own turn */

    ngx_queue_init(&batch);
    ngx_queue_add(&batch, &redis->done);
    ngx_queue_init(&redis->done);

    while (!ngx_queue_empty(&batch)) {
        q = ngx_queue_head(&batch);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, portal_op_t, queue);

        if (op->handler && !op->detached) {
            op->handler(op);
        }

        portal_redis_free((portal_redis_task_t *) op);
    }
}


static void
portal_redis_free(portal_redis_task_t *task)
{
    ngx_uint_t          i;
    portal_redis_op_t  *op;

    op = &task->op;

    if (op->op.posted) {
        task->redis->pending--;
    }

    for (i = 0; i < op->nargs; i++) {
        if (op->args[i].data < task->args
            || op->args[i].data > task->args + PORTAL_REDIS_INLINE)
        {
            ngx_explicit_memzero(op->args[i].data, op->args[i].len);
            ngx_free(op->args[i].data);
        }
    }

    if (task->reply) {
        ngx_explicit_memzero(task->reply, task->reply_len);
        ngx_free(task->reply);
    }

    ngx_explicit_memzero(task, sizeof(portal_redis_task_t));
    ngx_free(task);
}
