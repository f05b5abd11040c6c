"""What inputs of up to 16 MB make each verb take, at most: files of very many very small things, by the real binary.

The promise is Documentation/safety.md's: less than 300 MB for each of these verbs, and 20 seconds for --safety. Each input is written as densely as
its format permits, whatever it means; verbs may refuse it, and mostly do.
"""

import json
import os
import pickle
import shutil
import struct
import subprocess
import tarfile
import time
import zipfile
import zlib

from support import PROJECT, TOOLS, check, folder

NEEDS = []
FIXTURES = PROJECT / "Tests/Fixtures"
SIZE = 16_000_000
MOST = 300_000  # kB
LONGEST = 40  # Seconds that --safety may take: twice what is promised, for a machine that others use too.


def kind(name):
    """Marks a function that writes an input, a file of this name in a folder, as a check."""

    def add(function):
        def holds():
            with folder() as place:
                apart(function, place / name)
                return measure(place, place / name)

        return check(f"{function.__doc__}: every verb stays below 300 MB")(holds)

    return add


def apart(function, path):
    """Calls a function in a process of its own: what a child takes counts from what its parent has when it begins."""
    process = os.fork()
    if process == 0:
        try:
            function(path)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0, "the input could not be written"


def peak(arguments):
    """The most memory that a run takes, in kB; it must end by itself, with a status of ours."""
    process = subprocess.Popen([TOOLS, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1, 2, 64), f"{arguments[0]} ends with {process.returncode}"
    return used.ru_maxrss


def measure(place, path):
    assert path.stat().st_size <= 1 << 24, path.stat().st_size
    other = place.parent / f"{place.name}-copy"
    shutil.copytree(place, other)
    target = place.parent / f"{place.name}-out"
    try:
        runs = {
            "inspect": ["inspect", path],
            "inspect --safety": ["inspect", "--safety", path],
            "verify": ["verify", place, *(["--manifest", path] if path.suffix in (".md5", ".sha256") else [])],
            "convert": ["convert", path, target / "m.safetensors"],
            "compare": ["compare", path, other / path.name],
            "compare folders": ["compare", place, other],
            "doctor": ["doctor", place],
            "decrypt": ["decrypt", place, path, target],
            "merge into it": ["merge", place, FIXTURES / "lora/adapter", target / "a"],
            "merge it": ["merge", FIXTURES / "extend/model", place, target / "b"],
            "merge the file": ["merge", FIXTURES / "extend/model", path, target / "c"],
            "merge with itself": ["merge", place, target / "d"],
            "extend": ["extend", place, FIXTURES / "extend/list.json", target / "e"],
            "extend with it": ["extend", FIXTURES / "extend/model", path, target / "f"],
        }
        began = time.monotonic()
        used = {"inspect --safety": peak(runs.pop("inspect --safety"))}
        took = time.monotonic() - began
        used |= {name: peak(run) for name, run in runs.items()}
        used["convert the folder"] = peak(["convert", place, target / "n.gguf"])
    finally:
        shutil.rmtree(other)
        shutil.rmtree(target, ignore_errors=True)
    worst = max(used, key=used.get)
    assert took < LONGEST, f"inspect --safety takes {took:.0f} s"
    assert used[worst] < MOST, ", ".join(f"{name} {value >> 10} MB" for name, value in used.items() if value >= MOST)
    return f"{worst} {used[worst] >> 10} MB"


def fill(piece, start=0, size=SIZE):
    """Texts of numbers, one after the other, until they are large enough."""
    parts, total, number = [], 0, start
    while total < size:
        part = piece(number)
        parts.append(part)
        total += len(part) + 1
        number += 1
    return parts


def safetensors(path, header, data=b""):
    text = header.encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@kind("model.safetensors")
def empty_tensors(path):
    """safetensors of tensors without elements"""
    safetensors(
        path, "{" + ",".join(fill(lambda n: f'"{n:x}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}')) + "}")


@kind("model.safetensors")
def other_empty_tensors(path):
    """safetensors of nested tensors of a wrapped model"""
    safetensors(
        path, '{"m.model.embed_tokens.weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},'
        + ",".join(fill(lambda n: f'"m.{n:x}":{{"dtype":"U8","shape":[0,1],"data_offsets":[0,0]}}')) + "}")


@kind("model.safetensors")
def metadata(path):
    """safetensors with half a million entries of metadata"""
    entries = ",".join(f'"{n:0>24x}":""' for n in range((1 << 19) - 8))
    safetensors(path, f'{{"__metadata__":{{{entries}}},"w":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}', bytes(4))


@kind("model.safetensors")
def more_metadata(path):
    """safetensors of as much metadata as fits"""
    entries = ",".join(fill(lambda n: f'"{n:x}":""'))
    safetensors(path, f'{{"__metadata__":{{{entries}}},"w":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}', bytes(4))


@kind("model.safetensors.index.json")
def index(path):
    """an index of names"""
    path.write_text('{"weight_map":{' + ",".join(fill(lambda n: f'"{n:x}":"a"')) + "}}")


@kind("model.safetensors.index.json")
def index_of_files(path):
    """an index of files"""
    path.write_text('{"weight_map":{' + ",".join(fill(lambda n: f'"{n:x}":"{n:x}.safetensors"')) + "}}")


def text(value):
    return struct.pack("<Q", len(value)) + value


def gguf(path, tensors, values, data=b""):
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, tensors, values) + data)


