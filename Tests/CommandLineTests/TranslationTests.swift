// Chinese: that the catalogue has every text of the rooms that are to be complete, which locales are Chinese, and that nothing
// else changes.

import Foundation
import TestSupport
import Testing

/// The texts in a source file of Swift, as the catalogue has them: `{}` in place of what is filled in, pieces that + joins as
/// one, each paragraph for itself.
struct SourceTexts {
  private let source: [Character]
  private var at = 0
  private(set) var texts: [String] = []

  init(_ source: String) {
    self.source = Array(source)
    var (last, end) = ("", -1)
    while at < self.source.count {
      if starts("//") {
        while at < self.source.count, self.source[at] != "\n" { at += 1 }
      } else if let end = rawEnd() {
        while at < self.source.count, !starts(end) { at += 1 }
        at += end.count
      } else if self.source[at] == "\"" {
        let isJoined = end >= 0 && String(self.source[end..<at]).filter { !$0.isWhitespace } == "+"
        let text = literal()
        if !isJoined { take(last) }
        last = isJoined ? last + text : text
        end = at
      } else {
        at += 1
      }
    }
    take(last)
  }

  private mutating func take(_ text: String) {
    let lines = text.split(separator: "\n").filter { !$0.hasPrefix("  ") || !$0.hasPrefix("  belle-tools") }
    for line in lines {
      let text = line.split { $0.isWhitespace || $0 == "\0" }.joined(separator: " ")
      let words = text.replacing("{}", with: " ").split { !($0.isASCII && $0.isLetter) && $0 != "'" }.filter {
        $0.count > 1
      }
      if words.count > 1, text.contains(" ") { texts.append(text) }
    }
  }

  /// Passes the beginning of a literal without escapes: expressions, no texts.
  ///
  /// - Returns: what it ends with; nil where there is none.
  private mutating func rawEnd() -> String? {
    let hashes = source[at...].prefix { $0 == "#" }
    guard !hashes.isEmpty, hashes.endIndex < source.count, source[hashes.endIndex] == "\"" else { return nil }
    at = hashes.endIndex + 1
    return "\"" + hashes
  }

  private func starts(_ text: String) -> Bool {
    at + text.count <= source.count && source[at..<at + text.count].elementsEqual(text)
  }

  /// Reads a literal; those in what is filled in are texts of their own.
  private mutating func literal() -> String {
    let isLong = starts("\"\"\"")
    let quote = isLong ? "\"\"\"" : "\""
    at += quote.count
    var text = ""
    while at < source.count, !starts(quote) {
      guard source[at] == "\\" else {
        text.append(source[at])
        at += 1
        continue
      }
      let escape = source[at + 1]
      at += 2
      switch escape {
      case "(":
        var depth = 1
        while depth > 0 {
          if source[at] == "\"" {
            take(literal())
            continue
          }
          depth += source[at] == "(" ? 1 : source[at] == ")" ? -1 : 0
          at += 1
        }
        text += "{}"
      case "\n": break
      case "n": text += "\n"
      case "u":
        let digits = source[(at + 1)...].prefix { $0 != "}" }
        text.unicodeScalars.append(UInt32(String(digits), radix: 16).flatMap(Unicode.Scalar.init) ?? "?")
        at += digits.count + 2
      case "0": text += "\0"
      case "t", "r": text += " "
      default: text.append(escape)
      }
    }
    at += quote.count
    guard isLong else { return text }
    // The indentation is that of the end; where lines are joined, spaces are no matter.
    let indent = text.split(separator: "\n", omittingEmptySubsequences: false).last?.prefix { $0 == " " } ?? ""
    return text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.hasPrefix(indent) ? String($0.dropFirst(indent.count)) : String($0) }.joined(separator: "\n")
  }
}

@Suite("Chinese") struct TranslationTests {
  /// The files whose texts the catalogue must have.
  private static let rooms = [
    "ByteIO", "Checkpoint", "Checksum", "XorDecrypt", "Model", "Packed", "Quantize", "Ranks", "Tokenizer",
    "Transformer", "Jinja", "Merging",
    "belle-tools/Options", "belle-tools/Terminal", "belle-tools/Process", "belle-tools/BelleTools.swift",
    "belle-tools/Commands/Decrypt.swift", "belle-tools/Commands/KeyJudgement.swift",
    "belle-tools/Commands/KeySource.swift", "belle-tools/Commands/OriginalCheck.swift",
    "belle-tools/Commands/IndexedFiles.swift", "belle-tools/Commands/Verify.swift",
    "belle-tools/Commands/Verify+Source.swift", "belle-tools/Commands/DoctorCommand.swift",
    "belle-tools/Commands/Generate.swift", "belle-tools/Commands/Generate+Batch.swift",
    "belle-tools/Commands/Generate+Talk.swift", "belle-tools/Commands/GenerationCourse.swift",
    "belle-tools/Commands/BatchOutput.swift", "belle-tools/Commands/Quantize.swift",
    "belle-tools/Commands/Quantize+Blocks.swift", "belle-tools/Commands/Quantize+Importance.swift",
    "belle-tools/Commands/Quantize+Output.swift",
    "belle-tools/Commands/QuantizationRun.swift",
  ]

