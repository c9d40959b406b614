
/*
 * Copyright (C) the portal's authors
 */


#ifndef _NGX_HTTP_PORTAL_H_INCLUDED_
#define _NGX_HTTP_PORTAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <jansson.h>

#include "core/portal_compat.h"
#include "core/portal_count.h"
#include "core/portal_op.h"
#include "crypto/portal_b64.h"
#include "crypto/portal_crypto.h"
#include "crypto/portal_captcha.h"
#include "input/portal_form.h"
#include "input/portal_language.h"
#include "input/portal_upload.h"
#include "view/portal_view.h"
#include "call/portal_pg.h"
#include "redis/portal_redis.h"
#include "hash/portal_hash.h"
#include "cache/portal_l1.h"
#include "import/portal_import.h"
#include "jobs/portal_jobs.h"
#include "hook/portal_hook.h"
#include "mail/portal_mail.h"
#include "photo/portal_photo.h"


#define NGX_HTTP_PORTAL_VERSION    "0.1.0"

/* the version of sql/ that this source speaks to; portal.enter() checks it */
#define NGX_HTTP_PORTAL_SCHEMA     "1"

#define NGX_HTTP_PORTAL_LANGUAGES  4

#define NGX_HTTP_PORTAL_CSRF_HEADER  "X-CSRF-Token"

/* longest key that is kept, longest version of a document */
#define NGX_HTTP_PORTAL_KEY        128
#define NGX_HTTP_PORTAL_ETAG       64

/* how long before the end of a session a person is warned, s */
#define NGX_HTTP_PORTAL_WARNING    120

/* what who sends too much is told to wait, s: by then limit_req of pages.inc
   lets some through again */
#define NGX_HTTP_PORTAL_LIMIT_WAIT 60

/* what a person is told to wait when a server behind us is not there */
#define NGX_HTTP_PORTAL_RETRY      5


typedef enum {
    NGX_HTTP_PORTAL_UNSET = 0,
    NGX_HTTP_PORTAL_PUBLIC,
    NGX_HTTP_PORTAL_CITIZEN,
    NGX_HTTP_PORTAL_FAMILY,
    NGX_HTTP_PORTAL_AGENT,
    NGX_HTTP_PORTAL_MACHINE,
} ngx_http_portal_audience_e;


#define NGX_HTTP_PORTAL_ROLE_CITIZEN  0x01
#define NGX_HTTP_PORTAL_ROLE_FAMILY   0x02

/* of the agents' host: the first and one of the others */
#define NGX_HTTP_PORTAL_ROLE_AGENT          0x04
#define NGX_HTTP_PORTAL_ROLE_ADMINISTRATOR  0x08
#define NGX_HTTP_PORTAL_ROLE_VALIDATOR      0x10
#define NGX_HTTP_PORTAL_ROLE_READER         0x20


/*
 * Who is asking: the live record of a session, as sealed in Redis and copied
 * into shared memory.  Fixed layout; another version is no session.
 */

#define NGX_HTTP_PORTAL_SESSION_VERSION  1

typedef struct {
    uint8_t                          version;
    uint8_t                          roles;
    uint8_t                          place;      /* of lang, for nodes that
                                                    do not know lang yet */
    uint8_t                          families;
    uint8_t                          name_len;
    uint8_t                          label_len;
    u_char                           lang[2];    /* of such a node: zeroes,
                                                    and not known */
    int32_t                          epoch;
    int32_t                          idle;           /* seconds */
    int32_t                          absolute;       /* seconds */
    int32_t                          pad;
    int64_t                          opened;         /* unix seconds */
    int64_t                          account;        /* or the agent */
    int64_t                          family;         /* 0: none */
    u_char                           name[80];
    u_char                           label[48];      /* of the family */
} ngx_http_portal_session_t;


/* a town, as a worker knows it: its document is replaced when enter says so */

