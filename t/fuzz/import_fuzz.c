
/*
 * Copyright (C) the portal's authors
 */


/*
 * libFuzzer: the first byte chooses; the rest is a file of an import, under a
 * name or another, or a text for the reader of CSV alone, in pieces.  Beside
 * the sanitizers, what must hold of every answer.
 */


#include "../unit/import_test.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static portal_import_rules_t  rules;


#define holds(condition)  do { if (!(condition)) abort(); } while (0)


static void
cells(const uint8_t *data, size_t size, unsigned how)
{
    size_t         i, n, at;
    uint64_t       line;
    portal_csv_t   csv;
    portal_csv_e   rc;

    holds(portal_csv_init(&csv, how & 3, how & 4 ? ';' : 0) == 0);
    csv.plain = (how >> 3) & 1;
    at = 0;
    line = 0;

    while ((rc = portal_csv_next(&csv)) != PORTAL_CSV_DONE) {

        if (rc == PORTAL_CSV_MORE) {
            n = 1 + (how >> 4);
            n = size - at < n ? size - at : n;

            if (n) {
                portal_csv_feed(&csv, data + at, n);
                at += n;
            } else {
                holds(!csv.ended);
                portal_csv_end(&csv);
            }

            continue;
        }

        holds(csv.line > line && csv.next_line >= csv.line);
        line = csv.line;

        if (rc == PORTAL_CSV_BAD) {
            holds(csv.wrong != NULL);
            continue;
        }

        holds(csv.ncells >= 1 && csv.ncells <= PORTAL_CSV_CELLS);

        for (i = 0; i < csv.ncells; i++) {
            holds(csv.cells[i].data[csv.cells[i].len] == '\0');
        }

        if ((how & 1) && csv.lines > 1) {
            (void) portal_csv_again(&csv);
        }
    }

    holds(at == size);
    portal_csv_free(&csv);
}


static void
answer(json_t *object)
{
    char  *text, *p;

    /* whatever comes in, what goes on is JSON, and without a zero */

    text = json_dumps(object, 0);
    holds(text != NULL);

    for (p = text; *p != '\0'; p++) {

        if (*p == '\\') {
            p++;
            holds(strncmp(p, "u0000", 5) != 0);
        }
    }

    free(text);
}


static void
book(const uint8_t *data, size_t size, const char *name)
{
    json_t                *failure, *files;
    unsigned               turns;
    const char            *file;
    portal_import_e        rc;
    portal_import_line_t   line;
    portal_import_book_t  *all;

    all = portal_import_book(&rules);
    rc = portal_import_book_add(all, name, data, size);
    turns = 0;

    while (rc == PORTAL_IMPORT_DONE || rc == PORTAL_IMPORT_AGAIN) {
        holds(++turns < 1000000);
        rc = portal_import_book_scan(all);

        if (rc == PORTAL_IMPORT_DONE) {
            break;
        }
    }

    while (rc != PORTAL_IMPORT_FAILED) {
        holds(++turns < 2000000);
        rc = portal_import_book_next(all, &line, &file);

        if (rc == PORTAL_IMPORT_LINE) {
            holds(json_array_size(line.records) <= PORTAL_IMPORT_RECORDS);
            answer(line.records);
            answer(line.errors);
            portal_import_line_free(&line);

        } else if (rc != PORTAL_IMPORT_AGAIN) {
            break;
        }
    }

    holds(rc == PORTAL_IMPORT_DONE || rc == PORTAL_IMPORT_FAILED);

    failure = portal_import_book_failure(all);
    files = portal_import_book_files(all);
    answer(failure);
    answer(files);
    json_decref(failure);
    json_decref(files);

    portal_import_book_free(all);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const  names[] = {
        "famille.csv", "enfant.csv", "mandat.csv", "guardians.csv",
        "adresses.csv", "contacts.csv", "fiscal.csv", "x.ndjson", "x.zip",
        "scolarites.csv"
    };

    if (rules.form[0] == NULL) {
        holds(portal_crypto_init() == 0);
        rules_read(&rules);
    }

    if (size < 2) {
        return 0;
    }

    if (data[0] % 11 == 10) {
        cells(data + 2, size - 2, data[1]);

    } else {
        book(data + 1, size - 1, names[data[0] % 11]);
    }

    return 0;
}
