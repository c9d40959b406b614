
/*
 * Copyright (C) the portal's authors
 */


#include "portal_pg_int.h"


#define PORTAL_PG_BACKOFF_MIN  100
#define PORTAL_PG_BACKOFF_MAX  5000
#define PORTAL_PG_FAILOVER     1000     /* the same, where a standby waits */
#define PORTAL_PG_KEEP         10000
#define PORTAL_PG_IDLE_MAX     300000
#define PORTAL_PG_COMPLAINT    1000


static ngx_uint_t portal_pg_refused(portal_pg_t *pg, portal_pg_task_t *task);
static void portal_pg_deadline(ngx_event_t *ev);
static void portal_pg_leave(portal_pg_t *pg, ngx_uint_t host);

static void portal_pg_process(ngx_event_t *ev);
static void portal_pg_pump(portal_pg_t *pg);
static void portal_pg_deliver(portal_pg_t *pg);
static void portal_pg_sweep(portal_pg_t *pg);

static void portal_pg_open(portal_pg_t *pg);
static void portal_pg_connect_timeout(ngx_event_t *ev);
static void portal_pg_pause(portal_pg_t *pg);
static void portal_pg_retry(ngx_event_t *ev);
static void portal_pg_keep(ngx_event_t *ev);
static void portal_pg_close_idle(portal_pg_t *pg);

static void portal_pg_count(portal_pg_task_t *task);
static void portal_pg_unqueue(portal_pg_task_t *task);
static void portal_pg_free(portal_pg_task_t *task);


#define portal_pg_of(ev, field)                                               \
    ((portal_pg_t *) ((u_char *) (ev) - offsetof(portal_pg_t, field)))


portal_pg_t *
portal_pg_create(ngx_cycle_t *cycle, portal_pg_conf_t *conf)
{
    ngx_uint_t         i;
    portal_pg_t       *pg;
    portal_pg_conn_t  *conn;

    pg = ngx_pcalloc(cycle->pool, sizeof(portal_pg_t));
    if (pg == NULL) {
        return NULL;
    }

    conn = ngx_pcalloc(cycle->pool,
                       conf->connections * sizeof(portal_pg_conn_t));
    if (conn == NULL) {
        return NULL;
    }

    pg->conf = conf;
    pg->log = cycle->log;
    pg->conns = conn;

    ngx_queue_init(&pg->idle);
    ngx_queue_init(&pg->closed);
    ngx_queue_init(&pg->waiting);
    ngx_queue_init(&pg->done);

    for (i = 0; i < conf->connections; i++) {
        conn[i].pg = pg;
        portal_pg_pipe_init(&conn[i]);
        ngx_queue_insert_tail(&pg->closed, &conn[i].queue);
    }

    portal_op_event(&pg->event, portal_pg_process, pg->log);
    portal_op_event(&pg->connect, portal_pg_connect_timeout, pg->log);
    portal_op_event(&pg->retry, portal_pg_retry, pg->log);
    portal_op_event(&pg->keep, portal_pg_keep, pg->log);

    pg->connect.cancelable = 1;
    pg->retry.cancelable = 1;
    pg->keep.cancelable = 1;

    /* the workers of a reload do not all come at once */

    ngx_add_timer(&pg->keep, 1 + (ngx_msec_t) ngx_random() % 50);

    return pg;
}


void
portal_pg_destroy(portal_pg_t *pg)
{
    ngx_uint_t         i;
    ngx_queue_t       *q;
    portal_pg_conn_t  *conn;
    portal_pg_task_t  *task;

    if (pg == NULL) {
        return;
    }

    for (i = 0; i < pg->conf->connections; i++) {
        conn = &pg->conns[i];

        while (conn->npipe) {
            task = portal_pg_head(conn);
            portal_pg_pipe_remove(task);
            portal_pg_free(task);
        }

        if (conn->state != PORTAL_PG_CLOSED) {
            portal_pg_conn_close(conn);
        }
    }

    while (!ngx_queue_empty(&pg->waiting)) {
        q = ngx_queue_head(&pg->waiting);
        portal_pg_unqueue(portal_pg_task_of(q));
        portal_pg_free(portal_pg_task_of(q));
    }

    while (!ngx_queue_empty(&pg->done)) {
        q = ngx_queue_head(&pg->done);
        ngx_queue_remove(q);
        portal_pg_free(portal_pg_task_of(q));
    }

    if (pg->event.posted) {
        ngx_delete_posted_event(&pg->event);
    }

    if (pg->connect.timer_set) {
        ngx_del_timer(&pg->connect);
    }

    if (pg->retry.timer_set) {
        ngx_del_timer(&pg->retry);
    }

    if (pg->keep.timer_set) {
        ngx_del_timer(&pg->keep);
    }
}


