// What whoever opens a model says of it, because its file does not.

/// Measures that are said from outside.
package struct StatedMeasures: Sendable, Equatable {
  /// The epsilon of the norms.
  package var epsilon: Float?
  /// The length of text that the model was made for.
  package var contextLength: Int?

  /// Measures; nothing by default.
  package init(epsilon: Float? = nil, contextLength: Int? = nil) {
    (self.epsilon, self.contextLength) = (epsilon, contextLength)
  }

  /// Whether nothing is said.
  package var isEmpty: Bool { self == StatedMeasures() }
}
