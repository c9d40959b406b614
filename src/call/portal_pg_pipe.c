
/*
 * Copyright (C) the portal's authors
 */


#include "portal_pg_int.h"


/*
 * What is on its way on a connection.  An operation mostly has it for itself.
 * When all of them are busy, reads that are known to be quick follow one
 * another: PostgreSQL finds the next one in its buffer and does not go to
 * sleep, and nginx reads several answers at one event.  Each is followed by
 * its own Sync, so that each is a transaction of its own and fails alone.
 *
 * That an answer never reaches another than who has asked does not hang on
 * this file's arithmetic: the server answers one connection in the order it
 * was asked, and ends the answer to each Sync with a ReadyForQuery, which
 * libpq matches with the Syncs it has sent.  Results are put into the first
 * task of the pipe only; it leaves at its own Sync and before the next one is
 * looked at, and only if each of its steps was answered, no less and no more,
 * which portal_pg_conn_result() sees to.  Whatever does not come out even is
 * the end of the connection, and with it of all that was on its way there: a
 * task that is asked again has no place in any pipe until it is sent anew, and
 * one that leaves before its turn has a stand-in there, which is nobody's.
 */


#define PORTAL_PG_PIPE   8              /* operations, of one connection */
#define PORTAL_PG_QUICK  2000           /* microseconds */
#define PORTAL_PG_STUCK  20             /* ms that others wait for a turn */


static ngx_uint_t portal_pg_pipe_quick(portal_pg_task_t *task);
static ngx_uint_t portal_pg_pipe_prepared(portal_pg_conn_t *conn,
    portal_pg_task_t *task);
static ngx_int_t portal_pg_pipe_queue(portal_pg_conn_t *conn,
    portal_pg_task_t *task);
static ngx_int_t portal_pg_pipe_step(portal_pg_conn_t *conn,
    portal_pg_task_t *task, portal_pg_step_e what, ngx_uint_t query);
static void portal_pg_pipe_stuck(ngx_event_t *ev);
static ngx_int_t portal_pg_pipe_leave(portal_pg_task_t *task);


void
portal_pg_pipe_init(portal_pg_conn_t *conn)
{
    ngx_queue_init(&conn->pipe);

    portal_op_event(&conn->stuck, portal_pg_pipe_stuck, conn->pg->log);
    conn->stuck.cancelable = 1;
}


portal_pg_conn_t *
portal_pg_pipe_behind(portal_pg_t *pg, portal_pg_task_t *task)
{
    uint64_t           since;
    ngx_uint_t         i, n;
    portal_pg_conn_t  *conn, *best;

    /* a connection that can be opened is better, and one must be sought */

    if (pg->open < pg->conf->connections || !portal_pg_pipe_quick(task)) {
        return NULL;
    }

    best = NULL;
    n = PORTAL_PG_PIPE;

    /* nobody goes behind one whose followers would be sent elsewhere */

    since = portal_op_clock() - (uint64_t) PORTAL_PG_STUCK * 1000;

    for (i = 0; i < pg->conf->connections; i++) {
        conn = &pg->conns[i];

        if (conn->state == PORTAL_PG_BUSY
            && conn->shared
            && conn->turn > since
            && conn->npipe < n
            && !conn->reset
            && !conn->dying
            && (ngx_msec_int_t) (ngx_current_msec - conn->expires) < 0
            && portal_pg_pipe_prepared(conn, task))
        {
            best = conn;
            n = conn->npipe;
        }
    }

    return best;
}


static ngx_uint_t
portal_pg_pipe_quick(portal_pg_task_t *task)
{
    uint64_t  us;

    us = task->pg->service[task->op.queries[task->op.n - 1].statement->index];

    return task->op.shares && !task->alone && us != 0 && us < PORTAL_PG_QUICK;
}


