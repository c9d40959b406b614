
/*
 * Copyright (C) the portal's authors
 */


/*
 * Bodies and declared forms.  Argument: the folder of the portal's own forms,
 * conf.d/portal/forms when not given.
 */


#include <dirent.h>

#include "input_test.h"


/* want: the object's JSON, or NULL and the error in rc, its text in place */

static void
body_n(int json, const char *in, size_t len, portal_body_e want,
    const char *place)
{
    int             pass;
    char            err[256], *text, *copy;
    json_t         *out;
    portal_body_e   rc;

    /* a copy of just this length, for the sanitizer to guard */

    copy = malloc(len ? len : 1);
    memcpy(copy, in, len);

    err[0] = '\0';
    out = (json_t *) -1;

    rc = json ? portal_body_json(copy, len, &out, err, sizeof(err))
              : portal_body_urlencoded(copy, len, &out, err, sizeof(err));

    free(copy);

    text = rc == PORTAL_BODY_OK ? json_dumps(out, JSON_COMPACT) : NULL;

    pass = rc == want
           && (rc == PORTAL_BODY_OK || (out == NULL && err[0] != '\0'))
           && (place == NULL
               || strcmp(rc == PORTAL_BODY_OK ? text : err, place) == 0);

    if (!ok(pass, "%s %.60s", json ? "JSON" : "urlencoded",
            len < 60 ? in : "(long)"))
    {
        printf("# got %d %s %s\n", (int) rc, text ? text : "", err);
    }

    free(text);

    if (rc == PORTAL_BODY_OK) {
        json_decref(out);
    }
}


static void
body(int json, const char *in, portal_body_e want, const char *place)
{
    body_n(json, in, strlen(in), want, place);
}


/* a form with a list: wider limits, and no text that is none */

static void
list(const char *in, size_t len, portal_body_e want)
{
    char            err[256];
    json_t         *out;
    portal_body_e   rc;

    out = (json_t *) -1;
    rc = portal_body_json_list(in, len, &out, err, sizeof(err));

    ok(rc == want && (rc == PORTAL_BODY_OK || out == NULL), "list %.40s",
       len < 60 ? in : "(long)");

    if (rc == PORTAL_BODY_OK) {
        json_decref(out);
    }
}


static void
test_list(void)
{
    char    *big;
    size_t   i, n, elements[] = { 4000, 4100 };

    list("{\"a\":[{\"id\":1}]}", 16, PORTAL_BODY_OK);
    list("{\"a\":[{\"id\":\"\xff\"}]}", 18, PORTAL_BODY_ENCODING);
    list("{\"a\":\"\\ud800\"}", 14, PORTAL_BODY_ENCODING);
    list("{\"a\":[1,1],\"a\":2}", 17, PORTAL_BODY_DUPLICATE);
    list("[1]", 3, PORTAL_BODY_SYNTAX);

    big = malloc(PORTAL_BODY_LIST_MAX + 2);

    for (n = 0; n < 2; n++) {
        (void) strcpy(big, "{\"a\":[1");

        for (i = 0; i < elements[n]; i++) {
            (void) memcpy(big + 7 + 2 * i, ",1", 2);
        }

        (void) strcpy(big + 7 + 2 * i, "]}");
        list(big, strlen(big), n ? PORTAL_BODY_TOO_MANY : PORTAL_BODY_OK);
    }

    (void) memset(big, ' ', PORTAL_BODY_LIST_MAX + 1);
    (void) memcpy(big, "{}", 2);
    list(big, PORTAL_BODY_LIST_MAX, PORTAL_BODY_OK);
    list(big, PORTAL_BODY_LIST_MAX + 1, PORTAL_BODY_TOO_MANY);

    free(big);
}


