
/*
 * Copyright (C) the portal's authors
 */


#ifndef _MAIL_MIME_H_INCLUDED_
#define _MAIL_MIME_H_INCLUDED_


#define _GNU_SOURCE     /* memmem() */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/mail/portal_mime.h"


/*
 * Reads back what portal_mime_compose() has made, by the RFCs and not by its
 * code: for the unit test and for the fuzzer.
 */


static int
mail_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : -1;
}


/* quoted-printable, or "Q" when q; -1 when it is not */

static long
mail_unquote(const char *in, size_t len, int q, char *out)
{
    char    *p;
    size_t   i;

    p = out;

    for (i = 0; i < len; i++) {

        if (in[i] != '=') {
            *p++ = (char) (q && in[i] == '_' ? ' ' : in[i]);
            continue;
        }

        if (!q && i + 2 < len && in[i + 1] == '\r' && in[i + 2] == '\n') {
            i += 2;
            continue;
        }

        if (i + 2 >= len || mail_digit(in[i + 1]) < 0
            || mail_digit(in[i + 2]) < 0)
        {
            return -1;
        }

        *p++ = (char) (mail_digit(in[i + 1]) * 16 + mail_digit(in[i + 2]));
        i += 2;
    }

    return p - out;
}


static size_t
mail_crlf(portal_text_t text, char *out)
{
    char    *p;
    size_t   i;

    p = out;

    for (i = 0; i < text.len; i++) {

        if (text.data[i] != '\r' && text.data[i] != '\n') {
            *p++ = text.data[i];
            continue;
        }

        if (text.data[i] == '\r' && i + 1 < text.len
            && text.data[i + 1] == '\n')
        {
            i++;
        }

        *p++ = '\r';
        *p++ = '\n';
    }

    return (size_t) (p - out);
}


/* the part after its header's "\r\n\r\n", up to the boundary */

static const char *
mail_part(const char **at, const char *end, const char *type,
    portal_text_t want, char *a, char *b)
{
    long         n;
    size_t       i, column;
    const char  *p, *next;

    static const char  mark[] = "\r\n--=_portal_alternative";

    p = *at;

    if ((size_t) (end - p) < strlen(mark) + 40
        || memcmp(p, mark, strlen(mark)) != 0
        || memmem(p, 80, type, strlen(type)) == NULL)
    {
        return "no part where one should be";
    }

    p = memmem(p, (size_t) (end - p), "\r\n\r\n", 4);
    if (p == NULL) {
        return "a part without an end of its header";
    }

    p += 4;
    next = memmem(p - 2, (size_t) (end - p + 2), mark, strlen(mark));
    if (next == NULL) {
        return "a part without an end";
    }

    /* an empty part's end is that of its header */

    *at = next;
    i = next > p ? (size_t) (next - p) : 0;

    for (column = 0; i--; ) {
        column = p[i] == '\n' ? 0 : column + 1;

        if ((unsigned char) p[i] >= 0x80 || (p[i] == '.' && p[i - 1] == '\n')
            || column > 77)
        {
            return "a line of a part that is not fit to be sent";
        }
    }

    n = mail_unquote(p, next > p ? (size_t) (next - p) : 0, 0, a);

    return n >= 0 && (size_t) n == mail_crlf(want, b)
           && memcmp(a, b, (size_t) n) == 0 ? NULL
                                            : "a part that is another";
}


/* a header's value: encoded words, quoted, or as it is */

static const char *
mail_header(const char *p, const char *end, int phrase, portal_text_t want,
    char *a)
{
    char        *o;
    long         n;
    const char  *word, *q;

    o = a;

    if (phrase && end > p && *p == '"') {
        for (p++; p < end && *p != '"'; p++) {
            if (*p == '\\') {
                p++;
            }

            *o++ = *p;
        }

    } else if (end - p > 10 && memcmp(p, "=?UTF-8?Q?", 10) == 0) {
        word = p;

        while (end - word > 10 && memcmp(word, "=?UTF-8?Q?", 10) == 0) {
            q = memmem(word + 10, (size_t) (end - word - 10), "?=", 2);

            if (q == NULL || q + 2 - word > 75
                || memchr(word, ' ', (size_t) (q - word)) != NULL)
            {
                return "no encoded word";
            }

            n = mail_unquote(word + 10, (size_t) (q - word) - 10, 1, o);

            /* each word begins and ends with whole characters */

            if (n < 0 || (n > 0 && ((unsigned char) *o & 0xc0) == 0x80)) {
                return "a broken word";
            }

            o += n;
            word = q + 2;

            if (end - word > 3 && memcmp(word, "\r\n ", 3) == 0) {
                word += 3;
            }
        }

    } else {
        memcpy(o, p, (size_t) (end - p));
        o += end - p;
    }

    return (size_t) (o - a) == want.len && memcmp(a, want.data, want.len) == 0
           ? NULL : "a header that is another";
}


