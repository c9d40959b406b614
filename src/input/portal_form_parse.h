
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_FORM_PARSE_H_INCLUDED_
#define _PORTAL_FORM_PARSE_H_INCLUDED_


#include "portal_form.h"
#include "portal_types.h"


/*
 * What the two readers of a form's file share.
 */

typedef struct {
    portal_form_t  *form;
    unsigned        line;
    char           *err;
    size_t          errlen;
    char           *rest;              /* of the line being read */
    char            group[PORTAL_BODY_NAME];    /* of the fields to come */
} portal_form_parser_t;


/* what is behind the type */
int portal_form_words(portal_form_parser_t *parser, portal_field_t *field);
int portal_form_field_done(portal_form_parser_t *parser,
    const portal_field_t *field);

/* nothing but a-z, 0-9 and more */
int portal_form_plain(const char *s, const char *more);
/* the next word of the line, or NULL */
char *portal_form_token(portal_form_parser_t *parser);
/* always -1 */
int portal_form_fail(portal_form_parser_t *parser, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


#endif /* _PORTAL_FORM_PARSE_H_INCLUDED_ */
