import ByteIO
import Checkpoint
import Foundation
import Model
import Packed
import TestSupport
import Testing

@testable import Quantize
@testable import Transformer

@Suite("Each module's form, chosen for a size") struct SizeTargetTests {
  private func folderBytes(_ path: String) throws -> Int {
    try Checkpoint.modelFiles(in: path).filter { $0.hasSuffix(".safetensors") }.reduce(0) {
      try $0 + #require(Folder.size(of: Folder.join(path, $1)))
    }
  }

  private func plannedSizes(_ bench: Bench) throws -> ClosedRange<Int> {
    let quantizer = try bench.quantizer("sizes")
    let forms = { (format: GPTQFormat, isLeast: Bool) in
      Dictionary(
        uniqueKeysWithValues: quantizer.modules.map { module in
          let all = format.forms(of: module).sorted {
            format.byteCount(module, in: $0) < format.byteCount(module, in: $1)
          }
          return (module.name, isLeast ? all[0] : all[all.count - 1])
        })
    }
    let sizes = try [true, false].map {
      try quantizer.fileBytes(bench.format.choosing(forms(bench.format, $0), [:]))
    }
    return sizes[0]...sizes[1]
  }

  @Test("a folder is as large as was said, never above the target, and read again", arguments: 1...6)
  func folder(seed: UInt64) throws {
    var bench = try Bench(RandomCheckpoint(bloom: seed % 2 == 0, layers: 3, seed: seed), windows: 12)
    bench.options.recipe = seed % 3 == 0 ? .guided : .fast
    let sizes = try plannedSizes(bench)
    var generator = SplitMix64(seed: seed)
    let target = Int.random(in: sizes, using: &generator)
    bench.options.target = .bytes(target)
    let quantizer = try bench.quantizer()
    try quantizer.prepare(measures: false)
    let choice = try #require(quantizer.choice)
    #expect(choice.isProven && choice.bytes <= target)
    // The least step from one form to another is a part of a per cent of a model of this size.
    #expect(Double(choice.bytes) >= 0.98 * Double(target), "\(choice.bytes) of \(target)")
    let reports = try quantizer.quantize { _ in }
    try quantizer.finish { _ in }
    let out = bench.folder.file("out")
    #expect(try folderBytes(out) == choice.bytes)
    for report in reports {
      #expect(report.stored_as == choice.modules[report.name]?.form)
      #expect((report.predicted_divergence ?? -1) > 0 && (report.planned_divergence ?? -1) > 0)
    }
    let settings = try #require(try QuantizationSettings.read(out))
    #expect(settings.variesByModule == (Set(choice.modules.values.map(\.form)).count > 1))
    let model = try Model.open(out)
    for module in quantizer.modules {
      let form = try #require(choice.modules[module.name]?.form)
      let said = try #require(settings.said(of: module.name))
      #expect(said.bits.count == 1 && form.hasPrefix("\(said.bits.first ?? 0) bits"), "\(module.name): \(form)")
    }
    #expect(model.form != .plain)
    #expect(try bench.divergence() < 1)
  }

