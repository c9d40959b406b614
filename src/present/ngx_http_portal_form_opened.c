
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"
#include "../crypto/portal_b64.h"
#include "../input/portal_types.h"


/*
 * What a page's form was opened with, so that an old page undoes nothing that
 * is newer.  Every page of a partial form carries "opened", a tag for each of
 * its fields: a MAC, cut short, of the value that the page showed, for this
 * account, form and field.  Nobody can read a value in it.  A form that is
 * refused comes back over the document of now, and the tags tell apart
 *
 *   - what the person has left as it was: the value of now takes its place;
 *   - what the person has changed while another has changed it too: what was
 *     typed stays, the value of now is said beside it.
 *
 * Both sides go through the form's own check, so that a number written in
 * another way is no other value.
 */


/* characters of a tag, 6 bytes of its MAC */
#define NGX_HTTP_PORTAL_TAG        8
#define NGX_HTTP_PORTAL_TAG_BYTES  6

/* what is shown of a text that is no text of the type */
#define NGX_HTTP_PORTAL_SAID       128


static ngx_int_t ngx_http_portal_opened_now(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_str_t *tags);
static ngx_int_t ngx_http_portal_opened_tags(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *values, json_t *typed,
    ngx_str_t *tags);
static ngx_int_t ngx_http_portal_opened_tag(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field,
    portal_text_t text, u_char *tag);
static portal_text_t ngx_http_portal_opened_text(const portal_field_t *field,
    json_t *values, json_t *typed, char digits[NGX_INT64_LEN + 1]);
static void ngx_http_portal_opened_forget(const portal_field_t *field,
    json_t *typed);
static ngx_uint_t ngx_http_portal_opened_late(ngx_http_portal_ctx_t *ctx);
static ngx_uint_t ngx_http_portal_field_empty(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field);
static ngx_uint_t ngx_http_portal_is_string(json_t *value, const char *text);


/* the tags of what came, before any of it is sealed */

ngx_int_t
ngx_http_portal_form_came(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *raw)
{
    json_t         *opened;
    portal_form_t  *form;

    form = ctx->verdict->form;
    opened = json_object_get(raw, "opened");

    if (!form->partial) {
        return NGX_OK;
    }

    /* a form that is kept over a log-in keeps it too */

    if (json_string_length(opened) == form->nfields * NGX_HTTP_PORTAL_TAG
        && json_object_set(ctx->typed, "opened", opened) != 0)
    {
        return NGX_ERROR;
    }

    return ngx_http_portal_opened_tags(r, ctx, ctx->values, ctx->typed,
                                       &ctx->came);
}


/*
 * A form that comes back as it was (ctx->again) is that page's still.  What
 * the page's address brings (a copy) is not what the document holds: nobody
 * has left that as it was.
 */

