"""The rules of published tokenizer.json files: normalizer, pre-tokenizer, decoder and the model's switches, by family."""

import re

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
QWEN2 = LLAMA3.replace("{1,3}", "")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
LEAD = r"[^\r\n\p{L}\p{N}]?"
TEKKEN = f"{LEAD}{UPPER}*{LOWER}+|{LEAD}{UPPER}+{LOWER}*" + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES
GPT4O = (f"{LEAD}{UPPER}*{LOWER}+{CONTRACTIONS}?|{LEAD}{UPPER}+{LOWER}*{CONTRACTIONS}?"
         + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES)
DEEPSEEK = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
            r"""| ?[\p{P}\p{S}]+[\r\n]*|""" + SPACES)
KIMI_UPPER, KIMI_LOWER = UPPER[:-1] + r"&&[^\p{Han}]]", LOWER[:-1] + r"&&[^\p{Han}]]"
KIMI = (r"[\p{Han}]+|" + f"{LEAD}{KIMI_UPPER}*{KIMI_LOWER}+{CONTRACTIONS}?|{LEAD}{KIMI_UPPER}+{KIMI_LOWER}*{CONTRACTIONS}?"
        + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES)


def byte_level(prefix=False, regex=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def split(expression, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": expression}, "behavior": behavior, "invert": invert}


def digits(single=True):
    return {"type": "Digits", "individual_digits": single}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def bytes_after(*steps, normalizer=None, **model):
    """Byte-level BPE: steps, and then bytes."""
    return {"normalizer": normalizer, "pre_tokenizer": sequence(*steps, byte_level()), "decoder": byte_level(True),
            "post_processor": byte_level(), "model": {"type": "BPE"} | model}


def replace(old, new):
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def normalizers(*steps):
    return {"type": "Sequence", "normalizers": list(steps)}


def decoders(*steps):
    return {"type": "Sequence", "decoders": list(steps)}


FALLBACK = {"type": "BPE", "byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"}
PIECES = [replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
NFC = {"type": "NFC"}


def metaspace(scheme, cut=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}


FAMILIES = {
    "gpt-2": {"pre_tokenizer": byte_level(regex=True), "decoder": byte_level(True)},
    "gpt-2, a space before": {"pre_tokenizer": byte_level(True, True), "decoder": byte_level(True)},
    "llama-2": {"normalizer": normalizers({"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")),
                "decoder": decoders(*PIECES, STRIP), "model": FALLBACK},
    "llama-2, not legacy": {"pre_tokenizer": metaspace("first", False), "decoder": decoders(*PIECES, STRIP), "model": FALLBACK},
    "gemma-3": {"normalizer": replace(" ", "▁"), "decoder": decoders(*PIECES), "model": FALLBACK,
                "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}},
    "internlm-2": {"normalizer": normalizers(replace(" ", "▁")), "decoder": decoders(*PIECES), "model": FALLBACK},
    "llama-3": bytes_after(split(LLAMA3), ignore_merges=True),
    "phi-4": bytes_after(split(LLAMA3, "Removed", True)),
    "qwen-2": bytes_after(split(QWEN2), normalizer=NFC),
    "stablelm-2": bytes_after(split(QWEN2)),
    "qwen-3.5": bytes_after(split(QWEN2.replace(r"\p{L}+|", r"[\p{L}\p{M}]+|").replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]")), normalizer=NFC),
    "mistral-nemo": bytes_after(split(TEKKEN), ignore_merges=True),
    "gpt-4o": bytes_after(split(GPT4O)),
    "deepseek-3": bytes_after(split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK)),
    "deepseek-coder": bytes_after(split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"), digits()),
    "deepseek-llm": bytes_after(split(r"[\r\n]"), split(r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+"),
                                split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), split(r"\s+$"), split("[一-龥ࠀ-一가-퟿]+"), digits(False)),
    "smollm": {"pre_tokenizer": sequence(digits(), byte_level(regex=True)), "decoder": byte_level(True)},
    "starcoder": {"pre_tokenizer": sequence(digits(), byte_level(regex=True)), "decoder": byte_level(True)},
    "command-r": {"normalizer": NFC, "pre_tokenizer": sequence(digits(), byte_level(regex=True)), "decoder": byte_level(True)},
    "mpt": {"normalizer": NFC, "pre_tokenizer": byte_level(regex=True), "decoder": byte_level(True)},
    "falcon": {"pre_tokenizer": sequence({"type": "Punctuation", "behavior": "Contiguous"}, byte_level(regex=True), digits(False), split("[0-9][0-9][0-9]")),
               "decoder": byte_level(True)},
    "bloom": bytes_after(split(r" ?[^(\s|[.,!?…。，、।۔،])]+")),
    "kimi": bytes_after(split(KIMI)),
    "bailing": bytes_after(split(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")),
    "seed-coder": bytes_after(split(CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|" + SPACES)),
    "exaone-moe": bytes_after(split(CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+")),
    "jais-2": bytes_after(split(CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
                                + "".join(rf"\s{{{n}}}(?!\S)|" for n in (512, 256, 128, 64, 32, 16, 8, 4)) + r"\s{1,2}(?!\S)|\s{1}")),
    "viking": bytes_after(split(r" ?[^(\s|[.,!?…。，、।۔،])]+"), digits()),
    "t5": {"normalizer": normalizers({"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}),
           "pre_tokenizer": metaspace("always"), "decoder": metaspace("always"), "model": {"type": "Unigram"}},
    "albert": {"normalizer": normalizers(replace("``", '"'), {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
                                         {"type": "Strip", "strip_left": True, "strip_right": True}),
               "pre_tokenizer": sequence({"type": "WhitespaceSplit"}, metaspace("first")), "decoder": metaspace("always"),
               "model": {"type": "Unigram"}},
    "unigram with bytes": {"pre_tokenizer": metaspace("never", False), "decoder": decoders(*PIECES),
                           "model": {"type": "Unigram", "byte_fallback": False}},
    "words": {"normalizer": {"type": "NFD"}, "pre_tokenizer": {"type": "Whitespace"}, "decoder": {"type": "Fuse"},
              "model": {"type": "BPE", "unk_token": "<unk>"}},
    "words and punctuation": {"pre_tokenizer": {"type": "BertPreTokenizer"}, "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True}},
    "merged with the next": {"pre_tokenizer": sequence(split(r"[,.]", "MergedWithNext"), split(r"\s+", "MergedWithPrevious"), byte_level()),
                             "decoder": byte_level(True)},
}

# Of each of its patterns, and of some that have the same, llama.cpp's names.
GGUF_NAMES = [
    "gpt-2", "bloom", "viking", "smollm", "starcoder", "command-r", "llama-bpe", "dbrx", "qwen2", "stablelm2", "qwen35", "default",
    "falcon", "deepseek-llm", "deepseek-coder", "deepseek-v3", "youtu", "tekken", "gpt-4o", "kimi-k2", "bailingmoe", "seed-coder",
    "exaone-moe", "jais-2", "chameleon", "grok-2", "hunyuan", "hunyuan-dense", "minicpm5", "laguna", "spark2_5", "ufakzeka",
    "granite-embed-multi-97m",
]
# Where llama.cpp's own code is not the expression that it stands for, the texts that are compared: what it tells small letters
# from capitals by is ASCII only, the white space of deepseek's is std::regex's, and of kimi's and youtu's words it does not
# look at capitals at all. Each family's own tokenizer.json cuts as here (above; of youtu none was to be had).
OTHER_IN_LLAMA_CPP = {
    **dict.fromkeys(["tekken", "gpt-4o", "granite-embed-multi-97m", "deepseek-llm", "deepseek-coder"], str.isascii),
    **dict.fromkeys(["kimi-k2", "youtu"], lambda text: text.isascii() and not re.search("[A-Za-z][A-Z]", text)),
}
# Texts are composed before they are cut; llama.cpp does not.
COMPOSED = {"qwen2", "qwen35", "command-r"}
