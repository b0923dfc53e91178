/*
 * The product of a rectangle of K with vectors, K never written: s = |x - z|^2/2 (scaled) is summed in
 * registers for ROWS rows by COLUMNS vectors of columns, the kernel's profile makes g of it, and g is used
 * from the register for every right-hand side: for the columns, and in the symmetric form for the rows too.
 * The derivative is in fused_pull.h. Cost of an entry: d + profile + k (2 k) multiply-adds. A template
 * (lanes.h); instances.h includes it.
 */
#include "kernel/lanes.h"

#ifndef KERNEL_FUSED_SHAPE
#define KERNEL_FUSED_SHAPE
#define KR_UNUSED   __attribute__((unused))
#define ROWS        (KR_LEVEL == 4 ? 4 : 2)
#define COLUMNS     (KR_BITS == 64 && KR_LEVEL == 4 ? 2 : 4)
#define LANES       (KR_BYTES / sizeof(real))
#define WIDTH       (COLUMNS * LANES)
#define EACH_ROW    for (size_t r = 0; r < ROWS; r++)
#define EACH_COLUMN for (size_t c = 0; c < COLUMNS; c++)
#endif

/* The kernel's own: g(s), dg/ds, and dg/dshape at fixed distance. */
KR_LANES_INLINE void KR_NAME(profile)(lanes s, KR_UNUSED real shape, KR_UNUSED size_t features, lanes *g,
                                      lanes *slope, KR_UNUSED lanes *by_shape) KR_PROFILE

#if KR_LEVEL > 0

    /* s of ROWS points of a panel by WIDTH of another. */
    KR_LANES_INLINE void KR_NAME(arguments)(size_t d, const real *x, const real *z, const real *hx,
                                            const real *hz, bool expand, lanes s[ROWS][COLUMNS])
{
    if (expand) {
        EACH_ROW EACH_COLUMN s[r][c] = hx[r] + KR_LOADED(hz + c * LANES);
        for (size_t k = 0; k < d; k++)
            EACH_ROW EACH_COLUMN
            {
                const lanes product = x[k * KR_PANEL + r] * KR_LOADED(z + k * KR_PANEL + c * LANES);
                if (KR_PROFILE_SIGN < 0)
                    s[r][c] += product;
                else
                    s[r][c] -= product;
            }
    } else {
        EACH_ROW EACH_COLUMN s[r][c] = (lanes){0};
        for (size_t k = 0; k < d; k++)
            EACH_ROW EACH_COLUMN
            {
                const lanes t = x[k * KR_PANEL + r] - KR_LOADED(z + k * KR_PANEL + c * LANES);
                s[r][c] += t * t;
            }
        EACH_ROW EACH_COLUMN s[r][c] *= (real)(KR_PROFILE_SIGN * 0.5);
    }
}

/* ROWS by WIDTH entries of K: row r0 of panel i, column q of panel j. */
KR_LANES_INLINE void KR_NAME(entries)(const struct kr_fused_block *b, size_t i, size_t r0, size_t j, size_t q,
                                      lanes g[ROWS][COLUMNS])
{
    const size_t d = b->d, width = b->cols * KR_PANEL, at = (i * KR_PANEL + r0) * width + j * KR_PANEL + q;
    const bool expand = b->nx[i] <= b->limit && b->nz[j] <= b->limit;
    KR_NAME(arguments)
    (d, (const real *)b->x + i * d * KR_PANEL + r0, (const real *)b->z + j * d * KR_PANEL + q,
     (const real *)b->hx + i * KR_PANEL + r0, (const real *)b->hz + j * KR_PANEL + q, expand, g);
    EACH_ROW EACH_COLUMN
    {
        lanes slope, by_shape;
        KR_NAME(profile)(g[r][c], (real)b->shape, b->features, &g[r][c], &slope, &by_shape);
    }
    if (b->factor)
        EACH_ROW EACH_COLUMN g[r][c] *= KR_LOADED((const real *)b->factor + at + r * width + c * LANES);
    if (b->tile)
        EACH_ROW EACH_COLUMN KR_STORED((real *)b->tile + at + r * width + c * LANES) = g[r][c];
}

/* y += g' u for `count` vectors: panels of numbers, u one a row. */
KR_LANES_INLINE void KR_NAME(use_columns)(size_t count, const real *u, real *y, lanes g[ROWS][COLUMNS])
{
    for (size_t e = 0; e < count; e++, u += KR_PANEL, y += KR_PANEL) {
        lanes sum[COLUMNS];
        EACH_COLUMN sum[c] = KR_LOADED(y + c * LANES);
        EACH_ROW
        {
            const real one = u[r];
            EACH_COLUMN sum[c] += one * g[r][c];
        }
        EACH_COLUMN KR_STORED(y + c * LANES) = sum[c];
    }
}

