
/*
 * Copyright (C) the portal's authors
 */


#include "portal_pg.h"


json_t *
portal_pg_json(portal_op_t *op)
{
    ngx_str_t  *value;

    if (op->status != PORTAL_OP_OK) {
        return NULL;
    }

    value = &((portal_pg_op_t *) op)->queries[0].value;

    return value->data ? json_loadb((char *) value->data, value->len, 0, NULL)
                       : NULL;
}
