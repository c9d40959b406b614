
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * Where a password is verified the way is fetch, verify, act.  An address
 * nobody has costs the same calls and the same hash.
 */


static ngx_int_t ngx_http_portal_verify(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_step_pt step);
static ngx_int_t ngx_http_portal_login_found(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_login_verified(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_login_rehash(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_login_rehashed(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_login_act(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_confirm_found(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_confirm_verified(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_confirm_hashed(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_confirm_act(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);


static ngx_http_portal_main_conf_t *
ngx_http_portal_conf(ngx_http_request_t *r)
{
    return ngx_http_get_module_main_conf(r, ngx_http_portal_module);
}


ngx_int_t
ngx_http_portal_act_login(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t  rc;

    /* a session that could not be kept is not opened */

    if (!portal_redis_healthy(ngx_http_portal.redis)) {
        return ngx_http_portal_problem(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       NULL);
    }

    rc = ngx_http_portal_prepare(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_portal_call(r, ctx,
                                ngx_http_portal_conf(r)->sign_in_lookup,
                                ngx_http_portal_login_found);
}


static ngx_int_t
ngx_http_portal_login_found(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t     *document;
    ngx_int_t   rc;

    rc = ngx_http_portal_call_failed(r, ctx);
    if (rc != NGX_OK) {
        return ngx_http_portal_failed(r, ctx, (ngx_uint_t) rc);
    }

    document = ngx_http_portal_document(r, ctx);
    if (document == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->retry = (ngx_msec_t)
                 json_integer_value(json_object_get(document, "wait"));

    if (ctx->retry) {
        if (ngx_http_portal_add_error(ctx, "", "too_many") != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_portal_refuse(r, ctx, 429);
    }

    return ngx_http_portal_verify(r, ctx, ngx_http_portal_login_verified);
}


/*
 * The document's hash against the password typed.  account and epoch go into
 * the input: the act must concern the very credentials that were verified.
 */

static ngx_int_t
ngx_http_portal_verify(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_step_pt step)
{
    json_t      *document, *password;
    const char  *hash;

    document = ngx_http_portal_document(r, ctx);

    json_object_set(ctx->input, "account",
                    json_object_get(document, "account"));
    json_object_set(ctx->input, "epoch", json_object_get(document, "epoch"));

    hash = json_string_value(json_object_get(document, "hash"));
    password = json_object_get(ctx->values, "password");

    return ngx_http_portal_password(r, ctx, json_string_value(password),
                                    json_string_length(password),
                                    hash ? hash : "", step);
}


static ngx_int_t
ngx_http_portal_login_verified(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    unsigned           match, weak;
    portal_hash_op_t  *op;

    op = ctx->hash_op;
    ctx->hash_op = NULL;

    json_object_set_new(ctx->input, "rehash", json_null());

    if (ctx->call_status != PORTAL_OP_OK) {

        /* not tried: the attempt that was counted is given back, and 503 */

        json_object_set_new(ctx->input, "ok", json_null());

        return ngx_http_portal_login_act(r, ctx);
    }

    match = op->match;
    weak = op->weak;

    json_object_set_new(ctx->input, "ok", json_boolean(match));

    if (match && weak) {
        return ngx_http_portal_login_rehash(r, ctx);
    }

    return ngx_http_portal_login_act(r, ctx);
}


/* hashed when parameters were lower than today's: now is the only chance */

static ngx_int_t
ngx_http_portal_login_rehash(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    json_t  *password;

    password = json_object_get(ctx->values, "password");

    return ngx_http_portal_password(r, ctx, json_string_value(password),
                                    json_string_length(password), NULL,
                                    ngx_http_portal_login_rehashed);
}


static ngx_int_t
ngx_http_portal_login_rehashed(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    portal_hash_op_t  *op;

    op = ctx->hash_op;
    ctx->hash_op = NULL;

    if (ctx->call_status == PORTAL_OP_OK) {
        json_object_set_new(ctx->input, "rehash", json_string(op->hash));
    }

    return ngx_http_portal_login_act(r, ctx);
}


static ngx_int_t
ngx_http_portal_login_act(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    return ngx_http_portal_call(r, ctx, ngx_http_portal_conf(r)->sign_in,
                                ngx_http_portal_after_act);
}


/*
 * « Confirmer mon adresse »: enough in the browser that signed up; another
 * also gives the password of the sign-up, or a new one that replaces it.
 */

ngx_int_t
ngx_http_portal_act_confirm(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t     *fresh;
    ngx_int_t   rc;

    if (!portal_redis_healthy(ngx_http_portal.redis)) {
        return ngx_http_portal_problem(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       NULL);
    }

    rc = ngx_http_portal_prepare(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    json_object_set_new(ctx->input, "password_ok", json_false());
    json_object_set_new(ctx->input, "password_hash", json_null());
    json_object_set_new(ctx->input, "epoch", json_null());

    fresh = json_object_get(ctx->values, "new_password");

    if (json_is_string(fresh)) {
        return ngx_http_portal_password(r, ctx, json_string_value(fresh),
                                        json_string_length(fresh), NULL,
                                        ngx_http_portal_confirm_hashed);
    }

    if (json_is_string(json_object_get(ctx->values, "password"))) {
        return ngx_http_portal_call(r, ctx,
                               ngx_http_portal_conf(r)->confirmation_secret,
                               ngx_http_portal_confirm_found);
    }

    return ngx_http_portal_confirm_act(r, ctx);
}


static ngx_int_t
ngx_http_portal_confirm_found(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_portal_call_failed(r, ctx);
    if (rc != NGX_OK) {
        return ngx_http_portal_failed(r, ctx, (ngx_uint_t) rc);
    }

    if (ngx_http_portal_document(r, ctx) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_verify(r, ctx, ngx_http_portal_confirm_verified);
}


static ngx_int_t
ngx_http_portal_confirm_verified(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    portal_hash_op_t  *op;

    op = ctx->hash_op;
    ctx->hash_op = NULL;

    if (ctx->call_status != PORTAL_OP_OK) {
        return ngx_http_portal_problem(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       NULL);
    }

    json_object_set_new(ctx->input, "password_ok", json_boolean(op->match));

    return ngx_http_portal_confirm_act(r, ctx);
}


static ngx_int_t
ngx_http_portal_confirm_hashed(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    portal_hash_op_t  *op;

    op = ctx->hash_op;
    ctx->hash_op = NULL;

    if (ctx->call_status != PORTAL_OP_OK) {
        return ngx_http_portal_problem(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       NULL);
    }

    json_object_set_new(ctx->input, "password_hash", json_string(op->hash));

    return ngx_http_portal_confirm_act(r, ctx);
}


static ngx_int_t
ngx_http_portal_confirm_act(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    return ngx_http_portal_call(r, ctx, ngx_http_portal_conf(r)->confirm,
                                ngx_http_portal_after_act);
}
