
/*
 * Copyright (C) the portal's authors
 */


#include <stdlib.h>
#include <string.h>

#include <unistr.h>
#include <zip.h>

#include "portal_import_zip.h"


#define PORTAL_ZIP_EOCD      22         /* bytes of the end of its list */
#define PORTAL_ZIP_COMMENT   65535
#define PORTAL_ZIP_LOCATOR   20         /* of the list of a larger kind */

typedef struct {
    zip_uint64_t         index;
    zip_uint64_t         size;
    char                 name[PORTAL_ZIP_NAME + 1];
} portal_zip_entry_t;

struct portal_zip_s {
    zip_t               *zip;
    zip_file_t          *file;
    size_t               open;          /* which one */
    uint64_t             read;          /* of it */
    size_t               n;
    portal_zip_entry_t   entries[PORTAL_ZIP_ENTRIES];
};


static const char *portal_zip_list(const unsigned char *data, size_t len);
static const char *portal_zip_entries(portal_zip_t *zip);
static const char *portal_zip_entry(portal_zip_t *zip, zip_uint64_t index,
    uint64_t *total);
static const char *portal_zip_called(portal_zip_t *zip,
    portal_zip_entry_t *entry, const char *name);
static const char *portal_zip_base(const char *name);


int
portal_zip_is(const void *data, size_t len)
{
    return len >= 4 && (memcmp(data, "PK\3\4", 4) == 0
                        || memcmp(data, "PK\5\6", 4) == 0);
}


portal_zip_t *
portal_zip_open(const void *data, size_t len, const char **failure)
{
    zip_error_t    error;
    portal_zip_t  *zip;
    zip_source_t  *source;

    *failure = portal_zip_list(data, len);

    if (*failure != NULL) {
        return NULL;
    }

    *failure = "zip";

    zip = calloc(1, sizeof(portal_zip_t));
    if (zip == NULL) {
        return NULL;
    }

    zip_error_init(&error);

    source = zip_source_buffer_create(data, len, 0, &error);

    if (source != NULL) {
        zip->zip = zip_open_from_source(source, ZIP_RDONLY, &error);

        if (zip->zip == NULL) {
            zip_source_free(source);
        }
    }

    zip_error_fini(&error);

    if (zip->zip == NULL || (*failure = portal_zip_entries(zip)) != NULL) {
        portal_zip_free(zip);
        return NULL;
    }

    return zip;
}


void
portal_zip_free(portal_zip_t *zip)
{
    if (zip == NULL) {
        return;
    }

    if (zip->file != NULL) {
        (void) zip_fclose(zip->file);
    }

    if (zip->zip != NULL) {
        zip_discard(zip->zip);
    }

    free(zip);
}


/*
 * Before libzip reads it: its list of entries is as long as it says, and the
 * event loop waits for that.  Every end that libzip might choose is looked at.
 */

static const char *
portal_zip_list(const unsigned char *data, size_t len)
{
    size_t                i, first;
    unsigned              n, found;
    const unsigned char  *p;

    if (len < PORTAL_ZIP_EOCD) {
        return "cut";
    }

    first = len > PORTAL_ZIP_EOCD + PORTAL_ZIP_COMMENT
            ? len - PORTAL_ZIP_EOCD - PORTAL_ZIP_COMMENT : 0;
    found = 0;

    for (i = len - PORTAL_ZIP_EOCD + 1; i-- > first; /* void */ ) {
        p = data + i;

        if (memcmp(p, "PK\5\6", 4) != 0) {
            continue;
        }

        n = p[10] | (unsigned) p[11] << 8;

        if (n > PORTAL_ZIP_ENTRIES
            || (i >= PORTAL_ZIP_LOCATOR
                && memcmp(p - PORTAL_ZIP_LOCATOR, "PK\6\7", 4) == 0))
        {
            return "too_large";
        }

        found = 1;
    }

    return found ? NULL : "cut";
}


