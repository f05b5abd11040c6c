#!/usr/bin/env python3
"""Writes cases.json: tokenizers with added tokens and with the pre-tokenizers that llama.cpp has names for, and what
transformers makes of texts with them. transformers 5.24, tokenizers 0.23.

    make.py                     the cases of the fixture
    make.py 400 /tmp/more.json  as many random texts for each tokenizer, for one's own use: BELLE_TOKEN_CASES=/tmp/more.json
"""
import json, os, random, shutil, sys, tempfile

import tokenizers, transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers as P, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(HERE, "../tiny/llama/tokenizer.model")
transformers.logging.set_verbosity_error()

START, END = "<|im_start|>", "<|im_end|>"
LISTED = {START: 4096, END: 4097}


def listed(*tokens):
    """added_tokens_decoder: (id, content, flags)."""
    plain = dict(lstrip=False, rstrip=False, single_word=False, normalized=False, special=True)
    return {str(i): {"content": c, **plain, **flags} for i, c, flags in tokens}


OWN = [(0, "<unk>", {}), (1, "<s>", {}), (2, "</s>", {})]
FLAGS = listed(*OWN, (4096, START, {"rstrip": True}), (4097, END, {"lstrip": True}), (4098, "<both>", {"lstrip": True, "rstrip": True, "special": False}),
               (4099, "word", {"single_word": True, "special": False}), (4100, "<n>", {"normalized": True, "special": False}), (4101, "<n>x", {}), (4102, "你好", {"special": False}))
SENTENCEPIECE = {
    "added_tokens.json": ({"added_tokens.json": LISTED}, {}),
    "added_tokens.json, legacy": ({"added_tokens.json": LISTED}, {"legacy": True}),
    "added_tokens.json, an end of its own": ({"added_tokens.json": LISTED}, {"eos_token": END, "add_eos_token": True}),
    "added_tokens_decoder": ({}, {"added_tokens_decoder": listed(*OWN, (4096, START, {}), (4097, END, {}))}),
    "added_tokens_decoder with flags": ({}, {"added_tokens_decoder": FLAGS}),
    "additional_special_tokens": ({}, {"additional_special_tokens": [START, END]}),
    "extra_special_tokens": ({}, {"extra_special_tokens": [END, START], "pad_token": "[PAD]"}),
    "special_tokens_map.json": ({"special_tokens_map.json": {"eos_token": {"content": END, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False}}}, {}),
    "a filler without a number": ({}, {"pad_token": "[PAD]"}),
}

GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
V3 = [r"\p{N}{1,3}", "[一-龥\u3040-\u309f\u30a0-\u30ff]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
CASED = ("A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481"
         "\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59"
         "\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126"
         "\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
         "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943")
HAN = "[一-龥\u0800-一가-\ud7ff]+"
LLM = ["[\r\n]", f"\\s?[{CASED}]+", "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", "\\s+$", HAN]
CODER = ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", HAN]


def steps(*patterns, digits=None):
    """Splits, digits, and the alphabet of bytes."""
    isolated = [P.Split(tokenizers.Regex(p), "isolated") for p in patterns]
    return P.Sequence(isolated + ([P.Digits(individual_digits=digits)] if digits is not None else []) + [P.ByteLevel(add_prefix_space=False, use_regex=False)])


BYTE_LEVEL = {
    "gpt-2": (P.ByteLevel(add_prefix_space=False), None, False),
    "smollm": (P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=False)]), None, False),
    "llama-bpe": (steps(LLAMA3), None, True),
    "qwen2": (steps(QWEN2), normalizers.NFC(), False),
    "default": (steps(r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"), None, False),
    "deepseek-llm": (steps(*LLM, digits=False), None, False),
    "deepseek-coder": (steps(*CODER, digits=True), None, False),
    "deepseek-v3": (steps(*V3), normalizers.Sequence([]), False),
    "tekken": (steps(TEKKEN), None, True),
    "gpt-4o": (steps(GPT4O), None, False),
}
WORDS = ("the quick brown fox jumps over the lazy dog and then it runs back to the river where water is cold in the morning. In 1987 there were 365 days; 3.14159! "
         "She'll say that they've WON, it's HelloWorld camelCase ÀÉÎ straße Привет мир. 水是生命之源，人们每天都要喝水。今天天气很好，我们去公园散步。你好，世界！ 日本語のテキスト 한국어 "
         "def main(args):\n\treturn sum(x for x in range(10))  # comment\r\n\r\n") * 4

TEXTS = [
    "", "a", "Hello, world!", f"Hi {START}user", f"{START}user\nhello{END}\n{START} x", f"a{START}{END}b", f"你好{END}世界", f"a {END}  b", f"a  {START}  b",
    f"{START}", f"{START} ", f"{END}\n\n{END}", f"{END}{END}", f"😀{START}👩‍👩‍👧{END}🇨🇳", "a <both> b<both>c \t<both>\u3000d", "a word b", "awordb word. wordy sword word", "word", "你word好 _word word1 word",
    "<n>x <n>y <n> <n>", "你好你好 你 好你好世界", "two  spaces   three", "line\nbreak\n\n\ttab", "1234567890 3.14159 -42 １２３４ ٣٤٥", "In 1987 there were 365 days, and 3.14159 is no 22/7.",
    "I'll I'LL they've it'S 'tis ’s", "HelloWorld camelCaseWORDSand iPhone ÀÉé ǅ straße ʼn", "Привет МИР Ωμέγα ͽ ὝΏ ῼ", "中文 and English 混排，with punctuation。日本語カタカナ한국어", "e\u0301 Å \u1e9b\u0323 가", "#x \n a\r\n\r\n  b \t\n", "x=1+2^3~4|5$6<7>8`9",
    "//path/to/file\n/\n", "\u200bzero\u200bwidth a\u00a0b\u3000c", "trailing space ", "a.b,c!d?e…f。", "[PAD]x", "ends with newline\n", "𠀀𠀁 𝔘𝔫 𐐀𐐨", "ﬁ ½ Ⅻ ①②",
]
ALPHABET = ["a", "B", "z", "Word", "word", " ", " ", "  ", "\n", "\r\n", "\t", ".", ",", "(", "1", "23", "4567", "中", "文字", "。", "é", "e\u0301", "😀", "'s", "'LL", "\u200b", "\u3000", "カ", "한", "Ж", "ж", "/", "_", "-", "$", "<", "|",
            START, END, "<both>", "word", "<n>", "<n>x", "你好", "½", "٣", "ǅ", "ʰ", "\u0301"]


def texts(count):
    if not count:
        return TEXTS
    rng = random.Random(count)
    made = ["".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 24))) for _ in range(count)]
    # SentencePiece keeps every space at a text's beginning, transformers 5 one less: here it is SentencePiece's.
    return [x for x in made if not x.startswith((" ", "▁"))]


