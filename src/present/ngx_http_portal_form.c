
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"
#include "../input/portal_types.h"


/*
 * The model of the location's declared form, for the template: labels in the
 * person's language, the values typed, the error beside each field.
 */


/* a number as it is typed */
#define NGX_HTTP_PORTAL_SHOWN   64


static json_t *ngx_http_portal_field(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field);
static ngx_int_t ngx_http_portal_field_moved(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field,
    ngx_http_portal_moved_e moved, json_t *model);
static void ngx_http_portal_form_rows(ngx_http_portal_ctx_t *ctx,
    json_t *by_name);
static json_t *ngx_http_portal_form_row(ngx_http_portal_ctx_t *ctx,
    const char *name);
static ngx_uint_t ngx_http_portal_field_on_page(ngx_http_portal_ctx_t *ctx,
    const char *name);
static const char *ngx_http_portal_field_group(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field, json_t *model,
    const char **last);
static const char *ngx_http_portal_field_policy(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field);
static ngx_uint_t ngx_http_portal_field_chosen(json_t *options);
static const char *ngx_http_portal_field_kind(const portal_field_t *field,
    const char *policy);
static void ngx_http_portal_field_input(const portal_field_t *field,
    json_t *model);
static json_t *ngx_http_portal_field_accept(const portal_field_t *field);
static const char *ngx_http_portal_field_error(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field);
static const char *ngx_http_portal_field_label(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field,
    const char *what);
static const char *ngx_http_portal_field_named(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *field);
static const char *ngx_http_portal_field_hint(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field);
static const char *ngx_http_portal_type_hint(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field);
static json_t *ngx_http_portal_field_phone(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *number);
static ngx_int_t ngx_http_portal_unescape(ngx_http_request_t *r,
    ngx_str_t *text);
static void ngx_http_portal_field_date(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, json_t *model);


json_t *
ngx_http_portal_form_model(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    char                      action[256];
    json_t                   *model, *fields, *by_name, *field;
    size_t                    i;
    ngx_str_t                 opened;
    const char               *group, *last;
    portal_form_t            *form;
    ngx_http_portal_moved_e   moved[PORTAL_FORM_FIELDS];

    form = ctx->verdict->form;

    if (form == NULL) {
        return json_null();
    }

    if (ngx_http_portal_form_opened(r, ctx, &opened, moved) != NGX_OK) {
        return NULL;
    }

    fields = json_array();
    by_name = json_object();
    last = NULL;

    for (i = 0; i < form->nfields; i++) {

        if (ngx_http_portal_field_policy(ctx, &form->fields[i]) == NULL) {
            continue;
        }

        field = ngx_http_portal_field(r, ctx, &form->fields[i]);
        group = ngx_http_portal_field_group(r, ctx, &form->fields[i], field,
                                            &last);

        if (ngx_http_portal_field_moved(r, ctx, &form->fields[i], moved[i],
                                        field)
            != NGX_OK
            || json_object_set_new(field, "group",
                             group ? json_string(group) : json_null()) != 0
            || json_array_append(fields, field) != 0
            || json_object_set_new(by_name, form->fields[i].name, field) != 0)
        {
            json_decref(fields);
            json_decref(by_name);
            return NULL;
        }
    }

    fields = ngx_http_portal_form_ordered(ctx, fields, by_name);

    ngx_http_portal_form_rows(ctx, by_name);

    /* with the fragment the browser goes to the errors, scripts or not */

    ngx_snprintf((u_char *) action, sizeof(action), "%V#erreurs%Z", &r->uri);

    model = json_pack("{s:s, s:o, s:s, s:b, s:o, s:o}", "name", form->name,
                      "opened", opened.len
                      ? json_stringn((char *) opened.data, opened.len)
                      : json_null(),
                      "action", r->uri.len < 200 ? action : "#erreurs",
                      "multipart", form->nfiles > 0,
                      "fields", fields, "f", by_name);

    return model;
}


/*
 * "items" of the document that are about a field have it beside them, unless
 * the town's policy says that it is not to be answered.  What helps to fill the
 * field in is no help for who answers about a value that is there.
 */

