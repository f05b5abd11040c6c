// The parsers of bytes from outside, each as something that takes any bytes: the body of a fuzz target, and what the unit
// tests replay findings through. An input must be read or refused with one of our errors; anything else ends the process.
// A new parser is a case here, its line in `take`, and seeds in Scripts/fuzz.sh.

import ByteIO
import Checkpoint
import Checksum
import Foundation
import Jinja
import Merging
import Model
import Tokenizer
import Transformer
import XorDecrypt

/// A parser of bytes from outside.
public enum FuzzedParser: String, CaseIterable, Sendable {
  /// A safetensors file: header, then all values.
  case safetensors
  /// A PyTorch zip.
  case archive
  /// Pickles: bare, legacy container, and as the `data.pkl` of a sound zip with four storages.
  case pickle
  /// PyTorch's tar container.
  case tar
  /// numpy's .npy.
  case npy
  /// A GGUF file: head and values, blocks as numbers, the model in Hugging Face's layout, its tokenizer at work.
  case gguf
  /// `tokenizer.model`: SentencePiece's message, as a vocabulary, and merged with a small one in both directions.
  case pieces
  /// `tokenizer.json`: byte-level BPE, SentencePiece's pieces or rules, at work and as a vocabulary.
  case tokenizer
  /// A regular expression of a pre-tokenizer, which cuts a text; and lists of byte strings and of merges.
  case pattern
  /// The index of a sharded folder.
  case index
  /// `params.json` beside two shards in Meta's layout, and what they are in Hugging Face's.
  case parameters
  /// `config.json` of a LLaMA, and what it is in Meta's layout.
  case configuration
  /// A list of checksums.
  case manifest
  /// The name of an encrypted file, and the fields of its name again.
  case name
  /// A PyTorch file that becomes safetensors while it is decrypted: the plan of what goes where.
  case release
  /// `adapter_config.json` of a LoRA adapter, the scales of some modules, and what it makes of an adapter, merged.
  case adapter
  /// A model file of llama.cpp's of 2023: head and values, blocks as numbers, the model in Hugging Face's layout and in GGUF's
  /// blocks, its tokenizer at work.
  case ggml
  /// `adapter_model.safetensors`, merged, and as a GGUF file.
  case lora
  /// An adapter of llama.cpp's in the form of 2023, merged.
  case ggla
  /// An adapter of llama.cpp's in GGUF, merged.
  case llama
  /// A delta in one safetensors file, merged by each scheme, and made.
  case delta
  /// An importance matrix of llama.cpp's, in either of its forms.
  case importance
  /// A chat template, at work on a conversation.
  case template
  /// A conversation in JSON with what goes with it, which is the same when it is written and read again.
  case conversation

  /// The most bytes of values that are read of one input: views may be expanded again and again.
  private static let valueLimit = 1 << 20

  /// A SentencePiece model of two pieces: `<unk>` and `a`.
  private static let twoPieces: [UInt8] =
    [10, 14, 10, 5] + Array("<unk>".utf8) + [21, 0, 0, 0, 0, 24, 2, 10, 8, 10, 1, 97, 21, 0, 0, 0, 0, 18, 2, 24, 2]

  private func takeMerged(_ bytes: [UInt8]) {
    for (own, other) in [(Self.twoPieces, bytes), (bytes, Self.twoPieces)] {
      for scores in PieceScores.allCases {
        attempt {
          let folders = try ModelFolders.shared.get()
          let path = try folders.write(own, as: "tokenizer.model", in: .huggingFace)
          let second = try folders.write(other, as: "tokenizer.model", in: .sharded)
          let extended = try ExtendedTokenizer(Folder.parent(of: path), with: second, scores: scores)
          for number in extended.added.indices { _ = try extended.spelling(number) }
        }
      }
    }
  }

  /// Takes an input from libFuzzer.
  public func take(_ input: UnsafeBufferPointer<UInt8>) { unsafe take(Array(input)) }

