// The frequencies of rotary positions, by the model's scaling: RotaryScaling.swift.

extension ModelConfiguration {
  /// The angle a position adds, for each pair of the part of a head that is turned.
  ///
  /// - Parameters:
  ///   - length: of the text, in tokens: some scalings are others for long texts.
  ///   - isLocal: whether they are those of the layers with a window.
  package func rotaryFrequencies(length: Int, isLocal: Bool = false) -> [Float] {
    let (base, scaling) =
      isLocal
      ? (localRotaryBase ?? rotaryBase, localRotaryBase == nil ? rotaryScaling : .none)
      : (rotaryBase, rotaryScaling)
    return scaling.frequencies(base: base, width: rotaryWidth, length: length).map { Float($0) }
  }

  /// What cosines and sines are multiplied by.
  package func rotaryMagnitude(isLocal: Bool) -> Double {
    isLocal && localRotaryBase != nil ? 1 : rotaryScaling.magnitude
  }

  /// Whether a text that grows from one length to another has to be read again from its beginning, for its earlier positions
  /// are turned otherwise then.
  ///
  /// Source: transformers, models/phi3 (generation begins with an empty cache there).
  package func mustReread(from length: Int, to other: Int) -> Bool {
    family.positions == .rotary && rotaryScaling.differs(between: length, and: other)
  }
}
