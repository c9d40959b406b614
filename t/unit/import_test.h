
/*
 * Copyright (C) the portal's authors
 */


#ifndef _IMPORT_TEST_H_INCLUDED_
#define _IMPORT_TEST_H_INCLUDED_


#include "tap.h"

#include "../../src/import/portal_import_book.h"


/* what the tests of the import share */


static inline int
is(const char *got, const char *want, const char *what)
{
    int  pass;

    pass = ok(strcmp(got, want) == 0, "%s", what);

    if (!pass) {
        printf("#  got: %s\n# want: %s\n", got, want);
    }

    return pass;
}


/* the forms of the pages, as nginx reads them */

static inline void
rules_read(portal_import_rules_t *rules)
{
    int        i;
    char       path[128], text[8192], err[256];
    FILE      *file;
    size_t     len;
    unsigned   line;

    for (i = 0; i < PORTAL_IMPORT_FORMS; i++) {

        if (portal_import_forms[i] == NULL) {
            rules->form[i] = portal_form_parse("own", portal_import_own,
                                               strlen(portal_import_own),
                                               &line, err, sizeof(err));
        } else {
            snprintf(path, sizeof(path), "conf.d/portal/forms/%s.form",
                     portal_import_forms[i]);

            file = fopen(path, "r");
            if (file == NULL) {
                perror(path);
                exit(2);
            }

            len = fread(text, 1, sizeof(text), file);
            fclose(file);

            rules->form[i] = portal_form_parse(portal_import_forms[i], text,
                                               len, &line, err, sizeof(err));
        }

        if (rules->form[i] == NULL) {
            printf("# form %d, line %u: %s\n", i, line, err);
            exit(2);
        }
    }

    strcpy(rules->today, "2026-11-26");
}


static inline void
rules_free(portal_import_rules_t *rules)
{
    int  i;

    for (i = 0; i < PORTAL_IMPORT_FORMS; i++) {
        portal_form_free((portal_form_t *) rules->form[i]);
    }
}


#endif /* _IMPORT_TEST_H_INCLUDED_ */
