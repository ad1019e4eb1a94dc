"""Writes packages/kernels/test/golden/*.json: what PyTorch and transformers compute for every operation, gradients by
autograd.

Usage: python conformance/kernels_golden.py        (needs torch and transformers; each file records their versions)

Inputs are float32; PyTorch computes in float64 and the results are rounded to float32, so that they are right to the
last bit or so.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

OUT = Path(__file__).resolve().parent.parent / "packages/kernels/test/golden"


def values(x):
    """Floats as their shortest decimal that reads back as the same float32; integers as they are."""
    x = x.detach().reshape(-1)
    if not x.is_floating_point():
        return x.tolist()
    numbers = [float(f"{v:.9g}") for v in x.to(torch.float32).tolist()]
    return [v if math.isfinite(v) else str(v) for v in numbers]


def save(name, cases):
    source = f"torch {torch.__version__}, transformers {transformers.__version__}; conformance/kernels_golden.py"
    encoded = [{key: values(v) if isinstance(v, torch.Tensor) else v for key, v in case.items()} for case in cases]
    text = json.dumps({"source": source, "cases": encoded}, separators=(",", ":"), allow_nan=False)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(text + "\n")


def normal(*shape, scale=1.0):
    return (torch.randn(*shape, dtype=torch.float32) * scale).double()


def leaf(x):
    return x.clone().requires_grad_(True)


def rms_norm():
    cases = []
    for m, d, eps, scale in [(1, 1, 1e-5, 1), (3, 20, 1e-6, 1), (2, 67, 1e-5, 100), (2, 33, 1e-5, 1e-4)]:
        x, weight, dy = leaf(normal(m, d, scale=scale)), leaf(normal(d)), normal(m, d)
        inv = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)  # LlamaRMSNorm.forward
        y = weight * (x * inv)
        y.backward(dy)
        cases.append(
            dict(m=m, d=d, eps=eps, x=x, weight=weight, dy=dy, y=y, invRms=inv, dx=x.grad, dweight=weight.grad)
        )
    save("rms_norm", cases)


def rope():
    cases = []
    llama3 = dict(
        rope_type="llama3",
        factor=32.0,
        low_freq_factor=1.0,
        high_freq_factor=4.0,
        original_max_position_embeddings=8192,
    )
    linear = dict(rope_type="linear", factor=4.0)
    for head_dim, theta, scaling in [
        (8, 10000.0, None),
        (64, 500000.0, llama3),
        (128, 500000.0, dict(llama3, factor=8.0)),
        (32, 10000.0, linear),
    ]:
        config = LlamaConfig(
            hidden_size=head_dim * 2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=head_dim,
            max_position_embeddings=131072,
            rope_parameters={"rope_type": "default", **(scaling or {}), "rope_theta": theta},
        )
        rotary = LlamaRotaryEmbedding(config)
        positions = torch.tensor([0, 1, 7, 300])
        x = normal(4, 2, head_dim).float()
        cos, sin = rotary(x, positions[None])
        turned, _ = apply_rotary_pos_emb(x.transpose(0, 1)[None], x.transpose(0, 1)[None], cos, sin)
        half = head_dim // 2
        cases.append(
            dict(
                m=4,
                heads=2,
                headDim=head_dim,
                theta=theta,
                scaling=scaling,
                positions=positions,
                frequencies=rotary.inv_freq,
                cos=cos[0, :, :half],
                sin=sin[0, :, :half],
                x=x,
                y=turned[0].transpose(0, 1),
            )
        )
    save("rope", cases)


def attention():
    cases = []
    for heads, kv_heads, d, queries, keys in [
        (2, 2, 8, [5], [5]),
        (4, 2, 16, [3, 1, 9], [3, 4, 9]),
        (3, 1, 20, [2, 0, 4], [7, 3, 2]),
        (2, 1, 64, [6], [6]),
    ]:
        scale = d**-0.5
        tq, tk = sum(queries), sum(keys)
        q, k, v = leaf(normal(tq, heads, d)), leaf(normal(tk, kv_heads, d)), leaf(normal(tk, kv_heads, d))
        dout = normal(tq, heads, d)
        outs, lses, at_q, at_k = [], [], 0, 0
        for nq, nk in zip(queries, keys):
            qs = q[at_q : at_q + nq].transpose(0, 1)
            ks = k[at_k : at_k + nk].transpose(0, 1).repeat_interleave(heads // kv_heads, 0)
            vs = v[at_k : at_k + nk].transpose(0, 1).repeat_interleave(heads // kv_heads, 0)
            mask = torch.ones(nq, nk, dtype=torch.bool).tril(nk - nq)
            sees = mask.any(-1)
            out = F.scaled_dot_product_attention(qs, ks, vs, attn_mask=mask | ~sees[:, None], scale=scale)
            outs.append(torch.where(sees[None, :, None], out, 0.0).transpose(0, 1))
            lses.append((scale * qs @ ks.mT).masked_fill(~mask, -math.inf).logsumexp(-1))
            at_q, at_k = at_q + nq, at_k + nk
        out, lse = torch.cat(outs), torch.cat(lses, 1)
        out.backward(dout)
        cu = lambda lengths: [0] + torch.tensor(lengths).cumsum(0).tolist()
        cases.append(
            dict(
                heads=heads,
                kvHeads=kv_heads,
                headDim=d,
                scale=scale,
                cuQ=cu(queries),
                cuK=cu(keys),
                q=q,
                k=k,
                v=v,
                dout=dout,
                out=out,
                lse=lse,
                dq=q.grad,
                dk=k.grad,
                dv=v.grad,
            )
        )
    save("attention", cases)


def swiglu():
    gate, up, dy = leaf(normal(37, scale=4)), leaf(normal(37)), normal(37)
    y = F.silu(gate) * up
    y.backward(dy)
    save("swiglu", [dict(n=37, gate=gate, up=up, dy=dy, y=y, dgate=gate.grad, dup=up.grad)])


def cross_entropy():
    cases = []
    for m, v, scale, spread in [(1, 1, 1.0, 1), (4, 7, 0.25, 1), (3, 101, 1.0, 30), (2, 40, 2.0, 1000)]:
        logits = leaf(normal(m, v, scale=spread))
        labels = torch.randint(0, v, (m,))
        if m > 2:
            labels[1] = -100
        losses = F.cross_entropy(logits, labels, reduction="none", ignore_index=-100)
        (losses.sum() * scale).backward()
        cases.append(dict(m=m, v=v, scale=scale, logits=logits, labels=labels, losses=losses, dlogits=logits.grad))
    save("cross_entropy", cases)


def embedding():
    table, ids, dy = leaf(normal(6, 5)), torch.tensor([3, 0, 3, 5]), normal(4, 5)
    y = F.embedding(ids, table)
    y.backward(dy)
    save("embedding", [dict(m=4, d=5, vocab=6, ids=ids, table=table, dy=dy, y=y, dtable=table.grad)])


def bf16():
    bits = torch.cat(
        [
            torch.tensor(
                [
                    0,
                    0x80000000,
                    1,
                    0x7F800000,
                    0xFF800000,
                    0x7FC00000,
                    0x7F800001,
                    0xFFFFFFFF,
                    0x7F7FFFFF,
                    0x3F808000,
                    0x3F818000,
                ]
            ),
            torch.randint(0, 2**32, (53,)),
        ]
    )
    x = bits.to(torch.uint32).view(torch.float32)
    y = x.to(torch.bfloat16)
    # Which NaN comes out is not compared.
    save("bf16", [dict(bits=bits, bf16=y.view(torch.uint16).to(torch.int64), isNaN=x.isnan().to(torch.int64))])


if __name__ == "__main__":
    torch.manual_seed(0)
    for make in (rms_norm, rope, attention, swiglu, cross_entropy, embedding, bf16):
        make()
