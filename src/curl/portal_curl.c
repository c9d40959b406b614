
/*
 * Copyright (C) the portal's authors
 */


#include "portal_curl.h"

#include <dlfcn.h>


#define PORTAL_CURL_CA    "/etc/ssl/certs/ca-certificates.crt"
#define PORTAL_CURL_IDLE  15000     /* then good-bye to the server */


static ngx_int_t portal_curl_library(ngx_cycle_t *cycle);
static void portal_curl_bundle(ngx_cycle_t *cycle, portal_curl_t *curl);
static ngx_int_t portal_curl_open(portal_curl_t *curl);
static void portal_curl_hang_up(portal_curl_t *curl);
static void portal_curl_idle(ngx_event_t *ev);

static ngx_int_t portal_curl_options(portal_curl_transfer_t *t,
    const char *protocols, long timeout, long connect);
static ngx_int_t portal_curl_security(portal_curl_transfer_t *t);

static curl_socket_t portal_curl_socket_open(void *data,
    curlsocktype purpose, struct curl_sockaddr *address);
static int portal_curl_socket_close(void *data, curl_socket_t fd);

static int portal_curl_socket(CURL *easy, curl_socket_t fd, int what,
    void *data, void *socketp);
static void portal_curl_arm(ngx_connection_t *c, ngx_event_t *ev,
    ngx_int_t event, ngx_uint_t wanted);
static int portal_curl_timer(CURLM *multi, long ms, void *data);
static void portal_curl_event(ngx_event_t *ev);
static void portal_curl_timeout(ngx_event_t *ev);
static void portal_curl_collect(portal_curl_t *curl);
static void portal_curl_forget(void);


#define portal_curl_of(ev, field)                                        \
    ((portal_curl_t *)                                                   \
        ((u_char *) (ev) - offsetof(portal_curl_t, field)))


ngx_int_t
portal_curl_init(ngx_cycle_t *cycle, portal_curl_t *curl, ngx_str_t *ca,
    ngx_uint_t tls)
{
    if (portal_curl_library(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    curl->log = cycle->log;
    curl->ca = *ca;

    portal_op_event(&curl->timer, portal_curl_timeout, cycle->log);
    portal_op_event(&curl->idle, portal_curl_idle, cycle->log);

    curl->idle.cancelable = 1;

    if (curl->ca.len == 0 && tls) {
        portal_curl_bundle(cycle, curl);
    }

    return NGX_OK;
}


/*
 * For the life of the process: a thread that waits for a name server may
 * outlive the module, and would return into nothing.
 */

static ngx_int_t
portal_curl_library(ngx_cycle_t *cycle)
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


/* once into memory: no handshake reads files */

static void
portal_curl_bundle(ngx_cycle_t *cycle, portal_curl_t *curl)
{
    ssize_t          n;
    ngx_file_t       file;
    ngx_file_info_t  fi;

    ngx_memzero(&file, sizeof(ngx_file_t));

    ngx_str_set(&file.name, PORTAL_CURL_CA);
    file.log = cycle->log;

    file.fd = ngx_open_file(file.name.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno,
                      ngx_open_file_n " \"%V\" failed: servers' "
                      "certificates cannot be verified; write \"ca=\"",
                      &file.name);
        return;
    }

    if (ngx_fd_info(file.fd, &fi) != NGX_FILE_ERROR) {

        curl->ca.data = ngx_palloc(cycle->pool, (size_t) ngx_file_size(&fi));

        if (curl->ca.data) {
            n = ngx_read_file(&file, curl->ca.data,
                              (size_t) ngx_file_size(&fi), 0);
            curl->ca.len = n > 0 ? (size_t) n : 0;
        }
    }

    (void) ngx_close_file(file.fd);
}


static ngx_int_t
portal_curl_open(portal_curl_t *curl)
{
    if (curl->multi) {
        return NGX_OK;
    }

    curl->multi = curl_multi_init();
    if (curl->multi == NULL) {
        return NGX_ERROR;
    }

    /* more than ever are open: closing one for room would block, see below */

    if (curl_multi_setopt(curl->multi, CURLMOPT_MAXCONNECTS,
                          (long) PORTAL_CURL_SOCKETS)
        || curl_multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION,
                             portal_curl_socket)
        || curl_multi_setopt(curl->multi, CURLMOPT_SOCKETDATA, curl)
        || curl_multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION,
                             portal_curl_timer)
        || curl_multi_setopt(curl->multi, CURLMOPT_TIMERDATA, curl))
    {
        portal_curl_hang_up(curl);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * To a mail server libcurl says QUIT and then waits for the answer, blocking
 * the worker for as long as the server likes.  On a socket that is shut for
 * reading it sees an end at once; the QUIT goes out all the same.
 */

static void
portal_curl_hang_up(portal_curl_t *curl)
{
    ngx_uint_t  i;

    if (curl->multi == NULL) {
        return;
    }

    for (i = 0; i < curl->nsockets; i++) {
        (void) shutdown(curl->sockets[i], SHUT_RD);
    }

    (void) curl_multi_cleanup(curl->multi);
    curl->multi = NULL;

    portal_curl_forget();

    if (curl->timer.timer_set) {
        ngx_del_timer(&curl->timer);
    }
}


static void
portal_curl_idle(ngx_event_t *ev)
{
    portal_curl_hang_up(portal_curl_of(ev, idle));
}


void
portal_curl_destroy(portal_curl_t *curl)
{
    if (curl->idle.timer_set) {
        ngx_del_timer(&curl->idle);
    }

    portal_curl_hang_up(curl);
}


void
portal_curl_enter(portal_curl_t *curl)
{
    curl->transfers++;

    if (curl->idle.timer_set) {
        ngx_del_timer(&curl->idle);
    }
}


void
portal_curl_leave(portal_curl_t *curl)
{
    if (--curl->transfers == 0) {
        ngx_add_timer(&curl->idle, PORTAL_CURL_IDLE);
    }
}


ngx_int_t
portal_curl_easy(portal_curl_transfer_t *t, const char *protocols,
    long timeout, long connect)
{
    t->fd = CURL_SOCKET_BAD;

    if (portal_curl_open(t->curl) != NGX_OK) {
        return NGX_ERROR;
    }

    t->easy = curl_easy_init();
    if (t->easy == NULL) {
        return NGX_ERROR;
    }

    if (portal_curl_options(t, protocols, timeout, connect) != NGX_OK
        || portal_curl_security(t) != NGX_OK)
    {
        portal_curl_stop(t);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
portal_curl_options(portal_curl_transfer_t *t, const char *protocols,
    long timeout, long connect)
{
    CURL  *easy;

    easy = t->easy;

    /* older ones take numbers, of all that is spoken here */

#if (LIBCURL_VERSION_NUM >= 0x075500)
    if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols)) {
        return NGX_ERROR;
    }
#else
    if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                         CURLPROTO_SMTP|CURLPROTO_SMTPS|CURLPROTO_HTTPS))
    {
        return NGX_ERROR;
    }
