
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>

#include "portal_crypto.h"


/* what is sealed is what the letter prints, dashes included */

int
portal_code_issue(const portal_keys_t *keys, portal_text_t tenant,
    portal_text_t id, portal_issued_t *out)
{
    int            n;
    char           code[PORTAL_CODE_LEN];
    uint8_t        mac[PORTAL_MAC_LEN];
    portal_text_t  text, name;

    portal_code_make(code);

    (void) snprintf(out->shown, sizeof(out->shown), "%.4s-%.4s-%.4s", code,
                    code + 4, code + 8);
    portal_wipe(code, sizeof(code));

    text = (portal_text_t) { out->shown, sizeof(out->shown) - 1 };
    name = (portal_text_t) { "code", 4 };

    n = portal_seal(keys, tenant, name, id, name, text, out->sealed,
                    sizeof(out->sealed));

    if (n == -1 || portal_mac_code(keys, tenant, text, mac) == -1) {
        return -1;
    }

    out->sealed_len = (size_t) n;
    portal_hex(mac, sizeof(mac), out->mac);

    return 0;
}
