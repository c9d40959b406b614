
/*
 * Copyright (C) the portal's authors
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal_mustache.h"


#define PORTAL_VIEWS_BLOCK  16384
#define PORTAL_VIEWS_FILE   ((size_t) 1024 * 1024)
#define PORTAL_VIEWS_NAME   200


struct portal_block_s {
    portal_block_t  *next;
};


void *
portal_views_alloc(portal_views_t *views, size_t size)
{
    char            *p;
    size_t           room;
    portal_block_t  *block;

    size = (size + 15) & ~(size_t) 15;

    if (views->free == NULL || size > views->room) {
        room = size > PORTAL_VIEWS_BLOCK / 4 ? size : PORTAL_VIEWS_BLOCK;

        block = malloc(16 + room);
        if (block == NULL) {
            return NULL;
        }

        block->next = views->blocks;
        views->blocks = block;

        p = (char *) block + 16;

        if (room == size) {
            memset(p, 0, size);
            return p;
        }

        views->free = p;
        views->room = room;
    }

    p = views->free;
    views->free += size;
    views->room -= size;

    memset(p, 0, size);

    return p;
}


char *
portal_views_copy(portal_views_t *views, const char *data, size_t len)
{
    char  *p;

    p = portal_views_alloc(views, len + 1);

    if (p && len) {
        memcpy(p, data, len);
    }

    return p;
}


portal_views_t *
portal_views_create(const char *dir, const char *lang, json_t *labels)
{
    portal_views_t  *views;

    views = calloc(1, sizeof(portal_views_t));
    if (views == NULL) {
        return NULL;
    }

    if (lang == NULL) {
        lang = "fr";
    }

    views->lang = portal_views_copy(views, lang, strlen(lang));
    if (views->lang == NULL) {
        goto failed;
    }

    if (dir) {
        views->dir = portal_views_copy(views, dir, strlen(dir));
        if (views->dir == NULL) {
            goto failed;
        }

        views->strict = 1;
    }

    views->english = (strncmp(lang, "en", 2) == 0);
    views->labels = labels;
    views->lists = json_object_get(labels, "list");
    views->yes = portal_views_label(views, "display.yes");
    views->no = portal_views_label(views, "display.no");
    views->none = portal_views_label(views, "display.none");

    return views;

failed:

    portal_views_free(views);

    return NULL;
}


void
portal_views_free(portal_views_t *views)
{
    portal_view_t   *view;
    portal_block_t  *block, *next;

    if (views == NULL) {
        return;
    }

    for (view = views->views; view; view = view->next) {
        free(view->ops);
        free(view->subs);
        free(view->pool);
    }

    for (block = views->blocks; block; block = next) {
        next = block->next;
        free(block);
    }

    free(views);
}


static portal_template_t *
portal_views_lookup(portal_views_t *views, const char *name, size_t len)
{
    portal_template_t  *t;

    for (t = views->templates; t; t = t->next) {
        if (strncmp(t->name, name, len) == 0 && t->name[len] == '\0') {
            return t;
        }
    }

    return NULL;
}


static portal_template_t *
portal_views_insert(portal_views_t *views, const char *name, size_t namelen,
    const char *file, const char *text, size_t len)
{
    portal_template_t  *t;

    t = portal_views_alloc(views, sizeof(portal_template_t));
    if (t == NULL) {
        return NULL;
    }

    t->name = portal_views_copy(views, name, namelen);
    t->file = portal_views_copy(views, file, strlen(file));
    t->text.data = portal_views_copy(views, text, len);
    t->text.len = len;

    if (t->name == NULL || t->file == NULL || t->text.data == NULL) {
        return NULL;
    }

    t->next = views->templates;
    views->templates = t;

    return t;
}


int
portal_views_add(portal_views_t *views, const char *name, const char *text,
    size_t len)
{
    size_t  n;

    n = strlen(name);

    if (len > PORTAL_VIEWS_FILE || portal_views_lookup(views, name, n)) {
        return -1;
    }

    return portal_views_insert(views, name, n, name, text, len) ? 0 : -1;
}


/* a name from a template must not lead out of the directory */

static int
portal_views_safe(const char *name, size_t len)
{
    size_t  i;

    if (len == 0 || len > PORTAL_VIEWS_NAME || name[0] == '/') {
        return 0;
    }

    for (i = 0; i < len; i++) {

        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                   "0123456789_-./", name[i]) == NULL || name[i] == '\0')
        {
            return 0;
        }

        if (name[i] == '.' && i + 1 < len && name[i + 1] == '.') {
            return 0;
        }
    }

    return 1;
}


