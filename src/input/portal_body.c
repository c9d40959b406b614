
/*
 * Copyright (C) the portal's authors
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistr.h>

#include "portal_body.h"
#include "../crypto/portal_crypto.h"


typedef struct {
    size_t    start;           /* its quotes included */
    size_t    len;
} portal_body_span_t;


typedef struct {
    const char          *body;
    size_t               len;
    size_t               depth;
    size_t               items;        /* containers and commas: keys and
                                          elements */
    size_t               start;        /* of the string being read */
    portal_body_span_t   name;         /* of the field being read */
    size_t               nfields;      /* whose texts are none */
    portal_body_span_t   field[PORTAL_BODY_KEYS];
    char                *copy;         /* of the body, without those texts */
    unsigned             quoted:1;
    unsigned             escaped:1;
    unsigned             naming:1;     /* a field's name comes next */
    unsigned             list:1;       /* wider limits, no such fields */
} portal_body_scan_t;


static portal_body_e portal_body_fail(portal_body_e rc, char *err,
    size_t errlen, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static portal_body_e portal_body_pair(json_t *object, char *name,
    const char *end, char *err, size_t errlen, size_t at);
static char *portal_body_unescape(char *dst, const char *src,
    const char *end);
static portal_body_e portal_body_read(portal_body_scan_t *scan, json_t **out,
    char *err, size_t errlen);
static portal_body_e portal_body_scan(portal_body_scan_t *scan, char *err,
    size_t errlen);
static portal_body_e portal_body_scan_sign(portal_body_scan_t *scan, size_t i,
    char *err, size_t errlen);
static portal_body_e portal_body_scan_string(portal_body_scan_t *scan,
    size_t end, char *err, size_t errlen);
static int portal_body_is_text(const char *p, const char *last);
static int portal_body_unit(const char *p, const char *last);
static portal_body_e portal_body_fields(portal_body_scan_t *scan,
    json_t *object, char *err, size_t errlen);
static portal_body_e portal_body_json_error(const char *body, size_t len,
    const json_error_t *error, char *err, size_t errlen);
static void portal_body_last_string(const char *body, size_t len, char *err,
    size_t errlen);


static portal_body_e
portal_body_fail(portal_body_e rc, char *err, size_t errlen,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(err, errlen, fmt, args);
    va_end(args);

    return rc;
}


portal_body_e
portal_body_urlencoded(const char *body, size_t len, json_t **out, char *err,
    size_t errlen)
{
    char           *copy, *p, *amp, *last;
    size_t          pairs;
    json_t         *object;
    portal_body_e   rc;

    *out = NULL;
    pairs = 0;
    rc = PORTAL_BODY_OK;

    if (len > PORTAL_BODY_MAX) {
        return portal_body_fail(PORTAL_BODY_TOO_MANY, err, errlen,
                                "more than %d bytes", PORTAL_BODY_MAX);
    }

    /* decoded in place: a decoded pair is never longer than it was */

    copy = malloc(len + 1);
    object = json_object();

    if (copy == NULL || object == NULL) {
        free(copy);
        json_decref(object);
        return portal_body_fail(PORTAL_BODY_MEMORY, err, errlen,
                                "no memory");
    }

    memcpy(copy, body, len);
    copy[len] = '\0';
    last = copy + len;

    for (p = copy; p < last; p = amp + 1) {

        amp = memchr(p, '&', (size_t) (last - p));
        if (amp == NULL) {
            amp = last;
        }

        if (++pairs > PORTAL_BODY_KEYS) {
            rc = portal_body_fail(PORTAL_BODY_TOO_MANY, err, errlen,
                                  "more than %d fields", PORTAL_BODY_KEYS);
            break;
        }

        if (amp == p) {
            continue;
        }

        rc = portal_body_pair(object, p, amp, err, errlen,
                              (size_t) (p - copy));
        if (rc != PORTAL_BODY_OK) {
            break;
        }
    }

    /* it may have held a password */

    portal_wipe(copy, len);
    free(copy);

    if (rc != PORTAL_BODY_OK) {
        json_decref(object);
        return rc;
    }

    *out = object;
    return PORTAL_BODY_OK;
}


static portal_body_e
portal_body_pair(json_t *object, char *name, const char *end, char *err,
    size_t errlen, size_t at)
{
    char           *eq, *value, *vend, *nend;
    size_t          nlen, vlen;
    portal_body_e   rc;

    eq = memchr(name, '=', (size_t) (end - name));
    value = eq ? eq + 1 : (char *) end;

    nend = portal_body_unescape(name, name, eq ? eq : end);
    vend = portal_body_unescape(value, value, end);

    if (nend == NULL || vend == NULL) {
        return portal_body_fail(PORTAL_BODY_SYNTAX, err, errlen,
                                "bad %%-escape in the field at byte %zu",
                                at);
    }

    nlen = (size_t) (nend - name);
    vlen = (size_t) (vend - value);

    rc = portal_body_name(name, nlen, err, errlen);
    if (rc != PORTAL_BODY_OK) {
        return rc;
    }

    return portal_body_set(object, name, nlen, value, vlen) == 0
           ? PORTAL_BODY_OK
           : portal_body_fail(PORTAL_BODY_MEMORY, err, errlen, "no memory");
}


/*
 * The check of the form says what is wrong, beside the field.  What comes more
 * than once is an array, whether that is wrong or boxes that were ticked.
 */

int
portal_body_set(json_t *object, const char *name, size_t len,
    const char *value, size_t vlen)
{
    json_t  *json, *before;

    if (memchr(value, '\0', vlen) != NULL
        || u8_check((const uint8_t *) value, vlen) != NULL)
    {
        json = json_null();

    } else {
        json = json_stringn_nocheck(value, vlen);
    }

    before = json_object_getn(object, name, len);

    if (json_is_array(before)) {
        return json_array_append_new(before, json);
    }

    if (before != NULL) {
        json = json_pack("[O, o]", before, json);
    }

    return json_object_setn_new_nocheck(object, name, len, json);
}


int
portal_body_lines(const json_t *values, char **text, size_t *len)
{
    char          *p;
    size_t         i, all;
    const json_t  *line;

    all = 0;

    json_array_foreach(values, i, line) {

        if (!json_is_string(line)) {
            return -1;
        }

        all += json_string_length(line) + 1;
    }

    /* nothing follows the last one */

    *len = all ? all - 1 : 0;
    *text = malloc(all + 1);

    for (i = 0, p = *text; p != NULL && i < json_array_size(values); i++) {
        line = json_array_get(values, i);

        memcpy(p, json_string_value(line), json_string_length(line));
        p += json_string_length(line);
        *p++ = '\n';
    }

    return 0;
}


/* returns the end of the decoded text, NULL at an escape that is none */

static char *
portal_body_unescape(char *dst, const char *src, const char *end)
{
    int          i, digit, byte;
    const char  *p;

    for (p = src; p < end; p++) {

        if (*p == '+') {
            *dst++ = ' ';
            continue;
        }

        if (*p != '%') {
            *dst++ = *p;
            continue;
        }

        if (end - p < 3) {
            return NULL;
        }

        byte = 0;

        for (i = 0; i < 2; i++) {
            p++;

            if (*p >= '0' && *p <= '9') {
                digit = *p - '0';

            } else if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f') {
                digit = (*p | 0x20) - 'a' + 10;

            } else {
                return NULL;
            }

            byte = byte * 16 + digit;
        }

        *dst++ = (char) byte;
    }

    return dst;
}


