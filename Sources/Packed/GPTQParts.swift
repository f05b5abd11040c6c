// The tensors that GPTQ's form and GPTQModel's planar one have in common, held against each other.

import ByteIO
import Checkpoint

/// The tensors of a module in GPTQ's form or in the planar one; their shapes fit each other.
struct GPTQParts {
  let weights: ModuleTensors.Tensor
  let zeros: ModuleTensors.Tensor
  let scales: ModuleTensors.Tensor
  /// The group of each input, where the file says it.
  let index: ModuleTensors.Tensor?

  /// Outputs.
  var outFeatures: Int { weights.shape[1] }
  /// Groups of inputs.
  var groupCount: Int { scales.shape[0] }

  /// - Throws: `CheckpointError` with code `.badTensor`.
  init(_ module: ModuleTensors) throws {
    weights = try module.tensor("qweight", [.i32], dimensions: 2)
    zeros = try module.tensor("qzeros", [.i32], dimensions: 2)
    scales = try module.tensor("scales", [.f16, .bf16, .f32], dimensions: 2)
    guard scales.shape[1] == weights.shape[1], zeros.shape[0] == scales.shape[0] else {
      throw module.failure("qweight \(weights.shape), zero points \(zeros.shape) and scales \(scales.shape) do not fit")
    }
    index = module.has("g_idx") ? try module.tensor("g_idx", [.i32, .i64], dimensions: 1) : nil
  }
}
