// Pickles that mean something else to a loader than they did to a survey: what is imported, what a text is decoded to,
// what numpy believes of memory; and pickles whose looking through took minutes.

import ByteIO
import Foundation
import FuzzedParsers
import Testing

@testable import Checkpoint

private typealias P = PickleBytes
private let bad = P.call()
private let version: (String, [UInt8]) = ("archive/version", Array("3\n".utf8))

/// SHORT_BINSTRING or BINSTRING, as Python 2 writes a str.
private func byteString(_ bytes: [UInt8]) -> [UInt8] { [0x54] + P.length(bytes.count) + bytes }
private func tuple(_ items: [UInt8]...) -> [UInt8] { [0x28] + items.joined() + [0x74] }
private func number(_ value: Int) -> [UInt8] { [0x4A] + P.length(value) }
private let none: [UInt8] = [0x4E]
private let truth: (no: [UInt8], yes: [UInt8]) = ([0x89], [0x88])

@Suite("Whether a module is imported is for the loader to say") struct LoaderImportTests {
  private static let storage = P.text("FloatStorage")

  @Test(
    "torch's takes every name with Storage in it, whatever its module",
    arguments: [
      Array("c\nFloatStorage\n0".utf8), Array("ctorch\u{0}\nFloatStorage\n0".utf8),
      [0x8C, 0] + storage + [0x93, 0x30], P.text("a\u{0}") + storage + [0x93, 0x30],
      Array("c\nFloatStorage\n(i\nFloatStorage\n0".utf8),
    ] as [[UInt8]])
  func storages(code: [UInt8]) throws {
    for file in [[0x80, 2] + code + bad.dropFirst(2), code + bad.dropFirst(2)] {
      let survey = try P.survey(P.zip([("archive/data.pkl", file), version]))
      #expect(!survey.isSafe && survey.globals.contains { $0.name == "system" })
      #expect(throws: CheckpointError.self) { try PickleMachine.run(file, file: "a.pkl") }
    }
  }

  @Test("and of another name it is Python that does not import it: what stands behind is not run")
  func others() throws {
    // A count of values that begins as a name does, and values that look like a pickle.
    let values = Array("c\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\nmkdir\n0".utf8) + bad.dropFirst(2)
    #expect(try P.survey(values).isSafe)
  }

  @Test("and a text of single letters is no pickle", arguments: ["c\nd\n", "c\nd\ne\n", "c\n\n\n"])
  func texts(text: String) throws {
    #expect(try P.survey(Array(text.utf8), "vocab.txt").isSafe)
  }
}

@Suite("A text of Python 2 is no bytes") struct ByteStringTests {
  private static let load = P.global("torch.storage", "_load_from_bytes")
  private static let bytes = P.global("builtins", "bytes")

  /// A legacy file that is one storage, and in UTF-7 another file.
  private static let file: [UInt8] = {
    let header = Array("L119547037146038801333356L\n.I1001\n.".utf8)
    let call = Array("cposix\nsystem\n(S'true'\ntR.".utf8)
    let hidden =
      [0x55, UInt8(2 * call.count)] + [UInt8](repeating: 0x2B, count: call.count) + call + Array("0(d.".utf8)
    let object = Array("(S'storage'\nctorch\nByteStorage\nS'0'\nS'cpu'\nI4\nNtQ.(S'0'\nl.".utf8)
    return header + hidden + object + [4, 0, 0, 0, 0, 0, 0, 0] + Array("abcd".utf8)
  }()

  @Test("by whichever codec, and whatever makes bytes of it", arguments: 0..<5)
  func codecs(kind: Int) throws {
    let text = byteString(Self.file)
    let value =
      switch kind {
      case 0: Self.bytes + tuple(text, P.text("utf-7")) + [0x52]
      case 1: P.global("builtins", "bytearray") + tuple(text, P.text("utf-7")) + [0x52]
      case 2: Self.bytes + tuple(text) + [0x52]
      case 3: text
      default: Self.bytes + tuple(P.bytes(Self.file), P.text("utf-7")) + [0x52]
      }
    let pickle = [0x80, 3] + Self.load + tuple(value) + [0x52, 0x2E]
    #expect(try !P.survey(pickle, "a.pkl").isSafe)
    #expect(try !P.survey(P.zip([("archive/data.pkl", pickle), version])).isSafe)
  }

  @Test("and bytes are bytes")
  func bytes() throws {
    for value in [P.bytes(Self.file), Self.bytes + tuple(P.bytes(Self.file)) + [0x52]] {
      #expect(try P.survey([0x80, 3] + Self.load + tuple(value) + [0x52, 0x2E], "a.pkl").isSafe)
    }
    // bytearray(b"abc") in protocol 2, and texts of Python 2.
    let array = P.global("__builtin__", "bytearray") + tuple(P.text("abc"), P.text("latin-1")) + [0x52, 0x30]
    #expect(try P.survey([0x80, 2] + array + byteString([0xE9]) + [0x2E], "a.pkl").isSafe)
  }

