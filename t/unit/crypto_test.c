
/*
 * Copyright (C) the portal's authors
 */


#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../src/crypto/portal_b64.h"
#include "../../src/crypto/portal_hkdf.h"
#include "crypto_tap.h"


#define SECRETS  100000


static void
bad_keys(const char *s, const char *want)
{
    char            err[256];
    portal_keys_t  *keys;

    err[0] = '\0';
    keys = portal_keys_parse("mem", s, strlen(s), err, sizeof(err));

    ok(keys == NULL && strcmp(err, want) == 0, "refused: %s", want);

    if (keys || strcmp(err, want) != 0) {
        printf("# got: %s\n", err);
    }

    portal_keys_free(keys);
}


static size_t
unhex(const char *hex, uint8_t *out)
{
    size_t  len;

    (void) sodium_hex2bin(out, 256, hex, strlen(hex), NULL, &len, NULL);

    return len;
}


static void
hkdf_vector(const char *name, const char *ikm, const char *salt,
    const char *info, const char *prk, const char *okm)
{
    size_t   ikm_len, salt_len, info_len, prk_len, okm_len;
    uint8_t  i[256], s[256], f[256], p[256], o[256], out[256];

    ikm_len = unhex(ikm, i);
    salt_len = unhex(salt, s);
    info_len = unhex(info, f);
    prk_len = unhex(prk, p);
    okm_len = unhex(okm, o);

    portal_hkdf_extract(s, salt_len, i, ikm_len, out);
    ok(prk_len == 32 && memcmp(out, p, 32) == 0, "RFC 5869 %s, extract", name);

    ok(portal_hkdf_expand(p, f, info_len, out, okm_len) == 0
       && memcmp(out, o, okm_len) == 0, "RFC 5869 %s, expand", name);
}


static void
test_hkdf(void)
{
    uint8_t  prk[32], *out;

    hkdf_vector("A.1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
        "34007208d5b887185865");

    hkdf_vector("A.2",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
        "404142434445464748494a4b4c4d4e4f",
        "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
        "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
        "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
        "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
        "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
        "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
        "cc30c58179ec3e87c14c01d5c1f3434f1d87");

    hkdf_vector("A.3", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
        "9d201395faa4b61a96c8");

    out = malloc(255 * 32 + 1);
    memset(prk, 1, sizeof(prk));
    ok(portal_hkdf_expand(prk, "", 0, out, 255 * 32) == 0,
       "HKDF gives 255 blocks");
    ok(portal_hkdf_expand(prk, "", 0, out, 255 * 32 + 1) == -1,
       "HKDF refuses more than 255 blocks");
    free(out);
}


