// Packed weights in another program's form: the tensors of a GPTQ folder (either version), or of the `.pt` that BELLE's and
// GPTQ-for-LLaMA's scripts load. The integers, zero points and scales stay what they are: every weight keeps its value.
// Refused: what the form has no place for (scattered groups, zero points out of range, sizes that BELLE's kernels cut).
// Sources: BELLE, models/gptq/quant.py (buffers and shapes), llama.py and bloom.py (`load_state_dict`, strict);
// GPTQModel, nn_modules/qlinear; formats: Documentation/formats.md.

import ByteIO
import Foundation
import Synchronization

/// A model with packed weights, its tensors in the form that some program loads.
public final class RepackedSource: TensorSource {
  /// Whose form.
  public enum Style: Sendable, Equatable {
    /// A GPTQ folder: scales in half precision where that changes none of them, `g_idx`, no biases of zeros for LLaMA. Zero
    /// points as they are (version 2) or less one (version 1); where nil, version 1 for symmetric grids, which every engine
    /// reads, and version 2 for others, for GPTQModel reads no others, unless a zero point is 2^bits.
    case gptq(zerosAreStored: Bool?)
    /// BELLE's `.pt`: scales in single precision, biases for every module, no `g_idx`; and for LLaMA the rotary
    /// frequencies, which the library of that time kept with the weights.
    case belle(headSize: Int, rotaryBase: Double)
  }

  private enum Part: Sendable {
    case weights, zeros, scales, groups
  }

  private enum Place: Sendable {
    case plain(Int)
    case part(Part, of: Int)
    case bytes([UInt8])
  }

  /// What the container is.
  public let format: String
  /// The tensors.
  public let tensors: [TensorInfo]
  /// What it holds besides tensors.
  public let metadata: [(name: String, value: String)]
  /// Bits of an integer: the most of any module.
  public let bits: Int
  /// Inputs of a group, or -1 for whole rows; nil where they are scattered.
  public let groupSize: Int?
  /// The same where they are scattered: how many of a module's inputs there are to a group.
  private let nominalGroupSize: Int?
  /// Whether every grid is symmetric.
  public let isSymmetric: Bool
  /// The type that scales have here.
  public let scaleType: DType

  private let source: any PackedTensorSource
  private let style: Style
  private let places: [Place]
  /// The module that was read last: its parts are asked for one after the other.
  private let last = Mutex<(index: Int, weights: PackedWeights)?>(nil)

  /// What one look at all packed weights tells.
  private struct Survey {
    var bits = 0
    var sizes: Set<Int> = []
    var nominalSizes: Set<Int> = []
    var isScattered = false
    var isSymmetric = true
    var hasTop = false
    var hasZero = false
    var isHalf = true
    var modules: [Int: (outputs: Int, inputs: Int, groups: Int, bits: Int)] = [:]
  }

  /// Prepares the tensors. Every packed weight is read once, to see whether the form can hold it.
  ///
  /// - Throws: ``CheckpointError`` with code `.lossy` for what the form cannot hold.
  public init(_ source: any PackedTensorSource, as style: Style) throws {
    var style = style
    let survey = try Self.survey(source, style)
    if style == .gptq(zerosAreStored: nil) { style = .gptq(zerosAreStored: !survey.isSymmetric && !survey.hasTop) }
    let isLlama = source.tensors.contains {
      $0.name == "model.embed_tokens.weight" || $0.name == "embed_tokens.weight"
    }
    let names = Set(source.tensors.map(\.name))
    let isHalf = survey.isHalf && style.isGPTQ
    let scaleType: DType = isHalf ? .f16 : .f32
    var tensors: [TensorInfo] = []
    var places: [Place] = []
    func add(_ name: String, _ dtype: DType, _ shape: [Int], _ file: String, _ place: Place) {
      let size = shape.reduce(1, *) * (dtype.byteCount ?? 1)
      tensors.append(TensorInfo(name: name, dtype: dtype, shape: shape, file: file, byteCount: size))
      places.append(place)
    }
    for (index, info) in source.tensors.enumerated() {
      if let module = survey.modules[index] {
        let name = String(info.name.dropLast(".weight".count))
        let rows = (module.inputs * module.bits + 31) / 32
        add(name + ".qweight", .i32, [rows, module.outputs], info.file, .part(.weights, of: index))
        let width = (module.outputs * module.bits + 31) / 32
        add(name + ".qzeros", .i32, [module.groups, width], info.file, .part(.zeros, of: index))
        add(name + ".scales", scaleType, [module.groups, module.outputs], info.file, .part(.scales, of: index))
        if style.isGPTQ {
          add(name + ".g_idx", .i32, [module.inputs], info.file, .part(.groups, of: index))
        } else if !names.contains(name + ".bias") {
          add(
            name + ".bias", .f32, [module.outputs], info.file, .bytes([UInt8](repeating: 0, count: 4 * module.outputs)))
        }
        continue
      }
      if style.isGPTQ {
        // Computed, not stored, today.
        if ComputedTensors.contains(info) { continue }
        if isLlama, try Self.isZeroBias(source, index, names: names, packed: survey.modules) { continue }
      }
      tensors.append(info)
      places.append(.plain(index))
    }
    if case .belle(let headSize, let base) = style, isLlama {
      let bytes = Self.frequencies(headSize, base)
      for info in source.tensors where info.name.hasSuffix(".self_attn.q_proj.weight") {
        let name = info.name.dropLast("q_proj.weight".count) + "rotary_emb.inv_freq"
        guard !names.contains(String(name)) else { continue }
        add(String(name), .f32, [headSize / 2], info.file, .bytes(bytes))
      }
    }
    self.source = source
    self.style = style
    self.tensors = tensors
    self.places = places
    self.scaleType = scaleType
    format = source.format
    metadata = source.metadata
    bits = survey.bits
    groupSize = survey.isScattered || survey.sizes.count > 1 ? nil : survey.sizes.first
    nominalGroupSize = survey.nominalSizes.count == 1 ? survey.nominalSizes.first : nil
    isSymmetric = survey.isSymmetric
  }

