"""LightGBM from Python with pandas, as its users write it: python bench/rivals/table_million.py TABLE.csv MODEL TREES THREADS

Reads the table, makes categories and parts of dates, trains on four rows of five, and saves the model. Prints one line of JSON.
"""

import json
import resource
import sys
import time

start = time.perf_counter()
import lightgbm as lgb
import numpy as np
import pandas as pd

table, model, trees, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
clock = {"import": time.perf_counter() - start}


def lap(name, since):
    clock[name] = time.perf_counter() - since
    return time.perf_counter()


t = time.perf_counter()
data = pd.read_csv(table, parse_dates=["d0", "d1"])
t = lap("read", t)
y = (data.pop("y") == "yes").astype(int)
for name in list(data.columns):
    if pd.api.types.is_datetime64_any_dtype(data[name]):
        date = data.pop(name).dt
        for part in ["year", "month", "day", "dayofweek", "dayofyear", "hour"]:
            data[f"{name} {part}"] = getattr(date, part).astype("float32")
    elif not pd.api.types.is_numeric_dtype(data[name]):
        data[name] = data[name].astype("category")
valid = np.random.default_rng(0).random(len(data)) < 0.2
t = lap("prepare", t)
parameters = {
    "objective": "binary",
    "learning_rate": 0.04,
    "bagging_fraction": 0.75,
    "bagging_freq": 1,
    "num_leaves": 50,
    "min_data_in_leaf": 40,
    "min_sum_hessian_in_leaf": 1e-7,
    "max_bin": 255,
    "force_row_wise": True,
    "deterministic": True,
    "num_threads": threads,
    "seed": 42,
    "verbosity": -1,
}
train_set = lgb.Dataset(data[~valid], y[~valid], params=parameters)
valid_set = lgb.Dataset(data[valid], y[valid], reference=train_set)
history = {}
booster = lgb.train(
    parameters,
    train_set,
    trees,
    valid_sets=[train_set, valid_set],
    callbacks=[lgb.early_stopping(300, verbose=False), lgb.record_evaluation(history)],
)
booster.save_model(model)
t = lap("fit", t)
seconds = time.perf_counter() - start
loss = min(history["valid_1"]["binary_logloss"])
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
cpu = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
versions = {"lightgbm": lgb.__version__, "pandas": pd.__version__}
print(json.dumps({"seconds": seconds, "cpuSeconds": cpu, "megabytes": megabytes, "parts": clock, "validLoss": loss, "versions": versions}))