static void
test_urlencoded(void)
{
    char    *big;
    size_t   i, n;

    body(0, "", PORTAL_BODY_OK, "{}");
    body(0, "a=1&b=2", PORTAL_BODY_OK, "{\"a\":\"1\",\"b\":\"2\"}");
    body(0, "a=1&&b=2&", PORTAL_BODY_OK, "{\"a\":\"1\",\"b\":\"2\"}");
    body(0, "a", PORTAL_BODY_OK, "{\"a\":\"\"}");
    body(0, "a=b=c", PORTAL_BODY_OK, "{\"a\":\"b=c\"}");
    body(0, "a=x+y%20z%2B", PORTAL_BODY_OK, "{\"a\":\"x y z+\"}");
    body(0, "a=1;b=2", PORTAL_BODY_OK, "{\"a\":\"1;b=2\"}");
    body(0, "a=%C3%A9", PORTAL_BODY_OK, "{\"a\":\"\xc3\xa9\"}");
    body(0, "%c3%a9=1", PORTAL_BODY_OK, "{\"\xc3\xa9\":\"1\"}");
    body(0, "email[]=1", PORTAL_BODY_OK, "{\"email[]\":\"1\"}");
    body(0, "email=a&email=b", PORTAL_BODY_OK, "{\"email\":[\"a\",\"b\"]}");
    body(0, "email=a&e%6dail=b", PORTAL_BODY_OK,
         "{\"email\":[\"a\",\"b\"]}");
    body(0, "a=1&b=2&a=1&a=%ff", PORTAL_BODY_OK,
         "{\"a\":[\"1\",\"1\",null],\"b\":\"2\"}");
    body(0, "a=%ff&a=1", PORTAL_BODY_OK, "{\"a\":[null,\"1\"]}");
    body(0, "a=%zz", PORTAL_BODY_SYNTAX, NULL);
    body(0, "a=%u0041", PORTAL_BODY_SYNTAX, NULL);
    body(0, "a=%4", PORTAL_BODY_SYNTAX, NULL);
    body(0, "a=%", PORTAL_BODY_SYNTAX, NULL);
    body(0, "%4=1", PORTAL_BODY_SYNTAX, NULL);
    body(0, "=1", PORTAL_BODY_SYNTAX, NULL);
    body(0, "a%0Ab=1", PORTAL_BODY_SYNTAX, NULL);
    body(0, "a=%00", PORTAL_BODY_OK, "{\"a\":null}");
    body(0, "a%00=1", PORTAL_BODY_ENCODING, NULL);
    body_n(0, "a=\0b", 4, PORTAL_BODY_OK, "{\"a\":null}");
    body(0, "a=%ff", PORTAL_BODY_OK, "{\"a\":null}");
    body(0, "a=%C0%80", PORTAL_BODY_OK, "{\"a\":null}");
    body(0, "a=%ED%A0%80", PORTAL_BODY_OK, "{\"a\":null}");
    body(0, "a=%F4%90%80%80", PORTAL_BODY_OK, "{\"a\":null}");
    body(0, "a=%C3", PORTAL_BODY_OK, "{\"a\":null}");
    body(0, "%ff=1", PORTAL_BODY_ENCODING, NULL);
    body(0, "a=\xc3", PORTAL_BODY_OK, "{\"a\":null}");

    big = malloc(1024 * 1024);

    memset(big, 'n', 64);
    memcpy(big + 64, "=1", 2);
    body_n(0, big, 66, PORTAL_BODY_OK, NULL);
    memset(big, 'n', 65);
    memcpy(big + 65, "=1", 2);
    body_n(0, big, 67, PORTAL_BODY_SYNTAX, NULL);

    for (i = 0, n = 0; i < 10000; i++) {
        n += (size_t) sprintf(big + n, "f%zu=1&", i);
    }

    body_n(0, big, n, PORTAL_BODY_TOO_MANY, NULL);

    for (i = 0, n = 0; i < 257; i++) {
        n += (size_t) sprintf(big + n, "f%zu=1&", i);
    }

    body_n(0, big, n, PORTAL_BODY_TOO_MANY, NULL);
    body_n(0, big, n - strlen("f256=1&"), PORTAL_BODY_OK, NULL);

    memset(big, '&', 300);
    body_n(0, big, 300, PORTAL_BODY_TOO_MANY, NULL);

    memset(big, 'v', 1024 * 1024);
    memcpy(big, "a=", 2);
    body_n(0, big, PORTAL_BODY_MAX, PORTAL_BODY_OK, NULL);
    body_n(0, big, PORTAL_BODY_MAX + 1, PORTAL_BODY_TOO_MANY, NULL);
    body_n(0, big, 1024 * 1024, PORTAL_BODY_TOO_MANY, NULL);

    free(big);
}


