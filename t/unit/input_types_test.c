
/*
 * Copyright (C) the portal's authors
 */


/*
 * The types of fields, and passwords.
 */


#include <time.h>

#include "input_test.h"


#define TOKEN  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


static void
test_text(void)
{
    field("text", "ab", "\"ab\"");
    field("text", " \t\xc2\xa0 a b \xe3\x80\x80 ", "\"a b\"");
    field("text", "", "null");
    field("text", " \t ", "null");
    field("text", "a", "!too_short");
    field("text", "e\xcc\x81t\x65\xcc\x81", "\"\xc3\xa9t\xc3\xa9\"");
    repeat("text", "\xc3\xa9", 20, "");
    repeat("text", "\xc3\xa9", 21, "!too_long");
    repeat("text", "e\xcc\x81", 20, "");
    repeat("text", "x", 60000, "!too_long");
    field("text", "a\tb", "!control");
    field("text", "a\nb", "!control");
    field("text", "ab\r\n", "!control");
    field("text", "a\x7f" "b", "!control");
    field("text", "a\x1b[2J", "!control");
    field("text", "a\xc2\x85" "b", "!control");
    field("text", "a\xe2\x80\xae" "b", "!control");
    field("text", "a\xe2\x81\xa6" "b", "!control");
    field("text", "a\xe2\x80\xa8" "b", "!control");
    field("text", "a\xef\xbb\xbf" "b", "!control");
    field_n("text", "a\0b", 3, "!control");
    field("text", "a\xff" "b", "!encoding");
    field("text", "a\xc3", "!encoding");
    field("text", "<b>&\"'", "\"<b>&\\\"'\"");
    field("text", "{{7*7}} ${x} %n", "\"{{7*7}} ${x} %n\"");
    field("text", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
          "\"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7\"");
}


static void
test_name(void)
{
    field("name", "Martin", "\"Martin\"");
    field("name", "O'Brien", "\"O'Brien\"");
    field("name", "D\xe2\x80\x99" "Artagnan", "\"D\xe2\x80\x99" "Artagnan\"");
    field("name", "Jean-Pierre  de  La Tour", "\"Jean-Pierre de La Tour\"");
    field("name", "Jean\xe2\x80\x91Luc", "\"Jean-Luc\"");
    field("name", "St. John J.", "\"St. John J.\"");
    field("name", "Zo\x65\xcc\x88", "\"Zo\xc3\xab\"");
    field("name", "N\xc5\x93l", "\"N\xc5\x93l\"");
    field("name", "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd",
          "\"\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd\"");
    field("name", "\xe6\x9d\x8e", "\"\xe6\x9d\x8e\"");
    field("name", "x\xcc\xb2", "\"x\xcc\xb2\"");
    field("name", "\xcc\x81" "a", "!name_chars");
    field("name", "x\xcc\xb2\xcc\xb2\xcc\xb2\xcc\xb2\xcc\xb2", "!name_chars");
    field("name", "R2D2", "!name_chars");
    field("name", "\xd9\xa3" "a", "!name_chars");
    field("name", "-", "!name_chars");
    field("name", "' .", "!name_chars");
    field("name", "<svg onload>", "!name_chars");
    field("name", "a@b", "!name_chars");
    field("name", "X\r\nBcc: v@x", "!control");
    field("name", "{{x}}", "!name_chars");
    field("name", "\xf0\x9f\x98\x80", "!name_chars");
    repeat("name", "\xc3\xa9", 100, "");
    repeat("name", "\xc3\xa9", 101, "!too_long");
}


