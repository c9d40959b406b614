
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal_import_map.h"


/*
 * As ngx_http_portal_seal.c does it for what families ask: for the place in
 * the file, kind / id / field, so that the ciphertext moves there as it is.
 */

#define PORTAL_IMPORT_HINT  4           /* last characters of an IBAN */

typedef struct {
    const portal_keys_t  *keys;
    portal_text_t         tenant;
    portal_text_t         id;
    json_t               *values;
    json_t               *macs;
    json_t               *hints;
} portal_import_sealing_t;


static const portal_form_t *portal_import_sealed(
    const portal_import_rules_t *rules, const json_t *record);
static int portal_import_seal_record(const portal_form_t *form,
    const portal_keys_t *keys, portal_text_t tenant, json_t *record,
    json_t *place);
static int portal_import_seal_field(portal_import_sealing_t *sealing,
    const portal_field_t *field, json_t *value);
static int portal_import_seal_text(portal_import_sealing_t *sealing,
    const portal_field_t *field, portal_text_t plain);


int
portal_import_sealing(const portal_import_rules_t *rules,
    const portal_import_line_t *line, json_t *keys)
{
    size_t         i;
    const json_t  *record;

    for (i = 0; i < json_array_size(line->records); i++) {
        record = json_array_get(line->records, i);

        if (portal_import_sealed(rules, record) != NULL
            && json_object_set_new(keys,
                   json_string_value(json_object_get(record, "key")),
                   json_true())
               != 0)
        {
            return -1;
        }
    }

    return 0;
}


/* the record's form, where something in it is to be sealed */

static const portal_form_t *
portal_import_sealed(const portal_import_rules_t *rules, const json_t *record)
{
    size_t                i;
    const char           *kind;
    const json_t         *value;
    const portal_form_t  *form;

    kind = json_string_value(json_object_get(record, "kind"));
    form = strcmp(kind, "tax") == 0 ? rules->form[PORTAL_IMPORT_TAX]
           : strcmp(kind, "bank") == 0 ? rules->form[PORTAL_IMPORT_BANK]
           : NULL;

    for (i = 0; form != NULL && i < form->nfields; i++) {
        value = json_object_get(json_object_get(record, "values"),
                                form->fields[i].name);

        if (form->fields[i].sealed && value != NULL && !json_is_null(value)) {
            return form;
        }
    }

    return NULL;
}


int
portal_import_seal(const portal_import_rules_t *rules,
    const portal_keys_t *keys, portal_text_t tenant,
    portal_import_line_t *line, json_t *places)
{
    size_t                i;
    json_t               *record, *place, *columns;
    const char           *key;
    const portal_form_t  *form;

    for (i = 0; i < json_array_size(line->records); i++) {
        record = json_array_get(line->records, i);
        key = json_string_value(json_object_get(record, "key"));
        place = json_object_get(record, "seal_id");

        if (place != NULL) {

            if (json_object_get(places, key) == NULL
                && json_object_set(places, key, place) != 0)
            {
                return -1;
            }

            continue;
        }

        form = portal_import_sealed(rules, record);

        if (form == NULL) {
            continue;
        }

        place = json_object_get(places, key);

        if (!json_is_string(place)) {

            columns = json_object_get(record, "columns");

            if (portal_import_error(line, "guardian",
                                    json_string_value(
                                        json_object_get(columns, "guardian")),
                                    "no_guardian", 0)
                != 0)
            {
                return -1;
            }

            (void) json_array_remove(line->records, i--);
            continue;
        }

        if (portal_import_seal_record(form, keys, tenant, record, place)
            != 0)
        {
            return -1;
        }
    }

    return 0;
}


static int
portal_import_seal_record(const portal_form_t *form,
    const portal_keys_t *keys, portal_text_t tenant, json_t *record,
    json_t *place)
{
    int                       rc;
    size_t                    i;
    json_t                   *value;
    portal_import_sealing_t   sealing;

    sealing.keys = keys;
    sealing.tenant = tenant;
    sealing.id.data = json_string_value(place);
    sealing.id.len = json_string_length(place);
    sealing.values = json_object_get(record, "values");
    sealing.macs = json_object();
    sealing.hints = json_object();

    rc = sealing.macs == NULL || sealing.hints == NULL ? -1 : 0;

    for (i = 0; i < form->nfields && rc == 0; i++) {
        value = json_object_get(sealing.values, form->fields[i].name);

        if (form->fields[i].sealed && value != NULL && !json_is_null(value)) {
            rc = portal_import_seal_field(&sealing, &form->fields[i], value);
        }
    }

    if (rc == 0) {
        rc = json_object_set(record, "macs", sealing.macs)
             || json_object_set(record, "hints", sealing.hints)
             || json_object_set(record, "seal_id", place) ? -1 : 0;
    }

    json_decref(sealing.macs);
    json_decref(sealing.hints);

    return rc;
}


static int
portal_import_seal_field(portal_import_sealing_t *sealing,
    const portal_field_t *field, json_t *value)
{
    int             rc;
    char            digits[32];
    size_t          n;
    json_t         *kept;
    portal_text_t   plain;

    plain.data = json_string_value(value);
    plain.len = json_string_length(value);

    if (json_is_integer(value)) {
        plain.data = digits;
        plain.len = (size_t) snprintf(digits, sizeof(digits),
                                      "%" JSON_INTEGER_FORMAT,
                                      json_integer_value(value));
        (void) json_integer_set(value, 0);
    }

    if (plain.data == NULL) {
        return -1;
    }

    rc = 0;

    if (field->type == PORTAL_FIELD_IBAN) {
        n = plain.len < PORTAL_IMPORT_HINT ? plain.len : PORTAL_IMPORT_HINT;

        rc = json_object_set_new(sealing->hints, field->name,
                                 json_stringn(plain.data + plain.len - n, n));
    }

    /* the plain text's is wiped, not freed, before it is */

    kept = json_incref(value);

    if (rc == 0) {
        rc = portal_import_seal_text(sealing, field, plain);
    }

    portal_wipe((char *) plain.data, plain.len);
    json_decref(kept);

    return rc;
}


static int
portal_import_seal_text(portal_import_sealing_t *sealing,
    const portal_field_t *field, portal_text_t plain)
{
    int             n, rc;
    char           *text, hex[PORTAL_MAC_HEX];
    size_t          size;
    uint8_t         mac[PORTAL_MAC_LEN];
    portal_text_t   kind, name;

    kind.data = "guardian";
    kind.len = 8;
    name.data = field->name;
    name.len = strlen(field->name);

    if (field->type != PORTAL_FIELD_CAF_NUMBER) {
        portal_mac_value(sealing->keys, sealing->tenant, kind, sealing->id,
                         name, plain, mac);

    } else if (portal_mac_caf(sealing->keys, sealing->tenant, plain, mac)
               != 0)
    {
        return -1;
    }

    portal_hex(mac, sizeof(mac), hex);

    size = portal_sealed_len(plain.len);

    text = malloc(size);
    if (text == NULL) {
        return -1;
    }

    n = portal_seal(sealing->keys, sealing->tenant, kind, sealing->id, name,
                    plain, text, size);

    rc = n < 0
         || json_object_set_new(sealing->macs, field->name,
                                json_stringn(hex, sizeof(hex)))
         || json_object_set_new(sealing->values, field->name,
                                json_stringn(text, (size_t) n)) ? -1 : 0;

    free(text);

    return rc;
}
