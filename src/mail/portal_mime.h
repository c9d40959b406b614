
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_MIME_H_INCLUDED_
#define _PORTAL_MIME_H_INCLUDED_


#include <stddef.h>
#include <time.h>

#include "../crypto/portal_crypto.h"


/*
 * One message of RFC 5322: plain C, no allocation.  Both transports send what
 * is composed here: libcurl's MIME interface writes to a transfer only, never
 * to a file, and two composers would not stay alike.
 */

#define PORTAL_MIME_ADDRESS_MAX  254        /* RFC 5321, 4.5.3.1.3 */
#define PORTAL_MIME_HEADER_MAX   500        /* of a name or a subject */
#define PORTAL_MIME_MAX          1048576    /* of a message */

typedef struct {
    portal_text_t    from;          /* an address */
    portal_text_t    from_name;     /* may be empty */
    portal_text_t    to;            /* an address */
    portal_text_t    subject;
    portal_text_t    message_id;    /* without the brackets */
    portal_text_t    text;
    portal_text_t    html;
    time_t           date;
} portal_mime_t;

typedef enum {
    PORTAL_MIME_OK = 0,
    PORTAL_MIME_POISONED,   /* a header's text that would be more than that */
    PORTAL_MIME_ADDRESS,    /* not one address of the kind we write to */
    PORTAL_MIME_TEXT,       /* a part that is not UTF-8 */
    PORTAL_MIME_LONG        /* or a part, or the whole, that is too long */
} portal_mime_e;


/*
 * Writes the message, all its lines ended by CRLF, into out; *len is what it
 * takes, also when size is too small for it (then nothing may be used of
 * out): a first call with size 0 measures.  Nothing is written unless all
 * of the message is sound.
 */
portal_mime_e portal_mime_compose(const portal_mime_t *mime, char *out,
    size_t size, size_t *len);

/*
 * One address of RFC 5321 without what only ever serves an attack: quotes,
 * comments, literals, a beginning like a command's option.  1 when it is.
 */
int portal_mime_address(portal_text_t address);


#endif /* _PORTAL_MIME_H_INCLUDED_ */
