/*
 * xoshiro256** 1.0 (D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators", 2018), state
 * filled by splitmix64. Integers in [0, n) and gammas by rejection, normals by Box and Muller: no tables, the
 * same numbers everywhere.
 */
#include "kriged/base.h"

#include <math.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void kr_rng_init(struct kr_rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t state = stream;
    state = seed ^ splitmix64(&state);
    for (int i = 0; i < 4; i++)
        rng->s[i] = splitmix64(&state);
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t kr_rng_next(struct kr_rng *rng)
{
    uint64_t *s = rng->s, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double kr_rng_uniform(struct kr_rng *rng)
{
    return (double)(kr_rng_next(rng) >> 11) * 0x1p-53;
}

uint64_t kr_rng_below(struct kr_rng *rng, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, draw;
    do
        draw = kr_rng_next(rng);
    while (draw >= limit);
    return draw % n;
}

double kr_rng_normal(struct kr_rng *rng)
{
    double u = 1 - kr_rng_uniform(rng), v = kr_rng_uniform(rng);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* By rejection from a cube of a normal (Marsaglia and Tsang 2000); Gamma(a) is Gamma(a + 1) u^(1/a). */
double kr_rng_gamma(struct kr_rng *rng, double shape)
{
    const double boost = shape < 1 ? pow(1 - kr_rng_uniform(rng), 1 / shape) : 1,
                 d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = kr_rng_normal(rng), t = 1 + c * x, v = t * t * t, u = 1 - kr_rng_uniform(rng);
        if (v > 0 && log(u) < 0.5 * x * x + d * (1 - v + log(v)))
            return boost * d * v;
    }
}

void kr_rng_shuffle(struct kr_rng *rng, size_t n, size_t *items)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = kr_rng_below(rng, i), item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}
