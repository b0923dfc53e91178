/*
 * Convolution of an image x (H x W, row-major) with taps t (P x Q), the image zero outside:
 *
 *     y[i, j] = sum_ab t[a, b] x[i - a + oi, j - b + oj]
 *
 * The adjoint is the same sum with the taps turned around, t[P-1-a, Q-1-b], and offsets P-1-oi, Q-1-oj. The
 * pull correlates: grad[a, b] += alpha sum_ij U[i, j] V[i - a + oi, j - b + oj].
 *
 * Direct: 2 P Q flops an output, each output summed over a, then b, in order. An output row is cut into
 * pieces, which threads share. Where outputs see all columns of the taps, a tile of vectors of them stays in
 * registers while all taps pass: a load and a share of a broadcast a fused multiply-add. At the border the
 * taps are added one by one over the outputs that they reach. The pull reads a piece of U once for GROUP
 * taps, with a vector of partial sums each, and adds pieces up in a number of slots that depends on the sizes
 * only: the same bits for any number of threads. No copy of the image. Memory: nothing for a product; at most
 * max(P Q, SLOT_NUMBERS) doubles for a pull.
 */
#include "kriged/op.h"

#include <string.h>

/* TILE: vectors in registers, enough to hide the latency of an addition. */
enum { TILE = 8, GROUP = 4, PIECE = 2048, SLOT_NUMBERS = 1 << 16, SLOT_PIECES = 16 };

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE_VECTORS
#endif

struct image {
    size_t height, width;
};

struct convolution {
    struct image in, out, taps;
    size_t row_offset, column_offset; /* oi, oj */
    const double *values;
    const struct code *code;
};

/* One direction: A, or A' with the taps read backwards. */
struct pass {
    struct image in, out, taps;
    size_t oi, oj;
    const double *first; /* tap (0, 0); the one after it stands `step` further */
    ptrdiff_t step;
};

/* Columns [from, to) of an output row. */
struct span {
    size_t from, to;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* a - b, or 0. */
static size_t beyond(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

/* Indices c of `taps` whose input i - c + offset lies in [0, size). */
static struct span reached(size_t i, size_t offset, size_t size, size_t taps)
{
    return (struct span){beyond(i + offset + 1, size), least(taps, i + offset + 1)};
}

/* Outputs j of [0, count) that see the inputs j - b + offset in [0, size) for all taps b of [first, last]. */
static struct span seen_by_all(size_t first, size_t last, size_t offset, size_t size, size_t count)
{
    struct span all = {beyond(last, offset), least(count, beyond(size + first, offset))};
    return all.from < all.to ? all : (struct span){all.from, all.from};
}

static struct span within(struct span s, struct span bounds)
{
    struct span cut = {s.from > bounds.from ? s.from : bounds.from, least(s.to, bounds.to)};
    return cut.from < cut.to ? cut : (struct span){bounds.from, bounds.from};
}

/* Two doubles on every machine, four where there are such vectors and fused multiply-adds; eight are no
 * faster, since every load then straddles two cache lines. */
#define LANE     2
#define NAMED(x) x##_2
#include "op/convolution_rows.h"
#undef LANE
#undef NAMED
#ifdef WIDE_VECTORS
#pragma GCC push_options
#pragma GCC target("fma")
#define LANE     4
#define NAMED(x) x##_4
#include "op/convolution_rows.h"
#undef LANE
#undef NAMED
#pragma GCC pop_options
#endif

struct code {
    void (*convolve)(const struct pass *, size_t i, struct span, const double *x, double *y);
    void (*correlate)(const struct convolution *, struct span, const double *u, const double *v,
                      double *sums);
};

static const struct code *best_code(void)
{
    static const struct code two = {convolve_2, correlate_2};
#ifdef WIDE_VECTORS
    static const struct code four = {convolve_4, correlate_4};
    return __builtin_cpu_supports("fma") ? &four : &two;
#else
    return &two;
#endif
}

static size_t pieces_of(size_t width)
{
    return (width + PIECE - 1) / PIECE;
}

static kr_status multiply(struct kr_ctx *ctx, const struct code *code, const struct pass *p, size_t k,
                          const double *X, double *Y)
{
    const size_t pieces = pieces_of(p->out.width), rows = p->out.height, n = p->in.height * p->in.width,
                 m = rows * p->out.width;
#pragma omp parallel for schedule(static) num_threads(ctx->threads)
    for (size_t w = 0; w < k * rows * pieces; w++) {
        const size_t c = w / (rows * pieces), i = w / pieces % rows, from = w % pieces * PIECE;
        if (!kr_due(ctx))
            code->convolve(p, i, (struct span){from, least(from + PIECE, p->out.width)}, X + c * n,
                           Y + c * m + i * p->out.width);
    }
    return kr_poll(ctx);
}

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct convolution *c = op->self;
    const struct pass forward = {c->in, c->out, c->taps, c->row_offset, c->column_offset, c->values, 1};
    return multiply(ctx, c->code, &forward, k, X, Y);
}

static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct convolution *c = op->self;
    const size_t last = c->taps.height * c->taps.width - 1;
    const struct pass backward = {c->out,
                                  c->in,
                                  c->taps,
                                  c->taps.height - 1 - c->row_offset,
                                  c->taps.width - 1 - c->column_offset,
                                  c->values + last,
                                  -1};
    return multiply(ctx, c->code, &backward, k, X, Y);
}

