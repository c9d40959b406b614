
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_MAIL_H_INCLUDED_
#define _PORTAL_MAIL_H_INCLUDED_


#include "../call/portal_pg.h"


/*
 * The outbox's worker: claims rows in a short transaction, sends with none
 * open, marks them.  Any node and worker may run it; the lease in the row
 * keeps two from sending the same mail.
 */

typedef struct portal_mail_s  portal_mail_t;

typedef struct {
    ngx_str_t                 url;          /* smtp://, smtps:// or file:/ */
    ngx_str_t                 user;
    ngx_str_t                 password;
    ngx_str_t                 ca;           /* PEM text, read at -t */
    ngx_uint_t                starttls;     /* 1: required */
    ngx_msec_t                timeout;      /* of one mail */
    ngx_msec_t                interval;     /* between two looks */
} portal_mail_conf_t;

/*
 * Makes the two parts of a mail from a claimed row: subject, text and html
 * in memory of pool; NGX_ERROR puts the row off.  The http layer gives it:
 * templates and keys are its own.
 */
typedef struct {
    ngx_str_t                 subject;
    ngx_str_t                 text;
    ngx_str_t                 html;
    ngx_str_t                 from;         /* address */
    ngx_str_t                 from_name;
    ngx_str_t                 to;
    ngx_str_t                 message_id;   /* without the brackets */
} portal_mail_message_t;

typedef ngx_int_t (*portal_mail_render_pt)(void *data, ngx_str_t *row_json,
    ngx_pool_t *pool, portal_mail_message_t *message);

/* init_process of one worker; pg: the jobs' own pool */
portal_mail_t *portal_mail_create(ngx_cycle_t *cycle,
    portal_mail_conf_t *conf, portal_pg_t *pg,
    portal_pg_statement_t *claim, portal_pg_statement_t *done,
    portal_mail_render_pt render, void *data);
void portal_mail_destroy(portal_mail_t *mail);


#endif /* _PORTAL_MAIL_H_INCLUDED_ */