static const char *
portal_zip_entries(portal_zip_t *zip)
{
    uint64_t      total;
    const char   *failure;
    zip_int64_t   i, n;

    n = zip_get_num_entries(zip->zip, 0);

    if (n < 0 || n > PORTAL_ZIP_ENTRIES) {
        return "too_large";
    }

    total = 0;

    for (i = 0; i < n; i++) {
        failure = portal_zip_entry(zip, (zip_uint64_t) i, &total);

        if (failure != NULL) {
            return failure;
        }
    }

    return zip->n ? NULL : "empty";
}


static const char *
portal_zip_entry(portal_zip_t *zip, zip_uint64_t index, uint64_t *total)
{
    size_t               len;
    zip_stat_t           st;
    portal_zip_entry_t  *entry;

    zip_stat_init(&st);

    if (zip_stat_index(zip->zip, index, 0, &st) != 0
        || (st.valid & (ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE
                        | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD))
           != (ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE
               | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD))
    {
        return "zip";
    }

    len = strlen(st.name);

    if (len == 0 || st.name[len - 1] == '/'
        || strncmp(st.name, "__MACOSX/", 9) == 0)
    {
        return NULL;
    }

    if (st.encryption_method != ZIP_EM_NONE) {
        return "encrypted";
    }

    if (st.comp_method != ZIP_CM_STORE && st.comp_method != ZIP_CM_DEFLATE) {
        return "zip";
    }

    if (st.size > PORTAL_ZIP_BYTES || *total + st.size > PORTAL_ZIP_BYTES
        || (st.size > PORTAL_ZIP_SMALL
            && st.size / PORTAL_ZIP_RATIO > st.comp_size))
    {
        return "too_large";
    }

    *total += st.size;

    entry = &zip->entries[zip->n];
    entry->index = index;
    entry->size = st.size;

    return portal_zip_called(zip, entry, st.name);
}


/* two of one name would be one file, of which nobody knows which */

static const char *
portal_zip_called(portal_zip_t *zip, portal_zip_entry_t *entry,
    const char *name)
{
    size_t       i, len;
    const char  *base;

    base = portal_zip_base(name);
    len = strlen(base);

    if (len == 0 || len > PORTAL_ZIP_NAME
        || u8_check((const uint8_t *) base, len) != NULL)
    {
        return "zip";
    }

    for (i = 0; i < len; i++) {

        if ((unsigned char) base[i] < 0x20 || base[i] == 0x7f) {
            return "zip";
        }
    }

    memcpy(entry->name, base, len + 1);

    for (i = 0; i < zip->n; i++) {

        if (strcmp(zip->entries[i].name, entry->name) == 0) {
            return "zip";
        }
    }

    zip->n++;

    return NULL;
}


/* of either kind of path */

static const char *
portal_zip_base(const char *name)
{
    const char  *p, *base;

    for (base = p = name; *p != '\0'; p++) {

        if (*p == '/' || *p == '\\') {
            base = p + 1;
        }
    }

    return base;
}


size_t
portal_zip_files(const portal_zip_t *zip)
{
    return zip->n;
}


const char *
portal_zip_name(const portal_zip_t *zip, size_t n)
{
    return zip->entries[n].name;
}


int
portal_zip_begin(portal_zip_t *zip, size_t n, const char **failure)
{
    if (zip->file != NULL) {
        (void) zip_fclose(zip->file);
    }

    zip->open = n;
    zip->read = 0;
    zip->file = zip_fopen_index(zip->zip, zip->entries[n].index, 0);

    *failure = zip->file == NULL ? "zip" : NULL;

    return zip->file == NULL ? -1 : 0;
}


int
portal_zip_read(portal_zip_t *zip, void *buf, size_t len,
    const char **failure)
{
    zip_int64_t  n;

    *failure = "zip";

    if (zip->file == NULL) {
        return -1;
    }

    n = zip_fread(zip->file, buf, len);

    if (n < 0) {
        return -1;
    }

    zip->read += (uint64_t) n;

    /* whatever its list said of it */

    if (zip->read > zip->entries[zip->open].size) {
        *failure = "too_large";
        return -1;
    }

    if (n == 0 && zip->read != zip->entries[zip->open].size) {
        return -1;
    }

    *failure = NULL;

    return (int) n;
}
