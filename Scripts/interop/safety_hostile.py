"""Pickles that run something when they are loaded, each hidden in another way; the other files are in
safety_hostile_files.py. Each makes one empty folder called `ran` where it is loaded, and nothing else.

KINDS: what makes the evasions of each kind: name → bytes, or a folder as path → bytes. Public ones are from the
advisories and issues of picklescan, fickling, modelscan and PyTorch (CVE-2025-32434); the others are our own.
"""

import marshal
import struct

from safety_containers import (
    HARMLESS, HOSTILE, LOAD_BYTES, MKDIR, ORDERED, RAN, RUN, TENSOR, call, checkpoint, dictionary, gguf_that_runs,
    kinds, legacy, legacy_part, load_bytes, name, pickled, raw, safetensors_that_run, stack_name, text, tuple_of,
    zipped,
)  # fmt: skip
from safety_sandbox import EXTENSION

KINDS, kind = kinds()


def proto(number, *code):
    return pickled(*code, protocol=number)


def short(value):
    return b"\x8c" + bytes([len(value)]) + value.encode()


ENCODE = name("_codecs", "encode")
FROM_TYPE = name("torch._tensor", "_rebuild_from_type_v2")
TENSOR_CLASS = name("torch", "Tensor")
REBUILD = name("torch._utils", "_rebuild_tensor_v2")


def encoded(value, encoding):
    """`_codecs.encode(text, encoding)`; with the text as a pickle of protocol 2 has it."""
    return call(ENCODE, text(value), *([text(encoding)] if encoding else []))


@kind("how a name is written")
def names():
    lazily = tuple_of(MKDIR, b"(" + RAN + b"t")
    listed = name("collections", "OrderedDict")
    found = {
        "GLOBAL in protocol 0": b"cposix\nmkdir\n(S'ran'\ntR.",
        "GLOBAL in protocol 0, UNICODE": b"cposix\nmkdir\n(Vran\ntR.",
        "STACK_GLOBAL": proto(4, call(short("posix") + short("mkdir") + b"\x93", RAN)),
        "STACK_GLOBAL of long texts": proto(4, call(stack_name("posix", "mkdir"), RAN)),
        "STACK_GLOBAL of UNICODE with escapes": proto(4, call(b"V\\u0070osix\nVmk\\U00000064ir\n\x93", RAN)),
        "STACK_GLOBAL of STRING": proto(4, call(b"S'posix'\nS'mk\\x64ir'\n\x93", RAN)),
        "STACK_GLOBAL of BINSTRING": proto(4, call(b"T\x05\0\0\0posixU\x05mkdir\x93", RAN)),
        "STACK_GLOBAL of BINUNICODE8": proto(
            4, call(b"\x8d" + struct.pack("<Q", 5) + b"posix" + short("mkdir") + b"\x93", RAN)
        ),
        "STACK_GLOBAL from the memo": proto(
            4, short("posix"), b"\x94", short("mkdir"), b"\x9400", call(b"h\0h\1\x93", RAN)
        ),
        "memo written out of order": proto(
            4,
            short("mkdir"),
            b"q\x05",
            short("posix"),
            b"q\x02",
            short("collections"),
            b"q\x07000",
            call(b"h\x02h\x05\x93", RAN),
        ),
        "memo entry written over": proto(
            4,
            short("collections"),
            b"q\0",
            short("posix"),
            b"q\0",
            short("mkdir"),
            b"q\1",
            b"000",
            call(b"h\0h\1\x93", RAN),
        ),
        "MEMOIZE after PUT": proto(
            4, short("x"), b"q\x05", short("posix"), b"\x94", short("mkdir"), b"\x94000", call(b"h\1h\2\x93", RAN)
        ),
        "memo by text keys": proto(
            4, short("posix"), b"p12345\n", short("mkdir"), b"p0777\n00", call(b"g12345\ng777\n\x93", RAN)
        ),
        "memo entry of a large key": proto(
            4,
            short("posix"),
            b"r\0\0\x10\0",
            short("mkdir"),
            b"r\xff\xff\x0f\0",
            b"00",
            call(b"j\0\0\x10\0j\xff\xff\x0f\0\x93", RAN),
        ),
        "names by DUP and POP": proto(
            4, short("posix"), b"20", short("collections"), b"0", call(short("mkdir") + b"\x93", RAN)
        ),
        "names made by rot13": proto(4, call(encoded("cbfvk", "rot13") + encoded("zxqve", "rot_13") + b"\x93", RAN)),
        "INST": b"(S'ran'\niposix\nmkdir\n.",
        "OBJ": b"(cposix\nmkdir\nS'ran'\no.",
        "NEWOBJ": proto(2, call(listed, name("builtins", "map") + lazily + b"\x81")),
        "NEWOBJ_EX": proto(4, call(listed, name("builtins", "map") + lazily + b"}\x92")),
        "EXT1": proto(2, call(b"\x82" + bytes([EXTENSION]), RAN)),
        "EXT2": proto(2, call(b"\x83" + bytes([EXTENSION, 0]), RAN)),
        "EXT4": proto(2, call(b"\x84" + bytes([EXTENSION, 0, 0, 0]), RAN)),
        "EXT1 as a class": proto(2, b"(\x82" + bytes([EXTENSION]) + RAN + b"o"),
        "REDUCE of a function from the memo": proto(2, MKDIR, b"q\x010", call(b"h\1", RAN)),
        "REDUCE of a function in a tuple's place": proto(2, b"N(", MKDIR, b"q\1t0", call(b"h\1", RAN)),
        "Python 2's names": proto(2, call(name("commands", "getoutput"), text("/bin/mkdir ran"))),
        "Python 2's builtins": proto(2, call(name("__builtin__", "eval"), text("__import__('posix').mkdir('ran')"))),
        "in the middle of a state dict": proto(2, b"}(", text("weight"), TENSOR, text("bias"), RUN, b"u"),
        "as a key": proto(2, b"}", RUN, b"K\1s"),
        "called by BUILD's state": proto(2, ORDERED, dictionary(_metadata=RUN), b"b"),
    }
    return found


