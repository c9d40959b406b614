
/*
 * Copyright (C) the portal's authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "portal_photo.h"
#include "portal_process.h"
#include "../core/portal_count.h"


#define PORTAL_PHOTO_RUN    5000        /* ms, of a process */
#define PORTAL_PHOTO_LEASE  7000        /* a turn held longer is anyone's */
#define PORTAL_PHOTO_TICK   10          /* between two looks for a turn */
#define PORTAL_PHOTO_REAP   5           /* between two looks for an end */
#define PORTAL_PHOTO_OUT    131072      /* bytes; usual are 30 thousand */
#define PORTAL_PHOTO_PIECE  262144      /* of a write, four at a time */
#define PORTAL_PHOTO_LOADER 127         /* its exit: no program was loaded */


typedef enum {
    PORTAL_PHOTO_WAITING = 0,           /* in the queue */
    PORTAL_PHOTO_RUNNING,
    PORTAL_PHOTO_ENDING,                /* to be waited for; no connection */
} portal_photo_state_e;


typedef struct {
    portal_photo_op_t         pub;      /* first */

    portal_photo_t           *photo;
    portal_photo_state_e      state;
    uint64_t                  posted;

    ngx_event_t               event;    /* a refusal; or the next look */

    ngx_atomic_t             *turn;
    ngx_atomic_uint_t         stamp;

    ngx_pid_t                 pid;
    ngx_connection_t         *c;        /* both ways, to the process */
    size_t                    sent;
    size_t                    len;      /* of out */

    unsigned                  killed:1;
    unsigned                  ended:1;  /* the handler has run */

    u_char                    out[PORTAL_PHOTO_OUT];
} portal_photo_task_t;


#define portal_photo_of_event(ev)                                             \
    ((portal_photo_task_t *) ((u_char *) (ev)                                 \
                              - offsetof(portal_photo_task_t, event)))


struct portal_photo_s {
    portal_photo_conf_t      *conf;
    ngx_log_t                *log;
    ngx_atomic_t             *shared;
    ngx_uint_t                limit;

    ngx_queue_t               waiting;
    ngx_queue_t               running;
    ngx_uint_t                nwaiting;
    ngx_uint_t                nrunning;

    ngx_event_t               tick;
};


static void portal_photo_next(portal_photo_t *photo);
static void portal_photo_tick(ngx_event_t *ev);
static void portal_photo_sweep(portal_photo_t *photo);
static void portal_photo_refuse(portal_photo_task_t *t,
    portal_op_status_e status);
static void portal_photo_refused(ngx_event_t *ev);
static void portal_photo_deadline(ngx_event_t *ev);
static ngx_int_t portal_photo_start(portal_photo_task_t *t);
static ngx_int_t portal_photo_watch(portal_photo_task_t *t, int fd);
static void portal_photo_write(ngx_event_t *wev);
static void portal_photo_written(portal_photo_task_t *t);
static void portal_photo_read(ngx_event_t *rev);
static void portal_photo_kill(portal_photo_task_t *t);
static void portal_photo_ending(portal_photo_task_t *t);
static void portal_photo_reap(ngx_event_t *ev);
static void portal_photo_status(portal_photo_task_t *t, int status);
static void portal_photo_end(portal_photo_task_t *t);
static void portal_photo_free(portal_photo_task_t *t);
static ngx_log_t *portal_photo_log(portal_photo_task_t *t);
static ngx_int_t portal_photo_turn(portal_photo_task_t *t);
static ngx_atomic_uint_t portal_photo_now(void);


portal_photo_t *
portal_photo_create(ngx_cycle_t *cycle, portal_photo_conf_t *conf,
    ngx_atomic_t *shared)
{
    struct sigaction   sa;
    portal_photo_t    *photo;

    photo = ngx_pcalloc(cycle->pool, sizeof(portal_photo_t));
    if (photo == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     photo->nwaiting = 0;
     *     photo->nrunning = 0;
     */

    photo->conf = conf;
    photo->log = cycle->log;
    photo->shared = shared;

    photo->limit = conf->processes ? conf->processes
                                   : (ngx_uint_t) ngx_max(ngx_ncpu / 2, 1);
    photo->limit = ngx_min(photo->limit, PORTAL_PHOTO_SHARED);

    ngx_queue_init(&photo->waiting);
    ngx_queue_init(&photo->running);

    portal_op_event(&photo->tick, portal_photo_tick, cycle->log);
    photo->tick.cancelable = 1;

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_handler = SIG_DFL;
    sigemptyset(&sa.sa_mask);

    if (sigaction(SIGCHLD, &sa, NULL) == -1) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "sigaction(SIGCHLD) failed");
        return NULL;
    }

    return photo;
}


