
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * The worker of the jobs asks now and then how full the outbox is, how much of
 * the audit is not chained and how webhooks are, for metrics and health; the
 * answer is the node's.  A node that sends no mail has jobs all the same.
 * Mails that have ended, a month of them, are counted more rarely.
 */

#define NGX_HTTP_PORTAL_OUTBOX_EVERY  15000
#define NGX_HTTP_PORTAL_OUTBOX_ENDED  600       /* seconds between two */
#define NGX_HTTP_PORTAL_OUTBOX_OLD    120       /* seconds: no longer true */


typedef struct {
    const char  *name;
    ngx_uint_t   n;
} ngx_http_portal_stat_t;


static void ngx_http_portal_outbox_ask(ngx_event_t *ev);
static void ngx_http_portal_outbox_answer(portal_op_t *op);
static void ngx_http_portal_outbox_keep(json_t *stats,
    const ngx_http_portal_stat_t *fields);


static ngx_event_t                   ngx_http_portal_outbox_timer;
static ngx_http_portal_main_conf_t  *ngx_http_portal_outbox_conf;
static time_t                        ngx_http_portal_outbox_ended;


void
ngx_http_portal_outbox_init(ngx_cycle_t *cycle,
    ngx_http_portal_main_conf_t *pmcf)
{
    ngx_http_portal_outbox_conf = pmcf;

    portal_op_event(&ngx_http_portal_outbox_timer, ngx_http_portal_outbox_ask,
                    cycle->log);
    ngx_http_portal_outbox_timer.cancelable = 1;

    ngx_add_timer(&ngx_http_portal_outbox_timer,
                  1 + (ngx_msec_t) ngx_random() % 500);
}


static void
ngx_http_portal_outbox_ask(ngx_event_t *ev)
{
    ngx_str_t       *input;
    portal_pg_op_t  *op;

    static ngx_str_t  waiting = ngx_string("{\"ended\": false}");
    static ngx_str_t  all = ngx_string("{\"ended\": true}");

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    ngx_add_timer(ev, NGX_HTTP_PORTAL_OUTBOX_EVERY
                      + (ngx_msec_t) ngx_random() % 1000);

    op = portal_pg_op(ngx_http_portal.jobs);
    if (op == NULL) {
        return;
    }

    input = ngx_time() - ngx_http_portal_outbox_ended
            < NGX_HTTP_PORTAL_OUTBOX_ENDED ? &waiting : &all;

    if (portal_pg_query(op, ngx_http_portal_outbox_conf->mail_stats) != NGX_OK
        || portal_pg_param(op, input) != NGX_OK)
    {
        portal_pg_drop(op);
        return;
    }

    op->op.handler = ngx_http_portal_outbox_answer;

    portal_pg_post(ngx_http_portal.jobs, op);
}


static void
ngx_http_portal_outbox_answer(portal_op_t *op)
{
    static const ngx_http_portal_stat_t  fields[] = {
        { "queued", PORTAL_COUNT_OUTBOX_QUEUED },
        { "sending", PORTAL_COUNT_OUTBOX_SENDING },
        { "oldest", PORTAL_COUNT_OUTBOX_OLDEST },
        { "unchained", PORTAL_COUNT_AUDIT_UNCHAINED },
        { NULL, 0 }
    };

    static const ngx_http_portal_stat_t  ended[] = {
        { "sent", PORTAL_COUNT_OUTBOX_SENT },
        { "failed", PORTAL_COUNT_OUTBOX_FAILED },
        { "expired", PORTAL_COUNT_OUTBOX_EXPIRED },
        { NULL, 0 }
    };

    static const ngx_http_portal_stat_t  hooks[] = {
        { "active", PORTAL_COUNT_HOOK_ACTIVE },
        { "late", PORTAL_COUNT_HOOK_LATE },
        { "stopped", PORTAL_COUNT_HOOK_STOPPED },
        { "failing", PORTAL_COUNT_HOOK_FAILING },
        { "gone", PORTAL_COUNT_HOOK_GONE },
        { "waiting", PORTAL_COUNT_HOOK_WAITING },
        { "oldest", PORTAL_COUNT_HOOK_OLDEST },
        { NULL, 0 }
    };

    json_t  *stats;

    stats = portal_pg_json(op);
    if (stats == NULL) {
        return;
    }

    ngx_http_portal_outbox_keep(stats, fields);
    ngx_http_portal_outbox_keep(json_object_get(stats, "webhooks"), hooks);

    if (json_object_get(stats, "sent")) {
        ngx_http_portal_outbox_keep(stats, ended);
        ngx_http_portal_outbox_ended = ngx_time();
    }

    portal_counts[PORTAL_COUNT_OUTBOX_READ] = (ngx_atomic_uint_t) ngx_time();

    json_decref(stats);
}


static void
ngx_http_portal_outbox_keep(json_t *stats,
    const ngx_http_portal_stat_t *fields)
{
    json_t  *value;

    for ( /* void */ ; fields->name; fields++) {
        value = json_object_get(stats, fields->name);
        portal_counts[fields->n] = (ngx_atomic_uint_t)
                                   json_integer_value(value);
    }
}


ngx_uint_t
ngx_http_portal_outbox_known(void)
{
    return ngx_time() - (time_t) portal_counts[PORTAL_COUNT_OUTBOX_READ]
           <= NGX_HTTP_PORTAL_OUTBOX_OLD;
}