static void
test_email(void)
{
    static const char *const  bad[] = {
        "a", "@", "a@", "@b.fr", "a@b", "a@b,c@d.fr", "<a@b.fr>",
        "\"a b\"@c.fr", "a@[127.0.0.1]", "a@127.0.0.1", "a(b)@c.fr",
        "-oQ/tmp@x.fr", "-oQ/tmp@x", ".a@b.fr", "a.@b.fr", "a..b@c.fr",
        "a@b..fr", "a@.b.fr", "a@b.fr.", "a@-b.fr", "a@b-.fr", "a@b_c.fr",
        "a b@c.fr", "a@b c.fr", "a@b.fr,", "a@b.fr;c@d.fr", "a@@b.fr",
        "a@b@c.fr", "a\\@b.fr", "a@b.1", "a:b@c.fr", "a@b.fr>"
    };

    char    big[512];
    size_t  i;

    field("email", "camille.martin@exemple.fr",
          "\"camille.martin@exemple.fr\"");
    field("email", "  Victim@X.FR ", "\"Victim@x.fr\"");
    field("email", "a+b!#$%&'*/=?^_`{|}~-@xn--caf-dma.fr",
          "\"a+b!#$%&'*/=?^_`{|}~-@xn--caf-dma.fr\"");
    field("email", "a@1.fr", "\"a@1.fr\"");
    field("email", "", "null");
    field("email", "a\xef\xbc\xa0" "b.fr", "!email_ascii");
    field("email", "m\xc4\xb1ke@x.fr", "!email_ascii");
    field("email", "a@\xc3\xa9" "cole.fr", "!email_ascii");
    field("email", "a@b.fr\r\nRCPT TO:<v@x>", "!control");
    field("email", "a@b.fr\n", "!control");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        field("email", bad[i], "!email_format");
    }

    memset(big, 'a', sizeof(big));
    memcpy(big + 64, "@b.fr", 6);
    ok(one("email", json_string(big), 0, big + 256, 256)[0] == '\0',
       "a local part of 64");
    memset(big, 'a', 80);
    memcpy(big + 65, "@b.fr", 6);
    field("email", big, "!email_format");

    memset(big, 'b', sizeof(big));
    big[0] = 'a';
    big[1] = '@';

    for (i = 10; i < 250; i += 10) {
        big[i] = '.';
    }

    big[254] = '\0';
    ok(one("email", json_string(big), 0, big + 256, 256)[0] == '\0',
       "254 bytes");
    big[254] = 'b';
    big[255] = '\0';
    field("email", big, "!too_long");

    memset(big, 'b', 66);
    memcpy(big, "a@", 2);
    memcpy(big + 66, ".fr", 4);
    field("email", big, "!email_format");
}


static void
test_date(void)
{
    static const char *const  bad[] = {
        "2019-02-29", "29/02/2019", "1900-02-29", "31/04/2019", "0/1/2019",
        "1/0/2019", "1/13/2019", "32/1/2019", "2019-3-4", "19/03/04",
        "2019/03/04", "4//3/2019", "4/3/", "4/3/20190", "x", "4 mars 2019",
        "2019-03-04T00:00", "4/3/-2019", "/4/3/2019", "04-03-2019-",
        "2019 03 04", "00/00/0000", "1/1/0000", "+4/3/2019", "4/3/2019x",
        "99999999999999999999/1/2019"
    };

    size_t  i;

    field("date", "2019-03-04", "\"2019-03-04\"");
    field("date", "04/03/2019", "\"2019-03-04\"");
    field("date", "4/3/2019", "\"2019-03-04\"");
    field("date", " 4 / 3 / 2019 ", "\"2019-03-04\"");
    field("date", "4.3.2019", "\"2019-03-04\"");
    field("date", "04-03-2019", "\"2019-03-04\"");
    field("date", "04 03 2019", "\"2019-03-04\"");
    field("date", "29/02/2020", "\"2020-02-29\"");
    field("date", "29/02/2000", "\"2000-02-29\"");
    field("date", "2026-11-24", "\"2026-11-24\"");
    field("date", "1900-01-01", "\"1900-01-01\"");
    field("date", "", "null");
    field("date", "2026-11-25", "!date_future");
    field("date", "1899-12-31", "!date_range");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        field("date", bad[i], "!date_format");
    }
}


