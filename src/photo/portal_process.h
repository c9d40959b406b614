
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_PROCESS_H_INCLUDED_
#define _PORTAL_PROCESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Starts a program that has fd as its standard input and output, /dev/null as
 * its standard error, what as its argument, or none when NULL, and nothing
 * else: no descriptor, variable of the environment, blocked signal.  Returns
 * 0, or why it could not be.
 */
ngx_err_t portal_process_start(char *path, char *what, int fd,
    ngx_pid_t *pid);


#endif /* _PORTAL_PROCESS_H_INCLUDED_ */