  private static func survey(_ source: any PackedTensorSource, _ style: Style) throws -> Survey {
    var survey = Survey()
    for (index, info) in source.tensors.enumerated() where info.name.hasSuffix(".weight") {
      guard let weights = try source.packedWeights(index) else { continue }
      let refuse = { (reason: String, remedy: String) in
        CheckpointError(.lossy, file: info.file, reason: "\(displayName(info.name)) \(reason)", remedy: remedy)
      }
      let size = weights.groupSize
      survey.bits = max(survey.bits, weights.bits)
      survey.isScattered = survey.isScattered || size == nil
      if let size { survey.sizes.insert(weights.groupCount == 1 ? -1 : size) }
      let count = weights.groupCount
      survey.nominalSizes.insert(count == 1 ? -1 : (weights.inFeatures + count - 1) / count)
      survey.isSymmetric = survey.isSymmetric && weights.isSymmetric
      if survey.isHalf {
        survey.isHalf = weights.scaleType == .f16 || weights.scales.allSatisfy { Half(exactly: $0) != nil }
      }
      survey.modules[index] = (weights.outFeatures, weights.inFeatures, weights.groupCount, weights.bits)
      let top = UInt16(1 << weights.bits)
      survey.hasTop = survey.hasTop || weights.zeros.contains(top)
      survey.hasZero = survey.hasZero || weights.zeros.contains(0)
      let range = style == .gptq(zerosAreStored: nil) ? 0...top : style.zerosAreStored ? 0...top - 1 : 1...top
      if let zero = weights.zeros.first(where: { !range.contains($0) }) {
        throw refuse(
          "has a zero point of \(zero), for which this form has no place",
          style.zerosAreStored ? "write version 1 of the format" : "write checkpoint format gptq_v2")
      }
      guard case .belle = style else { continue }
      guard size != nil else {
        throw refuse(
          "has groups that are scattered over its inputs, and BELLE's form has no g_idx",
          "quantize without --act-order, or with --static-groups")
      }
      guard weights.inFeatures % 256 == 0, weights.outFeatures % 256 == 0 else {
        throw refuse(
          "is \(weights.outFeatures) × \(weights.inFeatures), and BELLE's kernels take multiples of 256 only",
          "write a GPTQ folder")
      }
    }
    guard !(survey.hasTop && survey.hasZero) else {
      throw CheckpointError(
        .lossy, file: source.tensors.first?.file,
        reason: "it has zero points of 0 and of 2^bits, and each version of the format has a place for one of them",
        remedy: "--dequantize writes the weights that they stand for")
    }
    guard !survey.modules.isEmpty else {
      throw CheckpointError(
        .unsupportedType, file: source.tensors.first?.file, reason: "no weight in it is packed",
        remedy: "quantize the model first")
    }
    return survey
  }

  /// Whether zero points are stored as they are: version 2.
  public var zerosAreStored: Bool { style.zerosAreStored }

