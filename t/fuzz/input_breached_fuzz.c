
/*
 * Copyright (C) the portal's authors
 */


/*
 * libFuzzer: any file as the list of breached passwords.  A search ends, and
 * what it finds is written there.
 */


#define _GNU_SOURCE

#include "../../src/input/portal_breached.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                found;
    char               hex[2 * PORTAL_BREACHED_DIGEST + 1];
    size_t             i, n;
    uint8_t            digest[PORTAL_BREACHED_DIGEST];
    portal_breached_e  e;
    portal_breached_t  list;

    if (size < PORTAL_BREACHED_DIGEST) {
        return 0;
    }

    memcpy(digest, data, PORTAL_BREACHED_DIGEST);
    data += PORTAL_BREACHED_DIGEST;
    size -= PORTAL_BREACHED_DIGEST;

    list.fd = memfd_create("list", 0);
    list.size = (int64_t) size;

    if (list.fd == -1 || write(list.fd, data, size) != (ssize_t) size) {
        abort();
    }

    e = portal_breached_find(&list, digest, &found);

    if (e == PORTAL_BREACHED_READ || e == PORTAL_BREACHED_ORDER
        || (found && e != PORTAL_BREACHED_OK))
    {
        abort();
    }

    if (found) {
        for (i = 0; i < PORTAL_BREACHED_DIGEST; i++) {
            snprintf(hex + 2 * i, 3, "%02x", digest[i]);
        }

        for (n = 0; n + 40 <= size; n++) {
            if (strncasecmp((const char *) data + n, hex, 40) == 0) {
                break;
            }
        }

        if (n + 40 > size) {
            abort();
        }
    }

    if (portal_breached_check(&list) == PORTAL_BREACHED_READ) {
        abort();
    }

    close(list.fd);

    return 0;
}
