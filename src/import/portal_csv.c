
/*
 * Copyright (C) the portal's authors
 */


#include <stdlib.h>
#include <string.h>

#include "portal_csv.h"
#include "portal_csv_text.h"


/*
 * A record is looked for from its beginning each time that something new has
 * come: pieces are large, records are not.
 */

/* one record, and one piece of which each byte may grow */
#define PORTAL_CSV_BUFFER                                                     \
    (PORTAL_CSV_RECORD + PORTAL_CSV_GROWTH * PORTAL_CSV_PIECE + 16)

typedef struct {
    portal_csv_t         *csv;
    size_t                at;           /* in buf */
    char                 *out;          /* in text */
    size_t                quote;        /* where the last quote was opened */
    unsigned              spans:1;      /* its cell has more than one line */
} portal_csv_scan_t;


static portal_csv_e portal_csv_skip(portal_csv_t *csv);
static void portal_csv_guess(portal_csv_t *csv);
static portal_csv_e portal_csv_record(portal_csv_t *csv);
static portal_csv_e portal_csv_cell(portal_csv_scan_t *scan);
static portal_csv_e portal_csv_quoted(portal_csv_scan_t *scan);
static portal_csv_e portal_csv_unclosed(portal_csv_scan_t *scan);
static portal_csv_e portal_csv_behind(portal_csv_scan_t *scan);
static portal_csv_e portal_csv_short(portal_csv_t *csv);
static void portal_csv_use(portal_csv_t *csv, size_t to);
static size_t portal_csv_eol(const portal_csv_t *csv, size_t at);
static size_t portal_csv_eol_len(const portal_csv_t *csv, size_t at);
static uint64_t portal_csv_count(const portal_csv_t *csv, size_t from,
    size_t to);
static int portal_csv_empty(const portal_csv_t *csv);


int
portal_csv_init(portal_csv_t *csv, portal_csv_encoding_e encoding,
    char separator)
{
    memset(csv, 0, sizeof(portal_csv_t));

    csv->encoding = encoding;
    csv->separator = separator;
    csv->size = PORTAL_CSV_BUFFER;
    csv->next_line = 1;

    csv->buf = malloc(csv->size);
    csv->text = malloc(csv->size + PORTAL_CSV_CELLS + 1);

    if (csv->buf == NULL || csv->text == NULL) {
        portal_csv_free(csv);
        return -1;
    }

    return 0;
}


void
portal_csv_free(portal_csv_t *csv)
{
    free(csv->buf);
    free(csv->text);

    memset(csv, 0, sizeof(portal_csv_t));
}


void
portal_csv_feed(portal_csv_t *csv, const void *data, size_t len)
{
    memmove(csv->buf, csv->buf + csv->from, csv->to - csv->from);
    csv->to -= csv->from;
    csv->from = 0;
    csv->again = 0;
    csv->stale = 0;

    portal_csv_decode(csv, data, len);
}


void
portal_csv_end(portal_csv_t *csv)
{
    csv->ended = 1;
    csv->stale = 0;

    portal_csv_decode_end(csv);
}


portal_csv_e
portal_csv_next(portal_csv_t *csv)
{
    portal_csv_e  rc;

    csv->wrong = NULL;
    csv->column = 0;

    for ( ;; ) {

        if (csv->after_cr && csv->from < csv->to) {
            csv->from += csv->buf[csv->from] == '\n';
            csv->after_cr = 0;
        }

        if (csv->skipping && portal_csv_skip(csv) == PORTAL_CSV_MORE) {
            return PORTAL_CSV_MORE;
        }

        if (csv->from == csv->to) {
            return csv->ended ? PORTAL_CSV_DONE : PORTAL_CSV_MORE;
        }

        if (csv->stale) {
            return PORTAL_CSV_MORE;
        }

        if (csv->separator == 0 && !csv->plain) {

            if (portal_csv_eol(csv, csv->from) == csv->to && !csv->ended
                && csv->to - csv->from < PORTAL_CSV_RECORD)
            {
                csv->stale = 1;
                return PORTAL_CSV_MORE;
            }

            portal_csv_guess(csv);
            continue;
        }

        rc = portal_csv_record(csv);

        if (rc != PORTAL_CSV_OK || !portal_csv_empty(csv)) {
            return rc;
        }
    }
}


int
portal_csv_again(portal_csv_t *csv)
{
    if (csv->lines < 2 || csv->again == 0) {
        return 0;
    }

    csv->from = csv->again;
    csv->next_line = csv->line + 1;
    csv->after_cr = 0;
    csv->again = 0;

    return 1;
}


