
/*
 * Copyright (C) the portal's authors
 */


#include "portal_mail_smtp.h"


#define PORTAL_MAIL_SMTP_CONNECT  10000
#define PORTAL_MAIL_SMTP_GRACE    2000


static ngx_int_t portal_mail_smtp_start(portal_mail_transfer_t *t);
static ngx_int_t portal_mail_smtp_options(portal_mail_transfer_t *t);
static ngx_int_t portal_mail_smtp_login(portal_mail_transfer_t *t);
static ngx_int_t portal_mail_smtp_envelope(portal_mail_transfer_t *t);

static size_t portal_mail_smtp_read(char *buf, size_t size, size_t n,
    void *data);
static int portal_mail_smtp_watch(CURL *easy, curl_infotype type, char *text,
    size_t len, void *data);
static void portal_mail_smtp_deadline(ngx_event_t *ev);
static void portal_mail_smtp_finish(portal_curl_transfer_t *c,
    CURLcode result);

static portal_mail_outcome_e portal_mail_smtp_outcome(
    portal_mail_transfer_t *t, CURLcode result, u_char *detail);


void
portal_mail_smtp_send(portal_mail_smtp_t *smtp, portal_mail_job_t *job)
{
    portal_mail_transfer_t  *t;

    t = ngx_calloc(sizeof(portal_mail_transfer_t), smtp->curl.log);
    if (t == NULL) {
        portal_mail_end(job, PORTAL_MAIL_RETRY, "memory");
        return;
    }

    t->transfer.curl = &smtp->curl;
    t->transfer.finish = portal_mail_smtp_finish;
    t->smtp = smtp;
    t->job = job;

    job->transfer = t;
    job->event.handler = portal_mail_smtp_deadline;

    portal_curl_enter(&smtp->curl);

    if (portal_mail_smtp_start(t) != NGX_OK) {
        portal_mail_smtp_drop(smtp, job);
        portal_mail_end(job, PORTAL_MAIL_RETRY, "memory");
    }
}


void
portal_mail_smtp_drop(portal_mail_smtp_t *smtp, portal_mail_job_t *job)
{
    portal_mail_transfer_t  *t;

    t = job->transfer;
    job->transfer = NULL;

    if (t == NULL) {
        return;
    }

    portal_curl_stop(&t->transfer);

    curl_slist_free_all(t->recipients);
    ngx_free(t);

    portal_curl_leave(&smtp->curl);
}


static ngx_int_t
portal_mail_smtp_start(portal_mail_transfer_t *t)
{
    portal_mail_smtp_t  *smtp;

    smtp = t->smtp;

    t->phase = PORTAL_MAIL_SMTP_GREET;
    t->code = 0;
    t->quit = 0;
    t->job->sent = 0;

    if (portal_curl_easy(&t->transfer, "smtp,smtps",
                         (long) smtp->conf->timeout, PORTAL_MAIL_SMTP_CONNECT)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (portal_mail_smtp_options(t) != NGX_OK
        || portal_mail_smtp_login(t) != NGX_OK
        || portal_mail_smtp_envelope(t) != NGX_OK
        || portal_curl_start(&t->transfer) != NGX_OK)
    {
        portal_curl_stop(&t->transfer);
        return NGX_ERROR;
    }

    /* libcurl has its own; this one holds whatever libcurl does */

    ngx_add_timer(&t->job->event,
                  smtp->conf->timeout + PORTAL_MAIL_SMTP_GRACE);

    return NGX_OK;
}


static ngx_int_t
portal_mail_smtp_options(portal_mail_transfer_t *t)
{
    CURL  *easy;

    easy = t->transfer.easy;

    if (curl_easy_setopt(easy, CURLOPT_URL, t->smtp->url)
        || curl_easy_setopt(easy, CURLOPT_USE_SSL,
                            t->smtp->conf->starttls ? (long) CURLUSESSL_ALL
                                                    : (long) CURLUSESSL_NONE)
        || curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long) t->again)
        || curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L)
        || curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION,
                            portal_mail_smtp_watch)
        || curl_easy_setopt(easy, CURLOPT_DEBUGDATA, t))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* no others: they are weaker than TLS, or ask a Kerberos server first */

static ngx_int_t
portal_mail_smtp_login(portal_mail_transfer_t *t)
{
    CURL                *easy;
    portal_mail_smtp_t  *smtp;

    easy = t->transfer.easy;
    smtp = t->smtp;

    if (smtp->user[0] != '\0'
        && (curl_easy_setopt(easy, CURLOPT_USERNAME, smtp->user)
            || curl_easy_setopt(easy, CURLOPT_PASSWORD, smtp->password)
            || curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS,
                                "AUTH=PLAIN;AUTH=LOGIN")))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
portal_mail_smtp_envelope(portal_mail_transfer_t *t)
{
    CURL               *easy;
    portal_mail_job_t  *job;

    easy = t->transfer.easy;
    job = t->job;

    if (t->recipients == NULL) {
        t->recipients = curl_slist_append(NULL, job->to);
    }

    if (t->recipients == NULL
        || curl_easy_setopt(easy, CURLOPT_MAIL_FROM, job->from)
        || curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, t->recipients)
        || curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L)
        || curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                            (curl_off_t) job->message.len)
        || curl_easy_setopt(easy, CURLOPT_READFUNCTION,
                            portal_mail_smtp_read)
        || curl_easy_setopt(easy, CURLOPT_READDATA, job))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static size_t
