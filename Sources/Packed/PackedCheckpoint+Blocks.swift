// A model in ggml's blocks as one of packed integers: the integers, and a scale for each block, are a PackedLinear's. From
// here it goes into any form that holds it, without any weight changed.

import ByteIO
import Checkpoint

extension PackedCheckpoint {
  /// Takes some tensors of blocks for packed modules; other blocks are read as the values that they stand for.
  ///
  /// - Parameters:
  ///   - source: with tensors `P.weight` of blocks in it.
  ///   - isModule: whether a tensor is a linear module's weight.
  /// - Throws: `CheckpointError` for blocks whose values are not read.
  package init(blocks source: any TensorSource, where isModule: (TensorInfo) -> Bool) throws {
    let values = try DequantizedSource(source)
    var modules: [String: PackedModule] = [:]
    for (index, info) in source.tensors.enumerated() {
      guard let type = BlockType(info.dtype), let bits = type.bits, (2...32).contains(type.elements),
        info.shape.count == 2, isModule(info)
      else { continue }
      let codec = try BlockCodec(info.dtype)
      let (out, width) = (info.shape[0], info.shape[1])
      modules[info.name] = PackedModule(outFeatures: out, inFeatures: width) {
        let bytes = try source.allBytes(index)
        let levels = unsafe codec.levels(of: bytes.span.bytes)
        let middles = type.middle.map { [UInt16](repeating: UInt16($0), count: levels.scales.count) }
        return PackedLinear(
          bits: bits, outFeatures: out, inFeatures: width, codes: .bytes(levels.integers), scales: levels.scales,
          scaleType: levels.scales.allSatisfy { Half(exactly: $0) != nil } ? .f16 : .f32,
          offsets: middles.map(PackedLinear.Offsets.zeros) ?? .minimums(levels.minimums),
          groups: PackedLinear.contiguousGroups(of: type.elements, inputs: width))
      }
    }
    view = TensorView(values) { _ in true }
    (self.modules, isDescribed, isEarly, isGPTQ, versionNote) = (modules, true, false, true, nil)
  }
}
