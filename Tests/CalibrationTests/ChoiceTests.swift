import Testing
import Transformer

@testable import Quantize

@Suite("Questions and windows that overlap") struct ChoiceTests {
  @Test("windows that overlap predict each token of each row once, from as many tokens as the stride leaves")
  func overlaps() {
    for rowLength in [2, 3, 7, 8, 9, 24, 25] {
      for length in 2...rowLength {
        for stride in 1...length {
          // A token says its row and its place.
          let rows = TokenWindows((0..<2 * rowLength).map { Int32($0 + 1) }, length: rowLength)
          let windows = TokenWindows(overlapping: rows, length: length, stride: stride)
          var predicted: [Int32] = []
          for window in 0..<windows.count {
            let tokens = windows.tokens[window * length..<(window + 1) * length]
            for place in windows.predicted(window) {
              let token = tokens[window * length + place]
              predicted.append(token)
              let before = Int(token - 1) % rowLength
              #expect(place >= min(before, length - stride) && place >= 1)
              // What stands before it is what stands before it in the row.
              #expect(tokens[window * length..<window * length + place].elementsEqual(
                  (token - Int32(place))..<token))
            }
          }
          // At a stride of the length nothing stands before a window's first token.
          let all = (0..<2 * rowLength).filter { place in
            place % rowLength > 0 && (stride < length || place % rowLength % length > 0)
          }
          #expect(predicted == all.map { Int32($0 + 1) }, "\(rowLength), \(length), \(stride)")
          #expect(windows.predictedCount == predicted.count)
          if windows.count > 1 { #expect(windows[1..<2].predicted(0) == windows.predicted(1)) }
        }
      }
    }
  }

  @Test(
    "tables are read as RFC 4180 has them",
    arguments: [
      ("a,b\n1,2\n", [["a", "b"], ["1", "2"]]), ("a,b\r\n1,2", [["a", "b"], ["1", "2"]]),
      ("a,\"b,\"\"\nc\"\n", [["a", "b,\"\nc"]]), ("a,\n,b\n", [["a", ""], ["", "b"]]), ("\n\na\n", [["a"]]),
      ("a,", [["a", ""]]), ("\"\",x", [["", "x"]]), ("a b,中\n", [["a b", "中"]]), ("", []), ("\"a\"\r\n\"b\"", [["a"], ["b"]]),
      ("a\"b,c", [["a\"b", "c"]]),
    ] as [(String, [[String]])])
  func tables(text: String, rows: [[String]]) throws {
    let found = try DelimitedText.rows(Array(text.utf8)[...], separator: UInt8(ascii: ","), file: "t.csv")
    #expect(found.map(\.fields) == rows)
  }

  @Test("standard errors are those of the mean, and there is none of a single value")
  func errors() throws {
    let moments = Moments([1, 2, 4, 9])
    #expect(moments.mean == 4)
    // Deviation √(38/3), over √4.
    #expect(abs(try #require(moments.error) - (38.0 / 3).squareRoot() / 2) < 1e-12)
    #expect(Moments([3]).error == nil && Moments([2, 2, 2]).error == 0)
  }
}
