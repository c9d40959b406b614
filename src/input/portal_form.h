
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
    PORTAL_FIELD_LINES,         /* a text of several lines */
    PORTAL_FIELD_PHONE,         /* E.164 */
    PORTAL_FIELD_POSTCODE,
    PORTAL_FIELD_COUNTRY,       /* ISO 3166, two letters */
    PORTAL_FIELD_IBAN,          /* no spaces */
    PORTAL_FIELD_BIC,
    PORTAL_FIELD_TAX_NUMBER,    /* 13 digits */
    PORTAL_FIELD_TAX_NOTICE,
    PORTAL_FIELD_CAF_NUMBER,    /* 1 to 7 digits */
    PORTAL_FIELD_SHARES,        /* "2.5": by quarters */
    PORTAL_FIELD_CENTS,         /* an amount in euros, as cents */
    PORTAL_FIELD_COLOUR,        /* "#rrggbb", small letters */
    PORTAL_FIELD_OTP,           /* one-time code of an authenticator */
    PORTAL_FIELD_FILE,          /* {"type","size"} */
    PORTAL_FIELD_LIST,          /* of flat objects; JSON alone, hidden */
} portal_field_e;

#define PORTAL_FIELD_OPTIONS  32
#define PORTAL_FORM_FIELDS    96
#define PORTAL_FORM_FILES     8
#define PORTAL_FILE_MAX       10485760  /* bytes, where the form says nothing */
#define PORTAL_FILE_MOST      52428800  /* and what it may say */
#define PORTAL_DATE_TODAY     0     /* a date's min or max: context->today */

#define PORTAL_PASSWORD_MIN    12     /* characters, of one being chosen */
#define PORTAL_PASSWORD_MAX    256
#define PORTAL_PASSWORD_BYTES  1024
#define PORTAL_PASSWORD_BITS   50

/* what a text must not say: bits of refuse */
#define PORTAL_PRIVATE_NIR       0x1   /* a social security number */
#define PORTAL_PRIVATE_BELIEF    0x2   /* a diet by its religion */
#define PORTAL_PRIVATE_HANDICAP  0x4   /* the nature of a handicap */

/* what becomes of a file */
typedef enum {
    PORTAL_STORE_NOT = 0,
    PORTAL_STORE_PHOTO,                /* kept sealed, small and upright */
    PORTAL_STORE_DOCUMENT,             /* kept sealed, as it is */
    PORTAL_STORE_LOGO,                 /* made small, for everybody to see */
    PORTAL_STORE_IMPORT,               /* with the form's others as one file,
                                          read once and erased */
} portal_store_e;

typedef struct {
    char                 *name;
    portal_field_e        type;
    unsigned              required:1;
    unsigned              hidden:1;
    unsigned              pressed:1;   /* hidden: the button that is pressed
                                          says it */
    unsigned              fresh:1;     /* a password being chosen: strength is
                                          checked, with the fields named in
                                          context as words to avoid */
    unsigned              mobile:1;    /* of phones, only those */
    unsigned              aged:1;      /* a birth: age_min to age_max */
    unsigned              sealed:1;    /* its value is sealed before the call */
    unsigned              outward:1;   /* an address that messages go to: the
                                          server's to say which those are */
    unsigned              refuse;
    int                   age_min;     /* years */
    int                   age_max;
    int64_t               lines;       /* at most */
    int64_t               min;         /* length in characters, or value, or */
    int64_t               max;         /* yyyymmdd, PORTAL_DATE_TODAY; bytes
                                          of a file */
    unsigned              accept;      /* of a file: portal_file_bit() */
    portal_store_e        store;       /* and how it is kept */
    char                 *autocomplete;
    char                 *group;       /* whose heading it stands under */
    char                 *context;     /* comma separated field names */
    char                 *country;     /* the field that says whose postcode
                                          it is */
    size_t                noptions;    /* of a choice; of a text the page's
                                          lists that it is chosen from */
    char                 *options[PORTAL_FIELD_OPTIONS];
} portal_field_t;