@kind("a dotted path through a name that weight files need")
def dotted():
    found = {}
    for module, path in [
        ("torch", "serialization.os.mkdir"),
        ("torch.serialization", "os.mkdir"),
        ("torch", "_tensor.torch.serialization.os.mkdir"),
        ("torch.storage", "torch.serialization.os.mkdir"),
        ("collections", "_sys.modules"),
        ("torch._utils", "sys.modules"),
        ("torch._tensor", "torch.serialization.os.mkdir"),
        ("torch.nn.parameter", "torch.serialization.os.mkdir"),
        ("torch", "FloatStorage.__init__.__globals__"),
        ("numpy", "f2py.os.mkdir"),
        ("numpy", "f2py.cfuncs.sys.modules"),
        ("torch.storage", "TypedStorage._new_shared.__globals__"),
        ("collections", "Counter.update.__globals__"),
    ]:
        if path.endswith("mkdir"):
            found[f"{module}, {path}"] = proto(4, call(stack_name(module, path), RAN))
            found[f"GLOBAL {module}, {path}"] = proto(4, call(name(module, path), RAN))
        else:
            # A dictionary of modules or names, taken apart by functions that weight files need.
            where = stack_name(module, path)
            found[f"BUILD with {module}, {path}"] = proto(
                4, REBUILD, where, b"b0", call(stack_name("torch._utils", "_rebuild_tensor_v2.os.mkdir"), RAN)
            )
    far = "serialization." + "torch.serialization." * 60 + "os.mkdir"
    found["a very long path"] = proto(4, call(stack_name("torch", far), RAN))
    found["a path that begins with a storage"] = proto(
        4,
        call(stack_name("torch", "FloatStorage.__new__.__globals__"), b")"),
        b"0",
        call(stack_name("torch", far), RAN),
    )
    found["in a checkpoint: torch, serialization.os.mkdir"] = checkpoint(
        call(stack_name("torch", "serialization.os.mkdir"), RAN), protocol=4
    )
    return found


