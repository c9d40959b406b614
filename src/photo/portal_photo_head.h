
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_PHOTO_HEAD_H_INCLUDED_
#define _PORTAL_PHOTO_HEAD_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/*
 * What a file says that it is, before any decoder sees it: JPEG, PNG or WebP
 * by content, never by a name.  Plain C over (pointer, length); nothing is
 * allocated, and the work is one pass over the bytes at most.
 */

#define PORTAL_PHOTO_BYTES   10485760   /* 10 MB */
#define PORTAL_PHOTO_PIXELS  40000000
#define PORTAL_PHOTO_SIDE    32767      /* pixels of width, of height */
#define PORTAL_PHOTO_SCANS   32         /* of a JPEG; cameras write 1 to 12 */


/* the first is no reason; what the helper exits with is EXIT + the reason */

typedef enum {
    PORTAL_PHOTO_FINE = 0,
    PORTAL_PHOTO_TYPE,      /* no still JPEG, PNG or WebP as cameras write */
    PORTAL_PHOTO_SIZE,      /* too many bytes or pixels, or memory */
    PORTAL_PHOTO_DAMAGED,   /* cut short, or not as its format says */
    PORTAL_PHOTO_REASONS
} portal_photo_reason_e;

#define PORTAL_PHOTO_EXIT          10
#define PORTAL_PHOTO_EXIT_SANDBOX  20   /* there is none: nothing was read */
#define PORTAL_PHOTO_EXIT_IO       21   /* who asked has gone */


typedef enum {
    PORTAL_PHOTO_JPEG = 0,
    PORTAL_PHOTO_PNG,
    PORTAL_PHOTO_WEBP
} portal_photo_format_e;


typedef struct {
    portal_photo_format_e    format;
    uint32_t                 width;         /* as stored, not yet upright */
    uint32_t                 height;
    unsigned                 orientation;   /* of EXIF, 1 to 8 */
    unsigned                 scans;         /* of a JPEG */
} portal_photo_head_t;


/*
 * What comes after the end of the picture (a phone's film, a second picture)
 * is not looked at.  An animation is of the wrong type; so is a JPEG that is
 * arithmetic coded, lossless, or of four colours.
 */
portal_photo_reason_e portal_photo_head(const uint8_t *data, size_t len,
    portal_photo_head_t *head);


#endif /* _PORTAL_PHOTO_HEAD_H_INCLUDED_ */
