
/*
 * Copyright (C) the portal's authors
 */


#include <stdlib.h>
#include <string.h>

#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "portal_text.h"
#include "../crypto/portal_crypto.h"


static char *portal_text_append(char *all, size_t *used, const char *line,
    size_t n);
static int portal_text_is_ascii(const char *text, size_t len);
static int portal_text_margin(ucs4_t c);
static size_t portal_text_left(const uint8_t *s, size_t len);
static size_t portal_text_right(const uint8_t *s, size_t len);


portal_text_e
portal_text_clean(const char *text, size_t len, int trim, char **out,
    size_t *outlen)
{
    char     *copy;
    size_t    n, skip;
    ucs4_t    c;
    uint8_t  *nfc, *p, *last;

    *out = NULL;
    *outlen = 0;

    if (portal_text_is_ascii(text, len)) {
        nfc = malloc(len + 1);
        n = len;

        if (nfc == NULL) {
            return PORTAL_TEXT_MEMORY;
        }

        if (len > 0) {
            memcpy(nfc, text, len);
        }

    } else {
        /* the bodies were checked, but their reader may be another one */

        if (u8_check((const uint8_t *) text, len) != NULL) {
            return PORTAL_TEXT_ENCODING;
        }

        nfc = u8_normalize(UNINORM_NFC, (const uint8_t *) text, len, NULL,
                           &n);

        copy = nfc ? realloc(nfc, n + 1) : NULL;
        if (copy == NULL) {
            free(nfc);
        }

        nfc = (uint8_t *) copy;
    }

    if (nfc == NULL) {
        return PORTAL_TEXT_MEMORY;
    }

    if (trim) {
        skip = portal_text_left(nfc, n);
        n = skip + portal_text_right(nfc + skip, n - skip);
        n -= skip;
        memmove(nfc, nfc + skip, n);
    }

    nfc[n] = '\0';
    last = nfc + n;

    for (p = nfc; p < last; /* void */) {
        p += u8_mbtouc(&c, p, (size_t) (last - p));

        if (c == '\t' && trim == PORTAL_TEXT_TABS) {
            p[-1] = ' ';
            continue;
        }

        if (portal_text_forbidden(c)) {
            portal_wipe(nfc, n);
            free(nfc);
            return PORTAL_TEXT_CONTROL;
        }
    }

    *out = (char *) nfc;
    *outlen = n;

    return PORTAL_TEXT_OK;
}


portal_text_e
portal_text_lines(const char *text, size_t len, char **out, size_t *outlen)
{
    char           *line, *all;
    size_t          i, n, start, used;
    portal_text_e   rc;

    *out = NULL;
    *outlen = 0;

    /* NFC grows where it does; what it makes of a line is counted first */

    all = malloc(1);
    used = 0;
    rc = all ? PORTAL_TEXT_OK : PORTAL_TEXT_MEMORY;

    for (start = 0; rc == PORTAL_TEXT_OK && start <= len; start = i + 1) {

        for (i = start; i < len; i++) {
            if (text[i] == '\n' || text[i] == '\r') {
                break;
            }
        }

        rc = portal_text_clean(text + start, i - start, PORTAL_TEXT_TRIM, &line,
                               &n);

        if (rc != PORTAL_TEXT_OK) {
            break;
        }

        all = portal_text_append(all, &used, line, n);

        portal_wipe(line, n);
        free(line);

        if (all == NULL) {
            return PORTAL_TEXT_MEMORY;
        }

        i += i + 1 < len && text[i] == '\r' && text[i + 1] == '\n';
    }

    if (rc != PORTAL_TEXT_OK) {
        free(all);
        return rc;
    }

    while (used > 0 && all[used - 1] == '\n') {
        used--;
    }

    all[used] = '\0';
    *out = all;
    *outlen = used;

    return PORTAL_TEXT_OK;
}


/* the line and its end; an empty one at the beginning is left out */

static char *
portal_text_append(char *all, size_t *used, const char *line, size_t n)
{
    char  *more;

    if (n == 0 && *used == 0) {
        return all;
    }

    more = realloc(all, *used + n + 2);

    if (more == NULL) {
        free(all);
        return NULL;
    }

    memcpy(more + *used, line, n);
    more[*used + n] = '\n';
    *used += n + 1;

    return more;
}


static int
portal_text_is_ascii(const char *text, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {

        if ((unsigned char) text[i] >= 0x80) {
            return 0;
        }
    }

    return 1;
}


