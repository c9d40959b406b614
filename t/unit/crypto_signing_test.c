
/*
 * Copyright (C) the portal's authors
 */


#include "../../src/crypto/portal_crypto.h"
#include "tap.h"


/* a message signed as Standard Webhooks shows it, and secrets that are none */


static portal_text_t
text(const char *s)
{
    return (portal_text_t) { s, strlen(s) };
}


static int
sign(const char *secret, const char *body, char out[PORTAL_SIGNATURE])
{
    return portal_signing_sign(text(secret),
                               text("msg_p5jXN8AQM9LWM0D4loKWxJek"),
                               text("1614265330"), text(body), out);
}


int
main(void)
{
    char  secret[PORTAL_SIGNING_SECRET + 1], other[PORTAL_SIGNING_SECRET + 1];
    char  out[PORTAL_SIGNATURE], again[PORTAL_SIGNATURE];

    if (portal_crypto_init() != 0) {
        return 1;
    }

    ok(sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "{\"test\": 2432232314}", out) == 0
       && memcmp(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                 PORTAL_SIGNATURE) == 0,
       "the example of Standard Webhooks");

    portal_signing_make(secret);
    portal_signing_make(other);
    secret[PORTAL_SIGNING_SECRET] = other[PORTAL_SIGNING_SECRET] = '\0';

    ok(strncmp(secret, "whsec_", 6) == 0 && strlen(secret) == 50
       && secret[49] == '=', "a secret of 32 bytes");
    ok(strcmp(secret, other) != 0, "is another one each time");

    ok(sign(secret, "{}", out) == 0 && sign(secret, "{}", again) == 0
       && memcmp(out, again, sizeof(out)) == 0, "and signs the same alike");
    ok(sign(secret, "{ }", again) == 0
       && memcmp(out, again, sizeof(out)) != 0, "something else otherwise");
    ok(sign(other, "{}", again) == 0
       && memcmp(out, again, sizeof(out)) != 0, "as another secret does");

    ok(sign("", "{}", out) == -1 && sign("whsec_", "{}", out) == -1
       && sign("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "{}", out) == -1
       && sign("whsec_M$KQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "{}", out) == -1,
       "what is no secret signs nothing");

    printf("1..%u\n", tests);

    return failed ? 1 : 0;
}
