import Foundation
import TestSupport
import Testing

@Suite("Help") struct HelpTests {
  /// An option, as the program describes itself.
  private struct Described: Decodable {
    struct Name: Decodable {
      let kind: String
      let name: String
    }
    let kind: String
    let shouldDisplay: Bool
    let names: [Name]?
    let valueName: String?
    let completionKind: [String: [String: Values]]?
    let abstract: String?
  }

  private enum Values: Decodable {
    case some
    init(from decoder: any Decoder) throws { self = .some }
  }

  private struct Command: Decodable {
    let commandName: String
    let arguments: [Described]?
    let subcommands: [Command]?
  }

  private struct Dump: Decodable { let command: Command }

  /// The verbs, as the program describes itself.
  private static let verbs: [Command] = {
    let text = (try? belleTools("--experimental-dump-help").output) ?? ""
    let dump = try? JSONDecoder().decode(Dump.self, from: Data(text.utf8))
    return (dump?.command.subcommands ?? []).filter { $0.commandName != "help" }
  }()

  @Test("the whole help of every verb is the recorded one: `make golden` records it anew")
  func golden() throws {
    let folder = project("Tests/Fixtures/help")
    let names = ["belle-tools"] + Self.verbs.map(\.commandName)
    #expect(names.count > 10)
    for name in names {
      let run = try Running(
        name == "belle-tools" ? ["--help"] : [name, "--help"], shell: "unset COLUMNS; exec \"$0\" \"$@\""
      )
      .finish()
      let recorded = try? String(contentsOfFile: "\(folder)/\(name).txt", encoding: .utf8)
      #expect(run.status == 0 && run.errors.isEmpty)
      #expect(run.output == recorded, "\(name): read the difference, and record it by `make golden`")
    }
    let recorded = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".txt") }
    #expect(Set(recorded) == Set(names.map { $0 + ".txt" }))
  }

  @Test("a letter stands for one option, in every verb that has that option, and is the table's")
  func letters() throws {
    var meanings: [String: Set<String>] = [:]
    var verbs: [String: (with: Set<String>, without: Set<String>)] = [:]
    for verb in Self.verbs {
      for option in verb.arguments ?? [] {
        let names = option.names ?? []
        let (long, short) = (names.filter { $0.kind == "long" }, names.filter { $0.kind == "short" })
        guard let name = long.first?.name else { continue }
        #expect(short.count <= 1)
        if let letter = short.first?.name {
          meanings[letter, default: []].insert(name)
          verbs[name, default: ([], [])].with.insert(verb.commandName)
        } else {
          verbs[name, default: ([], [])].without.insert(verb.commandName)
        }
      }
    }
    #expect(meanings.allSatisfy { $0.value.count == 1 }, "\(meanings)")
    let split = verbs.filter { !$0.value.with.isEmpty && !$0.value.without.isEmpty }
    #expect(split.isEmpty, "\(split)")
    let wanted: [String: Set<String>] = [
      "F": ["format"], "b": ["bits"], "c": ["calibration"], "d": ["dtype"], "f": ["force"], "g": ["group-size"],
      "h": ["help"], "j": ["jobs"], "k": ["keep-going"], "l": ["layout"], "m": ["manifest"], "n": ["dry-run"],
      "o": ["output"], "p": ["prompt"], "q": ["quiet"], "r": ["reference"], "s": ["seed"], "t": ["threads"],
    ]
    #expect(meanings == wanted)
  }

  @Test("every path is completed as one, and every name from what is known")
  func completions() throws {
    let paths = [
      "file", "folder", "path", "model", "key", "output", "file-or-folder", "enc-file-or-folder", "output-folder",
      "model-a", "model-b", "tokenizer.model",
    ]
    for verb in Self.verbs {
      for argument in verb.arguments ?? [] where argument.shouldDisplay && argument.kind != "flag" {
        guard let value = argument.valueName, paths.contains(value) else { continue }
        let kinds = Set((argument.completionKind ?? [:]).keys)
        #expect(!kinds.isDisjoint(with: ["file", "directory"]), "\(verb.commandName) \(value): \(kinds)")
      }
    }
  }

  /// What bash offers at the end of a line.
  private func offered(_ line: String, in folder: String) throws -> Set<String> {
    let words = line.split(separator: " ", omittingEmptySubsequences: false).map { "'\($0)'" }.joined(separator: " ")
    let shell = """
      cd '\(folder)'; PATH="$(dirname "$0"):$PATH"
      source <("$0" --generate-completion-script bash)
      COMP_WORDS=(\(words)); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); COMP_LINE='\(line)'; COMP_POINT=${#COMP_LINE}
      _belle-tools belle-tools "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2> /dev/null
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let run = try belleTools(shell: shell)
    return Set(run.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) })
  }

  @Test("bash completes files, folders, values, and the names of releases")
  func bash() throws {
    let folder = try TemporaryFolder()
    try folder.write("model.gguf", "")
    try folder.write("models/config.json", "{}")
    #expect(try offered("belle-tools inspect mod", in: folder.path).isSuperset(of: ["model.gguf", "models"]))
    #expect(try offered("belle-tools verify models --manifest mod", in: folder.path).contains("model.gguf"))
    #expect(try offered("belle-tools decrypt a b mod", in: folder.path).contains("models"))
    let releases: Set = ["BELLE-LLaMA-7B-2M-enc", "BELLE-LLaMA-7B-2M-gptq-enc", "BELLE-LLaMA-7B-2M-q4"]
    #expect(try offered("belle-tools releases BELLE-LLaMA-7B-2", in: folder.path) == releases)
    #expect(try offered("belle-tools verify models --release BELLE-LLaMA-7B-2", in: folder.path) == releases)
    #expect(try offered("belle-tools convert a b --gguf-type q4_", in: folder.path).isSuperset(of: ["q4_0", "q4_k"]))
    #expect(try offered("belle-tools quan", in: folder.path) == ["quantize"])
  }
}
