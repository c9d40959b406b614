
/*
 * Copyright (C) the portal's authors
 */


#include "portal_mail_smtp.h"

#include <dlfcn.h>


/*
 * libcurl's multi interface on nginx's events.  Names are resolved by a
 * thread of libcurl's (AsynchDNS, as Debian builds it): getaddrinfo() must
 * not run in the event loop.
 */

#define PORTAL_MAIL_SMTP_CA  "/etc/ssl/certs/ca-certificates.crt"


static ngx_int_t portal_mail_smtp_library(ngx_cycle_t *cycle);
static char *portal_mail_smtp_text(ngx_cycle_t *cycle, ngx_str_t *text);
static void portal_mail_smtp_bundle(ngx_cycle_t *cycle,
    portal_mail_smtp_t *smtp);
static void portal_mail_smtp_hang_up(portal_mail_smtp_t *smtp);
static void portal_mail_smtp_idle(ngx_event_t *ev);

static int portal_mail_smtp_socket(CURL *easy, curl_socket_t fd, int what,
    void *data, void *socketp);
static void portal_mail_smtp_arm(ngx_connection_t *c, ngx_event_t *ev,
    ngx_int_t event, ngx_uint_t wanted);
static int portal_mail_smtp_timer(CURLM *multi, long ms, void *data);
static void portal_mail_smtp_event(ngx_event_t *ev);
static void portal_mail_smtp_timeout(ngx_event_t *ev);
static void portal_mail_smtp_collect(portal_mail_smtp_t *smtp);


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


ngx_int_t
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


curl_socket_t
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


int
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
