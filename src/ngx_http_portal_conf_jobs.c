
/*
 * Copyright (C) the portal's authors
 */


#include "ngx_http_portal_conf.h"


/*
 * What is done beside requests: the functions that are called for it, mail, and
 * the reading of imports.
 */


static char *ngx_http_portal_conf_mail_check(ngx_conf_t *cf,
    portal_mail_conf_t *mail, ngx_str_t *host);
static ngx_http_portal_fixed_t  ngx_http_portal_fixed_jobs[] = {

    { ngx_string("mail_claim"),
      ngx_string("select portal.mail_claim($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, mail_claim) },

    { ngx_string("mail_done"),
      ngx_string("select portal.mail_done($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, mail_done) },

    { ngx_string("purge"),
      ngx_string("select portal.purge($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, purge) },

    { ngx_string("audit_chain"),
      ngx_string("select portal.audit_chain($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, audit_chain) },

    { ngx_string("code_work"),
      ngx_string("select portal.code_work($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, code_work) },

    { ngx_string("mail_stats"),
      ngx_string("select portal.mail_stats($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, mail_stats) },

    { ngx_string("import_claim"),
      ngx_string("select portal.import_claim($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, import.claim) },

    { ngx_string("get_import_piece"),
      ngx_string("select portal.get_import_piece($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, import.piece) },

    { ngx_string("import_places"),
      ngx_string("select portal.import_places($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, import.places) },

    { ngx_string("import_lines"),
      ngx_string("select portal.import_lines($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, import.lines) },

    { ngx_string("import_read"),
      ngx_string("select portal.import_read($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, import.read) },

    { ngx_string("webhook_work"),
      ngx_string("select portal.webhook_work($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, hook.work) },

    { ngx_string("webhook_claim"),
      ngx_string("select portal.webhook_claim($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, hook.claim) },

    { ngx_string("webhook_done"),
      ngx_string("select portal.webhook_done($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, hook.done) },

    { ngx_string("import_work"),
      ngx_string("select portal.import_work($1::jsonb)"),
      1,
      offsetof(ngx_http_portal_main_conf_t, import_work) },

    { ngx_null_string, ngx_null_string, 0, 0 }
};


static ngx_int_t ngx_http_portal_conf_network(ngx_conf_t *cf,
    portal_hook_conf_t *hook, ngx_str_t *text);
static ngx_int_t ngx_http_portal_conf_rules(ngx_conf_t *cf,
    ngx_http_portal_main_conf_t *pmcf);


char *
ngx_http_portal_conf_import(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    ngx_int_t   every;
    ngx_str_t  *value;

    if (pmcf->import.every) {
        return "is duplicate";
    }

    value = cf->args->elts;
    every = 5000;

    if (cf->args->nelts == 2) {
        every = ngx_parse_time(&value[1], 0);

        if (every == NGX_ERROR || every < 100) {
            return "takes a time from 100ms, as \"5s\"";
        }
    }

    pmcf->import.every = (ngx_msec_t) every;

    return NGX_CONF_OK;
}


char *
ngx_http_portal_conf_webhooks(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    ngx_str_t           *value, rest;
    ngx_uint_t           i;
    portal_hook_conf_t  *hook;

    hook = &pmcf->hook;
    value = cf->args->elts;

    if (hook->on) {
        return "is duplicate";
    }

    hook->on = 1;
    hook->timeout = 10000;
    hook->interval = 1000;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_portal_conf_prefix(&value[i], "ca=", &rest)) {
            if (ngx_http_portal_conf_read(cf, &rest, &hook->ca) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

        } else if (ngx_http_portal_conf_prefix(&value[i], "allow=", &rest)) {
            if (ngx_http_portal_conf_network(cf, hook, &rest) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

        } else if (!((ngx_http_portal_conf_prefix(&value[i], "timeout=", &rest)
                      && ngx_http_portal_conf_time(&rest, &hook->timeout)
                         == NGX_OK)
                     || (ngx_http_portal_conf_prefix(&value[i], "interval=",
                                                     &rest)
                         && ngx_http_portal_conf_time(&rest, &hook->interval)
                            == NGX_OK)))
        {
            return ngx_http_portal_conf_invalid(cf, &value[i],
                       "\"timeout=10s\", \"interval=1s\" (from 100ms), "
                       "\"ca=FILE\" or \"allow=NETWORK\"");
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_portal_conf_network(ngx_conf_t *cf, portal_hook_conf_t *hook,
    ngx_str_t *text)
{
    ngx_int_t    rc;
    ngx_cidr_t  *cidr;

    if (hook->allow == NULL) {
        hook->allow = ngx_array_create(cf->pool, 2, sizeof(ngx_cidr_t));
        if (hook->allow == NULL) {
            return NGX_ERROR;
        }
    }

    cidr = ngx_array_push(hook->allow);
    if (cidr == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_ptocidr(text, cidr);

    if (rc == NGX_ERROR) {
        (void) ngx_http_portal_conf_invalid(cf, text,
                   "a network as \"10.1.0.0/16\" or \"fd00::/8\"");
        return NGX_ERROR;
    }

    if (rc == NGX_DONE) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "low address bits of %V are meaningless", text);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_portal_conf_jobs(ngx_conf_t *cf, ngx_http_portal_main_conf_t *pmcf)
{
    if (ngx_http_portal_conf_fixed(cf, pmcf, ngx_http_portal_fixed_jobs,
                                   &pmcf->job_statements)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return pmcf->import.every ? ngx_http_portal_conf_rules(cf, pmcf) : NGX_OK;
}


/* what an import's cells may hold: what the pages' fields may */

static ngx_int_t
ngx_http_portal_conf_rules(ngx_conf_t *cf, ngx_http_portal_main_conf_t *pmcf)
{
    char                    err[256];
    unsigned                line;
    ngx_str_t               name;
    ngx_uint_t              i;
    portal_form_t         **own;
    portal_import_rules_t  *rules;

    rules = &pmcf->import.rules;

    own = ngx_array_push(&pmcf->forms);
    if (own == NULL) {
        return NGX_ERROR;
    }

    /* freed with those of the pages */

    *own = portal_form_parse("", portal_import_own,
                             ngx_strlen(portal_import_own), &line, err,
                             sizeof(err));
    if (*own == NULL) {
        pmcf->forms.nelts--;
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "portal_import: %s", err);
        return NGX_ERROR;
    }

    rules->form[PORTAL_IMPORT_OWN] = *own;

    for (i = PORTAL_IMPORT_OWN + 1; i < PORTAL_IMPORT_FORMS; i++) {
        name.data = (u_char *) portal_import_forms[i];
        name.len = ngx_strlen(name.data);

        rules->form[i] = ngx_http_portal_conf_form(cf, pmcf, &name);

        if (rules->form[i] == NULL) {
            return NGX_ERROR;
        }
    }

    pmcf->import.keys = pmcf->keys;

    return NGX_OK;
}


char *
ngx_http_portal_conf_mail(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    ngx_str_t           *value, host, rest;
    ngx_uint_t           i;
    portal_mail_conf_t  *mail;

    mail = &pmcf->mail;
    value = cf->args->elts;

    if (mail->url.len) {
        return "is duplicate";
    }

    ngx_str_null(&host);

    if (!ngx_http_portal_conf_prefix(&value[1], "smtp://", &host)
        && !ngx_http_portal_conf_prefix(&value[1], "smtps://", &host)
        && !ngx_http_portal_conf_prefix(&value[1], "file:/", &rest))
    {
        return ngx_http_portal_conf_invalid(cf, &value[1],
                   "\"smtp://HOST:PORT\", \"smtps://HOST:PORT\" or "
                   "\"file:/DIRECTORY\"");
    }

    mail->url = value[1];
    mail->starttls = 1;
    mail->timeout = 30000;
    mail->interval = 1000;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_portal_conf_prefix(&value[i], "user=", &rest)) {
            mail->user = rest;

        } else if (ngx_http_portal_conf_prefix(&value[i], "password_file=",
                                               &rest))
        {
            if (ngx_http_portal_conf_read(cf, &rest, &mail->password)
                != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }

        } else if (ngx_http_portal_conf_prefix(&value[i], "ca=", &rest)) {
            if (ngx_http_portal_conf_read(cf, &rest, &mail->ca) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

        } else if (ngx_http_portal_conf_prefix(&value[i], "starttls=", &rest)
                   && rest.len == 3 && ngx_strncmp(rest.data, "off", 3) == 0)
        {
            mail->starttls = 0;

        } else if (!(ngx_http_portal_conf_prefix(&value[i], "starttls=",
                                                 &rest)
                     && rest.len == 8
                     && ngx_strncmp(rest.data, "required", 8) == 0))
        {
            return ngx_http_portal_conf_unknown(cf, &value[i],
                       "\"user=\", \"password_file=\", \"ca=\" or "
                       "\"starttls=required|off\"");
        }
    }

    return ngx_http_portal_conf_mail_check(cf, mail, &host);
}


static char *
ngx_http_portal_conf_mail_check(ngx_conf_t *cf, portal_mail_conf_t *mail,
    ngx_str_t *host)
{
    u_char          *directory;
    ngx_url_t        u;
    ngx_file_info_t  info;

    if (host->data == NULL) {

        /* an argument ends with a NUL */

        directory = mail->url.data + sizeof("file:") - 1;

        if (ngx_file_info(directory, &info) == NGX_FILE_ERROR
            || !ngx_is_dir(&info))
        {
            return ngx_http_portal_conf_invalid(cf, &mail->url,
                       "\"file:/DIRECTORY\" of a directory that is there");
        }

        return NGX_CONF_OK;
    }

    /* the name is resolved when a mail is sent, by libcurl's own thread */

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *host;
    u.default_port = 25;
    u.no_resolve = 1;

    if (host->len == 0 || ngx_parse_url(cf->pool, &u) != NGX_OK) {
        return ngx_http_portal_conf_invalid(cf, &mail->url,
                   "\"smtp://HOST:PORT\" or \"smtps://HOST:PORT\"");
    }

    if ((mail->user.len == 0) != (mail->password.len == 0)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "portal_mail: one of a user and a password is "
                           "missing; write both \"user=\" and "
                           "\"password_file=\", or none");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
