
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * The model of the location's declared form, for the template: labels in the
 * person's language, the values typed, the error beside each field.
 */


static json_t *ngx_http_portal_field(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field);
static const char *ngx_http_portal_field_policy(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field);
static const char *ngx_http_portal_field_label(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field,
    const char *what);
static json_t *ngx_http_portal_field_value(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field);
static ngx_int_t ngx_http_portal_unescape(ngx_http_request_t *r,
    ngx_str_t *text);
static json_t *ngx_http_portal_field_options(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field,
    const char *value);
static void ngx_http_portal_field_date(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, json_t *model);


json_t *
ngx_http_portal_form_model(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    char           action[256];
    json_t        *model, *fields, *by_name, *field;
    size_t         i;
    portal_form_t  *form;

    form = ctx->verdict->form;

    if (form == NULL) {
        return json_null();
    }

    fields = json_array();
    by_name = json_object();

    for (i = 0; i < form->nfields; i++) {

        if (ngx_http_portal_field_policy(ctx, &form->fields[i]) == NULL) {
            continue;
        }

        field = ngx_http_portal_field(r, ctx, &form->fields[i]);

        if (json_array_append(fields, field) != 0
            || json_object_set_new(by_name, form->fields[i].name, field) != 0)
        {
            json_decref(fields);
            json_decref(by_name);
            return NULL;
        }
    }

    /* with the fragment the browser goes to the errors, scripts or not */

    ngx_snprintf((u_char *) action, sizeof(action), "%V#erreurs%Z", &r->uri);

    model = json_pack("{s:s, s:s, s:o, s:o}", "name", form->name,
                      "action", r->uri.len < 200 ? action : "#erreurs",
                      "fields", fields, "f", by_name);

    return model;
}


/*
 * What the town has decided, where the document says it ("policy"): shown,
 * editable or required; NULL of a field that is then not on the page.
 */

static const char *
ngx_http_portal_field_policy(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field)
{
    json_t  *policy;

    policy = json_object_get(ctx->document, "policy");

    if (!json_is_object(policy) || field->hidden) {
        return field->required ? "required" : "editable";
    }

    return json_string_value(json_object_get(policy, field->name));
}


static json_t *
ngx_http_portal_field(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field)
{
    char             digits[NGX_INT64_LEN + 1];
    json_t          *value, *model, *error, *item;
    size_t           i;
    const char      *label, *hint, *message, *text, *input_type, *inputmode;
    const char      *policy;
    portal_field_e   t;
    unsigned         hidden, required, shown;

    t = field->type;

    policy = ngx_http_portal_field_policy(ctx, field);
    required = ngx_strcmp(policy, "required") == 0;
    shown = ngx_strcmp(policy, "shown") == 0;

    hidden = field->hidden || t == PORTAL_FIELD_TOKEN
             || t == PORTAL_FIELD_PATH;

    label = ngx_http_portal_field_label(r, ctx, field, ".label");
    hint = ngx_http_portal_field_label(r, ctx, field, ".hint");

    value = ngx_http_portal_field_value(r, ctx, field);

    if (json_is_integer(value)) {
        ngx_snprintf((u_char *) digits, sizeof(digits), "%L%Z",
                     (int64_t) json_integer_value(value));
        json_decref(value);
        value = json_string(digits);
    }

    text = json_string_value(value);

    message = NULL;

    json_array_foreach(ctx->errors, i, item) {
        error = json_object_get(item, "field");

        if (ngx_strcmp(json_string_value(error), field->name) == 0) {
            message = ngx_http_portal_message(r, ctx, field->name,
                            json_string_value(json_object_get(item, "code")));
            break;
        }
    }

    input_type = hidden ? "hidden" : t == PORTAL_FIELD_EMAIL ? "email"
                 : t == PORTAL_FIELD_PASSWORD ? "password" : "text";
    inputmode = t == PORTAL_FIELD_INTEGER || t == PORTAL_FIELD_OTP ? "numeric"
                : t == PORTAL_FIELD_EMAIL ? "email" : NULL;

    model = json_pack("{s:s, s:s, s:s, s:s?, s:s, s:s?, s:b, s:b, s:s, s:s?, "
                      "s:s?, s:n, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:o}",
                      "name", field->name, "id", field->name,
                      "label", label ? label : field->name, "hint", hint,
                      "value", text ? text : "", "error", message,
                      "required", (int) required,
                      "optional", (int) !required,
                      "input_type", input_type, "inputmode", inputmode,
                      "autocomplete", field->autocomplete, "maxlength",
                      "spellcheck", t == PORTAL_FIELD_TEXT,
                      "is_input", !hidden && !shown
                                  && t != PORTAL_FIELD_CHOICE
                                  && t != PORTAL_FIELD_YESNO
                                  && t != PORTAL_FIELD_DATE,
                      "is_choice", !hidden && !shown
                                   && t == PORTAL_FIELD_CHOICE,
                      "is_yesno", !hidden && !shown
                                  && t == PORTAL_FIELD_YESNO,
                      "is_date", !hidden && !shown && t == PORTAL_FIELD_DATE,
                      "is_hidden", hidden && t != PORTAL_FIELD_CHOICE,
                      "is_button", hidden && t == PORTAL_FIELD_CHOICE,
                      "is_shown", (int) shown,
                      "options", ngx_http_portal_field_options(r, ctx, field,
                                                               text));
    json_decref(value);

    /* a date in three boxes, as typed */

    if (model != NULL) {
        ngx_http_portal_field_date(ctx, field, model);
    }

    return model;
}


