
/*
 * Copyright (C) the portal's authors
 */


#include "portal_count.h"


#define PORTAL_COUNT_MAGIC    (0x706f7274616c0000ull + sizeof(portal_count_t))

/* of all generations that are there during a reload */
#define PORTAL_COUNT_PLACES   256


typedef struct {
    ngx_atomic_t      pid;              /* 0: free */
    ngx_atomic_t      gauges[PORTAL_GAUGES];
} portal_count_place_t;


typedef struct {
    uint64_t              magic;
    ngx_atomic_t          counts[PORTAL_COUNTS];
    u_char                slugs[PORTAL_COUNT_TOWNS][PORTAL_COUNT_SLUG];
    portal_count_place_t  places[PORTAL_COUNT_PLACES];
} portal_count_t;


static ngx_int_t portal_count_init(ngx_shm_zone_t *zone, void *old_data);
static portal_count_place_t *portal_count_claim(portal_count_t *c);
static ngx_uint_t portal_count_alive(ngx_atomic_uint_t pid);


static ngx_atomic_t  portal_count_nowhere[PORTAL_COUNTS];
static ngx_atomic_t  portal_gauge_nowhere[PORTAL_GAUGES];

ngx_atomic_t  *portal_counts = portal_count_nowhere;
ngx_atomic_t  *portal_gauges = portal_gauge_nowhere;

static portal_count_t        *portal_count_shared;
static portal_count_place_t  *portal_count_own;
static ngx_slab_pool_t       *portal_count_pool;

static const ngx_uint_t  portal_count_limits[PORTAL_COUNT_LIMITS] = {
    500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
    1000000, 3000000
};


ngx_shm_zone_t *
portal_count_zone(ngx_conf_t *cf, void *tag)
{
    size_t           size;
    ngx_str_t        name = ngx_string("portal_counts");
    ngx_shm_zone_t  *zone;

    /* beside nginx's own pages at the start, for its allocator */

    size = ngx_align(sizeof(portal_count_t), ngx_pagesize)
           + 8 * ngx_pagesize;

    zone = ngx_shared_memory_add(cf, &name, size, tag);
    if (zone == NULL) {
        return NULL;
    }

    zone->init = portal_count_init;

    return zone;
}


static ngx_int_t
portal_count_init(ngx_shm_zone_t *zone, void *old_data)
{
    ngx_slab_pool_t  *pool;
    portal_count_t   *c;

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (old_data != NULL || zone->shm.exists) {
        c = old_data ? old_data : pool->data;

        if (c != NULL && c->magic == PORTAL_COUNT_MAGIC) {
            zone->data = c;
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "zone \"%V\" was made by another version: restart",
                      &zone->shm.name);
        return NGX_ERROR;
    }

    c = ngx_slab_calloc(pool, sizeof(portal_count_t));
    if (c == NULL) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "zone \"%V\" is too small", &zone->shm.name);
        return NGX_ERROR;
    }

    c->magic = PORTAL_COUNT_MAGIC;
    c->counts[PORTAL_COUNT_STARTED] = (ngx_atomic_uint_t) ngx_time();

    pool->data = c;
    zone->data = c;

    return NGX_OK;
}


void
portal_count_attach(ngx_shm_zone_t *zone)
{
    portal_count_shared = zone->data;
    portal_count_pool = (ngx_slab_pool_t *) zone->shm.addr;

    portal_counts = portal_count_shared->counts;
    portal_count_own = portal_count_claim(portal_count_shared);

    if (portal_count_own != NULL) {
        portal_gauges = portal_count_own->gauges;
    }

    portal_count(PORTAL_COUNT_WORKERS);
}


/* the place of one that was killed is anyone's */

static portal_count_place_t *
portal_count_claim(portal_count_t *c)
{
    ngx_uint_t             i;
    ngx_atomic_uint_t      pid, own;
    portal_count_place_t  *place;

    own = (ngx_atomic_uint_t) ngx_pid;

    for (i = 0; i < PORTAL_COUNT_PLACES; i++) {
        place = &c->places[i];
        pid = place->pid;

        if ((pid == 0 || pid == own || !portal_count_alive(pid))
            && ngx_atomic_cmp_set(&place->pid, pid, own))
        {
            ngx_memzero((void *) place->gauges, sizeof(place->gauges));
            return place;
        }
    }

    return NULL;
}


void
portal_count_detach(void)
{
    if (portal_count_own != NULL) {
        portal_gauges = portal_gauge_nowhere;
        portal_count_own->pid = 0;
        portal_count_own = NULL;
    }
}


static ngx_uint_t
portal_count_alive(ngx_atomic_uint_t pid)
{
    return kill((ngx_pid_t) pid, 0) == 0;
}


void
portal_count_time(ngx_uint_t n, uint64_t us)
{
    ngx_uint_t  i;

    for (i = 0; i < PORTAL_COUNT_LIMITS; i++) {
        if (us <= portal_count_limits[i]) {
            break;
        }
    }

    portal_count(n + i);
    portal_count_add(n + PORTAL_COUNT_LIMITS + 1, us);
}


ngx_uint_t
portal_count_town(ngx_str_t *slug)
{
    u_char      *name;
    ngx_uint_t   i;

    if (portal_count_shared == NULL || slug->len >= PORTAL_COUNT_SLUG) {
        return PORTAL_COUNT_TOWNS - 1;
    }

    ngx_shmtx_lock(&portal_count_pool->mutex);

    for (i = 0; i < PORTAL_COUNT_TOWNS - 1; i++) {
        name = portal_count_shared->slugs[i];

        if (name[0] == '\0') {
            ngx_memcpy(name, slug->data, slug->len);
            break;
        }

        if (ngx_strncmp(name, slug->data, slug->len) == 0
            && name[slug->len] == '\0')
        {
            break;
        }
    }

    ngx_shmtx_unlock(&portal_count_pool->mutex);

    return i;
}


const u_char *
portal_count_slug(ngx_uint_t town)
{
    static const u_char  other[] = "";

    if (portal_count_shared == NULL) {
        return NULL;
    }

    if (town == PORTAL_COUNT_TOWNS - 1) {
        return other;
    }

    return portal_count_shared->slugs[town][0] != '\0'
           ? portal_count_shared->slugs[town] : NULL;
}


void
portal_count_sum(ngx_atomic_uint_t *sums)
{
    ngx_uint_t             i, n;
    ngx_atomic_uint_t      pid;
    portal_count_place_t  *place;

    ngx_memzero(sums, PORTAL_GAUGES * sizeof(ngx_atomic_uint_t));

    if (portal_count_shared == NULL) {
        return;
    }

    for (i = 0; i < PORTAL_COUNT_PLACES; i++) {
        place = &portal_count_shared->places[i];
        pid = place->pid;

        if (pid == 0) {
            continue;
        }

        if (!portal_count_alive(pid)) {
            (void) ngx_atomic_cmp_set(&place->pid, pid, 0);
            continue;
        }

        for (n = 0; n < PORTAL_GAUGES; n++) {
            sums[n] += place->gauges[n];
        }
    }
}
