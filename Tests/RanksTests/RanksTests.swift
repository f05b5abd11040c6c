import ByteIO
import TestSupport
import Testing

@testable import Ranks

@Suite("Ranks") struct RanksTests {
  @Test(
    "a launcher is known by what it leaves in the environment",
    arguments: [
      ([:], 0, 1, false), (["OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "8"], 3, 8, false),
      (["PMI_RANK": "1", "PMI_SIZE": "2"], 1, 2, true), (["PMIX_RANK": "0", "SLURM_NTASKS": "1"], 0, 1, false),
      (["PMIX_RANK": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "9"], 2, 4, false),
      (["PMIX_RANK": "1"], 1, nil, false), (["PMI_RANK": "-1", "PMI_SIZE": "2"], 0, 1, false),
      (["SLURM_NTASKS": "4", "OMPI_COMM_WORLD_RANK": "x"], 0, 1, false),
    ] as [([String: String], Int, Int?, Bool)])
  func launch(environment: [String: String], rank: Int, count: Int?, isMPICH: Bool) {
    let launch = Launch(environment)
    #expect(launch.rank == rank && launch.count == count && launch.isMPICH == isMPICH)
    #expect(launch.hasOthers == (count != 1))
  }

  @Test("what differs is told by its name; digests are not shown")
  func difference() {
    let digest = String(repeating: "a", count: 64)
    let first = ["BLAS": "one", "program": digest, "kernels": "AVX2"]
    #expect(OneRank.difference(first, first) == nil)
    #expect(
      OneRank.difference(first, ["BLAS": "two", "program": digest, "kernels": "AVX2"])
        == "BLAS: two, and rank 0 one")
    let other = ["BLAS": "one", "program": String(repeating: "b", count: 64)]
    #expect(OneRank.difference(first, other) == "kernels: none, and rank 0 AVX2; another program than rank 0")
  }

  @Test("all get what one has, and rank 0 what all have", arguments: [1, 2, 5])
  func exchange(count: Int) throws {
    let found = try ThreadRanks.run(count) { ranks in
      let shared = try ranks.broadcast(from: count - 1) { [UInt8](repeating: 7, count: 3 * ranks.rank) }
      let number = try ranks.decided { ranks.rank + 40 }
      let all = try ranks.gather([UInt8](repeating: UInt8(ranks.rank), count: ranks.rank))
      try ranks.barrier()
      return (shared.count, number, all.map(\.count))
    }
    for (rank, (shared, number, all)) in found.enumerated() {
      #expect(shared == 3 * (count - 1) && number == 40)
      #expect(all == (rank == 0 ? Array(0..<count) : []))
    }
  }

  @Test("a rank that differs is refused by its number, and the others end with it")
  func refusal() {
    #expect {
      try ThreadRanks.run(3) { ranks in
        try ranks.agree(on: ["BLAS": ranks.rank == 2 ? "other" : "same"], remedy: "install the same")
      }
    } throws: { error in
      guard let error = error as? RanksError else { return false }
      return error.code == .differs && error.reason.hasPrefix("rank 2 on ")
        && error.reason.hasSuffix(" has BLAS: other, and rank 0 same")
    }
  }

  @Test("rank 0 goes first; where there is nothing to do the others are let go")
  func first() throws {
    let found = try ThreadRanks.run(3) { ranks in
      do {
        try ranks.waitForFirst()
        try ranks.releaseOthers(hasWork: false)
        return ranks.rank == 0
      } catch let error as RanksError { return error.code == .dismissed }
    }
    #expect(found == [true, true, true])
  }
}
