// inspect --report: sizes, and how values and scales are spread, by kinds of tensors.

import ByteIO
import Checkpoint
import Model
import Packed
import Reports

extension Inspect {
  /// What a page shows of a checkpoint; values of its largest kinds of tensors are read for it.
  func pageOf(
    _ source: any TensorSource, _ list: TensorList, _ totals: Totals, _ path: String, _ input: String
  ) throws -> InspectionReport {
    let isFolded = !stats && !listsAll && !common.json
    let folded = isFolded ? list : TensorList(source, patterns: filter, folds: true, order: sort)
    let groups = folded.lines.map { line in
      InspectionReport.Group(
        name: line.name, count: line.indices.count, type: line.first.typeName, shape: "\(line.first.shape)",
        bytes: line.bytes, elements: line.first.elementCount * line.indices.count)
    }
    let (values, scales) = try spreads(source, path)
    let facts = source.metadata.prefix(60).map { ($0.name, String($0.value.prefix(300)) as String?) }
    return InspectionReport(
      title: Folder.name(of: Folder.absolute(input)), program: Program.version, command: CommandLineText.own,
      format: source.format, tensorCount: totals.tensors, parameters: totals.parameters, bytes: totals.bytes,
      facts: Array(facts), groups: groups, values: values, scales: scales)
  }

  /// The spreads of weights and of scales.
  private func spreads(
    _ source: any TensorSource, _ path: String
  ) throws -> (values: [InspectionReport.Spread], scales: [InspectionReport.Spread]) {
    // Packed integers and blocks as the weights that they stand for, where they can be had.
    let packed =
      PackedCheckpoint.isPacked(source)
      ? try? PackedCheckpoint.ofModel(source, folder: Folder.home(of: path)) : nil
    let hasBlocks = DequantizedSource.isNeeded(source)
    let values: any TensorSource = packed ?? (hasBlocks ? (try? DequantizedSource(source)) ?? source : source)
    // A module of blocks is taken apart whole: the largest are left out.
    let blocks =
      hasBlocks
      ? try? PackedCheckpoint(blocks: source) { $0.elementCount <= 1 << 26 } : nil
    let isScale = { (name: String) in name.hasSuffix(".scales") }
    let weights = kinds(of: values) { !isScale($0.name) }
    let scales = kinds(of: source) { isScale($0.name) }
    let taken = blocks == nil ? [] : kinds(of: source, areCounted: false) { $0.dtype.block != nil }
    let total =
      weights.reduce(0) { $0 + $1.bytes } + scales.reduce(0) { $0 + $1.bytes } + taken.reduce(0) { $0 + $1.bytes }
    return try common.showingProgress(total: total) { progress in
      progress(.started(file: path, bytes: total))
      let count = { (line: TensorList.Line, source: any TensorSource) throws -> InspectionReport.Spread? in
        let found = try ValueHistogram.of(line.indices, in: source, jobs: threads.count) {
          progress(.advanced(file: path, bytes: $0))
        }
        return Self.spread(line.title, found)
      }
      let ofBlocks = try taken.compactMap { line -> InspectionReport.Spread? in
        var found = ValueHistogram()
        for index in line.indices {
          if let module = try blocks?.packedLinear(index) { found.add(module.scales[...]) }
          progress(.advanced(file: path, bytes: source.tensors[index].byteCount))
        }
        return Self.spread(line.title, found)
      }
      return (
        try weights.compactMap { try count($0, values) }, try scales.compactMap { try count($0, source) } + ofBlocks
      )
    }
  }

  /// A histogram as a page shows it; nil of nothing.
  private static func spread(_ name: String, _ found: ValueHistogram) -> InspectionReport.Spread? {
    guard let bins = found.bins(60) else { return nil }
    let outside = bins.below + bins.above
    let odd = found.nanCount + found.infinityCount
    let note =
      "from \(Numbers.short(Double(found.minimum))) to \(Numbers.short(Double(found.maximum)))"
      + (outside > 0 ? "; \(Numbers.count(outside)) of \(Numbers.large(found.count)) not drawn" : "")
      + (odd > 0 ? "; \(Numbers.count(found.nanCount)) NaN, \(Numbers.count(found.infinityCount)) infinite" : "")
    return InspectionReport.Spread(name: name, bounds: bins.bounds, counts: bins.counts, note: note)
  }

  /// The largest kinds of tensors that are wanted, in the order of the file.
  ///
  /// - Parameter areCounted: whether their values must be in an order.
  private func kinds(
    of source: any TensorSource, areCounted: Bool = true, where isWanted: (TensorInfo) -> Bool
  ) -> [TensorList.Line] {
    let lines = TensorList(source, patterns: filter, folds: true, order: .size).lines.filter {
      $0.first.unread == nil && $0.bytes > 0 && (!areCounted || ValueHistogram.isCounted($0.first.dtype))
        && isWanted($0.first)
    }
    return lines.prefix(InspectionReport.mostSpreads).sorted { $0.indices[0] < $1.indices[0] }
  }
}
