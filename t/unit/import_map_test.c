
/*
 * Copyright (C) the portal's authors
 */


/*
 * Lines to records: BL.enfance's files, the generic ones, NDJSON; what is
 * sealed, what is wrong.
 */


#include <unistd.h>

#include "import_test.h"


static portal_import_rules_t  rules;


typedef struct {
    const char  *name;
    const char  *data;
    uint64_t     skip;
} given_t;


/* each line as JSON without columns and random ids; then "DONE" or why not */

static char *
read_all(const given_t *given, size_t n, int columns)
{
    char                  *out, *text;
    size_t                 i, len, used;
    json_t                *record, *all, *failure;
    const char            *file;
    portal_import_e        rc;
    portal_import_book_t  *book;
    portal_import_line_t   line;

    out = malloc(1 << 20);
    used = 0;
    out[0] = '\0';

    book = portal_import_book(&rules);
    rc = PORTAL_IMPORT_DONE;

    for (i = 0; i < n && rc == PORTAL_IMPORT_DONE; i++) {
        rc = portal_import_book_add(book, given[i].name, given[i].data,
                                    strlen(given[i].data));
    }

    if (rc == PORTAL_IMPORT_DONE) {
        while ((rc = portal_import_book_scan(book)) == PORTAL_IMPORT_AGAIN);
    }

    for (i = 0; i < n; i++) {

        if (given[i].skip) {
            portal_import_book_skip(book, given[i].name, given[i].skip);
        }
    }

    while (rc != PORTAL_IMPORT_FAILED) {
        rc = portal_import_book_next(book, &line, &file);

        if (rc == PORTAL_IMPORT_AGAIN) {
            continue;
        }

        if (rc != PORTAL_IMPORT_LINE) {
            break;
        }

        for (i = 0; i < json_array_size(line.records); i++) {
            record = json_array_get(line.records, i);
            json_object_del(record, "seal_id");

            if (!columns) {
                json_object_del(record, "columns");
            }
        }

        all = json_pack("{s:I, s:O, s:O}", "line", (json_int_t) line.line,
                        "records", line.records, "errors", line.errors);
        text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
        used += (size_t) sprintf(out + used, "%s\n", text);
        free(text);
        json_decref(all);
        portal_import_line_free(&line);
    }

    failure = portal_import_book_failure(book);
    text = json_dumps(failure, JSON_COMPACT | JSON_SORT_KEYS);
    len = (size_t) sprintf(out + used, "%s",
                           rc == PORTAL_IMPORT_DONE ? "DONE" : text);
    ok(len > 0 && rc != PORTAL_IMPORT_MEMORY, "read");
    free(text);
    json_decref(failure);
    portal_import_book_free(book);

    return out;
}


static void
reads(const char *name, const char *data, const char *want, const char *what)
{
    char     *out;
    given_t   given = { name, data, 0 };

    out = read_all(&given, 1, 0);
    is(out, want, what);
    free(out);
}


/* that the text is somewhere in what comes */

static void
says(const char *name, const char *data, const char *want, const char *what)
{
    char     *out;
    given_t   given = { name, data, 0 };

    out = read_all(&given, 1, 0);

    if (!ok(strstr(out, want) != NULL, "%s", what)) {
        printf("#  got: %s\n# want: %s\n", out, want);
    }

    free(out);
}


#define FAMILLE                                                               \
    "id;aliasTiers;sexeResp1;nomResp1;prenomResp1;dateNaisResp1;"             \
    "telephoneResp1;portableResp1;telephoneProResp1;emailResp1;sexeResp2;"    \
    "nomResp2;prenomResp2;dateNaisResp2;telephoneResp2;portableResp2;"        \
    "telephoneProResp2;emailResp2;adrNumeroVoie;adrcodePostal;adrLocalite;"   \
    "typeModeReglementResp1\n"


