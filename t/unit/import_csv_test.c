
/*
 * Copyright (C) the portal's authors
 */


/*
 * The reader of CSV: encodings, separators, quotes, lines; each text is fed
 * whole, and byte by byte.
 */


#include "import_test.h"


/* cells between |, records between lines, what is wrong as !LINE:COLUMN code */

static char *
read_by(portal_csv_encoding_e encoding, int plain, const char *text,
    size_t len, size_t by)
{
    char          *out, *p;
    size_t         i, n, at, size;
    portal_csv_t   csv;
    portal_csv_e   rc;

    size = len * 8 + 4096;
    out = p = malloc(size);
    at = 0;

    portal_csv_init(&csv, encoding, 0);
    csv.plain = plain != 0;

    while ((rc = portal_csv_next(&csv)) != PORTAL_CSV_DONE) {

        if (rc == PORTAL_CSV_MORE) {
            n = len - at < by ? len - at : by;

            if (n == 0) {
                portal_csv_end(&csv);
            } else {
                portal_csv_feed(&csv, text + at, n);
                at += n;
            }

            continue;
        }

        if (rc == PORTAL_CSV_BAD) {
            p += sprintf(p, "!%d:%d %s\n", (int) csv.line, (int) csv.column,
                         csv.wrong);
            continue;
        }

        p += sprintf(p, "%d", (int) csv.line);

        for (i = 0; i < csv.ncells; i++) {
            *p++ = '|';
            memcpy(p, csv.cells[i].data, csv.cells[i].len);
            p += csv.cells[i].len;
        }

        *p++ = '\n';
    }

    *p = '\0';
    portal_csv_free(&csv);

    return out;
}


static void
reads_len(portal_csv_encoding_e encoding, const char *text, size_t len,
    const char *want, const char *what)
{
    char  *out;

    out = read_by(encoding, 0, text, len, PORTAL_CSV_PIECE);
    is(out, want, what);
    free(out);

    out = read_by(encoding, 0, text, len, 1);
    is(out, want, "the same, byte by byte");
    free(out);
}


#define reads(text, want, what)                                               \
    reads_len(PORTAL_CSV_UTF8, text, sizeof(text) - 1, want, what)


static portal_csv_encoding_e
probed(const char *text, size_t len, size_t *bom)
{
    size_t              i;
    portal_csv_probe_t  probe;

    portal_csv_probe_init(&probe);

    for (i = 0; i < len; i++) {
        portal_csv_probe(&probe, text + i, 1);
    }

    return portal_csv_probed(&probe, bom);
}


