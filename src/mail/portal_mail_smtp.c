
/*
 * Copyright (C) the portal's authors
 */


#include "portal_mail_int.h"

#include <curl/curl.h>
#include <dlfcn.h>


/*
 * libcurl's multi interface on nginx's events.  Names are resolved by a
 * thread of libcurl's (AsynchDNS, as Debian builds it): getaddrinfo() must
 * not run in the event loop.
 */

#define PORTAL_MAIL_SMTP_SOCKETS  16
#define PORTAL_MAIL_SMTP_IDLE     15000     /* then good-bye to the server */
#define PORTAL_MAIL_SMTP_CONNECT  10000
#define PORTAL_MAIL_SMTP_GRACE    2000
#define PORTAL_MAIL_SMTP_CA       "/etc/ssl/certs/ca-certificates.crt"


/* the last thing said to the server */

typedef enum {
    PORTAL_MAIL_SMTP_GREET = 0,     /* all that is not of one mail */
    PORTAL_MAIL_SMTP_MAIL,
    PORTAL_MAIL_SMTP_RCPT,
    PORTAL_MAIL_SMTP_DATA
} portal_mail_smtp_phase_e;


typedef struct {
    portal_mail_smtp_t        *smtp;
    portal_mail_job_t         *job;
    CURL                      *easy;
    struct curl_slist         *recipients;
    curl_socket_t              fd;
    portal_mail_smtp_phase_e   phase;
    ngx_uint_t                 code;    /* the answer, 0: none yet */
    unsigned                   quit:1;
    unsigned                   again:1;     /* on a new connection */
} portal_mail_transfer_t;


struct portal_mail_smtp_s {
    portal_mail_conf_t        *conf;
    ngx_log_t                 *log;
    CURLM                     *multi;

    char                      *url;
    char                      *user;
    char                      *password;
    ngx_str_t                  ca;

    ngx_event_t                timer;       /* libcurl's */
    ngx_event_t                idle;        /* cancelable */

    ngx_uint_t                 transfers;
    ngx_uint_t                 nsockets;
    curl_socket_t              sockets[PORTAL_MAIL_SMTP_SOCKETS];
};


static ngx_int_t portal_mail_smtp_library(ngx_cycle_t *cycle);
static char *portal_mail_smtp_text(ngx_cycle_t *cycle, ngx_str_t *text);
static void portal_mail_smtp_bundle(ngx_cycle_t *cycle,
    portal_mail_smtp_t *smtp);
static ngx_int_t portal_mail_smtp_open(portal_mail_smtp_t *smtp);
static void portal_mail_smtp_hang_up(portal_mail_smtp_t *smtp);
static void portal_mail_smtp_idle(ngx_event_t *ev);

static ngx_int_t portal_mail_smtp_start(portal_mail_transfer_t *t);
static ngx_int_t portal_mail_smtp_options(portal_mail_transfer_t *t);
static ngx_int_t portal_mail_smtp_security(portal_mail_transfer_t *t);
static ngx_int_t portal_mail_smtp_envelope(portal_mail_transfer_t *t);

static size_t portal_mail_smtp_read(char *buf, size_t size, size_t n,
    void *data);
static int portal_mail_smtp_watch(CURL *easy, curl_infotype type, char *text,
    size_t len, void *data);
static curl_socket_t portal_mail_smtp_socket_open(void *data,
    curlsocktype purpose, struct curl_sockaddr *address);
static int portal_mail_smtp_socket_close(void *data, curl_socket_t fd);

static int portal_mail_smtp_socket(CURL *easy, curl_socket_t fd, int what,
    void *data, void *socketp);
static void portal_mail_smtp_arm(ngx_connection_t *c, ngx_event_t *ev,
    ngx_int_t event, ngx_uint_t wanted);
static int portal_mail_smtp_timer(CURLM *multi, long ms, void *data);
static void portal_mail_smtp_event(ngx_event_t *ev);
static void portal_mail_smtp_timeout(ngx_event_t *ev);
static void portal_mail_smtp_deadline(ngx_event_t *ev);

static void portal_mail_smtp_collect(portal_mail_smtp_t *smtp);
static void portal_mail_smtp_finish(portal_mail_transfer_t *t,
    CURLcode result);
static portal_mail_outcome_e portal_mail_smtp_outcome(
    portal_mail_transfer_t *t, CURLcode result, u_char *detail);


