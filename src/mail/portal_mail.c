
/*
 * Copyright (C) the portal's authors
 */


#include "portal_mail_int.h"
#include "portal_mime.h"

#include <jansson.h>


#define PORTAL_MAIL_LEASE      120      /* seconds */
#define PORTAL_MAIL_DONE_WAIT  1000     /* between two tries to mark */

/* at most between two tries: of a server that is away; of one that answers and
   refuses, which may count them */

#define PORTAL_MAIL_PAUSE_AWAY     10000
#define PORTAL_MAIL_PAUSE_REFUSED  60000


static void portal_mail_look(ngx_event_t *ev);
static void portal_mail_look_in(portal_mail_t *mail, ngx_msec_t delay);
static ngx_msec_t portal_mail_interval(portal_mail_t *mail);
static void portal_mail_claimed(portal_op_t *op);
static ngx_uint_t portal_mail_rows(portal_mail_t *mail, portal_op_t *op);

static ngx_int_t portal_mail_row(portal_mail_t *mail, json_t *row);
static void portal_mail_compose(portal_mail_job_t *job, ngx_str_t *row);
static const char *portal_mail_message(portal_mail_job_t *job,
    portal_mail_message_t *message);
static void portal_mail_pool_wipe(ngx_pool_t *pool);

static void portal_mail_next(ngx_event_t *ev);
static void portal_mail_file(portal_mail_job_t *job);
static ngx_int_t portal_mail_file_write(portal_mail_job_t *job, u_char *tmp);

static void portal_mail_told(portal_mail_job_t *job);
static const char *portal_mail_why(const char *detail);
static ngx_uint_t portal_mail_silent(const char *detail);
static void portal_mail_wipe(portal_mail_job_t *job);
static void portal_mail_mark(portal_mail_job_t *job);
static void portal_mail_marked(portal_op_t *op);
static void portal_mail_mark_again(ngx_event_t *ev);
static void portal_mail_free(portal_mail_job_t *job);


#define portal_mail_of(ev, field)                                             \
    ((portal_mail_t *) ((u_char *) (ev) - offsetof(portal_mail_t, field)))

#define portal_mail_job_of(ev)                                                \
    ((portal_mail_job_t *)                                                    \
        ((u_char *) (ev) - offsetof(portal_mail_job_t, event)))


static const char  *portal_mail_outcomes[] = {
    "sent", "retry", "away", "away", "failed"
};


portal_mail_t *
portal_mail_create(ngx_cycle_t *cycle, portal_mail_conf_t *conf,
    portal_pg_t *pg, portal_pg_statement_t *claim,
    portal_pg_statement_t *done, portal_mail_render_pt render, void *data)
{
    portal_mail_t  *mail;

    mail = ngx_pcalloc(cycle->pool, sizeof(portal_mail_t));
    if (mail == NULL) {
        return NULL;
    }

    mail->conf = conf;
    mail->pg = pg;
    mail->claim = claim;
    mail->done = done;
    mail->render = render;
    mail->data = data;
    mail->log = cycle->log;

    ngx_queue_init(&mail->waiting);
    ngx_queue_init(&mail->flying);
    ngx_queue_init(&mail->ending);

    if (ngx_strncmp(conf->url.data, "file:", 5) != 0) {
        mail->smtp = portal_mail_smtp_create(cycle, conf);
        if (mail->smtp == NULL) {
            return NULL;
        }
    }

    portal_op_event(&mail->look, portal_mail_look, mail->log);
    portal_op_event(&mail->next, portal_mail_next, mail->log);

    mail->look.cancelable = 1;

    portal_mail_look_in(mail, 1 + (ngx_msec_t) ngx_random() % 500);

    return mail;
}


