// Importance matrices, both ways: a calibration of which nothing but one is there, and the one that a calibration's sums
// make. With nothing but the diagonal of H there is no feedback from input to input; what is left of GPTQ are grids,
// scales and integers that count an input's error by its mean square.

import ByteIO
import Checkpoint
import Checksum
import LinearAlgebra
import Model
import Transformer

/// An importance matrix in place of calibration data.
package struct GivenImportance: Sendable {
  /// The file that it is of.
  package let path: String
  /// What it says.
  package let matrix: ImportanceMatrix

  /// Reads a file.
  ///
  /// - Throws: `CheckpointError`, `ByteIOError`.
  package init(_ path: String) throws {
    self.path = path
    matrix = try ImportanceMatrix(InputFile(path))
  }
}

extension ModelQuantizer {
  // MARK: In place of calibration data

  /// What an importance matrix says of a module's inputs; nil where it has no entry of it.
  private func means(of module: LinearModule) -> [Float]? {
    model.configuration.ggufName(of: module.name + ".weight").flatMap { importance?.matrix.means[$0.name] }
  }

  /// The modules that the importance matrix has no entry of: all their inputs count alike.
  package var withoutImportance: [LinearModule] {
    importance == nil ? [] : modules.filter { means(of: $0) == nil }
  }

  /// Holds the importance matrix against the modules.
  ///
  /// - Throws: ``QuantizeError`` for one of another model.
  func checkImportance(_ given: GivenImportance) throws {
    for module in modules {
      guard let means = means(of: module), means.count != module.inFeatures else { continue }
      throw QuantizeError(
        .shape, file: given.path, place: module.name,
        reason: "the importance matrix has \(means.count) values for its \(module.inFeatures) inputs",
        remedy: "give one that was made from this model")
    }
    guard withoutImportance.count < modules.count else {
      let names = given.matrix.means.keys.sorted().prefix(3).map(displayName).joined(separator: ", ")
      throw QuantizeError(
        .wrongModel, file: given.path,
        reason: "the importance matrix has an entry of none of the modules: it has \(names) …",
        remedy: "give one that was made from this model")
    }
  }

  /// A digest of the importance matrix, for plans.
  func importanceDigest(_ matrix: ImportanceMatrix) throws -> String {
    let digest = try DigestStream(.sha256)
    for (name, means) in matrix.means.sorted(by: { $0.key < $1.key }) {
      digest.update(Array("\(name);\(means.map(\.bitPattern));".utf8))
    }
    return digest.finish().hex
  }

  /// Quantizes all modules by the diagonal of H that the importance matrix is.
  func runByImportance(_ work: SharedWork, _ events: Events) throws {
    let count = plan.count + (head == nil ? 0 : 1)
    for (index, groups) in plan.enumerated() {
      try begin(layer: index + 1, of: count, events)
      for group in groups where !group.wanted.isEmpty {
        try quantizeByImportance(group.modules, as: group.name, work, events)
      }
    }
    if let head {
      try begin(layer: count, of: count, events)
      try quantizeByImportance([head], as: WorkFolder.headName, work, events)
    }
  }

  private func quantizeByImportance(
    _ modules: [LinearModule], as name: String, _ work: SharedWork, _ events: Events
  ) throws {
    if work.isFinished(name) { return try take(work.reports(of: name), isNew: false, events) }
    var tensors: [TensorView.Entry] = []
    var new: [ModuleReport] = []
    // Modules with the same inputs have the same entry, and need one factor.
    var last: (means: [Float]?, factor: HessianFactor)?
    try solving.divide(modules.count) { number in
      let module = modules[number]
      let means = means(of: module)
      let factor =
        if let last, last.means == means { last.factor } else {
          try HessianFactor(
            Self.diagonal(means ?? [Float](repeating: 1, count: module.inFeatures), threads: options.threads),
            recipe: options.recipe, layer: module.name, threads: options.threads)
        }
      last = (means, factor)
      return try GPTQ.solver(
        model.weights(of: module).slice, factor: factor, grid: format.grid(for: module), recipe: options.recipe,
        correction: nil, outputs: nil, layer: module.name, threads: options.threads)
    } _: { number, quantized in
      let module = modules[number]
      tensors += try stored(quantized, of: module)
      new.append(
        ModuleReport(
          quantized.report, of: module, format: format, sourceBytes: sourceBytes[module.name],
          sharedSeconds: last?.factor.seconds ?? 0, peakMemory: peakMemory))
      try advance(shape.solve(module, isCorrected: false), events)
    }
    try work.finish(name, tensors, new)
    try take(new, isNew: true, events)
  }

  /// A Hessian of nothing but its diagonal. No input counts nothing: that it was always 0 in a text does not make it so.
  private static func diagonal(_ means: [Float], threads: Int) -> Matrix<Float> {
    let mean = means.reduce(0.0) { $0 + Double($1) } / Double(max(1, means.count))
    let least = mean > 0 ? Float(mean) * 0x1p-20 : 1
    let hessian = Matrix<Float>(rows: means.count, columns: means.count, threads: threads)
    for (index, value) in means.enumerated() { hessian[index, index] = 2 * max(value, least) }
    return hessian
  }

  // MARK: From calibration data

  /// What of a finished group's tensors is the diagonal of its H.
  private static let part = "importance"

  /// The diagonal of H as tensors of the modules whose inputs it is of; none where nobody asked for it.
  func kept(_ hessian: Matrix<Float>, of modules: [LinearModule]) -> [TensorView.Entry] {
    guard options.keepsImportance else { return [] }
    let bytes = (0..<hessian.rows).flatMap { row in
      (0..<4).map { UInt8(truncatingIfNeeded: hessian[row, row].bitPattern >> (8 * $0)) }
    }
    return modules.map { TensorView.Entry("\($0.name).\(Self.part)", .f32, [hessian.rows], bytes) }
  }

  /// The importance matrix of the calibration, for llama.cpp; between ``quantize(_:)`` and ``finish(card:progress:)``.
  ///
  /// - Parameter datasets: what it is told to be made from.
  package func importanceMatrix(datasets: [String]) throws -> ImportanceMatrixFile {
    guard let work = work?.folder, let calibration else { preconditionFailure("quantize first") }
    let windows = calibration.windows
    let half = Float(windows.tokens.count) / 2
    var sums: [String: [Float]] = [:]
    for name in plan.flatMap({ $0.map(\.name) }) + [WorkFolder.headName] {
      guard let source = try work.finished(name)?.source else { continue }
      for (index, info) in source.tensors.enumerated() where info.name.hasSuffix("." + Self.part) {
        let module = info.name.dropLast(Self.part.count + 1)
        guard let tensor = model.configuration.ggufName(of: module + ".weight")?.name else { continue }
        let diagonal = Matrix<Float>(rows: 1, columns: info.elementCount)
        try TensorReader.read(source, index, into: diagonal.slice)
        sums[tensor] = diagonal.values.map { $0 * half }
      }
    }
    return try ImportanceMatrixFile(
      sums: sums, chunks: windows.count, chunkSize: windows.length, datasets: datasets)
  }
}
