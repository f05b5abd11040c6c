// The lines that inspect lists: which tensors, in which order, and which of them in one line.

import ByteIO
import Checkpoint
import Reports

/// Tensors of a checkpoint in lines.
struct TensorList {
  /// By what lines are ordered.
  enum Order: String, CaseIterable { case name, size, type }

  /// Some tensors in one line.
  struct Line {
    /// The name, folded where there are several.
    let name: String
    /// The numbers of the tensors.
    let indices: [Int]
    /// One of them; the others have its type and its shape.
    let first: TensorInfo
    /// The bytes of all of them.
    let bytes: Int

    /// The name, and how many there are.
    var title: String { displayName(name) + (indices.count > 1 ? " × \(indices.count)" : "") }
  }

  /// The lines.
  let lines: [Line]
  /// How many tensors they stand for.
  let count: Int

  /// The lines of a source.
  ///
  /// - Parameters:
  ///   - patterns: those that names must fit one of; none for all.
  ///   - folds: whether tensors that differ in the numbers of their names only are one line.
  ///   - order: by what lines are ordered; nil for the file's order.
  init(_ source: any TensorSource, patterns: [String], folds: Bool, order: Order?) {
    let tensors = source.tensors
    let wanted =
      patterns.isEmpty
      ? Array(tensors.indices) : tensors.indices.filter { Self.fits(tensors[$0].name, patterns) }
    count = wanted.count
    let folded =
      folds
      ? NameFolding.lines(wanted.count) { tensors[wanted[$0]].name } trait: { place in
        let info = tensors[wanted[place]]
        return "\(info.typeName) \(info.shape) \(info.byteCount) \(info.unread == nil)"
      }
      : wanted.indices.map { NameFolding.Line(name: tensors[wanted[$0]].name, indices: [$0]) }
    let lines = folded.map { line in
      let first = tensors[wanted[line.indices[0]]]
      return Line(
        name: line.name, indices: line.indices.map { wanted[$0] }, first: first,
        bytes: first.byteCount * line.indices.count)
    }
    self.lines = order.map { Self.sorted(lines, by: $0) } ?? lines
  }

  /// Lines by size the largest first, by name or type in the order of letters; equal ones stay as they are.
  private static func sorted(_ lines: [Line], by order: Order) -> [Line] {
    lines.enumerated().sorted { one, other in
      let (first, second) = (one.element, other.element)
      switch order {
      case .size where first.bytes != second.bytes: return first.bytes > second.bytes
      case .name where first.name != second.name: return isBefore(first.name, second.name)
      case .type where first.first.typeName != second.first.typeName:
        return first.first.typeName < second.first.typeName
      default: return one.offset < other.offset
      }
    }.map(\.element)
  }

  /// Whether a name comes before another one: numbers by their value, `layers.9` before `layers.10`.
  private static func isBefore(_ one: String, _ other: String) -> Bool {
    let (first, second) = (one.split(separator: "."), other.split(separator: "."))
    for (a, b) in zip(first, second) where a != b {
      if let a = Int(a), let b = Int(b) { return a < b }
      return a < b
    }
    return first.count < second.count
  }

  /// Whether a name fits a shell's pattern, or contains a text that is none.
  private static func fits(_ name: String, _ patterns: [String]) -> Bool {
    patterns.contains { pattern in
      pattern.contains { "*?[".contains($0) } ? unsafe fnmatch(pattern, name, 0) == 0 : name.contains(pattern)
    }
  }
}
