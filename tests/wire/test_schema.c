#include "json_schema.h"
#include "wire_fixture.h"

#include "kriged/gp.h"
#include "kriged/opt.h"

static json_t *definitions;

static void make(const struct kr_schema *schema, const char *reference)
{
    definitions = json_object();
    validator_definitions = definitions;
    json_t *made = kr_wire_json_schema(schema, definitions);
    ck_assert_str_eq(json_string_value(json_object_get(made, "$ref")), reference);
    ck_assert_uint_eq(json_object_size(made), 1);
    json_decref(made);
}

static void check_references(json_t *json, size_t *count)
{
    const char *name;
    json_t *member;
    const char *reference = json_string_value(json_object_get(json, "$ref"));
    if (reference) {
        ck_assert(json_is_object(resolve(reference)));
        ++*count;
    }
    json_object_foreach(json, name, member) check_references(member, count);
    for (size_t i = 0; i < json_array_size(json); i++)
        check_references(json_array_get(json, i), count);
}

START_TEST(no_reference_dangles)
{
    size_t count = 0;
    make(&kr_gp_spec_schema, "#/components/schemas/gp_spec");
    check_references(definitions, &count);
    ck_assert_uint_gt(count, 20);
    ck_assert_ptr_nonnull(json_object_get(definitions, "kernel"));
    ck_assert_ptr_nonnull(json_object_get(definitions, "model_spec"));
    size_t names = json_object_size(definitions);
    json_decref(kr_wire_json_schema(&kr_model_spec_schema, definitions));
    ck_assert_uint_eq(json_object_size(definitions), names); /* once each */
    const char *name;
    json_t *schema;
    json_object_foreach(definitions, name, schema)
    {
        ck_assert_msg(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
                          strlen(name),
                      "%s", name);
        ck_assert_msg(json_object_size(schema) > 0, "%s is empty", name);
    }
    json_decref(definitions);
}
END_TEST

START_TEST(members_say_what_they_take)
{
    make(&everything_schema, "#/components/schemas/everything");
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"needed", "{\"type\":\"number\",\"exclusiveMinimum\":0.0,\"maximum\":1.0,\"description\":\"a number "
                   "that must be there | in (0, 1]\"}"},
        {"on", "{\"type\":\"boolean\",\"default\":true}"},
        {"count", "{\"type\":\"integer\",\"minimum\":3,\"maximum\":1000000,\"default\":200}"},
        {"bytes", "{\"type\":\"integer\",\"minimum\":1000000,\"maximum\":1000000000000000}"},
        {"seed", "{\"type\":\"integer\",\"minimum\":0,\"maximum\":9007199254740991,\"default\":7}"},
        {"share", "{\"type\":\"number\",\"exclusiveMinimum\":0.0,\"exclusiveMaximum\":1.0,\"default\":0.5}"},
        {"score", "{\"anyOf\":[{\"type\":\"number\"},{\"type\":\"null\"}]}"},
        {"text", "{\"type\":\"string\",\"default\":\"hello\"}"},
        {"colour", "{\"type\":\"string\",\"enum\":[\"red\",\"green\",\"blue\"],\"default\":\"blue\"}"},
        {"row", "{\"type\":\"string\",\"enum\":[\"mse\",\"huber\"],\"default\":\"huber\"}"},
        {"method", "{\"type\":\"string\",\"enum\":[\"auto\",\"mse\",\"huber\"],\"default\":\"auto\"}"},
        {"maybe", "{\"$ref\":\"#/components/schemas/point\"}"},
        {"points", "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/point\"}}"},
        {"part", "{\"$ref\":\"#/components/schemas/part\",\"default\":{\"type\":\"leaf\"}}"},
        {"parts", "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/part\"}}"},
        {"noise", "{\"$ref\":\"#/components/schemas/parameter_from_0_to_1e30\",\"default\":0.1}"},
        {"rows",
         "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000000000000000}}"},
        {"x", "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"number\"},"
              "\"minItems\":1},\"minItems\":1}"},
        {"labels", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"},
        {"any", "{}"},
    };
    json_t *properties = json_object_get(json_object_get(definitions, "everything"), "properties");
    ck_assert_uint_eq(json_object_size(properties), everything_schema.count);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = kr_json_dump(json_object_get(properties, cases[i].name), false);
        ck_assert_str_eq(text, cases[i].text);
        free(text);
    }
    char *required =
        kr_json_dump(json_object_get(json_object_get(definitions, "everything"), "required"), false);
    ck_assert_str_eq(required, "[\"needed\",\"aim\"]");
    free(required);
    json_decref(definitions);
}
END_TEST

