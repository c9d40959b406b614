
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>
#include <unistr.h>

#include "portal_mime.h"


#define PORTAL_MIME_LINE   76   /* RFC 2045, 6.7 and RFC 2047, 2 */
#define PORTAL_MIME_WORD   75   /* an encoded word, RFC 2047, 2 */

/*
 * No quoted-printable line holds "=_" (RFC 2045, 6.7): a constant cannot
 * be met in a part, hence needs no search and no randomness.
 */
#define PORTAL_MIME_BOUNDARY  "=_portal_alternative"


typedef struct {
    char            *out;
    size_t           size;
    size_t           len;
    size_t           column;
} portal_mime_writer_t;


static portal_mime_e portal_mime_check(const portal_mime_t *mime);
static int portal_mime_header_text(portal_text_t text);
static int portal_mime_utf8(portal_text_t text);
static int portal_mime_message_id(portal_text_t id);
static int portal_mime_local(portal_text_t text);
static int portal_mime_domain(portal_text_t text);
static int portal_mime_alnum(char c);

static void portal_mime_from(portal_mime_writer_t *w,
    const portal_mime_t *mime);
static void portal_mime_date(portal_mime_writer_t *w, time_t date);
static void portal_mime_phrase(portal_mime_writer_t *w, portal_text_t text,
    int quoted);
static int portal_mime_plain(portal_text_t text);
static void portal_mime_words(portal_mime_writer_t *w, portal_text_t text);
static void portal_mime_part(portal_mime_writer_t *w, const char *type,
    portal_text_t text);
static size_t portal_mime_break(portal_text_t text, size_t i);

static size_t portal_mime_character(portal_text_t text, size_t i);
static void portal_mime_hex(portal_mime_writer_t *w, char c);
static void portal_mime_put(portal_mime_writer_t *w, const char *s);
static void portal_mime_text(portal_mime_writer_t *w, portal_text_t text);
static void portal_mime_char(portal_mime_writer_t *w, char c);


portal_mime_e
portal_mime_compose(const portal_mime_t *mime, char *out, size_t size,
    size_t *len)
{
    portal_mime_e         rc;
    portal_mime_writer_t  w;

    *len = 0;

    rc = portal_mime_check(mime);
    if (rc != PORTAL_MIME_OK) {
        return rc;
    }

    memset(&w, 0, sizeof(portal_mime_writer_t));

    w.out = out;
    w.size = size;

    portal_mime_from(&w, mime);

    portal_mime_put(&w, "To: ");
    portal_mime_text(&w, mime->to);
    portal_mime_put(&w, "\r\nSubject: ");
    portal_mime_phrase(&w, mime->subject, 0);
    portal_mime_put(&w, "\r\nDate: ");
    portal_mime_date(&w, mime->date);
    portal_mime_put(&w, "\r\nMessage-ID: <");
    portal_mime_text(&w, mime->message_id);
    portal_mime_put(&w, ">\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Auto-Submitted: auto-generated\r\n"
                        "Content-Type: multipart/alternative;\r\n"
                        " boundary=\"" PORTAL_MIME_BOUNDARY "\"\r\n");

    portal_mime_part(&w, "plain", mime->text);
    portal_mime_part(&w, "html", mime->html);

    portal_mime_put(&w, "\r\n--" PORTAL_MIME_BOUNDARY "--\r\n");

    *len = w.len;

    return w.len <= PORTAL_MIME_MAX ? PORTAL_MIME_OK : PORTAL_MIME_LONG;
}


