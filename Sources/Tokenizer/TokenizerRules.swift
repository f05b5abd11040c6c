// What tokenizer.json says of a text's way into tokens and back: normalizer, pre-tokenizer, decoder, each a step or a list of
// steps. What is not known is refused by its name: without it the ids would be others. Source: huggingface/tokenizers, the
// `Serialize` implementations of its parts.

import ByteIO

/// The rules of a tokenizer.json.
struct TokenizerRules {
  /// One step of the pre-tokenizer.
  enum Step: Sendable, Equatable {
    case split(PreTokenizer.Step)
    /// A space is put before a piece that has none.
    case space
    /// Bytes are spelled in the alphabet of bytes.
    case byteLevel
    case metaspace(Metaspace)
  }

  /// A space as a character of its own.
  struct Metaspace: Sendable, Equatable {
    /// Before which pieces it is put.
    enum Scheme: String, Sendable {
      case always, first, never
    }

    let replacement: Unicode.Scalar
    let scheme: Scheme
    /// Cuts before each; nil where nothing is cut.
    let cut: PreTokenizer.Step?
  }

  let normalizers: [TextNormalizer]
  let steps: [Step]
  /// Nil where there is none: then spaces are put between tokens.
  let decoders: [TokenDecoder]?

  /// Steps in all, at most.
  private static let stepLimit = 256

  /// The rules of a file.
  ///
  /// - Throws: ``TokenizerError`` with code `.unsupported` for steps that are not known.
  init(_ contents: TokenizerFile) throws {
    let reader = Reader(path: contents.path)
    normalizers = try reader.list(contents.normalizer, "normalizers").flatMap(reader.normalizer)
    steps = try reader.list(contents.preTokenizer, "pretokenizers").flatMap(reader.step)
    let decoders = try reader.list(contents.decoder, "decoders").flatMap(reader.decoder)
    if case .other = contents.decoder { self.decoders = nil } else { self.decoders = decoders }
    let others = ["TemplateProcessing", "ByteLevel", "BertProcessing", "RobertaProcessing"]
    for step in try reader.list(contents.postProcessor, "processors") where !others.contains(step["type"]?.text ?? "") {
      throw reader.unknown("post-processor", step)
    }
  }

  /// How words are cut where bytes are tokens: nil where something else is done as well.
  var byteLevel: (PreTokenizer, addsPrefixSpace: Bool)? {
    guard decoders == [.byteLevel], steps.last == .byteLevel else { return nil }
    var splits: [PreTokenizer.Step] = []
    for (number, step) in steps.dropLast().enumerated() {
      switch step {
      case .split(let split): splits.append(split)
      case .space where number == 0: continue
      default: return nil
      }
    }
    return (PreTokenizer(steps: splits), steps.first == .space)
  }

  /// Reads steps.
  private struct Reader {
    let path: String

    func unsupported(_ reason: String) -> TokenizerError {
      TokenizerError(
        .unsupported, file: path, reason: reason,
        remedy:
          "Documentation/tokenizers.md lists what is read; a SentencePiece tokenizer.model beside it would be taken "
          + "instead")
    }

    func unknown(_ what: String, _ tree: JSONTree) -> TokenizerError {
      unsupported("the \(what) \(displayName(tree["type"]?.text ?? "without a type")) is not known here")
    }

    /// A step, or the steps of a sequence of any depth.
    func list(_ tree: JSONTree, _ name: String) throws -> [JSONTree] {
      if case .other = tree { return [] }
      guard tree["type"]?.text == "Sequence" else { return [tree] }
      guard let elements = tree[name]?.elements else { throw unsupported("a Sequence has no \(name)") }
      let all = try elements.flatMap { try list($0, name) }
      guard all.count <= TokenizerRules.stepLimit else { throw unsupported("\(all.count) \(name) are too many") }
      return all
    }

    private func split(
      _ expression: String, _ behavior: PreTokenizer.Behavior = .isolated, inverted: Bool = false
    ) throws -> PreTokenizer.Step {
      do throws(WordPattern.Failure) {
        return try PreTokenizer.Step(expression, behavior: behavior, isInverted: inverted)
      } catch {
        throw unsupported("the expression \(displayName(expression)) is not read here: \(error.reason)")
      }
    }

    /// An expression, or a text as one that matches it.
    private func expression(_ tree: JSONTree?) throws -> String {
      if let regex = tree?["Regex"]?.text { return regex }
      guard let text = tree?["String"]?.text, !text.isEmpty else {
        throw unsupported("a pattern is neither text nor Regex")
      }
      return Self.literal(text)
    }

    private static func literal(_ text: String) -> String {
      text.unicodeScalars.reduce(into: "") { result, scalar in
        if scalar.isASCII, scalar.properties.generalCategory != .control, !scalar.properties.isAlphabetic,
          !("0"..."9").contains(scalar)
        {
          result += "\\"
        }
        result.unicodeScalars.append(scalar)
      }
    }

