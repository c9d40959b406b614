
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_IMPORT_MAP_H_INCLUDED_
#define _PORTAL_IMPORT_MAP_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "portal_csv.h"
#include "../crypto/portal_crypto.h"
#include "../input/portal_form.h"


/*
 * What a line says: records of the family file, and what is wrong in it.
 * Which column goes where are tables (portal_import_bl.c, _generic.c); what a
 * cell may hold is the forms' to say, as it is on the pages.
 */

#define PORTAL_IMPORT_COLUMNS  48       /* of a kind of file */
#define PORTAL_IMPORT_RECORDS  5        /* of a line */
#define PORTAL_IMPORT_HEADER   80       /* bytes of a column's name */
#define PORTAL_IMPORT_UNKNOWN  50       /* columns that are told */
#define PORTAL_IMPORT_ID       60       /* characters of an external id */

/* whose fields a record has */
typedef enum {
    PORTAL_IMPORT_OWN = 0,              /* what no form of the pages has */
    PORTAL_IMPORT_BASIC,
    PORTAL_IMPORT_ADDRESS,
    PORTAL_IMPORT_TAX,
    PORTAL_IMPORT_BANK,
    PORTAL_IMPORT_CHILD,
    PORTAL_IMPORT_CONTACT,
    PORTAL_IMPORT_FORMS
} portal_import_form_e;

/* the forms' names, for who reads their files; the first has none */
extern const char *const  portal_import_forms[PORTAL_IMPORT_FORMS];
/* the text of the first */
extern const char  portal_import_own[];

typedef struct {
    const portal_form_t  *form[PORTAL_IMPORT_FORMS];
    char                  today[sizeof("YYYY-MM-DD")];
} portal_import_rules_t;


#define PORTAL_IMPORT_REQUIRED  0x1     /* never emptied, nor left out */

typedef struct {
    const char  *names;         /* folded, a space between */
    int          record;        /* of the kind; -1: an id, -2: the other */
    const char  *field;
    unsigned     flags;
} portal_import_column_t;

typedef struct {
    const char            *kind;
    portal_import_form_e   form;
    int                    key;         /* which id */
    const char            *suffix;      /* behind it */
    int                    ref;         /* which id, -1: none */
    const char            *when;        /* where all of these fields are
                                           empty there is no such record */
    const char            *with;        /* "field=value,..." beside them */
    unsigned               optional:1;  /* none where its ref is empty */
    int                    needs;       /* none without that one, from 1 */
} portal_import_record_t;

typedef struct {
    const char              *name;      /* for reports */
    const char              *files;     /* names of files, folded */
    const char              *types;     /* of NDJSON's "type" */
    const char              *marks;     /* columns that tell it */
    int                      nids;      /* that a line must have */
    portal_import_record_t   records[PORTAL_IMPORT_RECORDS];
    portal_import_column_t   columns[PORTAL_IMPORT_COLUMNS];
} portal_import_kind_t;

/* in the order in which they are read: who is named comes first */
extern const portal_import_kind_t *const  portal_import_kinds[];

/* the generic ones, in portal_import_generic.c; BL.enfance's */
extern const portal_import_kind_t  portal_import_families;
extern const portal_import_kind_t  portal_import_guardians;
extern const portal_import_kind_t  portal_import_addresses;
extern const portal_import_kind_t  portal_import_children;
extern const portal_import_kind_t  portal_import_child_families;
extern const portal_import_kind_t  portal_import_schooling;
extern const portal_import_kind_t  portal_import_contacts;
extern const portal_import_kind_t  portal_import_tax;
extern const portal_import_kind_t  portal_import_mandates;
extern const portal_import_kind_t  portal_import_bl_famille;
extern const portal_import_kind_t  portal_import_bl_enfant;
extern const portal_import_kind_t  portal_import_bl_enfant_famille;
extern const portal_import_kind_t  portal_import_bl_mandat;

/* of a file that its first bytes show to be no text that is read, why: a
   failure's code; NULL: it may be one */
const char *portal_import_binary(const portal_csv_probe_t *probe,
    const char *data, size_t n);
/* by a file's name, or by NDJSON's "type"; -1: none */
int portal_import_kind_file(const char *name);
int portal_import_kind_type(const char *type, size_t len);


/*
 * Every code of an error beside those of portal_form_codes, NULL at the end;
 * append-only, as those.
 *
 *   quote          a quote that is not closed, or text behind one that is
 *   long           a line longer than may be
 *   cells          more or fewer cells than the first line has
 *   number_format  a family's number: capitals, digits and hyphens
 *   year_format    no school year
 *   json           no object of JSON
 *   kind           a "type" of NDJSON that there is not
 *   no_guardian    tax or a mandate of whom neither file nor import knows
 *   city_code_format  no code of INSEE's
 *   ban_format     no key of the national address base, or no score
 */
extern const char *const  portal_import_codes[];


/* which cell each column of a kind is, and how it is called there */