static void
test_json_limits(void)
{
    char    *big;
    size_t   i, n;

    big = malloc(1024 * 1024);

    for (i = 0; i < 2; i++) {
        n = (size_t) sprintf(big, "{\"a\":");
        memset(big + n, '[', 15 + i);
        n += 15 + i;
        memset(big + n, ']', 15 + i);
        n += 15 + i;
        big[n++] = '}';

        body_n(1, big, n, i ? PORTAL_BODY_TOO_MANY : PORTAL_BODY_OK, NULL);
    }

    memset(big, '[', 60000);
    body_n(1, big, 60000, PORTAL_BODY_TOO_MANY, NULL);

    for (i = 256; i < 258; i++) {
        size_t  k;

        n = (size_t) sprintf(big, "{");

        for (k = 0; k < i; k++) {
            n += (size_t) sprintf(big + n, "%s\"f%zu\":1", k ? "," : "", k);
        }

        big[n++] = '}';
        body_n(1, big, n, i > 256 ? PORTAL_BODY_TOO_MANY : PORTAL_BODY_OK,
               NULL);
    }

    n = (size_t) sprintf(big, "{\"a\":[");

    for (i = 0; i < 10000; i++) {
        n += (size_t) sprintf(big + n, "%s[]", i ? "," : "");
    }

    n += (size_t) sprintf(big + n, "]}");
    body_n(1, big, n, PORTAL_BODY_TOO_MANY, NULL);

    memset(big, ' ', 1024 * 1024);
    big[0] = '{';
    big[1] = '}';
    body_n(1, big, PORTAL_BODY_MAX, PORTAL_BODY_OK, "{}");
    body_n(1, big, PORTAL_BODY_MAX + 1, PORTAL_BODY_TOO_MANY, NULL);

    n = (size_t) sprintf(big, "{\"%065d\":1}", 0);
    body_n(1, big, n, PORTAL_BODY_SYNTAX, NULL);

    free(big);
}


static void
test_json(void)
{
    static const char *const  bad[] = {
        "", " ", "[]", "1", "\"a\"", "null", "true", "{", "{}x", "{} {}",
        "{\"a\":1,}", "{'a':1}", "{a:1}", "{\"a\":1}//c", "{\"a\":/*c*/1}",
        "{\"a\":01}", "{\"a\":-0}", "{\"a\":NaN}", "{\"a\":Infinity}",
        "{\"a\":1e400}", "{\"a\":9223372036854775808}", "{\"a\":+1}",
        "{\"a\":.5}", "{\"a\":1.}", "{\"a\":\"\\x\"}",
        "{\"a\":\"\n\"}", "{\"\":1}", "\xef\xbb\xbf{}", "{\"a\":\"",
        "{\"a\":\"\\", "]", "}", "{\"a\":-", "{\"a\\u000ab\":1}",
        "{\"secret\":\"hunter2 hunter2\" x}"
    };

    size_t   i;
    char     err[256];
    json_t  *out;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        body(1, bad[i], PORTAL_BODY_SYNTAX, NULL);
    }

    body(1, "{}", PORTAL_BODY_OK, "{}");
    body(1, " {\"a\":1,\"b\":[true,null],\"c\":\"\\u00e9\"} ",
         PORTAL_BODY_OK, "{\"a\":1,\"b\":[true,null],\"c\":\"\xc3\xa9\"}");
    body(1, "{\"a\":\"[[[[[[[[[[[[[[[[[[[[\\\"{\"}", PORTAL_BODY_OK, NULL);
    body(1, "{\"a\":\"-0\",\"b\":-1}", PORTAL_BODY_OK, NULL);
    body(1, "{\"a\":1,\"a\":2}", PORTAL_BODY_DUPLICATE, "a");
    body(1, "{\"a\":1,\"\\u0061\":2}", PORTAL_BODY_DUPLICATE, "a");
    body(1, "{\"x\":{\"deep\":1,\"b\":\"q\\\"\",\"deep\":2}}",
         PORTAL_BODY_DUPLICATE, "deep");
    body(1, "\"\xff\"", PORTAL_BODY_ENCODING, NULL);
    body(1, "[\"\xff\"]", PORTAL_BODY_ENCODING, NULL);
    body(1, "{\"a\xff\":1}", PORTAL_BODY_ENCODING, NULL);
    body(1, "{\"a\\ud800\":1}", PORTAL_BODY_ENCODING, NULL);
    body(1, "{\"a\":\xff}", PORTAL_BODY_ENCODING, NULL);
    body(1, "{\"a\":\"\xff\"", PORTAL_BODY_SYNTAX, NULL);
    body(1, "{\"a\":\"\xff\",\"a\":1}", PORTAL_BODY_DUPLICATE, "a");
    body(1, "{\"a\":\"\\u12g0\"}", PORTAL_BODY_SYNTAX, NULL);
    body(1, "{\"a\":\"\\ud83d\\ude00 \\\\u0000\"}", PORTAL_BODY_OK,
         "{\"a\":\"\xf0\x9f\x98\x80 \\\\u0000\"}");
    body(1, "{\"a\":[\"\xff\"],\"b\":1}", PORTAL_BODY_OK,
         "{\"a\":[\"?\"],\"b\":1}");
    body(1, "{\"a\\u0000b\":1}", PORTAL_BODY_ENCODING, NULL);
    body_n(1, "{\"a\":1}\0", 8, PORTAL_BODY_ENCODING, NULL);

    portal_body_json("{\"secret\":hunter2}", 18, &out, err, sizeof(err));
    ok(strstr(err, "hunter") == NULL, "an error quotes no value: %s", err);

    test_json_limits();
    test_list();
}


