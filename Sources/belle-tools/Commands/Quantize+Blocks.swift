// Which blocks of a GGUF file quantize takes: by the bits that were asked for, and where a module's inputs are no whole blocks.

import Checkpoint
import Model
import Quantize
import Transformer

extension QuantizeCommand {
  /// The blocks that were asked for, or that have the bits and the symmetry that were.
  var blockType: BlockFormat {
    blocks.ggufType?.blocks ?? Self.blocks(bits: bits, isSymmetric: symmetry == .symmetric) ?? .q4_0
  }

  /// Which modules get other blocks; nil where all get the same.
  var mixture: GGUFMixture? {
    guard !blocks.pure.isGiven, var mixture = blocks.ggufType?.choice.mixture else { return nil }
    mixture.isCalibrated = method == .gptq
    return mixture
  }

  /// The smallest blocks that have as many bits; those without a minimum for a symmetric grid, where there are such.
  static func blocks(bits: Int, isSymmetric: Bool) -> BlockFormat? {
    let fitting = BlockFormat.allCases.filter { $0.block.bits == bits }
    return fitting.first { $0.block.hasMinimum == !isSymmetric } ?? fitting.first
  }

  /// The modules whose inputs no block of a GGUF file divides, and which stay as they are; none where all are such, which the
  /// work then refuses by name.
  func misfits(_ model: TransformerModel) -> [String] {
    guard format == .gguf, !refusesFallback else { return [] }
    let all = modules(of: model).filter { $0.name != model.headModule?.name }
    let types = [blockType.block, blockType.block.next].compactMap(\.self)
    let misfits = all.filter { module in types.allSatisfy { module.inFeatures % $0.elements != 0 } }
    guard let first = misfits.first, misfits.count < all.count else { return [] }
    common.note(
      "\(misfits.count) of \(all.count) modules stay as they are, for their inputs (\(first.inFeatures)) are not a multiple of "
        + "\(types.map(\.elements).min() ?? 32): \(first.name)\(misfits.count > 1 ? " …" : "")")
    return misfits.map(\.name)
  }

  /// Says which blocks were chosen by the bits, where these are not the usual ones.
  func tellOfBlocks() {
    guard blocks.ggufType == nil else { return }
    let blocks = blockType
    if symmetry == .asymmetric, !blocks.block.hasMinimum {
      common.note("the blocks are \(blocks.rawValue), whose grid is symmetric: none with \(bits) bits has another")
    } else if bits < 4 {
      common.note("the blocks are \(blocks.rawValue), with \(bits) bits a weight")
    }
  }

  /// Says which modules get which blocks of a mixture, and which get others than they were meant to.
  func tellOfOthers(_ format: GGUFFormat, _ modules: [LinearModule]) {
    if let mixture = format.mixture {
      let counts = Dictionary(grouping: modules) { format.blocks(of: $0.name) }.mapValues(\.count)
      let words = BlockFormat.allCases.compactMap { type in counts[type].map { "\(type.rawValue) (\($0))" } }
      common.note("\(mixture.name): " + words.joined(separator: ", "))
    }
    let misfits = modules.filter { format.missed(by: $0.name) != nil }
    for meant in BlockFormat.allCases {
      let others = misfits.filter { format.missed(by: $0.name) == meant }
      guard let first = others.first else { continue }
      common.note(
        "\(format.blocks(of: first.name).rawValue) in place of \(meant.rawValue) for \(others.count) of "
          + "\(modules.count) modules, whose inputs are not a multiple of \(meant.elements): \(first.name)"
          + (others.count > 1 ? " …" : ""))
    }
  }
}
