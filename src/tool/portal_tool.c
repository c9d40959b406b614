
/*
 * Copyright (C) the portal's authors
 */


#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../crypto/portal_crypto.h"
#include "../input/portal_text.h"


/*
 * The portal's keys at the command line: makes a key file, and does for
 * loads of data, lists of codes and tests what the module does for requests.
 */

#define PORTAL_TOOL_INPUT   65536       /* grows up to a line's length */
#define PORTAL_TOOL_LINE    16777216
#define PORTAL_TOOL_FIELDS  6

/* of an agent's password, characters; of an otpauth: URI, bytes */
#define PORTAL_TOOL_AGENT   16
#define PORTAL_TOOL_URI     2048


typedef struct {
    const portal_keys_t  *keys;
    unsigned long         line;

    char                 *in;
    size_t                start;        /* what is not yet treated */
    size_t                end;
    size_t                size;

    char                 *out;          /* of one value */
    size_t                outsize;

    portal_text_t         arg[PORTAL_TOOL_FIELDS];
} portal_tool_t;


typedef struct {
    const char           *name;
    size_t                args;         /* fields, the verb's included */
    int                 (*handler)(portal_tool_t *tool);
    const char           *usage;
} portal_verb_t;


static int portal_tool_keys(const char *path);
static int portal_tool_secret(void);
static int portal_tool_batch(portal_tool_t *tool);
static int portal_tool_read(portal_tool_t *tool);
static int portal_tool_line(portal_tool_t *tool, char *p, char *last);
static int portal_tool_unescape(portal_tool_t *tool, char *p, size_t *len);
static int portal_tool_seal(portal_tool_t *tool);
static int portal_tool_open(portal_tool_t *tool);
static int portal_tool_macof(portal_tool_t *tool);
static int portal_tool_mac(portal_tool_t *tool);
static int portal_tool_code(portal_tool_t *tool);
static int portal_tool_hash(portal_tool_t *tool);
static int portal_tool_password(portal_tool_t *tool, portal_text_t typed,
    portal_text_t *password);
static int portal_tool_agent(portal_tool_t *tool);
static int portal_tool_machine(portal_tool_t *tool);
static int portal_tool_uri(char *out, size_t len, portal_text_t tenant,
    portal_text_t email, const char *secret);