#define portal_mail_smtp_of(ev, field)                                        \
    ((portal_mail_smtp_t *)                                                   \
        ((u_char *) (ev) - offsetof(portal_mail_smtp_t, field)))


portal_mail_smtp_t *
portal_mail_smtp_create(ngx_cycle_t *cycle, portal_mail_conf_t *conf)
{
    portal_mail_smtp_t  *smtp;

    if (portal_mail_smtp_library(cycle) != NGX_OK) {
        return NULL;
    }

    smtp = ngx_pcalloc(cycle->pool, sizeof(portal_mail_smtp_t));
    if (smtp == NULL) {
        return NULL;
    }

    smtp->conf = conf;
    smtp->log = cycle->log;
    smtp->url = portal_mail_smtp_text(cycle, &conf->url);
    smtp->user = portal_mail_smtp_text(cycle, &conf->user);
    smtp->password = portal_mail_smtp_text(cycle, &conf->password);
    smtp->ca = conf->ca;

    if (smtp->url == NULL || smtp->user == NULL || smtp->password == NULL) {
        return NULL;
    }

    portal_op_event(&smtp->timer, portal_mail_smtp_timeout, cycle->log);
    portal_op_event(&smtp->idle, portal_mail_smtp_idle, cycle->log);

    smtp->idle.cancelable = 1;

    if (smtp->ca.len == 0
        && (conf->starttls || ngx_strncmp(conf->url.data, "smtps", 5) == 0))
    {
        portal_mail_smtp_bundle(cycle, smtp);
    }

    return smtp;
}


/*
 * For the life of the process: a thread that waits for a name server may
 * outlive the module, and would return into nothing.
 */

static ngx_int_t
portal_mail_smtp_library(ngx_cycle_t *cycle)
{
    Dl_info  info;

    static ngx_uint_t  ready;

    if (ready) {
        return NGX_OK;
    }

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK
        || dladdr((void *) curl_global_init, &info) == 0
        || dlopen(info.dli_fname, RTLD_NOW|RTLD_NODELETE) == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "libcurl could not be initialized");
        return NGX_ERROR;
    }

    ready = 1;

    return NGX_OK;
}


static char *
portal_mail_smtp_text(ngx_cycle_t *cycle, ngx_str_t *text)
{
    char  *p;

    p = ngx_pnalloc(cycle->pool, text->len + 1);
    if (p == NULL) {
        return NULL;
    }

    *ngx_cpymem(p, text->data, text->len) = '\0';

    return p;
}


/* once into memory: no handshake reads files */

static void
portal_mail_smtp_bundle(ngx_cycle_t *cycle, portal_mail_smtp_t *smtp)
{
    ssize_t          n;
    ngx_file_t       file;
    ngx_file_info_t  fi;

    ngx_memzero(&file, sizeof(ngx_file_t));

    ngx_str_set(&file.name, PORTAL_MAIL_SMTP_CA);
    file.log = cycle->log;

    file.fd = ngx_open_file(file.name.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno,
                      ngx_open_file_n " \"%V\" failed: mail servers' "
                      "certificates cannot be verified; write \"ca=\"",
                      &file.name);
        return;
    }

    if (ngx_fd_info(file.fd, &fi) != NGX_FILE_ERROR) {

        smtp->ca.data = ngx_palloc(cycle->pool, (size_t) ngx_file_size(&fi));

        if (smtp->ca.data) {
            n = ngx_read_file(&file, smtp->ca.data,
                              (size_t) ngx_file_size(&fi), 0);
            smtp->ca.len = n > 0 ? (size_t) n : 0;
        }
    }

    (void) ngx_close_file(file.fd);
}


