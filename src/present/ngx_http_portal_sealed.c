
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
 *
 * A value that does not open fails the page, or a form would save over it.
 * Only what is to be read and no more goes on, an export or a change of the
 * feed: it is an object that ends with
 *
 *     "unreadable": {"$unreadable" : []}
 *
 * which becomes the list of such values' places since the mark before it, as
 * JSON pointers from that object on.  They are null for a program; a person, or
 * who reads a spreadsheet, finds a sentence there: an empty cell would say that
 * there is no value.
 */

#define NGX_HTTP_PORTAL_SEALED_MARK      "{\"$sealed\""
#define NGX_HTTP_PORTAL_UNREADABLE_MARK  "{\"$unreadable\""

/* values that do not open; their places are bytes of a document's own names */
#define NGX_HTTP_PORTAL_SEALED_DEPTH  16
#define NGX_HTTP_PORTAL_SEALED_PATH   128


static u_char *ngx_http_portal_sealed_mark(u_char *p, u_char *end,
    const char *mark, size_t len);
static u_char *ngx_http_portal_sealed_piece(ngx_http_request_t *r,
    ngx_str_t *text, u_char *mark, u_char **out, ngx_array_t **unread);
static u_char *ngx_http_portal_open_one(ngx_http_request_t *r, u_char *p,
    u_char *end, u_char **out, ngx_uint_t *closed);
static ngx_int_t ngx_http_portal_sealed_unread(ngx_http_request_t *r,
    ngx_str_t *text, u_char *mark, u_char **out, ngx_array_t **unread);
static const char *ngx_http_portal_sealed_said(ngx_http_request_t *r);
static u_char *ngx_http_portal_sealed_list(ngx_str_t *text, u_char *mark,
    u_char *p, ngx_array_t *unread);
static size_t ngx_http_portal_sealed_path(u_char *p, u_char *at,
    u_char path[NGX_HTTP_PORTAL_SEALED_PATH]);
static u_char *ngx_http_portal_json_escape(u_char *dst, u_char *src,
    size_t len);
static void ngx_http_portal_sealed_wipe(void *data);


ngx_int_t
ngx_http_portal_open_sealed(ngx_http_request_t *r, ngx_str_t *text)
{
    u_char              *p, *mark, *end, *out, *start;
    ngx_str_t           *opened;
    ngx_array_t         *unread;
    ngx_pool_cleanup_t  *cln;

    static const char  any[] = "{\"$";

    if (text->len == 0) {
        return NGX_OK;
    }

    p = text->data;
    end = text->data + text->len;

    mark = ngx_http_portal_sealed_mark(p, end, any, sizeof(any) - 1);
    if (mark == NULL) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_str_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    /*
     * Base64 shrinks by a quarter and the wrapping goes; escaping makes a
     * byte six at the most, which only control characters need.  A place of
     * what does not open, and its sentence, are shorter than five such values.
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
    unread = NULL;

    do {
        out = ngx_cpymem(out, p, mark - p);
        p = ngx_http_portal_sealed_piece(r, text, mark, &out, &unread);

        if (p == NULL) {
            return NGX_ERROR;
        }

        mark = ngx_http_portal_sealed_mark(p, end, any, sizeof(any) - 1);

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
ngx_http_portal_sealed_mark(u_char *p, u_char *end, const char *mark,
    size_t len)
{
    u_char  *start;

    start = p;

    while ((p = memchr(p, '$', (size_t) (end - p))) != NULL) {

        if (p - start >= 2 && (size_t) (end - p) >= len - 2
            && ngx_memcmp(p - 2, mark, len) == 0)
        {
            return p - 2;
        }

        p++;
    }

    return NULL;
}


/* what stands at the mark, into *out; returns what follows it */

static u_char *
ngx_http_portal_sealed_piece(ngx_http_request_t *r, ngx_str_t *text,
    u_char *mark, u_char **out, ngx_array_t **unread)
{
    size_t      len;
    u_char     *p, *end;
    ngx_uint_t  closed;

    end = text->data + text->len;
    len = sizeof(NGX_HTTP_PORTAL_UNREADABLE_MARK) - 1;

    if ((size_t) (end - mark) > len
        && ngx_memcmp(mark, NGX_HTTP_PORTAL_UNREADABLE_MARK, len) == 0)
    {
        p = memchr(mark, '}', (size_t) (end - mark));

        if (p != NULL) {
            *out = ngx_http_portal_sealed_list(text, mark, *out, *unread);

            if (*unread != NULL) {
                (*unread)->nelts = 0;
            }

            return p + 1;
        }
    }

    closed = 0;
    p = ngx_http_portal_open_one(r, mark, end, out, &closed);

    if (p != NULL && !closed) {
        return p;
    }

    portal_count(PORTAL_COUNT_UNREADABLE);

    /* one line for all of a document */

    if (p == NULL || *unread == NULL) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "portal: a sealed value does not open, its place "
                      "or its key is not the one it was sealed for");
    }

    if (p == NULL
        || ngx_http_portal_sealed_unread(r, text, mark, out, unread) != NGX_OK)
    {
        return NULL;
    }

    return p;
}


/* NGX_DECLINED: the document cannot go on without it */