static void
bad_form(const char *text, unsigned want, const char *says)
{
    char            err[512];
    unsigned        line;
    portal_form_t  *got;

    got = parse(text, &line, err, sizeof(err));

    if (!ok(got == NULL && line == want && strstr(err, says) != NULL,
            "refused: %s", err))
    {
        printf("# %s: line %u\n", text, line);
    }

    portal_form_free(got);
}


/* each field has a group of its own from then on */

static void
test_parse_groups(void)
{
    char            err[512];
    unsigned        line;
    portal_form_t  *got;

    got = parse("field a text\ngroup one\nfield b text\nfield c text\n"
                "group two\nfield d text", &line, err, sizeof(err));

    ok(got != NULL && got->fields[0].group == NULL
       && strcmp(got->fields[1].group, "one") == 0
       && strcmp(got->fields[2].group, "one") == 0
       && strcmp(got->fields[3].group, "two") == 0,
       "fields stand under the group before them");

    portal_form_free(got);
}


static void
test_parse_errors(void)
{
    char  big[3000];

    bad_form("feild a text", 1, "unknown word \"feild\"");
    bad_form("\n# c\nfield a nam", 3, "text, lines, name, email, password");
    bad_form("field a", 1, "a name and a type");
    bad_form("field", 1, "a name and a type");
    bad_form("field A text", 1, "a-z, 0-9");
    bad_form("field 1a text", 1, "a-z, 0-9");
    bad_form("field a-b text", 1, "a-z, 0-9");
    bad_form("field a text\nfield a name", 2, "declared twice");
    bad_form("field csrf text", 1, "choose another");
    bad_form("field captcha_x text", 1, "choose another");
    bad_form("field a text requird", 1, "takes required, hidden");
    bad_form("field a text pressed", 1, "say that too");
    bad_form("field a name hidden pressed", 1, "does not go with type");
    bad_form("field a text required required", 1, "said twice");
    bad_form("field a text required=1", 1, "takes no value");
    bad_form("field a password min=16", 1, "a password has \"min=\" when");
    bad_form("field a password new min=11", 1, "of 12 at least");
    bad_form("field a text max", 1, "max=20");
    bad_form("field a text max=", 1, "nothing after");
    bad_form("field a text max=ten", 1, "max=20");
    bad_form("field a text max=-1", 1, "between 0");
    bad_form("field a text max=99999999999999999999", 1, "max=20");
    bad_form("field a text max=1 min=2", 1, "above its max");
    bad_form("field a integer max=-1", 1, "above its max");
    bad_form("field a date max=4/3/2019", 1, "max=today");
    bad_form("field a date min", 1, "min=YYYY-MM-DD");
    bad_form("field a date max=2019-02-30", 1, "max=today");
    bad_form("field a email max=3", 1, "does not go with type email");
    bad_form("field a path required", 1, "does not go with type path");
    bad_form("field a password hidden", 1, "does not go with type");
    bad_form("field a choice", 1, "options=one,two");
    bad_form("field a choice options=", 1, "nothing after");
    bad_form("field a choice options=a,,b", 1, "a-z, 0-9 and _");
    bad_form("field a choice options=a,b,a", 1, "there twice");
    bad_form("field a text options=a", 1, "does not go with");
    bad_form("field a text new", 1, "does not go with");
    bad_form("field a password new=b", 1, "not a text, name or email");
    bad_form("field a password new=b\nfield b date", 2, "not a text, name");
    bad_form("field a text autocomplete", 1, "autocomplete=family-name");
    bad_form("field a text autocomplete=\"x\"", 1, "family-name");
    bad_form("field a text hidden autocomplete=name", 1, "take it out");
    bad_form("field a date\nfield a_day text", 2, "part of the date");
    bad_form("captcha x", 1, "stands alone");
    bad_form("captcha\ncaptcha", 2, "said twice");
    bad_form("group", 1, "a group has a name");
    bad_form("group a b", 1, "a group has a name");
    bad_form("group A", 1, "a group has a name");
    bad_form("field a list\nfield b text", 2, "a form with a list");
    bad_form("field a list\ncaptcha", 2, "a form with a list");
    bad_form("field a list autocomplete=name", 1, "does not go with type");
    bad_form("field a text caf\xc3\xa9", 1, "unknown word");

    memset(big, 'a', sizeof(big));
    big[2999] = '\0';
    bad_form(big, 1, "at most 1023 bytes");
}


