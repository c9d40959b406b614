
/*
 * Copyright (C) the portal's authors
 */


#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>


/*
 * argon2 THREADS SECONDS HASH PASSWORD
 *
 * How many passwords libsodium alone verifies: the limit for log-ins.  Prints
 * verifications, seconds and microseconds of CPU for each.
 */


#define BENCH_THREADS  64


typedef struct {
    const char  *hash;
    const char  *password;
    double       end;
    long         count;
} bench_job_t;


static double
bench_now(clockid_t id)
{
    struct timespec  ts;

    clock_gettime(id, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


static void *
bench_thread(void *data)
{
    bench_job_t  *job = data;

    while (bench_now(CLOCK_MONOTONIC) < job->end) {

        if (crypto_pwhash_argon2id_str_verify(job->hash, job->password,
                                              strlen(job->password))
            != 0)
        {
            fprintf(stderr, "the password does not match\n");
            exit(1);
        }

        job->count++;
    }

    return NULL;
}


int
main(int argc, char **argv)
{
    int          i, n;
    long         count;
    double       start, took;
    pthread_t    threads[BENCH_THREADS];
    bench_job_t  jobs[BENCH_THREADS];

    if (argc != 5 || sodium_init() < 0) {
        fprintf(stderr, "usage: argon2 THREADS SECONDS HASH PASSWORD\n");
        return 2;
    }

    n = atoi(argv[1]);

    if (n < 1 || n > BENCH_THREADS) {
        return 2;
    }

    start = bench_now(CLOCK_MONOTONIC);

    for (i = 0; i < n; i++) {
        jobs[i].hash = argv[3];
        jobs[i].password = argv[4];
        jobs[i].end = start + atof(argv[2]);
        jobs[i].count = 0;

        if (pthread_create(&threads[i], NULL, bench_thread, &jobs[i]) != 0) {
            return 1;
        }
    }

    count = 0;

    for (i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        count += jobs[i].count;
    }

    took = bench_now(CLOCK_MONOTONIC) - start;

    printf("%ld %.6f %.1f\n", count, took,
           bench_now(CLOCK_PROCESS_CPUTIME_ID) * 1e6 / (double) count);

    return 0;
}