static void
ngx_http_portal_form_rows(ngx_http_portal_ctx_t *ctx, json_t *by_name)
{
    json_t      *item, *field;
    size_t       i;
    const char  *name;

    json_array_foreach(json_object_get(ctx->document, "items"), i, item) {
        name = json_string_value(json_object_get(item, "field"));
        field = ngx_http_portal_form_row(ctx, name)
                ? json_object_get(by_name, name) : NULL;

        if (field != NULL) {
            (void) json_object_set_new(field, "hint", json_null());
        }

        (void) json_object_set_new(item, "input",
                               field ? json_incref(field) : json_null());
    }
}


/* the row that is about a field and has its input; NULL: none */

static json_t *
ngx_http_portal_form_row(ngx_http_portal_ctx_t *ctx, const char *name)
{
    json_t      *item, *policy;
    size_t       i;
    const char  *field;

    policy = json_object_get(ctx->document, "policy");

    if (name == NULL
        || (json_is_object(policy) && json_object_get(policy, name) == NULL))
    {
        return NULL;
    }

    json_array_foreach(json_object_get(ctx->document, "items"), i, item) {
        field = json_string_value(json_object_get(item, "field"));

        if (field != NULL && ngx_strcmp(field, name) == 0) {
            return item;
        }
    }

    return NULL;
}


/* the heading over the first field of a group that the page has */

static const char *
ngx_http_portal_field_group(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, json_t *model, const char **last)
{
    char                          name[PORTAL_BODY_NAME + 8];
    ngx_http_portal_main_conf_t  *pmcf;

    if (field->group == NULL || field->hidden
        || json_is_true(json_object_get(model, "is_shown"))
        || (*last != NULL && ngx_strcmp(*last, field->group) == 0))
    {
        return NULL;
    }

    *last = field->group;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    ngx_snprintf((u_char *) name, sizeof(name), "group.%s%Z", field->group);

    return portal_views_label(pmcf->views[ctx->language], name);
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
    json_t      *value, *model, *options;
    const char  *label, *hint, *text, *kind, *policy;
    ngx_uint_t   limited, required;

    policy = ngx_http_portal_field_policy(ctx, field);
    required = ngx_strcmp(policy, "required") == 0;
    kind = ngx_http_portal_field_kind(field, policy);

    label = ngx_http_portal_field_label(r, ctx, field, ".label");
    hint = ngx_http_portal_field_hint(r, ctx, field);

    value = ngx_http_portal_field_value(r, ctx, field);
    text = json_string_value(value);

    options = ngx_http_portal_field_options(r, ctx, field, required, text);

    if (!ngx_http_portal_field_chosen(options)) {
        text = NULL;
    }

    /* of lists that are empty anything can be written */

    if (json_array_size(options) && ngx_strcmp(kind, "input") == 0) {
        kind = "select";
    }

    limited = field->type == PORTAL_FIELD_TEXT
              || field->type == PORTAL_FIELD_NAME
              || field->type == PORTAL_FIELD_LINES;

    model = json_pack("{s:s, s:s, s:s, s:s?, s:s, s:s?, s:b, s:b, s:s?, s:o, "
                      "s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, "
                      "s:b, s:o}",
                      "name", field->name, "id", field->name,
                      "label", label ? label : field->name, "hint", hint,
                      "value", text ? text : "", "error",
                      ngx_http_portal_field_error(r, ctx, field),
                      "required", (int) required,
                      "optional", (int) !required,
                      "autocomplete", field->autocomplete, "maxlength",
                      limited ? json_integer(field->max) : json_null(),
                      "spellcheck", field->type == PORTAL_FIELD_TEXT
                                    || field->type == PORTAL_FIELD_LINES,
                      "is_input", ngx_strcmp(kind, "input") == 0,
                      "is_choice", ngx_strcmp(kind, "choice") == 0,
                      "is_yesno", ngx_strcmp(kind, "yesno") == 0,
                      "is_select", ngx_strcmp(kind, "select") == 0,
                      "is_lines", ngx_strcmp(kind, "lines") == 0,
                      "is_date", ngx_strcmp(kind, "date") == 0,
                      "is_file", ngx_strcmp(kind, "file") == 0,
                      "is_hidden", ngx_strcmp(kind, "hidden") == 0,
                      "is_button", ngx_strcmp(kind, "button") == 0,
                      "is_shown", ngx_strcmp(kind, "shown") == 0,
                      "is_colour", field->type == PORTAL_FIELD_COLOUR,
                      "options", options);
    json_decref(value);

    if (model != NULL) {
        ngx_http_portal_field_input(field, model);

        /* a date in three boxes, as typed */

        ngx_http_portal_field_date(ctx, field, model);
    }

    return model;
}


