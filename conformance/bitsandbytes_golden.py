"""What transformers and bitsandbytes make of a 4-bit folder of this project, and of the same weights in full precision.

usage: bitsandbytes_golden.py REQUEST_DIR

REQUEST_DIR holds request.json {full, ours, prompts}: a model folder in f32, the same in 4 bits as this project writes it, and lists
of ids. Written: logits.safetensors (of `ours`, by prompt), theirs/ (`full` in 4 bits, as bitsandbytes quantises it and transformers
writes it), result.json (of each weight in theirs/: the SHA-256 of its codes and the mean of its scales).
"""
import hashlib
import json
import sys
from pathlib import Path

import bitsandbytes
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

work = Path(sys.argv[1])
request = json.loads((work / "request.json").read_text())

model = AutoModelForCausalLM.from_pretrained(request["ours"], dtype=torch.float32)
model.enable_input_require_grads()  # the path of training: without gradients bitsandbytes packs the weights anew, in 16 bits
rows = {f"{i}": model.train()(torch.tensor([ids])).logits[0].detach() for i, ids in enumerate(request["prompts"])}
save_file({name: row.contiguous() for name, row in rows.items()}, work / "logits.safetensors")

config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.float32)
AutoModelForCausalLM.from_pretrained(request["full"], dtype=torch.float32, quantization_config=config).save_pretrained(work / "theirs")
tensors = load_file(work / "theirs" / "model.safetensors")
state = ".quant_state.bitsandbytes__nf4"
weights = {
    name.removesuffix(state): {
        "codes": hashlib.sha256(tensors[name.removesuffix(state)].numpy().tobytes()).hexdigest(),
        "offset": json.loads(bytes(value.tolist()))["nested_offset"],
    }
    for name, value in sorted(tensors.items())
    if name.endswith(state)
}
(work / "result.json").write_text(json.dumps({"bitsandbytes": bitsandbytes.__version__, "weights": weights}, indent=1) + "\n")
