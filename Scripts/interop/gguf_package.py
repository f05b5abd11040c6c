"""Against the gguf package, the reference in Python: what we write it reads, metadata and values; what it writes we read;
its blocks and ours are the same bytes, and every block's values the same bits."""

import hashlib
import json

import gguf
import numpy
from support import PROJECT, Skip, assert_equal, check, entry, folder, tensors, tools

NEEDS = ["gguf", "numpy"]

TINY = PROJECT / "Tests/Fixtures/tiny"
TYPES = gguf.GGMLQuantizationType
WRITTEN = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0"]
SEARCHED = ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs"]


def small_model(place, architecture, width=256):
    """A model folder with the tiny tokenizer and random weights: (folder, {name: array})."""
    model = place / architecture
    model.mkdir()
    tiny = TINY / architecture
    for path in tiny.iterdir():
        if path.name.startswith("tokenizer") and "cases" not in path.name:
            (model / path.name).write_bytes(path.read_bytes())
    configuration = json.loads((tiny / "config.json").read_text())
    generator = numpy.random.default_rng(3)
    vocabulary, middle = 4096, 512 if architecture == "llama" else 4 * width
    shapes = {}
    if architecture == "llama":
        configuration |= {"hidden_size": width, "intermediate_size": middle, "num_hidden_layers": 2}
        shapes["model.embed_tokens.weight"] = shapes["lm_head.weight"] = (vocabulary, width)
        shapes["model.norm.weight"] = (width,)
        for layer in range(2):
            name = f"model.layers.{layer}."
            for part, shape in {
                "input_layernorm": (width,), "post_attention_layernorm": (width,), "self_attn.q_proj": (width, width),
                "self_attn.k_proj": (width, width), "self_attn.v_proj": (width, width),
                "self_attn.o_proj": (width, width), "mlp.gate_proj": (middle, width), "mlp.up_proj": (middle, width),
                "mlp.down_proj": (width, middle),
            }.items():  # fmt: skip
                shapes[name + part + ".weight"] = shape
    else:
        configuration |= {"hidden_size": width, "n_embed": width, "n_layer": 2}
        shapes["transformer.word_embeddings.weight"] = (vocabulary, width)
        modules = {"word_embeddings_layernorm": (width,), "ln_f": (width,)}
        for layer in range(2):
            modules |= {
                f"h.{layer}.input_layernorm": (width,), f"h.{layer}.post_attention_layernorm": (width,),
                f"h.{layer}.self_attention.query_key_value": (3 * width, width),
                f"h.{layer}.self_attention.dense": (width, width), f"h.{layer}.mlp.dense_h_to_4h": (middle, width),
                f"h.{layer}.mlp.dense_4h_to_h": (width, middle),
            }  # fmt: skip
        for name, shape in modules.items():
            shapes[f"transformer.{name}.weight"] = shape
            shapes[f"transformer.{name}.bias"] = shape[:1]
    (model / "config.json").write_text(json.dumps(configuration))
    values = {name: generator.normal(0, 0.05, shape).astype(numpy.float16) for name, shape in shapes.items()}
    header, at = {}, 0
    for name, value in values.items():
        header[name] = {"dtype": "F16", "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    (model / "model.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + b"".join(value.tobytes() for value in values.values()))
    return model, values


def expected_tensors(architecture, values, heads=4):
    """What the package's own name table and the converters' orders of rows make of a model's tensors."""
    architecture = {"llama": gguf.MODEL_ARCH.LLAMA, "bloom": gguf.MODEL_ARCH.BLOOM}[architecture]
    names = gguf.get_tensor_name_map(architecture, 2)
    result = {}
    for name, value in values.items():
        value = value.astype(numpy.float32)
        rest = value.shape[1:]
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            value = value.reshape(heads, 2, -1, *rest).swapaxes(1, 2).reshape(value.shape)
        if "query_key_value" in name:
            value = value.reshape(heads, 3, -1, *rest).swapaxes(0, 1).reshape(value.shape)
        result[names.get_name(name.removeprefix("transformer."), (".weight", ".bias"))] = value
    return result


