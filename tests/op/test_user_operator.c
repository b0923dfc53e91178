/*
 * An operator from outside: a sparse matrix whose non-zeros are its parameters. Everything a user writes is
 * the struct and four functions; the rest is what the library then does with it.
 */
#include "kriged/lstsq.h"

#include "../conform/models.h"

#include <cblas.h>

/* Compressed rows: entries start[i] to start[i + 1] of `column` and `value` belong to row i. */
struct sparse {
    const size_t *start, *column;
    const double *value;
};

static kr_status sparse_apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                              double *Y)
{
    const struct sparse *A = op->self;
    (void)ctx;
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < op->rows; i++) {
            double sum = 0;
            for (size_t e = A->start[i]; e < A->start[i + 1]; e++)
                sum += A->value[e] * X[c * op->cols + A->column[e]];
            Y[c * op->rows + i] = sum;
        }
    return KR_OK;
}

static kr_status sparse_apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                                double *Y)
{
    const struct sparse *A = op->self;
    (void)ctx;
    memset(Y, 0, op->cols * k * sizeof *Y);
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < op->rows; i++)
            for (size_t e = A->start[i]; e < A->start[i + 1]; e++)
                Y[c * op->cols + A->column[e]] += A->value[e] * X[c * op->rows + i];
    return KR_OK;
}

static kr_status sparse_pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U,
                             const double *V, double alpha, double *grad)
{
    const struct sparse *A = op->self;
    (void)ctx;
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < op->rows; i++)
            for (size_t e = A->start[i]; e < A->start[i + 1]; e++)
                grad[e] += alpha * U[c * op->rows + i] * V[c * op->cols + A->column[e]];
    return KR_OK;
}

static const struct kr_op_type sparse_type = {
    .name = "sparse", .apply = sparse_apply, .apply_t = sparse_apply_t, .pull = sparse_pull};

static struct kr_op sparse_op(size_t rows, size_t cols, const struct sparse *A)
{
    return (struct kr_op){.type = &sparse_type, .rows = rows, .cols = cols, .self = A};
}

/* ---- using it ---- */

enum { K = 2, A_ROW = 3 };

struct matrix {
    size_t rows, cols, count;
    double *value, *dense; /* the non-zeros, and where the tests compare, all entries column-major */
    struct sparse csr;
    struct kr_op op;
};

/* A_ROW random entries in each row, one of them on a wrapped diagonal, so that no column is empty. */
static void random_matrix(struct kr_ctx *ctx, size_t rows, size_t cols, struct matrix *out)
{
    size_t *start = kr_alloc(ctx, rows + 1, sizeof *start),
           *column = kr_alloc(ctx, rows * A_ROW, sizeof *column);
    struct kr_rng rng;
    *out = (struct matrix){.rows = rows, .cols = cols, .count = rows * A_ROW};
    out->value = kr_alloc(ctx, out->count, sizeof *out->value);
    out->dense = kr_alloc(ctx, rows * cols, sizeof *out->dense);
    kr_rng_init(&rng, 1, 1);
    for (size_t i = 0; i < rows; i++) {
        start[i + 1] = start[i] + A_ROW;
        for (size_t e = start[i]; e < start[i + 1]; e++) {
            column[e] = e == start[i] ? i % cols : (i + 1 + kr_rng_below(&rng, cols - 1)) % cols;
            out->value[e] = kr_rng_normal(&rng) + (e == start[i] ? 3 : 0);
            out->dense[i + column[e] * rows] += out->value[e];
        }
    }
    out->csr = (struct sparse){start, column, out->value};
    out->op = sparse_op(rows, cols, &out->csr);
}

static double *random_block(struct kr_ctx *ctx, size_t count, uint64_t seed)
{
    struct kr_rng rng;
    double *block = kr_alloc(ctx, count, sizeof *block);
    kr_rng_init(&rng, seed, 1);
    for (size_t i = 0; i < count; i++)
        block[i] = kr_rng_normal(&rng);
    return block;
}

/* L(A, b, lambda) = <C, LstSq(A, B, lambda)> for central differences. */
struct loss {
    struct kr_ctx *ctx;
    const struct kr_lstsq_options *options;
    const struct matrix *A;
    double *B, *C, *X, *R;
    double damping, *variable;
};

static double loss_at(void *self, double value)
{
    struct loss *loss = self;
    struct kr_ctx *ctx = loss->ctx;
    struct kr_mark mark = kr_mark(ctx);
    struct kr_lstsq problem;
    struct kr_lstsq_report report = {0};
    const double before = *loss->variable;
    *loss->variable = value;
    OK(kr_lstsq_open(ctx, loss->options, &loss->A->op, loss->damping, NULL, &problem));
    OK(kr_lstsq_solve(ctx, &problem, K, loss->B, NULL, loss->X, loss->R, NULL, &report));
    OK(kr_lstsq_require(ctx, &report));
    *loss->variable = before;
    kr_release(ctx, mark);
    return cblas_ddot((int)(K * loss->A->cols), loss->C, 1, loss->X, 1);
}

