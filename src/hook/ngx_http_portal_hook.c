
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"
#include "portal_address.h"


/*
 * What an administrator types as an address for messages is looked at here, so
 * that one which nothing would ever be sent to is refused at once, and not told
 * of as a failure for three days.  Whoever is let in is still asked for when
 * the socket is made.
 *
 * A claimed message is signed here, with each secret of its webhook: two, for
 * a day after the first was replaced.
 */


static ngx_uint_t ngx_http_portal_hook_reaches(const char *url,
    ngx_array_t *allow);
static portal_text_t ngx_http_portal_hook_text(json_t *object,
    const char *name);


ngx_int_t
ngx_http_portal_hook_check(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    size_t                        i;
    const char                   *url;
    portal_form_t                *form;
    portal_field_t               *field;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    form = ctx->verdict->form;

    for (i = 0; i < form->nfields; i++) {
        field = &form->fields[i];

        if (!field->outward) {
            continue;
        }

        url = json_string_value(json_object_get(ctx->values, field->name));

        if (url == NULL
            || ngx_http_portal_hook_reaches(url, pmcf->hook.allow))
        {
            continue;
        }

        (void) json_object_del(ctx->values, field->name);

        if (ngx_http_portal_add_error(ctx, field->name, "url_private")
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_portal_hook_reaches(const char *url, ngx_array_t *allow)
{
    uint8_t             v4[4];
    struct sockaddr_in  sin;

    switch (portal_address_host(url, v4)) {

    case PORTAL_HOST_NUMBER:
        return 0;

    case PORTAL_HOST_LOCAL:

        /* where some of the town's own network are let in it may be known */

        return allow != NULL;

    case PORTAL_HOST_V4:
        ngx_memzero(&sin, sizeof(sin));
        sin.sin_family = AF_INET;
        ngx_memcpy(&sin.sin_addr.s_addr, v4, sizeof(v4));

        return portal_hook_may((struct sockaddr *) &sin, allow);

    default:
        return 1;
    }
}


ngx_int_t
ngx_http_portal_hook_sign(void *data, json_t *row, ngx_str_t *timestamp,
    char out[PORTAL_HOOK_SIGNATURES])
{
    ngx_http_portal_main_conf_t *pmcf = data;

    int             n, rc;
    char            secret[256], *p;
    size_t          i;
    json_t         *secrets, *one;
    portal_text_t   slug, id, body;

    slug = ngx_http_portal_hook_text(row, "tenant");
    id = ngx_http_portal_hook_text(row, "id");
    body = ngx_http_portal_hook_text(row, "body");
    secrets = json_object_get(row, "secrets");
    p = out;

    for (i = 0; i < json_array_size(secrets) && i < 2; i++) {
        one = json_array_get(secrets, i);

        n = portal_open(pmcf->keys, slug, (portal_text_t) { "webhook", 7 },
                        ngx_http_portal_hook_text(one, "id"),
                        (portal_text_t) { "secret", 6 },
                        ngx_http_portal_hook_text(one, "sealed"), secret,
                        sizeof(secret));
        if (n < 0) {
            return NGX_ERROR;
        }

        if (i) {
            *p++ = ' ';
        }

        rc = portal_signing_sign((portal_text_t) { secret, (size_t) n }, id,
                                 ngx_http_portal_text(*timestamp), body, p);

        portal_wipe(secret, sizeof(secret));

        if (rc != 0) {
            return NGX_ERROR;
        }

        p += PORTAL_SIGNATURE;
    }

    *p = '\0';

    return i ? NGX_OK : NGX_ERROR;
}


static portal_text_t
ngx_http_portal_hook_text(json_t *object, const char *name)
{
    json_t         *value;
    portal_text_t   text;

    value = json_object_get(object, name);

    text.data = json_is_string(value) ? json_string_value(value) : "";
    text.len = json_string_length(value);

    return text;
}
