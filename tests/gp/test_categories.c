/* Features with categories in a model: not standardised, seen by hamming alone, recoded from another data
 * set. */
#include "kriged/categories.h"
#include "kriged/differentiate.h"
#include "specs.h"

enum { N = 24 };
static struct kr_ctx context, *ctx;
static struct kr_dataset data;
static struct kr_gp_spec spec;
static struct kr_texts categories[2];

static void setup(void)
{
    static const char *const names[] = {"colour", "size"};
    static const char *texts[] = {"blue", "green", "red"};
    ctx = &context;
    kr_ctx_init(ctx, 0);
    double *x = kr_alloc(ctx, 2 * N, sizeof *x), *y = kr_alloc(ctx, N, sizeof *y);
    struct kr_rng rng;
    kr_rng_init(&rng, 4, 4);
    for (size_t i = 0; i < N; i++) {
        x[i] = (double)(i % 3);
        x[N + i] = 10 + 3 * kr_rng_normal(&rng);
        y[i] = x[i] * x[i] + 0.3 * x[N + i] + 0.1 * kr_rng_normal(&rng);
    }
    categories[0] = (struct kr_texts){3, texts};
    categories[1] = (struct kr_texts){0};
    data = (struct kr_dataset){
        .n = N, .d = 2, .x = x, .y = y, .feature_names = names, .target_name = "y", .categories = categories};
    plain_spec(ctx, &spec);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static void see(struct kr_variant *kernel, size_t feature)
{
    struct kr_features *features =
        member(kernel->options, ((const struct kr_kernel_type *)kernel->type)->features);
    features->count = 1;
    features->items = kr_alloc(ctx, 1, sizeof *features->items);
    features->items->index = feature;
}

/* rbf of the size times a kernel of the colour, plus a constant */
static void take_kernel(const char *name)
{
    struct kr_variant parts[2], whole[2];
    for (int i = 0; i < 2; i++) {
        OK(kr_variant_init(ctx, &kr_kernel_registry, i ? name : "rbf", &parts[i]));
        see(&parts[i], i ? 0 : 1);
    }
    composite(ctx, kernel_type("product"), 2, parts, &whole[1]);
    OK(kr_variant_init(ctx, &kr_kernel_registry, "constant", &whole[0]));
    composite(ctx, kernel_type("sum"), 2, whole, &spec.model.kernel);
}

START_TEST(codes_stay_codes)
{
    struct kr_gp gp, plain;
    struct kr_evaluation got, wanted;
    struct kr_dataset numbers = data;
    take_kernel("hamming");
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert(gp.scale.x_mean[0] == 0 && gp.scale.x_sd[0] == 1 && gp.x_spread[0] == 1);
    ck_assert(gp.scale.x_mean[1] > 5 && gp.scale.x_sd[1] > 1);
    for (size_t i = 0; i < gp.train.n; i++)
        ck_assert(gp.train.x.x[i] == data.x[gp.train.rows[i]]);
    OK(kr_objective_eval(ctx, &gp, gp.start, true, &got, NULL));
    numbers.categories = NULL; /* standardised numbers differ where codes do */
    OK(kr_gp_init(ctx, &spec, &numbers, &plain));
    OK(kr_objective_eval(ctx, &plain, plain.start, true, &wanted, NULL));
    CLOSE(got.loss, wanted.loss, 1, 1e-14, "loss");
}
END_TEST

START_TEST(other_kernels_and_means_are_refused)
{
    static const char *const names[] = {"rbf",        "matern12",   "periodic", "linear",
                                        "polynomial", "arc_cosine", "wendland"};
    struct kr_gp gp;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        take_kernel(names[i]);
        REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/kernel/kernels/1/kernels/1", "\"colour\"");
    }
    OK(kr_variant_init(ctx, &kr_kernel_registry, "rbf", &spec.model.kernel)); /* all features */
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/kernel", "only hamming may");
    take_kernel("hamming");
    OK(kr_variant_init(ctx, &kr_mean_registry, "linear", &spec.model.mean));
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/mean", "categories");
    OK(kr_variant_init(ctx, &kr_mean_registry, "constant", &spec.model.mean));
    OK(kr_variant_init(ctx, &kr_approximation_registry, "inducing", &spec.model.approximation));
    struct kr_inducing_options *options = spec.model.approximation.options;
    options->count = 5;
    options->tune_inputs = true;
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/approximation/tune_inputs", "categories");
    options->tune_inputs = false;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    for (size_t i = 0; i < 5; i++) /* chosen among the codes that there are */
        ck_assert(gp.space->Z.x[i] == 0 || gp.space->Z.x[i] == 1 || gp.space->Z.x[i] == 2);
}
END_TEST

/* Another order of texts, fewer of them, features the other way around. */
START_TEST(another_data_set_is_recoded)
{
    static const char *const names[] = {"size", "colour"}, *texts[] = {"green", "red"};
    const double x[] = {9, 10, 11, 1, 0, 1}, y[] = {1, 2, 3};
    struct kr_texts own[] = {{0}, {2, (const char **)(uintptr_t)texts}};
    struct kr_dataset other = {
        .n = 3, .d = 2, .x = x, .y = y, .feature_names = names, .target_name = "y", .categories = own};
    struct kr_gp gp;
    take_kernel("hamming");
    OK(kr_variant_init(ctx, &kr_validation_registry, "dataset", &spec.objective.validation));
    OK(kr_gp_init_with(ctx, &spec, &data, &other, &gp));
    ck_assert(gp.validation.x.x[0] == 2 && gp.validation.x.x[1] == 1 && gp.validation.x.x[2] == 2);
    CLOSE(gp.validation.x.x[3], (9 - gp.scale.x_mean[1]) / gp.scale.x_sd[1], 1, 1e-15, "size");
    texts[0] = "grey";
    REFUSED(kr_gp_init_with(ctx, &spec, &data, &other, &gp), "/validation_data", "row 1 has \"grey\"");
    other.categories = NULL;
    REFUSED(kr_gp_init_with(ctx, &spec, &data, &other, &gp), "/validation_data", "has numbers as \"colour\"");
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("categories in models");
    TCase *tcase = tcase_create("categories in models");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, codes_stay_codes);
    tcase_add_test(tcase, other_kernels_and_means_are_refused);
    tcase_add_test(tcase, another_data_set_is_recoded);
    suite_add_tcase(made, tcase);
    return made;
}
