// Which names are a model's, an adapter's, or those of what trainers leave beside them.

/// What the name of a file says of what it holds.
package enum ModelFileName {
  /// The files that peft writes, in the order in which it looks for them.
  package static let adapters = ["adapter_model.safetensors", "adapter_model.bin"]
  /// What llama.cpp's converter of 2023 wrote beside them: the same adapter, for its engine.
  static let engineAdapter = "ggml-adapter-model.bin"

  /// Whether a file, by its name, looks like a model's.
  package static func isModel(_ name: String) -> Bool { Container(fileName: name) != nil && !isTrainersOwn(name) }

  /// Whether a file is one that trainers leave beside a model or an adapter, named like a checkpoint: states of optimizers,
  /// schedulers, gradient scalers, samplers and random numbers, of each process or of all; and the value head that
  /// LLaMA-Factory saves beside a model.
  /// Sources: transformers, trainer.py; accelerate, utils/constants.py; DeepSpeed, runtime/engine.py.
  static func isTrainersOwn(_ name: String) -> Bool {
    guard let dot = name.firstIndex(of: ".") else { return false }
    let ending = name[dot...]
    guard [".pt", ".pth", ".bin", ".safetensors", ".pkl"].contains(String(ending)) else { return false }
    // `rng_state_0`, `optimizer_1`: of one process.
    var stem = name[..<dot]
    let digits = stem.reversed().prefix { $0.isASCII && $0.isNumber }.count
    if digits > 0, stem.dropLast(digits).last == "_" { stem = stem.dropLast(digits + 1) }
    return trainersFiles.contains(String(stem)) || stem.hasSuffix("_optim_states")
  }

  private static let trainersFiles: Set<String> = [
    "training_args", "trainer_state", "optimizer", "scheduler", "lr_scheduler", "scaler", "rng_state", "random_states",
    "sampler", "dataloader", "dl_state_dict", "custom_checkpoint", "value_head",
  ]
}