static void
encodings(void)
{
    size_t  bom;

#define is_encoding(text, encoding, mark, what)                               \
    ok(probed(text, sizeof(text) - 1, &bom) == encoding && bom == mark, what)

    is_encoding("", PORTAL_CSV_UTF8, 0, "nothing is UTF-8");
    is_encoding("id;nom\n", PORTAL_CSV_UTF8, 0, "ASCII is UTF-8");
    is_encoding("H\xc3\xa9l\xc3\xa8ne", PORTAL_CSV_UTF8, 0, "UTF-8");
    is_encoding("\xef\xbb\xbfid", PORTAL_CSV_UTF8, 3, "UTF-8 with its mark");
    is_encoding("\xef\xbb\xbf\xe9", PORTAL_CSV_UTF8, 3,
                "the mark counts, whatever comes");
    is_encoding("H\xe9l\xe8ne", PORTAL_CSV_1252, 0, "Windows-1252");
    is_encoding("H\xc3", PORTAL_CSV_1252, 0, "half a character is none");
    is_encoding("H\xc3\xa9l\xc3\xa8ne L\xc3", PORTAL_CSV_UTF8, 0,
                "but for the end of UTF-8 that was cut");
    is_encoding("H\xc3\xa9l\xc3\xa8ne L\xe9o", PORTAL_CSV_UTF8, 0,
                "and one byte that is none among others");
    is_encoding("\xab\xa0\xc9\xbb L\xe9o", PORTAL_CSV_1252, 0,
                "nor do two letters make UTF-8 of it");
    is_encoding("\xed\xa0\x80", PORTAL_CSV_1252, 0, "no surrogates in UTF-8");
    is_encoding("\xc0\xaf", PORTAL_CSV_1252, 0, "no overlong forms");
    is_encoding("\xf0\x9f\x98\x80", PORTAL_CSV_UTF8, 0, "four bytes");
    is_encoding("\xff\xfei\0", PORTAL_CSV_UTF16LE, 2, "UTF-16LE");
    is_encoding("\xfe\xff\0i", PORTAL_CSV_UTF16BE, 2, "UTF-16BE");
    is_encoding("i\0d\0", PORTAL_CSV_UTF16LE, 0, "UTF-16LE without a mark");
    is_encoding("\0i\0d", PORTAL_CSV_UTF16BE, 0, "UTF-16BE without a mark");
    is_encoding("\xff\xfe\0\0i\0\0\0", PORTAL_CSV_UTF32, 0, "UTF-32LE");
    is_encoding("\0\0\xfe\xff\0\0\0i", PORTAL_CSV_UTF32, 0, "UTF-32BE");
    is_encoding("i\0\0\0d\0\0\0", PORTAL_CSV_UTF32, 0,
                "UTF-32LE without a mark");
    is_encoding("\0\0\0i\0\0\0d", PORTAL_CSV_UTF32, 0,
                "UTF-32BE without a mark");

#define decodes(encoding, text, want, what)                                   \
    reads_len(encoding, text, sizeof(text) - 1, want, what)

    decodes(PORTAL_CSV_1252, "a;\x80;\x9c;\xe9\n",
            "1|a|\xe2\x82\xac|\xc5\x93|\xc3\xa9\n", "the euro and the oe");
    decodes(PORTAL_CSV_UTF16LE, "a\0;\0\xe9\0\n\0",
            "1|a|\xc3\xa9\n", "UTF-16LE");
    decodes(PORTAL_CSV_UTF16BE, "\0a\0;\0\xe9\0\n",
            "1|a|\xc3\xa9\n", "UTF-16BE");
    decodes(PORTAL_CSV_UTF16LE, "a\0;\0\x3d\xd8\x00\xde\n\0",
            "1|a|\xf0\x9f\x98\x80\n", "a pair of halves");
    decodes(PORTAL_CSV_UTF16BE, "\0a\0;\xd8\x3d\xde\x00\0\n",
            "1|a|\xf0\x9f\x98\x80\n", "and the other way round");
    decodes(PORTAL_CSV_UTF16LE, "a\0;\0\x3d\xd8x\0;\0\x00\xde\n\0",
            "1|a|\xffx|\xff\n", "halves alone are no text");
    decodes(PORTAL_CSV_UTF16LE, "a\0;\0b", "1|a|\xff\n", "nor half a unit");
}


static void
separators(void)
{
    reads("a;b,c;d\n1;2;3\n", "1|a|b,c|d\n2|1|2|3\n", "semicolons");
    reads("a,b,c;d\n1,2\n", "1|a|b|c;d\n2|1|2\n", "commas");
    reads("a\tb\tc\n", "1|a|b|c\n", "tabs");
    reads("\"a,b,c,d\";e\n", "1|a,b,c,d|e\n", "those in quotes do not count");
    reads("a\n1\n", "1|a\n2|1\n", "one column");
    reads("sep=,\na,b\n", "2|a|b\n", "Excel's order");
    reads("", "", "nothing");
    reads("\n\n;;\n  \n", "", "nothing on its lines");
    reads("\n\na;b\n\n1;2\n\n", "3|a|b\n5|1|2\n", "empty lines are counted");
}


static void
quotes(void)
{
    reads("a;\"b \"\"c\"\"\";d\n", "1|a|b \"c\"|d\n", "a quote within");
    reads("\"a;b\";\"\"\r\n\"c\"\r\n", "1|a;b|\n2|c\n", "CRLF");
    reads("a;b\rc;d\r", "1|a|b\n2|c|d\n", "CR alone");
    reads("a;\"b\nc\r\nd\";e\nf;g;h\n", "1|a|b\nc\r\nd|e\n4|f|g|h\n",
          "lines within a cell");
    reads("a;5\" tube;c\n", "1|a|5\" tube|c\n", "a quote in the middle is one");
    reads("a;b", "1|a|b\n", "a last line that does not end");
    reads("a;\"b\"", "1|a|b\n", "nor its quote");
    reads("a;b;\n", "1|a|b|\n", "an empty last cell");
    reads("a;=\"0123\";=1+1\n", "1|a|=\"0123\"|=1+1\n",
          "formulas are text as they are");

    reads("a;b\n1;\"x\n2;y\n3;z\n", "1|a|b\n!2:2 quote\n3|2|y\n4|3|z\n",
          "a quote that is not closed costs its line");
    reads("a;b\n1;\"x\n2;y\n3;\"z\"\n4;u\n",
          "1|a|b\n!2:2 quote\n3|2|y\n4|3|z\n5|4|u\n",
          "and where another would close it, too");
    reads("a;b\n\"p\nq\";\"x\n2;y\n", "1|a|b\n!3:2 quote\n4|2|y\n",
          "the line that is named is the quote's own");
    reads("a;b\n\"x\"y;z\n2;y\n", "1|a|b\n!2:1 quote\n3|2|y\n",
          "text behind a quote");
    reads("a;\"", "!1:2 quote\n", "a quote and nothing");
}


