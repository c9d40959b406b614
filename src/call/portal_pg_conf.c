
/*
 * Copyright (C) the portal's authors
 */


#include "portal_pg_int.h"


#define PORTAL_PG_NAME_MAX  63      /* NAMEDATALEN - 1 */


static const char *portal_pg_check_options(PQconninfoOption *options);
static ngx_uint_t portal_pg_numeric(const char *address);


portal_pg_statement_t *
portal_pg_declare(ngx_conf_t *cf, ngx_array_t *list, ngx_str_t *name,
    ngx_str_t *sql, int nparams)
{
    ngx_uint_t               i;
    portal_pg_statement_t  **sts, **p, *st;

    sts = list->elts;

    for (i = 0; i < list->nelts; i++) {
        st = sts[i];

        if (ngx_strlen(st->name) == name->len
            && ngx_strncmp(st->name, name->data, name->len) == 0)
        {
            if (ngx_strlen(st->sql) == sql->len
                && ngx_strncmp(st->sql, sql->data, sql->len) == 0
                && st->nparams == nparams)
            {
                return st;
            }

            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "statement \"%V\" has two texts", name);
            return NULL;
        }
    }

    if (list->nelts == PORTAL_PG_STATEMENTS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than %d database statements",
                           PORTAL_PG_STATEMENTS_MAX);
        return NULL;
    }

    if (name->len == 0 || name->len > PORTAL_PG_NAME_MAX
        || nparams > PORTAL_PG_PARAMS)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "statement \"%V\" has a name longer than %d bytes "
                           "or more than %d parameters",
                           name, PORTAL_PG_NAME_MAX, PORTAL_PG_PARAMS);
        return NULL;
    }

    st = ngx_palloc(cf->pool, sizeof(portal_pg_statement_t));
    if (st == NULL) {
        return NULL;
    }

    st->name = ngx_pnalloc(cf->pool, name->len + 1);
    st->sql = ngx_pnalloc(cf->pool, sql->len + 1);
    p = ngx_array_push(list);

    if (st->name == NULL || st->sql == NULL || p == NULL) {
        return NULL;
    }

    (void) ngx_cpystrn((u_char *) st->name, name->data, name->len + 1);
    (void) ngx_cpystrn((u_char *) st->sql, sql->data, sql->len + 1);

    st->nparams = nparams;
    st->index = list->nelts - 1;

    *p = st;

    return st;
}


ngx_int_t
portal_pg_check_conninfo(const char *conninfo, char *err, size_t errlen)
{
    char              *message;
    const char        *reason;
    PQconninfoOption  *options;

    message = NULL;
    options = PQconninfoParse(conninfo, &message);

    if (options == NULL) {

        /* libpq may quote a piece of a password, but not in this message */

        reason = "is not a list of keyword=value pairs;"
                 " quote values with spaces: password='...'";

        if (message != NULL
            && ngx_strncmp(message, "invalid connection option",
                           sizeof("invalid connection option") - 1) == 0)
        {
            reason = message;
        }

    } else {
        reason = portal_pg_check_options(options);
    }

    if (reason != NULL) {
        *ngx_snprintf((u_char *) err, errlen - 1, "%s", reason) = '\0';

        if (reason == message) {
            err[strcspn(err, "\n")] = '\0';
        }
    }

    PQfreemem(message);
    PQconninfoFree(options);

    return (reason == NULL) ? NGX_OK : NGX_ERROR;
}


static const char *
portal_pg_check_options(PQconninfoOption *options)
{
    const char        *host, *hostaddr;
    PQconninfoOption  *o;

    host = NULL;
    hostaddr = NULL;

    for (o = options; o->keyword != NULL; o++) {

        if (o->val == NULL || o->val[0] == '\0') {
            continue;
        }

        if (ngx_strcmp(o->keyword, "host") == 0) {
            host = o->val;

        } else if (ngx_strcmp(o->keyword, "hostaddr") == 0) {
            hostaddr = o->val;

        } else if (ngx_strcmp(o->keyword, "service") == 0) {
            return "names a service, a file to be read at each connection;"
                   " write its host, port, dbname and user here";
        }
    }

    if ((host != NULL && ngx_strchr(host, ','))
        || (hostaddr != NULL && ngx_strchr(hostaddr, ',')))
    {
        return "names several hosts; write one conninfo for each";
    }

    if (hostaddr != NULL) {
        return portal_pg_numeric(hostaddr)
               ? NULL : "has a hostaddr that is not a numeric address";
    }

    if (host == NULL) {
        return "has no host; write host=/var/run/postgresql"
               " or host=127.0.0.1";
    }

    if (host[0] == '/' || host[0] == '@' || portal_pg_numeric(host)) {
        return NULL;
    }

    return "has a host name, which would be resolved while requests wait;"
           " write host=/directory, or a numeric host,"
           " or hostaddr=ADDRESS beside the name";
}


static ngx_uint_t
portal_pg_numeric(const char *address)
{
    u_char  buf[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, address, buf) == 1
           || inet_pton(AF_INET6, address, buf) == 1;
}
