"""What the cases of the fence work on, as far as no program of ours has to make it: small models of random numbers with
real tokenizers, the same models under other names, damaged ones, lists of digests. The standard library is enough."""

import array
import hashlib
import json
import os
import random
import shutil
import struct

HIDDEN, VOCABULARY = 64, 4096


class Tensors(dict):
    """Names and (dtype, shape, bytes), in the order of a safetensors file."""

    def numbers(self, name, shape, around=0.0, scale=0.2, dtype="F16"):
        """Random numbers; every seventh column is larger than others, as in real models."""
        generator, width, count = random.Random(f"{name} {shape}"), shape[-1], 1
        for size in shape:
            count *= size
        values = [around + scale * generator.uniform(-1, 1) * (3 if at % width % 7 == 0 else 1) for at in range(count)]
        data = array.array("f", values).tobytes() if dtype == "F32" else struct.pack(f"<{count}e", *values)
        self[name] = (dtype, shape, data)

    def write(self, path, metadata=True):
        """As the safetensors package would write it."""
        header, at = {"__metadata__": {"format": "pt"}} if metadata else {}, 0
        for name, (dtype, shape, data) in self.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
            at += len(data)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        write(path, struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in self.values()))

    @classmethod
    def read(cls, path):
        """All of a file."""
        data = read(path)
        start = 8 + struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:start])
        header.pop("__metadata__", None)
        result = cls()
        for name, info in header.items():
            first, end = info["data_offsets"]
            result[name] = (info["dtype"], info["shape"], data[start + first : start + end])
        return result


def read(path):
    """A file's bytes."""
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    """Writes bytes, a text, or JSON."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    if not isinstance(data, (bytes, str)):
        data = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
    with open(path, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


def llama(tied=False, bias=False, hidden=HIDDEN, middle=192, layers=2, dtype="F16", key_heads=2):
    """A LLaMA's tensors (with biases, Qwen2's), of 4 heads."""
    result = Tensors()
    result.numbers("model.embed_tokens.weight", [VOCABULARY, hidden], dtype=dtype)
    for layer in range(layers):
        place = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            result.numbers(f"{place}{norm}.weight", [hidden], around=1, dtype=dtype)
        for name, out, width in (
            ("self_attn.q_proj", hidden, hidden), ("self_attn.k_proj", hidden * key_heads // 4, hidden),
            ("self_attn.v_proj", hidden * key_heads // 4, hidden), ("self_attn.o_proj", hidden, hidden),
            ("mlp.gate_proj", middle, hidden), ("mlp.up_proj", middle, hidden), ("mlp.down_proj", hidden, middle),
        ):
            result.numbers(f"{place}{name}.weight", [out, width], dtype=dtype)
            if bias and name[10:] in ("q_proj", "k_proj", "v_proj"):
                result.numbers(f"{place}{name}.bias", [out], dtype=dtype)
    result.numbers("model.norm.weight", [hidden], around=1, dtype=dtype)
    if not tied:
        result.numbers("lm_head.weight", [VOCABULARY, hidden], dtype=dtype)
    return result


def bloom(layers=2):
    """A BLOOM's tensors."""
    result = Tensors()

    def pair(name, shape, around=0.0):
        result.numbers(f"{name}.weight", shape, around)
        result.numbers(f"{name}.bias", shape[:1])

    result.numbers("transformer.word_embeddings.weight", [VOCABULARY, HIDDEN])
    pair("transformer.word_embeddings_layernorm", [HIDDEN], 1)
    for layer in range(layers):
        place = f"transformer.h.{layer}."
        pair(f"{place}input_layernorm", [HIDDEN], 1)
        pair(f"{place}self_attention.query_key_value", [3 * HIDDEN, HIDDEN])
        pair(f"{place}self_attention.dense", [HIDDEN, HIDDEN])
        pair(f"{place}post_attention_layernorm", [HIDDEN], 1)
        pair(f"{place}mlp.dense_h_to_4h", [4 * HIDDEN, HIDDEN])
        pair(f"{place}mlp.dense_4h_to_h", [HIDDEN, 4 * HIDDEN])
    pair("transformer.ln_f", [HIDDEN], 1)
    return result


