
/*
 * Copyright (C) the portal's authors
 */


/*
 * portal-photo: one picture on the standard input, a small upright JPEG
 * without metadata on the standard output; with the argument "logo" a PNG,
 * where that is small enough.  A picture may be made to take over its
 * decoder, so this process has nothing and can do nothing: no file, no
 * network, no other process, little memory, little time.  It says what it
 * found by its exit status, portal_photo_head.h.
 */


#include "portal_photo_image.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>


#define PORTAL_PHOTO_MEMORY   (512ul * 1024 * 1024)
#define PORTAL_PHOTO_SECONDS  5         /* of work */
#define PORTAL_PHOTO_ALARM    30        /* in any case: who asked is stuck */


static int portal_photo_limits(void);
static int portal_photo_sandbox(void);
static int portal_photo_allow(scmp_filter_ctx filter);
static uint8_t *portal_photo_input(size_t *len);
static void portal_photo_output(const uint8_t *p, size_t len);


int
main(int argc, char **argv)
{
    size_t                 len;
    uint8_t               *data, *made;
    portal_photo_head_t    head;
    portal_photo_scale_t   scale;
    portal_photo_reason_e  rc;

    if (portal_photo_limits() != 0 || portal_photo_sandbox() != 0) {
        _exit(PORTAL_PHOTO_EXIT_SANDBOX);
    }

    data = portal_photo_input(&len);

    rc = portal_photo_head(data, len, &head);
    if (rc != PORTAL_PHOTO_FINE) {
        portal_photo_end(rc);
    }

    portal_photo_fit(head.width, head.height, &scale.width, &scale.height);

    switch (head.format) {

    case PORTAL_PHOTO_JPEG:
        portal_photo_jpeg(data, len, &head, &scale);
        break;

    case PORTAL_PHOTO_PNG:
        portal_photo_png(data, len, &head, &scale);
        break;

    default: /* PORTAL_PHOTO_WEBP */
        portal_photo_webp(data, len, &head, &scale);
        break;
    }

    if (!portal_photo_scale_done(&scale)) {
        portal_photo_end(PORTAL_PHOTO_DAMAGED);
    }

    portal_photo_upright(&scale, head.orientation);

    made = argc > 1 && strcmp(argv[1], "logo") == 0
           ? portal_photo_encode_logo(&scale, &len)
           : portal_photo_encode(&scale, &len);

    portal_photo_output(made, len);

    _exit(0);
}


_Noreturn void
portal_photo_end(portal_photo_reason_e reason)
{
    _exit(PORTAL_PHOTO_EXIT + (int) reason);
}


static int
portal_photo_limits(void)
{
    size_t         i;
    struct rlimit  limit;

    static const struct {
        __rlimit_resource_t  resource;
        rlim_t               most;
    } limits[] = {
        { RLIMIT_AS, PORTAL_PHOTO_MEMORY },
        { RLIMIT_CPU, PORTAL_PHOTO_SECONDS },
        { RLIMIT_CORE, 0 },
        { RLIMIT_FSIZE, 0 },
        { RLIMIT_NOFILE, 0 },
        { RLIMIT_NPROC, 0 }
    };

    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        limit.rlim_cur = limits[i].most;
        limit.rlim_max = limits[i].most;

        if (setrlimit(limits[i].resource, &limit) != 0) {
            return -1;
        }
    }

    /* no one may look into it; a reader that has gone is an error to see */

    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0
        || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
    {
        return -1;
    }

    (void) alarm(PORTAL_PHOTO_ALARM);

    return 0;
}


/* from then on any other system call kills */

static int
portal_photo_sandbox(void)
{
    int              rc;
    scmp_filter_ctx  filter;

    filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (filter == NULL) {
        return -1;
    }

    rc = portal_photo_allow(filter);

    if (rc == 0) {
        rc = seccomp_load(filter);
    }

    seccomp_release(filter);

    return rc;
}


static int
portal_photo_allow(scmp_filter_ctx filter)
{
    size_t  i;

    static const int  calls[] = {
        SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(exit),
        SCMP_SYS(exit_group)
    };

    if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
                         SCMP_ACT_KILL_PROCESS)
        != 0)
    {
        return -1;
    }

    for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) != 0) {
            return -1;
        }
    }

    /* memory that can be run would be the beginning of all the rest */

    if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1,
                         SCMP_A0(SCMP_CMP_EQ, STDIN_FILENO, 0))
        != 0
        || seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                            SCMP_A0(SCMP_CMP_EQ, STDOUT_FILENO, 0))
           != 0
        || seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0))
           != 0)
    {
        return -1;
    }

    return 0;
}


static uint8_t *
portal_photo_input(size_t *len)
{
    size_t    size;
    ssize_t   n;
    uint8_t  *data;

    size = PORTAL_PHOTO_BYTES + 1;
    data = portal_photo_alloc(size);

    *len = 0;

    while (*len < size) {
        n = read(STDIN_FILENO, data + *len, size - *len);

        if (n == 0) {
            break;
        }

        if (n < 0) {
            _exit(PORTAL_PHOTO_EXIT_IO);
        }

        *len += (size_t) n;
    }

    return data;
}


static void
portal_photo_output(const uint8_t *p, size_t len)
{
    ssize_t  n;

    while (len) {
        n = write(STDOUT_FILENO, p, len);

        if (n <= 0) {
            _exit(PORTAL_PHOTO_EXIT_IO);
        }

        p += n;
        len -= (size_t) n;
    }
}
