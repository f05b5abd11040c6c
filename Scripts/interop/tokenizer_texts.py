"""Texts on which tokenizers differ, if they do: the same every time. Characters are of Unicode 14 or older, which all
programs know; code is Python's own library."""

import collections
import functools
import pathlib
import random
import unicodedata

SPACES = ["\t", "\n", "\r", "\r\n", "\v", "\f", " ", "\x85", "\xa0", "\u1680", *map(chr, range(0x2000, 0x200B)), "\u2028",
          "\u2029", "\u202f", "\u205f", "\u3000"]
INVISIBLE = ["\u200b", "\u200c", "\u200d", "\ufeff", "\xad", "\u2060", "\x00", "\x1f", "\x7f", "\x9f"]
PIECES = [
    "I'm", "you're", "they've", "she'll", "he'd", "it's", "don't", "I'M", "YOU'RE", "'S", "'LL", "'ſ", "'K", "x's'll've",
    "http://example.org/a?b=c&d=%20#e", "user@host.net", "<s>", "</s>", "<unk>", "<0x0A>", "<|im_end|>", "▁", "▁▁a", "Ġ",
    "0", "12", "123", "1234", "1,234,567.89", "3.14e-10", "٣٤٥", "१२३", "Ⅻ", "½", "²³", "①②", "a1b2c3", "v2.0.1",
    "camelCaseWord", "HTTPServer", "snake_case", "ÉCOLE", "straße", "ΑΒγδ", "Ǆǅǆ", "İstanbul", "naïve", "e\u0301a\u0308",
    "क्षत्रिय", "ภาษาไทย", "한국어", "\u1112\u1161\u11ab", "日本語カタカナひらがな", "中文，标点。「引号」", "العربية", "עברית",
    "አማርኛ", "தமிழ்", "ქართული", "Հայերեն", "ᏣᎳᎩ", "Ꭰꭰ", "𐐀𐐨", "𝒜𝓑", "ﬁﬂ", "ｆｕｌｌ１２", "㍿㌔",
    "😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇫🇷", "👍🏽", "❤️", "...", "?!", "—–-", "“”‘’", "$€£¥", "+-*/=<>", "\\n", "`code`", "[PAD]",
    "(a|b)", "{x: y}", "//", "/*", "#!", "@", "。", "、", "…", "۔", "।", "|", "!", "~^", "§", "\u0fd0",
]


def assigned():
    """A character of each category and block, thousands of them."""
    categories = {}
    for code in range(0x20, 0x1FB00):
        category = unicodedata.category(chr(code))
        if category not in ("Cn", "Cs", "Co"):
            categories.setdefault(category, []).append(chr(code))
    return categories


@functools.cache
def characters():
    """Every character between two letters, a hundred to a text; and, ten thousand times, marks, what is taken apart and
    letters in any order, for what a normalizer does with them."""
    chance = random.Random(9)
    every = [character for each in assigned().values() for character in each]
    marks = [character for character in every if unicodedata.combining(character) or unicodedata.category(character)[0] == "M"]
    parted = [character for character in every if unicodedata.decomposition(character)]
    texts = ["a" + "a".join(every[at : at + 100]) + "a" for at in range(0, len(every), 100)]
    for _ in range(100):
        texts.append("".join(
            "".join(chance.choices("aeo \u0915\u1100\u4e2d", k=1) + chance.choices(parted, k=chance.randint(0, 2))
                    + chance.choices(marks, k=chance.randint(0, 5)))
            for _ in range(100)))  # fmt: skip
    return texts


@functools.cache
def all_texts():
    chance = random.Random(20)
    categories = assigned()
    texts = ["", " ", "  ", "\n", " \n", "\n ", "a", " a", "a ", "  a", "a  b", "\r\n\r\n x", "\t\tx", "<s>", "a<s>b", *PIECES, *SPACES, *INVISIBLE]
    texts += [" " + piece + " " for piece in PIECES] + [piece + "\n\n" + piece for piece in PIECES]
    # Every two pieces and spaces side by side, in longer texts.
    for _ in range(600):
        parts = []
        for _ in range(chance.randint(2, 60)):
            parts.append(chance.choice(PIECES))
            parts.append("".join(chance.choices(SPACES + [" "] * 12 + [""] * 8, k=chance.randint(0, 3))))
            if chance.random() < 0.1:
                parts.append(chance.choice(INVISIBLE))
        texts.append("".join(parts))
    # Characters of all categories.
    for _ in range(400):
        names = chance.choices(list(categories), k=chance.randint(1, 4))
        text = "".join(chance.choice(categories[chance.choice(names)]) for _ in range(chance.randint(1, 300)))
        texts.append(text)
        texts.append(" ".join(text[at : at + 5] for at in range(0, len(text), 5)))
    # Code and documents.
    library = pathlib.Path(random.__file__).parent
    for path in sorted(library.glob("[a-d]*.py"))[:60]:
        texts.append(path.read_text(errors="replace"))
    # Runs.
    for piece in ("a", "A", " ", "\n", "\t", "1", "é", "中", "한", "!", "=", "\u3000", "😀", "\u0301", "ab", "a ", " a", "\n ", "-\n"):
        for count in (7, 100, 5000):
            texts.append(piece * count)
            texts.append("x" + piece * count + "y")
    return texts


def training():
    """In lines: a trainer takes long words badly."""
    lines = [line[:300] for text in all_texts() for line in text.splitlines(keepends=True)]
    return [line for line in lines if line]


def common(lines, count):
    """The lines that are made of the commonest characters alone."""
    characters = {one for one, _ in collections.Counter("".join(lines)).most_common(count)}
    return [line for line in lines if characters.issuperset(line)]


def for_llama_cpp():
    """Without what its regular expressions take too long, or too much of the stack, for; and without the long s, which is a
    small s after an apostrophe in the models' own rules, and not in its."""
    return [text[:3000] for text in all_texts() if text and "\x00" not in text and "ſ" not in text]
