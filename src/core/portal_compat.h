
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
 * What the error log says of a request: a handler of Angie's has another type,
 * there the log keeps nginx's own words.
 */

#ifdef __has_include
#if __has_include(<angie.h>)
#define PORTAL_COMPAT_ANGIE  1
#endif
#endif

/*
 * Whether the line that a log handler ends is a warning or worse.  nginx tells
 * the handler no level, but buf is within a line of NGX_MAX_ERROR_STR bytes
 * that begins with the time and " [level] "; lines for debugging have none.
 */

static ngx_inline ngx_uint_t
portal_compat_log_grave(u_char *buf, size_t len)
{
    u_char  *level;

    level = buf + len - NGX_MAX_ERROR_STR + ngx_cached_err_log_time.len;

    return ngx_strncmp(level, " [info]", 7) != 0
           && ngx_strncmp(level, " [notice]", 9) != 0;
}


#ifdef PORTAL_COMPAT_ANGIE

#define portal_compat_log_handler(r, h)                                       \
    (void) (h)
#define portal_compat_logs(r, h)  0

#else

#define portal_compat_log_handler(r, h)                                       \
    (r)->log_handler = h
#define portal_compat_logs(r, h)                                              \
    ((r)->log_handler == h)

#endif

#endif


#endif /* _PORTAL_COMPAT_H_INCLUDED_ */
