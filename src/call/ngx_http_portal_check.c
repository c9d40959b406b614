
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * Once the database has been reached, each worker asks whether it belongs to
 * this key file and has the functions that the pages name.  With another key
 * file every call is refused, and no job is done: what it would seal nobody
 * could open.
 */


static void ngx_http_portal_check_ask(void);
static void ngx_http_portal_check_answer(portal_op_t *op);
static void ngx_http_portal_check_refuse(void);
static void ngx_http_portal_check_retry(ngx_event_t *ev);
static ngx_int_t ngx_http_portal_check_names(ngx_pool_t *pool,
    ngx_array_t *statements, ngx_str_t *names);


static ngx_event_t                   ngx_http_portal_check_timer;
static ngx_http_portal_main_conf_t  *ngx_http_portal_check_conf;
static ngx_str_t                     ngx_http_portal_check_functions;


ngx_int_t
ngx_http_portal_check_init(ngx_cycle_t *cycle,
    ngx_http_portal_main_conf_t *pmcf)
{
    ngx_http_portal_check_conf = pmcf;

    if (ngx_http_portal_check_names(cycle->pool, &pmcf->statements,
                                    &ngx_http_portal_check_functions)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    portal_op_event(&ngx_http_portal_check_timer, ngx_http_portal_check_retry,
                    cycle->log);
    ngx_http_portal_check_timer.cancelable = 1;

    ngx_http_portal_check_ask();

    return NGX_OK;
}


/* the names of what takes one document, a space between */

static ngx_int_t
ngx_http_portal_check_names(ngx_pool_t *pool, ngx_array_t *statements,
    ngx_str_t *names)
{
    size_t                   len;
    u_char                  *p;
    ngx_uint_t               i;
    portal_pg_statement_t  **st;

    len = 1;
    st = statements->elts;

    for (i = 0; i < statements->nelts; i++) {
        len += ngx_strlen(st[i]->name) + 1;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    names->data = p;

    for (i = 0; i < statements->nelts; i++) {
        if (ngx_strstr(st[i]->sql, "::jsonb)") != NULL) {
            p = ngx_sprintf(p, "%s ", st[i]->name);
        }
    }

    names->len = (size_t) (p - names->data);

    return NGX_OK;
}


static void
ngx_http_portal_check_ask(void)
{
    portal_pg_op_t  *op;

    op = portal_pg_op(ngx_http_portal.pg);
    if (op == NULL) {
        return;
    }

    if (portal_pg_query(op, ngx_http_portal_check_conf->key_check) != NGX_OK
        || portal_pg_query(op, ngx_http_portal_check_conf->missing) != NGX_OK
        || portal_pg_param(op, &ngx_http_portal_check_functions) != NGX_OK)
    {
        portal_pg_drop(op);
        return;
    }

    /* no call is made before the answer has been heard */

    op->barrier = 1;
    op->op.handler = ngx_http_portal_check_answer;

    portal_pg_post(ngx_http_portal.pg, op);
}


static void
ngx_http_portal_check_answer(portal_op_t *op)
{
    char             own[PORTAL_MAC_HEX];
    ngx_str_t       *noted, *missing;
    portal_pg_op_t  *pg_op;

    pg_op = (portal_pg_op_t *) op;

    if (op->status != PORTAL_OP_OK) {

        if (op->status == PORTAL_OP_REFUSED && !ngx_http_portal.refusing) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "portal: the database has not the portal's schema, "
                          "run sql/migrate; every call is refused");
        }

        ngx_http_portal_check_refuse();

        if (!ngx_exiting && !ngx_terminate) {
            ngx_add_timer(&ngx_http_portal_check_timer,
                          op->status == PORTAL_OP_DOWN
                          ? 200 + (ngx_msec_t) ngx_random() % 100
                          : 1000 + (ngx_msec_t) ngx_random() % 500);
        }

        return;
    }

    ngx_http_portal.refusing = 0;

    noted = &pg_op->queries[0].value;
    missing = &pg_op->queries[1].value;

    portal_keys_check(ngx_http_portal_check_conf->keys, own);

    if (noted->data != NULL
        && (noted->len != PORTAL_MAC_HEX
            || ngx_memcmp(noted->data, own, PORTAL_MAC_HEX) != 0))
    {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                      "portal: the key file \"%V\" is not the one of this "
                      "database; every call is refused",
                      &ngx_http_portal_check_conf->keys_file);
        ngx_http_portal_check_refuse();

    } else {
        ngx_http_portal_jobs_start(ngx_http_portal_check_conf);
    }

    if (missing->len) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "portal: the database lacks what the pages name: %V",
                      missing);
    }
}


/* no call until an answer says otherwise, nor those that waited for this one */

static void
ngx_http_portal_check_refuse(void)
{
    ngx_http_portal.refusing = 1;

    portal_pg_fail(ngx_http_portal.pg);
}


static void
ngx_http_portal_check_retry(ngx_event_t *ev)
{
    if (!ngx_exiting && !ngx_terminate) {
        ngx_http_portal_check_ask();
    }
}
