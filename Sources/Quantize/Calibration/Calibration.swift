// Windows of tokens from texts: all of a text in order, for evaluating; or samples drawn by a seed, for calibrating. The
// same files, options and seed give the same tokens everywhere; a fingerprint says which they were.

import ByteIO
import Checksum
import Model
import Tokenizer
import Transformer

/// Windows of tokens, and where they come from.
package struct Calibration: Sendable, Equatable {
  /// The tokens.
  package let windows: TokenWindows
  /// SHA-256 over the options and the tokens: equal where a model sees the same.
  package let fingerprint: String
  /// Tokens that were read and not used: the end of a text that fills no window.
  package let unusedTokens: Int
  /// What the user should know of the files: records without a text, mostly.
  package let notes: [String]

  private init(_ windows: TokenWindows, unused: Int, options: String, notes: [String] = []) throws {
    self.windows = windows
    unusedTokens = unused
    self.notes = notes
    let digest = try DigestStream(.sha256)
    digest.update(Array("\(options);length=\(windows.length);count=\(windows.count);".utf8))
    var bytes: [UInt8] = []
    for start in stride(from: 0, to: windows.tokens.count, by: 1 << 14) {
      bytes.removeAll(keepingCapacity: true)
      for token in windows.tokens[start..<min(windows.tokens.count, start + 1 << 14)] {
        let bits = UInt32(bitPattern: token)
        for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
      }
      digest.update(bytes)
    }
    fingerprint = digest.finish().hex
  }

  // MARK: In order

  /// The tokens of a text or token file in order, cut into windows.
  ///
  /// A text is encoded as a whole, with BOS once at each document's beginning where the tokenizer's rules ask for it. What
  /// is left after the last full window is not used; a text that fills no window is one shorter window.
  /// - Parameters:
  ///   - argument: a text, JSON or JSON Lines file, or a token file, whose rows are the windows; nil for the texts that come
  ///     with the program for this, which none is calibrated with.
  ///   - tokenizer: called for texts only.
  ///   - vocabularySize: the model's.
  ///   - length: the windows' length; a token file's rows that are longer are cut at it, shorter ones are an error. Nil
  ///     means the rows' length, and `defaultLength` for texts.
  ///   - stride: how many tokens after the one before a window begins, where windows overlap, at most their length; then all
  ///     tokens of a text or row are predicted but its first. Nil for windows one after the other.
  ///   - maximumTokens: how many tokens may be predicted at most: as many whole windows as that allows, or one shorter window
  ///     where it allows no whole one; nil for all. What comes after them is not even encoded.
  ///   - template: the model's chat template, for conversations; asked for where there is one. Nil for BELLE's form.
  package static func inOrder(
    _ argument: String?, tokenizer: () throws -> any Tokenizer, vocabularySize: Int, length: Int?, defaultLength: Int,
    stride: Int? = nil, maximumTokens: Int? = nil, template: @escaping () throws -> ChatTemplate? = { nil }
  ) throws -> Calibration {
    let options = "order" + (stride.map { ";stride=\($0)" } ?? "")
    if let argument, TokenFile.isOne(argument) {
      let rows = try TokenFile.windows(argument, vocabularySize: vocabularySize)
      try check(stride, length ?? rows.length)
      let (windows, unused) = try cut(rows, length ?? rows.length, stride, maximumTokens, argument)
      return try Calibration(windows, unused: unused, options: options)
    }
    let length = length ?? defaultLength
    try check(stride, length)
    let wanted = maximumTokens.map { wantedTokens($0, length, stride) } ?? .max
    let tokenizer = try tokenizer()
    var tokens: [Int32] = []
    let take = { (document: TextDocument) throws -> Bool in
      tokens +=
        document.isChat
        ? try tokenizer.encodeChat(document.text)
        : try tokenizer.encodeDocument(document.text, atLeast: wanted - tokens.count)
      return tokens.count < wanted
    }
    var notes: [String] = []
    if let argument {
      notes = try TextDocuments.forEach(argument, template: template, take).notes
    } else {
      for text in documents(EmbeddedFiles.heldOut) {
        guard try take(TextDocument(text: text, isChat: false)) else { break }
      }
    }
    let file = argument ?? "the built-in text"
    try check(tokens, vocabularySize, file)
    let read = tokens.count
    let available = min(read, wanted)
    let used = available >= length && stride == nil ? available / length * length : available
    guard used >= 2 else {
      throw CalibrationError(
        .tooShort, file: file, reason: "its \(read) tokens are too few: two are needed at least")
    }
    tokens.removeLast(read - used)
    var windows = TokenWindows(tokens, length: stride == nil ? min(length, used) : used)
    if let stride, used > length { windows = TokenWindows(overlapping: windows, length: length, stride: stride) }
    // What comes after the tokens that were asked for is not counted.
    return try Calibration(windows, unused: available - used, options: options, notes: notes)
  }

  private static func check(_ stride: Int?, _ length: Int) throws {
    guard let stride, stride > length else { return }
    throw CalibrationError(
      .tooShort, reason: "windows that begin \(stride) tokens apart leave tokens out: they have \(length) tokens",
      remedy: "give a stride of at most \(length), or longer windows: \(.sequenceLength(stride))")
  }

  /// The tokens that windows of a length have which predict at most so many.
  private static func wantedTokens(_ predicted: Int, _ length: Int, _ stride: Int?) -> Int {
    guard predicted >= length - 1 else { return predicted + 1 }
    // All but the first predict what the ones before did not, but for the token that nothing stands before.
    if let stride { return length + (predicted - (length - 1)) / min(stride, max(1, length - 1)) * stride }
    return length > 1 ? predicted / (length - 1) * length : predicted
  }

  /// The rows of a token file as windows, and how many tokens are not used.
  private static func cut(
    _ rows: TokenWindows, _ length: Int, _ stride: Int?, _ maximumTokens: Int?, _ argument: String
  ) throws -> (windows: TokenWindows, unused: Int) {
    var windows =
      if let stride, length < rows.length {
        TokenWindows(overlapping: rows, length: length, stride: stride)
      } else {
        try cut(rows, length, argument)
      }
    if let most = maximumTokens, windows.predictedCount > most {
      var (count, predicted) = (0, 0)
      while predicted + windows.predicted(count).count <= most {
        predicted += windows.predicted(count).count
        count += 1
      }
      windows =
        count > 0 ? windows[0..<count] : TokenWindows(Array(rows.tokens[...most]), length: most + 1)
    }
    // Tokens of overlapping windows are there several times.
    return (windows, stride == nil ? rows.tokens.count - windows.tokens.count : 0)
  }

  // MARK: Drawn

  /// Samples of some files, drawn by a seed.
  ///
  /// Texts are cut into passages of some ten kilobytes (for short windows of twice a window's length) at line ends, and shuffled; their tokens, one after the other, are
  /// cut into windows until there are enough. So samples come from all over a file, and a large file is not encoded whole.
  /// - Parameters:
  ///   - arguments: text, JSON, JSON Lines and token files; token files' rows are shuffled among each other.
  ///   - tokenizer: called for texts only.
  ///   - vocabularySize: the model's.
  ///   - samples: how many windows; a token file may hold fewer. Nil means 128, or as many as the texts fill.
  ///   - length: the windows' length; nil means the rows' length of a token file, and `defaultLength` for texts.
  ///   - defaultLength: see `length`.
  ///   - seed: another seed draws other samples.
  ///   - template: the model's chat template, for conversations; asked for where there is one. Nil for BELLE's form.
  package static func drawn(
    from arguments: [String], tokenizer: () throws -> any Tokenizer, vocabularySize: Int, samples: Int?, length: Int?,
    defaultLength: Int, seed: UInt64, template: @escaping () throws -> ChatTemplate? = { nil }
  ) throws -> Calibration {
    var generator = SeededGenerator(seed: seed)
    let options = "samples=\(samples ?? usualSamples);seed=\(seed)"
    let tokenFiles = arguments.filter(TokenFile.isOne)
    guard tokenFiles.isEmpty || tokenFiles.count == arguments.count else {
      throw CalibrationError(
        .unknownForm, file: tokenFiles.first, reason: "token files and texts cannot be mixed",
        remedy: "give only the one or the other")
    }
    if let first = tokenFiles.first {
      let files = try tokenFiles.map { try TokenFile.windows($0, vocabularySize: vocabularySize) }
      let wanted = length ?? files[0].length
      var rows: [TokenWindows] = []
      for (file, argument) in zip(files, tokenFiles) {
        let windows = try cut(file, wanted, argument)
        rows += (0..<windows.count).map { windows[$0..<$0 + 1] }
      }
      let isAll = rows.count <= samples ?? usualSamples
      // All of them are taken in their order: nothing is drawn.
      if !isAll { generator.shuffle(&rows) }
      let tokens = rows.prefix(samples ?? usualSamples).flatMap(\.tokens)
      guard !tokens.isEmpty else { throw CalibrationError(.tooShort, file: first, reason: "there is no row in it") }
      let unused = files.reduce(0) { $0 + $1.tokens.count } - tokens.count
      return try Calibration(TokenWindows(tokens, length: wanted), unused: unused, options: isAll ? "all" : options)
    }
    var passages: [Passage] = []
    var notes: [String] = []
    // A few short windows, too, come from several places.
    let window = length ?? defaultLength
    let limit = window < 1024 ? max(128, 2 * window) : 10_000
    for argument in arguments {
      let reading = try TextDocuments.forEach(argument, template: template) { document in
        passages += Self.passages(document, limit: limit)
        return true
      }
      notes += reading.notes
    }
    return try drawn(
      passages, tokenizer, vocabularySize, samples, length ?? defaultLength, &generator,
      file: arguments.count == 1 ? arguments[0] : nil, options: options, notes: notes)
  }

  /// Samples of the corpus that comes with the program: Chinese and English, prose, dialogues and code.
  ///
  /// - Parameters:
  ///   - tokenizer: the model's.
  ///   - vocabularySize: the model's.
  ///   - samples: how many windows; nil for as many as it fills, at most 128.
  ///   - length: the windows' length.
  ///   - seed: another seed draws other samples.
  package static func builtIn(
    tokenizer: () throws -> any Tokenizer, vocabularySize: Int, samples: Int?, length: Int, seed: UInt64
  ) throws -> Calibration {
    var generator = SeededGenerator(seed: seed)
    // Shorter passages than of a user's files: a few samples must have something of everything.
    return try drawn(
      documents(EmbeddedFiles.calibration).flatMap { passages(TextDocument(text: $0, isChat: false), limit: 1_500) },
      tokenizer, vocabularySize,
      samples, length, &generator,
      file: "the built-in corpus", options: "samples=\(samples ?? usualSamples);seed=\(seed);built-in")
  }

  /// The documents of built-in texts: of dialogues each is one.
  private static func documents(_ files: [(path: String, text: String)]) -> [String] {
    files.flatMap { path, text in
      path.hasPrefix("dialogues") ? text.split(separator: "\n\n\n").map(String.init) : [text]
    }
  }

  /// How many samples are drawn where nothing is said.
  private static let usualSamples = 128

  private static func drawn(
    _ passages: consuming [Passage], _ tokenizer: () throws -> any Tokenizer, _ vocabularySize: Int,
    _ samples: Int?, _ length: Int, _ generator: inout SeededGenerator, file: String?, options: String,
    notes: [String] = []
  ) throws -> Calibration {
    generator.shuffle(&passages)
    let most = samples ?? usualSamples
    let tokenizer = try tokenizer()
    var tokens: [Int32] = []
    for passage in passages where tokens.count < most * length {
      tokens +=
        passage.isChat
        ? try tokenizer.encodeChat(passage.text)
        : passage.isBeginning ? try tokenizer.encodeDocument(passage.text) : try tokenizer.encode(passage.text)
    }
    try check(tokens, vocabularySize, file ?? "")
    let count = samples ?? min(most, tokens.count / length)
    guard count > 0, tokens.count >= count * length else {
      let fitting = tokens.count / length
      throw CalibrationError(
        .tooShort, file: file,
        reason: "the texts have \(tokens.count) tokens, and "
          + (count == 0 ? "not one sample of \(length)" : "\(count) samples of \(length) need \(count * length)"),
        remedy: fitting > 0
          ? "give more text, or fewer or shorter samples: \(fitting) of \(length) would do"
          : "give more text" + (tokens.count < 16 ? "" : ", or shorter samples: \(.sequenceLength(tokens.count / 8))"))
    }
    return try Calibration(
      TokenWindows(Array(tokens[..<(count * length)]), length: length), unused: tokens.count - count * length,
      options: options, notes: notes)
  }

  /// A part of a document.
  private struct Passage {
    let text: String
    let isBeginning: Bool
    /// Whether a chat template wrote it.
    let isChat: Bool
  }

  /// Cuts a document at line ends into parts of about a size.
  private static func passages(_ whole: TextDocument, limit: Int) -> [Passage] {
    let (document, isChat) = (whole.text, whole.isChat)
    guard document.utf8.count > 2 * limit else { return [Passage(text: document, isBeginning: true, isChat: isChat)] }
    var passages: [Passage] = []
    var start = document.startIndex
    var size = 0
    var at = start
    let text = document.utf8
    while at < text.endIndex {
      let byte = text[at]
      text.formIndex(after: &at)
      size += 1
      // A text without line ends is cut at a space, or in the end between any two characters: Chinese has no spaces.
      let isBetween = at == text.endIndex || text[at] & 0xC0 != 0x80
      let isEnd = byte == 0x0A || size > 2 * limit && byte == 0x20 || size > 4 * limit && isBetween
      if size >= limit, isEnd {
        passages.append(
          Passage(text: String(document[start..<at]), isBeginning: start == document.startIndex, isChat: isChat))
        (start, size) = (at, 0)
      }
    }
    if start < document.endIndex {
      passages.append(
        Passage(text: String(document[start...]), isBeginning: start == document.startIndex, isChat: isChat))
    }
    return passages
  }

  /// Rows of another length.
  private static func cut(_ rows: TokenWindows, _ length: Int, _ argument: String) throws -> TokenWindows {
    guard length <= rows.length else {
      throw CalibrationError(
        .tooShort, file: argument, reason: "its rows have \(rows.length) tokens, and \(length) are wanted",
        remedy: "leave the length out, or give at most \(rows.length)")
    }
    if length == rows.length { return rows }
    let parts = rows.length / length * length
    return TokenWindows(
      (0..<rows.count).flatMap { rows.tokens[$0 * rows.length..<$0 * rows.length + parts] }, length: length)
  }

  private static func check(_ tokens: [Int32], _ vocabularySize: Int, _ argument: String) throws {
    if let token = tokens.first(where: { $0 < 0 || $0 >= vocabularySize }) {
      throw CalibrationError(
        .badToken, file: argument,
        reason: "the tokenizer gives token \(token), and the model's vocabulary has \(vocabularySize)",
        remedy: "the tokenizer is another model's, or has tokens that the embedding was not extended for")
    }
  }
}
