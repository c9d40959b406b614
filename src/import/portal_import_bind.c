
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include <unistr.h>

#include "portal_import_map.h"
#include "portal_import_zip.h"


static const char *portal_import_named(const portal_import_bind_t *bind,
    const portal_import_column_t *column, char folded[][PORTAL_IMPORT_HEADER],
    int *found, size_t *cell);


const portal_import_kind_t *const  portal_import_kinds[] = {
    &portal_import_bl_famille,
    &portal_import_families,
    &portal_import_guardians,
    &portal_import_addresses,
    &portal_import_bl_enfant,
    &portal_import_children,
    &portal_import_bl_enfant_famille,
    &portal_import_child_families,
    &portal_import_schooling,
    &portal_import_contacts,
    &portal_import_tax,
    &portal_import_bl_mandat,
    &portal_import_mandates,
    NULL
};


/* an old spreadsheet, a PDF, a zip within a zip: the code of what is no text */

const char *
portal_import_binary(const portal_csv_probe_t *probe, const char *data,
    size_t n)
{
    size_t  i, controls, bom;

    switch (portal_csv_probed(probe, &bom)) {

    case PORTAL_CSV_UTF16LE:
    case PORTAL_CSV_UTF16BE:
        return NULL;

    case PORTAL_CSV_UTF32:
        return "utf32";

    default:
        break;
    }

    if (portal_zip_is(data, n)) {
        return "zip";
    }

    if (n > 4 && memcmp(data, "%PDF", 4) == 0) {
        return "encoding";
    }

    controls = 0;

    for (i = 0; i < n; i++) {
        controls += (unsigned char) data[i] < 0x20
                    && strchr("\t\r\n", data[i]) == NULL;
    }

    return controls > 64 && controls > n / 10 ? "encoding" : NULL;
}


/* "Famille (2) 2026-11-25.csv" is "famille" */

int
portal_import_kind_file(const char *name)
{
    int          i;
    char         word[64], *p, *q;
    const char  *dot;

    dot = strrchr(name, '.');

    portal_import_fold(name, dot ? (size_t) (dot - name) : strlen(name), word,
                       sizeof(word));

    for (p = q = word; *p != '\0'; p++) {

        if (*p > '9') {
            *q++ = *p;
        }
    }

    *q = '\0';

    for (i = 0; portal_import_kinds[i] != NULL; i++) {

        if (portal_import_word(portal_import_kinds[i]->files, word)) {
            return i;
        }
    }

    return -1;
}


int
portal_import_kind_type(const char *type, size_t len)
{
    int   i;
    char  word[64];

    portal_import_fold(type, len, word, sizeof(word));

    for (i = 0; portal_import_kinds[i] != NULL; i++) {

        if (portal_import_word(portal_import_kinds[i]->types, word)) {
            return i;
        }
    }

    return -1;
}


int
portal_import_kind_header(const portal_csv_cell_t *names, size_t n)
{
    int          i;
    char         folded[PORTAL_IMPORT_HEADER];
    size_t       cell, len, want, found;
    const char  *mark;

    for (i = 0; portal_import_kinds[i] != NULL; i++) {
        want = 0;
        found = 0;

        for (mark = portal_import_kinds[i]->marks;
             mark != NULL && *mark != '\0';
             mark += len + (mark[len] == ' '))
        {
            len = strcspn(mark, " ");
            want++;

            for (cell = 0; cell < n; cell++) {
                portal_import_fold(names[cell].data, names[cell].len, folded,
                                   sizeof(folded));

                if (strlen(folded) == len && memcmp(folded, mark, len) == 0) {
                    found++;
                    break;
                }
            }
        }

        if (want > 0 && found == want) {
            return i;
        }
    }

    return -1;
}


const char *
portal_import_bind(portal_import_bind_t *bind,
    const portal_import_kind_t *kind, const portal_csv_cell_t *names,
    size_t n, size_t *cell)
{
    char         folded[PORTAL_CSV_CELLS][PORTAL_IMPORT_HEADER];
    size_t       i, at;
    const char  *code, *wrong;

    wrong = NULL;

    bind->kind = kind;
    bind->ncells = n;
    bind->missing = NULL;
    memset(bind->used, 0, sizeof(bind->used));

    for (i = 0; i < n; i++) {
        portal_import_label(&names[i], bind->name[i]);
        portal_import_fold(names[i].data, names[i].len, folded[i],
                           sizeof(folded[i]));
    }

    *cell = n;

    for (i = 0; i < PORTAL_IMPORT_COLUMNS; i++) {
        bind->cell[i] = -1;

        if (kind->columns[i].names == NULL) {
            continue;
        }

        at = n;
        code = portal_import_named(bind, &kind->columns[i], folded,
                                   &bind->cell[i], &at);

        if (code != NULL && wrong == NULL) {
            wrong = code;
            *cell = at;
            bind->missing = at == n ? kind->columns[i].field : NULL;
        }

        if (bind->cell[i] >= 0) {
            bind->used[bind->cell[i]] = 1;
        }
    }

    return wrong;
}


static const char *
portal_import_named(const portal_import_bind_t *bind,
    const portal_import_column_t *column, char folded[][PORTAL_IMPORT_HEADER],
    int *found, size_t *cell)
{
    size_t  i;

    for (i = 0; i < bind->ncells; i++) {

        if (!portal_import_word(column->names, folded[i])) {
            continue;
        }

        if (*found >= 0) {
            *cell = i;
            return "duplicate";
        }

        *found = (int) i;
    }

    return *found < 0 && column->record < 0
           && -1 - column->record < bind->kind->nids ? "required" : NULL;
}


int
portal_import_unknown(const portal_import_bind_t *bind, json_t *unknown)
{
    size_t  i, n;

    for (i = 0; i < bind->ncells; i++) {

        if (bind->used[i] || bind->name[i][0] == '\0') {
            continue;
        }

        for (n = 0; n < json_array_size(unknown); n++) {

            if (strcmp(json_string_value(json_array_get(unknown, n)),
                       bind->name[i])
                == 0)
            {
                break;
            }
        }

        if (n == json_array_size(unknown) && n < PORTAL_IMPORT_UNKNOWN
            && json_array_append_new(unknown, json_string(bind->name[i]))
               != 0)
        {
            return -1;
        }
    }

    return 0;
}


void
portal_import_label(const portal_csv_cell_t *cell, char *out)
{
    size_t       i, n;
    const char  *p;

    p = cell->data;
    n = cell->len;

    for ( /* void */ ; n && *p == ' '; n--) {
        p++;
    }

    n = n > PORTAL_IMPORT_HEADER ? PORTAL_IMPORT_HEADER : n;

    while (n > 0 && n < cell->len && (p[n - 1] & 0x80) != 0
           && u8_check((const uint8_t *) p, n) != NULL)
    {
        n--;
    }

    while (n > 0 && p[n - 1] == ' ') {
        n--;
    }

    if (u8_check((const uint8_t *) p, n) != NULL) {
        n = 0;
    }

    memcpy(out, p, n);
    out[n] = '\0';

    for (i = 0; i < n; i++) {

        if ((unsigned char) out[i] < 0x20 || out[i] == 0x7f) {
            out[i] = ' ';
        }
    }
}
