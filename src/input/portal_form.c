
/*
 * Copyright (C) the portal's authors
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal_form_parse.h"


#define PORTAL_FORM_LINE  1024


static int portal_form_line(portal_form_parser_t *parser, char *line);
static int portal_form_unknown(portal_form_parser_t *parser,
    const char *word);
static int portal_form_flag(portal_form_parser_t *parser, const char *word);
static int portal_form_group(portal_form_parser_t *parser);
static int portal_form_add_field(portal_form_parser_t *parser);
static int portal_form_field_name(portal_form_parser_t *parser,
    const char *name);
static int portal_form_field_type(portal_form_parser_t *parser,
    portal_field_t *field, const char *type);
static int portal_form_contexts(portal_form_parser_t *parser);
static int portal_form_countries(portal_form_parser_t *parser);
static int portal_form_dates(portal_form_parser_t *parser);
static int portal_form_lists(portal_form_parser_t *parser);


/* in the order of portal_field_e */

static const char *const  portal_form_types[] = {
    "text", "name", "email", "password", "date", "choice", "yesno", "code",
    "integer", "token", "path", "lines", "phone", "postcode", "country",
    "iban", "bic", "tax_number", "tax_notice", "caf_number", "shares", "cents",
    "colour", "otp", "file", "list"
};

#define PORTAL_FORM_TYPES                                                     \
    (sizeof(portal_form_types) / sizeof(portal_form_types[0]))

#define PORTAL_FORM_TYPE_LIST                                                 \
    "text, lines, name, email, password, phone, date, choice, yesno, code, "  \
    "integer, cents, shares, country, postcode, iban, bic, tax_number, "      \
    "tax_notice, caf_number, colour, file, token, path, otp or list"


portal_form_t *
portal_form_parse(const char *name, const char *text, size_t len,
    unsigned *line, char *err, size_t errlen)
{
    int                    rc;
    char                   buf[PORTAL_FORM_LINE];
    size_t                 n;
    const char            *p, *eol, *last;
    portal_form_parser_t   parser;

    memset(&parser, 0, sizeof(parser));
    parser.err = err;
    parser.errlen = errlen;

    rc = -1;
    parser.form = calloc(1, sizeof(portal_form_t));

    if (parser.form == NULL
        || (parser.form->name = strdup(name)) == NULL
        || (parser.form->fields = calloc(PORTAL_FORM_FIELDS,
                                         sizeof(portal_field_t))) == NULL)
    {
        (void) portal_form_fail(&parser, "no memory");
        goto done;
    }

    last = text + len;

    for (p = text; p < last; p = eol < last ? eol + 1 : last) {
        parser.line++;

        eol = memchr(p, '\n', (size_t) (last - p));
        if (eol == NULL) {
            eol = last;
        }

        n = (size_t) (eol - p);

        if (n >= sizeof(buf) || memchr(p, '\0', n) != NULL) {
            (void) portal_form_fail(&parser, "a line is text of at most %d "
                                    "bytes", PORTAL_FORM_LINE - 1);
            goto done;
        }

        memcpy(buf, p, n);
        buf[n] = '\0';

        if (portal_form_line(&parser, buf) != 0) {
            goto done;
        }
    }

    if (portal_form_contexts(&parser) == 0
        && portal_form_countries(&parser) == 0
        && portal_form_dates(&parser) == 0
        && portal_form_lists(&parser) == 0)
    {
        rc = 0;
    }

done:

    *line = parser.line;

    if (rc != 0) {
        portal_form_free(parser.form);
        return NULL;
    }

    return parser.form;
}


void
portal_form_free(portal_form_t *form)
{
    size_t           i, n;
    portal_field_t  *field;

    if (form == NULL) {
        return;
    }

    for (i = 0; i < form->nfields; i++) {
        field = &form->fields[i];

        for (n = 0; n < field->noptions; n++) {
            free(field->options[n]);
        }

        free(field->name);
        free(field->autocomplete);
        free(field->group);
        free(field->context);
        free(field->country);
    }

    free(form->fields);
    free(form->name);
    free(form);
}


