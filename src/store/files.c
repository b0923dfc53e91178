/* The directories beside the database. What must survive is synced before a row names it. */
#include "store/db.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *kr_files_path(struct kr_ctx *ctx, const struct kr_store *store, const char *kind, const char *id)
{
    return kr_printf(ctx, "%s/%s/%s", store->directory, kind, id);
}

kr_status kr_files_make(struct kr_ctx *ctx, const char *path, bool *made)
{
    *made = mkdir(path, 0700) == 0;
    if (!*made && errno != EEXIST)
        return kr_fail(ctx, KR_STORAGE, "", "the directory %s cannot be made: %m", path);
    return KR_OK;
}

kr_status kr_files_sync(struct kr_ctx *ctx, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return kr_fail(ctx, KR_STORAGE, "", "%s cannot be opened: %m", path);
    kr_status status = KR_OK;
    if (fsync(fd))
        status = kr_fail(ctx, KR_STORAGE, "", "%s cannot be synced: %m", path);
    close(fd);
    return status;
}

static kr_status sync_entries(struct kr_ctx *ctx, const char *path, DIR *directory)
{
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.')
            continue;
        char *file = kr_printf(ctx, "%s/%s", path, entry->d_name);
        KR_TRY(file ? kr_files_sync(ctx, file) : ctx->error.status);
    }
    return kr_files_sync(ctx, path);
}

kr_status kr_files_sync_tree(struct kr_ctx *ctx, const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        return kr_fail(ctx, KR_STORAGE, "", "%s cannot be opened: %m", path);
    kr_status status = sync_entries(ctx, path, directory);
    closedir(directory);
    return status;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    remove(path);
    return 0;
}

void kr_files_remove(const char *path)
{
    enum { OPEN_AT_MOST = 8 };
    nftw(path, remove_one, OPEN_AT_MOST, FTW_DEPTH | FTW_PHYS);
}

kr_status kr_files_each(struct kr_ctx *ctx, struct kr_store *store, const char *kind,
                        kr_status (*visit)(struct kr_ctx *ctx, struct kr_store *store, const char *kind,
                                           const char *id))
{
    char *path = kr_printf(ctx, "%s/%s", store->directory, kind);
    if (!path)
        return ctx->error.status;
    DIR *directory = opendir(path);
    if (!directory)
        return kr_fail(ctx, KR_STORAGE, "", "the directory %s cannot be read: %m", path);
    kr_status status = KR_OK;
    for (struct dirent *entry; status == KR_OK && (entry = readdir(directory));)
        if (kr_id_valid(entry->d_name))
            status = visit(ctx, store, kind, entry->d_name);
    closedir(directory);
    return status;
}
