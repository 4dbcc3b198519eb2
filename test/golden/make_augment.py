"""Writes augment.json: what fastai 2.8 and torchvision make of pictures where the random numbers are given.

  python make_augment.py

Needs fastai, torchvision, scipy.
"""

import json
import random
from pathlib import Path
from unittest import mock

import fastai
import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from fastai.callback.mixup import CutMix
from fastai.vision import augment as fa
from fastai.vision.all import TensorImage
from scipy import stats


def digits(values, n=9):
    return [float(f"{float(v):.{n}g}") for v in torch.as_tensor(values, dtype=torch.float64).flatten()]


def warp(x, y):
    """The matrix of fastai's Warp, from normalised coordinates of the output to those of the input."""
    coord = fa._WarpCoord(draw_x=x, draw_y=y, p=1.0)
    coord.before_call(torch.zeros(1, 3, 8, 8, dtype=torch.float64))
    coeffs = fa.find_coeffs(coord.orig_pts, coord.targ_pts)
    return {"x": x, "y": y, "matrix": digits([*coeffs.flatten(), 1.0])}


def picture(height, width):
    """A picture of whole values: (7·i mod 251) at element i of [height, width, 3]."""
    return torch.tensor([7 * i % 251 for i in range(height * width * 3)], dtype=torch.float64).reshape(height, width, 3)


def warped(x, y, size, mode):
    """A picture seen through the warp, by F.grid_sample without fastai's own align_corners."""
    source = picture(size, size).permute(2, 0, 1)[None]
    at = (2 * torch.arange(size, dtype=torch.float64) + 1) / size - 1
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1)[None]
    matrix = torch.tensor(warp(x, y)["matrix"], dtype=torch.float64).reshape(3, 3)
    seen = torch.cat([grid, torch.ones_like(grid[..., :1])], -1) @ matrix.T
    out = F.grid_sample(source, seen[..., :2] / seen[..., 2:], padding_mode=mode, align_corners=False)
    return {"x": x, "y": y, "size": size, "pad": mode, "pixels": digits(out, 7)}


def lit(change, factor):
    """fastai's Brightness and Contrast in their usual order, with given draws."""
    x = TensorImage(picture(4, 5).permute(2, 0, 1)[None].float() / 255)
    tfms = fa.setup_aug_tfms([fa.Brightness(draw=change, p=1.0), fa.Contrast(draw=factor, p=1.0)])
    for tfm in tfms:
        x = tfm(x, split_idx=0)
    return {"brightness": change, "contrast": factor, "pixels": digits(x, 7)}


def window(height, width, tries, ratio=(3 / 4, 4 / 3)):
    """The size that fastai's RandomResizedCropGPU settles on, where areas and ratios are drawn as given."""
    crop = fa.RandomResizedCropGPU(8, ratio=ratio)
    drawn = iter([v for area, r in tries for v in (area, np.log(r))])
    with mock.patch.object(random, "uniform", lambda *_: next(drawn)):
        crop.before_call(torch.zeros(1, 3, height, width), 0)
    return {"height": height, "width": width, "tries": tries, "size": [int(v) for v in crop.cp_size]}


def erased(height, width, area, aspect):
    """The box of fastai's RandomErasing, at the first and the last place that it can have."""
    erasing = fa.RandomErasing()
    places = []
    for pick in (0, 1):
        drawn = iter([area, np.log(aspect)])
        with (
            mock.patch.object(random, "uniform", lambda *_: next(drawn)),
            mock.patch.object(random, "randint", lambda low, high: (low, high)[pick]),
        ):
            places.append([int(v) for v in erasing._bounds(height * width, height, width)])
    return {"height": height, "width": width, "area": area, "aspect": aspect, "places": places}


def cut(width, height, lam, cx, cy):
    """The box of fastai's CutMix about a given centre: x1, y1, x2, y2."""
    mix = CutMix()
    mix.learn = mock.Mock(x=torch.zeros(1))
    mix._default = "learn"
    drawn = iter([torch.tensor([cx]), torch.tensor([cy])])
    with mock.patch.object(torch, "randint", lambda *_: next(drawn)):
        box = mix.rand_bbox(width, height, torch.tensor([lam]))
    return {"width": width, "height": height, "lambda": lam, "centre": [cx, cy], "box": [int(v) for v in box]}


def saturated(factor):
    x = picture(4, 5).permute(2, 0, 1)[None].float() / 255
    return {"factor": factor, "pixels": digits(TF.adjust_saturation(x, factor), 7)}


grid = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]
out = {
    "by": f"make_augment.py, fastai {fastai.__version__}, torch {torch.__version__}",
    "warp": [warp(0.2, 0.0), warp(0.0, -0.2), warp(0.13, 0.2), warp(-0.2, 0.07)],
    "warped": [warped(0.2, -0.11, 8, mode) for mode in ("reflection", "border", "zeros")],
    "lit": [lit(0.6, 1.25), lit(0.4, 0.8), lit(0.5, 1.2)],
    "windows": [
        window(256, 341, [[0.4, 1.2]]),
        window(256, 341, [[0.99, 0.75], [0.9, 1.3]]),
        window(200, 400, [[1.0, 0.75]] * 10),
        window(400, 200, [[1.0, 1.3]] * 10),
        window(200, 210, [[1.0, 0.76]] * 10),
    ],
    "erased": [erased(40, 40, 0.3, 1.5), erased(40, 30, 0.1, 0.5), erased(20, 20, 0.9, 3.0)],
    "cut": [cut(40, 30, 0.3, 5, 28), cut(40, 40, 0.77, 20, 20), cut(40, 40, 0.999, 39, 0), cut(31, 31, 0.0, 3, 15)],
    "saturated": [saturated(0.0), saturated(0.6), saturated(1.4)],
    "beta": {str(a): {"at": grid, "share": digits(stats.beta(a, a).cdf(grid))} for a in (0.4, 1.0, 3.0)},
}
rows = ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in out.items())
Path(__file__).with_name("augment.json").write_text(f"{{\n{rows}\n}}\n")
