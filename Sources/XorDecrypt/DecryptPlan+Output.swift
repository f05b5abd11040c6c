// The outputs of a plan: whether they can be written, what is in their way, and whether there is room for them.

import ByteIO

extension DecryptPlan {
  /// Checks that the outputs can be written at all.
  static func checkOutputFolder(_ folder: String) throws {
    if let kind = Folder.kind(of: folder), kind != .folder {
      throw ByteIOError(
        .wrongKind, file: folder, reason: "the output must be a folder; a file of this name is in the way",
        remedy: "give another output folder")
    }
    guard Folder.isWritable(folder) else {
      throw ByteIOError(
        .notPermitted, file: folder, reason: "cannot write into the output folder",
        remedy: "give a folder that you may write to")
    }
  }

  /// Leaves out what is another copy of a file: it has the same name and, by its header or its name, the same digest.
  /// Of copies of several sizes the largest counts, for a shorter one was cut off.
  static func withoutCopies(_ items: [DecryptItem]) -> (items: [DecryptItem], notes: [String]) {
    var kept: [DecryptItem] = []
    var notes: [String] = []
    let ranked = items.sorted { one, other in
      one.plainSize != other.plainSize ? one.plainSize > other.plainSize : one.nameNote == nil && other.nameNote != nil
    }
    for item in ranked {
      let first = kept.firstIndex { other in
        item.problem == nil && other.problem == nil && other.outputName == item.outputName
          && other.expected == item.expected
      }
      guard let first else {
        kept.append(item)
        continue
      }
      kept[first].copies.append(item.input)
      let isShorter = item.plainSize < kept[first].plainSize
      notes.append(
        "\(displayName(Folder.name(of: item.input))) is another copy of \(displayName(item.outputName))"
          + (isShorter ? ", and shorter" : "")
          + ": \(displayName(Folder.name(of: kept[first].input))) is used")
    }
    return (kept, notes)
  }

  /// Two inputs of one output, an output that is the key or an input, and outputs of another size.
  static func checkOutputs(
    _ items: inout [DecryptItem], _ inputs: InputRecord, _ outputFolder: String, _ options: DecryptOptions
  ) {
    var seen: Set<String> = []
    for index in items.indices where items[index].problem == nil {
      let item = items[index]
      let path = Folder.join(outputFolder, item.outputName)
      if !seen.insert(item.outputName).inserted {
        items[index].problem = XorDecryptError(
          .badName, file: item.input,
          reason: "another file of the folder decrypts to \(displayName(item.outputName)) too",
          remedy: "two versions of the release lie in one folder: keep one of them")
        continue
      }
      // What a converted file becomes is known when its pickle was read; its usual names show already now.
      let converted = item.isConverted ? options.converter?.convertedName(item.outputName) : item.outputName
      do { try refuse(converted.map { [$0] } ?? [], in: outputFolder, inputs) } catch { items[index].problem = error }
      if item.isConverted || items[index].problem != nil { continue }
      guard let kind = Folder.kind(of: path) else { continue }
      guard kind == .file else {
        items[index].problem = XorDecryptError(
          .outputExists, file: path, reason: "something that is not a file has the output's name",
          remedy: "move it away, or give another output folder")
        continue
      }
      guard let existing = try? InputFile(path) else { continue }
      if existing.size != item.plainSize, !options.force {
        items[index].problem = existsError(path, "\(existing.size) bytes instead of \(item.plainSize)")
      }
    }
  }

  /// Refuses names of outputs that are the key or an input.
  func refuse(_ names: [String]) throws(XorDecryptError) { try Self.refuse(names, in: outputFolder, inputs) }

  private static func refuse(
    _ names: [String], in outputFolder: String, _ inputs: InputRecord
  ) throws(XorDecryptError) {
    do { try inputs.refuse(names.map { Folder.join(outputFolder, $0) }) } catch {
      throw XorDecryptError(
        .outputExists, file: error.file,
        reason: "the output would replace the key or an input: "
          + displayName(error.file.flatMap { inputs.input(at: $0) } ?? ""),
        remedy: "give another output folder")
    }
  }

  static func existsError(_ path: String, _ difference: String) -> XorDecryptError {
    XorDecryptError(
      .outputExists, file: path, reason: "another file has this name already (\(difference))",
      remedy: "move it away, or give \(.replacing) to replace it")
  }

  /// Checks that what is not there yet has room.
  func checkSpace() throws {
    let needed = items.reduce(0) { sum, item in
      let name = item.isConverted ? options.converter?.convertedName(item.outputName) : item.outputName
      guard let path = name.map({ Folder.join(outputFolder, $0) }) else { return sum }
      return item.problem == nil && Folder.kind(of: path) == nil ? sum + item.plainSize : sum
    }
    guard let available = Folder.availableSpace(outputFolder), available < needed else { return }
    throw XorDecryptError(
      .noSpace, file: outputFolder,
      reason: "\(byteCount(needed)) are needed, and \(byteCount(available)) are free",
      remedy: "free \(byteCount(needed - available)), or give an output folder on another disk")
  }
}
