
/*
 * Copyright (C) the portal's authors
 */


#include "portal_b64.h"


/* 0xff or 0, for x and y below 256 */
#define portal_b64_lt(x, y)  ((((x) - (y)) >> 8) & 0xffU)
#define portal_b64_ge(x, y)  (portal_b64_lt(x, y) ^ 0xffU)
#define portal_b64_eq(x, y)  ((((0U - ((x) ^ (y))) >> 8) & 0xffU) ^ 0xffU)


static char portal_b64_char(unsigned x);
static unsigned portal_b64_value(char ch);


size_t
portal_b64_len(size_t len)
{
    return len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0);
}


size_t
portal_b64_encode(const uint8_t *in, size_t len, char *out)
{
    char      *p;
    unsigned   v;

    p = out;

    while (len >= 3) {
        v = (unsigned) in[0] << 16 | (unsigned) in[1] << 8 | in[2];
        in += 3;
        len -= 3;

        *p++ = portal_b64_char(v >> 18);
        *p++ = portal_b64_char(v >> 12 & 63);
        *p++ = portal_b64_char(v >> 6 & 63);
        *p++ = portal_b64_char(v & 63);
    }

    if (len == 1) {
        v = in[0];
        *p++ = portal_b64_char(v >> 2);
        *p++ = portal_b64_char(v << 4 & 63);
    }

    if (len == 2) {
        v = (unsigned) in[0] << 8 | in[1];
        *p++ = portal_b64_char(v >> 10);
        *p++ = portal_b64_char(v >> 4 & 63);
        *p++ = portal_b64_char(v << 2 & 63);
    }

    return (size_t) (p - out);
}


int
portal_b64_decode(const char *in, size_t len, uint8_t *out, size_t *outlen)
{
    size_t     i;
    uint8_t   *p;
    unsigned   v, bits, bad, x;

    if (len % 4 == 1) {
        return -1;
    }

    p = out;
    v = 0;
    bits = 0;
    bad = 0;

    for (i = 0; i < len; i++) {
        x = portal_b64_value(in[i]);
        bad |= x & ~63U;

        v = (v << 6 | (x & 63)) & 0xffff;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            *p++ = (uint8_t) (v >> bits & 0xff);
        }
    }

    bad |= v & ((1U << bits) - 1);

    if (bad) {
        return -1;
    }

    *outlen = (size_t) (p - out);

    return 0;
}


static char
portal_b64_char(unsigned x)
{
    return (char) ((portal_b64_lt(x, 26U) & (x + 'A'))
                   | (portal_b64_ge(x, 26U) & portal_b64_lt(x, 52U)
                      & (x - 26U + 'a'))
                   | (portal_b64_ge(x, 52U) & portal_b64_lt(x, 62U)
                      & (x - 52U + '0'))
                   | (portal_b64_eq(x, 62U) & '-')
                   | (portal_b64_eq(x, 63U) & '_'));
}


/* above 63 when the char is none of the alphabet */

static unsigned
portal_b64_value(char ch)
{
    unsigned  c, upper, lower, digit, minus, under;

    c = (unsigned char) ch;

    upper = portal_b64_ge(c, (unsigned) 'A') & portal_b64_lt(c, 'Z' + 1U);
    lower = portal_b64_ge(c, (unsigned) 'a') & portal_b64_lt(c, 'z' + 1U);
    digit = portal_b64_ge(c, (unsigned) '0') & portal_b64_lt(c, '9' + 1U);
    minus = portal_b64_eq(c, (unsigned) '-');
    under = portal_b64_eq(c, (unsigned) '_');

    return (upper & (c - 'A')) | (lower & (c - 'a' + 26))
           | (digit & (c - '0' + 52)) | (minus & 62) | (under & 63)
           | ((upper | lower | digit | minus | under) ^ 0xff);
}
