// GPTQ's packed zero points from one version of the format to the other: version 1 stores them less one, version 2 as they
// are. All other tensors stay as they are.
// Refused: zero points that the other version has no field for: 0 in version 1, 2^bits in version 2.

import ByteIO

/// A GPTQ checkpoint with its zero points stored in the other way.
public struct GPTQZeroPoints: TensorSource {
  /// What the container is.
  public var format: String { source.format }
  /// The tensors, as they were.
  public var tensors: [TensorInfo] { source.tensors }
  /// What it holds besides tensors.
  public var metadata: [(name: String, value: String)] { source.metadata }

  private let source: any TensorSource
  /// New words of the tensors of zero points that change, by number.
  private let words: [Int: [UInt8]]

  /// Works the new zero points out.
  ///
  /// - Parameters:
  ///   - source: the checkpoint as it is stored.
  ///   - packed: the same, understood.
  ///   - stored: whether zero points shall be stored as they are: version 2.
  /// - Throws: ``CheckpointError`` with code `.lossy` for a zero point that the version has no place for.
  public init(_ source: any TensorSource, _ packed: GPTQTensorSource, stored: Bool) throws {
    let indices = Dictionary(source.tensors.enumerated().map { ($1.name, $0) }) { one, _ in one }
    var words: [Int: [UInt8]] = [:]
    for (number, info) in packed.tensors.enumerated() where info.name.hasSuffix(".weight") {
      guard let weights = try packed.packedWeights(number),
        let index = indices[info.name.dropLast(".weight".count) + ".qzeros"]
      else { continue }
      let width = source.tensors[index].shape[1]
      let (low, high) = stored ? (0, 1 << weights.bits - 1) : (1, 1 << weights.bits)
      var fields = [UInt32](repeating: 0, count: weights.groupCount * width)
      for (place, zero) in weights.zeros.enumerated() {
        let (group, output) = place.quotientAndRemainder(dividingBy: weights.outFeatures)
        guard (low...high).contains(Int(zero)) else {
          throw CheckpointError(
            .lossy, file: info.file,
            reason:
              "\(displayName(info.name)) has a zero point of \(zero), which \(stored ? "gptq_v2" : "gptq") has no "
              + "place for with \(weights.bits) bits")
        }
        let field = UInt64(stored ? zero : zero - 1)
        let bit = output * weights.bits
        let shifted = field << UInt64(bit % 32)
        fields[group * width + bit / 32] |= UInt32(truncatingIfNeeded: shifted)
        if shifted >> 32 != 0 { fields[group * width + bit / 32 + 1] |= UInt32(truncatingIfNeeded: shifted >> 32) }
      }
      words[index] = fields.flatMap { word in [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: word >> $0) } }
    }
    self.source = source
    self.words = words
  }

  /// Streams the values of a tensor.
  public func read(_ index: Int, _ body: (RawSpan) throws -> Void) throws {
    guard let bytes = words[index] else { return try source.read(index, body) }
    unsafe try body(bytes.span.bytes)
  }

  /// Where a tensor's values lie in its file.
  public func storedRange(_ index: Int) -> Range<Int>? { words[index] == nil ? source.storedRange(index) : nil }

  /// Verifies the source.
  public func verifyChecksums() throws { try source.verifyChecksums() }
}
