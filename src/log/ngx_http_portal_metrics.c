
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * The node's counters in Prometheus' text format 0.0.4, whichever worker is
 * asked; no server is.  A worker writes its gauges down every second, and the
 * one that answers at once.
 */

#define NGX_HTTP_PORTAL_GAUGE_EVERY  1000
#define NGX_HTTP_PORTAL_PIECE        16384
#define NGX_HTTP_PORTAL_LINE         512        /* at most */


typedef enum {
    NGX_HTTP_PORTAL_COUNT = 0,
    NGX_HTTP_PORTAL_SECONDS,            /* of a count of microseconds */
    NGX_HTTP_PORTAL_GAUGE,
    NGX_HTTP_PORTAL_OUTBOX,             /* when it is known */
} ngx_http_portal_source_e;


typedef struct {
    const char                *name;    /* NULL: the one before */
    const char                *type;
    const char                *help;
    const char                *labels;  /* or what the name goes on with */
    ngx_http_portal_source_e   source;
    ngx_uint_t                 n;
} ngx_http_portal_metric_t;


typedef struct {
    ngx_pool_t                *pool;
    ngx_chain_t               *first;
    ngx_chain_t              **last;
    ngx_buf_t                 *buf;
    off_t                      len;
    ngx_uint_t                 failed;
    ngx_atomic_uint_t          gauges[PORTAL_GAUGES];
} ngx_http_portal_metrics_t;


static void ngx_http_portal_gauges_event(ngx_event_t *ev);
static void ngx_http_portal_gauges_pg(portal_pg_t *pg, ngx_uint_t n);

static void ngx_http_portal_metrics_info(ngx_http_portal_metrics_t *m);
static void ngx_http_portal_metrics_requests(ngx_http_portal_metrics_t *m);
static void ngx_http_portal_metrics_town(ngx_http_portal_metrics_t *m,
    ngx_uint_t town);
static void ngx_http_portal_metrics_time(ngx_http_portal_metrics_t *m,
    ngx_uint_t n, const char *name, const char *help);
static void ngx_http_portal_metrics_sessions(ngx_http_portal_metrics_t *m);
static void ngx_http_portal_metrics_hashes(ngx_http_portal_metrics_t *m);
static void ngx_http_portal_metrics_table(ngx_http_portal_metrics_t *m);
static void ngx_http_portal_metrics_family(ngx_http_portal_metrics_t *m,
    const char *name, const char *type, const char *help);
static void ngx_http_portal_metrics_number(ngx_http_portal_metrics_t *m,
    const char *name, const char *type, const char *help, ngx_uint_t value);
static void ngx_http_portal_metrics_say(ngx_http_portal_metrics_t *m,
    const char *fmt, ...);


static ngx_event_t  ngx_http_portal_gauges_timer;

/* portal_count_limits, as Prometheus itself writes them */

static const char  *ngx_http_portal_limits[PORTAL_COUNT_LIMITS] = {
    "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1",
    "0.25", "0.5", "1", "3"
};

static const char  *ngx_http_portal_classes[PORTAL_COUNT_CLASSES] = {
    "2xx", "3xx", "4xx", "5xx", "other"
};


#define PM_CALL(pool, status)                                                 \
    (PORTAL_COUNT_CALL + (pool) * PORTAL_COUNT_STATUSES + (status))
#define PM_POOL(pool, gauge)  ((gauge) + 4 * (pool))