void
portal_photo_destroy(portal_photo_t *photo)
{
    int                   status;
    ngx_queue_t          *q, *next;
    portal_photo_task_t  *t;

    if (photo->tick.timer_set) {
        ngx_del_timer(&photo->tick);
    }

    for (q = ngx_queue_head(&photo->waiting);
         q != ngx_queue_sentinel(&photo->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        t = (portal_photo_task_t *) ngx_queue_data(q, portal_op_t, queue);

        portal_photo_free(t);
    }

    for (q = ngx_queue_head(&photo->running);
         q != ngx_queue_sentinel(&photo->running);
         q = next)
    {
        next = ngx_queue_next(q);
        t = (portal_photo_task_t *) ngx_queue_data(q, portal_op_t, queue);

        portal_photo_kill(t);

        if (t->c) {
            ngx_close_connection(t->c);
            t->c = NULL;
        }

        while (waitpid(t->pid, &status, 0) == -1 && ngx_errno == NGX_EINTR) {
            /* void */
        }

        (void) ngx_atomic_cmp_set(t->turn, t->stamp, 0);

        portal_photo_free(t);
    }
}


portal_photo_op_t *
portal_photo_op(portal_photo_t *photo)
{
    portal_photo_task_t  *t;

    t = ngx_calloc(sizeof(portal_photo_task_t), photo->log);
    if (t == NULL) {
        return NULL;
    }

    t->photo = photo;
    t->pid = -1;

    portal_op_event(&t->pub.op.timer, portal_photo_deadline, photo->log);
    portal_op_event(&t->event, portal_photo_refused, photo->log);

    return &t->pub;
}


void
portal_photo_drop(portal_photo_op_t *op)
{
    portal_photo_free((portal_photo_task_t *) op);
}


void
portal_photo_post(portal_photo_t *photo, portal_photo_op_t *op,
    ngx_msec_t patience)
{
    portal_photo_task_t  *t;

    t = (portal_photo_task_t *) op;

    op->op.posted = 1;
    t->posted = portal_op_clock();

    if (op->image.len > PORTAL_PHOTO_BYTES) {
        op->reason = PORTAL_PHOTO_SIZE;
        portal_photo_refuse(t, PORTAL_OP_REFUSED);
        return;
    }

    t->state = PORTAL_PHOTO_WAITING;

    ngx_queue_insert_tail(&photo->waiting, &op->op.queue);
    photo->nwaiting++;

    ngx_add_timer(&op->op.timer, patience);

    /* who waited before goes before */

    if (photo->nwaiting == 1) {
        portal_photo_next(photo);
        return;
    }

    if (photo->nwaiting > photo->conf->queue) {
        portal_photo_sweep(photo);
    }

    if (photo->nwaiting > photo->conf->queue) {
        ngx_queue_remove(&op->op.queue);
        photo->nwaiting--;

        ngx_log_error(NGX_LOG_WARN, portal_photo_log(t), 0,
                      "photo queue is full");

        portal_photo_refuse(t, PORTAL_OP_BUSY);
    }
}


static void
portal_photo_next(portal_photo_t *photo)
{
    ngx_queue_t          *q, *next;
    portal_photo_task_t  *t;

    for (q = ngx_queue_head(&photo->waiting);
         q != ngx_queue_sentinel(&photo->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        t = (portal_photo_task_t *) ngx_queue_data(q, portal_op_t, queue);

        if (!t->pub.op.detached && portal_photo_turn(t) != NGX_OK) {
            break;
        }

        ngx_queue_remove(q);
        photo->nwaiting--;

        if (t->pub.op.detached) {
            portal_photo_free(t);
            continue;
        }

        if (portal_photo_start(t) != NGX_OK) {
            (void) ngx_atomic_cmp_set(t->turn, t->stamp, 0);
            portal_photo_refuse(t, PORTAL_OP_DOWN);
        }
    }

    if (photo->nwaiting && !photo->tick.timer_set) {
        ngx_add_timer(&photo->tick, PORTAL_PHOTO_TICK);
    }
}


/*
 * The only way to a turn for who has to wait: a worker whose process has ended
 * gets no new one before the others have looked, too.
 */

static void
portal_photo_tick(ngx_event_t *ev)
{
    portal_photo_next((portal_photo_t *)
                      ((u_char *) ev - offsetof(portal_photo_t, tick)));
}


static void
portal_photo_sweep(portal_photo_t *photo)
{
    ngx_queue_t  *q, *next;
    portal_op_t  *op;

    for (q = ngx_queue_head(&photo->waiting);
         q != ngx_queue_sentinel(&photo->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        op = ngx_queue_data(q, portal_op_t, queue);

        if (op->detached) {
            ngx_queue_remove(q);
            photo->nwaiting--;
            portal_photo_free((portal_photo_task_t *) op);
        }
    }
}


/* the caller of portal_photo_post() may hold what its handler frees */

static void
portal_photo_refuse(portal_photo_task_t *t, portal_op_status_e status)
{
    t->pub.op.status = status;

    if (t->pub.op.timer.timer_set) {
        ngx_del_timer(&t->pub.op.timer);
    }

    ngx_post_event(&t->event, &ngx_posted_events);
}


static void
portal_photo_refused(ngx_event_t *ev)
{
    portal_photo_task_t  *t;

    t = portal_photo_of_event(ev);

    portal_photo_end(t);
    portal_photo_free(t);
}


static void
portal_photo_deadline(ngx_event_t *ev)
{
    portal_photo_task_t  *t;

    t = (portal_photo_task_t *) portal_op_of_timer(ev);

    if (t->state == PORTAL_PHOTO_WAITING) {
        ngx_queue_remove(&t->pub.op.queue);
        t->photo->nwaiting--;

        ngx_log_error(NGX_LOG_WARN, portal_photo_log(t), 0,
                      "no turn to look at a photo in time");

        t->pub.op.status = PORTAL_OP_BUSY;

        portal_photo_end(t);
        portal_photo_free(t);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, portal_photo_log(t), 0,
                  "photo process %P took more than %d ms, killed", t->pid,
                  PORTAL_PHOTO_RUN);

    t->pub.op.status = PORTAL_OP_LOST;

    portal_photo_end(t);
    portal_photo_kill(t);
    portal_photo_ending(t);
}


static ngx_int_t
portal_photo_start(portal_photo_task_t *t)
{
    int        fd[2];
    ngx_err_t  err;

    if (socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, fd) == -1) {
        ngx_log_error(NGX_LOG_ERR, portal_photo_log(t), ngx_errno,
                      "socketpair() for a photo failed");
        return NGX_ERROR;
    }

    if (portal_photo_watch(t, fd[0]) != NGX_OK) {
        (void) close(fd[1]);
        return NGX_ERROR;
    }

    err = portal_process_start((char *) t->photo->conf->path.data,
                               t->pub.logo ? "logo" : NULL, fd[1], &t->pid);

    (void) close(fd[1]);

    if (err) {
        ngx_log_error(NGX_LOG_ERR, portal_photo_log(t), err,
                      "photo process \"%V\" could not be started",
                      &t->photo->conf->path);

        ngx_close_connection(t->c);
        t->c = NULL;

        return NGX_ERROR;
    }

    t->state = PORTAL_PHOTO_RUNNING;

    ngx_queue_insert_tail(&t->photo->running, &t->pub.op.queue);
    t->photo->nrunning++;

    ngx_add_timer(&t->pub.op.timer, PORTAL_PHOTO_RUN);

    return NGX_OK;
}


/* takes the descriptor in any case */

static ngx_int_t
portal_photo_watch(portal_photo_task_t *t, int fd)
{
    ngx_log_t         *log;
    ngx_connection_t  *c;

    log = t->photo->log;

    if (ngx_nonblocking(fd) == -1) {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      ngx_nonblocking_n " for a photo failed");
        (void) close(fd);
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, log);
    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    c->data = t;
    c->read->log = c->log;
    c->write->log = c->log;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->read->handler = portal_photo_read;
    c->write->handler = portal_photo_write;

    /* level-triggered: a few pieces at a time, then others have their turn */

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK
        || ngx_add_event(c->write, NGX_WRITE_EVENT, NGX_LEVEL_EVENT)
           != NGX_OK)
    {
        ngx_close_connection(c);
        return NGX_ERROR;
    }

    t->c = c;

    return NGX_OK;
}


