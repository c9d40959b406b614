
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * One trip to PostgreSQL: portal.enter(), which decides who is asking and
 * says whether the town's document has changed, and the location's function.
 */


static ngx_uint_t ngx_http_portal_call_shares(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_pg_statement_t *function);
static ngx_int_t ngx_http_portal_call_enter(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_pg_op_t *op);
static ngx_int_t ngx_http_portal_call_machine(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_pg_op_t *op, ngx_str_t *version);
static void ngx_http_portal_called(portal_op_t *op);
static void ngx_http_portal_call_again(ngx_http_portal_ctx_t *ctx,
    portal_pg_statement_t *function);
static void ngx_http_portal_call_town(ngx_http_portal_ctx_t *ctx,
    ngx_str_t *value);


ngx_int_t
ngx_http_portal_call(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    portal_pg_statement_t *function, ngx_http_portal_step_pt step)
{
    char                         *text;
    ngx_int_t                     rc;
    ngx_str_t                     input;
    portal_pg_op_t               *op;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    if (ctx->expired && function != pmcf->session_owner) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "portal: a call for a session that has ended");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_portal.refusing) {
        return ngx_http_portal_unavailable(r, ctx, "no call before the "
                                   "database is known to be this portal's");
    }

    op = portal_pg_op(ngx_http_portal.pg);
    if (op == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text = json_dumps(ctx->input, JSON_COMPACT);
    if (text == NULL) {
        portal_pg_drop(op);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    input.data = (u_char *) text;
    input.len = ngx_strlen(text);

    rc = ngx_http_portal_call_enter(r, ctx, op);

    if (rc == NGX_OK) {
        rc = portal_pg_query(op, function);
    }

    if (rc == NGX_OK) {
        rc = portal_pg_param(op, &input);
    }

    portal_wipe(text, input.len);
    free(text);

    if (rc != NGX_OK) {
        portal_pg_drop(op);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    op->op.handler = ngx_http_portal_called;
    op->op.data = ctx;

    if (ngx_http_portal_call_shares(r, ctx, function)) {
        op->shares = 1;
    }

    /* a form shown again after a failure: that has had its line */

    op->op.log = (ctx->call_status > PORTAL_OP_REFUSED) ? NULL
                                                        : r->connection->log;

    ctx->pg_op = op;
    ctx->step = step;

    r->connection->log->action = "waiting for the database";

    portal_pg_post(ngx_http_portal.pg, op);

    return NGX_DONE;
}


/*
 * What shows a citizen's page may be asked for twice.  What agents and machines
 * read is a row of the audit each time and counts towards their limits, and so
 * is a sheet that is taken away, as JSON too.
 */

static ngx_uint_t
ngx_http_portal_call_shares(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    portal_pg_statement_t *function)
{
    return (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
           && function == ctx->verdict->get
           && !ctx->verdict->agents
           && ctx->verdict->audience != NGX_HTTP_PORTAL_MACHINE
           && (ctx->verdict->view == NULL || !ctx->verdict->view->csv);
}


ngx_int_t
ngx_http_portal_enter(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    portal_op_handler_pt handler)
{
    portal_pg_op_t               *op;
    ngx_http_portal_loc_conf_t   *plcf;
    ngx_http_portal_main_conf_t  *pmcf;

    op = portal_pg_op(ngx_http_portal.pg);
    if (op == NULL) {
        return NGX_ERROR;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    if (ngx_http_portal_call_enter(r, ctx, op) != NGX_OK
        || (plcf->right.len
            && (portal_pg_query(op, pmcf->may_machine) != NGX_OK
                || portal_pg_param(op, &plcf->right) != NGX_OK)))
    {
        portal_pg_drop(op);
        return NGX_ERROR;
    }

    op->op.handler = handler;
    op->op.data = ctx;

    /* a page is shown all the same when the answer does not come */

    op->op.log = plcf->handled && plcf->right.len == 0 ? NULL
                                                       : r->connection->log;

    ctx->pg_op = op;

    r->connection->log->action = "waiting for the database";

    portal_pg_post(ngx_http_portal.pg, op);

    return NGX_OK;
}


void
ngx_http_portal_tell(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    portal_pg_statement_t *function, ngx_str_t *input)
{
    portal_pg_op_t  *op;

    op = portal_pg_op(ngx_http_portal.pg);
    if (op == NULL) {
        return;
    }

    if (ngx_http_portal_call_enter(r, ctx, op) != NGX_OK
        || portal_pg_query(op, function) != NGX_OK
        || portal_pg_param(op, input) != NGX_OK)
    {
        portal_pg_drop(op);
        return;
    }

    portal_pg_post(ngx_http_portal.pg, op);
}


static ngx_int_t
ngx_http_portal_call_enter(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    portal_pg_op_t *op)
{
    u_char                        number[4][NGX_INT64_LEN];
    ngx_str_t                     session, account, epoch, family, version;
    ngx_str_t                     schema = ngx_string(NGX_HTTP_PORTAL_SCHEMA);
    ngx_http_portal_town_t       *town;
    ngx_http_portal_loc_conf_t   *plcf;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);
    town = ctx->town;

    ngx_str_null(&session);
    ngx_str_null(&account);
    ngx_str_null(&epoch);
    ngx_str_null(&family);

    if (ctx->live) {
        session.data = ctx->mac_hex;
        session.len = PORTAL_MAC_HEX;

        account.data = number[0];
        account.len = (size_t) (ngx_sprintf(number[0], "%L",
                                            ctx->session.account)
                                - number[0]);

        epoch.data = number[1];
        epoch.len = (size_t) (ngx_sprintf(number[1], "%D", ctx->session.epoch)
                              - number[1]);

        if (ctx->session.family) {
            family.data = number[2];
            family.len = (size_t) (ngx_sprintf(number[2], "%L",
                                               ctx->session.family)
                                   - number[2]);
        }
    }

    version.data = number[3];
    version.len = (size_t) (ngx_sprintf(number[3], "%L", town->version)
                            - number[3]);

    if (plcf->audience == NGX_HTTP_PORTAL_MACHINE) {
        return ngx_http_portal_call_machine(r, ctx, op, &version);
    }

    if (portal_pg_query(op, plcf->agents ? pmcf->enter_agent : pmcf->enter)
        != NGX_OK
        || portal_pg_param(op, &town->slug) != NGX_OK
        || portal_pg_param(op, &session) != NGX_OK
        || portal_pg_param(op, &account) != NGX_OK
        || portal_pg_param(op, &epoch) != NGX_OK
        || (!plcf->agents && portal_pg_param(op, &family) != NGX_OK)
        || portal_pg_param(op, &version) != NGX_OK
        || portal_pg_param(op, &schema) != NGX_OK
        || portal_pg_param(op, ngx_http_portal_request_id(r, ctx))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_call_machine(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_pg_op_t *op, ngx_str_t *version)
{
    ngx_str_t                     key;
    ngx_str_t                     schema = ngx_string(NGX_HTTP_PORTAL_SCHEMA);
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    key.data = ctx->mac_hex;
    key.len = PORTAL_MAC_HEX;

    if (portal_pg_query(op, pmcf->enter_machine) != NGX_OK
        || portal_pg_param(op, &ctx->town->slug) != NGX_OK
        || portal_pg_param(op, &key) != NGX_OK
        || portal_pg_param(op, version) != NGX_OK
        || portal_pg_param(op, &schema) != NGX_OK
        || portal_pg_param(op, ngx_http_portal_request_id(r, ctx))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_portal_called(portal_op_t *op)
{
    ngx_str_t              *value;
    portal_pg_op_t         *pg_op;
    ngx_http_request_t     *r;
    ngx_http_portal_ctx_t  *ctx;

    ctx = op->data;
    r = ctx->request;
    pg_op = (portal_pg_op_t *) op;

    ngx_http_portal_entered(ctx, pg_op);

    if (ctx->failed == 0 && ngx_http_portal_family_left(ctx)
        && ctx->verdict->audience != NGX_HTTP_PORTAL_FAMILY)
    {
        ngx_http_portal_call_again(ctx, pg_op->queries[1].statement);
        return;
    }

    if (ctx->answer.len) {
        portal_wipe(ctx->answer.data, ctx->answer.len);
    }

    ngx_str_null(&ctx->answer);
    json_decref(ctx->document);
    ctx->document = NULL;

    if (op->status == PORTAL_OP_OK) {
        value = &pg_op->queries[1].value;

        if (value->data != NULL) {
            ctx->answer.data = ngx_pnalloc(r->pool, value->len + 1);
        }

        if (ctx->answer.data != NULL) {
            ngx_memcpy(ctx->answer.data, value->data, value->len);
            ctx->answer.data[value->len] = '\0';
            ctx->answer.len = value->len;

        } else {
            ngx_http_set_log_request(r->connection->log, r);
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "portal: function \"%s\" returned nothing",
                          pg_op->queries[1].statement->name);
            ctx->sqlstate[0] = '\0';
            ctx->call_status = PORTAL_OP_REFUSED;
        }
    }

    ngx_http_portal_resume(ctx);
}


void
ngx_http_portal_entered(ngx_http_portal_ctx_t *ctx, portal_pg_op_t *op)
{
    ctx->pg_op = NULL;
    ctx->call_status = op->op.status;
    ctx->call_time += op->took;
    ctx->queue_time += op->waited;
    ctx->calls++;

    if (ctx->call_status == PORTAL_OP_OK) {
        ngx_http_portal_call_town(ctx, &op->queries[0].value);

        if (ctx->live && !ctx->confirmed) {
            portal_l1_confirm(ngx_http_portal.l1, ctx->mac);
            ctx->confirmed = 1;
        }

    } else if (ctx->call_status == PORTAL_OP_REFUSED) {
        ngx_memcpy(ctx->sqlstate, op->sqlstate, sizeof(ctx->sqlstate));
        ctx->failed = op->failed;
    }
}


static void
ngx_http_portal_call_again(ngx_http_portal_ctx_t *ctx,
    portal_pg_statement_t *function)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    rc = ngx_http_portal_call(r, ctx, function, ctx->step);

    ngx_http_portal_finish(r, ctx, rc);

    ngx_http_run_posted_requests(c);
}


/*
 * The session lives, but its family's subscription was ended elsewhere: what
 * is for every citizen, the log-out too, goes on without a family, and the
 * next page knows it before it calls.
 */

ngx_uint_t
ngx_http_portal_family_left(ngx_http_portal_ctx_t *ctx)
{
    if (ctx->call_status != PORTAL_OP_REFUSED
        || ngx_strcmp(ctx->sqlstate, "PT403") != 0
        || ctx->session.family == 0)
    {
        return 0;
    }

    ctx->session.family = 0;
    ctx->session.label_len = 0;
    ctx->session.roles &= ~NGX_HTTP_PORTAL_ROLE_FAMILY;

    ngx_http_portal_session_rewrite(ctx);

    return 1;
}


static void
ngx_http_portal_call_town(ngx_http_portal_ctx_t *ctx, ngx_str_t *value)
{
    json_t  *root, *town;

    /* the answer nearly always: nothing new */

    if (value->data == NULL || value->len < sizeof("{\"town\" : null}") + 8) {
        return;
    }

    root = json_loadb((const char *) value->data, value->len, 0, NULL);
    town = json_object_get(root, "town");

    if (json_is_object(town)) {
        ngx_http_portal_town_set(ctx->town, json_incref(town));
    }

    json_decref(root);
}


/*
 * 401 and 403 are what enter raises when the session has ended elsewhere or
 * the family is no longer the account's; all that may pass by itself is 503.
 * What portal_pg_post() has logged is not said again.
 */

ngx_int_t
ngx_http_portal_call_failed(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_log_t  *log;

    log = r->connection->log;

    switch (ctx->call_status) {

    case PORTAL_OP_OK:
        return NGX_OK;

    case PORTAL_OP_REFUSED:
        break;

    default:
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    if (ngx_strncmp(ctx->sqlstate, "PT", 2) == 0) {

        switch (ngx_atoi(ctx->sqlstate + 2, 3)) {

        case 401:
            return NGX_HTTP_UNAUTHORIZED;

        case 403:
            return NGX_HTTP_FORBIDDEN;

        case 404:
            ngx_http_portal_town_gone(ctx->town);
            return NGX_HTTP_NOT_FOUND;

        default:
            ngx_log_error(NGX_LOG_ERR, log, 0,
                          "portal: the database's schema is not version "
                          NGX_HTTP_PORTAL_SCHEMA ", run sql/migrate");
            return NGX_HTTP_SERVICE_UNAVAILABLE;
        }
    }

    /* no such schema, function or table: migrations are missing */

    if (ngx_strcmp(ctx->sqlstate, "3F000") == 0
        || ngx_strcmp(ctx->sqlstate, "42883") == 0
        || ngx_strcmp(ctx->sqlstate, "42P01") == 0)
    {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "portal: the database's schema lacks what the page "
                      "calls, run sql/migrate");
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    /* cancelled by a timeout, lock not had, deadlock, no space, read only */

    if (ngx_strncmp(ctx->sqlstate, "57", 2) == 0
        || ngx_strncmp(ctx->sqlstate, "55", 2) == 0
        || ngx_strncmp(ctx->sqlstate, "40", 2) == 0
        || ngx_strncmp(ctx->sqlstate, "53", 2) == 0
        || ngx_strncmp(ctx->sqlstate, "25", 2) == 0)
    {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}


json_t *
ngx_http_portal_document(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_error_t  error;

    if (ctx->document != NULL) {
        return ctx->document;
    }

    ctx->document = json_loadb((const char *) ctx->answer.data,
                               ctx->answer.len, 0, &error);

    if (!json_is_object(ctx->document)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: a function returned no document");
        json_decref(ctx->document);
        ctx->document = NULL;
    }

    return ctx->document;
}
