import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

/// A model with an unmerged adapter was taken for its base, and an adapter for a model.
@Suite("Adapters") struct AdapterTests {
  private static let fixtures = project("Tests/Fixtures/lora/")
  private static let remedy = "hint: merge it into its base first"
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var tokens: String { folder.file("model/tokens.safetensors:evaluation") }

  /// The verbs that take a model, on one.
  private func runs(_ model: String) -> [[String]] {
    [
      ["evaluate", model, "--text", tokens],
      ["evaluate", folder.file("model"), "--text", tokens, "--reference", model],
      ["quantize", model, folder.file("q"), "--method", "rtn", "--group-size", "32"],
      ["generate", model, "--prompt", "a"], ["convert", model, folder.file("m.gguf")],
      ["convert", model, folder.file("m-st")], ["convert", model, folder.file("m-hf"), "--layout", "hf"],
      ["convert", model, folder.file("m-meta"), "--layout", "meta"],
    ]
  }

  /// Tensors of adapters as the programs that make them name them, beside the weight that they change.
  static let names: [(name: String, replacesWeight: Bool)] = [
    ("lora_A.weight", false), ("lora_B.default.weight", false), ("lora_embedding_A", false),
    ("lora_magnitude_vector.default.weight", false), ("base_layer.weight", true),
    ("original_module.weight", true), ("modules_to_save.default.weight", false), ("ia3_l.default", false),
    ("hada_w1_a", false), ("lokr_w1", false), ("oft_r.default", false), ("boft_R", false), ("vera_lambda_b", false),
    ("weight.lora_a", false),
  ]

