
/*
 * Copyright (C) the portal's authors
 */


#include "portal_mail_smtp.h"


static char *portal_mail_smtp_text(ngx_cycle_t *cycle, ngx_str_t *text);


portal_mail_smtp_t *
portal_mail_smtp_create(ngx_cycle_t *cycle, portal_mail_conf_t *conf)
{
    portal_mail_smtp_t  *smtp;

    smtp = ngx_pcalloc(cycle->pool, sizeof(portal_mail_smtp_t));
    if (smtp == NULL) {
        return NULL;
    }

    smtp->conf = conf;
    smtp->url = portal_mail_smtp_text(cycle, &conf->url);
    smtp->user = portal_mail_smtp_text(cycle, &conf->user);
    smtp->password = portal_mail_smtp_text(cycle, &conf->password);

    if (smtp->url == NULL || smtp->user == NULL || smtp->password == NULL
        || portal_curl_init(cycle, &smtp->curl, &conf->ca,
                            conf->starttls
                            || ngx_strncmp(conf->url.data, "smtps", 5) == 0)
           != NGX_OK)
    {
        return NULL;
    }

    return smtp;
}


static char *
portal_mail_smtp_text(ngx_cycle_t *cycle, ngx_str_t *text)
{
    char  *p;

    p = ngx_pnalloc(cycle->pool, text->len + 1);
    if (p == NULL) {
        return NULL;
    }

    *ngx_cpymem(p, text->data, text->len) = '\0';

    return p;
}


void
portal_mail_smtp_destroy(portal_mail_smtp_t *smtp)
{
    portal_curl_destroy(&smtp->curl);
}
