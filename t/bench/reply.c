
/*
 * Copyright (C) the portal's authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * For the bench only: "bench_reply TEXT;" answers from memory in the content
 * phase, so that what stands before it is what costs.  nginx's own "return"
 * answers before the access phase and would go round the gate.
 */


static char *ngx_http_bench_reply(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static void *ngx_http_bench_create_loc_conf(ngx_conf_t *cf);
static ngx_int_t ngx_http_bench_handler(ngx_http_request_t *r);

extern ngx_module_t  ngx_http_bench_module;


static ngx_command_t  ngx_http_bench_commands[] = {

    { ngx_string("bench_reply"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_bench_reply,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bench_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_bench_create_loc_conf,        /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_bench_module = {
    NGX_MODULE_V1,
    &ngx_http_bench_module_ctx,            /* module context */
    ngx_http_bench_commands,               /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* what nginx's configure writes for a dynamic module */

ngx_module_t  *ngx_modules[] = { &ngx_http_bench_module, NULL };
char          *ngx_module_names[] = { "ngx_http_bench_module", NULL };
char          *ngx_module_order[] = { NULL };


static ngx_int_t
ngx_http_bench_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_complex_value_t  *cv;

    cv = ngx_http_get_module_loc_conf(r, ngx_http_bench_module);

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_send_response(r, NGX_HTTP_OK, NULL, cv);
}


static void *
ngx_http_bench_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
}


static char *
ngx_http_bench_reply(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                         *value;
    ngx_http_core_loc_conf_t          *clcf;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = conf;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_bench_handler;

    return NGX_CONF_OK;
}
