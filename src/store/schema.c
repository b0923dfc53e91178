/*
 * The tables. PRAGMA user_version counts the migrations that a database has had; each runs in a transaction
 * together with its number. A migration is never edited after a release: append one.
 *
 * Names are the clients'; directories are ids of our own. finished_at is set exactly when a job's state is a
 * finished one, so indexes and queries need no list of states.
 */
#include "store/db.h"

static const char *const migrations[] = {
    "CREATE TABLE datasets (name TEXT PRIMARY KEY, digest TEXT NOT NULL, created_at TEXT NOT NULL,"
    "  directory TEXT NOT NULL UNIQUE, meta TEXT NOT NULL) STRICT;"
    "CREATE INDEX datasets_newest ON datasets (created_at, name);"

    "CREATE TABLE jobs (id TEXT PRIMARY KEY, state TEXT NOT NULL, created_at TEXT NOT NULL, started_at TEXT,"
    "  finished_at TEXT, attempt INTEGER NOT NULL DEFAULT 0, dataset TEXT, last_event INTEGER NOT NULL "
    "DEFAULT 0,"
    "  request TEXT NOT NULL, progress TEXT, result TEXT, error TEXT) STRICT;"
    "CREATE INDEX jobs_newest ON jobs (created_at, id);"
    "CREATE INDEX jobs_by_state ON jobs (state, created_at, id);"
    "CREATE INDEX jobs_unfinished ON jobs (dataset) WHERE finished_at IS NULL;"

    "CREATE TABLE labels (job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE, name TEXT NOT NULL,"
    "  text TEXT NOT NULL, PRIMARY KEY (job, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE events (job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE, id INTEGER NOT NULL,"
    "  kind TEXT NOT NULL, created_at TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (job, id))"
    "  STRICT, WITHOUT ROWID;"
    "CREATE TABLE checkpoints (job TEXT PRIMARY KEY REFERENCES jobs ON DELETE CASCADE, data TEXT NOT NULL) "
    "STRICT;"

    "CREATE TABLE models (name TEXT PRIMARY KEY, created_at TEXT NOT NULL, directory TEXT UNIQUE,"
    "  document TEXT NOT NULL) STRICT;"
    "CREATE INDEX models_newest ON models (created_at, name);"

    "CREATE TABLE checks (id INTEGER PRIMARY KEY, at TEXT NOT NULL) STRICT;",

    /* of models that clients bring; NULL: a job made it */
    "ALTER TABLE models ADD COLUMN digest TEXT;",

    "ALTER TABLE jobs ADD COLUMN validation_dataset TEXT;"
    "CREATE INDEX jobs_unfinished_validation ON jobs (validation_dataset) WHERE finished_at IS NULL;",
};
enum { NEWEST = sizeof migrations / sizeof migrations[0] };

static kr_status migrate_once(struct kr_ctx *ctx, struct kr_store *store, int version)
{
    int code = sqlite3_exec(store->db, migrations[version], NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return kr_db_fail(ctx, store, code);
    char *sql = kr_printf(ctx, "PRAGMA user_version = %d", version + 1);
    return sql ? kr_db_run(ctx, store, sql, 0, NULL) : ctx->error.status;
}

static kr_status read_version(struct kr_ctx *ctx, struct kr_store *store, int *version)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    bool row;
    KR_PREPARE(ctx, store, &statement, "PRAGMA user_version");
    KR_TRY(kr_db_step(ctx, store, statement, &row));
    *version = sqlite3_column_int(statement, 0);
    return KR_OK;
}

kr_status kr_db_migrate(struct kr_ctx *ctx, struct kr_store *store)
{
    int version;
    KR_TRY(read_version(ctx, store, &version));
    if (version < 0 || version > NEWEST)
        return kr_fail(ctx, KR_CONFLICT, "",
                       "the database %s/kriged.db has version %d, made by a newer kriged: this one knows "
                       "versions up to %d",
                       store->directory, version, NEWEST);
    for (; version < NEWEST; version++) {
        KR_TRY(kr_db_begin(ctx, store));
        KR_TRY(kr_db_end(ctx, store, migrate_once(ctx, store, version)));
    }
    return KR_OK;
}
