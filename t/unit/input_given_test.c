
/*
 * Copyright (C) the portal's authors
 */


/*
 * The types of what others have given to a family: telephones, places, bank
 * and tax numbers, amounts; births; texts of several lines and what they must
 * not say; forms of which only a part is sent.
 */


#include "input_test.h"
#include "../../src/input/portal_types.h"


#define GIVEN                                                                 \
    "field phone    phone\n"                                                  \
    "field mobile   phone mobile\n"                                           \
    "field postcode postcode country=country\n"                               \
    "field french   postcode\n"                                               \
    "field country  country\n"                                                \
    "field iban     iban\n"                                                   \
    "field bic      bic\n"                                                    \
    "field tax      tax_number\n"                                             \
    "field notice   tax_notice\n"                                             \
    "field caf      caf_number\n"                                             \
    "field shares   shares\n"                                                 \
    "field cents    cents max=100000\n"                                       \
    "field colour   colour\n"                                                 \
    "field child    date age=0..17\n"                                         \
    "field adult    date age=18..120\n"                                       \
    "field past     date max=today\n"                                         \
    "field coming   date min=today max=2030-12-31\n"                          \
    "field lines    lines max=40 lines=3\n"                                   \
    "field note     lines refuse=nir,belief\n"                                \
    "field need     text refuse=handicap\n"

#define EURO  "\xe2\x82\xac"
#define NBSP  "\xc2\xa0"


static void
all(const char *name, const char *const *in, const char *want)
{
    for ( /* void */ ; *in != NULL; in++) {
        printf("# %s\n", *in);
        field(name, *in, want);
    }
}


static void
test_phone(void)
{
    static const char *const  same[] = {
        "0612345678", "06 12 34 56 78", "06.12.34.56.78", "06-12-34-56-78",
        "06/12/34/56/78", "+33612345678", "+33 6 12 34 56 78",
        "+33 (0)6 12 34 56 78", "+33 06 12 34 56 78", "0033612345678",
        "0033 (0) 6 12 34 56 78", "06" NBSP "12" NBSP "34 56 78",
        "(06) 12 34 56 78", "06\xe2\x80\x93" "12-34-56-78", NULL
    };

    static const char *const  bad[] = {
        "06 12 34 56 7", "06 12 34 56 789", "00", "+", "15",
        "3612", "612345678", "06 12 34 56 78 poste 3", "06+12345678",
        "+33", "+33 0 0 12 34 56 78", "+0612345678", "+12", "zero six",
        "+1234567890123456", "+262 692 12 34", "++33612345678",
        "06 12 34 56 7O", "\xd9\xa0\xd9\xa6 12 34 56 78",
        "0612345678 0698765432", "000612345678",
        "00000000000000000000000000000000000000000000000000000000000", NULL
    };

    all("phone", same, "\"+33612345678\"");
    all("phone", bad, "!phone_format");

    field("phone", "01 23 45 67 89", "\"+33123456789\"");
    field("phone", "0262 12 34 56", "\"+262262123456\"");
    field("phone", "0692 12 34 56", "\"+262692123456\"");
    field("phone", "0639 12 34 56", "\"+262639123456\"");
    field("phone", "06 39 98 00 26", "\"+33639980026\"");
    field("phone", "+33639980026", "\"+33639980026\"");
    field("phone", "0590 12 34 56", "\"+590590123456\"");
    field("phone", "0690 12 34 56", "\"+590690123456\"");
    field("phone", "0694 12 34 56", "\"+594694123456\"");
    field("phone", "0696 12 34 56", "\"+596696123456\"");
    field("phone", "+33 6 96 12 34 56", "\"+596696123456\"");
    field("phone", "+596 (0)696 12 34 56", "\"+596696123456\"");
    field("phone", "+596 0696 12 34 56", "\"+596696123456\"");
    field("phone", "00 32 470 12 34 56", "\"+32470123456\"");
    field("phone", "+44 20 7946 0958", "\"+442079460958\"");
    field("phone", "", "null");

    field("mobile", "06 12 34 56 78", "\"+33612345678\"");
    field("mobile", "07 12 34 56 78", "\"+33712345678\"");
    field("mobile", "0692 12 34 56", "\"+262692123456\"");
    field("mobile", "+32 470 12 34 56", "\"+32470123456\"");
    field("mobile", "01 23 45 67 89", "!phone_mobile");
    field("mobile", "0262 12 34 56", "!phone_mobile");
    field("mobile", "09 12 34 56 78", "!phone_mobile");
    field("mobile", "12", "!phone_format");
}


