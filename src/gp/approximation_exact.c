/* exact: the covariance matrix as it is, stored or matrix-free by the solver. */
#include "kriged/gp.h"

extern const struct kr_approximation_type kr_approximation_exact;
const struct kr_approximation_type kr_approximation_exact = {
    {"exact", "the full covariance matrix, stored or matrix-free by the solver", NULL}, NULL};