#endif

    if (curl_easy_setopt(easy, CURLOPT_PROXY, "")
#if (LIBCURL_VERSION_NUM >= 0x075700)
        /* do not wait for a thread that waits for a name server */
        || curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L)
#endif
        || curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L)
        || curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout)
        || curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                            ngx_min(timeout, connect))
        || curl_easy_setopt(easy, CURLOPT_PRIVATE, t)
        || curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION,
                            portal_curl_socket_open)
        || curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t)
        || curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION,
                            portal_curl_socket_close)
        || curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, t->curl))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
portal_curl_security(portal_curl_transfer_t *t)
{
    CURL              *easy;
    struct curl_blob   ca;

    easy = t->easy;

    if (curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                         (long) CURL_SSLVERSION_TLSv1_2)
        || curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L)
        || curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L))
    {
        return NGX_ERROR;
    }

    if (t->curl->ca.len == 0) {
        return NGX_OK;
    }

    ca.data = t->curl->ca.data;
    ca.len = t->curl->ca.len;
    ca.flags = CURL_BLOB_NOCOPY;

    return curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca) ? NGX_ERROR
                                                            : NGX_OK;
}


ngx_int_t
portal_curl_start(portal_curl_transfer_t *t)
{
    return curl_multi_add_handle(t->curl->multi, t->easy) == CURLM_OK
           ? NGX_OK : NGX_ERROR;
}


void
portal_curl_stop(portal_curl_transfer_t *t)
{
    if (t->easy) {
        (void) curl_multi_remove_handle(t->curl->multi, t->easy);
        curl_easy_cleanup(t->easy);
        t->easy = NULL;

        portal_curl_forget();
    }
}


/* data is the transfer that connects; a connection may outlive it */

static curl_socket_t
portal_curl_socket_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *address)
{
    portal_curl_transfer_t *t = data;

    curl_socket_t   fd;
    portal_curl_t  *curl;

    curl = t->curl;

    if (curl->nsockets == PORTAL_CURL_SOCKETS
        || (t->permit && !t->permit(t, address)))
    {
        return CURL_SOCKET_BAD;
    }

    fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                address->protocol);

    if (fd != CURL_SOCKET_BAD) {
        curl->sockets[curl->nsockets++] = fd;
    }

    return fd;
}


