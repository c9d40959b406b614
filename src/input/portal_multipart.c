
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "portal_body.h"
#include "portal_multipart.h"


typedef struct {
    const char  *p;
    const char  *last;
} portal_multipart_text_t;


static portal_body_e portal_multipart_octet(portal_multipart_t *mp, char c);
static portal_body_e portal_multipart_data(portal_multipart_t *mp,
    const char **p, const char *last);
static portal_body_e portal_multipart_tell(portal_multipart_t *mp,
    const char *bytes, size_t len);
static portal_body_e portal_multipart_found(portal_multipart_t *mp);
static portal_body_e portal_multipart_header(portal_multipart_t *mp, char c);
static portal_body_e portal_multipart_line(portal_multipart_t *mp);
static portal_body_e portal_multipart_part(portal_multipart_t *mp);
static portal_body_e portal_multipart_disposition(portal_multipart_t *mp,
    portal_multipart_text_t value);
static portal_body_e portal_multipart_encoding(portal_multipart_t *mp,
    portal_multipart_text_t value);
static int portal_multipart_param(portal_multipart_text_t *text,
    portal_multipart_text_t *name, char *value, size_t size, size_t *len);
static int portal_multipart_value(portal_multipart_text_t *text, char *value,
    size_t size, size_t *len);
static portal_multipart_text_t portal_multipart_token(
    portal_multipart_text_t *text);
static void portal_multipart_space(portal_multipart_text_t *text);
static int portal_multipart_is(portal_multipart_text_t text,
    const char *word);
static int portal_multipart_tchar(char c);
static portal_body_e portal_multipart_fail(portal_multipart_t *mp,
    portal_body_e rc, const char *what);


size_t
portal_multipart_boundary(const char *type, size_t len, char *out)
{
    int                       rc;
    char                      value[PORTAL_MULTIPART_BOUNDARY + 1];
    size_t                    n, i, found;
    portal_multipart_text_t   text, name;

    text.p = type;
    text.last = type + len;
    found = 0;

    if (!portal_multipart_is(portal_multipart_token(&text), "multipart")
        || text.p == text.last || *text.p++ != '/'
        || !portal_multipart_is(portal_multipart_token(&text), "form-data"))
    {
        return 0;
    }

    for ( ;; ) {
        rc = portal_multipart_param(&text, &name, value, sizeof(value), &n);

        if (rc <= 0) {
            return rc == 0 ? found : 0;
        }

        if (!portal_multipart_is(name, "boundary")) {
            continue;
        }

        if (found || n == 0 || n > PORTAL_MULTIPART_BOUNDARY
            || value[n - 1] == ' ')
        {
            return 0;
        }

        for (i = 0; i < n; i++) {

            if ((value[i] < '0' || value[i] > '9')
                && ((value[i] | 0x20) < 'a' || (value[i] | 0x20) > 'z')
                && (value[i] == '\0'
                    || strchr("'()+_,-./:=? ", value[i]) == NULL))
            {
                return 0;
            }
        }

        memcpy(out, value, n);
        found = n;
    }
}


void
portal_multipart_init(portal_multipart_t *mp, const char *boundary,
    size_t len, const portal_multipart_told_t *told, void *data, char *err,
    size_t errlen)
{
    memset(mp, 0, sizeof(portal_multipart_t));

    mp->told = told;
    mp->data = data;
    mp->err = err;
    mp->errlen = errlen;

    memcpy(mp->delimiter, "\r\n--", 4);
    memcpy(mp->delimiter + 4, boundary, len);
    mp->ndelimiter = 4 + len;

    /* the line break of the first boundary is the body's begin */

    mp->matched = 2;
}


portal_body_e
portal_multipart_feed(portal_multipart_t *mp, const char *bytes, size_t len)
{
    const char  *p, *last;

    last = bytes + len;

    for (p = bytes; p < last && mp->failed == PORTAL_BODY_OK; /* void */) {

        if (mp->state == PORTAL_MULTIPART_DATA
            || mp->state == PORTAL_MULTIPART_BEFORE)
        {
            mp->failed = portal_multipart_data(mp, &p, last);
            continue;
        }

        mp->offset++;
        mp->failed = portal_multipart_octet(mp, *p++);
    }

    return mp->failed;
}