@kind("what a name that weight files need does with another (BUILD, REDUCE, APPEND)")
def allowed():
    bytes_of = raw(HOSTILE)
    planted = {"__setstate__": bytes_of + b"b", "append": bytes_of + b"a", "add": b"(" + bytes_of + b"\x90"}
    hosts = {
        "OrderedDict": ORDERED,
        "Counter": call(name("collections", "Counter")),
        "a function": REBUILD,
        "a parameter": call(name("torch.nn.parameter", "Parameter")),
        "a bytearray's class": name("builtins", "bytearray"),
        "a tensor": TENSOR,
        "a storage": call(name("torch", "FloatStorage")),
        "a storage class": name("torch", "FloatStorage"),
    }
    found = {}
    for what, use in planted.items():
        for host, code in hosts.items():
            if host not in ("a parameter", "a tensor", "a bytearray's class"):
                found[f"BUILD sets {what} on {host}"] = checkpoint(code, dictionary(**{what: LOAD_BYTES}), b"b", use)
        state = dictionary(**{what: LOAD_BYTES})
        found[f"BUILD sets {what} by slots"] = checkpoint(ORDERED, b"N", state, b"\x86b", use)
        found[f"BUILD sets {what} on a class by slots"] = checkpoint(
            name("collections", "Counter"), b"N", state, b"\x86b", use
        )
        found[f"a parameter's state sets {what}"] = checkpoint(
            call(name("torch._utils", "_rebuild_parameter_with_state"), TENSOR, b"\x89", ORDERED, state), use
        )
        found[f"a parameter's slots set {what}"] = checkpoint(
            call(
                name("torch._utils", "_rebuild_parameter_with_state"), TENSOR, b"\x89", ORDERED, b"N" + state + b"\x86"
            ),
            use,
        )
        found[f"a subclass's state sets {what}"] = checkpoint(
            call(FROM_TYPE, name("collections", "OrderedDict"), name("collections", "OrderedDict"), b")", state), use
        )
    found["BUILD sets __setstate__, APPENDS"] = checkpoint(
        ORDERED, dictionary(append=LOAD_BYTES), b"b(", bytes_of, b"e"
    )
    found["BUILD of an object from the memo"] = checkpoint(
        ORDERED, b"q\x010h\1", dictionary(__setstate__=LOAD_BYTES), b"b0h\1", bytes_of, b"b"
    )
    found["BUILD twice, the second harmless"] = checkpoint(
        ORDERED, dictionary(_metadata=ORDERED), b"b", dictionary(append=LOAD_BYTES), b"b", bytes_of, b"a"
    )
    found["_metadata beside append"] = checkpoint(
        ORDERED, dictionary(_metadata=ORDERED, append=LOAD_BYTES), b"b", bytes_of, b"a"
    )
    # A function called without arguments, whose defaults BUILD has set.
    defaults = LOAD_BYTES + b"N" + dictionary(__defaults__=bytes_of + b"\x85") + b"\x86b"
    found["BUILD sets a function's defaults"] = checkpoint(defaults, b")R")
    found["a function's defaults, called as keys()"] = checkpoint(
        b"(", defaults, b"1", call(name("collections", "OrderedDict"), ORDERED + dictionary(keys=LOAD_BYTES) + b"b")
    )
    found["a function's defaults, called as detach()"] = checkpoint(
        b"(",
        defaults,
        b"1",
        call(
            name("torch._utils", "_rebuild_parameter"), ORDERED + dictionary(detach=LOAD_BYTES) + b"b", b"\x89", ORDERED
        ),
    )
    found["a function's defaults, called by REDUCE from the memo"] = checkpoint(b"(", defaults, b"1", LOAD_BYTES, b")R")
    # States and arguments of other kinds than usual, or filled after they were made.
    for mapping in ("collections.OrderedDict", "collections.Counter"):
        state = call(name(*mapping.split("."))) + text("append") + LOAD_BYTES + b"s"
        found[f"BUILD's state is a {mapping}"] = checkpoint(ORDERED, state, b"b", bytes_of, b"a")
    found["BUILD's state is filled later"] = checkpoint(
        b"}q\x05(", text("append"), LOAD_BYTES, b"u0", ORDERED, b"h\x05b", bytes_of, b"a"
    )
    found["BUILD's state is _metadata and filled later"] = checkpoint(
        b"}", text("_metadata"), b"Ns", b"q\5", text("append"), LOAD_BYTES, b"s0", ORDERED, b"h\x05b", bytes_of, b"a"
    )
    found["BUILD's key is bytes' text"] = checkpoint(ORDERED, b"}U\x06append", LOAD_BYTES, b"sb", bytes_of, b"a")
    found["REDUCE with a list"] = pickled(MKDIR, b"]" + RAN + b"a", b"R")
    found["REDUCE with a dictionary, names that weight files need"] = pickled(LOAD_BYTES, b"}" + bytes_of + b"Ns", b"R")
    for what, arguments in {
        "list": b"]" + bytes_of + b"a",
        "dictionary": b"}" + bytes_of + b"Ns",
        "set": b"\x8f(" + bytes_of + b"\x90",
        "list from the memo": b"h\7" + bytes_of + b"a",
    }.items():
        found[f"a subclass rebuilt with a {what}"] = checkpoint(
            b"]q\x070", call(FROM_TYPE, LOAD_BYTES, TENSOR_CLASS, arguments, b"}"), protocol=4
        )
    found["a function from a list"] = checkpoint(b"]", LOAD_BYTES, b"a0", call(LOAD_BYTES + b"q\x050h\5", bytes_of))
    found["NEWOBJ of a function's name"] = pickled(
        name("builtins", "bytearray"), b"(" + call(name("builtins", "map"), MKDIR, b"]" + RAN + b"a") + b"t", b"R"
    )
    # What rebuilds a subclass calls what it is given.
    found["a subclass rebuilt by _load_from_bytes"] = checkpoint(
        call(FROM_TYPE, LOAD_BYTES, TENSOR_CLASS, tuple_of(bytes_of), b"}")
    )
    found["a subclass rebuilt by a subclass"] = checkpoint(
        call(FROM_TYPE, FROM_TYPE, TENSOR_CLASS, tuple_of(LOAD_BYTES, TENSOR_CLASS, tuple_of(bytes_of), b"}"), b"}")
    )
    deep = tuple_of(LOAD_BYTES, TENSOR_CLASS, tuple_of(bytes_of), b"}")
    for _ in range(4):
        deep = tuple_of(FROM_TYPE, TENSOR_CLASS, deep, b"}")
    found["a subclass rebuilt five deep"] = checkpoint(FROM_TYPE, deep, b"R")
    found["a subclass rebuilt by encode, then loaded"] = checkpoint(
        call(LOAD_BYTES, call(ENCODE, text(HOSTILE.decode("latin1")), text("latin1")))
    )
    found["as_subclass of what numpy's scalar gives back"] = checkpoint(
        call(
            FROM_TYPE,
            name("numpy.core.multiarray", "scalar"),
            bytes_of,
            tuple_of(call(name("numpy", "dtype"), text("O")), ORDERED + dictionary(as_subclass=LOAD_BYTES) + b"b"),
            b"}",
        )
    )
    found["a default factory"] = checkpoint(call(name("collections", "defaultdict"), MKDIR), text("a"), RUN, b"s")
    found["a tensor's hooks"] = checkpoint(
        call(name("torch._utils", "_rebuild_parameter"), TENSOR, b"\x89", ORDERED + text("0") + RUN + b"s")
    )
    # torch writes a file of the container's name where the source of a module differs and dump_patches is set.
    patched = FROM_TYPE + dictionary(dump_patches=b"\x88") + b"b"
    found["a module's source, written as a patch"] = legacy(
        value=pickled(tuple_of(text("module"), patched, text("f.py"), text("x")), b"Q")
    )
    found["BUILD of a class from the registry"] = checkpoint(
        b"N", name("torch._utils", "_rebuild_parameter"), dictionary(__setstate__=MKDIR), b"b", RAN, b"b"
    )
    return found