static ngx_int_t
portal_mail_smtp_open(portal_mail_smtp_t *smtp)
{
    if (smtp->multi) {
        return NGX_OK;
    }

    smtp->multi = curl_multi_init();
    if (smtp->multi == NULL) {
        return NGX_ERROR;
    }

    /* more than ever are open: closing one for room would block, see below */

    if (curl_multi_setopt(smtp->multi, CURLMOPT_MAXCONNECTS,
                          (long) PORTAL_MAIL_SMTP_SOCKETS)
        || curl_multi_setopt(smtp->multi, CURLMOPT_SOCKETFUNCTION,
                             portal_mail_smtp_socket)
        || curl_multi_setopt(smtp->multi, CURLMOPT_SOCKETDATA, smtp)
        || curl_multi_setopt(smtp->multi, CURLMOPT_TIMERFUNCTION,
                             portal_mail_smtp_timer)
        || curl_multi_setopt(smtp->multi, CURLMOPT_TIMERDATA, smtp))
    {
        portal_mail_smtp_hang_up(smtp);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * libcurl says QUIT and then waits for the answer, blocking the worker for
 * as long as the server likes.  On a socket that is shut for reading it sees
 * an end at once; the QUIT goes out all the same.
 */

static void
portal_mail_smtp_hang_up(portal_mail_smtp_t *smtp)
{
    ngx_uint_t  i;

    if (smtp->multi == NULL) {
        return;
    }

    for (i = 0; i < smtp->nsockets; i++) {
        (void) shutdown(smtp->sockets[i], SHUT_RD);
    }

    (void) curl_multi_cleanup(smtp->multi);
    smtp->multi = NULL;

    if (smtp->timer.timer_set) {
        ngx_del_timer(&smtp->timer);
    }
}


static void
portal_mail_smtp_idle(ngx_event_t *ev)
{
    portal_mail_smtp_hang_up(portal_mail_smtp_of(ev, idle));
}


void
portal_mail_smtp_destroy(portal_mail_smtp_t *smtp)
{
    if (smtp->idle.timer_set) {
        ngx_del_timer(&smtp->idle);
    }

    portal_mail_smtp_hang_up(smtp);
}


void
portal_mail_smtp_send(portal_mail_smtp_t *smtp, portal_mail_job_t *job)
{
    portal_mail_transfer_t  *t;

    t = ngx_calloc(sizeof(portal_mail_transfer_t), smtp->log);
    if (t == NULL) {
        portal_mail_end(job, PORTAL_MAIL_RETRY, "memory");
        return;
    }

    t->smtp = smtp;
    t->job = job;

    job->transfer = t;
    job->event.handler = portal_mail_smtp_deadline;

    smtp->transfers++;

    if (smtp->idle.timer_set) {
        ngx_del_timer(&smtp->idle);
    }

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

    if (t->easy) {
        (void) curl_multi_remove_handle(smtp->multi, t->easy);
        curl_easy_cleanup(t->easy);
    }

    curl_slist_free_all(t->recipients);
    ngx_free(t);

    if (--smtp->transfers == 0) {
        ngx_add_timer(&smtp->idle, PORTAL_MAIL_SMTP_IDLE);
    }
}


static ngx_int_t
portal_mail_smtp_start(portal_mail_transfer_t *t)
{
    portal_mail_smtp_t  *smtp;

    smtp = t->smtp;

    t->fd = CURL_SOCKET_BAD;
    t->phase = PORTAL_MAIL_SMTP_GREET;
    t->code = 0;
    t->quit = 0;
    t->job->sent = 0;

    if (portal_mail_smtp_open(smtp) != NGX_OK) {
        return NGX_ERROR;
    }

    t->easy = curl_easy_init();
    if (t->easy == NULL) {
        return NGX_ERROR;
    }

    if (portal_mail_smtp_options(t) != NGX_OK
        || portal_mail_smtp_security(t) != NGX_OK
        || portal_mail_smtp_envelope(t) != NGX_OK
        || curl_multi_add_handle(smtp->multi, t->easy) != CURLM_OK)
    {
        curl_easy_cleanup(t->easy);
        t->easy = NULL;
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
    CURL                *easy;
    long                 timeout;
    portal_mail_smtp_t  *smtp;

    easy = t->easy;
    smtp = t->smtp;

    timeout = (long) smtp->conf->timeout;

    if (curl_easy_setopt(easy, CURLOPT_URL, smtp->url)
#if (LIBCURL_VERSION_NUM >= 0x075500)
        || curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps")
#else
        || curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                            CURLPROTO_SMTP|CURLPROTO_SMTPS)
#endif
#if (LIBCURL_VERSION_NUM >= 0x075700)
        /* do not wait for a thread that waits for a name server */
        || curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L)
#endif
        || curl_easy_setopt(easy, CURLOPT_PROXY, "")
        || curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L)
        || curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout)
        || curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                            ngx_min(timeout, PORTAL_MAIL_SMTP_CONNECT))
        || curl_easy_setopt(easy, CURLOPT_PRIVATE, t)
        || curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long) t->again)
        || curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION,
                            portal_mail_smtp_socket_open)
        || curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, smtp)
        || curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION,
                            portal_mail_smtp_socket_close)
        || curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, smtp)
        || curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L)
        || curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION,
                            portal_mail_smtp_watch)
        || curl_easy_setopt(easy, CURLOPT_DEBUGDATA, t))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