static ngx_http_portal_metric_t  ngx_http_portal_metric_table[] = {

    { "portal_workers", "gauge", "Worker processes.",
      "{state=\"running\"}", NGX_HTTP_PORTAL_GAUGE, PORTAL_GAUGE_RUNNING },
    { NULL, NULL, NULL,
      "{state=\"exiting\"}", NGX_HTTP_PORTAL_GAUGE, PORTAL_GAUGE_EXITING },

    { "portal_worker_starts_total", "counter",
      "Workers started, by a reload or after one died.",
      "", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_WORKERS },

    { "portal_worker_connections", "gauge",
      "Connections of the workers, to clients and servers.",
      "{state=\"used\"}", NGX_HTTP_PORTAL_GAUGE,
      PORTAL_GAUGE_CONNECTIONS },
    { NULL, NULL, NULL,
      "{state=\"free\"}", NGX_HTTP_PORTAL_GAUGE,
      PORTAL_GAUGE_CONNECTIONS_FREE },

    { "portal_passwords_total", "counter",
      "Passwords to be verified, of log-ins nearly always, by their end.",
      "{verdict=\"right\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_PASSWORD_RIGHT },
    { NULL, NULL, NULL,
      "{verdict=\"wrong\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_PASSWORD_WRONG },
    { NULL, NULL, NULL,
      "{verdict=\"limited\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_PASSWORD_LIMITED },
    { NULL, NULL, NULL,
      "{verdict=\"untried\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_PASSWORD_UNTRIED },

    { "portal_database_connections", "gauge", "Connections to PostgreSQL.",
      "{pool=\"pages\",state=\"idle\"}", NGX_HTTP_PORTAL_GAUGE,
      PM_POOL(0, PORTAL_GAUGE_PG_IDLE) },
    { NULL, NULL, NULL,
      "{pool=\"pages\",state=\"busy\"}", NGX_HTTP_PORTAL_GAUGE,
      PM_POOL(0, PORTAL_GAUGE_PG_BUSY) },
    { NULL, NULL, NULL,
      "{pool=\"pages\",state=\"connecting\"}", NGX_HTTP_PORTAL_GAUGE,
      PM_POOL(0, PORTAL_GAUGE_PG_CONNECTING) },
    { NULL, NULL, NULL,
      "{pool=\"jobs\",state=\"idle\"}", NGX_HTTP_PORTAL_GAUGE,
      PM_POOL(1, PORTAL_GAUGE_PG_IDLE) },
    { NULL, NULL, NULL,
      "{pool=\"jobs\",state=\"busy\"}", NGX_HTTP_PORTAL_GAUGE,
      PM_POOL(1, PORTAL_GAUGE_PG_BUSY) },
    { NULL, NULL, NULL,
      "{pool=\"jobs\",state=\"connecting\"}", NGX_HTTP_PORTAL_GAUGE,
      PM_POOL(1, PORTAL_GAUGE_PG_CONNECTING) },

    { "portal_database_queue", "gauge", "Calls that wait for a connection.",
      "{pool=\"pages\"}", NGX_HTTP_PORTAL_GAUGE,
      PM_POOL(0, PORTAL_GAUGE_PG_WAITING) },
    { NULL, NULL, NULL,
      "{pool=\"jobs\"}", NGX_HTTP_PORTAL_GAUGE,
      PM_POOL(1, PORTAL_GAUGE_PG_WAITING) },

    { "portal_database_wait_seconds", "summary",
      "Time that calls of pages waited for a connection.",
      "_sum", NGX_HTTP_PORTAL_SECONDS, PORTAL_COUNT_WAIT_TIME },
    { NULL, NULL, NULL,
      "_count", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_WAITED },

    { "portal_database_shared_total", "counter",
      "Calls of pages that were sent behind another.",
      "", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_SHARED },

    { "portal_database_calls_total", "counter",
      "Calls of PostgreSQL by their end.",
      "{pool=\"pages\",outcome=\"ok\"}", NGX_HTTP_PORTAL_COUNT,
      PM_CALL(0, PORTAL_OP_OK) },
    { NULL, NULL, NULL,
      "{pool=\"pages\",outcome=\"refused\"}", NGX_HTTP_PORTAL_COUNT,
      PM_CALL(0, PORTAL_OP_REFUSED) },
    { NULL, NULL, NULL,
      "{pool=\"pages\",outcome=\"busy\"}", NGX_HTTP_PORTAL_COUNT,
      PM_CALL(0, PORTAL_OP_BUSY) },
    { NULL, NULL, NULL,
      "{pool=\"pages\",outcome=\"down\"}", NGX_HTTP_PORTAL_COUNT,
      PM_CALL(0, PORTAL_OP_DOWN) },
    { NULL, NULL, NULL,
      "{pool=\"pages\",outcome=\"lost\"}", NGX_HTTP_PORTAL_COUNT,
      PM_CALL(0, PORTAL_OP_LOST) },
    { NULL, NULL, NULL,
      "{pool=\"jobs\",outcome=\"ok\"}", NGX_HTTP_PORTAL_COUNT,
      PM_CALL(1, PORTAL_OP_OK) },
    { NULL, NULL, NULL,
      "{pool=\"jobs\",outcome=\"refused\"}", NGX_HTTP_PORTAL_COUNT,
      PM_CALL(1, PORTAL_OP_REFUSED) },
    { NULL, NULL, NULL,
      "{pool=\"jobs\",outcome=\"busy\"}", NGX_HTTP_PORTAL_COUNT,
      PM_CALL(1, PORTAL_OP_BUSY) },
    { NULL, NULL, NULL,
      "{pool=\"jobs\",outcome=\"down\"}", NGX_HTTP_PORTAL_COUNT,
      PM_CALL(1, PORTAL_OP_DOWN) },
    { NULL, NULL, NULL,
      "{pool=\"jobs\",outcome=\"lost\"}", NGX_HTTP_PORTAL_COUNT,
      PM_CALL(1, PORTAL_OP_LOST) },

    { "portal_database_connects_total", "counter",
      "Connections to PostgreSQL made.",
      "{pool=\"pages\"}", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_CONNECT },
    { NULL, NULL, NULL,
      "{pool=\"jobs\"}", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_CONNECT + 1 },

    { "portal_database_connect_failures_total", "counter",
      "Attempts to connect to a host of PostgreSQL that failed.",
      "{pool=\"pages\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_CONNECT_FAILED },
    { NULL, NULL, NULL,
      "{pool=\"jobs\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_CONNECT_FAILED + 1 },

    { "portal_database_refusing", "gauge",
      "Workers that make no call: another key file, no schema, or not asked.",
      "", NGX_HTTP_PORTAL_GAUGE, PORTAL_GAUGE_REFUSING },

    { "portal_redis_links_up", "gauge",
      "Workers whose link to Redis works, to compare with portal_workers.",
      "{link=\"command\"}", NGX_HTTP_PORTAL_GAUGE,
      PORTAL_GAUGE_REDIS_COMMAND },
    { NULL, NULL, NULL,
      "{link=\"tracking\"}", NGX_HTTP_PORTAL_GAUGE,
      PORTAL_GAUGE_REDIS_WATCH },

    { "portal_redis_links_lost_total", "counter",
      "Links to Redis that worked and were lost.",
      "{link=\"command\"}", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_REDIS_LOST },
    { NULL, NULL, NULL,
      "{link=\"tracking\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_REDIS_LOST + 1 },

    { "portal_redis_pending", "gauge", "Commands that wait for an answer.",
      "", NGX_HTTP_PORTAL_GAUGE, PORTAL_GAUGE_REDIS_PENDING },

    { "portal_redis_commands_total", "counter",
      "Commands for Redis by their end.",
      "{outcome=\"ok\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_REDIS + PORTAL_OP_OK },
    { NULL, NULL, NULL,
      "{outcome=\"refused\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_REDIS + PORTAL_OP_REFUSED },
    { NULL, NULL, NULL,
      "{outcome=\"busy\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_REDIS + PORTAL_OP_BUSY },
    { NULL, NULL, NULL,
      "{outcome=\"down\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_REDIS + PORTAL_OP_DOWN },
    { NULL, NULL, NULL,
      "{outcome=\"lost\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_REDIS + PORTAL_OP_LOST },

    { "portal_redis_changes_total", "counter",
      "Changed sessions that workers were told of.",
      "", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_REDIS_CHANGE },

    { "portal_hash_seconds", "summary",
      "Time from a password to its hash or the verdict on it.",
      "_sum", NGX_HTTP_PORTAL_SECONDS, PORTAL_COUNT_HASH_TIME },
    { NULL, NULL, NULL,
      "_count", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_HASH },

    { "portal_hash_refused_total", "counter",
      "Passwords that had no turn.",
      "", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_HASH_REFUSED },

    { "portal_photos_total", "counter",
      "Photos to be made small, by their end.",
      "{outcome=\"ok\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_PHOTO + PORTAL_OP_OK },
    { NULL, NULL, NULL,
      "{outcome=\"refused\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_PHOTO + PORTAL_OP_REFUSED },
    { NULL, NULL, NULL,
      "{outcome=\"busy\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_PHOTO + PORTAL_OP_BUSY },
    { NULL, NULL, NULL,
      "{outcome=\"down\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_PHOTO + PORTAL_OP_DOWN },
    { NULL, NULL, NULL,
      "{outcome=\"lost\"}", NGX_HTTP_PORTAL_COUNT,
      PORTAL_COUNT_PHOTO + PORTAL_OP_LOST },

    { "portal_photo_seconds_total", "counter",
      "Time of all of them, with the wait.",
      "", NGX_HTTP_PORTAL_SECONDS, PORTAL_COUNT_PHOTO_TIME },

    { "portal_photo_running", "gauge", "Photos being made small.",
      "", NGX_HTTP_PORTAL_GAUGE, PORTAL_GAUGE_PHOTO_RUNNING },

    { "portal_photo_waiting", "gauge", "Photos that wait for it.",
      "", NGX_HTTP_PORTAL_GAUGE, PORTAL_GAUGE_PHOTO_WAITING },

    { "portal_policy_reports_total", "counter",
      "What browsers have refused by the pages' policy.",
      "", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_REPORT },

    { "portal_unreadable_values_total", "counter",
      "Sealed values that did not open.",
      "", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_UNREADABLE },

    { "portal_render_seconds", "summary", "Time to render a template.",
      "_sum", NGX_HTTP_PORTAL_SECONDS, PORTAL_COUNT_RENDER_TIME },
    { NULL, NULL, NULL,
      "_count", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_RENDER },

    { "portal_mail_deliveries_total", "counter",
      "Mails of this node by what the mail server made of them.",
      "{outcome=\"sent\"}", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_MAIL },
    { NULL, NULL, NULL,
      "{outcome=\"retry\"}", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_MAIL + 1 },
    { NULL, NULL, NULL,
      "{outcome=\"down\"}", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_MAIL + 2 },
    { NULL, NULL, NULL,
      "{outcome=\"held\"}", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_MAIL + 3 },
    { NULL, NULL, NULL,
      "{outcome=\"failed\"}", NGX_HTTP_PORTAL_COUNT, PORTAL_COUNT_MAIL + 4 },

    { "portal_outbox_mails", "gauge",
      "Mails of all nodes in the database, by state.",
      "{state=\"queued\"}", NGX_HTTP_PORTAL_OUTBOX,
      PORTAL_COUNT_OUTBOX_QUEUED },
    { NULL, NULL, NULL,
      "{state=\"sending\"}", NGX_HTTP_PORTAL_OUTBOX,
      PORTAL_COUNT_OUTBOX_SENDING },
    { NULL, NULL, NULL,
      "{state=\"sent\"}", NGX_HTTP_PORTAL_OUTBOX,
      PORTAL_COUNT_OUTBOX_SENT },
    { NULL, NULL, NULL,
      "{state=\"failed\"}", NGX_HTTP_PORTAL_OUTBOX,
      PORTAL_COUNT_OUTBOX_FAILED },
    { NULL, NULL, NULL,
      "{state=\"expired\"}", NGX_HTTP_PORTAL_OUTBOX,
      PORTAL_COUNT_OUTBOX_EXPIRED },

    { "portal_outbox_oldest_seconds", "gauge",
      "Age of the oldest mail that waits.",
      "", NGX_HTTP_PORTAL_OUTBOX, PORTAL_COUNT_OUTBOX_OLDEST },

    { "portal_outbox_read_timestamp_seconds", "gauge",
      "When the outbox was last read.",
      "", NGX_HTTP_PORTAL_OUTBOX, PORTAL_COUNT_OUTBOX_READ },

    { "portal_audit_unchained", "gauge",
      "Rows of the audit that are not chained yet.",
      "", NGX_HTTP_PORTAL_OUTBOX, PORTAL_COUNT_AUDIT_UNCHAINED },

    { "portal_webhooks", "gauge",
      "Addresses of all towns that are told what there is to read, by state.",
      "{state=\"active\"}", NGX_HTTP_PORTAL_OUTBOX,
      PORTAL_COUNT_HOOK_ACTIVE },
    { NULL, NULL, NULL,
      "{state=\"late\"}", NGX_HTTP_PORTAL_OUTBOX, PORTAL_COUNT_HOOK_LATE },
    { NULL, NULL, NULL,
      "{state=\"stopped\"}", NGX_HTTP_PORTAL_OUTBOX,
      PORTAL_COUNT_HOOK_STOPPED },
    { NULL, NULL, NULL,
      "{state=\"failing\"}", NGX_HTTP_PORTAL_OUTBOX,
      PORTAL_COUNT_HOOK_FAILING },
    { NULL, NULL, NULL,
      "{state=\"gone\"}", NGX_HTTP_PORTAL_OUTBOX, PORTAL_COUNT_HOOK_GONE },

    { "portal_webhook_messages", "gauge",
      "Messages that wait to be received, but of stopped webhooks.",
      "", NGX_HTTP_PORTAL_OUTBOX, PORTAL_COUNT_HOOK_WAITING },

    { "portal_webhook_oldest_seconds", "gauge",
      "Age of the oldest of them.",
      "", NGX_HTTP_PORTAL_OUTBOX, PORTAL_COUNT_HOOK_OLDEST },

    { NULL, NULL, NULL, NULL, NGX_HTTP_PORTAL_COUNT, 0 }
};


void
ngx_http_portal_gauges_init(ngx_cycle_t *cycle)
{
    portal_op_event(&ngx_http_portal_gauges_timer,
                    ngx_http_portal_gauges_event, cycle->log);
    ngx_http_portal_gauges_timer.cancelable = 1;

    ngx_http_portal_gauges_event(&ngx_http_portal_gauges_timer);
}


void
ngx_http_portal_gauges_exit(void)
{
    if (ngx_http_portal_gauges_timer.timer_set) {
        ngx_del_timer(&ngx_http_portal_gauges_timer);
    }

    portal_count_detach();
}


/* goes on while the worker shuts down: its connections are still there */

static void
ngx_http_portal_gauges_event(ngx_event_t *ev)
{
    ngx_http_portal_gauges_set();

    ngx_add_timer(ev, NGX_HTTP_PORTAL_GAUGE_EVERY);
}


void
ngx_http_portal_gauges_set(void)
{
    ngx_uint_t     pending, running;
    ngx_atomic_t  *g;

    g = portal_gauges;

    g[PORTAL_GAUGE_RUNNING] = ngx_exiting ? 0 : 1;
    g[PORTAL_GAUGE_EXITING] = ngx_exiting ? 1 : 0;
    g[PORTAL_GAUGE_CONNECTIONS] = ngx_cycle->connection_n
                                  - ngx_cycle->free_connection_n;
    g[PORTAL_GAUGE_CONNECTIONS_FREE] = ngx_cycle->free_connection_n;

    ngx_http_portal_gauges_pg(ngx_http_portal.pg,
                              PM_POOL(0, PORTAL_GAUGE_PG_IDLE));
    ngx_http_portal_gauges_pg(ngx_http_portal.jobs,
                              PM_POOL(1, PORTAL_GAUGE_PG_IDLE));
    g[PORTAL_GAUGE_REFUSING] = ngx_http_portal.refusing;

    g[PORTAL_GAUGE_REDIS_COMMAND] =
                                 portal_redis_healthy(ngx_http_portal.redis);
    g[PORTAL_GAUGE_REDIS_WATCH] =
                                portal_redis_tracking(ngx_http_portal.redis);
    g[PORTAL_GAUGE_REDIS_PENDING] =
                                 portal_redis_pending(ngx_http_portal.redis);

    (void) portal_hash_stats(ngx_http_portal.hash, &pending);
    g[PORTAL_GAUGE_HASH_WAITING] = pending;

    if (ngx_http_portal.photo) {
        portal_photo_stats(ngx_http_portal.photo, &running, &pending);
        g[PORTAL_GAUGE_PHOTO_RUNNING] = running;
        g[PORTAL_GAUGE_PHOTO_WAITING] = pending;
    }
}


static void
ngx_http_portal_gauges_pg(portal_pg_t *pg, ngx_uint_t n)
{
    portal_pg_stats_t  stats;

    if (pg == NULL) {
        return;
    }

    portal_pg_stats(pg, &stats);

    portal_gauges[n + PORTAL_GAUGE_PG_IDLE] = stats.open - stats.busy;
    portal_gauges[n + PORTAL_GAUGE_PG_BUSY] = stats.busy;
    portal_gauges[n + PORTAL_GAUGE_PG_CONNECTING] = stats.connecting;
    portal_gauges[n + PORTAL_GAUGE_PG_WAITING] = stats.waiting;
}


ngx_int_t
ngx_http_portal_metrics_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_str_t                   type = ngx_string("text/plain; version=0.0.4; "
                                                  "charset=utf-8");
    ngx_http_portal_metrics_t  *m;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_portal.pg == NULL) {

        /* loaded and not used */

        return NGX_HTTP_NOT_FOUND;
    }

    m = ngx_pcalloc(r->pool, sizeof(ngx_http_portal_metrics_t));
    if (m == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    m->pool = r->pool;
    m->last = &m->first;

    ngx_http_portal_gauges_set();
    portal_count_sum(m->gauges);

    ngx_http_portal_metrics_info(m);
    ngx_http_portal_metrics_requests(m);
    ngx_http_portal_metrics_sessions(m);
    ngx_http_portal_metrics_hashes(m);
    ngx_http_portal_metrics_table(m);

    if (m->failed || m->buf == NULL
        || ngx_http_portal_add_header(r, "Cache-Control", "no-store", 8)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    m->buf->last_buf = (r == r->main) ? 1 : 0;
    m->buf->last_in_chain = 1;

    return ngx_http_portal_send(r, NGX_HTTP_OK, &type, m->first, m->len);
}


static void
ngx_http_portal_metrics_info(ngx_http_portal_metrics_t *m)
{
    ngx_http_portal_metrics_family(m, "portal_info", "gauge",
                      "The module, the schema it speaks to, and nginx.");
    ngx_http_portal_metrics_say(m, "portal_info{version=\"%s\",schema=\"%s\","
                                "nginx=\"%s\"} 1\n",
                                NGX_HTTP_PORTAL_VERSION,
                                NGX_HTTP_PORTAL_SCHEMA, NGINX_VERSION);

    ngx_http_portal_metrics_number(m, "portal_start_time_seconds", "gauge",
                      "Since when all this is counted; a reload keeps it.",
                      portal_counts[PORTAL_COUNT_STARTED]);
}


static void
ngx_http_portal_metrics_requests(ngx_http_portal_metrics_t *m)
{
    ngx_uint_t  town;

    ngx_http_portal_metrics_family(m, "portal_http_requests_total", "counter",
                      "Answers of portal locations, by whom the location is "
                      "for and class of status.");

    for (town = 0; town < PORTAL_COUNT_TOWNS; town++) {
        if (portal_count_slug(town) != NULL) {
            ngx_http_portal_metrics_town(m, town);
        }
    }

    ngx_http_portal_metrics_time(m, PORTAL_COUNT_REQUEST_TIME,
                      "portal_http_request_duration_seconds",
                      "Time from a request's first byte to its answer's last.");
    ngx_http_portal_metrics_time(m, PORTAL_COUNT_CALL_TIME,
                      "portal_database_call_duration_seconds",
                      "Time of a page's call of PostgreSQL, with the wait.");
}


static void
ngx_http_portal_metrics_town(ngx_http_portal_metrics_t *m, ngx_uint_t town)
{
    ngx_uint_t        class, n;
    ngx_conf_enum_t  *audience;

    for (audience = ngx_http_portal_audiences; audience->name.len; audience++)
    {
        n = PORTAL_COUNT_REQUEST
            + (town * PORTAL_COUNT_AUDIENCES + audience->value)
              * PORTAL_COUNT_CLASSES;

        for (class = 0; class < PORTAL_COUNT_CLASSES; class++) {

            /* towns beyond the table's end: mostly there are none */

            if (town == PORTAL_COUNT_TOWNS - 1
                && portal_counts[n + class] == 0)
            {
                continue;
            }

            ngx_http_portal_metrics_say(m, "portal_http_requests_total{"
                                        "town=\"%s\",audience=\"%V\","
                                        "class=\"%s\"} %uA\n",
                                        portal_count_slug(town),
                                        &audience->name,
                                        ngx_http_portal_classes[class],
                                        portal_counts[n + class]);
        }
    }
}


static void
ngx_http_portal_metrics_time(ngx_http_portal_metrics_t *m, ngx_uint_t n,
    const char *name, const char *help)
{
    ngx_uint_t          i;
    ngx_atomic_uint_t   total;

    ngx_http_portal_metrics_family(m, name, "histogram", help);

    total = 0;

    for (i = 0; i < PORTAL_COUNT_LIMITS; i++) {
        total += portal_counts[n + i];

        ngx_http_portal_metrics_say(m, "%s_bucket{le=\"%s\"} %uA\n", name,
                                    ngx_http_portal_limits[i], total);
    }

    total += portal_counts[n + PORTAL_COUNT_LIMITS];

    ngx_http_portal_metrics_say(m, "%s_bucket{le=\"+Inf\"} %uA\n", name,
                                total);
    ngx_http_portal_metrics_say(m, "%s_sum %uA.%06uA\n", name,
                   portal_counts[n + PORTAL_COUNT_LIMITS + 1] / 1000000,
                   portal_counts[n + PORTAL_COUNT_LIMITS + 1] % 1000000);
    ngx_http_portal_metrics_say(m, "%s_count %uA\n", name, total);
}


static void
ngx_http_portal_metrics_sessions(ngx_http_portal_metrics_t *m)
{
    portal_l1_stats_t  s;

    portal_l1_stats(ngx_http_portal.l1, &s);

    ngx_http_portal_metrics_number(m, "portal_session_slots", "gauge",
                      "Sessions that portal_zone can hold.", s.slots);
    ngx_http_portal_metrics_number(m, "portal_session_slots_used", "gauge",
                      "Sessions that it holds.", s.used);
    ngx_http_portal_metrics_number(m, "portal_session_hits_total", "counter",
                      "Sessions found in shared memory.", s.hits);
    ngx_http_portal_metrics_number(m, "portal_session_misses_total",
                      "counter", "Sessions not found there, or too old.",
                      s.misses);
    ngx_http_portal_metrics_number(m, "portal_session_reserved_total",
                      "counter", "Places reserved for Redis' answer.",
                      s.reserved);
    ngx_http_portal_metrics_number(m, "portal_session_evictions_total",
                      "counter", "Live copies that made place for others.",
                      s.evictions);
    ngx_http_portal_metrics_number(m, "portal_session_flushes_total",
                      "counter", "Times that all were forgotten, because a "
                      "link to Redis was made anew.", s.flushes);
    ngx_http_portal_metrics_number(m, "portal_session_resets_total",
                      "counter", "Times that all were forgotten, because a "
                      "worker died while it wrote.", s.resets);
}


/* running is the node's, pending the sum of the workers' */

static void
ngx_http_portal_metrics_hashes(ngx_http_portal_metrics_t *m)
{
    ngx_uint_t  running, pending, unused;

    running = portal_hash_stats(ngx_http_portal.hash, &unused);
    pending = (ngx_uint_t) m->gauges[PORTAL_GAUGE_HASH_WAITING];

    ngx_http_portal_metrics_number(m, "portal_hash_running", "gauge",
                      "Passwords being hashed.", running);
    ngx_http_portal_metrics_number(m, "portal_hash_waiting", "gauge",
                      "Passwords that wait for it.",
                      pending > running ? pending - running : 0);
}


static void
ngx_http_portal_metrics_table(ngx_http_portal_metrics_t *m)
{
    const char                *name;
    ngx_uint_t                 known;
    ngx_atomic_uint_t          value;
    ngx_http_portal_metric_t  *row;

    name = NULL;
    known = ngx_http_portal_outbox_known();

    for (row = ngx_http_portal_metric_table; row->labels; row++) {

        if (row->source == NGX_HTTP_PORTAL_OUTBOX && !known) {
            continue;
        }

        if (row->name != NULL) {
            name = row->name;
            ngx_http_portal_metrics_family(m, name, row->type, row->help);
        }

        value = row->source == NGX_HTTP_PORTAL_GAUGE ? m->gauges[row->n]
                                                     : portal_counts[row->n];

        if (row->source == NGX_HTTP_PORTAL_SECONDS) {
            ngx_http_portal_metrics_say(m, "%s%s %uA.%06uA\n", name,
                                        row->labels, value / 1000000,
                                        value % 1000000);
            continue;
        }

        ngx_http_portal_metrics_say(m, "%s%s %uA\n", name, row->labels,
                                    value);
    }
}


static void
ngx_http_portal_metrics_family(ngx_http_portal_metrics_t *m,
    const char *name, const char *type, const char *help)
{
    ngx_http_portal_metrics_say(m, "# HELP %s %s\n# TYPE %s %s\n", name, help,
                                name, type);
}


static void
ngx_http_portal_metrics_number(ngx_http_portal_metrics_t *m,
    const char *name, const char *type, const char *help, ngx_uint_t value)
{
    ngx_http_portal_metrics_family(m, name, type, help);
    ngx_http_portal_metrics_say(m, "%s %ui\n", name, value);
}


static void
ngx_http_portal_metrics_say(ngx_http_portal_metrics_t *m, const char *fmt,
    ...)
{
    u_char       *p;
    va_list       args;
    ngx_chain_t  *cl;

    if (m->failed) {
        return;
    }

    if (m->buf == NULL
        || m->buf->end - m->buf->last < NGX_HTTP_PORTAL_LINE)
    {
        m->buf = ngx_create_temp_buf(m->pool, NGX_HTTP_PORTAL_PIECE);
        cl = ngx_alloc_chain_link(m->pool);

        if (m->buf == NULL || cl == NULL) {
            m->failed = 1;
            return;
        }

        cl->buf = m->buf;
        cl->next = NULL;

        *m->last = cl;
        m->last = &cl->next;
    }

    va_start(args, fmt);
    p = ngx_vslprintf(m->buf->last, m->buf->end, fmt, args);
    va_end(args);

    m->len += p - m->buf->last;
    m->buf->last = p;
}
