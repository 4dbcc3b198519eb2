"""One rank of PyTorch's DistributedDataParallel (Gloo) for bench/ranks.ts: trains a net on noise for some steps and prints one line
of JSON, as bench/ranks-worker.ts does. It takes the same JSON; the launcher gives the threads. Needs: pip install torch torchvision.
"""
import json, os, sys, time
import torch, torchvision
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

q = json.loads(sys.argv[1])
rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
if size > 1: dist.init_process_group("gloo")
torch.manual_seed(0)
net = torchvision.models.get_model(q["model"], weights=None, num_classes=10).to(memory_format=torch.channels_last)
bytes_ = sum(p.numel() for p in net.parameters()) * 4
if size > 1:
    net = DistributedDataParallel(net, gradient_as_bucket_view=True)
    if q["gradients"] == "bfloat16":
        from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
        net.register_comm_hook(None, bf16_compress_hook)
opt = torch.optim.AdamW(net.parameters(), lr=1e-6, fused=True)
n = q["batch"] * (rank + 1) // size - q["batch"] * rank // size
x = torch.rand(n, 3, q["size"], q["size"]).to(memory_format=torch.channels_last)
y = torch.arange(n) % 10
def step():
    loss = torch.nn.functional.cross_entropy(net(x), y, label_smoothing=0.1)
    loss.item()
    opt.zero_grad()
    loss.backward()
    opt.step()
ms = []
for i in range(2 + q["steps"]):
    t = time.perf_counter()
    step()
    if i >= 2: ms.append(1000 * (time.perf_counter() - t))
print(json.dumps({"rank": rank, "size": size, "ms": ms, "gradientBytes": bytes_, "torch": torch.__version__}), flush=True)
if size > 1: dist.destroy_process_group()
