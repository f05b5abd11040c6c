import ByteIO
import Foundation
import LinearAlgebra
import TestSupport
import Testing

@Suite("quantize and evaluate") struct QuantizeVerbTests {
  private func names(_ folder: TemporaryFolder, _ path: String) throws -> [String] {
    Folder.kind(of: folder.file(path)) == nil ? [] : try folder.names(in: path)
  }

  @Test("ten times killed, and the bytes are those of a run in peace")
  func killed() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 3).write(folder)
    let arguments = { (output: String) in
      [
        "quantize", model, folder.file(output), "--group-size", "32", "--calibration",
        model + "/tokens.safetensors:calibration", "--quiet",
      ]
    }
    let clock = ContinuousClock()
    let start = clock.now
    let whole = try Running(arguments("whole")).finish()
    #expect(whole.status == 0, "\(whole.errors)")
    let microseconds = (clock.now - start) / .microseconds(1)
    var generator = SplitMix64(seed: 5)
    var kills = 0
    while kills < 10 {
      let run = try Running(arguments("out"))
      usleep(UInt32(Double.random(in: 0.05...0.7, using: &generator) * microseconds))
      run.send(SIGKILL)
      let finished = try run.finish()
      if finished.status == 0 {
        // It was through: once more from the beginning.
        try FileManager.default.removeItem(atPath: folder.file("out"))
        continue
      }
      #expect(finished.status == 137)
      kills += 1
      #expect(try names(folder, "out").allSatisfy { $0.hasPrefix(".") }, "nothing has its final name yet")
    }
    let last = try Running(arguments("out") + ["--threads", "1"]).finish()
    #expect(last.status == 0, "\(last.errors)")
    #expect(try names(folder, "out") == names(folder, "whole"))
    for name in try names(folder, "out") {
      #expect(try readBytes(folder.file("out/" + name)) == readBytes(folder.file("whole/" + name)), "\(name)")
    }
  }

  @Test("bfloat16 where there is no oneDNN is an error that says what to do, before any work")
  func noOneDNN() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let arguments = [
      "quantize", model, folder.file("out"), "--group-size", "32", "--compute", "bf16", "--calibration",
      model + "/tokens.safetensors:calibration", "--quiet",
    ]
    let run = try Running(arguments, shell: "BELLE_ONEDNN=/nowhere/libdnnl.so exec \"$0\" \"$@\"").finish()
    #expect(run.status == 1)
    #expect(run.errors.hasPrefix("error: ") && run.errors.contains("products in bf16: "), "\(run.errors)")
    #expect(run.errors.contains("\nhint: ") && run.errors.contains("--compute f32"), "\(run.errors)")
    #expect(try names(folder, "out").isEmpty)
  }

  private func quantize(_ model: String, _ output: String, _ options: [String], usesOneDNN: Bool) throws -> Finished {
    try Running(
      ["quantize", model, output, "--group-size", "32", "--calibration", model + "/tokens.safetensors:calibration"]
        + options, usesOneDNN: usesOneDNN
    ).finish()
  }

  private func weights(_ output: String) throws -> [UInt8] { try readBytes(output + "/model.safetensors") }

  @Test("where there is no bfloat16, auto is single precision, and no word of it")
  func autoWithout() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let (chosen, single) = (folder.file("auto"), folder.file("f32"))
    let run = try quantize(model, chosen, [], usesOneDNN: false)
    #expect(run.status == 0 && !run.errors.contains("bfloat16"), "\(run.errors)")
    #expect(try quantize(model, single, ["--compute", "f32"], usesOneDNN: true).status == 0)
    #expect(try weights(chosen) == weights(single))
  }

  @Test(
    "auto takes bfloat16 where it is, says so, and leaves the recipe reference in single precision",
    .enabled(if: Arithmetic.bfloat16.problem == nil))
  func autoWith() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let path = { (name: String) in folder.file(name) }
    let run = try quantize(model, path("auto"), [], usesOneDNN: true)
    #expect(run.status == 0 && run.errors.contains("passes and sums in bfloat16 by oneDNN"), "\(run.errors)")
    let card = try String(contentsOfFile: path("auto/README.md"), encoding: .utf8)
    #expect(card.contains("| passes and sums | bfloat16"))
    #expect(try quantize(model, path("bf16"), ["--compute", "bf16"], usesOneDNN: true).status == 0)
    #expect(try weights(path("auto")) == weights(path("bf16")))
    #expect(try quantize(model, path("one"), ["--threads", "1"], usesOneDNN: true).status == 0)
    #expect(try weights(path("auto")) == weights(path("one")))
    let reference = ["--recipe", "reference"]
    #expect(try quantize(model, path("reference"), reference, usesOneDNN: true).status == 0)
    #expect(try quantize(model, path("without"), reference, usesOneDNN: false).status == 0)
    #expect(try weights(path("reference")) == weights(path("without")))
  }

  @Test(
    "work that was begun in single precision is gone on with in it, and what was begun in bfloat16 is not without it",
    .enabled(if: Arithmetic.bfloat16.problem == nil), arguments: [false, true])
  func keepsArithmetic(beganInBFloat16: Bool) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 2).write(folder)
    let (whole, out) = (folder.file("whole"), folder.file("out"))
    #expect(try quantize(model, whole, [], usesOneDNN: beganInBFloat16).status == 0)
    // The work folder of a run that went no further than its plan.
    let other = folder.file("killed")
    let arguments = [
      "quantize", model, other, "--group-size", "32", "--calibration", model + "/tokens.safetensors:calibration",
    ]
    let plan = other + "/.belle-tools-work/plan.json"
    while !FileManager.default.fileExists(atPath: plan) {
      let run = try Running(arguments, usesOneDNN: beganInBFloat16)
      for _ in 0..<2000 where !FileManager.default.fileExists(atPath: plan) { usleep(500) }
      run.send(SIGKILL)
      _ = try run.finish()
      if FileManager.default.fileExists(atPath: other + "/model.safetensors") {
        try FileManager.default.removeItem(atPath: other)
      }
    }
    try FileManager.default.moveItem(atPath: other, toPath: out)
    let next = try quantize(model, out, [], usesOneDNN: !beganInBFloat16)
    if beganInBFloat16 {
      #expect(next.status == 1 && next.errors.contains("compute: bf16, oneDNN"), "\(next.errors)")
    } else {
      #expect(next.status == 0 && !next.errors.contains("bfloat16"), "\(next.errors)")
      #expect(try weights(out) == weights(whole))
    }
  }

  @Test("a Hessian without a factor: rounded to nearest, with status 2, or 0 where that is allowed")
  func fallback() throws {
    let folder = try TemporaryFolder()
    var checkpoint = RandomCheckpoint(layers: 1)
    // Products of such inputs are a few times the smallest number that there is, and are rounded to a multiple of it: what
    // comes out is far from a sum of squares, and no damping within bounds makes good for it.
    checkpoint.replace("model.layers.0.input_layernorm.weight") { values in values = values.map { $0 * 3e-23 } }
    let model = try checkpoint.write(folder)
    let arguments = [
      "quantize", model, "--group-size", "32", "--only", "*.q_proj", "--only", "*.up_proj", "--calibration",
      model + "/tokens.safetensors:calibration", "--sequence-length", "2", "--samples", "1", "--json",
    ]
    for (output, more, status) in [("refused", [], Int32(2)), ("allowed", ["--allow-fallback"], 0)] {
      let run = try Running(arguments + [folder.file(output)] + more).finish()
      #expect(run.status == status, "\(run.errors)")
      #expect(run.errors.contains("model.layers.0.self_attn.q_proj: rounded to nearest, because the Hessian has no"))
      let objects = try run.objects()
      #expect(objects.map { $0["method"] as? String } == ["rtn", "gptq", nil])
      #expect(objects.first?["fallback"] is String)
      #expect(objects.last?["fallbacks"] as? [String] == ["model.layers.0.self_attn.q_proj"])
      // The model is whole all the same, and its log says what happened.
      let log = String(decoding: try readBytes(folder.file(output + "/quantize-log.jsonl")), as: UTF8.self)
      #expect(log.split(separator: "\n").first?.contains(#""fallback":"the Hessian has no Cholesky factor"#) == true)
      #expect(try names(folder, output).contains("model.safetensors"))
    }
  }

  @Test("one object a module, and a summary")
  func json() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint().write(folder)
    let run = try belleTools(
      "quantize", model, folder.file("out"), "--bits", "8", "--group-size", "-1", "--asymmetric", "--recipe",
      "reference", "--calibration", model + "/tokens.safetensors:calibration", "--json")
    #expect(run.status == 0)
    let objects = try run.objects()
    #expect(objects.count == 15)
    #expect(objects.dropLast().allSatisfy { $0["type"] as? String == "layer" && $0["method"] as? String == "gptq" })
    #expect(
      objects.dropLast().allSatisfy {
        ($0["relative_output_error"] as? Double ?? 1) < 1e-3 && $0["damping"] as? Double == 0.01
          && $0["loss"] as? Double != nil && $0["seconds"] as? Double != nil
      })
    let summary = try #require(objects.last)
    #expect(summary["type"] as? String == "summary" && summary["output"] as? String == folder.file("out"))
    for name in ["seconds", "peak_memory_bytes", "flops", "flops_per_second"] {
      #expect((summary[name] as? Double ?? 0) > 0, "\(name)")
    }
    #expect(run.errors.contains("note: 14 modules"))
    let log = String(decoding: try readBytes(folder.file("out/quantize-log.jsonl")), as: UTF8.self)
    #expect(log.split(separator: "\n").count == 14)

    let scores = try belleTools(
      "evaluate", folder.file("out"), "--text", model + "/tokens.safetensors:evaluation", "--reference", model, "--json"
    )
    #expect(scores.status == 0)
    let divergence = try #require(try scores.objects().last?["kl_mean"] as? Double)
    #expect(divergence > 0 && divergence < 0.01)
  }

  @Test("in the model's folder, without any path")
  func here() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint().write(folder, "small")
    let run = try belleTools(
      "quantize", "--bits", "4", "--method", "rtn", "--group-size", "64", in: model)
    #expect(run.status == 0, "\(run.errors)")
    #expect(try folder.names().contains("small-gptq-4bit-64g"))
    let again = try belleTools("quantize", "--bits", "4", "--method", "rtn", "--group-size", "64", in: model)
    #expect(again.status == 1 && again.errors.contains("it is there already") && again.errors.contains("--force"))
  }

  @Test("faults are told before any work, and nothing has a final name")
  func faults() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint().write(folder)
    let tokens = model + "/tokens.safetensors:calibration"
    func check(_ arguments: [String], _ words: [String], status: Int32 = 1, shell: String? = nil) throws {
      let run = try Running(["quantize", model, folder.file("out"), "--group-size", "32"] + arguments, shell: shell)
        .finish()
      #expect(run.status == status, "\(arguments)")
      for word in words { #expect(run.errors.contains(word), "\(word) is not in: \(run.errors)") }
      if Folder.kind(of: folder.file("out")) != nil {
        #expect(try folder.names(in: "out").allSatisfy { $0.hasPrefix(".") })
      }
    }
    try check(
      ["--calibration", tokens, "--group-size", "48", "--no-fallback"],
      ["error: model.layers.0", "groups of 48", "hint: give"])
    try check(["--calibration", tokens, "--bits", "5"], ["--bits must be"], status: 64)
    for option in ["--samples", "--sequence-length"] {
      for value in ["0", "4611686018427387904", "9223372036854775807"] {
        try check([option, value], ["\(option) must be between"], status: 64)
      }
    }
    try check(["--calibration", folder.file("missing.txt")], ["missing.txt", "there is no such file"])
    try folder.write("empty.txt", "")
    try check(["--calibration", try folder.write("tokenizer-less.txt", "text")], ["tokenizer"])
    try check(
      ["--calibration", tokens, "--sequence-length", "4000"], ["its rows have 40 tokens", "hint: "])
    try check(["--calibration", tokens, "--max-memory", "1MB"], ["of memory are needed", "hint: raise --max-memory"])
    // A file size limit stands for a full disk.
    try check(
      ["--calibration", tokens, "--quiet"], ["error: "], shell: #"ulimit -f 40; exec "$0" "$@""#)
    // What was done before the disk was full is gone on with.
    let run = try Running(["quantize", model, folder.file("out"), "--group-size", "32", "--calibration", tokens])
      .finish()
    #expect(run.status == 0, "\(run.errors)")
  }

  @Test("a missing shard, and a vocabulary that is another one's")
  func models() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint().write(folder)
    let tokens = model + "/tokens.safetensors:calibration"
    #expect(
      try belleTools("convert", model, folder.file("sharded"), "--max-shard-size", "100kB", "--quiet").status == 0)
    let shard = try #require(try folder.names(in: "sharded").first { $0.hasPrefix("model-00002") })
    try FileManager.default.removeItem(atPath: folder.file("sharded/" + shard))
    let missing = try belleTools("quantize", folder.file("sharded"), folder.file("out"), "--calibration", tokens)
    #expect(missing.status == 1 && missing.errors.contains(shard))
    #expect(Folder.kind(of: folder.file("out")) == nil)

    var small = RandomCheckpoint()
    small.configuration = small.configuration.replacing(#""vocab_size": 96"#, with: #""vocab_size": 64"#)
    let path = try small.write(folder, "small")
    let mismatch = try belleTools("quantize", path, folder.file("out"), "--calibration", tokens)
    #expect(mismatch.status == 1 && mismatch.errors.contains("do not fit the configuration"))
    small = RandomCheckpoint()
    let more = try folder.write("more.npy", npy([[1, 2, 96]]))
    let outside = try belleTools(
      "quantize", try small.write(folder, "small"), folder.file("out"), "--calibration", more)
    #expect(outside.status == 1 && outside.errors.contains("token 96 is not in the vocabulary of 96"))
  }

  /// A NumPy file of 32-bit integers.
  private func npy(_ rows: [[Int32]]) -> [UInt8] {
    let header = "{'descr': '<i4', 'fortran_order': False, 'shape': (\(rows.count), \(rows[0].count)), }"
    let padded = header + String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(padded.utf8)
      + rows.flatMap { $0 }.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
  }
}
