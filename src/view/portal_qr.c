
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qrencode.h>

#include "portal_qr.h"


/* white on each side, as the standard asks for */
#define PORTAL_QR_QUIET  4

/* of a run of squares: "M177 177h177v1h-177z" */
#define PORTAL_QR_RUN    24


static char *portal_qr_draw(const QRcode *code);


char *
portal_qr_path(const char *text, size_t len, unsigned *size)
{
    char    *path;
    QRcode  *code;

    if (len == 0 || len > PORTAL_QR_TEXT) {
        return NULL;
    }

    code = QRcode_encodeData((int) len, (const unsigned char *) text, 0,
                             QR_ECLEVEL_M);
    if (code == NULL) {
        return NULL;
    }

    path = portal_qr_draw(code);
    *size = (unsigned) code->width + 2 * PORTAL_QR_QUIET;

    memset(code->data, 0, (size_t) code->width * (size_t) code->width);
    QRcode_free(code);

    return path;
}


/* each row's runs of black squares, one after the other */

static char *
portal_qr_draw(const QRcode *code)
{
    int     x, y, from, width;
    char   *path, *p;
    size_t  room;

    width = code->width;

    /* a row has a run for two squares at most */

    room = (size_t) width * (size_t) (width / 2 + 1) * PORTAL_QR_RUN + 1;

    path = malloc(room);
    if (path == NULL) {
        return NULL;
    }

    p = path;

    for (y = 0; y < width; y++) {

        for (x = 0; x < width; x++) {

            if (!(code->data[y * width + x] & 1)) {
                continue;
            }

            from = x;

            while (x < width && (code->data[y * width + x] & 1)) {
                x++;
            }

            p += snprintf(p, room - (size_t) (p - path), "M%d %dh%dv1h-%dz",
                          from + PORTAL_QR_QUIET, y + PORTAL_QR_QUIET,
                          x - from, x - from);
        }
    }

    *p = '\0';

    return path;
}
