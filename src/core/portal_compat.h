
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_COMPAT_H_INCLUDED_
#define _PORTAL_COMPAT_H_INCLUDED_


#include <nginx.h>


/*
 * What differs between nginx 1.22 and its successors and forks; no other
 * file tests nginx_version, which does not order the forks.
 */


#if (nginx_version >= 1023000)

/* after every ngx_list_push() of a header */
#define portal_compat_header(h)                                               \
    (h)->next = NULL

#else

#define portal_compat_header(h)                                               \
    (void) (h)

#endif


/*
 * Cookie headers, one after the other: for http files alone, which define
 * this by including ngx_http.h first.  NULL after the last.
 */

#ifdef _NGX_HTTP_H_INCLUDED_

static ngx_inline ngx_str_t *
portal_compat_cookie(ngx_http_request_t *r, ngx_uint_t n)
{
#if (nginx_version >= 1023000)
    ngx_table_elt_t  *h;

    for (h = r->headers_in.cookie; h != NULL && n; h = h->next) {
        n--;
    }

    return h ? &h->value : NULL;
#else
    ngx_table_elt_t  **h;

    h = r->headers_in.cookies.elts;

    return n < r->headers_in.cookies.nelts ? &h[n]->value : NULL;
#endif
}


/*
 * Milliseconds since the request began; less than 0 if the clock was set back.
 * freenginx 1.29 counts by the timers' clock.  It is known by NGINX_NAME, in
 * which it has its name; the macro "freenginx" is not in its first versions.
 */

static ngx_inline ngx_msec_int_t
portal_compat_request_time(ngx_http_request_t *r)
{
#if ((defined freenginx || defined NGINX_NAME) && nginx_version >= 1029000)
    return (ngx_msec_int_t) (ngx_current_msec - r->start_time);
#else
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                             + ((ngx_msec_int_t) tp->msec
                                - (ngx_msec_int_t) r->start_msec));
#endif
}


/*
 * Whether a body that nobody wants is still coming.  In nginx r->discard_body
 * says so, in freenginx 1.27 that nobody wants one.
 */

#define portal_compat_discards(r)                                             \
    ((r)->read_event_handler == ngx_http_discarded_request_body_handler)


/*
 * Whether the line that a log handler ends is a warning or worse.  nginx tells
 * the handler no level, but last ends a line of NGX_MAX_ERROR_STR bytes that
 * begins with the time and " [level] "; lines for debugging have none.
 */

static ngx_inline ngx_uint_t
portal_compat_log_grave(u_char *last)
{
    u_char  *level;

    level = last - NGX_MAX_ERROR_STR + ngx_cached_err_log_time.len;

    return ngx_strncmp(level, " [info]", 7) != 0
           && ngx_strncmp(level, " [notice]", 9) != 0;
}


/*
 * Angie's error log may be JSON: there a line has another form, and what a
 * handler that knows nothing of it has written becomes one string.
 */

#ifdef NGX_STR_ESCAPE_JSON
#define portal_compat_log_json(log)                                           \
    ((log)->format.type == NGX_STR_ESCAPE_JSON)
#else
#define portal_compat_log_json(log)  0
#endif


/*
 * What the error log says of a request.  Angie 1.12 gave the field another
 * type, for a handler that gets the log and ngx_http_log_ctx_t: h_ext is that
 * one.  The field's type is asked, not a version.
 */

#define portal_compat_log_choose(r, h, h_ext)                                 \
    _Generic((r)->log_handler, ngx_http_log_handler_pt: (h), default: (h_ext))

#define portal_compat_log_handler(r, h, h_ext)                                \
    (r)->log_handler = portal_compat_log_choose(r, h, h_ext)
#define portal_compat_logs(r, h, h_ext)                                       \
    ((r)->log_handler == portal_compat_log_choose(r, h, h_ext))

#endif


#endif /* _PORTAL_COMPAT_H_INCLUDED_ */