  private static func files() throws -> [String] {
    try rooms.flatMap { room -> [String] in
      let path = project("Sources/" + room)
      guard !room.hasSuffix(".swift") else { return [path] }
      return try FileManager.default.subpathsOfDirectory(atPath: path).filter { $0.hasSuffix(".swift") }
        .map { path + "/" + $0 }
    }
  }

  /// The catalogue's pairs.
  private static func pairs() throws -> [(text: String, translation: String)] {
    let lines = try String(contentsOfFile: project("translations/zh.txt"), encoding: .utf8).split(separator: "\n")
      .filter { !$0.hasPrefix("#") }.map(String.init)
    return stride(from: 0, to: lines.count - 1, by: 2).map { (lines[$0], lines[$0 + 1]) }
  }

  @Test("every text of these rooms is in the catalogue")
  func complete() throws {
    let known = Set(try Self.pairs().map(\.text))
    var (missing, count): ([String], Int) = ([], 0)
    for path in try Self.files() {
      for text in SourceTexts(try String(contentsOfFile: path, encoding: .utf8)).texts {
        count += 1
        if !known.contains(text), !missing.contains(text) { missing.append(text) }
      }
    }
    #expect(count > 2500)
    #expect(missing.isEmpty, "translations/zh.txt lacks:\n\(missing.joined(separator: "\n=\n"))")
  }

