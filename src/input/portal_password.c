
/*
 * Copyright (C) the portal's authors
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <zxcvbn.h>

#include "portal_form.h"
#include "portal_password.h"
#include "portal_text.h"
#include "../crypto/portal_crypto.h"


/*
 * libzxcvbn's work grows with the cube of the length, more where characters
 * repeat or stand for letters (measured: 8 ms for 40), so it is shown no more
 * than this of either end.
 */
#define PORTAL_PASSWORD_WINDOW      28

/* as many characters at least are something said again; bits for all of it */
#define PORTAL_PASSWORD_AGAIN       4
#define PORTAL_PASSWORD_AGAIN_BITS  20

#define PORTAL_WORD_MIN         3
#define PORTAL_PHRASE_MIN       6


/* the library's dictionaries are English: what French lists begin with */

static const char *const  portal_password_common[] = {
    "motdepasse", "passe", "azerty", "azertyuiop", "qsdfghjklm", "wxcvbn",
    "bonjour", "bonsoir", "soleil", "doudou", "loulou", "chouchou", "chocolat",
    "jetaime", "coucou", "marseille", "nicolas", "vacances", "maison",
    "famille", "enfant", "enfants", "cantine", "mairie", "ecole", "portail",
    "citoyen", "commune", "france", "secret", "amour", "princesse", "cheval",
    "papillon", "tigrou", "voiture", "football", "juventus", "camille",
    "isabelle", "thomas", "julien", "alexandre", "chouquette", "poupette",
    "printemps", "automne", "hiver", "janvier", "fevrier", "juillet",
    "septembre", "octobre", "novembre", "decembre", "compte", "bienvenue"
};

#define PORTAL_PASSWORD_COMMON                                                \
    (sizeof(portal_password_common) / sizeof(portal_password_common[0]))


static void portal_words_put(portal_words_t *words, const char *text,
    size_t len);
static void portal_words_split(portal_words_t *words, const char *text);
static void portal_words_lower(char *text);
static double portal_password_bits(const char *text, const char **dict);
static size_t portal_password_novel(const char *text, char *novel,
    double *more);
static double portal_password_window(const char *text, size_t len,
    const char **dict);
static void portal_password_join(char *text);


void
portal_words_init(portal_words_t *words)
{
    words->n = 0;
    words->nphrases = 0;
}


void
portal_words_done(portal_words_t *words)
{
    size_t  i;

    for (i = 0; i < words->nphrases; i++) {
        free(words->phrase[i]);
    }

    words->nphrases = 0;
}


int
portal_words_add(portal_words_t *words, const char *text, size_t len)
{
    char  *folded, *at, *dot;

    folded = portal_text_ascii(text, len, 1);
    if (folded == NULL) {
        return -1;
    }

    at = strchr(folded, '@');

    if (at == NULL) {
        portal_words_split(words, folded);
        free(folded);
        return 0;
    }

    *at = '\0';
    portal_words_split(words, folded);

    /* "fr" and "com" are in too many words */

    dot = strrchr(at + 1, '.');
    if (dot != NULL) {
        *dot = '\0';
    }

    portal_words_split(words, at + 1);

    if (dot != NULL) {
        *dot = '.';
    }

    *at = '@';

    if (words->nphrases < PORTAL_PHRASES_MAX
        && strlen(folded) >= PORTAL_PHRASE_MIN)
    {
        words->phrase[words->nphrases++] = folded;

    } else {
        free(folded);
    }

    return 0;
}


/* jean-pierre: as it is, without what parts it, and its parts */

static void
portal_words_split(portal_words_t *words, const char *text)
{
    char         joined[PORTAL_WORD_LEN + 1];
    size_t       n, used;
    unsigned     parts;
    const char  *p;

    used = 0;
    parts = 0;

    for (p = text; *p != '\0'; p += n) {
        n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789");

        if (n == 0) {
            n = 1;
            continue;
        }

        parts++;
        portal_words_put(words, p, n);

        if (used + n <= PORTAL_WORD_LEN) {
            memcpy(joined + used, p, n);
            used += n;
        }
    }

    if (parts > 1) {
        portal_words_put(words, text, strlen(text));
        portal_words_put(words, joined, used);
    }
}


static void
portal_words_put(portal_words_t *words, const char *text, size_t len)
{
    size_t  i;

    if (len < PORTAL_WORD_MIN || len > PORTAL_WORD_LEN
        || words->n == PORTAL_WORDS_MAX)
    {
        return;
    }

    for (i = 0; i < words->n; i++) {

        if (strncmp(words->word[i], text, len) == 0
            && words->word[i][len] == '\0')
        {
            return;
        }
    }

    memcpy(words->word[words->n], text, len);
    words->word[words->n][len] = '\0';
    words->n++;
}


