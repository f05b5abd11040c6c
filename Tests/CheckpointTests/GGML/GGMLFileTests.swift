// llama.cpp's model files of before GGUF: read as a writer of the published layouts wrote them, and as the programs of the
// time did (shared fixtures, by digest); one bad file a rule.

import ByteIO
import Checksum
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

/// Fixtures that the programs of 2023 made; `BELLE_SHARED` says where they are.
private let shared = ProcessInfo.processInfo.environment["BELLE_SHARED"].map { $0 + "/fixtures/ggml-mini" }

private struct SharedFile: Decodable {
  struct Tensor: Decodable {
    var shape: [Int]
    var values_sha256: String
  }

  var container: String
  var tensors: [String: Tensor]
}

@Suite("GGMLFile") struct GGMLFileTests {
  /// Opens bytes as a file.
  private func open(_ bytes: [UInt8], as name: String = "m.bin") throws -> any TensorSource {
    let folder = try TemporaryFolder()
    return try Checkpoint.open(file: folder.write(name, bytes))
  }

  @Test(
    "every type of every version stands for the formula's values, bit for bit", arguments: GGMLBytes.Kind.allCases,
    GGMLBytes.Form.allCases)
  func values(kind: GGMLBytes.Kind, form: GGMLBytes.Form) throws {
    var generator = SplitMix64(seed: UInt64(form.rawValue) + 1)
    var file = GGMLBytes(kind, numbers: [5, 64, 32, 4, 1, 16, 2], tokens: Array(GGMLBytes.tokens(5)))
    let (bytes, values) = GGMLBytes.weights(form, in: kind, [3, 64], hasHalves: false, using: &generator)
    file.add("norm.weight", 0, [2], GGMLBytes.word(Float(1).bitPattern) + GGMLBytes.word(Float(2).bitPattern))
    file.add("layers.0.attention.wq.weight", form.rawValue, [3, 64], bytes)
    guard form.isIn(kind) else {
      let error = #expect(throws: CheckpointError.self) { try open(file.bytes) }
      #expect(error?.code == .unsupportedType && error?.reason.contains("the type \(form.rawValue)") == true)
      return
    }
    let source = try open(file.bytes)
    #expect(source.tensors.map(\.name) == ["norm.weight", "layers.0.attention.wq.weight"])
    #expect(source.tensors.map(\.shape) == [[2], [3, 64]])
    #expect(try source.allBytes(1) == bytes)
    let range = try #require(source.storedRange(1))
    #expect(Array(file.bytes[range]) == bytes)
    let read = try ConvertedSource(DequantizedSource(source), dtype: .f32).floats(1)
    #expect(read.map(\.bitPattern) == values.map(\.bitPattern))
  }

  @Test("the head says what it is, its numbers and its tokens", arguments: GGMLBytes.Kind.allCases)
  func head(kind: GGMLBytes.Kind) throws {
    let file = try #require(open(GGMLBytes.model(kind, .f16).bytes) as? GGMLFile)
    #expect(file.format.replacing(" ", with: "") == (kind == .ggmf ? "ggmf1" : kind.rawValue))
    #expect(file.metadata.map(\.name) == ["n_vocab", "n_embd", "n_mult", "n_head", "n_layer", "n_rot", "ftype"])
    #expect(file.metadata.map(\.value) == ["300", "64", "32", "4", "1", "16", "1"])
    let tokens = GGMLBytes.tokens(300)
    #expect((0..<300).allSatisfy { file.vocabulary[$0].elementsEqual(tokens[$0].text) })
    #expect(file.vocabulary.scores == (kind == .ggml ? nil : tokens.map(\.score)))
    #expect(file.tensors.count == 12)
  }

  @Test(
    "the values of files that the programs of 2023 made have their digests",
    .enabled(if: shared != nil, "needs BELLE_SHARED"))
  func digests() throws {
    let shared = try #require(shared)
    let manifest = decodeJSON([String: SharedFile].self, shared + "/manifest.json")
    #expect(manifest.count == 25)
    for (name, wanted) in manifest {
      let source = try ConvertedSource(
        DequantizedSource(Checkpoint.open(file: "\(shared)/\(name).bin")), dtype: .f32)
      #expect(source.format.replacing(" ", with: "").hasPrefix(wanted.container), "\(name)")
      #expect(Set(source.tensors.map(\.name)) == Set(wanted.tensors.keys), "\(name)")
      for (index, info) in source.tensors.enumerated() {
        let tensor = try #require(wanted.tensors[info.name])
        #expect(info.shape == tensor.shape)
        #expect(try TensorStatistics(source, index).sha256.hex == tensor.values_sha256, "\(name) \(info.name)")
      }
    }
  }