static void
date_parts(const char *json, const char *want)
{
    char    *got;
    json_t  *raw;

    raw = json_loads(json, 0, NULL);
    got = check(form, raw, 0);

    if (!ok(got && strstr(got, want) != NULL, "parts %s", json)) {
        printf("# got %s\n", got);
    }

    free(got);
    json_decref(raw);
}


static void
test_date_parts(void)
{
    date_parts("{\"date_day\":\"4\",\"date_month\":\" 3\","
               "\"date_year\":\"2019\"}", "\"date\":\"2019-03-04\"");
    date_parts("{\"date\":\"4/3/2019\"}", "\"date_month\":\"03\"");
    date_parts("{\"date_day\":\"31\",\"date_month\":\"2\","
               "\"date_year\":\"2019\"}", "\"date_format\"");
    date_parts("{\"date_day\":\"31\",\"date_month\":\"2\","
               "\"date_year\":\"2019\"}", "\"date_day\":\"31\"");
    date_parts("{\"date_day\":\"31\"}", "\"date_format\"");
    date_parts("{\"date_day\":\"1/2\",\"date_month\":\"\","
               "\"date_year\":\"2019\"}", "\"date_format\"");
    date_parts("{\"date_day\":\"\",\"date_month\":\"\",\"date_year\":\"\"}",
               "\"date\":null");
    date_parts("{\"date\":\"2019-03-04\",\"date_day\":\"4\"}",
               "\"duplicate\"");
    date_parts("{\"date_day\":[4],\"date_month\":\"3\","
               "\"date_year\":\"2019\"}", "\"type\"");
    date_parts("{\"date_day\":\"4444444444444444444444444444444444\","
               "\"date_month\":\"3\",\"date_year\":\"2019\"}",
               "\"date_format\"");
    date_parts("{\"date_hour\":\"4\"}", "\"unknown_field\"");
}


static void
test_lists_and_numbers(void)
{
    char           clean[PORTAL_CODE_LEN], typed[64], want[64];
    portal_text_t  in;

    field("choice", "add", "\"add\"");
    field("choice", "Add", "!choice");
    field("choice", "", "null");
    field("yesno", "yes", "\"yes\"");
    field("yesno", "no", "\"no\"");
    field("yesno", "unanswered", "\"unanswered\"");
    field("yesno", "", "\"unanswered\"");
    field("yesno", "oui", "!choice");

    field("integer", "0", "0");
    field("integer", "1 000 000", "1000000");
    field("integer", "1\xe2\x80\xaf" "234", "1234");
    field("integer", "007", "7");
    field("integer", "-5", "-5");
    field("integer", "-6", "!integer_range");
    field("integer", "1000001", "!integer_range");
    field("integer", "9223372036854775808", "!integer_range");
    field("integer", "99999999999999999999999999999999999999999",
          "!integer_range");
    field("integer", "-0", "!integer_format");
    field("integer", "-", "!integer_format");
    field("integer", "1.0", "!integer_format");
    field("integer", "1e2", "!integer_format");
    field("integer", "0x1", "!integer_format");
    field("integer", "+1", "!integer_format");
    field("integer", "1-", "!integer_format");
    field("integer", "\xd9\xa3", "!integer_format");

    portal_code_make(clean);
    snprintf(want, sizeof(want), "\"%.12s\"", clean);
    snprintf(typed, sizeof(typed), "%.4s-%.4s-%.4s", clean, clean + 4,
             clean + 8);
    field("code", typed, want);
    snprintf(typed, sizeof(typed), " %.4s \xe2\x80\x93 %.4s\xc2\xa0%.4s ",
             clean, clean + 4, clean + 8);
    field("code", typed, want);
    clean[11] = clean[11] == 'A' ? 'B' : 'A';
    snprintf(want, sizeof(want), "\"%.12s\"", clean);
    field_n("code", clean, 12, want);
    field("code", "0OIL-1234-5678", "\"0OIL12345678\"");
    field("code", "ABCD-EFGH-JKM", "!code_format");
    field("code", "ABCD", "!code_format");
    field("code", "AB\x07""CD", "!control");
    field("code", "AB\nCD", "!control");
    field("code", "\xc3\xa9\xc3\xa9", "!code_format");

    field("otp", "123456", "\"123456\"");
    field("otp", " 012 345 ", "\"012345\"");
    field("otp", "12345", "!otp_format");
    field("otp", "1234567", "!otp_format");
    field("otp", "12345a", "!otp_format");
    field("otp", "\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6",
          "!otp_format");

    field("token", TOKEN, "\"" TOKEN "\"");
    field("token", "AAAA", "!token_format");
    field("token", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+A",
          "!token_format");

    portal_secret(typed);
    in.data = typed;
    in.len = PORTAL_SECRET_B64;
    ok(portal_is_secret(in), "a made token is one");
}


