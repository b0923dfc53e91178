#include "wire_fixture.h"

#include "kriged/gp.h"
#include "kriged/opt.h"

/* Reads, writes, and returns the text of what was written; the struct stays in `out`. */
static char *read_and_write(struct kr_ctx *ctx, const struct kr_schema *schema, const char *text, void *out)
{
    kr_status status = read_text(ctx, schema, text, out);
    ck_assert_msg(status == KR_OK, "%s: %s: %s", text, ctx->error.pointer, ctx->error.detail);
    return dump_and_free(kr_wire_write(schema, out));
}

/* What is written is `expected`, and reads back as what writes the same. */
static void check_round_trip(const struct kr_schema *schema, const char *text, const char *expected)
{
    struct kr_ctx ctx, again;
    void *first = calloc(1, schema->size), *second = calloc(1, schema->size);
    char *written = read_and_write(&ctx, schema, text, first);
    char *rewritten = read_and_write(&again, schema, written, second);
    ck_assert_str_eq(written, expected);
    ck_assert_str_eq(rewritten, expected);
    kr_ctx_fini(&ctx);
    kr_ctx_fini(&again);
    free(written);
    free(rewritten);
    free(first);
    free(second);
}

#define EXACT     "\"approximation\":{\"type\":\"exact\"}"
#define SAME      "\"target_transform\":{\"type\":\"none\"},"
#define PLAIN     SAME "\"standardize\":{\"x\":true,\"y\":true}," EXACT
#define ZERO_MEAN "\"mean\":{\"type\":\"zero\"}"

START_TEST(defaults_are_written)
{
    check_round_trip(
        &kr_model_spec_schema, "{\"kernel\": {\"type\": \"rbf\"}}",
        "{\"kernel\":{\"type\":\"rbf\",\"variance\":1.0,\"lengthscale\":1.0,\"ard\":false}," ZERO_MEAN
        ",\"noise\":{\"variance\":0.1}," PLAIN "}");
    check_round_trip(&kr_solver_options_schema, "{}",
                     "{\"type\":\"auto\",\"rtol\":1e-8,\"preconditioner\":{\"type\":\"auto\"},\"precision\":"
                     "\"auto\",\"max_iterations\":0}");
}
END_TEST

START_TEST(a_nested_kernel_comes_back)
{
    check_round_trip(&kr_model_spec_schema,
                     "{\"noise\": {\"variance\": {\"value\": 0, \"fixed\": true}}, \"kernel\": {\"type\": "
                     "\"sum\", \"kernels\": ["
                     "{\"type\": \"product\", \"kernels\": ["
                     "{\"type\": \"rbf\", \"variance\": {\"value\": 2, \"bounds\": [0.5, 8]}, "
                     "\"lengthscale\": [1, {\"value\": 0.3, \"fixed\": true}], "
                     "\"features\": [\"age\", 3]}, "
                     "{\"type\": \"matern32\", \"lengthscale\": {\"value\": 1e-30, \"fixed\": true, "
                     "\"bounds\": [1e-30, 1e30]}, \"ard\": true}]}, "
                     "{\"type\": \"constant\", \"variance\": [3]}]}}",
                     "{\"kernel\":{\"type\":\"sum\",\"kernels\":["
                     "{\"type\":\"product\",\"kernels\":["
                     "{\"type\":\"rbf\",\"variance\":{\"value\":2.0,\"fixed\":false,\"bounds\":[0.5,8.0]},"
                     "\"lengthscale\":[1.0,{\"value\":0.3,"
                     "\"fixed\":true}],\"ard\":false,\"features\":[\"age\",3]},"
                     "{\"type\":\"matern32\",\"variance\":1.0,\"lengthscale\":{\"value\":1e-30,\"fixed\":"
                     "true,\"bounds\":[1e-30,1e+30]},\"ard\":true}]},"
                     "{\"type\":\"constant\",\"variance\":[3.0]}]}," ZERO_MEAN
                     ",\"noise\":{\"variance\":{\"value\":0.0,\"fixed\":true}}," PLAIN "}");
}
END_TEST

START_TEST(a_whole_request_comes_back)
{
    check_round_trip(
        &kr_gp_spec_schema,
        "{\"objective\": {\"validation\": {\"type\": \"rows\", \"rows\": [5, 1e1]}, \"loss\": \"nlpd\"}, "
        "\"model\": {\"kernel\": {\"type\": \"matern52\"}, \"mean\": {\"type\": \"constant\", \"value\": "
        "-1.5}, "
        "\"standardize\": {\"y\": false}}, \"test\": {\"fraction\": 0.1, \"seed\": 9007199254740991}, "
        "\"solver\": {\"type\": \"cg\", \"rtol\": 1e-6, \"preconditioner\": {\"type\": \"none\"}, "
        "\"precision\": \"double\", "
        "\"max_iterations\": 500, \"memory_bytes\": 1000000000, \"seconds\": 0.5}}",
        "{\"model\":{\"kernel\":{\"type\":\"matern52\",\"variance\":1.0,\"lengthscale\":1.0,\"ard\":false},"
        "\"mean\":{\"type\":\"constant\",\"value\":-1.5},\"noise\":{\"variance\":0.1}," SAME
        "\"standardize\":{\"x\":"
        "true,\"y\":false}," EXACT "},"
        "\"objective\":{\"loss\":\"nlpd\",\"validation\":{\"type\":\"rows\",\"rows\":[5,10]},\"variance\":{"
        "\"method\":\"auto\",\"points\":32,\"neighbours\":256,\"tolerance\":0.01,\"seed\":0}},"
        "\"test\":{\"fraction\":0.1,\"seed\":9007199254740991},"
        "\"solver\":{\"type\":\"cg\",\"rtol\":1e-6,\"preconditioner\":{\"type\":\"none\"},\"precision\":"
        "\"double\","
        "\"max_iterations\":500,\"memory_bytes\":1000000000,\"seconds\":0.5}}");
}
END_TEST

