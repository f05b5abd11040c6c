import ByteIO
import Synchronization
import Testing

@Suite("forEachInOrder") struct OrderedJobsTests {
  struct Failure: Error, Equatable { let element: Int }

  @Test("results come in order, at any number of jobs", arguments: [1, 2, 5, 100])
  func order(jobs: Int) throws {
    var results: [Int] = []
    try forEachInOrder(Array(0..<50), jobs: jobs, work: { $0 * $0 }, receive: { results.append($0) })
    #expect(results == (0..<50).map { $0 * $0 })
    try forEachInOrder([Int](), jobs: jobs, work: { $0 }, receive: { _ in Issue.record("there is nothing to receive") })
  }

  @Test("the first element that fails ends it, after the results before it", arguments: [1, 2, 5])
  func failure(jobs: Int) {
    var results: [Int] = []
    let begun = Atomic(0)
    #expect(throws: Failure(element: 7)) {
      try forEachInOrder(Array(0..<1_000_000), jobs: jobs) { element in
        begun.add(1, ordering: .relaxed)
        if element == 7 || element == 9 { throw Failure(element: element) }
        return element
      } receive: {
        results.append($0)
      }
    }
    #expect(results == Array(0..<7))
    #expect(begun.load(ordering: .relaxed) < 1_000_000)
  }

  @Test("a receiver that throws ends it", arguments: [1, 3])
  func receiver(jobs: Int) {
    #expect(throws: Failure(element: 3)) {
      try forEachInOrder(
        Array(0..<100), jobs: jobs, work: { $0 }, receive: { if $0 == 3 { throw Failure(element: 3) } })
    }
  }
}
