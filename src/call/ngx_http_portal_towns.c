
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * The towns that this worker knows.  Those that the configuration names are
 * here from the start; of "portal_tenant $variable" each is asked for when a
 * request first names it, so that a town is added, and erased, in the database
 * alone.  A name that is no town's is forgotten with its answer: whoever
 * invents host names fills no memory.
 */


static ngx_http_portal_town_t *ngx_http_portal_town_named(
    ngx_http_request_t *r, ngx_http_portal_loc_conf_t *plcf);
static ngx_http_portal_town_t *ngx_http_portal_towns_lookup(ngx_str_t *slug);
static ngx_http_portal_town_t *ngx_http_portal_towns_add(ngx_str_t *slug);
static void ngx_http_portal_towns_insert(ngx_http_portal_town_t *town);


static ngx_http_portal_main_conf_t  *ngx_http_portal_towns_conf;
static ngx_rbtree_t                  ngx_http_portal_towns_tree;
static ngx_rbtree_node_t             ngx_http_portal_towns_sentinel;

/* what a request has that is for no town, or for one that nobody can tell */
static ngx_http_portal_town_t        ngx_http_portal_nowhere;
static ngx_http_portal_town_t        ngx_http_portal_unheard;


ngx_int_t
ngx_http_portal_towns_init(ngx_cycle_t *cycle,
    ngx_http_portal_main_conf_t *pmcf)
{
    ngx_uint_t                i;
    ngx_http_portal_town_t  **town;

    ngx_http_portal_towns_conf = pmcf;

    ngx_rbtree_init(&ngx_http_portal_towns_tree,
                    &ngx_http_portal_towns_sentinel,
                    ngx_str_rbtree_insert_value);

    ngx_http_portal_nowhere.nowhere = 1;
    ngx_http_portal_nowhere.place = PORTAL_COUNT_TOWNS - 1;
    ngx_http_portal_unheard.nowhere = 1;
    ngx_http_portal_unheard.place = PORTAL_COUNT_TOWNS - 1;

    if (ngx_http_portal_town_start(pmcf, &ngx_http_portal_nowhere, cycle->log)
        != NGX_OK
        || ngx_http_portal_town_start(pmcf, &ngx_http_portal_unheard,
                                      cycle->log)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    town = pmcf->towns.elts;

    for (i = 0; i < pmcf->towns.nelts; i++) {
        town[i]->place = portal_count_town(&town[i]->slug);
        ngx_http_portal_towns_insert(town[i]);

        if (ngx_http_portal_town_start(pmcf, town[i], cycle->log) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * A worker that has just started, at a reload under load, would otherwise show
 * its first visitors a town without a name and refuse their forms' Origin.
 */

ngx_int_t
ngx_http_portal_town_find(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_loc_conf_t *plcf)
{
    if (ctx->town == NULL) {
        ctx->town = plcf->town ? plcf->town
                               : ngx_http_portal_town_named(r, plcf);
    }

    if (ctx->town == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->town->asked && ctx->town->document != NULL) {

        /* who makes a call hears of the town by that, and waits once */

        ngx_http_portal_town_refresh(ctx->town, plcf->view != NULL
                                                && plcf->get == NULL
                                                && !plcf->error
                                                && (r->method
                                                    & (NGX_HTTP_GET
                                                       |NGX_HTTP_HEAD)));
    }

    /*
     * What a filter has refused, as 412, nginx lets answer at once or never.
     * Who does not wait must not hold what may end with its answer.
     */

    if (!ctx->town->asked && r->filter_finalize) {

        if (ctx->town->pool != NULL && ctx->town->document == NULL) {
            ctx->town = &ngx_http_portal_unheard;
        }

    } else if (!ctx->town->asked) {

        if (!ctx->town_waiting) {
            ctx->town_waiting = 1;
            ngx_queue_insert_tail(&ctx->town->waiting, &ctx->town_queue);
        }

        return NGX_AGAIN;
    }

    if (ctx->town->gone) {

        /* it may have come back */

        ngx_http_portal_town_ask(ctx->town);
        ctx->town = &ngx_http_portal_nowhere;
    }

    if (plcf->error) {

        /* which is what such a request is led to */

        return NGX_OK;
    }

    if (ctx->town == &ngx_http_portal_nowhere) {
        return NGX_HTTP_MISDIRECTED_REQUEST;
    }

    return ctx->town == &ngx_http_portal_unheard
               ? NGX_HTTP_SERVICE_UNAVAILABLE : NGX_OK;
}


/* by the request itself; NULL: no memory */

static ngx_http_portal_town_t *
ngx_http_portal_town_named(ngx_http_request_t *r,
    ngx_http_portal_loc_conf_t *plcf)
{
    ngx_str_t                slug;
    ngx_http_portal_town_t  *town;

    if (ngx_http_complex_value(r, plcf->tenant, &slug) != NGX_OK) {
        return NULL;
    }

    town = ngx_http_portal_towns_lookup(&slug);

    if (town != NULL) {
        return town;
    }

    return ngx_http_portal_is_slug(&slug) ? ngx_http_portal_towns_add(&slug)
                                          : &ngx_http_portal_nowhere;
}


ngx_http_portal_town_t *
ngx_http_portal_town_known(ngx_http_request_t *r)
{
    ngx_str_t                    slug;
    ngx_http_portal_ctx_t       *ctx;
    ngx_http_portal_loc_conf_t  *plcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_portal_module);

    if (ctx != NULL && ctx->town != NULL) {
        return ctx->town->nowhere ? NULL : ctx->town;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_portal_module);

    if (plcf->tenant == NULL) {
        return plcf->town;
    }

    if (ngx_http_complex_value(r, plcf->tenant, &slug) != NGX_OK) {
        return NULL;
    }

    return ngx_http_portal_towns_lookup(&slug);
}


void
ngx_http_portal_town_gone(ngx_http_portal_town_t *town)
{
    if (town->pool != NULL) {
        town->gone = 1;
    }
}


/*
 * Once a town has been asked for: itself, or what stands for it where there is
 * none.  One that was never known is forgotten: nobody but those who have
 * waited for it holds it.
 */

ngx_http_portal_town_t *
ngx_http_portal_towns_settle(ngx_http_portal_town_t *town)
{
    ngx_http_portal_town_t  *real;

    if (town->pool == NULL || town->document != NULL) {
        return town;
    }

    real = town->gone ? &ngx_http_portal_nowhere : &ngx_http_portal_unheard;

    ngx_rbtree_delete(&ngx_http_portal_towns_tree, &town->node.node);
    ngx_http_portal_town_end(town);
    ngx_destroy_pool(town->pool);

    return real;
}


/* a town's short name, in addresses, keys and MACs */

ngx_uint_t
ngx_http_portal_is_slug(ngx_str_t *slug)
{
    u_char  ch;
    size_t  i;

    for (i = 0; i < slug->len; i++) {
        ch = slug->data[i];

        if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9') && ch != '-') {
            return 0;
        }
    }

    return i > 0 && i <= 63;
}


static ngx_http_portal_town_t *
ngx_http_portal_towns_lookup(ngx_str_t *slug)
{
    return (ngx_http_portal_town_t *)
               ngx_str_rbtree_lookup(&ngx_http_portal_towns_tree, slug,
                                     ngx_crc32_short(slug->data, slug->len));
}


static ngx_http_portal_town_t *
ngx_http_portal_towns_add(ngx_str_t *slug)
{
    ngx_pool_t              *pool;
    ngx_http_portal_town_t  *town;

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    town = ngx_pcalloc(pool, sizeof(ngx_http_portal_town_t));
    if (town == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    town->pool = pool;
    town->place = PORTAL_COUNT_TOWNS - 1;       /* until it is one */
    town->slug.data = ngx_pnalloc(pool, slug->len + 1);

    if (town->slug.data == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    town->slug.len = slug->len;
    *ngx_cpymem(town->slug.data, slug->data, slug->len) = '\0';

    if (ngx_http_portal_town_start(ngx_http_portal_towns_conf, town,
                                   ngx_cycle->log)
        != NGX_OK)
    {
        ngx_http_portal_town_end(town);
        ngx_destroy_pool(pool);
        return NULL;
    }

    ngx_http_portal_towns_insert(town);

    return town;
}


static void
ngx_http_portal_towns_insert(ngx_http_portal_town_t *town)
{
    town->node.str = town->slug;
    town->node.node.key = ngx_crc32_short(town->slug.data, town->slug.len);

    ngx_rbtree_insert(&ngx_http_portal_towns_tree, &town->node.node);
}


void
ngx_http_portal_towns_exit(void)
{
    ngx_rbtree_node_t       *root;
    ngx_http_portal_town_t  *town;

    while (ngx_http_portal_towns_tree.root != &ngx_http_portal_towns_sentinel)
    {
        root = ngx_http_portal_towns_tree.root;
        town = (ngx_http_portal_town_t *) root;

        ngx_rbtree_delete(&ngx_http_portal_towns_tree, root);
        ngx_http_portal_town_end(town);

        if (town->pool != NULL) {
            ngx_destroy_pool(town->pool);
        }
    }

    ngx_http_portal_town_end(&ngx_http_portal_nowhere);
    ngx_http_portal_town_end(&ngx_http_portal_unheard);
}
