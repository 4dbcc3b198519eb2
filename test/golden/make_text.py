"""Golden values for nets of texts: BERT in 40 lines of NumPy, in float64, one text and one window at a time, so that
nothing is padded or packed. Tokens: Rust's tokenizers on a small WordPiece vocabulary (text-tokenizer.json).

    python test/golden/make_text.py                       # text.json
    python test/golden/make_text.py FOLDER                # beside it: values of a real checkpoint, for `real` in text.json
"""

import json
import math
import pathlib
import sys

import numpy as np
from formula import formula_values

here = pathlib.Path(__file__).parent


def erf(x):
    return np.vectorize(math.erf)(x)


def gelu(x, kind):
    if kind == "relu":
        return np.maximum(x, 0)
    if kind == "gelu_tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def layer_norm(x, w, name, eps):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * w[f"{name}.weight"] + w[f"{name}.bias"]


def dense(x, w, name):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def window(ids, w, c):
    """[tokens] with special tokens -> [tokens, width]."""
    n = len(ids)
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][c["first"] : c["first"] + n]
    if c["types"]:
        x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = layer_norm(x, w, "embeddings.LayerNorm", c["eps"])
    d = c["width"] // c["heads"]
    for i in range(c["layers"]):
        at = f"encoder.layer.{i}"
        q, k, v = (dense(x, w, f"{at}.attention.self.{p}").reshape(n, c["heads"], d).transpose(1, 0, 2) for p in ("query", "key", "value"))
        s = q @ k.transpose(0, 2, 1) / math.sqrt(d)
        s = np.exp(s - s.max(-1, keepdims=True))
        y = (s / s.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(n, c["width"])
        x = layer_norm(x + dense(y, w, f"{at}.attention.output.dense"), w, f"{at}.attention.output.LayerNorm", c["eps"])
        y = dense(gelu(dense(x, w, f"{at}.intermediate.dense"), c["activation"]), w, f"{at}.output.dense")
        x = layer_norm(x + y, w, f"{at}.output.LayerNorm", c["eps"])
    return x


def embed(ids, w, c):
    """A text's tokens without special ones -> its unit vector: equal windows, the mean weighted by their lengths."""
    parts = max(1, math.ceil(len(ids) / (c["window"] - 2)))
    cut = [ids[len(ids) * p // parts : len(ids) * (p + 1) // parts] for p in range(parts)]
    rows = [window([c["begin"], *part, c["end"]], w, c) for part in cut]
    if c["pooling"] == "first":
        mean = np.mean([r[0] for r in rows], 0)
    else:
        means = [r.mean(0) for r in rows]
        mean = np.average(means, axis=0, weights=[len(r) for r in rows])
    return mean / np.linalg.norm(mean)


def shapes(c):
    width, inner = c["width"], c["inner"]
    out = {
        "embeddings.word_embeddings.weight": (c["vocabulary"], width),
        "embeddings.position_embeddings.weight": (c["positions"], width),
    }
    if c["types"]:
        out["embeddings.token_type_embeddings.weight"] = (c["types"], width)
    norms = ["embeddings.LayerNorm"]
    for i in range(c["layers"]):
        at = f"encoder.layer.{i}"
        for p in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            out[f"{at}.{p}.weight"] = (width, width)
            out[f"{at}.{p}.bias"] = (width,)
        out[f"{at}.intermediate.dense.weight"] = (inner, width)
        out[f"{at}.intermediate.dense.bias"] = (inner,)
        out[f"{at}.output.dense.weight"] = (width, inner)
        out[f"{at}.output.dense.bias"] = (width,)
        norms += [f"{at}.attention.output.LayerNorm", f"{at}.output.LayerNorm"]
    for norm in norms:
        out[f"{norm}.weight"] = out[f"{norm}.bias"] = (width,)
    return out


def case(name, **changes):
    c = dict(layers=3, width=32, heads=4, inner=48, activation="gelu", eps=1e-12, vocabulary=60, positions=20, first=0, types=2, pooling="mean", begin=1, end=2, window=12)
    c.update(changes)
    w = {k: formula_values(k, s).astype(np.float64) for k, s in shapes(c).items()}
    texts = [[(7 * i + 5 * n) % 55 + 3 for i in range(length)] for n, length in enumerate([1, 4, 4, 9, 10, 11, 25, 0])]
    return dict(name=name, config=c, texts=texts, vectors=[[round(float(v), 9) for v in embed(t, w, c)[:8]] for t in texts])


def tokens():
    from tokenizers import Tokenizer

    tok = Tokenizer.from_file(str(here / "text-tokenizer.json"))
    tok.no_truncation()
    tok.no_padding()
    texts = ["The films, they WERE unbelievable!", "Café naïve – déjà vu", "日本語 text", "it's  a\tfilm\n", "", "zzzz", "film" * 30, "[CLS] film [SEP]", "a" * 120, "👍 good", "un\u0001film"]
    return [dict(text=t, ids=tok.encode(t, add_special_tokens=False).ids) for t in texts]


def real(folder):
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    w = {k: v.astype(np.float64) for k, v in load_file(f"{folder}/model.safetensors").items() if v.dtype == np.float32}
    c = dict(layers=6, width=384, heads=12, activation="gelu", eps=1e-12, first=0, types=2, pooling="mean", begin=101, end=102, window=256)
    tok = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tok.no_truncation()
    tok.no_padding()
    texts = ["This is an example sentence", "Each sentence is converted", "", "good film " * 300]
    return [dict(text=t, vector=[round(float(v), 9) for v in embed(tok.encode(t, add_special_tokens=False).ids, w, c)[:8]]) for t in texts]


cases = [
    case("bert"),
    case("roberta", first=2, types=1, positions=22, eps=1e-5),
    case("distilbert", types=0, pooling="first"),
    case("others", activation="gelu_tanh", window=8),
    case("relu", activation="relu", layers=1, heads=1),
]
path = here / "text.json"
before = json.loads(path.read_text()) if path.exists() else {}
out = dict(cases=cases, tokens=tokens(), real=real(sys.argv[1]) if len(sys.argv) > 1 else before.get("real", []))
path.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n")
