"""Fits a method to training rows and predicts test inputs, each fit a process of its own on one thread."""

import csv
import io
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

TWO_STARTS = {"restarts": {"count": 2}}


def held_out(**validation):
    return {"objective": {"loss": "nlpd", "validation": validation}, **TWO_STARTS}


# What a request says besides the kernel. predictive tunes for nlpd by 5 folds.
KRIGED = {
    "evidence": {"recipe": "evidence"},
    "predictive": {"recipe": "predictive"},
    "robust": {"recipe": "robust"},
    "nlpd, half held out": held_out(type="fraction", fraction=0.5),
    "nlpd, leave-one-out": held_out(type="leave_one_out"),
}
PEER = "scikit-learn"
PEER_MANY = 500  # rows above which the peer starts once, as by its default: its fits take long
METHODS = [PEER, *KRIGED]


class Failed(Exception):
    pass


def processor_seconds():
    """Of all processes that were waited for: unlike those of a clock, the same whatever else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, env={**os.environ, **ONE_THREAD})
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: exit status {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def last_result(events):
    """The result in the last line, and the warnings before it."""
    lines = [json.loads(line) for line in events.splitlines()]
    result = lines[-1]["data"]["result"]
    said = sorted({line["data"]["code"] for line in lines if line["event"] == "warning"})
    return {"stop": result["stop"], "evaluations": result["evaluations"], "restart": result.get("restart", 1),
            "loss": result["best_loss"], "calibration": result.get("calibration"), "warnings": said,
            "parameters": {one["name"]: one["value"] for one in result["parameters"]}}


def kriged(binary, name, header, train, test):
    """As at the command line: tune on the training rows alone, predict the inputs of the test rows from the model file."""
    request = {"model": {"kernel": {"type": "matern52", "ard": True}}, **KRIGED[name]}
    with tempfile.TemporaryDirectory(prefix="kriged-quality-") as folder:
        folder = pathlib.Path(folder)
        (folder / "request.json").write_text(json.dumps(request))
        write_csv(folder / "train.csv", header, train)
        write_csv(folder / "points.csv", header[:-1], test)
        before = processor_seconds()
        events = run([binary, "tune", folder / "request.json", "--data", folder / "train.csv", "--model", folder / "model.json",
                      "--threads", "1"])
        seconds = processor_seconds() - before
        table = run([binary, "predict", folder / "model.json", "--data", folder / "points.csv", "--csv", "--threads", "1"])
    predicted = list(csv.DictReader(io.StringIO(table)))
    return {"mean": [float(row["mean"]) for row in predicted], "variance": [float(row["variance"]) for row in predicted],
            "seconds": seconds, "detail": last_result(events)}


def peer(python, restarts, train, test):
    if restarts is None:
        restarts = 0 if len(train) > PEER_MANY else 2
    job = {"train": train, "test": test, "restarts": restarts}
    return json.loads(run([python, HERE / "peer.py"], json.dumps(job)))


def find_peer(python):
    """An interpreter that has scikit-learn, and its version; None where there is none."""
    for candidate in [python] if python else [sys.executable, "/usr/bin/python3"]:
        try:
            return candidate, run([candidate, HERE / "peer.py", "--check"]).strip()
        except (Failed, OSError):
            continue
    return None, None
