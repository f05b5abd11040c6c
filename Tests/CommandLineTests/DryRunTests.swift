import ByteIO
import Foundation
import TestSupport
import Testing

@Suite("--dry-run") struct DryRunTests {
  private static let belle = project("Examples/tiny-belle")

  /// A folder with a small model in it, as `m`.
  private func place() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    _ = try RandomCheckpoint().write(folder, "m")
    try folder.write("tokens.json", #"["<|im_start|>"]"#)
    try folder.write("text", String(repeating: "The king said that water is wet. ", count: 20))
    try folder.write("q.jsonl", #"{"prompt": "The king"}"# + "\n" + #"{"prompt": "Water"}"# + "\n")
    return folder
  }

  /// Everything in a folder, by name, with its bytes.
  private func contents(_ folder: TemporaryFolder) throws -> [String: [UInt8]] {
    var result: [String: [UInt8]] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
      result[name] = Folder.kind(of: folder.file(name)) == .file ? try readBytes(folder.file(name)) : []
    }
    return result
  }

  private static let verbs: [[String]] = [
    ["convert", "m", "out", "--format", "torch"], ["convert", "m", "out.safetensors"],
    ["convert", "m", "out", "--layout", "meta"],
    ["decrypt", belle + "/enc", belle + "/llama/consolidated.00.pth", "out"],
    ["decrypt", belle + "/enc", belle + "/llama/consolidated.00.pth", "out", "--format", "safetensors"],
    ["encrypt", "m", belle + "/llama/consolidated.00.pth", "out"],
    ["encrypt", "m", belle + "/llama/consolidated.00.pth", "out", "--lists"], ["hash", "m", "--lists"],
    ["evaluate", belle + "/llama", "--text", "text", "--sequence-length", "32", "--report", "page.html"],
    ["generate", belle + "/llama", "--batch", "q.jsonl", "--output", "answers.jsonl", "--max-tokens", "4"],
    ["quantize", "m", "out", "--method", "rtn", "--group-size", "32"],
  ]

  @Test("what would be written is what is written then, and nothing is written before", arguments: verbs)
  func same(arguments: [String]) throws {
    let folder = try place()
    let before = try contents(folder)
    let planned = try Running(arguments + ["-n", "--json"], in: folder.path).finish()
    #expect(planned.status == 0, "\(planned.errors)")
    #expect(try contents(folder) == before)
    let objects = try planned.objects()
    let summary = try #require(objects.last)
    #expect(summary["type"] as? String == "summary" && summary["dry_run"] as? Bool == true)
    let files = objects.filter { $0["type"] as? String == "file" }
    #expect(!files.isEmpty && files.allSatisfy { $0["status"] as? String == "planned" })

    let done = try Running(arguments, in: folder.path).finish()
    #expect(done.status == 0, "\(done.errors)")
    for file in files {
      var path = try #require(file["output"] as? String)
      if !path.hasPrefix("/") { path = folder.file(path) }
      if let range = path.range(of: ".<SHA-256>") {
        let start = Folder.name(of: String(path[..<range.lowerBound])) + "."
        let there = try folder.names(in: "out").filter { $0.hasPrefix(start) && $0.hasSuffix(".enc") }
        #expect(there.count == 1, "\(path): \(there)")
        continue
      }
      if arguments[0] == "decrypt", arguments.contains("--format"), path.hasSuffix(".bin") || path.contains(".bin.") {
        continue
      }
      #expect(Folder.kind(of: path) != nil, "\(path)")
      guard let bytes = file["bytes"] as? Int, Folder.kind(of: path) == .file else { continue }
      // A container adds its head to its tensors.
      let size = Folder.size(of: path) ?? 0
      #expect(size >= bytes && size - bytes < 20_000, "\(path): \(size), \(bytes) were said")
    }
    // The same question once more is refused as the run would be.
    guard !["decrypt", "encrypt", "hash"].contains(arguments[0]) else { return }
    let refused = try Running(arguments, in: folder.path).finish()
    let again = try Running(arguments + ["--dry-run"], in: folder.path).finish()
    #expect(refused.status == 1 && again.status == 1)
    #expect(again.errors.split(separator: "\n").last == refused.errors.split(separator: "\n").last)
  }