portal_pg_op_t *
portal_pg_op(portal_pg_t *pg)
{
    portal_pg_task_t  *task;

    task = ngx_calloc(sizeof(portal_pg_task_t), pg->log);
    if (task == NULL) {
        return NULL;
    }

    task->pg = pg;
    portal_op_event(&task->op.op.timer, portal_pg_deadline, pg->log);

    return &task->op;
}


ngx_int_t
portal_pg_query(portal_pg_op_t *op, portal_pg_statement_t *st)
{
    if (op->n == PORTAL_PG_STATEMENTS) {
        return NGX_ERROR;
    }

    op->queries[op->n++].statement = st;

    return NGX_OK;
}


ngx_int_t
portal_pg_param(portal_pg_op_t *op, ngx_str_t *value)
{
    int                n;
    u_char            *p;
    ngx_str_t         *param;
    portal_pg_task_t  *task;
    portal_pg_query_t *query;

    task = (portal_pg_task_t *) op;

    if (op->n == 0) {
        return NGX_ERROR;
    }

    query = &op->queries[op->n - 1];
    n = task->nparams[op->n - 1];

    if (n == query->statement->nparams) {
        return NGX_ERROR;
    }

    if (value->data != NULL) {

        if (value->len && memchr(value->data, '\0', value->len) != NULL) {
            return NGX_ERROR;
        }

        p = ngx_alloc(value->len + 1, task->pg->log);
        if (p == NULL) {
            return NGX_ERROR;
        }

        param = &query->params[n];
        param->data = p;
        param->len = value->len;

        *ngx_cpymem(p, value->data, value->len) = '\0';
    }

    task->nparams[op->n - 1]++;

    return NGX_OK;
}


void
portal_pg_drop(portal_pg_op_t *op)
{
    portal_pg_free((portal_pg_task_t *) op);
}


void
portal_pg_post(portal_pg_t *pg, portal_pg_op_t *op)
{
    portal_pg_task_t  *task;

    task = (portal_pg_task_t *) op;

    op->op.posted = 1;
    task->posted = portal_op_clock();

    if (portal_pg_refused(pg, task)) {
        return;
    }

    pg->nwaiting++;
    ngx_queue_insert_tail(&pg->waiting, &op->op.queue);

    ngx_add_timer(&op->op.timer, pg->conf->timeout);

    portal_pg_wake(pg);
}


static ngx_uint_t
portal_pg_refused(portal_pg_t *pg, portal_pg_task_t *task)
{
    ngx_uint_t              i;
    portal_pg_statement_t  *st;

    for (i = 0; i < task->op.n; i++) {
        st = task->op.queries[i].statement;

        if (task->nparams[i] != st->nparams) {
            ngx_log_error(NGX_LOG_ALERT, portal_pg_log(task), 0,
                          "database statement \"%s\" has %d of %d parameters",
                          st->name, task->nparams[i], st->nparams);
            break;
        }
    }

    if (i < task->op.n || i == 0) {
        ngx_memcpy(task->op.sqlstate, "07001", 6);
        task->op.failed = i;
        portal_pg_done(task, PORTAL_OP_REFUSED);
        return 1;
    }

    if (pg->down) {
        portal_pg_failed(task, "is down");
        portal_pg_done(task, PORTAL_OP_DOWN);
        return 1;
    }

    if (pg->nwaiting >= pg->conf->queue) {
        portal_pg_sweep(pg);
    }

    if (pg->nwaiting >= pg->conf->queue) {
        portal_pg_failed(task, "queue is full");
        portal_pg_done(task, PORTAL_OP_BUSY);
        return 1;
    }

    return 0;
}


static void
portal_pg_deadline(ngx_event_t *ev)
{
    portal_pg_t       *pg;
    portal_pg_conn_t  *conn;
    portal_pg_task_t  *task;

    task = (portal_pg_task_t *) portal_op_of_timer(ev);
    pg = task->pg;
    conn = task->conn;

    if (conn) {
        portal_pg_failed(task, "answered not in time");

        portal_pg_pipe_learn(conn, 0);
        portal_pg_pipe_remove(task);
        portal_pg_conn_close(conn);

        /* a server that hangs answers nothing else, and takes connections */

        if (pg->conf->hosts.nelts > 1) {
            portal_pg_leave(pg, conn->host);
        }

        portal_pg_done(task, PORTAL_OP_LOST);
        return;
    }

    portal_pg_unqueue(task);

    if (pg->open == 0) {
        portal_pg_failed(task, "could not be connected in time");
        portal_pg_done(task, PORTAL_OP_DOWN);
        return;
    }

    portal_pg_failed(task, "queue had no turn in time");
    portal_pg_done(task, PORTAL_OP_BUSY);
}


