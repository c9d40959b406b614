
/*
 * Copyright (C) the portal's authors
 */


#include "portal_hook_int.h"


#define PORTAL_HOOK_FLIGHT     8        /* under way at the same time */
#define PORTAL_HOOK_LEASE      30       /* seconds beyond a message's time */
#define PORTAL_HOOK_DONE_WAIT  1000     /* between two tries to mark */
#define PORTAL_HOOK_SOON       10       /* there may be a next one */


static void portal_hook_look(ngx_event_t *ev);
static void portal_hook_look_in(portal_hook_t *hook, ngx_msec_t delay);
static portal_pg_op_t *portal_hook_call(portal_hook_t *hook,
    portal_pg_statement_t *statement, json_t *input);
static void portal_hook_claimed(portal_op_t *op);
static ngx_uint_t portal_hook_rows(portal_hook_t *hook, portal_op_t *op);
static ngx_int_t portal_hook_row(portal_hook_t *hook, json_t *row);

static void portal_hook_mark(ngx_event_t *ev);
static void portal_hook_marked(portal_op_t *op);
static void portal_hook_over(portal_hook_job_t *job, portal_op_t *op);
static void portal_hook_free(portal_hook_job_t *job);


/* with a quarter of jitter: nodes do not look all at the same time */
#define portal_hook_interval(hook)                                            \
    ((hook)->conf->interval - (hook)->conf->interval / 8                      \
     + (ngx_msec_t) ngx_random() % ((hook)->conf->interval / 4 + 1))

#define portal_hook_of(ev)                                                    \
    ((portal_hook_t *) ((u_char *) (ev) - offsetof(portal_hook_t, look)))

#define portal_hook_job_of(ev)                                                \
    ((portal_hook_job_t *)                                                    \
        ((u_char *) (ev) - offsetof(portal_hook_job_t, event)))


portal_hook_t *
portal_hook_create(ngx_cycle_t *cycle, portal_hook_conf_t *conf,
    portal_pg_t *pg, portal_hook_sign_pt sign, void *data)
{
    portal_hook_t  *hook;

    hook = ngx_pcalloc(cycle->pool, sizeof(portal_hook_t));
    if (hook == NULL) {
        return NULL;
    }

    if (portal_curl_init(cycle, &hook->curl, &conf->ca, 1) != NGX_OK) {
        return NULL;
    }

    hook->conf = conf;
    hook->pg = pg;
    hook->sign = sign;
    hook->data = data;
    hook->log = cycle->log;

    ngx_queue_init(&hook->jobs);

    portal_op_event(&hook->look, portal_hook_look, hook->log);
    hook->look.cancelable = 1;

    portal_hook_look_in(hook, 1 + (ngx_msec_t) ngx_random() % 500);

    return hook;
}


void
portal_hook_destroy(portal_hook_t *hook)
{
    ngx_queue_t        *q, *next;
    portal_hook_job_t  *job;

    if (hook == NULL) {
        return;
    }

    if (hook->look.timer_set) {
        ngx_del_timer(&hook->look);
    }

    if (hook->claiming) {
        portal_op_detach(&hook->claiming->op);
        hook->claiming = NULL;
    }

    /* what is dropped here is another's once the lease is over */

    for (q = ngx_queue_head(&hook->jobs);
         q != ngx_queue_sentinel(&hook->jobs);
         q = next)
    {
        next = ngx_queue_next(q);
        job = ngx_queue_data(q, portal_hook_job_t, queue);

        portal_hook_drop(job);

        if (job->op) {
            portal_op_detach(&job->op->op);
        }

        portal_hook_free(job);
    }

    portal_curl_destroy(&hook->curl);
}


static void
portal_hook_look(ngx_event_t *ev)
{
    json_int_t      lease;
    portal_hook_t  *hook;

    hook = portal_hook_of(ev);

    if (ngx_exiting || ngx_terminate || hook->claiming) {
        return;
    }

    if (hook->njobs >= PORTAL_HOOK_FLIGHT) {

        /* portal_hook_free() comes back when there is room */

        return;
    }

    lease = (json_int_t) (hook->conf->timeout / 1000) + PORTAL_HOOK_LEASE;

    hook->claiming = portal_hook_call(hook, hook->conf->claim,
                                      json_pack("{s:I, s:I}", "limit",
                                                (json_int_t)
                                                (PORTAL_HOOK_FLIGHT
                                                 - hook->njobs),
                                                "lease", lease));
    if (hook->claiming == NULL) {
        portal_hook_look_in(hook, portal_hook_interval(hook));
        return;
    }

    hook->claiming->op.handler = portal_hook_claimed;
    hook->claiming->op.data = hook;

    portal_pg_post(hook->pg, hook->claiming);
}


static void
portal_hook_look_in(portal_hook_t *hook, ngx_msec_t delay)
{
    if (ngx_exiting || ngx_terminate) {
        return;
    }

    /* nginx leaves a timer alone that is to move by less than 300 ms */

    if (hook->look.timer_set) {
        ngx_del_timer(&hook->look);
    }

    ngx_add_timer(&hook->look, delay);
}


/* ready to be posted; takes input; NULL: no memory */

static portal_pg_op_t *
portal_hook_call(portal_hook_t *hook, portal_pg_statement_t *statement,
    json_t *input)
{
    char            *text;
    ngx_str_t        param;
    portal_pg_op_t  *op;

    text = json_dumps(input, JSON_COMPACT);
    json_decref(input);

    if (text == NULL) {
        return NULL;
    }

    param.data = (u_char *) text;
    param.len = ngx_strlen(text);

    op = portal_pg_op(hook->pg);

    if (op != NULL
        && (portal_pg_query(op, statement) != NGX_OK
            || portal_pg_param(op, &param) != NGX_OK))
    {
        portal_pg_drop(op);
        op = NULL;
    }

    free(text);

    return op;
}


