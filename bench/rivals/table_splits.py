"""The rows of each part, as JSON on standard output: {data: [{train, valid, test}, ...]}. Rows are numbered in file order.
California: sklearn's train_test_split(.2, random_state=0), then .2 of the rest for validation. Titanic: stratified 5 folds x 3;
.2 of the training rows for validation. Birdstrikes: by date, the last fifth for the test, the last fifth of the rest for validation.

    python bench/rivals/table_splits.py CALIFORNIA.csv TITANIC.csv BIRDSTRIKES.csv
"""
import json
import sys

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, train_test_split

california, titanic, birdstrikes = (pd.read_csv(path, keep_default_na=False) for path in sys.argv[1:4])


def split(train, test, seed, stratify=None):
    train, valid = train_test_split(train, test_size=0.2, random_state=seed, stratify=None if stratify is None else stratify[train])
    return {"train": train.tolist(), "valid": valid.tolist(), "test": test.tolist()}


rows = np.arange(len(california))
parts = {"california": [split(*train_test_split(rows, test_size=0.2, random_state=0), 0)]}
survived = titanic["Survived"].to_numpy()
parts["titanic"] = [
    split(train, test, seed, survived)
    for seed in range(3)
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(np.zeros(len(titanic)), survived)
]
when = pd.to_datetime(birdstrikes["Flight Date"]).to_numpy()
order = np.argsort(when, kind="stable")
past, test = np.split(order, [int(len(order) * 0.8)])
train, valid = np.split(past, [int(len(past) * 0.8)])
parts["birdstrikes"] = [{"train": train.tolist(), "valid": valid.tolist(), "test": test.tolist()}]
json.dump(parts, sys.stdout)
