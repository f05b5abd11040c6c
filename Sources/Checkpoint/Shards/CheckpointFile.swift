// One file that holds tensors, whatever its format: told by its first bytes, and by its name only where these say nothing.

import ByteIO

/// Single files of checkpoints.
enum CheckpointFile {
  /// How names end of what lies beside weights: configurations, tokenizers, cards, templates.
  private static let besides = [".json", ".model", ".txt", ".md", ".jinja"]

  /// Opens a file, by what it is.
  ///
  /// - Parameter skipped: takes names of pickles that are not known; without it they are refused.
  /// - Throws: ``CheckpointError`` or ``ByteIOError``.
  static func open(_ file: any ByteSource, skipping skipped: SkippedNames? = nil) throws -> any TensorSource {
    let path = file.path
    if file is InputFile, let unfinished = DownloadedFolder.unfinished(path) { throw unfinished }
    let head = try file.bytes(count: FileKind.headSize)
    if let complaint = FileKind(head: head, size: file.size).complaint {
      throw CheckpointError(.notDownloaded, file: path, reason: complaint.reason, remedy: complaint.remedy)
    }
    if let kind = OtherArchives.kind(of: path, head) {
      throw CheckpointError(.unknownFormat, file: path, reason: kind.what, remedy: kind.remedy)
    }
    if head.starts(with: [0x50, 0x4B]) || TarArchive.isTar(head) { return try TorchFile(file, skipping: skipped) }
    if GGUFFile.isRecognized(head) { return try GGUFFile(file).whole() }
    if GGMLFile.isRecognized(head) { return try GGMLFile(file).whole(at: path) }
    if head.starts(with: NpyHeader.magic) { return try NpyFile(file) }
    // An encrypted file that is being decrypted has that name, too.
    if file is InputFile, let encryption = DownloadedFolder.encryption(of: path) { throw encryption }
    let isDifference = (file as? InputFile).map { BaseDifference.isCompressed($0) } ?? false
    let kind = isDifference ? FileKind.zeros : FileKind(head: head, size: file.size)
    if let naming = kind.naming(isWeights: true) {
      throw CheckpointError(.unknownFormat, file: path, place: "byte 0", reason: naming.reason, remedy: naming.remedy)
    }
    if path.hasSuffix(".safetensors") || head.count > 8 && head[8] == UInt8(ascii: "{") {
      return try SafetensorsFile(file)
    }
    // What pickles begin with: PROTO, or in protocols 0 and 1 a mark, an empty container, a name or the magic number.
    if let first = head.first, first == 0x80 || "(}])cL".utf8.contains(first) {
      return try TorchFile(file, skipping: skipped)
    }
    if let kind = OtherArchives.compressed(path, head) {
      throw CheckpointError(.unknownFormat, file: path, reason: kind.what, remedy: kind.remedy)
    }
    if let foreign = ForeignFolder.kind(of: Folder.name(of: path)) {
      throw CheckpointError(
        .unknownFormat, file: path, place: "byte 0",
        reason: "this is not a checkpoint of a known format; by its name it belongs to \(foreign.what)",
        remedy: foreign.remedy)
    }
    if besides.contains(where: path.lowercased().hasSuffix) {
      throw CheckpointError(
        .unknownFormat, file: path, place: "byte 0", reason: "this is not a checkpoint of a known format",
        remedy: "weights are in other files: give the folder, \(displayName(Folder.parent(of: path))), or one of them")
    }
    throw CheckpointError(
      .unknownFormat, file: path, place: "byte 0", reason: "this is not a checkpoint of a known format",
      remedy: "known are PyTorch's zip, legacy and tar files, safetensors, GGUF, llama.cpp's files of before it and "
        + "NumPy's .npy")
  }
}
