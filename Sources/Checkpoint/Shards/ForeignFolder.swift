// Files and folders that hold weights which are not read here, told by names, so that they can be called what they are.
// Sources: torch/distributed/checkpoint/filesystem.py; transformers, utils/__init__.py (the names of weights); MLX, mlx.core.savez.

import ByteIO

/// What a folder holds in place of a checkpoint.
enum ForeignFolder {
  /// How names end, what files of such names are, and what to do with them.
  private static let kinds: [(endings: [String], what: String, remedy: Remedy?)] = [
    ([DistributedCheckpoint.suffix], "a torch.distributed.checkpoint", DistributedCheckpoint.remedy),
    ([".h5", ".keras"], "weights of Keras or TensorFlow", takePyTorch),
    ([".msgpack"], "weights of Flax", takePyTorch),
    ([".onnx", ".onnx_data", ".onnx.data"], "an ONNX model", takePyTorch),
    (["openvino_model.bin", "openvino_model.xml"], "an OpenVINO model", takePyTorch),
    (["saved_model.pb", "keras_metadata.pb", "fingerprint.pb"], "a SavedModel of TensorFlow", takePyTorch),
    ([".data-00000-of-00001", ".ckpt.index", ".ckpt.meta"], "a checkpoint of TensorFlow", takePyTorch),
    ([".ot"], "weights of rust-bert", takePyTorch),
    ([".tflite"], "a model of TensorFlow Lite", takePyTorch),
    (
      [".npz"], "NumPy's archives of arrays, as MLX wrote them",
      "unpack them, and give their .npy files; or take the model's safetensors"
    ),
    ([".nemo"], "NeMo's archive", "unpack it with tar -xf; its weights are model_weights.ckpt"),
  ]

  private static let takePyTorch: Remedy = "take the model's safetensors or PyTorch files"

  /// The folders in which models for other engines lie beside, or in place of, PyTorch's.
  private static let subfolders = ["onnx", "openvino", "tf", "flax", "coreml", "1"]

  /// What a file of such a name is and what to do with it; nil where the name does not tell.
  static func kind(of name: String) -> (what: String, remedy: Remedy?)? {
    kinds.first { $0.endings.contains(where: name.hasSuffix) }.map { ($0.what, $0.remedy) }
  }

  /// Why a folder holds no checkpoint; nil where its names, and those in folders that are called after engines, do not tell.
  static func absence(in folder: String) -> CheckpointError? {
    guard let entries = try? Folder.entries(of: folder) else { return nil }
    let inner = entries.filter { $0.kind != .file && subfolders.contains($0.name) }.flatMap { entry in
      ((try? Folder.entries(of: Folder.join(folder, entry.name))) ?? []).filter { $0.kind == .file }
        .map { entry.name + "/" + $0.name }
    }
    let names = entries.filter { $0.kind == .file }.map(\.name) + inner
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
