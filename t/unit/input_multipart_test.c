
/*
 * Copyright (C) the portal's authors
 */


/*
 * multipart/form-data: what is told of a body, wherever its pieces end, and
 * what is refused; files by their first bytes.
 */


#include "input_test.h"
#include "../../src/input/portal_upload.h"


#define CSRF  "--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n"   \
              "token\r\n"
#define TEXT(name, value)                                                     \
    "--b\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"        \
    value "\r\n"
#define FILE_OF(name, value)                                                  \
    "--b\r\nContent-Disposition: form-data; name=\"" name "\"; "              \
    "filename=\"x.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n" value "\r\n"
#define END   "--b--\r\n"

#define JPEG  "\xff\xd8\xff\xe0 a jpeg"


static unsigned  tokens;


static portal_body_e
token(void *data, const char *text)
{
    tokens++;

    return text && strcmp(text, "token") == 0 ? PORTAL_BODY_OK
                                              : PORTAL_BODY_TOKEN;
}


/* what was read, as one text to compare; or the error's number */

static char *
body_text(const char *body, size_t len, size_t first, size_t step)
{
    char             *text, *json, err[256];
    size_t            i, n;
    portal_body_e     rc;
    portal_upload_t   upload;

    err[0] = '\0';
    tokens = 0;
    text = calloc(1, 8192);

    if (portal_upload_init(&upload, "b", 1, token, NULL, err, sizeof(err))
        != 0)
    {
        return text;
    }

    rc = PORTAL_BODY_OK;

    for (i = 0; i < len && rc == PORTAL_BODY_OK; i += n) {
        n = i == 0 ? first : step;
        n = n < len - i ? n : len - i;

        /* a copy of its own: nothing is read beyond a piece */

        json = malloc(n ? n : 1);
        memcpy(json, body + i, n);
        rc = portal_upload_feed(&upload, json, n);
        free(json);
    }

    if (rc == PORTAL_BODY_OK) {
        rc = portal_upload_finish(&upload);
    }

    if (rc != PORTAL_BODY_OK) {
        snprintf(text, 8192, "%d %u", rc, tokens);

    } else {
        json = json_dumps(upload.raw, JSON_COMPACT | JSON_SORT_KEYS);
        n = (size_t) snprintf(text, 4096, "%u %s", tokens, json);
        free(json);

        for (i = 0; i < upload.nfiles; i++) {
            n += (size_t) snprintf(text + n, 8192 - n, " %s:",
                                   upload.files[i].name);
            memcpy(text + n, body + upload.files[i].start,
                   upload.files[i].size);
            n += upload.files[i].size;
        }
    }

    portal_upload_done(&upload);
    json_decref(upload.raw);

    return text;
}


static void
told_n(const char *body, size_t len, const char *want)
{
    char  *got;

    got = body_text(body, len, len, len);

    if (!ok(strcmp(got, want) == 0, "a body of %zu bytes", len)) {
        printf("# got  %s\n# want %s\n# of %.400s\n", got, want, body);
    }

    free(got);
}


static void
told(const char *body, const char *want)
{
    told_n(body, strlen(body), want);
}


/* the part of that name and headers, a token before it */

static void
part(const char *headers, const char *want)
{
    char  body[1024];

    snprintf(body, sizeof(body), CSRF "--b\r\n%s\r\n\r\nv\r\n" END, headers);
    told(body, want);
}


static void
boundary(const char *type, const char *want)
{
    char    out[PORTAL_MULTIPART_BOUNDARY];
    size_t  n;

    n = portal_multipart_boundary(type, strlen(type), out);
    ok(n == strlen(want) && memcmp(out, want, n) == 0, "boundary of %s: %s",
       type, want);
}


