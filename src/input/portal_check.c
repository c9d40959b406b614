
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistr.h>

#include "portal_body.h"
#include "portal_password.h"
#include "portal_text.h"
#include "portal_types.h"
#include "portal_upload.h"
#include "../crypto/portal_crypto.h"


/* no character of NFC comes of more bytes than this */
#define PORTAL_CHECK_GROWTH  16


typedef struct {
    const portal_form_t          *form;
    const json_t                 *raw;
    const portal_form_context_t  *context;
    json_t                       *values;
    json_t                       *typed;
    json_t                       *errors;
    unsigned                      strict:1;
} portal_check_t;


static int portal_check_field(portal_check_t *check,
    const portal_field_t *field);
static const char *portal_check_wrong(const portal_check_t *check,
    const json_t *raw);
static int portal_check_date(portal_check_t *check,
    const portal_field_t *field, int *done);
static int portal_check_parts(portal_check_t *check,
    const portal_field_t *field, const json_t *part[PORTAL_DATE_PARTS]);
static int portal_check_shown_parts(portal_check_t *check,
    const portal_field_t *field);
static int portal_check_text(portal_check_t *check,
    const portal_field_t *field, const char *text, size_t len);
static int portal_check_clean(portal_check_t *check,
    const portal_field_t *field, const char *text, size_t len, char **out,
    size_t *outlen);
static int portal_check_empty(portal_check_t *check,
    const portal_field_t *field);
static int portal_check_integer(portal_check_t *check,
    const portal_field_t *field, const json_t *raw);
static int portal_check_ticked(portal_check_t *check,
    const portal_field_t *field, const json_t *raw);
static int portal_check_file(portal_check_t *check,
    const portal_field_t *field, const json_t *raw);
static int portal_check_list(portal_check_t *check,
    const portal_field_t *field, const json_t *raw);
static int portal_check_password(portal_check_t *check,
    const portal_field_t *field, const char *text, size_t len);
static int portal_check_words(portal_check_t *check,
    const portal_field_t *field, portal_words_t *words);
static int portal_check_value(portal_check_t *check,
    const portal_field_t *field, json_t *value, const char *code);
static int portal_check_show(portal_check_t *check, const char *name,
    const char *text, size_t len, int lines);
static int portal_check_others(portal_check_t *check);
static int portal_check_known(const portal_check_t *check, const char *name);
static int portal_check_error(portal_check_t *check, const char *name,
    const char *code);


const char *const  portal_form_codes[] = {
    "required", "unknown_field", "duplicate", "type", "encoding", "control",
    "too_short", "too_long", "name_chars", "email_format", "email_ascii",
    "date_format", "date_range", "choice", "integer_format",
    "integer_range", "code_format", "token_format", "password_short",
    "password_long", "password_weak", "too_many_lines", "date_past",
    "date_future", "age_low", "age_high", "phone_format", "phone_mobile",
    "postcode_format", "postcode_abroad", "country", "iban_format",
    "iban_country", "iban_length", "iban_key", "bic_format",
    "tax_number_format", "tax_number_key", "tax_notice_format",
    "caf_number_format", "shares_format", "shares_range", "cents_format",
    "cents_range", "file_type", "file_size", "private_nir",
    "private_belief", "private_handicap", "otp_format", "list_long",
    "list_element", "colour_format", NULL
};


int
portal_form_check(const portal_form_t *form, const json_t *raw, int strict,
    const portal_form_context_t *context, json_t **values, json_t **typed,
    json_t **errors)
{
    size_t          i;
    portal_check_t  check;

    check.form = form;
    check.raw = raw;
    check.context = context;
    check.strict = strict != 0;
    check.values = json_object();
    check.typed = json_object();
    check.errors = json_array();

    if (check.values == NULL || check.typed == NULL || check.errors == NULL) {
        goto failed;
    }

    for (i = 0; i < form->nfields; i++) {

        if (portal_check_field(&check, &form->fields[i]) != 0) {
            goto failed;
        }
    }

    if (portal_check_others(&check) != 0) {
        goto failed;
    }

    *values = check.values;
    *typed = check.typed;
    *errors = check.errors;

    return 0;

failed:

    json_decref(check.values);
    json_decref(check.typed);
    json_decref(check.errors);

    *values = NULL;
    *typed = NULL;
    *errors = NULL;

    return -1;
}


