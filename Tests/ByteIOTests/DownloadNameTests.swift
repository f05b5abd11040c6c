import ByteIO
import Foundation
import Testing

@Suite("Names of downloads") struct DownloadNameTests {
  @Test(
    "what is not finished is told by its ending, whatever the program",
    arguments: [
      ".part", ".PART", ".partial", ".crdownload", ".opdownload", ".download", ".incomplete", ".filepart",
      ".downloading",
      ".baiduyun.p.downloading", ".td", ".xltd", ".!qB", ".!ut", ".tmp", ".aria2", ".st",
      "." + String(repeating: "0a", count: 20) + ".incomplete",
      "." + String(repeating: "0a", count: 32) + ".incomplete",
    ])
  func unfinished(ending: String) throws {
    let name = try #require(DownloadName("model-00001-of-00002.bin" + ending))
    #expect(name.original == "model-00001-of-00002.bin")
    #expect(name.fault == (ending == ".aria2" || ending == ".st" ? .control : .unfinished))
    #expect(name.remedy.description.contains("finish"))
  }

  @Test(
    "what a download left of a name is told, and what it should be",
    arguments: [
      ("config.json?download=true", .query), ("config.json%3Fdownload=true", .query),
      ("config.json@download=true", .query),
      ("CONFIG.json", .otherCase), ("Config.JSON", .otherCase), ("config (1).json", .copy), ("config.json (12)", .copy),
      ("config(2).json", .copy), ("config.json.1", .copy), ("config.json.txt", .addedEnding),
      (".config.json.a1B2c3", .unfinished),
      ("config.json.part", .unfinished),
    ] as [(String, DownloadName.Fault)])
  func standsIn(name: String, fault: DownloadName.Fault) throws {
    let found = try #require(DownloadName.standIn(for: "config.json", among: ["a", name, "z"]))
    #expect(found.name == name)
    #expect(found.original == "config.json")
    #expect(found.fault == fault)
    #expect(found.reason.hasPrefix(name))
  }

  @Test(
    "other names are nothing of the kind",
    arguments: [
      "config.json", "model.safetensors", "a", ".part", "(1)", "llama-7b(chat).bin", ".gitattributes", "模型.bin",
    ])
  func others(name: String) {
    #expect(DownloadName(name) == nil)
    #expect(DownloadName.standIn(for: "tokenizer.json", among: [name]) == nil)
  }

  @Test("a downloader's note beside a file says that the file is not finished")
  func notes() {
    #expect(DownloadName.isUnfinished("a.bin", among: ["a.bin", "a.bin.aria2"]) == "a.bin.aria2")
    #expect(DownloadName.isUnfinished("a.bin", among: ["a.bin", "b.bin.aria2", "a.bin.part"]) == nil)
  }
}

@Suite("Files of other programs") struct ForeignFileTests {
  private static let filler = [UInt8](repeating: 7, count: 64)

  @Test(
    "what is no weights and no text is named by its first bytes",
    arguments: [
      (Array("PAR1".utf8), "Parquet"), (Array("%PDF-1.7".utf8), "PDF"), ([0x28, 0xB5, 0x2F, 0xFD], "zstd"),
      ([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3], "gzip"), ([0xFD] + Array("7zXZ\0".utf8), "xz"),
      (Array("BZh91AY&SY".utf8), "bzip2"), (Array("ARROW1\0\0".utf8), "Arrow"),
      (Array("SQLite format 3\0".utf8), "SQLite"),
      ([0x89] + Array("HDF\r\n\u{1A}\n".utf8), "HDF5"), ([0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1], "Excel"),
      (
        [0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 26) + Array("[Content_Types].xml..xl/workbook".utf8), "Excel"
      ),
      ([0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 26) + Array("word/document.xml".utf8), "Word"),
      (Array("tjgg".utf8), "ggjt"), (Array("lmgg".utf8), "ggml"), (Array("fmgg".utf8), "ggmf"),
      (Array("algg".utf8), "ggla"),
      ([0x9A, 0x93, 0x9A, 0x9D, 0xDB, 0x84, 0x76, 0xE6], "ChatBELLE"), ([UInt8](repeating: 0, count: 8), "xor_codec"),
    ] as [([UInt8], String)])
  func named(head: [UInt8], name: String) throws {
    let bytes = head + Self.filler
    let naming = try #require(FileKind(head: bytes, size: bytes.count).naming(isWeights: true))
    #expect(naming.reason.contains(name))
  }

