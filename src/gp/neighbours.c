/*
 * The variance at x given only some rows N, nearest first, A_NN = K_NN + s2 I + diag(s_i^2) = L L':
 *
 *     f = k(x, x) + s2 + s*^2 - |L^-1 k_N|^2 >= v,     df = dk(x, x) + ds2 - 2 s'dk_N + s'dA_NN s,   s =
 * A_NN^-1 k_N
 *
 * with less data the variance is larger. One factor gives f for every leading part of N. Weights of an
 * adjoint q of f: q s s' on K_NN, -2 q s on k_N, q on k(x, x), q (1 + s's) on s2. Cost of a point with k
 * neighbours: k^3/3 flops and k^2/2 kernel entries for the values, k^2/2 kernel pulls for the gradient; k^2
 * doubles a thread. Points are independent; gradients go to one lane for every CHUNK of them, added in order:
 * the same bits for any number of threads. Source: Vecchia 1988; Emery 2009 (variances of moving
 * neighbourhoods).
 */
#include "gp/neighbours.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 };

extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);

/* ---- finding them ---- */

struct candidate {
    double telling;
    uint32_t row;
};

static bool worse(const struct candidate *a, const struct candidate *b)
{
    return a->telling < b->telling || (a->telling == b->telling && a->row > b->row);
}

static int best_first(const void *a, const void *b)
{
    return worse(a, b) ? 1 : -1;
}

/* Puts `item` in the place of the worst of a full heap, which is its first. */
static void replace_worst(struct candidate *heap, size_t count, struct candidate item)
{
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && worse(&heap[child + 1], &heap[child]);
        if (!worse(&heap[child], &item))
            break;
        heap[at] = heap[child];
    }
    heap[at] = item;
}

