
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What a POST does once its form is accepted.  "portal_post" looks for a
 * password being chosen, if any, in the list of breached ones, hashes it, and
 * calls.  Where a password is verified ("portal_verify") the way is fetch,
 * verify, act: an account that nobody has costs the same calls and the same
 * hash.  Where a sealed field was sent the database is asked first whose it is,
 * since a value is sealed for its place.
 */


static ngx_int_t ngx_http_portal_act_placed(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_act_go(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_act_looked(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_act_begin(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_act_verify(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_act_verified(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_act_hash(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_field_t *field, const char *hash,
    ngx_http_portal_step_pt step);
static ngx_int_t ngx_http_portal_act_hashed(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_act_call(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static portal_field_t *ngx_http_portal_act_field(ngx_http_portal_ctx_t *ctx,
    ngx_uint_t fresh);


ngx_int_t
ngx_http_portal_act_post(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t                     rc;
    ngx_http_portal_main_conf_t  *pmcf;

    /* a session that could not be kept is not opened */

    if (ctx->verdict->form->session
        && !portal_redis_writable(ngx_http_portal.redis))
    {
        return ngx_http_portal_unavailable(r, ctx, "redis is down, no session "
                                           "can be opened");
    }

    if (ngx_http_portal_store_waits(ctx)) {
        return ngx_http_portal_store(r, ctx, ngx_http_portal_act_post);
    }

    if (!ngx_http_portal_seal_waits(ctx)) {
        return ngx_http_portal_act_go(r, ctx);
    }

    rc = ngx_http_portal_prepare_args(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    return ngx_http_portal_call(r, ctx, pmcf->seal_place,
                                ngx_http_portal_act_placed);
}


static ngx_int_t
ngx_http_portal_act_placed(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_uint_t  status;

    rc = ngx_http_portal_call_failed(r, ctx);
    if (rc != NGX_OK) {
        return ngx_http_portal_failed(r, ctx, (ngx_uint_t) rc);
    }

    status = ngx_http_portal_answer_status(r, ctx);

    if (status != NGX_HTTP_OK) {
        return ngx_http_portal_problem(r, ctx, status, NULL);
    }

    ctx->place = json_incref(ngx_http_portal_document(r, ctx));

    return ngx_http_portal_act_go(r, ctx);
}


static ngx_int_t
ngx_http_portal_act_go(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t                       *password;
    ngx_int_t                     rc;
    portal_field_t               *fresh;
    ngx_http_portal_main_conf_t  *pmcf;

    rc = ngx_http_portal_prepare(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    fresh = ngx_http_portal_act_field(ctx, 1);

    if (fresh == NULL || pmcf->breached == NULL) {
        return ngx_http_portal_act_begin(r, ctx);
    }

    /* before anything is asked or counted, as the form's other checks */

    password = json_object_get(ctx->values, fresh->name);

    return ngx_http_portal_password_look(r, ctx, json_string_value(password),
                                         json_string_length(password),
                                         ngx_http_portal_act_looked);
}


static ngx_int_t
ngx_http_portal_act_looked(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    portal_field_t    *fresh;
    portal_hash_op_t  *op;

    op = ctx->hash_op;
    ctx->hash_op = NULL;

    fresh = ngx_http_portal_act_field(ctx, 1);

    if (ctx->call_status != PORTAL_OP_OK) {
        return ngx_http_portal_problem(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       NULL);
    }

    if (op->breached && fresh != NULL) {
        if (ngx_http_portal_add_error(ctx, fresh->name, "password_breached")
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_portal_refuse(r, ctx, 422);
    }

    /*
     * The list is one check more on a password that has passed the others, and
     * a broken disk must not keep people from choosing one: it goes on.
     */

    if (op->unread) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, op->err,
                      "portal: the list of breached passwords cannot be read, "
                      "a password is accepted without it");
    }

    return ngx_http_portal_act_begin(r, ctx);
}


static ngx_int_t
ngx_http_portal_act_begin(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    portal_field_t  *current, *fresh;

    current = ngx_http_portal_act_field(ctx, 0);
    fresh = ngx_http_portal_act_field(ctx, 1);

    /*
     * A password that may be left out is not looked at when a new one replaces
     * it.  Where none is asked for, a code is what is verified.
     */

    if (ctx->verdict->lookup != NULL
        && (current != NULL
            ? current->required || fresh == NULL
            : ngx_http_portal_otp_field(ctx->verdict->form) != NULL))
    {
        return ngx_http_portal_call(r, ctx, ctx->verdict->lookup,
                                    ngx_http_portal_act_verify);
    }

    if (fresh != NULL) {
        return ngx_http_portal_act_hash(r, ctx, fresh, NULL,
                                        ngx_http_portal_act_hashed);
    }

    return ngx_http_portal_act_call(r, ctx);
}


/*
 * The document's hash against the password typed.  account and epoch go into
 * the input: the act must concern the very credentials that were verified.
 */

static ngx_int_t
ngx_http_portal_act_verify(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t          *document;
    ngx_int_t        rc;
    const char      *hash;
    portal_field_t  *current;

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
        portal_count(PORTAL_COUNT_PASSWORD_LIMITED);

        if (ngx_http_portal_add_error(ctx, "", "too_many") != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_portal_refuse(r, ctx, NGX_HTTP_TOO_MANY_REQUESTS);
    }

    json_object_set(ctx->input, "account",
                    json_object_get(document, "account"));
    json_object_set(ctx->input, "epoch", json_object_get(document, "epoch"));

    if (ngx_http_portal_otp(r, ctx, document) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    current = ngx_http_portal_act_field(ctx, 0);

    if (current == NULL) {

        /* a code alone: which step it is of is known by now */

        return ngx_http_portal_act_call(r, ctx);
    }

    hash = json_string_value(json_object_get(document, "hash"));

    ctx->guessed = 1;

    return ngx_http_portal_act_hash(r, ctx, current, hash ? hash : "",
                                    ngx_http_portal_act_verified);
}


static ngx_int_t
ngx_http_portal_act_verified(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    unsigned           match, weak;
    portal_field_t    *fresh;
    portal_hash_op_t  *op;

    op = ctx->hash_op;
    ctx->hash_op = NULL;

    if (ctx->call_status != PORTAL_OP_OK) {

        /* not tried: the attempt that was counted is given back, and 503 */

        json_object_set_new(ctx->input, "ok", json_null());

        portal_count(PORTAL_COUNT_PASSWORD_UNTRIED);

        return ngx_http_portal_act_call(r, ctx);
    }

    match = op->match;
    weak = op->weak;

    portal_count(match ? PORTAL_COUNT_PASSWORD_RIGHT
                       : PORTAL_COUNT_PASSWORD_WRONG);

    json_object_set_new(ctx->input, "ok", json_boolean(match));

    fresh = ngx_http_portal_act_field(ctx, 1);

    /* hashed when parameters were lower than today's: now is the only chance */

    if (match && (weak || fresh != NULL)) {
        return ngx_http_portal_act_hash(r, ctx,
                            fresh ? fresh : ngx_http_portal_act_field(ctx, 0),
                            NULL, ngx_http_portal_act_hashed);
    }

    return ngx_http_portal_act_call(r, ctx);
}


/*
 * A client has gone while its password waited.  What nobody was told was no
 * guess: else who is impatient in a rush of log-ins would be locked out with
 * the right password.
 */

void
ngx_http_portal_act_left(ngx_http_portal_ctx_t *ctx)
{
    char       *text;
    ngx_str_t   input;

    if (!ctx->guessed
        || json_object_set_new(ctx->input, "ok", json_null()) != 0)
    {
        return;
    }

    text = json_dumps(ctx->input, JSON_COMPACT);
    if (text == NULL) {
        return;
    }

    input.data = (u_char *) text;
    input.len = ngx_strlen(text);

    portal_count(PORTAL_COUNT_PASSWORD_UNTRIED);

    ngx_http_portal_tell(ctx->request, ctx, ctx->verdict->post, &input);

    portal_wipe(text, input.len);
    free(text);
}


static ngx_int_t
ngx_http_portal_act_hash(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    portal_field_t *field, const char *hash, ngx_http_portal_step_pt step)
{
    json_t  *password;

    if (field == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    password = json_object_get(ctx->values, field->name);

    return ngx_http_portal_password(r, ctx, json_string_value(password),
                                    json_string_length(password), hash, step);
}


/* password_hash is of one being chosen, rehash of the one that was verified */

static ngx_int_t
ngx_http_portal_act_hashed(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    portal_field_t    *fresh;
    portal_hash_op_t  *op;

    op = ctx->hash_op;
    ctx->hash_op = NULL;

    fresh = ngx_http_portal_act_field(ctx, 1);

    if (ctx->call_status == PORTAL_OP_OK) {
        if (json_object_set_new(ctx->input,
                                fresh ? "password_hash" : "rehash",
                                json_string(op->hash))
            != 0)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else if (fresh != NULL) {

        if (json_object_get(ctx->input, "ok") == NULL) {
            return ngx_http_portal_problem(r, ctx,
                                           NGX_HTTP_SERVICE_UNAVAILABLE, NULL);
        }

        json_object_set_new(ctx->input, "ok", json_null());
    }

    return ngx_http_portal_act_call(r, ctx);
}


static ngx_int_t
ngx_http_portal_act_call(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    return ngx_http_portal_call(r, ctx, ctx->verdict->post,
                                ngx_http_portal_after_act);
}


/* the password typed that is being chosen, or that is not; NULL: none is */

static portal_field_t *
ngx_http_portal_act_field(ngx_http_portal_ctx_t *ctx, ngx_uint_t fresh)
{
    size_t           i;
    portal_field_t  *field;

    for (i = 0; i < ctx->verdict->form->nfields; i++) {
        field = &ctx->verdict->form->fields[i];

        if (field->type == PORTAL_FIELD_PASSWORD && field->fresh == fresh
            && json_is_string(json_object_get(ctx->values, field->name)))
        {
            return field;
        }
    }

    return NULL;
}
