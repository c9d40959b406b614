
/*
 * Copyright (C) the portal's authors
 */


#include <stdlib.h>
#include <string.h>

#include "portal_import_map.h"
#include "../crypto/portal_fold.h"


static size_t portal_import_clean(const char *text, size_t len, char *out);
static size_t portal_import_digits(const char *text, size_t len, char *out,
    size_t size);
static const char *portal_import_said(const portal_field_t *field,
    const char *text, size_t len);


/* what files call the options of a choice, folded */

static const struct {
    const char  *field;
    const char  *option;
    const char  *words;
} portal_import_words[] = {
    { "title", "mr", "masculin m monsieur homme h" },
    { "title", "mrs", "feminin f mme madame mlle mademoiselle femme" },
    { "sex", "m", "masculin garcon homme h" },
    { "sex", "f", "feminin fille femme" },
    { "link", "mother", "mere maman" },
    { "link", "father", "pere papa" },
    { "link", "guardian", "tuteur tutrice tuteurlegal tutricelegale" },
    { "link", "grandparent", "grandmere grandpere grandparent grandsparents" },
    { "link", "aunt_uncle", "oncle tante" },
    { "link", "sibling", "frere soeur" },
    { "link", "step_parent", "beaupere bellemere" },
    { "link", "friend", "ami amie amis" },
    { "link", "neighbour", "voisin voisine" },
    { "link", "childminder", "nourrice assistantematernelle" },
    { "link", "other", "autre" },
    { "diet", "standard", "normal classique aucun sansregime" },
    { "diet", "no_pork", "sansporc" },
    { "diet", "no_meat", "sansviande" },
    { "diet", "vegetarian", "vegetarien vegetarienne" },
    { "scheme", "other", "autre" },
    { "school_level", "tps", "toutepetitesection" },
    { "school_level", "ps", "petitesection" },
    { "school_level", "ms", "moyennesection" },
    { "school_level", "gs", "grandesection" },
    { "school_level", "other", "autre" },
};

static const char  portal_import_yes[] = "oui o yes y 1 vrai true x";
static const char  portal_import_no[] = "non n no 0 faux false";


json_t *
portal_import_cell(const portal_field_t *field, const char *text, size_t len)
{
    char        *copy, digits[16];
    size_t       n;
    json_t      *value;
    const char  *said;

    copy = malloc(len + 1);
    if (copy == NULL) {
        return NULL;
    }

    n = portal_import_clean(text, len, copy);
    said = field ? portal_import_said(field, copy, n) : NULL;

    if (said != NULL) {
        value = json_string(said);

    } else if (field && field->type == PORTAL_FIELD_PHONE
               && portal_import_digits(copy, n, digits + 1,
                                       sizeof(digits) - 1) == 9
               && digits[1] != '0')
    {
        digits[0] = '0';
        value = json_stringn(digits, 10);

    } else if (field && field->type == PORTAL_FIELD_POSTCODE
               && portal_import_digits(copy, n, digits + 1,
                                       sizeof(digits) - 1) == 4)
    {
        digits[0] = '0';
        value = json_stringn(digits, 5);

    } else {

        /* a calendar's day that a program writes with its midnight */

        if (field && field->type == PORTAL_FIELD_DATE && n > 11
            && strspn(copy + 10, " T0:.") == n - 10)
        {
            n = 10;
        }

        value = json_stringn_nocheck(copy, n);
    }

    portal_wipe(copy, len);
    free(copy);

    return value;
}


/* outer spaces go with the check of the form */

static size_t
portal_import_clean(const char *text, size_t len, char *out)
{
    size_t  i;

    if (len >= 3 && text[0] == '=' && text[1] == '"' && text[len - 1] == '"'
        && memchr(text + 2, '"', len - 3) == NULL)
    {
        text += 2;
        len -= 3;
    }

    for (i = 0; i < len; i++) {
        out[i] = text[i];

        if (text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
            out[i] = ' ';
        }
    }

    out[len] = '\0';

    return len;
}


/* how many there are, 0 where there is anything else */

static size_t
portal_import_digits(const char *text, size_t len, char *out, size_t size)
{
    size_t  i, n;

    n = 0;

    for (i = 0; i < len; i++) {

        if (text[i] == ' ' || text[i] == '.') {
            continue;
        }

        if (text[i] < '0' || text[i] > '9' || n == size) {
            return 0;
        }

        out[n++] = text[i];
    }

    return n;
}


/* NULL: nothing that is known; the form will say so */

static const char *
portal_import_said(const portal_field_t *field, const char *text, size_t len)
{
    char    word[64], option[64];
    size_t  i;

    if (field->type != PORTAL_FIELD_CHOICE && field->type != PORTAL_FIELD_YESNO
        && field->type != PORTAL_FIELD_COUNTRY)
    {
        return NULL;
    }

    portal_import_fold(text, len, word, sizeof(word));

    if (word[0] == '\0') {
        return NULL;
    }

    if (field->type == PORTAL_FIELD_COUNTRY) {
        return strcmp(word, "france") == 0 ? "FR" : NULL;
    }

    if (field->type == PORTAL_FIELD_YESNO) {
        return portal_import_word(portal_import_yes, word) ? "yes"
               : portal_import_word(portal_import_no, word) ? "no" : NULL;
    }

    for (i = 0; i < field->noptions; i++) {
        portal_import_fold(field->options[i], strlen(field->options[i]),
                           option, sizeof(option));

        if (strcmp(option, word) == 0) {
            return field->options[i];
        }
    }

    for (i = 0;
         i < sizeof(portal_import_words) / sizeof(portal_import_words[0]);
         i++)
    {
        if (strcmp(portal_import_words[i].field, field->name) == 0
            && portal_import_word(portal_import_words[i].words, word))
        {
            return portal_import_words[i].option;
        }
    }

    return NULL;
}


void
portal_import_fold(const char *text, size_t len, char *out, size_t outlen)
{
    size_t  i, n, used;

    n = len > 0 ? portal_fold(text, len, out, outlen - 1) : 0;
    used = 0;

    for (i = 0; i < n; i++) {

        if ((out[i] >= 'a' && out[i] <= 'z')
            || (out[i] >= '0' && out[i] <= '9'))
        {
            out[used++] = out[i];
        }
    }

    out[used] = '\0';
}


int
portal_import_word(const char *words, const char *word)
{
    size_t       len;
    const char  *p;

    len = strlen(word);

    for (p = words; len && (p = strstr(p, word)) != NULL; p += len) {

        if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0')) {
            return 1;
        }
    }

    return 0;
}


int
portal_import_city_code(const char *text)
{
    size_t  digits;

    /* two digits, or Corsica's 2A and 2B, and three */

    digits = strspn(text, "0123456789");

    if (digits == 1 && text[0] == '2' && (text[1] == 'A' || text[1] == 'B')) {
        digits = 2 + strspn(text + 2, "0123456789");
    }

    return digits == 5 && text[5] == '\0';
}


int
portal_import_ban_id(const char *text)
{
    static const char  chars[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-";

    return text[0] != '\0' && text[0] != '_' && text[0] != '-'
           && text[strspn(text, chars)] == '\0';
}


int
portal_import_ban_score(const char *text)
{
    size_t  n;

    /* 0.9521, as the State's service says it; 0,9521 in a French sheet */

    if (text[0] != '0' && text[0] != '1') {
        return 0;
    }

    if (text[1] == '\0') {
        return 1;
    }

    n = strspn(text + 2, text[0] == '0' ? "0123456789" : "0");

    return (text[1] == '.' || text[1] == ',') && n > 0
           && text[n + 2] == '\0';
}
