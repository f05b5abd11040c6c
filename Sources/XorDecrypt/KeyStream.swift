// The key stream of an encrypted file: which key byte goes with which plain byte.
//
// Plain file and key are walked side by side in blocks of 10 MiB; at its end the key starts over. Where the key's last
// block is short, it is repeated to fill its block, and only then the key starts over: the key does not wrap in the
// middle of a block. So byte i is not key[i % size] once a plain file is longer than its key.
// Source: point-alpaca's encrypt.py and BELLE's models/decrypt.py; proven on golden.json and published digests.

/// Where the key bytes for each position of a plain file are.
package struct KeyStreamLayout: Sendable, Equatable {
  /// The bytes of a block.
  package static let blockSize = 10 << 20

  /// The key file's size in bytes, at least 1.
  package let keySize: Int

  /// The layout of a key.
  ///
  /// - Parameter keySize: in bytes, at least 1.
  package init(keySize: Int) {
    precondition(keySize > 0, "an empty key has no stream")
    self.keySize = keySize
  }

  /// The bytes of the key's short last block; 0 where it has none.
  package var tailSize: Int { keySize % Self.blockSize }

  /// Where the key's short last block begins; the key's size where it has none.
  package var tailStart: Int { keySize - tailSize }

  /// The key bytes for a position of the plain file.
  ///
  /// - Parameter offset: a position in the plain file.
  /// - Returns: the first key byte's position in the key file, and for how many plain bytes from there on the key bytes
  ///   lie one after the other.
  package func run(at offset: Int) -> (keyOffset: Int, count: Int) {
    let fullBlocks = keySize / Self.blockSize
    let blocks = fullBlocks + (tailSize > 0 ? 1 : 0)
    let block = (offset / Self.blockSize) % blocks
    let within = offset % Self.blockSize
    if block < fullBlocks { return (block * Self.blockSize + within, Self.blockSize - within) }
    let phase = within % tailSize
    return (tailStart + phase, min(tailSize - phase, Self.blockSize - within))
  }
}
