"""Times predictions of fastai and onnxruntime. It answers each line of JSON on stdin with a line of JSON.

python predict.py FOLDER ARCH SIZE      FOLDER: class folders
{"do": "one", "file": "…", "n": 50} -> {"ms": [...]}      learn.predict on a picture file, after the same number of warm-up calls
{"do": "folder", "files": [...]} -> {"ms": [...]}         test_dl and get_preds, as in the documentation of fastai
{"do": "onnx", "files": [...]} -> {"ms": [...]}           decoding on all cores, batches of 32; {"missing": "why"} if it is not installed
Needs: pip install fastai timm; for the last one onnx onnxruntime.
"""
import json, os, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from fastai_learner import *

folder, arch, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
learn = make(folder, arch, size)
cores = len(os.sched_getaffinity(0))
session = None

def one(q):
    ms = []
    with learn.no_bar():
        for _ in range(2 * q["n"]):
            t = time.perf_counter()
            learn.predict(q["file"])
            ms.append(1000 * (time.perf_counter() - t))
    return {"ms": ms[q["n"]:]}

def many(q):
    t = time.perf_counter()
    with learn.no_bar(): learn.get_preds(dl=learn.dls.test_dl([Path(f) for f in q["files"]]))
    return {"ms": [1000 * (time.perf_counter() - t)]}

def loaded():
    global session
    if session: return session
    import onnxruntime
    path = os.path.join(tempfile.mkdtemp(), "net.onnx")
    torch.onnx.export(learn.model.eval(), torch.zeros(32, 3, size, size), path, input_names=["x"], dynamic_axes={"x": {0: "n"}}, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session

mean, std = [np.array(v, dtype=np.float32) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
def decoded(file):
    im = Image.open(file)
    im.draft("RGB", (size, size))
    im = im.convert("RGB")
    k = size / min(im.size)
    im = im.resize((max(size, round(im.width * k)), max(size, round(im.height * k))), Image.BILINEAR)
    left, top = (im.width - size) // 2, (im.height - size) // 2
    return ((np.asarray(im.crop((left, top, left + size, top + size)), dtype=np.float32) / 255 - mean) / std).transpose(2, 0, 1)

def onnx(q):
    try: net = loaded()
    except Exception as e: return {"missing": f"{type(e).__name__}: {e}".splitlines()[0]}
    t = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        pictures = pool.map(decoded, q["files"])
        for i in range(0, len(q["files"]), 32):
            batch = [p for _, p in zip(range(min(32, len(q["files"]) - i)), pictures)]
            net.run(None, {"x": np.stack(batch)})
    return {"ms": [1000 * (time.perf_counter() - t)]}

say = lambda answer: print(json.dumps(answer), flush=True)
say(versions() | {"arch": arch, "size": size})
for line in sys.stdin:
    q = json.loads(line)
    say({"one": one, "folder": many, "onnx": onnx}[q["do"]](q))
