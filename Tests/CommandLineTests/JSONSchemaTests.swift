// What every verb prints with --json, held against the schemas in Documentation/json: `objects()` does that, here and in all
// other tests; here each verb succeeds and fails at least once.

import Foundation
import TestSupport
import Testing

@Suite("--json against its schemas") struct JSONSchemaTests {
  private static let model = project("Tests/Fixtures/qwen/qwen2")

  /// The types of the lines of a run, each of which fits the verb's schema.
  private func types(_ arguments: [String], status: Int32 = 0, in folder: String? = nil) throws -> [String] {
    let run = try Running(arguments + ["--json"], in: folder).finish()
    #expect(run.status == status, "\(arguments) \(run.output) \(run.errors)")
    #expect(run.jsonVerb == arguments[0])
    return try run.objects().map { $0["type"] as? String ?? "" }
  }

  @Test("every verb has a schema, and every schema a verb")
  func complete() throws {
    let help = try belleTools("--help").output
    let verbs = try JSONSchemas.project.verbs().filter { $0 != "error" }
    for verb in verbs { #expect(help.contains("\n  \(verb) "), "\(verb)") }
    let hint = try belleTools("nosuchverb-at-all").errors
    let named = hint.split(separator: "\n").first { $0.hasPrefix("hint: the verbs are ") }?
      .dropFirst("hint: the verbs are ".count).split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    #expect(named?.sorted() == verbs)
  }

  @Test("a verb that fails, and one that is misused, prints an object of type error and nothing after it")
  func failures() throws {
    for verb in try JSONSchemas.project.verbs() where verb != "error" {
      #expect(try types([verb, "--no-such-option"], status: 64) == ["error"], "\(verb)")
      let arguments: [String: [String]] = [
        "compare": ["/no/a", "/no/b"], "convert": ["/no/a", "/no/b"], "decrypt": ["/no/a", "/no/k", "/no/b"],
        "encrypt": ["/no/a", "/no/k", "/no/b"], "evaluate": ["/no/a", "--text", "/no/t"],
        "extend": ["/no/a", "/no/t", "/no/b"],
        "merge": ["/no/a", "/no/b", "/no/c"], "generate": ["/no/a", "--prompt", "x"], "releases": ["no-such-release"],
      ]
      // It reads nothing that could be missing.
      if verb == "models" { continue }
      #expect(try types([verb] + arguments[verb, default: ["/no/a"]], status: 1).last == "error", "\(verb)")
    }
  }

  @Test("publishers' verbs: encrypt, decrypt, verify, hash, releases")
  func publishing() throws {
    let release = try Release(large: 0)
    #expect(try types(["decrypt", release.enc, release.key, release.out]).last == "summary")
    #expect(try types(["decrypt", release.enc, release.key, release.out, "--dry-run"]).last == "summary")
    let again = release.folder.file("again")
    #expect(try types(["encrypt", release.out, release.key, again, "--lists"]).last == "summary")
    #expect(try types(["verify", again]) == Array(repeating: "file", count: 6) + ["summary"])
    #expect(try types(["verify", release.out + "/config.json"]) == ["file", "summary"])
    #expect(try types(["hash", release.out, "--lists"]).last == "summary")
    try flip(release.out + "/tokenizer.model", at: 7)
    #expect(try types(["verify", release.out], status: 2).last == "summary")
    #expect(try types(["decrypt", release.enc, release.key, release.out], status: 1).last != "file")
    let plain = try String(decoding: readBytes(again + "/decrypted.md5"), as: UTF8.self)
    let list = try release.folder.write("list", plain + "\(String(repeating: "0", count: 32))  absent.bin\n")
    #expect(
      try types(["decrypt", release.enc, release.key, release.folder.file("b"), "--manifest", list], status: 2).last
        == "summary")
    try release.folder.write("u/x.bin", "x")
    #expect(try types(["verify", release.folder.file("u/x.bin")], status: 2) == ["file", "file", "summary"])
    #expect(try types(["releases"]).last == "summary")
    #expect(try types(["releases", "BELLE-LLaMA-7B-2M-enc"]) == ["release", "summary"])
  }

  @Test("verbs on models")
  func models() throws {
    let folder = try TemporaryFolder()
    for options in [[], ["--stats"]] { #expect(try types(["inspect", Self.model] + options).last == "summary") }
    #expect(try types(["inspect", Self.model, "--safety"]).last == "summary")
    #expect(try types(["convert", Self.model, folder.file("m.gguf")]) == ["summary"])
    #expect(try types(["compare", Self.model, folder.file("m.gguf"), "--tolerance", "1"]).last == "summary")
    #expect(try types(["doctor", Self.model]).last == "summary")
    #expect(try types(["models"]).last == "summary")
    try folder.write("bad/config.json", "{}")
    let bad = try belleTools("doctor", folder.file("bad"), "--json")
    let lines = try bad.objects()
    #expect(bad.status > 0 && !lines.isEmpty, "\(bad.errors)")
    #expect(
      try types(["generate", Self.model, "--prompt", "a", "--max-tokens", "2"]) == ["text", "summary"])
  }
}

@Suite("The validator of the tests") struct JSONSchemaValidatorTests {
  private func fault(_ value: String, verb: String = "hash") throws -> String? {
    let object = try JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
    do {
      try JSONSchemas.project.check(object, verb: verb)
      return nil
    } catch { return "\(error)" }
  }

  private static let line = #""type":"summary","files":1,"failed":0,"bytes":3,"lists":[]"#

  @Test(
    "it finds what is missing, too much, of another type and of another value",
    arguments: [
      #"{"type":"summary","files":1,"failed":0,"bytes":3}"#, "{\(line),\"new\":1}",
      #"{"type":"summary","files":"1","failed":0,"bytes":3,"lists":[]}"#,
      #"{"type":"summary","files":true,"failed":0,"bytes":3,"lists":[]}"#,
      #"{"type":"summary","files":1.5,"failed":0,"bytes":3,"lists":[]}"#,
      #"{"type":"summary","files":-1,"failed":0,"bytes":3,"lists":[]}"#,
      #"{"type":"summary","files":1,"failed":0,"bytes":3,"lists":[1]}"#, #"{"type":"other"}"#, "[]", "null",
      #"{"type":"error","message":"x","hint":null}"#,
      #"{"type":"file","path":"a","bytes":1,"sha256":"0","md5":null,"error":null}"#,
    ])
  func faults(value: String) throws { #expect(try fault(value) != nil) }

  @Test("it takes what is right")
  func right() throws {
    #expect(try fault("{\(Self.line)}") == nil)
    #expect(try fault(#"{"type":"error","message":"x","hint":null,"path":"y"}"#) == nil)
  }

  @Test("a keyword that it does not know is a fault, not passed over")
  func unknownKeyword() throws {
    let folder = try TemporaryFolder()
    try folder.write("x.schema.json", #"{"uniqueItems":true}"#)
    #expect(throws: SchemaViolation.self) { try JSONSchemas(folder: folder.path).check([1], verb: "x") }
  }
}
