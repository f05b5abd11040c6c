// The files: all that an index names, whole, each tensor in one of them.

import ByteIO
import Checkpoint
import Foundation

extension Doctor {
  private struct Index: Decodable {
    struct Metadata: Decodable {
      // Written as a number, as a number with a fraction, or not at all.
      var total_size: Double?
    }

    var weight_map: [String: String]
    var metadata: Metadata?
  }

  /// Opens the tensors; nil where they cannot be opened, which is a finding then.
  func openTensors() -> (any TensorSource)? {
    if Folder.kind(of: path) == .folder {
      for name in ShardedFolder.indexNames where Folder.kind(of: Folder.join(path, name)) == .file {
        guard examineIndex(Folder.join(path, name)) else { return nil }
      }
    }
    do { return try Model.open(path, skipping: skipped).stored } catch {
      add(error, Self.code(of: error), path)
      return nil
    }
  }

  /// Says what of an adapter there is.
  func examineAdapter(_ source: any TensorSource) {
    guard let adapter = AdapterPresence(in: source, at: path) else { return }
    facts.adapter = adapter.kind
    let code: Finding.Code =
      switch adapter.kind {
      case .unmerged: .unmergedAdapter
      case .alone: .adapterAlone
      case .empty: .emptyAdapter
      case .beside: .adapterBeside
      }
    add(adapter.kind == .beside ? .warning : .error, code, adapter.file, adapter.reason, adapter.remedy)
  }

  private static func code(of error: any Error) -> Finding.Code {
    guard let error = error as? CheckpointError else { return .unreadableFile }
    switch error.code {
    case .notDownloaded: return .notDownloaded
    case .truncated: return .truncatedFile
    case .badIndex: return .badIndex
    default: return .unreadableFile
    }
  }

  /// Holds an index against its files.
  ///
  /// - Returns: whether the model can be opened all the same.
  private func examineIndex(_ index: String) -> Bool {
    let contents: Index
    do {
      let file = try InputFile(index)
      guard file.size <= 256 << 20 else {
        add(.error, .badIndex, index, "\(file.size) bytes are too many for an index")
        return false
      }
      contents = try decodeBoundedJSON(Index.self, from: try file.bytes(count: file.size))
    } catch let error as ByteIOError {
      add(error, .badIndex, index)
      return false
    } catch {
      add(.error, .badIndex, index, "it has no weight_map of names", "download it again")
      return false
    }
    var isWhole = true
    var wanted: [String: Set<String>] = [:]
    for (tensor, file) in contents.weight_map { wanted[file, default: []].insert(tensor) }
    /// The files that hold a tensor.
    var holders: [String: [String]] = [:]
    var total = 0
    for file in wanted.keys.sorted() {
      let place = Folder.join(path, file)
      guard !file.contains("/"), !file.contains("\\"), file != ".." else {
        add(.error, .badIndex, index, "it names \(displayName(file)), outside its folder", "treat it as hostile")
        isWhole = false
        continue
      }
      guard Folder.kind(of: place) == .file else {
        let substitute = DownloadedFolder.substitute(for: file, in: path)
        add(
          .error, .missingFile, place,
          "the index names it, and it is not there" + (substitute.map { ": \($0.reason)" } ?? ""),
          substitute?.remedy ?? "download it")
        isWhole = false
        continue
      }
      do {
        let shard = try Checkpoint.open(file: place, skipping: skipped.map { _ in SkippedNames() })
        for info in shard.tensors {
          holders[info.name, default: []].append(file)
          total += info.byteCount
        }
      } catch {
        add(error, Self.code(of: error), place)
        isWhole = false
      }
    }
    guard isWhole else { return false }
    for (tensor, file) in contents.weight_map.sorted(by: { $0.key < $1.key }) {
      if !(holders[tensor] ?? []).contains(file) {
        add(
          .error, .missingTensor, displayName(tensor),
          "the index places it in \(displayName(file)), which does not hold it",
          "the files are of different versions: download them again")
        isWhole = false
      }
    }
    for (tensor, files) in holders.sorted(by: { $0.key < $1.key }) {
      if files.count > 1 {
        add(
          .error, .duplicateTensor, displayName(tensor),
          "it is in \(files.count) files: \(files.map(displayName).joined(separator: ", "))",
          "which one counts depends on the engine: leave it in the one that the index names")
        isWhole = false
      } else if contents.weight_map[tensor] == nil {
        add(
          .warning, .unindexedTensor, displayName(tensor),
          "\(displayName(files[0])) holds it, and the index does not name it",
          "the index is of another version")
        isWhole = false
      }
    }
    if let stated = contents.metadata?.total_size, isWhole, Int(exactly: stated) != total {
      add(
        .warning, .badIndex, index, "it says that the tensors have \(Int(stated)) bytes, and they have \(total)",
        "the index is of another version, or the files are")
    }
    return isWhole
  }

  /// Looks for values that are no finite numbers, in tensors that are stored as numbers, and in scales.
  func examineValues(_ source: any TensorSource, _ progress: @escaping @Sendable (Int, Int) -> Void) {
    let wanted = source.tensors.indices.filter { index in
      let info = source.tensors[index]
      // Packed scales were looked at with their module.
      return [.f16, .bf16, .f32, .f64].contains(info.dtype) && !info.name.hasSuffix(".scales")
    }
    let total = wanted.reduce(0) { $0 + source.tensors[$1].byteCount }
    var done = 0
    do {
      try forEachInOrder(wanted, jobs: threads) { index in
        (index, try TensorStatistics.nonFinite(of: source, index))
      } receive: { index, counts in
        done += source.tensors[index].byteCount
        progress(done, total)
        guard counts.nans + counts.infinities > 0 else { return }
        let what = [
          counts.nans > 0 ? "\(counts.nans) NaN" : nil, counts.infinities > 0 ? "\(counts.infinities) infinite" : nil,
        ].compactMap { $0 }.joined(separator: " and ")
        add(
          .error, .notFinite, displayName(source.tensors[index].name), "it has \(what) values",
          "the model's output will be NaN: download it again, or go back to a checkpoint before the training broke")
      }
    } catch { add(error, .unreadableFile, path) }
  }
}
