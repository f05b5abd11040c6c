// What can be done about an error, as words in which what the program can be asked for stands as a value. Libraries know
// what may be asked, not how a command line spells it: its console words each request, see RequestWords in belle-tools.

/// Something that this program can be asked for: a setting, or a piece of work.
public enum Request: Sendable, Equatable {
  // Outputs.
  /// Replacing other files that have the outputs' names.
  case replacing
  /// Beginning again, where earlier work could be gone on with.
  case beginningAgain
  /// A format of the output; nil for the choice of one.
  case format(String?)
  // Conversions.
  /// Rounding what is quantized already.
  case losing
  /// The weights that quantized integers stand for.
  case dequantizing
  /// A layout of the output; nil for the choice of one.
  case layout(String?)
  /// The type of floating-point values.
  case valueType
  /// A type of GGUF's blocks, as ggml calls it.
  case blockType(String)
  /// A form of packed integers.
  case packing(String)
  // Reading.
  /// The epsilon of the norms of a model that does not say it.
  case epsilon
  /// The length of text that a model was made for, where it does not say it.
  case contextLength
  /// The tokenizer of a model that has none, or a poor one.
  case tokenizer
  /// The tensors of a pickle that names what is not known, without what these names make.
  case skippingUnknown
  // Quantizing.
  /// Bits of an integer.
  case bits(Int)
  /// Inputs that share a scale; -1 for whole rows.
  case groupSize(Int)
  /// Columns in the order of their activations.
  case activationOrder
  /// Groups that are cut before columns are reordered.
  case staticGroups
  /// Quantizing the head as well.
  case quantizedHead
  /// Leaving modules whose names match a pattern as they are.
  case skipping(String)
  /// A preset of the solver.
  case recipe(String)
  /// What numbers products are made of.
  case arithmetic(String)
  /// The memory that may be used.
  case memory
  /// The threads that are used.
  case threads(Int)
  /// Tokens of a sample.
  case sequenceLength(Int)
  // Digests.
  /// A list of digests.
  case manifest
  /// The digest of a whole key, held against the originals'.
  case checkingKey
  // Pieces of work.
  /// The known releases.
  case releases
  /// Decrypting, with its arguments in their order.
  case decrypting
  /// Digests held against what is known, of a file or folder.
  case verifying(String?)
  /// The figures of all tensors' values.
  case statistics
  /// A page of what a model holds.
  case inspecting
  /// What is wrong with a model.
  case diagnosis
  /// Quantizing a model.
  case quantizing
  /// A model in another form.
  case converting(Conversion)
  /// An adapter or a delta, merged into its base.
  case merging
  /// A delta, made of two models.
  case reversing
  /// The base model that an adapter is for.
  case base
  /// How a delta or an adapter goes into its base; nil for the choice of one.
  case scheme(String?)

  /// What a model is to become.
  public enum Conversion: Sendable, Equatable {
    /// Whatever it becomes by itself.
    case automatic
    /// A folder in the form that is usual for it.
    case folder
    /// A folder with Hugging Face's names: of a model's path, or of any.
    case huggingFace(String?)
    /// A GGUF file.
    case gguf
    /// Packed integers in the second version of GPTQ's form.
    case gptqVersion2
  }
}

/// What to do about something: words, and requests among them.
///
///     remedy: "move it away, or give \(.replacing) to replace it"
public struct Remedy: Sendable, Equatable, ExpressibleByStringInterpolation {
  fileprivate enum Part: Sendable, Equatable {
    case text(String)
    case request(Request)
  }

  /// Neighbouring texts are one part, so that equal remedies have equal parts.
  private var parts: [Part]

  /// Words alone.
  public init(_ text: String) { parts = text.isEmpty ? [] : [.text(text)] }
  /// Words alone.
  public init(stringLiteral text: String) { self.init(text) }
  /// Words, and requests among them.
  public init(stringInterpolation: StringInterpolation) { parts = stringInterpolation.parts }

  /// The remedy in words.
  ///
  /// - Parameter words: what a request is called where this is read.
  public func worded(_ words: (Request) -> String) -> String {
    parts.map { part in
      switch part {
      case .text(let text): text
      case .request(let request): words(request)
      }
    }.joined()
  }

  /// The requests in it.
  public var requests: [Request] {
    parts.compactMap { if case .request(let request) = $0 { request } else { nil } }
  }

  /// One remedy behind the other.
  public static func + (one: Remedy, other: Remedy) -> Remedy {
    var result = one
    other.parts.forEach { result.parts.append(joining: $0) }
    return result
  }

  /// Text, values as text, and requests.
  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var parts: [Part] = []

    /// Nothing yet.
    public init(literalCapacity: Int, interpolationCount: Int) {}

    /// Adds words.
    public mutating func appendLiteral(_ literal: String) { parts.append(joining: .text(literal)) }
    /// Adds a request.
    public mutating func appendInterpolation(_ request: Request) { parts.append(joining: .request(request)) }
    /// Adds another remedy.
    public mutating func appendInterpolation(_ remedy: Remedy) { remedy.parts.forEach { parts.append(joining: $0) } }
    /// Adds a value as text.
    public mutating func appendInterpolation(_ value: some CustomStringConvertible) {
      parts.append(joining: .text(value.description))
    }
  }
}

extension [Remedy.Part] {
  fileprivate mutating func append(joining part: Remedy.Part) {
    guard case .text(let text) = part else { return append(part) }
    if text.isEmpty { return }
    if case .text(let before) = last {
      self[count - 1] = .text(before + text)
    } else {
      append(part)
    }
  }
}

extension Remedy: CustomStringConvertible {
  /// The words with the requests as this library calls them, for whoever has no command line.
  public var description: String { worded { "\($0)" } }
}

extension Sequence<Remedy> {
  /// Remedies one after the other, with words between them.
  public func joined(separator: Remedy) -> Remedy {
    var result: Remedy?
    for remedy in self { result = result.map { $0 + separator + remedy } ?? remedy }
    return result ?? ""
  }
}
