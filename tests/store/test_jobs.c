#include "fixture.h"

static char *add_labelled(const char *team, const char *run)
{
    char *id = kr_alloc(&ctx, KR_ID_BYTES, 1);
    const char *names[] = {"team", "run"}, *texts[] = {team, run};
    struct kr_job_row job = {
        .id = id, .request = "{}", .nlabels = 2, .label_names = names, .label_texts = texts};
    kr_store_id(id);
    OK(kr_store_job_add(&ctx, store, &job, 0, NULL));
    return id;
}

START_TEST(a_job_is_stored_with_its_first_events)
{
    const char *names[] = {"team", "run"}, *texts[] = {"concrete", "\xc3\xa9t\xc3\xa9"};
    struct kr_event_row events[] = {{.kind = "state", .data = "{\"state\":\"queued\"}"},
                                    {.kind = "warning", .data = "{}"}};
    struct kr_job_row job = {
        .id = "01J", .request = "{\"a\":1}", .nlabels = 2, .label_names = names, .label_texts = texts};
    struct kr_event_row *rows;
    size_t count;
    OK(kr_store_job_add(&ctx, store, &job, 2, events));
    reopen();
    struct kr_job_row back = get_job("01J");
    ck_assert_int_eq(back.state, KR_JOB_QUEUED);
    ck_assert_int_eq(back.attempt, 0);
    ck_assert_uint_eq(strlen(back.created_at), 24);
    ck_assert_ptr_null(back.started_at);
    ck_assert_ptr_null(back.finished_at);
    ck_assert_ptr_null(back.dataset);
    ck_assert_str_eq(back.request, "{\"a\":1}");
    ck_assert_ptr_null(back.progress);
    ck_assert_uint_eq(back.nlabels, 2);
    ck_assert_str_eq(back.label_names[0], "run");
    ck_assert_str_eq(back.label_texts[0], "\xc3\xa9t\xc3\xa9");
    ck_assert_str_eq(back.label_texts[1], "concrete");
    ck_assert_uint_eq(back.last_event, 2);
    OK(kr_store_events(&ctx, store, "01J", 0, 10, &count, &rows));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(rows[0].id, 1);
    ck_assert_str_eq(rows[0].kind, "state");
    ck_assert_str_eq(rows[0].data, "{\"state\":\"queued\"}");
    ck_assert_str_eq(rows[0].created_at, back.created_at);
    ck_assert_uint_eq(rows[1].id, 2);
    FAILS(kr_store_job_add(&ctx, store, &job, 0, NULL), KR_CONFLICT, "", "jobs.id");
    FAILS(kr_store_job_get(&ctx, store, "02J", &back), KR_NOT_FOUND, "", "02J");
}
END_TEST

START_TEST(a_life_has_its_times)
{
    char *id = add_job(NULL), *sent_back;
    struct kr_job_change change = no_change(id);
    change.state = KR_JOB_RUNNING;
    change.attempt = 1;
    apply(change);
    struct kr_job_row row = get_job(id);
    ck_assert_int_eq(row.state, KR_JOB_RUNNING);
    ck_assert_int_eq(row.attempt, 1);
    ck_assert_ptr_nonnull(row.started_at);
    ck_assert_ptr_null(row.finished_at);
    sent_back = kr_strdup(&ctx, row.started_at);
    usleep(3000);
    set_state(id, KR_JOB_QUEUED);
    set_state(id, KR_JOB_RUNNING);
    ck_assert_str_eq(get_job(id).started_at, sent_back); /* the first time */
    change = no_change(id);
    change.progress = "{\"evaluation\":1}";
    apply(change);
    change = no_change(id);
    change.state = KR_JOB_SUCCEEDED;
    change.result = "{\"best_loss\":1}";
    apply(change);
    row = get_job(id);
    ck_assert_int_eq(row.state, KR_JOB_SUCCEEDED);
    ck_assert_int_eq(row.attempt, 1);
    ck_assert_str_gt(row.finished_at, row.started_at);
    ck_assert_str_eq(row.progress, "{\"evaluation\":1}");
    ck_assert_str_eq(row.result, "{\"best_loss\":1}");
    ck_assert_ptr_null(row.error);
}
END_TEST

