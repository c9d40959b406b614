
/*
 * Copyright (C) the portal's authors
 */


#include "ngx_http_portal_conf.h"


static ngx_int_t ngx_http_portal_conf_number(ngx_conf_t *cf, ngx_str_t *value,
    const char *name, ngx_int_t min, ngx_uint_t *out);
static char *ngx_http_portal_conf_redis_address(ngx_conf_t *cf,
    ngx_str_t *value, in_port_t port, portal_redis_address_t *address);
static char *ngx_http_portal_conf_redis_sentinels(ngx_conf_t *cf,
    portal_redis_conf_t *redis, ngx_uint_t *last);
static char *ngx_http_portal_conf_password(ngx_conf_t *cf, ngx_str_t *file,
    ngx_str_t *password);
static char *ngx_http_portal_conf_redis_check(ngx_conf_t *cf,
    portal_redis_conf_t *redis, ngx_str_t *address);
static ngx_int_t ngx_http_portal_conf_host(ngx_conf_t *cf,
    portal_pg_conf_t *pg, ngx_str_t *value);
static ngx_int_t ngx_http_portal_conf_periodic(
    ngx_http_portal_main_conf_t *pmcf, ngx_str_t *value);
static void ngx_http_portal_conf_free_keys(void *data);
static void ngx_http_portal_conf_free_views(void *data);


char *
ngx_http_portal_conf_invalid(ngx_conf_t *cf, ngx_str_t *value,
    const char *instead)
{
    u_char     *p;
    ngx_str_t   said;

    /* an address may have been given a password in front of its "@" */

    said = *value;
    p = (u_char *) strrchr((char *) said.data, '@');

    if (p != NULL && p < said.data + said.len) {
        p++;
        said.len -= (size_t) (p - said.data);
        said.data = p;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\"; write %s", &said, instead);
    return NGX_CONF_ERROR;
}


char *
ngx_http_portal_conf_unknown(ngx_conf_t *cf, ngx_str_t *value,
    const char *instead)
{
    u_char     *p;
    ngx_str_t   name;

    name = *value;
    p = (u_char *) ngx_strchr(name.data, '=');

    if (p != NULL) {
        name.len = (size_t) (p + 1 - name.data);
    }

    return ngx_http_portal_conf_invalid(cf, &name, instead);
}


