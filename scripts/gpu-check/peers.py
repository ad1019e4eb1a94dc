# PyTorch on the shapes of the benches, where it has CUDA: prints one line of JSON.
import importlib.util
import json
import sys

ELEMENTS = 8388608  # as packages/paged-optim/test/cuda/step.bench.ts


def main(device):
    if importlib.util.find_spec("torch") is None:
        return {"skipped": "torch is not installed"}
    import torch

    if device == "cuda-emu" or not torch.cuda.is_available():
        return {"skipped": "torch has no CUDA device here"}
    torch.cuda.set_device(int(device))
    rows = []

    def time(name, run, moved):
        for _ in range(5):
            run()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        times = []
        for _ in range(30):
            start.record()
            run()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end))
        ms = sorted(times)[len(times) // 2]
        rows.append({"name": name, "ms": ms, "gigabytesPerSecond": moved / ms / 1e6})

    x = torch.randn(ELEMENTS, device="cuda")
    y = torch.empty_like(x)
    time("copy", lambda: y.copy_(x), 8 * ELEMENTS)
    p = torch.nn.Parameter(x)
    p.grad = torch.randn_like(x)
    adamw = torch.optim.AdamW([p], lr=1e-4, fused=True)
    time("AdamW 32-bit", adamw.step, 28 * ELEMENTS)
    versions = {"torch": torch.__version__}
    if importlib.util.find_spec("peft") is not None:
        import peft

        versions["peft"] = peft.__version__
    return {"versions": versions, "device": torch.cuda.get_device_name(), "rows": rows}


print(json.dumps(main(sys.argv[1])))
