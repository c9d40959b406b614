
/*
 * Copyright (C) the portal's authors
 */


#include "portal_pg_int.h"


static void portal_pg_conn_established(portal_pg_conn_t *conn);
static void portal_pg_conn_connect_handler(ngx_event_t *ev);
static void portal_pg_conn_return(portal_pg_conn_t *conn);
static ngx_int_t portal_pg_conn_watch(portal_pg_conn_t *conn,
    ngx_uint_t write);
static void portal_pg_conn_unwatch(portal_pg_conn_t *conn);

static void portal_pg_conn_read_handler(ngx_event_t *ev);
static void portal_pg_conn_write_handler(ngx_event_t *ev);
static ngx_int_t portal_pg_conn_results(portal_pg_conn_t *conn);
static ngx_int_t portal_pg_conn_result(portal_pg_conn_t *conn, PGresult *res);
static void portal_pg_conn_error(portal_pg_conn_t *conn, PGresult *res);
static portal_pg_error_e portal_pg_conn_classify(portal_pg_conn_t *conn,
    PGresult *res, const char *code);

static void portal_pg_conn_finish(portal_pg_conn_t *conn);
static void portal_pg_conn_replan(portal_pg_task_t *task);
static void portal_pg_conn_values(portal_pg_task_t *task);
static void portal_pg_conn_release(portal_pg_conn_t *conn);
static void portal_pg_conn_notice(void *arg, const PGresult *res);
static ngx_uint_t portal_pg_conn_fatal(const PGresult *res,
    const char *code);


void
portal_pg_conn_open(portal_pg_conn_t *conn, char *conninfo)
{
    /* what comes before dbname is a default, the conninfo wins */

    static const char *const  keys[] = {
        "gssencmode", "fallback_application_name", "target_session_attrs",
        "keepalives_idle", "keepalives_interval", "keepalives_count",
        "dbname", NULL
    };

    const char  *values[] = {
        "disable", "portal",

        /* libpq hangs up on a standby: the next host is tried */
        "read-write",

        /* the one that is kept warm is not forgotten on the way, s */
        "60", "10", "3",
        NULL, NULL
    };

    values[6] = conninfo;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, conn->pg->log, 0,
                   "database connect: %p", conn);

    conn->state = PORTAL_PG_CONNECTING;
    conn->reset = 0;
    conn->dying = 0;
    ngx_memzero(conn->prepared, sizeof(conn->prepared));

    conn->pq = PQconnectStartParams(keys, values, 1);

    if (conn->pq == NULL) {
        portal_pg_conn_failed(conn, "no memory");
        return;
    }

    (void) PQsetNoticeReceiver(conn->pq, portal_pg_conn_notice, conn);

    if (PQstatus(conn->pq) == CONNECTION_BAD) {
        portal_pg_conn_failed(conn, NULL);
        return;
    }

    if (portal_pg_conn_watch(conn, 1) != NGX_OK) {
        portal_pg_conn_failed(conn, "no event");
    }
}


static void
portal_pg_conn_connect_handler(ngx_event_t *ev)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;
    portal_pg_conn_t  *conn;

    c = ev->data;
    conn = c->data;

    if (c->close) {
        portal_pg_conn_failed(conn, "the worker shuts down");
        return;
    }

    /*
     * PQconnectPoll() may close the socket and open another, mostly with
     * the same number, which epoll then knows nothing about
     */

    portal_pg_conn_unwatch(conn);

    switch (PQconnectPoll(conn->pq)) {

    case PGRES_POLLING_READING:
        rc = portal_pg_conn_watch(conn, 0);
        break;

    case PGRES_POLLING_WRITING:
        rc = portal_pg_conn_watch(conn, 1);
        break;

    case PGRES_POLLING_OK:
        portal_pg_conn_established(conn);
        return;

    default:
        portal_pg_conn_failed(conn, NULL);
        return;
    }

    if (rc != NGX_OK) {
        portal_pg_conn_failed(conn, "no event");
    }
}


