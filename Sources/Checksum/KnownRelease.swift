// What is known of one published release, of one of its files, and of the originals that serve as keys.

import ByteIO

/// A file of a release or of an original, with what is known of it.
public struct KnownFile: Sendable, Equatable {
  /// The name of the plain file.
  public let name: String
  /// Digests of the plain file.
  public internal(set) var plain: [DigestAlgorithm: Digest] = [:]
  /// Digests of the encrypted file.
  public internal(set) var encrypted: [DigestAlgorithm: Digest] = [:]
  /// The name of the encrypted file, where the digest in it is known.
  public internal(set) var encryptedName: String?
  /// The exact size of the plain file in bytes.
  public internal(set) var plainSize: Int?
  /// The exact size of the encrypted file in bytes.
  public internal(set) var encryptedSize: Int?
  /// The size of the file in bytes as a page rounded it; of the encrypted one, where it is published so.
  public internal(set) var approximateSize: Int?
  /// The digests that were computed and proven, but not seen published for this release.
  public internal(set) var derived: Set<Digest> = []
}

extension KnownFile {
  /// The size of one of its forms, as far as it is known.
  ///
  /// - Parameter isEncrypted: of the encrypted file, or of the plain one.
  public func size(encrypted isEncrypted: Bool) -> KnownSize? {
    if let exact = isEncrypted ? encryptedSize : plainSize { return .exactly(exact) }
    // The header is far below what a page rounds to.
    return approximateSize.map { .about($0) }
  }
}

/// A size that a file should have.
public enum KnownSize: Sendable, Equatable {
  /// In bytes.
  case exactly(Int)
  /// In bytes, as a page rounded it to three digits.
  case about(Int)

  /// What is wrong with a size, and whether it is too small; nil where nothing is.
  ///
  /// - Parameters:
  ///   - size: that a file has.
  ///   - owner: the release whose size this is.
  public func fault(of size: Int, in owner: String) -> (reason: String, isShort: Bool)? {
    switch self {
    case .exactly(let exact) where size < exact:
      ("\(size) bytes: \(exact - size) of the \(exact) that it has in \(owner) are missing", true)
    case .exactly(let exact) where size > exact:
      ("\(size) bytes: \(size - exact) more than the \(exact) that it has in \(owner)", false)
    // Two percent are far beyond what is rounded.
    case .about(let about) where size < about - about / 50:
      (
        "\(size) bytes: about \(byteCount(about - size)) of the \(byteCount(about)) that it has in \(owner) are missing",
        true
      )
    case .exactly, .about: nil
    }
  }
}

/// A published release of encrypted weights.
public struct KnownRelease: Sendable, Equatable {
  /// The name of its repository.
  public let name: String
  /// The original whose `consolidated.00.pth` is the key: the name of a ``KnownOriginal``.
  public let key: String
  /// How it is known that this is the key.
  public let keyEvidence: String
  /// Whether the encrypted files begin with the digest of the plain file.
  public let hasHeader: Bool
  /// What a user should know besides.
  public let note: String?
  /// Where it was published.
  public let page: String
  /// Its files, sorted by name.
  public let files: [KnownFile]

  /// The file with a name, or nil.
  public func file(_ name: String) -> KnownFile? { files.first { $0.name == name } }

  /// The list of one form of its files: what is there to be verified.
  ///
  /// - Parameter isEncrypted: the encrypted files, or the plain ones.
  public func manifest(encrypted isEncrypted: Bool) -> Manifest {
    var manifest = Manifest()
    for file in files {
      guard let name = isEncrypted ? file.encryptedName : file.name else { continue }
      for digest in (isEncrypted ? file.encrypted : file.plain).values { _ = manifest.insert(digest, for: name) }
    }
    return manifest
  }
}

/// A model or an adapter that was published as it is: there is nothing to decrypt.
public struct KnownModel: Sendable, Equatable {
  /// The name of its repository, or what people call it.
  public let name: String
  /// Its files, sorted by name.
  public let files: [KnownFile]
}

/// One of the models that Meta published: its `consolidated.00.pth` may be a key.
public struct KnownOriginal: Sendable, Equatable {
  /// What people call it: `LLaMA-1 7B`.
  public let name: String
  /// Its files, sorted by name.
  public let files: [KnownFile]
  /// The proven first bytes of its `consolidated.00.pth`; empty where none are known.
  public let head: [UInt8]
  /// What else begins so.
  public let headNote: String?

  /// The name of the file that serves as a key.
  public static let keyFileName = "consolidated.00.pth"

  /// What is known of the key file.
  public var keyFile: KnownFile? { files.first { $0.name == Self.keyFileName } }
}
