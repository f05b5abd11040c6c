import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Tokenizer

@Suite("SentencePiece models without SentencePiece") struct SentencePieceLibraryTests {
  /// All SentencePiece models that lie here.
  static let models: [String] = {
    var found: [String] = []
    for folder in ["Tests/Fixtures", "Examples"].map(project) {
      for name in (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(".model") {
        let path = folder + "/" + name
        if let bytes = try? readBytes(path), !ByteRanks.isList(bytes) { found.append(path) }
      }
    }
    return found.sorted()
  }()

  @Test("its pieces, their kinds and the ids set aside are those that the library tells")
  func facts() throws {
    var compared = 0
    for path in Self.models {
      let bytes = try readBytes(path)
      guard let library = try? SentencePieceLibrary(bytes, path: path) else { continue }
      let own = try SentencePieceLibrary(bytes, path: path, usesLibrary: false)
      #expect(own.count == library.count && own.special == library.special, "\(path)")
      #expect(own.headCount == library.headCount, "\(path)")
      for id in 0..<Int32(library.count) {
        #expect(own.piece(id) == library.piece(id) && own.isControl(id) == library.isControl(id), "\(path) \(id)")
      }
      let some = Set((0..<Int32(min(library.count, 50))).map(library.piece))
      #expect(own.ids(of: some) == library.ids(of: some))
      compared += 1
    }
    #expect(compared >= 3)
  }

  @Test(
    "names of pieces that are set aside are the model's own, and one that is missing is the unknown one's",
    arguments: [[45, 46, 47, 48], [46], [47]])
  func names(fields: [Int]) throws {
    // A piece each: unknown, control, control, normal, control; and trainer's names for some of them.
    let texts = ["<none>", "<a>", "<b>", "word", "<c>"]
    var writer = ProtobufWriter()
    for (text, kind) in zip(texts, [2, 3, 3, 1, 3] as [UInt64]) {
      var piece = ProtobufWriter()
      piece.text(1, text)
      piece.fixed32(2, Float(0).bitPattern)
      piece.number(3, kind)
      writer.bytes(1, piece.bytes)
    }
    var trainer = ProtobufWriter()
    trainer.number(3, 2)
    for field in fields { trainer.text(field, texts[[45: 0, 46: 1, 47: 2, 48: 3][field] ?? 0]) }
    writer.bytes(2, trainer.bytes)
    var normalizer = ProtobufWriter()
    normalizer.text(1, "identity")
    writer.bytes(3, normalizer.bytes)
    let library = try SentencePieceLibrary(writer.bytes, path: "m")
    let own = try SentencePieceLibrary(writer.bytes, path: "m", usesLibrary: false)
    #expect(own.special == library.special)
  }

  @Test("what is no model is refused, and text is not encoded in silence")
  func refused() throws {
    for bytes in [[], [1, 2, 3], Array("no model".utf8)] as [[UInt8]] {
      #expect(throws: TokenizerError.self) { try SentencePieceLibrary(bytes, path: "m", usesLibrary: false) }
    }
    let path = try #require(Self.models.first)
    let own = try SentencePieceLibrary(readBytes(path), path: path, usesLibrary: false)
    #expect(throws: TokenizerError.self) { try own.encode("text") }
    #expect(throws: TokenizerError.self) { try own.decode([0]) }
  }
}