  /// Takes an input.
  public func take(_ bytes: [UInt8]) {
    switch self {
    case .safetensors: attempt { try readAll(SafetensorsFile(MemoryBytes(bytes, "a.safetensors"))) }
    case .archive, .tar: takeTorch(bytes)
    case .pickle:
      takeTorch(bytes)
      takeTorch(storedZip([("a/data.pkl", bytes)] + (0..<4).map { ("a/data/\($0)", [UInt8](repeating: 1, count: 64)) }))
    case .npy: attempt { try readAll(NpyFile(MemoryBytes(bytes, "a.npy"))) }
    case .gguf: takeGGUF(MemoryBytes(bytes, "a.gguf"))
    case .importance:
      attempt {
        for (name, means) in try ImportanceMatrix(MemoryBytes(bytes, "a.dat")).means {
          precondition(means.allSatisfy { $0 >= 0 && $0.isFinite }, "\(name): no mean of squares")
        }
      }
    case .pieces:
      attempt {
        let path = try ModelFolders.shared.get().write(bytes, as: "tokenizer.model", in: .huggingFace)
        let vocabulary = try Tokenizers.vocabulary(path)
        _ = try Tokenizers.tokenizer(of: vocabulary, file: path).encode("a b")
      }
      takeMerged(bytes)
    case .tokenizer:
      attempt {
        let path = try ModelFolders.shared.get().write(bytes, as: "tokenizer.json", in: .huggingFace)
        let tokenizer = try Tokenizers.open(path)
        let ids = try tokenizer.encode("a b\n， <s>the")
        precondition(ids.allSatisfy { $0 >= 0 && $0 < tokenizer.vocabularySize }, "an id outside of the vocabulary")
        _ = try tokenizer.decode(ids)
        let vocabulary = try Tokenizers.vocabulary(path)
        _ = try Tokenizers.files(of: vocabulary, file: path)
        _ = try Tokenizers.tokenizer(of: vocabulary, file: path).encode("a b")
      }
    case .pattern: takePattern(bytes)
    case .index:
      attempt {
        let path = try ModelFolders.shared.get().write(bytes, as: "model.safetensors.index.json", in: .sharded)
        try readAll(ShardedFolder(index: path))
      }
    case .parameters:
      attempt {
        let path = try ModelFolders.shared.get().write(bytes, as: "params.json", in: .meta)
        let meta = try MetaFolder(Folder.parent(of: path))
        try readAll(meta)
        let model = try MetaModel(meta)
        _ = try model.configurationText()
        try readAll(model.source)
      }
    case .configuration:
      attempt {
        let path = try ModelFolders.shared.get().write(bytes, as: "config.json", in: .huggingFace)
        let folder = Folder.parent(of: path)
        let model = try Model.open(folder)
        try readAll(MetaExport(model.tensors, model.configuration().0, file: folder).source)
      }
    case .manifest:
      // Lines or JSON, and a model card.
      for (file, keepsGoodLines) in [("list", false), ("list", true), ("list.md", true)] {
        attempt {
          var manifest = try Manifest(bytes: bytes, file: file, keepsGoodLines: keepsGoodLines)
          // Whether there is such a file is any answer.
          _ = try manifest.settle(file: file) { $0.utf8.count % 2 == 0 }
          for entry in manifest.entries {
            precondition(
              !entry.path.hasPrefix("/") && !entry.path.split(separator: "/").contains(".."), "a path leads out")
          }
        }
      }
    case .name:
      attempt {
        let name = try EncryptedName(String(decoding: bytes, as: UTF8.self))
        let again = try EncryptedName(name.fileName)
        precondition(again.plainName == name.plainName && again.digest == name.digest, "a name that changes")
      }
    case .release: takeRelease(bytes)
    case .adapter:
      attempt {
        let configuration = try AdapterConfiguration(bytes, file: "adapter_config.json")
        for module in ["model.layers.0.self_attn.q_proj", "lm_head", ""] {
          let scale = try configuration.scale(of: module, rows: 8)
          precondition(!scale.isNaN, "a scale that is no number")
        }
      }
      merge(bytes, as: "adapter_config.json", in: .adapter)
    case .lora:
      merge(bytes, as: "adapter_model.safetensors", in: .lora)
      attempt {
        let folders = try ModelFolders.shared.get()
        try readAll(AdapterExport(folders.folder(.lora), base: folders.folder(.base), dtype: nil).source)
      }
    case .ggla:
      attempt { try readAll(GGLAFile(MemoryBytes(bytes, "a.bin"))) }
      merge(bytes, as: "a.bin", in: .change)
    case .llama: merge(bytes, as: "a.gguf", in: .change)
    case .delta:
      for scheme in [MergeOptions.Scheme.auto, .alpaca, .ziya] {
        merge(bytes, as: "d.safetensors", in: .change, scheme)
      }
      merge(bytes, as: "d.safetensors", in: .change, .add, isReversed: true)
    case .template: takeTemplate(bytes)
    case .conversation: takeConversation(bytes)
    case .ggml: takeGGML(MemoryBytes(bytes, "a.bin"))
    }
  }