static ngx_int_t
ngx_http_portal_sealed_unread(ngx_http_request_t *r, ngx_str_t *text,
    u_char *mark, u_char **out, ngx_array_t **unread)
{
    size_t       len;
    u_char       path[NGX_HTTP_PORTAL_SEALED_PATH];
    ngx_str_t   *place;
    const char  *said;

    len = sizeof(NGX_HTTP_PORTAL_UNREADABLE_MARK) - 1;

    if (ngx_http_portal_sealed_mark(mark + 3, text->data + text->len,
                                    NGX_HTTP_PORTAL_UNREADABLE_MARK, len)
        == NULL)
    {
        return NGX_DECLINED;
    }

    if (*unread == NULL) {
        *unread = ngx_array_create(r->pool, 4, sizeof(ngx_str_t));

        if (*unread == NULL) {
            return NGX_ERROR;
        }
    }

    place = ngx_array_push(*unread);
    if (place == NULL) {
        return NGX_ERROR;
    }

    place->len = ngx_http_portal_sealed_path(text->data, mark, path);
    place->data = ngx_pnalloc(r->pool, place->len + 1);

    if (place->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(place->data, path, place->len);

    said = ngx_http_portal_sealed_said(r);

    if (said == NULL) {
        *out = ngx_cpymem(*out, "null", 4);
        return NGX_OK;
    }

    *(*out)++ = '"';
    *out = ngx_http_portal_json_escape(*out, (u_char *) said,
                                       ngx_strlen(said));
    *(*out)++ = '"';

    return NGX_OK;
}


/* what stands in the value's place; NULL: null */

static const char *
ngx_http_portal_sealed_said(ngx_http_request_t *r)
{
    ngx_http_portal_ctx_t        *ctx;
    ngx_http_portal_view_t       *view;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);
    view = ctx->verdict->view;

    if (view == NULL || (ctx->json && !ngx_http_portal_is_sheet(ctx, view))) {
        return NULL;
    }

    return portal_views_label(pmcf->views[ctx->language],
                              ctx->verdict->audience == NGX_HTTP_PORTAL_MACHINE
                              ? "feed.unreadable" : "my_data.unreadable");
}


static u_char *
ngx_http_portal_sealed_list(ngx_str_t *text, u_char *mark, u_char *p,
    ngx_array_t *unread)
{
    size_t       len;
    u_char       path[NGX_HTTP_PORTAL_SEALED_PATH];
    ngx_str_t   *place;
    ngx_uint_t   i, n;

    place = unread ? unread->elts : NULL;
    n = unread ? unread->nelts : 0;

    /* of the object that the list stands in */

    len = n ? ngx_http_portal_sealed_path(text->data, mark, path) : 0;

    while (len && path[--len] != '/') { /* void */ }

    *p++ = '[';

    for (i = 0; i < n; i++) {

        if (place[i].len > len
            && ngx_memcmp(place[i].data, path, len) == 0)
        {
            place[i].data += len;
            place[i].len -= len;
        }

        p = ngx_sprintf(p, "%s\"%V\"", i ? "," : "", &place[i]);
    }

    *p++ = ']';

    return p;
}


/*
 * The JSON pointer of what begins at "at", from the names on the way, which
 * stay as they are written; empty when it would be too long.
 */

static size_t
ngx_http_portal_sealed_path(u_char *p, u_char *at,
    u_char path[NGX_HTTP_PORTAL_SEALED_PATH])
{
    u_char      *last, *start;
    ngx_str_t    name[NGX_HTTP_PORTAL_SEALED_DEPTH];
    ngx_uint_t   i, depth, index[NGX_HTTP_PORTAL_SEALED_DEPTH];

    /* index: of an array; a name without bytes is none */

    depth = 0;

    for ( /* void */ ; p < at; p++) {

        switch (*p) {

        case '{':
        case '[':
            if (depth == NGX_HTTP_PORTAL_SEALED_DEPTH) {
                return 0;
            }

            ngx_str_null(&name[depth]);
            index[depth++] = 0;
            break;

        case '}':
        case ']':
            depth -= depth ? 1 : 0;
            break;

        case ',':
            if (depth) {
                index[depth - 1]++;
            }
            break;

        case ':':
            break;

        case '"':
            start = ++p;

            while (p < at && *p != '"') {
                p += (*p == '\\') ? 2 : 1;
            }

            for (last = p + 1; last < at && *last == ' '; last++) { /* void */ }

            if (depth && last < at && *last == ':') {
                name[depth - 1].data = start;
                name[depth - 1].len = (size_t) (p - start);
            }
            break;
        }
    }

    p = path;
    last = path + NGX_HTTP_PORTAL_SEALED_PATH;

    for (i = 0; i < depth; i++) {
        p = name[i].len ? ngx_snprintf(p, (size_t) (last - p), "/%V", &name[i])
                        : ngx_snprintf(p, (size_t) (last - p), "/%ui",
                                       index[i]);
    }

    return p == last ? 0 : (size_t) (p - path);
}


/* p is at the mark; returns what follows the closing brace, NULL: it is none */

static u_char *
ngx_http_portal_open_one(ngx_http_request_t *r, u_char *p, u_char *end,
    u_char **out, ngx_uint_t *closed)
{
    int                           n;
    u_char                       *plain, *piece, *dst;
    ngx_uint_t                    i;
    portal_text_t                 part[4];
    ngx_http_portal_ctx_t        *ctx;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    n = (int) sizeof(NGX_HTTP_PORTAL_SEALED_MARK) - 1;

    if (end - p < n || ngx_memcmp(p, NGX_HTTP_PORTAL_SEALED_MARK, n) != 0) {
        return NULL;
    }

    p += n;

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
        *closed = 1;
        return p;
    }

    dst = *out;
    *dst++ = '"';
    dst = ngx_http_portal_json_escape(dst, plain, (size_t) n);
    *dst++ = '"';
    *out = dst;

    portal_wipe(plain, (size_t) n);

    return p;
}


static u_char *
ngx_http_portal_json_escape(u_char *dst, u_char *src, size_t len)
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