void
portal_pg_wake(portal_pg_t *pg)
{
    ngx_post_event(&pg->event, &ngx_posted_events);
}


static void
portal_pg_process(ngx_event_t *ev)
{
    portal_pg_t  *pg;

    pg = portal_pg_of(ev, event);

    portal_pg_pump(pg);

    if (pg->down) {
        portal_pg_fail(pg);
    }

    if (!ngx_queue_empty(&pg->waiting)) {
        portal_pg_open(pg);
    }

    if (ngx_exiting) {
        portal_pg_close_idle(pg);
    }

    portal_pg_deliver(pg);
}


static void
portal_pg_pump(portal_pg_t *pg)
{
    ngx_queue_t       *q;
    portal_pg_conn_t  *conn;
    portal_pg_task_t  *task;

    while (!ngx_queue_empty(&pg->waiting)) {

        q = ngx_queue_head(&pg->waiting);
        task = portal_pg_task_of(q);

        /* not the task freed the turn before: the analyzer does not follow
           a removal's writes through the neighbours' links */

        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        if (task->op.op.detached) {
            portal_pg_unqueue(task);
            portal_pg_free(task);
            continue;
        }

        if (pg->barrier && pg->barrier != task) {
            return;
        }

        if (ngx_queue_empty(&pg->idle)) {
            conn = portal_pg_pipe_behind(pg, task);

            if (conn == NULL) {
                return;
            }

        } else {
            q = ngx_queue_head(&pg->idle);
            conn = ngx_queue_data(q, portal_pg_conn_t, queue);
        }

        if (task->op.barrier) {
            pg->barrier = task;
        }

        portal_pg_unqueue(task);

        if (portal_pg_pipe_send(conn, task) == NGX_DECLINED) {
            portal_pg_first(task);
        }
    }
}


void
portal_pg_fail(portal_pg_t *pg)
{
    ngx_queue_t       *q;
    portal_pg_task_t  *task;

    while (!ngx_queue_empty(&pg->waiting)) {
        q = ngx_queue_head(&pg->waiting);
        task = portal_pg_task_of(q);

        portal_pg_unqueue(task);
        portal_pg_failed(task, "is down");
        portal_pg_done(task, PORTAL_OP_DOWN);
    }
}


static void
portal_pg_deliver(portal_pg_t *pg)
{
    uint64_t           start;
    ngx_queue_t       *q, done;
    portal_op_t       *op;
    portal_pg_task_t  *task;

    /* what a handler posts has its turn after those who wait */

    if (ngx_queue_empty(&pg->done)) {
        return;
    }

    ngx_queue_init(&done);
    ngx_queue_add(&done, &pg->done);
    ngx_queue_init(&pg->done);

    start = portal_op_clock();

    while (!ngx_queue_empty(&done)) {
        q = ngx_queue_head(&done);
        ngx_queue_remove(q);

        task = portal_pg_task_of(q);
        op = &task->op.op;

        if (op->handler) {
            op->handler(op);
        }

        portal_pg_free(task);
    }

    pg->handlers += portal_op_clock() - start;
}


static void
portal_pg_sweep(portal_pg_t *pg)
{
    ngx_queue_t       *q, *next;
    portal_pg_task_t  *task;

    for (q = ngx_queue_head(&pg->waiting);
         q != ngx_queue_sentinel(&pg->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        task = portal_pg_task_of(q);

        if (task->op.op.detached) {
            portal_pg_unqueue(task);
            portal_pg_free(task);
        }
    }
}


void
portal_pg_done(portal_pg_task_t *task, portal_op_status_e status)
{
    uint64_t  now;

    if (task->op.op.timer.timer_set) {
        ngx_del_timer(&task->op.op.timer);
    }

    if (status != PORTAL_OP_OK) {
        portal_pg_clear(task);
    }

    task->conn = NULL;
    task->op.op.status = status;

    now = portal_op_clock();

    task->op.took = now - task->posted;
    task->op.waited = (task->sent ? task->sent : now) - task->posted;

    if (!task->stand_in) {
        portal_pg_count(task);
    }

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, task->pg->log, 0,
                   "database operation %p: status:%d detached:%d",
                   task, status, task->op.op.detached);

    ngx_queue_insert_tail(&task->pg->done, &task->op.op.queue);

    portal_pg_wake(task->pg);
}


