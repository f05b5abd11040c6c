// Ways past a survey that an attacker found, each a kind: headers that Python evaluates, archives that its readers read
// otherwise, programs without code, imports without calls, compression, and what costs too much.

import ByteIO
import FuzzedParsers
import Testing

@testable import Checkpoint

private typealias P = PickleBytes
private let bad = P.call()
private let good: [UInt8] = [0x80, 2, 0x7D, 0x2E]
private let version: (String, [UInt8]) = ("archive/version", Array("3\n".utf8))
private let harmlessZip = P.zip([("archive/data.pkl", good), version])

@Suite("Headers of .npy files that are not plain hold objects") struct NpyEvasionTests {
  @Test(
    "whatever Python makes of them",
    arguments: [
      "{'descr': '<f4', 'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
      "{'descr': '|\\x4f', 'fortran_order': False, 'shape': (1,), }",
      "{'descr': 'object', 'fortran_order': False, 'shape': (1,), }",
      "{#'descr': '<f4',\n'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
      "{'d\\x65scr': '|O', 'fortran_order': False, 'shape': (1,), }",
      "{'descr': ('|O', (1,)), 'fortran_order': False, 'shape': (1,), }",
      "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
      "{'descr': '<f4' '', 'fortran_order': False, 'shape': (1,), }",
    ])
  func headers(header: String) throws {
    #expect(try !P.survey(P.npy(header, bad), "a.npy").isSafe)
    #expect(try !P.survey(P.zip([("a.npy", P.npy(header, bad))]), "a.npz").isSafe)
    // Neither are these taken for numbers.
    #expect(throws: CheckpointError.self) { try NpyFile(MemoryBytes(P.npy(header, [0, 0, 0, 0]), "a.npy")) }
  }

  @Test("also where the header is longer than any is")
  func long() throws {
    let header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }" + String(repeating: " ", count: 70_000)
    #expect(try !P.survey(P.npy(header, bad, version: 2), "a.npy").isSafe)
  }

  @Test(
    "and plain ones hold numbers, which may look like a pickle",
    arguments: ["<f4", "|u1", ">i8", "<c16", "|b1", "<U3", "|S7", "<M8[ns]", "|V8"])
  func plain(type: String) throws {
    let header = "{'descr': '\(type)', 'fortran_order': False, 'shape': (3, 4), }   \n"
    #expect(try P.survey(P.npy(header, bad), "a.npy").isSafe)
    #expect(NpyHeader(Array(header.utf8))?.shape == [3, 4])
  }
}

@Suite("Tars that Python's tarfile reads otherwise are told") struct TarEvasionTests {
  private static let member = P.tarMember(Array("notes".utf8), Array("notes".utf8))