int
portal_form_reserved(const char *name)
{
    return strcmp(name, "csrf") == 0 || strcmp(name, "key") == 0
           || strcmp(name, "opened") == 0
           || strcmp(name, PORTAL_FORM_TRAP) == 0
           || strncmp(name, "captcha_", sizeof("captcha_") - 1) == 0;
}


int
portal_form_texts(json_t *raw)
{
    int          n;
    char         text[32];
    void        *iter;
    json_t      *value;

    for (iter = json_object_iter(raw);
         iter != NULL;
         iter = json_object_iter_next(raw, iter))
    {
        value = json_object_iter_value(iter);

        if (!json_is_integer(value)
            || !portal_form_reserved(json_object_iter_key(iter)))
        {
            continue;
        }

        n = snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
                     json_integer_value(value));

        if (json_object_iter_set_new(raw, iter, json_stringn(text, (size_t) n))
            != 0)
        {
            return -1;
        }
    }

    return 0;
}


void
portal_form_wipe(const portal_form_t *form, json_t *object)
{
    size_t   i, n;
    json_t  *value, *one;

    for (i = 0; i < form->nfields; i++) {

        if (form->fields[i].type != PORTAL_FIELD_PASSWORD
            && form->fields[i].type != PORTAL_FIELD_OTP
            && !form->fields[i].sealed)
        {
            continue;
        }

        value = json_object_get(object, form->fields[i].name);

        /* and all that came, of one that was sent twice */

        for (n = 0, one = value; one; one = json_array_get(value, n++)) {
            (void) json_integer_set(one, 0);

            if (json_is_string(one)) {
                portal_wipe((char *) json_string_value(one),
                            json_string_length(one));
            }
        }
    }
}


static int
portal_check_field(portal_check_t *check, const portal_field_t *field)
{
    int            done;
    const json_t  *raw;

    if (field->type == PORTAL_FIELD_DATE) {
        done = 0;

        if (portal_check_date(check, field, &done) != 0) {
            return -1;
        }

        if (done) {
            return 0;
        }
    }

    raw = json_object_get(check->raw, field->name);

    if (raw == NULL && check->form->partial && !field->hidden) {
        return 0;
    }

    if (raw == NULL || (check->strict && json_is_null(raw))) {
        return portal_check_empty(check, field);
    }

    /* a document has a sealed number as text, and so may who sends it back */

    if (check->strict && (field->type == PORTAL_FIELD_INTEGER
                          || field->type == PORTAL_FIELD_CENTS)
        && !(field->sealed && json_is_string(raw)))
    {
        return portal_check_integer(check, field, raw);
    }

    if (field->type == PORTAL_FIELD_FILE) {
        return portal_check_file(check, field, raw);
    }

    if (field->type == PORTAL_FIELD_LIST) {
        return portal_check_list(check, field, raw);
    }

    if (field->type == PORTAL_FIELD_LINES && field->noptions
        && !check->strict && json_is_array(raw))
    {
        return portal_check_ticked(check, field, raw);
    }

    if (!json_is_string(raw)) {
        return portal_check_error(check, field->name,
                                  portal_check_wrong(check, raw));
    }

    return portal_check_text(check, field, json_string_value(raw),
                             json_string_length(raw));
}


/* what is no string: a form's reader puts null or an array there */

static const char *
portal_check_wrong(const portal_check_t *check, const json_t *raw)
{
    if (check->strict) {
        return "type";
    }

    if (json_is_null(raw)) {
        return "encoding";
    }

    return json_is_array(raw) && json_array_size(raw) != 1 ? "duplicate"
                                                           : "type";
}


/* boxes of one name are the lines of a text */

static int
portal_check_ticked(portal_check_t *check, const portal_field_t *field,
    const json_t *raw)
{
    int      rc;
    char    *text;
    size_t   len;

    if (portal_body_lines(raw, &text, &len) != 0) {
        return portal_check_error(check, field->name, "encoding");
    }

    rc = text != NULL ? portal_check_text(check, field, text, len) : -1;

    free(text);

    return rc;
}


/* a date in three fields; *done when it came so */

