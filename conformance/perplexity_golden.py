"""Writes packages/eval/test/golden/perplexity.json: the strided perplexity of stories260K on a short text, by transformers and
PyTorch in float32, with the nll of every token of every window, so that the sums can be checked without a model.

Usage: python conformance/perplexity_golden.py MODEL_DIR TEXT_FILE        (the stories260K folder, a plain text file)

The loop is the one of the Hugging Face guide on perplexity of fixed-length models, with a BOS token before the text and the
number of scored tokens counted, not estimated.
"""

import json
import math
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

OUT = Path(__file__).resolve().parent.parent / "packages/eval/test/golden/perplexity.json"
torch.set_num_threads(1)
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
text = Path(sys.argv[2]).read_text()[:1200]
ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
bos = tokenizer.bos_token_id


def strided(ids, window, stride):
    total, tokens, previous, windows = 0.0, 0, 0, []
    for begin in range(0, ids.size(1), stride):
        end = min(begin + window, ids.size(1))
        chunk = ids[:, begin:end]
        with torch.no_grad():
            logits = model(chunk).logits[0].double()
        nll = torch.nn.functional.cross_entropy(logits[:-1], chunk[0, 1:], reduction="none")
        windows.append({"begin": begin, "end": end, "nll": [float(f"{v:.9g}") for v in nll.tolist()]})
        new = end - max(previous, begin + 1)  # tokens of this window not scored before
        total += nll[len(nll) - new:].sum().item()
        tokens += new
        previous = end
        if end == ids.size(1):
            break
    return total, tokens, windows


cases = []
for name, sequence in (("bos", torch.cat([torch.tensor([[bos]]), ids], 1)), ("plain", ids)):
    for window, stride in ((512, 256), (128, 96), (128, 127)) if name == "bos" else ((256, 128),):
        total, tokens, windows = strided(sequence, window, stride)
        cases.append({
            "bos": bos if name == "bos" else None, "window": window, "stride": stride, "tokens": tokens,
            "nll": total / tokens, "perplexity": math.exp(total / tokens),
            "bitsPerByte": total / math.log(2) / len(text.encode()), "windows": windows,
        })
golden = {
    "source": f"torch {torch.__version__}, transformers {transformers.__version__}; conformance/perplexity_golden.py, {Path(sys.argv[2]).name}",
    "text": text, "ids": ids[0].tolist(), "cases": cases,
}
OUT.write_text(json.dumps(golden, separators=(",", ":"), ensure_ascii=False) + "\n")
for case in cases:
    print({k: v for k, v in case.items() if k != "windows"}, len(case["windows"]))
