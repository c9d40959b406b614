
/*
 * Copyright (C) the portal's authors
 */


#include <stdio.h>
#include <string.h>
#include <time.h>

#include "portal_mustache.h"


#define PORTAL_NBSP   "\xc2\xa0"        /* U+00A0 */
#define PORTAL_NNBSP  "\xe2\x80\xaf"    /* U+202F */


/* how values are written: a language, or what a French Excel reads */

#define PORTAL_DISPLAY_FRENCH   0
#define PORTAL_DISPLAY_ENGLISH  1
#define PORTAL_DISPLAY_CSV      2


typedef struct {
    int   year;
    int   month;
    int   day;
    int   hour;
    int   minute;
} portal_moment_t;


static const char *const  portal_display_months[2][12] = {
    { "janvier", "f\303\251vrier", "mars", "avril", "mai", "juin", "juillet",
      "ao\303\273t", "septembre", "octobre", "novembre", "d\303\251cembre" },
    { "January", "February", "March", "April", "May", "June", "July",
      "August", "September", "October", "November", "December" }
};


/* exactly n digits; -1 if others */

static int
portal_display_digits(const char *p, unsigned n)
{
    int  value;

    for (value = 0; n; n--, p++) {
        if (*p < '0' || *p > '9') {
            return -1;
        }

        value = value * 10 + (*p - '0');
    }

    return value;
}


static int
portal_display_month_days(int year, int month)
{
    static const int  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) {
        return 29;
    }

    return days[month - 1];
}


/* "2019-03-04": 1, or 0 */

static int
portal_display_date(const char *p, size_t len, portal_moment_t *m)
{
    if (len < 10 || p[4] != '-' || p[7] != '-') {
        return 0;
    }

    m->year = portal_display_digits(p, 4);
    m->month = portal_display_digits(p + 5, 2);
    m->day = portal_display_digits(p + 8, 2);
    m->hour = -1;
    m->minute = 0;

    return m->year > 0 && m->month >= 1 && m->month <= 12 && m->day >= 1
           && m->day <= portal_display_month_days(m->year, m->month);
}


/* "T14:05:09.123Z", "+01:00" or "-0530" after a date: 1 and minutes to add */

static int
portal_display_time(const char *p, size_t len, portal_moment_t *m, int *zone)
{
    int          hours, minutes;
    const char  *end;

    end = p + len;

    if (len < 7 || (p[0] != 'T' && p[0] != ' ') || p[3] != ':') {
        return 0;
    }

    m->hour = portal_display_digits(p + 1, 2);
    m->minute = portal_display_digits(p + 4, 2);

    if (m->hour < 0 || m->hour > 23 || m->minute < 0 || m->minute > 59) {
        return 0;
    }

    p += 6;

    if (end - p > 3 && *p == ':' && portal_display_digits(p + 1, 2) >= 0) {
        p += 3;

        if (*p == '.') {
            for (p++; p < end && *p >= '0' && *p <= '9'; p++) { /* void */ }
        }
    }

    if (end - p == 1 && *p == 'Z') {
        *zone = 0;
        return 1;
    }

    if (end - p < 3 || (*p != '+' && *p != '-')) {
        return 0;
    }

    hours = portal_display_digits(p + 1, 2);
    minutes = 0;

    if (end - p == 6 && p[3] == ':') {
        minutes = portal_display_digits(p + 4, 2);

    } else if (end - p == 5) {
        minutes = portal_display_digits(p + 3, 2);

    } else if (end - p != 3) {
        return 0;
    }

    if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59) {
        return 0;
    }

    *zone = (hours * 60 + minutes) * (*p == '+' ? -1 : 1);

    return 1;
}


static void
portal_display_shift(portal_moment_t *m, int minutes)
{
    minutes += m->hour * 60 + m->minute;

    if (minutes < 0) {
        minutes += 24 * 60;

        if (--m->day == 0) {

            if (--m->month == 0) {
                m->month = 12;
                m->year--;
            }

            m->day = portal_display_month_days(m->year, m->month);
        }

    } else if (minutes >= 24 * 60) {
        minutes -= 24 * 60;

        if (++m->day > portal_display_month_days(m->year, m->month)) {
            m->day = 1;

            if (++m->month > 12) {
                m->month = 1;
                m->year++;
            }
        }
    }

    m->hour = minutes / 60;
    m->minute = minutes % 60;
}


/* 0 = Sunday; Zeller's congruence as Sakamoto wrote it */