@check("its reader gives the metadata and the tensors of our files, names and orders of rows as its own tables have them")
def written():
    for architecture in ("llama", "bloom"):
        with folder() as place:
            model, values = small_model(place, architecture)
            path = place / "model.gguf"
            tools("convert", model, path)
            reader = gguf.GGUFReader(path)
            field = {name: found.contents() for name, found in reader.fields.items()}
            found = {
                tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape[::-1])
                for tensor in reader.tensors
            }
            expected = expected_tensors(architecture, values)
            assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
            for name, value in expected.items():
                assert numpy.array_equal(found[name], value), name
            assert field["general.architecture"] == architecture and field["general.file_type"] == 1
            numbers = {
                "context_length": 512, "embedding_length": 256, "block_count": 2, "attention.head_count": 4,
                "attention.head_count_kv": 4, "vocab_size": 4096,
                "feed_forward_length": 512 if architecture == "llama" else 1024,
            }  # fmt: skip
            if architecture == "llama":
                numbers |= {"rope.dimension_count": 64, "rope.freq_base": 10000.0}
            for name, value in numbers.items():
                assert field[f"{architecture}.{name}"] == value, (name, field.get(f"{architecture}.{name}"))
            epsilon = "attention.layer_norm_rms_epsilon" if architecture == "llama" else "attention.layer_norm_epsilon"
            assert numpy.isclose(field[f"{architecture}.{epsilon}"], 1e-6 if architecture == "llama" else 1e-5)
            assert len(field["tokenizer.ggml.tokens"]) == len(field["tokenizer.ggml.token_type"]) == 4096
            assert field["tokenizer.ggml.bos_token_id"] == 1 and field["tokenizer.ggml.eos_token_id"] == 2
            assert field["tokenizer.ggml.add_bos_token"] is (architecture == "llama")
            if architecture == "bloom":
                wanted = json.loads((TINY / "bloom/tokenizer.json").read_text())["model"]
                assert field["tokenizer.ggml.pre"] == "bloom" and field["tokenizer.ggml.model"] == "gpt2"
                assert field["tokenizer.ggml.merges"] == [" ".join(pair) for pair in wanted["merges"]]
                order = sorted(wanted["vocab"], key=wanted["vocab"].get)
                assert field["tokenizer.ggml.tokens"] == order, "tokens"
            else:
                assert field["tokenizer.ggml.model"] == "llama" and field["tokenizer.ggml.tokens"][13] == "<0x0A>"
                assert len(field["tokenizer.ggml.scores"]) == 4096
                assert field["tokenizer.ggml.token_type"][:4] == [2, 3, 3, 6]


@check("our blocks are its blocks, byte for byte, and the values of all are the same bits")
def blocks():
    with folder() as place:
        model, values = small_model(place, "llama")
        expected = expected_tensors("llama", values)
        for name in WRITTEN + SEARCHED:
            path = place / f"{name}.gguf"
            tools("convert", model, path, "--gguf-type", name, "--pure")
            for tensor in gguf.GGUFReader(path).tensors:
                value = expected[tensor.name]
                if tensor.tensor_type in (TYPES.F32, TYPES.F16):
                    continue
                if tensor.name.startswith("blk.") and name in WRITTEN:
                    assert tensor.tensor_type == TYPES[name.upper()]
                    assert numpy.array_equal(gguf.quants.quantize(value, tensor.tensor_type), tensor.data), tensor.name
            with folder() as back:
                tools("convert", path, back / "model.safetensors")
                ours = tensors(back / "model.safetensors")
            reader = gguf.GGUFReader(path)
            kinds = {tensor.tensor_type for tensor in reader.tensors if tensor.name.startswith("blk.")}
            assert kinds == {TYPES[name.upper()], TYPES.F32}, (name, kinds)
            theirs = {
                tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
                for tensor in reader.tensors
            }
            for layer in range(2):
                for one, other in (("ffn_down", "mlp.down_proj"), ("attn_v", "self_attn.v_proj")):
                    digest = hashlib.sha256(theirs[f"blk.{layer}.{one}.weight"].tobytes()).hexdigest()
                    assert ours[f"model.layers.{layer}.{other}.weight"][2] == digest, (name, layer, one)


