"""Qwen2 and Qwen3 as GGUF against llama.cpp itself (llama-cpp-python): files that we write predict there as transformers
predicted of the originals, and cut texts into the same tokens; files that llama.cpp and gguf-py wrote predict here."""

import ctypes
import json

import gguf
import llama_cpp
import numpy
from llama_support import load, perplexity, share
from safetensors.numpy import save_file
from support import PROJECT, check, folder, tensors, tools
from tokenizers import Tokenizer

NEEDS = ["gguf", "llama_cpp", "numpy", "safetensors", "tokenizers"]

FIXTURES = PROJECT / "Tests/Fixtures/qwen"
NAMES = ["qwen2", "qwen3"]
TEXTS = ["the cat sat on the mat", "The house's 1234 dogs\n\n  ran", "中国, ﬁ e\u0301 <|im_end|> x", "", " a\tb "]


def reference():
    return json.loads((FIXTURES / "reference.json").read_text())


def theirs(path):
    return perplexity(load(path, context=128), reference()["tokens"])


def ours(path, place):
    rows = numpy.array(reference()["tokens"], dtype=numpy.int32)
    save_file({"tokens": rows}, place / "tokens.safetensors")
    lines = tools("evaluate", path, "--text", place / "tokens.safetensors", "--json").splitlines()
    return json.loads(lines[-1])["perplexity"]


def near(one, other, what, limit=0.002):
    assert abs(one / other - 1) < limit, f"{what}: {one} and {other}"


@check("files of five types predict in llama.cpp as here, and unrounded ones as transformers did")
def to_gguf():
    for name in NAMES:
        with folder() as place:
            for kind in ("f32", "f16", "q8_0", "q4_0", "q5_1"):
                path = place / f"{kind}.gguf"
                tools("convert", FIXTURES / name, path, "--gguf-type", kind)
                near(theirs(path), ours(path, place), f"{name} {kind}", share(0.001, 0.01))
                if kind == "f32":
                    near(theirs(path), reference()["perplexity"][name], f"{name} and transformers")


@check("texts are cut into the tokens that tokenizers cuts them into")
def tokens():
    for name in NAMES:
        cut = Tokenizer.from_file(str(FIXTURES / name / "tokenizer.json"))
        with folder() as place:
            tools("convert", FIXTURES / name, place / "m.gguf")
            engine = load(place / "m.gguf")
            for text in TEXTS:
                # llama.cpp does not bring texts into Unicode's form C, which Qwen's tokenizer.json asks for.
                text = text.replace("e\u0301", "é")
                found = engine.tokenize(text.encode(), add_bos=False, special=True)
                assert found == cut.encode(text).ids, f"{name}: {text!r}: {found}"


@check("what llama.cpp quantized of it predicts here as there")
def quantized_there():
    for name in NAMES:
        with folder() as place:
            tools("convert", FIXTURES / name, place / "f32.gguf", "--gguf-type", "f32")
            for kind, file_type in (("q8_0", 7), ("q4_0", 2)):
                parameters = llama_cpp.llama_model_quantize_default_params()
                parameters.ftype, parameters.nthread = file_type, 2
                path = place / f"{kind}.gguf"
                status = llama_cpp.llama_model_quantize(
                    str(place / "f32.gguf").encode(), str(path).encode(), ctypes.byref(parameters))
                assert status == 0, status
                near(theirs(path), ours(path, place), f"{name} {kind}", share(0.001, 0.01))


@check("a file that gguf-py wrote by llama.cpp's table of names becomes the original again, to the bit")
def from_gguf():
    import torch
    from safetensors.torch import load_file

    for name in NAMES:
        config = json.loads((FIXTURES / name / "config.json").read_text())
        names = gguf.get_tensor_name_map(
            {"qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3}[name], config["num_hidden_layers"])
        with folder() as place:
            path = place / "theirs.gguf"
            writer = gguf.GGUFWriter(path, name)
            writer.add_block_count(config["num_hidden_layers"])
            writer.add_context_length(config["max_position_embeddings"])
            writer.add_embedding_length(config["hidden_size"])
            writer.add_feed_forward_length(config["intermediate_size"])
            writer.add_head_count(config["num_attention_heads"])
            writer.add_head_count_kv(config["num_key_value_heads"])
            writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
            writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
            if "head_dim" in config:
                writer.add_key_length(config["head_dim"])
                writer.add_value_length(config["head_dim"])
            for key, value in load_file(FIXTURES / name / "model.safetensors").items():
                wanted = names.get_name(key, try_suffixes=(".weight", ".bias"))
                assert wanted, f"gguf-py has no name for {key}"
                writer.add_tensor(wanted, value.to(torch.float32).numpy())
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            near(ours(path, place), reference()["perplexity"][name], f"{name} read here", 1e-4)
            tools("convert", path, place / "back")
            tools("convert", FIXTURES / name, place / "f32", "--dtype", "f32")
            assert tensors(place / "back") == tensors(place / "f32"), name
