#include "kriged/data.h"

#include "suite.h"

#include <math.h>

START_TEST(mean_and_sd_of_chosen_rows)
{
    const double values[] = {1, 100, 2, 100, 3, 100, 6};
    const size_t rows[] = {0, 2, 4, 6};
    double mean, sd;
    kr_scaling(4, rows, values, &mean, &sd);
    ck_assert_double_eq_tol(mean, 3, 1e-15);
    ck_assert_double_eq_tol(sd, sqrt(3.5), 1e-15);
}
END_TEST

START_TEST(a_constant_has_sd_1)
{
    const double values[] = {0.1, 0.1, 0.1};
    const size_t rows[] = {0, 1, 2};
    double mean, sd;
    kr_scaling(3, rows, values, &mean, &sd);
    ck_assert_double_eq(mean, 0.1);
    ck_assert_double_eq(sd, 1);
    kr_scaling(1, rows, values, &mean, &sd);
    ck_assert_double_eq(mean, 0.1);
    ck_assert_double_eq(sd, 1);
    kr_scaling(0, rows, values, &mean, &sd);
    ck_assert_double_eq(mean, 0);
    ck_assert_double_eq(sd, 1);
}
END_TEST

START_TEST(a_large_offset_costs_no_digits)
{
    const double values[] = {1e15 + 1, 1e15 + 2, 1e15 + 3};
    const size_t rows[] = {0, 1, 2};
    double mean, sd;
    kr_scaling(3, rows, values, &mean, &sd);
    ck_assert_double_eq(mean, 1e15 + 2);
    ck_assert_double_eq_tol(sd, sqrt(2.0 / 3), 1e-15);
}
END_TEST

SUITE("scaling", mean_and_sd_of_chosen_rows, a_constant_has_sd_1, a_large_offset_costs_no_digits)
