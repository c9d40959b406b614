
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/crypto/portal_b64.h"
#include "crypto_tap.h"


/*
 * T220: workers are forked after the library has started, and seal side by
 * side under one key.  XChaCha20's nonces are random: no two may be the same.
 */

#define SEALERS  8
#define SEALED   125000
#define HEAD     2                      /* format, key id; then the nonce */
#define NONCE    24


static int
nonce_order(const void *a, const void *b)
{
    return memcmp(a, b, NONCE);
}


static void
seal_many(portal_keys_t *keys, uint8_t *nonces)
{
    int      i, n;
    char     out[128];
    size_t   len;
    uint8_t  bytes[128];

    for (i = 0; i < SEALED; i++) {
        n = portal_seal(keys, text(TOWN), text("child"), text(CHILD),
                        text("allergies"), text("arachide"), out, sizeof(out));

        if (n == -1 || portal_b64_decode(out, (size_t) n, bytes, &len) == -1
            || len < HEAD + NONCE)
        {
            _exit(1);
        }

        memcpy(nonces + (size_t) i * NONCE, bytes + HEAD, NONCE);
    }

    _exit(0);
}


static int
seal_in_workers(portal_keys_t *keys, uint8_t *nonces)
{
    int    i, status, good;
    pid_t  pid[SEALERS];

    good = 1;
    (void) fflush(stdout);

    for (i = 0; i < SEALERS; i++) {
        pid[i] = fork();

        if (pid[i] == 0) {
            seal_many(keys, nonces + (size_t) i * SEALED * NONCE);
        }
    }

    for (i = 0; i < SEALERS; i++) {
        good &= pid[i] > 0 && waitpid(pid[i], &status, 0) == pid[i]
                && status == 0;
    }

    return good;
}


int
main(void)
{
    int             good;
    size_t          n, len;
    uint8_t        *nonces;
    portal_keys_t  *keys;

    if (portal_crypto_init() == -1) {
        return 1;
    }

    len = (size_t) SEALERS * SEALED * NONCE;
    nonces = mmap(NULL, len, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                  -1, 0);
    if (nonces == MAP_FAILED) {
        return 1;
    }

    keys = keys_of(KEY1);
    good = seal_in_workers(keys, nonces);

    ok(good, "T220 a million values sealed by eight that were forked");

    qsort(nonces, SEALERS * SEALED, NONCE, nonce_order);

    for (n = NONCE; n < len; n += NONCE) {
        good &= memcmp(nonces + n, nonces + n - NONCE, NONCE) != 0;
    }

    ok(good, "T220 no two with the same nonce");

    portal_keys_free(keys);
    (void) munmap(nonces, len);

    return done();
}
