#!/usr/bin/env python3
"""How well kriged predicts, beside scikit-learn: real data, standard splits, test rows that no tuning sees.

Fits every method to every split of every setting, one after the other, each on one thread, scores the predictions of the test
rows, keeps all in a JSON file and prints a table of means over the splits. Only the standard library is needed; the peer is
left out where scikit-learn is not installed."""

import argparse
import json
import os
import pathlib
import sys

import methods
import settings
import tables
from scores import scores

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [setting.name for setting in settings.SETTINGS]
    add = parser.add_argument
    add("--splits", type=int, default=5, help="splits of each setting (5)")
    add("--sets", nargs="+", choices=names, default=names, metavar="SET", help="of " + ", ".join(names))
    add("--methods", nargs="+", choices=methods.METHODS, default=methods.METHODS, metavar="METHOD",
        help="of " + "; ".join(methods.METHODS))
    add("--binary", default=os.environ.get("KRIGED_BINARY", ROOT / "build" / "kriged"))
    add("--peer-python", help="an interpreter that has scikit-learn (this one, else /usr/bin/python3)")
    add("--peer-restarts", type=int, help=f"starts of the peer beside its first (2; 0 above {methods.PEER_MANY} rows)")
    add("--results", type=pathlib.Path, default=ROOT / "build" / "quality" / "results.json",
        help="where all fits are kept (build/quality/results.json)")
    add("--reuse", action="store_true", help="keep the fits that the results already hold")
    add("--table", action="store_true", help="fit nothing, print the tables of the results")
    add("--short", action="store_true", help="one table of NLPD and CRPS by setting")
    return parser.parse_args()


def load(path):
    return json.loads(path.read_text()) if path.exists() else {}


def save(path, results):
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    new.replace(path)


def fit(options, python, method, header, train, test):
    points = [row[:-1] for row in test]
    if method == methods.PEER:
        return methods.peer(python, options.peer_restarts, train, points)
    return methods.kriged(options.binary, method, header, train, points)


def fit_all(options, results):
    """Fills results[setting][method][split] with scores, seconds and what the fit said of itself."""
    chosen = list(options.methods)
    python, version = methods.find_peer(options.peer_python)
    if methods.PEER in chosen and not python:
        chosen.remove(methods.PEER)
        print("scikit-learn is not installed (python3-sklearn): left out", file=sys.stderr)
    for setting in (one for one in settings.SETTINGS if one.name in options.sets):
        for split in range(options.splits):
            header, train, test = settings.draw(setting, split)
            for method in chosen:
                fits = results.setdefault(setting.name, {}).setdefault(method, {})
                if options.reuse and str(split) in fits:
                    continue
                done = fit(options, python, method, header, train, test)
                found = scores([row[-1] for row in test], done["mean"], done["variance"])
                fits[str(split)] = {**found, "seconds": done["seconds"], "rows": len(train), "features": len(header) - 1,
                                    "detail": done["detail"], **({"version": version} if method == methods.PEER else {})}
                save(options.results, results)
                print(f"{setting.name} {split} {method}: " + ", ".join(f"{k} {v:.4g}" for k, v in found.items()) +
                      f", {done['seconds']:.1f} s", file=sys.stderr, flush=True)


def main():
    options = arguments()
    results = load(options.results) if options.reuse or options.table or options.results.exists() else {}
    if not options.table:
        try:
            fit_all(options, results)
        except methods.Failed as failure:
            sys.exit(str(failure))
    print((tables.short if options.short else tables.long)(results, options.sets))


if __name__ == "__main__":
    main()
