
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_IMPORT_BOOK_H_INCLUDED_
#define _PORTAL_IMPORT_BOOK_H_INCLUDED_


#include "portal_import_map.h"


/*
 * The files of an import, in memory: zips, CSV and NDJSON, read line by line.
 * A first reading finds encodings and checksums, so that of a file that is
 * damaged nothing is taken; the second gives the lines.  A call does little at
 * a time, for an event loop that has others to serve.
 */

#define PORTAL_IMPORT_FILES  40
#define PORTAL_IMPORT_LINES  2000000        /* of all files */

typedef struct portal_import_book_s  portal_import_book_t;

typedef enum {
    PORTAL_IMPORT_AGAIN = 0,        /* there is more to do */
    PORTAL_IMPORT_LINE,
    PORTAL_IMPORT_DONE,
    PORTAL_IMPORT_FAILED,           /* portal_import_book_failure() */
    PORTAL_IMPORT_MEMORY,
} portal_import_e;

/* NULL: no memory */
portal_import_book_t *portal_import_book(const portal_import_rules_t *rules);
void portal_import_book_free(portal_import_book_t *book);

/*
 * Adds a file; the bytes stay the caller's until the book is freed.  DONE,
 * FAILED or MEMORY.
 */
portal_import_e portal_import_book_add(portal_import_book_t *book,
    const char *name, const void *data, size_t len);
/* the first reading; then skip, and the second */
portal_import_e portal_import_book_scan(portal_import_book_t *book);
/* up to this line the file is staged already */
void portal_import_book_skip(portal_import_book_t *book, const char *file,
    uint64_t line);
/*
 * LINE: line is the caller's to free, file the book's.  A line without records
 * and errors is not given.
 */
portal_import_e portal_import_book_next(portal_import_book_t *book,
    portal_import_line_t *line, const char **file);

/* {"code","file","line"}, and the report of what was read; new references */
json_t *portal_import_book_failure(const portal_import_book_t *book);
json_t *portal_import_book_files(const portal_import_book_t *book);


#endif /* _PORTAL_IMPORT_BOOK_H_INCLUDED_ */
