
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


static ngx_int_t ngx_http_portal_same_origin(ngx_str_t *origin,
    ngx_str_t *own);


ngx_table_elt_t *
ngx_http_portal_find_header(ngx_http_request_t *r, const char *name,
    size_t len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    part = &r->headers_in.headers.part;
    header = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (header[i].key.len == len
            && ngx_strncasecmp(header[i].key.data, (u_char *) name, len) == 0)
        {
            return &header[i];
        }
    }
}


/*
 * What a browser says of where the request comes from cannot be forged by
 * another site's page: Sec-Fetch-Site, else Origin.  Where neither is there it
 * is no browser of today; then only JSON goes on, whose token
 * ngx_http_portal_check_token() wants in a header that no form can send.
 * Returns NULL, or the code of the problem: what is said is true of either
 * cause, and is nothing that who forges a request does not know.
 */

const char *
ngx_http_portal_check_origin(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf)
{
    const char       *code;
    ngx_table_elt_t  *site, *origin, *type;

    if (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_OPTIONS)) {
        return NULL;
    }

    if (plcf->handled && !(r->method == NGX_HTTP_POST && plcf->act != NULL)) {

        /* nothing will be changed: 405, or an error being shown */

        return NULL;
    }

    code = "other_site";

    site = ngx_http_portal_find_header(r, "sec-fetch-site", 14);
    origin = ngx_http_portal_find_header(r, "origin", 6);

    if (site != NULL) {

        if (site->value.len != 11
            || ngx_strncmp(site->value.data, "same-origin", 11) != 0)
        {
            goto refuse;
        }

        /*
         * Set by the browser alone; Origin adds nothing to it, and is "null"
         * from a page under Referrer-Policy: no-referrer.
         */

        return NULL;
    }

    if (origin != NULL) {

        if (ngx_http_portal_same_origin(&origin->value,
                                        plcf->agents
                                        ? &ctx->town->agent_origin
                                        : &ctx->town->origin)
            == NGX_OK)
        {
            return NULL;
        }

        goto refuse;
    }

    type = r->headers_in.content_type;

    if (type != NULL && type->value.len >= 16
        && ngx_strncasecmp(type->value.data, (u_char *) "application/json",
                           16)
           == 0
        && ngx_http_portal_find_header(r, NGX_HTTP_PORTAL_CSRF_HEADER,
                                       sizeof(NGX_HTTP_PORTAL_CSRF_HEADER) - 1)
           != NULL)
    {
        return NULL;
    }

    code = "origin_missing";

refuse:

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "portal refused a request that another site may have sent");

    return code;
}


static ngx_int_t
ngx_http_portal_same_origin(ngx_str_t *origin, ngx_str_t *own)
{
    if (own->len == 0
        || origin->len != own->len
        || ngx_strncasecmp(origin->data, own->data, origin->len) != 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* the token belongs to the session, or before it to the visitor's cookie */

ngx_int_t
ngx_http_portal_check_token(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const char *field)
{
    ngx_str_t                     token;
    ngx_table_elt_t              *header;
    portal_text_t                 binding;
    ngx_http_portal_main_conf_t  *pmcf;

    /*
     * A log-out whose session is over has nothing left to do: sent again after
     * a lost answer it has no token that could be right, and needs none.
     */

    if (ctx->verdict->form->logout && !ctx->live) {
        return NGX_OK;
    }

    /*
     * What is at stake for nobody in particular is not worth a cookie on every
     * page that shows its button; where it comes from was looked at all the
     * same.
     */

    if (ctx->verdict->form->open && !ctx->live && !ctx->expired) {
        return NGX_OK;
    }

    /* a machine's key comes with no cookie, so no other site can send it */

    if (ctx->verdict->audience == NGX_HTTP_PORTAL_MACHINE) {
        return NGX_OK;
    }

    header = ngx_http_portal_find_header(r, NGX_HTTP_PORTAL_CSRF_HEADER,
                                     sizeof(NGX_HTTP_PORTAL_CSRF_HEADER) - 1);

    if (header != NULL) {
        token = header->value;

    } else if (field != NULL) {
        token.data = (u_char *) field;
        token.len = ngx_strlen(field);

    } else {
        return NGX_DECLINED;
    }

    if (ctx->live || ctx->expired) {
        binding.data = (const char *) ctx->mac_hex;

    } else if (ngx_http_portal_visitor(r, ctx) != NULL) {
        binding.data = (const char *) ctx->visit_hex;

    } else {
        return NGX_DECLINED;
    }

    binding.len = PORTAL_MAC_HEX;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    if (!portal_csrf_check(pmcf->keys,
                           ngx_http_portal_text(ctx->town->slug),
                           binding, ngx_http_portal_text(token)))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_str_t
ngx_http_portal_csrf(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    u_char                       *secret;
    ngx_str_t                     token;
    portal_text_t                 binding;
    ngx_http_portal_main_conf_t  *pmcf;

    ngx_str_null(&token);

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    if (ctx->live) {
        binding.data = (const char *) ctx->mac_hex;

    } else {

        if (ngx_http_portal_visitor(r, ctx) == NULL) {
            secret = ngx_pnalloc(r->pool, PORTAL_SECRET_B64);
            if (secret == NULL) {
                return token;
            }

            portal_secret((char *) secret);

            if (ngx_http_portal_set_cookie(r, "__Host-visit", secret,
                                           PORTAL_SECRET_B64, "SameSite=Lax")
                != NGX_OK)
            {
                return token;
            }

            ctx->visit.data = secret;
            ctx->visit.len = PORTAL_SECRET_B64;

            (void) ngx_http_portal_visitor(r, ctx);
        }

        binding.data = (const char *) ctx->visit_hex;
    }

    binding.len = PORTAL_MAC_HEX;

    token.data = ngx_pnalloc(r->pool, PORTAL_CSRF_B64 + 1);
    if (token.data == NULL) {
        return token;
    }

    portal_csrf_make(pmcf->keys,
                     ngx_http_portal_text(ctx->town->slug), binding,
                     (char *) token.data);
    token.data[PORTAL_CSRF_B64] = '\0';
    token.len = PORTAL_CSRF_B64;

    return token;
}