static void
abroad(const char *country, const char *code, const char *want)
{
    char    *got;
    json_t  *raw;

    raw = json_pack("{s:s, s:s}", "country", country, "postcode", code);
    got = check(form, raw, 0);

    if (!ok(got && strstr(got, want) != NULL, "%s of %s", code, country)) {
        printf("# got %s\n", got);
    }

    free(got);
    json_decref(raw);
}


static void
test_places(void)
{
    size_t  i, n;

    static const char *const  bad[] = {
        "7500", "750011", "00100", "99100", "2A004", "F-75001", "75 OO1", "-",
        NULL
    };

    field("french", "75001", "\"75001\"");
    field("french", "01 000", "\"01000\"");
    field("french", "97 400", "\"97400\"");
    field("french", "98000", "\"98000\"");
    all("french", bad, "!postcode_format");
    all("postcode", bad, "!postcode_format");

    abroad("FR", "B-1000", "postcode_format");
    abroad("", "1000", "postcode_format");
    abroad("France", "1000", "postcode_format");
    abroad("zz", "1000", "postcode_format");
    abroad("BE", "b-1000", "\"postcode\":\"B-1000\"");
    abroad("gb", "SW1A 1AA", "\"postcode\":\"SW1A 1AA\"");
    abroad("BE", "1", "postcode_abroad");
    abroad("BE", "1234567890123", "postcode_abroad");
    abroad("BE", "--", "postcode_abroad");
    abroad("BE", "1000;", "postcode_abroad");

    field("country", "FR", "\"FR\"");
    field("country", " be ", "\"BE\"");
    field("country", "XX", "!country");
    field("country", "RF", "!country");
    field("country", "France", "!country");
    field("country", "F", "!country");

    n = strlen(portal_countries);
    ok(n == 2 * 249, "all countries");

    for (i = 2; i < n; i += 2) {

        if (memcmp(portal_countries + i - 2, portal_countries + i, 2) >= 0) {
            ok(0, "countries in order: %.4s", portal_countries + i - 2);
        }
    }
}


static void
test_bank(void)
{
    static const char *const  good[] = {
        "FR7630006000011234567890189", "FR1420041010050500013M02606",
        "DE89370400440532013000", "BE68539007547034",
        "GB82WEST12345698765432", "NL91ABNA0417164300",
        "ES9121000418450200051332", "IT60X0542811101000000123456",
        "LU280019400644750000", "CH9300762011623852957",
        "PT50000201231234567890154", "MT84MALT011000012345MTLCAST001S",
        "NO9386011117947", NULL
    };

    char    want[64];
    size_t  i;

    for (i = 0; good[i] != NULL; i++) {
        snprintf(want, sizeof(want), "\"%s\"", good[i]);
        field("iban", good[i], want);
    }

    field("iban", "fr76 3000 6000 0112 3456 7890 189",
          "\"FR7630006000011234567890189\"");
    field("iban", "IBAN" NBSP ": FR76" NBSP "3000 6000 0112 3456 7890 189",
          "\"FR7630006000011234567890189\"");
    field("iban", "FR76-3000-6000-0112-3456-7890-189",
          "\"FR7630006000011234567890189\"");
    field("iban", "FR76 3000 6000 0112 3456 7890 188", "!iban_key");
    field("iban", "FR76 3000 6000 0112 3456 7809 189", "!iban_key");
    field("iban", "DE89370400440532013001", "!iban_key");

    /* the IBAN's key is right, the RIB's is not */

    field("iban", "FR5230006000011234567890188", "!iban_key");
    field("iban", "FR76 3000 6000 0112 3456 7890 18", "!iban_length");
    field("iban", "FR76 3000 6000 0112 3456 7890 1899", "!iban_length");
    field("iban", "US64SVBKUS6S3300958879", "!iban_country");
    field("iban", "TR330006100519786457841326", "!iban_country");
    field("iban", "30006 00001 12345678901 89", "!iban_format");
    field("iban", "FR", "!iban_format");
    field("iban", "FR7630006000011234567890189 XXXXXXXXXXXXXXXXX",
          "!iban_format");
    field("iban", "FR76 3000 6000 0112 3456 7890 18\xc3\xa9", "!iban_format");
    field("iban", "", "null");

    field("bic", "BNPAFRPP", "\"BNPAFRPP\"");
    field("bic", "bnpa fr pp xxx", "\"BNPAFRPPXXX\"");
    field("bic", "PSSTFRPPPAR", "\"PSSTFRPPPAR\"");
    field("bic", "NLPRXKPR", "\"NLPRXKPR\"");
    field("bic", "BNPAFRP", "!bic_format");
    field("bic", "BNPAFRPPX", "!bic_format");
    field("bic", "BNPAZZPP", "!bic_format");
    field("bic", "BN1AFRPP", "!bic_format");
    field("bic", "B", "!bic_format");
    field("bic", "BNPA.FRPP", "!bic_format");
}


