
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal_import_map.h"


/* one record that is being made */

typedef struct {
    const portal_import_rules_t   *rules;
    const portal_import_bind_t    *bind;
    const portal_csv_cell_t       *cells;
    const portal_import_record_t  *spec;
    int                            number;      /* of the kind's records */
    portal_import_line_t          *line;

    unsigned                      *made;        /* a bit for each record */
    json_t                        *given[2];    /* by the page's form, own */
    json_t                        *columns;
    json_t                        *values;
} portal_import_making_t;


static const char *portal_import_ids(const portal_import_rules_t *rules,
    const portal_import_bind_t *bind, const portal_csv_cell_t *cells,
    portal_import_line_t *line, json_t *ids);
static int portal_import_id_names(portal_import_making_t *making);
static int portal_import_make(portal_import_making_t *making,
    const json_t *ids);
static int portal_import_absent(const portal_import_making_t *making);
static int portal_import_given(portal_import_making_t *making);
static int portal_import_give(portal_import_making_t *making,
    const portal_import_column_t *column, const portal_csv_cell_t *cell,
    const char *name);
static int portal_import_with(portal_import_making_t *making);
static int portal_import_check(portal_import_making_t *making, int own);
static int portal_import_own_values(portal_import_making_t *making);
static int portal_import_codes_values(portal_import_making_t *making);
static int portal_import_fault(portal_import_making_t *making,
    const char *field, const char *code);
static const char *portal_import_number(char *number);
static json_t *portal_import_year(const char *text);
static long portal_import_four(const char **text);
static json_t *portal_import_key(const json_t *ids, int which,
    const char *suffix);
static const portal_field_t *portal_import_field(
    const portal_import_making_t *making, const char *name, int *own);
static int portal_import_blank(const portal_csv_cell_t *cell);
static int portal_import_abroad(const portal_import_making_t *making,
    const portal_field_t *field);


const char *const  portal_import_forms[PORTAL_IMPORT_FORMS] = {
    NULL, "guardian_basic", "guardian_address", "guardian_tax",
    "guardian_bank", "child_general", "child_contact"
};

const char  portal_import_own[] =
    "field id                 text     max=60\n"
    "field number             text     max=20\n"
    "field label              text     max=200\n"
    "field accounting_code    text     max=64\n"
    "field payer              yesno\n"
    "field rank               integer  min=1 max=20\n"
    "field mandate_reference  text     max=35\n"
    "field mandate_date       date     min=1990-01-01 max=today\n"
    "field year               text     max=20\n"
    "field city_code          text     max=5\n"
    "field ban_id             text     max=60\n"
    "field ban_score          text     max=24\n"
    "field ban_date           date     min=2000-01-01 max=today\n"
    "partial\n";

const char *const  portal_import_codes[] = {
    "quote", "long", "cells", "number_format", "year_format", "json", "kind",
    "no_guardian", "city_code_format", "ban_format", NULL
};


int
portal_import_line_init(portal_import_line_t *line, uint64_t n)
{
    line->line = n;
    line->records = json_array();
    line->errors = json_array();

    if (line->records == NULL || line->errors == NULL) {
        portal_import_line_free(line);
        return -1;
    }

    return 0;
}


void
portal_import_line_free(portal_import_line_t *line)
{
    size_t       i;
    void        *iter;
    json_t      *values, *value;

    for (i = 0; i < json_array_size(line->records); i++) {
        values = json_object_get(json_array_get(line->records, i), "values");

        for (iter = json_object_iter(values);
             iter != NULL;
             iter = json_object_iter_next(values, iter))
        {
            value = json_object_iter_value(iter);

            if (json_is_string(value)) {
                portal_wipe((char *) json_string_value(value),
                            json_string_length(value));
            }
        }
    }

    json_decref(line->records);
    json_decref(line->errors);

    line->records = NULL;
    line->errors = NULL;
}


int
portal_import_error(portal_import_line_t *line, const char *field,
    const char *column, const char *code, int left)
{
    size_t   i;
    json_t  *error;

    error = json_pack("{s:s*, s:s*, s:s}", "field", field, "column", column,
                      "code", code);

    if (left && json_object_set_new(error, "left", json_true()) != 0) {
        json_decref(error);
        return -1;
    }

    /* a cell that two records are made of is wrong once */

    for (i = 0; i < json_array_size(line->errors); i++) {

        if (error != NULL
            && json_equal(error, json_array_get(line->errors, i)))
        {
            json_decref(error);
            return 0;
        }
    }

    return json_array_append_new(line->errors, error);
}


