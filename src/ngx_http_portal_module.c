
/*
 * Copyright (C) the portal's authors
 */


#include "ngx_http_portal.h"
#include "ngx_http_portal_conf.h"


static ngx_int_t ngx_http_portal_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_portal_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_portal_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_portal_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_portal_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_portal_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_uint_t ngx_http_portal_for_machines(
    ngx_http_portal_loc_conf_t *conf);
static char *ngx_http_portal_check_audience(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *conf);
static char *ngx_http_portal_merge_content(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *conf);
static char *ngx_http_portal_misplaced(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *plcf, const char *what);
static ngx_int_t ngx_http_portal_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_portal_init_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_portal_init_jobs(ngx_cycle_t *cycle,
    ngx_http_portal_main_conf_t *pmcf);
static void ngx_http_portal_exit_process(ngx_cycle_t *cycle);


ngx_http_portal_services_t  ngx_http_portal;


ngx_conf_enum_t  ngx_http_portal_audiences[] = {
    { ngx_string("public"), NGX_HTTP_PORTAL_PUBLIC },
    { ngx_string("citizen"), NGX_HTTP_PORTAL_CITIZEN },
    { ngx_string("family"), NGX_HTTP_PORTAL_FAMILY },
    { ngx_string("agent"), NGX_HTTP_PORTAL_AGENT },
    { ngx_string("machine"), NGX_HTTP_PORTAL_MACHINE },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_portal_commands[] = {

    { ngx_string("portal_keys"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_portal_conf_keys,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_database"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_portal_conf_database,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_portal_main_conf_t, pg),
      NULL },

    { ngx_string("portal_jobs"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_portal_conf_database,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_portal_main_conf_t, jobs),
      NULL },

    { ngx_string("portal_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_portal_conf_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_portal_conf_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_hash_pool"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_portal_main_conf_t, hash_pool),
      NULL },

    { ngx_string("portal_password_breached"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_portal_conf_breached,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_mail"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_portal_conf_mail,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_photo"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE123,
      ngx_http_portal_conf_photo,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_import"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_portal_conf_import,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_webhooks"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_ANY,
      ngx_http_portal_conf_webhooks,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_languages"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_portal_conf_languages,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_templates"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_portal_conf_templates,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_forms"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_portal_conf_forms,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_tenant"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_portal_conf_tenant,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_allow"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_portal_conf_allow,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      &ngx_http_portal_audiences },

    { ngx_string("portal_page"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_portal_conf_page,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_get"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_portal_conf_get,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_file"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_portal_conf_file,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_post"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE2,
      ngx_http_portal_conf_post,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_put"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_portal_conf_put,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_verify"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE3|NGX_CONF_TAKE4,
      ngx_http_portal_conf_verify,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_passive"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_portal_conf_passive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_qr"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE2,
      ngx_http_portal_conf_qr,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_signed_in"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_portal_conf_signed_in,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_error"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_portal_conf_error,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("portal_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_portal_conf_monitor,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_portal_metrics_handler },

    { ngx_string("portal_health"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_portal_conf_monitor,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_portal_health_handler },

    { ngx_string("portal_policy_reports"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_portal_conf_monitor,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_portal_report_handler },

    { ngx_string("portal_arg"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE23,
      ngx_http_portal_conf_arg,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_portal_module_ctx = {
    ngx_http_portal_preconfiguration,      /* preconfiguration */
    ngx_http_portal_postconfiguration,     /* postconfiguration */

    ngx_http_portal_create_main_conf,      /* create main configuration */
    ngx_http_portal_init_main_conf,        /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_portal_create_loc_conf,       /* create location configuration */
    ngx_http_portal_merge_loc_conf         /* merge location configuration */
};


ngx_module_t  ngx_http_portal_module = {
    NGX_MODULE_V1,
    &ngx_http_portal_module_ctx,           /* module context */
    ngx_http_portal_commands,              /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_portal_init_module,           /* init module */
    ngx_http_portal_init_process,          /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_portal_exit_process,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_portal_preconfiguration(ngx_conf_t *cf)
{
    if (portal_crypto_init() != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "libsodium does not start");
        return NGX_ERROR;
    }

    json_object_seed(0);

    return ngx_http_portal_add_variables(cf);
}


static ngx_int_t
ngx_http_portal_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt          *h;
    ngx_http_core_main_conf_t    *cmcf;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_portal_module);

    if (!pmcf->used) {

        /* loaded and not used */

        return NGX_OK;
    }

    if (ngx_http_portal_conf_complete(cf, pmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_portal_gate_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_portal_verdict_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_portal_log_start;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_portal_log_count;

    ngx_http_portal_upload_init();

    return NGX_OK;
}


static void *
ngx_http_portal_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_portal_main_conf_t));
    if (pmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&pmcf->statements, cf->pool, 32,
                       sizeof(portal_pg_statement_t *))
        != NGX_OK
        || ngx_array_init(&pmcf->job_statements, cf->pool, 4,
                          sizeof(portal_pg_statement_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->view_list, cf->pool, 32,
                          sizeof(ngx_http_portal_view_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->forms, cf->pool, 16,
                          sizeof(portal_form_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->towns, cf->pool, 4,
                          sizeof(ngx_http_portal_town_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->logins, cf->pool, 4,
                          sizeof(ngx_http_portal_loc_conf_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->acts, cf->pool, 32,
                          sizeof(ngx_http_portal_loc_conf_t *))
           != NGX_OK)
    {
        return NULL;
    }

    return pmcf;
}


static char *
ngx_http_portal_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_portal_main_conf_t *pmcf = conf;

    if (pmcf->hash_pool.len == 0) {
        ngx_str_set(&pmcf->hash_pool, "portal_hash");
    }

    if (pmcf->purge_every == 0) {
        pmcf->purge_every = 3600000;
    }

    if (pmcf->chain_every == 0) {
        pmcf->chain_every = 5000;
    }

    if (pmcf->codes_every == 0) {
        pmcf->codes_every = 5000;
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_portal_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_portal_loc_conf_t  *plcf;

    plcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_portal_loc_conf_t));
    if (plcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     plcf->town = NULL;
     *     plcf->tenant = NULL;
     *     plcf->get = NULL;
     *     plcf->view = NULL;
     *     plcf->act = NULL;
     *     plcf->put = NULL;
     *     plcf->args = NULL;
     */

    plcf->audience = NGX_CONF_UNSET_UINT;
    plcf->page_status = NGX_HTTP_OK;

    return plcf;
}


/*
 * Only the town is inherited.  The audience is not: a location says for whom
 * it is, and a nested one that says nothing would otherwise be open or closed
 * by accident.
 */

static char *
ngx_http_portal_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_portal_loc_conf_t *prev = parent;
    ngx_http_portal_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname) {

        /* "if" and "limit_except" are no other place than where they stand */

        *conf = *prev;

        if (clcf->handler == NULL && prev->handled) {
            clcf->handler = ngx_http_portal_content_handler;
        }

        conf->handled = clcf->handler == ngx_http_portal_content_handler;

        return NGX_CONF_OK;
    }

    if (conf->town == NULL && conf->tenant == NULL) {
        conf->town = prev->town;
        conf->tenant = prev->tenant;
        conf->agents = prev->agents;

    } else if ((prev->town != NULL || prev->tenant != NULL)
               && conf->agents != prev->agents)
    {
        return ngx_http_portal_misplaced(cf, conf,
                   "a server is for agents as a whole or not at all; write "
                   "\"portal_tenant SLUG agents\" in a server of its own");
    }

    if (conf->handled && clcf->handler != ngx_http_portal_content_handler) {
        return ngx_http_portal_misplaced(cf, conf,
                   "another directive makes the content of this location, "
                   "too; write it in a location of its own");
    }

    if (ngx_http_portal_merge_content(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (conf->audience == NGX_CONF_UNSET_UINT) {

        if (conf->handled) {
            return ngx_http_portal_misplaced(cf, conf,
                       "a portal location lacks \"portal_allow\"; write "
                       "\"portal_allow public\", \"citizen\", "
                       "\"family\", \"agent\" or \"machine RIGHT\"");
        }

        if (prev->line && prev->audience != NGX_HTTP_PORTAL_UNSET) {
            return ngx_http_portal_misplaced(cf, prev,
                       "a location within this one lacks \"portal_allow\"; "
                       "write for whom that one is, too");
        }

        conf->audience = NGX_HTTP_PORTAL_UNSET;
        return NGX_CONF_OK;
    }

    return ngx_http_portal_check_audience(cf, conf);
}


static char *
ngx_http_portal_check_audience(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->town == NULL && conf->tenant == NULL) {
        return ngx_http_portal_misplaced(cf, conf,
                   "\"portal_allow\" needs a town; write "
                   "\"portal_tenant SLUG\" in the server");
    }

    if (clcf->satisfy == NGX_HTTP_SATISFY_ANY) {
        return ngx_http_portal_misplaced(cf, conf,
                   "\"satisfy any\" would let others than the gate decide; "
                   "write \"satisfy all\" beside \"portal_allow\"");
    }

    if (conf->audience != NGX_HTTP_PORTAL_PUBLIC
        && (conf->audience == NGX_HTTP_PORTAL_AGENT
            || conf->audience == NGX_HTTP_PORTAL_MACHINE)
           != conf->agents)
    {
        return ngx_http_portal_misplaced(cf, conf, conf->agents
                   ? "a server for agents has no page of citizens; write "
                     "\"portal_allow agent\", \"machine\" or \"public\", or "
                     "move it"
                   : "\"portal_allow agent\" or \"machine\" stands in a "
                     "server that is not for agents; write \"portal_tenant "
                     "SLUG agents\" in one of its own");
    }

    if ((conf->audience == NGX_HTTP_PORTAL_MACHINE)
        != ngx_http_portal_for_machines(conf))
    {
        return ngx_http_portal_misplaced(cf, conf,
                   "\"portal_put\", a \"portal_get\" without a template or "
                   "with one for spreadsheets, and a form with a list are "
                   "for machines, and nothing else of the portal's is; "
                   "write them beside \"portal_allow machine RIGHT\"");
    }

    return NGX_CONF_OK;
}


/* what has no page, and no form of a page, whose token comes with a cookie */

static ngx_uint_t
ngx_http_portal_for_machines(ngx_http_portal_loc_conf_t *conf)
{
    if (!conf->handled) {

        /* another content: whoever the gate is told to let in */

        return conf->audience == NGX_HTTP_PORTAL_MACHINE;
    }

    if (conf->error || conf->passive || conf->sends) {
        return 0;
    }

    if (conf->act != NULL) {
        return conf->post != NULL && conf->form->list && conf->get == NULL
               && conf->view == NULL;
    }

    return conf->put != NULL
           || (conf->get != NULL
               && (conf->view == NULL
                   || (conf->view->csv
                       && conf->audience == NGX_HTTP_PORTAL_MACHINE)));
}


static char *
ngx_http_portal_merge_content(ngx_conf_t *cf,
    ngx_http_portal_loc_conf_t *conf)
{
    if (conf->error && (conf->view != NULL || conf->act != NULL)) {
        return ngx_http_portal_misplaced(cf, conf,
                   "a page and \"portal_error\" are in one location; write "
                   "them in two");
    }

    if (conf->sends && conf->act != NULL) {
        return ngx_http_portal_misplaced(cf, conf,
                   "a form and \"portal_file\" are in one location; write "
                   "them in two");
    }

    if (conf->signed_in.len
        && (conf->view == NULL || conf->form == NULL || !conf->form->login))
    {
        return ngx_http_portal_misplaced(cf, conf,
                   "\"portal_signed_in\" stands beside a page with a form "
                   "that logs in; write it there or not at all");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_portal_misplaced(ngx_conf_t *cf, ngx_http_portal_loc_conf_t *plcf,
    const char *what)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%s in %V:%ui", what,
                  &plcf->file, plcf->line);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_portal_init_module(ngx_cycle_t *cycle)
{
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_portal_module);

    if (pmcf == NULL || !pmcf->used) {
        return NGX_OK;
    }

    return ngx_http_portal_conf_connections(cycle, pmcf);
}


static ngx_int_t
ngx_http_portal_init_process(ngx_cycle_t *cycle)
{
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_portal_module);

    if ((ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
        || pmcf == NULL || !pmcf->used)
    {
        return NGX_OK;
    }

    portal_random_forget();
    portal_count_attach(pmcf->counts);

    /*
     * The clock stands where the master read the configuration: counted from
     * there, the first connections would be late before they are begun.
     */

    ngx_time_update();

    ngx_http_portal.l1 = pmcf->l1;

    ngx_http_portal.pg = portal_pg_create(cycle, &pmcf->pg);
    ngx_http_portal.redis = portal_redis_create(cycle, &pmcf->redis,
                                        ngx_http_portal_session_changed, NULL);
    ngx_http_portal.hash = portal_hash_create(cycle, pmcf->thread_pool,
                                          portal_l1_counters(pmcf->l1),
                                          (ngx_uint_t) ngx_ncpu,
                                          NGX_HTTP_PORTAL_HASH_QUEUE,
                                          pmcf->breached);

    if (ngx_http_portal.pg == NULL || ngx_http_portal.redis == NULL
        || ngx_http_portal.hash == NULL)
    {
        return NGX_ERROR;
    }

    if (pmcf->photo.path.len) {
        ngx_http_portal.photo = portal_photo_create(cycle, &pmcf->photo,
                                          portal_l1_counters(pmcf->l1)
                                          + PORTAL_HASH_SHARED);
        if (ngx_http_portal.photo == NULL) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_portal_check_init(cycle, pmcf) != NGX_OK
        || ngx_http_portal_towns_init(cycle, pmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_portal_gauges_init(cycle);

    return NGX_OK;
}


/*
 * Not before the database is known to be this key file's: a mail whose token
 * does not open is given up for good, and codes that are made with other keys
 * are nobody's.
 */

void
ngx_http_portal_jobs_start(ngx_http_portal_main_conf_t *pmcf)
{
    ngx_cycle_t  *cycle;

    if (ngx_http_portal.jobs != NULL || ngx_exiting || ngx_terminate) {
        return;
    }

    cycle = (ngx_cycle_t *) ngx_cycle;

    if (ngx_http_portal_init_jobs(cycle, pmcf) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "portal: the jobs could not be started: no mail goes "
                      "out and nothing is erased, restart");
    }
}


/*
 * One worker of each node: leases and locks in the database, not this, keep
 * two from doing the same.
 */

static ngx_int_t
ngx_http_portal_init_jobs(ngx_cycle_t *cycle,
    ngx_http_portal_main_conf_t *pmcf)
{
    portal_job_conf_t  *job;

    if (ngx_worker != 0 || pmcf->jobs.hosts.elts == NULL) {
        return NGX_OK;
    }

    ngx_http_portal.jobs = portal_pg_create(cycle, &pmcf->jobs);
    if (ngx_http_portal.jobs == NULL) {
        return NGX_ERROR;
    }

    pmcf->periodic.job[0].statement = pmcf->audit_chain;
    pmcf->periodic.job[0].every = pmcf->chain_every;
    pmcf->periodic.job[1].statement = pmcf->purge;
    pmcf->periodic.job[1].every = pmcf->purge_every;
    pmcf->periodic.job[2].statement = pmcf->code_work;
    pmcf->periodic.job[2].every = pmcf->codes_every;
    pmcf->periodic.job[2].bring = ngx_http_portal_issue_bring;
    pmcf->periodic.job[2].data = pmcf;
    pmcf->periodic.n = 3;

    if (pmcf->import.every) {
        job = &pmcf->periodic.job[pmcf->periodic.n++];
        job->statement = pmcf->import_work;
        job->every = pmcf->import.every;

        ngx_http_portal.import = portal_import_create(cycle, &pmcf->import,
                                                      ngx_http_portal.jobs);
        if (ngx_http_portal.import == NULL) {
            return NGX_ERROR;
        }
    }

    if (pmcf->hook.on) {
        job = &pmcf->periodic.job[pmcf->periodic.n++];
        job->statement = pmcf->hook.work;
        job->every = pmcf->hook.interval;

        ngx_http_portal.hook = portal_hook_create(cycle, &pmcf->hook,
                                                  ngx_http_portal.jobs,
                                                  ngx_http_portal_hook_sign,
                                                  pmcf);
        if (ngx_http_portal.hook == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_http_portal.periodic = portal_jobs_create(cycle, &pmcf->periodic,
                                                  ngx_http_portal.jobs);
    if (ngx_http_portal.periodic == NULL) {
        return NGX_ERROR;
    }

    ngx_http_portal_outbox_init(cycle, pmcf);

    if (pmcf->mail.url.len == 0) {
        return NGX_OK;
    }

    ngx_http_portal.mail = portal_mail_create(cycle, &pmcf->mail,
                                              ngx_http_portal.jobs,
                                              pmcf->mail_claim,
                                              pmcf->mail_done,
                                              ngx_http_portal_mail_render,
                                              pmcf);

    return ngx_http_portal.mail ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_portal_exit_process(ngx_cycle_t *cycle)
{
    (void) cycle;

    ngx_http_portal_gauges_exit();

    if (ngx_http_portal.mail) {
        portal_mail_destroy(ngx_http_portal.mail);
    }

    if (ngx_http_portal.photo) {
        portal_photo_destroy(ngx_http_portal.photo);
    }

    portal_hook_destroy(ngx_http_portal.hook);
    portal_import_destroy(ngx_http_portal.import);
    portal_jobs_destroy(ngx_http_portal.periodic);

    if (ngx_http_portal.jobs) {
        portal_pg_destroy(ngx_http_portal.jobs);
    }

    if (ngx_http_portal.pg) {
        /* first, for they may be asking */
        ngx_http_portal_towns_exit();
        portal_pg_destroy(ngx_http_portal.pg);
    }

    if (ngx_http_portal.redis) {
        portal_redis_destroy(ngx_http_portal.redis);
    }

    if (ngx_http_portal.hash) {
        portal_hash_destroy(ngx_http_portal.hash);
    }
}
