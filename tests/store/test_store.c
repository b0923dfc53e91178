#include "fixture.h"

#include "store/db.h"

#include <fcntl.h>
#include <sys/wait.h>

/* On the store's own connection: for states that only time, or a full disk, would bring. */
static void sql(const char *text)
{
    char *message = NULL;
    ck_assert_msg(sqlite3_exec(store->db, text, NULL, NULL, &message) == SQLITE_OK, "%s", message);
}

static char *pragma(const char *text)
{
    sqlite3_stmt *statement;
    ck_assert_int_eq(sqlite3_prepare_v2(store->db, text, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    char *value = kr_strdup(&ctx, (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return value;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(the_directory_is_private_and_the_database_careful)
{
    struct stat info;
    ck_assert_int_eq(stat(path_of("data"), &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0700);
    ck_assert(exists(path_of("data/datasets")));
    ck_assert(exists(path_of("data/models")));
    ck_assert_str_eq(pragma("PRAGMA journal_mode"), "wal");
    ck_assert_str_eq(pragma("PRAGMA synchronous"), "2");
    ck_assert_str_eq(pragma("PRAGMA foreign_keys"), "1");
    ck_assert_str_eq(pragma("PRAGMA integrity_check"), "ok");
    ck_assert_str_eq(
        pragma("SELECT count(*) FROM pragma_table_list WHERE NOT strict AND name NOT LIKE 'sqlite_%'"), "0");
}
END_TEST

START_TEST(a_second_daemon_is_refused)
{
    struct kr_store *second;
    FAILS(kr_store_open(&ctx, path_of("data"), &second), KR_CONFLICT, "", "in use");
    ck_assert_ptr_null(second);
    reopen();
}
END_TEST

START_TEST(an_executed_child_does_not_keep_the_lock)
{
    int alive[2];
    ck_assert_int_eq(pipe2(alive, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        execlp("sleep", "sleep", "60", (char *)NULL);
        _exit(127);
    }
    ck_assert_int_gt(child, 0);
    char byte;
    close(alive[1]);
    ck_assert_int_eq(read(alive[0], &byte, 1), 0); /* its end: the child has been executed */
    close(alive[0]);
    reopen();
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}
END_TEST

START_TEST(only_leftovers_are_removed)
{
    char id[KR_ID_BYTES], *leftover, *weights;
    struct kr_dataset_row row = {.name = "kept", .digest = "d", .meta = "{}"};
    bool created;
    OK(kr_store_dataset_put(&ctx, store, &sample, &row, &created));
    kr_store_id(id);
    leftover = kr_printf(&ctx, "%s/datasets/%s", path_of("data"), id);
    ck_assert_int_eq(mkdir(leftover, 0700), 0);
    write_file(kr_printf(&ctx, "%s/x.npy", leftover), "half");
    OK(kr_store_model_directory(&ctx, store, id, &weights));
    write_file(kr_printf(&ctx, "%s/x.npy", weights), "half");
    ck_assert_int_eq(mkdir(path_of("data/datasets/not-ours"), 0700), 0);
    write_file(path_of("data/datasets/not-ours/thesis"), "all of it");
    reopen();
    ck_assert(!exists(leftover));
    ck_assert(!exists(weights));
    ck_assert(exists(row.directory));
    ck_assert(exists(path_of("data/datasets/not-ours/thesis")));
}
END_TEST

START_TEST(data_without_their_database_are_kept)
{
    struct kr_dataset_row row = {.name = "kept", .digest = "d", .meta = "{}"};
    bool created;
    OK(kr_store_dataset_put(&ctx, store, &sample, &row, &created));
    kr_store_close(store);
    store = NULL;
    ck_assert_int_eq(rename(path_of("data/kriged.db"), kr_printf(&ctx, "%s/elsewhere", directory)), 0);
    for (int i = 0; i < 2; i++)
        FAILS(kr_store_open(&ctx, path_of("data"), &store), KR_CONFLICT, "", "kriged.db is missing");
    ck_assert(exists(row.directory));
}
END_TEST

START_TEST(a_newer_database_is_refused)
{
    sql("PRAGMA user_version = 999");
    kr_store_close(store);
    store = NULL;
    FAILS(kr_store_open(&ctx, path_of("data"), &store), KR_CONFLICT, "", "version 999");
}
END_TEST

/* As the first version made it: what is missing is added, what is there stays. */
START_TEST(an_older_database_is_brought_up)
{
    struct kr_model_row row;
    char *id = add_job(NULL);
    sql("DROP INDEX jobs_unfinished_validation");
    sql("ALTER TABLE jobs DROP COLUMN validation_dataset");
    sql("ALTER TABLE models DROP COLUMN digest");
    sql("INSERT INTO models (name, created_at, document) VALUES ('old', '2026-01-31T09:26:53.589Z', '{}')");
    sql("PRAGMA user_version = 1");
    reopen();
    OK(kr_store_model_get(&ctx, store, "old", &row));
    ck_assert_str_eq(row.document, "{}");
    ck_assert_ptr_null(row.digest);
    ck_assert_int_eq(get_job(id).state, KR_JOB_QUEUED);
    ck_assert_ptr_null(get_job(id).validation_dataset);
    ck_assert_str_eq(get_job(id).request, "{}");
}
END_TEST

START_TEST(a_corrupt_database_is_a_storage_error)
{
    kr_store_close(store);
    store = NULL;
    write_file(path_of("data/kriged.db"),
               "this is not a database, but it is long enough to have a header of one: "
               "one hundred bytes are needed for that and here they are");
    FAILS(kr_store_open(&ctx, path_of("data"), &store), KR_STORAGE, "", "data/kriged.db");
    ck_assert_ptr_null(store);
}
END_TEST

START_TEST(directories_that_cannot_be_are_named)
{
    struct kr_store *other;
    write_file(path_of("file"), "");
    FAILS(kr_store_open(&ctx, path_of("missing/data"), &other), KR_STORAGE, "", "missing/data");
    FAILS(kr_store_open(&ctx, path_of("file/data"), &other), KR_STORAGE, "", "file/data");
    FAILS(kr_store_open(&ctx, path_of("file"), &other), KR_STORAGE, "", "/file");
    ck_assert_ptr_null(other);
}
END_TEST

START_TEST(a_directory_that_may_not_be_written_is_a_storage_error)
{
    enum { NOBODY = 65534 };
    uid_t me = geteuid();
    kr_store_close(store);
    store = NULL;
    ck_assert_int_eq(chmod(directory, 0555), 0);
    ck_assert_int_eq(chmod(path_of("data"), 0555), 0);
    if (me == 0)
        ck_assert_int_eq(seteuid(NOBODY), 0); /* root may write anywhere */
    kr_status fresh = kr_store_open(&ctx, path_of("fresh"), &store);
    FAILS(fresh, KR_STORAGE, "", "/fresh");
    kr_status present = kr_store_open(&ctx, path_of("data"), &store);
    FAILS(present, KR_STORAGE, "", "/data/");
    ck_assert_int_eq(seteuid(me), 0);
    chmod(directory, 0700);
    chmod(path_of("data"), 0700);
}
END_TEST

START_TEST(a_full_disk_is_a_storage_error_and_changes_nothing)
{
    char *id = add_job(NULL), *text = kr_alloc(&ctx, 1 << 20, 1);
    uint64_t last;
    memset(text, 'x', (1 << 20) - 1);
    struct kr_event_row events[] = {{.kind = "step", .data = "small"}, {.kind = "step", .data = text}};
    struct kr_job_change change = no_change(id);
    change.state = KR_JOB_RUNNING;
    change.nevents = 2;
    change.events = events;
    OK(kr_store_check(&ctx, store));
    sql("PRAGMA max_page_count = 1"); /* = as many as there are */
    FAILS(kr_store_apply(&ctx, store, 1, &change, &last), KR_STORAGE, "", "full");
    ck_assert_int_eq(get_job(id).state, KR_JOB_QUEUED);
    ck_assert_uint_eq(get_job(id).last_event, 0);
    sql("PRAGMA max_page_count = 1000000");
    OK(kr_store_apply(&ctx, store, 1, &change, &last));
    ck_assert_uint_eq(last, 2);
}
END_TEST

START_TEST(the_check_writes)
{
    OK(kr_store_check(&ctx, store));
    store->written = 0;
    sql("PRAGMA query_only = ON");
    FAILS(kr_store_check(&ctx, store), KR_STORAGE, "", "readonly");
    FAILS(kr_store_check(&ctx, store), KR_STORAGE, "", "readonly");
    sql("PRAGMA query_only = OFF");
    OK(kr_store_check(&ctx, store));
    ck_assert(store->written > 0);
}
END_TEST

START_TEST(things_are_counted)
{
    struct kr_store_counts counts;
    struct kr_dataset_row row = {.name = "one", .digest = "d", .meta = "{}"};
    bool created;
    OK(kr_store_count(&ctx, store, &counts));
    ck_assert_uint_eq(counts.datasets + counts.models + counts.jobs[KR_JOB_QUEUED], 0);
    OK(kr_store_dataset_put(&ctx, store, &sample, &row, &created));
    add_job(NULL);
    add_job(NULL);
    set_state(add_job(NULL), KR_JOB_CANCELLED);
    OK(kr_store_count(&ctx, store, &counts));
    ck_assert_uint_eq(counts.datasets, 1);
    ck_assert_uint_eq(counts.jobs[KR_JOB_QUEUED], 2);
    ck_assert_uint_eq(counts.jobs[KR_JOB_RUNNING], 0);
    ck_assert_uint_eq(counts.jobs[KR_JOB_CANCELLED], 1);
    ck_assert_uint_eq(counts.models, 0);
}
END_TEST

START_TEST(closing_nothing_is_fine)
{
    kr_store_close(NULL);
}
END_TEST

STORE_SUITE("store", the_directory_is_private_and_the_database_careful, a_second_daemon_is_refused,
            an_executed_child_does_not_keep_the_lock, only_leftovers_are_removed,
            data_without_their_database_are_kept, a_newer_database_is_refused,
            an_older_database_is_brought_up, a_corrupt_database_is_a_storage_error,
            directories_that_cannot_be_are_named, a_directory_that_may_not_be_written_is_a_storage_error,
            a_full_disk_is_a_storage_error_and_changes_nothing, the_check_writes, things_are_counted,
            closing_nothing_is_fine)
