import Foundation
import TestSupport
import Testing

@Suite("inspect, convert, compare") struct CheckpointVerbTests {
  private let fixtures = project("Tests/Fixtures/checkpoints/")
  private let hostile = project("Tests/Fixtures/hostile/")

  @Test("inspect --stats --json gives the fields that scripts read")
  func inspect() throws {
    let run = try belleTools("inspect", fixtures + "dtypes.pt", "--stats", "--json")
    #expect(run.status == 0)
    let objects = try run.objects()
    let tensor = try #require(objects.first { $0["name"] as? String == "t.f16" })
    #expect(tensor["dtype"] as? String == "F16")
    #expect(tensor["shape"] as? [Int] == [5, 7])
    #expect(tensor["bytes"] as? Int == 70)
    #expect(tensor["sha256"] as? String == "d732e5988fa1ce7b8cd65c1cb97ce745ae6c7772c9f51867b5587c042b65f7ef")
    #expect(objects.last?["format"] as? String == "torch-zip")
    #expect(objects.last?["tensors"] as? Int == 19)
  }

  @Test("a hostile pickle is refused with its name and byte, and --safety shows it with status 2")
  func hostilePickle() throws {
    let run = try belleTools("inspect", hostile + "reduce-os-system.pt")
    #expect(run.status == 1)
    #expect(run.errors.contains("byte 48: the pickle names os.system, which no weight file needs"))
    #expect(run.errors.contains("hint: treat the file as hostile"))
    let safety = try belleTools("inspect", hostile + "reduce-os-system.pt", "--safety")
    #expect(safety.status == 2)
    #expect(safety.output.contains("byte 48: REFUSED  os.system"))
    #expect(try belleTools("inspect", fixtures + "dtypes.pt", "--safety").status == 0)
  }

  @Test("--crc finds damage that listing does not see")
  func crc() throws {
    #expect(try belleTools("inspect", hostile + "zip-bad-crc.pt").status == 0)
    let run = try belleTools("inspect", hostile + "zip-bad-crc.pt", "--crc")
    #expect(run.status == 1)
    #expect(run.errors.contains("CRC-32"))
  }

  @Test("the miniature release converts and compares equal, with its configuration beside it")
  func miniature() throws {
    let folder = try TemporaryFolder()
    let base = project("Examples/tiny-belle/llama/consolidated.00.pth")
    #expect(try belleTools("decrypt", project("Examples/tiny-belle/enc"), base, folder.file("model")).status == 0)
    let convert = try belleTools("convert", folder.file("model"), folder.file("st"), "--max-shard-size", "6MB")
    #expect(convert.status == 0, "\(convert.errors)")
    #expect(convert.output.contains("39 tensors, every value identical"))
    let names = try folder.names(in: "st")
    #expect(
      names.contains("model.safetensors.index.json") && names.contains("config.json")
        && names.contains("tokenizer.model"))
    let compare = try belleTools("compare", folder.file("model"), folder.file("st"))
    #expect(compare.status == 0)
    #expect(compare.output == "39 tensors: 39 equal\n")
    let again = try belleTools("convert", folder.file("model"), folder.file("st"), "--max-shard-size", "6MB")
    #expect(again.status == 1)
    #expect(again.errors.contains("it is there already"))
    let base2 = try belleTools("compare", folder.file("st"), project("Examples/tiny-belle/llama"), "--json")
    #expect(base2.status == 2)
    #expect(try base2.objects().last?["different"] as? Int ?? 0 > 0)
  }

  @Test(
    "wrong usage is told so",
    arguments: [
      ["convert", "a", "b", "--max-shard-size", "x"], ["compare", "a", "b", "--tolerance", "-1"],
      ["convert", "a", "b", "--layout", "meta2"],
    ])
  func usage(arguments: [String]) throws { #expect(try Running(arguments).finish().status == 64) }
}
