
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistr.h>

#include "portal_text.h"
#include "portal_types.h"


/*
 * Numbers that a bank, the tax office or the CAF has given, and amounts.  Most
 * carry a key, so that a slip of the hand is seen at once.
 */


#define PORTAL_IBAN_MAX    34
#define PORTAL_IBAN_MIN    15
#define PORTAL_SHARES_MIN  25           /* hundredths */
#define PORTAL_SHARES_MAX  2000


static int portal_iban_length(const char *iban);
static int portal_iban_key(const char *iban);
static int portal_rib_key(const char *bban);
static int portal_type_digits(const char *text);
static int portal_type_decimal(const char *text, int64_t *hundredths);
static void portal_type_euros(char *text);


/* SEPA's countries and how long an IBAN is there */

static const struct {
    char           country[3];
    unsigned char  len;
} portal_sepa[] = {
    { "AD", 24 }, { "AL", 28 }, { "AT", 20 }, { "BE", 16 }, { "BG", 22 },
    { "CH", 21 }, { "CY", 28 }, { "CZ", 24 }, { "DE", 22 }, { "DK", 18 },
    { "EE", 20 }, { "ES", 24 }, { "FI", 18 }, { "FR", 27 }, { "GB", 22 },
    { "GI", 23 }, { "GR", 27 }, { "HR", 21 }, { "HU", 28 }, { "IE", 22 },
    { "IS", 26 }, { "IT", 27 }, { "LI", 21 }, { "LT", 20 }, { "LU", 20 },
    { "LV", 21 }, { "MC", 27 }, { "MD", 24 }, { "ME", 22 }, { "MK", 19 },
    { "MT", 31 }, { "NL", 18 }, { "NO", 15 }, { "PL", 28 }, { "PT", 25 },
    { "RO", 24 }, { "RS", 22 }, { "SE", 24 }, { "SI", 19 }, { "SK", 24 },
    { "SM", 27 }, { "VA", 22 }
};


/*
 * Spaces of any width, the hyphens that pasting brings, and small letters are
 * how people write numbers.
 */

int
portal_type_compact(const char *text, size_t len, const char *more,
    const char *keep, char *out, size_t size)
{
    int             n;
    size_t          i, used;
    ucs4_t          c;
    const uint8_t  *s;

    s = (const uint8_t *) text;
    used = 0;
    memset(out, 0, size);

    for (i = 0; i < len; i += (size_t) n) {
        n = u8_mbtouc(&c, s + i, len - i);

        if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212) {
            c = '-';

        } else if (portal_text_space(c)) {
            c = ' ';
        }

        if (c >= 'a' && c <= 'z') {
            c -= 'a' - 'A';
        }

        if (c == 0 || c >= 0x80) {
            return -1;
        }

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
            || strchr(keep, (int) c) != NULL)
        {
            if (used == size - 1) {
                return -1;
            }

            out[used++] = (char) c;

        } else if (c != ' ' && strchr(more, (int) c) == NULL) {
            return -1;
        }
    }

    return 0;
}


static int
portal_type_digits(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}


int
portal_type_iban(const char *text, size_t len, json_t **value,
    const char **code)
{
    int     want;
    char    copy[PORTAL_IBAN_MAX + 8], *iban;
    size_t  n;

    if (portal_type_compact(text, len, "-.:", "", copy, sizeof(copy)) != 0) {
        *code = "iban_format";
        return 0;
    }

    /* papers write the word in front of the number */

    iban = copy + (strncmp(copy, "IBAN", 4) == 0 ? 4 : 0);
    n = strlen(iban);

    if (n < PORTAL_IBAN_MIN || n > PORTAL_IBAN_MAX
        || iban[0] < 'A' || iban[1] < 'A' || iban[2] > '9' || iban[3] > '9')
    {
        *code = "iban_format";
        return 0;
    }

    want = portal_iban_length(iban);

    if (want == 0) {
        *code = "iban_country";

    } else if ((size_t) want != n) {
        *code = "iban_length";

    } else if (!portal_iban_key(iban)
               || ((memcmp(iban, "FR", 2) == 0 || memcmp(iban, "MC", 2) == 0)
                   && !portal_rib_key(iban + 4)))
    {
        *code = "iban_key";

    } else {
        return portal_type_string(iban, n, value);
    }

    return 0;
}


