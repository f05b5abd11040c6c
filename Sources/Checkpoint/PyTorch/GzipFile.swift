// A whole gzip file, decompressed in memory or in parts: several members one after the other are one text, as gzip(1)
// says.
// Source: RFC 1952; zlib.h. Refused: what does not inflate, ends too early or becomes larger than it may.

import ByteIO
import CZlib

/// Texts that gzip has compressed.
package enum GzipFile {
  /// What came out.
  package enum Contents: Sendable {
    /// All of it.
    case bytes([UInt8])
    /// More than it may.
    case tooLarge
    /// Something that is no gzip, from a byte of the file on, or the beginning of one.
    case broken(at: Int)
  }

  private static let partSize = 256 << 10

  /// Decompresses a file.
  ///
  /// - Parameters:
  ///   - file: begins as gzip does.
  ///   - limit: the most bytes that may come out.
  /// - Throws: ``ByteIOError`` where it cannot be read.
  package static func contents(of file: InputFile, limit: Int) throws(ByteIOError) -> Contents {
    var text: [UInt8] = []
    let end = try read(file) { part in
      guard text.count + part.count <= limit else { return false }
      text += part
      return true
    }
    return end == .stopped ? .tooLarge : end.fault.map { .broken(at: $0) } ?? .bytes(text)
  }

  /// How a file was read.
  package enum End: Sendable, Equatable {
    /// All of it.
    case whole
    /// Up to where whoever took it had enough.
    case stopped
    /// Something is no gzip, from a byte of the file on, or the beginning of one.
    case broken(at: Int)

    /// Where it is broken; nil where it is not.
    package var fault: Int? { if case .broken(let place) = self { place } else { nil } }
  }

  /// Decompresses a file in parts.
  ///
  /// - Parameters:
  ///   - file: begins as gzip does.
  ///   - take: gets what came out, in order; false where it wants no more.
  /// - Throws: ``ByteIOError`` where it cannot be read.
  package static func read(
    _ file: any ByteSource, _ take: (ArraySlice<UInt8>) throws(ByteIOError) -> Bool
  ) throws(ByteIOError) -> End {
    var stream = unsafe z_stream()
    // 16: gzip's header and nothing else.
    guard unsafe inflateInit2_(&stream, 15 + 16, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      return .broken(at: 0)
    }
    defer { unsafe inflateEnd(&stream) }
    var part = [UInt8](repeating: 0, count: partSize)
    var status = Z_OK
    var at = 0
    while at < file.size {
      var input = try file.bytes(at: at, count: min(partSize, file.size - at))
      var taken = 0
      while taken < input.count {
        // The next member; zeros behind the last one fill up a tape's block.
        if status == Z_STREAM_END {
          if input[taken] == 0 {
            guard input[taken...].allSatisfy({ $0 == 0 }) else { return .broken(at: at + taken) }
            break
          }
          status = unsafe inflateReset(&stream)
        }
        let (used, made) = unsafe inflate(&input, taken, into: &part, &stream, &status)
        taken += used
        guard try take(part[..<made]) else { return .stopped }
        let isWell = status == Z_OK || status == Z_BUF_ERROR || status == Z_STREAM_END
        guard isWell, used > 0 || made > 0 || status == Z_STREAM_END else { return .broken(at: at + taken) }
      }
      at += input.count
    }
    return status == Z_STREAM_END ? .whole : .broken(at: file.size)
  }

  private static func inflate(
    _ input: inout [UInt8], _ start: Int, into output: inout [UInt8], _ stream: inout z_stream, _ status: inout Int32
  ) -> (used: Int, made: Int) {
    // SAFETY: zlib reads `input` and writes `output` within the counts given, during the closures only.
    unsafe input.withUnsafeMutableBufferPointer { input in
      unsafe output.withUnsafeMutableBufferPointer { output in
        let (inputCount, outputCount) = (input.count - start, output.count)
        unsafe stream.next_in = input.baseAddress.map { unsafe $0 + start }
        unsafe stream.avail_in = UInt32(inputCount)
        unsafe stream.next_out = output.baseAddress
        unsafe stream.avail_out = UInt32(outputCount)
        status = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
        return unsafe (inputCount - Int(stream.avail_in), outputCount - Int(stream.avail_out))
      }
    }
  }
}
