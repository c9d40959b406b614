
/*
 * Copyright (C) the portal's authors
 */


/*
 * What a picture's first bytes say, and how its rows become small ones.
 */


#include "photo/portal_photo_image.h"

#include "tap.h"


_Noreturn void
portal_photo_end(portal_photo_reason_e reason)
{
    printf("Bail out! ended with %d\n", (int) reason);
    exit(1);
}


/* a file that is put together here */

typedef struct {
    uint8_t   data[70000];
    size_t    len;
} file_t;


static file_t
with(const file_t *file, const void *more, size_t len)
{
    file_t  out;

    out = *file;
    memcpy(out.data + out.len, more, len);
    out.len += len;

    return out;
}


#define WITH(file, text)  with(&(file), text, sizeof(text) - 1)


static file_t
bytes(const void *data, size_t len)
{
    file_t  empty;

    empty.len = 0;

    return with(&empty, data, len);
}


#define BYTES(text)  bytes(text, sizeof(text) - 1)


/* a copy of its own length, so that the sanitizer sees a step too far */

static portal_photo_reason_e
look(const uint8_t *data, size_t len, portal_photo_head_t *head)
{
    uint8_t                *copy;
    portal_photo_reason_e   rc;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);

    rc = portal_photo_head(copy, len, head);

    free(copy);

    return rc;
}


static void
is(file_t file, portal_photo_reason_e want, const char *name)
{
    portal_photo_head_t    head;
    portal_photo_reason_e  got;

    got = look(file.data, file.len, &head);

    ok(got == want, "%s: %d", name, (int) got);
}


static void
says(file_t file, uint32_t width, uint32_t height, unsigned orientation,
    const char *name)
{
    size_t                 i;
    portal_photo_head_t    head;
    portal_photo_reason_e  rc;

    rc = look(file.data, file.len, &head);

    ok(rc == PORTAL_PHOTO_FINE && head.width == width && head.height == height
       && head.orientation == orientation, "%s: %d, %ux%u, %u", name, (int) rc,
       head.width, head.height, head.orientation);

    for (i = 0; i < file.len; i++) {
        if (look(file.data, i, &head) == PORTAL_PHOTO_FINE) {
            break;
        }
    }

    ok(i == file.len, "%s: not one byte less (%zu of %zu)", name, i, file.len);
}


#define SOI    "\xff\xd8"
#define APP0   "\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
#define SOF(kind, size)                                                       \
    "\xff" kind "\0\x11\x08" size "\x03\1\x22\0\2\x11\0\3\x11\0"
#define SMALL  "\0\x20\0\x30"           /* 32 high, 48 wide */
#define SOS    "\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0"
#define CODED  "ab\xff\0cd\xff\xd0zz\xff\xd7"
#define EOI    "\xff\xd9"
#define EXIF_MM(o)                                                            \
    "\xff\xe1\0\x22" "Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0" o "\0\0" \
    "\0\0\0\0"
#define EXIF_II(o)                                                            \
    "\xff\xe1\0\x22" "Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0" o "\0\0\0" \
    "\0\0\0\0"


