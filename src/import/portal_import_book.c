
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal_import_book.h"
#include "portal_import_zip.h"



#define PORTAL_IMPORT_NAME  800         /* bytes of a file's name */

typedef struct {
    char                    name[PORTAL_IMPORT_NAME + 1];
    int                     kind;           /* of portal_import_kinds */
    unsigned                ndjson:1;
    portal_zip_t           *zip;            /* NULL: data */
    size_t                  entry;
    const char             *data;
    size_t                  len;
    portal_csv_encoding_e   encoding;
    size_t                  bom;
    char                    separator;
    uint64_t                lines;
    uint64_t                skip;
    json_t                 *unknown;
} portal_import_file_t;

struct portal_import_book_s {
    const portal_import_rules_t  *rules;
    portal_import_file_t          files[PORTAL_IMPORT_FILES];
    size_t                        nfiles;
    portal_zip_t                 *zips[PORTAL_IMPORT_FILES];
    size_t                        nzips;

    size_t                        at;       /* the file that is read */
    unsigned                      open:1;
    unsigned                      headed:1; /* its first line was read */
    size_t                        offset;   /* in data */
    size_t                        bom;      /* still to be left out */
    portal_csv_probe_t            probe;
    portal_csv_t                  csv;
    portal_import_bind_t          bind;
    uint64_t                      lines;
    char                          piece[PORTAL_CSV_PIECE];

    const char                   *code;     /* of the failure */
    const char                   *where;
    uint64_t                      line;
};


static portal_import_e portal_import_fail(portal_import_book_t *book,
    const char *code, const char *file, uint64_t line);
static portal_import_e portal_import_add(portal_import_book_t *book,
    const char *name, portal_import_file_t **file);
static portal_import_e portal_import_add_zip(portal_import_book_t *book,
    const char *name, const void *data, size_t len);
static int portal_import_begin(portal_import_book_t *book,
    const char **failure);
static int portal_import_read(portal_import_book_t *book,
    const char **failure);
static portal_import_e portal_import_scanned(portal_import_book_t *book);
static portal_import_e portal_import_look(portal_import_book_t *book);
static void portal_import_sort(portal_import_book_t *book);
static portal_import_e portal_import_open(portal_import_book_t *book);
static portal_import_e portal_import_more(portal_import_book_t *book);
static void portal_import_close(portal_import_book_t *book);
static int portal_import_counted(portal_import_book_t *book);
static portal_import_e portal_import_bad(portal_import_book_t *book,
    portal_import_line_t *line);
static portal_import_e portal_import_head(portal_import_book_t *book,
    portal_import_line_t *line);
static portal_import_e portal_import_record(portal_import_book_t *book,
    portal_import_line_t *line);
static int portal_import_ragged(portal_import_book_t *book);
static portal_import_e portal_import_single(portal_import_book_t *book,
    portal_import_line_t *line, const char *field, const char *column,
    const char *code);
static portal_import_e portal_import_json(portal_import_book_t *book,
    portal_import_line_t *line);
static const char *portal_import_kind_of(const portal_import_file_t *file);


portal_import_book_t *
portal_import_book(const portal_import_rules_t *rules)
{
    portal_import_book_t  *book;

    book = calloc(1, sizeof(portal_import_book_t));

    if (book != NULL) {
        book->rules = rules;
    }

    return book;
}


void
portal_import_book_free(portal_import_book_t *book)
{
    size_t  i;

    if (book == NULL) {
        return;
    }

    portal_import_close(book);

    for (i = 0; i < book->nzips; i++) {
        portal_zip_free(book->zips[i]);
    }

    for (i = 0; i < book->nfiles; i++) {
        json_decref(book->files[i].unknown);
    }

    portal_wipe(book->piece, sizeof(book->piece));
    free(book);
}


static portal_import_e
portal_import_fail(portal_import_book_t *book, const char *code,
    const char *file, uint64_t line)
{
    book->code = code;
    book->where = file;
    book->line = line;

    return PORTAL_IMPORT_FAILED;
}


portal_import_e
portal_import_book_add(portal_import_book_t *book, const char *name,
    const void *data, size_t len)
{
    portal_import_e        rc;
    portal_import_file_t  *file;

    if (portal_zip_is(data, len)) {
        return portal_import_add_zip(book, name, data, len);
    }

    rc = portal_import_add(book, name, &file);

    if (rc == PORTAL_IMPORT_DONE) {
        file->data = data;
        file->len = len;
    }

    return rc;
}


