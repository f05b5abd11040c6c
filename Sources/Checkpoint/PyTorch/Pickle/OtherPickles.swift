// Pickles that are no checkpoints, told by the modules that they name, so that they can be called what they are.

import ByteIO

/// What torch.jit.save writes.
enum TorchScript {
  static let what = "this is TorchScript, a program with its weights"
  static let remedy: Remedy =
    "give \(.skippingUnknown) to read its tensors; or save the state_dict() of the module that torch.jit.load gives"
}

/// What torch.distributed.checkpoint writes: a folder of `.distcp` files with a `.metadata`.
enum DistributedCheckpoint {
  static let suffix = ".distcp"
  static let remedy: Remedy =
    "make one file of its folder: python -m torch.distributed.checkpoint.format_utils dcp_to_torch <folder> model.pt"
}

/// Kinds of pickles that other programs write.
enum OtherPickles {
  /// A kind of pickle.
  struct Kind {
    /// Whose names tell it, those of modules below them included.
    let modules: [String]
    let what: String
    let remedy: Remedy?
    /// Whether values stand between its opcodes, so that nothing behind the name can be read as a pickle.
    var isInterrupted = false
  }

  private static let kinds = [
    Kind(modules: ["__torch__"], what: TorchScript.what, remedy: TorchScript.remedy),
    Kind(
      modules: ["joblib"], what: "this is joblib's pickle, of Python objects and of arrays between its opcodes",
      remedy: "load it with joblib, and save its arrays with numpy.save or as safetensors", isInterrupted: true),
    Kind(
      modules: ["torch.distributed.checkpoint"], what: "this is the metadata of a torch.distributed.checkpoint",
      remedy: DistributedCheckpoint.remedy),
    Kind(
      modules: ["sklearn"], what: "this is a pickle of scikit-learn",
      remedy: "load it with scikit-learn, and save its arrays with numpy.save"),
  ]

  /// What a pickle is that names a module; nil where that says nothing.
  static func kind(of module: String) -> Kind? {
    kinds.first { kind in kind.modules.contains { module == $0 || module.hasPrefix($0 + ".") } }
  }
}
