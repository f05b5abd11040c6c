import ByteIO
import TestSupport
import Testing

@Suite("ScatterPlan") struct ScatterPlanTests {
  @Test("copies arrive whole and in place, whatever the chunks and however they overlap", arguments: 0..<200)
  func walk(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let stream = SplitMix64.bytes(seed: seed, count: Int.random(in: 0...500, using: &random))
    var outputs = [[UInt8]](repeating: [], count: 3)
    let copies = (0..<Int.random(in: 0...20, using: &random)).map { _ in
      let lower = Int.random(in: 0...stream.count, using: &random)
      let range = lower..<Int.random(in: lower...stream.count, using: &random)
      let output = Int.random(in: 0..<3, using: &random)
      let copy = ScatterPlan.Copy(source: range, output: output, offset: outputs[output].count)
      outputs[output] += [UInt8](repeating: 0, count: range.count)
      return copy
    }
    let plan = ScatterPlan(
      outputs: outputs.map { ScatterPlan.Output(name: "x", byteCount: $0.count, head: []) }, copies: copies)
    var walk = plan.walk()
    var at = 0
    while at < stream.count {
      let chunk = Array(stream[at..<min(stream.count, at + Int.random(in: 1...60, using: &random))])
      try walk.pass(chunk.span.bytes, at: at) { output, bytes, offset in
        for index in 0..<bytes.byteCount {
          outputs[output][offset + index] = bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)
        }
      }
      at += chunk.count
    }
    for copy in copies {
      #expect(Array(outputs[copy.output][copy.offset..<copy.offset + copy.source.count]) == Array(stream[copy.source]))
    }
  }
}
