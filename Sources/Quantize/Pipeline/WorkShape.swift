// What the shape of a run costs, and its parts: FLOP and memory, counted from shapes alone, as the pipeline works.
// Per token and layer of LLaMA-7B: forward 404 M FLOP a stream, H 171 M, Δ 342 M, P 124 M; Documentation/gptq.md.

import Foundation
import LinearAlgebra
import Model
import Transformer

/// The cost of one group of modules, in FLOP.
struct GroupCost {
  /// One stream past the group, a row.
  var forward = 0.0
  /// H, Δ and P, a row.
  var sums = 0.0
  /// Factor and solver.
  var solve = 0.0
}

/// The shape of a run, which costs are counted from.
struct WorkShape {
  let configuration: ModelConfiguration
  let options: QuantizationOptions
  /// The rows of all ranks.
  let rows: Int
  let windowLength: Int
  let batchRows: Int
  /// Among how many ranks the rows are divided.
  var ranks = 1
  /// A module's grid, whose bits are those of all; nil where there is no module.
  var grid: Grid?

  /// The cost of a group.
  ///
  /// - Parameters:
  ///   - wanted: those of its modules that are quantized.
  ///   - isCorrected: whether targets are corrected here: not before anything was quantized.
  ///   - isLast: whether nothing comes after it, so that no stream goes past it.
  func cost(_ group: LinearGroup, wanted: [LinearModule], isCorrected: Bool, isLast: Bool) -> GroupCost {
    let width = Double(group.inFeatures)
    var cost = GroupCost()
    let outputs = group.modules.reduce(0) { $0 + $1.outFeatures }
    cost.forward = isLast ? 0 : 2 * width * Double(outputs)
    if !isLast, group.role == .attentionInput {
      cost.forward += 2 * Double(windowLength) * Double(configuration.headCount * configuration.headSize)
    }
    guard !wanted.isEmpty else { return cost }
    let recipe = options.recipe
    cost.sums = width * width
    if isCorrected, recipe.inputCorrection != 0 { cost.sums += 2 * width * width }
    if isCorrected, recipe.residualCorrection != 0, group.addsToResidual {
      cost.sums += 2 * width * Double(outputs)
    }
    cost.solve = width * width * width / 3
    for module in wanted { cost.solve += solve(module, isCorrected: isCorrected) }
    return cost
  }

  /// The cost of a way through a layer, a row.
  func forward(_ groups: [LinearGroup]) -> Double {
    groups.reduce(0) { $0 + cost($1, wanted: [], isCorrected: false, isLast: false).forward }
  }

  /// The cost of the head's part of the gradients, a row.
  var drawing: Double { 6 * Double(configuration.vocabularySize) * Double(configuration.hiddenSize) }

  /// The cost of the gradients at a layer's modules and of their sums, a row.
  func guidance(_ groups: [(LinearGroup, [LinearModule])]) -> Double {
    guard let guidance = options.recipe.guidance, groups.contains(where: { !$0.1.isEmpty }) else { return 0 }
    let squares = groups.flatMap(\.1).reduce(0.0) { $0 + Double($1.outFeatures) * Double($1.outFeatures) }
    return 2 * forward(groups.map(\.0)) + (guidance.share > 0 ? squares : 0)
  }

  /// The solver's cost of a module, without the factor.
  func solve(_ module: LinearModule, isCorrected: Bool) -> Double {
    let product = Double(module.outFeatures) * Double(module.inFeatures) * Double(module.inFeatures)
    let recipe = options.recipe
    let isCoupled = recipe.guidance.map { $0.share > 0 } ?? false
    var flop =
      grid.map {
        SolverSteps(recipe, on: $0, rows: module.outFeatures, columns: module.inFeatures)
          .flop(rows: module.outFeatures, columns: module.inFeatures, isCoupled: isCoupled)
      } ?? product
    // The outputs' factor.
    if isCoupled { flop += pow(Double(module.outFeatures), 3) / 3 }
    // W·Δ, and two triangular solves.
    if isCorrected { flop += (recipe.inputCorrection != 0 ? 4 : 2) * product }
    return flop
  }

  /// The cost of the head.
  func headCost(_ head: LinearModule) -> GroupCost {
    let width = Double(head.inFeatures)
    var cost = GroupCost()
    cost.sums = width * width * (options.isCorrected && options.recipe.inputCorrection != 0 ? 3 : 1)
    cost.solve = width * width * width / 3 + solve(head, isCorrected: options.isCorrected)
    return cost
  }

  /// The FLOP of groups in their order, with what of them is quantized.
  ///
  /// - Parameter hasHead: whether the head is quantized after them.
  func flop(_ groups: [(LinearGroup, [LinearModule])], hasHead: Bool) -> Double {
    var total = 0.0
    forEachCost(of: groups, hasHead: hasHead) { _, _, cost in
      total += Double(rows) * ((options.needsReference ? 2 : 1) * cost.forward + cost.sums) + cost.solve
    }
    return total
  }

  /// Goes through groups in their order with the cost of each.
  func forEachCost(
    of groups: [(LinearGroup, [LinearModule])], hasHead: Bool, _ body: (LinearGroup, [LinearModule], GroupCost) -> Void
  ) {
    var differ = false
    for (number, (group, wanted)) in groups.enumerated() {
      let isLast = !hasHead && number == groups.count - 1
      body(group, wanted, cost(group, wanted: wanted, isCorrected: options.isCorrected && differ, isLast: isLast))
      differ = differ || !wanted.isEmpty
    }
  }