const portal_field_t *
portal_form_field(const portal_form_t *form, const char *name)
{
    size_t       i;
    const char  *other;

    for (i = 0; i < form->nfields; i++) {
        other = form->fields[i].name;

        if (other != NULL && strcmp(other, name) == 0) {
            return &form->fields[i];
        }
    }

    return NULL;
}


const char *
portal_field_type(portal_field_e type)
{
    return (size_t) type < PORTAL_FORM_TYPES ? portal_form_types[type] : "";
}


static int
portal_form_line(portal_form_parser_t *parser, char *line)
{
    char  *word;

    line[strcspn(line, "#")] = '\0';
    parser->rest = line;

    word = portal_form_token(parser);

    if (word == NULL) {
        return 0;
    }

    if (strcmp(word, "field") == 0) {
        return portal_form_add_field(parser);
    }

    if (strcmp(word, "group") == 0) {
        return portal_form_group(parser);
    }

    return portal_form_flag(parser, word);
}


static int
portal_form_unknown(portal_form_parser_t *parser, const char *word)
{
    return portal_form_fail(parser, "unknown word \"%.64s\", a line is "
                            "\"field NAME TYPE ...\", \"group NAME\", "
                            "captcha, idempotent, session, token, undo, "
                            "issue, authenticator, recovery, signing, "
                            "login, logout, open, versioned or partial",
                            word);
}


static int
portal_form_flag(portal_form_parser_t *parser, const char *word)
{
    unsigned        had;
    portal_form_t  *form;

    form = parser->form;

    if (strcmp(word, "captcha") == 0) {
        had = form->captcha;
        form->captcha = 1;

    } else if (strcmp(word, "token") == 0) {
        had = form->token;
        form->token = 1;

    } else if (strcmp(word, "undo") == 0) {
        had = form->undo;
        form->undo = 1;

    } else if (strcmp(word, "issue") == 0) {
        had = form->issue;
        form->issue = 1;

    } else if (strcmp(word, "authenticator") == 0) {
        had = form->authenticator;
        form->authenticator = 1;

    } else if (strcmp(word, "signing") == 0) {
        had = form->signing;
        form->signing = 1;

    } else if (strcmp(word, "recovery") == 0) {
        had = form->recovery;
        form->recovery = 1;

    } else if (strcmp(word, "idempotent") == 0) {
        had = form->idempotent;
        form->idempotent = 1;

    } else if (strcmp(word, "session") == 0) {
        had = form->session;
        form->session = 1;

    } else if (strcmp(word, "login") == 0) {
        had = form->login;
        form->login = 1;

    } else if (strcmp(word, "logout") == 0) {
        had = form->logout;
        form->logout = 1;

    } else if (strcmp(word, "open") == 0) {
        had = form->open;
        form->open = 1;

    } else if (strcmp(word, "versioned") == 0) {
        had = form->versioned;
        form->versioned = 1;

    } else if (strcmp(word, "partial") == 0) {
        had = form->partial;
        form->partial = 1;

    } else {
        return portal_form_unknown(parser, word);
    }

    if (had) {
        return portal_form_fail(parser, "\"%s\" is said twice, keep one",
                                word);
    }

    if (portal_form_token(parser) != NULL) {
        return portal_form_fail(parser, "\"%s\" stands alone on its line",
                                word);
    }

    return 0;
}


static int
portal_form_group(portal_form_parser_t *parser)
{
    char  *name;

    name = portal_form_token(parser);

    if (name == NULL || strlen(name) >= sizeof(parser->group)
        || !portal_form_plain(name, "_") || portal_form_token(parser) != NULL)
    {
        return portal_form_fail(parser, "a group has a name of at most %d of "
                                "a-z, 0-9 and _: \"group NAME\"",
                                (int) sizeof(parser->group) - 1);
    }

    (void) snprintf(parser->group, sizeof(parser->group), "%s", name);

    return 0;
}


