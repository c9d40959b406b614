
/*
 * Copyright (C) the portal's authors
 */


#include "portal_photo_head.h"

#include <string.h>


/* markers of JPEG, after their 0xff */

#define PORTAL_JPEG_SOF0  0xc0      /* sequential */
#define PORTAL_JPEG_SOF2  0xc2      /* progressive */
#define PORTAL_JPEG_DHT   0xc4
#define PORTAL_JPEG_SOFN  0xcf      /* the last of all kinds of coding */
#define PORTAL_JPEG_RST0  0xd0
#define PORTAL_JPEG_RST7  0xd7
#define PORTAL_JPEG_SOI   0xd8
#define PORTAL_JPEG_EOI   0xd9
#define PORTAL_JPEG_SOS   0xda
#define PORTAL_JPEG_DNL   0xdc
#define PORTAL_JPEG_APP1  0xe1
#define PORTAL_JPEG_TEM   0x01

#define PORTAL_WEBP_ANIMATED  0x02

#define PORTAL_EXIF_ORIENTATION  0x0112
#define PORTAL_EXIF_SHORT        3


static portal_photo_reason_e portal_photo_jpeg_head(const uint8_t *p,
    const uint8_t *end, portal_photo_head_t *head);
static int portal_photo_jpeg_marker(const uint8_t **pos, const uint8_t *end);
static portal_photo_reason_e portal_photo_jpeg_segment(int marker,
    const uint8_t *p, size_t len, portal_photo_head_t *head);
static portal_photo_reason_e portal_photo_jpeg_frame(const uint8_t *p,
    size_t len, portal_photo_head_t *head);
static const uint8_t *portal_photo_jpeg_scan(const uint8_t *p,
    const uint8_t *end);
static portal_photo_reason_e portal_photo_png_head(const uint8_t *p,
    const uint8_t *end, portal_photo_head_t *head);
static portal_photo_reason_e portal_photo_webp_head(const uint8_t *p,
    const uint8_t *end, portal_photo_head_t *head);
static portal_photo_reason_e portal_photo_webp_chunk(const uint8_t *p,
    uint32_t len, portal_photo_head_t *head, uint32_t *canvas);
static portal_photo_reason_e portal_photo_pixels(portal_photo_head_t *head);
static void portal_photo_exif(const uint8_t *p, size_t len,
    portal_photo_head_t *head);
static uint32_t portal_photo_be32(const uint8_t *p);
static uint32_t portal_photo_be16(const uint8_t *p);
static uint32_t portal_photo_le32(const uint8_t *p);
static uint32_t portal_photo_le24(const uint8_t *p);
static uint32_t portal_photo_le16(const uint8_t *p);


portal_photo_reason_e
portal_photo_head(const uint8_t *data, size_t len, portal_photo_head_t *head)
{
    portal_photo_reason_e  rc;

    static const uint8_t  png[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a,
                                    '\n' };

    memset(head, 0, sizeof(portal_photo_head_t));

    if (len >= 3 && data[0] == 0xff && data[1] == PORTAL_JPEG_SOI
        && data[2] == 0xff)
    {
        head->format = PORTAL_PHOTO_JPEG;

    } else if (len >= sizeof(png) && memcmp(data, png, sizeof(png)) == 0) {
        head->format = PORTAL_PHOTO_PNG;

    } else if (len >= 12 && memcmp(data, "RIFF", 4) == 0
               && memcmp(data + 8, "WEBP", 4) == 0)
    {
        head->format = PORTAL_PHOTO_WEBP;

    } else {
        return PORTAL_PHOTO_TYPE;
    }

    if (len > PORTAL_PHOTO_BYTES) {
        return PORTAL_PHOTO_SIZE;
    }

    switch (head->format) {

    case PORTAL_PHOTO_JPEG:
        rc = portal_photo_jpeg_head(data + 2, data + len, head);
        break;

    case PORTAL_PHOTO_PNG:
        rc = portal_photo_png_head(data + sizeof(png), data + len, head);
        break;

    default: /* PORTAL_PHOTO_WEBP */
        rc = portal_photo_webp_head(data, data + len, head);
        break;
    }

    if (head->orientation == 0) {
        head->orientation = 1;
    }

    return rc;
}


