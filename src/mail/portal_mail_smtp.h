
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_MAIL_SMTP_H_INCLUDED_
#define _PORTAL_MAIL_SMTP_H_INCLUDED_


#include "portal_mail_int.h"

#include "../curl/portal_curl.h"


/*
 * Between portal_mail_smtp.c, the server that mails are given to, and
 * portal_mail_transfer.c, one mail.
 */


/* the last thing said to the server */

typedef enum {
    PORTAL_MAIL_SMTP_GREET = 0,     /* all that is not of one mail */
    PORTAL_MAIL_SMTP_MAIL,
    PORTAL_MAIL_SMTP_RCPT,
    PORTAL_MAIL_SMTP_DATA
} portal_mail_smtp_phase_e;


typedef struct {
    portal_curl_transfer_t     transfer;    /* first */
    portal_mail_smtp_t        *smtp;
    portal_mail_job_t         *job;
    struct curl_slist         *recipients;
    portal_mail_smtp_phase_e   phase;
    ngx_uint_t                 code;    /* the answer, 0: none yet */
    unsigned                   quit:1;
    unsigned                   again:1;     /* on a new connection */
} portal_mail_transfer_t;


struct portal_mail_smtp_s {
    portal_curl_t              curl;
    portal_mail_conf_t        *conf;

    char                      *url;
    char                      *user;
    char                      *password;
};


#endif /* _PORTAL_MAIL_SMTP_H_INCLUDED_ */