portal_body_e
portal_multipart_finish(portal_multipart_t *mp)
{
    if (mp->failed == PORTAL_BODY_OK
        && mp->state != PORTAL_MULTIPART_BEHIND)
    {
        mp->failed = portal_multipart_fail(mp, PORTAL_BODY_SYNTAX,
                                           "no last boundary");
    }

    return mp->failed;
}


/* all but what is between boundaries */

static portal_body_e
portal_multipart_octet(portal_multipart_t *mp, char c)
{
    switch (mp->state) {

    case PORTAL_MULTIPART_LINE:

        if (c == '-' && mp->outside == 0) {
            mp->state = PORTAL_MULTIPART_DASH;
            return PORTAL_BODY_OK;
        }

        if (c == '\r') {
            mp->state = PORTAL_MULTIPART_CR;
            return PORTAL_BODY_OK;
        }

        if ((c == ' ' || c == '\t')
            && ++mp->outside <= PORTAL_MULTIPART_PADDING)
        {
            return PORTAL_BODY_OK;
        }

        break;

    case PORTAL_MULTIPART_DASH:

        if (c == '-') {
            mp->state = PORTAL_MULTIPART_BEHIND;
            mp->outside = 0;
            return PORTAL_BODY_OK;
        }

        break;

    case PORTAL_MULTIPART_CR:

        if (c == '\n') {
            mp->state = PORTAL_MULTIPART_HEADERS;
            mp->named = 0;
            mp->file = 0;
            mp->header = 0;
            mp->nline = 0;
            return PORTAL_BODY_OK;
        }

        break;

    case PORTAL_MULTIPART_HEADERS:
        return portal_multipart_header(mp, c);

    default:                            /* behind all */

        if (++mp->outside <= PORTAL_MULTIPART_OUTSIDE) {
            return PORTAL_BODY_OK;
        }

        return portal_multipart_fail(mp, PORTAL_BODY_TOO_MANY,
                                     "too much behind the parts");
    }

    return portal_multipart_fail(mp, PORTAL_BODY_SYNTAX,
                                 "a boundary's line goes on");
}


/*
 * Only its first character is a CR, so where a delimiter does not go on
 * another one begins at that character or not at all.
 */

static portal_body_e
portal_multipart_data(portal_multipart_t *mp, const char **p,
    const char *last)
{
    size_t          n;
    const char     *cr;
    portal_body_e   rc;

    if (mp->matched == 0) {
        cr = memchr(*p, '\r', (size_t) (last - *p));
        n = (size_t) ((cr ? cr : last) - *p);

        if (n > 0) {
            rc = portal_multipart_tell(mp, *p, n);
            mp->offset += n;
            *p += n;

            return rc;
        }
    }

    if (**p == mp->delimiter[mp->matched]) {
        mp->matched++;
        mp->offset++;
        (*p)++;

        return mp->matched == mp->ndelimiter ? portal_multipart_found(mp)
                                             : PORTAL_BODY_OK;
    }

    /* it was data; the character is looked at again */

    n = mp->matched;
    mp->matched = 0;

    return portal_multipart_tell(mp, mp->delimiter, n);
}


static portal_body_e
portal_multipart_tell(portal_multipart_t *mp, const char *bytes, size_t len)
{
    if (mp->state == PORTAL_MULTIPART_DATA) {
        return mp->told->bytes(mp->data, bytes, len);
    }

    mp->outside += len;

    if (mp->outside <= PORTAL_MULTIPART_OUTSIDE) {
        return PORTAL_BODY_OK;
    }

    return portal_multipart_fail(mp, PORTAL_BODY_TOO_MANY,
                                 "too much before the first boundary");
}


