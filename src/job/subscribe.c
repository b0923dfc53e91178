/* Subscriptions: who wants to know that a job has new stored events. */
#include "job/job_impl.h"

#include <stdlib.h>
#include <string.h>

struct kr_subscription {
    struct kr_subscription *next;
    struct kr_subscriptions *owner;
    char job[KR_ID_BYTES];
    void (*wake)(void *self);
    void *self;
    bool waking; /* its callback runs: it stays in the list */
};

void kr_subscriptions_init(struct kr_subscriptions *subscriptions)
{
    pthread_mutex_init(&subscriptions->lock, NULL);
    pthread_cond_init(&subscriptions->quiet, NULL);
}

void kr_subscriptions_fini(struct kr_subscriptions *subscriptions)
{
    pthread_mutex_destroy(&subscriptions->lock);
    pthread_cond_destroy(&subscriptions->quiet);
}

kr_status kr_jobs_subscribe(struct kr_ctx *ctx, struct kr_jobs *jobs, const char *id,
                            void (*wake)(void *self), void *self, struct kr_subscription **out)
{
    struct kr_subscription *made = calloc(1, sizeof *made);
    if (!made)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no memory left for a subscription");
    strncpy(made->job, id, sizeof made->job - 1);
    made->wake = wake;
    made->self = self;
    made->owner = &jobs->subscriptions;
    pthread_mutex_lock(&made->owner->lock);
    made->next = made->owner->first;
    made->owner->first = made;
    pthread_mutex_unlock(&made->owner->lock);
    *out = made;
    return KR_OK;
}

void kr_jobs_unsubscribe(struct kr_subscription *subscription)
{
    if (!subscription)
        return;
    struct kr_subscriptions *owner = subscription->owner;
    pthread_mutex_lock(&owner->lock);
    while (subscription->waking)
        pthread_cond_wait(&owner->quiet, &owner->lock);
    struct kr_subscription **link = &owner->first;
    while (*link != subscription)
        link = &(*link)->next;
    *link = subscription->next;
    pthread_mutex_unlock(&owner->lock);
    free(subscription);
}

/* Only the supervisor notifies, so `waking` has one writer at a time. Who subscribes meanwhile is put in
 * front and missed here: it reads the store after subscribing. */
void kr_subscriptions_notify(struct kr_subscriptions *subscriptions, const char *job)
{
    pthread_mutex_lock(&subscriptions->lock);
    for (struct kr_subscription *at = subscriptions->first; at; at = at->next) {
        if (strcmp(at->job, job) != 0)
            continue;
        at->waking = true;
        pthread_mutex_unlock(&subscriptions->lock);
        at->wake(at->self);
        pthread_mutex_lock(&subscriptions->lock);
        at->waking = false;
        pthread_cond_broadcast(&subscriptions->quiet);
    }
    pthread_mutex_unlock(&subscriptions->lock);
}
