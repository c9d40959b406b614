
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * Codes abonne are made here, for PostgreSQL to give to guardians: it knows
 * who needs one, and no key.  A code goes as what it is found by and as what
 * its letter is printed from, sealed; in clear it is nowhere.
 */

/* of a lot; made in the event loop, so no more than some milliseconds */
#define NGX_HTTP_PORTAL_ISSUE_MOST  200


static json_t *ngx_http_portal_issue_one(const portal_keys_t *keys,
    portal_text_t slug);


/* {"id", "mac", "sealed"}, NULL: it could not be made */

json_t *
ngx_http_portal_issue(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx)
{
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_portal_module);

    return ngx_http_portal_issue_one(pmcf->keys,
                             ngx_http_portal_text(ctx->town->slug));
}


/* what the job code_work asks for: {"town", "codes": how many} */

json_t *
ngx_http_portal_issue_bring(void *data, json_t *asked)
{
    json_t                       *brought, *codes;
    json_int_t                    n;
    const char                   *town;
    portal_text_t                 slug;
    ngx_http_portal_main_conf_t  *pmcf;

    pmcf = data;

    town = json_string_value(json_object_get(asked, "town"));
    n = json_integer_value(json_object_get(asked, "codes"));

    if (town == NULL || n < 1) {
        return NULL;
    }

    slug = (portal_text_t) { town, ngx_strlen(town) };

    codes = json_array();
    brought = json_pack("{s:s, s:o?}", "town", town, "codes", codes);

    for (n = ngx_min(n, NGX_HTTP_PORTAL_ISSUE_MOST); n && brought; n--) {

        if (json_array_append_new(codes,
                                  ngx_http_portal_issue_one(pmcf->keys, slug))
            != 0)
        {
            json_decref(brought);
            return NULL;
        }
    }

    return brought;
}


static json_t *
ngx_http_portal_issue_one(const portal_keys_t *keys, portal_text_t slug)
{
    char             id[36];
    json_t          *code;
    portal_issued_t  issued;

    portal_uuid(id);
    ngx_memzero(&issued, sizeof(issued));

    if (portal_code_issue(keys, slug, (portal_text_t) { id, sizeof(id) },
                          &issued)
        == -1)
    {
        return NULL;
    }

    code = json_pack("{s:s%, s:s%, s:s%}", "id", id, sizeof(id),
                     "mac", issued.mac, sizeof(issued.mac),
                     "sealed", issued.sealed, issued.sealed_len);

    portal_wipe(&issued, sizeof(issued));

    return code;
}