static int
portal_display_weekday(int year, int month, int day)
{
    static const int  shift[] = { 0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4 };

    if (month < 3) {
        year--;
    }

    return (year + year / 4 - year / 100 + year / 400 + shift[month - 1] + day)
           % 7;
}


/*
 * Directive 2000/84/EC: summer time runs from 01:00 UTC of the last Sunday
 * of March to 01:00 UTC of the last Sunday of October.
 */

static int
portal_display_summer(const portal_moment_t *m)
{
    int  sunday, after;

    if (m->month < 3 || m->month > 10) {
        return 0;
    }

    if (m->month > 3 && m->month < 10) {
        return 1;
    }

    sunday = 31 - portal_display_weekday(m->year, m->month, 31);
    after = m->day > sunday || (m->day == sunday && m->hour >= 1);

    return m->month == 3 ? after : !after;
}


void
portal_day(int64_t at, char day[PORTAL_DAY])
{
    time_t           t;
    struct tm        tm;
    portal_moment_t  m;

    t = (time_t) at;
    (void) gmtime_r(&t, &tm);

    m.year = tm.tm_year + 1900;
    m.month = tm.tm_mon + 1;
    m.day = tm.tm_mday;
    m.hour = tm.tm_hour;
    m.minute = tm.tm_min;

    t += portal_display_summer(&m) ? 7200 : 3600;
    (void) gmtime_r(&t, &tm);

    if (strftime(day, PORTAL_DAY, "%Y-%m-%d", &tm) == 0) {
        day[0] = '\0';
    }
}


static int
portal_display_moment(const portal_moment_t *m, unsigned form, char *buf,
    size_t size)
{
    int          n, hour;
    unsigned     english;
    const char  *month;

    if (form == PORTAL_DISPLAY_CSV) {
        n = snprintf(buf, size, "%02d/%02d/%04d", m->day, m->month, m->year);

        return m->hour < 0 ? n
                           : n + snprintf(buf + n, size - (size_t) n,
                                          " %02d:%02d", m->hour, m->minute);
    }

    english = (form == PORTAL_DISPLAY_ENGLISH);

    month = portal_display_months[english][m->month - 1];

    n = snprintf(buf, size, "%d%s %s %d", m->day,
                 m->day == 1 && !english ? "er" : "", month, m->year);

    if (m->hour < 0) {
        return n;
    }

    buf += n;
    size -= (size_t) n;

    if (!english) {
        return n + snprintf(buf, size, " \xc3\xa0 %d" PORTAL_NBSP "h"
                            PORTAL_NBSP "%02d", m->hour, m->minute);
    }

    hour = m->hour % 12 ? m->hour % 12 : 12;

    return n + snprintf(buf, size, " at %d:%02d" PORTAL_NBSP "%s", hour,
                        m->minute, m->hour < 12 ? "am" : "pm");
}


/* +33612345678 -> 06 12 34 56 78; overseas departments likewise */

static int
portal_display_phone(const char *p, size_t len, char *buf, size_t size)
{
    size_t    i;
    unsigned  code;

    static const char *const  codes[] = { "33", "262", "590", "594", "596" };

    if (len < 12 || len > 13 || p[0] != '+') {
        return 0;
    }

    for (code = 0; code < sizeof(codes) / sizeof(codes[0]); code++) {

        i = strlen(codes[code]);

        if (len == 1 + i + 9 && memcmp(p + 1, codes[code], i) == 0) {
            break;
        }
    }

    if (code == sizeof(codes) / sizeof(codes[0])) {
        return 0;
    }

    for (i = 1; i < len; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return 0;
        }
    }

    p += len - 9;

    return snprintf(buf, size, "0%.1s" PORTAL_NBSP "%.2s" PORTAL_NBSP "%.2s"
                    PORTAL_NBSP "%.2s" PORTAL_NBSP "%.2s",
                    p, p + 1, p + 3, p + 5, p + 7);
}


/* what the numbers of that name are: due_cents, reference_income */

unsigned
portal_display_unit(const char *name, size_t len)
{
    if (len > 6 && memcmp(name + len - 6, "_cents", 6) == 0) {
        return PORTAL_UNIT_CENTS;
    }

    return len > 7 && memcmp(name + len - 7, "_income", 7) == 0
           ? PORTAL_UNIT_EUROS : PORTAL_UNIT_NONE;
}


