#include "wire_fixture.h"

#include "kriged/gp.h"

static void check_line(const char *text, const char *line)
{
    const char *found = strstr(text, line);
    ck_assert_msg(found != NULL && (found == text || found[-1] == '\n') && found[strlen(line)] == '\n',
                  "no line %s in\n%s", line, text);
}

START_TEST(a_table_has_a_line_a_member)
{
    char *text = NULL;
    kr_wire_manual_schema(&everything_schema, &text);
    ck_assert_int_eq(
        strncmp(text, "| Member | Kind | Default | Range | Meaning |\n|---|---|---|---|---|\n", 60), 0);
    check_line(text, "| `needed` | number | required | (0, 1] | a number that must be there \\| in (0, 1] |");
    check_line(text, "| `on` | boolean | `true` |  |  |");
    check_line(text, "| `count` | integer | `200` | [3, 1000000] |  |");
    check_line(text, "| `share` | number | `0.5` | (0, 1) |  |");
    check_line(text, "| `colour` | `red`, `green`, `blue` | `blue` |  |  |");
    check_line(text, "| `method` | `auto`, `mse`, `huber` | `auto` |  |  |");
    check_line(text, "| `aim` | object | required |  | what is wanted |");
    check_line(text, "| `aim.loss` | cost: its type, options beside it | required |  | the loss |");
    check_line(text, "| `aim.folds` | integer | `5` | [2, 100] | folds |");
    check_line(text, "| `points[].at` | number | required | [-10, 10] | where |");
    check_line(text, "| `part` | part | `leaf` |  |  |");
    check_line(text, "| `parts` | list of part |  |  |  |");
    check_line(text, "| `noise` | parameter | `0.1` | [0, 1e+30] |  |");
    free(text);
}
END_TEST

START_TEST(rows_follow_what_was_there)
{
    char *text = strdup("before\n");
    kr_wire_manual_registry(&cost_registry, &text);
    ck_assert_str_eq(text, "before\n### `mse`\n\nsquared\n\n### `huber`\n\nrobust\n\n"
                           "| Member | Kind | Default | Range | Meaning |\n|---|---|---|---|---|\n"
                           "| `delta` | number | `1.345` | (0, 100] | where it turns linear |\n"
                           "| `scaled` | boolean | `true` |  |  |\n\n");
    free(text);
}
END_TEST

/* A bar within a cell would break its table: every line of the library's own tables has six bars that are not
 * escaped. */
START_TEST(the_librarys_tables_are_tables)
{
    char *text = NULL;
    size_t lines = 0;
    kr_wire_manual_schema(&kr_gp_spec_schema, &text);
    kr_wire_manual_registry(&kr_kernel_registry, &text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t bars = 0;
        if (*line != '|')
            continue;
        for (size_t i = 0; line[i]; i++)
            bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
        ck_assert_msg(bars == 6, "%s", line);
        lines++;
    }
    ck_assert_uint_gt(lines, 30);
    free(text);
}
END_TEST

SUITE("manual", a_table_has_a_line_a_member, rows_follow_what_was_there, the_librarys_tables_are_tables)