portal_mail_smtp_security(portal_mail_transfer_t *t)
{
    CURL                *easy;
    struct curl_blob     ca;
    portal_mail_smtp_t  *smtp;

    easy = t->easy;
    smtp = t->smtp;

    if (curl_easy_setopt(easy, CURLOPT_USE_SSL,
                         smtp->conf->starttls ? (long) CURLUSESSL_ALL
                                              : (long) CURLUSESSL_NONE)
        || curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                            (long) CURL_SSLVERSION_TLSv1_2)
        || curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L)
        || curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L))
    {
        return NGX_ERROR;
    }

    if (smtp->ca.len) {
        ca.data = smtp->ca.data;
        ca.len = smtp->ca.len;
        ca.flags = CURL_BLOB_NOCOPY;

        if (curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca)) {
            return NGX_ERROR;
        }
    }

    if (smtp->user[0] == '\0') {
        return NGX_OK;
    }

    /* no others: they are weaker than TLS, or ask a Kerberos server first */

    if (curl_easy_setopt(easy, CURLOPT_USERNAME, smtp->user)
        || curl_easy_setopt(easy, CURLOPT_PASSWORD, smtp->password)
        || curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS,
                            "AUTH=PLAIN;AUTH=LOGIN"))
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

    easy = t->easy;
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
 * A refused mail ends its connection with a QUIT that blocks, as above.
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

            if (t->fd != CURL_SOCKET_BAD) {
                (void) shutdown(t->fd, SHUT_RD);
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


static curl_socket_t
portal_mail_smtp_socket_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *address)
{
    portal_mail_smtp_t *smtp = data;

    curl_socket_t  fd;

    if (smtp->nsockets == PORTAL_MAIL_SMTP_SOCKETS) {
        return CURL_SOCKET_BAD;
    }

    fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                address->protocol);

    if (fd != CURL_SOCKET_BAD) {
        smtp->sockets[smtp->nsockets++] = fd;
    }

    return fd;
}


static int
portal_mail_smtp_socket_close(void *data, curl_socket_t fd)
{
    portal_mail_smtp_t *smtp = data;

    ngx_uint_t  i;

    for (i = 0; i < smtp->nsockets; i++) {
        if (smtp->sockets[i] == fd) {
            smtp->sockets[i] = smtp->sockets[--smtp->nsockets];
            break;
        }
    }

    return close(fd);
}


static int
portal_mail_smtp_socket(CURL *easy, curl_socket_t fd, int what, void *data,
    void *socketp)
{
    portal_mail_smtp_t *smtp = data;
    ngx_connection_t   *c = socketp;

    portal_mail_transfer_t  *t;

    if (what == CURL_POLL_REMOVE) {

        if (c) {
            portal_mail_smtp_arm(c, c->read, NGX_READ_EVENT, 0);
            portal_mail_smtp_arm(c, c->write, NGX_WRITE_EVENT, 0);
            (void) curl_multi_assign(smtp->multi, fd, NULL);
            ngx_close_connection(c);
        }

        return 0;
    }

    t = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t) == CURLE_OK && t) {
        t->fd = fd;
    }

    if (c == NULL) {
        c = ngx_get_connection(fd, smtp->log);

        if (c == NULL) {
            /* the deadline will come */
            return 0;
        }

        /* libcurl's socket: nginx neither closes it nor drops its events */

        c->shared = 1;
        c->data = smtp;
        c->read->log = c->log;
        c->write->log = c->log;
        c->read->handler = portal_mail_smtp_event;
        c->write->handler = portal_mail_smtp_event;
        c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);

        (void) curl_multi_assign(smtp->multi, fd, c);
    }

    portal_mail_smtp_arm(c, c->read, NGX_READ_EVENT, what & CURL_POLL_IN);
    portal_mail_smtp_arm(c, c->write, NGX_WRITE_EVENT, what & CURL_POLL_OUT);

    return 0;
}


/* level-triggered: libcurl does not read until EAGAIN */

static void
portal_mail_smtp_arm(ngx_connection_t *c, ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted)
{
    if (wanted && !ev->active) {
        (void) ngx_add_event(ev, event, NGX_LEVEL_EVENT);

    } else if (!wanted && ev->active) {
        (void) ngx_del_event(ev, event, 0);
    }
}