@check("what its writer writes we read: all types of values, arrays in arrays, alignments, types of tensors")
def read():
    for alignment in (None, 8, 64, 4096):
        with folder() as place:
            path = place / "a.gguf"
            writer = gguf.GGUFWriter(path, "llama")
            if alignment:
                writer.add_custom_alignment(alignment)
            numbers = {
                "uint8": 200, "int8": -100, "uint16": 60000, "int16": -30000, "uint32": 4000000000, "int32": -2000000000,
                "uint64": 1 << 63, "int64": -(1 << 62), "float32": 0.5, "float64": 1e300, "bool": True,
            }  # fmt: skip
            for name, value in numbers.items():
                getattr(writer, "add_" + name)("x." + name, value)
            writer.add_string("x.text", "甲\n\x00é")
            writer.add_array("x.list", ["a", "", "乙"])
            writer.add_array("x.floats", [1.5, -2.0])
            writer.add_array("x.nested", [[1, 2], [3]])
            generator = numpy.random.default_rng(5)
            arrays = {
                name: generator.integers(-100, 100, (3, 4, 32)).astype(name)
                for name in ("float32", "float16", "float64", "int8", "int16", "int32", "int64")
            }
            for name, value in arrays.items():
                writer.add_tensor(name, value)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            kinds = {"float": "F", "int": "I"}
            expected = {
                name: entry(kinds[name.rstrip("0123456789")] + name.lstrip("floatin"), value.shape, value.tobytes())
                for name, value in arrays.items()
            }
            assert_equal(tensors(path), expected, f"alignment {alignment}")
            lines = [json.loads(line) for line in tools("inspect", path, "--json").splitlines()]
            found = {line["name"]: line["value"] for line in lines if line["type"] == "metadata"}
            for name, value in numbers.items():
                shown = found["x." + name]
                assert shown == str(value).lower() or float(shown) == value, (name, shown)
            assert found["x.text"] == "甲\n\x00é" and "乙" in found["x.list"] and "[" in found["x.nested"]
            tools("convert", path, place / "b.gguf")
            one, other = gguf.GGUFReader(path), gguf.GGUFReader(place / "b.gguf")
            assert [(name, field.types) for name, field in one.fields.items()] == [
                (name, field.types) for name, field in other.fields.items()
            ]  # fmt: skip
            for name, field in one.fields.items():
                if name != "GGUF.version":
                    assert all(map(numpy.array_equal, field.parts[3:], other.fields[name].parts[3:])), name


@check("GPTQ's integers as Q4_0 are read by it as the values that they had")
def transcoded():
    with folder() as place:
        model, values = small_model(place, "llama")
        done = tools(
            "quantize", model, place / "gptq", "--bits", "4", "--group-size", "64", "--method", "rtn",
            "--calibration", f"{TINY / 'llama/tokens.safetensors'}:calibration", "--samples", "2", status=None)
        if done.returncode == 64:
            raise Skip("quantize is not in this build")
        assert done.returncode == 0, done.stderr
        tools("convert", place / "gptq", place / "q.gguf")
        tools("convert", place / "gptq", place / "float.safetensors", "--dequantize")
        ours = tensors(place / "float.safetensors")
        seen = 0
        for tensor in gguf.GGUFReader(place / "q.gguf").tensors:
            if tensor.name.endswith(("attn_v.weight", "ffn_up.weight")):
                assert tensor.tensor_type == TYPES.Q4_0
                value = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
                name = tensor.name.replace("blk.", "model.layers.")
                name = name.replace("attn_v", "self_attn.v_proj").replace("ffn_up", "mlp.up_proj")
                assert ours[name][2] == hashlib.sha256(value.tobytes()).hexdigest(), tensor.name
                seen += 1
        assert seen == 4


@check("the blocks of `quantize` are read by it as the values that we read, nearer to the model than rounding")
def solved():
    numbers = {"q2_k": 10, "q3_k": 12, "q4_k": 15, "q5_k": 17, "q6_k": 18, "iq4_nl": 25, "iq4_xs": 30}
    with folder() as place:
        model, values = small_model(place, "llama")
        for kind, number in numbers.items():
            errors = {method: solved_error(place, model, values, kind, number, method) for method in ("gptq", "rtn")}
            assert errors["gptq"] < errors["rtn"], (kind, errors)