static void
portal_pg_conn_established(portal_pg_conn_t *conn)
{
    if (PQsetnonblocking(conn->pq, 1) != 0
        || !PQenterPipelineMode(conn->pq)
        || portal_pg_conn_watch(conn, 0) != NGX_OK)
    {
        portal_pg_conn_failed(conn, "no event");
        return;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, conn->pg->log, 0,
                   "database connected: %p backend:%d",
                   conn, PQbackendPID(conn->pq));

    conn->c->read->handler = portal_pg_conn_read_handler;
    conn->c->write->handler = portal_pg_conn_write_handler;
    conn->c->idle = 1;

    conn->state = PORTAL_PG_IDLE;
    conn->used = ngx_current_msec;
    ngx_queue_insert_head(&conn->pg->idle, &conn->queue);

    portal_pg_connected(conn);
}


void
portal_pg_conn_failed(portal_pg_conn_t *conn, const char *reason)
{
    char         *pass, *p;
    size_t        len;
    u_char        buf[512];
    portal_pg_t  *pg;

    pg = conn->pg;
    pass = NULL;

    if (reason == NULL) {
        reason = PQerrorMessage(conn->pq);
        pass = PQpass(conn->pq);
    }

    *ngx_snprintf(buf, sizeof(buf) - 1, "%s", reason) = '\0';

    for (p = (char *) buf; *p != '\0'; p++) {
        if ((u_char) *p < ' ') {
            *p = ' ';
        }
    }

    /* libpq never shows a password; if it ever does, the log will not */

    len = pass ? ngx_strlen(pass) : 0;

    if (len) {
        while ((p = strstr((char *) buf, pass)) != NULL) {
            ngx_memset(p, '*', len);
        }
    }

    ngx_log_error(NGX_LOG_ERR, pg->log, 0,
                  "database connection failed: %s", buf);

    portal_pg_conn_close(conn);
    portal_pg_unconnected(pg);
}


void
portal_pg_conn_close(portal_pg_conn_t *conn)
{
    portal_pg_t  *pg;

    pg = conn->pg;

    switch (conn->state) {

    case PORTAL_PG_CLOSED:
        return;

    case PORTAL_PG_CONNECTING:
        break;

    case PORTAL_PG_IDLE:
        ngx_queue_remove(&conn->queue);
        pg->open--;
        break;

    case PORTAL_PG_BUSY:
        pg->busy--;
        pg->open--;
        break;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, pg->log, 0,
                   "database close: %p state:%d", conn, conn->state);

    conn->state = PORTAL_PG_CLOSED;

    portal_pg_conn_unwatch(conn);

    PQfinish(conn->pq);
    conn->pq = NULL;

    portal_pg_conn_return(conn);
    portal_pg_closed(conn);
}


/*
 * Who was not answered asks again.  They are reads: a connection that carries
 * anything else carries it alone, and who closes it takes that out before.
 */

static void
portal_pg_conn_return(portal_pg_conn_t *conn)
{
    portal_pg_task_t  *task;

    if (conn->stuck.timer_set) {
        ngx_del_timer(&conn->stuck);
    }

    while (conn->npipe) {
        task = portal_pg_head(conn);
        portal_pg_pipe_remove(task);
        portal_pg_again(task);
    }
}


static ngx_int_t
portal_pg_conn_watch(portal_pg_conn_t *conn, ngx_uint_t write)
{
    int                fd;
    ngx_connection_t  *c;

    fd = PQsocket(conn->pq);
    if (fd == -1) {
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, conn->pg->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    /* the socket is libpq's: nginx neither closes it nor drops its events */

    c->shared = 1;
    c->data = conn;
    c->read->log = c->log;
    c->write->log = c->log;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->read->handler = portal_pg_conn_connect_handler;
    c->write->handler = portal_pg_conn_connect_handler;

    conn->c = c;

    /* level-triggered: libpq does not read until EAGAIN */

    return write ? ngx_add_event(c->write, NGX_WRITE_EVENT, NGX_LEVEL_EVENT)
                 : ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT);
}