static portal_csv_e
portal_csv_skip(portal_csv_t *csv)
{
    size_t  eol;

    eol = portal_csv_eol(csv, csv->from);

    if (eol == csv->to) {
        csv->from = csv->to;
        csv->skipping = !csv->ended;

        return csv->ended ? PORTAL_CSV_OK : PORTAL_CSV_MORE;
    }

    csv->skipping = 0;
    portal_csv_use(csv, eol + portal_csv_eol_len(csv, eol));

    return PORTAL_CSV_OK;
}


/*
 * The one that the first line has most of, outside quotes.  Excel takes a
 * line "sep=;" for an order, and so does this.
 */

static void
portal_csv_guess(portal_csv_t *csv)
{
    size_t       i, eol, n[3];
    unsigned     quoted;
    const char  *p;

    static const char  separators[] = ";,\t";

    eol = portal_csv_eol(csv, csv->from);
    p = csv->buf + csv->from;

    if (eol - csv->from == 5 && memcmp(p, "sep=", 4) == 0) {
        csv->separator = p[4];
        portal_csv_use(csv, eol + (eol < csv->to
                                   ? portal_csv_eol_len(csv, eol) : 0));
        return;
    }

    memset(n, 0, sizeof(n));
    quoted = 0;

    for (i = csv->from; i < eol; i++) {
        quoted ^= csv->buf[i] == '"';

        if (!quoted && csv->buf[i] != '\0') {
            p = strchr(separators, csv->buf[i]);

            if (p != NULL) {
                n[p - separators]++;
            }
        }
    }

    csv->separator = separators[n[1] > n[0] && n[1] >= n[2] ? 1
                                : n[2] > n[0] ? 2 : 0];
}


static portal_csv_e
portal_csv_record(portal_csv_t *csv)
{
    size_t             eol;
    portal_csv_e       rc;
    portal_csv_scan_t  scan;

    memset(&scan, 0, sizeof(scan));
    scan.csv = csv;
    scan.at = csv->from;
    scan.out = csv->text;

    csv->ncells = 0;
    csv->line = csv->next_line;

    do {

        if (csv->ncells == PORTAL_CSV_CELLS) {
            csv->wrong = "cells";
            csv->skipping = 1;
            portal_csv_use(csv, scan.at);
            return PORTAL_CSV_BAD;
        }

        rc = portal_csv_cell(&scan);

        if (rc == PORTAL_CSV_MORE) {
            return portal_csv_short(csv);
        }

        if (rc == PORTAL_CSV_BAD) {
            return rc;
        }

    } while (rc == PORTAL_CSV_OK);          /* DONE: the record's last */

    if (scan.at - csv->from > PORTAL_CSV_RECORD) {
        csv->wrong = "long";
        portal_csv_use(csv, scan.at);
        return PORTAL_CSV_BAD;
    }

    csv->lines = portal_csv_count(csv, csv->from, scan.at)
                 + (csv->buf[scan.at - 1] != '\n'
                    && csv->buf[scan.at - 1] != '\r');
    csv->again = 0;

    if (csv->lines > 1) {
        eol = portal_csv_eol(csv, csv->from);
        csv->again = eol + portal_csv_eol_len(csv, eol);
    }

    portal_csv_use(csv, scan.at);

    return PORTAL_CSV_OK;
}


/* OK: a separator was behind it, DONE: the record's end */

static portal_csv_e
portal_csv_cell(portal_csv_scan_t *scan)
{
    char           c;
    portal_csv_e   rc;
    portal_csv_t  *csv;

    csv = scan->csv;

    csv->cells[csv->ncells].data = scan->out;

    if (!csv->plain && scan->at < csv->to && csv->buf[scan->at] == '"') {
        rc = portal_csv_quoted(scan);

        if (rc != PORTAL_CSV_OK) {
            return rc;
        }

    } else {

        for ( /* void */ ; scan->at < csv->to; scan->at++) {
            c = csv->buf[scan->at];

            if (c == '\n' || c == '\r' || (!csv->plain && c == csv->separator))
            {
                break;
            }

            *scan->out++ = c;
        }
    }

    csv->cells[csv->ncells].len = (size_t) (scan->out
                                            - csv->cells[csv->ncells].data);
    *scan->out++ = '\0';

    if (scan->at == csv->to) {

        if (!csv->ended) {
            return PORTAL_CSV_MORE;
        }

        csv->ncells++;
        return PORTAL_CSV_DONE;
    }

    csv->ncells++;

    if (!csv->plain && csv->buf[scan->at] == csv->separator) {
        scan->at++;
        return PORTAL_CSV_OK;
    }

    scan->at += portal_csv_eol_len(csv, scan->at);

    return PORTAL_CSV_DONE;
}


