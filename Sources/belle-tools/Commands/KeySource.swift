// What serves as a key: the original's file, or a model's folder, of which the file's bytes are made as they are read.

import ByteIO
import Checkpoint
import Checksum
import Model
import XorDecrypt

/// Opens keys.
enum KeySource {
  /// Opens a key.
  ///
  /// - Parameter path: a file; a folder that holds one under a key's name, which is taken then; or the folder of a model in
  ///   Hugging Face's layout.
  /// - Throws: `XorDecryptError` for what cannot be a key; what opening a model throws, and `ModelError` for one that no
  ///   original can be made of.
  static func open(_ path: String) throws -> KeyFile {
    guard Folder.kind(of: path) == .folder,
      Folder.kind(of: Folder.join(path, KnownOriginal.keyFileName)) != .file
    else { return try KeyFile(path) }
    let place = (try? Checkpoint.located(path)) ?? path
    guard Folder.kind(of: Folder.join(place, "config.json")) == .file else { return try KeyFile(path) }
    let image = try Model.open(path).original().image(path)
    return try KeyFile(making: image, from: image.files)
  }
}
