"""Writes quantize.json: what onnxruntime's quantization tool and its operators make of ranges, values, weights and biases.

  python make_quantize.py

Needs numpy, onnx, onnxruntime.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper
from onnxruntime.quantization.quant_utils import compute_scale_zp

RANGES = [[0, 6], [-1, 3], [-2.1179, 2.64], [0.5, 4], [-3, -1], [-0.001, 1e-4], [0, 1], [-128, 127], [-1e4, 1e-3]]


def quantize(values, scale, zero):
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
    back = helper.make_node("DequantizeLinear", ["y", "s", "z"], ["f"])
    graph = helper.make_graph(
        [node, back],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [None]),
            helper.make_tensor_value_info("s", TensorProto.FLOAT, []),
            helper.make_tensor_value_info("z", TensorProto.UINT8, []),
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.UINT8, [None]),
            helper.make_tensor_value_info("f", TensorProto.FLOAT, [None]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": values, "s": np.array(scale, np.float32), "z": np.array(zero, np.uint8)})


ranges = []
for low, high in RANGES:
    zero, scale = compute_scale_zp(np.float32(low), np.float32(high), np.uint8(0), np.uint8(255), symmetric=False)
    values = np.linspace(1.2 * low - 0.1, 1.2 * high + 0.1, 41, dtype=np.float32)
    integers, floats = quantize(values, scale, zero)
    ranges.append(
        {
            "low": low,
            "high": high,
            "scale": float(scale),
            "zero": int(zero),
            "values": [float(v) for v in values],
            "integers": [int(v) for v in integers],
            "floats": [float(v) for v in floats],
        }
    )
Path(__file__).with_name("quantize.json").write_text(json.dumps({"ranges": ranges}, indent=1) + "\n")
