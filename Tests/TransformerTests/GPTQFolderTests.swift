import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import Packed
import TestSupport
import Testing

@testable import Transformer

/// Rounds to nearest as the reference's grid does, and packs as its formats do.
struct RoundedLinear {
  let bits: Int
  let out: Int
  let width: Int
  /// `[out, in]`.
  var q: [UInt32] = []
  /// `[groups, out]`.
  var scales: [Float] = []
  var zeros: [UInt32] = []
  let group: Int

  /// Min–max, symmetric or not, zero included. Source: GPTQ-for-LLaMa, quant/quantizer.py, `find_params`.
  init(_ w: [Float], out: Int, width: Int, bits: Int, group: Int, isSymmetric: Bool) {
    (self.bits, self.out, self.width, self.group) = (bits, out, width, group)
    q = Array(repeating: 0, count: out * width)
    let groups = width / group
    scales = Array(repeating: 0, count: groups * out)
    zeros = Array(repeating: 0, count: groups * out)
    let top = Float(1 << bits - 1)
    for row in 0..<out {
      for number in 0..<groups {
        let part = row * width + number * group..<row * width + (number + 1) * group
        var low = min(0, w[part].min() ?? 0)
        var high = max(0, w[part].max() ?? 0)
        if isSymmetric {
          high = max(abs(low), high)
          if low < 0 { low = -high }
        }
        if low == 0, high == 0 { (low, high) = (-1, 1) }
        let scale = (high - low) / top
        let zero = isSymmetric ? (top + 1) / 2 : (-low / scale).rounded(.toNearestOrEven)
        scales[number * out + row] = scale
        zeros[number * out + row] = UInt32(zero)
        for at in part { q[at] = UInt32(min(top, max(0, (w[at] / scale).rounded(.toNearestOrEven) + zero))) }
      }
    }
  }

  /// Adds the packed tensors: little-endian streams of bits along the inputs, zero points along the outputs.
  func add(to source: inout MemorySource, _ name: String, isVersion2: Bool, withGroups: Bool) {
    func pack(_ count: Int, _ value: (Int) -> UInt32) -> [Int32] {
      var words = [UInt32](repeating: 0, count: (count * bits + 31) / 32)
      for index in 0..<count {
        for bit in 0..<bits where value(index) >> UInt32(bit) & 1 == 1 {
          words[(index * bits + bit) / 32] |= 1 << UInt32((index * bits + bit) % 32)
        }
      }
      return words.map { Int32(bitPattern: $0) }
    }
    let columns = (0..<out).map { row in pack(width) { q[row * width + $0] } }
    let height = columns[0].count
    source.add(
      name + ".qweight", .i32, [height, out], (0..<height * out).map { columns[$0 % out][$0 / out] })
    let groups = width / group
    let packed = (0..<groups).map { number in
      pack(out) { isVersion2 ? zeros[number * out + $0] : zeros[number * out + $0] &- 1 & (1 << UInt32(bits) - 1) }
    }
    source.add(name + ".qzeros", .i32, [groups, packed[0].count], packed.flatMap { $0 })
    source.add(name + ".scales", .f32, [groups, out], scales)
    if withGroups { source.add(name + ".g_idx", .i32, [width], (0..<width).map { Int32($0 / group) }) }
  }

  /// The same as of GPTQ-for-LLaMA's first weeks, one group a row: zero points times scales, and a bias. Source: its quant.py,
  /// `QuantLinear.pack`.
  func addEarly(to source: inout MemorySource, _ name: String) {
    precondition(group == width)
    var whole = MemorySource()
    add(to: &whole, name, isVersion2: true, withGroups: false)
    var words: [UInt8] = []
    try? whole.read(0) { part in part.withUnsafeBytes { words += Array($0) } }
    source.add(name + ".qweight", .i32, whole.tensors[0].shape, words)
    source.add(name + ".scales", .f32, [out, 1], scales)
    source.add(name + ".zeros", .f32, [out, 1], zip(scales, zeros).map { $0 * Float($1) })
    source.add(name + ".bias", .f32, [out], [Float](repeating: 0, count: out))
  }
}