/* One text under the schema and under read: both take it, or neither. */
static void check_agreement(const struct kr_schema *schema, const char *text, bool taken)
{
    struct kr_ctx ctx;
    json_t *json, *top = json_pack("{s:s}", "$ref",
                                   schema == &everything_schema ? "#/components/schemas/everything"
                                                                : "#/components/schemas/gp_spec");
    void *out = calloc(1, schema->size);
    kr_ctx_init(&ctx, 0);
    OK(kr_json_parse(&ctx, text, strlen(text), &json));
    ck_assert_msg((kr_wire_read(&ctx, schema, json, "", out) == KR_OK) == taken, "read: %s: %s", text,
                  ctx.error.detail);
    ck_assert_msg(is_valid(top, json, NULL) == taken, "schema: %s", text);
    if (taken) {
        json_t *written = kr_wire_write(schema, out);
        ck_assert_msg(is_valid(top, written, NULL), "schema of what is written: %s", text);
        json_decref(written);
    }
    json_decref(json);
    json_decref(top);
    kr_ctx_fini(&ctx);
    free(out);
}

START_TEST(the_schema_takes_what_read_takes)
{
    static const struct {
        const char *text;
        bool taken;
    } cases[] = {
        {BODY(""), true},
        {"{\"needed\": 1}", false},
        {BODY(", \"extra\": 1"), false},
        {BODY(", \"count\": 2"), false},
        {BODY(", \"count\": 3.0"), true},
        {BODY(", \"count\": 3.5"), false},
        {BODY(", \"share\": 1"), false},
        {BODY(", \"score\": null"), true},
        {BODY(", \"colour\": \"pink\""), false},
        {BODY(", \"method\": \"auto\", \"row\": \"mse\""), true},
        {BODY(", \"row\": \"auto\""), false},
        {BODY(", \"maybe\": {\"at\": 1, \"label\": \"x\"}, \"points\": []"), true},
        {BODY(", \"maybe\": {\"label\": \"x\"}"), false},
        {BODY(", \"x\": [[]]"), false},
        {BODY(", \"x\": [[1]], \"values\": {\"a\": null}, \"any\": [{}]"), true},
        {BODY(", \"parts\": []"), true},
        {BODY(", \"part\": {\"type\": \"node\", \"parts\": []}"), false},
        {BODY(", \"weights\": {\"a\": -1}"), true},
        {BODY(", \"weights\": {\"a\": 1}"), false},
        {BODY(", \"weights\": {\"a\": null}"), false},
        {"{\"needed\": 1, \"aim\": {\"loss\": \"huber\", \"delta\": 1, \"folds\": 3}}", true},
        {"{\"needed\": 1, \"aim\": {\"loss\": \"huber\"}}", true},
        {"{\"needed\": 1, \"aim\": {\"loss\": \"huber\", \"delta\": 0}}", false},
        {"{\"needed\": 1, \"aim\": {\"loss\": \"mse\", \"delta\": 1}}", false},
        {"{\"needed\": 1, \"aim\": {\"loss\": \"mae\"}}", false},
        {"{\"needed\": 1, \"aim\": {\"folds\": 3}}", false},
        {BODY(", \"part\": {\"type\": \"node\", \"parts\": [{\"type\": \"bare\"}, {\"type\": \"leaf\", "
              "\"lengthscale\": [1, {\"value\": 2, "
              "\"fixed\": true, \"bounds\": [1, 3]}], \"features\": [\"a\", 2]}]}"),
         true},
        {BODY(", \"part\": {\"type\": \"node\"}"), false},
        {BODY(", \"part\": {\"variance\": 1}"), false},
        {BODY(", \"part\": {\"type\": \"bare\", \"variance\": 1}"), false},
        {BODY(", \"part\": {\"type\": \"leaf\", \"variance\": 0}"), false},
        {BODY(", \"part\": {\"type\": \"leaf\", \"variance\": {\"value\": 0}}"), false},
        {BODY(", \"part\": {\"type\": \"leaf\", \"variance\": {\"fixed\": true}}"), false},
        {BODY(", \"part\": {\"type\": \"leaf\", \"variance\": {\"value\": 1, \"prior\": 1}}"), false},
        {BODY(", \"part\": {\"type\": \"leaf\", \"variance\": {\"value\": 1, \"bounds\": [1, 2, 3]}}"),
         false},
        {BODY(", \"part\": {\"type\": \"leaf\", \"features\": []}"), false},
        {BODY(", \"part\": {\"type\": \"leaf\", \"features\": [-1]}"), false},
    };
    make(&everything_schema, "#/components/schemas/everything");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_agreement(&everything_schema, cases[i].text, cases[i].taken);
    json_decref(definitions);
}
END_TEST

