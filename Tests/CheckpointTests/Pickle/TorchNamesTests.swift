// Honest files are not called hostile: what torch's own restricted loader reads is read here, or listed by its kind, and
// what trainers save beside their tensors is passed over on request. The files are torch's: Tests/Fixtures/torch-names.

import ByteIO
import Checksum
import Foundation
import FuzzedParsers
import TestSupport
import Testing

@testable import Checkpoint

/// What `torch-names/manifest.json` says of a file.
struct NamedFile: Decodable, Sendable {
  let tensors: [String: GoodFile.Tensor]
  /// The kind and the type.
  let unread: [String: [String]]
  let skipped: [String]
  let left_out: Int
}

private let files = decodeJSON([String: NamedFile].self, project("Tests/Fixtures/torch-names/manifest.json"))
private func path(_ name: String) -> String { project("Tests/Fixtures/torch-names/" + name) }

@Suite("Honest files are not called hostile") struct TorchNamesTests {
  private typealias P = PickleBytes

  @Test(
    "every file gives the tensors that torch reads in it, and lists the others by their kinds",
    arguments: files.keys.sorted())
  func manifest(name: String) throws {
    let file = try #require(files[name])
    let skipped = file.skipped.isEmpty ? nil : SkippedNames()
    let source = try Checkpoint.open(path(name), skipping: skipped)
    var read: [String: GoodFile.Tensor] = [:]
    var unread: [String: [String]] = [:]
    for (index, info) in source.tensors.enumerated() {
      if let kind = info.unread {
        unread[info.name] = [kind.kind.name, info.typeName]
        #expect(info.byteCount == 0 && source.storedRange(index) == nil)
        let error = #expect(throws: CheckpointError.self) { try source.allBytes(index) }
        #expect(error?.code == .unsupportedType && error?.reason.contains(info.name) == true)
      } else {
        read[info.name] = GoodFile.Tensor(
          dtype: info.dtype.rawValue, shape: info.shape, sha256: try TensorStatistics(source, index).sha256.hex)
      }
    }
    #expect(read == file.tensors)
    #expect(unread == file.unread)
    #expect(Set((skipped?.names ?? []).map { "\($0.module).\($0.name)" }) == Set(file.skipped))
    #expect(skipped?.leftOutCount ?? 0 == file.left_out)
  }

  @Test(
    "without being asked to pass over them, names that are not known are told, and accused of nothing",
    arguments: files.filter { !$0.value.skipped.isEmpty }.keys.sorted())
  func refusals(name: String) throws {
    let error = try #require(throws: CheckpointError.self) { try Checkpoint.open(path(name)) }
    #expect(error.code == .unknownName || error.code == .unsupportedPickle)
    #expect(error.remedy?.requests == [.skippingUnknown])
    let words = "\(error.reason) \(error.remedy?.description ?? "")"
    #expect(words.contains("hostile") == false)
    // To look for what loading may run is another thing, and as strict as ever.
    #expect(try !PickleSurvey(InputFile(path(name))).isSafe)
  }

  @Test(
    "what names nothing but what is known is harmless",
    arguments: files.filter { $0.value.skipped.isEmpty }.keys.sorted())
  func harmless(name: String) throws {
    let survey = try PickleSurvey(InputFile(path(name)))
    #expect(survey.isSafe, "\(survey.problems.first?.description ?? "")")
  }

  @Test("values of numpy that are no tensors are settings")
  func numpyValues() throws {
    let source = try Checkpoint.open(path("numpy-values.pt"))
    let metadata = Dictionary(source.metadata.map { ($0.name, $0.value) }) { one, _ in one }
    #expect(metadata["classes.0"] == "cat" && metadata["classes.2"] == "a bird")
    #expect(metadata["name"] == "x" && metadata["raw.0"] == "ab" && metadata["flag"] == "True")
    #expect(metadata["objects.0"] == "one" && metadata["objects.1"] == "None" && metadata["objects.2"] == "3")
    #expect(metadata["type"] == "F32" && metadata["when"] == "one of times")
    #expect(metadata["wide"]?.hasPrefix("an array of elements") == true)
  }

  @Test("what an object that is not known was given is shown as settings where its state says so")
  func namespace() throws {
    let source = try Checkpoint.open(path("namespace-2.pt"), skipping: SkippedNames())
    let metadata = Dictionary(source.metadata.map { ($0.name, $0.value) }) { one, _ in one }
    #expect(metadata["args.lr"] == "0.1" && metadata["args.nested.a"] == "1" && metadata["args.layers.1"] == "2")
  }

  // MARK: Names