static ngx_uint_t
portal_pg_pipe_prepared(portal_pg_conn_t *conn, portal_pg_task_t *task)
{
    ngx_uint_t  i, index;

    for (i = 0; i < task->op.n; i++) {
        index = task->op.queries[i].statement->index;

        if ((conn->prepared[index / 64] & portal_pg_bit(index)) == 0) {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
portal_pg_pipe_send(portal_pg_conn_t *conn, portal_pg_task_t *task)
{
    u_char   c;
    ssize_t  n;

    if (conn->state == PORTAL_PG_IDLE) {

        /*
         * What an idle connection has to say is mostly good-bye, and its event
         * may come later in this very cycle: nothing is lost by looking first.
         */

        n = recv(conn->c->fd, &c, 1, MSG_PEEK|MSG_DONTWAIT);

        if ((n != -1 || ngx_socket_errno != NGX_EAGAIN)
            && portal_pg_conn_check(conn) != NGX_OK)
        {
            return NGX_DECLINED;
        }

        ngx_queue_remove(&conn->queue);

        conn->state = PORTAL_PG_BUSY;
        conn->pg->busy++;
        conn->c->idle = 0;
        conn->shared = portal_pg_pipe_quick(task) ? 1 : 0;
    }

    task->conn = conn;
    task->nsteps = 0;
    task->step = 0;

    ngx_queue_insert_tail(&conn->pipe, &task->op.op.queue);

    if (conn->npipe++ == 0) {
        portal_pg_pipe_turn(conn);

    } else {
        portal_count(PORTAL_COUNT_SHARED);

        if (!conn->stuck.timer_set) {
            ngx_add_timer(&conn->stuck, PORTAL_PG_STUCK);
        }
    }

    if (portal_pg_pipe_queue(conn, task) != NGX_OK) {

        /* without a sync nothing is ever committed */

        ngx_log_error(NGX_LOG_ERR, conn->pg->log, 0,
                      "database connection takes no statement");

        portal_pg_pipe_remove(task);
        portal_pg_conn_close(conn);
        return NGX_DECLINED;
    }

    portal_pg_conn_flush(conn);

    return NGX_OK;
}


static ngx_int_t
portal_pg_pipe_queue(portal_pg_conn_t *conn, portal_pg_task_t *task)
{
    uint64_t                pending[PORTAL_PG_STATEMENTS_MAX / 64], *word;
    ngx_uint_t              i;
    portal_pg_statement_t  *st;

    if (conn->reset) {

        ngx_memzero(conn->prepared, sizeof(conn->prepared));

        if (portal_pg_pipe_step(conn, task, PORTAL_PG_RESET, 0) != NGX_OK) {
            return NGX_ERROR;
        }

        conn->reset = 0;
    }

    ngx_memcpy(pending, conn->prepared, sizeof(pending));

    for (i = 0; i < task->op.n; i++) {

        st = task->op.queries[i].statement;
        word = &pending[st->index / 64];

        if ((*word & portal_pg_bit(st->index)) == 0) {

            if (portal_pg_pipe_step(conn, task, PORTAL_PG_PREPARE, i)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            *word |= portal_pg_bit(st->index);
        }

        if (portal_pg_pipe_step(conn, task, PORTAL_PG_EXECUTE, i) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return PQpipelineSync(conn->pq) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
portal_pg_pipe_step(portal_pg_conn_t *conn, portal_pg_task_t *task,
    portal_pg_step_e what, ngx_uint_t query)
{
    int                     i, rc;
    portal_pg_query_t      *q;
    const char             *values[PORTAL_PG_PARAMS];
    portal_pg_statement_t  *st;

    q = &task->op.queries[query];
    st = q->statement;

    switch (what) {

    case PORTAL_PG_RESET:
        rc = PQsendQueryParams(conn->pq, "DEALLOCATE ALL", 0, NULL, NULL,
                               NULL, NULL, 0);
        break;

    case PORTAL_PG_PREPARE:
        rc = PQsendPrepare(conn->pq, st->name, st->sql, st->nparams, NULL);
        break;

    default: /* PORTAL_PG_EXECUTE */

        for (i = 0; i < st->nparams; i++) {
            values[i] = (char *) q->params[i].data;
        }

        rc = PQsendQueryPrepared(conn->pq, st->name, st->nparams, values,
                                 NULL, NULL, 0);
    }

    if (!rc) {
        return NGX_ERROR;
    }

    task->steps[task->nsteps].what = what;
    task->steps[task->nsteps].query = query;
    task->nsteps++;

    return NGX_OK;
}


void
portal_pg_pipe_remove(portal_pg_task_t *task)
{
    task->conn->npipe--;
    task->conn = NULL;

    ngx_queue_remove(&task->op.op.queue);
}


void
portal_pg_pipe_turn(portal_pg_conn_t *conn)
{
    portal_pg_task_t  *task;

    task = portal_pg_head(conn);

    conn->error = PORTAL_PG_NO_ERROR;
    conn->turn = portal_op_clock();
    conn->handlers = conn->pg->handlers;

    if (task->sent == 0) {
        task->sent = conn->turn;
    }
}


void
portal_pg_pipe_learn(portal_pg_conn_t *conn, ngx_uint_t answered)
{
    uint64_t          *service, us, own;
    portal_pg_task_t  *task;

    task = portal_pg_head(conn);
    us = portal_op_clock() - conn->turn;

    /* an answer that was there while nginx wrote others out was quick; not
       all of that time is to be taken for such, or none would ever be slow */

    own = task->pg->handlers - conn->handlers;
    us -= ngx_min(us / 2, own);

    /* who is refused at the door says nothing of what is behind it */

    if (!answered && us < PORTAL_PG_QUICK) {
        return;
    }

    service = &task->pg->service[
                  task->op.queries[task->op.n - 1].statement->index];

    *service = *service ? *service - *service / 8 + us / 8 : us;

    if (*service == 0) {
        *service = 1;
    }
}


/*
 * A function that is quick as a rule takes its time, or waits for a lock: who
 * stands behind it goes elsewhere, and a stand-in takes the answer.
 */

static void
portal_pg_pipe_stuck(ngx_event_t *ev)
{
    uint64_t           ms;
    ngx_queue_t       *q, *next;
    portal_pg_conn_t  *conn;
    portal_pg_task_t  *task;

    conn = (portal_pg_conn_t *) ((u_char *) ev
                                 - offsetof(portal_pg_conn_t, stuck));

    if (conn->npipe < 2) {
        return;
    }

    ms = (portal_op_clock() - conn->turn) / 1000;

    if (ms < PORTAL_PG_STUCK) {
        ngx_add_timer(&conn->stuck, PORTAL_PG_STUCK - (ngx_msec_t) ms);
        return;
    }

    conn->shared = 0;

    for (q = ngx_queue_next(ngx_queue_head(&conn->pipe));
         q != ngx_queue_sentinel(&conn->pipe);
         q = next)
    {
        next = ngx_queue_next(q);
        task = portal_pg_task_of(q);

        if (!task->op.op.detached && portal_pg_pipe_leave(task) != NGX_OK) {
            return;
        }
    }
}


static ngx_int_t
portal_pg_pipe_leave(portal_pg_task_t *task)
{
    ngx_uint_t         i;
    portal_pg_op_t    *op;
    portal_pg_conn_t  *conn;
    portal_pg_task_t  *stand_in;

    conn = task->conn;

    op = portal_pg_op(conn->pg);
    if (op == NULL) {
        return NGX_ERROR;
    }

    /* an operation that was posted, sent and left by its client */

    stand_in = (portal_pg_task_t *) op;
    stand_in->stand_in = 1;
    stand_in->alone = 1;
    stand_in->conn = conn;
    stand_in->posted = task->posted;
    stand_in->nsteps = task->nsteps;
    ngx_memcpy(stand_in->steps, task->steps, sizeof(task->steps));

    op->shares = 1;
    op->n = task->op.n;

    for (i = 0; i < op->n; i++) {
        op->queries[i].statement = task->op.queries[i].statement;
    }

    portal_op_detach(&op->op);
    op->op.posted = 1;

    ngx_queue_insert_after(&task->op.op.queue, &op->op.queue);
    conn->npipe++;

    ngx_add_timer(&op->op.timer, conn->pg->conf->timeout);

    portal_pg_pipe_remove(task);

    task->alone = 1;

    portal_pg_first(task);

    return NGX_OK;
}


void
portal_pg_again(portal_pg_task_t *task)
{
    if (task->retried) {
        portal_pg_failed(task, "ended the connection twice");
        portal_pg_done(task, PORTAL_OP_DOWN);
        return;
    }

    portal_pg_clear(task);

    task->retried = 1;
    task->alone = 1;

    portal_pg_first(task);
}


void
portal_pg_first(portal_pg_task_t *task)
{
    portal_pg_t       *pg;
    ngx_queue_t       *q;
    portal_pg_task_t  *other;

    pg = task->pg;

    task->conn = NULL;

    q = ngx_queue_head(&pg->waiting);

    /* several may come back, and a barrier waits for nobody behind it */

    while (task != pg->barrier && q != ngx_queue_sentinel(&pg->waiting)) {
        other = portal_pg_task_of(q);

        if (other != pg->barrier && other->posted > task->posted) {
            break;
        }

        q = ngx_queue_next(q);
    }

    pg->nwaiting++;
    ngx_queue_insert_tail(q, &task->op.op.queue);

    portal_pg_wake(pg);
}
