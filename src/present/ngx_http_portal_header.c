
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What every answer of the portal carries.  The policy allows nothing inline
 * and nothing from elsewhere: the pages need neither.  Browsers tell what they
 * refuse; old ones know report-uri, new ones report-to.
 */

#define NGX_HTTP_PORTAL_REPORTS  "/rapports-csp"

typedef struct {
    const char  *name;
    const char  *value;
    size_t       len;
} ngx_http_portal_header_t;

#define ngx_http_portal_fixed(name, value)  { name, value, sizeof(value) - 1 }

static ngx_http_portal_header_t  ngx_http_portal_fixed_headers[] = {

    ngx_http_portal_fixed("Content-Security-Policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; "
        "img-src 'self'; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "report-uri " NGX_HTTP_PORTAL_REPORTS "; report-to portal"),
    ngx_http_portal_fixed("Reporting-Endpoints",
                          "portal=\"" NGX_HTTP_PORTAL_REPORTS "\""),

    ngx_http_portal_fixed("X-Content-Type-Options", "nosniff"),
    ngx_http_portal_fixed("X-Frame-Options", "DENY"),
    ngx_http_portal_fixed("Referrer-Policy", "same-origin"),
    ngx_http_portal_fixed("Cross-Origin-Opener-Policy", "same-origin"),
    ngx_http_portal_fixed("Cross-Origin-Resource-Policy", "same-origin"),
    ngx_http_portal_fixed("Cache-Control", "no-store"),
    ngx_http_portal_fixed("Vary", "Accept, Accept-Language, Cookie"),

    { NULL, NULL, 0 }
};


static void ngx_http_portal_drop_header(ngx_http_request_t *r,
    const char *name);
static ngx_uint_t ngx_http_portal_accept_quality(u_char *p, u_char *end);


/* name and value are not copied */

ngx_int_t
ngx_http_portal_add_header(ngx_http_request_t *r, const char *name,
    const char *value, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) name;
    h->value.len = len;
    h->value.data = (u_char *) value;
    portal_compat_header(h);

    return NGX_OK;
}


/* an internal redirect keeps what was pushed before it */

ngx_uint_t
ngx_http_portal_sent_header(ngx_http_request_t *r, const char *name,
    size_t len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


/* name as it was pushed; value is not copied */

void
ngx_http_portal_set_header(ngx_http_request_t *r, const char *name,
    const char *value, size_t len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_strcmp(h[i].key.data, name) == 0) {
                h[i].value.data = (u_char *) value;
                h[i].value.len = len;
            }
        }
    }
}


ngx_int_t
ngx_http_portal_headers(ngx_http_request_t *r)
{
    ngx_http_portal_header_t  *h;

    if (ngx_http_portal_sent_header(r, "X-Frame-Options", 15)) {
        return NGX_OK;
    }

    for (h = ngx_http_portal_fixed_headers; h->name; h++) {
        if (r->internal) {
            ngx_http_portal_drop_header(r, h->name);
        }

        if (ngx_http_portal_add_header(r, h->name, h->value, h->len)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* an add_header of the location where a file was, which no range of it fits */

static void
ngx_http_portal_drop_header(ngx_http_request_t *r, const char *name)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                h[i].hash = 0;
            }
        }
    }
}


/*
 * A document's version comes right after its status, so that it is found
 * without being parsed.  The header is none that nginx's filters know: they
 * would make it weak, or answer 304, and what is not stored has no copy.
 */