static void
test_b64(void)
{
    int       same, dup;
    char      b64[64], ref[64];
    size_t    i, len, n;
    uint8_t   buf[40], back[40];
    unsigned  a, b, good;

    same = 1;

    for (i = 0; i < 20000; i++) {
        len = i % 40;
        randombytes_buf(buf, sizeof(buf));
        sodium_bin2base64(ref, sizeof(ref), buf, len,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        n = portal_b64_encode(buf, len, b64);

        same &= n == strlen(ref) && n == portal_b64_len(len)
                && memcmp(b64, ref, n) == 0
                && portal_b64_decode(b64, n, back, &n) == 0
                && n == len && memcmp(back, buf, len) == 0;
    }

    ok(same, "base64url as libsodium's, both ways");

    good = 0;
    dup = 0;

    for (a = 0; a < 256; a++) {
        for (b = 0; b < 256; b++) {
            b64[0] = (char) a;
            b64[1] = (char) b;

            if (portal_b64_decode(b64, 2, back, &n) == 0) {
                good++;
                dup |= portal_b64_encode(back, 1, ref) != 2
                       || memcmp(ref, b64, 2) != 0;
            }
        }
    }

    ok(good == 256 && !dup, "one text only for each byte");
    ok(portal_b64_decode("AAAAA", 5, back, &n) == -1, "no five chars");
    ok(portal_b64_decode("AA==", 4, back, &n) == -1, "no padding");
}


static void
test_keys_parse(void)
{
    char      s[512 * 80], *p;
    unsigned  i;
    char      err[64];

    bad_keys("", "mem: no key in this file");
    bad_keys("# only this\n\n", "mem: no key in this file");
    bad_keys("x\n", "mem:1: a line is \"ID HEX\": an id of 1 to 255 and 64 "
             "hexadecimal digits");
    bad_keys("1\n", "mem:1: a line is \"ID HEX\": an id of 1 to 255 and 64 "
             "hexadecimal digits");
    bad_keys("\n1 00ff\n", "mem:2: a key is 64 hexadecimal digits");
    bad_keys("0 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d"
             "1e1f", "mem:1: a key's id is 1 to 255");
    bad_keys("256 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c"
             "1d1e1f", "mem:1: a key's id is 1 to 255");
    bad_keys("4294967297 00", "mem:1: a key's id is 1 to 255");
    bad_keys("1 g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d"
             "1e1f", "mem:1: a key is 64 hexadecimal digits");
    bad_keys("1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d"
             "1e1f00", "mem:1: a key is 64 hexadecimal digits");
    bad_keys("1 00000000000000000000000000000000000000000000000000000000000000"
             "00", "mem:1: a key of zeros is no key");
    bad_keys(KEY1 "# and\n" KEY1, "mem:3: this id is already used above");
    bad_keys(KEY1 "2 000102030405060708090A0B0C0D0E0F101112131415161718191A1B"
             "1C1D1E1F\n", "mem:2: this key is already given above");

    bad_keys("1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d"
             "1e1f open\n", "mem: no key seals: all are \"open\"");
    bad_keys("1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d"
             "1e1fopen\n", "mem:1: a key is 64 hexadecimal digits");
    bad_keys("1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d"
             "1e1f opens\n", "mem:1: a key is 64 hexadecimal digits");
    bad_keys("1 00 open\n", "mem:1: a key is 64 hexadecimal digits");

    portal_keys_free(keys_of("# comment\r\n\r\n  " KEY1));
    portal_keys_free(keys_of("7\t000102030405060708090A0B0C0D0E0F10111213141516"
                             "1718191A1B1C1D1E1F \t\r"));
    ok(1, "comments, spaces, CRLF and upper case are no error");

    for (i = 1, p = s; i <= 255; i++) {
        p += sprintf(p, "%u %064x\n", i, i);
    }

    portal_keys_free(keys_of(s));
    ok(1, "255 keys");

    (void) portal_keys_parse("a long name of a file, indeed", "x", 1, err, 16);
    ok(strlen(err) == 15, "a short place for the message");
}


static void
test_keys_file(const char *dir)
{
    int             i, good;
    char            path[256], err[512];
    struct stat     st;
    portal_keys_t  *keys;

    static const mode_t  bad[] = { 0440, 0404, 0640, 0604, 0644, 0620, 0602,
                                   0610, 0601, 0660, 0777 };

    (void) snprintf(path, sizeof(path), "%s/keys", dir);

    ok(portal_keys_make(path) == 0 && stat(path, &st) == 0
       && (st.st_mode & 07777) == 0400, "a new key file is 0400");
    errno = 0;
    ok(portal_keys_make(path) == -1 && errno == EEXIST,
       "a key file is never written over");

    keys = portal_keys_read(path, err, sizeof(err));
    ok(keys != NULL, "a made key file is read");
    portal_keys_free(keys);

    (void) chmod(path, 0600);
    keys = portal_keys_read(path, err, sizeof(err));
    ok(keys != NULL, "0600 is read");
    portal_keys_free(keys);

    good = 1;

    for (i = 0; i < (int) (sizeof(bad) / sizeof(bad[0])); i++) {
        (void) chmod(path, bad[i]);
        keys = portal_keys_read(path, err, sizeof(err));
        good &= keys == NULL && strstr(err, "chmod 0400 ") != NULL
                && strstr(err, path) != NULL;
        portal_keys_free(keys);
    }

    ok(good, "a file open to others is refused, with what to do");

    keys = portal_keys_read(dir, err, sizeof(err));
    ok(keys == NULL && strstr(err, "not a regular file"), "no folder");

    (void) unlink(path);
    (void) mkfifo(path, 0600);
    keys = portal_keys_read(path, err, sizeof(err));
    ok(keys == NULL && strstr(err, "not a regular file"),
       "a FIFO does not hang the start");

    (void) unlink(path);
    keys = portal_keys_read(path, err, sizeof(err));
    ok(keys == NULL && strstr(err, "No such file"), "no file: said so");

    i = open(path, O_WRONLY|O_CREAT, 0600);
    good = ftruncate(i, 65536) == 0;
    (void) close(i);
    keys = portal_keys_read(path, err, sizeof(err));
    ok(good && keys == NULL && strstr(err, "too long"), "64 kB are too long");
    (void) unlink(path);
}


static void
test_mac(void)
{
    int             same;
    char            hex[64], long_town[300], town[32];
    uint8_t         one[32], two[32], first[600][32];
    unsigned        i;
    portal_keys_t  *keys, *both;
    portal_text_t   t;

    keys = keys_of(KEY1);
    both = keys_of(KEY2 KEY1);

    portal_mac(keys, "email", text(TOWN), text("a@b.fr"), one);
    portal_hex(one, 32, hex);
    ok(memcmp(hex, "ff073b6d3937c787fa59f9846dd32007"
                   "7e77f7f9cab95030b6e6fcf2e2dc783d", 64) == 0,
       "the MAC that Python's hmac makes");
    portal_keys_check(keys, hex);
    ok(memcmp(hex, "ec638d4aa7a25e81e9c47f45022ceb37"
                   "1d9f2e089e178ab61b0027d4b9b57cb0", 64) == 0,
       "the check value that Python's hmac makes");

    portal_mac(both, "email", text(TOWN), text("a@b.fr"), two);
    ok(memcmp(one, two, 32) == 0, "a new active key moves no MAC");

    ok(portal_mac_email(keys, text(TOWN), text("A@B.FR"), two) == 0
       && memcmp(one, two, 32) == 0, "an address in capitals is the same");
    ok(portal_mac_email(keys, text(TOWN), text(""), two) == -1
       && portal_mac_code(keys, text(TOWN), text("AAAA"), two) == -1,
       "no address or no code, no MAC");

    portal_mac(keys, "token", text(TOWN), text("a@b.fr"), two);
    ok(memcmp(one, two, 32) != 0, "another purpose, another MAC");
    portal_mac(keys, "email", text("beaulieu"), text("a@b.fr"), two);
    ok(memcmp(one, two, 32) != 0, "another town, another MAC");
    portal_mac(keys, "emails", text("aint-aubin"), text("a@b.fr"), two);
    ok(memcmp(one, two, 32) != 0, "purpose and town do not run together");

    memset(long_town, 'x', sizeof(long_town));
    t.data = long_town;
    t.len = sizeof(long_town);
    portal_mac(keys, "email", t, text("a@b.fr"), one);
    t.len--;
    portal_mac(keys, "email", t, text("a@b.fr"), two);
    same = memcmp(one, two, 32) == 0;
    t.len++;
    portal_mac(keys, "email", t, text("a@b.fr"), two);
    ok(!same && memcmp(one, two, 32) == 0, "towns longer than the table's");

    same = 1;

    for (i = 0; i < 1800; i++) {
        (void) snprintf(town, sizeof(town), "town%u", i % 600);
        portal_mac(keys, "ip", text(town), text("x"), one);

        if (i < 600) {
            memcpy(first[i], one, 32);
        }

        same &= memcmp(first[i % 600], one, 32) == 0;
    }

    ok(same, "more towns than the table holds: the same MACs again");

    portal_keys_free(keys);
    portal_keys_free(both);
}


/* what PostgreSQL gets of a code, and what a letter is printed from */

static void
test_issue(void)
{
    int              n, good;
    char             back[PORTAL_ISSUE_SEALED], hex[PORTAL_MAC_HEX];
    unsigned         i;
    uint8_t          mac[PORTAL_MAC_LEN];
    portal_keys_t   *keys;
    portal_text_t    sealed;
    portal_issued_t  issued, before;

    keys = keys_of(KEY1);
    memset(&before, 0, sizeof(before));
    good = 1;

    for (i = 0; i < 200; i++) {
        good &= portal_code_issue(keys, text(TOWN), text(CHILD), &issued) == 0;
        good &= strlen(issued.shown) == 14 && issued.shown[4] == '-'
                && issued.shown[9] == '-';
        good &= portal_mac_code(keys, text(TOWN), text(issued.shown), mac)
                == 0;
        portal_hex(mac, sizeof(mac), hex);
        good &= memcmp(hex, issued.mac, sizeof(hex)) == 0;

        sealed.data = issued.sealed;
        sealed.len = issued.sealed_len;
        n = portal_open(keys, text(TOWN), text("code"), text(CHILD),
                        text("code"), sealed, back, sizeof(back));
        good &= n == 14 && memcmp(back, issued.shown, 14) == 0;
        good &= portal_open(keys, text(TOWN), text("code"),
                            text("6f1c0a52-3f8e-4e06-9d0b-1f6f0d6a2b12"),
                            text("code"), sealed, back, sizeof(back)) == -1;
        good &= strcmp(issued.shown, before.shown) != 0;
        before = issued;
    }

    ok(good, "a code, its MAC, and the same sealed for its row");

    portal_keys_free(keys);
}


#define SEAL(k, v)  portal_seal(k, text(TOWN), text("child"), text(CHILD),    \
                                text("allergies"), v, out, sizeof(out))
