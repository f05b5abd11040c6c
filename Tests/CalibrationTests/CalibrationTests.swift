import ByteIO
import CZlib
import Checkpoint
import Foundation
import TestSupport
import Testing
import Tokenizer
import Transformer

@testable import Quantize

/// One token a byte: what a text becomes can be read off.
private struct ByteTokenizer: Tokenizer {
  var kind: String { "bytes" }
  var vocabularySize: Int { 257 }
  var special: SpecialTokens {
    var special = SpecialTokens()
    special.prefix = [256]
    return special
  }

  func encode(_ text: String) throws -> [Int32] { text.utf8.map { Int32($0) } }
  func decode(_ ids: [Int32]) throws -> String {
    String(decoding: ids.filter { $0 < 256 }.map { UInt8($0) }, as: UTF8.self)
  }
}

@Suite("Texts") struct TextDocumentsTests {
  static let conversation = "Human: 你好\n\nAssistant: Hello"

  @Test(
    "each known form is one document",
    arguments: [
      ("plain.txt", "\u{FEFF}你好\n", ["你好\n"]),
      ("array.json", #"["a", {"text": "b"}, {"content": "c"}]"#, ["a", "b", "c"]),
      ("lines.jsonl", "{\"text\": \"a\"}\n\n{\"text\": \"b\"}\n", ["a", "b"]),
      // BELLE's .json files are JSON Lines.
      ("belle.json", #"{"instruction": "你好", "input": "", "output": "Hello"}"# + "\n", [conversation]),
      ("input.json", #"[{"instruction": "Add", "input": "1 2", "output": "3"}]"#, ["Human: Add\n1 2\n\nAssistant: 3"]),
      ("one.json", "{\n  \"text\": \"a\"\n}", ["a"]),
      (
        "belle-chat.jsonl",
        #"{"conversations": [{"from": "human", "value": "你好"}, {"from": "assistant", "value": "Hello"}]}"#,
        [conversation]
      ),
      (
        "sharegpt.json", #"[{"conversations": [{"from": "human", "value": "你好"}, {"from": "gpt", "value": "Hello"}]}]"#,
        [conversation]
      ),
      (
        "messages.jsonl",
        #"{"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "Hello"}]}"#, [conversation]
      ),
      (
        "wrapped.jsonl", #"{"instruction": "Human: 你好\n\nAssistant:", "output": "Hello"}"#, [conversation]
      ),
      ("empty.jsonl", "\n", []),
    ])
  func forms(name: String, text: String, documents: [String]) throws {
    let folder = try TemporaryFolder()
    #expect(try TextDocuments.read(folder.write(name, text)) == documents)
  }

  @Test(
    "what is of no known form is told with its place",
    arguments: [
      ("a.jsonl", "{\"text\": \"a\"}\n{", "line 2"), ("b.json", "[1]", "element 1"), ("c.json", "[", nil),
      ("d.jsonl", #"{"foo": 1}"#, "line 1"),
      ("e.jsonl", #"{"conversations": [{"from": "robot", "value": "x"}]}"#, "line 1"),
      ("f.jsonl", #"{"conversations": [{"from": "human"}]}"#, "line 1"), ("g.jsonl", "3", "line 1"),
    ] as [(String, String, String?)])
  func malformed(name: String, text: String, place: String?) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, text)
    #expect { try TextDocuments.read(path) } throws: { error in
      guard let error = error as? CalibrationError else { return false }
      return error.file == path && (place == nil || error.place == place)
    }
  }

  @Test("bytes that are no UTF-8 are refused")
  func encoding() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("gb.txt", [0xC4, 0xE3, 0xBA, 0xC3])
    #expect { try TextDocuments.read(path) } throws: {
      ($0 as? CalibrationError)?.remedy?.description.contains("iconv -f GB18030 -t UTF-8") == true
    }
  }
}

@Suite("Token files") struct TokenFileTests {
  private func file(_ tensors: [(String, DType, [Int], [Int64])], in folder: TemporaryFolder) throws -> String {
    var source = MemorySource()
    for (name, dtype, shape, values) in tensors {
      switch dtype {
      case .i64: source.add(name, dtype, shape, values)
      case .i32: source.add(name, dtype, shape, values.map { Int32($0) })
      case .u16: source.add(name, dtype, shape, values.map { UInt16($0) })
      default: source.add(name, dtype, shape, values.map { Float($0) })
      }
    }
    try source.write(in: folder.path)
    return folder.file("model.safetensors")
  }

