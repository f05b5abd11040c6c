// What `inspect --safety` must never call harmless, and what it must not accuse. Each evasion was seen to run code in
// torch or pickle; the proof by loading is the topic `safety_evasions` of `make interop`.

import ByteIO
import FuzzedParsers
import TestSupport
import Testing

@testable import Checkpoint

/// Files whose loading runs more than weight files need, each in its own way.
private let evasions: [(name: String, bytes: [UInt8])] = {
  typealias P = PickleBytes
  let bad = P.call()
  let version: (String, [UInt8]) = ("archive/version", Array("3\n".utf8))
  func zip(_ pickle: [UInt8], _ more: [(String, [UInt8])] = []) -> [UInt8] {
    P.zip([("archive/data.pkl", pickle), version] + more)
  }
  let good: [UInt8] = [0x80, 2, 0x7D, 0x2E]
  let load = P.global("torch.storage", "_load_from_bytes")
  let rebuild = P.global("torch._tensor", "_rebuild_from_type_v2")
  let tensorClass = P.global("torch", "Tensor")
  let encode = P.global("_codecs", "encode")
  let ordered = P.global("collections", "OrderedDict") + [0x29, 0x52]
  let setState = P.text("__setstate__")
  let magic: [UInt8] = [0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
  let version1001: [UInt8] = [0x80, 2, 0x4D, 0xE9, 0x03, 0x2E]
  return [
    ("a bare pickle", bad),
    ("a zip", zip(bad)),
    (
      "BUILD that sets __setstate__",
      zip([0x80, 3] + ordered + [0x7D] + setState + load + [0x73, 0x62] + P.bytes(bad) + Array("b.".utf8))
    ),
    (
      "BUILD with a pair of states",
      zip(
        [0x80, 3] + ordered + [0x4E, 0x7D] + setState + load + [0x73, 0x86, 0x62] + P.bytes(bad) + Array("b.".utf8))
    ),
    (
      "BUILD of a function",
      zip([0x80, 3] + rebuild + [0x4E, 0x7D] + P.text("__code__") + P.bytes([]) + [0x73, 0x86, 0x62, 0x2E])
    ),
    ("BUILD that sets a function", zip([0x80, 3] + ordered + [0x7D] + P.text("items") + load + [0x73, 0x62, 0x2E])),
    (
      "a function given to a rebuilder",
      zip([0x80, 3] + rebuild + [0x28] + load + tensorClass + [0x28] + P.bytes(bad) + Array("t}tR.".utf8))
    ),
    (
      "a rebuilder given to a rebuilder",
      zip(
        [0x80, 3] + rebuild + [0x28] + rebuild + tensorClass + [0x28] + load + tensorClass + [0x28] + P.bytes(bad)
          + Array("t}t}tR.".utf8))
    ),
    (
      "a state given to a parameter",
      zip(
        [0x80, 3] + P.global("torch._utils", "_rebuild_parameter_with_state") + [0x28, 0x4E, 0x89, 0x4E, 0x7D]
          + setState + load + Array("stR.".utf8))
    ),
    (
      "bytes by another codec",
      zip([0x80, 2] + load + [0x28] + encode + [0x28] + P.text("+AGE-") + P.text("utf-7") + Array("tRtR.".utf8))
    ),
    ("bytes by no codec", zip([0x80, 2] + load + [0x28] + encode + [0x28] + P.text("é") + Array("tRtR.".utf8))),
    ("a file in a file", zip([0x80, 3] + load + P.bytes(bad) + [0x85, 0x52, 0x2E])),
    ("a zip in a file", zip([0x80, 3] + load + P.bytes(zip(bad)) + [0x85, 0x52, 0x2E])),
    (
      "a legacy file in a file",
      zip([0x80, 3] + load + P.bytes(magic + version1001 + good + bad + good) + [0x85, 0x52, 0x2E])
    ),
    (
      "a factory that is no class",
      zip([0x80, 3] + P.global("collections", "defaultdict") + load + [0x85, 0x52, 0x2E])
    ),
    ("the call of an object", zip([0x80, 3] + ordered + [0x29, 0x81, 0x2E] + bad)),
    ("the call of what a persistent id made", zip([0x80, 3] + P.text("module") + [0x85, 0x51, 0x29, 0x52, 0x2E])),
    (
      "arguments by name",
      zip(
        [0x80, 4] + P.global("torch._utils", "_rebuild_parameter_with_state") + [0x29, 0x7D] + P.text("state") + [
          0x4E, 0x73, 0x92, 0x2E,
        ])
    ),
    (
      "a name below an allowed module",
      zip([0x80, 4] + P.text("torch") + P.text("serialization.os.system") + [0x93, 0x29, 0x52, 0x2E])
    ),
    ("INST", [0x28] + P.text("true") + Array("iposix\nsystem\n.".utf8)),
    ("OBJ", [0x28] + P.global("posix", "system") + P.text("true") + Array("o.".utf8)),
    ("EXT1", [0x80, 2, 0x82, 1, 0x29, 0x52, 0x2E]),
    ("a pickle that breaks off", Array(bad.dropLast()) + [0xFF]),
    ("the second pickle", good + bad),
    ("the third pickle", good + good + bad),
    ("each of the five pickles of a legacy file", magic + version1001 + good + good + bad),
    ("a module name that a text has", Array("cantigravity\nx\n".utf8)),
    ("DATA.PKL", P.zip([("archive/DATA.PKL", bad), ("archive/data.pkl", good), version])),
    ("a member of another name", zip(good, [("archive/config", bad)])),
    (
      "a storage of another size",
      zip(
        [0x80, 2, 0x28] + P.text("storage") + P.global("torch", "FloatStorage") + P.text("0") + P.text("cpu") + [
          0x4B, 1,
        ] + Array("tQ.".utf8), [("archive/data/0", bad)])
    ),
    ("a zip behind something else", Array("GGUF".utf8) + zip(bad)),
    (
      "a zip with two end records",
      { () -> [UInt8] in
        let inner = P.zip([("archive/data.pkl", bad)])
        var outer = zip(good)
        outer[outer.count - 2] = UInt8(inner.count & 0xFF)
        outer[outer.count - 1] = UInt8(inner.count >> 8)
        return outer + inner
      }()
    ),
    (
      "an array of objects",
      NpyHeader.magic + [1, 0, 54, 0] + Array("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}".utf8) + bad
    ),
    (
      "an array of objects in a zip",
      P.zip([
        (
          "a.npy",
          NpyHeader.magic + [1, 0, 54, 0] + Array("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}".utf8) + bad
        )
      ])
    ),
    ("a tar", P.tar([(Array("storages".utf8), bad)])),
    ("a tar without the word", P.tar([(Array("N.".utf8), []), (Array("storages".utf8), bad)], magic: [])),
    ("a tar whose first name is a pickle", P.tar([(bad, [])])),
    ("gzip", [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0xFF, 0xFF]),
    ("a lone surrogate before the call", [0x80, 3, 0x58, 3, 0, 0, 0, 0xED, 0xA0, 0x80, 0x30] + bad.dropFirst(2)),
    ("a hexadecimal integer before the call", Array("I0x10\n0".utf8) + bad.dropFirst(2)),
    ("an octal integer before the call", Array("I010\n0".utf8) + bad.dropFirst(2)),
    ("an integer with underscores before the call", Array("L1_0L\n0".utf8) + bad.dropFirst(2)),
    ("digits before a zero byte before the call", Array("I1\u{0}x\n0".utf8) + bad.dropFirst(2)),
    ("a memo key with blanks before the call", Array("Np +1\n0g1\n0".utf8) + bad.dropFirst(2)),
    ("a frame that is too long", [0x80, 4, 0x95, 0, 1, 0, 0, 0, 0, 0, 0] + bad.dropFirst(2)),
    ("nothing appended to nothing before the call", [0x4E, 0x28, 0x65, 0x30] + bad.dropFirst(2)),
    ("BUILD of nothing with nothing before the call", [0x4E, 0x4E, 0x62, 0x30] + bad.dropFirst(2)),
    (
      "an item for a bytearray before the call", [0x96, 0, 0, 0, 0, 0, 0, 0, 0, 0x4B, 5, 0x61, 0x30] + bad.dropFirst(2)
    ),
    ("a float with blanks and underscores before the call", Array("F 1_0.5\n0".utf8) + bad.dropFirst(2)),
    (
      "a memo key of thirty digits before the call",
      Array("Np\(String(repeating: "9", count: 30))\n0".utf8) + bad.dropFirst(2)
    ),
    ("an archive in a zip", P.zip([("model.bin", zip(bad))])),
    ("an archive in a tar", P.tar([(Array("model.bin".utf8), zip(bad))])),
    ("a tar in a zip", P.zip([("model.tar", P.tar([(Array("x".utf8), bad)]))])),
    ("gzip in a zip", P.zip([("model.gz", [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0xFF, 0xFF])])),
    ("a name that is not called, in binary", [0x80, 2] + P.global("somewhere", "something") + [0x2E]),
    ("two backslashes before a u", Array("V\\\\u0\n0".utf8) + bad.dropFirst(2)),
  ]
}()

@Suite("What loading may run") struct PickleSurveyTests {
  @Test("is never called harmless", arguments: evasions.map(\.name))
  func evasion(name: String) throws {
    let file = try #require(evasions.first { $0.name == name })
    let survey = try PickleBytes.survey(file.bytes)
    #expect(!survey.isSafe)
  }

  @Test(
    "is never called harmless by `inspect --safety` either, by itself and in a folder", arguments: evasions.map(\.name))
  func program(name: String) throws {
    let file = try #require(evasions.first { $0.name == name })
    let folder = try TemporaryFolder()
    let path = try folder.write("m/a.pt", file.bytes)
    for given in [path, folder.file("m")] {
      let run = try belleTools("inspect", given, "--safety")
      #expect(run.status == 2, "\(run.output)\(run.errors)")
    }
  }

  @Test(
    "is never called harmless in a folder, wherever the file lies and whatever it is called",
    arguments: [
      "sub/a.pt", "sub/deeper/still/a", ".hidden/a.bin", "notes.txt", "weights", "a.safetensors", "README.md",
    ])
  func places(name: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("m/pytorch_model.bin", readBytes(project("Tests/Fixtures/checkpoints/dtypes.pt")))
    #expect(try belleTools("inspect", folder.file("m"), "--safety").status == 0)
    try folder.write("m/" + name, PickleBytes.call())
    let run = try belleTools("inspect", folder.file("m"), "--safety")
    #expect(run.status == 2 && run.output.contains(name), "\(run.output)\(run.errors)")
    let json = try belleTools("inspect", folder.file("m"), "--safety", "--json").objects()
    #expect(json.last?["unsafe"] as? Int == 1)
  }

  @Test(
    "is nothing where there is no pickle",
    arguments: [
      "(c) Somebody\nAll rights reserved\n", "cat\ndog\nbird\n", "{\"a\": 1}\n", "", "# Model\n", "I am a text\n",
      "1\n2\n",
      "class Foo:\n  pass\n", "The quick brown fox\n", "N", "version https://git-lfs.github.com/spec/v1\n",
      "contents\n========\n.. toctree::\n", "changelog\n1.0\n.\n", "cat\ndog\n.gitignore\n", "No. 1",
      "Nothing to see.\n", "\u{82}\u{A4}bert",
    ])
  func texts(text: String) throws {
    let survey = try PickleBytes.survey(Array(text.utf8), "a.txt")
    #expect(survey.isSafe && !survey.hasPickle && survey.globals.isEmpty)
  }

  @Test("is nothing in msgpack, which begins like an extension", arguments: [0x82, 0x83, 0x84] as [UInt8])
  func msgpack(first: UInt8) throws {
    let survey = try PickleBytes.survey(
      [first, 0xA4] + Array("bert".utf8) + [0x80, 0xA3] + Array("cls".utf8) + [0x80])
    #expect(survey.isSafe && !survey.hasPickle)
  }

  @Test("what comes before a break is told as far as it was run")
  func breaks() throws {
    let survey = try PickleBytes.survey(Array(PickleBytes.call().dropLast()))
    #expect(survey.globals.map(\.name) == ["system"])
    #expect(survey.problems.map(\.code) == [.truncated])
    #expect(survey.pickles.map(\.opcodeCount) == [5])
  }

  @Test("every name of torch's restricted loader is allowed", arguments: TorchNames.weightsOnly.sorted())
  func names(name: String) throws {
    let dot = try #require(name.lastIndex(of: "."))
    let pickle = PickleBytes.global(String(name[..<dot]), String(name[name.index(after: dot)...]))
    let survey = try PickleBytes.survey([0x80, 2] + pickle + [0x2E])
    #expect(survey.isSafe && survey.hasPickle)
  }

  @Test("values of a storage may look like a pickle, in the size that is declared")
  func storages() throws {
    let bad = PickleBytes.call()
    func file(_ count: UInt8) -> [UInt8] {
      let id = PickleBytes.text("storage") + PickleBytes.global("torch", "ByteStorage") + PickleBytes.text("0")
      let pickle = [0x80, 2, 0x28] + id + PickleBytes.text("cpu") + [0x4B, count] + Array("tQ.".utf8)
      return PickleBytes.zip([("archive/data.pkl", pickle), ("archive/data/0", bad)])
    }
    #expect(try PickleBytes.survey(file(UInt8(bad.count))).isSafe)
    #expect(try !PickleBytes.survey(file(UInt8(bad.count - 1))).isSafe)
  }

  @Test("two spellings of one member are refused where tensors are read")
  func spellings() throws {
    let good: [UInt8] = [0x80, 2, 0x7D, 0x2E]
    let file = PickleBytes.zip([("archive/DATA.PKL", good), ("archive/data.pkl", good)])
    #expect(throws: CheckpointError.self) { try TorchFile(MemoryBytes(file, "a.pt")) }
  }

  @Test("memory stays what the file paid for", arguments: [0x94, 0x28] as [UInt8])
  func bounds(opcode: UInt8) throws {
    // Entries of a memo, and marks: a byte each.
    let pickle = [0x80, 4, 0x4E] + [UInt8](repeating: opcode, count: 1_100_000) + [0x2E]
    let error = #expect(throws: CheckpointError.self) { try PickleMachine.run(pickle, file: "a.pkl") }
    #expect(error?.code == .limit)
  }
}

@Suite("PickleText") struct PickleTextTests {
  @Test(
    "UNICODE is Latin-1 with escapes, a backslash taking along what follows it",
    arguments: [
      (#"a\u0062"#, "ab"), (#"\\u0062"#, #"\\u0062"#), (#"\x41"#, #"\x41"#), (#"\U00000041"#, "A"),
      (#"\ud800"#, "\u{FFFD}"),
      (#"\"#, #"\"#),
    ])
  func rawUnicode(line: String, text: String) {
    #expect(PickleText.rawUnicode(Array(line.utf8)[...]) == text)
  }

  @Test("bytes beyond ASCII are one character each, also where they would be UTF-8")
  func latin1() {
    #expect(PickleText.rawUnicode([0xC3, 0xA9]) == "Ã©")
    #expect(PickleText.rawUnicode(Array(#"\u00"#.utf8)[...]) == nil)
    #expect(PickleText.rawUnicode(Array(#"\U00110000"#.utf8)[...]) == nil)
  }

  @Test(
    "integers are what Python's int says",
    arguments: [
      ("12", 12), (" 12 ", 12), ("+1_0", 10), ("-0x1F", -31), ("0b11", 3), ("0o17", 15), ("00", 0), ("0x_1", 1),
    ] as [(String, Int)])
  func integers(text: String, value: Int) {
    guard case .integer(let read)? = PickleText.integer(Array(text.utf8)[...], radix: 0) else {
      Issue.record("\(text) is not read")
      return
    }
    #expect(read == value)
  }

  @Test("and nothing where it says nothing", arguments: ["", " ", "_1", "1_", "1__0", "010", "0x", "1.0", "a", "--1"])
  func refusals(text: String) {
    #expect(PickleText.integer(Array(text.utf8)[...], radix: 0) == nil)
  }
}
