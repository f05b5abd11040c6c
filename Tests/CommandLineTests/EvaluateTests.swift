// evaluate as people expect it, from outside: overlapping windows, standard errors, the worst windows, several models in one
// run, and multiple-choice questions, held against what transformers makes of the same (Tests/Fixtures/evaluate).

import Checkpoint
import Foundation
import TestSupport
import Testing

@Suite("evaluate: windows, several models, questions") struct EvaluateTests {
  static let models = ["qwen2", "qwen3"]
  private static let golden = project("Tests/Fixtures/evaluate/golden.json")

  private let folder: TemporaryFolder
  private let golden: [String: Any]
  private let text: String

  init() throws {
    folder = try TemporaryFolder()
    golden = try #require(
      try JSONSerialization.jsonObject(with: Data(try readBytes(Self.golden))) as? [String: Any])
    text = try folder.write("text.txt", try #require(golden["text"] as? String))
    for (name, content) in try #require(golden["files"] as? [String: String]) { try folder.write(name, content) }
  }

  private static func model(_ name: String) -> String { project("Tests/Fixtures/qwen/" + name) }

  private func golden(_ model: String, _ key: String) throws -> [String: Any] {
    let models = try #require(golden["models"] as? [String: [String: Any]])
    return try #require(models[model]?[key] as? [String: Any])
  }

  private func objects(_ arguments: [String]) throws -> [[String: Any]] {
    let run = try Running(["evaluate"] + arguments + ["--json", "--quiet"]).finish()
    #expect(run.status == 0, "\(run.errors)")
    return try run.objects()
  }

  private func isNear(_ object: [String: Any]?, _ key: String, _ wanted: [String: Any], within share: Double = 1e-4)
    -> Bool
  {
    guard let found = object?[key] as? Double, let wanted = wanted[key] as? Double else { return false }
    return abs(found - wanted) <= share * abs(wanted) + 1e-9
  }

  // MARK: Texts

