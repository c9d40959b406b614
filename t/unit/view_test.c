
/*
 * Copyright (C) the portal's authors
 */


/*
 * view_test [DIR]
 *
 * TAP.  DIR (or MUSTACHE_SPEC, or ../shared/mustache-spec) holds the tests of
 * the Mustache specification as JSON; without them they are skipped.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/view/portal_qr.h"
#include "../../src/view/portal_view.h"


static unsigned  test_count;
static unsigned  test_failed;


static void test_ok(int ok, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


static void
test_ok(int ok, const char *fmt, ...)
{
    va_list  args;

    printf("%sok %u - ", ok ? "" : "not ", ++test_count);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");

    if (!ok) {
        test_failed++;
    }
}


static void
test_is(const char *got, const char *expected, const char *name)
{
    json_t  *g, *e;

    if (got && strcmp(got, expected) == 0) {
        test_ok(1, "%s", name);
        return;
    }

    test_ok(0, "%s", name);

    g = got ? json_string_nocheck(got) : json_null();
    e = json_string_nocheck(expected);

    printf("#      got: ");
    json_dumpf(g, stdout, JSON_ENCODE_ANY);
    printf("\n# expected: ");
    json_dumpf(e, stdout, JSON_ENCODE_ANY);
    printf("\n");

    json_decref(g);
    json_decref(e);
}


static void *
test_alloc(void *ctx, size_t size)
{
    int  *left;

    left = ctx;

    if (left && (*left)-- == 0) {
        return NULL;
    }

    return malloc(size);
}


/* the sink's text, and the sink emptied */

static char *
test_text(portal_sink_t *sink)
{
    char            *text, *p;
    portal_chunk_t  *chunk, *next;

    text = malloc(sink->total + 1);
    p = text;

    for (chunk = sink->first; chunk; chunk = next) {
        next = chunk->next;

        if (p) {
            memcpy(p, chunk->data, chunk->len);
            p += chunk->len;
        }

        free(chunk);
    }

    if (p) {
        *p = '\0';
    }

    return text;
}


/* what the view shows of a document that has only what its tags name */

static char *
test_reduced(portal_view_t *view, json_t *data)
{
    char           *text;
    size_t          len;
    json_t         *reduced;
    portal_sink_t   sink;

    text = json_dumps(data, 0);
    len = portal_view_reduce(view, text, strlen(text));
    reduced = json_loadb(text, len, 0, NULL);
    free(text);

    if (reduced == NULL) {
        return strdup("!reduced");
    }

    memset(&sink, 0, sizeof(portal_sink_t));
    sink.alloc = test_alloc;
    sink.chunk = 16;

    if (portal_view_render(view, &reduced, 1, &sink) != 0) {
        free(test_text(&sink));
        json_decref(reduced);
        return strdup("!render");
    }

    json_decref(reduced);

    return test_text(&sink);
}


/* NULL: did not compile ("!..." is the error) or render */

static char *
test_render(portal_views_t *views, const char *name, json_t *data)
{
    char            err[512], *text, *reduced;
    size_t          i, n;
    json_t         *stack[8];
    portal_view_t  *view;
    portal_sink_t   sink;

    err[0] = '!';

    view = portal_views_get(views, name, err + 1, sizeof(err) - 1);
    if (view == NULL) {
        return strdup(err);
    }

    n = 1;
    stack[0] = data;

    if (json_is_array(data) && json_is_object(json_array_get(data, 0))) {
        n = json_array_size(data);

        for (i = 0; i < n && i < 8; i++) {
            stack[i] = json_array_get(data, i);
        }
    }

    memset(&sink, 0, sizeof(portal_sink_t));
    sink.alloc = test_alloc;
    sink.chunk = 16;

    if (portal_view_render(view, stack, n, &sink) != 0) {
        free(test_text(&sink));
        return strdup("!render");
    }

    text = test_text(&sink);

    if (json_is_object(data)) {
        reduced = test_reduced(view, data);

        if (strcmp(reduced, text) != 0) {
            free(text);
            return reduced;
        }

        free(reduced);
    }

    return text;
}


static json_t *
test_json(const char *text)
{
    json_t        *json;
    json_error_t   error;

    json = json_loads(text, JSON_DECODE_ANY, &error);

    if (json == NULL) {
        printf("Bail out! %s: %s\n", text, error.text);
        exit(1);
    }

    return json;
}


/* ---- the specification ---- */

static void
test_spec_one(json_t *test, const char *module)
{
    char            *got, title[256];
    json_t          *partial, *data;
    const char      *name, *text;
    portal_views_t  *views;

    views = portal_views_create(NULL, "en", NULL);

    text = json_string_value(json_object_get(test, "template"));
    portal_views_add(views, "*", text, strlen(text));

    json_object_foreach(json_object_get(test, "partials"), name, partial) {
        portal_views_add(views, name, json_string_value(partial),
                         json_string_length(partial));
    }

    /* the root-level list is a context of its own, not a stack */

    data = json_object_get(test, "data");

    if (json_is_array(data)) {
        json_t         *stack[1];
        portal_sink_t   sink;
        portal_view_t  *view;

        memset(&sink, 0, sizeof(portal_sink_t));
        sink.alloc = test_alloc;
        stack[0] = data;

        view = portal_views_get(views, "*", NULL, 0);
        got = NULL;

        if (view && portal_view_render(view, stack, 1, &sink) == 0) {
            got = test_text(&sink);
        }

    } else {
        got = test_render(views, "*", data);
    }

    snprintf(title, sizeof(title), "%s: %s", module,
             json_string_value(json_object_get(test, "name")));

    test_is(got, json_string_value(json_object_get(test, "expected")), title);

    free(got);
    portal_views_free(views);
}