/* 1 234,50 € or €1,234.50; 1 234 € or €1,234 */

static int
portal_display_amount(json_int_t amount, unsigned unit, unsigned form,
    char *buf, size_t size)
{
    int                 i, n, len;
    char                digits[24], cents[4], grouped[64];
    const char         *sign, *space;
    unsigned long long  u;

    sign = amount < 0 ? "-" : "";
    u = amount < 0 ? 0 - (unsigned long long) amount
                   : (unsigned long long) amount;
    space = form == PORTAL_DISPLAY_ENGLISH ? "," : PORTAL_NNBSP;
    cents[0] = '\0';

    if (unit == PORTAL_UNIT_CENTS) {
        (void) snprintf(cents, sizeof(cents), "%c%02u",
                        form == PORTAL_DISPLAY_ENGLISH ? '.' : ',',
                        (unsigned) (u % 100));
        u /= 100;
    }

    if (form == PORTAL_DISPLAY_CSV) {
        return snprintf(buf, size, "%s%llu%s", sign, u, cents);
    }

    len = snprintf(digits, sizeof(digits), "%llu", u);

    for (i = 0, n = 0; i < len; i++) {

        if (i && (len - i) % 3 == 0) {
            n += snprintf(grouped + n, sizeof(grouped) - (size_t) n, "%s",
                          space);
        }

        grouped[n++] = digits[i];
    }

    grouped[n] = '\0';

    if (form == PORTAL_DISPLAY_ENGLISH) {
        return snprintf(buf, size, "%s\xe2\x82\xac%s%s", sign, grouped,
                        cents);
    }

    return snprintf(buf, size, "%s%s%s" PORTAL_NBSP "\xe2\x82\xac", sign,
                    grouped, cents);
}


/* a number that was sealed is a text: its digits, or -1 */

static json_int_t
portal_display_number(const char *p, size_t len)
{
    size_t      i;
    json_int_t  n;

    if (len > 15) {
        return -1;
    }

    for (i = 0, n = 0; i < len; i++) {

        if (p[i] < '0' || p[i] > '9') {
            return -1;
        }

        n = n * 10 + (p[i] - '0');
    }

    return n;
}


/* a decimal number: « 2,5 » */

static int
portal_display_decimal(const char *p, size_t len, unsigned form, char *buf)
{
    size_t  i, point;

    point = 0;

    for (i = 0; i < len; i++) {

        if (p[i] == '.' && i && i + 1 < len && point == 0) {
            point = i;

        } else if (p[i] < '0' || p[i] > '9') {
            return 0;
        }
    }

    if (point == 0 || len > 16) {
        return 0;
    }

    memcpy(buf, p, len);

    if (form != PORTAL_DISPLAY_ENGLISH) {
        buf[point] = ',';
    }

    return (int) len;
}


/* FR7630006000... -> FR76 3000 6000 ..., by its check digits (ISO 13616) */

static int
portal_display_iban(const char *p, size_t len, char *buf)
{
    char      c;
    size_t    i, n;
    unsigned  rest;

    if (len < 15 || len > 34) {
        return 0;
    }

    for (i = 0, rest = 0; i < len; i++) {
        c = p[(i + 4) % len];

        if (c >= '0' && c <= '9') {
            rest = (rest * 10 + (unsigned) (c - '0')) % 97;

        } else if (c >= 'A' && c <= 'Z') {
            rest = (rest * 100 + (unsigned) (c - 'A') + 10) % 97;

        } else {
            return 0;
        }
    }

    if (rest != 1 || p[0] < 'A' || p[1] < 'A'
        || portal_display_digits(p + 2, 2) < 0)
    {
        return 0;
    }

    for (i = 0, n = 0; i < len; i++) {

        if (i && i % 4 == 0) {
            buf[n++] = ' ';
        }

        buf[n++] = p[i];
    }

    return (int) n;
}


/* a date, time, telephone, IBAN or decimal number written into buf, or 0 */

static int
portal_display_known(const char *p, size_t len, unsigned form, char *buf,
    size_t size)
{
    int              n, zone;
    portal_moment_t  m;

    if (portal_display_date(p, len, &m)) {

        if (len == 10) {
            return portal_display_moment(&m, form, buf, size);
        }

        if (!portal_display_time(p + 10, len - 10, &m, &zone)) {
            return 0;
        }

        portal_display_shift(&m, zone);
        portal_display_shift(&m, portal_display_summer(&m) ? 120 : 60);

        return portal_display_moment(&m, form, buf, size);
    }

    n = portal_display_phone(p, len, buf, size);

    if (n == 0 && form != PORTAL_DISPLAY_CSV) {
        n = portal_display_iban(p, len, buf);
    }

    return n ? n : portal_display_decimal(p, len, form, buf);
}


