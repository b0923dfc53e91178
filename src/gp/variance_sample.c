/*
 * The mean of a loss over m held-out points, with exact variances v_j at b drawn ones only. A surrogate vh_j
 * for all of them (the neighbours' bounds f, scaled to the exact ones) carries the rest:
 *
 *     p_j = 0.7 w_j/sum w + 0.3/m,  w_j = |dl/dv(e_j, f_j)| (f_j - noise_j);  b draws with replacement;  om_j
 * = count_j/(b m p_j) vh_j = max(noise_j, c1 f_near + c2 f_all + c0 noise_j),     c: ridge regression of vh/v
 * on 1, weights min(m om_j, 4)
 *
 *     value = mean_j l(e_j, vh_j) + sum_B om_j (l(e_j, v_j) - l(e_j, vh_j))
 *     se^2  = (sum z^2 - (sum z)^2/b) b/(b - 1 - 3),   z = difference/(b m p_j), one for each draw; 3 are
 * spent on c adjoints of vh_j: those of the mean - 1_B om_j l_v(e_j, vh_j);  of v_j: om_j l_v(e_j, v_j);  of
 * the mean at B likewise
 *
 * Unbiased for any surrogate but for the fit of c, whose bias is below a quarter of the standard error.
 * Draws, om, c and neighbours are held fixed while theta moves: then value and gradient are those of one
 * smooth function. It serves any functional that is a mean over points. Sources: Cochran 1977, section 7
 * (difference estimator); Owen 2013, chapter 9 (defensive mixtures).
 */
#include "gp/variance_sample.h"

#include <math.h>
#include <string.h>

enum { STREAM = 0x7a21 };
static const double BY_WEIGHT = 0.7, MOST_FIT_WEIGHT = 4, RIDGE = 1e-8;

extern void dposv_(const char *uplo, const int *n, const int *k, double *A, const int *lda, double *B,
                   const int *ldb, int *info);

/* p (m), from |dl/dv| where the variances are the bounds f. */
static kr_status chances(struct kr_ctx *ctx, const struct work *w, const double *f, double *p)
{
    const struct head *loss = &w->heads[0];
    const size_t m = w->m;
    const double *alpha = w->sampled->alpha;
    double value, sum = 0, *mean, *mean_bar, *variance_bar;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, mean, m);
    KR_ALLOC(ctx, mean_bar, m);
    KR_ALLOC(ctx, variance_bar, m);
    for (size_t j = 0; j < m; j++)
        mean[j] = kr_sampled_mean(w, j, f[j]);
    kr_head_eval(w, loss, 0,
                 &(struct scoring){m, w->gp->validation.y, mean, f, &value, mean_bar, variance_bar, NULL});
    for (size_t j = 0; j < m; j++)
        sum += p[j] = fabs(variance_bar[j] - (alpha ? alpha[w->gp->folds.at[j]] * mean_bar[j] : 0)) *
                      fmax(f[j] - kr_objective_noise(w, j), 0);
    const double share = isfinite(sum) && sum > 0 ? BY_WEIGHT : 0;
    for (size_t j = 0; j < m; j++)
        p[j] = (share > 0 ? share * p[j] / sum : 0) + (1 - share) / (double)m;
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_variance_sample_draw(struct kr_ctx *ctx, struct kr_variance_sample *sample, const struct work *w,
                                  const double *f_all)
{
    const size_t m = w->m, b = sample->spec->points;
    struct kr_rng rng;
    double *p, sum = 0;
    size_t *count;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, p, m);
    KR_ALLOC(ctx, count, m);
    KR_TRY(chances(ctx, w, f_all, p));
    kr_rng_init(&rng, sample->spec->seed, STREAM + w->gp->draw);
    for (size_t i = 0; i < b; i++) {
        double left = kr_rng_uniform(&rng);
        size_t j = 0;
        for (; j + 1 < m && left >= p[j]; j++)
            left -= p[j];
        count[j]++;
    }
    sample->count = 0;
    for (size_t j = 0; j < m; j++)
        if (count[j]) {
            sample->points[sample->count] = j;
            sample->draws[sample->count] = (double)count[j];
            sample->weight[sample->count++] = (double)count[j] / ((double)(b * m) * p[j]);
            sum += (double)count[j];
        }
    kr_release(ctx, mark);
    return sum == (double)b ? KR_OK : kr_fail(ctx, KR_INTERNAL, "", "%g points drawn, not %zu", sum, b);
}