static void
test_parse(void)
{
    char                   err[512], many[4096];
    size_t                 i, n;
    unsigned               line;
    portal_form_t         *got;
    const portal_field_t  *f;

    got = parse("# a comment\r\n\n  field\ta  text required min=1 max=2 # x\r\n"
                "field b choice options=x,y\nfield p password new=a\n"
                "field d date min=2000-01-02 max=today\n"
                "captcha\ntoken\nundo\nidempotent\nsession\nlogin\nlogout\n"
                "open\nversioned",
                &line, err, sizeof(err));

    if (!ok(got != NULL, "a form with everything: %s", err)) {
        return;
    }

    f = portal_form_field(got, "a");
    ok(f && f->type == PORTAL_FIELD_TEXT && f->required && !f->hidden
       && f->min == 1 && f->max == 2, "its text");
    f = portal_form_field(got, "b");
    ok(f && f->noptions == 2 && strcmp(f->options[1], "y") == 0,
       "its choice");
    f = portal_form_field(got, "p");
    ok(f && f->fresh && f->min == 12 && f->max == 256
       && strcmp(f->context, "a") == 0, "its password");
    f = portal_form_field(got, "d");
    ok(f && f->min == 20000102 && f->max == PORTAL_DATE_TODAY, "its date");
    ok(got->captcha && got->token && got->undo && got->login
       && got->idempotent && got->session && got->logout
       && got->open && got->versioned,
       "its flags");
    ok(portal_form_field(got, "c") == NULL, "no other field");
    ok(strcmp(got->name, "test") == 0, "its name");
    portal_form_free(got);

    got = parse("", &line, err, sizeof(err));
    ok(got && got->nfields == 0, "an empty form");
    portal_form_free(got);
    portal_form_free(NULL);

    for (i = 0, n = 0; i < 97; i++) {
        n += (size_t) sprintf(many + n, "field f%zu text\n", i);
    }

    bad_form(many, 97, "at most 96 fields");

    got = portal_form_parse("test", "field a text\0", 13, &line, err,
                            sizeof(err));
    ok(got == NULL && line == 1, "a NUL in a form");

    ok(strcmp(portal_field_type(PORTAL_FIELD_PATH), "path") == 0
       && strcmp(portal_field_type(PORTAL_FIELD_TEXT), "text") == 0,
       "types have names");

    test_parse_groups();
    test_parse_errors();
}


