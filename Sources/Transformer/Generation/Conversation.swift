// BELLE's prompt form: `Human: …`, an empty line, `Assistant:`; turns follow each other with an empty line between them.
// Source: BELLE, README and train/; the same form that calibration data is wrapped in.

/// A conversation with a model, as the text that it was trained on.
public struct Conversation: Sendable, Equatable {
  /// Where the model must stop, should it write the user's next turn itself.
  public static let stop = "\n\nHuman:"

  /// The turns so far.
  public private(set) var text = ""

  /// Nothing said yet.
  public init() {}

  /// Adds what the user says; the text now ends where the model answers.
  public mutating func ask(_ question: String) {
    text += (text.isEmpty ? "" : "\n\n") + "Human: " + question + "\n\nAssistant:"
  }

  /// Adds what the model answered.
  public mutating func answer(_ answer: String) { text += answer }
}
