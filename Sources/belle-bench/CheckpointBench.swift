// Checkpoints: listing a 7B model without reading it, converting, and becoming safetensors while it is decrypted; the
// real binary against copies of files, and the conversion of values against a copy in memory.

import ByteIO
import Checkpoint
import Foundation

struct CheckpointBench: BenchCase {
  static let name = "checkpoint"

  private let context: BenchContext
  private let tool: String
  private let folder: Scratch

  /// A folder that is removed with its owner.
  private final class Scratch {
    let path: String
    init(in parent: String) throws {
      path = parent + "/belle-bench-checkpoint-\(getpid())"
      try Folder.create(path)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func file(_ name: String) -> String { path + "/" + name }
  }

  private var sparse: [String] { ["sparse.bin", "sparse.safetensors"].map(folder.file) }
  private var model: String { folder.file("plain/pytorch_model.bin") }
  private var release: String { folder.file("enc") }
  private var key: String { folder.file("key.pth") }

  init(_ context: BenchContext) throws {
    self.context = context
    tool = try context.tool
    folder = try Scratch(in: context.memory)
    context.say("making checkpoints of \(byteCount(context.size)) in \(context.memory)")
    try makeSparse()
    try makeModel()
  }

  func measure() throws -> [Series] {
    let size = Double(try InputFile(model).size)
    var all = [Series(name: "copy in memory", unit: .rate, values: [Ceilings.memoryCopyRate()]), Self.conversion()]
    for path in sparse {
      let cost = try expect([tool, "inspect", path])
      all.append(
        Series(
          name: "list 13 GB of \(path.hasSuffix("bin") ? "PyTorch" : "safetensors")", unit: .seconds,
          limit: Series.Limit(value: 0.05, memory: 64 << 20), values: [cost.seconds], peakMemory: cost.peakMemory))
    }
    let copy = "copy of the checkpoint in memory"
    all.append(
      Series(
        name: copy, unit: .rate,
        values: [
          try Ceilings.best {
            try context.lend(context.size) {
              try Ceilings.fileCopyRate(model, to: folder.file("copy.bin"), flushed: false)
            }
          }
        ]))
    let cost = try Cost.best { try context.lend(context.size) { try convert(in: folder.path) } }
    all.append(
      Series(
        name: ".bin to .safetensors in memory", unit: .rate, target: (copy, 0.8), values: [size / cost.seconds],
        peakMemory: cost.peakMemory))
    all += try context.besideCopies(
      of: model, as: "copy of the checkpoint to disk, flushed", ".bin to .safetensors to disk, flushed", ratio: 0.8
    ) { try convert(in: context.disk) }
    for (name, more, target) in [
      ("decrypt", [], nil),
      ("decrypt --format safetensors", ["--format", "safetensors", "--no-list"], ("decrypt", 0.95)),
      // With the digests of what it has written.
      ("decrypt --format safetensors, with its list", ["--format", "safetensors"], nil),
    ] as [(String, [String], (String, Double)?)] {
      let output = folder.file("out")
      let cost = try Cost.best {
        try context.lend(context.size) {
          defer { try? FileManager.default.removeItem(atPath: output) }
          return try expect([tool, "decrypt", release, key, output, "--quiet"] + more)
        }
      }
      all.append(
        Series(
          name: "\(name), a checkpoint", unit: .rate, target: target.map { ("\($0.0), a checkpoint", $0.1) },
          values: [size / cost.seconds], peakMemory: cost.peakMemory))
    }
    return all
  }

  private func convert(in parent: String) throws -> Cost {
    let output = parent + "/belle-bench-converted-\(getpid()).safetensors"
    defer { try? FileManager.default.removeItem(atPath: output) }
    return try expect([tool, "convert", model, output, "--quiet"])
  }

  /// Floats to halves, far beyond the caches; counted as a copy is, by the mean of what is read and written.
  private static func conversion() -> Series {
    let count = 64 << 20
    let source = [UInt8](repeating: 0x3C, count: 4 * count)
    var target = [UInt8](repeating: 1, count: 2 * count)
    var seconds = Double.nan
    if let conversion = try? DTypeConversion(from: .f32, to: .f16) {
      var span = target.mutableSpan
      var raw = unsafe span.mutableBytes
      seconds = Ceilings.time { _ = unsafe conversion.convert(source.span.bytes, into: &raw) }
    }
    // 0x3C3C3C3C is 0.01149…, which is 0x21E2 as a half.
    precondition(target[0] == 0xE2 && target[2 * count - 1] == 0x21, "the conversion is wrong")
    return Series(
      name: "f32 to f16", unit: .rate, target: ("copy in memory", 0.7), values: [Double(3 * count) / seconds])
  }

