
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A form that came when its session had ended.  The answer is the log-in page,
 * which carries what was typed, sealed for the account whose session it was
 * and for the town; the same account gets its form filled again, to be looked
 * at and sent by the person.  Another account gets nothing of it.
 *
 * Unless the form itself has ended it: one that renews the session, whose
 * button was pressed twice.  The browser has dropped the first answer, and the
 * new cookie with it, so that the second gets both.
 */

/* how long a form is kept, s */
#define NGX_HTTP_PORTAL_FORM_LIFE  1800

/* sealed and with the rest of the log-in's body it stays below its limit */
#define NGX_HTTP_PORTAL_FORM_MAX   45000

#define NGX_HTTP_PORTAL_FORM_KEY   (sizeof("form:") - 1 + PORTAL_MAC_HEX)


static ngx_uint_t ngx_http_portal_relogin_asks(ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_relogin_owner(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static void ngx_http_portal_relogin_forget(ngx_http_portal_ctx_t *ctx);
static ngx_http_portal_loc_conf_t *ngx_http_portal_relogin_page(
    ngx_http_request_t *r, ngx_http_portal_loc_conf_t *plcf);
static portal_text_t ngx_http_portal_form_kind(ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_form_seal(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, int64_t account, ngx_str_t *path);
static json_t *ngx_http_portal_form_open(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_str_t *sealed);
static portal_redis_op_t *ngx_http_portal_form_op(ngx_http_portal_ctx_t *ctx,
    const char *command, size_t len);
static void ngx_http_portal_form_kept(portal_op_t *op);
static void ngx_http_portal_form_fetched(portal_op_t *op);
static void ngx_http_portal_form_show(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_str_t *sealed);


/* let in for this alone: whose session was it, and was the form answered? */

ngx_int_t
ngx_http_portal_act_relogin(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t                     rc;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    ctx->expired = 1;

    json_decref(ctx->input);
    ctx->input = json_object();

    if (ngx_http_portal_relogin_asks(ctx)) {

        /* a session that could not be kept is not to take the other's place */

        if (ctx->verdict->form->session
            && !portal_redis_writable(ngx_http_portal.redis))
        {
            return ngx_http_portal_unavailable(r, ctx, "redis is down, no "
                                               "session can be opened");
        }

        rc = ngx_http_portal_prepare_args(r, ctx);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (json_object_set_new(ctx->input, "session_mac",
                            json_stringn((const char *) ctx->mac_hex,
                                         PORTAL_MAC_HEX))
        != 0)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_call(r, ctx, pmcf->session_owner,
                                ngx_http_portal_relogin_owner);
}


/* a form that cannot have been accepted was not; nor can files be compared,
   which are not kept for this */

static ngx_uint_t
ngx_http_portal_relogin_asks(ngx_http_portal_ctx_t *ctx)
{
    return ctx->verdict->form->idempotent && ctx->key.len
           && ctx->values != NULL && ctx->nfiles == 0
           && json_array_size(ctx->errors) == 0;
}


static ngx_int_t
ngx_http_portal_relogin_owner(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    json_t     *document;
    ngx_int_t   rc;

    rc = ngx_http_portal_call_failed(r, ctx);

    if (ctx->call_status == PORTAL_OP_LOST && ctx->minted) {
        ngx_http_portal_session_lost(r, ctx);
    }

    if (rc != NGX_OK) {
        return ngx_http_portal_problem(r, ctx, (ngx_uint_t) rc, NULL);
    }

    document = ngx_http_portal_document(r, ctx);

    if (json_is_object(json_object_get(document, "session"))) {
        ctx->expired = 0;

        return ngx_http_portal_effects(r, ctx, ngx_http_portal_after_effects);
    }

    return ngx_http_portal_relogin(r, ctx,
               json_integer_value(json_object_get(document, "account")));
}


ngx_int_t
ngx_http_portal_relogin(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    int64_t account)
{
    ngx_str_t                    path;
    const char                  *done;
    ngx_http_portal_loc_conf_t  *plcf, *page;

    plcf = ctx->verdict;
    page = ngx_http_portal_relogin_page(r, plcf);

    if (page == NULL) {
        return ngx_http_portal_problem(r, ctx, NGX_HTTP_UNAUTHORIZED, NULL);
    }

    done = json_string_value(json_object_get(ctx->document, "location"));

    /* what only takes a POST has no page to come back to */

    path.data = (u_char *) ngx_http_portal_start_page(plcf);
    path.len = ngx_strlen(path.data);

    if ((plcf->get != NULL || plcf->view != NULL)
        && ngx_http_portal_relogin_path(r, &path) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->notice = "session";

    if (done != NULL) {

        /* not to be done again: to where its answer led */

        ctx->notice = "form_done";

        path.len = ngx_strlen(done);
        path.data = ngx_pnalloc(r->pool, path.len + 1);

        if (path.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memcpy(path.data, done, path.len + 1);

    } else if (plcf->view != NULL && plcf->form->nfields) {
        ctx->notice = "form_lost";

        if (account && json_object_size(ctx->typed)
            && ngx_http_portal_form_seal(r, ctx, account, &path) == NGX_OK)
        {
            ctx->notice = "form_kept";
        }
    }

    ngx_http_portal_relogin_forget(ctx);

    ctx->typed = json_pack("{s:s%}", "next", path.data, path.len);
    ctx->verdict = page;
    ctx->expired = 0;

    return ngx_http_portal_present(r, ctx, NGX_HTTP_UNAUTHORIZED, page->view);
}


/* from here on it is the log-in's page, which is for everybody */

static void
ngx_http_portal_relogin_forget(ngx_http_portal_ctx_t *ctx)
{
    portal_form_t  *form;

    form = ctx->verdict->form;

    if (ctx->values != NULL) {
        portal_form_wipe(form, ctx->values);
        json_decref(ctx->values);
        ctx->values = NULL;
    }

    if (ctx->answer.len) {
        portal_wipe(ctx->answer.data, ctx->answer.len);
        ngx_str_null(&ctx->answer);
    }

    json_decref(ctx->document);
    ctx->document = NULL;

    json_decref(ctx->errors);
    ctx->errors = NULL;

    portal_form_wipe(form, ctx->typed);
    json_decref(ctx->typed);
    ctx->typed = NULL;
}


static ngx_http_portal_loc_conf_t *
ngx_http_portal_relogin_page(ngx_http_request_t *r,
    ngx_http_portal_loc_conf_t *plcf)
{
    ngx_uint_t                     i;
    ngx_http_portal_loc_conf_t   **login;
    ngx_http_portal_main_conf_t   *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    login = pmcf->logins.elts;

    for (i = 0; i < pmcf->logins.nelts; i++) {
        if (ngx_http_portal_same_town(login[i], plcf)
            && login[i]->agents == plcf->agents
            && login[i]->view != NULL)
        {
            return login[i];
        }
    }

    return NULL;
}


/* of the normalised address: what was sent may begin with two slashes */

ngx_int_t
ngx_http_portal_relogin_path(ngx_http_request_t *r, ngx_str_t *path)
{
    u_char  *p;
    size_t   len;

    len = r->uri.len + 2 * ngx_escape_uri(NULL, r->uri.data, r->uri.len,
                                          NGX_ESCAPE_URI);

    p = ngx_pnalloc(r->pool, len + 1 + r->args.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    path->data = p;

    (void) ngx_escape_uri(p, r->uri.data, r->uri.len, NGX_ESCAPE_URI);
    p += len;

    if (r->args.len) {
        *p++ = '?';
        p = ngx_cpymem(p, r->args.data, r->args.len);
    }

    path->len = (size_t) (p - path->data);

    return NGX_OK;
}


/* agents and accounts are numbered apart */

static portal_text_t
ngx_http_portal_form_kind(ngx_http_portal_ctx_t *ctx)
{
    if (ctx->verdict->agents) {
        return (portal_text_t) { "agent-form", 10 };
    }

    return (portal_text_t) { "form", 4 };
}


/* into ctx->restore; what was typed never holds a password or a file */

static ngx_int_t
ngx_http_portal_form_seal(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    int64_t account, ngx_str_t *path)
{
    int                           n;
    char                         *text;
    u_char                        id[NGX_INT64_LEN];
    json_t                       *form;
    size_t                        size;
    portal_text_t                 plain, who;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    form = json_pack("{s:s%, s:s%, s:s%, s:I, s:O}",
                     "uri", r->uri.data, r->uri.len,
                     "path", path->data, path->len,
                     "key", ctx->key.len ? (char *) ctx->key.data : "",
                     ctx->key.len,
                     "until", (json_int_t) ngx_time()
                              + NGX_HTTP_PORTAL_FORM_LIFE,
                     "typed", ctx->typed);

    text = form ? json_dumps(form, JSON_COMPACT) : NULL;
    json_decref(form);

    if (text == NULL) {
        return NGX_ERROR;
    }

    plain.data = text;
    plain.len = ngx_strlen(text);

    who.data = (const char *) id;
    who.len = (size_t) (ngx_sprintf(id, "%L", account) - id);

    n = -1;
    size = portal_sealed_len(plain.len);

    if (plain.len <= NGX_HTTP_PORTAL_FORM_MAX) {
        ctx->restore.data = ngx_pnalloc(r->pool, size);

        if (ctx->restore.data != NULL) {
            n = portal_seal(pmcf->keys,
                            ngx_http_portal_text(ctx->town->slug),
                            ngx_http_portal_form_kind(ctx), who,
                            (portal_text_t) { "typed", 5 }, plain,
                            (char *) ctx->restore.data, size);
        }
    }

    portal_wipe(text, plain.len);
    free(text);

    ctx->restore.len = n < 0 ? 0 : (size_t) n;

    return n < 0 ? NGX_ERROR : NGX_OK;
}


/* for the account that is logged in now; NULL: not its, or not whole */

static json_t *
ngx_http_portal_form_open(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_str_t *sealed)
{
    int                           n;
    char                         *plain;
    u_char                        id[NGX_INT64_LEN];
    json_t                       *form;
    portal_text_t                 who;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    plain = ngx_pnalloc(r->pool, sealed->len);
    if (plain == NULL) {
        return NULL;
    }

    who.data = (const char *) id;
    who.len = (size_t) (ngx_sprintf(id, "%L", ctx->session.account) - id);

    n = portal_open(pmcf->keys,
                    ngx_http_portal_text(ctx->town->slug),
                    ngx_http_portal_form_kind(ctx), who,
                    (portal_text_t) { "typed", 5 },
                    ngx_http_portal_text(*sealed), plain, sealed->len);
    if (n < 0) {
        return NULL;
    }

    form = json_loadb(plain, (size_t) n, 0, NULL);
    portal_wipe(plain, (size_t) n);

    return form;
}


/*
 * The log-in worked.  The form waits in Redis, as sealed as it came, under the
 * new session's key, for the page that the person is sent back to.
 */

ngx_int_t
ngx_http_portal_form_keep(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_step_pt step)
{
    u_char              life[NGX_INT_T_LEN];
    json_t             *form, *location;
    size_t              len;
    ngx_int_t           left;
    ngx_str_t           sealed;
    const char         *path;
    portal_redis_op_t  *op;

    sealed = ctx->restore;
    ngx_str_null(&ctx->restore);

    form = ngx_http_portal_form_open(r, ctx, &sealed);
    path = json_string_value(json_object_get(form, "path"));

    left = (ngx_int_t) (json_integer_value(json_object_get(form, "until"))
                        - ngx_time());
    op = NULL;

    if (path == NULL) {
        location = json_string(ngx_http_portal_start_page(ctx->verdict));

    } else if (left <= 0) {
        location = json_string(path);

    } else {
        location = json_sprintf("%s%sreprise=1", path,
                                ngx_strchr(path, '?') ? "&" : "?");
        op = ngx_http_portal_form_op(ctx, "SET", 3);
    }

    json_object_set_new(ngx_http_portal_document(r, ctx), "location",
                        location);
    json_decref(form);

    if (op == NULL) {
        return step(r, ctx);
    }

    len = (size_t) (ngx_sprintf(life, "%i", left) - life);

    if (portal_redis_arg(op, sealed.data, sealed.len) != NGX_OK
        || portal_redis_arg(op, "EX", 2) != NGX_OK
        || portal_redis_arg(op, life, len) != NGX_OK)
    {
        portal_redis_drop(op);
        return step(r, ctx);
    }

    op->op.handler = ngx_http_portal_form_kept;
    op->op.data = ctx;

    ctx->redis_op = op;
    ctx->step = step;

    portal_redis_post(ngx_http_portal.redis, op);

    return NGX_DONE;
}


static portal_redis_op_t *
ngx_http_portal_form_op(ngx_http_portal_ctx_t *ctx, const char *command,
    size_t len)
{
    u_char              key[NGX_HTTP_PORTAL_FORM_KEY];
    portal_redis_op_t  *op;

    op = portal_redis_op(ngx_http_portal.redis);
    if (op == NULL) {
        return NULL;
    }

    ngx_memcpy(key, "form:", 5);
    ngx_memcpy(key + 5, ctx->mac_hex, PORTAL_MAC_HEX);

    if (portal_redis_arg(op, command, len) != NGX_OK
        || portal_redis_arg(op, key, sizeof(key)) != NGX_OK)
    {
        portal_redis_drop(op);
        return NULL;
    }

    return op;
}


/* kept or not, the person is logged in */

static void
ngx_http_portal_form_kept(portal_op_t *op)
{
    ngx_http_portal_ctx_t  *ctx;

    ctx = op->data;

    ctx->redis_op = NULL;

    if (op->status != PORTAL_OP_OK) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "portal: a form could not be kept over a log-in");
    }

    ngx_http_portal_resume(ctx);
}


/* the page that it was sent back to: "reprise" in its address */

ngx_uint_t
ngx_http_portal_form_waits(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_str_t  value;

    return ctx->live && !ctx->json && ctx->verdict->form != NULL
           && r->method == NGX_HTTP_GET
           && ngx_http_arg(r, (u_char *) "reprise", 7, &value) == NGX_OK
           && portal_redis_healthy(ngx_http_portal.redis);
}


ngx_int_t
ngx_http_portal_form_fetch(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_step_pt step)
{
    portal_redis_op_t  *op;

    op = ngx_http_portal_form_op(ctx, "MGET", 4);
    if (op == NULL) {
        return step(r, ctx);
    }

    op->op.handler = ngx_http_portal_form_fetched;
    op->op.data = ctx;

    ctx->redis_op = op;
    ctx->step = step;

    portal_redis_post(ngx_http_portal.redis, op);

    return NGX_DONE;
}


static void
ngx_http_portal_form_fetched(portal_op_t *op)
{
    portal_redis_op_t      *redis_op;
    ngx_http_portal_ctx_t  *ctx;

    ctx = op->data;
    redis_op = (portal_redis_op_t *) op;

    ctx->redis_op = NULL;

    if (op->status == PORTAL_OP_OK && redis_op->n == 1
        && redis_op->values[0].data != NULL)
    {
        ngx_http_portal_form_show(ctx->request, ctx, &redis_op->values[0]);
    }

    ngx_http_portal_resume(ctx);
}


static void
ngx_http_portal_form_show(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_str_t *sealed)
{
    json_t             *form, *uri, *key;
    portal_redis_op_t  *op;

    form = ngx_http_portal_form_open(r, ctx, sealed);
    uri = json_object_get(form, "uri");

    if (json_string_length(uri) == r->uri.len
        && ngx_strncmp(json_string_value(uri), r->uri.data, r->uri.len) == 0)
    {
        ctx->typed = json_incref(json_object_get(form, "typed"));
        ctx->notice = "form_restored";

        /* it may have been counted before its session ended */

        key = json_object_get(form, "key");

        ctx->key.len = json_string_length(key);
        ctx->key.data = ngx_pnalloc(r->pool, ctx->key.len + 1);

        if (ctx->key.data != NULL && ctx->key.len) {
            ngx_memcpy(ctx->key.data, json_string_value(key), ctx->key.len);
            ctx->again = 1;
        }

        /* once: what is sent from here on is another matter */

        op = ngx_http_portal_form_op(ctx, "DEL", 3);

        if (op != NULL) {
            portal_redis_post(ngx_http_portal.redis, op);
        }
    }

    json_decref(form);
}
