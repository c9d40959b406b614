
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_FOLD_H_INCLUDED_
#define _PORTAL_FOLD_H_INCLUDED_


#include <stddef.h>


/*
 * The length of the space or dash at p, those that word processors put
 * included, or 0.  len is at least 1.
 */
size_t portal_fold_space(const char *p, size_t len);

/*
 * What is left of a text when case, French accents and ligatures, spaces,
 * dashes, apostrophes and final dots do not count.  Returns its length,
 * 0 when nothing is left or out is too short.
 */
size_t portal_fold(const char *p, size_t len, char *out, size_t outlen);


#endif /* _PORTAL_FOLD_H_INCLUDED_ */
