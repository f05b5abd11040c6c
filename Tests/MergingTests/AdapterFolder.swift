// Adapters that tests make up, and what they must become.

import ByteIO
import Checkpoint
import Foundation
import Merging
import Model
import TestSupport
import Testing

/// A folder as peft writes it.
struct AdapterFolder {
  var source = MemorySource()
  /// Members of the configuration besides the usual ones.
  var members: [String: Any] = [:]
  private var random: SplitMix64

  init(seed: UInt64) { random = SplitMix64(seed: seed) }

  /// Adds a tensor of random numbers, and returns them.
  @discardableResult
  mutating func add(_ name: String, _ shape: [Int], scale: Float = 0.05) -> [Float] {
    let values = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -scale...scale, using: &random) }
    source.add("base_model.model." + name, .f32, shape, values)
    return values
  }

  /// Adds the two matrices of a layer.
  @discardableResult
  mutating func add(layer: String, rank: Int, inputs: Int, outputs: Int) -> (a: [Float], b: [Float]) {
    (add(layer + ".lora_A.weight", [rank, inputs]), add(layer + ".lora_B.weight", [outputs, rank]))
  }

  /// Writes it.
  func write(_ folder: TemporaryFolder, _ name: String = "adapter") throws -> String {
    var object: [String: Any] = [
      "peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", "fan_in_fan_out": false, "lora_dropout": 0.05,
      "init_lora_weights": true, "modules_to_save": NSNull(), "task_type": "CAUSAL_LM",
    ]
    object.merge(members) { $1 }
    try folder.write(name + "/adapter_config.json", try jsonText(object))
    _ = try SafetensorsWriter.write(
      source, Array(source.tensors.indices), metadata: ["format": "pt"], as: "adapter_model.safetensors",
      in: folder.file(name), replacing: true)
    return folder.file(name)
  }
}

/// Merges, and opens the result.
struct Merged {
  let report: MergeReport
  let source: any TensorSource
  private(set) var remarks: [String] = []

  init(_ base: String, _ changes: [String], to output: String, _ change: (inout MergeOptions) -> Void = { _ in }) throws
  {
    var options = MergeOptions()
    change(&options)
    let heard = Heard()
    let merge = try Merge(base, changes, to: ConversionTarget(output), options) { heard.take($0) }
    report = try merge.run(replacing: false, inputs: InputRecord()) { _ in }
    source = options.scheme == .xorFiles ? MemorySource() : try Checkpoint.open(output)
    remarks = heard.texts
  }

  /// A tensor's values.
  func floats(_ name: String) throws -> [Float] {
    let index = try #require(source.indicesByName()[name], "\(name)")
    return try source.floats(index)
  }

  private final class Heard {
    var texts: [String] = []
    func take(_ remark: ConversionRemark) {
      switch remark {
      case .note(let text), .warning(let text): texts.append(text)
      default: break
      }
    }
  }
}

/// The product of two matrices of an adapter, summed in double precision.
func product(_ b: [Float], _ a: [Float], rank: Int) -> [Double] {
  let (rows, columns) = (b.count / rank, a.count / rank)
  var result = [Double](repeating: 0, count: rows * columns)
  for row in 0..<rows {
    for k in 0..<rank {
      for column in 0..<columns {
        result[row * columns + column] += Double(b[row * rank + k]) * Double(a[k * columns + column])
      }
    }
  }
  return result
}
