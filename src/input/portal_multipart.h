
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_MULTIPART_H_INCLUDED_
#define _PORTAL_MULTIPART_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include "portal_form.h"


/*
 * multipart/form-data (RFC 7578, 2046), fed in pieces of any size: what is told
 * does not depend on where they end.  Stricter than the RFCs where what they
 * allow is only ever an attack: CRLF alone ends a line, nothing is nested or
 * encoded, and a part's file name is read over, never kept.
 */

#define PORTAL_MULTIPART_BOUNDARY  70
#define PORTAL_MULTIPART_PARTS     128
#define PORTAL_MULTIPART_HEADER    8192  /* bytes of a part's headers */
#define PORTAL_MULTIPART_OUTSIDE   256   /* bytes before and behind the parts */
#define PORTAL_MULTIPART_PADDING   64    /* spaces behind a boundary */

typedef enum {
    PORTAL_MULTIPART_BEFORE = 0,
    PORTAL_MULTIPART_LINE,          /* behind a boundary */
    PORTAL_MULTIPART_DASH,
    PORTAL_MULTIPART_CR,
    PORTAL_MULTIPART_HEADERS,
    PORTAL_MULTIPART_DATA,
    PORTAL_MULTIPART_BEHIND,        /* the last one: nothing counts any more */
} portal_multipart_state_e;

/*
 * Anything but PORTAL_BODY_OK ends the reading with that.  at: where the
 * part's bytes begin and end in the whole body.
 */
typedef struct {
    portal_body_e   (*part)(void *data, const char *name, size_t len,
                            unsigned file, uint64_t at);
    portal_body_e   (*bytes)(void *data, const char *bytes, size_t len);
    portal_body_e   (*end)(void *data, uint64_t at);
} portal_multipart_told_t;

typedef struct {
    const portal_multipart_told_t  *told;
    void                           *data;
    char                           *err;
    size_t                          errlen;

    portal_multipart_state_e        state;
    portal_body_e                   failed;
    uint64_t                        offset;     /* bytes read */
    size_t                          parts;
    size_t                          outside;
    size_t                          matched;    /* of delimiter */
    size_t                          ndelimiter;
    char                            delimiter[4 + PORTAL_MULTIPART_BOUNDARY];

    /* of the part being read */
    unsigned                        named:1;    /* its disposition was read */
    unsigned                        file:1;
    size_t                          header;     /* bytes of all its lines */
    size_t                          nname;
    char                            name[PORTAL_BODY_NAME];
    size_t                          nline;
    char                            line[PORTAL_MULTIPART_HEADER];
} portal_multipart_t;


/*
 * The value of a request's Content-Type.  Returns the boundary's length, 0
 * when there is none that may be: no or an empty one, two, one too long or with
 * a character that is in none.  out has room for PORTAL_MULTIPART_BOUNDARY.
 */
size_t portal_multipart_boundary(const char *type, size_t len, char *out);

/* err names the place of a failure, and nothing of the body */
void portal_multipart_init(portal_multipart_t *mp, const char *boundary,
    size_t len, const portal_multipart_told_t *told, void *data, char *err,
    size_t errlen);
portal_body_e portal_multipart_feed(portal_multipart_t *mp, const char *bytes,
    size_t len);
/* the whole body has been fed */
portal_body_e portal_multipart_finish(portal_multipart_t *mp);


#endif /* _PORTAL_MULTIPART_H_INCLUDED_ */
