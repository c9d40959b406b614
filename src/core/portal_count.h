
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_COUNT_H_INCLUDED_
#define _PORTAL_COUNT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What the node has counted, for /_mesures.  Two kinds: words that every
 * worker adds to, which a reload keeps and a dead worker has not taken along;
 * and gauges, of which each worker keeps its own in a place that counts only
 * as long as it lives.  Before portal_count_attach() everything goes nowhere.
 */


/* of requests, by town; those beyond share the last */
#define PORTAL_COUNT_TOWNS      513
#define PORTAL_COUNT_SLUG       64
#define PORTAL_COUNT_AUDIENCES  8
#define PORTAL_COUNT_CLASSES    5       /* 2xx to 5xx, and what is neither */

/* how many take at most portal_count_limits[i] microseconds; more; the sum */
#define PORTAL_COUNT_LIMITS     12
#define PORTAL_COUNT_HISTOGRAM  (PORTAL_COUNT_LIMITS + 2)

#define PORTAL_COUNT_STATUSES   5       /* of portal_op.h */
#define PORTAL_COUNT_POOLS      2       /* pages, jobs */


typedef enum {
    PORTAL_COUNT_STARTED = 0,           /* unix seconds */
    PORTAL_COUNT_WORKERS,               /* that were started */

    PORTAL_COUNT_REQUEST,               /* + town, audience, class */
    PORTAL_COUNT_REQUEST_TIME = PORTAL_COUNT_REQUEST
                                + PORTAL_COUNT_TOWNS * PORTAL_COUNT_AUDIENCES
                                  * PORTAL_COUNT_CLASSES,

    PORTAL_COUNT_CALL_TIME = PORTAL_COUNT_REQUEST_TIME
                             + PORTAL_COUNT_HISTOGRAM,
    PORTAL_COUNT_CALL = PORTAL_COUNT_CALL_TIME          /* + pool, status */
                        + PORTAL_COUNT_HISTOGRAM,
    PORTAL_COUNT_WAITED = PORTAL_COUNT_CALL
                          + PORTAL_COUNT_POOLS * PORTAL_COUNT_STATUSES,
    PORTAL_COUNT_WAIT_TIME,             /* microseconds, as all times here */
    PORTAL_COUNT_SHARED,                /* sent behind another */
    PORTAL_COUNT_CONNECT,               /* + pool */
    PORTAL_COUNT_CONNECT_FAILED = PORTAL_COUNT_CONNECT + PORTAL_COUNT_POOLS,

    PORTAL_COUNT_REDIS = PORTAL_COUNT_CONNECT_FAILED    /* + status */
                         + PORTAL_COUNT_POOLS,
    PORTAL_COUNT_REDIS_LOST = PORTAL_COUNT_REDIS        /* + command, watch */
                              + PORTAL_COUNT_STATUSES,
    PORTAL_COUNT_REDIS_CHANGE = PORTAL_COUNT_REDIS_LOST + 2,

    PORTAL_COUNT_HASH,                  /* done */
    PORTAL_COUNT_HASH_REFUSED,
    PORTAL_COUNT_HASH_TIME,

    PORTAL_COUNT_PHOTO,                 /* + status */
    PORTAL_COUNT_PHOTO_TIME = PORTAL_COUNT_PHOTO + PORTAL_COUNT_STATUSES,

    PORTAL_COUNT_PASSWORD_RIGHT,
    PORTAL_COUNT_PASSWORD_WRONG,
    PORTAL_COUNT_PASSWORD_LIMITED,
    PORTAL_COUNT_PASSWORD_UNTRIED,

    PORTAL_COUNT_REPORT,                /* of a browser, of the policy */
    PORTAL_COUNT_UNREADABLE,            /* sealed values that do not open */

    PORTAL_COUNT_RENDER,
    PORTAL_COUNT_RENDER_TIME,

    PORTAL_COUNT_MAIL,                  /* + outcome of portal_mail_int.h */

    /* the outbox as it was last read */
    PORTAL_COUNT_OUTBOX_READ = PORTAL_COUNT_MAIL + 5,   /* unix seconds */
    PORTAL_COUNT_OUTBOX_QUEUED,
    PORTAL_COUNT_OUTBOX_SENDING,
    PORTAL_COUNT_OUTBOX_SENT,
    PORTAL_COUNT_OUTBOX_FAILED,
    PORTAL_COUNT_OUTBOX_EXPIRED,
    PORTAL_COUNT_OUTBOX_OLDEST,         /* seconds */
    PORTAL_COUNT_AUDIT_UNCHAINED,       /* read with it, as what follows */
    PORTAL_COUNT_HOOK_ACTIVE,
    PORTAL_COUNT_HOOK_LATE,
    PORTAL_COUNT_HOOK_STOPPED,
    PORTAL_COUNT_HOOK_FAILING,
    PORTAL_COUNT_HOOK_GONE,
    PORTAL_COUNT_HOOK_WAITING,
    PORTAL_COUNT_HOOK_OLDEST,           /* seconds */

    PORTAL_COUNTS
} portal_count_e;


typedef enum {
    PORTAL_GAUGE_PG_IDLE = 0,           /* + 4 of the jobs' pool */
    PORTAL_GAUGE_PG_BUSY,
    PORTAL_GAUGE_PG_CONNECTING,
    PORTAL_GAUGE_PG_WAITING,

    PORTAL_GAUGE_REFUSING = PORTAL_GAUGE_PG_IDLE + 4 * PORTAL_COUNT_POOLS,

    PORTAL_GAUGE_REDIS_COMMAND,
    PORTAL_GAUGE_REDIS_WATCH,
    PORTAL_GAUGE_REDIS_PENDING,

    PORTAL_GAUGE_HASH_WAITING,

    PORTAL_GAUGE_PHOTO_RUNNING,
    PORTAL_GAUGE_PHOTO_WAITING,

    PORTAL_GAUGE_RUNNING,
    PORTAL_GAUGE_EXITING,
    PORTAL_GAUGE_CONNECTIONS,           /* nginx's, used */
    PORTAL_GAUGE_CONNECTIONS_FREE,

    PORTAL_GAUGES
} portal_gauge_e;


extern ngx_atomic_t  *portal_counts;
extern ngx_atomic_t  *portal_gauges;    /* this worker's */


#define portal_count(n)                                                       \
    (void) ngx_atomic_fetch_add(&portal_counts[n], 1)

#define portal_count_add(n, value)                                            \
    (void) ngx_atomic_fetch_add(&portal_counts[n],                            \
                                (ngx_atomic_int_t) (value))

/* one more of a histogram */
void portal_count_time(ngx_uint_t n, uint64_t us);

/* at configuration time; NULL after an error, which is logged */
ngx_shm_zone_t *portal_count_zone(ngx_conf_t *cf, void *tag);

/* init_process and exit_process of a worker */
void portal_count_attach(ngx_shm_zone_t *zone);
void portal_count_detach(void);

/* the place of a town's requests, for init_process; and its name, or NULL */
ngx_uint_t portal_count_town(ngx_str_t *slug);
const u_char *portal_count_slug(ngx_uint_t town);

/* PORTAL_GAUGES sums over the workers that live */
void portal_count_sum(ngx_atomic_uint_t *sums);


#endif /* _PORTAL_COUNT_H_INCLUDED_ */