static void
portal_pg_count(portal_pg_task_t *task)
{
    ngx_uint_t  pool;

    pool = task->pg->conf->pool;

    portal_count(PORTAL_COUNT_CALL + pool * PORTAL_COUNT_STATUSES
                 + task->op.op.status);

    if (pool == 0) {
        portal_count_time(PORTAL_COUNT_CALL_TIME, task->op.took);
        portal_count(PORTAL_COUNT_WAITED);
        portal_count_add(PORTAL_COUNT_WAIT_TIME, task->op.waited);
    }
}


void
portal_pg_suspect(portal_pg_conn_t *conn, portal_pg_task_t *task)
{
    portal_pg_t  *pg;

    pg = conn->pg;

    /* a server that has become read only still accepts connections */

    if (ngx_strcmp(task->op.sqlstate, "25006") == 0) {
        portal_pg_leave(pg, conn->host);
        return;
    }

    portal_pg_close_idle(pg);
}


/* the next connection is another host's, if there is one */

static void
portal_pg_leave(portal_pg_t *pg, ngx_uint_t host)
{
    if (pg->host == host) {
        pg->host = (pg->host + 1) % pg->conf->hosts.nelts;
    }

    portal_pg_close_idle(pg);
}


void
portal_pg_clear(portal_pg_task_t *task)
{
    ngx_uint_t  i;

    for (i = 0; i < task->op.n; i++) {
        ngx_str_null(&task->op.queries[i].value);
        PQclear(task->results[i]);
        task->results[i] = NULL;
    }
}


static void
portal_pg_open(portal_pg_t *pg)
{
    char             **hosts;
    ngx_queue_t       *q;
    portal_pg_conn_t  *conn;

    if (pg->connecting || ngx_queue_empty(&pg->closed)) {
        return;
    }

    if (pg->retry.timer_set) {

        if (pg->rounds || pg->tried) {
            return;
        }

        /* a pause after a loss that nobody was waiting for */

        ngx_del_timer(&pg->retry);
    }

    q = ngx_queue_head(&pg->closed);
    conn = ngx_queue_data(q, portal_pg_conn_t, queue);
    ngx_queue_remove(q);

    hosts = pg->conf->hosts.elts;

    conn->host = pg->host;
    pg->connecting = conn;

    ngx_add_timer(&pg->connect, pg->conf->connect_timeout);

    portal_pg_conn_open(conn, hosts[pg->host]);
}


void
portal_pg_connected(portal_pg_conn_t *conn)
{
    portal_pg_t  *pg;

    pg = conn->pg;

    pg->connecting = NULL;
    ngx_del_timer(&pg->connect);

    if (pg->down) {
        ngx_log_error(NGX_LOG_NOTICE, pg->log, 0, "database is back");
    }

    pg->down = 0;
    pg->tried = 0;
    pg->rounds = 0;
    pg->open++;
    pg->reached = 1;

    portal_count(PORTAL_COUNT_CONNECT + pg->conf->pool);

    conn->expires = ngx_current_msec + 3240000
                    + (ngx_msec_t) ngx_random() % 720000;

    portal_pg_wake(pg);
}


void
portal_pg_unconnected(portal_pg_t *pg)
{
    pg->connecting = NULL;

    portal_count(PORTAL_COUNT_CONNECT_FAILED + pg->conf->pool);

    if (pg->connect.timer_set) {
        ngx_del_timer(&pg->connect);
    }

    pg->host = (pg->host + 1) % pg->conf->hosts.nelts;

    if (++pg->tried < pg->conf->hosts.nelts) {
        ngx_add_timer(&pg->retry, 1);
        return;
    }

    pg->tried = 0;
    pg->rounds++;

    if (pg->open == 0 && !pg->down) {
        pg->down = 1;
        ngx_log_error(NGX_LOG_ERR, pg->log, 0, "database is down");
    }

    portal_pg_pause(pg);
    portal_pg_wake(pg);
}


void
portal_pg_closed(portal_pg_conn_t *conn)
{
    portal_pg_t  *pg;

    pg = conn->pg;

    ngx_queue_insert_head(&pg->closed, &conn->queue);

    if (pg->open == 0
        && pg->connecting == NULL
        && !pg->retry.timer_set
        && !ngx_exiting)
    {
        portal_pg_pause(pg);
    }

    portal_pg_wake(pg);
}