/* one word with one @ and a dot after it */

static int
portal_display_is_email(const char *p, size_t len)
{
    const char  *at;

    at = memchr(p, '@', len);

    return at != NULL && at != p
           && memchr(at + 1, '@', (size_t) (p + len - at - 1)) == NULL
           && memchr(at + 1, '.', (size_t) (p + len - at - 1)) != NULL
           && memchr(p, ' ', len) == NULL && memchr(p, '\n', len) == NULL;
}


/*
 * An address wider than a telephone breaks after its @ and its dots, else a
 * browser does it between any two letters.  What is copied has no trace of it.
 */

static int
portal_display_email(portal_sink_t *sink, const char *p, size_t len)
{
    size_t       n;
    const char  *last;

    for (last = p + len; p < last; p += n) {
        for (n = 0; p + n < last && p[n] != '@' && p[n] != '.'; n++) {
            /* void */
        }

        n += p + n < last;

        if (portal_sink_escape(sink, p, n) != 0
            || (p + n < last && portal_sink_write(sink, "<wbr>", 5) != 0))
        {
            return -1;
        }
    }

    return 0;
}


static int
portal_display_write(portal_sink_t *sink, unsigned escape, const char *data,
    size_t len)
{
    switch (escape) {

    case PORTAL_ESCAPE_HTML:
        return portal_sink_escape(sink, data, len);

    case PORTAL_ESCAPE_CSV:
        return portal_sink_cell(sink, data, len);

    default:
        return portal_sink_write(sink, data, len);
    }
}


static int
portal_display_word(portal_sink_t *sink, unsigned escape, const char *word)
{
    return word ? portal_display_write(sink, escape, word, strlen(word)) : 0;
}


int
portal_display_value(const portal_views_t *views, json_t *list,
    unsigned unit, unsigned escape, const json_t *value, portal_sink_t *sink)
{
    int          n;
    char         buf[128];
    size_t       len;
    json_t      *word;
    unsigned     form;
    json_int_t   number;
    const char  *p;

    form = escape == PORTAL_ESCAPE_CSV ? PORTAL_DISPLAY_CSV
           : views->english ? PORTAL_DISPLAY_ENGLISH : PORTAL_DISPLAY_FRENCH;

    if (json_is_boolean(value)) {
        return portal_display_word(sink, escape, json_is_true(value)
                                                 ? views->yes : views->no);
    }

    if (json_is_integer(value)) {
        n = unit ? portal_display_amount(json_integer_value(value), unit,
                                         form, buf, sizeof(buf))
                 : snprintf(buf, sizeof(buf), "%" JSON_INTEGER_FORMAT,
                            json_integer_value(value));

        /* a number has nothing to escape, and may be below zero in a cell */

        return portal_sink_write(sink, buf, (size_t) n);
    }

    len = json_string_length(value);

    if (len == 0) {
        return form == PORTAL_DISPLAY_CSV
               ? 0 : portal_display_word(sink, escape, views->none);
    }

    p = json_string_value(value);

    if (list) {
        word = json_object_getn(list, p, len);

        if (json_is_string(word)) {
            return portal_display_write(sink, escape, json_string_value(word),
                                        json_string_length(word));
        }
    }

    number = unit ? portal_display_number(p, len) : -1;

    n = number >= 0 ? portal_display_amount(number, unit, form, buf,
                                            sizeof(buf))
                    : portal_display_known(p, len, form, buf, sizeof(buf));
    if (n > 0) {
        return portal_display_write(sink, escape, buf, (size_t) n);
    }

    if (escape == PORTAL_ESCAPE_HTML && portal_display_is_email(p, len)) {
        return portal_display_email(sink, p, len);
    }

    return portal_display_write(sink, escape, p, len);
}


int
portal_display(const portal_views_t *views, const char *name,
    const json_t *value, portal_sink_t *sink)
{
    size_t       len;
    const char  *last;

    last = strrchr(name, '.');
    last = last ? last + 1 : name;
    len = strlen(last);

    return portal_display_value(views, portal_views_list(views, last, len),
                                portal_display_unit(last, len), 0, value,
                                sink);
}
