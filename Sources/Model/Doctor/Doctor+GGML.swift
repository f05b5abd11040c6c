// llama.cpp's model files of before GGUF: the tensors, the vocabulary, the values. No engine reads them today.

import ByteIO
import Checkpoint
import Tokenizer

extension Doctor {
  /// Looks at such a file.
  func examine(_ file: GGMLFile, of opened: Model, _ progress: @escaping @Sendable (Int, Int) -> Void) {
    do {
      let model = try opened.described(file)
      facts.configuration = model.configuration
      facts.fitsGGUF = true
      examineTensors(try DequantizedSource(model.source), model.configuration)
      do {
        examine(
          try Tokenizers.tokenizer(of: model.vocabulary(), file: path),
          vocabularySize: model.configuration.vocabularySize)
      } catch { add(error, .badTokenizer, path) }
    } catch { add(error, .badConfiguration, path) }
    let values: (any TensorSource)? = attempt { try DequantizedSource(file) }
    examineValues(values ?? file, progress)
  }
}
