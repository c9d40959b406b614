
/*
 * Copyright (C) the portal's authors
 */


#include "portal_import_int.h"


/*
 * One step after the other, each begun by the timer: what costs time is done
 * in slices, and what asks the database waits for its answer.  A step that
 * failed is done again, since each leaves what it works on as it was.
 */

#define PORTAL_IMPORT_WAIT    2000      /* ms before a call is tried again */
#define PORTAL_IMPORT_TRIES   25        /* within the lease of 60 s */
#define PORTAL_IMPORT_REFUSE  3         /* of what the database refuses */


static void portal_import_turn(ngx_event_t *ev);
static void portal_import_idle(portal_import_t *import);
static void portal_import_clear(portal_import_t *import);
static void portal_import_answered(portal_op_t *op);
static void portal_import_unanswered(portal_import_t *import,
    portal_op_status_e status);

static void portal_import_look(portal_import_t *import);
static void portal_import_claimed(portal_import_t *import, json_t *answer);
static ngx_int_t portal_import_begin(portal_import_t *import, json_t *claim);
static void portal_import_scan(portal_import_t *import);
static void portal_import_skips(portal_import_t *import);
static ngx_uint_t portal_import_take(portal_import_t *import,
    portal_import_line_t *line, const char *name);
static void portal_import_told(portal_import_t *import, json_t *answer);


#define portal_import_of(ev)                                                  \
    ((portal_import_t *) ((u_char *) (ev) - offsetof(portal_import_t, turn)))


portal_import_t *
portal_import_create(ngx_cycle_t *cycle, portal_import_conf_t *conf,
    portal_pg_t *pg)
{
    portal_import_t  *import;

    import = ngx_pcalloc(cycle->pool, sizeof(portal_import_t));
    if (import == NULL) {
        return NULL;
    }

    import->conf = conf;
    import->pg = pg;
    import->log = cycle->log;

    portal_op_event(&import->turn, portal_import_turn, import->log);
    import->turn.cancelable = 1;

    portal_import_idle(import);

    return import;
}


void
portal_import_destroy(portal_import_t *import)
{
    if (import == NULL) {
        return;
    }

    if (import->turn.timer_set) {
        ngx_del_timer(&import->turn);
    }

    if (import->op) {
        portal_op_detach(&import->op->op);
        import->op = NULL;
    }

    portal_import_clear(import);
}


static void
portal_import_turn(ngx_event_t *ev)
{
    portal_import_t  *import;

    import = portal_import_of(ev);

    /* another worker reads it, once the lease is over */

    if (ngx_exiting || ngx_terminate) {
        portal_import_clear(import);
        return;
    }

    import->step(import);
}


void
portal_import_in(portal_import_t *import, ngx_msec_t delay,
    portal_import_step_pt step)
{
    import->step = step;

    if (!ngx_exiting && !ngx_terminate) {
        ngx_add_timer(&import->turn, delay);
    }
}


/* with a quarter of jitter, as nodes that started together drift apart */

static void
portal_import_idle(portal_import_t *import)
{
    ngx_msec_t  every;

    every = import->conf->every;

    portal_import_in(import, every - every / 8
                             + (ngx_msec_t) ngx_random() % (every / 4 + 1),
                     portal_import_look);
}


/* it stays whose lease it is, until that is over */

void
portal_import_drop(portal_import_t *import)
{
    portal_import_clear(import);
    portal_import_idle(import);
}


static void
portal_import_clear(portal_import_t *import)
{
    while (import->n) {
        portal_import_line_free(&import->lines[--import->n]);
    }

    if (import->holds) {
        portal_import_line_free(&import->held);
        import->holds = 0;
    }

    portal_import_book_free(import->book);
    import->book = NULL;

    if (import->data) {
        portal_wipe(import->data, import->used);
        ngx_free(import->data);
        import->data = NULL;
    }

    if (import->scratch) {
        portal_wipe(import->scratch, portal_sealed_len(PORTAL_IMPORT_PIECE));
        ngx_free(import->scratch);
        import->scratch = NULL;
    }

    if (import->text) {
        ngx_free(import->text);
        import->text = NULL;
    }

    json_decref(import->claim);
    json_decref(import->places);
    json_decref(import->failure);

    import->claim = NULL;
    import->places = NULL;
    import->failure = NULL;
    import->name = NULL;
    import->text_len = 0;
    import->text_size = 0;
    import->bytes = 0;
    import->sealed = 0;
    import->ended = 0;
    import->tries = 0;
}


