
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * Sessions: the cookie's MAC is the key of a sealed record in Redis, of which
 * shared memory keeps a copy for seconds.  The authority is a row of
 * PostgreSQL that portal.enter() checks in every call.
 */

/* how long a copy is trusted while the invalidation link is healthy, and how
   long it may still name the person to portal.enter() when Redis is gone; ms */
#define NGX_HTTP_PORTAL_COPY_AGE    10000
#define NGX_HTTP_PORTAL_COPY_KEPT   43200000

/* how often at most a session's last use is told to the other nodes, s */
#define NGX_HTTP_PORTAL_SEEN_EVERY  60

#define NGX_HTTP_PORTAL_SESS_KEY    (sizeof("sess:") - 1 + PORTAL_MAC_HEX)
#define NGX_HTTP_PORTAL_SEALED                                                \
    (sizeof(ngx_http_portal_session_t) + PORTAL_SEAL_OVERHEAD)


static ngx_int_t ngx_http_portal_session_ask(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static void ngx_http_portal_session_answer(portal_op_t *op);
static void ngx_http_portal_session_load(ngx_http_portal_ctx_t *ctx,
    ngx_str_t *sealed, ngx_str_t *seen);
static ngx_int_t ngx_http_portal_session_copy(ngx_http_portal_ctx_t *ctx,
    ngx_msec_t age);
static void ngx_http_portal_session_use(ngx_http_portal_ctx_t *ctx,
    time_t seen);
static portal_redis_op_t *ngx_http_portal_session_seen(u_char *hex,
    ngx_int_t idle);
static portal_redis_op_t *ngx_http_portal_session_record(
    ngx_http_request_t *r, u_char *hex, ngx_http_portal_session_t *s,
    ngx_uint_t again);
static ngx_int_t ngx_http_portal_session_fill(ngx_http_portal_session_t *s,
    json_t *effect, ngx_http_portal_main_conf_t *pmcf, ngx_uint_t agents);
static void ngx_http_portal_session_roles(ngx_http_portal_session_t *s,
    json_t *roles, ngx_uint_t agents);
static void ngx_http_portal_session_written(portal_op_t *op);
static void ngx_http_portal_session_prolonged(portal_op_t *op);
static ngx_int_t ngx_http_portal_session_unhex(u_char *hex, u_char *mac);
static size_t ngx_http_portal_utf8_cut(const char *text, size_t len,
    size_t max);
static void ngx_http_portal_sess_key(u_char *out, const char *prefix,
    u_char *hex);


ngx_int_t
ngx_http_portal_session_find(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_http_portal_loc_conf_t  *plcf;

    if (ctx->gate == NGX_HTTP_PORTAL_GATE_WAITING) {

        /* a spurious event: the answer is still on its way */

        return NGX_AGAIN;
    }

    if (!ctx->cookie) {
        return NGX_OK;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    if (ctx->gate != NGX_HTTP_PORTAL_GATE_LOST) {

        /* only Redis knows of a use through another node */

        if (!plcf->passive
            && portal_redis_tracking(ngx_http_portal.redis)
            && ngx_http_portal_session_copy(ctx, NGX_HTTP_PORTAL_COPY_AGE)
               == NGX_OK)
        {
            return NGX_OK;
        }

        if (portal_redis_healthy(ngx_http_portal.redis)) {
            return ngx_http_portal_session_ask(r, ctx);
        }
    }

    /*
     * Redis is not there.  A copy of any age may still name the person to
     * portal.enter(), which decides; nothing else may trust it.
     */

    if (ngx_http_portal_session_copy(ctx, NGX_HTTP_PORTAL_COPY_KEPT)
        == NGX_OK)
    {
        ctx->unsure = 1;
        return NGX_OK;
    }

    return NGX_BUSY;
}


static ngx_int_t
ngx_http_portal_session_copy(ngx_http_portal_ctx_t *ctx, ngx_msec_t age)
{
    size_t      len;
    time_t      seen;
    u_char      value[PORTAL_L1_VALUE];
    ngx_uint_t  confirmed;

    if (portal_l1_get(ngx_http_portal.l1, ctx->mac, age, value, &len, &seen,
                      &confirmed)
        != NGX_OK
        || len != sizeof(ngx_http_portal_session_t))
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(&ctx->session, value, len);

    if (seen && ngx_time() - seen > ctx->session.idle
                                    + NGX_HTTP_PORTAL_SEEN_EVERY)
    {
        /* idle here; another node may know better */
        return NGX_DECLINED;
    }

    ctx->confirmed = confirmed != 0;

    ngx_http_portal_session_use(ctx, seen);

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_session_ask(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    u_char                       key[NGX_HTTP_PORTAL_SESS_KEY];
    portal_redis_op_t           *op;
    ngx_http_portal_loc_conf_t  *plcf;

    op = portal_redis_op(ngx_http_portal.redis);
    if (op == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (portal_redis_arg(op, "MGET", 4) != NGX_OK) {
        portal_redis_drop(op);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_portal_sess_key(key, "sess:", ctx->mac_hex);
    (void) portal_redis_arg(op, key, sizeof(key));

    ngx_http_portal_sess_key(key, "seen:", ctx->mac_hex);
    (void) portal_redis_arg(op, key, sizeof(key));

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    if (!plcf->passive && portal_redis_tracking(ngx_http_portal.redis)) {
        ctx->generation = portal_l1_reserve(ngx_http_portal.l1, ctx->mac);
    }

    op->op.handler = ngx_http_portal_session_answer;
    op->op.data = ctx;

    ctx->redis_op = op;
    ctx->gate = NGX_HTTP_PORTAL_GATE_WAITING;

    portal_redis_post(ngx_http_portal.redis, op);

    return ngx_http_portal_hear_close(r);
}


static void
ngx_http_portal_session_answer(portal_op_t *op)
{
    ngx_connection_t       *c;
    portal_redis_op_t      *redis_op;
    ngx_http_request_t     *r;
    ngx_http_portal_ctx_t  *ctx;

    ctx = op->data;
    r = ctx->request;
    c = r->connection;
    redis_op = (portal_redis_op_t *) op;

    ctx->redis_op = NULL;

    ngx_http_set_log_request(c->log, r);

    if (op->status == PORTAL_OP_OK && redis_op->type == PORTAL_REDIS_ARRAY
        && redis_op->n == 2)
    {
        ngx_http_portal_session_load(ctx, &redis_op->values[0],
                                     &redis_op->values[1]);
        ctx->gate = NGX_HTTP_PORTAL_GATE_KNOWN;

    } else {

        if (op->status == PORTAL_OP_REFUSED) {
            ngx_log_error(NGX_LOG_ERR, c->log, 0,
                          "portal: redis refused to tell a session");
        }

        ctx->gate = NGX_HTTP_PORTAL_GATE_LOST;
    }

    ngx_http_portal_gate_resume(ctx);
}


static void
ngx_http_portal_session_load(ngx_http_portal_ctx_t *ctx, ngx_str_t *sealed,
    ngx_str_t *seen)
{
    int                           n;
    u_char                        plain[NGX_HTTP_PORTAL_SEALED];
    portal_text_t                 id;
    ngx_http_request_t           *r;
    ngx_http_portal_loc_conf_t   *plcf;
    ngx_http_portal_main_conf_t  *pmcf;

    /* no record: logged out or never there; not seen: idle for too long */

    if (sealed->data == NULL || seen->data == NULL
        || sealed->len != NGX_HTTP_PORTAL_SEALED)
    {
        return;
    }

    r = ctx->request;
    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    id.data = (const char *) ctx->mac_hex;
    id.len = PORTAL_MAC_HEX;

    n = portal_open_bytes(pmcf->keys, ngx_http_portal_record_purpose(plcf),
                          ngx_http_portal_text(ctx->town->slug), id,
                          sealed->data, sealed->len, plain, sizeof(plain));

    if (n != (int) sizeof(ngx_http_portal_session_t)
        || plain[0] != NGX_HTTP_PORTAL_SESSION_VERSION)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: a session's record does not open");
        return;
    }

    ngx_memcpy(&ctx->session, plain, sizeof(ngx_http_portal_session_t));

    if (ctx->generation
        && portal_l1_store(ngx_http_portal.l1, ctx->mac, ctx->generation,
                           (u_char *) &ctx->session,
                           sizeof(ngx_http_portal_session_t))
           == NGX_OK
        && ngx_http_portal_session_copy(ctx, NGX_HTTP_PORTAL_COPY_AGE)
           == NGX_OK)
    {
        return;
    }

    /* the clock of the node that told it: good to be shown, not to decide */

    ngx_http_portal_session_use(ctx, plcf->passive ? ngx_atotm(seen->data,
                                                               seen->len)
                                                   : 0);
}


/* the record is in ctx->session: is it still within its limits? */

static void
ngx_http_portal_session_use(ngx_http_portal_ctx_t *ctx, time_t seen)
{
    time_t                       now, last;
    portal_redis_op_t           *op;
    ngx_http_portal_session_t   *s;
    ngx_http_portal_loc_conf_t  *plcf;

    s = &ctx->session;
    now = ngx_time();

    if (s->version != NGX_HTTP_PORTAL_SESSION_VERSION
        || s->name_len > sizeof(s->name) || s->label_len > sizeof(s->label)
        || now - (time_t) s->opened > s->absolute)
    {
        ngx_memzero(s, sizeof(ngx_http_portal_session_t));
        return;
    }

    ctx->live = 1;
    ngx_http_portal_language_account(ctx);

    plcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_portal_module);

    if (plcf->passive) {
        ctx->seen = seen;
        return;
    }

    if ((ngx_uint_t) (now - seen) < NGX_HTTP_PORTAL_SEEN_EVERY) {
        return;
    }

    /*
     * Of several workers only the first gets the old value.  Where no copy is
     * kept, each use is told: else the session would end as an idle one.  So is
     * one after a use that is ahead of now: the clock was set back.
     */

    last = portal_l1_touch(ngx_http_portal.l1, ctx->mac, now);

    if ((ngx_uint_t) (now - last) >= NGX_HTTP_PORTAL_SEEN_EVERY
        && portal_redis_writable(ngx_http_portal.redis))
    {
        op = ngx_http_portal_session_seen(ctx->mac_hex, s->idle);

        if (op != NULL) {
            portal_redis_post(ngx_http_portal.redis, op);
        }
    }
}


/* the last use, outside the tracked prefix: it empties no other's cache */

static portal_redis_op_t *
ngx_http_portal_session_seen(u_char *hex, ngx_int_t idle)
{
    u_char              key[NGX_HTTP_PORTAL_SESS_KEY];
    u_char              life[NGX_INT_T_LEN], now[NGX_TIME_T_LEN];
    u_char             *last, *end;
    portal_redis_op_t  *op;

    op = portal_redis_op(ngx_http_portal.redis);
    if (op == NULL) {
        return NULL;
    }

    ngx_http_portal_sess_key(key, "seen:", hex);
    last = ngx_sprintf(now, "%T", ngx_time());
    end = ngx_sprintf(life, "%i", idle + NGX_HTTP_PORTAL_SEEN_EVERY);

    if (portal_redis_arg(op, "SET", 3) != NGX_OK
        || portal_redis_arg(op, key, sizeof(key)) != NGX_OK
        || portal_redis_arg(op, now, (size_t) (last - now)) != NGX_OK
        || portal_redis_arg(op, "EX", 2) != NGX_OK
        || portal_redis_arg(op, life, (size_t) (end - life)) != NGX_OK)
    {
        portal_redis_drop(op);
        return NULL;
    }

    return op;
}


/*
 * A use is told once a minute, so the limit is kept that much longer: what is
 * answered here is when the session really ends, on every node.
 */

int64_t
ngx_http_portal_session_idle_left(ngx_http_portal_ctx_t *ctx)
{
    int64_t  left;

    left = (int64_t) ctx->session.idle + NGX_HTTP_PORTAL_SEEN_EVERY;

    if (ctx->request->method == NGX_HTTP_POST) {

        /* about to be prolonged */

        return left;
    }

    if (ctx->seen <= 1) {
        return -1;
    }

    left += (int64_t) ctx->seen - ngx_time();

    return ngx_max(left, 0);
}


ngx_int_t
ngx_http_portal_session_prolong(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_step_pt step)
{
    portal_redis_op_t  *op;

    op = ngx_http_portal_session_seen(ctx->mac_hex, ctx->session.idle);
    if (op == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) portal_l1_touch(ngx_http_portal.l1, ctx->mac, ngx_time());

    ctx->step = step;
    ctx->redis_op = op;

    op->op.handler = ngx_http_portal_session_prolonged;
    op->op.data = ctx;

    portal_redis_post(ngx_http_portal.redis, op);

    return NGX_DONE;
}


static void
ngx_http_portal_session_prolonged(portal_op_t *op)
{
    ngx_http_portal_ctx_t  *ctx;

    ctx = op->data;

    ctx->redis_op = NULL;
    ctx->call_status = op->status;

    ngx_http_portal_resume(ctx);
}


void
ngx_http_portal_session_mint(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    portal_text_t                 text;
    ngx_http_portal_main_conf_t  *pmcf;

    if (ctx->minted) {
        return;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    portal_secret((char *) ctx->secret);

    text.data = (const char *) ctx->secret;
    text.len = PORTAL_SECRET_B64;

    portal_mac(pmcf->keys, ngx_http_portal_session_purpose(ctx->verdict),
               ngx_http_portal_text(ctx->town->slug), text,
               ctx->secret_mac);
    portal_hex(ctx->secret_mac, PORTAL_MAC_LEN, (char *) ctx->secret_hex);

    ctx->minted = 1;
}


ngx_int_t
ngx_http_portal_session_open(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *effect, ngx_http_portal_step_pt step)
{
    portal_redis_op_t            *op, *seen;
    ngx_http_portal_session_t     s;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    if (ngx_http_portal_session_fill(&s, effect, pmcf, ctx->verdict->agents)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: a document's session lacks its account");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->live) {
        ngx_http_portal_session_forget(ctx->mac_hex);
    }

    /* "seen" first: on one connection it is there when the record is */

    seen = ngx_http_portal_session_seen(ctx->secret_hex, s.idle);
    if (seen == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    portal_redis_post(ngx_http_portal.redis, seen);

    op = ngx_http_portal_session_record(r, ctx->secret_hex, &s, 0);
    if (op == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->session = s;
    ctx->step = step;
    ctx->redis_op = op;

    op->op.handler = ngx_http_portal_session_written;
    op->op.data = ctx;

    portal_redis_post(ngx_http_portal.redis, op);

    return NGX_DONE;
}


/*
 * The same session with another record, for what ends without its doing; one
 * that a log-out has deleted meanwhile stays deleted.
 */

void
ngx_http_portal_session_rewrite(ngx_http_portal_ctx_t *ctx)
{
    portal_redis_op_t  *op;

    if (!portal_redis_writable(ngx_http_portal.redis)) {
        return;
    }

    op = ngx_http_portal_session_record(ctx->request, ctx->mac_hex,
                                        &ctx->session, 1);
    if (op != NULL) {
        portal_redis_post(ngx_http_portal.redis, op);
    }
}


static portal_redis_op_t *
ngx_http_portal_session_record(ngx_http_request_t *r, u_char *hex,
    ngx_http_portal_session_t *s, ngx_uint_t again)
{
    int                           n;
    u_char                        key[NGX_HTTP_PORTAL_SESS_KEY];
    u_char                        sealed[NGX_HTTP_PORTAL_SEALED];
    u_char                        text[NGX_INT_T_LEN], *p;
    ngx_int_t                     rc;
    portal_text_t                 id;
    portal_redis_op_t            *op;
    ngx_http_portal_ctx_t        *ctx;
    ngx_http_portal_loc_conf_t   *plcf;
    ngx_http_portal_main_conf_t  *pmcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);
    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    id = (portal_text_t) { (const char *) hex, PORTAL_MAC_HEX };

    n = portal_seal_bytes(pmcf->keys, ngx_http_portal_record_purpose(plcf),
                          ngx_http_portal_text(ctx->town->slug), id,
                          s, sizeof(ngx_http_portal_session_t), sealed,
                          sizeof(sealed));
    if (n != (int) sizeof(sealed)) {
        return NULL;
    }

    op = portal_redis_op(ngx_http_portal.redis);
    if (op == NULL) {
        return NULL;
    }

    ngx_http_portal_sess_key(key, "sess:", hex);

    rc = portal_redis_arg(op, "SET", 3);
    rc |= portal_redis_arg(op, key, sizeof(key));
    rc |= portal_redis_arg(op, sealed, sizeof(sealed));

    if (again) {
        rc |= portal_redis_arg(op, "XX", 2);
        rc |= portal_redis_arg(op, "KEEPTTL", 7);

    } else {
        p = ngx_sprintf(text, "%D", s->absolute);
        rc |= portal_redis_arg(op, "EX", 2);
        rc |= portal_redis_arg(op, text, (size_t) (p - text));
    }

    if (rc != NGX_OK) {
        portal_redis_drop(op);
        return NULL;
    }

    return op;
}


/* an effect that names an account opens no session of the agents' host, nor
   one that names an agent the other's */

static ngx_int_t
ngx_http_portal_session_fill(ngx_http_portal_session_t *s, json_t *effect,
    ngx_http_portal_main_conf_t *pmcf, ngx_uint_t agents)
{
    size_t       len;
    json_t      *value;
    ngx_int_t    n;
    const char  *text;

    ngx_memzero(s, sizeof(ngx_http_portal_session_t));

    s->version = NGX_HTTP_PORTAL_SESSION_VERSION;
    s->opened = ngx_time();

    s->account = json_integer_value(json_object_get(effect, agents ? "agent"
                                                            : "account"));
    s->family = json_integer_value(json_object_get(effect, "family"));
    s->epoch = (int32_t) json_integer_value(json_object_get(effect, "epoch"));
    s->idle = (int32_t) json_integer_value(json_object_get(effect, "idle"));
    s->absolute = (int32_t)
                  json_integer_value(json_object_get(effect, "absolute"));
    s->families = (uint8_t)
                  json_integer_value(json_object_get(effect, "families"));

    if (s->account == 0 || s->idle <= 0 || s->absolute <= 0) {
        return NGX_ERROR;
    }

    ngx_http_portal_session_roles(s, json_object_get(effect, "roles"), agents);

    value = json_object_get(effect, "lang");
    n = ngx_http_portal_language_find(pmcf,
                                      (u_char *) json_string_value(value),
                                      json_string_length(value));
    s->place = NGX_HTTP_PORTAL_LANGUAGES;

    if (n != NGX_ERROR) {
        ngx_http_portal_session_lang(s, pmcf, (ngx_uint_t) n);
    }

    /* cut at a character's boundary */

    value = json_object_get(effect, "name");
    text = json_string_value(value);
    len = ngx_http_portal_utf8_cut(text, json_string_length(value),
                                   sizeof(s->name));
    ngx_memcpy(s->name, text ? text : "", len);
    s->name_len = (uint8_t) len;

    value = json_object_get(effect, "family_label");
    text = json_string_value(value);
    len = ngx_http_portal_utf8_cut(text, json_string_length(value),
                                   sizeof(s->label));
    ngx_memcpy(s->label, text ? text : "", len);
    s->label_len = (uint8_t) len;

    return NGX_OK;
}


void
ngx_http_portal_session_lang(ngx_http_portal_session_t *s,
    ngx_http_portal_main_conf_t *pmcf, ngx_uint_t n)
{
    s->place = (uint8_t) n;
    ngx_memcpy(s->lang, pmcf->languages[n].data, sizeof(s->lang));
}


static void
ngx_http_portal_session_roles(ngx_http_portal_session_t *s, json_t *roles,
    ngx_uint_t agents)
{
    size_t       i;
    json_t      *role;
    const char  *text;

    s->roles = agents ? NGX_HTTP_PORTAL_ROLE_AGENT
                      : NGX_HTTP_PORTAL_ROLE_CITIZEN;

    json_array_foreach(roles, i, role) {
        text = json_string_value(role);

        if (text == NULL) {
            continue;
        }

        if (!agents) {
            if (ngx_strcmp(text, "family") == 0) {
                s->roles |= NGX_HTTP_PORTAL_ROLE_FAMILY;
            }

        } else if (ngx_strcmp(text, "administrator") == 0) {
            s->roles |= NGX_HTTP_PORTAL_ROLE_ADMINISTRATOR;

        } else if (ngx_strcmp(text, "validator") == 0) {
            s->roles |= NGX_HTTP_PORTAL_ROLE_VALIDATOR;

        } else if (ngx_strcmp(text, "reader") == 0) {
            s->roles |= NGX_HTTP_PORTAL_ROLE_READER;
        }
    }
}


static void
ngx_http_portal_session_written(portal_op_t *op)
{
    ngx_http_portal_ctx_t  *ctx;
    ngx_http_request_t     *r;

    ctx = op->data;
    r = ctx->request;

    ctx->redis_op = NULL;

    if (op->status == PORTAL_OP_OK) {
        ngx_memcpy(ctx->mac, ctx->secret_mac, PORTAL_MAC_LEN);
        ngx_memcpy(ctx->mac_hex, ctx->secret_hex, PORTAL_MAC_HEX);
        ctx->live = 1;
        ngx_http_portal_language_account(ctx);

        if (ngx_http_portal_session_cookie(r, ctx->secret) != NGX_OK
            || (ctx->verdict->form->login
                && ngx_http_portal_set_cookie(r, "__Host-device", ctx->device,
                                              PORTAL_SECRET_B64,
                                       "SameSite=Strict; Max-Age=7776000")
                   != NGX_OK))
        {
            ctx->call_status = PORTAL_OP_BUSY;
        }

    } else {
        ngx_http_set_log_request(r->connection->log, r);
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: a session could not be written to redis");
        ngx_http_portal_session_lost(r, ctx);
        ctx->live = 0;
        ctx->call_status = PORTAL_OP_DOWN;
    }

    ngx_http_portal_resume(ctx);
}


/* PostgreSQL has opened a session that nobody will have, or may have */

void
ngx_http_portal_session_lost(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    u_char                        text[sizeof("{\"session\":\"\"}")
                                       + PORTAL_MAC_HEX];
    unsigned                      live;
    ngx_str_t                     input;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    /* the one that asked has ended by the same transaction, if at all */

    live = ctx->live;
    ctx->live = 0;

    input.data = text;
    input.len = (size_t) (ngx_sprintf(text, "{\"session\":\"%*s\"}",
                                      (size_t) PORTAL_MAC_HEX,
                                      ctx->secret_hex)
                          - text);

    ngx_http_portal_tell(r, ctx, pmcf->session_lost, &input);

    ctx->live = live ? 1 : 0;
}


void
ngx_http_portal_session_close(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    if (ctx->cookie) {
        ngx_http_portal_session_forget(ctx->mac_hex);
    }

    (void) ngx_http_portal_session_cookie(r, NULL);

    ctx->live = 0;
}


void
ngx_http_portal_session_forget(u_char *hex)
{
    u_char              mac[PORTAL_MAC_LEN];
    u_char              key[NGX_HTTP_PORTAL_SESS_KEY];
    portal_redis_op_t  *op;

    if (ngx_http_portal_session_unhex(hex, mac) != NGX_OK) {
        return;
    }

    portal_l1_delete(ngx_http_portal.l1, mac);

    op = portal_redis_op(ngx_http_portal.redis);
    if (op == NULL) {
        return;
    }

    ngx_http_portal_sess_key(key, "sess:", hex);

    if (portal_redis_arg(op, "DEL", 3) != NGX_OK
        || portal_redis_arg(op, key, sizeof(key)) != NGX_OK)
    {
        portal_redis_drop(op);
        return;
    }

    ngx_http_portal_sess_key(key, "seen:", hex);

    if (portal_redis_arg(op, key, sizeof(key)) != NGX_OK) {
        portal_redis_drop(op);
        return;
    }

    portal_redis_post(ngx_http_portal.redis, op);
}


/* some node changed a record, or the link that tells so came or went */

void
ngx_http_portal_session_changed(void *data, ngx_str_t *key,
    ngx_uint_t healthy)
{
    u_char  mac[PORTAL_MAC_LEN];

    if (ngx_http_portal.l1 == NULL) {
        return;
    }

    if (key == NULL) {

        /*
         * The copies stay while the link is down, for portal.enter() to judge;
         * what was missed meanwhile is forgotten when it is up again.
         */

        if (healthy) {
            portal_l1_flush(ngx_http_portal.l1);
        }

        return;
    }

    if (key->len == NGX_HTTP_PORTAL_SESS_KEY
        && ngx_http_portal_session_unhex(key->data + 5, mac) == NGX_OK)
    {
        portal_l1_delete(ngx_http_portal.l1, mac);
    }
}


static ngx_int_t
ngx_http_portal_session_unhex(u_char *hex, u_char *mac)
{
    ngx_int_t   n;
    ngx_uint_t  i;

    for (i = 0; i < PORTAL_MAC_LEN; i++) {
        n = ngx_hextoi(hex + 2 * i, 2);
        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        mac[i] = (u_char) n;
    }

    return NGX_OK;
}


static size_t
ngx_http_portal_utf8_cut(const char *text, size_t len, size_t max)
{
    if (text == NULL) {
        return 0;
    }

    if (len <= max) {
        return len;
    }

    len = max;

    while (len && ((u_char) text[len] & 0xc0) == 0x80) {
        len--;
    }

    return len;
}


static void
ngx_http_portal_sess_key(u_char *out, const char *prefix, u_char *hex)
{
    ngx_memcpy(out, prefix, 5);
    ngx_memcpy(out + 5, hex, PORTAL_MAC_HEX);
}
