"""Writes explain.json: what comes after training, by the reference libraries: test-time augmentation (fastai), weighted
means and BatchNorm's statistics (torch.optim.swa_utils), Grad-CAM (torch.autograd), focal losses (fastai, torchvision),
class weights (scikit-learn; Cui et al.'s formula), rankings (fastai 0.7's arithmetic).

  python make_explain.py
"""

import json
from pathlib import Path
from types import SimpleNamespace

import fastai
import numpy as np
import sklearn
import torch
import torch.nn.functional as F
import torchvision
from fastai.losses import FocalLoss
from fastai.vision.all import Learner
from formula import formula_picture, formula_values, hashed
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn
from torchvision.ops import sigmoid_focal_loss


def digits(t, n=8):
    return [float(f"{v:.{n}g}") for v in t.detach().double().flatten().tolist()]


def values(name, *shape, scale=1.0):
    return torch.from_numpy((scale * hashed(name, int(np.prod(shape)))).astype(np.float32).reshape(shape))


def fill(net):
    """Weights by formula."""
    with torch.no_grad():
        for name, t in net.state_dict().items():
            t.copy_(torch.from_numpy(formula_values(name, tuple(t.shape))))
    return net


class Stub:
    """Enough of a fastai Learner for its `tta`: the augmented outputs one after another, then the plain ones."""

    def __init__(self, outputs):
        self.outputs = iter(outputs)

    def __call__(self, event):
        pass

    def no_mbar(self):
        return torch.no_grad()

    def get_preds(self, dl, inner):
        return next(self.outputs), None


def tta():
    plain = values("tta plain", 5, 3, scale=4).softmax(1)
    views = [values(f"tta view {v}", 5, 3, scale=4).softmax(1) for v in range(3)]
    loader = SimpleNamespace(dataset=SimpleNamespace(set_split_idx=lambda i: torch.no_grad()))
    run = lambda **options: Learner.tta(Stub([*views, plain]), dl=loader, n=3, **options)[0]
    return {
        "plain": digits(plain),
        "views": [digits(v) for v in views],
        "quarter": digits(run()),
        "half": digits(run(beta=0.5)),
        "max": digits(run(use_max=True)),
    }


def small(classes=4):
    """Two blocks with BatchNorm, as test/train.make.ts's `block`, and a linear layer on the mean."""
    block = lambda cin, cout: nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU())

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.early, self.late, self.head = block(3, 6), block(6, 8), nn.Linear(8, classes)

        def forward(self, x):
            return self.head(self.late(self.early(x)).mean((2, 3)))

    return fill(Small())


def batch_norm():
    net, x = small(), torch.from_numpy(formula_picture((10, 3, 8, 8)))
    update_bn([x[:4], x[4:8], x[8:]], net)
    state = net.state_dict()
    return {name: digits(state[name]) for name in state if "running" in name or "batches" in name}


def mean_of_weights():
    net = small()
    average = AveragedModel(net, use_buffers=True)
    for step in range(3):
        with torch.no_grad():
            for name, t in net.state_dict().items():
                if t.is_floating_point():
                    t.copy_(torch.from_numpy(formula_values(f"step {step} {name}", tuple(t.shape))))
        average.update_parameters(net)
    return {n: digits(t) for n, t in average.module.state_dict().items() if n in ("head.weight", "early.1.running_var")}


