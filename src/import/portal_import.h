
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_IMPORT_H_INCLUDED_
#define _PORTAL_IMPORT_H_INCLUDED_


#include "../call/portal_pg.h"
#include "portal_import_book.h"


/*
 * Reads the files of imports: claims one, fetches its pieces, and stages what
 * its lines say, a little at a time.  Any node may; a lease in the database
 * keeps two from reading the same, and what a worker that died has staged is
 * not staged again.
 */

#define PORTAL_IMPORT_BYTES  52428800       /* of all files of one */

typedef struct portal_import_s  portal_import_t;

typedef struct {
    ngx_msec_t                every;        /* between two looks; 0: never */
    portal_keys_t            *keys;
    portal_import_rules_t     rules;

    portal_pg_statement_t    *claim;        /* import_claim */
    portal_pg_statement_t    *piece;        /* get_import_piece */
    portal_pg_statement_t    *places;       /* import_places */
    portal_pg_statement_t    *lines;        /* import_lines */
    portal_pg_statement_t    *read;         /* import_read */
} portal_import_conf_t;


/* init_process of one worker; pg: the jobs' own pool; NULL is logged */
portal_import_t *portal_import_create(ngx_cycle_t *cycle,
    portal_import_conf_t *conf, portal_pg_t *pg);
/* exit_process, before the pool's end; NULL is nothing */
void portal_import_destroy(portal_import_t *import);


#endif /* _PORTAL_IMPORT_H_INCLUDED_ */