static void
jpegs(void)
{
    unsigned             i;
    file_t               file, plain;
    portal_photo_head_t  head;

    plain = BYTES(SOI APP0 SOF("\xc0", SMALL) SOS CODED EOI);

    says(plain, 48, 32, 1, "a JPEG");
    says(BYTES(SOI SOF("\xc2", SMALL) SOS CODED SOS CODED EOI), 48, 32, 1,
         "a progressive one");
    says(BYTES(SOI EXIF_MM("\6") SOF("\xc1", SMALL) SOS EOI), 48, 32, 6,
         "turned, by Motorola's order");
    says(BYTES(SOI EXIF_II("\3") SOF("\xc0", SMALL) SOS EOI), 48, 32, 3,
         "turned, by Intel's order");
    says(BYTES(SOI EXIF_II("\3") EXIF_MM("\6") SOF("\xc0", SMALL) SOS EOI),
         48, 32, 3, "the first word counts");
    says(BYTES(SOI EXIF_MM("\0") SOF("\xc0", SMALL) SOS EOI), 48, 32, 1,
         "turned by 0");
    says(BYTES(SOI EXIF_MM("\x09") SOF("\xc0", SMALL) SOS EOI), 48, 32, 1,
         "turned by 9");
    says(BYTES(SOI "\xff\xe1\0\x12" "Exif\0\0MM\0*\xff\xff\xff\xf0\0\1"
               SOF("\xc0", SMALL) SOS EOI), 48, 32, 1,
         "metadata that lead nowhere");
    says(BYTES(SOI "\xff\xe1\0\x12" "Exif\0\0MM\0*\0\0\0\x08\xff\xff"
               SOF("\xc0", SMALL) SOS EOI), 48, 32, 1,
         "metadata with too few tags");
    says(BYTES(SOI "\xff\xff\xff\xfe\0\2" SOF("\xc0", SMALL) SOS "\xff\xff"
               EOI), 48, 32, 1, "filled up with 0xff");

    file = WITH(plain, "a film that the telephone put behind" SOI);
    ok(look(file.data, file.len, &head) == PORTAL_PHOTO_FINE,
       "what comes after the end is not looked at");

    is(BYTES(SOI EOI), PORTAL_PHOTO_DAMAGED, "nothing in it");
    is(BYTES(SOI SOF("\xc0", SMALL) EOI), PORTAL_PHOTO_DAMAGED, "no scan");
    is(BYTES(SOI SOS EOI), PORTAL_PHOTO_DAMAGED, "no frame before the scan");
    is(BYTES(SOI SOF("\xc0", SMALL) SOF("\xc0", SMALL) SOS EOI),
       PORTAL_PHOTO_DAMAGED, "two frames");
    is(BYTES(SOI SOF("\xc0", SMALL) SOS SOI EOI), PORTAL_PHOTO_DAMAGED,
       "a picture in the picture");
    is(BYTES(SOI SOF("\xc0", "\0\0\0\x30") SOS "\xff\xdc\0\4\0\x20" EOI),
       PORTAL_PHOTO_DAMAGED, "a height that comes later");
    is(BYTES(SOI SOF("\xc0", SMALL) SOS "\xff\xdc\0\4\0\x20" EOI),
       PORTAL_PHOTO_DAMAGED, "another height that comes later");
    is(BYTES(SOI "\xff\xe0\0\1" SOF("\xc0", SMALL) SOS EOI),
       PORTAL_PHOTO_DAMAGED, "a segment without a length");
    is(BYTES(SOI "\xff\xc0\0\x0b\x08" SMALL "\3\1\x11\0" SOS EOI),
       PORTAL_PHOTO_DAMAGED, "a frame of three colours with one");

    is(BYTES(SOI SOF("\xc3", SMALL) SOS EOI), PORTAL_PHOTO_TYPE, "lossless");
    is(BYTES(SOI SOF("\xc9", SMALL) SOS EOI), PORTAL_PHOTO_TYPE,
       "arithmetic coding");
    is(BYTES(SOI "\xff\xc0\0\x14\x08" SMALL "\4\1\x11\0\2\x11\0\3\x11\0\4\x11\0"
             SOS EOI), PORTAL_PHOTO_TYPE, "four colours");
    is(BYTES(SOI "\xff\xc1\0\x0b\x0c" SMALL "\1\1\x11\0" SOS EOI),
       PORTAL_PHOTO_TYPE, "twelve bits");
    says(BYTES(SOI "\xff\xc0\0\x0b\x08" SMALL "\1\1\x11\0" SOS EOI), 48, 32, 1,
         "one colour");

    is(BYTES(SOI SOF("\xc0", "\x80\0\0\x30") SOS EOI), PORTAL_PHOTO_SIZE,
       "32768 high");
    is(BYTES(SOI SOF("\xc0", "\x13\x88\x1f\x41") SOS EOI), PORTAL_PHOTO_SIZE,
       "8001 by 5000");
    says(BYTES(SOI SOF("\xc0", "\x13\x88\x1f\x40") SOS EOI), 8000, 5000, 1,
         "8000 by 5000");

    file = BYTES(SOI SOF("\xc2", SMALL));

    for (i = 0; i < PORTAL_PHOTO_SCANS; i++) {
        file = WITH(file, SOS);
    }

    is(WITH(file, EOI), PORTAL_PHOTO_FINE, "32 scans");
    is(WITH(file, SOS EOI), PORTAL_PHOTO_DAMAGED, "33 scans");
}


