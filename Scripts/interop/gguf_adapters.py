"""Adapters that `convert` writes for llama.cpp: gguf-py reads them as they should be, llama.cpp applies them, and its logits
are those of the model that `merge` makes of the same adapter. Needs the small trained models: a folder with `llama` and
`bloom` in BELLE_TINY."""

import json
import os
import pathlib

import numpy
from gguf import GGUFReader
from llama_cpp import Llama
from safetensors.numpy import load_file, save_file
from support import PROJECT, Skip, check, folder, tools

NEEDS = ["llama_cpp", "gguf", "numpy", "safetensors"]

TINY = pathlib.Path(os.environ.get("BELLE_TINY", PROJECT.parent / "shared/tiny"))
LLAMA = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"]
BLOOM = ["self_attention.query_key_value", "self_attention.dense", "mlp.dense_4h_to_h"]
# Model, modules of a layer, what lies outside of layers, the configuration.
CASES = {
    "all modules": ("llama", LLAMA, [], {}),
    "rslora": ("llama", LLAMA, [], {"use_rslora": True}),
    "patterns": ("llama", LLAMA, [], {"alpha_pattern": {"q_proj": 5}, "rank_pattern": {"down_proj": 3}}),
    "head": ("llama", ["self_attn.q_proj"], ["lm_head"], {}),
    "embedding": ("llama", ["self_attn.q_proj"], ["model.embed_tokens"], {}),
    "BLOOM": ("bloom", BLOOM, [], {}),
}
IDS = [1, 35, 260, 17, 301, 44, 9, 1000, 2000, 3000, 71, 8, 900, 512, 77, 5]


def model(name):
    if not (TINY / name / "model.safetensors").exists():
        raise Skip(f"no {name} in {TINY}: BELLE_TINY names the folder")
    return TINY / name


def adapter(path, base, modules, outer, settings, seed):
    """A folder as peft writes it, of random products about as large as the weights."""
    random = numpy.random.default_rng(seed)
    weights = load_file(base / "model.safetensors")
    tensors = {}
    for name, value in weights.items():
        module = name.removesuffix(".weight")
        if value.ndim != 2 or not (module in outer or any(module.endswith("." + one) for one in modules)):
            continue
        rank = next((n for key, n in settings.get("rank_pattern", {}).items() if module.endswith(key)), 8)
        size = float(numpy.abs(value.astype(numpy.float32)).mean()) ** 0.5 / 4
        a = random.normal(0, size, (rank, value.shape[1])).astype(numpy.float32)
        b = random.normal(0, size, (value.shape[0], rank)).astype(numpy.float32)
        if "embed" in module:
            tensors[f"base_model.model.{module}.lora_embedding_A"] = numpy.ascontiguousarray(b.T)
            tensors[f"base_model.model.{module}.lora_embedding_B"] = numpy.ascontiguousarray(a.T)
        else:
            tensors[f"base_model.model.{module}.lora_A.weight"] = a
            tensors[f"base_model.model.{module}.lora_B.weight"] = b
    path.mkdir()
    save_file(tensors, path / "adapter_model.safetensors")
    configuration = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "base_model_name_or_path": str(base)} | settings
    (path / "adapter_config.json").write_text(json.dumps(configuration))
    return tensors


def logits(path, lora=None):
    engine = Llama(
        str(path), lora_path=lora and str(lora), n_ctx=64, n_batch=64, logits_all=True, verbose=False, n_threads=2,
        n_gpu_layers=0)
    engine.eval(IDS)
    return engine.scores[: len(IDS)].astype(numpy.float64)


@check("llama.cpp with an adapter predicts what the merged model predicts")
def applied():
    worst = {}
    for seed, (name, (kind, modules, outer, settings)) in enumerate(CASES.items()):
        base = model(kind)
        with folder() as path:
            adapter(path / "adapter", base, modules, outer, settings, seed)
            tools("convert", base, path / "base.gguf", "--gguf-type", "f32")
            tools("convert", path / "adapter", path / "adapter.gguf", "--quiet")
            tools("merge", base, path / "adapter", path / "merged", "--dtype", "f32", "--quiet")
            tools("convert", path / "merged", path / "merged.gguf", "--quiet")
            tools("merge", base, path / "adapter.gguf", path / "again", "--dtype", "f32", "--quiet")
            # What is read back is what was written; where a scale is no number of single precision, nearly.
            one, other = load_file(path / "merged/model.safetensors"), load_file(path / "again/model.safetensors")
            for key, value in one.items():
                limit = 1e-6 * max(1, float(numpy.abs(value).max())) if settings else 0
                assert numpy.abs(value - other[key]).max() <= limit, f"{name}: {key}"
            plain, merged = logits(path / "base.gguf"), logits(path / "merged.gguf")
            both = logits(path / "base.gguf", path / "adapter.gguf")
            effect, difference = numpy.abs(plain - merged).max(), numpy.abs(both - merged).max()
            assert effect > 1 and difference < 0.01 * effect, f"{name}: {difference} of {effect}"
            worst[name] = difference / effect
    return ", ".join(f"{name} {value:.1e}" for name, value in worst.items())


@check("gguf-py reads what llama.cpp's converter writes: names, alpha, rows of B in pairs, A of an embedding turned")
def read():
    base = model("llama")
    heads = json.loads((base / "config.json").read_text())["num_attention_heads"]
    with folder() as path:
        tensors = adapter(path / "adapter", base, LLAMA, ["model.embed_tokens"], {}, 9)
        tools("convert", path / "adapter", path / "adapter.gguf", "--base", base / "config.json", "--quiet")
        reader = GGUFReader(path / "adapter.gguf")
        values = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
        assert values == {
            "general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora", "adapter.lora.alpha": 16.0,
            "general.quantization_version": 2}, values
        found = {tensor.name: numpy.array(tensor.data) for tensor in reader.tensors}
        assert len(found) == len(tensors), sorted(found)
        start = "base_model.model.model."
        numpy.testing.assert_array_equal(
            found["token_embd.weight.lora_a"], tensors[start + "embed_tokens.lora_embedding_A"].T)
        numpy.testing.assert_array_equal(
            found["token_embd.weight.lora_b"], tensors[start + "embed_tokens.lora_embedding_B"])
        up = tensors[start + "layers.0.self_attn.q_proj.lora_B.weight"]
        paired = up.reshape(heads, 2, -1, up.shape[1]).swapaxes(1, 2).reshape(up.shape)
        numpy.testing.assert_array_equal(found["blk.0.attn_q.weight.lora_b"], paired)
        numpy.testing.assert_array_equal(
            found["blk.0.ffn_down.weight.lora_b"], tensors[start + "layers.0.mlp.down_proj.lora_B.weight"])
        fixture = PROJECT.parent / "shared/fixtures/lora/trained-llama-f16"
        if not fixture.exists():
            return "without the trained adapter, which is not here"
        tools("convert", fixture, path / "trained.gguf", "--base", base, "--quiet")
        ours = {tensor.name: numpy.array(tensor.data) for tensor in GGUFReader(path / "trained.gguf").tensors}
        theirs = {tensor.name: numpy.array(tensor.data) for tensor in GGUFReader(fixture / "adapter.gguf").tensors}
        assert set(ours) == set(theirs)
        for name, value in theirs.items():
            numpy.testing.assert_array_equal(ours[name].astype(numpy.float32), value, name)
        return f"{len(theirs)} tensors of a trained adapter too"