static void
test_boundary(void)
{
    char    text[200], want[100];
    size_t  i;

    boundary("multipart/form-data; boundary=b", "b");
    boundary("Multipart/Form-Data;BOUNDARY=----WebKitFormBoundaryAbC",
             "----WebKitFormBoundaryAbC");
    boundary("multipart/form-data; charset=utf-8; boundary=\"a b:c\";",
             "a b:c");
    boundary("multipart/form-data ; boundary=b", "b");
    boundary("multipart/form-data", "");
    boundary("multipart/form-data;", "");
    boundary("multipart/form-data; boundary", "");
    boundary("multipart/form-data; boundary=", "");
    boundary("multipart/form-data; boundary=\"\"", "");
    boundary("multipart/form-data; boundary=\"b", "");
    boundary("multipart/form-data; boundary=\"b \"", "");
    boundary("multipart/form-data; boundary=\"a\\\"b\"", "");
    boundary("multipart/form-data; boundary=\"a\xc3\xa9\"", "");
    boundary("multipart/form-data; boundary=\"a\r\nb\"", "");
    boundary("multipart/form-data; boundary=a; boundary=a", "");
    boundary("multipart/form-data boundary=b", "");
    boundary("multipart/form-data; =b; boundary=b", "");
    boundary("multipart/form-datax; boundary=b", "");
    boundary("multipart/mixed; boundary=b", "");
    boundary("multipart", "");
    boundary("", "");

    for (i = 70; i < 72; i++) {
        memset(want, 'b', i);
        want[i] = '\0';
        snprintf(text, sizeof(text), "multipart/form-data; boundary=%s",
                 want);
        boundary(text, i == 70 ? want : "");
    }
}


static void
test_parts(void)
{
    told(CSRF END, "1 {\"csrf\":\"token\"}");
    told(CSRF TEXT("a", "1") TEXT("b", "") END,
         "1 {\"a\":\"1\",\"b\":\"\",\"csrf\":\"token\"}");
    told("\r\n" CSRF END, "1 {\"csrf\":\"token\"}");
    told("a preamble\r\n" CSRF END "an epilogue", "1 {\"csrf\":\"token\"}");
    told(CSRF "--b--", "1 {\"csrf\":\"token\"}");
    told(CSRF TEXT("a", "\r\n--\r\n--c\r\r\n\r\n-") END,
         "1 {\"a\":\"\\r\\n--\\r\\n--c\\r\\r\\n\\r\\n-\",\"csrf\":"
         "\"token\"}");
    told("--b \t\r\nContent-Disposition:form-data;name=csrf\r\n\r\ntoken"
         "\r\n" END, "1 {\"csrf\":\"token\"}");
    told(CSRF TEXT("a", "\xff") END, "1 {\"a\":null,\"csrf\":\"token\"}");
    told(CSRF TEXT("a", "1") TEXT("a", "2") END,
         "1 {\"a\":[\"1\",\"2\"],\"csrf\":\"token\"}");
    told(CSRF TEXT("csrf", "token") END, "1 {\"csrf\":[\"token\",\"token\"]}");

    part("Content-Disposition: form-data; name=a",
         "1 {\"a\":\"v\",\"csrf\":\"token\"}");
    part("CONTENT-DISPOSITION: FORM-DATA; x=1; NAME=\"a\"",
         "1 {\"a\":\"v\",\"csrf\":\"token\"}");
    part("Content-Type: text/plain; charset=iso-8859-1\r\n"
         "Content-Disposition: form-data; name=a\r\nX-Y:",
         "1 {\"a\":\"v\",\"csrf\":\"token\"}");
    part("Content-Disposition: form-data; name=\"\xc3\xa9\"",
         "1 {\"csrf\":\"token\",\"\xc3\xa9\":\"v\"}");
    part("Content-Disposition: form-data; name=a\r\n"
         "Content-Transfer-Encoding: 8BIT",
         "1 {\"a\":\"v\",\"csrf\":\"token\"}");
}