static portal_mime_e
portal_mime_check(const portal_mime_t *mime)
{
    if (!portal_mime_header_text(mime->from)
        || !portal_mime_header_text(mime->from_name)
        || !portal_mime_header_text(mime->to)
        || !portal_mime_header_text(mime->subject)
        || !portal_mime_header_text(mime->message_id)
        || !portal_mime_message_id(mime->message_id))
    {
        return PORTAL_MIME_POISONED;
    }

    if (!portal_mime_address(mime->from) || !portal_mime_address(mime->to)) {
        return PORTAL_MIME_ADDRESS;
    }

    if (mime->from_name.len > PORTAL_MIME_HEADER_MAX
        || mime->subject.len > PORTAL_MIME_HEADER_MAX
        || mime->text.len > PORTAL_MIME_MAX
        || mime->html.len > PORTAL_MIME_MAX)
    {
        return PORTAL_MIME_LONG;
    }

    if (!portal_mime_utf8(mime->text) || !portal_mime_utf8(mime->html)) {
        return PORTAL_MIME_TEXT;
    }

    return PORTAL_MIME_OK;
}


/* UTF-8 without a control, C1 and the separators of lines included */

static int
portal_mime_header_text(portal_text_t text)
{
    int     n;
    size_t  i;
    ucs4_t  c;

    for (i = 0; i < text.len; i += (size_t) n) {
        n = u8_mbtoucr(&c, (const uint8_t *) text.data + i, text.len - i);

        if (n < 1 || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028
            || c == 0x2029)
        {
            return 0;
        }
    }

    return 1;
}


/* NUL is no text */

static int
portal_mime_utf8(portal_text_t text)
{
    return text.len == 0
           || (memchr(text.data, '\0', text.len) == NULL
               && u8_check((const uint8_t *) text.data, text.len) == NULL);
}


/* like an address, but for a host's name without a dot */

static int
portal_mime_message_id(portal_text_t id)
{
    size_t  i, at;

    at = 0;

    for (i = 0; i < id.len; i++) {

        if (id.data[i] == '@' && i > 0) {
            at++;

        } else if (!portal_mime_alnum(id.data[i])
                   && strchr("-._", id.data[i]) == NULL)
        {
            return 0;
        }
    }

    return at == 1 && id.len <= 250 && id.data[id.len - 1] != '@';
}


int
portal_mime_address(portal_text_t address)
{
    const char     *at;
    portal_text_t   local, domain;

    if (address.len == 0 || address.len > PORTAL_MIME_ADDRESS_MAX) {
        return 0;
    }

    at = memchr(address.data, '@', address.len);
    if (at == NULL) {
        return 0;
    }

    local.data = address.data;
    local.len = (size_t) (at - address.data);
    domain.data = at + 1;
    domain.len = address.len - local.len - 1;

    return portal_mime_local(local) && portal_mime_domain(domain);
}


static int
portal_mime_local(portal_text_t text)
{
    char    c, before;
    size_t  i;

    before = '.';

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if ((c == '.' && before == '.')
            || (!portal_mime_alnum(c)
                && (c == '\0'
                    || strchr(".!#$%&'*+-/=?^_`{|}~", c) == NULL)))
        {
            return 0;
        }

        before = c;
    }

    return text.len > 0 && text.len <= 64 && before != '.'
           && text.data[0] != '-';
}


/* labels of letters, digits and hyphens; at least two; the last no number */

static int
portal_mime_domain(portal_text_t text)
{
    char    c, before;
    size_t  i, label, dots;

    before = '.';
    label = 0;
    dots = 0;

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (c == '.') {

            if (before == '.' || before == '-') {
                return 0;
            }

            dots++;
            label = 0;

        } else if (++label > 63
                   || (!portal_mime_alnum(c) && (c != '-' || before == '.')))
        {
            return 0;
        }

        before = c;
    }

    if (dots == 0 || before == '.' || before == '-') {
        return 0;
    }

    for (i = text.len - label; i < text.len; i++) {

        if (text.data[i] < '0' || text.data[i] > '9') {
            return 1;
        }
    }

    return 0;
}


static int
portal_mime_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
           || (c >= 'a' && c <= 'z');
}


