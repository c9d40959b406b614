
/*
 * Copyright (C) the portal's authors
 */


/*
 * The list of breached passwords: what is in it is found and what is not is
 * not, wherever it stands; files that are not as they must be.
 */


#include "input_test.h"
#include "../../src/input/portal_breached.h"

#include <errno.h>
#include <unistd.h>


static portal_breached_t  list;


/* a file of that text, without a name */

static void
file_of(const char *text, size_t len)
{
    FILE  *f;

    if (list.fd > 0) {
        close(list.fd);
    }

    f = tmpfile();
    if (f == NULL || fwrite(text, 1, len, f) != len || fflush(f) != 0) {
        printf("Bail out! no temporary file\n");
        exit(1);
    }

    list.fd = dup(fileno(f));
    list.size = (int64_t) len;

    fclose(f);
}


/* number n of the digests, in their order and not evenly apart */

static void
digest(unsigned n, uint8_t *out)
{
    unsigned  i;

    memset(out, 0, PORTAL_BREACHED_DIGEST);

    out[0] = (uint8_t) (n / 16);
    out[1] = (uint8_t) (n % 16 * 16);

    for (i = 2; i < PORTAL_BREACHED_DIGEST; i++) {
        out[i] = (uint8_t) (n * 37 + i * 11);
    }
}


static size_t
line_of(unsigned n, const char *end, int lower, char *out)
{
    size_t    len;
    uint8_t   d[PORTAL_BREACHED_DIGEST];
    unsigned  i, count;

    digest(n, d);
    len = 0;

    for (i = 0; i < PORTAL_BREACHED_DIGEST; i++) {
        len += (size_t) sprintf(out + len, lower ? "%02x" : "%02X", d[i]);
    }

    /* from one digit to ten */

    for (count = 1, i = 0; i < n % 10; i++) {
        count = count * 8 + 1;
    }

    return len + (size_t) sprintf(out + len, ":%u%s", count, end);
}


/* every second digest of so many lines; each is looked for, and its neighbours */

static void
all_found(unsigned lines, const char *end, int lower, int last)
{
    int                found, bad;
    char              *text;
    size_t             len;
    uint8_t            d[PORTAL_BREACHED_DIGEST];
    unsigned           n;
    portal_breached_e  e;

    text = malloc((size_t) lines * 64 + 64);
    len = 0;

    for (n = 0; n < lines; n++) {
        len += line_of(2 * n + 1, end, lower, text + len);
    }

    if (!last) {
        len -= strlen(end);
    }

    file_of(text, len);
    free(text);

    bad = 0;

    for (n = 0; n < 2 * lines + 1; n++) {
        digest(n, d);
        e = portal_breached_find(&list, d, &found);
        bad += e != PORTAL_BREACHED_OK || found != (int) (n % 2);

        /* and a byte beside it */

        d[PORTAL_BREACHED_DIGEST - 1] ^= 1;
        e = portal_breached_find(&list, d, &found);
        bad += e != PORTAL_BREACHED_OK || found;
    }

    ok(bad == 0 && portal_breached_check(&list) == PORTAL_BREACHED_OK,
       "%u lines, %s%s%s", lines, end[0] == '\r' ? "CR LF" : "LF",
       lower ? ", small letters" : "", last ? "" : ", the last without its end");
}


static void
checked(const char *what, const char *text, portal_breached_e want)
{
    portal_breached_e  e;

    file_of(text, strlen(text));
    e = portal_breached_check(&list);

    ok(e == want, "%s", what);
}


#define A  "0000000000000000000000000000000000000000"
#define B  "0000000000000000000000000000000000000001"
#define F  "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"


static void
not_a_list(void)
{
    char      *text;
    size_t     len, half;
    unsigned   n;

    checked("empty", "", PORTAL_BREACHED_EMPTY);
    checked("one line", A ":1\n", PORTAL_BREACHED_OK);
    checked("twenty digits", A ":12345678901234567890\n" F ":1",
            PORTAL_BREACHED_OK);
    checked("twenty-one", A ":123456789012345678901\n", PORTAL_BREACHED_FORM);
    checked("no count", A ":\n", PORTAL_BREACHED_FORM);
    checked("no colon", A " 1\n", PORTAL_BREACHED_FORM);
    checked("a digest alone", A "\n", PORTAL_BREACHED_FORM);
    checked("a prefix's answer", "0005AD76BD555C1D6D771DE417A4B87E4B4:10\n",
            PORTAL_BREACHED_FORM);
    checked("no hexadecimal", "G" F ":1\n", PORTAL_BREACHED_FORM);
    checked("a password", "123456\n", PORTAL_BREACHED_FORM);
    checked("an empty line", A ":1\n\n" B ":1\n", PORTAL_BREACHED_FORM);
    checked("an empty line at the end", A ":1\n\n", PORTAL_BREACHED_FORM);
    checked("a CR inside", A ":1\r" B ":1\n", PORTAL_BREACHED_FORM);
    checked("cut short", A ":1\n" F, PORTAL_BREACHED_FORM);
    checked("in order", A ":1\n" B ":2\n" F ":3\n", PORTAL_BREACHED_OK);
    checked("by how often", F ":9\n" A ":1\n", PORTAL_BREACHED_ORDER);

    /* beyond the first thousand: two halves that changed places */

    text = malloc(4000 * 64);

    for (len = 0, n = 0; n < 2000; n++) {
        len += line_of(n, "\n", 0, text + len);
    }

    for (half = len, n = 2000; n < 4000; n++) {
        len += line_of(n, "\n", 0, text + len);
    }

    file_of(text, len);
    ok(portal_breached_check(&list) == PORTAL_BREACHED_OK, "two halves");

    memmove(text + half, text, half);
    file_of(text, 2 * half);
    ok(portal_breached_check(&list) == PORTAL_BREACHED_ORDER,
       "the same half again");

    memset(text + half, 'x', half);
    file_of(text, 2 * half);
    ok(portal_breached_check(&list) == PORTAL_BREACHED_FORM,
       "half of it is something else");

    free(text);
}


static void
changed_later(void)
{
    int                found;
    uint8_t            d[PORTAL_BREACHED_DIGEST];
    portal_breached_e  e;

    all_found(300, "\r\n", 0, 1);
    digest(411, d);

    if (ftruncate(list.fd, 5000) != 0) {
        printf("Bail out! ftruncate\n");
        exit(1);
    }

    errno = EIO;
    e = portal_breached_find(&list, d, &found);
    ok(e == PORTAL_BREACHED_READ && errno == 0 && !found, "cut short since");

    close(list.fd);
    e = portal_breached_find(&list, d, &found);
    ok(e == PORTAL_BREACHED_READ && errno == EBADF && !found, "not readable");

    list.fd = 0;
}


int
main(void)
{
    unsigned  n;

    for (n = 1; n <= 12; n++) {
        all_found(n, "\n", 0, 1);
        all_found(n, "\r\n", 0, n % 2);
    }

    all_found(1900, "\r\n", 0, 1);
    all_found(1900, "\n", 1, 0);

    not_a_list();
    changed_later();

    printf("1..%u\n", tests);

    return failed ? 1 : 0;
}
