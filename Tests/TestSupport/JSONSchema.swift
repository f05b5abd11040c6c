// The part of JSON Schema (Draft 2020-12) that the schemas in Documentation/json use. A keyword that is not known here is a
// fault, so that nothing stays unchecked in silence.

import Foundation

/// What a JSON value breaks.
public struct SchemaViolation: Error, CustomStringConvertible {
  /// Which rule, and where.
  public let description: String
}

/// Schemas of a folder.
public struct JSONSchemas: Sendable {
  private let folder: String

  /// Those of the project.
  public static let project = JSONSchemas(folder: TestSupport.project("Documentation/json"))

  /// The verbs of the project.
  static let projectVerbs = Set((try? project.verbs()) ?? []).subtracting(["error"])

  /// Those of a folder.
  public init(folder: String) { self.folder = folder }

  /// The verbs that have one.
  public func verbs() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".schema.json") }
      .map { String($0.dropLast(".schema.json".count)) }.sorted()
  }

  /// A schema as it stands in its file.
  public func document(_ name: String) throws -> [String: Any] {
    let path = folder + "/" + name + ".schema.json"
    let object = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path)))
    guard let schema = object as? [String: Any] else { throw SchemaViolation(description: "\(path): no object") }
    return schema
  }

  /// Holds a value against a verb's schema.
  ///
  /// - Throws: ``SchemaViolation``.
  public func check(_ value: Any, verb: String) throws {
    let document = try document(verb)
    if let fault = try fault(value, document, in: document, at: "") {
      throw SchemaViolation(description: "\(verb): \(fault)")
    }
  }

  private static let remarks: Set<String> = ["$schema", "$id", "title", "description", "$defs"]

  /// The first rule that a value breaks; nil where it breaks none.
  private func fault(_ value: Any, _ schema: [String: Any], in document: [String: Any], at place: String) throws
    -> String?
  {
    for (keyword, rule) in schema.sorted(by: { $0.key < $1.key }) where !Self.remarks.contains(keyword) {
      if let fault = try fault(value, keyword, rule, schema, in: document, at: place) { return fault }
    }
    return nil
  }

  private func fault(
    _ value: Any, _ keyword: String, _ rule: Any, _ schema: [String: Any], in document: [String: Any], at place: String
  ) throws -> String? {
    switch (keyword, rule) {
    case ("$ref", let reference as String):
      let (target, home) = try resolve(reference, document)
      return try fault(value, target, in: home, at: place)
    case ("oneOf", let options as [[String: Any]]):
      let faults = try options.map { try fault(value, $0, in: document, at: place) }
      let fitting = faults.count { $0 == nil }
      return fitting == 1 ? nil : "\(place): fits \(fitting) of the kinds of line: \(faults.compactMap(\.self))"
    case ("type", let type as String): return Self.isOf(type, value) ? nil : "\(place): \(value) is no \(type)"
    case ("type", let types as [String]):
      return types.contains { Self.isOf($0, value) } ? nil : "\(place): \(value) is none of \(types)"
    case ("const", _): return Self.areEqual(value, rule) ? nil : "\(place): \(value) is not \(rule)"
    case ("enum", let values as [Any]):
      return values.contains { Self.areEqual(value, $0) } ? nil : "\(place): \(value) is none of \(values)"
    case ("minimum", let least as NSNumber):
      guard Self.isOf("number", value), let number = value as? NSNumber else { return nil }
      return number.doubleValue >= least.doubleValue ? nil : "\(place): \(value) is less than \(least)"
    case ("pattern", let pattern as String):
      guard let text = value as? String else { return nil }
      return text.range(of: pattern, options: .regularExpression) != nil ? nil : "\(place): \(text) is not \(pattern)"
    case ("items", let inner as [String: Any]):
      for (index, element) in ((value as? [Any]) ?? []).enumerated() {
        if let fault = try fault(element, inner, in: document, at: "\(place)/\(index)") { return fault }
      }
      return nil
    case ("required", let names as [String]):
      guard let object = value as? [String: Any] else { return nil }
      return names.first { object[$0] == nil }.map { "\(place): \($0) is missing" }
    case ("properties", let properties as [String: [String: Any]]):
      for (name, inner) in (value as? [String: Any]) ?? [:] {
        if let rule = properties[name], let fault = try fault(inner, rule, in: document, at: "\(place)/\(name)") {
          return fault
        }
      }
      return nil
    case ("additionalProperties", _):
      let known = Set(((schema["properties"] as? [String: Any]) ?? [:]).keys)
      for (name, inner) in (value as? [String: Any]) ?? [:] where !known.contains(name) {
        guard let rule = rule as? [String: Any] else { return "\(place): the field \(name) is not documented" }
        if let fault = try fault(inner, rule, in: document, at: "\(place)/\(name)") { return fault }
      }
      return nil
    default: return "the schema has the keyword \(keyword), which this validator does not know"
    }
  }

  private func resolve(
    _ reference: String, _ document: [String: Any]
  ) throws -> (schema: [String: Any], document: [String: Any]) {
    let parts = reference.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    let home = parts[0].isEmpty ? document : try self.document(String(parts[0].dropLast(".schema.json".count)))
    var schema = home
    for name in (parts.count > 1 ? parts[1] : "").split(separator: "/") {
      guard let inner = schema[String(name)] as? [String: Any] else {
        throw SchemaViolation(description: "\(reference) leads to nothing")
      }
      schema = inner
    }
    return (schema, home)
  }

  private static func isBool(_ value: Any) -> Bool {
    // A number that was read is none of one byte.
    guard let number = value as? NSNumber else { return false }
    return unsafe number.objCType.pointee == CChar(bitPattern: UInt8(ascii: "c"))
  }

  private static func isOf(_ type: String, _ value: Any) -> Bool {
    switch type {
    case "null": value is NSNull
    case "boolean": isBool(value)
    case "string": value is String
    case "array": value is [Any]
    case "object": value is [String: Any]
    case "number": !isBool(value) && value is NSNumber
    case "integer": !isBool(value) && (value as? NSNumber).map { $0.doubleValue.rounded() == $0.doubleValue } ?? false
    default: false
    }
  }

  private static func areEqual(_ one: Any, _ other: Any) -> Bool {
    switch (one, other) {
    case (is NSNull, is NSNull): true
    case (let one as String, let other as String): one == other
    case (let one as NSNumber, let other as NSNumber): isBool(one) == isBool(other) && one == other
    default: false
    }
  }
}
