
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"
#include "../input/portal_text.h"
#include "../input/portal_types.h"


/*
 * What a field offers to choose from, in the person's language; and in which
 * order fields are, where the town says it.
 */


static ngx_uint_t ngx_http_portal_form_names(json_t *order, const char *name);
static ngx_uint_t ngx_http_portal_option_offered(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, const char *option);
static ngx_uint_t ngx_http_portal_option_line(const char *value,
    const char *code);
static void ngx_http_portal_field_option(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field, json_t *list,
    const char *label, const char *option, const char *value);
static void ngx_http_portal_field_listed(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, json_t *list, const char *value);
static void ngx_http_portal_field_countries(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *list, const char *value);
static const u_char *ngx_http_portal_country_order(
    ngx_http_portal_main_conf_t *pmcf, ngx_uint_t language);
static const char *ngx_http_portal_country(ngx_http_portal_main_conf_t *pmcf,
    ngx_uint_t language, const u_char *code);


/* takes over the reference to fields */

json_t *
ngx_http_portal_form_ordered(ngx_http_portal_ctx_t *ctx, json_t *fields,
    json_t *by_name)
{
    size_t   i;
    json_t  *order, *name, *field, *all;

    order = json_object_get(ctx->document, "order");

    if (!json_is_array(order) || fields == NULL) {
        return fields;
    }

    all = json_array();

    json_array_foreach(order, i, name) {
        (void) json_array_append(all, json_object_get(by_name,
                                                  json_string_value(name)));
    }

    json_array_foreach(fields, i, field) {
        name = json_object_get(field, "name");

        if (!ngx_http_portal_form_names(order, json_string_value(name))) {
            (void) json_array_append(all, field);
        }
    }

    json_decref(fields);

    return all;
}


static ngx_uint_t
ngx_http_portal_form_names(json_t *order, const char *name)
{
    size_t   i;
    json_t  *other;

    json_array_foreach(order, i, other) {

        if (ngx_strcmp(json_string_value(other), name) == 0) {
            return 1;
        }
    }

    return 0;
}


json_t *
ngx_http_portal_field_options(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field,
    ngx_uint_t required, const char *value)
{
    size_t   i;
    json_t  *list;

    list = json_array();

    switch (field->type) {

    case PORTAL_FIELD_CHOICE:
        for (i = 0; i < field->noptions; i++) {

            if (!ngx_http_portal_option_offered(ctx, field,
                                                field->options[i]))
            {
                continue;
            }

            ngx_http_portal_field_option(r, ctx, field, list, "list",
                                         field->options[i], value);
        }

        /* a button once chosen could not be left otherwise */

        if (!required && !field->hidden
            && field->noptions <= NGX_HTTP_PORTAL_RADIOS)
        {
            ngx_http_portal_field_option(r, ctx, field, list, "display.none",
                                         "",
                                         value ? value : "");
        }

        break;

    case PORTAL_FIELD_YESNO:
        ngx_http_portal_field_option(r, ctx, field, list, "display.yes", "yes",
                                     value);
        ngx_http_portal_field_option(r, ctx, field, list, "display.no", "no",
                                     value);

        if (!required) {
            ngx_http_portal_field_option(r, ctx, field, list,
                                         "display.unanswered", "unanswered",
                                         value && *value ? value
                                                         : "unanswered");
        }

        break;

    case PORTAL_FIELD_COUNTRY:
        ngx_http_portal_field_countries(r, ctx, list, value);
        break;

    case PORTAL_FIELD_TEXT:
    case PORTAL_FIELD_LINES:
        ngx_http_portal_field_listed(ctx, field, list, value);
        break;

    default:
        break;
    }

    return list;
}


/* a text of several lines has one for each box that is ticked */

static ngx_uint_t
ngx_http_portal_option_line(const char *value, const char *code)
{
    size_t       len;
    const char  *p;

    len = ngx_strlen(code);

    for (p = value; p != NULL; p = ngx_strchr(p, '\n')) {

        if (*p == '\n') {
            p++;
        }

        if (ngx_strncmp(p, code, len) == 0
            && (p[len] == '\0' || p[len] == '\n' || p[len] == '\r'))
        {
            return 1;
        }
    }

    return 0;
}


/* "from=": what the document's own lists offer, by code; their rows are told */

static void
ngx_http_portal_field_listed(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, json_t *list, const char *value)
{
    json_t      *row;
    size_t       i, n;
    const char  *code, *label;
    ngx_uint_t   selected;

    for (n = 0; n < field->noptions; n++) {
        json_array_foreach(json_object_get(ctx->document, field->options[n]),
                           i, row)
        {
            code = json_string_value(json_object_get(row, "code"));
            label = json_string_value(json_object_get(row, "label"));

            if (code == NULL) {
                continue;
            }

            selected = value != NULL
                       && (field->type == PORTAL_FIELD_LINES
                           ? ngx_http_portal_option_line(value, code)
                           : ngx_strcmp(value, code) == 0);

            json_object_set_new(row, "selected", json_boolean(selected));
            json_array_append_new(list,
                json_pack("{s:s, s:s, s:b}", "value", code,
                          "label", label ? label : code,
                          "selected", (int) selected));
        }
    }
}


