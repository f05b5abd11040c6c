// A whole model's quantization at the size of LLaMA-7B: a made-up checkpoint on the disk, its first layers quantized with
// the default recipe. Looked at: FLOP/s over the run against the matrix product, peak memory, and what all layers would take.

import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import Quantize
import Transformer

/// The pipeline over a model of LLaMA-7B's shapes.
struct ModelBench: BenchCase {
  static let name = "model"

  /// Layers that are quantized, and the calibration.
  private static let (layers, samples, length) = (4, 8, 512)
  /// What a run may use; with gradients there are H_O of a layer's modules as well.
  private static func memoryLimit(_ recipe: String) -> Int { recipe == "guided" ? 9 << 29 : 4 << 30 }
  /// What part of SGEMM is wanted.
  private static func rateWanted(_ recipe: String) -> Double { recipe == "guided" ? 0.65 : 0.7 }
  private static let recipes = [("guided", Recipe.guided), ("best", .best), ("fast", .fast), ("reference", .reference)]

  private let context: BenchContext
  /// Nil where the disk is too small.
  private let checkpoint: SyntheticCheckpoint?
  private let recipes: [String]

  init(_ context: BenchContext) throws {
    self.context = context
    recipes = context.recipes.isEmpty ? ["best", "reference"] : context.recipes
    for name in recipes where !Self.recipes.contains(where: { $0.0 == name }) {
      throw ByteIOError(.interrupted, reason: "the recipes are \(Self.recipes.map(\.0).joined(separator: ", "))")
    }
    do {
      checkpoint = try SyntheticCheckpoint(in: context.disk, existing: context.checkpoint, context.say)
    } catch let error as ByteIOError where error.code == .noSpace {
      context.say("model is skipped: \(error.description)")
      checkpoint = nil
    }
  }

  /// What the process of its own tells.
  private struct Outcome: Codable {
    var flop: Double
    var preflight: Double
    var predicted: Double
    var seconds: Double
    var statedMemory: Int
    var whole: Double
    var customary: Double
  }

  /// One round. The first one, which would warm up, does nothing: minutes of work make up for a cold start themselves.
  func measure() throws -> [Series] {
    guard let checkpoint, checkpoint.isWarm else {
      checkpoint?.isWarm = true
      return []
    }
    return try recipes.flatMap { try measure($0, checkpoint.folder) }
  }

  private func measure(_ recipe: String, _ folder: String) throws -> [Series] {
    context.say("quantizing \(Self.layers) of 32 layers with the recipe \(recipe)")
    let peak = PeakRate.gemm(size: 4096, runs: 3)
    let result = folder + "/result.json"
    let cost = try Self.cost(
      of: [folder, "\(Self.layers)", recipe, result, context.arithmetic.rawValue], context)
    // The machine's speed may have drifted meanwhile.
    let sgemm = (peak + PeakRate.gemm(size: 4096, runs: 3)) / 2
    let outcome = try JSONDecoder().decode(Outcome.self, from: Data(contentsOf: URL(filePath: result)))
    let rate = outcome.flop / outcome.seconds
    let ceiling = "SGEMM around \(recipe)"
    let name = context.arithmetic == .single ? recipe : "\(recipe) in \(context.arithmetic.rawValue)"
    return [
      Series(name: ceiling, unit: .operations, values: [sgemm]),
      Series(
        name: "\(name), \(Self.layers) layers, \(Self.samples) × \(Self.length) tokens", unit: .operations,
        target: (ceiling, Self.rateWanted(recipe)),
        limit: .init(value: .infinity, memory: Self.memoryLimit(recipe)), values: [rate],
        peakMemory: cost.peakMemory),
      Series(name: "\(recipe), memory that was stated before", unit: .bytes, values: [Double(outcome.statedMemory)]),
      Series(name: "\(recipe), reading and checking the checkpoint", unit: .seconds, values: [outcome.preflight]),
      Series(name: "\(recipe), time that was predicted", unit: .seconds, values: [outcome.predicted]),
      Series(name: "\(recipe), time that it took", unit: .seconds, values: [outcome.seconds]),
      Series(
        name: "\(recipe), all 32 layers, \(Self.samples) × \(Self.length) tokens (extrapolated)", unit: .seconds,
        values: [outcome.whole / rate]),
      Series(
        name: "\(recipe), all 32 layers, 128 × 2048 tokens (extrapolated)", unit: .seconds,
        values: [outcome.customary / rate]),
    ]
  }