static void
portal_photo_write(ngx_event_t *wev)
{
    size_t                size;
    ssize_t               n;
    ngx_int_t             i;
    ngx_connection_t     *c;
    portal_photo_task_t  *t;

    c = wev->data;
    t = c->data;

    if (t->pub.op.detached) {

        /* the image may be gone */

        portal_photo_kill(t);
        portal_photo_ending(t);
        return;
    }

    for (i = 0; i < 4 && t->sent < t->pub.image.len; i++) {
        size = ngx_min(t->pub.image.len - t->sent, PORTAL_PHOTO_PIECE);

        n = send(c->fd, t->pub.image.data + t->sent, size, MSG_NOSIGNAL);

        if (n == -1) {

            if (ngx_socket_errno == NGX_EAGAIN
                || ngx_socket_errno == NGX_EINTR)
            {
                return;
            }

            /* it has seen enough, and its exit status says what */

            portal_photo_written(t);
            return;
        }

        t->sent += (size_t) n;
    }

    if (t->sent == t->pub.image.len) {
        portal_photo_written(t);
    }
}


static void
portal_photo_written(portal_photo_task_t *t)
{
    (void) ngx_del_event(t->c->write, NGX_WRITE_EVENT, 0);
    (void) shutdown(t->c->fd, SHUT_WR);
}