static void
test_spec(const char *dir)
{
    char     path[1024];
    size_t   i, k;
    json_t  *file, *test;

    static const char *const  modules[] = {
        "comments", "delimiters", "interpolation", "inverted", "partials",
        "sections", "~inheritance"
    };

    for (i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {

        snprintf(path, sizeof(path), "%s/%s.json", dir, modules[i]);

        file = json_load_file(path, 0, NULL);

        if (file == NULL) {
            test_ok(1, "%s # SKIP the specification is not there", modules[i]);
            continue;
        }

        json_array_foreach(json_object_get(file, "tests"), k, test) {
            test_spec_one(test, modules[i]);
        }

        json_decref(file);
    }
}


/* ---- rendering ---- */

typedef struct {
    const char  *name;
    const char  *template;
    const char  *data;
    const char  *expected;
} test_case_t;


static const char  test_labels[] =
    "{\"hello\": \"Bonjour {{name}}\","
    " \"quote\": \"L'été & <\\\"vous\\\">\","
    " \"a\": {\"b\": {\"c\": \"profond\"}, \"d.e\": \"plat\"},"
    " \"loop\": \"{{t.loop}}\","
    " \"nested\": \"<{{t.hello}}>\","
    " \"part\": \"{{>p}}\","
    " \"broken\": \"{{#a}}\","
    " \"number\": 3,"
    " \"opt\": \"{{#name}}<{{name}}>{{/name}}{{^name}}-{{/name}}\","
    " \"kids\": {\"count\": \"n\", \"zero\": \"aucun enfant\","
    "   \"one\": \"{{n}} enfant\", \"other\": \"{{n}} enfants\"},"
    " \"files\": {\"count\": \"x.list\", \"one\": \"un dossier\","
    "   \"other\": \"des dossiers\"},"
    " \"words\": {\"count\": \"n\", \"other\": \"mots\"},"
    " \"display\": {\"yes\": \"Oui\", \"no\": \"Non\","
    "   \"none\": \"Non renseigné\"},"
    " \"list\": {\"level\": {\"ce1\": \"CE1 & co\"}, \"vaccines\": \"answer\","
    "   \"answer\": {\"yes\": \"oui, à jour\"}, \"self\": \"nothing\"}}";


static const test_case_t  test_plain[] = {

    { "escapes", "{{x}}", "{\"x\":\"<a href=\\\"'&'\\\">\"}",
      "&lt;a href=&quot;&#39;&amp;&#39;&quot;&gt;" },
    { "nothing to escape twice", "{{x}}", "{\"x\":\"&amp;\"}", "&amp;amp;" },
    { "template text in data", "{{x}}", "{\"x\":\"{{y}}\",\"y\":1}", "{{y}}" },
    { "integers", "{{a}} {{b}} {{c}}",
      "{\"a\":0,\"b\":-9223372036854775808,\"c\":9223372036854775807}",
      "0 -9223372036854775808 9223372036854775807" },
    { "booleans", "{{a}}{{b}}", "{\"a\":true,\"b\":false}", "truefalse" },
    { "objects and lists write nothing", "[{{a}}{{b}}{{c}}]",
      "{\"a\":{},\"b\":[1],\"c\":null}", "[]" },
    { "false: empty text and 0", "{{#a}}a{{/a}}{{^a}}A{{/a}}{{#b}}b{{/b}}",
      "{\"a\":\"\",\"b\":0}", "A" },
    { "true: empty object", "{{#a}}a{{/a}}", "{\"a\":{}}", "a" },
    { "false: empty list", "{{^a}}none{{/a}}", "{\"a\":[]}", "none" },
    { "a null hides the parent's", "{{#k}}{{#x}}no{{/x}}{{/k}}",
      "{\"x\":true,\"k\":{\"x\":null}}", "" },
    { "the stack's last object first", "{{x}}{{y}}",
      "[{\"x\":1,\"y\":2},{\"x\":3}]", "32" },
    { "list items, also false ones", "{{#a}}<{{.}}>{{/a}}",
      "{\"a\":[0,\"\",null,\"x\"]}", "<0><><><x>" },
    { "non-ASCII", "é{{x}}€", "{\"x\":\"à\\u00a0ç\"}",
      "éà\xc2\xa0ç€" },
    { "other delimiters", "{{=<% %>=}}<%x%>{{x}}", "{\"x\":1}", "1{{x}}" },
    { "single braces", "a { b } }} {{x}}", "{\"x\":1}", "a { b } }} 1" },
    { "long names", "{{a.b.c.d.e.f.g.h}}",
      "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":7}}}}}}}}",
      "7" },
    { "recursion with indentation", "{{>tree}}",
      "{\"v\":1,\"k\":[{\"v\":2,\"k\":[{\"v\":3,\"k\":[]}]},"
      "{\"v\":4,\"k\":[]}]}",
      "1\n  2\n    3\n  4\n" },
    { "recursion without end", "{{>ever}}", "{\"x\":1}", "!render" },
    { "two partials include one another", "{{>ping}}",
      "{\"n\":{\"n\":{\"n\":{\"n\":null}}}}", "ping pong ping " },
    { "a parent that includes itself", "{{<box}}{{$c}}x{{/c}}{{/box}}",
      "{\"k\":{\"k\":null}}", "(x(x))" },
    { "layout", "{{<layout}}{{$title}}T{{/title}}\n{{$body}}\n  <p>\n"
      "    {{x}}\n  </p>\n{{/body}}\n{{/layout}}\n", "{\"x\":1}",
      "<h>T</h>\n<b>\n  <p>\n    1\n  </p>\n</b>\n" },
    { "blocks see the place's context", "{{<each}}{{$c}}{{v}}{{/c}}{{/each}}",
      "{\"v\":0,\"k\":[{\"v\":1},{\"v\":2}]}", "12" },
    { "a missing partial is empty", "[{{>nowhere}}]", "{}", "[]" },
    { "the same block twice", "{{<twice}}{{$c}}x{{/c}}{{/twice}}", "{}",
      "xx" },
    { "a block within its own replacement",
      "{{<twice}}{{$c}}<{{$c}}d{{/c}}>{{/c}}{{/twice}}", "{}", "<d><d>" },
    { "empty template", "", "{}", "" },

    { "unclosed tag", "a\n\n{{x", "{}",
      "!*:3: the tag is never closed: write }} after its name" },
    { "unclosed section", "a\n{{#x}}\n{{y}}", "{}",
      "!*:2: \"x\" is never closed: write {{/x}}" },
    { "crossed sections", "{{#x}}\n{{#y}}\n{{/x}}{{/y}}", "{}",
      "!*:3: {{/x}} closes \"y\" of line 2: write {{/y}}" },
    { "closing nothing", "\n{{/x}}", "{}", "!*:2: {{/x}} closes nothing" },
    { "no name", "{{}}", "{}",
      "!*:1: a tag without a name: write {{name}}" },
    { "two names", "{{a b}}", "{}", "!*:1: bad name \"a b\": a tag holds one "
      "name, without spaces or braces" },
    { "bad dots", "{{a..b}}", "{}",
      "!*:1: bad name \"a..b\": write a.b.c, up to 8 names" },
    { "bad delimiters", "{{=a=}}", "{}",
      "!*:1: bad delimiters: write {{=<% %>=}}" },
    { "an error in a partial names it", "\n{{>bad}}", "{}",
      "!bad:2: \"x\" is never closed: write {{/x}}" },
};