def cases(t, count):
    out = []
    for x in texts(count):
        ids = t(x, add_special_tokens=False)["input_ids"]
        out.append({"text": x, "ids": ids, "decoded": t.decode(ids, clean_up_tokenization_spaces=False)})
    return out


def group(name, folder, files, base, count):
    t = transformers.AutoTokenizer.from_pretrained(folder)
    return {"name": name, "base": base, "files": files, "eos": t.eos_token_id, "document": t("a")["input_ids"], "cases": cases(t, count)}


def main():
    count, path = (int(sys.argv[1]), sys.argv[2]) if len(sys.argv) > 2 else (0, os.path.join(HERE, "cases.json"))
    groups = []
    for name, (files, config) in SENTENCEPIECE.items():
        folder = tempfile.mkdtemp()
        shutil.copy(TINY, folder)
        base = dict(tokenizer_class="LlamaTokenizer", bos_token="<s>", eos_token="</s>", unk_token="<unk>", add_bos_token=True, add_eos_token=False, legacy=False)
        files = {**files, "tokenizer_config.json": {**base, **config}}
        for f, o in files.items():
            json.dump(o, open(f"{folder}/{f}", "w"), ensure_ascii=False)
        groups.append(group(name, folder, {f: json.dumps(o, ensure_ascii=False) for f, o in files.items()}, "llama", count))
    for name, (pre, normalizer, ignores) in BYTE_LEVEL.items():
        folder = tempfile.mkdtemp()
        t = Tokenizer(models.BPE(ignore_merges=ignores))
        t.pre_tokenizer, t.decoder = pre, decoders.ByteLevel()
        if normalizer is not None:
            t.normalizer = normalizer
        t.train_from_iterator([WORDS], trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>", "</s>"], initial_alphabet=P.ByteLevel.alphabet(), show_progress=False))
        t.add_tokens([AddedToken(START, special=True, rstrip=True, normalized=False), AddedToken(END, special=True, lstrip=True, normalized=False), AddedToken("<both>", lstrip=True, rstrip=True, normalized=False),
                      AddedToken("word", single_word=True, normalized=False), AddedToken("<n>", normalized=True), AddedToken("<n>x", normalized=False), AddedToken("你好", normalized=True), AddedToken("e\u0301", normalized=True)])
        t.save(f"{folder}/tokenizer.json")
        config = {"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast"}
        json.dump(config, open(f"{folder}/tokenizer_config.json", "w"))
        groups.append(group(name, folder, {"tokenizer.json": json.dumps(json.loads(t.to_str()), ensure_ascii=False), "tokenizer_config.json": json.dumps(config)}, None, count))
    with open(path, "w", encoding="utf-8") as f:
        json.dump(groups, f, ensure_ascii=False, separators=(",", ":"))
    print(path, os.path.getsize(path), sum(len(g["cases"]) for g in groups))


main()