int
portal_import_map(const portal_import_rules_t *rules,
    const portal_import_bind_t *bind, const portal_csv_cell_t *cells,
    portal_import_line_t *line)
{
    int                     i, rc;
    json_t                 *ids;
    unsigned                made;
    portal_import_making_t  making;

    made = 1;
    ids = json_object();

    if (ids == NULL
        || portal_import_ids(rules, bind, cells, line, ids) != NULL)
    {
        json_decref(ids);
        return -1;
    }

    rc = 0;

    for (i = 0;
         i < PORTAL_IMPORT_RECORDS && bind->kind->records[i].kind && rc == 0;
         i++)
    {
        memset(&making, 0, sizeof(making));
        making.rules = rules;
        making.bind = bind;
        making.cells = cells;
        making.spec = &bind->kind->records[i];
        making.number = i;
        making.line = line;
        making.made = &made;

        rc = portal_import_make(&making, ids);

        json_decref(making.values);
        json_decref(making.columns);
    }

    json_decref(ids);

    return rc;
}


/* {"0": id, "1": id} of those that are well; not NULL: no memory */

static const char *
portal_import_ids(const portal_import_rules_t *rules,
    const portal_import_bind_t *bind, const portal_csv_cell_t *cells,
    portal_import_line_t *line, json_t *ids)
{
    int                            cell, which;
    char                           code[32];
    size_t                         i;
    json_t                        *id;
    const char                    *name;
    const portal_import_column_t  *column;

    for (i = 0; i < PORTAL_IMPORT_COLUMNS; i++) {
        column = &bind->kind->columns[i];
        cell = bind->cell[i];

        if (column->names == NULL || column->record >= 0) {
            continue;
        }

        which = -1 - column->record;
        name = cell < 0 ? column->field : bind->name[cell];

        if (cell < 0 || portal_import_blank(&cells[cell])) {

            if (which < bind->kind->nids
                && portal_import_error(line, column->field, name, "required",
                                       0)
                   != 0)
            {
                return "memory";
            }

            continue;
        }

        if (portal_import_id(rules, &cells[cell], &id, code, sizeof(code))
            != 0
            || (id != NULL
                && json_object_set_new(ids, which ? "1" : "0", id) != 0)
            || (id == NULL
                && (portal_import_error(line, column->field, name, code, 0)
                    != 0
                    || (which == 0
                        && portal_import_unread(rules, bind->kind, NULL, line)
                           != 0))))
        {
            return "memory";
        }
    }

    return NULL;
}


int
portal_import_id(const portal_import_rules_t *rules,
    const portal_csv_cell_t *cell, json_t **id, char *code, size_t codelen)
{
    json_t                 *raw, *values, *typed, *errors;
    portal_form_context_t   context;

    raw = json_pack("{s:o}", "id",
                    portal_import_cell(NULL, cell->data, cell->len));
    if (raw == NULL) {
        return -1;
    }

    memset(&context, 0, sizeof(context));

    if (portal_form_check(rules->form[PORTAL_IMPORT_OWN], raw, 0, &context,
                          &values, &typed, &errors)
        != 0)
    {
        json_decref(raw);
        return -1;
    }

    *id = json_object_get(values, "id");
    *id = json_is_string(*id) ? json_incref(*id) : NULL;

    (void) snprintf(code, codelen, "%s", json_array_size(errors)
                    ? json_string_value(json_object_get(
                          json_array_get(errors, 0), "code"))
                    : "required");

    json_decref(values);
    json_decref(typed);
    json_decref(errors);
    json_decref(raw);

    return 0;
}


/* an id that nobody knows is told with its column too */

