import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import TestSupport
import Testing

@testable import Transformer

/// GGUF's weights where they lie in their file, and laid out anew pass after pass: the bits of weights that were read.
@Suite("Models in their file") struct MappedModelTests {
  /// One of each shape of blocks, and one that is laid out when it is loaded; StoredTests has all.
  private static let types: [DType] = [.q4_0, .q5_1, .q4_K, .q6_K, .iq4_NL]
  private static let json = """
    {"model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "vocab_size": 50,
     "num_attention_heads": 4, "num_key_value_heads": 2}
    """

  private func file(_ type: DType, _ folder: TemporaryFolder) throws -> String {
    try GGUFParts.write(try RandomModel(Self.json), types: GGUFTypes(type), folder)
  }

  /// The same model as a source that lies in no file.
  private func inMemory(_ path: String) throws -> LoadedModel {
    let model = try TransformerModel.open(path)
    let stored = try #require(model.source as? DequantizedSource).source
    let source = try TensorView(
      stored.tensors.enumerated().map { index, info in
        TensorView.Entry(info.name, info.dtype, info.shape, try stored.allBytes(index), file: info.file)
      })
    return try LoadedModel(
      try TransformerModel(model.configuration, try DequantizedSource(source), path: path), threads: 1)
  }

  private func logits(_ model: LoadedModel, _ parts: [[Int32]], threads: Int) throws -> [[Float]] {
    let cache = KeyValueCache(model.configuration)
    return try parts.map { try model.logits($0, cache, threads: threads) }
  }

  @Test("every pass has the same bits, before, while and after weights are laid out, on any threads", arguments: types)
  func bits(type: DType) throws {
    let folder = try TemporaryFolder()
    let path = try file(type, folder)
    let parts: [[Int32]] = [[1, 40, 3, 9, 22, 7, 5]] + (0..<12).map { [Int32($0 * 7 % 50)] } + [[1, 2, 3]]
    let wanted = try logits(try inMemory(path), parts, threads: 1)
    for threads in [1, 3] {
      let loaded = try LoadedModel(try TransformerModel.open(path), threads: threads)
      let found = try logits(loaded, parts, threads: threads)
      for (pass, (one, other)) in zip(found, wanted).enumerated() {
        #expect(one.map(\.bitPattern) == other.map(\.bitPattern), "pass \(pass) on \(threads) threads")
      }
    }
  }

  @Test("blocks stay where they are, and rows in another order too; what is laid out is in memory")
  func places() throws {
    let folder = try TemporaryFolder()
    let model = try TransformerModel.open(try file(.q4_K, folder))
    let files = MappedFiles()
    for module in model.groups(ofLayer: 0).flatMap(\.modules) {
      let matrix = try WeightMatrix.load(model.source, try model.place(of: module.name + ".weight"), files)
      #expect(matrix.isInFile)
      let exact = try model.weights(of: module)
      let row = Matrix<Float>(rows: 1, columns: matrix.columns)
      for _ in 0..<2 {
        for index in [0, 1, 17, matrix.rows - 1] {
          matrix.copyRow(index, into: row.slice)
          #expect(row.values == exact[index..<index + 1, 0..<exact.columns].values, "\(module.name)")
        }
        matrix.layOut()
        #expect(!matrix.isInFile)
      }
    }
  }

  @Test("a file that is cut while weights lie in it is an error with the place", arguments: [1, 3])
  func cut(passes: Int) throws {
    let folder = try TemporaryFolder()
    let path = try file(.q4_0, folder)
    let loaded = try LoadedModel(try TransformerModel.open(path), threads: 2)
    let cache = KeyValueCache(loaded.configuration)
    for pass in 0..<passes { _ = try loaded.logits([Int32(pass)], cache, threads: 2) }
    truncate(path, 4096)
    for _ in 0..<2 {
      let error = #expect(throws: ByteIOError.self) { try loaded.logits([7], cache, threads: 2) }
      #expect(error?.code == .shrank && error?.file == path && error?.place == "byte 4096")
    }
  }

  @Test("a file that is written to while weights lie in it is an error; when all are laid out it does not matter")
  func written() throws {
    let folder = try TemporaryFolder()
    let path = try file(.q4_0, folder)
    let tokens = (0..<14).map { [Int32($0)] }
    let wanted = try logits(try inMemory(path), tokens, threads: 1)
    let (one, other) = (
      try LoadedModel(try TransformerModel.open(path), threads: 2),
      try LoadedModel(try TransformerModel.open(path), threads: 2)
    )
    let (cache, otherCache) = (KeyValueCache(one.configuration), KeyValueCache(one.configuration))
    for token in tokens.prefix(12) { _ = try one.logits(token, cache, threads: 2) }
    _ = try other.logits([0], otherCache, threads: 2)
    try Data(repeating: 0, count: 100).write(to: URL(filePath: path))
    let error = #expect(throws: ByteIOError.self) { try other.logits([1], otherCache, threads: 2) }
    // Foundation may write another file in its place: then the one that is open is what it was.
    #expect(error == nil || [.shrank, .changed].contains(error?.code))
    #expect(try one.logits(tokens[12], cache, threads: 2) == wanted[12])
    truncate(path, 0)
    #expect(try one.logits(tokens[13], cache, threads: 2) == wanted[13])
  }
}
