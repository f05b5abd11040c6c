import ByteIO
import Foundation
import TestSupport
import Testing

/// The table of Documentation/safety.md: every verb that writes, and what can befall its output.
@Suite("What can befall an output") struct OutputTests {
  /// How an input lies under an output's name.
  enum Lie: CaseIterable, Sendable { case hardLink, link }

  private let mine = Array("MY FILE".utf8)

  @Test(
    "an output that is an input is refused before the work, also with --force, and named",
    arguments: OutputVerb.allCases, Lie.allCases)
  func outputIsInput(verb: OutputVerb, lie: Lie) throws {
    let bench = try OutputBench(verb)
    let before = try bench.inputs.map { try readBytes($0) }
    try Folder.create(bench.out)
    for (input, bytes) in zip(bench.inputs, before) {
      if lie == .link { symlink(input, bench.output) } else { link(input, bench.output) }
      let run = try bench.run(["--force"])
      let all = run.errors + run.output
      #expect(run.status == 1 && all.contains("would replace") && all.contains(Folder.name(of: input)), "\(all)")
      #expect(try readBytes(input) == bytes && readBytes(bench.output) == bytes)
      #expect(Folder.isLink(bench.output) == (lie == .link))
      unlink(bench.output)
    }
    #expect(try bench.run().status == 0, "and without the link it goes through")
  }

