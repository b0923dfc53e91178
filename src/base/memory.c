/* How much memory this process may use: the smaller of the machine's and its cgroup's. */
#include "kriged/base.h"

#include <stdio.h>
#include <unistd.h>

/* cgroup v2: a number of bytes, or "max". 0 = no limit. */
static size_t cgroup_limit(void)
{
    unsigned long long bytes = 0;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "r");
    if (!file)
        return 0;
    if (fscanf(file, "%llu", &bytes) != 1)
        bytes = 0;
    fclose(file);
    return (size_t)bytes;
}

size_t kr_memory(void)
{
    size_t machine = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE), limit = cgroup_limit();
    return limit && limit < machine ? limit : machine;
}
