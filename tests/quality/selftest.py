#!/usr/bin/env python3
"""Checks what the comparison rests on: scores, draws, tables. Prints what fails and exits 1."""

import math
import random
import statistics

import methods
import settings
import tables
from scores import normal_crps, scores


def crps_by_integration(y, sd):
    """Integral of (Phi(x / sd) - [x >= y])^2, by the midpoint rule on either side of y."""
    total, cells = 0.0, 10000
    for low, high, above in ((min(y, 0) - 12 * sd, y, 0), (y, max(y, 0) + 12 * sd, 1)):
        step = (high - low) / cells
        for i in range(cells):
            x = low + (i + 0.5) * step
            total += (0.5 * math.erfc(-x / sd / math.sqrt(2)) - above) ** 2 * step
    return total


def scores_are_right():
    for y, sd in ((0.0, 1.0), (1.3, 0.4), (-5.0, 2.0)):
        assert abs(normal_crps(y, sd) - crps_by_integration(y, sd)) < 1e-6, (y, sd)
    rng = random.Random(1)
    means = [rng.gauss(0, 1) for _ in range(20000)]
    found = scores([m + rng.gauss(0, 2) for m in means], means, [4.0] * len(means))
    assert abs(found["rmse"] - 2) < 0.03 and abs(found["coverage"] - 0.95) < 0.005, found
    assert abs(found["nlpd"] - (0.5 * math.log(2 * math.pi * 4) + 0.5)) < 0.02, found
    assert abs(found["crps"] - 2 / math.sqrt(math.pi)) < 0.02, found
    short = scores([m + rng.gauss(0, 2) for m in means], means, [1.0] * len(means))
    assert short["nlpd"] > found["nlpd"] and short["crps"] > found["crps"] and short["coverage"] < 0.7, short


def draws_are_apart_and_repeat():
    for setting in settings.SETTINGS:
        for split in (0, 11):
            header, train, test = settings.draw(setting, split)
            _, rows = settings.rows_of(setting.dataset)
            assert (train, test) == settings.draw(setting, split)[1:]
            inputs = sorted(row[:-1] for row in train + test)
            whole = sorted(row[:-1] for row in rows)
            assert all(len(row) == len(header) for row in train + test)
            if not setting.train or setting.train <= settings.FEW:
                assert inputs == whole, setting.name  # every row once
            assert len(train) == (setting.train or len(rows) - len(test))
            moved = sum(row not in rows for row in train)
            assert moved == (round(settings.CORRUPTED * len(train)) if setting.corrupted else 0), (setting.name, moved)
            assert all(row in rows for row in test), "test rows are never corrupted"


def tables_are_right():
    fits = {method: {str(s): {"rmse": 1 + i, "nlpd": i + 0.1 * s, "crps": 2.0, "coverage": 0.9, "seconds": 1.0, "rows": 9,
                              "features": 2} for s in range(3)} for i, method in enumerate(methods.METHODS)}
    found = tables.difference(fits["robust"], fits[methods.PEER], "nlpd")
    assert abs(found[0] - methods.METHODS.index("robust")) < 1e-12 and abs(found[1]) < 1e-12, found
    uneven = {"0": {"nlpd": 1.0}, "1": {"nlpd": 3.0}}, {"0": {"nlpd": 0.0}, "1": {"nlpd": 0.0}, "2": {"nlpd": 9.0}}
    assert tables.difference(*uneven, "nlpd") == (2.0, statistics.stdev([1, 3]) / math.sqrt(2))
    for table in (tables.long, tables.short):
        lines = table({"autompg": fits}, ["autompg", "power-2000"]).splitlines()
        assert len({line.count("|") for line in lines}) == 1, lines


if __name__ == "__main__":
    scores_are_right()
    draws_are_apart_and_repeat()
    tables_are_right()
    print("scores, draws and tables: right")
