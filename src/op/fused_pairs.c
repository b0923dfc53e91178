/*
 * All pairs (i, j), i <= j, of blocks as a tournament: first every block with itself, then count - 1 rounds
 * (of an even count; an odd one gets a block that stands still) by the circle method, in which every block
 * meets every other once. A task may begin when both its blocks have had their tasks of all earlier rounds,
 * so that a block's tasks come in one order for any number of threads, and results may be added to in place:
 * no copies of the result per thread, no barriers. Tasks are taken in the order of rounds: one that waits,
 * waits for tasks that were taken before it.
 */
#include "op/fused.h"

#include <sched.h>
#include <stdlib.h>

struct tournament {
    size_t count, even, tasks;
    _Atomic size_t next, *met; /* of each block: tasks done */
    kr_pair_function *function;
    void *self;
};

/* Task t: its round and blocks; the block that stands still is `count`. */
static size_t blocks_of(const struct tournament *t, size_t task, size_t *i, size_t *j)
{
    if (task < t->count) {
        *i = *j = task;
        return 0;
    }
    const size_t half = t->even / 2, circle = t->even - 1, round = (task - t->count) / half,
                 position = (task - t->count) % half;
    const size_t a = position == 0 ? circle : (round + position) % circle,
                 b = (round + circle - position) % circle;
    *i = a < b ? a : b;
    *j = a < b ? b : a;
    return round + 1;
}

static void wait_for(const struct tournament *t, size_t block, size_t tasks)
{
    for (size_t spins = 0; t->met[block] != tasks; spins++)
        if (spins > 200)
            sched_yield();
}

static void work(struct tournament *t)
{
    size_t i, j;
    for (size_t task; (task = t->next++) < t->tasks;) {
        const size_t round = blocks_of(t, task, &i, &j);
        wait_for(t, i, round);
        if (j < t->count) {
            wait_for(t, j, round);
            t->function(t->self, i, j);
        }
        t->met[i]++;
        if (j != i && j < t->count)
            t->met[j]++;
    }
}

bool kr_fused_small(size_t n, size_t m, size_t each)
{
    return (double)n * (double)m * (double)each < 3e6;
}

kr_status kr_each_pair(struct kr_ctx *ctx, size_t count, int threads, kr_pair_function *function, void *self)
{
    const size_t even = count + count % 2;
    struct tournament t = {.count = count,
                           .even = even,
                           .tasks = count + (count > 1 ? even / 2 * (even - 1) : 0),
                           .function = function,
                           .self = self};
    KR_ALLOC(ctx, t.met, count);
#pragma omp parallel num_threads(threads)
    work(&t);
    return KR_OK;
}