/*
 * The headers' lines: theirs only, none too long but by what cannot be folded
 * (an address, the Message-ID), no CR or LF alone.
 */

static const char *
mail_lines(const char *out, size_t len, size_t unfolded)
{
    char         name[32];
    size_t       i, column, n, body;
    const char  *p;

    static const char  names[] = " From To Subject Date Message-ID "
                                 "MIME-Version Auto-Submitted Content-Type ";

    p = memmem(out, len, "\r\n\r\n", 4);
    if (p == NULL) {
        return "no end of the headers";
    }

    body = (size_t) (p - out) + 2;
    column = 0;

    for (i = 0; i < len; i++) {

        if ((out[i] == '\n') != (i > 0 && out[i - 1] == '\r')) {
            return "a CR or LF alone";
        }

        if (i < body && column == 0 && out[i] != ' ') {
            for (n = 0; n < 28 && out[i + n] != ':'; n++) {
                name[n + 1] = out[i + n];
            }

            name[0] = ' ';
            name[n + 1] = ' ';
            name[n + 2] = '\0';

            if (strstr(names, name) == NULL) {
                return "a header of somebody else";
            }
        }

        column = out[i] == '\n' ? 0 : column + 1;

        if (column > 77 + (i < body ? unfolded : 0)) {
            return "a line that is too long";
        }
    }

    return NULL;
}


static const char *
mail_compare(const portal_mime_t *m, const char *out, size_t len, char *a,
    char *b)
{
    size_t       unfolded;
    const char  *at, *end, *why;

    unfolded = m->from.len > m->to.len ? m->from.len : m->to.len;
    unfolded = unfolded > m->message_id.len ? unfolded : m->message_id.len;

    why = mail_lines(out, len, unfolded);
    if (why) {
        return why;
    }

    end = out + len;

    if (m->from_name.len) {
        at = memmem(out, len, "\r\nTo: ", 6);
        at -= m->from.len + 3;
        at -= at > out + 8 && at[-1] == '\n' ? 2 : 0;
        why = mail_header(out + 6, at, 1, m->from_name, a);
    }

    at = memmem(out, len, "\r\nSubject: ", 11);
    why = why ? why : mail_header(at + 11,
                                  memmem(out, len, "\r\nDate: ", 8), 0,
                                  m->subject, a);
    if (why) {
        return why;
    }

    at = memmem(out, len, "\r\n\r\n--", 6);
    at += 2;

    why = mail_part(&at, end, "text/plain;", m->text, a, b);
    why = why ? why : mail_part(&at, end, "text/html;", m->html, a, b);

    if (why == NULL
        && (end - at != 28 || memcmp(end - 4, "--\r\n", 4) != 0))
    {
        why = "no end";
    }

    return why;
}


/* NULL, or what is wrong */

static char *
mail_read_back(const portal_mime_t *m)
{
    char        *out, *a, *b;
    size_t       len, n;
    const char  *why;

    if (portal_mime_compose(m, NULL, 0, &len) != PORTAL_MIME_OK) {
        return (char *) (uintptr_t) "not composed";
    }

    /* of just this length, for the sanitizer to guard */

    out = malloc(len);
    a = malloc(4 * len);
    b = malloc(4 * len);

    why = portal_mime_compose(m, out, len, &n) == PORTAL_MIME_OK && n == len
          ? mail_compare(m, out, len, a, b) : "not the length that it said";

    free(out);
    free(a);
    free(b);

    return (char *) (uintptr_t) why;
}


#endif /* _MAIL_MIME_H_INCLUDED_ */
