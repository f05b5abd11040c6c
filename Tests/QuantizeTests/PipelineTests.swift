import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import Ranks
import TestSupport
import Testing

@testable import Quantize
@testable import Transformer

/// A model in a folder of its own, and ways to quantize it.
struct Bench {
  let folder: TemporaryFolder
  let model: String
  var options = QuantizationOptions()
  var format = GPTQFormat(bits: 4, groupSize: 32, isSymmetric: true, storesGroupIndex: true)
  var events: (QuantizationEvent) throws -> Void = { _ in }

  init(_ checkpoint: RandomCheckpoint = RandomCheckpoint(), windows: Int = 16) throws {
    folder = try TemporaryFolder()
    model = try checkpoint.write(folder, windows: windows)
    options.threads = 2
  }

  func quantizer(_ output: String = "out", ranks: any Ranks = OneRank()) throws -> ModelQuantizer {
    let opened = try TransformerModel.open(model)
    let data = try Calibration.drawn(
      from: [model + "/tokens.safetensors:calibration"], tokenizer: { throw ModelError(.missing, reason: "") },
      vocabularySize: RandomCheckpoint.vocabulary, samples: nil, length: nil, defaultLength: 40, seed: 0)
    return try ModelQuantizer(
      opened, calibration: data, format: format, output: folder.file(output), options: options, ranks: ranks)
  }

  @discardableResult
  func run(_ output: String = "out") throws -> [ModuleReport] {
    let quantizer = try quantizer(output)
    try quantizer.prepare(measures: false)
    let reports = try quantizer.quantize(events)
    try quantizer.finish { _ in }
    return reports
  }

  func bytes(_ output: String = "out") throws -> [UInt8] {
    try readBytes(folder.file(output) + "/model.safetensors")
  }

  /// The divergence of an output from the model.
  func divergence(_ output: String = "out") throws -> Double {
    let windows = try TokenFile.windows(model + "/tokens.safetensors:evaluation", vocabularySize: 96)
    let result = try Evaluation(
      try TransformerModel.open(folder.file(output)), reference: try TransformerModel.open(model), threads: 2
    ).run(windows)
    return try #require(result.meanDivergence)
  }
}

@Suite("The pipeline over a model") struct PipelineTests {
  @Test(
    "the bytes do not depend on threads, batches or memory", arguments: [false, true],
    Arithmetic.allCases.filter { $0.problem == nil })
  func reproducible(bloom: Bool, arithmetic: Arithmetic) throws {
    // Three blocks of rows, the last one short.
    var bench = try Bench(RandomCheckpoint(bloom: bloom, layers: 1), windows: 60)
    bench.options.arithmetic = arithmetic
    bench.options.threads = 1
    try bench.run("one")
    let wanted = try bench.bytes("one")
    for threads in [2, 4] {
      bench.options.threads = threads
      bench.options.batchTokens = 1024 * (threads - 1)
      try bench.run("threads-\(threads)")
      #expect(try bench.bytes("threads-\(threads)") == wanted)
    }
    // Little memory: the states go to a file. What is needed at least is found in the error.
    bench.options.batchTokens = 1
    let quantizer = try bench.quantizer("scratch")
    let need = quantizer.shape.memory(
      layer: quantizer.plan[0].map(\.group), usesScratchFile: true, headWidth: nil)
    bench.options.maximumMemory = need.all
    let small = try bench.quantizer("scratch")
    #expect(try small.prepare(measures: false).usesScratchFile)
    _ = try small.quantize { _ in }
    try small.finish { _ in }
    #expect(try bench.bytes("scratch") == wanted)
    bench.options.maximumMemory = need.all / 2
    #expect(throws: QuantizeError.self) { try bench.quantizer("none").prepare(measures: false) }
  }

  @Test("an interruption after any event ends in the same bytes", arguments: [false, true])
  func interrupted(rounds: Bool) throws {
    struct Stop: Error {}
    var bench = try Bench()
    if rounds { bench.options.method = .roundToNearest }
    bench.options.quantizesHead = true
    try bench.run("whole")
    let wanted = try bench.bytes("whole")
    var stops = 0
    // Stop after 1, 2, 3 … events of each run, until one run gets through.
    for limit in 1... {
      var count = 0
      bench.events = { _ in
        count += 1
        if count == limit { throw Stop() }
      }
      do {
        try bench.run()
        break
      } catch is Stop { stops += 1 }
    }
    #expect(stops > 5)
    #expect(try bench.bytes() == wanted)
    #expect(try bench.folder.names(in: "out") == bench.folder.names(in: "whole"))
    #expect(try !bench.folder.names(in: "out").contains(WorkFolder.name))
  }

  @Test("every module is quantized, and the recipes rank as they should")
  func quality() throws {
    var bench = try Bench(RandomCheckpoint(layers: 3))
    var divergence: [String: Double] = [:]
    for (name, recipe) in [("best", Recipe.best), ("fast", .fast), ("reference", .reference)] {
      bench.options.recipe = recipe
      let reports = try bench.run(name)
      #expect(reports.count == 21)
      #expect(reports.allSatisfy { $0.method == "gptq" && $0.fallback == nil })
      #expect(reports.allSatisfy { ($0.relative_output_error ?? 1) < 0.02 })
      divergence[name] = try bench.divergence(name)
    }
    bench.options.method = .roundToNearest
    #expect(try bench.run("rtn").allSatisfy { $0.method == "rtn" && $0.relative_output_error == nil })
    divergence["rtn"] = try bench.divergence("rtn")
    let found = try (
      #require(divergence["best"]), #require(divergence["fast"]), #require(divergence["reference"]),
      #require(divergence["rtn"])
    )
    #expect(found.0 < found.1 && found.1 < found.2 && found.2 < found.3, "\(divergence)")
  }