static const test_case_t  test_product[] = {

    { "label", "<p>{{t.hello}}</p>", "{\"name\":\"<A>\"}",
      "<p>Bonjour &lt;A&gt;</p>" },
    { "label's text is escaped", "{{t.quote}}", "{}",
      "L&#39;été &amp; &lt;&quot;vous&quot;&gt;" },
    { "label in an attribute", "<p title=\"{{t.quote}}\">", "{}",
      "<p title=\"L&#39;été &amp; &lt;&quot;vous&quot;&gt;\">" },
    { "dotted labels", "{{t.a.b.c}} {{t.a.d.e}}", "{}", "profond plat" },
    { "label in a label", "{{t.nested}}", "{\"name\":\"A\"}",
      "&lt;Bonjour A&gt;" },
    { "sections in a label", "{{t.opt}}", "{\"name\":\"A\"}", "&lt;A&gt;" },
    { "plural: 0", "{{t.kids}}", "{\"n\":0}", "aucun enfant" },
    { "plural: 1", "{{t.kids}}", "{\"n\":1}", "1 enfant" },
    { "plural: 2", "{{t.kids}}!", "{\"n\":2}", "2 enfants!" },
    { "plural: unknown", "{{t.kids}}", "{\"n\":null}", " enfants" },
    { "plural: a list's length", "{{t.files}}", "{\"x\":{\"list\":[1]}}",
      "un dossier" },
    { "plural: 0 is singular in French", "{{t.files}}",
      "{\"x\":{\"list\":[]}}", "un dossier" },
    { "plural: other alone", "{{t.words}}", "{\"n\":1}", "mots" },
    { "t alone is a variable", "{{t}}", "{\"t\":1}", "1" },
    { "display: list", "{{display.school.level}}",
      "{\"school\":{\"level\":\"ce1\"}}", "CE1 &amp; co" },
    { "display: a list's other name", "{{display.vaccines}}",
      "{\"vaccines\":\"yes\"}", "oui, à jour" },
    { "display: broken chain", "{{display.school.level}}",
      "{\"school\":null}", "Non renseigné" },
    { "display: amount", "{{display.due_cents}}", "{\"due_cents\":123450}",
      "1\xe2\x80\xaf" "234,50\xc2\xa0€" },
    { "display: escaped", "{{display.x}}", "{\"x\":\"<b>\"}", "&lt;b&gt;" },
    { "text mail: nothing escaped", "{{>mail.txt}}", "{\"name\":\"<A>\"}",
      "Bonjour &lt;A&gt;" },
    { "attributes by section", "<option{{#x}} selected{{/x}}>", "{\"x\":1}",
      "<option selected>" },
    { "quoted values", "<a href=\"/x?a={{x}}\" class='b'>a = {{x}}</a>",
      "{\"x\":1}", "<a href=\"/x?a=1\" class='b'>a = 1</a>" },
    { "words that look wrong in text", "<p data-on=\"1\" title=\"a style=b\">"
      "style=1 onclick=2 data:3</p><!-- <p style=''> -->", "{}",
      "<p data-on=\"1\" title=\"a style=b\">style=1 onclick=2 data:3</p>"
      "<!-- <p style=''> -->" },
    { "scripts", "<script src=\"/a.js\"></script>{{x}}", "{\"x\":1}",
      "<script src=\"/a.js\"></script>1" },

    { "missing label", "\n\n{{t.no.such}}", "{}",
      "!*:3: label \"t.no.such\" is missing in fr.json" },
    { "label that is no text", "{{t.number}}", "{}",
      "!*:1: label \"t.number\" is no text: write {\"count\": \"name\", "
      "\"one\": ..., \"other\": ...} for a plural" },
    { "label with an open section", "\n{{t.broken}}", "{}",
      "!*:2: label \"t.broken\":1: \"a\" is never closed: write {{/a}}" },
    { "label with a partial", "{{t.part}}", "{}",
      "!*:1: label \"t.part\":1: a label holds text, variables and sections "
      "only" },
    { "label as section", "{{#t.hello}}{{/t.hello}}", "{}",
      "!*:1: \"t.hello\" is a text, not a section: write {{#hello}}" },
    { "display as section", "{{^display.x}}{{/display.x}}", "{}",
      "!*:1: \"display.x\" is a text, not a section: write {{#x}}" },
    { "three braces", "{{{x}}}", "{}",
      "!*:1: unescaped tag; not allowed: write {{x}}" },
    { "ampersand", "{{& x}}", "{}",
      "!*:1: unescaped tag; not allowed: write {{x}}" },
    { "missing partial", "{{>no/such}}", "{}",
      "!*:1: there is no template \"no/such\": write "
      "/nonexistent/no/such.mustache" },
    { "partial out of the directory", "{{>../x}}", "{}",
      "!*:1: there is no template \"../x\": write "
      "/nonexistent/../x.mustache" },
    { "style=", "<p>\n<b\nstyle=\"x\">", "{}",
      "!*:3: style= is refused by the browser: write a class of the style "
      "sheet" },
    { "STYLE =", "<b STYLE ='x'>", "{}",
      "!*:1: style= is refused by the browser: write a class of the style "
      "sheet" },
    { "style element", "<style>a{}</style>", "{}",
      "!*:1: <style> is refused by the browser: write a class of the style "
      "sheet" },
    { "onclick=", "<b class=\"a\"onClick=\"x()\">", "{}",
      "!*:1: an on*= attribute is refused by the browser: write a script in "
      "src/static" },
    { "data: URL", "<img src=\" DATA:image/png,\">", "{}",
      "!*:1: a data: URL is refused by the browser: write a file of "
      "src/static" },
    { "javascript: URL", "<a href='javascript:x'>", "{}",
      "!*:1: a javascript: URL is refused by the browser: write a script in "
      "src/static" },
    { "unquoted value", "<a href={{x}}>", "{}",
      "!*:1: {{x}}: unquoted attribute value: write name=\"{{value}}\"" },
    { "unquoted value, begun", "<a href=/x/{{x}}>", "{}",
      "!*:1: {{x}}: unquoted attribute value: write name=\"{{value}}\"" },
    { "unquoted label", "<a title={{t.quote}}>", "{}",
      "!*:1: {{t.quote}}: unquoted attribute value: write "
      "name=\"{{value}}\"" },
    { "attribute from data", "<a {{x}}>", "{}",
      "!*:1: {{x}}: a tag in an element's markup, outside of an attribute's "
      "quotes: write name=\"{{value}}\", or a section" },
    { "tag inside a script", "<script>var x = '{{x}}'</script>", "{}",
      "!*:1: {{x}}: a tag inside <script>: write the value in a data- "
      "attribute" },
};


