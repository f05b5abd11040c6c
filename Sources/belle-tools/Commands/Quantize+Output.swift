// Where quantize writes, and what: what the options leave open, the output's name says.

import ByteIO
import Checkpoint
import Checksum
import Foundation
import Quantize
import Transformer

extension QuantizeCommand {
  /// What to write: what was asked for, or what the output's name and the blocks say.
  var format: Format {
    if let givenFormat { return givenFormat }
    switch namedContainer {
    case .gguf: return .gguf
    case .torch: return .belle
    default: return blocks.ggufType == nil ? .gptq : .gguf
    }
  }

  /// The kind of file that the output's name asks for, as `convert` reads it; nil for a folder.
  var namedContainer: Container? {
    output.flatMap { Folder.kind(of: $0) == .folder ? nil : Container(outputName: $0) }
  }

  /// `<model>-gptq-4bit-128g`, where the user stands; beside the model where that is the current folder.
  func defaultOutput() -> String {
    // The folder of a file first: in Hugging Face's cache the files are links to elsewhere.
    let folder = URL(filePath: Folder.home(of: model)).standardizedFileURL.resolvingSymlinksInPath().path
    let group = groupSize == -1 ? "" : "-\(groupSize)g"
    let ending =
      if let target = demand.target {
        (format == .gguf ? "-" : "-\(format.rawValue)-") + words(target) + (format == .gguf ? ".gguf" : "")
      } else if format == .gguf {
        "-\(mixture?.name ?? blockType.rawValue.lowercased()).gguf"
      } else {
        "-\(format.rawValue)-\(bits)bit" + group
      }
    let name = (HubDownload.repository(ofSnapshot: folder) ?? Folder.name(of: folder)) + ending
    let current = URL(filePath: ".").standardizedFileURL.resolvingSymlinksInPath().path
    return folder == current ? "../" + name : name
  }

  /// A size as a part of a name: `4.1GB`, `4.25bit`.
  private func words(_ target: SizeTarget) -> String {
    switch target {
    case .bytes(let bytes): byteCount(bytes).filter { $0 != " " }
    case .bits(let bits): "\(bits)bit"
    }
  }

  /// What the samples were drawn from, without the names of the user's files.
  func dataWords(_ data: Calibration) -> String {
    "\(data.windows.count) samples of \(data.windows.length) tokens from "
      + (calibration.isEmpty
        ? "the corpus of Chinese and English that comes with the program"
        : calibration.count == 1 ? "a file that was given" : "\(calibration.count) files that were given")
  }
}
