// Folders in which one small file is missing: the one that a parser of small files is given.

import ByteIO
import Checkpoint
import Foundation
import Model

/// Folders with sound weights, made once a process.
struct ModelFolders {
  /// What lies in a folder.
  enum Kind: String, CaseIterable {
    /// Two shards of two tensors each, `a` to `d`.
    case sharded
    /// A LLaMA of one layer, in two shards of Meta's layout: width 8, four heads, two of keys and values.
    case meta
    /// The same in Hugging Face's layout, in one file.
    case huggingFace
    /// The same with its config.json: nothing is missing. What merges takes this for its base.
    case base
    /// An adapter for one of its modules, `adapter_model.safetensors`, without a configuration.
    case adapter
    /// An adapter's configuration, of rank 2, without tensors.
    case lora
    /// Nothing: a delta, or a file of llama.cpp's.
    case change
    /// Where results go.
    case output
  }

  static let shared = Result<ModelFolders, any Error> { try ModelFolders() }

  private let root: String

  private init() throws {
    let parent = Folder.kind(of: "/dev/shm") == .folder ? "/dev/shm" : NSTemporaryDirectory()
    root = parent + "/belle-fuzz-\(ProcessInfo.processInfo.processIdentifier)"
    for kind in Kind.allCases { try Folder.create(folder(kind)) }
    for (name, tensors) in [("1.safetensors", "ab"), ("2.safetensors", "cd")] {
      try save(tensors.map { ("\($0)", [4]) }, as: name, in: .sharded)
    }
    let layer: [(String, [Int])] = [
      ("attention.wq", [4, 8]), ("attention.wk", [2, 8]), ("attention.wv", [2, 8]), ("attention.wo", [8, 4]),
      ("feed_forward.w1", [6, 8]), ("feed_forward.w2", [8, 6]), ("feed_forward.w3", [6, 8]), ("attention_norm", [8]),
      ("ffn_norm", [8]),
    ]
    let model =
      layer.map { ("layers.0.\($0.0).weight", $0.1) }
      + [("tok_embeddings.weight", [16, 4]), ("norm.weight", [8]), ("output.weight", [8, 8]), ("rope.freqs", [1])]
    for name in ["consolidated.00.pth", "consolidated.01.pth"] { try save(model, as: name, in: .meta) }
    try Data(#"{"dim":8,"n_heads":4,"n_kv_heads":2,"n_layers":1}"#.utf8).write(to: url("params.json", .meta))
    let whole = try MetaModel(MetaFolder(folder(.meta))).source
    _ = try Container.safetensors.write(
      whole, Array(whole.tensors.indices), metadata: [:], as: "model.safetensors", in: folder(.huggingFace),
      replacing: true, progress: { _ in })
    try FileManager.default.copyItem(
      at: url("model.safetensors", .huggingFace), to: url("model.safetensors", .base))
    try Data(
      #"""
      {"model_type":"llama","hidden_size":8,"intermediate_size":12,"num_hidden_layers":1,"num_attention_heads":4,
      "num_key_value_heads":2,"vocab_size":16,"tie_word_embeddings":false}
      """#.utf8
    ).write(to: url("config.json", .base))
    let module = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    let pair = [(module + "A.weight", [2, 8]), (module + "B.weight", [8, 2])]
    try save(pair, as: "adapter_model.safetensors", in: .adapter)
    try Data(#"{"peft_type":"LORA","r":2,"lora_alpha":4}"#.utf8).write(to: url("adapter_config.json", .lora))
  }

  /// The path of a folder.
  func folder(_ kind: Kind) -> String { Folder.join(root, kind.rawValue) }
  private func url(_ name: String, _ kind: Kind) -> URL { URL(filePath: Folder.join(folder(kind), name)) }

  /// Writes the missing file.
  ///
  /// - Returns: its path.
  func write(_ bytes: [UInt8], as name: String, in kind: Kind) throws -> String {
    let url = url(name, kind)
    try Data(bytes).write(to: url)
    return url.path
  }

  /// Writes tensors of halves that are all one.
  private func save(_ tensors: [(name: String, shape: [Int])], as name: String, in kind: Kind) throws {
    var at = 0
    let entries = tensors.map { name, shape in
      let start = at
      at += 2 * shape.reduce(1, *)
      return "\"\(name)\":{\"dtype\":\"F16\",\"shape\":\(shape),\"data_offsets\":[\(start),\(at)]}"
    }
    let header = Array("{\(entries.joined(separator: ","))}".utf8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    let values = (0..<at).map { UInt8($0 % 2 == 0 ? 0 : 0x3C) }
    let source = try SafetensorsFile(MemoryBytes(length + header + values, name))
    guard let container = Container(fileName: name) else { return }
    _ = try container.write(
      source, Array(source.tensors.indices), metadata: [:], as: name, in: folder(kind), replacing: true,
      progress: { _ in })
  }
}
