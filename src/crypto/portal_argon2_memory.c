
/*
 * Copyright (C) the portal's authors
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS  64
#endif

#include <stddef.h>
#include <sys/mman.h>
#include <sodium.h>

#include "portal_argon2.h"


/*
 * libsodium maps the memory of an Argon2 hash, and unmaps it, at each call, and
 * has no way to be given any.  The module is therefore linked with libsodium's
 * archive, and the linker sends the calls of mmap() and munmap() in it here
 * (--wrap).  The rest of the module comes here too: what is not asked for by a
 * hash goes on to the C library.
 *
 * The pages are asked for as huge ones, which Argon2, that reads all over its
 * memory, is the better for; no dump has them, and no child.
 */

/* today's 19 MiB in whole huge pages; what wants more is not served from it */
#define PORTAL_ARGON2_KEPT  ((size_t) 20 * 1024 * 1024)


/*
 * The linker's names.  Weak, for programs that are linked without --wrap and
 * call neither; hidden, since another module may do the same.
 */
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd,
    off_t offset) __attribute__((weak));
int __real_munmap(void *addr, size_t len) __attribute__((weak));
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd,
    off_t offset) __attribute__((visibility("hidden")));
int __wrap_munmap(void *addr, size_t len)
    __attribute__((visibility("hidden")));

static int portal_argon2_map(portal_argon2_memory_t *kept);


static __thread portal_argon2_memory_t  *portal_argon2_lent;


void
portal_argon2_lend(portal_argon2_memory_t *kept)
{
    portal_argon2_lent = kept;
}


int
portal_argon2_ready(portal_argon2_memory_t *kept)
{
    size_t          i;
    volatile char  *page;

    if (__real_mmap == NULL) {
        return -1;
    }

    if (kept->start) {
        return 0;
    }

    if (portal_argon2_map(kept) == -1) {
        return -1;
    }

    page = kept->start;

    for (i = 0; i < PORTAL_ARGON2_KEPT; i += 4096) {
        page[i] = 0;
    }

    return 0;
}


void
portal_argon2_wipe(portal_argon2_memory_t *kept)
{
    if (kept->left) {
        sodium_memzero(kept->start, kept->left);
        kept->left = 0;
    }
}


void
portal_argon2_free(portal_argon2_memory_t *kept)
{
    if (kept->start) {
        (void) munmap(kept->start, PORTAL_ARGON2_KEPT);
        kept->start = NULL;
        kept->left = 0;
    }
}


void *
__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    portal_argon2_memory_t  *kept;

    kept = portal_argon2_lent;

    if (kept == NULL || kept->used || addr != NULL || fd != -1
        || len > PORTAL_ARGON2_KEPT || portal_argon2_map(kept) == -1)
    {
        return __real_mmap(addr, len, prot, flags, fd, offset);
    }

    kept->used = len;

    return kept->start;
}


int
__wrap_munmap(void *addr, size_t len)
{
    portal_argon2_memory_t  *kept;

    kept = portal_argon2_lent;

    if (kept == NULL || kept->used == 0 || addr != kept->start) {
        return __real_munmap(addr, len);
    }

    if (kept->left < kept->used) {
        kept->left = kept->used;
    }

    kept->used = 0;

    return 0;
}


static int
portal_argon2_map(portal_argon2_memory_t *kept)
{
    void  *start;

    if (kept->start) {
        return 0;
    }

    start = __real_mmap(NULL, PORTAL_ARGON2_KEPT, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (start == MAP_FAILED) {
        return -1;
    }

#ifdef MADV_HUGEPAGE
    (void) madvise(start, PORTAL_ARGON2_KEPT, MADV_HUGEPAGE);
#endif
#ifdef MADV_DONTDUMP
    (void) madvise(start, PORTAL_ARGON2_KEPT, MADV_DONTDUMP);
#endif
#ifdef MADV_DONTFORK
    (void) madvise(start, PORTAL_ARGON2_KEPT, MADV_DONTFORK);
#endif

    kept->start = start;

    return 0;
}
