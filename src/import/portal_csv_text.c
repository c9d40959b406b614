
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "portal_csv.h"
#include "portal_csv_text.h"


/*
 * Bytes to UTF-8.  What is no character becomes a byte that is in no UTF-8,
 * so that the check of the cell's value finds it, and names line and column.
 */

#define PORTAL_CSV_NONE  0xff


static void portal_csv_utf16(portal_csv_t *csv, const unsigned char *data,
    size_t len);
static void portal_csv_1252(portal_csv_t *csv, const unsigned char *data,
    size_t len);
static void portal_csv_put(portal_csv_t *csv, uint32_t c);


const char *const  portal_csv_encodings[] = {
    "UTF-8", "UTF-16LE", "UTF-16BE", "Windows-1252", "UTF-32"
};


/* 0x80 to 0x9f; the five that are none stay controls */

static const uint16_t  portal_csv_80[] = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
    0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
    0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
    0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178
};


void
portal_csv_probe_init(portal_csv_probe_t *probe)
{
    memset(probe, 0, sizeof(portal_csv_probe_t));
}


/*
 * state: how many bytes of a character are still to come, and between what
 * the next one is: 0x00NNLLHH.
 */

void
portal_csv_probe(portal_csv_probe_t *probe, const void *data, size_t len)
{
    size_t                i;
    uint32_t              n, low, high;
    const unsigned char  *p;

    p = data;

    for (i = 0; i < len && probe->bytes + i < sizeof(probe->head); i++) {
        probe->head[probe->bytes + i] = p[i];
    }

    probe->bytes += len;

    for (i = 0; i < len; i++) {
        n = probe->state >> 16;

        if (n != 0) {
            low = probe->state >> 8 & 0xff;
            high = probe->state & 0xff;

            if (p[i] >= low && p[i] <= high) {
                probe->state = n == 1 ? 0 : (n - 1) << 16 | 0x80bf;
                probe->wide += n == 1;
                continue;
            }

            /* the character was cut short, and this one is looked at anew */

            probe->state = 0;
            probe->broken++;
        }

        if (p[i] < 0x80) {
            continue;
        }

        n = p[i] < 0xc2 ? 0 : p[i] < 0xe0 ? 1 : p[i] < 0xf0 ? 2
            : p[i] < 0xf5 ? 3 : 0;
        low = p[i] == 0xe0 ? 0xa0 : p[i] == 0xf0 ? 0x90 : 0x80;
        high = p[i] == 0xed ? 0x9f : p[i] == 0xf4 ? 0x8f : 0xbf;

        if (n == 0) {
            probe->broken++;
            continue;
        }

        probe->state = n << 16 | low << 8 | high;
    }
}


portal_csv_encoding_e
portal_csv_probed(const portal_csv_probe_t *probe, size_t *bom)
{
    uint64_t              broken;
    const unsigned char  *head;

    head = probe->head;
    *bom = 0;

    if (probe->bytes >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0) {
        *bom = 3;
        return PORTAL_CSV_UTF8;
    }

    /* three zeroes of four bytes, or a mark of that width */

    if (probe->bytes >= 4
        && (memcmp(head, "\xff\xfe\0", 4) == 0
            || memcmp(head, "\0\0\xfe\xff", 4) == 0
            || (memcmp(head, "\0\0", 3) == 0 && head[3] != 0)
            || (head[0] != 0 && memcmp(head + 1, "\0\0", 3) == 0)))
    {
        return PORTAL_CSV_UTF32;
    }

    if (probe->bytes >= 2) {

        if (head[0] == 0xff && head[1] == 0xfe) {
            *bom = 2;
            return PORTAL_CSV_UTF16LE;
        }

        if (head[0] == 0xfe && head[1] == 0xff) {
            *bom = 2;
            return PORTAL_CSV_UTF16BE;
        }

        /* no text begins with a zero, nor has one as its second character */

        if (head[0] != 0 && head[1] == 0) {
            return PORTAL_CSV_UTF16LE;
        }

        if (head[0] == 0 && head[1] != 0) {
            return PORTAL_CSV_UTF16BE;
        }
    }

    /* one that ends within a character has one more that is none */

    broken = probe->broken + (probe->state != 0);

    return broken != 0 && broken >= probe->wide ? PORTAL_CSV_1252
                                                : PORTAL_CSV_UTF8;
}


