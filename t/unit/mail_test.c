
/*
 * Copyright (C) the portal's authors
 */


/*
 * The composer of mails: what is refused, and what comes out, read back.
 */


#include "mail_mime.h"


#define FROM  "ne-pas-repondre@saint-aubin.example"
#define TO    "camille.martin@exemple.example"
#define ID    "6f1c0a52-3f8e-4e06-9d0b-1f6f0d6a2b11@saint-aubin.example"


static unsigned  tests;
static unsigned  failed;


static void
ok(int pass, const char *name, const char *of)
{
    tests++;
    failed += !pass;

    printf("%sok %u - %s%s%.60s\n", pass ? "" : "not ", tests, name,
           of ? " " : "", of ? of : "");
}


static portal_text_t
text(const char *s)
{
    portal_text_t  t;

    t.data = s;
    t.len = strlen(s);

    return t;
}


static portal_mime_t
mime(void)
{
    portal_mime_t  m;

    m.from = text(FROM);
    m.from_name = text("Portail Citoyen");
    m.to = text(TO);
    m.subject = text("Votre inscription");
    m.message_id = text(ID);
    m.text = text("Bonjour,\n");
    m.html = text("<p>Bonjour,</p>\n");
    m.date = 1772368496;

    return m;
}


static void
refused(portal_mime_t m, portal_mime_e want, const char *name, const char *of)
{
    char    *out;
    size_t   len;

    /* nothing of it is written */

    out = malloc(65536);
    memset(out, 'x', 65536);

    ok(portal_mime_compose(&m, out, 65536, &len) == want && len == 0
       && out[0] == 'x' && memcmp(out, out + 1, 65535) == 0, name, of);

    free(out);
}


static void
addresses(void)
{
    size_t  i;

    static const char *const  good[] = {
        "a@b.example", "o'neil+x@b.c.example", "a.b-c_d@1.fr", "A@B.FR",
        "x=y@xn--bcher-kva.example",
        ("a23456789012345678901234567890123456789012345678901234567890abcd"
         "@b.example")
    };

    static const char *const  bad[] = {
        "", "@", "a", "a@", "@b.example", "a@b", "a@b,c@d.example",
        "<a@b.example>", "\"a b\"@c.example", "a@[127.0.0.1]", "a@127.0.0.1",
        "a(b)@c.example", "-oQ/tmp@x.example", "a@b.example\r\nRCPT TO:<c@d>",
        "a\n@b.example", "a b@c.example", "a@b@c.example", ".a@b.example",
        "a.@b.example", "a..b@c.example", "a@.example", "a@b..example",
        "a@b.example.", "a@-b.example", "a@b-.example", "a@b_c.example",
        "m\xc4\xb1ke@x.example", "a@b\xc3\xa9.example", "a@b.123", "a;b@c.fr",
        "a23456789012345678901234567890123456789012345678901234567890abcde"
        "@b.example",
        "a@b234567890123456789012345678901234567890123456789012345678901234"
        ".example"
    };

    char           longest[300];
    portal_mime_t  m;
    portal_text_t  nul = { "a\0b@c.example", 13 };

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(portal_mime_address(text(good[i])), "an address:", good[i]);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(!portal_mime_address(text(bad[i])), "no address:", i == 0 ? "''"
           : strpbrk(bad[i], "\r\n") ? "(with a line's end)" : bad[i]);

        m = mime();
        m.to = text(bad[i]);

        refused(m, strpbrk(bad[i], "\r\n") ? PORTAL_MIME_POISONED
                                           : PORTAL_MIME_ADDRESS,
                "refused recipient", NULL);
    }

    ok(!portal_mime_address(nul), "no address: with a NUL", NULL);

    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "a@", 2);

    for (i = 20; i < sizeof(longest); i += 20) {
        longest[i] = '.';
    }

    ok(portal_mime_address((portal_text_t) { longest, 254 }), "254 bytes",
       NULL);
    ok(!portal_mime_address((portal_text_t) { longest, 255 }), "255 bytes",
       NULL);
}