static size_t
portal_text_left(const uint8_t *s, size_t len)
{
    int     n;
    size_t  i;
    ucs4_t  c;

    for (i = 0; i < len; i += (size_t) n) {
        n = u8_mbtouc(&c, s + i, len - i);

        if (!portal_text_margin(c)) {
            break;
        }
    }

    return i;
}


static size_t
portal_text_right(const uint8_t *s, size_t len)
{
    ucs4_t          c;
    const uint8_t  *p;

    for ( ;; ) {
        p = u8_prev(&c, s + len, s);

        if (p == NULL || !portal_text_margin(c)) {
            return len;
        }

        len = (size_t) (p - s);
    }
}


/*
 * What is left out at both ends: spaces, and the marks that come with what is
 * copied from a telephone's contacts or a page, which nobody sees.
 */

static int
portal_text_margin(ucs4_t c)
{
    return portal_text_space(c)
           || c == 0x200b
           || (c >= 0x200e && c <= 0x200f)
           || (c >= 0x202a && c <= 0x202e)
           || c == 0x2060
           || (c >= 0x2066 && c <= 0x2069)
           || c == 0xfeff;
}


int
portal_text_space(ucs4_t c)
{
    return c == ' ' || c == '\t' || c == 0xa0 || c == 0x1680
           || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x205f
           || c == 0x3000;
}


int
portal_text_forbidden(ucs4_t c)
{
    if (c < 0x80) {
        return c < 0x20 || c == 0x7f;
    }

    return c < 0xa0                             /* C1 */
           || c == 0x061c                       /* bidi marks, overrides */
           || c == 0x200b
           || (c >= 0x200e && c <= 0x200f)
           || (c >= 0x2028 && c <= 0x202e)      /* also line separators */
           || (c >= 0x2060 && c <= 0x206f)
           || c == 0xfeff
           || (c >= 0xfdd0 && c <= 0xfdef)      /* no characters */
           || (c & 0xfffe) == 0xfffe
           || (c >= 0xfff9 && c <= 0xfffd)
           || (c >= 0xe0000 && c <= 0xe0fff)    /* tags */
           || (c >= 0xd800 && c <= 0xf8ff);     /* surrogates, private */
}


char *
portal_text_shown(const char *text, size_t len, int lines, size_t *outlen)
{
    int             n;
    char           *out;
    size_t          i, used;
    ucs4_t          c;
    const uint8_t  *s;

    s = (const uint8_t *) text;
    used = 0;

    out = malloc(len + 1);
    if (out == NULL) {
        return NULL;
    }

    for (i = 0; i < len; i += (size_t) n) {
        n = u8_mbtoucr(&c, s + i, len - i);

        if (n < 1) {
            n = 1;
            continue;
        }

        if (!portal_text_forbidden(c) || (lines && c == '\n')) {
            memcpy(out + used, s + i, (size_t) n);
            used += (size_t) n;
        }
    }

    out[used] = '\0';
    *outlen = used;

    return out;
}


char *
portal_text_ascii(const char *text, size_t len, int lower)
{
    char    *out;
    size_t   i, n, used, nraw;
    ucs4_t  *raw, *wide;

    if (len == 0) {
        return calloc(1, 1);
    }

    raw = u8_to_u32((const uint8_t *) text, len, NULL, &nraw);
    if (raw == NULL) {
        return NULL;
    }

    wide = u32_normalize(UNINORM_NFD, raw, nraw, NULL, &n);
    portal_wipe(raw, nraw * sizeof(ucs4_t));
    free(raw);

    out = wide ? malloc(n + 1) : NULL;
    used = 0;

    for (i = 0; out != NULL && i < n; i++) {

        if (uc_is_general_category_withtable(wide[i], UC_CATEGORY_MASK_M)) {
            continue;
        }

        if (wide[i] >= 0xff01 && wide[i] <= 0xff5e) {
            wide[i] -= 0xff00 - 0x20;                   /* full width */
        }

        if (wide[i] >= 0x80) {
            out[used++] = (char) ('a' + wide[i] % 26);

        } else if (lower && wide[i] >= 'A' && wide[i] <= 'Z') {
            out[used++] = (char) (wide[i] | 0x20);

        } else if (wide[i] >= 0x20 && wide[i] != 0x7f) {
            out[used++] = (char) wide[i];
        }
    }

    if (out != NULL) {
        out[used] = '\0';
    }

    if (wide != NULL) {
        portal_wipe(wide, n * sizeof(ucs4_t));
        free(wide);
    }

    return out;
}
