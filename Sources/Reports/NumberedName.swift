// Names of tensors and modules that differ in numbers only: `model.layers.0.mlp.up_proj`, `….1.…`. A layer is what the first
// number of a name says; nothing is known here of architectures.

/// A name, taken apart at its numbers.
package struct NumberedName: Sendable {
  /// The name with `*` in place of each number that is a part of it by itself.
  package let pattern: String
  /// The numbers, in their order.
  package let numbers: [Int]

  /// Takes a name apart. A number stands between dots, in digits that no other number of that value has.
  package init(_ name: String) {
    guard name.utf8.contains(where: { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      (pattern, numbers) = (name, [])
      return
    }
    var numbers: [Int] = []
    pattern = name.split(separator: ".", omittingEmptySubsequences: false).map { part in
      guard let number = Self.number(part) else { return String(part) }
      numbers.append(number)
      return "*"
    }.joined(separator: ".")
    self.numbers = numbers
  }

  /// The layer; nil for what belongs to none.
  package var layer: Int? { numbers.first }

  /// The value of digits that are written as this program would write it.
  private static func number(_ part: Substring) -> Int? {
    guard (1...9).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      part.utf8.count == 1 || part.utf8.first != 0x30
    else { return nil }
    return Int(part)
  }

  /// Numbers in few words: `0..31`, `0..3,7`.
  package static func ranges(_ numbers: [Int]) -> String {
    var ranges: [ClosedRange<Int>] = []
    for number in Set(numbers).sorted() {
      if let last = ranges.last, last.upperBound + 1 == number {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)..\($0.upperBound)" }
      .joined(separator: ",")
  }

  /// Patterns without what all of them that have a number begin with up to it: `mlp.up_proj` for `model.layers.*.mlp.up_proj`.
  package static func shortened(_ patterns: some Sequence<String>) -> [String: String] {
    let all = Set(patterns)
    let heads = Set(
      all.compactMap { pattern in pattern.firstRange(of: "*.").map { String(pattern[..<$0.upperBound]) } })
    let head = heads.count == 1 ? heads.first ?? "" : ""
    var short: [String: String] = [:]
    for pattern in all { short[pattern] = pattern.hasPrefix(head) ? String(pattern.dropFirst(head.count)) : pattern }
    guard Set(short.values).count == all.count else { return Dictionary(uniqueKeysWithValues: all.map { ($0, $0) }) }
    return short
  }
}

/// Names of one pattern, as one: those whose numbers fill a box.
package enum NameFolding {
  /// One line for several names.
  package struct Line: Sendable, Equatable {
    /// The name, with the numbers that it stands for in braces: `layers.{0..31}.up_proj`.
    package let name: String
    /// The numbers of the names, in their order.
    package let indices: [Int]

    /// A line.
    package init(name: String, indices: [Int]) { (self.name, self.indices) = (name, indices) }
  }

  /// What the names of a line have in common.
  private struct Key: Hashable {
    let pattern: String
    let trait: String
  }

  /// Folds names.
  ///
  /// - Parameters:
  ///   - count: how many names there are.
  ///   - name: the name of a number.
  ///   - trait: what names must have in common besides, to be one line.
  /// - Returns: the lines, in the order of their first names; each name is in one of them.
  package static func lines(_ count: Int, name: (Int) -> String, trait: (Int) -> String) -> [Line] {
    var groups: [Key: [(index: Int, numbers: [Int])]] = [:]
    var order: [Key] = []
    for index in 0..<count {
      let parts = NumberedName(name(index))
      let key = Key(pattern: parts.pattern, trait: trait(index))
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append((index, parts.numbers))
    }
    var lines: [Line] = []
    for key in order {
      guard let members = groups.removeValue(forKey: key) else { continue }
      lines += fold(members, of: key.pattern)
    }
    return lines.sorted { $0.indices[0] < $1.indices[0] }
  }

  private static func fold(_ members: [(index: Int, numbers: [Int])], of pattern: String) -> [Line] {
    let places = members[0].numbers.indices
    let values = places.map { place in Set(members.map { $0.numbers[place] }) }
    // Where every combination is there, one line says all; names of two tensors are never the same.
    var product = 1
    for set in values {
      let (next, overflow) = product.multipliedReportingOverflow(by: set.count)
      product = overflow ? .max : next
    }
    if product == members.count || places.count <= 1 {
      return [Line(name: filled(pattern, values.map { Array($0) }), indices: members.map(\.index))]
    }
    // Otherwise over the first number alone, for each choice of the others.
    var groups: [[Int]: [(index: Int, numbers: [Int])]] = [:]
    for member in members { groups[Array(member.numbers.dropFirst()), default: []].append(member) }
    return groups.values.map { part in
      let firsts = part.map { $0.numbers[0] }
      return Line(
        name: filled(pattern, [firsts] + part[0].numbers.dropFirst().map { [$0] }), indices: part.map(\.index))
    }
  }

  private static func filled(_ pattern: String, _ values: [[Int]]) -> String {
    var rest = values[...]
    return pattern.split(separator: ".", omittingEmptySubsequences: false).map { part in
      guard part == "*", let numbers = rest.popFirst() else { return String(part) }
      return Set(numbers).count == 1 ? "\(numbers[0])" : "{\(NumberedName.ranges(numbers))}"
    }.joined(separator: ".")
  }
}
