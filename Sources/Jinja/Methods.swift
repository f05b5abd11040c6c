// What texts, dictionaries and lists can do by themselves: `text.strip()`. What changes a value is refused, as in transformers'
// sandbox. Source: Python's documentation, stdtypes.

import ByteIO

/// Methods of values.
enum Methods {
  private typealias TextMethod = @Sendable (Machine, Text, Arguments) throws -> Value

  /// The method of a name; nil for none.
  static func method(_ name: String, of value: Value) throws -> Value? {
    switch value {
    case .text(let text):
      if let method = texts[name] {
        return function("text.\(name)") { machine, arguments in
          try machine.charge(bytes: text.bytes.count)
          guard text.isMarkup else { return try method(machine, text, arguments) }
          return try marked(method(machine, text, escaped(arguments, name, machine)), as: text)
        }
      }
      return others.contains(name) ? unknown("text.\(name)") : nil
    case .mapping(let mapping): return dictionary(name, mapping)
    case .sequence(let sequence) where sequence.kind == .list || sequence.kind == .tuple: return list(name, sequence)
    default: return nil
    }
  }

  /// The arguments of a method of a text that is called safe: what becomes part of it is escaped.
  private static func escaped(_ arguments: Arguments, _ name: String, _ machine: Machine) throws -> Arguments {
    var arguments = arguments
    let escaped = { (value: Value) throws -> Value in
      guard let text = value.text else { return value }
      try machine.charge(bytes: 6 * text.bytes.count)
      return .text(text.escaped)
    }
    switch name {
    case "replace" where arguments.positional.count > 1:
      arguments.positional[1] = try escaped(arguments.positional[1])
    case "join" where arguments.positional.count == 1:
      let parts = try machine.elements(of: arguments.positional[0])
      arguments.positional[0] = try machine.sequence(.list, try parts.map(escaped))
    case "format": throw Failure.unsupported("format of a text that is called safe")
    default: break
    }
    return arguments
  }

  /// What a method gives, called safe as its text is.
  private static func marked(_ value: Value, as text: Text) throws -> Value {
    switch value {
    case .text(let part): return .text(part.marked(as: text))
    case .sequence(let sequence):
      return .sequence(Value.Sequence(sequence.kind, try sequence.elements.map { try marked($0, as: text) }))
    default: return value
    }
  }

  private static func function(
    _ name: String, _ body: @escaping @Sendable (Machine, Arguments) throws -> Value
  ) -> Value { .function(Value.Function(name: name, body: body)) }

  private static func unknown(_ name: String) -> Value {
    function(name) { _, _ in throw Failure.unsupported("\(name)()") }
  }

  private static func changing(_ name: String) -> Value {
    function(name) { _, _ in throw Failure.value("\(name)() would change a value, which templates are not let do") }
  }

  // MARK: Dictionaries and lists

  private static func dictionary(_ name: String, _ mapping: Value.Mapping) -> Value? {
    switch name {
    case "items":
      function("dict.items") { machine, arguments in
        _ = try arguments.ordered()
        return try machine.sequence(
          .view, try mapping.entries.map { try machine.sequence(.tuple, [$0.key, $0.value]) })
      }
    case "keys": function("dict.keys") { machine, _ in try machine.sequence(.view, mapping.entries.map(\.key)) }
    case "values": function("dict.values") { machine, _ in try machine.sequence(.view, mapping.entries.map(\.value)) }
    case "get":
      function("dict.get") { _, arguments in
        guard (1...2).contains(arguments.positional.count), arguments.named.isEmpty else {
          throw Failure.value("dict.get takes a name, and what is given where there is none")
        }
        let usual = arguments.positional.count > 1 ? arguments.positional[1] : .none
        guard arguments.positional[0].isHashable else { return usual }
        return mapping[try Value.Key(arguments.positional[0])] ?? usual
      }
    case "copy": function("dict.copy") { _, _ in .mapping(mapping) }
    case "pop", "popitem", "update", "setdefault", "clear": changing("dict.\(name)")
    default: nil
    }
  }