@kind("bytes that torch.load gets, made by names that weight files need")
def bytes_made():
    found = {}
    for encoding in (
        "utf-8",
        "utf-7",
        "utf-16-le",
        "raw_unicode_escape",
        "cp037",
        "cp500",
        "latin_1",
        "ISO-8859-1",
        "L1",
        "unicode_escape",
        "cp1252",
        "utf_8_sig",
        "ascii",
    ):
        data = (
            HOSTILE
            if encoding not in ("utf-8", "utf-7", "ascii", "utf_8_sig", "cp1252", "unicode_escape")
            else (b"cposix\nmkdir\n(Vran\ntR.")
        )
        if encoding == "utf-16-le":
            data += b"." * (len(data) % 2)
        try:
            value = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        found[f"encode, {encoding}"] = checkpoint(call(LOAD_BYTES, encoded(value, encoding)))
    found["encode without an encoding"] = checkpoint(call(LOAD_BYTES, encoded("cposix\nmkdir\n(Vran\ntR.", None)))
    found["encode with errors"] = checkpoint(
        call(LOAD_BYTES, call(ENCODE, text("cposix\nmkdir\n(V\u4e00ran\ntR."), text("ascii"), text("ignore")))
    )
    # In Latin-1 all of it is a short text, in UTF-8 the text ends where the code begins.
    size = len(HOSTILE) - 1
    faces = chr(2 * size) + "\u00e9" * size + HOSTILE[2:].decode("latin1") + "0"
    assert 2 * size < 128
    found["encode, two readings"] = checkpoint(
        call(LOAD_BYTES, encoded("L119547037146038801333356L\n.I1001\n.}.U" + faces + "N.].", "utf-8"))
    )
    # UNICODE is Latin-1 to CPython. To who takes it for UTF-8 the text goes on where CPython finds the code. There is
    # no line feed in it, and STACK_GLOBAL, which UTF-8 has only as a second byte, follows BINPUT's argument.
    code = b"U\x05posixU\x05mkdirq\xc2\x93(U\x03rantR0"
    size = len(code) - 1
    found["UNICODE, two readings"] = checkpoint(
        call(LOAD_BYTES, call(ENCODE, b"VU" + bytes([2 * size]) + b"\xc3\xa9" * size + code + b".\n", text("latin1")))
    )
    found["UNICODE with escapes"] = checkpoint(
        call(LOAD_BYTES, call(ENCODE, b"V" + b"".join(b"\\u%04x" % byte for byte in HOSTILE) + b"\n", text("latin1")))
    )
    dtype = call(name("numpy", "dtype"), text("u1"))
    found["numpy's _frombuffer"] = checkpoint(
        call(
            LOAD_BYTES,
            call(
                name("numpy.core.numeric", "_frombuffer"),
                raw(HOSTILE),
                dtype,
                b"K" + bytes([len(HOSTILE)]) + b"\x85",
                text("C"),
            ),
        )
    )
    found["numpy's scalar"] = checkpoint(
        call(
            LOAD_BYTES,
            call(
                name("numpy.core.multiarray", "scalar"),
                call(name("numpy", "dtype"), text(f"S{len(HOSTILE)}")),
                raw(HOSTILE),
            ),
        )
    )
    array = call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), b"K\0\x85", raw(b"b"))
    state = tuple_of(b"K\1", b"K" + bytes([len(HOSTILE)]) + b"\x85", dtype, b"\x89", raw(HOSTILE))
    found["numpy's array"] = checkpoint(call(LOAD_BYTES, array + state + b"b"))
    found["a bytearray"] = checkpoint(call(LOAD_BYTES, call(name("builtins", "bytearray"), raw(HOSTILE))))
    found["a bytearray of numbers"] = checkpoint(
        call(
            LOAD_BYTES,
            call(name("builtins", "bytearray"), b"(" + b"".join(b"K" + bytes([byte]) for byte in HOSTILE) + b"t"),
        )
    )
    found["bytes of numbers"] = checkpoint(
        call(
            LOAD_BYTES,
            call(name("builtins", "bytes"), b"(" + b"".join(b"K" + bytes([byte]) for byte in HOSTILE) + b"t"),
        )
    )
    found["bytes of a size"] = checkpoint(
        call(
            LOAD_BYTES,
            call(
                name("builtins", "bytes"),
                call(name("torch", "Size"), b"(" + b"".join(b"K" + bytes([byte]) for byte in HOSTILE) + b"t"),
            ),
        )
    )
    found["a bytearray of a text"] = checkpoint(
        call(LOAD_BYTES, call(name("builtins", "bytearray"), text(HOSTILE.decode("cp037")), text("cp037")))
    )
    found["bytes of a text"] = checkpoint(
        call(
            LOAD_BYTES,
            call(
                name("builtins", "bytes"),
                text(HOSTILE.decode("utf-16-le") if len(HOSTILE) % 2 == 0 else (HOSTILE + b".").decode("utf-16-le")),
                text("utf-16-le"),
            ),
        )
    )
    found["BYTEARRAY8"] = checkpoint(call(LOAD_BYTES, b"\x96" + struct.pack("<Q", len(HOSTILE)) + HOSTILE), protocol=5)
    found["BINBYTES8"] = checkpoint(call(LOAD_BYTES, b"\x8e" + struct.pack("<Q", len(HOSTILE)) + HOSTILE), protocol=4)
    found["a READONLY_BUFFER"] = checkpoint(call(LOAD_BYTES, raw(HOSTILE) + b"\x98"), protocol=5)
    found["a bytearray that grows"] = checkpoint(
        call(name("builtins", "bytearray")),
        b"q\1(",
        *(b"K" + bytes([byte]) for byte in HOSTILE),
        b"e0",
        call(LOAD_BYTES, b"h\1"),
    )
    found["a bytearray that grows by one"] = checkpoint(
        call(name("builtins", "bytearray"), raw(HOSTILE[:-1])), b"q\1K.a0", call(LOAD_BYTES, b"h\1")
    )
    deep = HOSTILE
    for number in range(1, 5):
        deep = checkpoint(load_bytes(deep)) if number % 2 else pickled(load_bytes(deep))
        found[f"nested {number} deep"] = deep
    for position in ("magic", "protocol", "system", "value", "keys"):
        found[f"nested legacy, {position}"] = checkpoint(load_bytes(legacy(**{position: legacy_part(position)})))
    found["nested zip, DATA.PKL"] = checkpoint(
        load_bytes(zipped(("DATA.PKL", HOSTILE), ("data.pkl", HARMLESS), ("version", b"3\n")))
    )
    return found


