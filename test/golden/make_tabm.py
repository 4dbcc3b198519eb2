"""Writes tabm.json: outputs, losses and gradients of TabM by its authors' package in float64, and scikit-learn's quantile transformer.

    pip install tabm==0.0.3 rtdl_num_embeddings==0.0.12 scikit-learn torch numpy
    python make_tabm.py
"""

import json
from pathlib import Path

import numpy as np
import torch
from formula import hashed
from rtdl_num_embeddings import PiecewiseLinearEmbeddings
from sklearn.preprocessing import QuantileTransformer
from tabm import TabM

here = Path(__file__).parent
torch.set_default_dtype(torch.float64)

edges = [[-1.0, 0.0, 1.5], [-2.0, -0.25, 0.375, 2.0], [-1.0, 1.0]]


def net(name, task):
    numbers, cards, hidden, members, rows = 3, [4, 6], 24, 5, 11
    outputs = 3 if task == "single" else 2
    embeddings = PiecewiseLinearEmbeddings([torch.tensor(e) for e in edges], 16, activation=False, version="B")
    model = TabM.make(
        n_num_features=numbers, cat_cardinalities=cards, d_out=outputs, num_embeddings=embeddings, n_blocks=2, d_block=hidden, dropout=0.0, k=members
    )  # fmt: skip
    with torch.no_grad():
        for key, p in model.named_parameters():
            p.copy_(torch.tensor(np.float32(hashed(f"{name} {key}", p.numel())).astype(np.float64)).reshape(p.shape))
    x = torch.tensor(2.5 * np.float32(hashed(f"{name} x", rows * numbers)).astype(np.float64)).reshape(rows, numbers)
    codes = torch.stack([torch.arange(rows) * 5 % n for n in cards], 1)
    out = model(x, codes)
    if task == "single":
        y = torch.arange(rows) % outputs
        loss = torch.nn.functional.cross_entropy(out.flatten(0, 1), y.repeat_interleave(members))
    else:
        y = torch.tensor(np.asarray(hashed(f"{name} y", rows * outputs))).reshape(rows, outputs)
        loss = torch.nn.functional.mse_loss(out.flatten(0, 1), y.repeat_interleave(members, 0))
    loss.backward()
    return {
        "name": name, "task": task, "cards": cards, "hidden": hidden, "members": members, "rows": rows, "outputs": outputs,
        "out": out.flatten().tolist(), "loss": float(loss.detach()), "targets": y.flatten().tolist(),
        "gradientNorms": {key: float((p.grad**2).sum()) ** 0.5 for key, p in model.named_parameters()},
    }  # fmt: skip


def quantiles():
    x = np.asarray(hashed("quantiles", 60)) ** 3
    fitted = QuantileTransformer(n_quantiles=10, output_distribution="normal").fit(x[:, None])
    at = np.concatenate([x[:20], [x.min(), x.max(), -9, 9, 0, 0.01]])
    return {"values": x.tolist(), "quantiles": fitted.quantiles_[:, 0].tolist(), "at": at.tolist(), "normal": fitted.transform(at[:, None])[:, 0].tolist()}


values = {"edges": edges, "nets": [net("classes", "single"), net("values", "regression")], "quantiles": quantiles()}
(here / "tabm.json").write_text(json.dumps(values) + "\n")
