
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"
#include "../input/portal_types.h"


/*
 * The content phase: input, prepare, call, effects, present, each in the
 * folder of its name and in that order.  A step returns NGX_DONE when it waits
 * for an operation, which then goes on with ctx->step; anything else ends the
 * request.
 */


static ngx_int_t ngx_http_portal_content_signed_in(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static const char *ngx_http_portal_content_next(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t **next);
static ngx_int_t ngx_http_portal_content_show(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_content_refused(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status);
static ngx_int_t ngx_http_portal_content_got(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_content_error(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_not_allowed(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_act_lost(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_lead(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *location);
static ngx_int_t ngx_http_portal_refuse_shown(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);


ngx_int_t
ngx_http_portal_content_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_portal_ctx_t       *ctx;
    ngx_http_portal_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    if (ngx_http_portal_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (plcf->error) {
        return ngx_http_portal_content_error(r, ctx);
    }

    if (ctx->foreign) {
        rc = ngx_http_portal_unwanted(r);

        return rc != NGX_OK ? rc
                            : ngx_http_portal_problem(r, ctx,
                                                      NGX_HTTP_FORBIDDEN,
                                                      ctx->foreign);
    }

    if (r->method == NGX_HTTP_POST && plcf->act != NULL) {
        return ngx_http_portal_input(r, ctx);
    }

    if (r->method == NGX_HTTP_PUT && plcf->put != NULL) {
        return ngx_http_portal_put(r, ctx);
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
        || (plcf->get == NULL && plcf->view == NULL))
    {
        return ngx_http_portal_not_allowed(r, ctx);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (plcf->signed_in.len && ctx->live) {
        return ngx_http_portal_content_signed_in(r, ctx);
    }

    if (!ngx_http_portal_asked(r, plcf)) {
        return ngx_http_portal_problem(r, ctx, 422, "filter_unknown");
    }

    if (ngx_http_portal_form_waits(r, ctx)) {
        r->main->count++;
        ngx_http_portal_finish(r, ctx,
            ngx_http_portal_form_fetch(r, ctx, ngx_http_portal_content_show));

        return NGX_DONE;
    }

    if (plcf->get == NULL) {
        return ngx_http_portal_present(r, ctx, plcf->page_status, plcf->view);
    }

    /* hear of a client that goes while the database works */

    if (!portal_compat_discards(r)) {
        r->read_event_handler = ngx_http_test_reading;
    }

    r->main->count++;
    ngx_http_portal_finish(r, ctx, ngx_http_portal_content_get(r, ctx));

    return NGX_DONE;
}


void
ngx_http_portal_finish(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_int_t rc)
{
    if (rc == NGX_DONE) {
        return;
    }

    r->connection->log->action = "sending response to client";

    ngx_http_finalize_request(r, rc);
}


/* an operation has ended: from the event loop, never from within a call */

void
ngx_http_portal_resume(ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    rc = ctx->step(r, ctx);

    ngx_http_portal_finish(r, ctx, rc);

    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_portal_hear_close(ngx_http_request_t *r)
{
    ngx_event_t  *rev;

    rev = r->connection->read;

    r->read_event_handler = ngx_http_test_reading;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_AGAIN;
}


/*
 * Who is logged in already is led where the log-in would lead; without a page
 * that has asked for it they are told who they are, since it may be a browser
 * that several use.  A program reads that, with a token: it may log in as
 * somebody else.
 */

static ngx_int_t
ngx_http_portal_content_signed_in(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    json_t      *next;
    const char  *path;

    path = ngx_http_portal_content_next(r, ctx, &next);

    ctx->document = json_pack("{s:i, s:s, s:s*}", "status", NGX_HTTP_OK,
                              "location",
                              path ? path
                                   : (char *) ctx->verdict->signed_in.data,
                              "notice", path ? NULL : "already");
    json_decref(next);

    if (ctx->document == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ctx->json) {
        return ngx_http_portal_lead(r, ctx, json_object_get(ctx->document,
                                                            "location"));
    }

    if (ngx_http_portal_answer(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_present(r, ctx, NGX_HTTP_OK, NULL);
}


/* the page that asked for the log-in, or NULL */

static const char *
ngx_http_portal_content_next(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t **next)
{
    size_t           i;
    json_t          *typed;
    const char      *path, *code;
    portal_field_t  *field;

    *next = NULL;

    for (i = 0; i < ctx->verdict->form->nfields; i++) {
        field = &ctx->verdict->form->fields[i];

        if (field->type == PORTAL_FIELD_PATH) {
            typed = ngx_http_portal_field_value(r, ctx, field);

            if (json_string_length(typed)) {
                (void) portal_type_check(field, json_string_value(typed),
                                         json_string_length(typed), NULL, NULL,
                                         next, &code);
            }

            json_decref(typed);

            path = json_string_value(*next);

            return path != NULL && ngx_http_portal_leads(r, ctx, path)
                   ? path : NULL;
        }
    }

    return NULL;
}


/* with what was typed before the log-in, when it could be had */

static ngx_int_t
ngx_http_portal_content_show(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    if (ctx->verdict->get == NULL) {
        return ngx_http_portal_present(r, ctx, ctx->verdict->page_status,
                                       ctx->verdict->view);
    }

    return ngx_http_portal_content_get(r, ctx);
}


ngx_int_t
ngx_http_portal_content_get(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_portal_prepare_args(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ctx->piece == NULL
        && ngx_http_portal_is_sheet(ctx, ctx->verdict->view))
    {
        ctx->piece = json_string("");
    }

    if (ctx->piece != NULL
        && json_object_set(ctx->input, "piece", ctx->piece) != 0)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_call(r, ctx, ctx->verdict->get,
                                ngx_http_portal_content_got);
}


/* a page that there is not, or that waits: its function says why */

static ngx_int_t
ngx_http_portal_content_refused(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status)
{
    json_t     *document, *errors, *error;
    ngx_str_t   location;

    /* what was no document has been told already */

    if (status >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
        return ngx_http_portal_problem(r, ctx, status, NULL);
    }

    document = ngx_http_portal_document(r, ctx);

    /* the page itself says what is wrong with what it was asked for */

    if (!ctx->json && json_is_true(json_object_get(document, "again"))) {
        return ngx_http_portal_present(r, ctx, status, ctx->verdict->view);
    }

    errors = json_object_get(document, "errors");
    error = json_array_get(errors, 0);

    /* of what was asked for, by its names */

    if (status == 422 && ngx_http_portal_told_errors(ctx, errors) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status == NGX_HTTP_TOO_MANY_REQUESTS) {
        ctx->retry = (ngx_msec_t)
                     json_integer_value(json_object_get(document, "wait"));
    }

    /* another page comes first: a person is led there, a program told */

    ctx->type = json_string_value(json_object_get(document, "type"));

    if (ctx->type != NULL && !ctx->json) {
        location.data = (u_char *) ctx->type;
        location.len = ngx_strlen(ctx->type);

        return ngx_http_portal_way_back(r, &location, json_string_value(
                                            json_object_get(document, "back")))
               == NGX_OK ? ngx_http_portal_redirect(r, &location)
                         : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_problem(r, ctx, status,
                           json_string_value(json_object_get(error, "code")));
}


static ngx_int_t
ngx_http_portal_content_got(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t    rc;
    ngx_uint_t   status;

    rc = ngx_http_portal_call_failed(r, ctx);

    if (rc == NGX_HTTP_UNAUTHORIZED && ctx->live
        && ctx->verdict->audience == NGX_HTTP_PORTAL_PUBLIC)
    {
        /* a mail's link may be opened where a session has ended meanwhile */

        ngx_http_portal_session_close(r, ctx);

        return ngx_http_portal_content_get(r, ctx);
    }

    if (rc != NGX_OK) {
        return ngx_http_portal_failed(r, ctx, (ngx_uint_t) rc);
    }

    status = ngx_http_portal_answer_status(r, ctx);

    if (status >= 400) {
        return ngx_http_portal_content_refused(r, ctx, status);
    }

    if (ctx->verdict->sends) {
        return ngx_http_portal_file_send(r, ctx);
    }

    if (ctx->verdict->qr_list.len && !ctx->json) {
        return ngx_http_portal_qr(r, ctx);
    }

    return ngx_http_portal_present(r, ctx, status, ctx->verdict->view);
}


/* status of the document; nearly all say 200 first, without being parsed */

ngx_uint_t
ngx_http_portal_answer_status(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    json_t      *document;
    json_int_t   status;

    if (ctx->answer.len > 18
        && ngx_strncmp(ctx->answer.data, "{\"status\" : 200, \"", 18) == 0)
    {
        return NGX_HTTP_OK;
    }

    document = ngx_http_portal_document(r, ctx);

    if (document == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    status = json_integer_value(json_object_get(document, "status"));

    if (status >= 200 && status < 600) {
        return (ngx_uint_t) status;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "portal: a function's document has no status");

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/*
 * A call that failed: the session may have ended elsewhere meanwhile.  Of what
 * was sent it is said whether it was done; where nobody knows,
 * ngx_http_portal_act_lost() does.
 */

ngx_int_t
ngx_http_portal_failed(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t status)
{
    ngx_str_t  location;

    if (ctx->verdict->audience == NGX_HTTP_PORTAL_MACHINE) {

        /* its key was revoked meanwhile: there is no session to end */

        if (status == NGX_HTTP_UNAUTHORIZED
            && ngx_http_portal_machine_challenge(r) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_portal_problem(r, ctx, status, NULL);
    }

    if (status == NGX_HTTP_UNAUTHORIZED) {

        if (!ctx->json && r->method == NGX_HTTP_POST && ctx->live
            && ctx->verdict->audience != NGX_HTTP_PORTAL_PUBLIC)
        {
            /* the browser may have been given another cookie meanwhile, which
               it is not told to forget */

            ngx_http_portal_session_forget(ctx->mac_hex);
            ctx->live = 0;

            return ngx_http_portal_act_relogin(r, ctx);
        }

        ngx_http_portal_session_close(r, ctx);

        if (!ctx->json) {
            ngx_str_set(&location, "/connexion?avis=session");
            return ngx_http_portal_redirect(r, &location);
        }
    }

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE && r->method == NGX_HTTP_POST) {

        /* its page could not be shown again, which is no answer to the form */

        if (ctx->again) {
            return ngx_http_portal_problem(r, ctx, status, "unknown_outcome");
        }

        if (ctx->call_status != PORTAL_OP_LOST) {
            return ngx_http_portal_problem(r, ctx, status, "not_done");
        }
    }

    return ngx_http_portal_problem(r, ctx, status, NULL);
}


/* who asks before sending a body (Expect) gets the answer, not a "100" */

ngx_int_t
ngx_http_portal_unwanted(ngx_http_request_t *r)
{
    r->expect_tested = 1;

    return ngx_http_discard_request_body(r);
}


/* "portal_error": what nginx itself or another phase refused */

static ngx_int_t
ngx_http_portal_content_error(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t    rc;
    ngx_uint_t   status;
    const char  *code;

    rc = ngx_http_portal_unwanted(r);
    if (rc != NGX_OK) {
        return rc;
    }

    code = NULL;
    status = r->err_status;

    switch (status) {

    case NGX_HTTP_UNAUTHORIZED:

        /*
         * a program that has a key, or should, has no session to open; what
         * nginx itself asks for (auth_basic) is no key
         */

        if (r->headers_out.www_authenticate == NULL
            && ngx_http_portal_sent_header(r, "WWW-Authenticate", 16))
        {
            code = "machine_key";
        }

        break;

    case 0:
        status = NGX_HTTP_NOT_FOUND;
        break;

    case NGX_HTTP_TOO_MANY_REQUESTS:        /* of limit_req, see pages.inc */
        ctx->retry = NGX_HTTP_PORTAL_LIMIT_WAIT;
        break;

    case 494:                               /* request header too large */
    case 495:                               /* of TLS, see error_page */
    case 496:
    case 497:
        status = NGX_HTTP_BAD_REQUEST;
        break;
    }

    return ngx_http_portal_problem(r, ctx, status, code);
}


static ngx_int_t
ngx_http_portal_not_allowed(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    const char  *allow;

    if (ngx_http_portal_unwanted(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->verdict->put != NULL) {
        allow = ctx->verdict->get ? "GET, HEAD, PUT" : "PUT";

    } else if (ctx->verdict->act == NULL) {
        allow = "GET, HEAD";

    } else if (ctx->verdict->get == NULL && ctx->verdict->view == NULL) {
        allow = "POST";

    } else {
        allow = "GET, HEAD, POST";
    }

    if (ngx_http_portal_add_header(r, "Allow", allow, ngx_strlen(allow))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_problem(r, ctx, NGX_HTTP_NOT_ALLOWED, NULL);
}


ngx_int_t
ngx_http_portal_after_act(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t      *document, *errors;
    ngx_int_t    rc;
    ngx_uint_t   status;

    rc = ngx_http_portal_call_failed(r, ctx);

    if (ctx->call_status == PORTAL_OP_LOST) {
        return ngx_http_portal_act_lost(r, ctx);
    }

    if (rc == NGX_HTTP_UNAUTHORIZED && ctx->live
        && ctx->verdict->form->logout)
    {
        ctx->live = 0;

        return ngx_http_portal_call(r, ctx, ctx->verdict->post,
                                    ngx_http_portal_after_act);
    }

    if (rc != NGX_OK) {
        return ngx_http_portal_failed(r, ctx, (ngx_uint_t) rc);
    }

    document = ngx_http_portal_document(r, ctx);

    if (document == NULL) {
        return ngx_http_portal_problem(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR,
                                       NULL);
    }

    status = ngx_http_portal_answer_status(r, ctx);

    errors = json_object_get(document, "errors");

    if (json_array_size(errors)) {

        if (ngx_http_portal_told_errors(ctx, errors) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->retry = (ngx_msec_t)
                     json_integer_value(json_object_get(document, "wait"));

        return ngx_http_portal_refuse(r, ctx, status >= 400 ? status : 422);
    }

    if (status >= 400) {

        /* a refusal that the page itself explains: a link used or expired */

        if (!ctx->json && json_object_get(document, "state") != NULL) {
            return ngx_http_portal_present(r, ctx, status,
                                           ctx->verdict->view);
        }

        return ngx_http_portal_problem(r, ctx, status, NULL);
    }

    return ngx_http_portal_effects(r, ctx, ngx_http_portal_after_effects);
}


/*
 * Nobody knows whether it was done.  A session that it may have opened is
 * ended: nobody has its cookie.  A form with a key comes back with the same
 * key, and says so: sent again, it counts once.
 */

static ngx_int_t
ngx_http_portal_act_lost(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    if (ctx->minted) {
        ngx_http_portal_session_lost(r, ctx);
    }

    if (!ctx->verdict->form->idempotent || ctx->key.len == 0) {
        return ngx_http_portal_problem(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       NULL);
    }

    ctx->again = 1;

    if (ngx_http_portal_add_error(ctx, "", "unknown_outcome") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_refuse(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE);
}


ngx_int_t
ngx_http_portal_after_effects(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    json_t      *location;
    ngx_uint_t   status;

    if (ctx->call_status != PORTAL_OP_OK) {
        return ngx_http_portal_problem(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       NULL);
    }

    status = ngx_http_portal_answer_status(r, ctx);

    location = json_object_get(ngx_http_portal_document(r, ctx), "location");

    if (ctx->restore.len && ctx->live && json_is_string(location)) {
        return ngx_http_portal_form_keep(r, ctx,
                                         ngx_http_portal_after_effects);
    }

    if (json_is_string(location)) {

        if (!ctx->json) {
            return ngx_http_portal_lead(r, ctx, location);
        }

        /* a program is told where to go on, and reads it when it likes */

        status = NGX_HTTP_OK;

        json_object_set_new(ngx_http_portal_document(r, ctx), "status",
                            json_integer((json_int_t) status));
    }

    if (ctx->verdict->qr_list.len && !ctx->json) {
        return ngx_http_portal_qr(r, ctx);
    }

    return ngx_http_portal_present(r, ctx, status,
                                   ctx->verdict->result
                                   ? ctx->verdict->result
                                   : ctx->verdict->view);
}


/*
 * The page that follows an act says what was done, where a reader begins to
 * read: past the menus, which they have heard.
 */

static ngx_int_t
ngx_http_portal_lead(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *location)
{
    u_char      *p;
    size_t       len;
    ngx_str_t    uri;
    const char  *path, *notice;

    path = json_string_value(location);
    len = json_string_length(location);
    notice = json_string_value(json_object_get(
                                   ngx_http_portal_document(r, ctx),
                                   "notice"));

    uri.data = ngx_pnalloc(r->pool, len + sizeof("?avis=#contenu")
                                    + (notice ? ngx_strlen(notice) : 0));
    if (uri.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_cpymem(uri.data, path, len);

    if (notice) {
        p = ngx_sprintf(p, "%cavis=%s", ngx_strchr(path, '?') ? '&' : '?',
                        notice);
    }

    if (ngx_strchr(path, '#') == NULL) {
        p = ngx_cpymem(p, "#contenu", sizeof("#contenu") - 1);
    }

    uri.len = (size_t) (p - uri.data);

    return ngx_http_portal_redirect(r, &uri);
}


/*
 * A refused form: a program gets the problem document; a person the same page
 * again, filled, which takes a second, read-only call where the page has data.
 */

ngx_int_t
ngx_http_portal_refuse(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t status)
{
    ngx_int_t  rc;

    ctx->status = status;
    ctx->refused = 1;

    if (ctx->json || ctx->verdict->view == NULL) {
        return ngx_http_portal_problem(r, ctx, status, NULL);
    }

    if (ctx->verdict->get == NULL) {

        /* what was fetched to verify a password holds its hash */

        if (ctx->answer.len) {
            portal_wipe(ctx->answer.data, ctx->answer.len);
        }

        ngx_str_null(&ctx->answer);
        json_decref(ctx->document);
        ctx->document = NULL;

        return ngx_http_portal_present(r, ctx, status, ctx->verdict->view);
    }

    rc = ngx_http_portal_prepare_args(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_portal_call(r, ctx, ctx->verdict->get,
                                ngx_http_portal_refuse_shown);
}


static ngx_int_t
ngx_http_portal_refuse_shown(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_uint_t  status;

    rc = ngx_http_portal_call_failed(r, ctx);
    if (rc != NGX_OK) {
        return ngx_http_portal_failed(r, ctx, (ngx_uint_t) rc);
    }

    status = ngx_http_portal_answer_status(r, ctx);

    if (status >= 400) {
        return ngx_http_portal_content_refused(r, ctx, status);
    }

    if (ctx->unasked && ngx_http_portal_form_empty(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_present(r, ctx, ctx->status, ctx->verdict->view);
}