static int
portal_check_date(portal_check_t *check, const portal_field_t *field,
    int *done)
{
    char           name[PORTAL_BODY_NAME];
    size_t         i;
    const char    *wrong;
    const json_t  *part[PORTAL_DATE_PARTS];

    wrong = NULL;

    for (i = 0; i < PORTAL_DATE_PARTS; i++) {
        portal_date_part(field, i, name, sizeof(name));
        part[i] = json_object_get(check->raw, name);

        if (part[i] == NULL) {
            continue;
        }

        *done = 1;

        if (!json_is_string(part[i])) {
            wrong = portal_check_wrong(check, part[i]);

        } else if (portal_check_show(check, name,
                                     json_string_value(part[i]),
                                     json_string_length(part[i]), 0)
                   != 0)
        {
            return -1;
        }
    }

    if (!*done) {
        return 0;
    }

    if (json_object_get(check->raw, field->name) != NULL) {
        return portal_check_error(check, field->name, "duplicate");
    }

    if (wrong != NULL) {
        return portal_check_error(check, field->name, wrong);
    }

    return portal_check_parts(check, field, part);
}


static int
portal_check_parts(portal_check_t *check, const portal_field_t *field,
    const json_t *part[PORTAL_DATE_PARTS])
{
    int     n;
    char    text[64];
    size_t  i, empty;

    empty = 0;

    for (i = 0; i < PORTAL_DATE_PARTS; i++) {
        empty += part[i] == NULL || json_string_length(part[i]) == 0;
    }

    if (empty == PORTAL_DATE_PARTS) {
        return portal_check_empty(check, field);
    }

    for (i = 0; i < PORTAL_DATE_PARTS; i++) {

        if (part[i] == NULL || json_string_length(part[i]) > 16
            || json_string_length(part[i])
               != strlen(json_string_value(part[i]))
            || strpbrk(json_string_value(part[i]), "/.-") != NULL)
        {
            return portal_check_error(check, field->name, "date_format");
        }
    }

    n = snprintf(text, sizeof(text), "%s/%s/%s", json_string_value(part[0]),
                 json_string_value(part[1]), json_string_value(part[2]));

    return portal_check_text(check, field, text, (size_t) n);
}


/* a page shows three fields, whichever way the date came */

static int
portal_check_shown_parts(portal_check_t *check, const portal_field_t *field)
{
    char           name[PORTAL_BODY_NAME];
    size_t         i;
    const char    *iso;
    const size_t   at[] = { 8, 5, 0 }, len[] = { 2, 2, 4 };

    iso = json_string_value(json_object_get(check->values, field->name));

    if (iso == NULL) {
        return 0;
    }

    for (i = 0; i < PORTAL_DATE_PARTS; i++) {
        portal_date_part(field, i, name, sizeof(name));

        if (json_object_get(check->typed, name) == NULL
            && portal_check_show(check, name, iso + at[i], len[i], 0) != 0)
        {
            return -1;
        }
    }

    return 0;
}


static int
portal_check_text(portal_check_t *check, const portal_field_t *field,
    const char *text, size_t len)
{
    int          rc;
    char        *clean;
    size_t       n;
    json_t      *value;
    const char  *code;

    /* a path that goes elsewhere is not sent back either */

    if (field->type != PORTAL_FIELD_PASSWORD
        && field->type != PORTAL_FIELD_PATH
        && field->type != PORTAL_FIELD_OTP
        && portal_check_show(check, field->name, text, len,
                             field->type == PORTAL_FIELD_LINES)
           != 0)
    {
        return -1;
    }

    if (portal_check_clean(check, field, text, len, &clean, &n) != 0) {
        return -1;
    }

    if (clean == NULL) {
        return 0;
    }

    if (n == 0) {
        rc = portal_check_empty(check, field);

    } else if (field->type == PORTAL_FIELD_PASSWORD) {
        rc = portal_check_password(check, field, clean, n);

    } else {
        rc = portal_type_check(field, clean, n, check->context, check->raw,
                               &value, &code);
        if (rc == 0) {
            rc = portal_check_value(check, field, value, code);
        }
    }

    if (rc == 0 && field->type == PORTAL_FIELD_DATE) {
        rc = portal_check_shown_parts(check, field);
    }

    if (rc == 0 && field->type == PORTAL_FIELD_PATH
        && json_is_string(json_object_get(check->values, field->name)))
    {
        rc = portal_check_show(check, field->name, clean, n, 0);
    }

    portal_wipe(clean, n);
    free(clean);

    return rc;
}


/* *out stays NULL when there is an error, which is then noted */

