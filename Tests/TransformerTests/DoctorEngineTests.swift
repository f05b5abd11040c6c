import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import TestSupport
import Testing
import Tokenizer

@testable import Transformer

@Suite("What the doctor says of engines") struct DoctorEngineTests {
  private static let q = "model.layers.0.self_attn.q_proj"

  @Test("engines say why they do not load a good model")
  func engines() throws {
    func reasons(_ doctor: Doctor) -> [String: String] {
      Dictionary(
        uniqueKeysWithValues: doctor.engines.compactMap { verdict in
          verdict.reason.map { (verdict.engine, $0.description) }
        })
    }
    let plain = reasons(try Patient(isPacked: false).doctor())
    #expect(Set(plain.keys) == ["gptqmodel", "llama.cpp"])
    // Its modules have 32 outputs, of which vLLM wants multiples of 64.
    #expect(Set(reasons(try Patient().doctor()).keys) == ["vllm", "llama.cpp"])
    // Asymmetric, in version 1, by someone else than GPTQModel.
    var patient = try Patient()
    for name in [\Patient.quantization, \Patient.inner] {
      patient[keyPath: name] = patient[keyPath: name]?.replacing(#""sym": true"#, with: #""sym": false"#)
        .replacing("gptqmodel:2.2.0", with: "other:1")
    }
    for info in patient.source.tensors where info.name.hasSuffix(".qzeros") {
      patient.put(info.name, .i32, info.shape, [UInt32](repeating: 0x1234_5677, count: info.shape.reduce(1, *)))
    }
    let doctor = try patient.doctor()
    #expect(doctor.findings.isEmpty, "\(doctor.findings)")
    #expect(Set(reasons(doctor).keys) == ["vllm", "gptqmodel", "llama.cpp"])
    #expect(reasons(doctor)["gptqmodel"]?.contains("gptqVersion2") == true)
  }

  @Test("a model of BELLE's is no folder for engines, and nothing is wrong with it")
  func belle() throws {
    let patient = try Patient()
    let folder = try TemporaryFolder()
    var bare = patient.source
    for info in bare.tensors where info.name.hasSuffix(".g_idx") { bare.remove(info.name) }
    _ = try TorchWriter.write(
      bare, Array(bare.tensors.indices), metadata: [:], as: "model.pt", in: folder.path, replacing: true)
    try folder.write("config.json", Patient.json)
    try folder.write("tokenizer.model", try readBytes(project("Tests/Fixtures/tiny/llama/tokenizer.model")))
    let doctor = try Patient.doctor(folder.path)
    #expect(doctor.findings.isEmpty, "\(doctor.findings)")
    #expect(doctor.engines.allSatisfy { $0.loads == false })
    #expect(doctor.engines[0].reason?.description.contains("BELLE") == true)
  }

  /// The patient as GPTQ-for-LLaMA's scripts saved it in March 2023: whole rows, zero points as products with the scale.
  private func early(_ spoil: (inout MemorySource) -> Void = { _ in }) throws -> Doctor {
    let made = try #require(Patient.plain)
    let model = try TransformerModel(made.configuration, made.source, path: "memory")
    let modules = model.groups(ofLayer: 0).flatMap(\.modules)
    var source = MemorySource()
    for (index, info) in made.source.tensors.enumerated() {
      let values = try TensorReader.matrix(made.source, index).values
      guard let module = modules.first(where: { $0.name + ".weight" == info.name }) else {
        source.add(info.name, .f32, info.shape, values)
        continue
      }
      RoundedLinear(
        values, out: module.outFeatures, width: module.inFeatures, bits: 4, group: module.inFeatures, isSymmetric: false
      ).addEarly(to: &source, module.name)
    }
    spoil(&source)
    let folder = try TemporaryFolder()
    _ = try TorchWriter.write(
      source, Array(source.tensors.indices), metadata: [:], as: "llama7b-4bit.pt", in: folder.path, replacing: true)
    try folder.write("config.json", Patient.json)
    for name in ["tokenizer.model", "tokenizer_config.json"] {
      try folder.write(name, try readBytes(project("Tests/Fixtures/tiny/llama/\(name)")))
    }
    return try withExtendedLifetime(folder) { try Patient.doctor(folder.file("llama7b-4bit.pt")) }
  }

  @Test(
    "GPTQ-for-LLaMA's early form is no folder for engines, and nothing is wrong with it, unless its zero points are")
  func earlyForm() throws {
    let doctor = try early()
    #expect(doctor.findings.isEmpty, "\(doctor.findings)")
    #expect(doctor.engines.allSatisfy { $0.loads == false && $0.reason?.requests.count == 1 })
    let zeros = Self.q + ".zeros"
    let broken = try early { source in
      source.remove(zeros)
      source.add(zeros, .f32, [32, 1], [Float](repeating: 1e6, count: 32))
    }
    #expect(Set(broken.findings.map(\.code)) == [.badPart])
    let short = try early { source in
      source.remove(zeros)
      source.add(zeros, .f32, [16, 1], [Float](repeating: 0, count: 16))
    }
    #expect(Set(short.findings.map(\.code)) == [.badPart])
  }

  @Test(
    "engines look for names of their own: what they do not find is told with the way",
    arguments: [
      ("weights.safetensors", false, ["transformers", "gptqmodel"]),
      ("weights.safetensors", true, ["transformers", "gptqmodel"]),
      ("gptq_model-4bit-32g.safetensors", true, ["transformers"]), ("model.safetensors", true, []),
      ("model-00001-of-00001.safetensors", false, ["transformers", "gptqmodel"]),
    ])
  func names(name: String, isPacked: Bool, unfound: [String]) throws {
    let folder = try Patient(isPacked: isPacked).folder()
    try FileManager.default.moveItem(atPath: folder.file("model.safetensors"), toPath: folder.file("named"))
    try FileManager.default.moveItem(atPath: folder.file("named"), toPath: folder.file(name))
    let doctor = try Patient.doctor(folder.path)
    #expect(doctor.findings.isEmpty, "\(doctor.findings)")
    for engine in ["transformers", "gptqmodel"] where isPacked || engine == "transformers" {
      let verdict = try #require(doctor.engines.first { $0.engine == engine })
      #expect(verdict.loads == !unfound.contains(engine), "\(verdict)")
      if unfound.contains(engine) {
        #expect(verdict.reason?.description.contains("model.safetensors") == true)
        #expect(verdict.reason?.description.contains(name) == true)
      }
    }
    // By itself the file is judged by its name, too.
    let alone = try Patient.doctor(folder.file(name))
    #expect(alone.engines[0].loads == !unfound.contains("transformers"))
  }

  @Test("PyTorch files have names and readers of their own", arguments: ["pytorch_model.bin", "model.pt", "last.ckpt"])
  func torchNames(name: String) throws {
    let patient = try Patient(isPacked: false)
    let folder = try patient.folder()
    try FileManager.default.removeItem(atPath: folder.file("model.safetensors"))
    _ = try TorchWriter.write(
      patient.source, Array(patient.source.tensors.indices), metadata: [:], as: name, in: folder.path, replacing: true)
    let loads = try Dictionary(uniqueKeysWithValues: Patient.doctor(folder.path).engines.map { ($0.engine, $0.loads) })
    #expect(loads["transformers"] == .some(name == "pytorch_model.bin"))
    #expect(loads["vllm"] == .some(name != "last.ckpt"))
  }

  @Test("settings in quant_config.json are named as what they are, and the advice is what engines read")
  func otherName() throws {
    var patient = try Patient()
    patient.inner = nil
    let folder = try patient.folder()
    try FileManager.default.moveItem(
      atPath: folder.file("quantize_config.json"), toPath: folder.file("quant_config.json"))
    let finding = try #require(try Patient.doctor(folder.path).findings.first)
    #expect(
      finding.code == .missingQuantization && finding.message.contains("vLLM does not look for quant_config.json"))
    let remedy = finding.remedy?.description ?? ""
    #expect(remedy.contains("put what quant_config.json says there, as quantization_config, with quant_method gptq"))
    // What is advised, done.
    let said = String(decoding: try readBytes(folder.file("quant_config.json")), as: UTF8.self)
    try folder.write("config.json", Patient.json.dropLast() + ", \"quantization_config\": \(said)}")
    #expect(try Patient.doctor(folder.path).findings.isEmpty)
  }

  @Test("nothing is wrong with a folder that GPTQModel wrote, and engines load it")
  func gptqModel() throws {
    let doctor = try Patient.doctor(project("Tests/Fixtures/gptqmodel"))
    #expect(doctor.findings.isEmpty, "\(doctor.findings)")
    #expect(doctor.engines.filter { $0.loads != true }.map(\.engine) == ["llama.cpp"])
    // Its tokenizer is LLaMA's as tokenizer.json: in a GGUF file it is what tokenizer.model is there.
    let vocabulary = try Model.open(project("Tests/Fixtures/gptqmodel")).vocabulary()
    #expect(vocabulary.tokens == (try Tokenizers.vocabulary(project("Tests/Fixtures/tiny/llama"))).tokens)
  }
}