static void
test_path(void)
{
    char  big[600];

    field("next", "/famille", "\"/famille\"");
    field("next", "/a?b=c#d", "\"/a?b=c#d\"");
    field("next", "/", "\"/\"");
    field("next", "//evil.fr", "null");
    field("next", "/a//b", "null");
    field("next", "/\\evil.fr", "null");
    field("next", "https://evil.fr", "null");
    field("next", "famille", "null");
    field("next", "/a\nb", "null");
    field("next", "/\t/evil.fr", "null");
    field("next", "/a b", "null");
    field("next", "/caf\xc3\xa9", "null");

    memset(big, 'a', sizeof(big));
    big[0] = '/';
    big[512] = '\0';
    ok(one("next", json_string(big), 0, big + 513, 80)[0] == '\0',
       "a path of 512");
    big[512] = 'a';
    big[513] = '\0';
    field("next", big, "null");
}


static void
test_types_of_json(void)
{
    json_field("integer", "12", "12");
    json_field("integer", "1.0", "!type");
    json_field("integer", "\"1\"", "!type");
    json_field("integer", "true", "!type");
    json_field("integer", "1000001", "!integer_range");
    json_field("integer", "null", "null");
    json_field("email", "[\"a@b.fr\"]", "!type");
    json_field("email", "{\"$ne\":null}", "!type");
    json_field("email", "true", "!type");
    json_field("email", "1", "!type");
    json_field("email", "null", "null");
    json_field("date", "20190304", "!type");
    json_field("date", "\"2019-03-04\"", "\"2019-03-04\"");
    json_field("yesno", "true", "!type");
    json_field("next", "1", "!type");
    json_field("password", "[]", "!type");
    json_field("key", "\"k\"", "");
    json_field("key", "1", "!type");
    json_field("key", "[\"k\"]", "!type");
    json_field("csrf", "{}", "!type");
    json_field("captcha_pow", "1", "!unknown_field");
    json_field(PORTAL_FORM_TRAP, "\"\"", "!unknown_field");
    json_field("quotient", "1", "!unknown_field");
    json_field("email[]", "\"a\"", "!unknown_field");
}


