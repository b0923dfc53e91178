/* What several files of this layer ask of one column of numbers. */
#ifndef KRIGED_DATA_COLUMNS_H
#define KRIGED_DATA_COLUMNS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct kr_moments {
    double min, max, mean, sd; /* sd: population */
};

/* Of values[rows[i]], or of values[i] when rows is NULL; n > 0. */
struct kr_moments kr_moments(size_t n, const size_t *rows, const double *values);

/* The bits of a number, the same for -0 and 0. */
static inline uint64_t kr_number_bits(double value)
{
    uint64_t bits;
    value += 0.0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* One more number into a hash (the finaliser of splitmix64). */
static inline uint64_t kr_hash_number(uint64_t hash, double value)
{
    uint64_t z = (hash ^ kr_number_bits(value)) + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
