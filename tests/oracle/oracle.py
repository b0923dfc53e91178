#!/usr/bin/env python3
"""Reference values, computed independently of the code under test: writes cases.json beside this script.

Everything is computed with 50 digits (mpmath) from the definitions: dense matrices, linear systems by elimination, gradients by
central differences with a step of 1e-20, which are right to about 40 digits. No formula of a derivative and no code is shared
with kriged. A case is a body of POST /v1/gradients (`request`, to which `data` belongs) with what it must give:

    loss        mean over the validation rows, standardised units
    gradients   d loss / d parameter by name, standardised (natural) values
    metrics     of the validation rows, conditioned on the training rows, the data's units
    test        where there are test rows: their metrics, conditioned on training and validation rows
    by_data     where the request has with_respect_to: derivatives by x, y, noise_variance and x_validation, in rows
    validation_data   belongs to the request where its validation is another data set
    joint       of mse cases, predictions at `points` conditioned on all rows but the test rows, the data's units, without
                observation noise: mean, covariance, and the gradient of the mean by the points

Run: apt-get install python3-mpmath; tests/oracle/oracle.py
"""

import json
import os
import random

from mpmath import mp, mpf

mp.dps = 50
STEP = mpf(10) ** -20

# ---- definitions: kernels, means, losses ------------------------------------------------------------------------------------


def sum_over(terms):
    return mp.fsum(terms)


SHAPES = {
    "rbf": lambda r2: mp.exp(-r2 / 2),
    "matern12": lambda r2: mp.exp(-mp.sqrt(r2)),
    "matern32": lambda r2: (1 + mp.sqrt(3 * r2)) * mp.exp(-mp.sqrt(3 * r2)),
    "matern52": lambda r2: (1 + mp.sqrt(5 * r2) + 5 * r2 / 3) * mp.exp(-mp.sqrt(5 * r2)),
}


# Parameters of the leaves in the order of their rows; True: one entry a feature, where asked.
VARIANCE_AND_LENGTH = [("variance", False), ("lengthscale", True)]
PARAMETERS = {
    **{name: VARIANCE_AND_LENGTH for name in [*SHAPES, "arc_cosine", "wendland", "hamming"]},
    "rational_quadratic": VARIANCE_AND_LENGTH + [("alpha", False)],
    "periodic": VARIANCE_AND_LENGTH + [("period", True)],
    "cosine": [("variance", False), ("period", True)],
    "linear": [("variance", True)],
    "polynomial": [("variance", False), ("offset", False)],
    "constant": [("variance", False)],
    "white": [("variance", False)],
}


def number_of(value):
    """A hyperparameter's value, alone or with what is known about it."""
    return mpf(value["value"] if isinstance(value, dict) else value)


PRIORS = {
    "normal": lambda v, mean, sd: mp.npdf(v, mean, sd),
    "lognormal": lambda v, mean, sd: mp.npdf(mp.log(v), mean, sd) / v,
    "gamma": lambda v, shape, rate: rate**shape * v ** (shape - 1) * mp.exp(-rate * v) / mp.gamma(shape),
    "halfcauchy": lambda v, scale: 2 / (mp.pi * scale * (1 + (v / scale) ** 2)),
    "uniform": lambda v, lower, upper: 1 / (upper - lower),
}


def log_density(prior, value):
    options = [mpf(v) for name, v in prior.items() if name != "type"]
    return mp.log(PRIORS[prior["type"]](value, *options))


def kernel_parameters(spec, path, d):
    """[(name, value)] of a kernel tree in the order of the tree."""
    if "kernels" in spec:
        return [p for i, child in enumerate(spec["kernels"]) for p in kernel_parameters(child, f"{path}.kernels[{i}]", d)]
    out, count = [], len(spec.get("features", range(d)))
    for name, per_feature in PARAMETERS[spec["type"]]:
        value = spec.get(name, 1)
        if per_feature and (spec.get("ard") or isinstance(value, list)):
            values = value if isinstance(value, list) else [value] * count
            out += [(f"{path}.{name}[{k}]", v) for k, v in enumerate(values)]
        else:
            out.append((f"{path}.{name}", value))
    return out


def leaf(spec, of, u, w, same):
    """k of the features u, w that the kernel sees; of(name, k) is a parameter."""
    q, kind = len(u), spec["type"]
    if kind == "linear":
        return sum_over(of("variance", k) * u[k] * w[k] for k in range(q))
    variance = of("variance", 0)
    if kind == "constant":
        return variance
    if kind == "white":
        return variance if same else mpf(0)
    if kind == "polynomial":
        return variance * (sum_over(u[k] * w[k] for k in range(q)) + of("offset", 0)) ** spec.get("degree", 2)
    if kind == "cosine":
        return variance * mp.cos(2 * mp.pi * sum_over((u[k] - w[k]) / of("period", k) for k in range(q)))
    if kind == "periodic":
        waves = (mp.sin(mp.pi * (u[k] - w[k]) / of("period", k)) / of("lengthscale", k) for k in range(q))
        return variance * mp.exp(-2 * sum_over(v**2 for v in waves))
    if kind == "hamming":
        return variance * mp.exp(-sum_over(1 / of("lengthscale", k) for k in range(q) if u[k] != w[k]))
    if kind == "arc_cosine":
        a, b = ([mpf(1)] + [v[k] / of("lengthscale", k) for k in range(q)] for v in (u, w))
        dot, size = sum_over(s * t for s, t in zip(a, b)), mp.sqrt(sum_over(s * s for s in a) * sum_over(t * t for t in b))
        angle = mpf(0) if same else mp.acos(max(min(dot / size, mpf(1)), mpf(-1)))
        return variance * size / mp.pi * (mp.sin(angle) + (mp.pi - angle) * mp.cos(angle))
    r2 = sum_over(((u[k] - w[k]) / of("lengthscale", k)) ** 2 for k in range(q))
    if kind == "rational_quadratic":
        return variance * (1 + r2 / (2 * of("alpha", 0))) ** -of("alpha", 0)
    if kind == "wendland":
        r, j = mp.sqrt(r2), q // 2 + 2
        return variance * max(mpf(0), 1 - r) ** (j + 1) * ((j + 1) * r + 1)
    return variance * SHAPES[kind](r2)


