// A base with an adapter merged into it: a view, in which a tensor that the adapter does not touch is the base's, bytes
// and all, and the others are made as they are read.

import ByteIO
import Checkpoint
import Model

/// A base with an adapter.
struct AdapterMerge {
  /// The tensors, in the base's order and under its names.
  let tensors: TensorView
  /// What is found while they are read.
  let figures = MergeFigures()
  /// The names of those that have a product.
  let products: Set<String>
  /// How many are replaced.
  let replacedCount: Int
  /// Whether nothing of the base is left: the adapter is a whole model's checkpoint.
  let replacesAll: Bool
  /// The rows of the embedding, where there are more than the base has.
  let grownRows: Int?
  /// Whether a head that was the embedding is one of its own now.
  let untiesHead: Bool
  /// How many of the adapter's tensors were matched.
  let adapterCount: Int
  /// The adapter's own tensors that are rounded to the base's types.
  let conversions: [ConvertedSource]
  /// What is to be told.
  private(set) var remarks: [String]

  /// Merges; nothing is computed.
  ///
  /// - Parameters:
  ///   - tensors: the base's, in the types of the result.
  ///   - tiesHead: whether the base's head is its embedding.
  ///   - layerCount: how many layers its configuration says that it has; nil where it says nothing.
  ///   - factor: what products are multiplied by besides.
  /// - Throws: ``MergeError`` or `CheckpointError`.
  init(_ adapter: AdapterSource, into tensors: any TensorSource, tiesHead: Bool, layerCount: Int?, factor: Double)
    throws
  {
    remarks = adapter.remarks
    var base = tensors
    var plan: AdapterPlan
    // A head that is not stored is there for whoever adapts it, or the embedding that it is.
    let separate = try HuggingFaceNames.completed(tensors, addsHead: true)
    if tiesHead, HuggingFaceNames.hasHead(separate) {
      let whole = try AdapterPlan(adapter, onto: separate.tensors, layerCount: layerCount, factor: factor)
      let touched = whole.changes.filter { HuggingFaceNames.isOfVocabulary($0.key) }
      // A table that was trained whole, and tied: it takes the embedding's place, and the head is still the same.
      let staysTied =
        adapter.configuration.tiesAdapters
        && touched.allSatisfy { $0.key != HuggingFaceNames.head && $0.value.product == nil }
      untiesHead = !touched.isEmpty && !staysTied
      if untiesHead {
        guard !adapter.configuration.tiesAdapters else {
          throw MergeError(
            .configuration, file: adapter.path,
            reason: "ensure_weight_tying is true, the base's head is its embedding, and what both become is not known "
              + "here",
            remedy: AdapterConfiguration.withPeft)
        }
        (base, plan) = (separate, whole)
      } else {
        plan = try AdapterPlan(adapter, onto: tensors.tensors, layerCount: layerCount, factor: factor)
      }
    } else {
      untiesHead = false
      plan = try AdapterPlan(adapter, onto: tensors.tensors, layerCount: layerCount, factor: factor)
    }
    if plan.untransposed > 0 {
      remarks.append(
        "fan_in_fan_out is true, and the layers are Linear's, whose weights are not stored so: it is not followed, as "
          + "peft does not follow it")
    }
    if plan.transposed > 0 {
      remarks.append(
        "fan_in_fan_out is false, and the layers are Conv1D's, whose weights are stored so: their products are turned, as "
          + "peft turns them")
    }
    remarks += plan.notes
    if adapter.configuration.hasOldPatterns {
      remarks.append(
        "rank_pattern and alpha_pattern have keys of their own, and nothing says which peft wrote them: each counts for "
          + "itself here, and in peft until about 0.14 the first key that matched counted for both")
    }
    if tiesHead, !untiesHead, !adapter.configuration.tiesAdapters, !HuggingFaceNames.hasHead(separate),
      let name = plan.changes.keys.filter(VocabularyNames.contain).min()
    {
      remarks.append(
        "the base's head may be \(displayName(name)), and gets what the adapter has for that too, as in peft's merge")
    }
    products = Set(plan.changes.filter { $1.product != nil }.keys)
    replacedCount = plan.changes.values.count { $0.replacement != nil }
    replacesAll = base.tensors.allSatisfy {
      plan.changes[$0.name]?.replacement != nil || ComputedTensors.contains($0)
    }
    adapterCount = adapter.source.tensors.count - plan.unusedCount
    grownRows = try Self.rows(base, plan, adapter.path)
    (self.tensors, conversions) = try Self.view(base, plan, adapter, figures)
  }

  /// The rows of embedding and head, where they are more than the base's.
  private static func rows(_ base: any TensorSource, _ plan: AdapterPlan, _ path: String) throws -> Int? {
    let tables = base.tensors.filter { VocabularyNames.contain($0.name) }
    let rows = Set(tables.compactMap { plan.shape(of: $0.name).first })
    let before = Set(tables.compactMap(\.shape.first))
    guard rows != before, let most = rows.max() else { return nil }
    guard rows.count == 1 else {
      throw MergeError(
        .mismatch, file: path,
        reason: "embedding and head would have different numbers of rows: "
          + "\(rows.sorted().map(String.init).joined(separator: " and "))",
        remedy: "the adapter has the new rows of one of them alone: take the complete one")
    }
    return most
  }

  private static func view(
    _ base: any TensorSource, _ plan: AdapterPlan, _ adapter: AdapterSource, _ figures: MergeFigures
  ) throws -> (TensorView, [ConvertedSource]) {
    var entries: [TensorView.Entry] = []
    var conversions: [ConvertedSource] = []
    for (index, info) in base.tensors.enumerated() {
      guard let change = plan.changes[info.name] else {
        entries.append(TensorView.Entry(info, .stored(index)))
        continue
      }
      var (values, place, shown): (any TensorSource, Int, TensorInfo) = (base, index, info)
      if let replacement = change.replacement {
        let stored = adapter.source.tensors[replacement]
        let alone = try TensorView(
          [TensorView.Entry(stored.renamed(info.name), .stored(replacement))], of: adapter.source)
        values = alone
        if stored.dtype != info.dtype {
          let converted = try ConvertedSource(alone, dtype: info.dtype)
          conversions.append(converted)
          values = converted
        }
        place = 0
        // The file stays the base's: by it tensors are divided among the output's.
        shown = TensorInfo(
          name: info.name, dtype: info.dtype, shape: stored.shape, file: info.file,
          byteCount: values.tensors[0].byteCount)
      }
      guard let product = change.product else {
        let watched = WatchedTensor(source: values, name: info.name, figures: figures)
        entries.append(TensorView.Entry(shown, .parts { try watched.cursor() }))
        continue
      }
      let merged = MergedTensor(
        info: shown, base: values, index: place, product: product, lengths: change.lengths, figures: figures)
      entries.append(TensorView.Entry(shown, merged.origin))
    }
    let view = try TensorView(entries, of: base, adapter.source, format: base.format, metadata: base.metadata)
    return (view, conversions)
  }
}