static void
bl(void)
{
    reads("famille.csv", FAMILLE
          "1042;T42;FEMININ;LE GALL;Hélène;04/05/1985;02 98 00 11 22;"
          "06.12.34.56.78;;helene@example.org;MASCULIN;O’Brien;Yann;"
          "1984-02-29;;612345679;;;3 rue de l'Église;29000;Quimper;"
          "PRELEVEMENT\n",
          "{\"errors\":[],\"line\":2,\"records\":["
          "{\"key\":\"1042\",\"kind\":\"family\",\"values\":"
          "{\"accounting_code\":\"T42\",\"number\":\"1042\"}},"
          "{\"key\":\"1042/1\",\"kind\":\"guardian\",\"ref\":\"1042\","
          "\"values\":{\"birth_date\":\"1985-05-04\","
          "\"email\":\"helene@example.org\",\"first_name\":\"Hélène\","
          "\"last_name\":\"LE GALL\",\"payer\":\"yes\","
          "\"phone_home\":\"+33298001122\",\"phone_mobile\":\"+33612345678\","
          "\"phone_work\":null,\"rank\":1,\"title\":\"mrs\"}},"
          "{\"key\":\"1042/1\",\"kind\":\"address\",\"values\":"
          "{\"city\":\"Quimper\",\"postal_code\":\"29000\","
          "\"street\":\"3 rue de l'Église\"}},"
          "{\"key\":\"1042/2\",\"kind\":\"guardian\",\"ref\":\"1042\","
          "\"values\":{\"birth_date\":\"1984-02-29\",\"email\":null,"
          "\"first_name\":\"Yann\",\"last_name\":\"O’Brien\","
          "\"phone_home\":null,\"phone_mobile\":\"+33612345679\","
          "\"phone_work\":null,\"rank\":2,\"title\":\"mr\"}},"
          "{\"key\":\"1042/2\",\"kind\":\"address\",\"values\":"
          "{\"city\":\"Quimper\",\"postal_code\":\"29000\","
          "\"street\":\"3 rue de l'Église\"}}]}\nDONE",
          "famille.csv, with both");

    reads("Famille (2).csv", FAMILLE
          "7;;MASCULIN;Roux;Guy;;;;;;MASCULIN;;;;;;;;;;;\n",
          "{\"errors\":[],\"line\":2,\"records\":["
          "{\"key\":\"7\",\"kind\":\"family\",\"values\":"
          "{\"accounting_code\":null,\"number\":\"7\"}},"
          "{\"key\":\"7/1\",\"kind\":\"guardian\",\"ref\":\"7\",\"values\":"
          "{\"birth_date\":null,\"email\":null,\"first_name\":\"Guy\","
          "\"last_name\":\"Roux\",\"payer\":\"yes\",\"phone_home\":null,"
          "\"phone_mobile\":null,\"phone_work\":null,\"rank\":1,"
          "\"title\":\"mr\"}}]}\nDONE",
          "a guardian alone, who lives nowhere");

    reads("enfant.csv", "Id;sexe;nom;prenom;dateNaissance\n"
          "0012;F;Le Gall;Maël;02/09/2019\n;M;X;Y;1/1/2020\n",
          "{\"errors\":[],\"line\":2,\"records\":["
          "{\"key\":\"0012\",\"kind\":\"child\",\"values\":"
          "{\"birth_date\":\"2019-09-02\",\"first_name\":\"Maël\","
          "\"last_name\":\"Le Gall\",\"sex\":\"f\"}}]}\n"
          "{\"errors\":[{\"code\":\"required\",\"column\":\"Id\","
          "\"field\":\"id\"}],\"line\":3,\"records\":[]}\nDONE",
          "enfant.csv: an id is a text; a line without one");

    reads("enfantFamille.csv", "famille_id,enfant_id\n1042,0012\n",
          "{\"errors\":[],\"line\":2,\"records\":[{\"key\":\"0012\","
          "\"kind\":\"child_family\",\"ref\":\"1042\",\"values\":{}}]}\nDONE",
          "enfantFamille.csv");

    reads("mandat.csv", "titulaire_id;rum;dateSignature;iban;bic\n"
          "1042;RUM1;01/02/2024;FR14 2004 1010 0505 0001 3M02 606;PSSTFRPPREN\n"
          "1043;RUM2;01/02/2024;FR14 2004 1010 0505 0001 3M02 607;PSSTFRPPREN\n",
          "{\"errors\":[],\"line\":2,\"records\":[{\"key\":\"1042/1\","
          "\"kind\":\"bank\",\"values\":{\"bic\":\"PSSTFRPPREN\","
          "\"iban\":\"FR1420041010050500013M02606\","
          "\"mandate_date\":\"2024-02-01\",\"mandate_reference\":\"RUM1\"}}]}\n"
          "{\"errors\":[{\"code\":\"iban_key\",\"column\":\"iban\","
          "\"field\":\"iban\"}],\"line\":3,\"records\":[{\"key\":\"1043/1\","
          "\"kind\":\"bank\",\"values\":{\"bic\":\"PSSTFRPPREN\","
          "\"mandate_date\":\"2024-02-01\","
          "\"mandate_reference\":\"RUM2\"}}]}\nDONE",
          "mandat.csv: a wrong IBAN refuses its line");

    says("export.csv", FAMILLE "1;;;N;P;;;;;;;;;;;;;;;;;\n",
         "\"kind\":\"family\"", "told by its columns, whatever its name");
}


