"""How far pickles are read, against CPython: thousands of random and mutated ones, from seeds. `inspect --safety` must
read each at least as far as pickletools.genops does, and as far as CPython's own unpicklers (run in a sandbox, with
names that do nothing), for a hostile call stands behind whatever one of them takes and we do not."""

import collections
import contextlib
import io
import json
import pathlib
import pickle
import pickletools
import random
import string
import struct
import tempfile

from safety_containers import RUN, safetensors_that_run
from safety_hostile import QUIRKS
from safety_sandbox import Sandbox
from support import check, tools, unsafe

NEEDS = ["torch", "numpy"]  # The sandbox imports them.

COUNT = 1500  # Of each way to make pickles.
BATCH = 250

OPCODES = {opcode.name: opcode for opcode in pickletools.opcodes}
# Names are harmless: nobody looks them up.
NAMES = [
    ("collections", "OrderedDict"),
    ("torch", "FloatStorage"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("posix", "mkdir"),
    ("a.b", "c.d"),
    ("builtins", "set"),
    ("x", "y"),
]
Reading = collections.namedtuple("Reading", "opcodes end complete said names", defaults=("", ()))


# MARK: Making pickles


def value(chance, depth=0):
    """A value as pickle.dumps takes it."""
    kind = chance.randrange(14 if depth < 4 else 9)
    if kind < 9:
        return [
            None,
            True,
            chance.randrange(-300, 70000),
            chance.getrandbits(chance.choice([31, 32, 33, 80, 2100])),
            chance.uniform(-1e9, 1e9),
            "".join(chance.choices("ab\n\\é模\U0001f600'\"", k=chance.randrange(9))),
            bytes(chance.randbytes(chance.randrange(300))),
            "x" * chance.choice([0, 255, 256, 300]),
            bytearray(chance.randbytes(3)),
        ][kind]
    items = [value(chance, depth + 1) for _ in range(chance.randrange(5))]
    if kind == 9:
        return items
    if kind == 10:
        return tuple(items)
    if kind == 11:
        return {f"{number}": item for number, item in enumerate(items)}
    if kind == 12:
        return set(map(str, items))
    return collections.OrderedDict((f"{number}", item) for number, item in enumerate(items))


def line(chance, usual):
    """A decimal line: usual ones, and such as only some readers take."""
    number = chance.choice(usual)
    odd = [
        "+" + number,
        " " + number,
        number + " ",
        "0" + number,
        "00" + number,
        "0x" + number,
        "0b1",
        "0o7",
        "0X1F",
        number + "\r",
        "1_0",
        "_1",
        "1__0",
        number + "L",
        number + "LL",
        "-" + number,
        "--1",
        "",
        "L",
        "x",
        "1x",
        number + "\0",
        number + "\0junk",
        "\t" + number,
        "\x0c" + number,
        "1e5",
        "1.5",
        ".5",
        "5.",
        "inf",
        "nan",
        "-Infinity",
        "1E+5",
        "0x1p3",
        "1_0.0",
        "9" * 30,
        "-" + "9" * 30,
        "9" * 4301,
        "\u0661",
        "\u00a01",
        "01",
        "00",
        "0",
        "True",
        "1j",
        "1" + "0" * 400,
        "1e400",
    ]
    return (number if chance.random() < 0.6 else chance.choice(odd)).encode() + b"\n"


def sized(chance, width, most=255):
    """A length and as many bytes, or a length that lies."""
    data = chance.choice(
        [b"", b"a", b"abc", b"\xff\xfe", b"\xed\xa0\x80", "é模".encode(), b"\0", b"a\nb", b"x" * chance.randrange(most)]
    )
    size = len(data)
    if chance.random() < 0.05:
        size = chance.choice([size + 1, max(0, size - 1), (1 << (8 * width)) - 1, 1 << (8 * width - 1), 1 << 20])
    return (size & ((1 << (8 * width)) - 1)).to_bytes(width, "little") + data


def argument(chance, opcode):
    """The bytes that follow an opcode."""
    name = opcode.name
    if name in ("INT", "LONG", "FLOAT", "GET", "PUT"):
        return line(
            chance,
            {"INT": ["0", "1", "00", "01", "-7"], "LONG": ["1L", "-255L", "0L"], "FLOAT": ["1.5", "-0.0", "1e10"]}.get(
                name, ["0", "1", "2"]
            ),
        )
    if name == "STRING":
        inner = chance.choice(
            [
                "",
                "abc",
                "\\n",
                "\\x41",
                "\\101",
                "\\q",
                "\\",
                "\\x4",
                "\\777",
                "a'b",
                'a"b',
                "é",
                "\\'",
                "\\\\",
                "a\0b",
                " ",
            ]
        )
        quoted = [
            f"'{inner}'",
            f'"{inner}"',
            f"'{inner}",
            inner,
            f"'{inner}\"",
            f" '{inner}'",
            f"'{inner}' ",
            f"b'{inner}'",
            f"'{inner}'\r",
            "'",
            "",
        ]
        return chance.choice(quoted[:2] * 6 + quoted[2:]).encode("latin1") + b"\n"
    if name == "UNICODE":
        return (
            chance.choice(
                [
                    "",
                    "abc",
                    "\\u00e9",
                    "\\U0001f600",
                    "\\ud800",
                    "\\u12",
                    "\\U00110000",
                    "\\x41",
                    "\\",
                    "\\\\u0041",
                    "é",
                    "\0",
                    "\\u",
                    "a\rb",
                    "\x85",
                    "\\N{DASH}",
                ]
            ).encode(chance.choice(["latin1", "utf-8"]))
            + b"\n"
        )
    if name in ("GLOBAL", "INST"):
        module, attribute = chance.choice(NAMES)
        if chance.random() < 0.2:
            module, attribute = chance.choice(
                [
                    (module + "\r", attribute),
                    (" " + module, attribute),
                    ("", ""),
                    ("é", "模"),
                    (module, attribute + "\0"),
                ]
            )
        return f"{module}\n{attribute}\n".encode()
    if name == "PERSID":
        return chance.choice([b"0", b"", b"abc", b"\xff", "é".encode()]) + b"\n"
    if name == "PROTO":
        return bytes([chance.choice([0, 1, 2, 3, 4, 5] * 3 + [6, 255])])
    if name == "FRAME":
        return struct.pack("<Q", chance.choice([0, 1, 2, 5, 20, 100, 1 << 40]))
    if name in ("BINGET", "BINPUT", "LONG_BINGET", "LONG_BINPUT"):
        width = 1 if name.startswith("BIN") else 4
        return chance.choice([0, 1, 2, 3, 200]).to_bytes(width, "little")
    if name == "EXT1":
        return bytes([chance.choice([0, 1, 255])])
    if name in ("EXT2", "EXT4"):
        return chance.choice([0, 1, 300]).to_bytes(int(name[3]), "little")
    if name in ("LONG1", "LONG4"):
        return sized(chance, 1 if name == "LONG1" else 4)
    if opcode.arg is None:
        return b""
    if opcode.arg.n >= 0:
        return chance.randbytes(opcode.arg.n)
    widths = {
        pickletools.TAKEN_FROM_ARGUMENT1: 1,
        pickletools.TAKEN_FROM_ARGUMENT4: 4,
        pickletools.TAKEN_FROM_ARGUMENT4U: 4,
        pickletools.TAKEN_FROM_ARGUMENT8U: 8,
    }
    return sized(chance, widths[opcode.arg.n], 20)


def code(chance, opcode):
    return opcode.code.encode("latin1") + argument(chance, opcode)


# What pushes something whatever is below it, so that CPython, too, comes far.
PUSHING = [
    opcode
    for opcode in pickletools.opcodes
    if not opcode.stack_before
    and opcode.name
    not in ("STOP", "GET", "BINGET", "LONG_BINGET", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "FRAME", "PROTO")
]
# What goes with what is there: code, and what it needs of the stack.
GOING = [
    b"\x96\2\0\0\0\0\0\0\0abK\5a",
    b"\x96\2\0\0\0\0\0\0\0ab(K\5K\6e",
    b"\x96\2\0\0\0\0\0\0\0abK\0K\5s",
    b"]NaK\0Ns",
    b"](NNe(K\0Nu",
    b"ccollections\nOrderedDict\n)R",
    b"ccollections\nOrderedDict\n)R}b",
    b"ctorch\nTensor\n)R",
    b"]N",
    b"(N1",
    b"N0",
    b"N2",
    b"}NNs",
    b"](NNe",
    b"}(NNu",
    b"(NNt",
    b"(d",
    b"(l",
    b"N\x85",
    b"NN\x86",
    b"NNN\x87",
    b"Nq\1h\1",
    b"N\x94h\0",
    b"Nr\2\0\0\0j\2\0\0\0",
    b"Np7\ng7\n",
    b"N(e",
    b"N(u",
    b"N(\x90",
    b"\x8f(K\1\x90",
    b"(K\1\x91",
    b"C\1a\x98",
    b"N(0",
    b"cx\ny\n)R",
    b"cx\ny\n)\x81",
    b"cx\ny\n)}\x92",
    b"(cx\ny\no",
    b"(ix\ny\n",
    b"cx\ny\n)R}b",
    b"NQ",
    b"Pid\n",
    b"X\1\0\0\0xX\1\0\0\0y\x93",
    b"\x95" + bytes(8),
    b"\x80\3",
    b"cx\ny\n)RNa",
    b"cx\ny\n)R(Ne",
    b"cx\ny\n)RNNs",
]
GOING += [quirk for quirk in QUIRKS.values() if len(quirk) < 400]


def streams(chance):
    """Opcodes in any order."""
    every = list(pickletools.opcodes)
    return b"".join(code(chance, chance.choice(every)) for _ in range(chance.randrange(1, 25))) + b"." * (
        chance.random() < 0.7
    )


def sound(chance):
    """Opcodes that find what they need; some of their arguments are odd."""
    parts = [b"\x80" + bytes([chance.randrange(6)])] if chance.random() < 0.7 else []
    for _ in range(chance.randrange(1, 25)):
        parts.append(code(chance, chance.choice(PUSHING)) if chance.random() < 0.6 else chance.choice(GOING))
    return b"".join(parts) + b"N."


def mutated(chance):
    """An honest pickle with a few bytes changed."""
    data = bytearray(pickle.dumps(value(chance), chance.randrange(6)))
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data) or 1)
        kind = chance.randrange(5)
        if kind == 0 and data:
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at : at + chance.randrange(1, 4)]
        elif kind == 2:
            data[at:at] = code(chance, chance.choice(pickletools.opcodes))
        elif kind == 3:
            data = data[: at + 1]
        else:
            data[at:at] = data[chance.randrange(len(data) or 1) :][:10]
    return bytes(data) or b"N"


