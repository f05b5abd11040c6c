// decrypt with a model's folder as the key, as a user runs it, against the same with the file that would be made of it.

import ByteIO
import Checkpoint
import Foundation

struct KeyBench: BenchCase {
  static let name = "key"
  private static let (width, middle, tokens) = (4096, 11008, 32000)

  private let context: BenchContext
  private let tool: String
  private let scratch: Scratch
  private let size: Int
  private var model: String { scratch.path + "/hf" }
  private var key: String { scratch.path + "/7B/consolidated.00.pth" }
  private var release: String { scratch.path + "/enc" }

  init(_ context: BenchContext) throws {
    self.context = context
    tool = try context.tool
    scratch = try Scratch(context.memory + "/belle-bench-key-\(getpid())")
    let (width, middle, tokens) = (Self.width, Self.middle, Self.tokens)
    var inLayer: [(String, [Int])] = ["q", "k", "v", "o"].map { ("self_attn.\($0)_proj", [width, width]) }
    inLayer += [
      ("mlp.gate_proj", [middle, width]), ("mlp.up_proj", [middle, width]), ("mlp.down_proj", [width, middle]),
    ]
    inLayer += [("input_layernorm", [width]), ("post_attention_layernorm", [width])]
    let layerSize = inLayer.reduce(0) { $0 + 2 * $1.1.reduce(1, *) }
    // Half the size of the other cases' files: there are four of them here.
    let layers = max(1, min(31, (context.size / 2 - 4 * tokens * width) / layerSize))
    var names: [(String, [Int])] = [
      ("model.embed_tokens", [tokens, width]), ("model.norm", [width]), ("lm_head", [tokens, width]),
    ]
    for layer in 0..<layers { names += inLayer.map { ("model.layers.\(layer).\($0.0)", $0.1) } }
    let source = PatternSource(names.map { ($0.0 + ".weight", $0.1) }, .f16)
    size = source.tensors.reduce(0) { $0 + $1.byteCount }
    context.say("making a model of \(byteCount(size)), its key and a release in \(scratch.path)")
    try source.write("model.safetensors", in: model)
    let configuration = """
      {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": \(width),
       "intermediate_size": \(middle), "num_hidden_layers": \(layers), "num_attention_heads": 32,
       "vocab_size": \(tokens), "rms_norm_eps": 1e-06}
      """
    try Data(configuration.utf8).write(to: URL(filePath: model + "/config.json"))
    try run("convert", model, scratch.path + "/7B", "--layout", "meta", "--as-original")
    // What is encrypted is as large as the key, as a release is.
    try run("encrypt", model + "/model.safetensors", key, release)
  }

  @discardableResult
  private func run(_ arguments: String...) throws -> Cost {
    let cost = try Child.run([tool] + arguments + ["--quiet"])
    guard cost.status == 0 else {
      throw ByteIOError(.interrupted, reason: "exit status \(cost.status) of \(arguments[0])")
    }
    return cost
  }

  func measure() throws -> [Series] {
    let file = "decrypt with the key's file"
    return [
      try series(file, key, target: nil), try series("decrypt with the model's folder", model, target: (file, 0.8)),
    ]
  }

  private func series(_ name: String, _ key: String, target: (String, Double)?) throws -> Series {
    let cost = try Cost.best {
      let output = scratch.path + "/out"
      defer { try? FileManager.default.removeItem(atPath: output) }
      return try context.lend(size) { try run("decrypt", release, key, output) }
    }
    return Series(
      name: name, unit: .rate, target: target, values: [Double(size) / cost.seconds], peakMemory: cost.peakMemory)
  }
}