/* of a choice the document may offer some alone ("choices") */

static ngx_uint_t
ngx_http_portal_option_offered(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field, const char *option)
{
    size_t       i;
    json_t      *choices, *choice;

    choices = json_object_get(json_object_get(ctx->document, "choices"),
                              field->name);

    if (!json_is_array(choices)) {
        return 1;
    }

    json_array_foreach(choices, i, choice) {
        if (json_is_string(choice)
            && ngx_strcmp(json_string_value(choice), option) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* label: its name, or "list" for the field's own list, else the form's */

static void
ngx_http_portal_field_option(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field, json_t *list,
    const char *label, const char *option, const char *value)
{
    char                          name[160], id[96];
    size_t                        n;
    const char                   *words;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    if (ngx_strcmp(label, "list") == 0) {
        ngx_snprintf((u_char *) name, sizeof(name), "list.%s.%s%Z",
                     field->name, option);
        name[sizeof(name) - 1] = '\0';
        label = name;
    }

    words = portal_views_label(pmcf->views[ctx->language], label);

    if (words == NULL && label == name) {
        ngx_snprintf((u_char *) name, sizeof(name), "list.%s.%s%Z",
                     ctx->verdict->form->name, option);
        name[sizeof(name) - 1] = '\0';
        words = portal_views_label(pmcf->views[ctx->language], name);
    }

    /* the summary of errors leads to the first */

    n = json_array_size(list);
    ngx_snprintf((u_char *) id, sizeof(id), n ? "%s-%uz%Z" : "%s%Z",
                 field->name, n);

    json_array_append_new(list,
        json_pack("{s:s, s:s, s:b, s:s}", "value", option,
                  "label", words ? words : option,
                  "selected", value != NULL && ngx_strcmp(value, option) == 0,
                  "id", id));
}


/* those that the language has a name for, in its order; and the one chosen */

static void
ngx_http_portal_field_countries(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *list, const char *value)
{
    size_t                        len;
    ngx_uint_t                    found, chosen;
    const char                   *label;
    const u_char                 *code;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    len = value ? ngx_strlen(value) : 0;
    found = 0;

    for (code = ngx_http_portal_country_order(pmcf, ctx->language);
         code != NULL && *code;
         code += 2)
    {
        label = ngx_http_portal_country(pmcf, ctx->language, code);
        chosen = len == 2 && ngx_memcmp(code, value, 2) == 0;
        found |= chosen;

        (void) json_array_append_new(list,
            json_pack("{s:s%, s:s, s:b}", "value", code, (size_t) 2,
                      "label", label, "selected", (int) chosen));
    }

    if (!found && value != NULL && portal_is_country(value)) {
        (void) json_array_append_new(list,
            json_pack("{s:s, s:s, s:b}", "value", value, "label", value,
                      "selected", 1));
    }
}


/* their codes, one behind the other; NULL: no memory */

static const u_char *
ngx_http_portal_country_order(ngx_http_portal_main_conf_t *pmcf,
    ngx_uint_t language)
{
    char        *key, *keys[256];
    size_t       i, at, n;
    u_char      *order;
    const char  *label;

    if (pmcf->countries[language] != NULL) {
        return pmcf->countries[language];
    }

    order = ngx_palloc(ngx_cycle->pool, 2 * 256 + 1);
    if (order == NULL) {
        return NULL;
    }

    n = 0;

    for (i = 0; portal_countries[i] != '\0' && n < 256; i += 2) {

        label = ngx_http_portal_country(pmcf, language,
                                        (u_char *) portal_countries + i);
        if (label == NULL) {
            continue;
        }

        /* É stands with E */

        key = portal_text_ascii(label, ngx_strlen(label), 1);
        if (key == NULL) {
            break;
        }

        for (at = n; at > 0 && ngx_strcmp(keys[at - 1], key) > 0; at--) {
            keys[at] = keys[at - 1];
        }

        keys[at] = key;

        ngx_memmove(order + 2 * at + 2, order + 2 * at, 2 * (n - at));
        ngx_memcpy(order + 2 * at, portal_countries + i, 2);
        n++;
    }

    order[2 * n] = '\0';

    while (n > 0) {
        free(keys[--n]);
    }

    if (portal_countries[i] != '\0') {
        return NULL;
    }

    pmcf->countries[language] = order;

    return order;
}


static const char *
ngx_http_portal_country(ngx_http_portal_main_conf_t *pmcf, ngx_uint_t language,
    const u_char *code)
{
    u_char  name[32];

    ngx_snprintf(name, sizeof(name), "list.country.%*s%Z", (size_t) 2, code);

    return portal_views_label(pmcf->views[language], (char *) name);
}
