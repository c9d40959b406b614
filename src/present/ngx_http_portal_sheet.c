
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A page for a spreadsheet.  Of a long one the function gives some rows in each
 * call, and "more", to ask for the next ones by: parsed and rendered whole it
 * would keep all else of its worker waiting.  The sheet is sent once its end is
 * there, so that what fails on the way is told, and nobody keeps half of one.
 */

/* a sheet has 50,000 rows at most, as the functions of such pages see to */

#define NGX_HTTP_PORTAL_CSV_MAX  ((size_t) 32 * 1024 * 1024)


struct ngx_http_portal_sheet_s {
    portal_sink_t             sink;
    ngx_http_portal_view_t   *view;
    ngx_uint_t                status;
};


static ngx_int_t ngx_http_portal_sheet_piece(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_sheet_name(ngx_http_request_t *r);


ngx_uint_t
ngx_http_portal_is_sheet(ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_view_t *view)
{
    /* what a machine asks a spreadsheet's page for is no matter of Accept */

    return view != NULL && view->csv
           && (!ctx->json
               || (ctx->verdict != NULL
                   && ctx->verdict->audience == NGX_HTTP_PORTAL_MACHINE));
}


/* the document of a piece is there */

ngx_int_t
ngx_http_portal_sheet(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t status, ngx_http_portal_view_t *view)
{
    ngx_http_portal_sheet_t  *sheet;

    if (ctx->sheet != NULL) {
        return ngx_http_portal_sheet_piece(r, ctx);
    }

    sheet = ngx_pcalloc(r->pool, sizeof(ngx_http_portal_sheet_t));

    if (sheet == NULL || ngx_http_portal_content_language(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_portal_sink(&sheet->sink, r->pool, 16384);
    sheet->sink.limit = NGX_HTTP_PORTAL_CSV_MAX;
    sheet->view = view;
    sheet->status = status;

    /* the mark by which Excel knows UTF-8 */

    if (portal_sink_write(&sheet->sink, "\xef\xbb\xbf", 3) != 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->sheet = sheet;

    return ngx_http_portal_sheet_piece(r, ctx);
}


static ngx_int_t
ngx_http_portal_sheet_piece(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    u_char                   *came;
    json_t                   *stack[2], *more;
    ngx_int_t                 rc;
    ngx_str_t                 type = ngx_string("text/csv; charset=utf-8");
    ngx_chain_t              *out;
    ngx_http_portal_sheet_t  *sheet;

    sheet = ctx->sheet;
    came = ctx->answer.data;

    if (ngx_http_portal_stack(r, ctx, sheet->status, stack) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_portal_render_to(r, sheet->view, stack, 2, &sheet->sink);

    json_decref(stack[0]);

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    more = json_object_get(ctx->document, "more");

    if (json_is_string(more) && r->method == NGX_HTTP_GET) {

        /* a text with opened values is wiped where it is, at the end */

        if (ctx->answer.data != came) {
            ngx_str_null(&ctx->answer);
        }

        return ngx_http_portal_content_more(r, ctx, json_incref(more));
    }

    if (ngx_http_portal_sheet_name(r) != NGX_OK
        || ngx_http_portal_sink_chain(r, &sheet->sink, &out) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* to HEAD nobody says how long the pieces would have been together */

    return ngx_http_portal_send(r, sheet->status, &type, out,
                                json_is_string(more)
                                ? -1 : (off_t) sheet->sink.total);
}


ngx_int_t
ngx_http_portal_content_more(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *piece)
{
    json_decref(ctx->piece);
    ctx->piece = piece;

    if (piece == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* a piece's text is large: it does not wait for the request's end */

    if (ctx->answer.data != NULL) {
        portal_wipe(ctx->answer.data, ctx->answer.len);
        (void) ngx_pfree(r->pool, ctx->answer.data);
        ngx_str_null(&ctx->answer);
    }

    return ngx_http_portal_content_get(r, ctx);
}


/* kept under the last name of the path, which pages.inc has written */

static ngx_int_t
ngx_http_portal_sheet_name(ngx_http_request_t *r)
{
    u_char     *p, *name;
    size_t      len;
    ngx_str_t   value, as = ngx_string("attachment; filename*=UTF-8''");

    name = r->uri.data + r->uri.len;

    while (name > r->uri.data && name[-1] != '/') {
        name--;
    }

    len = (size_t) (r->uri.data + r->uri.len - name);

    value.len = as.len + len
                + 2 * ngx_escape_uri(NULL, name, len,
                                     NGX_ESCAPE_URI_COMPONENT);
    value.data = ngx_pnalloc(r->pool, value.len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(value.data, as.data, as.len);
    (void) ngx_escape_uri(p, name, len, NGX_ESCAPE_URI_COMPONENT);

    return ngx_http_portal_add_header(r, "Content-Disposition",
                                      (const char *) value.data, value.len);
}
