
/*
 * Copyright (C) the portal's authors
 */


#include "portal_l1.h"


#define PORTAL_L1_MAGIC     0x706f7274616c4c31ull
#define PORTAL_L1_LAYOUT    3

#define PORTAL_L1_WAYS      16
#define PORTAL_L1_RESERVED  (PORTAL_L1_WAYS / 4)


typedef struct {
    u_char                    key[PORTAL_L1_KEY];
    uint64_t                  epoch;        /* dead unless the header's */
    uint64_t                  generation;   /* of a GET under way, or 0 */
    uint64_t                  used;         /* the header's clock */
    ngx_msec_t                stored;
    ngx_msec_t                confirmed;    /* when asked is set */
    time_t                    seen;
    uint16_t                  asked;        /* PostgreSQL has confirmed it */
    uint16_t                  live;         /* has a copy */
    uint16_t                  len;
    u_char                    value[PORTAL_L1_VALUE];
} portal_l1_slot_t;


typedef struct {
    uint32_t                  tags[PORTAL_L1_WAYS];
    portal_l1_slot_t          slots[PORTAL_L1_WAYS];
} portal_l1_set_t;


typedef struct {
    uint64_t                  magic;
    uint32_t                  layout;
    uint32_t                  nsets;

    ngx_atomic_t              dirty;        /* a writer is, or died, inside */

    uint64_t                  epoch;
    uint64_t                  generation;
    uint64_t                  clock;

    portal_l1_stats_t         stats;

    /* off the lock's cache lines */
    u_char                    pad[64];
    ngx_atomic_t              counters[PORTAL_L1_COUNTERS];
    u_char                    pad_sets[64];

    portal_l1_set_t           sets[];
} portal_l1_header_t;


struct portal_l1_s {
    portal_l1_header_t       *header;
    ngx_slab_pool_t          *shpool;
    ngx_shm_zone_t           *zone;
};


static void portal_l1_lock(portal_l1_t *l1);
static void portal_l1_unlock(portal_l1_t *l1);
static void portal_l1_write(portal_l1_t *l1);
static portal_l1_set_t *portal_l1_set(portal_l1_header_t *header,
    const u_char *key, uint32_t *tag);
static portal_l1_slot_t *portal_l1_find(portal_l1_header_t *header,
    const u_char *key);
static portal_l1_slot_t *portal_l1_take(portal_l1_header_t *header,
    const u_char *key);
static void portal_l1_forget(portal_l1_header_t *header,
    portal_l1_slot_t *slot);


portal_l1_t *
portal_l1_add(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag)
{
    portal_l1_t     *l1;
    ngx_shm_zone_t  *zone;

    if (size < 8 * ngx_pagesize) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small", name);
        return NULL;
    }

    l1 = ngx_pcalloc(cf->pool, sizeof(portal_l1_t));
    if (l1 == NULL) {
        return NULL;
    }

    zone = ngx_shared_memory_add(cf, name, size, tag);
    if (zone == NULL) {
        return NULL;
    }

    if (zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is already in use", name);
        return NULL;
    }

    l1->zone = zone;

    zone->init = portal_l1_zone_init;
    zone->data = l1;

    return l1;
}


ngx_int_t
portal_l1_zone_init(ngx_shm_zone_t *zone, void *old_data)
{
    portal_l1_t *old = old_data;

    size_t               size;
    portal_l1_t         *l1;
    portal_l1_header_t  *header;

    l1 = zone->data;

    l1->zone = zone;
    l1->shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (old || zone->shm.exists) {
        header = old ? old->header : l1->shpool->data;

        /* the module may have been replaced between two reloads */

        if (header == NULL
            || header->magic != PORTAL_L1_MAGIC
            || header->layout != PORTAL_L1_LAYOUT)
        {
            ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                          "zone \"%V\" was made by another version: "
                          "restart, or give it another size",
                          &zone->shm.name);
            return NGX_ERROR;
        }

        l1->header = header;
        return NGX_OK;
    }

    size = l1->shpool->pfree * ngx_pagesize;

    header = NULL;

    if (size >= sizeof(portal_l1_header_t) + sizeof(portal_l1_set_t)) {
        header = ngx_slab_calloc(l1->shpool, size);
    }

    if (header == NULL) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "zone \"%V\" is too small", &zone->shm.name);
        return NGX_ERROR;
    }

    header->layout = PORTAL_L1_LAYOUT;
    header->nsets = (uint32_t) ((size - sizeof(portal_l1_header_t))
                                / sizeof(portal_l1_set_t));
    header->epoch = 1;
    header->stats.slots = (ngx_uint_t) header->nsets * PORTAL_L1_WAYS;
    header->magic = PORTAL_L1_MAGIC;

    l1->header = header;
    l1->shpool->data = header;

    return NGX_OK;
}


