// llama.cpp's adapters with peft's names: GGUF files of the type `adapter`, and the `ggla` files of 2023. Their tensors
// have llama.cpp's or Meta's names, rows of q and k in that layout's order, and the names and rows of the base's family
// say which of the base's they are. Sources: llama.cpp, convert_lora_to_gguf.py, src/llama-adapter.cpp;
// convert-lora-to-ggml.py and llama.cpp of July 2023.
// Refused: whole tensors beside the products, which llama.cpp passes over.

import ByteIO
import Checkpoint
import Model

/// An adapter of llama.cpp's.
struct LlamaAdapter {
  /// With peft's names and orders.
  let adapter: AdapterSource

  /// The two matrices of a product, as numbers of tensors.
  private typealias Pair = (name: String, down: Int, up: Int)

  // MARK: - GGUF

  /// A GGUF adapter.
  init(_ file: GGUFFile, path: String, base: Model) throws {
    let type = (file.values["general.type"]?.string, file.values["adapter.type"]?.string)
    guard type.0 == "adapter", type.1 ?? "lora" == "lora" else {
      throw MergeError(
        .scheme, file: path,
        reason: type.0 == "adapter"
          ? "it is an adapter of another type than lora"
          : "it is a GGUF file of a model, and no adapter",
        remedy: type.0 == "adapter"
          ? AdapterConfiguration.withPeft
          : "the base comes first, then adapters and deltas, then the output")
    }
    let architecture = file.values["general.architecture"]?.string
    let family = try base.measures().family
    guard architecture == nil || architecture == family.gguf else {
      throw MergeError(
        .mismatch, file: path,
        reason: "it is for models of llama.cpp's architecture \(displayName(architecture ?? "")), and the base is of "
          + "the family \(family.name)",
        remedy: "give the base that the adapter was trained on")
    }
    guard let alpha = file.values["adapter.lora.alpha"]?.number, alpha.isFinite else {
      throw MergeError(
        .configuration, file: path, reason: "adapter.lora.alpha is missing, or no number",
        remedy: "convert the adapter again, or merge it in peft's form")
    }
    let source = try DequantizedSource(file)
    let pairs = try Self.pairs(source.tensors, (".lora_a", ".lora_b"), path)
    let view = try Self.peft(source, pairs, in: .gguf, base: base, path: path) { name in
      // The embedding's matrix lies as rows of tokens.
      name == "token_embd.weight" ? .embedding : .linear
    }
    adapter = AdapterSource(
      path: path, source: view, configuration: AdapterConfiguration(alpha: alpha, ofZero: 1, file: path))
  }

  /// Pairs the matrices of products.
  private static func pairs(
    _ tensors: [TensorInfo], _ endings: (down: String, up: String), _ path: String
  ) throws -> [Pair] {
    let places = Dictionary(tensors.enumerated().map { ($1.name, $0) }) { one, _ in one }
    var pairs: [Pair] = []
    for (index, info) in tensors.enumerated() {
      if info.name.hasSuffix(endings.up) {
        guard places[info.name.dropLast(endings.up.count) + endings.down] != nil else { throw half(info, path) }
        continue
      }
      guard info.name.hasSuffix(endings.down) else {
        throw MergeError(
          .unused, file: path,
          reason: "\(displayName(info.name)) is no part of a product, and llama.cpp passes over such tensors",
          remedy: "merge the adapter in peft's form")
      }
      let name = String(info.name.dropLast(endings.down.count))
      guard let up = places[name + endings.up] else { throw half(info, path) }
      pairs.append((name, index, up))
    }
    guard !pairs.isEmpty else { throw MergeError(.adapter, file: path, reason: "there is no tensor in it") }
    return pairs
  }

  private static func half(_ info: TensorInfo, _ path: String) -> MergeError {
    MergeError(
      .adapter, file: path, reason: "\(displayName(info.name)) is half of a product, and the other half is missing",
      remedy: "a part of the file may be missing: convert or download the adapter again")
  }

  /// How A is stored.
  private enum Storage { case linear, turned, embedding }

