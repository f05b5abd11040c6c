// Which tensor of a model becomes which type in a GGUF file. Vectors stay F32, as llama.cpp wants them; rows that are no
// whole blocks fall back to smaller blocks, and to F16 where nothing fits.
// Source: llama.cpp, src/llama-quant.cpp (fallbacks; the head's type) and the converters (vectors).

import ByteIO

/// The choice of types.
public struct GGUFTypes: Sendable, Equatable {
  /// The type of the matrices; nil where they keep the one that they have.
  public let weights: DType?
  /// The type of the embedding and of a head of its own; nil where the mixture says it, or they keep the one that they have.
  public let embeddings: DType?
  /// What some matrices get in place of ``weights``; where that is nil, the embedding and the head only.
  package private(set) var mixture: GGUFMixture?
  /// What single matrices get, whatever else is said: by GGUF's names.
  package var single: [String: DType] = [:]
  /// The model whose matrices they are.
  private var model: GGUFMixture.Model?

  /// The types that can be asked for.
  public static let known: [DType] =
    [.f32, .f16, .bf16] + BlockType.all.filter { $0.isWritten && $0.elements > 1 }.map(\.dtype)

  /// A choice.
  ///
  /// - Parameters:
  ///   - weights: of the matrices: one of ``known``; nil to keep what they have.
  ///   - embeddings: where nil: the same for floating-point types and Q8_0; Q6_K for all others, as llama.cpp gives its
  ///     heads, for errors of the head are errors of the answer.
  public init(_ weights: DType?, embeddings: DType? = nil) {
    self.weights = weights
    self.embeddings = embeddings ?? weights.map { $0.block == nil || $0 == .q8_0 ? $0 : .q6_K }
  }

  /// A mixture's choice.
  ///
  /// - Parameters:
  ///   - mixture: which one.
  ///   - keepsWeights: whether matrices other than the embedding and the head keep what they have.
  ///   - embeddings: of the embedding and of a head of its own, in place of the mixture's.
  package init(_ mixture: GGUFMixture, keepsWeights: Bool = false, embeddings: DType? = nil) {
    weights = keepsWeights ? nil : mixture.base
    self.embeddings = embeddings
    self.mixture = mixture
  }

  /// The same for the matrices of a model; without it a mixture is its own type throughout.
  package func of(_ model: GGUFMixture.Model) -> GGUFTypes {
    var types = self
    types.model = model
    return types
  }

  /// The type of a tensor.
  ///
  /// - Parameter info: with GGUF's name.
  /// - Returns: nil for what is no floating-point number, and stays what it is.
  public func type(of info: TensorInfo) -> DType? {
    guard DTypeConversion.isConvertible(info.dtype) || info.dtype.block != nil else { return nil }
    guard info.shape.count >= 2 else { return .f32 }
    let rows = info.shape[info.shape.count - 1]
    // llama.cpp has no kernels for F64.
    return Self.fitting(wanted(of: info) ?? (info.dtype == .f64 ? .f32 : info.dtype), rows: rows)
  }

  /// The type that was asked for a matrix, whatever its rows are; nil for vectors, and where it keeps what it has.
  package func wanted(of info: TensorInfo) -> DType? {
    guard info.shape.count >= 2 else { return nil }
    if let type = single[info.name] { return type }
    let isEmbedding = ["token_embd.weight", "output.weight"].contains(info.name)
    if isEmbedding, let embeddings { return embeddings }
    guard let mixture, isEmbedding || weights != nil else { return isEmbedding ? embeddings : weights }
    guard let model else { return mixture.base }
    return mixture.type(of: info.name, rows: info.shape[info.shape.count - 1], in: model)
  }

  /// The type, or the one that is used in its place for rows of a length.
  static func fitting(_ type: DType, rows: Int) -> DType {
    guard let block = BlockType(type), rows % block.elements != 0 else { return type }
    guard let next = block.next, rows % next.elements == 0 else { return .f16 }
    return next.dtype
  }
}
