"""AUC by scikit-learn and skewness by SciPy, for test/tabular/prepare.test.ts: python make_tabular_read.py"""
import json
import os

import numpy as np
from scipy.stats import skew
from sklearn.metrics import roc_auc_score

r = np.random.default_rng(0)
auc, skewness = [], []
for n, ties in [(30, 3), (50, 50), (200, 7)]:
    y = r.integers(0, 2, n)
    scores = np.round(r.uniform(0, 1, n) + 0.3 * y, 3) if ties == n else (r.integers(0, ties, n) + y).astype(float)
    auc.append({"y": y.tolist(), "scores": scores.tolist(), "value": float(roc_auc_score(y, scores))})
for values in [r.normal(size=40), np.exp(2 * r.normal(size=60)), r.integers(0, 5, 30).astype(float)]:
    skewness.append({"values": values.tolist(), "value": float(skew(values))})
path = os.path.join(os.path.dirname(__file__), "tabular-read.json")
json.dump({"auc": auc, "skewness": skewness}, open(path, "w"))
