import ByteIO
import Foundation
import TestSupport
import Testing

/// How ranks are started here: Open MPI's mpirun, or MPICH's mpiexec; nil where there is neither.
private let launcher: String? = {
  let answer = try? belleTools("--version", shell: "mpirun --version 2>&1; \"$0\" \"$@\"")
  guard let words = answer?.output, !words.contains("MPI: none") else { return nil }
  if words.contains("Open MPI") || words.contains("OpenRTE") {
    return "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 exec mpirun --oversubscribe --bind-to none"
  }
  return words.contains("HYDRA") ? "exec mpirun" : nil
}()

@Suite("quantize and evaluate on MPI", .enabled(if: launcher != nil, "needs mpirun")) struct RankVerbTests {
  private func run(_ count: Int, _ arguments: [String], before: String = "") throws -> Finished {
    try Running(arguments, shell: "\(before) \(launcher ?? "") -n \(count) \"$0\" \"$@\"").finish()
  }

  private func arguments(_ folder: TemporaryFolder, _ output: String) -> [String] {
    [
      "quantize", folder.file("model"), folder.file(output), "--group-size", "32", "--threads", "1", "--calibration",
      folder.file("model/tokens.safetensors:calibration"), "--json",
    ]
  }

  @Test("two ranks write what one writes, say it once, and evaluate to the same figures")
  func two() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder, windows: 60)
    let one = try Running(arguments(folder, "one")).finish()
    let two = try run(2, arguments(folder, "two"))
    #expect(one.status == 0 && two.status == 0, "\(one.errors) \(two.errors)")
    #expect(try two.objects().filter { $0["type"] as? String == "summary" }.count == 1)
    let works = try two.objects().filter { $0["type"] as? String == "rank" }
    #expect(works.compactMap { $0["rank"] as? Int } == [0, 1])
    #expect(works.allSatisfy { ($0["shared_bytes"] as? Int ?? 0) > 0 })
    #expect(try two.objects().count == one.objects().count + works.count)
    for name in try folder.names(in: "one") {
      #expect(try readBytes(folder.file("one/" + name)) == readBytes(folder.file("two/" + name)), "\(name)")
    }
    let evaluate = [
      "evaluate", folder.file("two"), "--text", model + "/tokens.safetensors:evaluation", "--reference", model,
      "--json",
    ]
    let figures = { (run: Finished) -> [String: String] in
      #expect(run.status == 0, "\(run.errors)")
      return try (run.objects().first ?? [:]).filter { $0.key != "seconds" }.mapValues { "\($0)" }
    }
    #expect(try figures(run(3, evaluate)) == figures(Running(evaluate).finish()))
  }

  @Test("what is wrong is told once, and ends all ranks")
  func told() throws {
    let folder = try TemporaryFolder()
    try RandomCheckpoint(layers: 1).write(folder)
    var wrong = arguments(folder, "out")
    wrong[1] = folder.file("nothing")
    let missing = try run(2, wrong)
    #expect(missing.status == 1)
    #expect(missing.errors.split(separator: "\n").filter { $0.hasPrefix("error: ") }.count == 1, "\(missing.errors)")
    let other = try run(2, ["hash", folder.file("model")])
    #expect(other.status == 64)
    #expect(other.errors.contains("error: hash works in one process: start it without mp"), "\(other.errors)")
    // What one rank finds and rank 0 does not, it tells itself, by its number.
    let differs = "\"$0\" \"$@\" $([ \"${OMPI_COMM_WORLD_RANK:-$PMI_RANK}\" = 0 ] || echo --only none.such)"
    let own = try Running(
      arguments(folder, "out"), shell: "\(launcher ?? "") -n 2 sh -c '\(differs)' \"$0\" \"$@\""
    ).finish()
    #expect(own.status != 0)
    #expect(own.errors.contains("rank 1 on ") && own.errors.contains("none.such"), "\(own.errors)")
    let dry = try run(2, arguments(folder, "out") + ["--dry-run"])
    #expect(dry.status == 0, "\(dry.errors)")
    #expect(try dry.objects().count == Running(arguments(folder, "out") + ["--dry-run"]).finish().objects().count)
  }

  @Test("without the library ranks are an error that says what to install, and one process needs none")
  func noLibrary() throws {
    let folder = try TemporaryFolder()
    try RandomCheckpoint(layers: 1).write(folder)
    let without = try run(2, arguments(folder, "out"), before: "export BELLE_MPI=/nowhere/libmpi.so;")
    #expect(without.status == 1)
    #expect(without.errors.contains("several ranks need MPI") && without.errors.contains("BELLE_MPI"))
    let alone = try Running(arguments(folder, "out"), shell: "BELLE_MPI=/nowhere/libmpi.so exec \"$0\" \"$@\"").finish()
    #expect(alone.status == 0, "\(alone.errors)")
  }

  @Test("a rank that is killed ends the run, and another number of ranks goes on with the work")
  func killed() throws {
    let folder = try TemporaryFolder()
    try RandomCheckpoint(layers: 3).write(folder, windows: 60)
    let one = try Running(arguments(folder, "one")).finish()
    #expect(one.status == 0, "\(one.errors)")
    // The second rank goes as soon as there is something to go on with.
    let shell = """
      \(launcher?.replacing("exec ", with: "") ?? "") -n 2 "$0" "$@" & job=$!
      until ls "\(folder.file("two"))"/.belle-tools-work/layer-* > /dev/null 2>&1 || ! kill -0 $job 2> /dev/null
      do sleep 0.02; done
      for p in $(pgrep -f "^$0 .*\(folder.file("two"))" | tail -n 1); do kill -KILL $p; done
      wait $job
      """
    let killed = try Running(arguments(folder, "two"), shell: shell).finish()
    #expect(killed.status != 0, "\(killed.output)")
    #expect(try folder.names(in: "two").allSatisfy { $0.hasPrefix(".") })
    let rest = try run(3, arguments(folder, "two"))
    #expect(rest.status == 0, "\(rest.errors)")
    #expect(try rest.objects().contains { $0["resumed"] as? Bool == true })
    for name in try folder.names(in: "one") {
      #expect(try readBytes(folder.file("one/" + name)) == readBytes(folder.file("two/" + name)), "\(name)")
    }
  }
}
