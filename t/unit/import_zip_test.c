
/*
 * Copyright (C) the portal's authors
 */


/*
 * Zips in memory, made here by libzip and then damaged.
 */


#include <zip.h>

#include "import_test.h"
#include "../../src/import/portal_import_zip.h"


typedef struct {
    const char  *name;
    const char  *data;
    size_t       len;
    int          encrypted;
} entry_t;


static char    *packed;
static size_t   packed_len;


static void
pack(const entry_t *entries, size_t n)
{
    size_t         i;
    zip_t         *zip;
    zip_stat_t     st;
    zip_int64_t    at;
    zip_source_t  *source;

    source = zip_source_buffer_create(NULL, 0, 0, NULL);
    zip_source_keep(source);
    zip = zip_open_from_source(source, ZIP_TRUNCATE, NULL);

    for (i = 0; i < n; i++) {
        at = entries[i].data == NULL
             ? zip_dir_add(zip, entries[i].name, 0)
             : zip_file_add(zip, entries[i].name,
                            zip_source_buffer(zip, entries[i].data,
                                              entries[i].len, 0),
                            0);

        if (entries[i].encrypted) {
            zip_file_set_encryption(zip, (zip_uint64_t) at, ZIP_EM_AES_128,
                                    "secret");
        }
    }

    if (zip_close(zip) != 0) {
        printf("# %s\n", zip_strerror(zip));
        exit(2);
    }

    zip_stat_init(&st);
    zip_source_stat(source, &st);

    free(packed);
    packed_len = (size_t) st.size;
    packed = malloc(packed_len + 1);

    zip_source_open(source);
    zip_source_read(source, packed, packed_len);
    zip_source_close(source);
    zip_source_free(source);
}


/* what opening and reading all of it comes to */

static const char *
opened(void)
{
    int            n;
    char           buf[1000];
    size_t         i, all;
    portal_zip_t  *zip;
    const char    *failure;
    static char    out[2048];

    zip = portal_zip_open(packed, packed_len, &failure);
    if (zip == NULL) {
        return failure;
    }

    out[0] = '\0';

    for (i = 0; i < portal_zip_files(zip); i++) {
        strcat(out, portal_zip_name(zip, i));
        all = 0;

        if (portal_zip_begin(zip, i, &failure) != 0) {
            portal_zip_free(zip);
            return failure;
        }

        while ((n = portal_zip_read(zip, buf, sizeof(buf), &failure)) > 0) {
            all += (size_t) n;
        }

        if (n < 0) {
            portal_zip_free(zip);
            return failure;
        }

        sprintf(out + strlen(out), ":%d ", (int) all);
    }

    portal_zip_free(zip);

    return out;
}


/* the first place of a text in what was packed */

static char *
place(const char *text, size_t len)
{
    size_t  i;

    for (i = 0; i + len <= packed_len; i++) {

        if (memcmp(packed + i, text, len) == 0) {
            return packed + i;
        }
    }

    printf("# not found\n");
    exit(2);
}


static void
good(void)
{
    char      *big;
    unsigned   seed;

    entry_t  four[] = { { "famille.csv", "id;nom\n1;a\n", 11, 0 },
                        { "export/", NULL, 0, 0 },
                        { "export/enfant.csv", "id\n", 3, 0 },
                        { "__MACOSX/._enfant.csv", "xx", 2, 0 },
                        { "vide.csv", "", 0, 0 } };
    entry_t  one[] = { { "a.csv", NULL, 3000000, 0 } };

    pack(four, 5);
    is(opened(), "famille.csv:11 enfant.csv:3 vide.csv:0 ",
       "files, without folders");
    ok(portal_zip_is(packed, packed_len) && !portal_zip_is("id;nom", 6)
       && !portal_zip_is("PK", 2), "told by its first bytes");

    big = malloc(3000000);
    seed = 1;

    for (size_t i = 0; i < 3000000; i++) {
        seed = seed * 1103515245 + 12345;
        big[i] = (char) ('a' + (seed >> 16) % 16);
    }

    one[0].data = big;
    pack(one, 1);
    is(opened(), "a.csv:3000000 ", "a large one, in pieces");
    free(big);
}


