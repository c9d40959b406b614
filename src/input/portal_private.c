
/*
 * Copyright (C) the portal's authors
 */


#include <stdlib.h>
#include <string.h>

#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "portal_text.h"
#include "portal_types.h"
#include "../crypto/portal_crypto.h"


/*
 * What a free text must not tell the town, although a parent may mean well: a
 * social security number, a religion by its diet, the nature of a handicap.
 * Only what is unmistakable is refused, for a text that says what a child
 * needs must never be.
 */


#define PORTAL_NIR_SHORT  13
#define PORTAL_NIR_LONG   15            /* with its key */
#define PORTAL_NIR_GAP    3             /* signs between two digits */


typedef struct {
    const char  *first;                 /* ends in *: how words may begin */
    const char  *second;                /* the next word, or NULL */
} portal_private_word_t;


static char *portal_private_fold(const char *text, size_t len);
static int portal_private_nir(const char *text, size_t len, int *found);
static int portal_nir_run(const char *digits, const char *starts, size_t n);
static int portal_nir_match(const char *p);
static int portal_private_words(const portal_private_word_t *words,
    const char *folded);
static int portal_private_same(const char *want, const char *word,
    size_t len);
static const char *portal_private_next(const char *p, size_t *len);


/* "cacher" is also to hide: a diet only behind what is eaten */

static const portal_private_word_t  portal_private_belief[] = {
    { "halal*", NULL }, { "hallal*", NULL }, { "casher*", NULL },
    { "cascher*", NULL }, { "kasher*", NULL }, { "kascher*", NULL },
    { "kosher*", NULL }, { "cacherout", NULL }, { "kashrout", NULL },
    { "ramadan", NULL }, { "musulman*", NULL }, { "islam*", NULL },
    { "regime", "cacher" }, { "repas", "cacher" }, { "viande", "cacher" },
    { "viandes", "cacher" }, { "menu", "cacher" }, { "mange", "cacher" },
    { "manger", "cacher" }, { "nourriture", "cacher" },
    { "alimentation", "cacher" }, { "religion", NULL },
    { "religions", NULL }, { "raison", "religieuse" },
    { "raisons", "religieuses" }, { "motif", "religieux" },
    { "motifs", "religieux" }, { "conviction", "religieuse" },
    { "convictions", "religieuses" }, { "pratique", "religieuse" },
    { "catholique*", NULL }, { "hindou*", NULL }, { "bouddhist*", NULL },
    { NULL, NULL }
};


static const portal_private_word_t  portal_private_handicap[] = {
    { "autisme", NULL }, { "autiste*", NULL }, { "autistique*", NULL },
    { "trisomie*", NULL }, { "trisomique*", NULL }, { "asperger", NULL },
    { "schizophren*", NULL }, { "handicap", "mental" },
    { "handicap", "psychique" }, { "handicape", "mental" },
    { "handicapee", "mentale" }, { "handicapes", "mentaux" },
    { "retard", "mental" }, { "deficience", "intellectuelle" },
    { "deficience", "mentale" }, { "deficient", "intellectuel" },
    { "deficient", "mental" }, { "deficiente", "intellectuelle" },
    { "deficiente", "mentale" }, { "autism", NULL }, { "autistic", NULL },
    { "mental", "disability" }, { "polyhandicap*", NULL },
    { "handicap", "moteur" }, { "handicap", "physique" },
    { "handicap", "visuel" }, { "handicap", "auditif" },
    { "handicap", "sensoriel" }, { "handicap", "cognitif" },
    { "handicape", "moteur" }, { "handicapee", "moteur" },
    { "handicapee", "motrice" }, { "infirmite", "motrice" },
    { "infirme", "moteur" }, { "paralysie", "cerebrale" },
    { "tetraplegi*", NULL }, { "paraplegi*", NULL },
    { "hemiplegi*", NULL }, { "physical", "disability" },
    { NULL, NULL }
};


static const struct {
    const char                   *name;
    unsigned                      bit;
    const portal_private_word_t  *words;
    const char                   *code;
} portal_private[] = {
    { "nir", PORTAL_PRIVATE_NIR, NULL, "private_nir" },
    { "belief", PORTAL_PRIVATE_BELIEF, portal_private_belief,
      "private_belief" },
    { "handicap", PORTAL_PRIVATE_HANDICAP, portal_private_handicap,
      "private_handicap" }
};

#define PORTAL_PRIVATE  (sizeof(portal_private) / sizeof(portal_private[0]))


unsigned
portal_private_bit(const char *word)
{
    size_t  i;

    for (i = 0; i < PORTAL_PRIVATE; i++) {

        if (strcmp(portal_private[i].name, word) == 0) {
            return portal_private[i].bit;
        }
    }

    return 0;
}


int
portal_private_check(unsigned refuse, const char *text, size_t len,
    const char **code)
{
    int      found;
    char    *folded;
    size_t   i;

    if (refuse == 0) {
        return 0;
    }

    folded = portal_private_fold(text, len);
    if (folded == NULL) {
        return -1;
    }

    for (i = 0; i < PORTAL_PRIVATE && *code == NULL; i++) {

        if ((refuse & portal_private[i].bit) == 0) {
            continue;
        }

        if (portal_private[i].words != NULL) {
            found = portal_private_words(portal_private[i].words, folded);

        } else if (portal_private_nir(text, len, &found) != 0) {
            portal_wipe(folded, strlen(folded));
            free(folded);
            return -1;
        }

        if (found) {
            *code = portal_private[i].code;
        }
    }

    portal_wipe(folded, strlen(folded));
    free(folded);

    return 0;
}


