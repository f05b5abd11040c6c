import ByteIO
import Foundation
import TestSupport
import Testing

@Suite(
  "make install",
  .enabled(if: (try? belleTools(shell: "command -v make python3 install").status) == 0, "make or python3 is not here"))
struct InstallTests {
  /// Runs make in the project, for the binary under test; a build would fail.
  private func make(_ folder: TemporaryFolder, _ targets: String) throws -> Finished {
    try belleTools(
      shell: """
        make --no-print-directory -C '\(projectFolder)' \(targets) BINARY="$0" SHARE='\(folder.file("share"))' \
        DESTDIR='\(folder.file("root"))' PREFIX=/usr SWIFT=false
        """)
  }

  private static let files = [
    "bin/belle-tools", "share/bash-completion/completions/belle-tools", "share/zsh/site-functions/_belle-tools",
    "share/fish/vendor_completions.d/belle-tools.fish", "share/man/man1/belle-tools.1",
    "share/man/man1/belle-tools-decrypt.1", "share/man/man1/belle-tools-quantize.1",
  ]

  @Test("what was built is installed without a build, and uninstall removes all of it")
  func install() throws {
    let folder = try TemporaryFolder()
    let none = try make(folder, "install")
    #expect(none.status != 0 && none.errors.contains("hint: make release first"), "\(none.errors)")
    #expect(Folder.kind(of: folder.file("root")) == nil)

    #expect(try make(folder, "share").status == 0)
    let index = project(".git/index")
    let changed = { try? FileManager.default.attributesOfItem(atPath: index)[.modificationDate] as? Date }
    let before = changed()
    let done = try make(folder, "install")
    #expect(done.status == 0, "\(done.errors)")
    // What root runs leaves nothing of root's behind.
    #expect(changed() == before)
    for file in Self.files { #expect(Folder.kind(of: folder.file("root/usr/" + file)) == .file, "\(file)") }
    let run = try belleTools(shell: "'\(folder.file("root/usr/bin/belle-tools"))' --version")
    #expect(run.status == 0 && run.output.hasPrefix("belle-tools "))

    #expect(try make(folder, "uninstall").status == 0)
    let left = try FileManager.default.subpathsOfDirectory(atPath: folder.file("root"))
      .filter { Folder.kind(of: folder.file("root/" + $0)) == .file }
    #expect(left.isEmpty)
  }

  @Test("there is a manual page for each verb, with each of its options, and it is sound")
  func manuals() throws {
    let folder = try TemporaryFolder()
    #expect(try make(folder, "share").status == 0)
    let pages = try folder.names(in: "share/man")
    #expect(pages.count > 12 && pages.contains("belle-tools.1"))
    for page in pages {
      let text = try String(contentsOfFile: folder.file("share/man/" + page), encoding: .utf8)
      for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"] {
        #expect(text.contains("\n.SH \(section)\n"), "\(page): \(section)")
      }
      let verb = page.dropFirst("belle-tools".count).dropLast(2).dropFirst()
      let help = try Running((verb.isEmpty ? [] : [String(verb)]) + ["--help"]).finish().output
      for option in help.matches(of: /^  (?:-[a-zA-Z], )?(--[a-z-]+)/.anchorsMatchLineEndings()) {
        let spelled = option.output.1.replacing("-", with: "\\-")
        #expect(text.contains("\\fB\(spelled)\\fR"), "\(page): \(option.output.1)")
      }
    }
    // A second opinion, where there is one.
    let lint = try belleTools(
      shell: "command -v mandoc > /dev/null || exit 0; mandoc -T lint -W warning '\(folder.file("share/man"))'/*.1")
    #expect(lint.status == 0, "\(lint.output)\(lint.errors)")
  }
}