QUIRKS = {
    "INT in base 16": b"I0x10\n",
    "INT in base 8": b"I0o17\n",
    "INT in base 2": b"I0b11\n",
    "INT after a space": b"I 1\n",
    "INT with a sign": b"I+1\n",
    "INT with underscores": b"I1_0\n",
    "INT with a zero before it": b"I010\n",
    "INT true": b"I01\n",
    "INT of many digits": b"I123456789012345678901234567890\n",
    "INT with a NUL": b"I1\0junk\n",
    "INT before a return": b"I1\r\n",
    "INT before a space": b"I1 \n",
    "INT after a tab": b"I\t\x0b\x0c1\n",
    "INT in other digits": "I\u0661\n".encode(),
    "LONG without L": b"L5\n",
    "LONG with underscores": b"L1_0L\n",
    "LONG in base 16": b"L0x10L\n",
    "LONG after a space": b"L 5L\n",
    "LONG before a space": b"L5 L\n",
    "LONG in base 2": b"L0b1L\n",
    "LONG of many digits": b"L" + b"9" * 4000 + b"L\n",
    "LONG with a NUL": b"L5\0\n",
    "LONG negative": b"L-5L\n",
    "LONG1 of nothing": b"\x8a\0",
    "LONG4": b"\x8b\3\0\0\0\1\2\3",
    "LONG4 of nothing": b"\x8b\0\0\0\0",
    "FLOAT infinite": b"Finf\n",
    "FLOAT not a number": b"F-NaN\n",
    "FLOAT without a digit before": b"F.5\n",
    "FLOAT with an exponent": b"F+1e+5\n",
    "FLOAT after a space": b"F 1.5\n",
    "FLOAT with underscores": b"F1_0.0\n",
    "FLOAT in base 16": b"F0x1p3\n",
    "FLOAT of too much": b"F1e999\n",
    "FLOAT with a NUL": b"F1.5\0x\n",
    "FLOAT before a return": b"F1.5\r\n",
    "FLOAT infinity in full": b"FInfinity\n",
    "GET with a sign": b"Np1\ng+1\n",
    "GET after a space": b"Np1\ng 1\n",
    "GET with zeros": b"Np1\ng0001\n",
    "PUT with underscores": b"Np1_0\ng10\n",
    "PUT with a sign": b"Np+7\nh\7",
    "PUT before a space": b"Np7 \nh\7",
    "PUT in other digits": "Np\u0667\nh\7".encode(),
    "PUT before a return": b"Np7\r\nh\7",
    "PUT of a large key": b"Np99999\ng99999\n",
    "PUT of a huge key": b"Np" + b"9" * 30 + b"\n",
    "a lone surrogate in BINUNICODE": b"X\3\0\0\0\xed\xa0\x80",
    "a lone surrogate in SHORT_BINUNICODE": b"\x8c\3\xed\xbf\xbf",
    "a lone surrogate in BINUNICODE8": b"\x8d\3\0\0\0\0\0\0\0\xed\xa0\x80",
    "a surrogate in UNICODE": b"V\\ud800\n",
    "a pair of surrogates": b"X\6\0\0\0\xed\xa0\xbd\xed\xb8\x80",
    "UNICODE with high bytes": b"V\xff\xfe\x80\n",
    "UNICODE with a NUL": b"Va\0b\n",
    "UNICODE with a backslash": b"Va\\qb\\\\\n",
    "UNICODE at the end of Unicode": b"V\\U0010ffff\n",
    "UNICODE that ends in a backslash": b"Va\\\n",
    "UNICODE before a return": b"Va\r\n",
    "STRING with escapes": b"S'\\x41\\101\\n\\''\n",
    "STRING with an unknown escape": b"S'\\q\\z'\n",
    "STRING with a large octal": b"S'\\777'\n",
    "STRING with a quote": b'S"a\'b"\n',
    "STRING with both quotes": b"S'a'b'\n",
    "STRING of nothing": b"S''\n",
    "STRING with high bytes": b"S'\x7f\x01'\n",
    "STRING with a line feed escaped": b"S'a\\r'\n",
    "STRING with a NUL": b"S'a\0b'\n",
    "BINSTRING of nothing": b"T\0\0\0\0",
    "FRAME of nothing": b"N\x95" + bytes(8),
    "FRAME too short": b"\x95\1\0\0\0\0\0\0\0N",
    "FRAME that ends within an opcode": b"\x95\2" + bytes(7) + b"NX\1\0\0\0a",
    "FRAME in a FRAME": b"\x95\x0b" + bytes(7) + b"N\x95\1" + bytes(7) + b"N",
    "PROTO again": b"N\x80\5\x80\0",
    "PROTO 1": b"N\x80\1",
    "READONLY_BUFFER": b"C\1a\x98",
    "POP of a mark": b"N(0",
    "POP_MARK": b"N(NNN1",
    "marks in marks": b"N(((((11111",
    "DUP of a mark's content": b"(N22t",
    "APPENDS of nothing to nothing": b"N(e",
    "SETITEMS of nothing to nothing": b"N(u",
    "ADDITEMS of nothing to nothing": b"N(\x90",
    "APPENDS of nothing to a number": b"K\1(e",
    "FROZENSET": b"(K\1K\1\x91",
    "ADDITEMS": b"\x8f(K\1K\2\x90",
    "DICT of nothing": b"(d",
    "LIST of nothing": b"(l",
    "a set as a value of a set": b"\x8f(K\1\x85K\2\x90",
    "MEMOIZE": b"N\x94",
    "PUT over an entry": b"Nq\0Kaq\0",
    "BINPUT of a mark's first": b"(Nq\1t",
    "BUILD with nothing": ORDERED + b"}b",
    "SETITEM of a list": b"]K\1aK\0K\2s",
    "SETITEMS of a list": b"](K\1K\2e(K\0K\5u",
    "SETITEM of a bytearray": b"\x96\2" + bytes(7) + b"abK\0K\5s",
    "APPEND to a bytearray": b"\x96\2" + bytes(7) + b"abK\5a",
    "APPENDS to a bytearray": b"\x96\0" + bytes(7) + b"(K\5K\6e",
    "GLOBAL of a class": name("collections", "OrderedDict"),
    "a name unknown to torch": name("decimal", "Decimal"),
    "an EXT code": b"\x82" + bytes([EXTENSION]),
    "a text of 300 bytes": text("a" * 300),
    "a negative BININT": b"J\xff\xff\xff\xff",
    "BUILD of a number with None": b"K\1Nb",
    "BUILD of a list with nothing": b"]N}\x86b",
    "BUILD of a list with None twice": b"]NN\x86b",
    "BUILD of a dictionary with None": b"}Nb",
    "BUILD of a bytearray with nothing": b"\x96\0" + bytes(7) + b"N}\x86b",
    "BUILD of a class with None": name("collections", "OrderedDict") + b"Nb",
    "REDUCE of OrderedDict with pairs": call(name("collections", "OrderedDict"), b"]K\1K\2\x86a"),
    "REDUCE of OrderedDict with texts": call(name("collections", "OrderedDict"), b"]" + text("ab") + b"a"),
    "REDUCE of OrderedDict with a dictionary": call(name("collections", "OrderedDict"), b"}"),
    "REDUCE of Counter with a text": call(name("collections", "Counter"), text("abc")),
    "REDUCE of Counter with bytes": call(name("collections", "Counter"), raw(b"abc")),
    "REDUCE of defaultdict with None": call(name("collections", "defaultdict"), b"N", b"}"),
    "REDUCE of defaultdict with pairs": call(name("collections", "defaultdict"), b"N", b"]K\1K\2\x86a"),
    "REDUCE of set with a text": call(name("builtins", "set"), text("abc")),
    "REDUCE of set with a dictionary": call(name("builtins", "set"), b"}K\1K\2s"),
    "REDUCE of complex with a text": call(name("builtins", "complex"), text("1+2j")),
    "REDUCE of complex with a number": call(name("builtins", "complex"), b"K\1"),
    "REDUCE of complex with nothing": call(name("builtins", "complex")),
    "REDUCE of complex with integers": call(name("builtins", "complex"), b"K\1", b"K\2"),
    "REDUCE of bytearray with a number": call(name("builtins", "bytearray"), b"K\5"),
    "REDUCE of bytearray with a text": call(name("builtins", "bytearray"), text("a"), text("utf-16")),
    "REDUCE of bytes with a number": call(name("builtins", "bytes"), b"K\5"),
    "REDUCE of a size with a list": call(name("torch", "Size"), b"]K\1a"),
    "REDUCE of a size with nothing": call(name("torch", "Size")),
    "REDUCE of a device with a number": call(name("torch", "device"), text("cpu"), b"K\0"),
    "REDUCE of encode with bytes": call(name("_codecs", "encode"), raw(b"ab"), text("hex")),
    "REDUCE of encode with rot13": call(name("_codecs", "encode"), text("ab"), text("rot13")),
    "REDUCE of a tensor class": call(name("torch", "Tensor"), b"K\3"),
    "REDUCE of a tensor class with a list": call(name("torch", "Tensor"), b"]K\3a"),
    "REDUCE of a storage class": call(name("torch", "FloatStorage"), b"K\3"),
    "REDUCE of a layout": call(name("torch.serialization", "_get_layout"), text("torch.strided")),
    "REDUCE of a meta tensor": call(
        name("torch._utils", "_rebuild_meta_tensor_no_storage"),
        name("torch", "float32"),
        b"K\3\x85",
        b"K\1\x85",
        b"\x89",
    ),
    "NEWOBJ of OrderedDict": name("collections", "OrderedDict") + b")\x81",
    "NEWOBJ of a set": name("builtins", "set") + b")\x81",
    "NEWOBJ of a parameter": name("torch.nn.parameter", "Parameter") + b")\x81",
    "NEWOBJ of a tensor": name("torch", "Tensor") + b")\x81",
    "NEWOBJ_EX of OrderedDict": name("collections", "OrderedDict") + b")}\x92",
    "OBJ of OrderedDict": b"(" + name("collections", "OrderedDict") + b"o",
    "INST of OrderedDict": b"(icollections\nOrderedDict\n",
    "SETITEM of OrderedDict": ORDERED + b"NNs",
    "SETITEM of Counter": call(name("collections", "Counter")) + text("a") + text("b") + b"s",
    "SETITEM of a tensor": call(name("torch", "Tensor"), b"K\3") + b"K\0K\1s",
    "ADDITEMS of OrderedDict's nothing": ORDERED + b"(\x90",
    "numpy's type with a text": call(name("numpy", "dtype"), text("f4")),
    "numpy's type with a flag": call(name("numpy", "dtype"), text("f4"), b"\x89", b"\x88"),
    "numpy's type of fields": call(name("numpy", "dtype"), b"]" + text("a") + text("f4") + b"\x86a"),
    "LONG4 of 5000 bytes": b"\x8b\x88\x13\0\0" + b"\1" * 5000,
    "a million values": b"(" + b"N" * 1_000_000 + b"t",
    "more than three million values": b"(" + b"G12345678" * 20 + b"N" * 3_100_000 + b"t",
    "more than three million numbers": b"(" + b"M\1\2" * 3_100_000 + b"t",
    "a list of lists, very deep": b"(" + b"]" * 20_000 + b"a" * 19_999 + b"t",
    "a hundred thousand marks": b"N" + b"(" * 100_000 + b"1" * 100_000,
    "many sets of one list": b"](" + b"K\1K\2K\3K\4" * 2500 + b"eq\x070" + call(name("builtins", "set"), b"h\7") * 300,
}