ngx_int_t
ngx_http_portal_etag(ngx_http_request_t *r, ngx_str_t *document)
{
    u_char     *p, *last, *value;
    ngx_str_t   start = ngx_string("{\"status\" : 200, \"version\" : \"");

    if (document->len <= start.len
        || ngx_strncmp(document->data, start.data, start.len) != 0)
    {
        return NGX_OK;
    }

    p = document->data + start.len - 1;
    last = ngx_strlchr(p + 1, document->data + document->len, '"');

    if (last == NULL || last - p > NGX_HTTP_PORTAL_ETAG) {
        return NGX_OK;
    }

    last++;

    value = ngx_pnalloc(r->pool, (size_t) (last - p));
    if (value == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(value, p, (size_t) (last - p));

    return ngx_http_portal_add_header(r, "ETag", (const char *) value,
                                      (size_t) (last - p));
}


/*
 * JSON for a client that prefers it to HTML (RFC 9110, 12.5.1); a browser, or
 * a client that says nothing, gets HTML.
 */

void
ngx_http_portal_negotiate(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    u_char                 *p, *end, *start;
    size_t                  len;
    ngx_uint_t              html, json, quality;
    ngx_table_elt_t        *accept;
    ngx_http_portal_ctx_t  *first;

    if (ctx->negotiated) {
        return;
    }

    ctx->negotiated = 1;

    /* a machine reads JSON, errors that it is led to as well */

    first = ngx_http_portal_first_ctx(r);

    if (first != NULL && first->audience == NGX_HTTP_PORTAL_MACHINE) {
        ctx->json = 1;
        return;
    }

    accept = ngx_http_portal_find_header(r, "accept", 6);
    if (accept == NULL) {
        return;
    }

    html = 0;
    json = 0;

    p = accept->value.data;
    end = p + accept->value.len;

    while (p < end) {
        while (p < end && (*p == ' ' || *p == ',' || *p == '\t')) {
            p++;
        }

        start = p;
        while (p < end && *p != ',') {
            p++;
        }

        for (len = 0; start + len < p; len++) {
            if (start[len] == ';' || start[len] == ' ') {
                break;
            }
        }

        quality = ngx_http_portal_accept_quality(start + len, p);

        if ((len == 16
             && ngx_strncasecmp(start, (u_char *) "application/json", 16) == 0)
            || (len == 24
                && ngx_strncasecmp(start,
                                   (u_char *) "application/problem+json", 24)
                   == 0))
        {
            json = ngx_max(json, quality);

        } else if ((len == 9
                    && ngx_strncasecmp(start, (u_char *) "text/html", 9) == 0)
                   || (len == 3 && ngx_strncmp(start, "*/*", 3) == 0)
                   || (len == 6 && ngx_strncmp(start, "text/*", 6) == 0))
        {
            html = ngx_max(html, quality);
        }
    }

    /* what is named goes before what "any" covers */

    ctx->json = json && json >= html;
}


ngx_str_t *
ngx_http_portal_request_id(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_http_variable_value_t    *vv;
    ngx_http_portal_main_conf_t  *pmcf;

    if (ctx->request_id.len == 0) {

        /* by its index: one value for the request and its error page */

        pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
        vv = ngx_http_get_indexed_variable(r, (ngx_uint_t) pmcf->request_id);

        if (vv != NULL && !vv->not_found) {
            ctx->request_id.data = vv->data;
            ctx->request_id.len = vv->len;

        } else {
            ngx_str_set(&ctx->request_id, "-");
        }
    }

    return &ctx->request_id;
}


/* of texts; codes and dates are in no language */

ngx_int_t
ngx_http_portal_content_language(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_str_t                    *language;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    language = &pmcf->languages[ctx->language];

    if (ngx_http_portal_sent_header(r, "Content-Language", 16)) {
        return NGX_OK;
    }

    return ngx_http_portal_add_header(r, "Content-Language",
                                      (const char *) language->data,
                                      language->len);
}


/* ";q=0.8" in thousandths */

static ngx_uint_t
ngx_http_portal_accept_quality(u_char *p, u_char *end)
{
    ngx_uint_t  quality, unit;

    for ( /* void */ ; p + 3 < end; p++) {

        if ((p[0] == ';' || p[0] == ' ')
            && (p[1] == 'q' || p[1] == 'Q') && p[2] == '=')
        {
            p += 3;

            if (*p == '1') {
                return 1000;
            }

            if (*p++ != '0' || p == end || *p++ != '.') {
                return 0;
            }

            quality = 0;

            for (unit = 100; unit && p < end && *p >= '0' && *p <= '9';
                 unit /= 10)
            {
                quality += (ngx_uint_t) (*p++ - '0') * unit;
            }

            return quality;
        }
    }

    return 1000;
}


/*
 * 303: what follows a change is a GET (RFC 9110, 15.4.4).  The town's own
 * path, never built from the Host that was sent: r->headers_out.location would
 * be made absolute by nginx.
 */

ngx_int_t
ngx_http_portal_location(ngx_http_request_t *r, ngx_str_t *location)
{
    u_char  *p;

    p = ngx_pstrdup(r->pool, location);

    if (p == NULL
        || ngx_http_portal_add_header(r, "Location", (const char *) p,
                                      location->len)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_HTTP_SEE_OTHER;
}


ngx_int_t
ngx_http_portal_redirect(ngx_http_request_t *r, ngx_str_t *location)
{
    ngx_int_t  rc;

    rc = ngx_http_portal_location(r, location);

    if (rc != NGX_HTTP_SEE_OTHER) {
        return rc;
    }

    return ngx_http_portal_send(r, NGX_HTTP_SEE_OTHER, NULL, NULL, 0);
}


ngx_int_t
ngx_http_portal_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_chain_t *out, off_t len)
{
    u_char      *p;
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  cl;

    r->headers_out.status = status;
    r->headers_out.content_length_n = len;

    /* If-Match was compared where it can be: nginx would say 412 when all is
       done; a file that everybody may keep is compared by nginx */

    r->disable_not_modified = r->headers_out.etag == NULL;

    if (type != NULL) {
        r->headers_out.content_type = *type;
        r->headers_out.content_type_lowcase = NULL;

        /* what gzip_types and the like compare ends before parameters */

        p = ngx_strlchr(type->data, type->data + type->len, ';');

        r->headers_out.content_type_len = p ? (size_t) (p - type->data)
                                            : type->len;
    }

    if (r->method == NGX_HTTP_HEAD) {
        r->header_only = 1;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (out == NULL) {
        b = ngx_calloc_buf(r->pool);
        if (b == NULL) {
            return NGX_ERROR;
        }

        b->last_buf = (r == r->main) ? 1 : 0;
        b->last_in_chain = 1;

        cl.buf = b;
        cl.next = NULL;
        out = &cl;
    }

    return ngx_http_output_filter(r, out);
}
