/* kr_op_check names what an operator does wrong. */
#include "broken.h"

START_TEST(defects_are_named)
{
    static const struct {
        enum defect defect;
        const char *words[4];
    } cases[] = {
        {UNSET, {"operator \"broken\" (7 x 5)", "A X leaves row 3 of column 0 of 3 not set"}},
        {ADDS, {"A X leaves row 0 of column 0 of 3 not set (or adds"}},
        {NAN_ENTRY, {"A X has nan in row 2 of column 2 of 3"}},
        {UNSET_ADJOINT, {"A'U leaves row 1 of column 0 of 3 not set"}},
        {INFINITE_ADJOINT, {"A'U has inf in row 4 of column 0 of 3"}},
        {WRITES_BEHIND, {"A X writes behind its 7 x 3 numbers, 1 at number 21"}},
        {SIGN, {"the adjoint is wrong", "(-1 times it)"}},
        {SCALE, {"the adjoint is wrong", "(0.5 times it)"}},
        {SHIFTED, {"the adjoint is wrong: <u, A x> = "}},
        {BLOCK_SWAPPED, {"A X of a block of 3 is not that of its columns", "alone"}},
        {BLOCK_ADJOINT, {"A'U of a block of 3 is not that of its columns", "of column 1 is"}},
        {PULL_SIGN, {"the pull is not the derivative", "by the pull", "by parameter"}},
        {PULL_FACTOR, {"the pull is not the derivative", "by parameter"}},
        {PULL_FORGETS_ALPHA, {"the pull is not the derivative", "by parameter"}},
        {PULL_FIRST_COLUMN, {"the pull is not the derivative", "by parameter"}},
        {PULL_ONE_WRONG, {"the pull is not the derivative", "by parameter 11 alone 0 and "}},
        {PULL_OVERWRITES, {"the pull must add alpha times the derivative", "parameter 0 held"}},
        {PULL_NAN, {"the pull makes the derivative by parameter 9 nan"}},
        {PULL_BEHIND, {"the pull writes behind its 35 parameters, 1 at number 35"}},
    };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    double *theta = normals(ctx, COUNT, 1);
    struct kr_op op = broken(ctx, NOTHING, M, N, theta);
    for (uint64_t seed = 0; seed < 100; seed++)
        OK(kr_op_check(ctx, &op, 3, seed, COUNT, theta));
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        op = broken(ctx, cases[c].defect, M, N, theta);
        refused(ctx, &op, 3, COUNT, theta, cases[c].words);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* A shape that does not tell: a square matrix whose adjoint is its product. */
START_TEST(forgotten_transposition)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    double *theta = normals(ctx, N * N, 1);
    struct kr_op op = broken(ctx, FORWARD_ADJOINT, N, N, theta);
    refused(ctx, &op, 1, N * N, theta, (const char *[]){"the adjoint is wrong", NULL});
    /* the same operator that says it is symmetric, and one that has a right adjoint */
    op.symmetric = true;
    refused(ctx, &op, 1, N * N, theta,
            (const char *[]){"it says that it is symmetric and is not", "<A u, x>", NULL});
    op = broken(ctx, NOTHING, N, N, theta);
    op.symmetric = true;
    refused(ctx, &op, 2, N * N, theta,
            (const char *[]){"it says that it is symmetric and is not", "in A u and", NULL});
    op = broken(ctx, NOTHING, M, N, theta);
    op.symmetric = true;
    refused(ctx, &op, 2, N * N, theta, (const char *[]){"symmetric and is not square", NULL});
    /* one that is symmetric but for one pair of entries, by a little */
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < i; j++)
            theta[i + N * j] = theta[j + N * i];
    op = broken(ctx, NOTHING, N, N, theta);
    op.symmetric = true;
    OK(kr_op_check(ctx, &op, 2, 5, 0, NULL)); /* entries are parameters of their own: no pull */
    theta[3] *= 1 + 1e-8;
    refused(ctx, &op, 2, 0, theta, (const char *[]){"it says that it is symmetric and is not", NULL});
    kr_ctx_fini(ctx);
}
END_TEST

/* The optional answers, each with a mistake; the entries are those of a dense matrix. */
static int lie;

static kr_status lying_fill(struct kr_ctx *ctx, const struct kr_op *op, double *A)
{
    const struct broken *self = op->self;
    KR_TRY(kr_op_fill(ctx, &self->dense, A));
    for (size_t j = 0; lie == 1 && j < op->cols; j++)
        A[2 + j * op->rows] = -A[2 + j * op->rows];
    return KR_OK;
}

static kr_status lying_diagonal(struct kr_ctx *ctx, const struct kr_op *op, double *out)
{
    const struct broken *self = op->self;
    (void)ctx;
    for (size_t i = 0; i < op->rows; i++)
        out[i] = self->theta[i + i * op->rows] * (lie == 2 ? 1 + 1e-6 : 1);
    return KR_OK;
}