static void
portal_pg_conn_unwatch(portal_pg_conn_t *conn)
{
    ngx_uint_t         flags;
    ngx_connection_t  *c;

    c = conn->c;

    if (c == NULL) {
        return;
    }

    /* libpq closes its socket by itself when it meets the end of it */

    flags = (PQsocket(conn->pq) == c->fd) ? 0 : NGX_CLOSE_EVENT;

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, flags);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, flags);
    }

    ngx_close_connection(c);
    conn->c = NULL;
}


void
portal_pg_conn_flush(portal_pg_conn_t *conn)
{
    ngx_int_t     rc;
    ngx_event_t  *wev;

    wev = conn->c->write;
    rc = PQflush(conn->pq);

    if (rc == 1 && !wev->active) {
        rc = ngx_add_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);

    } else if (rc == 0 && wev->active) {
        rc = ngx_del_event(wev, NGX_WRITE_EVENT, 0);
    }

    if (rc < 0) {
        conn->error = PORTAL_PG_BROKEN;
        portal_pg_conn_finish(conn);
    }
}


static void
portal_pg_conn_write_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;
    portal_pg_conn_flush(c->data);
}


static void
portal_pg_conn_read_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;
    portal_pg_conn_t  *conn;

    c = ev->data;
    conn = c->data;

    if (conn->state == PORTAL_PG_IDLE) {

        if (c->close) {
            portal_pg_conn_close(conn);
            return;
        }

        (void) portal_pg_conn_check(conn);
        return;
    }

    /* worker_shutdown_timeout */

    if (c->close
        || portal_pg_conn_results(conn) == NGX_ERROR)
    {
        if (conn->error != PORTAL_PG_SERVER_ERROR) {
            conn->error = PORTAL_PG_BROKEN;
        }

        portal_pg_conn_finish(conn);
        return;
    }

    /* what was read may have made room for what is to be written */

    if (conn->state == PORTAL_PG_BUSY && c->write->active) {
        portal_pg_conn_flush(conn);
    }
}


ngx_int_t
portal_pg_conn_check(portal_pg_conn_t *conn)
{
    PGnotify  *notify;

    if (PQconsumeInput(conn->pq) && !PQisBusy(conn->pq) && !conn->dying) {

        while ((notify = PQnotifies(conn->pq)) != NULL) {
            PQfreemem(notify);
        }

        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_NOTICE, conn->pg->log, 0,
                  "database closed an idle connection");

    portal_pg_conn_close(conn);

    return NGX_DECLINED;
}


/* NGX_OK: the pipe is empty; NGX_AGAIN; NGX_ERROR: the connection's end */

