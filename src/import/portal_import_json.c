
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal_import_map.h"


/*
 * A line of NDJSON: its members are cells, and their names the columns of
 * this line.
 */

#define PORTAL_IMPORT_SCALAR  32        /* a number as text */

typedef struct {
    size_t               n;
    portal_csv_cell_t    names[PORTAL_CSV_CELLS];
    portal_csv_cell_t    cells[PORTAL_CSV_CELLS];
    char                 texts[PORTAL_CSV_CELLS][PORTAL_IMPORT_SCALAR];
} portal_import_members_t;


static int portal_import_gather(portal_import_members_t *members,
    json_t *object, portal_import_line_t *line);
static int portal_import_member(json_t *value, char *text, size_t size,
    portal_csv_cell_t *cell);


int
portal_import_members(const portal_import_rules_t *rules,
    portal_import_bind_t *bind, json_t *object,
    const portal_import_kind_t *kind, portal_import_line_t *line,
    json_t *unknown)
{
    int                       rc;
    size_t                    cell, wrong;
    const char               *code;
    portal_import_members_t  *members;

    members = malloc(sizeof(portal_import_members_t));
    if (members == NULL) {
        return -1;
    }

    rc = portal_import_gather(members, object, line);
    wrong = json_array_size(line->errors);

    if (rc == 0) {
        code = portal_import_bind(bind, kind, members->names, members->n,
                                  &cell);

        /* an id that is not there is an empty one, see portal_import_map() */

        if (code != NULL && bind->missing == NULL) {
            wrong = 1;
            rc = portal_import_error(line, NULL, bind->name[cell], code, 0);

        } else {
            rc = portal_import_unknown(bind, unknown) != 0
                 || portal_import_map(rules, bind, members->cells, line) != 0
                 ? -1 : 0;
        }
    }

    /* the id may be in what was not taken */

    if (rc == 0 && wrong && json_array_size(line->records) == 0) {
        rc = portal_import_unread(rules, kind, NULL, line);
    }

    free(members);

    return rc;
}


static int
portal_import_gather(portal_import_members_t *members, json_t *object,
    portal_import_line_t *line)
{
    char     name[PORTAL_IMPORT_HEADER + 1];
    void    *iter;
    size_t   n;

    members->n = 0;

    for (iter = json_object_iter(object);
         iter != NULL;
         iter = json_object_iter_next(object, iter))
    {
        n = members->n;

        if (n == PORTAL_CSV_CELLS) {
            return portal_import_error(line, NULL, NULL, "cells", 0);
        }

        members->names[n].data = json_object_iter_key(iter);
        members->names[n].len = strlen(members->names[n].data);

        if (portal_import_member(json_object_iter_value(iter),
                                 members->texts[n], PORTAL_IMPORT_SCALAR,
                                 &members->cells[n])
            == 0)
        {
            members->n++;
            continue;
        }

        portal_import_label(&members->names[n], name);

        if (portal_import_error(line, NULL, name, "type", 0) != 0) {
            return -1;
        }
    }

    return 0;
}


/* -1: no scalar */

static int
portal_import_member(json_t *value, char *text, size_t size,
    portal_csv_cell_t *cell)
{
    text[0] = '\0';
    cell->data = text;

    switch (json_typeof(value)) {

    case JSON_STRING:
        cell->data = json_string_value(value);
        cell->len = json_string_length(value);
        return 0;

    case JSON_INTEGER:
        (void) snprintf(text, size, "%" JSON_INTEGER_FORMAT,
                        json_integer_value(value));
        break;

    case JSON_REAL:
        (void) snprintf(text, size, "%.10g", json_real_value(value));
        break;

    case JSON_TRUE:
        (void) snprintf(text, size, "yes");
        break;

    case JSON_FALSE:
        (void) snprintf(text, size, "no");
        break;

    case JSON_NULL:
        break;

    default:
        return -1;
    }

    cell->len = strlen(text);

    return 0;
}