/* The same for one that is being filled. */
static void insert(struct candidate *heap, size_t count, struct candidate item)
{
    size_t at = count;
    for (; at > 0 && worse(&item, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = item;
}

/* Memory of a thread: a tile, the kernel's scratch, heaps for the rows of a tile and how much is in each. */
struct search {
    double *tile, *scratch;
    struct candidate *heaps;
    size_t filled[KR_TILE];
};

static void search_tile(const struct neighbourhood *hood, const double *own, size_t first,
                        struct search *memory, uint32_t *rows)
{
    const struct kr_points *x = &hood->held->x, *z = &hood->train->x;
    const size_t most = hood->most, m = x->n - first < KR_TILE ? x->n - first : KR_TILE;
    for (size_t j = 0; j < z->n; j += KR_TILE) {
        const struct kr_tile tile = {
            m, z->n - j < KR_TILE ? z->n - j : KR_TILE, x->x + first, z->x + j, x->ld, z->ld};
        hood->kernel->type->eval(hood->kernel, hood->theta, &tile, memory->tile, memory->scratch);
        for (size_t r = 0; r < m; r++) {
            struct candidate *heap = memory->heaps + r * most;
            for (size_t c = 0; c < tile.n; c++) {
                const double k = memory->tile[r * tile.n + c];
                const struct candidate item = {k * k / own[j + c], (uint32_t)(j + c)};
                if (hood->self && hood->self[first + r] == j + c)
                    continue;
                if (memory->filled[r] < most)
                    insert(heap, memory->filled[r]++, item);
                else if (worse(heap, &item))
                    replace_worst(heap, most, item);
            }
        }
    }
    for (size_t r = 0; r < m; r++) {
        struct candidate *heap = memory->heaps + r * most;
        qsort(heap, most, sizeof *heap, best_first);
        for (size_t i = 0; i < most; i++)
            rows[(first + r) * most + i] = heap[i].row;
    }
}

static double noise_at(const struct neighbourhood *hood, const struct kr_part *part, size_t i)
{
    return hood->theta[hood->noise_index] + (part->noise ? part->noise[i] : 0);
}

kr_status kr_neighbours_find(struct kr_ctx *ctx, const struct neighbourhood *hood, uint32_t *rows)
{
    const size_t threads = (size_t)ctx->threads, n = hood->train->n,
                 doubles = KR_TILE * KR_TILE + kr_kernel_scratch(hood->kernel);
    double *own, *memory;
    struct candidate *heaps;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, own, n);
    KR_ALLOC(ctx, memory, threads * doubles);
    KR_ALLOC(ctx, heaps, threads * KR_TILE * hood->most);
    kr_kernel_diagonal(hood->kernel, hood->theta, &hood->train->x, memory, own);
    for (size_t i = 0; i < n; i++)
        own[i] += noise_at(hood, hood->train, i);
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t first = 0; first < hood->held->n; first += KR_TILE)
        if (!kr_due(ctx)) {
            const size_t t = (size_t)kr_thread();
            double *tile = memory + t * doubles;
            search_tile(
                hood, own, first,
                &(struct search){tile, tile + KR_TILE * KR_TILE, heaps + t * KR_TILE * hood->most, {0}},
                rows);
        }
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

/* ---- one point and its neighbours ---- */

struct local {
    double *x;       /* coordinates of the neighbours, feature-major, ld = most */
    double *A;       /* most x most, lower triangle by rows */
    double *k;       /* most */
    double *tile;    /* KR_TILE x KR_TILE */
    double *scratch; /* of the kernel */
};

static size_t local_doubles(const struct neighbourhood *hood)
{
    return hood->most * (hood->train->x.d + hood->most + 1) + KR_TILE * KR_TILE +
           kr_kernel_scratch(hood->kernel);
}

static struct local local_at(const struct neighbourhood *hood, double *memory)
{
    struct local l = {.x = memory};
    l.A = l.x + hood->most * hood->train->x.d;
    l.k = l.A + hood->most * hood->most;
    l.tile = l.k + hood->most;
    l.scratch = l.tile + KR_TILE * KR_TILE;
    return l;
}

static void gather(const struct neighbourhood *hood, size_t j, const struct local *l)
{
    const struct kr_points *from = &hood->train->x;
    const uint32_t *rows = hood->rows + j * hood->most;
    for (size_t f = 0; f < from->d; f++)
        for (size_t i = 0; i < hood->most; i++)
            l->x[f * hood->most + i] = from->x[f * from->ld + rows[i]];
}

/* Rows i.. of the neighbours against columns j.. of them, and against the point itself. */
static struct kr_tile among(const struct neighbourhood *hood, const struct local *l, size_t i, size_t j)
{
    const size_t m = hood->most - i, n = hood->most - j;
    return (struct kr_tile){
        m < KR_TILE ? m : KR_TILE, n < KR_TILE ? n : KR_TILE, l->x + i, l->x + j, hood->most, hood->most};
}

static struct kr_tile against(const struct neighbourhood *hood, const struct local *l, size_t i, size_t point)
{
    const struct kr_points *x = &hood->held->x;
    const size_t m = hood->most - i;
    return (struct kr_tile){m < KR_TILE ? m : KR_TILE, 1, l->x + i, x->x + point, hood->most, x->ld};
}

static void evaluate_local(const struct neighbourhood *hood, size_t point, const struct local *l)
{
    const struct kr_kernel *kernel = hood->kernel;
    const uint32_t *rows = hood->rows + point * hood->most;
    for (size_t i = 0; i < hood->most; i += KR_TILE) {
        for (size_t j = 0; j <= i; j += KR_TILE) {
            const struct kr_tile tile = among(hood, l, i, j);
            kernel->type->eval(kernel, hood->theta, &tile, l->tile, l->scratch);
            for (size_t r = 0; r < tile.m; r++)
                memcpy(l->A + (i + r) * hood->most + j, l->tile + r * tile.n, tile.n * sizeof *l->A);
        }
        const struct kr_tile column = against(hood, l, i, point);
        kernel->type->eval(kernel, hood->theta, &column, l->k + i, l->scratch);
    }
    for (size_t i = 0; i < hood->most; i++)
        l->A[i * hood->most + i] += noise_at(hood, hood->train, rows[i]);
}

/* False: A_NN is not positive definite. Column-major, the lower triangle by rows is the upper one: A = U'U.
 */
static bool solve_local(const struct neighbourhood *hood, size_t point, const struct local *l,
                        double *variance, double *solutions)
{
    const int most = (int)hood->most;
    int info = 0;
    evaluate_local(hood, point, l);
    dpotrf_("U", &most, l->A, &most, &info);
    if (info != 0)
        return false;
    cblas_dtrsv(CblasColMajor, CblasUpper, CblasTrans, CblasNonUnit, most, l->A, most, l->k, 1);
    for (size_t set = 0; set < KR_NEIGHBOUR_SETS; set++) {
        const int count = (int)kr_neighbours_in(hood, set);
        variance[set * hood->held->n + point] -= cblas_ddot(count, l->k, 1, l->k, 1);
        if (!solutions)
            continue;
        memcpy(solutions, l->k, (size_t)count * sizeof *solutions);
        cblas_dtrsv(CblasColMajor, CblasUpper, CblasNoTrans, CblasNonUnit, count, l->A, most, solutions, 1);
        solutions += count;
    }
    return true;
}

kr_status kr_neighbours_variance(struct kr_ctx *ctx, const struct neighbourhood *hood, double *variance,
                                 double *solutions)
{
    const size_t m = hood->held->n, doubles = local_doubles(hood), length = kr_neighbours_length(hood);
    size_t failed = SIZE_MAX;
    double *memory;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, memory, (size_t)ctx->threads * doubles);
    kr_kernel_diagonal(hood->kernel, hood->theta, &hood->held->x, memory, variance);
    for (size_t j = 0; j < m; j++)
        variance[m + j] = variance[j] += noise_at(hood, hood->held, j);
#pragma omp parallel for schedule(dynamic, CHUNK) num_threads(ctx->threads) reduction(min : failed)
    for (size_t j = 0; j < m; j++)
        if (!kr_due(ctx)) {
            const struct local l = local_at(hood, memory + (size_t)kr_thread() * doubles);
            gather(hood, j, &l);
            if (!solve_local(hood, j, &l, variance, solutions ? solutions + j * length : NULL) && j < failed)
                failed = j;
        }
    kr_release(ctx, mark);
    KR_TRY(kr_poll(ctx));
    if (failed < m)
        return kr_fail(
            ctx, KR_NOT_POSITIVE_DEFINITE, "",
            "the covariance of the %zu rows nearest to held-out row %zu is not positive definite to "
            "double precision: raise noise.variance",
            hood->most, hood->held->rows[failed]);
    return KR_OK;
}