START_TEST(the_schema_takes_a_request)
{
    make(&kr_gp_spec_schema, "#/components/schemas/gp_spec");
    check_agreement(&kr_gp_spec_schema,
                    "{\"model\": {\"kernel\": {\"type\": \"sum\", \"kernels\": [{\"type\": \"rbf\"}, "
                    "{\"type\": \"constant\"}]}}, "
                    "\"objective\": {\"loss\": \"nlpd\", \"validation\": {\"type\": \"fraction\"}}}",
                    true);
    check_agreement(
        &kr_gp_spec_schema,
        "{\"model\": {\"kernel\": {\"type\": \"sum\", \"kernels\": [{\"type\": \"rbf\", \"kernels\": []}]}}, "
        "\"objective\": {\"loss\": \"nlpd\", \"validation\": {\"type\": \"fraction\"}}}",
        false);
    check_agreement(&kr_gp_spec_schema,
                    "{\"model\": {\"kernel\": {\"type\": \"rbf\"}}, \"objective\": {\"loss\": \"nlpd\", "
                    "\"fold\": 2, \"validation\": "
                    "{\"type\": \"fraction\"}}}",
                    false);
    json_decref(definitions);
}
END_TEST

#define LOOSE_FIELDS(F, S)                                                                                   \
    F(S, VARIANT, loss, cost, "huber", 0, 0, KR_INLINE, "")                                                  \
    F(S, VARIANT, part, part, NULL, 0, 0, KR_INLINE | KR_OMIT, "")
KR_DECLARE(everything_loose, LOOSE_FIELDS);
KR_DEFINE(everything_loose, LOOSE_FIELDS, "two inline variants, none required");

START_TEST(inline_variants_may_be_absent)
{
    static const struct {
        const char *text;
        bool taken;
    } cases[] = {
        {"{}", true},
        {"{\"delta\": 2}", true}, /* of the default row */
        {"{\"loss\": \"mse\"}", true},
        {"{\"loss\": \"mse\", \"delta\": 2}", false},
        {"{\"loss\": \"huber\", \"delta\": 2, \"part\": \"leaf\", \"variance\": 3}", true},
        {"{\"variance\": 3}", false},
        {"{\"part\": \"bare\", \"variance\": 3}", false},
    };
    make(&everything_loose_schema, "#/components/schemas/everything_loose");
    json_t *top = json_pack("{s:s}", "$ref", "#/components/schemas/everything_loose");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kr_ctx ctx;
        struct everything_loose loose;
        json_t *tree = NULL;
        kr_ctx_init(&ctx, 0);
        OK(kr_json_parse(&ctx, cases[i].text, strlen(cases[i].text), &tree));
        ck_assert_msg((kr_wire_read(&ctx, &everything_loose_schema, tree, "", &loose) == KR_OK) ==
                          cases[i].taken,
                      "read: %s: %s", cases[i].text, ctx.error.detail);
        ck_assert_msg(is_valid(top, tree, NULL) == cases[i].taken, "schema: %s", cases[i].text);
        json_decref(tree);
        kr_ctx_fini(&ctx);
    }
    json_decref(top);
    json_decref(definitions);
}
END_TEST

SUITE("schema", no_reference_dangles, members_say_what_they_take, the_schema_takes_what_read_takes,
      the_schema_takes_a_request, inline_variants_may_be_absent)
