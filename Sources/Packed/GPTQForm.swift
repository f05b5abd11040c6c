// GPTQ's tensors: `P.qweight` I32 [ceil(in · bits / 32), out], the integers as streams of bits along the inputs; `P.qzeros`
// I32 [groups, ceil(out · bits / 32)], zero points along the outputs; `P.scales` [groups, out]; `P.g_idx` [in], the group
// of each input: without it groups are contiguous and equal. Documentation/formats.md has the packing.
// Refused: shapes that contradict each other, groups that are not there; in writing zero points without a field.
// Sources: GPTQModel, nn_modules/qlinear; BELLE, models/gptq/quant.py (no g_idx, no settings).

import ByteIO
import Checkpoint

/// GPTQ's form, in one of its versions.
package struct GPTQForm: PackedForm, WritableForm, Equatable {
  /// How zero points are stored.
  package let version: GPTQVersion

  /// A version of the form.
  package init(version: GPTQVersion) { self.version = version }

  // MARK: Reading

  package static let method: (name: String, formats: [String])? = ("gptq", ["gptq", "gptq_v2"])
  package static let parts = ["qzeros", "scales", "g_idx"]

  /// What is said of no form is GPTQ's.
  package static func recognized(_ module: ModuleTensors, _ context: PackedContext) -> GPTQForm? {
    GPTQForm(version: context.version)
  }

  package func open(_ module: ModuleTensors, _ context: PackedContext) throws -> PackedModule {
    let parts = try GPTQParts(module)
    let (weights, zeros, scales, index) = (parts.weights, parts.zeros, parts.scales, parts.index)
    let (out, groupCount) = (parts.outFeatures, parts.groupCount)
    let bits = try Self.bits(
      module, context, among: Self.bits(weights.shape, zeros: zeros.shape, inputs: index?.shape[0]))
    let width = index?.shape[0] ?? weights.shape[0] * 32 / bits
    let size = try index == nil ? Self.groupSize(module, context, inputs: width, groups: groupCount) : nil
    return PackedModule(outFeatures: out, inFeatures: width) {
      let values = try module.scales(scales, bits: bits)
      let zeroPoints = zeroPoints(try module.words(zeros), groupCount: groupCount, outFeatures: out, bits: bits)
      return PackedLinear(
        bits: bits, outFeatures: out, inFeatures: width, codes: .words(try module.words(weights)),
        scales: transposed(values, rows: groupCount, columns: out), scaleType: scales.info.dtype,
        offsets: .zeros(transposed(zeroPoints, rows: groupCount, columns: out)),
        groups: try index.map { try module.groups($0, count: groupCount) }
          ?? PackedLinear.contiguousGroups(of: size ?? width, inputs: width))
    }
  }

  /// The bits that integers of such shapes may have.
  ///
  /// - Parameters:
  ///   - inputs: how many inputs there are, where a g_idx tells.
  ///   - all: the bits that a form has.
  package static func bits(_ weights: [Int], zeros: [Int], inputs: Int?, of all: [Int] = [2, 3, 4, 8]) -> [Int] {
    all.filter { bits in
      let stream = weights[0] * 32
      return zeros[1] == PackedWords.count(weights[1], bits: bits) && stream / bits > 0
        && inputs.map { PackedWords.count($0, bits: bits) == weights[0] } ?? (stream % bits == 0)
    }
  }

  /// The bits of a module's integers, by its shapes: those that the settings say, or others where these are said to differ
  /// by module.
  static func bits(_ module: ModuleTensors, _ context: PackedContext, among candidates: [Int]) throws -> Int {
    let stated = context.settings.bits
    let found = candidates.map(String.init).joined(separator: " or ")
    if context.settings.variesByModule {
      if candidates.count == 1 { return candidates[0] }
      // Two may fit one shape; then the settings have the word.
      let said = context.settings.said(of: module.name)?.bits ?? []
      if candidates.filter(said.contains).count == 1, let only = candidates.first(where: said.contains) { return only }
      if candidates.count > 1 {
        throw module.failure(
          "its shapes are those of \(found) bits, and the settings differ by module",
          remedy: "a g_idx beside it would tell: ask the publisher for it")
      }
    } else if let stated, candidates.contains(stated) {
      return stated
    } else if stated == nil, let first = candidates.first {
      return first
    }
    guard !candidates.isEmpty else { throw module.failure("its shapes fit none of 2, 3, 4 and 8 bits") }
    throw module.failure(
      "expected the shapes of \(stated ?? 4) bits, as the settings say, and found those of \(found)",
      remedy: "the settings are of another model, or leave out what differs by module (GPTQModel's dynamic)")
  }

  /// Inputs of a group where no g_idx says more: as the settings say, or whole equal groups.
  static func groupSize(_ module: ModuleTensors, _ context: PackedContext, inputs: Int, groups: Int) throws -> Int {
    if let size = context.settings.groupSize, size > 0, (inputs + size - 1) / size == groups { return size }
    guard inputs % groups == 0 else {
      throw module.failure(
        "its \(inputs) inputs are in \(groups) groups of unknown size",
        remedy: "put a quantize_config.json with the group_size of the quantization beside it")
    }
    return inputs / groups
  }

  /// Zero points `[groups, out]` from their fields.
  private func zeroPoints(_ words: [UInt32], groupCount: Int, outFeatures: Int, bits: Int) -> [UInt16] {
    let width = PackedWords.count(outFeatures, bits: bits)
    // Version 1 cannot tell 0 from 2^bits, and means the latter: its −1 wraps within the field.
    let added: UInt16 = version == .first ? 1 : 0
    return (0..<groupCount).flatMap { group in
      PackedWords.unpacked(
        Array(words[group * width..<(group + 1) * width]), ofRows: 0..<1, rows: 1, columns: outFeatures, bits: bits
      ).map { UInt16($0) + added }
    }
  }

  // MARK: Writing

  /// The zero points that have a field.
  private func zeroPoints(bits: Int) -> ClosedRange<Int> { version == .first ? 1...1 << bits : 0...1 << bits - 1 }

  /// 2, 3, 4 or 8 bits, and zero points that the version has a field for.
  package func check(_ module: ModuleSurvey) throws(CheckpointError) {
    guard [2, 3, 4, 8].contains(module.bits), let zeros = module.zeros else {
      throw module.refusal("has no place in GPTQ's form, which holds 2, 3, 4 or 8 bits and whole zero points", nil)
    }
    let range = zeroPoints(bits: module.bits)
    for zero in [zeros.lowerBound, zeros.upperBound] where !range.contains(Int(zero)) {
      throw module.refusal(
        "has a zero point of \(zero), for which \(version.rawValue) has no place with \(module.bits) bits",
        "write checkpoint format \((version == .first ? GPTQVersion.second : .first).rawValue)")
    }
  }

  /// Half precision where it has all of them.
  package func scaleType(areHalves: Bool) -> DType { areHalves ? .f16 : .f32 }

  /// Biases are what the model has.
  package var addsBiases: Bool { false }

  /// qweight, qzeros, scales and g_idx.
  package func parts(
    bits: Int, outFeatures: Int, inFeatures: Int, groupCount: Int, scaleType: DType
  ) -> [PackedPart] {
    [
      PackedPart(name: "qweight", dtype: .i32, shape: [PackedWords.count(inFeatures, bits: bits), outFeatures]) {
        littleEndianBytes($0.words(threads: $1))
      },
      PackedPart(name: "qzeros", dtype: .i32, shape: [groupCount, PackedWords.count(outFeatures, bits: bits)]) {
        weights, _ in littleEndianBytes(zeroWords(weights))
      },
      PackedPart(name: "scales", dtype: scaleType, shape: [groupCount, outFeatures]) { weights, _ in
        let scales = transposed(weights.scales, rows: outFeatures, columns: groupCount)
        return scaleType == .f16
          ? littleEndianBytes(scales.map { Half($0).bits }) : littleEndianBytes(scales.map(\.bitPattern))
      },
      PackedPart(name: "g_idx", dtype: .i32, shape: [inFeatures]) { weights, _ in littleEndianBytes(weights.groups) },
    ]
  }

  /// Zero points in their fields, along the outputs: `[groups, ceil(out · bits / 32)]`.
  func zeroWords(_ weights: PackedLinear) -> [UInt32] {
    let (out, count) = (weights.outFeatures, weights.groupCount)
    let less: UInt16 = version == .first ? 1 : 0
    let fields = transposed(weights.zeros, rows: out, columns: count).map { UInt8(truncatingIfNeeded: $0 &- less) }
    return (0..<count).flatMap { group in
      PackedWords.packed(Array(fields[group * out..<(group + 1) * out]), rows: 1, columns: out, bits: weights.bits)
    }
  }

  /// What the settings say of modules in this form.
  package func settings(
    bits: Int, groupSize: Int, isScattered: Bool, isSymmetric: Bool, includesHead: Bool
  ) -> QuantizationSettings {
    var settings = QuantizationSettings()
    (settings.bits, settings.groupSize) = (bits, groupSize)
    (settings.actOrder, settings.isSymmetric, settings.includesHead) = (isScattered, isSymmetric, includesHead)
    (settings.method, settings.format, settings.wordType) = ("gptq", version.rawValue, "int32")
    return settings
  }
}
