/*
 * Rows with identical inputs, by hashing: one sequential pass a feature (the data are feature-major) gives
 * every row a hash, then rows go into an open-addressed table in their order, so that the first of a group
 * represents it. Cost: n d reads, d more for each repeated row; 8 n + 16..32 n bytes of scratch.
 */
#include "kriged/data.h"

#include "data/columns.h"

#include <stdlib.h>

static bool same_inputs(const struct kr_dataset *data, size_t a, size_t b)
{
    for (size_t k = 0; k < data->d; k++)
        if (kr_number_bits(data->x[k * data->n + a]) != kr_number_bits(data->x[k * data->n + b]))
            return false;
    return true;
}

kr_status kr_dataset_groups(struct kr_ctx *ctx, const struct kr_dataset *data, size_t *group)
{
    struct kr_mark mark = kr_mark(ctx);
    size_t n = data->n, slots = 16;
    while (slots < 2 * n)
        slots *= 2;
    uint64_t *hash;
    size_t *table; /* row + 1, 0 = empty */
    KR_ALLOC(ctx, hash, n);
    KR_ALLOC(ctx, table, slots);
    for (size_t k = 0; k < data->d; k++)
        for (size_t i = 0; i < n; i++)
            hash[i] = kr_hash_number(hash[i], data->x[k * n + i]);
    for (size_t i = 0; i < n; i++) {
        size_t slot = hash[i] & (slots - 1);
        for (; table[slot]; slot = (slot + 1) & (slots - 1)) {
            size_t first = table[slot] - 1;
            if (hash[first] == hash[i] && same_inputs(data, first, i))
                break;
        }
        if (!table[slot])
            table[slot] = i + 1;
        group[i] = table[slot] - 1;
    }
    kr_release(ctx, mark);
    return KR_OK;
}

/* The root of a row in the forest of joined groups, whose roots are first rows; halves the path on the way.
 */
static size_t root(size_t *group, size_t row)
{
    while (group[row] != row) {
        group[row] = group[group[row]];
        row = group[row];
    }
    return row;
}

struct labelled {
    uint64_t bits;
    size_t row;
};

static int compare(const void *a, const void *b)
{
    const struct labelled *p = a, *q = b;
    if (p->bits != q->bits)
        return p->bits < q->bits ? -1 : 1;
    return (p->row > q->row) - (p->row < q->row);
}

kr_status kr_groups_join(struct kr_ctx *ctx, size_t n, const double *label, size_t *group)
{
    struct kr_mark mark = kr_mark(ctx);
    struct labelled *order;
    KR_ALLOC(ctx, order, n);
    for (size_t i = 0; i < n; i++)
        order[i] = (struct labelled){kr_number_bits(label[i]), i};
    qsort(order, n, sizeof *order, compare);
    for (size_t i = 1; i < n; i++) {
        if (order[i].bits != order[i - 1].bits)
            continue;
        size_t a = root(group, order[i].row), b = root(group, order[i - 1].row);
        group[a > b ? a : b] = a > b ? b : a;
    }
    for (size_t i = 0; i < n; i++)
        group[i] = root(group, i);
    kr_release(ctx, mark);
    return KR_OK;
}
