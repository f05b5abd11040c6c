// What a model is to be asked, many at a time, as data sets have it: JSON Lines, or an array of objects; and the same
// records with what it answered. What a record holds besides is carried through as it is.
// Sources: jsonlines.org; BELLE, eval/ (question, class, std_answer) and data/ (instruction, input); OpenAI's API (messages);
// LlamaFactory, data/README.md (instruction, input, system, history).

import ByteIO
import Foundation
import Jinja
import Model

/// One record of a list of prompts.
package struct PromptRecord: Sendable {
  /// What is asked.
  package enum Prompt: Sendable, Equatable {
    /// A text to continue, or one question.
    case text(String)
    /// A conversation.
    case conversation([ChatMessage], ChatContext = ChatContext())
  }

  /// Why a record cannot be asked.
  package struct Complaint: Error, Sendable, Equatable {
    /// The complaint, without the place.
    package let reason: String

    /// A complaint.
    package init(_ reason: String) { self.reason = reason }
  }

  /// What came of it.
  package enum Answer: Sendable, Equatable {
    /// A text of so many tokens, and why it ended.
    case text(String, tokens: Int, end: Generator.End)
    /// No text, and why.
    case failed(String)
  }

  /// Its number, from 1: of its line, or in its array.
  package let number: Int
  /// Where it stands, in words.
  package let place: String
  /// What is asked, or why nothing can be.
  package let prompt: Result<Prompt, Complaint>
  /// Its fields, in order, their values as they are written.
  private let fields: [(name: String, value: [UInt8])]?

  /// Fields whose value is what is asked: a text, or a conversation.
  private static let questions = ["messages", "prompt", "question", "instruction", "query", "problem"]

  /// Names of what is added; records that were answered before lose their earlier answers.
  private enum Added: String, CaseIterable {
    case text = "generated"
    case tokens = "generated_tokens"
    case end = "generated_end"
    case error = "generated_error"
  }

  // MARK: Reading

  /// Reads a list of records, in UTF-8 or UTF-16; empty lines are none.
  ///
  /// - Parameters:
  ///   - bytes: JSON Lines, or one array.
  ///   - file: what errors name.
  /// - Throws: `ByteIOError` for what is no text, or an array that is broken. What is wrong with one record stands in it.
  package static func list(_ bytes: [UInt8], file: String) throws -> [PromptRecord] {
    let encoding = TextEncoding(of: bytes)
    let text: ArraySlice<UInt8>
    switch encoding {
    // Whose lines are broken is told of each.
    case .damagedUTF8: text = bytes[...]
    case .utf8, .utf16, .utf32, .gb18030, .unknown:
      guard let decoded = encoding.utf8(bytes) else {
        let complaint = encoding.complaint
        throw ByteIOError(
          .wrongKind, file: file, reason: complaint?.reason ?? "it begins as UTF-16 or UTF-32, and is damaged",
          remedy: complaint?.remedy)
      }
      text = decoded
    }
    if text.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) == UInt8(ascii: "["),
      let records = try array(Array(text), file)
    {
      return records
    }
    let lines = text.split(separator: 0x0A, omittingEmptySubsequences: false)
    return lines.enumerated().compactMap { index, line in
      line.allSatisfy { [0x20, 0x09, 0x0D].contains($0) }
        ? nil : PromptRecord(number: index + 1, place: "line \(index + 1)", Array(line))
    }
  }

  /// The elements of an array; nil for lines that are arrays.
  private static func array(_ bytes: [UInt8], _ file: String) throws -> [PromptRecord]? {
    var parts: [Range<Int>] = []
    do {
      var json = try JSONReader(bytes, depthLimit: 64)
      try json.array { json in
        _ = json.peek()
        let start = json.at
        try json.skip()
        parts.append(start..<json.at)
      }
      guard json.peek() == nil else { return nil }
    } catch let failure as JSONReader.Failure {
      throw ByteIOError(
        .wrongKind, file: file, place: "byte \(failure.offset)",
        reason: "the array of records is broken: \(failure.reason)")
    }
    return parts.enumerated().map { index, part in
      PromptRecord(number: index + 1, place: "record \(index + 1)", Array(bytes[part]))
    }
  }

  private init(number: Int, place: String, _ bytes: [UInt8]) {
    (self.number, self.place) = (number, place)
    do {
      let fields = try Self.fields(bytes)
      self.fields = fields
      do { prompt = .success(try Self.prompt(fields)) } catch { prompt = .failure(error) }
    } catch {
      fields = nil
      prompt = .failure(error)
    }
  }

  private static func fields(_ bytes: [UInt8]) throws(Complaint) -> [(name: String, value: [UInt8])] {
    do {
      var json = try JSONReader(bytes, depthLimit: 64)
      guard json.peek() == UInt8(ascii: "{") else {
        throw Complaint(#"expected an object, as in {"prompt": "What is water?"}"#)
      }
      var fields: [(name: String, value: [UInt8])] = []
      try json.object { json, name in
        _ = json.peek()
        let start = json.at
        try json.skip()
        // Line ends stand between values only: texts have none.
        fields.append((name, bytes[start..<json.at].map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }))
      }
      try json.end()
      return fields
    } catch let failure as JSONReader.Failure {
      throw Complaint("byte \(failure.offset): \(failure.reason)")
    } catch let complaint as Complaint {
      throw complaint
    } catch { throw Complaint("\(error)") }
  }

  private static func prompt(_ fields: [(name: String, value: [UInt8])]) throws(Complaint) -> Prompt {
    let value = { (name: String) throws(Complaint) -> TemplateValue? in
      guard let field = fields.first(where: { $0.name == name }) else { return nil }
      do { return try TemplateValue(json: field.value) } catch let failure as JSONReader.Failure {
        throw Complaint("its \(name): byte \(failure.offset): \(failure.reason)")
      } catch { throw Complaint("its \(name): \(error)") }
    }
    guard let name = questions.first(where: { name in fields.contains { $0.name == name } }) else {
      let names = fields.prefix(20).map { displayName($0.name) }.joined(separator: ", ")
      throw Complaint(
        "there is nothing to ask: its fields are \(names); known are \(questions.joined(separator: ", "))")
    }
    let asked = try value(name)
    if let messages = asked?.elements {
      var beside: [(String, TemplateValue)] = []
      for name in ChatContext.names { if let value = try value(name) { beside.append((name, value)) } }
      do {
        return .conversation(try ChatMessage.list(messages), try ChatContext(.mapping(beside)))
      } catch { throw Complaint(error.reason) }
    }
    guard var text = asked?.text, name != "messages" else {
      throw Complaint("its \(name) is \(name == "messages" ? "no list" : "no text")")
    }
    if name == "instruction", let input = try value("input")?.text, !input.isEmpty { text += "\n" + input }
    guard !text.isEmpty else { throw Complaint("its \(name) is empty") }
    // A typed error does not pass through `??`.
    var system = try value("system")
    if system == nil { system = try value("system_prompt") }
    let history = try value("history")?.elements ?? []
    let introduction = system?.text ?? ""
    guard !introduction.isEmpty || !history.isEmpty else { return .text(text) }
    var messages = introduction.isEmpty ? [] : [ChatMessage("system", introduction)]
    for turn in history {
      guard let pair = turn.elements?.compactMap(\.text), pair.count == 2, turn.elements?.count == 2 else {
        throw Complaint("its history is no list of pairs of texts")
      }
      messages += [ChatMessage("user", pair[0]), ChatMessage("assistant", pair[1])]
    }
    return .conversation(messages + [ChatMessage("user", text)])
  }

  // MARK: Writing

  /// The record with what came of it, as one line of JSON, without its end.
  package func line(_ answer: Answer) -> String {
    var parts = ["\"\(place.split(separator: " ")[0])\": \(number)"]
    if let fields {
      parts = fields.filter { Added(rawValue: $0.name) == nil }.map {
        jsonString($0.name) + ": " + String(decoding: $0.value, as: UTF8.self)
      }
    }
    let add = { (name: Added, value: String) in parts.append("\"\(name.rawValue)\": \(value)") }
    switch answer {
    case .text(let text, let tokens, let end):
      add(.text, jsonString(text))
      add(.tokens, String(tokens))
      add(.end, jsonString(end.rawValue))
    case .failed(let reason):
      add(.text, "null")
      add(.error, jsonString(reason))
    }
    return "{" + parts.joined(separator: ", ") + "}"
  }
}