static void
test_tax(void)
{
    field("tax", "3023217600053", "\"3023217600053\"");
    field("tax", "30 23 217 600 053", "\"3023217600053\"");
    field("tax", "3023217600054", "!tax_number_key");
    field("tax", "3032217600053", "!tax_number_key");
    field("tax", "302321760005", "!tax_number_format");
    field("tax", "4023217600053", "!tax_number_format");
    field("tax", "302321760005A", "!tax_number_format");
    field("tax", "0000000000000000000000000", "!tax_number_format");

    field("notice", "25 1a 1234567 89", "\"251A123456789\"");
    field("notice", "25.33.1234567.12", "\"2533123456712\"");
    field("notice", "251A1234567890", "\"251A1234567890\"");
    field("notice", "251A12345678", "!tax_notice_format");
    field("notice", "ABCDEFGHIJKLM", "!tax_notice_format");
    field("notice", "251A12345678\xc3\xa9", "!tax_notice_format");

    field("caf", "1234567", "\"1234567\"");
    field("caf", "0123456 k", "\"0123456\"");
    field("caf", "12", "\"12\"");
    field("caf", "12345678", "!caf_number_format");
    field("caf", "K", "!caf_number_format");
    field("caf", "12K4", "!caf_number_format");
    field("caf", "1850578006084", "!caf_number_format");

    field("colour", "#0f5257", "\"#0f5257\"");
    field("colour", "0F5257", "\"#0f5257\"");
    field("colour", " #FC0 ", "\"#ffcc00\"");
    field("colour", "#12", "!colour_format");
    field("colour", "#12345", "!colour_format");
    field("colour", "##12345", "!colour_format");
    field("colour", "#12345g", "!colour_format");
    field("colour", "#1234567", "!colour_format");
    field("colour", "red", "!colour_format");
    field("colour", "#00000\xc3\xa9", "!colour_format");

    field("shares", "2,5", "\"2.5\"");
    field("shares", "2.50", "\"2.5\"");
    field("shares", "3", "\"3\"");
    field("shares", "10", "\"10\"");
    field("shares", "1,75", "\"1.75\"");
    field("shares", "0,25", "\"0.25\"");
    field("shares", "20", "\"20\"");
    field("shares", "2,3", "!shares_format");
    field("shares", "2,255", "!shares_format");
    field("shares", "2 1/2", "!shares_format");
    field("shares", ",5", "!shares_format");
    field("shares", "-1", "!shares_format");
    field("shares", "0", "!shares_range");
    field("shares", "20,25", "!shares_range");

    field("cents", "12,50", "1250");
    field("cents", "12.5", "1250");
    field("cents", "12", "1200");
    field("cents", "1 000,00 " EURO, "100000");
    field("cents", "1\xe2\x80\xaf" "000" NBSP EURO, "100000");
    field("cents", "7,05 euros", "705");
    field("cents", "0", "0");
    field("cents", "1 000,01", "!cents_range");
    field("cents", "999999999999999", "!cents_range");
    field("cents", "9999999999999999", "!cents_format");
    field("cents", "1.234", "!cents_format");
    field("cents", "1.234,50", "!cents_format");
    field("cents", "12,", "!cents_format");
    field("cents", "-12", "!cents_format");
    field("cents", EURO, "!cents_format");
    field("cents", "$12", "!cents_format");
    json_field("cents", "1250", "1250");
    json_field("cents", "12.5", "!type");
    json_field("cents", "\"12,50\"", "!type");
    json_field("cents", "-1", "!cents_range");
}


static void
test_birth(void)
{
    field("child", "24/11/2026", "\"2026-11-24\"");
    field("child", "25/11/2026", "!date_future");
    field("child", "25/11/2008", "\"2008-11-25\"");
    field("child", "24/11/2008", "!age_high");
    field("adult", "24/11/2008", "\"2008-11-24\"");
    field("adult", "25/11/2008", "!age_low");
    field("adult", "29/2/2004", "\"2004-02-29\"");
    field("adult", "24/11/1906", "\"1906-11-24\"");
    field("adult", "24/11/1905", "!age_high");
    field("adult", "25/11/2026", "!date_future");
    field("past", "24/11/2026", "\"2026-11-24\"");
    field("past", "25/11/2026", "!date_future");
    field("coming", "24/11/2026", "\"2026-11-24\"");
    field("coming", "23/11/2026", "!date_past");
    field("coming", "1/1/2031", "!date_range");
}