  @Test(
    "what cannot be is refused with what can be",
    arguments: [SizeTarget.bytes(1000), .bytes(1 << 30), .bits(1), .bits(16)])
  func refused(target: SizeTarget) throws {
    var bench = try Bench(RandomCheckpoint(layers: 1), windows: 4)
    bench.options.target = target
    #expect {
      try bench.quantizer().prepare(measures: false)
    } throws: { error in
      guard let error = error as? QuantizeError else { return false }
      return error.code == .badOption && error.reason.contains("it can have ") && error.reason.contains(" to ")
    }
  }

  @Test("bits a weight count all that is stored, and more of them cost less")
  func bits() throws {
    var bench = try Bench(RandomCheckpoint(layers: 2), windows: 16)
    bench.options.recipe = .fast
    var last = Double.infinity
    for bits in [3.5, 4.5, 6.0] {
      bench.options.target = .bits(bits)
      let quantizer = try bench.quantizer("bits-\(bits)")
      try quantizer.prepare(measures: false)
      let choice = try #require(quantizer.choice)
      let weights = quantizer.modules.reduce(0) { $0 + $1.inFeatures * $1.outFeatures }
      let bytes = quantizer.modules.reduce(0) { $0 + quantizer.format.byteCount($1) }
      #expect(8 * Double(bytes) / Double(weights) == choice.bits && choice.bits <= bits && choice.bits > 0.95 * bits)
      #expect(choice.divergence < last)
      last = choice.divergence
    }
  }

  @Test("interrupted, it goes on with the same choice, without finding it out again")
  func resumed() throws {
    struct Stop: Error {}
    var bench = try Bench(RandomCheckpoint(layers: 2), windows: 16)
    bench.options.target = .bits(4.6)
    try bench.run("whole")
    let wanted = try bench.bytes("whole")
    var modules = 0
    bench.events = { event in
      if case .module = event { modules += 1 }
      if modules == 3 { throw Stop() }
    }
    #expect(throws: Stop.self) { try bench.run() }
    let quantizer = try bench.quantizer()
    try quantizer.survey { _ in }
    try quantizer.choose { _ in throw Stop() }
    _ = try quantizer.estimate(measures: false)
    let (_, resumes) = try quantizer.planned()
    #expect(resumes)
    _ = try quantizer.quantize { _ in }
    try quantizer.finish { _ in }
    #expect(try bench.bytes() == wanted)
    // Another target is another plan.
    modules = 0
    var other = bench
    #expect(throws: Stop.self) { try bench.run("third") }
    other.options.target = .bits(4)
    #expect { try other.quantizer("third").prepare(measures: false) } throws: {
      ($0 as? QuantizeError)?.code == .otherPlan
    }
  }

  @Test(
    "what modules are said to cost before the work ranks as what the solver leaves of them", arguments: [false, true])
  func ranking(isGuided: Bool) throws {
    var bench = try Bench(RandomCheckpoint(layers: 2), windows: 40)
    bench.options.recipe = isGuided ? .guided : .best
    bench.options.target = .bits(4.5)
    let quantizer = try bench.quantizer("costs")
    try quantizer.survey { _ in }
    let costs = try quantizer.costs(bench.format, #require(quantizer.calibration), in: bench.folder.path) { _ in }
    bench.options.target = nil
    var pairs: [(said: Double, found: Double)] = []
    for (bits, group) in [(2, 64), (3, 32), (4, 64), (8, 32)] {
      bench.format = GPTQFormat(bits: bits, groupSize: group, isSymmetric: true, storesGroupIndex: true)
      for report in try bench.run("\(bits)-\(group)") {
        let cost = try #require(costs.modules[report.name]?["\(bits) bits, groups of \(group)"])
        let solved = isGuided ? report.predicted_divergence ?? 0 : cost.divergence * report.loss / cost.loss
        pairs.append((cost.divergence, solved))
      }
    }
    let ranks = { (values: [Double]) -> [Double] in
      var ranks = [Double](repeating: 0, count: values.count)
      for (rank, index) in values.indices.sorted(by: { values[$0] < values[$1] }).enumerated() {
        ranks[index] = Double(rank)
      }
      return ranks
    }
    let (said, found) = (ranks(pairs.map(\.said)), ranks(pairs.map(\.found)))
    let n = Double(pairs.count)
    let distance = zip(said, found).reduce(0.0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let correlation = 1 - 6 * distance / (n * (n * n - 1))
    #expect(correlation > 0.95, "\(correlation)")
  }

  @Test("a format that has no forms to choose among says so")
  func belle() throws {
    var options = QuantizationOptions()
    options.target = .bits(4)
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let quantizer = try ModelQuantizer(
      try TransformerModel.open(model), calibration: nil,
      format: BELLEFormat(bits: 4, groupSize: 32, isSymmetric: true), output: folder.file("out"), options: options)
    #expect { try quantizer.choose() } throws: { ($0 as? QuantizeError)?.code == .badOption }
  }
}