  @Test("translations are Chinese, of what the text has: every gap once, options and commands as they are")
  func sound() throws {
    let pairs = try Self.pairs()
    #expect(Set(pairs.map(\.text)).count == pairs.count)
    for (text, translation) in pairs where translation != "=" {
      let isWide = translation.unicodeScalars.contains { $0.value > 0x2E80 }
      #expect(isWide || text.count < 20, "\(text): \(translation)")
      #expect(
        !text.unicodeScalars.contains { $0.value >= 0x4E00 && $0.value < 0xA000 } || text.contains("写一首"), "\(text)")
      let gaps = { (text: String) in text.matches(of: /\{[0-9]?\}/).count }
      #expect(gaps(text) >= gaps(translation), "\(text): \(translation)")
      let options = { (text: String) in Set(text.matches(of: /--[a-z][a-z-]+/).map { String($0.output) }) }
      #expect(options(text) == options(translation), "\(text): \(translation)")
    }
  }

  private func run(_ environment: String, _ arguments: String...) throws -> Finished {
    let unset = "unset LC_ALL LC_MESSAGES LANG LANGUAGE"
    return try Running(arguments, shell: "\(unset); exec env \(environment) \"$0\" \"$@\"").finish()
  }

  @Test(
    "locales that are Chinese",
    arguments: [
      "LANG=zh_CN.UTF-8", "LC_ALL=zh_CN.utf8", "LC_MESSAGES=zh_CN.UTF-8 LANG=en_US.UTF-8", "LANG=zh_CN",
      "LANG=zh_TW.UTF-8",
      "LANG=en_US.UTF-8 LANGUAGE=zh_CN:en", "LANG=de_DE.UTF-8 LANGUAGE=fr:zh", "LC_ALL= LANG=zh_CN.UTF-8",
      "LANG=zh_CN.UTF-8@x",
    ])
  func chinese(environment: String) throws {
    let run = try run(environment, "verify", "/no/such")
    #expect(run.status == 1 && run.errors == "错误：/no/such：没有这个文件或目录\n提示：请检查路径\n", "\(run.errors)")
  }

  @Test(
    "all others are English",
    arguments: [
      "", "LANG=en_US.UTF-8", "LC_ALL=C LANG=zh_CN.UTF-8", "LANG=zh_CN.GB18030", "LC_ALL=en_US.UTF-8 LANG=zh_CN.UTF-8",
      "LANG=zh_CN.UTF-8 LANGUAGE=en:zh_CN", "LANG=C LANGUAGE=zh_CN", "LANG=ja_JP.UTF-8", "LANG=POSIX",
    ])
  func english(environment: String) throws {
    let run = try run(environment, "verify", "/no/such")
    #expect(run.errors == "error: /no/such: there is no such file or folder\nhint: check the path\n", "\(run.errors)")
  }

  @Test(
    "the help of these verbs is Chinese to the last line",
    arguments: [
      "decrypt", "verify", "quantize", "generate", "doctor", "compare", "convert", "encrypt", "evaluate", "extend",
      "hash", "inspect", "merge", "report",
    ])
  func help(verb: String) throws {
    for form in [[verb, "--help"], ["help", verb]] {
      let run = try Running(form, shell: "exec env LC_ALL=zh_CN.UTF-8 COLUMNS=80 \"$0\" \"$@\"").finish()
      #expect(run.status == 0 && run.output.hasPrefix("概述："))
      var isUsage = false
      for line in run.output.split(separator: "\n", omittingEmptySubsequences: false) {
        isUsage = line.hasPrefix("用法：") || isUsage && !line.isEmpty
        let cells = line.unicodeScalars.reduce(0) { $0 + ($1.value > 0x2E80 ? 2 : 1) }
        #expect(cells <= 80 || line.hasPrefix("  belle-tools"), "\(line)")
        guard !isUsage, !line.hasPrefix("  belle-tools") else { continue }
        let english = line.matches(of: /[A-Za-z]+ [a-z]+ [a-z]+ [a-z]+/)
        #expect(english.isEmpty, "\(line)")
      }
      // All that the English page has.
      let original = try Running(form, shell: "exec env LC_ALL=C \"$0\" \"$@\"").finish()
      let options = { (text: String) in
        Set(text.matches(of: /\n  (?:-[a-z], )?(--[a-z-]+)/).map { String($0.output.1) })
      }
      #expect(options(original.output) == options(run.output))
    }
  }

  @Test("results and JSON are the same in both languages; notes, warnings and usage are translated")
  func results() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/a.bin", "a")
    try folder.write("m/b.bin", "b")
    let hash = String(repeating: "0", count: 64)
    try folder.write("l", "\(hash)  a.bin\n\(hash)  c.bin\n")
    for options in [[], ["--json"]] {
      let arguments = ["verify", folder.file("m"), "--manifest", folder.file("l")] + options
      let one = try Running(arguments, shell: "exec env LC_ALL=C \"$0\" \"$@\"").finish()
      let two = try Running(arguments, shell: "exec env LC_ALL=zh_CN.UTF-8 \"$0\" \"$@\"").finish()
      #expect(one.status == 2 && two.status == 2 && one.output == two.output)
      if options.isEmpty { #expect(two.errors.contains("说明：0 个一致，1 个不一致，1 个缺失，1 个未列出"), "\(two.errors)") }
    }
    let failed = try run("LANG=zh_CN.UTF-8", "verify", "/no/such", "--json")
    #expect(try failed.objects()[0]["message"] as? String == "/no/such: there is no such file or folder")
    for (arguments, words) in [
      (["verfy"], "错误：没有名为 'verfy' 的命令\n提示：是否想用 `belle-tools verify`？\n用法："),
      (["verify"], "错误：缺少参数 '<folder>'\n提示：<folder>  一个目录，或一个文件。\n用法："),
      (["quantize", "--bits", "5"], "错误：--bits 必须是 2、3、4 或 8。"),
    ] {
      let run = try Running(arguments, shell: "exec env LC_ALL=zh_CN.UTF-8 \"$0\" \"$@\"").finish()
      #expect(run.status == 64 && run.errors.hasPrefix(words), "\(run.errors)")
    }
  }

  @Test("lists of texts are Chinese to their ends, and names among Chinese letters keep their distance")
  func lists() throws {
    let folder = try TemporaryFolder()
    let shell = "LC_ALL=zh_CN.UTF-8 exec \"$0\" \"$@\""
    _ = try RandomCheckpoint().write(folder, "m")
    let text = try String(contentsOfFile: folder.file("m/config.json"), encoding: .utf8)
    let deeper = text.replacing(/"num_hidden_layers" ?: ?[0-9]+/, with: #""num_hidden_layers":9"#)
    try #require(deeper != text)
    try folder.write("m/config.json", deeper)
    let run = try Running(["convert", folder.file("m"), folder.file("o.gguf")], shell: shell).finish()
    #expect(run.status == 1 && !run.errors.contains(" is missing"), "\(run.errors)")
    #expect(run.errors.split(separator: "；缺少 model.layers.").count > 5, "\(run.errors)")
    let header =
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#
    let length = Character(UnicodeScalar(UInt8(header.utf8.count)))
    try folder.write("o.safetensors", "\(length)\0\0\0\0\0\0\0\(header)123456")
    let overlap = try Running(["inspect", folder.file("o.safetensors")], shell: shell).finish()
    #expect(overlap.errors.contains("：张量 b 与另一个重叠"), "\(overlap.errors)")
  }

  @Test("errors of the libraries, with what they fill in and what stands side by side")
  func errors() throws {
    let release = try Release(large: 0)
    let shell = "LC_ALL=zh_CN.UTF-8 exec \"$0\" \"$@\""
    let swapped = try Running(["decrypt", release.key, release.enc, release.out], shell: shell).finish()
    #expect(swapped.errors.contains("输入和密钥似乎写反了：给出的密钥是加密文件"), "\(swapped.errors)")
    let done = try release.decrypt(shell: shell)
    #expect(done.status == 0 && done.errors.contains("个校验一致"), "\(done.errors)")
    try flip(try release.encrypted("tokenizer.model"), at: 900)
    let damaged = try Running(["decrypt", release.enc, release.key, release.folder.file("b")], shell: shell).finish()
    #expect(damaged.status == 1 && damaged.errors.contains("它的 SHA-256 是 "), "\(damaged.errors)")
    let doctor = try Running(["doctor", release.out], shell: shell).finish()
    #expect(doctor.output.contains("个问题") && doctor.output.contains("["), "\(doctor.output)")
  }
}