static void
test_add(portal_views_t *views, const char *name, const char *text)
{
    portal_views_add(views, name, text, strlen(text));
}


static void
test_cases(const test_case_t *cases, size_t n, const char *dir,
    json_t *labels)
{
    char            *got;
    size_t           i;
    json_t          *data;
    portal_views_t  *views;

    for (i = 0; i < n; i++) {
        views = portal_views_create(dir, "fr", labels);

        test_add(views, "*", cases[i].template);
        test_add(views, "bad", "\n{{#x}}");
        test_add(views, "tree", "{{v}}\n{{#k}}\n  {{>tree}}\n{{/k}}\n");
        test_add(views, "ever", "{{x}}{{>ever}}");
        test_add(views, "ping", "{{#n}}ping {{>pong}}{{/n}}");
        test_add(views, "pong", "{{#n}}pong {{>ping}}{{/n}}");
        test_add(views, "box", "({{$c}}{{/c}}{{#k}}{{<box}}{{$c}}y{{/c}}"
                 "{{/box}}{{/k}})");
        test_add(views, "layout", "<h>{{$title}}none{{/title}}</h>\n<b>\n"
                 "  {{$body}}\n  {{/body}}\n</b>\n");
        test_add(views, "each", "{{#k}}{{$c}}{{/c}}{{/k}}");
        test_add(views, "twice", "{{$c}}1{{/c}}{{$c}}2{{/c}}");
        test_add(views, "mail.txt", "{{t.hello}}");

        data = test_json(cases[i].data);
        got = test_render(views, "*", data);

        test_is(got, cases[i].expected, cases[i].name);

        free(got);
        json_decref(data);
        portal_views_free(views);
    }
}