    func normalizer(_ tree: JSONTree) throws -> [TextNormalizer] {
      let type = tree["type"]?.text ?? ""
      if let form = TextNormalizer.Form(rawValue: type) { return [.form(form)] }
      switch type {
      case "Lowercase": return [.lowercase]
      case "StripAccents": return [.stripAccents]
      case "Prepend": return [.prepend(tree["prepend"]?.text ?? "")]
      case "Strip":
        return [.strip(left: tree["strip_left"]?.truth ?? false, right: tree["strip_right"]?.truth ?? false)]
      case "Replace":
        return [
          .replace(try split(expression(tree["pattern"])).pattern, with: tree["content"]?.text ?? "")
        ]
      default: throw unknown("normalizer", tree)
      }
    }

    func step(_ tree: JSONTree) throws -> [Step] {
      let named = tree["behavior"]?.text ?? "Isolated"
      guard let behavior = PreTokenizer.Behavior(rawValue: named) else {
        throw unsupported("the behavior \(displayName(named)) of a pre-tokenizer is not known here")
      }
      switch tree["type"]?.text {
      case "Split":
        let inverted = tree["invert"]?.truth ?? false
        return [.split(try split(expression(tree["pattern"]), behavior, inverted: inverted))]
      case "Digits":
        return [.split(try split(tree["individual_digits"]?.truth == true ? #"\p{N}"# : #"\p{N}+"#))]
      case "Punctuation": return [.split(try split(Self.punctuation, behavior))]
      case "Whitespace": return [.split(try split(Self.words, .removed, inverted: true))]
      case "WhitespaceSplit": return [.split(try split(#"\s"#, .removed))]
      case "BertPreTokenizer":
        return [.split(try split(#"\s"#, .removed)), .split(try split(Self.punctuation))]
      case "CharDelimiterSplit":
        return [.split(try split(Self.literal(tree["delimiter"]?.text ?? " "), .removed))]
      case "ByteLevel":
        var steps: [Step] = tree["add_prefix_space"]?.truth ?? true ? [.space] : []
        if tree["use_regex"]?.truth ?? true { steps += PreTokenizer.usual.map { .split($0) } }
        return steps + [.byteLevel]
      case "Metaspace": return [.metaspace(try metaspace(tree))]
      default: throw unknown("pre-tokenizer", tree)
      }
    }

    /// tokenizers asks unicode_categories 0.1.1, whose tables are Unicode 8's: what has become punctuation since is none
    /// there, and U+166D and U+111C9, which are a symbol and a mark by now, are.
    private static let punctuation: String = {
      var newer = String.UnicodeScalarView()
      for scalar in (0x80..<0x20000 as Range<UInt32>).lazy.compactMap(Unicode.Scalar.init)
      where isPunctuation(scalar) && (scalar.properties.age?.major ?? 0) > 8 { newer.append(scalar) }
      return #"[\p{P}\u166D\#u{111C9}!-/:-@\[-`{-~&&[^"# + String(newer) + "]]"
    }()

    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
      switch scalar.properties.generalCategory {
      case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
        .finalPunctuation, .otherPunctuation:
        true
      default: false
      }
    }
    /// `\w+|[^\w\s]+` as Rust's expressions have it.
    private static let words = #"[\w\u200C\u200D]+|[^\w\u200C\u200D\s]+"#

    private func metaspace(_ tree: JSONTree) throws -> Metaspace {
      let text = tree["replacement"]?.text ?? "▁"
      let usual = tree["add_prefix_space"]?.truth == false ? "never" : "always"
      let named = tree["prepend_scheme"]?.text ?? usual
      guard let replacement = text.unicodeScalars.first, text.unicodeScalars.count == 1,
        let scheme = Metaspace.Scheme(rawValue: named)
      else { throw unsupported("a Metaspace has the prepend_scheme \(displayName(named)), which is not known here") }
      let cut = tree["split"]?.truth ?? true ? try split(Self.literal(text), .mergedWithNext) : nil
      return Metaspace(replacement: replacement, scheme: scheme, cut: cut)
    }

    func decoder(_ tree: JSONTree) throws -> [TokenDecoder] {
      switch tree["type"]?.text {
      case "ByteLevel": return [.byteLevel]
      case "ByteFallback": return [.byteFallback]
      case "Fuse": return [.fuse]
      case "Replace":
        return [.replace(try split(expression(tree["pattern"])).pattern, with: tree["content"]?.text ?? "")]
      case "Strip":
        guard let content = tree["content"]?.text?.unicodeScalars.first, let start = tree["start"]?.number,
          let stop = tree["stop"]?.number, (0...1000).contains(start), (0...1000).contains(stop)
        else { throw unsupported("the decoder Strip does not say what it takes away") }
        return [.strip(content, start: start, stop: stop)]
      case "Metaspace":
        let space = try metaspace(tree)
        return [.metaspace(space.replacement, prepends: space.scheme != .never)]
      default: throw unknown("decoder", tree)
      }
    }
  }
}
