# PyTorch on the shapes of the benches, and PyTorch + PEFT in bf16 on a training step of LLaMA-7B, where they have CUDA: prints one line
# of JSON.
import importlib.util
import json
import sys
import time as clock

ELEMENTS = 8388608  # as packages/paged-optim/test/cuda/step.bench.ts


LLAMA_7B = dict(hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32, vocab_size=32000, max_position_embeddings=2048, rms_norm_eps=1e-6)
SIZES = [(1, 512), (4, 512), (4, 2048)]  # of packages/cli/test/cuda/llama.bench.ts


def training(shape, sizes, device):
    """Seconds of a step of rank 64 on every linear layer, base in bf16, checkpointing, fused AdamW: medians of three after one."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        base = LlamaForCausalLM(LlamaConfig(**shape))
    torch.set_default_dtype(torch.float32)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(base, LoraConfig(r=64, lora_alpha=16, lora_dropout=0.1, target_modules=targets, task_type="CAUSAL_LM"))
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    adamw = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    rows = []
    for batch, seq in sizes:
        ids = (torch.arange(batch * seq, device=device) * 7919 % shape["vocab_size"]).reshape(batch, seq)
        times = []
        for _ in range(4):
            began = clock.perf_counter()
            adamw.zero_grad()
            loss = model(input_ids=ids, labels=ids).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 0.3)
            adamw.step()
            loss.item()
            times.append(clock.perf_counter() - began)
        seconds = sorted(times[1:])[1]
        rows.append({"name": f"training step, {batch} x {seq} tokens", "seconds": seconds, "tokensPerSecond": batch * seq / seconds})
    return rows


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
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    time("product", lambda: torch.mm(a, b.T), 6 * 8192**2)
    rows[-1]["teraflopsPerSecond"] = 2 * 8192**3 / rows[-1]["ms"] / 1e9
    del x, y, p, adamw, a, b
    versions = {"torch": torch.__version__}
    if importlib.util.find_spec("peft") is not None:
        import peft

        versions["peft"] = peft.__version__
        try:
            rows += training(LLAMA_7B, SIZES, "cuda")
        except torch.cuda.OutOfMemoryError:
            rows.append({"name": "training step", "skipped": "out of memory"})
    return {"versions": versions, "device": torch.cuda.get_device_name(), "rows": rows}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
