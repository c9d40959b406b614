
/*
 * Copyright (C) the portal's authors
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unictype.h>
#include <unistr.h>

#include "portal_types.h"
#include "../crypto/portal_crypto.h"


#define PORTAL_EMAIL_MAX    254
#define PORTAL_EMAIL_LOCAL  64
#define PORTAL_EMAIL_LABEL  63
#define PORTAL_PATH_MAX     512
#define PORTAL_NAME_MARKS   4


static int portal_type_given(const portal_field_t *field, const char *text,
    size_t len, const json_t *raw, json_t **value, const char **code);
static unsigned portal_type_abroad(const portal_field_t *field,
    const json_t *raw);
static int portal_type_text(const portal_field_t *field, const char *text,
    size_t len, json_t **value, const char **code);
static int portal_type_name(const portal_field_t *field, const char *text,
    size_t len, json_t **value, const char **code);
static int portal_type_name_copy(const char *text, size_t len, char *out,
    size_t *outlen);
static int portal_type_email(const char *text, size_t len, json_t **value,
    const char **code);
static int portal_type_email_local(const char *text, size_t len);
static int portal_type_email_domain(const char *text, size_t len);
static int portal_type_date(const portal_field_t *field, const char *text,
    const portal_form_context_t *context, json_t **value, const char **code);
static int portal_date_split(const char *text, int part[PORTAL_DATE_PARTS]);
static const char *portal_date_bounds(const portal_field_t *field,
    const portal_form_context_t *context, int64_t date);
static int64_t portal_date_valid(int year, int month, int day);
static int portal_type_choice(const portal_field_t *field, const char *text,
    json_t **value, const char **code);
static int portal_type_yesno(const portal_field_t *field, const char *text,
    json_t **value, const char **code);
static int portal_type_code(const char *text, size_t len, json_t **value,
    const char **code);
static int portal_type_number(const portal_field_t *field, const char *text,
    size_t len, json_t **value, const char **code);
static int portal_type_token(const char *text, size_t len, json_t **value,
    const char **code);
static int portal_type_path(const char *text, size_t len, json_t **value);
static int portal_type_otp(const char *text, size_t len, json_t **value,
    const char **code);


/* a code is pasted, from a spreadsheet's cells too */

portal_text_e
portal_type_clean(const portal_field_t *field, const char *text, size_t len,
    char **out, size_t *outlen)
{
    int  trim;

    if (field->type == PORTAL_FIELD_LINES) {
        return portal_text_lines(text, len, out, outlen);
    }

    trim = field->type == PORTAL_FIELD_PASSWORD ? 0
           : field->type == PORTAL_FIELD_CODE ? PORTAL_TEXT_TABS
           : PORTAL_TEXT_TRIM;

    return portal_text_clean(text, len, trim, out, outlen);
}


int
portal_type_check(const portal_field_t *field, const char *text, size_t len,
    const portal_form_context_t *context, const json_t *raw, json_t **value,
    const char **code)
{
    *value = NULL;
    *code = NULL;

    switch (field->type) {

    case PORTAL_FIELD_TEXT:
    case PORTAL_FIELD_LINES:
        return portal_type_text(field, text, len, value, code);

    case PORTAL_FIELD_NAME:
        return portal_type_name(field, text, len, value, code);

    case PORTAL_FIELD_EMAIL:
        return portal_type_email(text, len, value, code);

    case PORTAL_FIELD_DATE:
        return portal_type_date(field, text, context, value, code);

    case PORTAL_FIELD_CHOICE:
        return portal_type_choice(field, text, value, code);

    case PORTAL_FIELD_YESNO:
        return portal_type_yesno(field, text, value, code);

    case PORTAL_FIELD_CODE:
        return portal_type_code(text, len, value, code);

    case PORTAL_FIELD_INTEGER:
        return portal_type_number(field, text, len, value, code);

    case PORTAL_FIELD_TOKEN:
        return portal_type_token(text, len, value, code);

    case PORTAL_FIELD_PATH:
        return portal_type_path(text, len, value);

    case PORTAL_FIELD_OTP:
        return portal_type_otp(text, len, value, code);

    case PORTAL_FIELD_PASSWORD:
        break;

    default:
        return portal_type_given(field, text, len, raw, value, code);
    }

    *code = "type";

    return 0;
}


