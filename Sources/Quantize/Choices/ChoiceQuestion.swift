// A multiple-choice question, from a record of a data set: a question, its choices and the answer by the names that
// published sets have for them.
//
// Sources of the names: the sets' pages at Hugging Face (MMLU and CMMLU, C-Eval, ARC, OpenBookQA, CommonsenseQA, HellaSwag,
// PIQA, MedQA, AGIEval).

import ByteIO
import Foundation

/// A question with its choices.
package struct ChoiceQuestion: Sendable, Equatable {
  /// The question, or the text that the choices continue.
  package let question: String
  /// The choices, two at least, none of them empty.
  package let choices: [String]
  /// Which of them is right.
  package let answer: Int
  /// Whether the record lists its choices by letter, as columns A, B, C, D: then the letter is the answer.
  package let isLettered: Bool

  /// Choices that a question may have: as many as there are letters.
  package static let limit = 26

  /// The letter of a choice.
  package static func letter(_ choice: Int) -> String {
    String(UnicodeScalar(UInt8(ascii: "A") + UInt8(min(max(choice, 0), limit - 1))))
  }

  private static let questions = ["question", "question_stem", "stem", "query", "ctx", "goal", "prompt", "input"]
  private static let lists = ["choices", "options", "endings", "candidates"]
  private static let answers = ["answer", "answerkey", "answer_key", "label", "gold", "target", "answer_idx"]
  /// Choices that are fields of their own: columns of letters, and PIQA's.
  private static let solutions = ["sol1", "sol2"]

  /// What is wrong with a record.
  struct Fault: Error {
    let reason: String
    let remedy: Remedy?

    init(_ reason: String, _ remedy: Remedy? = nil) { (self.reason, self.remedy) = (reason, remedy) }
  }

  /// What every record needs, as a remedy.
  static let remedy: Remedy =
    """
    known are records with question, choices (a list) and answer (the number of a choice from 0, its letter or its text), \
    and those with question, A, B, C, D and answer
    """

  /// Takes a record.
  ///
  /// - Parameter record: its fields; upper and lower case in their names are the same.
  /// - Returns: the question, and the names of the fields that it was not made of.
  /// - Throws: ``Fault``.
  static func read(_ record: [String: Any]) throws(Fault) -> (question: ChoiceQuestion, others: Set<String>) {
    var fields: [String: (name: String, value: Any)] = [:]
    for (name, value) in record where !(value is NSNull) {
      let plain = name.trimmingCharacters(in: .whitespaces).lowercased()
      guard fields.updateValue((name, value), forKey: plain) == nil else {
        throw Fault("it has the field \(displayName(plain)) twice, in capitals and without")
      }
    }
    var used: Set<String> = []
    func take(_ names: [String]) -> Any? {
      guard let name = names.first(where: { fields[$0] != nil }) else { return nil }
      used.insert(name)
      return fields[name]?.value
    }
    let names = record.keys.sorted().prefix(20).map(displayName).joined(separator: ", ")
    guard var asked = take(questions) else {
      throw Fault("there is no question in it; its fields are \(names)", remedy)
    }
    var inner: Any?
    // The first form of ARC and OpenBookQA.
    if let object = asked as? [String: Any] {
      inner = object["choices"]
      asked = object["stem"] ?? ""
    }
    guard let question = asked as? String, question.contains(where: { !$0.isWhitespace }) else {
      throw Fault("its question is no text, or empty")
    }
    let choices: [String]
    var labels: [String]?
    let isLettered = inner == nil && fields["a"] != nil && fields["b"] != nil
    if isLettered {
      let letters = (0..<limit).map { letter($0).lowercased() }.prefix { fields[$0] != nil }
      choices = try letters.map { (letter) throws(Fault) in try text(take([letter]), "choice \(letter.uppercased())") }
      if letters.count < limit - 1, fields[letter(letters.count + 1).lowercased()] != nil {
        throw Fault("it has no choice \(letter(letters.count)), and has \(letter(letters.count + 1))")
      }
    } else if fields["sol1"] != nil, fields["sol2"] != nil {
      choices = try solutions.map { (name) throws(Fault) in try text(take([name]), name) }
    } else if let list = inner ?? take(lists) {
      (choices, labels) = try read(list)
    } else {
      throw Fault("there are no choices in it; its fields are \(names)", remedy)
    }
    guard (2...limit).contains(choices.count) else {
      throw Fault("it has \(choices.count) choices; 2 to \(limit) can be read")
    }
    if let empty = choices.firstIndex(where: { $0.allSatisfy(\.isWhitespace) }) {
      throw Fault("choice \(letter(empty)) is empty")
    }
    guard let key = take(answers), key as? String != "" else {
      throw Fault(
        "there is no answer in it",
        "sets whose answers are kept back cannot be scored here: C-Eval's val has them, test not")
    }
    let answer = try find(key, choices, labels ?? (isLettered ? choices.indices.map(letter) : nil))
    return (
      ChoiceQuestion(question: question, choices: choices, answer: answer, isLettered: isLettered),
      Set(fields.filter { !used.contains($0.key) }.map(\.value.name))
    )
  }

  /// Choices as texts, as objects with a label, as columns `text` and `label`, or by label.
  private static func read(_ list: Any) throws(Fault) -> ([String], [String]?) {
    switch list {
    case let values as [Any]:
      let objects = values.compactMap { $0 as? [String: Any] }
      guard objects.count == values.count, !objects.isEmpty else {
        return (try values.map { (value) throws(Fault) in try text(value, "a choice") }, nil)
      }
      return (
        try objects.map { (one) throws(Fault) in try text(one["text"], "a choice") },
        try objects.map { (one) throws(Fault) in try text(one["label"], "a choice's label") }
      )
    case let columns as [String: Any]:
      if let texts = columns["text"] as? [Any], let labels = columns["label"] as? [Any], texts.count == labels.count {
        return (
          try texts.map { (one) throws(Fault) in try text(one, "a choice") },
          try labels.map { (one) throws(Fault) in try text(one, "a choice's label") }
        )
      }
      let labels = columns.keys.sorted()
      return (
        try labels.map { (label) throws(Fault) in try text(columns[label], "choice \(displayName(label))") }, labels
      )
    default: throw Fault("its choices are neither a list nor an object", remedy)
    }
  }

  /// A text, or a number as one.
  private static func text(_ value: Any?, _ what: String) throws(Fault) -> String {
    switch value {
    case let text as String: return text
    case let number as NSNumber: return number.stringValue
    default: throw Fault("\(what) is no text")
    }
  }

  /// Which choice an answer is: by the record's own labels, else by number, letter or text.
  private static func find(_ key: Any, _ choices: [String], _ labels: [String]?) throws(Fault) -> Int {
    if let number = key as? NSNumber, !(key is String) {
      // Labels may be numbers from 1 on.
      if let labels, let place = labels.firstIndex(of: number.stringValue) { return place }
      guard let index = Int(exactly: number.doubleValue), choices.indices.contains(index) else {
        throw Fault("the answer is \(number), and the choices are 0 to \(choices.count - 1)")
      }
      return index
    }
    guard let text = (key as? String)?.trimmingCharacters(in: .whitespacesAndNewlines) else {
      throw Fault("the answer is neither a number nor a text")
    }
    let known = labels ?? choices.indices.map(letter)
    var places: Set<Int> = []
    if let place = known.firstIndex(of: text) ?? known.firstIndex(of: text.uppercased()) {
      // The record's own labels are what its answer is one of, whatever the choices say: A may be a blood group.
      if labels != nil { return place }
      places.insert(place)
    }
    if let place = choices.firstIndex(where: { $0.trimmingCharacters(in: .whitespacesAndNewlines) == text }) {
      places.insert(place)
    }
    if places.isEmpty, labels == nil, let index = Int(text), choices.indices.contains(index) { places.insert(index) }
    guard places.count < 2 else {
      throw Fault(
        "the answer \(displayName(text)) is one choice's letter and another one's text",
        "give the number of the choice, from 0 on")
    }
    guard let place = places.first else {
      throw Fault(
        "the answer \(displayName(text)) is none of the \(choices.count) choices, nor the letter or number of one")
    }
    return place
  }
}