static void
zeroes(void)
{
    char  *out;
    size_t  n;

    out = read_by(PORTAL_CSV_UTF8, 0, "a;b\0c;d\n", 8, 3);
    n = strlen("1|a|b");
    ok(memcmp(out, "1|a|b\0c|d\n", 10) == 0 && out[n] == '\0',
       "a zero is in its cell");
    free(out);

    out = read_by(PORTAL_CSV_UTF8, 1, "{\"a\":1;2}\n\n{\"b\"}\n", 17, 4);
    is(out, "1|{\"a\":1;2}\n3|{\"b\"}\n", "plain lines");
    free(out);
}


static void
large(void)
{
    char         *text, *out;
    size_t        i, n;
    uint64_t      records, last;
    portal_csv_t  csv;
    portal_csv_e  rc;

    n = 1024 * 1024;
    text = malloc(n + 64);

    memcpy(text, "a;b\n", 4);
    memset(text + 4, 'x', n);
    memcpy(text + 4 + n, "\nc;d\n", 5);

    out = read_by(PORTAL_CSV_UTF8, 0, text, n + 9, PORTAL_CSV_PIECE);
    is(out, "1|a|b\n!2:0 long\n3|c|d\n", "a line of 1 MB");
    free(out);

    memset(text + 4, 'x', n);
    memcpy(text + 4, "1;\"", 3);

    out = read_by(PORTAL_CSV_UTF8, 0, text, n + 9, PORTAL_CSV_PIECE);
    is(out, "1|a|b\n!2:2 quote\n3|c|d\n", "with a quote that is not closed");
    free(out);

    for (i = 0; i < n; i++) {
        text[4 + i] = i % 8 == 7 ? '\n' : i % 8 == 3 ? ';' : 'y';
    }

    memcpy(text + 4, "1;\"", 3);
    out = read_by(PORTAL_CSV_UTF8, 0, text, n + 4, PORTAL_CSV_PIECE);
    ok(strncmp(out, "1|a|b\n!2:2 quote\n3|yyy|yyy\n4|", 29) == 0,
       "and one that would swallow 130,000 lines");
    free(out);

    for (i = 0; i < 200; i++) {
        text[4 + i] = ';';
    }

    memcpy(text + 204, "\nc;d\n", 5);
    out = read_by(PORTAL_CSV_UTF8, 0, text, 209, 10);
    is(out, "1|a|b\n!2:0 cells\n3|c|d\n", "too many cells");
    free(out);
    free(text);

    portal_csv_init(&csv, PORTAL_CSV_UTF8, 0);
    records = 0;
    last = 0;
    n = 0;

    while ((rc = portal_csv_next(&csv)) != PORTAL_CSV_DONE) {

        if (rc == PORTAL_CSV_OK) {
            records++;
            last = csv.line;

        } else if (n < 1000000) {
            portal_csv_feed(&csv, "1;\"a\nb\";c\n2;d;e\n", 16);
            n += 2;

        } else {
            portal_csv_end(&csv);
        }
    }

    ok(records == 1000000 && last == 1500000, "a million records, line %u",
       (unsigned) last);
    portal_csv_free(&csv);
}


static void
again(void)
{
    portal_csv_t  csv;

    portal_csv_init(&csv, PORTAL_CSV_UTF8, ';');
    portal_csv_feed(&csv, "1;\"x\n2;y\n3;\"\n4;z\n", 17);
    portal_csv_end(&csv);

    ok(portal_csv_next(&csv) == PORTAL_CSV_OK && csv.lines == 3,
       "a quote has swallowed lines");
    ok(portal_csv_again(&csv) && portal_csv_next(&csv) == PORTAL_CSV_OK
       && csv.line == 2 && csv.ncells == 2
       && strcmp(csv.cells[1].data, "y") == 0,
       "they are read again");
    ok(!portal_csv_again(&csv), "a line alone is not");
    portal_csv_free(&csv);
}


int
main(void)
{
    encodings();
    separators();
    quotes();
    zeroes();
    large();
    again();

    printf("1..%u\n", tests);

    return failed != 0;
}
