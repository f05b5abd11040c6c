// The models once more, as the papers write them: double precision, one token after the other, nothing shared with the
// code under test. The oracle for what the small trained models do not have: grouped heads, biases, scaled positions.

import Checkpoint
import Foundation
import Model
import TestSupport

@testable import Transformer

/// A model in double precision over named tensors.
struct NaiveModel {
  let c: ModelConfiguration
  let tensors: [String: [Double]]

  private func weight(_ name: String) -> [Double] { tensors[name + ".weight"] ?? [] }

  private func dot(_ w: [Double], _ start: Int, _ x: [Double]) -> Double {
    var sum = 0.0
    for (index, value) in x.enumerated() { sum += w[start + index] * value }
    return sum
  }

  private func linear(_ name: String, _ x: [Double]) -> [Double] {
    let w = weight(name)
    let bias = tensors[name + ".bias"]
    return (0..<w.count / x.count).map { row in (bias?[row] ?? 0) + dot(w, row * x.count, x) }
  }

  private func norm(_ name: String, _ x: [Double]) -> [Double] {
    let mean = c.family == .bloom ? x.reduce(0, +) / Double(x.count) : 0
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
    let deviation = (variance + Double(c.epsilon)).squareRoot()
    return x.indices.map { (index: Int) -> Double in
      let scaled = (x[index] - mean) / deviation * weight(name)[index]
      return scaled + (tensors[name + ".bias"]?[index] ?? 0)
    }
  }

  /// Each head by itself, where the model has such a norm.
  private func headNorm(_ name: String, _ x: [Double]) -> [Double] {
    guard tensors[name + ".weight"] != nil else { return x }
    return stride(from: 0, to: x.count, by: c.headSize).flatMap { norm(name, Array(x[$0..<$0 + c.headSize])) }
  }

  private func rotate(_ x: [Double], at position: Int) -> [Double] {
    let d = c.headSize
    return x.indices.map { i in
      let (head, j) = (i / d * d, i % d)
      let pair = j % (d / 2)
      var frequency = pow(c.rotaryBase, -2 * Double(pair) / Double(d))
      switch c.rotaryScaling {
      case .none: break
      case .linear(let factor): frequency /= factor
      case .dynamic, .yarn, .longRope: break
      case .llama3(let factor, let low, let high, let length):
        let turns = length * frequency / (2 * .pi)
        let smooth = min(1, max(0, (turns - low) / (high - low)))
        frequency = (1 - smooth) * frequency / factor + smooth * frequency
      }
      let angle = Double(position) * frequency
      let partner = j < d / 2 ? -x[head + j + d / 2] : x[head + j - d / 2]
      return x[i] * cos(angle) + partner * sin(angle)
    }
  }

  /// The logits of each token of one window.
  func logits(_ tokens: [Int32]) -> [[Double]] {
    let isBloom = c.family == .bloom
    let prefix = isBloom ? "transformer." : "model."
    let embedding = weight(prefix + (isBloom ? "word_embeddings" : "embed_tokens"))
    var h = tokens.map { token in Array(embedding[Int(token) * c.hiddenSize..<(Int(token) + 1) * c.hiddenSize]) }
    if isBloom { h = h.map { norm(prefix + "word_embeddings_layernorm", $0) } }
    for layer in 0..<c.layerCount {
      let base = prefix + (isBloom ? "h" : "layers") + ".\(layer)."
      let x = h.map { norm(base + "input_layernorm", $0) }
      let d = c.headSize
      var q: [[Double]] = []
      var k: [[Double]] = []
      var v: [[Double]] = []
      for (position, x) in x.enumerated() {
        if isBloom {
          let all = linear(base + "self_attention.query_key_value", x)
          func part(_ which: Int) -> [Double] {
            (0..<c.headCount).flatMap { (head: Int) -> [Double] in
              let start = (head * 3 + which) * d
              return Array(all[start..<start + d])
            }
          }
          q.append(part(0))
          k.append(part(1))
          v.append(part(2))
        } else {
          q.append(rotate(headNorm(base + "self_attn.q_norm", linear(base + "self_attn.q_proj", x)), at: position))
          k.append(rotate(headNorm(base + "self_attn.k_norm", linear(base + "self_attn.k_proj", x)), at: position))
          v.append(linear(base + "self_attn.v_proj", x))
        }
      }
      for position in tokens.indices {
        var out: [Double] = []
        for head in 0..<c.headCount {
          let source = head * c.keyValueHeadCount / c.headCount
          // For a power of two of heads: 2^(−8·(head + 1)/heads).
          let slope: Double = isBloom ? pow(2, -8 * Double(head + 1) / Double(c.headCount)) : 0
          let scores = (0...position).map { (key: Int) -> Double in
            let product = dot(q[position], head * d, Array(k[key][source * d..<(source + 1) * d]))
            return product / Double(d).squareRoot() + slope * Double(key)
          }
          let peak = scores.max() ?? 0
          var sum = 0.0
          for score in scores { sum += exp(score - peak) }
          for j in 0..<d {
            var mixed = 0.0
            for (key, score) in scores.enumerated() { mixed += exp(score - peak) / sum * v[key][source * d + j] }
            out.append(mixed)
          }
        }
        let attention = linear(base + (isBloom ? "self_attention.dense" : "self_attn.o_proj"), out)
        h[position] = zip(h[position], attention).map(+)
        let y = norm(base + "post_attention_layernorm", h[position])
        let middle: [Double]
        if isBloom {
          middle = linear(base + "mlp.dense_h_to_4h", y).map { (x: Double) -> Double in
            let inner = 0.7978845608028654 * (x + 0.044715 * x * x * x)
            return 0.5 * x * (1 + tanh(inner))
          }
        } else {
          let up = linear(base + "mlp.up_proj", y)
          middle = zip(linear(base + "mlp.gate_proj", y), up).map { (gate: Double, up: Double) -> Double in
            gate / (1 + exp(-gate)) * up
          }
        }
        let out2 = linear(base + (isBloom ? "mlp.dense_4h_to_h" : "mlp.down_proj"), middle)
        h[position] = zip(h[position], out2).map(+)
      }
    }
    let head = c.tiesHead ? embedding : weight("lm_head")
    return h.map { h in
      let x = norm(prefix + (isBloom ? "ln_f" : "norm"), h)
      return (0..<c.vocabularySize).map { token in
        dot(head, token * x.count, x)
      }
    }
  }
}