  @Test("and a copy of a dict holds what it holds", arguments: ["OrderedDict", "defaultdict"])
  func copies(name: String) throws {
    let state = [0x7D] + P.text("items") + Self.load + [0x73]
    let arguments = name == "OrderedDict" ? tuple(state) : tuple(P.global("builtins", "list"), state)
    let copy = P.global("collections", name) + arguments + [0x52]
    let object = P.global("collections", "OrderedDict") + [0x29, 0x52]
    #expect(try !P.survey([0x80, 3] + object + copy + [0x62, 0x2E], "a.pkl").isSafe)
  }
}

@Suite("numpy believes what a state says of memory") struct NumpyStateTests {
  private static let dtype = P.global("numpy", "dtype")

  /// A type by its name, and its state.
  private static func type(
    _ name: String, order: String = "|", subtype: [UInt8] = none, names: [UInt8] = none, fields: [UInt8] = none,
    size: Int = -1, alignment: Int = -1, flags: Int = 0
  ) -> [UInt8] {
    dtype + tuple(P.text(name), truth.no, truth.yes) + [0x52]
      + tuple(
        number(3), P.text(order), subtype, names, fields, number(size), number(alignment), number(flags)) + [0x62]
  }

  private static func structure(_ size: Int, _ fields: [(String, [UInt8], Int)], flags: Int = 0) -> [UInt8] {
    type(
      "V\(size)", names: [0x28] + fields.flatMap { P.text($0.0) } + [0x74],
      fields: [0x7D] + fields.flatMap { P.text($0.0) + tuple($0.1, number($0.2)) + [0x73] }, size: size, alignment: 1,
      flags: flags)
  }

  /// An array of a type, and its values.
  private static func array(_ type: [UInt8], _ values: [UInt8], count: Int = 1) -> [UInt8] {
    pending + state(type, values, count: count)
  }

  private static let pending =
    P.global("numpy.core.multiarray", "_reconstruct")
    + tuple(P.global("numpy", "ndarray"), tuple(number(0)), P.bytes([0x62])) + [0x52]

  private static func state(_ type: [UInt8], _ values: [UInt8], count: Int = 1) -> [UInt8] {
    tuple(number(1), tuple(number(count)), type, truth.no, values) + [0x62]
  }

  private static let pointer = P.bytes([0x40, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41])
  private static let objects = type("O8", flags: 63)
  private static let double = type("f8", order: "<")

  private static let wrong: [(name: String, code: [UInt8])] = [
    ("objects that deny it", array(type("O8", flags: 0), pointer)),
    ("a structure of objects that denies it", array(structure(8, [("a", objects, 0)]), pointer)),
    ("a structure of objects", array(structure(8, [("a", objects, 0)], flags: 27), [0x5D] + number(1) + [0x61])),
    ("numbers that are references", array(type("f8", order: "<", flags: 63), [0x5D] + number(1) + [0x61])),
    ("a field outside", array(structure(8, [("a", double, 4096)]), pointer)),
    ("a field before", array(structure(8, [("a", double, -8)]), pointer)),
    ("a size that is not its own", array(type("V8", size: 4096, alignment: 1), pointer)),
    ("an alignment of nothing", array(type("S8", size: 8, alignment: 0), pointer)),
    (
      "a name without field",
      array(type("V8", names: tuple(P.text("b")), fields: [0x7D], size: 8, alignment: 1), pointer)
    ),
    (
      "an element of objects",
      array(type("V8", subtype: tuple(objects, tuple(number(1))), size: 8, alignment: 1), pointer)
    ),
    (
      "an element of another size",
      array(
        type("V8", subtype: tuple(double, tuple(number(9))), size: 8, alignment: 1), pointer)
    ),
    ("a name that makes a structure", array(dtype + tuple(P.text("O,O")) + [0x52], pointer)),
    ("a type by a list", array(dtype + tuple([0x5D] + tuple(P.text("a"), P.text("O")) + [0x61]) + [0x52], pointer)),
    ("objects that are bytes", array(objects, pointer)),
    ("objects that are fewer", array(objects, [0x5D], count: 1)),
    ("a second state of an array", array(double, pointer) + state(double, pointer)),
    (
      "an array that is made with elements",
      P.global("numpy.core.multiarray", "_reconstruct")
        + tuple(P.global("numpy", "ndarray"), tuple(number(5)), P.bytes([0x62])) + [0x52]
    ),
    (
      "an array that is made of a type",
      P.global("numpy.core.multiarray", "_reconstruct")
        + tuple(P.global("numpy", "ndarray"), tuple(number(0)), double) + [0x52]
    ),
    // The dict is numbered in the memo, used, and then changed.
    (
      "fields that change later",
      array(
        type(
          "V8", names: tuple(P.text("a")), fields: [0x7D] + P.text("a") + tuple(double, number(0)) + [0x73, 0x71, 1],
          size: 8, alignment: 1), pointer) + [0x68, 1] + P.text("a") + tuple(objects, number(0)) + [0x73]
    ),
  ]

