// The grids of a strip: found from weights, moved, rounded. Rows of the layer lie across, groups down.

import CBelleKernels
import LinearAlgebra

/// The grids of all groups of a strip's rows.
struct StripGrids: Sendable {
  let grid: Grid
  /// Columns of a group; the last one may be shorter.
  let groupSize: Int
  /// `[groups, width]`
  let scales: Matrix<Float>
  let zeros: Matrix<Float>
  let minimums: Matrix<Float>
  /// `[super-blocks, width]`; empty where there are none.
  let scaleUnits: Matrix<Float>
  let minimumUnits: Matrix<Float>
  /// Whether a scale may be negative.
  let allowsNegativeScales: Bool
  /// The multiples of a super-block's unit that a scale may be, but 0.
  let multiples: ClosedRange<Int>

  private let fit: Recipe.Fit
  private let roundsScales: Bool
  private let columns: Int
  private var width: Int { scales.columns }

  /// Memory for the grids of a strip.
  ///
  /// - Parameters:
  ///   - grid: the values that a weight can take.
  ///   - recipe: how grids are found.
  ///   - roundsScales: whether scales are rounded before anything is quantized against them.
  ///   - columns: of the layer.
  ///   - width: lanes of the strip.
  init(_ grid: Grid, _ recipe: Recipe, roundsScales: Bool, columns: Int, width: Int) {
    let groups = grid.groupCount(inputs: columns)
    self.grid = grid
    groupSize = grid.groupSize ?? columns
    scales = Matrix(rows: groups, columns: width, repeating: 1)
    zeros = Matrix(rows: groups, columns: width)
    minimums = Matrix(rows: groups, columns: width)
    let superBlocks = grid.superBlock.map { groups / $0.groups } ?? 0
    scaleUnits = Matrix(rows: superBlocks, columns: width)
    minimumUnits = Matrix(rows: superBlocks, columns: width)
    allowsNegativeScales = recipe.negativeScales && grid.form == .symmetric
    multiples = grid.superBlock?.multiples(ofBothSigns: allowsNegativeScales) ?? 1...1
    fit = recipe.fit
    self.roundsScales = roundsScales
    self.columns = columns
  }

  /// How many groups there are.
  var count: Int { scales.rows }

  /// The columns of a group.
  func columns(of group: Int) -> Range<Int> { group * groupSize..<min(columns, (group + 1) * groupSize) }

  // MARK: Finding

  /// Finds the grids of all groups.
  ///
  /// - Parameters:
  ///   - values: `[in, width]`, in the order of the columns.
  ///   - weights: what each column's error counts, for a weighted search; nil for all alike.
  func findAll(_ values: Matrix<Float>, weights: [Float]?) {
    for group in 0..<count {
      let columns = columns(of: group)
      find(group, values[columns, 0..<width], weights: weights.map { Array($0[columns]) })
    }
    if let superBlock = grid.superBlock { findUnits(values, weights: weights, superBlock.groups) }
  }

  /// Finds the grid of one group of every row.
  ///
  /// - Parameters:
  ///   - group: its number.
  ///   - values: `[columns of the group, width]`.
  ///   - weights: as above, of these columns.
  func find(_ group: Int, _ values: MatrixSlice<Float>, weights: [Float]?) {
    let (norm, isCoarse): (Float, Bool) =
      switch fit {
      case .range: (0, false)
      case .search(let norm): (norm, false)
      case .weightedSearch: (2, true)
      }
    let columnWeights = fit == .weightedSearch ? weights : nil
    // SAFETY: `values` has its columns as rows here, with `width` lanes; grids have `width` lanes too.
    unsafe (columnWeights ?? [1]).withUnsafeBufferPointer { pointer in
      var work = unsafe belle_grid_work(
        columns: values.rows, lanes: width, stride: values.stride, values: values.base,
        column_weights: columnWeights == nil ? nil : pointer.baseAddress, scales: scales.slice.pointer(group),
        zeros: zeros.slice.pointer(group), minimums: minimums.slice.pointer(group), form: grid.cForm,
        max_integer: Float(grid.maximum), lowest_zero: Float(grid.lowestZeroPoint), smallest_scale: grid.smallestScale,
        norm: norm, coarse: isCoarse, half: grid.storesHalves && roundsScales,
        negative_scales: allowsNegativeScales, in_super_block: grid.superBlock != nil, levels: grid.cLevels)
      unsafe belle_grid(belle_best_variant(), &work)
    }
  }

  /// The units of super-blocks, and all scales and minimums rounded to multiples of them.
  private func findUnits(_ values: Matrix<Float>, weights: [Float]?, _ groups: Int) {
    let weights = fit == .weightedSearch ? weights : nil
    for (number, group) in stride(from: 0, to: count, by: groups).enumerated() {
      // SAFETY: a super-block's columns and groups lie one after the other, and inputs fill whole super-blocks.
      unsafe (weights ?? [1]).withUnsafeBufferPointer { pointer in
        var work = unsafe belle_super_grid_work(
          columns: groupSize, groups: groups, lanes: width, stride: width, grid_stride: width,
          values: values.slice.pointer(group * groupSize),
          column_weights: weights == nil ? nil : pointer.baseAddress.map { unsafe $0 + group * groupSize },
          scales: scales.slice.pointer(group), minimums: minimums.slice.pointer(group),
          scale_unit: scaleUnits.slice.pointer(number), minimum_unit: minimumUnits.slice.pointer(number),
          max_integer: Float(grid.maximum), least_multiple: Float(multiples.lowerBound),
          most_multiple: Float(multiples.upperBound), most_minimum: Float(grid.superBlock?.mostMinimum ?? 0),
          levels: grid.cLevels)
        unsafe belle_super_grid(belle_best_variant(), &work)
      }
    }
  }

  // MARK: Rounding afterwards

  /// Rounds scales and minimums to half precision.
  func round() {
    // SAFETY: grids have groups · width elements.
    unsafe belle_round_halves(scales.slice.base, count * width, grid.smallestScale)
    unsafe belle_round_halves(minimums.slice.base, count * width, 0)
  }

  /// Rounds scales and minimums to half precision, and keeps errors in step.
  ///
  /// - Parameters:
  ///   - errors: W − Ŵ, `[in, width]`, in the order of the columns.
  ///   - integers: of the same shape and order.
  func round(keeping errors: Matrix<Float>, of integers: Bytes) {
    let (oldScales, oldMinimums) = (scales.copy(), minimums.copy())
    round()
    for group in 0..<count {
      let columns = columns(of: group)
      // SAFETY: grids have groups · width elements, errors and integers n · width.
      unsafe belle_move_grid(
        errors.slice.pointer(columns.lowerBound), integers.pointer(columns.lowerBound * width),
        columns.count, width, zeros.slice.pointer(group), oldScales.slice.pointer(group),
        oldMinimums.slice.pointer(group), scales.slice.pointer(group), minimums.slice.pointer(group))
    }
  }

  /// Hands over the grids of a strip's rows.
  ///
  /// - Parameters:
  ///   - rows: which rows of the layer the strip's lanes are.
  ///   - layer: of all rows.
  func write(_ rows: Range<Int>, to layer: LayerGrids) {
    let pairs = [
      (scales, layer.scales), (zeros, layer.zeros), (minimums, layer.minimums), (scaleUnits, layer.scaleUnits),
      (minimumUnits, layer.minimumUnits),
    ]
    for (from, to) in pairs where from.rows > 0 {
      to[rows, 0..<from.rows].copy(transposed: from[0..<from.rows, 0..<rows.count])
    }
  }
}