/// A model of random numbers: its configuration's text, its tensors, and the oracle over them.
struct RandomModel {
  var source = MemorySource()
  let configuration: ModelConfiguration
  let json: String
  let oracle: NaiveModel

  init(_ json: String, seed: UInt64 = 1) throws {
    let c = try ModelConfiguration(json: Array(json.utf8), file: "config.json")
    var generator = SplitMix64(seed: seed)
    var tensors: [String: [Double]] = [:]
    var source = MemorySource()
    func add(_ name: String, _ shape: [Int], around mean: Double = 0, scale: Double = 0.3) {
      let values = (0..<shape.reduce(1, *)).map { _ in
        Float(mean + Double.random(in: -scale...scale, using: &generator))
      }
      source.add(name, .f32, shape, values)
      tensors[name] = values.map(Double.init)
    }
    let isBloom = c.family == .bloom
    let prefix = isBloom ? "transformer." : "model."
    func addNorm(_ name: String) {
      add(name + ".weight", [c.hiddenSize], around: 1)
      if isBloom { add(name + ".bias", [c.hiddenSize]) }
    }
    add(
      prefix + (isBloom ? "word_embeddings" : "embed_tokens") + ".weight", [c.vocabularySize, c.hiddenSize], scale: 1)
    if isBloom { addNorm(prefix + "word_embeddings_layernorm") }
    for layer in 0..<c.layerCount {
      let base = prefix + (isBloom ? "h" : "layers") + ".\(layer)."
      addNorm(base + "input_layernorm")
      addNorm(base + "post_attention_layernorm")
      if c.family == .qwen3 {
        for name in ["q_norm", "k_norm"] { add("\(base)self_attn.\(name).weight", [c.headSize], around: 1) }
      }
      let (q, k) = (c.headCount * c.headSize, c.keyValueHeadCount * c.headSize)
      let modules: [(String, Int, Int, Bool)] =
        isBloom
        ? [
          ("self_attention.query_key_value", 3 * q, c.hiddenSize, true),
          ("self_attention.dense", c.hiddenSize, q, true),
          ("mlp.dense_h_to_4h", c.intermediateSize, c.hiddenSize, true),
          ("mlp.dense_4h_to_h", c.hiddenSize, c.intermediateSize, true),
        ]
        : [
          ("self_attn.q_proj", q, c.hiddenSize, c.needsInputBias),
          ("self_attn.k_proj", k, c.hiddenSize, c.needsInputBias),
          ("self_attn.v_proj", k, c.hiddenSize, c.needsInputBias), ("self_attn.o_proj", c.hiddenSize, q, false),
          ("mlp.gate_proj", c.intermediateSize, c.hiddenSize, false),
          ("mlp.up_proj", c.intermediateSize, c.hiddenSize, false),
          ("mlp.down_proj", c.hiddenSize, c.intermediateSize, false),
        ]
      for (name, out, into, hasBias) in modules {
        add(base + name + ".weight", [out, into])
        if hasBias { add(base + name + ".bias", [out]) }
      }
    }
    addNorm(prefix + (isBloom ? "ln_f" : "norm"))
    if !c.tiesHead { add("lm_head.weight", [c.vocabularySize, c.hiddenSize]) }
    (self.source, configuration, self.json) = (source, c, json)
    oracle = NaiveModel(c: c, tensors: tensors)
  }
}

extension RandomModel {
  /// A LLaMA configuration with some fields more.
  static func llama(_ more: String = "") -> String {
    """
    {"model_type": "llama", "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 6,
     "vocab_size": 50, "rms_norm_eps": 1e-5\(more)}
    """
  }
  /// A BLOOM configuration.
  static let bloom = """
    {"model_type": "bloom", "n_embed": 32, "n_layer": 2, "n_head": 4, "vocab_size": 50, "layer_norm_epsilon": 1e-5}
    """
}