static void
generic(void)
{
    says("responsables.csv", "Responsable;Famille;Civilité;Nom;Prénom;Lien de "
         "parenté;Autorité parentale;Téléphone portable;Payeur;Rang\n"
         "g1;f1;Mme;Nœl;Zoé;Mère;oui;0033 6 12 34 56 78;non;2\n",
         "{\"errors\":[],\"line\":2,\"records\":[{\"key\":\"g1\","
         "\"kind\":\"guardian\",\"ref\":\"f1\",\"values\":"
         "{\"authority\":\"yes\",\"first_name\":\"Zoé\","
         "\"last_name\":\"Nœl\",\"link\":\"mother\",\"payer\":\"no\","
         "\"phone_mobile\":\"+33612345678\",\"rank\":2,\"title\":\"mrs\"}}]}",
         "guardians, in French");

    says("guardians.csv", "guardian;family;last_name;first_name;link;"
         "phone_mobile;phone_home;birth_date\n"
         "g1;f1;A;B;step;01 02 03 04 05;12;31/02/2000\n",
         "\"errors\":[{\"code\":\"date_format\",\"column\":\"birth_date\","
         "\"field\":\"birth_date\",\"left\":true},{\"code\":\"choice\","
         "\"column\":\"link\",\"field\":\"link\"},{\"code\":\"phone_mobile\","
         "\"column\":\"phone_mobile\",\"field\":\"phone_mobile\","
         "\"left\":true},{\"code\":\"phone_format\","
         "\"column\":\"phone_home\",\"field\":\"phone_home\","
         "\"left\":true}]", "what is wrong, by column");

    says("adresses.csv", "Responsable;Adresse;Code postal;Ville;Pays\n"
         "g1;\"1 rue\nHaute\";1000;Bourg;France\n",
         "\"values\":{\"city\":\"Bourg\",\"country\":\"FR\","
         "\"postal_code\":\"01000\",\"street\":\"1 rue Haute\"}",
         "a spreadsheet's postcode, a line break in a cell");
    says("adresses.csv", "Responsable;Numéro;Indice;Rue;Code postal;Ville;Pays;"
         "Code Insee;Ban Id;Ban Score;Ban Date\n"
         "g1;3;Bis;rue Haute;20000;Ajaccio;;2A004;2A004_0318_00003_bis;0,97;"
         "25/11/2026\n",
         "\"values\":{\"ban_date\":\"2026-11-25\","
         "\"ban_id\":\"2A004_0318_00003_bis\",\"ban_score\":\"0,97\","
         "\"city\":\"Ajaccio\",\"city_code\":\"2A004\","
         "\"postal_code\":\"20000\",\"repetition\":\"Bis\","
         "\"street\":\"rue Haute\",\"street_number\":\"3\"}",
         "an address in its parts, with its codes");
    says("adresses.csv", "Responsable;Rue;Code postal;Ville;"
         "Code Insee;Ban Id;Ban Score\n"
         "g1;3 rue Haute;20000;Ajaccio;2C004;2A 004;1,5\n",
         "\"errors\":[{\"code\":\"city_code_format\","
         "\"column\":\"Code Insee\",\"field\":\"city_code\","
         "\"left\":true},{\"code\":\"ban_format\",\"column\":\"Ban Id\","
         "\"field\":\"ban_id\",\"left\":true},{\"code\":\"ban_format\","
         "\"column\":\"Ban Score\",\"field\":\"ban_score\","
         "\"left\":true}]", "codes that are none are left out");
    says("adresses.csv", "Responsable;Adresse;Code postal;Ville;Pays\n"
         "g1;1 rue;1000;Bruxelles;BE\n", "\"postal_code\":\"1000\"",
         "but not abroad");

    says("enfants.csv", "enfant;famille;nom;prenom;date de naissance;regime\n"
         "=\"007\";f1;A;B;2020-03-01 00:00:00;sans porc\n",
         "\"records\":[{\"key\":\"007\",\"kind\":\"child\",\"values\":"
         "{\"birth_date\":\"2020-03-01\",\"diet\":\"no_pork\","
         "\"first_name\":\"B\",\"last_name\":\"A\"}},{\"key\":\"007\","
         "\"kind\":\"child_family\",\"ref\":\"f1\",\"values\":{}}]",
         "children with their family; a formula that hides a text");

    says("scolarites.csv", "enfant;ecole;niveau;classe;annee\n"
         "c;Jules-Ferry;Grande section;A;2026/2027\n",
         "\"values\":{\"school_class\":\"A\",\"school_level\":\"gs\","
         "\"school_name\":\"Jules-Ferry\",\"year\":\"2026-2027\"}",
         "schooling");
    says("scolarites.csv", "enfant;ecole;annee\nc;J;2026-2028\n",
         "{\"code\":\"year_format\",\"column\":\"annee\",\"field\":\"year\","
         "\"left\":true}", "no school year");

    says("contacts.csv", "enfant;famille;nom;prenom;lien;collect;emergency\n"
         "c;;A;B;grand-mère;oui;non\n",
         "\"records\":[{\"key\":\"c\",\"kind\":\"contact\",\"values\":"
         "{\"collect\":\"yes\",\"emergency\":\"no\",\"first_name\":\"B\","
         "\"last_name\":\"A\",\"link\":\"grandparent\"}}]",
         "a contact of whatever family");

    says("fiscal.csv", "responsable;rfr;parts;qf;caisse;allocataire\n"
         "g;12 345;2,5;800;CAF;123 456 K\n",
         "\"values\":{\"caf_number\":\"123456\",\"quotient\":800,"
         "\"reference_income\":12345,\"scheme\":\"caf\",\"shares\":\"2.5\"}",
         "tax");

    says("familles.csv", "famille;numero;libelle\nf1;a-12;\n",
         "{\"code\":\"required\",\"column\":\"libelle\",\"field\":\"label\"}",
         "what is never empty");
    says("familles.csv", "famille;numero\nf1;a-12\n",
         "\"number\":\"A-12\"", "what has no column is left as it is");
    says("familles.csv", "famille;numero\nf1;a_12\n",
         "\"code\":\"number_format\"", "a number that is none");
}


