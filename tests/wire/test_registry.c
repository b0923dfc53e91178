#include "wire_fixture.h"

#include "kriged/kernel.h"
#include "wire/impl.h"

START_TEST(rows_are_listed_with_their_options)
{
    char *text = dump_and_free(kr_wire_registry(&cost_registry));
    ck_assert_str_eq(
        text,
        "[{\"type\":\"mse\",\"doc\":\"squared\",\"options\":[]},{\"type\":\"huber\",\"doc\":\"robust\","
        "\"options\":["
        "{\"name\":\"delta\",\"kind\":\"number\",\"required\":false,\"default\":1.345,\"minimum\":0.0,"
        "\"maximum\":100.0,"
        "\"doc\":\"where it turns linear\"},"
        "{\"name\":\"scaled\",\"kind\":\"boolean\",\"required\":false,\"default\":true,\"minimum\":null,"
        "\"maximum\":null,\"doc\":\"\"}]}]");
    free(text);
}
END_TEST

START_TEST(every_kernel_is_listed)
{
    json_t *rows = kr_wire_registry(&kr_kernel_registry);
    size_t count = 0;
    while (kr_kernel_registry.rows[count])
        count++;
    ck_assert_uint_eq(json_array_size(rows), count);
    ck_assert_uint_gt(count, 0);
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(json_string_value(json_object_get(json_array_get(rows, i), "type")),
                         kr_kernel_registry.rows[i]->name);
    json_decref(rows);
}
END_TEST

START_TEST(defaults_and_kinds_follow_the_table)
{
    static const struct {
        const char *name, *kind, *fallback;
    } cases[] = {{"needed", "number", "null"},
                 {"on", "boolean", "true"},
                 {"count", "integer", "200"},
                 {"bytes", "integer", "null"},
                 {"seed", "seed", "7"},
                 {"share", "number", "0.5"},
                 {"text", "string", "\"hello\""},
                 {"note", "string", "null"},
                 {"colour", "choice", "\"blue\""},
                 {"method", "choice", "\"auto\""},
                 {"aim", "object", "null"},
                 {"part", "variant", "{\"type\":\"leaf\"}"},
                 {"noise", "parameter", "0.1"},
                 {"x", "matrix", "null"},
                 {"any", "json", "null"}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
        for (size_t i = 0; i < everything_schema.count; i++) {
            const struct kr_field *field = &everything_schema.fields[i];
            if (strcmp(field->name, cases[c].name) != 0)
                continue;
            char *text = dump_and_free(wire_fallback(field));
            ck_assert_str_eq(text, cases[c].fallback);
            ck_assert_str_eq(wire_kind_name(field->kind), cases[c].kind);
            free(text);
        }
}
END_TEST

SUITE("registry", rows_are_listed_with_their_options, every_kernel_is_listed,
      defaults_and_kinds_follow_the_table)