static void
portal_mime_from(portal_mime_writer_t *w, const portal_mime_t *mime)
{
    portal_mime_put(w, "From: ");

    if (mime->from_name.len) {
        portal_mime_phrase(w, mime->from_name, 1);

        /* fold where the address would not fit; its own length is given */

        if (w->column + mime->from.len + 3 > PORTAL_MIME_LINE) {
            portal_mime_put(w, "\r\n");
        }

        portal_mime_put(w, " <");
        portal_mime_text(w, mime->from);
        portal_mime_put(w, ">");

    } else {
        portal_mime_text(w, mime->from);
    }

    portal_mime_put(w, "\r\n");
}


/* by hand: strftime()'s names are the locale's */

static void
portal_mime_date(portal_mime_writer_t *w, time_t date)
{
    static const char  days[] = "SunMonTueWedThuFriSat";
    static const char  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    int        i, n[4];
    char       digits[3];
    size_t     k;
    struct tm  tm;

    if (gmtime_r(&date, &tm) == NULL) {
        memset(&tm, 0, sizeof(struct tm));
        tm.tm_mday = 1;
    }

    digits[2] = '\0';

    for (i = 0; i < 3; i++) {
        portal_mime_char(w, days[3 * tm.tm_wday + i]);
    }

    n[0] = tm.tm_mday;
    n[1] = tm.tm_hour;
    n[2] = tm.tm_min;
    n[3] = tm.tm_sec;

    portal_mime_put(w, ", ");

    for (k = 0; k < 4; k++) {
        digits[0] = (char) ('0' + n[k] / 10);
        digits[1] = (char) ('0' + n[k] % 10);

        portal_mime_put(w, digits);

        if (k > 0) {
            portal_mime_put(w, k < 3 ? ":" : " +0000");
            continue;
        }

        portal_mime_put(w, " ");

        for (i = 0; i < 3; i++) {
            portal_mime_char(w, months[3 * tm.tm_mon + i]);
        }

        portal_mime_put(w, " ");

        for (i = 1000; i > 0; i /= 10) {
            portal_mime_char(w, (char) ('0' + (tm.tm_year + 1900) / i % 10));
        }

        portal_mime_put(w, " ");
    }
}


/* a phrase is quoted; a subject is not, RFC 5322, 3.6 */

static void
portal_mime_phrase(portal_mime_writer_t *w, portal_text_t text, int quoted)
{
    size_t  i;

    if (!portal_mime_plain(text)) {
        portal_mime_words(w, text);
        return;
    }

    if (!quoted) {
        portal_mime_text(w, text);
        return;
    }

    portal_mime_char(w, '"');

    for (i = 0; i < text.len; i++) {

        if (text.data[i] == '"' || text.data[i] == '\\') {
            portal_mime_char(w, '\\');
        }

        portal_mime_char(w, text.data[i]);
    }

    portal_mime_char(w, '"');
}


/*
 * Short ASCII that nobody takes for an encoded word and that no program
 * trims or folds, even when each of its characters gets a backslash.
 */

static int
portal_mime_plain(portal_text_t text)
{
    size_t  i, len;

    len = text.len;

    for (i = 0; i < text.len; i++) {

        if ((unsigned char) text.data[i] >= 0x80
            || (text.data[i] == '=' && i + 1 < text.len
                && text.data[i + 1] == '?')
            || (text.data[i] == ' ' && (i == 0 || i + 1 == text.len)))
        {
            return 0;
        }

        if (text.data[i] == '"' || text.data[i] == '\\') {
            len++;
        }
    }

    return len <= 64;
}


/*
 * The encoding "Q", of RFC 2047, 4.2, with the characters that 5 (3) allows
 * in a phrase: right for a subject, too.  Words and lines are broken between
 * characters only.
 */

