
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What a program says beside the body: a key, so that what it sends twice is
 * done once, and the versions that what it changes may have.  And whether a
 * list is asked for by what it knows.
 */


static ngx_uint_t ngx_http_portal_header_twice(ngx_http_request_t *r,
    ngx_table_elt_t *header);
static ngx_int_t ngx_http_portal_idempotency_key(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_if_match(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);


ngx_uint_t
ngx_http_portal_conditions(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const char **code)
{
    ngx_int_t  rc;

    *code = NULL;

    rc = ngx_http_portal_idempotency_key(r, ctx);

    if (rc == NGX_DECLINED) {
        *code = "idempotency_key";
        return NGX_HTTP_BAD_REQUEST;
    }

    rc = ngx_http_portal_if_match(r, ctx);

    switch (rc) {

    case NGX_OK:
        return 0;

    case NGX_DECLINED:
        *code = "version_changed";
        return NGX_HTTP_PRECONDITION_FAILED;

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


/*
 * One that comes twice is refused, whatever it says, as nginx itself does with
 * If-Match: who is in between may have looked at the other one.
 */

static ngx_uint_t
ngx_http_portal_header_twice(ngx_http_request_t *r, ngx_table_elt_t *header)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (&h[i] != header && h[i].key.len == header->key.len
                && ngx_strncasecmp(h[i].key.data, header->key.data,
                                   header->key.len)
                   == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


/* a string of RFC 8941, or, as many programs send it, without its quotes */

static ngx_int_t
ngx_http_portal_idempotency_key(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    size_t            i;
    ngx_str_t         key;
    ngx_table_elt_t  *header;

    header = ngx_http_portal_find_header(r, "idempotency-key", 15);

    if (header == NULL) {
        return NGX_OK;
    }

    if (ngx_http_portal_header_twice(r, header)) {
        return NGX_DECLINED;
    }

    key = header->value;

    if (key.len >= 2 && key.data[0] == '"' && key.data[key.len - 1] == '"') {
        key.data++;
        key.len -= 2;
    }

    if (key.len == 0 || key.len > NGX_HTTP_PORTAL_KEY) {
        return NGX_DECLINED;
    }

    for (i = 0; i < key.len; i++) {
        if (key.data[i] <= 0x20 || key.data[i] > 0x7e || key.data[i] == '"'
            || key.data[i] == '\\' || key.data[i] == ',')
        {
            return NGX_DECLINED;
        }
    }

    ctx->key = key;
    ctx->key_header = 1;

    return NGX_OK;
}


/*
 * Strong comparison (RFC 9110, 13.1.1): a weak tag, or what is no tag, is the
 * version of nothing.  A form that compares none has no version to be met.
 */

static ngx_int_t
ngx_http_portal_if_match(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    u_char           *p, *last, *end;
    ngx_table_elt_t  *header;

    header = ngx_http_portal_find_header(r, "if-match", 8);

    if (header == NULL) {
        return NGX_OK;
    }

    p = header->value.data;
    last = p + header->value.len;

    /* any version there is: what is not there is 404 in any case */

    if (header->value.len == 1 && *p == '*') {
        return NGX_OK;
    }

    if (!ctx->verdict->form->versioned) {
        return NGX_DECLINED;
    }

    ctx->if_match = json_array();

    if (ctx->if_match == NULL) {
        return NGX_ERROR;
    }

    for ( /* void */ ; p < last; p++) {

        if (*p == ' ' || *p == '\t' || *p == ',') {
            continue;
        }

        end = (*p == '"') ? ngx_strlchr(p + 1, last, '"') : NULL;

        if (end != NULL) {

            /* NULL from jansson: not UTF-8 */

            (void) json_array_append_new(ctx->if_match,
                           json_stringn((const char *) p + 1,
                                        (size_t) (end - p - 1)));
            p = end;
            continue;
        }

        while (p + 1 < last && p[1] != ',') {
            p++;
        }
    }

    return NGX_OK;
}


/*
 * Of agents and machines a list that is asked with a name that it does not
 * know would be another one than was meant, and look as if it were that.
 */

ngx_uint_t
ngx_http_portal_asked(ngx_http_request_t *r,
    ngx_http_portal_loc_conf_t *plcf)
{
    u_char      *p, *end, *last;
    size_t       len;
    ngx_str_t   *name;
    ngx_uint_t   i;

    if (plcf->asks == NULL
        || (plcf->audience != NGX_HTTP_PORTAL_AGENT
            && plcf->audience != NGX_HTTP_PORTAL_MACHINE))
    {
        return 1;
    }

    name = plcf->asks->elts;
    last = r->args.data + r->args.len;

    for (p = r->args.data; p < last; p = end + 1) {

        for (end = p; end < last && *end != '&'; end++) { /* void */ }

        for (len = 0; p + len < end && p[len] != '='; len++) { /* void */ }

        /* what every page may have: a notice, a form that waited */

        if (len == 0
            || (len == 4 && ngx_strncasecmp(p, (u_char *) "avis", 4) == 0)
            || (len == 7 && ngx_strncasecmp(p, (u_char *) "reprise", 7) == 0))
        {
            continue;
        }

        for (i = 0; i < plcf->asks->nelts; i++) {
            if (len == name[i].len
                && ngx_strncasecmp(p, name[i].data, len) == 0)
            {
                break;
            }
        }

        if (i == plcf->asks->nelts) {
            return 0;
        }
    }

    return 1;
}
