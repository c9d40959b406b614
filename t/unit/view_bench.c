
/*
 * Copyright (C) the portal's authors
 */


/*
 * view_bench TEMPLATES_DIR LANG.json NAME DATA.json [ROUNDS]
 *
 * Times the rendering of a page, as nginx would do it: chunks of 8 KiB from a
 * block of memory that is taken back after each page.  Prints the median and
 * the best of 21 series.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../src/view/portal_view.h"


#define BENCH_SERIES  21
#define BENCH_MEMORY  (8 * 1024 * 1024)


typedef struct {
    char    *data;
    size_t   used;
} bench_pool_t;


static void *
bench_alloc(void *ctx, size_t size)
{
    void          *p;
    bench_pool_t  *pool;

    pool = ctx;

    if (size > BENCH_MEMORY - pool->used) {
        return NULL;
    }

    p = pool->data + pool->used;
    pool->used += (size + 15) & ~(size_t) 15;

    return p;
}


static double
bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}


static int
bench_compare(const void *one, const void *two)
{
    const double  *a, *b;

    a = one;
    b = two;

    return (*a > *b) - (*a < *b);
}


static int
bench_run(const portal_view_t *view, json_t **stack, size_t n, int rounds)
{
    int            i, k;
    double         start, series[BENCH_SERIES];
    portal_sink_t  sink;
    bench_pool_t   pool;

    pool.data = malloc(BENCH_MEMORY);

    if (pool.data == NULL) {
        return 1;
    }

    memset(&sink, 0, sizeof(portal_sink_t));

    for (k = 0; k < BENCH_SERIES; k++) {
        start = bench_now();

        for (i = 0; i < rounds; i++) {
            pool.used = 0;

            memset(&sink, 0, sizeof(portal_sink_t));
            sink.alloc = bench_alloc;
            sink.ctx = &pool;

            if (portal_view_render(view, stack, n, &sink) != 0) {
                fprintf(stderr, "rendering failed\n");
                free(pool.data);
                return 1;
            }
        }

        series[k] = (bench_now() - start) / rounds;
    }

    qsort(series, BENCH_SERIES, sizeof(double), bench_compare);

    printf("%zu bytes, %d x %d times: median %.2f us, best %.2f us\n",
           sink.total, BENCH_SERIES, rounds, series[BENCH_SERIES / 2],
           series[0]);

    free(pool.data);

    return 0;
}


int
main(int argc, char **argv)
{
    int              rc;
    char             err[512];
    size_t           i, n;
    json_t          *labels, *data, *stack[16];
    portal_view_t   *view;
    portal_views_t  *views;

    if (argc < 5) {
        fprintf(stderr, "usage: view_bench TEMPLATES_DIR LANG.json NAME "
                "DATA.json [ROUNDS]\n");
        return 2;
    }

    labels = strcmp(argv[2], "-") ? json_load_file(argv[2], 0, NULL) : NULL;
    data = json_load_file(argv[4], 0, NULL);

    n = 1;
    stack[0] = data;

    if (json_is_array(data) && json_array_size(data) <= 16) {
        n = json_array_size(data);

        for (i = 0; i < n; i++) {
            stack[i] = json_array_get(data, i);
        }
    }

    rc = 1;

    views = portal_views_create(argv[1], "fr", labels);
    view = views ? portal_views_get(views, argv[3], err, sizeof(err)) : NULL;

    if (view == NULL) {
        fprintf(stderr, "%s\n", views ? err : "no memory");

    } else if (data) {
        rc = bench_run(view, stack, n, argc > 5 ? atoi(argv[5]) : 1000);
    }

    portal_views_free(views);
    json_decref(labels);
    json_decref(data);

    return rc;
}