typedef struct {
    ngx_str_node_t                   node;           /* among the worker's */
    ngx_pool_t                      *pool;           /* of one that a variable
                                                        has named */
    ngx_str_t                        slug;           /* NUL follows */
    json_t                          *document;       /* NULL: not read yet */
    /* what pages may show, by language */
    json_t                          *public[NGX_HTTP_PORTAL_LANGUAGES];
    ngx_msec_t                       heard;          /* when last asked for */
    ngx_uint_t                       offered;        /* a bit per language */
    ngx_uint_t                       language;       /* the first of them */
    ngx_str_t                        origin;         /* of document */
    ngx_str_t                        agent_origin;   /* empty: none */
    int64_t                          version;
    ngx_uint_t                       place;      /* of portal_count.h */
    portal_pg_op_t                  *op;
    ngx_event_t                      retry;
    ngx_event_t                      patience;
    ngx_queue_t                      waiting;        /* requests: see
                                                        town_wait() */
    unsigned                         asked:1;        /* and was answered, or
                                                        waited for enough */
    unsigned                         gone:1;         /* was erased */
    unsigned                         nowhere:1;      /* no town at all */
} ngx_http_portal_town_t;


typedef struct {
    ngx_str_t                        name;
    portal_view_t                   *language[NGX_HTTP_PORTAL_LANGUAGES];
    unsigned                         csv:1;
    unsigned                         css:1;      /* nobody's: may be kept */
} ngx_http_portal_view_t;


typedef struct {
    ngx_uint_t                       used;       /* some "portal_tenant" */
    ngx_str_t                        keys_file;
    portal_keys_t                   *keys;

    portal_pg_conf_t                 pg;
    portal_pg_conf_t                 jobs;
    ngx_msec_t                       purge_every;
    ngx_msec_t                       chain_every;
    ngx_msec_t                       codes_every;
    portal_jobs_conf_t               periodic;
    ngx_array_t                      statements;     /* see portal_pg.h */
    ngx_array_t                      job_statements;

    portal_redis_conf_t              redis;
    portal_l1_t                     *l1;
    ngx_shm_zone_t                  *counts;

    ngx_str_t                        hash_pool;
    ngx_thread_pool_t               *thread_pool;
    portal_breached_t               *breached;

    ngx_str_t                        templates;
    ngx_str_t                        forms_dir;
    ngx_str_t                        languages_dir;
    ngx_uint_t                       nlanguages;
    ngx_str_t                        languages[NGX_HTTP_PORTAL_LANGUAGES];
    json_t                          *labels[NGX_HTTP_PORTAL_LANGUAGES];
    portal_views_t                  *views[NGX_HTTP_PORTAL_LANGUAGES];
    u_char                          *countries[NGX_HTTP_PORTAL_LANGUAGES];
                                                 /* codes, by their names;
                                                    made when first shown */
    ngx_array_t                      view_list;  /* ngx_http_portal_view_t * */
    ngx_array_t                      forms;      /* portal_form_t * */
    ngx_array_t                      towns;      /* ngx_http_portal_town_t * */
    ngx_array_t                      logins;     /* their portal_login
                                                    locations */
    ngx_array_t                      acts;       /* all that take a POST */

    portal_mail_conf_t               mail;
    portal_hook_conf_t               hook;
    portal_photo_conf_t              photo;
    portal_import_conf_t             import;

    ngx_int_t                        request_id;     /* variable's index */

    ngx_http_portal_view_t          *error_view;
    portal_pg_statement_t           *enter;
    portal_pg_statement_t           *enter_agent;
    portal_pg_statement_t           *enter_machine;
    portal_pg_statement_t           *town;
    portal_pg_statement_t           *key_check;
    portal_pg_statement_t           *missing;
    portal_pg_statement_t           *session_lost;
    portal_pg_statement_t           *session_owner;
    portal_pg_statement_t           *seal_place;
    portal_pg_statement_t           *store_upload;
    portal_pg_statement_t           *store_logo;
    portal_pg_statement_t           *store_import;
    portal_pg_statement_t           *forget_import;
    portal_pg_statement_t           *may_machine;
    portal_pg_statement_t           *mail_claim;
    portal_pg_statement_t           *mail_done;
    portal_pg_statement_t           *purge;
    portal_pg_statement_t           *audit_chain;
    portal_pg_statement_t           *code_work;
    portal_pg_statement_t           *mail_stats;
    portal_pg_statement_t           *import_work;
} ngx_http_portal_main_conf_t;


/* of this worker */

