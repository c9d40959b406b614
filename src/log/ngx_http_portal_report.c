
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What browsers report of the pages' Content-Security-Policy: one line of the
 * log for a report, and a counter.  Anybody may send anything here, and a
 * page's address may hold a link's secret: nothing is kept but the directive,
 * the page's path and of what was refused the origin, each of a few characters
 * that mean nothing to who reads the log.
 */


#define NGX_HTTP_PORTAL_REPORT_TEXT  80


static void ngx_http_portal_report_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_portal_report_read(ngx_http_request_t *r);
static ngx_uint_t ngx_http_portal_report_type(ngx_http_request_t *r,
    const char *type, size_t len);
static void ngx_http_portal_report_say(ngx_http_request_t *r,
    const char *directive, const char *page, const char *refused);
static void ngx_http_portal_report_plain(const char *text, ngx_uint_t path,
    u_char *out);
static ngx_int_t ngx_http_portal_report_send(ngx_http_request_t *r);


ngx_int_t
ngx_http_portal_report_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r->method != NGX_HTTP_POST) {
        rc = ngx_http_discard_request_body(r);

        if (rc == NGX_OK
            && ngx_http_portal_add_header(r, "Allow", "POST", 4) == NGX_OK)
        {
            rc = NGX_HTTP_NOT_ALLOWED;
        }

        return rc == NGX_OK ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_portal_report_body);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static void
ngx_http_portal_report_body(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_portal_report_read(r);

    ngx_http_finalize_request(r, rc == NGX_OK ? ngx_http_portal_report_send(r)
                                              : rc);
}


/* the form of report-uri is one object, that of report-to a list of any kind */

static ngx_int_t
ngx_http_portal_report_read(ngx_http_request_t *r)
{
    size_t       i;
    json_t      *root, *one, *body;
    ngx_int_t    rc;
    ngx_str_t    text;
    ngx_uint_t   old;

    old = ngx_http_portal_report_type(r, "application/csp-report", 22);

    if (!old && !ngx_http_portal_report_type(r, "application/reports+json", 24))
    {
        return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
    }

    rc = ngx_http_portal_body_text(r, &text);
    if (rc != NGX_OK) {
        return rc;
    }

    root = json_loadb((char *) text.data, text.len, JSON_REJECT_DUPLICATES,
                      NULL);

    if (old ? !json_is_object(json_object_get(root, "csp-report"))
            : !json_is_array(root))
    {
        json_decref(root);
        return NGX_HTTP_BAD_REQUEST;
    }

    if (old) {
        body = json_object_get(root, "csp-report");
        one = json_object_get(body, "effective-directive");

        ngx_http_portal_report_say(r,
            json_string_value(one ? one
                              : json_object_get(body, "violated-directive")),
            json_string_value(json_object_get(body, "document-uri")),
            json_string_value(json_object_get(body, "blocked-uri")));
    }

    /* NULL, an object: no element */

    json_array_foreach(root, i, one) {
        body = json_object_get(one, "body");
        text.data = (u_char *) json_string_value(json_object_get(one, "type"));

        if (text.data != NULL
            && ngx_strcmp(text.data, "csp-violation") == 0)
        {
            ngx_http_portal_report_say(r,
                json_string_value(json_object_get(body, "effectiveDirective")),
                json_string_value(json_object_get(body, "documentURL")),
                json_string_value(json_object_get(body, "blockedURL")));
        }
    }

    json_decref(root);

    return NGX_OK;
}


/* of a type with or without parameters */

static ngx_uint_t
ngx_http_portal_report_type(ngx_http_request_t *r, const char *type,
    size_t len)
{
    ngx_str_t  *value;

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    value = &r->headers_in.content_type->value;

    return value->len >= len
           && ngx_strncasecmp(value->data, (u_char *) type, len) == 0
           && (value->len == len || value->data[len] == ';'
               || value->data[len] == ' ');
}


static void
ngx_http_portal_report_say(ngx_http_request_t *r, const char *directive,
    const char *page, const char *refused)
{
    u_char  what[NGX_HTTP_PORTAL_REPORT_TEXT + 1];
    u_char  where[NGX_HTTP_PORTAL_REPORT_TEXT + 1];
    u_char  whose[NGX_HTTP_PORTAL_REPORT_TEXT + 1];

    ngx_http_portal_report_plain(directive, 0, what);
    ngx_http_portal_report_plain(page, 1, where);
    ngx_http_portal_report_plain(refused, 0, whose);

    portal_count(PORTAL_COUNT_REPORT);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "portal: a browser reports that \"%s\" kept \"%s\" out of "
                  "the page \"%s\"", what, whose, where);
}


/*
 * "https://host/path?query" as its path, or as "https://host"; what is no
 * address ("inline", "script-src") as it is.
 */

static void
ngx_http_portal_report_plain(const char *text, ngx_uint_t path, u_char *out)
{
    size_t       i, n;
    const char  *p, *host;

    p = text ? text : "";
    host = ngx_strstr(p, "://");
    n = strcspn(p, "?#");

    if (host != NULL && host < p + n) {
        host += 3;
        i = strcspn(host, "/?#");

        if (path) {
            p = host + i;
            n = strcspn(p, "?#");

        } else {
            n = (size_t) (host + i - p);
        }
    }

    n = ngx_min(n, NGX_HTTP_PORTAL_REPORT_TEXT);

    for (i = 0; i < n; i++) {
        out[i] = (p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'z')
                 || (p[i] >= 'A' && p[i] <= 'Z')
                 || strchr("/:.-_~", p[i]) != NULL
                 ? (u_char) p[i] : (u_char) '?';
    }

    out[n] = '\0';
}


static ngx_int_t
ngx_http_portal_report_send(ngx_http_request_t *r)
{
    if (ngx_http_portal_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_NO_CONTENT;
    r->headers_out.content_length_n = -1;
    r->header_only = 1;

    return ngx_http_send_header(r);
}