static int
portal_check_clean(portal_check_t *check, const portal_field_t *field,
    const char *text, size_t len, char **out, size_t *outlen)
{
    int         password;
    int64_t     max;
    const char *code;

    *out = NULL;

    /* the few kilobytes that nothing reads are not worth normalising */

    password = field->type == PORTAL_FIELD_PASSWORD;
    max = INT64_MAX;

    if (field->type == PORTAL_FIELD_TEXT || field->type == PORTAL_FIELD_LINES
        || field->type == PORTAL_FIELD_NAME)
    {
        max = PORTAL_CHECK_GROWTH * (field->max > 255 ? field->max : 255);
    }

    if ((password && len > (size_t) 4 * PORTAL_PASSWORD_BYTES)
        || (int64_t) len > max)
    {
        return portal_check_error(check, field->name,
                                  password ? "password_long" : "too_long");
    }

    switch (portal_type_clean(field, text, len, out, outlen)) {

    case PORTAL_TEXT_OK:
        return 0;

    case PORTAL_TEXT_MEMORY:
        return -1;

    case PORTAL_TEXT_ENCODING:
        code = "encoding";
        break;

    default:

        /* a path is never a person's mistake */

        if (field->type == PORTAL_FIELD_PATH) {
            return portal_check_empty(check, field);
        }

        code = "control";
        break;
    }

    return portal_check_error(check, field->name, code);
}


static int
portal_check_empty(portal_check_t *check, const portal_field_t *field)
{
    json_t  *value;

    if (field->required) {
        return portal_check_error(check, field->name, "required");
    }

    value = field->type == PORTAL_FIELD_YESNO ? json_string("unanswered")
                                              : json_null();

    return json_object_set_new(check->values, field->name, value);
}


static int
portal_check_integer(portal_check_t *check, const portal_field_t *field,
    const json_t *raw)
{
    char         text[32];
    json_t      *value;
    const char  *code;

    if (!json_is_integer(raw)) {
        return portal_check_error(check, field->name, "type");
    }

    (void) portal_type_shown(field, raw, text, sizeof(text));

    if (portal_check_show(check, field->name, text, strlen(text), 0) != 0
        || portal_type_integer(field, json_integer_value(raw), &value, &code)
           != 0)
    {
        return -1;
    }

    return portal_check_value(check, field, value, code);
}


/* an object is there only where a multipart body's reader has put it */

static int
portal_check_file(portal_check_t *check, const portal_field_t *field,
    const json_t *raw)
{
    const char  *type, *code;

    if (!check->strict && json_is_string(raw)
        && json_string_length(raw) == 0)
    {
        return portal_check_empty(check, field);
    }

    if (check->strict || !json_is_object(raw)) {
        return portal_check_error(check, field->name,
                                  portal_check_wrong(check, raw));
    }

    type = json_string_value(json_object_get(raw, "type"));

    code = (portal_file_bit(type ? type : "csv") & field->accept) == 0
           ? "file_type"
           : json_integer_value(json_object_get(raw, "size")) > field->max
           ? "file_size" : NULL;

    return portal_check_value(check, field,
                              code ? NULL : json_incref((json_t *) raw),
                              code);
}


/* what the elements say is the function's to check: each has its own answer */

static int
portal_check_list(portal_check_t *check, const portal_field_t *field,
    const json_t *raw)
{
    void        *iter;
    size_t       i;
    json_t      *element, *value;
    const char  *code;

    if (!json_is_array(raw)) {
        return portal_check_error(check, field->name,
                                  portal_check_wrong(check, raw));
    }

    code = (int64_t) json_array_size(raw) > field->max ? "list_long" : NULL;

    json_array_foreach(raw, i, element) {

        if (!json_is_object(element)) {
            code = "list_element";
        }

        for (iter = json_object_iter(element);
             iter != NULL;
             iter = json_object_iter_next(element, iter))
        {
            value = json_object_iter_value(iter);

            if (json_is_object(value) || json_is_array(value)) {
                code = "list_element";
            }
        }
    }

    return portal_check_value(check, field,
                              code ? NULL : json_incref((json_t *) raw),
                              code);
}


static int
portal_check_password(portal_check_t *check, const portal_field_t *field,
    const char *text, size_t len)
{
    int             rc;
    int64_t         chars;
    json_t         *value;
    portal_words_t  words;

    chars = (int64_t) u8_mbsnlen((const uint8_t *) text, len);

    if (chars > field->max || len > PORTAL_PASSWORD_BYTES) {
        return portal_check_error(check, field->name, "password_long");
    }

    if (chars < field->min) {
        return portal_check_error(check, field->name, "password_short");
    }

    if (field->fresh) {
        portal_words_init(&words);

        rc = portal_check_words(check, field, &words);
        if (rc == 0) {
            rc = portal_password_weak(text, len, &words);
        }

        portal_words_done(&words);

        if (rc < 0) {
            return -1;
        }

        if (rc > 0) {
            return portal_check_error(check, field->name, "password_weak");
        }
    }

    value = json_stringn_nocheck(text, len);

    return json_object_set_new(check->values, field->name, value);
}


