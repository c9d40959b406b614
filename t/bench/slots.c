
/*
 * Copyright (C) the portal's authors
 */


#include "../../src/cache/portal_l1.c"

#include <stdio.h>


/*
 * slots: bytes of shared memory for each session that a zone has room for.
 * Linked without nginx: only sizes are asked for.
 */


int
main(void)
{
    printf("%.1f\n",
           (double) sizeof(portal_l1_set_t) / (double) PORTAL_L1_WAYS);

    return 0;
}
