// What every template can call. Sources: Jinja 3.1, defaults.py; transformers, utils/chat_template_utils.py
// (`raise_exception`, `strftime_now`).

import Foundation

/// Functions by their names.
enum Functions {
  /// A function; nil for none.
  static func global(_ name: String) -> Value? {
    if let body = all[name] { return .function(Value.Function(name: name, body: body)) }
    guard ["cycler", "joiner", "lipsum", "self"].contains(name) else { return nil }
    return .function(Value.Function(name: name) { _, _ in throw Failure.unsupported("\(name)()") })
  }

  private static let all: [String: @Sendable (Machine, Arguments) throws -> Value] = [
    "range": range, "namespace": namespace, "dict": { .mapping(try mapping($0, $1)) },
    "raise_exception": { machine, arguments in
      let message = try arguments.ordered("message")[0].map { try machine.text(of: $0) } ?? ""
      throw Failure(.raised, String(message.string.prefix(2000)))
    },
    "strftime_now": { machine, arguments in
      guard let format = try arguments.ordered("format")[0].text("the format") else {
        throw Failure.value("strftime_now needs a format")
      }
      try machine.charge(bytes: format.bytes.count)
      return .string(try time(machine.now, format.string))
    },
  ]

  private static let range: @Sendable (Machine, Arguments) throws -> Value = { machine, arguments in
    let given = try arguments.positional.map { value in
      guard let number = value.integer else { throw Failure.value("range of \(value.kind)") }
      return number
    }
    guard (1...3).contains(given.count), arguments.named.isEmpty else {
      throw Failure.value("range takes 1 to 3 numbers")
    }
    let (start, end) = given.count == 1 ? (0, given[0]) : (given[0], given[1])
    let step = given.count == 3 ? given[2] : 1
    guard step != 0 else { throw Failure.value("the step of a range is 0") }
    let bound = 1 << 40
    guard [start, end, step].allSatisfy({ (-bound...bound).contains($0) }) else {
      throw Failure(.limit, "a range of such numbers")
    }
    let distance = step > 0 ? end - start : start - end
    let count = distance <= 0 ? 0 : (distance - 1) / abs(step) + 1
    guard count <= Limits.range else { throw Failure(.limit, "a range of more than \(Limits.range) numbers") }
    return try machine.sequence(.range, (0..<count).map { .int(start + $0 * step) })
  }

  private static func mapping(_ machine: Machine, _ arguments: Arguments) throws -> Value.Mapping {
    var mapping = Value.Mapping()
    guard arguments.positional.count <= 1 else { throw Failure.value("a dictionary is made of one other at most") }
    if let first = arguments.positional.first {
      if case .mapping(let other) = first {
        mapping = other
      } else {
        for pair in try machine.elements(of: first) {
          let parts = try machine.elements(of: pair)
          guard parts.count == 2 else { throw Failure.value("a dictionary is made of pairs") }
          try mapping.set(parts[0], parts[1])
        }
      }
    }
    for (name, value) in arguments.named {
      guard value.isData else { throw Failure.unsupported("\(value.kind) as part of a dictionary") }
      try mapping.set(.string(name), value)
    }
    guard mapping.depth <= Limits.valueDepth else { throw Failure(.limit, "dictionaries in each other, too deep") }
    return mapping
  }

  private static let namespace: @Sendable (Machine, Arguments) throws -> Value = { machine, arguments in
    let namespace = try machine.namespace()
    for (key, value) in try mapping(machine, arguments).entries {
      guard let name = key.text else { throw Failure.value("a name in a namespace is to be a text") }
      try namespace.set(name.string, value)
    }
    return .namespace(namespace)
  }

  /// The time here, in the words of a format of C's. Python knows of no zone there, and of parts of a second.
  private static func time(_ now: Date, _ format: String) throws -> String {
    guard format.utf8.count <= 1000, !format.utf8.contains(0) else {
      throw Failure(.limit, "a format of so many bytes")
    }
    var plain = ""
    var rest = Substring(format)
    while let sign = rest.popFirst() {
      guard sign == "%", let letter = rest.first else {
        plain.append(sign)
        continue
      }
      rest.removeFirst()
      switch letter {
      case "z", "Z": break
      case "f":
        let part = Int((now.timeIntervalSince1970 - now.timeIntervalSince1970.rounded(.down)) * 1e6)
        plain += String(format: "%06d", min(part, 999_999))
      default: plain += "%" + String(letter)
      }
    }
    guard !plain.isEmpty else { return "" }
    var seconds = time_t(now.timeIntervalSince1970)
    var parts = unsafe tm()
    var buffer = [CChar](repeating: 0, count: 16 << 10)
    // SAFETY: both pointers are to variables of here; strftime writes no more than the size that it is told, with a zero.
    let count = unsafe buffer.withUnsafeMutableBufferPointer { buffer in
      unsafe localtime_r(&seconds, &parts)
      guard let start = buffer.baseAddress else { return 0 }
      return unsafe strftime(start, buffer.count, plain, &parts)
    }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
