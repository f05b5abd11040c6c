// GGUF files: the values that llama.cpp asks for, the tensors of the architecture, the vocabulary.
// Sources: ggml, docs/gguf.md (required values); llama.cpp, src/llama-model.cpp.

import ByteIO
import Checkpoint
import Tokenizer

extension Doctor {
  /// Looks at a GGUF file.
  func examine(_ file: GGUFFile, _ progress: @escaping @Sendable (Int, Int) -> Void) {
    let values = file.values
    let missing = { (key: String, why: String) in
      guard values[key] == nil else { return }
      self.add(
        .error, .missingValue, self.path, "\(key) is missing: \(why)", "make the file again from the original model")
    }
    missing("general.architecture", "llama.cpp does not load a model without it")
    if file.tensors.contains(where: { $0.dtype.block != nil }), values["general.quantization_version"] == nil {
      add(
        .warning, .missingValue, path, "general.quantization_version is missing, though tensors are quantized",
        "make the file again from the original model")
    }
    // Other architectures want other values.
    if let architecture = values["general.architecture"]?.string, ModelFamily(gguf: architecture) != nil {
      for key in ["context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count"] {
        missing("\(architecture).\(key)", "llama.cpp does not load the model without it")
      }
    }
    if values["tokenizer.ggml.model"] == nil {
      add(
        .error, .missingTokenizer, path, "there is no tokenizer in it",
        "make the file again, with the tokenizer's files")
    }
    for text in GGUFTokenIDs(values).remarks {
      add(.warning, .tokenOutOfRange, path, text, "make the file again from the original model")
    }
    guard !findings.contains(where: { $0.severity == .error && $0.code == .missingValue }) else {
      return examineValues(dequantized(file), progress)
    }
    do {
      let model = try GGUFModel(file, path: path)
      facts.configuration = model.configuration
      examineBiases(file, model.configuration.family)
      examineTensors(try DequantizedSource(model.source), model.configuration)
      if values["tokenizer.ggml.model"] != nil {
        do {
          let vocabulary = try model.vocabulary()
          examine(
            try Tokenizers.tokenizer(of: vocabulary, file: path), vocabularySize: model.configuration.vocabularySize)
        } catch { add(error, .badTokenizer, path) }
      }
    } catch { add(error, .badConfiguration, path) }
    examineValues(dequantized(file), progress)
  }

  /// Looks for biases that llama.cpp has no place for.
  private func examineBiases(_ file: GGUFFile, _ family: ModelFamily) {
    for info in file.tensors {
      guard let tensor = family.tensor(named: info.name, in: .gguf), tensor.part == .bias,
        !family.hasGGUFBias(tensor.role)
      else { continue }
      add(
        .error, .unexpectedTensor, displayName(info.name),
        "llama.cpp has no place for it in a \(family.name) model, and refuses the file",
        "make the file again without it, where it holds zeros")
    }
  }

  /// The values of the blocks; the file as it is where some cannot be read.
  private func dequantized(_ file: GGUFFile) -> any TensorSource { attempt { try DequantizedSource(file) } ?? file }
}
