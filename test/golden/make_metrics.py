"""Writes metrics.json: scikit-learn's (and SciPy's) metrics of random predictions, with classes that are rare, absent or
never predicted, rows without labels, ties, everything predicted, nothing predicted.

  python make_metrics.py
"""

import json
import warnings
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax
from scipy.stats import pearsonr
from sklearn import metrics as sk

warnings.filterwarnings("ignore")  # what is undefined is asked for on purpose


def floats(values):
    """Numbers of a float32 or float64 array, none for NaN."""
    flat = np.asarray(values).reshape(-1)
    short = flat.dtype == np.float32
    return [None if np.isnan(v) else float(f"{v:.9g}") if short else float(v) for v in flat]


def defined(values):
    """R² without force_finite: none where scikit-learn divides by 0."""
    return [float(v) if np.isfinite(v) else None for v in np.asarray(values).reshape(-1)]


def number(value):
    return None if np.isnan(value) else float(value)


def scores(row):
    return {"precision": row["precision"], "recall": row["recall"], "f1": row["f1-score"], "support": int(row["support"])}


def temperature(loss, least=0.1, most=10.0):
    found = minimize_scalar(
        lambda t: loss(np.exp(t)), bounds=(np.log(least), np.log(most)), method="bounded", options={"xatol": 1e-11}
    )
    return {"temperature": float(np.exp(found.x)), "before": float(loss(1.0)), "after": float(found.fun)}


def calibration(confidence, came, bins):
    """ECE and MCE as in Guo et al. 2017: bins (from, to] of equal width."""
    edges = np.linspace(0, 1, bins + 1)
    rows, gaps = [], []
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high) if low > 0 else confidence <= high
        if inside.any():
            rows.append([int(inside.sum()), float(confidence[inside].mean()), float(came[inside].mean())])
            gaps.append([inside.mean(), abs(rows[-1][1] - rows[-1][2])])
    gaps = np.asarray(gaps)
    return {"bins": bins, "rows": rows, "ece": float((gaps[:, 0] * gaps[:, 1]).sum()), "mce": float(gaps[:, 1].max())}


def single(name, seed, n, classes, skill, absent=(), dtype=np.float32):
    rng = np.random.default_rng(seed)
    present = [c for c in range(classes) if c not in absent]
    share = rng.dirichlet(np.ones(len(present)))
    actual = rng.choice(present, n, p=share)
    logits = rng.normal(size=(n, classes)) + skill * np.eye(classes)[actual]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    p = np.round(p, 6).astype(dtype)
    p[0] = np.eye(classes)[(actual[0] + 1) % classes]  # surely wrong: probability 0 of what is right
    p[1] = np.eye(classes)[actual[1]]
    predicted = p.argmax(1)
    labels = list(range(classes))
    names = [f"class {c}" if c else "the very first class 🐈" for c in labels]
    report = sk.classification_report(actual, predicted, labels=labels, output_dict=True, zero_division=0)
    wide = p.astype(np.float64)
    areas = [sk.roc_auc_score(actual == c, wide[:, c]) if len({*(actual == c)}) == 2 else np.nan for c in labels]
    raw = np.round(logits * 2.5, 4)  # too sure
    return {
        "name": name,
        "float": np.dtype(dtype).name,
        "classes": classes,
        "actual": actual.tolist(),
        "probabilities": floats(p),
        "predicted": predicted.tolist(),
        "accuracy": sk.accuracy_score(actual, predicted),
        "confusion": sk.confusion_matrix(actual, predicted, labels=labels).reshape(-1).tolist(),
        "report": [scores(report[str(c)]) for c in labels],
        "macro": scores(report["macro avg"]),
        "weighted": scores(report["weighted avg"]),
        "logLoss": sk.log_loss(actual, p / (p.sum(1, keepdims=True) if dtype == np.float64 else 1), labels=labels),
        "balancedAccuracy": sk.balanced_accuracy_score(actual, predicted),
        "top2": float(np.mean([a in row.argsort()[::-1][:2] for a, row in zip(actual, logits_ranks(wide))])),
        "kappa": [sk.cohen_kappa_score(actual, predicted, labels=labels, weights=w) for w in (None, "linear", "quadratic")],
        "matthews": sk.matthews_corrcoef(actual, predicted),
        "rocAuc": [number(a) for a in areas],
        "brier": float(((wide - np.eye(classes)[actual]) ** 2).sum(1).mean()),
        "names": names,
        "text": sk.classification_report(actual, predicted, labels=labels, target_names=names, zero_division=0),
        "text4": sk.classification_report(actual, predicted, labels=labels, target_names=names, digits=4, zero_division=0),
        "calibration": [calibration(wide.max(1), predicted == actual, bins) for bins in (15, 7)],
        "logits": floats(raw),
        "temperature": temperature(lambda t: -log_softmax(raw / t, 1)[np.arange(n), actual].mean()),
        "softened": floats(softmax(raw[:2] / 3, 1)),
    }