typedef struct {
    portal_pg_t                     *pg;
    portal_pg_t                     *jobs;
    portal_redis_t                  *redis;
    portal_hash_t                   *hash;
    portal_l1_t                     *l1;
    portal_jobs_t                   *periodic;
    portal_mail_t                   *mail;
    portal_hook_t                   *hook;       /* NULL: no portal_webhooks */
    portal_import_t                 *import;     /* NULL without
                                                    portal_import */
    portal_photo_t                  *photo;      /* NULL without portal_photo */
    ngx_uint_t                       refusing;   /* calls: the database is
                                                    not known to be ours */
} ngx_http_portal_services_t;

extern ngx_http_portal_services_t  ngx_http_portal;


typedef struct {
    ngx_str_t                        name;
    ngx_http_complex_value_t         value;
    unsigned                         mac:1;      /* a link's token */
    unsigned                         typed:1;    /* as a form's GET says it */
} ngx_http_portal_arg_t;


typedef struct ngx_http_portal_ctx_s     ngx_http_portal_ctx_t;
typedef struct ngx_http_portal_upload_s  ngx_http_portal_upload_t;
typedef struct ngx_http_portal_sheet_s  ngx_http_portal_sheet_t;
typedef struct ngx_http_portal_store_s   ngx_http_portal_store_t;
typedef struct ngx_http_portal_put_s     ngx_http_portal_put_t;
typedef struct ngx_http_portal_qr_s      ngx_http_portal_qr_t;

/* what a POST does once its form is accepted */
typedef ngx_int_t (*ngx_http_portal_act_pt)(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);


typedef struct {
    ngx_http_portal_town_t          *town;       /* one of the two, or none */
    ngx_http_complex_value_t        *tenant;     /* of each request's */
    ngx_uint_t                       audience;
    ngx_str_t                        right;      /* that a machine needs */

    portal_pg_statement_t           *get;
    ngx_http_portal_view_t          *view;
    ngx_uint_t                       page_status;    /* of a portal_page */

    portal_pg_statement_t           *lookup;     /* of portal_verify */
    portal_pg_statement_t           *post;
    portal_form_t                   *form;
    ngx_http_portal_act_pt           act;
    ngx_http_portal_view_t          *result;     /* of the act, if not view */

    portal_pg_statement_t           *put;        /* of portal_put */

    ngx_array_t                     *asks;       /* ngx_str_t: of the query,
                                                    what its args take */
    ngx_array_t                     *args;       /* ngx_http_portal_arg_t */

    ngx_str_t                        name;       /* of the location */
    ngx_str_t                        signed_in;  /* where it leads who is */

    ngx_str_t                        qr_list;    /* of the document: what is */
    ngx_str_t                        qr_name;    /* drawn, see portal_qr */

    ngx_str_t                        file;       /* where it is written, for */
    ngx_uint_t                       line;       /* what is seen too late */

    unsigned                         agents:1;   /* of the agents' server */
    unsigned                         error:1;    /* shows nginx's own errors */
    unsigned                         handled:1;  /* has a content handler */
    unsigned                         passive:1;  /* no use of the session */
    unsigned                         sends:1;    /* get says a file */
} ngx_http_portal_loc_conf_t;


typedef enum {
    NGX_HTTP_PORTAL_GATE_START = 0,
    NGX_HTTP_PORTAL_GATE_WAITING,
    NGX_HTTP_PORTAL_GATE_LOST,      /* Redis did not answer */
    NGX_HTTP_PORTAL_GATE_KNOWN,
} ngx_http_portal_gate_e;


/* a file that came with a form, still where nginx has put the body */

typedef struct {
    const portal_field_t            *field;
    const char                      *type;       /* jpeg, png, webp, pdf */
    off_t                            start;
    size_t                           size;
    u_char                           id[36];     /* that it is stored under */
    unsigned                         stored:1;
} ngx_http_portal_file_t;

/* in which a file is read and sealed */
#define NGX_HTTP_PORTAL_FILE_PIECE  262144


/* a stored file that is being opened, or read, to be sent */

typedef struct {
    ngx_str_t                        type;
    ngx_str_t                        name;
    ngx_str_t                        upload;     /* its id, when sealed */
    u_char                          *bytes;
    size_t                           size;
    size_t                           have;       /* opened so far */
    ngx_uint_t                       piece;      /* the next one */
    ngx_str_t                        etag;       /* of what never changes */
    unsigned                         attachment:1;
} ngx_http_portal_sent_t;


/* continues a request once an operation has ended */
typedef ngx_int_t (*ngx_http_portal_step_pt)(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);


