
/*
 * Copyright (C) the portal's authors
 */


/*
 * Accept-Language: what a browser wishes among what a town offers.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/input/portal_language.h"


static const struct {
    const char  *accept;
    int          expected;          /* of fr, en, (not offered), de */
    const char  *name;
} cases[] = {
    { "", -1, "nothing" },
    { "fr", 0, "one" },
    { "EN", 1, "in capitals" },
    { "en-GB,en;q=0.9,fr;q=0.8", 1, "what a British browser sends" },
    { "fr-FR,fr;q=0.8,en-US;q=0.5,en;q=0.3", 0, "a French one" },
    { "es,en;q=0.2,fr;q=0.1", 1, "the first is not offered" },
    { "es, it;q=0.5", -1, "none is offered" },
    { "en;q=0.5,fr;q=0.7", 0, "the greater weight" },
    { "en;q=0.500,fr;q=0.501", 0, "by a thousandth" },
    { "en,fr", 1, "of equal weights the first named" },
    { "fr;q=0.5,en;q=0.5", 0, "whatever the order of the town" },
    { "en-GB;q=0.3,fr;q=0.5,en;q=0.6", 1, "the best of two ranges of one" },
    { "*", 0, "any: the town's first" },
    { "*;q=0.5,en;q=0.4", 0, "any before one" },
    { "fr;q=0,*", 1, "any but one" },
    { "fr;q=0, en;q=0.0, *;q=0.1", 3, "any but two" },
    { "en;q=0", -1, "a refusal is no wish" },
    { "en;q=0,*;q=0", -1, "nothing is accepted" },
    { "*;q=0,en;q=0.1", 1, "all but one refused" },
    { "en ; q=0.3 , fr\t;\tq=0.2", 1, "blanks where they may be" },
    { ",, ,en,,", 1, "empty elements" },
    { "en;Q=0.3", 1, "the weight's name in capitals" },
    { "en;q=0.", -1, "a weight of nothing after the point is 0" },
    { "en;q=1.", 1, "1. is 1" },
    { "en;q=1.000", 1, "1.000 too" },
    { "en;q=1.001", -1, "more than 1" },
    { "en;q=2", -1, "2" },
    { "en;q=0.1234", -1, "four digits" },
    { "en;q=.5", -1, "no 0 before the point" },
    { "en;q=-1", -1, "a sign" },
    { "en;q= 1", -1, "a blank in the weight" },
    { "en;q=0.5;x=1", -1, "something behind the weight" },
    { "en;x=1", -1, "no weight" },
    { "en;", -1, "half a weight" },
    { "en fr", -1, "two in one element" },
    { "en_GB", -1, "an underscore" },
    { "en-", -1, "half a range" },
    { "en-123456789", -1, "a part too long" },
    { "en-GB-oxendict", 1, "three parts" },
    { "1en", -1, "a digit first" },
    { "**", -1, "two stars" },
    { "*-GB", -1, "an extended range is no basic one" },
    { "eng", -1, "another language that begins alike" },
    { "xx;q=9,en", 1, "a bad element spoils no other" },
};


int
main(void)
{
    int            got, bad, failed;
    char           many[64 * 4 + 8], *text;
    size_t         i, n, len;
    portal_text_t  accept, offered[PORTAL_LANGUAGE_OFFERED + 1];

    static const char *const  tags[] = { "fr", "en", "", "de" };

    memset(offered, 0, sizeof(offered));

    for (i = 0; i < 4; i++) {
        offered[i].data = tags[i];
        offered[i].len = strlen(tags[i]);
    }

    failed = 0;
    n = sizeof(cases) / sizeof(cases[0]);

    for (i = 0; i < n; i++) {

        /* in memory that ends where the text does */

        len = strlen(cases[i].accept);
        text = malloc(len ? len : 1);
        memcpy(text, cases[i].accept, len);

        accept.data = text;
        accept.len = len;

        got = portal_language_accept(accept, offered, 4);
        bad = got != cases[i].expected;
        failed += bad;

        printf("%sok %zu - %s: \"%s\"\n", bad ? "not " : "", i + 1,
               cases[i].name, cases[i].accept);

        if (bad) {
            printf("# got %d, expected %d\n", got, cases[i].expected);
        }

        free(text);
    }

    /* what stands behind the last range that is read counts for nothing */

    many[0] = '\0';

    for (i = 0; i < PORTAL_LANGUAGE_RANGES; i++) {
        strcat(many, "es,");
    }

    strcat(many, "en");
    accept.data = many;
    accept.len = strlen(many);

    bad = portal_language_accept(accept, offered, 4) != -1;
    accept.data += 3;
    accept.len -= 3;
    bad |= portal_language_accept(accept, offered, 4) != 1;
    bad |= portal_language_accept(accept, offered,
                                  PORTAL_LANGUAGE_OFFERED + 1)
           != -1;
    failed += bad;

    printf("%sok %zu - bounds\n1..%zu\n", bad ? "not " : "", n + 1, n + 1);

    return failed != 0;
}
