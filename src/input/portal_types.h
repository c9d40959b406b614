
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_TYPES_H_INCLUDED_
#define _PORTAL_TYPES_H_INCLUDED_


#include "portal_form.h"
#include "portal_text.h"


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


/* the bit of a word of "refuse=", 0 when there is none */
unsigned portal_private_bit(const char *word);

/* sets *code when the text says it; 0, or -1 when memory is short */
int portal_private_check(unsigned refuse, const char *text, size_t len,
    const char **code);


/* one of ISO 3166's two letters */
int portal_is_country(const char *code);
/* all of them, two letters each */
extern const char  portal_countries[];


/*
 * The text without separators (spaces of any width and the signs in more),
 * letters as capitals; -1 when it does not fit or holds anything but ASCII
 * letters, digits and the signs in keep.
 */
int portal_type_compact(const char *text, size_t len, const char *more,
    const char *keep, char *out, size_t size);
int portal_type_string(const char *text, size_t len, json_t **value);

/*
 * The types of numbers that others have given to a family, and of amounts;
 * as portal_type_check().
 */
int portal_type_phone(const portal_field_t *field, const char *text,
    size_t len, json_t **value, const char **code);
int portal_type_postcode(unsigned abroad, const char *text, size_t len,
    json_t **value, const char **code);
int portal_type_country(const char *text, size_t len, json_t **value,
    const char **code);
int portal_type_iban(const char *text, size_t len, json_t **value,
    const char **code);
int portal_type_bic(const char *text, size_t len, json_t **value,
    const char **code);
int portal_type_tax_number(const char *text, size_t len, json_t **value,
    const char **code);
int portal_type_tax_notice(const char *text, size_t len, json_t **value,
    const char **code);
int portal_type_caf_number(const char *text, size_t len, json_t **value,
    const char **code);
int portal_type_shares(const char *text, size_t len, json_t **value,
    const char **code);
int portal_type_cents(const portal_field_t *field, const char *text,
    size_t len, json_t **value, const char **code);
int portal_type_colour(const char *text, size_t len, json_t **value,
    const char **code);


/*
 * A value as a person would type it: 1250 cents are 12,50.  0, or -1 where
 * that is the value itself.
 */
int portal_type_shown(const portal_field_t *field, const json_t *value,
    char *out, size_t len);

/* the text as portal_type_check() takes it; *out is NULL unless OK */
portal_text_e portal_type_clean(const portal_field_t *field, const char *text,
    size_t len, char **out, size_t *outlen);

/*
 * Normalises one text (in NFC, trimmed, not empty, nothing forbidden in it;
 * terminated).  raw holds the other fields, as they were sent.  *value is a
 * new reference, or NULL with *code set; both NULL: to be taken as not sent.
 * Returns 0, or -1 when memory is short.  Passwords do not come here.
 */
int portal_type_check(const portal_field_t *field, const char *text,
    size_t len, const portal_form_context_t *context, const json_t *raw,
    json_t **value, const char **code);

/* the same for a JSON number: an integer, or cents */
int portal_type_integer(const portal_field_t *field, json_int_t n,
    json_t **value, const char **code);


#endif /* _PORTAL_TYPES_H_INCLUDED_ */
