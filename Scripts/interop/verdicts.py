"""What `doctor` says of engines against what they do: each model here is loaded by transformers, and where they are
installed by GPTQModel and llama.cpp. "loads it" must be true, "no" must be so, and "not judged" says nothing.

transformers draws weights at random that it does not find, and says so beside: that is no loading. Where a finding is of
values (NaN, zero points of the other version), an engine loads the file, and computes something else than the model; so it does where it leaves layers out.
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys

import torch
from safetensors.torch import load_file, save_file
from support import PROJECT, Skip, check, folder, tools
from transformers import AutoConfig, AutoModelForCausalLM

NEEDS = ["torch", "transformers", "safetensors"]

FIXTURES = PROJECT / "Tests/Fixtures"
# Findings of values: what loads is not what the model is.
OF_VALUES = {
    "not-finite", "zero-point-version", "sym-contradicts-zeros", "scales-not-finite", "group-index-unsorted",
    "group-index-uneven", "rope-differs", "tied-weights-differ", "contradictory-config", "duplicate-tensor", "extra-layer",
}  # fmt: skip


def configuration(kind, **settings):
    """A small model's measures."""
    sizes = dict(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
        vocab_size=256,
    )  # fmt: skip
    if kind == "bloom":
        sizes = dict(
        hidden_size=64, n_layer=2, n_head=4, vocab_size=256)
    return AutoConfig.for_model(kind, **sizes, **settings)


def make(path, kind="llama", **settings):
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(configuration(kind, **settings)).save_pretrained(path)
    return path


def edit(path, **settings):
    """Changes config.json; None takes a key away."""
    place = path / "config.json"
    text = json.loads(place.read_text())
    for key, value in settings.items():
        text.pop(key, None)
        if value is not None:
            text[key] = value
    place.write_text(json.dumps(text))


def change(path, edit):
    """Changes the tensors of a model in one file."""
    place = path / "model.safetensors"
    held = edit(load_file(place))
    save_file({name: value.contiguous() for name, value in held.items()}, place, metadata={"format": "pt"})


def wrapped(held):
    return {"module." + name: value for name, value in held.items()}


def without(*names):
    return lambda held: {name: value for name, value in held.items() if name not in names}


def with_tensor(name, value):
    return lambda held: {**held, name: value}


