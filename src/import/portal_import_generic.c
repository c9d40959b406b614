
/*
 * Copyright (C) the portal's authors
 */


#include "portal_import_map.h"


/*
 * Files of one kind each, whose columns have the fields' names, or those that
 * the pages call them by.  docs/import.md lists them.
 */

#define PORTAL_FAMILY_ID    "family famille idfamille familleid codefamille"
#define PORTAL_GUARDIAN_ID  "guardian responsable idresponsable responsableid"
#define PORTAL_CHILD_ID     "child enfant idenfant enfantid"

#define PORTAL_NAMES(record)                                                  \
    { "lastname nom", record, "last_name", PORTAL_IMPORT_REQUIRED },          \
    { "firstname prenom", record, "first_name", PORTAL_IMPORT_REQUIRED }


const portal_import_kind_t  portal_import_families = {
    .name = "families",
    .files = "families familles",
    .types = "family families famille familles",
    .marks = NULL,
    .nids = 1,
    .records = {
        { "family", PORTAL_IMPORT_OWN, 0, "", -1, NULL, NULL, 0, 0 },
    },
    .columns = {
        { PORTAL_FAMILY_ID " id", -1, "family", 0 },
        { "number numero numerodefamille", 0, "number",
          PORTAL_IMPORT_REQUIRED },
        { "label libelle intitule", 0, "label", PORTAL_IMPORT_REQUIRED },
        { "accountingcode codecomptable aliastiers", 0, "accounting_code",
          0 },
    }
};


const portal_import_kind_t  portal_import_guardians = {
    .name = "guardians",
    .files = "guardians responsables",
    .types = "guardian guardians responsable responsables",
    .marks = NULL,
    .nids = 2,
    .records = {
        { "guardian", PORTAL_IMPORT_BASIC, 0, "", 1, NULL, NULL, 0, 0 },
    },
    .columns = {
        { PORTAL_GUARDIAN_ID " id", -1, "guardian", 0 },
        { PORTAL_FAMILY_ID, -2, "family", 0 },
        { "title civilite", 0, "title", 0 },
        PORTAL_NAMES(0),
        { "birthname nomdenaissance", 0, "birth_name", 0 },
        { "birthdate datedenaissance datenaissance", 0, "birth_date", 0 },
        { "birthplace lieudenaissance", 0, "birth_place", 0 },
        { "link lien liendeparente qualite", 0, "link",
          PORTAL_IMPORT_REQUIRED },
        { "authority autoriteparentale", 0, "authority", 0 },
        { "email courriel mail adresseelectronique", 0, "email", 0 },
        { "phonemobile portable mobile telephoneportable", 0, "phone_mobile",
          0 },
        { "phonehome telephone telephonefixe domicile", 0, "phone_home", 0 },
        { "phonework telephonepro telephoneprofessionnel", 0, "phone_work",
          0 },
        { "profession", 0, "profession", 0 },
        { "employer employeur", 0, "employer", 0 },
        { "payer payeur", 0, "payer", 0 },
        { "rank rang", 0, "rank", 0 },
    }
};


const portal_import_kind_t  portal_import_addresses = {
    .name = "addresses",
    .files = "addresses adresses",
    .types = "address addresses adresse adresses",
    .marks = NULL,
    .nids = 1,
    .records = {
        { "address", PORTAL_IMPORT_ADDRESS, 0, "", -1, NULL, NULL, 0, 0 },
    },
    .columns = {
        { PORTAL_GUARDIAN_ID " id", -1, "guardian", 0 },
        { "streetnumber numero numerodevoie", 0, "street_number", 0 },
        { "repetition indice indicederepetition", 0, "repetition", 0 },

        /* with the number before it, where that has no column */
        { "street voie rue line1 adresse adresse1 numeroetvoie nomdelavoie", 0,
          "street", PORTAL_IMPORT_REQUIRED },
        { "complement line2 adresse2 complementdadresse", 0, "complement",
          0 },
        { "locality lieudit", 0, "locality", 0 },
        { "postalcode codepostal cp", 0, "postal_code",
          PORTAL_IMPORT_REQUIRED },
        { "city ville commune localite", 0, "city", PORTAL_IMPORT_REQUIRED },
        { "country pays", 0, "country", PORTAL_IMPORT_REQUIRED },
        { "hostedby chez hebergepar", 0, "hosted_by", 0 },
        { "citycode codeinsee insee codecommune", 0, "city_code", 0 },
        { "banid idban identifiantban", 0, "ban_id", 0 },
        { "banscore scoreban", 0, "ban_score", 0 },
        { "bandate dateban", 0, "ban_date", 0 },
    }
};