static int
portal_iban_length(const char *iban)
{
    size_t  i;

    for (i = 0; i < sizeof(portal_sepa) / sizeof(portal_sepa[0]); i++) {

        if (memcmp(portal_sepa[i].country, iban, 2) == 0) {
            return portal_sepa[i].len;
        }
    }

    return 0;
}


static int
portal_iban_key(const char *iban)
{
    char      c;
    size_t    i, n;
    unsigned  rest;

    n = strlen(iban);
    rest = 0;

    for (i = 0; i < n; i++) {
        c = iban[(i + 4) % n];
        rest = c <= '9' ? rest * 10 + (unsigned) (c - '0')
                        : rest * 100 + (unsigned) (c - 'A') + 10;
        rest %= 97;
    }

    return rest == 1;
}


/* a letter of the account counts 1 to 9; S begins again at 2 */

static int
portal_rib_key(const char *bban)
{
    char      c;
    size_t    i;
    unsigned  rest;

    rest = 0;

    for (i = 0; i < 23; i++) {
        c = bban[i];

        if (c >= 'A') {

            if (i < 10 || i > 20) {
                return 0;
            }

            c = (char) ('1' + (c < 'S' ? (c - 'A') % 9 : c - 'S' + 1));
        }

        rest = (rest * 10 + (unsigned) (c - '0')) % 97;
    }

    return rest == 0;
}


int
portal_type_bic(const char *text, size_t len, json_t **value,
    const char **code)
{
    char    bic[12], country[3];
    size_t  n, i;

    if (portal_type_compact(text, len, "", "", bic, sizeof(bic)) != 0) {
        bic[0] = '\0';
    }

    n = strlen(bic);

    for (i = 0; i < 6 && bic[i] >= 'A'; i++) { /* void */ }

    memcpy(country, n < 6 ? "  " : bic + 4, 2);
    country[2] = '\0';

    if ((n != 8 && n != 11) || i < 6
        || (!portal_is_country(country) && memcmp(country, "XK", 2) != 0))
    {
        *code = "bic_format";
        return 0;
    }

    return portal_type_string(bic, n, value);
}


int
portal_type_tax_number(const char *text, size_t len, json_t **value,
    const char **code)
{
    char      number[16], key[4];
    int64_t   n;

    if (portal_type_compact(text, len, ".-", "", number, sizeof(number)) != 0
        || strlen(number) != 13 || !portal_type_digits(number)
        || number[0] > '3')
    {
        *code = "tax_number_format";
        return 0;
    }

    memcpy(key, number + 10, 4);
    number[10] = '\0';
    n = strtoll(number, NULL, 10);
    memcpy(number + 10, key, 4);

    if (n % 511 != strtoll(key, NULL, 10)) {
        *code = "tax_number_key";
        return 0;
    }

    return portal_type_string(number, 13, value);
}


int
portal_type_tax_notice(const char *text, size_t len, json_t **value,
    const char **code)
{
    char    notice[16];
    size_t  n;

    if (portal_type_compact(text, len, ".-", "", notice, sizeof(notice))
        != 0)
    {
        notice[0] = '\0';
    }

    n = strlen(notice);

    if ((n != 13 && n != 14) || strpbrk(notice, "0123456789") == NULL) {
        *code = "tax_notice_format";
        return 0;
    }

    return portal_type_string(notice, n, value);
}


/* some papers print a letter, the key, behind the number */

int
portal_type_caf_number(const char *text, size_t len, json_t **value,
    const char **code)
{
    char    number[16];
    size_t  n;

    if (portal_type_compact(text, len, ".-/", "", number, sizeof(number))
        != 0)
    {
        number[0] = '\0';
    }

    n = strlen(number);

    if (n > 1 && number[n - 1] >= 'A') {
        number[--n] = '\0';
    }

    if (n > 7 || !portal_type_digits(number)) {
        *code = "caf_number_format";
        return 0;
    }

    return portal_type_string(number, n, value);
}


