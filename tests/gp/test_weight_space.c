/*
 * Approximations against the Gaussian process that they stand for: with covariance phi(x)'phi(z), by dense
 * algebra; against the exact one where they are exact, or nearly; what is refused, and what is told.
 */
#include "approximations.h"
#include "kriged/calibration.h"
#include "kriged/differentiate.h"

/* The loss of the dense predictions; each fold from all other rows, the order of points kept. */
static double loss_dense(const struct kr_gp *gp)
{
    const struct kr_loss_type *loss = (const struct kr_loss_type *)gp->spec->objective.loss.type;
    const struct dense d = dense_of(gp, &gp->fit);
    const size_t m = gp->validation.n, folds = gp->form == KR_FOLDS ? gp->folds.count : 1;
    double *mean = kr_alloc(ctx, m, sizeof *mean), *variance = kr_alloc(ctx, m, sizeof *mean),
           *bar = kr_alloc(ctx, 2 * m, sizeof *bar), value;
    for (size_t f = 0; f < folds; f++) {
        const size_t first = gp->form == KR_FOLDS ? gp->folds.first[f] : 0,
                     count = gp->form == KR_FOLDS ? gp->folds.first[f + 1] - first : m;
        size_t *train = kr_alloc(ctx, N, sizeof *train), *held = kr_alloc(ctx, N, sizeof *held);
        ck_assert_uint_eq(places(gp, &gp->validation, first, count, true, held), count);
        const size_t n = places(gp, &gp->validation, first, count, false, train);
        predict_dense(&d, n, train, count, held, mean + first, variance + first);
    }
    loss->eval(gp->spec->objective.loss.options, m, gp->validation.y, mean, variance, &value, bar, bar + m);
    return value;
}

/* kfold lists the points of a fold in ascending rows, as `places` does. */
START_TEST(losses_are_those_of_the_dense_process)
{
    static const char *const validations[] = {"rows", "leave_one_out", "kfold"};
    for (int noise = 0; noise < 2; noise++) {
        const struct kr_dataset data = small_data(ctx, N, noise, 5);
        for (int method = 0; method < 2; method++)
            for (size_t v = 0; v < 3; v++)
                for (int usual = 0; usual < 2; usual++) {
                    struct kr_gp_spec spec;
                    struct kr_gp gp;
                    spec_of(&spec, usual ? "mse" : "nlpd");
                    if (method)
                        inducing(&spec, 9);
                    else
                        fourier(&spec, 20);
                    if (v)
                        OK(kr_variant_init(ctx, &kr_validation_registry, validations[v],
                                           &spec.objective.validation));
                    OK(kr_gp_init(ctx, &spec, &data, &gp));
                    const double got = loss_of(&gp), wanted = loss_dense(&gp);
                    CLOSE(got, wanted, 1, 1e-11, "%s, %s, %s", method ? "inducing" : "fourier",
                          validations[v], usual ? "mse" : "nlpd");
                }
    }
}
END_TEST

/* log det and quadratic form of the dense covariance of the training rows. */
START_TEST(the_evidence_is_that_of_the_dense_process)
{
    for (int method = 0; method < 2; method++) {
        const struct kr_dataset data = small_data(ctx, N, method, 5);
        struct kr_gp_spec spec;
        struct kr_gp gp;
        spec_of(&spec, "evidence");
        if (method)
            inducing(&spec, 9);
        else
            fourier(&spec, 20);
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        const struct dense d = dense_of(&gp, &gp.train);
        const int n = (int)d.n, one = 1;
        int info;
        double *A = kr_alloc(ctx, d.n * d.n, sizeof *A), *b = kr_alloc(ctx, d.n, sizeof *b),
               sum = (double)n * log(2 * M_PI);
        for (size_t j = 0; j < d.n; j++) {
            for (size_t i = 0; i < d.n; i++)
                A[i + j * d.n] = q(&d, i, j) + (i == j ? noise_at(&d, i) : 0);
            b[j] = d.part->y[j] - d.mean[j];
        }
        dposv_("L", &n, &one, A, &n, b, &n, &info);
        ck_assert_int_eq(info, 0);
        for (size_t j = 0; j < d.n; j++)
            sum += (d.part->y[j] - d.mean[j]) * b[j] + 2 * log(A[j * (d.n + 1)]);
        CLOSE(loss_of(&gp), sum / (2 * n), 1, 1e-12, "method %d", method);
    }
}
END_TEST