portal_mail_smtp_read(char *buf, size_t size, size_t n, void *data)
{
    portal_mail_job_t *job = data;

    size_t  len;

    len = ngx_min(size * n, job->message.len - job->sent);

    ngx_memcpy(buf, job->message.data + job->sent, len);
    job->sent += len;

    return len;
}


/*
 * What was said last and what was the answer to it: libcurl tells neither.
 * A refused mail ends its connection with a QUIT that blocks, see
 * portal_curl.c.
 */

static int
portal_mail_smtp_watch(CURL *easy, curl_infotype type, char *text, size_t len,
    void *data)
{
    portal_mail_transfer_t *t = data;

    ngx_int_t  code;

    switch (type) {

    case CURLINFO_HEADER_OUT:

        if (len >= 4 && ngx_strncmp(text, "QUIT", 4) == 0) {
            t->quit = 1;

            if (t->transfer.fd != CURL_SOCKET_BAD) {
                (void) shutdown(t->transfer.fd, SHUT_RD);
            }

            break;
        }

        t->code = 0;

        if (len >= 4 && ngx_strncmp(text, "MAIL", 4) == 0) {
            t->phase = PORTAL_MAIL_SMTP_MAIL;

        } else if (len >= 4 && ngx_strncmp(text, "RCPT", 4) == 0) {
            t->phase = PORTAL_MAIL_SMTP_RCPT;

        } else if (len >= 4 && ngx_strncmp(text, "DATA", 4) == 0) {
            t->phase = PORTAL_MAIL_SMTP_DATA;
        }

        break;

    case CURLINFO_DATA_OUT:
        t->code = 0;
        break;

    case CURLINFO_HEADER_IN:
        code = len >= 3 ? ngx_atoi((u_char *) text, 3) : NGX_ERROR;

        if (code != NGX_ERROR && !t->quit) {
            t->code = (ngx_uint_t) code;
        }

        break;

    default:
        break;
    }

    return 0;
}


static void
portal_mail_smtp_deadline(ngx_event_t *ev)
{
    portal_mail_job_t       *job;
    portal_mail_transfer_t  *t;

    job = (portal_mail_job_t *)
              ((u_char *) ev - offsetof(portal_mail_job_t, event));
    t = job->transfer;

    portal_mail_smtp_finish(&t->transfer, CURLE_OPERATION_TIMEDOUT);
}


static void
portal_mail_smtp_finish(portal_curl_transfer_t *c, CURLcode result)
{
    long                     connects;
    u_char                   detail[PORTAL_MAIL_DETAIL];
    portal_mail_job_t       *job;
    portal_mail_smtp_t      *smtp;
    portal_mail_outcome_e    outcome;
    portal_mail_transfer_t  *t;

    t = (portal_mail_transfer_t *) c;
    job = t->job;
    smtp = t->smtp;

    ngx_log_debug4(NGX_LOG_DEBUG_EVENT, smtp->curl.log, 0,
                   "mail %s: curl:%d phase:%d code:%ui", job->id,
                   (int) result, (int) t->phase, t->code);

    /* the server had said good-bye on a connection that was kept: not news */

    if (result != CURLE_OK && result != CURLE_OPERATION_TIMEDOUT && !t->again
        && (t->code == 0 || t->code == 421) && job->sent == 0
        && curl_easy_getinfo(c->easy, CURLINFO_NUM_CONNECTS, &connects)
           == CURLE_OK
        && connects == 0)
    {
        portal_curl_stop(c);

        t->again = 1;

        if (portal_mail_smtp_start(t) == NGX_OK) {
            return;
        }

        result = CURLE_OUT_OF_MEMORY;
    }

    outcome = portal_mail_smtp_outcome(t, result, detail);

    portal_mail_smtp_drop(smtp, job);
    portal_mail_end(job, outcome, (char *) detail);
}


/*
 * Only the answer to a recipient or to the message itself is about this mail
 * for ever; all else may be mended by those who run the servers.
 */

static portal_mail_outcome_e
portal_mail_smtp_outcome(portal_mail_transfer_t *t, CURLcode result,
    u_char *detail)
{
    const char  *word;

    word = NULL;

    switch (result) {

    case CURLE_OK:
        (void) ngx_snprintf(detail, PORTAL_MAIL_DETAIL, "smtp %ui%Z",
                            t->code);
        return PORTAL_MAIL_SENT;

    case CURLE_OUT_OF_MEMORY:
        portal_mail_say(detail, "memory");
        return PORTAL_MAIL_RETRY;

    case CURLE_OPERATION_TIMEDOUT:
        word = "timeout";
        break;

    case CURLE_COULDNT_RESOLVE_HOST:
        word = "resolve";
        break;

    case CURLE_COULDNT_CONNECT:
        word = "connect";
        break;

    case CURLE_LOGIN_DENIED:
        word = "auth";
        break;

    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        word = "tls";
        break;

    default:
        break;
    }

    if (word == NULL && t->code >= 400) {
        (void) ngx_snprintf(detail, PORTAL_MAIL_DETAIL, "smtp %ui%Z",
                            t->code);

        if (t->code >= 500 && t->phase >= PORTAL_MAIL_SMTP_RCPT) {
            return PORTAL_MAIL_FAILED;
        }

    } else {
        portal_mail_say(detail, (word ? word : "cut"));
    }

    return t->phase == PORTAL_MAIL_SMTP_GREET ? PORTAL_MAIL_DOWN
                                              : PORTAL_MAIL_RETRY;
}
