
/*
 * Copyright (C) the portal's authors
 */


/*
 * libFuzzer: seven texts, a 0x1f between two, become a message.  Whatever is
 * composed reads back as what went in, in these headers and no others.
 */


#include "../unit/mail_mime.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           *why;
    size_t          i, len;
    const uint8_t  *p, *end, *next;
    portal_mime_t   mime;
    portal_text_t   pieces[7];

    p = data;
    end = data + size;

    for (i = 0; i < 7; i++) {
        next = p < end ? memchr(p, 0x1f, (size_t) (end - p)) : NULL;

        if (next == NULL) {
            next = end;
        }

        pieces[i].data = p < end ? (const char *) p : "";
        pieces[i].len = (size_t) (next - p);

        p = next < end ? next + 1 : end;
    }

    memset(&mime, 0, sizeof(portal_mime_t));

    mime.from = (portal_text_t) { "a@b.example", 11 };
    mime.to = mime.from;
    mime.message_id = mime.from;
    mime.subject = pieces[0];
    mime.from_name = pieces[1];
    mime.text = pieces[2];
    mime.html = pieces[3];

    if (pieces[4].len) {
        mime.to = pieces[4];
    }

    if (pieces[5].len) {
        mime.from = pieces[5];
    }

    if (pieces[6].len) {
        mime.message_id = pieces[6];
    }

    mime.date = (time_t) size * 86399;

    if (portal_mime_compose(&mime, NULL, 0, &len) != PORTAL_MIME_OK) {
        return 0;
    }

    why = mail_read_back(&mime);

    if (why) {
        fprintf(stderr, "%s\n", why);
        abort();
    }

    return 0;
}