static void
whole(const char *file, const char *body_text, int strict, const char *want)
{
    char            err[512], *got;
    json_t         *raw;
    unsigned        line;
    portal_form_t  *with;
    portal_body_e   rc;

    with = parse(file, &line, err, sizeof(err));

    rc = strict ? portal_body_json(body_text, strlen(body_text), &raw, err,
                                   sizeof(err))
                : portal_body_urlencoded(body_text, strlen(body_text), &raw,
                                         err, sizeof(err));

    got = with && rc == PORTAL_BODY_OK ? check(with, raw, strict) : NULL;

    if (!ok(got && strcmp(got, want) == 0, "whole: %s", body_text)) {
        printf("# got  %s\n# want %s\n", got ? got : err, want);
    }

    free(got);
    json_decref(raw);
    portal_form_free(with);
}


static void
test_whole(void)
{
    static const char  file[] =
        "field last_name name required\nfield email email required\n"
        "field password password required new=last_name,email\n"
        "field step choice hidden options=a,b\ncaptcha";

    whole(file, "last_name=+Martin&email=C%40X.fr&password=xK9mQ2vLp7Rz"
          "&csrf=x&key=y&captcha_pow=1&captcha_answer=&site_web=&step=a", 0,
          "{\"errors\":[],\"typed\":{\"email\":\"C@X.fr\","
          "\"last_name\":\" Martin\",\"step\":\"a\"},"
          "\"values\":{\"email\":\"C@x.fr\",\"last_name\":\"Martin\","
          "\"password\":\"xK9mQ2vLp7Rz\",\"step\":\"a\"}}");

    /* what is no text, and what came twice: named, all else kept */

    whole(file, "last_name=%ff&email=c%40x.fr&password=xK9mQ2vLp7Rz&email=d",
          0,
          "{\"errors\":[{\"code\":\"encoding\",\"field\":\"last_name\"},"
          "{\"code\":\"duplicate\",\"field\":\"email\"}],\"typed\":{},"
          "\"values\":{\"password\":\"xK9mQ2vLp7Rz\",\"step\":null}}");

    whole(file, "last_name=Martin&email=c%40x.fr&password=a%00&key=1&key=2",
          0,
          "{\"errors\":[{\"code\":\"encoding\",\"field\":\"password\"},"
          "{\"code\":\"duplicate\",\"field\":\"key\"}],"
          "\"typed\":{\"email\":\"c@x.fr\",\"last_name\":\"Martin\"},"
          "\"values\":{\"email\":\"c@x.fr\",\"last_name\":\"Martin\","
          "\"step\":null}}");

    /* boxes that were ticked are lines, of such a field alone */

    whole("field who lines from=people max=20\nfield note lines", "who=A+B&who="
          "C&who=D%0d%0aE&note=a&note=b", 0,
          "{\"errors\":[{\"code\":\"duplicate\",\"field\":\"note\"}],"
          "\"typed\":{\"who\":\"A B\\nC\\nD\\nE\"},"
          "\"values\":{\"who\":\"A B\\nC\\nD\\nE\"}}");

    whole("field who lines from=people max=20", "who=A&who=%ff", 0,
          "{\"errors\":[{\"code\":\"encoding\",\"field\":\"who\"}],"
          "\"typed\":{},\"values\":{}}");

    whole(file, "email=x&password=court&quotient=1&last_name=a%07", 0,
          "{\"errors\":[{\"code\":\"control\",\"field\":\"last_name\"},"
          "{\"code\":\"email_format\",\"field\":\"email\"},"
          "{\"code\":\"password_short\",\"field\":\"password\"},"
          "{\"code\":\"unknown_field\",\"field\":\"quotient\"}],"
          "\"typed\":{\"email\":\"x\",\"last_name\":\"a\"},"
          "\"values\":{\"step\":null}}");

    whole(file, "{\"last_name\":\"a\\u0000b\",\"email\":\"\xff@x.fr\","
          "\"password\":\"xK9mQ2vLp7Rz\",\"step\":\"\\ud800\",\"b\":\"\xff\"}", 1,
          "{\"errors\":[{\"code\":\"encoding\",\"field\":\"last_name\"},"
          "{\"code\":\"encoding\",\"field\":\"email\"},"
          "{\"code\":\"encoding\",\"field\":\"step\"},"
          "{\"code\":\"unknown_field\",\"field\":\"b\"}],"
          "\"typed\":{\"email\":\"\",\"last_name\":\"\",\"step\":\"\"},"
          "\"values\":{\"password\":\"xK9mQ2vLp7Rz\"}}");

    whole(file, "", 0,
          "{\"errors\":[{\"code\":\"required\",\"field\":\"last_name\"},"
          "{\"code\":\"required\",\"field\":\"email\"},"
          "{\"code\":\"required\",\"field\":\"password\"}],\"typed\":{},"
          "\"values\":{\"step\":null}}");

    whole(file, "{\"last_name\":null,\"email\":[1],\"password\":{},"
          "\"step\":\"c\"}", 1,
          "{\"errors\":[{\"code\":\"required\",\"field\":\"last_name\"},"
          "{\"code\":\"type\",\"field\":\"email\"},"
          "{\"code\":\"type\",\"field\":\"password\"},"
          "{\"code\":\"choice\",\"field\":\"step\"}],"
          "\"typed\":{\"step\":\"c\"},\"values\":{}}");

    whole("field next path hidden", "next=//evil.fr", 0,
          "{\"errors\":[],\"typed\":{},\"values\":{\"next\":null}}");

    whole("field a yesno required", "a=unanswered", 0,
          "{\"errors\":[{\"code\":\"required\",\"field\":\"a\"}],"
          "\"typed\":{\"a\":\"unanswered\"},\"values\":{}}");

    whole("field rows list hidden required max=2",
          "{\"rows\":[{\"id\":1,\"x\":null},{}],\"csrf\":\"a\"}", 1,
          "{\"errors\":[],\"typed\":{},"
          "\"values\":{\"rows\":[{\"id\":1,\"x\":null},{}]}}");
    whole("field rows list max=2", "{\"rows\":[{},{},{}]}", 1,
          "{\"errors\":[{\"code\":\"list_long\",\"field\":\"rows\"}],"
          "\"typed\":{},\"values\":{}}");
    whole("field rows list", "{\"rows\":[{\"a\":[1]}]}", 1,
          "{\"errors\":[{\"code\":\"list_element\",\"field\":\"rows\"}],"
          "\"typed\":{},\"values\":{}}");
    whole("field rows list", "{\"rows\":[1]}", 1,
          "{\"errors\":[{\"code\":\"list_element\",\"field\":\"rows\"}],"
          "\"typed\":{},\"values\":{}}");
    whole("field rows list required", "{\"rows\":null}", 1,
          "{\"errors\":[{\"code\":\"required\",\"field\":\"rows\"}],"
          "\"typed\":{},\"values\":{}}");
    whole("field rows list", "rows=1", 0,
          "{\"errors\":[{\"code\":\"type\",\"field\":\"rows\"}],"
          "\"typed\":{},\"values\":{}}");
}