static portal_photo_reason_e
portal_photo_jpeg_head(const uint8_t *p, const uint8_t *end,
    portal_photo_head_t *head)
{
    int                    marker;
    size_t                 len;
    portal_photo_reason_e  rc;

    for ( ;; ) {
        marker = portal_photo_jpeg_marker(&p, end);

        if (marker == PORTAL_JPEG_EOI) {
            return head->scans ? PORTAL_PHOTO_FINE : PORTAL_PHOTO_DAMAGED;
        }

        /* none, or one without a length where there is no place for it */

        if (marker == -1 || marker == PORTAL_JPEG_SOI
            || marker == PORTAL_JPEG_TEM
            || (marker >= PORTAL_JPEG_RST0 && marker <= PORTAL_JPEG_RST7))
        {
            return PORTAL_PHOTO_DAMAGED;
        }

        if (end - p < 2) {
            return PORTAL_PHOTO_DAMAGED;
        }

        len = portal_photo_be16(p);

        if (len < 2 || len > (size_t) (end - p)) {
            return PORTAL_PHOTO_DAMAGED;
        }

        rc = portal_photo_jpeg_segment(marker, p + 2, len - 2, head);
        if (rc != PORTAL_PHOTO_FINE) {
            return rc;
        }

        p += len;

        if (marker == PORTAL_JPEG_SOS) {
            p = portal_photo_jpeg_scan(p, end);
        }
    }
}


/* as libjpeg looks for it: past what is none, and past a stuffed zero */

static int
portal_photo_jpeg_marker(const uint8_t **pos, const uint8_t *end)
{
    const uint8_t  *p;

    p = *pos;

    for ( ;; ) {
        p = p < end ? memchr(p, 0xff, (size_t) (end - p)) : NULL;
        if (p == NULL) {
            return -1;
        }

        while (p < end && *p == 0xff) {
            p++;
        }

        if (p == end) {
            return -1;
        }

        if (*p != 0) {
            *pos = p + 1;
            return *p;
        }
    }
}


static portal_photo_reason_e
portal_photo_jpeg_segment(int marker, const uint8_t *p, size_t len,
    portal_photo_head_t *head)
{
    if (marker >= PORTAL_JPEG_SOF0 && marker <= PORTAL_JPEG_SOF2) {
        return portal_photo_jpeg_frame(p, len, head);
    }

    if (marker > PORTAL_JPEG_SOF2 && marker <= PORTAL_JPEG_SOFN
        && marker != PORTAL_JPEG_DHT)
    {
        return PORTAL_PHOTO_TYPE;
    }

    switch (marker) {

    case PORTAL_JPEG_SOS:

        /* each scan of a progressive one is a pass over all its pixels */

        if (head->width == 0 || ++head->scans > PORTAL_PHOTO_SCANS) {
            return PORTAL_PHOTO_DAMAGED;
        }

        return PORTAL_PHOTO_FINE;

    case PORTAL_JPEG_DNL:
        return PORTAL_PHOTO_DAMAGED;

    case PORTAL_JPEG_APP1:

        if (len > 6 && memcmp(p, "Exif\0", 6) == 0) {
            portal_photo_exif(p + 6, len - 6, head);
        }

        return PORTAL_PHOTO_FINE;

    default:
        return PORTAL_PHOTO_FINE;
    }
}


static portal_photo_reason_e
portal_photo_jpeg_frame(const uint8_t *p, size_t len,
    portal_photo_head_t *head)
{
    if (len < 6 || head->width != 0) {
        return PORTAL_PHOTO_DAMAGED;
    }

    if (p[0] != 8 || (p[5] != 1 && p[5] != 3)) {
        return PORTAL_PHOTO_TYPE;
    }

    if (len != 6 + 3 * (size_t) p[5]) {
        return PORTAL_PHOTO_DAMAGED;
    }

    head->height = portal_photo_be16(p + 1);
    head->width = portal_photo_be16(p + 3);

    return portal_photo_pixels(head);
}


