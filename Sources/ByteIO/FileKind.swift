// What people put where another file is wanted: told from a file's first bytes.
// Sources: git-lfs/docs/spec.md; RFC 1952; the magic numbers of PDF (ISO 32000), Parquet and Arrow (apache/parquet-format,
// apache/arrow), SQLite, HDF5, and of the compressors; llama.cpp's containers before GGUF; BELLE issue #200 (ChatBELLE).

/// What a file is, as far as its first bytes tell.
public enum FileKind: Sendable, Equatable {
  /// Nothing at all.
  case empty
  /// A Git LFS pointer: a few lines of text that stand for a file that was not downloaded.
  /// Specification: git-lfs/docs/spec.md.
  case gitLFSPointer(sha256: String?, size: Int?)
  /// A web page: an error or login page that was saved in place of the file.
  case webPage
  /// A zip archive; PyTorch has written these since 1.6.
  case zip
  /// Whatever a program has compressed: its name, and the command that undoes it.
  case compressed(String, command: String)
  /// A document or table of another program: `a PDF document`.
  case document(String)
  /// Several files in one, which is no zip: `a tar archive`.
  case archive(String, command: String)
  /// Weights or tokens: `a GGUF file`.
  case weights(String)
  /// One of llama.cpp's containers before GGUF: ggml, ggmf, ggjt, or ggla for adapters.
  case legacyGGML(String)
  /// ChatBELLE's `belle-model.bin`.
  case chatBELLE
  /// It begins with zeros, which no format here does.
  case zeros
  /// Anything else.
  case other

  /// How many bytes from the beginning are enough.
  public static let headSize = 1024

  /// Tells a kind from the first bytes.
  ///
  /// - Parameters:
  ///   - head: the first ``headSize`` bytes, or the whole of a smaller file.
  ///   - size: the file's size in bytes.
  public init(head: [UInt8], size: Int) {
    if size == 0 {
      self = .empty
    } else if head.starts(with: Array("PK\u{3}\u{4}".utf8)) {
      self = Self.officeDocument(head).map { .document($0) } ?? .zip
    } else if head.starts(with: Array("version https://git-lfs.github.com/spec/".utf8)), size <= Self.headSize {
      let lines = String(decoding: head, as: UTF8.self).split(whereSeparator: \.isNewline)
      let value = { (key: String) in lines.first { $0.hasPrefix(key) }.map { String($0.dropFirst(key.count)) } }
      self = .gitLFSPointer(sha256: value("oid sha256:"), size: value("size ").flatMap { Int($0) })
    } else if Self.isSafetensors(head) {
      self = .other
    } else if let kind = Self.magics.first(where: { head.starts(with: $0.bytes) })?.kind {
      self = kind
    } else if Self.isGzip(head) {
      self = .compressed("gzip", command: "gzip -d")
    } else if head.contains(0),
      let kind = Self.deepMagics.first(where: { head.dropFirst($0.at).starts(with: $0.bytes) })?.kind
    {
      self = kind
    } else if Self.isArrowStream(head) {
      self = .document("an Arrow stream")
    } else {
      self = Self.isWebPage(head) ? .webPage : .other
    }
  }

  /// The length of a safetensors header, which may be any bytes, before its bracket.
  private static func isSafetensors(_ head: [UInt8]) -> Bool {
    head.count > 8 && head[8] == UInt8(ascii: "{") && head[4..<8].allSatisfy { $0 == 0 }
      && head[..<4].contains { $0 != 0 }
  }

  /// A page begins as HTML does, be it behind a comment or XML's first line.
  private static func isWebPage(_ head: [UInt8]) -> Bool {
    let text = String(decoding: head.drop { [0xEF, 0xBB, 0xBF, 0x20, 0x09, 0x0A, 0x0D].contains($0) }, as: UTF8.self)
      .lowercased()
    if ["<!doctype html", "<html"].contains(where: text.hasPrefix) { return true }
    return ["<!--", "<?xml"].contains(where: text.hasPrefix)
      && ["<!doctype html", "<html"].contains(where: { text.contains($0) })
  }