static void
wrong(void)
{
    says("familles.csv", "famille;libelle\nf1;a\nf2\nf3;b;c\nf4;d;\n",
         "{\"errors\":[{\"code\":\"cells\"}],\"line\":3,\"records\":[]}\n"
         "{\"errors\":[{\"code\":\"cells\"}],\"line\":4,\"records\":[]}\n"
         "{\"errors\":[],\"line\":5", "ragged lines");
    says("famille.csv", "id;nomResp1;prenomResp1\n17;A\n",
         "\"records\":[{\"key\":\"17/1\",\"kind\":\"unread_guardian\"},"
         "{\"key\":\"17/2\",\"kind\":\"unread_guardian\"}]}",
         "whom a ragged one names");
    says("familles.csv", "famille;libelle\nf1;\"a\nf2;b\n",
         "{\"errors\":[{\"code\":\"quote\",\"column\":\"libelle\"}],\"line\":2,"
         "\"records\":[]}\n{\"errors\":[],\"line\":3",
         "a quote: line and column");
    says("familles.csv", "famille;libelle\nf1;\"a\nf2;b\nf3;\";z\nf4;c\n",
         "\"errors\":[{\"code\":\"cells\"}],\"line\":2,\"records\":[]}\n"
         "{\"errors\":[],\"line\":3", "a quote that another has closed");
    says("familles.csv", "famille;libelle\nf1;\xef\xbf\xbe\n", "\"code\":",
         "no character");
    says("familles.csv", "\xef\xbb\xbf" "famille;libelle\nf1;\xe9\n",
         "{\"code\":\"encoding\",\"column\":\"libelle\",\"field\":\"label\"}",
         "no UTF-8 where the file says so");
    says("familles.csv", "famille;libelle\nf1;\xe9\n",
         "\"label\":\"é\"", "Windows-1252 is read as such");
    reads("familles.csv", "libelle;numero\na;1\n",
          "{\"errors\":[{\"code\":\"required\",\"column\":\"family\","
          "\"field\":\"family\"}],\"line\":1,\"records\":[]}\nDONE",
          "a header without its id: nothing of the file");
    reads("responsables.csv", "responsable;nom\ng;A\n",
          "{\"errors\":[{\"code\":\"required\",\"column\":\"family\","
          "\"field\":\"family\"}],\"line\":1,\"records\":[{\"key\":\"\","
          "\"kind\":\"unread_guardian\"}]}\nDONE",
          "which of two ids it is");
    says("x.ndjson", "{\"type\":\"guardian\",\"guardian\":\"g\","
         "\"last_name\":\"A\",\"first_name\":\"B\"}\n",
         "\"records\":[{\"key\":\"g\",\"kind\":\"guardian\",\"values\":"
         "{\"first_name\":\"B\",\"last_name\":\"A\"}}]}",
         "whom a line without a family names");
    reads("familles.csv", "famille;libelle;libellé\na;1;2\n",
          "{\"errors\":[{\"code\":\"duplicate\",\"column\":\"libellé\"}],"
          "\"line\":1,\"records\":[]}\nDONE", "two columns of one name");
    reads("familles.csv", "famille;libelle\n",
          "{\"code\":\"empty\",\"file\":null,\"line\":null}", "no line");
    reads("familles.csv", "",
          "{\"code\":\"empty\",\"file\":null,\"line\":null}", "nothing");
    reads("x.csv", "a;b\n1;2\n",
          "{\"code\":\"unknown_file\",\"file\":\"x.csv\",\"line\":null}",
          "nobody knows what it is");
    reads("famille.csv", "%PDF-1.7\n", "{\"code\":\"encoding\",\"file\":"
          "\"famille.csv\",\"line\":null}", "something else");
    reads("famille.csv", "PK\3\4 and so on",
          "{\"code\":\"cut\",\"file\":null,\"line\":null}", "a zip that was cut");
}


