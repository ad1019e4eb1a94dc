"""PyTorch + PEFT doing the training step of src/cases/steps.ts: f32 base weights, LoRA on every linear layer, activation
checkpointing, fused AdamW; or, where the job has "elements", the fused AdamW alone (src/cases/optimiser.ts), and where it has
"product" = [m, n, k], x·Wᵀ or dy·W alone (src/cases/products.ts). See src/child.ts for the protocol. With "weights", a safetensors
file, the base is read from it; with "folder" the base is that model in 4 bits, with bitsandbytes."""
import json
import struct
import sys
import time

import torch


def answer(step, count=1):
    first = step()
    print(json.dumps({"ready": True, "torch": torch.__version__, "loss": first}), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        for _ in range(count):
            step()
        print((time.perf_counter() - began) / count, flush=True)


shape = json.loads(sys.stdin.readline())
torch.set_num_threads(shape["threads"])
torch.manual_seed(0)
if "elements" in shape:
    weights = torch.nn.Parameter(torch.rand(shape["elements"]) - 0.5)
    weights.grad = torch.rand(shape["elements"]) - 0.5
    answer(torch.optim.AdamW([weights], lr=1e-3, weight_decay=0, fused=True).step)
    sys.exit()

if "product" in shape:
    m, n, k = shape["product"]
    weights = [torch.randn(n, k) for _ in range(2)]  # more than the caches hold
    x = torch.randn(m, n if shape["transposed"] else k)
    y = torch.empty(m, k if shape["transposed"] else n)

    def product():
        weights.reverse()
        torch.mm(x, weights[0] if shape["transposed"] else weights[0].T, out=y)
        return 0.0

    answer(product, max(1, int(1e9 / (2 * m * n * k))))  # some 10 ms
    sys.exit()

from peft import LoraConfig, get_peft_model  # noqa: E402 (slow to import)
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
if "folder" in shape:
    base = LlamaForCausalLM.from_pretrained(shape["folder"], dtype=torch.float32)
else:
    config = LlamaConfig(hidden_size=shape["hidden"], intermediate_size=shape["ffn"], num_hidden_layers=shape["layers"], num_attention_heads=shape["heads"], num_key_value_heads=shape["heads"], vocab_size=shape["vocab"], max_position_embeddings=shape["seq"], rms_norm_eps=1e-5)
    base = LlamaForCausalLM(config).float()
    if "weights" in shape:
        parameters = dict(base.named_parameters())
        with open(shape["weights"], "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            entries = json.loads(file.read(length))
            for name, entry in entries.items():
                if name == "__metadata__":
                    continue
                file.seek(8 + length + entry["data_offsets"][0])
                file.readinto(memoryview(parameters[name].detach().numpy()).cast("B"))  # in place: no second copy to count
model = get_peft_model(base, LoraConfig(r=shape["rank"], lora_alpha=16, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM"))
model.enable_input_require_grads()
model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
model.train()
parameters = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
ids = (torch.arange(shape["batch"] * shape["seq"]) * 7919 % shape["vocab"]).reshape(shape["batch"], shape["seq"])


def step():
    optimizer.zero_grad(set_to_none=False)
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 0.3)
    optimizer.step()
    return loss.item()


answer(step)
