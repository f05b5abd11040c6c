// GPTQ checkpoints as the weights that they stand for: `P.qweight`, `P.qzeros`, `P.scales` and `P.g_idx` become `P.weight`,
// float32 [out, in], worth scale · (q − zero). Documentation/formats.md has the packing.
// Refused: packings other than gptq and gptq_v2 (planar, AWQ, Marlin), shapes that contradict each other, group numbers
// that are not there. Sources: GPTQModel, nn_modules/qlinear; BELLE, models/gptq/quant.py (no g_idx, no configuration);
// GPTQ-for-LLaMA, quant.py of March 2023 (EarlyGPTQ.swift).

import ByteIO

/// A checkpoint with its packed tensors unpacked as they are read.
public struct GPTQTensorSource: PackedTensorSource {
  /// What the container is.
  public var format: String { "gptq" }
  /// The tensors, with a weight in place of each set of packed ones.
  public private(set) var tensors: [TensorInfo]
  /// What the source holds besides tensors.
  public var metadata: [(name: String, value: String)] { source.metadata }

  private enum Place: Sendable {
    case plain(Int)
    case packed(PackedLinear)
  }

  private let source: any TensorSource
  private var places: [Place]

  /// Whether a source holds packed tensors.
  public static func isPacked(_ source: any TensorSource) -> Bool {
    source.tensors.contains { $0.name.hasSuffix(".qweight") }
  }

  /// Whether a source holds packed tensors in the form of March 2023, with zero points that are not packed.
  public static func isEarlyForm(_ source: any TensorSource) -> Bool {
    let indices = source.indicesByName()
    return source.tensors.contains { info in
      info.name.suffixRemoved(".qweight").map { EarlyGPTQ.isEarly($0, indices) } ?? false
    }
  }

  /// Looks at a checkpoint.
  ///
  /// - Parameters:
  ///   - source: with packed tensors in it.
  ///   - folder: where quantize_config.json or config.json is; without them zero points count as version 1's.
  public init(_ source: any TensorSource, folder: String) throws {
    let settings = try QuantizationSettings.read(folder) ?? QuantizationSettings()
    if let unknown = settings.unknown.first {
      throw CheckpointError(
        .unknownFormat, file: folder,
        reason:
          "the quantization settings say that \(unknown.key) is \(displayName(unknown.value)), which is not known",
        remedy: "known are the formats gptq and gptq_v2 in words of 32 bits")
    }
    try self.init(source, zerosAreStored: settings.zerosAreStored, bits: settings.bits)
  }

  /// Looks at packed tensors whose format is known.
  ///
  /// - Parameters:
  ///   - source: with packed tensors in it.
  ///   - zerosAreStored: whether zero points are stored as they are (version 2), and not less one.
  ///   - bits: of an integer; nil where the shapes tell.
  public init(_ source: any TensorSource, zerosAreStored: Bool, bits: Int?) throws {
    self.source = source
    let indices = source.indicesByName()
    let earlyBits = bits == nil ? EarlyGPTQ.bits(source, indices) : nil
    var tensors: [TensorInfo] = []
    var places: [Place] = []
    for (index, info) in source.tensors.enumerated() {
      if let module = info.name.suffixRemoved(".qweight") {
        let linear = try PackedLinear(
          module, source, indices, zerosAreStored: zerosAreStored, bits: bits, unpackedBits: earlyBits)
        let shape = [linear.outFeatures, linear.inFeatures]
        guard let size = TensorInfo.size(of: shape, .f32) else {
          throw CheckpointError(.badTensor, file: info.file, reason: "\(displayName(info.name)) overflows")
        }
        tensors.append(
          TensorInfo(name: module + ".weight", dtype: .f32, shape: shape, file: info.file, byteCount: size.bytes))
        places.append(.packed(linear))
        continue
      }
      if let module = [".qzeros", ".zeros", ".scales", ".g_idx"].lazy.compactMap({ info.name.suffixRemoved($0) }).first,
        indices[module + ".qweight"] != nil
      {
        continue
      }
      tensors.append(info)
      places.append(.plain(index))
    }
    self.tensors = tensors
    self.places = places
  }

  /// The same without the biases of packed modules that are all zeros: BELLE's and GPTQ-for-LLaMA's scripts store them for
  /// modules that have none.
  public func withoutZeroBiases() throws -> any PackedTensorSource {
    let packed = Set(
      zip(tensors, places).compactMap { info, place -> String? in
        guard case .packed = place else { return nil }
        return String(info.name.dropLast("weight".count))
      })
    let zeros = try Set(
      tensors.indices.filter { index in
        let name = tensors[index].name
        guard name.hasSuffix(".bias"), packed.contains(String(name.dropLast("bias".count))) else { return false }
        return try allBytes(index).allSatisfy { $0 == 0 }
      })
    guard !zeros.isEmpty else { return self }
    var result = self
    result.remove(zeros)
    return result
  }

  private mutating func remove(_ indices: Set<Int>) {
    let kept = tensors.indices.filter { !indices.contains($0) }
    (tensors, places) = (kept.map { tensors[$0] }, kept.map { places[$0] })
  }

  /// Streams the values of a tensor.
  public func read(_ index: Int, _ body: (RawSpan) throws -> Void) throws {
    switch places[index] {
    case .plain(let index): try source.read(index, body)
    case .packed(let linear): try linear.read(source, body)
    }
  }

  /// Where a tensor's values lie in its file, where they are stored as numbers.
  public func storedRange(_ index: Int) -> Range<Int>? {
    guard case .plain(let index) = places[index] else { return nil }
    return source.storedRange(index)
  }

  /// The integers and grids of a weight; nil for a tensor that is stored as numbers.
  public func packedWeights(_ index: Int) throws -> PackedWeights? {
    guard case .packed(let linear) = places[index] else { return nil }
    return try linear.weights(source)
  }

  /// Verifies the source.
  public func verifyChecksums() throws { try source.verifyChecksums() }
}

extension String {
  /// The text without a suffix; nil where it does not end so.
  fileprivate func suffixRemoved(_ suffix: String) -> String? {
    hasSuffix(suffix) ? String(dropLast(suffix.count)) : nil
  }
}
