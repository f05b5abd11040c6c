// Streaming digests by OpenSSL's EVP interface, which uses the processor's SHA instructions where it has them.

import ByteIO
import COpenSSL

/// Computes one digest over bytes that arrive in order.
///
/// Not thread-safe, but may be handed from one thread to another.
@safe public final class DigestStream {
  /// Which digest it computes.
  public let algorithm: DigestAlgorithm
  private let context: OpaquePointer

  /// Begins a digest.
  ///
  /// - Parameters:
  ///   - algorithm: which.
  ///   - byteCount: how many bytes will come; git's digest begins with that.
  /// - Throws: ``ChecksumError`` with code `.digestUnavailable` where the system's policy forbids it.
  public init(_ algorithm: DigestAlgorithm, byteCount: Int = 0) throws(ChecksumError) {
    // SAFETY: OpenSSL's context is freed in deinit, and nobody else has it; EVP_md5 and its like answer constants.
    let kind =
      switch algorithm {
      case .md5: unsafe EVP_md5()
      case .sha256: unsafe EVP_sha256()
      case .gitBlob: unsafe EVP_sha1()
      }
    guard let context = unsafe EVP_MD_CTX_new(), unsafe EVP_DigestInit_ex(context, kind, nil) == 1 else {
      throw ChecksumError(
        .digestUnavailable, reason: "this system's OpenSSL does not compute \(algorithm.title)",
        remedy: "a FIPS policy may forbid it; use SHA-256 lists, or run on a system without that policy")
    }
    self.algorithm = algorithm
    unsafe self.context = context
    if algorithm == .gitBlob { update(Array("blob \(byteCount)\0".utf8)) }
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  /// Takes the next bytes.
  public func update(_ bytes: RawSpan) {
    // SAFETY: OpenSSL reads the span, no more. It fails only for contexts that were never begun.
    let result = unsafe bytes.withUnsafeBytes { unsafe EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    precondition(result == 1, "EVP_DigestUpdate failed on a context that was begun")
  }

  /// Takes the next bytes.
  public func update(_ bytes: [UInt8]) { unsafe update(bytes.span.bytes) }

  /// The digest of all bytes taken so far. Call it once, at the end.
  public func finish() -> Digest {
    // SAFETY: the buffer has room for the longest digest that OpenSSL knows.
    var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    let result = unsafe EVP_DigestFinal_ex(context, &bytes, nil)
    guard result == 1, let digest = Digest(algorithm, bytes: Array(bytes.prefix(algorithm.byteCount))) else {
      preconditionFailure("EVP_DigestFinal_ex failed on a context that was begun")
    }
    return digest
  }

  /// SHA-1 of some bytes without what git puts before them; nil where the system's policy forbids it.
  static func sha1(of bytes: [UInt8]) -> [UInt8]? {
    // SAFETY: the buffer has room for the longest digest that OpenSSL knows; the bytes are read during the call only.
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    let result = unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha1(), nil)
    return result == 1 ? Array(digest.prefix(DigestAlgorithm.gitBlob.byteCount)) : nil
  }

  /// The digest of some bytes.
  public static func digest(_ algorithm: DigestAlgorithm, of bytes: [UInt8]) throws(ChecksumError) -> Digest {
    let stream = try DigestStream(algorithm, byteCount: bytes.count)
    stream.update(bytes)
    return stream.finish()
  }
}
