"""The rival of bench/tasks.ts, as a fastai 2.8 user runs it: fastai's defaults, float32, its loader, its transforms.

python fastai_tasks.py sizes DATA --weights FILE [--sizes 128,224] [--frozen 2,1] [--epochs 3,2]
python fastai_tasks.py labels PICTURES --table CSV --weights FILE [--sizes 224] [--frozen 2] [--epochs 5]

`sizes`: DATA holds train, validation and test, with one folder for each class. `labels`: the table has the columns file,
labels (separated by spaces) and split (train, valid). Prints one JSON line. Needs: pip install fastai timm scikit-learn.
"""
import argparse, json, time, warnings
warnings.filterwarnings("ignore")
import numpy as np, pandas as pd, timm, torch
from fastai.vision.all import *
from sklearn.metrics import average_precision_score, f1_score, fbeta_score

p = argparse.ArgumentParser()
p.add_argument("task", choices=["sizes", "labels"]); p.add_argument("data"); p.add_argument("--table")
p.add_argument("--weights", required=True); p.add_argument("--arch", default="tf_efficientnet_lite0")
p.add_argument("--sizes", default=None); p.add_argument("--bs", type=int, default=32)
p.add_argument("--frozen", default=None); p.add_argument("--epochs", default=None); p.add_argument("--seed", type=int, default=0)
a = p.parse_args()
numbers = lambda given, usual: [int(v) for v in (given or usual).split(",")]
many = a.task == "labels"
sizes = numbers(a.sizes, "224" if many else "128,224")
frozen = numbers(a.frozen, "2" if many else "2,1")
epochs = numbers(a.epochs, "5" if many else "3,2")
set_seed(a.seed, True)
path, t0 = Path(a.data), time.perf_counter()

def loaders(size):
    tfms = dict(item_tfms=Resize(int(size * 1.15)), batch_tfms=aug_transforms(size=size), bs=a.bs)
    if not many: return ImageDataLoaders.from_folder(path, train="train", valid="validation", **tfms)
    df = pd.read_csv(a.table, keep_default_na=False)
    df["valid"] = df["split"] == "valid"
    return ImageDataLoaders.from_df(df, path, fn_col="file", label_col="labels", label_delim=" ", valid_col="valid", y_block=MultiCategoryBlock, **tfms)

dls = loaders(sizes[0])
m = timm.create_model(a.arch, pretrained=False, num_classes=1000)
sd = torch.load(a.weights, map_location="cpu", weights_only=True)
own = m.state_dict()
m.load_state_dict(sd if set(sd) == set(own) else dict(zip(own, sd.values())))
stats = m.default_cfg["mean"], m.default_cfg["std"]
m.reset_classifier(0, "")
with torch.no_grad(): nf = m.eval()(torch.zeros(1, 3, 64, 64)).shape[1]
net = nn.Sequential(m, create_head(nf, dls.c)); apply_init(net[1], nn.init.kaiming_normal_)
metrics = [] if many else [accuracy]
learn = Learner(dls, net, metrics=metrics, splitter=default_split)
quiet = lambda: (learn.no_bar(), learn.no_logging())
out = {"peer": "fastai", "task": a.task, "arch": a.arch, "bs": a.bs, "torch": torch.__version__, "threads": torch.get_num_threads(), "stages": []}
for i, size in enumerate(sizes):
    if i: learn.dls = loaders(size)
    # Of all parts; after_batch.add would leave validation and test as they are.
    if not any(isinstance(t, Normalize) for t in learn.dls.after_batch): learn.dls.add_tfms([Normalize.from_stats(*stats)], "after_batch")
    learn.freeze()
    b, l = quiet()
    with b, l:
        if i == 0: lr = float(learn.lr_find(show_plot=False).valley)
        learn.fit_one_cycle(frozen[i], slice(lr), pct_start=0.99)
        learn.unfreeze()
        learn.fit_one_cycle(epochs[i], slice(lr / 2 / 100, lr / 2), pct_start=0.3, div=5.0)
    with learn.no_bar(): out["stages"].append({"size": size, "valid": [float(v) for v in learn.validate()], "seconds": time.perf_counter() - t0})
with learn.no_bar(): probs, y = learn.get_preds()
if many:
    probs, y = probs.numpy(), y.numpy()
    grid = np.arange(0.05, 0.96, 0.01)
    best = max(grid, key=lambda t: f1_score(y, probs >= t, average="macro", zero_division=0))
    best2 = max(grid, key=lambda t: fbeta_score(y, probs >= t, beta=2, average="macro", zero_division=0))
    out |= {"mAP": float(average_precision_score(y, probs, average="macro")),
            "f1": float(f1_score(y, probs >= best, average="macro", zero_division=0)),
            # The same threshold as for F1, as the other side has it; f2Best is at one found for F2 itself.
            "f2": float(fbeta_score(y, probs >= best, beta=2, average="macro", zero_division=0)),
            "f2Best": float(fbeta_score(y, probs >= best2, beta=2, average="macro", zero_division=0)), "accuracy": float(((probs >= best) == y).mean())}
else:
    out["acc"] = float((probs.argmax(1) == y).float().mean())
    files = get_image_files(path / "test")
    with learn.no_bar(): preds, _ = learn.get_preds(dl=learn.dls.test_dl(files))
    y = torch.tensor([dls.vocab.o2i[f.parent.name] for f in files])
    out["test_acc"] = float((preds.argmax(1) == y).float().mean())
out["total_s"] = time.perf_counter() - t0
print(json.dumps(out))
