// The digests of a whole file, read once however many are wanted.

import ByteIO

/// Digests of files.
public enum FileDigest {
  /// Computes digests of a file, each on a thread of its own beside the reading.
  ///
  /// - Parameters:
  ///   - algorithms: which; computed in one pass.
  ///   - file: the file, open.
  ///   - stream: the memory to use.
  ///   - progress: told of bytes as they are read.
  ///   - isCancelled: asked before each chunk.
  /// - Throws: ``ByteIOError``, ``ChecksumError`` or `CancellationError`.
  public static func compute(
    _ algorithms: Set<DigestAlgorithm>,
    of file: any ByteSource,
    stream: ChunkStream = ChunkStream(sharedBy: 1),
    progress: (Int) -> Void = { _ in },
    isCancelled: () -> Bool = { false }
  ) throws -> [DigestAlgorithm: Digest] {
    let digests = try DigestAlgorithm.allCases.filter(algorithms.contains).map {
      try DigestStream($0, byteCount: file.size)
    }
    (file as? InputFile)?.adviseSequential()
    try stream.run(
      count: file.size,
      produce: { chunk, offset in
        try file.read(into: &chunk, at: offset)
        progress(chunk.byteCount)
      },
      consumers: digests.map { digest in { bytes, _ in digest.update(bytes) } },
      isCancelled: isCancelled)
    return Dictionary(uniqueKeysWithValues: digests.map { ($0.algorithm, $0.finish()) })
  }
}
