
/*
 * Copyright (C) the portal's authors
 */


#ifndef _NGX_HTTP_PORTAL_CONF_H_INCLUDED_
#define _NGX_HTTP_PORTAL_CONF_H_INCLUDED_


#include "ngx_http_portal.h"


/*
 * Directive setters.  What they name (forms, templates, functions) is read and
 * checked on the spot, so that nginx -t says file and line; hence directories
 * and languages are given before the locations that use them.
 */

#define NGX_HTTP_PORTAL_HASH_QUEUE  64
#define NGX_HTTP_PORTAL_PHOTO_QUEUE 16

typedef struct {
    ngx_str_t    name;
    ngx_str_t    sql;
    int          nparams;
    size_t       offset;
} ngx_http_portal_fixed_t;

char *ngx_http_portal_conf_keys(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_database(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_mail(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_breached(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_photo(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_import(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_webhooks(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_languages(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_templates(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_forms(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

char *ngx_http_portal_conf_tenant(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* cmd->post is the ngx_conf_enum_t */
char *ngx_http_portal_conf_allow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_page(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_get(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_post(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_put(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* cmd->post is the ngx_http_portal_act_pt */
char *ngx_http_portal_conf_verify(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* cmd->post is the content handler */
char *ngx_http_portal_conf_monitor(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_signed_in(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_error(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_qr(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_passive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_portal_conf_arg(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* what must be there when any location is the portal's; the fixed statements */
ngx_int_t ngx_http_portal_conf_complete(ngx_conf_t *cf,
    ngx_http_portal_main_conf_t *pmcf);
/* the same of what is done beside requests: ngx_http_portal_conf_jobs.c */
ngx_int_t ngx_http_portal_conf_jobs(ngx_conf_t *cf,
    ngx_http_portal_main_conf_t *pmcf);
/* declares functions for one of the lists of statements */
ngx_int_t ngx_http_portal_conf_fixed(ngx_conf_t *cf,
    ngx_http_portal_main_conf_t *pmcf, ngx_http_portal_fixed_t *fixed,
    ngx_array_t *list);
/* the node's budget of connections, shared among the workers */
ngx_int_t ngx_http_portal_conf_connections(ngx_cycle_t *cycle,
    ngx_http_portal_main_conf_t *pmcf);

/* what stands behind a prefix; 0: it does not begin so */
ngx_uint_t ngx_http_portal_conf_prefix(ngx_str_t *value, const char *prefix,
    ngx_str_t *rest);
/* a time from 100 ms */
ngx_int_t ngx_http_portal_conf_time(ngx_str_t *text, ngx_msec_t *time);
/* logs what to write instead; NGX_CONF_ERROR */
char *ngx_http_portal_conf_invalid(ngx_conf_t *cf, ngx_str_t *value,
    const char *instead);
/* the same beside passwords: whose name is mistyped, too, is not written into
   a log */
char *ngx_http_portal_conf_unknown(ngx_conf_t *cf, ngx_str_t *value,
    const char *instead);
/* where a location is written, for what is seen too late */
void ngx_http_portal_conf_place(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *plcf);
/* NULL after an error, which is logged */
ngx_http_portal_view_t *ngx_http_portal_conf_view(ngx_conf_t *cf,
    ngx_http_portal_main_conf_t *pmcf, ngx_str_t *name);
portal_form_t *ngx_http_portal_conf_form(ngx_conf_t *cf,
    ngx_http_portal_main_conf_t *pmcf, ngx_str_t *name);
/* the whole file, terminated, in memory of cf->pool */
ngx_int_t ngx_http_portal_conf_read(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text);


#endif /* _NGX_HTTP_PORTAL_CONF_H_INCLUDED_ */