#define OPEN(k, town, kind, id, field, v)                                     \
    portal_open(k, text(town), text(kind), text(id), text(field), v, back,    \
                sizeof(back))


static void
test_seal(void)
{
    int             n, good;
    char            out[4096], back[4096], plain[1024];
    size_t          len;
    portal_keys_t  *keys;
    portal_text_t   t, s;

    static const char  frozen[] = "AQGNH1GhMurdSj6vVjk5agoHtgohO9yilL9qctAShlN"
                                  "Tp10sHJ1pr_Ds1bhvWPnbeWM";

    keys = keys_of(KEY1);

    n = OPEN(keys, TOWN, "child", CHILD, "allergies", text(frozen));
    ok(n == 8 && memcmp(back, "arachide", 8) == 0,
       "a value sealed by the first version opens");

    randombytes_buf(plain, sizeof(plain));
    good = 1;

    for (len = 0; len <= sizeof(plain); len++) {
        t.data = plain;
        t.len = len;
        n = SEAL(keys, t);
        good &= n == (int) portal_sealed_len(len);
        s.data = out;
        s.len = (size_t) n;
        n = portal_open(keys, text(TOWN), text("child"), text(CHILD),
                        text("allergies"), s, back, s.len);
        good &= n == (int) len && memcmp(back, plain, len) == 0;
        good &= portal_seal(keys, text(TOWN), text("child"), text(CHILD),
                            text("allergies"), t, back,
                            portal_sealed_len(len) - 1) == -1;
        good &= portal_open(keys, text(TOWN), text("child"), text(CHILD),
                            text("allergies"), s, back, s.len - 1) == -1;
    }

    ok(good, "0 to 1,024 bytes seal and open, and a short place is -1");

    portal_keys_free(keys);
}


