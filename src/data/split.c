/*
 * Seeded draws that keep groups whole. The pool's groups are listed in the order of their first rows,
 * shuffled, and taken while they fit into what is still wanted. Cost: npool log npool; 40 bytes of scratch a
 * row.
 */
#include "kriged/data.h"

#include <math.h>
#include <stdlib.h>

struct member {
    size_t group, at; /* at: position in the pool */
};

static int compare_members(const void *a, const void *b)
{
    const struct member *p = a, *q = b;
    if (p->group != q->group)
        return p->group < q->group ? -1 : 1;
    return (p->at > q->at) - (p->at < q->at);
}

/* A group is a run of `size` sorted members from `start`. */
struct run {
    size_t start, size, first; /* first: position in the pool of its first row */
};

static int compare_runs(const void *a, const void *b)
{
    const struct run *p = a, *q = b;
    return (p->first > q->first) - (p->first < q->first);
}

static size_t find_runs(size_t n, const struct member *members, struct run *runs)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || members[i].group != members[i - 1].group)
            runs[count++] = (struct run){i, 0, members[i].at};
        runs[count - 1].size++;
    }
    qsort(runs, count, sizeof *runs, compare_runs);
    return count;
}

/* order: the runs as shuffled; those chosen are moved to its front. Returns how many. */
static size_t choose_runs(size_t nruns, const struct run *runs, size_t *order, size_t wanted)
{
    size_t chosen = 0, smallest = 0;
    for (size_t i = 0; i < nruns; i++) {
        size_t r = order[i];
        if (runs[r].size < runs[order[smallest]].size)
            smallest = i;
        if (runs[r].size > wanted)
            continue;
        wanted -= runs[r].size;
        order[chosen++] = r;
    }
    if (chosen == 0)
        order[chosen++] = order[smallest];
    return chosen;
}

/* The pool's groups: sorted members, runs of them, and their shuffled order. */
struct groups {
    struct member *members;
    struct run *runs;
    size_t count, *order;
};

static kr_status shuffle_groups(struct kr_ctx *ctx, size_t npool, const size_t *pool, const size_t *group,
                                uint64_t seed, uint64_t stream, struct groups *out)
{
    struct kr_rng rng;
    KR_ALLOC(ctx, out->members, npool);
    KR_ALLOC(ctx, out->runs, npool);
    KR_ALLOC(ctx, out->order, npool);
    for (size_t i = 0; i < npool; i++)
        out->members[i] = (struct member){group[pool[i]], i};
    qsort(out->members, npool, sizeof *out->members, compare_members);
    out->count = find_runs(npool, out->members, out->runs);
    for (size_t i = 0; i < out->count; i++)
        out->order[i] = i;
    kr_rng_init(&rng, seed, stream);
    kr_rng_shuffle(&rng, out->count, out->order);
    return KR_OK;
}

kr_status kr_split_fraction(struct kr_ctx *ctx, size_t npool, const size_t *pool, const size_t *group,
                            double fraction, uint64_t seed, uint64_t stream, const char *pointer, bool *taken)
{
    struct kr_mark mark = kr_mark(ctx);
    double share = round(fraction * (double)npool);
    if (!(fraction > 0 && fraction < 1) || npool < 2 || !(share < (double)npool))
        return kr_fail(ctx, KR_INVALID, pointer,
                       "a fraction of %g of %zu row%s cannot be drawn: nothing would be left; wanted a "
                       "fraction in (0, 1) "
                       "that leaves at least one row",
                       fraction, npool, npool == 1 ? "" : "s");
    struct groups g;
    KR_TRY(shuffle_groups(ctx, npool, pool, group, seed, stream, &g));
    if (g.count == 1)
        return kr_fail(
            ctx, KR_INVALID, pointer,
            "the %zu rows form one group (rows with the same inputs stay together): nothing would be left; "
            "wanted at least two groups",
            npool);
    size_t chosen = choose_runs(g.count, g.runs, g.order, share > 1 ? (size_t)share : 1);
    for (size_t i = 0; i < chosen; i++)
        for (size_t j = 0; j < g.runs[g.order[i]].size; j++)
            taken[pool[g.members[g.runs[g.order[i]].start + j].at]] = true;
    kr_release(ctx, mark);
    return KR_OK;
}

enum { FOLD_STREAM = 3 /* of random numbers; draws of fractions use 1 and 2 */ };

kr_status kr_split_folds(struct kr_ctx *ctx, size_t npool, const size_t *pool, const size_t *group,
                         size_t folds, uint64_t seed, const char *pointer, size_t *fold)
{
    struct kr_mark mark = kr_mark(ctx);
    struct groups g;
    size_t *size;
    KR_TRY(shuffle_groups(ctx, npool, pool, group, seed, FOLD_STREAM, &g));
    if (g.count < folds)
        return kr_fail(
            ctx, KR_INVALID, pointer,
            "%zu folds cannot be made of %zu groups of rows (rows with the same inputs stay together)", folds,
            g.count);
    KR_ALLOC(ctx, size, folds);
    for (size_t i = 0; i < g.count; i++) {
        const struct run *run = &g.runs[g.order[i]];
        size_t least = 0;
        for (size_t f = 1; f < folds; f++)
            least = size[f] < size[least] ? f : least;
        size[least] += run->size;
        for (size_t j = 0; j < run->size; j++)
            fold[pool[g.members[run->start + j].at]] = least + 1;
    }
    kr_release(ctx, mark);
    return KR_OK;
}
