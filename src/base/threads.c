/* Threads: BLAS gets one, our own tiles have the rest. Threaded OpenBLAS gives other bits with other thread
 * counts; ours are kept the same by tiling above a serial BLAS. */
#include "kriged/base.h"

#include <cblas.h>
#include <omp.h>
#include <pthread.h>

static void single(void)
{
    openblas_set_num_threads(1);
}

void kr_blas_single_thread(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, single);
}

int kr_thread(void)
{
    return omp_get_thread_num();
}
