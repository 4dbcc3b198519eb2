"""Times a training step of PyTorch in Python. It answers each line of JSON on stdin with a line of JSON.

{"model": "resnet34", "size": 224, "batch": 32, "channels_last": false, "bfloat16": false, "fused": false, "optimizer": "adamw", "steps": 3}
answers {"ms": [...]}, after warm-up steps that are not timed: one, or "warm" milliseconds of them. {"eval": true, ...} times the body alone, in eval mode without gradients.
{"device": "cuda", "compile": "default", ...}: on a GPU, with torch.compile in this mode.
All threads, cross-entropy with label smoothing 0.1, BatchNorm with the statistics of the batch. Needs: pip install torch torchvision timm.
"""
import json, os, sys, time, warnings
warnings.filterwarnings("ignore")
import timm, torch, torchvision

torch.set_num_threads(len(os.sched_getaffinity(0)))

def build(name, size, classes=10):
    if name in timm.list_models() and not hasattr(torchvision.models, name): return timm.create_model(name, pretrained=False, num_classes=classes)
    return getattr(torchvision.models, name)(weights=None, num_classes=classes)

def optimizer(q, params):
    if q.get("optimizer", "adamw") == "sgd": return torch.optim.SGD(params, lr=1e-6, momentum=0.9, weight_decay=0.01, fused=q.get("fused", False))
    return torch.optim.AdamW(params, lr=1e-6, weight_decay=0.01, fused=q.get("fused", False))

def timed(q):
    torch.manual_seed(0)
    device = q.get("device", "cpu")
    net = build(q["model"], q["size"]).to(device)
    x, y = torch.rand(q["batch"], 3, q["size"], q["size"], device=device), torch.arange(q["batch"], device=device) % 10
    if q.get("channels_last"): net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    cast = lambda: torch.autocast(device.split(":")[0], dtype=torch.bfloat16, enabled=bool(q.get("bfloat16")))
    if q.get("eval"):
        net.eval()
        def step():
            with torch.no_grad(), cast(): net(x).float().sum().item()
    else:
        net.train()
        opt = optimizer(q, net.parameters())
        run = torch.compile(net, mode=q["compile"]) if q.get("compile") else net
        def step():
            with cast(): out = run(x)
            loss = torch.nn.functional.cross_entropy(out.float(), y, label_smoothing=0.1)
            loss.item()
            opt.zero_grad()
            loss.backward()
            opt.step()
    def once():
        t = time.perf_counter()
        step()
        if device != "cpu": torch.cuda.synchronize()
        return 1000 * (time.perf_counter() - t)
    warm = once()
    while warm < q.get("warm", 0): warm += once()
    return {"ms": [once() for _ in range(q["steps"])]}

say = lambda answer: print(json.dumps(answer), flush=True)
say({"torch": torch.__version__, "torchvision": torchvision.__version__, "timm": timm.__version__, "python": sys.version.split()[0],
     "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
     "threads": torch.get_num_threads(), "capability": torch.backends.cpu.get_cpu_capability(), "glibcTunables": os.environ.get("GLIBC_TUNABLES", "")})
for line in sys.stdin: say(timed(json.loads(line)))
