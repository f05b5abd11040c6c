import Foundation
import TestSupport
import Testing

@Suite("decrypt --format safetensors") struct DecryptToSafetensorsTests {
  private let example = project("Examples/tiny-belle/")
  private var base: String { example + "llama/consolidated.00.pth" }

  /// A release of one file of the fixtures, and one small file.
  private func release(_ fixture: String, as name: String = "pytorch_model.bin") throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.write("plain/\(name)", readBytes(project("Tests/Fixtures/checkpoints/" + fixture)))
    try folder.write("plain/config.json", String(repeating: "{}", count: 200))
    #expect(try belleTools("encrypt", folder.file("plain"), base, folder.file("enc")).status == 0)
    return folder
  }

  @Test("the miniature release comes out as decrypting and converting give it, byte for byte; again, it is skipped")
  func miniature() throws {
    let folder = try TemporaryFolder()
    let direct = try belleTools(
      "decrypt", example + "enc", base, folder.file("direct"), "--format", "safetensors", "--manifest",
      example + "tiny-belle.md5")
    #expect(direct.status == 0, "\(direct.errors)")
    #expect(try belleTools("decrypt", example + "enc", base, folder.file("plain")).status == 0)
    #expect(try belleTools("convert", folder.file("plain"), folder.file("converted")).status == 0)
    let names = try folder.namesWithoutList(in: "direct")
    #expect(names.contains("model-00001-of-00002.safetensors") && names.contains("model.safetensors.index.json"))
    #expect(!names.contains { $0.hasSuffix(".bin") || $0.contains("pytorch") })
    #expect(try names == folder.names(in: "converted"))
    for name in names {
      #expect(try readBytes(folder.file("direct/" + name)) == readBytes(folder.file("converted/" + name)), "\(name)")
    }
    let again = try belleTools("decrypt", example + "enc", base, folder.file("direct"), "--format", "safetensors")
    #expect(again.status == 0)
    #expect(again.output.components(separatedBy: "skipped").count == 8)
  }

  @Test(
    "what is not stored in one piece takes two passes, and says so; the values are right",
    arguments: ["views.pt", "deflated.pt", "views-legacy.pt", "dtypes-legacy.pt"])
  func twoPasses(fixture: String) throws {
    let folder = try release(fixture)
    let run = try belleTools("decrypt", folder.file("enc"), base, folder.file("out"), "--format", "safetensors")
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("read twice: ") == (fixture != "dtypes-legacy.pt"))
    #expect(try folder.namesWithoutList(in: "out") == ["config.json", "model.safetensors"])
    let compare = try belleTools(
      "compare", project("Tests/Fixtures/checkpoints/" + fixture), folder.file("out/model.safetensors"))
    #expect(compare.status == 0, "\(compare.output)")
    let again = try belleTools("decrypt", folder.file("enc"), base, folder.file("out"), "--format", "safetensors")
    #expect(again.output.components(separatedBy: "skipped").count == 3)
  }

  @Test("a flipped byte leaves nothing, wherever it is", arguments: [40, 600, 1500, 20_000, 22_000])
  func flipped(offset: Int) throws {
    let folder = try release("hf-sharded-bin/pytorch_model-00001-of-00003.bin", as: "pytorch_model.bin")
    let name = try #require(try folder.names(in: "enc").first { $0.hasPrefix("pytorch_model") })
    try flip(folder.file("enc/" + name), at: offset)
    let run = try belleTools("decrypt", folder.file("enc"), base, folder.file("out"), "--format", "safetensors")
    #expect(run.status == 1)
    #expect(run.errors.contains("its SHA-256 is"), "\(run.errors)")
    #expect(try folder.names(in: "out") == ["config.json"])
  }

  @Test("a file that is whole and no checkpoint is told so, and what is in the way is not replaced unasked")
  func refusals() throws {
    let folder = try release("manifest.json")
    let run = try belleTools("decrypt", folder.file("enc"), base, folder.file("out"), "--format", "safetensors")
    #expect(run.status == 1)
    #expect(run.errors.contains("pytorch_model.bin: byte 0: the file is whole, but cannot be converted"))
    #expect(run.errors.contains("hint: leave --format out"))

    let other = try release("protocol2.pt")
    try other.write("out/model.safetensors", "mine")
    let taken = try belleTools("decrypt", other.file("enc"), base, other.file("out"), "--format", "safetensors")
    #expect(taken.status == 1)
    #expect(try readBytes(other.file("out/model.safetensors")) == Array("mine".utf8))
    let forced = try belleTools(
      "decrypt", other.file("enc"), base, other.file("out"), "--format", "safetensors", "--force")
    #expect(forced.status == 0)
    #expect(try readBytes(other.file("out/model.safetensors")).count > 4)
  }

  @Test("--json names every output, and null for the index that is replaced")
  func json() throws {
    let folder = try TemporaryFolder()
    let run = try belleTools(
      "decrypt", example + "enc", base, folder.file("out"), "--format", "safetensors", "--json")
    let files = try run.objects().filter { $0["type"] as? String == "file" }
    #expect(files.count == 8)
    #expect(files.allSatisfy { $0["status"] as? String == "verified" && $0["sha256"] is String })
    let replaced = try #require(files.first { ($0["input"] as? String)?.contains("index.json") == true })
    #expect(replaced["output"] is NSNull)
    #expect(
      files.contains { ($0["outputs"] as? [String])?.first?.hasSuffix("model-00002-of-00002.safetensors") == true })
  }

  @Test("one part alone keeps its number, and has no index")
  func onePart() throws {
    let folder = try TemporaryFolder()
    let names = try FileManager.default.contentsOfDirectory(atPath: example + "enc")
    let part = try #require(names.first { $0.hasPrefix("pytorch_model-00002") })
    let run = try belleTools("decrypt", example + "enc/" + part, base, folder.file("out"), "--format", "safetensors")
    #expect(run.status == 0, "\(run.errors)")
    #expect(try folder.namesWithoutList(in: "out") == ["model-00002-of-00002.safetensors"])
  }
}