static void
portal_words_lower(char *text)
{
    for ( /* void */ ; *text != '\0'; text++) {

        if (*text >= 'A' && *text <= 'Z') {
            *text = (char) (*text | 0x20);
        }
    }
}


int
portal_password_weak(const char *text, size_t len,
    const portal_words_t *words)
{
    int          weak;
    char        *plain, *lower;
    size_t       i, n;
    const char  *dict[PORTAL_WORDS_MAX + PORTAL_PASSWORD_COMMON + 1];

    n = 0;

    for (i = 0; i < words->n; i++) {
        dict[n++] = words->word[i];
    }

    for (i = 0; i < PORTAL_PASSWORD_COMMON; i++) {
        dict[n++] = portal_password_common[i];
    }

    dict[n] = NULL;

    plain = portal_text_ascii(text, len, 0);
    if (plain == NULL) {
        return -1;
    }

    n = strlen(plain);
    weak = 0;

    lower = strdup(plain);
    if (lower == NULL) {
        portal_wipe(plain, n);
        free(plain);
        return -1;
    }

    portal_words_lower(lower);

    for (i = 0; !weak && i < words->nphrases; i++) {
        weak = strstr(lower, words->phrase[i]) != NULL;
    }

    portal_wipe(lower, n);
    free(lower);

    if (!weak) {
        portal_password_join(plain);
        weak = portal_password_bits(plain, dict) < PORTAL_PASSWORD_BITS;
    }

    portal_wipe(plain, n);
    free(plain);

    return weak;
}


/* "a b c d e f" is to the library more than "abcdef" */

static void
portal_password_join(char *text)
{
    char        *out;
    size_t       spaces;
    const char  *p;

    spaces = 0;

    for (p = text; *p != '\0'; p++) {
        spaces += *p == ' ';
    }

    /* words of a sentence have less of them */

    if (spaces * 4 <= (size_t) (p - text)) {
        return;
    }

    out = text;

    for (p = text; *p != '\0'; p++) {

        if (*p != ' ') {
            *out++ = *p;
        }
    }

    *out = '\0';
}


static double
portal_password_bits(const char *text, const char **dict)
{
    char    novel[PORTAL_PASSWORD_MAX];
    size_t  n;
    double  bits, last, more;

    n = portal_password_novel(text, novel, &more);
    bits = portal_password_window(novel, n, dict);

    if (bits + more < PORTAL_PASSWORD_BITS && n > PORTAL_PASSWORD_WINDOW) {
        last = portal_password_window(novel + n - PORTAL_PASSWORD_WINDOW,
                                      PORTAL_PASSWORD_WINDOW, dict);
        bits = last > bits ? last : bits;
    }

    portal_wipe(novel, sizeof(novel));

    return bits + more;
}


/*
 * The text without what it says again, for which the library gives too much
 * when it is long: once is what must be guessed, and how often.
 */

static size_t
portal_password_novel(const char *text, char *novel, double *more)
{
    size_t  i, from, n, len, same, used;

    len = strlen(text);
    used = 0;
    *more = 0;

    if (len > PORTAL_PASSWORD_MAX) {
        len = PORTAL_PASSWORD_MAX;
    }

    for (i = 0; i < len; i += n) {
        n = 1;

        for (from = 0; from < i; from++) {

            for (same = 0;
                 i + same < len && text[from + same] == text[i + same];
                 same++)
            {
                /* void */
            }

            n = same > n ? same : n;
        }

        if (n < PORTAL_PASSWORD_AGAIN) {
            n = 1;
            novel[used++] = text[i];

        } else {
            *more += log2((double) n);
        }
    }

    if (*more > PORTAL_PASSWORD_AGAIN_BITS) {
        *more = PORTAL_PASSWORD_AGAIN_BITS;
    }

    return used;
}


static double
portal_password_window(const char *text, size_t len, const char **dict)
{
    char    part[PORTAL_PASSWORD_WINDOW + 1];
    double  bits;

    if (len > PORTAL_PASSWORD_WINDOW) {
        len = PORTAL_PASSWORD_WINDOW;
    }

    memcpy(part, text, len);
    part[len] = '\0';

    bits = len ? ZxcvbnMatch(part, dict, NULL) : 0;
    portal_wipe(part, sizeof(part));

    return bits;
}