/*
 * Where another has changed the value meanwhile: "taken", or "now" beside what
 * was typed.  And which texts belong to the field.
 */

static ngx_int_t
ngx_http_portal_field_moved(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, ngx_http_portal_moved_e moved, json_t *model)
{
    u_char  *p, ids[(size_t) 3 * PORTAL_BODY_NAME + 32];
    json_t  *value;

    value = json_null();

    if (moved == NGX_HTTP_PORTAL_MOVED_TAKEN) {
        value = json_pack("{s:b}", "taken", 1);

    } else if (moved == NGX_HTTP_PORTAL_MOVED_BOTH) {
        value = json_pack("{s:b, s:o}", "taken", 0, "now",
                          ngx_http_portal_form_now(r, ctx, field,
                                           json_object_get(model, "options")));
    }

    /* what a reader hears with the field */

    p = ids;

    if (json_is_string(json_object_get(model, "hint"))) {
        p = ngx_sprintf(p, " %s-hint", field->name);
    }

    if (json_is_string(json_object_get(model, "error"))) {
        p = ngx_sprintf(p, " %s-error", field->name);
    }

    if (moved) {
        p = ngx_sprintf(p, " %s-moved", field->name);
    }

    return json_object_set_new(model, "moved", value) == 0
           && json_object_set_new(model, "described", p == ids ? json_null()
                                  : json_stringn((char *) ids + 1,
                                                 (size_t) (p - ids) - 1))
              == 0 ? NGX_OK : NGX_ERROR;
}


/*
 * What the file holds need not be an answer to the question (a mandate is the
 * day of it): that is no value to send back.
 */

static ngx_uint_t
ngx_http_portal_field_chosen(json_t *options)
{
    size_t   i;
    json_t  *option;

    json_array_foreach(options, i, option) {
        if (json_is_true(json_object_get(option, "selected"))) {
            return 1;
        }
    }

    return json_array_size(options) == 0;
}


/* which part of field.mustache shows it */

static const char *
ngx_http_portal_field_kind(const portal_field_t *field, const char *policy)
{
    if (field->hidden) {

        /* such as a hidden choice, it is said by the button that is pressed */

        return field->pressed || field->type == PORTAL_FIELD_CHOICE
               ? "button" : "hidden";
    }

    if (ngx_strcmp(policy, "shown") == 0) {
        return "shown";
    }

    switch (field->type) {

    case PORTAL_FIELD_TOKEN:
    case PORTAL_FIELD_PATH:
        return "hidden";

    case PORTAL_FIELD_CHOICE:
        return field->noptions > NGX_HTTP_PORTAL_RADIOS ? "select" : "choice";

    case PORTAL_FIELD_COUNTRY:
        return "select";

    case PORTAL_FIELD_YESNO:
        return "yesno";

    case PORTAL_FIELD_DATE:
        return "date";

    case PORTAL_FIELD_LINES:
        return "lines";

    case PORTAL_FIELD_FILE:
        return "file";

    default:
        return "input";
    }
}


/* the keyboard that a telephone shows, and the capitals it begins words with */