# Values that a pickle makes, and what it may do with one of them: together, what CPython takes before a call.
VALUES = {
    "None": b"N",
    "a truth": b"\x88",
    "a number": b"K\1",
    "a long number": b"\x8a\x0a" + b"\1" * 10,
    "a real number": b"G12345678",
    "a text": text("a"),
    "bytes": raw(b"a"),
    "a string": b"U\1a",
    "a bytearray": b"\x96\0" + bytes(7),
    "an empty tuple": b")",
    "a tuple": b"N\x85",
    "a list": b"]",
    "a dictionary": b"}",
    "a set": b"\x8f",
    "a frozen set": b"(\x91",
    "an OrderedDict": ORDERED,
    "the class OrderedDict": name("collections", "OrderedDict"),
    "a Counter": call(name("collections", "Counter")),
    "the class Counter": name("collections", "Counter"),
    "a defaultdict": call(name("collections", "defaultdict")),
    "a set by its class": call(name("builtins", "set")),
    "a complex number": call(name("builtins", "complex")),
    "a bytearray by its class": call(name("builtins", "bytearray")),
    "a size": call(name("torch", "Size")),
    "a device": call(name("torch", "device"), text("cpu")),
    "a tensor": TENSOR,
    "the class Tensor": TENSOR_CLASS,
    "a parameter": call(name("torch.nn.parameter", "Parameter")),
    "a type": name("torch", "float32"),
    "a function": REBUILD,
    "a layout": call(name("torch.serialization", "_get_layout"), text("torch.strided")),
    "bytes by encode": encoded("a", "latin1"),
    "the class FloatStorage": name("torch", "FloatStorage"),
    "a storage": call(name("torch", "FloatStorage")),
    "numpy's type": call(name("numpy", "dtype"), text("f4")),
    "numpy's class of types": name("numpy", "dtype"),
    "numpy's array": call(
        name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), b"K\0\x85", raw(b"b")
    ),
    "numpy's class of arrays": name("numpy", "ndarray"),
    "numpy's scalar": call(
        name("numpy.core.multiarray", "scalar"), call(name("numpy", "dtype"), text("f4")), raw(b"1234")
    ),
    "a meta tensor": call(
        name("torch._utils", "_rebuild_meta_tensor_no_storage"),
        name("torch", "float32"),
        b"K\3\x85",
        b"K\1\x85",
        b"\x89",
    ),
}
USES = {
    "BUILD with None": b"Nb",
    "BUILD with None and a dictionary": b"N}\x86b",
    "BUILD with a dictionary": b"}b",
    "BUILD with a tuple": b")b",
    "BUILD with two dictionaries": b"}}\x86b",
    "BUILD with metadata": dictionary(_metadata=b"N") + b"b",
    "APPENDS of nothing": b"(e",
    "SETITEMS of nothing": b"(u",
    "ADDITEMS of nothing": b"(\x90",
    "APPEND of None": b"Na",
    "APPEND of a number": b"K\1a",
    "APPENDS": b"(K\1e",
    "SETITEM": b"K\0K\1s",
    "SETITEMS": b"(K\0K\1u",
    "ADDITEMS": b"(K\1\x90",
    "REDUCE": b")R",
    "REDUCE with a number": b"K\1\x85R",
    "NEWOBJ": b")\x81",
    "NEWOBJ_EX": b")}\x92",
    "DUP and POP": b"20",
    "the memo": b"q\1h\1\x86",
}


