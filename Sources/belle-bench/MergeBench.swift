// merge, as a user runs it, on a base of LLaMA-7B's shapes and an adapter of rank 16 for all its modules, against
// copies of the base's file. The copies are the ceiling: what is merged is read, computed twice, written and read back.
// A size is the base's; beyond a few gigabytes, which take a minute a copy, each round is one copy and one merge.

import ByteIO
import Checkpoint
import Foundation

struct MergeBench: BenchCase {
  static let name = "merge"
  private static let (rank, width, middle) = (16, 4096, 11008)
  /// What a merge may take, in bytes.
  private static let memoryLimit = 300 << 20
  /// A base beyond this is copied and merged once a round.
  private static let largeSize = 4 << 30

  private let context: BenchContext
  private let tool: String
  private let scratch: Scratch
  private var folder: String { scratch.path }
  private var base: String { folder + "/base/model.safetensors" }

  /// A folder that is removed with its owner.
  private final class Scratch {
    let path: String
    init(_ path: String) throws {
      self.path = path
      try Folder.create(path)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  /// Tensors of a pattern: what is added does not matter, only that it is there.
  private struct Pattern: TensorSource {
    let tensors: [TensorInfo]
    var format: String { "synthetic" }
    var metadata: [(name: String, value: String)] { [] }

    init(_ tensors: [(name: String, shape: [Int])], _ dtype: DType) {
      self.tensors = tensors.map { name, shape in
        TensorInfo(
          name: name, dtype: dtype, shape: shape, file: "synthetic",
          byteCount: shape.reduce(1, *) * (dtype.byteCount ?? 1))
      }
    }

    /// Numbers between a hundredth and a tenth, of either sign: a part of them, again and again, so that a base is made as
    /// quickly as it is written.
    func cursor(_ index: Int) -> any TensorCursor {
      let info = tensors[index]
      let size = info.dtype.byteCount ?? 1
      var part = [UInt8](repeating: 0, count: 1 << 20)
      var state = UInt64(index + 1)
      for at in stride(from: 0, to: part.count, by: size) {
        state = state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
        part[at] = UInt8(truncatingIfNeeded: state >> 33)
        part[at + size - 1] = UInt8(truncatingIfNeeded: state >> 41) & 0x80 | (size == 2 ? 0x2A : 0x3D)
      }
      return PartCursor(byteCount: info.byteCount, partSize: part.count) { range, bytes in
        if bytes.count == part.count { bytes = part } else { bytes = Array(part[..<bytes.count]) }
      }
    }

    func storedRange(_ index: Int) -> Range<Int>? { nil }
    func verifyChecksums() {}
  }

  init(_ context: BenchContext) throws {
    self.context = context
    tool = try context.tool
    scratch = try Scratch(context.disk + "/belle-bench-merge-\(getpid())")
    let folder = scratch.path
    let (rank, width, middle) = (Self.rank, Self.width, Self.middle)
    let modules =
      ["q", "k", "v", "o"].map { ("self_attn.\($0)_proj", width, width) }
      + [("mlp.gate_proj", middle, width), ("mlp.up_proj", middle, width), ("mlp.down_proj", width, middle)]
    let layerSize = modules.reduce(0) { $0 + 2 * $1.1 * $1.2 }
    let names = (0..<max(1, context.size / layerSize)).flatMap { layer in
      modules.map { ("model.layers.\(layer).\($0.0)", $0.1, $0.2) }
    }
    context.say("making a base of \(byteCount(names.count / modules.count * layerSize)) in \(folder)")
    try Self.write(
      Pattern(names.map { ($0.0 + ".weight", [$0.1, $0.2]) }, .f16), "model.safetensors", folder + "/base")
    let parts = names.flatMap { name, out, width in
      [("lora_A", [rank, width]), ("lora_B", [out, rank])].map { ("base_model.model.\(name).\($0.0).weight", $0.1) }
    }
    try Self.write(Pattern(parts, .f32), "adapter_model.safetensors", folder + "/adapter")
    let configuration = #"{"peft_type": "LORA", "r": \#(rank), "lora_alpha": 1}"#
    try Data(configuration.utf8).write(to: URL(filePath: folder + "/adapter/adapter_config.json"))
  }

  private static func write(_ source: Pattern, _ name: String, _ folder: String) throws {
    try Folder.create(folder)
    _ = try SafetensorsWriter.write(
      source, Array(source.tensors.indices), metadata: [:], as: name, in: folder, replacing: true)
  }

  func measure() throws -> [Series] {
    var series = try context.besideCopies(
      of: base, as: "copy of the base to disk, flushed", "merge, rank 16, all modules", ratio: 0.7,
      times: context.size > Self.largeSize ? 1 : 3
    ) {
      let output = folder + "/merged"
      defer { try? FileManager.default.removeItem(atPath: output) }
      let cost = try Child.run([tool, "merge", folder + "/base", folder + "/adapter", output, "--quiet"])
      guard cost.status == 0 else { throw ByteIOError(.interrupted, reason: "exit status \(cost.status) of merge") }
      return cost
    }
    series[1].limit = Series.Limit(value: .infinity, memory: Self.memoryLimit)
    return series
  }
}
