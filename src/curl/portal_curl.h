
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_CURL_H_INCLUDED_
#define _PORTAL_CURL_H_INCLUDED_


#include "../core/portal_op.h"

#include <curl/curl.h>


/*
 * libcurl's multi interface on nginx's events: what mails and what webhooks
 * leave by.  Names are resolved by a thread of libcurl's (AsynchDNS, as Debian
 * builds it): getaddrinfo() must not run in the event loop.
 */

#define PORTAL_CURL_SOCKETS  16

typedef struct portal_curl_s           portal_curl_t;
typedef struct portal_curl_transfer_s  portal_curl_transfer_t;

/* libcurl is done with it; it may be dropped or started again here */
typedef void (*portal_curl_finish_pt)(portal_curl_transfer_t *t,
    CURLcode result);

/*
 * Whether a connection may be opened: asked of the very address that is
 * connected to, whatever the name led to before.
 */
typedef ngx_uint_t (*portal_curl_permit_pt)(portal_curl_transfer_t *t,
    struct curl_sockaddr *address);


/* the first part of what a caller knows of one transfer */

struct portal_curl_transfer_s {
    portal_curl_t             *curl;
    CURL                      *easy;
    curl_socket_t              fd;
    portal_curl_finish_pt      finish;
    portal_curl_permit_pt      permit;      /* NULL: any address */
};


struct portal_curl_s {
    ngx_log_t                 *log;
    CURLM                     *multi;
    ngx_str_t                  ca;          /* PEM text; none: libcurl's */

    ngx_event_t                timer;       /* libcurl's */
    ngx_event_t                idle;        /* cancelable */

    ngx_uint_t                 transfers;
    ngx_uint_t                 nsockets;
    curl_socket_t              sockets[PORTAL_CURL_SOCKETS];
};


/*
 * init_process: what a handshake would read is read now.  ca: PEM text, or
 * empty for the system's authorities, where tls says that any are needed.
 */
ngx_int_t portal_curl_init(ngx_cycle_t *cycle, portal_curl_t *curl,
    ngx_str_t *ca, ngx_uint_t tls);

/* once nothing is in flight */
void portal_curl_destroy(portal_curl_t *curl);

/* between the two the connections stay open, and for a while after */
void portal_curl_enter(portal_curl_t *curl);
void portal_curl_leave(portal_curl_t *curl);

/*
 * A new t->easy that speaks these protocols alone, for the caller to set what
 * else it has to say; certificates are verified.  NGX_ERROR leaves none.
 */
ngx_int_t portal_curl_easy(portal_curl_transfer_t *t, const char *protocols,
    long timeout, long connect);
/* sets it off; ends in t->finish, never before it returns */
ngx_int_t portal_curl_start(portal_curl_transfer_t *t);
/* t->easy and what it does end here, without a word */
void portal_curl_stop(portal_curl_transfer_t *t);


#endif /* _PORTAL_CURL_H_INCLUDED_ */