static void
test_seal_places(void)
{
    int             n, good;
    char            out[4096], back[4096], plain[1024];
    size_t          i;
    portal_keys_t  *keys, *both, *other;
    portal_text_t   t, s;

    keys = keys_of(KEY1);
    both = keys_of(KEY2 KEY1);
    other = keys_of(KEY2);

    n = SEAL(keys, text("arachide"));
    s.data = out;
    s.len = (size_t) n;

    ok(OPEN(keys, "beaulieu", "child", CHILD, "allergies", s) == -1,
       "not in another town");
    ok(OPEN(keys, TOWN, "guardian", CHILD, "allergies", s) == -1,
       "not as another kind");
    ok(OPEN(keys, TOWN, "child", "6f1c0a52-3f8e-4e06-9d0b-1f6f0d6a2b12",
            "allergies", s) == -1, "not in another file");
    ok(OPEN(keys, TOWN, "child", CHILD, "treatment", s) == -1,
       "not in another field");
    ok(OPEN(keys, TOWN, "childa", CHILD, "llergies", s) == -1,
       "pieces do not run together");
    ok(OPEN(other, TOWN, "child", CHILD, "allergies", s) == -1,
       "not with other keys");
    ok(OPEN(both, TOWN, "child", CHILD, "allergies", s) == 8,
       "an older value opens after a rotation");

    good = 1;

    for (i = 0; i < s.len; i++) {
        out[i] ^= 1;
        good &= OPEN(keys, TOWN, "child", CHILD, "allergies", s) == -1;
        out[i] ^= 1;
    }

    ok(good, "one altered char anywhere is -1");

    good = 1;

    for (i = 0; i < s.len; i++) {
        t.data = out;
        t.len = i;
        good &= OPEN(keys, TOWN, "child", CHILD, "allergies", t) == -1;
    }

    ok(good, "cut short anywhere is -1");

    n = SEAL(both, text("arachide"));
    s.len = (size_t) n;
    ok(OPEN(other, TOWN, "child", CHILD, "allergies", s) == 8,
       "after a rotation the active key seals");
    memcpy(plain, out, s.len);
    (void) SEAL(both, text("arachide"));
    ok(memcmp(plain, out, s.len) != 0, "the same twice: two sealed texts");

    memset(plain, 'x', sizeof(plain));
    t.data = plain;
    t.len = 256;
    ok(portal_seal(keys, text(TOWN), text("child"), t, text("f"), text("v"),
                   out, sizeof(out)) == -1, "a piece of 256 bytes is -1");

    portal_keys_free(keys);
    portal_keys_free(both);
    portal_keys_free(other);
}