static void
test_wipe(void)
{
    json_t  *raw;

    raw = json_pack("{s:s, s:s, s:i}", "password", "hunter2", "name", "x",
                    "new", 1);
    portal_form_wipe(form, raw);
    ok(json_string_value(json_object_get(raw, "password"))[0] == '\0'
       && strcmp(json_string_value(json_object_get(raw, "name")), "x") == 0,
       "passwords are wiped, nothing else");
    json_decref(raw);
}


static void
test_sealed(void)
{
    char            err[256];
    json_t         *raw;
    unsigned        line;
    portal_form_t  *with;

    static const char  text[] = "field iban iban sealed\n"
                                "field income integer max=90 sealed\n"
                                "field shares integer";

    /* a document has a sealed number as text, and may be sent back as it is */

    whole(text, "{\"income\":\"12\",\"shares\":3}", 1,
          "{\"errors\":[],\"typed\":{\"income\":\"12\",\"shares\":\"3\"},"
          "\"values\":{\"iban\":null,\"income\":12,\"shares\":3}}");
    whole(text, "{\"income\":12,\"shares\":\"3\"}", 1,
          "{\"errors\":[{\"code\":\"type\",\"field\":\"shares\"}],"
          "\"typed\":{\"income\":\"12\"},"
          "\"values\":{\"iban\":null,\"income\":12}}");
    whole(text, "{\"income\":\"91\",\"shares\":3}", 1,
          "{\"errors\":[{\"code\":\"integer_range\",\"field\":\"income\"}],"
          "\"typed\":{\"income\":\"91\",\"shares\":\"3\"},"
          "\"values\":{\"iban\":null,\"shares\":3}}");

    with = parse(text, &line, err, sizeof(err));
    raw = json_pack("{s:s, s:i, s:i}", "iban", "FR76", "income", 12, "shares",
                    3);
    portal_form_wipe(with, raw);
    ok(json_string_value(json_object_get(raw, "iban"))[0] == '\0'
       && json_integer_value(json_object_get(raw, "income")) == 0
       && json_integer_value(json_object_get(raw, "shares")) == 3,
       "sealed fields are wiped, nothing else");
    json_decref(raw);
    portal_form_free(with);
}