/* ---- words ---- */

typedef struct {
    const char  *name;
    const char  *value;
    const char  *french;
    const char  *english;
} test_word_t;


static const test_word_t  test_words[] = {

    { "x", "null", "Non renseigné", "Non renseigné" },
    { "x", "\"\"", "Non renseigné", "Non renseigné" },
    { "x", "true", "Oui", "Oui" },
    { "x", "false", "Non", "Non" },
    { "x", "2026", "2026", "2026" },
    { "x", "\"2019-03-04\"", "4 mars 2019", "4 March 2019" },
    { "x", "\"2019-03-01\"", "1er mars 2019", "1 March 2019" },
    { "x", "\"2024-02-29\"", "29 février 2024", "29 February 2024" },
    { "x", "\"2023-02-29\"", "2023-02-29", "2023-02-29" },
    { "x", "\"2023-13-01\"", "2023-13-01", "2023-13-01" },
    { "x", "\"2023-08-1\"", "2023-08-1", "2023-08-1" },
    { "x", "\"2023-08-15x\"", "2023-08-15x", "2023-08-15x" },
    { "x", "\"1900-12-31\"", "31 décembre 1900", "31 December 1900" },
    { "x", "\"2019-03-04T13:05:00Z\"",
      "4 mars 2019 à 14\xc2\xa0h\xc2\xa0" "05",
      "4 March 2019 at 2:05\xc2\xa0pm" },
    { "x", "\"2019-07-04T22:05:59.123456Z\"",
      "5 juillet 2019 à 0\xc2\xa0h\xc2\xa0" "05",
      "5 July 2019 at 12:05\xc2\xa0" "am" },
    { "x", "\"2026-03-29T00:59:59Z\"",
      "29 mars 2026 à 1\xc2\xa0h\xc2\xa0" "59",
      "29 March 2026 at 1:59\xc2\xa0" "am" },
    { "x", "\"2026-03-29T01:00:00Z\"",
      "29 mars 2026 à 3\xc2\xa0h\xc2\xa0" "00",
      "29 March 2026 at 3:00\xc2\xa0" "am" },
    { "x", "\"2026-10-25T00:59:59Z\"",
      "25 octobre 2026 à 2\xc2\xa0h\xc2\xa0" "59",
      "25 October 2026 at 2:59\xc2\xa0" "am" },
    { "x", "\"2026-10-25T01:00:00Z\"",
      "25 octobre 2026 à 2\xc2\xa0h\xc2\xa0" "00",
      "25 October 2026 at 2:00\xc2\xa0" "am" },
    { "x", "\"2025-12-31T23:30:00Z\"",
      "1er janvier 2026 à 0\xc2\xa0h\xc2\xa0" "30",
      "1 January 2026 at 12:30\xc2\xa0" "am" },
    { "x", "\"2026-01-01 00:30:00+02\"",
      "31 décembre 2025 à 23\xc2\xa0h\xc2\xa0" "30",
      "31 December 2025 at 11:30\xc2\xa0pm" },
    { "x", "\"2026-01-01T10:30-05:30\"",
      "1er janvier 2026 à 17\xc2\xa0h\xc2\xa0" "00",
      "1 January 2026 at 5:00\xc2\xa0pm" },
    { "x", "\"2026-01-01T25:30Z\"", "2026-01-01T25:30Z",
      "2026-01-01T25:30Z" },
    { "x", "\"2026-01-01T10:30\"", "2026-01-01T10:30", "2026-01-01T10:30" },
    { "x", "\"FR7630006000011234567890189\"",
      "FR76 3000 6000 0112 3456 7890 189",
      "FR76 3000 6000 0112 3456 7890 189" },
    { "x", "\"FR7630006000011234567890188\"", "FR7630006000011234567890188",
      "FR7630006000011234567890188" },
    { "x", "\"+33612345678\"",
      "06\xc2\xa0" "12\xc2\xa0" "34\xc2\xa0" "56\xc2\xa0" "78",
      "06\xc2\xa0" "12\xc2\xa0" "34\xc2\xa0" "56\xc2\xa0" "78" },
    { "x", "\"+262692345678\"",
      "06\xc2\xa0" "92\xc2\xa0" "34\xc2\xa0" "56\xc2\xa0" "78",
      "06\xc2\xa0" "92\xc2\xa0" "34\xc2\xa0" "56\xc2\xa0" "78" },
    { "x", "\"+3361234567\"", "+3361234567", "+3361234567" },
    { "x", "\"+32475123456\"", "+32475123456", "+32475123456" },
    { "due_cents", "4250", "42,50\xc2\xa0€", "€42.50" },
    { "a.due_cents", "0", "0,00\xc2\xa0€", "€0.00" },
    { "due_cents", "-5", "-0,05\xc2\xa0€", "-€0.05" },
    { "due_cents", "123456789",
      "1\xe2\x80\xaf" "234\xe2\x80\xaf" "567,89\xc2\xa0€",
      "€1,234,567.89" },
    { "due_cents", "null", "Non renseigné", "Non renseigné" },
    { "cents", "5", "5", "5" },
    { "a.reference_income", "\"34567\"",
      "34\xe2\x80\xaf" "567\xc2\xa0€", "€34,567" },
    { "reference_income", "1234567",
      "1\xe2\x80\xaf" "234\xe2\x80\xaf" "567\xc2\xa0€", "€1,234,567" },
    { "reference_income", "\"0\"", "0\xc2\xa0€", "€0" },
    { "reference_income", "\"999\"", "999\xc2\xa0€", "€999" },
    { "reference_income", "\"12a\"", "12a", "12a" },
    { "reference_income", "\"1234567890123456\"", "1234567890123456",
      "1234567890123456" },
    { "reference_income", "\"\"", "Non renseigné", "Non renseigné" },
    { "income", "\"1234\"", "1234", "1234" },
    { "school.level", "\"ce1\"", "CE1 & co", "CE1 & co" },
    { "school.level", "\"xx\"", "xx", "xx" },
    { "vaccines", "\"yes\"", "oui, à jour", "oui, à jour" },
    { "self", "\"yes\"", "yes", "yes" },
    { "x", "\"<b>\"", "<b>", "<b>" },
    { "x", "\"{{y}}\"", "{{y}}", "{{y}}" },
};


