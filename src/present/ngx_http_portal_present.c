
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * One document for both: JSON is the text that PostgreSQL wrote, with sealed
 * values opened and the CSRF token added, never parsed when nothing asks for
 * it; HTML is the same document through the location's template.
 */


static ngx_int_t ngx_http_portal_present_json(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status);
static ngx_int_t ngx_http_portal_present_html(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status,
    ngx_http_portal_view_t *view);
static ngx_int_t ngx_http_portal_present_contact(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_str_t *body);
static json_t *ngx_http_portal_contact(json_t *town);
static ngx_int_t ngx_http_portal_present_extra(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_str_t *extra);
static ngx_int_t ngx_http_portal_strip_session(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_reduce(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_view_t *view);
static const char *ngx_http_portal_label(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *prefix, const char *name,
    const char *suffix);
static const char *ngx_http_portal_limits(ngx_http_request_t *r,
    const portal_field_t *field, const char *message);
static const char *ngx_http_portal_file_size(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static void ngx_http_portal_explain(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status);
static ngx_int_t ngx_http_portal_problem_json(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status, const char *code,
    const char *title, const char *detail);
static ngx_int_t ngx_http_portal_problem_html(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status, const char *title,
    const char *detail);


ngx_int_t
ngx_http_portal_present(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t status, ngx_http_portal_view_t *view)
{
    if (ngx_http_portal_retry_after(r, ctx, status) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_portal_is_sheet(ctx, view)) {
        return ngx_http_portal_sheet(r, ctx, status, view);
    }

    if (view == NULL || ctx->json) {
        return ngx_http_portal_present_json(r, ctx, status);
    }

    return ngx_http_portal_present_html(r, ctx, status, view);
}


static ngx_int_t
ngx_http_portal_present_json(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status)
{
    off_t         len;
    ngx_buf_t    *b;
    ngx_str_t     extra, body, type = ngx_string("application/json");
    ngx_chain_t   out[2];

    if (ngx_http_portal_strip_session(r, ctx) != NGX_OK
        || ngx_http_portal_etag(r, &ctx->answer) != NGX_OK
        || ngx_http_portal_open_sealed(r, &ctx->answer) != NGX_OK
        || ngx_http_portal_present_extra(r, ctx, &extra) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* {"csrf":"...", then the document without its first brace */

    body = ctx->answer;

    if ((body.len < 2 || body.data[0] != '{')
        && ngx_http_portal_present_contact(r, ctx, &body) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = (off_t) (extra.len + body.len - 1);

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = extra.data;
    b->last = extra.data + extra.len;
    b->memory = 1;

    out[0].buf = b;
    out[0].next = &out[1];

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = body.data + 1;
    b->last = body.data + body.len;
    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out[1].buf = b;
    out[1].next = NULL;

    return ngx_http_portal_send(r, status, &type, out, len);
}


/*
 * A page that asks no database for a document: whom to ask, as its text and
 * the foot of each page have it.
 */

static ngx_int_t
ngx_http_portal_present_contact(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_str_t *body)
{
    char    *text;
    json_t  *document;

    ngx_str_set(body, "{\"status\":200}");

    if (ctx->verdict->form != NULL || ctx->verdict->agents
        || ctx->town->document == NULL)
    {
        return NGX_OK;
    }

    document = ngx_http_portal_contact(ctx->town->public[ctx->language]);
    text = json_dumps(document, JSON_COMPACT);
    json_decref(document);

    if (text == NULL) {
        return NGX_ERROR;
    }

    body->len = ngx_strlen(text);
    body->data = ngx_pnalloc(r->pool, body->len);

    if (body->data != NULL) {
        ngx_memcpy(body->data, text, body->len);
    }

    free(text);

    return body->data ? NGX_OK : NGX_ERROR;
}


static json_t *
ngx_http_portal_contact(json_t *town)
{
    size_t   i;
    json_t  *contact, *value;

    static const char *const  names[] = {
        "office", "phone", "email", "counter", "hours"
    };

    contact = json_object();

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        value = json_object_get(town, names[i]);

        if (value && json_object_set(contact, names[i], value) != 0) {
            json_decref(contact);
            return NULL;
        }
    }

    return json_pack("{s:i, s:o}", "status", NGX_HTTP_OK, "contact", contact);
}


/* what a program needs besides the document: its token, and a challenge */

static ngx_int_t
ngx_http_portal_present_extra(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_str_t *extra)
{
    char       *text;
    json_t     *captcha;
    size_t      len;
    ngx_str_t   csrf;

    ngx_str_null(&csrf);

    if (ctx->verdict->audience != NGX_HTTP_PORTAL_MACHINE
        && (ctx->live || ctx->verdict->act != NULL || ctx->verdict->passive))
    {
        csrf = ngx_http_portal_csrf(r, ctx);

        if (csrf.len == 0) {
            return NGX_ERROR;
        }
    }

    text = NULL;
    len = 0;

    if (ctx->verdict->form && ctx->verdict->form->captcha
        && r->method != NGX_HTTP_POST)
    {
        captcha = ngx_http_portal_captcha(r, ctx);
        text = json_dumps(captcha, JSON_COMPACT);
        json_decref(captcha);

        if (text == NULL) {
            return NGX_ERROR;
        }

        len = ngx_strlen(text);
    }

    extra->data = ngx_pnalloc(r->pool, csrf.len + len + 64);

    if (extra->data != NULL) {
        extra->len = (size_t) (ngx_sprintf(extra->data,
                                   csrf.len ? "{\"csrf\":\"%V\"," : "{%V",
                                   &csrf)
                               - extra->data);
        if (len) {
            extra->len = (size_t) (ngx_sprintf(extra->data + extra->len,
                                               "\"captcha\":%s,", text)
                                   - extra->data);
        }
    }

    free(text);

    return extra->data ? NGX_OK : NGX_ERROR;
}


/*
 * The answer to a change was parsed for its effects and is written anew:
 * "session" told C what to do, a program has no business with it.
 */

static ngx_int_t
ngx_http_portal_strip_session(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    if (ctx->document == NULL || r->method != NGX_HTTP_POST) {
        return NGX_OK;
    }

    json_object_del(ctx->document, "session");

    portal_wipe(ctx->answer.data, ctx->answer.len);

    return ngx_http_portal_answer(r, ctx);
}


ngx_int_t
ngx_http_portal_answer(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    char  *text;

    ngx_str_null(&ctx->answer);

    text = json_dumps(ctx->document, JSON_COMPACT);
    if (text == NULL) {
        return NGX_ERROR;
    }

    ctx->answer.data = ngx_pnalloc(r->pool, ngx_strlen(text) + 1);

    if (ctx->answer.data != NULL) {
        ctx->answer.len = ngx_strlen(text);
        ngx_memcpy(ctx->answer.data, text, ctx->answer.len + 1);
    }

    free(text);

    return ctx->answer.data ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_portal_present_html(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status,
    ngx_http_portal_view_t *view)
{
    json_t     *stack[2];
    ngx_int_t   rc;

    if (ngx_http_portal_reduce(r, ctx, view) != NGX_OK
        || ngx_http_portal_stack(r, ctx, status, stack) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_portal_content_language(r, ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_portal_render(r, status, view, stack, 2);

    } else {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    json_decref(stack[0]);

    return rc;
}


/*
 * A page that is only read needs of its document what its template names; a
 * form's fields and a change's effects name more than that.
 */

static ngx_int_t
ngx_http_portal_reduce(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_view_t *view)
{
    size_t  len;

    if (ctx->answer.len == 0 || ctx->verdict->form != NULL
        || r->method == NGX_HTTP_POST)
    {
        return NGX_OK;
    }

    len = portal_view_reduce(view->language[ctx->language],
                             (char *) ctx->answer.data, ctx->answer.len);
    if (len == 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: a function returned no document");
        return NGX_ERROR;
    }

    portal_wipe(ctx->answer.data + len, ctx->answer.len - len);

    ctx->answer.len = len;

    return NGX_OK;
}


ngx_int_t
ngx_http_portal_stack(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t status, json_t **stack)
{
    const char  *state;

    if (ctx->answer.len) {

        if (ngx_http_portal_strip_session(r, ctx) != NGX_OK
            || ngx_http_portal_open_sealed(r, &ctx->answer) != NGX_OK)
        {
            return NGX_ERROR;
        }

        json_decref(ctx->document);
        ctx->document = NULL;

        if (ngx_http_portal_document(r, ctx) == NULL) {
            return NGX_ERROR;
        }

    } else if (ctx->document == NULL) {
        ctx->document = json_object();
    }

    /* the form's own errors are among the globals, with their messages */

    json_object_del(ctx->document, "errors");

    /* templates cannot compare: a state is also a flag of its name */

    state = json_string_value(json_object_get(ctx->document, "state"));

    if (state != NULL) {
        json_object_set_new(ctx->document, state, json_true());
    }

    stack[0] = ngx_http_portal_globals(r, ctx, status);
    stack[1] = ctx->document;

    if (stack[0] == NULL || stack[1] == NULL) {
        json_decref(stack[0]);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_portal_problem(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t status, const char *code)
{
    char                          name[8];
    json_t                       *error;
    const char                   *title, *detail, *named, *field;
    ngx_http_portal_loc_conf_t   *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    ngx_snprintf((u_char *) name, sizeof(name), "%ui%Z", status);

    title = ngx_http_portal_label(r, ctx, "problem.", name, ".title");
    detail = ngx_http_portal_label(r, ctx, "problem.", name, ".message");

    if (title == NULL) {
        title = ngx_http_portal_label(r, ctx, "problem.",
                                      status < 500 ? "400" : "500", ".title");
        detail = ngx_http_portal_label(r, ctx, "problem.",
                                       status < 500 ? "400" : "500",
                                       ".message");
    }

    if (code != NULL) {
        field = json_string_value(json_object_get(
                                  json_array_get(ctx->errors, 0), "field"));
        detail = ngx_http_portal_message(r, ctx, field ? field : "", code);

        named = ngx_http_portal_label(r, ctx, "problem.", code, ".title");
        title = named ? named : title;

    } else if (status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        named = ngx_http_portal_file_size(r, ctx);
        detail = named ? named : detail;

    } else if (status == NGX_HTTP_FORBIDDEN && plcf->agents) {
        named = ngx_http_portal_label(r, ctx, "problem.", name, ".agents");
        detail = named ? named : detail;

    } else if (status == NGX_HTTP_CONFLICT && json_array_size(ctx->errors)) {

        /* the title is of what is under way or was sent before; else nothing
           was done, and its reason says why */

        error = json_array_get(ctx->errors, 0);

        named = json_string_value(json_object_get(error, "code"));

        if (named == NULL || ngx_strcmp(named, "idempotency_in_flight") != 0) {
            title = ngx_http_portal_label(r, ctx, "form.", "error_late", "");
            named = ngx_http_portal_error_message(r, ctx, error);
            detail = named ? named : detail;
        }
    }

    (void) ngx_http_portal_request_id(r, ctx);

    ngx_http_portal_explain(r, ctx, status);

    if (ngx_http_portal_retry_after(r, ctx, status) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_portal_content_language(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->json) {
        return ngx_http_portal_problem_json(r, ctx, status, code, title,
                                            detail);
    }

    return ngx_http_portal_problem_html(r, ctx, status, title, detail);
}


ngx_int_t
ngx_http_portal_unavailable(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const char *why)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "portal: %s", why);

    return ngx_http_portal_problem(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE, NULL);
}


/* a body too large to be read for its form: what a file of it may have */

static const char *
ngx_http_portal_file_size(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    size_t                  i;
    portal_form_t          *form;
    ngx_http_portal_ctx_t  *first;

    first = ngx_http_portal_first_ctx(r);

    if (first == NULL || !first->oversize) {
        return NULL;
    }

    form = first->verdict->form;

    for (i = 0; i < form->nfields; i++) {
        if (form->fields[i].type == PORTAL_FIELD_FILE) {
            return ngx_http_portal_message(r, ctx, form->fields[i].name,
                                           "file_size");
        }
    }

    return NULL;
}


/* whoever knew the cause has logged it; this is for what nobody foresaw */

static void
ngx_http_portal_explain(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t status)
{
    ngx_http_portal_ctx_t  *first;

    if (status < NGX_HTTP_INTERNAL_SERVER_ERROR) {
        return;
    }

    first = ngx_http_portal_first_ctx(r);

    if (ngx_http_portal_log_is_mine(r)
        && first != NULL && !first->told && !ctx->told)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "portal: answered %ui", status);
    }
}


static ngx_int_t
ngx_http_portal_problem_json(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status, const char *code,
    const char *title, const char *detail)
{
    char         *text, *p;
    json_t       *problem, *errors, *error, *item;
    size_t        i, len;
    ngx_buf_t    *b;
    ngx_str_t     type = ngx_string("application/problem+json");
    ngx_chain_t   out;
    const char   *field, *reason;

    problem = json_pack("{s:s, s:s?, s:i, s:s?, s:s%}",
                        "type", ctx->type ? ctx->type : "about:blank",
                        "title", title,
                        "status", (int) status, "detail", detail,
                        "instance", ctx->request_id.data,
                        ctx->request_id.len);

    if (code != NULL) {
        json_object_set_new(problem, "code", json_string(code));
    }

    if (ctx->at != NULL) {
        json_object_set_new(problem, "at", json_string(ctx->at));
    }

    if (ctx->retry) {
        json_object_set_new(problem, "wait",
                            json_integer((json_int_t) ctx->retry));
    }

    if (json_array_size(ctx->errors)) {
        errors = json_array();

        json_array_foreach(ctx->errors, i, error) {
            field = json_string_value(json_object_get(error, "field"));
            reason = json_string_value(json_object_get(error, "code"));

            item = json_pack("{s:s, s:s, s:s?}", "field", field,
                             "code", reason, "message",
                             ngx_http_portal_error_message(r, ctx, error));
            json_array_append_new(errors, item);
        }

        json_object_set_new(problem, "errors", errors);
    }

    text = json_dumps(problem, JSON_COMPACT);
    json_decref(problem);

    if (text == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = ngx_strlen(text);
    p = ngx_pnalloc(r->pool, len);
    b = ngx_calloc_buf(r->pool);

    if (p == NULL || b == NULL) {
        free(text);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(p, text, len);
    free(text);

    b->pos = (u_char *) p;
    b->last = b->pos + len;
    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_portal_send(r, status, &type, &out, (off_t) len);
}


static ngx_int_t
ngx_http_portal_problem_html(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status, const char *title,
    const char *detail)
{
    json_t                       *stack[2];
    ngx_int_t                     rc;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    stack[0] = ngx_http_portal_globals(r, ctx, 0);

    stack[1] = json_pack("{s:i, s:s, s:s, s:o, s:s%}",
                         "status", (int) status,
                         "title", title ? title : "",
                         "message", detail ? detail : "",
                         "retry", ngx_http_portal_retry(r, ctx, status),
                         "request", ctx->request_id.data,
                         ctx->request_id.len);

    if (stack[0] == NULL || stack[1] == NULL) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        rc = ngx_http_portal_render(r, status, pmcf->error_view, stack, 2);
    }

    json_decref(stack[0]);
    json_decref(stack[1]);

    return rc;
}


ngx_int_t
ngx_http_portal_retry_after(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status)
{
    u_char  *p, *value;

    if (status != NGX_HTTP_SERVICE_UNAVAILABLE
        && status != NGX_HTTP_TOO_MANY_REQUESTS)
    {
        return NGX_OK;
    }

    value = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (value == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(value, "%M", ctx->retry ? ctx->retry
                                            : NGX_HTTP_PORTAL_RETRY);

    /* the gate may have said it already, before an internal redirect */

    if (ngx_http_portal_sent_header(r, "Retry-After", 11)) {
        return NGX_OK;
    }

    return ngx_http_portal_add_header(r, "Retry-After", (const char *) value,
                                      (size_t) (p - value));
}


static const char *
ngx_http_portal_label(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const char *prefix, const char *name, const char *suffix)
{
    char                          label[160];
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    ngx_snprintf((u_char *) label, sizeof(label), "%s%s%s%Z", prefix, name,
                 suffix);
    label[sizeof(label) - 1] = '\0';

    return portal_views_label(pmcf->views[ctx->language], label);
}


/*
 * error.FIELD.CODE, else error.TYPE.CODE, else error.CODE.  Its {max}, {min}
 * and {lines} are the field's own.
 */

const char *
ngx_http_portal_message(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const char *field, const char *code)
{
    char                   suffix[96];
    const char            *message;
    const portal_field_t  *f;

    ngx_snprintf((u_char *) suffix, sizeof(suffix), ".%s%Z", code);
    suffix[sizeof(suffix) - 1] = '\0';

    f = ctx->verdict->form && *field != '\0'
        ? portal_form_field(ctx->verdict->form, field) : NULL;

    message = *field != '\0'
              ? ngx_http_portal_label(r, ctx, "error.", field, suffix) : NULL;

    if (message == NULL && f != NULL) {
        message = ngx_http_portal_label(r, ctx, "error.",
                                        portal_field_type(f->type), suffix);
    }

    if (message == NULL) {
        message = ngx_http_portal_label(r, ctx, "error.", code, "");
    }

    if (message == NULL) {
        message = ngx_http_portal_label(r, ctx, "error.", "refused", "");
    }

    return message && f ? ngx_http_portal_limits(r, f, message) : message;
}


const char *
ngx_http_portal_error_message(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *error)
{
    u_char      *text, *p;
    size_t       len;
    ngx_uint_t   i;
    const char  *message, *said, *at;

    static const char  *names[] = { "request", "ratio", "name", "school",
                                    "number", "former" };
    static const char  *marks[] = { "{request}", "{ratio}", "{name}",
                                    "{school}", "{number}", "{former}" };

    message = ngx_http_portal_message(r, ctx,
                           json_string_value(json_object_get(error, "field")),
                           json_string_value(json_object_get(error, "code")));

    for (i = 0; message && i < sizeof(names) / sizeof(names[0]); i++) {
        said = json_string_value(json_object_get(error, names[i]));
        at = said ? ngx_strstr(message, marks[i]) : NULL;

        if (at == NULL) {
            continue;
        }

        len = ngx_strlen(message) + ngx_strlen(said) + 1;

        text = ngx_pnalloc(r->pool, len);
        if (text == NULL) {
            return message;
        }

        p = ngx_cpymem(text, message, (size_t) (at - message));
        (void) ngx_snprintf(p, len - (size_t) (p - text), "%s%s%Z", said,
                            at + ngx_strlen(marks[i]));

        message = (const char *) text;
    }

    return message;
}


static const char *
ngx_http_portal_limits(ngx_http_request_t *r, const portal_field_t *field,
    const char *message)
{
    size_t       i, len;
    u_char      *text, *p;
    const char  *at;

    struct {
        const char  *name;
        int64_t      value;
    } limits[] = { { "{max}", field->max }, { "{min}", field->min },
                   { "{lines}", field->lines } };

    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {

        at = ngx_strstr(message, limits[i].name);
        if (at == NULL) {
            continue;
        }

        len = ngx_strlen(message) + NGX_INT64_LEN + 1;

        text = ngx_pnalloc(r->pool, len);
        if (text == NULL) {
            return message;
        }

        p = ngx_cpymem(text, message, (size_t) (at - message));
        (void) ngx_snprintf(p, len - (size_t) (p - text), "%L%s%Z",
                            limits[i].value, at + ngx_strlen(limits[i].name));

        message = (const char *) text;
    }

    return message;
}
