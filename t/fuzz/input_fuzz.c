
/*
 * Copyright (C) the portal's authors
 */


/*
 * libFuzzer: the first byte chooses; the rest is a urlencoded body, a JSON
 * body, a multipart one, the file of a form, an Accept-Language, or one field.
 * Beside the sanitizers, what must hold of every answer.
 */


#include <stdlib.h>
#include <string.h>

#include "../../src/crypto/portal_crypto.h"
#include "../../src/input/portal_form.h"
#include "../../src/input/portal_language.h"
#include "../../src/input/portal_upload.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static portal_form_t  *form;

static const char  form_text[] =
    "field t text min=2 max=20\nfield n name required\nfield e email\n"
    "field p password\nfield w password new=n,e\nfield d date max=today\n"
    "field c choice options=search,add\nfield y yesno\nfield k code\n"
    "field i integer min=-5 max=100\nfield s token hidden\n"
    "field u path hidden\nfield l lines refuse=nir,belief,handicap\n"
    "field h phone\nfield m phone mobile\nfield z postcode country=o\n"
    "field o country\nfield b iban\nfield j bic\nfield x tax_number\n"
    "field r tax_notice\nfield a caf_number\nfield q shares\n"
    "field f cents\nfield aa colour\nfield g date age=0..17\n"
    "field v file accept=jpeg,png max=1k\ncaptcha\n";


#define holds(condition)  do { if (!(condition)) abort(); } while (0)


static void
known_code(const char *code)
{
    size_t  i;

    for (i = 0; portal_form_codes[i] != NULL; i++) {

        if (strcmp(portal_form_codes[i], code) == 0) {
            return;
        }
    }

    abort();
}


static void
answer(const json_t *values, const json_t *typed, const json_t *errors)
{
    char    *text;
    size_t   i;
    json_t  *error;

    /* whatever comes in, what goes on is JSON: UTF-8 and no surprise */

    text = json_dumps(values, 0);
    holds(text != NULL);
    free(text);

    text = json_dumps(typed, 0);
    holds(text != NULL);
    free(text);

    text = json_dumps(errors, 0);
    holds(text != NULL);
    free(text);

    holds(json_object_get(typed, "p") == NULL);
    holds(json_object_get(typed, "w") == NULL);

    for (i = 0; i < json_array_size(errors); i++) {
        error = json_array_get(errors, i);
        known_code(json_string_value(json_object_get(error, "code")));
    }

    if (json_array_size(errors) == 0) {
        holds(json_object_size(values) == form->nfields);
        holds(json_is_string(json_object_get(values, "n")));
    }
}


static void
body(const char *text, size_t len, int json)
{
    char                    err[128];
    json_t                 *raw, *values, *typed, *errors;
    portal_body_e           rc;
    portal_form_context_t   context;

    err[0] = '\0';

    rc = json ? portal_body_json(text, len, &raw, err, sizeof(err))
              : portal_body_urlencoded(text, len, &raw, err, sizeof(err));

    if (rc != PORTAL_BODY_OK) {
        holds(raw == NULL);
        return;
    }

    holds(json_is_object(raw) && json_object_size(raw) <= PORTAL_BODY_KEYS);

    context.today = "2026-11-24";
    context.words = NULL;

    holds(portal_form_check(form, raw, json, &context, &values, &typed,
                            &errors)
          == 0);

    answer(values, typed, errors);

    portal_form_wipe(form, raw);
    json_decref(raw);
    json_decref(values);
    json_decref(typed);
    json_decref(errors);
}


static portal_body_e
any_token(void *data, const char *token)
{
    return PORTAL_BODY_OK;
}


/* in two pieces, or each byte alone: the same, and then as any body */

