
/*
 * Copyright (C) the portal's authors
 */


#include "../ngx_http_portal.h"


/*
 * A claimed row of the outbox becomes a message: the link's token is opened
 * here, only for the templates, which know the page it is for.
 */


static ngx_int_t ngx_http_portal_mail_parts(ngx_http_portal_main_conf_t *pmcf,
    ngx_uint_t language, const char *name, json_t *context, ngx_pool_t *pool,
    portal_mail_message_t *message);
static ngx_int_t ngx_http_portal_mail_head(json_t *row, ngx_pool_t *pool,
    portal_mail_message_t *message);
static ngx_int_t ngx_http_portal_mail_token(ngx_http_portal_main_conf_t *pmcf,
    json_t *row, ngx_pool_t *pool, json_t *context);
static ngx_int_t ngx_http_portal_mail_part(ngx_http_portal_main_conf_t *pmcf,
    ngx_uint_t language, const char *name, const char *suffix,
    json_t *context, ngx_pool_t *pool, ngx_str_t *out);
static ngx_int_t ngx_http_portal_mail_text(json_t *row, const char *name,
    ngx_pool_t *pool, ngx_str_t *out);


ngx_int_t
ngx_http_portal_mail_render(void *data, ngx_str_t *row_json, ngx_pool_t *pool,
    portal_mail_message_t *message)
{
    ngx_http_portal_main_conf_t *pmcf = data;

    json_t      *row, *lang, *context;
    ngx_int_t    rc, n;
    ngx_uint_t   language;
    const char  *name;

    row = json_loadb((char *) row_json->data, row_json->len, 0, NULL);
    if (row == NULL) {
        return NGX_ERROR;
    }

    name = json_string_value(json_object_get(row, "template"));
    lang = json_object_get(row, "lang");

    n = ngx_http_portal_language_find(pmcf,
                                      (u_char *) json_string_value(lang),
                                      json_string_length(lang));
    language = n == NGX_ERROR ? 0 : (ngx_uint_t) n;

    context = json_pack("{s:{s:O?, s:O?, s:O?, s:O?, s:O?, s:o}, s:n, s:O?, "
                        "s:O?, s:s}",
                        "town",
                        "name", json_object_get(row, "town_name"),
                        "service", json_object_get(row, "service"),
                        "office", json_object_get(row, "office"),
                        "names", json_object_get(row, "names"),
                        "phone", json_object_get(row, "phone"),
                        "phone_display",
                        ngx_http_portal_phone(json_object_get(row, "phone")),
                        "token",
                        "data", json_object_get(row, "data"),
                        "origin", json_object_get(row, "origin"),
                        "lang", pmcf->languages[language].data);

    rc = NGX_ERROR;

    if (name != NULL && context != NULL
        && ngx_http_portal_mail_token(pmcf, row, pool, context) == NGX_OK
        && ngx_http_portal_mail_parts(pmcf, language, name, context, pool,
                                      message)
           == NGX_OK
        && ngx_http_portal_mail_head(row, pool, message) == NGX_OK)
    {
        rc = NGX_OK;
    }

    /* a subject is one line */

    while (message->subject.len
           && message->subject.data[message->subject.len - 1] <= ' ')
    {
        message->subject.len--;
    }

    json_decref(context);
    json_decref(row);

    return rc;
}


static ngx_int_t
ngx_http_portal_mail_parts(ngx_http_portal_main_conf_t *pmcf,
    ngx_uint_t language, const char *name, json_t *context, ngx_pool_t *pool,
    portal_mail_message_t *message)
{
    if (ngx_http_portal_mail_part(pmcf, language, name, ".subject.txt",
                                  context, pool, &message->subject)
        != NGX_OK
        || ngx_http_portal_mail_part(pmcf, language, name, ".txt", context,
                                     pool, &message->text)
           != NGX_OK
        || ngx_http_portal_mail_part(pmcf, language, name, ".html", context,
                                     pool, &message->html)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_mail_head(json_t *row, ngx_pool_t *pool,
    portal_mail_message_t *message)
{
    if (ngx_http_portal_mail_text(row, "from", pool, &message->from) != NGX_OK
        || ngx_http_portal_mail_text(row, "from_name", pool,
                                     &message->from_name)
           != NGX_OK
        || ngx_http_portal_mail_text(row, "recipient", pool, &message->to)
           != NGX_OK
        || ngx_http_portal_mail_text(row, "message_id", pool,
                                     &message->message_id)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_mail_token(ngx_http_portal_main_conf_t *pmcf, json_t *row,
    ngx_pool_t *pool, json_t *context)
{
    int             n;
    char           *token;
    json_t         *sealed, *tenant, *id;
    portal_text_t   slug, uuid, text;

    sealed = json_object_get(row, "token");
    if (!json_is_string(sealed)) {
        return NGX_OK;
    }

    tenant = json_object_get(row, "tenant");
    id = json_object_get(row, "id");

    if (!json_is_string(tenant) || !json_is_string(id)) {
        return NGX_ERROR;
    }

    slug.data = json_string_value(tenant);
    slug.len = json_string_length(tenant);
    uuid.data = json_string_value(id);
    uuid.len = json_string_length(id);
    text.data = json_string_value(sealed);
    text.len = json_string_length(sealed);

    token = ngx_pnalloc(pool, text.len + 1);
    if (token == NULL) {
        return NGX_ERROR;
    }

    n = portal_open(pmcf->keys, slug, (portal_text_t) { "outbox", 6 }, uuid,
                    (portal_text_t) { "token", 5 }, text, token, text.len);
    if (n < 0) {
        return NGX_ERROR;
    }

    json_object_set_new(context, "token", json_stringn(token, (size_t) n));
    portal_wipe(token, (size_t) n);

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_mail_part(ngx_http_portal_main_conf_t *pmcf,
    ngx_uint_t language, const char *name, const char *suffix,
    json_t *context, ngx_pool_t *pool, ngx_str_t *out)
{
    char             path[128], err[256];
    u_char          *p;
    portal_view_t   *view;
    portal_sink_t    sink;
    portal_chunk_t  *chunk;

    ngx_snprintf((u_char *) path, sizeof(path), "mail/%s%s%Z", name, suffix);
    path[sizeof(path) - 1] = '\0';

    view = portal_views_get(pmcf->views[language], path, err, sizeof(err));
    if (view == NULL) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "portal: %s", err);
        return NGX_ERROR;
    }

    ngx_http_portal_sink(&sink, pool, 4096);

    if (portal_view_render(view, &context, 1, &sink) != 0) {
        return NGX_ERROR;
    }

    out->data = ngx_pnalloc(pool, sink.total + 1);
    if (out->data == NULL) {
        return NGX_ERROR;
    }

    p = out->data;

    for (chunk = sink.first; chunk; chunk = chunk->next) {
        p = ngx_cpymem(p, chunk->data, chunk->len);
    }

    out->len = (size_t) (p - out->data);

    return NGX_OK;
}


static ngx_int_t
ngx_http_portal_mail_text(json_t *row, const char *name, ngx_pool_t *pool,
    ngx_str_t *out)
{
    json_t     *value;
    ngx_str_t   text;

    value = json_object_get(row, name);

    text.data = (u_char *) json_string_value(value);
    text.len = json_string_length(value);

    if (text.data == NULL) {
        return NGX_ERROR;
    }

    out->len = text.len;
    out->data = ngx_pstrdup(pool, &text);

    return out->data ? NGX_OK : NGX_ERROR;
}