struct ngx_http_portal_ctx_s {
    ngx_http_request_t              *request;

    /* gate */
    ngx_http_portal_town_t          *town;       /* set before all else */
    ngx_http_portal_gate_e           gate;
    ngx_http_portal_loc_conf_t      *verdict;    /* the gate's yes, and for
                                                    which location */
    ngx_uint_t                       audience;   /* of the location asked
                                                    for */
    ngx_http_portal_session_t        session;
    u_char                           mac[PORTAL_MAC_LEN];
    u_char                           mac_hex[PORTAL_MAC_HEX];
    ngx_str_t                        visit;         /* the cookie, if any */
    ngx_str_t                        chosen;        /* the language's cookie */
    time_t                           chosen_at;     /* 0: not known */
    u_char                           visit_hex[PORTAL_MAC_HEX];
    uint64_t                         generation;    /* of portal_l1.h */
    time_t                           seen;          /* last use that was told,
                                                       of a passive location */

    /* operations under way; each detached when the request goes */
    ngx_queue_t                      town_queue; /* when town_waiting */
    portal_redis_op_t               *redis_op;
    portal_pg_op_t                  *pg_op;
    portal_hash_op_t                *hash_op;
    portal_photo_op_t               *photo_op;
    ngx_http_portal_step_pt          step;

    /* input */
    json_t                          *values;     /* checked, by name */
    json_t                          *typed;      /* to show again */
    ngx_str_t                        came;       /* tags of what came, of a
                                                    partial form */
    json_t                          *errors;     /* [{field, code}] */
    json_t                          *input;      /* what SQL gets */
    json_t                          *place;      /* whose sealed fields these
                                                    are: kind, id */
    ngx_http_portal_upload_t        *upload;     /* while its body comes */
    off_t                            read;       /* bytes of the body */
    ngx_str_t                        body;       /* multipart, in memory; empty
                                                    when it is in a file */
    ngx_uint_t                       nfiles;
    ngx_http_portal_file_t          *files;
    ngx_http_portal_store_t         *store;      /* while they are stored */
    ngx_http_portal_put_t           *put;        /* a file that is the body,
                                                    while it comes */
    ngx_str_t                        key;        /* idempotency */
    json_t                          *if_match;   /* versions; NULL: any */
    ngx_str_t                        restore;    /* a form sealed over a
                                                    log-in */

    /* call */
    ngx_str_t                        answer;     /* the document's text */
    json_t                          *document;   /* parsed, when needed */
    portal_op_status_e               call_status;
    u_char                           sqlstate[6];
    ngx_uint_t                       failed;     /* statement's index */

    json_t                          *piece;      /* of a document that comes in
                                                    some: which is asked for */
    ngx_http_portal_sent_t          *sent;       /* of portal_file */
    ngx_http_portal_sheet_t         *sheet;      /* while its rows come */
    ngx_http_portal_qr_t            *qr;         /* of portal_qr */

    /* effects */
    u_char                           secret[PORTAL_SECRET_B64];
    u_char                           secret_mac[PORTAL_MAC_LEN];
    u_char                           secret_hex[PORTAL_MAC_HEX];
    u_char                           device[PORTAL_SECRET_B64];

    ngx_uint_t                       status;     /* to answer with */
    ngx_uint_t                       language;
    ngx_str_t                        request_id;
    const char                      *notice;     /* that the page shows */
    const char                      *at;         /* why and where a body is
                                                    none, for programs */
    const char                      *type;       /* of the problem: the page
                                                    that comes first */
    const char                      *foreign;    /* another site's page may
                                                    have sent it: the code of
                                                    the problem */
    ngx_msec_t                       retry;      /* seconds */

    /* microseconds, of all calls */
    uint64_t                         call_time;
    uint64_t                         queue_time;
    uint64_t                         hash_time;
    uint64_t                         render_time;
    ngx_uint_t                       calls;

