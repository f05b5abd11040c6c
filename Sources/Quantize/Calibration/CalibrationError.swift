// The error of reading calibration and evaluation data.

import ByteIO

/// A failure to read or draw data.
package typealias CalibrationError = LibraryError<CalibrationErrorCode>

/// What kind of failure a ``CalibrationError`` is.
package enum CalibrationErrorCode: Sendable, Equatable {
  /// A file holds no text or tokens of a form that is known.
  case unknownForm
  /// A rule of the form is broken.
  case malformed
  /// The file is too large.
  case limit
  /// There is too little in it.
  case tooShort
  /// A token that the model's vocabulary does not have.
  case badToken
}