static portal_import_e
portal_import_add(portal_import_book_t *book, const char *name,
    portal_import_file_t **out)
{
    size_t                 i;
    portal_import_file_t  *file;

    if (book->nfiles == PORTAL_IMPORT_FILES) {
        return portal_import_fail(book, "too_large", NULL, 0);
    }

    file = &book->files[book->nfiles];

    (void) snprintf(file->name, sizeof(file->name), "%s", name);

    file->unknown = json_array();
    if (file->unknown == NULL) {
        return PORTAL_IMPORT_MEMORY;
    }

    book->nfiles++;

    /* what is staged is known by its file's name: a second one would be lost */

    for (i = 0; i + 1 < book->nfiles; i++) {

        if (strcmp(book->files[i].name, file->name) == 0) {
            return portal_import_fail(book, "zip", file->name, 0);
        }
    }

    *out = file;

    return PORTAL_IMPORT_DONE;
}


static portal_import_e
portal_import_add_zip(portal_import_book_t *book, const char *name,
    const void *data, size_t len)
{
    size_t                 i;
    const char            *failure;
    portal_zip_t          *zip;
    portal_import_e        rc;
    portal_import_file_t  *file;

    if (book->nzips == PORTAL_IMPORT_FILES) {
        return portal_import_fail(book, "too_large", NULL, 0);
    }

    zip = portal_zip_open(data, len, &failure);
    if (zip == NULL) {
        return portal_import_fail(book, failure, NULL, 0);
    }

    book->zips[book->nzips++] = zip;

    for (i = 0; i < portal_zip_files(zip); i++) {
        rc = portal_import_add(book, portal_zip_name(zip, i), &file);

        if (rc != PORTAL_IMPORT_DONE) {
            return rc;
        }

        file->zip = zip;
        file->entry = i;
    }

    return PORTAL_IMPORT_DONE;
}


static int
portal_import_begin(portal_import_book_t *book, const char **failure)
{
    portal_import_file_t  *file;

    file = &book->files[book->at];
    book->offset = 0;
    *failure = NULL;

    return file->zip == NULL ? 0
           : portal_zip_begin(file->zip, file->entry, failure);
}


static int
portal_import_read(portal_import_book_t *book, const char **failure)
{
    size_t                 n;
    portal_import_file_t  *file;

    file = &book->files[book->at];
    *failure = NULL;

    if (file->zip != NULL) {
        return portal_zip_read(file->zip, book->piece, sizeof(book->piece),
                               failure);
    }

    if (book->offset == file->len) {
        return 0;
    }

    n = file->len - book->offset;
    n = n > sizeof(book->piece) ? sizeof(book->piece) : n;

    memcpy(book->piece, file->data + book->offset, n);
    book->offset += n;

    return (int) n;
}


portal_import_e
portal_import_book_scan(portal_import_book_t *book)
{
    int                    n;
    const char            *failure;
    portal_import_file_t  *file;

    if (book->at == book->nfiles) {
        return portal_import_scanned(book);
    }

    file = &book->files[book->at];

    if (!book->open) {

        if (portal_import_begin(book, &failure) != 0) {
            return portal_import_fail(book, failure, file->name, 0);
        }

        portal_csv_probe_init(&book->probe);
        book->open = 1;
        book->headed = 0;
    }

    n = portal_import_read(book, &failure);

    if (n < 0) {
        return portal_import_fail(book, failure, file->name, 0);
    }

    if (n > 0) {
        portal_csv_probe(&book->probe, book->piece, (size_t) n);

        failure = book->headed ? NULL
                  : portal_import_binary(&book->probe, book->piece,
                                         (size_t) n);

        if (failure != NULL) {
            return portal_import_fail(book, failure, file->name, 0);
        }

        book->headed = 1;

        return PORTAL_IMPORT_AGAIN;
    }

    return portal_import_look(book);
}


/* a file whose bytes are known: what it is */

