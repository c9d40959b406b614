
/*
 * Copyright (C) the portal's authors
 */


#include <errno.h>
#include <string.h>
#include <sodium.h>

#include "portal_argon2.h"


#define PORTAL_ARGON2_M      19456      /* KiB */
#define PORTAL_ARGON2_T      2
#define PORTAL_ARGON2_M_MIN  8
#define PORTAL_ARGON2_M_MAX  65536
#define PORTAL_ARGON2_T_MAX  10

#define PORTAL_ARGON2_SALT   22         /* chars of 16 bytes in base64 */
#define PORTAL_ARGON2_TAG    43         /* chars of 32 bytes */


static int portal_argon2_skip(const char **p, const char *text);
static int portal_argon2_number(const char **p, unsigned long max,
    unsigned long *value);
static size_t portal_argon2_base64(const char **p);


int
portal_argon2_bounds(const char *hash, int *weak)
{
    size_t         salt, tag;
    const char    *p;
    unsigned long  m, t;

    *weak = 0;

    p = hash;

    if (memchr(hash, '\0', PORTAL_ARGON2_LEN) == NULL
        || portal_argon2_skip(&p, "$argon2id$v=19$m=") == -1
        || portal_argon2_number(&p, PORTAL_ARGON2_M_MAX, &m) == -1
        || portal_argon2_skip(&p, ",t=") == -1
        || portal_argon2_number(&p, PORTAL_ARGON2_T_MAX, &t) == -1
        || portal_argon2_skip(&p, ",p=1$") == -1
        || m < PORTAL_ARGON2_M_MIN)
    {
        return -1;
    }

    salt = portal_argon2_base64(&p);

    if (portal_argon2_skip(&p, "$") == -1) {
        return -1;
    }

    tag = portal_argon2_base64(&p);

    /* RFC 9106 wants 8 bytes of salt; 16 of the tag can be guessed by none */

    if (*p != '\0' || salt < 11 || salt % 4 == 1 || tag < 22 || tag % 4 == 1) {
        return -1;
    }

    *weak = m < PORTAL_ARGON2_M || t < PORTAL_ARGON2_T
            || salt < PORTAL_ARGON2_SALT || tag < PORTAL_ARGON2_TAG;

    return 0;
}


int
portal_argon2_make(const char *password, size_t len,
    char out[PORTAL_ARGON2_LEN], portal_argon2_memory_t *kept)
{
    int  rc;

    portal_argon2_lend(kept);

    rc = crypto_pwhash_argon2id_str(out, password, len, PORTAL_ARGON2_T,
                                    PORTAL_ARGON2_M * 1024UL);

    portal_argon2_lend(NULL);

    return rc == 0 ? 0 : -1;
}


int
portal_argon2_verify(const char *hash, const char *password, size_t len,
    portal_argon2_memory_t *kept)
{
    int  rc;

    portal_argon2_lend(kept);

    errno = 0;
    rc = crypto_pwhash_argon2id_str_verify(hash, password, len);

    portal_argon2_lend(NULL);

    if (rc == 0) {
        return 1;
    }

    return errno == ENOMEM ? -1 : 0;
}


static int
portal_argon2_skip(const char **p, const char *text)
{
    size_t  len;

    len = strlen(text);

    if (strncmp(*p, text, len) != 0) {
        return -1;
    }

    *p += len;

    return 0;
}


/* 1 to max, in the one way to write it */

static int
portal_argon2_number(const char **p, unsigned long max, unsigned long *value)
{
    unsigned long  n;

    if (**p < '1' || **p > '9') {
        return -1;
    }

    for (n = 0; **p >= '0' && **p <= '9'; (*p)++) {
        n = n * 10 + (unsigned long) (**p - '0');

        if (n > max) {
            return -1;
        }
    }

    *value = n;

    return 0;
}


static size_t
portal_argon2_base64(const char **p)
{
    size_t  len;

    len = strspn(*p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                     "0123456789+/");
    *p += len;

    return len;
}
