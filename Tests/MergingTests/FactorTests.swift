import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@testable import Merging

@Suite("An adapter's matrices, some rows at a time") struct FactorTests {
  @Test("rows of a matrix that is stored the other way around are its columns, wherever they are asked for")
  func transposed() throws {
    let folder = try TemporaryFolder()
    // More numbers than are put together at once.
    let (rank, rows) = (300, 7200)
    var source = MemorySource()
    let bits = (0..<rank * rows).map { UInt16(truncatingIfNeeded: $0 &* 40503 >> 3) & 0x3BFF }
    source.add("a", .f16, [rank, rows], bits)
    try source.write(in: folder.path)
    let file = try Checkpoint.open(folder.path)
    for stored in [source, file] as [any TensorSource] {
      let reader = try Factor(source: stored, index: 0, isTransposed: true).reader()
      var values: [Double] = []
      for range in [0..<2, 3490..<3500, 7198..<7200, 1..<2] {
        try reader.read(range, into: &values)
        #expect(values.count == range.count * rank)
        for (offset, row) in range.enumerated() {
          for column in stride(from: 0, to: rank, by: 37) {
            #expect(values[offset * rank + column] == Double(Float16(bitPattern: bits[column * rows + row])))
          }
        }
      }
    }
  }

  @Test(
    "a key of a pattern is the end of a name or an expression, as peft matches it",
    arguments: [
      ("q_proj", "model.layers.0.q_proj", true), ("q_proj", "model.layers.0.xq_proj", false),
      ("q_proj", "q_proj", true),
      ("layers.0.q_proj", "model.layers.0.q_proj", true), ("layers.0.q_proj", "model.layers_0xq_proj", true),
      ("", "q_proj", false), ("", "q_proj.", true), ("(q|k)_proj", "model.layers.0.k_proj", true),
      ("^q_proj", "model.q_proj", false), ("layers.\\d+.q_proj", "model.layers.12.q_proj", true),
      ("model.layers.0.q_proj.x", "q_proj.x", false),
    ])
  func patterns(key: String, name: String, isMatched: Bool) throws {
    let pattern = try #require(AdapterPattern(key))
    #expect(pattern.contain(name, Array(name.unicodeScalars)) == isMatched)
  }

  @Test("expressions that would take minutes are refused; as many plain names are not")
  func work() throws {
    func configuration(_ key: (Int) -> String) throws -> AdapterConfiguration {
      let patterns = (0..<6000).map { "\"\(key($0))\": 4" }.joined(separator: ",")
      let text = "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8, \"rank_pattern\": {\(patterns)}}"
      return try AdapterConfiguration(Array(text.utf8), file: "adapter_config.json")
    }
    let modules = (0..<600).map { "model.layers.\($0).self_attn.q_proj" }
    try configuration { "layers.\($0).self_attn.q_proj" }.checkWork(for: modules)
    let error = #expect(throws: MergeError.self) {
      try configuration { "layers.\($0).self_attn.(q|k)_proj" }.checkWork(for: modules)
    }
    #expect(error?.code == .configuration)
  }
}
