"""The five steps as a fastai 2.8 user runs them: float32, with fastai's defaults, loader and transforms.

python fastai_steps.py DATA [--weights FILE] [--arch NAME] [--size 224] [--frozen 2] [--epochs 5] [--seed 0]
DATA holds train, validation and perhaps test, with one folder for each class. Without weights the whole net trains from
random weights in all epochs. Prints one JSON line: accuracies, seconds of each phase, and `curve`: accuracy over time.
"""
import argparse, json, time, warnings
warnings.filterwarnings("ignore")
t0 = time.perf_counter()
from fastai.vision.all import *
import timm, torchvision

p = argparse.ArgumentParser()
p.add_argument("data"); p.add_argument("--weights"); p.add_argument("--arch", default="tf_efficientnet_lite0")
p.add_argument("--size", type=int, default=224); p.add_argument("--bs", type=int, default=32)
p.add_argument("--frozen", type=int, default=2); p.add_argument("--epochs", type=int, default=5)
p.add_argument("--seed", type=int, default=0)
a = p.parse_args()
set_seed(a.seed, True)
path = Path(a.data)
dls = ImageDataLoaders.from_folder(path, train="train", valid="validation", item_tfms=Resize(int(a.size * 1.15)),
    batch_tfms=aug_transforms(size=a.size), bs=a.bs)

def load(m):
    if not a.weights: return m
    sd = torch.load(a.weights, map_location="cpu", weights_only=True)
    own = m.state_dict()
    m.load_state_dict(sd if set(sd) == set(own) else dict(zip(own, sd.values())))  # the same order, other names
    return m

if hasattr(torchvision.models, a.arch):
    m, resnet = load(getattr(torchvision.models, a.arch)(weights=None)), a.arch.startswith("res")
    body = nn.Sequential(*list(m.children())[:-2]) if resnet else m.features
    stats = imagenet_stats
    # resnets in fastai's three groups, others body | head
    splitter = (lambda n: L(n[0][:6], n[0][6:], n[1]).map(params)) if resnet else default_split
else:
    body = load(timm.create_model(a.arch, pretrained=False, num_classes=1000))
    stats = body.default_cfg["mean"], body.default_cfg["std"]
    body.reset_classifier(0, "")
    splitter = default_split
with torch.no_grad(): nf = body.eval()(torch.zeros(1, 3, 64, 64)).shape[1]
net = nn.Sequential(body, create_head(nf, dls.c)); apply_init(net[1], nn.init.kaiming_normal_)
dls.add_tfms([Normalize.from_stats(*stats)], "after_batch")  # of all parts; after_batch.add would leave validation and test as they are

curve = []
class Curve(Callback):
    order = 90  # after the recorder
    def after_epoch(self):
        curve.append({"seconds": time.perf_counter() - t0, "accuracy": float(self.recorder.values[-1][-1])})

learn = Learner(dls, net, metrics=accuracy, splitter=splitter)
out = {"peer": "fastai", "arch": a.arch, "size": a.size, "bs": a.bs, "n_train": len(dls.train_ds), "n_valid": len(dls.valid_ds),
       "threads": torch.get_num_threads(), "torch": torch.__version__, "frozen": a.frozen if a.weights else 0, "epochs": a.epochs}
def timed(name, fn):
    t = time.perf_counter()
    with learn.no_bar(), learn.no_logging(): result = fn()
    out[name] = time.perf_counter() - t
    return result

if a.weights: learn.freeze()
lr = timed("lr_find_s", lambda: float(learn.lr_find(show_plot=False).valley))
out["lr"] = lr
learn.add_cb(Curve())
if a.weights:
    timed("frozen_s", lambda: learn.fit_one_cycle(a.frozen, slice(lr), pct_start=0.99))
    learn.unfreeze()
    timed("unfrozen_s", lambda: learn.fit_one_cycle(a.epochs, slice(lr / 2 / 100, lr / 2), pct_start=0.3, div=5.0))
else:
    timed("unfrozen_s", lambda: learn.fit_one_cycle(a.epochs, lr))
learn.remove_cb(Curve)
out["acc"] = curve[-1]["accuracy"]
out["train_s"] = time.perf_counter() - t0
if (path / "test").exists():
    files = get_image_files(path / "test")
    with learn.no_bar(): preds, _ = learn.get_preds(dl=learn.dls.test_dl(files))
    y = torch.tensor([dls.vocab.o2i[f.parent.name] for f in files])
    out["test_acc"] = float((preds.argmax(1) == y).float().mean())
out |= {"curve": curve, "total_s": time.perf_counter() - t0}
print(json.dumps(out))