static void
ndjson(void)
{
    reads("import.ndjson",
          "{\"type\":\"family\",\"family\":17,\"label\":\"A\"}\n"
          "{\"type\":\"guardian\",\"guardian\":\"g\",\"family\":17,"
          "\"last_name\":\"A\",\"first_name\":\"B\",\"link\":\"father\","
          "\"authority\":true,\"email\":null,\"x\":1}\n"
          "{\"type\":\"dog\"}\n[1]\n{\"type\":\"family\"}\n"
          "{\"type\":\"family\",\"family\":[1]}\n{\"a\":1,\"a\":2}\n",
          "{\"errors\":[],\"line\":1,\"records\":[{\"key\":\"17\","
          "\"kind\":\"family\",\"values\":{\"label\":\"A\"}}]}\n"
          "{\"errors\":[],\"line\":2,\"records\":[{\"key\":\"g\","
          "\"kind\":\"guardian\",\"ref\":\"17\",\"values\":"
          "{\"authority\":\"yes\",\"email\":null,\"first_name\":\"B\","
          "\"last_name\":\"A\",\"link\":\"father\"}}]}\n"
          "{\"errors\":[{\"code\":\"kind\",\"column\":\"type\","
          "\"field\":\"type\"}],\"line\":3,\"records\":[]}\n"
          "{\"errors\":[{\"code\":\"json\"}],\"line\":4,\"records\":"
          "[{\"key\":\"\",\"kind\":\"unread_guardian\"}]}\n"
          "{\"errors\":[{\"code\":\"required\",\"column\":\"family\","
          "\"field\":\"family\"}],"
          "\"line\":5,\"records\":[]}\n"
          "{\"errors\":[{\"code\":\"type\",\"column\":\"family\"},"
          "{\"code\":\"required\",\"column\":\"family\","
          "\"field\":\"family\"}],"
          "\"line\":6,\"records\":[]}\n"
          "{\"errors\":[{\"code\":\"json\"}],\"line\":7,\"records\":"
          "[{\"key\":\"\",\"kind\":\"unread_guardian\"}]}\nDONE",
          "NDJSON");
    says("x.txt", "{\"type\":\"child\",\"child\":\"c\",\"last_name\":\"A\\u0000\"}",
         "\"code\":\"control\"", "told by its first sign; a zero in a text");
}


