
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * The second factor of agents.  Which step a code is of is found here, where
 * the secret can be opened; that a step counts once only the database can say.
 */

/* stands for the secret of who is unknown, for the same work */
#define NGX_HTTP_PORTAL_OTP_NOBODY  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


static portal_text_t ngx_http_portal_otp_secret(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *document);


/* the field of a form that takes a code, or NULL */

portal_field_t *
ngx_http_portal_otp_field(portal_form_t *form)
{
    size_t  i;

    for (i = 0; i < form->nfields; i++) {
        if (form->fields[i].type == PORTAL_FIELD_OTP) {
            return &form->fields[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_portal_otp(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *document)
{
    json_t          *value;
    int64_t          step;
    portal_text_t    code, secret;
    portal_field_t  *field;

    field = ngx_http_portal_otp_field(ctx->verdict->form);

    if (field == NULL) {
        return NGX_OK;
    }

    value = json_object_get(ctx->values, field->name);
    code.data = json_string_value(value);
    code.len = json_string_length(value);

    secret = ngx_http_portal_otp_secret(r, ctx, document);

    if (secret.data != NULL) {
        step = portal_totp_check(secret, code, (int64_t) ngx_time());
        portal_wipe((char *) secret.data, secret.len);

    } else {
        secret.data = NGX_HTTP_PORTAL_OTP_NOBODY;
        secret.len = sizeof(NGX_HTTP_PORTAL_OTP_NOBODY) - 1;

        (void) portal_totp_check(secret, code, (int64_t) ngx_time());

        step = -1;
    }

    return json_object_set_new(ctx->input, "otp_step",
                               step < 0 ? json_null()
                                        : json_integer((json_int_t) step))
           == 0 ? NGX_OK : NGX_ERROR;
}


/* bound to the agent's row: another's does not open */

static portal_text_t
ngx_http_portal_otp_secret(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *document)
{
    int                           n;
    char                         *plain;
    json_t                       *id, *value;
    portal_text_t                 secret, sealed, seal_id;
    ngx_http_portal_main_conf_t  *pmcf;

    secret.data = NULL;
    secret.len = 0;

    id = json_object_get(document, "seal_id");
    value = json_object_get(document, "otp");

    if (!json_is_string(id) || !json_is_string(value)) {
        return secret;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    seal_id.data = json_string_value(id);
    seal_id.len = json_string_length(id);
    sealed.data = json_string_value(value);
    sealed.len = json_string_length(value);

    plain = ngx_pnalloc(r->pool, sealed.len);
    if (plain == NULL) {
        return secret;
    }

    n = portal_open(pmcf->keys,
                    ngx_http_portal_text(ctx->town->slug),
                    (portal_text_t) { "agent", 5 }, seal_id,
                    (portal_text_t) { "totp", 4 }, sealed, plain, sealed.len);

    if (n < 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: an agent's secret does not open");
        return secret;
    }

    secret.data = plain;
    secret.len = (size_t) n;

    return secret;
}