/* takes the reference of input */

void
portal_import_call(portal_import_t *import, portal_pg_statement_t *statement,
    json_t *input, portal_import_answer_pt answer)
{
    ngx_str_t  text;

    text.data = (u_char *) json_dumps(input, JSON_COMPACT);
    json_decref(input);

    if (text.data == NULL) {
        portal_import_drop(import);
        return;
    }

    text.len = ngx_strlen(text.data);
    portal_import_post(import, statement, &text, answer);
    free(text.data);
}


void
portal_import_post(portal_import_t *import, portal_pg_statement_t *statement,
    ngx_str_t *input, portal_import_answer_pt answer)
{
    portal_pg_op_t  *op;

    op = portal_pg_op(import->pg);

    if (op == NULL) {
        portal_import_drop(import);
        return;
    }

    if (portal_pg_query(op, statement) != NGX_OK
        || portal_pg_param(op, input) != NGX_OK)
    {
        portal_pg_drop(op);
        portal_import_drop(import);
        return;
    }

    op->op.handler = portal_import_answered;
    op->op.data = import;

    import->op = op;
    import->answer = answer;

    portal_pg_post(import->pg, op);
}


static void
portal_import_answered(portal_op_t *op)
{
    json_t           *answer;
    portal_import_t  *import;

    import = op->data;
    import->op = NULL;

    if (ngx_exiting || ngx_terminate) {
        portal_import_clear(import);
        return;
    }

    if (op->status != PORTAL_OP_OK) {
        portal_import_unanswered(import, op->status);
        return;
    }

    answer = portal_pg_json(op);
    import->tries = 0;

    switch (json_integer_value(json_object_get(answer, "status"))) {

    case 200:
        import->failed = 0;
        import->answer(import, answer);
        break;

    case 404:

        /* of a piece alone: what was sent did not come whole */

        portal_import_fail(import, "cut");
        break;

    default:

        /* it was cancelled, or is another's */

        portal_import_drop(import);
    }

    json_decref(answer);
}


static void
portal_import_unanswered(portal_import_t *import, portal_op_status_e status)
{
    import->tries++;

    if (import->claim == NULL) {

        if (!import->failed) {
            import->failed = 1;

            ngx_log_error(NGX_LOG_ERR, import->log, 0,
                          "the database was not asked for imports, it is "
                          "tried again");
        }

        portal_import_drop(import);
        return;
    }

    if (import->tries >= (status == PORTAL_OP_REFUSED ? PORTAL_IMPORT_REFUSE
                                                      : PORTAL_IMPORT_TRIES))
    {
        ngx_log_error(NGX_LOG_ERR, import->log, 0,
                      "the reading of import %L of \"%s\" was given up, "
                      "another will begin",
                      (int64_t) json_integer_value(
                                    json_object_get(import->claim, "id")),
                      import->slug.data);
        portal_import_drop(import);
        return;
    }

    portal_import_in(import, PORTAL_IMPORT_WAIT, import->step);
}


/* what each call about an import begins with; NULL: no memory */

json_t *
portal_import_input(portal_import_t *import)
{
    return json_pack("{s:O, s:O, s:O}",
                     "tenant", json_object_get(import->claim, "tenant"),
                     "import", json_object_get(import->claim, "id"),
                     "lease", json_object_get(import->claim, "lease"));
}


static void
portal_import_look(portal_import_t *import)
{
    portal_import_call(import, import->conf->claim,
                       json_pack("{s:I}", "every",
                                 (json_int_t) (import->conf->every / 1000)),
                       portal_import_claimed);
}


