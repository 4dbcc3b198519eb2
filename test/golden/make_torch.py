"""Writes torch.json: optimizers, losses and layers of PyTorch, with their inputs.

  python make_torch.py
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)


def digits(t, n=8):
    return [float(f"{v:.{n}g}") for v in t.detach().double().flatten().tolist()]


def given(*shape):
    """Random input with few digits, so that the file holds it exactly enough and stays small."""
    return (torch.randn(*shape) * 1000).round() / 1000


def optimizers():
    """Ten steps of two groups; `late`, in the first, has a gradient only from the fourth step on."""
    start = {"first": given(3, 2), "late": given(2), "second": given(4)}
    kinds = {
        "sgd": (torch.optim.SGD, {"lr": 0.1}, {"lr": 0.03, "weight_decay": 0.2}),
        "momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}, {"lr": 0.03, "momentum": 0.5, "weight_decay": 0.2}),
        "nesterov": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}, {"lr": 0.03, "weight_decay": 0.2}),
        "adam": (torch.optim.Adam, {"lr": 0.1}, {"lr": 0.03, "weight_decay": 0.2}),
        "adamw": (torch.optim.AdamW, {"lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-5}, {"lr": 0.03, "weight_decay": 0.2}),
    }
    out = {"start": {k: {"shape": list(v.shape), "values": digits(v)} for k, v in start.items()}, "runs": {}}
    for name, (make, options, second) in kinds.items():
        p = {k: nn.Parameter(v.clone()) for k, v in start.items()}
        opt = make([{"params": [p["first"], p["late"]]}, {"params": [p["second"]], **second}], **options)
        steps = []
        for step in range(1, 11):
            opt.zero_grad()
            loss = sum((v.sin() * (i + 1)).sum() for i, (k, v) in enumerate(p.items()) if k != "late" or step >= 4)
            loss.backward()
            opt.step()
            steps.append([x for v in p.values() for x in digits(v)])
        out["runs"][name] = steps
    return out


def losses():
    logits, target = given(6, 5), torch.tensor([0, 4, 2, 2, 1, 3])
    weight, probabilities = given(5).abs() + 0.1, given(6, 5).softmax(1)
    binary, pos = (given(6, 5) > 0).float(), given(5).abs() + 0.5
    cases = {
        "crossEntropy": lambda x: F.cross_entropy(x, target),
        "smoothed": lambda x: F.cross_entropy(x, target, label_smoothing=0.1),
        "weighted": lambda x: F.cross_entropy(x, target, weight=weight),
        "both": lambda x: F.cross_entropy(x, target, weight=weight, label_smoothing=0.1),
        "soft": lambda x: F.cross_entropy(x, probabilities, weight=weight, label_smoothing=0.1),
        "sum": lambda x: F.cross_entropy(x, target, weight=weight, reduction="sum"),
        "bce": lambda x: F.binary_cross_entropy_with_logits(x, binary),
        "bcePositive": lambda x: F.binary_cross_entropy_with_logits(x, binary, pos_weight=pos),
        "bceWeighted": lambda x: F.binary_cross_entropy_with_logits(x, binary, weight=weight, reduction="sum"),
        "mse": lambda x: F.mse_loss(x, probabilities),
        "mseSum": lambda x: F.mse_loss(x, probabilities, reduction="sum"),
    }
    out = {}
    for name, loss in cases.items():
        x = logits.clone().requires_grad_()
        value = loss(x)
        value.backward()
        out[name] = {"value": value.item(), "gradient": digits(x.grad)}
    inputs = {"logits": logits, "target": target, "weight": weight, "probabilities": probabilities, "binary": binary, "pos": pos}
    return {"inputs": {k: {"shape": list(v.shape), "values": digits(v)} for k, v in inputs.items()}, "cases": out}


def layer(module, x, modes=("train",)):
    """The state, and for each mode (in order, on the same module) the output and the gradients of sum(sin(output))."""
    with torch.no_grad():
        for k, v in module.state_dict().items():
            if v.is_floating_point():
                v.copy_(given(*v.shape).abs() + 0.1 if "var" in k else given(*v.shape))
    state = {k: {"shape": list(v.shape), "values": digits(v)} for k, v in module.state_dict().items()}
    runs = []
    for mode in modes:
        module.train(mode == "train")
        module.zero_grad()
        inp = x.clone().requires_grad_()
        y = module(inp)
        y.sin().sum().backward()
        runs.append({
            "mode": mode, "shape": list(y.shape), "output": digits(y), "gradient": digits(inp.grad),
            "gradients": {k: digits(p.grad) for k, p in module.named_parameters()},
            "buffers": {k: digits(b) for k, b in module.named_buffers()},
        })
    return {"x": {"shape": list(x.shape), "values": digits(x)}, "state": state, "runs": runs}


def layers():
    return {
        "conv": layer(nn.Conv2d(3, 4, 3, stride=2, padding=1), given(2, 3, 5, 6)),
        "grouped": layer(nn.Conv2d(4, 6, 3, padding=2, dilation=2, groups=2, bias=False), given(2, 4, 5, 5)),
        "linear": layer(nn.Linear(5, 3), given(4, 5)),
        "linearNoBias": layer(nn.Linear(5, 3, bias=False), given(2, 2, 5)),
        "norm2d": layer(nn.BatchNorm2d(3), given(4, 3, 2, 3) * 2 + 1, ("train", "train", "eval")),
        "norm1d": layer(nn.BatchNorm1d(4, eps=1e-3, momentum=0.3), given(6, 4), ("train", "eval")),
        "dropout": layer(nn.Dropout(0.5), given(3, 4), ("eval",)),
    }


result = {"made with": f"torch {torch.__version__.split('+')[0]}", "optimizers": optimizers(), "losses": losses(), "layers": layers()}
Path(__file__).with_name("torch.json").write_text(json.dumps(result) + "\n")
