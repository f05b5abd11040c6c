// The CRC-32 of zip's members: by the kernel where the processor has one for it, by zlib otherwise.

import CBelleKernels
import CZlib

/// CRC-32 as zip has it.
enum CRC32 {
  /// The CRC-32 of some bytes.
  static func of(_ bytes: [UInt8]) -> UInt32 { unsafe of(bytes.span.bytes, after: 0) }

  /// The CRC-32 of some bytes and those before them.
  ///
  /// - Parameters:
  ///   - crc: of those before; 0 for none.
  ///   - variant: what the kernel runs on.
  static func of(
    _ part: RawSpan, after crc: UInt32, on variant: belle_variant = belle_best_variant()
  ) -> UInt32 {
    // SAFETY: kernel and zlib read the span's bytes, no more.
    unsafe part.withUnsafeBytes { bytes in
      guard let start = unsafe bytes.bindMemory(to: UInt8.self).baseAddress else { return crc }
      var crc = crc
      let done = unsafe belle_crc32_fold(variant, &crc, start, bytes.count)
      return UInt32(truncatingIfNeeded: unsafe crc32_z(UInt(crc), start + done, z_size_t(bytes.count - done)))
    }
  }
}
