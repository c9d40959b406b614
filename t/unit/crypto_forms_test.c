
/*
 * Copyright (C) the portal's authors
 */


#include "../../src/crypto/portal_captcha.h"
#include "crypto_tap.h"


#define NOW  1800000000


static const char  symbols[] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";


static int
clean(const char *s, size_t len)
{
    char           out[PORTAL_CODE_LEN];
    portal_text_t  t;

    t.data = s;
    t.len = len;

    return portal_code_clean(t, out) == 0;
}


/* what more.js computes while a code is typed */

static int
right(const char *c)
{
    size_t       i;
    unsigned     sum;
    const char  *p;

    sum = 0;

    for (i = 0; i < PORTAL_CODE_LEN; i++) {
        p = memchr(symbols, c[i], 31);

        if (p == NULL) {
            return 0;
        }

        sum += (unsigned) (i + 1) * (unsigned) (p - symbols);
    }

    return sum % 31 == 1;
}


/*
 * Every wrong symbol, every exchange of two symbols: over all pairs of values
 * at all places, which is every case since the check is linear.
 */

static void
test_code_errors(void)
{
    char      c[PORTAL_CODE_LEN], bad[PORTAL_CODE_LEN];
    size_t    i, k, x, n;
    unsigned  missed, swapped, cases;

    missed = 0;
    swapped = 0;
    cases = 0;

    for (n = 0; n < 400; n++) {
        portal_code_make(c);
        missed += !right(c);

        for (i = 0; i < PORTAL_CODE_LEN; i++) {
            memcpy(bad, c, sizeof(c));

            for (x = 0; x < 31; x++) {
                bad[i] = symbols[x];
                missed += right(bad) != (bad[i] == c[i]);
                cases++;
            }

            for (k = i + 1; k < PORTAL_CODE_LEN; k++) {
                memcpy(bad, c, sizeof(c));
                bad[i] = c[k];
                bad[k] = c[i];
                swapped += right(bad) != (c[i] == c[k]);
                cases++;
            }
        }
    }

    ok(missed == 0, "every wrong symbol shows, at each place");
    ok(swapped == 0, "every exchange of two symbols shows (%u cases)", cases);
}


/* all 31 x 31 pairs of values at all pairs of adjacent places */

static void
test_code_pairs(void)
{
    char      c[PORTAL_CODE_LEN], bad[PORTAL_CODE_LEN];
    size_t    i, a, b, x, fix;
    unsigned  missed, made;

    missed = 0;
    made = 0;

    for (i = 0; i + 1 < PORTAL_CODE_LEN; i++) {
        fix = i < 2 ? PORTAL_CODE_LEN - 1 : 0;

        for (a = 0; a < 31; a++) {
            for (b = 0; b < 31; b++) {
                memset(c, '5', sizeof(c));
                c[i] = symbols[a];
                c[i + 1] = symbols[b];

                for (x = 0; x < 31; x++) {
                    c[fix] = symbols[x];

                    if (right(c)) {
                        break;
                    }
                }

                made += x < 31;
                memcpy(bad, c, sizeof(c));
                bad[i] = c[i + 1];
                bad[i + 1] = c[i];
                missed += right(bad) != (a == b);

                for (x = 0; x < 31; x++) {
                    memcpy(bad, c, sizeof(c));
                    bad[i] = symbols[x];
                    missed += right(bad) != (x == a);
                }
            }
        }
    }

    ok(made == 11 * 31 * 31 && missed == 0, "proof over all pairs of values");
}


