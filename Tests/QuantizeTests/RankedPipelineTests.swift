import ByteIO
import LinearAlgebra
import Model
import Ranks
import TestSupport
import Testing

@testable import Quantize
@testable import Transformer

/// The model of a bench, quantized by several ranks in this process.
extension Bench {
  fileprivate func run(_ count: Int, _ output: String, events: ((ThreadRanks, QuantizationEvent) throws -> Void)? = nil)
    throws
  {
    nonisolated(unsafe) let (bench, events) = (self, events)
    _ = try ThreadRanks.run(count) { ranks in
      let quantizer = try unsafe bench.quantizer(output, ranks: ranks)
      try quantizer.prepare(measures: false)
      _ = try quantizer.quantize { try unsafe events?(ranks, $0) }
      try quantizer.finish { _ in }
    }
  }
}

@Suite("The pipeline over ranks") struct RankedPipelineTests {
  /// What is done in another way for each.
  enum Kind: String, CaseIterable {
    case best, guided, mixed, reference, head, rounded

    func bench() throws -> Bench {
      // Blocks of 1000 rows: those of 512 that sums are made of go from batch to batch.
      var bench = try Bench(RandomCheckpoint(bloom: self == .reference, layers: 2), windows: 110)
      bench.options.threads = 1
      bench.options.batchTokens = 1
      switch self {
      case .best: break
      case .guided:
        bench.options.recipe = .guided
        bench.options.recipe.guidance?.draws = 2
      case .mixed:
        bench.options.recipe = .guided
        bench.options.skip = ["*.k_proj", "model.layers.1.mlp.*"]
      case .reference:
        bench.options.recipe = .reference
        bench.options.isTrueSequential = false
      case .head: bench.options.quantizesHead = true
      case .rounded: bench.options.method = .roundToNearest
      }
      return bench
    }
  }

