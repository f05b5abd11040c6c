// Numbers as huggingface/tokenizers reads them. Its JSON reader rounds twice where a number has more digits than a double holds:
// the digits to a double, and then their quotient by a power of ten. Between ways to cut a word whose scores sum up alike the
// last bit decides, so these doubles and not the nearest ones are summed.
// Source: serde_json, de.rs (`parse_decimal`, `f64_from_parts`), as it is without the feature `float_roundtrip`.

extension Double {
  private static let powersOfTen = (0...308).map { Double("1e\($0)") ?? .infinity }

  /// A number of a `tokenizer.json`, as tokenizers holds it; nil for one that is too large.
  ///
  /// - Parameter json: a number as JSON spells it.
  init?(asTokenizersReads json: ArraySlice<UInt8>) {
    var digits = json.drop { $0 == UInt8(ascii: "-") }
    var significand: UInt64 = 0
    var exponent = 0
    // What no longer fits is left out.
    var (isFull, isFraction) = (false, false)
    while let byte = digits.first, byte == UInt8(ascii: ".") || (0x30...0x39).contains(byte) {
      digits = digits.dropFirst()
      if byte == UInt8(ascii: ".") {
        isFraction = true
        continue
      }
      let (tenfold, isOver) = significand.multipliedReportingOverflow(by: 10)
      let (sum, isOverToo) = tenfold.addingReportingOverflow(UInt64(byte - 0x30))
      isFull = isFull || isOver || isOverToo
      if !isFull { significand = sum }
      if isFull != isFraction { exponent += isFraction ? -1 : 1 }
    }
    if !digits.isEmpty {
      // Exponents beyond these make zero or no number of whatever stands before them.
      guard let power = Int(String(decoding: digits.dropFirst(), as: UTF8.self)) else { return nil }
      exponent += min(max(power, -1 << 20), 1 << 20)
    }
    var value = Double(significand)
    while exponent < -308, value != 0 {
      value /= Self.powersOfTen[308]
      exponent += 308
    }
    if value != 0 {
      guard exponent <= 308 else { return nil }
      value = exponent < 0 ? value / Self.powersOfTen[-exponent] : value * Self.powersOfTen[exponent]
    }
    guard value.isFinite else { return nil }
    self = json.first == UInt8(ascii: "-") ? -value : value
  }
}
