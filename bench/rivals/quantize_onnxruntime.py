"""onnxruntime's static quantisation of a net, with the same calibration pictures: one line of JSON for each way.

  python quantize_onnxruntime.py FOLDER

FOLDER holds net.onnx (input `pixels`, output `probabilities`), train.f32 and valid.f32 (float32 pixels), and about.json:
{"train": shape, "valid": shape, "labels": [class numbers]}. Needs numpy, onnx, onnxruntime.
"""

import json
import logging
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

logging.disable(logging.WARNING)
ort.set_default_logger_severity(3)
folder = Path(sys.argv[1])
about = json.loads((folder / "about.json").read_text())
train = np.fromfile(folder / "train.f32", np.float32).reshape(about["train"])
valid = np.fromfile(folder / "valid.f32", np.float32).reshape(about["valid"])
labels = np.array(about["labels"])


class Reader(CalibrationDataReader):
    def __init__(self):
        self.each = iter(train)

    def get_next(self):
        picture = next(self.each, None)
        return None if picture is None else {"pixels": picture[None]}


def measure(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options)
    parts = [session.run(["probabilities"], {"pixels": valid[i : i + 8]})[0] for i in range(0, len(valid), 8)]
    p = np.concatenate(parts)
    loss = -np.log(np.maximum(p[np.arange(len(labels)), labels], 1e-7))
    return p.argmax(1), {"accuracy": float((p.argmax(1) == labels).mean()), "loss": float(loss.mean())}


given, _ = measure(str(folder / "net.onnx"))
clean, made = str(folder / "clean.onnx"), str(folder / "rival.onnx")
quant_pre_process(str(folder / "net.onnx"), clean, skip_symbolic_shape=True)
for bits in (8, 7):
    quantize_static(
        clean,
        made,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=bits == 7,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )
    found, numbers = measure(made)
    line = {"way": f"MinMax, {bits} bits", "bytes": os.path.getsize(made), "same": float((found == given).mean())}
    print(json.dumps(line | numbers), flush=True)
