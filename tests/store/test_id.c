#include "store/store.h"

#include "suite.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { IDS = 100000, THREADS = 4 };

START_TEST(ids_sort_as_they_were_made)
{
    char last[KR_ID_BYTES] = "", id[KR_ID_BYTES];
    for (int i = 0; i < IDS; i++) {
        kr_store_id(id);
        ck_assert_uint_eq(strlen(id), 26);
        ck_assert_uint_eq(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
        ck_assert_msg(strcmp(last, id) < 0, "%s is not after %s", id, last);
        memcpy(last, id, sizeof id);
    }
    ck_assert_int_eq(last[0], '0'); /* until the year 3084 */
}
END_TEST

static void *make_ids(void *self)
{
    char(*ids)[KR_ID_BYTES] = self;
    for (int i = 0; i < IDS / THREADS; i++)
        kr_store_id(ids[i]);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

START_TEST(threads_never_share_an_id)
{
    char(*ids)[KR_ID_BYTES] = calloc(IDS, sizeof *ids);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_ids, ids + i * (IDS / THREADS)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    qsort(ids, IDS, sizeof *ids, compare);
    for (int i = 1; i < IDS; i++)
        ck_assert_str_ne(ids[i - 1], ids[i]);
    free(ids);
}
END_TEST

START_TEST(times_have_milliseconds_and_go_forward)
{
    char first[KR_TIME_BYTES], second[KR_TIME_BYTES];
    kr_store_now(first);
    kr_store_now(second);
    ck_assert_uint_eq(strlen(first), 24);
    ck_assert_int_eq(first[10], 'T');
    ck_assert_int_eq(first[19], '.');
    ck_assert_int_eq(first[23], 'Z');
    ck_assert_str_le(first, second);
    ck_assert_str_ge(first, "2024");
}
END_TEST

SUITE("id", ids_sort_as_they_were_made, threads_never_share_an_id, times_have_milliseconds_and_go_forward)
