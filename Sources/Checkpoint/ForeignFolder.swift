// Folders that hold weights which are not read here, told by the names of their files, so that they can be called what they are.
// Sources: torch/distributed/checkpoint/filesystem.py; transformers, utils/__init__.py (the names of weights); MLX, mlx.core.savez.

import ByteIO

/// What a folder holds in place of a checkpoint.
enum ForeignFolder {
  /// How names end, what files of such names are, and what to do with them.
  private static let kinds: [(endings: [String], what: String, remedy: Remedy?)] = [
    ([DistributedCheckpoint.suffix], "a torch.distributed.checkpoint", DistributedCheckpoint.remedy),
    ([".h5", ".keras"], "weights of Keras or TensorFlow", takePyTorch),
    ([".msgpack"], "weights of Flax", takePyTorch),
    ([".onnx"], "an ONNX model", takePyTorch),
    ([".ot"], "weights of rust-bert", takePyTorch),
    ([".tflite"], "a model of TensorFlow Lite", takePyTorch),
    (
      [".npz"], "NumPy's archives of arrays, as MLX wrote them",
      "unpack them, and give their .npy files; or take the model's safetensors"
    ),
    ([".nemo"], "NeMo's archive", "unpack it with tar -xf; its weights are model_weights.ckpt"),
  ]

  private static let takePyTorch: Remedy = "take the model's safetensors or PyTorch files"

  /// Why a folder holds no checkpoint; nil where its names do not tell.
  static func absence(in folder: String) -> CheckpointError? {
    guard let names = try? Folder.entries(of: folder).filter({ $0.kind == .file }).map(\.name) else { return nil }
    for kind in kinds {
      let those = names.filter { name in kind.endings.contains(where: name.hasSuffix) }
      guard let first = those.first else { continue }
      return CheckpointError(
        .unknownFormat, file: folder,
        reason: "there is no checkpoint in this folder that is read here: \(displayName(first))"
          + (those.count > 1 ? " and \(those.count - 1) more" : "") + (those.count > 1 ? " are " : " is ") + kind.what,
        remedy: kind.remedy)
    }
    return nil
  }
}
