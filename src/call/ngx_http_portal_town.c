
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A town's document as this worker holds it: asked for when the worker starts,
 * or when a request first names the town (ngx_http_portal_towns.c); replaced
 * whenever portal.enter() returns a newer one, and asked for again, before it
 * is shown, by a worker that has heard nothing of it for some seconds.
 */

/* what templates may read of it; the captcha's answers are not among them */
static const char  *ngx_http_portal_town_public[] = {
    "name", "service", "family_service", "origin", "logo", "logo_width",
    "logo_height", "theme_css", "theme_sheet", "phone", "email", "office",
    "hours", "counter", "texts", "subscription_effect", "retention", "copies",
    "feeds", NULL
};


/* how long requests wait for it, ms */
#define NGX_HTTP_PORTAL_TOWN_PATIENCE  1000

/* for how long a worker that heard nothing of it believes what it holds, ms */
#define NGX_HTTP_PORTAL_TOWN_FRESH     5000


static void ngx_http_portal_town_answer(portal_op_t *op);
static void ngx_http_portal_town_retry(ngx_event_t *ev);
static void ngx_http_portal_town_impatient(ngx_event_t *ev);
static void ngx_http_portal_town_release(ngx_http_portal_town_t *town);
static json_t *ngx_http_portal_town_unknown(ngx_http_portal_main_conf_t *pmcf,
    ngx_http_portal_town_t *town, ngx_uint_t language);
static void ngx_http_portal_town_languages(ngx_http_portal_town_t *town,
    json_t *codes);
static json_t *ngx_http_portal_town_shown(ngx_http_portal_town_t *town,
    json_t *document, ngx_uint_t language);

static ngx_http_portal_main_conf_t  *ngx_http_portal_town_conf;


/* of one whose slug is set, all else zero; what it is starts being asked */

ngx_int_t
ngx_http_portal_town_start(ngx_http_portal_main_conf_t *pmcf,
    ngx_http_portal_town_t *town, ngx_log_t *log)
{
    ngx_uint_t  n;

    ngx_http_portal_town_conf = pmcf;

    town->document = NULL;
    town->version = 0;
    town->offered = 1;
    town->language = 0;
    town->asked = 0;
    town->gone = 0;

    ngx_queue_init(&town->waiting);

    for (n = 0; n < pmcf->nlanguages; n++) {
        town->public[n] = ngx_http_portal_town_unknown(pmcf, town, n);

        if (town->public[n] == NULL) {
            return NGX_ERROR;
        }
    }

    town->retry.handler = ngx_http_portal_town_retry;
    town->retry.data = town;
    town->retry.log = log;
    town->retry.cancelable = 1;

    /* not cancelable: a worker that quits answers first who waits here */

    portal_op_event(&town->patience, ngx_http_portal_town_impatient, log);

    if (town->nowhere) {
        town->asked = 1;
        return NGX_OK;
    }

    ngx_add_timer(&town->patience, NGX_HTTP_PORTAL_TOWN_PATIENCE);

    ngx_http_portal_town_ask(town);

    return NGX_OK;
}


/*
 * Before PostgreSQL has been heard once, public pages are still served, under
 * names that hold in every town.
 */

static json_t *
ngx_http_portal_town_unknown(ngx_http_portal_main_conf_t *pmcf,
    ngx_http_portal_town_t *town, ngx_uint_t language)
{
    u_char           logo[128], theme[128];
    portal_views_t  *views;

    views = pmcf->views[language];

    if (town->nowhere) {
        ngx_snprintf(logo, sizeof(logo), "/static/favicon.svg%Z");
        ngx_snprintf(theme, sizeof(theme), "/static/portal.css%Z");

    } else {
        ngx_snprintf(logo, sizeof(logo), "/static/logo-%V.svg%Z",
                     &town->slug);
        ngx_snprintf(theme, sizeof(theme), "/static/theme-%V.css%Z",
                     &town->slug);
    }

    return json_pack("{s:s?, s:s?, s:s?, s:s, s:i, s:i, s:s, s:n, s:n, s:n, "
                     "s:n, s:n, s:n, s:n, s:{s:n}, s:n, s:n, s:n}",
                     "name", portal_views_label(views, "town.name"),
                     "service", portal_views_label(views, "town.service"),
                     "family_service",
                     portal_views_label(views, "town.family_service"),
                     "logo", logo,
                     "logo_width", 48, "logo_height", 48,
                     "theme_css", theme,
                     "theme_sheet",
                     "origin", "phone", "email", "office", "hours", "counter",
                     "texts", "no_code",
                     "subscription_effect", "phone_display", "retention");
}


