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

  /// Opens the model; nil where it cannot be opened, which is a finding then.
  func openModel() -> Model? {
    if Folder.kind(of: path) == .folder, let difference = BaseDifference.found(in: path) {
      add(difference, .unreadableFile, path)
      return nil
    }
    examineNames()
    guard examineSets() else { return nil }
    do {
      let model = try Model.open(path, skipping: skipped, allowsFaults: true)
      if let part = model.part {
        add(
          .warning, .partOfModel, path, "this file is \(part): the others are not looked at",
          "give the folder, or the index, for the whole model")
      }
      return model
    } catch {
      addOpening(error, path)
      return nil
    }
  }

  /// Adds an error that kept a file from being opened.
  private func addOpening(_ error: any Error, _ place: String) {
    let code = Self.code(of: error)
    guard code == .unknownNames, let error = error as? CheckpointError else { return add(error, code, place) }
    add(
      .error, code, error.file ?? place,
      [error.place, error.reason].compactMap(\.self).joined(separator: ": ") + Self.refusedByTorch,
      error.remedy ?? "\(.skippingUnknown) reads the tensors without what such names make")
  }

  /// What torch makes of names that are not on its list.
  private static let refusedByTorch =
    "; torch.load(weights_only=True), by which engines load it, refuses such names too"

  /// Says which names of pickles were passed over, which torch does not do.
  func examineSkippedNames() {
    let names = skipped?.names ?? []
    guard let first = names.first else { return }
    add(
      .error, .unknownNames, path,
      "its pickle names what is not known: \(displayName("\(first.module).\(first.name)"))"
        + (names.count > 1 ? " and \(names.count - 1) more" : "") + Self.refusedByTorch,
      "\(.converting(.automatic)) with \(.skippingUnknown) writes the tensors alone")
  }

  /// Looks at what a download left in a folder: files that are not whole, and names by which programs do not find them.
  private func examineNames() {
    guard Folder.kind(of: path) == .folder, let faults = attempt({ try FolderFault.found(in: path) }) else {
      return
    }
    let read = attempt { try WeightSets(path).read() }
    for fault in faults {
      let remark = read.flatMap { fault.remark(beside: $0) }
      let isRead = read?.entry == Folder.name(of: fault.path) && !fault.isUnfinished
      if isRead { facts.hasMisnamedWeights = true }
      add(
        remark == nil || isRead ? .error : .warning, fault.isUnfinished ? .unfinishedFile : .misnamedFile, fault.path,
        remark ?? fault.reason, fault.remedy)
    }
  }

  /// Looks at the sets of weights in a folder: at the index of the one that is read, and at what lies beside it.
  ///
  /// - Returns: whether the model can be opened, as far as its index goes.
  private func examineSets() -> Bool {
    guard Folder.kind(of: path) == .folder, let sets = attempt({ try WeightSets(path) }),
      let read = attempt({ try sets.read() })
    else {
      // A part is looked at by itself; an engine is given its folder.
      let name = Folder.name(of: path)
      facts.entry = Folder.kind(of: path) == .file && PartName(name) == nil ? entry(name) : nil
      return true
    }
    facts.entry = entry(read.form == .parts ? read.files.first ?? read.entry : read.entry)
    if read.form == .file || read.form == .parts {
      for file in read.files where !file.hasSuffix(".gguf") {
        let place = Folder.join(path, file)
        guard let source = try? Checkpoint.open(file: place, skipping: SkippedNames()) else { continue }
        examineContainer(file, source)
      }
    }
    // An index that cannot be read is an error below, and no model that another one is beside.
    let isUnread = read.form == .index && read.files.isEmpty && read.missing.isEmpty
    for (set, words) in isUnread ? [] : sets.others(than: read) {
      let named = [Container.safetensors, .torch].contains { $0.indexName == set.entry }
      // transformers takes safetensors before PyTorch's files, and looks no further.
      let isInTheWay = set.isLeftOver && named && isBefore(set.entry, read.entry)
      if set.isLeftOver {
        add(
          isInTheWay ? .error : .warning, .leftOverIndex, Folder.join(path, set.entry), words,
          isInTheWay ? "remove it: transformers takes it for the model" : "remove it, or download its files")
      } else {
        facts.hasRivalParts = facts.hasRivalParts || read.form == .parts
        let isIndexed =
          read.entry == Container.safetensors.fileName(1, of: 1) && set.entry == Container.safetensors.indexName
        add(
          .warning, .severalModels, Folder.join(path, set.entry),
          words + (isIndexed ? "; vLLM and MLX take the index" : ""),
          "move away the set that is not wanted: engines do not agree on which they take")
      }
    }
    return read.form != .index || examineIndex(Folder.join(path, read.entry))
  }

  private func entry(_ name: String) -> (name: String, isTorch: Bool) {
    (name, !name.contains(".safetensors"))
  }

  /// The names that transformers looks for in a folder, in its order.
  static let transformersNames = [Container.safetensors, .torch].flatMap { [$0.fileName(1, of: 1), $0.indexName] }

  /// Whether transformers looks for one name before another.
  private func isBefore(_ one: String, _ other: String) -> Bool {
    let names = Self.transformersNames
    guard let first = names.firstIndex(of: one) else { return false }
    return names.firstIndex(of: other).map { first < $0 } ?? true
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
    case .unknownName: return .unknownNames
    default: return .unreadableFile
    }
  }

  /// What the files of an index hold.
  private struct Holdings {
    /// The files that hold a tensor.
    var holders: [String: [String]] = [:]
    /// The bytes of all tensors.
    var total = 0
    /// Whether all files can be opened.
    var isWhole = true
  }

  /// Says where a file is of another container than its name: this program looks at the bytes, and engines at the ending.
  private func examineContainer(_ file: String, _ source: any TensorSource) {
    let isSafetensors = source.format == "safetensors"
    guard isSafetensors != file.hasSuffix(".safetensors") else { return }
    facts.hasMisnamedWeights = true
    add(
      .error, .misnamedFile, Folder.join(path, file),
      "it is \(isSafetensors ? "safetensors" : "PyTorch's container"), and engines read it as what its ending says",
      isSafetensors
        ? "let its name end in .safetensors, in an index too" : "\(.converting(.folder)) writes it as what it is called"
    )
  }

  /// Holds an index against its files.
  ///
  /// - Returns: whether the model can be opened all the same.
  private func examineIndex(_ index: String) -> Bool {
    guard let contents = readIndex(index) else { return false }
    let files = Set(contents.weight_map.values.map(ShardedFolder.plainName))
    let holdings = examineFiles(files, of: index, contents)
    guard holdings.isWhole else {
      let strangers = ShardedFolder.strangers(beside: Array(files), in: path)
      if !strangers.isEmpty {
        add(
          .error, .badIndex, index,
          "shards of another count lie here: \(strangers.prefix(8).map(displayName).joined(separator: ", "))",
          "the index and the shards may be of different versions of the model: download the index of the shards that are here"
        )
      }
      return false
    }
    examinePlaces(contents, holdings)
    let isWhole = examineHolders(contents, holdings)
    if let stated = contents.metadata?.total_size, isWhole, Int(exactly: stated) != holdings.total {
      add(
        .warning, .badIndex, index,
        "it says that the tensors have \(Int(exactly: stated).map(String.init) ?? "\(stated)") bytes, and they have \(holdings.total)",
        "the index may be of another version, or the files: download all of them from one place")
    }
    return isWhole
  }

  /// Reads an index; nil where it is none, which is a finding then.
  private func readIndex(_ index: String) -> Index? {
    do {
      let file = try InputFile(index)
      guard file.size <= 256 << 20 else {
        add(.error, .badIndex, index, "\(file.size) bytes; at most 256 MiB are read as an index")
        return nil
      }
      return try decodeBoundedJSON(Index.self, from: try file.bytes(count: file.size))
    } catch let error as ByteIOError {
      add(error, .badIndex, index)
    } catch {
      add(.error, .badIndex, index, "it has no weight_map of names", "compare it with the publisher's")
    }
    return nil
  }

  /// Opens the files that an index names.
  private func examineFiles(_ files: Set<String>, of index: String, _ contents: Index) -> Holdings {
    var holdings = Holdings()
    for file in files.sorted() {
      let place = Folder.join(path, file)
      guard !file.contains("/"), !file.contains("\\"), file != ".." else {
        // Engines follow such paths, where they lead to a file; this program does not.
        add(
          Folder.kind(of: place) == .file ? .notJudged : .error, .badIndex, index,
          "it names \(displayName(file)); expected the name of a file in its own folder",
          ShardedFolder.outsideRemedy)
        holdings.isWhole = false
        continue
      }
      guard Folder.kind(of: place) == .file else {
        let substitute = DownloadedFolder.substitute(for: file, in: path)
        add(
          .error, .missingFile, place,
          "the index names it, and it is not there" + (substitute.map { ": \($0.reason)" } ?? ""),
          substitute?.remedy ?? "download it")
        holdings.isWhole = false
        continue
      }
      do {
        let shard = try Checkpoint.open(file: place, skipping: skipped.map { _ in SkippedNames() })
        examineContainer(file, shard)
        for info in shard.tensors where contents.weight_map[info.name] != nil || !ComputedTensors.contains(info) {
          holdings.holders[info.name, default: []].append(file)
          holdings.total += info.byteCount
        }
      } catch {
        addOpening(error, place)
        holdings.isWhole = false
      }
    }
    return holdings
  }

  /// Looks for tensors where an index places them.
  private func examinePlaces(_ contents: Index, _ holdings: Holdings) {
    for (tensor, stated) in contents.weight_map.sorted(by: { $0.key < $1.key }) {
      let file = ShardedFolder.plainName(stated)
      guard let holders = holdings.holders[tensor] else {
        add(
          .warning, .unheldTensor, displayName(tensor),
          "the index places it in \(displayName(file)), and no file holds it: engines read the rest",
          "the index is wrong, or the files are of different versions: download them again where the model needs it")
        continue
      }
      guard !holders.contains(file) else { continue }
      add(
        .warning, .badIndex, displayName(tensor),
        "the index places it in \(displayName(file)), and another file holds it",
        "the index may be of another version: download that of these files")
    }
  }

  /// Looks for tensors that several files hold, or that the index does not name.
  ///
  /// - Returns: whether each lies in one file.
  private func examineHolders(_ contents: Index, _ holdings: Holdings) -> Bool {
    var isWhole = true
    for (tensor, files) in holdings.holders.sorted(by: { $0.key < $1.key }) {
      if files.count > 1 {
        add(
          .error, .duplicateTensor, displayName(tensor),
          "it is in \(files.count) files: \(files.map(displayName).joined(separator: ", "))",
          "which one counts depends on the engine: leave it in the one that the index names")
        isWhole = false
      } else if contents.weight_map[tensor] == nil {
        add(
          .warning, .unindexedTensor, displayName(tensor),
          "\(displayName(files[0])) holds it, and the index does not name it: transformers reads it all the same",
          "the index may be of another version: download that of these files")
      }
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
