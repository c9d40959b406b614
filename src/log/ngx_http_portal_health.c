
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * Two questions with an address each, because what asks does opposite things:
 * who is not ready gets no requests, who is not alive is started again.  The
 * second answer depends on no other server: a restart would not bring those
 * back.
 */


typedef struct {
    const char  *database;
    const char  *redis;
    const char  *tracking;
    const char  *mail;
    const char  *towns;
} ngx_http_portal_health_t;


static ngx_uint_t ngx_http_portal_health(ngx_http_request_t *r,
    ngx_http_portal_health_t *health);
static const char *ngx_http_portal_health_mail(
    ngx_http_portal_main_conf_t *pmcf);
static ngx_int_t ngx_http_portal_health_send(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *text);


/* an hour: what mail servers that put off for a while are given */

#define NGX_HTTP_PORTAL_MAIL_LATE  3600


/* can this worker serve a log-in */

ngx_int_t
ngx_http_portal_health_handler(ngx_http_request_t *r)
{
    u_char                    *p;
    ngx_int_t                  rc;
    ngx_str_t                  text;
    ngx_uint_t                 ready;
    ngx_http_portal_health_t   health;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_portal.pg == NULL) {
        return NGX_HTTP_NOT_FOUND;
    }

    ready = ngx_http_portal_health(r, &health);

    p = ngx_pnalloc(r->pool, 256);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text.data = p;
    text.len = (size_t) (ngx_snprintf(p, 256,
                                      "{\"status\":\"%s\",\"database\":\"%s\","
                                      "\"redis\":\"%s\",\"tracking\":\"%s\","
                                      "\"mail\":\"%s\",\"towns\":\"%s\"}\n",
                                      ready ? "ok" : "unavailable",
                                      health.database, health.redis,
                                      health.tracking, health.mail,
                                      health.towns)
                         - p);

    return ngx_http_portal_health_send(r, ready ? NGX_HTTP_OK
                                            : NGX_HTTP_SERVICE_UNAVAILABLE,
                                       &text);
}


static ngx_uint_t
ngx_http_portal_health(ngx_http_request_t *r, ngx_http_portal_health_t *health)
{
    ngx_uint_t                     i, ready;
    ngx_http_portal_town_t       **town;
    ngx_http_portal_main_conf_t   *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    ready = 1;

    health->database = "ok";
    health->redis = "ok";
    health->towns = "ok";

    if (!portal_pg_healthy(ngx_http_portal.pg)) {
        health->database = "down";
        ready = 0;

    } else if (ngx_http_portal.refusing) {
        health->database = "refused";
        ready = 0;
    }

    if (!portal_redis_healthy(ngx_http_portal.redis)) {
        health->redis = "down";
        ready = 0;

    } else if (!portal_redis_writable(ngx_http_portal.redis)) {
        health->redis = "refuses";
        ready = 0;
    }

    town = pmcf->towns.elts;

    for (i = 0; i < pmcf->towns.nelts; i++) {
        if (town[i]->document == NULL) {
            health->towns = "missing";
            ready = 0;
        }
    }

    /* log-ins do without: each request asks Redis, mails wait */

    health->tracking = portal_redis_tracking(ngx_http_portal.redis) ? "ok"
                                                                    : "down";
    health->mail = ngx_http_portal_health_mail(pmcf);

    return ready;
}


static const char *
ngx_http_portal_health_mail(ngx_http_portal_main_conf_t *pmcf)
{
    if (pmcf->mail.url.len == 0) {
        return "off";
    }

    if (!ngx_http_portal_outbox_known()) {
        return "unknown";
    }

    return portal_counts[PORTAL_COUNT_OUTBOX_OLDEST]
           > NGX_HTTP_PORTAL_MAIL_LATE ? "late" : "ok";
}


ngx_int_t
ngx_http_portal_live_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;
    ngx_str_t  text = ngx_string("{\"status\":\"ok\"}\n");

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_portal_health_send(r, NGX_HTTP_OK, &text);
}


static ngx_int_t
ngx_http_portal_health_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *text)
{
    ngx_buf_t    *b;
    ngx_str_t     type = ngx_string("application/json");
    ngx_chain_t   out;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    b = ngx_calloc_buf(r->pool);

    if (b == NULL
        || ngx_http_portal_add_header(r, "Cache-Control", "no-store", 8)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = text->data;
    b->last = text->data + text->len;
    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_portal_send(r, status, &type, &out, (off_t) text->len);
}
