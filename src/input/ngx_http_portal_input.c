
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A body becomes one checked object, or the form again with what is wrong.
 * Nothing is parsed twice and nothing undeclared goes on.
 */


static void ngx_http_portal_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_portal_body(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_body_checked(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_body_whole(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t **raw, portal_body_e *e, char *err,
    size_t errlen);
static ngx_int_t ngx_http_portal_body_wrong(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_uint_t ngx_http_portal_body_status(ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_body_type(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_check_form(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *raw);
static ngx_int_t ngx_http_portal_body_refused(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_body_e e, const char *name);
static ngx_int_t ngx_http_portal_take_restore(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *raw);
static ngx_int_t ngx_http_portal_check_paths(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static json_t *ngx_http_portal_words(ngx_http_portal_ctx_t *ctx);
static ngx_int_t ngx_http_portal_take_key(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *raw);
static ngx_int_t ngx_http_portal_check_captcha(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *raw);
static const char *ngx_http_portal_captcha_code(portal_captcha_e e);
static ngx_uint_t ngx_http_portal_captcha_answered(ngx_http_portal_town_t *t,
    unsigned question, const char *answer);


ngx_int_t
ngx_http_portal_input(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_portal_body_type(r, ctx);

    if (rc == NGX_OK && ctx->multipart) {
        rc = ngx_http_portal_upload_begin(r, ctx);
    }

    if (rc != NGX_OK) {
        (void) ngx_http_portal_unwanted(r);
        return rc;
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_portal_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


off_t
ngx_http_portal_body_max(portal_form_t *form)
{
    return form->list ? PORTAL_BODY_LIST_MAX : PORTAL_BODY_MAX;
}


static ngx_int_t
ngx_http_portal_body_type(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    off_t             max;
    size_t            len;
    ngx_str_t         value;
    ngx_table_elt_t  *type;

    type = r->headers_in.content_type;
    max = ngx_http_portal_body_max(ctx->verdict->form);

    /* a form without files has no use for it */

    if (type != NULL && ctx->verdict->form->nfiles
        && type->value.len >= 10
        && ngx_strncasecmp(type->value.data, (u_char *) "multipart/", 10)
           == 0)
    {
        ctx->multipart = 1;
        max = ngx_http_portal_upload_max(ctx->verdict->form);
    }

    if (r->headers_in.content_length_n > max) {
        ctx->oversize = ctx->multipart;
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    if (ngx_http_portal_find_header(r, "content-encoding", 16) != NULL) {
        return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
    }

    if (type == NULL) {
        return (r->headers_in.content_length_n > 0 || r->headers_in.chunked)
               ? NGX_HTTP_UNSUPPORTED_MEDIA_TYPE : NGX_OK;
    }

    value = type->value;

    if (ctx->multipart) {
        return NGX_OK;
    }

    for (len = 0; len < value.len; len++) {
        if (value.data[len] == ';' || value.data[len] == ' ') {
            break;
        }
    }

    if (len == 33 && !ctx->verdict->form->list
        && ngx_strncasecmp(value.data,
                           (u_char *) "application/x-www-form-urlencoded", 33)
           == 0)
    {
        return NGX_OK;
    }

    if (len == 16
        && ngx_strncasecmp(value.data, (u_char *) "application/json", 16) == 0)
    {
        ctx->json_body = 1;
        return NGX_OK;
    }

    return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
}


static void
ngx_http_portal_body_handler(ngx_http_request_t *r)
{
    ngx_http_portal_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    /*
     * From here the request is finished whether or not the client stays: what
     * it asked for may be half done already.
     */

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_portal_finish(r, ctx, ngx_http_portal_body(r, ctx));
}


static ngx_int_t
ngx_http_portal_body(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    char           name[128];
    json_t        *raw;
    ngx_int_t      rc;
    ngx_uint_t     status;
    const char    *csrf, *code;
    portal_body_e  e;

    name[0] = '\0';

    rc = ctx->multipart
         ? ngx_http_portal_upload(r, ctx, &raw, &e)
         : ngx_http_portal_body_whole(r, ctx, &raw, &e, name, sizeof(name));

    if (rc != NGX_OK) {
        return rc;
    }

    if (e != PORTAL_BODY_OK) {
        return ngx_http_portal_body_refused(r, ctx, e, name);
    }

    if (portal_form_texts(raw) != 0) {
        goto failed;
    }

    csrf = json_string_value(json_object_get(raw, "csrf"));

    /* of a form with files it was looked at before they were */

    if (!ctx->multipart
        && ngx_http_portal_check_token(r, ctx, csrf) != NGX_OK)
    {
        portal_form_wipe(ctx->verdict->form, raw);
        json_decref(raw);
        return ngx_http_portal_body_refused(r, ctx, PORTAL_BODY_TOKEN, name);
    }

    status = ngx_http_portal_conditions(r, ctx, &code);

    if (status) {
        portal_form_wipe(ctx->verdict->form, raw);
        json_decref(raw);
        return ngx_http_portal_problem(r, ctx, status, code);
    }

    if (ctx->verdict->form->login
        && ngx_http_portal_take_restore(r, ctx, raw) != NGX_OK)
    {
        goto failed;
    }

    rc = ngx_http_portal_check_form(r, ctx, raw);

    portal_form_wipe(ctx->verdict->form, raw);
    json_decref(raw);

    return rc == NGX_OK ? ngx_http_portal_body_checked(r, ctx) : rc;

failed:

    portal_form_wipe(ctx->verdict->form, raw);
    json_decref(raw);

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_portal_body_checked(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx)
{
    ngx_uint_t  wrong;

    if (ctx->expired) {
        return ngx_http_portal_act_relogin(r, ctx);
    }

    /*
     * A form that cannot be accepted has no password verified, so that beside
     * a new one that is too short nothing is said of the current one: the
     * guess would be counted and take a turn of the hashing for nothing, and
     * only the location's function, which is not called then, may give it back.
     */

    wrong = json_array_size(ctx->errors) != 0;

    if (wrong && !ngx_http_portal_store_waits(ctx)) {
        return ngx_http_portal_body_wrong(r, ctx);
    }

    if (ctx->nfiles && ngx_http_portal_upload_values(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* a good file is kept, so that it need not be sent again */

    return wrong ? ngx_http_portal_store(r, ctx, ngx_http_portal_body_wrong)
                 : ctx->verdict->act(r, ctx);
}


static ngx_int_t
ngx_http_portal_body_wrong(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ctx->unasked = 1;

    return ngx_http_portal_refuse(r, ctx, ngx_http_portal_body_status(ctx));
}


static ngx_int_t
ngx_http_portal_body_whole(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t **raw, portal_body_e *e, char *err, size_t errlen)
{
    ngx_int_t  rc;
    ngx_str_t  body;

    rc = ngx_http_portal_body_text(r, &body);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ctx->verdict->form->list) {
        *e = portal_body_json_list((char *) body.data, body.len, raw, err,
                                   errlen);

    } else if (ctx->json_body) {
        *e = portal_body_json((char *) body.data, body.len, raw, err, errlen);

    } else {
        *e = portal_body_urlencoded((char *) body.data, body.len, raw, err,
                                    errlen);
    }

    portal_wipe(body.data, body.len);

    return NGX_OK;
}


/* HTTP has words of its own for a file that is not as it must be */

static ngx_uint_t
ngx_http_portal_body_status(ngx_http_portal_ctx_t *ctx)
{
    size_t       i;
    json_t      *error;
    const char  *code;
    ngx_uint_t   status;

    status = 422;

    json_array_foreach(ctx->errors, i, error) {
        code = json_string_value(json_object_get(error, "code"));

        if (ngx_strcmp(code, "file_size") == 0) {
            return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
        }

        if (ngx_strcmp(code, "file_type") == 0) {
            status = NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
        }
    }

    return status;
}


static ngx_int_t
ngx_http_portal_body_refused(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_body_e e, const char *name)
{
    char    *at;
    size_t   len;

    if (ctx->expired) {
        return ngx_http_portal_relogin(r, ctx, 0);
    }

    switch (e) {

    case PORTAL_BODY_TOO_MANY:
        return ngx_http_portal_problem(r, ctx,
                                   NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, NULL);

    case PORTAL_BODY_DUPLICATE:
        if (ngx_http_portal_add_error(ctx, name, "duplicate") != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
        return ngx_http_portal_refuse(r, ctx, NGX_HTTP_BAD_REQUEST);

    case PORTAL_BODY_MEMORY:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;

    case PORTAL_BODY_TOKEN:
        return ngx_http_portal_problem(r, ctx, NGX_HTTP_FORBIDDEN, "csrf");

    default:

        if (ctx->json && *name != '\0') {
            len = ngx_strlen(name) + 1;
            at = ngx_pnalloc(r->pool, len);

            if (at == NULL) {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }

            ngx_memcpy(at, name, len);
            ctx->at = at;
        }

        return ngx_http_portal_problem(r, ctx, NGX_HTTP_BAD_REQUEST, NULL);
    }
}


/* the form that a log-in page carries is none of its fields */

static ngx_int_t
ngx_http_portal_take_restore(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *raw)
{
    json_t  *restore;

    restore = json_object_get(raw, "restore");

    if (json_string_length(restore)) {
        ctx->restore.len = json_string_length(restore);
        ctx->restore.data = ngx_pnalloc(r->pool, ctx->restore.len);

        if (ctx->restore.data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(ctx->restore.data, json_string_value(restore),
                   ctx->restore.len);
    }

    (void) json_object_del(raw, "restore");

    return NGX_OK;
}


ngx_int_t
ngx_http_portal_body_text(ngx_http_request_t *r, ngx_str_t *body)
{
    u_char       *p;
    size_t        len;
    ngx_chain_t  *cl;

    ngx_str_set(body, "");

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    if (r->request_body->temp_file) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    len = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        len += (size_t) ngx_buf_size(cl->buf);
    }

    /* each reader has its own limit, this one is that of the widest */

    if (len > PORTAL_BODY_LIST_MAX) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    p = ngx_pnalloc(r->pool, len + 1);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body->data = p;
    body->len = len;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        p = ngx_cpymem(p, cl->buf->pos, (size_t) ngx_buf_size(cl->buf));
        portal_wipe(cl->buf->pos, (size_t) ngx_buf_size(cl->buf));
    }

    *p = '\0';

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_check_form(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *raw)
{
    char                    today[PORTAL_DAY];
    json_t                 *words, *errors, *error;
    size_t                  i;
    ngx_int_t               rc;
    portal_form_context_t   context;

    portal_day((int64_t) ngx_time(), today);
    context.today = today;
    words = ngx_http_portal_words(ctx);
    context.words = words;

    rc = portal_form_check(ctx->verdict->form, raw, ctx->json_body, &context,
                           &ctx->values, &ctx->typed, &errors);

    json_decref(words);

    if (rc != 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    json_array_foreach(errors, i, error) {
        if (ngx_http_portal_add_error(ctx,
                           json_string_value(json_object_get(error, "field")),
                           json_string_value(json_object_get(error, "code")))
            != NGX_OK)
        {
            rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    json_decref(errors);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_portal_check_paths(r, ctx) != NGX_OK
        || ngx_http_portal_hook_check(r, ctx) != NGX_OK
        || ngx_http_portal_form_came(r, ctx, raw) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->verdict->form->captcha
        && ngx_http_portal_check_captcha(r, ctx, raw) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_portal_take_key(r, ctx, raw);
}


/* a path that leads to no page is as if it had not been sent, as any other */

static ngx_int_t
ngx_http_portal_check_paths(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    size_t           i;
    const char      *path;
    portal_field_t  *field;

    for (i = 0; i < ctx->verdict->form->nfields; i++) {
        field = &ctx->verdict->form->fields[i];

        if (field->type != PORTAL_FIELD_PATH) {
            continue;
        }

        path = json_string_value(json_object_get(ctx->values, field->name));

        if (path == NULL || ngx_http_portal_leads(r, ctx, path)) {
            continue;
        }

        (void) json_object_del(ctx->typed, field->name);

        if (json_object_set_new(ctx->values, field->name, json_null()) != 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_portal_leads(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const char *path)
{
    size_t                         len;
    ngx_uint_t                     i;
    ngx_http_portal_loc_conf_t   **act;
    ngx_http_portal_main_conf_t   *pmcf;

    len = strcspn(path, "?#");

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    act = pmcf->acts.elts;

    for (i = 0; i < pmcf->acts.nelts; i++) {

        if (ngx_http_portal_same_town(act[i], ctx->verdict)
            && act[i]->agents == ctx->verdict->agents
            && (act[i]->view == NULL
                || (act[i]->form->login && ctx->verdict->form->login))
            && act[i]->name.len == len
            && ngx_strncmp(act[i]->name.data, path, len) == 0)
        {
            return 0;
        }
    }

    return 1;
}


/* what a password must not rest on: the town's words, the person's name */

static json_t *
ngx_http_portal_words(ngx_http_portal_ctx_t *ctx)
{
    json_t  *words;

    words = json_copy(json_object_get(ctx->town->document,
                                      "password_words"));

    if (ctx->live) {
        if (words == NULL) {
            words = json_array();
        }

        (void) json_array_append_new(words,
                       json_stringn((const char *) ctx->session.name,
                                    (size_t) ctx->session.name_len));
    }

    return words;
}


/* a form's hidden field, where the request has no Idempotency-Key */

static ngx_int_t
ngx_http_portal_take_key(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *raw)
{
    size_t       i, len;
    const char  *text;

    text = json_string_value(json_object_get(raw, "key"));
    len = text ? ngx_strlen(text) : 0;

    if (len == 0 || ctx->key_header) {
        return NGX_OK;
    }

    for (i = 0; i < len; i++) {
        if (text[i] <= 0x20 || text[i] > 0x7e) {
            len = 0;
            break;
        }
    }

    if (len == 0 || len > NGX_HTTP_PORTAL_KEY) {
        return ngx_http_portal_add_error(ctx, "", "idempotency_key");
    }

    ctx->key.data = ngx_pnalloc(r->pool, len);
    if (ctx->key.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(ctx->key.data, text, len);
    ctx->key.len = len;

    return NGX_OK;
}


/*
 * Adds captcha_id and captcha_expires to the values, or an error.  A challenge
 * too young or too old is no dead end: the form comes back with a new one.
 */

static ngx_int_t
ngx_http_portal_check_captcha(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *raw)
{
    char                          id[PORTAL_MAC_HEX];
    int64_t                       expires;
    unsigned                      question;
    const char                   *trap, *work, *answer, *text;
    portal_text_t                 slug, form, challenge, pow;
    portal_captcha_e              e;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    slug = ngx_http_portal_text(ctx->town->slug);

    form.data = ctx->verdict->form->name;
    form.len = ngx_strlen(form.data);

    text = json_string_value(json_object_get(raw, "captcha_challenge"));
    challenge.data = text ? text : "";
    challenge.len = ngx_strlen(challenge.data);

    e = portal_captcha_open(pmcf->keys, slug, form, (int64_t) ngx_time(),
                            challenge, &question, id, &expires);

    trap = json_string_value(json_object_get(raw, PORTAL_FORM_TRAP));

    if (e == PORTAL_CAPTCHA_OK && trap != NULL && *trap != '\0') {
        e = PORTAL_CAPTCHA_WRONG;
    }

    if (e == PORTAL_CAPTCHA_OK) {
        work = json_string_value(json_object_get(raw, "captcha_pow"));
        answer = json_string_value(json_object_get(raw, "captcha_answer"));

        pow.data = work ? work : "";
        pow.len = ngx_strlen(pow.data);

        if (pow.len == 0 && (answer == NULL || *answer == '\0')) {
            e = PORTAL_CAPTCHA_MISSING;

        } else if (!(pow.len
                     && portal_captcha_work(pmcf->keys, slug, challenge, pow))
                   && !ngx_http_portal_captcha_answered(ctx->town,
                                                        question, answer))
        {
            e = PORTAL_CAPTCHA_WRONG;
        }
    }

    if (e != PORTAL_CAPTCHA_OK) {
        return ngx_http_portal_add_error(ctx, "captcha",
                                         ngx_http_portal_captcha_code(e));
    }

    if (json_object_set_new(ctx->values, "captcha_id",
                            json_stringn(id, PORTAL_MAC_HEX))
        != 0
        || json_object_set_new(ctx->values, "captcha_expires",
                               json_integer(expires))
           != 0)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static const char *
ngx_http_portal_captcha_code(portal_captcha_e e)
{
    switch (e) {

    case PORTAL_CAPTCHA_MISSING:
        return "captcha_missing";

    case PORTAL_CAPTCHA_FAST:
        return "captcha_fast";

    case PORTAL_CAPTCHA_LATE:
        return "captcha_late";

    case PORTAL_CAPTCHA_WRONG:
        return "captcha_wrong";

    default:
        return "captcha_invalid";
    }
}


static ngx_uint_t
ngx_http_portal_captcha_answered(ngx_http_portal_town_t *town,
    unsigned question, const char *answer)
{
    size_t         i, n;
    json_t        *answers;
    portal_text_t  given, accepted[8];

    if (answer == NULL || *answer == '\0') {
        return 0;
    }

    answers = json_object_get(json_array_get(json_object_get(town->document,
                                                      "captcha_questions"),
                                             question),
                              "a");

    n = json_array_size(answers);
    if (n > 8) {
        n = 8;
    }

    for (i = 0; i < n; i++) {
        accepted[i].data = json_string_value(json_array_get(answers, i));
        accepted[i].len = json_string_length(json_array_get(answers, i));
    }

    given.data = answer;
    given.len = ngx_strlen(answer);

    return (ngx_uint_t) portal_captcha_answer(given, accepted, n);
}


ngx_int_t
ngx_http_portal_add_error(ngx_http_portal_ctx_t *ctx, const char *field,
    const char *code)
{
    json_t  *error;

    if (ctx->errors == NULL) {
        ctx->errors = json_array();
    }

    error = json_pack("{s:s, s:s}", "field", field ? field : "",
                      "code", code ? code : "refused");

    return json_array_append_new(ctx->errors, error) == 0 ? NGX_OK : NGX_ERROR;
}


/* with what their messages name besides */

ngx_int_t
ngx_http_portal_told_errors(ngx_http_portal_ctx_t *ctx, json_t *errors)
{
    json_t      *error, *said, *last;
    size_t       i;
    ngx_uint_t   n;

    /* as ngx_http_portal_error_message() puts them in */

    static const char  *names[] = { "request", "ratio", "name", "school",
                                    "number", "former" };

    json_array_foreach(errors, i, error) {

        if (ngx_http_portal_add_error(ctx,
                           json_string_value(json_object_get(error, "field")),
                           json_string_value(json_object_get(error, "code")))
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        last = json_array_get(ctx->errors, json_array_size(ctx->errors) - 1);

        for (n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
            said = json_object_get(error, names[n]);

            if (json_is_string(said)
                && json_object_set(last, names[n], said) != 0)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}
