
/*
 * Copyright (C) the portal's authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_sha1.h>

#if (NGX_LINUX)
#include <sys/resource.h>
#endif

#include "portal_hash.h"
#include "portal_hash_turn.h"
#include "../core/portal_count.h"
#include "../crypto/portal_crypto.h"


#define PORTAL_HASH_DEADLINE  10000     /* ms, from post to handler */
#define PORTAL_HASH_NICE      2         /* below the event loops */
#define PORTAL_HASH_CALM      19        /* the same, for who can wait */
#define PORTAL_HASH_HURRY     2000      /* ms; waited longer: cannot */
#define PORTAL_HASH_IDLE      10000     /* ms, then memory is given back */


typedef enum {
    PORTAL_HASH_WAITING = 0,            /* in this worker's queue */
    PORTAL_HASH_POSTED,                 /* the pool's, password included */
    PORTAL_HASH_LATE,                   /* still the pool's, handler gone */
} portal_hash_state_e;


/*
 * The pool's thread reads what was set before the post and writes nothing
 * but the password that it wipes and the fields after it; the event loop
 * reads those when the task is done.
 */

typedef struct {
    portal_hash_op_t          pub;      /* first */

    portal_hash_t            *hash;
    portal_hash_state_e       state;
    ngx_event_t               refusal;

    uint64_t                  posted;

    ngx_thread_task_t         task;
    ngx_atomic_uint_t         deadline;

    /* the thread's */
    ngx_uint_t                done;
    int                       match;
    int                       weak;
    int                       breached;
    int                       unread;
    ngx_err_t                 err;
    char                      result[PORTAL_HASH_LEN];
} portal_hash_task_t;


typedef struct {
    portal_argon2_memory_t    kept;
    ngx_atomic_t              taken;    /* by a thread */
} portal_hash_memory_t;


#if (NGX_LINUX)

typedef struct portal_hash_calm_s  portal_hash_calm_t;

struct portal_hash_calm_s {
    portal_hash_task_t        task;     /* what the thread reads and writes */
    portal_hash_memory_t     *memory;
    pthread_t                 tid;
    portal_hash_calm_t       *next;     /* of those that were overtaken */
};

#endif


struct portal_hash_s {
    ngx_thread_pool_t        *pool;
    ngx_log_t                *log;
    ngx_atomic_t             *shared;
    ngx_uint_t                limit;
    const portal_breached_t  *breached;

#if (NGX_LINUX)
    int                       nice;
    pthread_mutex_t           mutex;
    portal_hash_calm_t       *overtaken;
#endif

    ngx_queue_t               waiting;
    ngx_uint_t                nwaiting;
    ngx_uint_t                queue;
    ngx_atomic_t              posted;   /* which the threads read, too */

    portal_hash_memory_t     *memory;
    ngx_uint_t                nmemory;
    ngx_event_t               idle;

    char                      dummy[PORTAL_HASH_LEN];
};


static ngx_int_t portal_hash_keep(portal_hash_t *hash, ngx_cycle_t *cycle);
static void portal_hash_next(portal_hash_t *hash);
static void portal_hash_sweep(portal_hash_t *hash);
static void portal_hash_refuse(portal_hash_task_t *t);
static void portal_hash_refused(ngx_event_t *ev);
static void portal_hash_deadline(ngx_event_t *ev);
static void portal_hash_done(ngx_event_t *ev);
static void portal_hash_end(portal_hash_task_t *t);
static void portal_hash_free(portal_hash_task_t *t);
static void portal_hash_idle(ngx_event_t *ev);
static void portal_hash_give_back(portal_hash_t *hash, ngx_uint_t all);
static void portal_hash_thread(void *data, ngx_log_t *log);
static void portal_hash_run(portal_hash_task_t *t);
#if (NGX_LINUX)
static ngx_int_t portal_hash_calm(portal_hash_task_t *t);
static void *portal_hash_calm_thread(void *data);
static ngx_int_t portal_hash_reap(portal_hash_t *hash, ngx_uint_t wait);
static void portal_hash_forget(portal_hash_calm_t *calm);
#endif
static void portal_hash_yield(portal_hash_t *hash, int steps);
static void portal_hash_work(portal_hash_task_t *t,
    portal_hash_memory_t *memory);
static portal_hash_memory_t *portal_hash_take(portal_hash_t *hash);
static void portal_hash_leave(portal_hash_memory_t *memory);
static void portal_hash_look(portal_hash_task_t *t);