  /// Merges a small base with a file, or with the folder that this completes: everything is computed and compared.
  private func merge(
    _ bytes: [UInt8], as name: String, in kind: ModelFolders.Kind, _ scheme: MergeOptions.Scheme = .auto,
    isReversed: Bool = false
  ) {
    attempt {
      let folders = try ModelFolders.shared.get()
      let file = try folders.write(bytes, as: name, in: kind)
      var options = MergeOptions()
      (options.scheme, options.isReversed) = (scheme, isReversed)
      let target = ConversionTarget(Folder.join(folders.folder(.output), "m.safetensors"))
      let change = kind == .change ? file : folders.folder(kind)
      let merge = try Merge(folders.folder(.base), [change], to: target, options) { _ in }
      guard merge.byteCount <= Self.valueLimit else { return }
      _ = try merge.run(replacing: true, inputs: InputRecord()) { _ in }
    }
  }

  private func takeGGUF(_ file: MemoryBytes) {
    attempt {
      let source = try GGUFFile(file)
      try readAll(source)
      // What is written of it says the same.
      let writer = try GGUFWriter(source.tensors, values: source.values)
      precondition(
        writer.byteCount <= file.size + 2 * source.alignment * (source.tensors.count + 1), "a file that grows")
    }
    attempt { try readAll(DequantizedSource(GGUFFile(file))) }
    attempt {
      let model = try GGUFModel(GGUFFile(file), path: "a.gguf")
      try readAll(model.source)
      _ = try model.configurationText()
      let vocabulary = try model.vocabulary()
      let tokenizer = try Tokenizers.tokenizer(of: vocabulary, file: "a.gguf")
      _ = try tokenizer.encode("a b\n，")
      _ = try Tokenizers.files(of: vocabulary, file: "a.gguf")
    }
  }

  /// What is refused is no matter here: only that nothing traps, and that what was read stays the same.
  private func takeConversation(_ bytes: [UInt8]) {
    guard let value = try? TemplateValue(json: bytes) else { return }
    precondition((try? TemplateValue(json: Array(value.json.utf8))) == value, "a value that changes when it is written")
    for message in (try? ChatMessage.list(value["messages"]?.elements ?? [value])) ?? [] {
      precondition((try? ChatMessage(message.value)) == message, "a message that changes when it is written")
    }
    _ = try? ChatContext(value)
  }

  /// A template ends, and says the same twice.
  private func takeTemplate(_ bytes: [UInt8]) {
    let messages = [("system", "a b"), ("user", " x\n"), ("assistant", "<think>y</think>z"), ("user", "你好")].map {
      TemplateValue.mapping([("role", .text($0)), ("content", .text($1))])
    }
    let values: [String: TemplateValue] = [
      "messages": .list(messages), "tools": .none, "add_generation_prompt": .bool(true), "bos_token": .text("<s>"),
    ]
    attempt {
      let template = try Template(String(decoding: bytes, as: UTF8.self))
      let now = Date(timeIntervalSince1970: 1e9)
      let text = try template.render(values, now: now)
      let again = try template.render(values, now: now)
      precondition(again == text, "a template that changes its mind")
    }
  }

