import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import TestSupport
import Testing

@testable import Transformer

/// The folder of the small models that were really trained, which are larger than a repository should carry: what the
/// environment's BELLE_TINY says, or shared/tiny/ beside the package. Tests that need them are skipped where there are none.
let hasTinyModels = [
  ProcessInfo.processInfo.environment["BELLE_TINY"].map { $0 + "/" },
  Folder.parent(of: projectFolder) + "/shared/tiny/",
].compactMap { $0 }.first { Folder.kind(of: $0) == .folder }

/// All values of an integer or float32 tensor.
func values<Value: BitwiseCopyable>(_ path: String, _ name: String, _ type: Value.Type) throws -> [Value] {
  let source = try Checkpoint.open(path)
  let index = try #require(source.tensors.firstIndex { $0.name == name })
  var values: [Value] = []
  try source.read(index) { part in part.withUnsafeBytes { values += Array($0.bindMemory(to: Value.self)) } }
  return values
}

/// Logits of all tokens of some windows.
func logits(_ model: TransformerModel, _ windows: TokenWindows, threads: Int = 2) throws -> Matrix<Float> {
  let c = model.configuration
  let residual = Matrix<Float>(rows: windows.tokens.count, columns: c.hiddenSize)
  try model.embed(windows.tokens, into: residual.slice, threads: threads)
  for index in 0..<c.layerCount {
    let layer = try model.layer(index, windowLength: windows.length, threads: threads)
    layer.run(HiddenStates(residual.slice, windowLength: windows.length), threads: threads)
  }
  try model.normalizeOutput(residual.slice, threads: threads)
  let head = try model.head().rows(0..<c.vocabularySize)
  let out = Matrix<Float>(rows: residual.rows, columns: c.vocabularySize)
  gemm(residual.slice, head.slice, transposeB: true, into: out.slice, threads: threads)
  return out
}

@Suite("Small trained models", .enabled(if: hasTinyModels != nil)) struct TinyModelTests {
  private let folder = hasTinyModels ?? ""

  @Test("logits are transformers'", arguments: ["llama", "bloom"])
  func logitsOfReference(name: String) throws {
    let file = project("Tests/Fixtures/tiny/\(name)/reference-logits.safetensors")
    let windows = TokenWindows(try values(file, "tokens", Int32.self), length: 48)
    let wanted = try values(file, "logits", Float.self)
    let found = try logits(try TransformerModel.open(folder + name), windows).values
    #expect(found.count == wanted.count)
    let worst = zip(found, wanted).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst < 2e-3, "the largest difference is \(worst)")
  }

  @Test("perplexity is transformers'", arguments: ["llama", "bloom"])
  func perplexity(name: String) throws {
    struct Score: Decodable { let perplexity: Double }
    let reference = decodeJSON([String: Score].self, project("Tests/Fixtures/tiny/\(name)/reference.json"))
    let wanted = try #require(reference["unquantized"]?.perplexity)
    let file = project("Tests/Fixtures/tiny/\(name)/tokens.safetensors")
    let windows = TokenWindows(try values(file, "evaluation", Int32.self), length: 256)
    let model = try TransformerModel.open(folder + name)
    let result = try Evaluation(model, reference: nil, threads: 2).run(windows)
    #expect(result.tokens == 128 * 255)
    #expect(abs(result.perplexity / wanted - 1) < 1e-4, "\(result.perplexity), wanted \(wanted)")
    #expect(result.meanDivergence == nil && result.top1Agreement == nil)
  }

  @Test("the result is the same to the bit for any threads and chunks", arguments: ["llama", "bloom"])
  func reproducible(name: String) throws {
    let file = project("Tests/Fixtures/tiny/\(name)/tokens.safetensors")
    let windows = TokenWindows(Array(try values(file, "evaluation", Int32.self).prefix(9 * 256)), length: 256)
    let model = try TransformerModel.open(folder + name)
    let one = try Evaluation(model, reference: model, threads: 1).run(windows)
    for (threads, chunk) in [(2, 16384), (4, 1), (3, 2048)] {
      #expect(try Evaluation(model, reference: model, threads: threads, chunkTokens: chunk).run(windows) == one)
    }
    #expect(one.meanDivergence == 0 && one.top1Agreement == 1)
    #expect(one.referencePerplexity == one.perplexity)
  }
}
