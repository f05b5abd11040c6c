// What compressed bytes, told from the first of them: programs such as joblib decompress them and load what comes out.
// Two bytes are little proof: of gzip and zlib, whose bytes the length of a safetensors header may be, something must
// inflate. Sources: RFC 1950, 1952; LZMA SDK, lzma.txt; joblib/numpy_pickle_utils.py.

import ByteIO
import CZlib

enum Compression {
  private static let magics: [(name: String, bytes: [UInt8])] = [
    ("bzip2", Array("BZh".utf8)), ("xz", [0xFD] + Array("7zXZ".utf8)), ("lz4", [0x04, 0x22, 0x4D, 0x18]),
    ("lz4", [0x02, 0x21, 0x4C, 0x18]), ("zstd", [0x28, 0xB5, 0x2F, 0xFD]), ("lzip", Array("LZIP".utf8)),
    ("7z", Array("7z".utf8) + [0xBC, 0xAF]), ("rar", Array("Rar!".utf8) + [0x1A, 0x07]),
  ]

  /// What compressed a file, by its first bytes; nil where nothing did that is known.
  static func name(of head: [UInt8]) -> String? {
    if let magic = magics.first(where: { head.starts(with: $0.bytes) }) { return magic.name }
    if isZFile(head) { return "joblib" }
    if head.starts(with: [0x5D, 0]) { return isLZMA(head) ? "lzma" : nil }
    if head.starts(with: [0x1F, 0x8B, 8]), case let (outputCount, isSound) = inflates(head) {
      return outputCount > 0 || isSound ? "gzip" : nil
    }
    guard head.first == 0x78, case let (outputCount, isSound) = inflates(head) else { return nil }
    // Readers of zlib give nothing of a block that is not sound; what is to come out may come out later.
    return isSound && (outputCount > 0 || head.count >= FileKind.headSize) ? "zlib" : nil
  }

  /// joblib's own before 0.10: `ZF`, then 19 characters that Python's `int` takes for a hexadecimal number, then zlib.
  private static func isZFile(_ head: [UInt8]) -> Bool {
    guard head.count > 21, head.starts(with: "ZF".utf8) else { return false }
    return PickleText.integer(head[2..<21], radix: 16) != nil
  }

  /// LZMA without a container: properties, the size of the dictionary in four bytes, that of the contents in eight or -1,
  /// and the range coder's first byte, 0. Older decoders do not look at that one.
  private static func isLZMA(_ head: [UInt8]) -> Bool {
    guard head.count > 13 else { return false }
    let size = head[5..<13]
    return head[13] == 0 || size.allSatisfy { $0 == 0xFF } || size.suffix(3).allSatisfy { $0 == 0 }
  }

  /// How much comes out of the first bytes of a gzip or zlib stream, up to some, and whether they are sound.
  private static func inflates(_ head: [UInt8]) -> (outputCount: Int, isSound: Bool) {
    var stream = unsafe z_stream()
    // 32: by either header.
    guard unsafe inflateInit2_(&stream, 15 + 32, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      return (0, false)
    }
    defer { unsafe inflateEnd(&stream) }
    var input = head
    var output = [UInt8](repeating: 0, count: 64 << 10)
    var status = Z_OK
    var count = 0
    // SAFETY: zlib reads `input` and writes `output` within the counts given, during the closures only.
    unsafe input.withUnsafeMutableBufferPointer { input in
      unsafe stream.next_in = input.baseAddress
      unsafe stream.avail_in = UInt32(input.count)
      repeat {
        let made = unsafe output.withUnsafeMutableBufferPointer { output in
          unsafe stream.next_out = output.baseAddress
          unsafe stream.avail_out = UInt32(output.count)
          status = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
          return unsafe output.count - Int(stream.avail_out)
        }
        count += made
      } while unsafe status == Z_OK && stream.avail_out == 0
    }
    return (count, status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR)
  }
}
