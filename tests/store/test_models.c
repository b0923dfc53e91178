#include "fixture.h"

/* A job that succeeded with a model; its id. */
static char *add_model(const char *document, char **weights)
{
    char model_id[KR_ID_BYTES], *id = add_job(NULL);
    struct kr_job_change change = no_change(id);
    OK(kr_store_model_directory(&ctx, store, model_id, weights));
    OK(kr_dataset_save(&ctx, &sample, *weights));
    change.state = KR_JOB_SUCCEEDED;
    change.model = document;
    change.model_id = model_id;
    apply(change);
    return id;
}

START_TEST(a_model_outlives_its_job)
{
    char *weights, *id = add_model("{\"kernel\":1}", &weights);
    struct kr_model_row model;
    struct kr_dataset data = {0};
    OK(kr_store_job_delete(&ctx, store, id));
    reopen();
    OK(kr_store_model_get(&ctx, store, id, &model));
    ck_assert_str_eq(model.name, id);
    ck_assert_str_eq(model.document, "{\"kernel\":1}");
    ck_assert_uint_eq(strlen(model.created_at), 24);
    ck_assert_str_eq(model.directory, weights);
    OK(kr_dataset_map(&ctx, model.directory, &data));
    ck_assert_mem_eq(data.y, sample_y, sizeof sample_y);
    kr_dataset_unmap(&data);
}
END_TEST

START_TEST(a_model_goes_with_its_files)
{
    char *weights, *id = add_model("{}", &weights);
    struct kr_model_row model;
    OK(kr_store_model_delete(&ctx, store, id));
    ck_assert(!exists(weights));
    FAILS(kr_store_model_get(&ctx, store, id, &model), KR_NOT_FOUND, "", id);
    FAILS(kr_store_model_delete(&ctx, store, id), KR_NOT_FOUND, "", id);
}
END_TEST

START_TEST(a_model_needs_its_directory_but_may_have_none)
{
    struct kr_job_change change = no_change(add_job(NULL));
    struct kr_model_row model;
    uint64_t last;
    change.state = KR_JOB_SUCCEEDED;
    change.model = "{}";
    change.model_id = "00000000000000000000000000";
    FAILS(kr_store_apply(&ctx, store, 1, &change, &last), KR_STORAGE, "", change.model_id);
    ck_assert_int_eq(get_job(change.id).state, KR_JOB_QUEUED);
    change.model_id = NULL;
    apply(change);
    OK(kr_store_model_get(&ctx, store, change.id, &model));
    ck_assert_ptr_null(model.directory);
    FAILS(kr_store_apply(&ctx, store, 1, &change, &last), KR_CONFLICT, "", "models.name");
    OK(kr_store_model_delete(&ctx, store, change.id));
}
END_TEST

START_TEST(a_directory_that_no_model_took_is_dropped)
{
    char id[KR_ID_BYTES], *weights;
    OK(kr_store_model_directory(&ctx, store, id, &weights));
    ck_assert(exists(weights));
    kr_store_model_directory_drop(store, id);
    ck_assert(!exists(weights));
    kr_store_model_directory_drop(store, id);
    kr_store_model_directory_drop(store, "../datasets");
    ck_assert(exists(path_of("data/datasets")));
}
END_TEST

START_TEST(models_are_listed_newest_first)
{
    enum { MODELS = 7 };
    char *ids[MODELS], *weights;
    struct kr_page page = {.size = 3};
    struct kr_model_row *rows;
    size_t count, seen = 0;
    for (int i = 0; i < MODELS; i++)
        ids[i] = add_model("{}", &weights);
    do {
        OK(kr_store_model_list(&ctx, store, &page, &count, &rows));
        for (size_t i = 0; i < count; i++, seen++)
            ck_assert_str_eq(rows[i].name, ids[MODELS - 1 - seen]);
        page.token = page.next;
        add_model("{}", &weights);
    } while (page.next);
    ck_assert_uint_eq(seen, MODELS);
}
END_TEST

/* Its directory, with weights in it, for a model that is put. */
static char *weights_for(char id[KR_ID_BYTES])
{
    char *weights;
    OK(kr_store_model_directory(&ctx, store, id, &weights));
    OK(kr_dataset_save(&ctx, &sample, weights));
    return weights;
}

START_TEST(a_model_is_put_once)
{
    char id[KR_ID_BYTES], *weights = weights_for(id), other_id[KR_ID_BYTES], *other;
    struct kr_model_row row = {.name = "mine", .document = "{\"kernel\":1}", .digest = "d1"}, again = row,
                        different = row;
    bool created, found = true;
    OK(kr_store_model_find(&ctx, store, &again, &found));
    ck_assert(!found);
    OK(kr_store_model_put(&ctx, store, id, &row, &created));
    ck_assert(created);
    ck_assert_str_eq(row.directory, weights);
    ck_assert_uint_eq(strlen(row.created_at), 24);
    reopen();
    ck_assert(exists(weights));

    again.document = "{\"kernel\":2}"; /* the digest decides */
    other = weights_for(other_id);
    OK(kr_store_model_put(&ctx, store, other_id, &again, &created));
    ck_assert(!created);
    ck_assert(!exists(other));
    ck_assert_str_eq(again.document, row.document);
    ck_assert_str_eq(again.created_at, row.created_at);
    ck_assert_str_eq(again.directory, row.directory);
    OK(kr_store_model_find(&ctx, store, &again, &found));
    ck_assert(found);

    different.digest = "d2";
    other = weights_for(other_id);
    FAILS(kr_store_model_find(&ctx, store, &different, &found), KR_CONFLICT, "", "mine");
    FAILS(kr_store_model_put(&ctx, store, other_id, &different, &created), KR_CONFLICT, "", "mine");
    ck_assert(!exists(other));
    OK(kr_store_model_get(&ctx, store, "mine", &again));
    ck_assert_str_eq(again.digest, "d1");
    OK(kr_store_model_delete(&ctx, store, "mine"));
    ck_assert(!exists(weights));
}
END_TEST

START_TEST(a_name_of_a_job_is_never_put)
{
    char *weights, *id = add_model("{}", &weights), model_id[KR_ID_BYTES];
    struct kr_model_row row = {.name = id, .document = "{}", .digest = "d"};
    bool created;
    weights_for(model_id);
    FAILS(kr_store_model_put(&ctx, store, model_id, &row, &created), KR_CONFLICT, "", id);
    OK(kr_store_model_get(&ctx, store, id, &row));
    ck_assert_ptr_null(row.digest);
}
END_TEST

/* Weights that cannot be synced leave no row. */
START_TEST(a_model_without_its_directory_is_not_put)
{
    struct kr_model_row row = {.name = "mine", .document = "{}", .digest = "d"};
    bool created = true;
    FAILS(kr_store_model_put(&ctx, store, "00000000000000000000000000", &row, &created), KR_STORAGE, "",
          "00000000000000000000000000");
    ck_assert(!created);
    FAILS(kr_store_model_get(&ctx, store, "mine", &row), KR_NOT_FOUND, "", "mine");
}
END_TEST

STORE_SUITE("models", a_model_outlives_its_job, a_model_goes_with_its_files,
            a_model_needs_its_directory_but_may_have_none, a_directory_that_no_model_took_is_dropped,
            models_are_listed_newest_first, a_model_is_put_once, a_name_of_a_job_is_never_put,
            a_model_without_its_directory_is_not_put)