ngx_int_t
ngx_http_portal_form_opened(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_str_t *opened, ngx_http_portal_moved_e *moved)
{
    u_char         *came, *now;
    json_t         *before;
    size_t          i, at;
    const char     *then;
    portal_form_t  *form;

    form = ctx->verdict->form;
    before = json_object_get(ctx->typed, "opened");

    ngx_str_null(opened);
    ngx_memzero(moved, form->nfields * sizeof(ngx_http_portal_moved_e));

    if (!form->partial || !ctx->live) {
        return NGX_OK;
    }

    if (ctx->again) {
        opened->data = (u_char *) json_string_value(before);
        opened->len = json_string_length(before);
        return NGX_OK;
    }

    if (r->method != NGX_HTTP_POST && r->args.len) {
        return NGX_OK;
    }

    if (ngx_http_portal_opened_now(r, ctx, opened) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ctx->refused || ctx->came.len != opened->len) {
        return NGX_OK;
    }

    then = json_string_value(before);

    for (i = 0; i < form->nfields; i++) {
        at = i * NGX_HTTP_PORTAL_TAG;
        came = ctx->came.data + at;
        now = opened->data + at;

        if (*came == '.' || *now == '.'
            || ngx_memcmp(came, now, NGX_HTTP_PORTAL_TAG) == 0
            || (then && ngx_memcmp(then + at, now, NGX_HTTP_PORTAL_TAG) == 0))
        {
            continue;
        }

        if (ngx_http_portal_form_left(ctx, &form->fields[i])) {
            moved[i] = NGX_HTTP_PORTAL_MOVED_TAKEN;
            ngx_http_portal_opened_forget(&form->fields[i], ctx->typed);

        } else if (then || ngx_http_portal_opened_late(ctx)) {
            moved[i] = NGX_HTTP_PORTAL_MOVED_BOTH;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_portal_form_left(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field)
{
    u_char      *came;
    size_t       at;
    const char  *then;

    then = json_string_value(json_object_get(ctx->typed, "opened"));

    if (then == NULL || ctx->came.len == 0) {
        return 0;
    }

    at = (size_t) (field - ctx->verdict->form->fields) * NGX_HTTP_PORTAL_TAG;
    came = ctx->came.data + at;

    return *came != '.'
           && ngx_memcmp(then + at, came, NGX_HTTP_PORTAL_TAG) == 0;
}


/* the value of now in words, for who has typed another one */

json_t *
ngx_http_portal_form_now(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, json_t *options)
{
    size_t                        i;
    json_t                       *value, *option;
    portal_sink_t                 sink;
    portal_chunk_t               *chunk;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    value = json_object_get(json_object_get(ctx->document, "values"),
                            field->name);

    json_array_foreach(options, i, option) {
        if (json_equal(json_object_get(option, "value"), value)) {
            return json_incref(json_object_get(option, "label"));
        }
    }

    ngx_http_portal_sink(&sink, r->pool, NGX_HTTP_PORTAL_SAID);

    if (portal_display(pmcf->views[ctx->language], field->name, value, &sink)
        != 0)
    {
        return json_incref(value);
    }

    chunk = sink.first;

    return chunk && chunk->next == NULL
           ? json_stringn(chunk->data, chunk->len) : json_incref(value);
}


/* the tags of what the document opens the form with */

static ngx_int_t
ngx_http_portal_opened_now(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_str_t *tags)
{
    char                    today[PORTAL_DAY];
    json_t                 *raw, *text, *values, *typed, *errors;
    size_t                  i;
    ngx_int_t               rc;
    portal_form_t          *form;
    const portal_field_t   *field;
    portal_form_context_t   context;

    form = ctx->verdict->form;

    raw = json_object();
    if (raw == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < form->nfields; i++) {
        field = &form->fields[i];

        if (field->hidden || field->type == PORTAL_FIELD_FILE) {
            continue;
        }

        text = ngx_http_portal_field_opens(r, ctx, field);

        if (json_object_set_new(raw, field->name, json_is_string(text)
                                                  ? json_incref(text)
                                                  : json_string(""))
            != 0)
        {
            json_decref(text);
            json_decref(raw);
            return NGX_ERROR;
        }

        json_decref(text);
    }

    portal_day((int64_t) ngx_time(), today);
    context.today = today;
    context.words = NULL;

    rc = portal_form_check(form, raw, 0, &context, &values, &typed, &errors);

    if (rc == 0) {
        rc = ngx_http_portal_opened_tags(r, ctx, values, typed, tags);

        portal_form_wipe(form, values);
        portal_form_wipe(form, typed);
        json_decref(values);
        json_decref(typed);
        json_decref(errors);
    }

    /* its texts are the document's own, which is wiped as a whole */

    json_decref(raw);

    return rc == 0 ? NGX_OK : NGX_ERROR;
}


/* a field that did not come, or has no value to compare, has dots */

static ngx_int_t
ngx_http_portal_opened_tags(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *values, json_t *typed, ngx_str_t *tags)
{
    char                   digits[NGX_INT64_LEN + 1];
    u_char                *tag;
    size_t                 i;
    portal_text_t          text;
    portal_form_t         *form;
    const portal_field_t  *field;

    ngx_str_null(tags);

    if (!ctx->live) {
        return NGX_OK;
    }

    form = ctx->verdict->form;

    tag = ngx_pnalloc(r->pool, form->nfields * NGX_HTTP_PORTAL_TAG);
    if (tag == NULL) {
        return NGX_ERROR;
    }

    tags->data = tag;
    tags->len = form->nfields * NGX_HTTP_PORTAL_TAG;
    ngx_memset(tag, '.', tags->len);

    for (i = 0; i < form->nfields; i++, tag += NGX_HTTP_PORTAL_TAG) {
        field = &form->fields[i];

        if (field->hidden || field->type == PORTAL_FIELD_FILE) {
            continue;
        }

        text = ngx_http_portal_opened_text(field, values, typed, digits);

        if (text.data != NULL
            && ngx_http_portal_opened_tag(r, ctx, field, text, tag) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_opened_tag(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, portal_text_t text, u_char *tag)
{
    u_char                       *buf, *p;
    size_t                        size;
    uint8_t                       mac[PORTAL_MAC_LEN];
    portal_text_t                 all;
    const char                   *form;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    form = ctx->verdict->form->name;

    size = NGX_INT64_LEN + ngx_strlen(form) + ngx_strlen(field->name)
           + sizeof("///") + text.len;

    buf = ngx_pnalloc(r->pool, size);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    p = ngx_snprintf(buf, size, "%L/%s/%s/", (int64_t) ctx->session.account,
                     form, field->name);
    p = ngx_cpymem(p, text.data, text.len);

    all.data = (const char *) buf;
    all.len = (size_t) (p - buf);

    portal_mac(pmcf->keys, "opened",
               ngx_http_portal_text(ctx->town->slug), all, mac);
    portal_wipe(buf, size);

    (void) portal_b64_encode(mac, NGX_HTTP_PORTAL_TAG_BYTES, (char *) tag);

    return NGX_OK;
}


/* the value as the check has made it, else as typed; NULL: it did not come */

static portal_text_t
ngx_http_portal_opened_text(const portal_field_t *field, json_t *values,
    json_t *typed, char digits[NGX_INT64_LEN + 1])
{
    char            part[PORTAL_BODY_NAME];
    json_t         *value;
    portal_text_t   text;

    value = json_object_get(values, field->name);

    text.data = "";
    text.len = 0;

    if (json_is_integer(value)) {
        text.data = digits;
        text.len = (size_t) (ngx_sprintf((u_char *) digits, "%L",
                                         (int64_t) json_integer_value(value))
                             - (u_char *) digits);
        return text;
    }

    if (value == NULL) {
        value = json_object_get(typed, field->name);

        if (value == NULL) {
            text.data = NULL;
        }
    }

    if (text.data == NULL && field->type == PORTAL_FIELD_DATE) {

        /* three parts that are no day: as no date was */

        portal_date_part(field, 0, part, sizeof(part));

        if (json_object_get(typed, part) != NULL) {
            text = (portal_text_t) { "?", 1 };
        }
    }

    if (json_is_string(value)
        && ngx_strcmp(json_string_value(value), "unanswered") != 0)
    {
        text.data = json_string_value(value);
        text.len = json_string_length(value);
    }

    return text;
}


static void
ngx_http_portal_opened_forget(const portal_field_t *field, json_t *typed)
{
    char    part[PORTAL_BODY_NAME];
    size_t  i;

    (void) json_object_del(typed, field->name);

    for (i = 0; field->type == PORTAL_FIELD_DATE && i < PORTAL_DATE_PARTS; i++)
    {
        portal_date_part(field, i, part, sizeof(part));
        (void) json_object_del(typed, part);
    }
}


/* the page was older than the file; who sends no tags is told no more */

static ngx_uint_t
ngx_http_portal_opened_late(ngx_http_portal_ctx_t *ctx)
{
    size_t   i;
    json_t  *error;

    json_array_foreach(ctx->errors, i, error) {
        if (ngx_strcmp(json_string_value(json_object_get(error, "code")),
                       "file_changed")
            == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * What the town requires ("policy") only the document says.  What is empty of
 * it is told along with what the form's own check has found, in the page's
 * order: one round, not two.  Whether a file is missing is the function's to
 * say, since one may be kept.
 */

ngx_int_t
ngx_http_portal_form_empty(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t                *policy, *found, *error;
    size_t                 i, n, had;
    const char            *name;
    portal_form_t         *form;
    const portal_field_t  *field;

    form = ctx->verdict->form;
    policy = json_object_get(ngx_http_portal_document(r, ctx), "policy");

    if (!form->partial || !json_is_object(policy)) {
        return NGX_OK;
    }

    found = ctx->errors;
    ctx->errors = NULL;

    for (i = 0; i <= form->nfields; i++) {
        field = i < form->nfields ? &form->fields[i] : NULL;
        had = 0;

        /* behind the fields, what is of none */

        json_array_foreach(found, n, error) {
            name = json_string_value(json_object_get(error, "field"));

            if (portal_form_field(form, name) == field) {
                had = 1;

                if (ngx_http_portal_add_error(ctx, name,
                            json_string_value(json_object_get(error, "code")))
                    != NGX_OK)
                {
                    json_decref(found);
                    return NGX_ERROR;
                }
            }
        }

        if (field != NULL && !had && field->type != PORTAL_FIELD_FILE
            && ngx_http_portal_is_string(json_object_get(policy, field->name),
                                         "required")
            && ngx_http_portal_field_empty(ctx, field)
            && ngx_http_portal_add_error(ctx, field->name, "required")
               != NGX_OK)
        {
            json_decref(found);
            return NGX_ERROR;
        }
    }

    json_decref(found);

    return NGX_OK;
}


/* as it was sent; as the document has it, of one that was not, or that was left
   as it was: then that is what the page shows */

static ngx_uint_t
ngx_http_portal_field_empty(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field)
{
    json_t  *value;

    value = json_object_get(ctx->values, field->name);

    if (value == NULL || ngx_http_portal_form_left(ctx, field)) {
        value = json_object_get(json_object_get(ctx->document, "values"),
                                field->name);
    }

    return value == NULL || json_is_null(value)
           || ngx_http_portal_is_string(value, "")
           || ngx_http_portal_is_string(value, "unanswered");
}


static ngx_uint_t
ngx_http_portal_is_string(json_t *value, const char *text)
{
    return json_is_string(value)
           && ngx_strcmp(json_string_value(value), text) == 0;
}