  @Test(
    "a dry run refuses what the run refuses, in the same words",
    arguments: [
      ["convert", "m", "m"], ["convert", "m", "tokens.json/out"],
      ["quantize", "m", "m", "--method", "rtn"], ["quantize", "m", "out", "--only", "nothing"],
      ["quantize", "m", "tokens.json", "--method", "rtn"], ["extend", "m", "tokens.json", "m"],
      ["encrypt", "m", "m/config.json", "tokens.json"], ["merge", "m", "m", "out"], ["merge", "m", "nowhere", "out"],
      ["generate", belle + "/llama", "--batch", "q.jsonl", "--output", "nowhere/out"],
      ["generate", belle + "/llama", "--batch", "q.jsonl", "--output", "m"],
      ["generate", belle + "/llama", "--batch", "q.jsonl", "--output", "q.jsonl", "--force"],
      ["evaluate", belle + "/llama", "--text", "nowhere"],
      ["evaluate", belle + "/llama", "--text", "text", "--report", "text.html/page.html"],
      ["evaluate", belle + "/llama", "--text", "text", "--max-tokens", "8", "--reference", "m"],
      ["hash", "nowhere"], ["hash", "m/config.json", "--lists"],
    ])
  func refused(arguments: [String]) throws {
    let folder = try place()
    try folder.write("text.html", "no folder")
    let before = try contents(folder)
    let planned = try Running(arguments + ["--dry-run"], in: folder.path).finish()
    #expect(try contents(folder) == before)
    let done = try Running(arguments, in: folder.path).finish()
    #expect(planned.status == 1 && done.status == 1, "\(planned)\(done)")
    #expect(planned.errors == done.errors, "\(planned.errors)\(done.errors)")
  }

