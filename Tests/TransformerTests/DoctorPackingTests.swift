import ByteIO
import Checkpoint
import Foundation
import Model
import TestSupport
import Testing

@testable import Transformer

@Suite("Doctor on what settings say of single modules (kind 5), and on names of pickles (kind 7)")
struct DoctorPackingTests {
  private static let q = "model.layers.0.self_attn.q_proj"

  /// Each case changes what is packed, or what is said of it: the findings that must come of it, and no others.
  fileprivate static let cases:
    [(name: String, codes: Set<Finding.Code>, change: @Sendable (inout Patient) throws -> Void)] = [
      (
        "dynamic with other bits than the shapes", [.bitsDenied],
        { $0.settings(#""bits": 4"#, #""bits": 4, "dynamic": {"+:.*\\.q_proj$": {"bits": 8}}"#) }
      ),
      (
        "dynamic as the shapes are", [],
        {
          $0.settings(
            #""bits": 4"#,
            #""bits": 8, "dynamic": {".*[vqk]_proj": {"bits": 4}, "+:.*(o|gate|up|down)_proj": {"bits": 4}}"#)
        }
      ),
      (
        "dynamic with other groups than the shapes", [.groupSizeDenied],
        { $0.settings(#""bits": 4"#, #""bits": 4, "dynamic": {"+:model.layers.0.mlp.down_proj": {"group_size": 16}}"#) }
      ),
      (
        "dynamic in words that are not understood", [],
        { $0.settings(#""bits": 4"#, #""bits": 4, "dynamic": {"+:(?!.*q_proj).*": {"bits": 8}}"#) }
      ),
      (
        "extra_config with other bits than the shapes", [.bitsDenied],
        { $0.settings(#""bits": 4"#, #""bits": 4, "extra_config": {"model.layers.0.self_attn.q_proj": {"bits": 2}}"#) }
      ),
      (
        "a module that dynamic leaves out and that is packed", [.packingDenied],
        { $0.settings(#""bits": 4"#, #""bits": 4, "dynamic": {"-:.*q_proj": {}}"#) }
      ),
      ("a module that is not packed", [.packingDenied], { $0.unpack(q) }),
      (
        "a module that is not packed, and that dynamic leaves out", [],
        {
          $0.unpack(q)
          $0.settings(#""bits": 4"#, #""bits": 4, "dynamic": {"-:^model\\.layers\\.0\\.self_attn\\.q_proj$": {}}"#)
        }
      ),
      (
        "a module that is not packed, and that a list leaves out", [],
        {
          $0.unpack(q)
          $0.settings(#""bits": 4"#, #""bits": 4, "modules_to_not_convert": ["q_proj"]"#)
        }
      ),
      (
        "a head that is said to be packed, and is not", [.packingDenied],
        { $0.settings(#""lm_head": false"#, #""lm_head": true"#) }
      ),
      ("a head that is packed, and is said not to be", [.packingDenied], { $0.packHead() }),
      (
        "a head that is packed, and is said to be", [],
        {
          $0.packHead()
          $0.settings(#""lm_head": false"#, #""lm_head": true"#)
        }
      ),
    ]

  @Test("what settings say of single modules is held against the tensors", arguments: cases.indices)
  func modules(index: Int) throws {
    let (name, codes, change) = Self.cases[index]
    var patient = try Patient()
    try change(&patient)
    let doctor = try patient.doctor()
    #expect(Set(doctor.findings.map(\.code)) == codes, "\(name): \(doctor.findings)")
    // transformers 5.24 takes the bits that are said for all, and fails at shapes that are not those.
    let isBeyondTransformers = name == "dynamic as the shapes are"
    for verdict in doctor.engines where ["transformers", "gptqmodel"].contains(verdict.engine) {
      let loads = codes.isEmpty && !(isBeyondTransformers && verdict.engine == "transformers")
      #expect(verdict.loads == loads, "\(name): \(verdict)")
    }
  }

  @Test("a pickle that names what is not known is told with what torch makes of it, also where it is passed over")
  func unknownNames() throws {
    let folder = try Patient(isPacked: false).folder()
    try FileManager.default.removeItem(atPath: folder.file("model.safetensors"))
    try folder.write(
      "pytorch_model.bin", readBytes(project("Tests/Fixtures/torch-names/namespace-2.pt")))
    for skipped in [nil, SkippedNames()] {
      let doctor = Doctor(folder.path, threads: 1, skipping: skipped)
      try doctor.examine()
      let finding = try #require(doctor.findings.first { $0.code == .unknownNames })
      #expect(finding.severity == .error && finding.message.contains("argparse.Namespace"), "\(finding)")
      #expect(finding.message.contains("weights_only=True"))
      #expect(finding.remedy?.requests.contains(.skippingUnknown) == true)
      #expect(doctor.engines.first?.loads == false)
    }
  }
}