def odd(chance):
    """Each opcode many times, alone, with whatever is odd in its argument."""
    opcode = pickletools.opcodes[chance.randrange(len(pickletools.opcodes))]
    return (
        b"\x80\4" * (chance.random() < 0.5)
        + chance.choice([b"", b"N", b"(N", b"}NN", b"(((NN"])
        + code(chance, opcode)
        + b"N."
    )


# MARK: Reading them


def by_genops(data):
    count = end = 0
    file = io.BytesIO(data)
    complete, said = False, ""
    try:
        for opcode, _, _ in pickletools.genops(file):
            count, end, complete = count + 1, file.tell(), opcode.name == "STOP"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    return Reading(count, end, complete, said)


def by_python(sandbox, paths, place):
    """CPython's unpicklers, many files a process; one by one where a file ends the process."""
    listed = place / "list"
    listed.write_text("\n".join(map(str, paths)))
    said = sandbox.load(["inert"], listed)["said"]
    found = json.loads(said["inert"]) if "inert" in said else None
    if isinstance(found, list):
        return [[Reading(None, **one) for one in both] for both in found]
    if len(paths) == 1:
        return [[]]
    return [one for path in paths for one in by_python(sandbox, [path], place)]


def by_us(folder):
    """The first pickle of each file of a folder, and the names that are told of the file."""
    found, names = {}, collections.defaultdict(set)
    for printed in tools("inspect", "--safety", "--json", "--quiet", folder, status=None).stdout.splitlines():
        told = json.loads(printed)
        if told["type"] == "pickle" and told["offset"] == 0:
            found[pathlib.Path(told["file"]).name] = Reading(told["opcodes"], told["end"], told["complete"])
        elif told["type"] == "global":
            names[pathlib.Path(told["file"]).name].add(told["name"])
    assert found, "nothing is told of any pickle"
    return {name: reading._replace(names=names[name]) for name, reading in found.items()}