  private static func isZeroBias(
    _ source: any TensorSource, _ index: Int, names: Set<String>,
    packed: [Int: (outputs: Int, inputs: Int, groups: Int, bits: Int)]
  ) throws -> Bool {
    let name = source.tensors[index].name
    guard name.hasSuffix(".bias"),
      let weight = source.tensors.firstIndex(where: { $0.name == name.dropLast(4) + "weight" }),
      packed[weight] != nil
    else { return false }
    return try source.allBytes(index).allSatisfy { $0 == 0 }
  }

  /// `1 / base^(2i / headSize)`, as LLaMA's attention computes them.
  private static func frequencies(_ headSize: Int, _ base: Double) -> [UInt8] {
    (0..<headSize / 2).flatMap { pair in
      let bits = Float(1 / pow(base, Double(2 * pair) / Double(headSize))).bitPattern
      return [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: bits >> $0) }
    }
  }

  /// Streams the values of a tensor.
  public func read(_ index: Int, _ body: (RawSpan) throws -> Void) throws {
    switch places[index] {
    case .plain(let index): try source.read(index, body)
    case .bytes(let bytes): unsafe try body(bytes.span.bytes)
    case .part(let part, let module):
      let weights = try weights(of: module)
      switch part {
      case .weights: try Self.pass(weights.words, body)
      case .zeros: try Self.pass(weights.zeroWords(stored: style.zerosAreStored), body)
      case .groups: try Self.pass(weights.groups.map { UInt32(bitPattern: $0) }, body)
      case .scales:
        if scaleType == .f16 {
          try Self.pass(weights.scales.map { Half($0).bits }, body)
        } else {
          try Self.pass(weights.scales.map { $0.bitPattern }, body)
        }
      }
    }
  }

  /// Words as little-endian bytes.
  private static func pass<Word: FixedWidthInteger & BitwiseCopyable>(
    _ words: [Word], _ body: (RawSpan) throws -> Void
  ) throws {
    let little = words.map { $0.littleEndian }
    unsafe try body(little.span.bytes)
  }

  private func weights(of module: Int) throws -> PackedWeights {
    if let kept = last.withLock({ $0 }), kept.index == module { return kept.weights }
    guard let weights = try source.packedWeights(module) else {
      throw CheckpointError(.badTensor, file: source.tensors[module].file, reason: "a packed tensor is none any more")
    }
    last.withLock { $0 = (module, weights) }
    return weights
  }

  /// Where a tensor's values lie in its file, where they stay what they are.
  public func storedRange(_ index: Int) -> Range<Int>? {
    guard case .plain(let index) = places[index] else { return nil }
    return source.storedRange(index)
  }

  /// What quantize_config.json says of these tensors.
  public var settings: QuantizationSettings {
    var settings = QuantizationSettings()
    settings.bits = bits
    settings.groupSize = groupSize ?? nominalGroupSize ?? -1
    settings.actOrder = groupSize == nil
    settings.isSymmetric = isSymmetric
    settings.method = "gptq"
    settings.format = zerosAreStored ? "gptq_v2" : "gptq"
    settings.wordType = "int32"
    settings.includesHead = tensors.contains { $0.name == "lm_head.qweight" }
    return settings
  }

  /// Verifies the source.
  public func verifyChecksums() throws { try source.verifyChecksums() }
}

extension RepackedSource.Style {
  fileprivate var isGPTQ: Bool { if case .gptq = self { true } else { false } }
  fileprivate var zerosAreStored: Bool { self == .gptq(zerosAreStored: true) }
}

extension PackedWeights {
  /// Zero points, packed along the outputs: `[groups, ceil(out · bits / 32)]`.
  ///
  /// - Parameter stored: whether as they are (version 2), and not less one.
  func zeroWords(stored: Bool) -> [UInt32] {
    let width = (outFeatures * bits + 31) / 32
    var fields = [UInt32](repeating: 0, count: groupCount * width)
    for (place, zero) in zeros.enumerated() {
      let (group, output) = place.quotientAndRemainder(dividingBy: outFeatures)
      let bit = output * bits
      let field = UInt64(stored ? zero : zero &- 1)
      let shifted = field << UInt64(bit % 32)
      fields[group * width + bit / 32] |= UInt32(truncatingIfNeeded: shifted)
      if shifted >> 32 != 0 { fields[group * width + bit / 32 + 1] |= UInt32(truncatingIfNeeded: shifted >> 32) }
    }
    return fields
  }
}
