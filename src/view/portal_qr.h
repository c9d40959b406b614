
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_QR_H_INCLUDED_
#define _PORTAL_QR_H_INCLUDED_


#include <stddef.h>


/*
 * A text as a QR code (ISO/IEC 18004, level M, bytes): the "d" of an SVG path
 * of black squares of size 1, in a square of *size with its quiet zone.  The
 * text returned is terminated; who frees it wipes it first, since it is as
 * secret as what it says.  NULL: no memory, or the text is too long.
 */
#define PORTAL_QR_TEXT  512

char *portal_qr_path(const char *text, size_t len, unsigned *size);


#endif /* _PORTAL_QR_H_INCLUDED_ */
