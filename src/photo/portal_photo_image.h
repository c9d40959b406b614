
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_PHOTO_IMAGE_H_INCLUDED_
#define _PORTAL_PHOTO_IMAGE_H_INCLUDED_


#include "portal_photo_head.h"


/*
 * The parts of the program portal-photo: it works on one picture and ends, so
 * whatever goes wrong ends it, and nothing is given back.
 */

#define PORTAL_PHOTO_LONG     480       /* pixels of the longer side */
#define PORTAL_PHOTO_QUALITY  82
#define PORTAL_PHOTO_WORST    10        /* quality, in steps down to it */
#define PORTAL_PHOTO_STEP     8
#define PORTAL_PHOTO_SMALL    60000     /* bytes; what is larger takes a step */


/* rows of RGB, made smaller as they come */

typedef struct {
    uint32_t                 in_width;
    uint32_t                 in_height;
    uint32_t                 width;
    uint32_t                 height;

    uint32_t                 y;             /* the row that is being made */
    uint32_t                 left;          /* of its height */
    uint32_t                *row;           /* sums of the row that came */
    uint64_t                *sums;          /* of the row that is made */
    uint8_t                 *rgb;           /* the picture */
} portal_photo_scale_t;


/* ends the program; the tests have another one */
_Noreturn void portal_photo_end(portal_photo_reason_e reason);

/* never NULL: ends */
void *portal_photo_alloc(size_t len);

/* how large it becomes; never larger than it is */
void portal_photo_fit(uint32_t width, uint32_t height, uint32_t *out_width,
    uint32_t *out_height);

/* rows of in_width pixels will come, in_height of them; width and height: set
   by portal_photo_fit(), neither larger */
void portal_photo_scale_begin(portal_photo_scale_t *scale, uint32_t in_width,
    uint32_t in_height);
void portal_photo_scale_row(portal_photo_scale_t *scale, const uint8_t *rgb);
/* has all of it come? */
int portal_photo_scale_done(portal_photo_scale_t *scale);

/* what is behind is white */
void portal_photo_white(const uint8_t *rgba, uint8_t *rgb, uint32_t width);

/* turns the picture as EXIF's orientation says; sides may change places */
void portal_photo_upright(portal_photo_scale_t *scale, unsigned orientation);

/* return when the whole picture is in scale->rgb, or end the program */
void portal_photo_jpeg(const uint8_t *data, size_t len,
    const portal_photo_head_t *head, portal_photo_scale_t *scale);
void portal_photo_png(const uint8_t *data, size_t len,
    const portal_photo_head_t *head, portal_photo_scale_t *scale);
void portal_photo_webp(const uint8_t *data, size_t len,
    const portal_photo_head_t *head, portal_photo_scale_t *scale);

/* a JPEG with nothing in it but the picture */
uint8_t *portal_photo_encode(const portal_photo_scale_t *scale, size_t *len);
/* a PNG, whose edges are sharp; where it is not small, a JPEG */
uint8_t *portal_photo_encode_logo(const portal_photo_scale_t *scale,
    size_t *len);


#endif /* _PORTAL_PHOTO_IMAGE_H_INCLUDED_ */