static void
poisons(void)
{
    size_t         i, k;
    portal_mime_t  m;
    portal_text_t *field;

    static const portal_text_t  bad[] = {
        { "X\r\nBcc: v@x.example", 19 }, { "X\nY", 3 }, { "X\rY", 3 },
        { "X\0Y", 3 }, { "X\tY", 3 }, { "X\x1b[2J", 5 }, { "X\x7f", 2 },
        { "X\xc2\x85Y", 4 }, { "X\xe2\x80\xa8Y", 5 }, { "X\xe2\x80\xa9", 4 },
        { "X\xff", 2 }, { "X\xc3", 2 }, { "\xc0\x8a", 2 },
        { "\xed\xa0\x80", 3 }, { "\r\n", 2 }
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (k = 0; k < 5; k++) {
            m = mime();
            field = k == 0 ? &m.subject : k == 1 ? &m.from_name
                    : k == 2 ? &m.to : k == 3 ? &m.from : &m.message_id;
            *field = bad[i];

            refused(m, PORTAL_MIME_POISONED, "poisoned header", NULL);
        }
    }

    m = mime();
    m.message_id = text("a@b> x");
    refused(m, PORTAL_MIME_POISONED, "Message-ID with a bracket", NULL);
    m.message_id = text("");
    refused(m, PORTAL_MIME_POISONED, "no Message-ID", NULL);
    m.message_id = text("a");
    refused(m, PORTAL_MIME_POISONED, "Message-ID without a host", NULL);

    m = mime();
    m.text = text("caf\xe9");
    refused(m, PORTAL_MIME_TEXT, "Latin-1 as text", NULL);

    m = mime();
    m.html = (portal_text_t) { "a\0b", 3 };
    refused(m, PORTAL_MIME_TEXT, "NUL in a part", NULL);

    m = mime();
    m.subject = (portal_text_t) { calloc(1, 501), 501 };
    memset((void *) (uintptr_t) m.subject.data, 'a', 501);
    refused(m, PORTAL_MIME_LONG, "a subject of 501 bytes", NULL);
    free((void *) (uintptr_t) m.subject.data);
}


static void
comes_back(portal_mime_t m, const char *name)
{
    char  *why;

    why = mail_read_back(&m);
    ok(why == NULL, name, NULL);

    if (why) {
        printf("# %s\n", why);
    }
}


static void
messages(void)
{
    size_t         i, len;
    char           out[4096], longs[1200];
    portal_mime_t  m;

    static const char *const  headers[] = {
        "", "Votre inscription", "a", "\"Portail\" \\ Citoyen", "=?UTF-8?Q?x?=",
        " blancs ", "Mairie (\xc3\xa9t\xc3\xa9), \xc2\xab Espace \xc2\xbb",
        "\xc3\x89""cole \xf0\x9f\x8e\x92 \xf0\x9f\x8e\x92 \xf0\x9f\x8e\x92 "
        "\xf0\x9f\x8e\x92 \xf0\x9f\x8e\x92 \xf0\x9f\x8e\x92 \xf0\x9f\x8e\x92",
        "Portail Citoyen de Saint-Aubin-les-Pr\xc3\xa9s : confirmez votre "
        "adresse \xc3\xa9lectronique avant demain soir, s'il vous pla\xc3\xaet",
        "une longue suite de mots ordinaires sans le moindre accent et qui "
        "ne tiendrait pas sur une seule ligne du message",
        "__==??..,,;;::<a@b.example>(x)[y]\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""
    };

    static const char *const  texts[] = {
        "", "\n", "\r\n", "\r", "a", "a\nb", "a\r\nb\r\n", "a\rb",
        "fin d'espace \nfin de tab\t\nfin ", ".\n..\n.a\n", "From moi\nF\n",
        "=\n=3D\n==\n", "--=_portal_alternative--\n", "\xc3\xa9\n\xc3\xa9",
        ("https://portail.example/inscription/confirmation?jeton="
         "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE\n")
    };

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        m = mime();
        m.subject = text(headers[i]);
        comes_back(m, "a subject comes back");

        m = mime();
        m.from_name = text(headers[i]);
        comes_back(m, "a name comes back");
    }

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        m = mime();
        m.text = text(texts[i]);
        m.html = text(texts[i]);
        comes_back(m, "a text comes back");
    }

    /* at each distance of the line's end: soft breaks and whole characters */

    for (i = 0; i < 160; i++) {
        memset(longs, 'x', i);
        memcpy(longs + i, "\xc3\xa9 .\xe2\x82\xac. F\xf0\x9f\x8e\x92"
                          "=\t\n.", 18);

        m = mime();
        m.text = m.subject = (portal_text_t) { longs, i + 17 };
        m.subject.len = i + 9;
        m.html = (portal_text_t) { longs, i + 18 };
        comes_back(m, "at the line's end");
    }

    m = mime();
    ok(portal_mime_compose(&m, out, sizeof(out), &len) == PORTAL_MIME_OK
       && memmem(out, len, "\r\nDate: Sun, 01 Mar 2026 12:34:56 +0000\r\n", 41)
       && memmem(out, len, "\r\nMessage-ID: <" ID ">\r\n", 70)
       && memmem(out, len, "\r\nAuto-Submitted: auto-generated\r\n", 34)
       && memmem(out, len, "\r\nMIME-Version: 1.0\r\n", 21)
       && memcmp(out, "From: \"Portail Citoyen\" <" FROM ">\r\n", 63) == 0,
       "the headers", NULL);
}


int
main(void)
{
    addresses();
    poisons();
    messages();

    printf("1..%u\n", tests);

    return failed ? 1 : 0;
}
