#include "wire_fixture.h"

#include "kriged/gp.h"

#define LEAF(members) BODY(", \"part\": {\"type\": \"leaf\", " members "}")

static const struct refusal refusals[] = {
    {LEAF("\"variance\": \"1\""), "/part/variance",
     "must be a number, an array or an object with a value, got a string"},
    {LEAF("\"variance\": true"), "/part/variance",
     "must be a number, an array or an object with a value, got a boolean"},
    {LEAF("\"variance\": 0"), "/part/variance", "must be in [1e-30, 1e+30], got 0"},
    {LEAF("\"variance\": -1"), "/part/variance", "must be in [1e-30, 1e+30], got -1"},
    {LEAF("\"variance\": 1.1e30"), "/part/variance", "must be in [1e-30, 1e+30], got 1.1e+30"},
    {LEAF("\"variance\": []"), "/part/variance", "must have at least one entry"},
    {LEAF("\"lengthscale\": [1, 0]"), "/part/lengthscale/1", "must be in [1e-30, 1e+30], got 0"},
    {LEAF("\"lengthscale\": [1, null]"), "/part/lengthscale/1",
     "must be a number or an object with a value, got null"},
    {LEAF("\"lengthscale\": [[1]]"), "/part/lengthscale/0",
     "must be a number or an object with a value, got an array"},
    {LEAF("\"lengthscale\": [1, {\"fixed\": true}]"), "/part/lengthscale/1/value", "is required"},
    {LEAF("\"variance\": {}"), "/part/variance/value", "is required"},
    {LEAF("\"variance\": {\"value\": null}"), "/part/variance/value", "must be a number, got null"},
    {LEAF("\"variance\": {\"value\": [1]}"), "/part/variance/value", "must be a number, got an array"},
    {LEAF("\"variance\": {\"value\": 0}"), "/part/variance/value", "must be in [1e-30, 1e+30], got 0"},
    {LEAF("\"variance\": {\"value\": 1, \"fixed\": 1}"), "/part/variance/fixed",
     "must be true or false, got a number"},
    {LEAF("\"variance\": {\"value\": 1, \"limits\": {}}"), "/part/variance/limits",
     "is not known here; known are: value, fixed, bounds, prior"},
    {LEAF("\"variance\": {\"value\": 1, \"prior\": 3}"), "/part/variance/prior",
     "must be an object, got a number"},
    {LEAF("\"variance\": {\"value\": 1, \"prior\": {}}"), "/part/variance/prior/type", "is required"},
    {LEAF("\"variance\": {\"value\": 1, \"prior\": {\"type\": \"beta\"}}"), "/part/variance/prior/type",
     "there is no prior called \"beta\"; there are: normal, lognormal, gamma, halfcauchy, uniform"},
    {LEAF("\"variance\": {\"value\": 1, \"prior\": {\"type\": \"normal\", \"mean\": 1}}"),
     "/part/variance/prior/sd", "is required"},
    {LEAF("\"variance\": {\"value\": 1, \"prior\": {\"type\": \"normal\", \"mean\": 1, \"sd\": 0}}"),
     "/part/variance/prior/sd", "must be in (0, 1e+30], got 0"},
    {LEAF("\"variance\": {\"value\": 1, \"prior\": {\"type\": \"halfcauchy\", \"scale\": 1, \"sd\": 1}}"),
     "/part/variance/prior/sd", "is not known here; known are: type, scale"},
    {LEAF("\"variance\": {\"value\": 1, \"bounds\": 2}"), "/part/variance/bounds",
     "must be an array of two numbers, got a number"},
    {LEAF("\"variance\": {\"value\": 1, \"bounds\": [1]}"), "/part/variance/bounds",
     "must have two numbers, got 1"},
    {LEAF("\"variance\": {\"value\": 1, \"bounds\": [0, 2]}"), "/part/variance/bounds/0",
     "must be in [1e-30, 1e+30], got 0"},
    {LEAF("\"variance\": {\"value\": 1, \"bounds\": [1, 1e31]}"), "/part/variance/bounds/1",
     "must be in [1e-30, 1e+30], got 1e+31"},
    {LEAF("\"variance\": {\"value\": 1, \"bounds\": [1, \"2\"]}"), "/part/variance/bounds/1",
     "must be a number, got a string"},
    {LEAF("\"variance\": {\"value\": 1, \"bounds\": [2, 0.5]}"), "/part/variance/bounds",
     "must have the lower bound first and below the upper one, got [2, 0.5]"},
    {LEAF("\"variance\": {\"value\": 1, \"bounds\": [1, 1]}"), "/part/variance/bounds",
     "must have the lower bound first and below the upper one, got [1, 1]"},
    {LEAF("\"variance\": {\"value\": 3, \"bounds\": [1, 2]}"), "/part/variance/value",
     "must lie within its bounds [1, 2], got 3"},
    {LEAF("\"lengthscale\": [1, {\"value\": 0.5, \"bounds\": [1, 2]}]"), "/part/lengthscale/1/value",
     "must lie within its bounds [1, 2], got 0.5"},
    {LEAF("\"features\": []"), "/part/features",
     "must have at least one feature; leave it out for all of them"},
    {LEAF("\"features\": \"age\""), "/part/features", "must be an array of names or indices, got a string"},
    {LEAF("\"features\": [0, -1]"), "/part/features/1", "must be in [0, 9007199254740991], got -1"},
    {LEAF("\"features\": [0.5]"), "/part/features/0", "must be an integer, got 0.5"},
    {LEAF("\"features\": [null]"), "/part/features/0", "must be a feature's name or its index, got null"},
    {BODY(", \"noise\": -1e-300"), "/noise", "must be in [0, 1e+30], got -1e-300"},
};