/* Pieces first.. of all output rows of all columns, against row a of the taps. */
static void correlate_pieces(const struct convolution *c, size_t a, struct span slot, const double *U,
                             const double *V, double *sums)
{
    const size_t pieces = pieces_of(c->out.width), rows = c->out.height, n = c->in.height * c->in.width;
    for (size_t w = slot.from; w < slot.to; w++) {
        const size_t column = w / (rows * pieces), i = w / pieces % rows, from = w % pieces * PIECE;
        const struct span reach = reached(i, c->row_offset, c->in.height, c->taps.height);
        if (a >= reach.from && a < reach.to)
            c->code->correlate(c, (struct span){from, least(from + PIECE, c->out.width)},
                               U + (column * rows + i) * c->out.width,
                               V + column * n + (i + c->row_offset - a) * c->in.width, sums);
    }
}

/* A slot sums so many pieces that its reading is worth it, and there are few enough of them for the memory.
 */
static size_t slots_of(size_t pieces, size_t taps)
{
    const size_t most = SLOT_NUMBERS / taps, wanted = (pieces + SLOT_PIECES - 1) / SLOT_PIECES;
    return most > 1 ? least(most, wanted) : 1;
}

static kr_status pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                      double alpha, double *grad)
{
    const struct convolution *c = op->self;
    const size_t taps = c->taps.height * c->taps.width, pieces = k * c->out.height * pieces_of(c->out.width),
                 slots = slots_of(pieces, taps);
    double *sums;
    struct kr_mark mark = kr_mark(ctx);
    if (pieces == 0)
        return KR_OK;
    KR_ALLOC(ctx, sums, slots * taps);
#pragma omp parallel for schedule(static) num_threads(ctx->threads)
    for (size_t w = 0; w < slots * c->taps.height; w++) {
        const size_t s = w / c->taps.height, a = w % c->taps.height;
        const struct span slot = {s * pieces / slots, (s + 1) * pieces / slots};
        if (!kr_due(ctx))
            correlate_pieces(c, a, slot, U, V, sums + s * taps + a * c->taps.width);
    }
    KR_TRY(kr_poll(ctx));
    for (size_t t = 0; t < taps; t++) {
        double total = 0;
        for (size_t s = 0; s < slots; s++)
            total += sums[s * taps + t];
        grad[t] += alpha * total;
    }
    kr_release(ctx, mark);
    return KR_OK;
}

/* Column (r, q) holds the taps at the outputs that see that pixel: a + r - oi, b + q - oj. */
static kr_status columns(struct kr_ctx *ctx, const struct kr_op *op, size_t count, const size_t *index,
                         double *out)
{
    const struct convolution *c = op->self;
    (void)ctx;
    memset(out, 0, op->rows * count * sizeof *out);
    for (size_t l = 0; l < count; l++) {
        const size_t r = index[l] / c->in.width, q = index[l] % c->in.width;
        for (size_t a = beyond(c->row_offset, r); a < c->taps.height; a++)
            for (size_t b = beyond(c->column_offset, q); b < c->taps.width; b++) {
                const size_t i = a + r - c->row_offset, j = b + q - c->column_offset;
                if (i < c->out.height && j < c->out.width)
                    out[l * op->rows + i * c->out.width + j] = c->values[a * c->taps.width + b];
            }
    }
    return KR_OK;
}

