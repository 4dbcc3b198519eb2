"""Writes table-metrics.json: scikit-learn's metrics of random predictions for the rows of a table: two classes (rare,
balanced, with ties, one class alone), several classes (one of them absent), one and two regression targets.

  python make_table_metrics.py
"""

import json
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics as sk

warnings.filterwarnings("ignore")  # what is undefined is asked for on purpose


def number(value):
    return None if not np.isfinite(value) else float(value)


def classes(name, seed, n, count, share, ties=False, absent=None, threshold=0.5):
    rng = np.random.default_rng(seed)
    share = np.asarray(share, float)
    actual = rng.choice(count, n, p=share / share.sum())
    if absent is not None:
        actual[actual == absent] = 0
    logits = rng.normal(size=(n, count)) + 1.2 * np.eye(count)[actual]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if ties:
        p = np.round(p * 8) / 8
        p[:, 0] = 1 - p[:, 1:].sum(1)
    if count == 2:
        score = p[:, 1]
        told = (score >= threshold).astype(int)
        both = len(set(actual)) == 2
        out = {
            "rocAuc": sk.roc_auc_score(actual, score) if both else np.nan,
            "averagePrecision": sk.average_precision_score(actual, score) if actual.any() else np.nan,
            "brier": sk.brier_score_loss(actual, score, labels=[0, 1]),
            "f1": sk.f1_score(actual, told, zero_division=0),
            "precision": sk.precision_score(actual, told, zero_division=0),
            "recall": sk.recall_score(actual, told, zero_division=0),
        }
    else:
        told = p.argmax(1)
        there = [c for c in range(count) if 0 < (actual == c).sum() < n]
        out = {
            "rocAuc": np.mean([sk.roc_auc_score(actual == c, p[:, c]) for c in there]),
            "averagePrecision": np.mean([sk.average_precision_score(actual == c, p[:, c]) for c in there]),
            "brier": sk.brier_score_loss(actual, p, labels=list(range(count))),
        }
    out |= {
        "accuracy": sk.accuracy_score(actual, told),
        "balancedAccuracy": sk.balanced_accuracy_score(actual, told),
        "logLoss": sk.log_loss(actual, p, labels=list(range(count))),
    }
    return {
        "name": name,
        "task": "single",
        "columns": count,
        "threshold": threshold,
        "outputs": [float(v) for v in p.reshape(-1)],
        "values": [int(v) for v in actual],
        "expected": {key: number(value) for key, value in out.items()},
    }


def numbers(name, seed, n, targets, zero=False):
    rng = np.random.default_rng(seed)
    y = rng.lognormal(1, 1, size=(n, targets)) * np.where(rng.random((n, targets)) < 0.3, -1, 1)
    if zero:
        y[0, 0] = 0
    p = y + rng.normal(size=y.shape)
    out = {
        "rmse": np.mean(sk.root_mean_squared_error(y, p, multioutput="raw_values")),
        "mae": sk.mean_absolute_error(y, p),
        "r2": sk.r2_score(y, p),
    }
    if not zero:
        out["mape"] = sk.mean_absolute_percentage_error(y, p)
    return {
        "name": name,
        "task": "regression",
        "columns": targets,
        "outputs": [float(v) for v in p.reshape(-1)],
        "values": [float(v) for v in y.reshape(-1)],
        "expected": {key: number(value) for key, value in out.items()},
    }


cases = [
    classes("two classes", 1, 200, 2, [1, 1]),
    classes("a rare class", 2, 300, 2, [12, 1], threshold=0.2),
    classes("ties", 3, 150, 2, [3, 2], ties=True, threshold=0.25),
    classes("one class alone", 4, 40, 2, [1, 0]),
    classes("four classes", 5, 240, 4, [4, 3, 2, 1]),
    classes("an absent class", 6, 120, 3, [2, 2, 1], absent=2),
    numbers("one target", 7, 150, 1),
    numbers("two targets", 8, 90, 2),
    numbers("a target of 0", 9, 60, 1, zero=True),
]
path = Path(__file__).parent / "table-metrics.json"
path.write_text(json.dumps({"sklearn": sklearn.__version__, "cases": cases}) + "\n")
