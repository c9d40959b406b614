
/*
 * Copyright (C) the portal's authors
 */


#include "portal_process.h"

#include <spawn.h>


static int portal_process_files(posix_spawn_file_actions_t *actions, int fd);


/*
 * posix_spawn() shares this process' memory until the program is in its
 * place, and copies none of it.
 */

ngx_err_t
portal_process_start(char *path, char *what, int fd, ngx_pid_t *pid)
{
    int                          rc;
    char                        *argv[3], *envp[1];
    sigset_t                     none;
    posix_spawnattr_t            attr;
    posix_spawn_file_actions_t   actions;

    rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0) {
        return rc;
    }

    rc = posix_spawnattr_init(&attr);
    if (rc != 0) {
        (void) posix_spawn_file_actions_destroy(&actions);
        return rc;
    }

    sigemptyset(&none);

    (void) posix_spawnattr_setsigmask(&attr, &none);
    (void) posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);

    argv[0] = path;
    argv[1] = what;
    argv[2] = NULL;
    envp[0] = NULL;

    rc = portal_process_files(&actions, fd);

    if (rc == 0) {
        rc = posix_spawn(pid, path, &actions, &attr, argv, envp);
    }

    (void) posix_spawnattr_destroy(&attr);
    (void) posix_spawn_file_actions_destroy(&actions);

    return rc;
}


static int
portal_process_files(posix_spawn_file_actions_t *actions, int fd)
{
    int  rc;

    rc = posix_spawn_file_actions_adddup2(actions, fd, STDIN_FILENO);

    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(actions, fd, STDOUT_FILENO);
    }

    /* nginx's is the error log; this program may not write there anyway */

    if (rc == 0) {
        rc = posix_spawn_file_actions_addopen(actions, STDERR_FILENO,
                                              "/dev/null", O_RDONLY, 0);
    }

    /* many of nginx's descriptors would stay open across an exec */

    if (rc == 0) {
        rc = posix_spawn_file_actions_addclosefrom_np(actions,
                                                      STDERR_FILENO + 1);
    }

    return rc;
}
