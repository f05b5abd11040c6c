// Loading: how long somebody waits for the first token of a large GGUF file that the system holds in memory, from the start
// of the program on, and what memory the program takes beside the file's own.

import ByteIO
import Checkpoint
import Foundation

/// Made-up models of 7B's shapes, as many layers as the size has room for.
struct LoadingBench: BenchCase {
  static let name = "loading"

  private static let types: [DType] = [.q4_0, .q4_K]
  /// Seconds for each byte of the file: half a second for four gigabytes.
  private static let wanted = 0.5 / 4e9

  private let tool: String
  private let scratch: Scratch
  private let models: [(name: String, path: String, size: Int)]

  init(_ context: BenchContext) throws {
    tool = try context.tool
    let scratch = try Scratch(context.memory + "/belle-bench-loading-\(getpid())")
    self.scratch = scratch
    models = try Self.types.map { type in
      let sizes = [1, 2].map { SyntheticModel(type: type, layers: $0).tensors.reduce(0) { $0 + $1.byteCount } }
      let layers = max(1, (context.size - sizes[0]) / (sizes[1] - sizes[0]) + 1)
      let path = scratch.path + "/\(type.rawValue).gguf"
      let source = SyntheticModel(type: type, layers: layers)
      context.say("making a model of \(byteCount(source.tensors.reduce(0) { $0 + $1.byteCount })) in \(type.rawValue)")
      try source.write(to: path)
      return (type.rawValue, path, try InputFile(path).size)
    }
  }

  func measure() throws -> [Series] {
    try models.map { name, path, size in
      // The token that begins texts is the whole prompt: reading a longer one is no loading.
      let cost = try Cost.best {
        let cost = try Child.run([tool, "generate", path, "--prompt", "", "--max-tokens", "1", "--quiet"])
        guard cost.status == 0 else {
          throw ByteIOError(.interrupted, reason: "exit status \(cost.status) of generate")
        }
        return cost
      }
      return Series(
        name: "first token, \(name), \(byteCount(size))", unit: .seconds,
        limit: Series.Limit(value: Self.wanted * Double(size), memory: size + size / 10), values: [cost.seconds],
        peakMemory: cost.peakMemory)
    }
  }
}