static int
portal_mail_smtp_timer(CURLM *multi, long ms, void *data)
{
    portal_mail_smtp_t *smtp = data;

    if (smtp->timer.timer_set) {
        ngx_del_timer(&smtp->timer);
    }

    if (ms >= 0) {

        /* nginx's clock is behind: a timer of libcurl's must not be early */

        ngx_add_timer(&smtp->timer, (ngx_msec_t) ms + (ms ? 1 : 0));
    }

    return 0;
}


static void
portal_mail_smtp_event(ngx_event_t *ev)
{
    int                  running;
    ngx_connection_t    *c;
    portal_mail_smtp_t  *smtp;

    c = ev->data;
    smtp = c->data;

    (void) curl_multi_socket_action(smtp->multi, c->fd,
                                    ev->write ? CURL_CSELECT_OUT
                                              : CURL_CSELECT_IN,
                                    &running);

    portal_mail_smtp_collect(smtp);
}


static void
portal_mail_smtp_timeout(ngx_event_t *ev)
{
    int                  running;
    long                 ms;
    portal_mail_smtp_t  *smtp;

    smtp = portal_mail_smtp_of(ev, timer);

    (void) curl_multi_socket_action(smtp->multi, CURL_SOCKET_TIMEOUT, 0,
                                    &running);

    portal_mail_smtp_collect(smtp);

    /* libcurl does not say twice what it thinks is set */

    if (!smtp->timer.timer_set && smtp->transfers
        && curl_multi_timeout(smtp->multi, &ms) == CURLM_OK && ms >= 0)
    {
        ngx_add_timer(&smtp->timer, (ngx_msec_t) ms + 1);
    }
}


static void
portal_mail_smtp_deadline(ngx_event_t *ev)
{
    portal_mail_job_t       *job;
    portal_mail_transfer_t  *t;

    job = (portal_mail_job_t *)
              ((u_char *) ev - offsetof(portal_mail_job_t, event));
    t = job->transfer;

    portal_mail_smtp_finish(t, CURLE_OPERATION_TIMEDOUT);
}


static void
portal_mail_smtp_collect(portal_mail_smtp_t *smtp)
{
    int                      left;
    CURLMsg                 *msg;
    CURLcode                 result;
    portal_mail_transfer_t  *t;

    while ((msg = curl_multi_info_read(smtp->multi, &left)) != NULL) {

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        /* the message is gone with the handle */

        t = NULL;
        result = msg->data.result;
        (void) curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);

        portal_mail_smtp_finish(t, result);
    }
}


static void
portal_mail_smtp_finish(portal_mail_transfer_t *t, CURLcode result)
{
    long                    connects;
    u_char                  detail[PORTAL_MAIL_DETAIL];
    portal_mail_job_t      *job;
    portal_mail_smtp_t     *smtp;
    portal_mail_outcome_e   outcome;

    job = t->job;
    smtp = t->smtp;

    ngx_log_debug4(NGX_LOG_DEBUG_EVENT, smtp->log, 0,
                   "mail %s: curl:%d phase:%d code:%ui", job->id,
                   (int) result, (int) t->phase, t->code);

    /* the server had said good-bye on a connection that was kept: not news */

    if (result != CURLE_OK && result != CURLE_OPERATION_TIMEDOUT && !t->again
        && (t->code == 0 || t->code == 421) && job->sent == 0
        && curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects)
           == CURLE_OK
        && connects == 0)
    {
        (void) curl_multi_remove_handle(smtp->multi, t->easy);
        curl_easy_cleanup(t->easy);

        t->easy = NULL;
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
        *ngx_snprintf(detail, PORTAL_MAIL_DETAIL - 1, "smtp %ui", t->code)
            = '\0';
        return PORTAL_MAIL_SENT;

    case CURLE_OUT_OF_MEMORY:
        ngx_cpystrn(detail, (u_char *) "memory", PORTAL_MAIL_DETAIL);
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
        *ngx_snprintf(detail, PORTAL_MAIL_DETAIL - 1, "smtp %ui", t->code)
            = '\0';

        if (t->code >= 500 && t->phase >= PORTAL_MAIL_SMTP_RCPT) {
            return PORTAL_MAIL_FAILED;
        }

    } else {
        ngx_cpystrn(detail, (u_char *) (word ? word : "cut"),
                    PORTAL_MAIL_DETAIL);
    }

    return t->phase == PORTAL_MAIL_SMTP_GREET ? PORTAL_MAIL_DOWN
                                              : PORTAL_MAIL_RETRY;
}
