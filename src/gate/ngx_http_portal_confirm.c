
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * Redis may hold a session that PostgreSQL has ended: an old dump came back, or
 * a log-out could not be told while it hung.  Where the request makes no call
 * of its own, whose portal.enter() would find out, one trip of enter alone
 * does, once for each copy in the time that it is trusted.  Of agents, who are
 * few and may do more, it does each time: who is disabled is out at once.
 */


static ngx_uint_t ngx_http_portal_confirm_later(ngx_http_request_t *r,
    ngx_http_portal_loc_conf_t *plcf);
static void ngx_http_portal_confirm_answer(portal_op_t *op);
static ngx_int_t ngx_http_portal_confirm_result(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);


ngx_int_t
ngx_http_portal_session_confirm(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf)
{
    if (ctx->pg_op != NULL) {

        /* a spurious event: the answer is still on its way */

        return NGX_AGAIN;
    }

    if (ctx->asked) {
        return ngx_http_portal_confirm_result(r, ctx);
    }

    if (!ctx->live || (ctx->confirmed && !plcf->agents) || ctx->unsure
        || ngx_http_portal_confirm_later(r, plcf))
    {
        return NGX_OK;
    }

    if (ngx_http_portal.refusing) {
        return NGX_BUSY;
    }

    if (ngx_http_portal_enter(r, ctx, ngx_http_portal_confirm_answer)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->asked = 1;

    return ngx_http_portal_hear_close(r);
}


/*
 * A page for everybody, an error's among them, is shown without asking anybody
 * anything: of who is logged in it has the name and no more.
 */

static ngx_uint_t
ngx_http_portal_confirm_later(ngx_http_request_t *r,
    ngx_http_portal_loc_conf_t *plcf)
{
    if (plcf->handled && plcf->audience == NGX_HTTP_PORTAL_PUBLIC) {
        return 1;
    }

    if (r->method == NGX_HTTP_POST) {
        return plcf->act != NULL;
    }

    return plcf->get != NULL;
}


static void
ngx_http_portal_confirm_answer(portal_op_t *op)
{
    ngx_http_portal_ctx_t  *ctx;

    ctx = op->data;

    ngx_http_portal_entered(ctx, (portal_pg_op_t *) op);
    ngx_http_portal_gate_resume(ctx);
}


static ngx_int_t
ngx_http_portal_confirm_result(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ngx_http_portal_family_left(ctx)) {

        /* who this is is known; what is for families is closed by that */

        return NGX_OK;
    }

    rc = ngx_http_portal_call_failed(r, ctx);

    switch (rc) {

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return NGX_BUSY;

    case NGX_HTTP_UNAUTHORIZED:
        ngx_http_portal_session_close(r, ctx);
        return NGX_OK;

    default:
        return rc;
    }
}
