"""Against llama.cpp itself (llama-cpp-python): the files that we write load, cut texts into the same tokens, and predict
as `evaluate` says, for LLaMA and BLOOM in every type that counts. Needs the small trained models: a folder with `llama`
and `bloom` in BELLE_TINY."""

import ctypes
import json
import os
import pathlib
import subprocess

import llama_cpp
import numpy
from gguf import GGUFReader, GGUFWriter
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
from llama_support import load, perplexity, share
from support import PROJECT, TOOLS, Skip, check, folder, tools

NEEDS = ["gguf", "llama_cpp", "numpy"]

FIXTURES = PROJECT / "Tests/Fixtures/tiny"
TINY = pathlib.Path(os.environ.get("BELLE_TINY", PROJECT.parent / "shared/tiny"))
TYPES = [None, "f16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs"]
ROWS = 8


def model(name):
    if not (TINY / name / "model.safetensors").exists():
        raise Skip(f"no {name} in {TINY}: BELLE_TINY names the folder")
    return TINY / name


def rows(name):
    """The first windows of the evaluation tokens."""
    data = (FIXTURES / name / "tokens.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    info = json.loads(data[8 : 8 + length])["evaluation"]
    begin, end = (8 + length + offset for offset in info["data_offsets"])
    return numpy.frombuffer(data[begin:end], numpy.int32).reshape(info["shape"])[:ROWS]


def our_perplexity(path, name):
    text = f"{FIXTURES / name / 'tokens.safetensors'}:evaluation"
    lines = tools("evaluate", path, "--text", text, "--max-tokens", rows(name).size, "--json").splitlines()
    return json.loads(lines[-1])["perplexity"]


# By how much perplexities may differ.
NEAR = share(1e-3, 1e-2)


def expect_near(engine, path, name, what):
    theirs, ours = perplexity(engine, rows(name).tolist()), our_perplexity(path, name)
    assert abs(theirs / ours - 1) < NEAR, f"{what}: {theirs} with llama.cpp, {ours} here"


def each_type(name):
    source = model(name)
    cases = json.loads((FIXTURES / name / "tokenizer-cases.json").read_text())
    with folder() as place:
        for kind in TYPES:
            path = place / f"{kind}.gguf"
            tools("convert", source, path, *(["--gguf-type", kind, "--pure"] if kind else []))
            engine = load(path)
            for case in cases:
                # In a byte-level vocabulary the names of special tokens are those tokens; in SentencePiece's, text.
                found = engine.tokenize(case["text"].encode(), add_bos=False, special=name == "bloom")
                assert found == case["ids"], f"{kind}: {case['text']!r}: {found}, expected {case['ids']}"
            expect_near(engine, path, name, kind)
            path.unlink()


@check("LLaMA in fourteen types: the tokens of all cases, and perplexities within 1 %")
def llama():
    each_type("llama")


@check("BLOOM in fourteen types: the tokens of all cases, and perplexities within 1 %")
def bloom():
    each_type("bloom")


@check("GPTQ's integers as Q4_0 predict in llama.cpp as they do packed")
def transcoded():
    source = model("llama")
    with folder() as place:
        calibration = f"{FIXTURES / 'llama/tokens.safetensors'}:calibration"
        done = tools(
            "quantize", source, place / "gptq", "--bits", "4", "--group-size", "128", "--calibration", calibration,
            "--samples", "8", status=None)
        if done.returncode == 64:
            raise Skip("quantize is not in this build")
        assert done.returncode == 0, done.stderr
        tools("convert", place / "gptq", place / "q.gguf")
        expect_near(load(place / "q.gguf"), place / "gptq", "llama", "packed")


@check("types that differ by matrix, chosen for a size: they load, and perplexities are within 1 %")
def sized():
    for name, size in (("llama", "3.2MB"), ("bloom", "2.8MB")):
        with folder() as place:
            tools(
                "quantize", model(name), place / "sized.gguf", "--target-size", size, "--recipe", "fast", "--calibration",
                f"{FIXTURES / name / 'tokens.safetensors'}:calibration", "--samples", 8)
            kinds = {str(tensor.tensor_type) for tensor in GGUFReader(place / "sized.gguf").tensors if len(tensor.shape) > 1}
            assert len(kinds) > 1, kinds
            expect_near(load(place / "sized.gguf"), place / "sized.gguf", name, f"{name} in {size}")


def divergence(path, name):
    """Mean KL divergence from the unquantized model, by `evaluate`."""
    text = f"{FIXTURES / name / 'tokens.safetensors'}:evaluation"
    lines = tools(
        "evaluate", path, "--reference", model(name), "--text", text, "--max-tokens", 4096, "--json").splitlines()
    return json.loads(lines[-1])["kl_mean"]


@check("GPTQ onto each type of blocks is nearer to the model than llama.cpp's own quantization, and loads there")
def quality():
    for name in ("llama", "bloom"):
        source = model(name)
        with folder() as place:
            tools("convert", source, place / "f16.gguf")
            for kind, file_type in (
                ("q4_0", 2), ("q2_k", 10), ("q3_k", 11), ("q4_k", 14), ("q5_k", 16), ("q6_k", 18), ("iq4_nl", 25),
                ("iq4_xs", 30),
            ):  # fmt: skip
                parameters = llama_cpp.llama_model_quantize_default_params()
                parameters.ftype, parameters.pure, parameters.nthread = file_type, True, 2
                parameters.output_tensor_type = parameters.token_embedding_type = 1
                theirs = place / f"theirs-{kind}.gguf"
                status = llama_cpp.llama_model_quantize(
                    str(place / "f16.gguf").encode(), str(theirs).encode(), ctypes.byref(parameters))
                assert status == 0, status
                ours = place / f"ours-{kind}.gguf"
                done = tools(
                    "quantize", source, ours, "--format", "gguf", "--gguf-type", kind, "--pure", "--embedding-type", "f16",
                    "--calibration", f"{FIXTURES / name / 'tokens.safetensors'}:calibration", "--samples", 8, status=None)
                if done.returncode == 64:
                    raise Skip("quantize --format gguf is not in this build")
                assert done.returncode == 0, done.stderr
                expect_near(load(ours), ours, name, kind)
                one, other = divergence(ours, name), divergence(theirs, name)
                assert one < other, f"{name}, {kind}: {one}, llama.cpp {other}"


MIXTURES = {
    "q2_k": 10, "q3_k_s": 11, "q3_k_m": 12, "q3_k_l": 13, "q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16, "q5_k_m": 17,
    "iq4_nl": 25, "iq4_xs": 30,
}  # fmt: skip


def types_of(path):
    """The type of each matrix, and what the file says that it mostly is."""
    reader = GGUFReader(path)
    file_type = reader.fields["general.file_type"].contents()
    return {tensor.name: tensor.tensor_type.name for tensor in reader.tensors if len(tensor.shape) > 1}, file_type


def small_model(place, layers, heads, keys, tied):
    """A LLaMA with few and random weights in GGUF, for what becomes of its matrices."""
    width, inner, vocabulary = 64 * heads, 512, 64
    path = place / f"{layers}-{heads}-{keys}.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(keys)
    writer.add_rope_dimension_count(64)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocabulary)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"<{i}>" for i in range(vocabulary)])
    writer.add_token_scores([0.0] * vocabulary)
    writer.add_token_types([1] * vocabulary)
    generator = numpy.random.default_rng(1)
    shapes = {"token_embd": (vocabulary, width), "output_norm": (width,)}
    shapes |= {} if tied else {"output": (vocabulary, width)}
    for layer in range(layers):
        shapes |= {f"blk.{layer}.{norm}": (width,) for norm in ("attn_norm", "ffn_norm")}
        shapes |= {f"blk.{layer}.attn_{part}": (64 * keys, width) for part in "kv"}
        shapes |= {f"blk.{layer}.{part}": (width, width) for part in ("attn_q", "attn_output")}
        shapes |= {f"blk.{layer}.{part}": (inner, width) for part in ("ffn_gate", "ffn_up")}
        shapes |= {f"blk.{layer}.ffn_down": (width, inner)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", generator.normal(0, 0.05, shape).astype(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@check("its mixtures give each matrix the type that ours give it, and the file the same type")
def mixtures():
    # As LLaMA, as SmolLM2 (rows of 576, tied), and with four heads of queries to one of keys.
    for layers, heads, keys, tied in ((32, 4, 4, False), (30, 9, 3, True), (16, 8, 2, False)):
        with folder() as place:
            source = small_model(place, layers, heads, keys, tied)
            for name, number in MIXTURES.items():
                parameters = llama_cpp.llama_model_quantize_default_params()
                parameters.ftype, parameters.nthread = number, 2
                theirs, ours = place / "theirs.gguf", place / "ours.gguf"
                status = llama_cpp.llama_model_quantize(
                    str(source).encode(), str(theirs).encode(), ctypes.byref(parameters))
                assert status == 0, status
                tools("convert", source, ours, "--gguf-type", name, "--force")
                assert types_of(theirs) == types_of(ours), (name, layers)


@check("greedy text is ours, token by token")
def greedy():
    for name in ("llama", "bloom"):
        with folder() as place:
            path = place / "f32.gguf"
            tools("convert", model(name), path, "--gguf-type", "f32")
            engine = load(path)
            for prompt in ("The", "中国", "Human: Hello\n\nAssistant:"):
                arguments = ("generate", path, "--prompt", prompt, "--max-tokens", 24, "--json")
                done = tools(*arguments, status=None)
                if done.returncode == 64:
                    raise Skip("generate is not in this build")
                assert done.returncode == 0, done.stderr
                ours = json.loads(done.stdout.splitlines()[0])["tokens"]
                tokens = engine.tokenize(prompt.encode(), add_bos=name == "llama", special=False)
                engine.reset()
                theirs = []
                for token in engine.generate(tokens, temp=0.0, top_k=1, repeat_penalty=1.0):
                    if token == engine.token_eos() or len(theirs) == 24:
                        break
                    theirs.append(token)
                assert ours[: len(theirs)] == theirs, f"{name}, {prompt!r}: {ours}, llama.cpp {theirs}"


@check("a conversation of two turns, by the chat template in the file, is answered as `generate --chat` answers it")
def conversation():
    questions = ["What is water?", "你好"]
    for name in ("llama", "bloom"):
        with folder() as place:
            path = place / "f32.gguf"
            tools("convert", model(name), path, "--gguf-type", "f32", "--chat-template", "belle")
            arguments = [TOOLS, "generate", path, "--chat", "--max-tokens", "12", "--json", "--quiet"]
            done = subprocess.run(arguments, input="\n".join(questions) + "\n", capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            answers = [line for line in map(json.loads, done.stdout.splitlines()) if line["type"] == "text"]
            engine = load(path)
            texts = [engine._model.token_get_text(token) for token in (engine.token_eos(), engine.token_bos())]
            template = engine.metadata["tokenizer.chat_template"]
            formatter = Jinja2ChatFormatter(template=template, eos_token=texts[0], bos_token=texts[1])
            messages = []
            for question, answer in zip(questions, answers, strict=True):
                messages.append({"role": "user", "content": question})
                prompt = formatter(messages=messages)
                tokens = engine.tokenize(prompt.prompt.encode(), add_bos=not prompt.added_special, special=True)
                engine.reset()
                theirs = []
                for token in engine.generate(tokens, temp=0.0, top_k=1, repeat_penalty=1.0):
                    if token == engine.token_eos() or len(theirs) == len(answer["tokens"]):
                        break
                    theirs.append(token)
                assert answer["tokens"] == theirs, f"{name}, {question}: {answer['tokens']}, llama.cpp {theirs}"
                messages.append({"role": "assistant", "content": answer["text"].rstrip("\n")})
