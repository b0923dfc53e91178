/* Tokens of lists: "<created_at>~<key>", of characters that need no escape in a query. */
#include "store/db.h"

#include <string.h>

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static bool is_time(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    return true;
}

kr_status kr_cursor_init(struct kr_ctx *ctx, struct kr_page *page, struct kr_cursor *out)
{
    page->next = NULL;
    if (page->size == 0 || page->size > INT32_MAX)
        return kr_fail(ctx, KR_INVALID, "/page_size", "must be at least 1 and below 2^31, got %zu",
                       page->size);
    out->limit = (int64_t)page->size + 1;
    if (!page->token) {
        strcpy(out->created_at, "~"); /* above every digit */
        out->key = "";
        return KR_OK;
    }
    const char *at = page->token + KR_TIME_BYTES - 1;
    if (!is_time(page->token) || at[0] != '~' || !at[1] || at[1 + strspn(at + 1, letters)])
        return kr_fail(ctx, KR_INVALID, "/page_token", "is not a token that a list gave");
    memcpy(out->created_at, page->token, KR_TIME_BYTES - 1);
    out->created_at[KR_TIME_BYTES - 1] = '\0';
    out->key = at + 1;
    return KR_OK;
}

kr_status kr_page_rows(struct kr_ctx *ctx, struct kr_store *store, sqlite3_stmt *statement,
                       const struct kr_row_form *form, struct kr_page *page, size_t *count, void **rows)
{
    char *items = kr_alloc(ctx, page->size, form->size);
    if (!items)
        return ctx->error.status;
    *rows = items;
    for (bool row;; ++*count) {
        KR_TRY(kr_db_step(ctx, store, statement, &row));
        if (!row)
            return KR_OK;
        if (*count == page->size)
            break;
        KR_TRY(form->read(ctx, store, statement, items + *count * form->size));
    }
    const char *last = items + (*count - 1) * form->size;
    page->next = kr_printf(ctx, "%s~%s", *(const char *const *)(last + form->created_at),
                           *(const char *const *)(last + form->key));
    return page->next ? KR_OK : ctx->error.status;
}
