
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * The language of an answer: what was chosen in this browser since the log-in,
 * else the account's, else what was chosen in this browser before, else what
 * the browser wishes, else the town's first.  Always one that the town offers
 * and that this nginx has the labels of.
 */

/* with the time of the choice; a year, written only when somebody chooses */
#define NGX_HTTP_PORTAL_LANGUAGE_COOKIE                                       \
    "__Host-lang=%V.%T; "                                                     \
    "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=31536000"


static ngx_int_t ngx_http_portal_language_chosen(ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_main_conf_t *pmcf, ngx_http_portal_town_t *town);
static ngx_int_t ngx_http_portal_language_wished(ngx_http_request_t *r,
    ngx_http_portal_main_conf_t *pmcf, ngx_http_portal_town_t *town);


/* ctx->chosen is the cookie's value */

void
ngx_http_portal_language(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t                     n;
    ngx_http_portal_town_t       *town;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    town = ctx->town;

    n = ngx_http_portal_language_chosen(ctx, pmcf, town);

    if (n == NGX_ERROR) {
        n = ngx_http_portal_language_wished(r, pmcf, town);
    }

    ctx->language = n == NGX_ERROR ? town->language : (ngx_uint_t) n;
}


/* a cookie of before has no time */

static ngx_int_t
ngx_http_portal_language_chosen(ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_main_conf_t *pmcf, ngx_http_portal_town_t *town)
{
    u_char     *dot, *last;
    time_t      at;
    ngx_int_t   n;

    last = ctx->chosen.data + ctx->chosen.len;
    dot = ctx->chosen.len ? ngx_strlchr(ctx->chosen.data, last, '.') : NULL;
    at = 0;

    if (dot != NULL) {
        at = ngx_atotm(dot + 1, (size_t) (last - dot - 1));
        last = dot;
    }

    n = ngx_http_portal_language_find(pmcf, ctx->chosen.data,
                                      (size_t) (last - ctx->chosen.data));

    if (n == NGX_ERROR || at == (time_t) NGX_ERROR
        || !ngx_http_portal_language_offered(town, n))
    {
        return NGX_ERROR;
    }

    ctx->chosen_at = at;

    return n;
}


/*
 * The account's, as the session's record has it.  While Redis takes no writes
 * that is older than what was chosen since.  The town may have stopped offering
 * it.
 */

void
ngx_http_portal_language_account(ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t                     n;
    ngx_http_request_t           *r;
    ngx_http_portal_main_conf_t  *pmcf;

    if (ctx->chosen_at >= (time_t) ctx->session.opened) {
        return;
    }

    r = ctx->request;
    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    n = ngx_http_portal_language_find(pmcf, ctx->session.lang,
                                      sizeof(ctx->session.lang));

    if (n != NGX_ERROR && ngx_http_portal_language_offered(ctx->town, n)) {
        ctx->language = (ngx_uint_t) n;
    }
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


/* a document's "language" is what somebody has just chosen */

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
        || !ngx_http_portal_language_offered(ctx->town, n))
    {
        /* the town offers a language that this nginx has not */

        return NGX_OK;
    }

    ctx->language = (ngx_uint_t) n;

    if (ctx->live) {
        ngx_http_portal_session_lang(&ctx->session, pmcf, (ngx_uint_t) n);
        ngx_http_portal_session_rewrite(ctx);
    }

    text = ngx_pnalloc(r->pool, sizeof(NGX_HTTP_PORTAL_LANGUAGE_COOKIE)
                                + pmcf->languages[n].len + NGX_TIME_T_LEN);
    if (text == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(text, NGX_HTTP_PORTAL_LANGUAGE_COOKIE,
                    &pmcf->languages[n], ngx_time());

    return ngx_http_portal_add_header(r, "Set-Cookie", (const char *) text,
                                      (size_t) (p - text));
}