static int
portal_curl_socket_close(void *data, curl_socket_t fd)
{
    portal_curl_t *curl = data;

    ngx_uint_t  i;

    for (i = 0; i < curl->nsockets; i++) {
        if (curl->sockets[i] == fd) {
            curl->sockets[i] = curl->sockets[--curl->nsockets];
            break;
        }
    }

    return close(fd);
}


static int
portal_curl_socket(CURL *easy, curl_socket_t fd, int what, void *data,
    void *socketp)
{
    portal_curl_t *curl = data;
    ngx_connection_t   *c = socketp;

    portal_curl_transfer_t  *t;

    if (what == CURL_POLL_REMOVE) {

        if (c) {
            portal_curl_arm(c, c->read, NGX_READ_EVENT, 0);
            portal_curl_arm(c, c->write, NGX_WRITE_EVENT, 0);
            (void) curl_multi_assign(curl->multi, fd, NULL);
            ngx_close_connection(c);
        }

        return 0;
    }

    t = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t) == CURLE_OK && t) {
        t->fd = fd;
    }

    if (c == NULL) {
        c = ngx_get_connection(fd, curl->log);

        if (c == NULL) {
            /* the deadline will come */
            return 0;
        }

        /* libcurl's socket: nginx neither closes it nor drops its events */

        c->shared = 1;
        c->data = curl;
        c->read->log = c->log;
        c->write->log = c->log;
        c->read->handler = portal_curl_event;
        c->write->handler = portal_curl_event;
        c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);

        (void) curl_multi_assign(curl->multi, fd, c);
    }

    portal_curl_arm(c, c->read, NGX_READ_EVENT, what & CURL_POLL_IN);
    portal_curl_arm(c, c->write, NGX_WRITE_EVENT, what & CURL_POLL_OUT);

    return 0;
}


/* level-triggered: libcurl does not read until EAGAIN */

static void
portal_curl_arm(ngx_connection_t *c, ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted)
{
    if (wanted && !ev->active) {
        (void) ngx_add_event(ev, event, NGX_LEVEL_EVENT);

    } else if (!wanted && ev->active) {
        (void) ngx_del_event(ev, event, 0);
    }
}


static int
portal_curl_timer(CURLM *multi, long ms, void *data)
{
    portal_curl_t *curl = data;

    if (curl->timer.timer_set) {
        ngx_del_timer(&curl->timer);
    }

    if (ms >= 0) {

        /* nginx's clock is behind: a timer of libcurl's must not be early */

        ngx_add_timer(&curl->timer, (ngx_msec_t) ms + (ms ? 1 : 0));
    }

    return 0;
}


static void
portal_curl_event(ngx_event_t *ev)
{
    int                  running;
    ngx_connection_t    *c;
    portal_curl_t  *curl;

    c = ev->data;
    curl = c->data;

    (void) curl_multi_socket_action(curl->multi, c->fd,
                                    ev->write ? CURL_CSELECT_OUT
                                              : CURL_CSELECT_IN,
                                    &running);

    portal_curl_forget();
    portal_curl_collect(curl);
}


static void
portal_curl_timeout(ngx_event_t *ev)
{
    int                  running;
    long                 ms;
    portal_curl_t  *curl;

    curl = portal_curl_of(ev, timer);

    (void) curl_multi_socket_action(curl->multi, CURL_SOCKET_TIMEOUT, 0,
                                    &running);

    portal_curl_forget();
    portal_curl_collect(curl);

    /* libcurl does not say twice what it thinks is set */

    if (!curl->timer.timer_set && curl->transfers
        && curl_multi_timeout(curl->multi, &ms) == CURLM_OK && ms >= 0)
    {
        ngx_add_timer(&curl->timer, (ngx_msec_t) ms + 1);
    }
}


static void
portal_curl_collect(portal_curl_t *curl)
{
    int                      left;
    CURLMsg                 *msg;
    CURLcode                 result;
    portal_curl_transfer_t  *t;

    while ((msg = curl_multi_info_read(curl->multi, &left)) != NULL) {

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        /* the message is gone with the handle */

        t = NULL;
        result = msg->data.result;
        (void) curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);

        t->finish(t, result);
    }
}


/*
 * The errors of OpenSSL are the thread's: what libcurl leaves there of a
 * handshake that failed, nginx would tell of, as an alert, to whoever comes
 * next over TLS.
 */

static void
portal_curl_forget(void)
{
#if (NGX_OPENSSL)
    ERR_clear_error();
#endif
}
