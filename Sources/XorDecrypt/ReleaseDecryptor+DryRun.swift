// What can be known of a decryption without writing: small files are decrypted in memory and held against their digests, and
// of the large ones beginning and end are looked at.

import ByteIO
import Checksum

extension ReleaseDecryptor {
  /// Says of each file whether it would be decrypted (or, where it is there already, checked), or why not.
  ///
  /// - Parameters:
  ///   - isCut: answers why a plain file, of which the beginning is known, ends too early; nil where it does not, or its
  ///     format does not tell.
  ///   - receive: told of each result.
  /// - Returns: how far the key is in doubt.
  package func dryRun(
    isCut: (any ByteSource) -> String?, receive: (FileResult) -> Void
  ) throws -> Outcome {
    var course = Course()
    var failed: [String: XorDecryptError] = [:]
    for item in plan.items where item.problem == nil && item.isSmall {
      guard let error = try mismatch(ofSmall: item) else {
        course.proof.add(item)
        continue
      }
      failed[item.input] = error
    }
    for item in plan.items {
      if let problem = item.problem {
        receive(result(item, .failed(problem)))
      } else if let error = failed[item.input] {
        tell(result(item, .failed(error)), item, &course, receive)
      } else if !item.isSmall, let error = try fault(of: item, isCut, &course) {
        receive(result(item, .failed(error)))
      } else {
        receive(result(item, .planned))
      }
    }
    return course.outcome
  }

  /// Why a small file does not come out right; nil where it does.
  private func mismatch(ofSmall item: DecryptItem) throws -> XorDecryptError? {
    let bytes = try plainBytes(of: item, count: item.plainSize)
    var digests: [DigestAlgorithm: Digest] = [:]
    for algorithm in item.expected.keys { digests[algorithm] = try DigestStream.digest(algorithm, of: bytes) }
    return agree(digests, item) ? nil : mismatch(item, digests)
  }

  /// What beginning and end of a large file tell against it; nil where they tell nothing.
  private func fault(
    of item: DecryptItem, _ isCut: (any ByteSource) -> String?, _ course: inout Course
  ) throws -> XorDecryptError? {
    // What is there already is only held against its digest.
    guard Folder.kind(of: Folder.join(plan.outputFolder, item.outputName)) == nil else { return nil }
    if let garbled = try garbled(item, &course) { return garbled }
    guard let reason = isCut(try DecryptedFile(item, key: plan.key)) else { return nil }
    // The whole key is not read for it.
    course.doubt(course.proof.cause(upTo: item.plainSize, plan).doubt, 0, of: plan.key)
    return XorDecryptError(
      .truncated, file: item.input, reason: "with this key it begins as it should, but \(reason)",
      remedy: "it was cut off, or the key is damaged or another one beyond its beginning: compare the file's size with "
        + "the publisher's, or download it again")
  }
}