  @Test("what appears under an output's name during the work stays, and is an error", arguments: OutputVerb.allCases)
  func appears(verb: OutputVerb) throws {
    let bench = try OutputBench(verb)
    for _ in 0..<20 {
      guard let running = try bench.stopped() else { continue }
      try bench.folder.write("out/" + bench.tried, mine)
      running.send(SIGCONT)
      let run = try running.finish()
      #expect(run.status == 1, "\(run.output)\(run.errors)")
      #expect(run.errors.contains(bench.tried), "\(run.errors)")
      #expect(try readBytes(bench.output) == mine)
      // Of a model that goes together nothing has its name, and what took hours is kept.
      if !bench.arguments[0].hasSuffix("crypt") { #expect(try bench.visible().keys.sorted() == [bench.tried]) }
      #expect(try bench.unfinished().isEmpty != verb.keepsWork)
      unlink(bench.output)
      let again = try bench.run()
      #expect(again.status == 0, "\(again.errors)")
      if verb.keepsWork { #expect(again.errors.contains("going on with earlier work")) }
      #expect(try readBytes(bench.output) != mine)
      return
    }
    Issue.record("it was always too quick")
  }

  @Test("what exists stays without --force, and with it is replaced and told", arguments: OutputVerb.allCases)
  func exists(verb: OutputVerb) throws {
    let bench = try OutputBench(verb)
    try bench.folder.write("out/" + bench.tried, mine)
    let run = try bench.run()
    #expect(run.status == 1 && (run.errors + run.output).contains(bench.tried), "\(run.errors)")
    #expect(try readBytes(bench.output) == mine)
    let forced = try bench.run(["--force"])
    #expect(forced.status == 0, "\(forced.errors)")
    #expect(try readBytes(bench.output) != mine)
    let told = (forced.errors + forced.output).split(separator: "\n").contains {
      $0.contains("replace") && $0.contains(bench.tried)
    }
    #expect(told, "\(forced.errors)\(forced.output)")
    // A dangling link is in the way like any file.
    unlink(bench.output)
    symlink(bench.folder.file("nowhere"), bench.output)
    #expect(try bench.run().status == 1)
    #expect(Folder.isLink(bench.output) && Folder.kind(of: bench.folder.file("nowhere")) == nil)
  }

  @Test(
    "killed, it leaves nothing half under a final name, and the next run ends in the same",
    arguments: OutputVerb.allCases)
  func killed(verb: OutputVerb) throws {
    let bench = try OutputBench(verb)
    #expect(try bench.run().status == 0)
    let whole = try bench.visible()
    try FileManager.default.removeItem(atPath: bench.out)
    for pause in [0, 1, 5, 20, 60] as [UInt32] {
      guard let running = try bench.stopped() else { continue }
      running.send(SIGCONT)
      usleep(pause * 1000)
      running.send(SIGKILL)
      _ = try running.finish()
      for (name, bytes) in try bench.visible() { #expect(bytes == whole[name], "\(name)") }
    }
    // A kill between two names leaves whole files that the next run is told of.
    let isThere = try !bench.visible().isEmpty && ["convert", "extend", "merge"].contains(bench.arguments[0])
    let last = try bench.run(isThere ? ["--force"] : [])
    #expect(last.status == 0, "\(last.errors)")
    #expect(try bench.visible() == whole)
    #expect(try bench.unfinished() == [], "what the killed runs left is tidied up")
  }

  @Test("interrupted, it leaves nothing of its temporaries", arguments: OutputVerb.allCases)
  func interrupted(verb: OutputVerb) throws {
    let bench = try OutputBench(verb)
    for _ in 0..<20 {
      guard let running = try bench.stopped() else { continue }
      running.send(SIGINT)
      running.send(SIGCONT)
      let run = try running.finish()
      // Its work may have been done before the signal was seen.
      #expect(run.status == 128 + SIGINT || run.status == 0)
      #expect(try bench.unfinished().allSatisfy { verb.keepsWork && $0.hasSuffix(".belle-tools-work") })
      return
    }
    Issue.record("it was always too quick")
  }

  @Test("without room it says so, and nothing has the output's name", arguments: OutputVerb.allCases)
  func noRoom(verb: OutputVerb) throws {
    let bench = try OutputBench(verb)
    let run = try bench.run(shell: #"ulimit -f 1024; exec "$0" "$@""#)
    #expect(run.status == 1 && run.errors.contains("ulimit -f"), "\(run.errors)")
    #expect(Folder.kind(of: bench.output) == nil)
    if !bench.arguments[0].hasSuffix("crypt") { #expect(try bench.visible().isEmpty) }
    #expect(try bench.unfinished().isEmpty != verb.keepsWork)
    let again = try bench.run()
    #expect(again.status == 0, "\(again.errors)")
  }

  @Test(
    "two at once do not overwrite each other", arguments: [OutputVerb.quantizeToGGUF, .convertToGGUF, .quantizeToPt])
  func twoVerbs(verb: OutputVerb) throws {
    let bench = try OutputBench(verb)
    let other =
      ["convert", bench.folder.file("in"), bench.output] + (verb == .convertToGGUF ? ["--gguf-type", "f16"] : [])
    for _ in 0..<20 {
      guard let running = try bench.stopped() else { continue }
      let run = try Running(other).finish()
      #expect(run.status == 0, "\(run.errors)")
      let theirs = try readBytes(bench.output)
      running.send(SIGCONT)
      #expect(try running.finish().status == 1)
      #expect(try readBytes(bench.output) == theirs)
      return
    }
    Issue.record("it was always too quick")
  }

  @Test(
    "another model there is told, stays without --force, and with it is removed and told",
    arguments: OutputVerb.allCases)
  func otherModel(verb: OutputVerb) throws {
    let bench = try OutputBench(verb)
    let name = verb.otherModel ?? "model.safetensors"
    let other = try bench.folder.write("out/" + name, mine)
    guard verb.otherModel != nil else {
      // One file of a name that no reader looks for, or files for no reader: the folder is the user's.
      #expect(try bench.run().status == 0)
      #expect(try readBytes(other) == mine)
      return
    }
    let run = try bench.run()
    #expect(run.status == 1 && run.errors.contains("\(name): it is there already"), "\(run.errors)")
    #expect(try readBytes(other) == mine && Folder.kind(of: bench.output) == nil)
    let forced = try bench.run(["--force"])
    #expect(forced.status == 0, "\(forced.errors)")
    #expect(forced.errors.split(separator: "\n").contains { $0.contains("removed") && $0.contains(name) })
    #expect(Folder.kind(of: other) == nil)
    #expect(try belleTools("inspect", bench.out).output.contains("lm_head") && bench.unfinished().isEmpty)
  }

  @Test(
    "what comes during the work and would be taken for the model stays, and is an error", arguments: OutputVerb.allCases
  )
  func otherModelAppears(verb: OutputVerb) throws {
    guard let name = verb.otherModel else { return }
    let bench = try OutputBench(verb)
    for _ in 0..<20 {
      guard let running = try bench.stopped() else { continue }
      try bench.folder.write("out/" + name, mine)
      running.send(SIGCONT)
      let run = try running.finish()
      #expect(run.status == 1 && run.errors.contains(name), "\(run.output)\(run.errors)")
      #expect(try readBytes(bench.out + "/" + name) == mine)
      if !bench.arguments[0].hasSuffix("crypt") { #expect(try bench.visible().keys.sorted() == [name]) }
      return
    }
    Issue.record("it was always too quick")
  }

  @Test(
    "with --force, where one name cannot be taken every file is what it was", .enabled(if: canBeNobody),
    arguments: OutputVerb.allCases)
  func halfWay(verb: OutputVerb) throws {
    let bench = try OutputBench(verb)
    #expect(try bench.run().status == 0)
    var names = try bench.visible().keys.sorted()
    // The last one that a model gets.
    let held = names.contains("config.json") && !bench.arguments[0].hasSuffix("crypt") ? "config.json" : bench.tried
    if let other = verb.otherModel { names.append(other) }
    for name in names {
      let path = try bench.folder.write("out/" + name, "mine, \(name)")
      if name != held { chown(path, 65534, 65534) }
    }
    chmod(bench.out, 0o1777)
    let before = try bench.visible()
    let run = try bench.run(
      ["--force"], shell: #"exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0" "$@""#)
    #expect(run.status == 1 && (run.errors + run.output).contains(held), "\(run.errors)")
    let after = try bench.visible()
    if bench.arguments[0].hasSuffix("crypt") {
      // Each file is by itself, and what is removed goes last.
      for name in [held] + (verb.otherModel.map { [$0] } ?? []) { #expect(after[name] == before[name], "\(name)") }
    } else {
      #expect(after == before)
    }
    #expect(try bench.unfinished().isEmpty != verb.keepsWork)
    let again = try bench.run(["--force"])
    #expect(again.status == 0, "\(again.errors)")
    #expect(try readBytes(bench.output) != before[bench.tried])
  }
}

/// Whether a part of the outputs can be made impossible to replace: a file of root's in a folder of everybody's.
private let canBeNobody = geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv")