  /// An expression by way of a tokenizer.json, where text comes back from what it cuts; a tiktoken list.
  private func takePattern(_ bytes: [UInt8]) {
    attempt {
      let expression = String(decoding: bytes, as: UTF8.self)
      let split: [String: Any] = [
        "type": "Split", "pattern": ["Regex": expression], "behavior": "Isolated", "invert": false,
      ]
      let object: [String: Any] = [
        "pre_tokenizer": split, "decoder": ["type": "Fuse"],
        "model": [
          "type": "BPE", "vocab": ["a": 0, "b": 1, " ": 2, "1": 3, "\n": 4, "é": 5, "ab": 6], "merges": ["a b"],
        ],
      ]
      let text = try JSONSerialization.data(withJSONObject: object)
      let path = try ModelFolders.shared.get().write([UInt8](text), as: "tokenizer.json", in: .huggingFace)
      let tokenizer = try Tokenizers.open(path)
      let sample = "a ab  b1 11\n\n aé" + String(repeating: "a", count: 300) + "1"
      let back = try tokenizer.decode(tokenizer.encode(sample))
      precondition(back == sample, "a text that does not come back")
    }
    attempt {
      let path = try ModelFolders.shared.get().write(bytes, as: "a.tiktoken", in: .huggingFace)
      _ = try Tokenizers.open(path).encode("a b")
    }
  }

  private func takeGGML(_ file: MemoryBytes) {
    attempt { try readAll(GGMLFile(file)) }
    attempt { try readAll(DequantizedSource(GGMLFile(file))) }
    for allowsRounding in [false, true] {
      attempt { try readAll(RestatedSource(GGMLFile(file), allowsRounding: allowsRounding)) }
    }
    attempt {
      let model = try GGMLModel(GGMLFile(file), path: "a.bin")
      try readAll(model.source)
      _ = try model.configurationText()
      let vocabulary = try model.vocabulary()
      _ = try Tokenizers.tokenizer(of: vocabulary, file: "a.bin").encode("a b\n，")
      _ = try Tokenizers.files(of: vocabulary, file: "a.bin")
      let restated = try RestatedSource(model.source, allowsRounding: true)
      _ = try GGUFExport(restated, model.configuration, vocabulary, types: GGUFTypes(nil), file: "a.bin")
    }
  }

  private func takeTorch(_ bytes: [UInt8]) {
    let file = MemoryBytes(bytes, "a.pt")
    attempt { try readAll(TorchFile(file)) }
    attempt { try readAll(TorchFile(file, skipping: SkippedNames())) }
    attempt { _ = try PickleSurvey(file) }
  }

  /// Every copy of a plan must lie in the file and in its output, and no two may meet.
  private func takeRelease(_ bytes: [UInt8]) {
    let conversion = ReleaseConverter().plan([("pytorch_model.bin", MemoryBytes(bytes, "pytorch_model.bin"))])
    attempt {
      guard let plan = try conversion.plans["pytorch_model.bin"]?.get() else { return }
      var ends = [Int](repeating: 0, count: plan.outputs.count)
      for copy in plan.copies.sorted(by: { ($0.output, $0.offset) < ($1.output, $1.offset) }) {
        precondition(copy.source.lowerBound >= 0 && copy.source.upperBound <= bytes.count, "a copy from outside")
        precondition(copy.offset >= max(ends[copy.output], plan.outputs[copy.output].head.count), "copies that meet")
        ends[copy.output] = copy.offset + copy.source.count
        precondition(ends[copy.output] <= plan.outputs[copy.output].byteCount, "a copy to outside")
      }
    }
  }

  /// Reads all tensors and holds them against what the source says of them.
  private func readAll(_ source: any TensorSource) throws {
    try source.verifyChecksums()
    var rest = Self.valueLimit
    for (index, tensor) in source.tensors.enumerated() where tensor.byteCount <= rest && tensor.unread == nil {
      var count = 0
      try source.read(index) { count += $0.byteCount }
      precondition(count == tensor.byteCount, "\(tensor.name) gave \(count) of \(tensor.byteCount) bytes")
      if let range = source.storedRange(index) { precondition(range.count == count, "\(tensor.name) lies elsewhere") }
      rest -= count
    }
  }

  /// Our own errors are answers; others are findings.
  private func attempt(_ body: () throws -> Void) {
    do { try body() } catch is any ToolError {} catch { preconditionFailure("an error that is not ours: \(error)") }
  }
}