void
portal_mail_destroy(portal_mail_t *mail)
{
    ngx_uint_t          i;
    ngx_queue_t        *q, *next, *queues[3];
    portal_mail_job_t  *job;

    if (mail == NULL) {
        return;
    }

    if (mail->look.timer_set) {
        ngx_del_timer(&mail->look);
    }

    if (mail->next.posted) {
        ngx_delete_posted_event(&mail->next);
    }

    if (mail->claiming) {
        portal_op_detach(&mail->claiming->op);
        mail->claiming = NULL;
    }

    queues[0] = &mail->waiting;
    queues[1] = &mail->flying;
    queues[2] = &mail->ending;

    /* what is dropped here is another's once the lease is over */

    for (i = 0; i < 3; i++) {
        for (q = ngx_queue_head(queues[i]);
             q != ngx_queue_sentinel(queues[i]);
             q = next)
        {
            next = ngx_queue_next(q);
            job = ngx_queue_data(q, portal_mail_job_t, queue);

            if (mail->smtp && i == 1) {
                portal_mail_smtp_drop(mail->smtp, job);
            }

            if (job->op) {
                portal_op_detach(&job->op->op);
            }

            portal_mail_free(job);
        }
    }

    if (mail->smtp) {
        portal_mail_smtp_destroy(mail->smtp);
        mail->smtp = NULL;
    }
}


static void
portal_mail_look(ngx_event_t *ev)
{
    u_char           buf[64];
    ngx_str_t        input;
    ngx_uint_t       limit, lease, busy;
    portal_mail_t   *mail;
    portal_pg_op_t  *op;

    mail = portal_mail_of(ev, look);

    if (ngx_exiting || ngx_terminate || mail->claiming) {
        return;
    }

    busy = mail->nwaiting + mail->nflying;

    if (busy > PORTAL_MAIL_FLIGHT) {

        /* portal_mail_next() comes back when there is room */

        mail->woken = 1;
        return;
    }

    /* a server that was down is asked with one mail, not with all of them */

    limit = mail->failures ? 1 : PORTAL_MAIL_BATCH - busy;

    /* who waits does so for two others, at most */

    lease = ngx_max(PORTAL_MAIL_LEASE, 4 * (mail->conf->timeout / 1000));

    op = portal_pg_op(mail->pg);
    if (op == NULL) {
        portal_mail_look_in(mail, portal_mail_interval(mail));
        return;
    }

    input.data = buf;
    input.len = (size_t) (ngx_snprintf(buf, sizeof(buf),
                                       "{\"limit\":%ui,\"lease\":%ui}",
                                       limit, lease)
                          - buf);

    if (portal_pg_query(op, mail->claim) != NGX_OK
        || portal_pg_param(op, &input) != NGX_OK)
    {
        portal_pg_drop(op);
        portal_mail_look_in(mail, portal_mail_interval(mail));
        return;
    }

    op->op.handler = portal_mail_claimed;
    op->op.data = mail;

    mail->claiming = op;
    mail->woken = 0;
    mail->down = 0;

    portal_pg_post(mail->pg, op);
}


static void
portal_mail_look_in(portal_mail_t *mail, ngx_msec_t delay)
{
    if (ngx_exiting || ngx_terminate) {
        return;
    }

    /* nginx leaves a timer alone that is to move by less than 300 ms */

    if (mail->look.timer_set) {
        ngx_del_timer(&mail->look);
    }

    ngx_add_timer(&mail->look, delay);
}


/* with a quarter of jitter: nodes do not look all at the same time */

static ngx_msec_t
portal_mail_interval(portal_mail_t *mail)
{
    ngx_msec_t  interval, most;

    interval = mail->conf->interval;

    if (mail->failures) {
        interval <<= ngx_min(mail->failures, 6);
        most = mail->refused ? PORTAL_MAIL_PAUSE_REFUSED
                             : PORTAL_MAIL_PAUSE_AWAY;
        interval = ngx_min(interval, most);
    }

    return interval - interval / 4
           + (ngx_msec_t) ngx_random() % (interval / 2 + 1) + 1;
}


static void
portal_mail_claimed(portal_op_t *op)
{
    ngx_uint_t      n;
    portal_mail_t  *mail;

    mail = op->data;
    mail->claiming = NULL;

    n = 0;

    if (op->status == PORTAL_OP_OK) {
        n = portal_mail_rows(mail, op);
    }

    if (n) {

        /* there may be more: look again as soon as there is room for it */

        mail->woken = 1;
        ngx_post_event(&mail->next, &ngx_posted_events);
        return;
    }

    portal_mail_look_in(mail, mail->woken ? 10 : portal_mail_interval(mail));
}