static void
test_display(portal_views_t *views, const test_word_t *word,
    const char *expected)
{
    int             rc;
    char           *got;
    json_t         *value;
    portal_sink_t   sink;

    memset(&sink, 0, sizeof(portal_sink_t));
    sink.alloc = test_alloc;

    value = test_json(word->value);

    rc = portal_display(views, word->name, value, &sink);
    got = test_text(&sink);

    test_is(rc == 0 ? got : NULL, expected, word->value);

    free(got);
    json_decref(value);
}


static void
test_displays(json_t *labels)
{
    size_t           i;
    portal_views_t  *french, *english;

    french = portal_views_create(NULL, "fr", labels);
    english = portal_views_create(NULL, "en", labels);

    for (i = 0; i < sizeof(test_words) / sizeof(test_words[0]); i++) {
        test_display(french, &test_words[i], test_words[i].french);
        test_display(english, &test_words[i], test_words[i].english);
    }

    test_is(portal_views_label(french, "a.b.c"), "profond", "label: nested");
    test_is(portal_views_label(french, "a.d.e"), "plat", "label: flat");
    test_is(portal_views_label(french, "hello"), "Bonjour {{name}}",
            "label: as written");
    test_is(portal_views_label(french, "kids"), "{{n}} enfants",
            "label: plural's other");
    test_ok(portal_views_label(french, "no.such") == NULL, "label: missing");
    test_ok(portal_views_label(french, "a.b") == NULL, "label: an object");
    test_ok(portal_views_label(french, "") == NULL, "label: empty name");

    portal_views_free(french);
    portal_views_free(english);
}


/* the edges of summer time, as Europe/Paris has them: no zone of the process */

static void
test_days(void)
{
    char    day[PORTAL_DAY];
    size_t  i;

    static const struct {
        int64_t      at;
        const char  *day;
    } days[] = {
        { 0, "1970-01-01" },
        { 1764111599, "2025-11-25" },       /* 22:59:59 UTC in winter */
        { 1764111600, "2025-11-26" },
        { 1798757999, "2026-12-31" },       /* a year's end */
        { 1798758000, "2027-01-01" },
        { 1774738799, "2026-03-28" },       /* the last day before, 23:00 */
        { 1774738800, "2026-03-29" },
        { 1774745999, "2026-03-29" },       /* 01:00 UTC: it begins */
        { 1774746000, "2026-03-29" },
        { 1774821599, "2026-03-29" },       /* midnight is at 22:00 now */
        { 1774821600, "2026-03-30" },
        { 1782165599, "2026-06-22" },
        { 1782165600, "2026-06-23" },
        { 1792879199, "2026-10-24" },       /* the last one at 22:00 */
        { 1792879200, "2026-10-25" },
        { 1792889999, "2026-10-25" },       /* 01:00 UTC: it ends */
        { 1792890000, "2026-10-25" },
        { 1792969199, "2026-10-25" },       /* at 23:00 again */
        { 1792969200, "2026-10-26" },
        { 1711839600, "2024-03-31" },       /* the 31st is that Sunday */
        { 1711922399, "2024-03-31" },
        { 1711922400, "2024-04-01" },
        { 1835391599, "2028-02-28" },       /* a leap year */
        { 1835391600, "2028-02-29" },
    };

    for (i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        portal_day(days[i].at, day);
        test_is(day, days[i].day, "the town's day");
    }
}


