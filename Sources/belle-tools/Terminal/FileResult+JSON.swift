// A file that was decrypted or encrypted, as scripts read it.

import ByteIO
import Checksum
import XorDecrypt

extension FileResult {
  /// The fields that scripts read.
  var json: JSONValue {
    let status =
      switch self.status {
      case .verified: "verified"
      case .skipped: "skipped"
      case .planned: "planned"
      case .failed: "failed"
      }
    return [
      "type": "file", "input": .string(input), "output": JSONValue(output), "bytes": .int(bytes),
      "sha256": JSONValue(digests[.sha256]?.hex), "md5": JSONValue(digests[.md5]?.hex), "status": .string(status),
      "error": JSONValue(error?.description), "hint": JSONValue(error?.remedy?.words),
      "outputs": JSONValue(outputs), "note": JSONValue(note),
    ]
  }
}
