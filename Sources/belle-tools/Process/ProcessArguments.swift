// The words of the command line, from the process itself: Swift's own list is empty on Linux where /proc is not mounted,
// and has what is not UTF-8 repaired, so that another file would be meant than the one that was named.

import ArgumentParser
import ByteIO

enum ProcessArguments {
  /// The arguments without the program's name.
  ///
  /// - Throws: `ValidationError` for one that is not UTF-8; ``ByteIOError`` where the system does not give them.
  static func read() throws -> [String] {
    guard let arguments = processArguments() else {
      throw ByteIOError(
        .system(ENOSYS), reason: "the system does not say what the arguments are", remedy: "mount /proc")
    }
    let prompts = ["--\(ShortName.prompt.long)", "-\(ShortName.prompt.rawValue)"].map { Array($0.utf8) }
    let words = try arguments.dropFirst().enumerated().map { index, bytes in
      guard let text = String(validating: bytes, as: UTF8.self) else {
        let isPrompt = prompts.contains { arguments[index] == $0 || bytes.starts(with: $0 + [0x3D]) }
        throw ValidationError(
          "Argument \(index + 1) is not UTF-8: \(escaped(bytes)). The locale is \(StandardInput.Locale.current). "
            + (isPrompt
              ? "Convert the prompt first, as `iconv -f GB18030 -t UTF-8` does, or set a locale of UTF-8."
              : "Rename the file, or reach it by another name."))
      }
      return text
    }
    return withNumbersJoined(words)
  }

  /// The words with negative numbers joined to the options before them: `--threads -1` becomes `--threads=-1`, which the
  /// parser would take for an option of its own. No option's name and no file of ours begins so.
  private static func withNumbersJoined(_ words: [String]) -> [String] {
    var (joined, isOver): ([String], Bool) = ([], false)
    for word in words {
      if !isOver, let option = joined.last, isOption(option),
        word.hasPrefix("-"), word.dropFirst().first?.isNumber == true || word.hasPrefix("-.")
      {
        joined[joined.count - 1] = option + "=" + word
        continue
      }
      isOver = isOver || word == "--"
      joined.append(word)
    }
    return joined
  }

  /// Whether a word is the name of an option, by itself: `--threads`, `-t`.
  private static func isOption(_ word: String) -> Bool {
    if word.hasPrefix("--") { return word.count > 2 && !word.contains("=") }
    return word.count == 2 && word.hasPrefix("-") && word.last?.isLetter == true
  }

  /// Bytes as text: what is not ASCII as `\\xNN`.
  private static func escaped(_ bytes: [UInt8]) -> String {
    bytes.prefix(200).map { byte in
      (0x20..<0x7F).contains(byte)
        ? String(Unicode.Scalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined() + (bytes.count > 200 ? "…" : "")
  }
}