  private static func list(_ name: String, _ sequence: Value.Sequence) -> Value? {
    switch name {
    case "count":
      function("list.count") { machine, arguments in
        guard let wanted = try arguments.ordered("value")[0] else { throw Failure.value("list.count of nothing") }
        return .int(try sequence.elements.count { try machine.equal($0, wanted) })
      }
    case "index":
      function("list.index") { machine, arguments in
        guard let wanted = try arguments.ordered("value")[0],
          let place = try sequence.elements.firstIndex(where: { try machine.equal($0, wanted) })
        else { throw Failure.value("list.index: it is not in the list") }
        return .int(place)
      }
    case "copy" where sequence.kind == .list: function("list.copy") { _, _ in .sequence(sequence) }
    case "append", "extend", "insert", "pop", "remove", "reverse", "sort", "clear":
      sequence.kind == .list ? changing("list.\(name)") : nil
    default: nil
    }
  }

  // MARK: Texts

  /// Methods that are known by name, and not by what they do.
  private static let others: Set = [
    "format_map", "encode", "translate", "maketrans", "expandtabs", "casefold", "center", "ljust", "rjust",
    "swapcase",
    "isidentifier", "isprintable", "istitle", "isascii", "isdecimal", "isnumeric", "zfill",
  ]

  private static func trimming(left: Bool, right: Bool) -> TextMethod {
    { _, text, arguments in
      .text(text.trimmed(try arguments.ordered("chars")[0].text("chars"), left: left, right: right))
    }
  }

  private static func cutting(fromEnd: Bool) -> TextMethod {
    { machine, text, arguments in
      let given = try arguments.ordered("sep", "maxsplit")
      let limit = try given[1].integer("maxsplit") ?? -1
      let parts: [Text]
      if let separator = try given[0].text("sep") {
        guard !separator.isEmpty else { throw Failure.value("a text is cut at an empty text") }
        parts = fromEnd ? text.splitFromEnd(separator, limit: limit) : text.split(separator, limit: limit)
      } else {
        parts = fromEnd ? text.wordsFromEnd(limit: limit) : text.words(limit: limit)
      }
      return try machine.sequence(.list, parts.map { .text($0) })
    }
  }

  private static func testing(_ test: @escaping @Sendable (Text, Text) -> Bool) -> TextMethod {
    { machine, text, arguments in
      guard let given = try arguments.ordered("part")[0] else { throw Failure.value("no text is given to look for") }
      let parts = if case .sequence = given { try machine.elements(of: given) } else { [given] }
      return .bool(
        try parts.contains { part in
          guard let part = part.text else { throw Failure.value("\(part.kind) is looked for in a text") }
          return test(text, part)
        })
    }
  }

  private static func finding(fromEnd: Bool, isStrict: Bool) -> TextMethod {
    { _, text, arguments in
      guard let part = try arguments.ordered("part")[0].text("the part") else {
        throw Failure.value("no text to look for")
      }
      var place = text.range(of: part)?.lowerBound
      if fromEnd {
        let mirrored = Text(bytes: text.bytes.reversed()).range(of: Text(bytes: part.bytes.reversed()))
        place = mirrored.map { text.bytes.count - $0.upperBound }
      }
      if place == nil, isStrict { throw Failure.value("the part is not in the text") }
      return .int(place.map { Text(bytes: text.bytes[..<$0]).count } ?? -1)
    }
  }

  private static func parting(fromEnd: Bool) -> TextMethod {
    { machine, text, arguments in
      guard let part = try arguments.ordered("sep")[0].text("sep"), !part.isEmpty else {
        throw Failure.value("a text is cut at nothing")
      }
      let parts = fromEnd ? text.splitFromEnd(part, limit: 1) : text.split(part, limit: 1)
      let found: [Text] = parts.count == 2 ? [parts[0], part, parts[1]] : fromEnd ? ["", "", text] : [text, "", ""]
      return try machine.sequence(.tuple, found.map { .text($0) })
    }
  }

  private static func characters(_ test: @escaping @Sendable (Unicode.Scalar) -> Bool) -> TextMethod {
    { _, text, _ in .bool(!text.isEmpty && text.scalars.allSatisfy(test)) }
  }

  private static func changed(_ change: @escaping @Sendable (Text) -> Text) -> TextMethod {
    { _, text, arguments in
      _ = try arguments.ordered()
      return .text(change(text))
    }
  }