ngx_int_t
portal_l1_get(portal_l1_t *l1, const u_char *key, ngx_msec_t max_age,
    u_char *out, size_t *len, time_t *seen, ngx_uint_t *confirmed)
{
    ngx_int_t            rc;
    ngx_msec_int_t       age;
    portal_l1_slot_t    *slot;
    portal_l1_header_t  *header;

    header = l1->header;
    rc = NGX_DECLINED;

    portal_l1_lock(l1);

    slot = portal_l1_find(header, key);

    if (slot && slot->live) {

        /* below zero: another worker's time is ahead of this one's */
        age = (ngx_msec_int_t) (ngx_current_msec - slot->stored);

        if (age < 0 || (ngx_msec_t) age <= max_age) {
            slot->used = ++header->clock;

            ngx_memcpy(out, slot->value, slot->len);
            *len = slot->len;
            *seen = slot->seen;

            age = (ngx_msec_int_t) (ngx_current_msec - slot->confirmed);
            *confirmed = slot->asked
                         && (age < 0 || (ngx_msec_t) age <= max_age);

            rc = NGX_OK;
        }
    }

    if (rc == NGX_OK) {
        header->stats.hits++;

    } else {
        header->stats.misses++;
    }

    portal_l1_unlock(l1);

    return rc;
}


uint64_t
portal_l1_reserve(portal_l1_t *l1, const u_char *key)
{
    uint64_t             generation;
    portal_l1_slot_t    *slot;
    portal_l1_header_t  *header;

    header = l1->header;

    portal_l1_lock(l1);
    portal_l1_write(l1);

    slot = portal_l1_find(header, key);

    if (slot == NULL) {
        slot = portal_l1_take(header, key);
    }

    if (slot->generation == 0) {
        slot->generation = ++header->generation;
        header->stats.reserved++;
    }

    generation = slot->generation;

    portal_l1_unlock(l1);

    return generation;
}


ngx_int_t
portal_l1_store(portal_l1_t *l1, const u_char *key, uint64_t generation,
    const u_char *value, size_t len)
{
    ngx_int_t            rc;
    portal_l1_slot_t    *slot;
    portal_l1_header_t  *header;

    if (len > PORTAL_L1_VALUE || generation == 0) {
        return NGX_DECLINED;
    }

    header = l1->header;
    rc = NGX_DECLINED;

    portal_l1_lock(l1);
    portal_l1_write(l1);

    slot = portal_l1_find(header, key);

    if (slot && slot->generation == generation) {
        ngx_memcpy(slot->value, value, len);

        slot->len = (uint16_t) len;
        slot->stored = ngx_current_msec;
        slot->used = ++header->clock;
        slot->generation = 0;

        if (!slot->live) {
            slot->live = 1;
            header->stats.used++;
        }

        rc = NGX_OK;
    }

    portal_l1_unlock(l1);

    return rc;
}


void
portal_l1_confirm(portal_l1_t *l1, const u_char *key)
{
    portal_l1_slot_t  *slot;

    portal_l1_lock(l1);

    slot = portal_l1_find(l1->header, key);

    if (slot && slot->live) {
        slot->confirmed = ngx_current_msec;
        slot->asked = 1;
    }

    portal_l1_unlock(l1);
}


void
portal_l1_delete(portal_l1_t *l1, const u_char *key)
{
    portal_l1_slot_t  *slot;

    portal_l1_lock(l1);

    slot = portal_l1_find(l1->header, key);

    if (slot) {
        portal_l1_write(l1);
        portal_l1_forget(l1->header, slot);
    }

    portal_l1_unlock(l1);
}


void
portal_l1_flush(portal_l1_t *l1)
{
    portal_l1_lock(l1);
    portal_l1_write(l1);

    l1->header->epoch++;
    l1->header->stats.used = 0;
    l1->header->stats.flushes++;

    portal_l1_unlock(l1);
}


time_t
portal_l1_touch(portal_l1_t *l1, const u_char *key, time_t now)
{
    time_t             seen;
    portal_l1_slot_t  *slot;

    seen = (time_t) -1;

    portal_l1_lock(l1);

    slot = portal_l1_find(l1->header, key);

    if (slot && slot->live) {
        seen = slot->seen;
        slot->seen = now;
    }

    portal_l1_unlock(l1);

    return seen;
}