void
ngx_http_portal_town_ask(ngx_http_portal_town_t *town)
{
    portal_pg_op_t  *op;

    if (town->op != NULL) {
        return;
    }

    town->heard = ngx_current_msec;

    if (ngx_http_portal.refusing) {
        ngx_add_timer(&town->retry, 1000 + (ngx_msec_t) ngx_random() % 500);
        return;
    }

    op = portal_pg_op(ngx_http_portal.pg);
    if (op == NULL) {
        return;
    }

    if (portal_pg_query(op, ngx_http_portal_town_conf->town) != NGX_OK
        || portal_pg_param(op, &town->slug) != NGX_OK)
    {
        portal_pg_drop(op);
        return;
    }

    op->op.handler = ngx_http_portal_town_answer;
    op->op.data = town;

    town->op = op;

    portal_pg_post(ngx_http_portal.pg, op);
}


/*
 * Who comes first after a while and waits, waits as at a worker's start: a page
 * without a call of its own would show what was, however long ago it changed.
 * Nobody loses a turn of the database to it.
 */

void
ngx_http_portal_town_refresh(ngx_http_portal_town_t *town, ngx_uint_t waits)
{
    portal_pg_stats_t  stats;

    if (ngx_current_msec - town->heard < NGX_HTTP_PORTAL_TOWN_FRESH) {
        return;
    }

    /* who asked before had their turn of waiting */

    if (town->op != NULL) {
        return;
    }

    portal_pg_stats(ngx_http_portal.pg, &stats);

    if (stats.open <= stats.busy) {
        return;
    }

    ngx_http_portal_town_ask(town);

    if (waits && town->op != NULL) {
        town->asked = 0;
        ngx_add_timer(&town->patience, NGX_HTTP_PORTAL_TOWN_PATIENCE);
    }
}


static void
ngx_http_portal_town_answer(portal_op_t *op)
{
    json_t                  *document;
    ngx_http_portal_town_t  *town;

    town = op->data;
    town->op = NULL;

    if (op->status == PORTAL_OP_OK) {
        document = portal_pg_json(op);

        if (json_is_object(document)) {
            ngx_http_portal_town_set(town, document);
            ngx_http_portal_town_release(town);
            return;
        }

        json_decref(document);

        if (town->pool != NULL) {

            /* anybody may write any host name: no line in the log for that */

            town->gone = 1;
            ngx_http_portal_town_release(town);
            return;
        }

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "portal: the database has no town \"%V\"", &town->slug);
    }

    if (town->pool == NULL && !ngx_exiting && !ngx_terminate) {
        ngx_add_timer(&town->retry, 1000 + (ngx_msec_t) ngx_random() % 500);
    }

    ngx_http_portal_town_release(town);
}


static void
ngx_http_portal_town_retry(ngx_event_t *ev)
{
    ngx_http_portal_town_t *town = ev->data;

    if (town->document == NULL && !ngx_exiting && !ngx_terminate) {
        ngx_http_portal_town_ask(town);
    }
}


static void
ngx_http_portal_town_impatient(ngx_event_t *ev)
{
    ngx_http_portal_town_release((ngx_http_portal_town_t *)
                                 ((u_char *) ev
                                  - offsetof(ngx_http_portal_town_t,
                                             patience)));
}


static void
ngx_http_portal_town_release(ngx_http_portal_town_t *town)
{
    ngx_queue_t             all, *q;
    ngx_http_portal_ctx_t  *ctx;
    ngx_http_portal_town_t *real;

    town->asked = 1;

    if (town->patience.timer_set) {
        ngx_del_timer(&town->patience);
    }

    ngx_queue_init(&all);

    if (!ngx_queue_empty(&town->waiting)) {
        ngx_queue_add(&all, &town->waiting);
        ngx_queue_init(&town->waiting);
    }

    /* from here on the town may be no more */

    real = ngx_http_portal_towns_settle(town);

    /* one may end another, whose log still asks for its town */

    for (q = ngx_queue_head(&all);
         q != ngx_queue_sentinel(&all);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_portal_ctx_t, town_queue);
        ctx->town = real;
    }

    while (!ngx_queue_empty(&all)) {
        q = ngx_queue_head(&all);
        ngx_queue_remove(q);

        ctx = ngx_queue_data(q, ngx_http_portal_ctx_t, town_queue);
        ctx->town_waiting = 0;

        ngx_http_portal_gate_resume(ctx);
    }
}


/* takes over the reference */

void
ngx_http_portal_town_set(ngx_http_portal_town_t *town, json_t *document)
{
    json_t      *shown, *origin;
    ngx_uint_t   i;

    origin = json_object_get(document, "origin");

    if (!json_is_string(origin)) {
        json_decref(document);
        return;
    }

    town->gone = 0;
    town->heard = ngx_current_msec;

    if (json_equal(document, town->document)) {
        json_decref(document);
        return;
    }

    ngx_http_portal_town_languages(town,
                                   json_object_get(document, "languages"));

    for (i = 0; i < ngx_http_portal_town_conf->nlanguages; i++) {
        shown = ngx_http_portal_town_shown(town, document, i);

        if (shown != NULL) {
            json_decref(town->public[i]);
            town->public[i] = shown;
        }
    }

    if (town->place == PORTAL_COUNT_TOWNS - 1) {
        town->place = portal_count_town(&town->slug);
    }

    json_decref(town->document);

    town->document = document;
    town->version = json_integer_value(json_object_get(document, "version"));
    town->origin.data = (u_char *) json_string_value(origin);
    town->origin.len = json_string_length(origin);

    origin = json_object_get(document, "agent_origin");
    town->agent_origin.data = (u_char *) json_string_value(origin);
    town->agent_origin.len = json_string_length(origin);
}


