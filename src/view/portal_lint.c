
/*
 * Copyright (C) the portal's authors
 */


#include <string.h>

#include "portal_lint.h"


enum {
    LINT_DATA = 0,
    LINT_OPEN,                          /* "<" */
    LINT_ELEMENT,                       /* its name */
    LINT_INSIDE,                        /* between attributes */
    LINT_ATTRIBUTE,
    LINT_EQUAL,
    LINT_DOUBLE,
    LINT_SINGLE,
    LINT_UNQUOTED,
    LINT_MARKUP,                        /* "<!" */
    LINT_COMMENT,
    LINT_COMMENT_DASH,
    LINT_COMMENT_END,
    LINT_RAW,
    LINT_RAW_OPEN
};


#define portal_lint_space(c)                                                  \
    ((c) == ' ' || (c) == '\t' || (c) == '\r' || (c) == '\n')

#define portal_lint_lower(c)                                                  \
    (char) ((c) >= 'A' && (c) <= 'Z' ? (c) | 0x20 : (c))


static void
portal_lint_start(portal_lint_t *lint, unsigned state)
{
    lint->state = state;
    lint->len = 0;
    lint->word[0] = '\0';
}


static void
portal_lint_push(portal_lint_t *lint, char c)
{
    if (lint->len < PORTAL_LINT_WORD - 1) {
        lint->word[lint->len] = portal_lint_lower(c);
        lint->word[lint->len + 1] = '\0';
    }

    lint->len++;
}


static void
portal_lint_close(portal_lint_t *lint)
{
    lint->state = (lint->raw && !lint->closing) ? LINT_RAW : LINT_DATA;
    lint->raw = 0;
    lint->closing = 0;
}


static const char *
portal_lint_element(portal_lint_t *lint, char c)
{
    if (c == '/' && lint->len == 0) {
        lint->closing = 1;
        return NULL;
    }

    if (c != '>' && c != '/' && !portal_lint_space(c)) {
        portal_lint_push(lint, c);

        if (lint->len == 3 && memcmp(lint->word, "!--", 3) == 0) {
            lint->state = LINT_COMMENT;
        }

        return NULL;
    }

    if (strcmp(lint->word, "style") == 0) {
        return "<style> is refused by the browser: write a class of the "
               "style sheet";
    }

    lint->raw = (strcmp(lint->word, "script") == 0);

    if (c == '>') {
        portal_lint_close(lint);

    } else {
        lint->state = (lint->word[0] == '!') ? LINT_MARKUP : LINT_INSIDE;
    }

    return NULL;
}


static const char *
portal_lint_attribute(portal_lint_t *lint, char c)
{
    if (c != '=' && c != '>' && c != '/' && !portal_lint_space(c)) {
        portal_lint_push(lint, c);
        return NULL;
    }

    if (strcmp(lint->word, "style") == 0 && !lint->mail) {
        return "style= is refused by the browser: write a class of the "
               "style sheet";
    }

    if (lint->len > 2 && lint->word[0] == 'o' && lint->word[1] == 'n') {
        return "an on*= attribute is refused by the browser: write a script "
               "in src/static";
    }

    if (c == '=') {
        portal_lint_start(lint, LINT_EQUAL);

    } else if (c == '>') {
        portal_lint_close(lint);

    } else {
        lint->state = LINT_INSIDE;
    }

    return NULL;
}


static const char *
portal_lint_value(portal_lint_t *lint, char c)
{
    if ((c == '"' && lint->state == LINT_DOUBLE)
        || (c == '\'' && lint->state == LINT_SINGLE)
        || (portal_lint_space(c) && lint->state == LINT_UNQUOTED))
    {
        lint->state = LINT_INSIDE;
        return NULL;
    }

    if (c == '>' && lint->state == LINT_UNQUOTED) {
        portal_lint_close(lint);
        return NULL;
    }

    if (lint->len == 0 && portal_lint_space(c)) {
        return NULL;
    }

    portal_lint_push(lint, c);

    if (lint->len == 5 && memcmp(lint->word, "data:", 5) == 0) {
        return "a data: URL is refused by the browser: write a file of "
               "src/static";
    }

    if (lint->len == 11 && memcmp(lint->word, "javascript:", 11) == 0) {
        return "a javascript: URL is refused by the browser: write a script "
               "in src/static";
    }

    return NULL;
}


