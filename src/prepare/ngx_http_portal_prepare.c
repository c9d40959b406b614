
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What C alone can do before the call.  Secrets that a person typed never
 * reach PostgreSQL: a password goes as its hash, a code abonne or a link's
 * token as its MAC, a sealed field as ngx_http_portal_seal.c has it; an address
 * goes as typed and as the MAC it is found by.
 */


static ngx_int_t ngx_http_portal_prepare_typed(ngx_http_request_t *r,
    ngx_str_t *text);
static ngx_int_t ngx_http_portal_prepare_field(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field);
static ngx_int_t ngx_http_portal_prepare_mac(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *to, const char *name,
    const char *purpose, const char *text, size_t len);
static ngx_int_t ngx_http_portal_prepare_token(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *name);
static json_t *ngx_http_portal_prepare_request(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_prepare_post(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *about);
static ngx_int_t ngx_http_portal_prepare_print(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *about);
static const char *ngx_http_portal_browser(ngx_http_request_t *r);
static portal_hash_op_t *ngx_http_portal_password_op(
    ngx_http_portal_ctx_t *ctx, const char *password, size_t len,
    ngx_http_portal_step_pt step);
static void ngx_http_portal_hashed(portal_op_t *op);


ngx_int_t
ngx_http_portal_prepare(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    size_t          i;
    ngx_int_t       rc;
    portal_form_t  *form;

    form = ctx->verdict->form;

    rc = ngx_http_portal_prepare_args(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < form->nfields; i++) {
        rc = ngx_http_portal_prepare_field(r, ctx, &form->fields[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (form->captcha) {
        json_object_set(ctx->input, "captcha_id",
                        json_object_get(ctx->values, "captcha_id"));
        json_object_set(ctx->input, "captcha_expires",
                        json_object_get(ctx->values, "captcha_expires"));
    }

    if (form->issue
        && json_object_set_new(ctx->input, "issued",
                               ngx_http_portal_issue(r, ctx))
           != 0)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if ((form->authenticator
         && json_object_set_new(ctx->input, "authenticator",
                                ngx_http_portal_authenticator(r, ctx))
            != 0)
        || (form->recovery
            && json_object_set_new(ctx->input, "recovery",
                                   ngx_http_portal_recovery(r, ctx))
               != 0)
        || (form->signing
            && json_object_set_new(ctx->input, "signing",
                                   ngx_http_portal_signing(r, ctx))
               != 0))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (form->token) {
        rc = ngx_http_portal_prepare_token(r, ctx, "token");
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (form->undo) {
        return ngx_http_portal_prepare_token(r, ctx, "undo");
    }

    return NGX_OK;
}


/* the location's arguments and what the call should know of the request */

ngx_int_t
ngx_http_portal_prepare_args(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t                      *about, *value;
    ngx_str_t                    text;
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    const portal_field_t        *field;
    ngx_http_portal_arg_t       *arg;
    ngx_http_portal_loc_conf_t  *plcf;

    plcf = ctx->verdict;

    json_decref(ctx->input);
    ctx->input = json_object();

    about = ngx_http_portal_prepare_request(r, ctx);

    if (ctx->input == NULL
        || json_object_set_new(ctx->input, "_", about) != 0)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    arg = plcf->args ? plcf->args->elts : NULL;

    for (i = 0; arg != NULL && i < plcf->args->nelts; i++) {

        if (ngx_http_complex_value(r, &arg[i].value, &text) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (arg[i].typed
            && ngx_http_portal_prepare_typed(r, &text) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        /* what the form sent of that name stands for what its page was asked */

        value = json_object_get(ctx->values, (const char *) arg[i].name.data);
        field = value ? portal_form_field(plcf->form,
                                          (const char *) arg[i].name.data)
                      : NULL;

        if (json_is_string(value) && (field == NULL || !field->sealed)) {
            text.data = (u_char *) json_string_value(value);
            text.len = json_string_length(value);
        }

        if (arg[i].mac) {
            rc = ngx_http_portal_prepare_mac(r, ctx, ctx->input,
                           (const char *) arg[i].name.data, "token",
                           portal_is_secret(ngx_http_portal_text(text))
                               ? (const char *) text.data : NULL, text.len);
            if (rc != NGX_OK) {
                return rc;
            }

            continue;
        }

        /* NULL from jansson: not UTF-8 */

        value = json_stringn((const char *) text.data, text.len);

        if (json_object_set_new(ctx->input, (const char *) arg[i].name.data,
                                value ? value : json_null())
            != 0)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return NGX_OK;
}


/* nginx leaves the arguments of an address as they came */

static ngx_int_t
ngx_http_portal_prepare_typed(ngx_http_request_t *r, ngx_str_t *text)
{
    u_char  *p, *dst, *src, *copy;

    copy = ngx_pstrdup(r->pool, text);
    if (copy == NULL) {
        return NGX_ERROR;
    }

    for (p = copy; p < copy + text->len; p++) {
        if (*p == '+') {
            *p = ' ';
        }
    }

    src = copy;
    dst = copy;
    ngx_unescape_uri(&dst, &src, text->len, 0);

    text->data = copy;
    text->len = (size_t) (dst - copy);

    /* no text of PostgreSQL has this one */

    if (memchr(text->data, '\0', text->len) != NULL) {
        text->len = 0;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_prepare_field(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field)
{
    json_t       *value;
    size_t        len;
    const char   *text, *purpose;
    ngx_uint_t    keep;

    value = json_object_get(ctx->values, field->name);
    text = json_string_value(value);
    len = json_string_length(value);

    /* of a partial form: not sent, so not asked */

    if (value == NULL && ctx->verdict->form->partial) {
        return NGX_OK;
    }

    if (field->sealed) {
        return ngx_http_portal_seal_field(r, ctx, field);
    }

    keep = 0;
    purpose = NULL;

    switch (field->type) {

    case PORTAL_FIELD_PASSWORD:
    case PORTAL_FIELD_OTP:
        return NGX_OK;

    case PORTAL_FIELD_EMAIL:

        /* found whatever the case it is typed in, stored as typed */

        keep = 1;
        purpose = "email";
        break;

    case PORTAL_FIELD_CODE:
        purpose = "code";
        break;

    case PORTAL_FIELD_TOKEN:
        purpose = "token";
        break;

    case PORTAL_FIELD_FILE:

        if (field->store) {
            return ngx_http_portal_store_value(ctx, field) == NGX_OK
                   ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        keep = 1;
        break;

    default:
        keep = 1;
        break;
    }

    if (keep
        && json_object_set(ctx->input, field->name, value ? value
                                                          : json_null())
           != 0)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (purpose == NULL) {
        return NGX_OK;
    }

    return ngx_http_portal_prepare_mac(r, ctx, ctx->input, field->name,
                                       purpose, text, len);
}


/* sets NAME_mac, null when there is no text */

static ngx_int_t
ngx_http_portal_prepare_mac(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *to, const char *name, const char *purpose, const char *text,
    size_t len)
{
    char                          hex[PORTAL_MAC_HEX];
    char                          key[PORTAL_BODY_NAME + sizeof("_mac")];
    json_t                       *value;
    uint8_t                       mac[PORTAL_MAC_LEN];
    portal_text_t                 t, slug;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    slug = ngx_http_portal_text(ctx->town->slug);

    ngx_snprintf((u_char *) key, sizeof(key), "%s_mac%Z", name);

    if (text == NULL) {
        value = json_null();

    } else {
        t.data = text;
        t.len = len;

        if (ngx_strcmp(purpose, "email") == 0) {
            if (portal_mac_email(pmcf->keys, slug, t, mac) != 0) {
                return NGX_HTTP_BAD_REQUEST;
            }

        } else if (ngx_strcmp(purpose, "code") == 0) {
            if (portal_mac_code(pmcf->keys, slug, t, mac) != 0) {
                return NGX_HTTP_BAD_REQUEST;
            }

        } else {
            portal_mac(pmcf->keys, purpose, slug, t, mac);
        }

        portal_hex(mac, PORTAL_MAC_LEN, hex);
        value = json_stringn(hex, PORTAL_MAC_HEX);
    }

    return json_object_set_new(to, key, value) == 0
           ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/*
 * The token of a mail's link: PostgreSQL gets its MAC, and the token itself
 * only sealed for the outbox row that will carry it.
 */

static ngx_int_t
ngx_http_portal_prepare_token(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *name)
{
    int                           n;
    char                          id[36], secret[PORTAL_SECRET_B64];
    char                          sealed[256];
    json_t                       *token;
    ngx_int_t                     rc;
    portal_text_t                 slug, kind, uuid, field, plain;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    portal_uuid(id);
    portal_secret(secret);

    slug = ngx_http_portal_text(ctx->town->slug);
    kind = (portal_text_t) { "outbox", 6 };
    uuid = (portal_text_t) { id, sizeof(id) };
    field = (portal_text_t) { "token", 5 };
    plain = (portal_text_t) { secret, sizeof(secret) };

    n = portal_seal(pmcf->keys, slug, kind, uuid, field, plain, sealed,
                    sizeof(sealed));
    if (n < 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    token = json_object();
    rc = ngx_http_portal_prepare_mac(r, ctx, token, "token", "token", secret,
                                     sizeof(secret));
    portal_wipe(secret, sizeof(secret));

    if (rc != NGX_OK
        || json_object_set_new(token, "id", json_stringn(id, sizeof(id)))
        || json_object_set(token, "mac", json_object_get(token, "token_mac"))
        || json_object_del(token, "token_mac")
        || json_object_set_new(token, "sealed",
                               json_stringn(sealed, (size_t) n))
        || json_object_set(ctx->input, name, token))
    {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    json_decref(token);

    return rc;
}


static json_t *
ngx_http_portal_prepare_request(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    json_t                       *about;
    int64_t                       left;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    about = json_pack("{s:s, s:n}",
                      "lang", pmcf->languages[ctx->language].data,
                      "browser");
    if (about == NULL) {
        return NULL;
    }

    if (ngx_http_portal_visitor(r, ctx) != NULL) {
        json_object_set_new(about, "browser",
                            json_stringn((const char *) ctx->visit_hex,
                                         PORTAL_MAC_HEX));
    }

    if (ctx->live && ctx->verdict->passive) {
        left = ngx_http_portal_session_idle_left(ctx);
        json_object_set_new(about, "idle", json_integer(ctx->session.idle));
        json_object_set_new(about, "idle_left", left < 0
                                                ? json_null()
                                                : json_integer(left));
    }

    if (r->method == NGX_HTTP_POST && ctx->verdict->form != NULL
        && ngx_http_portal_prepare_post(r, ctx, about) != NGX_OK)
    {
        json_decref(about);
        return NULL;
    }

    return about;
}


/* who is counted, and what is kept of an act: reading a page needs neither */

static ngx_int_t
ngx_http_portal_prepare_post(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *about)
{
    size_t          len;
    u_char          ip[NGX_SOCKADDR_STRLEN];
    portal_form_t  *form;

    form = ctx->verdict->form;

    len = ngx_http_portal_client(r, ip, 64);

    json_object_set_new(about, "ip",
                        json_stringn((const char *) ip, len));
    json_object_set_new(about, "agent",
                        json_string(ngx_http_portal_browser(r)));
    json_object_set_new(about, "session", json_null());
    json_object_set_new(about, "key", json_null());
    json_object_set_new(about, "print", json_null());

    if (ngx_http_portal_prepare_mac(r, ctx, about, "ip", "ip",
                                    (const char *) ip, len)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->verdict->lookup != NULL || form->login) {
        len = ngx_http_portal_client(r, ip, 48);

        if (ngx_http_portal_prepare_mac(r, ctx, about, "net", "net",
                                        len ? (const char *) ip : NULL, len)
            != NGX_OK
            || ngx_http_portal_device(r, ctx, about) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (form->session) {
        ngx_http_portal_session_mint(r, ctx);
        json_object_set_new(about, "session",
                            json_stringn((const char *) ctx->secret_hex,
                                         PORTAL_MAC_HEX));
    }

    /* Redis may have lost what PostgreSQL still holds to be open */

    if (form->logout && ctx->cookie && !ctx->live) {
        json_object_set_new(about, "over",
                            json_stringn((const char *) ctx->mac_hex,
                                         PORTAL_MAC_HEX));
    }

    if (form->versioned && ctx->if_match != NULL) {
        json_object_set(about, "if_match", ctx->if_match);
    }

    if (form->idempotent && ctx->key.len) {
        json_object_set_new(about, "key",
                            json_stringn((const char *) ctx->key.data,
                                         ctx->key.len));
        json_object_set_new(about, "key_by",
                            json_string(ctx->key_header ? "header" : "form"));

        return ngx_http_portal_prepare_print(r, ctx, about);
    }

    return NGX_OK;
}


/* what was asked, so that a key cannot be used for something else */

static ngx_int_t
ngx_http_portal_prepare_print(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *about)
{
    char       *text;
    json_t     *asked;
    size_t      len;
    ngx_int_t   rc;

    asked = json_copy(ctx->values);
    if (asked == NULL) {
        return NGX_ERROR;
    }

    /* another challenge may have been answered for the same request */

    json_object_del(asked, "captcha_id");
    json_object_del(asked, "captcha_expires");
    json_object_set_new(asked, "_uri",
                        json_stringn((const char *) r->uri.data, r->uri.len));

    text = json_dumps(asked, JSON_COMPACT|JSON_SORT_KEYS);
    json_decref(asked);

    if (text == NULL) {
        return NGX_ERROR;
    }

    len = ngx_strlen(text);

    rc = ngx_http_portal_prepare_mac(r, ctx, about, "print", "print", text,
                                     len);
    portal_wipe(text, len);
    free(text);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    json_object_set(about, "print", json_object_get(about, "print_mac"));
    json_object_del(about, "print_mac");

    return NGX_OK;
}


/* an IPv4 address that came over an IPv6 socket is the same client */

size_t
ngx_http_portal_client(ngx_http_request_t *r, u_char *text, ngx_uint_t bits)
{
    struct sockaddr  *sa;
#if (NGX_HAVE_INET6)
    u_char               *p;
    struct sockaddr_in6  *sin6, prefix;
#endif

    sa = r->connection->sockaddr;

#if (NGX_HAVE_INET6)

    if (sa->sa_family == AF_INET6) {
        sin6 = (struct sockaddr_in6 *) sa;
        p = sin6->sin6_addr.s6_addr;

        if (!IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            prefix = *sin6;
            ngx_memzero(&prefix.sin6_addr.s6_addr[bits / 8], 16 - bits / 8);

            return ngx_sock_ntop((struct sockaddr *) &prefix, sizeof(prefix),
                                 text, NGX_SOCKADDR_STRLEN, 0);
        }

        return bits < 64 ? 0
                         : (size_t) (ngx_sprintf(text, "%ud.%ud.%ud.%ud",
                                                 p[12], p[13], p[14], p[15])
                                     - text);
    }

#endif

    if (bits < 64) {
        return 0;
    }

    return ngx_sock_ntop(sa, r->connection->socklen, text,
                         NGX_SOCKADDR_STRLEN, 0);
}


/* a family of browsers, for « Connexions récentes »: no version, no print */

static const char *
ngx_http_portal_browser(ngx_http_request_t *r)
{
    u_char  *ua, *last;

    if (r->headers_in.user_agent == NULL) {
        return "Autre";
    }

    ua = r->headers_in.user_agent->value.data;
    last = ua + r->headers_in.user_agent->value.len;

    if (ngx_strlcasestrn(ua, last, (u_char *) "firefox/", 8 - 1) != NULL) {
        return "Firefox";
    }

    if (ngx_strlcasestrn(ua, last, (u_char *) "edg", 3 - 1) != NULL) {
        return "Edge";
    }

    if (ngx_strlcasestrn(ua, last, (u_char *) "chrome/", 7 - 1) != NULL) {
        return "Chrome";
    }

    if (ngx_strlcasestrn(ua, last, (u_char *) "safari/", 7 - 1) != NULL) {
        return "Safari";
    }

    return "Autre";
}


ngx_int_t
ngx_http_portal_password(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const char *password, size_t len, const char *hash,
    ngx_http_portal_step_pt step)
{
    portal_hash_op_t  *op;

    op = ngx_http_portal_password_op(ctx, password, len, step);
    if (op == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (hash != NULL) {
        op->verify = 1;
        ngx_cpystrn((u_char *) op->hash, (u_char *) hash, PORTAL_HASH_LEN);
    }

    portal_hash_post(ngx_http_portal.hash, op);

    return NGX_DONE;
}


ngx_int_t
ngx_http_portal_password_look(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *password, size_t len,
    ngx_http_portal_step_pt step)
{
    portal_hash_op_t  *op;

    op = ngx_http_portal_password_op(ctx, password, len, step);
    if (op == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    op->look = 1;

    portal_hash_post(ngx_http_portal.hash, op);

    return NGX_DONE;
}


static portal_hash_op_t *
ngx_http_portal_password_op(ngx_http_portal_ctx_t *ctx, const char *password,
    size_t len, ngx_http_portal_step_pt step)
{
    portal_hash_op_t  *op;

    if (len > PORTAL_HASH_PASSWORD) {
        return NULL;
    }

    /* nothing is changed yet: who gives up does not cost others their turn */

    if (ngx_http_portal_hear_close(ctx->request) != NGX_AGAIN) {
        return NULL;
    }

    op = portal_hash_op(ngx_http_portal.hash);
    if (op == NULL) {
        return NULL;
    }

    ngx_memcpy(op->password, password, len);
    op->len = len;

    op->op.handler = ngx_http_portal_hashed;
    op->op.data = ctx;

    ctx->hash_op = op;
    ctx->step = step;

    return op;
}


/* step reads the result from ctx->hash_op, which lives until it returns */

static void
ngx_http_portal_hashed(portal_op_t *op)
{
    ngx_connection_t       *c;
    ngx_http_portal_ctx_t  *ctx;

    ctx = op->data;
    c = ctx->request->connection;

    ctx->request->read_event_handler = ngx_http_block_reading;

    ctx->call_status = op->status;
    ctx->hash_time += ((portal_hash_op_t *) op)->took;
    ctx->hashed = 1;

    if (op->status != PORTAL_OP_OK) {
        ngx_http_set_log_request(c->log, ctx->request);
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "portal: no turn to hash a password");
    }

    ngx_http_portal_resume(ctx);
}
