import ByteIO
import Foundation
import TestSupport
import Testing

@Suite("The READMEs, and the recipe for CI") struct ReadmeTests {
  private static let names = ["README.md", "README.zh-CN.md"]

  /// The commands of this program and of make in a document: lines of its blocks, and what stands between backticks.
  private static func commands(_ name: String) throws -> [String] {
    let text = try String(contentsOfFile: project(name), encoding: .utf8)
    var isBlock = false
    var found: [String] = []
    for line in text.split(separator: "\n") {
      if line.hasPrefix("```") {
        isBlock.toggle()
        continue
      }
      let parts: [String] =
        isBlock
        ? [String(line.drop { $0 == " " }).replacing("run: ", with: "", maxReplacements: 1)]
        : line.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
          .map { String($0.element) }
      for part in parts {
        let command = (part.split(separator: "#").first.map(String.init) ?? "").trimmingCharacters(in: .whitespaces)
        if command.hasPrefix("belle-tools ") || command.hasPrefix("make ") || command.hasPrefix("sudo make ") {
          found.append(command)
        }
      }
    }
    return found
  }

  @Test("each is below 8 kB, and both have the same commands, headings' number and tables", arguments: names)
  func size(name: String) throws {
    #expect(try readBytes(project(name)).count < 8000)
    let count = { (name: String, mark: String) in
      try String(contentsOfFile: project(name), encoding: .utf8).split(separator: "\n").count { $0.hasPrefix(mark) }
    }
    for mark in ["## ", "|", "```"] { #expect(try count(name, mark) == count("README.md", mark), "\(mark)") }
    #expect(try Self.commands(name) == Self.commands("README.md"))
  }

  @Test("what they link to is there", arguments: names + ["Documentation/cli.md", "Documentation/packaging.md"])
  func links(name: String) throws {
    let text = try String(contentsOfFile: project(name), encoding: .utf8)
    let links = text.matches(of: /\]\(([^)#]+)/).map { String($0.output.1) }.filter { !$0.hasPrefix("http") }
    for link in links {
      #expect(Folder.kind(of: Folder.join(Folder.parent(of: project(name)), link)) != nil, "\(link)")
    }
  }

  @Test("every make target that they name is there")
  func targets() throws {
    let makefile = try String(contentsOfFile: project("Makefile"), encoding: .utf8)
    let named = try Self.commands("README.md").filter { $0.contains("make ") }
    #expect(named.count >= 6)
    for command in named {
      let target = command.split(separator: " ").last ?? ""
      #expect(makefile.contains("\n\(target):"), "\(command)")
    }
  }

  @Test("every command of this program runs, in their order, on the miniature release")
  func commands() throws {
    let folder = try TemporaryFolder()
    for name in ["Examples", "README.md"] {
      try FileManager.default.createSymbolicLink(atPath: folder.file(name), withDestinationPath: project(name))
    }
    let commands = try Self.commands("README.md").filter { $0.hasPrefix("belle-tools ") }
    #expect(commands.count >= 16)
    for command in commands {
      // Full work takes minutes in a debug build: the command is the README's, with less of it to do.
      let verb = command.split(separator: " ")[1]
      let less =
        switch verb {
        case "quantize": " --samples 2 --sequence-length 64 --recipe fast --only '*.layers.0.*'"
        case "evaluate": " --max-tokens 256 --sequence-length 64"
        case "generate": " --max-tokens 4"
        default: ""
        }
      let run = try belleTools(
        shell: "belle-tools() { \"$tool\" \"$@\"; }; tool=$0; \(command)\(less)", in: folder.path)
      #expect(run.status == 0, "\(command): \(run.status): \(run.errors)")
      #expect(run.status == 0 && !run.errors.contains("error: "))
    }
  }

  @Test("the recipe for CI runs, and fails where a file changed")
  func recipe() throws {
    let folder = try TemporaryFolder()
    _ = try RandomCheckpoint().write(folder, "model")
    let text = try String(contentsOfFile: project("Documentation/ci.md"), encoding: .utf8)
    let recipe = try #require(text.components(separatedBy: "```yaml").last?.components(separatedBy: "```").first)
    let commands = recipe.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { $0.hasPrefix("belle-tools ") && !$0.contains(" | ") }
    #expect(commands.count == 3)
    let hash = try belleTools(
      shell: "belle-tools() { \"$tool\" \"$@\"; }; tool=$0; belle-tools hash model > model.sha256", in: folder.path)
    #expect(hash.status == 0, "\(hash.errors)")
    let run = { (command: String) in
      try belleTools(shell: "belle-tools() { \"$tool\" \"$@\"; }; tool=$0; \(command)", in: folder.path)
    }
    for command in commands where !command.contains("doctor") {
      let done = try run(command)
      #expect(done.status == 0, "\(command): \(done.errors)")
    }
    try folder.write("model/config.json", "{}")
    let verify = try #require(commands.first { $0.contains(" verify ") })
    #expect(try run(verify).status == 2)
  }
}