#define REST ",\"part\":{\"type\":\"bare\"},\"noise\":0.1,\"numbers\":[]"

START_TEST(every_kind_comes_back)
{
    check_round_trip(
        &everything_schema,
        "{\"needed\": 1, \"count\": 3, \"bytes\": 1e6, \"score\": -0.0, \"note\": \"n\", \"method\": "
        "\"mse\", "
        "\"aim\": {\"loss\": \"huber\", \"delta\": 2, \"folds\": 7}, \"maybe\": {\"at\": 1, \"label\": "
        "\"\"}, \"points\": [{\"at\": 2}], "
        "\"part\": {\"type\": \"bare\"}, \"parts\": [{\"type\": \"bare\"}], \"rows\": [0], \"numbers\": "
        "[0.1], "
        "\"x\": [[1, 2], [3, 4]], \"y\": [[1, 2], [3, 4]], \"cells\": [[1, \"a\"], [\"b\", 4]], \"scale\": "
        "[1, 2], \"names\": [\"\u00e9\"], "
        "\"labels\": {\"z\": \"y\", \"a\": \"b\"}, "
        "\"values\": {\"p\": null, \"q\": 2}}",
        "{\"needed\":1.0,\"on\":true,\"count\":3,\"bytes\":1000000,\"seed\":7,\"share\":0.5,\"score\":-0.0,"
        "\"text\":\"hello\",\"note\":\"n\","
        "\"colour\":\"blue\",\"row\":\"huber\",\"method\":\"mse\",\"aim\":{\"loss\":\"huber\",\"delta\":2.0,"
        "\"scaled\":true,\"folds\":7},"
        "\"maybe\":{\"at\":1.0,\"label\":\"\"},\"points\":[{\"at\":2.0}],\"part\":{\"type\":\"bare\"},"
        "\"parts\":[{\"type\":\"bare\"}],"
        "\"noise\":0.1,\"rows\":[0],\"numbers\":[0.1],\"x\":[[1.0,2.0],[3.0,4.0]],\"y\":[[1.0,2.0],[3.0,4.0]]"
        ",\"cells\":[[1.0,\"a\"],[\"b\",4.0]],"
        "\"scale\":[1.0,2.0],\"names\":[\"\u00e9\"],"
        "\"labels\":{\"z\":\"y\",\"a\":\"b\"},\"values\":{\"p\":null,\"q\":2.0}}");
}
END_TEST

/* One number is written as one, one column as numbers; rows of one number are such a column. */
START_TEST(single_columns_and_numbers_are_plain)
{
    check_round_trip(&everything_schema,
                     BODY(", \"part\": {\"type\": \"bare\"}, \"y\": [[1], [2]], \"scale\": [3]"),
                     "{\"needed\":0.5,\"on\":true,\"count\":200,\"seed\":7,\"share\":0.5,\"score\":null,"
                     "\"text\":\"hello\",\"note\":null,"
                     "\"colour\":\"blue\",\"row\":\"huber\",\"method\":\"auto\",\"aim\":{\"loss\":\"mse\","
                     "\"folds\":5},\"part\":{\"type\":\"bare\"},\"noise\":0.1,\"numbers\":[],\"y\":[1.0,2.0],"
                     "\"scale\":3.0}");
}
END_TEST

START_TEST(absent_members_are_left_out_or_null)
{
    check_round_trip(&everything_schema, BODY(", \"part\": {\"type\": \"bare\"}"),
                     "{\"needed\":0.5,\"on\":true,\"count\":200,\"seed\":7,\"share\":0.5,\"score\":null,"
                     "\"text\":\"hello\",\"note\":null,"
                     "\"colour\":\"blue\",\"row\":\"huber\",\"method\":\"auto\",\"aim\":{\"loss\":\"mse\","
                     "\"folds\":5}" REST "}");
}
END_TEST

