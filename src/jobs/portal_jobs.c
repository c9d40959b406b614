
/*
 * Copyright (C) the portal's authors
 */


#include "portal_jobs.h"


/*
 * A timer that waits keeps no worker from quitting; a call under way does,
 * by its own deadline.
 */

#define PORTAL_JOBS_FIRST  2000     /* after the worker's start, at most */
#define PORTAL_JOBS_MORE   50       /* before the next batch */


typedef struct {
    ngx_event_t               timer;
    portal_jobs_t            *jobs;
    portal_job_conf_t        *conf;
    portal_pg_op_t           *op;
    json_t                   *asked;        /* for the next call */
    unsigned                  failed:1;     /* and that has been logged */
} portal_job_t;

struct portal_jobs_s {
    portal_pg_t              *pg;
    ngx_log_t                *log;
    ngx_uint_t                n;
    portal_job_t              job[PORTAL_JOBS_MAX];
};


static void portal_jobs_run(ngx_event_t *ev);
static portal_pg_op_t *portal_jobs_call(portal_job_t *job);
static char *portal_jobs_input(portal_job_t *job);
static void portal_jobs_done(portal_op_t *op);
static ngx_uint_t portal_jobs_told(portal_job_t *job, portal_op_t *op);
static void portal_jobs_wait(portal_job_t *job, ngx_msec_t delay);


#define portal_jobs_of(ev)                                                    \
    ((portal_job_t *) ((u_char *) (ev) - offsetof(portal_job_t, timer)))

/* with a quarter of jitter, as nodes that started together drift apart */
#define portal_jobs_every(job)                                                \
    ((job)->conf->every - (job)->conf->every / 8                              \
     + (ngx_msec_t) ngx_random() % ((job)->conf->every / 4 + 1))


portal_jobs_t *
portal_jobs_create(ngx_cycle_t *cycle, portal_jobs_conf_t *conf,
    portal_pg_t *pg)
{
    ngx_uint_t      i;
    portal_job_t   *job;
    portal_jobs_t  *jobs;

    jobs = ngx_pcalloc(cycle->pool, sizeof(portal_jobs_t));
    if (jobs == NULL) {
        return NULL;
    }

    jobs->pg = pg;
    jobs->log = cycle->log;
    jobs->n = conf->n;

    for (i = 0; i < jobs->n; i++) {
        job = &jobs->job[i];

        job->jobs = jobs;
        job->conf = &conf->job[i];

        portal_op_event(&job->timer, portal_jobs_run, jobs->log);
        job->timer.cancelable = 1;

        portal_jobs_wait(job, 1 + (ngx_msec_t) ngx_random()
                                  % ngx_min(job->conf->every,
                                            PORTAL_JOBS_FIRST));
    }

    return jobs;
}


void
portal_jobs_destroy(portal_jobs_t *jobs)
{
    ngx_uint_t     i;
    portal_job_t  *job;

    if (jobs == NULL) {
        return;
    }

    for (i = 0; i < jobs->n; i++) {
        job = &jobs->job[i];

        if (job->timer.timer_set) {
            ngx_del_timer(&job->timer);
        }

        if (job->op) {
            portal_op_detach(&job->op->op);
            job->op = NULL;
        }

        json_decref(job->asked);
        job->asked = NULL;
    }
}


static void
portal_jobs_run(ngx_event_t *ev)
{
    portal_job_t  *job;

    job = portal_jobs_of(ev);

    if (ngx_exiting || ngx_terminate || job->op) {
        return;
    }

    job->op = portal_jobs_call(job);

    if (job->op == NULL) {
        portal_jobs_wait(job, portal_jobs_every(job));
        return;
    }

    portal_pg_post(job->jobs->pg, job->op);
}


static portal_pg_op_t *
portal_jobs_call(portal_job_t *job)
{
    char            *text;
    ngx_int_t        rc;
    ngx_str_t        input;
    portal_pg_op_t  *op;

    op = portal_pg_op(job->jobs->pg);
    if (op == NULL) {
        return NULL;
    }

    text = portal_jobs_input(job);
    rc = NGX_ERROR;

    if (text != NULL) {
        input.data = (u_char *) text;
        input.len = ngx_strlen(text);

        rc = portal_pg_query(op, job->conf->statement);

        if (rc == NGX_OK) {
            rc = portal_pg_param(op, &input);
        }

        free(text);
    }

    if (rc != NGX_OK) {
        portal_pg_drop(op);
        return NULL;
    }

    op->op.handler = portal_jobs_done;
    op->op.data = job;

    return op;
}


static char *
portal_jobs_input(portal_job_t *job)
{
    char    *text;
    json_t  *input, *brought;

    brought = job->asked ? job->conf->bring(job->conf->data, job->asked)
                         : NULL;

    json_decref(job->asked);
    job->asked = NULL;

    input = json_pack("{s:I, s:o*}", "every",
                      (json_int_t) (job->conf->every / 1000),
                      "brought", brought);
    text = json_dumps(input, JSON_COMPACT);
    json_decref(input);

    return text;
}


static void
portal_jobs_done(portal_op_t *op)
{
    ngx_uint_t       more;
    portal_job_t    *job;
    portal_pg_op_t  *pg_op;

    job = op->data;
    pg_op = (portal_pg_op_t *) op;

    job->op = NULL;
    more = 0;

    if (op->status == PORTAL_OP_OK) {
        more = portal_jobs_told(job, op);
        job->failed = 0;

    } else if (!job->failed) {
        job->failed = 1;

        ngx_log_error(NGX_LOG_ERR, job->jobs->log, 0,
                      "the job \"%s\" was not done (%s%s), it is tried again",
                      job->conf->statement->name,
                      op->status == PORTAL_OP_REFUSED ? "SQLSTATE "
                      : op->status == PORTAL_OP_BUSY ? "busy"
                      : op->status == PORTAL_OP_LOST ? "lost" : "down",
                      op->status == PORTAL_OP_REFUSED
                      ? (char *) pg_op->sqlstate : "");
    }

    portal_jobs_wait(job, more ? PORTAL_JOBS_MORE : portal_jobs_every(job));
}


/* logs what was done; 1 when there is more to do */

static ngx_uint_t
portal_jobs_told(portal_job_t *job, portal_op_t *op)
{
    json_t      *answer;
    ngx_uint_t   more;
    const char  *note;

    answer = portal_pg_json(op);
    note = json_string_value(json_object_get(answer, "note"));

    if (note != NULL) {
        ngx_log_error(NGX_LOG_NOTICE, job->jobs->log, 0, "job \"%s\": %s",
                      job->conf->statement->name, note);
    }

    more = json_is_true(json_object_get(answer, "more"));

    if (job->conf->bring) {
        job->asked = json_object_get(answer, "bring");
        json_incref(job->asked);
    }

    json_decref(answer);

    return more;
}


static void
portal_jobs_wait(portal_job_t *job, ngx_msec_t delay)
{
    if (!ngx_exiting && !ngx_terminate) {
        ngx_add_timer(&job->timer, delay);
    }
}