static const struct {
    size_t rows, cols;
    double damping;
} problems[] = {{30, 12, 0}, {12, 30, 0}, {14, 14, 0}, {30, 12, 0.7}, {12, 30, 0.7}};
enum { PROBLEMS = sizeof problems / sizeof *problems };

START_TEST(is_an_operator)
{
    struct kr_ctx context, *ctx = &context;
    struct matrix A;
    kr_ctx_init(ctx, 0);
    random_matrix(ctx, problems[_i].rows, problems[_i].cols, &A);
    OK(kr_op_check(ctx, &A.op, 3, 1, A.count, A.value));
    double *filled = kr_alloc(ctx, A.rows * A.cols, sizeof *filled);
    OK(kr_op_fill(ctx, &A.op, filled));
    ck_assert_mem_eq(filled, A.dense, A.rows * A.cols * sizeof *filled);
    kr_ctx_fini(ctx);
}
END_TEST

/* The normal equations of what is solved: A'(b - A x) = lambda^2 x, or A x = b where A is wide. */
START_TEST(is_solved)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq_options options;
    struct kr_lstsq problem;
    struct kr_lstsq_report report = {0};
    struct matrix A;
    kr_ctx_init(ctx, 0);
    random_matrix(ctx, problems[_i].rows, problems[_i].cols, &A);
    const int m = (int)A.rows, n = (int)A.cols;
    const double damping = problems[_i].damping;
    double *B = random_block(ctx, A.rows * K, 2), *X = random_block(ctx, A.cols * K, 3),
           *R = random_block(ctx, A.rows * K, 4), *G = kr_alloc(ctx, A.cols * K, sizeof *G);
    OK(kr_schema_init(ctx, &kr_lstsq_options_schema, &options));
    options.atol = options.btol = 1e-13;
    OK(kr_lstsq_open(ctx, &options, &A.op, damping, NULL, &problem));
    OK(kr_lstsq_solve(ctx, &problem, K, B, NULL, X, R, NULL, &report));
    OK(kr_lstsq_require(ctx, &report));
    memcpy(R, B, A.rows * K * sizeof *R);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, m, K, n, -1, A.dense, m, X, n, 1, R, m);
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, n, K, m, 1, A.dense, m, R, m, 0, G, n);
    for (size_t i = 0; i < A.cols * K; i++)
        CLOSE(G[i], damping * damping * X[i], 10, 1e-12, "normal equations, entry %zu", i);
    for (size_t i = 0; m <= n && damping == 0 && i < A.rows * K; i++)
        CLOSE(R[i], 0, 10, 1e-12, "residual %zu", i);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(is_differentiated)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq_options options;
    struct kr_lstsq problem;
    struct kr_lstsq_report report = {0};
    struct matrix A;
    kr_ctx_init(ctx, 0);
    random_matrix(ctx, problems[_i].rows, problems[_i].cols, &A);
    struct loss loss = {.ctx = ctx, .options = &options, .A = &A, .damping = problems[_i].damping};
    loss.B = random_block(ctx, A.rows * K, 2);
    loss.C = random_block(ctx, A.cols * K, 3);
    loss.X = random_block(ctx, A.cols * K, 4);
    loss.R = random_block(ctx, A.rows * K, 5);
    double *B_bar = random_block(ctx, A.rows * K, 6), *grad = kr_alloc(ctx, A.count, sizeof *grad),
           damping_bar = 0, scale = 0;
    OK(kr_schema_init(ctx, &kr_lstsq_options_schema, &options));
    options.atol = options.btol = 1e-14;
    OK(kr_lstsq_open(ctx, &options, &A.op, loss.damping, NULL, &problem));
    OK(kr_lstsq_solve(ctx, &problem, K, loss.B, NULL, loss.X, loss.R, NULL, &report));
    OK(kr_lstsq_pull(ctx, &problem, K, loss.X, loss.R, loss.C, B_bar, grad, &damping_bar, &report));
    OK(kr_lstsq_require(ctx, &report));
    for (size_t e = 0; e < A.count; e++)
        scale = fmax(scale, fabs(grad[e]));
    for (size_t e = 0; e < A.count; e++) {
        loss.variable = &A.value[e];
        CLOSE(grad[e], derivative(loss_at, &loss, A.value[e]), fmax(fabs(grad[e]), 1e-2 * scale), 1e-6,
              "non-zero %zu", e);
    }
    for (size_t i = 0; i < A.rows * K; i++) {
        loss.variable = &loss.B[i];
        CLOSE(B_bar[i], derivative(loss_at, &loss, loss.B[i]), 1, 1e-6, "right-hand side %zu", i);
    }
    if (loss.damping > 0) {
        loss.variable = &loss.damping;
        CLOSE(damping_bar, derivative(loss_at, &loss, loss.damping), fmax(1, fabs(damping_bar)), 1e-6,
              "damping");
    }
    kr_ctx_fini(ctx);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("user operator");
    TCase *all = tcase_create("every problem");
    tcase_add_loop_test(all, is_an_operator, 0, PROBLEMS);
    tcase_add_loop_test(all, is_solved, 0, PROBLEMS);
    tcase_add_loop_test(all, is_differentiated, 0, PROBLEMS);
    suite_add_tcase(made, all);
    return made;
}
