// Texts of configurations: what was a float, an integer or one of Python's words stays one.

import ByteIO
import Foundation
import Testing

@Suite("Texts of configurations") struct JSONTextTests {
  @Test("floats without a fraction stay floats, integers stay integers, truths stay truths")
  func numbers() throws {
    let given = #"""
      {"cap": 30.0, "heads": 30, "list": [1.0, -2.0, 1, 0.5, true, false, null], "inner": {"theta": 1e4, "eps": 1e-06},
       "words": [NaN, -Infinity, Infinity], "text": "30.0"}
      """#
    var object = try #require(boundedJSONObject(Array(given.utf8)) as? [String: Any])
    object["made"] = 8.0
    object["count"] = 8
    let text = String(decoding: try jsonText(object), as: UTF8.self)
    let words = text.split { $0.isWhitespace || $0 == "," }.joined(separator: " ")
    #expect(
      words == #"""
        { "cap" : 30.0 "count" : 8 "heads" : 30 "inner" : { "eps" : 1e-06 "theta" : 10000.0 } \#
        "list" : [ 1.0 -2.0 1 0.5 true false null ] "made" : 8.0 "text" : "30.0" "words" : [ NaN -Infinity Infinity ] }
        """#)
  }
}
