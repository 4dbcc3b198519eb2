"""Writes logistic.json: scikit-learn's multinomial logistic regression, one logistic regression a label, and ridge
regression, on features by formula, unequal in scale.

  python make_logistic.py
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from formula import hashed
from sklearn.linear_model import LogisticRegression, Ridge


def features(name, n, width, classes):
    y = np.arange(n) % classes
    noise = np.asarray(hashed(f"{name} noise", n * width)).reshape(n, width)
    centres = np.asarray(hashed(f"{name} centres", classes * width)).reshape(classes, width)
    scale = 10.0 ** (np.arange(width) % 4 - 1)  # 0.1 to 100
    x = (3 * noise + centres[y]) * scale + 2 * scale
    x[:, -1] = 7  # a feature that never changes
    return x.astype(np.float32), y


def case(name, n, width, classes, l2s):
    x, y = features(name, n, width, classes)
    results = []
    for l2 in l2s:
        # Of two classes scikit-learn fits one vector w; ours are -w/2 and w/2, with half its squared norm in all.
        model = LogisticRegression(C=(2 if classes == 2 else 1) / (n * l2), solver="newton-cg", tol=1e-10, max_iter=10_000)
        p = model.fit(x.astype(np.float64), y).predict_proba(x.astype(np.float64))
        results.append({"l2": l2, "probabilities": [round(float(v), 7) for v in p[:20].reshape(-1)]})
    return {"name": name, "n": n, "width": width, "classes": classes, "results": results}


def answers(name, x, y, targets):
    """Several 0/1 labels a sample (the first is rare), and as many numbers."""
    n = len(y)
    noise = np.asarray(hashed(f"{name} answers", n * targets)).reshape(n, targets)
    numbers = 4 * noise + (y[:, None] + np.arange(targets)) % 3 + 10.0 * np.arange(targets)
    labels = (noise + 0.2 * (y[:, None] % 2) > np.linspace(0.45, 0.1, targets)).astype(np.float32)
    return labels, numbers.astype(np.float32)


def several(name, n, width, targets, l2s):
    x, y = features(name, n, width, 3)
    labels, numbers = answers(name, x, y, targets)
    x = x.astype(np.float64)
    sigmoid, ridge = [], []
    for l2 in l2s:
        p = np.stack(
            [
                LogisticRegression(C=1 / (n * l2), solver="newton-cg", tol=1e-10, max_iter=10_000)
                .fit(x, labels[:, t])
                .predict_proba(x)[:, 1]
                for t in range(targets)
            ],
            axis=1,
        )
        sigmoid.append({"l2": l2, "outputs": [round(float(v), 7) for v in p[:20].reshape(-1)]})
        out = Ridge(alpha=n * l2, solver="cholesky").fit(x, numbers).predict(x).reshape(n, targets)
        ridge.append({"l2": l2, "outputs": [round(float(v), 6) for v in out[:20].reshape(-1)]})
    return {"name": name, "n": n, "width": width, "targets": targets, "sigmoid": sigmoid, "ridge": ridge}


def main():
    cases = [
        case("three classes", 60, 8, 3, [3, 0.3, 0.03]),
        case("two classes", 40, 5, 2, [1, 0.01]),
        case("more features than samples", 30, 48, 5, [10, 1, 0.1]),
    ]
    many = [
        several("several answers", 60, 8, 3, [3, 0.3, 0.03]),
        several("several answers, more features than samples", 30, 48, 4, [10, 1, 0.1]),
    ]
    parts = {"cases": cases, "several": many}
    rows = {key: ",\n".join("  " + json.dumps(c) for c in part) for key, part in parts.items()}
    lists = ",\n".join(f' "{key}": [\n{text}\n ]' for key, text in rows.items())
    text = f'{{\n "by": "make_logistic.py, scikit-learn {sklearn.__version__}",\n{lists}\n}}\n'
    (Path(__file__).parent / "logistic.json").write_text(text)


if __name__ == "__main__":
    main()
