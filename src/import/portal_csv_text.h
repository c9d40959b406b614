
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_CSV_TEXT_H_INCLUDED_
#define _PORTAL_CSV_TEXT_H_INCLUDED_


#include "portal_csv.h"


/*
 * For portal_csv.c only: adds len bytes of the file to buf, which has room
 * for what they become; and what is left of a character at the end.
 */

#define PORTAL_CSV_GROWTH  3        /* a byte of Windows-1252 */

void portal_csv_decode(portal_csv_t *csv, const unsigned char *data,
    size_t len);
void portal_csv_decode_end(portal_csv_t *csv);


#endif /* _PORTAL_CSV_TEXT_H_INCLUDED_ */
