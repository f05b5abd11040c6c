// Numbers as people read them on a page: three digits, with a unit; and the round numbers of an axis.

import ByteIO
import Foundation

/// How numbers are worded.
package enum Numbers {
  /// Three significant digits: `0.0123`, `1.23`, `1230`, `1.2e-5`.
  package static func short(_ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "NaN" : value > 0 ? "∞" : "−∞" }
    let size = value.magnitude
    if size == 0 { return "0" }
    if size < 1e-4 || size >= 1e6 {
      let exponent = Int(log10(size).rounded(.down))
      let mantissa = value / pow(10, Double(exponent))
      return minus(trimmed(fixed(mantissa, 2))) + "e" + minus("\(exponent)")
    }
    let digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : size >= 0.01 ? 4 : 5
    return minus(trimmed(fixed(value, digits)))
  }

  /// A share as a percentage.
  package static func percent(_ share: Double) -> String { short(100 * share) + " %" }

  /// A count with its thousands apart: `12 345`.
  package static func count(_ value: Int) -> String {
    let digits = "\(value.magnitude)"
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text.append("\u{202F}") }
      text.append(digit)
    }
    return (value < 0 ? "−" : "") + text
  }

  /// A large count, as of weights: `6.74 billion`.
  package static func large(_ value: Int) -> String {
    for (size, word) in [(1e12, "trillion"), (1e9, "billion"), (1e6, "million")] where Double(value) >= size {
      return short(Double(value) / size) + " " + word
    }
    return count(value)
  }

  /// 75 as `1 min 15 s`.
  package static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "?" }
    if seconds < 10 { return fixed(seconds, 1) + " s" }
    let whole = Int(seconds.rounded(.up))
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole / 60 % 60) min"
  }

  private static func minus(_ text: String) -> String { text.hasPrefix("-") ? "−" + text.dropFirst() : text }

  private static func trimmed(_ text: String) -> String {
    guard text.contains(".") else { return text }
    var kept = text[...]
    while kept.hasSuffix("0") { kept.removeLast() }
    if kept.hasSuffix(".") { kept.removeLast() }
    return String(kept)
  }
}

/// An axis: where values lie between 0 and 1, and which are labelled.
struct Axis {
  /// The least and the greatest value that have a place.
  let range: ClosedRange<Double>
  /// Whether equal steps are equal ratios.
  let isLogarithmic: Bool
  /// The values that are labelled.
  let ticks: [Double]

  /// An axis for values; of equal ratios where that is allowed, all are above zero and the greatest is many times the least.
  ///
  /// - Parameters:
  ///   - values: those that are finite count.
  ///   - includesZero: whether an axis of equal steps begins at zero.
  init(_ values: some Sequence<Double>, mayBeLogarithmic: Bool = false, includesZero: Bool = true, count: Int = 5) {
    var (least, greatest) = (Double.infinity, -Double.infinity)
    for value in values where value.isFinite { (least, greatest) = (min(least, value), max(greatest, value)) }
    if least > greatest { (least, greatest) = (0, 1) }
    if mayBeLogarithmic, least > 0, greatest / least > 30 {
      isLogarithmic = true
      let decades = Int(log10(least).rounded(.down))...Int(log10(greatest).rounded(.up))
      range = pow(10, Double(decades.lowerBound))...pow(10, Double(decades.upperBound))
      let step = max(1, (decades.count + count - 1) / (count + 1))
      ticks = stride(from: decades.lowerBound, through: decades.upperBound, by: step).map { pow(10, Double($0)) }
      return
    }
    isLogarithmic = false
    if includesZero { (least, greatest) = (min(0, least), max(0, greatest)) }
    if least == greatest { (least, greatest) = least == 0 ? (0, 1) : (least - least.magnitude, greatest + greatest.magnitude) }
    let step = Self.round((greatest - least) / Double(max(1, count)))
    let first = (least / step + 1e-9).rounded(.down)
    let last = max(first + 1, (greatest / step - 1e-9).rounded(.up))
    range = first * step...last * step
    ticks = (0...Int(min(last - first, 40))).map { (first + Double($0)) * step }
  }

  /// An axis of whole numbers, such as layers: labels are whole, too.
  init(whole bounds: ClosedRange<Int>, count: Int = 8) {
    isLogarithmic = false
    let upper = max(bounds.upperBound, bounds.lowerBound + 1)
    range = Double(bounds.lowerBound)...Double(upper)
    let step = max(1, Int(Self.round(Double(upper - bounds.lowerBound) / Double(count)).rounded(.up)))
    ticks = stride(from: bounds.lowerBound, through: bounds.upperBound, by: step).map(Double.init)
  }

  /// A round number near a step: 1, 2, 2.5 or 5 times a power of ten, not below it.
  private static func round(_ step: Double) -> Double {
    guard step.isFinite, step > 0 else { return 1 }
    let power = pow(10, log10(step).rounded(.down))
    return ([1, 2, 2.5, 5, 10].first { $0 * power >= step * 0.999 } ?? 10) * power
  }

  /// Where a value lies, from 0 to 1; what lies outside is put at the end.
  func place(_ value: Double) -> Double {
    guard value.isFinite else { return value > 0 ? 1 : 0 }
    let (low, high) = (range.lowerBound, range.upperBound)
    let share =
      isLogarithmic ? (log10(max(value, low)) - log10(low)) / (log10(high) - log10(low)) : (value - low) / (high - low)
    return min(1, max(0, share))
  }
}
