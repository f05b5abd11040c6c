// A LLaMA model in GGUF that nobody trained: the shapes of a 7B model, fewer layers, blocks of random bits with tame
// scales. Large enough to leave the caches, and every program that reads GGUF can run it.

import ByteIO
import Checkpoint

/// Tensors of random blocks, in the names and order of GGUF's LLaMA.
struct SyntheticModel: TensorSource {
  static let (width, middle, heads, vocabulary) = (4096, 11008, 32, 4096)

  /// The weights that a token is multiplied by.
  static func parameters(layers: Int) -> Int { layers * (4 * width * width + 3 * width * middle) + vocabulary * width }

  let layers: Int
  let type: DType
  let tensors: [TensorInfo]
  var format: String { "synthetic" }
  var metadata: [(name: String, value: String)] { [] }

  init(type: DType, layers: Int) {
    let (width, middle) = (Self.width, Self.middle)
    var tensors: [TensorInfo] = []
    func add(_ name: String, _ type: DType, _ shape: [Int]) {
      let count = shape.reduce(1, *)
      let size = type.block.map { count / $0.elements * $0.bytes } ?? count * (type.byteCount ?? 1)
      tensors.append(TensorInfo(name: name, dtype: type, shape: shape, file: "synthetic", byteCount: size))
    }
    add("token_embd.weight", .f16, [Self.vocabulary, width])
    for layer in 0..<layers {
      let base = "blk.\(layer)."
      add(base + "attn_norm.weight", .f32, [width])
      for name in ["attn_q", "attn_k", "attn_v", "attn_output"] { add(base + name + ".weight", type, [width, width]) }
      add(base + "ffn_norm.weight", .f32, [width])
      for name in ["ffn_gate", "ffn_up"] { add(base + name + ".weight", type, [middle, width]) }
      add(base + "ffn_down.weight", type, [width, middle])
    }
    add("output_norm.weight", .f32, [width])
    add("output.weight", type, [Self.vocabulary, width])
    (self.tensors, self.type, self.layers) = (tensors, type, layers)
  }

  /// The same pattern again and again: what is multiplied does not matter, only that it is there.
  func storedRange(_ index: Int) -> Range<Int>? { nil }
  func verifyChecksums() {}

  func cursor(_ index: Int) -> any TensorCursor {
    let info = tensors[index]
    let unit = info.dtype.block?.bytes ?? info.dtype.byteCount ?? 1
    let pattern = Self.pattern(info.dtype, units: min(info.byteCount, 1 << 20) / unit, seed: UInt64(index + 1))
    return PartCursor(byteCount: info.byteCount, partSize: pattern.count) { range, bytes in
      bytes = Array(pattern[..<range.count])
    }
  }

  private static func pattern(_ type: DType, units: Int, seed: UInt64) -> [UInt8] {
    var state = seed
    func random() -> UInt8 {
      state = state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
      return UInt8(truncatingIfNeeded: state >> 33)
    }
    // Ones for norms; halves of about 2^-9 for scales and embeddings.
    if type == .f32 { return (0..<units).flatMap { _ in [0, 0, 0x80, 0x3F] as [UInt8] } }
    guard let block = type.block else { return (0..<units).flatMap { _ in [random(), random() & 0x80 | 0x1C] } }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(units * block.bytes)
    for _ in 0..<units {
      let scales = type == .q4_K ? 2 : 1
      for _ in 0..<scales { bytes += [random(), 0x10] }
      for _ in 2 * scales..<block.bytes { bytes.append(random()) }
    }
    return bytes
  }

  /// Writes the file.
  func write(to path: String) throws {
    var values = GGUFMetadata()
    let word = { (value: Int) in GGUFValue.uint32(UInt32(value)) }
    values["general.architecture"] = .string("llama")
    values["general.quantization_version"] = word(2)
    values["llama.context_length"] = word(2048)
    values["llama.embedding_length"] = word(Self.width)
    values["llama.block_count"] = word(layers)
    values["llama.feed_forward_length"] = word(Self.middle)
    values["llama.attention.head_count"] = word(Self.heads)
    values["llama.attention.layer_norm_rms_epsilon"] = .float32(1e-6)
    values["llama.rope.dimension_count"] = word(Self.width / Self.heads)
    values["llama.vocab_size"] = word(Self.vocabulary)
    // The least tokenizer that llama.cpp takes: special tokens, bytes, and names for the rest.
    let hex = { (byte: Int) in (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) }
    let tokens =
      ["<unk>", "<s>", "</s>"] + (0..<256).map { "<0x\(hex($0))>" } + (259..<Self.vocabulary).map { "▁t\($0)" }
    let kinds = [2, 3, 3] + [Int32](repeating: 6, count: 256) + [Int32](repeating: 1, count: Self.vocabulary - 259)
    values["tokenizer.ggml.model"] = .string("llama")
    values["tokenizer.ggml.tokens"] = .strings(tokens)
    values["tokenizer.ggml.scores"] = .array(.float32, tokens.indices.map { .float32(-Float($0)) })
    values["tokenizer.ggml.token_type"] = .array(.int32, kinds.map { .int32($0) })
    values["tokenizer.ggml.bos_token_id"] = word(1)
    values["tokenizer.ggml.eos_token_id"] = word(2)

    let sink = try GGUFWriter(tensors, values: values)
    let file = try AtomicFileWriter(in: Folder.parent(of: path))
    try file.reserve(sink.byteCount)
    try sink.begin(file)
    for index in tensors.indices {
      var done = 0
      try read(index) { part in
        try sink.write(part, at: done, of: index, file)
        done += part.byteCount
      }
    }
    try sink.finish(file)
    _ = try file.commit(as: Folder.name(of: path), size: sink.byteCount, replacing: true)
  }
}