static double exact_loss(struct kr_gp_spec *spec, const struct kr_dataset *data)
{
    const struct kr_variant approximation = spec->model.approximation;
    struct kr_gp gp;
    OK(kr_variant_init(ctx, &kr_approximation_registry, "exact", &spec->model.approximation));
    spec->solver.type = kr_registry_find(&kr_solver_registry, "cholesky");
    OK(kr_gp_init(ctx, spec, data, &gp));
    const double loss = loss_of(&gp);
    spec->solver.type = NULL;
    spec->model.approximation = approximation;
    return loss;
}

/* Every training input is an inducing input: K(X, Z) K(Z, Z)^-1 K(Z, X) = K(X, X). */
START_TEST(inducing_inputs_at_all_rows_are_exact)
{
    static const char *const losses[] = {"nlpd", "mse", "crps"};
    for (size_t l = 0; l < 3; l++)
        for (int each = 0; each < 2; each++) {
            const struct kr_dataset data = small_data(ctx, N, true, 5);
            struct kr_gp_spec spec;
            struct kr_gp gp;
            spec_of(&spec, losses[l]);
            spec.model.kernel = leaf(ctx, kernel_type("matern32"), 1);
            if (each)
                OK(kr_variant_init(ctx, &kr_validation_registry, "leave_one_out",
                                   &spec.objective.validation));
            inducing(&spec, each ? N : N - N / 5)->select = KR_INDUCING_RANDOM;
            OK(kr_gp_init(ctx, &spec, &data, &gp));
            CLOSE(loss_of(&gp), exact_loss(&spec, &data), 1, 1e-10, "%s", losses[l]);
        }
}
END_TEST

/* The error falls as 1/sqrt(p): averaged over seeds, sixteen times the features leave about a quarter. */
START_TEST(many_fourier_features_approach_the_exact_process)
{
    const struct kr_dataset data = small_data(ctx, N, false, 5);
    double error[2] = {0, 0};
    struct kr_gp_spec spec;
    spec_of(&spec, "nlpd");
    const double exact = exact_loss(&spec, &data);
    for (int size = 0; size < 2; size++)
        for (uint64_t seed = 0; seed < 8; seed++) {
            struct kr_gp gp;
            fourier(&spec, size ? 4096 : 256)->seed = seed;
            OK(kr_gp_init(ctx, &spec, &data, &gp));
            error[size] += fabs(loss_of(&gp) - exact) / 8;
        }
    ck_assert_msg(error[1] < 0.02 * fmax(fabs(exact), 0.5), "%g of %g", error[1], exact);
    ck_assert_msg(error[1] < 0.5 * error[0] && error[1] > 0.1 * error[0], "%g after %g", error[1], error[0]);
}
END_TEST

/* The spread is what the calibration constraint says of leave-one-out, less its target; scaled by it, it
 * is 1. */
