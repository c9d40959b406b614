
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * The language of an answer: the account's, else the one that was chosen in
 * this browser, else what the browser wishes, else the town's first.  Always
 * one that the town offers and that this nginx has the labels of.
 */

/* a year; written only when somebody chooses */
#define NGX_HTTP_PORTAL_LANGUAGE_COOKIE                                       \
    "__Host-lang=%V; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=31536000"


static ngx_int_t ngx_http_portal_language_wished(ngx_http_request_t *r,
    ngx_http_portal_main_conf_t *pmcf, ngx_http_portal_town_t *town);


/* ctx->chosen is the cookie's value */

void
ngx_http_portal_language(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t                     n;
    ngx_http_portal_town_t       *town;
    ngx_http_portal_loc_conf_t   *plcf;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);
    town = plcf->town;

    n = ngx_http_portal_language_find(pmcf, ctx->chosen.data, ctx->chosen.len);

    if (n == NGX_ERROR || !ngx_http_portal_language_offered(town, n)) {
        n = ngx_http_portal_language_wished(r, pmcf, town);
    }

    ctx->language = n == NGX_ERROR ? town->language : (ngx_uint_t) n;
}


static ngx_int_t
ngx_http_portal_language_wished(ngx_http_request_t *r,
    ngx_http_portal_main_conf_t *pmcf, ngx_http_portal_town_t *town)
{
    ngx_uint_t        i;
    portal_text_t     offered[NGX_HTTP_PORTAL_LANGUAGES];
    ngx_table_elt_t  *accept;

    accept = ngx_http_portal_find_header(r, "accept-language", 15);

    if (accept == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < pmcf->nlanguages; i++) {
        offered[i] = ngx_http_portal_text(pmcf->languages[i]);

        if (!ngx_http_portal_language_offered(town, i)) {
            offered[i].len = 0;
        }
    }

    return portal_language_accept(ngx_http_portal_text(accept->value),
                                  offered, pmcf->nlanguages);
}


/* the index of a language among those of the configuration, or NGX_ERROR */

ngx_int_t
ngx_http_portal_language_find(ngx_http_portal_main_conf_t *pmcf,
    const u_char *code, size_t len)
{
    ngx_uint_t  i;

    for (i = 0; len != 0 && i < pmcf->nlanguages; i++) {
        if (pmcf->languages[i].len == len
            && ngx_strncmp(pmcf->languages[i].data, code, len) == 0)
        {
            return (ngx_int_t) i;
        }
    }

    return NGX_ERROR;
}


/*
 * A document's "language" is what somebody has just chosen: the browser keeps
 * it for the time when nobody is signed in.
 */

ngx_int_t
ngx_http_portal_language_keep(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *choice)
{
    u_char                       *p, *text;
    ngx_int_t                     n;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    n = ngx_http_portal_language_find(pmcf,
                                      (u_char *) json_string_value(choice),
                                      json_string_length(choice));

    if (n == NGX_ERROR
        || !ngx_http_portal_language_offered(ctx->verdict->town, n))
    {
        /* the town offers a language that this nginx has not */

        return NGX_OK;
    }

    ctx->language = (ngx_uint_t) n;

    text = ngx_pnalloc(r->pool, sizeof(NGX_HTTP_PORTAL_LANGUAGE_COOKIE)
                                + pmcf->languages[n].len);
    if (text == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(text, NGX_HTTP_PORTAL_LANGUAGE_COOKIE,
                    &pmcf->languages[n]);

    return ngx_http_portal_add_header(r, "Set-Cookie", (const char *) text,
                                      (size_t) (p - text));
}