static void
ngx_http_portal_field_date(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, json_t *model)
{
    char                name[PORTAL_BODY_NAME + 8];
    json_t             *value;
    ngx_uint_t          i;
    const char         *iso;
    const size_t        at[] = { 8, 5, 0 };
    static const char  *part[] = { "day", "month", "year" };

    value = json_object_get(json_object_get(ctx->document, "values"),
                            field->name);
    iso = json_string_length(value) == 10 ? json_string_value(value) : NULL;

    for (i = 0; i < 3; i++) {
        value = NULL;

        if (field->type == PORTAL_FIELD_DATE) {
            ngx_snprintf((u_char *) name, sizeof(name), "%s_%s%Z",
                         field->name, part[i]);
            value = json_object_get(ctx->typed, name);
        }

        if (value != NULL) {
            json_object_set(model, part[i], value);

        } else if (field->type == PORTAL_FIELD_DATE && iso != NULL) {
            json_object_set_new(model, part[i],
                                json_stringn(iso + at[i], i < 2 ? 2 : 4));

        } else {
            json_object_set_new(model, part[i], json_string(""));
        }
    }
}


/* field.FORM.NAME.what, else field.NAME.what, else list.field.NAME */

static const char *
ngx_http_portal_field_label(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, const char *what)
{
    char                          name[160];
    const char                   *label;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    ngx_snprintf((u_char *) name, sizeof(name), "field.%s.%s%s%Z",
                 ctx->verdict->form->name, field->name, what);
    name[sizeof(name) - 1] = '\0';

    label = portal_views_label(pmcf->views[ctx->language], name);

    if (label != NULL) {
        return label;
    }

    ngx_snprintf((u_char *) name, sizeof(name), "field.%s%s%Z", field->name,
                 what);
    name[sizeof(name) - 1] = '\0';

    label = portal_views_label(pmcf->views[ctx->language], name);

    if (label != NULL || ngx_strcmp(what, ".label") != 0) {
        return label;
    }

    /* a field of the file, as requests name it */

    ngx_snprintf((u_char *) name, sizeof(name), "list.field.%s%Z",
                 field->name);
    name[sizeof(name) - 1] = '\0';

    return portal_views_label(pmcf->views[ctx->language], name);
}


/*
 * What was typed; before that what the document says the form opens with
 * ("values"), and what the page's address brought for a field of the same name
 * (a link's token, where to go on after the log-in).  A hidden field is the
 * document's first: typed, it was of the page before this one.
 */

static json_t *
ngx_http_portal_field_value(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field)
{
    json_t                 *value, *opens;
    ngx_str_t               text;
    ngx_uint_t              i;
    ngx_http_portal_arg_t  *arg;

    value = json_object_get(ctx->typed, field->name);
    opens = json_object_get(json_object_get(ctx->document, "values"),
                            field->name);

    if (value == NULL || (field->hidden && opens != NULL)) {
        value = opens ? opens : value;
    }

    if (value != NULL) {
        return json_incref(value);
    }

    if (ctx->verdict->args == NULL) {
        return json_null();
    }

    arg = ctx->verdict->args->elts;

    for (i = 0; i < ctx->verdict->args->nelts; i++) {

        if (ngx_strcmp(arg[i].name.data, field->name) != 0) {
            continue;
        }

        if (ngx_http_complex_value(r, &arg[i].value, &text) != NGX_OK) {
            return json_null();
        }

        if (field->type == PORTAL_FIELD_PATH
            && ngx_http_portal_unescape(r, &text) != NGX_OK)
        {
            return json_null();
        }

        value = json_stringn((char *) text.data, text.len);

        return value ? value : json_null();
    }

    return json_null();
}


/* $arg_... is as it stands in the address: decoded here, once */

static ngx_int_t
ngx_http_portal_unescape(ngx_http_request_t *r, ngx_str_t *text)
{
    u_char  *dst, *src, *start;

    start = ngx_pnalloc(r->pool, text->len + 1);
    if (start == NULL) {
        return NGX_ERROR;
    }

    dst = start;
    src = text->data;

    ngx_unescape_uri(&dst, &src, text->len, 0);

    text->data = start;
    text->len = (size_t) (dst - start);

    return NGX_OK;
}


static json_t *
ngx_http_portal_field_options(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field, const char *value)
{
    char                          name[160], id[96];
    size_t                        i;
    json_t                       *list;
    const char                   *label;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    list = json_array();

    for (i = 0; i < field->noptions; i++) {
        ngx_snprintf((u_char *) name, sizeof(name), "list.%s.%s%Z",
                     field->name, field->options[i]);
        name[sizeof(name) - 1] = '\0';
        ngx_snprintf((u_char *) id, sizeof(id), "%s-%uz%Z", field->name, i);

        label = portal_views_label(pmcf->views[ctx->language], name);

        json_array_append_new(list,
            json_pack("{s:s, s:s, s:b, s:s}", "value", field->options[i],
                      "label", label ? label : field->options[i],
                      "selected", value != NULL
                                  && ngx_strcmp(value, field->options[i]) == 0,
                      "id", i ? id : field->name));
    }

    return list;
}
