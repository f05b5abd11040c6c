// The card in a model's folder. One that this program wrote, and that nobody has changed since, may be replaced by the next
// one; any other is somebody's. Which is which says the last line of the card itself: a digest of all before it.

import ByteIO
import Checksum

/// A model card as it lies in a folder.
package struct ModelCardText: Sendable, Equatable {
  /// The name of the card in a model's folder, where Hugging Face and its users look for it.
  package static let fileName = "README.md"

  private static let opening = "<!-- This card is replaced with the model as long as nobody changes it: "
  private static let ending = " -->\n"
  /// The largest file that may be a card of this program's.
  private static let largest = 1 << 22

  /// The card with its last line.
  package let bytes: [UInt8]

  /// A card with a text.
  ///
  /// - Parameter text: Markdown; ends with a line end.
  package init(_ text: String) throws {
    let digest = try DigestStream.digest(.sha256, of: Array(text.utf8)).hex
    bytes = Array((text + Self.opening + digest + Self.ending).utf8)
  }

  /// Whether a file's bytes are a card as this program wrote it.
  package static func isOwn(_ bytes: [UInt8]) -> Bool {
    let line = opening.utf8.count + 64 + ending.utf8.count
    guard bytes.count > line else { return false }
    let text = String(decoding: bytes.dropLast(line), as: UTF8.self)
    return (try? ModelCardText(text))?.bytes == bytes
  }

  /// Whether a folder has no card, or one that may be replaced.
  package static func mayBeWritten(into folder: String) -> Bool {
    let path = Folder.join(folder, fileName)
    guard let kind = Folder.kind(of: path) else { return !Folder.isLink(path) }
    guard kind == .file, !Folder.isLink(path), let file = try? InputFile(path), file.size <= largest,
      let bytes = try? file.bytes(count: file.size)
    else { return false }
    return isOwn(bytes)
  }
}