def uses(place):
    """A file for each value and each use, a call behind it: bare and hidden by names that weight files need."""
    for value, made in VALUES.items():
        for use, code in USES.items():
            data = pickled(made, code, b"0", RUN, protocol=4)
            (place / f"{value}, {use}.pkl").write_bytes(data)
            data = checkpoint(made, code, b"0", load_bytes(HOSTILE), protocol=4)
            (place / f"{value}, {use}.pt").write_bytes(data)


@kind("arguments that CPython takes, before the call")
def quirks():
    return {quirk: pickled(code, b"0", RUN) for quirk, code in QUIRKS.items()}


@kind("the same in a checkpoint's pickle, the call by a name that weight files need")
def quirks_nested():
    hidden = call(FROM_TYPE, LOAD_BYTES, TENSOR_CLASS, tuple_of(raw(HOSTILE)), b"}")
    return {quirk: checkpoint(code, b"0", hidden) for quirk, code in QUIRKS.items() if len(code) < 100_000}


@kind("sound as safetensors or GGUF, and a pickle with such an argument")
def polyglots():
    found = {f"safetensors, {quirk}": safetensors_that_run(code + b"0" + RUN + b".") for quirk, code in QUIRKS.items()}
    found["safetensors"] = safetensors_that_run(RUN + b".")
    found["safetensors, a name that weight files need"] = safetensors_that_run(load_bytes(HOSTILE) + b".")
    found["safetensors, INST"] = safetensors_that_run(b"(" + RAN + b"iposix\nmkdir\n.")
    found["safetensors, an EXT code"] = safetensors_that_run(call(b"\x82" + bytes([EXTENSION]), RAN) + b".")
    found["safetensors, a second pickle"] = safetensors_that_run(b"." + HOSTILE)
    found["safetensors, a third pickle"] = safetensors_that_run(b"." + HARMLESS + HOSTILE)
    found["GGUF"] = gguf_that_runs(RUN + b".")
    found["GGUF, a lone surrogate"] = gguf_that_runs(b"X\3\0\0\0\xed\xa0\x80" + RUN + b".")
    found["GGUF, an EXT code"] = gguf_that_runs(call(b"\x82" + bytes([EXTENSION]), RAN) + b".")
    return found