def logits_ranks(p):
    """Of equal scores the first class is the higher, as with argmax."""
    return p - 1e-12 * np.arange(p.shape[1])


def decisions(p, y, thresholds):
    d = (p >= np.asarray(thresholds)).astype(int)
    labels = list(range(y.shape[1]))
    averages = {}
    for average in ("samples", "micro", "macro", "weighted", None):
        kw = {"average": average, "zero_division": 0}
        values = [
            sk.precision_score(y, d, **kw),
            sk.recall_score(y, d, **kw),
            *(sk.fbeta_score(y, d, beta=b, **kw) for b in (1, 2, 0.5)),
        ]
        averages[average or "none"] = [np.asarray(v).tolist() for v in values]
    return {
        "thresholds": thresholds,
        "accuracy": float((d == y).mean()),
        "subset": sk.accuracy_score(y, d),
        "hamming": sk.hamming_loss(y, d),
        "confusion": sk.multilabel_confusion_matrix(y, d, labels=labels).reshape(-1, 4).tolist(),  # tn fp fn tp
        "averages": averages,
        "text": sk.classification_report(y, d, target_names=[f"label {c}" for c in labels], zero_division=0),
    }


def candidates(scores):
    """Midpoints between distinct scores, below all and above all; 0.5 for the one that decides as 0.5 does."""
    s = np.unique(scores)
    middles = [s[0] / 2, *((s[:-1] + s[1:]) / 2), (s[-1] + 1) / 2 if s[-1] < 1 else 1 + 2**-20]
    decided = [tuple(scores >= t) for t in middles]
    half = tuple(scores >= 0.5)
    return [0.5 if d == half else float(t) for d, t in zip(decided, middles)]


def pick(values, thresholds):
    """The best; of equals the one nearest to 0.5."""
    top = max(values)
    value, threshold = min(
        ((v, t) for v, t in zip(values, thresholds) if v > top - 1e-10), key=lambda vt: abs(vt[1] - 0.5)
    )
    return {"threshold": threshold, "value": float(value)}


def influence(y, d, beta):
    """The value of a metric of one label, and how each picture moves it."""
    if beta is None:
        right = (y == d).astype(float)
        return right.mean(), right - right.mean()
    above, below = (1 + beta**2) * y * d, beta**2 * y + d
    f = above.sum() / below.sum() if below.sum() else 0.0
    return f, (above - f * below) / below.mean() if below.sum() else np.zeros(len(y))


def thresholds(p, y, beta, average):
    def score(d, y=y, average=average):
        if beta is None:
            return (d == y).mean()
        return sk.fbeta_score(y, d.astype(int), beta=beta, average=average, zero_division=0)

    tried = candidates(p.reshape(-1))
    best = pick([score(p >= t) for t in tried], tried)
    own, kept = [], []
    for c in range(y.shape[1]):
        if y[:, c].sum() == 0:
            one = best["threshold"]
        else:
            tried = candidates(p[:, c])
            values = [score((p[:, c] >= t).astype(int), y[:, c], "binary") for t in tried]
            one = pick(values, tried)["threshold"]
        value, move = influence(y[:, c], (p[:, c] >= one).astype(int), beta)
        shared, shared_move = influence(y[:, c], (p[:, c] >= best["threshold"]).astype(int), beta)
        error = np.sqrt(((move - shared_move) ** 2).sum()) / len(y)
        own.append(one if value - shared > 1e-12 else best["threshold"])
        kept.append(one if value - shared > max(error, 1e-12) else best["threshold"])
    return {
        "metric": "accuracy" if beta is None else f"f{beta}",
        "average": average,
        **best,
        "own": own,
        "kept": kept,
        "valueKept": float(score(p >= np.asarray(kept))),
    }


