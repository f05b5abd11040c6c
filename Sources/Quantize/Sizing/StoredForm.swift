// What a module's weights can be stored as: one of the forms that a choice is made among.

/// A form that a module's weights can have in a format: a type of blocks, or bits and groups.
package struct StoredForm: Sendable, Hashable {
  /// What it is called: `Q4_K`; `4 bits, groups of 128`.
  package let name: String
  /// What a weight can be in it.
  package let grid: Grid

  package static func == (one: StoredForm, other: StoredForm) -> Bool { one.name == other.name }
  package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}
