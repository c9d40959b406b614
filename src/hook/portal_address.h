
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_ADDRESS_H_INCLUDED_
#define _PORTAL_ADDRESS_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/*
 * Which addresses are of the public internet: an address that an administrator
 * of a town typed must not make the server talk to what stands beside it.
 * What is not known to be public is not.
 *
 * portal_address_v4() is what an IPv6 address leads to that only carries an
 * IPv4 one (::ffff:a.b.c.d): 1 and the four bytes, or 0.
 */

int portal_address_public4(const uint8_t ip[4]);
int portal_address_public6(const uint8_t ip[16]);
int portal_address_v4(const uint8_t ip[16], uint8_t v4[4]);


/*
 * What an address of the web says of its host before any name is looked up.
 * Only what is plain is read: names that are the public's may still lead to
 * what is not, which is seen when the socket is made.
 */

typedef enum {
    PORTAL_HOST_NAME = 0,       /* a name like others, or no host at all */
    PORTAL_HOST_LOCAL,          /* a name that the public's servers do not know:
                                   without a dot, in .local or .internal */
    PORTAL_HOST_V4,             /* an IPv4 address, which v4 is then; localhost
                                   is one */
    PORTAL_HOST_NUMBER,         /* a number that some read as an address */
} portal_host_e;

portal_host_e portal_address_host(const char *url, uint8_t v4[4]);


#endif /* _PORTAL_ADDRESS_H_INCLUDED_ */
