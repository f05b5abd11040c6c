"""Adapters that peft makes and merges itself: `merge` gives the same tensors, within a unit in the last place of half and
bfloat16, and within 3e-7 of the larger part in single precision; also where layers are Conv1D's or an embedding's."""

import copy

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from support import check, folder, tools
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

NEEDS = ["torch", "peft", "transformers", "safetensors"]

SIZES = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=96)
BITS = {torch.float16: 10, torch.bfloat16: 7, torch.float32: 23}


def llama(**more):
    return LlamaForCausalLM(LlamaConfig(**SIZES, **more))


def gpt2():
    return GPT2LMHeadModel(GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=96, n_positions=32))


def qwen():
    model = Qwen2ForCausalLM(Qwen2Config(**SIZES))
    for name, value in model.named_parameters():
        if name.endswith("bias"):
            value.data.normal_(0, 0.1)
    return model


CASES = {
    "rslora": (llama, dict(use_rslora=True, target_modules=["q_proj", "down_proj"])),
    "DoRA": (llama, dict(use_dora=True, target_modules=["q_proj", "v_proj", "down_proj"])),
    "DoRA of an embedding": (llama, dict(use_dora=True, target_modules=["embed_tokens", "q_proj"])),
    "Conv1D": (gpt2, dict(fan_in_fan_out=True, target_modules=["c_attn", "c_proj"])),
    "DoRA of Conv1D": (gpt2, dict(fan_in_fan_out=True, use_dora=True, target_modules=["c_attn", "c_proj"])),
    "all linear modules": (llama, dict(target_modules="all-linear")),
    "bias of B": (qwen, dict(lora_bias=True, target_modules=["q_proj", "k_proj"])),
    "all biases": (qwen, dict(bias="all", target_modules=["q_proj", "o_proj"])),
    "tied, both trained whole": (
        lambda: llama(tie_word_embeddings=True), dict(target_modules=["q_proj"], modules_to_save=["lm_head", "embed_tokens"])),
    "patterns": (
        llama, dict(
            target_modules=r".*layers\.1\..*(q|up)_proj", rank_pattern={r"layers\.\d+\.self_attn\.q_proj": 4},
            alpha_pattern={"^model.layers.1.mlp.up_proj": 3})),
}


def compare(ours, theirs, base, name):
    assert set(ours) == set(theirs), f"{name}: {sorted(set(ours) ^ set(theirs))}"
    for key, value in theirs.items():
        assert ours[key].shape == value.shape and ours[key].dtype == value.dtype, f"{name}: {key}"
        one, other = ours[key].double(), value.double()
        # What was added may be larger than both, and peft rounds an embedding's before it adds it.
        old = base[key].double() if key in base and base[key].shape == value.shape else torch.zeros_like(one)
        size = torch.maximum(one.abs(), other.abs())
        if "embed" in key:
            size = torch.maximum(size, (other - old).abs())
        if value.dtype == torch.float32:
            limit = 3e-7 * torch.maximum(size, old.abs()).clamp_min(1)
        else:
            limit = 2.0 ** (torch.floor(torch.log2(size.clamp_min(2.0**-14))) - BITS[value.dtype])
        worst = ((one - other).abs() / limit).max().item()
        assert worst <= 1, f"{name}: {key} differs by {worst} of what is allowed"


@check("what merge makes of an adapter is what peft makes of it")
def merged():
    for dtype in BITS:
        for name, (make, options) in CASES.items():
            torch.manual_seed(len(name))
            base = make().to(dtype)
            with folder() as path:
                base.save_pretrained(path / "base")
                adapted = get_peft_model(
                    copy.deepcopy(base), LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, **options))
                for value in adapted.parameters():
                    if value.requires_grad:
                        value.data = (value.data.float() + torch.randn(value.shape) * 0.02).to(value.dtype)
                adapted.save_pretrained(path / "adapter")
                again = type(base).from_pretrained(path / "base", dtype=dtype)
                PeftModel.from_pretrained(again, path / "adapter").merge_and_unload().save_pretrained(path / "merged")
                tools("merge", path / "base", path / "adapter", path / "ours", "--quiet")
                compare(
                    *(load_file(path / part / "model.safetensors") for part in ("ours", "merged", "base")), f"{name}, {dtype}")
    return f"{len(CASES) * len(BITS)} adapters"
