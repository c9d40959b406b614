
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_PASSWORD_H_INCLUDED_
#define _PORTAL_PASSWORD_H_INCLUDED_


#include <stddef.h>


/*
 * Strength of a password being chosen (domain.md 1.4): libzxcvbn, whose
 * dictionaries are in the library, with words of our own beside them.
 */

#define PORTAL_WORDS_MAX    96
#define PORTAL_WORD_LEN     31
#define PORTAL_PHRASES_MAX  8

typedef struct {
    size_t   n;
    char     word[PORTAL_WORDS_MAX][PORTAL_WORD_LEN + 1];
    size_t   nphrases;
    char    *phrase[PORTAL_PHRASES_MAX];       /* folded addresses */
} portal_words_t;

void portal_words_init(portal_words_t *words);
void portal_words_done(portal_words_t *words);

/*
 * Adds a name, an address or a town's word, and its parts.  What exceeds the
 * limits is left out.  Returns 0, or -1 when memory is short.
 */
int portal_words_add(portal_words_t *words, const char *text, size_t len);

/* 1 weak, 0 good, -1 when memory is short; well under a millisecond */
int portal_password_weak(const char *text, size_t len,
    const portal_words_t *words);


#endif /* _PORTAL_PASSWORD_H_INCLUDED_ */
