
/*
 * Copyright (C) the portal's authors
 */


#include "portal_photo_image.h"

#include <stdlib.h>


static void portal_photo_scale_flush(portal_photo_scale_t *scale);


void *
portal_photo_alloc(size_t len)
{
    void  *p;

    p = calloc(1, len);
    if (p == NULL) {
        portal_photo_end(PORTAL_PHOTO_SIZE);
    }

    return p;
}


void
portal_photo_fit(uint32_t width, uint32_t height, uint32_t *out_width,
    uint32_t *out_height)
{
    uint32_t  side;

    *out_width = width;
    *out_height = height;

    side = width > height ? width : height;

    if (side <= PORTAL_PHOTO_LONG) {
        return;
    }

    *out_width = (width * PORTAL_PHOTO_LONG + side / 2) / side;
    *out_height = (height * PORTAL_PHOTO_LONG + side / 2) / side;

    if (*out_width == 0) {
        *out_width = 1;
    }

    if (*out_height == 0) {
        *out_height = 1;
    }
}


void
portal_photo_scale_begin(portal_photo_scale_t *scale, uint32_t in_width,
    uint32_t in_height)
{
    scale->in_width = in_width;
    scale->in_height = in_height;
    scale->y = 0;
    scale->left = in_height;

    scale->row = portal_photo_alloc(sizeof(uint32_t) * 3 * scale->width);
    scale->sums = portal_photo_alloc(sizeof(uint64_t) * 3 * scale->width);
    scale->rgb = portal_photo_alloc((size_t) scale->width * scale->height * 3);
}


/*
 * Each pixel of the result is the mean of the area that it covers.  In whole
 * numbers: a pixel that comes is "width" wide, one that is made "in_width",
 * so that both rows have the same length; the same for heights.
 */

void
portal_photo_scale_row(portal_photo_scale_t *scale, const uint8_t *rgb)
{
    uint32_t  i, x, n, here, left, *row;

    if (scale->y == scale->height || scale->in_width == 0) {
        return;
    }

    row = scale->row;
    left = scale->in_width;

    for (i = 0; i < 3 * scale->width; i++) {
        row[i] = 0;
    }

    for (x = 0; x < scale->in_width; x++, rgb += 3) {

        for (here = scale->width; here; here -= n) {
            n = here < left ? here : left;

            row[0] += rgb[0] * n;
            row[1] += rgb[1] * n;
            row[2] += rgb[2] * n;

            left -= n;

            if (left == 0) {
                left = scale->in_width;
                row += 3;
            }
        }
    }

    for (here = scale->height; here; here -= n) {
        n = here < scale->left ? here : scale->left;

        for (i = 0; i < 3 * scale->width; i++) {
            scale->sums[i] += (uint64_t) scale->row[i] * n;
        }

        scale->left -= n;

        if (scale->left == 0) {
            portal_photo_scale_flush(scale);
        }
    }
}


static void
portal_photo_scale_flush(portal_photo_scale_t *scale)
{
    uint8_t   *out;
    uint32_t   i;
    uint64_t   area;

    area = (uint64_t) scale->in_width * scale->in_height;
    out = scale->rgb + (size_t) scale->y * scale->width * 3;

    for (i = 0; i < 3 * scale->width; i++) {
        out[i] = (uint8_t) ((scale->sums[i] + area / 2) / area);
        scale->sums[i] = 0;
    }

    scale->y++;
    scale->left = scale->in_height;
}


int
portal_photo_scale_done(portal_photo_scale_t *scale)
{
    return scale->y == scale->height;
}


void
portal_photo_white(const uint8_t *rgba, uint8_t *rgb, uint32_t width)
{
    uint32_t  x, i, alpha;

    for (x = 0; x < width; x++, rgba += 4, rgb += 3) {
        alpha = rgba[3];

        for (i = 0; i < 3; i++) {
            rgb[i] = (uint8_t) ((rgba[i] * alpha + 255 * (255 - alpha) + 127)
                                / 255);
        }
    }
}


void
portal_photo_upright(portal_photo_scale_t *scale, unsigned orientation)
{
    uint8_t        *to, *rgb;
    uint32_t        x, y, w, h, width, height, sx, sy;
    const uint8_t  *from;

    if (orientation < 2 || orientation > 8) {
        return;
    }

    w = scale->width;
    h = scale->height;

    width = orientation < 5 ? w : h;
    height = orientation < 5 ? h : w;

    rgb = portal_photo_alloc((size_t) w * h * 3);
    to = rgb;

    for (y = 0; y < height; y++) {
        for (x = 0; x < width; x++, to += 3) {

            /* from 5 on rows are columns */

            sx = orientation < 5 ? x : y;
            sy = orientation < 5 ? y : x;

            if (orientation == 2 || orientation == 3 || orientation == 7
                || orientation == 8)
            {
                sx = w - 1 - sx;
            }

            if (orientation == 3 || orientation == 4 || orientation == 6
                || orientation == 7)
            {
                sy = h - 1 - sy;
            }

            from = scale->rgb + ((size_t) sy * w + sx) * 3;

            to[0] = from[0];
            to[1] = from[1];
            to[2] = from[2];
        }
    }

    free(scale->rgb);

    scale->rgb = rgb;
    scale->width = width;
    scale->height = height;
}