/* after an attribute's name and "=" */

static const char *
portal_lint_equal(portal_lint_t *lint, char c)
{
    if (c == '"' || c == '\'') {
        portal_lint_start(lint, c == '"' ? LINT_DOUBLE : LINT_SINGLE);
        return NULL;
    }

    if (portal_lint_space(c)) {
        return NULL;
    }

    portal_lint_start(lint, LINT_UNQUOTED);

    return portal_lint_value(lint, c);
}


static void
portal_lint_comment(portal_lint_t *lint, char c)
{
    if (c == '-') {
        lint->state = (lint->state == LINT_COMMENT) ? LINT_COMMENT_DASH
                                                    : LINT_COMMENT_END;

    } else if (c == '>' && lint->state == LINT_COMMENT_END) {
        lint->state = LINT_DATA;

    } else {
        lint->state = LINT_COMMENT;
    }
}


/* the inside of a script: nothing but "</" ends it */

static void
portal_lint_raw(portal_lint_t *lint, char c)
{
    if (lint->state == LINT_RAW_OPEN && c == '/') {
        portal_lint_start(lint, LINT_ELEMENT);
        lint->closing = 1;
        return;
    }

    lint->state = (c == '<') ? LINT_RAW_OPEN : LINT_RAW;
}


static const char *
portal_lint_char(portal_lint_t *lint, char c)
{
    switch (lint->state) {

    case LINT_DATA:
        if (c == '<') {
            portal_lint_start(lint, LINT_OPEN);
        }

        return NULL;

    case LINT_OPEN:

        /* "a < b" is text */

        if (portal_lint_space(c)) {
            lint->state = LINT_DATA;
            return NULL;
        }

        lint->state = LINT_ELEMENT;

        /* fall through */

    case LINT_ELEMENT:
        return portal_lint_element(lint, c);

    case LINT_INSIDE:
        if (c == '>') {
            portal_lint_close(lint);
            return NULL;
        }

        if (c == '/' || portal_lint_space(c)) {
            return NULL;
        }

        portal_lint_start(lint, LINT_ATTRIBUTE);

        /* fall through */

    case LINT_ATTRIBUTE:
        return portal_lint_attribute(lint, c);

    case LINT_EQUAL:
        return portal_lint_equal(lint, c);

    case LINT_DOUBLE:
    case LINT_SINGLE:
    case LINT_UNQUOTED:
        return portal_lint_value(lint, c);

    case LINT_MARKUP:
        if (c == '>') {
            portal_lint_close(lint);
        }

        return NULL;

    case LINT_RAW:
    case LINT_RAW_OPEN:
        portal_lint_raw(lint, c);
        return NULL;

    default:
        portal_lint_comment(lint, c);
        return NULL;
    }
}


const char *
portal_lint_text(portal_lint_t *lint, const char *data, size_t len)
{
    size_t       i;
    const char  *wrong;

    for (i = 0; i < len; i++) {

        wrong = portal_lint_char(lint, data[i]);
        if (wrong) {
            return wrong;
        }
    }

    return NULL;
}


const char *
portal_lint_tag(portal_lint_t *lint)
{
    switch (lint->state) {

    case LINT_EQUAL:
    case LINT_UNQUOTED:
        return "unquoted attribute value: write name=\"{{value}}\"";

    case LINT_OPEN:
    case LINT_ELEMENT:
    case LINT_INSIDE:
    case LINT_ATTRIBUTE:
        return "a tag in an element's markup, outside of an attribute's "
               "quotes: write name=\"{{value}}\", or a section";

    case LINT_RAW:
    case LINT_RAW_OPEN:
        return "a tag inside <script>: write the value in a data- attribute";

    case LINT_DOUBLE:
    case LINT_SINGLE:

        /* whatever the value is, what follows it does not begin the URL */

        lint->len = PORTAL_LINT_WORD;
        return NULL;

    default:
        return NULL;
    }
}
