// Strings of JSON as text: RFC 8259, section 7, with the short escapes where there are some; the same that serde_json and
// Python's json write.

/// A text as a JSON string, in its quotes: only what must be escaped is.
///
/// - Parameter isASCII: whether characters beyond ASCII, and DEL, are escaped too, as Python's `ensure_ascii` does.
package func jsonString(_ text: some StringProtocol, isASCII: Bool = false) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case "\r": result += "\\r"
    case "\t": result += "\\t"
    case "\u{8}": result += "\\b"
    case "\u{C}": result += "\\f"
    case _ where scalar.value < 0x20 || isASCII && scalar.value >= 0x7F:
      for unit in String(scalar).utf16 {
        let digits = String(unit, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
