
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_HOOK_INT_H_INCLUDED_
#define _PORTAL_HOOK_INT_H_INCLUDED_


#include "portal_hook.h"
#include "../curl/portal_curl.h"


/*
 * Of src/hook only.  A job is one claimed row: sent by portal_hook_send(),
 * ended once by portal_hook_end(), whatever happened.
 */

typedef enum {
    PORTAL_HOOK_DELIVERED = 0,
    PORTAL_HOOK_RETRY,
    PORTAL_HOOK_GONE
} portal_hook_outcome_e;


typedef struct {
    portal_curl_transfer_t    transfer;     /* first */
    portal_hook_t            *hook;
    ngx_queue_t               queue;

    json_t                   *row;          /* what is sent lies in it */
    struct curl_slist        *headers;
    size_t                    answered;     /* bytes of the answer */
    uint64_t                  began;

    portal_hook_outcome_e     outcome;
    ngx_uint_t                status;       /* 0: none */
    const char               *detail;
    ngx_uint_t                ms;

    ngx_event_t               event;        /* deadline; then pause of done */
    ngx_uint_t                tries;
    portal_pg_op_t           *op;

    unsigned                  permitted:1;  /* some address may be told */
    unsigned                  refused:1;    /* some address may not */
    unsigned                  headed:1;     /* the answer's head is there */
} portal_hook_job_t;


struct portal_hook_s {
    portal_curl_t             curl;
    portal_hook_conf_t       *conf;
    portal_pg_t              *pg;
    portal_hook_sign_pt       sign;
    void                     *data;
    ngx_log_t                *log;

    ngx_event_t               look;         /* cancelable timer */
    portal_pg_op_t           *claiming;

    ngx_queue_t               jobs;         /* being sent or marked */
    ngx_uint_t                njobs;
};


/* a text of the row; "": there is none */
const char *portal_hook_text(portal_hook_job_t *job, const char *name);

/* ends in portal_hook_end(), maybe before it returns */
void portal_hook_send(portal_hook_job_t *job);
/* what is under way ends without a portal_hook_end() */
void portal_hook_drop(portal_hook_job_t *job);

/* status: what was answered; detail: a stable word for why nothing was */
void portal_hook_end(portal_hook_job_t *job, portal_hook_outcome_e outcome,
    ngx_uint_t status, const char *detail);


#endif /* _PORTAL_HOOK_INT_H_INCLUDED_ */