static ngx_int_t
portal_pg_conn_results(portal_pg_conn_t *conn)
{
    int         alive;
    PGresult   *res;
    ngx_int_t   rc;
    ngx_uint_t  nulls;

    alive = PQconsumeInput(conn->pq);

    /* results may have come before the end did */

    nulls = 0;

    while (!PQisBusy(conn->pq)) {

        res = PQgetResult(conn->pq);

        if (res == NULL) {

            /* libpq thinks that nothing is on its way */

            if (++nulls == 2) {
                return NGX_ERROR;
            }

            portal_pg_head(conn)->step++;
            continue;
        }

        nulls = 0;

        rc = portal_pg_conn_result(conn, res);

        if (rc == NGX_DONE) {
            portal_pg_conn_finish(conn);

            if (conn->state != PORTAL_PG_BUSY) {
                return NGX_OK;
            }

        } else if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return alive ? NGX_AGAIN : NGX_ERROR;
}


static ngx_int_t
portal_pg_conn_result(portal_pg_conn_t *conn, PGresult *res)
{
    ngx_uint_t              i;
    portal_pg_task_t       *task;
    portal_pg_statement_t  *st;

    task = portal_pg_head(conn);

    switch (PQresultStatus(res)) {

    case PGRES_PIPELINE_SYNC:
        PQclear(res);

        /* all that it asked for was answered, and nothing else */

        return (conn->error || task->step == task->nsteps) ? NGX_DONE
                                                           : NGX_ERROR;

    case PGRES_PIPELINE_ABORTED:
        PQclear(res);
        return conn->error ? NGX_OK : NGX_ERROR;

    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        break;

    default:
        if (conn->error == PORTAL_PG_NO_ERROR) {
            portal_pg_conn_error(conn, res);
        }

        PQclear(res);

        return (conn->error >= PORTAL_PG_SERVER_ERROR) ? NGX_ERROR : NGX_OK;
    }

    if (task->step >= task->nsteps) {
        PQclear(res);
        return NGX_ERROR;
    }

    i = task->steps[task->step].query;

    switch (task->steps[task->step].what) {

    case PORTAL_PG_EXECUTE:
        PQclear(task->results[i]);
        task->results[i] = res;
        return NGX_OK;

    case PORTAL_PG_PREPARE:
        st = task->op.queries[i].statement;
        conn->prepared[st->index / 64] |= portal_pg_bit(st->index);
        break;

    case PORTAL_PG_RESET:
        break;
    }

    PQclear(res);

    return NGX_OK;
}


static void
portal_pg_conn_error(portal_pg_conn_t *conn, PGresult *res)
{
    const char        *code, *constraint;
    ngx_uint_t         level, step;
    portal_pg_task_t  *task;

    task = portal_pg_head(conn);

    code = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);

    conn->error = portal_pg_conn_classify(conn, res, code);

    if (conn->error == PORTAL_PG_BROKEN) {
        return;
    }

    /* what fails after the last step is the commit */

    step = ngx_min(task->step, task->nsteps - 1);

    task->op.failed = task->steps[step].query;

    (void) ngx_cpystrn(task->op.sqlstate, (u_char *) code,
                       sizeof(task->op.sqlstate));
    (void) ngx_cpystrn(task->op.constraint,
                       (u_char *) (constraint ? constraint : ""),
                       sizeof(task->op.constraint));

    level = NGX_LOG_ERR;

    if (conn->error != PORTAL_PG_STATEMENT_ERROR) {
        level = NGX_LOG_NOTICE;                 /* tried again first */

    } else if (ngx_strncmp(code, "PT", 2) == 0
               || (task->op.op.log
                   && (ngx_strcmp(code, "3F000") == 0
                       || ngx_strcmp(code, "42883") == 0
                       || ngx_strcmp(code, "42P01") == 0)))
    {
        /* raised on purpose, or the caller says it better */

        level = NGX_LOG_INFO;
    }

    ngx_log_error(level, portal_pg_log(task), 0,
                  "database error %s in \"%s\"%s%s", task->op.sqlstate,
                  task->op.queries[task->op.failed].statement->name,
                  constraint ? " constraint " : "", task->op.constraint);
}


static portal_pg_error_e
portal_pg_conn_classify(portal_pg_conn_t *conn, PGresult *res,
    const char *code)
{
    portal_pg_task_t  *task;

    task = portal_pg_head(conn);

    if (code == NULL) {
        return PORTAL_PG_BROKEN;
    }

    if (portal_pg_conn_fatal(res, code)
        || ngx_strncmp(code, "08", 2) == 0
        || ngx_strcmp(code, "25006") == 0
        || ngx_strcmp(code, "53300") == 0)
    {
        /*
         * The commit comes after the last result: an error in its place
         * says that nothing was done, a later one says nothing.
         */

        return task->results[task->op.n - 1] ? PORTAL_PG_BROKEN
                                             : PORTAL_PG_SERVER_ERROR;
    }

    if (!task->replanned
        && (ngx_strcmp(code, "26000") == 0       /* not prepared */
            || ngx_strcmp(code, "0A000") == 0    /* type has changed */
            || ngx_strcmp(code, "42P05") == 0))  /* prepared already */
    {
        return PORTAL_PG_STALE_PLAN;
    }

    return PORTAL_PG_STATEMENT_ERROR;
}