  private static let kinds: [(name: String, bytes: [UInt8])] = [
    ("a sparse map", P.pax([("GNU.sparse.map", "0,4"), ("GNU.sparse.size", "4")]) + member),
    ("a sparse file of version 1", P.pax([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")]) + member),
    ("a sparse name", P.pax([("GNU.sparse.name", "storages")]) + member),
    ("an old sparse file", P.tarMember(Array("notes".utf8), [], kind: "S")),
    ("a global size", P.pax([("size", "512")], kind: "g") + member),
    ("a global name", P.pax([("path", "storages")], kind: "g") + member),
    ("two extended headers", P.pax([("size", "5")]) + P.pax([("comment", "x")]) + member),
    ("a global header between", P.pax([("size", "5")]) + P.pax([("comment", "x")], kind: "g") + member),
    ("the code of names", P.pax([("hdrcharset", "BINARY")]) + member),
    ("a folder before POSIX that has bytes", P.tarMember(Array("notes/".utf8), bad, kind: "\0")),
    ("a length with a sign", P.tarMember(Array("pax".utf8), Array("+13 path=ab\n".utf8), kind: "x") + member),
  ]

  @Test("whatever they hold", arguments: kinds.map(\.name))
  func told(name: String) throws {
    let file = try #require(Self.kinds.first { $0.name == name })
    #expect(try !P.survey(file.bytes + [UInt8](repeating: 0, count: 1024)).isSafe)
  }

  @Test("and what git and tarfile write is not")
  func honest() throws {
    let file = P.pax([("comment", "c0ffee")], kind: "g") + P.pax([("path", "a long name"), ("mtime", "1.5")])
    let folder = P.tarMember(Array("folder/".utf8), [], kind: "5") + P.tarMember(Array("old/".utf8), [], kind: "\0")
    #expect(try P.survey(file + Self.member + folder + [UInt8](repeating: 0, count: 1024)).isSafe)
  }
}

@Suite("Programs are told by what makes them programs") struct ProgramTests {
  private static let broken: [UInt8] = [0x80, 2] + P.global("__torch__", "Script") + [0x58, 1, 0, 0, 0, 0xFF]

  @Test(
    "in a zip, without regard to case and to its pickle",
    arguments: [
      "archive/CODE/__torch__.py", "archive/code/__torch__.PY", "archive/constants.pkl", "archive/Bytecode.PKL",
      "archive/model.json",
    ])
  func zips(name: String) throws {
    let survey = try P.survey(P.zip([("archive/data.pkl", Self.broken), version, (name, [])]))
    #expect(!survey.isSafe && survey.problems.contains { $0.reason.contains("TorchScript") })
  }

  @Test("in a flatbuffer")
  func flatbuffer() throws {
    let survey = try P.survey([0x18, 0, 0, 0] + Array("PTMF".utf8) + [UInt8](repeating: 0, count: 32), "a.ff")
    #expect(!survey.isSafe && survey.isProgram)
  }
}

@Suite("To import a module is to run it") struct ImportTests {
  private static let kinds: [(name: String, bytes: [UInt8])] = [
    ("a text that ends with its STOP", Array("cevil\nx\n.".utf8)),
    ("a dictionary, and a byte of no text", Array("}q\u{0}cevil\nx\n.and more\n".utf8)),
    ("a binary pickle that is cut", [0x80, 2] + Array("cevil\nx\n".utf8)),
    ("Python 2's builtins", Array("c__builtin__\nlen\n.\n".utf8)),
    ("a function of torch's", Array("ctorch.hub\nload\n.\n".utf8)),
    ("a module of a long name, called", Array("c\(String(repeating: "a.", count: 600))a\nx\n)R.".utf8)),
    ("a name that is long", [0x80, 2] + Array("cevil\n\(String(repeating: "a", count: 1200))\n.".utf8)),
    ("a module of control characters, called", Array("c\u{1}\nx\n)R.".utf8)),
  ]

  @Test("whatever the file is called", arguments: kinds.map(\.name))
  func told(name: String) throws {
    let file = try #require(Self.kinds.first { $0.name == name })
    #expect(try !P.survey(file.bytes, "notes.txt").isSafe)
  }

  @Test("a text that is cut is told by its name", arguments: ["a.pkl", "a.pt", "a.PTH", "pytorch_model.bin"])
  func called(name: String) throws {
    #expect(try !P.survey(Array("cevil\nx\n".utf8), name).isSafe)
    #expect(try P.survey(Array("cevil\nx\n".utf8), "notes.txt").isSafe)
    #expect(try !P.survey(P.zip([("archive/data.pkl", Array("cevil\nx\n".utf8)), version])).isSafe)
  }

  @Test("an object of a registry that is called is told without STOP, and behind another pickle")
  func registry() throws {
    let call: [UInt8] = [0x82, 0x77] + P.text("ran") + [0x85, 0x52]
    for bytes in [call, call + [0xFF], good + call, [0x84, 0x77, 0, 0, 0] + call.dropFirst(2) + [0x30]] {
      #expect(try !P.survey(bytes).isSafe)
    }
    let behind: [UInt8] =
      [0x82, 0x77, 0x30] + P.text("posix") + P.text("mkdir") + [0x93] + P.text("ran") + [0x85, 0x52, 0xFF]
    #expect(try !P.survey(behind).isSafe)
  }
}

@Suite("Archives and compression beside what is harmless") struct BesideTests {
  private static let compressed: [(name: String, bytes: [UInt8])] = [
    ("lzma of a small dictionary", [0x5D, 0, 0x10, 0, 0] + [UInt8](repeating: 0xFF, count: 8) + [0, 1, 2, 3]),
    ("lzma of another", [0x5D, 0, 0x11, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]),
    ("gzip", [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0x4B, 0x04, 0, 0x43, 0xBE, 0xB7, 0xE8, 1, 0, 0, 0]),
    ("zlib", [0x78, 0xDA, 0x4B, 0x04, 0, 0, 0x62, 0, 0x62]),
    ("bzip2", Array("BZh9".utf8) + [0x31, 0x41, 0x59, 0x26, 0x53, 0x59]),
    ("xz", [0xFD] + Array("7zXZ".utf8) + [0, 0, 4]), ("lz4", [0x04, 0x22, 0x4D, 0x18, 0x64]),
    ("joblib's first", Array("ZF0x1                ".utf8) + [0x78, 0xDA, 0x4B, 0x04, 0, 0, 0x62, 0, 0x62]),
  ]

  @Test("compression is told, also before a harmless zip", arguments: compressed.map(\.name))
  func compression(name: String) throws {
    let file = try #require(Self.compressed.first { $0.name == name })
    #expect(Compression.name(of: file.bytes) != nil)
    #expect(try !P.survey(file.bytes).isSafe)
    #expect(try !P.survey(file.bytes + harmlessZip).isSafe)
  }

  @Test("what comes out only behind the first bytes is compressed, too", arguments: [0, 1])
  func late(kind: Int) throws {
    let names: [UInt8] = [0x1F, 0x8B, 8, 8, 0, 0, 0, 0, 0, 3] + [UInt8](repeating: 0x61, count: FileKind.headSize)
    let block: [UInt8] = [0, 0, 0, 0xFF, 0xFF]
    let blocks: [UInt8] = [0x78, 0xDA] + (0..<FileKind.headSize).flatMap { _ in block }
    #expect(try !P.survey(kind == 0 ? names : blocks).isSafe)
  }

  @Test(
    "texts and lengths of safetensors headers are not compressed",
    arguments: [
      Array("x^2 + y^2 = z^2, as everybody knows who went to school\n".utf8),
      [0x1F, 0x8B, 0, 0, 0, 0, 0, 0, 0x7B, 0x22],
      [0x78, 0x9C, 0, 0, 0, 0, 0, 0, 0x7B, 0x22], [0x5D, 0, 0, 0, 0, 0, 0, 0] + Array("{\"weight\":{".utf8),
    ] as [[UInt8]])
  func plain(bytes: [UInt8]) throws {
    #expect(Compression.name(of: bytes) == nil)
  }

  @Test("a zip behind something is looked into, whatever follows it or its comment says")
  func zips() throws {
    let prefix = [UInt8](repeating: 0x78, count: 64)
    var lying = P.zip([("archive/data.pkl", bad), version])
    lying[lying.count - 2] = 1
    #expect(try !P.survey(prefix + P.zip([("archive/data.pkl", bad)]) + Array("tail".utf8)).isSafe)
    #expect(try !P.survey(prefix + lying + Array("abc".utf8)).isSafe)
    #expect(try P.survey(prefix + harmlessZip).isSafe)
    #expect(try P.survey(prefix + Array("PK\u{5}\u{6}".utf8) + prefix).isSafe)
  }

  @Test("a storage of another name than torch's is looked at", arguments: ["a.npy", "b.pkl"])
  func storages(key: String) throws {
    let values = key == "a.npy" ? P.npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", bad) : bad
    let id = P.text("storage") + P.global("torch", "ByteStorage") + P.text(key) + P.text("cpu")
    let pickle = [0x80, 2, 0x28] + id + [0x4B, UInt8(values.count)] + Array("tQ.".utf8)
    #expect(try !P.survey(P.zip([("archive/data.pkl", pickle), ("archive/data/\(key)", values), version])).isSafe)
  }
}

@Suite("What a survey takes is bounded, and told") struct SurveyBudgetTests {
  private func reasons(_ bytes: [UInt8]) throws -> [String] { try P.survey(bytes).problems.map(\.reason) }

  @Test("too many names in a pickle")
  func names() throws {
    let names = (0..<100_001).flatMap { Array("cos\n\($0)\n0".utf8) }
    let survey = try P.survey([0x80, 2] + names + [0x4E, 0x2E])
    #expect(!survey.isSafe && survey.globals.count == 100_000)
    #expect(survey.problems.contains { $0.reason.contains("too many names to list") })
  }

  @Test("one name a hundred thousand times is one name")
  func repeated() throws {
    let names = (0..<150_000).flatMap { _ in Array("ctorch\nint8\n0".utf8) }
    let survey = try P.survey([0x80, 2] + names + [0x4E, 0x2E])
    #expect(survey.isSafe && survey.globals.map(\.count) == [150_000])
  }

  @Test("too many pickles, and too many problems")
  func pickles() throws {
    let row = (0..<999).flatMap { _ in [0x4E, 0x2E] as [UInt8] }
    #expect(try reasons(P.zip((0..<201).map { ("\($0)", row) })).contains { $0.contains("too many pickles") })
    let archives = (0..<1001).map { ("\($0)", [0x50, 0x4B, 3, 4] as [UInt8]) }
    #expect(try reasons(P.zip(archives)).contains { $0.contains("too many problems") })
  }
}

@Suite("Values of Python's own that do no harm are not accused") struct HarmlessValueTests {
  @Test(
    "called or not",
    arguments: [
      P.global("__builtin__", "slice") + [0x4B, 1, 0x4B, 2, 0x4E, 0x87, 0x52],
      P.global("__builtin__", "xrange") + [0x4B, 0, 0x4B, 3, 0x4B, 1, 0x87, 0x52],
      P.global("builtins", "range") + [0x4B, 0, 0x4B, 3, 0x4B, 1, 0x87, 0x52], P.global("__builtin__", "Ellipsis"),
      P.global("collections", "deque") + [0x29, 0x4B, 4, 0x86, 0x52, 0x28, 0x4B, 1, 0x65],
      P.global("decimal", "Decimal") + P.text("1.5") + [0x85, 0x52],
      P.global("collections", "defaultdict") + P.global("__builtin__", "complex") + [0x85, 0x52],
      P.global("collections", "defaultdict") + P.global("__builtin__", "bytes") + [0x85, 0x52],
    ] as [[UInt8]])
  func values(code: [UInt8]) throws {
    let survey = try P.survey([0x80, 2] + code + [0x2E])
    #expect(survey.isSafe && survey.hasPickle)
    // Neither do they keep what lies beside them from being read.
    #expect(throws: Never.self) { try PickleMachine.run([0x80, 2] + code + [0x2E], file: "a.pkl") }
  }

  @Test("a quantized tensor that is pickled by itself")
  func quantized() throws {
    let magic: [UInt8] = [0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
    let id = P.text("storage") + P.global("torch", "QInt8Storage") + P.text("1") + P.text("cpu") + [0x4B, 3, 0x4E]
    let object: [UInt8] = [0x80, 2, 0x28] + id + Array("tQ.".utf8)
    let keys = [0x80, 2, 0x5D] + P.text("1") + [0x61, 0x2E]
    let file = magic + [0x80, 2, 0x4D, 0xE9, 0x03, 0x2E] + good + object + keys + [3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]
    let storage = P.global("torch.storage", "_load_from_bytes") + P.bytes(file) + [0x85, 0x52]
    let tensor = P.global("torch._utils", "_rebuild_qtensor") + [0x28] + storage + Array("K\u{0}tR.".utf8)
    #expect(try P.survey([0x80, 3] + tensor).isSafe)
    // What is beside it in that file is looked at all the same.
    let hostile = magic + [0x80, 2, 0x4D, 0xE9, 0x03, 0x2E] + bad + object + keys
    let call = P.global("torch.storage", "_load_from_bytes") + P.bytes(hostile) + [0x85, 0x52, 0x2E]
    #expect(try !P.survey([0x80, 3] + call).isSafe)
  }
}
