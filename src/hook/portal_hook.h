
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_HOOK_H_INCLUDED_
#define _PORTAL_HOOK_H_INCLUDED_


#include "../call/portal_pg.h"

#include <jansson.h>


/*
 * What goes to webhooks: claims messages in a short transaction, sends them
 * with none open, says how that ended.  Any node may; the lease in the
 * webhook's row lets one message be under way to it at a time.
 */

#define PORTAL_HOOK_SIGNATURES  96      /* two, a space and the end */

typedef struct portal_hook_s  portal_hook_t;

typedef struct {
    ngx_uint_t                on;
    ngx_str_t                 ca;           /* PEM text, read at -t */
    ngx_array_t              *allow;        /* ngx_cidr_t; NULL: none */
    ngx_msec_t                timeout;      /* of one message */
    ngx_msec_t                interval;     /* between two looks */
    portal_pg_statement_t    *work;         /* finds what there is to tell */
    portal_pg_statement_t    *claim;
    portal_pg_statement_t    *done;
} portal_hook_conf_t;

/*
 * Signs a claimed row, whose body goes out as it is, at that time: writes the
 * header's value, terminated.  The http layer gives it: keys are its own.
 */
typedef ngx_int_t (*portal_hook_sign_pt)(void *data, json_t *row,
    ngx_str_t *timestamp, char out[PORTAL_HOOK_SIGNATURES]);

/* whether anything goes to an address: it is public, or among those of allow */
ngx_uint_t portal_hook_may(struct sockaddr *sa, ngx_array_t *allow);

/* init_process of one worker; pg: the jobs' own pool; NULL is logged */
portal_hook_t *portal_hook_create(ngx_cycle_t *cycle,
    portal_hook_conf_t *conf, portal_pg_t *pg, portal_hook_sign_pt sign,
    void *data);
/* exit_process, before the pool's end; NULL is nothing */
void portal_hook_destroy(portal_hook_t *hook);


#endif /* _PORTAL_HOOK_H_INCLUDED_ */
