
/*
 * Copyright (C) the portal's authors
 */


#ifndef _INPUT_TEST_H_INCLUDED_
#define _INPUT_TEST_H_INCLUDED_


#include "tap.h"

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


static portal_form_t  *form;
static json_t         *words;


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


/* one field alone: its code, or "" and the value's JSON in out */

static inline const char *
one(const char *name, json_t *in, int strict, char *out, size_t outlen)
{
    char                   *text;
    json_t                 *raw, *values, *typed, *errors, *value;
    static char             code[64];
    portal_form_context_t   context;

    context.today = "2026-11-24";
    context.words = words;

    raw = json_object();
    json_object_set_new_nocheck(raw, name, in);
    out[0] = '\0';
    code[0] = '\0';

    if (portal_form_check(form, raw, strict, &context, &values, &typed,
                          &errors)
        != 0)
    {
        json_decref(raw);
        return "memory";
    }

    if (json_array_size(errors) > 0) {
        snprintf(code, sizeof(code), "%s",
                 json_string_value(json_object_get(json_array_get(errors, 0),
                                                   "code")));

        if (json_object_get(values, name) != NULL) {
            snprintf(code, sizeof(code), "value beside an error");
        }
    }

    value = json_object_get(values, name);

    if (value != NULL) {
        text = json_dumps(value, JSON_ENCODE_ANY);
        snprintf(out, outlen, "%s", text ? text : "?");
        free(text);
    }

    json_decref(raw);
    json_decref(values);
    json_decref(typed);
    json_decref(errors);

    return code;
}


/* want: a value's JSON, or a code with '!' before */

static inline void
field_n(const char *name, const char *in, size_t len, const char *want)
{
    int          pass;
    char         out[4096];
    const char  *code;

    code = one(name, json_stringn_nocheck(in, len), 0, out, sizeof(out));

    pass = want[0] == '!' ? strcmp(code, want + 1) == 0
                          : code[0] == '\0' && strcmp(out, want) == 0;

    if (!ok(pass, "%s: %s", name, want)) {
        printf("# got %s %s\n", code, out);
    }
}


static inline void
field(const char *name, const char *in, const char *want)
{
    field_n(name, in, strlen(in), want);
}


static inline void
json_field(const char *name, const char *json, const char *want)
{
    int          pass;
    char         out[4096];
    const char  *code;

    code = one(name, json_loads(json, JSON_DECODE_ANY, NULL), 1, out,
               sizeof(out));

    pass = want[0] == '!' ? strcmp(code, want + 1) == 0
                          : code[0] == '\0' && strcmp(out, want) == 0;

    if (!ok(pass, "JSON %s: %s gives %s", name, json, want)) {
        printf("# got %s %s\n", code, out);
    }
}


static inline void
repeat(const char *name, const char *unit, size_t times, const char *want)
{
    char    *text;
    size_t   i, n;

    n = strlen(unit);
    text = malloc(n * times + 1);
    text[0] = '\0';

    for (i = 0; i < times; i++) {
        memcpy(text + i * n, unit, n);
    }

    if (want[0] == '!') {
        field_n(name, text, n * times, want);

    } else {
        char  out[4096];

        ok(one(name, json_stringn(text, n * times), 0, out, sizeof(out))[0]
           == '\0', "%s: %zu times %s", name, times, unit);
    }

    free(text);
}


/* 0, or the exit code of a test that cannot begin */

static inline int
begin_with(const char *text)
{
    char      err[512];
    unsigned  line;

    if (portal_crypto_init() != 0) {
        return 1;
    }

    words = json_pack("[s,s,s]", "saint-aubin", "cantine", "mairie");
    form = parse(text, &line, err, sizeof(err));

    return !ok(form != NULL, "the form of the tests: %s", err);
}


static inline int
begin(void)
{
    return begin_with(FORM);
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
