// The reader of JSON from front to back.

import ByteIO
import Testing

@Suite("JSONReader") struct JSONReaderTests {
  @Test(
    "what is not JSON is refused",
    arguments: [
      "", "{", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "01", "1.", "--1", "+1", "\"\\x\"", "\"\\ud800\"", "\"\u{1}\"", "nul",
      "{} {}",
      "{\"a\":1,\"a\":2}", "\"abc", "{\"a\":1,\"\\u0061\":2}",
    ])
  func refused(text: String) {
    #expect(throws: JSONReader.Failure.self) {
      var json = try JSONReader(Array(text.utf8))
      try json.skip()
      try json.end()
    }
  }

  @Test("escapes and numbers come out right")
  func values() throws {
    var json = try JSONReader(Array("[\"\\ud83d\\ude00\\n\", -5, 0, 1e3, 18446744073709551616, true, null, [1]]".utf8))
    var values: [JSONReader.Scalar?] = []
    try json.array { values.append(try $0.scalar()) }
    try json.end()
    #expect(values == [.string("😀\n"), .integer(-5), .integer(0), .number, .number, .bool(true), .null, nil])
  }

  @Test("values are nested as deep as is permitted, and no deeper")
  func depth() throws {
    for (depth, isRead) in [(16, true), (17, false)] {
      let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
      var json = try JSONReader(Array(text.utf8), depthLimit: 16)
      #expect(((try? json.skip()) != nil) == isRead, "\(depth)")
    }
  }

  @Test("names of a large object are given as bytes, and may occur twice")
  func largeObject() throws {
    var json = try JSONReader(Array(#"{"a\u00e9": 1, "b": 2, "b": 3}"#.utf8))
    var members: [(String, Int)] = []
    try json.largeObject { json, name in
      guard case .integer(let value) = try json.scalar() else { return }
      members.append((String(decoding: name, as: UTF8.self), value))
    }
    #expect(members.map(\.0) == ["aé", "b", "b"] && members.map(\.1) == [1, 2, 3])
  }
}