def differences(data, ours, genops, unpicklers):
    """What is wrong with our reading of a pickle."""
    if ours.opcodes < genops.opcodes or ours.end < genops.end:
        yield f"genops reads {genops.opcodes} opcodes to byte {genops.end}, we {ours.opcodes} to {ours.end}"
    elif genops.complete and any(one.complete for one in unpicklers) and ours[:3] != genops[:3]:
        yield f"genops ends after {genops.opcodes} opcodes at byte {genops.end}, we after {ours.opcodes} at {ours.end}"
    for who, theirs in zip(("C", "Python"), unpicklers):
        if theirs.complete and not ours.complete:
            yield f"the unpickler in {who} reads it to its end, we to byte {ours.end}"
        elif theirs.complete and b"\x95" not in data and ours.end != theirs.end:  # A frame is read at once.
            yield f"the unpickler in {who} ends at byte {theirs.end}, we at {ours.end}"
        elif not theirs.complete and ours.end < theirs.end:
            yield f"the unpickler in {who} reads on after byte {theirs.end} ({theirs.said}), we to {ours.end}"


def untold(ours, unpicklers):
    """Names that an unpickler looks up, and that we do not tell. A matter of the report: the verdict is bad anyway."""
    plain = set(string.ascii_letters + string.digits + "._")
    names = {".".join(name) for theirs in unpicklers for name in theirs.names} - set(ours.names)
    return {name for name in names if set(name) <= plain}


