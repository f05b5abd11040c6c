// inspect: what is in a checkpoint, without running any of it.

import ArgumentParser
import ByteIO
import Checkpoint
import Checksum
import Model

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the tensors of a checkpoint, without running anything in it.",
    discussion: """
      Example: what a file holds, its values' figures, and whether its pickle names only what weight files need:

        belle-tools inspect model/pytorch_model-00001-of-00002.bin
        belle-tools inspect model/ --stats
        belle-tools inspect model/ --safety

      Reads PyTorch checkpoints (zip, tar and legacy), safetensors, GGUF and NumPy files, folders with one of them or \
      with an index, and Meta's folders. A pickle is read as data. --safety looks at every file of a folder, whatever it is \
      called. Exit status 2 where it finds what no weight file needs, or what it does not understand.
      """)

  @Argument(help: ArgumentHelp("A checkpoint, or a folder that holds one.", valueName: "file-or-folder"))
  var input: String

  @Flag(help: "Read all values: minimum, maximum, mean, NaN and infinity counts, and SHA-256 of each tensor.")
  var stats = false

  @Flag(help: "Read everything and hold it against the CRC-32 of a PyTorch zip's members.")
  var crc = false

  @Flag(help: "Show every name that pickles hold, where, and whether loading runs more than a weight file needs.")
  var safety = false

  @OptionGroup var threads: ThreadsOption
  @OptionGroup var common: CommonOptions

  func run() throws {
    if safety { return try runSafety() }
    let opened = try Checkpoint.opened(input)
    let source = opened.source
    Console.shared.remarks(opened.remarks, on: opened.path)
    if let adapter = AdapterPresence(in: source, at: opened.path) {
      Console.shared.note("\(displayName(adapter.file)): \(adapter.reason); \(adapter.remedy.words)")
    }
    if crc { try source.verifyChecksums() }
    if stats {
      let total = source.tensors.reduce(0) { $0 + $1.byteCount }
      try common.showingProgress(total: total) { progress in
        progress(.started(file: input, bytes: total))
        try TensorStatistics.forEach(of: source, jobs: threads.count) { index, statistics in
          progress(.advanced(file: input, bytes: source.tensors[index].byteCount))
          show(source.tensors[index], statistics)
        }
      }
    } else {
      for tensor in source.tensors { show(tensor, nil) }
    }
    let parameters = source.tensors.reduce(0) { $0 + $1.elementCount }
    let bytes = source.tensors.reduce(0) { $0 + $1.byteCount }
    if common.json {
      for (name, value) in source.metadata {
        Console.shared.result(["type": "metadata", "name": .string(name), "value": .string(value)])
      }
      Console.shared.result([
        "type": "summary", "tensors": .int(source.tensors.count), "parameters": .int(parameters), "bytes": .int(bytes),
        "format": .string(source.format),
      ])
    } else {
      for (name, value) in source.metadata {
        Console.shared.result("# \(displayName(name)) = \(displayName(value))")
      }
      Console.shared.result(
        "\(source.tensors.count) tensors, \(parameters) parameters, \(byteCount(bytes)), \(source.format)")
    }
  }

  private func show(_ tensor: TensorInfo, _ statistics: TensorStatistics?) {
    if common.json {
      var fields: [String: JSONValue] = [
        "type": "tensor", "name": .string(tensor.name), "dtype": .string(tensor.dtype.rawValue),
        "shape": .array(tensor.shape.map { .int($0) }), "bytes": .int(tensor.byteCount), "file": .string(tensor.file),
      ]
      if let statistics {
        fields["sha256"] = .string(statistics.sha256.hex)
        fields["min"] = statistics.minimum.map { .double($0) } ?? .null
        fields["max"] = statistics.maximum.map { .double($0) } ?? .null
        fields["mean"] = statistics.mean.map { .double($0) } ?? .null
        fields["nan"] = .int(statistics.nanCount)
        fields["inf"] = .int(statistics.infinityCount)
      }
      return Console.shared.result(.object(fields))
    }
    var line = "\(displayName(tensor.name))  \(tensor.dtype.rawValue)  \(tensor.shape)  \(byteCount(tensor.byteCount))"
    if let statistics {
      // As short as a float is, where it can be one.
      let number = { (value: Double?) in
        guard let value else { return "-" }
        return value == 0 || Float(value).isNormal ? "\(Float(value))" : "\(value)"
      }
      line += "  min \(number(statistics.minimum))  max \(number(statistics.maximum))  mean \(number(statistics.mean))"
      if statistics.nanCount > 0 { line += "  NaN \(statistics.nanCount)" }
      if statistics.infinityCount > 0 { line += "  Inf \(statistics.infinityCount)" }
      line += "  sha256 \(statistics.sha256.hex)"
    }
    Console.shared.result(line)
  }
}