static void
portal_mime_words(portal_mime_writer_t *w, portal_text_t text)
{
    char    c;
    size_t  i, k, n, start, need;

    start = w->column;
    portal_mime_put(w, "=?UTF-8?Q?");

    for (i = 0; i < text.len; i += n) {

        n = portal_mime_character(text, i);
        c = text.data[i];

        need = (c == ' ' || portal_mime_alnum(c)) ? 1 : 3 * n;

        if (w->column + need + 2 > PORTAL_MIME_LINE
            || w->column + need + 2 - start > PORTAL_MIME_WORD)
        {
            portal_mime_put(w, "?=\r\n ");
            start = w->column;
            portal_mime_put(w, "=?UTF-8?Q?");
        }

        if (need == 1) {
            portal_mime_char(w, (char) (c == ' ' ? '_' : c));
            continue;
        }

        for (k = 0; k < n; k++) {
            portal_mime_hex(w, text.data[i + k]);
        }
    }

    portal_mime_put(w, "?=");
}


/*
 * Quoted-printable.  A dot or "From " at a line's beginning is encoded,
 * though nobody should touch it: some program on the way always does.
 */

static void
portal_mime_part(portal_mime_writer_t *w, const char *type,
    portal_text_t text)
{
    int     literal;
    char    c;
    size_t  i, k, n, eol, need;

    portal_mime_put(w, "\r\n--" PORTAL_MIME_BOUNDARY "\r\n"
                       "Content-Type: text/");
    portal_mime_put(w, type);
    portal_mime_put(w, "; charset=utf-8\r\n"
                       "Content-Transfer-Encoding: quoted-printable\r\n"
                       "\r\n");

    for (i = 0; i < text.len; i += n) {

        n = portal_mime_break(text, i);

        if (n) {
            portal_mime_put(w, "\r\n");
            continue;
        }

        n = portal_mime_character(text, i);
        c = text.data[i];

        eol = (i + n == text.len || portal_mime_break(text, i + n));

        literal = (c == '\t' || c == ' ') ? !eol
                                          : (c > ' ' && c < 0x7f && c != '=');

        if (w->column == 0 && (c == '.' || c == 'F')) {
            literal = 0;
        }

        need = literal ? 1 : 3 * n;

        /* the line's last place is the soft break's, unless it ends there */

        if (w->column + need + !eol > PORTAL_MIME_LINE) {
            portal_mime_put(w, "=\r\n");

            if (c == '.' || c == 'F') {
                literal = 0;
            }
        }

        if (literal) {
            portal_mime_char(w, c);
            continue;
        }

        for (k = 0; k < n; k++) {
            portal_mime_hex(w, text.data[i + k]);
        }
    }
}


/* how many bytes at i break the line: CRLF, LF or a lone CR */

static size_t
portal_mime_break(portal_text_t text, size_t i)
{
    if (text.data[i] == '\n') {
        return 1;
    }

    if (text.data[i] == '\r') {
        return (i + 1 < text.len && text.data[i + 1] == '\n') ? 2 : 1;
    }

    return 0;
}


/* the length of the character at i, of checked UTF-8 */

static size_t
portal_mime_character(portal_text_t text, size_t i)
{
    int  n;

    n = u8_mblen((const uint8_t *) text.data + i, text.len - i);

    return n > 0 ? (size_t) n : 1;
}


static void
portal_mime_hex(portal_mime_writer_t *w, char c)
{
    static const char  hex[] = "0123456789ABCDEF";

    portal_mime_char(w, '=');
    portal_mime_char(w, hex[(unsigned char) c >> 4]);
    portal_mime_char(w, hex[(unsigned char) c & 15]);
}


static void
portal_mime_put(portal_mime_writer_t *w, const char *s)
{
    while (*s != '\0') {
        portal_mime_char(w, *s++);
    }
}


static void
portal_mime_text(portal_mime_writer_t *w, portal_text_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        portal_mime_char(w, text.data[i]);
    }
}


static void
portal_mime_char(portal_mime_writer_t *w, char c)
{
    if (w->len < w->size) {
        w->out[w->len] = c;
    }

    w->len++;
    w->column = c == '\n' ? 0 : w->column + 1;
}
