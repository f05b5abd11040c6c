// inspect --safety: what loading the files may run, told without running it.

import ArgumentParser
import ByteIO
import Checkpoint

extension Inspect {
  /// Kinds of files that are programs, or may hold some, and are not looked into: by the endings of their names.
  private static let programs: [(endings: [String], what: String)] = [
    ([".py", ".ipynb"], "Python code, which engines run with trust_remote_code"),
    ([".so", ".dll", ".dylib", ".pyd", ".exe"], "machine code"),
    ([".sh", ".bat", ".ps1", ".js", ".lua"], "a program"),
    ([".keras", ".h5", ".hdf5"], "a Keras model, which may hold code in its layers"),
  ]

  func runSafety() throws {
    var (fileCount, unsafeCount) = (0, 0)
    for input in inputs {
      let found = try survey(all: input)
      (fileCount, unsafeCount) = (fileCount + found.files, unsafeCount + found.unsafe)
    }
    if common.json {
      Console.shared.result(["type": "summary", "files": .int(fileCount), "unsafe": .int(unsafeCount)])
    }
    if unsafeCount > 0 { throw ExitCode.negative }
  }

  /// Looks at a file, or at all files of a folder.
  private func survey(all input: String) throws -> (files: Int, unsafe: Int) {
    var files = [input]
    var unsafeCount = 0
    if Folder.kind(of: input) == .folder {
      let tree = try Folder.tree(of: input)
      // git's own objects are compressed, and no loader's.
      let isObject = { (name: String) in "/\(name)".contains("/.git/objects/") }
      files = tree.files.filter { !isObject($0) }.map { Folder.join(input, $0) }
      if files.count < tree.files.count { note(input, "the objects of .git: not looked at") }
      for other in tree.others {
        let path = Folder.join(input, other.name)
        switch other.kind {
        case .folder:
          // Loaders follow it; whoever wants to know what is there names it.
          note(path, "a link to a folder: not looked at, so that this folder cannot be called harmless")
          unsafeCount += 1
        case .unnameable:
          note(path, "a name that is not UTF-8: not looked at, so that this folder cannot be called harmless")
          unsafeCount += 1
        case .file, .other: note(path, "a link to nothing, or not a regular file: not looked at")
        }
      }
      guard !files.isEmpty || unsafeCount > 0 else {
        throw CheckpointError(.unknownFormat, file: input, reason: "there is no file in this folder")
      }
    } else {
      // A path that leads nowhere is a mistake of who called, and nothing that was found.
      _ = try InputFile(input)
    }
    for path in files where Self.isIndex(path) {
      do {
        // Where an index leads, loaders go: also out of the folder, and to what is not looked at otherwise.
        files += try IndexedFiles(of: path).files(besides: files)
      } catch {
        Console.shared.report(error)
        unsafeCount += 1
      }
    }
    var plain = 0
    for path in files {
      guard let survey = try survey(path) else {
        unsafeCount += 1
        continue
      }
      if !survey.isSafe { unsafeCount += 1 }
      show(survey.globals, in: path)
      for problem in survey.problems { Console.shared.report(problem) }
      if common.json {
        for pickle in survey.pickles {
          Console.shared.result([
            "type": "pickle", "file": .string(path), "offset": .int(pickle.offset), "end": .int(pickle.end),
            "opcodes": .int(pickle.opcodeCount), "complete": .bool(pickle.isComplete),
          ])
        }
        Console.shared.result([
          "type": "file", "file": .string(path), "pickle": .bool(survey.hasPickle), "safe": .bool(survey.isSafe),
          "verdict": .string(verdict(survey)),
        ])
      } else if files.count > 1, survey.isSafe, !survey.hasPickle {
        plain += 1
      } else {
        Console.shared.result("\(displayName(path)): \(verdict(survey))")
      }
      try noteCode(path)
    }
    if !common.json, plain > 0 {
      Console.shared.result("\(plain) other file\(plain == 1 ? "" : "s"): no pickle in \(plain == 1 ? "it" : "them")")
    }
    return (files.count, unsafeCount)
  }

  /// Whether a file's name is an index's: `….index.json`, or a variant's, `….index.fp16.json`.
  private static func isIndex(_ path: String) -> Bool {
    let name = Folder.name(of: path)
    return name.hasSuffix(".json") && name.contains(".index.")
  }

