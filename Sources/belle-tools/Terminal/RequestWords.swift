// What a request is called on this command line: the only place where a remedy becomes an option or a verb.

import ByteIO

extension Remedy {
  /// The remedy in the words of this command line.
  var words: String { worded(\.words) }
}

extension Request {
  /// The option, with its value, or the call of a verb.
  var words: String {
    switch self {
    case .replacing: "--force"
    case .beginningAgain: "--no-resume"
    case .format(let name): Self.option("--format", name)
    case .losing: "--lossy"
    case .dequantizing: "--dequantize"
    case .layout(let name): Self.option("--layout", name)
    case .valueType: "--dtype"
    case .blockType(let name): "--gguf-type \(name)"
    case .packing(let name): "--checkpoint-format \(name)"
    case .epsilon: "--rms-eps"
    case .contextLength: "--context"
    case .tokenizer: "--tokenizer"
    case .skippingUnknown: "--skip-unknown"
    case .bits(let count): "--bits \(count)"
    case .groupSize(let count): "--group-size \(count)"
    case .activationOrder: "--act-order"
    case .staticGroups: "--static-groups"
    case .quantizedHead: "--quantize-head"
    case .skipping(let pattern): "--skip '\(pattern)'"
    case .recipe(let name): "--recipe \(name)"
    case .arithmetic(let name): "--compute \(name)"
    case .memory: "--max-memory"
    case .threads(let count): "--threads \(count)"
    case .sequenceLength(let count): "--sequence-length \(count)"
    case .manifest: "--manifest"
    case .checkingKey: "--check-key"
    case .releases: "`belle-tools releases`"
    case .decrypting: "`belle-tools decrypt <enc-file-or-folder> <key> <output-folder>`"
    case .verifying(let path): "`belle-tools verify\(path.map { " " + displayName($0) } ?? "")`"
    case .statistics: "`belle-tools inspect <model> --stats`"
    case .inspecting: "`belle-tools inspect <model> --report model.html`"
    case .diagnosis: "`belle-tools doctor <model>`"
    case .quantizing: "`belle-tools quantize <model>`"
    case .converting(let conversion): "`belle-tools convert\(conversion.arguments)`"
    case .merging: "`belle-tools merge <base> <adapter-or-delta> <output>`"
    case .reversing: "`belle-tools merge --reverse <base> <tuned> <delta>`"
    case .base: "--base <model>"
    case .scheme(let name): Self.option("--scheme", name)
    }
  }

  private static func option(_ name: String, _ value: String?) -> String { value.map { "\(name) \($0)" } ?? name }
}

extension Request.Conversion {
  fileprivate var arguments: String {
    switch self {
    case .automatic, .folder: " <model> <output>"
    case .huggingFace(let path): " \(path.map(displayName) ?? "<model>") <output> --layout hf"
    case .gguf: " <model> model.gguf"
    case .gptqVersion2: " <model> <output> --checkpoint-format gptq_v2"
    }
  }
}