static int
portal_import_id_names(portal_import_making_t *making)
{
    int                            cell;
    size_t                         i;
    const portal_import_column_t  *column;

    for (i = 0; i < PORTAL_IMPORT_COLUMNS; i++) {
        column = &making->bind->kind->columns[i];
        cell = making->bind->cell[i];

        if (column->names == NULL || column->record >= 0 || cell < 0) {
            continue;
        }

        if (json_object_set_new(making->columns, column->field,
                                json_string(making->bind->name[cell]))
            != 0)
        {
            return -1;
        }
    }

    return 0;
}


static int
portal_import_make(portal_import_making_t *making, const json_t *ids)
{
    int                            rc, guardian;
    char                           uuid[36];
    json_t                        *record, *key, *ref;
    const portal_import_record_t  *spec;

    spec = making->spec;

    key = portal_import_key(ids, spec->key, spec->suffix);
    ref = spec->ref < 0 ? NULL : portal_import_key(ids, spec->ref, "");

    /*
     * a guardian's line without a family is refused; whom it names by the id
     * is staged with it, as somebody else's taxes may come after
     */

    guardian = strcmp(spec->kind, "guardian") == 0;

    if (key == NULL || (ref == NULL && spec->optional)
        || (ref == NULL && spec->ref >= 0 && !guardian
            && spec->ref < making->bind->kind->nids)
        || !(*making->made >> spec->needs & 1)
        || portal_import_absent(making))
    {
        json_decref(key);
        json_decref(ref);
        return 0;
    }

    *making->made |= 2u << making->number;
    making->values = json_object();
    making->columns = json_object();
    making->given[0] = json_object();
    making->given[1] = json_object();

    rc = making->values == NULL || making->columns == NULL
         || making->given[0] == NULL || making->given[1] == NULL
         || portal_import_id_names(making) != 0
         || portal_import_given(making) != 0
         || portal_import_with(making) != 0
         || portal_import_check(making, 0) != 0
         || portal_import_check(making, 1) != 0 ? -1 : 0;

    json_decref(making->given[0]);
    json_decref(making->given[1]);

    if (rc != 0) {
        json_decref(key);
        json_decref(ref);
        return -1;
    }

    record = json_pack("{s:s, s:o, s:o*, s:O, s:O}", "kind", spec->kind,
                       "key", key, "ref", ref, "values", making->values,
                       "columns", making->columns);

    if (record != NULL && guardian) {
        portal_uuid(uuid);

        rc = json_object_set_new(record, "seal_id",
                                 json_stringn(uuid, sizeof(uuid)));
    }

    return json_array_append_new(making->line->records, record) != 0 ? -1
           : rc;
}


/* who has no name is not there, and where nobody lives is no address */

static int
portal_import_absent(const portal_import_making_t *making)
{
    int                            cell;
    size_t                         i;
    const portal_import_column_t  *column;

    if (making->spec->when == NULL) {
        return 0;
    }

    for (i = 0; i < PORTAL_IMPORT_COLUMNS; i++) {
        column = &making->bind->kind->columns[i];
        cell = making->bind->cell[i];

        if (column->names != NULL && column->record == making->number
            && cell >= 0
            && portal_import_word(making->spec->when, column->field)
            && !portal_import_blank(&making->cells[cell]))
        {
            return 0;
        }
    }

    return 1;
}


static int
portal_import_given(portal_import_making_t *making)
{
    int                            cell;
    size_t                         i;
    const portal_import_column_t  *column;

    for (i = 0; i < PORTAL_IMPORT_COLUMNS; i++) {
        column = &making->bind->kind->columns[i];
        cell = making->bind->cell[i];

        if (column->names != NULL && column->record == making->number
            && cell >= 0
            && portal_import_give(making, column, &making->cells[cell],
                                  making->bind->name[cell])
               != 0)
        {
            return -1;
        }
    }

    return 0;
}


static int
portal_import_give(portal_import_making_t *making,
    const portal_import_column_t *column, const portal_csv_cell_t *cell,
    const char *name)
{
    int                    own;
    json_t                *value;
    const portal_field_t  *field;

    field = portal_import_field(making, column->field, &own);

    if (field == NULL) {

        /* a site's form may have less */

        return 0;
    }

    if (json_object_set_new(making->columns, column->field,
                            json_string(name))
        != 0)
    {
        return -1;
    }

    if ((column->flags & PORTAL_IMPORT_REQUIRED)
        && portal_import_blank(cell))
    {
        return portal_import_fault(making, column->field, "required");
    }

    value = portal_import_cell(portal_import_abroad(making, field) ? NULL
                               : field, cell->data, cell->len);

    return json_object_set_new(making->given[own], column->field, value);
}


