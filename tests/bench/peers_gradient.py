"""Value and gradient of a held-out loss, or of the evidence, by plain dense torch and by scikit-learn, in double: seconds (the least of
two), for bench_gradient. Prints "none" where the package is not installed.

    peers_gradient.py torch-mse|torch-nlpd|sklearn-evidence N
"""
import sys
import time


def data(n, numpy):
    rng = numpy.random.default_rng(1)
    x = rng.standard_normal((n, 8))
    y = numpy.sin(2 * x).sum(1) / 8**0.5 + 0.3 * rng.standard_normal(n)
    return x, y


def by_torch(loss, n):
    import numpy
    import torch
    torch.set_num_threads(2)
    x, y = (torch.tensor(a, dtype=torch.float64) for a in data(n, numpy))
    m = n // 5
    xs, ys, x, y = x[:m], y[:m], x[m:], y[m:]
    theta = torch.log(torch.tensor([1.0] + [8**0.5] * 8 + [0.1], dtype=torch.float64)).requires_grad_()

    def once():
        v, l, s2 = theta[0].exp(), theta[1:9].exp(), theta[9].exp()
        square = lambda a, b: (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
        k = lambda a, b: v * torch.exp(-0.5 * square(a / l, b / l))
        factor = torch.linalg.cholesky(k(x, x) + s2 * torch.eye(n - m, dtype=torch.float64))
        cross = k(xs, x)
        error = ys - cross @ torch.cholesky_solve(y[:, None], factor)[:, 0]
        if loss == "mse":
            value = (error**2).mean()
        else:
            z = torch.linalg.solve_triangular(factor, cross.T, upper=False)
            variance = v + s2 - (z * z).sum(0)
            value = (0.5 * torch.log(2 * torch.pi * variance) + error**2 / (2 * variance)).mean()
        theta.grad = None
        value.backward()

    return once


def by_sklearn(n):
    import numpy
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
    x, y = data(n, numpy)
    m = n // 5
    kernel = ConstantKernel(1.0) * RBF([8**0.5] * 8) + WhiteKernel(0.1)
    gp = GaussianProcessRegressor(kernel, optimizer=None).fit(x[m:m + 50], y[m:m + 50])
    gp.X_train_, gp.y_train_ = x[m:], y[m:]
    return lambda: gp.log_marginal_likelihood(gp.kernel_.theta, eval_gradient=True, clone_kernel=False)


def main(what, n):
    try:
        once = by_sklearn(n) if what == "sklearn-evidence" else by_torch(what.split("-")[1], n)
    except ImportError:
        print("none")
        return
    best = float("inf")
    for _ in range(2):
        began = time.monotonic()
        once()
        best = min(best, time.monotonic() - began)
    print(best)


main(sys.argv[1], int(sys.argv[2]))