static void
test_files(const char *dir)
{
    DIR            *d;
    char            path[1024], text[8192], err[512];
    FILE           *f;
    size_t          n, found;
    unsigned        line;
    portal_form_t  *got;
    struct dirent  *entry;

    found = 0;
    d = opendir(dir);

    while (d != NULL && (entry = readdir(d)) != NULL) {
        n = strlen(entry->d_name);

        if (n < 5 || strcmp(entry->d_name + n - 5, ".form") != 0) {
            continue;
        }

        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        f = fopen(path, "r");
        n = f ? fread(text, 1, sizeof(text), f) : 0;

        if (f != NULL) {
            fclose(f);
        }

        err[0] = '\0';
        line = 0;
        got = portal_form_parse(entry->d_name, text, n, &line, err,
                                sizeof(err));
        ok(got != NULL, "%s %u %s", entry->d_name, line, err);
        portal_form_free(got);
        found++;
    }

    if (d != NULL) {
        closedir(d);
    }

    ok(found >= 8, "%zu forms in %s", found, dir);
}


static void
test_texts(void)
{
    char    *text;
    json_t  *raw;

    raw = json_pack("{s:i, s:i, s:I, s:i, s:f, s:b, s:i, s:s}",
                    "captcha_answer", 9, "captcha_pow", -1, "key",
                    (json_int_t) 9223372036854775807, PORTAL_FORM_TRAP, 0,
                    "csrf", 1.5, "captcha_challenge", 1, "age", 9, "name",
                    "9");
    ok(portal_form_texts(raw) == 0, "a form's own names hold texts");
    text = json_dumps(raw, JSON_COMPACT | JSON_SORT_KEYS);
    ok(text != NULL
       && strcmp(text, "{\"age\":9,\"captcha_answer\":\"9\","
                 "\"captcha_challenge\":true,\"captcha_pow\":\"-1\","
                 "\"csrf\":1.5,\"key\":\"9223372036854775807\","
                 "\"name\":\"9\",\"" PORTAL_FORM_TRAP "\":\"0\"}")
          == 0, "integers their digits, and no others: %s", text);
    free(text);
    json_decref(raw);
}


static void
test_codes(void)
{
    size_t  i, k;
    int     twice;

    twice = 0;

    for (i = 0; portal_form_codes[i] != NULL; i++) {

        for (k = 0; k < i; k++) {
            twice |= strcmp(portal_form_codes[i], portal_form_codes[k]) == 0;
        }
    }

    ok(i == 53 && !twice, "%zu codes, none twice", i);
}


int
main(int argc, char **argv)
{
    if (begin() != 0) {
        return 1;
    }

    test_urlencoded();
    test_json();
    test_parse();
    test_whole();
    test_wipe();
    test_sealed();
    test_files(argc > 1 ? argv[1] : "conf.d/portal/forms");
    test_texts();
    test_codes();

    return end();
}
