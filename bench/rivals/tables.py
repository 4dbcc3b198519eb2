"""Rivals of bench/tables.ts on the same columns and the same splits: one JSON line for each fit.

    python bench/rivals/tables.py FOLDER SEEDS THREADS

FOLDER holds splits.json (table_splits.py) and for each set NAME.csv and NAME.json: the columns that are numbers and categories,
the target (column `target`) and the task.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path

folder, seeds, threads = Path(sys.argv[1]), [int(s) for s in sys.argv[2].split(",")], int(sys.argv[3])
os.environ["OMP_NUM_THREADS"] = str(threads)
warnings.filterwarnings("ignore")

import lightgbm as lgb
import numpy as np
import pandas as pd
import sklearn
import torch
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback
from fastai.tabular.all import Categorify, CategoryBlock, FillMissing, Normalize, RegressionBlock, TabularDataLoaders, tabular_learner
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score, root_mean_squared_error

torch.set_num_threads(threads)
splits = json.loads((folder / "splits.json").read_text())
print(json.dumps({"lightgbm": lgb.__version__, "sklearn": sklearn.__version__, "torch": torch.__version__, "fastai": __import__("fastai").__version__}), flush=True)


def scores(task, y, p):
    if task == "regression":
        return {"rmse": float(root_mean_squared_error(y, p))}
    return {"accuracy": float(accuracy_score(y, p > 0.5)), "auc": float(roc_auc_score(y, p)), "logLoss": float(log_loss(y, p, labels=[0, 1]))}


def lightgbm(table, parts, info, seed, tuned):
    x = table.drop(columns="target").copy()
    for name in info["categories"]:
        words = pd.unique(x[name].iloc[parts["train"]])
        x[name] = pd.Categorical(x[name], categories=[w for w in words if w != ""])
    y = table["target"]
    regression = info["task"] == "regression"
    common = dict(random_state=seed, n_jobs=threads, verbosity=-1)
    if tuned:
        common |= dict(n_estimators=1000, subsample_freq=1, min_child_weight=1e-7, max_bin=255)
        common |= dict(learning_rate=0.05, subsample=0.7, num_leaves=100, min_child_samples=3) if regression else dict(learning_rate=0.04, subsample=0.75, num_leaves=50, min_child_samples=40)
    model = (lgb.LGBMRegressor if regression else lgb.LGBMClassifier)(**common)
    fit = dict(eval_set=[(x.iloc[parts["valid"]], y.iloc[parts["valid"]])], callbacks=[lgb.early_stopping(300, verbose=False)]) if tuned else {}
    model.fit(x.iloc[parts["train"]], y.iloc[parts["train"]], **fit)
    test = x.iloc[parts["test"]]
    return model.predict(test) if regression else model.predict_proba(test)[:, 1]


def histogram(table, parts, info, seed):
    x = table.drop(columns="target").copy()
    for name in info["categories"]:
        counts = x[name].iloc[parts["train"]].value_counts()
        kept = set(counts.index[:250]) - {""}  # it takes at most 255 categories
        x[name] = x[name].where(x[name].isin(kept)).astype("category")
    rows = parts["train"] + parts["valid"]  # it makes its own validation part
    regression = info["task"] == "regression"
    model = (HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier)(categorical_features="from_dtype", random_state=seed)
    model.fit(x.iloc[rows], table["target"].iloc[rows])
    test = x.iloc[parts["test"]]
    return model.predict(test) if regression else model.predict_proba(test)[:, 1]


def fastai(table, parts, info, seed):
    """AutoGluon's settings of fastai's tabular learner."""
    np.random.seed(seed)
    torch.manual_seed(seed)
    data = table.copy()
    regression = info["task"] == "regression"
    mean, std = data["target"].iloc[parts["train"]].agg(["mean", "std"])
    if regression:
        data["target"] = (data["target"] - mean) / std
    rows = parts["train"] + parts["valid"]
    frame = data.iloc[rows].reset_index(drop=True)
    valid = list(range(len(parts["train"]), len(rows)))
    loaders = TabularDataLoaders.from_df(
        frame, procs=[Categorify, FillMissing, Normalize], cat_names=list(info["categories"]), cont_names=list(info["numbers"]), y_names="target",
        y_block=RegressionBlock() if regression else CategoryBlock(), valid_idx=valid, bs=256 if len(parts["train"]) > 2000 else 64, num_workers=0,
    )  # fmt: skip
    learn = tabular_learner(loaders, layers=[200, 100], path=folder, config={"ps": 0.1, "embed_p": 0.1})
    with learn.no_bar(), learn.no_logging():
        saved = SaveModelCallback(monitor="valid_loss", fname=f"best-{os.getpid()}")
        learn.fit_one_cycle(30, 1e-2, cbs=[saved, EarlyStoppingCallback(monitor="valid_loss", patience=10)])
        test = data.iloc[parts["test"]].copy()
        for name in info["numbers"]:  # it takes missing numbers only where training had some
            if table[name].iloc[rows].notna().all():
                test[name] = test[name].fillna(table[name].iloc[rows].median())
        predicted = learn.get_preds(dl=loaders.test_dl(test))[0].numpy()
    return predicted[:, 0] * std + mean if regression else predicted[:, 1]


rivals = {
    "LightGBM, defaults": lambda *a: lightgbm(*a, tuned=False),
    "LightGBM, TD": lambda *a: lightgbm(*a, tuned=True),
    "HistGradientBoosting": histogram,
    "fastai": fastai,
}
for name, folds in splits.items():
    info = json.loads((folder / f"{name}.json").read_text())
    table = pd.read_csv(folder / f"{name}.csv", dtype={c: str for c in info["categories"]}, keep_default_na=False, na_values={c: [""] for c in info["numbers"]})
    for fold, parts in enumerate(folds):
        for seed in seeds if len(folds) == 1 else [fold]:
            for rival, fit in rivals.items():
                began = time.perf_counter()
                predicted = fit(table, parts, info, seed)
                seconds = time.perf_counter() - began
                found = scores(info["task"], table["target"].iloc[parts["test"]], predicted)
                print(json.dumps({"set": name, "model": rival, "fold": fold, "seed": seed, "seconds": seconds, **found}), flush=True)