static void
several(void)
{
    char    *out;
    given_t  given[] = {
        { "mandat.csv", "titulaire_id;iban\n1;FR1420041010050500013M02606\n",
          0 },
        { "enfant.csv", "Id;nom;prenom;dateNaissance\n1;A;B;1/1/2020\n"
          "2;C;D;1/1/2020\n3;E;F;1/1/2020\n", 3 },
        { "lisez-moi.txt", "bonjour\n", 0 },
        { "familles.csv", "famille;libelle\n1;x\n", 0 } };

    out = read_all(given, 4, 1);
    is(out,
       "{\"errors\":[],\"line\":2,\"records\":[{\"columns\":"
       "{\"family\":\"famille\",\"label\":\"libelle\"},\"key\":\"1\",\"kind\":\"family\",\"values\":"
       "{\"label\":\"x\"}}]}\n"
       "{\"errors\":[],\"line\":4,\"records\":[{\"columns\":"
       "{\"birth_date\":\"dateNaissance\",\"first_name\":\"prenom\","
       "\"id\":\"Id\",\"last_name\":\"nom\"},\"key\":\"3\",\"kind\":\"child\",\"values\":"
       "{\"birth_date\":\"2020-01-01\",\"first_name\":\"F\","
       "\"last_name\":\"E\"}}]}\n"
       "{\"errors\":[],\"line\":2,\"records\":[{\"columns\":"
       "{\"guardian\":\"titulaire_id\",\"iban\":\"iban\"},\"key\":\"1/1\",\"kind\":\"bank\",\"values\":"
       "{\"iban\":\"FR1420041010050500013M02606\"}}]}\nDONE",
       "several files, in their order; what is staged is passed over");
    free(out);

    out = read_all((given_t []) { { "a.csv", "x", 0 }, { "a.csv", "y", 0 } },
                   2, 0);
    is(out, "{\"code\":\"zip\",\"file\":\"a.csv\",\"line\":null}",
       "two of one name");
    free(out);
}


static void
sealed(void)
{
    int                    n;
    char                   err[256], plain[256], *text;
    json_t                *places, *keys_wanted, *record, *values;
    portal_keys_t         *keys;
    portal_text_t          town = { "saint-aubin", 11 };
    portal_import_bind_t   bind;
    portal_import_line_t   line;
    portal_csv_cell_t      names[] = { { "responsable", 11 }, { "iban", 4 },
                                       { "bic", 3 } };
    portal_csv_cell_t      cells[] = {
        { "g1", 2 }, { "FR1420041010050500013M02606", 27 },
        { "", 0 } };
    size_t                 cell;

    unlink("build/unit/import-keys");
    ok(portal_keys_make("build/unit/import-keys") == 0, "keys");
    keys = portal_keys_read("build/unit/import-keys", err, sizeof(err));

    ok(portal_import_bind(&bind, &portal_import_mandates, names, 3, &cell)
       == NULL, "bound");
    portal_import_line_init(&line, 2);
    portal_import_map(&rules, &bind, cells, &line);

    keys_wanted = json_object();
    portal_import_sealing(&rules, &line, keys_wanted);
    ok(json_object_get(keys_wanted, "g1") != NULL, "whose place is asked for");

    places = json_pack("{s:s}", "g1", "6b1f4f0e-0000-4000-8000-000000000001");
    ok(portal_import_seal(&rules, keys, town, &line, places) == 0, "sealed");

    record = json_array_get(line.records, 0);
    values = json_object_get(record, "values");
    text = json_dumps(line.records, JSON_COMPACT);
    ok(strstr(text, "FR14") == NULL
       && json_is_null(json_object_get(values, "bic")),
       "nothing of the account is left");
    free(text);

    n = portal_open(keys, town, (portal_text_t) { "guardian", 8 },
                    (portal_text_t) { "6b1f4f0e-0000-4000-8000-000000000001",
                                      36 },
                    (portal_text_t) { "iban", 4 },
                    (portal_text_t) { json_string_value(
                                          json_object_get(values, "iban")),
                                      json_string_length(
                                          json_object_get(values, "iban")) },
                    plain, sizeof(plain));
    ok(n == 27 && memcmp(plain, "FR1420041010050500013M02606", 27) == 0,
       "it opens in its place");
    is(json_string_value(json_object_get(json_object_get(record, "hints"),
                                         "iban")),
       "2606", "its end may be shown");
    ok(json_string_length(json_object_get(json_object_get(record, "macs"),
                                          "iban"))
       == PORTAL_MAC_HEX, "a MAC compares it");
    portal_import_line_free(&line);
    json_decref(keys_wanted);

    portal_import_line_init(&line, 3);
    portal_import_map(&rules, &bind, cells, &line);
    json_object_clear(places);
    ok(portal_import_seal(&rules, keys, town, &line, places) == 0
       && json_array_size(line.records) == 0, "nobody's account is not sealed");
    is(json_string_value(json_object_get(json_array_get(line.errors, 0),
                                         "code")),
       "no_guardian", "and that is said");
    portal_import_line_free(&line);

    json_decref(places);
    portal_keys_free(keys);
    unlink("build/unit/import-keys");
}