    unsigned                         live:1;     /* a session is known */
    unsigned                         confirmed:1;    /* PostgreSQL has said so
                                                        seconds ago */
    unsigned                         asked:1;    /* it was, by the gate */
    unsigned                         town_waiting:1;
    unsigned                         cookie:1;   /* one well-formed session
                                                    cookie came */
    unsigned                         visitor:1;  /* visit_hex is made */
    unsigned                         unsure:1;   /* identity from a copy that
                                                    Redis could not confirm */
    unsigned                         json:1;     /* the answer's form */
    unsigned                         json_body:1;
    unsigned                         multipart:1;
    unsigned                         oversize:1; /* for its files, it seems */
    unsigned                         key_header:1;   /* key came in a header */
    unsigned                         negotiated:1;
    unsigned                         expired:1;  /* a form whose session had
                                                    ended: to log in again */
    unsigned                         minted:1;   /* secret is made */
    unsigned                         refused:1;  /* the form is shown again */
    unsigned                         again:1;    /* with the key it had */
    unsigned                         unasked:1;  /* refused by its own check:
                                                    no function has seen it */
    unsigned                         waiting:1;  /* NGX_DONE was returned */
    unsigned                         hashed:1;
    unsigned                         guessed:1;  /* a guess was counted for the
                                                    password to verify */
    unsigned                         rendered:1;
    unsigned                         told:1;     /* a warning or worse of the
                                                    error log is about this
                                                    request */
};


#define ngx_http_portal_text(s)                                               \
    (portal_text_t) { (const char *) (s).data, (s).len }

/* of two locations */
#define ngx_http_portal_same_town(a, b)                                       \
    ((a)->town == (b)->town && (a)->tenant == (b)->tenant)

extern ngx_module_t  ngx_http_portal_module;

/* the words of "portal_allow" */
extern ngx_conf_enum_t  ngx_http_portal_audiences[];


/* gate/ */

/* of a request that was led to its error page: what it was at first, or NULL */
ngx_http_portal_ctx_t *ngx_http_portal_first_ctx(ngx_http_request_t *r);

/* lets go of operations under way */
void ngx_http_portal_ctx_detach(void *data);

/* access phase: who is asking, and may they */
ngx_int_t ngx_http_portal_gate_handler(ngx_http_request_t *r);
/* precontent phase: nothing is served without the gate's verdict */
ngx_int_t ngx_http_portal_verdict_handler(ngx_http_request_t *r);
/* the request's context, made when missing; NULL: no memory */
ngx_http_portal_ctx_t *ngx_http_portal_get_ctx(ngx_http_request_t *r);
/* 0 when a request that changes something comes from the town's own pages */
const char *ngx_http_portal_check_origin(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf);
ngx_int_t ngx_http_portal_check_token(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *field);
/* the token for pages and JSON; makes the visitor's cookie when there is no
   session; empty when memory is short */