  /// The FLOP of the gradients, over all layers of the model.
  ///
  /// - Parameters:
  ///   - layers: the groups of each layer.
  ///   - guided: those of the layers that have something to quantize, with what it is.
  func gradients(_ layers: [[LinearGroup]], guided: [[(LinearGroup, [LinearModule])]]) -> Double {
    guard let guidance = options.recipe.guidance else { return 0 }
    let draws = Double(guidance.draws)
    let passes =
      layers.reduce(0.0) { $0 + forward($1) } + layers.dropFirst().reduce(0.0) { $0 + 2 * draws * forward($1) }
    return Double(rows) * (passes + drawing + draws * guided.reduce(0.0) { $0 + self.guidance($1) })
  }

  /// The most rows that a rank has.
  var ownRows: Int {
    let step = HiddenStates.windowsPerBlock(length: windowLength) * windowLength
    return min(rows, ((rows + step - 1) / max(1, step) + ranks - 1) / ranks * step)
  }

  /// Bytes of what a rank keeps of sums and of a batch while others add to them.
  private func chainMemory(layer groups: [LinearGroup]) -> Int {
    guard ranks > 1 else { return 0 }
    let widest = groups.map(\.inFeatures).max() ?? 0
    let isCorrected = options.isCorrected
    let squares = 1 + (isCorrected && options.recipe.inputCorrection != 0 ? 2 : 0)
    var bytes = 2 * squares * widest * widest
    if isCorrected, options.recipe.residualCorrection != 0 { bytes += 4 * configuration.hiddenSize * widest }
    // Differences, weighted inputs and a batch of rows of each.
    bytes += 4 * min(batchRows, ownRows) * (2 * widest + configuration.hiddenSize)
    return bytes
  }

  /// Bytes of disk that gradients need: the states of all layers, and the gradients at their outputs.
  var gradientBytes: Int {
    guard let guidance = options.recipe.guidance else { return 0 }
    return GradientStore.bytes(
      layers: configuration.layerCount, draws: guidance.draws, rows: rows, width: configuration.hiddenSize)
      + 2 * guidance.draws * configuration.layerCount * rows * configuration.hiddenSize
  }

  /// Bytes of memory that a recipe needs which is guided by gradients, more than others: H_O of all modules of a layer, what
  /// the way back through a layer keeps of a batch, a copy of the largest module, its products, and tokens' weights.
  private func guidedMemory(layer groups: [LinearGroup]) -> Int {
    guard let guidance = options.recipe.guidance else { return 0 }
    let c = configuration
    let modules = groups.flatMap(\.modules)
    var bytes = 4 * modules.count * rows
    let batch = min(batchRows, ownRows)
    let heads = (c.headCount + 2 * c.keyValueHeadCount) * c.headSize
    bytes += 4 * batch * (9 * c.hiddenSize + 4 * c.intermediateSize + 3 * heads)
    guard guidance.share > 0 else { return bytes }
    bytes += 4 * modules.reduce(0) { $0 + $1.outFeatures * ($1.outFeatures + Hessian.blockTokens) }
    return bytes + 8 * (modules.map { $0.inFeatures * $0.outFeatures }.max() ?? 0)
  }

  /// The most memory that is needed at once, in bytes, and what of it matrices take.
  func memory(layer groups: [LinearGroup], usesScratchFile: Bool, headWidth: Int?) -> (all: Int, matrices: Int) {
    let c = configuration
    let streams = options.needsReference ? 2 : 1
    let widest = groups.map(\.inFeatures).max() ?? 0
    let carried = StateStream.carriedWidth(c)
    var bytes = 4 * c.layerParameterCount
    // Two squares (H with its factor, Δ), another one where columns change places.
    let squares =
      1 + (options.isCorrected && options.recipe.inputCorrection != 0 ? 1 : 0)
      + (options.recipe.order == .activation && !options.recipe.fixesGridsUpFront ? 1 : 0)
    bytes += 4 * squares * widest * widest
    if options.isCorrected, options.recipe.residualCorrection != 0 { bytes += 4 * c.hiddenSize * widest }
    bytes += options.threads * 15 * 256 * widest
    bytes += guidedMemory(layer: groups)
    if options.arithmetic == .bfloat16 { bytes += options.threads * DecoderLayer.roundedBytes }
    bytes += 4 * (Hessian.blockTokens + HiddenStates.largestBlock) * widest
    // A batch on its way: both streams' inputs, and what the group makes of one of them.
    let batch = min(batchRows, ownRows)
    bytes += chainMemory(layer: groups)
    bytes += 4 * batch * (2 * c.hiddenSize + max(2 * c.intermediateSize, 4 * c.hiddenSize))
    bytes += 4 * streams * (usesScratchFile ? batch : ownRows) * (c.hiddenSize + carried)
    bytes += 4 * 4096 * c.hiddenSize
    if let headWidth { bytes = max(bytes, bytes - 4 * c.layerParameterCount + 5 * headWidth * c.hiddenSize) }
    // Integers and packed tensors of a group's modules; the program itself, the BLAS, files on their way.
    let group = groups.map { group in group.modules.reduce(0) { $0 + $1.inFeatures * $1.outFeatures } }.max() ?? 0
    let largest = groups.flatMap(\.modules).map { $0.inFeatures * $0.outFeatures }.max() ?? 0
    let all = bytes + 2 * largest + group * 3 / 2 + (64 << 20)
    // What the allocator keeps for itself.
    return (all + all / 16, bytes)
  }
}
