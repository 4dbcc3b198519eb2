"""Writes issues.json: the label issues that cleanlab finds by confident learning, in random predictions with wrong labels.

  python make_issues.py

cleanlab takes the most probable class of all where several are confident, the paper the most probable of these: the
cases here have no picture where that makes a difference, which is checked.
"""

import json
from pathlib import Path

import cleanlab
import numpy as np
from cleanlab.count import get_confident_thresholds
from cleanlab.filter import find_label_issues


def floats(values):
    return [float(f"{v:.9g}") for v in values.reshape(-1)]


def found(given, p):
    confident = p >= get_confident_thresholds(given, p) - 1e-6
    best = np.where(confident, p, -1).argmax(1)
    assert all(best[confident.any(1)] == p.argmax(1)[confident.any(1)])
    return {
        by: [int(i) for i in find_label_issues(given, p, filter_by="confident_learning", return_indices_ranked_by=by)]
        for by in ("self_confidence", "normalized_margin")
    }


def single(name, seed, n, classes, skill, wrong):
    rng = np.random.default_rng(seed)
    true = rng.integers(classes, size=n)
    given = np.where(rng.uniform(size=n) < wrong, rng.integers(classes, size=n), true)
    logits = rng.normal(size=(n, classes)) + skill * np.eye(classes)[true]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    p = p.astype(np.float32).astype(np.float64)
    return {"name": name, "classes": classes, "given": given.tolist(), "probabilities": floats(p), **found(given, p)}


def multi(name, seed, n, classes):
    rng = np.random.default_rng(seed)
    true = rng.uniform(size=(n, classes)) < rng.uniform(0.1, 0.5, classes)
    given = np.where(rng.uniform(size=(n, classes)) < 0.05, ~true, true).astype(int)
    p = 1 / (1 + np.exp(-(rng.normal(size=(n, classes)) + 2.2 * (2 * true - 1))))
    p = p.astype(np.float32).astype(np.float64)
    labels = [found(given[:, c], np.stack([1 - p[:, c], p[:, c]], 1))["self_confidence"] for c in range(classes)]
    return {"name": name, "classes": classes, "given": given.reshape(-1).tolist(), "probabilities": floats(p), "labels": labels}


def main():
    parts = {
        "single": [single("four classes", 1, 150, 4, 3.5, 0.15), single("two classes", 5, 60, 2, 2.0, 0.2)],
        "multi": [multi("three labels", 2, 120, 3)],
    }
    lists = [f' "{key}": [\n' + ",\n".join("  " + json.dumps(c) for c in rows) + "\n ]" for key, rows in parts.items()]
    text = f'{{\n "by": "make_issues.py, cleanlab {cleanlab.__version__}",\n' + ",\n".join(lists) + "\n}\n"
    (Path(__file__).parent / "issues.json").write_text(text)


if __name__ == "__main__":
    main()
