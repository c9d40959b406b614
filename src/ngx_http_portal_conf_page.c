
/*
 * Copyright (C) the portal's authors
 */


#include "ngx_http_portal_conf.h"


/*
 * The directives that make a location a page, and what they name.
 */


/* what the module calls by itself; pages name the other functions */

static ngx_int_t ngx_http_portal_conf_asks(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *plcf, ngx_str_t *value);
static ngx_http_portal_fixed_t  ngx_http_portal_fixed[] = {

    { ngx_string("enter"),
      ngx_string("select portal.enter($1, $2, $3::bigint, $4::int, $5::bigint, "
               "$6::bigint, $7::int, $8)"),
      8,
      offsetof(ngx_http_portal_main_conf_t, enter) },

    { ngx_string("enter_agent"),
      ngx_string("select portal.enter_agent($1, $2, $3::bigint, $4::int, "
               "$5::bigint, $6::int, $7)"),
      7,
      offsetof(ngx_http_portal_main_conf_t, enter_agent) },

    { ngx_string("enter_machine"),
      ngx_string("select portal.enter_machine($1, $2, $3::bigint, "
                 "$4::int, $5)"),
      5,
      offsetof(ngx_http_portal_main_conf_t, enter_machine) },

    { ngx_string("town"),
      ngx_string("select portal.town($1)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, town) },

    { ngx_string("key_check"),
      ngx_string("select portal.key_check()"),
      0,
      offsetof(ngx_http_portal_main_conf_t, key_check) },

    { ngx_string("missing"),
      ngx_string("select string_agg(n, ' ') "
                 "from unnest(string_to_array(trim($1), ' ')) n "
                 "where to_regprocedure('portal.' || n || '(jsonb)') is null"),
      1, offsetof(ngx_http_portal_main_conf_t, missing) },

    { ngx_string("session_lost"),
      ngx_string("select portal.session_lost($1::jsonb)"),
      1, offsetof(ngx_http_portal_main_conf_t, session_lost) },

    { ngx_string("session_owner"),
      ngx_string("select portal.session_owner($1::jsonb)"),
      1, offsetof(ngx_http_portal_main_conf_t, session_owner) },

    { ngx_string("seal_place"),
      ngx_string("select portal.seal_place($1::jsonb)"),
      1, offsetof(ngx_http_portal_main_conf_t, seal_place) },

    { ngx_string("store_upload"),
      ngx_string("select portal.store_upload($1::jsonb)"),
      1, offsetof(ngx_http_portal_main_conf_t, store_upload) },

    { ngx_string("store_logo"),
      ngx_string("select portal.store_logo($1::jsonb)"),
      1, offsetof(ngx_http_portal_main_conf_t, store_logo) },

    { ngx_string("store_import"),
      ngx_string("select portal.store_import($1::jsonb)"),
      1, offsetof(ngx_http_portal_main_conf_t, store_import) },

    { ngx_string("forget_import"),
      ngx_string("select portal.forget_import($1::jsonb)"),
      1, offsetof(ngx_http_portal_main_conf_t, forget_import) },

    { ngx_string("may_machine"),
      ngx_string("select portal.may_machine($1)"),
      1, offsetof(ngx_http_portal_main_conf_t, may_machine) },

    { ngx_null_string, ngx_null_string, 0, 0 }
};

static const char  *ngx_http_portal_mails[] = {
    "confirm", "account_closed", "account_exists", "account_inactive",
    "new_connection", "new_device", "reset", "reset_later",
    "password_changed", "address_asked", "address_confirm", "address_changed",
    "address_left", "address_undone", "address_lost", "change_sent",
    "change_filed",
    "change_accepted", "change_partly", "change_refused", "change_incomplete",
    "change_reversed", "change_iban", "contact_asked", "guardian_removed",
    "guardian_restored", "verification_reminder", "agent_invited",
    "agent_recovered", "agent_rights", "town_rule", "export_asked",
    "export_agreed", "export_refused", "webhook_late", "webhook_over",
    NULL
};

static const char  *ngx_http_portal_mail_parts[] = {
    ".subject.txt", ".txt", ".html", NULL
};


static ngx_int_t ngx_http_portal_content(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *plcf);
static ngx_int_t ngx_http_portal_conf_act(ngx_conf_t *cf,
    ngx_http_portal_main_conf_t *pmcf, ngx_http_portal_loc_conf_t *plcf);
static portal_pg_statement_t *ngx_http_portal_conf_function(ngx_conf_t *cf,
    ngx_http_portal_main_conf_t *pmcf, ngx_str_t *name);
static ngx_thread_pool_t *ngx_http_portal_conf_pool(ngx_conf_t *cf,
    ngx_str_t *name);
static ngx_int_t ngx_http_portal_conf_mails(ngx_conf_t *cf,
    ngx_http_portal_main_conf_t *pmcf);


static ngx_int_t
ngx_http_portal_content(ngx_conf_t *cf, ngx_http_portal_loc_conf_t *plcf)
{
    ngx_http_core_loc_conf_t  *clcf;

    ngx_http_portal_conf_place(cf, plcf);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler != NULL
        && clcf->handler != ngx_http_portal_content_handler)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "this location has another content already; a "
                           "portal page stands in a location of its own");
        return NGX_ERROR;
    }

    clcf->handler = ngx_http_portal_content_handler;
    plcf->handled = 1;
    plcf->name = clcf->name;

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_conf_act(ngx_conf_t *cf, ngx_http_portal_main_conf_t *pmcf,
    ngx_http_portal_loc_conf_t *plcf)
{
    size_t                        i;
    ngx_http_portal_loc_conf_t  **act;

    for (i = 0; i < plcf->form->nfields; i++) {

        if ((plcf->form->fields[i].store == PORTAL_STORE_PHOTO
             || plcf->form->fields[i].store == PORTAL_STORE_LOGO)
            && pmcf->photo.path.len == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "form \"%s\" takes pictures; write "
                               "\"portal_photo PROGRAM\" in http before this",
                               plcf->form->name);
            return NGX_ERROR;
        }
    }

    act = ngx_array_push(&pmcf->acts);
    if (act == NULL) {
        return NGX_ERROR;
    }

    *act = plcf;
    plcf->act = ngx_http_portal_act_post;

    return ngx_http_portal_content(cf, plcf);
}


