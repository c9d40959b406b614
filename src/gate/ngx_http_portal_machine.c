
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A machine: a program of the town's that comes with a key instead of a
 * session.  Where a location is for machines nothing else counts: no cookie is
 * read, so that no other site's page can make a browser send what is let in,
 * and no token is asked for.  PostgreSQL is asked each time, before a byte of
 * the body is read, whether the key lives and has the right that the location
 * names; it knows the key's MAC and no more.
 */


static ngx_int_t ngx_http_portal_machine_key(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static void ngx_http_portal_machine_answer(portal_op_t *op);


ngx_int_t
ngx_http_portal_machine(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->pg_op != NULL) {

        /* a spurious event: the answer is still on its way */

        return NGX_AGAIN;
    }

    if (ctx->asked) {
        rc = ngx_http_portal_call_failed(r, ctx);

        return rc == NGX_HTTP_SERVICE_UNAVAILABLE ? NGX_BUSY : rc;
    }

    if (ngx_http_portal_machine_key(r, ctx) != NGX_OK) {
        return NGX_HTTP_UNAUTHORIZED;
    }

    if (ngx_http_portal.refusing) {
        return NGX_BUSY;
    }

    if (ngx_http_portal_enter(r, ctx, ngx_http_portal_machine_answer)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->asked = 1;

    return ngx_http_portal_hear_close(r);
}


/* one header, of the form of RFC 6750; a key is what portal_secret() makes */

static ngx_int_t
ngx_http_portal_machine_key(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    uint8_t                       mac[PORTAL_MAC_LEN];
    ngx_str_t                    *value;
    portal_text_t                 key;
    ngx_http_portal_main_conf_t  *pmcf;

    if (r->headers_in.authorization == NULL) {
        return NGX_DECLINED;
    }

    value = &r->headers_in.authorization->value;

    if (value->len <= 7
        || ngx_strncasecmp(value->data, (u_char *) "Bearer ", 7) != 0)
    {
        return NGX_DECLINED;
    }

    key.data = (const char *) value->data + 7;
    key.len = value->len - 7;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    if (portal_mac_secret(pmcf->keys, "machine",
                          ngx_http_portal_text(ctx->town->slug), key, mac)
        != 0)
    {
        return NGX_DECLINED;
    }

    portal_hex(mac, sizeof(mac), (char *) ctx->mac_hex);

    return NGX_OK;
}


static void
ngx_http_portal_machine_answer(portal_op_t *op)
{
    ngx_http_portal_ctx_t  *ctx;

    ctx = op->data;

    ngx_http_portal_entered(ctx, (portal_pg_op_t *) op);
    ngx_http_portal_gate_resume(ctx);
}


ngx_int_t
ngx_http_portal_machine_challenge(ngx_http_request_t *r)
{
    static const char  bearer[] = "Bearer realm=\"portail\"";

    if (ngx_http_portal_sent_header(r, "WWW-Authenticate", 16)) {
        return NGX_OK;
    }

    return ngx_http_portal_add_header(r, "WWW-Authenticate", bearer,
                                      sizeof(bearer) - 1);
}
