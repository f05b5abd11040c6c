// Files of this repository that are compiled into the program (CEmbeddedFiles), as texts; and what they were compiled from.

import CEmbeddedFiles

/// Files that the program carries in itself: path below their folder, and text.
public enum EmbeddedFiles {
  /// The files of checksums/.
  public static var checksums: [(path: String, text: String)] { unsafe files(belle_embedded_checksums()) }

  /// The texts of calibration/.
  public static var calibration: [(path: String, text: String)] { unsafe files(belle_embedded_calibration()) }

  /// The texts of calibration/held-out/: those that models are evaluated on, and never calibrated with.
  public static var heldOut: [(path: String, text: String)] { unsafe files(belle_embedded_held_out()) }

  /// The commit that the program was built from; nil where whoever built it did not say.
  public static var commit: String? {
    // SAFETY: a constant string, or none.
    unsafe belle_commit().map { unsafe String(cString: $0) }
  }

  private static func files(_ table: UnsafePointer<belle_embedded_file>?) -> [(path: String, text: String)] {
    var files: [(path: String, text: String)] = []
    guard var row = unsafe table else { return files }
    // SAFETY: a table is static, ends with a row that has no path, and its texts end with zeros.
    while let path = unsafe row.pointee.path, let text = unsafe row.pointee.text {
      unsafe files.append((String(cString: path), String(decodingCString: text, as: UTF8.self)))
      unsafe row += 1
    }
    return files
  }
}