/* where the next marker is that is not part of the coded data */

static const uint8_t *
portal_photo_jpeg_scan(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (p = memchr(p, 0xff, (size_t) (end - p))) != NULL) {

        if (end - p < 2) {
            break;
        }

        if (p[1] == 0xff) {
            p++;
            continue;
        }

        if (p[1] != 0
            && !(p[1] >= PORTAL_JPEG_RST0 && p[1] <= PORTAL_JPEG_RST7))
        {
            return p;
        }

        p += 2;
    }

    return end;
}


static portal_photo_reason_e
portal_photo_png_head(const uint8_t *p, const uint8_t *end,
    portal_photo_head_t *head)
{
    unsigned               data;
    uint32_t               len;
    const uint8_t         *type;
    portal_photo_reason_e  rc;

    data = 0;

    for ( ;; ) {

        /* length, type, what is in it, checksum */

        if (end - p < 12) {
            return PORTAL_PHOTO_DAMAGED;
        }

        len = portal_photo_be32(p);
        type = p + 4;

        if (len > (size_t) (end - p) - 12) {
            return PORTAL_PHOTO_DAMAGED;
        }

        if (head->width == 0) {

            if (memcmp(type, "IHDR", 4) != 0 || len != 13) {
                return PORTAL_PHOTO_DAMAGED;
            }

            head->width = portal_photo_be32(p + 8);
            head->height = portal_photo_be32(p + 12);

            rc = portal_photo_pixels(head);
            if (rc != PORTAL_PHOTO_FINE) {
                return rc;
            }

        } else if (memcmp(type, "IEND", 4) == 0) {
            return data ? PORTAL_PHOTO_FINE : PORTAL_PHOTO_DAMAGED;

        } else if (memcmp(type, "IDAT", 4) == 0) {
            data = 1;

        } else if (memcmp(type, "acTL", 4) == 0) {
            return PORTAL_PHOTO_TYPE;

        } else if (memcmp(type, "eXIf", 4) == 0) {
            portal_photo_exif(p + 8, len, head);
        }

        p += 12 + (size_t) len;
    }
}


static portal_photo_reason_e
portal_photo_webp_head(const uint8_t *p, const uint8_t *end,
    portal_photo_head_t *head)
{
    size_t                 rest;
    uint32_t               len, canvas[2];
    portal_photo_reason_e  rc;

    len = portal_photo_le32(p + 4);

    if (len < 4 || len > (size_t) (end - p) - 8) {
        return PORTAL_PHOTO_DAMAGED;
    }

    rest = len - 4;
    p += 12;

    canvas[0] = 0;
    canvas[1] = 0;

    while (rest >= 8) {
        len = portal_photo_le32(p + 4);
        rest -= 8;

        if (len > rest) {
            return PORTAL_PHOTO_DAMAGED;
        }

        rc = portal_photo_webp_chunk(p, len, head, canvas);
        if (rc != PORTAL_PHOTO_FINE) {
            return rc;
        }

        p += 8 + (size_t) len;
        rest -= len;

        if ((len & 1) && rest) {
            p++;
            rest--;
        }
    }

    if (rest || head->width == 0
        || (canvas[0]
            && (canvas[0] != head->width || canvas[1] != head->height)))
    {
        return PORTAL_PHOTO_DAMAGED;
    }

    return PORTAL_PHOTO_FINE;
}