static void
test_code(void)
{
    int            good;
    char           c[PORTAL_CODE_LEN], out[PORTAL_CODE_LEN], s[64], *p;
    size_t         i, n;
    unsigned       count[31], least, most;
    portal_text_t  t;

    ok(sizeof(symbols) == 32 && strpbrk(symbols, "0O1IL") == NULL,
       "31 symbols that nobody mistakes");

    test_code_errors();
    test_code_pairs();

    memset(count, 0, sizeof(count));
    good = 1;

    for (n = 0; n < 31000; n++) {
        portal_code_make(c);

        for (i = 0; i < PORTAL_CODE_LEN; i++) {
            p = memchr(symbols, c[i], 31);
            good &= p != NULL;

            if (p) {
                count[p - symbols]++;
            }
        }
    }

    least = most = count[0];

    for (i = 1; i < 31; i++) {
        least = count[i] < least ? count[i] : least;
        most = count[i] > most ? count[i] : most;
    }

    /* 12,000 of each: six standard deviations */
    ok(good && least > 11350 && most < 12650,
       "symbols are as frequent as each other (%u to %u)", least, most);

    (void) snprintf(s, sizeof(s), " %.4s-%.4s - %.4s ", c, c + 4, c + 8);
    ok(portal_code_clean(text(s), out) == 0 && memcmp(out, c, 12) == 0,
       "spaces and dashes are forgiven");

    for (p = s; *p; p++) {
        *p = (char) (*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
    }

    ok(portal_code_clean(text(s), out) == 0 && memcmp(out, c, 12) == 0,
       "lower case is forgiven");

    (void) snprintf(s, sizeof(s), "%.4s\xe2\x80\x91%.4s\xc2\xa0\xe2\x80\x93"
                    "\xe2\x80\xaf%.4s", c, c + 4, c + 8);
    ok(portal_code_clean(text(s), out) == 0 && memcmp(out, c, 12) == 0,
       "a word processor's dashes and spaces are forgiven");

    ok(!clean(c, 11) && !clean("", 0) && !clean("--------------", 14),
       "too short is no code");
    (void) snprintf(s, sizeof(s), "%.12s2", c);
    ok(!clean(s, 13), "too long is no code");
    memcpy(s, c, 12);
    s[3] = '0';
    ok(clean(s, 12) && !right(s), "0 is in no code, which is not told");
    s[3] = '@';
    ok(!clean(s, 12), "@ is neither a letter nor a digit");
    s[3] = '[';
    ok(!clean(s, 12), "nor is what follows Z");
    s[3] = '\0';
    ok(!clean(s, 12), "nor a zero byte");
    memset(s, '2', 12);
    ok(clean(s, 12) && !right(s), "twelve times the first symbol is no code, "
       "which is not told");

    memset(s, ' ', sizeof(s));
    memcpy(s, c, 12);
    t.data = s;
    t.len = sizeof(s);
    ok(portal_code_clean(t, out) == 0, "64 bytes are looked at");
    t.len++;
    ok(portal_code_clean(t, out) == -1, "65 are not");
}


static unsigned
solve(const portal_captcha_t *c)
{
    char      s[80], hex[64];
    int       len;
    uint8_t   hash[32];
    unsigned  n;

    for (n = 0; n <= PORTAL_CAPTCHA_POW_MAX; n++) {
        len = snprintf(s, sizeof(s), "%.*s%u", (int) c->salt_len, c->salt, n);
        crypto_hash_sha256(hash, (uint8_t *) s, (unsigned long long) len);
        portal_hex(hash, 32, hex);

        if (memcmp(hex, c->target, 64) == 0) {
            return n;
        }
    }

    return 0;
}


#define OPEN(k, town, form, now)                                              \
    portal_captcha_open(k, text(town), text(form), now, t, &q, id, &expires)
#define WORK(k, town, p)  portal_captcha_work(k, text(town), t, text(p))


static void
test_captcha(void)
{
    int               good;
    char              id[64], id2[64], pow[16];
    size_t            i;
    int64_t           expires;
    unsigned          n, q;
    portal_keys_t    *keys, *both;
    portal_text_t     t;
    portal_captcha_t  c;

    keys = keys_of(KEY1);
    both = keys_of(KEY2 KEY1);

    ok(portal_captcha_make(keys, text(TOWN), text("sign_up"), NOW, 40, &c)
       == 0 && c.len <= PORTAL_CAPTCHA_LEN && c.question < 40,
       "a challenge of %zu chars", c.len);
    t.data = c.challenge;
    t.len = c.len;

    ok(OPEN(keys, TOWN, "sign_up", NOW + 3) == PORTAL_CAPTCHA_OK
       && q == c.question && expires == NOW + PORTAL_CAPTCHA_MAX_AGE,
       "opens after 3 s, with its question and end");
    memcpy(id2, id, 64);
    ok(OPEN(both, TOWN, "sign_up", NOW + 7200) == PORTAL_CAPTCHA_OK
       && memcmp(id, id2, 64) == 0, "at 2 h, after a rotation: the same id");
    ok(OPEN(keys, TOWN, "sign_up", NOW + 2) == PORTAL_CAPTCHA_FAST,
       "fast after 2 s");
    ok(OPEN(keys, TOWN, "sign_up", NOW - 60) == PORTAL_CAPTCHA_FAST,
       "fast when made in the future");
    ok(OPEN(keys, TOWN, "sign_up", NOW + 7201) == PORTAL_CAPTCHA_LATE,
       "late after 2 h");
    ok(OPEN(keys, "beaulieu", "sign_up", NOW + 9) == PORTAL_CAPTCHA_INVALID,
       "not in another town");
    ok(OPEN(keys, TOWN, "sign_in", NOW + 9) == PORTAL_CAPTCHA_INVALID,
       "not in another form");
    ok(OPEN(keys, TOWN, "sign_u", NOW + 9) == PORTAL_CAPTCHA_INVALID,
       "not in a form whose name begins the same");

    n = solve(&c);
    (void) snprintf(pow, sizeof(pow), "%u", n);
    ok(n >= 1 && WORK(keys, TOWN, pow) && WORK(both, TOWN, pow),
       "the work is found and good");
    ok(!WORK(keys, "beaulieu", pow), "not in another town");
    (void) snprintf(pow, sizeof(pow), "%u", n % 50000 + 1);
    ok(!WORK(keys, TOWN, pow), "another number is bad");
    (void) snprintf(pow, sizeof(pow), "0%u", n);
    ok(!WORK(keys, TOWN, pow) && !WORK(keys, TOWN, "")
       && !WORK(keys, TOWN, "123456") && !WORK(keys, TOWN, "50001")
       && !WORK(keys, TOWN, "-1") && !WORK(keys, TOWN, "0")
       && !WORK(keys, TOWN, "1a"), "numbers of another form are bad");

    good = 1;
    (void) snprintf(pow, sizeof(pow), "%u", n);

    for (i = 0; i < c.len; i++) {
        c.challenge[i] ^= 1;
        good &= OPEN(keys, TOWN, "sign_up", NOW + 9)
                == PORTAL_CAPTCHA_INVALID;
        good &= !WORK(keys, TOWN, pow);
        c.challenge[i] ^= 1;
        t.len = i;
        good &= OPEN(keys, TOWN, "sign_up", NOW + 9)
                == PORTAL_CAPTCHA_INVALID;
        t.len = c.len;
    }

    ok(good, "one altered char or a cut: no challenge, no work");

    portal_keys_free(keys);
    portal_keys_free(both);
}


static void
test_captcha_make(void)
{
    int               good;
    char              name[65];
    size_t            i;
    unsigned          seen[3];
    portal_text_t     t;
    portal_keys_t    *keys;
    portal_captcha_t  c;

    keys = keys_of(KEY1);

    memset(seen, 0, sizeof(seen));
    good = 1;

    for (i = 0; i < 300; i++) {
        good &= portal_captcha_make(keys, text(TOWN), text(""), NOW, 3, &c)
                == 0;
        seen[c.question]++;
    }

    ok(good && seen[0] > 50 && seen[1] > 50 && seen[2] > 50,
       "all questions come");
    ok(portal_captcha_make(keys, text(TOWN), text("f"), NOW, 0, &c) == 0
       && c.question == 0, "a town without questions");
    memset(name, 'f', sizeof(name));
    t.data = name;
    t.len = 64;
    ok(portal_captcha_make(keys, text(TOWN), t, NOW, 1, &c) == 0,
       "a form's name of 64 bytes");
    t.len++;
    ok(portal_captcha_make(keys, text(TOWN), t, NOW, 1, &c) == -1,
       "65 are too many");

    portal_keys_free(keys);
}


static void
answer(const char *given, const char *one, const char *two, int want)
{
    portal_text_t  accepted[2];

    accepted[0] = text(one);
    accepted[1] = text(two);

    ok(portal_captcha_answer(text(given), accepted, 2) == want,
       "answer \"%s\" %s %s|%s", given, want ? "is" : "is not", one, two);
}


static void
test_answers(void)
{
    char           long_text[300];
    portal_text_t  a, b;

    answer("7", "7", "sept", 1);
    answer(" Sept. ", "7", "sept", 1);
    answer("SEPT", "7", "sept", 1);
    answer("huit", "7", "sept", 0);
    answer("", "7", "", 0);
    answer(" - . ", "7", ".", 0);
    answer("dix sept", "17", "dix-sept", 1);
    answer("dix\xe2\x80\x91sept", "17", "dix-sept", 1);
    answer("Ete", "\xc3\xa9t\xc3\xa9", "x", 1);
    answer("\xc3\x89T\xc3\x89", "ete", "x", 1);
    answer("e\xcc\x81te\xcc\x81", "\xc3\xa9t\xc3\xa9", "x", 1);
    answer("\xc5\x92uf", "oeuf", "x", 1);
    answer("oeuf", "\xc5\x93uf", "x", 1);
    answer("\xc3\xa8\xc3\xaa\xc3\xa0\xc3\xa2\xc3\xa7\xc3\xb9\xc3\xbb\xc3\xb4"
           "\xc3\xae\xc3\xaf\xc3\xab", "eeaacuuoiie", "x", 1);
    answer("\xc3\x88\xc3\x8a\xc3\x80\xc3\x82\xc3\x87\xc3\x99\xc3\x9b\xc3\x94"
           "\xc3\x8e\xc3\x8f\xc3\x8b", "eeaacuuoiie", "x", 1);
    answer("\xc3\xbf\xc5\xb8\xc3\xb1\xc3\xa6\xc3\x9f\xc3\xbc", "yynaessu",
           "x", 1);
    answer("l\xe2\x80\x99" "eau", "l'eau", "x", 1);
    answer("\xc3\x97", "\xc3\xb7", "x", 1);
    answer("\xc3", "a", "x", 0);
    answer("7 8", "7", "8", 0);

    memset(long_text, 'a', sizeof(long_text));
    a.data = b.data = long_text;
    a.len = b.len = 128;
    ok(portal_captcha_answer(a, &b, 1) == 1, "128 bytes are compared");
    a.len = b.len = 300;
    ok(portal_captcha_answer(a, &b, 1) == 0, "300 are not");
}


static void
bounds(const char *hash, int want, int want_weak)
{
    int  weak, rc;

    rc = portal_argon2_bounds(hash, &weak);

    ok(rc == want && (rc == -1 || weak == want_weak), "bounds %d %d: %s",
       want, want_weak, hash);
}


static void
test_argon2(void)
{
    int   weak;
    char  hash[PORTAL_ARGON2_LEN], full[256];

#define SALT  "8TSJxmP1XROtdG4uH2SX5g"
#define TAG   "k0SzZA2kj6CwB1Xgt68VvRy7u+/Ts4/ZjkNu6dU6m2M"

    bounds("$argon2id$v=19$m=19456,t=2,p=1$" SALT "$" TAG, 0, 0);
    bounds("$argon2id$v=19$m=65536,t=10,p=1$" SALT "$" TAG, 0, 0);
    bounds("$argon2id$v=19$m=19455,t=2,p=1$" SALT "$" TAG, 0, 1);
    bounds("$argon2id$v=19$m=47104,t=1,p=1$" SALT "$" TAG, 0, 1);
    bounds("$argon2id$v=19$m=19456,t=2,p=1$" SALT "$"
           "k0SzZA2kj6CwB1Xgt68VvQ", 0, 1);
    bounds("$argon2id$v=19$m=65537,t=2,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=8388608,t=2,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=4294986752,t=2,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=18446744073709571072,t=2,p=1$" SALT "$" TAG,
           -1, 0);
    bounds("$argon2id$v=19$m=19456,t=11,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=19456,t=0,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=7,t=2,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=019456,t=2,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=+19456,t=2,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m= 19456,t=2,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=-1,t=2,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=19456,t=2,p=4$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=19456,t=2,p=10$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=16$m=19456,t=2,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2i$v=19$m=19456,t=2,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$m=19456,t=2,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$t=2,m=19456,p=1$" SALT "$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=19456,t=2,p=1$" SALT "$" TAG "$", -1, 0);
    bounds("$argon2id$v=19$m=19456,t=2,p=1$" SALT "$" TAG "=", -1, 0);
    bounds("$argon2id$v=19$m=19456,t=2,p=1$short$" TAG, -1, 0);
    bounds("$argon2id$v=19$m=19456,t=2,p=1$" SALT "$short", -1, 0);
    bounds("$argon2id$v=19$m=19456,t=2,p=1$" SALT, -1, 0);
    bounds("$argon2id$v=19$m=19456", -1, 0);
    bounds("", -1, 0);
    bounds("$2y$10$abcdefghijklmnopqrstuv", -1, 0);

    memset(full, 'A', sizeof(full));
    memcpy(full, "$argon2id$v=19$m=19456,t=2,p=1$" SALT "$", 54);
    ok(portal_argon2_bounds(full, &weak) == -1, "not terminated in 128 bytes");

    ok(portal_argon2_make("mot de passe", 12, hash, NULL) == 0
       && portal_argon2_bounds(hash, &weak) == 0 && !weak,
       "a fresh hash is within bounds and not weak");
    ok(portal_argon2_verify(hash, "mot de passe", 12, NULL) == 1
       && portal_argon2_verify(hash, "mot de passf", 12, NULL) == 0
       && portal_argon2_verify(hash, "mot de passe", 11, NULL) == 0,
       "verify");
    ok(portal_argon2_make("a\0b", 3, hash, NULL) == 0
       && portal_argon2_verify(hash, "a\0c", 3, NULL) == 0,
       "a zero byte does not end a password");
}


/* the same hashes from memory that stays, which holds nothing once wiped */

static void
test_argon2_memory(void)
{
    char                    hash[PORTAL_ARGON2_LEN], other[PORTAL_ARGON2_LEN];
    void                   *start;
    portal_argon2_memory_t  kept;

    static const char  large[] = "$argon2id$v=19$m=24576,t=1,p=1$"
                                 "c29tZXNhbHRzb21lc2FsdA$"
                                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    memset(&kept, 0, sizeof(kept));
    memset(other, 0, sizeof(other));
    memcpy(other, large, sizeof(large));

    ok(portal_argon2_make("mot de passe", 12, hash, &kept) == 0
       && portal_argon2_verify(hash, "mot de passe", 12, NULL) == 1,
       "made in kept memory, verified in new memory");
    ok(kept.start != NULL && kept.used == 0, "it is kept");
    ok(kept.left >= 19 * 1024 * 1024, "with what the call has left in it");
    portal_argon2_wipe(&kept);
    ok(kept.left == 0 && sodium_is_zero(kept.start, 20 * 1024 * 1024),
       "and wiped");

    start = kept.start;
    ok(portal_argon2_make("mot de passe", 12, hash, NULL) == 0
       && portal_argon2_verify(hash, "mot de passe", 12, &kept) == 1
       && portal_argon2_verify(hash, "mot de passf", 12, &kept) == 0,
       "made in new memory, verified in kept memory");
    portal_argon2_wipe(&kept);
    ok(kept.start == start && sodium_is_zero(start, 20 * 1024 * 1024),
       "the same memory, wiped");

    ok(portal_argon2_verify(other, "mot de passe", 12, &kept) == 0
       && kept.start == start && kept.used == 0 && kept.left == 0,
       "what wants more takes its own");

    portal_argon2_free(&kept);
    ok(kept.start == NULL, "given back");
    ok(portal_argon2_verify(hash, "mot de passe", 12, &kept) == 1
       && kept.start != NULL, "and taken anew");
    portal_argon2_free(&kept);
}


int
main(void)
{
    if (portal_crypto_init() == -1) {
        return 1;
    }

    test_code();
    test_captcha();
    test_captcha_make();
    test_answers();
    test_argon2();
    test_argon2_memory();

    return done();
}
