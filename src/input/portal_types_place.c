
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "portal_types.h"


/*
 * Where somebody is found: telephones, postcodes, countries.
 */


#define PORTAL_PHONE_DIGITS  15         /* of E.164 */
#define PORTAL_PHONE_FRENCH  9          /* behind the 0 or the 33 */


static int portal_phone_digits(const char *text, size_t len, char *digits);
static int portal_phone_french(const char *national, char *e164);
static int portal_phone_mobile(const char *e164);


/* ISO 3166-1, alpha-2 */

const char  portal_countries[] =
    "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBY"
    "BZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFK"
    "FMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIR"
    "ISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMK"
    "MLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPM"
    "PNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTF"
    "TGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSYEYTZAZMZW";


/* the overseas numbers that are dialled like all others in France */

static const struct {
    char  prefix[4];                    /* behind the 0 */
    char  country[4];
} portal_phone_overseas[] = {
    { "262", "262" }, { "263", "262" }, { "269", "262" },
    { "639", "262" }, { "692", "262" }, { "693", "262" },
    { "590", "590" }, { "690", "590" }, { "691", "590" },
    { "594", "594" }, { "694", "594" },
    { "596", "596" }, { "696", "596" }, { "697", "596" }
};

#define PORTAL_PHONE_OVERSEAS                                                 \
    (sizeof(portal_phone_overseas) / sizeof(portal_phone_overseas[0]))


int
portal_type_phone(const portal_field_t *field, const char *text, size_t len,
    json_t **value, const char **code)
{
    int     ok;
    char    digits[40], e164[PORTAL_PHONE_DIGITS + 2], *p;
    size_t  n, i;

    ok = 0;
    p = digits;
    memset(digits, 0, sizeof(digits));

    if (portal_phone_digits(text, len, digits) == 0) {

        if (digits[0] == '0' && digits[1] == '0') {
            digits[1] = '+';
            p = digits + 1;
        }

        n = strlen(p);

        if (*p == '0') {
            ok = portal_phone_french(p + 1, e164);

        } else if (strncmp(p, "+33", 3) == 0) {

            /* +33 (0)6: the 0 is written, never dialled */

            ok = portal_phone_french(p + 3 + (p[3] == '0'), e164);

        } else if (*p == '+' && p[1] != '0' && n >= 1 + 7
                   && n <= 1 + PORTAL_PHONE_DIGITS)
        {
            ok = 1;

            for (i = 0; i < PORTAL_PHONE_OVERSEAS; i++) {

                if (memcmp(p + 1, portal_phone_overseas[i].country, 3) == 0) {
                    i = p[4] == '0';
                    memmove(p + 4, p + 4 + i, n - 3 - i);
                    ok = strlen(p) == 4 + PORTAL_PHONE_FRENCH && p[4] != '0';
                    break;
                }
            }

            if (ok) {
                memcpy(e164, p, strlen(p) + 1);
            }
        }
    }

    if (!ok) {
        *code = "phone_format";
        return 0;
    }

    if (field->mobile && !portal_phone_mobile(e164)) {
        *code = "phone_mobile";
        return 0;
    }

    return portal_type_string(e164, strlen(e164), value);
}


/* digits, and a + only in front; (0) is nothing */

static int
portal_phone_digits(const char *text, size_t len, char *digits)
{
    char    *p, copy[40];
    size_t   i, n;

    if (portal_type_compact(text, len, ".-/_", "+()", copy, sizeof(copy))
        != 0)
    {
        return -1;
    }

    p = strstr(copy, "(0)");

    if (p != NULL && p != copy) {
        memmove(p, p + 3, strlen(p + 3) + 1);
    }

    n = 0;

    for (i = 0; copy[i] != '\0'; i++) {

        if (copy[i] == '(' || copy[i] == ')') {
            continue;
        }

        if ((copy[i] < '0' || copy[i] > '9') && (copy[i] != '+' || n != 0)) {
            return -1;
        }

        digits[n++] = copy[i];
    }

    digits[n] = '\0';

    return 0;
}


/* nine digits; 1 when they are a number */

static int
portal_phone_french(const char *national, char *e164)
{
    size_t       i;
    const char  *country;

    if (strlen(national) != PORTAL_PHONE_FRENCH || national[0] == '0'
        || national[0] == '+')
    {
        return 0;
    }

    country = "33";

    /* 06 39 98 is kept for works of fiction, whatever 06 39 is (ARCEP) */

    for (i = 0; i < PORTAL_PHONE_OVERSEAS; i++) {

        if (memcmp(national, portal_phone_overseas[i].prefix, 3) == 0
            && memcmp(national, "63998", 5) != 0)
        {
            country = portal_phone_overseas[i].country;
        }
    }

    i = strlen(country);

    e164[0] = '+';
    memcpy(e164 + 1, country, i);
    memcpy(e164 + 1 + i, national, PORTAL_PHONE_FRENCH + 1);

    return 1;
}


/* of other countries nobody here knows */

static int
portal_phone_mobile(const char *e164)
{
    size_t       i;
    const char  *national;

    national = strncmp(e164, "+33", 3) == 0 ? e164 + 3 : NULL;

    for (i = 0; i < PORTAL_PHONE_OVERSEAS; i++) {

        if (memcmp(e164 + 1, portal_phone_overseas[i].country, 3) == 0) {
            national = e164 + 4;
        }
    }

    return national == NULL || *national == '6' || *national == '7';
}


int
portal_type_postcode(unsigned abroad, const char *text, size_t len,
    json_t **value, const char **code)
{
    char    out[sizeof("123456789012")];
    size_t  n;

    if (abroad) {

        if (portal_type_compact(text, len, "", " -", out, sizeof(out)) != 0
            || strlen(out) < 2 || strchr(" -", out[0]) != NULL)
        {
            *code = "postcode_abroad";
            return 0;
        }

        return portal_type_string(out, strlen(out), value);
    }

    if (portal_type_compact(text, len, "", "", out, sizeof(out)) != 0) {
        out[0] = '\0';
    }

    n = strspn(out, "0123456789");

    if (n != 5 || out[n] != '\0' || memcmp(out, "00", 2) == 0
        || memcmp(out, "99", 2) == 0)
    {
        *code = "postcode_format";
        return 0;
    }

    return portal_type_string(out, n, value);
}


int
portal_type_country(const char *text, size_t len, json_t **value,
    const char **code)
{
    char  out[3];

    if (portal_type_compact(text, len, "", "", out, sizeof(out)) != 0
        || !portal_is_country(out))
    {
        *code = "country";
        return 0;
    }

    return portal_type_string(out, 2, value);
}


int
portal_is_country(const char *code)
{
    size_t  i;

    if (strlen(code) != 2) {
        return 0;
    }

    for (i = 0; portal_countries[i] != '\0'; i += 2) {

        if (memcmp(portal_countries + i, code, 2) == 0) {
            return 1;
        }
    }

    return 0;
}