@kind("public names that run code")
def public():
    """What scanners that list bad names have let through, or list by now."""
    here = text("__import__('posix').mkdir('ran')")
    shell = text("/bin/mkdir ran")
    words = b"](" + text("/bin/mkdir") + RAN + b"e"
    bytecode = raw(marshal.dumps(compile("__import__('posix').mkdir('ran')", "x", "eval")))
    posix = call(name("importlib", "import_module"), text("posix"))
    lazily = call(name("builtins", "map"), MKDIR, b"]" + RAN + b"a")
    stream = call(name("_io", "BytesIO"), raw(HOSTILE))

    def method(module, path, *arguments):
        """A method of a class, of an object made without arguments."""
        return call(stack_name(module, path), call(name(module, path.split(".")[0])), *arguments)

    calls = {
        ("os", "system"): [shell],
        ("posix", "system"): [shell],
        ("os", "popen"): [shell],
        ("subprocess", "Popen"): [words],
        ("subprocess", "getoutput"): [shell],
        ("builtins", "eval"): [here],
        ("builtins", "exec"): [here],
        ("pty", "spawn"): [words],
        ("timeit", "timeit"): [here, text(""), name("timeit", "default_timer"), b"K\1"],
        ("runpy", "_run_code"): [here, b"}"],
        ("profile", "run"): [here, text("p")],
        ("cProfile", "run"): [here],
        ("pickle", "loads"): [raw(HOSTILE)],
        ("_pickle", "loads"): [raw(HOSTILE)],
        ("pickle", "load"): [stream],
        ("uuid", "_get_command_stdout"): [text("mkdir"), RAN],
        ("imaplib", "IMAP4_stream"): [shell],
        ("_osx_support", "_read_output"): [shell],
        ("logging", "FileHandler"): [RAN],
        ("_io", "FileIO"): [RAN, text("w")],
        ("builtins", "open"): [RAN, text("w")],
        ("setuptools._distutils.file_util", "write_file"): [RAN, b"]" + text("x") + b"a"],
        ("os", "makedirs"): [RAN],
        ("shutil", "copytree"): [text("."), RAN],
        ("torch.utils.collect_env", "run"): [shell],
        ("pydoc", "pipepager"): [text("x"), shell],
        ("torch.jit.unsupported_tensor_ops", "execWrapper"): [here, b"}", b"}"],
        ("torch.storage", "_load_from_bytes"): [raw(HOSTILE)],
        ("torch.fx.graph_module", "_forward_from_src"): [
            text("def forward(): pass\n__import__('posix').mkdir('ran')"),
            b"}",
        ],
        ("multiprocessing.util", "spawnv_passfds"): [
            raw(b"/bin/mkdir"),
            b"](" + raw(b"/bin/mkdir") + raw(b"ran") + b"e",
            b")",
        ],
        ("functools", "reduce"): [MKDIR, b"]" + RAN + b"aM\xff\1a"],
        ("tempfile", "mkdtemp"): [text(""), text("ran"), text(".")],
    }
    found = {
        ".".join(function): pickled(call(name(*function), *arguments), protocol=4)
        for function, arguments in calls.items()
    }
    found |= {
        title: pickled(code, protocol=4)
        for title, code in {
            "code.InteractiveInterpreter": method("code", "InteractiveInterpreter.runsource", here),
            "bdb.Bdb": method("bdb", "Bdb.run", here),
            "profile.Profile": method("profile", "Profile.run", here),
            "trace.Trace": method("trace", "Trace.run", here),
            "pkgutil.resolve_name": call(call(name("pkgutil", "resolve_name"), text("posix:mkdir")), RAN),
            "operator.methodcaller": call(call(name("operator", "methodcaller"), text("mkdir"), RAN), posix),
            "operator.attrgetter": call(call(call(name("operator", "attrgetter"), text("mkdir")), posix), RAN),
            "builtins.getattr": call(
                call(name("builtins", "getattr"), call(name("builtins", "__import__"), text("posix")), text("mkdir")),
                RAN,
            ),
            "functools.partial": call(call(name("functools", "partial"), MKDIR, RAN)),
            "marshal and FunctionType": call(
                call(name("types", "FunctionType"), call(name("marshal", "loads"), bytecode), b"}")
            ),
            "marshal and exec": call(name("builtins", "exec"), call(name("marshal", "loads"), bytecode)),
            "compile and exec": call(
                name("builtins", "exec"), call(name("builtins", "compile"), here, text("x"), text("exec"))
            ),
            "pathlib.Path.touch": call(stack_name("pathlib", "Path.touch"), call(name("pathlib", "Path"), RAN)),
            "ctypes": call(
                call(name("builtins", "getattr"), call(name("ctypes", "CDLL"), b"N"), text("mkdir")),
                raw(b"ran\0"),
                b"M\xff\1",
            ),
            "numpy.__builtins__ and dict.get": call(
                call(stack_name("builtins", "dict.get"), name("numpy", "__builtins__"), text("exec")), here
            ),
            "BUILD replaces a function's attributes": name("numpy", "prod")
            + stack_name("torch._utils", "sys.modules")
            + b"b0"
            + call(stack_name("numpy", "prod.posix.mkdir"), RAN),
            "__setstate__ of a namespace": name("types", "SimpleNamespace")
            + b")R"
            + dictionary(__setstate__=name("os", "system"))
            + b"b"
            + shell
            + b"b",
            "a module written over": name("sys", "modules")
            + text("math")
            + posix
            + b"s0"
            + call(name("math", "mkdir"), RAN),
            "map and list": call(name("builtins", "list"), lazily),
            "map and next": call(name("builtins", "next"), lazily),
            "map and a tensor's size": call(name("torch", "Size"), lazily),
            "map and bytes": call(name("builtins", "bytes"), lazily),
            "webbrowser": call(
                stack_name("webbrowser", "GenericBrowser.open"),
                call(name("webbrowser", "GenericBrowser"), words),
                text("x"),
            ),
        }.items()
    }
    return found
