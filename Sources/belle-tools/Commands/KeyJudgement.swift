// What formats that checkpoints are saved in tell of a key and of files that did not come out right: a zip file holds
// checksums of its members, and most files say how long they must be.

import ByteIO
import Checkpoint
import XorDecrypt

/// What a key says of itself, and a plain file of its end.
enum KeyJudgement {
  /// Tells a damaged key from damaged files by the checksums that PyTorch's zip files hold of themselves; says nothing of a
  /// key that is none or is made of a model, and nothing but damage where no byte of it is in question.
  static func tell(of key: KeyFile, _ doubt: KeyDoubt, _ common: CommonOptions) {
    guard !key.isMade, let key = key.files.first, ZipIntegrity.looksLikeZip(key) else { return }
    if doubt.byteCount > 0 { common.note("checking the key by its own checksums") }
    do {
      try ZipIntegrity.check(key, upTo: doubt.byteCount)
      guard doubt.byteCount > 0 else { return }
      common.note(
        doubt.isBeginningProven
          ? "the key's own checksums agree: the files are damaged, as far as these tell"
          : "the key's own checksums agree as far as these files need it: it is whole, and another one than they were made "
            + "with, or they are damaged")
    } catch let error as CheckpointError {
      Console.shared.report(
        XorDecryptError(
          .unusableKey, file: key.path, place: error.place,
          reason: [.badChecksum, .truncated].contains(error.code)
            ? "the key is damaged: \(error.reason)"
            : "the key is damaged, or no zip file that PyTorch wrote: \(error.reason)",
          remedy: "download the key again; the .enc files may be whole"))
    } catch {
      // What cannot be read says nothing of itself.
    }
  }

  /// Why a plain file ends too early, by what its format says of its length; nil where it does not, or is of another format.
  static func cut(_ plain: any ByteSource) -> String? {
    guard let head = try? plain.bytes(count: FileKind.headSize) else { return nil }
    let isTelling =
      FileKind(head: head, size: plain.size) == .zip || head.starts(with: "GGUF".utf8)
      || head.count > 8 && head[8] == UInt8(ascii: "{") && plain.path.contains(".safetensors.")
    guard isTelling else { return nil }
    do { _ = try Checkpoint.open(plain) } catch let error as CheckpointError where error.code == .truncated {
      return error.reason
    } catch {
      // Whatever else is wrong with it, its digest will tell.
    }
    return nil
  }
}
