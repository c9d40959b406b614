
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_BODY_H_INCLUDED_
#define _PORTAL_BODY_H_INCLUDED_


#include "portal_form.h"


/*
 * What the readers of bodies share.
 */

/* a name that may go into errors and logs */
portal_body_e portal_body_name(const char *name, size_t len, char *err,
    size_t errlen);

/*
 * One more field: its text, null where the bytes are none, an array of them
 * where the name was there before.  0, or -1 when memory is short.
 */
int portal_body_set(json_t *object, const char *name, size_t len,
    const char *value, size_t vlen);

/*
 * Such an array as lines of one text, which is the caller's to free; NULL
 * without memory.  0, or -1 when one of them is no text.
 */
int portal_body_lines(const json_t *values, char **text, size_t *len);


#endif /* _PORTAL_BODY_H_INCLUDED_ */
