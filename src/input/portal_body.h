
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
 * One more field: its text, null where the bytes are none, an empty array
 * where the name was there before.  0, or -1 when memory is short.
 */
int portal_body_set(json_t *object, const char *name, size_t len,
    const char *value, size_t vlen);


#endif /* _PORTAL_BODY_H_INCLUDED_ */