/* what others have given to a family: portal_types_*.c */

static int
portal_type_given(const portal_field_t *field, const char *text, size_t len,
    const json_t *raw, json_t **value, const char **code)
{
    switch (field->type) {

    case PORTAL_FIELD_PHONE:
        return portal_type_phone(field, text, len, value, code);

    case PORTAL_FIELD_POSTCODE:
        return portal_type_postcode(portal_type_abroad(field, raw), text,
                                    len, value, code);

    case PORTAL_FIELD_COUNTRY:
        return portal_type_country(text, len, value, code);

    case PORTAL_FIELD_IBAN:
        return portal_type_iban(text, len, value, code);

    case PORTAL_FIELD_BIC:
        return portal_type_bic(text, len, value, code);

    case PORTAL_FIELD_TAX_NUMBER:
        return portal_type_tax_number(text, len, value, code);

    case PORTAL_FIELD_TAX_NOTICE:
        return portal_type_tax_notice(text, len, value, code);

    case PORTAL_FIELD_CAF_NUMBER:
        return portal_type_caf_number(text, len, value, code);

    case PORTAL_FIELD_SHARES:
        return portal_type_shares(text, len, value, code);

    case PORTAL_FIELD_CENTS:
        return portal_type_cents(field, text, len, value, code);

    case PORTAL_FIELD_COLOUR:
        return portal_type_colour(text, len, value, code);

    default:
        *code = "type";
        return 0;
    }
}


/* a country not chosen is France */

static unsigned
portal_type_abroad(const portal_field_t *field, const json_t *raw)
{
    char           country[3];
    const json_t  *text;

    text = field->country ? json_object_get(raw, field->country) : NULL;

    return json_is_string(text)
           && portal_type_compact(json_string_value(text),
                                  json_string_length(text), "", "", country,
                                  sizeof(country))
              == 0
           && portal_is_country(country) && memcmp(country, "FR", 2) != 0;
}


static int
portal_type_text(const portal_field_t *field, const char *text, size_t len,
    json_t **value, const char **code)
{
    size_t   i;
    int64_t  chars, lines;

    chars = (int64_t) u8_mbsnlen((const uint8_t *) text, len);

    if (chars > field->max) {
        *code = "too_long";
        return 0;
    }

    if (chars < field->min) {
        *code = "too_short";
        return 0;
    }

    if (field->type == PORTAL_FIELD_LINES) {

        for (lines = 1, i = 0; i < len; i++) {
            lines += text[i] == '\n';
        }

        if (lines > field->lines) {
            *code = "too_many_lines";
            return 0;
        }
    }

    if (portal_private_check(field->refuse, text, len, code) != 0) {
        return -1;
    }

    return *code ? 0 : portal_type_string(text, len, value);
}


static int
portal_type_name(const portal_field_t *field, const char *text, size_t len,
    json_t **value, const char **code)
{
    int      rc;
    char    *name;
    size_t   n;

    /* what is copied is never longer than it was */

    name = malloc(len + 1);
    if (name == NULL) {
        return -1;
    }

    if (portal_type_name_copy(text, len, name, &n) != 0) {
        *code = "name_chars";
        rc = 0;

    } else {
        rc = portal_type_text(field, name, n, value, code);
    }

    free(name);

    return rc;
}


/* spaces of any width, and runs of them, become one; likewise hyphens */