  private static let isDigit: @Sendable (Unicode.Scalar) -> Bool = {
    $0.properties.numericType == .decimal || $0.properties.numericType == .digit
  }

  private static let isLetter: @Sendable (Unicode.Scalar) -> Bool = {
    switch $0.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  private static let texts: [String: TextMethod] = [
    "strip": trimming(left: true, right: true), "lstrip": trimming(left: true, right: false),
    "rstrip": trimming(left: false, right: true), "split": cutting(fromEnd: false), "rsplit": cutting(fromEnd: true),
    "splitlines": { machine, text, arguments in
      let keepsEnds = try arguments.ordered("keepends")[0]?.isTrue ?? false
      return try machine.sequence(.list, text.lines(keepsEnds: keepsEnds).map { .text($0) })
    },
    "startswith": testing { $0.hasPrefix($1) }, "endswith": testing { $0.hasSuffix($1) },
    "upper": changed(\.uppercased), "lower": changed(\.lowercased), "title": changed(\.titled),
    "capitalize": changed(\.capitalized),
    "replace": { machine, text, arguments in
      let given = try arguments.ordered("old", "new", "count")
      return try machine.replaced(text, given[0], given[1], given[2])
    },
    "find": finding(fromEnd: false, isStrict: false), "rfind": finding(fromEnd: true, isStrict: false),
    "index": finding(fromEnd: false, isStrict: true), "rindex": finding(fromEnd: true, isStrict: true),
    "count": { _, text, arguments in
      guard let part = try arguments.ordered("part")[0].text("the part") else {
        throw Failure.value("no text to count")
      }
      return .int(text.occurrences(of: part))
    },
    "join": { machine, text, arguments in
      guard let list = try arguments.ordered("parts")[0] else { throw Failure.value("nothing is joined") }
      let parts = try machine.elements(of: list)
      guard parts.allSatisfy({ $0.text != nil }) else { throw Failure.value("what is joined is to be texts") }
      return .text(try machine.joined(parts, text))
    },
    "format": { machine, text, arguments in .text(try TextFormat.filled(text, arguments, machine)) },
    "removeprefix": { _, text, arguments in
      let part = try arguments.ordered("prefix")[0].text("prefix") ?? ""
      return .text(text.hasPrefix(part) ? Text(bytes: text.bytes.dropFirst(part.bytes.count)) : text)
    },
    "removesuffix": { _, text, arguments in
      let part = try arguments.ordered("suffix")[0].text("suffix") ?? ""
      return .text(text.hasSuffix(part) ? Text(bytes: text.bytes.dropLast(part.bytes.count)) : text)
    },
    "partition": parting(fromEnd: false), "rpartition": parting(fromEnd: true), "isdigit": characters(isDigit),
    "isspace": characters(Text.isSpace), "isalpha": characters(isLetter),
    "isalnum": characters { isLetter($0) || isDigit($0) || $0.properties.numericType != nil },
    "islower": { _, text, _ in .bool(Tests.isLower(text)) }, "isupper": { _, text, _ in .bool(Tests.isUpper(text)) },
  ]
}

extension Machine {
  /// A text with a part in place of another.
  func replaced(_ text: Text, _ old: Value?, _ new: Value?, _ count: Value?) throws -> Value {
    guard let old = try old.text("what is replaced"), let new = try new.text("what it is replaced with") else {
      throw Failure.value("a text is replaced, and what with is not said")
    }
    let limit = try count.integer("count") ?? -1
    let times = min(text.occurrences(of: old), limit < 0 ? .max : limit)
    let (size, isOver) = times.multipliedReportingOverflow(by: new.bytes.count)
    try charge(bytes: isOver || size > Limits.text ? .max : text.bytes.count + size)
    return .text(text.replacing(old, with: new, limit: limit))
  }

  /// Texts of values, with another between them.
  func joined(_ parts: [Value], _ separator: Text) throws -> Text {
    var result: [UInt8] = []
    for (number, part) in parts.enumerated() {
      let text = try self.text(of: part)
      let size = result.count + separator.bytes.count + text.bytes.count
      try charge(bytes: size > Limits.text ? .max : separator.bytes.count + text.bytes.count)
      if number > 0 { result += separator.bytes }
      result += text.bytes
    }
    return Text(bytes: result)
  }
}