def kernel(spec, path, theta, a, b, same=False):
    """k(a, b); same: a and b are the same row of the same set."""
    if spec["type"] == "sum":
        return sum_over(kernel(c, f"{path}.kernels[{i}]", theta, a, b, same) for i, c in enumerate(spec["kernels"]))
    if spec["type"] == "product":
        return mp.fprod(kernel(c, f"{path}.kernels[{i}]", theta, a, b, same) for i, c in enumerate(spec["kernels"]))
    seen = spec.get("features", range(len(a)))
    of = lambda name, k: theta[f"{path}.{name}"] if f"{path}.{name}" in theta else theta[f"{path}.{name}[{k}]"]
    return leaf(spec, of, [a[f] for f in seen], [b[f] for f in seen], same)


def density_loss(y, mean, variance):
    """-log N(y; mean, variance)"""
    return mp.log(2 * mp.pi * variance) / 2 + (y - mean) ** 2 / (2 * variance)


def crps(y, mean, variance):
    """int (F(z) - [z >= y])^2 dz of a normal F, in its closed form (checked by quadrature in main)."""
    sd = mp.sqrt(variance)
    t = (y - mean) / sd
    return sd * (t * (2 * mp.ncdf(t) - 1) + 2 * mp.npdf(t) - 1 / mp.sqrt(mp.pi))


# ---- behind a logarithm: y + shift = e^z, z normal -------------------------------------------------------------------------


def below(mean, variance, c):
    """E[e^Z; Z <= c] (checked by quadrature in main)."""
    return mp.exp(mean + variance / 2) * mp.ncdf(c, mean + variance, mp.sqrt(variance))


def log_crps(w, mean, variance):
    """int (F(u) - [u >= w])^2 du of a lognormal F, in its closed form (checked by quadrature in main)."""
    sd, inside = mp.sqrt(variance), mp.ncdf(mp.log(w), mean, mp.sqrt(variance))
    return w * (2 * inside - 1) - 2 * (below(mean, variance, mp.log(w)) + mp.exp(mean + variance / 2) * (mp.ncdf(sd / mp.sqrt(2)) - 1))


def clipped(a, delta, mean, variance):
    """E of e^Z - a, clipped at delta (checked by quadrature in main)."""
    sd, high = mp.sqrt(variance), mp.log(a + delta)
    low = mp.log(a - delta) if a > delta else -mp.inf
    under, upto = (mp.ncdf(low, mean, sd), below(mean, variance, low)) if a > delta else (mpf(0), mpf(0))
    over = 1 - mp.ncdf(high, mean, sd)
    return below(mean, variance, high) - upto - a * (1 - under - over) + delta * (over - under)


def huber_point(delta, mean, variance):
    """The point at which the expected clipped error is 0, to all digits."""
    return mp.findroot(lambda a: clipped(a, delta, mean, variance), (mp.exp(mean), mp.exp(mean + variance / 2)), solver="secant", tol=mpf(10) ** -90)


# ---- a Gaussian process -----------------------------------------------------------------------------------------------------


def moments(values):
    mean = sum_over(values) / len(values)
    return mean, sum_over((v - mean) ** 2 for v in values) / len(values)


def joined(data, other):
    """The rows of two data sets, one after the other."""
    if not other:
        return data
    zeros = [[0] * len(d["y"]) for d in (data, other)]
    known = [d.get("noise_variance", none) for d, none in zip((data, other), zeros)]
    return {"x": data["x"] + other["x"], "y": data["y"] + other["y"], "noise_variance": known[0] + known[1]}


