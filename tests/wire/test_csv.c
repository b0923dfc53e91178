/* Numbers of trees as CSV: shapes, shortest numbers, names that must be quoted. */
#include "wire_fixture.h"

static void check(size_t rows, size_t count, const struct kr_csv_column *columns, const char *wanted)
{
    char *text = kr_csv_dump(rows, count, columns);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, wanted);
    free(text);
}

START_TEST(shapes)
{
    json_t *plain = json_pack("[f, f]", 0.1, -2e300),
           *rows = json_pack("[[f, f], [f, i]]", 1.5, 2.0, 3e-7, 4);
    const struct kr_csv_column columns[] = {{"mean", plain, KR_CSV_PLAIN, 0},
                                            {"q0.5", rows, KR_CSV_BY_ROW, 1},
                                            {"sample_2", rows, KR_CSV_BY_COLUMN, 1}};
    check(2, 3, columns, "mean,q0.5,sample_2\n0.1,2,3e-7\n-2e+300,4,4\n");
    check(1, 1, columns, "mean\n0.1\n");
    check(0, 2, columns, "mean,q0.5\n");
    json_decref(plain);
    json_decref(rows);
}
END_TEST

START_TEST(names_are_quoted_where_they_must_be)
{
    json_t *values = json_pack("[n, f]", 1.0);
    const struct kr_csv_column columns[] = {{"a b", values, KR_CSV_PLAIN, 0},
                                            {"a,b", values, KR_CSV_PLAIN, 0},
                                            {"say \"a\"", values, KR_CSV_PLAIN, 0},
                                            {"two\nlines", values, KR_CSV_PLAIN, 0}};
    check(2, 4, columns, "a b,\"a,b\",\"say \"\"a\"\"\",\"two\nlines\"\n,,,\n1,1,1,1\n");
    json_decref(values);
}
END_TEST

SUITE("csv", shapes, names_are_quoted_where_they_must_be)