typedef struct {
    const portal_import_kind_t  *kind;
    int                          cell[PORTAL_IMPORT_COLUMNS];  /* -1: none */
    char                         name[PORTAL_CSV_CELLS]
                                     [PORTAL_IMPORT_HEADER + 1];
    char                         used[PORTAL_CSV_CELLS];
    size_t                       ncells;
    const char                  *missing;       /* the field of an id */
} portal_import_bind_t;

/*
 * NULL, or the code of what is first wrong with a header: "required" (an id is
 * not there: missing), "duplicate" (two columns of one name, which *cell is).
 */
const char *portal_import_bind(portal_import_bind_t *bind,
    const portal_import_kind_t *kind, const portal_csv_cell_t *names,
    size_t n, size_t *cell);
/* the columns that nothing takes are added to the array, once each; -1: no
   memory */
int portal_import_unknown(const portal_import_bind_t *bind, json_t *unknown);
/* a column's name as it is written, where it is text; terminated, of
   PORTAL_IMPORT_HEADER + 1 bytes at most */
void portal_import_label(const portal_csv_cell_t *cell, char *out);
/* of a file whose name says nothing; -1: none */
int portal_import_kind_header(const portal_csv_cell_t *names, size_t n);


typedef struct {
    uint64_t   line;
    json_t    *records;         /* references of the line's */
    json_t    *errors;
} portal_import_line_t;

/* -1: no memory */
int portal_import_line_init(portal_import_line_t *line, uint64_t n);
/* wipes what is not sealed */
void portal_import_line_free(portal_import_line_t *line);
/*
 * column NULL: of the line as a whole.  left: the field was left out, the rest
 * of the line counts.
 */
int portal_import_error(portal_import_line_t *line, const char *field,
    const char *column, const char *code, int left);

/*
 * The records of cells, n as many as bind->ncells; -1: no memory.  A record
 * whose id is missing or wrong is not made, a field that is wrong is left
 * out: the line's errors say so.
 */
int portal_import_map(const portal_import_rules_t *rules,
    const portal_import_bind_t *bind, const portal_csv_cell_t *cells,
    portal_import_line_t *line);

/* an id of a cell; *id NULL: there is none, as the code says; -1: no memory */
int portal_import_id(const portal_import_rules_t *rules,
    const portal_csv_cell_t *cell, json_t **id, char *code, size_t codelen);


/*
 * A line that is refused unread: {"kind": "unread_guardian", "key"} is added
 * to its records for each guardian of the kind, by the id in the cell, or once
 * or more with "" where nobody can tell whom it names (NULL, or no id).  The
 * other finds the cell in what the reader has of the line; kind NULL: any,
 * bind NULL: its columns are not known.  -1: no memory.
 */
int portal_import_unread(const portal_import_rules_t *rules,
    const portal_import_kind_t *kind, const portal_csv_cell_t *cell,
    portal_import_line_t *line);
int portal_import_unread_csv(const portal_import_rules_t *rules,
    const portal_import_kind_t *kind, const portal_import_bind_t *bind,
    const portal_csv_t *csv, portal_import_line_t *line);


/*
 * The same of an object of NDJSON, without its type; what nothing takes is
 * added to unknown.
 */
int portal_import_members(const portal_import_rules_t *rules,
    portal_import_bind_t *bind, json_t *object,
    const portal_import_kind_t *kind, portal_import_line_t *line,
    json_t *unknown);


/*
 * Cells as people and spreadsheets write them: ="0123" is 0123, line breaks
 * are spaces, a 0 that a spreadsheet took from a number is put back, and the
 * words of a choice are the form's.  A new string, maybe no UTF-8; NULL: no
 * memory.  field NULL: an id.
 */
json_t *portal_import_cell(const portal_field_t *field, const char *text,
    size_t len);
/* what is left of a header's cell, or of a word: letters and digits;
   terminated; "" when too long */
void portal_import_fold(const char *text, size_t len, char *out,
    size_t outlen);
/* one of words, a space between */
int portal_import_word(const char *words, const char *word);
/*
 * Codes of an address, as the table has them: INSEE's of a town, the national
 * address base's key, and how well it was found there, 0 to 1.
 */
int portal_import_city_code(const char *text);
int portal_import_ban_id(const char *text);
int portal_import_ban_score(const char *text);


/*
 * The keys of guardians whose records have something to seal are added to the
 * object, each true; -1: no memory.
 */
int portal_import_sealing(const portal_import_rules_t *rules,
    const portal_import_line_t *line, json_t *keys);
/*
 * Seals them for their places, {key: seal_id}; guardians that the line itself
 * brings are added.  Who is not found is the line's error, and the record
 * goes.  -1: no memory.
 */
int portal_import_seal(const portal_import_rules_t *rules,
    const portal_keys_t *keys, portal_text_t tenant,
    portal_import_line_t *line, json_t *places);


#endif /* _PORTAL_IMPORT_MAP_H_INCLUDED_ */
