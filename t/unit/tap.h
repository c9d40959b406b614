
/*
 * Copyright (C) the portal's authors
 */


#ifndef _TAP_H_INCLUDED_
#define _TAP_H_INCLUDED_


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* what a test in C says, for prove */


static unsigned  tests;
static unsigned  failed;


static inline int
ok(int pass, const char *fmt, ...)
{
    va_list  args;

    tests++;
    failed += !pass;

    printf("%sok %u - ", pass ? "" : "not ", tests);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    putchar('\n');

    return pass;
}


#endif /* _TAP_H_INCLUDED_ */