portal_hash_t *
portal_hash_create(ngx_cycle_t *cycle, ngx_thread_pool_t *pool,
    ngx_atomic_t *shared, ngx_uint_t limit, ngx_uint_t queue,
    const portal_breached_t *breached)
{
    char            secret[PORTAL_SECRET_B64];
    portal_hash_t  *hash;

    hash = ngx_pcalloc(cycle->pool, sizeof(portal_hash_t));
    if (hash == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     hash->nwaiting = 0;
     *     hash->posted = 0;
     */

    hash->pool = pool;
    hash->log = cycle->log;
    hash->shared = shared;
    hash->limit = ngx_max(limit, 1);
    hash->limit = ngx_min(hash->limit, PORTAL_HASH_SHARED - 1);
    hash->queue = queue;
    hash->breached = breached;

#if (NGX_LINUX)
    /* of the worker, as worker_priority has it */
    hash->nice = getpriority(PRIO_PROCESS, 0);
    (void) pthread_mutex_init(&hash->mutex, NULL);
#endif

    ngx_queue_init(&hash->waiting);

    if (portal_hash_keep(hash, cycle) != NGX_OK) {
        return NULL;
    }

    portal_secret(secret);

    if (portal_argon2_make(secret, sizeof(secret), hash->dummy, NULL) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "no memory to hash a password");
        return NULL;
    }

    portal_wipe(secret, sizeof(secret));

    return hash;
}


/*
 * This worker's share of the node's turns, and one more, since turns do not
 * come evenly: what runs beyond it takes new memory.
 */

static ngx_int_t
portal_hash_keep(portal_hash_t *hash, ngx_cycle_t *cycle)
{
    ngx_uint_t        share;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    share = ngx_max(ccf->worker_processes, 1);
    share = (hash->limit + share - 1) / share + 1;

    hash->nmemory = ngx_min(share, hash->limit);

    hash->memory = ngx_pcalloc(cycle->pool,
                               hash->nmemory * sizeof(portal_hash_memory_t));
    if (hash->memory == NULL) {
        return NGX_ERROR;
    }

    hash->idle.handler = portal_hash_idle;
    hash->idle.data = hash;
    hash->idle.log = hash->log;
    hash->idle.cancelable = 1;

    return NGX_OK;
}


portal_hash_op_t *
portal_hash_op(portal_hash_t *hash)
{
    portal_hash_task_t  *t;

    t = ngx_calloc(sizeof(portal_hash_task_t), hash->log);
    if (t == NULL) {
        return NULL;
    }

    t->hash = hash;

    portal_op_event(&t->pub.op.timer, portal_hash_deadline, hash->log);

    t->refusal.handler = portal_hash_refused;
    t->refusal.data = t;
    t->refusal.log = hash->log;

    t->task.ctx = t;
    t->task.handler = portal_hash_thread;
    t->task.event.handler = portal_hash_done;
    t->task.event.data = t;
    t->task.event.log = hash->log;

    return &t->pub;
}


void
portal_hash_drop(portal_hash_op_t *op)
{
    portal_hash_free((portal_hash_task_t *) op);
}


void
portal_hash_post(portal_hash_t *hash, portal_hash_op_t *op)
{
    portal_hash_task_t  *t;

    t = (portal_hash_task_t *) op;

    op->op.posted = 1;
    t->posted = portal_op_clock();

    if (op->len > PORTAL_HASH_PASSWORD) {
        ngx_log_error(NGX_LOG_ALERT, hash->log, 0,
                      "password of %uz bytes to hash", op->len);
        portal_hash_refuse(t);
        return;
    }

    if (hash->nwaiting >= hash->queue && hash->posted >= hash->limit) {
        portal_hash_sweep(hash);

        if (hash->nwaiting >= hash->queue) {
            portal_hash_refuse(t);
            return;
        }
    }

    t->state = PORTAL_HASH_WAITING;
    t->deadline = portal_hash_now() + PORTAL_HASH_DEADLINE;

    ngx_add_timer(&op->op.timer, PORTAL_HASH_DEADLINE);

    ngx_queue_insert_tail(&hash->waiting, &op->op.queue);
    hash->nwaiting++;

    portal_hash_next(hash);
}


/*
 * The pool gets no more than could run, so that those who left meanwhile are
 * seen here and cost nothing.
 */

static void
portal_hash_next(portal_hash_t *hash)
{
    ngx_queue_t         *q, *next;
    portal_hash_task_t  *t;

    for (q = ngx_queue_head(&hash->waiting);
         q != ngx_queue_sentinel(&hash->waiting)
         && hash->posted < hash->limit;
         q = next)
    {
        next = ngx_queue_next(q);
        t = (portal_hash_task_t *) ngx_queue_data(q, portal_op_t, queue);

        ngx_queue_remove(q);
        hash->nwaiting--;

        if (t->pub.op.detached
            || ngx_thread_task_post(hash->pool, &t->task) != NGX_OK)
        {
            portal_hash_refuse(t);
            continue;
        }

        t->state = PORTAL_HASH_POSTED;
        hash->posted++;
    }
}