static portal_csv_e
portal_csv_quoted(portal_csv_scan_t *scan)
{
    char           c;
    portal_csv_t  *csv;

    csv = scan->csv;
    scan->quote = scan->at++;
    scan->spans = 0;

    for ( ;; ) {

        if (scan->at == csv->to) {
            return csv->ended || csv->to - csv->from >= PORTAL_CSV_RECORD
                   ? portal_csv_unclosed(scan)
                   : PORTAL_CSV_MORE;
        }

        c = csv->buf[scan->at++];

        if (c != '"') {
            scan->spans |= c == '\n' || c == '\r';
            *scan->out++ = c;
            continue;
        }

        if (scan->at == csv->to) {
            return csv->ended ? PORTAL_CSV_OK : PORTAL_CSV_MORE;
        }

        if (csv->buf[scan->at] != '"') {
            break;
        }

        *scan->out++ = '"';
        scan->at++;
    }

    c = csv->buf[scan->at];

    if (c == '\n' || c == '\r' || c == csv->separator) {
        return PORTAL_CSV_OK;
    }

    return portal_csv_behind(scan);
}


/*
 * What has swallowed the rest of the file, or much of it, is most likely one
 * quote too many: the line that it is in is dropped, those behind are read.
 */

static portal_csv_e
portal_csv_unclosed(portal_csv_scan_t *scan)
{
    size_t         eol;
    portal_csv_t  *csv;

    csv = scan->csv;
    eol = portal_csv_eol(csv, scan->quote);

    csv->wrong = "quote";
    csv->column = csv->ncells + 1;
    csv->line = csv->next_line + portal_csv_count(csv, csv->from,
                                                  scan->quote);

    if (eol == csv->to && !csv->ended) {

        /* a line that is longer than a record may be */

        csv->next_line = csv->line;
        csv->from = csv->to;
        csv->skipping = 1;

    } else {
        portal_csv_use(csv, eol + (eol < csv->to
                                   ? portal_csv_eol_len(csv, eol) : 0));
    }

    return PORTAL_CSV_BAD;
}


/* text behind a closed quote */

static portal_csv_e
portal_csv_behind(portal_csv_scan_t *scan)
{
    size_t         eol;
    portal_csv_t  *csv;

    csv = scan->csv;

    if (scan->spans) {
        return portal_csv_unclosed(scan);
    }

    eol = portal_csv_eol(csv, scan->at);

    if (eol == csv->to && !csv->ended
        && csv->to - csv->from < PORTAL_CSV_RECORD)
    {
        return PORTAL_CSV_MORE;
    }

    return portal_csv_unclosed(scan);
}


/* a record that is not there as a whole */

static portal_csv_e
portal_csv_short(portal_csv_t *csv)
{
    if (csv->to - csv->from < PORTAL_CSV_RECORD) {
        csv->stale = 1;
        return PORTAL_CSV_MORE;
    }

    csv->wrong = "long";
    csv->skipping = 1;
    portal_csv_use(csv, csv->to);

    return PORTAL_CSV_BAD;
}


/* all before to has been read */

static void
portal_csv_use(portal_csv_t *csv, size_t to)
{
    csv->next_line += portal_csv_count(csv, csv->from, to);
    csv->from = to;

    /* the LF of a line may be in the next piece */

    csv->after_cr = to > 0 && to == csv->to && csv->buf[to - 1] == '\r';
}


/* the end of the line, or of what is there */

static size_t
portal_csv_eol(const portal_csv_t *csv, size_t at)
{
    while (at < csv->to && csv->buf[at] != '\n' && csv->buf[at] != '\r') {
        at++;
    }

    return at;
}


static size_t
portal_csv_eol_len(const portal_csv_t *csv, size_t at)
{
    return csv->buf[at] == '\r' && at + 1 < csv->to
           && csv->buf[at + 1] == '\n' ? 2 : 1;
}


/* ends of lines */

static uint64_t
portal_csv_count(const portal_csv_t *csv, size_t from, size_t to)
{
    size_t    i;
    uint64_t  n;

    n = 0;

    for (i = from; i < to; i++) {
        n += csv->buf[i] == '\n'
             ? i == from || csv->buf[i - 1] != '\r' : csv->buf[i] == '\r';
    }

    return n;
}


static int
portal_csv_empty(const portal_csv_t *csv)
{
    size_t  i, n;

    for (i = 0; i < csv->ncells; i++) {

        for (n = 0; n < csv->cells[i].len; n++) {

            if (csv->cells[i].data[n] != ' ' && csv->cells[i].data[n] != '\t')
            {
                return 0;
            }
        }
    }

    return 1;
}