  /// What a file's pickles do; nil, and the reason reported, where it cannot be read.
  private func survey(_ path: String) throws -> PickleSurvey? {
    do { return try PickleSurvey(InputFile(path)) } catch let error as any ToolError {
      Console.shared.report(error)
      return nil
    }
  }

  private func verdict(_ survey: PickleSurvey) -> String {
    if survey.isProgram { return "TorchScript, a program with its weights: not looked into" }
    if let active = survey.globals.first(where: { $0.deed != nil }), let deed = active.deed {
      return "names \(displayName("\(active.module).\(active.name)")), which \(deed): do not load it"
    }
    // No accusation: honest trainers' files are of this kind, and nothing here has looked at what their names do.
    if survey.globals.contains(where: { !$0.isAllowed }) {
      return "names what is not known here, and to load it is to run that: load it only if you trust its publisher"
    }
    if !survey.isSafe { return "cannot be called harmless: do not load it" }
    guard survey.hasPickle else { return "no pickle in it" }
    return survey.globals.isEmpty ? "a pickle that names nothing" : "names only what weight files need"
  }

  /// Shows names; one that occurs a thousand times is shown once, where it comes first.
  private func show(_ globals: [PickleGlobal], in path: String) {
    var counts: [String: Int] = [:]
    for global in globals { counts["\(global.module).\(global.name)", default: 0] += global.count }
    for global in globals {
      let name = "\(global.module).\(global.name)"
      guard let count = counts.removeValue(forKey: name) else { continue }
      if common.json {
        Console.shared.result([
          "type": "global", "file": .string(path), "name": .string(name), "offset": .int(global.offset),
          "count": .int(count), "verdict": global.isAllowed ? "allowed" : "refused",
        ])
      } else {
        let verdict = global.isAllowed ? "allowed" : "REFUSED"
        Console.shared.result(
          "\(displayName(path)): byte \(global.offset): \(verdict)  \(displayName(name))"
            + (count > 1 ? "  (\(count) times)" : ""))
      }
    }
  }

  /// Names what engines run beside the weights, where they are told to.
  private func noteCode(_ path: String) throws {
    let name = Folder.name(of: path)
    if let kind = Self.programs.first(where: { $0.endings.contains { name.lowercased().hasSuffix($0) } }) {
      note(path, "\(kind.what): not looked into")
    } else if name.hasSuffix(".json"), try Self.names("auto_map", in: InputFile(path)) {
      note(path, "auto_map names Python code, which engines run with trust_remote_code")
    }
  }

  /// Whether a JSON text holds a word in quotes, of letters that JSON may write as `\u` and four digits.
  private static func names(_ word: String, in file: InputFile) throws -> Bool {
    let quoted = Array("\"\(word)\"".utf8)
    let (partSize, longest) = (1 << 20, 6 * quoted.count)
    for at in stride(from: 0, to: file.size, by: partSize) {
      // Each part reaches into the next, as far as a word may that begins in it.
      var rest = try file.bytes(at: at, count: partSize + longest)[...]
      var plain: [UInt8] = []
      plain.reserveCapacity(rest.count)
      while let slash = rest.firstIndex(of: UInt8(ascii: "\\")) {
        plain += rest[..<slash]
        let escape = rest[slash...].prefix(6)
        let digits = escape.starts(with: "\\u00".utf8) ? String(decoding: escape.dropFirst(4), as: UTF8.self) : ""
        // Of another escape, and of the backslash of a backslash, the character behind it is no letter of a word.
        let value = digits.utf8.count == 2 ? UInt8(digits, radix: 16) : nil
        plain.append(value ?? UInt8(ascii: "\\"))
        rest = rest[min(slash + (value == nil ? 2 : 6), rest.endIndex)...]
      }
      plain += rest
      var left = plain[...]
      while let quote = left.firstIndex(of: UInt8(ascii: "\"")) {
        left = left[quote...]
        if left.starts(with: quoted) { return true }
        left.removeFirst()
      }
    }
    return false
  }

  private func note(_ path: String, _ text: String) {
    if common.json {
      Console.shared.result(["type": "note", "file": .string(path), "message": .string(text)])
    } else {
      Console.shared.result("\(displayName(path)): note: \(text)")
    }
  }
}
