// One thing that an engine would trip over.

import ByteIO

/// What `doctor` found.
package struct Finding: Sendable, Equatable {
  /// How much it matters.
  package enum Severity: String, Sendable {
    /// Some engine fails, or computes something else than the model.
    case error
    /// It works today, and may not tomorrow.
    case warning
    /// A thing that this program does not know: it tells nothing against the model.
    case notJudged = "not-judged"
  }

  /// What kind of finding it is; scripts read the raw value.
  package enum Code: String, Sendable, CaseIterable {
    // What this program does not know.
    case notJudged = "not-judged"
    // Files.
    case missingFile = "missing-file"
    case notDownloaded = "not-downloaded"
    case unfinishedFile = "unfinished-file"
    case misnamedFile = "misnamed-file"
    case unreadableFile = "unreadable-file"
    case unknownNames = "unknown-names"
    case truncatedFile = "truncated-file"
    case badIndex = "bad-index"
    case unindexedTensor = "unindexed-tensor"
    case unheldTensor = "unheld-tensor"
    case leftOverIndex = "left-over-index"
    case severalModels = "several-models"
    case partOfModel = "part-of-model"
    case duplicateTensor = "duplicate-tensor"
    // Configuration and tensors.
    case missingConfiguration = "missing-config"
    case badConfiguration = "bad-config"
    case missingTensor = "missing-tensor"
    case wrongShape = "wrong-shape"
    case wrongType = "wrong-type"
    case extraLayer = "extra-layer"
    case unexpectedTensor = "unexpected-tensor"
    case wrappedNames = "wrapped-names"
    case tiedWeightsLost = "tied-weights-lost"
    case tiedWeightsDiffer = "tied-weights-differ"
    case notFinite = "not-finite"
    case frequenciesDiffer = "rope-differs"
    case ownCode = "own-code"
    // Adapters.
    case unmergedAdapter = "unmerged-adapter"
    case adapterAlone = "adapter-alone"
    case emptyAdapter = "empty-adapter"
    case adapterBeside = "adapter-beside"
    // Tokenizer.
    case missingTokenizer = "missing-tokenizer"
    case badTokenizer = "bad-tokenizer"
    case tokenizerTooLarge = "tokenizer-too-large"
    case tokenOutOfRange = "token-id-out-of-range"
    case endTokenDiffers = "eos-differs"
    // Quantization.
    case missingQuantization = "missing-quantization-config"
    case missingKey = "missing-config-key"
    case contradictoryConfiguration = "contradictory-config"
    case unknownQuantization = "unknown-quantization"
    case missingPart = "missing-packed-part"
    case badPart = "bad-packed-part"
    case bitsDenied = "bits-contradict-shapes"
    case groupSizeDenied = "group-size-contradicts-shapes"
    case packingDenied = "packing-contradicts-settings"
    case zeroPointVersion = "zero-point-version"
    case symmetryDenied = "sym-contradicts-zeros"
    case badScales = "scales-not-finite"
    case zeroScales = "zero-scales"
    case groupOutOfRange = "group-index-out-of-range"
    case groupsUnsorted = "group-index-unsorted"
    case groupsUneven = "group-index-uneven"
    // GGUF.
    case missingValue = "missing-gguf-value"
  }

  /// How much it matters.
  package let severity: Severity
  /// What kind it is.
  package let code: Code
  /// The file, or the tensor or module, that it is about.
  package let place: String
  /// What is wrong.
  package let message: String
  /// What to do about it.
  package let remedy: Remedy?
}

/// Whether an engine loads a model, and why not.
package struct EngineVerdict: Sendable, Equatable {
  /// The engine: `transformers`, `vllm`, `gptqmodel` or `llama.cpp`.
  package let engine: String
  /// Whether it loads the model, as it is; nil where this program cannot tell.
  package let loads: Bool?
  /// Why not, or why that cannot be told, and what would help.
  package let reason: Remedy?
}