static void
test_password(void)
{
    static const char *const  weak[] = {
        "password1234", "aaaaaaaaaaaa", "abcabcabcabc", "123456789012",
        "Cantine2026!", "cantine2026cantine", "motdepasse123",
        "azertyuiop123", "Saint-Aubin-2026", "a b c d e f g",
        "1 2 3 4 5 6 7 8", "qwertyuiopas",
        "P@ssw0rd1234", "correcthorsebatterystaple",
        "\xef\xbd\x90\xef\xbd\x81\xef\xbd\x93\xef\xbd\x93word1234",
        "Soleil2026!!", "jetaimejetaime"
    };

    static const char *const  good[] = {
        "xK9mQ2vLp7Rz", "Lampe verte et trois girafes",
        "tournesol bicyclette grenier", "Chocolat-Tartine-42",
        ("\xd1\x81\xd0\xbe\xd0\xb1\xd0\xb0\xd0\xba\xd0\xb0 "
         "\xd0\xb3\xd1\x80\xd0\xbe\xd0\xbc\xd0\xba\xd0\xbe "
         "\xd0\xbb\xd0\xb0\xd0\xb5\xd1\x82")
    };

    char    out[64];
    size_t  i;

    field("password", " secret ", "\" secret \"");
    field("password", "e\xcc\x81", "\"\xc3\xa9\"");
    field("password", "", "null");
    field("password", "a\nb", "!control");
    repeat("password", "x", 256, "");
    repeat("password", "x", 257, "!password_long");
    repeat("password", "\xf0\x9f\x98\x80", 256, "");
    repeat("password", "\xf0\x9f\x98\x80", 257, "!password_long");
    repeat("password", "x", 60000, "!password_long");

    field("new", "xK9mQ2vLp7R", "!password_short");
    field("new", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
          "!password_short");
    repeat("new", "x", 12, "!password_weak");
    repeat("new", "x", 256, "!password_weak");
    repeat("new", "\xc3\xa9", 12, "!password_weak");
    repeat("new", "p@ssw0rd1qwerty", 17, "!password_weak");
    repeat("new", "x", 257, "!password_long");
    repeat("new", "\xef\xb7\xba", 256, "!password_weak");

    for (i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
        field("new", weak[i], "!password_weak");
    }

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(one("new", json_string(good[i]), 0, out, sizeof(out))[0] == '\0',
           "good: %s", good[i]);
    }
}


static void
context_password(const char *password, const char *email, int weak)
{
    char    *got;
    json_t  *raw;

    raw = json_pack("{s:s, s:s, s:s}", "name", "Zylberman\xc3\xa9k",
                    "email", email, "new", password);
    got = check(form, raw, 0);

    ok(got && !weak == !strstr(got, "password_weak")
       && (!weak || !strstr(got, password)), "%s beside %s: %s", password,
       email, weak ? "weak, and nowhere in the answer" : "good");

    free(got);
    json_decref(raw);
}


static void
test_password_context(void)
{
    context_password("zylbermanek2026", "q@x.fr", 1);
    context_password("Zylberman\xc3\xa9k-zylbermanek", "q@x.fr", 1);
    context_password("wuxhqtvy.pkzj!2", "wuxhqtvy.pkzj@exemple.fr", 1);
    context_password("Wuxhqtvy.Pkzj@exemple.fr", "wuxhqtvy.pkzj@exemple.fr",
                     1);
    context_password("x7!Kq#wuxhqtvy.pkzj@exemple.fr",
                     "wuxhqtvy.pkzj@exemple.fr", 1);
    context_password("wuxhqtvy@@pkzj!", "wuxhqtvy@@pkzj", 1);
    context_password("tournesol bicyclette grenier", "q@x.fr", 0);
}


/* the library grows with the cube: no password may cost more than this */

static void
test_password_cost(void)
{
    char             text[257], out[64];
    size_t           i, k, n;
    double           ms, worst;
    struct timespec  from, to;

    static const char *const  units[] = {
        "x", "xy", "@$5", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
        "p@$$w0rd", "a ", "20262", "qwert", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
    };
    static const size_t  lens[] = { 12, 20, 64, 256 };

    worst = 0;

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {

        for (k = 0; k < 4; k++) {

            for (n = 0; n < lens[k]; n++) {
                text[n] = units[i][n % strlen(units[i])];
            }

            /* no whole number of times */

            text[lens[k]] = '\0';
            text[lens[k] - 1] = '!';

            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
            one("new", json_string(text), 0, out, sizeof(out));
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);

            ms = (double) (to.tv_sec - from.tv_sec) * 1e3
                 + (double) (to.tv_nsec - from.tv_nsec) / 1e6;
            worst = ms > worst ? ms : worst;
        }
    }

    printf("# worst cost of a password: %.3f ms\n", worst);
}


int
main(void)
{
    if (begin() != 0) {
        return 1;
    }

    test_text();
    test_name();
    test_email();
    test_date();
    test_date_parts();
    test_lists_and_numbers();
    test_path();
    test_types_of_json();
    test_password();
    test_password_context();
    test_password_cost();

    return end();
}