  static func once(_ list: [String]) throws {
    guard list.count == 5, let layers = Int(list[1]), (1...10).contains(layers),
      let recipe = recipes.first(where: { $0.0 == list[2] }), let arithmetic = Arithmetic(rawValue: list[4])
    else {
      throw ByteIOError(
        .interrupted, reason: "model takes a folder, a number of layers, a recipe, a file and an arithmetic")
    }
    var options = QuantizationOptions()
    (options.recipeName, options.recipe) = recipe
    options.arithmetic = arithmetic
    // As the command line has it.
    options.isTrueSequential = recipe.0 != "reference"
    options.only = ["model.layers.[0-\(layers - 1)].*"]
    options.maximumMemory = memoryLimit(recipe.0)
    options.resumes = false
    let model = try TransformerModel.open(list[0])
    let data = try Calibration.drawn(
      from: [list[0] + "/tokens.safetensors"],
      tokenizer: { throw ByteIOError(.notFound, reason: "no tokenizer is wanted") },
      vocabularySize: model.configuration.vocabularySize, samples: samples, length: length, defaultLength: length,
      seed: 0)
    let quantizer = try ModelQuantizer(
      model, calibration: data, format: GPTQFormat(bits: 4, groupSize: 128, isSymmetric: true),
      output: list[0] + "/output", options: options)
    let clock = ContinuousClock()
    let start = clock.now
    let estimate = try quantizer.prepare()
    let ready = clock.now
    let reports = try quantizer.quantize { _ in }
    let end = clock.now
    guard reports.count == 7 * layers,
      reports.allSatisfy({ ($0.relative_output_error ?? 1) < 0.1 && $0.fallback == nil })
    else { throw ByteIOError(.interrupted, reason: "the answer is wrong: \(reports)") }
    var all = options
    all.only = []
    let outcome = Outcome(
      flop: quantizer.flopCount, preflight: (ready - start) / .seconds(1), predicted: estimate.seconds ?? 0,
      seconds: (end - ready) / .seconds(1), statedMemory: estimate.memory,
      whole: ModelQuantizer.flop(model, all, samples: samples, length: length),
      customary: ModelQuantizer.flop(model, all, samples: 128, length: 2048))
    try JSONEncoder().encode(outcome).write(to: URL(filePath: list[3]))
    try FileManager.default.removeItem(atPath: list[0] + "/output")
  }
}

/// A checkpoint with LLaMA-7B's shapes, float16, in shards: one random layer, 32 times. Removed with its owner, unless it
/// was there before.
final class SyntheticCheckpoint {
  let folder: String
  private let isOwned: Bool
  /// Whether the round that warms up is over.
  var isWarm = false

  private static let configuration = """
    {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "intermediate_size": 11008,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000,
    "max_position_embeddings": 2048, "rms_norm_eps": 1e-06, "torch_dtype": "float16"}
    """

  /// - Throws: `ByteIOError` with code `.noSpace` where the disk is too small.
  init(in disk: String, existing: String?, _ say: (String) -> Void) throws {
    isOwned = existing == nil
    if let existing {
      folder = existing
      return
    }
    folder = Folder.join(disk, "belle-bench-model-\(getpid())")
    let source = SyntheticTensors()
    let bytes = source.tensors.reduce(0) { $0 + $1.byteCount }
    say("making a checkpoint of \(byteCount(bytes)) in \(folder)")
    // The work needs as much again for the unquantized tensors of its output, were it written; and some gigabytes.
    guard let free = Folder.availableSpace(disk), free > bytes * 5 / 2 else {
      throw ByteIOError(
        .noSpace, file: disk, reason: "\(byteCount(bytes * 5 / 2)) are needed",
        remedy: "give --disk a folder on a larger disk, or leave the case model out")
    }
    try Folder.create(folder)
    let output = ModelOutput(source, to: folder, container: .safetensors, shardSize: 5_000_000_000)
    try output.write(source, metadata: ["format": "pt"], replacing: true) { _ in }
    try output.write(Array(Self.configuration.utf8), as: "config.json", replacing: true)
    var state: UInt64 = 7
    var tokens: [UInt8] = []
    for _ in 0..<8 * 512 {
      state = state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
      let token = UInt32(truncatingIfNeeded: (state >> 33) % 32000)
      tokens += [UInt8(truncatingIfNeeded: token), UInt8(truncatingIfNeeded: token >> 8), 0, 0]
    }
    let windows = try TensorView([TensorView.Entry("calibration", .i32, [8, 512], tokens)])
    _ = try SafetensorsWriter.write(
      windows, [0], metadata: [:], as: "tokens.safetensors", in: folder, replacing: true)
  }