  @Test("rows are windows, in any type of integers", arguments: [DType.i64, .i32, .u16])
  func rows(dtype: DType) throws {
    let folder = try TemporaryFolder()
    let path = try file([("tokens", dtype, [2, 3], [1, 2, 3, 4, 5, 6])], in: folder)
    #expect(TokenFile.isOne(path) && TokenFile.isOne(path + ":tokens") && !TokenFile.isOne("text.txt"))
    #expect(try TokenFile.windows(path, vocabularySize: 7) == TokenWindows([1, 2, 3, 4, 5, 6], length: 3))
    #expect(try TokenFile.windows(path + ":tokens", vocabularySize: 7).count == 2)
    #expect { try TokenFile.windows(path, vocabularySize: 6) } throws: {
      ($0 as? CalibrationError)?.code == .badToken && ($0 as? CalibrationError)?.place == "row 1"
    }
  }

  @Test("a tensor is named where there are several; what is none is told")
  func names() throws {
    let folder = try TemporaryFolder()
    let path = try file(
      [("a", .i32, [1, 2], [1, 2]), ("b", .i32, [1, 2], [3, 4]), ("c", .f32, [1, 2], [5, 6])], in: folder)
    #expect(try TokenFile.windows(path + ":b", vocabularySize: 9).tokens == [3, 4])
    for wrong in ["", ":c", ":d"] {
      #expect(throws: CalibrationError.self) { try TokenFile.windows(path + wrong, vocabularySize: 9) }
    }
    let negative = try file([("a", .i64, [1, 2], [1, -2])], in: folder)
    #expect(throws: CalibrationError.self) { try TokenFile.windows(negative, vocabularySize: 9) }
    let flat = try file([("a", .i64, [2], [1, 2])], in: folder)
    #expect(throws: CalibrationError.self) { try TokenFile.windows(flat, vocabularySize: 9) }
  }
}

@Suite("Calibration data") struct CalibrationTests {
  private func draw(
    _ files: [String], samples: Int? = nil, length: Int? = nil, defaultLength: Int = 8, seed: UInt64 = 0
  ) throws -> Calibration {
    try Calibration.drawn(
      from: files, tokenizer: { ByteTokenizer() }, vocabularySize: 257, samples: samples, length: length,
      defaultLength: defaultLength, seed: seed)
  }

  @Test("samples come from all over a text of one line without spaces", arguments: ["汉字", "😀👩‍👧"])
  func oneLine(word: String) throws {
    let folder = try TemporaryFolder()
    let line = String(repeating: word, count: 40_000)
    let paths = try [
      folder.write("a.txt", line), folder.write("b.txt", line.prefix(4000) + String(repeating: "文", count: 80_000)),
    ]
    let samples = try paths.map { path in
      try Calibration.drawn(
        from: [path], tokenizer: { ByteTokenizer() }, vocabularySize: 257, samples: 8, length: 1000,
        defaultLength: 1000, seed: 0
      ).windows
    }
    #expect(samples[0] != samples[1])
  }

  @Test("the corpus in the program is the one in calibration/")
  func embedded() throws {
    let names = try Folder.entries(of: project("calibration")).map(\.name).filter { $0.hasSuffix(".txt") }
    #expect(EmbeddedFiles.calibration.map(\.path) == names)
    for (name, text) in EmbeddedFiles.calibration {
      let file = String(decoding: try readBytes(project("calibration/" + name)), as: UTF8.self)
      #expect(text == file, "\(name)")
    }
  }

