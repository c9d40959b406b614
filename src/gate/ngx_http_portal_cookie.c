
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * The cookies: of the session, of the visitor that forms are bound to before
 * there is one, and of the device.
 */


static ngx_uint_t ngx_http_portal_cookie(ngx_http_request_t *r,
    const char *name, size_t len, ngx_str_t *value);


/* reads the cookies; more than one of a name is none; so is another form, which
   ngx_http_portal_visitor() sees for the visitor's */

void
ngx_http_portal_session_cookies(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_str_t                     value;
    const char                   *name;
    portal_text_t                 slug;
    ngx_http_portal_loc_conf_t   *plcf;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    slug = ngx_http_portal_text(ctx->town->slug);

    name = plcf->agents ? "__Host-agent" : "__Host-portal";

    if (ngx_http_portal_cookie(r, name, ngx_strlen(name), &value) == 1
        && portal_mac_secret(pmcf->keys, ngx_http_portal_session_purpose(plcf),
                             slug, ngx_http_portal_text(value), ctx->mac)
           == 0)
    {
        portal_hex(ctx->mac, PORTAL_MAC_LEN, (char *) ctx->mac_hex);
        ctx->cookie = 1;
    }

    if (ngx_http_portal_cookie(r, "__Host-visit", 12, &value) == 1) {
        ctx->visit = value;
    }

    if (ngx_http_portal_cookie(r, "__Host-lang", 11, &value) == 1) {
        ctx->chosen = value;
    }
}


/*
 * What agents may do is not to be begun by a link on another site; a parent
 * follows links of mails.
 */

ngx_int_t
ngx_http_portal_session_cookie(ngx_http_request_t *r, u_char *value)
{
    const char                  *name, *more;
    ngx_http_portal_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    if (plcf->agents) {
        name = "__Host-agent";
        more = value ? "SameSite=Strict" : "SameSite=Strict; Max-Age=0";

    } else {
        name = "__Host-portal";
        more = value ? "SameSite=Lax" : "SameSite=Lax; Max-Age=0";
    }

    return ngx_http_portal_set_cookie(r, name, value,
                                      value ? PORTAL_SECRET_B64 : 0, more);
}


/* looked at when it is asked for: most requests of a session never do */

u_char *
ngx_http_portal_visitor(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    uint8_t                       mac[PORTAL_MAC_LEN];
    ngx_http_portal_main_conf_t  *pmcf;

    if (ctx->visitor) {
        return ctx->visit_hex;
    }

    if (!portal_is_secret(ngx_http_portal_text(ctx->visit))) {
        return NULL;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    portal_mac(pmcf->keys, "visit", ngx_http_portal_text(ctx->town->slug),
               ngx_http_portal_text(ctx->visit), mac);
    portal_hex(mac, PORTAL_MAC_LEN, (char *) ctx->visit_hex);

    ctx->visitor = 1;

    return ctx->visit_hex;
}


/* how many cookies of that name came; value is the last one's */

static ngx_uint_t
ngx_http_portal_cookie(ngx_http_request_t *r, const char *name, size_t len,
    ngx_str_t *value)
{
    u_char      *p, *end, *start;
    ngx_str_t   *header;
    ngx_uint_t   i, found;

    found = 0;

    for (i = 0; (header = portal_compat_cookie(r, i)) != NULL; i++) {
        p = header->data;
        end = p + header->len;

        while (p < end) {
            while (p < end && (*p == ' ' || *p == ';')) {
                p++;
            }

            start = p;
            p = memchr(start, ';', (size_t) (end - start));
            p = p ? p : end;

            if ((size_t) (p - start) > len
                && start[len] == '='
                && ngx_strncmp(start, name, len) == 0)
            {
                value->data = start + len + 1;
                value->len = (size_t) (p - value->data);

                while (value->len
                       && value->data[value->len - 1] == ' ')
                {
                    value->len--;
                }

                found++;
            }
        }
    }

    return found;
}


/*
 * The device: known to an account once it has logged in to it.  Its cookie is
 * given, or given again, at each log-in.
 */

ngx_int_t
ngx_http_portal_device(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *about)
{
    uint8_t                       mac[PORTAL_MAC_LEN];
    char                          hex[PORTAL_MAC_HEX];
    ngx_str_t                     value;
    portal_text_t                 secret;
    ngx_uint_t                    known;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    known = ngx_http_portal_cookie(r, "__Host-device", 13, &value) == 1
            && portal_is_secret(ngx_http_portal_text(value));

    if (known) {
        ngx_memcpy(ctx->device, value.data, PORTAL_SECRET_B64);

    } else if (ctx->verdict->form->login) {
        portal_secret((char *) ctx->device);

    } else {
        return NGX_OK;
    }

    secret.data = (const char *) ctx->device;
    secret.len = PORTAL_SECRET_B64;

    portal_mac(pmcf->keys, "device",
               ngx_http_portal_text(ctx->town->slug), secret, mac);
    portal_hex(mac, PORTAL_MAC_LEN, hex);

    return json_object_set_new(about, known ? "device" : "new_device",
                               json_stringn(hex, PORTAL_MAC_HEX))
           == 0 ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_portal_set_cookie(ngx_http_request_t *r, const char *name,
    u_char *value, size_t len, const char *more)
{
    size_t   size;
    u_char  *p, *text;

    size = ngx_strlen(name) + 1 + len
           + sizeof("; Path=/; Secure; HttpOnly; ") + ngx_strlen(more);

    text = ngx_pnalloc(r->pool, size);
    if (text == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(text, "%s=%*s; Path=/; Secure; HttpOnly; %s", name, len,
                    value, more);

    return ngx_http_portal_add_header(r, "Set-Cookie", (const char *) text,
                                      (size_t) (p - text));
}