static void
portal_photo_read(ngx_event_t *rev)
{
    ssize_t               n;
    ngx_connection_t     *c;
    portal_photo_task_t  *t;

    c = rev->data;
    t = c->data;

    /* closed: by worker_shutdown_timeout */

    if (c->close || t->pub.op.detached) {
        portal_photo_kill(t);
        portal_photo_ending(t);
        return;
    }

    n = recv(c->fd, t->out + t->len, PORTAL_PHOTO_OUT - t->len, 0);

    if (n == -1
        && (ngx_socket_errno == NGX_EAGAIN || ngx_socket_errno == NGX_EINTR))
    {
        return;
    }

    if (n > 0) {
        t->len += (size_t) n;

        if (t->len < PORTAL_PHOTO_OUT) {
            return;
        }

        /* it is not ours any more */

        portal_photo_kill(t);
    }

    portal_photo_ending(t);
}


static void
portal_photo_kill(portal_photo_task_t *t)
{
    if (t->state != PORTAL_PHOTO_WAITING && !t->killed) {
        t->killed = 1;
        (void) kill(t->pid, SIGKILL);
    }
}


/* its end of the socket was closed by its end, or it was killed */

static void
portal_photo_ending(portal_photo_task_t *t)
{
    if (t->state == PORTAL_PHOTO_ENDING) {
        return;
    }

    ngx_close_connection(t->c);
    t->c = NULL;

    t->state = PORTAL_PHOTO_ENDING;

    t->event.handler = portal_photo_reap;

    portal_photo_reap(&t->event);
}


static void
portal_photo_reap(ngx_event_t *ev)
{
    int                   status;
    ngx_pid_t             pid;
    portal_photo_t       *photo;
    portal_photo_task_t  *t;

    t = portal_photo_of_event(ev);
    photo = t->photo;

    pid = waitpid(t->pid, &status, WNOHANG);

    if (pid == 0 || (pid == -1 && ngx_errno == NGX_EINTR)) {
        ngx_add_timer(&t->event, PORTAL_PHOTO_REAP);
        return;
    }

    (void) ngx_atomic_cmp_set(t->turn, t->stamp, 0);

    ngx_queue_remove(&t->pub.op.queue);
    photo->nrunning--;

    if (!t->ended) {

        if (pid == -1) {
            ngx_log_error(NGX_LOG_ALERT, portal_photo_log(t), ngx_errno,
                          "waitpid() of a photo process failed");
            t->pub.op.status = PORTAL_OP_LOST;

        } else {
            portal_photo_status(t, status);
        }

        portal_photo_end(t);
    }

    portal_photo_free(t);

    if (photo->nwaiting && !photo->tick.timer_set) {
        ngx_add_timer(&photo->tick, PORTAL_PHOTO_TICK);
    }
}


