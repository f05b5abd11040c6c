// What decrypting a release will do, worked out and checked before the first byte is written: which files, under which
// names, held against which digests, with which key. What can be known in the first second fails in the first second.

import ByteIO
import Checksum

/// What decrypting a file or folder will do.
package struct DecryptPlan: Sendable {
  /// The files, small ones first, then the largest first.
  package internal(set) var items: [DecryptItem]
  /// Names in the folder that are no encrypted files, and are left alone.
  package internal(set) var ignored: [String] = []
  /// The known releases that the files belong to: one, where it is sure.
  package internal(set) var releases: [KnownRelease] = []
  /// What the user should know, and what does not stop the work.
  package internal(set) var warnings: [String] = []
  /// What is worth knowing: second copies, which are not used.
  package private(set) var notes: [String] = []
  /// Files that the release or the manifest has, and that are neither among the inputs nor in the output folder.
  package internal(set) var absent: [String] = []
  /// Whether a folder is decrypted, and not one file.
  let isFolder: Bool
  /// The key.
  package let key: KeyFile
  /// What is known of it.
  let keyAdvice: KeyAdvice
  /// What no output may replace: the encrypted files, the key and the manifest.
  package internal(set) var inputs = InputRecord()
  /// Where the plain files go.
  package let outputFolder: String
  /// How.
  package let options: DecryptOptions

  /// Works a plan out.
  ///
  /// - Parameters:
  ///   - input: an `.enc` file, or a folder that holds some.
  ///   - keyPath: the base model's `consolidated.00.pth`, or what `openKey` makes it of.
  ///   - outputFolder: made when the work begins.
  ///   - openKey: opens the key.
  /// - Throws: ``XorDecryptError``, ``ByteIOError`` or ``ChecksumError``, and what `openKey` throws, for what makes the whole work pointless; what
  ///   is wrong with one file is its item's problem.
  package init(
    input: String, key keyPath: String, outputFolder: String, options: DecryptOptions,
    registry: Registry = .builtIn, openKey: (String) throws -> KeyFile = KeyFile.init(_:),
    progress: @escaping ProgressHandler = { _ in }
  ) throws {
    let found = try EncryptedInput(input, keyPath: keyPath, options: options, registry: registry)
    key = try openKey(keyPath)
    isFolder = found.isFolder
    try Self.checkOutputFolder(outputFolder)

    releases = registry.releases(
      ofEncrypted: found.paths.map { path in
        let name = Folder.name(of: path)
        guard (try? EncryptedName(name)) == nil else { return name }
        return (try? RecoveredName(of: path, options: options, registry: registry).provenName())?.fileName ?? name
      })
    let release = releases.count == 1 ? releases[0] : nil
    var items = found.paths.map {
      DecryptItem(inspecting: $0, release: release, options: options, registry: registry)
    }
    (items, notes) = Self.withoutCopies(items)
    notes += found.copies.map { path, first in
      "\(displayName(Folder.name(of: path))) has the name of a second copy of "
        + "\(displayName(Folder.name(of: first))), and is not used"
    }
    items += found.faulty.map { DecryptItem($0.path, plainName: $0.plainName, problem: $0.problem) }
    if let converter = options.converter {
      for index in items.indices where converter.takesPart(items[index].outputName) { items[index].isConverted = true }
    }
    for file in key.files { inputs.add(file) }
    // What a key is made of is more than its values' files: the model's configuration, its index.
    if key.isMade { inputs.add(.opened) }
    inputs.add(InputRecord(items.map(\.input) + (options.manifestName.map { [$0] } ?? [])))
    Self.checkOutputs(&items, inputs, outputFolder, options)
    items.sort { a, b in
      if a.isSmall != b.isSmall { return a.isSmall }
      return a.isSmall ? a.plainSize < b.plainSize : a.plainSize > b.plainSize
    }

    keyAdvice = try KeyAdvice(
      on: key, for: items, of: releases, checksDigest: options.checksKeyDigest, registry: registry, progress: progress)
    warnings = keyAdvice.warnings
    for item in items {
      if let note = item.nameNote { warnings.append("\(displayName(item.input)): \(note)") }
    }
    (self.items, self.outputFolder, self.options, ignored) = (items, outputFolder, options, found.ignored)
    try checkSpace()
    noteAbsentFiles(isFolder: found.isFolder)
  }

  /// The original that the key was recognized as.
  package var keyOriginal: KnownOriginal? { keyAdvice.original }

  /// What is known of the key, in words.
  package var keyClaim: String? { keyAdvice.claim(on: key) }

  /// The names of the originals that the release wants; none where that is unknown.
  package var wantedKeys: [String] { keyAdvice.wanted }

  /// The bytes of all plain files.
  package var plainSize: Int { items.reduce(0) { $0 + $1.plainSize } }

  private mutating func noteAbsentFiles(isFolder: Bool) {
    guard isFolder else { return }
    let there = Folder.kind(of: outputFolder) == .folder ? (try? Folder.entries(of: outputFolder)) ?? [] : []
    let present = Set(items.map(\.outputName) + ignored + there.map(\.name))
    if let manifest = options.manifest {
      let listed = manifest.entries.map(\.path)
      // A publisher's list may hold both forms.
      absent = listed.filter { !present.contains($0) && !$0.hasSuffix(EncryptedName.suffix) }
      if !items.contains(where: { !manifest.digests(for: $0.outputName).isEmpty }) {
        let isEncrypted = listed.contains { $0.hasSuffix(EncryptedName.suffix) }
        warnings.append(
          "\(displayName(options.manifestName ?? "the manifest")) lists none of these files"
            + (isEncrypted ? "; it lists .enc files, not what they decrypt to" : ""))
        absent = []
      }
    } else if releases.count == 1 {
      absent = releases[0].files.map(\.name).filter { !present.contains($0) }
    }
  }

  /// Who says that the ``absent`` files belong to the release.
  package var lister: String {
    options.manifest != nil
      ? displayName(options.manifestName ?? "the manifest") : releases.first?.name ?? "the release"
  }
}
