
/*
 * Copyright (C) the portal's authors
 */


/* such a list has more bytes than a machine of 32 bits counts by itself */
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS  64
#endif

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "portal_breached.h"


#define PORTAL_BREACHED_HEX     40
#define PORTAL_BREACHED_COUNT   20      /* digits, at most */

/* the longest line: digest, colon, count, CR, LF */
#define PORTAL_BREACHED_LINE                                                  \
    (PORTAL_BREACHED_HEX + 1 + PORTAL_BREACHED_COUNT + 2)

/* where so much is left it is read line by line */
#define PORTAL_BREACHED_FEW     ((int64_t) 4 * PORTAL_BREACHED_LINE)

#define PORTAL_BREACHED_FIRST   1000    /* lines that are checked one by one */
#define PORTAL_BREACHED_SAMPLE  64      /* places between them and the end */
#define PORTAL_BREACHED_LAST    ((int64_t) 2 * PORTAL_BREACHED_LINE)


typedef struct {
    int64_t  start;
    int64_t  next;      /* where the one after it begins */
    uint8_t  digest[PORTAL_BREACHED_DIGEST];
} portal_breached_line_t;


static portal_breached_e portal_breached_after(const portal_breached_t *list,
    int64_t from, portal_breached_line_t *line);
static portal_breached_e portal_breached_at(const portal_breached_t *list,
    int64_t start, portal_breached_line_t *line);
static portal_breached_e portal_breached_read(const portal_breached_t *list,
    int64_t from, char *text, size_t *len);
static portal_breached_e portal_breached_parse(const char *text, size_t len,
    portal_breached_line_t *line);
static int portal_breached_digit(char c);


portal_breached_e
portal_breached_check(const portal_breached_t *list)
{
    int64_t                 from, last, step;
    unsigned                n;
    portal_breached_e       e;
    portal_breached_line_t  line, next;

    if (list->size == 0) {
        return PORTAL_BREACHED_EMPTY;
    }

    e = portal_breached_at(list, 0, &line);

    for (n = 1;
         e == PORTAL_BREACHED_OK && n < PORTAL_BREACHED_FIRST
         && line.next < list->size;
         n++)
    {
        e = portal_breached_at(list, line.next, &next);

        if (e == PORTAL_BREACHED_OK
            && memcmp(line.digest, next.digest, PORTAL_BREACHED_DIGEST) > 0)
        {
            e = PORTAL_BREACHED_ORDER;
        }

        line = next;
    }

    if (e != PORTAL_BREACHED_OK) {
        return e;
    }

    /* as far apart as lets each end before the last line begins */

    last = list->size - PORTAL_BREACHED_LAST;
    step = (last - line.next) / PORTAL_BREACHED_SAMPLE;

    if (step < PORTAL_BREACHED_LINE) {
        return PORTAL_BREACHED_OK;
    }

    for (from = line.next + step; from <= last; from += step) {
        e = portal_breached_after(list, from, &next);

        if (e != PORTAL_BREACHED_OK) {
            return e;
        }

        if (memcmp(line.digest, next.digest, PORTAL_BREACHED_DIGEST) > 0) {
            return PORTAL_BREACHED_ORDER;
        }

        line = next;
    }

    return PORTAL_BREACHED_OK;
}


portal_breached_e
portal_breached_find(const portal_breached_t *list,
    const uint8_t digest[PORTAL_BREACHED_DIGEST], int *found)
{
    int                     order;
    int64_t                 low, high;
    portal_breached_e       e;
    portal_breached_line_t  line;

    *found = 0;

    /* both are where lines begin, so what is looked for lies between them */

    low = 0;
    high = list->size;

    while (high - low > PORTAL_BREACHED_FEW) {

        e = portal_breached_after(list, low + (high - low) / 2, &line);
        if (e != PORTAL_BREACHED_OK) {
            return e;
        }

        order = memcmp(digest, line.digest, PORTAL_BREACHED_DIGEST);

        if (order == 0) {
            *found = 1;
            return PORTAL_BREACHED_OK;
        }

        if (order < 0) {
            high = line.start;

        } else {
            low = line.next;
        }
    }

    while (low < high) {

        e = portal_breached_at(list, low, &line);
        if (e != PORTAL_BREACHED_OK) {
            return e;
        }

        if (memcmp(digest, line.digest, PORTAL_BREACHED_DIGEST) == 0) {
            *found = 1;
            return PORTAL_BREACHED_OK;
        }

        low = line.next;
    }

    return PORTAL_BREACHED_OK;
}


/* the first line that begins behind a place, which is not in the last line */

static portal_breached_e
portal_breached_after(const portal_breached_t *list, int64_t from,
    portal_breached_line_t *line)
{
    char               text[PORTAL_BREACHED_LINE];
    size_t             len;
    const char        *end;
    portal_breached_e  e;

    len = sizeof(text);

    e = portal_breached_read(list, from, text, &len);
    if (e != PORTAL_BREACHED_OK) {
        return e;
    }

    end = memchr(text, '\n', len);
    if (end == NULL) {
        return PORTAL_BREACHED_FORM;
    }

    return portal_breached_at(list, from + (end - text) + 1, line);
}


static portal_breached_e
portal_breached_at(const portal_breached_t *list, int64_t start,
    portal_breached_line_t *line)
{
    char               text[PORTAL_BREACHED_LINE];
    size_t             len;
    portal_breached_e  e;

    len = sizeof(text);

    e = portal_breached_read(list, start, text, &len);
    if (e != PORTAL_BREACHED_OK) {
        return e;
    }

    line->start = start;

    return portal_breached_parse(text, len, line);
}


/* as many bytes as there are, len at most; fewer: it is no more what it was */

static portal_breached_e
portal_breached_read(const portal_breached_t *list, int64_t from, char *text,
    size_t *len)
{
    size_t   want, got;
    ssize_t  n;

    if (from >= list->size) {
        return PORTAL_BREACHED_FORM;
    }

    want = *len;

    if ((int64_t) want > list->size - from) {
        want = (size_t) (list->size - from);
    }

    for (got = 0; got < want; got += (size_t) n) {
        n = pread(list->fd, text + got, want - got,
                  (off_t) (from + (int64_t) got));

        if (n == -1 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            errno = n == 0 ? 0 : errno;
            return PORTAL_BREACHED_READ;
        }
    }

    *len = want;

    return PORTAL_BREACHED_OK;
}


static portal_breached_e
portal_breached_parse(const char *text, size_t len,
    portal_breached_line_t *line)
{
    int     high, low;
    size_t  i, digits;

    if (len < PORTAL_BREACHED_HEX + 2 || text[PORTAL_BREACHED_HEX] != ':') {
        return PORTAL_BREACHED_FORM;
    }

    for (i = 0; i < PORTAL_BREACHED_DIGEST; i++) {
        high = portal_breached_digit(text[2 * i]);
        low = portal_breached_digit(text[2 * i + 1]);

        if (high == -1 || low == -1) {
            return PORTAL_BREACHED_FORM;
        }

        line->digest[i] = (uint8_t) (high * 16 + low);
    }

    i = PORTAL_BREACHED_HEX + 1;

    for (digits = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
        digits++;
    }

    if (digits == 0 || digits > PORTAL_BREACHED_COUNT) {
        return PORTAL_BREACHED_FORM;
    }

    if (i < len && text[i] == '\r') {
        i++;
    }

    /* the last line may have no end */

    if (i < len && text[i++] != '\n') {
        return PORTAL_BREACHED_FORM;
    }

    line->next = line->start + (int64_t) i;

    return PORTAL_BREACHED_OK;
}


static int
portal_breached_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return -1;
}