  @Test(
    "a name that does something is held against the file",
    arguments: [
      ("os", "system"), ("posix", "system"), ("nt", "system"), ("builtins", "eval"), ("__builtin__", "exec"),
      ("subprocess", "Popen"), ("os.path", "os.system"), ("importlib", "import_module"), ("torch", "load"),
      ("torch.hub", "load"), ("shutil", "rmtree"), ("socket", "socket"), ("pickle", "loads"), ("builtins", "open"),
      ("ctypes", "CDLL"), ("operator", "attrgetter"), ("runpy", "_run_code"), ("sys", "modules"),
    ])
  func active(module: String, name: String) {
    let pickle = [0x80, 2] + P.global(module, name) + [0x2E]
    let error = #expect(throws: CheckpointError.self) { try PickleMachine.run(pickle, file: "a.pkl") }
    #expect(error?.code == .unsafeGlobal && error?.remedy == PickleMachine.hostile)
  }

  @Test(
    "a name that is only not known is not",
    arguments: [
      ("argparse", "Namespace"), ("pathlib", "PosixPath"), ("torch.torch_version", "TorchVersion"),
      ("lightning_fabric.utilities.data", "AttributeDict"), ("omegaconf.dictconfig", "DictConfig"),
      ("deepspeed.runtime.fp16.loss_scaler", "LossScaler"), ("torch.distributed.tensor", "DTensor"),
      ("torch.nn.modules.linear", "Linear"), ("__main__", "Net"), ("functools", "partial"), ("builtins", "getattr"),
      ("test.model", "Net"), ("code.model", "Net"), ("trace", "Net"), ("os", "PathLike"), ("osmodel", "Net"),
      ("copyreg", "_reconstructor"), ("datetime", "datetime"), ("uuid", "UUID"), ("numpy", "float32"),
      ("torch._utils", "_rebuild_nested_tensor"), ("__torch__", "Net"), ("sklearn.svm", "SVC"),
      ("joblib.numpy_pickle", "NumpyArrayWrapper"), ("torch.distributed.checkpoint.metadata", "Metadata"),
    ])
  func passive(module: String, name: String) {
    let pickle = [0x80, 2] + P.global(module, name) + [0x2E]
    let error = #expect(throws: CheckpointError.self) { try PickleMachine.run(pickle, file: "a.pkl") }
    #expect(error?.code == .unknownName && error?.reason.contains(name) == true)
    #expect(error?.remedy?.description.contains("hostile") == false)
  }

  @Test("passing over what is not known runs nothing, and the name is told with what it does")
  func runsNothing() throws {
    let skipped = SkippedNames()
    let result = try PickleMachine.run(P.call(), file: "a.pkl", skipped: skipped)
    #expect(skipped.names.map { "\($0.module).\($0.name)" } == ["posix.system"])
    #expect(skipped.names.first?.deed == "runs commands")
    let contents = try PickleContents(result.graph, root: result.root, file: "a.pkl", skipped: skipped)
    #expect(contents.tensors.isEmpty)
  }

  @Test(
    "INST, OBJ, EXT and names of copyreg make objects of which nothing is known",
    arguments: [
      [0x28, 0x4B, 1] + Array("itrainer\nC\n.".utf8), [0x28] + P.global("trainer", "C") + [0x4B, 1] + Array("o.".utf8),
      [0x82, 1, 0x29, 0x52, 0x2E],
      P.global("copy_reg", "_reconstructor") + [0x28] + P.global("trainer", "C") + P.global("builtins", "object")
        + Array("NtR.".utf8),
      [0x80, 4] + P.global("trainer", "C") + [0x29, 0x7D] + P.text("k") + [0x4B, 1, 0x73, 0x92, 0x2E],
    ] as [[UInt8]])
  func objects(pickle: [UInt8]) throws {
    let skipped = SkippedNames()
    let result = try PickleMachine.run(pickle, file: "a.pkl", skipped: skipped)
    guard case .foreign = result.graph.nodes[Int(result.root)] else {
      Issue.record("\(result.graph.summary(result.root))")
      return
    }
    #expect(!skipped.names.isEmpty)
    #expect(throws: CheckpointError.self) { try PickleMachine.run(pickle, file: "a.pkl") }
  }

  @Test("what is done with known names is refused as ever, where names that are not known are passed over")
  func stillStrict() {
    let ordered = P.global("collections", "OrderedDict") + [0x29, 0x52]
    let load = P.global("torch.storage", "_load_from_bytes")
    for pickle in [
      [0x80, 3] + ordered + [0x7D] + P.text("__setstate__") + load + [0x73, 0x62, 0x2E],
      [0x80, 3] + ordered + [0x29, 0x81, 0x2E],
      [0x80, 3] + load + P.bytes(P.call()) + [0x85, 0x52, 0x2E],
    ] as [[UInt8]] {
      #expect(throws: CheckpointError.self) { try PickleMachine.run(pickle, file: "a", skipped: SkippedNames()) }
    }
  }

  // MARK: Limits