#define PNG    "\x89PNG\r\n\x1a\n"
#define IHDR(size)  "\0\0\0\x0dIHDR" size "\x08\2\0\0\0sums"
#define IDAT   "\0\0\0\4IDATabcdsums"
#define IEND   "\0\0\0\0IENDsums"
#define S48    "\0\0\0\x30\0\0\0\x20"


static void
pngs(void)
{
    file_t               file, plain;
    portal_photo_head_t  head;

    plain = BYTES(PNG IHDR(S48) IDAT IDAT IEND);

    says(plain, 48, 32, 1, "a PNG");
    says(BYTES(PNG IHDR(S48) "\0\0\0\x1a" "eXIfMM\0*\0\0\0\x08\0\1\1\x12\0\3"
               "\0\0\0\1\0\x08\0\0\0\0\0\0sums" IDAT IEND), 48, 32, 8,
         "a turned PNG");

    file = WITH(plain, "<script>");
    ok(look(file.data, file.len, &head) == PORTAL_PHOTO_FINE,
       "what comes after the end is not looked at");

    is(BYTES(PNG IDAT IHDR(S48) IEND), PORTAL_PHOTO_DAMAGED,
       "it does not begin with its head");
    is(BYTES(PNG IHDR(S48) IEND), PORTAL_PHOTO_DAMAGED, "no data");
    is(BYTES(PNG IHDR("\0\0\0\0\0\0\0\x20") IDAT IEND), PORTAL_PHOTO_DAMAGED,
       "no width");
    is(BYTES(PNG IHDR(S48) "\xff\xff\xff\xffIDATabcd" IEND),
       PORTAL_PHOTO_DAMAGED, "a length that does not fit");
    is(BYTES(PNG IHDR(S48) "\0\0\0\x08" "acTL\0\0\0\2\0\0\0\0sums" IDAT IEND),
       PORTAL_PHOTO_TYPE, "an animation");
    is(BYTES(PNG IHDR("\0\0\x75\x30\0\0\x75\x30") IDAT IEND),
       PORTAL_PHOTO_SIZE, "30000 by 30000");
    is(BYTES(PNG IHDR("\xff\xff\xff\xff\0\0\0\1") IDAT IEND),
       PORTAL_PHOTO_SIZE, "wider than one may say");
}


#define VP8(size)  "VP8 \x0c\0\0\0\x30\0\0\x9d\1\x2a" size "ab"
#define VP8L(bits)  "VP8L\5\0\0\0\x2f" bits "\0"
#define VP8X(flags, size)  "VP8X\x0a\0\0\0" flags "\0\0\0" size


static file_t
webp(const void *data, size_t len)
{
    file_t  file;

    file = BYTES("RIFF\0\0\0\0WEBP");
    file.data[4] = (uint8_t) (len + 4);

    return with(&file, data, len);
}


#define WEBP(text)  webp(text, sizeof(text) - 1)


