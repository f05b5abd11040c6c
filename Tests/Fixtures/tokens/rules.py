#!/usr/bin/env python3
"""Writes patterns.json and rules.json: what tokenizers 0.23 makes of texts with the published rules of each family
(Scripts/interop/tokenizer_families.py). patterns.json: the words that each pattern cuts, under llama.cpp's name for it;
rules.json: small tokenizers, with ids and decoded texts.
"""
import json, pathlib, sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "Scripts/interop"))

from tokenizer_families import FAMILIES
from tokenizers import Regex, Tokenizer, pre_tokenizers, trainers

NAMES = {
    "gpt-2": "gpt-2", "smollm": "smollm", "bloom": "bloom", "viking": "viking", "llama-3": "llama-bpe", "qwen-2": "qwen2",
    "qwen-3.5": "qwen35", "mistral-nemo": "tekken", "gpt-4o": "gpt-4o", "deepseek-3": "deepseek-v3",
    "deepseek-coder": "deepseek-coder", "kimi": "kimi-k2", "bailing": "bailingmoe", "seed-coder": "seed-coder",
    "exaone-moe": "exaone-moe", "jais-2": "jais-2",
}
TEXTS = [
    "I'll go  12345 km!\n\n x=1;  HTTPServer's ÉCOLE’s don'T\r\n",
    "在中国，１２３カタカナ and 한국어 ½Ⅻ\u3000\u3000e\u0301à\t\tend ",
    "'ſ 'S x'Re\u00a0\u00a0(a|b)\u200b//path/\n\n  \n /* … */ 3.14159",
    "     \n    a" + " " * 40 + "1" + "-" * 5 + "\n\n\n",
]
SMALL = [
    "llama-2", "llama-2, not legacy", "gemma-3", "falcon", "gpt-2, a space before", "t5", "albert", "words", "phi-4",
    "words and punctuation", "merged with the next", "mpt",
]
TRAINING = ["the cat sat on the mat, and the dog ran 123 times.", "Ünïcode ﬁne  spaces", "中文 文字 中文", "it's a test; test tests"] * 3


def expressions(family):
    """The regular expressions of a family's steps."""
    tree = FAMILIES[family]["pre_tokenizer"]
    for step in tree.get("pretokenizers", [tree]):
        if step["type"] == "Split":
            yield step["pattern"]["Regex"]
        elif step["type"] == "Digits":
            yield r"\p{N}"
        elif step["use_regex"]:
            yield r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def patterns():
    for family, name in NAMES.items():
        steps = list(expressions(family))
        cutter = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(step), "isolated") for step in steps])
        yield {"name": name, "steps": steps,
               "texts": [{"text": text, "pieces": [piece for piece, _ in cutter.pre_tokenize_str(text)]} for text in TEXTS]}


def small(family):
    rules = dict(FAMILIES[family])
    kind = rules.pop("model", {"type": "BPE"})
    shell = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
             "pre_tokenizer": None, "post_processor": None, "decoder": None} | rules
    is_bpe = kind["type"] == "BPE"
    shell["model"] = {"type": "BPE", "vocab": {}, "merges": []} if is_bpe else {
        "type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]], "byte_fallback": False}
    tokenizer = Tokenizer.from_str(json.dumps(shell))
    spelled = [f"<0x{byte:02X}>" for byte in range(256)] if kind.get("byte_fallback") else []
    special = ["<unk>", "<s>"] + spelled
    alphabet = pre_tokenizers.ByteLevel.alphabet() if "ByteLevel" in json.dumps(rules.get("decoder")) else []
    size = len(special) + len(alphabet) + 90
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False) \
        if is_bpe else trainers.UnigramTrainer(vocab_size=80, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(TRAINING, trainer)
    saved = json.loads(tokenizer.to_str())
    saved["model"] |= {key: value for key, value in kind.items() if key != "type"}
    saved["added_tokens"] = [one for one in saved["added_tokens"] if one["content"] not in spelled]
    tokenizer = Tokenizer.from_str(json.dumps(saved))
    texts = TEXTS + TRAINING[:4] + ["", " ", "a", " the  cat<s> sat<s>", "zq😀 é", "\n\n", "a.b,,c  d"]
    cases = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
    return {"name": family, "tokenizer": json.dumps(saved, ensure_ascii=False, separators=(",", ":")), "cases": cases}


def write(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, indent=0) + "\n")


write("patterns.json", list(patterns()))
write("rules.json", [small(family) for family in SMALL])