static int
portal_type_name_copy(const char *text, size_t len, char *out,
    size_t *outlen)
{
    int             n;
    size_t          i, used, marks, letters;
    ucs4_t          c;
    const uint8_t  *s;

    s = (const uint8_t *) text;
    used = 0;
    marks = 0;
    letters = 0;

    for (i = 0; i < len; i += (size_t) n) {
        n = u8_mbtouc(&c, s + i, len - i);

        if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_M)) {

            if (letters == 0 || ++marks > PORTAL_NAME_MARKS) {
                return -1;
            }

        } else {
            marks = 0;
        }

        if (portal_text_space(c)) {

            if (used > 0 && out[used - 1] != ' ') {
                out[used++] = ' ';
            }

            continue;
        }

        if (c == 0x2010 || c == 0x2011) {
            out[used++] = '-';
            continue;
        }

        if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L)) {
            letters++;

        } else if (marks == 0 && c != '-' && c != '\'' && c != '.'
                   && c != 0x2019 && c != 0xb7)
        {
            return -1;
        }

        memcpy(out + used, s + i, (size_t) n);
        used += (size_t) n;
    }

    out[used] = '\0';
    *outlen = used;

    return letters ? 0 : -1;
}


/*
 * Stricter than RFC 5321 where what it allows is only ever an attack or a
 * slip: no quotes, comments, address literals; nothing that a command line
 * would take for an option.
 */

static int
portal_type_email(const char *text, size_t len, json_t **value,
    const char **code)
{
    char         copy[PORTAL_EMAIL_MAX + 1];
    size_t       i;
    const char  *at;

    for (i = 0; i < len; i++) {

        if ((unsigned char) text[i] >= 0x80) {
            *code = "email_ascii";
            return 0;
        }
    }

    if (len > PORTAL_EMAIL_MAX) {
        *code = "too_long";
        return 0;
    }

    at = memchr(text, '@', len);

    if (at == NULL
        || portal_type_email_local(text, (size_t) (at - text)) != 0
        || portal_type_email_domain(at + 1, len - (size_t) (at - text) - 1)
           != 0)
    {
        *code = "email_format";
        return 0;
    }

    memcpy(copy, text, len);

    for (i = (size_t) (at - text); i < len; i++) {

        if (copy[i] >= 'A' && copy[i] <= 'Z') {
            copy[i] = (char) (copy[i] | 0x20);
        }
    }

    return portal_type_string(copy, len, value);
}


static int
portal_type_email_local(const char *text, size_t len)
{
    char    c;
    size_t  i;

    if (len == 0 || len > PORTAL_EMAIL_LOCAL || text[0] == '-'
        || text[0] == '.' || text[len - 1] == '.')
    {
        return -1;
    }

    for (i = 0; i < len; i++) {
        c = text[i];

        if (c == '.' && text[i + 1] == '.') {
            return -1;
        }

        if (((c | 0x20) < 'a' || (c | 0x20) > 'z') && (c < '0' || c > '9')
            && strchr(".!#$%&'*+-/=?^_`{|}~", c) == NULL)
        {
            return -1;
        }
    }

    return 0;
}


static int
portal_type_email_domain(const char *text, size_t len)
{
    int       c;
    size_t    i, label, labels;
    unsigned  letters;

    label = 0;
    labels = 0;
    letters = 0;

    for (i = 0; i <= len; i++) {
        c = i < len ? text[i] : '.';

        if (c == '.') {

            if (label == 0 || label > PORTAL_EMAIL_LABEL
                || text[i - 1] == '-')
            {
                return -1;
            }

            labels++;
            label = 0;
            continue;
        }

        if (label == 0) {
            letters = 0;
        }

        if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') {
            letters = 1;

        } else if ((c < '0' || c > '9') && (c != '-' || label == 0)) {
            return -1;
        }

        label++;
    }

    /* a last label of digits only would be an address of a machine */

    return labels >= 2 && letters ? 0 : -1;
}


static int
portal_type_date(const portal_field_t *field, const char *text,
    const portal_form_context_t *context, json_t **value, const char **code)
{
    int      part[PORTAL_DATE_PARTS];
    char     iso[sizeof("YYYY-MM-DD") + 32];
    int64_t  date;

    if (portal_date_split(text, part) != 0) {
        *code = "date_format";
        return 0;
    }

    date = portal_date_valid(part[2], part[1], part[0]);
    if (date < 0) {
        *code = "date_format";
        return 0;
    }

    *code = portal_date_bounds(field, context, date);

    if (*code != NULL) {
        return 0;
    }

    (void) snprintf(iso, sizeof(iso), "%04d-%02d-%02d", part[2], part[1],
                    part[0]);

    return portal_type_string(iso, strlen(iso), value);
}