static int
portal_views_read(portal_views_t *views, const char *name, size_t len,
    const char *path, portal_template_t **found, char *err, size_t errlen)
{
    int      rc;
    char    *buf;
    FILE    *fp;
    size_t   n;

    fp = fopen(path, "rb");

    if (fp == NULL) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return 0;
        }

        (void) snprintf(err, errlen, "%s:1: cannot open: %m", path);
        return -1;
    }

    rc = -1;

    buf = malloc(PORTAL_VIEWS_FILE + 1);
    if (buf == NULL) {
        (void) snprintf(err, errlen, "%s:1: no memory", path);
        goto done;
    }

    n = fread(buf, 1, PORTAL_VIEWS_FILE + 1, fp);

    if (ferror(fp)) {
        (void) snprintf(err, errlen, "%s:1: cannot read: %m", path);
        goto done;
    }

    if (n > PORTAL_VIEWS_FILE || memchr(buf, '\0', n)) {
        (void) snprintf(err, errlen, "%s:1: not a template: longer than "
                        "1 MiB, or a NUL byte in it", path);
        goto done;
    }

    *found = portal_views_insert(views, name, len, path, buf, n);

    if (*found == NULL) {
        (void) snprintf(err, errlen, "%s:1: no memory", path);
        goto done;
    }

    rc = 1;

done:

    free(buf);
    (void) fclose(fp);

    return rc;
}


int
portal_views_template(portal_views_t *views, const char *name, size_t len,
    portal_template_t **found, char *err, size_t errlen)
{
    int     n;
    char    path[1024];

    *found = portal_views_lookup(views, name, len);

    if (*found) {
        return 1;
    }

    if (views->dir == NULL || !portal_views_safe(name, len)) {
        return 0;
    }

    n = snprintf(path, sizeof(path), "%s/%.*s.mustache", views->dir, (int) len,
                 name);

    if (n < 0 || (size_t) n >= sizeof(path)) {
        return 0;
    }

    return portal_views_read(views, name, len, path, found, err, errlen);
}


portal_view_t *
portal_views_get(portal_views_t *views, const char *name, char *err,
    size_t errlen)
{
    int                 rc;
    char                none[1];
    portal_view_t      *view;
    portal_template_t  *template;

    if (err == NULL || errlen == 0) {
        err = none;
        errlen = sizeof(none);
    }

    for (view = views->views; view; view = view->next) {
        if (strcmp(view->name, name) == 0) {
            return view;
        }
    }

    rc = portal_views_template(views, name, strlen(name), &template, err,
                               errlen);
    if (rc == 0) {
        (void) snprintf(err, errlen, "%s%s%s.mustache:1: there is no such "
                        "template", views->dir ? views->dir : "",
                        views->dir ? "/" : "", name);
    }

    if (rc != 1) {
        return NULL;
    }

    view = portal_mustache_compile(views, template, err, errlen);

    if (view) {
        view->next = views->views;
        views->views = view;
    }

    return view;
}


/* "a.b.c": key "a.b.c" of the object, or "b.c" of the object at "a" */

json_t *
portal_views_find(const portal_views_t *views, const char *name, size_t len)
{
    json_t      *value, *object;
    const char  *dot;

    object = views->labels;

    while (json_is_object(object)) {

        value = json_object_getn(object, name, len);
        if (value) {
            return value;
        }

        dot = memchr(name, '.', len);
        if (dot == NULL) {
            break;
        }

        object = json_object_getn(object, name, (size_t) (dot - name));

        len -= (size_t) (dot + 1 - name);
        name = dot + 1;
    }

    return NULL;
}


const char *
portal_views_label(const portal_views_t *views, const char *name)
{
    json_t  *value;

    value = portal_views_find(views, name, strlen(name));

    if (json_is_object(value)) {
        value = json_object_get(value, "other");
    }

    return json_string_value(value);
}


/* a list that is a text names the list it shares the words of */

json_t *
portal_views_list(const portal_views_t *views, const char *name, size_t len)
{
    json_t  *list;

    list = json_object_getn(views->lists, name, len);

    if (json_is_string(list)) {
        list = json_object_getn(views->lists, json_string_value(list),
                                json_string_length(list));
    }

    return json_is_object(list) ? list : NULL;
}


int
portal_mustache_error(char *err, size_t errlen,
    const portal_template_t *template, uint32_t line, const char *fmt, ...)
{
    int      n;
    va_list  args;

    n = snprintf(err, errlen, "%s:%u: ", template->file, (unsigned) line);

    if (n > 0 && (size_t) n < errlen) {
        va_start(args, fmt);
        (void) vsnprintf(err + n, errlen - (size_t) n, fmt, args);
        va_end(args);
    }

    return -1;
}