def multi(name, seed, n, classes, skill, empty=(), full=(), digits=6, shift=0.0, logit_scale=1.0):
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.05, 0.6, classes)
    y = (rng.uniform(size=(n, classes)) < share).astype(int)
    y[:, list(empty)] = 0
    y[:3] = 0  # pictures without labels
    y[:, list(full)] = 1
    z = np.round((rng.normal(size=(n, classes)) + skill * (2 * y - 1)) * logit_scale + shift, 4)
    p = np.round(expit(z), digits).astype(np.float32)
    wide = p.astype(np.float64)
    each = np.round(rng.uniform(0.2, 0.8, classes), 2).tolist()
    both = [0 < y[:, c].sum() < n for c in range(classes)]
    ap = [sk.average_precision_score(y[:, c], wide[:, c]) if y[:, c].any() else np.nan for c in range(classes)]
    curves = [sk.precision_recall_curve(y[:, c], wide[:, c]) for c in range(classes)]
    search = [(b, a) for b in (1, 2, 0.5) for a in ("samples", "micro", "macro")] + [(None, "samples")]
    return {
        "name": name,
        "classes": classes,
        "targets": y.reshape(-1).tolist(),
        "probabilities": floats(p),
        "decisions": [decisions(wide, y, t) for t in (0.5, each)],
        "averagePrecision": [number(v) for v in ap],
        "mAP": float(np.nanmean(ap)),
        "rocAuc": [number(sk.roc_auc_score(y[:, c], wide[:, c]) if both[c] else np.nan) for c in range(classes)],
        "curves": [{"precision": floats(a), "recall": floats(b), "thresholds": floats(c)} for a, b, c in curves],
        "bce": float(np.mean([sk.log_loss(y[:, c], p[:, c], labels=[0, 1]) for c in range(classes)])),
        "brier": float(np.mean([sk.brier_score_loss(y[:, c], wide[:, c], pos_label=1) for c in range(classes)])),
        "calibration": [calibration(wide.reshape(-1), y.reshape(-1), bins) for bins in (15, 7)],
        "logits": floats(z),
        "temperature": temperature(lambda t: (np.logaddexp(0, z / t) - y * z / t).mean()),
        "best": [thresholds(wide, y, *s) for s in search],
    }


def regression(name, predicted, actual):
    predicted, actual = np.asarray(predicted, np.float32), np.asarray(actual, np.float32)
    wide = actual.astype(np.float64), predicted.astype(np.float64)
    columns = actual.shape[1]
    kw = {"multioutput": "raw_values"}
    steady = [len({*a}) == 1 or len({*b}) == 1 for a, b in zip(actual.T, predicted.T)]
    return {
        "name": name,
        "columns": columns,
        "predictions": floats(predicted),
        "targets": floats(actual),
        "mse": floats(sk.mean_squared_error(*wide, **kw)),
        "rmse": floats(sk.root_mean_squared_error(*wide, **kw)),
        "mae": floats(sk.mean_absolute_error(*wide, **kw)),
        "medianAe": floats(sk.median_absolute_error(*wide, **kw)),
        "r2": defined(sk.r2_score(*wide, force_finite=False, **kw)) if len(actual) > 1 else [None] * columns,
        "explainedVariance": defined(sk.explained_variance_score(*wide, force_finite=False, **kw)),
        "pearson": [None if s else float(pearsonr(a, b)[0]) for s, a, b in zip(steady, wide[0].T, wide[1].T)],
    }


def regressions():
    rng = np.random.default_rng(20)
    y = rng.normal(size=(31, 3)) * [1, 100, 0.01] + [0, 5000, 0]
    steady = np.full((8, 1), 0.5)
    return [
        regression("three targets", y + rng.normal(size=y.shape) * [0.5, 30, 0.02], y),
        regression("an even number", rng.normal(size=(10, 1)), rng.normal(size=(10, 1))),
        regression("targets that never change", np.hstack([steady, steady + rng.normal(size=(8, 1))]), np.hstack([steady, steady])),
        regression("one picture", [[1.5]], [[2.0]]),
    ]


def main():
    parts = {
        "cases": [
            single("ten classes", 0, 120, 10, 2.0),
            single("two classes", 1, 40, 2, 1.0),
            single("absent and never predicted", 2, 30, 7, 0.5, absent=(1, 6)),
            single("float64", 3, 50, 4, 1.5, dtype=np.float64),
        ],
        "multi": [
            multi("a class without positives", 10, 60, 6, 0.8, empty=(2,), logit_scale=2.0),
            multi("ties", 11, 40, 4, 0.7, digits=1),
            multi("everything predicted", 12, 24, 3, 0.5, shift=6),
            multi("nothing predicted", 13, 24, 3, 0.5, shift=-6),
            multi("a label that is always there", 14, 30, 2, 1.0, full=(1,)),
        ],
        "regression": regressions(),
    }
    by = f"make_metrics.py, scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}"
    lists = [f' "{key}": [\n' + ",\n".join("  " + json.dumps(c) for c in rows) + "\n ]" for key, rows in parts.items()]
    text = f'{{\n "by": "{by}",\n' + ",\n".join(lists) + "\n}\n"
    (Path(__file__).parent / "metrics.json").write_text(text)


if __name__ == "__main__":
    main()