/* names go into errors and logs: short, and nothing that moves a terminal */

portal_body_e
portal_body_name(const char *name, size_t len, char *err, size_t errlen)
{
    size_t  i;

    if (len == 0) {
        return portal_body_fail(PORTAL_BODY_SYNTAX, err, errlen,
                                "a field without a name");
    }

    if (len > PORTAL_BODY_NAME) {
        return portal_body_fail(PORTAL_BODY_SYNTAX, err, errlen,
                                "a field name longer than %d bytes",
                                PORTAL_BODY_NAME);
    }

    if (memchr(name, '\0', len) != NULL
        || u8_check((const uint8_t *) name, len) != NULL)
    {
        return portal_body_fail(PORTAL_BODY_ENCODING, err, errlen,
                                "a field name that is not UTF-8");
    }

    for (i = 0; i < len; i++) {

        if ((unsigned char) name[i] < 0x20 || name[i] == 0x7f) {
            return portal_body_fail(PORTAL_BODY_SYNTAX, err, errlen,
                                    "a control character in a field name");
        }
    }

    return PORTAL_BODY_OK;
}


portal_body_e
portal_body_json(const char *body, size_t len, json_t **out, char *err,
    size_t errlen)
{
    portal_body_scan_t  scan;

    memset(&scan, 0, sizeof(scan));

    scan.body = body;
    scan.len = len;

    return portal_body_read(&scan, out, err, errlen);
}


portal_body_e
portal_body_json_list(const char *body, size_t len, json_t **out, char *err,
    size_t errlen)
{
    portal_body_scan_t  scan;

    memset(&scan, 0, sizeof(scan));

    scan.body = body;
    scan.len = len;
    scan.list = 1;

    return portal_body_read(&scan, out, err, errlen);
}


