// Small questions to texts and their names, which those who read them share.

import ByteIO

/// What a file's name says of the text in it.
enum TextName {
  /// Whether it says that it holds JSON or JSON Lines.
  static func isJSON(_ path: String) -> Bool { plain(path).hasSuffix(".json") || isJSONLines(path) }

  /// Whether it says that it holds JSON Lines.
  static func isJSONLines(_ path: String) -> Bool { [".jsonl", ".ndjson"].contains(where: plain(path).hasSuffix) }

  /// Whether it says that it holds a table.
  static func isTable(_ path: String) -> Bool { [".csv", ".tsv"].contains(where: plain(path).hasSuffix) }

  /// The name in lower case, without gzip's ending.
  private static func plain(_ path: String) -> String {
    let name = path.lowercased()
    return name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
  }
}

/// Whether a part of a text is sound: UTF-8 without zeros.
func isSoundText(_ part: ArraySlice<UInt8>) -> Bool {
  !part.contains(0) && String(validating: part, as: UTF8.self) != nil
}

/// Whether a byte is one of JSON's spaces.
func isJSONSpace(_ byte: UInt8) -> Bool { [0x20, 0x0A, 0x0D, 0x09].contains(byte) }

/// Where a value in an array or object ends: at the comma or bracket behind it; nil where there is none.
func jsonValueEnd(_ bytes: ArraySlice<UInt8>, _ start: Int) -> Int? {
  var depth = 0
  var isText = false
  var at = start
  while at < bytes.endIndex {
    let byte = bytes[at]
    if isText {
      if byte == UInt8(ascii: "\\") { at += 1 } else if byte == UInt8(ascii: "\"") { isText = false }
    } else {
      switch byte {
      case UInt8(ascii: "\""): isText = true
      case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        if depth == 0 { return at }
        depth -= 1
      case UInt8(ascii: ",") where depth == 0: return at
      default: break
      }
    }
    at += 1
  }
  return nil
}
