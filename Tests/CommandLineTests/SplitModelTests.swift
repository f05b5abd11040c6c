// Models in several files of one kind, given to the real binary by any of their files: parts of a GGUF model, Meta's shards
// of unequal rows. They are the whole model, or refused by name; never a part of it in silence.

import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@Suite("Models in several files (kinds 3 and 4)") struct SplitModelTests {
  private let folder: TemporaryFolder
  private let plain: String

  init() throws {
    folder = try TemporaryFolder()
    plain = try TokenizedCheckpoint().write(folder, "plain")
    let run = try belleTools("convert", plain, folder.file("whole.gguf"))
    #expect(run.status == 0, "\(run.errors)")
  }

  private func perplexity(_ model: String) throws -> Double {
    let run = try belleTools(
      "evaluate", model, "--text", project("Tests/Fixtures/README.md"), "--max-tokens", "48", "--json")
    #expect(run.status == 0, "\(run.errors)")
    return try #require(try run.objects().last?["perplexity"] as? Double)
  }

  /// The GGUF file in parts, as llama-gguf-split makes them: all values in the first, and in each what part it is.
  private func split(_ count: Int, stem: String = "parts/m") throws -> [String] {
    let file = try GGUFFile(InputFile(folder.file("whole.gguf")))
    try Folder.create(folder.file("parts"))
    let all = file.tensors.count
    return try (0..<count).map { part in
      var values = part == 0 ? file.values : GGUFMetadata()
      values["split.no"] = .uint16(UInt16(part))
      values["split.count"] = .uint16(UInt16(count))
      values["split.tensors.count"] = .int32(Int32(all))
      let indices = Array(part * all / count..<(part + 1) * all / count)
      let name = "\(stem)-0000\(part + 1)-of-0000\(count).gguf"
      var writer = try GGUFWriter(indices.map { file.tensors[$0] }, values: values)
      _ = try writer.take(
        file, indices, as: Folder.name(of: name), in: folder.file(Folder.parent(of: name)), replacing: true,
        isChecked: true, progress: { _ in })
      return folder.file(name)
    }
  }

  @Test("whichever part of a GGUF model is given, or its folder, every verb takes the whole", arguments: 2...3)
  func parts(count: Int) throws {
    let wanted = try perplexity(folder.file("whole.gguf"))
    for (number, given) in (try split(count) + [folder.file("parts")]).enumerated() {
      #expect(try perplexity(given) == wanted, "\(given)")
      let run = try belleTools("convert", given, folder.file("o\(number).safetensors"))
      #expect(
        run.status == 0 && run.output.hasPrefix("12 tensors, every value identical"), "\(run.output)\(run.errors)")
      #expect(try belleTools("compare", plain, given).output == "12 tensors: 12 equal\n")
      #expect(try belleTools("doctor", given).status == 0)
    }
  }

  @Test("a part whose brothers are missing is refused by every verb, and names them", arguments: 0..<3)
  func alone(part: Int) throws {
    let paths = try split(3)
    for other in 0..<3 where other != part { try FileManager.default.removeItem(atPath: paths[other]) }
    for verb in [
      ["convert", paths[part], folder.file("o.safetensors")], ["convert", folder.file("parts"), folder.file("o")],
      ["evaluate", paths[part], "--text", project("Tests/Fixtures/README.md")],
      ["quantize", paths[part], folder.file("q"), "--method", "rtn"],
    ] {
      let run = try Running(verb).finish()
      #expect(run.status == 1 && run.errors.contains("part"), "\(verb): \(run.output)\(run.errors)")
      #expect(run.errors.contains("-0000\(part == 0 ? 2 : 1)-of-00003.gguf"), "\(run.errors)")
    }
    #expect(try !folder.names().contains("o.safetensors"))
  }

  @Test("Meta's shards of unequal rows are one model", arguments: [1, 3])
  func unequalRows(surplus: Int) throws {
    let rows = RandomCheckpoint.vocabulary
    let whole = try RandomCheckpoint(layers: 1).write(folder, "whole")
    #expect(try belleTools("convert", whole, folder.file("one"), "--layout", "meta").status == 0)
    let source = try Checkpoint.open(folder.file("one"))
    try Folder.create(folder.file("two"))
    try folder.write("two/params.json", readBytes(folder.file("one/params.json")))
    for shard in 0..<2 {
      var part = MemorySource()
      for (index, info) in source.tensors.enumerated() {
        let bytes = try source.allBytes(index)
        guard info.shape.count == 2 else {
          part.add(info.name, info.dtype, info.shape, bytes)
          continue
        }
        let (height, width) = (info.shape[0], info.shape[1])
        let size = info.dtype.bitCount / 8
        if ["wo.weight", "w2.weight", "tok_embeddings.weight"].contains(where: info.name.hasSuffix) {
          let piece = width / 2 * size
          var half: [UInt8] = []
          for row in 0..<height {
            let start = (2 * row + shard) * piece
            half += bytes[start..<start + piece]
          }
          part.add(info.name, info.dtype, [height, width / 2], half)
        } else {
          // An odd vocabulary is divided so by Chinese-LLaMA-Alpaca's merge.
          let middle = info.name == "output.weight" ? rows / 2 - surplus : height / 2
          let range = shard == 0 ? 0..<middle : middle..<height
          part.add(
            info.name, info.dtype, [range.count, width],
            Array(bytes[range.lowerBound * width * size..<range.upperBound * width * size]))
        }
      }
      _ = try TorchWriter.write(
        part, Array(part.tensors.indices), metadata: [:], as: "consolidated.0\(shard).pth", in: folder.file("two"),
        replacing: true)
    }
    let compare = try belleTools("compare", folder.file("one"), folder.file("two"))
    #expect(compare.status == 0, "\(compare.output)\(compare.errors)")
    let convert = try belleTools("convert", folder.file("two"), folder.file("hf"), "--layout", "hf")
    #expect(convert.status == 0, "\(convert.errors)")
    #expect(try belleTools("compare", folder.file("hf"), whole).status == 0)
    let tokens = folder.file("whole/tokens.safetensors:evaluation")
    #expect(try belleTools("evaluate", folder.file("two"), "--text", tokens).status == 0)
  }
}
