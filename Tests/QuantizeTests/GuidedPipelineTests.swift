import Checkpoint
import TestSupport
import Testing

@testable import Quantize
@testable import Transformer

@Suite("The pipeline guided by gradients") struct GuidedPipelineTests {
  private func bench(bloom: Bool = false, layers: Int = 2, windows: Int = 16) throws -> Bench {
    var bench = try Bench(RandomCheckpoint(bloom: bloom, layers: layers), windows: windows)
    bench.options.recipe = .guided
    bench.options.recipeName = "guided"
    return bench
  }

  @Test("the bytes do not depend on threads, batches or memory", arguments: [false, true])
  func reproducible(bloom: Bool) throws {
    var bench = try bench(bloom: bloom, windows: 30)
    bench.options.threads = 1
    try bench.run("one")
    let wanted = try bench.bytes("one")
    for threads in [2, 3] {
      bench.options.threads = threads
      bench.options.batchTokens = 1024 * (threads - 1)
      try bench.run("threads-\(threads)")
      #expect(try bench.bytes("threads-\(threads)") == wanted)
    }
    bench.options.batchTokens = 1
    let quantizer = try bench.quantizer("scratch")
    bench.options.maximumMemory =
      quantizer.shape.memory(
        layer: quantizer.plan[0].map(\.group), usesScratchFile: true, headWidth: nil
      ).all
    let small = try bench.quantizer("scratch")
    #expect(try small.prepare(measures: false).usesScratchFile)
    _ = try small.quantize { _ in }
    try small.finish { _ in }
    #expect(try bench.bytes("scratch") == wanted)
  }

  @Test("an interruption after any event ends in the same bytes")
  func interrupted() throws {
    struct Stop: Error {}
    var bench = try bench(layers: 3)
    try bench.run("whole")
    let wanted = try bench.bytes("whole")
    var (stops, gradients) = (0, 0)
    for limit in 1... {
      var count = 0
      bench.events = { event in
        count += 1
        if case .gradients = event { gradients += 1 }
        if count == limit { throw Stop() }
      }
      do {
        try bench.run()
        break
      } catch is Stop { stops += 1 }
    }
    #expect(stops > 5 && gradients > 5)
    #expect(try bench.bytes() == wanted)
    #expect(try bench.folder.names(in: "out") == bench.folder.names(in: "whole"))
  }

  @Test("every module says what it costs, and the plan says what is guided")
  func reports() throws {
    var bench = try bench()
    bench.options.only = ["*.layers.1.*"]
    let reports = try bench.run()
    #expect(reports.count == 7 && reports.allSatisfy { ($0.predicted_divergence ?? 0) > 0 })
    let guided = try bench.quantizer().planText()["recipe"] ?? ""
    #expect(guided.contains("gradients of 1 draws from 1"))
    bench.options.recipe = .best
    #expect(
      try bench.quantizer().planText()["recipe"]
        == "order activation, grids up front true, fit weighted search, negative scales true, rounding first, sweeps 4, "
        + "refit true, alpha 0.6, beta 0.5, damping 0.01", "unfinished work of this recipe would not be gone on with")
    let best = try bench.run("best")
    #expect(best.allSatisfy { $0.predicted_divergence == nil })
    #expect(try bench.bytes("best") != bench.bytes())
  }
}