static void
portal_pg_connect_timeout(ngx_event_t *ev)
{
    portal_pg_conn_failed(portal_pg_of(ev, connect)->connecting,
                          "timed out");
}


static void
portal_pg_pause(portal_pg_t *pg)
{
    ngx_msec_t  delay;

    delay = (pg->conf->hosts.nelts > 1) ? PORTAL_PG_FAILOVER
                                        : PORTAL_PG_BACKOFF_MAX;

    if (pg->rounds < 7) {
        delay = ngx_min(delay, (ngx_msec_t) PORTAL_PG_BACKOFF_MIN
                               << pg->rounds);
    }

    delay = delay / 2 + (ngx_msec_t) ngx_random() % (delay / 2);

    ngx_add_timer(&pg->retry, delay);
}


static void
portal_pg_retry(ngx_event_t *ev)
{
    portal_pg_t  *pg;

    pg = portal_pg_of(ev, retry);

    if (!ngx_queue_empty(&pg->waiting) || (pg->open == 0 && !ngx_exiting)) {
        portal_pg_open(pg);
    }
}


static void
portal_pg_keep(ngx_event_t *ev)
{
    portal_pg_t       *pg;
    ngx_uint_t         i;
    portal_pg_conn_t  *conn;

    pg = portal_pg_of(ev, keep);

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    for (i = 0; i < pg->conf->connections; i++) {
        conn = &pg->conns[i];

        if (conn->state == PORTAL_PG_IDLE
            && ((ngx_msec_int_t) (ngx_current_msec - conn->expires) >= 0
                || (pg->open > 1
                    && ngx_current_msec - conn->used > PORTAL_PG_IDLE_MAX)))
        {
            portal_pg_conn_close(conn);
        }
    }

    if (pg->open == 0) {
        portal_pg_open(pg);
    }

    ngx_add_timer(&pg->keep, PORTAL_PG_KEEP);
}


static void
portal_pg_close_idle(portal_pg_t *pg)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&pg->idle)) {
        q = ngx_queue_head(&pg->idle);
        portal_pg_conn_close(ngx_queue_data(q, portal_pg_conn_t, queue));
    }
}


ngx_uint_t
portal_pg_healthy(portal_pg_t *pg)
{
    return pg->reached && !pg->down;
}


void
portal_pg_stats(portal_pg_t *pg, portal_pg_stats_t *stats)
{
    stats->open = pg->open;
    stats->busy = pg->busy;
    stats->connecting = (pg->connecting != NULL);
    stats->waiting = pg->nwaiting;
}


static void
portal_pg_unqueue(portal_pg_task_t *task)
{
    /* no freed task is in a queue: see portal_pg_pump() */

    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    task->pg->nwaiting--;
    ngx_queue_remove(&task->op.op.queue);
}


static void
portal_pg_free(portal_pg_task_t *task)
{
    int         j;
    ngx_str_t  *param;
    ngx_uint_t  i;

    /* however it ends, who waits behind it goes on */

    if (task->pg->barrier == task) {
        task->pg->barrier = NULL;
        portal_pg_wake(task->pg);
    }

    if (task->op.op.timer.timer_set) {
        ngx_del_timer(&task->op.op.timer);
    }

    portal_pg_clear(task);

    /* passwords' hashes and tokens are among them */

    for (i = 0; i < task->op.n; i++) {
        for (j = 0; j < task->nparams[i]; j++) {
            param = &task->op.queries[i].params[j];

            if (param->data) {
                ngx_explicit_memzero(param->data, param->len);
                ngx_free(param->data);
            }
        }
    }

    ngx_free(task);
}


void
portal_pg_failed(portal_pg_task_t *task, const char *why)
{
    ngx_log_t    *log;
    portal_pg_t  *pg;

    pg = task->pg;
    log = task->op.op.log;

    if (log == NULL) {

        /* of nobody who waits: a line each would only add to the overload */

        if (pg->down
            || (pg->complained
                && ngx_current_msec - pg->complained < PORTAL_PG_COMPLAINT))
        {
            return;
        }

        pg->complained = ngx_current_msec;
        log = pg->log;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0, "database %s, \"%s\", open:%ui busy:%ui "
                  "waiting:%ui", why,
                  task->op.queries[task->op.n - 1].statement->name,
                  pg->open, pg->busy, pg->nwaiting);
}
