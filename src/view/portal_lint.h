
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_LINT_H_INCLUDED_
#define _PORTAL_LINT_H_INCLUDED_


#include <stddef.h>


/*
 * What a page may not hold: the site's Content-Security-Policy refuses inline
 * style (a mail has no other) and scripts, and escaping protects quoted
 * attributes only.  It reads the page's text in the order it is compiled.
 * Zeroed memory is its start.
 */

#define PORTAL_LINT_WORD  16

typedef struct {
    unsigned    state;
    size_t      len;
    unsigned    raw:1;                  /* the element is script */
    unsigned    closing:1;
    unsigned    mail:1;                 /* no policy, and no style sheet */
    char        word[PORTAL_LINT_WORD]; /* of a name or value: lower case */
} portal_lint_t;

/* literal text; NULL, or what is wrong and what to write instead */
const char *portal_lint_text(portal_lint_t *lint, const char *data,
    size_t len);

/* a tag that writes text; NULL, or what is wrong */
const char *portal_lint_tag(portal_lint_t *lint);


#endif /* _PORTAL_LINT_H_INCLUDED_ */
