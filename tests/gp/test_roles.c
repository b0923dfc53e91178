/* Which rows train, validate and test, and what is refused where. */
#include "specs.h"

#include "gp/roles.h"

enum { N = 20 };

static struct kr_ctx context, *ctx;
static struct kr_dataset data;
static struct kr_gp_spec spec;
static struct roles roles;

/* Rows 10 and 11, and rows 4, 5 and 17, have the same inputs. */
static void setup(void)
{
    static const size_t same[][2] = {{11, 10}, {5, 4}, {17, 4}};
    ctx = &context;
    kr_ctx_init(ctx, 0);
    data = small_data(ctx, N, false, 1);
    for (size_t s = 0; s < 3; s++)
        for (size_t k = 0; k < FEATURES; k++)
            ((double *)(uintptr_t)data.x)[k * N + same[s][0]] = data.x[k * N + same[s][1]];
    plain_spec(ctx, &spec);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static bool has(const struct kr_ints *list, size_t row)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] == row)
            return true;
    return false;
}

static void check_list(const struct kr_ints *got, struct kr_ints wanted)
{
    ck_assert_uint_eq(got->count, wanted.count);
    ck_assert_mem_eq(got->items, wanted.items, wanted.count * sizeof *wanted.items);
}

/* Ascending, every row in one role, fit = train and validation. */
static void check_partition(void)
{
    const struct kr_ints *lists[] = {&roles.train, &roles.validation, &roles.test, &roles.fit};
    for (int l = 0; l < 4; l++)
        for (size_t i = 1; i < lists[l]->count; i++)
            ck_assert_uint_lt(lists[l]->items[i - 1], lists[l]->items[i]);
    for (size_t row = 0; row < N; row++) {
        ck_assert_int_eq(has(&roles.train, row) + has(&roles.validation, row) + has(&roles.test, row), 1);
        ck_assert_int_eq(has(&roles.fit, row), !has(&roles.test, row));
    }
}

static void check_groups(void)
{
    const struct kr_ints *lists[] = {&roles.train, &roles.validation, &roles.test};
    for (int l = 0; l < 3; l++) {
        ck_assert_int_eq(has(lists[l], 10), has(lists[l], 11));
        ck_assert_int_eq(has(lists[l], 4), has(lists[l], 5));
        ck_assert_int_eq(has(lists[l], 4), has(lists[l], 17));
    }
}

START_TEST(explicit_rows)
{
    hold_out(ctx, &spec, ROWS(7, 2));
    OK(kr_gp_roles(ctx, &spec, &data, &roles));
    check_partition();
    check_list(&roles.validation, ROWS(2, 7));
    ck_assert_uint_eq(roles.test.count, 0);
    test_rows(ctx, &spec, ROWS(19, 0, 3));
    OK(kr_gp_roles(ctx, &spec, &data, &roles));
    check_partition();
    check_list(&roles.test, ROWS(0, 3, 19));
    check_list(&roles.validation, ROWS(2, 7));
}
END_TEST

static void draw(double validation, double test, uint64_t seed)
{
    OK(kr_variant_init(ctx, &kr_validation_registry, "fraction", &spec.objective.validation));
    struct drawn {
        double fraction;
        uint64_t seed;
        struct kr_groups groups;
    } *options = spec.objective.validation.options;
    ck_assert_uint_eq(spec.objective.validation.type->options->size, sizeof *options);
    *options = (struct drawn){.fraction = validation, .seed = seed};
    spec.test = NULL;
    if (test > 0)
        *test_rows(ctx, &spec, (struct kr_ints){0}) = (struct kr_test_spec){.fraction = test, .seed = seed};
    OK(kr_gp_roles(ctx, &spec, &data, &roles));
}