static void
test_lines(void)
{
    field("lines", "un\r\ndeux\ntrois", "\"un\\ndeux\\ntrois\"");
    field("lines", "\n \r\n un \r\n\r\ndeux \t\r\n \n",
          "\"un\\n\\ndeux\"");
    field("lines", "un\rdeux", "\"un\\ndeux\"");
    field("lines", "un\tdeux", "!control");
    field("lines", "un\n\x07", "!control");
    field("lines", "un\xe2\x80\xa8" "deux", "!control");
    field("lines", "e\xcc\x81\ne\xcc\x81", "\"\xc3\xa9\\n\xc3\xa9\"");
    field("lines", "1\n2\n3\n4", "!too_many_lines");
    field("lines", "1\n2\n3\n\n", "\"1\\n2\\n3\"");
    field("lines", "12345678901234567890\n1234567890123456789",
          "\"12345678901234567890\\n1234567890123456789\"");
    field("lines", "12345678901234567890\n12345678901234567890",
          "!too_long");
    field("lines", "\n\n", "null");
    field("lines", "", "null");
    field("lines", "a\xff\n", "!encoding");
    json_field("lines", "\"un\\ndeux\"", "\"un\\ndeux\"");
}


/* what a text may say, and what not */

static void
test_private(void)
{
    static const char *const  nir[] = {
        "1850578006084", "185057800608491", "1 85 05 78 006 084",
        "1 85 05 78 006 084 91", "2-85-05-78-006-084",
        "n\xc2\xb0 s\xc3\xa9" "cu 1.85.05.78.006.084 (papa)",
        "2 85 05 2A 006 084 12", "285052b006084",
        "1" NBSP "85" NBSP "05" NBSP "78" NBSP "006" NBSP "084",
        "NSS:185057800608491.", "1 85 05 78\n006 084 91",
        "1 85 20 99 351 084 12", "a 06 12 34 56 78, 1 85 05 78 006 084 91",
        "\xef\xbc\x91 \xef\xbc\x98\xef\xbc\x95 05 78 006 084", NULL
    };

    static const char *const  no_nir[] = {
        "06 12 34 56 78", "01 23 45 67 89 / 06 12 34 56 78",
        "+33 6 12 34 56 78", "le 12 05 2024 puis le 18 05 2024",
        "1 comprim\xc3\xa9 de 500 mg, 2 fois par jour",
        "1234567890123456", "1 85 15 78 006 084", "3 85 05 78 006 084",
        "3023217600053", "18505780060849112345", "x1 85 05",
        "10h, 12h 30, 14h 15 et 16h 05 06", "1 85 05 78 +33 0 06 084", NULL
    };

    static const char *const  belief[] = {
        "halal", "Repas HALAL svp", "h\xc3\xa2lal", "viande hallal",
        "casher", "manger kasher", "cach\xc3\xa8re: repas cacher",
        "kosher food", "pendant le ramadan", "famille musulmane",
        "r\xc3\xa9gime" NBSP "cacher", "l\xe2\x80\x99" "islam",
        "pour raisons religieuses", "selon notre religion", "famille catholique",
        "hindouiste", NULL
    };

    static const char *const  no_belief[] = {
        "sans porc", "sans viande", "v\xc3\xa9g\xc3\xa9tarien",
        "il aime se cacher sous la table", "cacher les m\xc3\xa9" "dicaments",
        "chalal", "allergie aux halogen\xc3\xa9s", "cachets",
        "allergie aux religieuses au chocolat", "une raison de plus", NULL
    };

    static const char *const  handicap[] = {
        "autisme", "enfant autiste", "trouble du spectre autistique",
        "Trisomie 21", "handicap mental", "handicap\xc3\xa9 mental",
        "d\xc3\xa9" "ficience intellectuelle l\xc3\xa9g\xc3\xa8re",
        "syndrome d\xe2\x80\x99" "Asperger", "AUTISTE", "handicap moteur",
        "infirmit\xc3\xa9 motrice c\xc3\xa9r\xc3\xa9" "brale", "polyhandicap\xc3\xa9" "e",
        "t\xc3\xa9trapl\xc3\xa9gique", NULL
    };

    static const char *const  no_handicap[] = {
        "besoin d\xe2\x80\x99une personne \xc3\xa0 c\xc3\xb4t\xc3\xa9 de lui",
        "fauteuil roulant", "calcul mental", "un peu de retard",
        "place handicap\xc3\xa9", "motricit\xc3\xa9 fine", "porte des lunettes", "artiste", "altiste", "AESH le matin", NULL
    };

    size_t  i;

    all("note", nir, "!private_nir");
    all("note", belief, "!private_belief");
    all("need", handicap, "!private_handicap");

    for (i = 0; no_nir[i] != NULL; i++) {
        printf("# %s\n", no_nir[i]);
        repeat("note", no_nir[i], 1, "");
    }

    for (i = 0; no_belief[i] != NULL; i++) {
        printf("# %s\n", no_belief[i]);
        repeat("note", no_belief[i], 1, "");
    }

    for (i = 0; no_handicap[i] != NULL; i++) {
        printf("# %s\n", no_handicap[i]);
        repeat("need", no_handicap[i], 1, "");
    }

    field("note", "autiste", "\"autiste\"");
    field("need", "halal", "\"halal\"");
}


