
/*
 * Copyright (C) the portal's authors
 */


#include "portal_hook_int.h"
#include "portal_address.h"


/*
 * One message over HTTPS, on a connection of its own.  What comes back is a
 * status; a redirect is one like others, and no other is looked at.
 */

#define PORTAL_HOOK_CONNECT  5000
#define PORTAL_HOOK_GRACE    1000
#define PORTAL_HOOK_ANSWER   65536      /* then it is enough */


static ngx_int_t portal_hook_start(portal_hook_job_t *job);
static ngx_int_t portal_hook_headers(portal_hook_job_t *job);
static ngx_int_t portal_hook_header(portal_hook_job_t *job, const char *name,
    const char *value);
static ngx_int_t portal_hook_options(portal_hook_job_t *job);
static size_t portal_hook_head(char *data, size_t size, size_t n,
    void *context);
static size_t portal_hook_answer(char *data, size_t size, size_t n,
    void *context);
static ngx_uint_t portal_hook_permit(portal_curl_transfer_t *t,
    struct curl_sockaddr *address);
static void portal_hook_deadline(ngx_event_t *ev);
static void portal_hook_finish(portal_curl_transfer_t *t, CURLcode result);
static ngx_uint_t portal_hook_status(portal_hook_job_t *job);
static const char *portal_hook_why(portal_hook_job_t *job, CURLcode result);


void
portal_hook_send(portal_hook_job_t *job)
{
    portal_hook_t  *hook;

    hook = job->hook;

    job->began = portal_op_clock();
    job->transfer.curl = &hook->curl;
    job->transfer.finish = portal_hook_finish;
    job->transfer.permit = portal_hook_permit;
    job->event.handler = portal_hook_deadline;

    portal_curl_enter(&hook->curl);

    if (portal_hook_headers(job) != NGX_OK) {
        portal_hook_drop(job);
        portal_hook_end(job, PORTAL_HOOK_RETRY, 0, "secret");
        return;
    }

    if (portal_hook_start(job) != NGX_OK) {
        portal_hook_drop(job);
        portal_hook_end(job, PORTAL_HOOK_RETRY, 0, "memory");
        return;
    }

    /* libcurl has its own; this one holds whatever libcurl does */

    ngx_add_timer(&job->event, hook->conf->timeout + PORTAL_HOOK_GRACE);
}


void
portal_hook_drop(portal_hook_job_t *job)
{
    if (job->transfer.curl == NULL) {
        return;
    }

    portal_curl_stop(&job->transfer);
    portal_curl_leave(job->transfer.curl);
    job->transfer.curl = NULL;

    curl_slist_free_all(job->headers);
    job->headers = NULL;

    if (job->event.timer_set) {
        ngx_del_timer(&job->event);
    }
}


static ngx_int_t
portal_hook_start(portal_hook_job_t *job)
{
    if (portal_curl_easy(&job->transfer, "https",
                         (long) job->hook->conf->timeout, PORTAL_HOOK_CONNECT)
        != NGX_OK
        || portal_hook_options(job) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return portal_curl_start(&job->transfer);
}


/* signed anew each time: a receiver refuses what is old */

static ngx_int_t
portal_hook_headers(portal_hook_job_t *job)
{
    u_char     now[NGX_TIME_T_LEN + 1];
    char       signatures[PORTAL_HOOK_SIGNATURES];
    ngx_str_t  timestamp;

    timestamp.data = now;
    timestamp.len = (size_t) (ngx_sprintf(now, "%T%Z", ngx_time()) - now) - 1;

    if (job->hook->sign(job->hook->data, job->row, &timestamp, signatures)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (portal_hook_header(job, "Content-Type", "application/json") != NGX_OK
        || portal_hook_header(job, "webhook-id", portal_hook_text(job, "id"))
           != NGX_OK
        || portal_hook_header(job, "webhook-timestamp", (char *) now)
           != NGX_OK
        || portal_hook_header(job, "webhook-signature", signatures) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
portal_hook_header(portal_hook_job_t *job, const char *name,
    const char *value)
{
    u_char              line[256];
    struct curl_slist  *headers;

    (void) ngx_snprintf(line, sizeof(line) - 1, "%s: %s%Z", name, value);
    line[sizeof(line) - 1] = '\0';

    headers = curl_slist_append(job->headers, (char *) line);
    if (headers == NULL) {
        return NGX_ERROR;
    }

    job->headers = headers;

    return NGX_OK;
}


static ngx_int_t
portal_hook_options(portal_hook_job_t *job)
{
    CURL        *easy;
    const char  *body;

    easy = job->transfer.easy;
    body = portal_hook_text(job, "body");

    if (curl_easy_setopt(easy, CURLOPT_URL, portal_hook_text(job, "url"))
        || curl_easy_setopt(easy, CURLOPT_POST, 1L)
        || curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE,
                            (long) ngx_strlen(body))
        || curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body)
        || curl_easy_setopt(easy, CURLOPT_HTTPHEADER, job->headers)
        || curl_easy_setopt(easy, CURLOPT_USERAGENT, "portail-citoyen")
        || curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                            (long) CURL_HTTP_VERSION_1_1)
        || curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L)
        || curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L)
        || curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L)
        || curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, portal_hook_head)
        || curl_easy_setopt(easy, CURLOPT_HEADERDATA, job)
        || curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, portal_hook_answer)
        || curl_easy_setopt(easy, CURLOPT_WRITEDATA, job))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a line at a time; the empty one ends the head, or one of a 1xx before it */

