import ByteIO
import Foundation
import TestSupport
import Testing

/// GGUF files that are not finished: killed, interrupted, or without room.
extension GGUFVerbTests {
  /// What both verbs are started with, but for paths.
  private static let verbs: [[String]] = [
    ["convert", "--gguf-type", "q8_0"],
    ["quantize", "--format", "gguf", "--gguf-type", "q4_0", "--embedding-type", "f16", "--recipe", "fast"],
  ]

  private func arguments(_ verb: [String], _ model: String, _ output: String) -> [String] {
    let calibration =
      verb[0] == "quantize" ? ["--calibration", tiny + "tokens.safetensors:calibration", "--samples", "1"] : []
    return [verb[0], model, output] + verb.dropFirst() + calibration + ["--quiet"]
  }

  @Test(
    "killed or interrupted at any moment, nothing has the final name; the next run gives the same bytes",
    arguments: verbs)
  func killed(verb: [String]) throws {
    let folder = try TemporaryFolder()
    let model = try model(in: folder)
    let clock = ContinuousClock()
    let start = clock.now
    let whole = try Running(arguments(verb, model, folder.file("whole.gguf"))).finish()
    #expect(whole.status == 0, "\(whole.errors)")
    let duration = clock.now - start
    let expected = try readBytes(folder.file("whole.gguf"))
    let output = folder.file("out.gguf")
    var cut = 0
    for step in 1...6 {
      let run = try Running(arguments(verb, model, output))
      Thread.sleep(
        forTimeInterval: Double(step) / 7
          * (Double(duration.components.attoseconds) * 1e-18
            + Double(duration.components.seconds)))
      run.send(step % 3 == 0 ? SIGINT : SIGKILL)
      let status = try run.finish().status
      guard Folder.kind(of: output) == nil else {
        // It was done already; a kill between the name and the end changes nothing of it.
        #expect(try readBytes(output) == expected)
        try FileManager.default.removeItem(atPath: output)
        continue
      }
      #expect(status == 128 + SIGKILL || status == 130)
      cut += 1
    }
    #expect(cut > 0, "no run was cut short")
    let last = try Running(arguments(verb, model, output)).finish()
    #expect(last.status == 0, "\(last.errors)")
    #expect(try readBytes(output) == expected)
  }

  @Test("without room for the file it says so, and nothing has the final name", arguments: verbs)
  func noRoom(verb: [String]) throws {
    let folder = try TemporaryFolder()
    let model = try model(in: folder)
    let arguments = arguments(verb, model, folder.file("out.gguf"))
    // Blocks of 1024 bytes: enough for parts of a work folder, not for the file.
    let run = try Running(arguments, shell: #"ulimit -f 400; exec "$0" "$@""#).finish()
    #expect(run.status == 1 && run.errors.contains("ulimit -f"), "\(run.errors)")
    #expect(Folder.kind(of: folder.file("out.gguf")) == nil)
    let again = try Running(arguments).finish()
    #expect(again.status == 0, "\(again.errors)")
  }

  @Test("results that cannot be written are an error")
  func lostResults() throws {
    let folder = try TemporaryFolder()
    let model = try model(in: folder)
    for arguments in [
      ["inspect", model], ["doctor", model], ["generate", model, "--prompt", "a", "--max-tokens", "2"],
    ] {
      let run = try Running(arguments, shell: #"exec "$0" "$@" >/dev/full"#).finish()
      #expect(run.status == 1 && run.errors.contains("error: standard output: "), "\(arguments): \(run.errors)")
    }
  }

  @Test("odd folders are refused or read, and nothing worse", arguments: ["generate", "evaluate", "doctor", "convert"])
  func oddFolders(verb: String) throws {
    let folder = try TemporaryFolder()
    let model = try model(in: folder)
    let run = {
      switch verb {
      case "generate": try belleTools("generate", model, "--prompt", "a", "--max-tokens", "2")
      case "evaluate":
        try belleTools("evaluate", model, "--text", self.tiny + "tokens.safetensors:evaluation", "--max-tokens", "64")
      case "doctor": try belleTools("doctor", model)
      default: try belleTools("convert", model, folder.file("out.gguf"), "--force")
      }
    }
    let failure: Int32 = verb == "doctor" ? 2 : 1
    #expect(try run().status == 0)
    // An index of another format beside the file: it names shards that are not there, and makes way, as in transformers.
    // What doctor has is a warning: the engines load it.
    let found: Int32 = 0
    try folder.write("model/pytorch_model.bin.index.json", #"{"weight_map": {"model.norm.weight": "none.bin"}}"#)
    #expect(try run().status == found)
    // Two indices.
    try folder.write(
      "model/model.safetensors.index.json", #"{"weight_map": {"model.norm.weight": "none.safetensors"}}"#)
    #expect(try run().status == found)
    // Shards of no bytes: two more sets of weights, which are not read, and are told.
    try folder.write("model/none.safetensors", "")
    try folder.write("model/none.bin", "")
    let empty = try run()
    #expect(empty.status == found && (empty.errors + empty.output).contains("another set"), "\(empty.errors)")
    try FileManager.default.removeItem(atPath: folder.file("model/model.safetensors.index.json"))
    try FileManager.default.removeItem(atPath: folder.file("model/pytorch_model.bin.index.json"))
    // The file itself without a byte.
    try folder.write("model/model.safetensors", "")
    #expect(try run().status == failure)
  }
}
