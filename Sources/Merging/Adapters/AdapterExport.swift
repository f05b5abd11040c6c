// An adapter of peft's as llama.cpp reads it: a GGUF file of the type `adapter`, its tensors under llama.cpp's names, rows
// of B in its order, A of an embedding as rows of tokens. One alpha is all that it says of scales: a product by alpha and
// the rows of A; where a product has another scale, its B is multiplied.
// Source: llama.cpp, convert_lora_to_gguf.py, src/llama-adapter.cpp (get_scale).
// Refused: what llama.cpp's adapters have no place for: DoRA, biases, modules that were trained whole; an alpha of 0, which
// means 1 there; products for a head that is the embedding, or for such an embedding, which are one tensor there.

import ByteIO
import Checkpoint
import Model

/// An adapter on its way into a GGUF file.
package struct AdapterExport {
  /// Its tensors, and what the file says besides.
  package let source: DescribedTensors
  /// The same tensors in the types that they had; nil where they keep them.
  package let original: (any TensorSource)?
  /// What is to be told.
  package let notes: [String]

  /// Lays an adapter out; no values are read.
  ///
  /// - Parameters:
  ///   - path: the adapter's folder or file.
  ///   - base: a model, a folder that holds its config.json, or that file; where nil, what the adapter names as its base,
  ///     or a config.json beside it.
  ///   - dtype: the type of its matrices; nil keeps what they have.
  /// - Throws: ``MergeError``, `CheckpointError` or `ModelError`.
  package init(_ path: String, base: String?, dtype: DType?) throws {
    let given = try AdapterSource(ofPeft: path)
    var notes = given.remarks
    let place = try Self.base(of: given, base)
    if base == nil { notes.append("its base's measures are those of \(displayName(place))") }
    let configuration = try Self.measures(at: place)
    guard let architecture = configuration.family.gguf else {
      throw MergeError(
        .form, file: place, reason: "models of the family \(configuration.family.name) are not written as GGUF here")
    }
    let (adapter, copies) = try Self.withoutWhole(given)
    let plan = try AdapterPlan(
      adapter, onto: configuration.weights(file: place), layerCount: configuration.layerCount, factor: 1)
    notes += plan.notes
    let products = try Self.products(of: plan, configuration, path)
    if copies > 0 {
      notes.append(
        "\(copies) tensor\(copies == 1 ? " is" : "s are") left out: copies of what the adapter's products are added to, "
          + "which the base has itself")
    }
    let (alpha, isScaled) = try Self.alpha(of: products, path)
    let scaled = products.count(where: isScaled)
    if scaled > 0 {
      notes.append(
        "\(scaled) of \(products.count) products have another scale than alpha \(alpha) by their rank, which is all "
          + "that llama.cpp knows: their B is multiplied, in f32")
    }
    let view = try Self.view(products, alpha: alpha, isScaled, adapter.source, configuration)
    let types = Set(dtype.map { [$0] } ?? view.tensors.map(\.dtype)).subtracting([.f32, .f16, .bf16])
    if let type = types.map(\.rawValue).min() {
      throw MergeError(
        .form, file: path, reason: "llama.cpp's adapters are of F32, F16 or BF16, not of \(type)",
        remedy: "say with \(.blockType("f32")) what its matrices become")
    }
    var values = GGUFMetadata()
    values["general.architecture"] = .string(architecture)
    values["general.type"] = .string("adapter")
    values["adapter.type"] = .string("lora")
    values["adapter.lora.alpha"] = .float32(alpha)
    values["general.quantization_version"] = .uint32(2)
    self.notes = notes
    original = dtype == nil ? nil : view
    source = DescribedTensors(try dtype.map { try ConvertedSource(view, dtype: $0) } ?? view, values: values)
  }

  // MARK: - The base

  /// Where the base's measures are.
  private static func base(of adapter: AdapterSource, _ given: String?) throws -> String {
    if let given { return given }
    let configuration = "config.json"
    let home = Folder.join(Folder.home(of: adapter.path), configuration)
    if Folder.kind(of: home) == .file { return home }
    if let name = adapter.configuration.baseName, Folder.kind(of: Folder.join(name, configuration)) == .file {
      return Folder.join(name, configuration)
    }
    let named = adapter.configuration.baseName.map { ": it says \(displayName($0)), which is no folder here" } ?? ""
    throw MergeError(
      .configuration, file: adapter.path,
      reason: "rows lie by the heads of its base, and nothing says how many it has\(named)",
      remedy: "say with \(.base) which model it is for: its folder, or its config.json alone")
  }

  private static func measures(at path: String) throws -> ModelConfiguration {
    if path.hasSuffix(".json") { return try ModelConfiguration(file: path) }
    let file = Folder.join(path, "config.json")
    return Folder.kind(of: file) == .file ? try ModelConfiguration(file: file) : try Model.open(path).measures()
  }

  // MARK: - Products

  /// A product, and the base's weight that it is for.
  private struct Product {
    /// What Hugging Face's layout and llama.cpp call it.
    let name: String
    let ggufName: String
    /// Numbers of the adapter's tensors.
    let down: Int
    let up: Int
    let isEmbedding: Bool
    let scale: Double
    let rank: Int
  }

  /// All products, in the order of the names.
  private static func products(
    of plan: AdapterPlan, _ configuration: ModelConfiguration, _ path: String
  ) throws -> [Product] {
    try plan.changes.sorted { $0.key < $1.key }.map { name, change -> Product in
      func fault(_ reason: String) -> MergeError {
        MergeError(
          .form, file: path, reason: "\(displayName(name)): \(reason)",
          remedy: "merge it into its base, and convert that: \(.merging)")
      }
      guard let product = change.product, let right = product.right else { throw fault("it is no product") }
      guard change.lengths == nil else { throw fault("llama.cpp's adapters have no place for DoRA's lengths") }
      guard let (other, isEmbedding) = configuration.ggufName(of: name), product.left.isTransposed == isEmbedding else {
        throw fault("llama.cpp has no product of this kind for it")
      }
      guard !(isEmbedding && configuration.tiesHead) else {
        throw fault("the base's head is its embedding, and llama.cpp would take the product for both")
      }
      return Product(
        name: name, ggufName: other, down: (isEmbedding ? product.left : right).index,
        up: (isEmbedding ? right : product.left).index, isEmbedding: isEmbedding, scale: product.scale,
        rank: product.rank)
    }
  }

  /// An adapter without the copies of base weights that peft saves beside an embedding's or a head's product.
  private static func withoutWhole(_ adapter: AdapterSource) throws -> (AdapterSource, copies: Int) {
    let keys = adapter.source.tensors.map { AdapterKey($0.name) }
    let adapted = Set(keys.compactMap { if case .part(_, let module, _) = $0 { module } else { nil } })
    var wanted: Set<String> = []
    for (info, key) in zip(adapter.source.tensors, keys) {
      switch key {
      case .part(.down, _, _), .part(.up, _, _), .part(.embeddingDown, _, _), .part(.embeddingUp, _, _), .unknown:
        wanted.insert(info.name)
      case .whole(let name) where adapted.contains(String(name.dropLast(".weight".count))): break
      default:
        throw MergeError(
          .form, file: adapter.path,
          reason:
            "llama.cpp's adapters have no place for \(displayName(info.name)): they hold products of two matrices "
            + "only",
          remedy: "merge it into its base, and convert that: \(.merging)")
      }
    }
    let copies = keys.count - wanted.count
    let rest = AdapterSource(
      path: adapter.path, source: TensorView(adapter.source) { wanted.contains($0.name) },
      configuration: adapter.configuration)
    return (rest, copies)
  }

  /// The alpha that most products have by their rank, and which have another.
  private static func alpha(of products: [Product], _ path: String) throws -> (Float, (Product) -> Bool) {
    var counts: [Float: Int] = [:]
    for product in products { counts[Float(product.scale * Double(product.rank)), default: 0] += 1 }
    guard let alpha = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) })?.key else {
      throw MergeError(.adapter, file: path, reason: "there is no product in it")
    }
    guard alpha != 0, alpha.isFinite, !alpha.isSubnormal else {
      throw MergeError(
        .configuration, file: path,
        reason: "its products are scaled by \(alpha), and llama.cpp takes an alpha of 0 for none at all",
        remedy: "look at lora_alpha: with 0 the adapter changes nothing")
    }
    return (alpha, { Float($0.scale * Double($0.rank)) != alpha })
  }

  // MARK: - Tensors

  private static func view(
    _ products: [Product], alpha: Float, _ isScaled: (Product) -> Bool, _ source: any TensorSource,
    _ configuration: ModelConfiguration
  ) throws -> TensorView {
    let ups = try products.map { product -> TensorView.Entry in
      let info = source.tensors[product.up].renamed(product.name)
      guard isScaled(product) else { return TensorView.Entry(info, .stored(product.up)) }
      let factor = product.scale * Double(product.rank) / Double(alpha)
      return try scaled(source, product.up, product.name, by: factor)
    }
    let named = try configuration.layout(.gguf).arranged(TensorView(ups, of: source), tiesHead: false)
    let places = Dictionary(products.map { ($0.ggufName, $0) }) { one, _ in one }
    var entries: [TensorView.Entry] = []
    for (index, up) in named.tensors.enumerated() {
      guard let product = places[up.name] else { preconditionFailure("a name that no product has") }
      let down = source.tensors[product.down]
      entries.append(
        product.isEmbedding
          ? try LlamaAdapter.turned(down, product.down, of: source, up.name + ".lora_a")
          : TensorView.Entry(down.renamed(up.name + ".lora_a"), .stored(product.down)))
      entries.append(TensorView.Entry(up.renamed(up.name + ".lora_b"), .stored(index, of: 1)))
    }
    return try TensorView(entries, of: source, named, metadata: [])
  }

  /// A matrix times a factor, rounded once to single precision.
  private static func scaled(
    _ source: any TensorSource, _ index: Int, _ name: String, by factor: Double
  ) throws -> TensorView.Entry {
    let stored = source.tensors[index]
    guard let size = TensorInfo.size(of: stored.shape, .f32) else {
      throw MergeError(.adapter, file: stored.file, reason: "\(displayName(stored.name)) is too large")
    }
    let info = TensorInfo(name: name, dtype: .f32, shape: stored.shape, file: stored.file, byteCount: size.bytes)
    let (reading, writing) = (try Doubles(stored.dtype), try Doubles(.f32))
    return TensorView.Entry(
      info,
      .parts {
        let cursor = try source.cursor(index)
        var values: [Double] = []
        return PartCursor(byteCount: info.byteCount, partSize: 1 << 18) { range, bytes in
          let elements = range.lowerBound / writing.size..<range.upperBound / writing.size
          if values.count != elements.count { values = [Double](repeating: 0, count: elements.count) }
          try cursor.withAll(of: elements.lowerBound * reading.size..<elements.upperBound * reading.size) {
            reading.read($0, into: &values)
          }
          for place in values.indices { values[place] *= factor }
          _ = writing.write(values, into: &bytes)
        }
      })
  }
}
