"""Text classifiers of scikit-learn on given folds: TF-IDF of words (1-2 grams) or letters (2-5) with logistic regression,
its C searched by cross-validation over the training texts. stdin: {"texts", "labels", "folds"}; stdout: a line of JSON."""

import json
import sys
import time

import numpy as np
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline

given = json.load(sys.stdin)
texts, labels, folds = np.array(given["texts"], dtype=object), np.array(given["labels"]), np.array(given["folds"])
ways = {
    "TF-IDF words 1-2 + LR": dict(ngram_range=(1, 2), sublinear_tf=True),
    "TF-IDF letters 2-5 + LR": dict(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
}
results = []
for name, options in ways.items():
    for fold in sorted(set(folds)):
        began = time.perf_counter()
        model = make_pipeline(TfidfVectorizer(**options), LogisticRegressionCV(Cs=[1, 3, 10, 30], cv=3, max_iter=500))
        model.fit(texts[folds != fold], labels[folds != fold])
        accuracy = float((model.predict(texts[folds == fold]) == labels[folds == fold]).mean())
        results.append(dict(model=name, fold=int(fold), accuracy=accuracy, seconds=time.perf_counter() - began))
print(json.dumps(dict(about=dict(sklearn=sklearn.__version__), results=results)))
