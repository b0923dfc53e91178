/*
 * The hot paths, one at a time, for a tool that counts instructions: hot_paths NAME runs the path of that
 * name once, on one thread, inside the function `counted`; without a name it lists them. Everything else
 * (data, memory, opening) happens outside.
 */
#include "../conform/models.h"

#undef OK
#define OK(expression)                                                                                       \
    do {                                                                                                     \
        if ((expression) != KR_OK) {                                                                         \
            fprintf(stderr, "%s: %s\n", #expression, ctx->error.detail);                                     \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

#include <stdlib.h>
#include <unistd.h>

static struct kr_ctx context, *ctx = &context;

enum { N = 400, BLOCK = 16 };

struct path {
    const char *name, *kernel, *loss, *solver;
    size_t columns;
    bool pull, single;
};

static const struct path paths[] = {
    {.name = "product", .kernel = "matern52", .columns = 1},
    {.name = "product_single", .kernel = "matern52", .columns = 1, .single = true},
    {.name = "product_block", .kernel = "matern52", .columns = BLOCK},
    {.name = "product_periodic", .kernel = "periodic", .columns = 1},
    {.name = "pull", .kernel = "matern52", .columns = 1, .pull = true},
    {.name = "pull_block", .kernel = "matern52", .columns = BLOCK, .pull = true},
    {.name = "gradient_mse_cg", .kernel = "matern52", .loss = "mse", .solver = "cg"},
    {.name = "gradient_nlpd_cholesky", .kernel = "matern52", .loss = "nlpd", .solver = "cholesky"},
    {.name = "gradient_evidence", .kernel = "matern52", .loss = "evidence", .solver = "cholesky"},
};
enum { PATHS = sizeof paths / sizeof paths[0] };

static struct {
    struct kr_op gram;
    struct kr_gp gp;
    struct kr_gp_spec spec;
    struct kr_dataset data;
    double *X, *Y, *grad;
} state;

static void open_path(const struct path *path)
{
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    struct kr_variant kernel;
    OK(kr_variant_init(ctx, &kr_kernel_registry, path->kernel, &kernel));
    *(bool *)member(kernel.options, ((const struct kr_kernel_type *)kernel.type)->ard) = true;
    state.data = small_data(ctx, N, false, 1);
    OK(kr_schema_init(ctx, &kr_gp_spec_schema, &state.spec));
    state.spec.model.kernel = kernel;
    OK(kr_variant_init(ctx, &kr_loss_registry, path->loss ? path->loss : "mse", &state.spec.objective.loss));
    OK(kr_variant_init(ctx, &kr_validation_registry, "fraction", &state.spec.objective.validation));
    if (path->solver)
        state.spec.solver.type = kr_registry_find(&kr_solver_registry, path->solver);
    OK(kr_gp_init(ctx, &state.spec, &state.data, &state.gp));
    const size_t n = state.gp.train.n;
    OK(kr_op_kernel(ctx, state.gp.kernel, state.gp.start, &state.gp.train.x, NULL, &state.gram));
    state.X = kr_alloc(ctx, n * BLOCK, sizeof *state.X);
    state.Y = kr_alloc(ctx, n * BLOCK, sizeof *state.Y);
    state.grad = kr_alloc(ctx, state.gp.parameters.count, sizeof *state.grad);
    for (size_t i = 0; i < n * BLOCK; i++)
        state.X[i] = sin((double)i);
}

void counted(const struct path *path);

__attribute__((noinline)) void counted(const struct path *path)
{
    struct kr_evaluation evaluation;
    const struct kr_op *op = path->single ? kr_op_single(&state.gram) : &state.gram;
    if (path->loss)
        OK(kr_objective_eval(ctx, &state.gp, state.gp.start, false, &evaluation, state.grad));
    else if (path->pull)
        OK(kr_op_pull(ctx, op, path->columns, state.X, state.X, 1, state.grad));
    else
        OK(kr_op_apply(ctx, op, path->columns, state.X, state.Y));
}

int main(int argc, char **argv)
{
    for (size_t p = 0; p < PATHS; p++) {
        if (argc < 2)
            puts(paths[p].name);
        else if (strcmp(paths[p].name, argv[1]) == 0) {
            open_path(&paths[p]);
            counted(&paths[p]);
            kr_ctx_fini(ctx);
            return EXIT_SUCCESS;
        }
    }
    return argc < 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}