static void
portal_hash_sweep(portal_hash_t *hash)
{
    ngx_queue_t  *q, *next;
    portal_op_t  *op;

    for (q = ngx_queue_head(&hash->waiting);
         q != ngx_queue_sentinel(&hash->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        op = ngx_queue_data(q, portal_op_t, queue);

        if (op->detached) {
            ngx_queue_remove(q);
            hash->nwaiting--;
            portal_hash_free((portal_hash_task_t *) op);
        }
    }
}


static void
portal_hash_refuse(portal_hash_task_t *t)
{
    /* the caller of portal_hash_post() may hold what its handler frees */

    if (t->pub.op.timer.timer_set) {
        ngx_del_timer(&t->pub.op.timer);
    }

    ngx_post_event(&t->refusal, &ngx_posted_events);
}


static void
portal_hash_refused(ngx_event_t *ev)
{
    portal_hash_task_t  *t;

    t = ev->data;

    t->pub.op.status = PORTAL_OP_BUSY;

    portal_hash_end(t);
    portal_hash_free(t);
}


static void
portal_hash_deadline(ngx_event_t *ev)
{
    portal_hash_task_t  *t;

    t = (portal_hash_task_t *) portal_op_of_timer(ev);

    ngx_log_error(NGX_LOG_WARN, t->hash->log, 0,
                  "no turn to hash a password in %d ms", PORTAL_HASH_DEADLINE);

    t->pub.op.status = PORTAL_OP_BUSY;

    if (t->state == PORTAL_HASH_WAITING) {
        ngx_queue_remove(&t->pub.op.queue);
        t->hash->nwaiting--;

        portal_hash_end(t);
        portal_hash_free(t);
        return;
    }

    t->state = PORTAL_HASH_LATE;
    portal_hash_end(t);
}


static void
portal_hash_done(ngx_event_t *ev)
{
    portal_hash_t       *hash;
    portal_hash_task_t  *t;

    t = ev->data;
    hash = t->hash;

    hash->posted--;
    portal_hash_next(hash);

    if (hash->posted == 0) {
        portal_hash_give_back(hash, 0);
        ngx_add_timer(&hash->idle, PORTAL_HASH_IDLE);
    }

    if (t->state == PORTAL_HASH_LATE) {
        portal_hash_free(t);
        return;
    }

    if (t->pub.op.timer.timer_set) {
        ngx_del_timer(&t->pub.op.timer);
    }

    t->pub.op.status = t->done ? PORTAL_OP_OK : PORTAL_OP_BUSY;
    t->pub.match = t->match ? 1 : 0;
    t->pub.weak = t->weak ? 1 : 0;
    t->pub.breached = t->breached ? 1 : 0;
    t->pub.unread = t->unread ? 1 : 0;
    t->pub.err = t->err;

    if (t->done && !t->pub.verify && !t->pub.look) {
        ngx_memcpy(t->pub.hash, t->result, PORTAL_HASH_LEN);
    }

    portal_hash_end(t);
    portal_hash_free(t);
}


static void
portal_hash_end(portal_hash_task_t *t)
{
    portal_op_handler_pt  handler;

    t->pub.took = portal_op_clock() - t->posted;

    if (t->pub.op.status == PORTAL_OP_OK) {

        if (!t->pub.look) {
            portal_count(PORTAL_COUNT_HASH);
            portal_count_add(PORTAL_COUNT_HASH_TIME, t->pub.took);
        }

    } else {
        portal_count(PORTAL_COUNT_HASH_REFUSED);
    }

    handler = t->pub.op.handler;
    t->pub.op.handler = NULL;

    if (handler && !t->pub.op.detached) {
        handler(&t->pub.op);
    }
}


static void
portal_hash_free(portal_hash_task_t *t)
{
    if (t->pub.op.timer.timer_set) {
        ngx_del_timer(&t->pub.op.timer);
    }

    portal_wipe(t, sizeof(portal_hash_task_t));
    ngx_free(t);
}


/* nobody has logged in for a while: the memory is better used elsewhere */

static void
portal_hash_idle(ngx_event_t *ev)
{
    portal_hash_t  *hash;

    hash = ev->data;

#if (NGX_LINUX)
    (void) portal_hash_reap(hash, 0);
#endif

    portal_hash_give_back(hash, 1);
}


/* or that alone which was left to a hash that did not come */

static void
portal_hash_give_back(portal_hash_t *hash, ngx_uint_t all)
{
    ngx_uint_t             i;
    portal_hash_memory_t  *memory;

    for (i = 0; i < hash->nmemory; i++) {
        memory = &hash->memory[i];

        if (!ngx_atomic_cmp_set(&memory->taken, 0, 1)) {
            continue;
        }

        if (all || memory->kept.left) {
            portal_argon2_free(&memory->kept);
        }

        portal_hash_leave(memory);
    }
}


ngx_uint_t
portal_hash_stats(portal_hash_t *hash, ngx_uint_t *pending)
{
    *pending = hash->nwaiting + hash->posted;

    return portal_hash_running(hash->shared, hash->limit);
}


void
portal_hash_destroy(portal_hash_t *hash)
{
#if (NGX_LINUX)
    (void) portal_hash_reap(hash, 1);
#else
    (void) hash;
#endif
}


/* from here on in a thread of the pool: no log, no pool, no event */

static void
portal_hash_thread(void *data, ngx_log_t *log)
{
    ngx_atomic_t        *turn;
    ngx_atomic_uint_t    stamp;
    portal_hash_task_t  *t;

    (void) log;

    t = data;

    portal_hash_yield(t->hash, PORTAL_HASH_NICE);

    turn = portal_hash_turn(t->hash->shared, t->hash->limit, t->deadline,
                            &stamp);

    if (turn) {
        portal_hash_run(t);

        /* unless it was too long, and another has it now */
        (void) ngx_atomic_cmp_set(turn, stamp, 0);
    }

    portal_wipe(t->pub.password, PORTAL_HASH_PASSWORD);
}


/*
 * A hash keeps a core for 20 ms, and as many run as there are cores: while
 * passwords come in a rush, each event loop would share its core with one, and
 * every page wait for it.  So a hash takes what pages leave, which is all of
 * the core where nobody else wants it, and next to nothing where pages alone
 * could fill it.  For log-ins not to end then, a password that has waited long
 * takes a part of the core, the smaller one.  A thread may lower its priority
 * and not raise it again: each calm hash has a thread of its own, some 30 us,
 * and the pool's is the one that takes its part.
 */

static void
portal_hash_run(portal_hash_task_t *t)
{
    if (t->pub.look) {
        portal_hash_look(t);
        return;
    }

#if (NGX_LINUX)
    if (portal_hash_calm(t) == NGX_OK) {
        return;
    }
#endif

    portal_hash_work(t, portal_hash_take(t->hash));
}


#if (NGX_LINUX)

/*
 * A calm hash may hardly run at all, whatever the others' need is: once its
 * password has waited long, the pool's thread makes the same hash again, and
 * overtakes it.  The calm one, which nothing can end, goes on with a copy of
 * what it reads; until it has ended none is made beside it, and the passwords
 * that come meanwhile take their part at once.
 *
 * Nor may it map memory: while the kernel fills that, other threads' mappings
 * wait, the event loop's among them.  So it has memory that is mapped already.
 */

static ngx_int_t
portal_hash_calm(portal_hash_task_t *t)
{
    struct timespec        until;
    ngx_atomic_int_t       left;
    portal_hash_calm_t    *calm;
    portal_hash_memory_t  *memory;

    left = (ngx_atomic_int_t) (t->deadline - portal_hash_now())
           - (PORTAL_HASH_DEADLINE - PORTAL_HASH_HURRY);

    if (left <= 0 || portal_hash_reap(t->hash, 0) != NGX_OK) {
        return NGX_DECLINED;
    }

    memory = portal_hash_take(t->hash);
    if (memory == NULL) {
        return NGX_DECLINED;
    }

    calm = NULL;

    if (portal_argon2_ready(&memory->kept) == -1
        || (calm = calloc(1, sizeof(portal_hash_calm_t))) == NULL)
    {
        portal_hash_leave(memory);
        return NGX_DECLINED;
    }

    calm->memory = memory;
    calm->task.hash = t->hash;
    calm->task.pub.verify = t->pub.verify;
    calm->task.pub.len = t->pub.len;
    ngx_memcpy(calm->task.pub.password, t->pub.password, t->pub.len);
    ngx_memcpy(calm->task.pub.hash, t->pub.hash, PORTAL_HASH_LEN);

    if (pthread_create(&calm->tid, NULL, portal_hash_calm_thread, calm) != 0) {
        portal_hash_leave(memory);
        portal_hash_forget(calm);
        return NGX_DECLINED;
    }

    /* the one clock that every C library has for this */
    (void) clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += left % 1000 * 1000000L;
    until.tv_sec += left / 1000 + until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;

    if (pthread_timedjoin_np(calm->tid, NULL, &until) != 0) {
        (void) pthread_mutex_lock(&t->hash->mutex);
        calm->next = t->hash->overtaken;
        t->hash->overtaken = calm;
        (void) pthread_mutex_unlock(&t->hash->mutex);
        return NGX_DECLINED;
    }

    t->done = calm->task.done;
    t->match = calm->task.match;
    t->weak = calm->task.weak;
    ngx_memcpy(t->result, calm->task.result, PORTAL_HASH_LEN);

    portal_hash_forget(calm);

    return NGX_OK;
}


static void *
portal_hash_calm_thread(void *data)
{
    portal_hash_calm_t  *calm;

    calm = data;

    portal_hash_yield(calm->task.hash, PORTAL_HASH_CALM);
    portal_hash_work(&calm->task, calm->memory);

    portal_wipe(calm->task.pub.password, PORTAL_HASH_PASSWORD);

    return NULL;
}


/* NGX_AGAIN while one that was overtaken goes on */

static ngx_int_t
portal_hash_reap(portal_hash_t *hash, ngx_uint_t wait)
{
    int                   rc;
    ngx_int_t             left;
    portal_hash_calm_t   *calm, **p;

    left = NGX_OK;

    (void) pthread_mutex_lock(&hash->mutex);

    for (p = &hash->overtaken; *p; ) {
        calm = *p;

        rc = wait ? pthread_join(calm->tid, NULL)
                  : pthread_tryjoin_np(calm->tid, NULL);

        if (rc == EBUSY) {
            left = NGX_AGAIN;
            p = &calm->next;
            continue;
        }

        *p = calm->next;
        portal_hash_forget(calm);
    }

    (void) pthread_mutex_unlock(&hash->mutex);

    return left;
}


static void
portal_hash_forget(portal_hash_calm_t *calm)
{
    portal_wipe(calm, sizeof(portal_hash_calm_t));
    free(calm);
}

#endif


/* on Linux alone is a priority a thread's; elsewhere it is the worker's */

static void
portal_hash_yield(portal_hash_t *hash, int steps)
{
#if (NGX_LINUX)
    (void) setpriority(PRIO_PROCESS, 0, hash->nice + steps);
#else
    (void) hash;
    (void) steps;
#endif
}


static void
portal_hash_work(portal_hash_task_t *t, portal_hash_memory_t *memory)
{
    int                      rc, known;
    const char              *hash, *password;
    portal_argon2_memory_t  *kept;

    password = (const char *) t->pub.password;

    kept = memory ? &memory->kept : NULL;

    if (t->pub.verify) {
        hash = t->pub.hash;
        known = portal_argon2_bounds(hash, &t->weak) == 0;

        rc = portal_argon2_verify(known ? hash : t->hash->dummy, password,
                                  t->pub.len, kept);

        t->done = rc != -1;
        t->match = known && rc == 1;
        t->weak = t->match && t->weak;

    } else {
        t->done = portal_argon2_make(password, t->pub.len, t->result, kept)
                  == 0;
    }

    if (memory) {

        /* in a rush the next hash writes over it, and 1 ms is a tenth of one */

        if (t->hash->posted < 2) {
            portal_argon2_wipe(kept);
        }

        portal_hash_leave(memory);
    }
}


static portal_hash_memory_t *
portal_hash_take(portal_hash_t *hash)
{
    ngx_uint_t  i;

    for (i = 0; i < hash->nmemory; i++) {
        if (ngx_atomic_cmp_set(&hash->memory[i].taken, 0, 1)) {
            return &hash->memory[i];
        }
    }

    return NULL;
}


static void
portal_hash_leave(portal_hash_memory_t *memory)
{
    (void) ngx_atomic_cmp_set(&memory->taken, 1, 0);
}


/* here, since the list is on a disk that may be slow */

static void
portal_hash_look(portal_hash_task_t *t)
{
    u_char             digest[PORTAL_BREACHED_DIGEST];
    ngx_sha1_t         sha1;
    portal_breached_e  e;

    t->done = 1;

    if (t->hash->breached == NULL) {
        return;
    }

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, t->pub.password, t->pub.len);
    ngx_sha1_final(digest, &sha1);

    e = portal_breached_find(t->hash->breached, digest, &t->breached);

    if (e != PORTAL_BREACHED_OK) {
        t->unread = 1;
        t->err = e == PORTAL_BREACHED_READ ? ngx_errno : 0;
    }

    portal_wipe(digest, sizeof(digest));
    portal_wipe(&sha1, sizeof(ngx_sha1_t));
}