  // MARK: Parts

  @Test(
    "parts are one model, whichever of them is given", arguments: [("ggml", 2), ("ggmf", 2), ("ggjt1", 2)],
    [GGMLBytes.Form.f16, .q4_0])
  func parts(kind: (String, Int), form: GGMLBytes.Form) throws {
    let kind = try #require(GGMLBytes.Kind(rawValue: kind.0))
    let folder = try TemporaryFolder()
    let first = try folder.write("m.bin", GGMLBytes.model(kind, form, part: (0, 2)).bytes)
    let second = try folder.write("m.bin.1", GGMLBytes.model(kind, form, part: (1, 2)).bytes)
    let whole = try open(GGMLBytes.model(kind, form).bytes)
    for path in [first, second, folder.path] {
      let source = try Checkpoint.open(path)
      #expect(source.tensors.map(\.name) == whole.tensors.map(\.name))
      #expect(source.tensors.map(\.shape) == whole.tensors.map(\.shape))
      for index in source.tensors.indices {
        #expect(try source.allBytes(index) == whole.allBytes(index), "\(source.tensors[index].name)")
      }
    }
    try FileManager.default.removeItem(atPath: first)
    let error = #expect(throws: CheckpointError.self) { try Checkpoint.open(second) }
    #expect(error?.code == .badIndex && error?.reason.contains("1 of them are missing: m.bin") == true)
    try folder.write("m.bin", GGMLBytes.model(kind == .ggml ? .ggmf : .ggml, form, part: (0, 2)).bytes)
    let other = #expect(throws: CheckpointError.self) { try Checkpoint.open(second) }
    #expect(other?.code == .badIndex && other?.reason.contains("another head") == true)
  }

  // MARK: Bad files

  struct Fault: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let code: CheckpointErrorCode
    let reason: String
    let bytes: @Sendable () -> [UInt8]

    init(
      _ name: String, _ code: CheckpointErrorCode, _ reason: String, _ bytes: @escaping @Sendable () -> [UInt8]
    ) {
      (testDescription, self.code, self.reason, self.bytes) = (name, code, reason, bytes)
    }

    private static func file(
      _ kind: GGMLBytes.Kind = .ggjt3, numbers: [Int32] = [4, 64, 32, 4, 1, 16, 2], tokens: Int = 4,
      _ add: (inout GGMLBytes) -> Void = { _ in }
    ) -> [UInt8] {
      var file = GGMLBytes(kind, numbers: numbers, tokens: Array(GGMLBytes.tokens(tokens)))
      add(&file)
      return file.bytes
    }

    private static func record(dimensions: UInt32 = 1, length: UInt32 = 1, type: UInt32 = 0, _ rest: [UInt8]) -> [UInt8]
    {
      file() { $0.bytes += [dimensions, length, type].flatMap(GGMLBytes.word) + rest }
    }