/* of what the town offers, what this nginx has the labels of */

static void
ngx_http_portal_town_languages(ngx_http_portal_town_t *town, json_t *codes)
{
    size_t      i;
    json_t     *code;
    ngx_int_t   n;

    town->offered = 0;
    town->language = 0;

    json_array_foreach(codes, i, code) {
        n = ngx_http_portal_language_find(ngx_http_portal_town_conf,
                                          (u_char *) json_string_value(code),
                                          json_string_length(code));
        if (n == NGX_ERROR) {
            continue;
        }

        if (town->offered == 0) {
            town->language = (ngx_uint_t) n;
        }

        town->offered |= (ngx_uint_t) 1 << n;
    }

    if (town->offered == 0) {
        town->offered = 1;
    }
}


/*
 * "texts" of the document are the town's own words, plain or by language; one
 * named as a column of the town says it in another language than the first.
 * "names" are what it calls what it has added to lists of ours.
 */

static json_t *
ngx_http_portal_town_shown(ngx_http_portal_town_t *town, json_t *document,
    ngx_uint_t language)
{
    json_t      *shown, *texts, *names, *own, *value;
    ngx_uint_t   i;
    const char  *name;

    shown = json_object();
    texts = json_object();
    own = json_object_get(document, "texts");

    for (i = 0; ngx_http_portal_town_public[i]; i++) {
        name = ngx_http_portal_town_public[i];
        value = json_object_get(json_object_get(own, name),
                  (char *) ngx_http_portal_town_conf->languages[language].data);

        if (!json_is_string(value)) {
            value = json_object_get(document, name);
        }

        json_object_set(shown, name, value ? value : json_null());
    }

    json_object_foreach(own, name, value) {
        value = ngx_http_portal_town_text(town, value, language);
        json_object_set(texts, name, value ? value : json_null());
    }

    json_object_set_new(shown, "texts", texts);

    names = json_object();
    own = json_object_get(document, "names");

    json_object_foreach(own, name, value) {
        value = ngx_http_portal_town_text(town, value, language);
        json_object_set(names, name, value ? value : json_null());
    }

    json_object_set_new(shown, "names", names);

    json_object_set_new(shown, "phone_display",
                        ngx_http_portal_phone(json_object_get(document,
                                                              "phone")));

    return shown;
}


/* "text", or { "fr": "text", "en": "text" } */

json_t *
ngx_http_portal_town_text(ngx_http_portal_town_t *town, json_t *text,
    ngx_uint_t language)
{
    json_t     *value;
    ngx_str_t  *languages;

    if (json_is_string(text)) {
        return text;
    }

    languages = ngx_http_portal_town_conf->languages;

    value = json_object_get(text, (char *) languages[language].data);

    if (!json_is_string(value)) {
        value = json_object_get(text,
                                (char *) languages[town->language].data);
    }

    return json_is_string(value) ? value : NULL;
}


/* as it is read aloud, in pairs that no line breaks */

json_t *
ngx_http_portal_phone(json_t *number)
{
    char         display[32];
    const char  *phone;

    phone = json_string_value(number);

    if (phone == NULL) {
        return json_null();
    }

    if (ngx_strlen(phone) != 12 || ngx_strncmp(phone, "+33", 3) != 0) {
        return json_string(phone);
    }

    ngx_snprintf((u_char *) display, sizeof(display),
                 "0%*s\xc2\xa0%*s\xc2\xa0%*s\xc2\xa0%*s\xc2\xa0%*s%Z",
                 (size_t) 1, phone + 3, (size_t) 2, phone + 4,
                 (size_t) 2, phone + 6, (size_t) 2, phone + 8,
                 (size_t) 2, phone + 10);

    return json_string(display);
}


void
ngx_http_portal_town_end(ngx_http_portal_town_t *town)
{
    ngx_uint_t  n;

    if (town->op != NULL) {
        portal_op_detach(&town->op->op);
        town->op = NULL;
    }

    if (town->retry.timer_set) {
        ngx_del_timer(&town->retry);
    }

    if (town->patience.timer_set) {
        ngx_del_timer(&town->patience);
    }

    json_decref(town->document);
    town->document = NULL;

    for (n = 0; n < ngx_http_portal_town_conf->nlanguages; n++) {
        json_decref(town->public[n]);
        town->public[n] = NULL;
    }
}