#define SPARSE_FIELDS(F, S)                                                                                  \
    F(S, INT, bytes, _, NULL, 10, 20, 0, "")                                                                 \
    F(S, INT, number, _, NULL, 0, 20, KR_OMIT, "")                                                           \
    F(S, REAL, real, _, NULL, 0, 0, 0, "")                                                                   \
    F(S, TEXT, text, _, NULL, 0, 0, 0, "")                                                                   \
    F(S, ROW, row, cost, NULL, 0, 0, 0, "")                                                                  \
    F(S, OPTIONAL, maybe, point, NULL, 0, 0, 0, "")                                                          \
    F(S, LIST, points, point, NULL, 0, 0, 0, "")                                                             \
    F(S, VARIANT, part, part, NULL, 0, 0, 0, "")                                                             \
    F(S, VARIANTS, parts, part, NULL, 0, 0, 0, "")                                                           \
    F(S, PARAM, param, _, NULL, 0, 0, 0, "")                                                                 \
    F(S, FEATURES, features, _, NULL, 0, 0, 0, "")                                                           \
    F(S, INTS, ints, _, NULL, 0, 0, KR_NULL, "")                                                             \
    F(S, MATRIX, x, _, NULL, 0, 0, 0, "")                                                                    \
    F(S, TEXTS, texts, _, NULL, 0, 0, 0, "")                                                                 \
    F(S, MAP, map, _, NULL, 0, 0, 0, "")                                                                     \
    F(S, VALUES, values, _, NULL, 0, 0, 0, "")                                                               \
    F(S, JSON, any, _, NULL, 0, 0, KR_NULL, "")                                                              \
    F(S, VARIANT, loss, cost, NULL, 0, 0, KR_INLINE | KR_OMIT, "")
KR_DECLARE(sparse, SPARSE_FIELDS);
KR_DEFINE(sparse, SPARSE_FIELDS, "nothing has a default");

START_TEST(what_cannot_be_empty_is_null)
{
    check_round_trip(&sparse_schema, "{}",
                     "{\"bytes\":null,\"number\":0,\"real\":null,\"text\":null,\"row\":null,\"maybe\":null,"
                     "\"points\":[],\"part\":null,"
                     "\"parts\":null,\"param\":null,\"features\":null,\"ints\":null,\"x\":null,\"texts\":[],"
                     "\"map\":{},\"values\":{},"
                     "\"any\":null}");
}
END_TEST

START_TEST(borrowed_json_is_shared)
{
    struct kr_ctx ctx;
    struct everything e;
    OK(read_text(&ctx, &everything_schema, BODY(""), &e));
    e.any = json_pack("[i]", 5);
    json_t *json = kr_wire_write(&everything_schema, &e);
    ck_assert_ptr_eq(json_object_get(json, "any"), e.any);
    json_decref(json);
    ck_assert_int_eq((int)((json_t *)e.any)->refcount, 1);
    json_decref(e.any);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_still_text)
{
    struct point point = {0, "a\xff\xe2\x82z\xe2\x82\xac\xed\xa0\x80\xc0\x80\xf0\x9f\x98\x80\xf5"};
    char *text = dump_and_free(kr_wire_write(&point_schema, &point));
    ck_assert_str_eq(text, "{\"at\":0.0,\"label\":\"a???z\u20ac?????\U0001f600?\"}");
    free(text);
}
END_TEST

START_TEST(a_variant_is_written_alone)
{
    struct kr_ctx ctx;
    struct kr_variant variant;
    kr_ctx_init(&ctx, 0);
    OK(kr_variant_init(&ctx, &cost_registry, "huber", &variant));
    char *text = dump_and_free(kr_wire_write_variant(&variant));
    ck_assert_str_eq(text, "{\"type\":\"huber\",\"delta\":1.345,\"scaled\":true}");
    free(text);
    kr_ctx_fini(&ctx);
}
END_TEST

/* Every row of every registry of the library: its defaults are within its own ranges. */
START_TEST(every_row_takes_its_defaults)
{
    const struct kr_registry *registries[] = {&kr_kernel_registry,         &kr_mean_registry,
                                              &kr_loss_registry,           &kr_validation_registry,
                                              &kr_approximation_registry,  &kr_solver_registry,
                                              &kr_preconditioner_registry, &kr_optimizer_registry,
                                              &kr_constraint_registry,     &kr_transform_registry};
    for (size_t r = 0; r < sizeof registries / sizeof registries[0]; r++)
        for (const struct kr_type *const *row = registries[r]->rows; *row; row++) {
            const struct kr_schema *options = (*row)->options;
            bool required = false;
            for (size_t i = 0; options && i < options->count; i++)
                required |= (options->fields[i].flags & KR_REQUIRED) != 0;
            if (!options || required)
                continue;
            struct kr_ctx ctx;
            void *out = calloc(1, options->size);
            char *text = read_and_write(&ctx, options, "{}", out);
            check_round_trip(options, text, text);
            kr_ctx_fini(&ctx);
            free(text);
            free(out);
        }
}
END_TEST

SUITE("write", defaults_are_written, a_nested_kernel_comes_back, a_whole_request_comes_back,
      every_kind_comes_back, single_columns_and_numbers_are_plain, absent_members_are_left_out_or_null,
      what_cannot_be_empty_is_null, borrowed_json_is_shared, text_that_is_not_utf8_is_still_text,
      a_variant_is_written_alone, every_row_takes_its_defaults)
