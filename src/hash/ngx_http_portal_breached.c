
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"
#include "../ngx_http_portal_conf.h"


/*
 * "portal_password_breached": the file stays open for as long as the
 * configuration that named it, so that workers need no right to open it, and
 * another file of that name counts from the next reload on.
 */


static char *ngx_http_portal_conf_breached_wrong(ngx_conf_t *cf,
    ngx_str_t *path, ngx_err_t err, const char *what);


char *
ngx_http_portal_conf_breached(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    ngx_fd_t                   fd;
    ngx_str_t                 *value;
    ngx_file_info_t            fi;
    portal_breached_e          e;
    ngx_pool_cleanup_t        *cln;
    ngx_pool_cleanup_file_t   *clnf;

    static const char  *const  wrong[] = {
        NULL, "is empty", "has a line of another form", "is not sorted",
        "cannot be read"
    };

    if (pmcf->breached != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_pool_cleanup_file_t));
    pmcf->breached = ngx_pcalloc(cf->pool, sizeof(portal_breached_t));

    if (cln == NULL || pmcf->breached == NULL
        || ngx_conf_full_name(cf->cycle, &value[1], 0) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* not to wait for who writes, should it be a pipe */

    fd = ngx_open_file(value[1].data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        return ngx_http_portal_conf_breached_wrong(cf, &value[1], ngx_errno,
                                                   "cannot be opened");
    }

    clnf = cln->data;
    clnf->fd = fd;
    clnf->name = value[1].data;
    clnf->log = &cf->cycle->new_log;    /* the log of now is another cycle's */
    cln->handler = ngx_pool_cleanup_file;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR
        || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
    {
        return ngx_http_portal_conf_breached_wrong(cf, &value[1], ngx_errno,
                                                   "cannot be read");
    }

    if (!ngx_is_file(&fi)) {
        return ngx_http_portal_conf_breached_wrong(cf, &value[1], 0,
                                                   "is not a file");
    }

    pmcf->breached->fd = fd;
    pmcf->breached->size = ngx_file_size(&fi);

    e = portal_breached_check(pmcf->breached);

    if (e != PORTAL_BREACHED_OK) {
        return ngx_http_portal_conf_breached_wrong(cf, &value[1],
                   e == PORTAL_BREACHED_READ ? ngx_errno : 0, wrong[e]);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_portal_conf_breached_wrong(ngx_conf_t *cf, ngx_str_t *path,
    ngx_err_t err, const char *what)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                       "\"%V\" %s; write the path of a list of SHA-1 digests, "
                       "\"DIGEST:COUNT\" on each line, sorted by digest, or "
                       "leave portal_password_breached out", path, what);

    return NGX_CONF_ERROR;
}
