"""Writes packages/transformer/test/golden/sampling.json: what transformers' logits processors leave of a distribution.

Usage: python conformance/sampling_golden.py        (needs torch and transformers; the file records their versions)
"""

import json
from itertools import product
from pathlib import Path

import torch
import transformers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

GOLDEN = Path(__file__).resolve().parent.parent / "packages/transformer/test/golden/sampling.json"

torch.manual_seed(0)
vocab = 24
logits = (1.5 * torch.randn(vocab)).tolist()
seen = [3, 7, 7, 11, 20]
model = LlamaForCausalLM(LlamaConfig(vocab_size=vocab, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1))


def probabilities(options):
    """The distribution that generate() would draw from, through the processors it builds itself."""
    config = GenerationConfig(do_sample=True, **options)
    processors = model._get_logits_processor(config, input_ids_seq_length=len(seen), logits_processor=transformers.LogitsProcessorList())
    scores = processors(torch.tensor([seen]), torch.tensor([logits]))
    return torch.softmax(scores.double(), -1)[0].tolist()


cases = []
for temperature, top_k, top_p, min_p, penalty in product([0.7, 1.5], [0, 6], [1.0, 0.8], [0.0, 0.15], [1.0, 1.3]):
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "repetition_penalty": penalty}
    names = {"temperature": temperature, "topK": top_k, "topP": top_p, "minP": min_p, "repetitionPenalty": penalty}
    cases.append({"options": names, "probabilities": probabilities(options)})

source = f"torch {torch.__version__}, transformers {transformers.__version__}; conformance/sampling_golden.py"
GOLDEN.parent.mkdir(exist_ok=True)
GOLDEN.write_text(json.dumps({"source": source, "logits": logits, "seen": seen, "cases": cases}, separators=(",", ":")) + "\n")
