
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A sealed field goes to PostgreSQL as
 *
 *     {"sealed": base64url, "mac": hex, "hint": "0189"}
 *
 * and as null when it was emptied.  It is sealed for the place that it has in
 * the file, kind / id of the person / field, so that it moves there as it is
 * once it is accepted.  Two sealings of a value differ: what compares them is
 * the MAC of the place and the value.  A hint is what pages may show of a value
 * that they never open.
 */

#define NGX_HTTP_PORTAL_HINT      4     /* last characters of an IBAN */


static ngx_int_t ngx_http_portal_seal_value(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field,
    portal_text_t plain);
static ngx_int_t ngx_http_portal_seal_text(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field,
    portal_text_t plain, json_t *out);
static ngx_int_t ngx_http_portal_seal_mac(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field,
    portal_text_t plain, json_t *out);
static portal_text_t ngx_http_portal_seal_part(ngx_http_portal_ctx_t *ctx,
    const char *name);


ngx_uint_t
ngx_http_portal_seal_waits(ngx_http_portal_ctx_t *ctx)
{
    size_t          i;
    json_t         *value;
    portal_form_t  *form;

    form = ctx->verdict->form;

    for (i = 0; i < form->nfields && ctx->place == NULL; i++) {
        value = json_object_get(ctx->values, form->fields[i].name);

        if (form->fields[i].sealed && value != NULL && !json_is_null(value)) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_portal_seal_field(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field)
{
    char            digits[NGX_INT64_LEN + 1];
    json_t         *value;
    ngx_int_t       rc;
    portal_text_t   plain;

    value = json_object_get(ctx->values, field->name);

    if (json_is_string(value)) {
        plain.data = json_string_value(value);
        plain.len = json_string_length(value);

    } else if (json_is_integer(value)) {
        plain.data = digits;
        plain.len = (size_t) (ngx_sprintf((u_char *) digits, "%L",
                                          (int64_t) json_integer_value(value))
                              - (u_char *) digits);

    } else {
        return json_object_set_new(ctx->input, field->name, json_null()) == 0
               ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_portal_seal_value(r, ctx, field, plain);

    /* the copy that is shown again is ctx->typed's */

    portal_wipe((char *) plain.data, plain.len);

    if (json_is_integer(value)) {
        (void) json_integer_set(value, 0);
    }

    (void) json_object_del(ctx->values, field->name);

    return rc;
}


static ngx_int_t
ngx_http_portal_seal_value(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, portal_text_t plain)
{
    size_t      n;
    json_t     *out;
    ngx_int_t   rc;

    /* sealed for no place it would open nowhere */

    if (ngx_http_portal_seal_part(ctx, "kind").len == 0
        || ngx_http_portal_seal_part(ctx, "id").len == 0)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: the place of a sealed field is not known");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    out = json_object();

    if (json_object_set_new(ctx->input, field->name, out) != 0
        || ngx_http_portal_seal_text(r, ctx, field, plain, out) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_portal_seal_mac(r, ctx, field, plain, out);

    if (rc == NGX_OK && field->type == PORTAL_FIELD_IBAN) {
        n = ngx_min(plain.len, NGX_HTTP_PORTAL_HINT);

        if (json_object_set_new(out, "hint",
                                json_stringn(plain.data + plain.len - n, n))
            != 0)
        {
            rc = NGX_ERROR;
        }
    }

    return rc == NGX_OK ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_portal_seal_text(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, portal_text_t plain, json_t *out)
{
    int                           n;
    char                         *text;
    size_t                        size;
    portal_text_t                 name;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    name.data = field->name;
    name.len = ngx_strlen(field->name);

    size = portal_sealed_len(plain.len);

    text = ngx_pnalloc(r->pool, size);
    if (text == NULL) {
        return NGX_ERROR;
    }

    n = portal_seal(pmcf->keys, ngx_http_portal_text(ctx->town->slug),
                    ngx_http_portal_seal_part(ctx, "kind"),
                    ngx_http_portal_seal_part(ctx, "id"), name, plain, text,
                    size);
    if (n < 0) {
        return NGX_ERROR;
    }

    return json_object_set_new(out, "sealed", json_stringn(text, (size_t) n))
           == 0 ? NGX_OK : NGX_ERROR;
}


/*
 * An allocataire's number is the one thing that the town searches for: its MAC
 * is of the number alone.
 */

static ngx_int_t
ngx_http_portal_seal_mac(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, portal_text_t plain, json_t *out)
{
    char                          hex[PORTAL_MAC_HEX];
    uint8_t                       mac[PORTAL_MAC_LEN];
    portal_text_t                 name, tenant;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    tenant = ngx_http_portal_text(ctx->town->slug);
    name.data = field->name;
    name.len = ngx_strlen(field->name);

    if (field->type != PORTAL_FIELD_CAF_NUMBER) {
        portal_mac_value(pmcf->keys, tenant,
                         ngx_http_portal_seal_part(ctx, "kind"),
                         ngx_http_portal_seal_part(ctx, "id"), name, plain,
                         mac);

    } else if (portal_mac_caf(pmcf->keys, tenant, plain, mac) != 0) {
        return NGX_ERROR;
    }

    portal_hex(mac, sizeof(mac), hex);

    return json_object_set_new(out, "mac", json_stringn(hex, sizeof(hex)))
           == 0 ? NGX_OK : NGX_ERROR;
}


static portal_text_t
ngx_http_portal_seal_part(ngx_http_portal_ctx_t *ctx, const char *name)
{
    json_t         *value;
    portal_text_t   text;

    value = json_object_get(ctx->place, name);

    text.data = json_is_string(value) ? json_string_value(value) : "";
    text.len = json_string_length(value);

    return text;
}