ngx_str_t ngx_http_portal_csrf(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
ngx_table_elt_t *ngx_http_portal_find_header(ngx_http_request_t *r,
    const char *name, size_t len);

/* gate/ machines */

/* NGX_OK: the request has a key with the location's right; NGX_AGAIN: resumes
   the phases later; NGX_BUSY: PostgreSQL cannot say; or a status */
ngx_int_t ngx_http_portal_machine(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* what a 401 to a machine says it wants */
ngx_int_t ngx_http_portal_machine_challenge(ngx_http_request_t *r);

/* gate/ sessions */

/* the MAC of the visitor's cookie in hex, NULL when there is none */
u_char *ngx_http_portal_visitor(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
void ngx_http_portal_session_cookies(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* the session's own; value NULL: the browser forgets it */
ngx_int_t ngx_http_portal_session_cookie(ngx_http_request_t *r,
    u_char *value);
/* whose sessions these are: what their MACs and records are made with */
#define ngx_http_portal_session_purpose(plcf)                                 \
    ((plcf)->agents ? "agent" : "session")
#define ngx_http_portal_record_purpose(plcf)                                  \
    ((plcf)->agents ? "agent-record" : "session-record")
/* where who is logged in begins */
#define ngx_http_portal_start_page(plcf)                                      \
    ((plcf)->agents ? "/" : "/mon-espace")
/* NGX_OK: ctx->live tells; NGX_AGAIN: resumes the phases later; NGX_BUSY:
   the servers that know are not there */
ngx_int_t ngx_http_portal_session_find(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* NGX_OK: PostgreSQL has said within seconds that the session lives, or will
   be asked by this request's own call, or ctx->live is no more; NGX_AGAIN:
   resumes the phases later; NGX_BUSY: it cannot say; or a status */
ngx_int_t ngx_http_portal_session_confirm(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_loc_conf_t *plcf);
/* runs the phases again */
void ngx_http_portal_gate_resume(ngx_http_portal_ctx_t *ctx);
/* puts the way back behind the path of a page that comes first: to what was
   asked for, or to page with what was asked of it */
ngx_int_t ngx_http_portal_way_back(ngx_http_request_t *r, ngx_str_t *location,
    const char *page);
/* a fresh identifier in ctx->secret*, for the call that may open a session */
void ngx_http_portal_session_mint(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* writes the record, then goes on with step; forgets the old one */
ngx_int_t ngx_http_portal_session_open(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *effect, ngx_http_portal_step_pt step);
void ngx_http_portal_session_lang(ngx_http_portal_session_t *s,
    ngx_http_portal_main_conf_t *pmcf, ngx_uint_t n);
/* writes the record of the live session anew, and nobody waits for it */
void ngx_http_portal_session_rewrite(ngx_http_portal_ctx_t *ctx);
/* tells the last use now, whenever it was told, then goes on with step */
ngx_int_t ngx_http_portal_session_prolong(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_step_pt step);
void ngx_http_portal_session_lost(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
void ngx_http_portal_session_close(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* deletes the record of any session, by its MAC in hex */
void ngx_http_portal_session_forget(u_char *hex);
/* seconds before the live session ends for want of use; -1: not known */
int64_t ngx_http_portal_session_idle_left(ngx_http_portal_ctx_t *ctx);
void ngx_http_portal_session_changed(void *data, ngx_str_t *key,
    ngx_uint_t healthy);
/* adds device or new_device, its MAC, to what the call knows of the request */
ngx_int_t ngx_http_portal_device(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *about);
/* more: SameSite, and Max-Age where it is not to end with the browser */
ngx_int_t ngx_http_portal_set_cookie(ngx_http_request_t *r, const char *name,
    u_char *value, size_t len, const char *more);

/* gate/ languages */

#define ngx_http_portal_language_offered(town, n)                             \
    ((town)->offered & ((ngx_uint_t) 1 << (n)))

/* ctx->language, before it is known who asks */
void ngx_http_portal_language(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* the same, once it is */
void ngx_http_portal_language_account(ngx_http_portal_ctx_t *ctx);
ngx_int_t ngx_http_portal_language_find(ngx_http_portal_main_conf_t *pmcf,
    const u_char *code, size_t len);
ngx_int_t ngx_http_portal_language_keep(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *choice);

/* input/ */

/* reads and checks the body, then goes on; NGX_DONE or a status */
ngx_int_t ngx_http_portal_input(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* Idempotency-Key and If-Match: 0 to go on, else the status to refuse with, and
   the code that says why */
ngx_uint_t ngx_http_portal_conditions(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char **code);
/* whether the query has nothing but what the location's args take */
ngx_uint_t ngx_http_portal_asked(ngx_http_request_t *r,
    ngx_http_portal_loc_conf_t *plcf);
/* 1: a browser that is led to this path comes to a page, not to a form's
   target alone, nor from a log-in to the log-in */
ngx_uint_t ngx_http_portal_leads(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *path);

/* bytes of a body that a form may have; of one with files, as multipart */
off_t ngx_http_portal_body_max(portal_form_t *form);
off_t ngx_http_portal_upload_max(portal_form_t *form);
/* puts itself where bodies come by, once per configuration */
void ngx_http_portal_upload_init(void);
/* before a multipart body is read, and after: NGX_OK or a status; then *e says
   how it went */
ngx_int_t ngx_http_portal_upload_begin(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
ngx_int_t ngx_http_portal_upload(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t **raw, portal_body_e *e);
/* adds the digest of each file to its value */
ngx_int_t ngx_http_portal_upload_values(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);

/* "portal_put": a body that is a file, stored as it comes; NGX_DONE, status */
ngx_int_t ngx_http_portal_put(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);

/* the file that came for a field of a form that was accepted; NULL: none */
ngx_http_portal_file_t *ngx_http_portal_file(ngx_http_portal_ctx_t *ctx,
    const char *field);
/* all its bytes: in request memory, for as long as the request lives */
ngx_int_t ngx_http_portal_file_text(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_file_t *file,
    ngx_str_t *text);
/*
 * The piece n (0...), of NGX_HTTP_PORTAL_FILE_PIECE bytes but for the last one;
 * piece->data is a buffer of that size, and is set elsewhere when the body is
 * in memory.
 * NGX_OK, NGX_DONE behind the last one, NGX_ERROR.
 */
ngx_int_t ngx_http_portal_file_piece(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_file_t *file, ngx_uint_t n,
    ngx_str_t *piece);

/* the whole body in one piece of memory, terminated; a status when too large */
ngx_int_t ngx_http_portal_body_text(ngx_http_request_t *r, ngx_str_t *body);

/* adds an error of a field, "" for the form */
ngx_int_t ngx_http_portal_add_error(ngx_http_portal_ctx_t *ctx,
    const char *field, const char *code);
/* as a function tells them: with "request" or "ratio", as messages have it */
ngx_int_t ngx_http_portal_told_errors(ngx_http_portal_ctx_t *ctx,
    json_t *errors);

/* prepare/ */

/* whom limits are counted for, into NGX_SOCKADDR_STRLEN chars: an IPv4 address,
   or so many bits of an IPv6 one; 0 with less than 64 bits of an IPv4 one */
size_t ngx_http_portal_client(ngx_http_request_t *r, u_char *text,
    ngx_uint_t bits);
/* ctx->input from values and arguments; what SQL may not see is replaced */
ngx_int_t ngx_http_portal_prepare(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
ngx_int_t ngx_http_portal_prepare_args(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* 1: a sealed field came with a value, and ctx->place is not known yet */
ngx_uint_t ngx_http_portal_seal_waits(ngx_http_portal_ctx_t *ctx);
/* seals a field's value for ctx->place into ctx->input; ctx->values loses it */
ngx_int_t ngx_http_portal_seal_field(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field);
/* 1: a file of the form is to be stored before its function is called */
ngx_uint_t ngx_http_portal_store_waits(ngx_http_portal_ctx_t *ctx);
/* stores them, then goes on with then, or shows the form again */
ngx_int_t ngx_http_portal_store(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_step_pt then);
/* a piece of a file, sealed for its place: room has portal_sealed_len() of
   NGX_HTTP_PORTAL_FILE_PIECE chars; NULL: no memory */
json_t *ngx_http_portal_seal_piece(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *kind, u_char *id,
    ngx_uint_t number, ngx_str_t *piece, char *room);
/* of the digest of a file in hex: tells one that comes twice; NULL likewise */
json_t *ngx_http_portal_file_mac(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_text_t digest);
/* sets what the function gets of such a file */
ngx_int_t ngx_http_portal_store_value(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field);
/* hashes (hash NULL) or verifies a password, then step; NGX_DONE, status */
ngx_int_t ngx_http_portal_password(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *password, size_t len,
    const char *hash, ngx_http_portal_step_pt step);
/* looks for a password in the list of breached ones, then step; the same */
ngx_int_t ngx_http_portal_password_look(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *password, size_t len,
    ngx_http_portal_step_pt step);

/* the field of a form that takes a one-time code, or NULL */
portal_field_t *ngx_http_portal_otp_field(portal_form_t *form);
/* checks the one-time code typed, if the form has one, against the sealed
   secret of the document: "otp_step" of the input is its time step or null */
ngx_int_t ngx_http_portal_otp(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *document);

/* a code abonne for the form's function to give; NULL: not made */
json_t *ngx_http_portal_issue(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* those that a job asks for, see portal_jobs.h; data: the main configuration */
json_t *ngx_http_portal_issue_bring(void *data, json_t *asked);

/* a secret for an authenticator, for a webhook; codes to do without the first:
   what a form's "authenticator", "signing", "recovery" bring; NULL: not made */
json_t *ngx_http_portal_authenticator(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
json_t *ngx_http_portal_signing(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
json_t *ngx_http_portal_recovery(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);

/* call/ */

/* enter + function in one trip, then step; the document is ctx->answer */
ngx_int_t ngx_http_portal_call(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_pg_statement_t *function,
    ngx_http_portal_step_pt step);
/* a call whose answer nobody waits for; failing, it is only logged */
void ngx_http_portal_tell(ngx_http_request_t *r, ngx_http_portal_ctx_t *ctx,
    portal_pg_statement_t *function, ngx_str_t *input);
/* enter alone, from the access phase: handler(op) with op->data the context */
ngx_int_t ngx_http_portal_enter(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, portal_op_handler_pt handler);
/* what enter's answer means to the context, for the handler of such a call */
void ngx_http_portal_entered(ngx_http_portal_ctx_t *ctx, portal_pg_op_t *op);
/* 1: enter refused the session's family, which the context forgets */
ngx_uint_t ngx_http_portal_family_left(ngx_http_portal_ctx_t *ctx);
/* parses ctx->answer once; NULL: not a document */
json_t *ngx_http_portal_document(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* NGX_OK, or the status that a failed call is answered with */
ngx_int_t ngx_http_portal_call_failed(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* what is done beside requests; once the database is known to be ours */
void ngx_http_portal_jobs_start(ngx_http_portal_main_conf_t *pmcf);
/* is the database this key file's, has it what the pages name */
ngx_int_t ngx_http_portal_check_init(ngx_cycle_t *cycle,
    ngx_http_portal_main_conf_t *pmcf);

/* content phase: the way through the house, see docs/architecture.md */

ngx_int_t ngx_http_portal_content_handler(ngx_http_request_t *r);
/* ends a step: finalizes the request unless rc says that it waits */
void ngx_http_portal_finish(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_int_t rc);
/* goes on with ctx->step, from an operation's handler */
void ngx_http_portal_resume(ngx_http_portal_ctx_t *ctx);
/* hears of a client that goes while a request waits that has changed nothing:
   in the access phase, or for its password's turn; NGX_AGAIN, or a status */
ngx_int_t ngx_http_portal_hear_close(ngx_http_request_t *r);
/* the status of the document, 500 when it has none */
ngx_uint_t ngx_http_portal_answer_status(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* what follows every call that may change something */
ngx_int_t ngx_http_portal_after_act(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* the same once the document's effects are there */
ngx_int_t ngx_http_portal_after_effects(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* answers a call that failed; 401 also forgets the session */
ngx_int_t ngx_http_portal_failed(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status);
/* the call of "portal_get", and again for another piece of what it gives, whose
   reference is taken; both come to the same answer as the first */
ngx_int_t ngx_http_portal_content_get(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
ngx_int_t ngx_http_portal_content_more(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *piece);
/* a body that is not looked at: NGX_OK or a status */
ngx_int_t ngx_http_portal_unwanted(ngx_http_request_t *r);
/* shows the form again with ctx->errors */
ngx_int_t ngx_http_portal_refuse(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status);

/* effects/ */

ngx_int_t ngx_http_portal_effects(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_step_pt step);

/* page/: what "portal_post" and "portal_verify" do */

ngx_int_t ngx_http_portal_act_post(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* the client went while its password waited: a guess is given back */
void ngx_http_portal_act_left(ngx_http_portal_ctx_t *ctx);

/* page/: a form whose session had ended */

/* finds whose session it was, then the log-in page; or the answer once more
   that the form was given, with the session that it was given */
ngx_int_t ngx_http_portal_act_relogin(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* the log-in page, with what was typed for that account, 0 without */
ngx_int_t ngx_http_portal_relogin(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, int64_t account);
/* the address of the page that the form is on, in this town */
ngx_int_t ngx_http_portal_relogin_path(ngx_http_request_t *r,
    ngx_str_t *path);
/* after the log-in: keeps ctx->restore for the page to go back to */
ngx_int_t ngx_http_portal_form_keep(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_step_pt step);
ngx_uint_t ngx_http_portal_form_waits(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* what was kept into ctx->typed, then step */
ngx_int_t ngx_http_portal_form_fetch(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_http_portal_step_pt step);

/* hook/: errors beside the form's addresses that nothing goes to */
ngx_int_t ngx_http_portal_hook_check(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* a portal_hook_sign_pt */
ngx_int_t ngx_http_portal_hook_sign(void *data, json_t *row,
    ngx_str_t *timestamp, char out[PORTAL_HOOK_SIGNATURES]);

/* mail/: how full the outbox is, asked now and then by the jobs' worker */
void ngx_http_portal_outbox_init(ngx_cycle_t *cycle,
    ngx_http_portal_main_conf_t *pmcf);
/* 0 when it was not heard of lately */
ngx_uint_t ngx_http_portal_outbox_known(void);


#include "call/ngx_http_portal_town.h"
#include "present/ngx_http_portal_present.h"
#include "log/ngx_http_portal_log.h"


#endif /* _NGX_HTTP_PORTAL_H_INCLUDED_ */