class Gp:
    def __init__(self, case):
        data, request = joined(case["data"], case.get("validation_data")), case["request"]
        self.model, self.objective = request["model"], request["objective"]
        self.loss_type = self.objective["loss"]
        x = [[mpf(v) for v in row] for row in data["x"]]
        y = [mpf(v) for v in data["y"]]
        n, self.d = len(y), len(x[0])
        self.test = sorted(request.get("test", {}).get("rows", []))
        self.fit = [i for i in range(len(case["data"]["y"])) if i not in self.test]
        self.others = list(range(len(case["data"]["y"]), n))
        self.splits = self.splits_of(request["objective"].get("validation"), data["x"])
        self.train = self.splits[0][0] if len(self.splits) == 1 else self.fit

        transform = self.model.get("target_transform", {"type": "none"})
        self.log, raw = transform["type"] == "log", y
        if self.log:
            y = [mp.log(v + mpf(transform.get("shift", 0))) for v in y]
            self.shift = mpf(transform.get("shift", 0))
        standardize = {"x": True, "y": True, **self.model.get("standardize", {})}
        self.y_mean, self.y_sd = mpf(0), mpf(1)
        if standardize["y"]:
            self.y_mean, self.y_sd = self.scale([y[i] for i in self.fit])
        self.unit = self.scale([raw[i] for i in self.fit])[1] if standardize["y"] else mpf(1)
        columns = [(mpf(0), mpf(1))] * self.d
        if standardize["x"]:
            columns = [self.scale([x[i][k] for i in self.fit]) for k in range(self.d)]
        self.x = [[(row[k] - columns[k][0]) / columns[k][1] for k in range(self.d)] for row in x]
        self.y = [(v - self.y_mean) / self.y_sd for v in y]
        self.columns = columns
        self.known = [mpf(v) / self.y_sd**2 for v in data.get("noise_variance", [0] * n)]

        mean = self.model.get("mean", {"type": "zero"})
        parameters = kernel_parameters(self.model["kernel"], "kernel", self.d)
        if mean["type"] == "constant":
            parameters.append(("mean.value", mean.get("value", 0)))
        if mean["type"] == "linear":
            slopes = mean["coefficients"]
            slopes = slopes if isinstance(slopes, list) else [slopes] * self.d
            parameters += [(f"mean.coefficients[{k}]", v) for k, v in enumerate(slopes)] + [("mean.value", mean["value"])]
        parameters.append(("noise.variance", self.model.get("noise", {}).get("variance", 0.1)))
        self.inputs = self.model.get("approximation", {}).get("inputs")
        if self.inputs and self.model["approximation"].get("tune_inputs"):
            parameters += [(f"approximation.inputs[{i}][{k}]", v) for i, row in enumerate(self.inputs) for k, v in enumerate(row)]
        self.start = {name: number_of(value) for name, value in parameters}
        self.priors = {name: value["prior"] for name, value in parameters if isinstance(value, dict) and "prior" in value}

    def splits_of(self, validation, x):
        """[(rows that train, rows they predict)]; one with nothing to predict where nothing is held out."""
        if validation is None:
            return [(self.fit, [])]
        kind, rows = validation["type"], validation.get("rows")
        if kind == "rows":
            folds = [sorted(rows)]
        elif kind == "dataset":
            folds = [self.others]
        elif kind == "leave_one_out":
            folds = [[i] for i in self.fit]
        elif kind == "kfold":
            folds = rows
        else:
            count = max(1, round(validation["fraction"] * len(self.fit)))
            folds = [sorted(self.fit, key=lambda i: (x[i][validation["by"]], i))[-count:]]
        return [([i for i in self.fit if i not in fold], fold) for fold in folds]

    def predictions(self, theta):
        """[(row, (mean, variance))] of all held-out rows."""
        return [pair for given, wanted in self.splits for pair in zip(wanted, self.predict(theta, given, wanted))]

    @staticmethod
    def scale(values):
        mean, variance = moments(values)
        return mean, mp.sqrt(variance) if variance > 0 else mpf(1)

    def mean(self, theta, point):
        """m(x) at a standardised point."""
        slopes = (theta.get(f"mean.coefficients[{k}]", mpf(0)) * v for k, v in enumerate(point))
        return theta.get("mean.value", mpf(0)) + sum_over(slopes)

    def covariance(self, theta):
        """k(a, b, same) of the function; with inducing inputs what they know of it, and white noise as it is."""
        spec = self.model["kernel"]
        k = lambda a, b, same=False: kernel(spec, "kernel", theta, a, b, same)
        if not self.inputs:
            return k
        z = [[theta.get(f"approximation.inputs[{i}][{c}]", mpf(v)) for c, v in enumerate(row)] for i, row in enumerate(self.inputs)]
        inverse = mp.matrix([[k(a, b) for b in z] for a in z]) ** -1
        known = {}

        def at(a):
            if tuple(a) not in known:
                known[tuple(a)] = mp.matrix([k(a, b) for b in z])
            return known[tuple(a)]

        return lambda a, b, same=False: (at(a).T * (inverse * at(b)))[0] + (k(a, a, True) - k(a, a) if same else 0)

    def predict(self, theta, given, wanted):
        """Mean and variance of new observations at the rows `wanted`, conditioned on the rows `given`; standardised.
        What inducing inputs do not know of a point is uncertain too."""
        spec, noise, m = self.model["kernel"], theta["noise.variance"], lambda row: self.mean(theta, self.x[row])
        k = self.covariance(theta)
        own = lambda a: kernel(spec, "kernel", theta, a, a, True)
        n = len(given)
        if n == 0:
            return [(m(j), own(self.x[j]) + noise + self.known[j]) for j in wanted]
        a = mp.matrix(n, n)
        for i in range(n):
            for j in range(i + 1):
                a[i, j] = a[j, i] = k(self.x[given[i]], self.x[given[j]], i == j)
            a[i, i] += noise + self.known[given[i]]
        inverse = a**-1
        residual = mp.matrix([self.y[i] - m(i) for i in given])
        alpha = inverse * residual
        out = []
        for j in wanted:
            cross = mp.matrix([k(self.x[j], self.x[i]) for i in given])
            prior = own(self.x[j])
            explained = (cross.T * (inverse * cross))[0]
            out.append((m(j) + (cross.T * alpha)[0], prior - explained + noise + self.known[j]))
        return out

    def tested(self):
        """Predictions [(row, (mean, variance))] of the test rows."""
        return list(zip(self.test, self.predict(self.start, self.fit, self.test)))

    def joint(self, points):
        """Mean, covariance and the mean's gradient of the function (no noise) at points in the data's units."""
        spec, theta = self.model["kernel"], self.start
        k, own = self.covariance(theta), lambda a, b, same: kernel(spec, "kernel", theta, a, b, same)
        n = len(self.fit)
        a = mp.matrix(n, n)
        for i in range(n):
            for j in range(n):
                a[i, j] = k(self.x[self.fit[i]], self.x[self.fit[j]], i == j)
            a[i, i] += theta["noise.variance"] + self.known[self.fit[i]]
        alpha = mp.lu_solve(a, mp.matrix([self.y[i] - self.mean(theta, self.x[i]) for i in self.fit]))
        scale = lambda p: [(mpf(v) - mean) / sd for v, (mean, sd) in zip(p, self.columns)]
        mean_at = lambda p: self.y_mean + self.y_sd * (self.mean(theta, scale(p)) + sum_over(k(scale(p), self.x[r]) * w for r, w in zip(self.fit, alpha)))
        moved = lambda p, f, step: [mpf(v) + (step if g == f else 0) for g, v in enumerate(p)]
        cross = [mp.matrix([k(scale(p), self.x[r]) for r in self.fit]) for p in points]
        solved = [mp.lu_solve(a, c) for c in cross]
        covariance = [[self.y_sd**2 * (own(scale(p), scale(q), i == j) - (cross[i].T * solved[j])[0])
                       for j, q in enumerate(points)] for i, p in enumerate(points)]
        gradient = [[(mean_at(moved(p, f, STEP)) - mean_at(moved(p, f, -STEP))) / (2 * STEP) for f in range(self.d)] for p in points]
        lists = lambda rows: [[float(v) for v in row] for row in rows]
        if self.log:
            z, n = [mean_at(p) for p in points], len(points)
            whole = [mp.exp(z[i] + covariance[i][i] / 2) for i in range(n)]
            joint = [[whole[i] * whole[j] * mp.expm1(covariance[i][j]) for j in range(n)] for i in range(n)]

            def whole_at(p):
                c = mp.matrix([k(scale(p), self.x[r]) for r in self.fit])
                return mp.exp(mean_at(p) + self.y_sd**2 * (own(scale(p), scale(p), True) - (c.T * mp.lu_solve(a, c))[0]) / 2)

            gradient = [[(whole_at(moved(p, f, STEP)) - whole_at(moved(p, f, -STEP))) / (2 * STEP) for f in range(self.d)] for p in points]
            return {"mean": [float(v - self.shift) for v in whole], "covariance": lists(joint), "gradient": lists(gradient)}
        return {"mean": [float(mean_at(p)) for p in points], "covariance": lists(covariance), "gradient": lists(gradient)}

    def loss(self, theta):
        if self.loss_type == "evidence":
            return self.evidence(theta) + (sum_over(self.log_slope(self.y[i]) for i in self.train) / len(self.train) if self.log else 0)
        terms = [self.loss_of(self.y[row], mean, variance) for row, (mean, variance) in self.predictions(theta)]
        return sum_over(terms) / len(terms)

    def evidence(self, theta):
        """By the chain rule of probability: each row predicted from those before it; or by its formula."""
        rows = self.train
        if self.inputs:
            k, noise = self.covariance(theta), theta["noise.variance"]
            a = mp.matrix([[k(self.x[i], self.x[j], i == j) + (noise + self.known[i] if i == j else 0) for j in rows] for i in rows])
            e = mp.matrix([self.y[i] - self.mean(theta, self.x[i]) for i in rows])
            return ((e.T * mp.lu_solve(a, e))[0] / len(rows) + mp.log(mp.det(a)) / len(rows) + mp.log(2 * mp.pi)) / 2
        terms = [self.predict(theta, rows[:i], [rows[i]])[0] for i in range(len(rows))]
        return sum_over(density_loss(self.y[row], *term) for row, term in zip(rows, terms)) / len(rows)

    def target(self, s):
        """(y + shift)/unit of a standardised s."""
        return mp.exp(self.y_mean + self.y_sd * s) / self.unit

    def log_slope(self, s):
        """log of its derivative by s"""
        return mp.log(self.y_sd * self.target(s))

    def log_loss_of(self, y, mean, variance):
        """Of the target, in its standard deviation: the same units as without a logarithm."""
        w, m, v = self.target(y), self.y_mean - mp.log(self.unit) + self.y_sd * mean, self.y_sd**2 * variance
        if self.loss_type == "mse":
            return (w - mp.exp(m + v / 2)) ** 2
        if self.loss_type == "mae":
            return abs(w - mp.exp(m))
        if self.loss_type == "huber":
            delta = mpf(self.objective.get("delta", 1))
            e = abs(w - huber_point(delta, m, v))
            return e**2 / 2 if e <= delta else delta * (e - delta / 2)
        if self.loss_type == "crps":
            return log_crps(w, m, v)
        q = mpf(self.objective.get("quantile", 0.5))
        w -= mp.exp(m + mp.sqrt(2 * v) * mp.erfinv(2 * q - 1))
        return max(q * w, (q - 1) * w)

    def loss_of(self, y, mean, variance):
        if self.log:
            if self.loss_type not in ("nlpd", "student_t"):
                return self.log_loss_of(y, mean, variance)
            return self.normal_loss_of(y, mean, variance) + self.log_slope(y)
        return self.normal_loss_of(y, mean, variance)

    def normal_loss_of(self, y, mean, variance):
        e, sd = abs(y - mean), mp.sqrt(variance)
        if self.loss_type == "mse":
            return e**2
        if self.loss_type == "mae":
            return e
        if self.loss_type == "huber":
            delta = mpf(self.objective.get("delta", 1))
            return e**2 / 2 if e <= delta else delta * (e - delta / 2)
        if self.loss_type == "crps":
            return crps(y, mean, variance)
        if self.loss_type == "pinball":
            q = mpf(self.objective.get("quantile", 0.5))
            w = y - (mean + sd * mp.sqrt(2) * mp.erfinv(2 * q - 1))
            return max(q * w, (q - 1) * w)
        if self.loss_type == "student_t":
            nu = mpf(self.objective.get("nu", 4))
            norm = mp.gamma((nu + 1) / 2) / mp.gamma(nu / 2) / mp.sqrt(nu * mp.pi * variance)
            return -mp.log(norm * (1 + e**2 / (nu * variance)) ** (-(nu + 1) / 2))
        return density_loss(y, mean, variance)

    def penalty(self):
        count = len(self.train) if self.loss_type == "evidence" else sum(len(wanted) for _, wanted in self.splits)
        return -sum_over(log_density(prior, self.start[name]) for name, prior in self.priors.items()) / count

    def calibration(self):
        """Mean standardised squared residual of every row that the model conditions on, predicted from all others."""
        terms = []
        for row in self.fit:
            mean, variance = self.predict(self.start, [i for i in self.fit if i != row], [row])[0]
            terms.append((self.y[row] - mean) ** 2 / variance)
        return sum_over(terms) / len(terms)

    def gradients(self):
        out = {}
        for name, value in self.start.items():
            up = self.loss({**self.start, name: value + STEP})
            down = self.loss({**self.start, name: value - STEP})
            out[name] = (up - down) / (2 * STEP)
        return out

    def metrics(self, given, pairs):
        """Of predictions [(row, (mean, variance))] that rows `given` led to; in the data's units."""
        scored, predicted = [row for row, _ in pairs], [p for _, p in pairs]
        y = [self.y_mean + self.y_sd * self.y[i] for i in scored]
        mean = [self.y_mean + self.y_sd * p[0] for p in predicted]
        variance = [self.y_sd**2 * p[1] for p in predicted]
        errors = [a - b for a, b in zip(y, mean)]
        m = len(scored)
        if self.log:
            return self.log_metrics([mp.exp(self.y_mean + self.y_sd * self.y[i]) for i in given], y, mean, variance)
        mse = sum_over(e**2 for e in errors) / m
        base = moments([self.y_mean + self.y_sd * self.y[i] for i in given])
        nlpd = sum_over(density_loss(*t) for t in zip(y, mean, variance)) / m
        out = {
            "rmse": mp.sqrt(mse),
            "mae": sum_over(abs(e) for e in errors) / m,
            "smse": mse / moments(y)[1],
            "nlpd": nlpd,
            "msll": nlpd - sum_over(density_loss(v, *base) for v in y) / m,
            "crps": sum_over(crps(*t) for t in zip(y, mean, variance)) / m,
        }
        for percent in (50, 90, 95):
            half = mp.sqrt(2) * mp.erfinv(mpf(percent) / 100)
            inside = [abs(e) <= half * mp.sqrt(v) for e, v in zip(errors, variance)]
            out[f"coverage_{percent}"] = mpf(sum(inside)) / m
        return out


    def log_metrics(self, given, z, mean, variance):
        """The same of the target behind its logarithm z; given: targets (and shift) that were fitted."""
        terms, m = list(zip(z, mean, variance)), len(z)
        w = [mp.exp(v) for v in z]
        mse = sum_over((a - mp.exp(b + c / 2)) ** 2 for a, (_, b, c) in zip(w, terms)) / m
        nlpd, base = sum_over(density_loss(*t) + t[0] for t in terms) / m, moments(given)
        out = {
            "rmse": mp.sqrt(mse),
            "mae": sum_over(abs(a - mp.exp(b)) for a, b in zip(w, mean)) / m,
            "smse": mse / moments(w)[1],
            "nlpd": nlpd,
            "msll": nlpd - sum_over(density_loss(v, *base) for v in w) / m,
            "crps": sum_over(log_crps(mp.exp(a), b, c) for a, b, c in terms) / m,
        }
        for percent in (50, 90, 95):
            half = mp.sqrt(2) * mp.erfinv(mpf(percent) / 100)
            low, high = ([mp.exp(b + side * half * mp.sqrt(c)) for _, b, c in terms] for side in (-1, 1))
            out[f"coverage_{percent}"] = mpf(sum(a <= v <= b for a, v, b in zip(low, w, high))) / m
        return out


