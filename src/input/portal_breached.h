
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_BREACHED_H_INCLUDED_
#define _PORTAL_BREACHED_H_INCLUDED_


#include <stdint.h>


/*
 * Passwords that breaches have brought to light, in the file format of Have I
 * Been Pwned: a line for each, the SHA-1 in 40 hexadecimal digits, a colon, how
 * often it was seen; LF or CR LF; sorted by the SHA-1.  Tens of gigabytes, so
 * nothing of it is kept: a search reads some forty short pieces.
 */

#define PORTAL_BREACHED_DIGEST  20      /* bytes */

/* no off_t: without nginx's headers it has another size, on 32 bits */

typedef struct {
    int      fd;        /* a regular file, open for reading */
    int64_t  size;      /* as it was when opened */
} portal_breached_t;


typedef enum {
    PORTAL_BREACHED_OK = 0,
    PORTAL_BREACHED_EMPTY,
    PORTAL_BREACHED_FORM,       /* a line is not as above */
    PORTAL_BREACHED_ORDER,      /* it is not sorted */
    PORTAL_BREACHED_READ        /* errno says why; 0: it was cut short */
} portal_breached_e;


/*
 * A look at its first lines and some more up to its end: what is found in a
 * moment, not all of it.
 */
portal_breached_e portal_breached_check(const portal_breached_t *list);

/* sets found to 1 or 0; FORM or READ: nobody knows.  Of any thread. */
portal_breached_e portal_breached_find(const portal_breached_t *list,
    const uint8_t digest[PORTAL_BREACHED_DIGEST], int *found);


#endif /* _PORTAL_BREACHED_H_INCLUDED_ */
