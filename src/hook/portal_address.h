
/*
 * Copyright (C) the portal's authors
 */


#ifndef _PORTAL_ADDRESS_H_INCLUDED_
#define _PORTAL_ADDRESS_H_INCLUDED_


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


#endif /* _PORTAL_ADDRESS_H_INCLUDED_ */
