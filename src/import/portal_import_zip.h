
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_IMPORT_ZIP_H_INCLUDED_
#define _PORTAL_IMPORT_ZIP_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/*
 * A zip in memory, of files that are read piece by piece.  Nothing is ever
 * written: an entry's name is only what it is called, without its folders.
 */

#define PORTAL_ZIP_ENTRIES  20
#define PORTAL_ZIP_BYTES    419430400       /* 400 MB, unpacked, in all */
#define PORTAL_ZIP_RATIO    200     /* more than text ever gives */
#define PORTAL_ZIP_SMALL    1048576         /* below it, whatever */
#define PORTAL_ZIP_NAME     100

typedef struct portal_zip_s  portal_zip_t;

/* by its first bytes; an empty one is */
int portal_zip_is(const void *data, size_t len);

/*
 * The bytes stay the caller's, for as long as the zip is open.  NULL with one
 * of the words that an import fails with: cut, zip, encrypted, too_large.
 */
portal_zip_t *portal_zip_open(const void *data, size_t len,
    const char **failure);
void portal_zip_free(portal_zip_t *zip);

/* files, without folders and what a Mac adds; names are terminated UTF-8 */
size_t portal_zip_files(const portal_zip_t *zip);
const char *portal_zip_name(const portal_zip_t *zip, size_t n);

/* one at a time; from its beginning; -1 with failure */
int portal_zip_begin(portal_zip_t *zip, size_t n, const char **failure);
/*
 * Bytes read, 0 at the end, which is only said when length and checksum are
 * right; -1 with failure.
 */
int portal_zip_read(portal_zip_t *zip, void *buf, size_t len,
    const char **failure);


#endif /* _PORTAL_IMPORT_ZIP_H_INCLUDED_ */