def models(place):
    """Folders and files, by what they are."""
    for name in ("tiny/llama", "qwen/qwen2", "qwen/qwen3", "llama1", "gptqmodel", "awq/gemm", "awq/plain",
                 "checkpoints/meta-1shard", "checkpoints/meta-2shard", "checkpoints/hf-sharded-st",
                 "checkpoints/hf-sharded-bin"):
        if (FIXTURES / name).exists():
            yield name, FIXTURES / name
    for kind in ("llama", "mistral", "qwen2", "qwen3", "bloom", "gemma", "phi", "gpt_neox", "mixtral"):
        settings = dict(num_local_experts=2) if kind == "mixtral" else {}
        yield kind, make(place / kind, kind, **settings)
    plain = {
        "tied": dict(tie_word_embeddings=True), "biased": dict(attention_bias=True),
        "dynamic": dict(rope_parameters={"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}),
        "yarn": dict(rope_parameters={"rope_type": "yarn", "factor": 4.0, "rope_theta": 10000.0,
                                      "original_max_position_embeddings": 256}),
        "gelu": dict(hidden_act="gelu"),
    }  # fmt: skip
    for name, settings in plain.items():
        yield name, make(place / name, **settings)
    yield "window", make(place / "window", "mistral", sliding_window=64)
    edits = {
        "wrapped": wrapped, "norm gone": without("model.norm.weight"), "head gone": without("lm_head.weight"),
        "stranger outside": with_tensor("v_head.weight", torch.ones(1, 64)),
        "wide norm": with_tensor("model.norm.weight", torch.ones(65)),
        "NaN": with_tensor("model.norm.weight", torch.full((64,), torch.nan)),
        "frequencies": with_tensor("model.layers.0.self_attn.rotary_emb.inv_freq", torch.ones(8)),
        "layer too many": with_tensor("model.layers.2.input_layernorm.weight", torch.ones(64)),
    }  # fmt: skip
    for name, apply in edits.items():
        change(make(place / name), apply)
        yield name, place / name
    tied = make(place / "own head", tie_word_embeddings=True)
    change(tied, with_tensor("lm_head.weight", torch.randn(256, 64)))
    yield "own head", tied
    only = make(place / "head only", tie_word_embeddings=True)
    change(only, lambda held: {name.replace("model.embed_tokens", "lm_head"): value for name, value in held.items()})
    yield "head only", only
    for name, settings in {
        "bos outside": dict(bos_token_id=9999), "pad outside": dict(pad_token_id=9999), "eos outside": dict(eos_token_id=9999),
        "heads": dict(num_attention_heads=5), "no type": dict(model_type=None), "wide": dict(hidden_size=128),
    }.items():  # fmt: skip
        edit(make(place / name), **settings)
        yield name, place / name
    cut = make(place / "cut off")
    held = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(held[: len(held) // 2])
    yield "cut off", cut
    bare = make(place / "no config")
    (bare / "config.json").unlink()
    yield "no config", bare
    both = make(place / "two sets")
    shutil.copy(make(place / "other") / "model.safetensors", both / "model.safetensors")
    torch.save({name: value * 2 for name, value in load_file(both / "model.safetensors").items()}, both / "pytorch_model.bin")
    yield "two sets", both
    for name, other in {
        "another name": "weights.safetensors", "an older name": "consolidated.safetensors",
        "a part alone": "model-00001-of-00001.safetensors",
    }.items():  # fmt: skip
        (make(place / name) / "model.safetensors").rename(place / name / other)
        yield name, place / name
    torch.save(load_file(make(place / "a checkpoint") / "model.safetensors"), place / "a checkpoint" / "last.ckpt")
    (place / "a checkpoint" / "model.safetensors").unlink()
    yield "a checkpoint", place / "a checkpoint"
    named = make(place / "names in its pickle")
    held = load_file(named / "model.safetensors")
    (named / "model.safetensors").unlink()
    torch.save({**held, "args": argparse.Namespace(lr=1)}, named / "pytorch_model.bin")
    yield "names in its pickle", named
    yield from indexes(place)


def indexes(place):
    """Models in two files, and what their index says of them."""
    for name in (
        "index", "index and a tensor that no file holds", "index without a tensor", "index without its file", "no index",
    ):  # fmt: skip
        path = make(place / name)
        held = load_file(path / "model.safetensors")
        (path / "model.safetensors").unlink()
        names = sorted(held)
        parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
        for part, inside in parts.items():
            save_file({key: held[key] for key in inside}, path / part, metadata={"format": "pt"})
        where = {key: part for part, inside in parts.items() for key in inside}
        if "no file" in name:
            where["mtp.fc.weight"] = "model-00001-of-00002.safetensors"
        if "without a tensor" in name:
            del where["model.norm.weight"]
        if "without its" in name:
            (path / "model-00002-of-00002.safetensors").unlink()
        size = sum(value.nbytes for value in held.values())
        index = {"metadata": {"total_size": size}, "weight_map": where}
        if name != "no index":
            (path / "model.safetensors.index.json").write_text(json.dumps(index))
        yield name, path


def doctor(path):
    lines = [json.loads(line) for line in tools("doctor", path, "--json", status=None).stdout.splitlines()]
    engines = {line["name"]: line["loads"] for line in lines if line["type"] == "engine"}
    return engines, {line["code"] for line in lines if line["type"] == "finding" and line["severity"] == "error"}


def transformers_loads(path):
    """In a fork, which has the package imported already."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            _, told = AutoModelForCausalLM.from_pretrained(str(path), output_loading_info=True, local_files_only=True)
            lost = [str(x) for x in told["missing_keys"]] + [str(x) for x in told.get("mismatched_keys", [])]
            said = f"drawn at random: {lost[:3]}" if lost else ""
        except BaseException as error:  # Whatever it is, the model is not loaded.
            said = f"{type(error).__name__}: {error}"[:300] or "an error"
        os.write(writing, said.encode(errors="replace"))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    os.waitpid(child, 0)
    return said == "", said


def llama_cpp_loads(path):
    code = "import sys, llama_cpp; llama_cpp.Llama(sys.argv[1], n_ctx=32, verbose=False)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=300)
    return done.returncode == 0, done.stderr.strip().splitlines()[-1:]


def gptqmodel_loads(path):
    code = "import sys, gptqmodel; gptqmodel.GPTQModel.load(sys.argv[1], device='cpu')"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=600)
    return done.returncode == 0, done.stderr.strip().splitlines()[-1:]


def add_tokenizer(path):
    """Puts a tokenizer into a folder: one token for each byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.save(str(path / "tokenizer.json"))
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": letters[2], "pad_token": letters[0]}
    (path / "tokenizer_config.json").write_text(json.dumps(named))


def held(engine, loads, these):
    """Holds the verdicts on one engine against what it does with each model."""
    counts = {True: 0, False: 0, None: 0}
    wrong = []
    for name, path in these:
        engines, errors = doctor(path)
        if engine not in engines:
            wrong.append(f"{name}: no verdict")
            continue
        said = engines[engine]
        counts[said] += 1
        if said is None or said is False and errors and errors <= OF_VALUES:
            continue
        does, why = loads(path)
        if does != said:
            wrong.append(f"{name}: doctor says {said}, it {'loads' if does else 'does not load'} {why} {sorted(errors)}")
    assert not wrong, "; ".join(wrong)
    return f"{counts[True]} load, {counts[False]} do not, {counts[None]} not judged"


def packed(path):
    return any((path / name).exists() for name in ("quantize_config.json",)) or "quantization_config" in (
        (path / "config.json").read_text() if (path / "config.json").exists() else ""
    )


@check("what doctor says of transformers is so")
def transformers():
    with folder() as place:
        # Packed models are GPTQModel's to load there, which may not be installed.
        return held("transformers", transformers_loads, (m for m in models(place) if not (m[1].is_dir() and packed(m[1]))))


@check("what doctor says of llama.cpp is so")
def llama_cpp():
    if importlib.util.find_spec("llama_cpp") is None:
        raise Skip("llama_cpp is not installed")

    def files(place):
        for name in ("qwen/qwen2", "qwen/qwen3"):
            for kind in ("f16", "q4_0"):
                path = place / f"{name.replace('/', '-')}-{kind}.gguf"
                tools("convert", FIXTURES / name, path, "--gguf-type", kind)
                yield path.name, path
        whole = (place / "qwen-qwen2-f16.gguf").read_bytes()
        (place / "cut.gguf").write_bytes(whole[: len(whole) // 2])
        yield "cut off", place / "cut.gguf"

    with folder() as place:
        return held("llama.cpp", llama_cpp_loads, files(place))


@check("what doctor says of GPTQModel is so")
def gptqmodel():
    if importlib.util.find_spec("gptqmodel") is None:
        raise Skip("gptqmodel is not installed")

    def bare(place):
        yield "gptqmodel", FIXTURES / "gptqmodel"
        yield "awq", FIXTURES / "awq/gemm"
        plain = make(place / "plain")
        for name, options in {"4 bits": [], "2 bits": ["--bits", "2"], "version 2": ["--asymmetric"]}.items():
            path = place / name
            tools("quantize", plain, path, "--method", "rtn", "--group-size", "32", *options)
            yield name, path

    def folders(place):
        for name, path in bare(place):
            if (path / "tokenizer.json").exists():
                yield name, path
                continue
            yield f"{name}, without tokenizer", path
            whole = shutil.copytree(path, place / f"{name} whole", copy_function=shutil.copyfile)
            add_tokenizer(whole)
            yield name, whole

    with folder() as place:
        return held("gptqmodel", gptqmodel_loads, folders(place))