static void
test_files(void)
{
    static const char *const  names[] = {
        "../../x", "C:\\x", "a\xe2\x80\xae" "b", ".htaccess", "-rf",
        "%0d%0a", "x;filename=y", "a\\\"b", "", NULL
    };

    char    body[8192];
    size_t  i, n;

    told(CSRF FILE_OF("p", JPEG) END,
         "1 {\"csrf\":\"token\",\"p\":{\"size\":11,\"type\":\"jpeg\"}} "
         "p:" JPEG);
    told(CSRF FILE_OF("p", "") END, "1 {\"csrf\":\"token\",\"p\":\"\"}");
    told(CSRF FILE_OF("p", JPEG) FILE_OF("p", JPEG) END,
         "1 {\"csrf\":\"token\",\"p\":[]} p:" JPEG " p:" JPEG);
    told(CSRF FILE_OF("p", "<svg>") FILE_OF("q", "%PDF-1.7\n") END,
         "1 {\"csrf\":\"token\",\"p\":{\"size\":5,\"type\":null},"
         "\"q\":{\"size\":9,\"type\":\"pdf\"}} p:<svg> "
         "q:%PDF-1.7\n");
    part("Content-Disposition: form-data; name=p; filename*=UTF-8''x",
         "1 {\"csrf\":\"token\",\"p\":{\"size\":1,\"type\":null}} p:v");

    /* T124 */

    for (i = 0; names[i] != NULL; i++) {
        snprintf(body, sizeof(body), "Content-Disposition: form-data; "
                 "name=\"p\"; filename=\"%s\"\r\nContent-Type: image/svg",
                 names[i]);
        part(body, "1 {\"csrf\":\"token\",\"p\":{\"size\":1,"
             "\"type\":null}} p:v");
    }

    n = (size_t) snprintf(body, sizeof(body), CSRF "--b\r\nContent-Disposition"
                          ": form-data; name=\"p\"; filename=\"");
    memset(body + n, 'x', 5000);
    body[n + 10] = '\0';
    n += 5000;
    n += (size_t) snprintf(body + n, sizeof(body) - n, "\"\r\n\r\n" JPEG
                           "\r\n" END);
    told_n(body, n, "1 {\"csrf\":\"token\",\"p\":{\"size\":11,"
           "\"type\":\"jpeg\"}} p:" JPEG);

    ok(strcmp(portal_file_type("\x89PNG\r\n\x1a\n", 8), "png") == 0, "PNG");
    ok(strcmp(portal_file_type("RIFF\1\2\3\4WEBP", 12), "webp") == 0, "WebP");
    ok(portal_file_type("RIFF\1\2\3\4WAVE", 12) == NULL
       && portal_file_type("RIFF\1\2\3\4WEB", 11) == NULL
       && portal_file_type("\xff\xd8", 2) == NULL
       && portal_file_type("GIF89a", 6) == NULL
       && portal_file_type("II*\0", 4) == NULL
       && portal_file_type("\0\0\0\x18" "ftypheic", 12) == NULL
       && portal_file_type("\x1f\x8b\x08", 3) == NULL
       && portal_file_type(" %PDF-", 6) == NULL
       && portal_file_type("%!PS-Adobe-3.0", 14) == NULL, "all others");
}


/* 1: 400, 2: 400 for an encoding, 3: 413, 6: 403; then how often the token
   was asked for */

