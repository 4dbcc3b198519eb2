"""A fastai learner with fastai's defaults (float32, its loader, its transforms) and random weights."""
import warnings
warnings.filterwarnings("ignore")
from fastai.vision.all import *
import timm, torchvision

def make(path, arch, size=224, bs=32):
    dls = ImageDataLoaders.from_folder(path, valid_pct=0.2, seed=0, item_tfms=Resize(int(size * 1.15)), batch_tfms=aug_transforms(size=size), bs=bs)
    if hasattr(torchvision.models, arch):
        whole = getattr(torchvision.models, arch)(weights=None)
        body = nn.Sequential(*list(whole.children())[:-2]) if arch.startswith("res") else whole.features
        stats = imagenet_stats
    else:
        body = timm.create_model(arch, pretrained=False)
        stats = body.default_cfg["mean"], body.default_cfg["std"]
        body.reset_classifier(0, "")
    with torch.no_grad(): nf = body.eval()(torch.zeros(1, 3, 64, 64)).shape[1]
    net = nn.Sequential(body, create_head(nf, dls.c)); apply_init(net[1], nn.init.kaiming_normal_)
    dls.add_tfms([Normalize.from_stats(*stats)], "after_batch")  # of all parts; after_batch.add would leave validation and test as they are
    return Learner(dls, net, metrics=accuracy, splitter=default_split)

def versions():
    import fastai, platform
    return {"fastai": fastai.__version__, "torch": torch.__version__, "timm": timm.__version__, "python": platform.python_version(), "threads": torch.get_num_threads()}
