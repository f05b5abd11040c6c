// What a model is: the only place that asks. A path is opened here once, and told from what is there: in which layout its
// tensors lie, what wraps their names, whether its weights are numbers, packed integers or blocks, where its companions
// are. Nothing is computed, and a configuration is read only where it is asked for, so that a model whose configuration
// is missing can still be listed, compared and converted.

import ByteIO
import Checkpoint
import Packed

/// A model, open.
package struct Model: Sendable {
  /// How tensors are called, and how their rows lie.
  package enum Layout: Sendable {
    /// Hugging Face's.
    case huggingFace
    /// Meta's shards and params.json.
    case meta(MetaFolder)
    /// llama.cpp's, all in one file.
    case gguf(GGUFFile)
    /// Meta's names and orders, in one of llama.cpp's files of before GGUF, which has all that is known of the model.
    case ggml(GGMLFile)
  }

  /// What weights are stored as.
  package enum Form: Sendable, Equatable {
    /// Numbers.
    case plain
    /// GPTQ's packed integers with their scales.
    case packed
    /// ggml's blocks, in the matrices of its layers.
    case blocks
  }

  /// What was said of it from outside, where its file does not say it.
  package var stated = StatedMeasures()
  /// The path that it was opened by.
  package let path: String
  /// Where its configuration and its tokenizer lie: the path, or the folder that the file is in.
  package let folder: String
  /// The tensors as they are stored.
  package let stored: any TensorSource
  /// How they are called.
  package let layout: Layout
  /// The same tensors without what wraps their names; in Hugging Face's layout those of the model only.
  package let tensors: any TensorSource
  /// The same tensors, and what lies beside the model, such as an optimizer's state, under the names that it has.
  package let everything: any TensorSource
  /// What begins the names of the model's tensors, or stands in them, because a trainer saved the model as a part of
  /// something; nil where nothing does. Engines do not look for it.
  package let wrapper: String?
  /// The first tensor beside those of the model; nil where there is none.
  package let firstOther: String?
  /// What the weights are stored as.
  package let form: Form
  /// What of an adapter there is.
  package let adapter: AdapterPresence?
  /// What is to be told of how it was found: other weights beside it, an index that does not fit, parts that are not read.
  package let remarks: [Checkpoint.Remark]
  /// Which part of a model the file is that was given, in words; nil for a whole model.
  package let part: String?

  /// Opens a file or folder.
  ///
  /// - Parameters:
  ///   - skipped: as in `Checkpoint.open`; tensors that are no ordinary ones are left out with it.
  ///   - allowsFaults: whether files beside the weights may be unfinished or have other names.
  /// - Throws: `CheckpointError` or `ByteIOError` where its tensors cannot be opened.
  package static func open(
    _ path: String, skipping skipped: SkippedNames? = nil, allowsFaults: Bool = false
  ) throws -> Model {
    // Meta's file, where there is only one, stands for the folder that it is in.
    if MetaFolder.isWhole(path), Folder.kind(of: Folder.join(Folder.parent(of: path), "config.json")) != .file {
      let shard = Folder.name(of: path)
      return Model(try MetaFolder(Folder.parent(of: path), shards: [shard], skipping: skipped), path: path)
    }
    let opened = try Checkpoint.opened(path, skipping: skipped, allowsFaults: allowsFaults)
    return Model(
      skipped?.readable(of: opened.source) ?? opened.source, path: opened.path, remarks: opened.remarks)
  }

  /// A model whose tensors are open already.
  ///
  /// - Parameters:
  ///   - remarks: what is to be told of how it was found.
  ///   - looksForAdapter: whether what lies at the path may be an adapter, or have one; not for what was merged.
  package init(
    _ stored: any TensorSource, path: String, remarks: [Checkpoint.Remark] = [], looksForAdapter: Bool = true
  ) {
    let part = Checkpoint.part(path, stored)
    self.part = part
    let file = stored as? GGUFFile
    let ofTokens = file.map { GGUFTokenIDs($0.values).remarks } ?? []
    let ofKeys = file.flatMap { GGUFKeys.remark($0.values) }.map { [Checkpoint.Remark.note($0)] } ?? []
    let ofPart = part.map { part in
      Checkpoint.Remark.warning(
        "this file is \(part): the others are not read; give the folder, or the index, for all of them")
    }
    self.remarks =
      remarks + ofTokens.map { .warning($0) } + ofKeys + [ofPart].compactMap(\.self).filter { !remarks.contains($0) }
    self.path = path
    self.stored = stored
    folder = Folder.home(of: path)
    adapter = looksForAdapter ? AdapterPresence(in: stored, at: path) : nil
    switch stored {
    case let meta as MetaFolder: layout = .meta(meta)
    case let file as GGUFFile: layout = .gguf(file)
    case let file as GGMLFile: layout = .ggml(file)
    default: layout = .huggingFace
    }
    guard case .huggingFace = layout else {
      (tensors, everything, wrapper, firstOther) = (stored, stored, nil, nil)
      let isQuantized = stored.tensors.contains {
        $0.dtype.block != nil && ["blk.", "layers."].contains(where: $0.name.hasPrefix) && $0.shape.count > 1
      }
      form = isQuantized ? .blocks : .plain
      return
    }
    // An adapter's tensors lie outside of what they adapt.
    let unwrapped = adapter?.kind == .unmerged ? nil : HuggingFaceNames.unwrapped(stored)
    wrapper = unwrapped?.wrapper
    tensors = unwrapped?.model ?? stored
    everything = unwrapped?.everything ?? stored
    firstOther = unwrapped?.firstOther
    form = PackedCheckpoint.isPacked(tensors) ? .packed : .plain
  }

  /// Whether it is an adapter and no model, in another form than llama.cpp's; it may be empty.
  package var isForeignAdapter: Bool {
    if case .gguf = layout { return false }
    return [.alone, .empty].contains(adapter?.kind)
  }

  /// How many tensors lie beside those of the model, under other names than the wrapper's: an optimizer's state, say.
  package var otherCount: Int { stored.tensors.count - tensors.tensors.count }

  /// The model's tensors with Hugging Face's names, as the weights that packed integers and blocks stand for; without a
  /// configuration where the layout does not need one.
  ///
  /// - Throws: ``ModelError`` or `CheckpointError`.
  package func weights() throws -> any TensorSource {
    switch layout {
    case .gguf(let file): return try DequantizedSource(GGUFModel(file, path: path).source)
    case .ggml(let file): return try DequantizedSource(described(file).source)
    case .meta(let meta): return try MetaModel(meta).source
    case .huggingFace:
      guard form == .packed else { return tensors }
      let packed = try PackedCheckpoint.ofModel(tensors, folder: folder)
      return needsBiases ? packed : try packed.withoutZeroBiases()
    }
  }

  /// The names of packed modules' biases that ``weights()`` leaves out: they are all zeros, and the model has none there.
  package func unusedBiases() throws -> [String] {
    guard form == .packed, !needsBiases else { return [] }
    return try PackedCheckpoint.ofModel(tensors, folder: folder).zeroBiases()
  }

  /// Whether config.json says that linear modules have biases.
  private var needsBiases: Bool {
    (try? ModelConfiguration(file: Folder.join(folder, "config.json")))?.needsInputBias == true
  }
}