static portal_body_e
portal_multipart_found(portal_multipart_t *mp)
{
    portal_body_e  rc;

    rc = PORTAL_BODY_OK;

    if (mp->state == PORTAL_MULTIPART_DATA) {
        rc = mp->told->end(mp->data, mp->offset - mp->ndelimiter);
    }

    mp->state = PORTAL_MULTIPART_LINE;
    mp->matched = 0;
    mp->outside = 0;

    return rc;
}


static portal_body_e
portal_multipart_header(portal_multipart_t *mp, char c)
{
    if (++mp->header > PORTAL_MULTIPART_HEADER) {
        return portal_multipart_fail(mp, PORTAL_BODY_TOO_MANY,
                                     "headers too long");
    }

    mp->line[mp->nline++] = c;

    if (c != '\n') {

        /* a CR ends a line or is an attempt at one */

        return mp->nline > 1 && mp->line[mp->nline - 2] == '\r'
               ? portal_multipart_fail(mp, PORTAL_BODY_SYNTAX,
                                       "a CR within a line")
               : PORTAL_BODY_OK;
    }

    if (mp->nline < 2 || mp->line[mp->nline - 2] != '\r') {
        return portal_multipart_fail(mp, PORTAL_BODY_SYNTAX,
                                     "a line ends without a CR");
    }

    mp->nline -= 2;

    if (mp->nline == 0) {
        return portal_multipart_part(mp);
    }

    return portal_multipart_line(mp);
}


static portal_body_e
portal_multipart_line(portal_multipart_t *mp)
{
    portal_multipart_text_t  name, text;

    text.p = mp->line;
    text.last = mp->line + mp->nline;
    mp->nline = 0;

    /* a line that begins with a space would go on with the one before it */

    name = portal_multipart_token(&text);

    if (name.p == name.last || text.p == text.last || *text.p++ != ':') {
        return portal_multipart_fail(mp, PORTAL_BODY_SYNTAX,
                                     "a line that is no header");
    }

    portal_multipart_space(&text);

    if (portal_multipart_is(name, "content-disposition")) {
        return portal_multipart_disposition(mp, text);
    }

    if (portal_multipart_is(name, "content-transfer-encoding")) {
        return portal_multipart_encoding(mp, text);
    }

    if (portal_multipart_is(name, "content-type")
        && portal_multipart_is(portal_multipart_token(&text), "multipart"))
    {
        return portal_multipart_fail(mp, PORTAL_BODY_SYNTAX,
                                     "parts within a part");
    }

    return PORTAL_BODY_OK;
}


static portal_body_e
portal_multipart_part(portal_multipart_t *mp)
{
    if (!mp->named) {
        return portal_multipart_fail(mp, PORTAL_BODY_SYNTAX,
                                     "a part without a name");
    }

    if (++mp->parts > PORTAL_MULTIPART_PARTS) {
        return portal_multipart_fail(mp, PORTAL_BODY_TOO_MANY,
                                     "too many parts");
    }

    mp->state = PORTAL_MULTIPART_DATA;
    mp->matched = 0;

    return mp->told->part(mp->data, mp->name, mp->nname, mp->file,
                          mp->offset);
}


/* a file name says that it is a file, and nothing else */

static portal_body_e
portal_multipart_disposition(portal_multipart_t *mp,
    portal_multipart_text_t value)
{
    int                       rc;
    char                      text[PORTAL_BODY_NAME + 2];
    size_t                    n;
    unsigned                  had;
    portal_body_e             e;
    portal_multipart_text_t   name;

    had = mp->named;

    if (had || !portal_multipart_is(portal_multipart_token(&value),
                                    "form-data"))
    {
        return portal_multipart_fail(mp, PORTAL_BODY_SYNTAX,
                                     "not one form-data disposition");
    }

    for ( ;; ) {
        rc = portal_multipart_param(&value, &name, text, sizeof(text), &n);

        if (rc < 0) {
            return portal_multipart_fail(mp, PORTAL_BODY_SYNTAX,
                                         "a disposition that is none");
        }

        if (rc == 0) {
            return PORTAL_BODY_OK;
        }

        if (portal_multipart_is(name, "filename")
            || portal_multipart_is(name, "filename*"))
        {
            mp->file = 1;
            continue;
        }

        if (!portal_multipart_is(name, "name")) {
            continue;
        }

        if (mp->named) {
            return portal_multipart_fail(mp, PORTAL_BODY_SYNTAX,
                                         "a part with two names");
        }

        e = portal_body_name(text, n, mp->err, mp->errlen);
        if (e != PORTAL_BODY_OK) {
            return e;
        }

        memcpy(mp->name, text, n);
        mp->nname = n;
        mp->named = 1;
    }
}


