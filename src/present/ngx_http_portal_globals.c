
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * What every template may read beside its document: the town, who is asking,
 * where they are, and the location's form with what was typed and refused.
 */


static json_t *ngx_http_portal_user(ngx_http_portal_ctx_t *ctx);
static json_t *ngx_http_portal_role(ngx_http_portal_ctx_t *ctx);
static json_t *ngx_http_portal_switch(ngx_http_portal_ctx_t *ctx);
static json_t *ngx_http_portal_languages(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t others);
static json_t *ngx_http_portal_back(ngx_http_request_t *r,
    ngx_uint_t status);
static json_t *ngx_http_portal_nav(ngx_http_request_t *r);
static json_t *ngx_http_portal_notice(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
static json_t *ngx_http_portal_wait(ngx_http_portal_ctx_t *ctx);
static json_t *ngx_http_portal_errors(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status);
static const char *ngx_http_portal_error_of(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *field);


json_t *
ngx_http_portal_globals(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t status)
{
    char                          key[36];
    json_t                       *g;
    ngx_str_t                     csrf, *id;
    ngx_http_portal_loc_conf_t   *plcf;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    plcf = ctx->verdict;

    ngx_str_null(&csrf);

    if (ctx->live || (status && plcf->act != NULL)) {
        csrf = ngx_http_portal_csrf(r, ctx);

        if (csrf.len == 0) {
            return NULL;
        }
    }

    portal_uuid(key);
    id = ngx_http_portal_request_id(r, ctx);

    g = json_object();

    if (g == NULL
        || json_object_set_new_nocheck(g, "lang",
               json_string((char *) pmcf->languages[ctx->language].data))
        || json_object_set_new_nocheck(g, "csrf",
               csrf.len ? json_stringn((char *) csrf.data, csrf.len)
                        : json_null())
        || json_object_set_new_nocheck(g, "languages",
               ngx_http_portal_languages(r, ctx, 0))
        || json_object_set_new_nocheck(g, "other_languages",
               ngx_http_portal_languages(r, ctx, 1))
        || json_object_set_new_nocheck(g, "path",
                                       ngx_http_portal_back(r, status))
        || json_object_set_nocheck(g, "town",
                                   ctx->town->public[ctx->language])
        || json_object_set_new_nocheck(g, "user", ngx_http_portal_user(ctx))
        || json_object_set_new_nocheck(g, "family_switch",
                                       ngx_http_portal_switch(ctx))
        || json_object_set_new_nocheck(g, "has_family",
               json_boolean(ctx->live && ctx->session.family))
        || json_object_set_new_nocheck(g, "agents",
                                       json_boolean(plcf->agents))
        || json_object_set_new_nocheck(g, "role", ngx_http_portal_role(ctx))
        || json_object_set_new_nocheck(g, "nav", ngx_http_portal_nav(r))
        || json_object_set_new_nocheck(g, "notice",
                                       ngx_http_portal_notice(r, ctx))
        || json_object_set_new_nocheck(g, "wait", ngx_http_portal_wait(ctx))
        || json_object_set_new_nocheck(g, "restore",
               ctx->restore.len ? json_stringn((char *) ctx->restore.data,
                                               ctx->restore.len)
                                : json_null())
        || json_object_set_new_nocheck(g, "errors",
                                       ngx_http_portal_errors(r, ctx, status))
        || json_object_set_new_nocheck(g, "request",
               json_stringn((char *) id->data, id->len))
        || json_object_set_new_nocheck(g, "key",
               ctx->again ? json_stringn((char *) ctx->key.data, ctx->key.len)
                          : json_stringn(key, sizeof(key)))
        || json_object_set_new_nocheck(g, "form",
               status ? ngx_http_portal_form_model(r, ctx) : json_null())
        || json_object_set_new_nocheck(g, "captcha",
               status ? ngx_http_portal_captcha(r, ctx) : json_null()))
    {
        json_decref(g);
        return NULL;
    }

    return g;
}


static json_t *
ngx_http_portal_user(ngx_http_portal_ctx_t *ctx)
{
    size_t                      i, n, len;
    u_char                      initials[2 * 4];
    int64_t                     left;
    ngx_uint_t                  start, words;
    ngx_http_portal_session_t  *s;

    if (!ctx->live) {
        return json_null();
    }

    s = &ctx->session;

    /* the first letters of the first two words */

    n = 0;
    start = 1;
    words = 0;

    for (i = 0; i < s->name_len && words < 2; i++) {

        if (s->name[i] == ' ' || s->name[i] == '-') {
            start = 1;
            continue;
        }

        if (!start) {
            continue;
        }

        start = 0;
        words++;

        len = s->name[i] < 0x80 ? 1 : s->name[i] < 0xe0 ? 2
              : s->name[i] < 0xf0 ? 3 : 4;

        if (i + len <= s->name_len) {
            ngx_memcpy(&initials[n], &s->name[i], len);
            n += len;
        }
    }

    /* no warning can be due before */

    left = ngx_min(s->idle, s->opened + s->absolute - ngx_time())
           - NGX_HTTP_PORTAL_WARNING;

    return json_pack("{s:s%, s:s%, s:I, s:i, s:i, s:I}",
                     "name", s->name, (size_t) s->name_len,
                     "initials", initials, n,
                     "account", (json_int_t) s->account,
                     "idle_minutes", (int) (s->idle + 59) / 60,
                     "absolute_hours", (int) (s->absolute + 3599) / 3600,
                     "calm", (json_int_t) ngx_max(left, 0));
}


/* of an agent; what they may do is for the functions to say, not for this */

static json_t *
ngx_http_portal_role(ngx_http_portal_ctx_t *ctx)
{
    ngx_uint_t  roles;

    roles = ctx->live ? ctx->session.roles : 0;

    if (!(roles & NGX_HTTP_PORTAL_ROLE_AGENT)) {
        return json_null();
    }

    return json_pack("{s:b, s:b, s:b}",
                     "administrator",
                     (roles & NGX_HTTP_PORTAL_ROLE_ADMINISTRATOR) != 0,
                     "validator",
                     (roles & NGX_HTTP_PORTAL_ROLE_VALIDATOR) != 0,
                     "reader",
                     (roles & NGX_HTTP_PORTAL_ROLE_READER) != 0);
}


static json_t *
ngx_http_portal_switch(ngx_http_portal_ctx_t *ctx)
{
    if (!ctx->live || ctx->session.family == 0 || ctx->session.families < 2) {
        return json_null();
    }

    return json_pack("{s:s%, s:i}", "label", ctx->session.label,
                     (size_t) ctx->session.label_len,
                     "families", (int) ctx->session.families);
}


/* what the town offers, each by its own name; null when none is left */

static json_t *
ngx_http_portal_languages(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t others)
{
    json_t                       *list;
    ngx_uint_t                    i;
    const char                   *name;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    list = json_array();

    for (i = 0; i < pmcf->nlanguages; i++) {

        if (!ngx_http_portal_language_offered(ctx->town, i)
            || (others && i == ctx->language))
        {
            continue;
        }

        name = portal_views_label(pmcf->views[i], "language.name");

        json_array_append_new(list,
            json_pack("{s:s, s:s?, s:b}", "code", pmcf->languages[i].data,
                      "name", name, "current", i == ctx->language));
    }

    if (json_array_size(list) == 0) {
        json_decref(list);
        return json_null();
    }

    return list;
}


/*
 * Where a form that is on every page leads back to: the page as it was asked
 * for.  An error page repeats nothing of that.
 */

static json_t *
ngx_http_portal_back(ngx_http_request_t *r, ngx_uint_t status)
{
    json_t  *path;

    path = status && r->unparsed_uri.len < 512
           ? json_stringn((char *) r->unparsed_uri.data, r->unparsed_uri.len)
           : NULL;

    return path ? path : json_string("/");
}


/* which entry of the menu a page belongs to: the first that it begins with */

static const struct {
    const char  *name;
    ngx_str_t    path;
} ngx_http_portal_menu[] = {
    { "space", ngx_string("/mon-espace") },
    { "account", ngx_string("/mon-compte") },
    { "account", ngx_string("/compte") },
    { "subscriptions", ngx_string("/mes-abonnements") },
    { "requests", ngx_string("/famille/demandes") },
    { "verification", ngx_string("/famille/verification") },
    { "families", ngx_string("/familles") },
    { "family", ngx_string("/famille") },
    { "bans", ngx_string("/interdictions") },
    { "copies", ngx_string("/recopie") },
    { "refused", ngx_string("/refus") },
    { "imports", ngx_string("/imports") },
    { "journal", ngx_string("/journal") },
    { "codes", ngx_string("/codes") },
    { "settings", ngx_string("/reglages") },
    { "settings", ngx_string("/agents") },
    { "settings", ngx_string("/durees") },
    { "statistics", ngx_string("/statistiques") },
};


static json_t *
ngx_http_portal_nav(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    const ngx_str_t  *path;

    if (r->uri.len == 1) {
        return json_pack("{s:b}", "home", 1);
    }

    for (i = 0; i < sizeof(ngx_http_portal_menu)
                    / sizeof(ngx_http_portal_menu[0]); i++)
    {
        path = &ngx_http_portal_menu[i].path;

        if (r->uri.len >= path->len
            && ngx_strncmp(r->uri.data, path->data, path->len) == 0)
        {
            return json_pack("{s:b}", ngx_http_portal_menu[i].name, 1);
        }
    }

    return json_object();
}


/*
 * "?avis=code" after a redirect names a notice that the template knows; never
 * a text that a link could bring.
 */

static json_t *
ngx_http_portal_notice(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    char        name[sizeof("is_") + 32];
    size_t      i;
    json_t     *notice;
    ngx_str_t   value;

    if (ctx->notice != NULL) {
        value.data = (u_char *) ctx->notice;
        value.len = ngx_strlen(ctx->notice);

    } else if (ngx_http_arg(r, (u_char *) "avis", 4, &value) != NGX_OK
               || value.len == 0 || value.len > 32)
    {
        return json_null();
    }

    for (i = 0; i < value.len; i++) {
        if ((value.data[i] < 'a' || value.data[i] > 'z')
            && value.data[i] != '_')
        {
            return json_null();
        }
    }

    notice = json_object();

    json_object_set_new(notice, "code",
                        json_stringn((char *) value.data, value.len));

    /* "is_CODE", so that a template without logic can tell them apart */

    ngx_snprintf((u_char *) name, sizeof(name), "is_%V%Z", &value);
    json_object_set_new(notice, name, json_true());

    return notice;
}


/* when to try again, in words: minutes, or hours when it is long */

static json_t *
ngx_http_portal_wait(ngx_http_portal_ctx_t *ctx)
{
    if (ctx->retry == 0) {
        return json_null();
    }

    if (ctx->retry <= 5400) {
        return json_pack("{s:i, s:n}", "minutes",
                         (int) ((ctx->retry + 59) / 60), "hours");
    }

    return json_pack("{s:n, s:i}", "minutes", "hours",
                     (int) ((ctx->retry + 3599) / 3600));
}


/* what is wrong; of what came too late there is nothing to be mended */

static json_t *
ngx_http_portal_errors(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_uint_t status)
{
    json_t  *list, *error;
    size_t   i;

    if (json_array_size(ctx->errors) == 0) {
        return json_null();
    }

    list = json_array();

    json_array_foreach(ctx->errors, i, error) {
        json_array_append_new(list,
                              ngx_http_portal_form_error(r, ctx, error));
    }

    return json_pack("{s:i, s:b, s:o}", "count",
                     (int) json_array_size(list), "late",
                     status == NGX_HTTP_CONFLICT
                     || status == NGX_HTTP_PRECONDITION_FAILED
                     || status == NGX_HTTP_FORBIDDEN,
                     "list", list);
}


static const char *
ngx_http_portal_error_of(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    const char *field)
{
    json_t  *error;
    size_t   i;

    json_array_foreach(ctx->errors, i, error) {

        if (ngx_strcmp(json_string_value(json_object_get(error, "field")),
                       field)
            == 0)
        {
            return ngx_http_portal_error_message(r, ctx, error);
        }
    }

    return NULL;
}


/* a fresh challenge each time the form is shown; the question is the town's */

json_t *
ngx_http_portal_captcha(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    json_t                       *questions, *question;
    const char                   *error;
    portal_text_t                 form;
    portal_captcha_t              captcha;
    ngx_http_portal_loc_conf_t   *plcf;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);
    plcf = ctx->verdict;

    if (plcf->form == NULL || !plcf->form->captcha) {
        return json_null();
    }

    questions = json_object_get(ctx->town->document, "captcha_questions");

    form.data = plcf->form->name;
    form.len = ngx_strlen(form.data);

    if (portal_captcha_make(pmcf->keys,
                            ngx_http_portal_text(ctx->town->slug), form,
                            (int64_t) ngx_time(),
                            (unsigned) json_array_size(questions), &captcha)
        != 0)
    {
        return json_null();
    }

    question = json_object_get(json_array_get(questions, captcha.question),
                               "q");
    question = ngx_http_portal_town_text(ctx->town, question, ctx->language);

    error = ngx_http_portal_error_of(r, ctx, "captcha");

    return json_pack("{s:s%, s:s?, s:{s:s%, s:s%, s:i}, s:s, s:s?}",
                     "challenge", captcha.challenge, captcha.len,
                     "question", json_string_value(question),
                     "pow",
                     "salt", captcha.salt, captcha.salt_len,
                     "target", captcha.target, sizeof(captcha.target),
                     "max", PORTAL_CAPTCHA_POW_MAX,
                     "trap", PORTAL_FORM_TRAP,
                     "error", error);
}