/* NULL: within */

static const char *
portal_date_bounds(const portal_field_t *field,
    const portal_form_context_t *context, int64_t date)
{
    int64_t  today, age;

    /* a caller without a calendar has no limit at today */

    if (context == NULL || context->today == NULL
        || portal_date_number(context->today, &today) != 0)
    {
        today = 0;
    }

    if (today && date > today
        && (field->aged || field->max == PORTAL_DATE_TODAY))
    {
        return "date_future";
    }

    if (today && date < today && field->min == PORTAL_DATE_TODAY) {
        return "date_past";
    }

    if ((field->min != PORTAL_DATE_TODAY && date < field->min)
        || (field->max != PORTAL_DATE_TODAY && date > field->max))
    {
        return "date_range";
    }

    if (today && field->aged) {
        age = (today - date) / 10000;

        return age < field->age_min ? "age_low"
               : age > field->age_max ? "age_high" : NULL;
    }

    return NULL;
}


/* YYYY-MM-DD, or day, month, year with / . - or spaces between */

static int
portal_date_split(const char *text, int part[PORTAL_DATE_PARTS])
{
    int          i;
    size_t       digits[PORTAL_DATE_PARTS];
    const char  *p, *gap;

    p = text;
    memset(digits, 0, sizeof(digits));
    memset(part, 0, PORTAL_DATE_PARTS * sizeof(part[0]));

    for (i = 0; i < PORTAL_DATE_PARTS; i++) {

        if (i > 0) {
            gap = p;
            p += strspn(p, " ");
            p += *p == '/' || *p == '.' || *p == '-';
            p += strspn(p, " ");

            if (p == gap) {
                return -1;
            }
        }

        digits[i] = strspn(p, "0123456789");

        if (digits[i] == 0 || digits[i] > 4) {
            return -1;
        }

        part[i] = (int) strtol(p, NULL, 10);
        p += digits[i];
    }

    if (*p != '\0') {
        return -1;
    }

    if (digits[0] == 4 && digits[1] == 2 && digits[2] == 2
        && text[4] == '-' && text[7] == '-' && p - text == 10)
    {
        i = part[0];
        part[0] = part[2];
        part[2] = i;
        return 0;
    }

    return digits[0] <= 2 && digits[1] <= 2 && digits[2] == 4 ? 0 : -1;
}


static int64_t
portal_date_valid(int year, int month, int day)
{
    int               last;
    static const int  days[] = { 31, 28, 31, 30, 31, 30,
                                 31, 31, 30, 31, 30, 31 };

    if (year < 1 || month < 1 || month > 12) {
        return -1;
    }

    last = days[month - 1];

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) {
        last++;
    }

    if (day < 1 || day > last) {
        return -1;
    }

    return (year * 100 + month) * 100 + day;
}


int
portal_date_number(const char *text, int64_t *number)
{
    int      part[PORTAL_DATE_PARTS];
    int64_t  n;

    if (strlen(text) != 10 || text[4] != '-'
        || portal_date_split(text, part) != 0)
    {
        return -1;
    }

    n = portal_date_valid(part[2], part[1], part[0]);
    if (n < 0) {
        return -1;
    }

    *number = n;

    return 0;
}


void
portal_date_part(const portal_field_t *field, size_t part, char *name,
    size_t len)
{
    static const char *const  suffix[] = { "day", "month", "year" };

    (void) snprintf(name, len, "%s_%s", field->name, suffix[part]);
}


static int
portal_type_choice(const portal_field_t *field, const char *text,
    json_t **value, const char **code)
{
    size_t  i;

    for (i = 0; i < field->noptions; i++) {

        if (strcmp(field->options[i], text) == 0) {
            return portal_type_string(text, strlen(text), value);
        }
    }

    *code = "choice";

    return 0;
}


