
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What a document asks of C once its transaction is committed: a session
 * opened, renewed, prolonged or closed, others forgotten, a language kept in
 * the browser.
 */

static void ngx_http_portal_effects_ended(json_t *ended);


ngx_int_t
ngx_http_portal_effects(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_step_pt step)
{
    json_t      *session, *language;
    const char  *effect;

    language = json_object_get(ngx_http_portal_document(r, ctx), "language");

    if (json_is_string(language)
        && ngx_http_portal_language_keep(r, ctx, language) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    session = json_object_get(ngx_http_portal_document(r, ctx), "session");
    effect = json_string_value(json_object_get(session, "effect"));

    ngx_http_portal_effects_ended(json_object_get(session, "ended"));

    if (effect == NULL) {
        return step(r, ctx);
    }

    if (ngx_strcmp(effect, "prolong") == 0) {
        return ngx_http_portal_session_prolong(r, ctx, step);
    }

    if (ngx_strcmp(effect, "close") == 0) {
        ngx_http_portal_session_close(r, ctx);

        /* nothing of what was shown stays in the browser */

        if (ngx_http_portal_add_header(r, "Clear-Site-Data", "\"cache\"", 7)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return step(r, ctx);
    }

    if (!ctx->minted) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: form \"%s\" lacks \"session\"",
                      ctx->verdict->form->name);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_session_open(r, ctx, session, step);
}


/* MACs of sessions whose rows have ended: elsewhere it is known at once */

static void
ngx_http_portal_effects_ended(json_t *ended)
{
    json_t  *mac;
    size_t   i;

    json_array_foreach(ended, i, mac) {

        if (json_string_length(mac) == PORTAL_MAC_HEX) {
            ngx_http_portal_session_forget((u_char *) json_string_value(mac));
        }
    }
}