  private func expect(_ arguments: [String]) throws -> Cost {
    let cost = try Child.run(arguments)
    guard cost.status == 0 else {
      throw ByteIOError(.interrupted, reason: "exit status \(cost.status) of \(arguments.joined(separator: " "))")
    }
    return cost
  }

  // MARK: The files

  /// LLaMA-7B's tensors, 13.5 GB of nothing, as safetensors and as PyTorch's zip.
  private func makeSparse() throws {
    var tensors: [(name: String, shape: [Int])] = [("tok_embeddings.weight", [32000, 4096]), ("norm.weight", [4096])]
    for layer in 0..<32 {
      for name in ["wq", "wk", "wv", "wo"] {
        tensors.append(("layers.\(layer).attention.\(name).weight", [4096, 4096]))
      }
      for (name, shape) in [("w1", [11008, 4096]), ("w2", [4096, 11008]), ("w3", [11008, 4096])] {
        tensors.append(("layers.\(layer).feed_forward.\(name).weight", shape))
      }
      for name in ["attention_norm", "ffn_norm"] { tensors.append(("layers.\(layer).\(name).weight", [4096])) }
    }
    tensors.append(("output.weight", [32000, 4096]))
    let paths = sparse
    try write(tensors, to: paths[1]) { _, _ in }
    let source = try Checkpoint.open(file: paths[1])
    let writer = try TorchWriter(source.tensors, metadata: [:])
    let file = try AtomicFileWriter(in: folder.path)
    try writer.begin(file)
    try writer.finish(file)
    _ = try file.commit(as: Folder.name(of: paths[0]), size: writer.byteCount, replacing: true)
  }

  /// A checkpoint of random halves, and a release of it.
  private func makeModel() throws {
    let count = max(1, context.size >> 25)
    let tensors = (0..<count).map { ("model.layers.\($0).mlp.weight", [4096, 4096]) }
    var random = SystemRandomNumberGenerator()
    var block = (0..<1 << 19).flatMap { _ in unsafe withUnsafeBytes(of: random.next()) { unsafe Array($0) } }
    let values = folder.file("values.safetensors")
    try write(tensors, to: values) { file, range in
      for at in stride(from: range.lowerBound, to: range.upperBound, by: block.count) {
        block[0] &+= 1
        try file.write(Array(block.prefix(range.upperBound - at)), at: at)
      }
    }
    try Folder.create(folder.file("plain"))
    _ = try expect([tool, "convert", values, model, "--quiet"])
    let writer = try AtomicFileWriter(in: folder.path)
    for at in stride(from: 0, to: 64 << 20, by: block.count) { try writer.write(block, at: at) }
    _ = try writer.commit(as: Folder.name(of: key), size: 64 << 20, replacing: true)
    try FileManager.default.removeItem(atPath: values)
    _ = try expect([tool, "encrypt", folder.file("plain"), key, release, "--quiet"])
  }

  /// A safetensors file of halves, whose values `fill` writes or leaves.
  private func write(
    _ tensors: [(name: String, shape: [Int])], to path: String, _ fill: (AtomicFileWriter, Range<Int>) throws -> Void
  ) throws {
    var at = 0
    let entries = tensors.map { name, shape in
      let start = at
      at += 2 * shape.reduce(1, *)
      return "\"\(name)\":{\"dtype\":\"F16\",\"shape\":\(shape),\"data_offsets\":[\(start),\(at)]}"
    }
    let header = Array("{\(entries.joined(separator: ","))}".utf8)
    let writer = try AtomicFileWriter(in: folder.path)
    try writer.write((0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) } + header, at: 0)
    let start = 8 + header.count
    try fill(writer, start..<start + at)
    _ = try writer.commit(as: Folder.name(of: path), size: start + at, replacing: true)
  }
}
