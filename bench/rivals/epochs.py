"""Time of fastai's epochs, and its memory. It answers each line of JSON on stdin with a line of JSON.

python epochs.py FOLDER ARCH SIZE BATCH    FOLDER: class folders
{"do": "frozen"} -> {"ms": [...]}       one epoch of the head with a frozen body, with validation
{"do": "recipe", "frozen": 2, "epochs": 5} -> {"peakBytes": n}   lr_find, epochs of the head and of the whole net; peak memory
{"do": "peak"} -> {"peakBytes": n}
Needs: pip install fastai timm.
"""
import json, resource, sys, time
from fastai_learner import *

learn = make(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

def workers():
    """Peak memory of one process of the loader. They are children; fastai chooses how many there are."""
    return max(1, getattr(learn.dls.train, "fake_l", learn.dls.train).num_workers)

def peak(q=None):
    own, child = [1024 * resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"peakBytes": own, "largestWorkerBytes": child, "workers": workers()}

def frozen(q):
    learn.freeze()
    t = time.perf_counter()
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(1, 1e-3)
    return {"ms": [1000 * (time.perf_counter() - t)]}

def recipe(q):
    with learn.no_bar(), learn.no_logging():
        learn.freeze()
        lr = float(learn.lr_find(show_plot=False).valley)
        learn.fit_one_cycle(q["frozen"], slice(lr), pct_start=0.99)
        learn.unfreeze()
        learn.fit_one_cycle(q["epochs"], slice(lr / 200, lr / 2), pct_start=0.3, div=5.0)
    return peak()

say = lambda answer: print(json.dumps(answer), flush=True)
say(versions() | {"arch": sys.argv[2], "size": int(sys.argv[3]), "train": len(learn.dls.train_ds), "valid": len(learn.dls.valid_ds)})
for line in sys.stdin:
    q = json.loads(line)
    say({"frozen": frozen, "recipe": recipe, "peak": peak}[q["do"]](q))
