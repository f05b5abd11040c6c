// merge, as a user runs it, on a base of LLaMA-7B's shapes and an adapter of rank 16 for all its modules, against
// copies of the base's file. The copies are the ceiling: what is merged is read, computed, written and read back.
// A size is the base's; beyond a few gigabytes, which take a minute a copy, each round is one copy and one merge, and
// both begin with a base that lies on the disk only.

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
    try PatternSource(names.map { ($0.0 + ".weight", [$0.1, $0.2]) }, .f16)
      .write("model.safetensors", in: folder + "/base")
    let parts = names.flatMap { name, out, width in
      [("lora_A", [rank, width]), ("lora_B", [out, rank])].map { ("base_model.model.\(name).\($0.0).weight", $0.1) }
    }
    try PatternSource(parts, .f32).write("adapter_model.safetensors", in: folder + "/adapter")
    let configuration = #"{"peft_type": "LORA", "r": \#(rank), "lora_alpha": 1}"#
    try Data(configuration.utf8).write(to: URL(filePath: folder + "/adapter/adapter_config.json"))
  }

  func measure() throws -> [Series] {
    let isLarge = context.size > Self.largeSize
    var series = try context.besideCopies(
      of: base, as: "copy of the base to disk, flushed", "merge, rank 16, all modules", ratio: 0.7,
      times: isLarge ? 1 : 3, isCold: isLarge
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
