
/*
 * Copyright (C) the portal's authors
 */


#ifndef _NGX_HTTP_PORTAL_PRESENT_H_INCLUDED_
#define _NGX_HTTP_PORTAL_PRESENT_H_INCLUDED_


/*
 * What becomes of a document: a page, a program's answer, a file, a header.  A
 * part of ngx_http_portal.h, which includes it.
 */

/* what error pages show and the log carries */
ngx_str_t *ngx_http_portal_request_id(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
void ngx_http_portal_negotiate(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* ctx->answer (or nothing) through the view, or as JSON */
ngx_int_t ngx_http_portal_present(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status,
    ngx_http_portal_view_t *view);
/* ctx->document as ctx->answer, in the request's pool */
ngx_int_t ngx_http_portal_answer(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* a sink whose chunks, of so many bytes, are the pool's */
void ngx_http_portal_sink(portal_sink_t *sink, ngx_pool_t *pool,
    size_t chunk);
/* what an error's page carries of a form, to be sent again; null: nothing */
json_t *ngx_http_portal_retry(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status);
/* an error as a page or a problem document (RFC 9457) */
ngx_int_t ngx_http_portal_problem(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status, const char *code);
/* 503, and the line of the log that says why */
ngx_int_t ngx_http_portal_unavailable(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *why);
/* Retry-After, where the status wants it and nobody has said it */
ngx_int_t ngx_http_portal_retry_after(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status);
/* for the gate: the header, and the status to return from the phase */
ngx_int_t ngx_http_portal_location(ngx_http_request_t *r,
    ngx_str_t *location);
/* for the content: sends */
ngx_int_t ngx_http_portal_redirect(ngx_http_request_t *r,
    ngx_str_t *location);
/* a template over the stack, as the answer */
ngx_int_t ngx_http_portal_render(ngx_http_request_t *r, ngx_uint_t status,
    ngx_http_portal_view_t *view, json_t **stack, ngx_uint_t n);
/* the document that is there and what templates read besides: stack[0] is the
   caller's, stack[1] the request's */
ngx_int_t ngx_http_portal_stack(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status, json_t **stack);
/* a template into a sink, and what is in a sink as an answer's last buffers */
ngx_int_t ngx_http_portal_render_to(ngx_http_request_t *r,
    ngx_http_portal_view_t *view, json_t **stack, ngx_uint_t n,
    portal_sink_t *sink);
ngx_int_t ngx_http_portal_sink_chain(ngx_http_request_t *r,
    portal_sink_t *sink, ngx_chain_t **out);
/* a page for a spreadsheet: asked for with "piece" in its input, "" at first,
   its function may say by "more" what the next rows are asked for with;
   NGX_DONE: later */
ngx_uint_t ngx_http_portal_is_sheet(ngx_http_portal_ctx_t *ctx,
    ngx_http_portal_view_t *view);
ngx_int_t ngx_http_portal_sheet(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status,
    ngx_http_portal_view_t *view);
/* what every template may read; status 0 for an error page; new references */
json_t *ngx_http_portal_captcha(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
json_t *ngx_http_portal_globals(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_uint_t status);
json_t *ngx_http_portal_form_model(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* what was typed, or what the page's address brings; a new reference */
json_t *ngx_http_portal_field_value(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field);
/* what the document opens it with, as a page shows it; NULL: nothing */
json_t *ngx_http_portal_field_opens(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field);

typedef enum {
    NGX_HTTP_PORTAL_MOVED_NOT = 0,
    NGX_HTTP_PORTAL_MOVED_TAKEN,        /* untouched: it has the value of now */
    NGX_HTTP_PORTAL_MOVED_BOTH          /* typed, and changed by another too */
} ngx_http_portal_moved_e;

/* tells what came apart from what the form was opened with */
ngx_int_t ngx_http_portal_form_came(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *raw);
/* the tags that the page carries, empty: none, and for each field what became
   of it; forgets what was typed where that is MOVED_TAKEN */
ngx_int_t ngx_http_portal_form_opened(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, ngx_str_t *opened,
    ngx_http_portal_moved_e *moved);
/* 1: the person has left it as the form was opened with it */
ngx_uint_t ngx_http_portal_form_left(ngx_http_portal_ctx_t *ctx,
    const portal_field_t *field);
/* errors beside what the town requires and is empty, in the page's order */
ngx_int_t ngx_http_portal_form_empty(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
json_t *ngx_http_portal_form_now(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field, json_t *options);
/*
 * The fields, those first that "order" of the document names; takes over the
 * reference to them.
 */
json_t *ngx_http_portal_form_ordered(ngx_http_portal_ctx_t *ctx,
    json_t *fields, json_t *by_name);
/* a choice of more is a list to open */
#define NGX_HTTP_PORTAL_RADIOS  5
/* of a field with this value: [{"value", "label", "selected", "id"}] */
json_t *ngx_http_portal_field_options(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const portal_field_t *field,
    ngx_uint_t required, const char *value);
/* {"field": null where the page has none to go to, "label", "message"} */
json_t *ngx_http_portal_form_error(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *error);
/* the message for a field's error, in the request's language */
const char *ngx_http_portal_message(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, const char *field, const char *code);
/* the same for one of ctx->errors; {request}, {ratio} and {name} are its own */
const char *ngx_http_portal_error_message(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx, json_t *error);
ngx_int_t ngx_http_portal_add_header(ngx_http_request_t *r, const char *name,
    const char *value, size_t len);
/* the same of one of ngx_http_portal_headers(), which it replaces */
void ngx_http_portal_set_header(ngx_http_request_t *r, const char *name,
    const char *value, size_t len);
ngx_uint_t ngx_http_portal_sent_header(ngx_http_request_t *r,
    const char *name, size_t len);
/* those of every answer */
ngx_int_t ngx_http_portal_headers(ngx_http_request_t *r);
/* ETag, when the document says its version */
ngx_int_t ngx_http_portal_etag(ngx_http_request_t *r, ngx_str_t *document);
ngx_int_t ngx_http_portal_content_language(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* replaces {"$sealed": ...} by what it hides; in request memory, wiped */
ngx_int_t ngx_http_portal_open_sealed(ngx_http_request_t *r, ngx_str_t *text);
/* draws the QR codes of "portal_qr", then presents the page; NGX_DONE: later */
ngx_int_t ngx_http_portal_qr(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
/* the document of "portal_file": the file itself is the answer */
ngx_int_t ngx_http_portal_file_send(ngx_http_request_t *r,
    ngx_http_portal_ctx_t *ctx);
ngx_int_t ngx_http_portal_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_chain_t *out, off_t len);
ngx_int_t ngx_http_portal_mail_render(void *data, ngx_str_t *row,
    ngx_pool_t *pool, portal_mail_message_t *message);


#endif /* _NGX_HTTP_PORTAL_PRESENT_H_INCLUDED_ */