START_TEST(refusals_name_the_culprit)
{
    ck_refused(sizeof refusals / sizeof refusals[0], refusals);
}
END_TEST

START_TEST(priors_arrive_and_are_written_as_they_came)
{
    static const char text[] =
        BODY(", \"noise\": {\"value\": 0.5, \"prior\": {\"type\": \"gamma\", \"shape\": 2, \"rate\": 4}}");
    struct kr_ctx ctx;
    struct everything e;
    OK(read_text(&ctx, &everything_schema, text, &e));
    const struct kr_variant *prior = &e.noise.values[0].prior;
    ck_assert_str_eq(prior->type->name, "gamma");
    ck_assert(((const double *)prior->options)[0] == 2 && ((const double *)prior->options)[1] == 4);
    ck_assert(!e.noise.values[0].fixed && !e.noise.values[0].bounded);
    json_t *json = kr_wire_write(&everything_schema, &e);
    char *written = kr_json_dump(json_object_get(json, "noise"), false);
    ck_assert_str_eq(written, "{\"value\":0.5,\"fixed\":false,\"prior\":{\"type\":\"gamma\",\"shape\":2.0,"
                              "\"rate\":4.0}}");
    free(written);
    json_decref(json);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(all_shapes_arrive)
{
    struct kr_ctx ctx;
    struct everything e;
    OK(read_text(
        &ctx, &everything_schema,
        BODY(", \"noise\": 0, \"part\": {\"type\": \"leaf\", \"variance\": {\"value\": 2, \"fixed\": null, "
             "\"bounds\": [2, 3]}, "
             "\"lengthscale\": [0.5, {\"value\": 4, \"fixed\": true, \"bounds\": null}, {\"value\": 1e-30}], "
             "\"features\": [\"age\", 3, 2.0]}"),
        &e));
    const struct leaf *leaf = e.part.options;
    const struct kr_param_value *v = leaf->variance.values, *l = leaf->lengthscale.values;
    ck_assert(leaf->variance.count == 1 && !leaf->variance.array);
    ck_assert(v->value == 2 && !v->fixed && v->bounded && v->lower == 2 && v->upper == 3);
    ck_assert(leaf->lengthscale.count == 3 && leaf->lengthscale.array);
    ck_assert(l[0].value == 0.5 && !l[0].fixed && !l[0].bounded);
    ck_assert(l[1].value == 4 && l[1].fixed && !l[1].bounded);
    ck_assert(l[2].value == 1e-30 && !l[2].fixed);
    ck_assert(leaf->features.count == 3 && !leaf->features.items[1].name &&
              leaf->features.items[1].index == 3);
    ck_assert_str_eq(leaf->features.items[0].name, "age");
    ck_assert_uint_eq(leaf->features.items[2].index, 2);
    ck_assert(e.noise.count == 1 && !e.noise.array && e.noise.values[0].value == 0);
    kr_ctx_fini(&ctx);
}
END_TEST

/* The real tables: ranges of kernels, the mean and the noise. */
START_TEST(the_models_ranges_hold)
{
    static const struct refusal cases[] = {
        {"{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": 0}}", "/kernel/lengthscale",
         "must be in [1e-30, 1e+30], got 0"},
        {"{\"kernel\": {\"type\": \"rbf\"}, \"mean\": {\"type\": \"constant\", \"value\": 1e31}}",
         "/mean/value", "must be in [-1e+30, 1e+30], got 1e+31"},
        {"{\"kernel\": {\"type\": \"rbf\"}, \"noise\": {\"variance\": -1}}", "/noise/variance",
         "must be in [0, 1e+30], got -1"},
        {"{\"kernel\": {\"type\": \"rbf\"}, \"noise\": {\"variance\": 0}}", NULL, NULL},
        {"{\"mean\": {\"type\": \"zero\"}}", "/kernel", "is required"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kr_ctx ctx;
        struct kr_model_spec model;
        ck_assert_int_eq(read_text(&ctx, &kr_model_spec_schema, cases[i].text, &model),
                         cases[i].pointer ? KR_INVALID : KR_OK);
        ck_assert_str_eq(ctx.error.pointer, cases[i].pointer ? cases[i].pointer : "");
        ck_assert_str_eq(ctx.error.detail, cases[i].detail ? cases[i].detail : "");
        kr_ctx_fini(&ctx);
    }
}
END_TEST

SUITE("read_param", refusals_name_the_culprit, priors_arrive_and_are_written_as_they_came, all_shapes_arrive,
      the_models_ranges_hold)
