/* The choice of inducing inputs. */
#include "approximations.h"

static struct kr_points chosen(const struct kr_dataset *data, size_t count, int select, uint64_t seed,
                               int threads)
{
    struct kr_gp_spec spec;
    struct kr_gp gp;
    spec_of(&spec, "mse");
    struct kr_inducing_options *options = inducing(&spec, count);
    options->select = select;
    options->seed = seed;
    ctx->threads = threads;
    OK(kr_gp_init(ctx, &spec, data, &gp));
    return gp.space->Z;
}

/* Mean squared distance of the training inputs to the nearest inducing input. */
static double spread(const struct kr_dataset *data, const struct kr_points *Z)
{
    struct kr_gp_spec spec;
    struct kr_gp gp;
    double sum = 0;
    spec_of(&spec, "mse");
    OK(kr_gp_init(ctx, &spec, data, &gp));
    const struct kr_points *x = &gp.train.x;
    for (size_t i = 0; i < x->n; i++) {
        double least = INFINITY;
        for (size_t j = 0; j < Z->n; j++) {
            double distance = 0;
            for (size_t k = 0; k < x->d; k++)
                distance += pow(x->x[k * x->ld + i] - Z->x[k * Z->ld + j], 2);
            least = fmin(least, distance);
        }
        sum += least;
    }
    return sum / (double)x->n;
}

START_TEST(inducing_inputs_are_chosen)
{
    const struct kr_dataset data = small_data(ctx, 400, false, 5);
    const size_t bytes = 12 * FEATURES * sizeof(double);
    for (int select = 0; select < 2; select++) {
        const struct kr_points one = chosen(&data, 12, select, 1, 1), again = chosen(&data, 12, select, 1, 3),
                               other = chosen(&data, 12, select, 2, 1);
        ck_assert_uint_eq(one.n, 12);
        ck_assert_mem_eq(one.x, again.x, bytes);
        ck_assert(memcmp(one.x, other.x, bytes) != 0);
    }
    const struct kr_points centres = chosen(&data, 12, KR_INDUCING_KMEANS, 1, 1),
                           random = chosen(&data, 12, KR_INDUCING_RANDOM, 1, 1);
    ck_assert_msg(spread(&data, &centres) < 0.8 * spread(&data, &random), "%g, random %g",
                  spread(&data, &centres), spread(&data, &random));
}
END_TEST

/* Categories have no centres: inducing inputs of a kernel that compares are training inputs. */
START_TEST(inducing_inputs_of_categories_are_among_them)
{
    struct kr_dataset data = small_data(ctx, N, false, 5);
    double *x = (double *)data.x;
    for (size_t i = 0; i < N; i++)
        x[i] = (double)(i % 4);
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_variant parts[2] = {leaf(ctx, kernel_type("rbf"), 2), leaf(ctx, kernel_type("hamming"), 0)};
    spec_of(&spec, "mse");
    composite(ctx, kernel_type("product"), 2, parts, &spec.model.kernel);
    inducing(&spec, 9);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const struct kr_points *Z = &gp.space->Z, *t = &gp.train.x;
    for (size_t j = 0; j < Z->n; j++) {
        bool found = false;
        for (size_t i = 0; i < t->n; i++)
            found |= Z->x[j] == t->x[i] && Z->x[Z->ld + j] == t->x[t->ld + i];
        ck_assert_msg(found, "inducing input %zu", j);
    }
    ck_assert(isfinite(loss_of(&gp)));
}
END_TEST

START_TEST(inducing_inputs_may_be_given)
{
    const struct kr_dataset data = small_data(ctx, N, false, 5);
    double rows[2 * FEATURES] = {0.1, 0.2, 0.3, -1, 0, 1};
    struct kr_gp_spec spec;
    struct kr_gp gp;
    spec_of(&spec, "mse");
    struct kr_inducing_options *options = inducing(&spec, 50);
    options->tune_inputs = true;
    options->inputs = (struct kr_matrix){2, FEATURES, rows};
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const size_t first = gp.noise_index + 1;
    ck_assert_uint_eq(gp.parameters.count, first + 2 * FEATURES);
    ck_assert_uint_eq(gp.space->inputs, first);
    ck_assert_str_eq(gp.parameters.items[first + 5].name, "approximation.inputs[1][2]");
    ck_assert_mem_eq(gp.start + first, rows, sizeof rows);
    double lower, upper;
    kr_parameter_bounds(&gp, first, &lower, &upper);
    ck_assert(lower == -INFINITY && upper == INFINITY);
    options->inputs.cols = 2;
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/approximation/inputs", "one column for each of 3");
}
END_TEST

FIXTURE_SUITE("inducing inputs", 60, inducing_inputs_are_chosen, inducing_inputs_of_categories_are_among_them,
              inducing_inputs_may_be_given)
