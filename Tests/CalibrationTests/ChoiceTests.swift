import ByteIO
import TestSupport
import Testing
import Transformer

@testable import Quantize

@Suite("Questions and windows that overlap") struct ChoiceTests {
  @Test("windows that overlap predict each token of each row once, from as many tokens as the stride leaves")
  func overlaps() {
    for rowLength in [2, 3, 8, 9, 17] {
      for length in 2...rowLength {
        for stride in 1...length {
          // A token says its row and its place.
          let rows = TokenWindows((0..<2 * rowLength).map { Int32($0 + 1) }, length: rowLength)
          let windows = TokenWindows(overlapping: rows, length: length, stride: stride)
          var predicted: [Int32] = []
          var areRight = true
          for window in 0..<windows.count {
            let tokens = Array(windows.tokens[window * length..<(window + 1) * length])
            for place in windows.predicted(window) {
              predicted.append(tokens[place])
              let before = Int(tokens[place] - 1) % rowLength
              areRight = areRight && place >= max(1, min(before, length - stride))
              // What stands before it is what stands before it in the row.
              areRight = areRight && tokens[..<place].elementsEqual(tokens[place] - Int32(place)..<tokens[place])
            }
          }
          // At a stride of the length nothing stands before a window's first token.
          let all = (0..<2 * rowLength).filter { place in
            place % rowLength > 0 && (stride < length || place % rowLength % length > 0)
          }
          #expect(areRight && predicted == all.map { Int32($0 + 1) }, "\(rowLength), \(length), \(stride)")
          #expect(windows.predictedCount == predicted.count)
          if windows.count > 1 { #expect(windows[1..<2].predicted(0) == windows.predicted(1)) }
        }
      }
    }
  }

  @Test(
    "tables are read as RFC 4180 has them",
    arguments: [
      ("a,b\n1,2\n", [["a", "b"], ["1", "2"]]), ("a,b\r\n1,2", [["a", "b"], ["1", "2"]]),
      ("a,\"b,\"\"\nc\"\n", [["a", "b,\"\nc"]]), ("a,\n,b\n", [["a", ""], ["", "b"]]), ("\n\na\n", [["a"]]),
      ("a,", [["a", ""]]), ("\"\",x", [["", "x"]]), ("a b,中\n", [["a b", "中"]]), ("", []),
      ("\"a\"\r\n\"b\"", [["a"], ["b"]]),
      ("a\"b,c", [["a\"b", "c"]]),
    ] as [(String, [[String]])])
  func tables(text: String, rows: [[String]]) throws {
    let found = try DelimitedText.rows(Array(text.utf8)[...], separator: UInt8(ascii: ","), file: "t.csv")
    #expect(found.map(\.fields) == rows)
  }

  @Test("standard errors are those of the mean, and there is none of a single value")
  func errors() throws {
    let moments = Moments([1, 2, 4, 9])
    #expect(moments.mean == 4)
    // Deviation √(38/3), over √4.
    #expect(abs(try #require(moments.error) - (38.0 / 3).squareRoot() / 2) < 1e-12)
    #expect(Moments([3]).error == nil && Moments([2, 2, 2]).error == 0)
  }

  static let bad: [(name: String, content: String, words: [String])] = [
    ("a.jsonl", #"{"question": "q", "choices": ["a", "b"]}"#, ["line 1", "no answer"]),
    (
      "a.jsonl", "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 0}\n{\"text\": 1}",
      ["line 2", "no question"]
    ),
    ("a.jsonl", #"{"question": "q", "answer": 0}"#, ["line 1", "no choices"]),
    ("a.jsonl", #"{"question": "q", "choices": ["a", "b"], "answer": 2}"#, ["line 1", "the answer is 2"]),
    ("a.jsonl", #"{"question": "q", "choices": ["a", "b"], "answer": 0.5}"#, ["the answer is 0.5"]),
    ("a.jsonl", #"{"question": "q", "choices": ["a", "b"], "answer": -1}"#, ["the answer is -1"]),
    ("a.jsonl", #"{"question": "q", "choices": ["a", "b"], "answer": [0]}"#, ["neither a number nor a text"]),
    ("a.jsonl", #"{"question": "q", "choices": ["a", "b"], "answer": "C"}"#, ["none of the 2 choices"]),
    ("a.jsonl", #"{"question": "q", "A": "a", "B": "b", "answer": "AB"}"#, ["none of the 2 choices"]),
    (
      "a.jsonl", #"{"question": "q", "choices": ["B", "A"], "answer": "A"}"#,
      ["one choice's letter and another one's text"]
    ),
    ("a.jsonl", #"{"question": "q", "choices": ["a"], "answer": 0}"#, ["1 choices"]),
    ("a.jsonl", #"{"question": "q", "choices": ["a", " "], "answer": 0}"#, ["choice B is empty"]),
    ("a.jsonl", #"{"question": "q", "choices": ["a", null], "answer": 0}"#, ["a choice is no text"]),
    ("a.jsonl", #"{"question": " ", "choices": ["a", "b"], "answer": 0}"#, ["no text, or empty"]),
    ("a.jsonl", #"{"question": "q", "choices": 3, "answer": 0}"#, ["neither a list nor an object"]),
    ("a.jsonl", #"{"question": "q", "A": "a", "B": "b", "D": "d", "answer": "A"}"#, ["no choice C"]),
    ("a.jsonl", #"{"question": "q", "Question": "r", "choices": ["a", "b"], "answer": 0}"#, ["twice"]),
    ("a.jsonl", "{\"question\": \"q\", ", ["line 1", "not JSON"]),
    ("a.json", #"[{"question": "q", "choices": ["a", "b"], "answer": 0}, "#, ["element 2"]),
    ("a.json", "[]", ["no question in it"]), ("a.jsonl", "[1]", ["line 1", "no object"]),
    ("a.txt", "some text", ["this is a text"]), ("a.jsonl", "", ["empty"]),
    ("a.csv", "question,A,B,answer\nq,a,b\n", ["line 2", "3 fields"]),
    ("a.csv", "question,A,B,answer\nq,\"a,b,A\n", ["line 2", "does not end"]),
    ("a.csv", "question,A,B,answer\nq,\"a\"x,b,A\n", ["line 2", "behind the end of a quoted field"]),
    ("a.csv", "question,A,A,answer\nq,a,b,A\n", ["line 1", "two columns"]),
    ("a.csv", "question,A,B,answer\n", ["no question in it"]),
    ("a.csv", "q,x,y,A\nr,a,b,B\n", ["line 2", "no question"]),
    ("a.csv", String(repeating: "a,", count: 1100) + "\n", ["line 1", "more than 1024 fields"]),
    ("a.csv", "question,A,B,answer\nq,\u{0},b,A\n", ["zero bytes"]),
    (
      "a.jsonl",
      "{\"question\": \"q\", \"A\": \"a\", \"B\": \"b\", \"answer\": \"A\"}\n"
        + "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 0}", ["others a list of choices"]
    ),
  ]

  @Test("what is no question is refused by name and place", arguments: bad.indices)
  func refusals(index: Int) throws {
    let (name, content, words) = Self.bad[index]
    let folder = try TemporaryFolder()
    let path = try folder.write(name, content)
    let error = try #require(throws: CalibrationError.self) { try ChoiceFile(path) }
    #expect(error.file == path)
    for word in words { #expect(error.description.contains(word), "\(error.description)") }
  }

  @Test(
    "answers are labels, numbers, letters or texts",
    arguments: [
      (#"{"question": "q", "choices": ["x", "y"], "answer": 1}"#, 1),
      (#"{"question": "q", "choices": ["x", "y"], "answer": "1"}"#, 1),
      (#"{"question": "q", "choices": ["1", "2"], "answer": "1"}"#, 0),
      (#"{"question": "q", "choices": ["x", "y"], "answer": "b"}"#, 1),
      (#"{"question": "q", "choices": ["x", "y"], "answer": " y "}"#, 1),
      (#"{"question": "q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "1"}"#, 0),
      (#"{"question": "q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": 2}"#, 1),
      (#"{"question": "q", "options": {"A": "x", "B": "y"}, "answer_idx": "B"}"#, 1),
      (#"{"query": "q", "choices": ["x", "y", "z"], "gold": 2}"#, 2),
      (#"{"Question": "q", "A": "B", "B": "A", "C": 3, "Answer": "C"}"#, 2),
      (#"{"question": "q", "A": "B", "B": "A", "answer": "A"}"#, 0),
      (#"{"question": "q", "choices": {"text": ["B", "A"], "label": ["A", "B"]}, "answerKey": "B"}"#, 1),
    ])
  func answers(record: String, answer: Int) throws {
    let folder = try TemporaryFolder()
    let file = try ChoiceFile(folder.write("a.jsonl", record + "\n"))
    #expect(file.questions.map(\.answer) == [answer])
  }

  @Test("examples are those of the set's name, and as many as are asked for")
  func examples() throws {
    let folder = try TemporaryFolder()
    let rows = "id,question,A,B,answer\n0,q,a,b,A\n1,r,a,b,B\n"
    for name in ["val/law_val.csv", "dev/law_dev.csv", "test/art.csv", "test-dev/art.csv"] {
      try folder.write(name, rows)
    }
    func task(_ questions: String, _ options: ChoiceTask.Options) throws -> ChoiceTask {
      try ChoiceTask([folder.file(questions)], options)
    }
    let law = try task("val", .init(examples: folder.file("dev"), description: "d"))
    let question = try #require(law.parts.first?.file.questions.last)
    #expect(
      law.parts[0].prompt.context(question)
        == "d\n\nq\nA. a\nB. b\nAnswer: A\n\nr\nA. a\nB. b\nAnswer: B\n\nr\nA. a\nB. b\nAnswer:")
    #expect(law.notes.count == 1 && law.notes[0].contains("id"))
    let art = try task("test/art.csv", .init(form: .plain, examples: folder.file("test-dev"), shots: 1))
    #expect(art.parts[0].prompt.context(question) == "q a\n\nr" && art.parts[0].file.name == "art")
    #expect(throws: CalibrationError.self) { try task("val", .init(examples: folder.file("dev"), shots: 3)) }
    #expect(throws: CalibrationError.self) { try task("val", .init(examples: folder.file("test"))) }
    try folder.write("none/readme.md", "x")
    #expect(throws: CalibrationError.self) { try task("none", .init()) }
  }
}
