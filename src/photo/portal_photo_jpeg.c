
/*
 * Copyright (C) the portal's authors
 */


#include "portal_photo_image.h"

#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>


/* rows of the decoder's own: twice what is made, for the mean to be one */
#define PORTAL_PHOTO_ENOUGH  (2 * PORTAL_PHOTO_LONG)


static void portal_photo_jpeg_errors(struct jpeg_error_mgr *errors);
static void portal_photo_jpeg_error(j_common_ptr cinfo);
static void portal_photo_jpeg_message(j_common_ptr cinfo, int level);
static void portal_photo_jpeg_silence(j_common_ptr cinfo);


void
portal_photo_jpeg(const uint8_t *data, size_t len,
    const portal_photo_head_t *head, portal_photo_scale_t *scale)
{
    JSAMPROW                       row;
    uint32_t                       side;
    struct jpeg_error_mgr          errors;
    struct jpeg_decompress_struct  cinfo;

    portal_photo_jpeg_errors(&errors);
    cinfo.err = &errors;

    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, data, len);
    (void) jpeg_read_header(&cinfo, TRUE);

    if (cinfo.image_width != head->width || cinfo.image_height != head->height)
    {
        portal_photo_end(PORTAL_PHOTO_DAMAGED);
    }

    side = head->width > head->height ? head->width : head->height;

    cinfo.scale_denom = 8;
    cinfo.scale_num = 1;

    while (cinfo.scale_num < 8
           && side * cinfo.scale_num / 8 < PORTAL_PHOTO_ENOUGH)
    {
        cinfo.scale_num++;
    }

    cinfo.out_color_space = JCS_RGB;
    cinfo.do_block_smoothing = FALSE;

    (void) jpeg_start_decompress(&cinfo);

    portal_photo_scale_begin(scale, cinfo.output_width, cinfo.output_height);
    row = portal_photo_alloc((size_t) cinfo.output_width * 3);

    while (cinfo.output_scanline < cinfo.output_height) {

        if (jpeg_read_scanlines(&cinfo, &row, 1) != 1) {
            portal_photo_end(PORTAL_PHOTO_DAMAGED);
        }

        portal_photo_scale_row(scale, row);
    }

    /* what is missing after the last row counts, too */

    (void) jpeg_finish_decompress(&cinfo);
}


/* always of three colours, each two by two pixels of colour one */

uint8_t *
portal_photo_encode(const portal_photo_scale_t *scale, size_t *len)
{
    int                          quality;
    JSAMPROW                     row;
    unsigned char               *out;
    unsigned long                size;
    struct jpeg_error_mgr        errors;
    struct jpeg_compress_struct  cinfo;

    portal_photo_jpeg_errors(&errors);
    cinfo.err = &errors;

    for (quality = PORTAL_PHOTO_QUALITY; ; quality -= PORTAL_PHOTO_STEP) {
        out = NULL;
        size = 0;

        jpeg_create_compress(&cinfo);
        jpeg_mem_dest(&cinfo, &out, &size);

        cinfo.image_width = scale->width;
        cinfo.image_height = scale->height;
        cinfo.input_components = 3;
        cinfo.in_color_space = JCS_RGB;

        jpeg_set_defaults(&cinfo);
        jpeg_set_quality(&cinfo, quality, TRUE);
        cinfo.optimize_coding = TRUE;

        jpeg_start_compress(&cinfo, TRUE);

        while (cinfo.next_scanline < cinfo.image_height) {
            row = scale->rgb
                  + (size_t) cinfo.next_scanline * scale->width * 3;
            (void) jpeg_write_scanlines(&cinfo, &row, 1);
        }

        jpeg_finish_compress(&cinfo);
        jpeg_destroy_compress(&cinfo);

        if (size <= PORTAL_PHOTO_SMALL
            || quality - PORTAL_PHOTO_STEP < PORTAL_PHOTO_WORST)
        {
            *len = size;
            return out;
        }
    }
}


static void
portal_photo_jpeg_errors(struct jpeg_error_mgr *errors)
{
    (void) jpeg_std_error(errors);

    errors->error_exit = portal_photo_jpeg_error;
    errors->emit_message = portal_photo_jpeg_message;
    errors->output_message = portal_photo_jpeg_silence;
}


static void
portal_photo_jpeg_error(j_common_ptr cinfo)
{
    portal_photo_end(cinfo->err->msg_code == JERR_OUT_OF_MEMORY
                     ? PORTAL_PHOTO_SIZE : PORTAL_PHOTO_DAMAGED);
}


/*
 * libjpeg goes on where bytes are missing or wrong, in grey.  Warnings about
 * what changes nothing of the picture, and which cameras cause, are let pass.
 */

static void
portal_photo_jpeg_message(j_common_ptr cinfo, int level)
{
    if (level >= 0) {
        return;
    }

    switch (cinfo->err->msg_code) {

    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
        return;

    default:
        portal_photo_end(PORTAL_PHOTO_DAMAGED);
    }
}


static void
portal_photo_jpeg_silence(j_common_ptr cinfo)
{
    (void) cinfo;
}