  @Test("windows that overlap predict every token once, as transformers' recipe does")
  func strides() throws {
    let arguments = Self.models.map(Self.model) + ["--text", text, "--sequence-length", "32", "--stride", "12"]
    let found = try objects(arguments)
    for (name, found) in zip(Self.models, found) {
      let wanted = try golden(name, "overlapping")
      #expect(
        found["tokens"] as? Int == wanted["predicted"] as? Int && found["windows"] as? Int == wanted["windows"] as? Int)
      #expect(isNear(found, "perplexity", wanted) && isNear(found, "perplexity_se", wanted), "\(found)")
      #expect(found["stride"] as? Int == 12)
    }
    // Not one token more than is asked for, and the same ones.
    let some = try #require(try objects(Array(arguments.dropFirst()) + ["--max-tokens", "60"]).last)
    #expect(some["tokens"] as? Int == 31 + 2 * 12 && some["windows"] as? Int == 3)
    let few = try #require(try objects(Array(arguments.dropFirst()) + ["--max-tokens", "20"]).last)
    #expect(few["tokens"] as? Int == 20 && few["windows"] as? Int == 1)
  }

  @Test("a stride of the windows' length leaves no token at a text's end out")
  func wholeStride() throws {
    let arguments = [Self.model("qwen2"), "--text", text, "--sequence-length", "32"]
    let whole = try #require(try objects(arguments + ["--stride", "32"]).last)
    // 138 tokens: four windows of 32, and ten more.
    #expect(whole["tokens"] as? Int == 4 * 31 + 9)
  }

  @Test("several models against a reference are each what they are alone, in a table and in JSON")
  func several() throws {
    let wanted = try #require(golden["reference"] as? [String: Any])
    let paths = Self.models.map(Self.model)
    let arguments = ["--text", text, "--sequence-length", "32", "--reference", paths[0]]
    let found = try objects(paths + arguments)
    #expect(found.compactMap { $0["type"] as? String } == ["model", "model", "summary"])
    #expect((found.last?["models"] as? [[String: Any]])?.count == 2)
    for key in ["kl_mean", "kl_se", "top1_agreement", "top1_se"] {
      #expect(isNear(found[1], key, wanted, within: 1e-3), "\(key): \(found[1])")
    }
    #expect(abs(try #require(found[0]["kl_mean"] as? Double)) < 1e-6 && found[0]["top1_agreement"] as? Double == 1)
    let alone = try #require(try objects([paths[1]] + arguments).last)
    for key in ["perplexity", "perplexity_se", "kl_mean", "kl_se", "reference_perplexity"] {
      #expect(alone[key] as? Double == found[1][key] as? Double, "\(key)")
    }
    let run = try Running(["evaluate"] + paths + arguments).finish()
    let lines = run.output.split(separator: "\n")
    #expect(lines.count == 4 && lines[0].hasPrefix("model ") && lines[3].contains("(reference)"), "\(run.output)")
    #expect(lines.dropFirst().allSatisfy { $0.contains(" ± ") } && Set(lines.prefix(3).map(\.count)).count == 1)
  }

  @Test("without a reference several models are in one table, and one of another vocabulary is among them")
  func vocabularies() throws {
    let other = try TokenizedCheckpoint().write(folder)
    let run = try Running(["evaluate", Self.model("qwen2"), other, "--text", text, "--sequence-length", "32"]).finish()
    #expect(
      run.status == 0 && run.errors.contains("different tokens") && run.output.contains("tokens"), "\(run.errors)")
    #expect(run.output.split(separator: "\n").count == 3)
    let refused = try Running(
      ["evaluate", other, Self.model("qwen2"), "--text", text, "--reference", Self.model("qwen3")]
    ).finish()
    #expect(refused.status == 1 && refused.errors.contains("vocabular"), "\(refused.errors)")
  }

  @Test("the windows that differ most are shown with their text")
  func worst() throws {
    let wanted = try #require((golden["reference"] as? [String: Any])?["worst"] as? [[String: Any]])
    let arguments = [
      Self.model("qwen3"), "--text", text, "--sequence-length", "32", "--reference", Self.model("qwen2"),
      "--kl-windows",
      "2",
    ]
    let found = try objects(arguments).filter { $0["type"] as? String == "window" }
    #expect(found.count == 2)
    for (one, wanted) in zip(found, wanted) {
      #expect(one["window"] as? Int == wanted["window"] as? Int && one["text"] as? String == wanted["text"] as? String)
      #expect(isNear(one, "kl_mean", wanted, within: 1e-3))
    }
    let run = try Running(["evaluate"] + arguments).finish()
    let first = try #require((wanted[0]["text"] as? String)?.split(separator: " ").dropFirst().first)
    #expect(run.output.contains("window \(wanted[0]["window"] ?? 0): KL divergence") && run.output.contains(first))
  }

  // MARK: Questions

  /// The sets of a run, each with what it is to come to, and how they are put.
  static let forms: [(sets: [(path: String, key: String)], options: [String])] = [
    (
      [
        ("lists.jsonl", "plain"), ("ceval/val", "letters"), ("ceval.json", "letters"),
        ("cmmlu/test/small.csv", "letters"),
      ], []
    ),
    ([("lists.jsonl", "question")], ["--question-form", "question"]),
    ([("ceval/val", "shots")], ["--dev", "ceval/dev"]),
    ([("cmmlu/test", "shots")], ["--dev", "cmmlu/dev", "--shots", "2"]),
    ([("ceval.json", "described")], ["--dev", "cmmlu/dev/small.csv", "--description", "以下是单项选择题。"]),
  ]

  @Test("log-likelihoods and accuracies are those of a plain script", arguments: forms.indices)
  func questions(form: Int) throws {
    let (sets, options) = Self.forms[form]
    let found = try objects(
      Self.models.map(Self.model) + sets.flatMap { ["--choices", folder.file($0.path)] }
        + options.map { $0.hasPrefix("cmmlu") || $0.hasPrefix("ceval") ? folder.file($0) : $0 })
    var questions = found.filter { $0["type"] as? String == "question" }[...]
    var summaries = found.filter { $0["type"] as? String == "set" }[...]
    for name in Self.models {
      for (_, key) in sets {
        let wanted = try golden(name, key)
        for wanted in try #require(wanted["questions"] as? [[String: Any]]) {
          let nextOne = questions.popFirst()
          let one = try #require(nextOne)
          let own = try #require(one["log_likelihoods"] as? [Double])
          let other = try #require(wanted["log_likelihoods"] as? [Double])
          #expect(
            own.count == other.count && zip(own, other).allSatisfy { abs($0 - $1) < 2e-3 }, "\(own), wanted \(other)")
          for key in ["answer", "choice", "choice_norm"] {
            #expect(one[key] as? Int == wanted[key] as? Int, "\(key): \(one)")
          }
        }
        let nextSummary = summaries.popFirst()
        let summary = try #require(nextSummary)
        for key in ["accuracy", "accuracy_se", "accuracy_norm", "accuracy_norm_se"] {
          #expect(isNear(summary, key, wanted), "\(key): \(summary)")
        }
      }
    }
    #expect(questions.isEmpty && summaries.isEmpty)
  }

  @Test("sets and models are told one by one, and the same at any number of threads")
  func sets() throws {
    let questions = [
      "--choices", folder.file("ceval.json"), "--choices", folder.file("lists.jsonl"), "--max-questions", "2",
    ]
    let arguments = Self.models.map(Self.model) + questions + ["--reference", Self.model("qwen2")]
    let found = try objects(arguments + ["--threads", "1"])
    #expect(found.filter { $0["type"] as? String == "set" }.count == 6)
    let models = try #require(found.last?["models"] as? [[String: Any]])
    #expect(models.count == 3 && models[0]["same_answer"] as? Double == 1 && models[2]["same_answer"] == nil)
    #expect(models.allSatisfy { $0["questions"] as? Int == 4 })
    let again = try objects(arguments + ["--threads", "3"])
    #expect(again.count == found.count)
    for (one, other) in zip(found, again) where one["type"] as? String == "question" {
      #expect(one["log_likelihoods"] as? [Double] == other["log_likelihoods"] as? [Double])
    }
    let run = try Running(["evaluate"] + arguments).finish()
    #expect(run.output.split(separator: "\n").count == 4 && run.output.contains("same answer"), "\(run.output)")
    let alone = try Running(["evaluate", Self.model("qwen2")] + questions).finish()
    #expect(alone.output.contains("ceval ") && alone.output.contains("(4 questions)"), "\(alone.output)")
    #expect(alone.errors.contains("not read: source"), "\(alone.errors)")
  }

  @Test(
    "what is no question is refused by name and place",
    arguments: [
      ("a.jsonl", #"{"question": "q", "choices": ["a", "b"]}"#, "line 1: there is no answer in it"),
      ("a.csv", "question,A,B,answer\nq,a,b\n", "line 2: this row has 3 fields"),
      ("a.txt", "some text", "this is a text"),
    ])
  func refusals(name: String, content: String, words: String) throws {
    let run = try belleTools("evaluate", Self.model("qwen2"), "--choices", folder.write("bad/" + name, content))
    #expect(run.status == 1 && run.output.isEmpty && run.errors.contains(words), "\(run.errors)")
  }

  @Test(
    "options that do not go together are usage errors",
    arguments: [
      "--text t --choices c", "--text t --kl-windows 2", "--choices c --stride 2",
      "--choices c --reference r --kl-windows 1",
      "--text t --stride 0", "--text t --sequence-length 8 --stride 9", "--text t --dev d", "--choices c --shots 2",
      "--text t --question-form plain", "--choices c --dev d --shots 0", "--choices c --question-form other",
      "--choices c --max-questions 0", "--text t --reference r --kl-windows 0", "--choices c --max-tokens 5",
    ])
  func usage(options: String) throws {
    let run = try Running(["evaluate", "/nowhere"] + options.split(separator: " ").map(String.init)).finish()
    #expect(run.status == 64, "\(run.errors)")
  }

  @Test("without a text the one that comes with the program is taken, and a note says so")
  func heldOut() throws {
    let model = try TokenizedCheckpoint().write(folder, "tokenized")
    let run = try belleTools("evaluate", model, "--max-tokens", "600", "--sequence-length", "128", "--json")
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("the text is the one that comes with the program"), "\(run.errors)")
    #expect(run.output.contains(#""windows":4"#), "\(run.output)")
  }

  @Test("a stride beyond a token file's rows is refused")
  func longStride() throws {
    var tokens = MemorySource()
    tokens.add("rows", .i32, [2, 10], (0..<20).flatMap { [UInt8($0), 0, 0, 0] })
    try FileManager.default.createDirectory(atPath: folder.file("tokens"), withIntermediateDirectories: true)
    try tokens.write(in: folder.file("tokens"))
    let path = folder.file("tokens/model.safetensors:rows")
    let run = try belleTools("evaluate", Self.model("qwen2"), "--text", path, "--stride", "21")
    #expect(run.status == 1 && run.errors.contains("leave tokens out"), "\(run.errors)")
  }
}
