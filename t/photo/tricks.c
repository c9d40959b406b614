
/*
 * Copyright (C) the portal's authors
 */


/*
 * What a picture might do to portal-photo once it had taken it over.  The
 * program is built a second time with this in the place of
 * portal_photo_head(); the one that is installed has nothing of it.
 */


#include "photo/portal_photo_image.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>


#undef portal_photo_head

portal_photo_reason_e portal_photo_head(const uint8_t *data, size_t len,
    portal_photo_head_t *head);
portal_photo_reason_e portal_photo_tricked_head(const uint8_t *data,
    size_t len, portal_photo_head_t *head);

static void calls(const char *word);
static void grow(void);
static void flood(void);
static void slow(void);


portal_photo_reason_e
portal_photo_tricked_head(const uint8_t *data, size_t len,
    portal_photo_head_t *head)
{
    char           word[16];
    volatile int  *nowhere;

    if (len < 6 || len > 20 || memcmp(data, "TRICK ", 6) != 0) {
        return portal_photo_head(data, len, head);
    }

    memset(word, 0, sizeof(word));
    memcpy(word, data + 6, len - 6);

    if (strcmp(word, "crash") == 0) {
        nowhere = NULL;
        *nowhere = 1;
    }

    while (strcmp(word, "hang") == 0) {
        __asm__ __volatile__ ("");
    }

    if (strcmp(word, "grow") == 0) {
        grow();
    }

    if (strcmp(word, "flood") == 0) {
        flood();
    }

    if (strcmp(word, "slow") == 0) {
        slow();
    }

    if (strcmp(word, "silence") == 0) {
        _exit(0);
    }

    if (strcmp(word, "sandbox") == 0) {
        _exit(PORTAL_PHOTO_EXIT_SANDBOX);
    }

    calls(word);

    /* it was let do that */

    _exit(99);
}


static void
calls(const char *word)
{
    char  *argv[] = { NULL };

    if (strcmp(word, "open") == 0) {
        (void) open("/etc/hostname", O_RDONLY);

    } else if (strcmp(word, "openat2") == 0) {
        (void) syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0);

    } else if (strcmp(word, "socket") == 0) {
        (void) socket(AF_INET, SOCK_STREAM, 0);

    } else if (strcmp(word, "connect") == 0) {
        (void) connect(0, NULL, 0);

    } else if (strcmp(word, "exec") == 0) {
        (void) execve("/bin/true", argv, argv);

    } else if (strcmp(word, "fork") == 0) {
        if (fork() == 0) {
            _exit(98);
        }

    } else if (strcmp(word, "kill") == 0) {
        (void) kill(getppid(), 0);

    } else if (strcmp(word, "ptrace") == 0) {
        (void) ptrace(PTRACE_TRACEME, 0, NULL, NULL);

    } else if (strcmp(word, "run") == 0) {
        (void) mmap(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC,
                    MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    } else if (strcmp(word, "protect") == 0) {
        (void) syscall(SYS_mprotect, NULL, 4096, PROT_READ|PROT_EXEC);

    } else if (strcmp(word, "stderr") == 0) {
        (void) !write(STDERR_FILENO, "x", 1);

    } else if (strcmp(word, "stdout-in") == 0) {
        (void) !read(STDOUT_FILENO, argv, 1);

    } else if (strcmp(word, "limit") == 0) {
        (void) syscall(SYS_prlimit64, 0, 0, NULL, NULL);

    } else if (strcmp(word, "i386") == 0) {
#ifdef __x86_64__
        /* getpid of the other architecture */
        __asm__ __volatile__ ("int $0x80" : : "a" (20) : "memory");
#else
        (void) getpid();
#endif

    } else {
        _exit(97);
    }
}


static void
grow(void)
{
    size_t          n;
    volatile char  *p;

    for (n = 0; n < 1024; n++) {
        p = malloc(1024 * 1024);

        if (p == NULL) {
            /* as a decoder that finds no memory, unless it was too late */
            portal_photo_end(n < 512 ? PORTAL_PHOTO_SIZE : 9);
        }

        memset((char *) p, 1, 1024 * 1024);
    }
}


static void
flood(void)
{
    static char  piece[65536];

    while (write(STDOUT_FILENO, piece, sizeof(piece)) > 0) {
        /* void */
    }

    _exit(PORTAL_PHOTO_EXIT_IO);
}


/* some tenths of a second of work, which succeeds */

static void
slow(void)
{
    unsigned  i;

    for (i = 0; i < 500000000u; i++) {
        __asm__ __volatile__ ("");
    }

    _exit(write(STDOUT_FILENO, "slow", 4) == 4 ? 0 : PORTAL_PHOTO_EXIT_IO);
}
