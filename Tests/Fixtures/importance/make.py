"""Importance matrices in both of llama.cpp's forms, by the published layout: four entries with the means that
expected.json has. GGUF by the gguf package, with the sums over inputs (`in_sum`) that newer files hold besides.

    python Tests/Fixtures/importance/make.py      # gguf 0.19
"""

import json
import pathlib
import struct

import gguf
import numpy

HERE = pathlib.Path(__file__).parent
CALLS, TOKENS = 7, 7 * 512

generator = numpy.random.default_rng(4)
means = {
    f"blk.{layer}.{part}.weight": (generator.gamma(0.5, 2, size) * 2**-4).astype(numpy.float32)
    for layer in range(2)
    for part, size in (("attn_q", 64), ("ffn_down", 96))
}
sums = {name: (values * numpy.float32(TOKENS)).astype(numpy.float32) for name, values in means.items()}
former = {name: (values * numpy.float32(CALLS)).astype(numpy.float32) for name, values in means.items()}

with open(HERE / "former.dat", "wb") as file:
    file.write(struct.pack("<i", len(former)))
    for name, values in sorted(former.items()):
        file.write(struct.pack("<i", len(name)) + name.encode())
        file.write(struct.pack("<ii", CALLS, values.size) + values.tobytes())
    file.write(struct.pack("<i", CALLS) + struct.pack("<i", 8) + b"text.txt")

writer = gguf.GGUFWriter(HERE / "imatrix.gguf", "")
writer.kv_data[0].pop("general.architecture", None)
writer.add_type("imatrix")
writer.add_array("imatrix.datasets", ["a.txt", "b.txt"])
writer.add_uint32("imatrix.chunk_count", CALLS)
writer.add_uint32("imatrix.chunk_size", 512)
for name, values in sorted(sums.items()):
    writer.add_tensor(f"{name}.in_sum2", values)
    writer.add_tensor(f"{name}.counts", numpy.array([TOKENS], numpy.float32))
    writer.add_tensor(f"{name}.in_sum", numpy.zeros_like(values))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

(HERE / "expected.json").write_text(
    json.dumps(
        {
            "former": {name: (values / numpy.float32(CALLS)).tolist() for name, values in former.items()},
            "gguf": {name: (values / numpy.float32(TOKENS)).tolist() for name, values in sums.items()},
        }
    )
)
