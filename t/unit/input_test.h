
/*
 * Copyright (C) the portal's authors
 */


#ifndef _INPUT_TEST_H_INCLUDED_
#define _INPUT_TEST_H_INCLUDED_


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/crypto/portal_crypto.h"
#include "../../src/input/portal_form.h"


/* what the two tests of the input share */


#define FORM                                                                  \
    "field text     text     max=20 min=2\n"                                  \
    "field name     name\n"                                                   \
    "field email    email\n"                                                  \
    "field password password\n"                                               \
    "field new      password new=name,email\n"                                \
    "field date     date max=today\n"                                         \
    "field choice   choice options=search,add\n"                              \
    "field yesno    yesno\n"                                                  \
    "field code     code\n"                                                   \
    "field integer  integer min=-5 max=1000000\n"                             \
    "field token    token hidden\n"                                           \
    "field next     path hidden\n"                                            \
    "field otp      otp\n"


static unsigned        tests;
static unsigned        failed;

static portal_form_t  *form;
static json_t         *words;


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


static inline portal_form_t *
parse(const char *text, unsigned *line, char *err, size_t errlen)
{
    *line = 0;
    err[0] = '\0';

    return portal_form_parse("test", text, strlen(text), line, err, errlen);
}


/* what a check gives, as one JSON text to compare: values, typed, errors */

static inline char *
check(const portal_form_t *with, json_t *raw, int strict)
{
    char                   *text;
    json_t                 *values, *typed, *errors, *all;
    portal_form_context_t   context;

    context.today = "2026-11-24";
    context.words = words;

    if (portal_form_check(with, raw, strict, &context, &values, &typed,
                          &errors)
        != 0)
    {
        return NULL;
    }

    all = json_pack("{s:o, s:o, s:o}", "values", values, "typed", typed,
                    "errors", errors);
    text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(all);

    return text;
}


/* 0, or the exit code of a test that cannot begin */

static inline int
begin(void)
{
    char      err[512];
    unsigned  line;

    if (portal_crypto_init() != 0) {
        return 1;
    }

    words = json_pack("[s,s,s]", "saint-aubin", "cantine", "mairie");
    form = parse(FORM, &line, err, sizeof(err));

    return !ok(form != NULL, "the form of the tests: %s", err);
}


static inline int
end(void)
{
    portal_form_free(form);
    json_decref(words);

    printf("1..%u\n", tests);

    return failed != 0;
}


#endif /* _INPUT_TEST_H_INCLUDED_ */