static void
partial(const char *json, int strict, const char *want)
{
    char           *got, err[256];
    unsigned        line;
    json_t         *raw;
    portal_form_t  *part;

    part = parse("field name name required\nfield city text\n"
                 "field birth date\nfield swims yesno\n"
                 "field base integer required hidden\npartial\n", &line,
                 err, sizeof(err));
    raw = json_loads(json, 0, NULL);
    got = part ? check(part, raw, strict) : NULL;

    if (!ok(got && strstr(got, want) != NULL, "partial %s", json)) {
        printf("# got %s %s\n", got, err);
    }

    free(got);
    json_decref(raw);
    portal_form_free(part);
}


static void
test_partial(void)
{
    partial("{\"base\":3,\"city\":\"Lyon\"}", 1,
            "\"values\":{\"base\":3,\"city\":\"Lyon\"}");
    partial("{\"base\":3,\"city\":null,\"birth\":null,\"swims\":null}", 1,
            "\"values\":{\"base\":3,\"birth\":null,\"city\":null,"
            "\"swims\":\"unanswered\"}");
    partial("{\"base\":\"3\",\"city\":\"\",\"birth_day\":\"\","
            "\"birth_month\":\"\",\"birth_year\":\"\"}", 0,
            "\"values\":{\"base\":3,\"birth\":null,\"city\":null}");
    partial("{\"base\":3,\"name\":null}", 1,
            "\"errors\":[{\"code\":\"required\",\"field\":\"name\"}]");
    partial("{\"city\":\"Lyon\"}", 1,
            "\"errors\":[{\"code\":\"required\",\"field\":\"base\"}]");
}


static void
refused(const char *text, const char *says)
{
    char            err[256];
    unsigned        line;
    portal_form_t  *got;

    got = parse(text, &line, err, sizeof(err));
    ok(got == NULL && strstr(err, says) != NULL, "%s: %s", text, err);
    portal_form_free(got);
}


static void
test_words(void)
{
    refused("field a text mobile", "does not go with");
    refused("field a phone mobile=1", "no value");
    refused("field a date age=18", "age=18..120");
    refused("field a date age=x..9", "age=18..120");
    refused("field a date age=1..2000", "age=18..120");
    refused("field a date age=9..1", "above");
    refused("field a lines lines=0", "1 or more");
    refused("field a lines lines=x", "whole number");
    refused("field a text refuse=nir,nir", "each once");
    refused("field a text refuse=all", "nir,belief,handicap");
    refused("field a text refuse", "nir,belief,handicap");
    refused("field a name refuse=nir", "does not go with");
    refused("field a file accept=pdf store=both", "store=document, "
            "store=logo or store=import");
    refused("field a text store=photo", "does not go with");
    refused("field a postcode country", "names the field");
    refused("field a postcode country=b", "not a country field");
    refused("field a postcode country=b\nfield b text", "not a country");
    refused("field a phone min=3", "does not go with");
    refused("field a phones", "caf_number");
    refused("field a date sealed", "does not go with");
    refused("field a password sealed", "does not go with");
    refused("field a iban sealed=1", "no value");
    refused("field a iban sealed sealed", "twice");
    refused("field a iban hidden sealed", "not sealed");
    refused("partial\npartial", "twice");
    refused("wholly", "partial");
}


int
main(void)
{
    if (begin_with(GIVEN) != 0) {
        return 1;
    }

    test_phone();
    test_places();
    test_bank();
    test_tax();
    test_birth();
    test_lines();
    test_private();
    test_partial();
    test_words();

    return end();
}