def solved_error(place, model, values, kind, number, method):
    """The divergence of a model on a kind of blocks, whose values are ours and theirs to the bit."""
    path = place / f"{kind}-{method}.gguf"
    done = tools(
        "quantize", model, path, "--format", "gguf", "--gguf-type", kind, "--pure", "--method", method,
        "--calibration", f"{TINY / 'llama/tokens.safetensors'}:calibration", "--samples", "8", status=None)
    if done.returncode == 64:
        raise Skip("quantize is not in this build")
    assert done.returncode == 0, done.stderr
    floats = path.with_suffix(".safetensors")
    tools("convert", path, floats, "--dequantize")
    ours = tensors(floats)
    reader = gguf.GGUFReader(path)
    assert reader.fields["general.file_type"].contents() == number, kind
    seen = 0
    for tensor in reader.tensors:
        if tensor.name.endswith(("attn_v.weight", "ffn_up.weight", "ffn_down.weight")):
            assert tensor.tensor_type == TYPES[kind.upper()]
            value = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
            name = tensor.name.replace("blk.", "model.layers.").replace("attn_v", "self_attn.v_proj")
            name = name.replace("ffn_up", "mlp.up_proj").replace("ffn_down", "mlp.down_proj")
            assert ours[name][2] == hashlib.sha256(value.tobytes()).hexdigest(), (kind, tensor.name)
            original = values[name].astype(numpy.float32)
            # Of a normal distribution; two bits have steps of half of its extremes.
            assert numpy.abs(value - original).max() < 1.2 * numpy.abs(original).max(), (kind, tensor.name)
            seen += 1
    assert seen == 6
    scores = tools(
        "evaluate", path, "--text", f"{TINY / 'llama/tokens.safetensors'}:calibration", "--reference", model,
        "--max-tokens", "512", "--json", "--quiet")
    return json.loads(scores)["kl_mean"]


@check("importance matrices: ours are read by it under llama.cpp's names; what it writes, in either form, is taken")
def importance():
    with folder() as place:
        model, values = small_model(place, "llama")
        calibration = f"{TINY / 'llama/tokens.safetensors'}:calibration"
        made = place / "imatrix.gguf"
        done = tools(
            "quantize", model, place / "a.gguf", "--gguf-type", "q4_k_m", "--calibration", calibration, "--samples", "8",
            "--imatrix-out", made, status=None)
        if done.returncode == 64:
            raise Skip("quantize is not in this build")
        assert done.returncode == 0, done.stderr
        reader = gguf.GGUFReader(made)
        assert reader.fields["general.type"].contents() == "imatrix"
        assert reader.fields["imatrix.chunk_count"].contents() == 8
        assert reader.fields["imatrix.chunk_size"].contents() == 256
        found = {tensor.name: tensor.data.reshape(-1) for tensor in reader.tensors}
        parts = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
        names = [f"blk.{layer}.{part}.weight" for layer in range(2) for part in parts]
        assert found.keys() == {f"{name}.{what}" for name in names for what in ("in_sum2", "counts")}
        for name in names:
            assert found[f"{name}.counts"].tolist() == [8 * 256]
            assert found[f"{name}.in_sum2"].size == (512 if "ffn_down" in name else 256)
            assert (found[f"{name}.in_sum2"] > 0).all()
        means = {name: found[f"{name}.in_sum2"] / (8 * 256) for name in names}
        former = place / "imatrix.dat"
        former.write_bytes(former_bytes(means, calls=3))
        other = place / "other.gguf"
        write_importance(other, means)
        results = []
        for path in (former, other):
            out = place / f"{path.name}.out.gguf"
            tools("quantize", model, out, "--gguf-type", "q4_k_m", "--imatrix", path)
            results.append([tensor.data.tobytes() for tensor in gguf.GGUFReader(out).tensors])
        # Means are rounded otherwise in either form, and a value that lies on a tie goes to either side.
        equal = sum(map(bytes.__eq__, *results))
        assert equal > len(results[0]) / 2, f"{equal} of {len(results[0])} tensors"


def former_bytes(means, calls):
    """llama-imatrix's form before GGUF."""
    number = lambda value: value.to_bytes(4, "little")  # noqa: E731
    data = number(len(means))
    for name, values in sorted(means.items()):
        data += number(len(name)) + name.encode() + number(calls) + number(values.size)
        data += (values * numpy.float32(calls)).astype(numpy.float32).tobytes()
    return data + number(calls) + number(5) + b"a.txt"


def write_importance(path, means):
    writer = gguf.GGUFWriter(path, "")
    writer.kv_data[0].pop("general.architecture", None)
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["a.txt"])
    writer.add_uint32("imatrix.chunk_count", 3)
    writer.add_uint32("imatrix.chunk_size", 512)
    for name, values in sorted(means.items()):
        writer.add_tensor(f"{name}.in_sum2", (values * numpy.float32(1536)).astype(numpy.float32))
        writer.add_tensor(f"{name}.counts", numpy.array([1536], numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
