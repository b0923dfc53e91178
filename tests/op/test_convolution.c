/* Convolution against its definition, written out as a matrix, in all modes and many shapes. */
#include "views.h"

#include <stdlib.h>

static const enum kr_convolution modes[] = {KR_CONVOLUTION_FULL, KR_CONVOLUTION_SAME, KR_CONVOLUTION_VALID};

struct shape {
    size_t height, width, taps_height, taps_width;
};

/* Shapes of images and taps: single numbers, rows, columns, taps as large as the image and larger, widths on
 * both sides of the vector code's lanes and tiles. */
static const struct shape shapes[] = {
    {1, 1, 1, 1},  {5, 4, 1, 1},   {5, 7, 3, 3},  {7, 5, 2, 4},  {4, 4, 4, 4},  {3, 4, 5, 6},
    {1, 9, 1, 3},  {1, 40, 1, 7},  {30, 1, 4, 1}, {6, 1, 1, 3},  {1, 6, 3, 1},  {2, 3, 1, 9},
    {3, 2, 9, 1},  {1, 5, 1, 12},  {5, 1, 12, 1}, {3, 17, 3, 2}, {4, 33, 2, 5}, {2, 41, 3, 9},
    {3, 76, 2, 4}, {9, 12, 4, 11}, {2, 8, 2, 8},  {2, 9, 1, 9},  {2, 16, 3, 9}, {2, 100, 2, 35}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static size_t outputs(enum kr_convolution mode, size_t size, size_t taps)
{
    return mode == KR_CONVOLUTION_FULL   ? size + taps - 1
           : mode == KR_CONVOLUTION_SAME ? size
                                         : size - taps + 1;
}

static bool fits(enum kr_convolution mode, const struct shape *s)
{
    return mode != KR_CONVOLUTION_VALID || (s->taps_height <= s->height && s->taps_width <= s->width);
}

/* The sum of the header, entry by entry. */
static double *definition(struct kr_ctx *ctx, enum kr_convolution mode, const struct shape *s,
                          const double *taps)
{
    const size_t high = outputs(mode, s->height, s->taps_height),
                 wide = outputs(mode, s->width, s->taps_width), rows = high * wide;
    const long oi = mode == KR_CONVOLUTION_FULL   ? 0
                    : mode == KR_CONVOLUTION_SAME ? ((long)s->taps_height - 1) / 2
                                                  : (long)s->taps_height - 1,
               oj = mode == KR_CONVOLUTION_FULL   ? 0
                    : mode == KR_CONVOLUTION_SAME ? ((long)s->taps_width - 1) / 2
                                                  : (long)s->taps_width - 1;
    double *A = kr_alloc(ctx, rows * s->height * s->width, sizeof *A);
    for (size_t i = 0; i < high; i++)
        for (size_t j = 0; j < wide; j++)
            for (size_t a = 0; a < s->taps_height; a++)
                for (size_t b = 0; b < s->taps_width; b++) {
                    const long r = (long)i - (long)a + oi, q = (long)j - (long)b + oj;
                    if (r >= 0 && r < (long)s->height && q >= 0 && q < (long)s->width)
                        A[i * wide + j + ((size_t)r * s->width + (size_t)q) * rows] =
                            taps[a * s->taps_width + b];
                }
    return A;
}

START_TEST(is_its_definition)
{
    struct kr_ctx context, *ctx = &context;
    const enum kr_convolution mode = modes[_i / SHAPES];
    const struct shape *s = &shapes[_i % SHAPES];
    const size_t count = s->taps_height * s->taps_width;
    struct kr_op op;
    kr_ctx_init(ctx, 0);
    double *taps = normals(ctx, count, 1);
    if (!fits(mode, s)) {
        ck_assert_int_eq(
            kr_op_convolution(ctx, mode, s->height, s->width, s->taps_height, s->taps_width, taps, &op),
            KR_INVALID);
        kr_ctx_fini(ctx);
        return;
    }
    OK(kr_op_convolution(ctx, mode, s->height, s->width, s->taps_height, s->taps_width, taps, &op));
    ck_assert_uint_eq(op.rows,
                      outputs(mode, s->height, s->taps_height) * outputs(mode, s->width, s->taps_width));
    ck_assert_uint_eq(op.cols, s->height * s->width);
    double *A = definition(ctx, mode, s, taps);
    check_operator(ctx, &op, A, taps, count);
    check_entries(ctx, &op, A);
    kr_ctx_fini(ctx);
}
END_TEST

/* Rows longer than a piece, and enough of them for several slots of the pull: the same bits for any number of
 * threads, and the same numbers as sums in the order of the definition. */
START_TEST(long_rows_and_threads)
{
    enum { HIGH = 40, WIDE = 4500, P = 3, Q = 6, N = HIGH * WIDE };
    struct kr_ctx context, *ctx = &context;
    struct kr_op op;
    kr_ctx_init(ctx, 0);
    double *taps = normals(ctx, P * Q, 1), *x = normals(ctx, N, 2), *u = normals(ctx, N, 3), *wanted[3] = {0};
    OK(kr_op_convolution(ctx, KR_CONVOLUTION_SAME, HIGH, WIDE, P, Q, taps, &op));
    for (int threads = 1; threads <= 5; threads += 2) {
        double *y = normals(ctx, N, 4), *z = normals(ctx, N, 5), *grad = kr_alloc(ctx, P * Q, sizeof *grad);
        ctx->threads = threads;
        OK(kr_op_apply(ctx, &op, 1, x, y));
        OK(kr_op_apply_t(ctx, &op, 1, u, z));
        OK(kr_op_pull(ctx, &op, 1, u, x, 0.5, grad));
        if (threads == 1) {
            wanted[0] = y, wanted[1] = z, wanted[2] = grad;
            continue;
        }
        ck_assert_mem_eq(y, wanted[0], N * sizeof *y);
        ck_assert_mem_eq(z, wanted[1], N * sizeof *z);
        ck_assert_mem_eq(grad, wanted[2], P * Q * sizeof *grad);
    }
    double through = 0, by_grad = 0;
    for (long i = 0; i < HIGH; i++)
        for (long j = 0; j < WIDE; j++) {
            double y = 0;
            for (long a = 0; a < P; a++)
                for (long b = 0; b < Q; b++)
                    if (i - a + 1 >= 0 && i - a + 1 < HIGH && j - b + 2 >= 0 && j - b + 2 < WIDE)
                        y += taps[a * Q + b] * x[(i - a + 1) * WIDE + j - b + 2];
            CLOSE(wanted[0][i * WIDE + j], y, 10, 1e-14, "output %ld, %ld", i, j);
            through += u[i * WIDE + j] * y;
        }
    CLOSE(dot(N, wanted[1], x), through, N, 1e-12, "<A'u, x>");
    for (size_t t = 0; t < P * Q; t++)
        by_grad += wanted[2][t] * taps[t] / 0.5; /* A is linear in its taps */
    CLOSE(by_grad, through, N, 1e-12, "<grad, taps>");
    kr_ctx_fini(ctx);
}
END_TEST

/* An infinite pixel must reach what sees it and nothing else. */
START_TEST(infinities_stay_where_they_are)
{
    enum { WIDE = 60 };
    struct kr_ctx context, *ctx = &context;
    const double taps[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    struct kr_op op;
    kr_ctx_init(ctx, 0);
    double *x = kr_alloc(ctx, 5 * WIDE, sizeof *x), *y = normals(ctx, 5 * WIDE, 1);
    x[2 * WIDE + 30] = INFINITY;
    OK(kr_op_convolution(ctx, KR_CONVOLUTION_SAME, 5, WIDE, 3, 3, taps, &op));
    OK(kr_op_apply(ctx, &op, 1, x, y));
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < WIDE; j++)
            ck_assert_msg(y[i * WIDE + j] == (abs(i - 2) <= 1 && abs(j - 30) <= 1 ? INFINITY : 0),
                          "output %d, %d: %g", i, j, y[i * WIDE + j]);
    kr_ctx_fini(ctx);
}
END_TEST

static void refuse(struct kr_ctx *ctx, enum kr_convolution mode, const struct shape *s, const char *words)
{
    const double taps[12] = {0};
    struct kr_op op;
    ck_assert_int_eq(
        kr_op_convolution(ctx, mode, s->height, s->width, s->taps_height, s->taps_width, taps, &op),
        KR_INVALID);
    ck_assert_msg(strstr(ctx->error.detail, words), "%s", ctx->error.detail);
    kr_ctx_clear_error(ctx);
}

START_TEST(refusals)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    refuse(ctx, KR_CONVOLUTION_VALID, &(struct shape){3, 4, 4, 3}, "4 x 3 do not fit into an image of 3 x 4");
    refuse(ctx, KR_CONVOLUTION_VALID, &(struct shape){3, 4, 1, 5}, "do not fit");
    refuse(ctx, KR_CONVOLUTION_FULL, &(struct shape){3, 4, 0, 1}, "taps of 0 x 1");
    refuse(ctx, KR_CONVOLUTION_SAME, &(struct shape){3, 4, 1, 0}, "taps of 1 x 0");
    refuse(ctx, KR_CONVOLUTION_SAME, &(struct shape){0, 4, 1, 1}, "an image of 0 x 4");
    refuse(ctx, KR_CONVOLUTION_FULL, &(struct shape){SIZE_MAX, 4, 2, 1}, "cannot be addressed");
    refuse(ctx, KR_CONVOLUTION_FULL, &(struct shape){(size_t)1 << 33, (size_t)1 << 33, 1, 1},
           "cannot be addressed");
    refuse(ctx, (enum kr_convolution)7, &(struct shape){3, 4, 1, 1}, "mode 7");
    kr_ctx_fini(ctx);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {long_rows_and_threads, infinities_stay_where_they_are, refusals};
    Suite *made = suite_of("convolution", tests, sizeof tests / sizeof *tests);
    TCase *every = tcase_create("every shape");
    tcase_add_loop_test(every, is_its_definition, 0, 3 * SHAPES);
    suite_add_tcase(made, every);
    return made;
}
