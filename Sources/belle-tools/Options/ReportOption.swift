// --report, the same in every verb that has something to look at.

import ArgumentParser
import ByteIO
import Reports

/// A page that is written besides.
struct ReportOption: ParsableArguments {
  @Option(
    name: .customLong("report"),
    help: ArgumentHelp(
      "Also write a page to look at: one HTML file that needs nothing else, and no network.", valueName: "file.html"),
    completion: .file(extensions: ["html"]))
  var path: String?

  func validate() throws {
    guard let path else { return }
    // Whatever else is called so is no report: a name that got into the wrong place replaces nothing.
    guard Self.isPage(path) else {
      throw ValidationError("--report writes an HTML page: '\(displayName(path))' does not end in .html.")
    }
  }

  /// Whether a path ends as an HTML page's.
  static func isPage(_ path: String) -> Bool {
    [".html", ".htm"].contains { path.lowercased().hasSuffix($0) && Folder.name(of: path).count > $0.count }
  }

  /// Whether the page can be written, as far as that is known before the work; nothing where none is wanted.
  func check(replacing: Bool) throws {
    if let path { try Self.check(path, replacing: replacing) }
  }

  /// Writes the page where one is wanted, and says so.
  func write(_ page: @autoclosure () throws -> Page, replacing: Bool, _ common: CommonOptions) throws {
    guard let path else { return }
    try Self.write(page().html, to: path, replacing: replacing)
    common.note("the report is \(displayName(path))")
  }

  /// Whether a page can be written to a path.
  static func check(_ path: String, replacing: Bool) throws {
    if let kind = Folder.kind(of: path) {
      guard kind == .file, replacing else {
        throw ByteIOError(
          .exists, file: path, reason: kind == .folder ? "a folder has the report's name" : "it is there already",
          remedy: kind == .file ? "give another name, or \(.replacing) to replace it" : "give another name")
      }
    }
    try InputRecord.opened.refuse([path])
    let folder = Folder.parent(of: path)
    if let obstacle = Folder.obstacle(to: folder) {
      throw ByteIOError(.wrongKind, file: obstacle, reason: "the report is to be written below this, and it is no folder")
    }
    guard Folder.isWritable(folder) else {
      throw ByteIOError(
        .notPermitted, file: path, reason: "cannot write there", remedy: "give a name in a folder that you may write to")
    }
  }

  /// Writes a page, or another text; what it was made from is never replaced.
  static func write(_ html: [UInt8], to path: String, replacing: Bool) throws {
    try check(path, replacing: replacing)
    try Folder.create(Folder.parent(of: path))
    let writer = try AtomicFileWriter(in: Folder.parent(of: path))
    try writer.write(html, at: 0)
    guard try writer.commit(as: Folder.name(of: path), size: html.count, replacing: replacing) == .created else {
      throw ByteIOError(
        .exists, file: path, reason: "it appeared while the work was done",
        remedy: "give another name, or \(.replacing) to replace it")
    }
  }
}