/*
 * The other fields as they were sent, whether they pass or not: a slip in the
 * address must not let through a password made of it.
 */

static int
portal_check_words(portal_check_t *check, const portal_field_t *field,
    portal_words_t *words)
{
    int            rc;
    char          *copy, *p, *save;
    size_t         i;
    const json_t  *text;

    rc = 0;

    if (field->context != NULL) {
        copy = strdup(field->context);
        if (copy == NULL) {
            return -1;
        }

        for (p = strtok_r(copy, ",", &save);
             p != NULL && rc == 0;
             p = strtok_r(NULL, ",", &save))
        {
            text = json_object_get(check->raw, p);

            /* a text that is none, see portal_form.h, has no words */

            if (json_is_string(text) && json_string_length(text) <= 1024
                && u8_check((const uint8_t *) json_string_value(text),
                            json_string_length(text))
                   == NULL)
            {
                rc = portal_words_add(words, json_string_value(text),
                                      json_string_length(text));
            }
        }

        free(copy);
    }

    if (check->context == NULL) {
        return rc;
    }

    for (i = 0; rc == 0 && i < json_array_size(check->context->words); i++) {
        text = json_array_get(check->context->words, i);

        if (json_is_string(text) && json_string_length(text) <= 1024) {
            rc = portal_words_add(words, json_string_value(text),
                                  json_string_length(text));
        }
    }

    return rc;
}


static int
portal_check_value(portal_check_t *check, const portal_field_t *field,
    json_t *value, const char *code)
{
    if (code != NULL) {
        return portal_check_error(check, field->name, code);
    }

    if (value == NULL) {
        return portal_check_empty(check, field);
    }

    return json_object_set_new(check->values, field->name, value);
}


static int
portal_check_show(portal_check_t *check, const char *name, const char *text,
    size_t len, int lines)
{
    char    *shown;
    size_t   n;
    json_t  *value;

    shown = portal_text_shown(text, len, lines, &n);
    if (shown == NULL) {
        return -1;
    }

    value = json_stringn_nocheck(shown, n);
    free(shown);

    return json_object_set_new(check->typed, name, value);
}


/* what was sent beside the declared fields */

static int
portal_check_others(portal_check_t *check)
{
    json_t      *raw;
    const char  *name, *code;
    void        *iter;

    raw = (json_t *) check->raw;

    for (iter = json_object_iter(raw);
         iter != NULL;
         iter = json_object_iter_next(raw, iter))
    {
        name = json_object_iter_key(iter);

        if (!portal_check_known(check, name)) {
            code = "unknown_field";

        } else if (portal_form_reserved(name)
                   && !json_is_string(json_object_iter_value(iter)))
        {
            code = portal_check_wrong(check, json_object_iter_value(iter));

        } else {
            continue;
        }

        if (portal_check_error(check, name, code) != 0) {
            return -1;
        }
    }

    return 0;
}


static int
portal_check_known(const portal_check_t *check, const char *name)
{
    char                   part[PORTAL_BODY_NAME];
    size_t                 i, n;
    const portal_field_t  *field;

    if (strcmp(name, "csrf") == 0 || strcmp(name, "key") == 0) {
        return 1;
    }

    if (strcmp(name, "opened") == 0) {
        return check->form->partial;
    }

    if (check->form->captcha && portal_form_reserved(name)) {
        return 1;
    }

    if (portal_form_field(check->form, name) != NULL) {
        return 1;
    }

    for (i = 0; i < check->form->nfields; i++) {
        field = &check->form->fields[i];

        if (field->type != PORTAL_FIELD_DATE) {
            continue;
        }

        for (n = 0; n < PORTAL_DATE_PARTS; n++) {
            portal_date_part(field, n, part, sizeof(part));

            if (strcmp(name, part) == 0) {
                return 1;
            }
        }
    }

    return 0;
}


static int
portal_check_error(portal_check_t *check, const char *name, const char *code)
{
    return json_array_append_new(check->errors,
                                 json_pack("{s:s, s:s}", "field", name,
                                           "code", code));
}
