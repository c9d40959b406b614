
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_TYPES_H_INCLUDED_
#define _PORTAL_TYPES_H_INCLUDED_


#include "portal_form.h"


/*
 * The types of fields, for the check of a form only.
 */

/* the names that every form has for itself */
int portal_form_reserved(const char *name);


#define PORTAL_DATE_PARTS  3

/* the name of a date's part: 0 day, 1 month, 2 year */
void portal_date_part(const portal_field_t *field, size_t part, char *name,
    size_t len);

/* YYYY-MM-DD to yyyymmdd; -1 when it is no date of the calendar */
int portal_date_number(const char *text, int64_t *number);


/*
 * Normalises one text (in NFC, trimmed, not empty, nothing forbidden in it;
 * terminated).  *value is a new reference, or NULL with *code set; both NULL:
 * to be taken as not sent.  Returns 0, or -1 when memory is short.
 * Passwords do not come here.
 */
int portal_type_check(const portal_field_t *field, const char *text,
    size_t len, const portal_form_context_t *context, json_t **value,
    const char **code);

/* the same for a JSON number */
int portal_type_integer(const portal_field_t *field, json_int_t n,
    json_t **value, const char **code);


#endif /* _PORTAL_TYPES_H_INCLUDED_ */