  @Test("among a model's tensors they are an error in every verb that takes a model", arguments: names)
  func unmerged(name: String, replacesWeight: Bool) throws {
    for prefix in ["", "base_model.model."] {
      var model = RandomCheckpoint(layers: 1)
      try model.write(folder)
      var source = MemorySource()
      let module = "model.layers.0.self_attn.q_proj"
      for (index, info) in model.source.tensors.enumerated() {
        var bytes: [UInt8] = []
        try model.source.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
        let isReplaced = replacesWeight && info.name == module + ".weight"
        source.add(prefix + (isReplaced ? module + "." + name : info.name), info.dtype, info.shape, bytes)
      }
      if !replacesWeight { source.add(prefix + module + "." + name, .f32, [4, 64], [Float](repeating: 0, count: 256)) }
      model.source = source
      try model.write(folder, "spoiled")
      for arguments in runs(folder.file("spoiled")) {
        let run = try Running(arguments).finish()
        #expect(run.status == 1, "\(arguments)")
        #expect(
          run.errors.contains("an unmerged adapter (") && run.errors.contains("\(prefix)\(module).\(name)")
            && run.errors.contains(Self.remedy), "\(arguments): \(run.errors)")
      }
      let doctor = try belleTools("doctor", folder.file("spoiled"))
      #expect(doctor.status == 2 && doctor.output.contains("[unmerged-adapter]"), "\(doctor.output)")
      #expect(!doctor.output.contains("[missing-tensor]"))
      #expect(try belleTools("inspect", folder.file("spoiled")).status == 0)
    }
  }

  @Test(
    "what no layer has a place for is refused by what computes, whatever its method is called, and found by doctor",
    arguments: ["self_attn.q_proj.lora_linear.down.weight", "mlp.adapters.x.adapter_down.weight", "adapter.linear_in"])
  func unknown(name: String) throws {
    var model = RandomCheckpoint(layers: 1)
    try model.write(folder)
    model.source.add("model.layers.0." + name, .f32, [4, 64], [Float](repeating: 0, count: 256))
    try model.write(folder, "strange")
    for arguments in runs(folder.file("strange")).prefix(4) {
      let run = try Running(arguments).finish()
      #expect(
        run.status == 1 && run.errors.contains("model.layers.0.\(name) has no place in a layer"), "\(run.errors)")
    }
    let doctor = try belleTools("doctor", folder.file("strange"))
    #expect(doctor.status == 2 && doctor.output.contains("[unexpected-tensor]"), "\(doctor.output)")
  }

  @Test("a head of another kind beside the model is left out, and told")
  func otherHead() throws {
    var model = RandomCheckpoint(layers: 1)
    model.source.add("v_head.summary.weight", .f32, [1, 64], [Float](repeating: 0, count: 64))
    let path = try model.write(folder, "valued")
    let run = try Running(["quantize", path, folder.file("q"), "--method", "rtn", "--group-size", "32"]).finish()
    #expect(run.status == 0 && run.errors.contains("v_head.summary.weight lies outside"), "\(run.errors)")
    let doctor = try belleTools("doctor", path)
    #expect(doctor.output.contains("[unexpected-tensor]"), "\(doctor.output)")
  }

  @Test("the checkpoint of a trainer that peft wrapped is no model")
  func trainer() throws {
    try RandomCheckpoint(layers: 1).write(folder)
    let model = Self.fixtures + "trainer-checkpoint"
    for arguments in runs(model) {
      let run = try Running(arguments).finish()
      #expect(run.status == 1 && run.errors.contains("lora_A.default.weight and 27 more"), "\(run.errors)")
    }
    let doctor = try belleTools("doctor", model)
    #expect(doctor.status == 2 && !doctor.output.contains("config.json"), "\(doctor.output)")
  }

  @Test(
    "an adapter beside a model is a note in each verb, and a warning of doctor's", arguments: [".bin", ".safetensors"])
  func beside(suffix: String) throws {
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let plain = try belleTools("doctor", model).output
    try folder.write("model/adapter_config.json", #"{"peft_type": "IA3", "base_model_name_or_path": "x\ny"}"#)
    try folder.write("model/adapter_model\(suffix)", "not looked at")
    let note = "an IA3 adapter of x\\ny lies beside the model (adapter_config.json, adapter_model\(suffix))"
    for arguments in [
      ["evaluate", model, "--text", tokens],
      ["quantize", model, folder.file("q"), "--method", "rtn", "--group-size", "32"],
      ["convert", model, folder.file("m-st")], ["compare", model, model], ["inspect", model],
    ] {
      let run = try Running(arguments).finish()
      #expect(run.status == 0 && run.errors.contains("note: ") && run.errors.contains(note), "\(run.errors)")
      #expect(!run.output.contains(note))
    }
    let doctor = try belleTools("doctor", model)
    // A warning alone: engines load the model.
    #expect(doctor.status == 0 && doctor.output.contains("warning: ") && doctor.output.contains("[adapter-beside]"))
    #expect(doctor.output.split(separator: "\n").count == plain.split(separator: "\n").count + 1)
    #expect(!(try belleTools("evaluate", model + "/model.safetensors", "--text", tokens).errors.contains(note)))
  }

  @Test("a model of any name is opened beside an adapter, and an adapter's safetensors before its .bin")
  func choice() throws {
    let model = try RandomCheckpoint(layers: 1).write(folder)
    try FileManager.default.moveItem(atPath: model + "/model.safetensors", toPath: model + "/other.safetensors")
    try FileManager.default.moveItem(atPath: model + "/tokens.safetensors", toPath: folder.file("tokens.safetensors"))
    try folder.write("model/adapter_model.bin", "not looked at")
    try folder.write("model/rng_state_0.pth", "not looked at")
    let run = try belleTools("evaluate", model, "--text", folder.file("tokens.safetensors:evaluation"))
    #expect(run.status == 0, "\(run.errors)")
    let adapter = Self.fixtures + "adapter/adapter_model.bin"
    try folder.write("adapter/adapter_model.bin", "not looked at")
    #expect(try belleTools("convert", adapter, folder.file("adapter/adapter_model.safetensors")).status == 0)
    #expect(try belleTools("inspect", folder.file("adapter")).output.contains("28 tensors"))
  }

  @Test("a folder that is an adapter alone says so, and is no model")
  func alone() throws {
    try RandomCheckpoint(layers: 1).write(folder)
    let adapter = Self.fixtures + "adapter"
    let text = "this is a LoRA adapter of base-llamamha-float16, not a model"
    for model in [adapter, adapter + "/adapter_model.bin"] {
      for arguments in runs(model) {
        let run = try Running(arguments).finish()
        // An adapter itself can become a GGUF file, by its base's measures.
        let isAsked = run.errors.contains("hint: say with --base <model> which model it is for")
        #expect(isAsked == arguments.contains { $0.hasSuffix(".gguf") }, "\(run.errors)")
        guard !isAsked else { continue }
        #expect(run.status == 1 && run.errors.contains(text) && run.errors.contains(Self.remedy), "\(run.errors)")
        #expect(!run.errors.contains("config.json"))
      }
      let doctor = try belleTools("doctor", model)
      #expect(doctor.status == 2 && doctor.output.contains(text) && doctor.output.contains("[adapter-alone]"))
      #expect(doctor.output.hasSuffix("1 finding\n") && !doctor.output.contains("loads it"), "\(doctor.output)")
    }
  }

  @Test("an adapter alone goes into another container where one file is asked for, with a note")
  func container() throws {
    let adapter = Self.fixtures + "adapter"
    let run = try belleTools("convert", adapter, folder.file("adapter_model.safetensors"))
    #expect(run.status == 0 && run.output.contains("28 tensors, every value identical"), "\(run.errors)")
    #expect(run.errors.contains("note: ") && run.errors.contains("its tensors are copied as they are"))
    let directory = try belleTools("convert", adapter, folder.file("out"))
    #expect(directory.status == 1 && directory.errors.contains("give a file as output"))
    #expect(Folder.kind(of: folder.file("out")) == nil)
  }

  @Test("an adapter is known by its names where nothing else says so, in GGUF by its type")
  func known() throws {
    var source = MemorySource()
    let ones = [Float](repeating: 1, count: 64)
    source.add("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", .f32, [1, 64], ones)
    source.add("base_model.model.lm_head.weight", .f32, [1, 64], ones)
    try source.write(in: folder.path)
    let named = try belleTools("evaluate", folder.file("model.safetensors"), "--text", "x")
    #expect(named.status == 1 && named.errors.contains("this is a LoRA adapter, not a model"), "\(named.errors)")

    var prompts = MemorySource()
    prompts.add("prompt_embeddings", .f32, [1, 64], ones)
    try prompts.write(in: folder.path)
    let virtual = try belleTools("evaluate", folder.file("model.safetensors"), "--text", "x")
    #expect(virtual.status == 1 && virtual.errors.contains("this is a prompt tuning adapter"), "\(virtual.errors)")
    #expect(virtual.errors.contains("cannot be merged into weights"))

    var pair = MemorySource()
    for part in ["lora_a", "lora_b"] { pair.add("blk.0.attn_q.weight." + part, .f32, [1, 64], ones) }
    var values = GGUFMetadata()
    (values["general.architecture"], values["general.type"]) = (.string("llama"), .string("adapter"))
    var sink = try GGUFWriter(pair.tensors, values: values)
    #expect(
      try sink.take(pair, [0, 1], as: "adapter.gguf", in: folder.path, replacing: true, isChecked: true) { _ in })
    for arguments in [
      ["evaluate", folder.file("adapter.gguf"), "--text", "x"],
      ["generate", folder.file("adapter.gguf"), "--prompt", "x"],
      ["convert", folder.file("adapter.gguf"), folder.file("out.safetensors")],
      ["convert", folder.file("adapter.gguf"), folder.file("out")],
    ] {
      let run = try Running(arguments).finish()
      #expect(run.status == 1 && run.errors.contains("this is a LoRA adapter, not a model"), "\(run.errors)")
    }
    let doctor = try belleTools("doctor", folder.file("adapter.gguf"))
    #expect(doctor.status == 2 && doctor.output.contains("[adapter-alone]"), "\(doctor.output)")
  }

  @Test("an empty adapter file is a fault of training, and says where the weights are")
  func empty() throws {
    try RandomCheckpoint(layers: 1).write(folder)
    let adapter = Self.fixtures + "empty-adapter"
    for arguments in runs(adapter) {
      let run = try Running(arguments).finish()
      #expect(run.status == 1 && run.errors.contains("adapter_model.bin: the adapter file is empty"), "\(run.errors)")
      #expect(run.errors.contains("checkpoint-*/pytorch_model.bin"))
    }
    let doctor = try belleTools("doctor", adapter)
    #expect(doctor.status == 2 && doctor.output.contains("[empty-adapter]"))
    let inspect = try belleTools("inspect", adapter)
    #expect(inspect.status == 0 && inspect.errors.contains("the adapter file is empty"), "\(inspect.errors)")
  }
}
