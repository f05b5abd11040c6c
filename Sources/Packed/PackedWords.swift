// Integers as little-endian streams of bits in 32-bit words: the door to the kernels in CBelleKernels/layout.c. Fields of
// 3 bits cross the words' borders.

import ByteIO
import CBelleKernels
import Synchronization

/// Integers in words.
package enum PackedWords {
  /// Words that so many integers take.
  package static func count(_ integers: Int, bits: Int) -> Int { (integers * bits + 31) / 32 }

  /// Rows of one piece of work.
  private static let strip = 256

  /// Packs `[rows, columns]` along the columns into words `[ceil(columns · bits / 32), rows]`.
  ///
  /// - Parameter threads: how many to use; the result does not depend on it.
  static func packed(_ integers: [UInt8], rows: Int, columns: Int, bits: Int, threads: Int = 1) -> [UInt32] {
    let count = count(columns, bits: bits) * rows
    guard count > 0 else { return [] }
    let pieces = (rows + strip - 1) / strip
    // SAFETY: each piece writes the words of its own rows, and the pieces cover all rows.
    return unsafe [UInt32](unsafeUninitializedCapacity: count) { buffer, initialized in
      unsafe integers.withUnsafeBufferPointer { source in
        guard let from = source.baseAddress, let to = buffer.baseAddress else { return }
        let shared = unsafe Shared(bytes: from, words: to)
        let next = Atomic<Int>(0)
        onSeveralThreads(min(threads, pieces)) {
          while true {
            let piece = next.add(1, ordering: .relaxed).oldValue
            guard piece < pieces else { return }
            unsafe belle_pack_inputs(
              shared.bytes, columns, rows, piece * strip, min(rows, (piece + 1) * strip), columns, UInt32(bits),
              shared.words)
          }
        }
      }
      initialized = count
    }
  }

  /// The way back, for some rows: `[rows, columns]`.
  package static func unpacked(
    _ words: [UInt32], ofRows part: Range<Int>, rows: Int, columns: Int, bits: Int
  ) -> [UInt8] {
    precondition(part.lowerBound >= 0 && part.upperBound <= rows && words.count >= count(columns, bits: bits) * rows)
    guard !part.isEmpty, columns > 0 else { return [] }
    // SAFETY: the rows lie inside the words' columns, which was just checked; the kernel writes `columns` bytes a row.
    return unsafe [UInt8](unsafeUninitializedCapacity: part.count * columns) { buffer, count in
      unsafe words.withUnsafeBufferPointer { words in
        if let from = words.baseAddress, let to = buffer.baseAddress {
          unsafe belle_unpack_inputs(
            from + part.lowerBound, rows, 0, part.count, columns, UInt32(bits), to, columns)
        }
      }
      count = part.count * columns
    }
  }

  /// Pointers that the pieces share; each writes rows of its own.
  @unsafe private struct Shared: @unchecked Sendable {
    let bytes: UnsafePointer<UInt8>
    let words: UnsafeMutablePointer<UInt32>
  }
}

/// Words as little-endian bytes.
package func littleEndianBytes<Word: FixedWidthInteger & BitwiseCopyable>(_ words: [Word]) -> [UInt8] {
  #if _endian(little)
    // SAFETY: any words are bytes.
    unsafe words.withUnsafeBytes { unsafe Array($0) }
  #else
    words.flatMap { word in (0..<Word.bitWidth / 8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
  #endif
}