static int
portal_form_add_field(portal_form_parser_t *parser)
{
    char            *name, *type;
    portal_form_t   *form;
    portal_field_t  *field;

    form = parser->form;

    name = portal_form_token(parser);
    type = portal_form_token(parser);

    if (name == NULL || type == NULL) {
        return portal_form_fail(parser, "a field has a name and a type: "
                                "\"field NAME TYPE ...\", TYPE is "
                                PORTAL_FORM_TYPE_LIST);
    }

    if (portal_form_field_name(parser, name) != 0) {
        return -1;
    }

    if (form->nfields == PORTAL_FORM_FIELDS) {
        return portal_form_fail(parser, "a form has at most %d fields",
                                PORTAL_FORM_FIELDS);
    }

    field = &form->fields[form->nfields];

    if (portal_form_field_type(parser, field, type) != 0) {
        return -1;
    }

    field->name = strdup(name);
    if (field->name == NULL) {
        return portal_form_fail(parser, "no memory");
    }

    form->nfields++;

    if (parser->group[0] != '\0'
        && (field->group = strdup(parser->group)) == NULL)
    {
        return portal_form_fail(parser, "no memory");
    }

    if (portal_form_words(parser, field) != 0) {
        return -1;
    }

    return portal_form_field_done(parser, field);
}


static int
portal_form_field_name(portal_form_parser_t *parser, const char *name)
{
    if (name[0] < 'a' || name[0] > 'z' || strlen(name) > 48
        || !portal_form_plain(name, "_"))
    {
        return portal_form_fail(parser, "field name \"%.64s\" is not a "
                                "letter and then at most 47 of a-z, 0-9 "
                                "and _", name);
    }

    if (portal_form_reserved(name)) {
        return portal_form_fail(parser, "\"%s\" is a name that every form "
                                "has for itself, choose another", name);
    }

    if (portal_form_field(parser->form, name) != NULL) {
        return portal_form_fail(parser, "field \"%s\" is declared twice, "
                                "keep one", name);
    }

    return 0;
}


static int
portal_form_field_type(portal_form_parser_t *parser, portal_field_t *field,
    const char *type)
{
    size_t  i;

    for (i = 0; i < PORTAL_FORM_TYPES; i++) {

        if (strcmp(type, portal_form_types[i]) == 0) {
            break;
        }
    }

    if (i == PORTAL_FORM_TYPES) {
        return portal_form_fail(parser, "unknown type \"%.64s\", it is one "
                                "of " PORTAL_FORM_TYPE_LIST, type);
    }

    field->type = (portal_field_e) i;

    switch (field->type) {

    case PORTAL_FIELD_TEXT:
        field->max = 255;
        break;

    case PORTAL_FIELD_LINES:
        field->max = 1000;
        field->lines = 20;
        break;

    case PORTAL_FIELD_CENTS:
        field->max = 99999999999;
        break;

    case PORTAL_FIELD_FILE:
        field->max = PORTAL_FILE_MAX;

        if (++parser->form->nfiles > PORTAL_FORM_FILES) {
            return portal_form_fail(parser, "a form has at most %d files",
                                    PORTAL_FORM_FILES);
        }

        break;

    case PORTAL_FIELD_LIST:
        field->max = PORTAL_LIST_MAX;
        field->hidden = 1;
        parser->form->list = 1;
        break;

    case PORTAL_FIELD_NAME:
        field->max = 100;
        break;

    case PORTAL_FIELD_DATE:
        field->min = 19000101;
        field->max = 21991231;
        break;

    case PORTAL_FIELD_INTEGER:
        field->max = INT64_MAX;
        break;

    case PORTAL_FIELD_PASSWORD:
        field->max = PORTAL_PASSWORD_MAX;
        break;

    default:
        break;
    }

    return 0;
}