static portal_photo_reason_e
portal_photo_webp_chunk(const uint8_t *p, uint32_t len,
    portal_photo_head_t *head, uint32_t *canvas)
{
    uint32_t        bits;
    const uint8_t  *in;

    in = p + 8;

    if (memcmp(p, "VP8X", 4) == 0) {

        if (len < 10 || head->width || canvas[0]) {
            return PORTAL_PHOTO_DAMAGED;
        }

        if (in[0] & PORTAL_WEBP_ANIMATED) {
            return PORTAL_PHOTO_TYPE;
        }

        canvas[0] = portal_photo_le24(in + 4) + 1;
        canvas[1] = portal_photo_le24(in + 7) + 1;

    } else if (memcmp(p, "ANIM", 4) == 0 || memcmp(p, "ANMF", 4) == 0) {
        return PORTAL_PHOTO_TYPE;

    } else if (memcmp(p, "VP8 ", 4) == 0) {

        /* a frame that stands alone, then its start code */

        if (len < 10 || head->width || (in[0] & 1)
            || memcmp(in + 3, "\x9d\x01\x2a", 3) != 0)
        {
            return PORTAL_PHOTO_DAMAGED;
        }

        head->width = portal_photo_le16(in + 6) & 0x3fff;
        head->height = portal_photo_le16(in + 8) & 0x3fff;

        return portal_photo_pixels(head);

    } else if (memcmp(p, "VP8L", 4) == 0) {

        if (len < 5 || head->width || in[0] != 0x2f) {
            return PORTAL_PHOTO_DAMAGED;
        }

        bits = portal_photo_le32(in + 1);

        head->width = (bits & 0x3fff) + 1;
        head->height = ((bits >> 14) & 0x3fff) + 1;

        return (bits >> 29) ? PORTAL_PHOTO_DAMAGED
                            : portal_photo_pixels(head);

    } else if (memcmp(p, "EXIF", 4) == 0) {

        if (len > 6 && memcmp(in, "Exif\0", 6) == 0) {
            in += 6;
            len -= 6;
        }

        portal_photo_exif(in, len, head);
    }

    return PORTAL_PHOTO_FINE;
}


static portal_photo_reason_e
portal_photo_pixels(portal_photo_head_t *head)
{
    if (head->width == 0 || head->height == 0) {
        return PORTAL_PHOTO_DAMAGED;
    }

    if (head->width > PORTAL_PHOTO_SIDE || head->height > PORTAL_PHOTO_SIDE
        || (uint64_t) head->width * head->height > PORTAL_PHOTO_PIXELS)
    {
        return PORTAL_PHOTO_SIZE;
    }

    return PORTAL_PHOTO_FINE;
}


/* the first word on it counts; what cannot be read says nothing */

static void
portal_photo_exif(const uint8_t *p, size_t len, portal_photo_head_t *head)
{
    size_t    pos;
    uint32_t  n, value;
    uint32_t  (*u16)(const uint8_t *s);
    uint32_t  (*u32)(const uint8_t *s);

    if (head->orientation || len < 8) {
        return;
    }

    if (memcmp(p, "II*\0", 4) == 0) {
        u16 = portal_photo_le16;
        u32 = portal_photo_le32;

    } else if (memcmp(p, "MM\0*", 4) == 0) {
        u16 = portal_photo_be16;
        u32 = portal_photo_be32;

    } else {
        return;
    }

    pos = u32(p + 4);

    if (pos > len - 2) {
        return;
    }

    n = u16(p + pos);

    for (pos += 2; n && len - pos >= 12; n--, pos += 12) {

        if (u16(p + pos) != PORTAL_EXIF_ORIENTATION) {
            continue;
        }

        value = u16(p + pos + 8);

        if (u16(p + pos + 2) == PORTAL_EXIF_SHORT && u32(p + pos + 4) == 1
            && value >= 1 && value <= 8)
        {
            head->orientation = value;
        }

        return;
    }
}


static uint32_t
portal_photo_be32(const uint8_t *p)
{
    return portal_photo_be16(p) << 16 | portal_photo_be16(p + 2);
}


static uint32_t
portal_photo_be16(const uint8_t *p)
{
    return (uint32_t) p[0] << 8 | p[1];
}


static uint32_t
portal_photo_le32(const uint8_t *p)
{
    return portal_photo_le24(p) | (uint32_t) p[3] << 24;
}


static uint32_t
portal_photo_le24(const uint8_t *p)
{
    return portal_photo_le16(p) | (uint32_t) p[2] << 16;
}


static uint32_t
portal_photo_le16(const uint8_t *p)
{
    return (uint32_t) p[1] << 8 | p[0];
}
