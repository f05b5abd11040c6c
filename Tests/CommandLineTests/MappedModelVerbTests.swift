import ByteIO
import Foundation
import TestSupport
import Testing

/// The real binary on GGUF files whose weights it runs on where they lie.
@Suite("generate from a file that others write to") struct MappedModelVerbTests {
  /// A model of Q4_0 with rows in GGUF's order.
  private func model(_ folder: TemporaryFolder) throws -> String {
    let path = try TokenizedCheckpoint().write(folder)
    let made = try belleTools("convert", path, folder.file("m.gguf"), "--gguf-type", "q4_0")
    #expect(made.status == 0, "\(made.errors)")
    return folder.file("m.gguf")
  }

  /// A talk of two turns; between them, when the first answer is there, something is done to the file.
  private func talk(_ model: String, _ folder: TemporaryFolder, tokens: Int, between: String) throws -> Finished {
    let answers = folder.file("answers")
    return try belleTools(
      "generate", model, "--chat", "--temperature", "1", "--max-tokens", "\(tokens)", "--json",
      shell: """
        { echo one; for i in {1..600}; do [ -s '\(answers)' ] && break; sleep 0.05; done; \(between); echo two; } |
          "$0" "$@" > '\(answers)'
        status=${PIPESTATUS[1]}; cat '\(answers)'; exit $status
        """)
  }

  /// It ended by SIGBUS, with status 135 and no word.
  @Test("a model that is cut between two answers, or emptied, is an error with its place", arguments: [4096, 0])
  func cut(size: Int) throws {
    let folder = try TemporaryFolder()
    let model = try model(folder)
    let run = try talk(model, folder, tokens: 1, between: "truncate -s \(size) '\(model)'")
    #expect(run.status == 1, "\(run.output)\(run.errors)")
    #expect(try run.objects().map { $0["type"] as? String } == ["text", "error"], "\(run.output)")
    #expect(run.errors.contains("m.gguf: byte \(size): the file ended here, though it had "), "\(run.errors)")
    #expect(run.errors.contains("hint: another program is writing to it"))
  }

  @Test("a model that is written to between two answers is an error; one that is removed is not")
  func written() throws {
    let folder = try TemporaryFolder()
    let model = try model(folder)
    let run = try talk(model, folder, tokens: 1, between: "printf x | dd of='\(model)' conv=notrunc 2>/dev/null")
    #expect(run.status == 1 && run.errors.contains("it was changed while it was worked on"), "\(run.errors)")
    let again = try TemporaryFolder()
    let other = try self.model(again)
    let removed = try talk(other, again, tokens: 1, between: "rm '\(other)'")
    #expect(removed.status == 0, "\(removed.errors)")
  }

  @Test("after a long answer all weights are in memory, and what becomes of the file does not matter")
  func laidOut() throws {
    let folder = try TemporaryFolder()
    let model = try model(folder)
    let run = try talk(model, folder, tokens: 12, between: "truncate -s 0 '\(model)'")
    #expect(try (run.objects().first?["tokens"] as? [Int])?.count == 12, "the seed gives a long answer: \(run.output)")
    #expect(run.status == 0, "\(run.errors)")
    #expect(try run.objects().map { $0["type"] as? String } == ["text", "text", "summary"])
  }
}