  deinit { if isOwned { try? FileManager.default.removeItem(atPath: folder) } }
}

/// The tensors of such a checkpoint: each a stretch of one ring of random numbers.
private struct SyntheticTensors: TensorSource {
  let tensors: [TensorInfo]
  var format: String { "synthetic" }
  var metadata: [(name: String, value: String)] { [] }
  /// Halves, about normal with a deviation of 0.02; a prime number of them, so that no rows are equal.
  private let ring: [UInt8]
  private static let ones = [UInt8](repeating: 0, count: 8192).indices.map { UInt8($0 % 2 == 0 ? 0 : 0x3C) }

  init() {
    var tensors: [TensorInfo] = []
    func add(_ name: String, _ shape: [Int]) {
      tensors.append(
        TensorInfo(name: name, dtype: .f16, shape: shape, file: "", byteCount: 2 * shape.reduce(1, *)))
    }
    add("model.embed_tokens.weight", [32000, 4096])
    for layer in 0..<32 {
      let base = "model.layers.\(layer)."
      for name in ["q", "k", "v", "o"] { add(base + "self_attn.\(name)_proj.weight", [4096, 4096]) }
      for name in ["gate", "up"] { add(base + "mlp.\(name)_proj.weight", [11008, 4096]) }
      add(base + "mlp.down_proj.weight", [4096, 11008])
      for name in ["input", "post_attention"] { add(base + "\(name)_layernorm.weight", [4096]) }
    }
    add("model.norm.weight", [4096])
    add("lm_head.weight", [32000, 4096])
    self.tensors = tensors

    let count = 15_485_863
    var state: UInt64 = 1
    let values = (0..<count).map { _ in
      state = state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
      let word = state ^ state >> 29
      // The sum of four bytes is near enough to a normal number.
      let sum = (0..<4).reduce(0) { $0 + Int(word >> (32 + 8 * UInt64($1)) & 0xFF) }
      return Float(sum - 510) * (0.02 / 147)
    }
    var ring = [UInt8](repeating: 0, count: 2 * count)
    var span = ring.mutableSpan
    var raw = unsafe span.mutableBytes
    if let conversion = try? DTypeConversion(from: .f32, to: .f16) {
      _ = unsafe conversion.convert(values.span.bytes, into: &raw)
    }
    self.ring = ring
  }

  func storedRange(_ index: Int) -> Range<Int>? { nil }
  func verifyChecksums() {}

  func cursor(_ index: Int) -> any TensorCursor {
    let info = tensors[index]
    if info.shape.count == 1 { return BytesCursor(Self.ones) }
    // By the module's name without its layer: all layers are one.
    let place = info.name.split(separator: ".").suffix(2).joined(separator: ".").utf8.reduce(7) {
      ($0 &* 31 &+ Int($1)) & 0xFFFF
    }
    return RingCursor(ring, from: place * 2 * 101 % ring.count, byteCount: info.byteCount)
  }
}

/// A stretch of a ring of bytes.
private final class RingCursor: TensorCursor {
  private let ring: [UInt8]
  private let start: Int
  let byteCount: Int

  init(_ ring: [UInt8], from start: Int, byteCount: Int) {
    (self.ring, self.start, self.byteCount) = (ring, start, byteCount)
  }

  func withPart(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
    let ring = ring
    let at = (start + range.lowerBound) % ring.count
    unsafe try body(ring.span.bytes.extracting(at..<at + min(range.count, ring.count - at, 4 << 20)))
  }
}
