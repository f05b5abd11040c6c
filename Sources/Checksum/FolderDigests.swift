// The digests of files and folders, for a list that others verify by.

import ByteIO

/// Computes the digests of some files.
package struct FolderDigests: Sendable {
  /// One file.
  package struct Item: Sendable {
    /// Its path as a list has it: below the folder where that alone is given, otherwise as it was given.
    package let name: String
    /// Where it is.
    package let path: String
    /// Its size in bytes.
    package let size: Int
  }

  /// What was found of one file.
  package struct Found: Sendable {
    /// The file.
    package let item: Item
    /// Its digests; none where it could not be read.
    package let digests: [DigestAlgorithm: Digest]
    /// Why not.
    package let error: (any ToolError)?
  }

  /// The files, by their names.
  package let items: [Item]
  /// What is left out of the folders: hidden files and folders, what downloaders and version control keep there, and this
  /// program's lists.
  package let ignored: [String]

  /// Finds the files.
  ///
  /// - Parameter paths: files, and folders, whose files are taken with those of the folders in them.
  /// - Throws: ``ByteIOError`` for what is not there or cannot be listed.
  package init(_ paths: [String]) throws {
    var (items, ignored): ([Item], [String]) = ([], [])
    for path in paths {
      guard Folder.kind(of: path) == .folder else {
        items.append(Item(name: path, path: path, size: try InputFile(path).size))
        continue
      }
      let tree = try Folder.tree(of: path)
      for name in tree.files {
        // The lists that this program leaves are of the files beside them.
        if name.split(separator: "/").contains(where: { $0.hasPrefix(".") }) || PublishedLists.isOwn(name) {
          ignored.append(name)
          continue
        }
        let full = Folder.join(path, name)
        items.append(Item(name: paths.count == 1 ? name : full, path: full, size: try InputFile(full).size))
      }
    }
    self.items = items
    self.ignored = ignored
  }

  /// The bytes that will be read.
  package var size: Int { items.reduce(0) { $0 + $1.size } }

  /// Computes the digests. Results come in the order of the files, whatever the number of jobs.
  ///
  /// - Parameters:
  ///   - algorithms: which, in one pass.
  ///   - jobs: files at once.
  ///   - progress: told of the bytes, from several threads.
  ///   - receive: told of each file.
  package func run(
    _ algorithms: Set<DigestAlgorithm>, jobs: Int, progress: @escaping ProgressHandler, receive: (Found) -> Void
  ) {
    let stream = ChunkStream(sharedBy: min(jobs, max(1, items.count)))
    var ready: [Int: Found] = [:]
    var next = 0
    forEachConcurrently(Array(items.enumerated()), jobs: jobs) { element, _ in
      let item = element.element
      progress(.started(file: item.name, bytes: item.size))
      defer { progress(.finished(file: item.name)) }
      do {
        let file = try InputFile(item.path)
        var record = InputRecord()
        record.add(file)
        let digests = try FileDigest.compute(
          algorithms, of: file, stream: stream, progress: { progress(.advanced(file: item.name, bytes: $0)) })
        try record.checkUnchanged(toleratesRemoval: true)
        return (element.offset, Found(item: item, digests: digests, error: nil))
      } catch {
        let error = error as? any ToolError ?? ByteIOError(.system(EIO), file: item.path, reason: "\(error)")
        return (element.offset, Found(item: item, digests: [:], error: error))
      }
    } receive: { index, found in
      ready[index] = found
      while let found = ready.removeValue(forKey: next) {
        receive(found)
        next += 1
      }
      return true
    }
  }
}