static portal_import_e
portal_import_look(portal_import_book_t *book)
{
    const char            *dot;
    portal_csv_e           rc;
    portal_import_e        more;
    portal_import_file_t  *file;

    file = &book->files[book->at];
    file->encoding = portal_csv_probed(&book->probe, &file->bom);

    dot = strrchr(file->name, '.');

    file->ndjson = (dot && (strcmp(dot, ".ndjson") == 0
                            || strcmp(dot, ".jsonl") == 0))
                   || (file->bom < sizeof(book->probe.head)
                       && book->probe.head[file->bom] == '{');
    file->kind = portal_import_kind_file(file->name);

    if (!file->ndjson && file->kind < 0) {
        more = portal_import_open(book);

        while (more == PORTAL_IMPORT_AGAIN) {
            rc = portal_csv_next(&book->csv);

            if (rc == PORTAL_CSV_OK) {
                file->kind = portal_import_kind_header(book->csv.cells,
                                                       book->csv.ncells);
            }

            if (rc != PORTAL_CSV_MORE) {
                break;
            }

            more = portal_import_more(book);
        }

        if (more != PORTAL_IMPORT_AGAIN) {
            return more;
        }
    }

    portal_import_close(book);
    book->at++;

    return PORTAL_IMPORT_AGAIN;
}


static portal_import_e
portal_import_scanned(portal_import_book_t *book)
{
    size_t  i;

    portal_import_sort(book);
    book->at = 0;

    for (i = 0; i < book->nfiles; i++) {

        if (book->files[i].kind >= 0 || book->files[i].ndjson) {
            return PORTAL_IMPORT_DONE;
        }
    }

    return book->nfiles == 1
           ? portal_import_fail(book, book->probe.bytes ? "unknown_file"
                                                        : "empty",
                                book->files[0].name, 0)
           : portal_import_fail(book, "unknown_file", NULL, 0);
}


/* who is named comes first; NDJSON after all that, it has its own order */

static void
portal_import_sort(portal_import_book_t *book)
{
    int                   a, b;
    size_t                i, n;
    portal_import_file_t  file;

    for (i = 1; i < book->nfiles; i++) {

        for (n = i; n > 0; n--) {
            a = book->files[n - 1].ndjson ? PORTAL_IMPORT_FILES
                : book->files[n - 1].kind;
            b = book->files[n].ndjson ? PORTAL_IMPORT_FILES
                : book->files[n].kind;

            if (a <= b) {
                break;
            }

            file = book->files[n];
            book->files[n] = book->files[n - 1];
            book->files[n - 1] = file;
        }
    }
}


void
portal_import_book_skip(portal_import_book_t *book, const char *name,
    uint64_t line)
{
    size_t  i;

    for (i = 0; i < book->nfiles; i++) {

        if (strcmp(book->files[i].name, name) == 0) {
            book->files[i].skip = line;
        }
    }
}


/* AGAIN: it is */

static portal_import_e
portal_import_open(portal_import_book_t *book)
{
    const char            *failure;
    portal_import_file_t  *file;

    file = &book->files[book->at];

    if (portal_import_begin(book, &failure) != 0) {
        return portal_import_fail(book, failure, file->name, 0);
    }

    if (portal_csv_init(&book->csv, file->encoding, 0) != 0) {
        return PORTAL_IMPORT_MEMORY;
    }

    book->csv.plain = file->ndjson;
    book->bom = file->bom;
    book->open = 1;
    book->headed = 0;

    return PORTAL_IMPORT_AGAIN;
}


static portal_import_e
portal_import_more(portal_import_book_t *book)
{
    int          n;
    size_t       bom;
    const char  *failure;

    n = portal_import_read(book, &failure);

    if (n < 0) {
        return portal_import_fail(book, failure, book->files[book->at].name,
                                  book->csv.next_line);
    }

    if (n == 0) {
        portal_csv_end(&book->csv);
        return PORTAL_IMPORT_AGAIN;
    }

    bom = (size_t) n < book->bom ? (size_t) n : book->bom;
    book->bom -= bom;

    portal_csv_feed(&book->csv, book->piece + bom, (size_t) n - bom);

    return PORTAL_IMPORT_AGAIN;
}


static void
portal_import_close(portal_import_book_t *book)
{
    if (book->csv.buf != NULL) {
        portal_wipe(book->csv.buf, book->csv.size);
        portal_wipe(book->csv.text, book->csv.size);
    }

    portal_csv_free(&book->csv);
    book->open = 0;
}