static void
portal_import_claimed(portal_import_t *import, json_t *answer)
{
    json_t      *claim;
    const char  *note;

    note = json_string_value(json_object_get(answer, "note"));
    claim = json_object_get(answer, "import");

    if (note != NULL) {
        ngx_log_error(NGX_LOG_NOTICE, import->log, 0, "%s", note);
    }

    if (!json_is_object(claim)) {

        if (json_is_true(json_object_get(answer, "more"))) {
            portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_look);
            return;
        }

        portal_import_idle(import);
        return;
    }

    if (portal_import_begin(import, claim) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, import->log, 0,
                      "an import could not be begun");
        portal_import_drop(import);
        return;
    }

    if (import->size > PORTAL_IMPORT_BYTES) {
        portal_import_fail(import, "too_large");
        return;
    }

    portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_fetch);
}


static ngx_int_t
portal_import_begin(portal_import_t *import, json_t *claim)
{
    const char  *today;

    import->claim = json_incref(claim);
    import->slug.data = json_string_value(json_object_get(claim, "slug"));
    import->slug.len = json_string_length(json_object_get(claim, "slug"));
    import->rules = import->conf->rules;
    import->size = (size_t) json_integer_value(json_object_get(claim,
                                                               "size"));
    import->used = 0;
    import->file = 0;
    import->piece = 0;

    today = json_string_value(json_object_get(claim, "today"));

    if (import->slug.data == NULL || today == NULL
        || ngx_strlen(today) != sizeof(import->rules.today) - 1
        || !json_is_array(json_object_get(claim, "files"))
        || json_integer_value(json_object_get(claim, "size")) < 0)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(import->rules.today, today, sizeof(import->rules.today));

    if (import->size > PORTAL_IMPORT_BYTES) {
        return NGX_OK;
    }

    import->data = ngx_alloc(import->size + 1, import->log);
    import->scratch = ngx_alloc(portal_sealed_len(PORTAL_IMPORT_PIECE),
                                import->log);
    import->book = portal_import_book(&import->rules);

    if (import->data == NULL || import->scratch == NULL
        || import->book == NULL)
    {
        return NGX_ERROR;
    }

    ngx_log_error(NGX_LOG_INFO, import->log, 0, "import %L of \"%s\" is read",
                  (int64_t) json_integer_value(json_object_get(claim, "id")),
                  import->slug.data);

    return NGX_OK;
}


/* all bytes are there */

void
portal_import_files(portal_import_t *import)
{
    size_t            i, at, len;
    json_t           *file, *files;
    const char       *name;
    portal_import_e   rc;

    if (import->used != import->size) {
        portal_import_fail(import, "cut");
        return;
    }

    files = json_object_get(import->claim, "files");
    rc = PORTAL_IMPORT_DONE;
    at = 0;

    for (i = 0; i < json_array_size(files) && rc == PORTAL_IMPORT_DONE; i++) {
        file = json_array_get(files, i);
        name = json_string_value(json_object_get(file, "name"));
        len = (size_t) json_integer_value(json_object_get(file, "size"));

        if (name == NULL || len > import->size - at) {
            portal_import_drop(import);
            return;
        }

        rc = portal_import_book_add(import->book, name, import->data + at,
                                    len);
        at += len;
    }

    if (rc == PORTAL_IMPORT_DONE) {
        portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_scan);

    } else if (rc == PORTAL_IMPORT_FAILED) {
        portal_import_fail(import, NULL);

    } else {
        portal_import_drop(import);
    }
}


static void
portal_import_scan(portal_import_t *import)
{
    uint64_t         start;
    portal_import_e  rc;

    start = portal_op_clock();

    do {
        rc = portal_import_book_scan(import->book);

    } while (rc == PORTAL_IMPORT_AGAIN
             && portal_op_clock() - start < PORTAL_IMPORT_SLICE);

    switch (rc) {

    case PORTAL_IMPORT_AGAIN:
        portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_scan);
        return;

    case PORTAL_IMPORT_DONE:
        portal_import_skips(import);
        portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_read);
        return;

    case PORTAL_IMPORT_FAILED:
        portal_import_fail(import, NULL);
        return;

    default:
        portal_import_drop(import);
    }
}


/* what another has staged, who read before */

