// What people put where a weight file is wanted: told from a file's first bytes.

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
      self = .zip
    } else if head.starts(with: Array("version https://git-lfs.github.com/spec/".utf8)), size <= Self.headSize {
      let lines = String(decoding: head, as: UTF8.self).split(whereSeparator: \.isNewline)
      let value = { (key: String) in lines.first { $0.hasPrefix(key) }.map { String($0.dropFirst(key.count)) } }
      self = .gitLFSPointer(sha256: value("oid sha256:"), size: value("size ").flatMap { Int($0) })
    } else {
      let text = String(decoding: head.drop { [0xEF, 0xBB, 0xBF, 0x20, 0x09, 0x0A, 0x0D].contains($0) }, as: UTF8.self)
      let start = text.prefix(14).lowercased()
      self = start.hasPrefix("<!doctype html") || start.hasPrefix("<html") ? .webPage : .other
    }
  }

  /// The kind of a file.
  public init(of file: InputFile) throws(ByteIOError) {
    self.init(head: try file.bytes(count: Self.headSize), size: file.size)
  }

  /// What is wrong with such a file in place of weights, and what to do; nil where nothing is known to be wrong.
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
    case .zip, .other:
      return nil
    }
  }
}
