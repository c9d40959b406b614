
/*
 * Copyright (C) the portal's authors
 */


#ifndef _NGX_HTTP_PORTAL_LOG_H_INCLUDED_
#define _NGX_HTTP_PORTAL_LOG_H_INCLUDED_


/*
 * What is told of requests: a part of ngx_http_portal.h, which includes it.
 */

/* variables, and what the error log says of a request */

ngx_int_t ngx_http_portal_add_variables(ngx_conf_t *cf);
/* post-read phase of a town's server: the log is written by the other */
ngx_int_t ngx_http_portal_log_start(ngx_http_request_t *r);
ngx_str_t ngx_http_portal_path(ngx_http_request_t *r);
/* log phase */
ngx_int_t ngx_http_portal_log_count(ngx_http_request_t *r);
/* from here on its lines in the error log are ours; whether they are */
void ngx_http_portal_log_mine(ngx_http_request_t *r);
ngx_uint_t ngx_http_portal_log_is_mine(ngx_http_request_t *r);
/* what they are written by: nginx calls one of them, Angie the other */
u_char *ngx_http_portal_log_error(ngx_http_request_t *r,
    ngx_http_request_t *sr, u_char *buf, size_t len);
u_char *ngx_http_portal_log_error_ext(ngx_log_t *log, u_char *buf,
    u_char *last, void *data);

/* what operators ask for */

/* this worker's gauges, kept fresh; exit_process lets go of them */
void ngx_http_portal_gauges_init(ngx_cycle_t *cycle);
void ngx_http_portal_gauges_exit(void);
void ngx_http_portal_gauges_set(void);

/* "portal_metrics", "portal_health" and "portal_health live" */
ngx_int_t ngx_http_portal_metrics_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_portal_health_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_portal_live_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_portal_report_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_PORTAL_LOG_H_INCLUDED_ */
