/*
 * ULIDs: 48 bits of milliseconds and 80 random bits in Crockford's base 32. Within one millisecond, or when
 * the clock steps back, the random part of the last one is counted up, so that ids always sort in the order
 * they were made.
 */
#include "store/db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

typedef unsigned __int128 bits128;

static bits128 fresh(uint64_t milliseconds)
{
    unsigned char noise[10];
    for (size_t have = 0; have < sizeof noise;) {
        ssize_t got = getrandom(noise + have, sizeof noise - have, 0);
        if (got < 0 && errno != EINTR)
            abort(); /* a kernel without random numbers: ids could repeat */
        have += got > 0 ? (size_t)got : 0;
    }
    bits128 id = milliseconds;
    for (size_t i = 0; i < sizeof noise; i++)
        id = id << 8 | noise[i];
    return id;
}

void kr_store_id(char id[KR_ID_BYTES])
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bits128 last;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t milliseconds = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    pthread_mutex_lock(&lock);
    last = milliseconds > (uint64_t)(last >> 80) ? fresh(milliseconds) : last + 1;
    bits128 bits = last;
    pthread_mutex_unlock(&lock);
    id[KR_ID_BYTES - 1] = '\0';
    for (int i = KR_ID_BYTES - 2; i >= 0; i--, bits >>= 5)
        id[i] = digits[(unsigned)(bits & 31)];
}

bool kr_id_valid(const char *id)
{
    return strlen(id) == KR_ID_BYTES - 1 && strspn(id, digits) == KR_ID_BYTES - 1;
}

void kr_store_now(char time[KR_TIME_BYTES])
{
    struct timespec now;
    struct tm parts;
    char text[96]; /* any int fits, as the compiler wants it */
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1,
             parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, (int)(now.tv_nsec / 1000000));
    text[KR_TIME_BYTES - 1] = '\0';
    memcpy(time, text, KR_TIME_BYTES);
}