static void
test_bytes(void)
{
    int             n, good;
    size_t          i;
    uint8_t         in[64], out[256], back[256];
    portal_keys_t  *keys, *both;

    keys = keys_of(KEY1);
    both = keys_of(KEY2 KEY1);
    randombytes_buf(in, sizeof(in));

    n = portal_seal_bytes(keys, "session", text(TOWN), text("id"), in,
                          sizeof(in), out, sizeof(out));
    ok(n == 64 + PORTAL_SEAL_OVERHEAD, "bytes: the length");
    ok(portal_seal_bytes(keys, "session", text(TOWN), text("id"), in,
                         sizeof(in), back, (size_t) n - 1) == -1,
       "bytes: no room to seal");
    ok(portal_open_bytes(both, "session", text(TOWN), text("id"), out,
                         (size_t) n, back, 64) == 64
       && memcmp(in, back, 64) == 0, "bytes: seal and open after a rotation");
    ok(portal_open_bytes(keys, "session", text(TOWN), text("id"), out,
                         (size_t) n, back, 63) == -1, "bytes: no room");
    ok(portal_open_bytes(keys, "photo", text(TOWN), text("id"), out,
                         (size_t) n, back, 64) == -1,
       "bytes: another purpose");
    ok(portal_open_bytes(keys, "session", text("b"), text("id"), out,
                         (size_t) n, back, 64) == -1, "bytes: another town");
    ok(portal_open_bytes(keys, "session", text(TOWN), text("ie"), out,
                         (size_t) n, back, 64) == -1, "bytes: another id");

    good = 1;

    for (i = 0; i < (size_t) n; i++) {
        out[i] ^= 0x80;
        good &= portal_open_bytes(keys, "session", text(TOWN), text("id"),
                                  out, (size_t) n, back, 64) == -1;
        out[i] ^= 0x80;
        good &= portal_open_bytes(keys, "session", text(TOWN), text("id"),
                                  out, i, back, 64) == -1;
    }

    ok(good, "bytes: altered or cut short anywhere is -1");

    portal_keys_free(keys);
    portal_keys_free(both);
}


static int
compare(const void *a, const void *b)
{
    return memcmp(a, b, PORTAL_SECRET_B64);
}


