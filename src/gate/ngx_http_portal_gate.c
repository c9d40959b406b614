
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * The gate stands in the access phase, in front of the portal's own pages and
 * of any other content: who is asking, may they, and does a request that
 * changes something come from the town's own pages.  It answers before a body
 * is read.  Without its verdict nothing is served: the access phase passes over
 * subrequests, the phase before the content does not.
 */


static void ngx_http_portal_ctx_cleanup(void *data);
static ngx_int_t ngx_http_portal_gate_start(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf);
static ngx_int_t ngx_http_portal_gate_verdict(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf);
static ngx_int_t ngx_http_portal_gate_machine(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf);
static ngx_uint_t ngx_http_portal_gate_expired(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf);
static ngx_int_t ngx_http_portal_gate_login(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_gate_subscribe(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_gate_redirect(ngx_http_request_t *r,
    ngx_str_t *location);
static ngx_int_t ngx_http_portal_gate_busy(ngx_http_request_t *r,
    const char *who);
static ngx_uint_t ngx_http_portal_gate_h2_headers(ngx_http_request_t *r);


ngx_int_t
ngx_http_portal_gate_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_portal_ctx_t       *ctx;
    ngx_http_portal_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    if (plcf->audience == NGX_HTTP_PORTAL_UNSET) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_portal_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->gate == NGX_HTTP_PORTAL_GATE_START) {
        rc = ngx_http_portal_gate_start(r, ctx, plcf);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (plcf->audience == NGX_HTTP_PORTAL_MACHINE) {
        return ngx_http_portal_gate_machine(r, ctx, plcf);
    }

    /* what a filter has refused, as 412, nginx lets answer at once or never:
       its page does without the name of who asked */

    if (r->filter_finalize) {
        ctx->gate = NGX_HTTP_PORTAL_GATE_KNOWN;
    }

    if (ctx->gate != NGX_HTTP_PORTAL_GATE_KNOWN) {
        rc = ngx_http_portal_session_find(r, ctx);

        if (rc == NGX_AGAIN || rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }

        if (rc == NGX_BUSY
            && (plcf->audience != NGX_HTTP_PORTAL_PUBLIC
                || r->method == NGX_HTTP_POST || plcf->passive))
        {
            return ngx_http_portal_gate_busy(r, "redis");
        }

        ctx->gate = NGX_HTTP_PORTAL_GATE_KNOWN;
    }

    rc = ngx_http_portal_session_confirm(r, ctx, plcf);

    if (rc == NGX_BUSY) {

        if (plcf->audience != NGX_HTTP_PORTAL_PUBLIC && !plcf->handled) {
            return ngx_http_portal_gate_busy(r, "the database");
        }

        /* to a page without a call, what Redis said is good enough: it has
           nothing of the person's but the name */

        if (!plcf->handled) {
            ctx->live = 0;
        }

    } else if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_portal_gate_verdict(r, ctx, plcf);
}


/* what can be said before anybody is asked who this is */

static ngx_int_t
ngx_http_portal_gate_start(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_loc_conf_t *plcf)
{
    ngx_int_t  rc;

    ctx->audience = plcf->audience;

    /* also where only the location says whose it is */

    ngx_http_portal_log_mine(r);

    rc = ngx_http_portal_town_find(r, ctx, plcf);

    if (rc == NGX_AGAIN) {
        return ngx_http_portal_hear_close(r);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_portal_negotiate(r, ctx);

    if (ngx_http_portal_gate_h2_headers(r)) {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (plcf->audience == NGX_HTTP_PORTAL_MACHINE) {

        /* without a cookie there is nothing that another site could abuse */

        ctx->gate = NGX_HTTP_PORTAL_GATE_KNOWN;
        ngx_http_portal_language(r, ctx);

        return NGX_OK;
    }

    /* refused in the portal's own words, without reading the body */

    ctx->foreign = ngx_http_portal_check_origin(r, ctx, plcf);

    if (ctx->foreign && !plcf->handled) {
        return NGX_HTTP_FORBIDDEN;
    }

    ngx_http_portal_session_cookies(r, ctx);
    ngx_http_portal_language(r, ctx);

    return NGX_OK;
}


/* a key and no session: what is said of those is not asked here */

static ngx_int_t
ngx_http_portal_gate_machine(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf)
{
    ngx_int_t  rc;

    rc = ngx_http_portal_machine(r, ctx);

    switch (rc) {

    case NGX_OK:
        ctx->verdict = plcf;
        return NGX_OK;

    case NGX_BUSY:
        return ngx_http_portal_gate_busy(r, "the database");

    case NGX_HTTP_UNAUTHORIZED:
        return ngx_http_portal_machine_challenge(r) == NGX_OK
               ? rc : NGX_HTTP_INTERNAL_SERVER_ERROR;

    default:
        return rc;
    }
}


ngx_int_t
ngx_http_portal_verdict_handler(ngx_http_request_t *r)
{
    ngx_http_portal_ctx_t       *ctx;
    ngx_http_portal_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    if (plcf->audience == NGX_HTTP_PORTAL_UNSET) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    if (ctx != NULL && ctx->verdict == plcf) {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                  "portal: \"%V\" without the gate's verdict is refused, see "
                  "\"portal_allow\" about subrequests", &r->uri);

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_portal_gate_verdict(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf)
{
    if (plcf->audience != NGX_HTTP_PORTAL_PUBLIC) {

        if (!ctx->live) {

            if (ngx_http_portal_gate_expired(r, ctx, plcf)) {

                /* its form is read, for the log-in page to carry it */

                ctx->expired = 1;
                ctx->verdict = plcf;

                return NGX_OK;
            }

            return ngx_http_portal_gate_login(r, ctx);
        }

        if (ctx->unsure && plcf->get == NULL && plcf->post == NULL) {

            /* nobody behind this location asks PostgreSQL who this is */

            return ngx_http_portal_gate_busy(r, "redis");
        }
    }

    if (ctx->unsure && !plcf->handled) {

        /* an upstream must not be told an identity that none can confirm */

        ctx->live = 0;
    }

    if (plcf->audience == NGX_HTTP_PORTAL_FAMILY
        && (ctx->session.family == 0
            || !(ctx->session.roles & NGX_HTTP_PORTAL_ROLE_FAMILY)))
    {
        return ngx_http_portal_gate_subscribe(r, ctx);
    }

    if (plcf->audience == NGX_HTTP_PORTAL_AGENT
        && !(ctx->session.roles & NGX_HTTP_PORTAL_ROLE_AGENT))
    {
        return NGX_HTTP_FORBIDDEN;
    }

    ctx->verdict = plcf;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "portal gate: yes, live:%d account:%L family:%L",
                   (int) ctx->live, ctx->session.account,
                   ctx->session.family);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_portal_gate_expired(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf)
{
    return r->method == NGX_HTTP_POST && plcf->handled && plcf->act != NULL
           && ctx->cookie && !ctx->json && !ctx->foreign;
}


/* nobody is known: a person is led to the log-in page, a program told 401 */

static ngx_int_t
ngx_http_portal_gate_login(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_str_t  location = ngx_string("/connexion");

    if (ctx->json) {
        return NGX_HTTP_UNAUTHORIZED;
    }

    if (ngx_http_portal_way_back(r, &location, NULL) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_gate_redirect(r, &location);
}


/*
 * A page that comes first leads back to what was asked for, or to the page
 * whose link that was: a file would leave the reader where they are.
 */

ngx_int_t
ngx_http_portal_way_back(ngx_http_request_t *r, ngx_str_t *location,
    const char *page)
{
    u_char     *p;
    size_t      len;
    ngx_str_t   back, first;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_OK;
    }

    back = r->unparsed_uri;

    if (page != NULL) {
        len = ngx_strlen(page);

        back.data = ngx_pnalloc(r->pool, len + 1 + r->args.len);
        if (back.data == NULL) {
            return NGX_ERROR;
        }

        p = ngx_cpymem(back.data, page, len);

        if (r->args.len) {
            *p++ = '?';
            p = ngx_cpymem(p, r->args.data, r->args.len);
        }

        back.len = (size_t) (p - back.data);
    }

    if (back.len >= 512) {
        return NGX_OK;
    }

    first = *location;

    location->len = first.len + sizeof("?suite=") - 1 + back.len
                    + 2 * ngx_escape_uri(NULL, back.data, back.len,
                                         NGX_ESCAPE_URI_COMPONENT);
    location->data = ngx_pnalloc(r->pool, location->len);
    if (location->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(location->data, first.data, first.len);
    p = ngx_cpymem(p, "?suite=", sizeof("?suite=") - 1);
    ngx_escape_uri(p, back.data, back.len, NGX_ESCAPE_URI_COMPONENT);

    return NGX_OK;
}


/* without a connected family the guide's step 2 comes first, which is said */

static ngx_int_t
ngx_http_portal_gate_subscribe(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_str_t  location = ngx_string("/mes-abonnements?avis=subscribe_first"
                                     "#contenu");

    if (ctx->json || !(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_FORBIDDEN;
    }

    return ngx_http_portal_gate_redirect(r, &location);
}


/* a phase handler returns the status and sends nothing */

static ngx_int_t
ngx_http_portal_gate_redirect(ngx_http_request_t *r, ngx_str_t *location)
{
    if (ngx_http_portal_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_location(r, location);
}


static ngx_int_t
ngx_http_portal_gate_busy(ngx_http_request_t *r, const char *who)
{
    ngx_http_portal_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    if (!ctx->told) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: %s does not say who is asking", who);
    }

    if (ngx_http_portal_retry_after(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_HTTP_SERVICE_UNAVAILABLE;
}


/* from an operation's handler: ctx may be gone when this returns */

void
ngx_http_portal_gate_resume(ngx_http_portal_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_post_request(r, NULL);
    ngx_http_run_posted_requests(c);
}


/*
 * RFC 9113, 8.2.2: fields of a connection make an HTTP/2 request malformed;
 * nginx before 1.31 lets them pass.
 */

static ngx_uint_t
ngx_http_portal_gate_h2_headers(ngx_http_request_t *r)
{
    if (r->http_version < NGX_HTTP_VERSION_20) {
        return 0;
    }

    return r->headers_in.transfer_encoding != NULL
           || ngx_http_portal_find_header(r, "connection", 10) != NULL
           || r->headers_in.upgrade != NULL
           || ngx_http_portal_find_header(r, "keep-alive", 10) != NULL
           || ngx_http_portal_find_header(r, "proxy-connection", 16) != NULL;
}


ngx_http_portal_ctx_t *
ngx_http_portal_get_ctx(ngx_http_request_t *r)
{
    ngx_http_cleanup_t     *cln;
    ngx_pool_cleanup_t     *pcln;
    ngx_http_portal_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);
    if (ctx != NULL) {
        return ctx;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_portal_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    /* set by ngx_pcalloc(): gate = NGX_HTTP_PORTAL_GATE_START */

    ctx->request = r;

    /* operations are let go when the request ends, the rest with its pool */

    cln = ngx_http_cleanup_add(r, 0);
    pcln = ngx_pool_cleanup_add(r->pool, 0);

    if (cln == NULL || pcln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_portal_ctx_detach;
    cln->data = ctx;

    pcln->handler = ngx_http_portal_ctx_cleanup;
    pcln->data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_portal_module);

    return ctx;
}


/* an internal redirect forgets the contexts, not what is in the pool */

ngx_http_portal_ctx_t *
ngx_http_portal_first_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_portal_ctx_t  *first;

    first = NULL;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_portal_ctx_cleanup) {
            first = cln->data;
        }
    }

    return first;
}


void
ngx_http_portal_ctx_detach(void *data)
{
    ngx_http_portal_ctx_t *ctx = data;

    if (ctx->town_waiting) {
        ngx_queue_remove(&ctx->town_queue);
        ctx->town_waiting = 0;
    }

    if (ctx->redis_op) {
        portal_op_detach(&ctx->redis_op->op);
        ctx->redis_op = NULL;
    }

    if (ctx->pg_op) {
        portal_op_detach(&ctx->pg_op->op);
        ctx->pg_op = NULL;
    }

    if (ctx->hash_op) {
        portal_op_detach(&ctx->hash_op->op);
        ctx->hash_op = NULL;

        ngx_http_portal_act_left(ctx);
    }

    if (ctx->photo_op) {
        portal_op_detach(&ctx->photo_op->op);
        ctx->photo_op = NULL;
    }
}


static void
ngx_http_portal_ctx_cleanup(void *data)
{
    ngx_http_portal_ctx_t *ctx = data;

    if (ctx->verdict && ctx->verdict->form) {
        portal_form_wipe(ctx->verdict->form, ctx->values);
        portal_form_wipe(ctx->verdict->form, ctx->typed);
    }

    json_decref(ctx->values);
    json_decref(ctx->if_match);
    json_decref(ctx->typed);
    json_decref(ctx->errors);
    json_decref(ctx->input);
    json_decref(ctx->place);
    json_decref(ctx->piece);
    json_decref(ctx->document);

    if (ctx->answer.len) {
        portal_wipe(ctx->answer.data, ctx->answer.len);
    }

    portal_wipe(ctx->secret, sizeof(ctx->secret));
    portal_wipe(ctx->device, sizeof(ctx->device));
}
