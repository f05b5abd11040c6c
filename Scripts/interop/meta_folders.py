"""Meta's folders, in one shard, in two and in two of unequal rows, as Hugging Face's: against what the conversion script
of BELLE's time (transformers 4.28, convert_llama_weights_to_hf.py, which BELLE's training code carries) makes of them, which
is written down here from its description: names, rows, shards side by side, half precision, and config.json; and against
transformers as it is now, which loads our folder and predicts what the model predicted. The tokenizer lies one folder up, as
in Meta's download."""

import json
import shutil

import torch
from safetensors.torch import load_file
from support import PROJECT, check, folder, tools
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

NEEDS = ["torch", "transformers", "safetensors", "sentencepiece"]

TOKENIZER = PROJECT / "Tests/Fixtures/tiny/llama/tokenizer.model"
WIDTH, LAYERS, HEADS, MIDDLE, ROWS = 64, 2, 4, 256, 4097
COLUMNS = ("tok_embeddings.weight", "attention.wo.weight", "feed_forward.w2.weight")


def pairs(rows):
    """Hugging Face's halves of each head as Meta's pairs."""
    return rows.view(HEADS, 2, WIDTH // HEADS // 2, WIDTH).transpose(1, 2).reshape(WIDTH, WIDTH)


def model():
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=ROWS, hidden_size=WIDTH, intermediate_size=MIDDLE, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        initializer_range=0.25, rms_norm_eps=1e-6,
    )  # fmt: skip
    return LlamaForCausalLM(config).half().eval()


def meta(state):
    """The tensors as Meta has them."""
    found = {
        "tok_embeddings.weight": state["model.embed_tokens.weight"], "norm.weight": state["model.norm.weight"],
        "output.weight": state["lm_head.weight"],
    }  # fmt: skip
    modules = {
        "attention.wq": "self_attn.q_proj", "attention.wk": "self_attn.k_proj", "attention.wv": "self_attn.v_proj",
        "attention.wo": "self_attn.o_proj", "feed_forward.w1": "mlp.gate_proj", "feed_forward.w2": "mlp.down_proj",
        "feed_forward.w3": "mlp.up_proj", "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    }  # fmt: skip
    for layer in range(LAYERS):
        for name, theirs in modules.items():
            values = state[f"model.layers.{layer}.{theirs}.weight"]
            values = pairs(values) if name in ("attention.wq", "attention.wk") else values
            found[f"layers.{layer}.{name}.weight"] = values
    return {name: values.clone().contiguous() for name, values in found.items()}


def write(place, tensors, count):
    """Shards: of rows or columns as Meta divides them; what does not divide goes to the last."""
    place.mkdir(parents=True)
    frequencies = (1 / 10000 ** (torch.arange(0, WIDTH // HEADS, 2).float() / (WIDTH // HEADS))).half()
    for number in range(count):
        shard = {}
        for name, values in tensors.items():
            if values.dim() == 1 or count == 1:
                shard[name] = values.clone()
                continue
            axis = 1 if name.endswith(COLUMNS) else 0
            size = values.shape[axis] // count
            end = values.shape[axis] if number == count - 1 else (number + 1) * size
            shard[name] = values.narrow(axis, number * size, end - number * size).clone()
        if count == 1:
            shard |= {f"layers.{i}.attention.inner_attention.rope.freqs": frequencies.clone() for i in range(LAYERS)}
        else:
            shard["rope.freqs"] = frequencies.clone()
        torch.save(shard, place / f"consolidated.{number:02d}.pth")
    params = {"dim": WIDTH, "multiple_of": 256, "n_heads": HEADS, "n_layers": LAYERS, "norm_eps": 1e-06, "vocab_size": -1}
    (place / "params.json").write_text(json.dumps(params))


def theirs(place, count):
    """What the script makes of a folder."""
    loaded = [torch.load(place / f"consolidated.{number:02d}.pth") for number in range(count)]

    def joined(name, axis):
        return torch.cat([shard[name] for shard in loaded], dim=axis)

    def permute(rows):
        return rows.view(HEADS, WIDTH // HEADS // 2, 2, WIDTH).transpose(1, 2).reshape(WIDTH, WIDTH)

    found = {
        "model.embed_tokens.weight": joined("tok_embeddings.weight", 1), "lm_head.weight": joined("output.weight", 0),
        "model.norm.weight": loaded[0]["norm.weight"],
    }  # fmt: skip
    for layer in range(LAYERS):
        (ours, meta) = (f"model.layers.{layer}.", f"layers.{layer}.")
        found[ours + "self_attn.q_proj.weight"] = permute(joined(meta + "attention.wq.weight", 0))
        found[ours + "self_attn.k_proj.weight"] = permute(joined(meta + "attention.wk.weight", 0))
        found[ours + "self_attn.v_proj.weight"] = joined(meta + "attention.wv.weight", 0)
        found[ours + "self_attn.o_proj.weight"] = joined(meta + "attention.wo.weight", 1)
        found[ours + "mlp.gate_proj.weight"] = joined(meta + "feed_forward.w1.weight", 0)
        found[ours + "mlp.down_proj.weight"] = joined(meta + "feed_forward.w2.weight", 1)
        found[ours + "mlp.up_proj.weight"] = joined(meta + "feed_forward.w3.weight", 0)
        found[ours + "input_layernorm.weight"] = loaded[0][meta + "attention_norm.weight"]
        found[ours + "post_attention_layernorm.weight"] = loaded[0][meta + "ffn_norm.weight"]
    config = {
        "hidden_size": WIDTH, "intermediate_size": MIDDLE, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS,
        "rms_norm_eps": 1e-06, "vocab_size": ROWS, "max_position_embeddings": 2048, "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "silu", "tie_word_embeddings": False, "torch_dtype": "float16", "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
    }  # fmt: skip
    return found, config


def converted(count):
    """A folder of shards, converted both ways."""
    original = model()
    with folder() as place:
        write(place / "llama/7B", meta(original.state_dict()), count)
        shutil.copy(TOKENIZER, place / "llama/tokenizer.model")
        wanted, config = theirs(place / "llama/7B", count)
        tools("convert", place / "llama/7B", place / "hf", "--layout", "hf")
        found = load_file(place / "hf/model.safetensors")
        assert found.keys() == wanted.keys(), f"{sorted(found.keys() ^ wanted.keys())[:5]}"
        for name, values in wanted.items():
            assert found[name].dtype == values.dtype and torch.equal(found[name], values), name
        written = json.loads((place / "hf/config.json").read_text())
        for key, value in config.items():
            assert written[key] == value, f"{key} is {written.get(key)}, and theirs {value}"
        assert (place / "hf/tokenizer.model").read_bytes() == TOKENIZER.read_bytes()
        settings = json.loads((place / "hf/tokenizer_config.json").read_text())
        assert settings["tokenizer_class"] == "LlamaTokenizer" and settings["add_bos_token"] is True
        assert (settings["bos_token"], settings["eos_token"], settings["unk_token"]) == ("<s>", "</s>", "<unk>")

        again, info = AutoModelForCausalLM.from_pretrained(place / "hf", output_loading_info=True, dtype=torch.float16)
        assert not info["missing_keys"] and not info["unexpected_keys"], info
        assert AutoConfig.from_pretrained(place / "hf").eos_token_id == 2
        for name, values in original.state_dict().items():
            assert torch.equal(again.state_dict()[name], values), name


@check("one shard with the frequencies of each layer, as LLaMA 7B has them")
def one():
    converted(1)


@check("two shards of unequal rows of the head")
def two():
    converted(2)


@check("four shards")
def four():
    converted(4)
