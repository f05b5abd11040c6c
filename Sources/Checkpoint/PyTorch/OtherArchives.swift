// Files that people take for checkpoints and that are something else, told by their first bytes, their names or the
// members of an archive, so that they can be called what they are.
// Sources: torch/csrc/jit/serialization (import.cpp, flatbuffer), torch/export/pt2_archive, torch/distributed/checkpoint
// (filesystem.py), numpy/lib/format.py, NeMo's save_restore_connector.py.

import ByteIO

extension TorchScript {
  /// What its form for phones begins with, behind four bytes: a flatbuffer.
  private static let mobileMark = Array("PTMF".utf8)

  static func isMobile(_ head: [UInt8]) -> Bool { head.dropFirst(4).starts(with: mobileMark) }

  /// A member that makes a zip TorchScript, whatever its pickles say: its code, its constants or, for mobile ones, its
  /// instructions; in its first form `model.json` beside a version. torch finds members without regard to case.
  static func program(in archive: ZipArchive) -> String? {
    var names: Set<String> = []
    var model: String?
    for name in archive.names {
      let parts = name.lowercased().split(separator: "/", omittingEmptySubsequences: false)
      if parts.dropLast().contains("code"), parts.last?.hasSuffix(".py") == true { return name }
      guard parts.count == 2 else { continue }
      if parts[1] == "constants.pkl" || parts[1] == "bytecode.pkl" { return name }
      if parts[1] == "model.json" { model = name }
      names.insert(String(parts[1]))
    }
    return names.contains("version") ? model : nil
  }
}

/// Files that hold no checkpoint.
enum OtherArchives {
  /// What a file is, by its name and its first bytes; nil where these say nothing.
  static func kind(of path: String, _ head: [UInt8]) -> (what: String, remedy: Remedy?)? {
    if path.hasSuffix(DistributedCheckpoint.suffix) {
      return ("this is a part of a torch.distributed.checkpoint", DistributedCheckpoint.remedy)
    }
    if TorchScript.isMobile(head) {
      return (
        TorchScript.what + ", in the form for phones",
        "save the state_dict() of the module that it was made from"
      )
    }
    let mark = head.dropFirst(4).prefix(4)
    if mark.elementsEqual("TFL3".utf8) { return ("this is a model of TensorFlow Lite", nil) }
    if mark.elementsEqual("ET12".utf8) { return ("this is a program of ExecuTorch", nil) }
    if head.starts(with: [0x89] + Array("HDF\r\n".utf8)) {
      return (
        "this is an HDF5 file, as Keras writes them", "save its weights as safetensors, with the program that made it"
      )
    }
    return nil
  }

  /// What a file is whose first bytes begin no other format: something compressed; nil where nothing is known.
  static func compressed(_ path: String, _ head: [UInt8]) -> (what: String, remedy: Remedy?)? {
    guard let name = Compression.name(of: head) else { return nil }
    return (
      "this is compressed (\(name))",
      path.hasSuffix(".nemo") ? "unpack it with tar -xf; its weights are model_weights.ckpt" : "decompress it first"
    )
  }

  /// What a zip is that holds no `data.pkl`.
  static func kind(of archive: ZipArchive) -> (what: String, remedy: Remedy?) {
    let last = archive.names.map { $0.split(separator: "/").last.map { $0.lowercased() } ?? "" }
    if last.contains("archive_format") || last.contains("serialized_exported_program.json") {
      return (
        "this is a program that torch.export saved (.pt2)",
        "save the state_dict of what torch.export.load gives"
      )
    }
    if TorchScript.program(in: archive) != nil {
      return (TorchScript.what + ", without a data.pkl", "save the state_dict() of what torch.jit.load gives")
    }
    if !last.isEmpty, last.allSatisfy({ $0.hasSuffix(".npy") }) {
      return ("this is NumPy's .npz, an archive of arrays", "unpack it, and give one of its .npy files")
    }
    if last.contains("model.weights.h5") { return ("this is a model of Keras", nil) }
    return ("this zip holds no data.pkl: it is not a PyTorch checkpoint", nil)
  }

  /// What a tar is that is not torch's.
  static func kind(ofTar names: some Collection<String>) -> (what: String, remedy: Remedy?)? {
    let last = names.map { $0.split(separator: "/").last.map(String.init) ?? "" }
    guard let weights = last.first(where: { $0.hasSuffix(".ckpt") }), last.contains("model_config.yaml") else {
      return !TarArchive.membersOfTorch.isDisjoint(with: last)
        ? nil
        : (
          "this is a tar archive that torch did not write",
          "unpack it, and give the checkpoint in it"
        )
    }
    return ("this is NeMo's archive (.nemo)", "unpack it with tar -xf; its weights are \(displayName(weights))")
  }
}
