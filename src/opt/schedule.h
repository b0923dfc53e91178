/* schedule: how a learning rate falls. */
#ifndef KRIGED_OPT_SCHEDULE_H
#define KRIGED_OPT_SCHEDULE_H

#include "kriged/opt.h"

/* The share of the learning rate at step t (from 0) of a run of so many evaluations; 1 without a schedule. */
double kr_schedule_share(const struct kr_variant *schedule, double t, size_t evaluations);

#endif
