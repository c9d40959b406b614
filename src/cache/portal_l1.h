
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_L1_H_INCLUDED_
#define _PORTAL_L1_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The copy of live sessions that the workers of one nginx share: fixed slots
 * in sets of sixteen, least recently used goes first within a set.  Nothing
 * is kept here that Redis does not have.
 *
 * Miss:    g = portal_l1_reserve(key); GET; portal_l1_store(key, g, ...).
 * Change:  portal_l1_delete(key) also ends the reservation, so that an answer
 *          read before the change is not kept after it.
 *
 * The table does not know whether it may be trusted: each worker asks
 * portal_redis_tracking() before it reads.  Call portal_l1_flush() when the
 * link is made anew (changed: key NULL, healthy 1), not when it is lost: what
 * was known may still serve where PostgreSQL decides.
 *
 * No call waits, allocates or logs in the usual case; all are for workers.
 */

#define PORTAL_L1_KEY       32      /* the session's MAC, uniform bytes */
#define PORTAL_L1_VALUE     256     /* at most */
#define PORTAL_L1_COUNTERS  96

typedef struct portal_l1_s  portal_l1_t;


typedef struct {
    ngx_uint_t                slots;
    ngx_uint_t                used;
    ngx_uint_t                hits;
    ngx_uint_t                misses;
    ngx_uint_t                evictions;    /* of live copies only */
    ngx_uint_t                reserved;     /* for an answer under way */
    ngx_uint_t                flushes;
    ngx_uint_t                resets;       /* a worker died while writing */
} portal_l1_stats_t;


/*
 * At configuration time: adds the zone; the table is ready in the workers.
 * NULL after an error, which is logged.  A reload with the same size and tag
 * keeps the copies and the counters.
 */
portal_l1_t *portal_l1_add(ngx_conf_t *cf, ngx_str_t *name, size_t size,
    void *tag);

/* shm_zone->init, set by portal_l1_add(); shm_zone->data is a portal_l1_t */
ngx_int_t portal_l1_zone_init(ngx_shm_zone_t *zone, void *old_data);

/*
 * Copies the value of a key stored at most max_age milliseconds ago to out,
 * which has room for PORTAL_L1_VALUE bytes.  seen is what portal_l1_touch()
 * last wrote, 0 if never; confirmed, whether portal_l1_confirm() was called at
 * most max_age milliseconds ago.  NGX_OK, or NGX_DECLINED: ask Redis.
 */
ngx_int_t portal_l1_get(portal_l1_t *l1, const u_char *key,
    ngx_msec_t max_age, u_char *out, size_t *len, time_t *seen,
    ngx_uint_t *confirmed);

/* PostgreSQL has just said that the session lives; nothing without a copy */
void portal_l1_confirm(portal_l1_t *l1, const u_char *key);

/*
 * Before a GET: the generation to give back to portal_l1_store(); one for all
 * who miss the same key.  An older copy stays readable (with a larger
 * max_age) until it is replaced.  Keys without a copy never hold more than a
 * quarter of a set: unknown cookies cannot wash the live sessions out.
 */
uint64_t portal_l1_reserve(portal_l1_t *l1, const u_char *key);

/*
 * NGX_OK, or NGX_DECLINED: the reservation is gone (changed, flushed, evicted
 * or stored by another) or the value is too long.  Either way the answer in
 * hand may be used once.
 */
ngx_int_t portal_l1_store(portal_l1_t *l1, const u_char *key,
    uint64_t generation, const u_char *value, size_t len);

/* forgets the copy and the reservation */
void portal_l1_delete(portal_l1_t *l1, const u_char *key);

/* forgets all of them, in no time */
void portal_l1_flush(portal_l1_t *l1);

/*
 * Sets seen and returns what it was: of several workers that find it old,
 * only the first gets the old value and has it to write down.  (time_t) -1
 * when there is no copy.
 */
time_t portal_l1_touch(portal_l1_t *l1, const u_char *key, time_t now);

void portal_l1_stats(portal_l1_t *l1, portal_l1_stats_t *stats);

/* PORTAL_L1_COUNTERS words shared by the workers, for other parts; zero at
   the creation of the zone; only to be changed by ngx_atomic_fetch_add() */
ngx_atomic_t *portal_l1_counters(portal_l1_t *l1);


#endif /* _PORTAL_L1_H_INCLUDED_ */