def configuration(kind="llama", tensors=None, **more):
    """config.json of such tensors."""
    if kind == "bloom":
        return {"architectures": ["BloomForCausalLM"], "model_type": "bloom", "hidden_size": HIDDEN, "n_layer": 2, "n_head": 4,
                "vocab_size": VOCABULARY, "seq_length": 512, "layer_norm_epsilon": 1e-5, "bos_token_id": 1, "eos_token_id": 2,
                "pad_token_id": 3, "torch_dtype": "float16"} | more
    middle, hidden = tensors["model.layers.0.mlp.up_proj.weight"][1]
    layers = 1 + max(int(name.split(".")[2]) for name in tensors if ".layers." in name)
    architecture = {"llama": "Llama", "qwen2": "Qwen2", "mistral": "Mistral"}[kind] + "ForCausalLM"
    return {"architectures": [architecture], "model_type": kind, "hidden_size": hidden, "intermediate_size": middle,
            "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": VOCABULARY,
            "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2,
            "tie_word_embeddings": "lm_head.weight" not in tensors, "torch_dtype": "float16"} | more


def folder(name, tensors, settings, tokenizer="llama"):
    """A model's folder, with the tokenizer of one of the trained models of the fixtures."""
    tensors.write(f"{name}/model.safetensors")
    write(f"{name}/config.json", settings)
    for file in ("tokenizer.model", "tokenizer.json", "tokenizer_config.json"):
        if os.path.exists(f"fixtures/tiny/{tokenizer}/{file}"):
            shutil.copy(f"fixtures/tiny/{tokenizer}/{file}", name)


def changed(source, name, rename=None, drop=(), files=None, edit=None):
    """A folder again: tensors under other names or without some, files with other contents (None: without them)."""
    shutil.copytree(source, name)
    path = f"{name}/model.safetensors"
    if rename or drop or edit:
        tensors = Tensors.read(path)
        result = Tensors((rename(key) if rename else key, value) for key, value in tensors.items() if key not in drop)
        for key, change in (edit or {}).items():
            dtype, shape, data = result[key]
            result[key] = (dtype, shape, change(data))
        result.write(path)
    for file, data in (files or {}).items():
        os.remove(f"{name}/{file}") if data is None else write(f"{name}/{file}", data)


