
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What an agent's second factor begins with is made here, and what a webhook
 * signs with: PostgreSQL gets these secrets sealed, of a recovery code what it
 * is found by.  In clear they are in the one answer that shows them.
 */

#define NGX_HTTP_PORTAL_RECOVERY_CODES  10


static json_t *ngx_http_portal_enrol_secret(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *kind, const char *field,
    portal_text_t secret);


/* {"id", "sealed"} */

json_t *
ngx_http_portal_authenticator(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    char     secret[PORTAL_TOTP_SECRET];
    json_t  *sealed;

    if (portal_totp_make(secret) != 0) {
        return NULL;
    }

    sealed = ngx_http_portal_enrol_secret(r, ctx, "agent", "totp",
                              (portal_text_t) { secret, sizeof(secret) });

    portal_wipe(secret, sizeof(secret));

    return sealed;
}


/* the same */

json_t *
ngx_http_portal_signing(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    char     secret[PORTAL_SIGNING_SECRET];
    json_t  *sealed;

    portal_signing_make(secret);

    sealed = ngx_http_portal_enrol_secret(r, ctx, "webhook", "secret",
                              (portal_text_t) { secret, sizeof(secret) });

    portal_wipe(secret, sizeof(secret));

    return sealed;
}


static json_t *
ngx_http_portal_enrol_secret(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const char *kind, const char *field, portal_text_t secret)
{
    int                           n;
    char                          id[36], sealed[256];
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    portal_uuid(id);

    n = portal_seal(pmcf->keys,
                    ngx_http_portal_text(ctx->town->slug),
                    (portal_text_t) { kind, ngx_strlen(kind) },
                    (portal_text_t) { id, sizeof(id) },
                    (portal_text_t) { field, ngx_strlen(field) },
                    secret, sealed, sizeof(sealed));

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