@Suite("GPTQ folders") struct GPTQFolderTests {
  @Test(
    "the reference's packed tensors become the values they stand for",
    arguments: ["2bit", "3bit", "4bit", "8bit"], ["g128", "g-1"])
  func fixtures(bits: String, group: String) throws {
    let file = try Checkpoint.open(project("Tests/Fixtures/pack/packed.safetensors"))
    let base = "\(bits).\(group)"
    let folder = try TemporaryFolder()
    let source = try PackedCheckpoint(file, folder: folder.path)
    let index = try #require(source.tensors.firstIndex { $0.name == base + ".weight" })
    #expect(source.tensors[index].shape == [256, 256])
    // Those of the fixture that are not packed are no tensors of a model either.
    #expect(!source.tensors.contains { $0.name.hasSuffix(".zeros") })
    let found = try TensorReader.matrix(source, index)
    let read = { (name: String) throws in
      try TensorReader.matrix(file, try #require(file.tensors.firstIndex { $0.name == base + name }))
    }
    let scales = try read(".scales")
    let integers = try values(project("Tests/Fixtures/pack/packed.safetensors"), base + ".q", UInt8.self)
    let zeros: [Float] = try read(".zeros").values
    let groups = scales.rows
    for row in stride(from: 0, to: 256, by: 7) {
      for column in 0..<256 {
        let number = column / (256 / groups)
        let wanted = scales[number, row] * (Float(integers[row * 256 + column]) - zeros[row * groups + number])
        #expect(found[row, column] == wanted, "[\(row), \(column)]")
      }
    }
  }

  /// A folder whose linear modules are rounded.
  private func rounded(
    _ model: TransformerModel, bits: Int, group: Int, isSymmetric: Bool, isVersion2: Bool, withGroups: Bool,
    configuration: [UInt8]
  ) throws -> TemporaryFolder {
    var source = MemorySource()
    let modules = (0..<model.configuration.layerCount).flatMap { model.groups(ofLayer: $0).flatMap(\.modules) }
    for (index, info) in model.source.tensors.enumerated() {
      let values = try TensorReader.matrix(model.source, index).values
      if let module = modules.first(where: { $0.name + ".weight" == info.name }) {
        RoundedLinear(
          values, out: module.outFeatures, width: module.inFeatures, bits: bits, group: group, isSymmetric: isSymmetric
        ).add(to: &source, module.name, isVersion2: isVersion2, withGroups: withGroups)
      } else {
        source.add(info.name, .f32, info.shape, values)
      }
    }
    let folder = try TemporaryFolder()
    try source.write(in: folder.path)
    try folder.write("config.json", configuration)
    try folder.write(
      "quantize_config.json", #"{"bits": \#(bits), "checkpoint_format": "\#(isVersion2 ? "gptq_v2" : "gptq")"}"#)
    return folder
  }

  @Test("versions 1 and 2, with and without g_idx, are one model", arguments: [2, 3, 4, 8])
  func versions(bits: Int) throws {
    let json = RandomModel.llama().replacing("24", with: "64").replacing("40", with: "96")
      .replacing(#""num_attention_heads": 6"#, with: #""num_attention_heads": 4"#)
    let made = try RandomModel(json)
    let model = try TransformerModel(made.configuration, made.source, path: "memory")
    let windows = TokenWindows((0..<20).map { Int32($0) }, length: 10)
    var results: [[Float]] = []
    for (isVersion2, withGroups) in [(false, false), (false, true), (true, true)] {
      let folder = try rounded(
        model, bits: bits, group: 32, isSymmetric: true, isVersion2: isVersion2, withGroups: withGroups,
        configuration: Array(json.utf8))
      results.append(try logits(try TransformerModel.open(folder.path), windows).values)
    }
    #expect(results[0] == results[1] && results[1] == results[2])
    if bits == 8 {
      let exact = try logits(model, windows).values
      #expect(zip(exact, results[0]).map { abs($0 - $1) }.max() ?? 1 < 0.2)
    }
  }

  @Test(
    "rounding to nearest scores as the reference says", .enabled(if: hasTinyModels != nil),
    arguments: [("llama", 4, true), ("bloom", 3, false)])
  func roundToNearest(name: String, bits: Int, isSymmetric: Bool) throws {
    struct Score: Decodable {
      let perplexity: Double
      let kl_mean: Double?
      let top1_agreement: Double?
    }
    let fixture = project("Tests/Fixtures/tiny/\(name)/")
    let known = decodeJSON([String: Score].self, fixture + "reference.json")
    let wanted = try #require(known["rtn.\(bits)bit.g128.\(isSymmetric ? "sym" : "asym")"])
    let model = try TransformerModel.open((hasTinyModels ?? "") + name)
    let folder = try rounded(
      model, bits: bits, group: 128, isSymmetric: isSymmetric, isVersion2: true, withGroups: true,
      configuration: try readBytes(fixture + "config.json"))
    let windows = TokenWindows(try values(fixture + "tokens.safetensors", "evaluation", Int32.self), length: 256)
    let found = try Evaluation(try TransformerModel.open(folder.path), reference: model, threads: 2).run(windows)
    #expect(abs(found.perplexity / wanted.perplexity - 1) < 1e-4)
    #expect(abs((found.meanDivergence ?? 0) / (wanted.kl_mean ?? 1) - 1) < 0.003, "\(found), \(wanted)")
    #expect(abs((found.top1Agreement ?? 0) - (wanted.top1_agreement ?? 1)) < 2e-4)
  }

  @Test("packed tensors that contradict each other are refused")
  func contradictions() throws {
    let w = (0..<64 * 32).map { Float($0 % 13) - 6 }
    let whole = RoundedLinear(w, out: 32, width: 64, bits: 4, group: 32, isSymmetric: true)
    func refused(_ change: (inout MemorySource) -> Void, json: String? = nil) throws -> CheckpointError? {
      var source = MemorySource()
      whole.add(to: &source, "m", isVersion2: false, withGroups: true)
      change(&source)
      let folder = try TemporaryFolder()
      if let json { try folder.write("quantize_config.json", json) }
      return #expect(throws: CheckpointError.self) {
        let packed = try PackedCheckpoint(source, folder: folder.path)
        for index in packed.tensors.indices { try packed.read(index) { _ in } }
      }
    }
    #expect(try refused { $0.remove("m.scales") }?.reason.contains("scales is missing") == true)
    #expect(
      try refused {
        $0.remove("m.g_idx")
        $0.add("m.g_idx", .i32, [64], [Int32](repeating: 2, count: 64))
      }?.reason.contains("names group 2, and there are 2") == true)
    #expect(
      try refused {
        $0.remove("m.g_idx")
        $0.add("m.g_idx", .i32, [1], [0] as [Int32])
      }?.code == .badTensor)
    #expect(try refused({ _ in }, json: #"{"bits": 8}"#)?.code == .badTensor)
    #expect(try refused({ _ in }, json: #"{"bits": 4, "checkpoint_format": "marlin"}"#)?.code == .unknownFormat)
    #expect(try refused({ _ in }, json: #"{"quant_method": "hqq"}"#)?.code == .unknownFormat)
    #expect(try refused({ _ in }, json: "[]")?.code == .malformed)
  }