static void
names(void)
{
    entry_t  up[] = { { "../../etc/famille.csv", "id\n", 3, 0 },
                      { "C:\\tmp\\enfant.csv", "id\n", 3, 0 } };
    entry_t  twice[] = { { "a/famille.csv", "id\n", 3, 0 },
                         { "b/famille.csv", "id\n", 3, 0 } };
    entry_t  long_one[] = { { NULL, "id\n", 3, 0 } };
    char     name[200];

    pack(up, 2);
    is(opened(), "famille.csv:3 enfant.csv:3 ", "no name leads anywhere");
    pack(twice, 2);
    is(opened(), "zip", "two files of one name");

    memset(name, 'a', 150);
    strcpy(name + 150, ".csv");
    long_one[0].name = name;
    pack(long_one, 1);
    is(opened(), "zip", "a name too long");
}


static void
limits(void)
{
    char     *bomb, texts[21][16];
    size_t    i;
    entry_t   many[21], one[1], locked[] = { { "famille.csv", "id\n", 3, 1 } };

    for (i = 0; i < 21; i++) {
        sprintf(texts[i], "f%d.csv", (int) i);
        many[i] = (entry_t) { texts[i], "id\n", 3, 0 };
    }

    pack(many, 20);
    ok(strncmp(opened(), "f0.csv:3 ", 9) == 0, "twenty files");
    pack(many, 21);
    is(opened(), "too_large", "one more");

    bomb = calloc(1, 8 * 1024 * 1024);
    one[0] = (entry_t) { "famille.csv", bomb, 8 * 1024 * 1024, 0 };
    pack(one, 1);
    is(opened(), "too_large", "8 MB of zeroes");

    one[0].len = 1024 * 1024;
    pack(one, 1);
    is(opened(), "famille.csv:1048576 ", "1 MB of them is harmless");
    free(bomb);

    pack(locked, 1);
    is(opened(), "encrypted", "an encrypted one");
    pack(many, 0);
    ok(strcmp(opened(), "cut") == 0 || strcmp(opened(), "empty") == 0,
       "no file at all");
}


static void
damaged(void)
{
    char    *p, *whole, text[5000];
    size_t   i, len, wrong;
    entry_t  one[] = { { "famille.csv", text, sizeof(text), 0 } };

    for (i = 0; i < sizeof(text); i++) {
        text[i] = (char) ('a' + i * 7919 % 26);
    }

    pack(one, 1);
    len = packed_len;
    whole = malloc(len);
    memcpy(whole, packed, len);

    packed_len = len / 2;
    is(opened(), "cut", "cut in the middle");
    packed_len = len - 1;
    is(opened(), "cut", "cut at its end");
    packed_len = 10;
    is(opened(), "cut", "next to nothing");
    packed_len = len;

    p = place("PK\1\2", 4);
    p[16] ^= 1;
    is(opened(), "zip", "a wrong checksum");
    memcpy(packed, whole, len);

    p = place("PK\1\2", 4);
    p[24]--;
    ok(strcmp(opened(), "famille.csv:4999 ") != 0, "a length too short: %s",
       opened());
    memcpy(packed, whole, len);

    p = place("PK\1\2", 4);
    p[10] = 12;
    is(opened(), "zip", "another compression than everybody's");
    memcpy(packed, whole, len);

    p = place("PK\5\6", 4);
    p[10] = (char) 0xff;
    p[11] = (char) 0xff;
    is(opened(), "too_large", "a list of 65,535");
    memcpy(packed, whole, len);

    wrong = 0;

    for (i = 0; i < len; i++) {
        packed[i] ^= 0x55;
        wrong += strcmp(opened(), "famille.csv:5000 ") != 0;
        packed[i] ^= 0x55;
    }

    ok(wrong > len / 2, "a byte that is another: %u of %u found",
       (unsigned) wrong, (unsigned) len);
    free(whole);
}


int
main(void)
{
    good();
    names();
    limits();
    damaged();
    free(packed);

    printf("1..%u\n", tests);

    return failed != 0;
}