  @Test("so one that numpy does not write is not called harmless", arguments: wrong.map(\.name))
  func told(name: String) throws {
    let kind = try #require(Self.wrong.first { $0.name == name })
    #expect(try !P.survey([0x80, 3] + kind.code + [0x2E], "a.pkl").isSafe)
    let text = P.global("builtins", "str") + tuple(kind.code) + [0x52]
    #expect(try !P.survey([0x80, 3] + text + [0x2E], "a.pkl").isSafe)
  }

  private static let right: [(name: String, code: [UInt8])] = [
    ("numbers", array(double, pointer)), ("big-endian numbers", array(type("f8", order: ">"), pointer)),
    ("numbers of Python 2", array(double, byteString([0, 1, 2, 3, 4, 5, 6, 0xFF]))),
    ("long numbers", array(type("f16", order: "<"), P.bytes([UInt8](repeating: 0, count: 16)))),
    ("texts", array(type("U2", order: "<", size: 8, alignment: 4, flags: 8), pointer)),
    ("bytes", array(type("S8", size: 8, alignment: 1), pointer)),
    ("objects", array(objects, [0x5D] + number(1) + [0x61])),
    ("nothing", array(double, P.bytes([]), count: 0)),
    (
      "a structure",
      array(
        structure(12, [("a", type("i4", order: "<"), 0), ("b", double, 4)], flags: 16),
        P.bytes([UInt8](repeating: 0, count: 12)))
    ),
    (
      "a structure of arrays",
      array(
        structure(
          16, [("a", type("V16", subtype: tuple(double, tuple(number(2))), size: 16, alignment: 8), 0)], flags: -112),
        P.bytes([UInt8](repeating: 0, count: 16)))
    ),
    ("a number", P.global("numpy.core.multiarray", "scalar") + tuple(double, pointer) + [0x52]),
    (
      "times",
      array(
        dtype + tuple(P.text("M8"), truth.no, truth.yes) + [0x52]
          + tuple(
            number(4), P.text("<"), none, none, none, number(-1), number(-1), number(0),
            tuple(none, tuple(P.bytes([0x44]), number(1), number(1), number(1)))) + [0x62], pointer)
    ),
  ]

  @Test("and one that it writes is not accused", arguments: right.map(\.name))
  func honest(name: String) throws {
    let kind = try #require(Self.right.first { $0.name == name })
    let survey = try P.survey([0x80, 3] + kind.code + [0x2E], "a.pkl")
    #expect(survey.isSafe && survey.hasPickle, "\(survey.problems)")
  }
}

@Suite("Looking takes time in proportion to the file") struct SurveyTimeTests {
  private static let long = [UInt8](repeating: 0x61, count: 1 << 20)
  private static func memo(_ bytes: [UInt8]) -> [UInt8] { bytes + [0x71, 0, 0x30] }
  private static func times(_ count: Int, _ code: [UInt8]) -> [UInt8] { (0..<count).flatMap { _ in code } }

  private static let files: [(name: String, bytes: [UInt8])] = {
    let get: [UInt8] = [0x68, 0]
    let key = byteString([UInt8](long.prefix(65536)))
    let storage = tuple(P.text("storage"), P.global("torch", "FloatStorage"), get, P.text("cpu"), number(1))
    let entries = times(100_000, get + none)
    let object = P.global("collections", "OrderedDict") + [0x29, 0x52]
    return [
      (
        "names of a mebibyte",
        memo(P.text(String(decoding: long, as: UTF8.self))) + times(5_000, get + get + [0x93, 0x30])
      ),
      ("names of 64 KiB", memo(key) + times(100_000, get + get + [0x93, 0x30])),
      (
        "names of a kilobyte",
        memo(P.text(String(repeating: "a", count: 999))) + times(100_000, get + get + [0x93, 0x30])
      ),
      (
        "devices",
        memo(key) + P.global("torch", "device") + [0x71, 1, 0x30]
          + times(5_000, [0x68, 1, 0x28] + times(31, get) + [0x74, 0x52, 0x30])
      ),
      ("keys of storages", memo(key) + storage + [0x71, 2, 0x30] + times(100_000, [0x68, 2, 0x51, 0x30])),
      ("ids of many parts", memo([0x28] + times(200_000, none) + [0x74]) + times(100_000, get + [0x51, 0x30])),
      (
        "keys of states",
        memo(key) + [0x7D, 0x28] + entries + [0x75, 0x71, 1, 0x30] + object
          + times(4, [0x68, 1, 0x62])
      ),
    ]
  }()

  @Test("whatever a memo names again and again", arguments: files.map(\.name), [false, true])
  func bounded(name: String, isSurvey: Bool) throws {
    let file = try #require(Self.files.first { $0.name == name })
    let start = Self.processorTime()
    let trace = isSurvey ? PickleTrace() : nil
    _ = try? PickleMachine.run([0x80, 2] + file.bytes + [0x4E, 0x2E], file: "a.pkl", trace: trace)
    #expect(Self.processorTime() - start < 4)
  }

  /// What this thread alone has taken, in seconds: other tests run beside it.
  private static func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