  /// The tensors with peft's names, rows of B in Hugging Face's order.
  private static func peft(
    _ source: any TensorSource, _ pairs: [Pair], in dialect: Dialect, base: Model, path: String,
    storage: (String) -> Storage
  ) throws -> any TensorSource {
    let configuration = try base.measures()
    let ups = try TensorView(
      pairs.map { TensorView.Entry(source.tensors[$0.up].renamed($0.name), .stored($0.up)) }, of: source)
    let named: any TensorSource
    do { named = try configuration.layout(dialect).huggingFace(ups) } catch let error as CheckpointError {
      throw MergeError(
        .mismatch, file: path, reason: error.reason,
        remedy: "the adapter may be another model's: give the base that it was trained on")
    }
    // What models compute is left out there.
    guard named.tensors.count == pairs.count else {
      throw MergeError(.unused, file: path, reason: "a product of it is for what a model computes, and no weight")
    }
    var entries: [TensorView.Entry] = []
    for (index, pair) in pairs.enumerated() {
      let (up, down) = (named.tensors[index], source.tensors[pair.down])
      let module = String(up.name.dropLast(".weight".count))
      switch storage(pair.name) {
      case .linear:
        entries.append(TensorView.Entry(down.renamed(module + ".lora_A.weight"), .stored(pair.down)))
        entries.append(TensorView.Entry(up.renamed(module + ".lora_B.weight"), .stored(index, of: 1)))
      case .turned, .embedding:
        let isEmbedding = storage(pair.name) == .embedding
        let name = module + (isEmbedding ? ".lora_embedding_A" : ".lora_A.weight")
        entries.append(try turned(down, pair.down, of: source, name))
        let upName = module + (isEmbedding ? ".lora_embedding_B" : ".lora_B.weight")
        entries.append(TensorView.Entry(up.renamed(upName), .stored(index, of: 1)))
      }
    }
    return try TensorView(entries, of: source, named, metadata: [])
  }

  /// A matrix the other way around: small enough for memory.
  static func turned(
    _ info: TensorInfo, _ index: Int, of source: any TensorSource, _ name: String
  ) throws -> TensorView.Entry {
    guard info.shape.count == 2, let size = info.dtype.byteCount else {
      throw MergeError(.adapter, file: info.file, reason: "\(displayName(info.name)) is no matrix of numbers")
    }
    let (rows, columns) = (info.shape[0], info.shape[1])
    let stored = TensorInfo(
      name: name, dtype: info.dtype, shape: [columns, rows], file: info.file, byteCount: info.byteCount)
    return TensorView.Entry(
      stored,
      .computed {
        let bytes = try source.allBytes(index)
        var result = [UInt8](repeating: 0, count: bytes.count)
        for row in 0..<rows {
          for column in 0..<columns {
            for byte in 0..<size {
              result[(column * rows + row) * size + byte] = bytes[(row * columns + column) * size + byte]
            }
          }
        }
        return BytesCursor(result)
      })
  }

  // MARK: - ggla

  /// Whether a file is one of 2023's.
  static func isOld(_ file: InputFile) throws -> Bool { try file.bytes(count: 4).elementsEqual("algg".utf8) }

  /// An adapter of 2023.
  init(old file: InputFile, base: Model) throws {
    let read = try GGLAFile(file)
    let pairs = try Self.pairs(read.tensors, (".loraA", ".loraB"), file.path)
    // Of each, A is `[in, r]`.
    let first = pairs.first?.name ?? ""
    let dialect: Dialect = first.hasPrefix("blk.") ? .gguf : .meta
    let view = try Self.peft(read, pairs, in: dialect, base: base, path: file.path) { _ in .turned }
    guard pairs.allSatisfy({ read.tensors[$0.down].shape.last == read.rank }) else {
      throw MergeError(
        .adapter, file: file.path,
        reason: "a product has another rank than the \(read.rank) that the head says")
    }
    adapter = AdapterSource(
      path: file.path, source: view,
      configuration: AdapterConfiguration(alpha: Double(read.alpha), ofZero: 0, file: file.path))
  }
}
