"""Scores of predictions (normal, by mean and variance with the noise) in the target's units."""

import math


def normal_crps(error, sd):
    """Gneiting and Raftery 2007, section 4.2."""
    t = error / sd
    density = math.exp(-t * t / 2) / math.sqrt(2 * math.pi)
    return sd * (t * math.erf(t / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))


def scores(targets, means, variances):
    """rmse, nlpd, crps, and the share of targets inside the central 95 % interval."""
    n = len(targets)
    if not (n == len(means) == len(variances) and n > 0):
        raise ValueError(f"{n} targets, {len(means)} means, {len(variances)} variances")
    squares = nlpd = crps = inside = 0.0
    for y, mean, variance in zip(targets, means, variances):
        error, sd = y - mean, math.sqrt(variance)
        squares += error * error
        nlpd += 0.5 * math.log(2 * math.pi * variance) + error * error / (2 * variance)
        crps += normal_crps(error, sd)
        inside += abs(error) <= 1.959963984540054 * sd
    return {"rmse": math.sqrt(squares / n), "nlpd": nlpd / n, "crps": crps / n, "coverage": inside / n}