static size_t
portal_hook_head(char *data, size_t size, size_t n, void *context)
{
    portal_hook_job_t *job = context;

    if (size * n > 0 && (data[0] == CR || data[0] == LF)
        && portal_hook_status(job) >= 200)
    {
        job->headed = 1;
    }

    return portal_hook_answer(data, size, n, context);
}


/* counted, and forgotten */

static size_t
portal_hook_answer(char *data, size_t size, size_t n, void *context)
{
    portal_hook_job_t *job = context;

    job->answered += size * n;

    return job->answered > PORTAL_HOOK_ANSWER ? 0 : size * n;
}


static ngx_uint_t
portal_hook_permit(portal_curl_transfer_t *t, struct curl_sockaddr *address)
{
    ngx_uint_t          yes;
    portal_hook_job_t  *job;

    job = (portal_hook_job_t *) t;

    yes = portal_hook_may(&address->addr, job->hook->conf->allow);

    if (yes) {
        job->permitted = 1;

    } else {
        job->refused = 1;
    }

    return yes;
}


ngx_uint_t
portal_hook_may(struct sockaddr *sa, ngx_array_t *allow)
{
    struct sockaddr_in   *sin;
    struct sockaddr_in6  *sin6;

    if (sa->sa_family == AF_INET) {
        sin = (struct sockaddr_in *) sa;

        if (portal_address_public4((uint8_t *) &sin->sin_addr.s_addr)) {
            return 1;
        }

    } else if (sa->sa_family == AF_INET6) {
        sin6 = (struct sockaddr_in6 *) sa;

        if (portal_address_public6(sin6->sin6_addr.s6_addr)) {
            return 1;
        }
    }

    return allow != NULL && ngx_cidr_match(sa, allow) == NGX_OK;
}


static void
portal_hook_deadline(ngx_event_t *ev)
{
    portal_hook_job_t  *job;

    job = (portal_hook_job_t *)
              ((u_char *) ev - offsetof(portal_hook_job_t, event));

    portal_hook_finish(&job->transfer, CURLE_OPERATION_TIMEDOUT);
}


static void
portal_hook_finish(portal_curl_transfer_t *t, CURLcode result)
{
    const char             *detail;
    ngx_uint_t              status;
    portal_hook_job_t      *job;
    portal_hook_outcome_e   outcome;

    job = (portal_hook_job_t *) t;

    status = 0;
    outcome = PORTAL_HOOK_RETRY;

    /*
     * An answer whose head is there is one, however it goes on: a software may
     * do its work after that, or end without having said all of it.
     */

    if (result == CURLE_OK || result == CURLE_WRITE_ERROR || job->headed) {
        status = portal_hook_status(job);
    }

    detail = status ? "" : portal_hook_why(job, result);

    if (status >= 200 && status < 300) {
        outcome = PORTAL_HOOK_DELIVERED;

    } else if (status == 410) {
        outcome = PORTAL_HOOK_GONE;
    }

    portal_hook_drop(job);
    portal_hook_end(job, outcome, status, detail);
}


static ngx_uint_t
portal_hook_status(portal_hook_job_t *job)
{
    long  status;

    status = 0;
    (void) curl_easy_getinfo(job->transfer.easy, CURLINFO_RESPONSE_CODE,
                             &status);

    return (ngx_uint_t) status;
}


static const char *
portal_hook_why(portal_hook_job_t *job, CURLcode result)
{
    switch (result) {

    case CURLE_OUT_OF_MEMORY:
        return "memory";

    case CURLE_OPERATION_TIMEDOUT:
        return "timeout";

    case CURLE_COULDNT_RESOLVE_HOST:
        return "resolve";

    case CURLE_COULDNT_CONNECT:
        return job->refused && !job->permitted ? "address" : "connect";

    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return "tls";

    default:
        return "cut";
    }
}
