"""Makes test/golden/weights/: weight files as torch and safetensors write them, what they hold, and files that attack.

    python test/golden/make_weights.py        # torch 2.x, safetensors, numpy

expected.json: file -> tensor -> dtype, shape and the contiguous little-endian bytes as hex.
evil_*.pth run `touch anneal-was-here` (or worse) where a reader executes them.
"""

import io
import json
import os
import pathlib
import pickle
import zipfile
from collections import OrderedDict

import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent / "weights"
here.mkdir(exist_ok=True)
torch.manual_seed(0)
expected = {}


def expect(name, tensors):
    expected[name] = {
        key: {
            "dtype": str(t.dtype).removeprefix("torch."),
            "shape": list(t.shape),
            "hex": t.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes().hex()
            if t.numel()
            else "",
        }
        for key, t in tensors.items()
    }


def dtypes():
    x = torch.randn(3, 5) * 50
    names = "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()
    made = {name: x.clamp(0, 100).to(getattr(torch, name)) for name in names}
    made["int64"][0, 0] = -(2**62) - 3
    made["float32"][0, :3] = torch.tensor([float("nan"), float("inf"), -0.0])
    return made


def views():
    base = torch.arange(24, dtype=torch.float32)
    grid = base.view(4, 6)
    image = torch.randn(2, 3, 4, 5)
    return {
        "base": base,
        "grid": grid,  # shares base
        "transposed": grid.t(),
        "offset": base[7:13],
        "window": grid[1:3, 2:5],
        "every_other": grid[::2, ::3],
        "channels_last": image.contiguous(memory_format=torch.channels_last),
        "permuted": image.permute(3, 1, 0, 2),
        "expanded": torch.tensor([1.5, 2.5]).unsqueeze(1).expand(2, 3),
        "scalar": torch.tensor(7, dtype=torch.int64),
        "empty": torch.zeros(0, 3),
        "ones": torch.ones(1, 4, 1).transpose(0, 2),
    }


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 3, 3)
        self.bn = torch.nn.BatchNorm2d(3)
        self.fc = torch.nn.Linear(3, 2)


def both(name, value, tensors, **options):
    for form, zipped in (("zip", True), ("legacy", False)):
        file = f"{form}_{name}.pth"
        torch.save(value, here / file, _use_new_zipfile_serialization=zipped, **options)
        expect(file, tensors)


net = Net()
plain = dict(net.state_dict())
made = dtypes()
both("dtypes", made, made)
made = views()
both("views", made, made)
both("state_dict", net.state_dict(), plain)  # an OrderedDict with _metadata, so BUILD
both("protocol4", net.state_dict(), plain, pickle_protocol=4)
parameters = OrderedDict(net.named_parameters())
both("parameters", parameters, parameters)

optimizer = torch.optim.Adam(net.parameters())
net.fc(torch.randn(4, 3)).sum().backward()
optimizer.step()
plain = {key: t.clone() for key, t in net.state_dict().items()}
checkpoint = {
    "epoch": 3,
    "best": 0.875,
    "seed": 2**80,
    "arch": "net",
    "history": [(1, 0.5), (2, 0.75)],
    "size": torch.Size([3, 224, 224]),
    "nothing": None,
    "optimizer": optimizer.state_dict(),
}
both("checkpoint", {**checkpoint, "state_dict": net.state_dict()}, plain)
both("model", {"opt": optimizer.state_dict(), "model": net.state_dict()}, plain)
both("model_state_dict", {"model_state_dict": net.state_dict()}, plain)
both("parallel", {f"module.{k}": v for k, v in net.state_dict().items()}, plain)
both("skipped", {"name": "net", "weight": torch.ones(2), "sizes": torch.Size([1, 2])}, {"weight": torch.ones(2)})

packed = io.BytesIO()
with zipfile.ZipFile(here / "zip_state_dict.pth") as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
    for entry in source.infolist():
        z.writestr(zipfile.ZipInfo(entry.filename), source.read(entry), zipfile.ZIP_DEFLATED)
(here / "zip_deflated.pth").write_bytes(packed.getvalue())
expected["zip_deflated.pth"] = expected["zip_state_dict.pth"]

made = dtypes()
save_file(made, here / "dtypes.safetensors", metadata={"format": "pt", "note": 'quote " and ü'})
expect("dtypes.safetensors", made)

# Attacks. None is run here.


class Calls:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class Builds:
    """An object whose class has __setstate__, reached by BUILD."""

    def __reduce__(self):
        return OrderedDict, (), Calls(os.system, "touch anneal-was-here")


attacks = {
    "system": Calls(os.system, "touch anneal-was-here"),
    "nested": {"state_dict": {"weight": torch.ones(2), "deep": [({"x": (1, [Calls(os.system, "touch anneal-was-here")])},)]}},
    "eval": OrderedDict(weight=Calls(eval, "open('anneal-was-here', 'w')")),
    "build": Builds(),
    "getattr": Calls(getattr, Calls(__import__, "os"), "system"),
    "module": net,
}
for name, attack in attacks.items():
    for protocol in (2, 4):
        torch.save(attack, here / f"evil_{name}_{protocol}.pth", pickle_protocol=protocol)
torch.save(attacks["system"], here / "evil_system_legacy.pth", _use_new_zipfile_serialization=False)
(here / "evil_bare.pth").write_bytes(pickle.dumps(attacks["system"], protocol=0))

(here / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
