import Testing

@testable import Checkpoint

/// The expected texts are Python's: `str(n)`, and `repr` of bytes but for its letters \\t, \\n and \\r.
@Suite("What a setting says") struct SettingTextTests {
  @Test(
    "integers of any size that is written out are written in decimal",
    arguments: [
      ([0, 0, 0, 0, 0, 0, 0, 0, 1], "18446744073709551616"), ([0, 0, 0, 0, 0, 0, 0, 0, 0xFF], "-18446744073709551616"),
      ([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF], "-9223372036854775809"),
      ([0, 0, 0, 0, 0, 0, 0, 0x80, 0], "9223372036854775808"),
      ([0, 0, 0, 0x40, 0xEA, 0xED, 0x74, 0x46, 0xD0, 0x9C, 0x2C, 0x9F, 0x0C], "1000000000000000000000000000000"),
      ([UInt8](repeating: 0xFF, count: 12) + [0], "79228162514264337593543950335"),
      ([UInt8](repeating: 0xFF, count: 9), "-1"), ([], "0"),
    ] as [([UInt8], String)])
  func integers(little: [UInt8], text: String) {
    #expect(SettingText(.bigInteger(little))?.text == text)
    #expect(SettingText(.bigInteger(little))?.isWhole == true)
  }

  @Test("bytes are written as Python writes them, each")
  func bytes() {
    let text = SettingText(.bytes([0x00, 0x41, 0x27, 0x5C, 0x7F, 0xFF, 0x20]))?.text
    #expect(text == #"b'\x00A\'\\\x7f\xff '"#)
  }

  @Test("what is too long is told by its size, and is not whole", arguments: [1024, 1025])
  func long(count: Int) {
    let bytes = [UInt8](repeating: 1, count: count)
    for node in [PickleNode.bytes(bytes), .bigInteger(bytes)] {
      let setting = SettingText(node)
      #expect(setting?.isWhole == (count <= SettingText.writtenLimit))
      #expect(setting?.text.contains("\(count) bytes") == (count > SettingText.writtenLimit))
    }
  }
}
