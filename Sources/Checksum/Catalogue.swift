// What a person is told of repositories of weights, besides digests: form, licence, limits, and what they were made of. It
// is read where somebody asks for it; decrypting and verifying need the registry alone.

import ByteIO
import Foundation

/// How the weights of a repository are published.
public enum RepositoryForm: String, Sendable, Decodable, CaseIterable {
  /// Encrypted, with an original as the key.
  case encrypted = "enc"
  /// As they are.
  case plain
  /// As changes to a model that lies elsewhere.
  case adapter
  /// In a form that one program alone reads.
  case closed = "private"
}

/// A repository of weights.
public struct KnownRepository: Sendable, Equatable {
  /// Its name, or what people call it.
  public let name: String
  /// Whose it is on Hugging Face; nil where it lies elsewhere.
  public let owner: String?
  /// The project that made it.
  public let project: String
  /// How its weights are published.
  public let form: RepositoryForm
  /// The licence as its card says it, or that it is not known.
  public let licence: String
  /// What its use is limited to, and who says so.
  public let limits: [String]
  /// Where it was published.
  public let page: String
  /// What it was made of; of an adapter, what it is merged with.
  public let base: String?
  /// The adapter that is merged before this one.
  public let after: String?
  /// Its files of integers, where it has no others of weights.
  public let packed: [String]
  /// The form of a conversation with it: `belle` or `belle2`.
  public let chat: String?
  /// Whether its publisher took it back.
  public let isWithdrawn: Bool
  /// The repository to take in its place.
  public let instead: String?
  /// Whether this program can run it, once it is plain.
  public let runs: Bool
  /// What a user should know besides.
  public let note: String?
}

/// The known repositories.
public struct Catalogue: Sendable {
  /// The repositories, in the order of `checksums/repositories.json`.
  public let repositories: [KnownRepository]

  /// What was compiled in. A test parses it; a mistake in it is ours.
  public static let builtIn: Catalogue = {
    do {
      return try Catalogue(text: ChecksumFolder.texts["repositories.json"] ?? "")
    } catch {
      preconditionFailure("checksums/repositories.json does not parse: \(error)")
    }
  }()

  /// Reads a catalogue.
  ///
  /// - Throws: `DecodingError`.
  public init(text: String) throws {
    let index = try JSONDecoder().decode(CatalogueIndex.self, from: Data(text.utf8))
    var repositories: [KnownRepository] = []
    for entry in index.repositories {
      var limits: [String] = []
      for name in entry.limits {
        guard let limit = index.limits[name] else {
          throw DecodingError.dataCorrupted(
            DecodingError.Context(codingPath: [], debugDescription: "\(entry.name): no limit is called \(name)"))
        }
        limits.append(limit)
      }
      repositories.append(
        KnownRepository(
          name: entry.name, owner: entry.owner, project: entry.project, form: entry.form, licence: entry.licence,
          limits: limits, page: entry.page, base: entry.base, after: entry.after, packed: entry.packed ?? [],
          chat: entry.chat, isWithdrawn: entry.withdrawn ?? false, instead: entry.instead, runs: entry.runs ?? true,
          note: entry.note))
    }
    self.repositories = repositories
  }

  /// The repository of a name, in any case, with or without the owner (`BelleGroup/…`), or nil.
  public func repository(named name: String) -> KnownRepository? {
    let wanted = ChecksumFolder.folded(name)
    return repositories.first { ChecksumFolder.folded($0.name) == wanted }
  }
}

// MARK: checksums/repositories.json

private struct CatalogueIndex: Decodable {
  struct Entry: Decodable {
    let name: String
    let owner: String?
    let project: String
    let form: RepositoryForm
    let licence: String
    let limits: [String]
    let page: String
    let base: String?
    let after: String?
    let packed: [String]?
    let chat: String?
    let withdrawn: Bool?
    let instead: String?
    let runs: Bool?
    let note: String?
  }
  let limits: [String: String]
  let repositories: [Entry]
}