const portal_import_kind_t  portal_import_children = {
    .name = "children",
    .files = "children enfants",
    .types = "child children enfant enfants",
    .marks = NULL,
    .nids = 1,
    .records = {
        { "child", PORTAL_IMPORT_CHILD, 0, "", -1, NULL, NULL, 0, 0 },
        { "child_family", PORTAL_IMPORT_OWN, 0, "", 1, NULL, NULL, 1, 0 },
    },
    .columns = {
        { PORTAL_CHILD_ID " id", -1, "child", 0 },
        { PORTAL_FAMILY_ID, -2, "family", 0 },
        PORTAL_NAMES(0),
        { "birthdate datedenaissance datenaissance", 0, "birth_date",
          PORTAL_IMPORT_REQUIRED },
        { "birthplace lieudenaissance", 0, "birth_place", 0 },
        { "sex sexe", 0, "sex", 0 },
        { "diet regime regimealimentaire", 0, "diet", 0 },
    }
};


const portal_import_kind_t  portal_import_child_families = {
    .name = "child_families",
    .files = "childfamilies enfantsfamilles",
    .types = "childfamily childfamilies enfantfamille enfantsfamilles",
    .marks = NULL,
    .nids = 2,
    .records = {
        { "child_family", PORTAL_IMPORT_OWN, 0, "", 1, NULL, NULL, 0, 0 },
    },
    .columns = {
        { PORTAL_CHILD_ID, -1, "child", 0 },
        { PORTAL_FAMILY_ID, -2, "family", 0 },
    }
};


const portal_import_kind_t  portal_import_schooling = {
    .name = "schooling",
    .files = "schooling scolarites scolarite",
    .types = "schooling scolarite scolarites",
    .marks = NULL,
    .nids = 1,
    .records = {
        { "schooling", PORTAL_IMPORT_CHILD, 0, "", -1, NULL, NULL, 0, 0 },
    },
    .columns = {
        { PORTAL_CHILD_ID " id", -1, "child", 0 },
        { "schoolname ecole nomdelecole", 0, "school_name",
          PORTAL_IMPORT_REQUIRED },
        { "schoollevel niveau", 0, "school_level", 0 },
        { "schoolclass classe", 0, "school_class", 0 },
        { "year annee anneescolaire", 0, "year", 0 },
    }
};


const portal_import_kind_t  portal_import_contacts = {
    .name = "contacts",
    .files = "contacts",
    .types = "contact contacts",
    .marks = NULL,
    .nids = 1,
    .records = {
        { "contact", PORTAL_IMPORT_CONTACT, 0, "", 1, NULL, NULL, 0, 0 },
    },
    .columns = {
        { PORTAL_CHILD_ID, -1, "child", 0 },
        { PORTAL_FAMILY_ID, -2, "family", 0 },
        PORTAL_NAMES(0),
        { "link lien", 0, "link", PORTAL_IMPORT_REQUIRED },
        { "phonemobile portable mobile telephoneportable", 0, "phone_mobile",
          0 },
        { "phonehome telephone telephonefixe domicile", 0, "phone_home", 0 },
        { "collect autorisearecuperer peutvenirchercher", 0, "collect",
          PORTAL_IMPORT_REQUIRED },
        { "emergency urgence aprevenirencasdurgence", 0, "emergency",
          PORTAL_IMPORT_REQUIRED },
        { "validfrom apartirdu du", 0, "valid_from", 0 },
        { "validuntil jusquau au", 0, "valid_until", 0 },
        { "rank rang", 0, "rank", 0 },
    }
};


const portal_import_kind_t  portal_import_tax = {
    .name = "tax",
    .files = "tax fiscal",
    .types = "tax fiscal",
    .marks = NULL,
    .nids = 1,
    .records = {
        { "tax", PORTAL_IMPORT_TAX, 0, "", -1, NULL, NULL, 0, 0 },
    },
    .columns = {
        { PORTAL_GUARDIAN_ID " id", -1, "guardian", 0 },
        { "taxnumber numerofiscal", 0, "tax_number", 0 },
        { "noticereference referenceavis referencedelavis", 0,
          "notice_reference", 0 },
        { "referenceincome revenufiscaldereference rfr", 0,
          "reference_income", 0 },
        { "shares parts nombredeparts", 0, "shares", 0 },
        { "quotient quotientfamilial qf", 0, "quotient", 0 },
        { "quotientdate dateduquotient dateqf", 0, "quotient_date", 0 },
        { "scheme regime caisse", 0, "scheme", 0 },
        { "cafnumber numeroallocataire numerodallocataire allocataire", 0,
          "caf_number", 0 },
    }
};


const portal_import_kind_t  portal_import_mandates = {
    .name = "mandates",
    .files = "mandates mandats",
    .types = "mandate mandates mandat mandats",
    .marks = NULL,
    .nids = 1,
    .records = {
        { "bank", PORTAL_IMPORT_BANK, 0, "", -1, NULL, NULL, 0, 0 },
    },
    .columns = {
        { PORTAL_GUARDIAN_ID " id", -1, "guardian", 0 },
        { "holder titulaire", 0, "holder", PORTAL_IMPORT_REQUIRED },
        { "iban", 0, "iban", PORTAL_IMPORT_REQUIRED },
        { "bic", 0, "bic", 0 },
        { "mandatereference rum", 0, "mandate_reference", 0 },
        { "mandatedate datesignature datedesignature", 0, "mandate_date",
          0 },
    }
};
