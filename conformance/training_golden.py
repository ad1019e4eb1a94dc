"""Reference values from PyTorch, transformers and PEFT for one model, one adapter and one order of batches.

usage: training_golden.py REQUEST_DIR

REQUEST_DIR holds request.json {model, learning_rate, max_grad_norm, prompts, steps}, where `model` is a full-precision model
folder (the dequantised weights), `prompts` lists of ids and `steps` lists of sequences {ids, labels}; and `initial/`, the
adapter to start from. If `ours/` is there, it is an adapter written by this project, to be loaded and run.
Written: logits.safetensors (before training, by prompt), gradients.safetensors (of the first step), result.json (loss of
every step), trained/ (the adapter as PEFT writes it), trained-logits.safetensors, ours-logits.safetensors.
"""
import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

work = Path(sys.argv[1])
request = json.loads((work / "request.json").read_text())
torch.manual_seed(0)
torch.use_deterministic_algorithms(True)


def fresh(adapter, trainable):
    base = AutoModelForCausalLM.from_pretrained(request["model"], dtype=torch.float32, attn_implementation="eager")
    model = PeftModel.from_pretrained(base, str(work / adapter), is_trainable=trainable)
    return model.train() if trainable else model.eval()


def logits(model, name):
    with torch.no_grad():
        rows = {f"{i}": model(torch.tensor([ids])).logits[0].contiguous() for i, ids in enumerate(request["prompts"])}
    save_file(rows, work / name)


def padded(sequences):
    width = max(len(s["ids"]) for s in sequences)
    pad = lambda values, fill: torch.tensor([v + [fill] * (width - len(v)) for v in values])
    ids = pad([s["ids"] for s in sequences], 0)
    mask = pad([[1] * len(s["ids"]) for s in sequences], 0)
    labels = pad([s["labels"] for s in sequences], -100)
    return ids, mask, labels


def loss_of(model, sequences):
    ids, mask, labels = padded(sequences)
    out = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    targets = labels[:, 1:]
    total = torch.nn.functional.cross_entropy(out.reshape(-1, out.shape[-1]), targets.reshape(-1), ignore_index=-100, reduction="sum")
    return total / (targets != -100).sum()


model = fresh("initial", True)
logits(model, "logits.safetensors")
parameters = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
optimizer = torch.optim.AdamW([p for _, p in parameters], lr=request["learning_rate"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
losses = []
for step, sequences in enumerate(request["steps"]):
    optimizer.zero_grad()
    loss = loss_of(model, sequences)
    loss.backward()
    if step == 0:
        save_file({n.replace(".default", "").removeprefix("base_model.model."): p.grad.contiguous() for n, p in parameters}, work / "gradients.safetensors")
    torch.nn.utils.clip_grad_norm_([p for _, p in parameters], request["max_grad_norm"])
    optimizer.step()
    losses.append(loss.item())
model.save_pretrained(str(work / "trained"))
model.eval()
logits(model, "trained-logits.safetensors")
(work / "result.json").write_text(json.dumps({"losses": losses, "torch": torch.__version__}) + "\n")
if (work / "ours").exists():
    logits(fresh("ours", False), "ours-logits.safetensors")
