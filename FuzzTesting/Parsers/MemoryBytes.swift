// A file that is an array; reads past its end are refused as a file's are.

import ByteIO

/// Bytes in memory, as a file.
public struct MemoryBytes: ByteSource {
  /// What messages call it.
  public let path: String
  /// How many bytes there are.
  public var size: Int { bytes.count }

  private let bytes: [UInt8]

  /// A file of some bytes.
  public init(_ bytes: [UInt8], _ path: String) {
    self.bytes = bytes
    self.path = path
  }

  /// Copies bytes out.
  public func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
    let count = buffer.byteCount
    guard offset >= 0, offset <= bytes.count, count <= bytes.count - offset else {
      throw ByteIOError(.shrank, file: path, place: "byte \(bytes.count)", reason: "the file ended here")
    }
    // SAFETY: both have `count` bytes from where they begin.
    unsafe buffer.withUnsafeMutableBytes { target in
      unsafe bytes.withUnsafeBytes { source in
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[offset..<offset + count]))
      }
    }
  }
}
