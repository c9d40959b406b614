
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_MAIL_INT_H_INCLUDED_
#define _PORTAL_MAIL_INT_H_INCLUDED_


#include "portal_mail.h"
#include "../core/portal_count.h"


/*
 * Of src/mail only.  A job is one claimed row: made of the row's message,
 * given to a transport, ended once by portal_mail_end(), whatever happened.
 */

#define PORTAL_MAIL_FLIGHT  4       /* sent at the same time */
#define PORTAL_MAIL_BATCH   8       /* claimed and not ended, at most */
#define PORTAL_MAIL_ID      36      /* an uuid */
#define PORTAL_MAIL_DETAIL  32

/* a few stable words; of PORTAL_MAIL_DETAIL bytes */
#define portal_mail_say(detail, word)                                         \
    (void) ngx_snprintf(detail, PORTAL_MAIL_DETAIL, "%s%Z", word)

typedef struct portal_mail_smtp_s  portal_mail_smtp_t;
typedef struct portal_mail_job_s   portal_mail_job_t;


typedef enum {
    PORTAL_MAIL_SENT = 0,
    PORTAL_MAIL_RETRY,      /* this mail, later */
    PORTAL_MAIL_DOWN,       /* the server's fault: no mail would fare better */
    PORTAL_MAIL_HELD,       /* not tried because of such another */
    PORTAL_MAIL_FAILED
} portal_mail_outcome_e;


struct portal_mail_job_s {
    portal_mail_t            *mail;
    ngx_queue_t               queue;

    u_char                    id[PORTAL_MAIL_ID + 1];
    int64_t                   town;         /* with id the outbox's key */
    int64_t                   attempt;      /* which taking of it this is */
    char                     *from;         /* in the message's memory */
    char                     *to;
    ngx_str_t                 message;      /* wiped and freed by end() */
    size_t                    sent;

    void                     *transfer;     /* the SMTP transport's */

    portal_mail_outcome_e     outcome;
    u_char                    detail[PORTAL_MAIL_DETAIL];

    ngx_event_t               event;        /* deadline; then pause of done */
    ngx_uint_t                tries;
    portal_pg_op_t           *op;
};


struct portal_mail_s {
    portal_mail_conf_t       *conf;
    portal_pg_t              *pg;
    portal_pg_statement_t    *claim;
    portal_pg_statement_t    *done;
    portal_mail_render_pt     render;
    void                     *data;
    ngx_log_t                *log;

    ngx_event_t               look;         /* cancelable timer */
    ngx_event_t               next;         /* posted */
    portal_pg_op_t           *claiming;

    ngx_queue_t               waiting;      /* to be sent */
    ngx_queue_t               flying;       /* being sent */
    ngx_queue_t               ending;       /* being marked */
    ngx_uint_t                nwaiting;
    ngx_uint_t                nflying;

    ngx_uint_t                failures;     /* of the transport, in a row */

    portal_mail_smtp_t       *smtp;         /* NULL: files */

    unsigned                  woken:1;
    unsigned                  down:1;       /* a failure since the last look */
    unsigned                  refused:1;    /* the last one was an answer */
};


/*
 * The transport is done with a job of flying; detail: a few stable words,
 * never an address nor what a server said.
 */
void portal_mail_end(portal_mail_job_t *job, portal_mail_outcome_e outcome,
    const char *detail);


/* init_process: reads what a handshake would; NULL is logged */
portal_mail_smtp_t *portal_mail_smtp_create(ngx_cycle_t *cycle,
    portal_mail_conf_t *conf);

/* once nothing is in flight */
void portal_mail_smtp_destroy(portal_mail_smtp_t *smtp);

/* ends in portal_mail_end(), maybe before it returns */
void portal_mail_smtp_send(portal_mail_smtp_t *smtp, portal_mail_job_t *job);

/* the transfer of a job that is in flight, without a portal_mail_end() */
void portal_mail_smtp_drop(portal_mail_smtp_t *smtp, portal_mail_job_t *job);


#endif /* _PORTAL_MAIL_INT_H_INCLUDED_ */