int
portal_type_shares(const char *text, size_t len, json_t **value,
    const char **code)
{
    int      n;
    char     shares[16], out[32];
    int64_t  hundredths;

    if (portal_type_compact(text, len, "", ",.", shares, sizeof(shares)) != 0
        || portal_type_decimal(shares, &hundredths) != 0
        || hundredths % 25 != 0)
    {
        *code = "shares_format";
        return 0;
    }

    if (hundredths < PORTAL_SHARES_MIN || hundredths > PORTAL_SHARES_MAX) {
        *code = "shares_range";
        return 0;
    }

    n = snprintf(out, sizeof(out), "%d.%02d", (int) (hundredths / 100),
                 (int) (hundredths % 100));

    while (out[n - 1] == '0') {
        n--;
    }

    n -= out[n - 1] == '.';

    return portal_type_string(out, (size_t) n, value);
}


int
portal_type_cents(const portal_field_t *field, const char *text, size_t len,
    json_t **value, const char **code)
{
    char    *copy, amount[32];
    int64_t  cents;

    cents = 0;

    copy = malloc(len + 1);
    if (copy == NULL) {
        return -1;
    }

    memcpy(copy, text, len);
    copy[len] = '\0';
    portal_type_euros(copy);

    if (portal_type_compact(copy, strlen(copy), "", ",.", amount,
                            sizeof(amount))
        != 0
        || portal_type_decimal(amount, &cents) != 0)
    {
        *code = "cents_format";
    }

    free(copy);

    return *code ? 0 : portal_type_integer(field, cents, value, code);
}


/* an amount's last word may be the currency */

static void
portal_type_euros(char *text)
{
    size_t                    i, n, len;
    static const char *const  names[] = { "\xe2\x82\xac", "euros", "euro",
                                          "eur", "EUR", "Euros" };

    len = strlen(text);

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        n = strlen(names[i]);

        if (len > n && strcmp(text + len - n, names[i]) == 0) {
            text[len - n] = '\0';
            return;
        }
    }
}


/* "12", "12,5", "12.50"; 1.234 could be either, so it is neither */

static int
portal_type_decimal(const char *text, int64_t *hundredths)
{
    int64_t  n;
    size_t   digits, places;

    digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 15) {
        return -1;
    }

    n = strtoll(text, NULL, 10) * 100;
    text += digits;

    if (*text != '\0') {
        text++;                             /* , or . */
        places = strspn(text, "0123456789");

        if (places == 0 || places > 2 || text[places] != '\0') {
            return -1;
        }

        n += (text[0] - '0') * 10 + (places == 2 ? text[1] - '0' : 0);
    }

    *hundredths = n;

    return 0;
}


int
portal_type_shown(const portal_field_t *field, const json_t *value,
    char *out, size_t len)
{
    char         *dot;
    json_int_t    n;
    const char   *text;

    n = json_integer_value(value);
    text = json_string_value(value);

    if (json_is_integer(value)) {

        /* below 0 only what is refused, shown again */

        if (field->type == PORTAL_FIELD_CENTS && n >= 0) {
            (void) snprintf(out, len, "%" JSON_INTEGER_FORMAT ",%02d",
                            n / 100, (int) (n % 100));
        } else {
            (void) snprintf(out, len, "%" JSON_INTEGER_FORMAT, n);
        }

        return 0;
    }

    if (text == NULL) {
        return -1;
    }

    if (field->type != PORTAL_FIELD_SHARES) {
        return -1;
    }

    (void) snprintf(out, len, "%s", text);

    dot = strchr(out, '.');
    if (dot != NULL) {
        *dot = ',';
    }

    return 0;
}


/* as a style guide writes it: with or without #, of each digit one or two */

int
portal_type_colour(const char *text, size_t len, json_t **value,
    const char **code)
{
    char    colour[8];
    size_t  i, each;

    if (len && text[0] == '#') {
        text++;
        len--;
    }

    if ((len != 3 && len != 6)
        || strspn(text, "0123456789abcdefABCDEF") < len)
    {
        *code = "colour_format";
        return 0;
    }

    each = 6 / len;
    colour[0] = '#';

    for (i = 0; i < 6; i++) {
        colour[i + 1] = text[i / each];

        if (colour[i + 1] >= 'A' && colour[i + 1] <= 'F') {
            colour[i + 1] = (char) (colour[i + 1] | 0x20);
        }
    }

    return portal_type_string(colour, 7, value);
}
