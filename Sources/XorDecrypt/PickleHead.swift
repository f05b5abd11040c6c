// Whether the beginning of a decrypted checkpoint is garbled: a PyTorch zip's first member is `<root>/data.pkl`, and a
// wrong key that happens to agree with the right one in its first bytes (Llama-2 7B does, in 156) garbles the pickle.
// Only lexes: no opcode does anything. Opcodes: CPython, Lib/pickletools.py, protocols 0 to 5.

/// Looks at the first bytes of a plain file.
enum PickleHead {
  /// How many bytes are enough to tell.
  static let size = 16 << 10

  enum Verdict: Equatable {
    /// A zip whose `data.pkl` reads as a pickle, as far as the bytes go.
    case wellFormed
    /// A zip whose `data.pkl` is not a pickle; the value is the byte of the file where that shows.
    case garbled(at: Int)
    /// No zip that begins with a stored `data.pkl`: nothing can be said.
    case unknown
  }

  static func judge(_ head: [UInt8]) -> Verdict {
    func u16(_ at: Int) -> Int { Int(head[at]) | Int(head[at + 1]) << 8 }
    guard head.count >= 30, head.starts(with: [0x50, 0x4B, 3, 4]), u16(8) == 0 else { return .unknown }
    let nameEnd = 30 + u16(26)
    let start = nameEnd + u16(28)
    guard start < head.count, head[30..<nameEnd].ends(with: Array("/data.pkl".utf8)) else { return .unknown }
    if let byte = firstBadByte(head, from: start) { return .garbled(at: byte) }
    return .wellFormed
  }

  /// Where the bytes stop being a pickle; nil where they are one as far as they go.
  private static func firstBadByte(_ bytes: [UInt8], from start: Int) -> Int? {
    var at = start
    while at < bytes.count {
      let opcode = bytes[at]
      guard let argument = arguments[opcode] else { return at }
      var next = at + 1
      switch argument {
      case .none:
        if opcode == UInt8(ascii: ".") { return nil }
      case .fixed(let count):
        next += count
        if opcode == 0x80, next <= bytes.count, bytes[at + 1] > 5 { return at + 1 }
      case .counted(let width, let isText):
        guard next + width <= bytes.count else { return nil }
        var length = 0
        for index in (0..<width).reversed() {
          guard length < 1 << 40 else { return at }
          length = length << 8 | Int(bytes[next + index])
        }
        // A string of more than 64 MiB at the head of a checkpoint is a garbled length.
        guard length <= 64 << 20 else { return at }
        next += width
        let end = min(next + length, bytes.count)
        if isText, end == next + length, String(validating: bytes[next..<end], as: UTF8.self) == nil { return next }
        next += length
      case .lines(let count):
        // Names of modules and classes are text; old string opcodes may hold any byte.
        let isName = opcode == UInt8(ascii: "c") || opcode == UInt8(ascii: "i")
        for _ in 0..<count {
          guard let end = bytes[next...].firstIndex(of: 0x0A) else {
            return bytes.count - next > 4096 ? next : bytes[next...].firstIndex(where: isUnprintable)
          }
          if let bad = bytes[next..<end].firstIndex(where: isUnprintable) { return bad }
          if isName, String(validating: bytes[next..<end], as: UTF8.self) == nil { return next }
          next = end + 1
        }
      }
      at = next
    }
    return nil
  }

  private static func isUnprintable(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }

  private enum Argument {
    case none
    case fixed(Int)
    case counted(width: Int, isText: Bool)
    case lines(Int)
  }

  private static let arguments: [UInt8: Argument] = {
    var table: [UInt8: Argument] = [:]
    for opcode in "(.012NQRabde]}losut)".utf8 { table[opcode] = Argument.none }
    for opcode: UInt8 in [
      0x81, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8F, 0x90, 0x91, 0x92, 0x93, 0x94, 0x97, 0x98,
    ] { table[opcode] = Argument.none }
    for opcode in "FILPSVgp".utf8 { table[opcode] = .lines(1) }
    for opcode in "ci".utf8 { table[opcode] = .lines(2) }
    for (opcode, count) in [("J", 4), ("K", 1), ("M", 2), ("h", 1), ("j", 4), ("q", 1), ("r", 4), ("G", 8)] {
      for byte in opcode.utf8 { table[byte] = .fixed(count) }
    }
    for (opcode, count) in [(0x80, 1), (0x82, 1), (0x83, 2), (0x84, 4), (0x95, 8)] as [(UInt8, Int)] {
      table[opcode] = .fixed(count)
    }
    for (opcode, width, isText) in [
      (UInt8(ascii: "T"), 4, false), (UInt8(ascii: "U"), 1, false), (UInt8(ascii: "X"), 4, true),
      (UInt8(ascii: "B"), 4, false), (UInt8(ascii: "C"), 1, false), (0x8A, 1, false), (0x8B, 4, false),
      (0x8C, 1, true), (0x8D, 8, true), (0x8E, 8, false), (0x96, 8, false),
    ] { table[opcode] = .counted(width: width, isText: isText) }
    return table
  }()
}

extension ArraySlice<UInt8> {
  fileprivate func ends(with suffix: [UInt8]) -> Bool { self.suffix(suffix.count).elementsEqual(suffix) }
}