static void
portal_hook_claimed(portal_op_t *op)
{
    ngx_uint_t      n;
    portal_hook_t  *hook;

    hook = op->data;
    hook->claiming = NULL;

    n = portal_hook_rows(hook, op);

    portal_hook_look_in(hook, n ? PORTAL_HOOK_SOON
                                : portal_hook_interval(hook));
}


static ngx_uint_t
portal_hook_rows(portal_hook_t *hook, portal_op_t *op)
{
    size_t       i;
    json_t      *rows;
    ngx_uint_t   n;

    rows = portal_pg_json(op);
    n = 0;

    for (i = 0; i < json_array_size(rows); i++) {
        if (portal_hook_row(hook, json_array_get(rows, i)) == NGX_OK) {
            n++;
        }
    }

    json_decref(rows);

    return n;
}


static ngx_int_t
portal_hook_row(portal_hook_t *hook, json_t *row)
{
    portal_hook_job_t  *job;

    job = ngx_calloc(sizeof(portal_hook_job_t), hook->log);
    if (job == NULL) {
        return NGX_ERROR;
    }

    job->hook = hook;
    job->row = json_incref(row);

    portal_op_event(&job->event, portal_hook_mark, hook->log);

    ngx_queue_insert_tail(&hook->jobs, &job->queue);
    hook->njobs++;

    portal_hook_send(job);

    return NGX_OK;
}


const char *
portal_hook_text(portal_hook_job_t *job, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(job->row, name));

    return text ? text : "";
}


void
portal_hook_end(portal_hook_job_t *job, portal_hook_outcome_e outcome,
    ngx_uint_t status, const char *detail)
{
    job->outcome = outcome;
    job->status = status;
    job->detail = detail;
    job->ms = (ngx_uint_t) ((portal_op_clock() - job->began) / 1000);

    ngx_log_error(NGX_LOG_INFO, job->hook->log, 0,
                  "webhook %s/%L: message %s: %ui%s, %ui ms",
                  portal_hook_text(job, "tenant"),
                  (int64_t) json_integer_value(json_object_get(job->row,
                                                               "webhook")),
                  portal_hook_text(job, "id"), status, detail, job->ms);

    job->event.handler = portal_hook_mark;

    portal_hook_mark(&job->event);
}


static void
portal_hook_mark(ngx_event_t *ev)
{
    portal_hook_job_t  *job;

    static const char  *const  outcomes[] = { "delivered", "retry", "gone" };

    job = portal_hook_job_of(ev);
    job->tries++;

    job->op = portal_hook_call(job->hook, job->hook->conf->done,
                               json_pack("{s:s, s:s, s:s, s:I, s:s, s:I}",
                                         "id", portal_hook_text(job, "id"),
                                         "lease",
                                         portal_hook_text(job, "lease"),
                                         "outcome", outcomes[job->outcome],
                                         "status", (json_int_t) job->status,
                                         "detail", job->detail,
                                         "ms", (json_int_t) job->ms));
    if (job->op == NULL) {
        ngx_add_timer(&job->event, PORTAL_HOOK_DONE_WAIT);
        return;
    }

    job->op->op.handler = portal_hook_marked;
    job->op->op.data = job;

    portal_pg_post(job->hook->pg, job->op);
}


static void
portal_hook_marked(portal_op_t *op)
{
    ngx_uint_t          tries;
    portal_hook_t      *hook;
    portal_hook_job_t  *job;

    job = op->data;
    job->op = NULL;

    hook = job->hook;

    /*
     * A message that was delivered and is not marked is sent again once its
     * lease is over: worth as many tries as that has time for.
     */

    tries = (ngx_exiting || op->status == PORTAL_OP_REFUSED)
                ? 3 : PORTAL_HOOK_LEASE;

    if (op->status != PORTAL_OP_OK && job->tries < tries) {
        ngx_add_timer(&job->event, PORTAL_HOOK_DONE_WAIT);
        return;
    }

    if (op->status == PORTAL_OP_OK) {
        portal_hook_over(job, op);

    } else {
        ngx_log_error(NGX_LOG_ERR, hook->log, 0,
                      "webhook message %s: how it ended could not be noted",
                      portal_hook_text(job, "id"));
    }

    portal_hook_free(job);

    if (hook->claiming == NULL) {
        portal_hook_look_in(hook, PORTAL_HOOK_SOON);
    }
}


/* said once, when the last try was in vain */

static void
portal_hook_over(portal_hook_job_t *job, portal_op_t *op)
{
    json_t      *answer;
    const char  *over;

    answer = portal_pg_json(op);
    over = json_string_value(json_object_get(answer, "over"));

    if (over != NULL) {
        ngx_log_error(NGX_LOG_WARN, job->hook->log, 0,
                      "webhook %s/%L is %s: nothing goes there until an "
                      "administrator of the town tries again",
                      portal_hook_text(job, "tenant"),
                      (int64_t) json_integer_value(json_object_get(job->row,
                                                                "webhook")),
                      over);
    }

    json_decref(answer);
}


static void
portal_hook_free(portal_hook_job_t *job)
{
    if (job->event.timer_set) {
        ngx_del_timer(&job->event);
    }

    ngx_queue_remove(&job->queue);
    job->hook->njobs--;

    json_decref(job->row);
    ngx_free(job);
}