char *
ngx_http_portal_conf_page(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    ngx_int_t                     n;
    ngx_str_t                    *value;
    ngx_http_portal_main_conf_t  *pmcf;

    if (plcf->view != NULL || plcf->sends) {
        return "is duplicate, or beside another page";
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_portal_module);
    value = cf->args->elts;

    if (cf->args->nelts == 3) {
        n = ngx_atoi(value[2].data, value[2].len);
        if (n < 200 || n > 599) {
            return "has an invalid status; write one from 200 to 599";
        }
        plcf->page_status = (ngx_uint_t) n;
    }

    plcf->view = ngx_http_portal_conf_view(cf, pmcf, &value[1]);

    if (plcf->view == NULL || ngx_http_portal_content(cf, plcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_portal_conf_get(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    ngx_str_t                    *value;
    ngx_http_portal_main_conf_t  *pmcf;

    if (plcf->view != NULL || plcf->get != NULL) {
        return "is duplicate, or beside another page";
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_portal_module);
    value = cf->args->elts;

    plcf->get = ngx_http_portal_conf_function(cf, pmcf, &value[1]);

    if (cf->args->nelts == 3) {
        plcf->view = ngx_http_portal_conf_view(cf, pmcf, &value[2]);
    }

    if (plcf->get == NULL || (plcf->view == NULL && cf->args->nelts == 3)
        || ngx_http_portal_content(cf, plcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_portal_conf_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    plcf->sends = 1;

    return ngx_http_portal_conf_get(cf, cmd, conf);
}


char *
ngx_http_portal_conf_put(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    ngx_str_t                    *value;
    ngx_http_portal_main_conf_t  *pmcf;

    if (plcf->put != NULL) {
        return "is duplicate";
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_portal_module);
    value = cf->args->elts;

    plcf->put = ngx_http_portal_conf_function(cf, pmcf, &value[1]);

    if (plcf->put == NULL || ngx_http_portal_content(cf, plcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_portal_conf_post(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    ngx_str_t                    *value;
    ngx_http_portal_main_conf_t  *pmcf;

    if (plcf->act != NULL) {
        return "is duplicate, or beside \"portal_verify\"";
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_portal_module);
    value = cf->args->elts;

    plcf->post = ngx_http_portal_conf_function(cf, pmcf, &value[1]);
    plcf->form = ngx_http_portal_conf_form(cf, pmcf, &value[2]);

    if (plcf->post == NULL || plcf->form == NULL
        || ngx_http_portal_conf_act(cf, pmcf, plcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_portal_conf_verify(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    ngx_str_t                     *value;
    ngx_http_portal_loc_conf_t   **login;
    ngx_http_portal_main_conf_t   *pmcf;

    if (plcf->act != NULL) {
        return "is duplicate, or beside \"portal_post\"";
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_portal_module);
    value = cf->args->elts;

    plcf->lookup = ngx_http_portal_conf_function(cf, pmcf, &value[1]);
    plcf->post = ngx_http_portal_conf_function(cf, pmcf, &value[2]);
    plcf->form = ngx_http_portal_conf_form(cf, pmcf, &value[3]);

    if (cf->args->nelts == 5) {
        plcf->result = ngx_http_portal_conf_view(cf, pmcf, &value[4]);
        if (plcf->result == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (plcf->lookup == NULL || plcf->post == NULL || plcf->form == NULL
        || ngx_http_portal_conf_act(cf, pmcf, plcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (plcf->form->login) {
        login = ngx_array_push(&pmcf->logins);
        if (login == NULL) {
            return NGX_CONF_ERROR;
        }

        *login = plcf;
    }

    return NGX_CONF_OK;
}


/* a form that logs in has nothing for who is */

char *
ngx_http_portal_conf_signed_in(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    ngx_str_t  *value;

    if (plcf->signed_in.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].data[0] != '/') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is no path; write that of the page where a "
                           "log-in leads", &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_http_portal_conf_place(cf, plcf);

    plcf->signed_in = value[1];

    return NGX_CONF_OK;
}


char *
ngx_http_portal_conf_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    plcf->error = 1;

    return ngx_http_portal_content(cf, plcf) == NGX_OK ? NGX_CONF_OK
                                                       : NGX_CONF_ERROR;
}


/* what is not a page: nginx's own "allow" and "deny" are its gate */

char *
ngx_http_portal_conf_monitor(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler != NULL) {
        return "is duplicate, or beside another content";
    }

    clcf->handler = (ngx_http_handler_pt) cmd->post;

    if (cf->args->nelts == 2) {
        value = cf->args->elts;

        if (ngx_strcmp(value[1].data, "live") != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"; write \"live\", or "
                               "nothing", &value[1]);
            return NGX_CONF_ERROR;
        }

        clcf->handler = ngx_http_portal_live_handler;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_portal_conf_passive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    if (plcf->passive) {
        return "is duplicate";
    }

    plcf->passive = 1;

    return NGX_CONF_OK;
}


char *
ngx_http_portal_conf_arg(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_loc_conf_t *plcf = conf;

    ngx_str_t                         *value;
    ngx_http_portal_arg_t             *arg;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    if (plcf->args == NULL) {
        plcf->args = ngx_array_create(cf->pool, 4,
                                      sizeof(ngx_http_portal_arg_t));
        if (plcf->args == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (value[1].len == 0 || value[1].len > PORTAL_BODY_NAME
        || value[1].data[0] == '_')
    {
        return "has an invalid name; write one that does not begin with "
               "\"_\", of 64 bytes at most";
    }

    arg = ngx_array_push(plcf->args);
    if (arg == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(arg, sizeof(ngx_http_portal_arg_t));

    arg->name = value[1];

    if (cf->args->nelts == 4) {

        arg->mac = ngx_strcmp(value[3].data, "mac") == 0;
        arg->typed = ngx_strcmp(value[3].data, "typed") == 0;

        if (!arg->mac && !arg->typed) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"; write \"mac\", for "
                               "the token of a mail's link, \"typed\", for "
                               "what a person typed, or nothing", &value[3]);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_portal_conf_asks(cf, plcf, &value[2]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[2];
    ccv.complex_value = &arg->value;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


/* "$arg_NAME": the page may be asked with NAME */

static ngx_int_t
ngx_http_portal_conf_asks(ngx_conf_t *cf, ngx_http_portal_loc_conf_t *plcf,
    ngx_str_t *value)
{
    ngx_str_t  *name;

    if (value->len <= 5 || ngx_strncmp(value->data, "$arg_", 5) != 0) {
        return NGX_OK;
    }

    if (plcf->asks == NULL) {
        plcf->asks = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
        if (plcf->asks == NULL) {
            return NGX_ERROR;
        }
    }

    name = ngx_array_push(plcf->asks);
    if (name == NULL) {
        return NGX_ERROR;
    }

    name->data = value->data + 5;
    name->len = value->len - 5;

    return NGX_OK;
}


/* compiled once per cycle, however many locations and towns name it */

ngx_http_portal_view_t *
ngx_http_portal_conf_view(ngx_conf_t *cf, ngx_http_portal_main_conf_t *pmcf,
    ngx_str_t *name)
{
    char                      err[512];
    ngx_uint_t                i;
    ngx_http_portal_view_t  **view, *v;

    if (pmcf->templates.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no templates; write \"portal_templates DIR\" in "
                           "http before this");
        return NULL;
    }

    view = pmcf->view_list.elts;

    for (i = 0; i < pmcf->view_list.nelts; i++) {
        if (view[i]->name.len == name->len
            && ngx_strncmp(view[i]->name.data, name->data, name->len) == 0)
        {
            return view[i];
        }
    }

    v = ngx_pcalloc(cf->pool, sizeof(ngx_http_portal_view_t));
    view = ngx_array_push(&pmcf->view_list);

    if (v == NULL || view == NULL) {
        return NULL;
    }

    v->name = *name;
    v->csv = (name->len > 4
              && ngx_strncmp(name->data + name->len - 4, ".csv", 4) == 0);
    v->css = (name->len > 4
              && ngx_strncmp(name->data + name->len - 4, ".css", 4) == 0);
    *view = v;

    for (i = 0; i < pmcf->nlanguages; i++) {
        v->language[i] = portal_views_get(pmcf->views[i], (char *) name->data,
                                          err, sizeof(err));
        if (v->language[i] == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err);
            return NULL;
        }
    }

    return v;
}


portal_form_t *
ngx_http_portal_conf_form(ngx_conf_t *cf, ngx_http_portal_main_conf_t *pmcf,
    ngx_str_t *name)
{
    char             err[512];
    unsigned         line;
    ngx_str_t        path, text;
    ngx_uint_t       i;
    portal_form_t  **form, *f;
    ngx_file_info_t  info;

    if (pmcf->forms_dir.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no forms; write \"portal_forms DIR\" in http "
                           "before this");
        return NULL;
    }

    form = pmcf->forms.elts;

    for (i = 0; i < pmcf->forms.nelts; i++) {
        if (ngx_strcmp(form[i]->name, name->data) == 0) {
            return form[i];
        }
    }

    path.len = pmcf->forms_dir.len + 1 + name->len + sizeof(".form") - 1;
    path.data = ngx_pnalloc(cf->pool, path.len + 1);
    if (path.data == NULL) {
        return NULL;
    }

    ngx_sprintf(path.data, "%V/%V.form%Z", &pmcf->forms_dir, name);

    if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        return NULL;
    }

    if (ngx_file_info(path.data, &info) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "there is no form \"%V\"; write it to \"%V\", or "
                           "name another one", name, &path);
        return NULL;
    }

    if (ngx_http_portal_conf_read(cf, &path, &text) != NGX_OK) {
        return NULL;
    }

    f = portal_form_parse((char *) name->data, (char *) text.data, text.len,
                          &line, err, sizeof(err));
    if (f == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V:%ui: %s", &path,
                           (ngx_uint_t) line, err);
        return NULL;
    }

    form = ngx_array_push(&pmcf->forms);
    if (form == NULL) {
        portal_form_free(f);
        return NULL;
    }

    *form = f;

    return f;
}


/* a function of the schema "portal" that takes and returns a document */

static portal_pg_statement_t *
ngx_http_portal_conf_function(ngx_conf_t *cf,
    ngx_http_portal_main_conf_t *pmcf, ngx_str_t *name)
{
    size_t     i;
    ngx_str_t  sql;

    for (i = 0; i < name->len; i++) {
        if ((name->data[i] < 'a' || name->data[i] > 'z')
            && name->data[i] != '_')
        {
            break;
        }
    }

    if (i == 0 || i < name->len || i > 48) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid function \"%V\"; write the name of a "
                           "function of schema portal, in a-z and \"_\"",
                           name);
        return NULL;
    }

    sql.data = ngx_pnalloc(cf->pool, name->len
                           + sizeof("select portal.($1::jsonb)"));
    if (sql.data == NULL) {
        return NULL;
    }

    sql.len = (size_t) (ngx_sprintf(sql.data, "select portal.%V($1::jsonb)",
                                    name)
                        - sql.data);

    return portal_pg_declare(cf, &pmcf->statements, name, &sql, 1);
}


/* of a pool that nobody declares nginx itself says no more than its name;
   "default" it makes without being told */

static ngx_thread_pool_t *
ngx_http_portal_conf_pool(ngx_conf_t *cf, ngx_str_t *name)
{
    if (ngx_thread_pool_get(cf->cycle, name) == NULL
        && (name->len != 7 || ngx_strncmp(name->data, "default", 7) != 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no thread pool \"%V\" hashes passwords; write "
                           "\"thread_pool %V threads=1 max_queue=64;\" in the "
                           "main context, before http", name, name);
        return NULL;
    }

    return ngx_thread_pool_add(cf, name);
}


ngx_int_t
ngx_http_portal_conf_complete(ngx_conf_t *cf,
    ngx_http_portal_main_conf_t *pmcf)
{
    const char  *missing;
    ngx_str_t    error = ngx_string("error");
    ngx_str_t    request_id = ngx_string("portal_request_id");

    missing = pmcf->keys == NULL ? "portal_keys FILE"
              : pmcf->pg.hosts.elts == NULL ? "portal_database CONNINFO"
              : pmcf->redis.timeout == 0 ? "portal_redis unix:/PATH"
              : pmcf->l1 == NULL ? "portal_zone SIZE"
              : (pmcf->mail.url.len || pmcf->import.every || pmcf->hook.on)
                && pmcf->jobs.hosts.elts == NULL
                ? "portal_jobs CONNINFO" : NULL;

    if (missing != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the portal is used and incomplete; write \"%s\" "
                           "in http", missing);
        return NGX_ERROR;
    }

    if (pmcf->jobs.hosts.elts == NULL) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "no \"portal_jobs\": nothing is erased when its "
                           "time is over, and no trace is chained");
    }

    pmcf->thread_pool = ngx_http_portal_conf_pool(cf, &pmcf->hash_pool);
    pmcf->error_view = ngx_http_portal_conf_view(cf, pmcf, &error);

    pmcf->counts = portal_count_zone(cf, &ngx_http_portal_module);
    pmcf->request_id = ngx_http_get_variable_index(cf, &request_id);

    if (pmcf->counts == NULL || pmcf->request_id == NGX_ERROR
        || pmcf->thread_pool == NULL || pmcf->error_view == NULL
        || ngx_http_portal_conf_fixed(cf, pmcf, ngx_http_portal_fixed,
                                      &pmcf->statements)
           != NGX_OK
        || ngx_http_portal_conf_mails(cf, pmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_portal_conf_jobs(cf, pmcf);
}


ngx_int_t
ngx_http_portal_conf_fixed(ngx_conf_t *cf, ngx_http_portal_main_conf_t *pmcf,
    ngx_http_portal_fixed_t *fixed, ngx_array_t *list)
{
    portal_pg_statement_t  *statement;

    for ( /* void */ ; fixed->name.len; fixed++) {
        statement = portal_pg_declare(cf, list, &fixed->name, &fixed->sql,
                                      fixed->nparams);
        if (statement == NULL) {
            return NGX_ERROR;
        }

        *(portal_pg_statement_t **) ((char *) pmcf + fixed->offset)
            = statement;
    }

    return NGX_OK;
}


/* a mail that cannot be written is an error now, not when somebody waits */

static ngx_int_t
ngx_http_portal_conf_mails(ngx_conf_t *cf, ngx_http_portal_main_conf_t *pmcf)
{
    ngx_str_t     name;
    const char  **mail, **part;

    for (mail = ngx_http_portal_mails; *mail; mail++) {
        for (part = ngx_http_portal_mail_parts; *part; part++) {

            name.data = ngx_pnalloc(cf->pool, ngx_strlen(*mail)
                                              + ngx_strlen(*part)
                                              + sizeof("mail/"));
            if (name.data == NULL) {
                return NGX_ERROR;
            }

            name.len = (size_t) (ngx_sprintf(name.data, "mail/%s%s", *mail,
                                             *part)
                                 - name.data);
            name.data[name.len] = '\0';

            if (ngx_http_portal_conf_view(cf, pmcf, &name) == NULL) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_portal_conf_connections(ngx_cycle_t *cycle,
    ngx_http_portal_main_conf_t *pmcf)
{
    ngx_uint_t        n;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    n = ccf->worker_processes > 0 ? (ngx_uint_t) ccf->worker_processes : 1;

    /* two at the least: one busy must not stop the other requests */

    pmcf->pg.connections = ngx_max(2, pmcf->pg.connections / n);

    if (pmcf->jobs.hosts.elts != NULL) {
        pmcf->jobs.connections = 1;
        pmcf->jobs.pool = 1;
    }

    return NGX_OK;
}