static void
test_secrets(void)
{
    int     good, dup;
    char   *all, *p, uuid[37];
    size_t  i;

    portal_text_t  t;

    all = malloc(SECRETS * PORTAL_SECRET_B64);
    good = 1;

    for (i = 0, p = all; i < SECRETS; i++, p += PORTAL_SECRET_B64) {
        portal_secret(p);
        t.data = p;
        t.len = PORTAL_SECRET_B64;
        good &= portal_is_secret(t);
    }

    qsort(all, SECRETS, PORTAL_SECRET_B64, compare);
    dup = 0;

    for (i = 1, p = all; i < SECRETS; i++, p += PORTAL_SECRET_B64) {
        dup |= compare(p, p + PORTAL_SECRET_B64) == 0;
    }

    ok(good && !dup, "%d secrets, all well formed, none twice", SECRETS);
    free(all);

    t = text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    ok(portal_is_secret(t), "the form of a secret");
    t.len--;
    ok(!portal_is_secret(t), "42 chars are no secret");
    ok(!portal_is_secret(text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB")),
       "stray bits are no secret");
    ok(!portal_is_secret(text("AAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAA")),
       "a space is no secret");

    good = 1;
    uuid[36] = '\0';

    for (i = 0; i < 1000; i++) {
        portal_uuid(uuid);
        good &= uuid[8] == '-' && uuid[13] == '-' && uuid[18] == '-'
                && uuid[23] == '-' && uuid[14] == '4'
                && strchr("89ab", uuid[19]) != NULL
                && strspn(uuid, "0123456789abcdef-") == 36;
    }

    ok(good, "UUIDs of version 4");
}


/* what is drawn ahead is never given twice, nor by two processes */

static void
test_random(void)
{
    int      fd[2], status;
    size_t   i, k, same;
    pid_t    pid;
    uint8_t  drawn[200][16], big[3000], theirs[16];

    for (i = 0; i < 200; i++) {
        portal_random(drawn[i], sizeof(drawn[i]));
    }

    for (same = 0, i = 0; i < 200; i++) {
        for (k = 0; k < i; k++) {
            same += memcmp(drawn[i], drawn[k], sizeof(drawn[i])) == 0;
        }
    }

    ok(same == 0, "200 draws, no two alike");

    memset(big, 0, sizeof(big));
    portal_random(big, sizeof(big));

    for (same = 0, i = 0; i + 16 <= sizeof(big); i += 16) {
        same += memcmp(big + i, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0;
    }

    ok(same == 0, "more than is drawn at once");

    if (pipe(fd) == -1 || (pid = fork()) == -1) {
        ok(0, "a process");
        return;
    }

    if (pid == 0) {
        portal_random_forget();
        portal_random(theirs, sizeof(theirs));
        _exit(write(fd[1], theirs, sizeof(theirs)) != sizeof(theirs));
    }

    portal_random(drawn[0], sizeof(drawn[0]));

    ok(read(fd[0], theirs, sizeof(theirs)) == sizeof(theirs)
       && waitpid(pid, &status, 0) == pid && status == 0
       && memcmp(theirs, drawn[0], sizeof(theirs)) != 0,
       "a process that forgets what its parent had drawn has its own");

    close(fd[0]);
    close(fd[1]);
}


static void
test_csrf(void)
{
    int             good;
    char            one[PORTAL_CSRF_B64], two[PORTAL_CSRF_B64];
    size_t          i;
    portal_text_t   t;
    portal_keys_t  *keys, *both;

    keys = keys_of(KEY1);
    both = keys_of(KEY2 KEY1);

    portal_csrf_make(keys, text(TOWN), text("session"), one);
    portal_csrf_make(keys, text(TOWN), text("session"), two);
    t.data = one;
    t.len = sizeof(one);

    ok(memcmp(one, two, 43) != 0 && memcmp(one + 43, two + 43, 43) != 0,
       "two CSRF tokens, two masks");
    ok(portal_csrf_check(keys, text(TOWN), text("session"), t) == 1
       && portal_csrf_check(both, text(TOWN), text("session"), t) == 1,
       "a CSRF token is good, after a rotation too");
    ok(!portal_csrf_check(keys, text(TOWN), text("other"), t),
       "not for another session");
    ok(!portal_csrf_check(keys, text("beaulieu"), text("session"), t),
       "not in another town");
    ok(!portal_csrf_check(keys, text(TOWN), text("session"), text("")),
       "an empty token is bad");

    good = 1;

    for (i = 0; i < sizeof(one); i++) {
        one[i] ^= 1;
        good &= !portal_csrf_check(keys, text(TOWN), text("session"), t);
        one[i] ^= 1;
    }

    ok(good, "one altered char of a CSRF token is bad");

    portal_keys_free(keys);
    portal_keys_free(both);
}


/* RFC 6238, appendix B, of whose eight digits these are the last six */

static void
test_totp(void)
{
    char    secret[PORTAL_TOTP_SECRET + 1], more[PORTAL_TOTP_SECRET];
    size_t  i;

    static const char  *rfc = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    static const struct {
        int64_t      at;
        const char  *code;
    } vectors[] = {
        { 59, "287082" }, { 1111111109, "081804" }, { 1111111111, "050471" },
        { 1234567890, "005924" }, { 2000000000, "279037" },
        { 20000000000, "353130" },
    };

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        ok(portal_totp_check(text(rfc), text(vectors[i].code), vectors[i].at)
           == vectors[i].at / 30, "the code of %lld", (long long) vectors[i].at);
    }

    ok(portal_totp_check(text(rfc), text("050471"), 1111111111 + 30)
       == 1111111111 / 30, "the step before is good");
    ok(portal_totp_check(text(rfc), text("050471"), 1111111111 - 30)
       == 1111111111 / 30, "the step after is good");
    ok(portal_totp_check(text(rfc), text("050471"), 1111111111 + 60) == -1
       && portal_totp_check(text(rfc), text("050471"), 1111111111 - 60) == -1,
       "no other is");
    ok(portal_totp_check(text(rfc), text("050472"), 1111111111) == -1
       && portal_totp_check(text(rfc), text("05047"), 1111111111) == -1
       && portal_totp_check(text(rfc), text("0504711"), 1111111111) == -1
       && portal_totp_check(text(rfc), text(""), 1111111111) == -1,
       "a wrong code is bad, and one of another length");
    ok(portal_totp_check(text("not base32!"), text("050471"), 1111111111) == -1
       && portal_totp_check(text(""), text("050471"), 1111111111) == -1,
       "what is no secret has no code");
    ok(portal_totp_check(text(rfc), text("755224"), 0) == -1,
       "nor has a clock that stands at nothing");

    ok(portal_totp_make(secret) == 0 && portal_totp_make(more) == 0
       && memcmp(secret, more, sizeof(more)) != 0,
       "two secrets, and two different ones");
    secret[PORTAL_TOTP_SECRET] = '\0';
    ok(strspn(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
       == PORTAL_TOTP_SECRET, "in base32");
}


int
main(void)
{
    char             dir[] = "/tmp/crypto_test.XXXXXX";
    unsigned         i;
    uint8_t          mac[32];
    portal_keys_t   *keys;
    struct timespec  a, b;

    if (portal_crypto_init() == -1 || mkdtemp(dir) == NULL) {
        return 1;
    }

    test_hkdf();
    test_b64();
    test_keys_parse();
    test_keys_file(dir);
    test_mac();
    test_seal();
    test_seal_places();
    test_issue();
    test_bytes();
    test_secrets();
    test_random();
    test_csrf();
    test_totp();

    ok(portal_equal("ab", "ab", 2) == 1 && portal_equal("ab", "ac", 2) == 0,
       "equal");

    (void) rmdir(dir);

    keys = keys_of(KEY1);
    (void) clock_gettime(CLOCK_MONOTONIC, &a);

    for (i = 0; i < 100000; i++) {
        portal_mac(keys, "session", text(TOWN), text("0123456789012345678901"
                   "234567890123456789012"), mac);
    }

    (void) clock_gettime(CLOCK_MONOTONIC, &b);
    portal_keys_free(keys);

    printf("# a MAC: %ld ns\n", ((b.tv_sec - a.tv_sec) * 1000000000L
                                 + b.tv_nsec - a.tv_nsec) / 100000);
    return done();
}
