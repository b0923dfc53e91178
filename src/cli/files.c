/* Files of the command line. */
#include "cli/files.h"
#include "wire/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

kr_status kr_read_text(struct kr_ctx *ctx, const char *path, char **text, size_t *length)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    size_t room = 1 << 16, got;
    *length = 0;
    if (!in)
        return kr_fail(ctx, KR_NOT_FOUND, "", "%.300s cannot be read: %s", path, strerror(errno));
    *text = malloc(room);
    while (*text && (got = fread(*text + *length, 1, room - *length, in)) > 0) {
        *length += got;
        if (*length == room) {
            char *larger = realloc(*text, room *= 2);
            if (!larger)
                free(*text);
            *text = larger;
        }
    }
    const bool fine = !ferror(in);
    if (in != stdin)
        fclose(in);
    if (*text && fine)
        return KR_OK;
    free(*text);
    return kr_fail(ctx, KR_STORAGE, "", "%.300s cannot be read", path);
}

kr_status kr_read_json(struct kr_ctx *ctx, const char *path, json_t **out)
{
    char *text;
    size_t length;
    KR_TRY(kr_read_text(ctx, path, &text, &length));
    kr_status status = kr_json_parse(ctx, text, length, out);
    free(text);
    return status;
}

kr_status kr_read_csv(struct kr_ctx *ctx, const char *path, const struct kr_csv_options *options,
                      struct kr_dataset *out)
{
    char *text;
    size_t length;
    KR_TRY(kr_read_text(ctx, path, &text, &length));
    kr_status status = kr_dataset_from_csv(ctx, text, length, options, out, NULL);
    free(text);
    return status;
}

kr_status kr_write_json(struct kr_ctx *ctx, const char *path, const json_t *json)
{
    char *text = kr_json_dump(json, true);
    FILE *out = !text ? NULL : strcmp(path, "-") == 0 ? stdout : fopen(path, "wb");
    bool fine = out && fputs(text, out) >= 0 && fputc('\n', out) != EOF && fflush(out) == 0;
    if (out && out != stdout)
        fine &= fclose(out) == 0;
    free(text);
    return fine ? KR_OK : kr_fail(ctx, KR_STORAGE, "", "%.300s cannot be written: %s", path, strerror(errno));
}