  /// q_proj in the early form beside an embedding, which tells the bits.
  private func early(bits: Int, hidden: Int = 64, zeros: [Float]? = nil) -> (MemorySource, RoundedLinear) {
    var random = SplitMix64(seed: UInt64(bits))
    let values = (0..<96 * 64).map { _ in Float.random(in: -1...0.3, using: &random) }
    let linear = RoundedLinear(values, out: 96, width: 64, bits: bits, group: 64, isSymmetric: false)
    var source = MemorySource()
    source.add("model.embed_tokens.weight", .f16, [2, hidden], [UInt16](repeating: 0, count: 2 * hidden))
    linear.addEarly(to: &source, "model.layers.0.self_attn.q_proj")
    if let zeros {
      source.remove("model.layers.0.self_attn.q_proj.zeros")
      source.add("model.layers.0.self_attn.q_proj.zeros", .f32, [96, 1], zeros)
    }
    return (source, linear)
  }

  @Test(
    "GPTQ-for-LLaMA's early form, with zero points times scales, has the values of the packed ones",
    arguments: [2, 3, 4, 8])
  func earlyForm(bits: Int) throws {
    let (source, linear) = early(bits: bits)
    let opened = try PackedCheckpoint.ofModel(source, nil)
    #expect(opened.isEarly && !opened.isDescribed)
    #expect(
      opened.tensors.map(\.name).filter { $0.contains("q_proj") }.sorted() == [
        "model.layers.0.self_attn.q_proj.bias", "model.layers.0.self_attn.q_proj.weight",
      ])
    let index = try #require(opened.tensors.firstIndex { $0.name.hasSuffix("q_proj.weight") })
    let weights = try #require(try opened.packedLinear(index))
    #expect(weights.bits == bits && weights.groupCount == 1 && weights.zeros.map(UInt32.init) == linear.zeros)
    var packed = MemorySource()
    linear.add(to: &packed, "model.layers.0.self_attn.q_proj", isVersion2: true, withGroups: true)
    let expected = try PackedCheckpoint(packed, QuantizationSettings(bits: bits, version: .second))
    #expect(try TensorReader.matrix(opened, index).values == TensorReader.matrix(expected, 0).values)
  }

  @Test("the early form is refused where nothing tells the bits, and where a zero point is none")
  func badEarlyForm() throws {
    #expect(throws: CheckpointError.self) {
      try PackedCheckpoint.ofModel(early(bits: 4, hidden: 40).0, nil)
    }
    // The configuration may tell instead.
    #expect(throws: Never.self) {
      try PackedCheckpoint.ofModel(early(bits: 4, hidden: 40).0, QuantizationSettings(bits: 4))
    }
    let scale = early(bits: 4).1.scales[0]
    for product in [scale * 2.5, -scale, scale * 16, Float.nan, .infinity] {
      let (source, linear) = early(bits: 4)
      var zeros = zip(linear.scales, linear.zeros).map { $0 * Float($1) }
      zeros[0] = product
      let opened = try PackedCheckpoint.ofModel(early(bits: 4, zeros: zeros).0, nil)
      let index = try #require(source.tensors.firstIndex { $0.name.hasSuffix("qweight") })
      let error = #expect(throws: CheckpointError.self) { try opened.packedLinear(index) }
      #expect(error?.code == .badTensor && error?.reason.contains("not a zero point of 4 bits") == true)
    }
  }

  @Test("a state dict in another one is the model all the same", arguments: ["model.", "state_dict.", "module.model."])
  func wrapped(prefix: String) throws {
    let (source, _) = early(bits: 4)
    var outer = MemorySource()
    for (index, info) in source.tensors.enumerated() {
      var bytes: [UInt8] = []
      try source.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
      outer.add(prefix + info.name, info.dtype, info.shape, bytes)
    }
    outer.add("optimizer.state.0.exp_avg", .f32, [2], [Float](repeating: 0, count: 2))
    let model = Model(outer, path: "m")
    #expect(model.wrapper == prefix && model.otherCount == 1)
    let opened = model.tensors
    #expect(opened.tensors.map(\.name) == source.tensors.map(\.name))
    let index = try #require(
      opened.tensors.firstIndex { $0.name.hasSuffix("q_proj.weight") || $0.name.hasSuffix("qweight") })
    let values = try TensorReader.matrix(PackedCheckpoint.ofModel(opened, nil), index).values
    #expect(try values == TensorReader.matrix(PackedCheckpoint.ofModel(source, nil), index).values)
    // What is not wrapped stays as it is.
    let plain = Model(source, path: "m")
    #expect(plain.wrapper == nil && plain.tensors.tensors == source.tensors)
  }
}