@kind("m.gguf")
def gguf_bytes(path):
    """GGUF of one array of bytes, four million"""
    count = (1 << 22) - 16
    gguf(path, 0, 1, text(b"a") + struct.pack("<IIQ", 9, 0, count) + bytes(count))


@kind("m.gguf")
def gguf_integers(path):
    """GGUF of one array of 32-bit integers"""
    count = SIZE // 4
    gguf(path, 0, 1, text(b"a") + struct.pack("<IIQ", 9, 4, count) + bytes(4 * count))


@kind("m.gguf")
def gguf_strings(path):
    """GGUF of one array of empty strings"""
    count = SIZE // 8
    gguf(path, 0, 1, text(b"a") + struct.pack("<IIQ", 9, 8, count) + bytes(8 * count))


@kind("m.gguf")
def gguf_tokens(path):
    """GGUF of a vocabulary of short tokens"""
    tokens = [text(b"%x" % n) for n in range(SIZE // 14)]
    gguf(path, 0, 2, text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama") + text(
        b"tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, len(tokens)) + b"".join(tokens))


@kind("m.gguf")
def gguf_values(path):
    """GGUF of keys with a byte each"""
    values = [text(b"%x" % n) + struct.pack("<IB", 0, 1) for n in range(SIZE // 18)]
    gguf(path, 0, len(values), b"".join(values))


@kind("m.gguf")
def gguf_tensors(path):
    """GGUF of tensors without elements"""
    tensors = [text(b"%x" % n) + struct.pack("<IQIQ", 1, 0, 0, 0) for n in range(SIZE // 38)]
    gguf(path, len(tensors), 0, b"".join(tensors) + bytes(64))


def torch(path, program):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/version", "3\n")


@kind("pytorch_model.bin")
def pickled_integers(path):
    """a pickle of a list of small integers"""
    torch(path, pickle.dumps([0] * (SIZE // 2), protocol=2))


@kind("pytorch_model.bin")
def pickled_tuples(path):
    """a pickle of empty tuples in a dictionary"""
    torch(path, b"\x80\x02}(" + b"))" * (SIZE // 2) + b"u.")


@kind("pytorch_model.bin")
def pickled_names(path):
    """a pickle of a dictionary of short names"""
    torch(path, pickle.dumps({f"{n:x}": None for n in range(SIZE // 18)}, protocol=2))


@kind("pytorch_model.bin")
def pickled_memo(path):
    """a pickle that memoizes one value over and over"""
    torch(path, b"\x80\x04N" + b"\x94" * SIZE + b".")


@kind("pytorch_model.bin")
def deflated_memo(path):
    """a deflated pickle that memoizes one value over and over"""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x04N" + b"\x94" * SIZE + b".")


@kind("pytorch_model.bin")
def bare_pickles(path):
    """pickles one behind the other"""
    path.write_bytes(b"\x80\x02N." * (SIZE // 4))


def number(n):
    """A name of five letters."""
    return b"%05x" % n


@kind("pytorch_model.bin")
def named_names(path):
    """a pickle of different names"""
    path.write_bytes(b"\x80\x02" + b"".join(fill(lambda n: b"cos\n" + number(n) + b"\n0", size=SIZE - 8)) + b"N.")


@kind("pytorch_model.bin")
def deflated_names(path):
    """a deflated pickle of five million names"""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + b"".join(b"cos\n%05x\n0" % n for n in range(4_600_000)) + b"N.")


def deflated(path, data, count):
    """A zip of members that are the same: data is deflated once."""
    body, directory = bytearray(), bytearray()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    for n in range(count):
        name, at = b"%06x" % n, len(body)
        fields = struct.pack("<HHHHIIIHH", 0, 8, 0, 33, zlib.crc32(data), len(packed), len(data), len(name), 0)
        body += b"PK\3\4" + struct.pack("<H", 20) + fields + name + packed
        directory += b"PK\1\2" + struct.pack("<HH", 20, 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, at) + name
    end = struct.pack("<HHHHIIH", 0, 0, min(count, 65535), min(count, 65535), len(directory), len(body), 0)
    path.write_bytes(bytes(body) + bytes(directory) + b"PK\5\6" + end)


@kind("pytorch_model.bin")
def members_of_names(path):
    """a zip of 70 deflated members, each of 50,000 names"""
    deflated(path, b"\x80\x02" + b"".join(b"cos\n%05x\n0" % n for n in range(50_000)) + b"N.", 70)


@kind("pytorch_model.bin")
def members_of_one_name(path):
    """a zip of a thousand deflated members, each of one name 50,000 times"""
    deflated(path, b"\x80\x02" + b"cos\nabcdefghijklmnop\n0" * 50_000 + b"N.", 1000)


@kind("pytorch_model.bin")
def members_of_pickles(path):
    """a zip of ten thousand deflated members, each of a thousand pickles"""
    deflated(path, b"cos\nabcdefghijklmnop\n." * 1000, 10_000)


@kind("pytorch_model.bin")
def members_of_headers(path):
    """a zip of sixty thousand deflated headers of arrays"""
    deflated(path, b"\x93NUMPY\2\0" + struct.pack("<I", 60_000) + b" " * 60_000, 60_000)


@kind("pytorch_model.bin")
def zip_members(path):
    """a zip of empty members"""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(SIZE // 95):
            archive.writestr(f"{number:x}", b"")


@kind("a.tar")
def tar_members(path):
    """a tar of empty members"""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for number in range(SIZE // 512 - 32):
            archive.addfile(tarfile.TarInfo(f"{number:x}"))


@kind("a.npy")
def npy_dimensions(path):
    """an npy file of a shape of ones"""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"1," * (SIZE // 2 - 100) + b"), }\n"
    path.write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header + bytes(4))


@kind("l.md5")
def list_of_line_ends(path):
    """a checksum list of line ends"""
    path.write_bytes(b"\n" * SIZE)


@kind("l.md5")
def list_of_names(path):
    """a checksum list of short names"""
    path.write_text("\n".join(fill(lambda n: f"{'0' * 32}  {n:x}")))


@kind("l.sha256")
def list_of_one_name(path):
    """a checksum list of one long name"""
    path.write_text("0" * 64 + "  " + "a" * SIZE)


def model(path, name, contents):
    """A model's folder as far as doctor looks, with a file that is too much of something."""
    weights = '{"model.embed_tokens.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}'
    safetensors(path.parent / "model.safetensors", weights, bytes(4))
    configuration = {"model_type": "llama", "hidden_size": 1, "vocab_size": 1, "num_hidden_layers": 0,
                     "num_attention_heads": 1, "intermediate_size": 1}
    (path.parent / "config.json").write_text(json.dumps(configuration))
    (path.parent / name).write_bytes(contents)


def configuration(path, **more):
    """An adapter's configuration beside a file."""
    settings = {"peft_type": "LORA", "r": 1, "lora_alpha": 1} | more
    (path.parent / "adapter_config.json").write_text(json.dumps(settings))


@kind("adapter_model.safetensors")
def products(path):
    """an adapter of products without elements"""
    configuration(path)

    def pair(n):
        return ",".join(
            f'"base_model.model.{n:x}.lora_{part}.weight":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for part in "AB")

    safetensors(path, "{" + ",".join(fill(pair)) + "}")


@kind("adapter_model.safetensors")
def lists_of_modules(path):
    """an adapter whose configuration is a mebibyte of names"""
    configuration(path, target_modules=fill(lambda n: f"{n:x}  ", size=700_000), modules_to_save=fill(
        lambda n: f"{n:x}   ", size=200_000))
    safetensors(path, '{"base_model.model.a.lora_A.weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}')


@kind("adapter_model.safetensors")
def patterns_of_modules(path):
    """an adapter whose configuration is a mebibyte of patterns"""
    configuration(path, rank_pattern={f"{n:x}": 1 for n in range(90_000)})
    safetensors(path, '{"base_model.model.a.lora_A.weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}')


@kind("ggml-adapter-model.bin")
def old_products(path):
    """an old adapter of as many products as there may be"""
    records = bytearray(struct.pack("<IIII", 0x67676C61, 1, 1, 1))
    for n in range(1 << 15):
        for part in "AB":
            name = f"{n:x}.lora{part}".encode()
            records += struct.pack("<IIIII", 2, len(name), 0, 1, 1) + name
            records += bytes(-len(records) % 32) + bytes(4)
    path.write_bytes(records)


@kind("config.json")
def numbers(path):
    """a config.json of numbers"""
    model(path, path.name, b'{"model_type":"llama","x":[' + b"0," * (SIZE // 2) + b"0]}")


@kind("config.json")
def objects(path):
    """a config.json of empty objects"""
    model(path, path.name, b'{"model_type":"llama","x":[' + b"{}," * (SIZE // 3) + b"{}]}")


@kind("config.json")
def nesting(path):
    """a config.json of lists in lists"""
    model(path, path.name, b'{"model_type":"llama","x":' + b"[" * (SIZE // 2) + b"]" * (SIZE // 2) + b"}")


@kind("tokenizer.json")
def tokens(path):
    """a tokenizer.json of short tokens"""
    entries = ",".join(fill(lambda n: f'"{n:x}":{n}'))
    model(path, path.name, ('{"version":"1.0","model":{"type":"BPE","vocab":{' + entries + '},"merges":[]}}').encode())


@kind("tokenizer.json")
def merges(path):
    """a tokenizer.json of merges"""
    entries = ",".join(fill(lambda n: f'"{n:x} a"'))
    start = '{"version":"1.0","model":{"type":"BPE","vocab":{"a":0},"merges":['
    model(path, path.name, (start + entries + "]}}").encode())


@kind("tokenizer.model")
def pieces(path):
    """a tokenizer.model of short pieces"""

    def piece(number):
        name = b"%x" % number
        body = b"\x0a" + bytes([len(name)]) + name + b"\x15" + bytes(4)
        return b"\x0a" + bytes([len(body)]) + body

    model(path, path.name, b"".join(fill(piece, size=SIZE - (2 << 20))))


@kind("tokenizer.model")
def empty_pieces(path):
    """a tokenizer.model of empty pieces"""
    model(path, path.name, b"\x0a\x00" * (SIZE // 2))