static void
ngx_http_portal_field_input(const portal_field_t *field, json_t *model)
{
    const char  *type, *mode, *capitals;

    type = "text";
    mode = NULL;
    capitals = "none";

    switch (field->type) {

    case PORTAL_FIELD_TEXT:
    case PORTAL_FIELD_LINES:
        capitals = NULL;
        break;

    case PORTAL_FIELD_NAME:
        capitals = "words";
        break;

    case PORTAL_FIELD_CODE:
    case PORTAL_FIELD_IBAN:
    case PORTAL_FIELD_BIC:
    case PORTAL_FIELD_TAX_NOTICE:
        capitals = "characters";
        break;

    case PORTAL_FIELD_EMAIL:
        type = "email";
        mode = "email";
        break;

    case PORTAL_FIELD_PASSWORD:
        type = "password";
        break;

    case PORTAL_FIELD_PHONE:
        type = "tel";
        mode = "tel";
        break;

    case PORTAL_FIELD_INTEGER:
    case PORTAL_FIELD_OTP:
    case PORTAL_FIELD_TAX_NUMBER:
        mode = "numeric";
        break;

    case PORTAL_FIELD_POSTCODE:
        mode = field->country ? NULL : "numeric";
        break;

    case PORTAL_FIELD_SHARES:
    case PORTAL_FIELD_CENTS:
        mode = "decimal";
        break;

    default:
        break;
    }

    json_object_set_new(model, "accept",
                        field->accept ? ngx_http_portal_field_accept(field)
                                      : json_null());
    json_object_set_new(model, "input_type", json_string(type));
    json_object_set_new(model, "inputmode",
                        mode ? json_string(mode) : json_null());
    json_object_set_new(model, "autocapitalize",
                        capitals ? json_string(capitals) : json_null());
}


/* what the browser's chooser offers first */

static json_t *
ngx_http_portal_field_accept(const portal_field_t *field)
{
    u_char            *p, text[128];
    ngx_uint_t         i;
    static const char  types[][5] = { "jpeg", "png", "webp", "pdf", "zip",
                                      "csv" };

    for (i = 0, p = text; i < sizeof(types) / sizeof(types[0]); i++) {

        if (field->accept & portal_file_bit(types[i])) {
            p = ngx_sprintf(p, "%s%s%s", p == text ? "" : ",",
                            i < 3 ? "image/" : i < 4 ? "application/" : ".",
                            types[i]);
        }
    }

    return json_stringn((char *) text, (size_t) (p - text));
}


/*
 * An error as the summary at the page's top says it: the field's name, then the
 * message.  It leads to the field, where the page has it to go to.  A name
 * that is a question needs no colon ("asks").  What is asked of each row is
 * named as the row is.
 */

json_t *
ngx_http_portal_form_error(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *error)
{
    size_t                 len;
    ngx_uint_t             here;
    const char            *field, *message, *label;
    portal_form_t         *form;
    const portal_field_t  *declared;

    field = json_string_value(json_object_get(error, "field"));
    message = ngx_http_portal_error_message(r, ctx, error);
    here = ngx_http_portal_field_on_page(ctx, field);

    form = ctx->verdict->form;
    declared = here && form && ngx_http_portal_form_row(ctx, field) == NULL
               ? portal_form_field(form, field) : NULL;

    label = declared != NULL && !declared->hidden
            ? ngx_http_portal_field_label(r, ctx, declared, ".label")
            : ngx_http_portal_field_named(r, ctx, field);

    len = label ? ngx_strlen(label) : 0;

    return json_pack("{s:s?, s:s?, s:b, s:s}", "field", here ? field : NULL,
                     "label", label,
                     "asks", len > 0 && label[len - 1] == '?',
                     "message", message ? message : "");
}


static ngx_uint_t
ngx_http_portal_field_on_page(ngx_http_portal_ctx_t *ctx, const char *name)
{
    const char            *kind, *policy;
    portal_form_t         *form;
    const portal_field_t  *field;

    form = ctx->verdict->form;

    if (form == NULL || *name == '\0') {
        return 0;
    }

    if (form->captcha && ngx_strcmp(name, "captcha") == 0) {
        return 1;
    }

    field = portal_form_field(form, name);
    policy = field ? ngx_http_portal_field_policy(ctx, field) : NULL;

    if (policy == NULL) {
        return 0;
    }

    kind = ngx_http_portal_field_kind(field, policy);

    /* a button's choices stand in the row that is about it */

    if (ngx_strcmp(kind, "button") == 0) {
        return ngx_http_portal_form_row(ctx, name) != NULL;
    }

    return ngx_strcmp(kind, "hidden") != 0 && ngx_strcmp(kind, "shown") != 0;
}


