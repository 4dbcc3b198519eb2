"""Writes metrics.json: scikit-learn's metrics of random predictions, with classes that are rare, absent or never predicted.

  python make_metrics.py
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, log_loss


def scores(row):
    return {"precision": row["precision"], "recall": row["recall"], "f1": row["f1-score"], "support": int(row["support"])}


def case(name, seed, n, classes, skill, absent=(), dtype=np.float32):
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
    report = classification_report(actual, predicted, labels=labels, output_dict=True, zero_division=0)
    return {
        "name": name,
        "float": np.dtype(dtype).name,
        "classes": classes,
        "actual": actual.tolist(),
        "probabilities": [float(f"{v:.9g}") if dtype == np.float32 else float(v) for v in p.reshape(-1)],
        "predicted": predicted.tolist(),
        "accuracy": accuracy_score(actual, predicted),
        "confusion": confusion_matrix(actual, predicted, labels=labels).reshape(-1).tolist(),
        "report": [scores(report[str(c)]) for c in labels],
        "macro": scores(report["macro avg"]),
        "weighted": scores(report["weighted avg"]),
        "logLoss": log_loss(actual, p / (p.sum(1, keepdims=True) if dtype == np.float64 else 1), labels=labels),
    }


def main():
    cases = [
        case("ten classes", 0, 120, 10, 2.0),
        case("two classes", 1, 40, 2, 1.0),
        case("absent and never predicted", 2, 30, 7, 0.5, absent=(1, 6)),
        case("float64", 3, 50, 4, 1.5, dtype=np.float64),
    ]
    rows = ",\n".join("  " + json.dumps(c) for c in cases)
    text = f'{{\n "by": "make_metrics.py, scikit-learn {sklearn.__version__}",\n "cases": [\n{rows}\n ]\n}}\n'
    (Path(__file__).parent / "metrics.json").write_text(text)


if __name__ == "__main__":
    main()
