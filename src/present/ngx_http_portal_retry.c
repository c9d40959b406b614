
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A form that could not be answered.  Not every browser still has what was
 * typed when one goes back, so the page that says so carries it, to be sent
 * again with a button: the same request under the same key, which counts once.
 * What is not to be written into a page (a password, a code, a file) cannot be
 * had so: then the page does without.
 */


static json_t *ngx_http_portal_retry_fields(ngx_http_portal_ctx_t *ctx);
static ngx_uint_t ngx_http_portal_retry_part(ngx_http_portal_ctx_t *ctx,
    const char *name);


/* {"action", "unknown", "fields": [{"name", "value"}]}; null: not this one */

json_t *
ngx_http_portal_retry(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t status)
{
    size_t          i;
    json_t         *retry;
    ngx_str_t       path;
    portal_form_t  *form;

    if (status != NGX_HTTP_SERVICE_UNAVAILABLE || r->method != NGX_HTTP_POST
        || !ctx->live || ctx->verdict == NULL || ctx->verdict->form == NULL
        || ctx->typed == NULL || ctx->nfiles || ctx->key.len == 0)
    {
        return json_null();
    }

    form = ctx->verdict->form;

    if (!form->idempotent || form->captcha) {
        return json_null();
    }

    for (i = 0; i < form->nfields; i++) {
        if (form->fields[i].type == PORTAL_FIELD_PASSWORD
            || form->fields[i].type == PORTAL_FIELD_OTP)
        {
            return json_null();
        }
    }

    if (ngx_http_portal_relogin_path(r, &path) != NGX_OK) {
        return NULL;
    }

    retry = json_pack("{s:s%, s:b, s:o?}",
                      "action", path.data, path.len,
                      "unknown", (int) ctx->again,
                      "fields", ngx_http_portal_retry_fields(ctx));

    /* what is no UTF-8 in an address is no way back */

    return retry ? retry : json_null();
}


static json_t *
ngx_http_portal_retry_fields(ngx_http_portal_ctx_t *ctx)
{
    json_t      *fields, *value;
    const char  *name;

    fields = json_array();

    (void) json_array_append_new(fields,
               json_pack("{s:s, s:s%}", "name", "key",
                         "value", ctx->key.data, ctx->key.len));

    json_object_foreach(ctx->typed, name, value) {

        if (!json_is_string(value) || ngx_http_portal_retry_part(ctx, name)) {
            continue;
        }

        if (json_array_append_new(fields,
                                  json_pack("{s:s, s:O}", "name", name,
                                            "value", value))
            != 0)
        {
            json_decref(fields);
            return NULL;
        }
    }

    return fields;
}


/* a date goes by its day, month and year, and not besides */

static ngx_uint_t
ngx_http_portal_retry_part(ngx_http_portal_ctx_t *ctx, const char *name)
{
    char                   day[PORTAL_BODY_NAME + sizeof("_day")];
    const portal_field_t  *field;

    field = portal_form_field(ctx->verdict->form, name);

    if (field == NULL || field->type != PORTAL_FIELD_DATE) {
        return 0;
    }

    ngx_snprintf((u_char *) day, sizeof(day), "%s_day%Z", name);

    return json_object_get(ctx->typed, day) != NULL;
}
