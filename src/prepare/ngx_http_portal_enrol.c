
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What an agent's second factor begins with is made here: PostgreSQL gets the
 * authenticator's secret sealed, of a recovery code what it is found by.  In
 * clear they are in the one answer that shows them.
 */

#define NGX_HTTP_PORTAL_RECOVERY_CODES  10


/* {"id", "sealed"} */

json_t *
ngx_http_portal_authenticator(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    int                           n;
    char                          id[36], secret[PORTAL_TOTP_SECRET];
    char                          sealed[256];
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    portal_uuid(id);

    if (portal_totp_make(secret) != 0) {
        return NULL;
    }

    n = portal_seal(pmcf->keys,
                    ngx_http_portal_text(ctx->town->slug),
                    (portal_text_t) { "agent", 5 },
                    (portal_text_t) { id, sizeof(id) },
                    (portal_text_t) { "totp", 4 },
                    (portal_text_t) { secret, sizeof(secret) }, sealed,
                    sizeof(sealed));

    portal_wipe(secret, sizeof(secret));

    return n < 0 ? NULL : json_pack("{s:s%, s:s%}", "id", id, sizeof(id),
                                    "sealed", sealed, (size_t) n);
}


/* [{"id", "mac", "sealed"}], in the form of a code abonne */

json_t *
ngx_http_portal_recovery(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t      *codes;
    ngx_uint_t   i;

    codes = json_array();

    for (i = 0; codes && i < NGX_HTTP_PORTAL_RECOVERY_CODES; i++) {

        if (json_array_append_new(codes, ngx_http_portal_issue(r, ctx)) != 0) {
            json_decref(codes);
            return NULL;
        }
    }

    return codes;
}
