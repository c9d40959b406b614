
/*
 * Copyright (C) the portal's authors
 */


/*
 * libFuzzer: a file's head.  What is called a photo is of a size that may be
 * decoded; and cut short it is none, unless what was cut came after its end.
 */


#include "../../src/photo/portal_photo_image.h"

#include <stdlib.h>
#include <string.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


_Noreturn void
portal_photo_end(portal_photo_reason_e reason)
{
    (void) reason;

    abort();
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                 end;
    uint8_t               *copy;
    uint32_t               width, height;
    portal_photo_head_t    head, again;
    portal_photo_reason_e  rc;

    rc = portal_photo_head(data, size, &head);

    if (head.orientation > 8 || head.scans > PORTAL_PHOTO_SCANS + 1) {
        abort();
    }

    if (rc != PORTAL_PHOTO_FINE) {
        return 0;
    }

    portal_photo_fit(head.width, head.height, &width, &height);

    if (head.width == 0 || head.height == 0 || head.orientation == 0
        || head.width > PORTAL_PHOTO_SIDE || head.height > PORTAL_PHOTO_SIDE
        || (uint64_t) head.width * head.height > PORTAL_PHOTO_PIXELS
        || width == 0 || height == 0
        || width > PORTAL_PHOTO_LONG || height > PORTAL_PHOTO_LONG)
    {
        abort();
    }

    /* where it ends: from there on all prefixes are the same photo */

    for (end = size; end > 0; end--) {
        copy = malloc(end > 1 ? end - 1 : 1);
        memcpy(copy, data, end - 1);

        rc = portal_photo_head(copy, end - 1, &again);

        free(copy);

        if (rc != PORTAL_PHOTO_FINE) {
            break;
        }

        if (memcmp(&head, &again, sizeof(portal_photo_head_t)) != 0) {
            abort();
        }

        if (size - end > 64) {
            break;
        }
    }

    return 0;
}