static int
portal_import_with(portal_import_making_t *making)
{
    int          own;
    char         name[PORTAL_BODY_NAME];
    size_t       n, len;
    const char  *p;

    for (p = making->spec->with; p != NULL && *p != '\0'; p += len) {
        n = strcspn(p, "=");
        len = strcspn(p, ",");

        (void) snprintf(name, sizeof(name), "%.*s", (int) n, p);

        if (portal_import_field(making, name, &own) != NULL
            && json_object_set_new(making->given[own], name,
                                   json_stringn(p + n + 1, len - n - 1))
               != 0)
        {
            return -1;
        }

        len += p[len] == ',';
    }

    return 0;
}


static int
portal_import_check(portal_import_making_t *making, int own)
{
    int                     rc;
    size_t                  i;
    void                   *iter;
    json_t                 *given, *values, *typed, *errors, *error;
    const char             *name;
    const portal_form_t    *form;
    portal_form_context_t   context;

    given = making->given[own];
    form = making->rules->form[own ? PORTAL_IMPORT_OWN : making->spec->form];

    if (json_object_size(given) == 0) {
        return 0;
    }

    memset(&context, 0, sizeof(context));
    context.today = making->rules->today;

    if (portal_form_check(form, given, 0, &context, &values, &typed, &errors)
        != 0)
    {
        return -1;
    }

    rc = 0;

    for (i = 0; i < json_array_size(errors) && rc == 0; i++) {
        error = json_array_get(errors, i);
        rc = portal_import_fault(making,
                 json_string_value(json_object_get(error, "field")),
                 json_string_value(json_object_get(error, "code")));
    }

    /* hidden fields, which nobody gives, have a value too */

    for (iter = json_object_iter(given);
         iter != NULL && rc == 0;
         iter = json_object_iter_next(given, iter))
    {
        name = json_object_iter_key(iter);

        if (json_object_get(values, name) != NULL) {
            rc = json_object_set(making->values, name,
                                 json_object_get(values, name));
        }
    }

    portal_form_wipe(form, typed);
    portal_form_wipe(form, given);

    json_decref(values);
    json_decref(typed);
    json_decref(errors);

    return rc == 0 && own ? portal_import_own_values(making) : rc;
}


/* what no type of the forms knows */

static int
portal_import_own_values(portal_import_making_t *making)
{
    json_t      *value;
    const char  *text;

    value = json_object_get(making->values, "payer");
    text = json_string_value(value);

    if (text != NULL && strcmp(text, "unanswered") == 0) {
        (void) json_object_del(making->values, "payer");
    }

    if (portal_import_codes_values(making) != 0) {
        return -1;
    }

    value = json_object_get(making->values, "number");

    if (json_is_string(value)
        && portal_import_number((char *) json_string_value(value)) != NULL)
    {
        (void) json_object_del(making->values, "number");

        if (portal_import_fault(making, "number", "number_format") != 0) {
            return -1;
        }
    }

    text = json_string_value(json_object_get(making->values, "year"));

    if (text == NULL) {
        (void) json_object_del(making->values, "year");
        return 0;
    }

    value = portal_import_year(text);

    if (value != NULL) {
        return json_object_set_new(making->values, "year", value);
    }

    (void) json_object_del(making->values, "year");

    return portal_import_fault(making, "year", "year_format");
}


/* what the State calls an address; a code that is none is left out */

static int
portal_import_codes_values(portal_import_making_t *making)
{
    size_t       i;
    json_t      *value;

    static const struct {
        const char  *field;
        const char  *code;
        int        (*well)(const char *text);
    } codes[] = {
        { "city_code", "city_code_format", portal_import_city_code },
        { "ban_id", "ban_format", portal_import_ban_id },
        { "ban_score", "ban_format", portal_import_ban_score },
    };

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        value = json_object_get(making->values, codes[i].field);

        if (!json_is_string(value)
            || codes[i].well(json_string_value(value)))
        {
            continue;
        }

        (void) json_object_del(making->values, codes[i].field);

        if (portal_import_fault(making, codes[i].field, codes[i].code) != 0) {
            return -1;
        }
    }

    return 0;
}


