/* How many cores this process may use: the smaller of its affinity mask and its cgroup's CPU quota. */
#include "kriged/base.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

static int affinity_cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* cgroup v2: "max 100000" or "150000 100000" (quota and period in microseconds). 0 = no quota. */
static int quota_cores(void)
{
    char text[64] = "";
    double quota, period;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (!file)
        return 0;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    if (sscanf(text, "%lf %lf", &quota, &period) != 2 || period <= 0)
        return 0;
    int cores = (int)(quota / period);
    return cores > 1 ? cores : 1;
}

int kr_cores(void)
{
    int cores = affinity_cores(), quota = quota_cores();
    if (quota && quota < cores)
        cores = quota;
    return cores > 1 ? cores : 1;
}