static int
portal_type_yesno(const portal_field_t *field, const char *text,
    json_t **value, const char **code)
{
    if (strcmp(text, "unanswered") == 0) {

        if (field->required) {
            *code = "required";
            return 0;
        }

    } else if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0) {
        *code = "choice";
        return 0;
    }

    return portal_type_string(text, strlen(text), value);
}


static int
portal_type_code(const char *text, size_t len, json_t **value,
    const char **code)
{
    char           clean[PORTAL_CODE_LEN];
    portal_text_t  in;

    in.data = text;
    in.len = len;

    if (portal_code_clean(in, clean) != 0) {
        *code = "code_format";
        return 0;
    }

    return portal_type_string(clean, sizeof(clean), value);
}


/* 1 234 567 is how a number is written in French */

static int
portal_type_number(const portal_field_t *field, const char *text, size_t len,
    json_t **value, const char **code)
{
    int             n;
    char            digits[32], *p;
    size_t          i, used;
    ucs4_t          c;
    long long       number;
    const uint8_t  *s;

    s = (const uint8_t *) text;
    used = 0;

    for (i = 0; i < len; i += (size_t) n) {
        n = u8_mbtouc(&c, s + i, len - i);

        if (portal_text_space(c)) {
            continue;
        }

        if ((c < '0' || c > '9') && (c != '-' || used != 0)) {
            *code = "integer_format";
            return 0;
        }

        /* more digits than fit are out of any range, but read on */

        if (used < sizeof(digits) - 1) {
            digits[used++] = (char) c;
        }
    }

    digits[used] = '\0';
    p = digits + (digits[0] == '-');

    if (*p == '\0' || (p != digits && *p == '0')) {
        *code = "integer_format";
        return 0;
    }

    errno = 0;
    number = strtoll(digits, NULL, 10);

    if (errno == ERANGE) {
        *code = "integer_range";
        return 0;
    }

    return portal_type_integer(field, number, value, code);
}


int
portal_type_integer(const portal_field_t *field, json_int_t n,
    json_t **value, const char **code)
{
    *value = NULL;
    *code = NULL;

    if (n < field->min || n > field->max) {
        *code = field->type == PORTAL_FIELD_CENTS ? "cents_range"
                                                  : "integer_range";
        return 0;
    }

    *value = json_integer(n);

    return *value ? 0 : -1;
}


static int
portal_type_token(const char *text, size_t len, json_t **value,
    const char **code)
{
    portal_text_t  token;

    token.data = text;
    token.len = len;

    if (!portal_is_secret(token)) {
        *code = "token_format";
        return 0;
    }

    return portal_type_string(text, len, value);
}


/* an open redirect is nobody's mistake: no message, only no value */

static int
portal_type_path(const char *text, size_t len, json_t **value)
{
    size_t  i;

    if (len > PORTAL_PATH_MAX || text[0] != '/') {
        return 0;
    }

    for (i = 0; i < len; i++) {

        if (text[i] <= 0x20 || text[i] >= 0x7f || text[i] == '\\'
            || (text[i] == '/' && text[i + 1] == '/'))
        {
            return 0;
        }
    }

    return portal_type_string(text, len, value);
}


/* as authenticators show it, with a space in the middle */

static int
portal_type_otp(const char *text, size_t len, json_t **value,
    const char **code)
{
    int     rc;
    char    digits[PORTAL_TOTP_DIGITS];
    size_t  i, n;

    n = 0;

    for (i = 0; i < len; i++) {

        if (text[i] == ' ') {
            continue;
        }

        if (text[i] < '0' || text[i] > '9' || n == sizeof(digits)) {
            n = 0;
            break;
        }

        digits[n++] = text[i];
    }

    if (n != sizeof(digits)) {
        *code = "otp_format";
        return 0;
    }

    rc = portal_type_string(digits, sizeof(digits), value);
    portal_wipe(digits, sizeof(digits));

    return rc;
}


int
portal_type_string(const char *text, size_t len, json_t **value)
{
    *value = json_stringn_nocheck(text, len);

    return *value ? 0 : -1;
}
