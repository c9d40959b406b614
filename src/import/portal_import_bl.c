
/*
 * Copyright (C) the portal's authors
 */


#include "portal_import_map.h"


/*
 * The export of BL.enfance: a household's line has both guardians, who have
 * no id of their own, and one address.  typeModeReglementResp1 is not taken.
 */

#define PORTAL_BL_RESP(n, guardian)                                           \
    { "sexeresp" #n, guardian, "title", 0 },                                  \
    { "nomresp" #n, guardian, "last_name", PORTAL_IMPORT_REQUIRED },          \
    { "prenomresp" #n, guardian, "first_name", PORTAL_IMPORT_REQUIRED },      \
    { "datenaisresp" #n " datenaissanceresp" #n, guardian, "birth_date", 0 }, \
    { "telephoneresp" #n, guardian, "phone_home", 0 },                        \
    { "portableresp" #n, guardian, "phone_mobile", 0 },                       \
    { "telephoneproresp" #n, guardian, "phone_work", 0 },                     \
    { "emailresp" #n, guardian, "email", 0 }

#define PORTAL_BL_ADDRESS(n)                                                  \
    { "adrnumerovoie", n, "street", PORTAL_IMPORT_REQUIRED },                 \
    { "adrcodepostal", n, "postal_code", PORTAL_IMPORT_REQUIRED },            \
    { "adrlocalite", n, "city", PORTAL_IMPORT_REQUIRED }


const portal_import_kind_t  portal_import_bl_famille = {
    .name = "bl_famille",
    .files = "famille",
    .types = "",
    .marks = "id nomresp1",
    .nids = 1,
    .records = {
        { "family", PORTAL_IMPORT_OWN, 0, "", -1, NULL, NULL, 0, 0 },
        { "guardian", PORTAL_IMPORT_BASIC, 0, "/1", 0, "last_name first_name",
          "rank=1,payer=yes", 0, 0 },
        { "address", PORTAL_IMPORT_ADDRESS, 0, "/1", -1,
          "street postal_code city", NULL, 0, 2 },
        { "guardian", PORTAL_IMPORT_BASIC, 0, "/2", 0, "last_name first_name",
          "rank=2", 0, 0 },
        { "address", PORTAL_IMPORT_ADDRESS, 0, "/2", -1,
          "street postal_code city", NULL, 0, 4 },
    },
    .columns = {
        { "id", -1, "id", 0 },
        { "id", 0, "number", 0 },
        { "aliastiers", 0, "accounting_code", 0 },
        PORTAL_BL_RESP(1, 1),
        PORTAL_BL_ADDRESS(2),
        PORTAL_BL_RESP(2, 3),
        PORTAL_BL_ADDRESS(4),
    }
};


const portal_import_kind_t  portal_import_bl_enfant = {
    .name = "bl_enfant",
    .files = "enfant",
    .types = "",
    .marks = "id nom prenom datenaissance",
    .nids = 1,
    .records = {
        { "child", PORTAL_IMPORT_CHILD, 0, "", -1, NULL, NULL, 0, 0 },
    },
    .columns = {
        { "id", -1, "id", 0 },
        { "sexe", 0, "sex", 0 },
        { "nom", 0, "last_name", PORTAL_IMPORT_REQUIRED },
        { "prenom", 0, "first_name", PORTAL_IMPORT_REQUIRED },
        { "datenaissance", 0, "birth_date", PORTAL_IMPORT_REQUIRED },
    }
};


const portal_import_kind_t  portal_import_bl_enfant_famille = {
    .name = "bl_enfant_famille",
    .files = "enfantfamille",
    .types = "",
    .marks = "familleid enfantid",
    .nids = 2,
    .records = {
        { "child_family", PORTAL_IMPORT_OWN, 0, "", 1, NULL, NULL, 0, 0 },
    },
    .columns = {
        { "enfantid", -1, "child", 0 },
        { "familleid", -2, "family", 0 },
    }
};


const portal_import_kind_t  portal_import_bl_mandat = {
    .name = "bl_mandat",
    .files = "mandat",
    .types = "",
    .marks = "titulaireid iban",
    .nids = 1,
    .records = {
        { "bank", PORTAL_IMPORT_BANK, 0, "/1", -1, NULL, NULL, 0, 0 },
    },
    .columns = {
        { "titulaireid", -1, "guardian", 0 },
        { "rum", 0, "mandate_reference", 0 },
        { "datesignature", 0, "mandate_date", 0 },
        { "iban", 0, "iban", PORTAL_IMPORT_REQUIRED },
        { "bic", 0, "bic", 0 },
    }
};
