
/*
 * Copyright (C) the portal's authors
 */


#include "portal_photo_image.h"

#include <webp/decode.h>


void
portal_photo_webp(const uint8_t *data, size_t len,
    const portal_photo_head_t *head, portal_photo_scale_t *scale)
{
    size_t              stride;
    uint8_t            *row, *rgb;
    uint32_t            y;
    VP8StatusCode       rc;
    WebPDecoderConfig   config;

    if (!WebPInitDecoderConfig(&config)
        || WebPGetFeatures(data, len, &config.input) != VP8_STATUS_OK
        || config.input.has_animation
        || config.input.width != (int) head->width
        || config.input.height != (int) head->height)
    {
        portal_photo_end(PORTAL_PHOTO_DAMAGED);
    }

    config.output.colorspace = config.input.has_alpha ? MODE_RGBA : MODE_RGB;

    rc = WebPDecode(data, len, &config);

    if (rc != VP8_STATUS_OK) {
        portal_photo_end(rc == VP8_STATUS_OUT_OF_MEMORY
                         ? PORTAL_PHOTO_SIZE : PORTAL_PHOTO_DAMAGED);
    }

    portal_photo_scale_begin(scale, head->width, head->height);

    row = config.output.u.RGBA.rgba;
    stride = (size_t) config.output.u.RGBA.stride;
    rgb = portal_photo_alloc((size_t) head->width * 3);

    for (y = 0; y < head->height; y++, row += stride) {

        if (config.input.has_alpha) {
            portal_photo_white(row, rgb, head->width);
            portal_photo_scale_row(scale, rgb);

        } else {
            portal_photo_scale_row(scale, row);
        }
    }
}
