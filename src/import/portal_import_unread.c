
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "portal_import_map.h"


/*
 * Lines that are refused before they are read: whom they name is staged with
 * them, or that nobody can tell.  A number may have gone to somebody else, who
 * is named by just that line, and whose tax comes in the same import.
 */


static int portal_import_unread_id(const portal_import_bind_t *bind,
    const portal_csv_t *csv);
static int portal_import_broken(const portal_csv_cell_t *cell);


int
portal_import_unread(const portal_import_rules_t *rules,
    const portal_import_kind_t *kind, const portal_csv_cell_t *cell,
    portal_import_line_t *line)
{
    int           rc;
    char          code[32];
    size_t        i;
    json_t       *id, *record;
    const char   *key;

    id = NULL;
    rc = cell == NULL ? 0
         : portal_import_id(rules, cell, &id, code, sizeof(code));
    key = json_string_value(id);

    for (i = 0;
         i < PORTAL_IMPORT_RECORDS && kind->records[i].kind && rc == 0;
         i++)
    {
        if (strcmp(kind->records[i].kind, "guardian") != 0) {
            continue;
        }

        record = json_pack("{s:s, s:o}", "kind", "unread_guardian", "key",
                           json_sprintf("%s%s", key ? key : "",
                                        key ? kind->records[i].suffix : ""));

        rc = json_array_append_new(line->records, record);
    }

    json_decref(id);

    return rc;
}


int
portal_import_unread_csv(const portal_import_rules_t *rules,
    const portal_import_kind_t *kind, const portal_import_bind_t *bind,
    const portal_csv_t *csv, portal_import_line_t *line)
{
    int  cell;

    cell = bind == NULL ? -1 : portal_import_unread_id(bind, csv);

    return portal_import_unread(rules, kind ? kind : &portal_import_guardians,
                                cell < 0 ? NULL : &csv->cells[cell], line);
}


/* the cell of the id, where it is there for certain; -1: nobody can tell */

static int
portal_import_unread_id(const portal_import_bind_t *bind,
    const portal_csv_t *csv)
{
    int     cell;
    size_t  i;

    cell = -1;

    for (i = 0; i < PORTAL_IMPORT_COLUMNS; i++) {

        if (bind->kind->columns[i].names != NULL
            && bind->kind->columns[i].record == -1)
        {
            cell = bind->cell[i];
            break;
        }
    }

    if (cell < 0 || (size_t) cell >= csv->ncells) {
        return -1;
    }

    if (csv->wrong != NULL && strcmp(csv->wrong, "quote") == 0) {

        /* lines that went with it may have named others */

        for (i = 0; i < csv->ncells; i++) {

            if (portal_import_broken(&csv->cells[i])) {
                return -1;
            }
        }

        return cell;
    }

    /* a cell too few or too many moves those behind it, never the first */

    return csv->wrong == NULL && cell == 0 && csv->ncells > 1
           && !portal_import_broken(&csv->cells[0]) ? 0 : -1;
}


/* it has more than one line */

static int
portal_import_broken(const portal_csv_cell_t *cell)
{
    return memchr(cell->data, '\n', cell->len) != NULL
           || memchr(cell->data, '\r', cell->len) != NULL;
}