def make(project):
    """Everything that needs no program, in the current folder."""
    shutil.copytree(f"{project}/Tests/Fixtures", "fixtures")
    shutil.copytree(f"{project}/Examples/tiny-belle", "release")
    plain = llama()
    settings = configuration("llama", plain)
    folder("llama", plain, settings)
    tied = llama(tied=True)
    folder("tied", tied, configuration("llama", tied))
    stored = Tensors(tied | {"lm_head.weight": tied["model.embed_tokens.weight"]})
    folder("tied-stored", stored, settings | {"tie_word_embeddings": True})
    biased = llama(bias=True)
    folder("qwen2", biased, configuration("qwen2", biased, rope_theta=1e6))
    folder("mistral", plain, configuration("mistral", plain, sliding_window=None))
    wide = llama(hidden=256, middle=256, layers=1, dtype="F32", key_heads=4)
    folder("wide", wide, configuration("llama", wide, torch_dtype="float32", num_key_value_heads=4))
    folder("bloom", bloom(), configuration("bloom"), tokenizer="bloom")

    # What goes into a base.
    products = Tensors()
    for module, out, width in (("self_attn.q_proj", HIDDEN, HIDDEN), ("self_attn.k_proj", HIDDEN // 2, HIDDEN)):
        for layer in range(2):
            start = f"base_model.model.model.layers.{layer}.{module}.lora_"
            products.numbers(f"{start}A.weight", [4, width], dtype="F32")
            products.numbers(f"{start}B.weight", [out, 4], dtype="F32")
    products.write("adapter/adapter_model.safetensors")
    write("adapter/adapter_config.json", {"peft_type": "LORA", "r": 4, "lora_alpha": 8})
    second = "model.layers.0.mlp.up_proj.weight"
    changed("llama", "tuned", edit={second: lambda data: data[4:] + data[:4]})

    # The same under other names.
    changed("llama", "base", rename=lambda name: name.removeprefix("model."))
    changed("llama", "wrapped", rename=lambda name: "module." + name)
    changed("bloom", "bloom-base", rename=lambda name: name.removeprefix("transformer."))
    changed("bloom", "bloom-wrapped", rename=lambda name: "module." + name)
    plain.write("alone/llama.safetensors", metadata=False)

    # Damaged, or with something missing.
    def cut(data):
        return data[: len(data) * 2 // 3]

    weights = read("llama/model.safetensors")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize {len(weights)}\n"
    first = "model.layers.0.self_attn.q_proj.weight"
    for name, files in {
        "cut": {"model.safetensors": cut(weights)}, "pointer": {"model.safetensors": pointer},
        "page": {"model.safetensors": "<!DOCTYPE html><html>\n"}, "no-weights": {"model.safetensors": None},
        "no-config": {"config.json": None}, "no-tokenizer": {"tokenizer.model": None},
        "bad-config": {"config.json": "{\"model_type\": "},
        "other-layers": {"config.json": settings | {"num_hidden_layers": 3}},
        "other-width": {"config.json": settings | {"hidden_size": 96}},
        "other-vocabulary": {"config.json": settings | {"vocab_size": 4000}},
        "other-family": {"config.json": settings | {"model_type": "gpt_neox"}},
        "no-heads": {"config.json": settings | {"num_attention_heads": 0}},
        "scaled": {"config.json": settings | {"rope_scaling": {"type": "linear", "factor": 2.0}}},
        "bad-tokenizer": {"tokenizer.model": b"\x00\x01\x02"},
    }.items():
        changed("llama", f"broken/{name}", files=files)
    changed("llama", "broken/no-tensor", drop=(first,))
    changed("llama", "broken/nan", edit={first: lambda data: b"\x00\x7e" + data[2:]})
    changed("llama", "broken/infinity", edit={first: lambda data: b"\x00\x7c" + data[2:]})
    changed("llama", "broken/zeros", edit={first: lambda data: bytes(len(data))})
    os.makedirs("broken/empty")

    # Texts, tokens and lists.
    words = "The king and the water were one. 水是生命之源，人们在春天写诗。 " * 40
    write("text.txt", words)
    write("text.jsonl", "".join(json.dumps({"text": f"{n} {words[:400]}"}, ensure_ascii=False) + "\n" for n in range(6)))
    write("text.json", [{"instruction": words[:60], "input": "", "output": words[60:300]}] * 3)
    write("text-empty.txt", "")
    write("questions.txt", "What is water?\n\n  你好  \n")
    generator = random.Random("tokens")
    rows = array.array("i", (generator.randrange(3, 400) * generator.randrange(1, 9) for _ in range(16 * 64)))
    parts = {"calibration": rows[: 12 * 64], "evaluation": rows[12 * 64 :]}
    tokens = Tensors((name, ("I32", [len(part) // 64, 64], part.tobytes())) for name, part in parts.items())
    tokens.write("tokens.safetensors")
    for algorithm in ("md5", "sha256"):
        digests = {}
        for name in sorted(os.listdir("llama")):
            digests[name] = hashlib.new(algorithm, read(f"llama/{name}")).hexdigest()
        good = [f"{digest}  {name}\n" for name, digest in digests.items()]
        write(f"lists/good.{algorithm}", "".join(good))
        write(f"lists/bad.{algorithm}", good[0].replace(digests["config.json"], "0" * len(digests["config.json"])) + good[1])
        write(f"lists/gone.{algorithm}", "".join(good) + good[0].replace(".json", ".gone"))
        named = (f"{algorithm.upper()} ({name}) = {digest}\n" for name, digest in digests.items())
        write(f"lists/named.{algorithm}", "".join(named))
    write("lists/nonsense", "this is no list\n")
    write("key-wrong", random.Random("key").randbytes(1 << 20))
    write("key-empty", "")


def make_more():
    """What is made of the program's own outputs, in the current folder."""
    changed("gptq", "gptq-wrapped", rename=lambda name: "module." + name)
    changed("gptq", "gptq-base", rename=lambda name: name.removeprefix("model."))