static void
webps(void)
{
    file_t               file;
    portal_photo_head_t  head;

    says(WEBP(VP8("\x30\0\x20\0")), 48, 32, 1, "a WebP");
    says(WEBP(VP8("\x30\x40\x20\xc0")), 48, 32, 1, "to be shown larger");
    says(WEBP(VP8L("\x2f\xc0\x07\0")), 48, 32, 1, "a lossless one");
    says(WEBP(VP8X("\x08", "\x2f\0\0\x1f\0\0") VP8("\x30\0\x20\0")
              "EXIF\x1a\0\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\5\0\0"
              "\0\0\0\0"), 48, 32, 5, "turned");
    says(WEBP(VP8X("\x08", "\x2f\0\0\x1f\0\0") VP8("\x30\0\x20\0")
              "EXIF\x20\0\0\0Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\7"
              "\0\0\0\0\0\0\0"), 48, 32, 7, "turned, as in a JPEG");

    file = WEBP(VP8("\x30\0\x20\0"));
    file = WITH(file, "PK");
    ok(look(file.data, file.len, &head) == PORTAL_PHOTO_FINE,
       "what comes after the end is not looked at");

    is(WEBP(""), PORTAL_PHOTO_DAMAGED, "nothing in it");
    is(WEBP("JUNK\2\0\0\0ab"), PORTAL_PHOTO_DAMAGED, "no picture in it");
    is(WEBP(VP8X("\0", "\x2f\0\0\x20\0\0") VP8("\x30\0\x20\0")),
       PORTAL_PHOTO_DAMAGED, "another size outside");
    is(WEBP(VP8("\x30\0\x20\0") VP8("\x30\0\x20\0")), PORTAL_PHOTO_DAMAGED,
       "two pictures");
    is(WEBP("VP8 \x0c\0\0\0\x31\0\0\x9d\1\x2a\x30\0\x20\0ab"),
       PORTAL_PHOTO_DAMAGED, "a frame that needs another one");
    is(WEBP(VP8("\0\0\x20\0")), PORTAL_PHOTO_DAMAGED, "no width");
    is(WEBP("VP8 \xff\xff\xff\xff\x30\0\0\x9d\1\x2a\x30\0\x20\0ab"),
       PORTAL_PHOTO_DAMAGED, "a length that does not fit");
    is(WEBP(VP8X("\2", "\x2f\0\0\x1f\0\0")), PORTAL_PHOTO_TYPE,
       "an animation");
    is(WEBP("ANMF\0\0\0\0"), PORTAL_PHOTO_TYPE, "a frame of one");
    is(WEBP(VP8L("\xff\xff\xff\x0f")), PORTAL_PHOTO_SIZE, "16384 by 16384");
}


static void
others(void)
{
    size_t               i;
    uint8_t             *large;
    portal_photo_head_t  head;

    static const char  *texts[] = {
        "", "\xff\xd8", "\xff\xd8\x00", "GIF89a\1\0\1\0", "%PDF-1.7",
        "<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "<?xml version=\"1.0\"?>",
        "<!doctype html>", "push graphic-context", "%!PS-Adobe-3.0 EPSF-3.0",
        "II*", "MM", "BM6", "RIFF____WAVEfmt ", "\x89PNG\n\x1a\n",
        "    ftypheic", "    ftypavif", "\x1f\x8b\x08", "PK\3\4", "8BPS",
        "\xff\x0a", "P6 1 1 255 abc"
    };

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ok(look((const uint8_t *) texts[i], strlen(texts[i]), &head)
           == PORTAL_PHOTO_TYPE, "no photo: %zu", i);
    }

    large = calloc(1, PORTAL_PHOTO_BYTES + 1);
    memcpy(large, SOI SOF("\xc0", SMALL), 21);

    ok(portal_photo_head(large, PORTAL_PHOTO_BYTES + 1, &head)
       == PORTAL_PHOTO_SIZE, "a byte more than 10 MB");

    memcpy(large + PORTAL_PHOTO_BYTES - 16, SOS EOI, 16);

    ok(portal_photo_head(large, PORTAL_PHOTO_BYTES, &head)
       == PORTAL_PHOTO_FINE, "10 MB");

    free(large);
}


/* in: one colour per pixel */

static portal_photo_scale_t
scaled(uint32_t in_width, uint32_t in_height, uint32_t width, uint32_t height,
    const uint8_t *in)
{
    uint8_t               *row;
    uint32_t               x, y;
    portal_photo_scale_t   scale;

    scale.width = width;
    scale.height = height;

    portal_photo_scale_begin(&scale, in_width, in_height);

    row = malloc(in_width * 3);

    for (y = 0; y < in_height; y++) {
        for (x = 0; x < in_width; x++) {
            memset(row + 3 * x, in[y * in_width + x], 3);
        }

        if (portal_photo_scale_done(&scale)) {
            break;
        }

        portal_photo_scale_row(&scale, row);
    }

    free(row);
    free(scale.row);
    free(scale.sums);

    return scale;
}


static void
fits(uint32_t width, uint32_t height, uint32_t out_width, uint32_t out_height)
{
    uint32_t  w, h;

    portal_photo_fit(width, height, &w, &h);

    ok(w == out_width && h == out_height, "%ux%u becomes %ux%u", width, height,
       w, h);
}