  @Test("the length of a safetensors header that has gzip's first bytes is no gzip")
  func headerLength() {
    let head: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0] + Array("{\"a\":{\"dtype\":\"F32\"".utf8) + Self.filler
    #expect(FileKind(head: head, size: head.count) == .other)
  }
}

@Suite("Encodings of texts") struct TextEncodingTests {
  private static let text = "敏捷的棕色狐狸，跳过了懒狗。\nThe quick brown fox 🦊 jumps.\n"

  @Test(
    "UTF-16 of either order is read, with a mark and without",
    arguments: [String.Encoding.utf16LittleEndian, .utf16BigEndian], [true, false])
  func utf16(encoding: String.Encoding, isMarked: Bool) throws {
    let bytes = [UInt8](try #require(((isMarked ? "\u{FEFF}" : "") + Self.text).data(using: encoding)))
    let read = TextEncoding(of: bytes)
    #expect(read == .utf16(isBigEndian: encoding == .utf16BigEndian))
    #expect(read.utf8(bytes).map { String(decoding: $0, as: UTF8.self) } == Self.text)
  }

  @Test(
    "UTF-16 of Chinese or of ASCII alone is told without a mark", arguments: ["敏捷的棕色狐狸，跳过了懒狗。", "abc def, ghi\r\n"])
  func unmarked(text: String) throws {
    let long = String(repeating: text, count: 40)
    let bytes = [UInt8](try #require(long.data(using: .utf16LittleEndian)))
    #expect(TextEncoding(of: bytes).utf8(bytes).map { String(decoding: $0, as: UTF8.self) } == long)
  }

  @Test(
    "half a surrogate pair and an odd byte are refused",
    arguments: [[0xFF, 0xFE, 0x00, 0xD8, 0x61, 0x00], [0xFF, 0xFE, 0x61]])
  func broken(bytes: [UInt8]) { #expect(TextEncoding(of: bytes).utf8(bytes) == nil) }

  @Test("GB18030 is told from other encodings, and from UTF-8 that was cut")
  func others() {
    let chinese: [UInt8] = [0xC4, 0xE3, 0xBA, 0xC3]
    #expect(TextEncoding(of: chinese) == .gb18030)
    #expect(
      TextEncoding(of: Array("abc ".utf8) + chinese + [0x81, 0x30, 0x81, 0x30] + chinese + chinese + chinese)
        == .gb18030)
    // Latin-1, Shift JIS's half-width kana, and Japanese in EUC.
    #expect(TextEncoding(of: Array("caf".utf8) + [0xE9, 0x20]) == .unknown)
    #expect(TextEncoding(of: [0xA4, 0xCF, 0xA4, 0xA4, 0xA4, 0xC7, 0xA4, 0xB9]) == .unknown)
    let cut = Array(String(repeating: Self.text, count: 10).utf8)
    #expect(TextEncoding(of: Array(cut.dropFirst())) == .damagedUTF8(at: 0))
    #expect(TextEncoding(of: cut) == .utf8)
    #expect(TextEncoding(of: []) == .utf8)
  }
}

@Suite("Names that programs look for (kind 11)") struct UsualNameTests {
  @Test(
    "a usual name in another case is told",
    arguments: [
      ("Config.json", "config.json"), ("CONFIG.JSON", "config.json"), ("Model.Safetensors", "model.safetensors"),
      ("Pytorch_Model-00001-of-00002.BIN", "pytorch_model-00001-of-00002.bin"),
      ("Consolidated.00.PTH", "consolidated.00.pth"),
    ])
  func otherCase(name: String, usual: String) {
    #expect(DownloadName.usual(name) == usual)
    #expect(DownloadName.usual(usual) == nil)
    #expect(DownloadName.isUsual(usual))
  }

  @Test("other names are their own", arguments: ["README.md", "LICENSE", "MyModel.safetensors", "Model.GGUF", ""])
  func others(name: String) { #expect(DownloadName.usual(name) == nil) }
}