static ngx_uint_t
portal_mail_rows(portal_mail_t *mail, portal_op_t *op)
{
    size_t       i;
    json_t      *rows;
    ngx_uint_t   n;

    rows = portal_pg_json(op);

    if (!json_is_array(rows)) {
        ngx_log_error(NGX_LOG_ERR, mail->log, 0,
                      "the outbox gave no list of mails");
        json_decref(rows);
        return 0;
    }

    n = 0;

    for (i = 0; i < json_array_size(rows); i++) {
        if (portal_mail_row(mail, json_array_get(rows, i)) == NGX_OK) {
            n++;
        }
    }

    json_decref(rows);

    return n;
}


static ngx_int_t
portal_mail_row(portal_mail_t *mail, json_t *row)
{
    u_char              c;
    size_t              i;
    ngx_str_t           text;
    const char         *id;
    portal_mail_job_t  *job;

    id = json_string_value(json_object_get(row, "id"));

    if (id == NULL || ngx_strlen(id) != PORTAL_MAIL_ID) {
        ngx_log_error(NGX_LOG_ERR, mail->log, 0, "a mail has no id");
        return NGX_ERROR;
    }

    job = ngx_calloc(sizeof(portal_mail_job_t), mail->log);
    if (job == NULL) {
        return NGX_ERROR;
    }

    job->mail = mail;
    job->town = json_integer_value(json_object_get(row, "town"));
    job->attempt = json_integer_value(json_object_get(row, "attempt"));
    portal_op_event(&job->event, portal_mail_mark_again, mail->log);

    /* it is put into a file's name and into JSON */

    for (i = 0; i < PORTAL_MAIL_ID; i++) {
        c = (u_char) id[i];

        if ((c < '0' || c > '9') && (c < 'a' || c > 'f') && c != '-') {
            ngx_log_error(NGX_LOG_ERR, mail->log, 0, "a mail has no id");
            ngx_free(job);
            return NGX_ERROR;
        }

        job->id[i] = c;
    }

    mail->nwaiting++;
    ngx_queue_insert_tail(&mail->waiting, &job->queue);

    text.data = (u_char *) json_dumps(row, JSON_COMPACT);
    text.len = text.data ? ngx_strlen(text.data) : 0;

    portal_mail_compose(job, &text);

    free(text.data);

    return NGX_OK;
}


/* a job without a message has its outcome already, and is not sent */

static void
portal_mail_compose(portal_mail_job_t *job, ngx_str_t *row)
{
    ngx_pool_t             *pool;
    const char             *detail;
    portal_mail_message_t   message;

    job->outcome = PORTAL_MAIL_RETRY;
    portal_mail_say(job->detail, "memory");

    pool = ngx_create_pool(16384, job->mail->log);
    if (pool == NULL) {
        return;
    }

    ngx_memzero(&message, sizeof(portal_mail_message_t));

    if (row->data == NULL) {
        detail = NULL;

    } else if (job->mail->render(job->mail->data, row, pool, &message)
               != NGX_OK)
    {
        /* what this node lacks, a template or a key, another may have, or it
           itself once its upgrade is done */

        detail = NULL;
        portal_mail_say(job->detail, "render");

    } else {
        detail = portal_mail_message(job, &message);
    }

    portal_mail_pool_wipe(pool);
    ngx_destroy_pool(pool);

    if (detail != NULL) {
        job->outcome = PORTAL_MAIL_FAILED;
        portal_mail_say(job->detail, detail);
    }
}


/* NULL, or why the row can never be sent */