static portal_body_e
upload(const char *text, size_t len, size_t first, size_t step, json_t **raw)
{
    char             err[128];
    size_t           i, n;
    portal_body_e    rc;
    portal_upload_t  up;

    holds(portal_upload_init(&up, "b", 1, any_token, NULL, err, sizeof(err))
          == 0);

    rc = PORTAL_BODY_OK;

    for (i = 0; i < len && rc == PORTAL_BODY_OK; i += n) {
        n = i == 0 ? first : step;
        n = n < len - i ? n : len - i;
        rc = portal_upload_feed(&up, text + i, n);
    }

    if (rc == PORTAL_BODY_OK) {
        rc = portal_upload_finish(&up);
    }

    for (i = 0; i < up.nfiles; i++) {
        holds(up.files[i].start + up.files[i].size <= len);
    }

    portal_upload_done(&up);
    *raw = up.raw;

    return rc;
}


static void
multipart(const char *text, size_t len)
{
    char                    out[PORTAL_MULTIPART_BOUNDARY];
    size_t                  first;
    json_t                 *whole, *pieces, *values, *typed, *errors;
    portal_body_e           rc;
    portal_form_context_t   context;

    holds(portal_multipart_boundary(text, len, out) <= sizeof(out));

    first = len ? 1 + (unsigned char) text[len - 1] % len : 1;

    rc = upload(text, len, first, len, &whole);
    holds(upload(text, len, 1, 1, &pieces) == rc);
    holds(json_equal(whole, pieces));

    context.today = "2026-11-24";
    context.words = NULL;

    if (rc == PORTAL_BODY_OK) {
        holds(portal_form_check(form, whole, 0, &context, &values, &typed,
                                &errors)
              == 0);
        answer(values, typed, errors);

        json_decref(values);
        json_decref(typed);
        json_decref(errors);
    }

    json_decref(whole);
    json_decref(pieces);
}


static void
one(const char *name, const char *text, size_t len)
{
    json_t                 *raw, *values, *typed, *errors;
    portal_form_context_t   context;

    /* not checked to be UTF-8: as another reader of bodies might leave it */

    raw = json_object();
    json_object_set_new(raw, "n", json_string("Martin"));
    json_object_set_new(raw, name, json_stringn_nocheck(text, len));

    context.today = "2026-11-24";
    context.words = NULL;

    holds(portal_form_check(form, raw, 0, &context, &values, &typed,
                            &errors)
          == 0);

    answer(values, typed, errors);

    json_decref(raw);
    json_decref(values);
    json_decref(typed);
    json_decref(errors);
}


static void
file(const char *text, size_t len)
{
    char            err[256];
    unsigned        line;
    portal_form_t  *got;

    err[0] = '\0';
    got = portal_form_parse("fuzz", text, len, &line, err, sizeof(err));

    holds((got == NULL) == (err[0] != '\0'));
    portal_form_free(got);
}


static void
accept_language(const char *text, size_t len)
{
    int            got;
    portal_text_t  accept;

    static const portal_text_t  offered[] = { { "fr", 2 }, { "en", 2 } };

    accept.data = text;
    accept.len = len;

    got = portal_language_accept(accept, offered, 2);

    holds(got >= -1 && got < 2);
    holds(got == -1 || len > 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char      *text, err[256];
    unsigned   line;

    if (form == NULL) {
        holds(portal_crypto_init() == 0);
        form = portal_form_parse("fuzz", form_text, strlen(form_text), &line,
                                 err, sizeof(err));
        holds(form != NULL);
    }

    if (size == 0) {
        return 0;
    }

    size--;
    text = malloc(size ? size : 1);
    holds(text != NULL);
    memcpy(text, data + 1, size);

    switch (data[0] % 6) {

    case 0:
        body(text, size, 0);
        break;

    case 1:
        body(text, size, 1);
        break;

    case 2:
        file(text, size);
        break;

    case 3:
        accept_language(text, size);
        break;

    case 4:
        multipart(text, size);
        break;

    default:
        one(form->fields[data[0] / 6 % form->nfields].name, text, size);
        break;
    }

    free(text);

    return 0;
}
