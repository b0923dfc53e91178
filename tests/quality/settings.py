"""What is fitted: data sets, standard splits, draws of fewer training rows, corrupted targets."""

import csv
import json
import pathlib
import random
import statistics

HERE = pathlib.Path(__file__).resolve().parent
FOLDERS = (HERE / "data", HERE.parent.parent / "clients" / "data")

CORRUPTED, LEAST, MOST = 0.03, 3.0, 7.0  # a share of the targets moves by so many standard deviations, up or down


class Setting:
    """A data set, how many of its rows train (None: all that do not test), and whether targets are corrupted."""

    def __init__(self, dataset, train=None, corrupted=False):
        self.dataset, self.train, self.corrupted = dataset, train, corrupted
        self.name = dataset + (f"-{train}" if train else "") + ("-corrupted" if corrupted else "")


# Where few rows train, all others test: there the standard test rows are too few to tell methods apart.
FEW = 500
SETTINGS = (
    [Setting(name, n) for name in ("concrete", "autompg", "friedman1") for n in (50, 100)]
    + [Setting("autompg"), Setting("concrete"), Setting("friedman1"), Setting("power", 2000)]
    + [Setting("autompg", None, True), Setting("concrete", None, True), Setting("friedman1", None, True)]
)


def find(name):
    for folder in FOLDERS:
        if (folder / name).exists():
            return folder / name
    raise SystemExit(f"there is no {name} in {' or '.join(map(str, FOLDERS))}")


def rows_of(dataset):
    """The header and the rows, as numbers; the target is last."""
    with open(find(dataset + ".csv"), encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return header, [[float(value) for value in row] for row in rows]


def test_rows_of(dataset, split, count):
    """Of a standard split; further ones of a set are seeded draws of as many rows as the first one has."""
    splits = json.loads((HERE / "data" / f"{dataset}.splits.json").read_text())
    if split < len(splits):
        return splits[split]
    return random.Random(f"{dataset} test {split}").sample(range(count), len(splits[0]))


def corrupt(rows, rng):
    """Moves the targets of CORRUPTED of the rows, in place of none of their inputs."""
    spread = statistics.pstdev(row[-1] for row in rows)
    rows = [list(row) for row in rows]
    for row in rng.sample(rows, max(1, round(CORRUPTED * len(rows)))):
        row[-1] += rng.choice((-1, 1)) * rng.uniform(LEAST, MOST) * spread
    return rows


def draw(setting, split):
    """header, training rows, test rows. The same for every method; test targets are never corrupted."""
    header, rows = rows_of(setting.dataset)
    testing = set(test_rows_of(setting.dataset, split, len(rows)))
    training = [i for i in range(len(rows)) if i not in testing]
    if setting.train:
        training = sorted(random.Random(f"{setting.dataset} train {split}").sample(training, setting.train))
        if setting.train <= FEW:
            testing = set(range(len(rows))) - set(training)
    train = [rows[i] for i in training]
    if setting.corrupted:
        train = corrupt(train, random.Random(f"{setting.dataset} corrupt {split}"))
    return header, train, [rows[i] for i in sorted(testing)]
