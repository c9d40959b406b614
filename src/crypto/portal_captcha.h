
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_CAPTCHA_H_INCLUDED_
#define _PORTAL_CAPTCHA_H_INCLUDED_


#include "portal_crypto.h"


/*
 * « Je ne suis pas un robot »: a signed challenge that a script answers by
 * work (SHA-256) and a person without scripts by a written question.  The
 * server keeps nothing between the two but what the challenge itself carries;
 * single use is a row of the sign-up's own transaction.
 */

#define PORTAL_CAPTCHA_LEN       256    /* challenge text at most */
#define PORTAL_CAPTCHA_POW_MAX   50000
#define PORTAL_CAPTCHA_MIN_AGE   3      /* seconds */
#define PORTAL_CAPTCHA_MAX_AGE   7200

typedef enum {
    PORTAL_CAPTCHA_OK = 0,
    PORTAL_CAPTCHA_MISSING,     /* no work and no answer */
    PORTAL_CAPTCHA_WRONG,       /* work or answer is wrong */
    PORTAL_CAPTCHA_FAST,        /* younger than a person reads */
    PORTAL_CAPTCHA_LATE,        /* older than MAX_AGE */
    PORTAL_CAPTCHA_INVALID,     /* not a challenge of ours for this form */
} portal_captcha_e;

typedef struct {
    char         challenge[PORTAL_CAPTCHA_LEN];
    size_t       len;
    char         salt[64];
    size_t       salt_len;
    char         target[64];    /* hex SHA-256 */
    unsigned     question;      /* which of the town's */
} portal_captcha_t;

/* now: unix seconds; questions: how many the town has */
int portal_captcha_make(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t form, int64_t now, unsigned questions,
    portal_captcha_t *out);

/*
 * First step: is the challenge ours, and which question did it ask?  Returns
 * PORTAL_CAPTCHA_OK, FAST, LATE or INVALID; id (hex of its MAC) and expires
 * are what the database keeps for single use; only INVALID leaves them unset.
 */
portal_captcha_e portal_captcha_open(const portal_keys_t *keys,
    portal_text_t tenant, portal_text_t form, int64_t now,
    portal_text_t challenge, unsigned *question, char id[PORTAL_MAC_HEX],
    int64_t *expires);

/* second step: 1 when pow is the number behind the challenge's target */
int portal_captcha_work(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t challenge, portal_text_t pow);

/*
 * 1 when the person's answer is one of the accepted ones: case, accents,
 * spaces and a final dot do not count.
 */
int portal_captcha_answer(portal_text_t given, const portal_text_t *accepted,
    size_t n);


#endif /* _PORTAL_CAPTCHA_H_INCLUDED_ */
