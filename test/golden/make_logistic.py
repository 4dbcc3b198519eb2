"""Writes logistic.json: scikit-learn's multinomial logistic regression on features by formula, unequal in scale.

  python make_logistic.py
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from formula import hashed
from sklearn.linear_model import LogisticRegression


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


def main():
    cases = [
        case("three classes", 60, 8, 3, [3, 0.3, 0.03]),
        case("two classes", 40, 5, 2, [1, 0.01]),
        case("more features than samples", 30, 48, 5, [10, 1, 0.1]),
    ]
    rows = ",\n".join("  " + json.dumps(c) for c in cases)
    text = f'{{\n "by": "make_logistic.py, scikit-learn {sklearn.__version__}",\n "cases": [\n{rows}\n ]\n}}\n'
    (Path(__file__).parent / "logistic.json").write_text(text)


if __name__ == "__main__":
    main()