static int portal_tool_escape(char *out, size_t len, portal_text_t text);
static int portal_tool_check(portal_tool_t *tool);
static char *portal_tool_room(portal_tool_t *tool, size_t len);
static int portal_tool_is(portal_text_t text, const char *name);
static portal_text_t portal_tool_text(const char *text);
static int portal_tool_error(portal_tool_t *tool, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


static const portal_verb_t  portal_verbs[] = {

    { "seal", 6, portal_tool_seal, "seal TENANT KIND UUID FIELD TEXT" },
    { "open", 6, portal_tool_open, "open TENANT KIND UUID FIELD SEALED" },
    { "macof", 6, portal_tool_macof, "macof TENANT KIND UUID FIELD SEALED" },
    { "mac", 4, portal_tool_mac, "mac TENANT PURPOSE TEXT" },
    { "code", 3, portal_tool_code, "code TENANT UUID" },
    { "hash", 3, portal_tool_hash, "hash - PASSWORD" },
    { "agent", 5, portal_tool_agent, "agent TENANT UUID EMAIL PASSWORD" },
    { "machine", 2, portal_tool_machine, "machine TENANT" },
    { "check", 2, portal_tool_check, "check -" },
    { NULL, 0, NULL, NULL }
};


/* the purposes of portal_mac() in the module */

static const char  *portal_purposes[] = {
    "email", "code", "token", "session", "agent", "visit", "device", "ip",
    "net", "caf", "value", "file", "machine", NULL
};


static const char  portal_usage[] =
    "usage: portal-tool keys FILE              a new key file\n"
    "       portal-tool -k FILE batch          TSV lines in, a line out each:\n"
    "           seal  TENANT KIND UUID FIELD TEXT\n"
    "           open  TENANT KIND UUID FIELD SEALED\n"
    "           macof TENANT KIND UUID FIELD SEALED\n"
    "           mac   TENANT PURPOSE TEXT\n"
    "           code  TENANT UUID\n"
    "           hash  - PASSWORD\n"
    "           agent TENANT UUID EMAIL PASSWORD\n"
    "           machine TENANT\n"
    "           check -\n"
    "       portal-tool -k FILE check          the key file's check value\n"
    "       portal-tool [-k FILE] secret       a fresh random secret\n";


int
main(int argc, char *argv[])
{
    int             i, rc;
    char            err[512];
    const char     *file;
    portal_keys_t  *keys;
    portal_tool_t   tool;

    i = 1;
    file = NULL;

    if (argc > 3 && strcmp(argv[1], "-k") == 0) {
        file = argv[2];
        i = 3;
    }

    if (portal_crypto_init() == -1) {
        (void) fputs("portal-tool: libsodium does not start\n", stderr);
        return 1;
    }

    if (file == NULL && argc == 3 && strcmp(argv[1], "keys") == 0) {
        return portal_tool_keys(argv[2]);
    }

    if (argc == i + 1 && strcmp(argv[i], "secret") == 0) {
        return portal_tool_secret();
    }

    if (file == NULL || argc != i + 1
        || (strcmp(argv[i], "batch") != 0 && strcmp(argv[i], "check") != 0))
    {
        (void) fputs(portal_usage, stderr);
        return 2;
    }

    keys = portal_keys_read(file, err, sizeof(err));
    if (keys == NULL) {
        (void) fprintf(stderr, "portal-tool: %s\n", err);
        return 1;
    }

    memset(&tool, 0, sizeof(tool));
    tool.keys = keys;

    rc = strcmp(argv[i], "check") == 0 ? portal_tool_check(&tool)
                                       : portal_tool_batch(&tool);

    if (fflush(stdout) == EOF || ferror(stdout)) {
        (void) fprintf(stderr, "portal-tool: cannot write: %m\n");
        rc = -1;
    }

    if (tool.in) {
        portal_wipe(tool.in, tool.size);
        free(tool.in);
    }

    if (tool.out) {
        portal_wipe(tool.out, tool.outsize);
        free(tool.out);
    }

    portal_keys_free(keys);

    return rc == -1 ? 1 : 0;
}


static int
portal_tool_keys(const char *path)
{
    if (portal_keys_make(path) == -1) {
        (void) fprintf(stderr, "portal-tool: cannot make \"%s\": %m\n",
                       path);
        return 1;
    }

    return 0;
}


static int
portal_tool_secret(void)
{
    char  secret[PORTAL_SECRET_B64];

    portal_secret(secret);

    if (printf("%.*s\n", PORTAL_SECRET_B64, secret) < 0
        || fflush(stdout) == EOF)
    {
        return 1;
    }

    return 0;
}


static int
portal_tool_batch(portal_tool_t *tool)
{
    int    rc;
    char  *p, *nl;

    do {
        rc = portal_tool_read(tool);
        if (rc == -1) {
            return -1;
        }

        for ( ;; ) {
            p = tool->in + tool->start;
            nl = memchr(p, '\n', tool->end - tool->start);

            /* a last line may lack its end */

            if (nl == NULL && (rc == 1 || tool->start == tool->end)) {
                break;
            }

            tool->line++;

            if (portal_tool_line(tool, p, nl ? nl : tool->in + tool->end)
                == -1)
            {
                return -1;
            }

            tool->start = nl ? (size_t) (nl + 1 - tool->in) : tool->end;
        }

    } while (rc == 1);

    return 0;
}


/* returns 1, or 0 at the end of the input */

static int
portal_tool_read(portal_tool_t *tool)
{
    char     *p;
    size_t    size;
    ssize_t   n;

    if (tool->start) {
        tool->end -= tool->start;
        memmove(tool->in, tool->in + tool->start, tool->end);
        tool->start = 0;
    }

    if (tool->end == tool->size) {
        if (tool->size >= PORTAL_TOOL_LINE) {
            tool->line++;
            return portal_tool_error(tool, "the line is too long");
        }

        size = tool->size ? tool->size * 2 : PORTAL_TOOL_INPUT;

        p = malloc(size);
        if (p == NULL) {
            return portal_tool_error(tool, "no memory");
        }

        if (tool->in) {
            memcpy(p, tool->in, tool->end);
            portal_wipe(tool->in, tool->size);
            free(tool->in);
        }

        tool->in = p;
        tool->size = size;
    }

    /* who talks with this process line by line waits for the answers */

    if (fflush(stdout) == EOF) {
        return -1;
    }

    do {
        n = read(STDIN_FILENO, tool->in + tool->end, tool->size - tool->end);
    } while (n == -1 && errno == EINTR);

    if (n == -1) {
        return portal_tool_error(tool, "cannot read: %m");
    }

    tool->end += (size_t) n;

    return n > 0;
}


static int
portal_tool_line(portal_tool_t *tool, char *p, char *last)
{
    char                 *tab;
    size_t                n;
    const portal_verb_t  *verb;

    for (n = 0; /* void */ ; n++) {
        tab = memchr(p, '\t', (size_t) (last - p));

        if (n == PORTAL_TOOL_FIELDS) {
            return portal_tool_error(tool, "too many fields");
        }

        tool->arg[n].data = p;
        tool->arg[n].len = (size_t) ((tab ? tab : last) - p);

        if (portal_tool_unescape(tool, p, &tool->arg[n].len) == -1) {
            return -1;
        }

        if (tab == NULL) {
            n++;
            break;
        }

        p = tab + 1;
    }

    for (verb = portal_verbs; verb->name; verb++) {
        if (!portal_tool_is(tool->arg[0], verb->name)) {
            continue;
        }

        if (n != verb->args) {
            return portal_tool_error(tool, "%zu fields, wanted: %s", n,
                                     verb->usage);
        }

        return verb->handler(tool);
    }

    return portal_tool_error(tool, "unknown verb \"%.*s\"",
                             (int) (tool->arg[0].len < 32
                                    ? tool->arg[0].len : 32),
                             tool->arg[0].data);
}


/* as PostgreSQL's COPY writes text; in place */

static int
portal_tool_unescape(portal_tool_t *tool, char *p, size_t *len)
{
    char        *to, *last;
    const char  *esc;

    static const char  from[] = "\\tnrbfv", value[] = "\\\t\n\r\b\f\v";

    last = p + *len;
    to = memchr(p, '\\', *len);

    if (to == NULL) {
        return 0;
    }

    for (p = to; p < last; p++) {
        if (*p != '\\') {
            *to++ = *p;
            continue;
        }

        esc = ++p < last && *p ? strchr(from, *p) : NULL;

        if (esc == NULL) {
            return portal_tool_error(tool, "a backslash that is no escape");
        }

        *to++ = value[esc - from];
    }

    *len -= (size_t) (last - to);

    return 0;
}


static int
portal_tool_seal(portal_tool_t *tool)
{
    int             n;
    char           *out;
    size_t          len;
    portal_text_t  *arg;

    arg = tool->arg;
    len = portal_sealed_len(arg[5].len);

    out = portal_tool_room(tool, len);
    if (out == NULL) {
        return -1;
    }

    n = portal_seal(tool->keys, arg[1], arg[2], arg[3], arg[4], arg[5], out,
                    len);
    if (n == -1) {
        return portal_tool_error(tool, "cannot seal this");
    }

    (void) fwrite(out, 1, (size_t) n, stdout);
    (void) putchar('\n');

    return 0;
}


static int
portal_tool_open(portal_tool_t *tool)
{
    int             i, n;
    char           *out;
    portal_text_t  *arg;

    arg = tool->arg;

    out = portal_tool_room(tool, arg[5].len);
    if (out == NULL) {
        return -1;
    }

    n = portal_open(tool->keys, arg[1], arg[2], arg[3], arg[4], arg[5], out,
                    arg[5].len);
    if (n == -1) {
        return portal_tool_error(tool, "does not open: another place, other "
                                 "keys, or altered");
    }

    for (i = 0; i < n; i++) {
        switch (out[i]) {

        case '\\':
            (void) fputs("\\\\", stdout);
            break;

        case '\t':
            (void) fputs("\\t", stdout);
            break;

        case '\n':
            (void) fputs("\\n", stdout);
            break;

        case '\r':
            (void) fputs("\\r", stdout);
            break;

        default:
            (void) putchar(out[i]);
        }
    }

    (void) putchar('\n');

    return 0;
}


/*
 * What a sealed value is compared by; it is said nowhere.  One that does not
 * open has an empty line: the others are not held up by it.
 */

static int
portal_tool_macof(portal_tool_t *tool)
{
    int             n, rc;
    char           *out, hex[PORTAL_MAC_HEX];
    uint8_t         mac[PORTAL_MAC_LEN];
    portal_text_t  *arg, plain;

    arg = tool->arg;

    out = portal_tool_room(tool, arg[5].len);
    if (out == NULL) {
        return -1;
    }

    n = portal_open(tool->keys, arg[1], arg[2], arg[3], arg[4], arg[5], out,
                    arg[5].len);
    rc = n;

    if (n != -1) {
        plain.data = out;
        plain.len = (size_t) n;

        if (portal_tool_is(arg[4], "caf_number")) {
            rc = portal_mac_caf(tool->keys, arg[1], plain, mac);

        } else {
            portal_mac_value(tool->keys, arg[1], arg[2], arg[3], arg[4],
                             plain, mac);
        }

        portal_wipe(out, (size_t) n);
    }

    if (rc != -1) {
        portal_hex(mac, sizeof(mac), hex);
        (void) fwrite(hex, 1, sizeof(hex), stdout);
    }

    (void) putchar('\n');

    return 0;
}


static int
portal_tool_mac(portal_tool_t *tool)
{
    int             rc;
    char            hex[PORTAL_MAC_HEX];
    uint8_t         mac[PORTAL_MAC_LEN];
    const char    **purpose;
    portal_text_t  *arg;

    arg = tool->arg;

    for (purpose = portal_purposes; *purpose; purpose++) {
        if (portal_tool_is(arg[2], *purpose)) {
            break;
        }
    }

    if (*purpose == NULL) {
        return portal_tool_error(tool, "unknown purpose");
    }

    if (strcmp(*purpose, "email") == 0) {
        rc = portal_mac_email(tool->keys, arg[1], arg[3], mac);

    } else if (strcmp(*purpose, "code") == 0) {
        rc = portal_mac_code(tool->keys, arg[1], arg[3], mac);

    } else {
        portal_mac(tool->keys, *purpose, arg[1], arg[3], mac);
        rc = 0;
    }

    if (rc == -1) {
        return portal_tool_error(tool, "not of the form of \"%s\"", *purpose);
    }

    portal_hex(mac, sizeof(mac), hex);

    (void) fwrite(hex, 1, sizeof(hex), stdout);
    (void) putchar('\n');

    return 0;
}


static int
portal_tool_code(portal_tool_t *tool)
{
    portal_text_t    *arg;
    portal_issued_t   issued;

    arg = tool->arg;
    memset(&issued, 0, sizeof(issued));

    if (portal_code_issue(tool->keys, arg[1], arg[2], &issued) == -1) {
        return portal_tool_error(tool, "cannot seal this");
    }

    (void) printf("%s\t%.*s\t%.*s\n", issued.shown, PORTAL_MAC_HEX,
                  issued.mac, (int) issued.sealed_len, issued.sealed);

    portal_wipe(&issued, sizeof(issued));

    return 0;
}


static int
portal_tool_hash(portal_tool_t *tool)
{
    int            rc;
    char           hash[PORTAL_ARGON2_LEN];
    portal_text_t  password;

    if (portal_tool_password(tool, tool->arg[2], &password) == -1) {
        return -1;
    }

    rc = portal_argon2_make(password.data, password.len, hash, NULL);

    portal_wipe((char *) password.data, password.len);
    free((char *) password.data);

    if (rc == -1) {
        return portal_tool_error(tool, "no memory to hash");
    }

    (void) printf("%s\n", hash);

    return 0;
}


/*
 * As a form has it: a terminal may bring an accent as a letter and a mark.
 * What is given back is malloc()ed.
 */

static int
portal_tool_password(portal_tool_t *tool, portal_text_t typed,
    portal_text_t *password)
{
    char  *clean;

    switch (portal_text_clean(typed.data, typed.len, 0, &clean,
                              &password->len))
    {

    case PORTAL_TEXT_OK:
        password->data = clean;
        return 0;

    case PORTAL_TEXT_MEMORY:
        return portal_tool_error(tool, "no memory");

    default:
        return portal_tool_error(tool, "a password is UTF-8, without control "
                                 "characters");
    }
}


/*
 * What an agent is made of, for sql/agent: the password's hash, a new secret
 * sealed for the row, and the URI that an authenticator takes it from.
 */

static int
portal_tool_agent(portal_tool_t *tool)
{
    int             n;
    char            hash[PORTAL_ARGON2_LEN], secret[PORTAL_TOTP_SECRET + 1];
    char            sealed[128], uri[PORTAL_TOOL_URI];
    size_t          i, chars;
    portal_text_t  *arg, password;

    arg = tool->arg;
    chars = 0;

    if (portal_tool_password(tool, arg[4], &password) == -1) {
        return -1;
    }

    for (i = 0; i < password.len; i++) {
        chars += ((unsigned char) password.data[i] & 0xc0) != 0x80;
    }

    n = chars < PORTAL_TOOL_AGENT
        ? 0 : portal_argon2_make(password.data, password.len, hash, NULL);

    portal_wipe((char *) password.data, password.len);
    free((char *) password.data);

    if (chars < PORTAL_TOOL_AGENT) {
        return portal_tool_error(tool, "an agent's password has %d characters "
                                 "or more", PORTAL_TOOL_AGENT);
    }

    if (n == -1 || portal_totp_make(secret) == -1) {
        return portal_tool_error(tool, "no memory to hash");
    }

    secret[PORTAL_TOTP_SECRET] = '\0';

    n = portal_seal(tool->keys, arg[1], portal_tool_text("agent"), arg[2],
                    portal_tool_text("totp"), portal_tool_text(secret),
                    sealed, sizeof(sealed));

    if (n == -1
        || portal_tool_uri(uri, sizeof(uri), arg[1], arg[3], secret) == -1)
    {
        return portal_tool_error(tool, "cannot seal this");
    }

    (void) printf("%s\t%.*s\t%s\t%s\n", hash, n, sealed, secret, uri);

    portal_wipe(secret, sizeof(secret));
    portal_wipe(uri, sizeof(uri));

    return 0;
}


/* a new key and the MAC that the database knows it by, for sql/machine */

static int
portal_tool_machine(portal_tool_t *tool)
{
    char           key[PORTAL_SECRET_B64], hex[PORTAL_MAC_HEX];
    uint8_t        mac[PORTAL_MAC_LEN];
    portal_text_t  text;

    portal_secret(key);

    text.data = key;
    text.len = sizeof(key);

    portal_mac(tool->keys, "machine", tool->arg[1], text, mac);
    portal_hex(mac, sizeof(mac), hex);

    (void) printf("%.*s\t%.*s\n", PORTAL_SECRET_B64, key, PORTAL_MAC_HEX, hex);

    portal_wipe(key, sizeof(key));

    return 0;
}


static int
portal_tool_uri(char *out, size_t len, portal_text_t tenant,
    portal_text_t email, const char *secret)
{
    int   n;
    char  town[PORTAL_TOOL_URI / 4], who[PORTAL_TOOL_URI / 4];

    if (portal_tool_escape(town, sizeof(town), tenant) == -1
        || portal_tool_escape(who, sizeof(who), email) == -1)
    {
        return -1;
    }

    n = snprintf(out, len, "otpauth://totp/%s:%s?secret=%s&issuer=%s", town,
                 who, secret, town);

    return n > 0 && (size_t) n < len ? 0 : -1;
}


static int
portal_tool_escape(char *out, size_t len, portal_text_t text)
{
    size_t         i, n;
    unsigned char  ch;

    static const char  hex[] = "0123456789ABCDEF";

    n = 0;

    for (i = 0; i < text.len; i++) {
        ch = (unsigned char) text.data[i];

        if (len - n < 4) {
            return -1;
        }

        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
            || (ch >= '0' && ch <= '9') || (ch && strchr("-._~@", ch)))
        {
            out[n++] = (char) ch;

        } else {
            out[n++] = '%';
            out[n++] = hex[ch >> 4];
            out[n++] = hex[ch & 15];
        }
    }

    out[n] = '\0';

    return 0;
}