    static let all = [
      Fault("version of ggjt", .unknownFormat, "ggjt version 4; expected 1 to 3") {
        Array("tjgg".utf8) + GGMLBytes.word(4) + [UInt8](repeating: 0, count: 64)
      },
      Fault("version of ggmf", .unknownFormat, "ggmf version 2; expected 1") {
        Array("fmgg".utf8) + GGMLBytes.word(2) + [UInt8](repeating: 0, count: 64)
      },
      Fault("cut in the numbers", .truncated, "n_head has 4 bytes, and 0 are left") { Array(file().prefix(8 + 12)) },
      Fault("negative measure", .malformed, "n_embd is -1") { file(numbers: [4, -1, 32, 4, 1, 16, 2]) },
      Fault("measure of another program", .malformed, "n_layer is 16777217") {
        file(.ggml, numbers: [4, 64, 32, 4, 1 << 24 + 1, 16, 2])
      },
      Fault("heads that do not divide", .malformed, "expected n_rot to be the width of a head") {
        file(numbers: [4, 64, 32, 5, 1, 16, 2])
      },
      Fault("part of a head", .malformed, "n_rot 8; expected n_rot") { file(numbers: [4, 64, 32, 4, 1, 8, 2]) },
      Fault("more tokens than bytes", .truncated, "take more than the") {
        file(numbers: [4_000_000, 64, 32, 4, 1, 16, 2])
      },
      Fault("tokens without end", .limit, "16000000 tokens; at most 4194304") {
        file(numbers: [16_000_000, 64, 32, 4, 1, 16, 2])
      },
      Fault("long token", .malformed, "token 4 has 65537 bytes") {
        var bytes = file(.ggml, numbers: [5, 64, 32, 4, 1, 16, 2])
        bytes += GGMLBytes.word(65537) + [UInt8](repeating: 0, count: 70000)
        return bytes
      },
      Fault("cut in a token", .truncated, "token 4 has 9 bytes, and 4 are left") {
        file(.ggml, numbers: [5, 64, 32, 4, 1, 16, 2]) + GGMLBytes.word(9) + [1, 2, 3, 4]
      },
      Fault("cut in a record's head", .truncated, "the length of a tensor's name has 4 bytes") {
        file() + GGMLBytes.word(1)
      },
      Fault("three dimensions", .malformed, "3 dimensions; expected 1 or 2") {
        record(dimensions: 3, [UInt8](repeating: 1, count: 40))
      },
      Fault("name without end", .malformed, "a tensor's name has 257 bytes") {
        record(length: 257, [UInt8](repeating: 65, count: 600))
      },
      Fault("no name", .malformed, "a tensor's name has 0 bytes") { record(length: 0, GGMLBytes.word(1)) },
      Fault("name that is no text", .malformed, "not UTF-8") { record(GGMLBytes.word(1) + [0xFF] + [0, 0, 0, 0]) },
      Fault("name twice", .malformed, "tensor a occurs twice") {
        file { for _ in 0..<2 { $0.add("a", 0, [1], [0, 0, 0, 0]) } }
      },
      Fault("unknown type", .unsupportedType, "the type 99, which ggjt 3 does not have") {
        file { $0.add("a", 99, [1], [0, 0, 0, 0]) }
      },
      Fault("type of the kernels' own", .unsupportedType, "the type 258") {
        file(.ggjt1) { $0.add("a", 0x102, [32], [UInt8](repeating: 0, count: 20)) }
      },
      Fault("K blocks before their time", .unsupportedType, "the type 12, which ggjt 2 does not have") {
        file(.ggjt2) { $0.add("a", 12, [256], [UInt8](repeating: 0, count: 144)) }
      },
      Fault("dimension of zero", .malformed, "shape [0, 32]") { file { $0.add("a", 0, [0, 32], []) } },
      Fault("negative dimension", .malformed, "shape [-3]") { file { $0.add("a", 0, [-3], []) } },
      Fault("parts of blocks", .malformed, "not a whole number of Q4_0 blocks") {
        file { $0.add("a", 2, [33], [UInt8](repeating: 0, count: 36)) }
      },
      Fault("values cut off", .truncated, "tensor a takes 16384 bytes, and 10 are left") {
        file { $0.add("a", 0, [64, 64], [UInt8](repeating: 0, count: 10)) }
      },
      Fault("values that no file has", .truncated, "tensor a takes 1125899906842624 bytes") {
        file { $0.add("a", 0, [1 << 24, 1 << 24], [1]) }
      },
      Fault("padding cut off", .truncated, "are left in the file") {
        record(GGMLBytes.word(1) + Array("a".utf8) + [0])
      },
    ]
  }

  @Test("a bad file is refused by name, at its place", arguments: Fault.all)
  func fault(fault: Fault) throws {
    let error = #expect(throws: CheckpointError.self) { try open(fault.bytes()) }
    #expect(error?.code == fault.code, "\(error.map { "\($0)" } ?? "")")
    #expect(error?.reason.contains(fault.reason) == true, "\(error?.reason ?? "")")
    #expect(error?.place?.hasPrefix("byte ") == true)
  }

  @Test("a file that is cut off anywhere is refused, and ends nothing")
  func truncations() throws {
    for kind in GGMLBytes.Kind.allCases {
      let bytes = GGMLBytes.model(kind, .q4_0).bytes
      for count in stride(from: 4, to: bytes.count, by: 977) {
        do { _ = try open(Array(bytes.prefix(count))) } catch let error as CheckpointError {
          #expect(error.code == .truncated, "\(kind) \(count): \(error)")
        }
      }
    }
  }

  @Test("other programs of ggml's wrote files that begin as those without a version do: it is said")
  func otherPrograms() throws {
    // bloomz.cpp has six numbers.
    var bytes = Array("lmgg".utf8)
    for number in [250880, 4096, 1, 32, 30, 2] as [UInt32] { bytes += GGMLBytes.word(number) }
    bytes += GGMLBytes.word(5) + Array("<unk>".utf8) + [UInt8](repeating: 7, count: 4 << 20)
    let error = #expect(throws: CheckpointError.self) { try open(bytes) }
    #expect(error?.code == .malformed && error?.remedy?.description.contains("bloomz.cpp") == true)
  }

  @Test("in the order of March 2023's first days, scales are no such numbers")
  func rowwise() throws {
    var file = GGMLBytes(.ggml, numbers: [4, 64, 32, 4, 1, 16, 2], tokens: Array(GGMLBytes.tokens(4)))
    let scales = [Float(0.01), 0.02].flatMap { GGMLBytes.word($0.bitPattern) }
    file.add("layers.0.attention.wq.weight", 2, [1, 64], scales + [UInt8](repeating: 0xF7, count: 32))
    let read = try #require(open(file.bytes) as? GGMLFile)
    let error = #expect(throws: CheckpointError.self) { try read.checkScales() }
    #expect(error?.code == .unsupportedType && error?.reason.contains("March 2023") == true)
  }

  // MARK: Blocks of today

  @Test(
    "former blocks become those of today with the same values, where half precision has their scales",
    arguments: [GGMLBytes.Kind.ggjt1, .ggjt2], [GGMLBytes.Form.q4_0, .q4_1, .q5_0, .q5_1, .q8_0])
  func restated(kind: GGMLBytes.Kind, form: GGMLBytes.Form) throws {
    let source = try open(GGMLBytes.model(kind, form).bytes)
    let restated = try RestatedSource(source, allowsRounding: false)
    #expect(restated.tensors.allSatisfy { BlockType($0.dtype)?.isFormer == false })
    #expect(restated.roundedCount == 0)
    let (before, after) = (try DequantizedSource(source), try DequantizedSource(restated))
    for index in source.tensors.indices { #expect(try before.allBytes(index) == after.allBytes(index)) }

    // The same weights as a file of today has them.
    let today = try open(GGMLBytes.model(.ggjt3, form).bytes)
    for index in source.tensors.indices { #expect(try restated.allBytes(index) == today.allBytes(index)) }
  }

  @Test(
    "scales that half precision does not have are refused, or rounded where that may be",
    arguments: [GGMLBytes.Form.q4_0, .q4_1, .q8_0])
  func rounded(form: GGMLBytes.Form) throws {
    let source = try open(GGMLBytes.model(.ggjt1, form, hasHalves: false).bytes)
    let error = #expect(throws: CheckpointError.self) { try RestatedSource(source, allowsRounding: false) }
    #expect(error?.code == .lossy && error?.reason.contains("half precision does not have") == true)
    let restated = try RestatedSource(source, allowsRounding: true)
    #expect(restated.roundedCount > 0 && restated.roundedCount <= restated.blockCount)
    var worst = 0.0
    try Comparison(source, restated, tolerance: .infinity).run { worst = max(worst, $0.relativeDifference ?? 0) }
    #expect(worst > 0 && worst < 1e-3)
  }

  @Test("scales beyond half precision are refused also where scales may be rounded")
  func beyond() throws {
    var file = GGMLBytes(.ggjt2, numbers: [4, 64, 32, 4, 1, 16, 2], tokens: Array(GGMLBytes.tokens(4)))
    file.add("a", 2, [32], GGMLBytes.word(Float(1e6).bitPattern) + [UInt8](repeating: 0x77, count: 16))
    let source = try open(file.bytes)
    let error = #expect(throws: CheckpointError.self) { try RestatedSource(source, allowsRounding: true) }
    #expect(error?.code == .lossy && error?.reason.contains("beyond half precision") == true)
  }
}