  /// Arrow's stream: a mark, the length of a message's metadata, and the offset of a table in it. Hugging Face's datasets
  /// keep their tables so. Source: the Arrow columnar format, "Encapsulated message format".
  private static func isArrowStream(_ head: [UInt8]) -> Bool {
    guard head.count >= 12, head.starts(with: [0xFF, 0xFF, 0xFF, 0xFF]) else { return false }
    let word = { (at: Int) in head[at..<at + 4].reversed().reduce(0) { $0 << 8 | Int($1) } }
    return word(4) > 0 && word(4) % 8 == 0 && word(8) < 64 && word(8) % 2 == 0 && word(8) > 0
  }

  /// The kind of a file.
  public init(of file: InputFile) throws(ByteIOError) {
    self.init(head: try file.bytes(count: Self.headSize), size: file.size)
  }

  /// What is wrong with such a file in place of any other, and what to do: it was not downloaded. Nil where that is not so.
  public var complaint: (reason: String, remedy: Remedy)? {
    switch self {
    case .empty:
      return ("the file is empty", "the download failed; download it again")
    case .gitLFSPointer(_, let size):
      let missing = size.map { " of \($0) bytes" } ?? ""
      return (
        "this is a Git LFS pointer, a note that stands for a file\(missing) which was not downloaded",
        "run `git lfs install && git lfs pull` in the folder it was cloned to, or download the file itself"
      )
    case .webPage:
      return (
        "this is a web page, not a weight file",
        "an error or login page was saved in its place; download it again, signed in if the site asks for it"
      )
    case .zip, .compressed, .document, .archive, .weights, .legacyGGML, .chatBELLE, .zeros, .other:
      return nil
    }
  }

  /// What such a file is, where its first bytes name it, and what to do with it; nil for zips and what is not known.
  ///
  /// - Parameter isWeights: whether weights are wanted, and not a text.
  public func naming(isWeights: Bool) -> (reason: String, remedy: Remedy?)? {
    switch self {
    case .webPage where !isWeights:
      return (
        "this is a web page (HTML), not a text",
        "where an error or login page was saved in its place, download it again; otherwise save what the page says as plain "
          + "text"
      )
    case .empty, .gitLFSPointer, .webPage: return complaint
    case .compressed(let name, let command):
      return ("this is a file that \(name) has compressed", "decompress it first: \(command)")
    case .document(let name):
      return (
        "this is \(name)",
        isWeights ? "give the weights" : "save what is in it as plain text or as JSON Lines, and give that"
      )
    case .archive(let name, let command):
      // A tar is a checkpoint, too: torch wrote such before its zips.
      return isWeights ? nil : ("this is \(name)", "unpack it first: \(command)")
    case .weights(let name):
      return isWeights ? nil : ("this is \(name)", "give a file of text")
    case .legacyGGML(let name):
      return (
        "this is a \(name) file, one of llama.cpp's containers from before GGUF",
        isWeights && name == "ggla" ? "it is an adapter: \(.merging) takes it" : nil
      )
    case .chatBELLE:
      return (
        "this is a model of ChatBELLE, in a private format that only that app reads (llama.cpp does not)",
        isWeights
          ? "it was made from BELLE-LLaMA-7B-2M, it seems: \(.decrypting) and \(.quantizing) with \(.format("gguf")) make "
            + "of that release what llama.cpp reads" : nil
      )
    case .zeros:
      guard isWeights else { return nil }
      return (
        "it begins with zeros: either it is the XOR of two files of one name, as OpenAssistant and Pygmalion published "
          + "(xor_codec.py), or a download that set its space aside and did not finish",
        "an XOR is undone with its project's own program and the base model in the form that it names; otherwise download it "
          + "again"
      )
    case .zip, .other: return nil
    }
  }

