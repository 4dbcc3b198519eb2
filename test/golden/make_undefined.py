"""Writes undefined.json: scikit-learn's scores of numbers that are large and close together, tiny, huge or of unlike
units, in float64; and its classification reports with zero_division=nan, of classes without pictures or never predicted.

  python make_undefined.py
"""

import json
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics as sk

warnings.filterwarnings("ignore")


def finite(values):
    return [float(v) if np.isfinite(v) else None for v in np.asarray(values, np.float64).reshape(-1)]


def numbers(name, actual, noise, unit):
    """`actual` in the given unit; predictions are off by `noise` of the unit."""
    actual = np.asarray(actual, np.float64)
    predicted = actual + noise * unit
    kw = {"multioutput": "raw_values"}
    return {
        "name": name,
        "columns": actual.shape[1],
        "targets": actual.reshape(-1).tolist(),
        "predictions": predicted.reshape(-1).tolist(),
        "r2": finite(sk.r2_score(actual, predicted, force_finite=False, **kw)) if len(actual) > 1 else [None],
        "mae": finite(sk.mean_absolute_error(actual, predicted, **kw)),
        "rmse": finite(sk.root_mean_squared_error(actual, predicted, **kw)),
        "explainedVariance": finite(sk.explained_variance_score(actual, predicted, force_finite=False, **kw)),
    }


def targets():
    rng = np.random.default_rng(4)
    small = rng.uniform(0, 120, size=(24, 1))
    noise = rng.normal(size=(24, 1))
    days = (20240101 + np.round(small / 4)).reshape(-1, 1)
    mixed = np.hstack([small * 1e-6, small[::-1] * 1e9, 52.52 + small * 1e-6])
    return [
        numbers("small", small, noise, 30),
        numbers("dates as numbers", days, noise, 8),
        numbers("epoch seconds", 1.7e9 + np.round(small, 3), noise, 30),
        numbers("epoch milliseconds", 1.7e12 + np.round(small), noise, 30),
        numbers("epoch microseconds", 1.7e15 + np.round(small, 2), noise, 30),
        numbers("ids", 4_000_000_000 + np.round(small), noise, 30),
        numbers("coordinates", 52.52 + small * 1e-5, noise, 3e-4),
        numbers("money", 12_345_678.9 + np.round(small, 2), noise, 30),
        numbers("nanometres", small * 1e-9, noise, 3e-8),
        numbers("astronomic", small * 1e30, noise, 3e31),
        numbers("unlike units", mixed, rng.normal(size=(24, 3)), np.array([3e-5, 3e10, 3e-5])),
        numbers("one of two is constant", np.hstack([small, np.full_like(small, 1.7e9)]), rng.normal(size=(24, 2)), 30),
        numbers("constant and hit", np.full((5, 1), 0.1), np.zeros((5, 1)), 1),
        numbers("one picture", [[3.0]], np.ones((1, 1)), 1),
    ]


def report(name, actual, predicted, classes):
    kw = {"labels": list(range(classes)), "zero_division": np.nan}
    told = sk.classification_report(actual, predicted, output_dict=True, **kw)
    keys = ["precision", "recall", "f1-score"]
    return {
        "name": name,
        "classes": classes,
        "actual": np.asarray(actual).reshape(-1).tolist(),
        "predicted": np.asarray(predicted).reshape(-1).tolist(),
        "each": [finite([told[str(c)][k] for k in keys]) for c in range(classes)],
        "means": {k.split()[0]: finite([v[x] for x in keys]) for k, v in told.items() if k.endswith("avg")},
    }


def reports():
    rng = np.random.default_rng(7)
    single = rng.integers(0, 3, size=20)
    told = np.where(rng.random(20) < 0.6, single, rng.integers(0, 5, size=20))
    multi = (rng.random((16, 4)) < [0.5, 0.3, 0, 0.2]).astype(int)
    given = (rng.random((16, 4)) < [0.5, 0, 0, 0.3]).astype(int)
    return {
        "single": [
            report("classes without pictures", single, told, 6),
            report("one class alone", np.zeros(7, int), np.zeros(7, int), 3),
            report("one picture", [1], [2], 3),
            report("never told", [0, 0, 1, 1, 2], [0, 0, 0, 0, 0], 3),
        ],
        "multi": [
            report("a label that is neither there nor given", multi, given, 4),
            report("no label at all", np.zeros((5, 3), int), np.zeros((5, 3), int), 3),
            report("pictures without labels", np.array([[1, 0], [0, 0], [0, 0]]), np.array([[1, 0], [0, 1], [0, 0]]), 2),
        ],
    }


def main():
    parts = {"by": f"make_undefined.py, scikit-learn {sklearn.__version__}", "targets": targets(), **reports()}
    lines = [f' "{k}": ' + (json.dumps(v) if isinstance(v, str) else "[\n" + ",\n".join("  " + json.dumps(c) for c in v) + "\n ]") for k, v in parts.items()]
    (Path(__file__).parent / "undefined.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
