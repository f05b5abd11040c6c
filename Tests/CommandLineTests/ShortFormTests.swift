import ByteIO
import Foundation
import TestSupport
import Testing

@Suite("What people type") struct ShortFormTests {
  @Test("decrypt enc/ llama/consolidated.00.pth out/")
  func decrypt() throws {
    let folder = try TemporaryFolder()
    for name in ["enc", "llama"] {
      try FileManager.default.copyItem(atPath: project("Examples/tiny-belle/" + name), toPath: folder.file(name))
    }
    let run = try belleTools("decrypt", "enc/", "llama/consolidated.00.pth", "out/", in: folder.path)
    #expect(run.status == 0, "\(run.errors)")
    let check = try belleTools(
      "verify", "out/", "--manifest", project("Examples/tiny-belle/tiny-belle.md5"), in: folder.path)
    #expect(check.status == 0 && check.errors.contains(" 0 missing, 0 not listed"), "\(check.output)\(check.errors)")
  }

  @Test("quantize --bits 4, in the model's folder: a new folder beside it, that is named and never overwritten")
  func quantize() throws {
    let bench = try OutputBench(.quantize)
    let model = bench.folder.file("in")
    let before = try bench.folder.names(in: "in")
    let run = try belleTools("quantize", "--bits", "4", in: model)
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("note: writing ../in-gptq-4bit-128g\n"), "\(run.errors)")
    #expect(run.output.contains(": ../in-gptq-4bit-128g\n"), "\(run.output)")
    #expect(try bench.folder.names(in: "in") == before)
    let made = try bench.folder.names(in: "in-gptq-4bit-128g")
    #expect(made.contains("config.json") && made.contains("tokenizer.model"))
    let list = try belleTools("inspect", bench.folder.file("in-gptq-4bit-128g"), "--all").columns
    #expect(list.contains("model.layers.0.mlp.down_proj.qweight  I32  [32, 256]"), "\(list)")

    let weights = bench.folder.file("in-gptq-4bit-128g/model.safetensors")
    let first = FileIdentity(ofFileAt: weights)
    let again = try belleTools("quantize", "--bits", "4", in: model)
    #expect(again.status == 1 && again.errors.contains("it is there already"), "\(again.errors)")
    #expect(again.errors.contains("hint: give another output"), "\(again.errors)")
    #expect(first != nil && FileIdentity(ofFileAt: weights) == first)
  }

  @Test(
    "quantize --bits 4, where there is no model: what was looked for, and what to do", arguments: [[], ["README.md"]])
  func noModel(files: [String]) throws {
    let folder = try TemporaryFolder()
    for file in files { try folder.write(file, "text") }
    let run = try belleTools("quantize", "--bits", "4", in: folder.path)
    #expect(run.status == 1 && run.output.isEmpty)
    #expect(
      run.errors == """
        error: .: there is no checkpoint in this folder
        hint: without a name the model is the current folder: go to the model's, or name a folder or file, as in `belle-tools quantize \
        model/ --bits 4`

        """)
    #expect(try folder.names() == files)
  }
}