static void
portal_import_skips(portal_import_t *import)
{
    void    *iter;
    json_t  *lines;

    lines = json_object_get(import->claim, "lines");

    for (iter = json_object_iter(lines);
         iter != NULL;
         iter = json_object_iter_next(lines, iter))
    {
        portal_import_book_skip(import->book, json_object_iter_key(iter),
            (uint64_t) json_integer_value(json_object_iter_value(iter)));
    }
}


void
portal_import_read(portal_import_t *import)
{
    uint64_t               start;
    ngx_uint_t             full;
    const char            *name;
    portal_import_e        rc;
    portal_import_line_t   line;

    start = portal_op_clock();
    rc = PORTAL_IMPORT_AGAIN;
    full = 0;

    if (import->holds) {
        import->holds = 0;
        full = portal_import_take(import, &import->held, import->held_name);
    }

    while (!full && (rc == PORTAL_IMPORT_AGAIN || rc == PORTAL_IMPORT_LINE)
           && portal_op_clock() - start < PORTAL_IMPORT_SLICE)
    {
        rc = portal_import_book_next(import->book, &line, &name);

        if (rc == PORTAL_IMPORT_LINE) {
            full = portal_import_take(import, &line, name);
        }
    }

    if (rc == PORTAL_IMPORT_MEMORY) {
        portal_import_drop(import);
        return;
    }

    /* what was read before a failure is staged all the same */

    if (rc == PORTAL_IMPORT_FAILED && import->failure == NULL) {
        import->failure = portal_import_book_failure(import->book);

        if (import->failure == NULL) {
            portal_import_drop(import);
            return;
        }
    }

    import->ended = rc == PORTAL_IMPORT_DONE || rc == PORTAL_IMPORT_FAILED;

    portal_import_in(import, PORTAL_IMPORT_PAUSE,
                     full || (import->ended && import->n)
                     ? portal_import_batch
                     : import->ended ? portal_import_end
                     : portal_import_read);
}


/* 1: it is time to send them */

static ngx_uint_t
portal_import_take(portal_import_t *import, portal_import_line_t *line,
    const char *name)
{
    if (json_array_size(line->records) == 0
        && json_array_size(line->errors) == 0)
    {
        portal_import_line_free(line);
        return 0;
    }

    if (import->n && ngx_strcmp(name, import->name) != 0) {
        import->held = *line;
        import->held_name = name;
        import->holds = 1;

        return 1;
    }

    import->name = name;
    import->lines[import->n++] = *line;
    import->bytes += json_dumpb(line->records, NULL, 0, JSON_COMPACT)
                     + json_dumpb(line->errors, NULL, 0, JSON_COMPACT);

    return import->n == PORTAL_IMPORT_BATCH
           || import->bytes >= PORTAL_IMPORT_TEXT;
}


/* code NULL: the book says why */

void
portal_import_fail(portal_import_t *import, const char *code)
{
    if (import->claim == NULL) {
        portal_import_drop(import);
        return;
    }

    import->failure = code ? json_pack("{s:s, s:n, s:n}", "code", code,
                                       "file", "line")
                           : portal_import_book_failure(import->book);

    if (import->failure == NULL) {
        portal_import_drop(import);
        return;
    }

    portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_end);
}


void
portal_import_end(portal_import_t *import)
{
    json_t  *input, *files;

    input = portal_import_input(import);
    files = import->book ? portal_import_book_files(import->book)
                         : json_array();

    if (json_object_set_new(input, "files", files) != 0
        || json_object_set(input, "failure", import->failure
                           ? import->failure : json_null())
           != 0)
    {
        json_decref(input);
        portal_import_drop(import);
        return;
    }

    portal_import_call(import, import->conf->read, input, portal_import_told);
}


static void
portal_import_told(portal_import_t *import, json_t *answer)
{
    const char  *code;

    code = json_string_value(json_object_get(import->failure, "code"));

    ngx_log_error(NGX_LOG_NOTICE, import->log, 0,
                  "import %L of \"%s\" was read%s%s",
                  (int64_t) json_integer_value(json_object_get(import->claim,
                                                               "id")),
                  import->slug.data, code ? ", and failed: " : "",
                  code ? code : "");

    portal_import_clear(import);

    /* there may be another */

    portal_import_in(import, PORTAL_IMPORT_PAUSE, portal_import_look);
}
