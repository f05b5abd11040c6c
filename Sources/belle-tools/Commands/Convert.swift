// convert: a checkpoint in, safetensors out, with a proof that every value is the same.

import ArgumentParser
import ByteIO
import Checkpoint
import Foundation

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint as safetensors, in its layout or in Hugging Face's.",
    discussion: """
      Example: a PyTorch model, and one in Meta's layout with Hugging Face's names and row order:

        belle-tools convert model/ model-safetensors/
        belle-tools convert llama/ llama-hf/ --layout hf

      Reads what `inspect` reads. The result is read again and compared: the last line says whether every value is the \
      same. An output that ends in .safetensors is one file; any other is a folder, with shards and an index where it is \
      larger than --max-shard-size. Configuration and tokenizer files of a folder are copied along.
      """)

  /// Layouts that can be written.
  enum Layout: String, ExpressibleByArgument, CaseIterable {
    case keep, hf
  }

  @Argument(help: ArgumentHelp("A checkpoint, or a folder that holds one.", valueName: "model"))
  var input: String

  @Argument(help: ArgumentHelp("A .safetensors file, or a folder.", valueName: "output"))
  var output: String

  @Option(help: "The names and row order: keep those of the model, or Hugging Face's from Meta's.")
  var layout = Layout.keep

  @Option(help: ArgumentHelp("The largest file of a folder: a number with kB, MB or GB.", valueName: "size"))
  var maxShardSize = "5GB"

  @Flag(help: "Replace files that have the outputs' names.")
  var force = false

  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard Self.bytes(maxShardSize) != nil else { throw ValidationError("--max-shard-size takes a size such as 5GB.") }
  }

  /// A size in decimal units; nil for what is none.
  static func bytes(_ text: String) -> Int? {
    let upper = text.uppercased()
    for (suffix, factor) in [
      ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1), ("", 1),
    ]
    where upper.hasSuffix(suffix) {
      guard let value = Int(upper.dropLast(suffix.count)), value > 0 else { return nil }
      let (bytes, overflow) = value.multipliedReportingOverflow(by: factor)
      return overflow ? nil : bytes
    }
    return nil
  }

  func run() throws {
    var source = try Checkpoint.open(input)
    var configuration: [UInt8]?
    if layout == .hf, let meta = source as? MetaFolder {
      let model = try HuggingFaceLlama(meta)
      configuration = try model.configuration()
      source = model
    }
    guard !source.tensors.isEmpty else {
      throw CheckpointError(.unknownFormat, file: input, reason: "there is no tensor in it")
    }
    // transformers wants to be told that the values are PyTorch's; what a safetensors file says of itself is kept.
    var metadata = ["format": "pt"]
    if source.format == "safetensors" { metadata.merge(source.metadata.map { ($0.name, $0.value) }) { $1 } }
    let plan = try files(source)
    let total = source.tensors.reduce(0) { $0 + $1.byteCount }
    try check(plan.map(\.name), folder: plan[0].folder, total: total)
    try Folder.create(plan[0].folder)
    TemporaryFiles.removeAbandoned(in: plan[0].folder)

    let progress = Console.shared.showProgress(total: total, options: common)
    defer { Console.shared.clearProgress() }
    for file in plan {
      progress(.started(file: file.name, bytes: file.indices.reduce(0) { $0 + source.tensors[$1].byteCount }))
      let written = try SafetensorsWriter.write(
        source, file.indices, metadata: metadata, as: file.name, in: file.folder, replacing: force
      ) { progress(.advanced(file: file.name, bytes: $0)) }
      progress(.finished(file: file.name))
      guard written else {
        throw CheckpointError(
          .badIndex, file: Folder.join(file.folder, file.name), reason: "it appeared while it was written")
      }
    }
    try writeCompanions(plan, source, configuration: configuration, total: total)
    try prove(source)
  }

  private typealias PlannedFile = (folder: String, name: String, indices: [Int])

  /// Which tensors go into which file.
  private func files(_ source: any TensorSource) throws -> [PlannedFile] {
    let all = Array(source.tensors.indices)
    if output.hasSuffix(".safetensors") { return [(Folder.parent(of: output), Folder.name(of: output), all)] }
    let limit = Self.bytes(maxShardSize) ?? Int.max
    var groups: [[Int]] = [[]]
    var size = 0
    for index in all {
      let bytes = source.tensors[index].byteCount
      if size + bytes > limit, !(groups.last ?? []).isEmpty {
        groups.append([])
        size = 0
      }
      groups[groups.count - 1].append(index)
      size += bytes
    }
    if groups.count == 1 { return [(output, "model.safetensors", all)] }
    let digits = { (number: Int) in String(repeating: "0", count: max(0, 5 - "\(number)".count)) + "\(number)" }
    return groups.enumerated().map { number, indices in
      (output, "model-\(digits(number + 1))-of-\(digits(groups.count)).safetensors", indices)
    }
  }

  private func check(_ names: [String], folder: String, total: Int) throws {
    guard Folder.isWritable(folder) else {
      throw ByteIOError(.notPermitted, file: folder, reason: "cannot write into the output folder")
    }
    for name in names where Folder.kind(of: Folder.join(folder, name)) != nil && !force {
      throw ByteIOError(
        .exists, file: Folder.join(folder, name), reason: "it is there already",
        remedy: "move it away, or give --force to replace it")
    }
    if let available = Folder.availableSpace(folder), available < total {
      throw ByteIOError(
        .noSpace, file: folder, reason: "\(byteCount(total)) are needed, and \(byteCount(available)) are free",
        remedy: "free \(byteCount(total - available)), or give an output folder on another disk")
    }
  }

  /// The index, the configuration and the tokenizer.
  private func writeCompanions(
    _ plan: [PlannedFile], _ source: any TensorSource, configuration: [UInt8]?, total: Int
  ) throws {
    guard !output.hasSuffix(".safetensors") else { return }
    if plan.count > 1 {
      var map: [String: String] = [:]
      for file in plan { for index in file.indices { map[source.tensors[index].name] = file.name } }
      let object: [String: Any] = ["metadata": ["total_size": total], "weight_map": map]
      let data = try JSONSerialization.data(
        withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
      try write([UInt8](data) + [0x0A], as: "model.safetensors.index.json")
    }
    if let configuration { try write(configuration, as: "config.json") }
    guard Folder.kind(of: input) == .folder else { return }
    let companions = [
      "config.json", "generation_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
      "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "chat_template.jinja",
    ]
    for name in companions where Folder.kind(of: Folder.join(input, name)) == .file {
      if name == "config.json", configuration != nil { continue }
      let file = try InputFile(Folder.join(input, name))
      try write(try file.bytes(count: file.size), as: name)
    }
  }

  private func write(_ bytes: [UInt8], as name: String) throws {
    let writer = try AtomicFileWriter(in: output)
    try writer.write(bytes, at: 0)
    guard try writer.commit(as: name, size: bytes.count, replacing: force) == .created else {
      throw ByteIOError(
        .exists, file: Folder.join(output, name), reason: "it is there already",
        remedy: "move it away, or give --force to replace it")
    }
  }

  /// Reads the result again and compares.
  private func prove(_ source: any TensorSource) throws {
    let result = try Checkpoint.open(output)
    var differing: [String] = []
    try Comparison(source, result, tolerance: 0).run { tensor in
      if tensor.status != .equal { differing.append(tensor.name) }
    }
    guard differing.isEmpty else {
      throw CheckpointError(
        .badTensor, file: output,
        reason: "the result does not read as it was written: \(differing.prefix(5).joined(separator: ", "))",
        remedy: "the disk may be failing; do not use the result")
    }
    if common.json {
      Console.shared.result([
        "type": "summary", "output": .string(output), "tensors": .int(result.tensors.count),
        "bytes": .int(result.tensors.reduce(0) { $0 + $1.byteCount }), "identical": true,
      ])
    } else {
      Console.shared.result("\(result.tensors.count) tensors, every value identical: \(displayName(output))")
    }
  }
}