static void
portal_pg_conn_finish(portal_pg_conn_t *conn)
{
    portal_pg_task_t  *task;

    task = portal_pg_head(conn);

    portal_pg_pipe_learn(conn, conn->error == PORTAL_PG_NO_ERROR);
    portal_pg_pipe_remove(task);

    /* of the last one: libpq does not say it while there are others */

    if (conn->error < PORTAL_PG_SERVER_ERROR
        && conn->npipe == 0
        && PQtransactionStatus(conn->pq) != PQTRANS_IDLE)
    {
        portal_pg_failed(task, "transaction was left open");
        conn->error = PORTAL_PG_BROKEN;

    } else if (conn->error == PORTAL_PG_BROKEN && task->op.shares) {

        /* whether it was done is no matter: it only reads */

        ngx_log_error(NGX_LOG_NOTICE, portal_pg_log(task), 0,
                      "database connection was lost by what only reads");

        conn->error = PORTAL_PG_SERVER_ERROR;

    } else if (conn->error == PORTAL_PG_BROKEN) {
        portal_pg_failed(task, "connection was lost");
    }

    switch (conn->error) {

    case PORTAL_PG_NO_ERROR:
        portal_pg_conn_values(task);
        portal_pg_conn_release(conn);
        portal_pg_done(task, PORTAL_OP_OK);
        break;

    case PORTAL_PG_STATEMENT_ERROR:
        portal_pg_conn_release(conn);
        portal_pg_done(task, PORTAL_OP_REFUSED);
        break;

    case PORTAL_PG_STALE_PLAN:
        portal_pg_conn_release(conn);
        portal_pg_conn_replan(task);
        break;

    case PORTAL_PG_SERVER_ERROR:
        portal_pg_conn_close(conn);
        portal_pg_suspect(conn, task);
        portal_pg_again(task);
        break;

    case PORTAL_PG_BROKEN:
        portal_pg_conn_close(conn);
        portal_pg_done(task, PORTAL_OP_LOST);
        break;
    }
}


/* what is stale on one connection is so on all of them */

static void
portal_pg_conn_replan(portal_pg_task_t *task)
{
    ngx_uint_t    i;
    portal_pg_t  *pg;

    pg = task->pg;

    for (i = 0; i < pg->conf->connections; i++) {
        pg->conns[i].reset = 1;
    }

    portal_pg_clear(task);

    task->replanned = 1;
    task->alone = 1;

    portal_pg_first(task);
}


static void
portal_pg_conn_values(portal_pg_task_t *task)
{
    PGresult    *res;
    ngx_str_t   *value;
    ngx_uint_t   i;

    for (i = 0; i < task->op.n; i++) {

        res = task->results[i];
        value = &task->op.queries[i].value;

        if (PQntuples(res) > 0
            && PQnfields(res) > 0
            && !PQgetisnull(res, 0, 0))
        {
            value->data = (u_char *) PQgetvalue(res, 0, 0);
            value->len = (size_t) PQgetlength(res, 0, 0);
        }
    }
}


static void
portal_pg_conn_release(portal_pg_conn_t *conn)
{
    if (conn->npipe && PQstatus(conn->pq) == CONNECTION_OK) {
        portal_pg_pipe_turn(conn);
        return;
    }

    /* libpq's buffers and the server's caches only grow */

    if (conn->dying
        || PQstatus(conn->pq) != CONNECTION_OK
        || (ngx_msec_int_t) (ngx_current_msec - conn->expires) >= 0)
    {
        portal_pg_conn_close(conn);
        return;
    }

    conn->state = PORTAL_PG_IDLE;
    conn->used = ngx_current_msec;
    conn->c->idle = 1;

    conn->pg->busy--;
    ngx_queue_insert_head(&conn->pg->idle, &conn->queue);

    portal_pg_wake(conn->pg);
}


static void
portal_pg_conn_notice(void *arg, const PGresult *res)
{
    portal_pg_conn_t  *conn = arg;

    const char  *code;

    code = PQresultErrorField(res, PG_DIAG_SQLSTATE);

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, conn->pg->log, 0,
                   "database notice: %p %s", conn, code ? code : "");

    if (portal_pg_conn_fatal(res, code)) {
        conn->dying = 1;
    }
}


/* the server ends the connection; a crash is announced by a warning */

static ngx_uint_t
portal_pg_conn_fatal(const PGresult *res, const char *code)
{
    const char  *severity;

    severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

    return (code && ngx_strncmp(code, "57P", 3) == 0)
           || (severity && (ngx_strcmp(severity, "FATAL") == 0
                            || ngx_strcmp(severity, "PANIC") == 0));
}