START_TEST(drawn_rows)
{
    struct roles before;
    bool differs = false;
    for (uint64_t seed = 0; seed < 20; seed++) {
        draw(0.25, 0, seed);
        check_partition();
        check_groups();
        ck_assert_uint_eq(roles.validation.count, 5);
        before = roles;
        draw(0.25, 0, seed);
        check_list(&roles.validation, before.validation);
        draw(0.25, 0.2, seed); /* of 20 rows, then of the other 16 */
        check_partition();
        check_groups();
        ck_assert_uint_eq(roles.test.count, 4);
        ck_assert_uint_eq(roles.validation.count, 4);
        before = roles;
        draw(0.25, 0.2, seed + 100);
        differs |= memcmp(before.test.items, roles.test.items, 4 * sizeof(size_t)) != 0;
    }
    ck_assert(differs);
}
END_TEST

START_TEST(drawn_test_rows_leave_explicit_validation_rows)
{
    hold_out(ctx, &spec, ROWS(0, 1, 2, 3, 6, 7, 8, 9));
    for (uint64_t seed = 0; seed < 20; seed++) {
        *test_rows(ctx, &spec, (struct kr_ints){0}) = (struct kr_test_spec){.fraction = 0.5, .seed = seed};
        OK(kr_gp_roles(ctx, &spec, &data, &roles));
        check_partition();
        check_groups();
        ck_assert_uint_eq(roles.validation.count, 8);
        ck_assert_uint_eq(roles.test.count, 6); /* of the other 12 */
    }
}
END_TEST

START_TEST(refused_validation_rows)
{
    hold_out(ctx, &spec, ROWS(1, 2, N));
    REFUSED(kr_gp_roles(ctx, &spec, &data, &roles), "/objective/validation/rows/2", "below 20, got 20");
    hold_out(ctx, &spec, ROWS(1, 2, 1));
    REFUSED(kr_gp_roles(ctx, &spec, &data, &roles), "/objective/validation/rows/2", "row 1 a second time");
    hold_out(ctx, &spec, ROWS());
    REFUSED(kr_gp_roles(ctx, &spec, &data, &roles), "/objective/validation", "at least one row");
    hold_out(ctx, &spec, ROWS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18));
    REFUSED(kr_gp_roles(ctx, &spec, &data, &roles), "/objective/validation", "at least two training rows");
    hold_out(ctx, &spec, ROWS(4, 9));
    test_rows(ctx, &spec, ROWS(9));
    REFUSED(kr_gp_roles(ctx, &spec, &data, &roles), "/objective/validation/rows/1",
            "row 9 is also a test row");
}
END_TEST

START_TEST(refused_test_rows)
{
    test_rows(ctx, &spec, ROWS(1, 400));
    REFUSED(kr_gp_roles(ctx, &spec, &data, &roles), "/test/rows/1", "below 20, got 400");
    test_rows(ctx, &spec, ROWS(1, 5, 1));
    REFUSED(kr_gp_roles(ctx, &spec, &data, &roles), "/test/rows/2", "row 1 a second time");
    test_rows(ctx, &spec, ROWS());
    REFUSED(kr_gp_roles(ctx, &spec, &data, &roles), "/test", "either rows");
    test_rows(ctx, &spec, ROWS(1))->fraction = 0.5;
    REFUSED(kr_gp_roles(ctx, &spec, &data, &roles), "/test", "either rows");
    test_rows(ctx, &spec, ROWS(1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18));
    REFUSED(kr_gp_roles(ctx, &spec, &data, &roles), "/objective/validation", "17 for tests");
    test_rows(ctx, &spec, ROWS())->fraction = 0.999;
    REFUSED(kr_gp_roles(ctx, &spec, &data, &roles), "/test/fraction", "");
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("roles");
    TCase *tcase = tcase_create("roles");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, explicit_rows);
    tcase_add_test(tcase, drawn_rows);
    tcase_add_test(tcase, drawn_test_rows_leave_explicit_validation_rows);
    tcase_add_test(tcase, refused_validation_rows);
    tcase_add_test(tcase, refused_test_rows);
    suite_add_tcase(made, tcase);
    return made;
}