static int
portal_import_fault(portal_import_making_t *making, const char *field,
    const char *code)
{
    int                            left;
    size_t                         i;
    const portal_import_column_t  *column;

    left = 1;

    for (i = 0; i < PORTAL_IMPORT_COLUMNS; i++) {
        column = &making->bind->kind->columns[i];

        if (column->names != NULL && column->record == making->number
            && strcmp(column->field, field) == 0)
        {
            left = !(column->flags & PORTAL_IMPORT_REQUIRED);
        }
    }

    return portal_import_error(making->line, field,
               json_string_value(json_object_get(making->columns, field)),
               code, left);
}


/* in capitals; not NULL: something else than letters, digits and hyphens */

static const char *
portal_import_number(char *number)
{
    char  *p;

    for (p = number; *p != '\0'; p++) {

        if (*p >= 'a' && *p <= 'z') {
            *p = (char) (*p & ~0x20);
        }

        if ((*p < '0' || *p > '9') && (*p < 'A' || *p > 'Z') && *p != '-') {
            return p;
        }
    }

    return NULL;
}


/* "2026-2027", "2026/2027", "2026"; NULL: none of them */

static json_t *
portal_import_year(const char *text)
{
    long  first, last;
    char  year[sizeof("2026-2027") + 32];

    first = portal_import_four(&text);
    last = first + 1;

    if (*text != '\0') {
        text += strspn(text, " ");
        text += *text == '-' || *text == '/';
        text += strspn(text, " ");

        last = portal_import_four(&text);
    }

    if (*text != '\0' || first < 2000 || first > 2098 || last != first + 1) {
        return NULL;
    }

    (void) snprintf(year, sizeof(year), "%ld-%ld", first, last);

    return json_string(year);
}


/* four digits, which are passed; 0: there are others */

static long
portal_import_four(const char **text)
{
    char  digits[5];

    if (strspn(*text, "0123456789") != 4) {
        return 0;
    }

    memcpy(digits, *text, 4);
    digits[4] = '\0';
    *text += 4;

    return strtol(digits, NULL, 10);
}


static json_t *
portal_import_key(const json_t *ids, int which, const char *suffix)
{
    json_t  *id;

    id = json_object_get(ids, which ? "1" : "0");

    return json_is_string(id) ? json_sprintf("%s%s", json_string_value(id),
                                             suffix)
                              : NULL;
}


static const portal_field_t *
portal_import_field(const portal_import_making_t *making, const char *name,
    int *own)
{
    const portal_field_t  *field;

    *own = making->spec->form == PORTAL_IMPORT_OWN;

    field = *own ? NULL
            : portal_form_field(making->rules->form[making->spec->form],
                                name);

    if (field == NULL) {
        *own = 1;
        field = portal_form_field(making->rules->form[PORTAL_IMPORT_OWN],
                                  name);
    }

    return field;
}


static int
portal_import_blank(const portal_csv_cell_t *cell)
{
    size_t  i;

    for (i = 0; i < cell->len; i++) {

        if (cell->data[i] != ' ' && cell->data[i] != '\t'
            && cell->data[i] != '\n' && cell->data[i] != '\r')
        {
            return 0;
        }
    }

    return 1;
}


/* a postcode of four digits is one, elsewhere */

static int
portal_import_abroad(const portal_import_making_t *making,
    const portal_field_t *field)
{
    int                            cell;
    char                           word[16];
    size_t                         i;
    const portal_import_column_t  *column;

    if (field->type != PORTAL_FIELD_POSTCODE || field->country == NULL) {
        return 0;
    }

    for (i = 0; i < PORTAL_IMPORT_COLUMNS; i++) {
        column = &making->bind->kind->columns[i];
        cell = making->bind->cell[i];

        if (column->names == NULL || column->record != making->number
            || cell < 0 || strcmp(column->field, field->country) != 0)
        {
            continue;
        }

        portal_import_fold(making->cells[cell].data, making->cells[cell].len,
                           word, sizeof(word));

        return word[0] != '\0' && strcmp(word, "fr") != 0
               && strcmp(word, "france") != 0;
    }

    return 0;
}