START_TEST(a_job_goes_with_all_that_is_its)
{
    char *id = add_labelled("a", "b"), *text;
    struct kr_event_row event = {.kind = "step", .data = "{}"}, *rows;
    struct kr_job_change change = no_change(id);
    struct kr_page page = {.size = 10};
    struct kr_job_row *jobs, gone;
    size_t count;
    change.state = KR_JOB_RUNNING;
    change.checkpoint = "c";
    change.nevents = 1;
    change.events = &event;
    apply(change);
    FAILS(kr_store_job_delete(&ctx, store, id), KR_CONFLICT, "", "running");
    set_state(id, KR_JOB_CANCELLED);
    OK(kr_store_job_delete(&ctx, store, id));
    FAILS(kr_store_job_get(&ctx, store, id, &gone), KR_NOT_FOUND, "", id);
    FAILS(kr_store_job_delete(&ctx, store, id), KR_NOT_FOUND, "", id);
    OK(kr_store_events(&ctx, store, id, 0, 10, &count, &rows));
    ck_assert_uint_eq(count, 0);
    OK(kr_store_checkpoint(&ctx, store, id, &text));
    ck_assert_ptr_null(text);
    struct kr_job_filter filter = {.state = -1, .label_name = "team", .label_text = "a"};
    OK(kr_store_job_list(&ctx, store, &filter, &page, &count, &jobs));
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(pages_show_each_job_once_while_others_are_added)
{
    enum { JOBS = 250, SIZE = 20 };
    char *ids[JOBS];
    struct kr_page page = {.size = SIZE};
    struct kr_job_row *rows;
    size_t count, seen = 0;
    for (int i = 0; i < JOBS; i++)
        ids[i] = add_job(NULL);
    do {
        OK(kr_store_job_list(&ctx, store, NULL, &page, &count, &rows));
        ck_assert_uint_eq(count, JOBS - seen < SIZE ? JOBS - seen : SIZE);
        for (size_t i = 0; i < count; i++, seen++)
            ck_assert_str_eq(rows[i].id, ids[JOBS - 1 - seen]);
        page.token = page.next;
        add_job(NULL);
    } while (page.next);
    ck_assert_uint_eq(seen, JOBS);
    page = (struct kr_page){.size = SIZE, .token = "garbage"};
    FAILS(kr_store_job_list(&ctx, store, NULL, &page, &count, &rows), KR_INVALID, "/page_token", "token");
    page = (struct kr_page){.size = JOBS + 13};
    OK(kr_store_job_list(&ctx, store, NULL, &page, &count, &rows));
    ck_assert_uint_eq(count, JOBS + 13);
    ck_assert_ptr_null(page.next); /* an exactly full page is the last one */
}
END_TEST

static void expect_list(struct kr_job_filter filter, size_t wanted, const char *const *ids)
{
    struct kr_page page = {.size = 1};
    struct kr_job_row *rows;
    size_t count, seen = 0;
    do {
        OK(kr_store_job_list(&ctx, store, &filter, &page, &count, &rows));
        for (size_t i = 0; i < count; i++, seen++)
            ck_assert_str_eq(rows[i].id, ids[seen]);
        page.token = page.next;
    } while (page.next);
    ck_assert_uint_eq(seen, wanted);
}

START_TEST(lists_are_filtered)
{
    char *a = add_labelled("x", "1"), *b = add_labelled("x", "2"), *c = add_labelled("y", "1"),
         *d = add_job(NULL);
    set_state(b, KR_JOB_RUNNING);
    set_state(d, KR_JOB_RUNNING);
    expect_list((struct kr_job_filter){.state = -1}, 4, (const char *const[]){d, c, b, a});
    expect_list((struct kr_job_filter){.state = KR_JOB_RUNNING}, 2, (const char *const[]){d, b});
    expect_list((struct kr_job_filter){.state = KR_JOB_FAILED}, 0, NULL);
    expect_list((struct kr_job_filter){-1, "team", "x"}, 2, (const char *const[]){b, a});
    expect_list((struct kr_job_filter){-1, "run", "1"}, 2, (const char *const[]){c, a});
    expect_list((struct kr_job_filter){-1, "team", "1"}, 0, NULL);
    expect_list((struct kr_job_filter){-1, "team", NULL}, 3, (const char *const[]){c, b, a});
    expect_list((struct kr_job_filter){KR_JOB_RUNNING, "team", "x"}, 1, (const char *const[]){b});
    expect_list((struct kr_job_filter){-1, "team", "' OR 1 --"}, 0, NULL);
}
END_TEST

START_TEST(a_restart_takes_up_what_is_not_finished)
{
    char *ids[6], **found;
    size_t count;
    for (int i = 0; i < 6; i++) {
        ids[i] = add_job(NULL);
        set_state(ids[i], (enum kr_job_state)i);
        ck_assert_int_eq(kr_job_state_finished((enum kr_job_state)i), i > KR_JOB_PAUSED);
        ck_assert_int_eq(get_job(ids[i]).finished_at != NULL, i > KR_JOB_PAUSED);
    }
    ck_assert_ptr_null(kr_job_state_names[6]);
    reopen();
    OK(kr_store_job_unfinished(&ctx, store, &count, &found));
    ck_assert_uint_eq(count, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(found[i], ids[i]);
}
END_TEST

STORE_SUITE("jobs", a_job_is_stored_with_its_first_events, a_life_has_its_times,
            a_job_goes_with_all_that_is_its, pages_show_each_job_once_while_others_are_added,
            lists_are_filtered, a_restart_takes_up_what_is_not_finished)
