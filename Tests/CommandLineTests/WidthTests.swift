import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

/// quantize refused groups and blocks that do not divide a module's inputs, and told sizes that were not the files'.
@Suite("Widths and sizes") struct WidthTests {
  private let folder: TemporaryFolder
  private let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try RandomCheckpoint(layers: 1).write(folder)
  }

  private func quantize(_ output: String, _ options: String...) throws -> Finished {
    try Running(["quantize", model, folder.file(output), "--method", "rtn", "--json"] + options).finish()
  }

  private func settings(_ output: String) throws -> [String: Any] {
    let text = try readBytes(folder.file(output + "/quantize_config.json"))
    return try #require(JSONSerialization.jsonObject(with: Data(text)) as? [String: Any])
  }

  @Test("the most that divide all widths are taken, and that is told", arguments: [128, 96, 65])
  func groups(size: Int) throws {
    // 64 and 128 inputs.
    let run = try quantize("q", "--group-size", "\(size)")
    #expect(run.status == 0 && run.errors.contains("groups of 64 in place of \(size), which do not divide 64 inputs"))
    #expect(try settings("q")["group_size"] as? Int == 64)
    #expect(try belleTools("doctor", folder.file("q")).status == 0)
    let refused = try quantize("r", "--group-size", "\(size)", "--no-fallback")
    #expect(refused.status == 1 && refused.errors.contains("groups of \(size) do not divide"), "\(refused.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("r")))
  }

  @Test("modules that are left as they are do not count, and groups that fit stay")
  func fitting() throws {
    let run = try quantize("q", "--group-size", "128", "--only", "*.down_proj")
    #expect(run.status == 0 && !run.errors.contains("in place of"))
    #expect(try settings("q")["group_size"] as? Int == 128)
  }

  @Test(
    "the size that is told is that of the files",
    arguments: [
      ("q", [String]()), ("q.gguf", ["--format", "gguf"]), ("k.gguf", ["--format", "gguf", "--gguf-type", "q5_1"]),
      ("m.pt", ["--format", "belle"]),
    ])
  func sizes(output: String, options: [String]) throws {
    // BELLE's kernels want 256 inputs, and a GGUF file the tokenizer's 4096 tokens.
    let path =
      output == "q" ? model : try TokenizedCheckpoint(hidden: 256, intermediate: 256).write(folder, "tiny")
    let arguments = options + (output == "q" ? ["--group-size", "32"] : [])
    let run = try Running(["quantize", path, folder.file(output), "--method", "rtn", "--json"] + arguments).finish()
    #expect(run.status == 0, "\(run.errors)")
    let last = try #require(run.output.split(separator: "\n").last)
    let summary = try #require(JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
    let file = output == "q" ? "q/model.safetensors" : output
    #expect(try summary["bytes"] as? Int == readBytes(folder.file(file)).count)
  }

  @Test("rows that are no whole blocks of any type become F16, which is told and counted")
  func noBlocks() throws {
    let path = try TokenizedCheckpoint(hidden: 48, intermediate: 80).write(folder, "odd")
    let run = try belleTools("convert", path, folder.file("m.gguf"), "--gguf-type", "q4_0")
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("F16 in place of Q4_0 for 7 tensors, whose rows are no whole blocks of 32"))
    #expect(run.errors.contains("F16 in place of Q6_K for 2 tensors, whose rows are no whole blocks of 256"))
    #expect(run.output.contains("rounded to F16 (9)") && !run.output.contains("Q4_0"), "\(run.output)")
    let fits = try TokenizedCheckpoint(hidden: 64, intermediate: 80).write(folder, "half")
    let half = try belleTools(
      "convert", fits, folder.file("h.gguf"), "--gguf-type", "q4_0", "--embedding-type", "f16")
    #expect(half.errors.contains("F16 in place of Q4_0 for 1 tensor, whose rows"), "\(half.errors)")
    #expect(half.output.contains("rounded to Q4_0 (6), F16 (3)"), "\(half.output)")
  }

  @Test("quantize leaves modules as they are whose inputs no block divides, and says so")
  func leftModules() throws {
    let path = try TokenizedCheckpoint(hidden: 64, intermediate: 80).write(folder, "half")
    let arguments = ["quantize", path, folder.file("h.gguf"), "--method", "rtn", "--format", "gguf", "--json"]
    let run = try Running(arguments).finish()
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("1 of 7 modules stay as they are, for their inputs (80) are not a multiple of 32"))
    let summary = try #require(try run.objects().last)
    #expect(try summary["bytes"] as? Int == readBytes(folder.file("h.gguf")).count)
    #expect(try Running(arguments + ["--force", "--no-fallback"]).finish().status == 1)
    let odd = try TokenizedCheckpoint(hidden: 48, intermediate: 80).write(folder, "odd")
    let refused = try belleTools("quantize", odd, folder.file("o.gguf"), "--method", "rtn", "--format", "gguf")
    #expect(refused.status == 1 && refused.errors.contains("its 48 inputs are not a multiple of 32"))
  }

  @Test("--bits chooses the blocks, and what has none is refused by name")
  func blocksByBits() throws {
    let path = try TokenizedCheckpoint(hidden: 256, intermediate: 256).write(folder, "wide")
    func run(_ more: String...) throws -> (Finished, types: String) {
      let output = folder.file("b.gguf")
      let run = try Running(
        ["quantize", path, output, "--method", "rtn", "--format", "gguf", "--force"] + more
      ).finish()
      return (run, run.status == 0 ? try belleTools("inspect", output).output : "")
    }
    let three = try run("--bits", "3")
    #expect(three.0.status == 0 && three.0.errors.contains("the blocks are Q3_K"), "\(three.0.errors)")
    #expect(three.types.contains("Q3_K"))
    #expect(try run("--bits", "4").types.contains("Q4_0") && run("--bits", "4", "--asymmetric").types.contains("Q4_1"))
    let eight = try run("--bits", "8", "--asymmetric")
    #expect(eight.0.errors.contains("Q8_0, whose grid is symmetric") && eight.types.contains("Q8_0"))
    let two = try run("--bits", "2")
    #expect(two.0.errors.contains("the blocks are Q2_K") && two.types.contains("Q2_K") && !two.types.contains("Q3_K"))
  }

  @Test("a value head is left out of a GGUF file by both verbs, and told")
  func valueHead() throws {
    var made = TokenizedCheckpoint()
    made.source.add("v_head.summary.weight", .f32, [1, 64], [Float](repeating: 1, count: 64))
    made.source.add("v_head.summary.bias", .f32, [1], [Float(1)])
    let path = try made.write(folder, "rewarded")
    for arguments in [["convert"], ["quantize", "--method", "rtn", "--format", "gguf"]] {
      let output = folder.file(arguments[0] + ".gguf")
      let run = try Running([arguments[0], path, output] + arguments.dropFirst()).finish()
      #expect(run.status == 0, "\(run.errors)")
      #expect(
        run.errors.contains("and 1 more lie outside of the language model: left out"),
        "\(run.errors)")
      #expect(try !belleTools("inspect", output).output.contains("v_head"))
      #expect(try belleTools("doctor", output).status == 0)
    }
  }
}
