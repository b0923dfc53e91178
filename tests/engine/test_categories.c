/* Texts of features in requests: codes by the order of bytes, other data recoded, cells refused in their
 * place. */
#include "calls.h"

#define DATA                                                                                                 \
    "{'x': [['b', 1], ['a', 2], ['b', 3], ['c', 4], ['a', 5.5], ['c', 7]], 'y': [1, 4, 2, 8, 5, 7]%s}"
#define CODES "{'x': [[1, 1], [0, 2], [1, 3], [2, 4], [0, 5.5], [2, 7]], 'y': [1, 4, 2, 8, 5, 7]}"
#define KERNEL                                                                                               \
    "'model': {'kernel': {'type': 'product', 'kernels': [{'type': 'rbf', 'features': [1]}, {'type': "        \
    "'hamming', 'features': [0]}]}}"
#define HELD "'objective': {'loss': 'nlpd', 'validation': {'type': 'rows', 'rows': [1, 3]}}"

static kr_status gradient(json_t *request, json_t **reply)
{
    *reply = NULL;
    const kr_status status = kr_engine_gradient(ctx, request, NULL, reply);
    if (*reply)
        keep(*reply);
    return status;
}

START_TEST(texts_are_codes)
{
    json_t *texts, *codes;
    OK(gradient(json_of("{'data': " DATA ", " KERNEL ", " HELD "}", ""), &texts));
    OK(gradient(json_of("{'data': " CODES ", " KERNEL ", " HELD "}"), &codes));
    ck_assert_double_eq_tol(number(texts, "loss"), number(codes, "loss"), 1e-14);
    OK(gradient(json_of("{'data': " DATA
                        ", 'model': {'kernel': {'type': 'hamming'}, 'standardize': {'x': false, 'y': "
                        "false}}, " HELD
                        ", 'with_respect_to': ['x', 'y'], 'check': {'type': 'finite_difference'}}",
                        ""),
                &texts));
    ck_assert(number(at(texts, "check"), "largest_relative_error") < 1e-6);
    ck_assert_double_eq(
        json_number_value(json_array_get(json_array_get(at(at(texts, "gradients"), "x"), 2), 0)), 0);
}
END_TEST

#define ELSEWHERE(rows)                                                                                      \
    "{'data': " DATA ", 'validation_data': {'x': " rows ", 'y': [1, 2]}, " KERNEL                            \
    ", 'objective': {'loss': 'nlpd', 'validation': {'type': 'dataset'}}}"

/* The other set has fewer texts, and so other codes. */
START_TEST(another_data_set_is_recoded)
{
    json_t *texts, *codes;
    OK(gradient(json_of(ELSEWHERE("[['c', 2], ['b', 3]]"), ""), &texts));
    OK(gradient(json_of("{'data': " CODES ", 'validation_data': {'x': [[2, 2], [1, 3]], 'y': [1, 2]}, " KERNEL
                        ", 'objective': {'loss': 'nlpd', 'validation': {'type': 'dataset'}}}"),
                &codes));
    ck_assert_double_eq_tol(number(texts, "loss"), number(codes, "loss"), 1e-14);
    REFUSED(gradient(json_of(ELSEWHERE("[['c', 2], ['d', 3]]"), ""), &texts), "/validation_data");
    REFUSED(gradient(json_of(ELSEWHERE("[[1, 2], [2, 3]]"), ""), &texts), "/validation_data");
}
END_TEST

START_TEST(cells_are_refused_in_their_place)
{
    json_t *reply;
    REFUSED(
        gradient(json_of("{'data': {'x': [['a'], ['b'], [3]], 'y': [1, 2, 3]}, 'model': {'kernel': {'type': "
                         "'hamming'}}, " HELD "}"),
                 &reply),
        "/data/x/2/0");
    REFUSED(
        gradient(json_of("{'data': {'x': [[1], [2], ['b']], 'y': [1, 2, 3]}, 'model': {'kernel': {'type': "
                         "'hamming'}}, " HELD "}"),
                 &reply),
        "/data/x/2/0");
    REFUSED(
        gradient(json_of("{'data': {'x': [['a'], ['b\\u0007']], 'y': [1, 2]}, 'model': {'kernel': {'type': "
                         "'hamming'}}, " HELD "}"),
                 &reply),
        "/data/x/1/0");
    REFUSED(gradient(json_of("{'data': " DATA ", 'model': {'kernel': {'type': 'rbf', 'features': [0]}}, " HELD
                             "}",
                             ""),
                     &reply),
            "/model/kernel");
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("categories in requests");
    TCase *tcase = tcase_create("categories in requests");
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, texts_are_codes);
    tcase_add_test(tcase, another_data_set_is_recoded);
    tcase_add_test(tcase, cells_are_refused_in_their_place);
    suite_add_tcase(made, tcase);
    return made;
}