/* ---- memory, limits, files ---- */

static void
test_sinks(json_t *labels)
{
    int              left;
    char            *got;
    json_t          *data;
    portal_sink_t    sink;
    portal_view_t   *view;
    portal_views_t  *views;

    views = portal_views_create(NULL, "en", labels);
    test_add(views, "kids", "{{t.files}}{{x}}{{y}}");
    test_add(views, "m.txt", "{{t.quote}} {{x}} {{display.x}}");

    data = test_json("{\"x\": \"<<<<<<<<<<\", \"y\": 12}");

    view = portal_views_get(views, "kids", NULL, 0);
    test_ok(view != NULL, "compiles without an error's buffer");
    test_ok(view == portal_views_get(views, "kids", NULL, 0),
            "compiles once");

    memset(&sink, 0, sizeof(portal_sink_t));
    sink.alloc = test_alloc;
    sink.chunk = 7;
    sink.limit = 54;

    test_ok(portal_view_render(view, &data, 1, &sink) == 0, "at the limit");
    test_ok(sink.total == 54, "counts every byte");
    test_ok(portal_view_render(view, &data, 1, &sink) == -1, "over the limit");
    got = test_text(&sink);
    test_is(got, "des dossiers&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;&lt;12",
            "chunks in order; a list's 0 is plural in English");
    free(got);

    left = 2;
    memset(&sink, 0, sizeof(portal_sink_t));
    sink.alloc = test_alloc;
    sink.ctx = &left;
    sink.chunk = 8;

    test_ok(portal_view_render(view, &data, 1, &sink) == -1, "out of memory");
    free(test_text(&sink));

    got = test_render(views, "m.txt", data);
    test_is(got, "L'été & <\"vous\"> <<<<<<<<<< <<<<<<<<<<",
            "a view named .txt escapes nothing");
    free(got);

    memset(&sink, 0, sizeof(portal_sink_t));
    sink.alloc = test_alloc;
    test_ok(portal_view_render(view, NULL, 0, &sink) == -1, "no stack");
    test_ok(portal_sink_write(&sink, "", 0) == 0 && sink.first == NULL,
            "nothing written, nothing allocated");

    test_ok(portal_views_add(views, "kids", "x", 1) == -1, "a name once");
    test_ok(portal_views_get(views, "none", NULL, 0) == NULL,
            "no such template");

    json_decref(data);
    portal_views_free(views);
    portal_views_free(NULL);
}


/* a view named .csv: each tag is a whole cell, and none a formula */

static void
test_csv(json_t *labels)
{
    size_t           i;
    char            *got, err[200];
    json_t          *data;
    portal_views_t  *views;

    static const char *const  cells[][2] = {
        { "\"a\"", "\"a\"" },
        { "\"\"", "" },
        { "\"a;\\\"b\\\"\"", "\"a;\"\"b\"\"\"" },
        { "\"=1+1\"", "\"'=1+1\"" },
        { "\"+1\"", "\"'+1\"" },
        { "\"-1\"", "\"'-1\"" },
        { "\"@x\"", "\"'@x\"" },
        { "\"  =1\"", "\"'  =1\"" },
        { "\"\\t=1\"", "\"'\t=1\"" },
        { "\"\\r=1\"", "\"'\r=1\"" },
        { "\"\\uff1d1\"", "\"'\xef\xbc\x9d" "1\"" },
        { "\"\\uff0b1\"", "\"'\xef\xbc\x8b" "1\"" },
        { "\"\\uff0d1\"", "\"'\xef\xbc\x8d" "1\"" },
        { "\"\\uff201\"", "\"'\xef\xbc\xa0" "1\"" },
        { "\"a=1\"", "\"a=1\"" },
        { "\"0034\"", "\"'0034\"" },
        { "\"3023217600053\"", "\"'3023217600053\"" },
        { "\"75001\"", "\"75001\"" },
        { "\"0\"", "\"0\"" },
        { "-5", "-5" },
        { "true", "\"Oui\"" },
        { "null", "" },
        { "\"2019-03-04\"", "\"04/03/2019\"" },
        { "\"2019-07-04T12:05:00Z\"", "\"04/07/2019 14:05\"" },
        { "\"2.5\"", "\"2,5\"" },
        { "\"+33612345678\"", "\"06\xc2\xa0" "12\xc2\xa0" "34\xc2\xa0" "56"
          "\xc2\xa0" "78\"" },
        { "\"+4912345\"", "\"'+4912345\"" },
    };

    views = portal_views_create(NULL, "fr", labels);
    test_add(views, "cell.csv", "{{display.x}}");
    test_add(views, "m.csv",
             "{{t.quote}};{{x}}\n{{#l}}\n{{display.due_cents}};{{.}}\n"
             "{{/l}}\n");
    test_add(views, "bad.csv", "{{t.hello}}");

    for (i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        data = json_pack("{s:o}", "x", test_json(cells[i][0]));
        got = test_render(views, "cell.csv", data);
        test_is(got, cells[i][1], cells[i][0]);
        free(got);
        json_decref(data);
    }

    data = test_json("{\"x\": \"<=\", \"due_cents\": 123450, "
                     "\"l\": [\"=a\", 2]}");
    got = test_render(views, "m.csv", data);
    test_is(got, "\"L'\xc3\xa9t\xc3\xa9 & <\"\"vous\"\">\";\"<=\"\r\n"
            "1234,50;\"'=a\"\r\n1234,50;2\r\n",
            "csv: labels are cells, lines end in CRLF");
    free(got);
    json_decref(data);

    test_ok(portal_views_get(views, "bad.csv", err, sizeof(err)) == NULL,
            "csv: a label with a variable is no cell");

    portal_views_free(views);
}


