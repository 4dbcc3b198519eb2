"""Writes tabular.json: LightGBM's predictions and their model texts, robust scales by NumPy, RealMLP's parts in PyTorch in
float64, and the schedule coslog4.

    pip install lightgbm==4.7.0 numpy torch
    python make_tabular.py
"""

import json
import math
from pathlib import Path

import lightgbm as lgb
import numpy as np
import torch
from formula import hashed

here = Path(__file__).parent
torch.set_default_dtype(torch.float64)


def matrix(name, rows, numbers, categories):
    x = np.asarray(hashed(name, rows * (numbers + categories))).reshape(rows, numbers + categories).astype(np.float32)
    x[:, numbers:] = np.floor((x[:, numbers:] + 1) * 7)  # codes 0 .. 13
    x[::7, 0] = np.nan
    x[::5, 1] = 0
    return x


def forest(name, objective, rows=300, numbers=4, categories=2, **more):
    x = matrix(name, rows, numbers, categories)
    noise = np.asarray(hashed(f"{name} noise", rows))
    y = 2 * x[:, 2] + np.where(np.isnan(x[:, 0]), 1, x[:, 0]) + (x[:, 4] % 3 == 1) + 0.3 * noise
    if objective != "regression":
        y = np.digitize(y, np.quantile(y, [0.5] if objective == "binary" else [0.3, 0.6]))
    parameters = {"objective": objective, "num_leaves": 8, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1, **more}
    data = lgb.Dataset(x, label=y, categorical_feature=[4, 5], free_raw_data=False)
    model = lgb.train(parameters, data, 6)
    rows = matrix(f"{name} test", 40, numbers, categories)
    rows[3, :] = np.nan
    rows[4, 4:] = [99, -1]  # categories that training did not have
    rows[5, :4] = [1e-36, -1e-36, 1e30, -1e30]
    return {
        "name": name,
        "text": model.model_to_string(),
        "rows": [[None if math.isnan(v) else float(v) for v in row] for row in rows],
        "raw": np.asarray(model.predict(rows, raw_score=True)).reshape(-1).tolist(),
        "predicted": np.asarray(model.predict(rows)).reshape(-1).tolist(),
    }


def scales():
    columns = {
        "numbers": [float(np.float32(v)) for v in hashed("scale", 41)],
        "mostly equal": [1.0] * 30 + [2.0, 4.0, 9.0],
        "constant": [5.0] * 9,
        "one": [3.0],
    }
    found = []
    for name, values in columns.items():
        x = np.asarray(values)
        q25, q75 = np.quantile(x, [0.25, 0.75])
        spread = x.max() - x.min()
        scale = 1 / (q75 - q25) if q75 > q25 else (2 / spread if spread > 0 else 0)
        z = scale * (x - np.median(x))
        found.append({"name": name, "values": values, "median": float(np.median(x)), "scale": float(scale), "clipped": (z / np.sqrt(1 + (z / 3) ** 2)).tolist()})
    return found


class Member:
    """One RealMLP-TD net, parameter by parameter, without packing (pytabkit's layers, written out)."""

    def __init__(self, name, numbers, others, cards, hidden, outputs, f):
        def take(part, *size):
            count = math.prod(size)
            return torch.tensor(np.float32(hashed(f"{name} {part}", count)).astype(np.float64)).reshape(size).requires_grad_()

        self.numbers, self.f = numbers, f
        self.w1, self.b1 = take("w1", numbers, 16), take("b1", numbers, 16)
        self.w2, self.b2 = take("w2", numbers, 16, 3), take("b2", numbers, 3)
        self.tables = [take(f"table{i}", n, 8) for i, n in enumerate(cards)]
        widths = [4 * numbers + others + 8 * len(cards), *hidden, outputs]
        self.scale = take("scale", widths[0])
        self.weights = [take(f"weight{i}", a, b) for i, (a, b) in enumerate(zip(widths, widths[1:]))]
        self.biases = [take(f"bias{i}", b) for i, b in enumerate(widths[1:])]
        self.acts = [take(f"act{i}", b) for i, b in enumerate(hidden)]

    def parameters(self):
        return [self.w1, self.b1, self.w2, self.b2, *self.tables, self.scale, *self.weights, *self.biases, *self.acts]

    def __call__(self, dense, codes):
        x = dense[:, : self.numbers]
        h = torch.cos(2 * math.pi * x[:, :, None] * self.w1 + self.b1)
        e = torch.einsum("bfh,fho->bfo", h, self.w2) + self.b2
        parts = [torch.cat([e, x[:, :, None]], 2).flatten(1), dense[:, self.numbers :]]
        parts += [table[codes[:, i]] for i, table in enumerate(self.tables)]
        y = torch.cat(parts, 1) * self.scale
        for i, (w, b) in enumerate(zip(self.weights, self.biases)):
            y = y @ w / math.sqrt(w.shape[0]) + b
            if i < len(self.acts):
                y = y + self.acts[i] * (self.f(y) - y)
        return y


def realmlp(name, task):
    numbers, others, cards, hidden, members, rows = 3, 2, [11, 5], [8, 8, 8], 2, 12
    outputs = 3 if task == "single" else 2
    f = torch.nn.functional.selu if task == "single" else torch.nn.functional.mish
    dense = torch.tensor(np.float32(hashed(f"{name} dense", rows * 5)).astype(np.float64)).reshape(rows, 5)
    codes = torch.stack([torch.arange(rows) * 5 % n for n in cards], 1)
    nets = [Member(f"{name} {m}", numbers, others, cards, hidden, outputs, f) for m in range(members)]
    if task == "single":
        y = torch.arange(rows) % outputs
        loss = sum(torch.nn.functional.cross_entropy(net(dense, codes), y) for net in nets)
    else:
        y = torch.tensor(np.asarray(hashed(f"{name} y", rows * outputs))).reshape(rows, outputs)
        loss = sum(torch.nn.functional.mse_loss(net(dense, codes), y) for net in nets)
    loss.backward()
    sums = {}
    for net in nets:
        for kind, tensors in {
            "wave.w1": [net.w1], "wave.b1": [net.b1], "wave.w2": [net.w2], "wave.b2": [net.b2], "embedding": net.tables, "scale": [net.scale],
            **{f"weight.{i}": [w] for i, w in enumerate(net.weights)}, **{f"bias.{i}": [b] for i, b in enumerate(net.biases)},
            **{f"activation.{i}": [a] for i, a in enumerate(net.acts)},
        }.items():  # fmt: skip
            sums.setdefault(kind, []).append(float(sum((t.grad**2).sum() for t in tensors)) ** 0.5)
    return {
        "name": name, "task": task, "numbers": numbers, "others": others, "cards": cards, "hidden": hidden, "members": members, "rows": rows,
        "outputs": outputs, "out": torch.stack([net(dense, codes) for net in nets]).flatten().tolist(), "loss": float(loss.detach()),
        "targets": y.flatten().tolist(), "gradientNorms": sums,
    }  # fmt: skip


ts = [0, 0.01, 1 / 15, 0.1, 0.2, 0.2123, 0.3, 0.5, 0.4667, 0.77, 0.99, 1]
values = {
    "lightgbm": lgb.__version__,
    "forests": [forest("regression", "regression"), forest("binary", "binary"), forest("multi", "multiclass", num_class=3), forest("zeros", "regression", zero_as_missing=True)],
    "scales": scales(),
    "realmlp": [realmlp("classes", "single"), realmlp("values", "regression")],
    "coslog4": [[t, 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))] for t in ts],
}
(here / "tabular.json").write_text(json.dumps(values) + "\n")
