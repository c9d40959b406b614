
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_JOBS_H_INCLUDED_
#define _PORTAL_JOBS_H_INCLUDED_


#include "../call/portal_pg.h"

#include <jansson.h>


/*
 * Functions of the database that are called again and again.  Every node
 * calls; in the database an advisory lock, and where it matters the time of
 * the last run, make one of them do it.
 *
 * A function takes {"every": seconds} and returns {"note": what it did, for
 * the log, or null, "more": it stopped at its limit}.  What only C can make it
 * asks for: what "bring" of its answer says, bring() makes for the next call,
 * as "brought" of the input.
 */

#define PORTAL_JOBS_MAX  5

typedef struct portal_jobs_s  portal_jobs_t;

typedef struct {
    portal_pg_statement_t    *statement;
    ngx_msec_t                every;
    json_t                 *(*bring)(void *data, json_t *asked);
    void                     *data;
} portal_job_conf_t;

typedef struct {
    portal_job_conf_t         job[PORTAL_JOBS_MAX];
    ngx_uint_t                n;
} portal_jobs_conf_t;


/* init_process of one worker; pg: the jobs' own pool */
portal_jobs_t *portal_jobs_create(ngx_cycle_t *cycle,
    portal_jobs_conf_t *conf, portal_pg_t *pg);
/* exit_process, before the pool's end; NULL is nothing */
void portal_jobs_destroy(portal_jobs_t *jobs);


#endif /* _PORTAL_JOBS_H_INCLUDED_ */
