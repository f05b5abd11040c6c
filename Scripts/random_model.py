"""Models of random numbers for what is measured: a LLaMA in half precision, and windows of tokens for its calibration. The same
bytes every time. Python's standard library only."""

import json
import random
import shutil
import struct


def halves(seed, count):
    """Random numbers in half precision, 2^-7 to 2^-5 with either sign; a mebibyte of them, again and again."""
    block = min(count, 499_979)
    bits = int.from_bytes(seed.randbytes(2 * block), "little")
    mask, base = (int.from_bytes(pair * block, "little") for pair in (b"\xff\x87", b"\x00\x20"))
    part = (bits & mask | base).to_bytes(2 * block, "little")
    return (part * (count // block + 1))[: 2 * count]


def safetensors(path, tensors):
    """Writes (name, type, shape, bytes)."""
    header, at = {}, 0
    for name, kind, shape, data in tensors:
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for *_, data in tensors:
            file.write(data)


def write_llama(folder, hidden, middle, layers, heads, vocabulary, windows, length, tokenizer=None):
    """A folder with model.safetensors, config.json, tokens.safetensors (`calibration`) and a tokenizer's file, where one is given."""
    seed = random.Random(1)
    folder.mkdir()
    settings = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": hidden, "intermediate_size": middle,
                "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads,
                "vocab_size": vocabulary, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "torch_dtype": "float16",
                "bos_token_id": 1, "eos_token_id": 2}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(settings))
    if tokenizer:
        shutil.copy(tokenizer, folder)
    tensors = []

    def add(name, *shape):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        data = halves(seed, count) if len(shape) > 1 else b"\x00\x3c" * count
        tensors.append((name + ".weight", "F16", list(shape), data))

    add("model.embed_tokens", vocabulary, hidden)
    for layer in range(layers):
        place = f"model.layers.{layer}."
        for name in "qkvo":
            add(f"{place}self_attn.{name}_proj", hidden, hidden)
        for name, out, width in (("gate", middle, hidden), ("up", middle, hidden), ("down", hidden, middle)):
            add(f"{place}mlp.{name}_proj", out, width)
        for name in ("input", "post_attention"):
            add(f"{place}{name}_layernorm", hidden)
    add("model.norm", hidden)
    add("lm_head", vocabulary, hidden)
    safetensors(folder / "model.safetensors", tensors)
    count = windows * length
    tokens = struct.pack(f"<{count}i", *(seed.randrange(3, vocabulary) for _ in range(count)))
    safetensors(folder / "tokens.safetensors", [("calibration", "I32", [windows, length], tokens)])