typedef struct {
    char                 *name;
    size_t                nfields;
    portal_field_t       *fields;
    size_t                nfiles;      /* of the fields; with none a body is
                                          never multipart */
    unsigned              captcha:1;   /* captcha_* and the honeypot */
    unsigned              token:1;     /* the call mints a mail's token */
    unsigned              undo:1;      /* and one to take back what it does */
    unsigned              issue:1;     /* it may give a code abonne */
    unsigned              authenticator:1; /* it may give a new secret, */
    unsigned              recovery:1;  /* and codes to do without one */
    unsigned              signing:1;   /* it may give a webhook's secret */
    unsigned              idempotent:1;
    unsigned              session:1;   /* the call may open or renew one */
    unsigned              login:1;     /* it logs in: the device is told, and
                                          a form of before comes along */
    unsigned              logout:1;    /* without a session it is answered as
                                          with one, and needs no token */
    unsigned              open:1;      /* without a session it needs no
                                          token: it changes but the browser
                                          that sends it */
    unsigned              versioned:1; /* the call compares If-Match */
    unsigned              partial:1;   /* what was not sent is not asked */
    unsigned              list:1;      /* it has one: it is for machines */
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

/* and of one whose form has a list */
#define PORTAL_BODY_LIST_MAX   262144
#define PORTAL_BODY_LIST_KEYS  4096
#define PORTAL_LIST_MAX        500      /* elements, where the form says
                                           nothing */

typedef enum {
    PORTAL_BODY_OK = 0,
    PORTAL_BODY_SYNTAX,         /* 400 */
    PORTAL_BODY_ENCODING,       /* 400: a name, or all of it, that is not
                                   UTF-8 or has a NUL */
    PORTAL_BODY_TOO_MANY,       /* 413: keys or depth */
    PORTAL_BODY_DUPLICATE,      /* 400, JSON: name in err, or "" */
    PORTAL_BODY_MEMORY,         /* 500 */
    PORTAL_BODY_TOKEN,          /* 403, multipart: no good token in front */
} portal_body_e;

/*
 * Both give a flat object: for JSON the values as they came, but a string that
 * is not UTF-8 where the text is none (not UTF-8, a NUL, half a character);
 * for urlencoded a string each, but null where the bytes are no text, and an
 * empty array where the name came twice: the check of the form names such a
 * field, and all else that was typed is shown again.  On failure *out is NULL
 * and err names the place, never with a value of the body in it (it may be
 * logged).  Keys of JSON are counted with elements of arrays, over all levels.
 */
portal_body_e portal_body_urlencoded(const char *body, size_t len,
    json_t **out, char *err, size_t errlen);
portal_body_e portal_body_json(const char *body, size_t len, json_t **out,
    char *err, size_t errlen);
/* the same for a form with a list: wider, and a text that is none fails */
portal_body_e portal_body_json_list(const char *body, size_t len,
    json_t **out, char *err, size_t errlen);


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
 *   too_long        text, name, email: more characters than may be
 *   name_chars      something that is in no name, or no letter at all
 *   email_format    not an address
 *   email_ascii     letters with accents or full-width signs in an address
 *   date_format     not a date of the calendar
 *   date_range      outside min and max
 *   choice          none of the options (choice, yesno)
 *   integer_format  not a whole number
 *   integer_range   outside min and max
 *   code_format     not a code abonne: 12 letters and digits
 *   token_format    not what a mail's link carries
 *   otp_format      not six digits
 *   password_short  a new one of fewer than 12 characters
 *   password_long   more than 256 characters or 1,024 bytes
 *   password_weak   a new one too easy to guess, or resting on the person's
 *                   name or address or the town's words
 *   too_many_lines  more lines than may be
 *   date_past       before today where it must be to come
 *   date_future     after today where it must be past, or of a birth
 *   age_low         born too lately
 *   age_high        born too long ago
 *   phone_format    no number that can be called, or a short one
 *   phone_mobile    not a mobile's, where it must be
 *   postcode_format  not a French postcode
 *   postcode_abroad  not 2 to 12 letters and digits, in another country
 *   country         not a country's code
 *   iban_format     something else than letters and digits, or no IBAN at all
 *   iban_country    outside SEPA
 *   iban_length     not as long as that country's are
 *   iban_key        a sign is wrong: its key says so, or the RIB's
 *   bic_format      not 8 or 11 letters and digits, or of no country
 *   tax_number_format  not 13 digits that begin with 0 to 3
 *   tax_number_key  a digit is wrong: its key says so
 *   tax_notice_format  not 13 or 14 letters and digits
 *   caf_number_format  not 1 to 7 digits
 *   shares_format   not a number of shares, by quarters
 *   shares_range    outside 0.25 to 20
 *   cents_format    not an amount in euros
 *   cents_range     outside min and max
 *   colour_format   not three or six hexadecimal digits
 *   file_type       by its first bytes none of those accepted
 *   file_size       larger than may be
 *   private_nir     a social security number in a text that refuses it
 *   private_belief  a religious diet or practice, likewise
 *   private_handicap  the nature of a handicap, likewise
 *   list_long       more elements than may be
 *   list_element    an element that is no object, or holds another one
 */
extern const char *const  portal_form_codes[];


/*
 * Checks the raw object against the form.
 *   values: normalised values by field name (null when empty and optional;
 *           "unanswered" for a yesno); an integer and cents are JSON integers
 *   typed:  what to show again, strings by field name, never passwords or
 *           one-time codes; a date also as name_day, name_month, name_year
 *   errors: array of {"field","code"} in the form's order, then the unknown
 *           names; empty when all is well
 * All three are new references, also when there are errors; a field with an
 * error has no place in values.
 * The reserved names csrf, key, of a partial form opened (what the page was
 * opened with) and, when form->captcha, captcha_* and the honeypot are passed
 * over; any other undeclared name is an error
 * ("unknown_field").  A date may come as name, or name_day, name_month,
 * name_year.  strict: JSON, where a wrong JSON type is an error ("type").
 * Of a partial form a visible field that was not sent has no place in values,
 * required or not; one that was sent empty (JSON: null) is null there.
 * Returns 0, or -1 when memory is short.
 */
int portal_form_check(const portal_form_t *form, const json_t *raw,
    int strict, const portal_form_context_t *context, json_t **values,
    json_t **typed, json_t **errors);

/*
 * The names that every form has for itself (a token, a captcha's answer) hold
 * texts: an integer of JSON becomes its digits.  Returns 0, or -1 when memory
 * is short.
 */
int portal_form_texts(json_t *raw);

#define PORTAL_FORM_TRAP  "site_web"

/*
 * Overwrites the passwords, one-time codes and sealed fields within an object
 * (raw, values or typed) that is about to be released.
 */
void portal_form_wipe(const portal_form_t *form, json_t *object);


#endif /* _PORTAL_FORM_H_INCLUDED_ */