  @Test("the texts that models are evaluated on are those of calibration/held-out/, and none of them is in the corpus")
  func heldOut() throws {
    let folder = project("calibration/held-out")
    let names = try Folder.entries(of: folder).map(\.name).filter { $0.hasSuffix(".txt") }
    #expect(EmbeddedFiles.heldOut.map(\.path) == names && names.count > 3)
    let corpus = EmbeddedFiles.calibration.map(\.text).joined(separator: "\n")
    for (name, text) in EmbeddedFiles.heldOut {
      #expect(try text == String(decoding: readBytes(folder + "/" + name), as: UTF8.self), "\(name)")
      for line in text.split(separator: "\n") where line.utf8.count > 40 {
        #expect(!corpus.contains(line), "\(name): \(line.prefix(60))")
      }
    }
    let made = try Calibration.inOrder(
      nil, tokenizer: { ByteTokenizer() }, vocabularySize: 257, length: nil, defaultLength: 512)
    #expect(made.windows.count > 20 && made.windows.length == 512)
    let few = try Calibration.inOrder(
      nil, tokenizer: { ByteTokenizer() }, vocabularySize: 257, length: nil, defaultLength: 512, maximumTokens: 600)
    #expect(few.windows.tokens.count == 512 && few.fingerprint != made.fingerprint)
  }

  /// A text's share that zlib leaves of it.
  private func left(of text: String) throws -> Double {
    let bytes = Array(text.utf8)
    var size = compressBound(UInt(bytes.count))
    var packed = [UInt8](repeating: 0, count: Int(size))
    let status = unsafe compress2(&packed, &size, bytes, UInt(bytes.count), 9)
    try #require(status == Z_OK)
    return Double(size) / Double(bytes.count)
  }

  @Test(
    "no built-in text is made by filling in a template: little is left of one that is, and much of what people write")
  func varied() throws {
    let template = (0..<100).map { number in
      "Question \(number): what is \(number * 7) plus \(number * 3)? The answer to this question is \(number * 10).\n"
    }
    #expect(try left(of: template.joined()) < 0.25)
    for (name, text) in EmbeddedFiles.calibration + EmbeddedFiles.heldOut {
      let share = try left(of: text)
      #expect(share > 0.42, "\(name): \(share)")
    }
  }

  @Test("the built-in corpus gives what is asked for, and says how much there is")
  func builtIn() throws {
    func make(_ samples: Int?, _ length: Int, seed: UInt64 = 0) throws -> Calibration {
      try Calibration.builtIn(
        tokenizer: { ByteTokenizer() }, vocabularySize: 257, samples: samples, length: length, seed: seed)
    }
    let all = try make(nil, 2048)
    #expect(all.windows.count > 30 && all.windows.count < 128 && all.windows.length == 2048)
    let few = try make(4, 512)
    #expect(few.windows.count == 4)
    #expect(try make(4, 512) == few)
    #expect(try make(4, 512, seed: 1).windows != few.windows)
    #expect(try make(nil, 16).windows.count == 128)
    // Something of everything: Chinese and English, from several files.
    let text = try ByteTokenizer().decode(try make(16, 1024).windows.tokens)
    #expect(text.contains("的") && text.contains(" the "))
    #expect { try make(1000, 2048) } throws: { ($0 as? CalibrationError)?.code == .tooShort }
    #expect(throws: CalibrationError.self) { try make(nil, 1 << 20) }
  }