void
portal_csv_decode(portal_csv_t *csv, const unsigned char *data, size_t len)
{
    switch (csv->encoding) {

    case PORTAL_CSV_UTF8:
        memcpy(csv->buf + csv->to, data, len);
        csv->to += len;
        break;

    case PORTAL_CSV_1252:
        portal_csv_1252(csv, data, len);
        break;

    default:
        portal_csv_utf16(csv, data, len);
    }
}


void
portal_csv_decode_end(portal_csv_t *csv)
{
    if (csv->ncarry) {
        csv->buf[csv->to++] = (char) PORTAL_CSV_NONE;
        csv->ncarry = 0;
    }
}


static void
portal_csv_1252(portal_csv_t *csv, const unsigned char *data, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        portal_csv_put(csv, data[i] >= 0x80 && data[i] < 0xa0
                            ? portal_csv_80[data[i] - 0x80] : data[i]);
    }
}


static void
portal_csv_utf16(portal_csv_t *csv, const unsigned char *data, size_t len)
{
    size_t    i;
    unsigned  big;
    uint32_t  unit, first;

    big = csv->encoding == PORTAL_CSV_UTF16BE;

    for (i = 0; i < len; i++) {
        csv->carry[csv->ncarry++] = data[i];

        if (csv->ncarry & 1) {
            continue;
        }

        unit = (uint32_t) csv->carry[csv->ncarry - (big ? 2 : 1)] << 8
               | csv->carry[csv->ncarry - (big ? 1 : 2)];

        if (csv->ncarry == 4) {
            first = (uint32_t) csv->carry[big ? 0 : 1] << 8
                    | csv->carry[big ? 1 : 0];
            csv->ncarry = 0;

            if (unit >= 0xdc00 && unit < 0xe000) {
                portal_csv_put(csv, 0x10000 + ((first - 0xd800) << 10)
                                    + (unit - 0xdc00));
                continue;
            }

            /* a half alone, then whatever comes */

            csv->buf[csv->to++] = (char) PORTAL_CSV_NONE;
        }

        if (unit >= 0xd800 && unit < 0xdc00) {
            csv->carry[0] = (unsigned char) (big ? unit >> 8 : unit & 0xff);
            csv->carry[1] = (unsigned char) (big ? unit & 0xff : unit >> 8);
            csv->ncarry = 2;
            continue;
        }

        csv->ncarry = 0;

        if (unit >= 0xdc00 && unit < 0xe000) {
            csv->buf[csv->to++] = (char) PORTAL_CSV_NONE;

        } else {
            portal_csv_put(csv, unit);
        }
    }
}


static void
portal_csv_put(portal_csv_t *csv, uint32_t c)
{
    char  *p;

    p = csv->buf + csv->to;

    if (c < 0x80) {
        *p++ = (char) c;

    } else if (c < 0x800) {
        *p++ = (char) (0xc0 | c >> 6);
        *p++ = (char) (0x80 | (c & 0x3f));

    } else if (c < 0x10000) {
        *p++ = (char) (0xe0 | c >> 12);
        *p++ = (char) (0x80 | (c >> 6 & 0x3f));
        *p++ = (char) (0x80 | (c & 0x3f));

    } else {
        *p++ = (char) (0xf0 | c >> 18);
        *p++ = (char) (0x80 | (c >> 12 & 0x3f));
        *p++ = (char) (0x80 | (c >> 6 & 0x3f));
        *p++ = (char) (0x80 | (c & 0x3f));
    }

    csv->to = (size_t) (p - csv->buf);
}
