import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@Suite("The library, as its page shows it") struct LibraryTests {
  private static let file = project("Tests/Fixtures/checkpoints/dtypes.pt")
  private static let hostile = project("Tests/Fixtures/hostile/reduce-os-system.pt")

  @Test("every example of the page is compiled here, word by word")
  func page() throws {
    let text = { (name: String) in String(decoding: try readBytes(project(name)), as: UTF8.self) }
    let page = try text("Documentation/library.md").split(separator: "```swift\n").dropFirst().map {
      String($0.prefix(upTo: $0.range(of: "\n```")?.lowerBound ?? $0.endIndex))
    }
    let compiled = try text("Tests/CheckpointTests/LibraryExamples.swift")
      .split(separator: "\n", omittingEmptySubsequences: false).map { $0.hasPrefix("  ") ? $0.dropFirst(2) : $0 }
      .joined(separator: "\n")
    #expect(page.count == 7)
    for example in page where !example.contains(".package(") { #expect(compiled.contains(example), "\(example)") }
  }

  @Test("examples do what the page says")
  func examples() throws {
    let listed = try LibraryExamples.list(Self.file)
    #expect(listed.contains("f32 F32 [2, 3]") || listed.count == 19, "\(listed)")
    let source = try Checkpoint.open(Self.file)
    let first = try #require(source.tensors.first { $0.dtype == .f32 })
    #expect(try LibraryExamples.values(Self.file, first.name)?.count == first.elementCount)
    #expect(try LibraryExamples.values(Self.file, "none") == nil)
    #expect(try LibraryExamples.countZeroBytes(Self.file) > 0)
    #expect(LibraryExamples.explain(Self.file) == "\(source.tensors.count) tensors")
    #expect(LibraryExamples.explain(Self.hostile).hasPrefix("hostile: "))
    let survey = try LibraryExamples.survey(Self.hostile)
    #expect(!survey.isSafe && survey.names.contains("os.system"))
    let folder = try TemporaryFolder()
    let model = project("Tests/Fixtures/qwen/qwen3")
    try LibraryExamples.write(model, into: folder.path)
    let written = try Checkpoint.open(folder.file("model.safetensors"))
    #expect(written.tensors.count == (try Checkpoint.open(model)).tensors.count)
    #expect(written.tensors.allSatisfy { $0.dtype == .f16 })
  }
}