  @Test("merge and extend say what they would write, and --force what would be replaced")
  func others() throws {
    let folder = try TemporaryFolder()
    let base = try belleTools("convert", Self.belle + "/llama", folder.file("hf"), "--layout", "hf")
    #expect(base.status == 0)
    try folder.write("tokens.json", #"["<|im_start|>"]"#)
    let merge = ["merge", "hf", Self.belle + "/adapter", "out"]
    let extend = ["extend", "hf", "tokens.json", "longer"]
    for arguments in [merge, extend] {
      let before = try folder.names()
      let planned = try Running(arguments + ["-n"], in: folder.path).finish()
      #expect(planned.status == 0, "\(planned.errors)")
      #expect(try folder.names() == before)
      let names = planned.output.split(separator: "\n").compactMap { line -> String? in
        let words = line.split(separator: " ", omittingEmptySubsequences: true)
        return words.first == "planned" ? words.dropFirst().first.map(String.init) : nil
      }
      #expect(try Running(arguments, in: folder.path).finish().status == 0)
      let output = arguments[3]
      #expect(try Set(folder.names(in: output).map { output + "/" + $0 }) == Set(names))
      let again = try Running(arguments + ["-n", "-f"], in: folder.path).finish()
      #expect(again.status == 0 && again.output.contains("  in place of what is there"), "\(again.output)")
    }
    let said = try Running(extend.dropLast() + ["third", "-n"], in: folder.path).finish()
    #expect(said.errors.contains("1 new token (id "), "\(said.errors)")
  }

  @Test("evaluate says what all models would read, in windows or questions; without a report nothing would be written")
  func evaluate() throws {
    let folder = try place()
    let arguments = [
      "evaluate", Self.belle + "/llama", "--sequence-length", "32", "--max-tokens", "62", "--text", "text",
    ]
    let alone = try Running(arguments + ["-n"], in: folder.path).finish()
    #expect(alone.status == 0 && alone.output.isEmpty)
    #expect(alone.errors.contains("note: the model would read 64 tokens in all\n"), "\(alone.errors)")
    #expect(alone.errors.hasSuffix("note: nothing was done: the results would be printed\n"), "\(alone.errors)")
    let more = ["--reference", Self.belle + "/llama", "-n", "--json"]
    let two = try Running(arguments + more, in: folder.path).finish()
    let summary = try #require(try two.objects().last)
    #expect(summary["tokens"] as? Int == 128 && summary["models"] as? Int == 2 && summary["windows"] as? Int == 2)
    #expect(summary["output"] is NSNull && summary["free"] is NSNull && summary["questions"] is NSNull)
    try folder.write(
      "c.jsonl", #"{"question": "The king", "choices": [" is", " was"], "answer": 0}"# + "\n")
    let questions = try Running(
      ["evaluate", Self.belle + "/llama", "--choices", "c.jsonl", "-n", "--json"], in: folder.path
    ).finish()
    #expect(questions.status == 0, "\(questions.errors)")
    #expect(try questions.objects().last?["questions"] as? Int == 1)
  }

  @Test("a batch says what is left of it, and the file of an interrupted run stays as it is")
  func batch() throws {
    let folder = try place()
    let arguments = ["generate", Self.belle + "/llama", "--batch", "q.jsonl", "--max-tokens", "4", "-n"]
    let all = try Running(arguments + ["--json"], in: folder.path).finish()
    let summary = try #require(try all.objects().last)
    #expect(summary["records"] as? Int == 2 && summary["answered"] as? Int == 0 && summary["tokens"] as? Int == 8)
    #expect(summary["output"] is NSNull && summary["prompt_tokens"] as? Int ?? 0 > 2)
    try folder.write("out.unfinished", #"{"type":"of another"}"# + "\n")
    let before = try contents(folder)
    let other = try Running(arguments + ["--output", "out"], in: folder.path).finish()
    #expect(other.status == 1 && other.errors.contains("of an interrupted run with other questions"), "\(other.errors)")
    let anew = try Running(arguments + ["--output", "out", "--no-resume"], in: folder.path).finish()
    #expect(anew.status == 0 && anew.errors.contains("2 of 2 records would be asked"), "\(anew.errors)")
    #expect(try contents(folder) == before)
    try folder.write("bad.jsonl", "no JSON\n" + #"{"prompt": "a"}"#)
    let bad = try Running(
      ["generate", Self.belle + "/llama", "--batch", "bad.jsonl", "-n"], in: folder.path
    ).finish()
    #expect(bad.status == 1 && bad.errors.contains("1 of 2 records would be asked"), "\(bad.errors)")
    let single = try Running(["generate", Self.belle + "/llama", "--prompt", "a", "-n"], in: folder.path).finish()
    #expect(single.status == 64 && single.errors.contains("--show-prompt"), "\(single.errors)")
  }

  @Test("lists that say something else are refused before the files are read, by their size")
  func lists() throws {
    let folder = try place()
    try folder.write("m/MD5SUMS", "of something else\n")
    for option in [["-n"], []] {
      let run = try Running(["hash", "m", "--lists"] + option, in: folder.path).finish()
      #expect(run.status == 1 && run.output.isEmpty, "\(run.output)")
      #expect(run.errors.contains("m/MD5SUMS: it is there already, and says something else"), "\(run.errors)")
    }
    let forced = try Running(["hash", "m", "--lists", "-n", "-f"], in: folder.path).finish()
    #expect(forced.status == 0 && forced.output.contains("m/MD5SUMS"), "\(forced.output)")
    #expect(forced.output.contains("  in place of what is there"), "\(forced.output)")
    let plain = try Running(["hash", "m", "-n"], in: folder.path).finish()
    #expect(plain.status == 0 && plain.output.isEmpty, "\(plain.output)")
    #expect(plain.errors.contains(" files would be read"), "\(plain.errors)")
  }

  @Test("quantize says time, memory and disk, and whether earlier work would be gone on with or is another's")
  func quantize() throws {
    let folder = try place()
    let arguments = ["quantize", "m", "out", "--method", "rtn", "-g", "32", "-n"]
    let planned = try Running(arguments, in: folder.path).finish()
    #expect(planned.status == 0 && planned.errors.contains(" of memory, "), "\(planned.errors)")
    #expect(planned.errors.contains("nothing was written: it would be "))
    try folder.write("out/.belle-tools-work/plan.json", #"{"program": "another"}"#)
    let other = try Running(arguments, in: folder.path).finish()
    #expect(
      other.status == 1 && other.errors.contains("unfinished work with other inputs or options"), "\(other.errors)")
    #expect(try Running(arguments + ["--no-resume", "-f"], in: folder.path).finish().status == 0)
    #expect(try folder.names(in: "out") == [".belle-tools-work"])
  }
}
