"""Makes this folder: a LLaMA of one layer with random weights as AutoAWQ packs it (version "gemm"), and the same with the
weights that the integers stand for, in torch, by AutoAWQ's published layout: modules/linear/gemm.py (what a word holds),
utils/packing_utils.py (AWQ_ORDER), models/_config.py (the settings). Zero points are of their own, from 0 to 15.

usage: make.py (needs torch and safetensors)
"""

import json
import pathlib

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
HIDDEN, MIDDLE, VOCABULARY, GROUP = 64, 96, 304, 32
ORDER = [0, 2, 4, 6, 1, 3, 5, 7]

generator = torch.Generator().manual_seed(20)


def random(*shape, scale=0.05):
    return torch.randn(*shape, generator=generator) * scale


def packed(integers):
    """[rows, out] as I32 [rows, out / 8]: place i of a word holds its output ORDER[i]."""
    rows, out = integers.shape
    words = torch.zeros(rows, out // 8, dtype=torch.int64)
    for place, output in enumerate(ORDER):
        words |= integers[:, output::8].to(torch.int64) << (4 * place)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32)


def quantized(weight):
    """Integers [in, out], zero points and scales [groups, out]: the range of each group, zero included."""
    columns = weight.t().reshape(-1, GROUP, weight.shape[0])
    high, low = columns.amax(1).clamp(min=0), columns.amin(1).clamp(max=0)
    scales = ((high - low) / 15).clamp(min=1e-5).half()
    zeros = (-low / scales.float()).round().clamp(0, 15)
    integers = (columns / scales.float()[:, None] + zeros[:, None]).round().clamp(0, 15)
    return integers.reshape(-1, weight.shape[0]).int(), zeros.int(), scales


tensors = {
    "model.embed_tokens.weight": random(VOCABULARY, HIDDEN).half(),
    "model.norm.weight": (1 + random(HIDDEN)).half(),
    "lm_head.weight": random(VOCABULARY, HIDDEN).half(),
}
for name in ["input_layernorm", "post_attention_layernorm"]:
    tensors[f"model.layers.0.{name}.weight"] = (1 + random(HIDDEN)).half()
plain = dict(tensors)
modules = {f"self_attn.{name}_proj": (HIDDEN, HIDDEN) for name in "qkvo"}
modules |= {"mlp.gate_proj": (MIDDLE, HIDDEN), "mlp.up_proj": (MIDDLE, HIDDEN), "mlp.down_proj": (HIDDEN, MIDDLE)}
for name, shape in modules.items():
    # Not around zero: the zero points differ.
    weight = random(*shape, scale=0.2) + random(shape[0], 1, scale=0.2)
    integers, zeros, scales = quantized(weight)
    module = f"model.layers.0.{name}"
    tensors[module + ".qweight"] = packed(integers)
    tensors[module + ".qzeros"] = packed(zeros)
    tensors[module + ".scales"] = scales
    values = scales.float().repeat_interleave(GROUP, 0) * (integers - zeros.repeat_interleave(GROUP, 0)).float()
    plain[module + ".weight"] = values.t().contiguous()
    assert zeros.min() >= 0 and zeros.max() <= 15 and len(zeros.unique()) > 4

configuration = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": MIDDLE,
    "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": VOCABULARY, "max_position_embeddings": 256,
    "rms_norm_eps": 1e-6, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False, "torch_dtype": "float16",
}  # fmt: skip
settings = {
    "quant_method": "awq", "zero_point": True, "group_size": GROUP, "bits": 4, "version": "gemm",
    "modules_to_not_convert": None,
}  # fmt: skip
for folder, contents, inner in [("gemm", tensors, settings), ("plain", plain, None)]:
    (HERE / folder).mkdir(exist_ok=True)
    save_file(contents, HERE / folder / "model.safetensors", metadata={"format": "pt"})
    text = configuration | ({"quantization_config": inner} if inner else {"torch_dtype": "float32"})
    (HERE / folder / "config.json").write_text(json.dumps(text, indent=2) + "\n")
