
/*
 * Copyright (C) the portal's authors
 */


/*
 * What is left of a document when all that a view does not name is taken out.
 * That both look the same is checked for every template of view_test.c.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/view/portal_view.h"
#include "tap.h"


typedef struct {
    const char  *name;
    const char  *document;
    const char  *left;                  /* "": it is no JSON */
} reduce_case_t;


static const char  reduce_template[] =
    "{{#guardians}}{{first_name}} {{#health}}{{allergies}}{{/health}}"
    "{{/guardians}}{{^none.at.all}}{{display.school.level}}{{/none.at.all}}"
    "{{#tags}}{{.}}{{/tags}}{{t.many}}{{>more}}";

static const reduce_case_t  reduce_cases[] = {
    { "what is named stays, at any depth",
      "{\"guardians\" : [{\"first_name\" : \"Zo\303\253\", \"health\" : "
      "{\"allergies\" : null, \"doctor\" : {\"first_name\" : \"x\"}}}]}",
      "{\"guardians\":[{\"first_name\":\"Zo\303\253\",\"health\":"
      "{\"allergies\":null}}]}" },
    { "names of partials, labels, displays and empty sections count",
      "{\"school\": {\"level\": \"cm1\", \"city\": 1}, \"count\": [{}, 2], "
      "\"none\": {\"at\": {\"all\": 1, \"each\": 2}}, \"part\": {\"part\": 1}}",
      "{\"school\":{\"level\":\"cm1\"},\"count\":[{},2],"
      "\"none\":{\"at\":{\"all\":1}},\"part\":{\"part\":1}}" },
    { "lists and objects that nothing names go",
      "{\"a\" : [1, [2, {\"first_name\" : \"]}\\\"\"}]], \"b\" : {}, "
      "\"tags\" : [\"a\", [], {\"x\" : 1}]}",
      "{\"tags\":[\"a\",[],{}]}" },
    { "what the document itself says in one word stays",
      "{\"status\" : 200, \"type\" : \"a,}\", \"wait\" : null, \"x\" : -1.5e3,"
      " \"y\" : false}",
      "{\"status\":200,\"type\":\"a,}\",\"wait\":null,\"x\":-1.5e3,"
      "\"y\":false}" },
    { "deeper it goes",
      "{\"guardians\" : {\"status\" : 200, \"x\" : \"{\\\\\", \"y\" : true, "
      "\"first_name\" : \"\\\\\\\"\"}}",
      "{\"guardians\":{\"first_name\":\"\\\\\\\"\"}}" },
    { "a sealed value is kept whole, or goes unopened",
      "{\"health\" : {\"allergies\" : {\"$sealed\" : \"child/1/allergies/A\"}, "
      "\"notes\" : {\"$sealed\" : \"child/1/notes/B\"}}}",
      "{\"health\":{\"allergies\":{\"$sealed\" : \"child/1/allergies/A\"}}}" },
    { "the list of what does not open stays",
      "{\"x\" : 1, \"unreadable\" : {\"$unreadable\" : []}, \"health\" : "
      "{\"u\" : {\"$unreadable\" : []}}}",
      "{\"x\":1,\"unreadable\":{\"$unreadable\" : []},\"health\":"
      "{\"u\":{\"$unreadable\" : []}}}" },
    { "names that a town has given stay",
      "{\"names\" : {\"own_1\" : \"x\"}, \"tags\" : {\"names\" : {\"a\" : 1}}}",
      "{\"names\":{\"own_1\" : \"x\"},\"tags\":{\"names\":{\"a\" : 1}}}" },
    { "a name with escapes might be one that is named",
      "{\"h\\u0065alth\" : {\"a\" : 1}, \"tags\" : {\"\\\"\" : []}}",
      "{\"h\\u0065alth\":{},\"tags\":{\"\\\"\":[]}}" },
    { "blanks of any kind",
      "{ \n\"tags\"\t:\r[ 1 ,\n2 ] , \"a\":[ ] }\n ",
      "{\"tags\":[1 ,2 ]}" },
    { "nothing in it", "{}", "{}" },
    { "no object", "[1]", "[1]" },
    { "no end", "{\"tags\" : [1", "" },
    { "no end of a text", "{\"tags\" : \"a\\\"}", "" },
    { "no end of what goes", "{\"a\" : [1, \"", "" },
    { "no value", "{\"tags\" :", "" },
    { "nothing between", "{\"b\" : [] \"a\" : 1}", "" },
    { "nor between what stays", "{\"b\":1\"a\":1}", "" },
    { "no colon", "{\"tags\" 1}", "" },
    { "no name", "{1 : 2}", "" },
    { "more after the end", "{}{}", "" },
};


static void
reduce_case(const portal_view_t *view, const reduce_case_t *test)
{
    char    *text;
    size_t   len;

    /* no byte more: AddressSanitizer sees who reads on */

    len = strlen(test->document);
    text = malloc(len);

    if (text == NULL) {
        ok(0, "%s", test->name);
        return;
    }

    memcpy(text, test->document, len);

    len = portal_view_reduce(view, text, len);

    ok(len == strlen(test->left) && memcmp(text, test->left, len) == 0,
       "%s", test->name);

    if (len != strlen(test->left) || memcmp(text, test->left, len) != 0) {
        printf("# %.*s\n", (int) len, text);
    }

    free(text);
}


/* what is deeper than anybody nests is kept as it is */

static void
reduce_deep(const portal_view_t *view)
{
    char    text[512];
    size_t  i, len, depth;

    depth = 60;

    memcpy(text, "{\"tags\":", 8);
    len = 8;

    for (i = 0; i < depth; i++) {
        text[len++] = '[';
    }

    len += (size_t) snprintf(text + len, 32, "{\"a\":{}}");

    for (i = 0; i < depth; i++) {
        text[len++] = ']';
    }

    text[len++] = '}';

    ok(portal_view_reduce(view, text, len) == len, "too deep to look into");
}


int
main(void)
{
    char             err[200];
    size_t           i;
    json_t          *labels;
    portal_view_t   *view;
    portal_views_t  *views;

    labels = json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:s}}",
                       "display", "yes", "Y", "no", "N", "none", "-",
                       "many", "count", "count", "other", "{{count}}");

    views = portal_views_create(NULL, "fr", labels);

    portal_views_add(views, "m", reduce_template, strlen(reduce_template));
    portal_views_add(views, "more", "{{part}}", 8);

    view = portal_views_get(views, "m", err, sizeof(err));

    if (view == NULL) {
        printf("Bail out! %s\n", err);
        return 1;
    }

    for (i = 0; i < sizeof(reduce_cases) / sizeof(reduce_cases[0]); i++) {
        reduce_case(view, &reduce_cases[i]);
    }

    reduce_deep(view);

    portal_views_free(views);
    json_decref(labels);

    printf("1..%u\n", tests);

    return failed ? 1 : 0;
}