static void
scales(void)
{
    int                    same;
    uint32_t               i, w, h;
    uint8_t               *in, white[3];
    portal_photo_scale_t   scale;

    static const uint8_t  four[] = { 10, 20, 30, 40 };
    static const uint8_t  nine[] = { 0, 90, 0, 90, 180, 90, 0, 90, 0 };
    static const uint8_t  rgba[] = { 200, 100, 0, 0, 200, 100, 0, 255,
                                     200, 100, 0, 51 };

    fits(4032, 3024, 480, 360);
    fits(3024, 4032, 360, 480);
    fits(480, 480, 480, 480);
    fits(481, 1, 480, 1);
    fits(20, 30, 20, 30);
    fits(32767, 1, 480, 1);
    fits(1, 32767, 1, 480);

    scale = scaled(2, 2, 1, 1, four);
    ok(scale.rgb[0] == 25 && scale.rgb[2] == 25, "four pixels become their mean");
    free(scale.rgb);

    scale = scaled(2, 2, 2, 2, four);
    ok(scale.rgb[0] == 10 && scale.rgb[3] == 20 && scale.rgb[6] == 30
       && scale.rgb[9] == 40, "four pixels stay");
    free(scale.rgb);

    /* each of the four has one pixel, halves of two and a quarter of one */

    scale = scaled(3, 3, 2, 2, nine);
    ok(scale.rgb[0] == 60 && scale.rgb[3] == 60 && scale.rgb[6] == 60
       && scale.rgb[9] == 60, "nine pixels become four: %u", scale.rgb[0]);
    free(scale.rgb);

    /* one colour stays what it is, whatever the sides */

    in = malloc(500 * 400);
    memset(in, 201, 500 * 400);
    same = 1;

    for (w = 1; w <= 480; w += 53) {
        for (h = 1; h <= 400; h += 57) {
            scale = scaled(500, 400, w, h, in);

            same &= portal_photo_scale_done(&scale);

            for (i = 0; i < w * h * 3; i++) {
                same &= scale.rgb[i] == 201;
            }

            free(scale.rgb);
        }
    }

    ok(same, "one colour stays");
    free(in);

    /* the widest, brightest */

    in = malloc(PORTAL_PHOTO_SIDE * 3);
    memset(in, 255, PORTAL_PHOTO_SIDE * 3);
    scale = scaled(PORTAL_PHOTO_SIDE, 3, 480, 1, in);
    ok(scale.rgb[0] == 255 && scale.rgb[479 * 3 + 2] == 255,
       "the widest row, white");
    free(scale.rgb);

    scale = scaled(3, PORTAL_PHOTO_SIDE, 1, 480, in);
    ok(scale.rgb[0] == 255 && scale.rgb[479 * 3 + 2] == 255,
       "the highest column, white");
    free(scale.rgb);
    free(in);

    portal_photo_white(rgba, white, 1);
    ok(white[0] == 255 && white[1] == 255 && white[2] == 255, "through is white");
    portal_photo_white(rgba + 4, white, 1);
    ok(white[0] == 200 && white[1] == 100 && white[2] == 0, "opaque stays");
    portal_photo_white(rgba + 8, white, 1);
    ok(white[0] == 244 && white[1] == 224 && white[2] == 204, "a fifth of it");
}


/* 3 wide, 2 high: abc def */

static void
turns(void)
{
    char                   got[7];
    unsigned               i, o;
    portal_photo_scale_t   scale;

    static const char  *want[] = {
        NULL, "abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc",
        "fcebda", "cfbead"
    };

    for (o = 1; o <= 8; o++) {
        scale = scaled(3, 2, 3, 2, (const uint8_t *) "abcdef");

        portal_photo_upright(&scale, o);

        for (i = 0; i < 6; i++) {
            got[i] = (char) scale.rgb[3 * i + i % 3];
        }

        got[6] = '\0';

        ok(strcmp(got, want[o]) == 0
           && scale.width == (o < 5 ? 3u : 2u)
           && scale.height == (o < 5 ? 2u : 3u),
           "orientation %u: %s, %ux%u", o, got, scale.width, scale.height);

        free(scale.rgb);
    }
}


int
main(void)
{
    jpegs();
    pngs();
    webps();
    others();
    scales();
    turns();

    printf("1..%u\n", tests);

    return failed ? 1 : 0;
}