static void
test_refused(void)
{
    char    *body;
    size_t   i, n;

    /* T076: a token that is not in front, wrong, a file, or none */

    told(TEXT("a", "1") CSRF END, "6 1");
    told(FILE_OF("p", JPEG) CSRF END, "6 1");
    told(TEXT("csrf", "other") FILE_OF("p", JPEG) END, "6 1");
    told(FILE_OF("csrf", "token") END, "6 1");
    told("--b\r\nContent-Disposition: form-data; name=csrf; filename=x\r\n"
         "\r\n", "6 1");
    told("--b--\r\n", "6 1");

    /* T125 */

    told("", "1 0");
    told("x", "1 0");
    told("--b", "1 0");
    told("--b-", "1 0");
    told("--bx\r\n", "1 0");
    told("--b-x", "1 0");
    told("--b --\r\n", "1 0");
    told("--b\n", "1 0");
    told("--b\r\r\n", "1 0");
    told("--c\r\nContent-Disposition: form-data; name=csrf\r\n\r\n"
         "token\r\n--c--\r\n", "1 0");
    told(CSRF, "1 0");
    told(CSRF "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx",
         "1 1");
    told(CSRF "--b\nContent-Disposition: form-data; name=a\n\nx\n--b--\n",
         "1 1");
    told(CSRF "--b\r\n\r\nx\r\n" END, "1 1");
    told("--b\r\n--b--\r\n", "1 0");

    part("Content-Disposition: form-data", "1 1");
    part("Content-Disposition: form-data; name=\"\"", "1 1");
    part("Content-Disposition: form-data; name=", "1 1");
    part("Content-Disposition: form-data; name=\"a", "1 1");
    part("Content-Disposition: form-data; name=\"a\" b", "1 1");
    part("Content-Disposition: form-data; name=a; name=b", "1 1");
    part("Content-Disposition: form-data; name=\"a\x01\"", "1 1");
    part("Content-Disposition: form-data; name=\"\xff\"", "2 1");
    part("Content-Disposition: attachment; name=a", "1 1");
    part("Content-Disposition: form-data; name=a\r\n"
         "Content-Disposition: form-data; name=b", "1 1");
    part("Content-Disposition: form-data;\r\n name=a", "1 1");
    part("Content-Disposition : form-data; name=a", "1 1");
    part("Content-Disposition form-data; name=a", "1 1");
    part(": x\r\nContent-Disposition: form-data; name=a", "1 1");
    part("Content-Disposition: form-data; name=a\rX: y", "1 1");
    part("Content-Disposition: form-data; name=a\nX: y", "1 1");
    part("Content-Disposition: form-data; name=a; filename=\"a\r\nb\"",
         "1 1");
    part("Content-Disposition: form-data; name=a\r\n"
         "Content-Type: multipart/mixed; boundary=c", "1 1");
    part("Content-Disposition: form-data; name=a\r\n"
         "Content-Transfer-Encoding: base64", "1 1");
    part("Content-Disposition: form-data; name=a\r\n"
         "Content-Transfer-Encoding: quoted-printable", "1 1");
    part("Content-Disposition: form-data; name=a\r\n"
         "Content-Transfer-Encoding: binary, base64", "1 1");
    part("Content-Disposition: form-data; name="
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
         "1 1");

    body = malloc(200000);

    memset(body, 'x', 200000);
    told_n(body, 300, "3 0");
    told_n(body, 200000, "3 0");

    n = (size_t) snprintf(body, 1000, CSRF END);
    memset(body + n, 'x', 300);
    told_n(body, n + 300, "3 1");

    n = (size_t) snprintf(body, 1000, CSRF "--b\r\nX: ");
    memset(body + n, 'x', 65536);
    told_n(body, n + 65536, "3 1");

    n = (size_t) snprintf(body, 1000, "--b");
    memset(body + n, ' ', 100);
    told_n(body, n + 100, "1 0");

    n = (size_t) snprintf(body, 1000, CSRF "--b\r\nContent-Disposition: "
                          "form-data; name=a\r\n\r\n");
    memset(body + n, 'x', 70000);
    told_n(body, n + 70000, "3 1");

    n = (size_t) snprintf(body, 1000, CSRF);

    for (i = 0; i < 1000; i++) {
        n += (size_t) snprintf(body + n, 1000, TEXT("a", "1"));
    }

    snprintf(body + n, 100, END);
    told(body, "3 1");

    n = (size_t) snprintf(body, 1000, CSRF);

    for (i = 0; i <= PORTAL_UPLOAD_FILES; i++) {
        n += (size_t) snprintf(body + n, 1000, FILE_OF("p", "1"));
    }

    snprintf(body + n, 100, END);
    told(body, "3 1");

    free(body);
}


static void
test_pieces(void)
{
    char        *whole, *got;
    size_t       i, k, len, wrong;

    static const char  body[] =
        "\r\n" CSRF TEXT("a", "\r\n--\r\n--a\r\n-\r\r\n\r\n--") TEXT("b", "")
        FILE_OF("p", JPEG "\r\n--\r\n\r--b\r\r\n") FILE_OF("q", "")
        "--b-- \r\n";

    len = sizeof(body) - 1;
    whole = body_text(body, len, len, len);
    wrong = 0;

    ok(strstr(whole, "\"size\":24") != NULL, "the body of the pieces: %s",
       whole);

    /* two pieces; and a first one, then others of one size */

    for (i = 1; i < len; i++) {

        for (k = 1; k < 9; k++) {
            got = body_text(body, len, i, k == 8 ? len : k);
            wrong += strcmp(got, whole) != 0;
            free(got);
        }
    }

    ok(wrong == 0, "wherever the pieces end, the same is told");

    /* cut off anywhere it is not whole, and nothing else happens */

    for (i = 0; i < len - 4; i++) {
        got = body_text(body, i, len, len);

        if (strchr(got, '{') != NULL) {
            ok(0, "cut at %zu of %zu: %s", i, len, got);
        }

        free(got);
    }

    free(whole);
}


int
main(void)
{
    if (begin_with("field p file accept=jpeg\n") != 0) {
        return 1;
    }

    test_boundary();
    test_parts();
    test_files();
    test_refused();
    test_pieces();

    return end();
}