static portal_body_e
portal_multipart_encoding(portal_multipart_t *mp,
    portal_multipart_text_t value)
{
    portal_multipart_text_t  token;

    token = portal_multipart_token(&value);
    portal_multipart_space(&value);

    if (value.p == value.last
        && (portal_multipart_is(token, "binary")
            || portal_multipart_is(token, "8bit")
            || portal_multipart_is(token, "7bit")))
    {
        return PORTAL_BODY_OK;
    }

    return portal_multipart_fail(mp, PORTAL_BODY_SYNTAX, "an encoded part");
}


/*
 * ; name=value.  1; 0 at the end; -1 when it is none.  Of a value longer than
 * fits its length tells.
 */

static int
portal_multipart_param(portal_multipart_text_t *text,
    portal_multipart_text_t *name, char *value, size_t size, size_t *len)
{
    portal_multipart_space(text);

    if (text->p == text->last) {
        return 0;
    }

    if (*text->p++ != ';') {
        return -1;
    }

    portal_multipart_space(text);

    /* a ; at the end is a slip that harms nobody */

    if (text->p == text->last) {
        return 0;
    }

    *name = portal_multipart_token(text);

    if (name->p == name->last || text->p == text->last
        || *text->p++ != '=')
    {
        return -1;
    }

    return portal_multipart_value(text, value, size, len);
}


/* a token, or a text in quotes where \" and \\ stand for themselves */

static int
portal_multipart_value(portal_multipart_text_t *text, char *value,
    size_t size, size_t *len)
{
    char                      c;
    size_t                    n;
    portal_multipart_text_t   token;

    n = 0;

    if (text->p == text->last || *text->p != '"') {
        token = portal_multipart_token(text);
        n = (size_t) (token.last - token.p);
        memcpy(value, token.p, n < size ? n : size);
        *len = n;

        return n ? 1 : -1;
    }

    for (text->p++; text->p < text->last; text->p++) {
        c = *text->p;

        if (c == '"') {
            text->p++;
            *len = n;

            return 1;
        }

        if (c == '\\' && text->p + 1 < text->last
            && (text->p[1] == '"' || text->p[1] == '\\'))
        {
            c = *++text->p;
        }

        if (n < size) {
            value[n] = c;
        }

        n++;
    }

    return -1;
}


static portal_multipart_text_t
portal_multipart_token(portal_multipart_text_t *text)
{
    portal_multipart_text_t  token;

    token.p = text->p;

    while (text->p < text->last && portal_multipart_tchar(*text->p)) {
        text->p++;
    }

    token.last = text->p;

    return token;
}


static void
portal_multipart_space(portal_multipart_text_t *text)
{
    while (text->p < text->last && (*text->p == ' ' || *text->p == '\t')) {
        text->p++;
    }
}


static int
portal_multipart_is(portal_multipart_text_t text, const char *word)
{
    size_t  n;

    n = strlen(word);

    return (size_t) (text.last - text.p) == n
           && strncasecmp(text.p, word, n) == 0;
}


static int
portal_multipart_tchar(char c)
{
    return (c >= '0' && c <= '9')
           || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
           || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}


static portal_body_e
portal_multipart_fail(portal_multipart_t *mp, portal_body_e rc,
    const char *what)
{
    (void) snprintf(mp->err, mp->errlen, "%s, part %zu, byte %llu", what,
                    mp->parts, (unsigned long long) mp->offset);

    return rc;
}