static int
portal_tool_check(portal_tool_t *tool)
{
    char  hex[PORTAL_MAC_HEX];

    portal_keys_check(tool->keys, hex);

    (void) printf("%.*s\n", PORTAL_MAC_HEX, hex);

    return 0;
}


static char *
portal_tool_room(portal_tool_t *tool, size_t len)
{
    if (tool->out && len <= tool->outsize) {
        return tool->out;
    }

    if (tool->out) {
        portal_wipe(tool->out, tool->outsize);
        free(tool->out);
    }

    tool->outsize = len < PORTAL_TOOL_INPUT ? PORTAL_TOOL_INPUT : len;
    tool->out = malloc(tool->outsize);

    if (tool->out == NULL) {
        (void) portal_tool_error(tool, "no memory");
    }

    return tool->out;
}


static int
portal_tool_is(portal_text_t text, const char *name)
{
    return text.len == strlen(name) && memcmp(text.data, name, text.len) == 0;
}


static portal_text_t
portal_tool_text(const char *text)
{
    portal_text_t  t;

    t.data = text;
    t.len = strlen(text);

    return t;
}


static int
portal_tool_error(portal_tool_t *tool, const char *fmt, ...)
{
    va_list  args;

    /* the answers before it come first */
    (void) fflush(stdout);

    (void) fprintf(stderr, "portal-tool: line %lu: ", tool->line);

    va_start(args, fmt);
    (void) vfprintf(stderr, fmt, args);
    va_end(args);

    (void) fputc('\n', stderr);

    return -1;
}
