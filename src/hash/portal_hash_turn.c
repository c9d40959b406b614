
/*
 * Copyright (C) the portal's authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "portal_hash_turn.h"


#define PORTAL_HASH_LEASE     5000      /* a turn held longer is anyone's */
#define PORTAL_HASH_PATIENCE  100       /* waited longer: others give way */
#define PORTAL_HASH_CLAIM     50        /* a claim not renewed so long ends */
#define PORTAL_HASH_POLL      2000000L  /* ns */


static ngx_atomic_t *portal_hash_try(ngx_atomic_t *shared, ngx_uint_t limit,
    ngx_atomic_uint_t now);
static ngx_uint_t portal_hash_older(ngx_atomic_uint_t now,
    ngx_atomic_uint_t stamp, ngx_atomic_int_t ms);


/*
 * The turns of the node: shared[1] to shared[limit] are 0 or the time at which
 * one was taken.  A worker that dies in its turn gives nothing back: whoever
 * waits takes a turn older than the lease.  Should its holder only be slow,
 * one hash more runs for a while, and the holder, whose stamp is gone, does
 * not give back what is no longer its own.
 *
 * A thread that finishes would always be first to take the turn again, before
 * the threads that sleep in other workers.  So one that waits too long puts
 * the time into shared[0], its claim, again and again; meanwhile the others
 * give way.  A claim whose owner died ends by itself.
 *
 * Returns NULL when the deadline passes or the worker is told to stop.
 */

ngx_atomic_t *
portal_hash_turn(ngx_atomic_t *shared, ngx_uint_t limit,
    ngx_atomic_uint_t deadline, ngx_atomic_uint_t *stamp)
{
    ngx_atomic_t       *claim, *turn;
    struct timespec     ts;
    ngx_atomic_uint_t   now, start, mine, seen;

    claim = &shared[0];

    ts.tv_sec = 0;
    ts.tv_nsec = PORTAL_HASH_POLL;

    start = portal_hash_now();
    mine = 0;

    for ( ;; ) {
        now = portal_hash_now();

        /* on 32 bits the clock begins again from 0 now and then */

        if ((ngx_atomic_int_t) (now - deadline) > 0 || ngx_terminate) {
            turn = NULL;
            break;
        }

        seen = *claim;

        if (seen == 0 || (mine && seen == mine)
            || portal_hash_older(now, seen, PORTAL_HASH_CLAIM))
        {
            turn = portal_hash_try(shared, limit, now);

            if (turn) {
                *stamp = now;
                break;
            }

            if (portal_hash_older(now, start, PORTAL_HASH_PATIENCE)) {
                mine = ngx_atomic_cmp_set(claim, seen, now) ? now : 0;
            }
        }

        (void) nanosleep(&ts, NULL);
    }

    if (mine) {
        (void) ngx_atomic_cmp_set(claim, mine, 0);
    }

    return turn;
}


static ngx_atomic_t *
portal_hash_try(ngx_atomic_t *shared, ngx_uint_t limit, ngx_atomic_uint_t now)
{
    ngx_uint_t          i;
    ngx_atomic_t       *turn;
    ngx_atomic_uint_t   held;

    for (i = 1; i <= limit; i++) {
        turn = &shared[i];
        held = *turn;

        if ((held == 0 || portal_hash_older(now, held, PORTAL_HASH_LEASE))
            && ngx_atomic_cmp_set(turn, held, now))
        {
            return turn;
        }
    }

    return NULL;
}


ngx_uint_t
portal_hash_running(ngx_atomic_t *shared, ngx_uint_t limit)
{
    ngx_uint_t         i, running;
    ngx_atomic_uint_t  held, now;

    running = 0;
    now = portal_hash_now();

    for (i = 1; i <= limit; i++) {
        held = shared[i];

        if (held != 0 && !portal_hash_older(now, held, PORTAL_HASH_LEASE)) {
            running++;
        }
    }

    return running;
}


/* another core may have read a clock slightly ahead of ours */

static ngx_uint_t
portal_hash_older(ngx_atomic_uint_t now, ngx_atomic_uint_t stamp,
    ngx_atomic_int_t ms)
{
    ngx_atomic_int_t  age;

    age = (ngx_atomic_int_t) (now - stamp);

    return age > ms || age < -ms;
}


/* the same for all processes; ngx_current_msec belongs to the event loop */

ngx_atomic_uint_t
portal_hash_now(void)
{
    struct timespec    ts;
    ngx_atomic_uint_t  ms;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    ms = (ngx_atomic_uint_t) ts.tv_sec * 1000
         + (ngx_atomic_uint_t) ts.tv_nsec / 1000000;

    return ms ? ms : 1;
}
