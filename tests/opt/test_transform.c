#include "kriged/opt.h"

#include "suite.h"

#include <math.h>

START_TEST(a_positive_value_is_tuned_by_its_logarithm)
{
    ck_assert_double_eq(kr_to_coordinate(true, 1), 0);
    ck_assert_double_eq_tol(kr_from_coordinate(true, kr_to_coordinate(true, 1e-30)), 1e-30, 1e-43);
    ck_assert_double_eq(kr_to_coordinate(false, -3), -3);
    ck_assert_double_eq(kr_from_coordinate(false, -3), -3);
}
END_TEST

START_TEST(gradients_follow_the_chain_rule)
{
    /* L(v) = v^3 at v = 0.7, by central differences in the coordinate. */
    const double v = 0.7, h = 1e-5;
    for (int positive = 0; positive < 2; positive++) {
        double z = kr_to_coordinate(positive, v);
        double up = kr_from_coordinate(positive, z + h), down = kr_from_coordinate(positive, z - h);
        double difference = (up * up * up - down * down * down) / (2 * h);
        ck_assert_double_eq_tol(kr_coordinate_gradient(positive, v, 3 * v * v), difference, 1e-9);
    }
}
END_TEST

START_TEST(only_free_coordinates_count)
{
    const double lower[] = {0, 0, -INFINITY, 0, 2}, upper[] = {1, 1, INFINITY, 1, 2}, z[] = {0, 1, 5, 0.5, 2};
    const double outward[] = {9, -9, 0.5, -0.25, 7}, inward[] = {-9, 8, 0, 0, -7};
    ck_assert_double_eq(kr_projected_gradient_norm(5, lower, upper, z, outward), 0.5);
    ck_assert_double_eq(kr_projected_gradient_norm(5, lower, upper, z, inward), 9);
    const double bad[] = {0, 0, NAN, 0, 0};
    ck_assert(isnan(kr_projected_gradient_norm(5, lower, upper, z, bad)));
    ck_assert_double_eq(kr_projected_gradient_norm(0, lower, upper, z, bad), 0);
}
END_TEST

SUITE("transform", a_positive_value_is_tuned_by_its_logarithm, gradients_follow_the_chain_rule,
      only_free_coordinates_count)
