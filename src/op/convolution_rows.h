/*
 * The inner loops of src/op/convolution.c, which includes this once for each width of vectors: LANE doubles
 * in one, NAMED(x) the name of x at that width. They are compiled for machines that have such vectors.
 */
typedef double NAMED(lane)
    __attribute__((vector_size(LANE * sizeof(double)), aligned(sizeof(double)), may_alias));

/* Outputs at.. of row i, `size` vectors of them, all of which see every column of the taps. */
static inline __attribute__((always_inline)) void NAMED(tile)(const struct pass *p, struct span rows,
                                                              size_t i, size_t at, const double *x, double *y,
                                                              const int size)
{
    NAMED(lane) sum[TILE] = {{0}};
    for (size_t a = rows.from; a < rows.to; a++) {
        const double *from = x + (i + p->oi - a) * p->in.width + at + p->oj;
        const double *tap = p->first + p->step * (ptrdiff_t)(a * p->taps.width);
        for (size_t b = 0; b < p->taps.width; b++, tap += p->step)
#pragma GCC unroll 8
            for (int t = 0; t < size; t++)
                sum[t] += *tap * *(const NAMED(lane) *)(from - b + t * LANE);
    }
#pragma GCC unroll 8
    for (int t = 0; t < size; t++)
        *(NAMED(lane) *)(y + at + t * LANE) = sum[t];
}

/* Outputs of row i that all see every column of the taps. The last tile may overlap the one before it:
 * outputs are set. */
static void NAMED(inside)(const struct pass *p, struct span rows, size_t i, struct span s, const double *x,
                          double *y)
{
    enum { FULL = TILE * LANE };
    const bool wide = s.to - s.from >= FULL;
    for (size_t j = s.from; j < s.to;) {
        if (wide) {
            NAMED(tile)(p, rows, i, least(j, s.to - FULL), x, y, TILE);
            j += FULL;
        } else if (s.to - j >= 2 * LANE) {
            NAMED(tile)(p, rows, i, j, x, y, 2);
            j += 2 * LANE;
        } else {
            NAMED(tile)(p, rows, i, least(j, s.to - LANE), x, y, 1);
            j += LANE;
        }
    }
}

/* Outputs of row i that may lie at the border: tap by tap. */
static void NAMED(border)(const struct pass *p, struct span rows, size_t i, struct span s, const double *x,
                          double *y)
{
    if (s.from == s.to)
        return;
    memset(y + s.from, 0, (s.to - s.from) * sizeof *y);
    for (size_t a = rows.from; a < rows.to; a++) {
        const double *from = x + (i + p->oi - a) * p->in.width;
        for (size_t b = 0; b < p->taps.width; b++) {
            const double tap = p->first[p->step * (ptrdiff_t)(a * p->taps.width + b)];
            const struct span reach = within(seen_by_all(b, b, p->oj, p->in.width, p->out.width), s);
            for (size_t j = reach.from; j < reach.to; j++)
                y[j] += tap * from[j + p->oj - b];
        }
    }
}

/* Row i of y in the span. */
static void NAMED(convolve)(const struct pass *p, size_t i, struct span s, const double *x, double *y)
{
    const struct span rows = reached(i, p->oi, p->in.height, p->taps.height);
    struct span all = within(seen_by_all(0, p->taps.width - 1, p->oj, p->in.width, p->out.width), s);
    if (all.to - all.from < LANE)
        all.from = all.to = s.from;
    NAMED(inside)(p, rows, i, all, x, y);
    NAMED(border)(p, rows, i, (struct span){s.from, all.from}, x, y);
    NAMED(border)(p, rows, i, (struct span){all.to, s.to}, x, y);
}

/* sums[g] += sum of u[j] v[j - g] over the span, for g < taps: LANE partial sums each, added in order. */
static inline __attribute__((always_inline)) void NAMED(dots)(const double *u, const double *v, struct span s,
                                                              double *sums, const int taps)
{
    NAMED(lane) sum[GROUP] = {{0}};
    size_t j = s.from;
    for (; j + LANE <= s.to; j += LANE)
#pragma GCC unroll 8
        for (int g = 0; g < taps; g++)
            sum[g] += *(const NAMED(lane) *)(u + j) * *(const NAMED(lane) *)(v + j - g);
#pragma GCC unroll 8
    for (int g = 0; g < taps; g++) {
        double total = 0;
        for (int l = 0; l < LANE; l++)
            total += sum[g][l];
        for (size_t rest = j; rest < s.to; rest++)
            total += u[rest] * v[(ptrdiff_t)rest - g];
        sums[g] += total;
    }
}

/* sums[b] += sum_j u[j] v[j - b + oj] over the span, for one row of taps: GROUP of them at once where all of
 * those see the input, one by one beside it. */
static void NAMED(correlate)(const struct convolution *c, struct span s, const double *u, const double *v,
                             double *sums)
{
    const size_t oj = c->column_offset, width = c->in.width, count = c->out.width;
    for (size_t b = 0; b < c->taps.width; b += GROUP) {
        const size_t taps = least(GROUP, c->taps.width - b);
        const struct span all = within(seen_by_all(b, b + taps - 1, oj, width, count), s);
        const double *at = v + oj - b;
        switch (taps) {
        case 1:
            NAMED(dots)(u, at, all, sums + b, 1);
            break;
        case 2:
            NAMED(dots)(u, at, all, sums + b, 2);
            break;
        case 3:
            NAMED(dots)(u, at, all, sums + b, 3);
            break;
        default:
            NAMED(dots)(u, at, all, sums + b, GROUP);
        }
        for (size_t g = 0; g < taps; g++) {
            const struct span one = within(seen_by_all(b + g, b + g, oj, width, count), s);
            for (size_t j = one.from; j < least(one.to, all.from); j++)
                sums[b + g] += u[j] * v[j + oj - b - g];
            for (size_t j = all.to > one.from ? all.to : one.from; j < one.to; j++)
                sums[b + g] += u[j] * v[j + oj - b - g];
        }
    }
}