static void
portal_photo_status(portal_photo_task_t *t, int status)
{
    int          code;
    const char  *why;

    t->pub.op.status = PORTAL_OP_LOST;

    if (t->killed) {

        /* by worker_shutdown_timeout, or for what it wrote */

        ngx_log_error(NGX_LOG_ERR, portal_photo_log(t), 0,
                      "photo process %P was killed", t->pid);
        return;
    }

    if (WIFSIGNALED(status)) {
        ngx_log_error(NGX_LOG_ERR, portal_photo_log(t), 0,
                      "photo process %P ended on signal %d", t->pid,
                      WTERMSIG(status));
        return;
    }

    code = WEXITSTATUS(status);

    if (code == 0 && t->len > 0) {
        t->pub.op.status = PORTAL_OP_OK;
        t->pub.made.data = t->out;
        t->pub.made.len = t->len;
        return;
    }

    if (code > PORTAL_PHOTO_EXIT
        && code < PORTAL_PHOTO_EXIT + PORTAL_PHOTO_REASONS)
    {
        t->pub.op.status = PORTAL_OP_REFUSED;
        t->pub.reason = (portal_photo_reason_e) (code - PORTAL_PHOTO_EXIT);
        return;
    }

    why = code == PORTAL_PHOTO_EXIT_SANDBOX ? ", it has no sandbox"
          : code == PORTAL_PHOTO_LOADER ? ", a library is missing"
          : NULL;

    /* which is no picture's fault: none was read */

    if (why != NULL) {
        t->pub.op.status = PORTAL_OP_DOWN;
    }

    ngx_log_error(NGX_LOG_ERR, portal_photo_log(t), 0,
                  "photo process %P exited with code %d%s", t->pid, code,
                  why ? why : "");
}


static void
portal_photo_end(portal_photo_task_t *t)
{
    portal_op_handler_pt  handler;

    t->ended = 1;
    t->pub.took = portal_op_clock() - t->posted;

    portal_count(PORTAL_COUNT_PHOTO + t->pub.op.status);
    portal_count_add(PORTAL_COUNT_PHOTO_TIME, t->pub.took);

    handler = t->pub.op.handler;

    if (handler && !t->pub.op.detached) {
        handler(&t->pub.op);
    }

    /* the caller forgets the operation, and the image may go with it */

    portal_op_detach(&t->pub.op);
}


static void
portal_photo_free(portal_photo_task_t *t)
{
    if (t->pub.op.timer.timer_set) {
        ngx_del_timer(&t->pub.op.timer);
    }

    if (t->event.timer_set) {
        ngx_del_timer(&t->event);
    }

    explicit_bzero(t->out, t->len);

    ngx_free(t);
}


static ngx_log_t *
portal_photo_log(portal_photo_task_t *t)
{
    return t->pub.op.log ? t->pub.op.log : t->photo->log;
}


/*
 * The turns of the node, as portal_hash.c has them: 0, or the time at which
 * one was taken.  A worker that dies gives nothing back, so what is older
 * than the lease is anyone's; its process has then been ended by its own
 * limits, or by the end of its input.
 */

static ngx_int_t
portal_photo_turn(portal_photo_task_t *t)
{
    ngx_uint_t          i;
    ngx_atomic_t       *turn;
    ngx_atomic_int_t    age;
    ngx_atomic_uint_t   held, now;

    now = portal_photo_now();

    for (i = 0; i < t->photo->limit; i++) {
        turn = &t->photo->shared[i];
        held = *turn;

        age = (ngx_atomic_int_t) (now - held);

        if (held != 0 && age <= PORTAL_PHOTO_LEASE
            && age >= -PORTAL_PHOTO_LEASE)
        {
            continue;
        }

        if (ngx_atomic_cmp_set(turn, held, now)) {
            t->turn = turn;
            t->stamp = now;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* the same for all processes; ngx_current_msec belongs to the event loop */

static ngx_atomic_uint_t
portal_photo_now(void)
{
    return (ngx_atomic_uint_t) (portal_op_clock() / 1000) | 1;
}


void
portal_photo_stats(portal_photo_t *photo, ngx_uint_t *running,
    ngx_uint_t *waiting)
{
    *running = photo->nrunning;
    *waiting = photo->nwaiting;
}
