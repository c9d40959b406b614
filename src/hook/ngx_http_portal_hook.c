
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A claimed message is signed here, with each secret of its webhook: two, for
 * a day after the first was replaced.
 */


static portal_text_t ngx_http_portal_hook_text(json_t *object,
    const char *name);


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