START_TEST(calibration_scales_the_spread_to_one)
{
    const struct kr_dataset data = small_data(ctx, N, false, 5);
    struct kr_variant constraint;
    OK(kr_variant_init(ctx, &kr_constraint_registry, "calibration", &constraint));
    for (int method = 0; method < 2; method++) {
        struct kr_gp_spec spec;
        struct kr_gp gp;
        struct kr_gp_constraints constraints;
        struct kr_evaluation evaluation;
        spec_of(&spec, "mse");
        OK(kr_variant_init(ctx, &kr_validation_registry, "leave_one_out", &spec.objective.validation));
        if (method)
            inducing(&spec, 9);
        else
            fourier(&spec, 20);
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        OK(kr_gp_constrain(ctx, &gp, &(struct kr_variants){1, &constraint}, "/constraints", &constraints));
        bool *scales = kr_alloc(ctx, gp.parameters.count, sizeof *scales);
        double spread, c, again;
        size_t rows;
        OK(kr_gp_scales(ctx, &gp, "", scales));
        OK(kr_gp_leave_one_out_spread(ctx, &gp, gp.start, &spread, &rows));
        OK(kr_objective_constrained(ctx, &gp, &constraints, gp.start, true, &evaluation, NULL, &c, NULL));
        ck_assert_uint_eq(rows, N);
        CLOSE(spread, c + 1, spread, 1e-11, "method %d", method);
        const double before = evaluation.loss;
        for (size_t p = 0; p < gp.parameters.count; p++)
            gp.start[p] *= scales[p] ? spread : 1;
        OK(kr_gp_leave_one_out_spread(ctx, &gp, gp.start, &again, NULL));
        CLOSE(again, 1, 1, 1e-10, "scaled, method %d", method);
        CLOSE(loss_of(&gp), before, before, 1e-10, "the mean stays, method %d", method);
    }
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    struct kr_dataset data = small_data(ctx, N, false, 5);
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    spec_of(&spec, "nlpd");
    fourier(&spec, 20);
    spec.solver.type = kr_registry_find(&kr_solver_registry, "cg");
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/solver/type", "least-squares");
    spec.solver.type = kr_registry_find(&kr_solver_registry, "lsmr");
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_variant_init(ctx, &kr_preconditioner_registry, "jacobi", &spec.solver.preconditioner));
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/solver/preconditioner/type", "jacobi");
    spec_of(&spec, "nlpd");
    inducing(&spec, 50);
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/approximation/count", "found 48");
    inducing(&spec, 50)->select = KR_INDUCING_RANDOM;
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/approximation/count", "found 48");
    spec.model.kernel = leaf(ctx, kernel_type("white"), 0);
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/kernel", "white noise alone");
    spec_of(&spec, "nlpd");
    spec.model.kernel = leaf(ctx, kernel_type("rbf"), 0);
    spec.model.standardize = (struct kr_standardize_spec){false, false};
    fourier(&spec, 20);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const struct kr_data_gradient wanted = {.y = kr_alloc(ctx, N, sizeof(double))};
    REFUSED(kr_objective_differentiate(ctx, &gp, gp.start, false, &evaluation,
                                       kr_alloc(ctx, gp.parameters.count, sizeof(double)), &wanted),
            "/model/approximation", "exact");
    gp.start[gp.noise_index] = 0;
    REFUSED(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, NULL), "/model/noise/variance",
            "positive");
    gp.start[gp.noise_index] = NAN;
    REFUSED(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, NULL), "/model/noise/variance",
            "positive");
    gp.start[gp.noise_index] = 0.1;
    gp.start[0] = INFINITY;
    ck_assert_int_eq(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, NULL), KR_NON_FINITE);
}
END_TEST

/* A smooth kernel and ever more inducing inputs: K(Z, Z) is singular to double precision in the end, and
 * solves still end in a step or two, with the loss of the exact process. */
START_TEST(ill_conditioned_inducing_inputs)
{
    const struct kr_dataset data = small_data(ctx, 400, false, 5);
    struct kr_gp_spec spec;
    double jitter = 0;
    spec_of(&spec, "nlpd");
    spec.model.kernel = leaf(ctx, kernel_type("rbf"), 2);
    OK(kr_variant_init(ctx, &kr_validation_registry, "leave_one_out", &spec.objective.validation));
    const double exact = exact_loss(&spec, &data);
    for (size_t count = 50; count <= 200; count += 50) {
        struct kr_gp gp;
        struct kr_evaluation evaluation;
        inducing(&spec, count);
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation,
                             kr_alloc(ctx, gp.parameters.count, sizeof(double))));
        ck_assert_int_eq(evaluation.solver.stop, KR_STOP_RTOL);
        ck_assert_uint_le(evaluation.solver.iterations, 6);
        ck_assert(fabs(evaluation.value_error) < 1e-8);
        ck_assert(evaluation.jitter >= jitter);
        jitter = evaluation.jitter;
        if (count == 200)
            CLOSE(evaluation.loss, exact, 1, 1e-4, "%zu inducing inputs", count);
    }
    ck_assert(jitter > 0 && jitter <= 1e-6);
}
END_TEST

