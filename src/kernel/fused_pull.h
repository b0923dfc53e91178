/*
 * The weighted derivative of a rectangle of K by all parameters in one pass: the second half of the template
 * fused_tile.h. Of ROWS by WIDTH entries s is in registers, their weights come from the first-level cache,
 * where a panel's were summed up over the pairs of vectors before; G = weight dg/ds stays in registers for
 * the sums.
 *
 *     sum_ij G_ij (x_ik - z_jk)^2 = sum_i x_ik^2 (G 1)_i + sum_j z_jk^2 (G' 1)_j - 2 sum_j z_jk (G' x)_jk
 *
 * so that a pull is a product with d right-hand sides, the points. Cost of an entry: 2 d + profile + 4 +
 * pairs multiply-adds. Where distances may not be expanded (fused_pack.c) the left side is summed: 3 d more
 * for d.
 */

/* W = u v' + ut vt' of a run of rows from r0 of panel i, by panel j; or a copy of what was given. */
KR_LANES_INLINE void KR_NAME(weigh)(const struct kr_fused_pull *p, size_t i, size_t j, size_t begin,
                                    size_t end, real *W)
{
    const size_t k = p->at.k, width = p->at.cols * KR_PANEL;
    for (size_t r0 = begin; r0 < end; r0 += ROWS)
        for (size_t q = 0; q < KR_PANEL; q += WIDTH) {
            real *out = W + (r0 - begin) * KR_PANEL + q;
            lanes w[ROWS][COLUMNS];
            if (p->weights) {
                const real *in = (const real *)p->weights + (i * KR_PANEL + r0) * width + j * KR_PANEL + q;
                EACH_ROW EACH_COLUMN w[r][c] = KR_LOADED(in + r * width + c * LANES);
            } else {
                const size_t rows = i * k * KR_PANEL + r0, cols = j * k * KR_PANEL + q;
                EACH_ROW EACH_COLUMN w[r][c] = (lanes){0};
                KR_NAME(add_outer)(k, (const real *)p->at.u + rows, (const real *)p->at.v + cols, w);
                if (p->ut)
                    KR_NAME(add_outer)(k, (const real *)p->ut + rows, (const real *)p->vt + cols, w);
            }
            EACH_ROW EACH_COLUMN KR_STORED(out + r * KR_PANEL + c * LANES) = w[r][c];
        }
}

/* squares[k] += sum G (x_k - z_k)^2 of ROWS by WIDTH entries. */
KR_LANES_INLINE void KR_NAME(add_squares)(size_t d, const real *x, const real *z, lanes G[ROWS][COLUMNS],
                                          double *squares)
{
    for (size_t k = 0; k < d; k++) {
        lanes sum = {0};
        EACH_ROW EACH_COLUMN
        {
            const lanes t = x[k * KR_PANEL + r] - KR_LOADED(z + k * KR_PANEL + c * LANES);
            sum += G[r][c] * t * t;
        }
        squares[k] += (double)total(sum);
    }
}

/* Panel i by panel j, rows begin to end, whose weights are in W; sums: of weight g and weight dg/dshape. */
KR_LANES_INLINE void KR_NAME(pull_panel)(const struct kr_fused_pull *p, size_t i, size_t j, size_t begin,
                                         size_t end, const real *W, lanes *row_sums, lanes sums[2])
{
    const struct kr_fused_block *b = &p->at;
    const size_t d = b->d;
    const bool expand = b->nx[i] <= b->limit && b->nz[j] <= b->limit;
    for (size_t r0 = begin; r0 < end; r0 += ROWS)
        for (size_t q = 0; q < KR_PANEL; q += WIDTH) {
            const real *x = (const real *)b->x + i * d * KR_PANEL + r0,
                       *z = (const real *)b->z + j * d * KR_PANEL + q, *w = W + (r0 - begin) * KR_PANEL + q;
            lanes G[ROWS][COLUMNS];
            KR_NAME(arguments)
            (d, x, z, (const real *)b->hx + i * KR_PANEL + r0, (const real *)b->hz + j * KR_PANEL + q, expand,
             G);
            EACH_ROW EACH_COLUMN
            {
                lanes g, slope, by_shape;
                const lanes weight = KR_LOADED(w + r * KR_PANEL + c * LANES);
                KR_NAME(profile)(G[r][c], (real)b->shape, b->features, &g, &slope, &by_shape);
                sums[0] += weight * g;
                if (KR_PROFILE_SHAPED)
                    sums[1] += weight * by_shape;
                G[r][c] = weight * slope;
            }
            if (!expand) {
                KR_NAME(add_squares)(d, x, z, G, p->squares);
                continue;
            }
            real *col_sums = (real *)p->col_sums + j * KR_PANEL + q;
            EACH_COLUMN
            {
                lanes sum = KR_LOADED(col_sums + c * LANES);
                EACH_ROW sum += G[r][c];
                KR_STORED(col_sums + c * LANES) = sum;
            }
            EACH_ROW
            {
                lanes sum = row_sums[r0 + r];
                EACH_COLUMN sum += G[r][c];
                row_sums[r0 + r] = sum;
            }
            KR_NAME(use_columns)(d, x, (real *)p->col_moments + j * d * KR_PANEL + q, G);
        }
}

static void KR_NAME(pull)(struct kr_fused_pull *p)
{
    enum { HEIGHT = 16384 / (KR_PANEL * sizeof(real)) };
    _Alignas(64) real W[HEIGHT * KR_PANEL];
    lanes row_sums[KR_PANEL];
    for (size_t i = 0; i < p->at.rows; i++) {
        const size_t rows = i + 1 < p->at.rows ? KR_PANEL : p->at.tail;
        memset(row_sums, 0, sizeof row_sums);
        for (size_t j = 0; j < p->at.cols; j++) {
            lanes sums[2] = {0};
            for (size_t begin = 0; begin < rows; begin += HEIGHT) {
                const size_t end = begin + HEIGHT < rows ? begin + HEIGHT : rows;
                KR_NAME(weigh)(p, i, j, begin, end, W);
                KR_NAME(pull_panel)(p, i, j, begin, end, W, row_sums, sums);
            }
            p->sums[0] += (double)total(sums[0]);
            p->sums[1] += (double)total(sums[1]);
        }
        for (size_t r = 0; r < rows; r++)
            ((real *)p->row_sums)[i * KR_PANEL + r] += total(row_sums[r]);
    }
}
