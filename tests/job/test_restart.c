/* Ends and beginnings of the daemon: what was promised is there, and a job's story has no gap and no
 * repetition. */
#include "jobs_fixture.h"

#include <sys/wait.h>

static const char *const slow = "{\"steps\":60,\"ms\":10,\"every\":4}";

/* The story of a job without what restarts add to it. */
static int count_steps(const char *id)
{
    return count_events(id, "step", "");
}

START_TEST(a_drained_job_goes_on)
{
    char straight[KR_ID_BYTES], broken[KR_ID_BYTES];
    set_up(2, 0);
    OK(submit(slow, straight));
    ck_assert_int_eq(wait_end(straight), KR_JOB_SUCCEEDED);
    OK(submit(slow, broken));
    for (uint64_t at = 8; at < 50; at += 16) {
        wait_events(broken, at);
        kr_jobs_drain(jobs);
        char id[KR_ID_BYTES];
        FAILS(submit("{}", id), KR_UNAVAILABLE);
        close_jobs(5);
        struct kr_job_row row = job_row(broken);
        ck_assert_int_eq(row.state, KR_JOB_QUEUED);
        ck_assert_int_eq(row.attempt, 0);
        ck_assert_int_eq(count_steps(broken) % 4, 0); /* no step after the last checkpoint */
        open_jobs(2, 0);
    }
    ck_assert_int_eq(wait_end(broken), KR_JOB_SUCCEEDED);
    check_steps(straight, 60);
    check_steps(broken, 60);
    ck_assert_str_eq(job_row(straight).result, job_row(broken).result);
    ck_assert_int_eq(count_events(broken, "state", "\"reason\":\"shutdown\""), 3);
    ck_assert_int_eq(job_row(broken).attempt, 1);
    tear_down();
}
END_TEST

START_TEST(a_stubborn_job_is_ended_and_goes_on)
{
    char id[KR_ID_BYTES];
    set_up(2, 0);
    OK(submit("{\"steps\":40,\"ms\":20,\"every\":4,\"stubborn\":true}", id));
    wait_events(id, 8);
    double before = kr_seconds();
    close_jobs(0.1);
    ck_assert_double_lt(kr_seconds() - before, 2.0);
    ck_assert_int_eq(job_row(id).state, KR_JOB_QUEUED);
    open_jobs(2, 0);
    ck_assert_int_eq(wait_end(id), KR_JOB_SUCCEEDED);
    check_steps(id, 40);
    tear_down();
}
END_TEST

START_TEST(queued_jobs_keep_their_order)
{
    enum { JOBS = 5 };
    char ids[JOBS][KR_ID_BYTES];
    set_up(1, 0);
    for (int i = 0; i < JOBS; i++)
        OK(submit("{\"steps\":3,\"ms\":30}", ids[i]));
    wait_events(ids[1], 3);
    close_jobs(5);
    open_jobs(1, 0);
    for (int i = 0; i < JOBS; i++) {
        ck_assert_int_eq(wait_end(ids[i]), KR_JOB_SUCCEEDED);
        check_steps(ids[i], 3);
        if (i > 0)
            ck_assert_str_le(job_row(ids[i - 1]).finished_at, job_row(ids[i]).finished_at);
    }
    tear_down();
}
END_TEST

START_TEST(a_cancel_survives_the_end)
{
    char id[KR_ID_BYTES];
    set_up(2, 0);
    OK(submit("{\"steps\":1000,\"ms\":20,\"stubborn\":true}", id));
    wait_events(id, 3);
    OK(kr_jobs_cancel(&ctx, jobs, id));
    close_jobs(0);
    ck_assert_int_eq(job_row(id).state, KR_JOB_CANCELLED);
    open_jobs(2, 0);
    tear_down();
}
END_TEST

/* A whole daemon in a child process, killed at any time: its workers must be gone, and the next one goes on.
 */
static pid_t run_daemon(const char *store_directory, int report)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    char id[KR_ID_BYTES];
    kr_ctx_init(&ctx, 0);
    const struct kr_job_row row = {.request = "{\"steps\":60,\"ms\":10,\"every\":4}"};
    if (kr_store_open(&ctx, store_directory, &store) != KR_OK)
        _exit(2);
    const struct kr_jobs_config config = {.store = store, .workers = 2, .threads = 1};
    if (kr_jobs_open(&ctx, &config, &jobs) != KR_OK)
        _exit(3);
    if (report >= 0 &&
        (kr_jobs_submit(&ctx, jobs, &row, id) != KR_OK || write(report, id, sizeof id) != sizeof id))
        _exit(4);
    for (;;)
        pause();
}

START_TEST(a_killed_daemon_goes_on)
{
    char id[KR_ID_BYTES], byte;
    int ends[2];
    strcpy(directory, "/tmp/kriged-jobs-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(pipe(ends), 0); /* inherited by nobody but the children: spawned workers close it */
    for (int i = 0; i < 4; i++) {
        pid_t child = run_daemon(directory, i == 0 ? ends[1] : -1);
        if (i == 0)
            ck_assert_int_eq((int)read(ends[0], id, sizeof id), KR_ID_BYTES);
        sleep_ms(180 + 37 * i);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
    }
    close(ends[1]);
    ck_assert_int_eq((int)read(ends[0], &byte, 1), 0);
    close(ends[0]);
    kr_ctx_init(&ctx, 0);
    OK(kr_store_open(&ctx, directory, &store));
    open_jobs(2, 0);
    ck_assert_int_eq(wait_end(id), KR_JOB_SUCCEEDED);
    check_steps(id, 60);
    ck_assert_int_eq(job_row(id).attempt, 1);
    ck_assert_int_ge(count_events(id, "state", "\"reason\":\"restart\""), 1);
    tear_down();
}
END_TEST

START_TEST(a_wrong_executable_is_refused)
{
    set_up(2, 0);
    close_jobs(1);
    const struct kr_jobs_config config = {.store = store, .executable = "/nonexistent/kriged"};
    FAILS(kr_jobs_open(&ctx, &config, &jobs), KR_INTERNAL);
    ck_assert_ptr_null(jobs);
    tear_down();
}
END_TEST

SUITE("restart", a_drained_job_goes_on, a_stubborn_job_is_ended_and_goes_on, queued_jobs_keep_their_order,
      a_cancel_survives_the_end, a_killed_daemon_goes_on, a_wrong_executable_is_refused)