static int
portal_form_contexts(portal_form_parser_t *parser)
{
    char                  *copy, *p, *save;
    size_t                 i;
    portal_form_t         *form;
    const portal_field_t  *field;

    form = parser->form;

    for (i = 0; i < form->nfields; i++) {

        if (form->fields[i].context == NULL) {
            continue;
        }

        copy = strdup(form->fields[i].context);
        if (copy == NULL) {
            return portal_form_fail(parser, "no memory");
        }

        for (p = strtok_r(copy, ",", &save);
             p != NULL;
             p = strtok_r(NULL, ",", &save))
        {
            field = portal_form_field(form, p);

            if (field == NULL
                || (field->type != PORTAL_FIELD_TEXT
                    && field->type != PORTAL_FIELD_NAME
                    && field->type != PORTAL_FIELD_EMAIL))
            {
                (void) portal_form_fail(parser, "new=%.64s of \"%s\" is not "
                                        "a text, name or email field of "
                                        "this form", p,
                                        form->fields[i].name);
                free(copy);
                return -1;
            }
        }

        free(copy);
    }

    return 0;
}


static int
portal_form_countries(portal_form_parser_t *parser)
{
    size_t                 i;
    portal_form_t         *form;
    const portal_field_t  *field;

    form = parser->form;

    for (i = 0; i < form->nfields; i++) {

        if (form->fields[i].country == NULL) {
            continue;
        }

        field = portal_form_field(form, form->fields[i].country);

        if (field == NULL || field->type != PORTAL_FIELD_COUNTRY) {
            return portal_form_fail(parser, "country=%.64s of \"%s\" is not "
                                    "a country field of this form",
                                    form->fields[i].country,
                                    form->fields[i].name);
        }
    }

    return 0;
}


/* a date may come as three fields, whose names nothing else may bear */

static int
portal_form_dates(portal_form_parser_t *parser)
{
    char            name[PORTAL_BODY_NAME];
    size_t          i, part;
    portal_form_t  *form;

    form = parser->form;

    for (i = 0; i < form->nfields; i++) {

        if (form->fields[i].type != PORTAL_FIELD_DATE) {
            continue;
        }

        for (part = 0; part < PORTAL_DATE_PARTS; part++) {
            portal_date_part(&form->fields[i], part, name, sizeof(name));

            if (portal_form_field(form, name) != NULL) {
                return portal_form_fail(parser, "\"%s\" is a part of the "
                                        "date \"%s\", choose another name",
                                        name, form->fields[i].name);
            }
        }
    }

    return 0;
}


int
portal_form_plain(const char *s, const char *more)
{
    for ( /* void */ ; *s != '\0'; s++) {

        if ((*s < 'a' || *s > 'z') && (*s < '0' || *s > '9')
            && strchr(more, *s) == NULL)
        {
            return 0;
        }
    }

    return 1;
}


char *
portal_form_token(portal_form_parser_t *parser)
{
    char  *word, *rest;

    rest = parser->rest;

    do {
        word = strsep(&rest, " \t\r");
    } while (word != NULL && *word == '\0');

    parser->rest = rest;

    return word;
}


int
portal_form_fail(portal_form_parser_t *parser, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(parser->err, parser->errlen, fmt, args);
    va_end(args);

    return -1;
}


/* a machine has no page, no session, no file and no cookie */

static int
portal_form_lists(portal_form_parser_t *parser)
{
    size_t          i;
    portal_form_t  *form;

    form = parser->form;

    if (!form->list) {
        return 0;
    }

    for (i = 0; i < form->nfields; i++) {

        if (!form->fields[i].hidden || form->fields[i].sealed) {
            break;
        }
    }

    if (i < form->nfields || form->captcha || form->token || form->undo
        || form->session || form->login || form->logout || form->open
        || form->partial || form->versioned || form->idempotent)
    {
        return portal_form_fail(parser, "a form with a list is a machine's: "
                                "its other fields are hidden, and it has no "
                                "flags");
    }

    return 0;
}
