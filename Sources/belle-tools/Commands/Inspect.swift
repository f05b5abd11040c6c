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
        belle-tools inspect checkpoint.pt --skip-unknown

      Reads PyTorch checkpoints (zip, tar and legacy), safetensors, GGUF and NumPy files, folders with one of them or \
      with an index, and Meta's folders. A pickle is read as data. --safety looks at every file of a folder, whatever it is \
      called, and is as strict with --skip-unknown. Exit status 2 where it finds what no weight file needs, or what it does not understand.
      """)

  @Argument(
    help: ArgumentHelp("A checkpoint, or a folder that holds one.", valueName: "file-or-folder"), completion: .file())
  var input: String

  @Flag(help: "Read all values: minimum, maximum, mean, NaN and infinity counts, and SHA-256 of each tensor.")
  var stats = false

  @Flag(help: "Read everything and hold it against the CRC-32 of a PyTorch zip's members.")
  var crc = false

  @Flag(help: "Show every name that pickles hold, where, and whether loading runs more than a weight file needs.")
  var safety = false

  @OptionGroup var unknown: SkipUnknownOption
  @OptionGroup var threads: ThreadsOption
  @OptionGroup var common: CommonOptions

  func run() throws {
    if safety { return try runSafety() }
    let skipped = unknown.names
    let opened = try Checkpoint.opened(input, skipping: skipped)
    let source = opened.source
    Console.shared.tell(skipped, of: input)
    Console.shared.remarks(opened.remarks, on: opened.path)
    if let adapter = AdapterPresence(in: source, at: opened.path) {
      Console.shared.note("\(displayName(adapter.file)): \(adapter.reason); \(adapter.remedy.words)")
    }
    if crc { try source.verifyChecksums() }
    if stats {
      let total = source.tensors.reduce(0) { $0 + $1.byteCount }
      try common.showingProgress(total: total) { progress in
        progress(.started(file: input, bytes: total))
        // Those whose values are not read are listed where they stand.
        let isRead = source.tensors.map { $0.unread == nil }
        let indices = source.tensors.indices.filter { isRead[$0] }
        var next = 0
        func showUnread(before end: Int) {
          while next < end {
            if !isRead[next] { show(source.tensors[next], nil) }
            next += 1
          }
        }
        try TensorStatistics.forEach(of: TensorView(source) { $0.unread == nil }, jobs: threads.count) {
          number, statistics in
          let index = indices[number]
          showUnread(before: index)
          next = index + 1
          progress(.advanced(file: input, bytes: source.tensors[index].byteCount))
          show(source.tensors[index], statistics)
        }
        showUnread(before: source.tensors.count)
      }
    } else {
      for tensor in source.tensors { show(tensor, nil) }
    }
    let parameters = source.tensors.reduce(0) { $0 + $1.elementCount }
    let bytes = source.tensors.reduce(0) { $0 + $1.byteCount }
    let unread = source.tensors.count { $0.unread != nil }
    if common.json {
      for (name, value) in source.metadata {
        Console.shared.result(["type": "metadata", "name": .string(name), "value": .string(value)])
      }
      for global in skipped?.names ?? [] {
        Console.shared.result([
          "type": "skipped", "name": .string("\(global.module).\(global.name)"), "offset": .int(global.offset),
          "count": .int(global.count), "deed": JSONValue(global.deed),
        ])
      }
      var summary: [String: JSONValue] = [
        "type": "summary", "tensors": .int(source.tensors.count), "parameters": .int(parameters), "bytes": .int(bytes),
        "format": .string(source.format), "unread": .int(unread + (skipped?.unread.count ?? 0)),
      ]
      if let skipped {
        summary["skipped_names"] = .int(skipped.names.count)
        summary["left_out"] = .int(skipped.leftOutCount)
      }
      Console.shared.result(.object(summary))
    } else {
      for (name, value) in source.metadata {
        Console.shared.result("# \(displayName(name)) = \(displayName(String(value.prefix(500))))")
      }
      Console.shared.result(
        "\(source.tensors.count) tensors, \(parameters) parameters, \(byteCount(bytes)), \(source.format)"
          + (unread > 0 ? "; \(unread) of them \(unread == 1 ? "is" : "are") not read" : "")
          + (skipped.map { "; \($0.names.count) name\($0.names.count == 1 ? " was" : "s were") not looked at" } ?? ""))
    }
  }

  private func show(_ tensor: TensorInfo, _ statistics: TensorStatistics?) {
    if common.json {
      var fields: [String: JSONValue] = [
        "type": "tensor", "name": .string(tensor.name), "dtype": .string(tensor.typeName),
        "shape": .array(tensor.shape.map { .int($0) }), "bytes": .int(tensor.byteCount), "file": .string(tensor.file),
      ]
      if let unread = tensor.unread { fields["unread"] = .string(unread.kind.name) }
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
    var line = "\(displayName(tensor.name))  \(tensor.typeName)  \(tensor.shape)  "
    line += tensor.unread.map { "not read: \($0.kind.words)" } ?? byteCount(tensor.byteCount)
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