static const char *
portal_mail_message(portal_mail_job_t *job, portal_mail_message_t *message)
{
    static const char  *const  why[] = {
        NULL, "poisoned", "address", "text", "long"
    };

    u_char         *p;
    size_t          len, size;
    portal_mime_e   rc;
    portal_mime_t   mime;

    mime.from = (portal_text_t) { (char *) message->from.data,
                                  message->from.len };
    mime.from_name = (portal_text_t) { (char *) message->from_name.data,
                                       message->from_name.len };
    mime.to = (portal_text_t) { (char *) message->to.data, message->to.len };
    mime.subject = (portal_text_t) { (char *) message->subject.data,
                                     message->subject.len };
    mime.message_id = (portal_text_t) { (char *) message->message_id.data,
                                        message->message_id.len };
    mime.text = (portal_text_t) { (char *) message->text.data,
                                  message->text.len };
    mime.html = (portal_text_t) { (char *) message->html.data,
                                  message->html.len };
    mime.date = ngx_time();

    rc = portal_mime_compose(&mime, NULL, 0, &len);
    if (rc != PORTAL_MIME_OK) {
        return why[rc];
    }

    /* the envelope lies behind the message */

    size = len + mime.from.len + mime.to.len + 2;

    p = ngx_alloc(size, job->mail->log);
    if (p == NULL) {
        return NULL;
    }

    (void) portal_mime_compose(&mime, (char *) p, len, &len);

    job->message.data = p;
    job->message.len = len;

    job->from = (char *) p + len;
    p = ngx_cpymem(job->from, mime.from.data, mime.from.len);
    *p++ = '\0';

    job->to = (char *) p;
    p = ngx_cpymem(p, mime.to.data, mime.to.len);
    *p = '\0';

    return NULL;
}


/*
 * The links of a mail are keys to an account: they are not left in memory
 * that somebody else gets next.
 */

static void
portal_mail_pool_wipe(ngx_pool_t *pool)
{
    u_char            *p;
    ngx_pool_t        *block;
    ngx_pool_large_t  *large;

    for (large = pool->large; large; large = large->next) {
        if (large->alloc) {
            portal_wipe(large->alloc, malloc_usable_size(large->alloc));
            ngx_free(large->alloc);
        }
    }

    /* its list, and that of cleanups, lie in the blocks */

    pool->large = NULL;

    if (pool->cleanup) {
        return;
    }

    p = (u_char *) pool + sizeof(ngx_pool_t);

    for (block = pool; block; block = block->d.next) {
        if (block != pool) {
            p = (u_char *) block + sizeof(ngx_pool_data_t);
        }

        portal_wipe(p, (size_t) (block->d.last - p));
    }
}


/* also after a claim and after each mail: starts what there is room for */

static void
portal_mail_next(ngx_event_t *ev)
{
    ngx_queue_t        *q;
    portal_mail_t      *mail;
    portal_mail_job_t  *job;

    mail = portal_mail_of(ev, next);

    while (mail->nflying < PORTAL_MAIL_FLIGHT
           && !ngx_queue_empty(&mail->waiting))
    {
        q = ngx_queue_head(&mail->waiting);
        job = ngx_queue_data(q, portal_mail_job_t, queue);

        ngx_queue_remove(q);
        mail->nwaiting--;

        ngx_queue_insert_tail(&mail->flying, q);
        mail->nflying++;

        if (job->message.data == NULL) {
            portal_mail_end(job, job->outcome, NULL);

        } else if (mail->smtp == NULL) {
            portal_mail_file(job);

        } else if (mail->failures && (ngx_exiting || mail->nflying > 1)) {

            /* the server is being asked, or nobody will wait for it */

            portal_mail_end(job, PORTAL_MAIL_HELD, "held back");

        } else {
            portal_mail_smtp_send(mail->smtp, job);
        }
    }

    if (mail->claiming == NULL && mail->woken
        && mail->nwaiting + mail->nflying <= PORTAL_MAIL_FLIGHT)
    {
        mail->woken = 0;
        portal_mail_look_in(mail, mail->failures ? portal_mail_interval(mail)
                                                 : 1);
    }
}


/* development only: a small write that may wait for the disk */