/* Inducing inputs that say the same need jitter, which an evaluation tells. */
START_TEST(jitter_is_told)
{
    const struct kr_dataset data = small_data(ctx, N, false, 5);
    double rows[2 * FEATURES] = {0.1, 0.2, 0.3, 0.1, 0.2, 0.3};
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    spec_of(&spec, "nlpd");
    spec.model.kernel = leaf(ctx, kernel_type("rbf"), 0);
    inducing(&spec, 2)->inputs = (struct kr_matrix){2, FEATURES, rows};
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation,
                         kr_alloc(ctx, gp.parameters.count, sizeof(double))));
    ck_assert(evaluation.jitter == 1e-10);
    inducing(&spec, 2)->inputs = (struct kr_matrix){1, FEATURES, rows};
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    CLOSE(loss_of(&gp), evaluation.loss, 1, 1e-9, "twice the same input is once that input");
}
END_TEST

/* What an evaluation takes is at most what was said before, and not far from it. */
START_TEST(memory_is_foretold)
{
    static const char *const validations[] = {"rows", "leave_one_out", "kfold"};
    const struct kr_dataset data = small_data(ctx, 30000, true, 5);
    for (int method = 0; method < 2; method++)
        for (size_t v = 0; v < 3; v++) {
            struct kr_gp_spec spec;
            struct kr_gp gp;
            struct kr_evaluation evaluation;
            struct kr_ctx own;
            spec_of(&spec, "nlpd");
            if (method)
                inducing(&spec, 100)->tune_inputs = true;
            else
                fourier(&spec, 100);
            if (v)
                OK(kr_variant_init(ctx, &kr_validation_registry, validations[v], &spec.objective.validation));
            OK(kr_gp_init(ctx, &spec, &data, &gp));
            double *grad = kr_alloc(ctx, gp.parameters.count, sizeof *grad);
            kr_ctx_init(&own, 0);
            own.threads = 16;
            ck_assert_int_eq(kr_objective_eval(&own, &gp, gp.start, true, &evaluation, grad), KR_OK);
            const size_t said = kr_objective_bytes(&gp, NULL, 0, true, 0);
            ck_assert_msg(own.peak <= said, "%s: %zu KiB of %zu", validations[v], own.peak / 1024,
                          said / 1024);
            ck_assert_msg(own.peak > said / 4, "%s: %zu KiB of %zu", validations[v], own.peak / 1024,
                          said / 1024);
            kr_ctx_fini(&own);
            ctx->budget = ctx->used + said / 2;
            ck_assert_int_eq(kr_objective_fits(ctx, &gp, true, 0), KR_MEMORY_LIMIT);
            ck_assert_str_eq(ctx->error.pointer, "/model/approximation/count");
            kr_ctx_clear_error(ctx);
            ctx->budget = ctx->used + said + 1;
            OK(kr_objective_fits(ctx, &gp, true, 0));
            ctx->budget = 0;
        }
}
END_TEST

FIXTURE_SUITE("weight space", 60, losses_are_those_of_the_dense_process,
              the_evidence_is_that_of_the_dense_process, inducing_inputs_at_all_rows_are_exact,
              many_fourier_features_approach_the_exact_process, what_does_not_fit_is_refused,
              calibration_scales_the_spread_to_one, ill_conditioned_inducing_inputs, jitter_is_told,
              memory_is_foretold)
