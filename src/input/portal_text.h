
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_TEXT_H_INCLUDED_
#define _PORTAL_TEXT_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include <unitypes.h>


/*
 * Unicode work shared by the types.  Texts are UTF-8; what is given back is
 * malloc()ed, terminated, and the caller's.
 */

typedef enum {
    PORTAL_TEXT_OK = 0,
    PORTAL_TEXT_MEMORY,
    PORTAL_TEXT_ENCODING,
    PORTAL_TEXT_CONTROL,
} portal_text_e;

/*
 * NFC, and when trim is set without what is outside: spaces, invisible marks.
 * With PORTAL_TEXT_TABS the tabs inside are spaces, else they are forbidden.
 * *out is NULL unless OK.
 */
#define PORTAL_TEXT_TRIM  1
#define PORTAL_TEXT_TABS  2

portal_text_e portal_text_clean(const char *text, size_t len, int trim,
    char **out, size_t *outlen);

/*
 * The same of a text of several lines: LF between them however they came,
 * tabs are spaces, none at the ends of a line, no empty ones at either end.
 */
portal_text_e portal_text_lines(const char *text, size_t len, char **out,
    size_t *outlen);

/* what may stand in no field: controls, bidi overrides, invisible signs */
int portal_text_forbidden(ucs4_t c);

/* spaces of any width, and the tab that pasting brings */
int portal_text_space(ucs4_t c);

/*
 * A copy without what is forbidden, to be shown again; with lines, its line
 * breaks stay.  NULL: no memory.
 */
char *portal_text_shown(const char *text, size_t len, int lines,
    size_t *outlen);

/*
 * One ASCII character per character that is not a mark: accents fall, other
 * scripts map to letters.  For guessing passwords only.  NULL: no memory.
 */
char *portal_text_ascii(const char *text, size_t len, int lower);


#endif /* _PORTAL_TEXT_H_INCLUDED_ */