static kr_status lying_columns(struct kr_ctx *ctx, const struct kr_op *op, size_t count, const size_t *index,
                               double *out)
{
    const struct broken *self = op->self;
    (void)ctx;
    for (size_t c = 0; c < count; c++) {
        const size_t from = lie == 3 ? (index[c] + 1) % op->cols : index[c];
        memcpy(out + c * op->rows, self->theta + from * op->rows, (op->rows - (lie == 4)) * sizeof *out);
    }
    return KR_OK;
}

static const struct kr_op *lying_shifted(const struct kr_op *op, double *D)
{
    const struct broken *self = op->self;
    for (size_t i = 0; i < op->rows; i++)
        D[i] = lie == 5 ? 1e-5 : 0;
    return &self->dense;
}

/* 1.001 A, and A with another shape. */
static kr_status lying_single_apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                                    double *Y)
{
    KR_TRY(broken_apply(ctx, op, k, X, Y));
    for (size_t i = 0; i < op->rows * k; i++)
        Y[i] *= 1.001;
    return KR_OK;
}

static const struct kr_op_type lying_single_type = {
    .name = "lying", .apply = lying_single_apply, .apply_t = broken_apply_t};
static struct kr_op single_form;

static const struct kr_op *lying_single(const struct kr_op *op)
{
    single_form = *op;
    single_form.type = lie == 6 ? &lying_single_type : &broken_type;
    single_form.symmetric = lie == 7;
    return &single_form;
}

START_TEST(optional_answers)
{
    static const char *const words[][2] = {{"fill says that row 2 of column"},
                                           {"diagonal says that row"},
                                           {"columns says that row 0 of column"},
                                           {"columns leaves row 4 of column 0 of 3 not set"},
                                           {"shifted says that A = B + diag(D), but row 0 of column 0 of 3"},
                                           {"its single precision form differs in A X of probe 0 by 0.001"},
                                           {"its single precision form is 5 x 5 and symmetric"}};
    struct kr_op_type type = broken_type;
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    double *theta = normals(ctx, N * N, 1);
    struct kr_op op = broken(ctx, NOTHING, N, N, theta);
    type.fill = lying_fill;
    type.diagonal = lying_diagonal;
    type.columns = lying_columns;
    type.shifted = lying_shifted;
    type.single = lying_single;
    op.type = &type;
    for (lie = 0; lie <= 7; lie++)
        if (lie == 0)
            OK(kr_op_check(ctx, &op, 3, 1, N * N, theta));
        else
            refused(ctx, &op, 3, N * N, theta, words[lie - 1]);
    kr_ctx_fini(ctx);
}
END_TEST

/* A failure of the operator itself is passed on as it is, and theta is put back. */
START_TEST(failures_pass_through)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    double *theta = normals(ctx, COUNT, 1), *before = normals(ctx, COUNT, 1);
    struct kr_op op = broken(ctx, APPLY_FAILS, M, N, theta);
    ck_assert_int_eq(kr_op_check(ctx, &op, 2, 1, COUNT, theta), KR_STORAGE);
    ck_assert_str_eq(ctx->error.detail, "the disk is gone");
    kr_ctx_clear_error(ctx);
    op = broken(ctx, PULL_FAILS, M, N, theta);
    ck_assert_int_eq(kr_op_check(ctx, &op, 2, 1, COUNT, theta), KR_STORAGE);
    ck_assert_mem_eq(theta, before, COUNT * sizeof *theta);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(half_a_type)
{
    struct kr_op_type type = {.name = "half", .apply = broken_apply};
    struct kr_ctx context, *ctx = &context;
    double theta = 0;
    kr_ctx_init(ctx, 0);
    struct kr_op op = {&type, 2, 2, false, NULL};
    refused(ctx, &op, 1, 0, &theta,
            (const char *[]){"operator \"half\" (2 x 2): its type has no apply_t", NULL});
    type.apply = NULL;
    refused(ctx, &op, 1, 0, &theta, (const char *[]){"its type has no apply", NULL});
    type.name = NULL;
    refused(ctx, &op, 1, 0, &theta, (const char *[]){"needs a name", NULL});
    op.type = NULL;
    refused(ctx, &op, 1, 0, &theta, (const char *[]){"needs a type", NULL});
    kr_ctx_fini(ctx);
}
END_TEST

/* An operator that has parameters and no pull for them. */
START_TEST(missing_pull)
{
    struct kr_op_type type = broken_type;
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    double *theta = normals(ctx, COUNT, 1), other[3] = {1, 0, -2};
    struct kr_op op = broken(ctx, NOTHING, M, N, theta);
    type.pull = NULL;
    op.type = &type;
    OK(kr_op_check(ctx, &op, 2, 1, 0, NULL));
    OK(kr_op_check(ctx, &op, 2, 1, 3, other)); /* not its parameters */
    refused(ctx, &op, 2, COUNT, theta,
            (const char *[]){"the pull is not the derivative", "0 by the pull", NULL});
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("check", defects_are_named, optional_answers, forgotten_transposition, failures_pass_through,
      half_a_type, missing_pull)
