
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_UPLOAD_H_INCLUDED_
#define _PORTAL_UPLOAD_H_INCLUDED_


#include "portal_multipart.h"


/*
 * A multipart body as a form's check wants it: texts as those of a urlencoded
 * one, a file as {"type","size"}, its type by its first bytes and null when
 * that is none we know.  Where the bytes are in the body stays beside it; an
 * empty file is as if it had not been sent.
 */

#define PORTAL_UPLOAD_FILES  PORTAL_FORM_FILES
#define PORTAL_UPLOAD_HEAD   12         /* bytes that tell a type */

typedef struct {
    char           name[PORTAL_BODY_NAME + 1];
    const char    *type;                /* as portal_file_type() says */
    uint64_t       at;                  /* in the body as it came */
    uint64_t       start;               /* in what is kept of it */
    uint64_t       size;
} portal_upload_file_t;

typedef struct {
    json_t                 *raw;
    size_t                  nfiles;
    portal_upload_file_t    files[PORTAL_UPLOAD_FILES];

    /*
     * Called once, before any file is looked at: the text of the first part
     * when that is "csrf", else NULL.  Anything but OK ends the reading.
     */
    portal_body_e         (*token)(void *data, const char *token);
    void                   *data;

    unsigned                told:1;     /* token was called */
    unsigned                file:1;     /* what the part is that is read */
    size_t                  nhead;
    char                    head[PORTAL_UPLOAD_HEAD];
    uint64_t                dropped;    /* bytes that the caller has not kept:
                                           of files too large */
    size_t                  ntext;      /* of this part */
    size_t                  total;      /* of all texts */
    char                   *text;
    portal_multipart_t      mp;
} portal_upload_t;


/* 0, or -1 when memory is short; _done() frees all but raw */
int portal_upload_init(portal_upload_t *upload, const char *boundary,
    size_t len, portal_body_e (*token)(void *data, const char *token),
    void *data, char *err, size_t errlen);
portal_body_e portal_upload_feed(portal_upload_t *upload, const char *bytes,
    size_t len);
portal_body_e portal_upload_finish(portal_upload_t *upload);
void portal_upload_done(portal_upload_t *upload);

/* jpeg, png, webp, pdf, zip by what a file begins with; or NULL */
const char *portal_file_type(const char *head, size_t len);
/* its bit in a field's accept; 0 of any other; "csv" is of what no beginning
   tells: text in an encoding that is not known yet */
unsigned portal_file_bit(const char *type);


#endif /* _PORTAL_UPLOAD_H_INCLUDED_ */