void
portal_l1_stats(portal_l1_t *l1, portal_l1_stats_t *stats)
{
    portal_l1_lock(l1);

    *stats = l1->header->stats;

    portal_l1_unlock(l1);
}


ngx_atomic_t *
portal_l1_counters(portal_l1_t *l1)
{
    return l1->header->counters;
}


/*
 * The mutex of a worker that was killed is released by the master; what the
 * worker left half written is found by the flag.  There are no links between
 * slots, so a new epoch makes the table whole again.
 */

static void
portal_l1_lock(portal_l1_t *l1)
{
    portal_l1_header_t  *header;

    ngx_shmtx_lock(&l1->shpool->mutex);

    header = l1->header;

    if (header->dirty) {
        header->epoch++;
        header->stats.used = 0;
        header->stats.resets++;
        header->dirty = 0;

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "zone \"%V\" emptied: a worker died while writing",
                      &l1->zone->shm.name);
    }
}


static void
portal_l1_unlock(portal_l1_t *l1)
{
    ngx_memory_barrier();
    l1->header->dirty = 0;
    ngx_memory_barrier();

    ngx_shmtx_unlock(&l1->shpool->mutex);
}


static void
portal_l1_write(portal_l1_t *l1)
{
    l1->header->dirty = 1;
    ngx_memory_barrier();
}


static portal_l1_set_t *
portal_l1_set(portal_l1_header_t *header, const u_char *key, uint32_t *tag)
{
    uint32_t  hash;

    ngx_memcpy(&hash, key, sizeof(uint32_t));
    ngx_memcpy(tag, key + sizeof(uint32_t), sizeof(uint32_t));

    return &header->sets[((uint64_t) hash * header->nsets) >> 32];
}


static portal_l1_slot_t *
portal_l1_find(portal_l1_header_t *header, const u_char *key)
{
    uint32_t           tag;
    ngx_uint_t         i;
    portal_l1_set_t   *set;
    portal_l1_slot_t  *slot;

    set = portal_l1_set(header, key, &tag);

    for (i = 0; i < PORTAL_L1_WAYS; i++) {

        if (set->tags[i] != tag) {
            continue;
        }

        slot = &set->slots[i];

        if (slot->epoch == header->epoch
            && ngx_memcmp(slot->key, key, PORTAL_L1_KEY) == 0)
        {
            return slot;
        }
    }

    return NULL;
}


/* finds a slot for a key that has none: free, else the longest unused */

static portal_l1_slot_t *
portal_l1_take(portal_l1_header_t *header, const u_char *key)
{
    uint32_t           tag;
    ngx_uint_t         i, nreserved;
    portal_l1_set_t   *set;
    portal_l1_slot_t  *slot, *vacant, *reserved, *live;

    set = portal_l1_set(header, key, &tag);

    vacant = NULL;
    reserved = NULL;
    live = NULL;
    nreserved = 0;

    for (i = 0; i < PORTAL_L1_WAYS; i++) {
        slot = &set->slots[i];

        if (slot->epoch != header->epoch) {
            vacant = slot;

        } else if (slot->live) {
            if (live == NULL || slot->used < live->used) {
                live = slot;
            }

        } else {
            nreserved++;

            if (reserved == NULL || slot->used < reserved->used) {
                reserved = slot;
            }
        }
    }

    if (nreserved >= PORTAL_L1_RESERVED) {
        slot = reserved;

    } else if (vacant) {
        slot = vacant;

    } else {
        slot = live;
        header->stats.evictions++;
    }

    if (slot->epoch == header->epoch) {
        portal_l1_forget(header, slot);
    }

    set->tags[slot - set->slots] = tag;

    ngx_memcpy(slot->key, key, PORTAL_L1_KEY);
    slot->epoch = header->epoch;
    slot->generation = 0;
    slot->used = ++header->clock;
    slot->seen = 0;
    slot->asked = 0;
    slot->live = 0;

    return slot;
}


static void
portal_l1_forget(portal_l1_header_t *header, portal_l1_slot_t *slot)
{
    if (slot->live) {
        header->stats.used--;
    }

    /* the header's epoch starts at 1 */
    slot->epoch = 0;
    slot->generation = 0;
    slot->asked = 0;
    slot->live = 0;

    ngx_explicit_memzero(slot->value, PORTAL_L1_VALUE);
}