static void
test_write(const char *path, const char *text)
{
    FILE  *fp;

    fp = fopen(path, "wb");

    if (fp) {
        fputs(text, fp);
        fclose(fp);
    }
}


static void
test_files(json_t *labels)
{
    char            *got, dir[] = "/tmp/view_test.XXXXXX", path[256];
    char             expected[256];
    json_t          *data;
    portal_views_t  *views;

    if (mkdtemp(dir) == NULL) {
        test_ok(1, "files # SKIP no temporary directory");
        return;
    }

    snprintf(path, sizeof(path), "%s/a.b.mustache", dir);
    test_write(path, "<p>{{>c}}</p>\n");
    snprintf(path, sizeof(path), "%s/c.mustache", dir);
    test_write(path, "{{x}}");
    snprintf(path, sizeof(path), "%s/d.mustache", dir);
    test_write(path, "\n{{t.none}}");

    views = portal_views_create(dir, "fr", labels);
    data = test_json("{\"x\":1}");

    got = test_render(views, "a.b", data);
    test_is(got, "<p>1</p>\n", "files and partials");
    free(got);

    got = test_render(views, "d", data);
    snprintf(expected, sizeof(expected),
             "!%s/d.mustache:2: label \"t.none\" is missing in fr.json", dir);
    test_is(got, expected, "an error says file and line");
    free(got);

    got = test_render(views, "e", data);
    snprintf(expected, sizeof(expected),
             "!%s/e.mustache:1: there is no such template", dir);
    test_is(got, expected, "no such file");
    free(got);

    json_decref(data);
    portal_views_free(views);

    remove(path);
    snprintf(path, sizeof(path), "%s/c.mustache", dir);
    remove(path);
    snprintf(path, sizeof(path), "%s/a.b.mustache", dir);
    remove(path);
    remove(dir);
}


/* t/letters.t has it read; here, that it keeps within its bounds */

static void
test_qr(void)
{
    int        n, x, y, width, back, good, black;
    char       text[PORTAL_QR_TEXT + 1], *path;
    size_t     len;
    unsigned   size;
    const char  *p;

    memset(text, 'a', sizeof(text));
    good = 1;
    black = 0;

    for (len = 1; len <= PORTAL_QR_TEXT; len += len < 64 ? 1 : 32) {
        path = portal_qr_path(text, len, &size);
        good &= path != NULL;

        for (p = path; p && *p; p += n) {
            n = 0;

            if (sscanf(p, "M%d %dh%dv1h-%dz%n", &x, &y, &width, &back, &n) != 4
                || n == 0 || width != back || width < 1 || x < 4 || y < 4
                || x + width > (int) size - 4 || y >= (int) size - 4)
            {
                good = 0;
                break;
            }

            black += width;
        }

        free(path);
    }

    test_ok(good && black > 0, "QR codes: runs within their quiet zone");
    test_ok(portal_qr_path(text, 0, &size) == NULL, "of nothing: none");
    test_ok(portal_qr_path(text, PORTAL_QR_TEXT + 1, &size) == NULL,
            "of too much: none");
}


int
main(int argc, char **argv)
{
    json_t      *labels;
    const char  *dir;

    dir = argc > 1 ? argv[1] : getenv("MUSTACHE_SPEC");

    test_spec(dir ? dir : "../shared/mustache-spec");

    labels = test_json(test_labels);

    test_cases(test_plain, sizeof(test_plain) / sizeof(test_plain[0]), NULL,
               NULL);
    test_cases(test_product, sizeof(test_product) / sizeof(test_product[0]),
               "/nonexistent", labels);
    test_displays(labels);
    test_days();
    test_sinks(labels);
    test_csv(labels);
    test_files(labels);
    test_qr();

    json_decref(labels);

    printf("1..%u\n", test_count);

    return test_failed ? 1 : 0;
}
