
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_MAIL_SMTP_H_INCLUDED_
#define _PORTAL_MAIL_SMTP_H_INCLUDED_


#include "portal_mail_int.h"

#include <curl/curl.h>


/*
 * Between portal_mail_smtp.c, libcurl on nginx's events, and
 * portal_mail_transfer.c, one mail by it.
 */

#define PORTAL_MAIL_SMTP_SOCKETS  16
#define PORTAL_MAIL_SMTP_IDLE     15000     /* then good-bye to the server */


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


/* curl_multi_init(), if there is none */
ngx_int_t portal_mail_smtp_open(portal_mail_smtp_t *smtp);

/* CURLOPT_OPENSOCKETFUNCTION and its opposite; data: portal_mail_smtp_t */
curl_socket_t portal_mail_smtp_socket_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *address);
int portal_mail_smtp_socket_close(void *data, curl_socket_t fd);

/* libcurl is done with it: frees it and ends its job, or begins anew */
void portal_mail_smtp_finish(portal_mail_transfer_t *t, CURLcode result);


#endif /* _PORTAL_MAIL_SMTP_H_INCLUDED_ */
