
/*
 * Copyright (C) the portal's authors
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal_form_parse.h"
#include "portal_upload.h"


/*
 * What may stand behind a field's type.
 */


typedef struct {
    const char     *name;
    unsigned        types;             /* a bit for each it may stand by */
    int           (*set)(portal_form_parser_t *parser, portal_field_t *field,
                         char *value);
} portal_form_word_t;


static int portal_form_required(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_hidden(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_pressed(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_new(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_mobile(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_sealed(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_outward(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_min(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_max(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_number(portal_form_parser_t *parser,
    portal_field_t *field, const char *word, const char *value,
    int64_t *number);
static int portal_form_age(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_lines(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_refuse(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_country(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_store(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_accept(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_bytes(portal_form_parser_t *parser,
    portal_field_t *field, const char *value);
static int portal_form_autocomplete(portal_form_parser_t *parser,
    portal_field_t *field, char *value);
static int portal_form_options(portal_form_parser_t *parser,
    portal_field_t *field, char *value);


#define portal_form_bit(type)  (1u << PORTAL_FIELD_##type)

static const portal_form_word_t  portal_form_known[] = {

    { "required", ~portal_form_bit(PATH), portal_form_required },

    { "hidden",
      ~(portal_form_bit(PASSWORD)|portal_form_bit(OTP)
        |portal_form_bit(FILE)),
      portal_form_hidden },

    { "pressed", portal_form_bit(TEXT), portal_form_pressed },
    { "new", portal_form_bit(PASSWORD), portal_form_new },
    { "mobile", portal_form_bit(PHONE), portal_form_mobile },

    { "sealed",
      portal_form_bit(TEXT)|portal_form_bit(LINES)|portal_form_bit(INTEGER)
      |portal_form_bit(IBAN)|portal_form_bit(TAX_NUMBER)
      |portal_form_bit(TAX_NOTICE)|portal_form_bit(CAF_NUMBER),
      portal_form_sealed },

    { "outward", portal_form_bit(TEXT), portal_form_outward },

    { "min",
      portal_form_bit(TEXT)|portal_form_bit(LINES)|portal_form_bit(NAME)
      |portal_form_bit(DATE)|portal_form_bit(INTEGER)|portal_form_bit(CENTS)
      |portal_form_bit(PASSWORD),
      portal_form_min },

    { "max",
      portal_form_bit(TEXT)|portal_form_bit(LINES)|portal_form_bit(NAME)
      |portal_form_bit(DATE)|portal_form_bit(INTEGER)|portal_form_bit(CENTS)
      |portal_form_bit(FILE)|portal_form_bit(LIST),
      portal_form_max },

    { "age", portal_form_bit(DATE), portal_form_age },
    { "lines", portal_form_bit(LINES), portal_form_lines },

    { "refuse",
      portal_form_bit(TEXT)|portal_form_bit(LINES),
      portal_form_refuse },

    { "country", portal_form_bit(POSTCODE), portal_form_country },

    { "accept", portal_form_bit(FILE), portal_form_accept },
    { "store", portal_form_bit(FILE), portal_form_store },

    { "autocomplete",
      ~(portal_form_bit(TOKEN)|portal_form_bit(PATH)|portal_form_bit(FILE)
        |portal_form_bit(LIST)),
      portal_form_autocomplete },

    { "options", portal_form_bit(CHOICE), portal_form_options },
    { "from", portal_form_bit(TEXT)|portal_form_bit(LINES),
      portal_form_options },
};

#define PORTAL_FORM_WORDS                                                     \
    (sizeof(portal_form_known) / sizeof(portal_form_known[0]))

#define PORTAL_FORM_WORD_LIST                                                 \
    "required, hidden, pressed, new, mobile, sealed, outward, min=, max=, "   \
    "age=, lines=, refuse=, country=, accept=, store=, autocomplete=, "       \
    "options= and from="


int
portal_form_words(portal_form_parser_t *parser, portal_field_t *field)
{
    char      *word, *value;
    size_t     i;
    unsigned   seen;

    seen = 0;

    for ( ;; ) {
        word = portal_form_token(parser);
        if (word == NULL) {
            return 0;
        }

        value = strchr(word, '=');
        if (value != NULL) {
            *value++ = '\0';
        }

        for (i = 0; i < PORTAL_FORM_WORDS; i++) {

            if (strcmp(word, portal_form_known[i].name) == 0) {
                break;
            }
        }

        if (i == PORTAL_FORM_WORDS) {
            return portal_form_fail(parser, "unknown word \"%.64s\", a field "
                                    "takes " PORTAL_FORM_WORD_LIST, word);
        }

        if ((portal_form_known[i].types & (1u << field->type)) == 0) {
            return portal_form_fail(parser, "\"%s\" does not go with type "
                                    "%s, take it out", word,
                                    portal_field_type(field->type));
        }

        if (seen & (1u << i)) {
            return portal_form_fail(parser, "\"%s\" is said twice, keep one",
                                    word);
        }

        seen |= 1u << i;

        if (value != NULL && value[0] == '\0') {
            return portal_form_fail(parser, "nothing after \"%s=\"", word);
        }

        if (portal_form_known[i].set(parser, field, value) != 0) {
            return -1;
        }
    }
}


static int
portal_form_required(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    if (value != NULL) {
        return portal_form_fail(parser, "\"required\" takes no value");
    }

    field->required = 1;

    return 0;
}


static int
portal_form_hidden(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    if (value != NULL) {
        return portal_form_fail(parser, "\"hidden\" takes no value");
    }

    field->hidden = 1;

    return 0;
}


static int
portal_form_pressed(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    if (value != NULL) {
        return portal_form_fail(parser, "\"pressed\" takes no value");
    }

    field->pressed = 1;

    return 0;
}


static int
portal_form_new(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    field->fresh = 1;
    field->min = PORTAL_PASSWORD_MIN;

    if (value == NULL) {
        return 0;
    }

    /* the names are looked up once all fields are known */

    field->context = strdup(value);

    return field->context ? 0 : portal_form_fail(parser, "no memory");
}


static int
portal_form_mobile(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    if (value != NULL) {
        return portal_form_fail(parser, "\"mobile\" takes no value");
    }

    field->mobile = 1;

    return 0;
}


static int
portal_form_sealed(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    if (value != NULL) {
        return portal_form_fail(parser, "\"sealed\" takes no value");
    }

    field->sealed = 1;

    return 0;
}


static int
portal_form_outward(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    if (value != NULL) {
        return portal_form_fail(parser, "\"outward\" takes no value");
    }

    field->outward = 1;

    return 0;
}


static int
portal_form_min(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    return portal_form_number(parser, field, "min", value, &field->min);
}


static int
portal_form_max(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    if (field->type == PORTAL_FIELD_FILE) {
        return portal_form_bytes(parser, field, value);
    }

    return portal_form_number(parser, field, "max", value, &field->max);
}


/* as nginx writes sizes */

static int
portal_form_bytes(portal_form_parser_t *parser, portal_field_t *field,
    const char *value)
{
    char  *end;
    long   n;

    end = NULL;
    n = value && strspn(value, "0123456789") < 8 ? strtol(value, &end, 10) : 0;

    if (n > 0 && (end[0] == 'k' || end[0] == 'm') && end[1] == '\0') {
        n *= end[0] == 'k' ? 1024 : 1048576;

        if (n <= PORTAL_FILE_MOST) {
            field->max = n;
            return 0;
        }
    }

    return portal_form_fail(parser, "\"max\" of a file is a size of at most "
                            "%dm: max=10m or max=500k",
                            PORTAL_FILE_MOST / 1048576);
}


static int
portal_form_accept(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    char      *p, *save;
    unsigned   bit;

    p = value ? strtok_r(value, ",", &save) : NULL;

    for ( /* void */ ; p != NULL; p = strtok_r(NULL, ",", &save)) {

        bit = portal_file_bit(p);

        if (bit == 0 || (field->accept & bit)) {
            field->accept = 0;
            break;
        }

        field->accept |= bit;
    }

    return field->accept ? 0 : portal_form_fail(parser, "\"accept\" lists "
                               "types of files, each once: "
                               "accept=jpeg,png,webp,pdf,zip,csv");
}


static int
portal_form_store(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    if (value != NULL && strcmp(value, "photo") == 0) {
        field->store = PORTAL_STORE_PHOTO;

    } else if (value != NULL && strcmp(value, "document") == 0) {
        field->store = PORTAL_STORE_DOCUMENT;

    } else if (value != NULL && strcmp(value, "logo") == 0) {
        field->store = PORTAL_STORE_LOGO;

    } else if (value != NULL && strcmp(value, "import") == 0) {
        field->store = PORTAL_STORE_IMPORT;

    } else {
        return portal_form_fail(parser, "\"store\" says how a file is kept: "
                                "store=photo, store=document, store=logo "
                                "or store=import");
    }

    return 0;
}


static int
portal_form_number(portal_form_parser_t *parser, portal_field_t *field,
    const char *word, const char *value, int64_t *number)
{
    char       *end;
    long long   n;

    if (field->type == PORTAL_FIELD_DATE) {

        if (value != NULL && strcmp(value, "today") == 0) {
            *number = PORTAL_DATE_TODAY;
            return 0;
        }

        if (value == NULL || portal_date_number(value, number) != 0) {
            return portal_form_fail(parser, "\"%s\" of a date is "
                                    "%s=YYYY-MM-DD or %s=today", word, word,
                                    word);
        }

        return 0;
    }

    errno = 0;
    end = NULL;
    n = 0;

    if (value != NULL && portal_form_plain(value, "-")) {
        n = strtoll(value, &end, 10);
    }

    if (end == NULL || end == value || *end != '\0' || errno != 0) {
        return portal_form_fail(parser, "\"%s\" takes a whole number: %s=20",
                                word, word);
    }

    if (field->type != PORTAL_FIELD_INTEGER
        && field->type != PORTAL_FIELD_CENTS
        && (n < 0 || n > PORTAL_BODY_MAX))
    {
        return portal_form_fail(parser, "\"%s\" counts characters, between "
                                "0 and %d", word, PORTAL_BODY_MAX);
    }

    *number = n;

    return 0;
}


/* of whom the date is the birth: whole years, both included */

static int
portal_form_age(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    char  *dots;
    long   from, to;

    dots = value ? strstr(value, "..") : NULL;

    if (dots == NULL || dots == value || dots[2] == '\0'
        || dots - value > 3 || strlen(dots + 2) > 3
        || strspn(value, "0123456789") != (size_t) (dots - value)
        || strspn(dots + 2, "0123456789") != strlen(dots + 2))
    {
        return portal_form_fail(parser, "\"age\" takes two ages in years: "
                                "age=18..120");
    }

    from = strtol(value, NULL, 10);
    to = strtol(dots + 2, NULL, 10);

    if (from > to) {
        return portal_form_fail(parser, "age=%ld..%ld: the first age is above "
                                "the second", from, to);
    }

    field->aged = 1;
    field->age_min = (int) from;
    field->age_max = (int) to;

    return 0;
}


static int
portal_form_lines(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    if (portal_form_number(parser, field, "lines", value, &field->lines)
        != 0)
    {
        return -1;
    }

    return field->lines > 0 ? 0 : portal_form_fail(parser, "\"lines\" is 1 "
                                                   "or more: lines=10");
}


static int
portal_form_refuse(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    char      *p, *save;
    unsigned   bit;

    p = value ? strtok_r(value, ",", &save) : NULL;

    for ( /* void */ ; p != NULL; p = strtok_r(NULL, ",", &save)) {

        bit = portal_private_bit(p);

        if (bit == 0 || (field->refuse & bit)) {
            field->refuse = 0;
            break;
        }

        field->refuse |= bit;
    }

    return field->refuse ? 0 : portal_form_fail(parser, "\"refuse\" lists "
                               "what a text must not say, each once: "
                               "refuse=nir,belief,handicap");
}


/* looked up once all fields are known */

static int
portal_form_country(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    field->country = value ? strdup(value) : NULL;

    return field->country ? 0 : portal_form_fail(parser, "\"country\" names "
                                                 "the field of the country: "
                                                 "country=country");
}


static int
portal_form_autocomplete(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    if (value == NULL || strlen(value) > 64
        || !portal_form_plain(value, "-"))
    {
        return portal_form_fail(parser, "\"autocomplete\" takes a token of "
                                "HTML: autocomplete=family-name");
    }

    field->autocomplete = strdup(value);

    return field->autocomplete ? 0 : portal_form_fail(parser, "no memory");
}


static int
portal_form_options(portal_form_parser_t *parser, portal_field_t *field,
    char *value)
{
    char    *p, *next;
    size_t   i;

    for (p = value; p != NULL; p = next) {

        next = strchr(p, ',');
        if (next != NULL) {
            *next++ = '\0';
        }

        if (p[0] == '\0' || strlen(p) > 32 || !portal_form_plain(p, "_")) {
            return portal_form_fail(parser, "option \"%.64s\" is not 1 to 32 "
                                    "of a-z, 0-9 and _", p);
        }

        for (i = 0; i < field->noptions; i++) {

            if (strcmp(field->options[i], p) == 0) {
                return portal_form_fail(parser, "option \"%s\" is there "
                                        "twice, keep one", p);
            }
        }

        if (field->noptions == PORTAL_FIELD_OPTIONS) {
            return portal_form_fail(parser, "a choice has at most %d options",
                                    PORTAL_FIELD_OPTIONS);
        }

        field->options[field->noptions] = strdup(p);

        if (field->options[field->noptions] == NULL) {
            return portal_form_fail(parser, "no memory");
        }

        field->noptions++;
    }

    return 0;
}


int
portal_form_field_done(portal_form_parser_t *parser,
    const portal_field_t *field)
{
    if (field->type == PORTAL_FIELD_CHOICE && field->noptions == 0) {
        return portal_form_fail(parser, "a choice lists its options: "
                                "options=one,two");
    }

    if (field->type == PORTAL_FIELD_FILE && field->accept == 0) {
        return portal_form_fail(parser, "a file says what it may be: "
                                "accept=jpeg,png,webp,pdf,zip,csv");
    }

    if (field->hidden && field->autocomplete != NULL) {
        return portal_form_fail(parser, "a hidden field takes no "
                                "autocomplete, take it out");
    }

    if (field->pressed && !field->hidden) {
        return portal_form_fail(parser, "what a button says is \"hidden\", "
                                "say that too");
    }

    /* the document would open it again for the page */

    if (field->hidden && field->sealed) {
        return portal_form_fail(parser, "a hidden field is not sealed, take "
                                "one of the two out");
    }

    /* today is no number to compare with */

    if (field->type == PORTAL_FIELD_DATE
        && (field->min == PORTAL_DATE_TODAY
            || field->max == PORTAL_DATE_TODAY))
    {
        return 0;
    }

    if (field->type == PORTAL_FIELD_PASSWORD && field->min != 0
        && (!field->fresh || field->min < PORTAL_PASSWORD_MIN))
    {
        return portal_form_fail(parser, "a password has \"min=\" when it is "
                                "\"new\", of %d at least",
                                PORTAL_PASSWORD_MIN);
    }

    if (field->min > field->max) {
        return portal_form_fail(parser, "min of \"%s\" is above its max",
                                field->name);
    }

    return 0;
}
