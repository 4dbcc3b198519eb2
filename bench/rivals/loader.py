"""The rivals of bench/loader.ts: the loaders of torchvision and fastai for JPEG files, float32, with their usual transforms.

python loader.py torchvision|fastai DATA [--size 128] [--bs 64] [--workers 2] [--rounds 5]

DATA holds one folder for each class. In an epoch each picture gets a random resized crop, a flip and normalisation. The
workers stay alive between epochs. Prints one JSON line. Needs: pip install torchvision fastai.
"""
import argparse, json, time, warnings
warnings.filterwarnings("ignore")
import torch, torchvision

p = argparse.ArgumentParser()
p.add_argument("peer"); p.add_argument("data"); p.add_argument("--size", type=int, default=128); p.add_argument("--bs", type=int, default=64)
p.add_argument("--workers", type=int, default=2); p.add_argument("--rounds", type=int, default=5)
a = p.parse_args()
mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}

def with_torchvision():
    from torchvision import datasets, transforms as T
    tfms = T.Compose([T.RandomResizedCrop(a.size, scale=(0.35, 1)), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(mean, std)])
    data = datasets.ImageFolder(a.data, tfms)
    return torch.utils.data.DataLoader(data, a.bs, shuffle=True, num_workers=a.workers, persistent_workers=True), len(data)

def with_fastai():
    import fastai
    from fastai.vision.all import ImageDataLoaders, RandomResizedCrop, Flip, Normalize
    versions["fastai"] = fastai.__version__
    dls = ImageDataLoaders.from_folder(a.data, valid_pct=0.01, seed=0, bs=a.bs, num_workers=a.workers,
        item_tfms=RandomResizedCrop(a.size, min_scale=0.35), batch_tfms=[Flip(), Normalize.from_stats(mean, std)])
    return dls.train.new(drop_last=False), len(dls.train_ds)

loader, count = {"torchvision": with_torchvision, "fastai": with_fastai}[a.peer]()
def epoch():
    start, seen = time.perf_counter(), 0
    for x, _ in loader: seen += len(x)
    assert seen == count and tuple(x.shape[1:]) == (3, a.size, a.size), (seen, count, x.shape)
    return time.perf_counter() - start
epoch()  # starts workers, fills the file cache
print(json.dumps({"seconds": [epoch() for _ in range(a.rounds)], "count": count, "versions": versions}))
