
/*
 * Copyright (C) the portal's authors
 */


#include "portal_op.h"


static ngx_connection_t  portal_op_nobody = {
    .fd = (ngx_socket_t) -1
};


void
portal_op_event(ngx_event_t *ev, ngx_event_handler_pt handler, ngx_log_t *log)
{
    ngx_memzero(ev, sizeof(ngx_event_t));

    ev->data = &portal_op_nobody;
    ev->handler = handler;
    ev->log = log;
}


uint64_t
portal_op_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}
