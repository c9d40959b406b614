
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_LANGUAGE_H_INCLUDED_
#define _PORTAL_LANGUAGE_H_INCLUDED_


#include <stddef.h>

#include "crypto/portal_crypto.h"


/* ranges of one header that are read; who sends more is no browser */
#define PORTAL_LANGUAGE_RANGES   32

#define PORTAL_LANGUAGE_OFFERED  8

/*
 * Accept-Language (RFC 9110, 12.5.4) among n languages: a range stands for
 * the language that its first part names (RFC 4647, 3.4), "*" for all that
 * are not named.  Of equal weights the first named wins, then the first
 * offered.  A range that is not written as the RFC says counts for nothing.
 * Languages of no length are not offered.  Returns an index, or -1: none is
 * accepted.
 */
int portal_language_accept(portal_text_t accept, const portal_text_t *offered,
    size_t n);


#endif /* _PORTAL_LANGUAGE_H_INCLUDED_ */