  @Test("forward passes in bfloat16 cost nothing that shows", .enabled(if: Arithmetic.bfloat16.problem == nil))
  func bfloat16() throws {
    var bench = try Bench(RandomCheckpoint(layers: 3))
    try bench.run("single")
    bench.options.arithmetic = .bfloat16
    try bench.run()
    #expect(try bench.bytes() != bench.bytes("single"), "the option has no effect")
    let (single, rounded) = try (bench.divergence("single"), bench.divergence())
    #expect(rounded <= 1.1 * single, "\(rounded), \(single)")
  }

  @Test("what the streams run with is what the file holds")
  func storedValues() throws {
    for asymmetric in [false, true] {
      var bench = try Bench()
      bench.format = GPTQFormat(bits: 3, groupSize: 64, isSymmetric: !asymmetric, storesGroupIndex: true)
      bench.options.recipe.order = .activation
      bench.options.recipe.fixesGridsUpFront = false
      var reported: [ModuleReport] = []
      bench.events = { if case .module(let report, _) = $0 { reported.append(report) } }
      try bench.run()
      let model = try TransformerModel.open(bench.folder.file("out"))
      let original = try TransformerModel.open(bench.model)
      let settings = try #require(
        try JSONSerialization.jsonObject(with: Data(readBytes(bench.folder.file("out/quantize_config.json"))))
          as? [String: Any])
      #expect(settings["desc_act"] as? Bool == true && settings["bits"] as? Int == 3)
      #expect(settings["sym"] as? Bool == !asymmetric && settings["group_size"] as? Int == 64)
      // The first module's error, computed anew from the file, is the one reported.
      let module = try #require(model.groups(ofLayer: 0).first?.modules.first)
      let (w, q) = (try original.weights(of: module), try model.weights(of: module))
      let windows = try TokenFile.windows(bench.model + "/tokens.safetensors:calibration", vocabularySize: 96)
      let residual = Matrix<Float>(rows: windows.tokens.count, columns: 64)
      try original.embed(windows.tokens, into: residual.slice, threads: 1)
      let layer = try original.layer(0, windowLength: 40, threads: 1)
      let x = layer.input(of: layer.groups[0], HiddenStates(residual.slice, windowLength: 40), threads: 1)
      func power(_ weight: Matrix<Float>) -> Double {
        let y = Matrix<Float>(rows: x.rows, columns: weight.rows)
        gemm(x, weight.slice, transposeB: true, into: y.slice)
        return y.values.reduce(0) { $0 + Double($1) * Double($1) }
      }
      let difference = Matrix<Float>(
        rows: w.rows, columns: w.columns, zip(w.values, q.values).map { $0 - $1 })
      let wanted = power(difference) / power(w)
      let found = try #require(reported.first?.relative_output_error)
      #expect(abs(found / wanted - 1) < 1e-3, "\(found), computed \(wanted)")
    }
  }

  @Test("patterns choose modules, and the rest stays as it is")
  func patterns() throws {
    var bench = try Bench()
    bench.options.only = ["*.layers.0.*", "*.down_proj"]
    bench.options.skip = ["*.self_attn.[qk]_proj"]
    let names = try bench.run().map(\.name)
    #expect(
      names == [
        "model.layers.0.self_attn.v_proj", "model.layers.0.self_attn.o_proj", "model.layers.0.mlp.gate_proj",
        "model.layers.0.mlp.up_proj", "model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj",
      ])
    let (before, after) = (try Checkpoint.open(bench.model), try Checkpoint.open(bench.folder.file("out")))
    let kept = before.tensors.map(\.name).filter { name in !names.contains { $0 + ".weight" == name } }
    #expect(Set(kept).isSubset(of: after.tensors.map(\.name)))
    #expect(after.tensors.count == kept.count + 4 * names.count)
    let text = String(decoding: try readBytes(bench.folder.file("out/config.json")), as: UTF8.self)
    #expect(text.contains(#""-:^model\\.layers\\.0\\.self_attn\\.q_proj$""#))
    #expect(try bench.divergence() > 0)
  }

  @Test("the head is quantized where that is asked for")
  func head() throws {
    var bench = try Bench()
    try bench.run("without")
    bench.options.quantizesHead = true
    bench.options.skip = ["*.up_proj"]
    let names = try bench.run().map(\.name)
    #expect(names.last == "lm_head" && !names.contains { $0.hasSuffix("up_proj") })
    #expect(try bench.divergence() != bench.divergence("without"))
    #expect(try bench.divergence() < 0.05)
    let tied = try Bench(RandomCheckpoint(tiesHead: true))
    var quantized = tied
    quantized.options.quantizesHead = true
    #expect(throws: QuantizeError.self) { try quantized.run() }
  }

  @Test("nothing is overwritten unless it is asked for, and then nothing old is left")
  func existing() throws {
    var bench = try Bench()
    bench.options.shardSize = 20_000
    try bench.run()
    #expect(try bench.folder.names(in: "out").contains("model.safetensors.index.json"))
    #expect(throws: ByteIOError.self) { try bench.quantizer().prepare(measures: false) }
    bench.options.shardSize = nil
    bench.options.replaces = true
    try bench.run()
    let names = try bench.folder.names(in: "out")
    #expect(names == ["config.json", "model.safetensors", "quantize-log.jsonl", "quantize_config.json"])
    bench.options.replaces = true
    #expect(throws: ByteIOError.self) {
      try ModelQuantizer(
        try TransformerModel.open(bench.model), calibration: nil, format: bench.format, output: bench.model + "/.",
        options: {
          var o = bench.options; o.method = .roundToNearest; return o
        }()
      ).prepare(measures: false)
    }
  }
}
