// The language that the user reads: English, or Chinese where the locale is Chinese. Results, and JSON, are in none: their
// words stay.
// Source: the GNU gettext manual, "Locale Environment Variables" and "The LANGUAGE variable".

import ByteIO
import CTranslations
import Foundation
import Model

/// The language of messages and help.
enum Language {
  case english, chinese

  /// The one of this process.
  static let current = Language(ProcessInfo.processInfo.environment)

  /// The language that an environment names.
  init(_ environment: [String: String]) {
    self = .english
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
    // What is written is UTF-8; elsewhere Chinese would be unreadable. A locale without a name of an encoding is taken for one.
    let parts = locale.split(separator: ".", maxSplits: 1)
    let encoding = parts.count > 1 ? parts[1].prefix { $0 != "@" }.uppercased().filter { $0 != "-" } : "UTF8"
    guard encoding == "UTF8", let name = parts.first, name != "C", name != "POSIX" else { return }
    // With a locale of any language LANGUAGE lists those that are wanted, the best first.
    let wanted = (environment["LANGUAGE"] ?? "").split(separator: ":").map(String.init) + [String(name)]
    for name in wanted {
      if name == "en" || name.hasPrefix("en_") { return }
      if name == "zh" || name.hasPrefix("zh_") {
        self = .chinese
        return
      }
    }
  }

  /// Translations into it; nil where there are none to be made.
  static let catalogue: Translations? = current == .chinese ? chineseTexts : nil

  /// The Chinese catalogue.
  static var chineseTexts: Translations {
    // SAFETY: a constant text that ends with a zero.
    unsafe Translations(text: String(decodingCString: belle_translation_zh(), as: UTF8.self))
  }

  /// A message in it; the same where no translation is known.
  static func message(_ text: String) -> String { catalogue?.translation(of: text) ?? text }

  /// An error in it, as ``ToolError/description`` is made.
  static func words(_ error: any ToolError) -> String {
    guard let catalogue else { return error.description }
    let reason = catalogue.translation(of: error.reason) ?? error.reason
    let place = error.place.map { catalogue.place($0) }
    // What is in no file, as the built-in corpus, has a name in words; a file may be called as one word is.
    let file = error.file.map { file in (file.contains(" ") ? catalogue.texts[file] : nil) ?? displayName(file) }
    return [file, place, reason].compactMap(\.self).joined(separator: "：")
  }

  /// How a verb is called, and where its help is, as the parser says it.
  static func usage(_ text: String) -> String {
    guard current == .chinese else { return text }
    return text.replacing("Usage: ", with: "用法：").replacing("See '", with: "详见 '")
      .replacing("' for more information.", with: "'。")
  }

  /// How much of how much is done, in a line of progress.
  static func share(_ done: String, of all: String) -> String {
    done + (current == .chinese ? " / 共 " : " of ") + all
  }

  /// The time that is left, in a line of progress.
  static func left(_ time: String) -> String { current == .chinese ? "剩余 \(time)" : "\(time) left" }

  /// What stands before a message: `error`, `warning`.
  static func label(_ label: Label) -> String { current == .chinese ? label.chinese : label.rawValue + ": " }

  /// Kinds of messages.
  enum Label: String {
    case error, hint, note, warning, interrupted
    case notJudged = "not-judged"

    var chinese: String {
      switch self {
      case .error: "错误："
      case .hint: "提示："
      case .note: "说明："
      case .warning: "警告："
      case .interrupted: "已中断："
      case .notJudged: "未判断："
      }
    }
  }
}

extension Finding.Severity {
  /// What stands before such a finding.
  var label: Language.Label {
    switch self {
    case .error: .error
    case .warning: .warning
    case .notJudged: .notJudged
    }
  }
}