@contextlib.contextmanager
def made(make, first, count):
    """A folder of pickles from seeds, name → bytes, and how CPython's unpicklers read each."""
    with tempfile.TemporaryDirectory(prefix="belle-interop-") as place, Sandbox() as sandbox:
        place = pathlib.Path(place)
        folder = place / "pickles"
        folder.mkdir()
        contents = {f"{seed}.pkl": make(random.Random(seed)) for seed in range(first, first + count)}
        for name, data in contents.items():
            (folder / name).write_bytes(data)
        python, names = {}, list(contents)
        for start in range(0, count, BATCH):
            batch = names[start : start + BATCH]
            python |= dict(zip(batch, by_python(sandbox, [folder / name for name in batch], place)))
        yield folder, contents, python


def compare(make, first):
    """Holds our reading of pickles against that of the peers."""
    with made(make, first, COUNT) as (folder, contents, python):
        ours = by_us(folder)
        wrong, silent = [], 0
        for name, data in contents.items():
            own = ours.get(name, Reading(0, 0, False))
            found = differences(data, own, by_genops(data), python[name])
            wrong += [f"{name[:-4]}: {why}: {data[:60].hex()}" for why in found]
            silent += bool(untold(own, python[name]))
        whole = sum(any(one.complete for one in both) for both in python.values())
        assert not wrong, f"{len(wrong)} of {COUNT}: " + "; ".join(wrong[:12])
        told = f"{COUNT} pickles, {whole} of them CPython reads to the end"
        return told + (f"; in {silent} a name is looked up that is not told" if silent else "")


def suspects(make, first, count):
    """Holds our verdict against what is called: the call of posix.mkdir stands behind whatever was made."""
    with made(make, first, count) as (folder, contents, python):
        flagged = unsafe(folder)
        called = [name for name, both in python.items() if any(["posix", "mkdir"] in one.names for one in both)]
        missed = [name for name in called if folder / name not in flagged]
        shown = "; ".join(f"{name[:-4]}: {contents[name][:150].hex()}" for name in missed[:12])
        assert called and not missed, f"{len(missed)} of {len(called)} are let through: {shown}"
        return f"{len(called)} of {count} come to the call"


@check("random opcodes: read as far as CPython's tools and CPython read")
def random_streams():
    return compare(streams, 0)


@check("opcodes that find what they need, with odd arguments: read as far")
def sound_streams():
    return compare(sound, 100_000)


@check("honest pickles with a few bytes changed: read as far")
def mutations():
    return compare(mutated, 200_000)


@check("each opcode with odd arguments: read as far")
def oddities():
    return compare(odd, 300_000)


def before_a_call(chance):
    return sound(chance)[:-2] + RUN + b"."


def mutated_before_a_call(chance):
    return mutated(chance).removesuffix(b".") + RUN + b"."


def in_safetensors(chance):
    return safetensors_that_run(sound(chance)[:-2] + RUN + b".")


@check("a call behind whatever CPython takes is never called harmless")
def calls():
    return suspects(before_a_call, 400_000, COUNT)


@check("a call behind an honest pickle with a few bytes changed is never called harmless")
def mutated_calls():
    return suspects(mutated_before_a_call, 500_000, COUNT)


@check("a call in what is sound as safetensors is never called harmless")
def polyglots():
    return suspects(in_safetensors, 600_000, 500)
