
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A document's sealed values, opened in its text and nowhere else:
 *
 *     {"$sealed" : "child/UUID/allergies/BASE64URL"}
 *
 * becomes the string it hides, whoever wrote the spaces: PostgreSQL, or jansson
 * where a document was parsed for its effects.  No text of a person can look
 * like this: inside a JSON string its quotes would be escaped.
 */

#define NGX_HTTP_PORTAL_SEALED_MARK  "{\"$sealed\""


static u_char *ngx_http_portal_sealed_mark(u_char *p, u_char *end);
static u_char *ngx_http_portal_open_one(ngx_http_request_t *r, u_char *p,
    u_char *end, u_char **out, u_char *last);
static u_char *ngx_http_portal_json_escape(u_char *dst, u_char *last,
    u_char *src, size_t len);
static void ngx_http_portal_sealed_wipe(void *data);


ngx_int_t
ngx_http_portal_open_sealed(ngx_http_request_t *r, ngx_str_t *text)
{
    u_char              *p, *mark, *end, *out, *last, *start;
    ngx_str_t           *opened;
    ngx_pool_cleanup_t  *cln;

    if (text->len == 0) {
        return NGX_OK;
    }

    p = text->data;
    end = text->data + text->len;

    mark = ngx_http_portal_sealed_mark(p, end);
    if (mark == NULL) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_str_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    /*
     * Base64 shrinks by a quarter and the wrapping goes; escaping makes a
     * byte six at the most, which only control characters need.
     */

    opened = cln->data;
    opened->len = 5 * text->len + 1;
    opened->data = ngx_pnalloc(r->pool, opened->len);

    if (opened->data == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_portal_sealed_wipe;

    start = opened->data;
    out = start;
    last = start + opened->len;

    do {
        out = ngx_cpymem(out, p, mark - p);
        p = ngx_http_portal_open_one(r, mark, end, &out, last);

        if (p == NULL) {
            ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                          "portal: a sealed value does not open, its place "
                          "or its key is not the one it was sealed for");
            return NGX_ERROR;
        }

        mark = ngx_http_portal_sealed_mark(p, end);

    } while (mark != NULL);

    out = ngx_cpymem(out, p, end - p);

    text->data = start;
    text->len = (size_t) (out - start);

    opened->len = text->len;
    *out = '\0';

    return NGX_OK;
}


static void
ngx_http_portal_sealed_wipe(void *data)
{
    ngx_str_t *opened = data;

    portal_wipe(opened->data, opened->len);
}


/* by its dollar, which is rare: a tenth of the time of memmem() */

static u_char *
ngx_http_portal_sealed_mark(u_char *p, u_char *end)
{
    size_t   len;
    u_char  *start;

    len = sizeof(NGX_HTTP_PORTAL_SEALED_MARK) - 1;
    start = p;

    while ((p = memchr(p, '$', (size_t) (end - p))) != NULL) {

        if (p - start >= 2 && (size_t) (end - p) >= len - 2
            && ngx_memcmp(p - 2, NGX_HTTP_PORTAL_SEALED_MARK, len) == 0)
        {
            return p - 2;
        }

        p++;
    }

    return NULL;
}


/* p is at the mark; returns what follows the closing brace */

static u_char *
ngx_http_portal_open_one(ngx_http_request_t *r, u_char *p, u_char *end,
    u_char **out, u_char *last)
{
    int                           n;
    u_char                       *plain, *piece, *dst;
    ngx_uint_t                    i;
    portal_text_t                 part[4];
    ngx_http_portal_ctx_t        *ctx;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    p += sizeof(NGX_HTTP_PORTAL_SEALED_MARK) - 1;

    while (p < end && (*p == ' ' || *p == ':')) {
        p++;
    }

    if (p == end || *p++ != '"') {
        return NULL;
    }

    /* kind, id, field, sealed */

    for (i = 0; i < 4; i++) {
        piece = p;

        while (p < end && *p != '/' && *p != '"') {
            p++;
        }

        if (p == end || *p != (i < 3 ? '/' : '"')) {
            return NULL;
        }

        part[i].data = (const char *) piece;
        part[i].len = (size_t) (p - piece);
        p++;
    }

    if (p == end || *p++ != '}') {
        return NULL;
    }

    plain = ngx_pnalloc(r->pool, part[3].len + 1);
    if (plain == NULL) {
        return NULL;
    }

    n = portal_open(pmcf->keys, ngx_http_portal_text(ctx->town->slug),
                    part[0], part[1], part[2], part[3], (char *) plain,
                    part[3].len);
    if (n < 0) {
        return NULL;
    }

    dst = *out;
    *dst++ = '"';
    dst = ngx_http_portal_json_escape(dst, last, plain, (size_t) n);
    *dst++ = '"';
    *out = dst;

    portal_wipe(plain, (size_t) n);

    return p;
}


static u_char *
ngx_http_portal_json_escape(u_char *dst, u_char *last, u_char *src, size_t len)
{
    static const u_char  hex[] = "0123456789abcdef";

    while (len--) {

        if (*src == '"' || *src == '\\') {
            *dst++ = '\\';
            *dst++ = *src++;

        } else if (*src < 0x20) {
            dst = ngx_cpymem(dst, "\\u00", 4);
            *dst++ = hex[*src >> 4];
            *dst++ = hex[*src++ & 0xf];

        } else {
            *dst++ = *src++;
        }
    }

    return dst;
}
