
/*
 * Copyright (C) the portal's authors
 */


#ifndef _NGX_HTTP_PORTAL_TOWN_H_INCLUDED_
#define _NGX_HTTP_PORTAL_TOWN_H_INCLUDED_


/*
 * The towns that a worker knows: a part of ngx_http_portal.h, which includes
 * it.
 */

/* init_process */
ngx_int_t ngx_http_portal_towns_init(ngx_cycle_t *cycle,
    ngx_http_portal_main_conf_t *pmcf);
/* sets ctx->town.  NGX_AGAIN: the worker hears first what town this is, and
   resumes the phases then, or after a moment; or the status of the answer */
ngx_int_t ngx_http_portal_town_find(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf);
/* the same without waiting, before the gate or after it: NULL, none known */
ngx_http_portal_town_t *ngx_http_portal_town_known(ngx_http_request_t *r);

/* enter found it no more */
void ngx_http_portal_town_gone(ngx_http_portal_town_t *town);
/* a town's short name */
ngx_uint_t ngx_http_portal_is_slug(ngx_str_t *slug);

/* the town's side of that: see ngx_http_portal_town.c */
ngx_int_t ngx_http_portal_town_start(ngx_http_portal_main_conf_t *pmcf,
    ngx_http_portal_town_t *town, ngx_log_t *log);
void ngx_http_portal_town_ask(ngx_http_portal_town_t *town);

/* asks again for what is some seconds old; who waits is released with it */
void ngx_http_portal_town_refresh(ngx_http_portal_town_t *town,
    ngx_uint_t waits);
void ngx_http_portal_town_end(ngx_http_portal_town_t *town);
ngx_http_portal_town_t *ngx_http_portal_towns_settle(
    ngx_http_portal_town_t *town);

/* exit_process */
void ngx_http_portal_towns_exit(void);

/* a number in E.164 for people, as a new reference */
json_t *ngx_http_portal_phone(json_t *number);
/* takes over the reference */
void ngx_http_portal_town_set(ngx_http_portal_town_t *town, json_t *document);
/* a text of a town in that language, else in its first; NULL: none */
json_t *ngx_http_portal_town_text(ngx_http_portal_town_t *town, json_t *text,
    ngx_uint_t language);


#endif /* _NGX_HTTP_PORTAL_TOWN_H_INCLUDED_ */
