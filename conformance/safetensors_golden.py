"""Golden files for @qlora/safetensors, written by the reference library (safetensors 0.8.0, PyTorch 2.13).

python conformance/safetensors_golden.py                      rewrites packages/safetensors/test/golden
python conformance/safetensors_golden.py verdicts SEED RUNS   prints fresh verdicts as JSON
"""

import ctypes
import hashlib
import json
import random
import struct
import sys
from pathlib import Path

import torch
from safetensors import SafetensorError, TensorSpec, deserialize, serialize
from safetensors.torch import save_file

OUT = Path(__file__).parent.parent / "packages/safetensors/test/golden"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def every_dtype() -> dict:
    """One tensor of each type the Python interface can write, an empty one, a scalar, and names that need escapes."""
    rng = random.Random(7)
    sizes = {
        "bool": 1, "float4_e2m1fn_x2": 1, "uint8": 1, "int8": 1, "float8_e5m2": 1, "float8_e4m3fn": 1,
        "float8_e8m0fnu": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1, "int16": 2, "uint16": 2, "float16": 2,
        "bfloat16": 2, "int32": 4, "uint32": 4, "float32": 4, "complex64": 8, "float64": 8, "int64": 8, "uint64": 8,
    }  # fmt: skip
    tensors = {f"{dtype}.weight": (dtype, [3, 2], rng.randbytes(6 * size)) for dtype, size in sizes.items()}
    tensors["empty"] = ("float32", [0, 5], b"")
    tensors["scalar"] = ("int64", [], struct.pack("<q", -5))
    tensors['quote " back \\ tab \t é 模型 😀 \x7f'] = ("uint8", [1], b"\x2a")
    keep = {name: ctypes.create_string_buffer(data, max(1, len(data))) for name, (_, _, data) in tensors.items()}
    specs = {
        name: TensorSpec(dtype=dtype, shape=shape, data_ptr=ctypes.addressof(keep[name]), data_len=len(data))
        for name, (dtype, shape, data) in tensors.items()
    }
    data = serialize(specs, {'quote " é': "line\nfeed"})  # one entry: the reference writes several in a random order
    (OUT / "dtypes.safetensors").write_bytes(data)
    return {
        name: {"dtype": view["dtype"], "shape": view["shape"], "sha256": sha256(view["data"])}
        for name, view in sorted(deserialize(data))
    }


def torch_file() -> None:
    """Special values and a few random ones, as PyTorch casts and saves them."""
    special = [0.0, -0.0, 1.0, -1.0, float("inf"), float("-inf"), float("nan"), 65504.0, 65519.99, 65520.0, 3.4e38]
    special += [2.0**-14, 2.0**-24, 2.0**-25, 1.0000001 * 2.0**-25, 2.0**-126, 2.0**-149, 1 + 2.0**-8, 1 + 3 * 2.0**-8]
    x = torch.cat([torch.tensor(special), torch.randn(45, generator=torch.Generator().manual_seed(1))]).view(8, 8)
    tensors = {"f32": x, "f16": x.half(), "bf16": x.bfloat16(), "f64": x.double(), "i64": torch.arange(-3, 5)}
    save_file(tensors, OUT / "torch.safetensors", metadata={"format": "pt"})
    (OUT / "torch.safetensors").chmod(0o644)


def conversions() -> dict:
    """Hashes of whole conversions. NaNs are made one pattern first: which one comes out is a matter of the processor."""
    patterns = torch.arange(65536, dtype=torch.int32).to(torch.uint16)
    low = [0x0000, 0x0001, 0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x3001, 0x7FFF, 0x8000, 0x8001, 0xFFFF]
    bits = (torch.arange(65536, dtype=torch.int64)[:, None] << 16 | torch.tensor(low)[None, :]).flatten()
    floats = bits.to(torch.uint32).view(torch.float32)

    def quiet(x: torch.Tensor, pattern: int, integer: torch.dtype) -> bytes:
        raw = x.view(integer).clone()
        raw[x.isnan()] = torch.tensor(pattern).to(integer)
        return raw.numpy().tobytes()

    eight = torch.arange(256, dtype=torch.int32).to(torch.uint8)
    return {
        "low": low,
        "float16ToFloat32": sha256(quiet(patterns.view(torch.float16).float(), 0x7FC00000, torch.int32)),
        "bf16ToFloat32": sha256(quiet(patterns.view(torch.bfloat16).float(), 0x7FC00000, torch.int32)),
        "float32ToFloat16": sha256(quiet(floats.half(), 0x7E00, torch.int16)),
        "float32ToBf16": sha256(quiet(floats.bfloat16(), 0x7FC0, torch.int16)),
        "F8_E4M3": sha256(quiet(eight.view(torch.float8_e4m3fn).float(), 0x7FC00000, torch.int32)),
        "F8_E5M2": sha256(quiet(eight.view(torch.float8_e5m2).float(), 0x7FC00000, torch.int32)),
    }


def verdicts(seed: int, runs: int) -> list:
    """Headers bent in one or two places, and what the reference reader sees in them (null: it refuses)."""
    rng = random.Random(seed)
    cases = []
    tokens = ["{", "}", "[", "]", ",", ":", '"', "0", "1", "-", ".", "e", " ", "\\u0000", "null", '"a"', '"dtype"', "\n"]
    for _ in range(runs):
        tensors = {}
        at = 0
        for name in rng.sample(["a", "b", "é", "__proto__", "x.weight", ""], rng.randint(0, 3)):
            dtype, size = rng.choice([("U8", 1), ("F16", 2), ("F32", 4), ("I64", 8), ("F4", 0.5)])
            shape = [rng.randint(0, 3) for _ in range(rng.randint(0, 3))]
            count = 1
            for dim in shape:
                count *= dim
            end = at + int(count * size)
            tensors[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
            at = end
        if rng.random() < 0.3:
            tensors["__metadata__"] = {"format": "pt"}
        text = json.dumps(tensors, ensure_ascii=rng.random() < 0.5)
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            i = rng.randrange(len(text) + 1)
            text = text[:i] + rng.choice(tokens) + text[i + rng.randint(0, 2) :]
        body = text.encode()
        length = len(body) + rng.choice([0] * 12 + [1, -1])
        data = struct.pack("<Q", max(0, length)) + body + bytes(max(0, at + rng.choice([0] * 12 + [1, -1])))
        try:
            accepted = {name: [view["dtype"], view["shape"]] for name, view in deserialize(data)}
        except SafetensorError:
            accepted = None
        cases.append({"file": data.hex(), "accepted": accepted})
    return cases


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    expected = {"dtypes": every_dtype(), "conversions": conversions()}
    torch_file()
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=True) + "\n")
    (OUT / "verdicts.json").write_text("[\n" + ",\n".join(map(json.dumps, verdicts(11, 600))) + "\n]\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["verdicts"]:
        print(json.dumps(verdicts(int(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