def grad_cam():
    """conv, ReLU, conv, ReLU; maximum and mean of each map; linear. The last feature map, and one below it."""
    names = {"0": (8, 3), "2": (12, 8)}
    p = {f"{k}.{w}": torch.from_numpy(formula_values(f"{k}.{w}", (o, i, 3, 3) if w == "weight" else (o,)))
         for k, (o, i) in names.items() for w in ("weight", "bias")}
    w, b = torch.from_numpy(formula_values("head.weight", (5, 24))), torch.from_numpy(formula_values("head.bias", (5,)))
    x, classes = torch.from_numpy(formula_picture((3, 3, 24, 32))), torch.tensor([0, 3, 1])
    low = F.conv2d(x, p["0.weight"], p["0.bias"], stride=2, padding=1).relu().requires_grad_()
    high = F.conv2d(low, p["2.weight"], p["2.bias"], stride=2, padding=1).relu()
    logits = torch.cat([high.amax((2, 3)), high.mean((2, 3))], 1) @ w.T + b
    score = logits.gather(1, classes[:, None]).sum()
    out = {"classes": classes.tolist(), "logits": digits(logits)}
    for name, a in {"high": high, "low": low}.items():
        (g,) = torch.autograd.grad(score, [a], retain_graph=True)
        cam = (g.mean((2, 3), keepdim=True) * a).sum(1).relu()
        out[name] = digits(cam / cam.amax((1, 2), keepdim=True), 7)
        out[f"{name}Size"] = list(cam.shape[1:])
    resized = F.interpolate((cam / cam.amax((1, 2), keepdim=True))[:, None], (24, 32), mode="bilinear")
    out["resized"] = digits(resized[0], 6)
    return out


def focal():
    x, y = values("focal", 6, 5, scale=6), torch.tensor([0, 4, 2, 2, 1, 3])
    hot = (values("focal labels", 6, 5) > 0.2).float()
    out = {"labels": [int(v) for v in hot.flatten()]}
    cases = {
        "single": lambda x: FocalLoss()(x, y),
        "gamma": lambda x: FocalLoss(gamma=0.5, reduction="sum")(x, y),
        "multi": lambda x: sigmoid_focal_loss(x, hot, reduction="mean"),
        "even": lambda x: sigmoid_focal_loss(x, hot, alpha=-1, gamma=1, reduction="sum"),
    }
    for name, loss in cases.items():
        leaf = x.clone().requires_grad_()
        value = loss(leaf)
        value.backward()
        out[name] = {"loss": digits(value)[0], "grad": digits(leaf.grad, 7)}
    return out


def weights():
    counts = [120, 7, 1, 60]
    y = np.repeat(np.arange(4), counts)
    effective = (1 - 0.99) / (1 - np.power(0.99, counts))  # Cui et al. 2019, their code
    return {
        "counts": counts,
        "balanced": [float(v) for v in compute_class_weight("balanced", classes=np.arange(4), y=y)],
        "effective": [float(v) for v in effective / effective.sum() * 4],
    }


def ranking():
    """fastai 0.7's ImageModelResults, its lines repeated: the four most of each kind in class 1."""
    probs = values("ranking", 40, 3, scale=3).softmax(1).numpy()
    y_true = (np.asarray(hashed("ranking classes", 40)) > 0).astype(int) + np.arange(40) % 2
    preds, y = probs.argmax(1), 1

    def most_by_mask(mask, mult):
        idxs = np.where(mask)[0]
        return idxs[np.argsort(mult * probs[idxs, y], kind="stable")[:4]].tolist()

    idxs = np.where(y_true == y)[0]
    uncertain = idxs[np.argsort(np.abs(probs[idxs, y] - 1 / 3), kind="stable")[:4]].tolist()
    return {
        "classes": y_true.tolist(),
        "correct": most_by_mask((preds == y_true) & (y_true == y), -1),
        "incorrect": most_by_mask((preds != y_true) & (y_true == y), 1),
        "uncertain": uncertain,
    }


def main():
    by = f"fastai {fastai.__version__}, torch {torch.__version__.split('+')[0]}"
    by += f", torchvision {torchvision.__version__.split('+')[0]}, scikit-learn {sklearn.__version__}"
    parts = {
        "tta": tta(),
        "batchNorm": batch_norm(),
        "weightMean": mean_of_weights(),
        "gradCam": grad_cam(),
        "focal": focal(),
        "weights": weights(),
        "ranking": ranking(),
    }
    rows = ",\n".join(f' "{name}": {json.dumps(part)}' for name, part in parts.items())
    text = f'{{\n "by": "make_explain.py, {by}",\n{rows}\n}}\n'
    (Path(__file__).parent / "explain.json").write_text(text)


if __name__ == "__main__":
    main()
