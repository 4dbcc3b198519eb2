"""Writes schedules.json: the rates, momenta and suggestions of real fastai 2.8 runs, and fastai 0.7's cosine annealing.

  python make_schedules.py

fastai 0.7 does not install any more: `CosAnneal` repeats the arithmetic of its `sgdr.py` (Apache-2.0). Needs fastai,
scikit-learn.
"""

import json
import math
from pathlib import Path

import fastai
import numpy as np
import torch
from fastai.basics import *
from fastai.callback.schedule import *
from fastai.test_utils import synth_learner
from sklearn.datasets import load_digits

METHODS = (steep, valley, minimum, slide)


def digits(values, n=9):
    return [float(f"{float(v):.{n}g}") for v in values]


def scheduled(fit):
    """The rate and momentum of each batch, as fastai recorded them."""
    learn = synth_learner(n_trn=10, cuda=False)
    with learn.no_bar(), learn.no_logging():
        fit(learn)
    return {key: digits(values) for key, values in learn.recorder.hps.items()}


def cos_anneal(nb, cycle_mult, steps):
    """Rate / initial rate at each step; fastai 0.7, old/fastai/sgdr.py, class CosAnneal, calc_lr."""
    out, cycle_iter = [], 0
    for iteration in range(steps):
        if iteration < nb / 20:
            cycle_iter += 1
            out.append(1 / 100)
            continue
        cos_out = np.cos(np.pi * cycle_iter / nb) + 1
        cycle_iter += 1
        if cycle_iter == nb:
            cycle_iter = 0
            nb *= cycle_mult
        out.append(cos_out / 2)
    return digits(out, 12)


def sum_geom(a, r, n):
    return a * n if r == 1 else math.ceil(a * (1 - r**n) / (1 - r))


def suggestions(lrs, losses, num_it):
    """As Learner.lr_find does with its record."""
    lrs, losses = tensor(lrs[num_it // 10 : -5]), tensor(losses[num_it // 10 : -5])
    nans = torch.nonzero(torch.isnan(losses.view(-1)))
    if len(nans) > 0:
        lrs, losses = lrs[: min(nans)], losses[: min(nans)]
    return {f.__name__: f(lrs, losses, num_it)[0] for f in METHODS}


def written():
    """The curve of the notes: a sigmoid fall at 1e-3, then a rise."""
    lrs = [1e-7 * 1e8 ** (i / 99) for i in range(100)]
    x = [math.log10(lr) for lr in lrs]
    losses = [1 - 0.8 / (1 + math.exp(-3 * (v + 3))) + 0.02 * math.exp(4 * (v + 0.2)) for v in x]
    return lrs, losses


def trained(seed, hidden, bs, num_it=100, noise=0.0):
    """Real lr_find: a small net on scikit-learn's digits, with some labels at random."""
    set_seed(seed)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)
    wrong = torch.rand(len(y)) < noise
    y = torch.where(wrong, torch.randint(0, 10, (len(y),)), y)
    dls = DataLoaders.from_dsets(list(zip(x, y)), list(zip(x, y))[:64], bs=bs, device="cpu", num_workers=0)
    net = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.BatchNorm1d(hidden), nn.Linear(hidden, 10))
    learn = Learner(dls, net, loss_func=nn.CrossEntropyLoss(), opt_func=SGD)
    with learn.no_bar(), learn.no_logging():
        found = learn.lr_find(num_it=num_it, show_plot=False, suggest_funcs=METHODS)
    lrs, losses = digits(learn.recorder.lrs), digits(learn.recorder.losses)
    assert {m.__name__: getattr(found, m.__name__) for m in METHODS} == suggestions(lrs, losses, num_it)
    return lrs, losses


def curve(name, lrs, losses, num_it=100):
    return {
        "name": name,
        "planned": num_it,
        "lrs": digits(lrs),
        "losses": [None if math.isnan(v) else v for v in digits(losses)],
        "suggestions": {k: digits([v])[0] for k, v in suggestions(digits(lrs), digits(losses), num_it).items()},
    }


def main():
    lrs, losses = written()
    curves = [curve("written", lrs, losses), curve("nan at 80", lrs, losses[:80] + [math.nan] * 20)]
    for name, seed, hidden, bs, num_it, noise in [
        ("digits", 0, 64, 64, 100, 0.0),
        ("digits, 200 steps", 1, 64, 32, 200, 0.0),
        ("digits, batches of 4", 2, 32, 4, 100, 0.3),
        ("digits, batches of 4, half the labels wrong", 3, 16, 4, 100, 0.5),
        ("digits, batches of 2, most labels wrong", 5, 16, 2, 100, 0.8),
    ]:
        curves.append(curve(name, *trained(seed, hidden, bs, num_it, noise), num_it))
    golden = {
        "by": f"make_schedules.py, fastai {fastai.__version__}",
        "oneCycle": scheduled(lambda learn: learn.fit_one_cycle(3, 1e-2)),
        "fineTune": scheduled(lambda learn: learn.fit_one_cycle(2, 3e-3, pct_start=0.3, div=5.0, moms=(0.9, 0.8, 0.7))),
        "sgdr": {
            "1 3 2": scheduled(lambda learn: learn.fit_sgdr(3, 1, 1e-2))["lr"],
            "2 2 3": scheduled(lambda learn: learn.fit_sgdr(2, 2, 1e-2, cycle_mult=3))["lr"],
        },
        "cosAnneal": {
            f"{nb} {mult} {cycles}": cos_anneal(nb, mult, nb * sum_geom(1, mult, cycles))
            for nb, mult, cycles in [(40, 2, 3), (25, 1, 3), (7, 3, 3)]
        },
        "sumGeom": [[n, cl, m, sum_geom(cl, m, n)] for n in (1, 2, 3, 4) for cl in (1, 2, 4) for m in (1, 1.5, 2, 3)],
        "curves": curves,
    }
    text = ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in golden.items() if k != "curves")
    rows = ",\n".join("  " + json.dumps(c) for c in curves)
    (Path(__file__).parent / "schedules.json").write_text(f'{{\n{text},\n "curves": [\n{rows}\n ]\n}}\n')


if __name__ == "__main__":
    main()
