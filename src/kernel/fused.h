/* Fused tiles of stationary kernels: what kernel files offer and operators call (formulas in fused_tile.h).
 */
#ifndef KERNEL_FUSED_H
#define KERNEL_FUSED_H

#include "kriged/kernel.h"

/*
 * A rectangle of panels. Numbers are float or double, by the function called. Points x (rows) and z (columns)
 * come packed: panel p holds coordinate k of its 64 points at [p][k][64], scaled so that |x - z|^2/2 is |s|,
 * the argument of the profile; hx and hz hold their signed |x|^2/2. Vectors and results are [p][k][64].
 */
struct kr_fused_block {
    size_t d, k;
    size_t rows, cols; /* panels */
    size_t tail;       /* rows that count in the last panel of rows */
    const void *x, *z, *hx, *hz;
    const double *nx, *nz; /* largest |x|^2/2 of each panel */
    double limit;          /* up to this the distance may be expanded into products */
    double shape;          /* the kernel's last parameter where it has one */
    size_t features;
    /* y (columns) += K' u where u is given; w (rows) += K v where v is given. */
    const void *u, *v;
    void *y, *w;
    void *tile;         /* K itself, [row][cols * 64]; NULL: not wanted */
    const void *factor; /* times each entry of K, the same shape; NULL: 1 */
};

typedef void kr_fused_function(const struct kr_fused_block *);

/*
 * The derivative on a rectangle. Weights of its entries are u v' + ut vt' (rows' and columns' panels of k
 * vectors; ut = NULL: the first part alone), or given, [row][cols * 64]. With G = weight dg/ds,
 *
 *     row_sums += G 1    col_sums += G' 1    col_moments += G' x    ([cols][d][64])
 *
 * from which sum G (x_k - z_k)^2 follows; where distances are not to be expanded that sum is added to
 * `squares` (d) instead. sums: + sum of weight g, + sum of weight dg/dshape.
 */
struct kr_fused_pull {
    struct kr_fused_block at; /* the points, k, u and v; its results, tile and factor are not used */
    const void *ut, *vt, *weights;
    void *row_sums, *col_sums, *col_moments;
    double *squares, sums[2];
};

typedef void kr_fused_pull_function(struct kr_fused_pull *);

enum { KR_PANEL = 64, KR_FUSED_LEVELS = 3, KR_FUSED_COLUMNS = 32 /* right-hand sides at a time */ };

struct kr_fused {
    double (*factor)(double shape);                     /* s = factor r^2 */
    double (*steepness)(double shape, size_t features); /* |dg/ds| at 0, where it is largest */
    kr_fused_function *product[KR_FUSED_LEVELS][2];     /* by level; float, double */
    kr_fused_pull_function *pull[KR_FUSED_LEVELS][2];
    bool shaped; /* g depends on the shape */
};

/* The best level of this machine, an index of the arrays above; lower ones by kr_fused_use, for tests. */
int kr_fused_level(void);
int kr_fused_use(int level);

#endif