portal_import_e
portal_import_book_next(portal_import_book_t *book,
    portal_import_line_t *line, const char **name)
{
    portal_import_file_t  *file;

    if (book->at == book->nfiles) {
        return book->lines ? PORTAL_IMPORT_DONE
                           : portal_import_fail(book, "empty", NULL, 0);
    }

    file = &book->files[book->at];
    *name = file->name;

    if (file->kind < 0 && !file->ndjson) {
        book->at++;
        return PORTAL_IMPORT_AGAIN;
    }

    if (!book->open) {
        return portal_import_open(book);
    }

    switch (portal_csv_next(&book->csv)) {

    case PORTAL_CSV_MORE:
        return portal_import_more(book);

    case PORTAL_CSV_DONE:
        file->separator = book->csv.separator;
        portal_import_close(book);
        book->at++;
        return PORTAL_IMPORT_AGAIN;

    case PORTAL_CSV_BAD:
        return portal_import_bad(book, line);

    default:
        break;
    }

    file->separator = book->csv.separator;

    if (!book->headed && !file->ndjson) {
        return portal_import_head(book, line);
    }

    return portal_import_record(book, line);
}


/* those that are wrong as well: each is staged, to be told of */

static int
portal_import_counted(portal_import_book_t *book)
{
    portal_import_file_t  *file;

    file = &book->files[book->at];
    file->lines++;

    if (++book->lines <= PORTAL_IMPORT_LINES) {
        return 1;
    }

    (void) portal_import_fail(book, "too_many_lines", file->name,
                              book->csv.line);

    return 0;
}


static portal_import_e
portal_import_bad(portal_import_book_t *book, portal_import_line_t *line)
{
    size_t                 column;
    portal_import_e        rc;
    portal_import_file_t  *file;

    file = &book->files[book->at];
    column = book->csv.column;

    if (!portal_import_counted(book)) {
        return PORTAL_IMPORT_FAILED;
    }

    if (book->csv.line <= file->skip) {
        rc = PORTAL_IMPORT_AGAIN;

    } else {
        rc = portal_import_single(book, line, NULL,
                                  book->headed && !file->ndjson && column
                                  && column <= book->bind.ncells
                                  ? book->bind.name[column - 1] : NULL,
                                  book->csv.wrong);
    }

    if (!book->headed && !file->ndjson) {

        /* nobody knows what the columns are */

        portal_import_close(book);
        book->at++;
    }

    return rc;
}


static portal_import_e
portal_import_head(portal_import_book_t *book, portal_import_line_t *line)
{
    size_t                      cell;
    const char                 *code, *field;
    portal_import_e             rc;
    portal_import_file_t       *file;
    const portal_import_kind_t  *kind;

    file = &book->files[book->at];
    kind = portal_import_kinds[file->kind];

    code = portal_import_bind(&book->bind, kind, book->csv.cells,
                              book->csv.ncells, &cell);

    if (portal_import_unknown(&book->bind, file->unknown) != 0) {
        return PORTAL_IMPORT_MEMORY;
    }

    if (code == NULL) {
        book->headed = 1;
        return PORTAL_IMPORT_AGAIN;
    }

    book->lines++;
    rc = PORTAL_IMPORT_AGAIN;

    if (book->csv.line > file->skip) {
        field = book->bind.missing;
        rc = portal_import_single(book, line, field,
                                  field ? field : book->bind.name[cell],
                                  code);
    }

    portal_import_close(book);
    book->at++;

    return rc;
}


static portal_import_e
portal_import_record(portal_import_book_t *book, portal_import_line_t *line)
{
    portal_import_e        rc;
    portal_import_file_t  *file;

    file = &book->files[book->at];

    if (!portal_import_counted(book)) {
        return PORTAL_IMPORT_FAILED;
    }

    if (!file->ndjson && portal_import_ragged(book)) {
        rc = book->csv.line <= file->skip ? PORTAL_IMPORT_AGAIN
             : portal_import_single(book, line, NULL, NULL, "cells");

        (void) portal_csv_again(&book->csv);

        return rc;
    }

    if (book->csv.line <= file->skip) {
        return PORTAL_IMPORT_AGAIN;
    }

    if (file->ndjson) {
        return portal_import_json(book, line);
    }

    if (portal_import_line_init(line, book->csv.line) != 0) {
        return PORTAL_IMPORT_MEMORY;
    }

    if (portal_import_map(book->rules, &book->bind, book->csv.cells, line)
        != 0)
    {
        portal_import_line_free(line);
        return PORTAL_IMPORT_MEMORY;
    }

    return PORTAL_IMPORT_LINE;
}