  @Test("limits grow with the pickle: 300,000 tensors and four million integers are below them")
  func limits() {
    // A tensor of torch.save takes 150 bytes and 12 values; integers of 16 and 32 bits three and five bytes.
    for (bytes, values, holders) in [
      (45_000_000, 3_600_000, 1_500_000), (12_000_000, 4_000_000, 1), (20_000_000, 4_000_000, 1),
    ] {
      let limits = PickleMachine.limits(bytes)
      #expect(limits.values >= values && limits.holders >= holders && limits.stack >= 4_000_000)
      #expect(limits.tensors >= (holders > 1 ? 300_000 : 100_000))
    }
    // What a small file may cost stays what it was.
    #expect(PickleMachine.limits(16 << 20).holders == PickleMachine.valueLimit)
  }

  @Test("containers, of which a byte makes one, are bounded as they were")
  func containers() {
    let pickle = [0x80, 2] + [UInt8](repeating: 0x5D, count: PickleMachine.valueLimit + 10) + [0x2E]
    let error = #expect(throws: CheckpointError.self) { try PickleMachine.run(pickle, file: "a.pkl") }
    #expect(error?.code == .limit)
  }

  @Test("a tensor that is made again and again of one memo is bounded by the pickle's length")
  func tensors() {
    let make =
      P.global("torch._utils", "_rebuild_meta_tensor_no_storage") + [0x71, 1] + [0x28] + P.global("torch", "float32")
      + [0x4B, 3, 0x85, 0x4B, 1, 0x85, 0x89, 0x74, 0x71, 2, 0x28]
    let again = (0...PickleMachine.tensorLimit).flatMap { _ in [0x68, 1, 0x68, 2, 0x52] as [UInt8] }
    let error = #expect(throws: CheckpointError.self) {
      try PickleMachine.run([0x80, 2] + make + again + Array("t.".utf8), file: "a.pkl")
    }
    #expect(error?.code == .limit)
  }

  // MARK: Other formats

  @Test(
    "files that are something else are called what they are",
    arguments: [
      ("a.distcp", P.zip([("archive/data.pkl", [0x80, 2, 0x7D, 0x2E])]), "torch.distributed.checkpoint"),
      ("a.pt2", P.zip([("a/archive_format", Array("pt2".utf8)), ("a/models/model.json", [])]), "torch.export"),
      ("a.pt2", P.zip([("serialized_exported_program.json", [])]), "torch.export"),
      ("a.npz", P.zip([("a.npy", []), ("b.npy", [])]), ".npz"),
      ("a.nemo", P.tar([(Array("./model_config.yaml".utf8), []), (Array("./model_weights.ckpt".utf8), [])]), "NeMo"),
      ("a.tar", P.tar([(Array("x".utf8), [])]), "tar"),
      ("a.pt", P.zip([("a/code/m.py", []), ("a/data.pkl", [0x80, 2, 0x7D, 0x2E])]), "TorchScript"),
      ("a.ptl", [0, 0, 0, 0] + Array("PTMF".utf8) + [0, 0, 0, 0], "TorchScript"),
      ("a.h5", [0x89] + Array("HDF\r\n".utf8) + [0x1A, 0x0A], "HDF5"),
      ("a.tflite", [0x1C, 0, 0, 0] + Array("TFL3".utf8), "TensorFlow Lite"),
      ("m.onnx_data", [1, 2, 3, 4, 5, 6, 7, 8, 9], "ONNX"),
      ("openvino_model.bin", [1, 2, 3, 4, 5, 6, 7, 8, 9], "OpenVINO"),
      ("saved_model.pb", [8, 1, 18, 4, 5, 6, 7, 8, 9], "SavedModel"),
      ("variables.data-00000-of-00001", [1, 2, 3, 4, 5, 6, 7, 8, 9], "TensorFlow"),
      ("a.bin", Array("BZh91AY".utf8) + [0x26, 0x53], "bzip2"),
      ("a.bin", P.zip([("a/b", [])]), "no data.pkl"),
    ] as [(String, [UInt8], String)])
  func otherFormats(name: String, bytes: [UInt8], word: String) {
    let error = #expect(throws: CheckpointError.self) { try Checkpoint.open(MemoryBytes(bytes, name)) }
    #expect(error?.reason.contains(word) == true, "\(error?.reason ?? "")")
    #expect("\(error?.remedy?.description ?? "")".contains("hostile") == false)
  }

  @Test(
    "folders of such files too, also where they lie in a folder that is called after an engine",
    arguments: [
      ("onnx/model.onnx", "ONNX"), ("openvino/openvino_model.xml", "OpenVINO"), ("saved_model.pb", "SavedModel"),
      ("tf/model.ckpt.data-00000-of-00001", "TensorFlow"),
    ])
  func otherFolders(name: String, word: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("m/config.json", "{}")
    try folder.write("m/" + name, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    let error = #expect(throws: CheckpointError.self) { try Checkpoint.open(folder.file("m")) }
    #expect(error?.reason.contains(word) == true && error?.reason.contains(name) == true, "\(error?.reason ?? "")")
  }
}