/* sums += g v, a vector of partial sums for each row. */
KR_LANES_INLINE void KR_NAME(use_rows)(size_t count, const real *v, lanes *sums, lanes g[ROWS][COLUMNS])
{
    for (size_t e = 0; e < count; e++, v += KR_PANEL, sums += ROWS)
        EACH_ROW EACH_COLUMN sums[r] += KR_LOADED(v + c * LANES) * g[r][c];
}

/* Rows r0.. of panel i by all columns: entries that never leave the registers. */
KR_LANES_INLINE void KR_NAME(product_rows)(const struct kr_fused_block *b, size_t i, size_t r0)
{
    lanes sums[KR_FUSED_COLUMNS * ROWS];
    const size_t k = b->k;
    real *w = b->v ? (real *)b->w + i * k * KR_PANEL + r0 : NULL;
    memset(sums, 0, (w ? k : 0) * ROWS * sizeof *sums);
    for (size_t j = 0; j < b->cols; j++)
        for (size_t q = 0; q < KR_PANEL; q += WIDTH) {
            lanes g[ROWS][COLUMNS];
            const size_t at = j * k * KR_PANEL + q;
            KR_NAME(entries)(b, i, r0, j, q, g);
            if (b->u)
                KR_NAME(use_columns)
            (k, (const real *)b->u + i * k * KR_PANEL + r0, (real *)b->y + at, g);
            if (w)
                KR_NAME(use_rows)(k, (const real *)b->v + at, sums, g);
        }
    for (size_t e = 0; w && e < k; e++)
        EACH_ROW w[e * KR_PANEL + r] += total(sums[e * ROWS + r]);
}

/* Panel i by panel j for more vectors: the entries wait in the first-level cache, and some vectors at a time
 * are multiplied by them. */
KR_LANES_INLINE void KR_NAME(product_panels)(const struct kr_fused_block *b, size_t i, size_t j, size_t rows)
{
    enum { HEIGHT = 16384 / (KR_PANEL * sizeof(real)) };
    _Alignas(64) real tile[HEIGHT * KR_PANEL];
    lanes g[ROWS][COLUMNS];
    for (size_t begin = 0; begin < rows; begin += HEIGHT) {
        const size_t end = begin + HEIGHT < rows ? begin + HEIGHT : rows;
        for (size_t r0 = begin; r0 < end; r0 += ROWS)
            for (size_t q = 0; q < KR_PANEL; q += WIDTH) {
                KR_NAME(entries)(b, i, r0, j, q, g);
                EACH_ROW EACH_COLUMN KR_STORED(tile + (r0 - begin + r) * KR_PANEL + q + c * LANES) = g[r][c];
            }
        for (size_t e = 0; e < b->k; e += KR_FUSED_COLUMNS) {
            const size_t count = b->k - e < KR_FUSED_COLUMNS ? b->k - e : KR_FUSED_COLUMNS;
            for (size_t r0 = begin; r0 < end; r0 += ROWS)
                for (size_t q = 0; q < KR_PANEL; q += WIDTH) {
                    EACH_ROW EACH_COLUMN g[r][c] =
                        KR_LOADED(tile + (r0 - begin + r) * KR_PANEL + q + c * LANES);
                    KR_NAME(use_columns)
                    (count, (const real *)b->u + (i * b->k + e) * KR_PANEL + r0,
                     (real *)b->y + (j * b->k + e) * KR_PANEL + q, g);
                }
        }
    }
}

static void KR_NAME(product)(const struct kr_fused_block *b)
{
    for (size_t i = 0; i < b->rows; i++) {
        const size_t rows = i + 1 < b->rows ? KR_PANEL : b->tail;
        if (b->k > KR_FUSED_COLUMNS)
            for (size_t j = 0; j < b->cols; j++)
                KR_NAME(product_panels)(b, i, j, rows);
        else
            for (size_t r0 = 0; r0 < rows; r0 += ROWS)
                KR_NAME(product_rows)(b, i, r0);
    }
}

/* w += u v' for `count` pairs of vectors. */
KR_LANES_INLINE void KR_NAME(add_outer)(size_t count, const real *u, const real *v, lanes w[ROWS][COLUMNS])
{
    for (size_t e = 0; e < count; e++, u += KR_PANEL, v += KR_PANEL)
        EACH_ROW EACH_COLUMN w[r][c] += u[r] * KR_LOADED(v + c * LANES);
}

#include "kernel/fused_pull.h"
#endif
