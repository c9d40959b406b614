
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/* A template straight into the output chain. */


static ngx_uint_t ngx_http_portal_is_theme(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static void ngx_http_portal_rendered(ngx_http_request_t *r, uint64_t took);
static void *ngx_http_portal_chunk(void *pool, size_t size);


ngx_int_t
ngx_http_portal_render(ngx_http_request_t *r, ngx_uint_t status,
    ngx_http_portal_view_t *view, json_t **stack, ngx_uint_t n)
{
    ngx_str_t               type = ngx_string("text/html; charset=utf-8");
    ngx_chain_t            *out;
    portal_sink_t           sink;
    ngx_http_portal_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    if (view->css) {
        ngx_str_set(&type, "text/css; charset=utf-8");
    }

    /*
     * One that is being prepared is for who prepares it.  Where pages of
     * another worker lead to a theme that this one has not heard of yet, what
     * is sent is not what that address will always be.
     */

    if (view->css && ctx->verdict->audience == NGX_HTTP_PORTAL_PUBLIC
        && ngx_http_portal_is_theme(r, ctx))
    {
        ngx_http_portal_set_header(r, "Cache-Control",
                                   "public, max-age=3600", 20);
        ngx_http_portal_set_header(r, "Vary", "Accept, Accept-Encoding", 23);
    }

    ngx_http_portal_sink(&sink, r->pool, 16384);

    if (ngx_http_portal_render_to(r, view, stack, n, &sink) != NGX_OK
        || ngx_http_portal_sink_chain(r, &sink, &out) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_send(r, status, &type, out, (off_t) sink.total);
}


static ngx_uint_t
ngx_http_portal_is_theme(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t  *path;

    path = json_object_get(ctx->town->public[ctx->language], "theme_css");

    return json_string_length(path) == r->unparsed_uri.len
           && ngx_strncmp(json_string_value(path), r->unparsed_uri.data,
                          r->unparsed_uri.len)
              == 0;
}


ngx_int_t
ngx_http_portal_render_to(ngx_http_request_t *r, ngx_http_portal_view_t *view,
    json_t **stack, ngx_uint_t n, portal_sink_t *sink)
{
    int                     rc;
    uint64_t                start;
    ngx_http_portal_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    start = portal_op_clock();
    rc = portal_view_render(view->language[ctx->language], stack, n, sink);

    ngx_http_portal_rendered(r, portal_op_clock() - start);

    if (rc != 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: a template could not be rendered");
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_portal_sink_chain(ngx_http_request_t *r, portal_sink_t *sink,
    ngx_chain_t **out)
{
    ngx_buf_t       *b;
    ngx_chain_t    **last, *cl;
    portal_chunk_t  *chunk;

    *out = NULL;
    last = out;
    b = NULL;

    for (chunk = sink->first; chunk; chunk = chunk->next) {

        if (chunk->len == 0) {
            continue;
        }

        b = ngx_calloc_buf(r->pool);
        cl = ngx_alloc_chain_link(r->pool);

        if (b == NULL || cl == NULL) {
            return NGX_ERROR;
        }

        b->pos = (u_char *) chunk->data;
        b->last = b->pos + chunk->len;
        b->memory = 1;

        cl->buf = b;
        cl->next = NULL;

        *last = cl;
        last = &cl->next;
    }

    if (b != NULL) {
        b->last_buf = (r == r->main) ? 1 : 0;
        b->last_in_chain = 1;
    }

    return NGX_OK;
}


static void
ngx_http_portal_rendered(ngx_http_request_t *r, uint64_t took)
{
    ngx_http_portal_ctx_t  *ctx;

    portal_count(PORTAL_COUNT_RENDER);
    portal_count_add(PORTAL_COUNT_RENDER_TIME, took);

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    if (ctx != NULL) {
        ctx->render_time += took;
        ctx->rendered = 1;
    }
}


void
ngx_http_portal_sink(portal_sink_t *sink, ngx_pool_t *pool, size_t chunk)
{
    ngx_memzero(sink, sizeof(portal_sink_t));

    sink->alloc = ngx_http_portal_chunk;
    sink->ctx = pool;
    sink->chunk = chunk;
}


static void *
ngx_http_portal_chunk(void *pool, size_t size)
{
    return ngx_palloc(pool, size);
}