static portal_body_e
portal_body_read(portal_body_scan_t *scan, json_t **out, char *err,
    size_t errlen)
{
    int              max;
    void            *iter;
    size_t           len;
    json_t          *object;
    const char      *body;
    json_error_t     error;
    portal_body_e    rc;

    *out = NULL;

    body = scan->body;
    len = scan->len;
    max = scan->list ? PORTAL_BODY_LIST_MAX : PORTAL_BODY_MAX;

    if (len > (size_t) max) {
        return portal_body_fail(PORTAL_BODY_TOO_MANY, err, errlen,
                                "more than %d bytes", max);
    }

    object = NULL;
    rc = portal_body_scan(scan, err, errlen);

    if (rc == PORTAL_BODY_OK) {
        object = json_loadb(scan->copy ? scan->copy : body, len,
                            JSON_REJECT_DUPLICATES, &error);

        rc = object ? portal_body_fields(scan, object, err, errlen)
                    : portal_body_json_error(body, len, &error, err, errlen);
    }

    if (scan->copy != NULL) {
        portal_wipe(scan->copy, len);
        free(scan->copy);
    }

    if (rc != PORTAL_BODY_OK) {
        json_decref(object);
        return rc;
    }

    for (iter = json_object_iter(object);
         iter != NULL;
         iter = json_object_iter_next(object, iter))
    {
        rc = portal_body_name(json_object_iter_key(iter),
                              json_object_iter_key_len(iter), err, errlen);

        if (rc != PORTAL_BODY_OK) {
            json_decref(object);
            return rc;
        }
    }

    *out = object;
    return PORTAL_BODY_OK;
}


/*
 * Limits before the parser allocates anything: a body of 64 kB could
 * otherwise become 20,000 arrays.  And texts that are none, at which it would
 * stop without saying whose they are.  Grammar is the parser's business, but
 * for "-0", which it would read as 0.
 */

static portal_body_e
portal_body_scan(portal_body_scan_t *scan, char *err, size_t errlen)
{
    size_t          i;
    portal_body_e   rc;

    for (i = 0; i < scan->len; i++) {

        if (!scan->quoted) {
            rc = portal_body_scan_sign(scan, i, err, errlen);

        } else if (scan->escaped) {
            scan->escaped = 0;
            continue;

        } else if (scan->body[i] == '"') {
            scan->quoted = 0;
            rc = portal_body_scan_string(scan, i, err, errlen);

        } else {
            scan->escaped = scan->body[i] == '\\';
            continue;
        }

        if (rc != PORTAL_BODY_OK) {
            return rc;
        }
    }

    return PORTAL_BODY_OK;
}


static portal_body_e
portal_body_scan_sign(portal_body_scan_t *scan, size_t i, char *err,
    size_t errlen)
{
    int  max;

    switch (scan->body[i]) {

    case '"':
        scan->quoted = 1;
        scan->start = i;
        break;

    case '{':
    case '[':
        scan->depth++;
        scan->items++;
        scan->naming = scan->depth == 1;
        break;

    case '}':
    case ']':
        scan->depth -= scan->depth > 0;
        break;

    case ',':
        scan->items++;
        scan->naming = scan->depth == 1;
        break;

    case ':':
        scan->naming = 0;
        break;

    case '-':
        if (i + 1 < scan->len && scan->body[i + 1] == '0'
            && (i + 2 == scan->len
                || strchr(".eE", scan->body[i + 2]) == NULL))
        {
            return portal_body_fail(PORTAL_BODY_SYNTAX, err, errlen,
                                    "minus zero at byte %zu", i);
        }

        break;

    case '\0':
        return portal_body_fail(PORTAL_BODY_ENCODING, err, errlen,
                                "not text at byte %zu", i);

    default:
        break;
    }

    if (scan->depth > PORTAL_BODY_DEPTH) {
        return portal_body_fail(PORTAL_BODY_TOO_MANY, err, errlen,
                                "more than %d levels at byte %zu",
                                PORTAL_BODY_DEPTH, i);
    }

    max = scan->list ? PORTAL_BODY_LIST_KEYS : PORTAL_BODY_KEYS;

    if (scan->items > (size_t) max) {
        return portal_body_fail(PORTAL_BODY_TOO_MANY, err, errlen,
                                "more than %d keys and elements", max);
    }

    return PORTAL_BODY_OK;
}


/* a string is read: end is its last quote */

static portal_body_e
portal_body_scan_string(portal_body_scan_t *scan, size_t end, char *err,
    size_t errlen)
{
    size_t  start;

    start = scan->start;

    if (scan->naming) {
        scan->name.start = start;
        scan->name.len = end + 1 - start;
    }

    if (portal_body_is_text(scan->body + start + 1, scan->body + end)) {
        return PORTAL_BODY_OK;
    }

    if (scan->naming || scan->name.len == 0 || scan->list) {
        return portal_body_fail(PORTAL_BODY_ENCODING, err, errlen,
                                "not text at byte %zu", start);
    }

    if (scan->copy == NULL) {
        scan->copy = malloc(scan->len);
        if (scan->copy == NULL) {
            return portal_body_fail(PORTAL_BODY_MEMORY, err, errlen,
                                    "no memory");
        }

        memcpy(scan->copy, scan->body, scan->len);
    }

    /* something else of the same length: the parser tells the same places */

    memset(scan->copy + start + 1, '?', end - start - 1);

    if (scan->nfields == 0
        || scan->field[scan->nfields - 1].start != scan->name.start)
    {
        /* a field takes a sign that is counted: there is room */

        scan->field[scan->nfields++] = scan->name;
    }

    return PORTAL_BODY_OK;
}


