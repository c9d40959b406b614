
/*
 * Copyright (C) the portal's authors
 */


#include "portal_photo_image.h"

#include <stdlib.h>
#include <string.h>

#include <png.h>


typedef struct {
    const uint8_t           *data;
    size_t                   len;
} portal_photo_source_t;


static void portal_photo_png_setup(png_structp png, png_infop info,
    const portal_photo_head_t *head);
static void portal_photo_png_rows(png_structp png,
    const portal_photo_head_t *head, portal_photo_scale_t *scale);
static void portal_photo_png_read(png_structp png, png_bytep out,
    size_t len);
static void portal_photo_png_error(png_structp png, png_const_charp text);
static void portal_photo_png_warning(png_structp png, png_const_charp text);
static png_voidp portal_photo_png_alloc(png_structp png,
    png_alloc_size_t len);
static void portal_photo_png_free(png_structp png, png_voidp p);


void
portal_photo_png(const uint8_t *data, size_t len,
    const portal_photo_head_t *head, portal_photo_scale_t *scale)
{
    png_infop              info;
    png_structp            png;
    portal_photo_source_t  source;

    source.data = data;
    source.len = len;

    png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, NULL,
                                   portal_photo_png_error,
                                   portal_photo_png_warning, NULL,
                                   portal_photo_png_alloc,
                                   portal_photo_png_free);
    if (png == NULL) {
        portal_photo_end(PORTAL_PHOTO_SIZE);
    }

    info = png_create_info_struct(png);
    png_set_read_fn(png, &source, portal_photo_png_read);

    portal_photo_png_setup(png, info, head);

    portal_photo_scale_begin(scale, head->width, head->height);
    portal_photo_png_rows(png, head, scale);

    /* to its end, for its checksums */

    png_read_end(png, NULL);
}


/* whatever it is: eight bits of red, green, blue and alpha */

static void
portal_photo_png_setup(png_structp png, png_infop info,
    const portal_photo_head_t *head)
{
    /* what is text, profile or time is not even unpacked */

    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(png, PORTAL_PHOTO_SIDE, PORTAL_PHOTO_SIDE);

    png_read_info(png, info);

    if (png_get_image_width(png, info) != head->width
        || png_get_image_height(png, info) != head->height)
    {
        portal_photo_end(PORTAL_PHOTO_DAMAGED);
    }

    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
    (void) png_set_interlace_handling(png);

    png_read_update_info(png, info);

    if (png_get_rowbytes(png, info) != (size_t) head->width * 4) {
        portal_photo_end(PORTAL_PHOTO_DAMAGED);
    }
}


/* an interlaced one has no row before the last of its seven passes */

static void
portal_photo_png_rows(png_structp png, const portal_photo_head_t *head,
    portal_photo_scale_t *scale)
{
    int        passes;
    size_t     size, step;
    uint8_t   *rgba, *rgb;
    uint32_t   y;

    passes = png_set_interlace_handling(png);
    size = (size_t) head->width * 4;

    step = passes == 1 ? 0 : size;

    rgba = portal_photo_alloc(passes == 1 ? size : size * head->height);
    rgb = portal_photo_alloc((size_t) head->width * 3);

    for ( /* void */ ; passes > 1; passes--) {
        for (y = 0; y < head->height; y++) {
            png_read_row(png, rgba + y * size, NULL);
        }
    }

    for (y = 0; y < head->height; y++) {
        png_read_row(png, rgba, NULL);
        portal_photo_white(rgba, rgb, head->width);
        portal_photo_scale_row(scale, rgb);

        rgba += step;
    }
}


static void
portal_photo_png_read(png_structp png, png_bytep out, size_t len)
{
    portal_photo_source_t  *source;

    source = png_get_io_ptr(png);

    if (len > source->len) {
        portal_photo_end(PORTAL_PHOTO_DAMAGED);
    }

    memcpy(out, source->data, len);

    source->data += len;
    source->len -= len;
}


static void
portal_photo_png_error(png_structp png, png_const_charp text)
{
    (void) png;
    (void) text;

    portal_photo_end(PORTAL_PHOTO_DAMAGED);
}


/* of libpng's, none means that a byte is missing: that is its error */

static void
portal_photo_png_warning(png_structp png, png_const_charp text)
{
    (void) png;
    (void) text;
}


static png_voidp
portal_photo_png_alloc(png_structp png, png_alloc_size_t len)
{
    (void) png;

    return portal_photo_alloc(len);
}


static void
portal_photo_png_free(png_structp png, png_voidp p)
{
    (void) png;

    free(p);
}