  @Test("any number of ranks gives the bytes of one", arguments: Kind.allCases)
  func sameBytes(kind: Kind) throws {
    var bench = try kind.bench()
    try bench.run("one")
    let wanted = try bench.bytes("one")
    // More ranks than batches, too.
    for (count, batch, threads) in [(2, 1, 1), (3, 2000, 2), (7, 1, 1)] {
      bench.options.batchTokens = batch
      bench.options.threads = threads
      try bench.run(count, "ranks-\(count)")
      #expect(try bench.bytes("ranks-\(count)") == wanted, "\(count) ranks")
      #expect(
        try readBytes(bench.folder.file("ranks-\(count)/quantize-log.jsonl"))
          == readBytes(bench.folder.file("one/quantize-log.jsonl")))
    }
  }

  @Test(
    "interrupted work, its states in memory or in files: another number of ranks goes on with it",
    arguments: [Kind.best, .guided])
  func resumed(kind: Kind) throws {
    struct Stop: Error {}
    var bench = try kind.bench()
    try bench.run("one")
    let quantizer = try bench.quantizer("need")
    bench.options.maximumMemory =
      quantizer.shape.memory(layer: quantizer.plan[0].map(\.group), usesScratchFile: true, headWidth: nil).all
      + (4 << 20)
    // Of 14 modules; a group that was finished when the event stops the work stays finished.
    for (count, modules) in [(3, 3), (2, 1), (4, 2), (1, 1)] {
      #expect(throws: (any Error).self, "\(count) ranks") {
        var left = modules
        try bench.run(count, "out") { ranks, event in
          guard ranks.isFirst, case .module(_, isNew: true) = event else { return }
          left -= 1
          if left < 0 { throw Stop() }
        }
      }
      #expect(Folder.kind(of: bench.folder.file("out/model.safetensors")) == nil)
    }
    var isResumed = false
    try bench.run(2, "out") { ranks, event in
      if ranks.isFirst, case .resumed(let groups) = event { isResumed = groups == 7 }
    }
    #expect(isResumed)
    #expect(try bench.bytes("out") == bench.bytes("one"))
  }

  @Test("a rank that sees other data is refused by its number before any work")
  func otherData() throws {
    let bench = try Kind.best.bench()
    var other = bench
    other.options.recipe = .fast
    nonisolated(unsafe) let benches = (bench, other)
    #expect {
      try ThreadRanks.run(2) { ranks in
        let bench = unsafe ranks.isFirst ? benches.0 : benches.1
        let quantizer = try bench.quantizer("out", ranks: ranks)
        try quantizer.prepare(measures: false)
        _ = try quantizer.quantize { _ in }
      }
    } throws: { error in
      (error as? RanksError)?.code == .differs && "\(error)".contains("rank 1 on ") && "\(error)".contains("recipe: ")
    }
    #expect(Folder.kind(of: bench.folder.file("out/.belle-tools-work/plan.json")) == nil)
  }

  @Test(
    "batches are whole blocks of all windows, and as many for each rank", arguments: [1, 2, 3, 8], [1, 3, 40, 2048])
  func share(count: Int, length: Int) throws {
    let windows = 203
    let shares = try ThreadRanks.run(count) {
      WindowShare($0, windows: windows, windowLength: length, batchWindows: 64, threads: 1)
    }
    let step = HiddenStates.windowsPerBlock(length: length) * length
    var next = 0
    for batch in shares[0].all {
      #expect(batch.rows.lowerBound == next && !batch.rows.isEmpty && next % step == 0)
      next = batch.rows.upperBound
    }
    #expect(next == windows * length)
    #expect(shares.reduce(0) { $0 + $1.ownRows } == next)
    let blocks = (next + step - 1) / step
    if blocks >= count { #expect(Set(shares.map(\.own.count)).count == 1) }
    for share in shares {
      var place = 0
      for batch in share.own {
        #expect(batch.place == place..<place + batch.rows.count)
        place = batch.place.upperBound
      }
    }
  }

  @Test("strips are dealt out over all modules, each once", arguments: [1, 2, 5, 64])
  func strips(ranks: Int) {
    let strips = [16, 4, 4, 0, 1]
    let shares = SharedSolving.shares(strips, ranks: ranks)
    for (module, count) in strips.enumerated() {
      #expect(shares[module].flatMap { Array($0) } == Array(0..<count))
    }
    let loads = (0..<ranks).map { rank in shares.reduce(0) { $0 + $1[rank].count } }
    #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= 1)
  }

  @Test("modules that one rank solves go to who has the least, and not to rank 0 first")
  func owners() {
    #expect(SharedSolving.owners([1, 1, 1], ranks: 2) == [1, 0, 1])
    #expect(SharedSolving.owners([1, 4, 2, 3], ranks: 2) == [1, 1, 0, 0])
    #expect(SharedSolving.owners([5], ranks: 3) == [2])
    #expect(SharedSolving.owners([5, 1], ranks: 1) == [0, 0])
  }

  @Test("what ranks send for a layer is counted, and is what its shapes say", arguments: [2, 3])
  func counted(count: Int) throws {
    let bench = try Kind.best.bench()
    nonisolated(unsafe) var works: [RankWork] = []
    try bench.run(count, "out") { ranks, event in
      if case .worked(let work) = event {
        #expect(ranks.isFirst)
        unsafe works.append(work)
      }
    }
    let all = unsafe works
    #expect(all.map(\.layer) == [1, 2].flatMap { Array(repeating: $0, count: count) })
    #expect(all.map(\.rank) == [0, 1].flatMap { _ in 0..<count })
    // The last layer, which no snapshot follows: all its groups have H and Δ, and P those that add to the residual.
    let groups: [(width: Int, modules: [Int], adds: Bool)] = [
      (64, [64, 32, 32], false), (64, [64], true), (64, [128, 128], false), (128, [64], true),
    ]
    // Batches of 1000 rows, the last of 400; what does not fill a block of 512 goes along.
    let links = 4
    let rests = (1...links).reduce(0) { $0 + 1000 * $1 % 512 }
    var (sent, shared) = (0, 0)
    for (width, modules, adds) in groups {
      let sums = 2 * width * width + (adds ? modules[0] * width : 0)
      sent += 4 * (links * sums + rests * width)
      // Integers; scales, zeros and minimums of groups of 32; four sums and two halves of the output's power a row.
      let rows = modules.reduce(0, +)
      shared += 4 * sums + rows * width + 4 * rows * (3 * width / 32 + 4 + 2)
    }
    let last = all.filter { $0.layer == 2 }
    let sum = { (bytes: KeyPath<Traffic, Int>) in last.reduce(0) { $0 + $1.traffic[keyPath: bytes] } }
    #expect(sum(\.sentBytes) == sent && sum(\.receivedBytes) == sent)
    #expect(sum(\.sharedBytes) == shared && sum(\.takenBytes) == shared * (count - 1))
    for work in all {
      let known = WorkPart.allCases.reduce(0) { $0 + work.seconds(of: $1) } + work.traffic.waitingSeconds
      #expect(known > 0 && known <= work.seconds, "\(known) of \(work.seconds) s")
    }
  }

  @Test("a sum crosses each link once a batch, and no more goes to anybody")
  func traffic() throws {
    let (count, width, rows) = (3, 64, 4096)
    let sent = try ThreadRanks.run(count) { ranks in
      let share = WindowShare(ranks, windows: rows / 64, windowLength: 64, batchWindows: 16, threads: 1)
      let sums = InputSums(width: width, correctsInputs: false, residualWidth: nil, share: share, threads: 1)
      for batch in share.own {
        let x = Matrix<Float>(rows: batch.rows.count, columns: width, repeating: Float(batch.number))
        try sums.add(batch, x.slice, HiddenStates(x.slice, windowLength: 64), reference: nil, weights: nil)
      }
      _ = try sums.finish()
      return ranks.sentBytes
    }
    // Blocks of 1024 rows: four batches, three links, and what is done goes to all.
    #expect(sent.reduce(0, +) == 4 * width * width * (3 + 1))
  }
}
