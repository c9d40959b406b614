
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_CSV_H_INCLUDED_
#define _PORTAL_CSV_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/*
 * Comma separated values as programs and spreadsheets write them (RFC 4180,
 * with its usual liberties), read piece by piece: the encoding is found by a
 * first reading, the separator by the first line.  Plain C: no I/O.
 */

#define PORTAL_CSV_RECORD  65536    /* bytes of UTF-8 of one record */
#define PORTAL_CSV_CELLS   128      /* of one record */
#define PORTAL_CSV_PIECE   16384    /* what is fed at a time, at most */

typedef enum {
    PORTAL_CSV_UTF8 = 0,
    PORTAL_CSV_UTF16LE,
    PORTAL_CSV_UTF16BE,
    PORTAL_CSV_1252,                /* Windows-1252 */
    PORTAL_CSV_UTF32,               /* told apart, and not read */
} portal_csv_encoding_e;

/* "UTF-8", ... for reports */
extern const char *const  portal_csv_encodings[];


/*
 * What the encoding is: a byte order mark says so, or a zero byte beside the
 * first; else UTF-8 where most of what is not ASCII is, else Windows-1252.
 * Hardly two of its letters make one of UTF-8; but a file of UTF-8 that was
 * cut, or put together, has a byte that is none: its line is wrong, not each
 * name of the file.
 */

typedef struct {
    unsigned char             head[4];
    uint64_t                  bytes;
    uint32_t                  state;        /* of the check of UTF-8 */
    uint64_t                  wide;         /* its characters of many bytes */
    uint64_t                  broken;       /* bytes that are of none */
} portal_csv_probe_t;

void portal_csv_probe_init(portal_csv_probe_t *probe);
void portal_csv_probe(portal_csv_probe_t *probe, const void *data,
    size_t len);
/* at the end; bom: bytes of the mark */
portal_csv_encoding_e portal_csv_probed(const portal_csv_probe_t *probe,
    size_t *bom);


typedef enum {
    PORTAL_CSV_MORE = 0,            /* feed, or end */
    PORTAL_CSV_OK,                  /* a record is in cells */
    PORTAL_CSV_BAD,                 /* wrong says why, the next is readable */
    PORTAL_CSV_DONE,
} portal_csv_e;

typedef struct {
    const char               *data;         /* terminated; may hold zeroes */
    size_t                    len;
} portal_csv_cell_t;

typedef struct {
    portal_csv_encoding_e     encoding;
    unsigned                  plain:1;      /* a line is one cell: NDJSON */
    unsigned                  ended:1;
    unsigned                  skipping:1;   /* to the end of a long line */
    unsigned                  after_cr:1;   /* a LF belongs to the last line */
    unsigned                  stale:1;      /* nothing new to look at */
    char                      separator;    /* 0: not known yet */

    char                     *buf;          /* decoded and not used yet */
    size_t                    from;
    size_t                    to;
    size_t                    size;
    unsigned char             carry[4];     /* a character that was cut */
    size_t                    ncarry;

    uint64_t                  next_line;    /* where the next record begins */
    size_t                    again;        /* the second line of the last */

    /* the last record: valid until the next call */
    uint64_t                  line;         /* its first line, from 1 */
    uint64_t                  lines;        /* how many it has */
    size_t                    ncells;
    portal_csv_cell_t         cells[PORTAL_CSV_CELLS];
    char                     *text;         /* of the cells */

    /*
     * quote   a quote that is not closed, or text behind one that is; line
     *         and column are its own
     * long    longer than PORTAL_CSV_RECORD
     * cells   more cells than PORTAL_CSV_CELLS
     */
    const char               *wrong;
    size_t                    column;       /* from 1; 0: none */
} portal_csv_t;

/* -1: no memory; separator 0: it is found */
int portal_csv_init(portal_csv_t *csv, portal_csv_encoding_e encoding,
    char separator);
void portal_csv_free(portal_csv_t *csv);

/*
 * At most PORTAL_CSV_PIECE bytes, once next() has asked for MORE; the first
 * ones without the byte order mark.
 */
void portal_csv_feed(portal_csv_t *csv, const void *data, size_t len);
/* no more comes */
void portal_csv_end(portal_csv_t *csv);

/* lines with nothing on them are passed over */
portal_csv_e portal_csv_next(portal_csv_t *csv);

/*
 * The last record was none, since its count of cells is wrong: a quote too
 * many has swallowed lines.  Its first line is dropped, the others are read
 * again.  0 when it had one line only.
 */
int portal_csv_again(portal_csv_t *csv);


#endif /* _PORTAL_CSV_H_INCLUDED_ */