/* empty cells behind the last column are a spreadsheet's */

static int
portal_import_ragged(portal_import_book_t *book)
{
    size_t  i;

    if (book->csv.ncells < book->bind.ncells) {
        return 1;
    }

    for (i = book->bind.ncells; i < book->csv.ncells; i++) {

        if (book->csv.cells[i].len != 0) {
            return 1;
        }
    }

    return 0;
}


static portal_import_e
portal_import_single(portal_import_book_t *book, portal_import_line_t *line,
    const char *field, const char *column, const char *code)
{
    const portal_import_file_t  *file;

    file = &book->files[book->at];

    if (portal_import_line_init(line, book->csv.line) != 0) {
        return PORTAL_IMPORT_MEMORY;
    }

    if (portal_import_error(line, field, column, code, 0) != 0
        || portal_import_unread_csv(book->rules, file->kind < 0 ? NULL
                                    : portal_import_kinds[file->kind],
                                    book->headed && !file->ndjson
                                    ? &book->bind : NULL, &book->csv, line)
           != 0)
    {
        portal_import_line_free(line);
        return PORTAL_IMPORT_MEMORY;
    }

    return PORTAL_IMPORT_LINE;
}


static portal_import_e
portal_import_json(portal_import_book_t *book, portal_import_line_t *line)
{
    int              kind;
    json_t          *object, *type;
    portal_import_e  rc;

    /* a zero would end what is read of a text */

    object = json_loadb(book->csv.cells[0].data, book->csv.cells[0].len,
                        JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

    if (!json_is_object(object)) {
        json_decref(object);
        return portal_import_single(book, line, NULL, NULL, "json");
    }

    type = json_object_get(object, "type");
    kind = book->files[book->at].kind;

    if (json_is_string(type)) {
        kind = portal_import_kind_type(json_string_value(type),
                                       json_string_length(type));
    }

    if (kind < 0) {
        rc = portal_import_single(book, line, "type", "type", "kind");

        if (rc == PORTAL_IMPORT_LINE && json_is_string(type)) {

            /* it says itself that it names no guardian */

            (void) json_array_clear(line->records);
        }

    } else {
        (void) json_object_del(object, "type");

        if (portal_import_line_init(line, book->csv.line) != 0) {
            rc = PORTAL_IMPORT_MEMORY;

        } else {
            rc = portal_import_members(book->rules, &book->bind, object,
                                       portal_import_kinds[kind], line,
                                       book->files[book->at].unknown) == 0
                 ? PORTAL_IMPORT_LINE : PORTAL_IMPORT_MEMORY;

            if (rc != PORTAL_IMPORT_LINE) {
                portal_import_line_free(line);
            }
        }
    }

    json_decref(object);

    return rc;
}


json_t *
portal_import_book_failure(const portal_import_book_t *book)
{
    return json_pack("{s:s, s:s?, s:o}", "code", book->code ? book->code
                                                            : "zip",
                     "file", book->where, "line",
                     book->line ? json_integer((json_int_t) book->line)
                                : json_null());
}


json_t *
portal_import_book_files(const portal_import_book_t *book)
{
    char                         separator[2];
    size_t                       i;
    json_t                      *files, *file;
    const portal_import_file_t  *f;

    files = json_array();

    for (i = 0; files != NULL && i < book->nfiles; i++) {
        f = &book->files[i];

        separator[0] = f->separator;
        separator[1] = '\0';

        file = json_pack("{s:s, s:s?, s:I, s:s, s:s?, s:O}", "name", f->name,
                         "kind", portal_import_kind_of(f), "lines",
                         (json_int_t) f->lines, "encoding",
                         portal_csv_encodings[f->encoding], "separator",
                         f->separator ? separator : NULL, "unknown",
                         f->unknown);

        if (json_array_append_new(files, file) != 0) {
            json_decref(files);
            return NULL;
        }
    }

    return files;
}


static const char *
portal_import_kind_of(const portal_import_file_t *file)
{
    return file->ndjson ? "ndjson"
           : file->kind < 0 ? NULL : portal_import_kinds[file->kind]->name;
}