/* what the tables say of themselves */

static void
tables(void)
{
    int                            i, r;
    size_t                         c;
    const portal_form_t           *form;
    const portal_import_kind_t    *kind;
    const portal_import_column_t  *column;

    for (i = 0; portal_import_kinds[i] != NULL; i++) {
        kind = portal_import_kinds[i];

        for (c = 0; kind->columns[c].names != NULL; c++) {
            column = &kind->columns[c];
            r = column->record;

            if (r < 0) {
                continue;
            }

            form = rules.form[kind->records[r].form];

            if (kind->records[r].kind == NULL
                || (portal_form_field(form, column->field) == NULL
                    && portal_form_field(rules.form[0], column->field)
                       == NULL))
            {
                ok(0, "%s: %s is in no form", kind->name, column->field);
            }
        }

        ok(c < PORTAL_IMPORT_COLUMNS, "%s has %u columns", kind->name,
           (unsigned) c);
    }
}

/* lines that are wrong count as well: each of them is told of */

static void
endless(void)
{
    char                  *data;
    size_t                 i, n, head;
    json_t                *failure;
    const char            *file;
    portal_import_e        rc;
    portal_import_book_t  *book;
    portal_import_line_t   line;

    static const char  wrong[] = "\"a\"b\n";

    n = PORTAL_IMPORT_LINES + 1;
    head = sizeof(FAMILLE) - 1;
    data = malloc(head + n * (sizeof(wrong) - 1));

    memcpy(data, FAMILLE, head);

    for (i = 0; i < n; i++) {
        memcpy(data + head + i * (sizeof(wrong) - 1), wrong,
               sizeof(wrong) - 1);
    }

    book = portal_import_book(&rules);
    (void) portal_import_book_add(book, "famille.csv", data,
                                  head + n * (sizeof(wrong) - 1));

    while (portal_import_book_scan(book) == PORTAL_IMPORT_AGAIN);

    portal_import_book_skip(book, "famille.csv", n + 1);

    do {
        rc = portal_import_book_next(book, &line, &file);
    } while (rc == PORTAL_IMPORT_AGAIN);

    failure = portal_import_book_failure(book);

    ok(rc == PORTAL_IMPORT_FAILED, "a file of wrong lines has an end");
    is(json_string_value(json_object_get(failure, "code")), "too_many_lines",
       "and that is said");

    json_decref(failure);
    portal_import_book_free(book);
    free(data);
}


int
main(void)
{
    portal_crypto_init();
    rules_read(&rules);

    tables();
    bl();
    generic();
    wrong();
    ndjson();
    several();
    endless();
    sealed();

    rules_free(&rules);
    printf("1..%u\n", tests);

    return failed != 0;
}