/* words in small letters without accents, all else a space */

static char *
portal_private_fold(const char *text, size_t len)
{
    char     *folded;
    size_t    i, n, used;
    ucs4_t   *wide, *raw;

    raw = u8_to_u32((const uint8_t *) text, len, NULL, &n);
    if (raw == NULL) {
        return NULL;
    }

    wide = u32_normalize(UNINORM_NFKD, raw, n, NULL, &len);
    portal_wipe(raw, n * sizeof(ucs4_t));
    free(raw);

    folded = wide ? malloc(len + 1) : NULL;
    used = 0;

    for (i = 0; folded != NULL && i < len; i++) {

        if (uc_is_general_category_withtable(wide[i], UC_CATEGORY_MASK_M)) {
            continue;
        }

        if (wide[i] < 0x80) {
            wide[i] |= 0x20;
        }

        folded[used++] = ' ';

        if (wide[i] >= 'a' && wide[i] <= 'z') {
            folded[used - 1] = (char) wide[i];
        }
    }

    if (folded != NULL) {
        folded[used] = '\0';
    }

    if (wide != NULL) {
        portal_wipe(wide, len * sizeof(ucs4_t));
        free(wide);
    }

    return folded;
}


/* digits of any script, in runs with a few signs between, never letters */

static int
portal_private_nir(const char *text, size_t len, int *found)
{
    int             n, digit;
    char           *digits, *starts;
    size_t          i, used, gap;
    ucs4_t          c;
    const uint8_t  *s;

    s = (const uint8_t *) text;
    *found = 0;
    used = 0;
    gap = 1;

    digits = malloc(2 * (len + 1));
    if (digits == NULL) {
        return -1;
    }

    starts = digits + len + 1;

    for (i = 0; i < len && !*found; i += (size_t) n) {
        n = u8_mbtouc(&c, s + i, len - i);
        digit = uc_decimal_value(c);

        /* Corsica's departments are 2A and 2B */

        if (digit < 0 && used >= 6 && digits[used - 1] == '2' && gap == 0
            && strchr("aAbB", (int) (c < 0x80 ? c : '2')) != NULL)
        {
            digit = ((c & 1) ? 'A' : 'B') - '0';
        }

        if (digit >= 0) {
            starts[used] = (char) (gap > 0);
            digits[used++] = (char) ('0' + digit);
            gap = 0;

        } else if (uc_is_property_alphabetic(c) || c == '+'
                   || ++gap > PORTAL_NIR_GAP)
        {
            *found = portal_nir_run(digits, starts, used);
            used = 0;
            gap = 1;
        }
    }

    if (!*found) {
        *found = portal_nir_run(digits, starts, used);
    }

    portal_wipe(digits, 2 * (len + 1));
    free(digits);

    return 0;
}


/* from where a group of digits begins to where one ends */

static int
portal_nir_run(const char *digits, const char *starts, size_t n)
{
    size_t  i, left;

    for (i = 0; i + PORTAL_NIR_SHORT <= n; i++) {
        left = n - i;

        if (starts[i] && portal_nir_match(digits + i)
            && (left == PORTAL_NIR_SHORT || left == PORTAL_NIR_LONG
                || starts[i + PORTAL_NIR_SHORT]
                || (left > PORTAL_NIR_LONG && starts[i + PORTAL_NIR_LONG])))
        {
            return 1;
        }
    }

    return 0;
}


/* sex, year, month (or one of those that stand for an unknown), department */

static int
portal_nir_match(const char *p)
{
    int     month;
    size_t  i;

    for (i = 0; i < PORTAL_NIR_SHORT; i++) {

        if ((p[i] < '0' || p[i] > '9') && (i != 6 || p[5] != '2')) {
            return 0;
        }
    }

    month = (p[3] - '0') * 10 + p[4] - '0';

    return (p[0] == '1' || p[0] == '2')
           && ((month >= 1 && month <= 12) || month >= 20);
}


static int
portal_private_words(const portal_private_word_t *words, const char *folded)
{
    size_t       i, len, next_len;
    const char  *word, *next;

    for (word = portal_private_next(folded, &len);
         word != NULL;
         word = next)
    {
        next = portal_private_next(word + len, &next_len);

        for (i = 0; words[i].first != NULL; i++) {

            if (portal_private_same(words[i].first, word, len)
                && (words[i].second == NULL
                    || (next != NULL
                        && portal_private_same(words[i].second, next,
                                               next_len))))
            {
                return 1;
            }
        }

        len = next_len;
    }

    return 0;
}


static int
portal_private_same(const char *want, const char *word, size_t len)
{
    size_t  n;

    n = strlen(want);

    if (want[n - 1] == '*') {
        return len >= n - 1 && memcmp(want, word, n - 1) == 0;
    }

    return len == n && memcmp(want, word, n) == 0;
}


static const char *
portal_private_next(const char *p, size_t *len)
{
    *len = 0;

    while (*p != '\0' && (*p < 'a' || *p > 'z')) {
        p++;
    }

    while (p[*len] >= 'a' && p[*len] <= 'z') {
        (*len)++;
    }

    return *len ? p : NULL;
}
