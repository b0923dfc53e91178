#!/usr/bin/env python3
"""A warping of the inputs, trained in front of a Gaussian process through kriged's gradients by the inputs.

The function below changes quickly on one side and slowly on the other, which no stationary kernel fits. A warping of every
feature, w(x) = x + a tanh(b x + c), can straighten it out. The service holds the Gaussian process; this script holds the
warping. In each step it sends the warped inputs, gets the held-out loss with its derivatives by the hyperparameters and by every
input (`gradients.x`), chains the latter through w, and takes a step of Adam. Only Python's standard library is needed.

usage: warp.py [STEPS]        the daemon: KRIGED_URL (default http://127.0.0.1:8080), with the key KRIGED_KEY if there is one
"""

import json
import math
import os
import random
import sys
import urllib.error
import urllib.request

URL = os.environ.get("KRIGED_URL", "http://127.0.0.1:8080")


def post(path, body):
    headers = {"Content-Type": "application/json"}
    if "KRIGED_KEY" in os.environ:
        headers["Authorization"] = "Bearer " + os.environ["KRIGED_KEY"]
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as refused:
        sys.exit(f"{refused.code}: {refused.read().decode()}")


def draw(count, seed):
    """Points in [-1, 1]^2 and targets of about unit variance, with noise."""
    rng = random.Random(seed)
    x = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(count)]
    y = [math.sin(8 * math.exp(1.2 * a)) + 0.5 * b + rng.gauss(0, 0.1) for a, b in x]
    return {"x": x, "y": y}


class Adam:
    """Kingma and Ba 2015; the step shrinks to a tenth over the run."""

    def __init__(self, count, steps, rate=0.1):
        self.m, self.v, self.t, self.steps, self.rate = [0.0] * count, [0.0] * count, 0, steps, rate

    def step(self, point, gradient):
        self.t += 1
        rate = self.rate * 0.1 ** (self.t / self.steps)
        for i, g in enumerate(gradient):
            self.m[i] = 0.9 * self.m[i] + 0.1 * g
            self.v[i] = 0.999 * self.v[i] + 0.001 * g * g
            mean, square = self.m[i] / (1 - 0.9**self.t), self.v[i] / (1 - 0.999**self.t)
            point[i] -= rate * mean / (math.sqrt(square) + 1e-8)


def warp(x, w):
    """w holds a, b, c of each feature."""
    return [[v + w[3 * k] * math.tanh(w[3 * k + 1] * v + w[3 * k + 2]) for k, v in enumerate(row)] for row in x]


def pull_warp(x, w, x_bar):
    """Derivatives by w, from those by the warped inputs."""
    out = [0.0] * len(w)
    for row, row_bar in zip(x, x_bar):
        for k, (v, bar) in enumerate(zip(row, row_bar)):
            a, b, c = w[3 * k : 3 * k + 3]
            t = math.tanh(b * v + c)
            inner = bar * a * (1 - t * t)
            for i, slope in enumerate((bar * t, inner * v, inner)):
                out[3 * k + i] += slope
    return out


def request(log_theta, data, w, validation):
    """The body of POST /v1/gradients for these hyperparameters and warped inputs."""
    variance, length, noise = (math.exp(v) for v in log_theta)
    return {
        "data": {"x": warp(data["x"], w), "y": data["y"]},
        "model": {
            "kernel": {"type": "rbf", "variance": variance, "lengthscale": length},
            "noise": {"variance": noise},
            "standardize": {"x": False, "y": False},
        },
        "objective": {"loss": "nlpd", "validation": validation},
    }


def train(data, steps, warped):
    """The tuned point: log-hyperparameters and warping."""
    log_theta = [0.0, math.log(0.5), math.log(0.1)]  # variance, lengthscale, noise
    w = [0.1, 1.0, 0.0] * len(data["x"][0]) if warped else [0.0, 1.0, 0.0] * len(data["x"][0])
    point = log_theta + w
    adam = Adam(len(point), steps)
    for step in range(steps + 1):
        log_theta, w = point[:3], point[3:]
        body = request(log_theta, data, w, {"type": "kfold", "folds": 5})
        reply = post("/v1/gradients", {**body, "with_respect_to": ["parameters", "x"]})
        if step % 20 == 0 or step == steps:
            print(f"{'warped' if warped else 'plain'} step {step}: held-out loss {reply['loss']:.4f}", flush=True)
        if step == steps:
            return log_theta, w
        by_log = [p["gradient"] * p["value"] for p in reply["parameters"]]
        by_warp = pull_warp(data["x"], w, reply["gradients"]["x"]) if warped else [0.0] * len(w)
        adam.step(point, by_log + by_warp)


def score(data, fresh, log_theta, w):
    """The loss of fresh points, given all the data."""
    body = request(log_theta, data, w, {"type": "dataset"})
    body["validation_data"] = {"x": warp(fresh["x"], w), "y": fresh["y"]}
    return post("/v1/gradients", body)["loss"]


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    data, fresh = draw(120, seed=1), draw(400, seed=2)
    for warped in (False, True):
        log_theta, w = train(data, steps, warped)
        print(f"{'warped' if warped else 'plain'} on fresh points: {score(data, fresh, log_theta, w):.4f}", flush=True)
        if warped:
            print("warping (a, b, c of each feature):", [round(v, 3) for v in w])


if __name__ == "__main__":
    main()
