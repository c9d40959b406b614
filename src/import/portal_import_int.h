
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_IMPORT_INT_H_INCLUDED_
#define _PORTAL_IMPORT_INT_H_INCLUDED_


#include "portal_import.h"


/*
 * Of portal_import.c, portal_import_fetch.c and portal_import_stage.c only.
 */

#define PORTAL_IMPORT_PAUSE   1         /* ms between two slices */
#define PORTAL_IMPORT_SLICE   2000      /* us at a time, then others' turn */
#define PORTAL_IMPORT_TEXT    400000    /* bytes of JSON, or one line more */
#define PORTAL_IMPORT_BATCH   200       /* lines of one call */
#define PORTAL_IMPORT_PIECE   262144    /* of a file, before it is sealed */

typedef void (*portal_import_step_pt)(portal_import_t *import);
typedef void (*portal_import_answer_pt)(portal_import_t *import,
    json_t *answer);

struct portal_import_s {
    portal_import_conf_t     *conf;
    portal_pg_t              *pg;
    ngx_log_t                *log;
    ngx_event_t               turn;         /* cancelable timer */
    portal_import_step_pt     step;
    portal_pg_op_t           *op;
    portal_import_answer_pt   answer;
    ngx_uint_t                tries;
    unsigned                  failed:1;     /* looking, and that was logged */

    /* the import that is read */
    json_t                   *claim;
    portal_text_t             slug;
    portal_import_rules_t     rules;
    size_t                    file;         /* of claim's, being fetched */
    ngx_uint_t                piece;        /* of all */
    u_char                   *data;
    size_t                    size;
    size_t                    used;
    u_char                   *scratch;      /* a piece's text, opened */
    portal_import_book_t     *book;

    /* lines to be staged, of one file */
    portal_import_line_t      lines[PORTAL_IMPORT_BATCH];
    ngx_uint_t                n;
    ngx_uint_t                sealed;       /* so many of them are in text */
    size_t                    bytes;
    const char               *name;         /* the file's */
    portal_import_line_t      held;         /* the first of the next file */
    const char               *held_name;
    unsigned                  holds:1;
    unsigned                  ended:1;      /* no line is left */
    json_t                   *places;
    u_char                   *text;         /* of the call */
    size_t                    text_len;
    size_t                    text_size;
    json_t                   *failure;
};


/* the step that comes next, in so many ms */
void portal_import_in(portal_import_t *import, ngx_msec_t delay,
    portal_import_step_pt step);
/* it stays whose lease it is, until that is over */
void portal_import_drop(portal_import_t *import);
/* takes the reference of input */
void portal_import_call(portal_import_t *import,
    portal_pg_statement_t *statement, json_t *input,
    portal_import_answer_pt answer);
void portal_import_post(portal_import_t *import,
    portal_pg_statement_t *statement, ngx_str_t *input,
    portal_import_answer_pt answer);
/* what each call about an import begins with; NULL: no memory */
json_t *portal_import_input(portal_import_t *import);
/* it cannot be read; code NULL: the book says why */
void portal_import_fail(portal_import_t *import, const char *code);

/* fetches the next piece, until all are there: then files() */
void portal_import_fetch(portal_import_t *import);
void portal_import_files(portal_import_t *import);
/* reads lines until they are enough; stages them; ends the reading */
void portal_import_read(portal_import_t *import);
void portal_import_batch(portal_import_t *import);
void portal_import_end(portal_import_t *import);


#endif /* _PORTAL_IMPORT_INT_H_INCLUDED_ */
