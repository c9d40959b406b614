
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_FORM_H_INCLUDED_
#define _PORTAL_FORM_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include <jansson.h>


/*
 * Declared forms: what a location accepts, read by nginx -t, and the check of
 * a body against one.  Plain C: no nginx, no I/O but the caller's.
 *
 * What the file of a form may say: docs/directives.md, portal_forms.
 *
 * Every text is put in NFC and loses outer spaces, except that a password
 * keeps its spaces.  Control characters and what reorders or hides text are
 * refused everywhere.
 */

typedef enum {
    PORTAL_FIELD_TEXT = 0,
    PORTAL_FIELD_NAME,
    PORTAL_FIELD_EMAIL,
    PORTAL_FIELD_PASSWORD,
    PORTAL_FIELD_DATE,
    PORTAL_FIELD_CHOICE,
    PORTAL_FIELD_YESNO,         /* yes | no | unanswered */
    PORTAL_FIELD_CODE,          /* code abonne */
    PORTAL_FIELD_INTEGER,
    PORTAL_FIELD_TOKEN,         /* 43 chars of a mail's link; hidden */
    PORTAL_FIELD_PATH,          /* local path to go on to; hidden */
    PORTAL_FIELD_OTP,           /* one-time code of an authenticator */
} portal_field_e;

#define PORTAL_FIELD_OPTIONS  32
#define PORTAL_FORM_FIELDS    64
#define PORTAL_DATE_TODAY     0     /* a date's min or max: context->today */

#define PORTAL_PASSWORD_MIN    12     /* characters, of one being chosen */
#define PORTAL_PASSWORD_MAX    256
#define PORTAL_PASSWORD_BYTES  1024
#define PORTAL_PASSWORD_BITS   50

typedef struct {
    char                 *name;
    portal_field_e        type;
    unsigned              required:1;
    unsigned              hidden:1;
    unsigned              fresh:1;     /* a password being chosen: strength is
                                          checked, with the fields named in
                                          context as words to avoid */
    int64_t               min;         /* length in characters, or value, or */
    int64_t               max;         /* yyyymmdd, PORTAL_DATE_TODAY */
    char                 *autocomplete;
    char                 *context;     /* comma separated field names */
    size_t                noptions;
    char                 *options[PORTAL_FIELD_OPTIONS];
} portal_field_t;

typedef struct {
    char                 *name;
    size_t                nfields;
    portal_field_t       *fields;
    unsigned              captcha:1;   /* captcha_* and the honeypot */
    unsigned              token:1;     /* the call mints a mail's token */
    unsigned              undo:1;      /* and one to take back what it does */
    unsigned              idempotent:1;
    unsigned              session:1;   /* the call may open or renew one */
    unsigned              login:1;     /* it logs in: the device is told, and
                                          a form of before comes along */
    unsigned              versioned:1; /* the call compares If-Match */
} portal_form_t;

/*
 * text: the whole file.  On failure NULL, *line and a message in err that
 * says what to write instead.
 */
portal_form_t *portal_form_parse(const char *name, const char *text,
    size_t len, unsigned *line, char *err, size_t errlen);
void portal_form_free(portal_form_t *form);
const portal_field_t *portal_form_field(const portal_form_t *form,
    const char *name);
const char *portal_field_type(portal_field_e type);


/* limits of a body, whatever its encoding */
#define PORTAL_BODY_MAX        65536
#define PORTAL_BODY_KEYS       256
#define PORTAL_BODY_DEPTH      16
#define PORTAL_BODY_NAME       64

typedef enum {
    PORTAL_BODY_OK = 0,
    PORTAL_BODY_SYNTAX,         /* 400 */
    PORTAL_BODY_ENCODING,       /* 400: not UTF-8, or a NUL */
    PORTAL_BODY_TOO_MANY,       /* 413: keys or depth */
    PORTAL_BODY_DUPLICATE,      /* 400, JSON: name in err, or "" */
    PORTAL_BODY_MEMORY,         /* 500 */
} portal_body_e;

/*
 * Both give a flat object: for JSON the values as they came; for urlencoded a
 * string each, but null where the bytes are no text (not UTF-8, or a NUL) and
 * an empty array where the name came twice: the check of the form names such a
 * field, and all else that was typed is shown again.  On failure *out is NULL
 * and err names the place, never with a value of the body in it (it may be
 * logged).  Keys of JSON are counted with elements of arrays, over all levels.
 */
portal_body_e portal_body_urlencoded(const char *body, size_t len,
    json_t **out, char *err, size_t errlen);
portal_body_e portal_body_json(const char *body, size_t len, json_t **out,
    char *err, size_t errlen);


typedef struct {
    const char           *today;       /* YYYY-MM-DD in the town's zone */
    const json_t         *words;       /* array: passwords must not rest on */
} portal_form_context_t;

/*
 * Every code that portal_form_check() gives, NULL at the end; the list is
 * append-only, for labels and clients of the API know them:
 *
 *   required        empty, or a yesno unanswered
 *   unknown_field   a name that the form does not declare
 *   duplicate       sent twice; a date both whole and in parts
 *   type            JSON of another type; an array or object for a scalar
 *   encoding        not UTF-8
 *   control         control characters, line breaks, bidi overrides
 *   too_short       text, name: fewer characters than min
 *   too_long        text, name: more characters than max
 *   name_chars      something that is in no name, or no letter at all
 *   email_format    not an address
 *   email_ascii     letters with accents or full-width signs in an address
 *   date_format     not a date of the calendar
 *   date_range      outside min and max
 *   choice          none of the options (choice, yesno)
 *   integer_format  not a whole number
 *   integer_range   outside min and max
 *   code_format     not a code abonne: length, letters or check symbol
 *   token_format    not what a mail's link carries
 *   otp_format      not six digits
 *   password_short  a new one of fewer than 12 characters
 *   password_long   more than 256 characters or 1,024 bytes
 *   password_weak   a new one too easy to guess, or resting on the person's
 *                   name or address or the town's words
 */
extern const char *const  portal_form_codes[];


/*
 * Checks the raw object against the form.
 *   values: normalised values by field name (null when empty and optional;
 *           "unanswered" for a yesno); an integer is a JSON integer
 *   typed:  what to show again, strings by field name, never passwords or
 *           one-time codes; a date also as name_day, name_month, name_year
 *   errors: array of {"field","code"} in the form's order, then the unknown
 *           names; empty when all is well
 * All three are new references, also when there are errors; a field with an
 * error has no place in values.
 * The reserved names csrf, key and, when form->captcha, captcha_* and the
 * honeypot are passed over; any other undeclared name is an error
 * ("unknown_field").  A date may come as name, or name_day, name_month,
 * name_year.  strict: JSON, where a wrong JSON type is an error ("type").
 * Returns 0, or -1 when memory is short.
 */
int portal_form_check(const portal_form_t *form, const json_t *raw,
    int strict, const portal_form_context_t *context, json_t **values,
    json_t **typed, json_t **errors);

#define PORTAL_FORM_TRAP  "site_web"

/*
 * Overwrites the form's passwords and one-time codes within an object (raw or
 * values) that is about to be released.
 */
void portal_form_wipe(const portal_form_t *form, json_t *object);


#endif /* _PORTAL_FORM_H_INCLUDED_ */