  private static let magics: [(bytes: [UInt8], kind: FileKind)] = [
    ([0, 0, 0, 0, 0, 0, 0, 0], .zeros), ([0x9A, 0x93, 0x9A, 0x9D, 0xDB, 0x84, 0x76, 0xE6], .chatBELLE),
    (Array("lmgg".utf8), .legacyGGML("ggml")), (Array("fmgg".utf8), .legacyGGML("ggmf")),
    (Array("tjgg".utf8), .legacyGGML("ggjt")), (Array("algg".utf8), .legacyGGML("ggla")),
    ([0x28, 0xB5, 0x2F, 0xFD], .compressed("zstd", command: "zstd -d")),
    ([0xFD] + Array("7zXZ\0".utf8), .compressed("xz", command: "xz -d")),
    (Array("BZh91AY&SY".utf8), .compressed("bzip2", command: "bzip2 -d")),
    ([0x04, 0x22, 0x4D, 0x18], .compressed("lz4", command: "lz4 -d")),
    (Array("7z".utf8) + [0xBC, 0xAF, 0x27, 0x1C], .compressed("7-Zip", command: "7z x")),
    (Array("Rar!".utf8) + [0x1A, 0x07], .compressed("RAR", command: "unrar x")),
    (Array("%PDF-".utf8), .document("a PDF document")), (Array("PAR1".utf8), .document("a Parquet table")),
    (Array("ARROW1".utf8), .document("an Arrow table")),
    (Array("FEA1\0\0".utf8), .document("a Feather table")),
    (Array("Obj\u{1}".utf8), .document("an Avro table")),
    (Array("SQLite format 3\0".utf8), .document("an SQLite database")),
    ([0x89] + Array("HDF\r\n\u{1A}\n".utf8), .document("an HDF5 file")),
    ([0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1], .document("a Word or Excel document of before 2007")),
    (Array("{\\rtf".utf8), .document("an RTF document")), ([0x89] + Array("PNG\r\n".utf8), .document("a PNG picture")),
    ([0xFF, 0xD8, 0xFF], .document("a JPEG picture")), (Array("GIF87a".utf8), .document("a GIF picture")),
    (Array("GIF89a".utf8), .document("a GIF picture")), (Array("OggS\0".utf8), .document("an Ogg recording")),
    (Array("fLaC\0".utf8), .document("a FLAC recording")), (Array("ID3".utf8) + [3, 0], .document("an MP3 recording")),
    (Array("ID3".utf8) + [4, 0], .document("an MP3 recording")),
    ([0x1A, 0x45, 0xDF, 0xA3], .document("a Matroska video")), ([0x7F] + Array("ELF".utf8), .document("a program")),
    ([0xFF, 0x06, 0, 0] + Array("sNaPpY".utf8), .compressed("Snappy", command: "snzip -d")),
    (Array("LZIP\u{1}".utf8), .compressed("lzip", command: "lzip -d")),
    ([0x1F, 0x9D, 0x90], .compressed("compress", command: "uncompress")),
    (Array("GGUF".utf8), .weights("a GGUF file, a model of llama.cpp's")),
    ([0x93] + Array("NUMPY".utf8), .weights("an array of NumPy's")),
    ([0x80, 2], .weights("a pickle of Python's")), ([0x80, 3], .weights("a pickle of Python's")),
    ([0x80, 4, 0x95], .weights("a pickle of Python's")), ([0x80, 5, 0x95], .weights("a pickle of Python's")),
  ]

  /// Magics that stand further on, in files with zeros, which no text has.
  private static let deepMagics: [(at: Int, bytes: [UInt8], kind: FileKind)] = [
    (257, Array("ustar".utf8), .archive("a tar archive", command: "tar -xf")),
    (4, Array("ftyp".utf8), .document("an MP4 recording or video")),
    (8, Array("WAVEfmt ".utf8), .document("a WAV recording")), (8, Array("WEBPVP8".utf8), .document("a WebP picture")),
    (8, Array("DUCK".utf8), .document("a DuckDB database")),
    (16, [0xDE, 0xC0, 0xEF, 0xBE], .document("an LMDB database")),
  ]

  /// gzip's header. Its first bytes may also be the length of a safetensors header: that has a bracket where gzip has the
  /// level of compression.
  private static func isGzip(_ head: [UInt8]) -> Bool {
    head.count >= 18 && head.starts(with: [0x1F, 0x8B, 8]) && head[3] & 0xE0 == 0 && [0, 2, 4].contains(head[8])
  }

  /// A zip that an office program wrote, told by the name of its first members.
  private static func officeDocument(_ head: [UInt8]) -> String? {
    func isThere(_ text: String) -> Bool { head.firstRange(of: Array(text.utf8)) != nil }
    guard head.count > 30 else { return nil }
    let name = head[30...]
    if ["[Content_Types].xml", "_rels/.rels", "docProps/", "xl/", "word/", "ppt/"].contains(where: {
      name.starts(with: $0.utf8)
    }) {
      let programs = [("xl/", "an Excel"), ("word/", "a Word"), ("ppt/", "a PowerPoint")]
      return "\(programs.first { isThere($0.0) }?.1 ?? "an Office") document"
    }
    guard name.starts(with: "mimetypeapplication/".utf8) else { return nil }
    return isThere("epub") ? "an EPUB book" : "an OpenDocument file"
  }
}