static void terms(const struct work *w, const double *f, size_t j, double *t)
{
    for (size_t set = 0; set < KR_NEIGHBOUR_SETS; set++)
        t[set] = f[set * w->m + j];
    t[KR_NEIGHBOUR_SETS] = kr_objective_noise(w, j);
}

/* min over c of sum_B a_j (c't_j/v_j - 1)^2 + ridge |c - (0, 1, 0)|^2: the ridge decides where all t are
 * alike. */
void kr_variance_sample_calibrate(struct kr_variance_sample *sample, const struct work *w, const double *f,
                                  const double *exact)
{
    enum { TERMS = KR_SURROGATE_TERMS };
    const int order = TERMS, one = 1;
    double A[TERMS * TERMS] = {0}, start[TERMS] = {0}, left[TERMS] = {0}, trace = 0;
    int info;
    start[KR_NEIGHBOUR_SETS - 1] = 1;
    for (size_t i = 0; i < sample->count; i++) {
        const size_t j = sample->points[i];
        const double a = fmin((double)w->m * sample->weight[i], MOST_FIT_WEIGHT);
        double t[TERMS], miss = 1;
        terms(w, f, j, t);
        for (int r = 0; r < TERMS; r++)
            t[r] /= exact[i];
        for (int r = 0; r < TERMS; r++)
            miss -= t[r] * start[r];
        for (int r = 0; r < TERMS; r++) {
            left[r] += a * t[r] * miss;
            for (int c = 0; c < TERMS; c++)
                A[r + c * TERMS] += a * t[r] * t[c];
        }
    }
    for (int r = 0; r < TERMS; r++)
        trace += A[r + r * TERMS];
    for (int r = 0; r < TERMS; r++)
        A[r + r * TERMS] += RIDGE * trace;
    dposv_("L", &order, &one, A, &order, left, &order, &info);
    for (int r = 0; r < TERMS; r++)
        sample->c[r] = start[r] + (info == 0 ? left[r] : 0);
    sample->ready = true;
}

size_t kr_variance_sample_surrogate(const struct kr_variance_sample *sample, struct work *w, const double *f)
{
    size_t clamped = 0;
    for (size_t j = 0; j < w->m; j++) {
        double t[KR_SURROGATE_TERMS], v = 0;
        terms(w, f, j, t);
        for (int r = 0; r < KR_SURROGATE_TERMS; r++)
            v += sample->c[r] * t[r];
        w->clamped[j] = !(v > t[KR_NEIGHBOUR_SETS]);
        w->variance[j] = w->clamped[j] ? t[KR_NEIGHBOUR_SETS] : v;
        clamped += w->clamped[j];
    }
    return clamped;
}

/* A functional at one point, whose variance is v. */
struct at_point {
    double value, mean_bar, variance_bar;
};

static struct at_point at_point(const struct head *head, const struct work *w, size_t j, double v)
{
    const double mean = kr_sampled_mean(w, j, v);
    struct at_point p = {0};
    kr_head_eval(w, head, 0,
                 &(struct scoring){1, w->gp->validation.y + j, &mean, &v, &p.value, &p.mean_bar,
                                   &p.variance_bar, NULL});
    return p;
}

void kr_variance_sample_correct(const struct sampled *s, struct work *w, size_t head, double *standard_error,
                                double *bracket)
{
    struct head *h = &w->heads[head];
    const struct kr_variance_sample *sample = s->sample;
    const double b = (double)sample->spec->points, dof = b - 1 - KR_SURROGATE_TERMS;
    double sum = 0, squares = 0, width = 0;
    for (size_t i = 0; i < sample->count; i++) {
        const size_t j = sample->points[i];
        const double om = sample->weight[i];
        const struct at_point near = at_point(h, w, j, w->variance[j]),
                              exact = at_point(h, w, j, s->exact[i]);
        const double z = om * (exact.value - near.value);
        sum += z;
        squares += z * z / sample->draws[i];
        width += om * s->gap[i] *
                 fabs(exact.variance_bar - (s->alpha ? s->alpha[w->gp->folds.at[j]] * exact.mean_bar : 0));
        h->mean_bar[j] -= om * near.mean_bar;
        h->variance_bar[j] -= om * near.variance_bar;
        s->exact_bar[head * sample->count + i] = om * exact.variance_bar;
        s->exact_mean_bar[head * sample->count + i] = om * exact.mean_bar;
    }
    *h->value += sum;
    if (standard_error)
        *standard_error = sqrt(fmax(squares - sum * sum / b, 0) * b / dof);
    if (bracket)
        *bracket = width;
}