class Several:
    """Targets that share a kernel: one process each, from a case with its column of y and its share of the mean."""

    def __init__(self, case):
        self.names = case["data"].get("target_names") or [f"y{t + 1}" for t in range(len(case["data"]["y"][0]))]
        self.each = [Gp(self.one(case, t)) for t in range(len(self.names))]
        self.start, self.losses = {}, {}
        for t, gp in enumerate(self.each):
            self.start.update({self.name(name, t): value for name, value in gp.start.items() if name != "noise.variance"})
        self.start["noise.variance"] = self.each[0].start["noise.variance"]
        first = self.each[0]
        self.objective, self.loss_type, self.splits = first.objective, first.loss_type, first.splits
        self.train, self.fit, self.test, self.priors = first.train, first.fit, first.test, first.priors

    def name(self, name, t):
        """Of a parameter of the process of target t, in the model of all of them."""
        if name == "mean.value":
            return f"mean.value[{t}]"
        if name.startswith("mean.coefficients["):
            return f"mean.coefficients[{t * self.each[0].d + int(name[len('mean.coefficients['):-1])}]"
        return name

    def one(self, case, t):
        part = lambda data: {**data, "y": [row[t] for row in data["y"]]}
        share = lambda values: values[t * len(values) // len(self.names) : (t + 1) * len(values) // len(self.names)]
        out = {**case, "data": part(case["data"]), "request": {**case["request"], "model": dict(case["request"]["model"])}}
        if "validation_data" in case:
            out["validation_data"] = part(case["validation_data"])
        mean = dict(out["request"]["model"].get("mean", {"type": "zero"}))
        if isinstance(mean.get("value"), list):
            mean["value"] = mean["value"][t]
        if isinstance(mean.get("coefficients"), list) and len(mean["coefficients"]) > len(case["data"]["x"][0]):
            mean["coefficients"] = share(mean["coefficients"])
        out["request"]["model"]["mean"] = mean
        return out

    def loss(self, theta):
        return sum_over(self.loss_of(t, [theta[self.name(name, t)] for name in gp.start]) for t, gp in enumerate(self.each)) / len(self.each)

    def loss_of(self, t, values):
        """Of target t at the values of its parameters; those of other targets' means do not change it."""
        known = (t, *values)
        if known not in self.losses:
            self.losses[known] = self.each[t].loss(dict(zip(self.each[t].start, values)))
        return self.losses[known]

    def calibration(self):
        return sum_over(gp.calibration() for gp in self.each) / len(self.each)

    gradients = Gp.gradients

    def metrics(self, given, pairs):
        each = [gp.metrics(given, part) for gp, part in zip(self.each, pairs)]
        mean = {name: sum_over(m[name] for m in each) / len(each) for name in each[0]}
        return {**mean, "targets": [{"name": n, **m} for n, m in zip(self.names, each)]}

    def predictions(self, theta):
        assert theta is self.start
        return [gp.predictions(gp.start) for gp in self.each]

    def tested(self):
        return [gp.tested() for gp in self.each]


def process_of(case):
    return Several(case) if isinstance(case["data"]["y"][0], list) else Gp(case)


# ---- cases ------------------------------------------------------------------------------------------------------------------


def plain_data(seed, noise=False):
    """24 rows of 3 features on different scales; two rows have the same inputs."""
    draw = random.Random(seed)
    x = [[round(draw.gauss(2, 1), 3), round(draw.uniform(0, 100), 1), round(draw.gauss(-1, 0.05), 4)] for _ in range(24)]
    x[7] = list(x[3])
    y = [round(30 + 8 * float(mp.sin(a)) + 0.1 * b + 40 * (c + 1) * (a - 2) + draw.gauss(0, 1.5), 2) for a, b, c in x]
    data = {"x": x, "y": y}
    if noise:
        data["noise_variance"] = [round(draw.uniform(0, 4), 2) for _ in y]
    return data


def scaled_data(seed):
    """Inputs and targets about 1, for models without standardisation; the second feature is constant."""
    draw = random.Random(seed)
    x = [[round(draw.uniform(-2, 2), 3), 0.5, round(draw.uniform(-1, 1), 3)] for _ in range(20)]
    y = [round(float(mp.cos(2 * a)) + 0.5 * c + draw.gauss(0, 0.1), 3) for a, _, c in x]
    return {"x": x, "y": y}


def between(x):
    """Three points among the rows x; the last one shares a value with row 3."""
    mix = lambda a, b: [round(0.6 * u + 0.4 * v, 4) for u, v in zip(x[a], x[b])]
    return [mix(0, 5), mix(11, 18), [x[3][0] + 0.125, x[3][1], mix(3, 10)[2]]]


LEAVES = ["rbf", "matern12", "matern32", "matern52"]


def kernels():
    for t in LEAVES:
        yield t, {"type": t, "variance": 1.3, "lengthscale": 0.9}
        yield f"{t} ard", {"type": t, "variance": 0.7, "lengthscale": [0.8, 1.5, 2.25], "ard": True}
        yield f"{t} features", {"type": t, "lengthscale": 1.25, "ard": True, "features": [2, 0]}
    yield "rational_quadratic", {"type": "rational_quadratic", "variance": 1.1, "lengthscale": [0.9, 1.2, 2], "alpha": 0.7}
    yield "periodic", {"type": "periodic", "variance": 0.8, "lengthscale": 1.1, "period": [2.3, 3.1, 1.9], "ard": True}
    yield "cosine", {"type": "cosine", "variance": 0.9, "period": 4.5, "features": [0, 1]}
    yield "linear", {"type": "linear", "variance": [0.5, 0.3, 0.8]}
    yield "polynomial", {"type": "polynomial", "variance": 0.2, "offset": 1.2, "degree": 3}
    yield "arc_cosine", {"type": "arc_cosine", "variance": 0.7, "lengthscale": [1.3, 0.9, 2], "ard": True}
    yield "wendland", {"type": "wendland", "variance": 1.2, "lengthscale": 3.5}
    yield "hamming", {"type": "hamming", "variance": 0.9, "lengthscale": 1.4, "features": [1]}
    yield "white", {"type": "sum", "kernels": [{"type": "white", "variance": 0.15}, {"type": "rbf", "lengthscale": 1.3}]}
    yield "constant", {"type": "constant", "variance": 0.6}
    rbf, matern = {"type": "rbf", "lengthscale": 1.4, "ard": True}, {"type": "matern32", "variance": 0.5, "features": [1]}
    offset = {"type": "constant", "variance": 0.4}
    inner = {"type": "matern12", "variance": 0.9, "lengthscale": [2.0, 0.7], "features": [0, 2]}
    yield "sum", {"type": "sum", "kernels": [rbf, matern, offset]}
    yield "product", {"type": "product", "kernels": [rbf, matern]}
    yield "sum of products", {"type": "sum", "kernels": [{"type": "product", "kernels": [rbf, inner, offset]}, matern]}
    yield "product of sums", {"type": "product", "kernels": [{"type": "sum", "kernels": [matern, offset]},
                                                             {"type": "sum", "kernels": [inner, rbf]}]}


VALIDATION, TEST = [1, 4, 8, 12, 17, 20], [2, 9, 15, 23]
CONSTANT = {"type": "constant", "value": 0.3}
LINEAR = {"type": "linear", "coefficients": [0.4, -0.2, 0.1], "value": 0.3}
NONE = {"type": "none"}
FOLDS = {"type": "kfold", "rows": [[3, 0, 7], [16], [5, 10, 11, 22], [1, 4, 8, 12, 17, 20]]}


def case(name, kernel_spec, loss, data, mean=None, noise=0.1, standardize=None, test=TEST, solver=None, validation=None, **options):
    model = {"kernel": kernel_spec, "noise": {"variance": noise}}
    if mean:
        model["mean"] = mean
    if standardize:
        model["standardize"] = standardize
    rows = {"type": "rows", "rows": [i for i in VALIDATION if i < len(data["y"])]}
    objective = {"loss": loss, **options, "validation": validation or rows}
    if validation == NONE:
        del objective["validation"]
    request = {"model": model, "objective": objective}
    if test:
        request["test"] = {"rows": [i for i in test if i < len(data["y"])]}
    request["solver"] = solver or {"type": "cholesky"}
    return {"name": f"{name}, {loss}", "request": request, "data": data}


def all_cases():
    plain, noisy, scaled = plain_data(1), plain_data(2, noise=True), scaled_data(3)
    for number, (name, spec) in enumerate(kernels()):
        for loss in ("mse", "nlpd"):
            yield case(name, spec, loss, plain, mean=CONSTANT if number % 2 else None)
    spec = dict(kernels())["matern52 ard"]
    off = {"x": False, "y": False}
    for validation in ({"type": "leave_one_out"}, FOLDS, {"type": "forward", "fraction": 0.3, "by": 1}):
        for loss in ("mse", "nlpd", "crps"):
            yield case(validation["type"], spec, loss, noisy, mean=CONSTANT, validation=validation)
    for validation in ({"type": "leave_one_out"}, None):
        for loss in ("mse", "nlpd", "evidence"):
            yield case(f"{validation}, linear mean", spec, loss, noisy, mean=LINEAR, validation=validation)
    for validation in (NONE, {"type": "leave_one_out"}, None):
        yield case(f"{validation}", spec, "evidence", noisy, mean=CONSTANT, validation=validation)
    yield case("white noise", dict(kernels())["white"], "evidence", plain, validation=NONE)
    for options in ({}, {"delta": 0.2}, {"delta": 30}):
        yield case(f"{options}", spec, "huber", plain, **options)
    for options in ({}, {"quantile": 0.1}, {"quantile": 0.95}):
        yield case(f"{options}", spec, "pinball", plain, mean=CONSTANT, **options)
    for options in ({}, {"nu": 1.5}):
        yield case(f"{options}", spec, "student_t", noisy, **options)
    yield case("matern52 ard", spec, "mae", plain)
    yield case("matern52 ard", spec, "crps", noisy, mean=CONSTANT)
    for loss in ("mse", "nlpd"):
        yield case("known noise", spec, loss, noisy, mean=CONSTANT)
        yield case("known noise, no test rows", spec, loss, noisy, noise=0.02, test=None)
        yield case("not standardised", spec, loss, scaled, mean=CONSTANT, noise=0.04, standardize=off)
        yield case("x not standardised", spec, loss, scaled, standardize={"x": False})
        yield case("y not standardised", spec, loss, scaled, mean=CONSTANT, standardize={"y": False}, test=None)
        yield case("a constant feature", spec, loss, scaled)
        yield case("little noise", spec, loss, plain, noise=0.001)
        for solver in ("cg", "lsmr", "auto"):
            yield case(f"by {solver}", spec, loss, plain, mean=CONSTANT, solver={"type": solver, "rtol": 1e-12})
    yield from cases_of_beliefs()
    yield from cases_by_data()
    yield from approximations(plain, noisy)
    yield from transformed(plain, scaled)
    yield from cases_of_targets()


def with_targets(data, seed):
    """Two more targets on other scales."""
    draw = random.Random(seed)
    more = lambda y, row: [y, round(1000 - 3 * y + 200 * float(mp.cos(row[0])) + draw.gauss(0, 40), 1), round(0.01 * y * row[0] + draw.gauss(0, 0.05), 4)]
    return {**data, "y": [more(y, row) for y, row in zip(data["y"], data["x"])]}


def cases_of_targets():
    """Several targets that share a kernel and its noise."""
    plain, off = with_targets(plain_data(4), 5), {"x": False, "y": False}
    named = {**plain, "target_names": ["strength", "slump", "flow"]}
    spec = dict(kernels())["matern52 ard"]
    line = {"type": "linear", "coefficients": [0.4, -0.2, 0.1, 0.3, 0, -0.1, 0.2, 0.1, -0.3], "value": [0.3, -0.1, 0.2]}
    for loss in ("mse", "crps", "nlpd", "evidence"):
        yield case("targets", spec, loss, named, mean=line)
    for loss in ("mse", "nlpd"):
        yield case("targets, folds", spec, loss, named, mean=line, validation=FOLDS)
    yield case("targets, leave one out", spec, "nlpd", named, mean=CONSTANT, validation={"type": "leave_one_out"})
    yield case("targets, one mean", spec, "nlpd", plain, mean=CONSTANT, test=None)
    yield case("targets, calibrated", spec, "evidence", plain, test=None, calibrate="leave_one_out")
    few = first(with_targets(scaled_data(3), 6), 8)
    few["y"] = [[a, b / 1000, c] for a, b, c in few["y"]]
    few["noise_variance"] = [0.01 * i for i in range(8)]
    for loss in ("nlpd", "evidence"):
        made = case("targets, by the data", dict(kernels())["rbf ard"], loss, few, mean=CONSTANT, standardize=off, test=[2, 6])
        made["differentiate"] = True
        yield made
    logarithm = case("targets, logarithm", spec, "crps", plain, mean=CONSTANT)
    logarithm["request"]["model"]["target_transform"] = {"type": "log", "shift": 0.5}
    yield logarithm
    inducing = case("targets, inducing", spec, "nlpd", plain, mean=CONSTANT, solver={"type": "lsmr"})
    inducing["request"]["model"]["approximation"] = {"type": "inducing", "inputs": [[-1.2, 0.3, 0.1], [0.4, -0.9, 1.1], [0.9, 0.8, -0.7]], "tune_inputs": True}
    yield inducing


def approximations(plain, noisy):
    """Inducing inputs by their definition; Fourier features of kernels that they are exact for."""
    inputs = [[-1.2, 0.3, 0.1], [0.4, -0.9, 1.1], [0.9, 0.8, -0.7], [-0.2, 1.4, 0.6]]
    smooth = {"type": "sum", "kernels": [dict(kernels())["matern52 ard"], {"type": "white", "variance": 0.05}, {"type": "linear", "variance": 0.3}]}
    finite = {"type": "sum", "kernels": [{"type": "linear", "variance": [0.5, 0.2, 0.9]}, {"type": "cosine", "variance": 0.8, "period": 3.1}, {"type": "constant", "variance": 0.7}]}
    folds, leave_one_out = FOLDS, {"type": "leave_one_out"}
    for validation in (None, leave_one_out, folds):
        for loss in ("mse", "nlpd") if validation == folds else ("mse", "nlpd", "evidence"):
            for tuned in (True,) if validation else (False, True):
                made = case(f"inducing, tuned {tuned}, {validation}", smooth, loss, noisy, mean=CONSTANT, validation=validation, solver={"type": "lsmr"})
                made["request"]["model"]["approximation"] = {"type": "inducing", "inputs": inputs, "tune_inputs": tuned}
                yield made
            made = case(f"fourier features, {validation}", finite, loss, plain, mean=CONSTANT, validation=validation, solver={"type": "lsmr"})
            made["request"]["model"]["approximation"] = {"type": "fourier_features", "count": 2}
            yield made


def transformed(plain, scaled):
    """The logarithm of the target."""
    spec, off = dict(kernels())["matern52 ard"], {"x": False, "y": False}
    logarithm = lambda made, shift: (made["request"]["model"].update({"target_transform": {"type": "log", "shift": shift}}), made)[1]
    losses = [("mse", {}), ("mae", {}), ("huber", {}), ("huber", {"delta": 0.05}), ("nlpd", {}), ("crps", {}), ("pinball", {"quantile": 0.8}), ("student_t", {}), ("evidence", {})]
    for loss, options in losses:
        yield logarithm(case(f"log, {options}", spec, loss, plain, mean=CONSTANT, **options), 12)
    for validation in (FOLDS, {"type": "leave_one_out"}):
        for loss in ("mse", "nlpd"):
            yield logarithm(case(f"log, {validation['type']}", spec, loss, plain, validation=validation), 12)
    yield logarithm(case("log, calibrated", spec, "nlpd", plain, test=None, calibrate="leave_one_out"), 12)
    few = first(scaled, 9)
    for loss, validation in (("nlpd", None), ("crps", {"type": "leave_one_out"}), ("evidence", None)):
        made = logarithm(case(f"log, by the data, {validation}", spec, loss, few, mean=CONSTANT, standardize=off, test=[2, 6], validation=validation), 2.5)
        made["differentiate"] = True
        yield made


def cases_of_beliefs():
    """Priors on everything that may have one, and the factor of a calibration."""
    plain, noisy = plain_data(1), plain_data(2, noise=True)
    believed = lambda value, kind, **options: {"value": value, "prior": {"type": kind, **options}}
    spec = {
        "type": "matern32",
        "variance": believed(1.2, "halfcauchy", scale=2.5),
        "lengthscale": [believed(0.9, "lognormal", mean=0.7, sd=1), 1.4, believed(2, "uniform", lower=0.5, upper=4)],
    }
    mean = {"type": "constant", "value": believed(0.2, "normal", mean=-0.1, sd=0.5)}
    for loss, validation in (("nlpd", None), ("mse", {"type": "leave_one_out"}), ("evidence", NONE)):
        yield case("priors", spec, loss, noisy, mean=mean, noise=believed(0.1, "gamma", shape=1.5, rate=4), validation=validation)
    for loss in ("nlpd", "evidence"):
        yield case("calibrated", dict(kernels())["matern52 ard"], loss, plain, mean=CONSTANT, test=None, calibrate="leave_one_out")


def first(data, count, after=0):
    return {member: values[after : after + count] for member, values in data.items()}


def cases_by_data():
    """Few rows, as they are: derivatives by the data, and another data set to validate by."""
    few, noisy, off = first(scaled_data(3), 9), first(plain_data(2, noise=True), 9), {"x": False, "y": False}
    few["noise_variance"] = [0.01 * i for i in range(9)]
    spec = {"type": "sum", "kernels": [{"type": "matern52", "lengthscale": 1.3}, {"type": "linear", "variance": 0.4}]}
    folds, line = {"type": "kfold", "rows": [[0, 3], [5], [1, 7]]}, {"type": "linear", "coefficients": [0.2, 0, -0.1], "value": 0.3}
    for validation in (None, folds, {"type": "leave_one_out"}, {"type": "dataset"}):
        for loss in ("mse", "nlpd") if validation else ("mse", "nlpd", "evidence"):
            made = case(f"by the data, {validation or 'rows'}", spec, loss, few, mean=line, standardize=off, test=[2, 6], validation=validation)
            made["differentiate"] = True
            if validation == {"type": "dataset"}:
                made["validation_data"] = first(scaled_data(3), 5, after=11)
            yield made
    for loss in ("mse", "nlpd"):
        made = case("another data set", dict(kernels())["rbf ard"], loss, noisy, mean=CONSTANT, test=[2, 6], validation={"type": "dataset"})
        made["validation_data"] = first(plain_data(2, noise=True), 7, after=12)
        yield made


def moved(case, part, member, row, column, by):
    """The loss with one number of a data set moved."""
    data = {k: [list(v) if isinstance(v, list) else v for v in values] for k, values in case[part].items()}
    data.setdefault("noise_variance", [0] * len(data["y"]))
    if column is None:
        data[member][row] = mpf(data[member][row]) + by
    else:
        data[member][row][column] = mpf(data[member][row][column]) + by
    gp = process_of({**case, part: data})
    return gp.loss(gp.start)


def by_data(case):
    """Derivatives by every number of the data, as the request names them."""
    slope = lambda *place: float((moved(case, *place, STEP) - moved(case, *place, -STEP)) / (2 * STEP))
    rows, columns = range(len(case["data"]["y"])), range(len(case["data"]["x"][0]))
    out = {"x": [[slope("data", "x", i, k) for k in columns] for i in rows],
           "y": [slope("data", "y", i, None) for i in rows] if not isinstance(case["data"]["y"][0], list) else
                [[slope("data", "y", i, t) for t in range(len(case["data"]["y"][0]))] for i in rows],
           "noise_variance": [slope("data", "noise_variance", i, None) for i in rows]}
    if "target_transform" in case["request"]["model"]:
        del out["noise_variance"]
    if "validation_data" in case:
        others = range(len(case["validation_data"]["y"]))
        out["x_validation"] = [[slope("validation_data", "x", i, k) for k in columns] for i in others]
    case["request"]["with_respect_to"] = list(out)
    return out


def numbers(values):
    plain = lambda v: [numbers(one) for one in v] if isinstance(v, list) else v if isinstance(v, str) else float(v)
    return {name: plain(value) for name, value in values.items()}


def main():
    for y, mean, variance in ((0.3, 1.0, 0.5), (4, 1, 2)):
        y, mean, sd = mpf(y), mpf(mean), mp.sqrt(mpf(variance))
        below = mp.quad(lambda z: mp.ncdf(z, mean, sd) ** 2, [mean - 30 * sd, y])
        above = mp.quad(lambda z: (1 - mp.ncdf(z, mean, sd)) ** 2, [y, mean + 30 * sd])
        assert abs(below + above - crps(y, mean, sd**2)) < 1e-15

    for w, mean, variance, a in ((0.4, 0.3, 0.7, 1.4), (3, -0.2, 0.1, 0.6)):
        w, mean, variance, a, delta = mpf(w), mpf(mean), mpf(variance), mpf(a), mpf("0.9")
        sd = mp.sqrt(variance)
        far = [mp.exp(mean + side * 12 * sd) for side in (-1, 1)]
        under = mp.quad(lambda u: mp.ncdf(mp.log(u), mean, sd) ** 2, [far[0], w])
        above = mp.quad(lambda u: (1 - mp.ncdf(mp.log(u), mean, sd)) ** 2, [w, 2 * w, 8 * w, far[1]])
        assert abs(under + above - log_crps(w, mean, variance)) < 1e-12
        clip = lambda z: max(min(mp.exp(z) - a, delta), -delta) * mp.npdf(z, mean, sd)
        kinks = sorted([mean - 14 * sd, mp.log(a + delta), mean + 14 * sd] + ([mp.log(a - delta)] if a > delta else []))
        assert abs(mp.quad(clip, kinks) - clipped(a, delta, mean, variance)) < 1e-15

    cases = []
    for made in all_cases():
        gp = process_of(made)
        made["loss"] = float(gp.loss(gp.start))
        made["gradients"] = numbers(gp.gradients())
        if gp.priors:
            made["penalty"] = float(gp.penalty())
        if gp.objective.get("calibrate"):
            made["calibration"] = float(gp.calibration())
        made["metrics"] = numbers(gp.metrics(gp.train, gp.predictions(gp.start))) if gp.splits[0][1] else {}
        if gp.test:
            made["test"] = numbers(gp.metrics(gp.fit, gp.tested()))
        if made.pop("differentiate", False):
            made["by_data"] = by_data(made)
        if gp.loss_type == "mse" and "by_data" not in made and "validation_data" not in made and isinstance(gp, Gp):
            made["points"] = between(made["data"]["x"])
            made["joint"] = gp.joint(made["points"])
        cases.append(made)

    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.json")
    with open(path, "w", encoding="utf-8") as out:
        lines = ",\n".join(json.dumps(made) for made in cases)
        out.write('{"cases": [\n' + lines + "\n]}\n")
    print(f"{len(cases)} cases written to {path}")


if __name__ == "__main__":
    main()