static void
portal_mail_file(portal_mail_job_t *job)
{
    u_char      *p, path[NGX_MAX_PATH], tmp[NGX_MAX_PATH];
    ngx_str_t    dir;

    dir.data = job->mail->conf->url.data + 5;
    dir.len = job->mail->conf->url.len - 5;

    p = ngx_snprintf(tmp, sizeof(tmp) - 1, "%V/.%s.tmp", &dir, job->id);
    *p = '\0';

    p = ngx_snprintf(path, sizeof(path) - 1, "%V/%T%03M-%s.eml", &dir,
                     ngx_time(), ngx_cached_time->msec, job->id);
    *p = '\0';

    if (portal_mail_file_write(job, tmp) != NGX_OK) {
        portal_mail_end(job, PORTAL_MAIL_DOWN, "file");
        return;
    }

    if (ngx_rename_file(tmp, path) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ERR, job->mail->log, ngx_errno,
                      ngx_rename_file_n " \"%s\" to \"%s\" failed", tmp,
                      path);
        (void) ngx_delete_file(tmp);
        portal_mail_end(job, PORTAL_MAIL_DOWN, "file");
        return;
    }

    portal_mail_end(job, PORTAL_MAIL_SENT, "file");
}


static ngx_int_t
portal_mail_file_write(portal_mail_job_t *job, u_char *tmp)
{
    ssize_t   n;
    ngx_fd_t  fd;

    fd = ngx_open_file(tmp, NGX_FILE_WRONLY, NGX_FILE_TRUNCATE, 0644);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, job->mail->log, ngx_errno,
                      ngx_open_file_n " \"%s\" failed", tmp);
        return NGX_ERROR;
    }

    /* whatever the umask: whoever develops reads it as somebody else */

    (void) fchmod(fd, 0644);

    n = ngx_write_fd(fd, job->message.data, job->message.len);

    if (n != (ssize_t) job->message.len) {
        ngx_log_error(NGX_LOG_ERR, job->mail->log, ngx_errno,
                      ngx_write_fd_n " \"%s\" failed", tmp);
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR
        || n != (ssize_t) job->message.len)
    {
        (void) ngx_delete_file(tmp);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
portal_mail_end(portal_mail_job_t *job, portal_mail_outcome_e outcome,
    const char *detail)
{
    portal_mail_t  *mail;

    mail = job->mail;

    if (job->event.timer_set) {
        ngx_del_timer(&job->event);
    }

    ngx_queue_remove(&job->queue);
    mail->nflying--;

    job->outcome = outcome;

    if (detail) {
        portal_mail_say(job->detail, detail);
    }

    portal_mail_told(job);
    portal_mail_wipe(job);

    portal_count(PORTAL_COUNT_MAIL + outcome);

    ngx_queue_insert_tail(&mail->ending, &job->queue);

    portal_mail_mark(job);

    ngx_post_event(&mail->next, &ngx_posted_events);
}


/* a server that is away is said once, not with each mail that waits for it */

static void
portal_mail_told(portal_mail_job_t *job)
{
    ngx_uint_t      level;
    portal_mail_t  *mail;

    mail = job->mail;

    if (job->outcome == PORTAL_MAIL_DOWN) {

        if (mail->failures == 0) {
            ngx_log_error(NGX_LOG_ERR, mail->log, 0,
                          "no mail goes out by \"%V\": %s; mails wait and are "
                          "tried again", &mail->conf->url,
                          portal_mail_why((char *) job->detail));
        }

        /* those that were under way together have failed once */

        mail->failures += !mail->down;
        mail->down = 1;
        mail->refused = !portal_mail_silent((char *) job->detail);

    } else if (job->outcome != PORTAL_MAIL_HELD && job->message.data) {

        if (mail->failures) {
            ngx_log_error(NGX_LOG_NOTICE, mail->log, 0,
                          "mail goes out by \"%V\" again", &mail->conf->url);

            /* the others that wait do not sit out the server's pause */

            mail->woken = 1;
        }

        mail->failures = 0;
    }

    level = (job->outcome == PORTAL_MAIL_RETRY
             || job->outcome == PORTAL_MAIL_FAILED) ? NGX_LOG_ERR
                                                    : NGX_LOG_INFO;

    ngx_log_error(level, mail->log, 0, "mail %s: %s (%s)", job->id,
                  portal_mail_outcomes[job->outcome], job->detail);
}


static const char *
portal_mail_why(const char *detail)
{
    ngx_uint_t  i;

    static const char  *const  why[][2] = {
        { "resolve", "its name is not found" },
        { "connect", "nothing answers there" },
        { "timeout", "it does not answer in time" },
        { "cut", "it ends the connection" },
        { "auth", "it refuses the user or the password" },
        { "tls", "it offers no TLS, or its certificate is not one of \"ca=\" "
                 "for this name" },
        { "file", "it cannot be written there" },
    };

    for (i = 0; i < sizeof(why) / sizeof(why[0]); i++) {
        if (ngx_strcmp(detail, why[i][0]) == 0) {
            return why[i][1];
        }
    }

    return detail;
}


/* nobody has answered: asking again soon is no burden and no guess */

static ngx_uint_t
portal_mail_silent(const char *detail)
{
    ngx_uint_t  i;

    static const char  *const  silent[] = {
        "connect", "resolve", "timeout", "cut", "file"
    };

    for (i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
        if (ngx_strcmp(detail, silent[i]) == 0) {
            return 1;
        }
    }

    return 0;
}


static void
portal_mail_wipe(portal_mail_job_t *job)
{
    if (job->message.data) {
        portal_wipe(job->message.data, job->message.len);
        ngx_free(job->message.data);
        ngx_str_null(&job->message);
    }
}


static void
portal_mail_mark(portal_mail_job_t *job)
{
    u_char           buf[224];
    ngx_str_t        input;
    portal_mail_t   *mail;
    portal_pg_op_t  *op;

    mail = job->mail;

    job->event.handler = portal_mail_mark_again;
    job->tries++;

    op = portal_pg_op(mail->pg);
    if (op == NULL) {
        ngx_add_timer(&job->event, PORTAL_MAIL_DONE_WAIT);
        return;
    }

    input.data = buf;
    input.len = (size_t) (ngx_snprintf(buf, sizeof(buf),
                                       "{\"id\":\"%s\",\"town\":%L,"
                                       "\"attempt\":%L,\"outcome\":\"%s\","
                                       "\"detail\":\"%s\"}",
                                       job->id, job->town, job->attempt,
                                       portal_mail_outcomes[job->outcome],
                                       job->detail)
                          - buf);

    if (portal_pg_query(op, mail->done) != NGX_OK
        || portal_pg_param(op, &input) != NGX_OK)
    {
        portal_pg_drop(op);
        ngx_add_timer(&job->event, PORTAL_MAIL_DONE_WAIT);
        return;
    }

    op->op.handler = portal_mail_marked;
    op->op.data = job;

    job->op = op;

    portal_pg_post(mail->pg, op);
}


static void
portal_mail_marked(portal_op_t *op)
{
    ngx_uint_t          tries;
    portal_mail_job_t  *job;

    job = op->data;
    job->op = NULL;

    if (op->status == PORTAL_OP_OK) {
        ngx_queue_remove(&job->queue);
        portal_mail_free(job);
        return;
    }

    /*
     * A mail that went out and is not marked is sent twice, once its lease
     * is over: worth as many tries as the lease has time for.
     */

    tries = (ngx_exiting || op->status == PORTAL_OP_REFUSED)
                ? 3 : PORTAL_MAIL_LEASE / 2;

    if (job->tries >= tries) {
        ngx_log_error(NGX_LOG_ERR, job->mail->log, 0,
                      "mail %s: could not be marked %s", job->id,
                      portal_mail_outcomes[job->outcome]);
        ngx_queue_remove(&job->queue);
        portal_mail_free(job);
        return;
    }

    ngx_add_timer(&job->event, PORTAL_MAIL_DONE_WAIT);
}


static void
portal_mail_mark_again(ngx_event_t *ev)
{
    portal_mail_mark(portal_mail_job_of(ev));
}


/* of none of the queues any more */

static void
portal_mail_free(portal_mail_job_t *job)
{
    if (job->event.timer_set) {
        ngx_del_timer(&job->event);
    }

    portal_mail_wipe(job);
    ngx_free(job);
}
