import ByteIO
import Checkpoint
import Foundation
import Model
import TestSupport
import Testing

@testable import Quantize
@testable import Transformer

@Suite("What a model can have wrong before it is quantized") struct PipelineFaultTests {
  private func failure(_ bench: Bench) -> QuantizeError? {
    do {
      try bench.quantizer().prepare(measures: false)
      return nil
    } catch { return error as? QuantizeError }
  }

  @Test("one weight that is NaN or infinite is found at once, by name", arguments: [Float.nan, .infinity])
  func notFinite(value: Float) throws {
    var checkpoint = RandomCheckpoint()
    checkpoint.replace("model.layers.1.mlp.up_proj.weight") { $0[77] = value }
    let found = failure(try Bench(checkpoint))
    #expect(found?.code == .notFinite && found?.place == "model.layers.1.mlp.up_proj.weight")
    #expect(found?.remedy != nil)
  }

  @Test("weights beyond what half-precision scales can say are told by the module")
  func overflow() throws {
    var checkpoint = RandomCheckpoint()
    checkpoint.replace("model.layers.0.mlp.up_proj.weight") { values in values = values.map { _ in 3e38 } }
    let bench = try Bench(checkpoint)
    do {
      try bench.run()
      Issue.record("it went through")
    } catch let error as QuantizeError {
      #expect(error.code == .notStorable)
      #expect(error.place?.contains("mlp") == true)
      #expect(try bench.folder.names(in: "out") == [WorkFolder.name])
    }
  }

  @Test("shapes that groups or words do not divide", arguments: [(48, 4), (128, 4), (7, 4)])
  func groups(size: Int, bits: Int) throws {
    var bench = try Bench()
    bench.format = GPTQFormat(bits: bits, groupSize: size, isSymmetric: true)
    let found = failure(bench)
    #expect(found?.code == .shape && found?.place == "model.layers.0.self_attn.q_proj")
    #expect(found?.remedy?.requests.suffix(2) == [.groupSize(-1), .skipping("*.self_attn.q_proj")])
  }

  @Test("outputs that fill no whole words")
  func words() throws {
    let module = LinearModule(name: "model.layers.0.mlp.up_proj", outFeatures: 36, inFeatures: 64)
    let format = GPTQFormat(bits: 3, groupSize: nil, isSymmetric: true)
    #expect {
      try format.check(module)
    } throws: {
      ($0 as? QuantizeError)?.remedy
        == "give \(.bits(8)), or leave it as it is with \(.skipping("*.mlp.up_proj"))"
    }
  }

  @Test("patterns that fit nothing, and everything")
  func patterns() throws {
    var bench = try Bench()
    bench.options.skip = ["mlp.up"]
    #expect(failure(bench)?.code == .badOption)
    bench.options.skip = ["*"]
    #expect(failure(bench)?.code == .wrongModel)
  }

  @Test("a quantized model is not quantized again")
  func twice() throws {
    let bench = try Bench()
    try bench.run()
    let again = try ModelQuantizer(
      try TransformerModel.open(bench.folder.file("out")), calibration: nil, format: bench.format,
      output: bench.folder.file("again"), options: bench.options)
    #expect { try again.prepare(measures: false) } throws: { ($0 as? QuantizeError)?.code == .wrongModel }
  }

  @Test("unfinished work with other options says what differs; --no-resume throws it away")
  func otherPlan() throws {
    struct Stop: Error {}
    var bench = try Bench()
    bench.events = { if case .module = $0 { throw Stop() } }
    #expect(throws: Stop.self) { try bench.run() }
    bench.events = { _ in }
    bench.format = GPTQFormat(bits: 3, groupSize: 32, isSymmetric: true)
    #expect {
      try bench.run()
    } throws: { error in
      let error = error as? QuantizeError
      return error?.code == .otherPlan && error?.reason.contains("gptq, 4 bits") == true
        && error?.remedy?.requests == [.beginningAgain]
    }
    bench.options.resumes = false
    try bench.run()
    let wanted = try bench.bytes()
    bench.options.replaces = true
    try bench.run()
    #expect(try bench.bytes() == wanted)
  }

  @Test("two runs do not work on one output")
  func busy() throws {
    var bench = try Bench()
    var second: (any Error)?
    let copy = bench
    bench.events = { event in
      if case .layer(number: 1, _) = event { do { try copy.run() } catch { second = error } }
    }
    try bench.run()
    #expect((second as? QuantizeError)?.code == .busy)
  }

  @Test("a fallback is told")
  func fallback() {
    var report = ModuleReport(
      LayerReport(
        layer: "m", method: .roundToNearest, fallbackReason: "no factor", relativeOutputError: nil,
        isOutputEstimated: false, loss: 0, damping: 1, isDoublePrecision: true, deadInputs: 0, seconds: 0, flop: 0),
      of: LinearModule(name: "m", outFeatures: 32, inFeatures: 64),
      format: GPTQFormat(bits: 4, groupSize: 32, isSymmetric: true), sourceBytes: nil, sharedSeconds: 0, peakMemory: 0)
    #expect(report.stored_as == "4 bits, groups of 32" && report.in_features == 64)
    #expect(report.warnings(wantedDamping: 0.01) == ["rounded to nearest, because no factor"])
    (report.fallback, report.relative_output_error) = (nil, .nan)
    #expect(report.warnings(wantedDamping: 0.01).count == 2)
  }
}