static kr_status fill(struct kr_ctx *ctx, const struct kr_op *op, double *A)
{
    for (size_t j = 0; j < op->cols; j++)
        KR_TRY(columns(ctx, op, 1, &j, A + j * op->rows));
    return KR_OK;
}

/* Square is SAME, or a single tap: every output sees its own pixel through tap (oi, oj). */
static kr_status diagonal(struct kr_ctx *ctx, const struct kr_op *op, double *out)
{
    const struct convolution *c = op->self;
    (void)ctx;
    for (size_t i = 0; i < op->rows; i++)
        out[i] = c->values[c->row_offset * c->taps.width + c->column_offset];
    return KR_OK;
}

static const struct kr_op_type convolution = {.name = "convolution",
                                              .apply = apply,
                                              .apply_t = apply_t,
                                              .pull = pull,
                                              .fill = fill,
                                              .diagonal = diagonal,
                                              .columns = columns};

static kr_status check_sizes(struct kr_ctx *ctx, enum kr_convolution mode, struct image in, struct image taps)
{
    size_t height, width, count;
    if (!in.height || !in.width || !taps.height || !taps.width)
        return kr_fail(ctx, KR_INVALID, "",
                       "an image and taps have at least one number, got an image of %zu x %zu and taps of "
                       "%zu x %zu",
                       in.height, in.width, taps.height, taps.width);
    if (mode == KR_CONVOLUTION_VALID && (taps.height > in.height || taps.width > in.width))
        return kr_fail(ctx, KR_INVALID, "", "taps of %zu x %zu do not fit into an image of %zu x %zu",
                       taps.height, taps.width, in.height, in.width);
    if (__builtin_add_overflow(in.height, taps.height, &height) ||
        __builtin_add_overflow(in.width, taps.width, &width) ||
        __builtin_mul_overflow(height, width, &count) || count > SIZE_MAX / 16)
        return kr_fail(ctx, KR_INVALID, "",
                       "an image of %zu x %zu with taps of %zu x %zu cannot be addressed", in.height,
                       in.width, taps.height, taps.width);
    return KR_OK;
}

/* What one axis comes to: its outputs, and the offset. */
static void axis(enum kr_convolution mode, size_t size, size_t taps, size_t *out, size_t *offset)
{
    const bool full = mode == KR_CONVOLUTION_FULL, same = mode == KR_CONVOLUTION_SAME;
    *out = full ? size + taps - 1 : same ? size : size + 1 - taps;
    *offset = full ? 0 : same ? (taps - 1) / 2 : taps - 1;
}

kr_status kr_op_convolution(struct kr_ctx *ctx, enum kr_convolution mode, size_t height, size_t width,
                            size_t taps_height, size_t taps_width, const double *taps, struct kr_op *out)
{
    struct convolution *self;
    if (mode != KR_CONVOLUTION_FULL && mode != KR_CONVOLUTION_SAME && mode != KR_CONVOLUTION_VALID)
        return kr_fail(ctx, KR_INVALID, "", "a convolution is FULL, SAME or VALID, got mode %d", (int)mode);
    KR_TRY(check_sizes(ctx, mode, (struct image){height, width}, (struct image){taps_height, taps_width}));
    KR_ALLOC(ctx, self, 1);
    /* One column is one row in memory, and rows are what is fast. */
    const bool turn = width == 1 && taps_width == 1;
    self->in = turn ? (struct image){1, height} : (struct image){height, width};
    self->taps = turn ? (struct image){1, taps_height} : (struct image){taps_height, taps_width};
    axis(mode, self->in.height, self->taps.height, &self->out.height, &self->row_offset);
    axis(mode, self->in.width, self->taps.width, &self->out.width, &self->column_offset);
    self->values = taps;
    self->code = best_code();
    *out = (struct kr_op){&convolution, self->out.height * self->out.width, self->in.height * self->in.width,
                          false, self};
    return KR_OK;
}
