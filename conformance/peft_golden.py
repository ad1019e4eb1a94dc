"""Golden adapters and gradients for @qlora/lora, made by PEFT 0.21 (PyTorch 2.13, transformers 5.18).

python conformance/peft_golden.py                    rewrites packages/lora/test/golden
python conformance/peft_golden.py deltas DIR         loads an adapter into the tiny model; prints scaling·B·A of each module as JSON
python conformance/peft_golden.py resave DIR TO      loads an adapter into the tiny model and saves it again
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

OUT = Path(__file__).parent.parent / "packages/lora/test/golden"


def tiny_model(dtype=torch.float32) -> LlamaForCausalLM:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=16, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, pad_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    config._name_or_path = "tiny/llama-é"
    return LlamaForCausalLM(config).to(dtype)


def adapters() -> dict[str, LoraConfig]:
    def config(**kwargs) -> LoraConfig:
        return LoraConfig(task_type="CAUSAL_LM", **kwargs)

    return {
        "plain": config(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], lora_dropout=0.05),
        "rslora": config(r=2, lora_alpha=16, target_modules="all-linear", use_rslora=True, init_lora_weights="gaussian"),
        "patterns": config(
            r=4,
            lora_alpha=6,
            target_modules=r"model\.layers\.\d+\.(self_attn\.[qk]_proj|mlp\.(up|down)_proj)",
            exclude_modules=["layers.0.mlp.down_proj"],
            rank_pattern={r"layers\.[01]\.self_attn\.q_proj": 2, "down_proj": 3},
            alpha_pattern={"mlp.up_proj": 1, ".*attn.k_proj": 32},
        ),
        "layers": config(r=1, lora_alpha=1, target_modules=["gate_proj"], layers_to_transform=[1], layers_pattern="layers"),
        "bfloat16": config(r=2, lora_alpha=3, target_modules=["o_proj"]),
        # what is refused
        "refused-dora": config(r=1, target_modules=["o_proj"], use_dora=True),
        "refused-bias": config(r=1, target_modules=["o_proj"], bias="all"),
        "refused-lora-bias": config(r=1, target_modules=["o_proj"], lora_bias=True),
        "refused-modules-to-save": config(r=1, target_modules=["o_proj"], modules_to_save=["lm_head"]),
        "refused-embedding": config(r=1, target_modules=["embed_tokens"]),
        "refused-tokens": config(r=1, target_modules=["o_proj"], trainable_token_indices=[1]),
        "refused-pissa": config(r=1, target_modules=["o_proj"], init_lora_weights="pissa"),
        "refused-olora": config(r=1, target_modules=["o_proj"], init_lora_weights="olora"),
    }


def deltas(model: PeftModel) -> dict[str, list]:
    prefix = "base_model.model."
    return {
        name.removeprefix(prefix): module.get_delta_weight("default").float().flatten().tolist()
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }


def write_adapters() -> None:
    expected = {}
    for name, config in adapters().items():
        folder = OUT / name
        half = name == "bfloat16"
        model = get_peft_model(tiny_model(torch.bfloat16 if half else torch.float32), config, autocast_adapter_dtype=not half)
        torch.manual_seed(5)
        for key, parameter in model.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(parameter, std=0.1)
        model.save_pretrained(folder)
        (folder / "README.md").unlink()
        (folder / "adapter_model.safetensors").chmod(0o644)
        if not name.startswith("refused"):
            expected[name] = {
                "scaling": {
                    key.removeprefix("base_model.model."): module.scaling["default"]
                    for key, module in model.named_modules()
                    if isinstance(module, LoraLayer)
                },
                "deltas": deltas(model) if not half else {},
            }
    (OUT / "expected.json").write_text(json.dumps(expected) + "\n")


def write_gradients() -> None:
    """Forward and backward of PEFT's own layers: three that share an input (as q, k, v do), without dropout."""
    torch.manual_seed(9)
    m, k, outs, ranks = 7, 12, [10, 4, 6], [4, 3, 1]
    x = torch.randn(m, k, requires_grad=True)
    tensors = {"x": x.detach()}
    total = 0
    for i, (n, r) in enumerate(zip(outs, ranks)):
        layer = torch.nn.ModuleDict({"linear": torch.nn.Linear(k, n, bias=False)})
        config = LoraConfig(r=r, lora_alpha=5, use_rslora=i == 1, target_modules=["linear"])
        peft = get_peft_model(layer, config)
        linear = peft.base_model.model["linear"]
        torch.nn.init.normal_(linear.lora_B["default"].weight)
        dy = torch.randn(m, n)
        y = linear(x)
        total = total + (y * dy).sum()
        with torch.no_grad():
            base = linear.base_layer(x)
        a, b = linear.lora_A["default"].weight, linear.lora_B["default"].weight
        tensors |= {f"a{i}": a, f"b{i}": b, f"w{i}": linear.base_layer.weight, f"dy{i}": dy, f"base{i}": base, f"y{i}": y}
        tensors[f"scaling{i}"] = torch.tensor([linear.scaling["default"]], dtype=torch.float64)
    total.backward()
    for i in range(len(outs)):
        tensors |= {f"gradA{i}": tensors[f"a{i}"].grad, f"gradB{i}": tensors[f"b{i}"].grad}
    tensors["dx"] = x.grad
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, OUT / "gradients.safetensors")
    (OUT / "gradients.safetensors").chmod(0o644)


if __name__ == "__main__":
    if sys.argv[1:2] == ["deltas"]:
        print(json.dumps(deltas(PeftModel.from_pretrained(tiny_model(), sys.argv[2]))))
    elif sys.argv[1:2] == ["resave"]:
        PeftModel.from_pretrained(tiny_model(), sys.argv[2]).save_pretrained(sys.argv[3])
    else:
        shutil.rmtree(OUT, ignore_errors=True)
        OUT.mkdir(parents=True)
        write_adapters()
        write_gradients()
