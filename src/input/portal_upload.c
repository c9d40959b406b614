
/*
 * Copyright (C) the portal's authors
 */


#include <stdlib.h>
#include <string.h>

#include "portal_body.h"
#include "portal_upload.h"
#include "../crypto/portal_crypto.h"


static portal_body_e portal_upload_part(void *data, const char *name,
    size_t len, unsigned file, uint64_t at);
static portal_body_e portal_upload_bytes(void *data, const char *bytes,
    size_t len);
static portal_body_e portal_upload_end(void *data, uint64_t at);
static portal_body_e portal_upload_file(portal_upload_t *upload,
    uint64_t at);
static portal_body_e portal_upload_token(portal_upload_t *upload,
    const char *token);


static const portal_multipart_told_t  portal_upload_told = {
    portal_upload_part, portal_upload_bytes, portal_upload_end
};


int
portal_upload_init(portal_upload_t *upload, const char *boundary, size_t len,
    portal_body_e (*token)(void *data, const char *token), void *data,
    char *err, size_t errlen)
{
    memset(upload, 0, sizeof(portal_upload_t));

    upload->token = token;
    upload->data = data;
    upload->raw = json_object();
    upload->text = malloc(PORTAL_BODY_MAX + 1);

    if (upload->raw == NULL || upload->text == NULL) {
        portal_upload_done(upload);
        json_decref(upload->raw);
        upload->raw = NULL;

        return -1;
    }

    portal_multipart_init(&upload->mp, boundary, len, &portal_upload_told,
                          upload, err, errlen);

    return 0;
}


portal_body_e
portal_upload_feed(portal_upload_t *upload, const char *bytes, size_t len)
{
    return portal_multipart_feed(&upload->mp, bytes, len);
}


portal_body_e
portal_upload_finish(portal_upload_t *upload)
{
    portal_body_e  rc;

    rc = portal_multipart_finish(&upload->mp);

    /* a body of no part has no token either */

    return rc == PORTAL_BODY_OK && !upload->told
           ? portal_upload_token(upload, NULL) : rc;
}


void
portal_upload_done(portal_upload_t *upload)
{
    if (upload->text != NULL) {
        portal_wipe(upload->text, PORTAL_BODY_MAX + 1);
        free(upload->text);
        upload->text = NULL;
    }
}


static portal_body_e
portal_upload_part(void *data, const char *name, size_t len, unsigned file,
    uint64_t at)
{
    portal_body_e          rc;
    portal_upload_t       *upload;
    portal_upload_file_t  *f;

    upload = data;

    if (!upload->told
        && (file || len != 4 || memcmp(name, "csrf", 4) != 0))
    {
        rc = portal_upload_token(upload, NULL);
        if (rc != PORTAL_BODY_OK) {
            return rc;
        }
    }

    upload->file = file != 0;
    upload->ntext = 0;
    upload->nhead = 0;

    if (!file) {
        return PORTAL_BODY_OK;
    }

    /* the place behind the last one is taken only when there is a file */

    if (upload->nfiles == PORTAL_UPLOAD_FILES) {
        return PORTAL_BODY_TOO_MANY;
    }

    f = &upload->files[upload->nfiles];
    memset(f, 0, sizeof(portal_upload_file_t));
    memcpy(f->name, name, len);
    f->at = at;
    f->start = at - upload->dropped;

    return PORTAL_BODY_OK;
}


static portal_body_e
portal_upload_bytes(void *data, const char *bytes, size_t len)
{
    size_t            n;
    portal_upload_t  *upload;

    upload = data;

    if (upload->file) {
        n = PORTAL_UPLOAD_HEAD - upload->nhead;
        n = len < n ? len : n;

        memcpy(upload->head + upload->nhead, bytes, n);
        upload->nhead += n;

        return PORTAL_BODY_OK;
    }

    if (upload->total + len > PORTAL_BODY_MAX) {
        return PORTAL_BODY_TOO_MANY;
    }

    memcpy(upload->text + upload->ntext, bytes, len);
    upload->ntext += len;
    upload->total += len;

    return PORTAL_BODY_OK;
}


static portal_body_e
portal_upload_end(void *data, uint64_t at)
{
    portal_body_e     rc;
    portal_upload_t  *upload;

    upload = data;

    if (upload->file) {
        return portal_upload_file(upload, at);
    }

    if (portal_body_set(upload->raw, upload->mp.name, upload->mp.nname,
                        upload->text, upload->ntext)
        != 0)
    {
        return PORTAL_BODY_MEMORY;
    }

    rc = PORTAL_BODY_OK;

    if (!upload->told) {
        upload->text[upload->ntext] = '\0';
        rc = portal_upload_token(upload, upload->text);
    }

    portal_wipe(upload->text, upload->ntext);

    return rc;
}


static portal_body_e
portal_upload_file(portal_upload_t *upload, uint64_t at)
{
    json_t                *value;
    portal_upload_file_t  *f;

    f = &upload->files[upload->nfiles];
    f->size = at - f->at;
    f->type = portal_file_type(upload->head, upload->nhead);

    value = json_object_get(upload->raw, f->name) != NULL
            ? json_array()
            : f->size == 0
            ? json_string("")
            : json_pack("{s:s?, s:I}", "type", f->type,
                        "size", (json_int_t) f->size);

    if (json_object_set_new_nocheck(upload->raw, f->name, value) != 0) {
        return PORTAL_BODY_MEMORY;
    }

    upload->nfiles += f->size > 0;

    return PORTAL_BODY_OK;
}


static portal_body_e
portal_upload_token(portal_upload_t *upload, const char *token)
{
    upload->told = 1;

    return upload->token(upload->data, token);
}


unsigned
portal_file_bit(const char *type)
{
    size_t                    i;
    static const char *const  types[] = { "jpeg", "png", "webp", "pdf", "zip",
                                          "csv" };

    for (i = 0; type != NULL && i < sizeof(types) / sizeof(types[0]); i++) {

        if (strcmp(types[i], type) == 0) {
            return 1u << i;
        }
    }

    return 0;
}


const char *
portal_file_type(const char *head, size_t len)
{
    if (len >= 3 && memcmp(head, "\xff\xd8\xff", 3) == 0) {
        return "jpeg";
    }

    if (len >= 8 && memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0) {
        return "png";
    }

    if (len >= 12 && memcmp(head, "RIFF", 4) == 0
        && memcmp(head + 8, "WEBP", 4) == 0)
    {
        return "webp";
    }

    if (len >= 5 && memcmp(head, "%PDF-", 5) == 0) {
        return "pdf";
    }

    /* an empty one has no file, only the end */

    if (len >= 4 && (memcmp(head, "PK\3\4", 4) == 0
                     || memcmp(head, "PK\5\6", 4) == 0))
    {
        return "zip";
    }

    return NULL;
}
