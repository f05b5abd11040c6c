"""Makes the folders of this folder: one small random model of each architecture, as transformers saves it; InternLM2's and
Baichuan's as their publishers' files are laid out, computed by plain.py. `reference.json` holds what each makes of the tokens
in it: perplexity, some logits, and what it goes on with greedily. Texts are longer than the windows and the original lengths
of the models. Run with torch, transformers and safetensors: python3 make.py [folder [name ...]]

Interop makes others with models() and make(): of the numbers of layers that llama.cpp wants.
"""

import json
import os
import sys

import torch
from plain import forward, shapes
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, LENGTH, PROMPT, MORE = 272, 48, 12, 28

COMMON = dict(
    vocab_size=ROWS, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, bos_token_id=None, eos_token_id=None, pad_token_id=None,
)  # fmt: skip
DIVISORS = {"short_factor": [1.0, 1.1, 1.3], "long_factor": [1.2, 2.0, 3.5]}


def models():
    """The models: name → (model_type, what differs)."""
    theta = {"rope_theta": 500.0}
    return {
        "llama3": ("llama", {"rope_scaling": {
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32}, **theta}),
        "llama-dynamic": ("llama", {
            "max_position_embeddings": 32, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}, **theta}),
        "llama-yarn": ("llama", {"rope_scaling": {
            "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}, **theta}),
        "mistral": ("mistral", {"sliding_window": 16, **theta}),
        "smollm2": ("llama", {"tie_word_embeddings": True, **theta}),
        "smollm3": ("smollm3", {"num_hidden_layers": 4, **theta}),
        "phi3": ("phi3", {
            "num_key_value_heads": 4, "original_max_position_embeddings": 24, "partial_rotary_factor": 0.75,
            "tie_word_embeddings": True, "rope_scaling": {"rope_type": "longrope", **DIVISORS}, **theta}),
        "phi3-window": ("phi3", {"sliding_window": 16, "num_key_value_heads": 4, **theta}),
        "gemma2": ("gemma2", {
            "head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 16, "attn_logit_softcapping": 5.0,
            "final_logit_softcapping": 3.0, **theta}),
        "gemma3": ("gemma3_text", {
            "num_hidden_layers": 6, "head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 16,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 500.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}}),
        "internlm2": ("internlm2", {
            "max_position_embeddings": 32, "rope_scaling": {"type": "dynamic", "factor": 2.0}, **theta}),
        "baichuan": ("baichuan", {}),
        "baichuan2-13b": ("baichuan-13b", {"z_loss_weight": 0}),
    }


PLAIN = {
    "internlm2": {"architectures": ["InternLM2ForCausalLM"], "model_type": "internlm2", "hidden_act": "silu", "bias": False},
    "baichuan": {"architectures": ["BaichuanForCausalLM"], "model_type": "baichuan", "hidden_act": "silu"},
    "baichuan-13b": {"architectures": ["BaichuanForCausalLM"], "model_type": "baichuan", "hidden_act": "silu"},
}


def values(name, shape, generator):
    """Such that windows, positions and bounds show: scores are large, and logits are."""
    mean, scale = (0.2, 0.5) if name.endswith("norm.weight") else (0, 0.3)
    return (mean + torch.randn(shape, generator=generator) * scale).to(torch.bfloat16)


class Plain:
    """A model that plain.py computes."""

    def __init__(self, kind, settings, generator):
        settings = {name: value for name, value in settings.items() if value is not None}
        self.kind, self.config = kind, {**PLAIN[kind], "rms_norm_eps": 1e-6, "tie_word_embeddings": False, **settings}
        if kind != "internlm2":
            del self.config["num_key_value_heads"]
        if kind == "baichuan-13b":
            self.config["model_max_length"] = self.config.pop("max_position_embeddings")
        self.tensors = {
            name: values(name, shape, generator) + (0.8 if name.endswith("norm.weight") else 0)
            for name, shape in shapes(kind, self.config).items()}

    def logits(self, rows):
        return torch.stack([forward(self.kind, self.config, self.tensors, row) for row in rows.tolist()])

    def greedy(self, prompt, count):
        # Keys of earlier tokens keep the base of their time, as they do in a cache: no text here grows beyond the length.
        text = prompt.tolist()
        for _ in range(min(count, self.config.get("max_position_embeddings", 10**6) - len(text))):
            text.append(int(forward(self.kind, self.config, self.tensors, text)[-1].argmax()))
        return text[len(prompt):]

    def save(self, folder):
        os.makedirs(folder, exist_ok=True)
        save_file(self.tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
        with open(os.path.join(folder, "config.json"), "w") as file:
            json.dump({**self.config, "torch_dtype": "bfloat16"}, file, indent=1)


class Saved:
    """A model of transformers."""

    def __init__(self, kind, settings, generator):
        config = AutoConfig.for_model(kind, **settings)
        self.model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        offset = 0 if kind.startswith("gemma") else 0.8
        with torch.no_grad():
            for name, value in self.model.named_parameters():
                # Rounded to what is saved; the whole model is not, for its frequencies would be, too.
                made = values(name, value.shape, generator)
                value.copy_(made + (offset if name.endswith("norm.weight") else 0))

    def logits(self, rows):
        with torch.no_grad():
            return self.model(rows).logits

    def greedy(self, prompt, count):
        with torch.no_grad():
            whole = self.model.generate(prompt[None], do_sample=False, max_new_tokens=count, pad_token_id=0)
        return whole[0, len(prompt):].tolist()

    def save(self, folder):
        self.model.to(torch.bfloat16).save_pretrained(folder)
        other = os.path.join(folder, "generation_config.json")
        if os.path.exists(other):
            os.remove(other)


def perplexity(logits, rows):
    losses = -logits.double().log_softmax(-1)[:, :-1].gather(2, rows[:, 1:, None])
    return losses.mean().exp().item()


def make(name, folder, rows, seed=1, **changes):
    """Makes a model's folder.

    changes: measures that differ. Returns what it makes of the tokens.
    """
    kind, settings = models()[name]
    generator = torch.Generator().manual_seed(seed)
    model = (Plain if kind in PLAIN else Saved)(kind, {**COMMON, **settings, **changes}, generator)
    logits = model.logits(rows)
    found = {
        "perplexity": perplexity(logits, rows),
        # After a short text, and at the end of a long one.
        "logits": [[round(value, 5) for value in logits[0, place].tolist()] for place in (PROMPT - 1, LENGTH - 1)],
        "continuation": model.greedy(rows[0, :PROMPT], MORE),
    }
    model.save(folder)
    return found


def tokens():
    return torch.randint(0, 256, (3, LENGTH), generator=torch.Generator().manual_seed(7))


def main():
    place = sys.argv[1] if len(sys.argv) > 1 else HERE
    rows = tokens()
    reference = {"tokens": rows.tolist(), "prompt": PROMPT, "models": {}}
    for name in sys.argv[2:] or models():
        reference["models"][name] = make(name, os.path.join(place, name), rows)
    with open(os.path.join(place, "reference.json"), "w") as file:
        json.dump(reference, file)
        file.write("\n")


if __name__ == "__main__":
    main()