/* ---- derivatives ---- */

/* Adjoints of one point's variances, and its solutions. */
struct adjoint {
    double q[KR_NEIGHBOUR_SETS];
    const double *s[KR_NEIGHBOUR_SETS];
};

/* sum over the sets of q s_i s_j: beyond the end of a set its s is 0. */
static void weigh(const struct neighbourhood *hood, const struct adjoint *a, const struct kr_tile *tile,
                  size_t i, size_t j, double *W)
{
    memset(W, 0, tile->m * tile->n * sizeof *W);
    for (size_t set = 0; set < KR_NEIGHBOUR_SETS; set++) {
        const size_t count = kr_neighbours_in(hood, set);
        if (i >= count || j >= count)
            continue;
        const size_t m = count - i < tile->m ? count - i : tile->m,
                     n = count - j < tile->n ? count - j : tile->n;
        cblas_dger(CblasRowMajor, (int)m, (int)n, (i == j ? 1 : 2) * a->q[set], a->s[set] + i, 1,
                   a->s[set] + j, 1, W, (int)tile->n);
    }
}

static void pull_local(const struct neighbourhood *hood, size_t point, const struct adjoint *a,
                       const struct local *l, double *grad)
{
    const struct kr_kernel *kernel = hood->kernel;
    memset(l->k, 0, hood->most * sizeof *l->k);
    for (size_t set = 0; set < KR_NEIGHBOUR_SETS; set++) {
        const int count = (int)kr_neighbours_in(hood, set);
        cblas_daxpy(count, -2 * a->q[set], a->s[set], 1, l->k, 1);
        grad[hood->noise_index] += a->q[set] * (1 + cblas_ddot(count, a->s[set], 1, a->s[set], 1));
    }
    for (size_t i = 0; i < hood->most; i += KR_TILE) {
        for (size_t j = 0; j <= i; j += KR_TILE) {
            const struct kr_tile tile = among(hood, l, i, j);
            weigh(hood, a, &tile, i, j, l->tile);
            kernel->type->pull(kernel, hood->theta, &tile, l->tile, grad, l->scratch);
        }
        const struct kr_tile column = against(hood, l, i, point);
        kernel->type->pull(kernel, hood->theta, &column, l->k + i, grad, l->scratch);
    }
}

static void pull_chunk(const struct neighbourhood *hood, size_t first, const double *variance_bar,
                       const double *solutions, double *memory, double *lane)
{
    const size_t m = hood->held->n, end = first + CHUNK < m ? first + CHUNK : m,
                 length = kr_neighbours_length(hood);
    const struct local l = local_at(hood, memory);
    for (size_t j = first; j < end; j++) {
        const double *s = solutions + j * length;
        const struct adjoint a = {{variance_bar[j], variance_bar[m + j]}, {s, s + kr_neighbours_in(hood, 0)}};
        if (a.q[0] == 0 && a.q[1] == 0)
            continue;
        gather(hood, j, &l);
        pull_local(hood, j, &a, &l, lane);
    }
}

kr_status kr_neighbours_pull(struct kr_ctx *ctx, const struct neighbourhood *hood, const double *variance_bar,
                             const double *solutions, double *grad)
{
    const size_t m = hood->held->n, lanes = (m + CHUNK - 1) / CHUNK, doubles = local_doubles(hood),
                 length = hood->noise_index + 1;
    double *memory, *lane, *both;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, memory, (size_t)ctx->threads * doubles);
    KR_ALLOC(ctx, lane, lanes * length);
    KR_ALLOC(ctx, both, m);
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t c = 0; c < lanes; c++)
        if (!kr_due(ctx))
            pull_chunk(hood, c * CHUNK, variance_bar, solutions, memory + (size_t)kr_thread() * doubles,
                       lane + c * length);
    for (size_t c = 0; c < lanes; c++)
        for (size_t p = 0; p < length; p++)
            grad[p] += lane[c * length + p];
    for (size_t j = 0; j < m; j++)
        both[j] = variance_bar[j] + variance_bar[m + j];
    kr_kernel_diagonal_pull(hood->kernel, hood->theta, &hood->held->x, both, memory, grad);
    kr_release(ctx, mark);
    return kr_poll(ctx);
}
