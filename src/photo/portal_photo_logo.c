
/*
 * Copyright (C) the portal's authors
 */


#include "portal_photo_image.h"

#include <stdlib.h>
#include <string.h>

#include <png.h>


/*
 * A drawing of few colours is smaller as a PNG than as a JPEG, and its letters
 * have no shadows around them.  A photograph is not, and is written as one.
 */

typedef struct {
    uint8_t                 *data;
    size_t                   len;
    unsigned                 large:1;       /* it is, and was left off */
} portal_photo_drawing_t;


static void portal_photo_logo_write(png_structp png, png_bytep data,
    size_t len);
static void portal_photo_logo_flush(png_structp png);
static void portal_photo_logo_error(png_structp png, png_const_charp text);


uint8_t *
portal_photo_encode_logo(const portal_photo_scale_t *scale, size_t *len)
{
    uint32_t                y;
    png_infop               info;
    png_structp             png;
    portal_photo_drawing_t  out;

    out.data = portal_photo_alloc(PORTAL_PHOTO_SMALL);
    out.len = 0;
    out.large = 0;

    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL,
                                  portal_photo_logo_error,
                                  portal_photo_logo_error);
    info = png == NULL ? NULL : png_create_info_struct(png);

    if (info == NULL) {
        portal_photo_end(PORTAL_PHOTO_SIZE);
    }

    png_set_write_fn(png, &out, portal_photo_logo_write,
                     portal_photo_logo_flush);
    png_set_compression_level(png, 9);

    png_set_IHDR(png, info, scale->width, scale->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);

    for (y = 0; y < scale->height; y++) {
        png_write_row(png, scale->rgb + (size_t) y * scale->width * 3);
    }

    png_write_end(png, NULL);

    if (out.large) {
        return portal_photo_encode(scale, len);
    }

    *len = out.len;

    return out.data;
}


static void
portal_photo_logo_write(png_structp png, png_bytep data, size_t len)
{
    portal_photo_drawing_t  *out;

    out = png_get_io_ptr(png);

    if (out->large || len > PORTAL_PHOTO_SMALL - out->len) {
        out->large = 1;
        return;
    }

    memcpy(out->data + out->len, data, len);
    out->len += len;
}


static void
portal_photo_logo_flush(png_structp png)
{
    (void) png;
}


static void
portal_photo_logo_error(png_structp png, png_const_charp text)
{
    (void) png;
    (void) text;

    portal_photo_end(PORTAL_PHOTO_DAMAGED);
}
