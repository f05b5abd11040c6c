import ByteIO
import Checkpoint
import TestSupport
import Testing

/// aria2 sets a file's whole size aside: beside its note a file that looks whole is not.
@Suite("Files beside a downloader's note") struct UnfinishedTests {
  @Test(
    "no verb reads them",
    arguments: ["evaluate", "convert", "extend", "quantize", "generate", "inspect", "compare", "doctor"])
  func refused(verb: String) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    try folder.write("model/model.safetensors.aria2", "")
    let run =
      switch verb {
      case "evaluate": try belleTools("evaluate", model, "--text", model + "/tokens.safetensors:evaluation")
      case "convert": try belleTools("convert", model, folder.file("o.safetensors"))
      case "quantize": try belleTools("quantize", model, folder.file("q"), "--method", "rtn")
      case "generate": try belleTools("generate", model, "--prompt", "a")
      case "compare": try belleTools("compare", model, model)
      case "extend": try belleTools("extend", model, project("Tests/Fixtures/extend/list.json"), folder.file("e"))
      default: try belleTools(verb, model)
      }
    #expect(run.status == (verb == "doctor" ? 2 : 1), "\(run.errors)")
    #expect((run.errors + run.output).contains("model.safetensors.aria2"), "\(run.errors)\(run.output)")
  }
}