/* UTF-8 without a NUL, and no escape that is a NUL or half a character */

static int
portal_body_is_text(const char *p, const char *last)
{
    int  unit;

    if (memchr(p, '\0', (size_t) (last - p)) != NULL
        || u8_check((const uint8_t *) p, (size_t) (last - p)) != NULL)
    {
        return 0;
    }

    for ( /* void */ ; p < last; p++) {

        if (*p != '\\') {
            continue;
        }

        unit = portal_body_unit(p, last);

        if (unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff)) {
            return 0;
        }

        if (unit >= 0xd800 && unit <= 0xdbff) {
            p += 6;
            unit = portal_body_unit(p, last);

            if (unit < 0xdc00 || unit > 0xdfff) {
                return 0;
            }
        }

        p++;                                    /* past what is escaped */
    }

    return 1;
}


/* what \uXXXX at p stands for, or -1 */

static int
portal_body_unit(const char *p, const char *last)
{
    char  hex[5];

    if (last - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return -1;
    }

    memcpy(hex, p + 2, 4);
    hex[4] = '\0';

    if (strspn(hex, "0123456789abcdefABCDEF") != 4) {
        return -1;
    }

    return (int) strtol(hex, NULL, 16);
}


/* a text that is none is a string that is not UTF-8 */

static portal_body_e
portal_body_fields(portal_body_scan_t *scan, json_t *object, char *err,
    size_t errlen)
{
    int                  rc;
    size_t               i;
    json_t              *name;
    portal_body_span_t  *span;

    if (!json_is_object(object)) {
        return portal_body_fail(PORTAL_BODY_SYNTAX, err, errlen,
                                "the top level is not an object");
    }

    rc = 0;

    for (i = 0; i < scan->nfields && rc == 0; i++) {
        span = &scan->field[i];

        name = json_loadb(scan->body + span->start, span->len,
                          JSON_DECODE_ANY, NULL);

        /* within a list or an object it is that which is wrong */

        if (json_is_string(json_object_get(object, json_string_value(name)))) {
            rc = json_object_set_new_nocheck(object, json_string_value(name),
                                             json_stringn_nocheck("\xff", 1));
        }

        json_decref(name);
    }

    return rc == 0 ? PORTAL_BODY_OK
                   : portal_body_fail(PORTAL_BODY_MEMORY, err, errlen,
                                      "no memory");
}


/* never the parser's own text: it quotes the body, so perhaps a password */

static portal_body_e
portal_body_json_error(const char *body, size_t len,
    const json_error_t *error, char *err, size_t errlen)
{
    size_t  at;

    switch (json_error_code(error)) {

    case json_error_out_of_memory:
        return portal_body_fail(PORTAL_BODY_MEMORY, err, errlen,
                                "no memory");

    case json_error_null_character:
    case json_error_null_byte_in_key:
    case json_error_invalid_utf8:
        return portal_body_fail(PORTAL_BODY_ENCODING, err, errlen,
                                "not text at line %d, column %d",
                                error->line, error->column);

    case json_error_duplicate_key:
        at = error->position > 0 ? (size_t) error->position : 0;
        portal_body_last_string(body, at < len ? at : len, err, errlen);
        return PORTAL_BODY_DUPLICATE;

    default:
        return portal_body_fail(PORTAL_BODY_SYNTAX, err, errlen,
                                "not JSON at line %d, column %d",
                                error->line, error->column);
    }
}


/* the key, decoded, that ends where the parser stopped */

static void
portal_body_last_string(const char *body, size_t len, char *err,
    size_t errlen)
{
    size_t    i, start, end;
    json_t   *key;
    unsigned  quoted;

    start = 0;
    end = 0;
    quoted = 0;

    for (i = 0; i < len; i++) {

        if (quoted && body[i] == '\\') {
            i++;

        } else if (body[i] == '"') {

            if (quoted) {
                end = i + 1;

            } else {
                start = i;
            }

            quoted = !quoted;
        }
    }

    key = end > start ? json_loadb(body + start, end - start,
                                   JSON_DECODE_ANY, NULL)
                      : NULL;

    (void) snprintf(err, errlen, "%s",
                    json_string_length(key) <= PORTAL_BODY_NAME
                    && json_is_string(key) ? json_string_value(key) : "");
    json_decref(key);
}
