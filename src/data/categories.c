/*
 * Columns of texts as numbers. While a column is read every new text gets the next code, by a hash table; at
 * the end the categories are sorted by their bytes and the codes follow, so that they do not depend on the
 * order of rows. Texts of rows that were left out drop out too. O(1) a cell, a copy of each category.
 */
#include "kriged/data.h"

#include "data/csv_reader.h"

#include <stdlib.h>
#include <string.h>

enum { FEW = 8 };

/* It grows with its texts: a table may have very many columns of few. */
struct kr_coder {
    size_t count, room;
    const char **texts; /* room */
    size_t *slots;      /* 4 room, a power of two: code + 1; 0 = free */
};

kr_status kr_coder_new(struct kr_ctx *ctx, struct kr_coder **out)
{
    KR_ALLOC(ctx, *out, 1);
    return KR_OK;
}

/* FNV-1a */
static size_t hash_of(const char *text, size_t length)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    return (size_t)(hash ^ hash >> 32);
}

/* Twice the room. */
static kr_status grow(struct kr_ctx *ctx, struct kr_coder *coder)
{
    const size_t room = coder->room ? 2 * coder->room : FEW;
    const char **texts;
    KR_ALLOC(ctx, texts, room);
    KR_ALLOC(ctx, coder->slots, 4 * room);
    for (size_t c = 0; c < coder->count; c++) {
        texts[c] = coder->texts[c];
        size_t slot = hash_of(texts[c], strlen(texts[c])) % (4 * room);
        while (coder->slots[slot])
            slot = (slot + 1) % (4 * room);
        coder->slots[slot] = c + 1;
    }
    coder->texts = texts;
    coder->room = room;
    return KR_OK;
}

static const char *wrong_with(const char *text, size_t length)
{
    const char *end = text + length;
    if (length > KR_CATEGORY_BYTES)
        return "is longer than 256 bytes";
    for (size_t step; text < end; text += step) {
        step = kr_utf8_length(text, end);
        if (step == 0)
            return "is not UTF-8";
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return "has a control character";
    }
    return NULL;
}

kr_status kr_coder_code(struct kr_ctx *ctx, struct kr_coder *coder, const char *text, size_t length,
                        const char **wrong, double *code)
{
    *wrong = wrong_with(text, length);
    if (*wrong)
        return KR_OK;
    if (coder->count == coder->room)
        KR_TRY(grow(ctx, coder));
    size_t slot = hash_of(text, length) % (4 * coder->room);
    for (; coder->slots[slot]; slot = (slot + 1) % (4 * coder->room)) {
        const char *known = coder->texts[coder->slots[slot] - 1];
        if (strlen(known) == length && memcmp(known, text, length) == 0) {
            *code = (double)(coder->slots[slot] - 1);
            return KR_OK;
        }
    }
    if (coder->count == KR_MOST_CATEGORIES) {
        *wrong = "is one category too many: a column has at most 1000";
        return KR_OK;
    }
    char *copy = kr_alloc(ctx, length + 1, 1);
    if (!copy)
        return ctx->error.status;
    memcpy(copy, text, length);
    *code = (double)coder->count;
    coder->texts[coder->count++] = copy;
    coder->slots[slot] = coder->count;
    return KR_OK;
}

struct entry {
    const char *text;
    size_t code;
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->text, ((const struct entry *)b)->text);
}

kr_status kr_coder_finish(struct kr_ctx *ctx, const struct kr_coder *coder, size_t n, double *codes,
                          struct kr_texts *out)
{
    struct entry *entries;
    double *places;
    bool *used;
    size_t count = 0;
    KR_ALLOC(ctx, out->items, coder->count);
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, entries, coder->count);
    KR_ALLOC(ctx, places, coder->count);
    KR_ALLOC(ctx, used, coder->count);
    for (size_t i = 0; i < n; i++)
        used[(size_t)codes[i]] = true;
    for (size_t c = 0; c < coder->count; c++)
        if (used[c])
            entries[count++] = (struct entry){coder->texts[c], c};
    qsort(entries, count, sizeof *entries, compare);
    for (size_t place = 0; place < count; place++) {
        out->items[place] = entries[place].text;
        places[entries[place].code] = (double)place;
    }
    for (size_t i = 0; i < n; i++)
        codes[i] = places[(size_t)codes[i]];
    out->count = count;
    kr_release(ctx, mark);
    return KR_OK;
}

bool kr_category_find(const struct kr_texts *categories, const char *text, double *code)
{
    size_t low = 0, high = categories->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(categories->items[middle], text);
        if (order == 0) {
            *code = (double)middle;
            return true;
        }
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    return false;
}