char *
ngx_http_portal_conf_keys(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    char                 err[512];
    ngx_str_t           *value;
    ngx_pool_cleanup_t  *cln;

    if (pmcf->keys != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    pmcf->keys_file = value[1];

    if (ngx_conf_full_name(cf->cycle, &pmcf->keys_file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    pmcf->keys = portal_keys_read((char *) pmcf->keys_file.data, err,
                                  sizeof(err));
    if (pmcf->keys == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "portal_keys: %s", err);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_portal_conf_free_keys;
    cln->data = pmcf->keys;

    return NGX_CONF_OK;
}


static void
ngx_http_portal_conf_free_keys(void *data)
{
    portal_keys_free(data);
}


/* each time one more host, tried in the order given */

char *
ngx_http_portal_conf_database(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    ngx_int_t          rc;
    ngx_str_t         *value, rest;
    ngx_uint_t         i;
    portal_pg_conf_t  *pg;

    pg = (portal_pg_conf_t *) ((char *) conf + cmd->offset);
    value = cf->args->elts;

    if (ngx_http_portal_conf_host(cf, pg, value) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_portal_conf_prefix(&value[i], "connections=", &rest)) {
            rc = ngx_http_portal_conf_number(cf, &rest, "connections", 1,
                                             &pg->connections);
            if (rc != NGX_OK) {
                return NGX_CONF_ERROR;
            }

        } else if (ngx_http_portal_conf_prefix(&value[i], "queue=", &rest)) {
            rc = ngx_http_portal_conf_number(cf, &rest, "queue", 1,
                                             &pg->queue);
            if (rc != NGX_OK) {
                return NGX_CONF_ERROR;
            }

        } else if (ngx_http_portal_conf_prefix(&value[i], "timeout=", &rest))
        {
            if (ngx_http_portal_conf_time(&rest, &pg->timeout) != NGX_OK) {
                return ngx_http_portal_conf_invalid(cf, &value[i],
                                                    "\"timeout=3s\"");
            }

        } else if (pg != &pmcf->jobs
                   || ngx_http_portal_conf_periodic(pmcf, &value[i])
                      != NGX_OK)
        {
            return ngx_http_portal_conf_invalid(cf, &value[i],
                       "\"connections=\", \"queue=\" or \"timeout=\"; "
                       "portal_jobs also \"purge=1h\", \"chain=5s\" and "
                       "\"codes=5s\"");
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_portal_conf_host(ngx_conf_t *cf, portal_pg_conf_t *pg,
    ngx_str_t *value)
{
    char  *err, **host;

    if (pg->hosts.elts == NULL) {

        if (ngx_array_init(&pg->hosts, cf->pool, 2, sizeof(char *))
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        pg->connections = 4;
        pg->queue = 1024;
        pg->connect_timeout = 2000;
        pg->timeout = 3000;
    }

    err = ngx_pnalloc(cf->pool, 512);
    host = ngx_array_push(&pg->hosts);

    if (err == NULL || host == NULL) {
        return NGX_ERROR;
    }

    *host = (char *) value[1].data;

    if (portal_pg_check_conninfo(*host, err, 512) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V: conninfo %s", &value[0],
                           err);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* how often the periodic jobs are called */

static ngx_int_t
ngx_http_portal_conf_periodic(ngx_http_portal_main_conf_t *pmcf,
    ngx_str_t *value)
{
    ngx_str_t    rest;
    ngx_msec_t  *every;

    if (ngx_http_portal_conf_prefix(value, "purge=", &rest)) {
        every = &pmcf->purge_every;

    } else if (ngx_http_portal_conf_prefix(value, "chain=", &rest)) {
        every = &pmcf->chain_every;

    } else if (ngx_http_portal_conf_prefix(value, "codes=", &rest)) {
        every = &pmcf->codes_every;

    } else {
        return NGX_ERROR;
    }

    return ngx_http_portal_conf_time(&rest, every);
}


ngx_int_t
ngx_http_portal_conf_time(ngx_str_t *text, ngx_msec_t *time)
{
    ngx_int_t  n;

    n = ngx_parse_time(text, 0);

    if (n == NGX_ERROR || n < 100) {
        return NGX_ERROR;
    }

    *time = (ngx_msec_t) n;

    return NGX_OK;
}


char *
ngx_http_portal_conf_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    char                 *rc;
    ngx_str_t            *value, rest;
    ngx_uint_t            i, n;
    portal_redis_conf_t  *redis;

    redis = &pmcf->redis;
    value = cf->args->elts;

    if (redis->timeout) {
        return "is duplicate";
    }

    redis->timeout = 500;
    ngx_str_set(&redis->prefix, "sess:");

    rc = NGX_CONF_OK;
    i = 1;

    /* a path is NUL-terminated: the end of an argument */

    if (ngx_http_portal_conf_prefix(&value[1], "sentinel=", &redis->sentinel))
    {
        rc = ngx_http_portal_conf_redis_sentinels(cf, redis, &i);

    } else if (!ngx_http_portal_conf_prefix(&value[1], "unix:", &redis->path))
    {
        rc = ngx_http_portal_conf_redis_address(cf, &value[1], 6379,
                                                &redis->address);
    }

    for (i++; rc == NGX_CONF_OK && i < cf->args->nelts; i++) {

        if (ngx_http_portal_conf_prefix(&value[i], "user=", &rest)) {
            redis->user = rest;

        } else if (ngx_http_portal_conf_prefix(&value[i], "password_file=",
                                               &rest))
        {
            rc = ngx_http_portal_conf_password(cf, &rest, &redis->password);

        } else if (ngx_http_portal_conf_prefix(&value[i],
                                               "sentinel_password_file=",
                                               &rest))
        {
            rc = ngx_http_portal_conf_password(cf, &rest,
                                               &redis->sentinel_password);

        } else if (ngx_http_portal_conf_prefix(&value[i], "password=", &rest))
        {
            redis->password = rest;

        } else if (ngx_http_portal_conf_prefix(&value[i], "db=", &rest)) {
            if (ngx_http_portal_conf_number(cf, &rest, "db", 0, &n)
                != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }
            redis->database = (ngx_int_t) n;

        } else {
            return ngx_http_portal_conf_unknown(cf, &value[i],
                       "\"user=\", \"password_file=\", \"password=\", "
                       "\"sentinel_password_file=\" or \"db=\"");
        }
    }

    if (rc != NGX_CONF_OK) {
        return rc;
    }

    return ngx_http_portal_conf_redis_check(cf, redis, &value[1]);
}


static char *
ngx_http_portal_conf_redis_address(ngx_conf_t *cf, ngx_str_t *value,
    in_port_t port, portal_redis_address_t *address)
{
    ngx_url_t  u;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *value;
    u.default_port = port;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        return ngx_http_portal_conf_invalid(cf, value,
                   "\"unix:/path\", \"sentinel=NAME\" with addresses, or an "
                   "address as \"127.0.0.1:6379\"; names are not resolved");
    }

    address->host = u.host;
    address->port = u.port;

    return NGX_CONF_OK;
}


/* addresses follow, up to the first option */

static char *
ngx_http_portal_conf_redis_sentinels(ngx_conf_t *cf,
    portal_redis_conf_t *redis, ngx_uint_t *last)
{
    ngx_str_t               *value;
    portal_redis_address_t  *address;

    value = cf->args->elts;

    if (ngx_array_init(&redis->sentinels, cf->pool, 3,
                       sizeof(portal_redis_address_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    while (*last + 1 < cf->args->nelts
           && ngx_strchr(value[*last + 1].data, '=') == NULL)
    {
        (*last)++;

        address = ngx_array_push(&redis->sentinels);
        if (address == NULL) {
            return NGX_CONF_ERROR;
        }

        if (ngx_http_portal_conf_redis_address(cf, &value[*last], 26379,
                                               address)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_portal_conf_password(ngx_conf_t *cf, ngx_str_t *file,
    ngx_str_t *password)
{
    ngx_str_t  text;

    if (ngx_http_portal_conf_read(cf, file, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    *password = text;

    return NGX_CONF_OK;
}


static char *
ngx_http_portal_conf_redis_check(ngx_conf_t *cf, portal_redis_conf_t *redis,
    ngx_str_t *address)
{
    char  *error;

    error = portal_redis_check(redis);
    if (error != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "portal_redis \"%V\": %s",
                           address, error);
        return NGX_CONF_ERROR;
    }

    if (redis->path.len == 0 && redis->password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "portal_redis over TCP without a password; write "
                           "\"password_file=FILE\", or use \"unix:/path\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_portal_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    ssize_t     size;
    ngx_str_t  *value, name = ngx_string("portal");

    if (pmcf->l1 != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size < (ssize_t) (64 * ngx_pagesize)) {
        return ngx_http_portal_conf_invalid(cf, &value[1],
                                            "a size as \"16m\", at least "
                                            "\"256k\"");
    }

    pmcf->l1 = portal_l1_add(cf, &name, (size_t) size,
                             &ngx_http_portal_module);

    return pmcf->l1 ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* DIR and the languages in it; the first is what nobody asked otherwise gets */

char *
ngx_http_portal_conf_photo(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    ngx_str_t            *value, rest;
    ngx_uint_t            i, *n, most;
    ngx_file_info_t       fi;
    const char           *name;
    portal_photo_conf_t  *photo;

    photo = &pmcf->photo;
    value = cf->args->elts;

    if (photo->path.len) {
        return "is duplicate";
    }

    photo->path = value[1];
    photo->queue = NGX_HTTP_PORTAL_PHOTO_QUEUE;

    if (ngx_conf_full_name(cf->cycle, &photo->path, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_file_info(photo->path.data, &fi) == NGX_FILE_ERROR
        || !ngx_is_file(&fi) || (fi.st_mode & 0111) == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is no program; write where portal-photo "
                           "is, mode 0755", &photo->path);
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_portal_conf_prefix(&value[i], "processes=", &rest)) {
            name = "processes";
            n = &photo->processes;
            most = PORTAL_PHOTO_SHARED;

        } else if (ngx_http_portal_conf_prefix(&value[i], "queue=", &rest)) {
            name = "queue";
            n = &photo->queue;
            most = 65535;

        } else {
            return ngx_http_portal_conf_invalid(cf, &value[i],
                       "\"processes=\" or \"queue=\"");
        }

        if (ngx_http_portal_conf_number(cf, &rest, name, 1, n) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        *n = ngx_min(*n, most);
    }

    return NGX_CONF_OK;
}


char *
ngx_http_portal_conf_languages(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    u_char        *p;
    ngx_str_t     *value, path, text;
    ngx_uint_t     i, n;
    json_error_t   error;

    if (pmcf->nlanguages) {
        return "is duplicate";
    }

    value = cf->args->elts;
    pmcf->languages_dir = value[1];

    n = cf->args->nelts - 2;

    if (n > NGX_HTTP_PORTAL_LANGUAGES) {
        return "has too many languages";
    }

    for (i = 0; i < n; i++) {

        p = value[2 + i].data;

        if (value[2 + i].len != 2 || p[0] < 'a' || p[0] > 'z'
            || p[1] < 'a' || p[1] > 'z')
        {
            return "takes languages of two small letters, as \"fr\"";
        }

        path.len = value[1].len + 1 + value[2 + i].len + sizeof(".json") - 1;
        path.data = ngx_pnalloc(cf->pool, path.len + 1);
        if (path.data == NULL) {
            return NGX_CONF_ERROR;
        }

        p = ngx_sprintf(path.data, "%V/%V.json%Z", &value[1], &value[2 + i]);

        if (ngx_http_portal_conf_read(cf, &path, &text) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        pmcf->labels[i] = json_loadb((char *) text.data, text.len,
                                     JSON_REJECT_DUPLICATES, &error);

        if (!json_is_object(pmcf->labels[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s:%d: %s", path.data,
                               error.line, error.text);
            return NGX_CONF_ERROR;
        }

        pmcf->languages[i] = value[2 + i];
    }

    (void) p;

    pmcf->nlanguages = n;

    return NGX_CONF_OK;
}


char *
ngx_http_portal_conf_templates(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    ngx_str_t           *value;
    ngx_uint_t           i;
    ngx_pool_cleanup_t  *cln;

    if (pmcf->templates.len) {
        return "is duplicate";
    }

    if (pmcf->nlanguages == 0) {
        return "must come after \"portal_languages\"";
    }

    value = cf->args->elts;
    pmcf->templates = value[1];

    if (ngx_conf_full_name(cf->cycle, &pmcf->templates, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_portal_conf_free_views;
    cln->data = pmcf;

    for (i = 0; i < pmcf->nlanguages; i++) {
        pmcf->views[i] = portal_views_create((char *) pmcf->templates.data,
                                       (char *) pmcf->languages[i].data,
                                       pmcf->labels[i]);
        if (pmcf->views[i] == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static void
ngx_http_portal_conf_free_views(void *data)
{
    ngx_http_portal_main_conf_t *pmcf = data;

    ngx_uint_t       i;
    portal_form_t  **form;

    for (i = 0; i < pmcf->nlanguages; i++) {

        if (pmcf->views[i] != NULL) {
            portal_views_free(pmcf->views[i]);
        }

        json_decref(pmcf->labels[i]);
    }

    form = pmcf->forms.elts;

    for (i = 0; i < pmcf->forms.nelts; i++) {
        portal_form_free(form[i]);
    }
}


char *
ngx_http_portal_conf_forms(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    ngx_str_t  *value;

    if (pmcf->forms_dir.len) {
        return "is duplicate";
    }

    value = cf->args->elts;
    pmcf->forms_dir = value[1];

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_portal_conf_number(ngx_conf_t *cf, ngx_str_t *value,
    const char *name, ngx_int_t min, ngx_uint_t *out)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n < min || n > 65535) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%s=%V\"; write a whole number from %i "
                           "to 65535", name, value, min);
        return NGX_ERROR;
    }

    *out = (ngx_uint_t) n;

    return NGX_OK;
}


ngx_uint_t
ngx_http_portal_conf_prefix(ngx_str_t *value, const char *prefix,
    ngx_str_t *rest)
{
    size_t  len;

    len = ngx_strlen(prefix);

    if (value->len < len || ngx_strncmp(value->data, prefix, len) != 0) {
        return 0;
    }

    rest->data = value->data + len;
    rest->len = value->len - len;

    return 1;
}


/* ends of line at the end do not count: what an editor adds to a password */

ngx_int_t
ngx_http_portal_conf_read(ngx_conf_t *cf, ngx_str_t *path, ngx_str_t *text)
{
    off_t        size;
    ssize_t      n;
    ngx_str_t    name;
    ngx_file_t   file;

    name = *path;

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = name;
    file.log = cf->log;
    file.fd = ngx_open_file(name.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed; write the path "
                           "of a file that is there", &name);
        return NGX_ERROR;
    }

    n = -1;
    size = 0;

    if (ngx_fd_info(file.fd, &file.info) != NGX_FILE_ERROR) {
        size = ngx_file_size(&file.info);
    }

    if (size > 0 && size < (off_t) 1024 * 1024) {
        text->data = ngx_pnalloc(cf->pool, (size_t) size + 1);

        if (text->data != NULL) {
            n = ngx_read_file(&file, text->data, (size_t) size, 0);
        }
    }

    ngx_close_file(file.fd);

    if (n < 0 || n != (ssize_t) size) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is empty, too large or unreadable", &name);
        return NGX_ERROR;
    }

    while (n && (text->data[n - 1] == '\n' || text->data[n - 1] == '\r')) {
        n--;
    }

    text->len = (size_t) n;
    text->data[n] = '\0';

    return NGX_OK;
}