  @Test("samples of texts: the same for a seed, as many as there are where nothing is said")
  func texts() throws {
    let folder = try TemporaryFolder()
    let lines = (0..<3000).map { "line \($0)\n" }.joined()
    let path = try folder.write("lines.txt", lines)
    let one = try draw([path], samples: 5, length: 100)
    #expect(one.windows.count == 5 && one.windows.length == 100)
    #expect(try draw([path], samples: 5, length: 100) == one)
    let other = try draw([path], samples: 5, length: 100, seed: 1)
    #expect(other.windows != one.windows && other.fingerprint != one.fingerprint)
    #expect(try draw([path], length: 1000).windows.count == lines.utf8.count / 1000)
    #expect(try draw([path]).windows.count == 128)
    #expect { try draw([path], samples: 31, length: 1000) } throws: {
      ($0 as? CalibrationError)?.remedy?.description.contains("\(lines.utf8.count / 1000) of 1000 would do") == true
    }
    let short = try folder.write("short.txt", "abc")
    #expect { try draw([short]) } throws: { ($0 as? CalibrationError)?.code == .tooShort }
    let empty = try folder.write("empty.txt", "")
    #expect { try draw([empty]) } throws: { ($0 as? CalibrationError)?.reason == "the file is empty" }
  }

  @Test("token files: all rows in their order, or some by the seed")
  func tokens() throws {
    let folder = try TemporaryFolder()
    var source = MemorySource()
    source.add("a", .i32, [4, 3], (0..<12).map { Int32($0) })
    try source.write(in: folder.path)
    let path = folder.file("model.safetensors")
    #expect(try draw([path]).windows == TokenWindows((0..<12).map { Int32($0) }, length: 3))
    #expect(try draw([path], samples: 2).windows.count == 2)
    #expect(try draw([path], length: 1).windows.count == 12)
    #expect(throws: CalibrationError.self) { try draw([path], length: 4) }
    let text = try folder.write("a.txt", "text")
    #expect(throws: CalibrationError.self) { try draw([path, text]) }
  }

  @Test("in order: full windows, or one shorter one")
  func inOrder() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.txt", "abcdefghij")
    func make(_ length: Int?, maximum: Int? = nil) throws -> Calibration {
      try Calibration.inOrder(
        path, tokenizer: { ByteTokenizer() }, vocabularySize: 257, length: length, defaultLength: 100,
        maximumTokens: maximum)
    }
    let three = try make(3)
    #expect(three.windows.tokens == [256, 97, 98, 99, 100, 101, 102, 103, 104] && three.unusedTokens == 2)
    #expect(try make(nil).windows == TokenWindows([256] + (97..<107).map { Int32($0) }, length: 11))
  }

  @Test(
    "no more tokens are predicted than are asked for: whole windows, or one shorter one",
    arguments: [
      (3, 1, [2]), (3, 2, [3]), (3, 3, [3]), (3, 4, [3, 3]), (3, 7, [3, 3, 3]), (3, 100, [3, 3, 3]), (100, 4, [5]),
    ])
  func maximum(length: Int, maximum: Int, windows: [Int]) throws {
    let folder = try TemporaryFolder()
    let text = try folder.write("a.txt", "abcdefghij")
    var rows = MemorySource()
    rows.add("a", .i32, [3, 3], (0..<9).map { Int32($0) })
    try rows.write(in: folder.path)
    for path in length == 3 ? [text, folder.file("model.safetensors")] : [text] {
      let made = try Calibration.inOrder(
        path, tokenizer: { ByteTokenizer() }, vocabularySize: 257, length: length, defaultLength: 100,
        maximumTokens: maximum
      ).windows
      #expect(Array(repeating: made.length, count: made.count) == windows)
    }
  }

  @Test("what comes after the tokens that were asked for is not looked at", arguments: ["a.json", "a.jsonl"])
  func early(name: String) throws {
    let folder = try TemporaryFolder()
    let element = #"{"text": "abc, [de] \" }"}"#
    let path = try folder.write(
      name, name == "a.json" ? "[\(element), \(element), 1" : "\(element)\n\(element)\nno JSON")
    func make(_ maximum: Int?) throws -> Calibration {
      try Calibration.inOrder(
        path, tokenizer: { ByteTokenizer() }, vocabularySize: 257, length: nil, defaultLength: 100,
        maximumTokens: maximum)
    }
    #expect(try make(20).windows.tokens.count == 21)
    #expect(throws: CalibrationError.self) { try make(nil) }
  }

  @Test("a document of more values than any text has is refused before anything is made of it")
  func values() throws {
    let folder = try TemporaryFolder()
    let numbers = "[" + String(repeating: "0,", count: TextDocuments.valueLimit) + "0]"
    for name in ["a.json", "a.jsonl"] {
      let path = try folder.write(name, name == "a.json" ? "[\(numbers)]" : #"{"text": "a", "b": \#(numbers)}"#)
      #expect { try TextDocuments.read(path) } throws: { ($0 as? CalibrationError)?.code == .limit }
    }
  }
}