static const char *
ngx_http_portal_field_error(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field)
{
    json_t  *item;
    size_t   i;

    json_array_foreach(ctx->errors, i, item) {

        if (ngx_strcmp(json_string_value(json_object_get(item, "field")),
                       field->name)
            == 0)
        {
            return ngx_http_portal_error_message(r, ctx, item);
        }
    }

    return NULL;
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

    return ngx_http_portal_field_named(r, ctx, field->name);
}


/* a field of the file, as requests name it; one of the town's own as it says */

static const char *
ngx_http_portal_field_named(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const char *field)
{
    char                          name[PORTAL_BODY_NAME + 16];
    const char                   *own;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    own = field == NULL ? NULL : json_string_value(
              json_object_get(json_object_get(ctx->town->public[ctx->language],
                                              "names"), field));
    if (own != NULL) {
        return own;
    }

    ngx_snprintf((u_char *) name, sizeof(name), "list.field.%s%Z", field);
    name[sizeof(name) - 1] = '\0';

    return portal_views_label(pmcf->views[ctx->language], name);
}


/* what the town says itself ("hints" of the document) goes before the labels */

static const char *
ngx_http_portal_field_hint(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field)
{
    const char  *hint;

    hint = json_string_value(json_object_get(json_object_get(ctx->document,
                                                             "hints"),
                                             field->name));

    if (hint == NULL) {
        hint = ngx_http_portal_field_label(r, ctx, field, ".hint");
    }

    if (hint == NULL) {
        hint = ngx_http_portal_type_hint(r, ctx, field);
    }

    return hint;
}


/* hint.TYPE: what a field of the type says where none of its own is there */

static const char *
ngx_http_portal_type_hint(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field)
{
    char                          name[64];
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    ngx_snprintf((u_char *) name, sizeof(name), "hint.%s%Z",
                 portal_field_type(field->type));

    return portal_views_label(pmcf->views[ctx->language], name);
}


/*
 * What was typed; before that what the document says the form opens with
 * ("values"), and what the page's address brought for a field of the same name
 * (a link's token, where to go on after the log-in).  A hidden field is the
 * document's first: typed, it was of the page before this one.  But a form that
 * comes back with its key is that page's still: the same key with another
 * version would be another request.
 */

json_t *
ngx_http_portal_field_value(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field)
{
    json_t                 *value, *opens;
    ngx_str_t               text;
    ngx_uint_t              i;
    ngx_http_portal_arg_t  *arg;

    value = json_object_get(ctx->typed, field->name);

    if (value == NULL || (field->hidden && !ctx->again)) {
        opens = ngx_http_portal_field_opens(r, ctx, field);

        if (opens != NULL) {
            return opens;
        }
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


json_t *
ngx_http_portal_field_opens(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field)
{
    char     shown[NGX_HTTP_PORTAL_SHOWN];
    json_t  *opens;

    opens = json_object_get(json_object_get(ctx->document, "values"),
                            field->name);

    if (opens == NULL) {
        return NULL;
    }

    if (field->type == PORTAL_FIELD_PHONE) {
        return ngx_http_portal_field_phone(r, ctx, opens);
    }

    return portal_type_shown(field, opens, shown, sizeof(shown)) == 0
           ? json_string(shown) : json_incref(opens);
}


/* a number as people write it, not as it is stored */

static json_t *
ngx_http_portal_field_phone(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    json_t *number)
{
    portal_sink_t                 sink;
    portal_chunk_t               *chunk;
    ngx_http_portal_main_conf_t  *pmcf;

    if (json_string_length(number) == 0) {
        return json_string("");
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    ngx_http_portal_sink(&sink, r->pool, NGX_HTTP_PORTAL_SHOWN);

    if (portal_display(pmcf->views[ctx->language], "phone", number, &sink)
        != 0)
    {
        return json_incref(number);
    }

    chunk = sink.first;

    return chunk && chunk->next == NULL
           ? json_stringn(chunk->data, chunk->len) : json_incref(number);
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
